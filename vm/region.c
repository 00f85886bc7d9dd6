/* One reservation of addresses per instance, laid out in a first pass and made writable where it
 * is needed in a second.  The reservation takes no memory: pages exist once they are written, and
 * growing is mprotect.  So creating an instance costs a handful of system calls, however large its
 * memories and tables are. */
#include "vm/region.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loader/linker.h"

enum {
    TABLE_CHUNK = 64 * 1024, /* bytes a table is made writable by */
    WASM_PAGE_LOG2 = 16
};

/* A 32-bit address plus a 32-bit offset reaches this far at most; with a guard of one more page
 * behind, compiled code needs no bounds check on 32-bit memories. */
static const uint64_t MEMORY32_RESERVE = UINT64_C(8) << 30;

/* Offsets from the start of the region, in bytes. */
typedef struct Layout {
    size_t instance;
    size_t memory_refs, table_refs, imported_globals, imported_funcs, tags, elem_values;
    size_t context, globals, elem_refs, memory_states, table_states, dropped;
    size_t stack, stack_size;
    size_t end;
    size_t nelem_refs;
    bool overflow;
} Layout;

static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

static size_t os_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

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

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* ---- Sizes of the parts ---- */

/* Bytes a memory may grow to, by its type and the configuration. */
static uint64_t memory_max_bytes(const fnvm_config *config, const MemoryType *t)
{
    uint64_t pages = config->max_memory_bytes >> t->page_log2;
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

static uint64_t table_max(const fnvm_config *config, const TableType *t)
{
    uint64_t max = config->max_table_elements;
    if (t->limits.has_max) max = min_u64(max, t->limits.max);
    if (!t->limits.is64) max = min_u64(max, UINT32_MAX);
    return min_u64(max, UINT64_MAX / sizeof(uint64_t) / 4);
}

/* Bytes of a table that are writable when it has `size` elements. */
static size_t table_committed(uint64_t size, uint64_t max_size)
{
    size_t bytes = round_up((size_t)size * sizeof(uint64_t), TABLE_CHUNK);
    size_t all = round_up((size_t)max_size * sizeof(uint64_t), os_page());
    return bytes < all ? bytes : all;
}

static fnvm_error *check_minimums(const Module *m)
{
    const fnvm_config *config = &m->engine->config;
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        const MemoryType *t = &m->memories[i];
        uint64_t max = memory_max_bytes(config, t);
        if (t->limits.min > max >> t->page_log2) {
            return fnvm_error_new(FNVM_E_LIMIT,
                                  "memory %u starts with %" PRIu64 " pages of %u bytes, more than "
                                  "the limit of %" PRIu64 " bytes",
                                  i, t->limits.min, 1u << t->page_log2, config->max_memory_bytes);
        }
    }
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        const TableType *t = &m->tables[i].type;
        if (t->limits.min > table_max(config, t)) {
            return fnvm_error_new(FNVM_E_LIMIT,
                                  "table %u starts with %" PRIu64 " elements, more than the limit "
                                  "of %" PRIu64,
                                  i, t->limits.min, config->max_table_elements);
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

bool region_set_polls(const Instance *inst, bool readable)
{
    const size_t page = os_page();
    uint8_t *polls = (uint8_t *)(uintptr_t)inst - page;
    return mprotect(polls, page, readable ? PROT_READ : PROT_NONE) == 0;
}

static void layout_stack(Layout *l, const fnvm_config *config)
{
    const size_t page = os_page();
    take(l, 1, page, page); /* guard */
    l->stack_size = round_up((size_t)config->max_stack_bytes + JIT_RED_ZONE, page);
    l->stack = take(l, 1, l->stack_size, page);
    take(l, 1, page, page); /* guard */
}

/* Makes neighbouring ranges writable with one system call. */
typedef struct Commit {
    uint8_t *base;
    size_t from, to; /* not yet done */
    bool failed;
} Commit;

static void commit_flush(Commit *c)
{
    if (c->from < c->to && mprotect(c->base + c->from, c->to - c->from, PROT_READ | PROT_WRITE)) {
        c->failed = true;
    }
    c->from = c->to;
}

static void commit(Commit *c, size_t at, size_t bytes)
{
    if (at + bytes <= c->to) return;
    if (at > c->to) {
        commit_flush(c);
        c->from = at;
    }
    c->to = round_up(at + bytes, os_page());
}

/* ---- Creation ---- */

static void set_pointers(uint8_t *base, Module *m, const Layout *l)
{
    Instance *inst = (Instance *)(void *)(base + l->instance);
    inst->module = fnvm_module_retain(m);
    inst->memories = (MemoryRef *)(void *)(base + l->memory_refs);
    inst->tables = (TableRef *)(void *)(base + l->table_refs);
    inst->imported_globals = (GlobalRef *)(void *)(base + l->imported_globals);
    inst->imported_funcs = (FuncRef *)(void *)(base + l->imported_funcs);
    inst->tags = (TagRef *)(void *)(base + l->tags);
    inst->context = (Context *)(void *)(base + l->context);
    inst->globals = (Slot *)(void *)(base + l->globals);
    inst->dropped_elems = base + l->dropped;
    inst->dropped_datas = inst->dropped_elems + m->nelems;
    inst->stack_base = base + l->stack;
    inst->context->stack = (Stack){(uint32_t)l->stack_size, (uint32_t)l->stack_size, 0, 0};
    inst->region_size = l->end;
    for (uint32_t i = m->n_imported_tags; i < m->ntags; i++) inst->tags[i] = (TagRef){inst, i};

    inst->elem_refs = (uint64_t *)(void *)(base + l->elem_refs);
    inst->nelem_refs = l->nelem_refs;
    if (!l->nelem_refs) return;
    inst->elem_values = (uint64_t **)(void *)(base + l->elem_values);
    uint64_t *next = inst->elem_refs;
    for (uint32_t i = 0; i < m->nelems; i++) {
        if (!elem_is_kept(m, &m->elems[i])) continue;
        inst->elem_values[i] = next;
        next += m->elems[i].count;
    }
}

/* Own tables and memories follow the fixed parts in the order of their indices; this is called
 * once to measure (inst NULL) and once to fill in; offsets count from the region's start. */
static void place_tables(Layout *l, const Module *m, Instance *inst, const Layout *fixed, Commit *c)
{
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        const Limits *limits = &m->tables[i].type.limits;
        uint64_t max = table_max(&m->engine->config, &m->tables[i].type);
        size_t at = take(l, max, sizeof(uint64_t), os_page());
        if (!inst) continue;
        uint8_t *base = (uint8_t *)inst - fixed->instance;
        TableState *state = (TableState *)(void *)(base + fixed->table_states) +
                            (i - m->n_imported_tables);
        *state = (TableState){.size = limits->min, .max_size = max, .is64 = limits->is64};
        inst->tables[i] = (TableRef){(uint64_t *)(void *)(base + at), state, inst, i};
        commit(c, at, table_committed(limits->min, max));
    }
}

static void place_memories(Layout *l, const Module *m, Instance *inst, const Layout *fixed,
                           Commit *c)
{
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        const MemoryType *t = &m->memories[i];
        uint64_t max = memory_max_bytes(&m->engine->config, t);
        size_t at = take(l, memory_reserve(t, max), 1, os_page());
        take(l, 1, UINT64_C(1) << WASM_PAGE_LOG2, os_page()); /* guard */
        if (!inst) continue;
        uint8_t *base = (uint8_t *)inst - fixed->instance;
        MemoryState *state = (MemoryState *)(void *)(base + fixed->memory_states) +
                             (i - m->n_imported_memories);
        *state = (MemoryState){.size = t->limits.min << t->page_log2, .max_size = max,
                               .page_log2 = t->page_log2, .is64 = t->limits.is64};
        inst->memories[i] = (MemoryRef){base + at, state, inst, i};
        commit(c, at, (size_t)state->size);
    }
}

