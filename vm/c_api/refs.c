/* Records: making, counting, finding and ending them, and what the standard interface asks of all
 * kinds alike. Records with keys hang in a hash table with chains; all of a store's hang in one
 * list, and those of an instance's parts in another. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

/* ---- Finding by key ---- */

/* Keys are addresses and small numbers of our own: nobody else chooses them. */
static size_t bucket_of(const wasm_store_t *s, RefKind kind, uint64_t a, uint64_t b)
{
    const uint64_t mixed = (a ^ (b << 17) ^ ((uint64_t)kind << 57)) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 32) & (s->nbuckets - 1);
}

wasm_ref_t *ref_find(const wasm_store_t *s, RefKind kind, uint64_t a, uint64_t b)
{
    wasm_ref_t *r = s->nbuckets ? s->buckets[bucket_of(s, kind, a, b)] : NULL;
    while (r && (r->kind != kind || r->key[0] != a || r->key[1] != b)) r = r->chain;
    return r;
}

static void chain_in(wasm_store_t *s, wasm_ref_t *r)
{
    wasm_ref_t **bucket = &s->buckets[bucket_of(s, r->kind, r->key[0], r->key[1])];
    r->chain = *bucket;
    *bucket = r;
}

/* Without memory for more of them, the chains get longer. */
static void more_buckets(wasm_store_t *s)
{
    wasm_ref_t **const old = s->buckets;
    const size_t nold = s->nbuckets;
    wasm_ref_t **more = calloc(2 * nold, sizeof *more);
    if (!more) return;
    s->buckets = more;
    s->nbuckets = 2 * nold;
    for (size_t i = 0; i < nold; i++) {
        for (wasm_ref_t *r = old[i], *next; r; r = next) {
            next = r->chain;
            chain_in(s, r);
        }
    }
    free(old);
}

void ref_add_key(wasm_ref_t *r, uint64_t a, uint64_t b)
{
    wasm_store_t *s = r->store;
    r->key[0] = a;
    r->key[1] = b;
    if (s->nkeyed++ >= s->nbuckets) more_buckets(s);
    chain_in(s, r);
}

static bool has_key(const wasm_ref_t *r) { return r->kind <= REF_OBJECT; }

static void chain_out(wasm_store_t *s, const wasm_ref_t *r)
{
    wasm_ref_t **at = &s->buckets[bucket_of(s, r->kind, r->key[0], r->key[1])];
    while (*at && *at != r) at = &(*at)->chain;
    if (!*at) return; /* it never got its key */
    *at = r->chain;
    s->nkeyed--;
}

/* ---- Making and ending ---- */

void *ref_new(wasm_store_t *s, RefKind kind, size_t size)
{
    wasm_ref_t *r = calloc(1, size);
    if (!r) return NULL;
    r->kind = (uint8_t)kind;
    r->refs = 1;
    r->store = s;
    if (!s) return r;
    r->next = s->refs;
    if (s->refs) s->refs->previous = r;
    s->refs = r;
    return r;
}

void ref_set_owner(wasm_ref_t *r, wasm_instance_t *owner)
{
    r->owner = owner;
    r->next_part = owner->parts;
    if (owner->parts) owner->parts->previous_part = r;
    owner->parts = r;
    if (r->refs) instance_use(owner);
}

static void part_out(wasm_ref_t *r)
{
    if (!r->owner) return;
    if (r->next_part) r->next_part->previous_part = r->previous_part;
    if (r->previous_part) r->previous_part->next_part = r->next_part;
    else r->owner->parts = r->next_part;
    r->owner = NULL;
}

/* The object's place among the roots is the next one's to use. */
static void object_unroot(wasm_store_t *s, const ObjectRef *o)
{
    if (!o->handle) return;
    s->store->refs[o->handle - 1].bits = s->free_handle; /* a small number is no object's address */
    s->free_handle = o->handle;
}

