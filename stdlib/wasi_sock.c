/* wasi_sock.c - sock_*: what preview 1 can do with sockets that the embedder handed in.
 *
 * The host's sockets are nonblocking, or asked with MSG_DONTWAIT; a guest that wants to wait waits
 * in wasi_wait.  A broken connection is an errno, never a SIGPIPE.
 */
#include "stdlib/wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* notsock for what is open but no socket, before any question of rights. */
static WasiErrno socket_get(Wasi *wasi, uint32_t fd, uint64_t rights, Descriptor **out)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(wasi, fd, 0, &d);
    if (error) return error;
    if (!descriptor_is_socket(d)) return WASI_ENOTSOCK;
    return descriptor_get(wasi, fd, rights, out);
}

static bool try_again(int host_errno) { return host_errno == EAGAIN || host_errno == EINTR; }

WasiErrno wasi_sock_accept(WasiCall *call, const fnvm_slot *args)
{
    uint32_t flags = args[1].i32, fd;
    uint8_t *fd_at = guest_bytes(call, args[2].i32, sizeof fd);
    Descriptor *listener;
    Descriptor accepted = {.host = -1, .origin = ORIGIN_ACCEPTED, .flags = (uint16_t)flags};
    if (!fd_at) return WASI_EFAULT;
    if (flags & ~(uint32_t)WASI_FDFLAG_NONBLOCK) return WASI_EINVAL;
    /* The number first: a connection that was accepted has to go somewhere. */
    WasiErrno error = descriptor_reserve(call->wasi, &fd);
    if (!error) error = socket_get(call->wasi, args[0].i32, WASI_RIGHT_SOCK_ACCEPT, &listener);
    while (!error && accepted.host < 0) {
        error = wasi_wait(call, listener, POLLIN);
        if (error) break;
        accepted.host = accept4(listener->host, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted.host < 0 && !try_again(errno) && errno != ECONNABORTED)
            error = wasi_errno(errno);
    }
    if (!error) error = descriptor_classify(accepted.host, &accepted.filetype, &accepted.base);
    if (error) {
        descriptor_release(&accepted);
        return error;
    }
    accepted.base &= listener->inheriting;
    descriptor_set(call->wasi, fd, &accepted);
    memcpy(fd_at, &fd, sizeof fd);
    return WASI_SUCCESS;
}

/* Receives once, or until the vectors are full or the other side is done (waitall). */
static WasiErrno receive(WasiCall *call, const Descriptor *d, GuestVectors *vectors, uint32_t flags,
                         uint32_t *total, uint16_t *result_flags)
{
    bool peeks = flags & WASI_RIFLAG_PEEK;
    bool fills = (flags & WASI_RIFLAG_WAITALL) && !peeks && vectors->count &&
                 d->filetype == WASI_FILETYPE_SOCKET_STREAM;
    ssize_t got = -1;
    do {
        WasiErrno error = wasi_wait(call, d, POLLIN);
        if (error) return error;
        struct msghdr message = {.msg_iov = vectors->at, .msg_iovlen = vectors->count};
        got = recvmsg(d->host, &message, MSG_DONTWAIT | (peeks ? MSG_PEEK : 0));
        if (got < 0) {
            if (try_again(errno)) continue;
            return wasi_errno(errno);
        }
        *total += (uint32_t)got;
        if (message.msg_flags & MSG_TRUNC) *result_flags = WASI_ROFLAG_DATA_TRUNCATED;
        guest_vectors_advance(vectors, (size_t)got);
    } while (got < 0 || (fills && got > 0 && vectors->count));
    return WASI_SUCCESS;
}

WasiErrno wasi_sock_recv(WasiCall *call, const fnvm_slot *args)
{
    uint32_t flags = args[3].i32, total = 0;
    uint16_t result_flags = 0;
    uint8_t *total_at = guest_bytes(call, args[4].i32, sizeof total);
    uint8_t *flags_at = guest_bytes(call, args[5].i32, sizeof result_flags);
    Descriptor *d;
    GuestVectors vectors;
    WasiErrno error = socket_get(call->wasi, args[0].i32, WASI_RIGHT_FD_READ, &d);
    if (!error) error = guest_vectors(call, args[1].i32, args[2].i32, &vectors);
    if (error) return error;
    if (!total_at || !flags_at) return WASI_EFAULT;
    if (flags & ~(uint32_t)WASI_RIFLAGS_ALL) return WASI_EINVAL;
    error = receive(call, d, &vectors, flags, &total, &result_flags);
    if (error && total == 0) return error;
    memcpy(total_at, &total, sizeof total);
    memcpy(flags_at, &result_flags, sizeof result_flags);
    return WASI_SUCCESS;
}

/* Everything where the guest waits, what fits where it does not. */
WasiErrno wasi_socket_write(WasiCall *call, Descriptor *d, GuestVectors *vectors, size_t *written)
{
    *written = 0;
    for (;;) {
        struct msghdr message = {.msg_iov = vectors->at, .msg_iovlen = vectors->count};
        ssize_t sent = sendmsg(d->host, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            *written += (size_t)sent;
            guest_vectors_advance(vectors, (size_t)sent);
            if (vectors->count == 0 || (d->flags & WASI_FDFLAG_NONBLOCK)) return WASI_SUCCESS;
        } else if (!try_again(errno)) {
            return *written ? WASI_SUCCESS : wasi_errno(errno);
        }
        WasiErrno error = wasi_wait(call, d, POLLOUT);
        if (error) return *written ? WASI_SUCCESS : error;
    }
}

WasiErrno wasi_sock_send(WasiCall *call, const fnvm_slot *args)
{
    uint32_t total;
    uint8_t *total_at = guest_bytes(call, args[4].i32, sizeof total);
    Descriptor *d;
    GuestVectors vectors;
    size_t written;
    WasiErrno error = socket_get(call->wasi, args[0].i32, WASI_RIGHT_FD_WRITE, &d);
    if (!error) error = guest_vectors(call, args[1].i32, args[2].i32, &vectors);
    if (error) return error;
    if (!total_at) return WASI_EFAULT;
    if (args[3].i32) /* no siflags are defined */
        return WASI_EINVAL;
    error = wasi_output_cut(call->wasi, &vectors);
    if (!error) error = wasi_socket_write(call, d, &vectors, &written);
    if (error) return error;
    wasi_output_wrote(call->wasi, written);
    total = (uint32_t)written;
    memcpy(total_at, &total, sizeof total);
    return WASI_SUCCESS;
}

WasiErrno wasi_sock_shutdown(WasiCall *call, const fnvm_slot *args)
{
    static const int how[] = {
        [WASI_SDFLAG_RD] = SHUT_RD, [WASI_SDFLAG_WR] = SHUT_WR, [WASI_SDFLAGS_ALL] = SHUT_RDWR};
    uint32_t flags = args[1].i32;
    Descriptor *d;
    WasiErrno error = socket_get(call->wasi, args[0].i32, WASI_RIGHT_SOCK_SHUTDOWN, &d);
    if (error) return error;
    if (flags == 0 || (flags & ~(uint32_t)WASI_SDFLAGS_ALL)) return WASI_EINVAL;
    return shutdown(d->host, how[flags]) < 0 ? wasi_errno(errno) : WASI_SUCCESS;
}
