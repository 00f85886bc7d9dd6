/* Division and remainder (standard, 4.3.2), and the 128-bit product that shares their registers.
 *
 * The processor divides rdx:rax, slowly, and faults where the standard wants a trap or 0; so
 * divisors are checked first.  By a constant it is multiplication with a reciprocal: for n > 0 and
 * operands of `width` bits there is m below 2^width such that a / n is a * m or (a + 1) * m,
 * shifted right by width + shift.  (Granlund and Montgomery, "Division by invariant integers using
 * multiplication", 1994, sections 4 to 6; Robison, "N-bit unsigned division via N-bit
 * multiply-add", 2005, for the second form.) */
#include "jit/x86_64/arithmetic.h"
#include "vm/numeric.h"

static bool is_signed_row(IntRow row) { return row == INT_DIV_S || row == INT_REM_S; }
static bool is_remainder(IntRow row) { return row >= INT_REM_S; }

/* ---- By anything ---- */

/* Pops divisor and dividend: the latter is in rax, rdx is the template's. */
static Source pop_for_rax(Compiler *c, bool in_register)
{
    if (!is_in_reg(c, 1, RAX)) claim(c, RAX);
    if (!is_in_reg(c, 1, RDX)) claim(c, RDX);
    Source b = in_register ? source_reg(pop_reg(c)) : pop_source(c);
    pop_into(c, RAX);
    claim(c, RDX); /* where the dividend was, perhaps */
    return b;
}

static void emit_unary_source(Compiler *c, uint32_t digit, bool wide, Source s)
{
    if (s.reg != NO_REG) asm_dr(&c->a, X_UNARY, wide, digit, s.reg);
    else asm_dm(&c->a, X_UNARY, wide, digit, s.mem);
}

static void emit_divide_unsigned(Compiler *c, bool wide, Source b)
{
    if (b.reg != NO_REG) asm_rr(&c->a, X_TEST, wide, b.reg, b.reg);
    else asm_alu_mi(&c->a, ALU_CMP, wide, b.mem, 0);
    trap_if(c, CC_E, FNVM_TRAP_DIVIDE_BY_ZERO);
    asm_rr(&c->a, X_XOR, false, RDX, RDX);
    emit_unary_source(c, UNARY_DIV, wide, b);
}

/* One comparison sorts out 0 and -1. */
static void emit_divide_signed(Compiler *c, IntRow row, bool wide, Reg b)
{
    Assembler *a = &c->a;
    asm_rm(a, X_LEA, wide, SCRATCH, mem_at(b, 1));
    asm_alu_ri(a, ALU_CMP, wide, SCRATCH, 1);
    uint32_t usual = asm_jcc_short(a, CC_A);
    trap_if(c, CC_E, FNVM_TRAP_DIVIDE_BY_ZERO);
    if (row == INT_DIV_S) {
        asm_dr(a, X_UNARY, wide, UNARY_NEG, RAX);
        trap_if(c, CC_O, FNVM_TRAP_INTEGER_OVERFLOW);
    } else {
        asm_rr(a, X_XOR, false, RDX, RDX);
    }
    uint32_t done = asm_jmp_short(a);
    asm_land(a, usual);
    if (wide) asm_8(a, 0x48);
    asm_8(a, 0x99); /* cdq, cqo: the sign into rdx */
    asm_dr(a, X_UNARY, wide, UNARY_IDIV, b);
    asm_land(a, done);
}

static void divide(Compiler *c, IntRow row, bool wide)
{
    bool is_signed = is_signed_row(row);
    Source b = pop_for_rax(c, is_signed);
    if (is_signed) emit_divide_signed(c, row, wide, b.reg);
    else emit_divide_unsigned(c, wide, b);
    Reg d = is_remainder(row) ? RDX : RAX;
    release(c, b.reg, d);
    release(c, RAX, d);
    release(c, RDX, d);
    push_reg(c, int_kind(wide), d);
}

void emit_wide_product(Compiler *c, bool is_signed)
{
    Source b;
    if (is_in_reg(c, 0, RAX)) { /* either factor may be there */
        pop_reg(c);
        claim(c, RDX);
        b = pop_source(c);
    } else {
        b = pop_for_rax(c, false);
    }
    emit_unary_source(c, is_signed ? UNARY_IMUL : UNARY_MUL, true, b);
    release(c, b.reg, NO_REG);
}

/* ---- Signed, by a power of two ---- */

