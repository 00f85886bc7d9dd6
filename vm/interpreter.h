/* What the files of the interpreter share: reading immediates, and the out-of-line instructions.
 *
 * Code was verified before it runs, so immediates are read without checks. */
#ifndef FNVM_VM_INTERPRETER_H
#define FNVM_VM_INTERPRETER_H

#include "vm/run.h"

typedef struct Leb { const uint8_t *pc; uint64_t value; } Leb; /* a number and where it ends */

static inline Leb leb_unsigned(const uint8_t *pc)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *pc++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (Leb){pc, value};
}

static inline Leb leb_signed(const uint8_t *pc)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *pc++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40)) value |= ~UINT64_C(0) << shift;
    return (Leb){pc, value};
}

/* A heap type of the code, canonical. */
static inline Leb leb_heap_type(const Module *m, const uint8_t *pc)
{
    static const uint32_t abstract[] = { /* by code 0x69.. (5.3.3) */
        [0x69 - 0x69] = HEAP_EXN, [0x6A - 0x69] = HEAP_ARRAY, [0x6B - 0x69] = HEAP_STRUCT,
        [0x6C - 0x69] = HEAP_I31, [0x6D - 0x69] = HEAP_EQ, [0x6E - 0x69] = HEAP_ANY,
        [0x6F - 0x69] = HEAP_EXTERN, [0x70 - 0x69] = HEAP_FUNC, [0x71 - 0x69] = HEAP_NONE,
        [0x72 - 0x69] = HEAP_NOEXTERN, [0x73 - 0x69] = HEAP_NOFUNC, [0x74 - 0x69] = HEAP_NOEXN};
    Leb l = leb_signed(pc);
    int64_t code = (int64_t)l.value;
    l.value = code >= 0 ? m->types[code] : abstract[(code & 0x7F) - 0x69];
    return l;
}

/* An instruction that runs out of line: the registers it may change.  It leaves `pc` after its
 * immediates and `sp` after its results. */
typedef struct Step {
    Instance *inst;
    const uint8_t *pc; /* after the opcode */
    Slot *sp;
    fnvm_error *error; /* set where the trap alone does not say enough */
} Step;

/* Any instruction of prefix 0xFB but the casting branches; and bulk and table instructions of
 * prefix 0xFC.  If `error` is set or the result is a trap, nothing was changed, but by a bulk
 * operation that was interrupted. */
fnvm_trap step_aggregate(Step *, uint32_t code);
fnvm_trap step_bulk(Step *, uint32_t code);

/* Charges a bulk operation over n bytes or elements before it begins, so that it is never cut
 * short half done; false: out of fuel.  Items of an element segment from `at` on are found by
 * stepping over those since the mark: they count as well. */
enum { FUEL_BULK = 64 }; /* bytes or elements for one unit */
static inline bool fuel_for(Store *store, uint64_t n)
{
    if (!store->engine->config.fuel) return true;
    store->fuel -= (int64_t)(n / FUEL_BULK);
    return store->fuel >= 0;
}
static inline bool fuel_for_items(Store *store, uint32_t at, uint32_t n)
{
    return fuel_for(store, (uint64_t)at % ELEM_MARK + n);
}

#endif
