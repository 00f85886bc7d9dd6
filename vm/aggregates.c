/* Fields and elements of managed objects, array operations over ranges (standard, 4.6.11), and
 * whether a reference belongs to a heap type (4.2.2).
 *
 * Values lie in objects in the byte order of the machine, which the copies from data segments
 * take to be little-endian.  No two threads reach one object, since a store runs on one at a
 * time. */
#include <string.h>

#include "vm/engine.h"
#include "vm/heap.h"
#include "vm/limits.h"
#include "vm/tunables.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data segments are copied as they are");

/* ---- Fields and elements ---- */

void object_get(const uint8_t *at, ValType storage, bool sign_extend, Slot *out)
{
    switch (storage) {
    case TYPE_I8: {
        int32_t extended = (int8_t)*at;
        out->i64 = sign_extend ? (uint32_t)extended : *at;
        return;
    }
    case TYPE_I16: {
        uint16_t v;
        memcpy(&v, at, sizeof v);
        int32_t extended = (int16_t)v;
        out->i64 = sign_extend ? (uint32_t)extended : v;
        return;
    }
    case TYPE_I32:
    case TYPE_F32: {
        uint32_t v;
        memcpy(&v, at, sizeof v);
        out->i64 = v;
        return;
    }
    default: memcpy(out, at, storage_size(storage)); return;
    }
}

void object_set(uint8_t *at, ValType storage, const Slot *value)
{
    memcpy(at, value, storage_size(storage)); /* the low bytes: see above */
}

/* ---- Ranges ---- */

static ValType element_type(const Type *array_type) { return array_type->fields[0].type; }

static bool range_fits(uint64_t at, uint64_t n, uint64_t length) { return at + n <= length; }

static fnvm_trap array_check(uint64_t array, uint32_t at, uint32_t n)
{
    if (!array) return FNVM_TRAP_NULL_ARRAY;
    if (!range_fits(at, n, ((const Array *)(void *)ref_object(array))->length))
        return FNVM_TRAP_ARRAY_OUT_OF_BOUNDS;
    return FNVM_TRAP_NONE;
}

static Array *array_of(uint64_t ref) { return (Array *)(void *)ref_object(ref); }

fnvm_trap array_fill(const Store *store, const Type *type, uint64_t array, uint32_t at,
                     const Slot *value, uint32_t n)
{
    fnvm_trap trap = array_check(array, at, n);
    if (trap || n == 0) return trap;
    ValType elem = element_type(type);
    size_t size = storage_size(elem), total = size * n;
    uint8_t *to = array_at(array_of(array), elem, at);
    object_set(to, elem, value);
    /* What is filled doubles with each copy, up to a piece. */
    for (size_t done = size, piece = size; done < total; done += piece) {
        if (piece < TUNE_PIECE_BYTES) piece = done;
        else if (store_interrupted(store)) return FNVM_TRAP_INTERRUPTED;
        if (piece > total - done) piece = total - done;
        memcpy(to + done, to, piece);
    }
    return FNVM_TRAP_NONE;
}

fnvm_trap array_copy(const Store *store, const Type *dst_type, uint64_t dst, uint32_t d,
                     uint64_t src, uint32_t s, uint32_t n)
{
    if (!src && dst) return FNVM_TRAP_NULL_ARRAY;
    fnvm_trap trap = array_check(dst, d, n);
    if (!trap) trap = array_check(src, s, n);
    if (trap) return trap;
    ValType elem = element_type(dst_type); /* the source's has the same storage */
    return bytes_copy(store, array_at(array_of(dst), elem, d), array_at(array_of(src), elem, s),
                      (uint64_t)storage_size(elem) * n);
}

/* ---- Segments ---- */

static fnvm_error *trap_error(const Instance *inst, fnvm_trap trap)
{
    return trap ? store_trap_error(inst->store, trap) : NULL;
}

static const Type *instance_type(const Instance *inst, TypeId id)
{
    return types_get(&inst->module->engine->types, id);
}

/* Elements of a segment; none once it is dropped. */
static uint64_t elem_length(const Instance *inst, uint32_t elem)
{
    return inst->dropped_elems[elem] ? 0 : inst->module->elems[elem].count;
}

