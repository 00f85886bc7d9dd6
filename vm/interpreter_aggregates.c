/* Structs, arrays, casts and i31 (prefix 0xFB, standard 4.6.8 and 4.6.11).  One function per shape of
 * instruction; object layout and allocation are the heap's (vm/heap.h). */
#include "loader/instruction.h"
#include "vm/heap.h"
#include "vm/interpreter.h"

static uint32_t immediate(Step *s)
{
    Leb l = leb_unsigned(s->pc);
    s->pc = l.pc;
    return (uint32_t)l.value;
}

static const Type *type_immediate(Step *s)
{
    const Module *m = s->inst->module;
    return types_get(&m->engine->types, m->types[immediate(s)]);
}

static fnvm_trap struct_new(Step *s, bool with_fields)
{
    const Type *t = type_immediate(s);
    uint32_t slots = 0;
    for (uint32_t i = 0; with_fields && i < t->nfields; i++) slots += type_slots(t->fields[i].type);
    uint64_t ref;
    fnvm_trap trap = heap_new_struct(s->inst->store, t, &ref);
    if (trap) return trap;
    Slot *value = s->sp -= slots;
    for (uint32_t i = 0; with_fields && i < t->nfields; i++) {
        object_set((uint8_t *)ref_object(ref) + t->fields[i].offset, t->fields[i].type, value);
        value += type_slots(t->fields[i].type);
    }
    (s->sp++)->i64 = ref;
    return FNVM_TRAP_NONE;
}

static fnvm_trap struct_get(Step *s, bool sign_extend)
{
    const Type *t = type_immediate(s);
    const Field *f = &t->fields[immediate(s)];
    uint64_t ref = s->sp[-1].i64;
    if (!ref) return FNVM_TRAP_NULL_STRUCT;
    object_get((uint8_t *)ref_object(ref) + f->offset, f->type, sign_extend, s->sp - 1);
    s->sp += type_slots(f->type) - 1;
    return FNVM_TRAP_NONE;
}

static fnvm_trap struct_set(Step *s)
{
    const Type *t = type_immediate(s);
    const Field *f = &t->fields[immediate(s)];
    Slot *value = s->sp - type_slots(f->type);
    uint64_t ref = value[-1].i64;
    if (!ref) return FNVM_TRAP_NULL_STRUCT;
    object_set((uint8_t *)ref_object(ref) + f->offset, f->type, value);
    s->sp = value - 1;
    return FNVM_TRAP_NONE;
}

/* Elements `first`, `first + step`, ... : array.new repeats one value (step 0), array.new_fixed has
 * n. */
