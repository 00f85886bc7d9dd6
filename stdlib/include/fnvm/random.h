/* fnvm/random.h - for guests in C: random numbers fit for keys, faster than WASI's, which ask
 * the system each time.  No two instances get the same, also of one image. */
#ifndef FNVM_RANDOM_H
#define FNVM_RANDOM_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:random"), import_name(name)))

FNVM_IMPORT("fill") int32_t fnvm_random_fill(void *to, uint32_t len); /* at most 1 MiB */
FNVM_IMPORT("u64") uint64_t fnvm_random_u64(void);

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
