/* wasi_fd.c - fd_*: reading, writing and everything else one does to an open descriptor.
 *
 * Files are read and written at once, in pieces with a look at the interrupt between them.  Streams
 * (pipes, terminals, sockets) first wait in wasi_wait, which an interrupt ends, and are then asked
 * for what is there without blocking.
 */
#include "stdlib/wasi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static WasiErrno errno_unless(bool success) { return success ? WASI_SUCCESS : wasi_errno(errno); }

/* ---- Reading and writing --------------------------------------------------------------------- */

/* The first of the vectors, WASI_PIECE_BYTES at most: for one system call. */
typedef struct Piece {
    struct iovec *last; /* cut */
    size_t last_bytes;  /* what it had */
    size_t bytes;
    int count;
} Piece;

static Piece piece_cut(GuestVectors *vectors)
{
    size_t i = 0, bytes = 0;
    while (i + 1 < vectors->count && bytes + vectors->at[i].iov_len < WASI_PIECE_BYTES)
        bytes += vectors->at[i++].iov_len;
    Piece p = {.last = &vectors->at[i], .last_bytes = vectors->at[i].iov_len, .count = (int)i + 1};
    if (p.last->iov_len > WASI_PIECE_BYTES - bytes) p.last->iov_len = WASI_PIECE_BYTES - bytes;
    p.bytes = bytes + p.last->iov_len;
    return p;
}

static void piece_restore(const Piece *p) { p->last->iov_len = p->last_bytes; }

static bool try_again(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EINTR); }

static WasiErrno stream_read(WasiCall *call, const Descriptor *d, GuestVectors *vectors,
                             size_t *done)
{
    ssize_t got;
    do {
        WasiErrno error = wasi_wait(call, d, POLLIN);
        if (error) return error;
        Piece p = piece_cut(vectors); /* a device may have all that is asked for */
        got = readv(d->host, vectors->at, p.count);
        piece_restore(&p);
    } while (try_again(got));
    *done = got < 0 ? 0 : (size_t)got;
    return errno_unless(got >= 0);
}

/* A pipe that nobody reads raises SIGPIPE, which would end the host: it is held back here. */
static ssize_t write_without_signal(int host, const struct iovec *at, int count, int flags)
{
    const struct timespec at_once = {0};
    sigset_t pipe_signal, old;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    ssize_t written = flags ? pwritev2(host, at, count, -1, flags) : writev(host, at, count);
    int failed = errno;
    if (written < 0 && failed == EPIPE && !sigismember(&old, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = failed;
    return written;
}

/* What the stream takes without blocking.  One that is shared with the embedder cannot be made
 * nonblocking; where the kernel has no way to say so per call, a page at a time is what a pipe that
 * polled as writable takes. */
static ssize_t stream_write_some(const Descriptor *d, GuestVectors *vectors)
{
    Piece p = piece_cut(vectors);
    ssize_t written =
        write_without_signal(d->host, vectors->at, p.count, d->shared ? RWF_NOWAIT : 0);
    piece_restore(&p);
    if (!d->shared) return written;
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL)) return written;
    struct iovec page = vectors->at[0];
    if (page.iov_len > PIPE_BUF) page.iov_len = PIPE_BUF;
    return write_without_signal(d->host, &page, 1, 0);
}

/* Everything where the guest waits, what fits where it does not. */
static WasiErrno stream_write(WasiCall *call, Descriptor *d, GuestVectors *vectors, size_t *done)
{
    if (descriptor_is_socket(d)) return wasi_socket_write(call, d, vectors, done);
    *done = 0;
    while (vectors->count) {
        WasiErrno error = wasi_wait(call, d, POLLOUT);
        if (error) return *done ? WASI_SUCCESS : error;
        ssize_t written = stream_write_some(d, vectors);
        if (try_again(written)) continue;
        if (written < 0) return *done ? WASI_SUCCESS : wasi_errno(errno);
        *done += (size_t)written;
        guest_vectors_advance(vectors, (size_t)written);
        if (d->flags & WASI_FDFLAG_NONBLOCK) break;
    }
    return WASI_SUCCESS;
}

