/* Compression: matches found through a table of hashes, then the same expanded again. */
#include <string.h>

#include "kernel.h"

enum { SIZE = 400000, HASH_BITS = 14, SHORTEST = 4, LONGEST = 255 };

static uint8_t plain[SIZE], packed[SIZE * 2], expanded[SIZE];
static uint32_t last_seen[1 << HASH_BITS];

static void write_text(uint32_t seed)
{
    static const char *const words[] = {"the ", "memory ", "of ", "a ", "machine ", "is ", "read ",
                                        "and ", "written ", "by ", "code, ", "not ", "data. "};
    uint64_t state = 31337 * seed;
    for (size_t n = 0; n < SIZE;) {
        uint64_t r = next_random(&state);
        const char *word = words[r % 13];
        for (; *word && n < SIZE; word++) plain[n++] = (uint8_t)*word;
        if (r % 11 == 0 && n < SIZE) plain[n++] = (uint8_t)(r >> 32);
    }
}

static uint32_t four_bytes(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    size_t n = 0;
    while (n < LONGEST && b + n < end && a[n] == b[n]) n++;
    return n;
}

/* A length of 0 is followed by a literal byte, any other by the match's distance in two bytes. */
static size_t compress(void)
{
    memset(last_seen, 0, sizeof last_seen);
    size_t out = 0, at = 0;
    while (at < SIZE) {
        size_t length = 0, from = 0;
        if (at + SHORTEST <= SIZE) {
            uint32_t hash = four_bytes(plain + at) * 2654435761u >> (32 - HASH_BITS);
            from = last_seen[hash];
            last_seen[hash] = (uint32_t)at;
            if (from < at && at - from < 65536)
                length = match_length(plain + from, plain + at, plain + SIZE);
        }
        if (length < SHORTEST) {
            packed[out++] = 0;
            packed[out++] = plain[at++];
            continue;
        }
        packed[out++] = (uint8_t)length;
        packed[out++] = (uint8_t)(at - from);
        packed[out++] = (uint8_t)((at - from) >> 8);
        at += length;
    }
    return out;
}

static void expand(size_t packed_bytes)
{
    uint8_t *to = expanded;
    for (size_t at = 0; at < packed_bytes;) {
        size_t length = packed[at++];
        if (length == 0) {
            *to++ = packed[at++];
            continue;
        }
        const uint8_t *from = to - (packed[at] | packed[at + 1] << 8);
        at += 2;
        while (length--) *to++ = *from++;
    }
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    write_text(seed);
    for (int n = 0; n < 6; n++) {
        size_t bytes = compress();
        expand(bytes);
        sum = fold(sum, bytes + (uint64_t)(memcmp(plain, expanded, SIZE) == 0));
    }
    return sum;
}
