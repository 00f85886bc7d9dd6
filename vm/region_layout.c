/* The layout follows from the module and the limits alone, so that a region written to a file fits
 * every region of the same module.  Parts that a guest changes lie next to each other where nothing
 * has to grow between them: one mapping of a file then covers them. */
#include "vm/region_layout.h"

#include <inttypes.h>
#include <unistd.h>

#include "vm/limits.h"

enum {
    TABLE_CHUNK = 64 * 1024, /* bytes a table is made writable by */
    WASM_PAGE_LOG2 = 16
};

/* A 32-bit address plus a 32-bit offset reaches this far at most; with a guard of one more page
 * behind, compiled code needs no bounds check on 32-bit memories. */
static const uint64_t MEMORY32_RESERVE = UINT64_C(8) << 30;

static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

size_t os_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Takes count * size bytes at the next multiple of `align`, a power of two. */
static size_t take(Layout *l, uint64_t count, uint64_t size, size_t align)
{
    uint64_t bytes, at, end;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(l->end, align - 1, &at) ||
        __builtin_add_overflow(at & ~(uint64_t)(align - 1), bytes, &end) || end > SIZE_MAX / 2) {
        l->overflow = true;
        return 0;
    }
    l->end = (size_t)end;
    return (size_t)(end - bytes);
}

/* ---- Sizes of the parts ---- */

/* Bytes a memory may grow to, by its type and the limits. */
static uint64_t memory_max_bytes(const RegionLimits *limits, const MemoryType *t)
{
    uint64_t pages = limits->max_memory_bytes >> t->page_log2;
    if (t->limits.has_max) pages = min_u64(pages, t->limits.max);
    /* An address type of 32 bits: 4 GiB, and page counts that memory.size can return (4.2.8). */
    if (!t->limits.is64) {
        pages = min_u64(pages, t->page_log2 ? UINT64_C(1) << (32 - t->page_log2) : UINT32_MAX);
    }
    return pages << t->page_log2;
}

static uint64_t memory_reserve(const MemoryType *t, uint64_t max_bytes)
{
    if (!t->limits.is64 && t->page_log2 == WASM_PAGE_LOG2) return MEMORY32_RESERVE;
    return max_bytes;
}

static uint64_t table_max(const RegionLimits *limits, const TableType *t)
{
    uint64_t max = limits->max_table_elements;
    if (t->limits.has_max) max = min_u64(max, t->limits.max);
    if (!t->limits.is64) max = min_u64(max, UINT32_MAX);
    return min_u64(max, UINT64_MAX / sizeof(uint64_t) / 4);
}

size_t table_committed(uint64_t size, uint64_t max_size)
{
    size_t bytes = round_up((size_t)size * sizeof(uint64_t), TABLE_CHUNK);
    size_t all = round_up((size_t)max_size * sizeof(uint64_t), os_page());
    return bytes < all ? bytes : all;
}

MemoryState region_memory_state(const Module *m, const RegionLimits *limits, uint32_t memory)
{
    const MemoryType *t = &m->memories[memory];
    return (MemoryState){.size = t->limits.min << t->page_log2,
                         .max_size = memory_max_bytes(limits, t), .page_log2 = t->page_log2,
                         .is64 = t->limits.is64};
}

TableState region_table_state(const Module *m, const RegionLimits *limits, uint32_t table)
{
    const TableType *t = &m->tables[table].type;
    return (TableState){.size = t->limits.min, .max_size = table_max(limits, t),
                        .is64 = t->limits.is64};
}

uint32_t region_stack_size(const RegionLimits *limits)
{
    return (uint32_t)round_up((size_t)limits->max_stack_bytes + JIT_RED_ZONE, os_page());
}

static fnvm_error *too_large(const Module *m, const char *what, uint32_t i, uint64_t n,
                             const char *unit, ConfigLimit limit, uint64_t most)
{
    char text[LIMIT_TEXT];
    limit_print(m->engine, limit, most, text, sizeof text);
    return fnvm_error_new(FNVM_E_LIMIT, "%s %u starts with %" PRIu64 " %s, more than the limit of "
                          "%s", what, i, n, unit, text);
}

static fnvm_error *check_minimums(const Module *m, const RegionLimits *limits)
{
    if (limits->max_stack_bytes > UINT32_MAX / 2 || limits->max_stack_bytes < 4096) {
        return fnvm_error_new(FNVM_E_LIMIT, "a guest stack of %" PRIu64 " bytes: it must have "
                              "4 KiB at least and 2 GiB at most (max_stack_bytes, "
                              "-W max-wasm-stack)",
                              limits->max_stack_bytes);
    }
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        const MemoryType *t = &m->memories[i];
        if (t->limits.min > memory_max_bytes(limits, t) >> t->page_log2) {
            return too_large(m, "memory", i, t->limits.min,
                             t->page_log2 ? "pages of 65536 bytes" : "bytes", CONFIG_MEMORY,
                             limits->max_memory_bytes);
        }
    }
    uint64_t elements = 0;
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        const TableType *t = &m->tables[i].type;
        if (t->limits.min > table_max(limits, t)) {
            return too_large(m, "table", i, t->limits.min, "elements", CONFIG_TABLE,
                             limits->max_table_elements);
        }
        /* A few bytes fill a table, and there may be many. */
        elements += t->limits.min;
        if (elements > limits->max_table_elements) {
            return fnvm_error_new(FNVM_E_LIMIT,
                                  "the first %u tables start with %" PRIu64 " elements together, "
                                  "more than the limit of %" PRIu64,
                                  i + 1 - m->n_imported_tables, elements,
                                  limits->max_table_elements);
        }
    }
    return NULL;
}

