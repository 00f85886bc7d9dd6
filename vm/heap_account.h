/* What the heap keeps for a store, shared by its allocator and its root finder. */
#ifndef FNVM_VM_HEAP_ACCOUNT_H
#define FNVM_VM_HEAP_ACCOUNT_H

#include "vm/heap.h"

typedef struct HeapAccount {
    bool registered;          /* heap_enter told the collector of this thread */
    bool unblocked;           /* ... and unblocked the suspend signal */
    bool at_rest;             /* the store's thread is in the allocator: no frame is half written */
    uint64_t limit_bytes;
    uint64_t live_bytes;      /* when last measured */
    uint64_t allocated_bytes; /* since then, blocks on lists included */
    uint64_t newest;          /* a root: the object may not have reached a slot yet */
    const uint64_t *kept, *kept_end; /* roots, too: heap_keep */
} HeapAccount;

/* Hooks the root finder into the collector; once, from its start. */
void heap_roots_install(void);
/* The list of stores to scan; both exclude the collector themselves. */
void heap_roots_add(Store *);
void heap_roots_remove(Store *);
void heap_roots_keep(HeapAccount *, const uint64_t *from, const uint64_t *to);
/* The list of stores whose compiled code runs on threads that the collector knows. */
void heap_code_add(Store *);
void heap_code_remove(Store *);

#endif
