/* Globals, tables and memories, and what is common to all that is exported.  Each lies in the
 * region of its owner, which is an instance, if need be one of a module made for it alone
 * (vm/host_made.c). */
#include "vm/c_api/c_api.h"
#include "vm/heap.h"

/* The record of what was made for the host; NULL for an error. */
static wasm_ref_t *made(wasm_store_t *s, fnvm_error *error, fnvm_extern e)
{
    fnvm_error_free(error);
    return error ? NULL : extern_ref(s, e);
}

wasm_externkind_t wasm_extern_kind(const wasm_extern_t *e) { return e ? e->ref.kind : 0; }

static wasm_externtype_t *type_of(const wasm_ref_t *r, RefKind kind)
{
    const Instance *inst = ref_instance(r, kind);
    return inst ? externtype_of(inst->module, fnvm_externkind_of(r->kind), (uint32_t)r->key[1])
                : NULL;
}

wasm_externtype_t *wasm_extern_type(const wasm_extern_t *e)
{
    if (!e) return NULL;
    if (e->ref.kind == REF_FUNC)
        return wasm_functype_as_externtype(wasm_func_type(wasm_extern_as_func_const(e)));
    return type_of(&e->ref, (RefKind)e->ref.kind);
}

/* ---- Globals ---- */

typedef struct GlobalView {
    Slot *value;
    ValType type;
    bool is_mutable;
    Instance *owner;
} GlobalView;

/* Keys name the owner, so that the global is one of its own. */
static bool global_view(const wasm_global_t *g, GlobalView *out)
{
    Instance *inst = g ? ref_instance(&g->ref, REF_GLOBAL) : NULL;
    if (!inst) return false;
    const Module *m = inst->module;
    const uint64_t index = g->ref.key[1];
    *out = (GlobalView){inst->globals + 2 * (index - m->n_imported_globals),
                        m->globals[index].type.type, m->globals[index].type.is_mutable, inst};
    return true;
}

static bool global_store(wasm_store_t *s, const GlobalView *g, const wasm_val_t *v)
{
    Slot slot = {.i64 = 0};
    heap_enter(s->store);
    const bool fits = !value_to_slot(s, v, g->type, g->owner, &slot);
    if (fits) *g->value = slot;
    heap_leave(s->store);
    return fits;
}

wasm_global_t *wasm_global_new(wasm_store_t *s, const wasm_globaltype_t *type,
                               const wasm_val_t *value)
{
    ValType content;
    fnvm_extern e;
    GlobalView view;
    if (!s || !type || !value || !valkind_type(type->content->kind, &content)) return NULL;
    const fnvm_val zero = {.kind = fnvm_valtype_kind(content)};
    fnvm_error *error = fnvm_global_new(s->store, content, type->mutability == WASM_VAR, &zero, &e);
    wasm_global_t *g = (wasm_global_t *)(void *)made(s, error, e);
    if (!g || (global_view(g, &view) && global_store(s, &view, value))) return g;
    wasm_global_delete(g);
    return NULL;
}

wasm_globaltype_t *wasm_global_type(const wasm_global_t *g)
{
    return g ? wasm_externtype_as_globaltype(type_of(&g->ref, REF_GLOBAL)) : NULL;
}

void wasm_global_get(const wasm_global_t *g, wasm_val_t *out)
{
    GlobalView view;
    if (!out) return;
    *out = (wasm_val_t){.kind = WASM_I32};
    if (global_view(g, &view)) value_from_slot(g->ref.store, view.value, view.type, out);
}

void wasm_global_set(wasm_global_t *g, const wasm_val_t *value)
{
    GlobalView view;
    if (!value || !global_view(g, &view) || !view.is_mutable) return;
    store_touch(g->ref.store->store);
    global_store(g->ref.store, &view, value);
}

/* ---- Tables ---- */

static TableRef *table_of(const wasm_table_t *t)
{
    Instance *inst = t ? ref_instance(&t->ref, REF_TABLE) : NULL;
    return inst ? &inst->tables[t->ref.key[1]] : NULL;
}

static ValType element_type(const TableRef *t)
{
    return t->owner->module->tables[t->index].type.elem;
}

static uint64_t no_maximum(uint32_t max)
{
    return max == wasm_limits_max_default ? UINT64_MAX : max;
}

