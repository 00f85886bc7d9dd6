/* Values are parsed by the parameter's type and printed by the result's. */
#include "cli/values.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *kind_name(fnvm_kind kind)
{
    static const char *const names[] = {"i32", "i64", "f32", "f64", "v128", "reference"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

/* Sign, then digits; the value is taken modulo 2^bits from the range -2^(bits-1) .. 2^bits-1. */
static bool integer_parse(const char *text, unsigned bits, uint64_t *out)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    if (*text < '0' || *text > '9') return false;
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, base);
    if (*end || errno || (base == 16 && !text[2])) return false;
    uint64_t most = negative ? (uint64_t)1 << (bits - 1) : UINT64_MAX >> (64 - bits);
    if (number > most) return false;
    *out = negative ? 0 - number : number;
    return true;
}

static bool float_starts(const char *text) { return *text && !strchr(" \t\n\v\f\r", *text); }

bool value_parse(const char *text, fnvm_kind kind, fnvm_val *out)
{
    uint64_t bits = 0;
    char *end = NULL;
    *out = (fnvm_val){.kind = kind};
    switch (kind) {
    case FNVM_I32:
        if (!integer_parse(text, 32, &bits)) return false;
        out->of.i32 = (int32_t)(uint32_t)bits;
        return true;
    case FNVM_I64:
        if (!integer_parse(text, 64, &bits)) return false;
        out->of.i64 = (int64_t)bits;
        return true;
    case FNVM_F32:
        if (!float_starts(text)) return false;
        out->of.f32 = strtof(text, &end);
        return *end == '\0';
    case FNVM_F64:
        if (!float_starts(text)) return false;
        out->of.f64 = strtod(text, &end);
        return *end == '\0';
    default: return false;
    }
}

static void float_print(FILE *out, double value, bool is_f32)
{
    char text[64];
    for (int digits = is_f32 ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        bool same = is_f32 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
        if (same || isnan(value)) break;
    }
    fputs(text, out);
}

static void ref_print(FILE *out, fnvm_store *store, fnvm_ref ref)
{
    int32_t number;
    uint64_t host;
    switch (fnvm_ref_kind(store, ref)) {
    case FNVM_REF_NULL: fputs("null", out); return;
    case FNVM_REF_FUNC: fputs("<func>", out); return;
    case FNVM_REF_STRUCT: fputs("<struct>", out); return;
    case FNVM_REF_ARRAY: fputs("<array>", out); return;
    case FNVM_REF_EXCEPTION: fputs("<exception>", out); return;
    case FNVM_REF_I31:
        if (fnvm_ref_i31_value(store, ref, &number)) fprintf(out, "<i31 %" PRId32 ">", number);
        else fputs("<i31>", out);
        return;
    case FNVM_REF_EXTERN:
        if (fnvm_ref_host_value(store, ref, &host)) fprintf(out, "<extern %" PRIu64 ">", host);
        else fputs("<extern>", out);
        return;
    }
}

void value_print(FILE *out, fnvm_store *store, const fnvm_val *value)
{
    switch (value->kind) {
    case FNVM_I32: fprintf(out, "%" PRId32, value->of.i32); return;
    case FNVM_I64: fprintf(out, "%" PRId64, value->of.i64); return;
    case FNVM_F32: float_print(out, (double)value->of.f32, true); return;
    case FNVM_F64: float_print(out, value->of.f64, false); return;
    case FNVM_V128: /* as one number: the last byte is the most significant */
        fputs("0x", out);
        for (int i = 15; i >= 0; i--) fprintf(out, "%02x", value->of.v128[i]);
        return;
    case FNVM_REF: ref_print(out, store, value->of.ref); return;
    }
}
