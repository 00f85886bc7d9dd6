/* Minima over three neighbours: the edit distance of two texts. */
#include "kernel.h"

enum { N = 3200 };
static uint8_t a[N], b[N];
static uint16_t row[N + 1];

static uint16_t distance(void)
{
    for (uint16_t j = 0; j <= N; j++) row[j] = j;
    for (uint16_t i = 1; i <= N; i++) {
        uint16_t diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= N; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = (uint16_t)best;
        }
    }
    return row[N];
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 424242 * seed;
    for (int i = 0; i < N; i++) {
        uint64_t r = next_random(&state);
        a[i] = (uint8_t)('a' + r % 4);
        b[i] = r >> 32 & 3 ? a[i] : (uint8_t)('a' + (r >> 8) % 4);
    }
    return distance();
}