void ref_detach(wasm_ref_t *r)
{
    wasm_store_t *s = r->store;
    if (!s) return;
    if (has_key(r)) chain_out(s, r);
    if (r->next) r->next->previous = r->previous;
    if (r->previous) r->previous->next = r->next;
    else s->refs = r->next;
    part_out(r);
    if (r->kind == REF_INSTANCE) {
        wasm_instance_t *i = (wasm_instance_t *)(void *)r;
        while (i->parts) part_out(i->parts); /* there are some only if the whole store ends */
    }
    if (r->kind == REF_OBJECT) object_unroot(s, (ObjectRef *)(void *)r);
    r->store = NULL;
}

static void ref_free(wasm_ref_t *r)
{
    if (r->kind == REF_MODULE) fnvm_module_release(((wasm_module_t *)(void *)r)->module);
    if (r->kind == REF_TRAP) trap_free_parts((wasm_trap_t *)(void *)r);
    if (r->kind == REF_INSTANCE) free(((wasm_instance_t *)(void *)r)->imports);
    free(r);
}

static void finalize(wasm_ref_t *r)
{
    void *const info = r->info;
    void (*const finalizer)(void *) = r->finalizer;
    r->info = NULL;
    r->finalizer = NULL;
    if (finalizer) finalizer(info);
}

void ref_end(wasm_ref_t *r)
{
    ref_detach(r);
    r->refs++; /* the finalizer may delete what it still has of it */
    finalize(r);
    ref_release(r);
}

/* ---- Counting ---- */

/* The instance that cannot go while the host has this. */
static wasm_instance_t *instance_kept_by(wasm_ref_t *r)
{
    return r->kind == REF_INSTANCE ? (wasm_instance_t *)(void *)r : r->owner;
}

void ref_retain(wasm_ref_t *r)
{
    if (r->is_static || r->refs++ > 0 || !r->store) return;
    wasm_instance_t *kept = instance_kept_by(r);
    if (kept) instance_use(kept);
}

/* What is found again in the store keeps what the host has said about it. */
static bool stays(const wasm_ref_t *r)
{
    return r->pinned || r->kind == REF_INSTANCE ||
           (r->kind <= REF_TAG && (r->info || r->finalizer));
}

void ref_release(wasm_ref_t *r)
{
    if (!r || r->is_static || --r->refs > 0) return;
    wasm_store_t *s = r->store;
    if (!s) {
        finalize(r);
        ref_free(r);
        return;
    }
    store_enter(s);
    wasm_instance_t *kept = instance_kept_by(r);
    if (kept) instance_unuse(kept);
    if (!s->dying && !stays(r)) ref_end(r);
    store_leave(s);
}

void ref_pin(wasm_ref_t *r)
{
    wasm_instance_t *kept = instance_kept_by(r);
    r->pinned = true;
    if (kept) kept->ref.pinned = true;
}

/* ---- Definitions ---- */

wasm_ref_t *extern_ref(wasm_store_t *s, fnvm_extern e)
{
    const RefKind kind = (RefKind)externkind_of(e.kind);
    wasm_ref_t *r = ref_find(s, kind, e.of[0], e.of[1]);
    if (r) {
        ref_retain(r);
        return r;
    }
    Instance *inst = (Instance *)(uintptr_t)e.of[0];
    if (kind == REF_FUNC) inst = s->store->instances[funcref_instance(e.of[0])]; /* [0] is NULL */
    wasm_instance_t *owner = inst ? instance_record(s, inst) : NULL;
    if (inst && !owner) return NULL;
    r = ref_new(s, kind, sizeof(wasm_extern_t));
    if (!r) return NULL;
    ref_add_key(r, e.of[0], e.of[1]);
    if (owner) ref_set_owner(r, owner);
    return r;
}

fnvm_extern ref_extern(const wasm_ref_t *r)
{
    return (fnvm_extern){fnvm_externkind_of(r->kind), {r->key[0], r->key[1]}};
}

Instance *ref_instance(const wasm_ref_t *r, RefKind kind)
{
    return r && r->store && r->kind == kind && r->owner ? r->owner->instance : NULL;
}

/* ---- What all kinds have ---- */

static wasm_ref_t *again(const void *of)
{
    wasm_ref_t *r = (wasm_ref_t *)(uintptr_t)of; /* a count is no change to the object */
    if (r) ref_retain(r);
    return r;
}

