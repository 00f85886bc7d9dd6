/* Tables of bit patterns.  A vector of number i is one pattern repeated, or lanes of several. */
#include "conformance/generate/values.h"

#include <string.h>

static const uint32_t i32s[] = {
    0,  1,    2,    UINT32_MAX, 0x80000000, 0x7FFFFFFF, 7,          31,         32,
    33, 0x80, 0xFF, 0x8000,     0xFFFF,     0x10000,    0xFFFFFFFE, 0x12345678, 0xDEADBEEF,
};
static const uint64_t i64s[] = {
    0,
    1,
    2,
    UINT64_MAX,
    UINT64_C(1) << 63,
    INT64_MAX,
    31,
    32,
    63,
    64,
    0x80,
    0x8000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    UINT64_C(1) << 32,
    UINT64_C(0xFFFFFFFF80000000),
    UINT64_C(0x8000000080000000),
    UINT64_C(0x123456789ABCDEF0),
    UINT64_MAX - 1,
};
/* Zeroes, ones, halves between integers, limits of the integer types, extremes, NaNs: canonical,
 * negative, signalling. */
static const uint32_t f32s[] = {
    0,          0x80000000, 0x3F800000, 0xBF800000, 0x3F000000, 0xBF000000, 0x3FC00000,
    0x40200000, 0xC0490FDB, 1,          0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF,
    0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7FA00000, 0x4F000000, 0xCF000000,
    0x4F800000, 0x4EFFFFFF, 0x5F000000, 0xDF000000, 0x5F800000, 0x4B000001, 0x42F6E979,
};
static const uint64_t f64s[] = {
    0,
    UINT64_C(1) << 63,
    UINT64_C(0x3FF0000000000000),
    UINT64_C(0xBFF0000000000000),
    UINT64_C(0x3FE0000000000000),
    UINT64_C(0xBFE0000000000000),
    UINT64_C(0x3FF8000000000000),
    UINT64_C(0x4004000000000000),
    UINT64_C(0xC00921FB54442D18),
    1,
    UINT64_C(0x800FFFFFFFFFFFFF),
    UINT64_C(0x0010000000000000),
    UINT64_C(0x7FEFFFFFFFFFFFFF),
    UINT64_C(0x7FF0000000000000),
    UINT64_C(0xFFF0000000000000),
    UINT64_C(0x7FF8000000000000),
    UINT64_C(0xFFF8000000000001),
    UINT64_C(0x7FF4000000000000),
    UINT64_C(0x41E0000000000000),
    UINT64_C(0xC1E0000000000000),
    UINT64_C(0x41DFFFFFFFC00000),
    UINT64_C(0xC1E0000000200000),
    UINT64_C(0x41F0000000000000),
    UINT64_C(0x43E0000000000000),
    UINT64_C(0xC3E0000000000000),
    UINT64_C(0x43F0000000000000),
    UINT64_C(0x4330000000000001),
    UINT64_C(0x36A0000000000000),
    UINT64_C(0x405EDD2F1A9FBE77),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of a vector: bytes in ascending order, then every fourth value of each type in all its lanes,
 * then neighbours in neighbouring lanes. */
enum { STEP = 4 };
#define SPLATS(array) (COUNT(array) / STEP)
enum { MIXED = 5 };

size_t edge_count(fnvm_kind kind)
{
    switch (kind) {
    case FNVM_I32: return COUNT(i32s);
    case FNVM_I64: return COUNT(i64s);
    case FNVM_F32: return COUNT(f32s);
    case FNVM_F64: return COUNT(f64s);
    case FNVM_V128: return MIXED + SPLATS(i32s) + SPLATS(i64s) + SPLATS(f32s) + SPLATS(f64s);
    case FNVM_REF: break;
    }
    return 0;
}

static Bits splat32(uint32_t v)
{
    return (Bits){.halves = {(uint64_t)v << 32 | v, (uint64_t)v << 32 | v}};
}

static Bits splat64(uint64_t v) { return (Bits){.halves = {v, v}}; }

static Bits mixed(size_t i)
{
    Bits b = {.halves = {0, 0}};
    switch (i) {
    case 0:
        for (uint8_t k = 0; k < 16; k++) b.bytes[k] = k;
        break;
    case 1:
        for (uint8_t k = 0; k < 16; k++) b.bytes[k] = (uint8_t)(0x7C + k * 0x31);
        break;
    case 2: memcpy(b.bytes, f32s + 14, sizeof b); break; /* infinities and NaNs */
    case 3: memcpy(b.bytes, f64s + 14, sizeof b); break;
    default: memcpy(b.bytes, i32s + 3, sizeof b);
    }
    return b;
}

static Bits vector_value(size_t i)
{
    if (i < MIXED) return mixed(i);
    i -= MIXED;
    if (i < SPLATS(i32s)) return splat32(i32s[i * STEP]);
    i -= SPLATS(i32s);
    if (i < SPLATS(i64s)) return splat64(i64s[i * STEP]);
    i -= SPLATS(i64s);
    if (i < SPLATS(f32s)) return splat32(f32s[i * STEP]);
    i -= SPLATS(f32s);
    return splat64(f64s[i * STEP]);
}

Bits edge_value(fnvm_kind kind, size_t i)
{
    Bits b = {.halves = {0, 0}};
    switch (kind) {
    case FNVM_I32: b.i32 = i32s[i]; break;
    case FNVM_F32: b.i32 = f32s[i]; break;
    case FNVM_I64: b.i64 = i64s[i]; break;
    case FNVM_F64: b.i64 = f64s[i]; break;
    case FNVM_V128: return vector_value(i);
    case FNVM_REF: break;
    }
    return b;
}
