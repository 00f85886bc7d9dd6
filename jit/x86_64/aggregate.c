/* Structs, arrays, i31 and casts; and what of pages 0xFB and 0xFC the runtime does.
 *
 * Fields and elements are read and written in place.  Objects do not move, so a reference is an
 * address (vm/heap.h); what allocates or loops is the runtime's. */
#include "jit/x86_64/compiler.h"
#include "vm/heap.h"

/* ---- Access to fields and elements ---- */

Storage storage_of(ValType t, bool sign_extend)
{
    switch (t) {
    case TYPE_I8: return (Storage){KIND_I32, sign_extend ? X_MOVSX8 : X_MOVZX8, X_MOV_STORE8, 0, 0};
    case TYPE_I16:
        return (Storage){KIND_I32, sign_extend ? X_MOVSX16 : X_MOVZX16, X_MOV_STORE16, 0, 0};
    case TYPE_I32: return (Storage){KIND_I32, X_MOV, X_MOV_STORE, false, false};
    case TYPE_F32: return (Storage){KIND_F32, X_MOVSS, X_MOVSS_STORE, false, false};
    case TYPE_F64: return (Storage){KIND_F64, X_MOVSD, X_MOVSD_STORE, false, false};
    case TYPE_V128: return (Storage){KIND_V128, X_MOVUPS, X_MOVUPS_STORE, false, false};
    default: return (Storage){KIND_I64, X_MOV, X_MOV_STORE, true, true};
    }
}

static void trap_null(Compiler *c, Reg ref, fnvm_trap trap)
{
    asm_rr(&c->a, X_TEST, true, ref, ref);
    trap_if(c, CC_E, trap);
}

static const Type *read_type(Compiler *c)
{
    return types_get(&c->m->engine->types, c->m->types[read_u(c)]);
}

static void load_storage(Compiler *c, const Storage *s, Mem at, Reg prefer)
{
    Reg d = dest(c, s->kind, kind_is_int(s->kind) ? prefer : NO_REG);
    asm_rm(&c->a, s->load, s->wide_load, d, at);
    release(c, prefer, d);
    push_reg(c, s->kind, d);
}

static void struct_get(Compiler *c, bool sign_extend)
{
    const Type *t = read_type(c);
    const Field *f = &t->fields[read_u(c)];
    Storage s = storage_of(f->type, sign_extend);
    Reg ref = pop_reg(c);
    trap_null(c, ref, FNVM_TRAP_NULL_STRUCT);
    load_storage(c, &s, mem_at(ref, (int32_t)f->offset), ref);
}

static void struct_set(Compiler *c)
{
    const Type *t = read_type(c);
    const Field *f = &t->fields[read_u(c)];
    Storage s = storage_of(f->type, false);
    Reg value = pop_reg(c), ref = pop_reg(c);
    trap_null(c, ref, FNVM_TRAP_NULL_STRUCT);
    asm_rm(&c->a, s.store, s.wide_store, value, mem_at(ref, (int32_t)f->offset));
    release(c, ref, NO_REG);
    release(c, value, NO_REG);
}

