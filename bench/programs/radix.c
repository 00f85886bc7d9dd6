/* Scattered stores of regular loads: sorting 32-bit keys byte by byte. */
#include <string.h>

#include "kernel.h"

enum { N = 200000 };
static uint32_t keys[N], other[N];

static void pass(const uint32_t *from, uint32_t *to, int shift)
{
    uint32_t start[257] = {0};
    for (int i = 0; i < N; i++) start[(from[i] >> shift & 255) + 1]++;
    for (int i = 0; i < 256; i++) start[i + 1] += start[i];
    for (int i = 0; i < N; i++) to[start[from[i] >> shift & 255]++] = from[i];
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 271828 * seed, sum = 0;
    for (int n = 0; n < 5; n++) {
        for (int i = 0; i < N; i++) keys[i] = (uint32_t)next_random(&state);
        pass(keys, other, 0);
        pass(other, keys, 8);
        pass(keys, other, 16);
        pass(other, keys, 24);
        for (int i = 0; i < N; i += 100) sum = fold(sum, keys[i]);
    }
    return sum;
}
