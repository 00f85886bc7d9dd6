/* Flags that end work which takes long and is not the guest's own: decoding, translating text,
 * verifying, compiling, filling segments.  Whoever does such work looks every few thousand steps, and
 * fails with stop_error().  Only flags of atomics: any thread or signal handler sets them. */
#ifndef FNVM_VM_STOP_H
#define FNVM_VM_STOP_H

#include <stdatomic.h>

#include "vm/error.h"

typedef struct Stop { const atomic_bool *engine, *store; } Stop; /* either may be NULL */

static inline bool stop_wanted(Stop s)
{
    return (s.engine && atomic_load_explicit(s.engine, memory_order_relaxed)) ||
           (s.store && atomic_load_explicit(s.store, memory_order_relaxed));
}

/* FNVM_E_LIMIT "interrupted while ...". */
static inline fnvm_error *stop_error(const char *doing)
{
    return fnvm_error_new(FNVM_E_LIMIT, "interrupted while %s", doing);
}

enum { STOP_STEPS = 4096 }; /* between two looks: about 20 us */

#endif
