/* 64-bit divisions: primes by powers modulo a number below 2^32. */
#include "kernel.h"

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    uint64_t result = 1;
    for (base %= modulus; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

/* Miller and Rabin's test, for an odd n. */
static int is_witness(uint64_t a, uint64_t n)
{
    int twos = __builtin_ctzll(n - 1);
    uint64_t x = power(a, (n - 1) >> twos, n);
    if (x == 1 || x == n - 1) return 0;
    while (--twos > 0) {
        x = x * x % n;
        if (x == n - 1) return 0;
    }
    return 1;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    for (uint64_t n = 4294000001u, i = 0; i < 60000; i++, n += 2 * seed)
        if (!is_witness(2, n) && !is_witness(7, n) && !is_witness(61, n)) sum = fold(sum, n);
    return sum;
}
