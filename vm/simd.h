/* simd.h - v128 and the arithmetic of the vector instructions (standard, 4.3.5; relaxed ones
 * 4.3.6), the companion of numeric.h for the SIMD page of the instruction table.
 *
 *   plain          V128, uint32_t, ... num_<ident>(operands in stack order)
 *   lane access    num_<ident>(V128 [, operand], unsigned lane); the lane is below the shape's
 *                  count, which the verifier has checked
 *   shuffle        num_i8x16_shuffle(a, b, lanes), 16 lane numbers below 32
 *   loads          V128 num_<ident>(const uint8_t *p [, V128, unsigned lane])
 *   stores         void num_<ident>(uint8_t *p, V128 [, unsigned lane])
 *
 * A value in memory, be it the guest's or a home slot of 8-byte alignment, is read with
 * num_v128_load and written with num_v128_store, never through a V128 pointer.
 *
 * Relaxed instructions.  Their results may depend on the host; ours do not.  Each takes the
 * choice that the standard's deterministic profile prescribes, which SSE4.1 can compute cheaply:
 *
 *   relaxed_swizzle          as swizzle: an index of 16 or more selects 0
 *   relaxed_trunc            as trunc_sat: NaN gives 0, other excess saturates
 *   relaxed_madd, nmadd      unfused: the product is rounded, then the sum; nmadd negates a
 *   relaxed_laneselect       as bitselect: bit by bit
 *   relaxed_min, max         as min and max
 *   relaxed_q15mulr_s        as q15mulr_sat_s: -1 by -1 saturates
 *   relaxed_dot_i8x16_i7x16  both operands signed, sums of two products saturate at 16 bits; the
 *                            _add form widens those sums in pairs and adds modulo 2^32
 */
#ifndef FNVM_VM_SIMD_H
#define FNVM_VM_SIMD_H

#include <stdint.h>
#include <string.h>

#include "vm/numeric.h"

/* Lane 0 is first in memory.  The members are vectors: they add, compare and mask as a whole, and
 * index like arrays. */
typedef union V128 {
    int8_t i8 __attribute__((vector_size(16)));
    uint8_t u8 __attribute__((vector_size(16)));
    int16_t i16 __attribute__((vector_size(16)));
    uint16_t u16 __attribute__((vector_size(16)));
    int32_t i32 __attribute__((vector_size(16)));
    uint32_t u32 __attribute__((vector_size(16)));
    int64_t i64 __attribute__((vector_size(16)));
    uint64_t u64 __attribute__((vector_size(16)));
    float f32 __attribute__((vector_size(16)));
    double f64 __attribute__((vector_size(16)));
} V128;

_Static_assert(sizeof(V128) == 16, "a v128 is two home slots");

/* The generators of this file; they end with it.  A member of V128 (i8 ... f64) names a shape. */
#define VEC(member) __typeof__(((V128 *)0)->member)
#define LANE(member) __typeof__(((V128 *)0)->member[0])
#define COUNT(member) ((unsigned)(sizeof(V128) / sizeof(LANE(member))))

/* WHOLE1, WHOLE2: `expr` over the vectors a and b, kept as `member`. */
#define WHOLE1(ident, member, expr)                                                             \
    static inline V128 num_##ident(V128 a)                                                      \
    {                                                                                           \
        return (V128){.member = (VEC(member))(expr)};                                           \
    }
#define WHOLE2(ident, member, expr)                                                             \
    static inline V128 num_##ident(V128 a, V128 b)                                              \
    {                                                                                           \
        return (V128){.member = (VEC(member))(expr)};                                           \
    }

/* LANES1, LANES2: lane i of the result is `expr` over a and b, which are lanes at(i) of the
 * operands; `at` is one of SAME, LOW and HIGH, for results with fewer, wider lanes. */
#define SAME(i, to) (i)
#define LOW(i, to) (i)
#define HIGH(i, to) ((i) + COUNT(to))
#define LANES1(ident, to, from, at, expr)                                                       \
    static inline V128 num_##ident(V128 x)                                                      \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(to); i++) {                                              \
            LANE(from) a = x.from[at(i, to)];                                                   \
            r.to[i] = (LANE(to))(expr);                                                         \
        }                                                                                       \
        return r;                                                                               \
    }
