/* Locals, globals, tables, references, constants; drop and select. */
#include "jit/x86_64/compiler.h"

/* ---- Locals ---- */

/* The topmost operand becomes the local's value.  Constants are stored as such. */
static void local_set(Compiler *c, uint32_t x)
{
    Kind k = (Kind)c->local_kind[x];
    Reg pin = c->local_reg[x];
    const Operand *o = top(c, 0);
    bool is_self = o->where == IS_LOCAL && o->local == x;
    if (is_self) {
        drop_top(c);
        return;
    }
    if (c->aliases[x]) unalias(c, x);
    if (pin != NO_REG) {
        Operand v = *top(c, 0);
        if (v.where == IN_REG && v.reg == pin) {
            c->nops--; /* dest() gave it the pin: nobody owns it */
            c->slot = v.slot;
            if (c->flushed > c->nops) c->flushed = c->nops;
        } else if (v.where == IS_CONST) {
            drop_top(c);
            emit_const(c, k, pin, v.bits);
        } else {
            Source s = pop_source(c);
            if (s.reg != NO_REG) emit_move(c, k, pin, s.reg);
            else emit_load_slot(c, k, pin, (uint32_t)(s.mem.disp + JIT_FP_BIAS) / 8);
            release(c, s.reg, NO_REG);
        }
        c->pin.valid |= REG_BIT(pin);
        c->pin.dirty |= REG_BIT(pin);
        return;
    }
    int32_t imm;
    if (top_is_const(c, 0) && kind_is_int(k) && (k == KIND_I64 || top(c, 0)->bits <= INT32_MAX) &&
        pop_imm32(c, true, &imm)) {
        asm_mov_mi(&c->a, true, slot_mem(c->local_slot[x]), imm);
        return;
    }
    Reg r = pop_reg(c);
    emit_store_slot(c, k, c->local_slot[x], r);
    release(c, r, NO_REG);
}

/* What was set stays on the stack: as the local, or in the register it was stored from. */
static void local_tee(Compiler *c, uint32_t x)
{
    if (c->local_reg[x] != NO_REG || top_is_const(c, 0)) {
        local_set(c, x);
        push_local(c, x);
        return;
    }
    if (c->aliases[x] && !(top(c, 0)->where == IS_LOCAL && top(c, 0)->local == x)) unalias(c, x);
    Kind k = (Kind)c->local_kind[x];
    Reg r = pop_owned(c);
    emit_store_slot(c, k, c->local_slot[x], r);
    push_reg(c, k, r);
}

/* ---- Globals ---- */

/* The address of a global's value; an imported one is reached through its reference. */
static Mem global_mem(Compiler *c, uint32_t x)
{
    const Module *m = c->m;
    if (x >= m->n_imported_globals)
        return mem_at(REG_INSTANCE, (int32_t)(c->offsets.globals + 16 * (x - m->n_imported_globals)));
    asm_rm(&c->a, X_MOV, true, SCRATCH,
           mem_at(REG_INSTANCE, (int32_t)(c->offsets.imported_globals + x * sizeof(GlobalRef) +
                                          offsetof(GlobalRef, value))));
    return mem_at(SCRATCH, 0);
}

static void global_get(Compiler *c)
{
    static const Opcode load[] = {X_MOV, X_MOV, X_MOVSS, X_MOVSD, X_MOVUPS};
    uint32_t x = (uint32_t)read_u(c);
    Kind k = kind_of(c->m->globals[x].type.type);
    Reg d = dest(c, k, NO_REG);
    asm_rm(&c->a, load[k], k == KIND_I64, d, global_mem(c, x));
    push_reg(c, k, d);
}

static void global_set(Compiler *c)
{
    static const Opcode store[] = {X_MOV_STORE, X_MOV_STORE, X_MOVSS_STORE, X_MOVSD_STORE,
                                   X_MOVUPS_STORE};
    uint32_t x = (uint32_t)read_u(c);
    Kind k = kind_of(c->m->globals[x].type.type);
    Reg r = pop_reg(c);
    asm_rm(&c->a, store[k], kind_is_int(k), r, global_mem(c, x));
    release(c, r, NO_REG);
}