static fnvm_trap array_new(Step *s, const Type *t, const Slot *first, uint32_t step, uint32_t n,
                           Slot *result)
{
    ValType elem = t->fields[0].type;
    uint64_t ref;
    if (!fuel_for(s->inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
    fnvm_trap trap = heap_new_array(s->inst->store, t, n, &ref);
    if (!trap && first && !step) trap = array_fill(s->inst->store, t, ref, 0, first, n);
    if (trap) return trap;
    Array *a = (Array *)ref_object(ref);
    for (uint32_t i = 0; step && i < n; i++)
        object_set(array_at(a, elem, i), elem, first + (size_t)step * i);
    result->i64 = ref;
    s->sp = result + 1;
    return FNVM_TRAP_NONE;
}

static fnvm_trap step_array_new(Step *s, Op op)
{
    const Type *t = type_immediate(s);
    uint32_t width = type_slots(t->fields[0].type);
    switch (op) {
    case op_array_new: {
        Slot *value = s->sp - 1 - width;
        return array_new(s, t, value, 0, s->sp[-1].i32, value);
    }
    case op_array_new_default:
        return array_new(s, t, NULL, 0, s->sp[-1].i32, s->sp - 1);
    case op_array_new_fixed: {
        uint32_t n = immediate(s);
        Slot *first = s->sp - (size_t)width * n;
        return array_new(s, t, first, width, n, first);
    }
    default: {
        uint32_t segment = immediate(s);
        Slot *a = s->sp - 2;
        const uint32_t at = op == op_array_new_elem ? a[0].i32 : 0;
        if (!fuel_for_items(s->inst->store, at, a[1].i32)) return FNVM_TRAP_OUT_OF_FUEL;
        s->error = op == op_array_new_data
            ? array_new_data(s->inst, t->id, segment, a[0].i32, a[1].i32, &a[0].i64)
            : array_new_elem(s->inst, t->id, segment, a[0].i32, a[1].i32, &a[0].i64);
        s->sp = a + 1;
        return FNVM_TRAP_NONE;
    }
    }
}

static fnvm_trap array_get(Step *s, bool sign_extend)
{
    ValType elem = type_immediate(s)->fields[0].type;
    Slot *a = s->sp - 2;
    if (!a[0].i64) return FNVM_TRAP_NULL_ARRAY;
    Array *array = (Array *)ref_object(a[0].i64);
    if (a[1].i32 >= array->length) return FNVM_TRAP_ARRAY_OUT_OF_BOUNDS;
    object_get(array_at(array, elem, a[1].i32), elem, sign_extend, a);
    s->sp = a + type_slots(elem);
    return FNVM_TRAP_NONE;
}

static fnvm_trap array_set(Step *s)
{
    ValType elem = type_immediate(s)->fields[0].type;
    Slot *value = s->sp - type_slots(elem);
    Slot *a = value - 2;
    if (!a[0].i64) return FNVM_TRAP_NULL_ARRAY;
    Array *array = (Array *)ref_object(a[0].i64);
    if (a[1].i32 >= array->length) return FNVM_TRAP_ARRAY_OUT_OF_BOUNDS;
    object_set(array_at(array, elem, a[1].i32), elem, value);
    s->sp = a;
    return FNVM_TRAP_NONE;
}

static fnvm_trap step_array_range(Step *s, Op op)
{
    const Type *t = type_immediate(s);
    Store *store = s->inst->store;
    if (op == op_array_fill) {
        Slot *a = s->sp - 3 - type_slots(t->fields[0].type);
        uint32_t n = s->sp[-1].i32;
        s->sp = a;
        if (!fuel_for(store, n)) return FNVM_TRAP_OUT_OF_FUEL;
        return array_fill(store, t, a[0].i64, a[1].i32, a + 2, n);
    }
    uint32_t y = immediate(s);
    if (op == op_array_copy) {
        Slot *a = s->sp -= 5;
        if (!fuel_for(store, a[4].i32)) return FNVM_TRAP_OUT_OF_FUEL;
        return array_copy(store, t, a[0].i64, a[1].i32, a[2].i64, a[3].i32, a[4].i32);
    }
    Slot *a = s->sp -= 4;
    const uint32_t at = op == op_array_init_elem ? a[2].i32 : 0;
    if (!fuel_for_items(store, at, a[3].i32)) return FNVM_TRAP_OUT_OF_FUEL;
    s->error = op == op_array_init_data
        ? array_init_data(s->inst, t->id, y, a[0].i64, a[1].i32, a[2].i32, a[3].i32)
        : array_init_elem(s->inst, t->id, y, a[0].i64, a[1].i32, a[2].i32, a[3].i32);
    return FNVM_TRAP_NONE;
}

static fnvm_trap step_cast(Step *s, bool nullable, bool test)
{
    const Module *m = s->inst->module;
    Leb l = leb_heap_type(m, s->pc);
    s->pc = l.pc;
    HeapType target = (HeapType)l.value;
    bool matches = ref_matches(s->inst->store, types_top(&m->engine->types, target), s->sp[-1].i64,
                               target, nullable);
    if (test) s->sp[-1].i64 = matches;
    return test || matches ? FNVM_TRAP_NONE : FNVM_TRAP_CAST_FAILURE;
}

static fnvm_trap i31_get(Step *s, bool sign_extend)
{
    uint64_t ref = s->sp[-1].i64;
    if (!ref) return FNVM_TRAP_NULL_I31;
    s->sp[-1].i64 = sign_extend ? (uint32_t)i31_get_s(ref) : i31_get_u(ref);
    return FNVM_TRAP_NONE;
}

fnvm_trap step_aggregate(Step *s, uint32_t code)
{
    Op op = instruction_decode(PAGE_GC, code);
    switch (op) {
    case op_struct_new: return struct_new(s, true);
    case op_struct_new_default: return struct_new(s, false);
    case op_struct_get:
    case op_struct_get_u: return struct_get(s, false);
    case op_struct_get_s: return struct_get(s, true);
    case op_struct_set: return struct_set(s);
    case op_array_new:
    case op_array_new_default:
    case op_array_new_fixed:
    case op_array_new_data:
    case op_array_new_elem: return step_array_new(s, op);
    case op_array_get:
    case op_array_get_u: return array_get(s, false);
    case op_array_get_s: return array_get(s, true);
    case op_array_set: return array_set(s);
    case op_array_len:
        if (!s->sp[-1].i64) return FNVM_TRAP_NULL_ARRAY;
        s->sp[-1].i64 = ((Array *)ref_object(s->sp[-1].i64))->length;
        return FNVM_TRAP_NONE;
    case op_array_fill:
    case op_array_copy:
    case op_array_init_data:
    case op_array_init_elem: return step_array_range(s, op);
    case op_ref_test: return step_cast(s, false, true);
    case op_ref_test_null: return step_cast(s, true, true);
    case op_ref_cast: return step_cast(s, false, false);
    case op_ref_cast_null: return step_cast(s, true, false);
    case op_ref_i31:
        s->sp[-1].i64 = i31_make(s->sp[-1].i32);
        return FNVM_TRAP_NONE;
    case op_i31_get_s: return i31_get(s, true);
    case op_i31_get_u: return i31_get(s, false);
    default: return FNVM_TRAP_NONE; /* any.convert_extern, extern.convert_any: same bits */
    }
}
