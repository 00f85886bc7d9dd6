/* Floating point in registers: escape times over a grid. */
#include "kernel.h"

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    const int size = 350, limit = 140 * (int)seed;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            double cr = 3.0 * x / size - 2.25, ci = 2.5 * y / size - 1.25, zr = 0, zi = 0;
            int n = 0;
            while (n < limit && zr * zr + zi * zi < 4.0) {
                double t = zr * zr - zi * zi + cr;
                zi = 2.0 * zr * zi + ci;
                zr = t;
                n++;
            }
            sum = fold(sum, (uint64_t)n);
        }
    return sum;
}
