/* Floats are compared as bits: a pattern that is not a NaN pattern means one value exactly, signs
 * of zeros and payloads included. */
#include "conformance/wast_values.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const uint32_t F32_SIGN = UINT32_C(1) << 31, F32_QUIET = 0x7FC00000;
static const uint64_t F64_SIGN = UINT64_C(1) << 63, F64_QUIET = UINT64_C(0x7FF8) << 48;

/* ---- Arguments ---- */

fnvm_error *wast_value(fnvm_store *store, const WastValue *v, fnvm_val *out)
{
    memset(out, 0, sizeof *out);
    switch (v->kind) {
    case WAST_I32:
        out->kind = FNVM_I32;
        memcpy(&out->of.i32, &v->of.i32, sizeof out->of.i32);
        return NULL;
    case WAST_I64:
        out->kind = FNVM_I64;
        memcpy(&out->of.i64, &v->of.i64, sizeof out->of.i64);
        return NULL;
    case WAST_F32:
        out->kind = FNVM_F32;
        memcpy(&out->of.f32, &v->of.i32, sizeof out->of.f32);
        return NULL;
    case WAST_F64:
        out->kind = FNVM_F64;
        memcpy(&out->of.f64, &v->of.i64, sizeof out->of.f64);
        return NULL;
    case WAST_V128:
        out->kind = FNVM_V128;
        memcpy(out->of.v128, v->of.v128, sizeof out->of.v128);
        return NULL;
    case WAST_REF_NULL: out->kind = FNVM_REF; return NULL;
    case WAST_REF_HOST:
    case WAST_REF_EXTERN:
        out->kind = FNVM_REF;
        return fnvm_ref_from_host(store, v->host, &out->of.ref);
    default: return fnvm_error_new(FNVM_E_USAGE, "a pattern is no argument");
    }
}

/* ---- Patterns ---- */

static bool matches_f32(WastNan nan, uint32_t want, uint32_t bits)
{
    if (nan == WAST_NAN_CANONICAL) return (bits & ~F32_SIGN) == F32_QUIET;
    if (nan == WAST_NAN_ARITHMETIC) return (bits & F32_QUIET) == F32_QUIET;
    return bits == want;
}

static bool matches_f64(WastNan nan, uint64_t want, uint64_t bits)
{
    if (nan == WAST_NAN_CANONICAL) return (bits & ~F64_SIGN) == F64_QUIET;
    if (nan == WAST_NAN_ARITHMETIC) return (bits & F64_QUIET) == F64_QUIET;
    return bits == want;
}

static uint32_t bits_of_f32(const void *at)
{
    uint32_t bits;
    memcpy(&bits, at, sizeof bits);
    return bits;
}

static uint64_t bits_of_f64(const void *at)
{
    uint64_t bits;
    memcpy(&bits, at, sizeof bits);
    return bits;
}

static bool matches_v128(const WastValue *p, const uint8_t *bytes)
{
    if (p->shape == WAST_F32X4) {
        for (int i = 0; i < 4; i++)
            if (!matches_f32(p->nan[i], bits_of_f32(p->of.v128 + 4 * i),
                             bits_of_f32(bytes + 4 * i)))
                return false;
        return true;
    }
    if (p->shape == WAST_F64X2) {
        for (int i = 0; i < 2; i++)
            if (!matches_f64(p->nan[i], bits_of_f64(p->of.v128 + 8 * i),
                             bits_of_f64(bytes + 8 * i)))
                return false;
        return true;
    }
    return memcmp(p->of.v128, bytes, sizeof p->of.v128) == 0;
}

