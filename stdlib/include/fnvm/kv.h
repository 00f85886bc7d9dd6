/* fnvm/kv.h - for guests in C: keys and values that outlive the instance.
 *
 * Keys are 1 to 1,024 bytes but NUL, values at most 1 MiB.  Each function is atomic, also
 * between instances and machines that share the store.  FNVM_UNAVAILABLE: the host gives none. */
#ifndef FNVM_KV_H
#define FNVM_KV_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:kv"), import_name(name)))

/* Reading from offset 0 fetches the value; reading on gives pieces of the same value, even if it
 * has been changed since, until another key is read. */
FNVM_IMPORT("get")
int32_t fnvm_kv_get(const char *key, uint32_t key_len, uint32_t offset, void *to, uint32_t size,
                    uint32_t *len);
FNVM_IMPORT("set")
int32_t fnvm_kv_set(const char *key, uint32_t key_len, const void *value, uint32_t len);
FNVM_IMPORT("delete")
int32_t fnvm_kv_delete(const char *key, uint32_t key_len); /* or FNVM_NOT_FOUND */
/* Sets it if it is `was` now; else FNVM_CHANGED.  was_len FNVM_KV_ABSENT: if there is none. */
#define FNVM_KV_ABSENT UINT32_MAX
FNVM_IMPORT("swap")
int32_t fnvm_kv_swap(const char *key, uint32_t key_len, const void *was, uint32_t was_len,
                     const void *value, uint32_t len);
/* Makes it if need be. */
FNVM_IMPORT("append")
int32_t fnvm_kv_append(const char *key, uint32_t key_len, const void *value, uint32_t len);
/* The keys that begin with `prefix` and come after `after` (after_len 0: from the first), in the
 * order of their bytes, each with a NUL behind it; at most `most`, at most 1,000, and as fit in
 * `size`.  Returns how many; *used has their bytes.  0: there are no more.  FNVM_TOO_LARGE: not
 * even one fits in, *used says its size. */
FNVM_IMPORT("list")
int32_t fnvm_kv_list(const char *prefix, uint32_t prefix_len, const char *after, uint32_t after_len,
                     uint32_t most, char *to, uint32_t size, uint32_t *used);

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