/* The element's place, checked; a v128's index is scaled in SCRATCH. */
static Mem array_element(Compiler *c, ValType elem, Reg ref, Reg index)
{
    trap_null(c, ref, FNVM_TRAP_NULL_ARRAY);
    asm_rm(&c->a, X_CMP, false, index, mem_at(ref, (int32_t)offsetof(Array, length)));
    trap_if(c, CC_AE, FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    uint32_t log2 = (uint32_t)__builtin_ctz(storage_size(elem));
    if (log2 == 4) {
        asm_rr(&c->a, X_MOV, false, SCRATCH, index);
        asm_shift_ri(&c->a, SHIFT_SHL, true, SCRATCH, 4);
        index = SCRATCH;
        log2 = 0;
    }
    return mem_index(ref, index, (uint8_t)log2, (int32_t)sizeof(Array));
}

static void array_get(Compiler *c, bool sign_extend)
{
    ValType elem = read_type(c)->fields[0].type;
    Storage s = storage_of(elem, sign_extend);
    Reg index = pop_reg(c), ref = pop_reg(c);
    Mem at = array_element(c, elem, ref, index);
    load_storage(c, &s, at, ref);
    release(c, index, NO_REG); /* not before: finding a destination may move an operand there */
}

static void array_set(Compiler *c)
{
    ValType elem = read_type(c)->fields[0].type;
    Storage s = storage_of(elem, false);
    Reg value = pop_reg(c), index = pop_reg(c), ref = pop_reg(c);
    Mem at = array_element(c, elem, ref, index);
    asm_rm(&c->a, s.store, s.wide_store, value, at);
    release(c, ref, NO_REG);
    release(c, index, NO_REG);
    release(c, value, NO_REG);
}

static void array_len(Compiler *c)
{
    Reg ref = pop_reg(c);
    trap_null(c, ref, FNVM_TRAP_NULL_ARRAY);
    Reg d = dest(c, KIND_I32, ref);
    asm_rm(&c->a, X_MOV, false, d, mem_at(ref, (int32_t)offsetof(Array, length)));
    release(c, ref, d);
    push_reg(c, KIND_I32, d);
}

/* ---- i31: value << 1 | 1 in the lower half ---- */

static void ref_i31(Compiler *c)
{
    Reg v = pop_reg(c), d = dest(c, KIND_I64, v);
    asm_rm(&c->a, X_LEA, false, d, mem_index(v, v, 0, 1));
    release(c, v, d);
    push_reg(c, KIND_I64, d);
}

static void i31_get(Compiler *c, bool sign_extend)
{
    Reg ref = pop_reg(c);
    trap_null(c, ref, FNVM_TRAP_NULL_I31);
    Reg d = dest(c, KIND_I32, ref);
    emit_move(c, KIND_I32, d, ref);
    asm_shift_ri(&c->a, sign_extend ? SHIFT_SAR : SHIFT_SHR, false, d, 1);
    release(c, ref, d);
    push_reg(c, KIND_I32, d);
}

/* ---- By the runtime ---- */

/* The topmost `n` operands are the instruction's; `result` is its kind, or -1. */
static void step(Compiler *c, uint32_t n, int result)
{
    uint32_t first = n ? top(c, n - 1)->slot : c->slot;
    call_runtime(c, RT_step, first, c->at, c->slot - first);
    operands_forget(c, c->nops - n);
    if (result >= 0) push_home(c, (Kind)result);
}

static void skip_u(Compiler *c, uint32_t n)
{
    while (n-- > 0) read_u(c);
}

static void new_aggregate(Compiler *c, Op op)
{
    if (compile_new(c, op)) return;
    const Type *t = read_type(c);
    uint32_t n = op == op_struct_new ? t->nfields
               : op == op_struct_new_default ? 0
               : op == op_array_new_default ? 1
               : op == op_array_new_fixed ? (uint32_t)read_u(c) : 2;
    if (op == op_array_new_data || op == op_array_new_elem) skip_u(c, 1);
    step(c, n, KIND_I64);
}

static void ref_test(Compiler *c, bool nullable)
{
    CastTarget target;
    if (!read_cast_target(c, nullable, &target)) {
        step(c, 1, KIND_I32);
        return;
    }
    Reg ref = pop_reg(c);
    Condition cc = cast_test(c, ref, &target);
    release(c, ref, NO_REG);
    push_condition(c, cc);
}

static void ref_cast(Compiler *c, bool nullable)
{
    CastTarget target;
    if (!read_cast_target(c, nullable, &target)) {
        step(c, 1, KIND_I64);
        return;
    }
    Reg ref = pop_reg(c);
    trap_if(c, condition_not(cast_test(c, ref, &target)), FNVM_TRAP_CAST_FAILURE);
    push_back(c, KIND_I64, ref);
}

static bool compile_gc(Compiler *c, Op op)
{
    switch (op) {
    case op_struct_get: case op_struct_get_u: struct_get(c, false); break;
    case op_struct_get_s: struct_get(c, true); break;
    case op_struct_set: struct_set(c); break;
    case op_array_get: case op_array_get_u: array_get(c, false); break;
    case op_array_get_s: array_get(c, true); break;
    case op_array_set: array_set(c); break;
    case op_array_len: array_len(c); break;
    case op_ref_i31: ref_i31(c); break;
    case op_i31_get_s: i31_get(c, true); break;
    case op_i31_get_u: i31_get(c, false); break;
    case op_any_convert_extern: case op_extern_convert_any: break; /* the same bits */
    case op_struct_new: case op_struct_new_default: case op_array_new: case op_array_new_default:
    case op_array_new_fixed: case op_array_new_data: case op_array_new_elem:
        new_aggregate(c, op);
        break;
    case op_array_fill: skip_u(c, 1), step(c, 4, -1); break;
    case op_array_copy: skip_u(c, 2), step(c, 5, -1); break;
    case op_array_init_data: case op_array_init_elem: skip_u(c, 2), step(c, 4, -1); break;
    case op_ref_test: case op_ref_test_null: ref_test(c, op == op_ref_test_null); break;
    case op_ref_cast: case op_ref_cast_null: ref_cast(c, op == op_ref_cast_null); break;
    default: return false;
    }
    return true;
}

static Kind table_address(const Compiler *c, uint32_t table)
{
    return c->m->tables[table].type.limits.is64 ? KIND_I64 : KIND_I32;
}

bool compile_aggregate(Compiler *c, Op op)
{
    if (instructions[op].page == PAGE_GC) return compile_gc(c, op);
    switch (op) {
    case op_memory_init: case op_memory_copy: case op_table_init: case op_table_copy:
        skip_u(c, 2), step(c, 3, -1);
        break;
    case op_memory_fill: case op_table_fill: skip_u(c, 1), step(c, 3, -1); break;
    case op_data_drop: case op_elem_drop: skip_u(c, 1), step(c, 0, -1); break;
    case op_table_grow: {
        uint32_t table = (uint32_t)read_u(c);
        step(c, 2, (int)table_address(c, table));
        break;
    }
    case op_table_size: {
        uint32_t table = (uint32_t)read_u(c);
        step(c, 0, (int)table_address(c, table));
        break;
    }
    default: return false;
    }
    return true;
}
