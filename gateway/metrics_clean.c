/* Guests' bytes, made fit for JSON, labels and a terminal.  UTF-8 is checked by the ranges of the
 * standard (no surrogates, nothing overlong or beyond U+10FFFF): a reader elsewhere would refuse
 * the whole document. */
#include "gateway/metrics_memory.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the character at `at`, 0 if it is none. */
static size_t character(const unsigned char *at, size_t left)
{
    const unsigned char c = at[0];
    if (c < 0x80) return 1;
    const size_t n = c >= 0xC2 && c < 0xE0   ? 2
                     : c >= 0xE0 && c < 0xF0 ? 3
                     : c >= 0xF0 && c < 0xF5 ? 4
                                             : 0;
    if (n == 0 || n > left) return 0;
    const unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    return n;
}

static bool is_control(const unsigned char *at, size_t n)
{
    if (n == 2 && at[0] == 0xC2 && at[1] < 0xA0) return true; /* C1 */
    return n == 1 && (at[0] == 0x7F || (at[0] < 0x20 && at[0] != '\t' && at[0] != '\n'));
}

size_t text_clean(const char *text, size_t len, char *out, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t to = 0;
    for (size_t i = 0; i < len;) {
        char piece[12];
        size_t n = character(at + i, len - i), have = n;
        if (n == 0) {
            memcpy(piece, "\xEF\xBF\xBD", have = 3);
            n = 1;
        } else if (is_control(at + i, n))
            have = (size_t)snprintf(piece, sizeof piece, "\\x%02x", (unsigned)at[i + n - 1]);
        else memcpy(piece, at + i, n);
        if (have > size - to) break;
        memcpy(out + to, piece, have);
        to += have;
        i += n;
    }
    return to;
}
