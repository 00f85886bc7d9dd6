/* test_numeric.c - the edges of vm/numeric.h and vm/simd.h.
 *
 * Each test holds one rule of the standard's section 4.3 where implementations go wrong: NaN bits,
 * signed zeroes, borders of ranges, counts beyond a width, saturation.  Floats are given and
 * compared as bits, since == can tell neither NaNs nor zeroes apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vm/numeric.h"
#include "vm/simd.h"

enum { F32_ZERO = 0, F32_ONE = 0x3F800000, F32_INF = 0x7F800000, F32_NAN = 0x7FC00000 };
#define F32_SIGN UINT32_C(0x80000000)
#define F32_SIGNALLING UINT32_C(0x7FA00001) /* with a payload, not quiet */
#define F32_QUIETED UINT32_C(0x7FE00001)    /* the same after arithmetic */
#define F64_SIGN UINT64_C(0x8000000000000000)
#define F64_INF UINT64_C(0x7FF0000000000000)
#define F64_NAN UINT64_C(0x7FF8000000000000)
#define F64_SIGNALLING UINT64_C(0x7FF4000000000001)
#define F64_QUIETED UINT64_C(0x7FFC000000000001)

/* Values the compiler knows nothing about, as the guest's are: it folds what it knows by rules of
 * its own. */
static uint32_t i32(uint32_t x)
{
    volatile uint32_t opaque = x;
    return opaque;
}

static uint64_t i64(uint64_t x)
{
    volatile uint64_t opaque = x;
    return opaque;
}

static float f32(uint32_t bits)
{
    return num_f32_reinterpret_i32(i32(bits));
}

static double f64(uint64_t bits)
{
    return num_f64_reinterpret_i64(i64(bits));
}

static uint32_t bits32(float x)
{
    return num_i32_reinterpret_f32(x);
}

static uint64_t bits64(double x)
{
    return num_i64_reinterpret_f64(x);
}

static void assert_f32(float got, uint32_t bits)
{
    assert_int_equal(bits32(got), bits);
}

static void assert_f64(double got, uint64_t bits)
{
    assert_int_equal(bits64(got), bits);
}

static void assert_canonical32(float got)
{
    assert_int_equal(bits32(got) & ~F32_SIGN, F32_NAN);
}

static void assert_canonical64(double got)
{
    assert_int_equal(bits64(got) & ~F64_SIGN, F64_NAN);
}

static void assert_v128(V128 got, V128 want)
{
    assert_memory_equal(&got, &want, sizeof got);
}

#define I8(...) ((V128){.i8 = {__VA_ARGS__}})
#define U8(...) ((V128){.u8 = {__VA_ARGS__}})
#define I16(...) ((V128){.i16 = {__VA_ARGS__}})
#define U16(...) ((V128){.u16 = {__VA_ARGS__}})
#define I32(...) ((V128){.i32 = {__VA_ARGS__}})
#define U32(...) ((V128){.u32 = {__VA_ARGS__}})
#define I64(...) ((V128){.i64 = {__VA_ARGS__}})
#define U64(...) ((V128){.u64 = {__VA_ARGS__}})
#define F32(...) ((V128){.f32 = {__VA_ARGS__}})
#define F64(...) ((V128){.f64 = {__VA_ARGS__}})

/* ---- Integers -------------------------------------------------------------------------------- */