static bool fill(wasm_table_t *table, wasm_ref_t *init)
{
    wasm_store_t *s = table->ref.store;
    TableRef *t = table_of(table);
    uint64_t bits;
    heap_enter(s->store);
    const bool fits = !ref_to_bits(s, init, element_type(t), t->owner, &bits);
    if (fits && bits) refs_fill(s->store, t->elems, bits, t->state->size);
    heap_leave(s->store);
    return fits;
}

wasm_table_t *wasm_table_new(wasm_store_t *s, const wasm_tabletype_t *type, wasm_ref_t *init)
{
    ValType element;
    fnvm_extern e;
    if (!s || !type || !wasm_valtype_is_ref(type->element) ||
        !valkind_type(type->element->kind, &element))
        return NULL;
    fnvm_error *error = fnvm_table_new(s->store, element, type->limits.min,
                                       no_maximum(type->limits.max), false, &e);
    wasm_table_t *t = (wasm_table_t *)(void *)made(s, error, e);
    if (!t || fill(t, init)) return t;
    wasm_table_delete(t);
    return NULL;
}

wasm_tabletype_t *wasm_table_type(const wasm_table_t *t)
{
    return t ? wasm_externtype_as_tabletype(type_of(&t->ref, REF_TABLE)) : NULL;
}

wasm_ref_t *wasm_table_get(const wasm_table_t *table, wasm_table_size_t index)
{
    const TableRef *t = table_of(table);
    wasm_ref_t *r;
    if (!t || index >= t->state->size) return NULL;
    ref_from_bits(table->ref.store, t->elems[index], element_type(t), &r);
    return r;
}

bool wasm_table_set(wasm_table_t *table, wasm_table_size_t index, wasm_ref_t *r)
{
    TableRef *t = table_of(table);
    if (!t || index >= t->state->size) return false;
    wasm_store_t *s = table->ref.store;
    uint64_t bits;
    heap_enter(s->store);
    const bool fits = !ref_to_bits(s, r, element_type(t), t->owner, &bits);
    if (fits) t->elems[index] = bits;
    heap_leave(s->store);
    store_touch(s->store);
    return fits;
}

wasm_table_size_t wasm_table_size(const wasm_table_t *table)
{
    const TableRef *t = table_of(table);
    if (!t) return 0;
    return t->state->size < UINT32_MAX ? (wasm_table_size_t)t->state->size : UINT32_MAX;
}

bool wasm_table_grow(wasm_table_t *table, wasm_table_size_t delta, wasm_ref_t *init)
{
    TableRef *t = table_of(table);
    if (!t) return false;
    wasm_store_t *s = table->ref.store;
    uint64_t bits, old;
    heap_enter(s->store);
    const bool grown = !ref_to_bits(s, init, element_type(t), t->owner, &bits) &&
                       table_grow(t, delta, bits, &old);
    heap_leave(s->store);
    store_touch(s->store);
    return grown;
}

/* ---- Memories ---- */

static MemoryRef *memory_of(const wasm_memory_t *m)
{
    Instance *inst = m ? ref_instance(&m->ref, REF_MEMORY) : NULL;
    return inst ? &inst->memories[m->ref.key[1]] : NULL;
}

wasm_memory_t *wasm_memory_new(wasm_store_t *s, const wasm_memorytype_t *type)
{
    fnvm_extern e;
    if (!s || !type) return NULL;
    fnvm_error *error =
        fnvm_memory_new(s->store, type->limits.min, no_maximum(type->limits.max), false, &e);
    return (wasm_memory_t *)(void *)made(s, error, e);
}

wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *m)
{
    return m ? wasm_externtype_as_memorytype(type_of(&m->ref, REF_MEMORY)) : NULL;
}

byte_t *wasm_memory_data(wasm_memory_t *m)
{
    const MemoryRef *memory = memory_of(m);
    if (memory) m->ref.store->store->memory_exposed = true;
    return memory ? (byte_t *)memory->base : NULL;
}

size_t wasm_memory_data_size(const wasm_memory_t *m)
{
    const MemoryRef *memory = memory_of(m);
    return memory ? (size_t)memory->state->size : 0;
}

wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *m)
{
    const MemoryRef *memory = memory_of(m);
    const uint64_t pages = memory ? memory->state->size >> memory->state->page_log2 : 0;
    return pages < UINT32_MAX ? (wasm_memory_pages_t)pages : UINT32_MAX;
}

bool wasm_memory_grow(wasm_memory_t *m, wasm_memory_pages_t delta)
{
    MemoryRef *memory = memory_of(m);
    uint64_t old;
    if (!memory) return false;
    store_touch(m->ref.store->store);
    return memory_grow(memory, delta, &old);
}
