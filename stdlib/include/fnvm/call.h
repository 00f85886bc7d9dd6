/* fnvm/call.h - for guests in C: calling other functions of the same host.
 *
 *     int32_t call = fnvm_call_start("resize", 6, image, image_len);
 *     if (call > 0 && fnvm_call_await(call, 5000) == FNVM_OK)
 *         fnvm_call_output(call, 0, buffer, sizeof buffer, &len);
 *     fnvm_call_drop(call);
 *
 * Handles are above 0; at most 256 are open at once, and an input has at most 8 MiB.  A handle
 * that was open when an image was frozen is FNVM_INVALID in what is woken from it.  While a
 * guest awaits, its thread may do other work; the guest does not notice. */
#ifndef FNVM_CALL_H
#define FNVM_CALL_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:call"), import_name(name)))

/* A handle, or why there is none: FNVM_NOT_FOUND, FNVM_DENIED, FNVM_LIMIT, ... */
FNVM_IMPORT("start")
int32_t fnvm_call_start(const char *name, uint32_t name_len, const void *input, uint32_t input_len);

typedef struct fnvm_call_text {
    const char *name;
    uint32_t name_len;
    const void *input;
    uint32_t input_len;
} fnvm_call_text;
/* Several at once, at most 256: each handle as fnvm_call_start returns it.  How many were
 * started. */
FNVM_IMPORT("start_all")
int32_t fnvm_call_start_all(const fnvm_call_text *, uint32_t n, int32_t *handles);

/* Below 0: without end; 0: does not wait.  FNVM_OK: it has ended well, and there is an output.
 * FNVM_TIMEOUT: it has not ended.  FNVM_FAILED and others: it will not. */
FNVM_IMPORT("await") int32_t fnvm_call_await(int32_t handle, int64_t timeout_ms);
/* The same for each of several.  FNVM_TIMEOUT if one has not ended. */
FNVM_IMPORT("await_all")
int32_t
    fnvm_call_await_all(const int32_t *handles, uint32_t n, int64_t timeout_ms, int32_t *statuses);
FNVM_IMPORT("output")
int32_t fnvm_call_output(int32_t handle, uint32_t offset, void *to, uint32_t size, uint32_t *len);
/* Gives the handle up; a call that has not ended is ended, as soon as that can be. */
FNVM_IMPORT("drop") int32_t fnvm_call_drop(int32_t handle);

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
