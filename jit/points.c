/* Writing and reading tables of points.  A call in code of usual density takes three bytes. */
#include "jit/points.h"

#include <stdlib.h>

enum {
    MAX_VARINT = 5,                  /* bytes of a 35-bit number; 33 bits are the most needed */
    MAX_ENTRY = 3 * MAX_VARINT,
    FIRST_CAPACITY = 512
};

void points_start(PointWriter *w, uint32_t first_pc)
{
    w->size = 0;
    w->last_native = 0;
    w->last_pc = first_pc;
    w->failed = false;
}

void points_free(PointWriter *w)
{
    free(w->bytes);
    *w = (PointWriter){0};
}

static bool make_room(PointWriter *w)
{
    if (w->failed) return false;
    if (w->capacity - w->size >= MAX_ENTRY) return true;
    uint32_t capacity = w->capacity ? 2 * w->capacity : FIRST_CAPACITY;
    uint8_t *bytes = capacity > w->capacity ? realloc(w->bytes, capacity) : NULL;
    if (!bytes) {
        w->failed = true;
        return false;
    }
    w->bytes = bytes;
    w->capacity = capacity;
    return true;
}

static void put(PointWriter *w, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) w->bytes[w->size++] = (uint8_t)(value | 0x80);
    w->bytes[w->size++] = (uint8_t)value;
}

void points_add_long(PointWriter *w, uint32_t native, uint32_t pc, uint32_t slots)
{
    if (!make_room(w)) return;
    if (w->size && native <= w->last_native) {
        w->failed = true;
        return;
    }
    int64_t distance = (int64_t)pc - w->last_pc;
    uint64_t first = (uint64_t)(native - w->last_native) << 1 | (slots != 0);
    uint64_t second = (uint64_t)distance << 1 ^ (uint64_t)(distance >> 63);
    put(w, first);
    put(w, second);
    if (slots) put(w, slots);
    w->last_native = native;
    w->last_pc = pc;
}

static bool get(PointReader *r, uint64_t *value)
{
    if (r->at < r->end && *r->at < 0x80) return *value = *r->at++, true; /* as most are */
    *value = 0;
    for (unsigned i = 0; i < MAX_VARINT && r->at + i < r->end; i++) {
        *value |= (uint64_t)(r->at[i] & 0x7F) << 7 * i;
        if (r->at[i] & 0x80) continue;
        r->at += i + 1;
        return true;
    }
    return false;
}

static bool read_entry(PointReader *r, Point *p)
{
    uint64_t native, pc, slots = 0;
    if (!get(r, &native) || !get(r, &pc) || (native & 1 && !get(r, &slots))) return false;
    native = p->native + (native >> 1);
    pc = p->pc + (pc >> 1 ^ -(pc & 1));
    if (native > UINT32_MAX || pc > UINT32_MAX || slots > UINT32_MAX) return false;
    *p = (Point){(uint32_t)native, (uint32_t)pc, (uint32_t)slots};
    return true;
}

bool points_next(PointReader *r)
{
    const uint8_t *start = r->at;
    if (start == r->end || read_entry(r, &r->p)) return start != r->end;
    r->at = start;
    return false;
}

void points_mark(const uint8_t *bytes, uint32_t size, uint32_t first_pc, PointMark *marks)
{
    PointReader r = points_read(bytes, size, first_pc);
    for (uint32_t n = 0; n < points_marks(size) && points_next(&r);)
        n += points_at_mark(&r, bytes, n, &marks[n]);
}

bool points_find(const uint8_t *bytes, uint32_t size, uint32_t first_pc, const PointMark *marks,
                 uint32_t native, Point *out)
{
    PointReader r = points_read(bytes, size, first_pc);
    uint32_t from = 0, to = points_marks(size); /* how many marks lie before it */
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (marks[middle].native < native) from = middle + 1;
        else to = middle;
    }
    if (from) {
        r.at = bytes + marks[from - 1].at;
        r.p.native = marks[from - 1].native;
        r.p.pc = marks[from - 1].pc;
    }
    while (points_next(&r)) {
        if (r.p.native < native) continue;
        *out = r.p;
        return r.p.native == native;
    }
    return false;
}
