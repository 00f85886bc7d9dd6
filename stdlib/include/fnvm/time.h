/* fnvm/time.h - for guests in C: clocks, in nanoseconds, and waiting. */
#ifndef FNVM_TIME_H
#define FNVM_TIME_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:time"), import_name(name)))

FNVM_IMPORT("realtime") uint64_t fnvm_time_realtime(void); /* since 1970, UTC */
/* Since some time; it never goes back, but an image may be woken on another machine. */
FNVM_IMPORT("monotonic") uint64_t fnvm_time_monotonic(void);
FNVM_IMPORT("sleep_until") int32_t fnvm_time_sleep_until(uint64_t monotonic_ns);

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
