/* Vector instructions on integer lanes that are more than one instruction of x86. */
#include "jit/x86_64/vector.h"

/* ---- Bits ---- */

void vector_not(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_ones(c, SCRATCH_VECTOR);
    emit_vector(c, row->op, p.d, p.a, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* ((a ^ b) & mask) ^ b */
void vector_bitselect(Compiler *c, const VectorRow *row)
{
    (void)row;
    Reg mask = pop_reg(c);
    Reg b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, KIND_V128, b);
    emit_vector(c, X_PXOR, SCRATCH_VECTOR, a, b);
    emit_vector(c, V_PAND, SCRATCH_VECTOR, SCRATCH_VECTOR, mask);
    vector_commuting(c, X_PXOR, d, SCRATCH_VECTOR, b);
    release(c, mask, d);
    release(c, b, d);
    release(c, a, d);
    push_reg(c, KIND_V128, d);
}

/* ---- Comparisons ---- */

/* The minimum or maximum (op) compared with a: op == a. */
void vector_compare_by(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    const Reg extreme = p.d == p.a ? SCRATCH_VECTOR : p.d;
    vector_commuting(c, row->op, extreme, p.a, p.b);
    vector_commuting(c, row->with & (NOT - 1), p.d, p.a, extreme);
    if (row->with & NOT) vector_invert(c, p.d);
    push_pair(c, p);
}

/* a > b without SSE4.2: the high halves are greater, or equal while b - a borrows for the low. */
static void greater_64(Compiler *c, Reg d, Reg a, Reg b)
{
    const Reg t = temp_vector(c);
    emit_vector(c, V_PSUBQ, SCRATCH_VECTOR, b, a);
    emit_vector(c, V_PCMPEQD, t, a, b);
    emit_vector(c, V_PAND, SCRATCH_VECTOR, SCRATCH_VECTOR, t);
    emit_vector(c, V_PCMPGTD, t, a, b);
    emit_vector(c, V_POR, t, t, SCRATCH_VECTOR);
    vector_rr_imm(c, V_PSHUFD, d, t, 0xF5);
    release(c, t, NO_REG);
}

void vector_compare_64(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    const bool swapped = row->with & SWAPPED;
    const Reg a = swapped ? p.b : p.a, b = swapped ? p.a : p.b;
    if (has_cpu(c, CPU_AVX)) emit_vector(c, row->op, p.d, a, b);
    else greater_64(c, p.d, a, b);
    if (row->with & NOT) vector_invert(c, p.d);
    push_pair(c, p);
}

/* ---- Arithmetic ---- */

void vector_negate(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_zero(c, SCRATCH_VECTOR);
    vector_scratch_op(c, row->op, p.d, p.a);
    push_pair(c, p);
}

/* (a ^ sign) - sign */
void vector_abs_64(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    const Reg sign = SCRATCH_VECTOR;
    vector_rr_imm(c, V_PSHUFD, sign, p.a, 0xF5);
    vector_shift(c, V_PSRAD, sign, sign, 31);
    emit_vector(c, X_PXOR, p.d, p.a, sign);
    emit_vector(c, V_PSUBQ, p.d, p.d, sign);
    push_pair(c, p);
}

/* low * low + ((high a * low b + high b * low a) << 32) */
void vector_mul_64(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_pair(c);
    const Reg s = SCRATCH_VECTOR, t = temp_vector(c);
    vector_shift(c, V_PSRLQ, s, p.a, 32);
    emit_vector(c, V_PMULUDQ, s, s, p.b);
    vector_shift(c, V_PSRLQ, t, p.b, 32);
    emit_vector(c, V_PMULUDQ, t, t, p.a);
    emit_vector(c, V_PADDQ, s, s, t);
    vector_shift(c, V_PSLLQ, s, s, 32);
    vector_commuting(c, V_PMULUDQ, p.d, p.a, p.b);
    emit_vector(c, V_PADDQ, p.d, p.d, s);
    release(c, t, NO_REG);
    push_pair(c, p);
}

/* pmulhrsw, which does not saturate: only -1 by -1 gives 0x8000, whose bits are inverted. */
void vector_q15mulr(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    vector_commuting(c, row->op, p.d, p.a, p.b);
    vector_const_32(c, SCRATCH_VECTOR, 0x80008000);
    emit_vector(c, V_PCMPEQW, SCRATCH_VECTOR, SCRATCH_VECTOR, p.d);
    emit_vector(c, X_PXOR, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* The sum of what a table has for either nibble. */
void vector_popcnt(Compiler *c, const VectorRow *row)
{
    (void)row;
    static const uint8_t bits[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    Pair p = pop_single(c);
    const Reg table = temp_vector(c), high = temp_vector(c);
    emit_v128_const(c, table, bits);
    vector_const_32(c, SCRATCH_VECTOR, 0x0F0F0F0F);
    vector_shift(c, V_PSRLW, high, p.a, 4);
    emit_vector(c, V_PAND, high, high, SCRATCH_VECTOR);
    emit_vector(c, V_PAND, p.d, p.a, SCRATCH_VECTOR);
    emit_vector(c, V_PSHUFB, SCRATCH_VECTOR, table, p.d);
    emit_vector(c, V_PSHUFB, p.d, table, high);
    emit_vector(c, V_PADDB, p.d, p.d, SCRATCH_VECTOR);
    release(c, table, NO_REG);
    release(c, high, NO_REG);
    push_pair(c, p);
}

/* ---- Shifts ---- */

/* What a shift pops: the count, a constant or a Source, then the vector. */
typedef struct Shift { Pair p; bool is_const; uint64_t n; Source count; } Shift;

static Shift pop_shift(Compiler *c, uint32_t width)
{
    Shift s = {.count = {.reg = NO_REG}};
    s.is_const = pop_const(c, &s.n);
    s.n &= width - 1;
    if (!s.is_const) s.count = pop_source(c);
    s.p = pop_single(c);
    return s;
}

/* Nothing to do: the constant is 0. */
static bool no_shift(Compiler *c, const Shift *s)
{
    if (!s->is_const || s->n) return false;
    emit_move(c, KIND_V128, s->p.d, s->p.a);
    push_pair(c, s->p);
    return true;
}

void vector_shift_words(Compiler *c, const VectorRow *row)
{
    const uint32_t width = shift_width(row->op);
    Shift s = pop_shift(c, width);
    if (no_shift(c, &s)) return;
    if (s.is_const) {
        vector_shift(c, row->op, s.p.d, s.p.a, (uint32_t)s.n);
    } else {
        vector_count(c, s.count, width, 0);
        emit_vector(c, row->op, s.p.d, s.p.a, SCRATCH_VECTOR);
    }
    push_pair(c, s.p);
}

/* shl, shr_u: words shifted, and what came from the other byte of the word masked off. */
void vector_shift_bytes(Compiler *c, const VectorRow *row)
{
    const bool is_left = row->op == V_PSLLW;
    Shift s = pop_shift(c, 8);
    const Reg a = s.p.a, d = s.p.d;
    if (no_shift(c, &s)) return;
    if (s.is_const && is_left && s.n == 1) {
        emit_vector(c, V_PADDB, d, a, a);
    } else if (s.is_const) {
        uint32_t mask = (is_left ? 0xFFu << s.n : 0xFFu >> s.n) & 0xFF;
        vector_const_32(c, SCRATCH_VECTOR, mask * 0x01010101);
        vector_shift(c, row->op, d, a, (uint32_t)s.n);
        emit_vector(c, V_PAND, d, d, SCRATCH_VECTOR);
    } else { /* the mask is the low (high) byte of a word of ones so shifted, everywhere */
        const Reg mask = temp_vector(c);
        vector_count(c, s.count, 8, 0);
        emit_vector(c, row->op, d, a, SCRATCH_VECTOR);
        vector_ones(c, mask);
        emit_vector(c, row->op, mask, mask, SCRATCH_VECTOR);
        if (!is_left) vector_shift(c, V_PSRLW, mask, mask, 8);
        vector_zero(c, SCRATCH_VECTOR);
        emit_vector(c, V_PSHUFB, mask, mask, SCRATCH_VECTOR);
        emit_vector(c, V_PAND, d, d, mask);
        release(c, mask, NO_REG);
    }
    push_pair(c, s.p);
}

/* shr_s: each byte doubled to a word, shifted by 8 more, packed again. */
void vector_shift_bytes_signed(Compiler *c, const VectorRow *row)
{
    Shift s = pop_shift(c, 8);
    const Reg a = s.p.a, d = s.p.d;
    if (no_shift(c, &s)) return;
    const Reg high = temp_vector(c);
    if (!s.is_const) vector_count(c, s.count, 8, 8);
    emit_vector(c, V_PUNPCKHBW, high, a, a);
    emit_vector(c, V_PUNPCKLBW, d, a, a);
    if (s.is_const) {
        vector_shift(c, row->op, high, high, (uint32_t)s.n + 8);
        vector_shift(c, row->op, d, d, (uint32_t)s.n + 8);
    } else {
        emit_vector(c, row->op, high, high, SCRATCH_VECTOR);
        emit_vector(c, row->op, d, d, SCRATCH_VECTOR);
    }
    emit_vector(c, V_PACKSSWB, d, d, high);
    release(c, high, NO_REG);
    push_pair(c, s.p);
}

/* By n: halves shifted by psrad and put together. */
static void shift_64_signed_const(Compiler *c, Reg d, Reg a, uint32_t n)
{
    const Reg s = SCRATCH_VECTOR;
    if (n < 32) {
        vector_shift(c, V_PSRAD, s, a, n);
        vector_shift(c, V_PSRLQ, d, a, n);
        vector_rrr_imm(c, V_PBLENDW, d, d, s, 0xCC);
        return;
    }
    vector_rr_imm(c, V_PSHUFD, s, a, 0xF5);
    vector_shift(c, V_PSRAD, d, s, n - 32);
    if (n == 63) return;
    vector_shift(c, V_PSRAD, s, s, 31);
    vector_rrr_imm(c, V_PBLENDW, d, d, s, 0xCC);
}

/* There is no psraq: ((a >>u n) ^ bit) - bit extends the sign, which the shift brings to `bit`. */
void vector_shift_64_signed(Compiler *c, const VectorRow *row)
{
    (void)row;
    Shift s = pop_shift(c, 64);
    if (no_shift(c, &s)) return;
    if (s.is_const) {
        shift_64_signed_const(c, s.p.d, s.p.a, (uint32_t)s.n);
    } else {
        const Reg bit = temp_vector(c);
        vector_count(c, s.count, 64, 0);
        vector_ones(c, bit);
        vector_shift(c, V_PSLLQ, bit, bit, 63);
        emit_vector(c, V_PSRLQ, bit, bit, SCRATCH_VECTOR);
        emit_vector(c, V_PSRLQ, s.p.d, s.p.a, SCRATCH_VECTOR);
        emit_vector(c, X_PXOR, s.p.d, s.p.d, bit);
        emit_vector(c, V_PSUBQ, s.p.d, s.p.d, bit);
        release(c, bit, NO_REG);
    }
    push_pair(c, s.p);
}

/* ---- Wider lanes ---- */

/* The upper half extended; with: op interleaves with zeroes, else it extends the lower half. */
void vector_extend_high(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    if (row->with) {
        vector_zero(c, SCRATCH_VECTOR);
        emit_vector(c, row->op, p.d, p.a, SCRATCH_VECTOR);
    } else {
        vector_rr_imm(c, V_PSHUFD, p.d, p.a, 0xEE);
        vector_rr(c, row->op, false, p.d, p.d);
    }
    push_pair(c, p);
}

/* d <- bytes of a extended by op, of its upper half if is_high */
static void extend_bytes(Compiler *c, Opcode op, bool is_high, Reg d, Reg a)
{
    if (is_high) vector_rr_imm(c, V_PSHUFD, d, a, 0xEE);
    vector_rr(c, op, false, d, is_high ? d : a);
}

void vector_extmul_8(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    extend_bytes(c, row->op, row->with, SCRATCH_VECTOR, p.b);
    extend_bytes(c, row->op, row->with, p.d, p.a);
    emit_vector(c, V_PMULLW, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* The high words of products (op) interleaved with the low ones (with). */
void vector_extmul_16(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    emit_vector(c, row->op, SCRATCH_VECTOR, p.a, p.b);
    vector_commuting(c, V_PMULLW, p.d, p.a, p.b);
    emit_vector(c, row->with, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}

void vector_extmul_32(Compiler *c, const VectorRow *row)
{
    Pair p = pop_pair(c);
    vector_rr_imm(c, V_PSHUFD, SCRATCH_VECTOR, p.b, row->with);
    vector_rr_imm(c, V_PSHUFD, p.d, p.a, row->with);
    emit_vector(c, row->op, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* pmaddubsw multiplies unsigned bytes of its first operand with signed ones of the second and adds
 * pairs: here with ones. */
void vector_extadd_signed_8(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_const_32(c, SCRATCH_VECTOR, 0x01010101);
    vector_scratch_op(c, row->op, p.d, p.a);
    push_pair(c, p);
}

void vector_extadd_unsigned_8(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_const_32(c, SCRATCH_VECTOR, 0x01010101);
    emit_vector(c, row->op, p.d, p.a, SCRATCH_VECTOR);
    push_pair(c, p);
}

void vector_extadd_signed_16(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_const_32(c, SCRATCH_VECTOR, 0x00010001);
    emit_vector(c, row->op, p.d, p.a, SCRATCH_VECTOR);
    push_pair(c, p);
}

void vector_extadd_unsigned_16(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_single(c);
    vector_zero(c, SCRATCH_VECTOR);
    vector_rrr_imm(c, V_PBLENDW, SCRATCH_VECTOR, SCRATCH_VECTOR, p.a, 0x55);
    vector_shift(c, V_PSRLD, p.d, p.a, 16);
    emit_vector(c, V_PADDD, p.d, p.d, SCRATCH_VECTOR);
    push_pair(c, p);
}

/* d <- products of signed bytes, added in pairs and saturated to 16 bits.  The even bytes, shifted
 * to the top of their words, multiply to the high word of the product. */
static void dot_8(Compiler *c, Reg d, Reg a, Reg b)
{
    const Reg s = SCRATCH_VECTOR, even = temp_vector(c);
    vector_shift(c, V_PSLLW, s, a, 8);
    vector_shift(c, V_PSLLW, even, b, 8);
    emit_vector(c, V_PMULHW, even, even, s);
    vector_shift(c, V_PSRAW, s, b, 8);
    vector_shift(c, V_PSRAW, d, a, 8);
    emit_vector(c, V_PMULLW, d, d, s);
    emit_vector(c, V_PADDSW, d, d, even);
    release(c, even, NO_REG);
}

void vector_dot_8(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_pair(c);
    dot_8(c, p.d, p.a, p.b);
    push_pair(c, p);
}

void vector_dot_add_8(Compiler *c, const VectorRow *row)
{
    (void)row;
    Reg addend = pop_reg(c), b = pop_reg(c), a = pop_reg(c);
    Reg d = dest(c, KIND_V128, addend);
    const Reg dot = temp_vector(c);
    dot_8(c, dot, a, b);
    vector_const_32(c, SCRATCH_VECTOR, 0x00010001);
    emit_vector(c, V_PMADDWD, dot, dot, SCRATCH_VECTOR);
    vector_commuting(c, V_PADDD, d, dot, addend);
    release(c, dot, NO_REG);
    release(c, addend, d);
    release(c, b, d);
    release(c, a, d);
    push_reg(c, KIND_V128, d);
}