/* ---- Tables ---- */

static Mem table_field(const Compiler *c, uint32_t table, size_t field)
{
    return mem_at(REG_INSTANCE, (int32_t)(c->offsets.tables + table * sizeof(TableRef) + field));
}

/* Checks an index register against the table's size and gives its elements in SCRATCH. */
static void table_elements(Compiler *c, uint32_t table, Reg index)
{
    asm_rm(&c->a, X_MOV, true, SCRATCH, table_field(c, table, offsetof(TableRef, state)));
    asm_rm(&c->a, X_CMP, true, index, mem_at(SCRATCH, (int32_t)offsetof(TableState, size)));
    trap_if(c, CC_AE, FNVM_TRAP_TABLE_OUT_OF_BOUNDS);
    asm_rm(&c->a, X_MOV, true, SCRATCH, table_field(c, table, offsetof(TableRef, elems)));
}

static void table_get(Compiler *c)
{
    uint32_t table = (uint32_t)read_u(c);
    Reg index = pop_reg(c);
    table_elements(c, table, index);
    Reg d = dest(c, KIND_I64, index);
    asm_rm(&c->a, X_MOV, true, d, mem_index(SCRATCH, index, 3, 0));
    release(c, index, d);
    push_reg(c, KIND_I64, d);
}

static void table_set(Compiler *c)
{
    uint32_t table = (uint32_t)read_u(c);
    Reg value = pop_reg(c), index = pop_reg(c);
    table_elements(c, table, index);
    asm_rm(&c->a, X_MOV_STORE, true, value, mem_index(SCRATCH, index, 3, 0));
    release(c, index, NO_REG);
    release(c, value, NO_REG);
}

/* ---- References ---- */

static void ref_func(Compiler *c)
{
    uint32_t func = (uint32_t)read_u(c);
    if (func < c->m->n_imported_funcs) {
        call_runtime(c, RT_ref_func, c->slot, func, 0);
        push_home(c, KIND_I64);
        return;
    }
    Reg d = dest(c, KIND_I64, NO_REG); /* instance id << 32 | func + 1 */
    asm_rm(&c->a, X_MOV, false, d, mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, id)));
    asm_shift_ri(&c->a, SHIFT_SHL, true, d, 32);
    asm_alu_ri(&c->a, ALU_OR, true, d, (int32_t)(func + 1));
    push_reg(c, KIND_I64, d);
}

static void ref_is_null(Compiler *c)
{
    Reg r = pop_reg(c);
    asm_rr(&c->a, X_TEST, true, r, r);
    release(c, r, NO_REG);
    push_condition(c, CC_E);
}

static void ref_eq(Compiler *c)
{
    Source b = pop_source(c);
    Reg a = pop_reg(c);
    emit_rs(c, X_CMP, true, a, b);
    release(c, b.reg, NO_REG);
    release(c, a, NO_REG);
    push_condition(c, CC_E);
}

/* The operand stays as it is. */
static void ref_as_non_null(Compiler *c)
{
    Reg r = pop_reg(c);
    asm_rr(&c->a, X_TEST, true, r, r);
    trap_if(c, CC_E, FNVM_TRAP_NULL_REFERENCE);
    const Pins *p = &c->regions[c->region];
    if (p->mask >> r & 1) push_local(c, p->local[r]);
    else push_reg(c, KIND_I64, r);
}

/* ---- Constants ---- */

static void constant(Compiler *c, Op op)
{
    uint64_t bits = 0;
    switch (op) {
    case op_i32_const: push_const(c, KIND_I32, (uint64_t)read_s(c)); break;
    case op_i64_const: push_const(c, KIND_I64, (uint64_t)read_s(c)); break;
    case op_f32_const:
        memcpy(&bits, c->bytes + c->pc, 4);
        c->pc += 4;
        push_const(c, KIND_F32, bits);
        break;
    default:
        memcpy(&bits, c->bytes + c->pc, 8);
        c->pc += 8;
        push_const(c, KIND_F64, bits);
    }
}

/* ---- Select ---- */

