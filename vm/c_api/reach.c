/* Which instances can go before their store does, so that a host can make and drop any number.
 *
 * An instance that the host no longer refers to, neither itself nor through a part of it, can be
 * reached only by references to its functions that somebody else holds.  It is known to have given
 * none away if
 *   - nobody imports from it (counted in `uses`), and the host put no function of its in another
 *     instance's reach, nor made an externref of a part (both pin it), and
 *   - it imports nothing through which it could have given them away itself: tables, tags, mutable
 *     globals of references, other instances' functions that take or return references.  Host
 *     functions are no such way, for what they are given is a reference of the host's.
 * All others stay until the store is deleted.  What the guest can do with objects of the managed
 * heap is not followed: once the host has seen one, every instance stays. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

wasm_instance_t *instance_record(wasm_store_t *s, Instance *inst)
{
    wasm_ref_t *found = ref_find(s, REF_INSTANCE, (uintptr_t)inst, 0);
    if (found) return (wasm_instance_t *)(void *)found;
    wasm_instance_t *record = ref_new(s, REF_INSTANCE, sizeof *record);
    if (!record) return NULL;
    record->ref.refs = 0;
    record->instance = inst;
    ref_add_key(&record->ref, (uintptr_t)inst, 0);
    return record;
}

void instance_use(wasm_instance_t *i) { i->uses++; }

void instance_look(wasm_instance_t *i)
{
    wasm_store_t *s = i->ref.store;
    if (i->uses || i->queued || !s) return;
    i->queued = true;
    i->next_unused = s->unused;
    s->unused = i;
}

void instance_unuse(wasm_instance_t *i)
{
    i->uses--;
    instance_look(i);
}

/* ---- Imports ---- */

static bool has_references(const ValType *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (type_is_ref(types[i])) return true;
    return false;
}

/* Whether whoever imports it could leave references with its owner. */
static bool takes_references(const wasm_ref_t *r)
{
    const Module *m = r->owner->instance->module;
    switch ((RefKind)r->kind) {
    case REF_FUNC: {
        const Type *t = module_func_type(m, funcref_func(r->key[0]));
        return has_references(t->params, t->nparams) || has_references(t->results, t->nresults);
    }
    case REF_GLOBAL: {
        const GlobalType *t = &m->globals[r->key[1]].type;
        return t->is_mutable && type_is_ref(t->type);
    }
    case REF_MEMORY: return false;
    default: return true;
    }
}

void instance_note_imports(wasm_instance_t *i, wasm_extern_t *const imports[], size_t n)
{
    if (!n) return;
    i->imports = calloc(n, sizeof *i->imports);
    if (!i->imports) i->ref.pinned = true;
    for (size_t k = 0; k < n; k++) {
        const wasm_ref_t *r = &imports[k]->ref;
        if (!r->owner) continue; /* a host function */
        if (takes_references(r)) i->ref.pinned = true;
        instance_use(r->owner);
        if (i->imports) i->imports[i->nimports++] = r->owner;
    }
}

/* ---- Ending ---- */

static void instance_end(wasm_instance_t *i)
{
    Instance *inst = i->instance;
    wasm_ref_t *parts = NULL;
    i->instance = NULL;
    for (wasm_ref_t *r; (r = i->parts); parts = r) { /* those that stayed for their information */
        ref_detach(r);
        r->next_part = parts;
    }
    ref_detach(&i->ref);
    store_remove_instance(inst->store, inst);
    for (size_t k = 0; k < i->nimports; k++) instance_unuse(i->imports[k]);
    for (wasm_ref_t *r = parts, *next; r; r = next) {
        next = r->next_part;
        ref_end(r);
    }
    ref_end(&i->ref);
}

void store_sweep(wasm_store_t *s)
{
    for (wasm_instance_t *i; (i = s->unused);) {
        s->unused = i->next_unused;
        i->queued = false;
        if (!i->uses && !i->ref.pinned && !s->keep_all) instance_end(i);
    }
}
