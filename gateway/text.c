/* A block that doubles. */
#include "gateway/text.h"

#include <stdlib.h>
#include <string.h>

bool text_grow(Text *t, size_t more)
{
    size_t room = t->room ? t->room : 256;
    if (more > SIZE_MAX / 4 - t->len) t->failed = true;
    while (!t->failed && room - t->len < more) room *= 2;
    char *at = t->failed ? NULL : realloc(t->at, room);
    if (!at) {
        t->failed = true;
        return false;
    }
    t->at = at;
    t->room = room;
    return true;
}

void text_number(Text *t, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_add(t, digits + at, sizeof digits - at);
}

/* Bytes of the UTF-8 sequence that begins here, 0 if it is none (Unicode 15, table 3-7). */
static size_t sequence(const unsigned char *s, size_t len)
{
    const unsigned char c = s[0];
    const size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 :
                     c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n > len) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] >= 0xa0)) return 0;
    if ((c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] >= 0x90)) return 0;
    return n;
}

void text_json(Text *t, HttpText in)
{
    const unsigned char *s = (const unsigned char *)in.at;
    text_char(t, '"');
    for (size_t i = 0, plain; i < in.len;) {
        for (plain = i; plain < in.len; plain++)
            if (s[plain] < ' ' || s[plain] >= 0x7f || s[plain] == '"' || s[plain] == '\\') break;
        text_add(t, in.at + i, plain - i);
        i = plain;
        if (i == in.len) break;
        const size_t n = sequence(s + i, in.len - i);
        if (s[i] == '"' || s[i] == '\\') {
            text_char(t, '\\');
            text_char(t, (char)s[i]);
        } else if (s[i] < ' ' || s[i] == 0x7f) {
            text_put(t, "\\u00");
            text_char(t, "01234567"[s[i] >> 4]);
            text_char(t, "0123456789abcdef"[s[i] & 15]);
        } else if (n == 0) {
            text_put(t, "\\ufffd");
        } else {
            text_add(t, in.at + i, n);
        }
        i += n ? n : 1;
    }
    text_char(t, '"');
}

void text_clear(Text *t)
{
    t->len = 0;
    t->failed = false;
}

void text_free(Text *t)
{
    free(t->at);
    *t = (Text){0};
}
