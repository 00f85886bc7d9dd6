/* Direct calls and returns: recursion with little work between. */
#include "kernel.h"

static __attribute__((noinline)) uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static __attribute__((noinline)) uint32_t ackermann(uint32_t m, uint32_t n)
{
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 20; i++)
        sum = fold(sum, fib(25 + (seed + i) % 4) + ackermann(2, 200 + i));
    return sum;
}