static ssize_t file_transfer_some(const Descriptor *d, const struct iovec *at, int count,
                                  bool writes, int64_t offset)
{
    ssize_t moved;
    do {
        if (offset < 0) moved = writes ? writev(d->host, at, count) : readv(d->host, at, count);
        else
            moved = writes ? pwritev(d->host, at, count, offset)
                           : preadv(d->host, at, count, offset);
    } while (moved < 0 && errno == EINTR);
    return moved;
}

/* Once for no bytes at all, for what is wrong with the file then; to the end, or as far as the
 * system goes, for more than a piece. */
static WasiErrno file_transfer(WasiCall *call, const Descriptor *d, GuestVectors *vectors,
                               bool writes, int64_t offset, size_t *done)
{
    *done = 0;
    if (!vectors->count) {
        return errno_unless(file_transfer_some(d, vectors->at, 0, writes, offset) >= 0);
    }
    for (;;) {
        Piece p = piece_cut(vectors);
        ssize_t moved = file_transfer_some(d, vectors->at, p.count, writes, offset);
        piece_restore(&p);
        if (moved < 0) return errno_unless(*done > 0);
        *done += (size_t)moved;
        guest_vectors_advance(vectors, (size_t)moved);
        if ((size_t)moved < p.bytes || !vectors->count) break;
        if (fnvm_caller_interrupted(call->caller)) break;
        if (offset >= 0) offset += moved;
    }
    return WASI_SUCCESS;
}

static WasiErrno embedded_transfer(WasiCall *call, const Descriptor *d, const GuestVectors *vectors,
                                   bool writes, size_t *done)
{
    if (!vectors->count) return WASI_SUCCESS;
    return writes ? wasi_embedded_write(call, d, vectors, done)
                  : wasi_embedded_read(call, d, vectors, done);
}

/* fd_read, fd_write, fd_pread and fd_pwrite.  `offset` is -1 for the first two. */
static WasiErrno transfer(WasiCall *call, const fnvm_slot *args, bool writes, int64_t offset,
                          uint32_t done_address)
{
    uint64_t rights = writes ? WASI_RIGHT_FD_WRITE : WASI_RIGHT_FD_READ;
    Descriptor *d;
    GuestVectors vectors;
    size_t done = 0;
    if (offset >= 0) rights |= WASI_RIGHT_FD_SEEK;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, rights, &d);
    if (!error) error = guest_vectors(call, args[1].i32, args[2].i32, &vectors);
    if (error) return error;
    uint8_t *done_at = guest_bytes(call, done_address, 4);
    if (!done_at) return WASI_EFAULT;
    if (!writes && vectors.count && wasi_awaits_stdin(call->wasi, d)) {
        if (!wasi_announce_stdin(call)) return WASI_SUCCESS;
        return transfer(call, args, writes, offset, done_address); /* nothing found before counts */
    }
    const bool is_file = offset >= 0 || !descriptor_is_stream(d);
    const uint64_t output = call->wasi->output;
    if (writes && vectors.count) {
        if (is_file) error = wasi_output_take_gap(call->wasi, d, offset);
        if (!error) error = wasi_output_cut(call->wasi, &vectors);
    }
    if (error) done = 0;
    else if (descriptor_is_embedded(d))
        error = embedded_transfer(call, d, &vectors, writes, &done);
    else if (is_file) error = file_transfer(call, d, &vectors, writes, offset, &done);
    else if (writes)
        error = stream_write(call, d, &vectors, &done);
    else if (vectors.count)
        error = stream_read(call, d, &vectors, &done);
    if (error) { /* then nothing was written, no gap either */
        call->wasi->output = output;
        return error;
    }
    if (call->error) return WASI_SUCCESS;
    if (writes) wasi_output_wrote(call->wasi, done);
    uint32_t total = (uint32_t)done;
    memcpy(done_at, &total, sizeof total);
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_read(WasiCall *call, const fnvm_slot *args)
{
    return transfer(call, args, false, -1, args[3].i32);
}