/* d <- flags say `cc` ? a : b. */
static void select_int(Compiler *c, Condition cc, Kind k)
{
    bool wide = k == KIND_I64;
    Reg b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, k, a);
    if (cc == CC_NE_UNORDERED || (d == b && cc != CC_E_ORDERED)) {
        /* start from b, take a where the condition holds */
        if (d == a) {
            emit_move(c, k, SCRATCH, a);
            emit_move(c, k, d, b);
            asm_rr(&c->a, X_CMOV + (cc == CC_NE_UNORDERED ? CC_NE : cc), wide, d, SCRATCH);
            if (cc == CC_NE_UNORDERED) asm_rr(&c->a, X_CMOV + CC_P, wide, d, SCRATCH);
        } else {
            emit_move(c, k, d, b);
            asm_rr(&c->a, X_CMOV + (cc == CC_NE_UNORDERED ? CC_NE : cc), wide, d, a);
            if (cc == CC_NE_UNORDERED) asm_rr(&c->a, X_CMOV + CC_P, wide, d, a);
        }
    } else {
        Reg other = b;
        if (d == b && d != a) emit_move(c, k, other = SCRATCH, b);
        emit_move(c, k, d, a);
        asm_rr(&c->a, X_CMOV + (cc == CC_E_ORDERED ? CC_NE : condition_not(cc)), wide, d, other);
        if (cc == CC_E_ORDERED) asm_rr(&c->a, X_CMOV + CC_P, wide, d, other);
    }
    release(c, a, d);
    release(c, b, d);
    push_reg(c, k, d);
}

static void select_vector(Compiler *c, Condition cc, Kind k)
{
    Reg b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, k, a);
    Reg other = b;
    if (d == b && d != a) emit_move(c, k, other = SCRATCH_VECTOR, b);
    emit_move(c, k, d, a);
    if (cc == CC_NE_UNORDERED) { /* NE or P keep a */
        uint32_t ne = asm_jcc_short(&c->a, CC_NE), p = asm_jcc_short(&c->a, CC_P);
        emit_move(c, k, d, other);
        asm_land(&c->a, ne);
        asm_land(&c->a, p);
    } else if (cc == CC_E_ORDERED) { /* NE or P take b */
        uint32_t p = asm_jcc_short(&c->a, CC_P), e = asm_jcc_short(&c->a, CC_E);
        asm_land(&c->a, p);
        emit_move(c, k, d, other);
        asm_land(&c->a, e);
    } else {
        uint32_t keep = asm_jcc_short(&c->a, cc);
        emit_move(c, k, d, other);
        asm_land(&c->a, keep);
    }
    release(c, a, d);
    release(c, b, d);
    push_reg(c, k, d);
}

static void compile_select(Compiler *c)
{
    Condition cc = CC_NE;
    uint64_t constant_condition;
    if (pop_const(c, &constant_condition)) { /* nothing to choose */
        asm_mov_ri(&c->a, SCRATCH, constant_condition);
        asm_rr(&c->a, X_TEST, false, SCRATCH, SCRATCH);
    } else {
        cc = pop_condition(c);
    }
    Kind k = (Kind)top(c, 0)->kind;
    if (kind_is_int(k)) select_int(c, cc, k);
    else select_vector(c, cc, k);
}

bool compile_variable(Compiler *c, Op op)
{
    switch (op) {
    case op_local_set: local_set(c, (uint32_t)read_u(c)); break;
    case op_local_tee: local_tee(c, (uint32_t)read_u(c)); break;
    case op_global_get: global_get(c); break;
    case op_global_set: global_set(c); break;
    case op_table_get: table_get(c); break;
    case op_table_set: table_set(c); break;
    case op_i32_const: case op_i64_const: case op_f32_const: case op_f64_const:
        constant(c, op);
        break;
    case op_drop: drop_top(c); break;
    case op_select: compile_select(c); break;
    case op_ref_null:
        read_s(c);
        push_const(c, KIND_I64, 0);
        break;
    case op_ref_is_null: ref_is_null(c); break;
    case op_ref_func: ref_func(c); break;
    case op_ref_eq: ref_eq(c); break;
    case op_ref_as_non_null: ref_as_non_null(c); break;
    default: return false;
    }
    return true;
}
