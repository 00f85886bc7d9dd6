/* Conversions (standard, 4.3.4).
 *
 * The processor truncates to signed integers only, and gives the most negative number for whatever
 * has no place among them.  So a truncation is one instruction and a check that usually passes;
 * behind it the few numbers that are special are sorted out.  An unsigned 32-bit integer goes by
 * way of 64 bits; an unsigned 64-bit one has its upper half moved below 2^63 and back. */
#include "jit/x86_64/arithmetic.h"
#include "vm/numeric.h"

enum { X_UCOMISS = OPC(0, 1, 0x2E), X_UCOMISD = OPC(0x66, 1, 0x2E) };

/* The opcodes of one width of floats. */
typedef struct FloatOps { Opcode from_int, to_int, compare, add; } FloatOps;
static const FloatOps float_ops[] = {
    {OPC(0xF3, 1, 0x2A), OPC(0xF3, 1, 0x2C), X_UCOMISS, OPC(0xF3, 1, 0x58)},
    {OPC(0xF2, 1, 0x2A), OPC(0xF2, 1, 0x2C), X_UCOMISD, OPC(0xF2, 1, 0x58)}};

/* ---- Between integers ---- */

static void wrap(Compiler *c)
{
    uint64_t k;
    if (pop_const(c, &k)) {
        push_const(c, KIND_I32, (uint32_t)k);
        return;
    }
    Source s = pop_source(c);
    Reg d = dest(c, KIND_I32, s.reg);
    emit_rs(c, X_MOV, false, d, s); /* clears the upper half, in place too */
    release(c, s.reg, d);
    push_reg(c, KIND_I32, d);
}

static void extend_i32(Compiler *c, bool is_signed)
{
    uint64_t k;
    if (pop_const(c, &k)) {
        push_const(c, KIND_I64, is_signed ? (uint64_t)(int32_t)k : (uint32_t)k);
        return;
    }
    Source s = pop_source(c);
    Reg d = dest(c, KIND_I64, s.reg);
    if (is_signed) emit_rs(c, X_MOVSXD, true, d, s);
    else emit_load(c, false, d, s); /* zero-extended it is already */
    release(c, s.reg, d);
    push_reg(c, KIND_I64, d);
}

/* ---- Bits ---- */

static void reinterpret_as_int(Compiler *c, bool wide)
{
    uint64_t k;
    if (pop_const(c, &k)) {
        push_const(c, int_kind(wide), k);
        return;
    }
    Source s = pop_source(c);
    Reg d = dest(c, int_kind(wide), NO_REG);
    if (s.reg != NO_REG) asm_rr(&c->a, X_MOVD_FROM, wide, s.reg, d);
    else asm_rm(&c->a, X_MOV, wide, d, s.mem);
    release(c, s.reg, NO_REG);
    push_reg(c, int_kind(wide), d);
}

static void reinterpret_as_float(Compiler *c, bool wide)
{
    uint64_t k;
    if (pop_const(c, &k)) {
        push_const(c, float_kind(wide), k);
        return;
    }
    Source s = pop_source(c);
    Reg d = dest(c, float_kind(wide), NO_REG);
    if (s.reg != NO_REG) asm_rr(&c->a, X_MOVD_TO, wide, d, s.reg);
    else asm_rm(&c->a, wide ? X_MOVSD : X_MOVSS, false, d, s.mem);
    release(c, s.reg, NO_REG);
    push_reg(c, float_kind(wide), d);
}

/* ---- Between floats ---- */

static void resize(Compiler *c, bool to_double)
{
    Reg a = pop_reg(c), d = dest(c, float_kind(to_double), a);
    emit_scalar(c, to_double ? OPC(0xF3, 1, 0x5A) : OPC(0xF2, 1, 0x5A), d, a);
    release(c, a, d);
    push_reg(c, float_kind(to_double), d);
}

/* ---- Integer to float ---- */

/* a >= 2^63 is halved, its lowest bit kept for the rounding, and the result doubled.  `t` is lost;
 * it may be a. */
static void emit_from_u64(Compiler *c, const FloatOps *ops, Reg d, Reg a, Reg t)
{
    Assembler *out = &c->a;
    asm_rr(out, X_TEST, true, a, a);
    uint32_t usual = asm_jcc_short(out, CC_NS);
    asm_mov_rr(out, true, SCRATCH, a);
    emit_move(c, KIND_I64, t, a);
    asm_shift_ri(out, SHIFT_SHR, true, SCRATCH, 1);
    asm_alu_ri(out, ALU_AND, false, t, 1);
    asm_rr(out, X_OR, true, SCRATCH, t);
    asm_rr(out, ops->from_int, true, d, SCRATCH);
    asm_rr(out, ops->add, false, d, d);
    uint32_t done = asm_jmp_short(out);
    asm_land(out, usual);
    asm_rr(out, ops->from_int, true, d, a);
    asm_land(out, done);
}