WasiErrno wasi_fd_write(WasiCall *call, const fnvm_slot *args)
{
    return transfer(call, args, true, -1, args[3].i32);
}

WasiErrno wasi_fd_pread(WasiCall *call, const fnvm_slot *args)
{
    if (args[3].i64 > INT64_MAX) return WASI_EINVAL;
    return transfer(call, args, false, (int64_t)args[3].i64, args[4].i32);
}

WasiErrno wasi_fd_pwrite(WasiCall *call, const fnvm_slot *args)
{
    if (args[3].i64 > INT64_MAX) return WASI_EINVAL;
    return transfer(call, args, true, (int64_t)args[3].i64, args[4].i32);
}

/* ---- The position ---------------------------------------------------------------------------- */

static WasiErrno seek(WasiCall *call, uint32_t fd, int64_t offset, uint32_t whence,
                      uint32_t position_address)
{
    static const int whences[] = {
        [WASI_WHENCE_SET] = SEEK_SET, [WASI_WHENCE_CUR] = SEEK_CUR, [WASI_WHENCE_END] = SEEK_END};
    Descriptor *d;
    uint8_t *position_at = guest_bytes(call, position_address, 8);
    WasiErrno error = descriptor_get(call->wasi, fd, 0, &d);
    if (error) return error;
    /* The right to seek includes the right to tell. */
    bool tells = offset == 0 && whence == WASI_WHENCE_CUR;
    bool may_seek = d->base & WASI_RIGHT_FD_SEEK;
    error = descriptor_get(call->wasi, fd,
                           tells && !may_seek ? WASI_RIGHT_FD_TELL : WASI_RIGHT_FD_SEEK, &d);
    if (error) return error;
    if (!position_at) return WASI_EFAULT;
    if (whence >= sizeof whences / sizeof whences[0]) return WASI_EINVAL;
    off_t position = lseek(d->host, offset, whences[whence]);
    if (position < 0) return wasi_errno(errno);
    uint64_t result = (uint64_t)position;
    memcpy(position_at, &result, sizeof result);
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_seek(WasiCall *call, const fnvm_slot *args)
{
    return seek(call, args[0].i32, (int64_t)args[1].i64, args[2].i32, args[3].i32);
}

WasiErrno wasi_fd_tell(WasiCall *call, const fnvm_slot *args)
{
    return seek(call, args[0].i32, 0, WASI_WHENCE_CUR, args[1].i32);
}

/* ---- Storage --------------------------------------------------------------------------------- */

WasiErrno wasi_fd_advise(WasiCall *call, const fnvm_slot *args)
{
    static const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                                  POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
    uint64_t offset = args[1].i64, len = args[2].i64;
    uint32_t advice = args[3].i32;
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (error) return error;
    if (d->filetype == WASI_FILETYPE_DIRECTORY) return WASI_EBADF;
    error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_ADVISE, &d);
    if (error) return descriptor_is_stream(d) ? WASI_ESPIPE : error;
    if (advice >= sizeof advices / sizeof advices[0] || offset > INT64_MAX || len > INT64_MAX)
        return WASI_EINVAL;
    int failed = posix_fadvise(d->host, (off_t)offset, (off_t)len, advices[advice]);
    return failed ? wasi_errno(failed) : WASI_SUCCESS;
}

