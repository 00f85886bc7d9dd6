/* Each load's address depends on the one before: CRC-32 of bytes through a table. */
#include "kernel.h"

enum { SIZE = 1 << 20 };
static uint32_t table[256];
static uint8_t data[SIZE];

static uint32_t crc_of(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) crc = table[(crc ^ p[i]) & 255] ^ crc >> 8;
    return ~crc;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 12345 * seed, sum = 0;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++) v = v >> 1 ^ (v & 1 ? 0xEDB88320u : 0);
        table[i] = v;
    }
    for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(next_random(&state) >> 32);
    for (int n = 0; n < 3; n++) {
        sum = fold(sum, crc_of(data, SIZE));
        data[n] ^= 1;
    }
    return sum;
}