#define LANES2(ident, to, from, at, expr)                                                       \
    static inline V128 num_##ident(V128 x, V128 y)                                              \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(to); i++) {                                              \
            LANE(from) a = x.from[at(i, to)];                                                   \
            LANE(from) b = y.from[at(i, to)];                                                   \
            r.to[i] = (LANE(to))(expr);                                                         \
        }                                                                                       \
        return r;                                                                               \
    }

/* PAIRS1, PAIRS2: the same over neighbours, a0 and a1 being lanes 2i and 2i + 1. */
#define PAIRS1(ident, to, from, expr)                                                           \
    static inline V128 num_##ident(V128 x)                                                      \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(to); i++) {                                              \
            LANE(from) a0 = x.from[2 * i], a1 = x.from[2 * i + 1];                              \
            r.to[i] = (LANE(to))(expr);                                                         \
        }                                                                                       \
        return r;                                                                               \
    }
#define PAIRS2(ident, to, from, expr)                                                           \
    static inline V128 num_##ident(V128 x, V128 y)                                              \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(to); i++) {                                              \
            LANE(from) a0 = x.from[2 * i], a1 = x.from[2 * i + 1];                              \
            LANE(from) b0 = y.from[2 * i], b1 = y.from[2 * i + 1];                              \
            r.to[i] = (LANE(to))(expr);                                                         \
        }                                                                                       \
        return r;                                                                               \
    }

/* SHIFT: the count is taken modulo the lane width. */
#define SHIFT(ident, member, op)                                                                \
    static inline V128 num_##ident(V128 x, uint32_t count)                                      \
    {                                                                                           \
        unsigned n = count % (8 * (unsigned)sizeof(LANE(member)));                              \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(member); i++)                                            \
            r.member[i] = (LANE(member))(x.member[i] op n);                                     \
        return r;                                                                               \
    }

static inline int32_t num_clamp(int32_t x, int32_t min, int32_t max)
{
    return x < min ? min : x > max ? max : x;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static inline V128 num_v128_load(const uint8_t *p)
{
    V128 r;
    memcpy(&r, p, sizeof r);
    return r;
}

static inline void num_v128_store(uint8_t *p, V128 a)
{
    memcpy(p, &a, sizeof a);
}

/* Eight bytes, each lane extended to twice its width. */
#define LOAD_EXTEND(ident, to, from)                                                            \
    static inline V128 num_##ident(const uint8_t *p)                                            \
    {                                                                                           \
        LANE(from) stored[COUNT(to)];                                                           \
        memcpy(stored, p, sizeof stored);                                                       \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(to); i++)                                                \
            r.to[i] = stored[i];                                                                \
        return r;                                                                               \
    }
#define LOAD_SPLAT(ident, member)                                                               \
    static inline V128 num_##ident(const uint8_t *p)                                            \
    {                                                                                           \
        LANE(member) stored;                                                                    \
        memcpy(&stored, p, sizeof stored);                                                      \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(member); i++)                                            \
            r.member[i] = stored;                                                               \
        return r;                                                                               \
    }
#define LOAD_ZERO(ident, member)                                                                \
    static inline V128 num_##ident(const uint8_t *p)                                            \
    {                                                                                           \
        V128 r = {.u64 = {0, 0}};                                                               \
        memcpy(&r, p, sizeof(LANE(member)));                                                    \
        return r;                                                                               \
    }
#define LANE_MEMORY(bits, member)                                                               \
    static inline V128 num_v128_load##bits##_lane(const uint8_t *p, V128 a, unsigned lane)      \
    {                                                                                           \
        LANE(member) stored;                                                                    \
        memcpy(&stored, p, sizeof stored);                                                      \
        a.member[lane] = stored;                                                                \
        return a;                                                                               \
    }                                                                                           \
    static inline void num_v128_store##bits##_lane(uint8_t *p, V128 a, unsigned lane)           \
    {                                                                                           \
        LANE(member) stored = a.member[lane];                                                   \
        memcpy(p, &stored, sizeof stored);                                                      \
    }

