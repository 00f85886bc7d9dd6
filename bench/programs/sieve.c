/* Byte stores in long strides: the sieve of Eratosthenes. */
#include "kernel.h"

enum { N = 2000000 };
static uint8_t composite[N + 1];

static uint64_t kernel(unsigned scale)
{
    uint64_t count = 0;
    for (unsigned round = 0; round < 6 * scale; round++) {
        for (unsigned i = 0; i <= N; i++) composite[i] = 0;
        for (unsigned i = 2; i * i <= N; i++)
            if (!composite[i])
                for (unsigned j = i * i; j <= N; j += i) composite[j] = 1;
        for (unsigned i = 2; i <= N; i++) count += !composite[i];
    }
    return count;
}