static void from_int(Compiler *c, bool wide, bool is_unsigned, bool to_double)
{
    const FloatOps *ops = &float_ops[to_double];
    Source s = pop_source(c);
    Reg d = dest(c, float_kind(to_double), NO_REG);
    bool is_u64 = wide && is_unsigned;
    if (is_u64 && s.reg == NO_REG) {
        Reg a = temp_int(c);
        emit_load(c, true, a, s);
        s.reg = a;
    }
    Reg t = !is_u64 || is_owned(c, s.reg) ? s.reg : temp_int(c);
    asm_rr(&c->a, X_XORPS, false, d, d); /* the conversion keeps the rest of d: no old value */
    if (is_u64) emit_from_u64(c, ops, d, s.reg, t);
    else emit_rs(c, ops->from_int, wide || is_unsigned, d, s);
    release(c, t, NO_REG);
    release(c, s.reg, NO_REG);
    push_reg(c, float_kind(to_double), d);
}

/* ---- Float to integer ---- */

typedef struct Truncation { bool wide, is_double, is_unsigned; } Truncation;

/* d, truncated from x, is negative.  For x >= 2^63 it is -2^63, and SCRATCH becomes what x has above
 * 2^63, -2^63 if that is too much; any other x is negative, and so is SCRATCH. */
static void emit_upper_half(Compiler *c, const FloatOps *ops, Reg d, Reg x)
{
    asm_rr(&c->a, ops->from_int, true, SCRATCH_VECTOR, d);
    asm_rr(&c->a, ops->add, false, SCRATCH_VECTOR, x);
    asm_rr(&c->a, ops->to_int, true, SCRATCH, SCRATCH_VECTOR);
}

static void emit_trap_unless_number(Compiler *c, const FloatOps *ops, Reg x)
{
    asm_rr(&c->a, ops->compare, false, x, x);
    trap_if(c, CC_P, FNVM_TRAP_INVALID_CONVERSION);
}

/* The check of d failed: a trap, or a number at the edge after all. */
static void emit_edge_or_trap(Compiler *c, Truncation t, Reg d, Reg x)
{
    Assembler *out = &c->a;
    const FloatOps *ops = &float_ops[t.is_double];
    if (t.is_unsigned && t.wide) {
        emit_trap_unless_number(c, ops, x);
        emit_upper_half(c, ops, d, x);
        asm_rr(out, X_TEST, true, SCRATCH, SCRATCH);
        trap_if(c, CC_S, FNVM_TRAP_INTEGER_OVERFLOW);
        asm_rr(out, X_ADD, true, d, SCRATCH);
    } else if (t.is_unsigned) {
        emit_trap_unless_number(c, ops, x);
        trap_if(c, CC_NP, FNVM_TRAP_INTEGER_OVERFLOW);
    } else if (t.is_double && !t.wide) { /* -2^31 and what truncates to it */
        asm_rr(out, ops->to_int, true, SCRATCH, x);
        asm_rr(out, X_ADD, true, SCRATCH, d);
        uint32_t edge = asm_jcc_short(out, CC_E);
        emit_trap_unless_number(c, ops, x);
        trap_if(c, CC_NP, FNVM_TRAP_INTEGER_OVERFLOW);
        asm_land(out, edge);
    } else { /* the least integer exactly: x has no fraction there */
        asm_rr(out, ops->from_int, t.wide, SCRATCH_VECTOR, d);
        asm_rr(out, ops->compare, false, SCRATCH_VECTOR, x);
        trap_if(c, CC_P, FNVM_TRAP_INVALID_CONVERSION);
        trap_if(c, CC_NE, FNVM_TRAP_INTEGER_OVERFLOW);
    }
}

