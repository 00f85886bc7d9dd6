/* Floating-point arithmetic (standard, 4.3.3).
 *
 * The processor computes as the standard asks: round to nearest, and NaNs that are quiet, and
 * canonical if those they come from are.  What moves bits (abs, neg, copysign) is bitwise logic.  A
 * comparison with a NaN sets ZF, PF and CF, so "above" and "above or equal" are false then, and all
 * orderings are brought to these two. */
#include "jit/x86_64/arithmetic.h"

/* The rows from op_f32_abs and op_f64_abs on. */
typedef enum FloatRow {
    FLOAT_ABS, FLOAT_NEG, FLOAT_CEIL, FLOAT_FLOOR, FLOAT_TRUNC, FLOAT_NEAREST, FLOAT_SQRT,
    FLOAT_ADD, FLOAT_SUB, FLOAT_MUL, FLOAT_DIV, FLOAT_MIN, FLOAT_MAX, FLOAT_COPYSIGN
} FloatRow;
_Static_assert(op_f32_abs + FLOAT_COPYSIGN == op_f32_copysign &&
               op_f64_abs + FLOAT_COPYSIGN == op_f64_copysign && op_f64_abs == op_f32_copysign + 1,
               "in the order of the table");

enum {
    X_ANDPS = OPC(0, 1, 0x54), X_ANDNPS = OPC(0, 1, 0x55), X_ORPS = OPC(0, 1, 0x56),
    X_PCMPEQD = OPC(0x66, 1, 0x76), X_ROUNDSS = OPC(0x66, 3, 0x0A), X_ROUNDSD = OPC(0x66, 3, 0x0B),
    X_UCOMISS = OPC(0, 1, 0x2E), X_UCOMISD = OPC(0x66, 1, 0x2E)
};

static Opcode scalar(bool is_double, uint32_t byte)
{
    return is_double ? OPC(0xF2, 1, byte) : OPC(0xF3, 1, byte);
}

/* ---- Bits ---- */

/* The sign bit, or all the others, in a vector register: no load, no way from an integer. */
static void emit_sign_mask(Compiler *c, bool is_double, Reg d, bool sign)
{
    asm_rr(&c->a, X_PCMPEQD, false, d, d);
    asm_dr(&c->a, is_double ? OPC(0x66, 1, 0x73) : OPC(0x66, 1, 0x72), false, sign ? 6 : 2, d);
    asm_8(&c->a, !sign ? 1 : is_double ? 63 : 31); /* shift left, or right by one */
}

static void change_sign(Compiler *c, FloatRow row, bool is_double)
{
    Kind k = float_kind(is_double);
    Reg a = pop_reg(c), d = dest(c, k, a);
    Reg mask = d == a ? SCRATCH_VECTOR : d;
    emit_sign_mask(c, is_double, mask, row == FLOAT_NEG);
    emit_vector(c, row == FLOAT_NEG ? X_XORPS : X_ANDPS, d, d, d == a ? mask : a);
    release(c, a, d);
    push_reg(c, k, d);
}

/* Whichever operand d may be, it is written when that is no longer needed. */
static void take_sign(Compiler *c, bool is_double)
{
    Kind k = float_kind(is_double);
    Reg sign = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, k, a);
    if (sign == a) {
        emit_move(c, k, d, a);
    } else if (d == a) {
        emit_sign_mask(c, is_double, SCRATCH_VECTOR, false);
        emit_vector(c, X_ANDPS, d, d, SCRATCH_VECTOR);
        emit_vector(c, X_ANDNPS, SCRATCH_VECTOR, SCRATCH_VECTOR, sign);
        emit_vector(c, X_ORPS, d, d, SCRATCH_VECTOR);
    } else {
        emit_sign_mask(c, is_double, SCRATCH_VECTOR, true);
        emit_vector(c, X_ANDPS, d, sign, SCRATCH_VECTOR);
        emit_vector(c, X_ANDNPS, SCRATCH_VECTOR, SCRATCH_VECTOR, a);
        emit_vector(c, X_ORPS, d, d, SCRATCH_VECTOR);
    }
    release(c, a, d);
    release(c, sign, d);
    push_reg(c, k, d);
}

/* ---- Arithmetic ---- */

