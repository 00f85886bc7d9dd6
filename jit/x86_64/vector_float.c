/* Vector instructions on floats that x86 has not: the standard's rules for NaN and zeroes, and
 * conversions that saturate or take unsigned lanes (4.3.3, 4.3.4). */
#include "jit/x86_64/vector.h"

static bool is_double(Opcode op) { return op >> 16 == 0x66; }

/* abs, neg: all ones shifted right by one, or left to the sign, is the mask. */
void vector_float_sign(Compiler *c, const VectorRow *row)
{
    const bool is_abs = row->with == V_PSRLD || row->with == V_PSRLQ;
    Pair p = pop_single(c);
    vector_ones(c, SCRATCH_VECTOR);
    vector_shift(c, row->with, SCRATCH_VECTOR, SCRATCH_VECTOR,
                 is_abs ? 1 : shift_width(row->with) - 1);
    emit_vector(c, row->op, p.d, p.a, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* work <- SCRATCH_VECTOR, its NaNs made canonical.  work is NaN in no lane where that is not. */
static void canonical_nans(Compiler *c, bool is_64, Reg work)
{
    vector_rrr_imm(c, is_64 ? V_CMPPD : V_CMPPS, work, work, SCRATCH_VECTOR, CMP_UNORD);
    emit_vector(c, V_ORPS, SCRATCH_VECTOR, SCRATCH_VECTOR, work); /* the quiet bit is set */
    vector_shift(c, is_64 ? V_PSRLQ : V_PSRLD, work, work, is_64 ? 13 : 10); /* those below it */
    emit_vector(c, V_ANDNPS, work, work, SCRATCH_VECTOR);
}

/* For what reads its operands late: a destination of its own, unless it is the pin of one. */
static Pair pop_pair_apart(Compiler *c)
{
    Reg b = pop_reg(c), a = pop_reg(c);
    return (Pair){a, b, dest(c, KIND_V128, NO_REG)};
}

static Reg work_register(Compiler *c, Pair p)
{
    return p.d == p.a || p.d == p.b ? temp_vector(c) : p.d;
}

static void settle(Compiler *c, Pair p, Reg work)
{
    emit_move(c, KIND_V128, p.d, work);
    release(c, work, p.d);
}

/* minps and maxps give the second operand if one is NaN or both are zero, so that both ways round
 * they differ only there.  The two or'ed are a NaN then, or the -0 that min wants. */
void vector_float_min(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair_apart(c);
    Reg work = work_register(c, p);
    emit_vector(c, row->op, work, p.a, p.b);
    emit_vector(c, row->op, SCRATCH_VECTOR, p.b, p.a);
    emit_vector(c, V_ORPS, SCRATCH_VECTOR, SCRATCH_VECTOR, work);
    canonical_nans(c, is_double(row->op), work);
    settle(c, p, work);
    push_pair(c, p);
}

/* The difference of the two is 0, the sign bit for two zeroes, or makes a NaN of what it is or'ed
 * with; subtracted again it leaves +0 of -0, which max wants, and nothing changed elsewhere. */
void vector_float_max(Compiler *c, const VectorRow *row)
{
    const bool is_64 = is_double(row->op);
    Pair p = pop_pair_apart(c);
    Reg work = work_register(c, p);
    emit_vector(c, row->op, SCRATCH_VECTOR, p.a, p.b);
    emit_vector(c, row->op, work, p.b, p.a);
    emit_vector(c, X_XORPS, work, work, SCRATCH_VECTOR);
    emit_vector(c, V_ORPS, SCRATCH_VECTOR, SCRATCH_VECTOR, work);
    emit_vector(c, is_64 ? V_SUBPD : V_SUBPS, SCRATCH_VECTOR, SCRATCH_VECTOR, work);
    canonical_nans(c, is_64, work);
    settle(c, p, work);
    push_pair(c, p);
}

/* Relaxed: the product is rounded, then the sum; -(a * b) + c is c - a * b. */
void vector_madd(Compiler *c, const VectorRow *row)
{
    Reg addend = pop_reg(c), b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, KIND_V128, addend);
    emit_vector(c, row->op, SCRATCH_VECTOR, a, b);
    vector_scratch_op(c, row->with, d, addend);
    release(c, addend, d);
    release(c, b, d);
    release(c, a, d);
    push_reg(c, KIND_V128, d);
}

void vector_nmadd(Compiler *c, const VectorRow *row)
{
    Reg minuend = pop_reg(c), b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, KIND_V128, minuend);
    emit_vector(c, row->op, SCRATCH_VECTOR, a, b);
    emit_vector(c, row->with, d, minuend, SCRATCH_VECTOR);
    release(c, minuend, d);
    release(c, b, d);
    release(c, a, d);
    push_reg(c, KIND_V128, d);
}