/* Rounding toward zero adds 2^shift - 1 to a negative dividend before the low bits go. */
static void divide_by_power(Compiler *c, IntRow row, bool wide, uint32_t shift, bool negative)
{
    Assembler *out = &c->a;
    bool remainder = is_remainder(row);
    Reg a = pop_reg(c), d = dest(c, int_kind(wide), a);
    Reg biased = remainder || d == a ? SCRATCH : d;
    asm_rm(out, X_LEA, wide, biased, mem_at(a, (int32_t)((UINT32_C(1) << shift) - 1)));
    asm_rr(out, X_TEST, wide, a, a);
    if (remainder) {
        asm_rr(out, X_CMOV + CC_NS, wide, biased, a);
        asm_alu_ri(out, ALU_AND, wide, biased, (int32_t)(UINT32_MAX << shift));
        emit_move(c, int_kind(wide), d, a);
        asm_rr(out, X_SUB, wide, d, biased);
    } else {
        if (d == a) asm_rr(out, X_CMOV + CC_S, wide, d, biased);
        else asm_rr(out, X_CMOV + CC_NS, wide, d, a);
        asm_shift_ri(out, SHIFT_SAR, wide, d, shift);
        if (negative) asm_dr(out, X_UNARY, wide, UNARY_NEG, d);
    }
    release(c, a, d);
    push_reg(c, int_kind(wide), d);
}

/* ---- By a reciprocal ---- */

typedef struct Reciprocal {
    uint64_t m;
    uint32_t shift;
    bool adds_one;      /* (a + 1) * m */
} Reciprocal;

/* For dividends below 2^precision, or down to -2^precision; n is at most 2^(width - 1), and a power
 * of two for signed rows only. */
static Reciprocal reciprocal(uint64_t n, uint32_t width, uint32_t precision)
{
    uint32_t log2 = n & (n - 1) ? 64 - (uint32_t)__builtin_clzll(n) : (uint32_t)__builtin_ctzll(n);
    NumWide power = (NumWide)1 << (width + log2);
    NumWide low = power / n, high = (power + ((NumWide)1 << (width + log2 - precision))) / n;
    uint32_t shift = log2;
    for (; low >> 1 < high >> 1 && shift > 0; shift--) low >>= 1, high >>= 1;
    if (high >> width == 0) return (Reciprocal){(uint64_t)high, shift, false};
    return (Reciprocal){(uint64_t)((power >> 1) / n), log2 - 1, true};
}

/* d <- a - q * n; the quotient's register is lost. */
static void emit_remainder(Compiler *c, bool wide, Reg d, Reg a, Reg q, uint64_t n)
{
    emit_multiply(c, wide, q, source_reg(q), n);
    emit_move(c, int_kind(wide), d, a);
    asm_rr(&c->a, X_SUB, wide, d, q);
}

/* q <- s * m in 64 bits, m < 2^32; `t` is lost if m is no immediate and q is s. */
static void emit_scale(Compiler *c, Reg q, Reg s, Reg t, uint64_t m)
{
    if (m <= INT32_MAX) {
        asm_rr(&c->a, OPC(0, 0, 0x69), true, q, s);
        asm_32(&c->a, (uint32_t)m);
        return;
    }
    if (q != s) t = q;
    asm_mov_ri(&c->a, t, m);
    asm_rr(&c->a, X_IMUL, true, q, q == s ? t : s);
}

/* Products of 32 bits have room in a register: an i32 is zero-extended already. */
static void emit_quotient_32(Compiler *c, bool is_signed, Reg q, Reg a, Reg t, uint64_t n)
{
    Assembler *out = &c->a;
    Reciprocal r = reciprocal(n, 32, is_signed ? 31 : 32);
    if (is_signed) {
        asm_rr(out, X_MOVSXD, true, q, a);
        emit_scale(c, q, q, t, r.m);
        asm_mov_rr(out, true, t, q); /* plus 1 if negative: toward zero */
        asm_shift_ri(out, SHIFT_SHR, true, t, 63);
        asm_shift_ri(out, SHIFT_SAR, true, q, 32 + r.shift);
        asm_rr(out, X_ADD, false, q, t);
        return;
    }
    if (r.adds_one) {
        asm_rm(out, X_LEA, true, q, mem_at(a, 1));
        a = q;
    }
    emit_scale(c, q, a, t, r.m);
    asm_shift_ri(out, SHIFT_SHR, true, q, 32 + r.shift);
}

