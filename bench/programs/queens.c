/* Recursion that keeps its state in bits: placing queens that do not attack each other. */
#include "kernel.h"

static uint32_t placings(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
    if (columns == all) return 1;
    uint32_t count = 0;
    for (uint32_t free = all & ~(columns | left | right); free;) {
        uint32_t place = free & -free;
        free ^= place;
        count += placings(all, columns | place, (left | place) << 1, (right | place) >> 1);
    }
    return count;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    for (uint32_t n = 4; n <= 12; n++) sum = fold(sum, placings((seed << n) - 1, 0, 0, 0));
    return sum;
}
