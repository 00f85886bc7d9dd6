/* Bulk memory and table operations.  Each checks its whole ranges first, in a form that cannot
 * overflow, and then moves everything (standard, 4.6.8 and 4.6.9). */
#include <string.h>

#include "vm/instance.h"

static bool in_range(uint64_t at, uint64_t n, uint64_t size) { return n <= size && at <= size - n; }

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
    if (n) memcpy(m->base + d, inst->module->bytes + segment->bytes.start + s, n);
    return FNVM_TRAP_NONE;
}

fnvm_trap memory_copy(Instance *inst, uint32_t dmem, uint32_t smem, uint64_t d, uint64_t s,
                      uint64_t n)
{
    const MemoryRef *to = &inst->memories[dmem], *from = &inst->memories[smem];
    if (!in_range(d, n, to->state->size) || !in_range(s, n, from->state->size)) {
        return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    }
    memmove(to->base + d, from->base + s, n);
    return FNVM_TRAP_NONE;
}

fnvm_trap memory_fill(Instance *inst, uint32_t mem, uint64_t d, uint8_t value, uint64_t n)
{
    const MemoryRef *m = &inst->memories[mem];
    if (!in_range(d, n, m->state->size)) return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    memset(m->base + d, value, n);
    return FNVM_TRAP_NONE;
}

/* ---- Tables ---- */

fnvm_error *table_init(Instance *inst, uint32_t table, uint32_t elem, uint64_t d, uint64_t s,
                       uint64_t n)
{
    TableRef *t = &inst->tables[table];
    uint64_t len = inst->dropped_elems[elem] ? 0 : inst->module->elems[elem].count;
    if (!in_range(d, n, t->state->size) || !in_range(s, n, len)) {
        return fnvm_error_trap_new(FNVM_TRAP_TABLE_OUT_OF_BOUNDS, "%s",
                                   fnvm_trap_text(FNVM_TRAP_TABLE_OUT_OF_BOUNDS));
    }
    for (uint64_t i = 0; i < n; i++) {
        fnvm_error *error = elem_item(inst, elem, (uint32_t)(s + i), &t->elems[d + i]);
        if (error) return error;
    }
    return NULL;
}

fnvm_trap table_copy(Instance *inst, uint32_t dtable, uint32_t stable, uint64_t d, uint64_t s,
                     uint64_t n)
{
    const TableRef *to = &inst->tables[dtable], *from = &inst->tables[stable];
    if (!in_range(d, n, to->state->size) || !in_range(s, n, from->state->size)) {
        return FNVM_TRAP_TABLE_OUT_OF_BOUNDS;
    }
    memmove(to->elems + d, from->elems + s, n * sizeof *to->elems);
    return FNVM_TRAP_NONE;
}

fnvm_trap table_fill(Instance *inst, uint32_t table, uint64_t d, uint64_t value, uint64_t n)
{
    TableRef *t = &inst->tables[table];
    if (!in_range(d, n, t->state->size)) return FNVM_TRAP_TABLE_OUT_OF_BOUNDS;
    for (uint64_t i = 0; i < n; i++) t->elems[d + i] = value;
    return FNVM_TRAP_NONE;
}
