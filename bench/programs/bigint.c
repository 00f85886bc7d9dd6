/* Carries and 32 by 32 bit products: powers of a long integer, and their decimal digits. */
#include <string.h>

#include "kernel.h"

enum { LIMBS = 800 };
static uint32_t a[LIMBS], b[LIMBS], product[2 * LIMBS];

static void multiply(const uint32_t *x, const uint32_t *y, uint32_t n)
{
    memset(product, 0, sizeof product);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t carry = 0;
        for (uint32_t j = 0; j < n; j++) {
            carry += (uint64_t)x[i] * y[j] + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i + n] = (uint32_t)carry;
    }
}

/* Divides in place and returns the remainder. */
static uint32_t divide_by(uint32_t *x, uint32_t n, uint32_t divisor)
{
    uint64_t rest = 0;
    for (uint32_t i = n; i-- > 0;) {
        rest = rest << 32 | x[i];
        x[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    return (uint32_t)rest;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 5 * seed, sum = 0;
    for (int i = 0; i < LIMBS; i++) {
        a[i] = (uint32_t)next_random(&state);
        b[i] = (uint32_t)next_random(&state);
    }
    for (int n = 0; n < 24; n++) {
        multiply(a, b, LIMBS);
        memcpy(a, product + LIMBS / 2, sizeof a);
    }
    for (int n = 0; n < 170; n++) sum = fold(sum, divide_by(a, LIMBS, 1000000000));
    return sum;
}
