/* Files that appear whole or not at all.  What is written goes to `.NAME.XXXXXX` in the same
 * directory, and gets its name by rename(2) when it is complete: whoever opens NAME has the old
 * file or the new one.  A writer that is killed leaves at most that other file; nothing reads it,
 * and it can be removed.
 *
 * The mode is 0600 whatever the umask: an image has all that the guest had in memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm/error.h"
#include "vm/image/file.h"

enum { TEMPORARY_NAME_BYTES = 200 }; /* of NAME: all of the other name must fit in 255 */

static fnvm_error *write_error(const char *path)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "cannot write `%s`: %s", path, reason ? reason : "unknown error");
}

/* Renaming would replace a device or a link as readily as a file. */
static fnvm_error *check_replaceable(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? NULL : write_error(path);
    if (S_ISREG(st.st_mode)) return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "cannot write `%s`: it exists and is no regular file; "
                          "choose another name", path);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

fnvm_error *file_begin(const char *path, NewFile *out)
{
    *out = (NewFile){.fd = -1};
    fnvm_error *error = check_replaceable(path);
    if (error) return error;
    const char *name = file_name(path);
    out->path = strdup(path);
    if (asprintf(&out->temporary, "%.*s.%.*s.XXXXXX", (int)(name - path), path,
                 TEMPORARY_NAME_BYTES, name) < 0)
        out->temporary = NULL;
    if (!out->path || !out->temporary) {
        file_abandon(out);
        return error_no_memory();
    }
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0) {
        error = write_error(path);
        free(out->temporary); /* not made, so not to be removed */
        out->temporary = NULL;
        file_abandon(out);
    }
    return error;
}

/* Past this limit the system does not refuse but kills. */
static fnvm_error *check_size(const NewFile *file, uint64_t end)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return write_error(file->path);
    if (end <= limit.rlim_cur) return NULL;
    return fnvm_error_new(FNVM_E_LIMIT, "cannot write `%s`: it would exceed the process's limit "
                          "for files of %llu bytes (ulimit -f)", file->path,
                          (unsigned long long)limit.rlim_cur);
}

fnvm_error *file_write_at(NewFile *file, const void *bytes, size_t size, uint64_t offset)
{
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return fnvm_error_new(FNVM_E_LIMIT, "cannot write `%s`: it is too large", file->path);
    fnvm_error *error = check_size(file, offset + size);
    if (error) return error;
    for (const uint8_t *at = bytes; size > 0;) {
        ssize_t n = pwrite(file->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            return write_error(file->path);
        }
        at += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return NULL;
}

/* Makes the new name durable.  File systems that cannot do it say EINVAL. */
static fnvm_error *sync_directory(const char *path)
{
    const size_t len = (size_t)(file_name(path) - path);
    char *directory = len ? strndup(path, len) : strdup(".");
    if (!directory) return error_no_memory();
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0 && errno == EACCES) return NULL; /* one may write into what one may not read */
    fnvm_error *error = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? write_error(path) : NULL;
    if (fd >= 0) close(fd);
    return error;
}

static fnvm_error *give_name(NewFile *file, bool sync, struct stat *out)
{
    if (sync && fsync(file->fd) != 0) return write_error(file->path);
    if (rename(file->temporary, file->path) != 0) return write_error(file->path);
    free(file->temporary);
    file->temporary = NULL;
    /* Only now: renaming sets the change time. */
    if (fstat(file->fd, out) != 0) return write_error(file->path);
    int closed = close(file->fd);
    file->fd = -1;
    if (closed != 0 && errno != EINTR) return write_error(file->path);
    return sync ? sync_directory(file->path) : NULL;
}

fnvm_error *file_finish(NewFile *file, bool sync, struct stat *out)
{
    fnvm_error *error = give_name(file, sync, out);
    file_abandon(file);
    return error;
}

void file_abandon(NewFile *file)
{
    if (file->fd >= 0) close(file->fd);
    if (file->temporary) unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (NewFile){.fd = -1};
}
