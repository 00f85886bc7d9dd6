/* Short loops over a few elements: all permutations (Heap's algorithm), of each the number of
 * prefix reversals that bring its smallest element to the front. */
#include "kernel.h"

enum { N = 9 };

static int reversals(const int *permutation)
{
    int p[N], count = 0;
    for (int i = 0; i < N; i++) p[i] = permutation[i];
    while (p[0] != 0) {
        for (int i = 0, j = p[0]; i < j; i++, j--) {
            int t = p[i];
            p[i] = p[j];
            p[j] = t;
        }
        count++;
    }
    return count;
}

static uint64_t kernel(uint32_t seed)
{
    int p[N], turn[N] = {0}, most = 0;
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) p[i] = i;
    for (int i = (int)seed; i < N;) {
        if (turn[i] >= i) {
            turn[i++] = 0;
            continue;
        }
        int from = i % 2 ? turn[i] : 0, t = p[from];
        p[from] = p[i];
        p[i] = t;
        int count = reversals(p);
        if (count > most) most = count;
        sum += (uint64_t)count;
        turn[i]++;
        i = 1;
    }
    return fold(sum, (uint64_t)most);
}
