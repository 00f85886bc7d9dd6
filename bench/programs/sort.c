/* Indirect calls: a quicksort that compares through a function pointer. */
#include "kernel.h"

enum { N = 75000 };
static uint32_t data[N];

typedef int (*Compare)(const uint32_t *, const uint32_t *);

static int ascending(const uint32_t *a, const uint32_t *b) { return (*a > *b) - (*a < *b); }
static int descending(const uint32_t *a, const uint32_t *b) { return (*a < *b) - (*a > *b); }

static void sort(uint32_t *v, int n, Compare compare)
{
    while (n > 12) {
        uint32_t pivot = v[n / 2];
        int i = 0, j = n - 1;
        for (;;) {
            while (compare(&v[i], &pivot) < 0) i++;
            while (compare(&v[j], &pivot) > 0) j--;
            if (i >= j) break;
            uint32_t t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        sort(v, i, compare);
        v += i;
        n -= i;
    }
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && compare(&v[j], &v[j - 1]) < 0; j--) {
            uint32_t t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

static uint64_t kernel(uint32_t seed)
{
    Compare orders[2] = {ascending, descending};
    uint64_t state = 2463534242u * seed, sum = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) data[i] = (uint32_t)next_random(&state);
        sort(data, N, orders[round & 1]);
        for (int i = 0; i < N; i += 1000) sum = fold(sum, data[i]);
    }
    return sum;
}
