/* A parser that builds what it reads: JSON into a tree, and the tree into JSON again. */
#include <string.h>

#include "kernel.h"

enum { TEXT_BYTES = 100000, VALUES = 40000 };
typedef enum Kind { NUMBER, STRING, LIST, OBJECT, NOTHING } Kind;

/* A list's or object's members are chained by `next`; members of an object have a name. */
typedef struct Value {
    Kind kind;
    double number;
    const char *string, *name;
    uint32_t string_bytes, name_bytes;
    struct Value *first, *next;
} Value;

static char text[TEXT_BYTES + 256], again[TEXT_BYTES * 2];
static Value values[VALUES];
static uint32_t nvalues;

static Value *read_value(const char **at);

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\n') p++;
    return p;
}

static const char *read_string(const char **at, uint32_t *bytes)
{
    const char *start = ++*at, *p = start;
    while (*p != '"') p += *p == '\\' ? 2 : 1;
    *bytes = (uint32_t)(p - start);
    *at = p + 1;
    return start;
}

static double read_number(const char **at)
{
    const char *p = *at;
    double sign = 1, v = 0, place = 1;
    if (*p == '-') sign = -1, p++;
    while (*p >= '0' && *p <= '9') v = v * 10 + (*p++ - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++) v += (*p - '0') * (place /= 10);
    *at = p;
    return sign * v;
}

static void read_members(const char **at, Value *value, char closing)
{
    Value **end = &value->first;
    for (*at = skip_space(*at + 1); **at != closing;) {
        const char *name = NULL;
        uint32_t name_bytes = 0;
        if (closing == '}') {
            name = read_string(at, &name_bytes);
            *at = skip_space(*at) + 1;
        }
        *end = read_value(at);
        (*end)->name = name;
        (*end)->name_bytes = name_bytes;
        end = &(*end)->next;
        *at = skip_space(*at);
        if (**at == ',') *at = skip_space(*at + 1);
    }
    ++*at;
}

static Value *read_value(const char **at)
{
    if (nvalues == VALUES) abort();
    Value *v = &values[nvalues++];
    memset(v, 0, sizeof *v);
    *at = skip_space(*at);
    switch (**at) {
    case '"': v->kind = STRING, v->string = read_string(at, &v->string_bytes); break;
    case '[': v->kind = LIST, read_members(at, v, ']'); break;
    case '{': v->kind = OBJECT, read_members(at, v, '}'); break;
    case 'n': v->kind = NOTHING, *at += 4; break;
    default: v->kind = NUMBER, v->number = read_number(at); break;
    }
    return v;
}

static char *write_string(char *to, const char *s, uint32_t bytes)
{
    *to++ = '"';
    memcpy(to, s, bytes);
    to[bytes] = '"';
    return to + bytes + 1;
}

static char *write_number(char *to, double v)
{
    char digits[20];
    int n = 0;
    if (v < 0) *to++ = '-', v = -v;
    for (uint32_t whole = (uint32_t)v; n == 0 || whole; whole /= 10)
        digits[n++] = (char)('0' + whole % 10);
    while (n) *to++ = digits[--n];
    return to;
}

static char *write_value(char *to, const Value *v)
{
    switch (v->kind) {
    case NUMBER: return write_number(to, v->number);
    case STRING: return write_string(to, v->string, v->string_bytes);
    case NOTHING: return (char *)memcpy(to, "null", 4) + 4;
    default: break;
    }
    *to++ = v->kind == LIST ? '[' : '{';
    for (const Value *m = v->first; m; m = m->next) {
        if (m->name) to = write_string(to, m->name, m->name_bytes), *to++ = ':';
        to = write_value(to, m);
        if (m->next) *to++ = ',';
    }
    *to++ = v->kind == LIST ? ']' : '}';
    return to;
}

static void make_text(uint32_t seed)
{
    uint64_t state = 8080 * seed;
    char *p = text;
    *p++ = '[';
    while (p < text + TEXT_BYTES) {
        uint64_t r = next_random(&state);
        p += snprintf(p, 200,
                      "{\"id\": %u, \"name\": \"user-%u\", \"rest\": [%d.%u, null, \"a\\\"b\", "
                      "{\"deep\": [[%u], []]}]},\n",
                      (unsigned)r % 100000, (unsigned)(r >> 20) % 1000, (int)(r >> 30) % 500,
                      (unsigned)(r >> 40) % 1000, (unsigned)(r >> 50));
    }
    memcpy(p, "null]", 6);
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t sum = 0;
    make_text(seed);
    for (int n = 0; n < 50; n++) {
        const char *at = text;
        nvalues = 0;
        char *end = write_value(again, read_value(&at));
        sum = fold(sum, (uint64_t)(end - again) + nvalues);
        for (const char *p = again; p < end; p += 7) sum = fold(sum, (uint64_t)*p);
    }
    return sum;
}