static bool matches_ref(fnvm_store *store, const WastValue *p, fnvm_ref ref)
{
    fnvm_refkind kind = fnvm_ref_kind(store, ref);
    uint64_t host;
    bool has_host = fnvm_ref_host_value(store, ref, &host);
    bool is_eq = kind == FNVM_REF_I31 || kind == FNVM_REF_STRUCT || kind == FNVM_REF_ARRAY;
    switch (p->kind) {
    case WAST_REF_NULL: return kind == FNVM_REF_NULL;
    case WAST_REF_HOST: return has_host && host == p->host;
    case WAST_REF_EXTERN:
        return p->has_host ? has_host && host == p->host : fnvm_ref_is_extern(store, ref);
    case WAST_REF_FUNC: return kind == FNVM_REF_FUNC;
    case WAST_REF_ANY: return is_eq || kind == FNVM_REF_EXTERN;
    case WAST_REF_EQ: return is_eq;
    case WAST_REF_I31: return kind == FNVM_REF_I31;
    case WAST_REF_STRUCT: return kind == FNVM_REF_STRUCT;
    case WAST_REF_ARRAY: return kind == FNVM_REF_ARRAY;
    case WAST_REF_EXN: return kind == FNVM_REF_EXCEPTION;
    default: return false;
    }
}

bool wast_value_matches(fnvm_store *store, const WastValue *p, const fnvm_val *v)
{
    switch (p->kind) {
    case WAST_I32: return v->kind == FNVM_I32 && (uint32_t)v->of.i32 == p->of.i32;
    case WAST_I64: return v->kind == FNVM_I64 && (uint64_t)v->of.i64 == p->of.i64;
    case WAST_F32:
        return v->kind == FNVM_F32 && matches_f32(p->nan[0], p->of.i32, bits_of_f32(&v->of.f32));
    case WAST_F64:
        return v->kind == FNVM_F64 && matches_f64(p->nan[0], p->of.i64, bits_of_f64(&v->of.f64));
    case WAST_V128: return v->kind == FNVM_V128 && matches_v128(p, v->of.v128);
    case WAST_EITHER:
        for (size_t i = 0; i < p->nchoices; i++)
            if (wast_value_matches(store, &p->choices[i], v)) return true;
        return false;
    default: return v->kind == FNVM_REF && matches_ref(store, p, v->of.ref);
    }
}

/* ---- Text ---- */

typedef struct Text { char *at; size_t size, len; } Text; /* len: as if there were room for all */

__attribute__((format(printf, 2, 3))) static void text_add(Text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool room = t->len < t->size;
    int n = vsnprintf(room ? t->at + t->len : NULL, room ? t->size - t->len : 0, format, args);
    va_end(args);
    if (n > 0) t->len += (size_t)n;
}

static void text_add_f32(Text *t, WastNan nan, uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    if (nan == WAST_NAN_CANONICAL) text_add(t, "nan:canonical");
    else if (nan == WAST_NAN_ARITHMETIC) text_add(t, "nan:arithmetic");
    else text_add(t, "%.9g (0x%08" PRIx32 ")", (double)f, bits);
}

static void text_add_f64(Text *t, WastNan nan, uint64_t bits)
{
    double f;
    memcpy(&f, &bits, sizeof f);
    if (nan == WAST_NAN_CANONICAL) text_add(t, "nan:canonical");
    else if (nan == WAST_NAN_ARITHMETIC) text_add(t, "nan:arithmetic");
    else text_add(t, "%.17g (0x%016" PRIx64 ")", f, bits);
}

static void text_add_v128(Text *t, WastShape shape, const WastNan *nan, const uint8_t *bytes)
{
    static const struct { const char *name; int lane_bytes; } shapes[] = {
        [WAST_I8X16] = {"i8x16", 1}, [WAST_I16X8] = {"i16x8", 2}, [WAST_I32X4] = {"i32x4", 4},
        [WAST_I64X2] = {"i64x2", 8}, [WAST_F32X4] = {"f32x4", 4}, [WAST_F64X2] = {"f64x2", 8}};
    const int size = shapes[shape].lane_bytes;
    text_add(t, "v128 %s", shapes[shape].name);
    for (int i = 0; i < 16 / size; i++) {
        text_add(t, " ");
        if (shape == WAST_F32X4) text_add_f32(t, nan[i], bits_of_f32(bytes + 4 * i));
        else if (shape == WAST_F64X2) text_add_f64(t, nan[i], bits_of_f64(bytes + 8 * i));
        else {
            text_add(t, "0x");
            for (int k = size - 1; k >= 0; k--) text_add(t, "%02x", bytes[size * i + k]);
        }
    }
}

