/* 32-bit arithmetic with a small table: SHA-256 (FIPS 180-4) of a buffer. */
#include "kernel.h"

enum { BLOCKS = 40000 };

static uint32_t constants[64];

/* The first 32 bits of the fractional part of a prime's cube root, by bisection in integers. */
static uint32_t cube_root_bits(uint32_t prime)
{
    uint64_t low = 0, high = (uint64_t)8 << 32;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        unsigned __int128 cube = (unsigned __int128)middle * middle * middle;
        if (cube <= (unsigned __int128)prime << 96) low = middle;
        else high = middle;
    }
    return (uint32_t)low;
}

static void fill_constants(void)
{
    int n = 0;
    for (uint32_t candidate = 2; n < 64; candidate++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= candidate; d++) prime &= candidate % d != 0;
        if (prime) constants[n++] = cube_root_bits(candidate);
    }
}

static inline uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void add_block(uint32_t state[8], const uint32_t block[16])
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) w[i] = block[i];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static uint64_t kernel(uint32_t seed)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t block[16];
    fill_constants();
    for (uint32_t n = 0; n < BLOCKS; n++) {
        for (uint32_t i = 0; i < 16; i++) block[i] = n * 16 + i + seed;
        add_block(state, block);
    }
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) sum = fold(sum, state[i]);
    return sum;
}
