/* The managed heap: structs, arrays, exceptions and boxed host references, on Boehm GC.
 *
 * The collector is one per process and starts at the first allocation.  It finds references in
 * guest stacks, tables, globals and fnvm_ref handles of all stores through a callback, objects
 * through conservative marking.  Each store has its own limit on live bytes. */
#ifndef FNVM_VM_HEAP_H
#define FNVM_VM_HEAP_H

#include <string.h>

#include "vm/store.h"

/* The head of every object.  Struct fields follow at Field.offset; an Array's elements at
 * sizeof(Array). */
typedef struct Object {
    TypeId type;       /* a defined type, OBJECT_HOST or OBJECT_EXCEPTION */
    uint32_t store;    /* tag for accounting: ObjectLists.tag */
} Object;
typedef struct Array { Object head; uint32_t length; uint32_t unused; } Array; /* then elements */
typedef struct HostObject { Object head; uint64_t value; } HostObject;
typedef struct Exception {
    Object head;
    TagRef tag;
    uint32_t nslots, unused;
    Slot payload[];
} Exception;
enum { OBJECT_HOST = 0x1FFFFFFE, OBJECT_EXCEPTION = 0x1FFFFFFD };

static inline uint64_t i31_make(uint32_t v) { return (uint64_t)(v & 0x7FFFFFFF) << 1 | 1; }
static inline bool ref_is_i31(uint64_t r) { return (r & 1) != 0; }
static inline uint32_t i31_get_u(uint64_t r) { return (uint32_t)(r >> 1) & 0x7FFFFFFF; }
static inline int32_t i31_get_s(uint64_t r) { return (int32_t)((uint32_t)(r >> 1) << 1) >> 1; }
static inline Object *ref_object(uint64_t r) { return (Object *)(uintptr_t)r; }

/* Granules of an object; at most OBJECT_LISTED / OBJECT_GRANULE for what comes off a list. */
static inline uint64_t object_granules(uint64_t size)
{
    return (size + OBJECT_GRANULE - 1) / OBJECT_GRANULE;
}

/* Takes a block off a list of the store, NULL if that is empty.  Compiled code does the same
 * (jit/x86_64/allocation.c), then fills in the head, which makes an object of it. */
static inline Object *object_take(Store *store, bool has_refs, uint64_t granules)
{
    uint64_t *head = &store->lists.head[has_refs][granules];
    Object *o = ref_object(*head);
    if (o) memcpy(head, o, sizeof *head);
    atomic_signal_fence(memory_order_seq_cst); /* the block's first word is the list's until now */
    return o;
}

/* All fields zero (default).  Returns FNVM_TRAP_NONE, ALLOCATION_SIZE, HEAP_EXHAUSTED, or
 * INTERRUPTED where a collection or a large object would have taken long and the store is to
 * stop. */
fnvm_trap heap_new_struct(Store *, const Type *, uint64_t *out);
fnvm_trap heap_new_array(Store *, const Type *, uint32_t length, uint64_t *out);
fnvm_trap heap_new_exception(Store *, TagRef, const Slot *payload, uint32_t nslots, uint64_t *out);
fnvm_trap heap_new_host(Store *, uint64_t value, uint64_t *out);

/* Fields and elements by their storage type; a v128 fills out[0..1]; packed ones extend as told. */
void object_get(const uint8_t *at, ValType storage, bool sign_extend, Slot *out);
void object_set(uint8_t *at, ValType storage, const Slot *value);
static inline uint32_t storage_size(ValType t)
{
    return t == TYPE_I8 ? 1 : t == TYPE_I16 ? 2 : t == TYPE_I32 || t == TYPE_F32 ? 4
         : t == TYPE_V128 ? 16 : 8;
}
static inline uint8_t *array_at(Array *a, ValType storage, uint32_t i)
{
    return (uint8_t *)(a + 1) + (size_t)storage_size(storage) * i;
}

/* Array operations over checked ranges (4.6.11); all check before they change anything, and may be
 * interrupted after a part, like those on memories. */
fnvm_trap array_fill(const Store *, const Type *, uint64_t array, uint32_t at, const Slot *value,
                     uint32_t n);
fnvm_trap array_copy(const Store *, const Type *dst_type, uint64_t dst, uint32_t d, uint64_t src,
                     uint32_t s, uint32_t n);
fnvm_error *array_new_data(Instance *, TypeId, uint32_t data, uint32_t at, uint32_t n,
                           uint64_t *out);
fnvm_error *array_new_elem(Instance *, TypeId, uint32_t elem, uint32_t at, uint32_t n,
                           uint64_t *out);
fnvm_error *array_init_data(Instance *, TypeId, uint32_t data, uint64_t array, uint32_t at,
                            uint32_t s, uint32_t n);
fnvm_error *array_init_elem(Instance *, TypeId, uint32_t elem, uint64_t array, uint32_t at,
                            uint32_t s, uint32_t n);

/* Whether a reference (of any hierarchy but func: `top` says) belongs to the heap type. */
bool ref_matches(Store *, HeapType top, uint64_t ref, HeapType target, bool nullable);

/* A thread that runs a store which uses the heap brackets its outermost call with these. */
void heap_enter(Store *);
void heap_leave(Store *);
/* Compiled code of the store is about to run on this thread, on the guest's stack.  If the
 * collector knows the thread, it has to know that stack too, for it may stop the thread there. */
void heap_know_code(Store *);
/* A range of references that are roots besides, in place of the range before; NULL for none.  It
 * stays where it is while it is set, and changes only on the store's thread.  False if there is no
 * memory (never where there was a range before). */
bool heap_keep(Store *, const uint64_t *from, const uint64_t *to);

/* Calls `fn` while nobody allocates or collects, itself included. */
void heap_hold_still(Store *, void (*fn)(void *env), void *env);
/* Bytes of the block of the collector's heap that begins at the address, 0 if none does; of what
 * was collected, too, as long as nobody has the block.  Only from within heap_hold_still. */
uint64_t heap_block_size(const Store *, uint64_t address);

void heap_store_free(Store *); /* forget the store: its objects become garbage; before anything
                                  it refers to is freed */

/* Moves an array that holds roots (Store.instances, Store.refs) to a larger block; the rest of it
 * is zero.  The collector, which may stop this thread anywhere, sees the old one or the new one.
 * False if the host is out of memory. */
bool heap_resize_roots(void **array, size_t old_bytes, size_t new_bytes);

#endif
