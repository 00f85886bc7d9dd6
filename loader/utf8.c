/* One table row per class of first byte: how many bytes follow, and the range of the second byte,
 * which alone rules out overlong forms, surrogates and numbers that are too large. */
#include "loader/utf8.h"

static unsigned utf8_class(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) return 1;
    if (first >= 0xE0 && first <= 0xEF) {
        if (first == 0xE0) *low = 0xA0;
        if (first == 0xED) *high = 0x9F;
        return 2;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (first == 0xF0) *low = 0x90;
        if (first == 0xF4) *high = 0x8F;
        return 3;
    }
    return 0;
}

size_t utf8_valid_prefix(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        if (bytes[at] < 0x80) {
            at++;
            continue;
        }
        uint8_t low, high;
        unsigned follow = utf8_class(bytes[at], &low, &high);
        if (follow == 0 || len - at <= follow) return at;
        if (bytes[at + 1] < low || bytes[at + 1] > high) return at;
        for (unsigned i = 2; i <= follow; i++)
            if ((bytes[at + i] & 0xC0) != 0x80) return at;
        at += follow + 1;
    }
    return at;
}
