/* Bytes of text: decoding UTF-8, counting words, searching for a word with a table of skips. */
#include <string.h>

#include "kernel.h"

enum { SIZE = 300000 };
static uint8_t text[SIZE];

static size_t encode(uint8_t *to, uint32_t c)
{
    if (c < 0x80) return to[0] = (uint8_t)c, (size_t)1;
    if (c < 0x800) {
        to[0] = (uint8_t)(0xC0 | c >> 6), to[1] = (uint8_t)(0x80 | (c & 63));
        return 2;
    }
    to[0] = (uint8_t)(0xE0 | c >> 12);
    to[1] = (uint8_t)(0x80 | (c >> 6 & 63)), to[2] = (uint8_t)(0x80 | (c & 63));
    return 3;
}

/* Returns the character at *p and moves *p behind it; ~0 for what is no UTF-8. */
static uint32_t decode(const uint8_t **p, const uint8_t *end)
{
    uint32_t c = *(*p)++;
    if (c < 0x80) return c;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC2 ? 1 : 0;
    if (more == 0 || end - *p < more) return ~0u;
    c &= 0x3Fu >> more;
    while (more--) {
        if ((**p & 0xC0) != 0x80) return ~0u;
        c = c << 6 | (*(*p)++ & 0x3Fu);
    }
    return c;
}

static void write_text(uint32_t seed)
{
    uint64_t state = 777 * seed;
    size_t n = 0;
    while (n + 4 < SIZE) {
        uint64_t r = next_random(&state);
        uint32_t c = (uint32_t)(r % 9 == 0 ? ' ' : 'a' + (r >> 8) % 12);
        if (r % 40 == 1) c = 0xE0 + (uint32_t)(r >> 16) % 0x500;
        if (r % 60 == 2) c = 0x4E00 + (uint32_t)(r >> 16) % 0x1000;
        n += encode(text + n, c);
    }
    memset(text + n, ' ', SIZE - n);
}

static uint64_t words_of(const uint8_t *p, const uint8_t *end)
{
    uint64_t words = 0, sum = 0;
    for (int inside = 0; p < end;) {
        uint32_t c = decode(&p, end);
        int letter = c > ' ' && c != ~0u;
        words += (uint64_t)(letter && !inside);
        inside = letter;
        sum += c;
    }
    return fold(sum, words);
}

static uint64_t occurrences(const char *word)
{
    size_t n = strlen(word), skip[256];
    uint64_t found = 0;
    for (int i = 0; i < 256; i++) skip[i] = n;
    for (size_t i = 0; i + 1 < n; i++) skip[(uint8_t)word[i]] = n - 1 - i;
    for (size_t at = 0; at + n <= SIZE; at += skip[text[at + n - 1]])
        found += memcmp(text + at, word, n) == 0;
    return found;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    write_text(seed);
    for (int n = 0; n < 6; n++) {
        sum = fold(sum, words_of(text, text + SIZE));
        sum = fold(sum, occurrences("cab") + occurrences("badge") + occurrences("hail"));
    }
    return sum;
}
