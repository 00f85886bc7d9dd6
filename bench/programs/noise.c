/* Single precision, rounding and conversion: a sum of octaves of value noise over an image. */
#include <math.h>

#include "kernel.h"

enum { SIDE = 420 };

static float lattice(int x, int y)
{
    uint32_t h = (uint32_t)x * 374761393u + (uint32_t)y * 668265263u;
    h = (h ^ h >> 13) * 1274126177u;
    return (float)(h >> 8) / 16777216.0f;
}

static float smooth(float a, float b, float t) { return a + (b - a) * t * t * (3 - 2 * t); }

static float noise(float x, float y)
{
    float fx = floorf(x), fy = floorf(y);
    int ix = (int)fx, iy = (int)fy;
    float top = smooth(lattice(ix, iy), lattice(ix + 1, iy), x - fx);
    float bottom = smooth(lattice(ix, iy + 1), lattice(ix + 1, iy + 1), x - fx);
    return smooth(top, bottom, y - fy);
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float value = 0, size = 0.5f, scale = 1.0f / (32.0f * (float)seed);
            for (int octave = 0; octave < 5; octave++) {
                value += size * fabsf(noise((float)x * scale - 3, (float)y * scale - 3) - 0.5f);
                size *= 0.5f;
                scale *= 2;
            }
            sum = fold(sum, (uint64_t)(value * 512));
        }
    return sum;
}
