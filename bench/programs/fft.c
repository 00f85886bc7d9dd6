/* Floating point with strides that change: a Fourier transform forth and back. */
#include <math.h>

#include "kernel.h"

enum { BITS = 14, N = 1 << BITS };
static double re[N], im[N], cosines[N / 2], sines[N / 2];

/* The roots of unity by halving the angle, so that no library's cosine is asked. */
static void fill_roots(void)
{
    cosines[0] = 1, sines[0] = 0;
    double c = -1, s = 0;
    for (int step = N / 2; step > 0; step /= 2) {
        double half = sqrt((1 + c) / 2);
        s = step == N / 2 ? 1 : s / (2 * half);
        c = step == N / 2 ? 0 : half;
        if (step == N / 2) continue;
        for (int i = step; i < N / 2; i += 2 * step) {
            cosines[i] = cosines[i - step] * c - sines[i - step] * s;
            sines[i] = sines[i - step] * c + cosines[i - step] * s;
        }
    }
}

static void reverse_bits(void)
{
    for (int i = 1, j = 0; i < N; i++) {
        int bit = N >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i >= j) continue;
        double t = re[i];
        re[i] = re[j], re[j] = t;
        t = im[i];
        im[i] = im[j], im[j] = t;
    }
}

static void transform(double direction)
{
    reverse_bits();
    for (int half = 1; half < N; half *= 2)
        for (int start = 0; start < N; start += 2 * half)
            for (int i = 0; i < half; i++) {
                double c = cosines[i * (N / 2 / half)], s = direction * sines[i * (N / 2 / half)];
                int low = start + i, high = low + half;
                double tr = re[high] * c - im[high] * s, ti = re[high] * s + im[high] * c;
                re[high] = re[low] - tr, im[high] = im[low] - ti;
                re[low] += tr, im[low] += ti;
            }
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 10 * seed, sum = 0;
    fill_roots();
    for (int i = 0; i < N; i++) re[i] = (double)(next_random(&state) % 1000), im[i] = 0;
    for (int n = 0; n < 14; n++) {
        transform(1);
        transform(-1);
        for (int i = 0; i < N; i++) re[i] /= N, im[i] /= N;
    }
    for (int i = 0; i < N; i++) sum = fold(sum, (uint64_t)(int64_t)(re[i] * 1000 + 0.5));
    return sum;
}
