/* Vectors of floating point: sums of products in single and double precision.
 * wasm: -msimd128 */
#include "kernel.h"

typedef float F32x4 __attribute__((vector_size(16)));
typedef double F64x2 __attribute__((vector_size(16)));

enum { N = 4096 };
static F32x4 a[N / 4], b[N / 4];
static F64x2 x[N / 2], y[N / 2];

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        a[i / 4][i % 4] = (float)(i % 17) * 0.25f;
        b[i / 4][i % 4] = (float)(i % 13) - 6.0f * (float)seed;
        x[i / 2][i % 2] = (double)(i % 19) * 0.125;
        y[i / 2][i % 2] = (double)(i % 11) - 5.0;
    }
    for (int n = 0; n < 16000; n++) {
        F32x4 s0 = {0}, s1 = {0};
        F64x2 t0 = {0}, t1 = {0};
        for (int i = 0; i < N / 4; i += 2) {
            s0 += a[i] * b[i];
            s1 += a[i + 1] * b[i + 1];
            t0 += x[i] * y[i];
            t1 += x[i + 1] * y[i + 1];
        }
        s0 += s1;
        t0 += t1;
        sum = fold(sum, (uint64_t)(int64_t)(s0[0] + s0[1] + s0[2] + s0[3]));
        sum = fold(sum, (uint64_t)(int64_t)(t0[0] + t0[1]));
        a[n % (N / 4)] += 1.0f;
        x[n % (N / 2)] -= 0.5;
    }
    return sum;
}
