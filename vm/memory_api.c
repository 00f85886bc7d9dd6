/* The public functions over memories and tables: sizes, growing, and what is in them.  The instance that
 * an extern names is the owner, so that its state is the one that counts. */
#include <inttypes.h>
#include <string.h>

#include "vm/heap.h"

/* ---- Memories ---- */

static const MemoryRef *extern_memory(Store *s, fnvm_extern e)
{
    const Instance *inst = store_extern_instance(s, e, FNVM_EXTERN_MEMORY);
    return inst && e.of[1] < inst->module->nmemories ? &inst->memories[e.of[1]] : NULL;
}

uint8_t *fnvm_memory_base(fnvm_store *s, fnvm_extern e)
{
    const MemoryRef *memory = extern_memory(s, e);
    s->memory_exposed = true;
    return memory ? memory->base : NULL;
}

static bool lies_within(const MemoryRef *memory, uint64_t at, size_t size)
{
    return memory && at <= memory->state->size && size <= memory->state->size - at;
}

bool fnvm_memory_read(fnvm_store *s, fnvm_extern e, uint64_t at, void *out, size_t size)
{
    const MemoryRef *memory = extern_memory(s, e);
    if (!lies_within(memory, at, size)) return false;
    if (size) memcpy(out, memory->base + at, size);
    return true;
}

bool fnvm_memory_write(fnvm_store *s, fnvm_extern e, uint64_t at, const void *bytes, size_t size)
{
    const MemoryRef *memory = extern_memory(s, e);
    if (!lies_within(memory, at, size)) return false;
    store_touch(s);
    if (size) memcpy(memory->base + at, bytes, size);
    return true;
}

uint64_t fnvm_memory_size(fnvm_store *s, fnvm_extern e)
{
    const MemoryRef *memory = extern_memory(s, e);
    return memory ? memory->state->size : 0;
}

uint32_t fnvm_memory_page_size(fnvm_store *s, fnvm_extern e)
{
    const MemoryRef *memory = extern_memory(s, e);
    return memory ? UINT32_C(1) << memory->state->page_log2 : 0;
}

bool fnvm_memory_grow(fnvm_store *s, fnvm_extern e, uint64_t pages, uint64_t *old_pages)
{
    const MemoryRef *memory = extern_memory(s, e);
    uint64_t old = 0;
    if (!memory) return false;
    store_touch(s);
    MemoryRef own = *memory;
    const bool grown = memory_grow(&own, pages, &old);
    if (grown && old_pages) *old_pages = old;
    return grown;
}

/* ---- Tables ---- */

static const TableRef *extern_table(Store *s, fnvm_extern e, ValType *elem)
{
    const Instance *inst = store_extern_instance(s, e, FNVM_EXTERN_TABLE);
    if (!inst || e.of[1] >= inst->module->ntables) return NULL;
    *elem = inst->module->tables[e.of[1]].type.elem;
    return &inst->tables[e.of[1]];
}

static fnvm_error *no_table(void)
{
    return fnvm_error_new(FNVM_E_USAGE, "not a table of this store");
}

static fnvm_error *no_element(uint64_t at, uint64_t size)
{
    return fnvm_error_new(FNVM_E_USAGE, "the table has %" PRIu64 " elements, and none at %" PRIu64,
                          size, at);
}

uint64_t fnvm_table_size(fnvm_store *s, fnvm_extern e)
{
    ValType elem;
    const TableRef *t = extern_table(s, e, &elem);
    return t ? t->state->size : 0;
}

fnvm_error *fnvm_table_get(fnvm_store *s, fnvm_extern e, uint64_t at, fnvm_ref *out)
{
    ValType elem;
    const TableRef *t = extern_table(s, e, &elem);
    *out = 0;
    if (!t) return no_table();
    if (at >= t->state->size) return no_element(at, t->state->size);
    heap_enter(s); /* until it has a handle */
    fnvm_val v = {.kind = FNVM_REF};
    fnvm_error *error = store_value_from_slots(s, &(Slot){.i64 = t->elems[at]}, elem, &v);
    heap_leave(s);
    *out = v.of.ref;
    return error;
}

/* A handle as the bits of an element; its type is checked. */
static fnvm_error *element_of(Store *s, ValType elem, fnvm_ref ref, Slot *out)
{
    const fnvm_val v = {.kind = FNVM_REF, .of = {.ref = ref}};
    return store_value_to_slots(s, &v, elem, out);
}

fnvm_error *fnvm_table_set(fnvm_store *s, fnvm_extern e, uint64_t at, fnvm_ref ref)
{
    ValType elem;
    Slot slot;
    const TableRef *t = extern_table(s, e, &elem);
    if (!t) return no_table();
    if (at >= t->state->size) return no_element(at, t->state->size);
    fnvm_error *error = element_of(s, elem, ref, &slot);
    if (error) return error;
    store_touch(s);
    t->elems[at] = slot.i64;
    return NULL;
}

fnvm_error *fnvm_table_grow(fnvm_store *s, fnvm_extern e, uint64_t by, fnvm_ref ref,
                            uint64_t *old_size)
{
    ValType elem;
    Slot slot;
    uint64_t old = 0;
    const TableRef *t = extern_table(s, e, &elem);
    if (!t) return no_table();
    fnvm_error *error = element_of(s, elem, ref, &slot);
    if (error) return error;
    store_touch(s);
    TableRef own = *t;
    if (!table_grow(&own, by, slot.i64, &old))
        return fnvm_error_new(FNVM_E_LIMIT, "the table has %" PRIu64 " elements and cannot have %" PRIu64
                              " more: its maximum or the configuration's (max_table_elements) is %" PRIu64,
                              t->state->size, by, t->state->max_size);
    if (old_size) *old_size = old;
    return NULL;
}