WasiErrno wasi_fd_allocate(WasiCall *call, const fnvm_slot *args)
{
    uint64_t offset = args[1].i64, len = args[2].i64;
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_ALLOCATE, &d);
    if (error) return error;
    if (offset > INT64_MAX || len > INT64_MAX || len == 0) return WASI_EINVAL;
    if (len > INT64_MAX - offset) return WASI_EFBIG;
    error = wasi_output_take(call->wasi, len);
    if (error) return error;
    for (uint64_t piece; !error && len; offset += piece, len -= piece) {
        piece = len < WASI_ALLOCATE_BYTES ? len : WASI_ALLOCATE_BYTES;
        /* Not posix_fallocate: libc would write every block where the file system cannot. */
        error = errno_unless(fallocate(d->host, 0, (off_t)offset, (off_t)piece) == 0);
        if (error) call->wasi->output -= len;
        else if (fnvm_caller_interrupted(call->caller)) error = WASI_EINTR;
    }
    return error;
}

WasiErrno wasi_fd_datasync(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_DATASYNC, &d);
    if (!error && descriptor_is_embedded(d)) return WASI_EINVAL; /* as of a pipe */
    return error ? error : errno_unless(fdatasync(d->host) == 0);
}

WasiErrno wasi_fd_sync(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_SYNC, &d);
    if (!error && descriptor_is_embedded(d)) return WASI_EINVAL;
    return error ? error : errno_unless(fsync(d->host) == 0);
}

/* ---- Attributes ------------------------------------------------------------------------------ */

WasiErrno wasi_fd_fdstat_get(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *d;
    uint8_t *out = guest_bytes(call, args[1].i32, sizeof(AbiFdstat));
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (error) return error;
    if (!out) return WASI_EFAULT;
    AbiFdstat fdstat = {.filetype = d->filetype,
                        .flags = d->flags,
                        .rights_base = d->base,
                        .rights_inheriting = d->inheriting};
    memcpy(out, &fdstat, sizeof fdstat);
    return WASI_SUCCESS;
}

/* NONBLOCK is our own affair; the synchronous modes are fixed when a file is opened. */
WasiErrno wasi_fd_fdstat_set_flags(WasiCall *call, const fnvm_slot *args)
{
    uint32_t flags = args[1].i32;
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_FDSTAT_SET_FLAGS, &d);
    if (error) return error;
    uint32_t changed = flags ^ d->flags;
    if ((flags & ~(uint32_t)WASI_FDFLAGS_ALL) || (changed & WASI_FDFLAGS_SYNCS)) return WASI_EINVAL;
    if (changed & WASI_FDFLAG_APPEND) {
        if (d->shared) return WASI_ENOTSUP; /* it would change the embedder's file as well */
        int status = fcntl(d->host, F_GETFL);
        if (status < 0) return wasi_errno(errno);
        status = flags & WASI_FDFLAG_APPEND ? status | O_APPEND : status & ~O_APPEND;
        if (fcntl(d->host, F_SETFL, status) < 0) return wasi_errno(errno);
    }
    d->flags = (uint16_t)flags;
    call->wasi->changed = true;
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_fdstat_set_rights(WasiCall *call, const fnvm_slot *args)
{
    uint64_t base = args[1].i64, inheriting = args[2].i64;
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (error) return error;
    if ((base & ~d->base) || (inheriting & ~d->inheriting)) return WASI_ENOTCAPABLE;
    d->base = base;
    d->inheriting = inheriting;
    call->wasi->changed = true;
    return WASI_SUCCESS;
}

void wasi_filestat(const struct stat *st, AbiFilestat *out)
{
    *out = (AbiFilestat){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .filetype = wasi_filetype(st->st_mode),
        .nlink = st->st_nlink,
        .size = (uint64_t)st->st_size,
        .atim = wasi_nanoseconds(&st->st_atim),
        .mtim = wasi_nanoseconds(&st->st_mtim),
        .ctim = wasi_nanoseconds(&st->st_ctim),
    };
}

