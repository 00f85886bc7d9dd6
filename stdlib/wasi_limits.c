/* wasi_limits.c - what a guest may call, write and have open.
 *
 * The call table is asked when a function is linked, never when it is called.  Output is one count
 * for all descriptors: what is written is cut to what is left, and what cannot be cut is refused.
 */
#include "stdlib/wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const call_names[] = {
#define FUNC(name, type, in_unstable) #name,
    WASI_FUNCTIONS(FUNC)
#undef FUNC
};
enum { CALLS = sizeof call_names / sizeof call_names[0] };
_Static_assert(CALLS <= 64, "a bit each in fnvm_wasi.calls");

fnvm_error *fnvm_wasi_allow_calls(fnvm_wasi *wasi, const char *const *names, size_t n)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < CALLS && strcmp(call_names[k], names[i]) != 0) k++;
        if (k == CALLS)
            return fnvm_error_new(FNVM_E_USAGE, "WASI preview 1 has no function \"%s\": names are "
                                  "such as \"fd_read\"", names[i]);
        calls |= UINT64_C(1) << k;
    }
    wasi->has_calls = true;
    wasi->calls |= calls;
    return NULL;
}

void fnvm_wasi_limit_output(fnvm_wasi *wasi, uint64_t bytes) { wasi->output_limit = bytes; }

void fnvm_wasi_limit_descriptors(fnvm_wasi *wasi, uint32_t most)
{
    if (most > WASI_MAX_DESCRIPTORS) most = WASI_MAX_DESCRIPTORS;
    if (most < WASI_FIRST_DESCRIPTOR) most = WASI_FIRST_DESCRIPTOR;
    wasi->descriptors_limit = most;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static uint64_t output_left(const Wasi *wasi)
{
    return wasi->output < wasi->output_limit ? wasi->output_limit - wasi->output : 0;
}

WasiErrno wasi_output_cut(const Wasi *wasi, GuestVectors *vectors)
{
    const uint64_t left = output_left(wasi);
    if (vectors->total_bytes <= left) return WASI_SUCCESS;
    if (left == 0) return WASI_EDQUOT;
    guest_vectors_cut(vectors, (size_t)left);
    return WASI_SUCCESS;
}

WasiErrno wasi_output_take(Wasi *wasi, uint64_t bytes)
{
    if (bytes > output_left(wasi)) return WASI_EDQUOT;
    wasi->output += bytes;
    return WASI_SUCCESS;
}

WasiErrno wasi_output_take_growth(Wasi *wasi, const Descriptor *d, uint64_t size)
{
    struct stat st;
    if (wasi->output_limit == UINT64_MAX || d->filetype != WASI_FILETYPE_REGULAR_FILE)
        return WASI_SUCCESS;
    if (fstat(d->host, &st) < 0) return wasi_errno(errno);
    const uint64_t now = (uint64_t)st.st_size;
    return size > now ? wasi_output_take(wasi, size - now) : WASI_SUCCESS;
}

WasiErrno wasi_output_take_gap(Wasi *wasi, const Descriptor *d, int64_t offset)
{
    if (wasi->output_limit == UINT64_MAX || d->filetype != WASI_FILETYPE_REGULAR_FILE)
        return WASI_SUCCESS;
    /* In append mode it is the file's end that is written to (by pwrite as well, on Linux); the
     * mode of a shared one is the embedder's. */
    const int status = fcntl(d->host, F_GETFL);
    if (status < 0) return wasi_errno(errno);
    if (status & O_APPEND) return WASI_SUCCESS;
    const off_t at = offset >= 0 ? offset : lseek(d->host, 0, SEEK_CUR);
    return at < 0 ? wasi_errno(errno) : wasi_output_take_growth(wasi, d, (uint64_t)at);
}
