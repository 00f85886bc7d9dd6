/* What every benchmark program does: run `kernel` once, which is when a compiler that works on
 * demand compiles; run it again to be warm; then run it ROUNDS times.  Prints
 *
 *     checksum measured first warm
 *
 * where the last three are nanoseconds of the guest's own monotonic clock: of all ROUNDS together,
 * of the first run and of the second.  Starting the engine is in none of them.  All runs do the
 * same and so have the same checksum, whatever ROUNDS is. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* About ten milliseconds of gcc -O2's code.  `seed` is always 1; that is for the compiler not to
 * know. */
static __attribute__((noinline)) uint64_t kernel(uint32_t seed);

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    volatile uint32_t seed = 1;
    uint64_t start = now_ns();
    uint64_t sum = kernel(seed);
    uint64_t first = now_ns();
    int same = kernel(seed) == sum;
    uint64_t warm = now_ns();
    for (int i = 0; i < rounds; i++) same &= kernel(seed) == sum;
    uint64_t end = now_ns();
    if (!same) {
        fprintf(stderr, "two runs of the kernel have different checksums\n");
        return 1;
    }
    printf("%016llx %llu %llu %llu\n", (unsigned long long)sum, (unsigned long long)(end - warm),
           (unsigned long long)(first - start), (unsigned long long)(warm - first));
    return 0;
}

/* A fixed sequence of pseudo-random numbers (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Folds a value into a checksum; the order matters. */
static inline uint64_t fold(uint64_t sum, uint64_t value) { return sum * 31 + value; }

#endif
