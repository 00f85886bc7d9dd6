/* wasi_stream.c - standard streams that are the embedder's functions, and waiting that he does.
 *
 * The functions are kept by the stream's number beside the table of descriptors, so that giving others
 * to a guest that is used again changes nothing that a reset would have to put back.  Where one cannot
 * move anything yet it leaves the guest waiting; the WASI function is then called again, and so must
 * not have moved anything before.
 */
#include "stdlib/wasi.h"

#include "vm/error.h"

uint64_t wasi_embedded_rights(const Wasi *wasi, uint32_t stream)
{
    const fnvm_stream *s = &wasi->embedded[stream];
    uint64_t rights = WASI_RIGHTS_STREAM;
    if (stream != 0 && !s->read) rights &= ~WASI_RIGHT_FD_READ;
    if (stream == 0 && !s->write) rights &= ~WASI_RIGHT_FD_WRITE;
    return rights;
}

fnvm_error *fnvm_wasi_stream(fnvm_wasi *wasi, int guest_fd, const fnvm_stream *stream)
{
    if (guest_fd < 0 || guest_fd >= WASI_FIRST_DESCRIPTOR)
        return fnvm_error_new(FNVM_E_USAGE, "%d is none of the descriptors 0, 1 and 2", guest_fd);
    wasi->embedded[guest_fd] = stream ? *stream : (fnvm_stream){0};
    if (wasi->is_embedded & 1 << guest_fd) return NULL;
    const Descriptor d = {.host = WASI_EMBEDDED,
                          .filetype = WASI_FILETYPE_UNKNOWN, /* as a pipe's */
                          .origin = ORIGIN_STREAM,
                          .of = (uint32_t)guest_fd,
                          .shared = true,
                          .base = wasi_embedded_rights(wasi, (uint32_t)guest_fd)};
    fnvm_error *error = wasi_set_stream(wasi, &d);
    if (!error) wasi->is_embedded |= (uint8_t)(1 << guest_fd);
    return error;
}

void fnvm_wasi_at_sleep(fnvm_wasi *wasi,
                        fnvm_error *(*fn)(void *env, fnvm_caller *, uint64_t deadline_ns), void *env)
{
    wasi->at_sleep = fn;
    wasi->at_sleep_env = env;
}

/* What a stream's function has returned.  A guest that does not wait gets errno again. */
static WasiErrno failed(WasiCall *call, const Descriptor *d, fnvm_error *error)
{
    if (error->code == FNVM_E_SUSPENDED && d->flags & WASI_FDFLAG_NONBLOCK) {
        fnvm_error_free(error);
        return WASI_EAGAIN;
    }
    call->error = error;
    return WASI_SUCCESS;
}

static fnvm_error *moved_too_much(const Descriptor *d, const char *what, size_t done, size_t size)
{
    return fnvm_error_new(FNVM_E_USAGE, "the %s function of standard stream %u says that it moved %zu "
                          "of %zu bytes", what, (unsigned)d->of, done, size);
}

/* One vector at a time: after it the stream may have nothing, and must not be asked to wait for the
 * rest. */
WasiErrno wasi_embedded_read(WasiCall *call, const Descriptor *d, const GuestVectors *vectors,
                             size_t *done)
{
    const fnvm_stream *s = &call->wasi->embedded[d->of];
    const struct iovec *to = &vectors->at[0];
    *done = 0;
    if (!s->read) return WASI_SUCCESS;
    fnvm_error *error = s->read(s->env, call->caller, to->iov_base, to->iov_len, done);
    if (!error && *done > to->iov_len) error = moved_too_much(d, "read", *done, to->iov_len);
    return error ? failed(call, d, error) : WASI_SUCCESS;
}

WasiErrno wasi_embedded_write(WasiCall *call, const Descriptor *d, const GuestVectors *vectors,
                              size_t *done)
{
    const fnvm_stream *s = &call->wasi->embedded[d->of];
    *done = s->write ? 0 : vectors->total_bytes;
    for (size_t i = 0; s->write && i < vectors->count; i++) {
        const struct iovec *from = &vectors->at[i];
        size_t some = 0;
        fnvm_error *error = s->write(s->env, call->caller, from->iov_base, from->iov_len, &some);
        if (!error && some > from->iov_len) error = moved_too_much(d, "write", some, from->iov_len);
        if (error && error->code == FNVM_E_SUSPENDED && *done) {
            fnvm_error_free(error);
            break; /* it comes back with the rest */
        }
        if (error) return failed(call, d, error);
        if (some == 0 && !*done) return WASI_EPIPE;
        *done += some;
        if (some < from->iov_len) break;
    }
    return WASI_SUCCESS;
}

fnvm_error *wasi_embedded_ready(WasiCall *call, const Descriptor *d, bool reads)
{
    const fnvm_stream *s = &call->wasi->embedded[d->of];
    size_t none = 0;
    if (reads) return s->read ? s->read(s->env, call->caller, NULL, 0, &none) : NULL;
    return s->write ? s->write(s->env, call->caller, NULL, 0, &none) : NULL;
}