static void text_add_pattern(Text *t, const WastValue *v)
{
    static const char *const refs[] = {
        [WAST_REF_FUNC] = "ref.func", [WAST_REF_ANY] = "ref.any", [WAST_REF_EQ] = "ref.eq",
        [WAST_REF_I31] = "ref.i31", [WAST_REF_STRUCT] = "ref.struct",
        [WAST_REF_ARRAY] = "ref.array", [WAST_REF_EXN] = "ref.exn"};
    switch (v->kind) {
    case WAST_I32: text_add(t, "i32 %" PRId32, (int32_t)v->of.i32); return;
    case WAST_I64: text_add(t, "i64 %" PRId64, (int64_t)v->of.i64); return;
    case WAST_F32: text_add(t, "f32 "), text_add_f32(t, v->nan[0], v->of.i32); return;
    case WAST_F64: text_add(t, "f64 "), text_add_f64(t, v->nan[0], v->of.i64); return;
    case WAST_V128: text_add_v128(t, v->shape, v->nan, v->of.v128); return;
    case WAST_REF_NULL: text_add(t, "ref.null %.*s", (int)v->heap.len, v->heap.bytes); return;
    case WAST_REF_HOST: text_add(t, "ref.host %" PRIu64, v->host); return;
    case WAST_REF_EXTERN:
        text_add(t, "ref.extern");
        if (v->has_host) text_add(t, " %" PRIu64, v->host);
        return;
    case WAST_EITHER:
        text_add(t, "either");
        for (size_t i = 0; i < v->nchoices; i++) {
            text_add(t, i ? " or " : " ");
            text_add_pattern(t, &v->choices[i]);
        }
        return;
    default: text_add(t, "%s", refs[v->kind]); return;
    }
}

size_t wast_pattern_print(const WastValue *v, char *text, size_t size)
{
    Text t = {text, size, 0};
    text_add_pattern(&t, v);
    return t.len;
}

static void text_add_ref(Text *t, fnvm_store *store, fnvm_ref ref)
{
    static const char *const kinds[] = {
        [FNVM_REF_NULL] = "ref.null", [FNVM_REF_FUNC] = "ref.func",
        [FNVM_REF_EXTERN] = "ref.extern", [FNVM_REF_I31] = "ref.i31",
        [FNVM_REF_STRUCT] = "ref.struct",
        [FNVM_REF_ARRAY] = "ref.array", [FNVM_REF_EXCEPTION] = "ref.exn"};
    uint64_t host;
    int32_t i31;
    text_add(t, "%s", kinds[fnvm_ref_kind(store, ref)]);
    if (fnvm_ref_host_value(store, ref, &host)) text_add(t, " %" PRIu64, host);
    else if (fnvm_ref_i31_value(store, ref, &i31)) text_add(t, " %" PRId32, i31);
}

size_t wast_value_print(fnvm_store *store, const fnvm_val *v, char *text, size_t size)
{
    Text t = {text, size, 0};
    switch (v->kind) {
    case FNVM_I32: text_add(&t, "i32 %" PRId32, v->of.i32); break;
    case FNVM_I64: text_add(&t, "i64 %" PRId64, v->of.i64); break;
    case FNVM_F32:
        text_add(&t, "f32 ");
        text_add_f32(&t, WAST_NAN_NONE, bits_of_f32(&v->of.f32));
        break;
    case FNVM_F64:
        text_add(&t, "f64 ");
        text_add_f64(&t, WAST_NAN_NONE, bits_of_f64(&v->of.f64));
        break;
    case FNVM_V128: text_add_v128(&t, WAST_I32X4, NULL, v->of.v128); break;
    case FNVM_REF: text_add_ref(&t, store, v->of.ref); break;
    }
    return t.len;
}
