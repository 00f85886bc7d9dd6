/* Eight neighbours of every byte of a grid: Conway's game of life. */
#include "kernel.h"

enum { SIDE = 256, GENERATIONS = 60 };
static uint8_t cells[2][SIDE + 2][SIDE + 2];

static void step(uint8_t (*from)[SIDE + 2], uint8_t (*to)[SIDE + 2])
{
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++) {
            int n = from[y - 1][x - 1] + from[y - 1][x] + from[y - 1][x + 1] + from[y][x - 1] +
                    from[y][x + 1] + from[y + 1][x - 1] + from[y + 1][x] + from[y + 1][x + 1];
            if (n == 3) to[y][x] = 1;
            else if (n == 2) to[y][x] = from[y][x];
            else to[y][x] = 0;
        }
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 60 * seed, sum = 0;
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++) cells[0][y][x] = next_random(&state) % 3 == 0;
    for (int n = 0; n < GENERATIONS; n++) step(cells[n & 1], cells[~n & 1]);
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++) sum = fold(sum, cells[0][y][x]);
    return sum;
}
