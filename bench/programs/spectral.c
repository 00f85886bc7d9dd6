/* Conversions from integer and divisions: the largest singular value of a matrix that a formula
 * gives. */
#include <math.h>

#include "kernel.h"

enum { N = 320 };
static double u[N], v[N], between[N];

static double element(int i, int j)
{
    return 1.0 / (double)((i + j) * (i + j + 1) / 2 + i + 1);
}

static void times(const double *in, double *out)
{
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++) sum += element(i, j) * in[j];
        out[i] = sum;
    }
}

static void times_transposed(const double *in, double *out)
{
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++) sum += element(j, i) * in[j];
        out[i] = sum;
    }
}

static uint64_t kernel(uint32_t seed)
{
    for (int i = 0; i < N; i++) u[i] = seed;
    for (int n = 0; n < 20; n++) {
        times(u, between);
        times_transposed(between, v);
        times(v, between);
        times_transposed(between, u);
    }
    double uv = 0, vv = 0;
    for (int i = 0; i < N; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    return (uint64_t)(sqrt(uv / vv) * 1e12);
}
