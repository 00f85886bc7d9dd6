/* Vectors compared and turned into bit masks: fields of comma separated text.
 * wasm: -msimd128 */
#include <string.h>

#include "kernel.h"

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
static uint32_t equal_bytes(const uint8_t *p, uint8_t byte)
{
    return wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(p), wasm_u8x16_splat(byte)));
}
#else
#include <emmintrin.h>
static uint32_t equal_bytes(const uint8_t *p, uint8_t byte)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)byte)));
}
#endif

enum { SIZE = 1 << 18 };
static uint8_t text[SIZE];

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 44 * seed, sum = 0;
    for (int i = 0; i < SIZE; i++) {
        uint64_t r = next_random(&state) >> 16;
        text[i] = (uint8_t)(r % 12 == 0 ? ',' : r % 50 == 1 ? '\n' : 'a' + r % 26);
    }
    for (int n = 0; n < 150; n++) {
        uint64_t lines = 0, longest = 0, start = 0;
        for (uint32_t at = 0; at < SIZE; at += 16) {
            uint32_t commas = equal_bytes(text + at, ','), ends = equal_bytes(text + at, '\n');
            lines += (uint64_t)__builtin_popcount(ends);
            for (uint32_t stops = commas | ends; stops; stops &= stops - 1) {
                uint64_t end = at + (uint32_t)__builtin_ctz(stops);
                if (end - start > longest) longest = end - start;
                start = end + 1;
            }
        }
        sum = fold(sum, fold(lines, longest));
        text[n * 100] = ',';
    }
    return sum;
}
