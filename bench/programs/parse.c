/* Branches on bytes: a recursive-descent evaluator of arithmetic in text. */
#include "kernel.h"

static char text[4096];
static const char *at;

static int64_t sum_of(void);

static int64_t atom_of(void)
{
    while (*at == ' ') at++;
    if (*at == '(') {
        at++;
        int64_t v = sum_of();
        if (*at == ')') at++;
        return v;
    }
    int64_t v = 0;
    while (*at >= '0' && *at <= '9') v = v * 10 + (*at++ - '0');
    return v;
}

static int64_t product_of(void)
{
    int64_t v = atom_of();
    for (;;) {
        while (*at == ' ') at++;
        if (*at == '*') at++, v = v * atom_of() % 1000003;
        else if (*at == '%') at++, v = v % (atom_of() + 1);
        else return v;
    }
}

static int64_t sum_of(void)
{
    int64_t v = product_of();
    for (;;) {
        while (*at == ' ') at++;
        if (*at == '+') at++, v += product_of();
        else if (*at == '-') at++, v -= product_of();
        else return v;
    }
}

static void write_expression(uint64_t *state)
{
    char *p = text;
    int open = 0;
    while (p < text + sizeof text - 64) {
        uint64_t r = next_random(state);
        if (r % 5 == 0) *p++ = '(', open++;
        p += snprintf(p, 16, "%u", (unsigned)(r >> 20) % 100000);
        if (open && r % 3 == 0) *p++ = ')', open--;
        *p++ = ' ';
        *p++ = "+-*%"[(r >> 40) & 3];
    }
    *p++ = '1';
    while (open--) *p++ = ')';
    *p = 0;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 1234567 * seed, sum = 0;
    for (int n = 0; n < 20; n++) {
        write_expression(&state);
        for (int i = 0; i < 100; i++) {
            at = text;
            sum = fold(sum, (uint64_t)sum_of());
        }
    }
    return sum;
}