WasiErrno wasi_fd_filestat_get(WasiCall *call, const fnvm_slot *args)
{
    struct stat st;
    AbiFilestat filestat;
    Descriptor *d;
    uint8_t *out = guest_bytes(call, args[1].i32, sizeof filestat);
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_FILESTAT_GET, &d);
    if (error) return error;
    if (!out) return WASI_EFAULT;
    if (descriptor_is_embedded(d)) st = (struct stat){.st_nlink = 1};
    else if (fstat(d->host, &st) < 0) return wasi_errno(errno);
    wasi_filestat(&st, &filestat);
    filestat.filetype = d->filetype;
    memcpy(out, &filestat, sizeof filestat);
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_filestat_set_size(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_FILESTAT_SET_SIZE, &d);
    if (error) return error;
    if (args[1].i64 > INT64_MAX) return WASI_EINVAL;
    const uint64_t output = call->wasi->output;
    error = wasi_output_take_growth(call->wasi, d, args[1].i64);
    if (error) return error;
    error = errno_unless(ftruncate(d->host, (off_t)args[1].i64) == 0);
    if (error) call->wasi->output = output;
    return error;
}

static struct timespec time_to_set(uint64_t nanoseconds, bool given, bool now)
{
    if (now) return (struct timespec){.tv_nsec = UTIME_NOW};
    if (!given) return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
}

WasiErrno wasi_times(uint64_t atim, uint64_t mtim, uint32_t fst_flags, struct timespec out[2])
{
    const uint32_t atims = WASI_FST_ATIM | WASI_FST_ATIM_NOW;
    const uint32_t mtims = WASI_FST_MTIM | WASI_FST_MTIM_NOW;
    if ((fst_flags & ~(uint32_t)WASI_FSTS_ALL) || (fst_flags & atims) == atims ||
        (fst_flags & mtims) == mtims)
        return WASI_EINVAL;
    out[0] = time_to_set(atim, fst_flags & WASI_FST_ATIM, fst_flags & WASI_FST_ATIM_NOW);
    out[1] = time_to_set(mtim, fst_flags & WASI_FST_MTIM, fst_flags & WASI_FST_MTIM_NOW);
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_filestat_set_times(WasiCall *call, const fnvm_slot *args)
{
    struct timespec times[2];
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, WASI_RIGHT_FD_FILESTAT_SET_TIMES, &d);
    if (!error) error = wasi_times(args[1].i64, args[2].i64, args[3].i32, times);
    return error ? error : errno_unless(futimens(d->host, times) == 0);
}

/* ---- Descriptors themselves ------------------------------------------------------------------ */

WasiErrno wasi_fd_close(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (!error) descriptor_close(call->wasi, d);
    return error;
}

/* `to` must be open too: a guest cannot choose a number that nobody gave it. */
WasiErrno wasi_fd_renumber(WasiCall *call, const fnvm_slot *args)
{
    Descriptor *from, *to;
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &from);
    if (!error) error = descriptor_get(call->wasi, args[1].i32, 0, &to);
    if (error || from == to) return error;
    descriptor_close(call->wasi, to);
    *to = *from;
    *from = (Descriptor){.host = -1};
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_prestat_get(WasiCall *call, const fnvm_slot *args)
{
    AbiPrestat prestat = {0};
    Descriptor *d;
    uint8_t *out = guest_bytes(call, args[1].i32, sizeof prestat);
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (error) return error;
    bool is_dir = d->origin == ORIGIN_DIR;
    if (!is_dir && d->origin != ORIGIN_SOCKET) return WASI_EBADF;
    if (!out) return WASI_EFAULT;
    prestat.tag = is_dir ? WASI_PREOPEN_DIR : WASI_PREOPEN_SOCKET;
    prestat.name_len = is_dir ? (uint32_t)strlen(call->wasi->dirs[d->of].name) : 0;
    memcpy(out, &prestat, sizeof prestat);
    return WASI_SUCCESS;
}