/* ---- Layout ---- */

/* A segment whose items may be fresh objects, kept from instantiation to its drop. */
static bool elem_is_kept(const Module *m, const Elem *e)
{
    return e->mode == SEGMENT_PASSIVE && !e->is_funcs &&
           types_top(&m->engine->types, type_heap(e->type)) != HEAP_FUNC;
}

void layout_elem_values(const Module *m, Instance *inst)
{
    uint64_t *next = inst->elem_refs;
    for (uint32_t i = 0; i < m->nelems; i++) {
        if (!elem_is_kept(m, &m->elems[i])) continue;
        inst->elem_values[i] = next;
        next += m->elems[i].count;
    }
}

static void layout_host_part(Layout *l, const Module *m)
{
    for (uint32_t i = 0; i < m->nelems; i++) {
        if (elem_is_kept(m, &m->elems[i])) l->nelem_refs += m->elems[i].count;
    }
    take(l, 1, os_page(), 1); /* polls */
    l->instance = take(l, 1, sizeof(Instance), 1);
    l->memory_refs = take(l, m->nmemories, sizeof(MemoryRef), 8);
    l->table_refs = take(l, m->ntables, sizeof(TableRef), 8);
    l->imported_globals = take(l, m->n_imported_globals, sizeof(GlobalRef), 8);
    l->imported_funcs = take(l, m->n_imported_funcs, sizeof(FuncRef), 8);
    l->tags = take(l, m->ntags, sizeof(TagRef), 8);
    l->elem_values = take(l, l->nelem_refs ? m->nelems : 0, sizeof(uint64_t *), 8);
}

static void layout_context(Layout *l, const Module *m)
{
    l->context = take(l, 1, sizeof(Context), os_page());
    l->globals = take(l, m->nglobals - m->n_imported_globals, 2 * sizeof(Slot), 16);
    l->memory_states = take(l, m->nmemories - m->n_imported_memories, sizeof(MemoryState), 8);
    l->table_states = take(l, m->ntables - m->n_imported_tables, sizeof(TableState), 8);
    l->elem_refs = take(l, l->nelem_refs, sizeof(uint64_t), 8); /* last: may be gigabytes */
    l->dropped = take(l, (uint64_t)m->nelems + m->ndatas, 1, 1);
}

static void layout_fixed(Layout *l, const Module *m)
{
    layout_host_part(l, m);
    layout_context(l, m);
}

void region_offsets(const Module *m, RegionOffsets *out)
{
    Layout l = {0};
    layout_fixed(&l, m);
    *out = (RegionOffsets){
        .memories = (uint32_t)(l.memory_refs - l.instance),
        .tables = (uint32_t)(l.table_refs - l.instance),
        .imported_globals = (uint32_t)(l.imported_globals - l.instance),
        .imported_funcs = (uint32_t)(l.imported_funcs - l.instance),
        .tags = (uint32_t)(l.tags - l.instance),
        .globals = (uint32_t)(l.globals - l.instance),
        .memory_states = (uint32_t)(l.memory_states - l.instance),
        .table_states = (uint32_t)(l.table_states - l.instance),
    };
}

static size_t take_table(Layout *l, const Module *m, const RegionLimits *limits, uint32_t i)
{
    return take(l, table_max(limits, &m->tables[i].type), sizeof(uint64_t), os_page());
}

static size_t take_memory(Layout *l, const Module *m, const RegionLimits *limits, uint32_t i)
{
    const MemoryType *t = &m->memories[i];
    const size_t at = take(l, memory_reserve(t, memory_max_bytes(limits, t)), 1, os_page());
    take(l, 1, UINT64_C(1) << WASM_PAGE_LOG2, os_page()); /* guard */
    return at;
}

size_t layout_table(const Module *m, const RegionLimits *limits, uint32_t i, size_t *end)
{
    Layout l = {.end = *end};
    const size_t at = take_table(&l, m, limits, i);
    *end = l.end;
    return at;
}

size_t layout_memory(const Module *m, const RegionLimits *limits, uint32_t i, size_t *end)
{
    Layout l = {.end = *end};
    const size_t at = take_memory(&l, m, limits, i);
    *end = l.end;
    return at;
}

/* No guard between tables and stack, so that they can be one mapping: accesses to tables are
 * checked, and the value stack grows away from them.  At the stack's other end there is one. */
fnvm_error *layout_make(const Module *m, const RegionLimits *limits, Layout *out)
{
    fnvm_error *error = check_minimums(m, limits);
    if (error) return error;
    const size_t page = os_page();
    Layout l = {0};
    layout_fixed(&l, m);
    l.tables = take(&l, 0, 1, page);
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) take_table(&l, m, limits, i);
    l.stack_size = region_stack_size(limits);
    l.stack = take(&l, 1, l.stack_size, page);
    take(&l, 1, page, page); /* guard */
    l.memories = l.end;
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) take_memory(&l, m, limits, i);
    take(&l, 0, 1, page);
    if (l.overflow) {
        return fnvm_error_new(FNVM_E_LIMIT, "the memories and tables of the module may grow to "
                              "more than there are addresses; lower the limits");
    }
    *out = l;
    return NULL;
}
