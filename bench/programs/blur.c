/* Vectors of small integers: an image averaged with its neighbours, widened from bytes to 16 bits.
 * wasm: -msimd128 */
#include <string.h>

#include "kernel.h"

typedef uint8_t U8x16 __attribute__((vector_size(16)));
typedef uint16_t U16x8 __attribute__((vector_size(16)));

/* Eight bytes to 16 bits each and back, saturating; the rest are the compilers' own operators. */
#ifdef __wasm_simd128__
#include <wasm_simd128.h>
static U16x8 low_half(U8x16 v) { return (U16x8)wasm_u16x8_extend_low_u8x16((v128_t)v); }
static U16x8 high_half(U8x16 v) { return (U16x8)wasm_u16x8_extend_high_u8x16((v128_t)v); }
static U8x16 narrow(U16x8 a, U16x8 b)
{
    return (U8x16)wasm_u8x16_narrow_i16x8((v128_t)a, (v128_t)b);
}
#else
#include <emmintrin.h>
static U16x8 low_half(U8x16 v)
{
    return (U16x8)_mm_unpacklo_epi8((__m128i)v, _mm_setzero_si128());
}
static U16x8 high_half(U8x16 v)
{
    return (U16x8)_mm_unpackhi_epi8((__m128i)v, _mm_setzero_si128());
}
static U8x16 narrow(U16x8 a, U16x8 b) { return (U8x16)_mm_packus_epi16((__m128i)a, (__m128i)b); }
#endif

enum { WIDTH = 1024, HEIGHT = 256, MARGIN = 16 };
static uint8_t images[2][HEIGHT][WIDTH];

static U8x16 load(const uint8_t *p)
{
    U8x16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void blur(uint8_t (*from)[WIDTH], uint8_t (*to)[WIDTH])
{
    for (int y = 1; y < HEIGHT - 1; y++)
        for (int x = MARGIN; x < WIDTH - MARGIN; x += 16) {
            U8x16 l = load(&from[y][x - 1]), r = load(&from[y][x + 1]), m = load(&from[y][x]);
            U8x16 u = load(&from[y - 1][x]), d = load(&from[y + 1][x]);
            U16x8 low = low_half(l) + low_half(r) + low_half(u) + low_half(d) + (low_half(m) << 2);
            U16x8 high =
                high_half(l) + high_half(r) + high_half(u) + high_half(d) + (high_half(m) << 2);
            U8x16 out = narrow((low + 4) >> 3, (high + 4) >> 3);
            memcpy(&to[y][x], &out, sizeof out);
        }
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 3 * seed, sum = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            images[0][y][x] = images[1][y][x] = (uint8_t)(next_random(&state) >> 40);
    for (int n = 0; n < 240; n++) blur(images[n & 1], images[~n & 1]);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x += 5) sum = fold(sum, images[0][y][x]);
    return sum;
}
