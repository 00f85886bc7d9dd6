/* Integers and hexadecimal floats are converted here, exactly; decimal floats are checked and
 * stripped here and converted by the C library, which rounds correctly, in the C locale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtof_l */
#endif
#include "loader/text/number.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* Value of a digit in base 10 or 16, -1 if it is none. */
static int digit_value(char c, unsigned base)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (base == 16 && c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (base == 16 && c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Length of the digits, with single underscores between them, that `s` begins with; 0: none. */
static size_t digits_length(Str s, unsigned base)
{
    size_t i = 0;
    while (i < s.len) {
        bool underscore = s.bytes[i] == '_';
        if (underscore && (i == 0 || s.bytes[i - 1] == '_')) return 0;
        if (!underscore && digit_value(s.bytes[i], base) < 0) break;
        i++;
    }
    return i != 0 && s.bytes[i - 1] == '_' ? 0 : i;
}

static Str str_tail(Str s, size_t from) { return (Str){s.bytes + from, s.len - from}; }

static bool has_hex_prefix(Str s) { return s.len > 2 && s.bytes[0] == '0' && s.bytes[1] == 'x'; }

NumberResult number_unsigned(Str s, uint64_t max, uint64_t *out)
{
    unsigned base = has_hex_prefix(s) ? 16 : 10;
    if (base == 16) s = str_tail(s, 2);
    if (s.len == 0 || digits_length(s, base) != s.len) return NUMBER_MALFORMED;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.bytes[i] == '_') continue;
        uint64_t digit = (uint64_t)digit_value(s.bytes[i], base);
        if (value > (max - digit) / base || digit > max) return NUMBER_RANGE;
        value = value * base + digit;
    }
    *out = value;
    return NUMBER_OK;
}

NumberResult number_integer(Str s, unsigned bits, uint64_t *out)
{
    uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    bool negative = s.len != 0 && s.bytes[0] == '-';
    if (s.len != 0 && (negative || s.bytes[0] == '+')) s = str_tail(s, 1);
    NumberResult result = number_unsigned(s, negative ? (mask >> 1) + 1 : mask, out);
    if (result == NUMBER_OK && negative) *out = (0 - *out) & mask;
    return result;
}

/* ---- Floats ---------------------------------------------------------------------------------- */

typedef struct Format { /* of an IEEE 754 binary number */
    unsigned mantissa_bits, exponent_bits;
} Format;

static Format format_of(unsigned bits) { return bits == 32 ? (Format){23, 8} : (Format){52, 11}; }

/* The float nearest to mantissa * 2^exponent; `sticky` says that bits below were cut off. */
static NumberResult float_round(uint64_t mantissa, int64_t exponent, bool sticky, Format format,
                                uint64_t *out)
{
    if (mantissa == 0) {
        *out = 0;
        return NUMBER_OK;
    }
    int64_t bias = ((int64_t)1 << (format.exponent_bits - 1)) - 1;
    unsigned zeros = (unsigned)__builtin_clzll(mantissa);
    mantissa <<= zeros;
    int64_t top = exponent - zeros + 63; /* the value is 1.xxx * 2^top */
    if (top > bias) return NUMBER_RANGE;
    /* Drop the bits that do not fit; more of them, and no implicit bit, for a subnormal. */
    int64_t drop = 63 - format.mantissa_bits;
    bool subnormal = top < 1 - bias;
    if (subnormal) drop += 1 - bias - top;
    if (drop > 64) { /* less than half of the smallest float */
        *out = 0;
        return NUMBER_OK;
    }
    uint64_t kept = drop == 64 ? 0 : mantissa >> drop;
    uint64_t half = (uint64_t)1 << (drop - 1);
    uint64_t rest = drop == 64 ? mantissa : mantissa & (half * 2 - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1)))) kept++;
    /* A carry out of the mantissa moves into the exponent field, where it belongs. */
    uint64_t field = subnormal ? 0 : (uint64_t)(top + bias - 1) << format.mantissa_bits;
    uint64_t value = field + kept;
    uint64_t infinity = (((uint64_t)1 << format.exponent_bits) - 1) << format.mantissa_bits;
    if (value >= infinity) return NUMBER_RANGE;
    *out = value;
    return NUMBER_OK;
}

/* The exponent's digits with their sign, limited so that sums with it cannot overflow. */
static NumberResult exponent_read(Str s, int64_t *out)
{
    const int64_t limit = (int64_t)1 << 40;
    bool negative = s.len != 0 && s.bytes[0] == '-';
    if (s.len != 0 && (negative || s.bytes[0] == '+')) s = str_tail(s, 1);
    if (s.len == 0 || digits_length(s, 10) != s.len) return NUMBER_MALFORMED;
    int64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.bytes[i] != '_' && value < limit) value = value * 10 + digit_value(s.bytes[i], 10);
    }
    *out = negative ? -value : value;
    return NUMBER_OK;
}

