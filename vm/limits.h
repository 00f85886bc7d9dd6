/* The limits of the configuration in words: whoever meets one is told which it is, its value, and
 * what changes it. */
#ifndef FNVM_VM_LIMITS_H
#define FNVM_VM_LIMITS_H

#include "vm/store.h"

typedef enum ConfigLimit {
    CONFIG_MEMORY,
    CONFIG_TABLE,
    CONFIG_STACK,
    CONFIG_HEAP,
    CONFIG_INSTANCES,
    CONFIG_FUEL,
    CONFIG_LIMITS
} ConfigLimit;

enum { LIMIT_TEXT = 320 }; /* bytes that any such text fits into */

/* "8388608 bytes (max_stack_bytes, -W max-wasm-stack)"; where the engine's policy has the same
 * value, the line of its file instead.  Cut to `size`. */
void limit_print(const fnvm_engine *, ConfigLimit, uint64_t value, char *text, size_t size);

/* The error of a trap in this store.  Its message is the trap's text; if a limit was hit, with the
 * limit behind it. */
fnvm_error *store_trap_error(const Store *, fnvm_trap);

/* The error of a growth that failed, where such are to trap: what was asked for, and why it cannot
 * be had. */
fnvm_error *memory_grow_error(const MemoryRef *, uint64_t delta_pages);
fnvm_error *table_grow_error(const TableRef *, uint64_t delta);

#endif