/* The bytes of `n` elements of `size` in a data segment from `at`, or a trap. */
static fnvm_trap data_slice(const Instance *inst, uint32_t data, uint32_t at, uint32_t n,
                            uint32_t size, const uint8_t **out)
{
    Range r = inst->module->datas[data].bytes;
    uint64_t length = inst->dropped_datas[data] ? 0 : r.end - r.start;
    if (!range_fits(at, (uint64_t)n * size, length)) return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    *out = inst->module->bytes + r.start + at;
    return FNVM_TRAP_NONE;
}

fnvm_error *array_new_data(Instance *inst, TypeId type, uint32_t data, uint32_t at, uint32_t n,
                           uint64_t *out)
{
    const Type *t = instance_type(inst, type);
    uint32_t size = storage_size(element_type(t));
    const uint8_t *from;
    uint64_t array = 0;
    fnvm_trap trap = data_slice(inst, data, at, n, size, &from);
    if (!trap) trap = heap_new_array(inst->store, t, n, &array);
    if (!trap)
        trap = bytes_copy(inst->store, (uint8_t *)(array_of(array) + 1), from, (uint64_t)size * n);
    if (trap) return trap_error(inst, trap);
    *out = array;
    return NULL;
}

fnvm_error *array_init_data(Instance *inst, TypeId type, uint32_t data, uint64_t array, uint32_t at,
                            uint32_t s, uint32_t n)
{
    ValType elem = element_type(instance_type(inst, type));
    const uint8_t *from;
    fnvm_trap trap = array_check(array, at, n);
    if (!trap) trap = data_slice(inst, data, s, n, storage_size(elem), &from);
    if (!trap)
        trap = bytes_copy(inst->store, array_at(array_of(array), elem, at), from,
                          (uint64_t)storage_size(elem) * n);
    return trap_error(inst, trap);
}

fnvm_error *array_new_elem(Instance *inst, TypeId type, uint32_t elem, uint32_t at, uint32_t n,
                           uint64_t *out)
{
    if (!range_fits(at, n, elem_length(inst, elem)))
        return trap_error(inst, FNVM_TRAP_TABLE_OUT_OF_BOUNDS);
    uint64_t array;
    fnvm_trap trap = heap_new_array(inst->store, instance_type(inst, type), n, &array);
    if (trap) return trap_error(inst, trap);
    uint64_t *items = (uint64_t *)(void *)(array_of(array) + 1);
    fnvm_error *error = elem_items(inst, elem, at, n, items);
    if (!error) *out = array;
    return error;
}

fnvm_error *array_init_elem(Instance *inst, TypeId type, uint32_t elem, uint64_t array, uint32_t at,
                            uint32_t s, uint32_t n)
{
    fnvm_trap trap = array_check(array, at, n);
    if (!trap && !range_fits(s, n, elem_length(inst, elem))) trap = FNVM_TRAP_TABLE_OUT_OF_BOUNDS;
    if (trap || n == 0) return trap_error(inst, trap);
    /* Into a fresh array first, so that a failing item leaves nothing half done. */
    uint64_t items;
    fnvm_error *error = array_new_elem(inst, type, elem, s, n, &items);
    if (error) return error;
    return trap_error(inst, array_copy(inst->store, instance_type(inst, type), array, at, items, 0,
                                       n));
}

/* ---- Membership ---- */

static bool any_matches(Store *store, uint64_t ref, HeapType target)
{
    if (target == HEAP_ANY) return true;
    if (ref_is_i31(ref)) return target == HEAP_I31 || target == HEAP_EQ;
    const Object *o = ref_object(ref);
    if (o->type == OBJECT_HOST || o->type == OBJECT_EXCEPTION) return false;
    const TypeRegistry *types = &store->engine->types;
    if (heap_is_defined(target)) return types_id_is_sub(types, o->type, target);
    if (target == HEAP_EQ) return true;
    uint8_t comp = types_get(types, o->type)->comp;
    return (target == HEAP_STRUCT && comp == COMP_STRUCT) ||
           (target == HEAP_ARRAY && comp == COMP_ARRAY);
}

bool ref_matches(Store *store, HeapType top, uint64_t ref, HeapType target, bool nullable)
{
    if (!ref) return nullable;
    switch (top) {
    case HEAP_ANY: return any_matches(store, ref, target);
    case HEAP_FUNC:
        if (!heap_is_defined(target)) return target == HEAP_FUNC;
        return types_id_is_sub(&store->engine->types, store_func_type(store, ref)->id, target);
    default: return target == top; /* the other hierarchies have only a top and a bottom */
    }
}
