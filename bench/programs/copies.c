/* memory.copy and memory.fill of no bytes to some thousands, also overlapping.
 * wasm: -mbulk-memory */
#include <string.h>

#include "kernel.h"

enum { SIZE = 1 << 18, COPIES = 500000 };
static uint8_t data[SIZE];

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 2718 * seed, sum = 0;
    for (int i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 7);
    for (int n = 0; n < COPIES; n++) {
        uint64_t r = next_random(&state);
        uint32_t bytes = (uint32_t)(r >> 40) & (r & 1 ? 31 : r & 2 ? 255 : 4095);
        uint32_t from = (uint32_t)(r >> 2) % (SIZE - 4112);
        uint32_t to = (uint32_t)(r >> 20) % (SIZE - 4112);
        if ((r & 28) == 0) memset(data + to, (int)(r & 255), bytes);
        else if ((r & 28) == 4) memmove(data + from + 16, data + from, bytes);
        else memmove(data + to, data + from, bytes);
    }
    for (int i = 0; i < SIZE; i += 64) sum = fold(sum, data[i]);
    return sum;
}