LOAD_EXTEND(v128_load8x8_s, i16, i8)
LOAD_EXTEND(v128_load8x8_u, u16, u8)
LOAD_EXTEND(v128_load16x4_s, i32, i16)
LOAD_EXTEND(v128_load16x4_u, u32, u16)
LOAD_EXTEND(v128_load32x2_s, i64, i32)
LOAD_EXTEND(v128_load32x2_u, u64, u32)
LOAD_SPLAT(v128_load8_splat, u8)
LOAD_SPLAT(v128_load16_splat, u16)
LOAD_SPLAT(v128_load32_splat, u32)
LOAD_SPLAT(v128_load64_splat, u64)
LOAD_ZERO(v128_load32_zero, u32)
LOAD_ZERO(v128_load64_zero, u64)
LANE_MEMORY(8, u8)
LANE_MEMORY(16, u16)
LANE_MEMORY(32, u32)
LANE_MEMORY(64, u64)

/* ---- Lanes in and out ------------------------------------------------------------------------ */

#define SPLAT(ident, member, T)                                                                 \
    static inline V128 num_##ident(T a)                                                         \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(member); i++)                                            \
            r.member[i] = (LANE(member))a;                                                      \
        return r;                                                                               \
    }
#define EXTRACT(ident, R, member)                                                               \
    static inline R num_##ident(V128 a, unsigned lane)                                          \
    {                                                                                           \
        return (R)a.member[lane];                                                               \
    }
#define REPLACE(ident, member, T)                                                               \
    static inline V128 num_##ident(V128 a, T b, unsigned lane)                                  \
    {                                                                                           \
        a.member[lane] = (LANE(member))b;                                                       \
        return a;                                                                               \
    }

SPLAT(i8x16_splat, u8, uint32_t)
SPLAT(i16x8_splat, u16, uint32_t)
SPLAT(i32x4_splat, u32, uint32_t)
SPLAT(i64x2_splat, u64, uint64_t)
SPLAT(f32x4_splat, f32, float)
SPLAT(f64x2_splat, f64, double)

EXTRACT(i8x16_extract_lane_s, uint32_t, i8)
EXTRACT(i8x16_extract_lane_u, uint32_t, u8)
EXTRACT(i16x8_extract_lane_s, uint32_t, i16)
EXTRACT(i16x8_extract_lane_u, uint32_t, u16)
EXTRACT(i32x4_extract_lane, uint32_t, u32)
EXTRACT(i64x2_extract_lane, uint64_t, u64)
EXTRACT(f32x4_extract_lane, float, f32)
EXTRACT(f64x2_extract_lane, double, f64)

REPLACE(i8x16_replace_lane, u8, uint32_t)
REPLACE(i16x8_replace_lane, u16, uint32_t)
REPLACE(i32x4_replace_lane, u32, uint32_t)
REPLACE(i64x2_replace_lane, u64, uint64_t)
REPLACE(f32x4_replace_lane, f32, float)
REPLACE(f64x2_replace_lane, f64, double)

static inline V128 num_i8x16_shuffle(V128 a, V128 b, const uint8_t lanes[16])
{
    V128 r;
    for (unsigned i = 0; i < 16; i++)
        r.u8[i] = lanes[i] < 16 ? a.u8[lanes[i]] : b.u8[lanes[i] % 16];
    return r;
}

static inline V128 num_i8x16_swizzle(V128 a, V128 b)
{
    V128 r;
    for (unsigned i = 0; i < 16; i++)
        r.u8[i] = b.u8[i] < 16 ? a.u8[b.u8[i] % 16] : 0;
    return r;
}

/* ---- Bits ------------------------------------------------------------------------------------ */

