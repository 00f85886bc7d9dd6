/* Floating point with regular loads: a product of dense matrices. */
#include "kernel.h"

enum { N = 200 };
static double a[N][N], b[N][N], c[N][N];

static uint64_t kernel(uint32_t seed)
{
    double trace = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                a[i][j] = (double)(i * 3 + j + round * (int)seed);
                b[i][j] = (double)(i - j) / 7.0;
            }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        for (int i = 0; i < N; i++) trace += c[i][i];
    }
    return (uint64_t)(int64_t)trace;
}
