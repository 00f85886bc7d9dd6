/* The buffer doubles; the generator of random numbers is xoshiro256** by Blackman and Vigna, its
 * state filled by splitmix64, as they recommend. */
#include "conformance/generate/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1024 };

static bool make_room(Bytes *b, size_t more)
{
    if (b->failed) return false;
    if (b->cap - b->len >= more) return true;
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    while (cap - b->len < more && cap <= SIZE_MAX / 2) cap *= 2;
    uint8_t *at = cap - b->len < more ? NULL : realloc(b->at, cap);
    if (!at) {
        b->failed = true;
        return false;
    }
    b->at = at;
    b->cap = cap;
    return true;
}

void bytes_put(Bytes *b, unsigned byte)
{
    if (make_room(b, 1)) b->at[b->len++] = (uint8_t)byte;
}

void bytes_raw(Bytes *b, const void *from, size_t len)
{
    if (len == 0 || !make_room(b, len)) return;
    memcpy(b->at + b->len, from, len);
    b->len += len;
}

void bytes_unsigned(Bytes *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) bytes_put(b, (unsigned)(v & 0x7F) | 0x80);
    bytes_put(b, (unsigned)v);
}

void bytes_signed(Bytes *b, int64_t v)
{
    for (; v < -64 || v > 63; v >>= 7) bytes_put(b, (unsigned)(v & 0x7F) | 0x80);
    bytes_put(b, (unsigned)v & 0x7F);
}

void bytes_name(Bytes *b, const char *text)
{
    bytes_unsigned(b, strlen(text));
    bytes_raw(b, text, strlen(text));
}

void bytes_sized(Bytes *b, const Bytes *content)
{
    b->failed |= content->failed;
    bytes_unsigned(b, content->len);
    bytes_raw(b, content->at, content->len);
}

void bytes_section(Bytes *b, unsigned id, const Bytes *content)
{
    bytes_put(b, id);
    bytes_sized(b, content);
}

void bytes_clear(Bytes *b) { b->len = 0; }

void bytes_free(Bytes *b)
{
    free(b->at);
    *b = (Bytes){0};
}

/* ---- Random numbers ---- */

void random_seed(Random *r, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        r->state[i] = z ^ z >> 31;
    }
}

static uint64_t rotate(uint64_t v, unsigned n) { return v << n | v >> (64 - n); }

uint64_t random_next(Random *r)
{
    uint64_t *s = r->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t random_below(Random *r, uint32_t n)
{
    return (uint32_t)((random_next(r) >> 32) * n >> 32);
}
