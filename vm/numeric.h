/* numeric.h - the arithmetic of the scalar instructions (standard, 4.3.2 to 4.3.4).
 *
 * Every row of loader/instructions.def with a scalar signature has its meaning here, as a pure
 * inline function num_<ident> over C types: i uint32_t, I uint64_t, f float, F double; booleans
 * are uint32_t 0 or 1.  Operands come in the order of the stack, so num_i32_sub(a, b) is a - b.
 *
 *   plain      R num_<ident>(operands)
 *   trapping   fnvm_trap num_<ident>(operands, R *out); *out is written only on FNVM_TRAP_NONE.
 *              NUMERIC_TRAPPING lists them; TRAPPING_<ident> is a comma for each, see below.
 *   two results (wide arithmetic)  void num_<ident>(operands, uint64_t *lo, uint64_t *hi)
 *   loads      R num_<ident>(const uint8_t *p)          p of any alignment, already checked
 *   stores     void num_<ident>(uint8_t *p, operand)
 *
 * NaNs (4.3.3): an operation that computes returns a quiet NaN, and a canonical one when its NaN
 * operands are canonical; abs, neg, copysign, loads, stores and reinterpretations move bits and
 * keep a signalling NaN as it is.  The functions rely on round-to-nearest, on IEEE evaluation
 * without excess precision, and on the compiler's two's complement and arithmetic right shift.
 * Operands are values met at run time: given a constant, a compiler may take a * 1 or a - 0 for a
 * and leave a signalling NaN as it is.
 */
#ifndef FNVM_VM_NUMERIC_H
#define FNVM_VM_NUMERIC_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#include "fnvm.h"

_Static_assert(FLT_EVAL_METHOD == 0, "floats are evaluated in their own precision");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "memory is accessed as it lies");
#ifdef __FAST_MATH__
#error "the standard's arithmetic does not survive -ffast-math"
#endif

/* The generators of this file; they end with it. */
#define NUM_UNARY(R, ident, T, expr) static inline R num_##ident(T a) { return (R)(expr); }
#define NUM_BINARY(R, ident, T, expr) static inline R num_##ident(T a, T b) { return (R)(expr); }

static inline void num_nop(void)
{
}

/* ---- Integers (4.3.2) ------------------------------------------------------------------------ */

/* i32 and i64 differ in width alone: U and S are the unsigned and signed type, suffix selects
 * the compiler's builtins.  Shift and rotation counts are taken modulo the width. */