static void arithmetic(Compiler *c, FloatRow row, bool is_double)
{
    static const uint8_t bytes[] = {0x58, 0x5C, 0x59, 0x5E}; /* add, sub, mul, div */
    Kind k = float_kind(is_double);
    Source b = pop_source(c);
    Reg a = pop_reg(c);
    bool commutes = row == FLOAT_ADD || row == FLOAT_MUL;
    bool either = commutes || has_cpu(c, CPU_AVX);
    Reg d = dest(c, k, is_owned(c, a) || !either ? a : b.reg);
    release(c, a, d);
    release(c, b.reg, d);
    if (commutes && d == b.reg) {
        b.reg = a;
        a = d;
    }
    emit_vector_source(c, scalar(is_double, bytes[row - FLOAT_ADD]), d, a, b);
    push_reg(c, k, d);
}

/* The processor's min and max take the second operand if the two are equal or unordered.  Equal
 * ones differ in the sign of zero at most: `or` finds the -0 that min prefers, `and` the +0 that
 * max does.  Adding makes the right NaN. */
static void extremum(Compiler *c, FloatRow row, bool is_double)
{
    Assembler *out = &c->a;
    Kind k = float_kind(is_double);
    bool is_min = row == FLOAT_MIN;
    Reg b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, k, is_owned(c, a) ? a : b);
    release(c, a, d);
    release(c, b, d);
    if (d == b) { /* in all three cases they may change places */
        b = a;
        a = d;
    }
    asm_rr(out, is_double ? X_UCOMISD : X_UCOMISS, false, a, b);
    uint32_t usual = asm_jcc_short(out, CC_NE), unordered = asm_jcc_short(out, CC_P);
    emit_vector(c, is_min ? X_ORPS : X_ANDPS, d, a, b);
    uint32_t done = asm_jmp_short(out);
    asm_land(out, unordered);
    emit_vector(c, scalar(is_double, 0x58), d, a, b);
    uint32_t done_too = asm_jmp_short(out);
    asm_land(out, usual);
    emit_vector(c, scalar(is_double, is_min ? 0x5D : 0x5F), d, a, b);
    asm_land(out, done);
    asm_land(out, done_too);
    push_reg(c, k, d);
}

static void unary(Compiler *c, FloatRow row, bool is_double)
{
    Kind k = float_kind(is_double);
    Reg a = pop_reg(c), d = dest(c, k, a);
    if (row == FLOAT_SQRT) {
        emit_scalar(c, scalar(is_double, 0x51), d, a);
    } else { /* the direction, and no exception for an inexact result */
        static const uint8_t direction[] = {8 | 2, 8 | 1, 8 | 3, 8 | 0};
        emit_scalar(c, is_double ? X_ROUNDSD : X_ROUNDSS, d, a);
        asm_8(&c->a, direction[row - FLOAT_CEIL]);
    }
    release(c, a, d);
    push_reg(c, k, d);
}

/* ---- Comparisons ---- */

enum { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_GT, COMPARE_LE, COMPARE_GE };

static void compare(Compiler *c, uint32_t row, bool is_double)
{
    static const uint8_t conditions[] = {CC_E_ORDERED, CC_NE_UNORDERED, CC_A, CC_A, CC_AE, CC_AE};
    Condition cc = (Condition)conditions[row];
    Source b;
    Reg a;
    if (row == COMPARE_LT || row == COMPARE_LE) { /* b > a, b >= a */
        a = pop_reg(c);
        b = pop_source(c);
    } else {
        b = pop_source(c);
        a = pop_reg(c);
    }
    if (a == b.reg && row <= COMPARE_NE) cc = row == COMPARE_EQ ? CC_NP : CC_P; /* itself: a NaN? */
    emit_rs(c, is_double ? X_UCOMISD : X_UCOMISS, false, a, b);
    release(c, a, NO_REG);
    release(c, b.reg, NO_REG);
    push_condition(c, cc);
}

/* ---- Rows ---- */

bool compile_float(Compiler *c, Op op)
{
    if (op >= op_f32_eq && op <= op_f64_ge) {
        bool is_double = op >= op_f64_eq;
        compare(c, (uint32_t)op - (is_double ? op_f64_eq : op_f32_eq), is_double);
        return true;
    }
    if (op < op_f32_abs || op > op_f64_copysign) return false;
    bool is_double = op >= op_f64_abs;
    FloatRow row = (FloatRow)(op - (is_double ? op_f64_abs : op_f32_abs));
    switch (row) {
    case FLOAT_ABS: case FLOAT_NEG: change_sign(c, row, is_double); break;
    case FLOAT_ADD: case FLOAT_SUB: case FLOAT_MUL: case FLOAT_DIV:
        arithmetic(c, row, is_double);
        break;
    case FLOAT_MIN: case FLOAT_MAX: extremum(c, row, is_double); break;
    case FLOAT_COPYSIGN: take_sign(c, is_double); break;
    default: unary(c, row, is_double); break;
    }
    return true;
}
