/* 32-bit shifts, rotates and exclusive ors: a ChaCha-like mixing of blocks. */
#include "kernel.h"

static inline uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

#define QUARTER(a, b, c, d)                                                                       \
    a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8),   \
        c += d, b = rotate(b ^ c, 7)

static uint64_t kernel(uint32_t seed)
{
    uint32_t s[16];
    for (uint32_t i = 0; i < 16; i++) s[i] = i * 0x01010101u + 7 * seed;
    for (int n = 0; n < 100000; n++) {
        uint32_t x[16];
        for (int i = 0; i < 16; i++) x[i] = s[i];
        for (int round = 0; round < 10; round++) {
            QUARTER(x[0], x[4], x[8], x[12]);
            QUARTER(x[1], x[5], x[9], x[13]);
            QUARTER(x[2], x[6], x[10], x[14]);
            QUARTER(x[3], x[7], x[11], x[15]);
            QUARTER(x[0], x[5], x[10], x[15]);
            QUARTER(x[1], x[6], x[11], x[12]);
            QUARTER(x[2], x[7], x[8], x[13]);
            QUARTER(x[3], x[4], x[9], x[14]);
        }
        for (int i = 0; i < 16; i++) s[i] += x[i];
    }
    uint64_t sum = 0;
    for (int i = 0; i < 16; i++) sum = fold(sum, s[i]);
    return sum;
}
