/* Indirect calls that change their target: objects with methods, in random order. */
#include "kernel.h"

enum { SHAPES = 4096, ROUNDS = 250 };

typedef struct Shape Shape;
typedef struct Methods {
    uint32_t (*area)(const Shape *);
    void (*grow)(Shape *, uint32_t);
} Methods;
struct Shape { const Methods *methods; uint32_t a, b; };

static uint32_t area_square(const Shape *s) { return s->a * s->a; }
static uint32_t area_box(const Shape *s) { return s->a * s->b; }
static uint32_t area_triangle(const Shape *s) { return s->a * s->b / 2; }
static uint32_t area_ring(const Shape *s) { return (s->a * s->a - s->b * s->b) * 355 / 113; }
static void grow_both(Shape *s, uint32_t by) { s->a += by, s->b += by; }
static void grow_first(Shape *s, uint32_t by) { s->a += by; }
static void grow_turning(Shape *s, uint32_t by)
{
    uint32_t a = s->a;
    s->a = s->b + by;
    s->b = a;
}

static const Methods kinds[] = {
    {area_square, grow_first},  {area_box, grow_both},     {area_box, grow_turning},
    {area_triangle, grow_both}, {area_ring, grow_turning}, {area_triangle, grow_first},
};

static Shape shapes[SHAPES];

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 99 * seed, sum = 0;
    for (int i = 0; i < SHAPES; i++) {
        uint64_t r = next_random(&state);
        shapes[i] = (Shape){&kinds[r % 6], (uint32_t)(r >> 20) % 100, (uint32_t)(r >> 40) % 100};
    }
    for (uint32_t n = 0; n < ROUNDS; n++)
        for (int i = 0; i < SHAPES; i++) {
            Shape *s = &shapes[i];
            s->methods->grow(s, n & 3);
            sum += s->methods->area(s);
        }
    return sum;
}