/* ---- To integers ---- */

/* NaNs become 0 first.  cvttps2dq then gives INT32_MIN for whatever is out of range: where the sign
 * was not set and is now, all bits are inverted. */
void vector_trunc_f32_s(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg s = SCRATCH_VECTOR, d = p.d;
    vector_rrr_imm(c, V_CMPPS, s, p.a, p.a, CMP_EQ);
    emit_vector(c, V_ANDPS, d, p.a, s);
    emit_vector(c, X_PXOR, s, s, d);
    vector_rr(c, V_CVTTPS2DQ, false, d, d);
    emit_vector(c, V_PAND, s, s, d);
    vector_shift(c, V_PSRAD, s, s, 31);
    emit_vector(c, X_PXOR, d, d, s);
    push_pair(c, p);
}

/* NaNs and what is negative become 0.  The integer is the sum of two conversions: of the number,
 * INT32_MIN from 2^31 on, and of what it has in excess of 2^31, from 0 to INT32_MAX. */
void vector_trunc_f32_u(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg s = SCRATCH_VECTOR, d = p.d, excess = temp_vector(c);
    vector_zero(c, s);
    emit_vector(c, V_MAXPS, d, p.a, s);
    vector_const_32(c, s, 0x4F000000);
    emit_vector(c, V_SUBPS, excess, d, s);
    vector_rrr_imm(c, V_CMPPS, s, s, excess, CMP_LE);
    vector_rr(c, V_CVTTPS2DQ, false, excess, excess);
    emit_vector(c, X_PXOR, excess, excess, s);
    vector_zero(c, s);
    emit_vector(c, V_PMAXSD, excess, excess, s);
    vector_rr(c, V_CVTTPS2DQ, false, d, d);
    emit_vector(c, V_PADDD, d, d, excess);
    release(c, excess, NO_REG);
    push_pair(c, p);
}

/* minpd gives its second operand for a NaN, which is 0 there; cvttpd2dq gives INT32_MIN for what is
 * too small. */
void vector_trunc_f64_s(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg s = SCRATCH_VECTOR, limit = temp_vector(c);
    vector_const_64(c, limit, 0x41DFFFFFFFC00000); /* INT32_MAX */
    vector_rrr_imm(c, V_CMPPD, s, p.a, p.a, CMP_EQ);
    emit_vector(c, V_PAND, s, s, limit);
    emit_vector(c, V_MINPD, p.d, p.a, s);
    vector_rr(c, V_CVTTPD2DQ, false, p.d, p.d);
    release(c, limit, NO_REG);
    push_pair(c, p);
}

/* Brought into range and rounded; added to 2^52 the integer is what the lane's low half holds. */
void vector_trunc_f64_u(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg s = SCRATCH_VECTOR, d = p.d, k = temp_vector(c);
    vector_zero(c, s);
    emit_vector(c, V_MAXPD, d, p.a, s); /* of a NaN, the 0 */
    vector_const_64(c, k, 0x41EFFFFFFFE00000); /* UINT32_MAX */
    emit_vector(c, V_MINPD, d, d, k);
    vector_rr_imm(c, V_ROUNDPD, d, d, ROUND_TRUNC);
    vector_const_64(c, k, 0x4330000000000000); /* 2^52 */
    emit_vector(c, V_ADDPD, d, d, k);
    vector_rrr_imm(c, V_SHUFPS, d, d, s, 0x88);
    release(c, k, NO_REG);
    push_pair(c, p);
}

/* ---- From integers ---- */

/* The low and the high 16 bits are converted exactly, the latter halved to be no negative number;
 * only the last sum rounds. */
void vector_convert_f32_u(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg low = SCRATCH_VECTOR, d = p.d;
    vector_zero(c, low);
    vector_rrr_imm(c, V_PBLENDW, low, low, p.a, 0x55);
    emit_vector(c, V_PSUBD, d, p.a, low);
    vector_rr(c, V_CVTDQ2PS, false, low, low);
    vector_shift(c, V_PSRLD, d, d, 1);
    vector_rr(c, V_CVTDQ2PS, false, d, d);
    emit_vector(c, V_ADDPS, d, d, d);
    emit_vector(c, V_ADDPS, d, d, low);
    push_pair(c, p);
}

/* As the low half of 2^52, which is subtracted again. */
void vector_convert_f64_u(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    vector_const_64(c, SCRATCH_VECTOR, 0x4330000000000000);
    vector_rr(c, V_PMOVZXDQ, false, p.d, p.a);
    emit_vector(c, V_POR, p.d, p.d, SCRATCH_VECTOR);
    emit_vector(c, V_SUBPD, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}
