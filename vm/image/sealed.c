/* The copy is a memfd.  It is written with plain writes, a stretch of data of the original at a
 * time, so that holes stay holes; then sealed; only then does anybody look at it.
 *
 * A lease stops others from opening a file for writing: they wait until it is given up, but no
 * longer than /proc/sys/fs/lease-break-time (45 seconds).  So it guards against mistakes, which a
 * `cp new.img old.img` under running instances is; only a file's owner and root can make them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm/error.h"
#include "vm/image/chunks.h"
#include "vm/image/sealed.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3: it is no program */
#endif

enum { COPY_BYTES = 1 << 18 }; /* at a time: stays in the processor's cache until it is written */

fnvm_error *read_error(const char *name)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "cannot read `%s`: %s", name, reason ? reason : "unknown error");
}

/* ---- Holes ---- */

/* Where the next data from `at`, the start of a page, begins and ends, in whole pages but for
 * `end`.  A file system that does not know about holes has data everywhere. */
static void next_data(int fd, uint64_t at, uint64_t end, uint64_t *start, uint64_t *stop)
{
    const uint64_t in_page = IMAGE_PAGE - 1;
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data < (off_t)at) { /* an error, or a file system that lies */
        *start = data < 0 && errno == ENXIO ? end : at;
        *stop = end;
        return;
    }
    off_t hole = lseek(fd, data, SEEK_HOLE);
    *start = (uint64_t)data < end ? (uint64_t)data & ~in_page : end;
    *stop = hole > data && (uint64_t)hole < end ? ((uint64_t)hole + in_page) & ~in_page : end;
    if (*stop > end) *stop = end;
}

bool sealed_walk(int fd, const uint8_t *map, uint64_t start, uint64_t end, SealedPiece *piece,
                 void *env)
{
    for (uint64_t data, stop; start < end; start = stop) {
        next_data(fd, start, end, &data, &stop);
        if (data > start && !piece(env, NULL, data - start)) return false;
        if (stop > data && !piece(env, map + data, stop - data)) return false;
    }
    return true;
}

/* ---- Copying ---- */

static int new_memory_file(void)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("fnvm-sealed", flags | MFD_NOEXEC_SEAL);
    return fd < 0 && errno == EINVAL ? memfd_create("fnvm-sealed", flags) : fd;
}

static bool write_whole(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool copy_data(int from, int to, uint8_t *buffer, uint64_t start, uint64_t stop)
{
    while (start < stop) {
        size_t want = stop - start < COPY_BYTES ? (size_t)(stop - start) : COPY_BYTES;
        ssize_t n = pread(from, buffer, want, (off_t)start);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) return true; /* it has become shorter */
        if (n < 0 || !write_whole(to, buffer, (size_t)n, start)) return false;
        start += (uint64_t)n;
    }
    return true;
}

static fnvm_error *copy_all(int from, int to, const char *name, uint64_t size, uint8_t *buffer)
{
    uint64_t copied = 0;
    for (uint64_t at = 0, data, stop; at < size; at = stop) {
        next_data(from, at, size, &data, &stop);
        copied += stop - data;
        if (copied > SEALED_MOST_DATA)
            return fnvm_error_new(FNVM_E_LIMIT, "`%s` has more than 4 GiB besides holes; so much "
                                  "is not verified", name);
        if (!copy_data(from, to, buffer, data, stop)) return read_error(name);
    }
    return NULL;
}

/* The kernel seals nothing while anybody else holds one of the pages, as it does itself for a moment when it
 * moves one.  It waits for that, but not always long enough. */
static bool seal(int fd)
{
    enum { TRIES = 50 };
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < TRIES; i++) {
        if (fcntl(fd, F_ADD_SEALS, seals) == 0) return true;
        if (errno != EBUSY) return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

fnvm_error *sealed_copy(int fd, const char *name, uint64_t size, int *out)
{
    *out = -1;
    uint8_t *buffer = malloc(COPY_BYTES);
    if (!buffer) return error_no_memory();
    int copy = new_memory_file();
    fnvm_error *error = NULL;
    if (copy < 0 || ftruncate(copy, (off_t)size) != 0) error = read_error(name);
    if (!error) error = copy_all(fd, copy, name, size, buffer);
    if (!error && !seal(copy)) error = read_error(name);
    free(buffer);
    if (error) {
        if (copy >= 0) close(copy);
        return error;
    }
    *out = copy;
    return NULL;
}

/* ---- Measuring ---- */

static bool hash_piece(void *env, const uint8_t *bytes, uint64_t size)
{
    hash_add(env, bytes, size);
    return true;
}

static fnvm_error *hash_sealed(int fd, const char *name, uint64_t size,
                               crypto_generichash_state *state)
{
    if (size == 0) return NULL;
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return read_error(name);
    sealed_walk(fd, map, 0, size, hash_piece, state);
    munmap(map, size);
    return NULL;
}

/* By reading, not mapping: a file that shrinks under a mapping kills its reader. */
static fnvm_error *hash_file(int fd, const char *name, uint64_t size,
                             crypto_generichash_state *state)
{
    uint8_t *buffer = malloc(COPY_BYTES);
    if (!buffer) return error_no_memory();
    fnvm_error *error = NULL;
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        ssize_t n = pread(fd, buffer, want, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) error = read_error(name);
        if (n <= 0) break;
        hash_add(state, buffer, (uint64_t)n);
        at += (uint64_t)n;
    }
    free(buffer);
    return error;
}

fnvm_error *file_measure(int fd, const char *name, ImageHash *out, int *sealed)
{
    if (sealed) *sealed = -1;
    struct stat st;
    if (fstat(fd, &st) != 0) return read_error(name);
    if (!S_ISREG(st.st_mode))
        return fnvm_error_new(FNVM_E_USAGE, "cannot read `%s`: it is no regular file", name);
    const uint64_t size = (uint64_t)st.st_size;
    if (size > SEALED_MOST_DATA)
        return fnvm_error_new(FNVM_E_LIMIT, "cannot read `%s`: it has more than 4 GiB", name);
    if (sodium_init() < 0)
        return fnvm_error_new(FNVM_E_IO, "cannot read `%s`: libsodium does not start", name);
    crypto_generichash_state state;
    hash_begin(&state);
    if (!sealed) {
        fnvm_error *error = hash_file(fd, name, size, &state);
        hash_finish(&state, out);
        return error;
    }
    int copy;
    fnvm_error *error = sealed_copy(fd, name, size, &copy);
    if (error) return error;
    error = hash_sealed(copy, name, size, &state);
    hash_finish(&state, out);
    if (error) close(copy);
    else *sealed = copy;
    return error;
}

/* ---- Holding ---- */

bool file_hold(int fd)
{
    /* Between the two calls below the system may already tell the process that somebody wants to
     * write, by default with a signal that kills it.  SIGURG is ignored by default. */
    fcntl(fd, F_SETSIG, SIGURG);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno != EAGAIN;
    fcntl(fd, F_SETOWN, 0); /* tell nobody */
    return true;
}
