/* Memory's bandwidth: sums and products over arrays larger than a cache. */
#include "kernel.h"

enum { N = 1 << 20 };
static double a[N], b[N], c[N];

static uint64_t kernel(uint32_t seed)
{
    double sum = 0;
    for (int i = 0; i < N; i++) a[i] = i, b[i] = seed;
    for (int n = 0; n < 10; n++) {
        for (int i = 0; i < N; i++) c[i] = a[i] + 3.0 * b[i];
        for (int i = 0; i < N; i++) a[i] = c[i] * 0.5;
    }
    for (int i = 0; i < N; i++) sum += a[i];
    return (uint64_t)sum;
}
