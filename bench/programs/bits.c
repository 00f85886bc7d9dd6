/* 64-bit words as sets: counting, lowest and highest bits, rotations, parallel extraction. */
#include "kernel.h"

enum { N = 4096 };
static uint64_t sets[N];

static uint64_t rotate(uint64_t x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }

static uint64_t extract(uint64_t from, uint64_t mask)
{
    uint64_t out = 0;
    for (unsigned n = 0; mask; mask &= mask - 1, n++)
        out |= (from >> __builtin_ctzll(mask) & 1) << n;
    return out;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 64 * seed, sum = 0;
    for (int i = 0; i < N; i++) sets[i] = next_random(&state);
    for (unsigned n = 0; n < 500; n++)
        for (unsigned i = 0; i < N; i++) {
            uint64_t x = rotate(sets[i], n + i), y = sets[(i + n * 7) % N];
            sum += (uint64_t)(__builtin_popcountll(x & y) + __builtin_clzll(x | 1));
            if ((i & 15) == 0) sum ^= extract(x, y);
        }
    return sum;
}
