/* Scattered loads and stores: an open-addressed hash table of integers. */
#include "kernel.h"

enum { SLOTS = 1 << 18 };
static uint64_t keys[SLOTS];
static uint32_t counts[SLOTS];

static uint32_t *slot_of(uint64_t key)
{
    uint32_t i = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 40) & (SLOTS - 1);
    while (keys[i] != 0 && keys[i] != key) i = (i + 1) & (SLOTS - 1);
    keys[i] = key;
    return &counts[i];
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 88172645463325252u * seed, sum = 0;
    for (int i = 0; i < SLOTS; i++) keys[i] = counts[i] = 0;
    for (int n = 0; n < 1500000; n++) {
        uint64_t key = next_random(&state) % 150000 + 1;
        sum += ++*slot_of(key);
    }
    return sum;
}