static fnvm_error *no_region(size_t bytes)
{
    return fnvm_error_new(FNVM_E_MEMORY,
                          "cannot reserve %zu bytes of address space for an instance", bytes);
}

/* The first table follows the fixed parts at once and is made writable with them. */
static size_t first_table_committed(const Module *m)
{
    if (m->ntables == m->n_imported_tables) return 0;
    const TableType *t = &m->tables[m->n_imported_tables].type;
    return table_committed(t->limits.min, table_max(&m->engine->config, t));
}

fnvm_error *region_create(Store *store, Module *m, Instance **out)
{
    const fnvm_config *config = &m->engine->config;
    if (config->max_stack_bytes > UINT32_MAX / 2 || config->max_stack_bytes < 4096) {
        return fnvm_error_new(FNVM_E_LIMIT, "a guest stack of %" PRIu64 " bytes: it must have "
                              "4 KiB at least and 2 GiB at most", config->max_stack_bytes);
    }
    fnvm_error *error = check_minimums(m);
    if (error) return error;

    Layout l = {0};
    layout_fixed(&l, m);
    const size_t fixed_end = l.end;
    place_tables(&l, m, NULL, NULL, NULL);
    layout_stack(&l, config);
    const size_t memories_at = l.end;
    place_memories(&l, m, NULL, NULL, NULL);
    l.end = round_up(l.end, os_page());
    if (l.overflow) {
        return fnvm_error_new(FNVM_E_LIMIT, "the memories and tables of the module may grow to "
                              "more than there are addresses; lower the limits");
    }

    void *base = mmap(NULL, l.end, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return no_region(l.end);
    const size_t first = round_up(fixed_end, os_page()) + first_table_committed(m);
    if (mprotect((uint8_t *)base + l.instance, first - l.instance, PROT_READ | PROT_WRITE)) {
        munmap(base, l.end);
        return no_region(l.end);
    }
    Instance *inst = (Instance *)(void *)((uint8_t *)base + l.instance);
    set_pointers(base, m, &l);
    inst->store = store;

    Commit c = {.base = base, .from = first, .to = first};
    Layout at = {.end = fixed_end};
    place_tables(&at, m, inst, &l, &c);
    commit(&c, l.stack, l.stack_size);
    at.end = memories_at;
    place_memories(&at, m, inst, &l, &c);
    commit_flush(&c);
    if (c.failed) {
        region_destroy(inst);
        return fnvm_error_new(FNVM_E_MEMORY, "the host has no memory for a new instance");
    }
    *out = inst;
    return NULL;
}

void region_destroy(Instance *inst)
{
    if (!inst) return;
    if (inst->linker_state) linker_state_free(inst->linker_state);
    Module *m = inst->module;
    munmap((uint8_t *)inst - os_page(), inst->region_size);
    fnvm_module_release(m);
}

/* ---- Growing ---- */

static bool make_writable(uint8_t *base, size_t from, size_t to)
{
    return from >= to || mprotect(base + from, to - from, PROT_READ | PROT_WRITE) == 0;
}

bool memory_grow(MemoryRef *mem, uint64_t delta_pages, uint64_t *old_pages)
{
    MemoryState *s = mem->state;
    const uint64_t pages = s->size >> s->page_log2;
    if (delta_pages > (s->max_size - s->size) >> s->page_log2) return false;
    const uint64_t size = s->size + (delta_pages << s->page_log2);
    const size_t page = os_page();
    if (!make_writable(mem->base, round_up((size_t)s->size, page), round_up((size_t)size, page))) {
        return false;
    }
    s->size = size;
    *old_pages = pages;
    return true;
}

bool table_grow(TableRef *table, uint64_t delta, uint64_t value, uint64_t *old)
{
    TableState *s = table->state;
    const uint64_t size = s->size;
    if (delta > s->max_size - size) return false;
    if (!make_writable((uint8_t *)table->elems, table_committed(size, s->max_size),
                       table_committed(size + delta, s->max_size))) {
        return false;
    }
    /* What has never been part of the table is still zero, which is null. */
    if (value) {
        for (uint64_t i = 0; i < delta; i++) table->elems[size + i] = value;
    }
    s->size = size + delta;
    *old = size;
    return true;
}