static void divide_32(Compiler *c, IntRow row, uint64_t n, bool negative)
{
    bool remainder = is_remainder(row);
    Reg a = pop_reg(c), d = dest(c, KIND_I32, a);
    Reg t = remainder ? temp_int(c) : SCRATCH;
    emit_quotient_32(c, is_signed_row(row), remainder ? SCRATCH : d, a, t, n);
    if (remainder) {
        emit_remainder(c, false, d, a, SCRATCH, n);
        release(c, t, NO_REG);
    } else if (negative) {
        asm_dr(&c->a, X_UNARY, false, UNARY_NEG, d);
    }
    release(c, a, d);
    push_reg(c, KIND_I32, d);
}

/* rdx <- a / n; rax is lost. */
static void emit_quotient_64(Compiler *c, bool is_signed, Reg a, uint64_t n)
{
    Assembler *out = &c->a;
    Reciprocal r = reciprocal(n, 64, is_signed ? 63 : 64);
    if (r.adds_one) { /* a * m + m: a + 1 might not fit */
        asm_mov_ri(out, SCRATCH, r.m);
        asm_mov_rr(out, true, RAX, a);
        asm_dr(out, X_UNARY, true, UNARY_MUL, SCRATCH);
        asm_rr(out, X_ADD, true, RAX, SCRATCH);
        asm_alu_ri(out, ALU_ADC, true, RDX, 0);
    } else {
        asm_mov_ri(out, RAX, r.m);
        asm_dr(out, X_UNARY, true, is_signed ? UNARY_IMUL : UNARY_MUL, a);
    }
    if (!is_signed) {
        if (r.shift) asm_shift_ri(out, SHIFT_SHR, true, RDX, r.shift);
        return;
    }
    if (r.m >> 63) asm_rr(out, X_ADD, true, RDX, a); /* m was taken for m - 2^64 */
    if (r.shift) asm_shift_ri(out, SHIFT_SAR, true, RDX, r.shift);
    asm_mov_rr(out, true, RAX, a);
    asm_shift_ri(out, SHIFT_SHR, true, RAX, 63);
    asm_rr(out, X_ADD, true, RDX, RAX);
}

static void divide_64(Compiler *c, IntRow row, uint64_t n, bool negative)
{
    claim(c, RAX);
    claim(c, RDX);
    Reg a = pop_reg(c), d = RDX;
    emit_quotient_64(c, is_signed_row(row), a, n);
    if (is_remainder(row)) {
        d = dest(c, KIND_I64, a);
        emit_remainder(c, true, d, a, RDX, n);
    } else if (negative) {
        asm_dr(&c->a, X_UNARY, true, UNARY_NEG, RDX);
    }
    release(c, RAX, d);
    release(c, RDX, d);
    release(c, a, d);
    push_reg(c, KIND_I64, d);
}

/* ---- By a constant ---- */

/* The divisor is 1 or -1, of a signed row. */
static void divide_by_one(Compiler *c, IntRow row, bool wide, bool negative)
{
    if (is_remainder(row)) {
        drop_top(c);
        push_const(c, int_kind(wide), 0);
        return;
    }
    if (!negative) return;
    Source s = pop_source(c);
    Reg d = dest(c, int_kind(wide), s.reg);
    emit_load(c, wide, d, s);
    asm_dr(&c->a, X_UNARY, wide, UNARY_NEG, d);
    trap_if(c, CC_O, FNVM_TRAP_INTEGER_OVERFLOW);
    release(c, s.reg, d);
    push_reg(c, int_kind(wide), d);
}

void compile_division(Compiler *c, IntRow row, bool wide)
{
    uint64_t k = top_is_const(c, 0) ? top(c, 0)->bits : 0;
    bool is_signed = is_signed_row(row);
    if (k == 0 || (!is_signed && k >> 63)) {
        divide(c, row, wide);
        return;
    }
    drop_top(c);
    bool negative = is_signed && (wide ? k >> 63 : k >> 31 & 1);
    uint64_t n = !negative ? k : wide ? -k : (uint32_t)-k;
    if (n == 1) divide_by_one(c, row, wide, negative);
    else if (is_signed && (n & (n - 1)) == 0 && n <= UINT64_C(1) << 31)
        divide_by_power(c, row, wide, (uint32_t)__builtin_ctzll(n), negative);
    else if (wide) divide_64(c, row, n, negative);
    else divide_32(c, row, n, negative);
}
