/* Bytes, sections and functions of modules. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/bombs/bombs.h"

void put(Buf *b, const void *bytes, size_t n)
{
    if (n > b->cap - b->len) {
        b->cap = (b->len + n) * 2;
        b->bytes = realloc(b->bytes, b->cap);
        if (!b->bytes) abort();
    }
    if (n) memcpy(b->bytes + b->len, bytes, n);
    b->len += n;
}

void byte(Buf *b, unsigned value) { put(b, &(uint8_t){(uint8_t)value}, 1); }

void put_all(Buf *b, const unsigned *values, size_t n)
{
    for (size_t i = 0; i < n; i++) byte(b, values[i]);
}

void text(Buf *b, const char *s) { put(b, s, strlen(s)); }

void leb(Buf *b, uint64_t n)
{
    do {
        byte(b, (unsigned)(n & 0x7F) | (n > 0x7F ? 0x80 : 0));
        n >>= 7;
    } while (n);
}

void sleb(Buf *b, int64_t n)
{
    for (;; n >>= 7) {
        bool last = n >= -64 && n < 64;
        byte(b, (unsigned)(n & 0x7F) | (last ? 0 : 0x80));
        if (last) return;
    }
}

void name(Buf *b, const char *s)
{
    leb(b, strlen(s));
    text(b, s);
}

size_t open_sized(Buf *b)
{
    PUT(b, 0x80, 0x80, 0x80, 0x80, 0x00);
    return b->len;
}

void close_sized(Buf *b, size_t start)
{
    size_t size = b->len - start;
    for (int i = 0; i < 5; i++, size >>= 7)
        b->bytes[start - 5 + (size_t)i] = (uint8_t)((size & 0x7F) | (i < 4 ? 0x80 : 0));
}

size_t section(Buf *b, unsigned id)
{
    byte(b, id);
    return open_sized(b);
}

void magic(Buf *b) { PUT(b, 0, 'a', 's', 'm', 1, 0, 0, 0); }

void export_function(Buf *b, uint32_t func)
{
    size_t s = section(b, 7);
    PUT(b, 1, 1, 'f', 0);
    leb(b, func);
    close_sized(b, s);
}

void functions(Buf *b, size_t n)
{
    size_t s = section(b, 3);
    leb(b, n);
    REPEAT(n) byte(b, 0);
    close_sized(b, s);
}

size_t code_begins(Buf *b, size_t nfuncs)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, nfuncs);
    s = section(b, 5);
    PUT(b, 1, 0, 1);
    close_sized(b, s);
    export_function(b, 0);
    s = section(b, 10);
    leb(b, nfuncs);
    return s;
}

Code one_function(Buf *b, size_t nlocals, unsigned kind)
{
    Code c = {.section = code_begins(b, 1)};
    c.body = open_sized(b);
    leb(b, nlocals > 0);
    if (nlocals) leb(b, nlocals), byte(b, kind);
    return c;
}

void one_function_ends(Buf *b, Code c)
{
    byte(b, END);
    close_sized(b, c.body);
    close_sized(b, c.section);
}

void repeated(Buf *b, size_t n, const char *bytes, size_t len, size_t nlocals, unsigned kind)
{
    Code c = one_function(b, nlocals, kind);
    REPEAT(n) put(b, bytes, len);
    one_function_ends(b, c);
}

void nested(Buf *b, size_t n, const char *open, size_t len)
{
    Code c = one_function(b, 0, 0);
    REPEAT(n) put(b, open, len);
    REPEAT(n) byte(b, END);
    one_function_ends(b, c);
}

void many_functions(Buf *b, size_t n, const char *body, size_t len)
{
    size_t s = code_begins(b, n);
    REPEAT(n) {
        leb(b, len);
        put(b, body, len);
    }
    close_sized(b, s);
}
