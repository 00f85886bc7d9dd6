/* Pointers of native functions that guests hold, as numbers.  A number is an entry's index and
 * how often the entry was used before, so that an old one is not taken for a new one.  Entries
 * are few; pointers are looked for from the newest on. */
#include <stdlib.h>
#include <string.h>

#include "stdlib/native.h"
#include "vm/tunables.h"

typedef struct Kind {
    char name[NATIVE_NAME_MAX + 1];
    const NativeFunc *closer;
} Kind;

typedef struct Entry {
    void *pointer; /* NULL: free */
    uint32_t kind;
    uint32_t uses;
    uint32_t held; /* by calls that have not returned */
    uint64_t made; /* the number of handles made before it */
} Entry;

struct NativeHandles {
    Kind *kinds;
    uint32_t nkinds;
    Entry *entries;
    uint32_t n, cap; /* n: one behind the last that is used */
    uint32_t open;
    uint32_t promised; /* to calls that have not returned */
    uint64_t made;
};

fnvm_error *native_handles_new(NativeHandles **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? NULL : error_no_memory();
}

fnvm_error *native_handle_kind(NativeHandles *h, NativeName name, uint32_t *out)
{
    for (*out = 0; *out < h->nkinds; ++*out)
        if (strlen(h->kinds[*out].name) == name.len &&
            memcmp(h->kinds[*out].name, name.at, name.len) == 0)
            return NULL;
    Kind *more = realloc(h->kinds, (h->nkinds + 1) * sizeof *more);
    if (!more) return error_no_memory();
    h->kinds = more;
    Kind *kind = &more[h->nkinds++];
    *kind = (Kind){.closer = NULL};
    memcpy(kind->name, name.at, name.len);
    return NULL;
}

void native_handle_closer(NativeHandles *h, uint32_t kind, const NativeFunc *closer)
{
    h->kinds[kind].closer = closer;
}

fnvm_error *native_handles_reserve(NativeHandles *h, uint32_t n)
{
    const uint64_t wanted = (uint64_t)h->open + h->promised + n;
    if (wanted > TUNE_NATIVE_HANDLES)
        return fnvm_error_new(FNVM_E_LIMIT,
                              "the guest has %u handles of native functions open, and may not have "
                              "more than %d",
                              h->open, TUNE_NATIVE_HANDLES);
    uint32_t cap = h->cap ? h->cap : NATIVE_PARAMS_MAX * 2;
    while (cap < wanted) cap *= 2;
    if (cap > h->cap) {
        Entry *more = realloc(h->entries, cap * sizeof *more);
        if (!more) return error_no_memory();
        memset(more + h->cap, 0, (cap - h->cap) * sizeof *more);
        h->entries = more;
        h->cap = cap;
    }
    h->promised += n;
    return NULL;
}

void native_handles_release(NativeHandles *h, uint32_t n) { h->promised -= n; }

static uint64_t number_of(const NativeHandles *h, const Entry *e)
{
    return (uint64_t)e->uses << 32 | (uint64_t)(e - h->entries + 1);
}

uint64_t native_handle_add(NativeHandles *h, uint32_t kind, void *pointer)
{
    if (!pointer) return 0;
    Entry *e = NULL;
    for (uint32_t i = h->n; i-- > 0;) {
        Entry *at = &h->entries[i];
        if (at->pointer == pointer && at->kind == kind) return number_of(h, at);
        if (!at->pointer) e = at;
    }
    if (!e) e = &h->entries[h->n++]; /* there is one: native_handles_reserve */
    *e = (Entry){pointer, kind, e->uses, 0, h->made++};
    h->open++;
    return number_of(h, e);
}

static Entry *find(const NativeHandles *h, uint64_t handle)
{
    const uint32_t i = (uint32_t)handle - 1;
    Entry *e = i < h->n ? &h->entries[i] : NULL;
    return e && e->pointer && number_of(h, e) == handle ? e : NULL;
}

bool native_handle_get(const NativeHandles *h, uint32_t kind, uint64_t handle, void **out)
{
    *out = NULL;
    if (!handle) return true;
    const Entry *e = find(h, handle);
    if (!e || e->kind != kind) return false;
    *out = e->pointer;
    return true;
}

static void drop(NativeHandles *h, Entry *e)
{
    e->pointer = NULL;
    e->uses++;
    h->open--;
    while (h->n > 0 && !h->entries[h->n - 1].pointer) h->n--;
}

void native_handle_drop(NativeHandles *h, uint64_t handle)
{
    Entry *e = find(h, handle);
    if (e) drop(h, e);
}

bool native_handle_held(const NativeHandles *h, uint64_t handle)
{
    const Entry *e = find(h, handle);
    return e && e->held;
}

void native_handle_hold(NativeHandles *h, uint64_t handle, bool held)
{
    Entry *e = find(h, handle);
    if (e) e->held = held ? e->held + 1 : e->held - 1;
}

size_t native_handles_open(const NativeHandles *h) { return h ? h->open : 0; }

void native_handles_close_all(NativeHandles *h)
{
    while (h->open) {
        Entry *newest = NULL;
        for (uint32_t i = 0; i < h->n; i++) {
            Entry *e = &h->entries[i];
            if (e->pointer && (!newest || e->made > newest->made)) newest = e;
        }
        const NativeFunc *closer = h->kinds[newest->kind].closer;
        const NativeWord arg = {.pointer = newest->pointer};
        drop(h, newest);
        if (closer) native_invoke(closer, &arg);
    }
}

void native_handles_free(NativeHandles *h)
{
    if (!h) return;
    native_handles_close_all(h);
    free(h->entries);
    free(h->kinds);
    free(h);
}
