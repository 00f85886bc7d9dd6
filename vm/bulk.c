/* Bulk memory and table operations.  Each checks its whole ranges first, in a form that cannot
 * overflow, and then moves everything (standard, 4.6.8 and 4.6.9), in pieces: between two of them
 * it looks whether the guest is to stop.  Then it has done a part, which no instruction of the
 * guest will see, since the trap ends it; only the host can look.  A part leaves nothing that could
 * not have been there: every element of a table is the old one or the new one. */
#include <string.h>

#include "vm/limits.h"
#include "vm/tunables.h"

enum { PIECE_ELEMENTS = TUNE_PIECE_BYTES / sizeof(uint64_t) };

static bool in_range(uint64_t at, uint64_t n, uint64_t size) { return n <= size && at <= size - n; }

/* ---- Bytes ---- */

static __attribute__((noinline)) fnvm_trap copy_pieces(const Store *store, uint8_t *to,
                                                       const uint8_t *from, uint64_t n)
{
    const uint64_t piece = TUNE_PIECE_BYTES;
    /* Ranges that overlap: a piece must not cover what another one has yet to read. */
    const bool down = (uintptr_t)to > (uintptr_t)from && (uintptr_t)to - (uintptr_t)from < n;
    for (uint64_t done = 0; done < n;) {
        const uint64_t size = n - done < piece ? n - done : piece;
        const uint64_t at = down ? n - done - size : done;
        memmove(to + at, from + at, (size_t)size);
        done += size;
        if (done < n && store_interrupted(store)) return FNVM_TRAP_INTERRUPTED;
    }
    return FNVM_TRAP_NONE;
}

static __attribute__((noinline)) fnvm_trap fill_pieces(const Store *store, uint8_t *to,
                                                       uint8_t value, uint64_t n)
{
    while (n > TUNE_PIECE_BYTES) {
        memset(to, value, TUNE_PIECE_BYTES);
        to += TUNE_PIECE_BYTES;
        n -= TUNE_PIECE_BYTES;
        if (store_interrupted(store)) return FNVM_TRAP_INTERRUPTED;
    }
    memset(to, value, (size_t)n);
    return FNVM_TRAP_NONE;
}

/* Most are small, and these are what an instruction waits for. */
static inline fnvm_trap copy(const Store *store, uint8_t *to, const uint8_t *from, uint64_t n)
{
    if (n > TUNE_PIECE_BYTES) return copy_pieces(store, to, from, n);
    memmove(to, from, (size_t)n);
    return FNVM_TRAP_NONE;
}

static inline fnvm_trap fill(const Store *store, uint8_t *to, uint8_t value, uint64_t n)
{
    if (n > TUNE_PIECE_BYTES) return fill_pieces(store, to, value, n);
    memset(to, value, (size_t)n);
    return FNVM_TRAP_NONE;
}

fnvm_trap bytes_copy(const Store *store, uint8_t *to, const uint8_t *from, uint64_t n)
{
    return copy(store, to, from, n);
}

fnvm_trap bytes_fill(const Store *store, uint8_t *to, uint8_t value, uint64_t n)
{
    return fill(store, to, value, n);
}

/* ---- Memories ---- */

fnvm_trap memory_init(Instance *inst, uint32_t mem, uint32_t data, uint64_t d, uint64_t s,
                      uint64_t n)
{
    const MemoryRef *m = &inst->memories[mem];
    const Data *segment = &inst->module->datas[data];
    uint64_t len = inst->dropped_datas[data] ? 0 : segment->bytes.end - segment->bytes.start;
    if (!in_range(d, n, m->state->size) || !in_range(s, n, len)) {
        return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    }
    if (!n) return FNVM_TRAP_NONE;
    return copy(inst->store, m->base + d, inst->module->bytes + segment->bytes.start + s, n);
}

fnvm_trap memory_copy(Instance *inst, uint32_t dmem, uint32_t smem, uint64_t d, uint64_t s,
                      uint64_t n)
{
    const MemoryRef *to = &inst->memories[dmem], *from = &inst->memories[smem];
    if (!in_range(d, n, to->state->size) || !in_range(s, n, from->state->size)) {
        return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    }
    return copy(inst->store, to->base + d, from->base + s, n);
}

fnvm_trap memory_fill(Instance *inst, uint32_t mem, uint64_t d, uint8_t value, uint64_t n)
{
    const MemoryRef *m = &inst->memories[mem];
    if (!in_range(d, n, m->state->size)) return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    return fill(inst->store, m->base + d, value, n);
}

/* ---- Tables ---- */

fnvm_error *table_init(Instance *inst, uint32_t table, uint32_t elem, uint64_t d, uint64_t s,
                       uint64_t n)
{
    TableRef *t = &inst->tables[table];
    uint64_t len = inst->dropped_elems[elem] ? 0 : inst->module->elems[elem].count;
    if (!in_range(d, n, t->state->size) || !in_range(s, n, len))
        return store_trap_error(inst->store, FNVM_TRAP_TABLE_OUT_OF_BOUNDS);
    return elem_items(inst, elem, (uint32_t)s, (uint32_t)n, t->elems + d);
}

fnvm_trap table_copy(Instance *inst, uint32_t dtable, uint32_t stable, uint64_t d, uint64_t s,
                     uint64_t n)
{
    const TableRef *to = &inst->tables[dtable], *from = &inst->tables[stable];
    if (!in_range(d, n, to->state->size) || !in_range(s, n, from->state->size)) {
        return FNVM_TRAP_TABLE_OUT_OF_BOUNDS;
    }
    return copy(inst->store, (uint8_t *)(to->elems + d), (const uint8_t *)(from->elems + s),
                      n * sizeof *to->elems);
}

uint64_t refs_fill(const Store *store, uint64_t *to, uint64_t value, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        const uint64_t end = n - done < PIECE_ELEMENTS ? n : done + PIECE_ELEMENTS;
        while (done < end) to[done++] = value;
        if (done < n && store_interrupted(store)) return done;
    }
    return n;
}

fnvm_trap table_fill(Instance *inst, uint32_t table, uint64_t d, uint64_t value, uint64_t n)
{
    TableRef *t = &inst->tables[table];
    if (!in_range(d, n, t->state->size)) return FNVM_TRAP_TABLE_OUT_OF_BOUNDS;
    return refs_fill(inst->store, t->elems + d, value, n) == n ? FNVM_TRAP_NONE
                                                               : FNVM_TRAP_INTERRUPTED;
}
