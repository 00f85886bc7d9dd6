/* What every benchmark program does: run `kernel` once, print its checksum and the nanoseconds it
 * took by the guest's own monotonic clock, so that starting the engine does not count. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t kernel(unsigned scale);

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned scale = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    uint64_t start = now_ns();
    uint64_t sum = kernel(scale);
    printf("%016llx %llu\n", (unsigned long long)sum, (unsigned long long)(now_ns() - start));
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

#endif
