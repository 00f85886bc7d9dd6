/* Byte stores in long strides: the sieve of Eratosthenes. */
#include "kernel.h"

enum { N = 5000000 };
static uint8_t composite[N + 1];

static uint64_t kernel(uint32_t seed)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i <= N; i++) composite[i] = 0;
    for (uint32_t i = seed + 1; i * i <= N; i++)
        if (!composite[i])
            for (uint32_t j = i * i; j <= N; j += i) composite[j] = 1;
    for (uint32_t i = 2; i <= N; i++) count += !composite[i];
    return count;
}