/* The parts of "digits [. digits?] [e exponent]"; `base` 16 has 'p' for the exponent. */
typedef struct FloatParts {
    Str whole, fraction;
    bool has_exponent;
    int64_t exponent;
} FloatParts;

static NumberResult float_split(Str s, unsigned base, FloatParts *parts)
{
    *parts = (FloatParts){.whole = {s.bytes, digits_length(s, base)}};
    if (parts->whole.len == 0) return NUMBER_MALFORMED;
    s = str_tail(s, parts->whole.len);
    if (s.len != 0 && s.bytes[0] == '.') {
        s = str_tail(s, 1);
        parts->fraction = (Str){s.bytes, digits_length(s, base)};
        s = str_tail(s, parts->fraction.len);
    }
    if (s.len == 0) return NUMBER_OK;
    char lower = (char)(s.bytes[0] | 0x20);
    if (lower != (base == 16 ? 'p' : 'e')) return NUMBER_MALFORMED;
    parts->has_exponent = true;
    return exponent_read(str_tail(s, 1), &parts->exponent);
}

static void hex_accumulate(Str digits, bool is_fraction, uint64_t *mantissa, int64_t *exponent,
                           bool *sticky)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.bytes[i] == '_') continue;
        uint64_t digit = (uint64_t)digit_value(digits.bytes[i], 16);
        if (*mantissa >> 60 == 0) {
            *mantissa = *mantissa << 4 | digit;
            *exponent -= is_fraction ? 4 : 0;
        } else {
            *sticky |= digit != 0;
            *exponent += is_fraction ? 0 : 4;
        }
    }
}

static NumberResult float_hex(Str s, Format format, uint64_t *out)
{
    FloatParts parts;
    NumberResult result = float_split(s, 16, &parts);
    if (result != NUMBER_OK) return result;
    uint64_t mantissa = 0;
    int64_t exponent = parts.exponent;
    bool sticky = false;
    hex_accumulate(parts.whole, false, &mantissa, &exponent, &sticky);
    hex_accumulate(parts.fraction, true, &mantissa, &exponent, &sticky);
    return float_round(mantissa, exponent, sticky, format, out);
}

static NumberResult float_decimal(Str s, unsigned bits, Arena *arena, uint64_t *out)
{
    FloatParts parts;
    NumberResult result = float_split(s, 10, &parts);
    if (result != NUMBER_OK) return result;
    char *plain = arena_alloc(arena, s.len + 1); /* zeroed, so it ends with a NUL */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == NULL || c_locale == (locale_t)0) {
        arena->failed = true;
        return NUMBER_MALFORMED;
    }
    for (size_t i = 0, n = 0; i < s.len; i++) {
        if (s.bytes[i] != '_') plain[n++] = s.bytes[i];
    }
    *out = 0;
    if (bits == 32) {
        float value = strtof_l(plain, NULL, c_locale);
        memcpy(out, &value, sizeof value); /* little-endian hosts only, as the engine is */
    } else {
        double value = strtod_l(plain, NULL, c_locale);
        memcpy(out, &value, sizeof value);
    }
    freelocale(c_locale);
    Format format = format_of(bits);
    uint64_t infinity = (((uint64_t)1 << format.exponent_bits) - 1) << format.mantissa_bits;
    return *out == infinity ? NUMBER_RANGE : NUMBER_OK;
}

static NumberResult float_nan(Str s, Format format, uint64_t *out)
{
    uint64_t infinity = (((uint64_t)1 << format.exponent_bits) - 1) << format.mantissa_bits;
    uint64_t payload = (uint64_t)1 << (format.mantissa_bits - 1);
    if (s.len > 3) { /* nan:0x... */
        s = str_tail(s, 4);
        uint64_t max = ((uint64_t)1 << format.mantissa_bits) - 1;
        if (!has_hex_prefix(s)) return NUMBER_MALFORMED;
        NumberResult result = number_unsigned(s, max, &payload);
        if (result != NUMBER_OK) return result;
        if (payload == 0) return NUMBER_RANGE;
    }
    *out = infinity | payload;
    return NUMBER_OK;
}

NumberResult number_float(Str s, unsigned bits, Arena *arena, uint64_t *out)
{
    Format format = format_of(bits);
    bool negative = s.len != 0 && s.bytes[0] == '-';
    if (s.len != 0 && (negative || s.bytes[0] == '+')) s = str_tail(s, 1);
    NumberResult result;
    if (str_equal(s, STR("inf"))) {
        *out = (((uint64_t)1 << format.exponent_bits) - 1) << format.mantissa_bits;
        result = NUMBER_OK;
    } else if (str_equal(s, STR("nan")) || (s.len > 4 && memcmp(s.bytes, "nan:", 4) == 0)) {
        result = float_nan(s, format, out);
    } else if (has_hex_prefix(s)) {
        result = float_hex(str_tail(s, 2), format, out);
    } else {
        result = float_decimal(s, bits, arena, out);
    }
    if (result == NUMBER_OK && negative) *out |= (uint64_t)1 << (bits - 1);
    return result;
}