/* The check of d failed: d becomes 0 for a NaN, else the integer nearest to x. */
static void emit_saturate(Compiler *c, Truncation t, Reg d, Reg x)
{
    Assembler *out = &c->a;
    const FloatOps *ops = &float_ops[t.is_double];
    asm_rr(out, X_XORPS, false, SCRATCH_VECTOR, SCRATCH_VECTOR);
    asm_rr(out, ops->compare, false, x, SCRATCH_VECTOR);
    asm_mov_ri(out, SCRATCH, 0);
    asm_rr(out, X_CMOV + (t.is_unsigned ? CC_BE : CC_P), true, d, SCRATCH);
    uint32_t low = asm_jcc_short(out, CC_BE); /* a NaN is "below" as well */
    if (t.is_unsigned && t.wide) {
        emit_upper_half(c, ops, d, x);
        asm_rr(out, X_ADD, true, d, SCRATCH);
        asm_rr(out, X_SBB, true, SCRATCH, SCRATCH); /* all ones if that was too much */
        asm_rr(out, X_OR, true, d, SCRATCH);
    } else if (t.is_unsigned) {
        asm_mov_ri(out, d, UINT32_MAX);
    } else {
        asm_alu_ri(out, ALU_SUB, t.wide, d, 1); /* from the least to the greatest */
    }
    asm_land(out, low);
}

static void truncate_float(Compiler *c, Truncation t, bool saturates)
{
    Assembler *out = &c->a;
    Reg x = pop_reg(c), d = dest(c, int_kind(t.wide), NO_REG);
    asm_rr(out, float_ops[t.is_double].to_int, t.wide || t.is_unsigned, d, x);
    Condition good;
    if (!t.is_unsigned) { /* not the most negative number */
        asm_alu_ri(out, ALU_CMP, t.wide, d, 1);
        good = CC_NO;
    } else if (t.wide) {
        asm_rr(out, X_TEST, true, d, d);
        good = CC_NS;
    } else {
        asm_mov_rr(out, false, SCRATCH, d);
        asm_rr(out, X_CMP, true, SCRATCH, d);
        good = CC_E;
    }
    uint32_t usual = asm_jcc_short(out, good);
    if (saturates) emit_saturate(c, t, d, x);
    else emit_edge_or_trap(c, t, d, x);
    asm_land(out, usual);
    release(c, x, NO_REG);
    push_reg(c, int_kind(t.wide), d);
}

/* ---- Rows ---- */

/* Truncations come in fours: from f32 signed and unsigned, then from f64. */
static Truncation truncation(bool wide, uint32_t row)
{
    return (Truncation){.wide = wide, .is_double = row & 2, .is_unsigned = row & 1};
}
_Static_assert(op_i32_trunc_f32_s + 3 == op_i32_trunc_f64_u &&
               op_i64_trunc_f32_s + 3 == op_i64_trunc_f64_u &&
               op_i32_trunc_sat_f32_s + 4 == op_i64_trunc_sat_f32_s, "in the order of the table");

bool compile_convert(Compiler *c, Op op)
{
    if (op >= op_i32_trunc_sat_f32_s && op <= op_i64_trunc_sat_f64_u) {
        uint32_t row = (uint32_t)op - op_i32_trunc_sat_f32_s;
        truncate_float(c, truncation(row & 4, row & 3), true);
        return true;
    }
    switch (op) {
    case op_i32_wrap_i64: wrap(c); break;
    case op_i64_extend_i32_s: extend_i32(c, true); break;
    case op_i64_extend_i32_u: extend_i32(c, false); break;
    case op_i32_trunc_f32_s: case op_i32_trunc_f32_u:
    case op_i32_trunc_f64_s: case op_i32_trunc_f64_u:
        truncate_float(c, truncation(false, (uint32_t)op - op_i32_trunc_f32_s), false);
        break;
    case op_i64_trunc_f32_s: case op_i64_trunc_f32_u:
    case op_i64_trunc_f64_s: case op_i64_trunc_f64_u:
        truncate_float(c, truncation(true, (uint32_t)op - op_i64_trunc_f32_s), false);
        break;
    case op_f32_convert_i32_s: from_int(c, false, false, false); break;
    case op_f32_convert_i32_u: from_int(c, false, true, false); break;
    case op_f32_convert_i64_s: from_int(c, true, false, false); break;
    case op_f32_convert_i64_u: from_int(c, true, true, false); break;
    case op_f64_convert_i32_s: from_int(c, false, false, true); break;
    case op_f64_convert_i32_u: from_int(c, false, true, true); break;
    case op_f64_convert_i64_s: from_int(c, true, false, true); break;
    case op_f64_convert_i64_u: from_int(c, true, true, true); break;
    case op_f32_demote_f64: resize(c, false); break;
    case op_f64_promote_f32: resize(c, true); break;
    case op_i32_reinterpret_f32: reinterpret_as_int(c, false); break;
    case op_i64_reinterpret_f64: reinterpret_as_int(c, true); break;
    case op_f32_reinterpret_i32: reinterpret_as_float(c, false); break;
    case op_f64_reinterpret_i64: reinterpret_as_float(c, true); break;
    default: return false;
    }
    return true;
}