WasiErrno wasi_fd_prestat_dir_name(WasiCall *call, const fnvm_slot *args)
{
    uint32_t len = args[2].i32;
    Descriptor *d;
    uint8_t *out = guest_bytes(call, args[1].i32, len);
    WasiErrno error = descriptor_get(call->wasi, args[0].i32, 0, &d);
    if (error) return error;
    if (d->origin == ORIGIN_SOCKET) return WASI_ENOTDIR;
    if (d->origin != ORIGIN_DIR) return WASI_EBADF;
    if (!out) return WASI_EFAULT;
    const char *name = call->wasi->dirs[d->of].name;
    size_t name_len = strlen(name);
    if (len < name_len) return WASI_ENAMETOOLONG;
    memcpy(out, name, name_len); /* no NUL: the length is known */
    return WASI_SUCCESS;
}

/* ---- Directories ----------------------------------------------------------------------------- */

static uint8_t dirent_filetype(uint8_t type)
{
    /* DTTOIF, without its sign: a type is the file-type bits of a mode. */
    return type == DT_UNKNOWN ? WASI_FILETYPE_UNKNOWN : wasi_filetype((mode_t)type << 12);
}

/* Appends as much of an entry as fits; false when the buffer is full. */
static bool dirent_append(uint8_t *out, uint32_t size, uint32_t *used, const struct dirent64 *entry)
{
    size_t name_len = strlen(entry->d_name);
    AbiDirent abi = {.next = (uint64_t)entry->d_off,
                     .ino = entry->d_ino,
                     .namlen = (uint32_t)name_len,
                     .type = dirent_filetype(entry->d_type)};
    uint32_t left = size - *used;
    size_t part = left < sizeof abi ? left : sizeof abi;
    memcpy(out + *used, &abi, part);
    left -= (uint32_t)part;
    *used += (uint32_t)part;
    part = left < name_len ? left : name_len;
    memcpy(out + *used, entry->d_name, part);
    *used += (uint32_t)part;
    return *used < size;
}

/* A cookie is the kernel's own d_off, so any of them is good at any time.  A buffer that is not
 * filled means the end; the last entry may be cut, and the guest asks again from its cookie. */
static WasiErrno read_entries(WasiCall *call, int host, uint8_t *out, uint32_t size,
                              uint64_t cookie, uint32_t *used)
{
    enum { HOST_BYTES = 1 << 15, HOST_BYTES_MIN = 1 << 10 };
    _Alignas(struct dirent64) char entries[HOST_BYTES];
    if (cookie > INT64_MAX) return WASI_EINVAL;
    if (lseek(host, (off_t)cookie, SEEK_SET) < 0) return wasi_errno(errno);
    for (;;) {
        /* The guest's entries are not smaller than the host's: more than is free is for nothing. */
        size_t want = size - *used;
        want = want < HOST_BYTES_MIN ? HOST_BYTES_MIN : want > HOST_BYTES ? HOST_BYTES : want;
        ssize_t len = getdents64(host, entries, want);
        if (len < 0) return wasi_errno(errno);
        if (len == 0) return WASI_SUCCESS;
        for (ssize_t at = 0; at < len;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            if (!dirent_append(out, size, used, entry)) return WASI_SUCCESS;
            at += entry->d_reclen;
        }
        if (fnvm_caller_interrupted(call->caller)) return WASI_EINTR;
    }
}

WasiErrno wasi_fd_readdir(WasiCall *call, const fnvm_slot *args)
{
    uint32_t size = args[2].i32, used = 0;
    Descriptor *d;
    WasiErrno error = descriptor_get_directory(call->wasi, args[0].i32, WASI_RIGHT_FD_READDIR, &d);
    if (error) return error;
    uint8_t *out = guest_bytes(call, args[1].i32, size);
    uint8_t *used_at = guest_bytes(call, args[4].i32, sizeof used);
    if (!out || !used_at) return WASI_EFAULT;
    if (size) error = read_entries(call, d->host, out, size, args[3].i64, &used);
    if (error) return error;
    memcpy(used_at, &used, sizeof used);
    return WASI_SUCCESS;
}
