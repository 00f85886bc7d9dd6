/* Files are read and written by descriptor and not through stdio, whose buffers nobody wipes. */
#include "cli/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static fnvm_error *failed(const char *doing, const char *file)
{
    return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "cannot %s `%s`: %s",
                          doing, file, strerror(errno));
}

/* Of an open file, so that nobody can exchange it in between. */
static fnvm_error *check_private(int fd, const char *file)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return failed("look at", file);
    unsigned mode = st.st_mode & 0777;
    if (!S_ISREG(st.st_mode) || (mode & 077) == 0) return NULL;
    return fnvm_error_new(FNVM_E_IO, "`%s` has a secret in it, and others than its owner have "
                          "rights to it (mode %04o): if it is still one, `chmod 600 %s`", file, mode,
                          file);
}

fnvm_error *secret_file_read(const char *file, bool is_secret, char *text, size_t size, size_t *len)
{
    *len = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return failed("open", file);
    fnvm_error *error = is_secret ? check_private(fd, file) : NULL;
    while (!error && *len < size) {
        ssize_t n = read(fd, text + *len, size - *len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) error = failed("read", file);
        if (n <= 0) break;
        *len += (size_t)n;
    }
    close(fd);
    return error;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 || errno == EINVAL; /* of a kind that has no disk */
}

fnvm_error *secret_file_new(const char *file, const char *text, size_t len, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return failed("make", file);
    fnvm_error *error = write_all(fd, text, len) ? NULL : failed("write", file);
    if (close(fd) != 0 && !error) error = failed("write", file);
    if (error) unlink(file);
    return error;
}