#define NUM_INTEGER(t, U, S, bits, suffix)                                                      \
    NUM_UNARY(uint32_t, t##_eqz, U, a == 0)                                                     \
    NUM_BINARY(uint32_t, t##_eq, U, a == b)                                                     \
    NUM_BINARY(uint32_t, t##_ne, U, a != b)                                                     \
    NUM_BINARY(uint32_t, t##_lt_s, U, (S)a < (S)b)                                              \
    NUM_BINARY(uint32_t, t##_lt_u, U, a < b)                                                    \
    NUM_BINARY(uint32_t, t##_gt_s, U, (S)a > (S)b)                                              \
    NUM_BINARY(uint32_t, t##_gt_u, U, a > b)                                                    \
    NUM_BINARY(uint32_t, t##_le_s, U, (S)a <= (S)b)                                             \
    NUM_BINARY(uint32_t, t##_le_u, U, a <= b)                                                   \
    NUM_BINARY(uint32_t, t##_ge_s, U, (S)a >= (S)b)                                             \
    NUM_BINARY(uint32_t, t##_ge_u, U, a >= b)                                                   \
    NUM_UNARY(U, t##_clz, U, a == 0 ? bits : __builtin_clz##suffix(a))                          \
    NUM_UNARY(U, t##_ctz, U, a == 0 ? bits : __builtin_ctz##suffix(a))                          \
    NUM_UNARY(U, t##_popcnt, U, __builtin_popcount##suffix(a))                                  \
    NUM_BINARY(U, t##_add, U, a + b)                                                            \
    NUM_BINARY(U, t##_sub, U, a - b)                                                            \
    NUM_BINARY(U, t##_mul, U, a * b)                                                            \
    NUM_BINARY(U, t##_and, U, a & b)                                                            \
    NUM_BINARY(U, t##_or, U, a | b)                                                             \
    NUM_BINARY(U, t##_xor, U, a ^ b)                                                            \
    NUM_BINARY(U, t##_shl, U, a << (b % bits))                                                  \
    NUM_BINARY(U, t##_shr_s, U, (S)a >> (b % bits))                                             \
    NUM_BINARY(U, t##_shr_u, U, a >> (b % bits))                                                \
    NUM_BINARY(U, t##_rotl, U, a << (b % bits) | a >> (-b % bits))                              \
    NUM_BINARY(U, t##_rotr, U, a >> (b % bits) | a << (-b % bits))                              \
    NUM_UNARY(U, t##_extend8_s, U, (int8_t)a)                                                   \
    NUM_UNARY(U, t##_extend16_s, U, (int16_t)a)

NUM_INTEGER(i32, uint32_t, int32_t, 32, )
NUM_INTEGER(i64, uint64_t, int64_t, 64, ll)

NUM_UNARY(uint64_t, i64_extend32_s, uint64_t, (int32_t)a)
NUM_UNARY(uint64_t, i64_extend_i32_s, uint32_t, (int32_t)a)
NUM_UNARY(uint64_t, i64_extend_i32_u, uint32_t, a)
NUM_UNARY(uint32_t, i32_wrap_i64, uint64_t, a)

/* Division.  The most negative number by -1 has no quotient, but its remainder is 0; the
 * processor's instruction would fault on both. */
#define NUM_DIVISION(t, U, S, MIN)                                                              \
    static inline fnvm_trap num_##t##_div_s(U a, U b, U *out)                                   \
    {                                                                                           \
        if (b == 0)                                                                             \
            return FNVM_TRAP_DIVIDE_BY_ZERO;                                                    \
        if ((S)b == -1 && (S)a == MIN)                                                          \
            return FNVM_TRAP_INTEGER_OVERFLOW;                                                  \
        *out = (U)((S)a / (S)b);                                                                \
        return FNVM_TRAP_NONE;                                                                  \
    }                                                                                           \
    static inline fnvm_trap num_##t##_div_u(U a, U b, U *out)                                   \
    {                                                                                           \
        if (b == 0)                                                                             \
            return FNVM_TRAP_DIVIDE_BY_ZERO;                                                    \
        *out = a / b;                                                                           \
        return FNVM_TRAP_NONE;                                                                  \
    }                                                                                           \
    static inline fnvm_trap num_##t##_rem_s(U a, U b, U *out)                                   \
    {                                                                                           \
        if (b == 0)                                                                             \
            return FNVM_TRAP_DIVIDE_BY_ZERO;                                                    \
        *out = (S)b == -1 ? 0 : (U)((S)a % (S)b);                                               \
        return FNVM_TRAP_NONE;                                                                  \
    }                                                                                           \
    static inline fnvm_trap num_##t##_rem_u(U a, U b, U *out)                                   \
    {                                                                                           \
        if (b == 0)                                                                             \
            return FNVM_TRAP_DIVIDE_BY_ZERO;                                                    \
        *out = a % b;                                                                           \
        return FNVM_TRAP_NONE;                                                                  \
    }

NUM_DIVISION(i32, uint32_t, int32_t, INT32_MIN)
NUM_DIVISION(i64, uint64_t, int64_t, INT64_MIN)

/* Wide arithmetic: 128-bit numbers as two halves, the low one first. */
__extension__ typedef unsigned __int128 NumWide;
__extension__ typedef __int128 NumWideSigned;

static inline void num_wide_split(NumWide x, uint64_t *lo, uint64_t *hi)
{
    *lo = (uint64_t)x;
    *hi = (uint64_t)(x >> 64);
}

static inline void num_i64_add128(uint64_t alo, uint64_t ahi, uint64_t blo, uint64_t bhi,
                                  uint64_t *lo, uint64_t *hi)
{
    num_wide_split(((NumWide)ahi << 64 | alo) + ((NumWide)bhi << 64 | blo), lo, hi);
}

static inline void num_i64_sub128(uint64_t alo, uint64_t ahi, uint64_t blo, uint64_t bhi,
                                  uint64_t *lo, uint64_t *hi)
{
    num_wide_split(((NumWide)ahi << 64 | alo) - ((NumWide)bhi << 64 | blo), lo, hi);
}

static inline void num_i64_mul_wide_s(uint64_t a, uint64_t b, uint64_t *lo, uint64_t *hi)
{
    num_wide_split((NumWide)((NumWideSigned)(int64_t)a * (int64_t)b), lo, hi);
}

static inline void num_i64_mul_wide_u(uint64_t a, uint64_t b, uint64_t *lo, uint64_t *hi)
{
    num_wide_split((NumWide)a * b, lo, hi);
}

/* ---- Floats (4.3.3) -------------------------------------------------------------------------- */

#define NUM_REINTERPRET(R, ident, T)                                                            \
    static inline R num_##ident(T a)                                                            \
    {                                                                                           \
        R r;                                                                                    \
        _Static_assert(sizeof r == sizeof a, "bits are kept");                                  \
        memcpy(&r, &a, sizeof r);                                                               \
        return r;                                                                               \
    }

NUM_REINTERPRET(uint32_t, i32_reinterpret_f32, float)
NUM_REINTERPRET(uint64_t, i64_reinterpret_f64, double)
NUM_REINTERPRET(float, f32_reinterpret_i32, uint32_t)
NUM_REINTERPRET(double, f64_reinterpret_i64, uint64_t)

/* f32 and f64 differ in width alone.  SIGN is the sign bit; BITS and FLOAT cast without changing
 * a bit.  INTEGRAL is the power of two from which on every number is an integer; below it S holds
 * any of them.  The rounding functions are written out because the processor's instruction for
 * them is not in the x86-64 baseline, and a call of the C library costs more than they do; their
 * results keep the operand's sign, so -0.2 rounds to -0.
 *
 * `a + a` and `a + b` quiet a NaN; `a < b ? a : b` and the rest copy bits.  In min and max,
 * operands that compare equal differ at most in the sign of zero, where OR finds the -0 that min
 * prefers and AND the +0 that max does. */
#define NUM_FLOAT(t, T, U, S, suffix, SIGN, INTEGRAL, BITS, FLOAT)                              \
    NUM_BINARY(uint32_t, t##_eq, T, a == b)                                                     \
    NUM_BINARY(uint32_t, t##_ne, T, a != b)                                                     \
    NUM_BINARY(uint32_t, t##_lt, T, a < b)                                                      \
    NUM_BINARY(uint32_t, t##_gt, T, a > b)                                                      \
    NUM_BINARY(uint32_t, t##_le, T, a <= b)                                                     \
    NUM_BINARY(uint32_t, t##_ge, T, a >= b)                                                     \
    NUM_UNARY(T, t##_abs, T, FLOAT(BITS(a) & ~SIGN))                                            \
    NUM_UNARY(T, t##_neg, T, FLOAT(BITS(a) ^ SIGN))                                             \
    NUM_BINARY(T, t##_copysign, T, FLOAT((BITS(a) & ~SIGN) | (BITS(b) & SIGN)))                 \
    NUM_BINARY(T, t##_add, T, a + b)                                                            \
    NUM_BINARY(T, t##_sub, T, a - b)                                                            \
    NUM_BINARY(T, t##_mul, T, a * b)                                                            \
    NUM_BINARY(T, t##_div, T, a / b)                                                            \
    NUM_UNARY(T, t##_sqrt, T, __builtin_sqrt##suffix(a))                                        \
    static inline T num_##t##_min(T a, T b)                                                     \
    {                                                                                           \
        if (a != a || b != b)                                                                   \
            return a + b;                                                                       \
        if (a == b)                                                                             \
            return FLOAT(BITS(a) | BITS(b));                                                    \
        return a < b ? a : b;                                                                   \
    }                                                                                           \
    static inline T num_##t##_max(T a, T b)                                                     \
    {                                                                                           \
        if (a != a || b != b)                                                                   \
            return a + b;                                                                       \
        if (a == b)                                                                             \
            return FLOAT(BITS(a) & BITS(b));                                                    \
        return a > b ? a : b;                                                                   \
    }                                                                                           \
    static inline T num_##t##_trunc(T a)                                                        \
    {                                                                                           \
        if (!(num_##t##_abs(a) < INTEGRAL))                                                     \
            return a != a ? a + a : a;                                                          \
        return num_##t##_copysign((T)(S)a, a);                                                  \
    }                                                                                           \
    static inline T num_##t##_floor(T a)                                                        \
    {                                                                                           \
        T whole = num_##t##_trunc(a);                                                           \
        return whole > a ? whole - 1 : whole;                                                   \
    }                                                                                           \
    static inline T num_##t##_ceil(T a)                                                         \
    {                                                                                           \
        T whole = num_##t##_trunc(a);                                                           \
        return whole < a ? whole + 1 : whole;                                                   \
    }                                                                                           \
    static inline T num_##t##_nearest(T a)                                                      \
    {                                                                                           \
        T magnitude = num_##t##_abs(a);                                                         \
        if (!(magnitude < INTEGRAL))                                                            \
            return a != a ? a + a : a;                                                          \
        /* The sum has no room for a fraction: the addition rounds it, ties to even. */         \
        return num_##t##_copysign((magnitude + INTEGRAL) - INTEGRAL, a);                        \
    }

NUM_FLOAT(f32, float, uint32_t, int32_t, f, UINT32_C(0x80000000), 0x1p23f,
          num_i32_reinterpret_f32, num_f32_reinterpret_i32)
NUM_FLOAT(f64, double, uint64_t, int64_t, , UINT64_C(0x8000000000000000), 0x1p52,
          num_i64_reinterpret_f64, num_f64_reinterpret_i64)

NUM_UNARY(float, f32_demote_f64, double, a)
NUM_UNARY(double, f64_promote_f32, float, a)

/* ---- Conversions (4.3.4) --------------------------------------------------------------------- */

NUM_UNARY(float, f32_convert_i32_s, uint32_t, (int32_t)a)
NUM_UNARY(float, f32_convert_i32_u, uint32_t, a)
NUM_UNARY(float, f32_convert_i64_s, uint64_t, (int64_t)a)
NUM_UNARY(float, f32_convert_i64_u, uint64_t, a)
NUM_UNARY(double, f64_convert_i32_s, uint32_t, (int32_t)a)
NUM_UNARY(double, f64_convert_i32_u, uint32_t, a)
NUM_UNARY(double, f64_convert_i64_s, uint64_t, (int64_t)a)
NUM_UNARY(double, f64_convert_i64_u, uint64_t, a)

/* to_from_sign: truncation to C type I, which has the range MIN..MAX.  BELOW is the greatest
 * number of the source type that is too small, ABOVE the least that is too great: where the
 * source is wide enough for MIN - 1 it stands as that, else as the neighbour of MIN. */
#define NUM_TRUNCATION(to, from, sign, R, T, I, MIN, MAX, BELOW, ABOVE)                         \
    static inline fnvm_trap num_##to##_trunc_##from##_##sign(T a, R *out)                       \
    {                                                                                           \
        if (a != a)                                                                             \
            return FNVM_TRAP_INVALID_CONVERSION;                                                \
        if (a <= BELOW || a >= ABOVE)                                                           \
            return FNVM_TRAP_INTEGER_OVERFLOW;                                                  \
        *out = (R)(I)a;                                                                         \
        return FNVM_TRAP_NONE;                                                                  \
    }                                                                                           \
    static inline R num_##to##_trunc_sat_##from##_##sign(T a)                                   \
    {                                                                                           \
        if (a != a)                                                                             \
            return 0;                                                                           \
        if (a <= BELOW)                                                                         \
            return (R)MIN;                                                                      \
        if (a >= ABOVE)                                                                         \
            return (R)MAX;                                                                      \
        return (R)(I)a;                                                                         \
    }

NUM_TRUNCATION(i32, f32, s, uint32_t, float, int32_t, INT32_MIN, INT32_MAX,
               -0x1.000002p31f, 0x1p31f)
NUM_TRUNCATION(i32, f32, u, uint32_t, float, uint32_t, 0, UINT32_MAX, -1.0f, 0x1p32f)
NUM_TRUNCATION(i32, f64, s, uint32_t, double, int32_t, INT32_MIN, INT32_MAX,
               -2147483649.0, 0x1p31)
NUM_TRUNCATION(i32, f64, u, uint32_t, double, uint32_t, 0, UINT32_MAX, -1.0, 0x1p32)
NUM_TRUNCATION(i64, f32, s, uint64_t, float, int64_t, INT64_MIN, INT64_MAX,
               -0x1.000002p63f, 0x1p63f)
NUM_TRUNCATION(i64, f32, u, uint64_t, float, uint64_t, 0, UINT64_MAX, -1.0f, 0x1p64f)
NUM_TRUNCATION(i64, f64, s, uint64_t, double, int64_t, INT64_MIN, INT64_MAX,
               -0x1.0000000000001p63, 0x1p63)
NUM_TRUNCATION(i64, f64, u, uint64_t, double, uint64_t, 0, UINT64_MAX, -1.0, 0x1p64)

/* ---- Memory ---------------------------------------------------------------------------------- */

/* M is the type as it lies in memory; a signed one extends the sign. */
#define NUM_LOAD(R, ident, M)                                                                   \
    static inline R num_##ident(const uint8_t *p)                                               \
    {                                                                                           \
        M stored;                                                                               \
        memcpy(&stored, p, sizeof stored);                                                      \
        return (R)stored;                                                                       \
    }
#define NUM_STORE(ident, T, M)                                                                  \
    static inline void num_##ident(uint8_t *p, T a)                                             \
    {                                                                                           \
        M stored = (M)a;                                                                        \
        memcpy(p, &stored, sizeof stored);                                                      \
    }

NUM_LOAD(uint32_t, i32_load, uint32_t)
NUM_LOAD(uint64_t, i64_load, uint64_t)
NUM_LOAD(float, f32_load, float)
NUM_LOAD(double, f64_load, double)
NUM_LOAD(uint32_t, i32_load8_s, int8_t)
NUM_LOAD(uint32_t, i32_load8_u, uint8_t)
NUM_LOAD(uint32_t, i32_load16_s, int16_t)
NUM_LOAD(uint32_t, i32_load16_u, uint16_t)
NUM_LOAD(uint64_t, i64_load8_s, int8_t)
NUM_LOAD(uint64_t, i64_load8_u, uint8_t)
NUM_LOAD(uint64_t, i64_load16_s, int16_t)
NUM_LOAD(uint64_t, i64_load16_u, uint16_t)
NUM_LOAD(uint64_t, i64_load32_s, int32_t)
NUM_LOAD(uint64_t, i64_load32_u, uint32_t)

NUM_STORE(i32_store, uint32_t, uint32_t)
NUM_STORE(i64_store, uint64_t, uint64_t)
NUM_STORE(f32_store, float, float)
NUM_STORE(f64_store, double, double)
NUM_STORE(i32_store8, uint32_t, uint8_t)
NUM_STORE(i32_store16, uint32_t, uint16_t)
NUM_STORE(i64_store8, uint64_t, uint8_t)
NUM_STORE(i64_store16, uint64_t, uint16_t)
NUM_STORE(i64_store32, uint64_t, uint32_t)

#undef NUM_UNARY
#undef NUM_BINARY
#undef NUM_INTEGER
#undef NUM_DIVISION
#undef NUM_REINTERPRET
#undef NUM_FLOAT
#undef NUM_TRUNCATION
#undef NUM_LOAD
#undef NUM_STORE

/* ---- Which of them trap ---------------------------------------------------------------------- */

/* X(ident, sig) for every trapping instruction. */
#define NUMERIC_TRAPPING(X)                                                                     \
    X(i32_div_s, ii_i) X(i32_div_u, ii_i) X(i32_rem_s, ii_i) X(i32_rem_u, ii_i)                 \
    X(i64_div_s, II_I) X(i64_div_u, II_I) X(i64_rem_s, II_I) X(i64_rem_u, II_I)                 \
    X(i32_trunc_f32_s, f_i) X(i32_trunc_f32_u, f_i)                                             \
    X(i32_trunc_f64_s, F_i) X(i32_trunc_f64_u, F_i)                                             \
    X(i64_trunc_f32_s, f_I) X(i64_trunc_f32_u, f_I)                                             \
    X(i64_trunc_f64_s, F_I) X(i64_trunc_f64_u, F_I)

/* The same set for the preprocessor: TRAPPING_<ident> is a comma for a member and no macro for any
 * other.  NUMERIC_IF_TRAPPING(ident, yes, no) picks by it: the comma moves `yes` to the second
 * place. */
#define NUMERIC_IF_TRAPPING(ident, yes, no) NUMERIC_PROBE(TRAPPING_##ident, yes, no)
#define NUMERIC_PROBE(probe, yes, no) NUMERIC_SECOND(probe yes, no, )
#define NUMERIC_SECOND(first, second, ...) second

#define TRAPPING_i32_div_s ,
#define TRAPPING_i32_div_u ,
#define TRAPPING_i32_rem_s ,
#define TRAPPING_i32_rem_u ,
#define TRAPPING_i64_div_s ,
#define TRAPPING_i64_div_u ,
#define TRAPPING_i64_rem_s ,
#define TRAPPING_i64_rem_u ,
#define TRAPPING_i32_trunc_f32_s ,
#define TRAPPING_i32_trunc_f32_u ,
#define TRAPPING_i32_trunc_f64_s ,
#define TRAPPING_i32_trunc_f64_u ,
#define TRAPPING_i64_trunc_f32_s ,
#define TRAPPING_i64_trunc_f32_u ,
#define TRAPPING_i64_trunc_f64_s ,
#define TRAPPING_i64_trunc_f64_u ,

#endif