WHOLE1(v128_not, u64, ~a.u64)
WHOLE2(v128_and, u64, a.u64 & b.u64)
WHOLE2(v128_andnot, u64, a.u64 & ~b.u64)
WHOLE2(v128_or, u64, a.u64 | b.u64)
WHOLE2(v128_xor, u64, a.u64 ^ b.u64)

static inline V128 num_v128_bitselect(V128 a, V128 b, V128 mask)
{
    return (V128){.u64 = (a.u64 & mask.u64) | (b.u64 & ~mask.u64)};
}

static inline uint32_t num_v128_any_true(V128 a)
{
    return (a.u64[0] | a.u64[1]) != 0;
}

/* ---- Integer lanes --------------------------------------------------------------------------- */

/* What all four shapes have; u and s are the members of the unsigned and signed lanes.  Negation
 * and abs are unsigned, so the most negative lane stays what it is. */
#define INTEGER(shape, u, s)                                                                    \
    WHOLE2(shape##_eq, s, a.u == b.u)                                                           \
    WHOLE2(shape##_ne, s, a.u != b.u)                                                           \
    WHOLE2(shape##_lt_s, s, a.s < b.s)                                                          \
    WHOLE2(shape##_gt_s, s, a.s > b.s)                                                          \
    WHOLE2(shape##_le_s, s, a.s <= b.s)                                                         \
    WHOLE2(shape##_ge_s, s, a.s >= b.s)                                                         \
    WHOLE2(shape##_add, u, a.u + b.u)                                                           \
    WHOLE2(shape##_sub, u, a.u - b.u)                                                           \
    WHOLE1(shape##_neg, u, -a.u)                                                                \
    LANES1(shape##_abs, u, u, SAME, (LANE(s))a < 0 ? 0u - a : a)                                \
    SHIFT(shape##_shl, u, <<)                                                                   \
    SHIFT(shape##_shr_s, s, >>)                                                                 \
    SHIFT(shape##_shr_u, u, >>)                                                                 \
    static inline uint32_t num_##shape##_all_true(V128 a)                                       \
    {                                                                                           \
        uint32_t all = 1;                                                                       \
        for (unsigned i = 0; i < COUNT(u); i++)                                                 \
            all &= a.u[i] != 0;                                                                 \
        return all;                                                                             \
    }                                                                                           \
    static inline uint32_t num_##shape##_bitmask(V128 a)                                        \
    {                                                                                           \
        uint32_t mask = 0;                                                                      \
        for (unsigned i = 0; i < COUNT(s); i++)                                                 \
            mask |= (uint32_t)(a.s[i] < 0) << i;                                                \
        return mask;                                                                            \
    }

INTEGER(i8x16, u8, i8)
INTEGER(i16x8, u16, i16)
INTEGER(i32x4, u32, i32)
INTEGER(i64x2, u64, i64)

/* All but i64x2. */
#define INTEGER_ORDERED(shape, u, s)                                                            \
    WHOLE2(shape##_lt_u, s, a.u < b.u)                                                          \
    WHOLE2(shape##_gt_u, s, a.u > b.u)                                                          \
    WHOLE2(shape##_le_u, s, a.u <= b.u)                                                         \
    WHOLE2(shape##_ge_u, s, a.u >= b.u)                                                         \
    LANES2(shape##_min_s, s, s, SAME, a < b ? a : b)                                            \
    LANES2(shape##_min_u, u, u, SAME, a < b ? a : b)                                            \
    LANES2(shape##_max_s, s, s, SAME, a > b ? a : b)                                            \
    LANES2(shape##_max_u, u, u, SAME, a > b ? a : b)

INTEGER_ORDERED(i8x16, u8, i8)
INTEGER_ORDERED(i16x8, u16, i16)
INTEGER_ORDERED(i32x4, u32, i32)

/* All but i8x16. */
WHOLE2(i16x8_mul, u16, a.u16 * b.u16)
WHOLE2(i32x4_mul, u32, a.u32 * b.u32)
WHOLE2(i64x2_mul, u64, a.u64 * b.u64)

/* The narrow shapes; 32-bit arithmetic holds every intermediate value. */
#define INTEGER_SATURATING(shape, u, s, MIN, MAX, UMAX)                                         \
    LANES2(shape##_add_sat_s, s, s, SAME, num_clamp(a + b, MIN, MAX))                           \
    LANES2(shape##_add_sat_u, u, u, SAME, num_clamp(a + b, 0, UMAX))                            \
    LANES2(shape##_sub_sat_s, s, s, SAME, num_clamp(a - b, MIN, MAX))                           \
    LANES2(shape##_sub_sat_u, u, u, SAME, num_clamp(a - b, 0, UMAX))                            \
    LANES2(shape##_avgr_u, u, u, SAME, (a + b + 1) / 2)

INTEGER_SATURATING(i8x16, u8, i8, INT8_MIN, INT8_MAX, UINT8_MAX)
INTEGER_SATURATING(i16x8, u16, i16, INT16_MIN, INT16_MAX, UINT16_MAX)

/* Rounded product of two fixed-point fractions with 15 bits after the point. */
LANES2(i16x8_q15mulr_sat_s, i16, i16, SAME,
       num_clamp((a * b + 0x4000) >> 15, INT16_MIN, INT16_MAX))

/* Bits are counted in pairs, fours, then bytes, in all lanes of 64 bits at once. */
static inline V128 num_i8x16_popcnt(V128 a)
{
    V128 r;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t x = a.u64[i];
        x = x - ((x >> 1) & UINT64_C(0x5555555555555555));
        x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
        r.u64[i] = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    }
    return r;
}

/* ---- Between integer shapes ------------------------------------------------------------------ */

#define WIDENING(shape, U, S, half, u, s)                                                       \
    LANES1(shape##_extend_low_##half##_s, S, s, LOW, a)                                         \
    LANES1(shape##_extend_high_##half##_s, S, s, HIGH, a)                                       \
    LANES1(shape##_extend_low_##half##_u, U, u, LOW, a)                                         \
    LANES1(shape##_extend_high_##half##_u, U, u, HIGH, a)                                       \
    LANES2(shape##_extmul_low_##half##_s, S, s, LOW, (LANE(S))a * (LANE(S))b)                   \
    LANES2(shape##_extmul_high_##half##_s, S, s, HIGH, (LANE(S))a * (LANE(S))b)                 \
    LANES2(shape##_extmul_low_##half##_u, U, u, LOW, (LANE(U))a * (LANE(U))b)                   \
    LANES2(shape##_extmul_high_##half##_u, U, u, HIGH, (LANE(U))a * (LANE(U))b)

WIDENING(i16x8, u16, i16, i8x16, u8, i8)
WIDENING(i32x4, u32, i32, i16x8, u16, i16)
WIDENING(i64x2, u64, i64, i32x4, u32, i32)

PAIRS1(i16x8_extadd_pairwise_i8x16_s, i16, i8, a0 + a1)
PAIRS1(i16x8_extadd_pairwise_i8x16_u, u16, u8, a0 + a1)
PAIRS1(i32x4_extadd_pairwise_i16x8_s, i32, i16, a0 + a1)
PAIRS1(i32x4_extadd_pairwise_i16x8_u, u32, u16, a0 + a1)

/* Only four lanes of -32768 make a sum too great: it wraps, hence unsigned. */
PAIRS2(i32x4_dot_i16x8_s, u32, i16, (uint32_t)(a0 * b0) + (uint32_t)(a1 * b1))

/* The lanes of a, then those of b, saturated from signed to the narrower type. */
#define NARROW(ident, to, from, MIN, MAX)                                                       \
    static inline V128 num_##ident(V128 a, V128 b)                                              \
    {                                                                                           \
        V128 r;                                                                                 \
        for (unsigned i = 0; i < COUNT(from); i++) {                                            \
            r.to[i] = (LANE(to))num_clamp(a.from[i], MIN, MAX);                                 \
            r.to[i + COUNT(from)] = (LANE(to))num_clamp(b.from[i], MIN, MAX);                   \
        }                                                                                       \
        return r;                                                                               \
    }

NARROW(i8x16_narrow_i16x8_s, i8, i16, INT8_MIN, INT8_MAX)
NARROW(i8x16_narrow_i16x8_u, u8, i16, 0, UINT8_MAX)
NARROW(i16x8_narrow_i32x4_s, i16, i32, INT16_MIN, INT16_MAX)
NARROW(i16x8_narrow_i32x4_u, u16, i32, 0, UINT16_MAX)

/* ---- Float lanes ----------------------------------------------------------------------------- */

/* t is the scalar type with the same lanes, whose functions hold the rules for NaNs and zeroes.
 * Pseudo-minimum and -maximum return an operand as it is, a NaN included. */
#define FLOATS(shape, t, s)                                                                     \
    WHOLE2(shape##_eq, s, a.t == b.t)                                                           \
    WHOLE2(shape##_ne, s, a.t != b.t)                                                           \
    WHOLE2(shape##_lt, s, a.t < b.t)                                                            \
    WHOLE2(shape##_gt, s, a.t > b.t)                                                            \
    WHOLE2(shape##_le, s, a.t <= b.t)                                                           \
    WHOLE2(shape##_ge, s, a.t >= b.t)                                                           \
    LANES1(shape##_abs, t, t, SAME, num_##t##_abs(a))                                           \
    LANES1(shape##_neg, t, t, SAME, num_##t##_neg(a))                                           \
    LANES1(shape##_sqrt, t, t, SAME, num_##t##_sqrt(a))                                         \
    LANES1(shape##_ceil, t, t, SAME, num_##t##_ceil(a))                                         \
    LANES1(shape##_floor, t, t, SAME, num_##t##_floor(a))                                       \
    LANES1(shape##_trunc, t, t, SAME, num_##t##_trunc(a))                                       \
    LANES1(shape##_nearest, t, t, SAME, num_##t##_nearest(a))                                   \
    WHOLE2(shape##_add, t, a.t + b.t)                                                           \
    WHOLE2(shape##_sub, t, a.t - b.t)                                                           \
    WHOLE2(shape##_mul, t, a.t * b.t)                                                           \
    WHOLE2(shape##_div, t, a.t / b.t)                                                           \
    LANES2(shape##_min, t, t, SAME, num_##t##_min(a, b))                                        \
    LANES2(shape##_max, t, t, SAME, num_##t##_max(a, b))                                        \
    LANES2(shape##_pmin, t, t, SAME, b < a ? b : a)                                             \
    LANES2(shape##_pmax, t, t, SAME, a < b ? b : a)

FLOATS(f32x4, f32, i32)
FLOATS(f64x2, f64, i64)

/* ---- Between floats and integers ------------------------------------------------------------- */

LANES1(i32x4_trunc_sat_f32x4_s, u32, f32, SAME, num_i32_trunc_sat_f32_s(a))
LANES1(i32x4_trunc_sat_f32x4_u, u32, f32, SAME, num_i32_trunc_sat_f32_u(a))
LANES1(f32x4_convert_i32x4_s, f32, i32, SAME, a)
LANES1(f32x4_convert_i32x4_u, f32, u32, SAME, a)
LANES1(f64x2_convert_low_i32x4_s, f64, i32, LOW, a)
LANES1(f64x2_convert_low_i32x4_u, f64, u32, LOW, a)
LANES1(f64x2_promote_low_f32x4, f64, f32, LOW, a)

/* Two lanes of 64 bits become the low two of 32; the others are 0. */
#define TO_LOW(ident, to, convert)                                                              \
    static inline V128 num_##ident(V128 a)                                                      \
    {                                                                                           \
        return (V128){.to = {convert(a.f64[0]), convert(a.f64[1]), 0, 0}};                      \
    }

TO_LOW(i32x4_trunc_sat_f64x2_s_zero, u32, num_i32_trunc_sat_f64_s)
TO_LOW(i32x4_trunc_sat_f64x2_u_zero, u32, num_i32_trunc_sat_f64_u)
TO_LOW(f32x4_demote_f64x2_zero, f32, num_f32_demote_f64)

/* ---- Relaxed (4.3.6): the choices are at the top --------------------------------------------- */

#define RELAXED1(ident, strict) static inline V128 num_##ident(V128 a) { return num_##strict(a); }
#define RELAXED2(ident, strict)                                                                 \
    static inline V128 num_##ident(V128 a, V128 b) { return num_##strict(a, b); }
#define RELAXED3(ident, strict)                                                                 \
    static inline V128 num_##ident(V128 a, V128 b, V128 c) { return num_##strict(a, b, c); }

RELAXED2(i8x16_relaxed_swizzle, i8x16_swizzle)
RELAXED1(i32x4_relaxed_trunc_f32x4_s, i32x4_trunc_sat_f32x4_s)
RELAXED1(i32x4_relaxed_trunc_f32x4_u, i32x4_trunc_sat_f32x4_u)
RELAXED1(i32x4_relaxed_trunc_f64x2_s_zero, i32x4_trunc_sat_f64x2_s_zero)
RELAXED1(i32x4_relaxed_trunc_f64x2_u_zero, i32x4_trunc_sat_f64x2_u_zero)
RELAXED3(i8x16_relaxed_laneselect, v128_bitselect)
RELAXED3(i16x8_relaxed_laneselect, v128_bitselect)
RELAXED3(i32x4_relaxed_laneselect, v128_bitselect)
RELAXED3(i64x2_relaxed_laneselect, v128_bitselect)
RELAXED2(f32x4_relaxed_min, f32x4_min)
RELAXED2(f32x4_relaxed_max, f32x4_max)
RELAXED2(f64x2_relaxed_min, f64x2_min)
RELAXED2(f64x2_relaxed_max, f64x2_max)
RELAXED2(i16x8_relaxed_q15mulr_s, i16x8_q15mulr_sat_s)

/* The compiler may fuse a product with the sum it meets (GCC's default where the processor has
 * the instruction); the empty asm stands between them. */
#define RELAXED_MADD(shape)                                                                     \
    static inline V128 num_##shape##_relaxed_madd(V128 a, V128 b, V128 c)                       \
    {                                                                                           \
        V128 product = num_##shape##_mul(a, b);                                                 \
        __asm__("" : "+m"(product));                                                            \
        return num_##shape##_add(product, c);                                                   \
    }                                                                                           \
    static inline V128 num_##shape##_relaxed_nmadd(V128 a, V128 b, V128 c)                      \
    {                                                                                           \
        return num_##shape##_relaxed_madd(num_##shape##_neg(a), b, c);                          \
    }

RELAXED_MADD(f32x4)
RELAXED_MADD(f64x2)

PAIRS2(i16x8_relaxed_dot_i8x16_i7x16_s, i16, i8,
       num_clamp(a0 * b0 + a1 * b1, INT16_MIN, INT16_MAX))

static inline V128 num_i32x4_relaxed_dot_i8x16_i7x16_add_s(V128 a, V128 b, V128 c)
{
    V128 sums = num_i16x8_relaxed_dot_i8x16_i7x16_s(a, b);
    return num_i32x4_add(num_i32x4_extadd_pairwise_i16x8_s(sums), c);
}

#undef VEC
#undef LANE
#undef COUNT
#undef WHOLE1
#undef WHOLE2
#undef SAME
#undef LOW
#undef HIGH
#undef LANES1
#undef LANES2
#undef PAIRS1
#undef PAIRS2
#undef SHIFT
#undef LOAD_EXTEND
#undef LOAD_SPLAT
#undef LOAD_ZERO
#undef LANE_MEMORY
#undef SPLAT
#undef EXTRACT
#undef REPLACE
#undef INTEGER
#undef INTEGER_ORDERED
#undef INTEGER_SATURATING
#undef WIDENING
#undef NARROW
#undef FLOATS
#undef TO_LOW
#undef RELAXED1
#undef RELAXED2
#undef RELAXED3
#undef RELAXED_MADD

#endif
