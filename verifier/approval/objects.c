/* A module is read once, into memory: its hash, its measurement and its copy are of the same bytes,
 * whatever happens to the file meanwhile.  Giving it its name goes on under a flock of the folder
 * objects/, so that of two who add the same, the second finds the first one's. */
#include "verifier/approval/objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "vm/error.h"
#include "vm/image/file.h"
#include "vm/tunables.h"

static fnvm_error *system_error(const char *doing, const char *path)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT || number == ENOTDIR ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "cannot %s `%s`: %s", doing, path, reason ? reason : "unknown error");
}

/* ---- Reading ---- */

static fnvm_error *read_whole(int fd, const char *file, uint8_t **out, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return system_error("read", file);
    if (!S_ISREG(st.st_mode))
        return fnvm_error_new(FNVM_E_USAGE, "cannot read `%s`: it is no regular file", file);
    if (st.st_size > LIMIT_MODULE_BYTES)
        return fnvm_error_new(FNVM_E_LIMIT, "cannot read `%s`: it has %lld bytes, and modules may "
                              "have %d", file, (long long)st.st_size, LIMIT_MODULE_BYTES);
    const size_t size = (size_t)st.st_size;
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes) return error_no_memory();
    size_t at = 0;
    while (at < size) {
        ssize_t n = read(fd, bytes + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(bytes);
            return system_error("read", file);
        }
        if (n == 0) break;
        at += (size_t)n;
    }
    *out = bytes;
    *len = at;
    return NULL;
}

fnvm_error *object_read(const char *file, uint8_t **bytes, size_t *len)
{
    int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return system_error("read", file);
    uint8_t *read = NULL;
    fnvm_error *error = read_whole(fd, file, &read, len);
    close(fd);
    if (error) return error;
    if (*len == 0 || read[0] == '\0') { /* no text begins so */
        *bytes = read;
        return NULL;
    }
    const size_t text_len = *len;
    error = fnvm_wat_to_wasm((const char *)read, text_len, bytes, len);
    free(read);
    return error ? fnvm_error_wrap(error, "`%s` is neither a module nor one's text", file) : NULL;
}

void object_hash(const void *bytes, size_t len, uint8_t hash[32])
{
    crypto_generichash(hash, 32, bytes, len, NULL, 0);
}

/* ---- Any file with a hash ---- */

/* Its hash, if it is a regular file that can be read; else *found is false and errno says why. */
static fnvm_error *hash_at(const char *path, uint8_t hash[32], struct stat *st, bool *found)
{
    *found = false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return NULL;
    ImageHash measured;
    fnvm_error *error = NULL;
    errno = EINVAL;
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode)) {
        error = file_measure(fd, path, &measured, NULL);
        /* Read errors and files that are too large are no files of ours. */
        *found = !error;
        if (error && fnvm_error_code(error) != FNVM_E_MEMORY) {
            fnvm_error_free(error);
            error = NULL;
            errno = EIO;
        }
    }
    const int number = errno;
    close(fd);
    errno = number;
    if (*found) memcpy(hash, measured.bytes, sizeof measured.bytes);
    return error;
}

fnvm_error *file_compare(const char *path, const uint8_t hash[32], FileState *out, struct stat *st)
{
    uint8_t is[32];
    bool found;
    fnvm_error *error = hash_at(path, is, st, &found);
    if (found) *out = memcmp(is, hash, sizeof is) == 0 ? FILE_WHOLE : FILE_CHANGED;
    else *out = errno == ENOENT || errno == ENOTDIR ? FILE_MISSING : FILE_CHANGED;
    return error;
}

fnvm_error *file_identify(const char *path, uint8_t hash[32], struct stat *st, bool *found)
{
    fnvm_error *error = hash_at(path, hash, st, found);
    if (error || *found || errno == ENOENT) return error;
    return system_error("read", path);
}

fnvm_error *file_put(const char *path, const void *bytes, size_t len, struct stat *st)
{
    NewFile file;
    fnvm_error *error = file_begin(path, &file);
    if (error) return error;
    error = file_write_at(&file, bytes, len, 0);
    if (!error) error = file_finish(&file, true, st);
    file_abandon(&file);
    return error;
}

fnvm_error *directory_make(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) == 0) return NULL;
    if (errno != EEXIST) return system_error("make the directory", path);
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot make the directory `%s`: something else has that name",
                          path);
}

bool directory_remove(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return false;
    }
    for (const struct dirent *d; (d = readdir(dir)) != NULL;)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            unlinkat(dirfd(dir), d->d_name, 0);
    closedir(dir);
    return unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* ---- Modules ---- */

char *object_path(const char *depot, const uint8_t hash[32])
{
    char hex[65], *path = NULL;
    sodium_bin2hex(hex, sizeof hex, hash, 32);
    return asprintf(&path, "%s/objects/%s.wasm", depot, hex) < 0 ? NULL : path;
}

void object_free(Object *object)
{
    free(object->path);
    *object = (Object){0};
}

/* With the folder locked. */
static fnvm_error *put_unless_whole(Object *object, const void *bytes, size_t len)
{
    FileState state;
    fnvm_error *error = file_compare(object->path, object->hash, &state, &object->stat);
    if (error || state == FILE_WHOLE) return error;
    return file_put(object->path, bytes, len, &object->stat);
}

fnvm_error *object_add(const char *depot, const void *bytes, size_t len, Object *out)
{
    *out = (Object){0};
    object_hash(bytes, len, out->hash);
    out->path = object_path(depot, out->hash);
    char *folder = NULL;
    if (asprintf(&folder, "%s/objects", depot) < 0) folder = NULL;
    fnvm_error *error = !out->path || !folder ? error_no_memory() : directory_make(folder);
    int lock = -1;
    if (!error) {
        lock = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (lock < 0) error = system_error("open", folder);
    }
    while (!error && flock(lock, LOCK_EX) != 0)
        if (errno != EINTR) error = system_error("lock", folder);
    if (!error) error = put_unless_whole(out, bytes, len);
    if (lock >= 0) close(lock);
    free(folder);
    if (error) object_free(out);
    return error;
}