static void division_traps_where_it_has_no_result(void **state)
{
    (void)state;
    uint32_t r32 = 77;
    uint64_t r64 = 77;
    const uint32_t min32 = i32((uint32_t)INT32_MIN);
    const uint64_t min64 = i64((uint64_t)INT64_MIN);
    assert_int_equal(num_i32_div_s(1, 0, &r32), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i32_div_u(1, 0, &r32), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i32_rem_s(1, 0, &r32), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i32_rem_u(1, 0, &r32), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i32_div_s(min32, UINT32_MAX, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i64_div_s(1, 0, &r64), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i64_div_u(1, 0, &r64), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i64_rem_s(1, 0, &r64), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i64_rem_u(1, 0, &r64), FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(num_i64_div_s(min64, UINT64_MAX, &r64), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(r32, 77); /* a trap leaves the result alone */
    assert_int_equal(r64, 77);
}

static void division_truncates_and_remainder_has_the_dividends_sign(void **state)
{
    (void)state;
    uint32_t r32;
    uint64_t r64;
    assert_int_equal(num_i32_div_s((uint32_t)-7, 2, &r32), FNVM_TRAP_NONE);
    assert_int_equal((int32_t)r32, -3);
    assert_int_equal(num_i32_rem_s((uint32_t)-7, 2, &r32), FNVM_TRAP_NONE);
    assert_int_equal((int32_t)r32, -1);
    assert_int_equal(num_i32_rem_s(i32(F32_SIGN), i32(UINT32_MAX), &r32), FNVM_TRAP_NONE);
    assert_int_equal(r32, 0);
    assert_int_equal(num_i64_rem_s(i64(F64_SIGN), i64(UINT64_MAX), &r64), FNVM_TRAP_NONE);
    assert_int_equal(r64, 0);
    assert_int_equal(num_i32_div_u((uint32_t)INT32_MIN, UINT32_MAX, &r32), FNVM_TRAP_NONE);
    assert_int_equal(r32, 0);
    assert_int_equal(num_i64_div_u(UINT64_MAX, 2, &r64), FNVM_TRAP_NONE);
    assert_int_equal(r64, INT64_MAX);
}

static void shift_counts_are_modulo_the_width(void **state)
{
    (void)state;
    assert_int_equal(num_i32_shl(1, i32(32)), 1);
    assert_int_equal(num_i32_shl(1, 33), 2);
    assert_int_equal(num_i32_shr_u(F32_SIGN, 63), 1);
    assert_int_equal(num_i32_shr_s(F32_SIGN, UINT32_MAX), UINT32_MAX);
    assert_int_equal(num_i64_shl(1, 64), 1);
    assert_int_equal(num_i64_shr_s(F64_SIGN, 127), UINT64_MAX);
    assert_int_equal(num_i64_shl(1, UINT64_C(1) << 32), 1); /* the whole count, not its low half */
    assert_int_equal(num_i32_rotl(0xABCD9876, i32(32)), 0xABCD9876);
    assert_int_equal(num_i32_rotl(0xABCD9876, 0), 0xABCD9876);
    assert_int_equal(num_i32_rotl(0xABCD9876, 33), 0x579B30ED);
    assert_int_equal(num_i32_rotr(1, 1), F32_SIGN);
    assert_int_equal(num_i32_rotr(0xABCD9876, 64), 0xABCD9876);
    assert_int_equal(num_i64_rotl(F64_SIGN, 1), 1);
    assert_int_equal(num_i64_rotr(F64_SIGN, 64), F64_SIGN);
}

static void bit_counts_of_zero_are_the_width(void **state)
{
    (void)state;
    assert_int_equal(num_i32_clz(i32(0)), 32);
    assert_int_equal(num_i32_ctz(0), 32);
    assert_int_equal(num_i64_clz(0), 64);
    assert_int_equal(num_i64_ctz(0), 64);
    assert_int_equal(num_i32_clz(1), 31);
    assert_int_equal(num_i64_ctz(F64_SIGN), 63);
    assert_int_equal(num_i64_popcnt(UINT64_MAX), 64);
    assert_int_equal(num_i32_popcnt(UINT32_MAX), 32);
}

static void sign_extension_ignores_the_bits_above(void **state)
{
    (void)state;
    assert_int_equal(num_i32_extend8_s(0x12345680), 0xFFFFFF80);
    assert_int_equal(num_i32_extend8_s(0xFFFFFF7F), 0x7F);
    assert_int_equal(num_i32_extend16_s(0x12348000), 0xFFFF8000);
    assert_int_equal(num_i64_extend8_s(0x80), UINT64_C(0xFFFFFFFFFFFFFF80));
    assert_int_equal(num_i64_extend32_s(F32_SIGN), UINT64_C(0xFFFFFFFF80000000));
    assert_int_equal(num_i64_extend_i32_s(F32_SIGN), UINT64_C(0xFFFFFFFF80000000));
    assert_int_equal(num_i64_extend_i32_u(F32_SIGN), F32_SIGN);
    assert_int_equal(num_i32_wrap_i64(UINT64_C(0x1234567880000000)), F32_SIGN);
}

static void wide_arithmetic_carries(void **state)
{
    (void)state;
    uint64_t lo, hi;
    num_i64_add128(UINT64_MAX, 1, 1, 2, &lo, &hi);
    assert_int_equal(lo, 0);
    assert_int_equal(hi, 4);
    num_i64_sub128(0, 0, 1, 0, &lo, &hi);
    assert_int_equal(lo, UINT64_MAX);
    assert_int_equal(hi, UINT64_MAX);
    num_i64_mul_wide_u(UINT64_MAX, UINT64_MAX, &lo, &hi);
    assert_int_equal(lo, 1);
    assert_int_equal(hi, UINT64_MAX - 1);
    num_i64_mul_wide_s(UINT64_MAX, 2, &lo, &hi);
    assert_int_equal(lo, UINT64_MAX - 1);
    assert_int_equal(hi, UINT64_MAX);
    num_i64_mul_wide_s(F64_SIGN, F64_SIGN, &lo, &hi);
    assert_int_equal(lo, 0);
    assert_int_equal(hi, UINT64_C(1) << 62);
}

/* ---- Floats ---------------------------------------------------------------------------------- */

static void arithmetic_quiets_nans(void **state)
{
    (void)state;
    float s = f32(F32_SIGNALLING), one = f32(F32_ONE);
    float computed[] = {
        num_f32_add(s, one),  num_f32_sub(s, f32(F32_ZERO)), num_f32_mul(s, one),
        num_f32_div(s, one),  num_f32_min(s, one),           num_f32_max(one, s),
        num_f32_sqrt(s),      num_f32_ceil(s),               num_f32_floor(s),
        num_f32_trunc(s),     num_f32_nearest(s),
    };
    for (size_t i = 0; i < sizeof computed / sizeof *computed; i++)
        assert_f32(computed[i], F32_QUIETED);
    double d = f64(F64_SIGNALLING), two = f64(UINT64_C(0x4000000000000000));
    double computed64[] = {
        num_f64_add(d, two),  num_f64_sub(d, f64(0)), num_f64_mul(d, two), num_f64_div(d, two),
        num_f64_min(d, two),  num_f64_max(two, d),    num_f64_sqrt(d),     num_f64_ceil(d),
        num_f64_floor(d),     num_f64_trunc(d),       num_f64_nearest(d),
    };
    for (size_t i = 0; i < sizeof computed64 / sizeof *computed64; i++)
        assert_f64(computed64[i], F64_QUIETED);
}

static void arithmetic_keeps_canonical_nans_canonical(void **state)
{
    (void)state;
    float n = f32(F32_NAN), m = f32(F32_NAN | F32_SIGN), one = f32(F32_ONE);
    assert_canonical32(num_f32_add(n, one));
    assert_canonical32(num_f32_min(one, m));
    assert_canonical32(num_f32_max(n, m));
    assert_canonical32(num_f32_nearest(m));
    assert_canonical32(num_f32_sub(f32(F32_INF), f32(F32_INF)));
    assert_canonical32(num_f32_div(f32(F32_ZERO), f32(F32_ZERO)));
    assert_canonical32(num_f32_sqrt(f32(F32_ONE | F32_SIGN)));
    assert_canonical64(num_f64_sqrt(f64(F64_INF | F64_SIGN)));
    assert_canonical64(num_f64_mul(f64(F64_INF), f64(0)));
    assert_canonical32(num_f32_demote_f64(f64(F64_NAN)));
    assert_canonical64(num_f64_promote_f32(f32(F32_NAN | F32_SIGN)));
}

static void sign_operations_and_moves_keep_signalling_nans(void **state)
{
    (void)state;
    float s = f32(F32_SIGNALLING);
    assert_f32(num_f32_neg(s), F32_SIGNALLING | F32_SIGN);
    assert_f32(num_f32_abs(num_f32_neg(s)), F32_SIGNALLING);
    assert_f32(num_f32_copysign(s, f32(F32_SIGN)), F32_SIGNALLING | F32_SIGN);
    assert_f64(num_f64_neg(f64(F64_SIGNALLING)), F64_SIGNALLING | F64_SIGN);
    assert_f64(num_f64_copysign(f64(F64_SIGNALLING | F64_SIGN), f64(F64_NAN)), F64_SIGNALLING);
    uint8_t memory[17];
    num_f32_store(memory + 1, s);
    assert_int_equal(num_i32_load(memory + 1), F32_SIGNALLING);
    assert_f32(num_f32_load(memory + 1), F32_SIGNALLING);
    num_f64_store(memory + 3, f64(F64_SIGNALLING));
    assert_int_equal(num_i64_load(memory + 3), F64_SIGNALLING);
    assert_f64(num_f64_load(memory + 3), F64_SIGNALLING);
    V128 v = num_f32x4_splat(s);
    assert_v128(v, num_i32x4_splat(F32_SIGNALLING));
    assert_f32(num_f32x4_extract_lane(v, 3), F32_SIGNALLING);
    assert_v128(num_f64x2_replace_lane(I64(0, 0), f64(F64_SIGNALLING), 1), U64(0, F64_SIGNALLING));
}

static void minimum_and_maximum_order_zeroes(void **state)
{
    (void)state;
    float pos = f32(F32_ZERO), neg = f32(F32_SIGN);
    assert_f32(num_f32_min(pos, neg), F32_SIGN);
    assert_f32(num_f32_min(neg, pos), F32_SIGN);
    assert_f32(num_f32_max(pos, neg), F32_ZERO);
    assert_f32(num_f32_max(neg, pos), F32_ZERO);
    assert_f32(num_f32_max(neg, neg), F32_SIGN);
    assert_f64(num_f64_min(f64(0), f64(F64_SIGN)), F64_SIGN);
    assert_f64(num_f64_max(f64(F64_SIGN), f64(0)), 0);
    assert_f32(num_f32_min(f32(F32_INF | F32_SIGN), f32(F32_ONE)), F32_INF | F32_SIGN);
    assert_f32(num_f32_max(f32(F32_ONE | F32_SIGN), f32(F32_ONE | F32_SIGN)), F32_ONE | F32_SIGN);
}

static void rounding_keeps_the_sign_and_ties_to_even(void **state)
{
    (void)state;
    const float half = 0.5f, most = 0x1.fffffep-2f; /* the greatest number below a half */
    assert_f32(num_f32_nearest(half), F32_ZERO);
    assert_f32(num_f32_nearest(-half), F32_SIGN);
    assert_f32(num_f32_nearest(1.5f), bits32(2.0f));
    assert_f32(num_f32_nearest(2.5f), bits32(2.0f));
    assert_f32(num_f32_nearest(-3.5f), bits32(-4.0f));
    assert_f32(num_f32_nearest(most), F32_ZERO);
    assert_f32(num_f32_nearest(8388607.5f), bits32(8388608.0f));
    assert_f32(num_f32_nearest(8388609.0f), bits32(8388609.0f));
    assert_f64(num_f64_nearest(4503599627370494.5), bits64(4503599627370494.0));
    assert_f64(num_f64_nearest(4503599627370497.0), bits64(4503599627370497.0));
    assert_f64(num_f64_nearest(0x1.fffffffffffffp-2), 0);
    assert_f32(num_f32_ceil(-0.7f), F32_SIGN);
    assert_f32(num_f32_trunc(-0.7f), F32_SIGN);
    assert_f32(num_f32_floor(0.7f), F32_ZERO);
    assert_f32(num_f32_floor(f32(F32_SIGN)), F32_SIGN);
    assert_f32(num_f32_floor(f32(F32_SIGN | 1)), bits32(-1.0f)); /* the least subnormal */
    assert_f32(num_f32_ceil(f32(1)), F32_ONE);
    assert_f64(num_f64_floor(-4503599627370495.5), bits64(-4503599627370496.0));
    assert_f64(num_f64_ceil(0x1p1023), bits64(0x1p1023));
    assert_f64(num_f64_trunc(f64(F64_INF | F64_SIGN)), F64_INF | F64_SIGN);
}

static void comparisons_with_nan_are_false_but_ne(void **state)
{
    (void)state;
    float n = f32(F32_NAN), one = f32(F32_ONE);
    assert_int_equal(num_f32_eq(n, n), 0);
    assert_int_equal(num_f32_ne(n, n), 1);
    assert_int_equal(num_f32_lt(n, one) | num_f32_gt(n, one) | num_f32_le(n, n), 0);
    assert_int_equal(num_f32_ge(one, n), 0);
    assert_int_equal(num_f64_eq(f64(0), f64(F64_SIGN)), 1);
    assert_v128(num_f32x4_ne(F32(n, 1, 1, n), F32(n, 1, 2, 1)), I32(-1, 0, -1, -1));
    assert_v128(num_f64x2_le(F64(0.0, 1), F64(-0.0, f64(F64_NAN))), I64(-1, 0));
}

/* ---- Conversions ----------------------------------------------------------------------------- */

static void truncation_accepts_all_that_truncates_into_range(void **state)
{
    (void)state;
    uint32_t r32;
    uint64_t r64;
    assert_int_equal(num_i32_trunc_f64_s(2147483647.9, &r32), FNVM_TRAP_NONE);
    assert_int_equal(r32, INT32_MAX);
    assert_int_equal(num_i32_trunc_f64_s(-2147483648.9, &r32), FNVM_TRAP_NONE);
    assert_int_equal((int32_t)r32, INT32_MIN);
    assert_int_equal(num_i32_trunc_f64_u(-0.9, &r32), FNVM_TRAP_NONE);
    assert_int_equal(r32, 0);
    assert_int_equal(num_i32_trunc_f64_u(4294967295.9, &r32), FNVM_TRAP_NONE);
    assert_int_equal(r32, UINT32_MAX);
    assert_int_equal(num_i32_trunc_f32_s(-0x1p31f, &r32), FNVM_TRAP_NONE);
    assert_int_equal((int32_t)r32, INT32_MIN);
    assert_int_equal(num_i64_trunc_f64_s(-0x1p63, &r64), FNVM_TRAP_NONE);
    assert_int_equal((int64_t)r64, INT64_MIN);
    assert_int_equal(num_i64_trunc_f32_s(-0x1p63f, &r64), FNVM_TRAP_NONE);
    assert_int_equal((int64_t)r64, INT64_MIN);
    assert_int_equal(num_i64_trunc_f64_u(0x1.fffffffffffffp63, &r64), FNVM_TRAP_NONE);
    assert_int_equal(r64, UINT64_C(0xFFFFFFFFFFFFF800));
    assert_int_equal(num_i64_trunc_f32_u(-0.9f, &r64), FNVM_TRAP_NONE);
    assert_int_equal(r64, 0);
}

static void truncation_traps_beyond(void **state)
{
    (void)state;
    uint32_t r32;
    uint64_t r64;
    assert_int_equal(num_i32_trunc_f32_s(f32(F32_NAN), &r32), FNVM_TRAP_INVALID_CONVERSION);
    assert_int_equal(num_i64_trunc_f64_u(f64(F64_NAN), &r64), FNVM_TRAP_INVALID_CONVERSION);
    assert_int_equal(num_i32_trunc_f32_s(0x1p31f, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f32_s(-0x1.000002p31f, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f32_u(-1.0f, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f32_u(f32(F32_INF), &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f64_s(2147483648.0, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f64_s(-2147483649.0, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i32_trunc_f64_u(4294967296.0, &r32), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i64_trunc_f64_s(0x1p63, &r64), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i64_trunc_f64_s(-0x1.0000000000001p63, &r64), FNVM_TRAP_INTEGER_OVERFLOW);
    assert_int_equal(num_i64_trunc_f32_u(0x1p64f, &r64), FNVM_TRAP_INTEGER_OVERFLOW);
}

static void saturating_truncation_saturates(void **state)
{
    (void)state;
    assert_int_equal(num_i32_trunc_sat_f32_s(f32(F32_NAN)), 0);
    assert_int_equal(num_i32_trunc_sat_f32_s(1e30f), INT32_MAX);
    assert_int_equal((int32_t)num_i32_trunc_sat_f32_s(-1e30f), INT32_MIN);
    assert_int_equal(num_i32_trunc_sat_f64_u(-5.0), 0);
    assert_int_equal(num_i32_trunc_sat_f64_u(f64(F64_INF)), UINT32_MAX);
    assert_int_equal((int64_t)num_i64_trunc_sat_f64_s(f64(F64_INF | F64_SIGN)), INT64_MIN);
    assert_int_equal(num_i64_trunc_sat_f32_u(0x1p64f), UINT64_MAX);
    assert_int_equal(num_i64_trunc_sat_f64_s(f64(F64_SIGNALLING)), 0);
    V128 x = F64(f64(F64_NAN), -0x1p40);
    assert_v128(num_i32x4_trunc_sat_f64x2_s_zero(x), I32(0, INT32_MIN, 0, 0));
    assert_v128(num_i32x4_trunc_sat_f64x2_u_zero(F64(-0.9, 4294967295.5)),
                U32(0, UINT32_MAX, 0, 0));
    assert_v128(num_i32x4_trunc_sat_f32x4_u(F32(-1, 3e9f, 5e9f, f32(F32_NAN))),
                U32(0, 3000000000u, UINT32_MAX, 0));
}

static void conversions_round_once_to_nearest_even(void **state)
{
    (void)state;
    assert_f32(num_f32_convert_i32_s(16777217), bits32(16777216.0f));
    assert_f32(num_f32_convert_i32_u(UINT32_MAX), bits32(0x1p32f));
    assert_f32(num_f32_convert_i64_u(UINT64_MAX), bits32(0x1p64f));
    assert_f32(num_f32_convert_i64_u(UINT64_C(0x8000008000000001)), bits32(0x1.000002p63f));
    assert_f32(num_f32_convert_i64_s(UINT64_C(0x7FFFFFBFFFFFFFFF)), bits32(0x1.fffffep62f));
    assert_f64(num_f64_convert_i64_u(UINT64_C(0x8000000000000401)), bits64(0x1.0000000000001p63));
    assert_f64(num_f64_convert_i64_s(F64_SIGN), bits64(-0x1p63));
    assert_f64(num_f64_convert_i32_s(F32_SIGN), bits64(-2147483648.0));
    assert_v128(num_f64x2_convert_low_i32x4_u(U32(UINT32_MAX, 1, 2, 3)), F64(4294967295.0, 1));
    assert_v128(num_f64x2_convert_low_i32x4_s(U32(UINT32_MAX, 1, 2, 3)), F64(-1, 1));
}

static void demotion_overflows_underflows_and_quiets(void **state)
{
    (void)state;
    assert_f32(num_f32_demote_f64(0x1.ffffffp127), F32_INF);
    assert_f32(num_f32_demote_f64(0x1.fffffefffffffp127), 0x7F7FFFFF);
    assert_f32(num_f32_demote_f64(-0x1p-150), F32_SIGN);
    assert_f32(num_f32_demote_f64(0x1.8p-150), 1);
    assert_true(bits32(num_f32_demote_f64(f64(F64_SIGNALLING))) >= F32_NAN);
    assert_f64(num_f64_promote_f32(f32(F32_SIGNALLING)), UINT64_C(0x7FFC000020000000));
    assert_f64(num_f64_promote_f32(f32(1)), bits64(0x1p-149));
    assert_v128(num_f32x4_demote_f64x2_zero(F64(1.0, -0.0)), F32(1.0f, -0.0f, 0, 0));
    assert_v128(num_f64x2_promote_low_f32x4(F32(1.5f, -0.0f, 7, 8)), F64(1.5, -0.0));
}

static void narrow_accesses_touch_only_their_bytes(void **state)
{
    (void)state;
    uint8_t memory[16];
    memset(memory, 0xEE, sizeof memory);
    num_i64_store32(memory + 1, UINT64_C(0x1122334485868788));
    num_i32_store16(memory + 6, 0x11229192);
    num_i64_store8(memory + 9, 0x1FF);
    const uint8_t want[16] = {0xEE, 0x88, 0x87, 0x86, 0x85, 0xEE, 0x92, 0x91,
                              0xEE, 0xFF, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE};
    assert_memory_equal(memory, want, sizeof want);
    assert_int_equal(num_i64_load32_s(memory + 1), UINT64_C(0xFFFFFFFF85868788));
    assert_int_equal(num_i64_load32_u(memory + 1), 0x85868788);
    assert_int_equal(num_i32_load16_s(memory + 6), 0xFFFF9192);
    assert_int_equal(num_i32_load8_s(memory + 9), UINT32_MAX);
    assert_int_equal(num_i64_load8_u(memory + 9), 0xFF);
}

/* ---- Vectors --------------------------------------------------------------------------------- */

static void vector_memory_extends_splats_and_zeroes(void **state)
{
    (void)state;
    uint8_t memory[17];
    for (unsigned i = 0; i < sizeof memory; i++)
        memory[i] = (uint8_t)(0x7E + i);
    const uint8_t *p = memory + 1; /* unaligned: 7F 80 81 ... */
    assert_v128(num_v128_load8x8_s(p), I16(127, -128, -127, -126, -125, -124, -123, -122));
    assert_v128(num_v128_load16x4_u(p), U32(0x807F, 0x8281, 0x8483, 0x8685));
    assert_v128(num_v128_load32x2_s(p), U64(UINT64_C(0xFFFFFFFF8281807F),
                                           UINT64_C(0xFFFFFFFF86858483)));
    assert_v128(num_v128_load16_splat(p), num_i16x8_splat(0x807F));
    assert_v128(num_v128_load32_zero(p), U32(0x8281807F, 0, 0, 0));
    assert_v128(num_v128_load64_zero(p), U64(UINT64_C(0x868584838281807F), 0));
    V128 v = num_v128_load(p);
    assert_v128(num_v128_load8_lane(p, I64(0, 0), 15), U64(0, UINT64_C(0x7F00000000000000)));
    assert_v128(num_v128_load64_lane(p, I64(1, 2), 0), U64(UINT64_C(0x868584838281807F), 2));
    num_v128_store16_lane(memory, v, 7);
    assert_int_equal(num_i32_load16_u(memory), 0x8E8D);
    assert_int_equal(memory[2], 0x80);
    num_v128_store(memory, v);
    assert_v128(num_v128_load(memory), v);
}

static void lanes_extract_with_their_sign_and_replace_modulo(void **state)
{
    (void)state;
    V128 v = I8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -1);
    assert_int_equal(num_i8x16_extract_lane_s(v, 15), UINT32_MAX);
    assert_int_equal(num_i8x16_extract_lane_u(v, 15), 0xFF);
    assert_int_equal(num_i16x8_extract_lane_s(v, 7), 0xFFFFFF0E);
    assert_int_equal(num_i16x8_extract_lane_u(v, 7), 0xFF0E);
    assert_int_equal(num_i8x16_extract_lane_u(num_i8x16_replace_lane(v, 0x1234, 2), 2), 0x34);
    assert_int_equal(num_i64x2_extract_lane(num_i64x2_replace_lane(v, F64_SIGN, 1), 1), F64_SIGN);
    assert_v128(num_i16x8_splat(0x12345), num_i32x4_splat(0x23452345));
}

static void shuffle_and_swizzle_choose_bytes(void **state)
{
    (void)state;
    V128 a = U8(100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115);
    V128 b = U8(200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215);
    const uint8_t lanes[16] = {31, 0, 16, 15, 1, 2, 3, 4, 17, 18, 19, 20, 0, 0, 31, 31};
    assert_v128(num_i8x16_shuffle(a, b, lanes), U8(215, 100, 200, 115, 101, 102, 103, 104, 201,
                                                   202, 203, 204, 100, 100, 215, 215));
    V128 index = U8(15, 16, 17, 128, 255, 0, 127, 31, 1, 1, 1, 1, 1, 1, 1, 1);
    V128 want = U8(115, 0, 0, 0, 0, 100, 0, 0, 101, 101, 101, 101, 101, 101, 101, 101);
    assert_v128(num_i8x16_swizzle(a, index), want);
    assert_v128(num_i8x16_relaxed_swizzle(a, index), want);
}

static void lane_shift_counts_are_modulo_the_lane_width(void **state)
{
    (void)state;
    V128 v = num_i8x16_splat(0x81);
    assert_v128(num_i8x16_shl(v, 8), v);
    assert_v128(num_i8x16_shl(v, 9), num_i8x16_splat(0x02));
    assert_v128(num_i8x16_shr_s(v, 15), num_i8x16_splat(0xFF));
    assert_v128(num_i8x16_shr_u(v, UINT32_MAX), num_i8x16_splat(0x01));
    assert_v128(num_i16x8_shr_s(num_i16x8_splat(0x8000), 17), num_i16x8_splat(0xC000));
    assert_v128(num_i32x4_shl(num_i32x4_splat(1), 63), num_i32x4_splat(F32_SIGN));
    assert_v128(num_i64x2_shr_s(num_i64x2_splat(F64_SIGN), 127), num_i64x2_splat(UINT64_MAX));
}

static void saturating_lanes_stop_at_their_bounds(void **state)
{
    (void)state;
    V128 max = num_i8x16_splat(127), min = num_i8x16_splat(0x80), ones = num_i8x16_splat(0xFF);
    V128 one = num_i8x16_splat(1);
    assert_v128(num_i8x16_add_sat_s(max, one), max);
    assert_v128(num_i8x16_add_sat_s(min, ones), min);
    assert_v128(num_i8x16_sub_sat_s(min, one), min);
    assert_v128(num_i8x16_sub_sat_s(max, min), max);
    assert_v128(num_i8x16_add_sat_u(ones, one), ones);
    assert_v128(num_i8x16_sub_sat_u(one, ones), num_i8x16_splat(0));
    assert_v128(num_i16x8_add_sat_s(num_i16x8_splat(0x7FFF), num_i16x8_splat(1)),
                num_i16x8_splat(0x7FFF));
    assert_v128(num_i16x8_add_sat_u(num_i16x8_splat(0xFFFF), num_i16x8_splat(0xFFFF)),
                num_i16x8_splat(0xFFFF));
    assert_v128(num_i16x8_sub_sat_s(num_i16x8_splat(0x8000), num_i16x8_splat(0x7FFF)),
                num_i16x8_splat(0x8000));
}

static void narrowing_reads_signed_and_saturates(void **state)
{
    (void)state;
    V128 a = I16(-32768, -129, -128, -1, 0, 127, 128, 32767), b = I16(255, 256, 1, 2, 3, 4, 5, 6);
    assert_v128(num_i8x16_narrow_i16x8_s(a, b), I8(-128, -128, -128, -1, 0, 127, 127, 127, 127,
                                                   127, 1, 2, 3, 4, 5, 6));
    assert_v128(num_i8x16_narrow_i16x8_u(a, b), U8(0, 0, 0, 0, 0, 127, 128, 255, 255, 255, 1, 2, 3,
                                                   4, 5, 6));
    V128 c = I32(INT32_MIN, -32769, 32768, INT32_MAX), d = I32(65535, 65536, -1, 7);
    assert_v128(num_i16x8_narrow_i32x4_s(c, d),
                I16(-32768, -32768, 32767, 32767, 32767, 32767, -1, 7));
    assert_v128(num_i16x8_narrow_i32x4_u(c, d), U16(0, 0, 32768, 65535, 65535, 65535, 0, 7));
}

static void abs_and_neg_of_the_least_wrap(void **state)
{
    (void)state;
    V128 min8 = num_i8x16_splat(0x80), min32 = num_i32x4_splat(F32_SIGN);
    V128 min64 = num_i64x2_splat(F64_SIGN);
    assert_v128(num_i8x16_abs(min8), min8);
    assert_v128(num_i8x16_neg(min8), min8);
    assert_v128(num_i32x4_abs(min32), min32);
    assert_v128(num_i64x2_neg(min64), min64);
    assert_v128(num_i64x2_abs(min64), min64);
    assert_v128(num_i16x8_abs(I16(-1, 1, -32767, -32768, 0, 5, -5, 7)),
                I16(1, 1, 32767, -32768, 0, 5, 5, 7));
}

static void unsigned_orders_and_averages_are_unsigned(void **state)
{
    (void)state;
    V128 a = num_i16x8_splat(0xFFFF), b = num_i16x8_splat(1);
    assert_v128(num_i16x8_min_u(a, b), b);
    assert_v128(num_i16x8_min_s(a, b), a);
    assert_v128(num_i16x8_gt_u(a, b), a);
    assert_v128(num_i16x8_gt_s(a, b), num_i16x8_splat(0));
    assert_v128(num_i16x8_avgr_u(a, a), a);
    assert_v128(num_i16x8_avgr_u(a, num_i16x8_splat(0)), num_i16x8_splat(0x8000));
    assert_v128(num_i8x16_avgr_u(num_i8x16_splat(255), num_i8x16_splat(254)),
                num_i8x16_splat(255));
    assert_v128(num_i64x2_lt_s(I64(-1, 1), I64(0, 0)), I64(-1, 0));
}

static void bytes_count_bits_and_lanes_report_them(void **state)
{
    (void)state;
    V128 v = U8(0, 1, 3, 7, 15, 31, 63, 127, 255, 128, 0x55, 0xAA, 0xF0, 0x0F, 0x81, 0xFE);
    assert_v128(num_i8x16_popcnt(v), I8(0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 4, 4, 4, 2, 7));
    assert_int_equal(num_i8x16_bitmask(v), 0xDB00);
    assert_int_equal(num_i16x8_bitmask(num_i16x8_splat(0x8000)), 0xFF);
    assert_int_equal(num_i32x4_bitmask(I32(-1, 0, INT32_MIN, INT32_MAX)), 5);
    assert_int_equal(num_i64x2_bitmask(U64(F64_SIGN - 1, F64_SIGN)), 2);
    assert_int_equal(num_i8x16_all_true(v), 0);
    assert_int_equal(num_i16x8_all_true(v), 1);
    assert_int_equal(num_i64x2_all_true(I64(1, 0)), 0);
    assert_int_equal(num_v128_any_true(U64(0, F64_SIGN)), 1);
    assert_int_equal(num_v128_any_true(I64(0, 0)), 0);
    assert_v128(num_v128_andnot(I64(7, 7), I64(2, 8)), I64(5, 7));
    assert_v128(num_v128_bitselect(I64(-1, 0), I64(0, -1), I64(0xF0, 0xF0)), I64(0xF0, ~0xF0));
}

static void products_widen_round_and_wrap(void **state)
{
    (void)state;
    V128 min16 = num_i16x8_splat(0x8000), min8 = num_i8x16_splat(0x80);
    V128 ones8 = num_i8x16_splat(0xFF), ones32 = num_i32x4_splat(UINT32_MAX);
    assert_v128(num_i16x8_q15mulr_sat_s(min16, min16), num_i16x8_splat(0x7FFF));
    assert_v128(num_i16x8_relaxed_q15mulr_s(min16, min16), num_i16x8_splat(0x7FFF));
    assert_v128(num_i16x8_q15mulr_sat_s(num_i16x8_splat(1), num_i16x8_splat(0x4000)),
                num_i16x8_splat(1));
    assert_v128(num_i16x8_q15mulr_sat_s(num_i16x8_splat(0xFFFF), num_i16x8_splat(0x4000)),
                num_i16x8_splat(0));
    assert_v128(num_i32x4_dot_i16x8_s(min16, min16), num_i32x4_splat(F32_SIGN));
    assert_v128(num_i16x8_extmul_low_i8x16_s(min8, min8), num_i16x8_splat(16384));
    assert_v128(num_i16x8_extmul_high_i8x16_u(ones8, ones8), num_i16x8_splat(65025));
    assert_v128(num_i64x2_extmul_low_i32x4_u(ones32, ones32),
                num_i64x2_splat(UINT64_C(0xFFFFFFFE00000001)));
    assert_v128(num_i64x2_extmul_high_i32x4_s(ones32, I32(1, 2, 3, 4)), I64(-3, -4));
    assert_v128(num_i32x4_extmul_high_i16x8_s(I16(0, 0, 0, 0, 1, 2, 3, 4), min16),
                I32(-32768, -65536, -98304, -131072));
    assert_v128(num_i32x4_extend_high_i16x8_u(I16(0, 0, 0, 0, -1, 2, 3, 4)), I32(65535, 2, 3, 4));
    assert_v128(num_i32x4_extend_low_i16x8_s(I16(-1, 2, 3, 4, 0, 0, 0, 0)), I32(-1, 2, 3, 4));
    assert_v128(num_i16x8_extadd_pairwise_i8x16_s(min8), num_i16x8_splat(0xFF00));
    assert_v128(num_i16x8_extadd_pairwise_i8x16_u(ones8), num_i16x8_splat(510));
    assert_v128(num_i64x2_mul(num_i64x2_splat(UINT64_MAX), I64(2, -3)), I64(-2, 3));
}

static void pseudo_minimum_returns_an_operand_untouched(void **state)
{
    (void)state;
    V128 nan = num_i32x4_splat(F32_SIGNALLING), one = num_f32x4_splat(1.0f);
    assert_v128(num_f32x4_pmin(nan, one), nan);
    assert_v128(num_f32x4_pmin(one, nan), one);
    assert_v128(num_f32x4_pmax(nan, one), nan);
    assert_v128(num_f32x4_pmax(one, nan), one);
    V128 pos = num_f64x2_splat(0.0), neg = num_f64x2_splat(-0.0);
    assert_v128(num_f64x2_pmin(pos, neg), pos);
    assert_v128(num_f64x2_pmax(neg, pos), neg);
    assert_v128(num_f64x2_min(pos, neg), neg);
    assert_v128(num_f64x2_relaxed_max(neg, pos), pos);
    assert_v128(num_f32x4_min(one, nan), num_i32x4_splat(F32_QUIETED));
    assert_v128(num_f32x4_neg(nan), num_i32x4_splat(F32_SIGNALLING | F32_SIGN));
}

static void relaxed_instructions_make_their_documented_choice(void **state)
{
    (void)state;
    /* A fused operation would find the bits below the product's precision: 2^-37. */
    V128 a = num_f32x4_splat(0x1.000004p0f), b = num_f32x4_splat(0x1.0002p0f);
    V128 c = num_f32x4_splat(-0x1.000204p0f);
    assert_v128(num_f32x4_relaxed_madd(a, b, c), num_f32x4_splat(0.0f));
    assert_v128(num_f32x4_relaxed_nmadd(num_f32x4_neg(a), b, c), num_f32x4_splat(0.0f));
    V128 d = num_f64x2_splat(0x1.fffffffffffffp1023);
    assert_v128(num_f64x2_relaxed_madd(d, num_f64x2_splat(2.0), num_f64x2_neg(d)),
                num_i64x2_splat(F64_INF));
    V128 mask = num_i16x8_splat(0xFF00);
    assert_v128(num_i16x8_relaxed_laneselect(num_i16x8_splat(0x1234), num_i16x8_splat(0x5678),
                                             mask), num_i16x8_splat(0x1278));
    assert_v128(num_i32x4_relaxed_trunc_f32x4_s(F32(f32(F32_NAN), 3e9f, -3e9f, -1.9f)),
                I32(0, INT32_MAX, INT32_MIN, -1));
    V128 min8 = num_i8x16_splat(0x80), low8 = num_i8x16_splat(0x81);
    assert_v128(num_i16x8_relaxed_dot_i8x16_i7x16_s(min8, low8), num_i16x8_splat(32512));
    assert_v128(num_i16x8_relaxed_dot_i8x16_i7x16_s(min8, min8), num_i16x8_splat(32767));
    assert_v128(num_i32x4_relaxed_dot_i8x16_i7x16_add_s(min8, low8, I32(1, 2, 3, INT32_MAX)),
                I32(65025, 65026, 65027, INT32_MIN + 65023));
}

/* ---- The list of trapping instructions ------------------------------------------------------- */

static void the_preprocessor_knows_what_traps(void **state)
{
    (void)state;
    int listed = 0;
#define COUNT_TRAPPING(ident, sig) listed += NUMERIC_IF_TRAPPING(ident, 1, 100);
    NUMERIC_TRAPPING(COUNT_TRAPPING)
    assert_int_equal(listed, 16);
    assert_int_equal(NUMERIC_IF_TRAPPING(i32_trunc_sat_f32_s, 1, 0), 0);
    assert_int_equal(NUMERIC_IF_TRAPPING(i64_add, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(division_traps_where_it_has_no_result),
        cmocka_unit_test(division_truncates_and_remainder_has_the_dividends_sign),
        cmocka_unit_test(shift_counts_are_modulo_the_width),
        cmocka_unit_test(bit_counts_of_zero_are_the_width),
        cmocka_unit_test(sign_extension_ignores_the_bits_above),
        cmocka_unit_test(wide_arithmetic_carries),
        cmocka_unit_test(arithmetic_quiets_nans),
        cmocka_unit_test(arithmetic_keeps_canonical_nans_canonical),
        cmocka_unit_test(sign_operations_and_moves_keep_signalling_nans),
        cmocka_unit_test(minimum_and_maximum_order_zeroes),
        cmocka_unit_test(rounding_keeps_the_sign_and_ties_to_even),
        cmocka_unit_test(comparisons_with_nan_are_false_but_ne),
        cmocka_unit_test(truncation_accepts_all_that_truncates_into_range),
        cmocka_unit_test(truncation_traps_beyond),
        cmocka_unit_test(saturating_truncation_saturates),
        cmocka_unit_test(conversions_round_once_to_nearest_even),
        cmocka_unit_test(demotion_overflows_underflows_and_quiets),
        cmocka_unit_test(narrow_accesses_touch_only_their_bytes),
        cmocka_unit_test(vector_memory_extends_splats_and_zeroes),
        cmocka_unit_test(lanes_extract_with_their_sign_and_replace_modulo),
        cmocka_unit_test(shuffle_and_swizzle_choose_bytes),
        cmocka_unit_test(lane_shift_counts_are_modulo_the_lane_width),
        cmocka_unit_test(saturating_lanes_stop_at_their_bounds),
        cmocka_unit_test(narrowing_reads_signed_and_saturates),
        cmocka_unit_test(abs_and_neg_of_the_least_wrap),
        cmocka_unit_test(unsigned_orders_and_averages_are_unsigned),
        cmocka_unit_test(bytes_count_bits_and_lanes_report_them),
        cmocka_unit_test(products_widen_round_and_wrap),
        cmocka_unit_test(pseudo_minimum_returns_an_operand_untouched),
        cmocka_unit_test(relaxed_instructions_make_their_documented_choice),
        cmocka_unit_test(the_preprocessor_knows_what_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
