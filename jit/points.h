/* Points: the places in compiled code that stand for a place in the bytecode: return addresses of
 * calls, and instructions that can fault.  A table of bytes per function, by native offset:
 *
 *   varint  native offset, the difference to the entry before, times 2, plus 1 if `slots` follows
 *   varint  bytecode offset relative to the function's body, the signed difference, zigzag
 *   varint  slots (CodePoint.slots), if it is not 0
 *
 * Native offsets ascend strictly.  So an instruction that can fault must not lie right behind a
 * call, where its address is the return address: something has to lie between, a nop if need be. */
#ifndef FNVM_JIT_POINTS_H
#define FNVM_JIT_POINTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct PointWriter { /* zero to begin with; grows; the compiler reuses it */
    uint8_t *bytes;
    uint32_t size, capacity;
    uint32_t last_native, last_pc;
    bool failed;             /* memory ran out, or an offset was not behind the last one */
} PointWriter;

/* `first_pc` is where the offsets in the bytecode count from: FuncCode.start, for segment_find. */
void points_start(PointWriter *, uint32_t first_pc);
void points_add_long(PointWriter *, uint32_t native, uint32_t pc, uint32_t slots);
static inline void points_add(PointWriter *w, uint32_t native, uint32_t pc, uint32_t slots)
{
    uint32_t first = native - w->last_native, second = pc - w->last_pc;
    bool is_short = first - 1 < 63 && second < 64 && slots == 0 && w->capacity - w->size >= 2;
    if (__builtin_expect(!is_short, 0)) {
        points_add_long(w, native, pc, slots);
        return;
    }
    w->bytes[w->size] = (uint8_t)(first << 1); /* nearly always: two bytes */
    w->bytes[w->size + 1] = (uint8_t)(second << 1);
    w->size += 2;
    w->last_native = native;
    w->last_pc = pc;
}
/* Whether `native` is the last one added: then something has to come before the next. */
static inline bool points_taken(const PointWriter *w, uint32_t native)
{
    return w->size && native == w->last_native;
}
void points_free(PointWriter *);

typedef struct Point { uint32_t native, pc, slots; } Point;
typedef struct PointReader { const uint8_t *at, *end; Point p; } PointReader;

static inline PointReader points_read(const uint8_t *bytes, uint32_t size, uint32_t first_pc)
{
    return (PointReader){bytes, bytes + size, {0, first_pc, 0}};
}
/* Reads the next one into `p`; false at the end and at bytes that are no entry, which leave `at`
 * before `end`.  Never reads past `end`, whatever the bytes. */
bool points_next(PointReader *);

/* A place to begin reading at, so that a point of a large function is found in a few steps: what a
 * reader has behind the first entry that ends at so many bytes, twice as many, and so on. */
typedef struct PointMark { uint32_t native, pc, at; /* at: bytes into the table */ } PointMark;
enum { POINT_MARK_BYTES = 512 };

static inline uint32_t points_marks(uint32_t size) { return size / POINT_MARK_BYTES; }
/* The mark that a reader has come to, if `n` came before; false: it has not come to the next. */
static inline bool points_at_mark(const PointReader *r, const uint8_t *bytes, uint32_t n,
                                  PointMark *out)
{
    const uint32_t at = (uint32_t)(r->at - bytes);
    if (at / POINT_MARK_BYTES <= n) return false;
    *out = (PointMark){r->p.native, r->p.pc, at};
    return true;
}
/* The marks of `size` bytes of points, points_marks(size) of them. */
void points_mark(const uint8_t *bytes, uint32_t size, uint32_t first_pc, PointMark *marks);
/* The point at `native`; false if there is none. */
bool points_find(const uint8_t *bytes, uint32_t size, uint32_t first_pc, const PointMark *marks,
                 uint32_t native, Point *out);

#endif