static void *get_info(const wasm_ref_t *r) { return r ? r->info : NULL; }

static void set_info(wasm_ref_t *r, void *info, void (*finalizer)(void *))
{
    if (!r || r->is_static) return;
    wasm_store_t *s = r->store;
    if (s) store_enter(s);
    finalize(r);
    r->info = info;
    r->finalizer = finalizer;
    if (s) store_leave(s);
}

#define REF_BASE(name) \
    wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *r) \
    { \
        return (wasm_##name##_t *)(void *)again(r); \
    } \
    void wasm_##name##_delete(wasm_##name##_t *r) { ref_release((wasm_ref_t *)(void *)r); } \
    bool wasm_##name##_same(const wasm_##name##_t *a, const wasm_##name##_t *b) { return a == b; } \
    void *wasm_##name##_get_host_info(const wasm_##name##_t *r) \
    { \
        return get_info((const wasm_ref_t *)(const void *)r); \
    } \
    void wasm_##name##_set_host_info(wasm_##name##_t *r, void *info) \
    { \
        set_info((wasm_ref_t *)(void *)r, info, NULL); \
    } \
    void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *r, void *info, \
                                                    void (*finalizer)(void *)) \
    { \
        set_info((wasm_ref_t *)(void *)r, info, finalizer); \
    }

/* `first` to `last` are the kinds that such a reference can be of. */
#define REF(name, first, last) \
    REF_BASE(name) \
    wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *r) { return (wasm_ref_t *)(void *)r; } \
    const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *r) \
    { \
        return (const wasm_ref_t *)(const void *)r; \
    } \
    wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *r) \
    { \
        return r && is_among(r, first, last) ? (wasm_##name##_t *)(void *)r : NULL; \
    } \
    const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *r) \
    { \
        return r && is_among(r, first, last) ? (const wasm_##name##_t *)(const void *)r : NULL; \
    }

static bool is_among(const wasm_ref_t *r, RefKind first, RefKind last)
{
    return r->kind >= first && r->kind <= last;
}

REF_BASE(ref)
REF(func, REF_FUNC, REF_FUNC)
REF(global, REF_GLOBAL, REF_GLOBAL)
REF(table, REF_TABLE, REF_TABLE)
REF(memory, REF_MEMORY, REF_MEMORY)
REF(extern, REF_FUNC, REF_TAG)
REF(instance, REF_INSTANCE, REF_INSTANCE)
REF(module, REF_MODULE, REF_MODULE)
REF(trap, REF_TRAP, REF_TRAP)
REF(foreign, REF_FOREIGN, REF_FOREIGN)

#define EXTERN(name, of_kind)                                                                   \
    wasm_extern_t *wasm_##name##_as_extern(wasm_##name##_t *r)                                  \
    {                                                                                           \
        return (wasm_extern_t *)(void *)r;                                                      \
    }                                                                                           \
    const wasm_extern_t *wasm_##name##_as_extern_const(const wasm_##name##_t *r)                \
    {                                                                                           \
        return (const wasm_extern_t *)(const void *)r;                                          \
    }                                                                                           \
    wasm_##name##_t *wasm_extern_as_##name(wasm_extern_t *e)                                    \
    {                                                                                           \
        return e && e->ref.kind == (of_kind) ? (wasm_##name##_t *)(void *)e : NULL;             \
    }                                                                                           \
    const wasm_##name##_t *wasm_extern_as_##name##_const(const wasm_extern_t *e)                \
    {                                                                                           \
        return e && e->ref.kind == (of_kind) ? (const wasm_##name##_t *)(const void *)e : NULL; \
    }
EXTERN(func, REF_FUNC)
EXTERN(global, REF_GLOBAL)
EXTERN(table, REF_TABLE)
EXTERN(memory, REF_MEMORY)

wasm_foreign_t *wasm_foreign_new(wasm_store_t *s)
{
    return s ? ref_new(s, REF_FOREIGN, sizeof(wasm_foreign_t)) : NULL;
}
