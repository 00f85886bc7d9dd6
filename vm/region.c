/* One reservation of addresses per instance, made writable where it is needed.  The reservation
 * takes no memory: pages exist once they are written, and growing is mprotect.  So creating an
 * instance costs a handful of system calls, however large its memories and tables are. */
#include "vm/region_layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vm/image/image.h"

RegionLimits region_limits(const fnvm_config *config)
{
    return (RegionLimits){config->max_memory_bytes, config->max_table_elements,
                          config->max_stack_bytes};
}

RegionLimits store_region_limits(const Store *s)
{
    return s->image ? s->image->limits : region_limits(&s->engine->config);
}

bool region_set_polls(const Instance *inst, bool readable)
{
    const size_t page = os_page();
    uint8_t *polls = (uint8_t *)(uintptr_t)inst - page;
    /* Writable as what follows it, which makes them one mapping. */
    return mprotect(polls, page, readable ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

/* ---- Reserving ---- */

fnvm_error *region_no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host has no memory for a new instance, or allows the "
                          "process no more mappings (vm.max_map_count)");
}

/* Makes neighbouring parts writable with one system call, and maps what a source has of them. */
typedef struct Commit {
    uint8_t *base;
    size_t from, to;          /* not yet done */
    const RegionSource *source;
    size_t context;
    uint32_t next_stretch;
    fnvm_error *error;        /* the first one */
} Commit;

/* Whether the next stretch is all of the range, so that nothing else needs to be writable. */
static bool one_stretch(const Commit *c)
{
    if (!c->source || c->next_stretch >= c->source->nstretches) return false;
    const ImageStretch *s = &c->source->stretches[c->next_stretch];
    return s->at == c->from && s->size == c->to - c->from;
}

static void commit_flush(Commit *c)
{
    if (!c->error && c->from < c->to && !one_stretch(c) &&
        mprotect(c->base + c->from, c->to - c->from, PROT_READ | PROT_WRITE) != 0)
        c->error = region_no_memory();
    if (!c->error && c->source)
        c->error = region_map_stretches(c->base, c->source, c->context, c->from, c->to,
                                        &c->next_stretch);
    c->from = c->to;
}

/* Whole pages, in ascending order. */
static void commit(Commit *c, size_t at, size_t bytes)
{
    if (at > c->to) {
        commit_flush(c);
        c->from = at;
    }
    c->to = round_up(at + bytes, os_page());
}

/* What tables and memories start with: what the source has, or else the minimum of their types. */
static uint64_t first_elements(const Commit *c, const Module *m, const TableState *s, uint32_t i)
{
    return c->source ? c->source->tables[i - m->n_imported_tables].size : s->size;
}

static uint64_t first_bytes(const Commit *c, const Module *m, const MemoryState *s, uint32_t i)
{
    return c->source ? c->source->memories[i - m->n_imported_memories].size : s->size;
}

static fnvm_error *too_large(const char *what, uint32_t i)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "%s %u is larger than the image's limits allow", what,
                          i);
}

static fnvm_error *commit_all(Commit *c, const Module *m, const RegionLimits *limits,
                              const Layout *l)
{
    commit(c, 0, l->tables); /* polls, host part, context */
    size_t end = l->tables;
    for (uint32_t i = m->n_imported_tables; i < m->ntables && !c->error; i++) {
        const size_t at = layout_table(m, limits, i, &end);
        const TableState s = region_table_state(m, limits, i);
        const uint64_t size = first_elements(c, m, &s, i);
        if (size > s.max_size) return too_large("table", i);
        if (size) commit(c, at, table_committed(size, s.max_size));
    }
    commit(c, l->stack, l->stack_size);
    end = l->memories;
    for (uint32_t i = m->n_imported_memories; i < m->nmemories && !c->error; i++) {
        const size_t at = layout_memory(m, limits, i, &end);
        const MemoryState s = region_memory_state(m, limits, i);
        const uint64_t size = first_bytes(c, m, &s, i);
        if (size > s.max_size) return too_large("memory", i);
        if (size) commit(c, at, (size_t)size);
    }
    commit_flush(c);
    if (!c->error && c->source && c->next_stretch != c->source->nstretches)
        return fnvm_error_new(FNVM_E_MALFORMED, "pages of the image lie outside of what an "
                              "instance can write");
    return c->error;
}

static void place_host_part(Instance *inst, uint8_t *base, Module *m, const Layout *l)
{
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
    inst->region_size = l->end;
    inst->elem_refs = (uint64_t *)(void *)(base + l->elem_refs);
    inst->nelem_refs = l->nelem_refs;
    if (!l->nelem_refs) return;
    inst->elem_values = (uint64_t **)(void *)(base + l->elem_values);
    layout_elem_values(m, inst);
}

static void refer_to_own(Instance *inst, uint8_t *base, const RegionLimits *limits,
                         const Layout *l)
{
    const Module *m = inst->module;
    size_t end = l->tables;
    TableState *table = (TableState *)(void *)(base + l->table_states);
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        uint8_t *elems = base + layout_table(m, limits, i, &end);
        inst->tables[i] = (TableRef){(uint64_t *)(void *)elems, table++, inst, i};
    }
    end = l->memories;
    MemoryState *memory = (MemoryState *)(void *)(base + l->memory_states);
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        uint8_t *bytes = base + layout_memory(m, limits, i, &end);
        inst->memories[i] = (MemoryRef){bytes, memory++, inst, i};
    }
    for (uint32_t i = m->n_imported_tags; i < m->ntags; i++) inst->tags[i] = (TagRef){inst, i};
}

fnvm_error *region_reserve(Store *store, Module *m, const RegionLimits *limits,
                           const RegionSource *source, Instance **out)
{
    Layout l;
    fnvm_error *error = layout_make(m, limits, &l);
    if (error) return error;
    if (source && source->region_size != l.end) {
        return fnvm_error_new(FNVM_E_INVALID, "the image's instances take %" PRIu64 " bytes, those "
                              "of this engine %zu: it was written by another version",
                              source->region_size, l.end);
    }
    uint8_t *base = mmap(NULL, l.end, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                         0);
    if (base == MAP_FAILED) {
        return fnvm_error_new(FNVM_E_MEMORY, "cannot reserve %zu bytes of address space for an "
                              "instance", l.end);
    }
    /* Of many instances that touch a few pages each, a huge page for one of these would be what
     * most of the memory goes to.  A kernel without huge pages refuses, which is as good. */
    if (source) madvise(base, l.end, MADV_NOHUGEPAGE);
    Commit c = {.base = base, .source = source, .context = l.context};
    error = commit_all(&c, m, limits, &l);
    if (error) {
        munmap(base, l.end);
        return error;
    }
    Instance *inst = (Instance *)(void *)(base + l.instance);
    place_host_part(inst, base, m, &l);
    inst->store = store;
    refer_to_own(inst, base, limits, &l);
    *out = inst;
    return NULL;
}

/* ---- Creation ---- */

/* Sizes and the stack's registers: all that is not zero in a new context. */
static void start_context(Instance *inst, const RegionLimits *limits)
{
    const Module *m = inst->module;
    const uint32_t stack = region_stack_size(limits);
    inst->context->stack = (Stack){.size = stack, .frames = stack};
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++)
        *inst->tables[i].state = region_table_state(m, limits, i);
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++)
        *inst->memories[i].state = region_memory_state(m, limits, i);
}

fnvm_error *region_create(Store *store, Module *m, const RegionLimits *limits, Instance **out)
{
    fnvm_error *error = region_reserve(store, m, limits, NULL, out);
    if (!error) start_context(*out, limits);
    return error;
}

void region_destroy(Instance *inst)
{
    if (!inst) return;
    if (inst->linker_state) linker_state_free(inst->linker_state);
    Module *m = inst->module;
    free(inst->written);
    munmap((uint8_t *)inst - os_page(), inst->region_size);
    fnvm_module_release(m);
}

/* ---- What a guest can change ---- */

typedef struct RangeWalk {
    bool (*fn)(void *env, RegionRange);
    void *env;
    RegionRange range;        /* not yet told */
} RangeWalk;

static bool walk_to(RangeWalk *w, const Instance *inst, const void *from, size_t bytes)
{
    const uint64_t at = (uint64_t)((const uint8_t *)from - region_base(inst));
    const uint64_t size = round_up(bytes, IMAGE_PAGE);
    if (!size) return true;
    if (at == w->range.at + w->range.size) {
        w->range.size += size;
        return true;
    }
    const RegionRange before = w->range;
    w->range = (RegionRange){at, size};
    return !before.size || w->fn(w->env, before);
}

bool region_each_range(const Instance *inst, bool (*fn)(void *env, RegionRange), void *env)
{
    const Module *m = inst->module;
    const uint32_t tables = m->n_imported_tables;
    const uint8_t *context = (const uint8_t *)inst->context;
    const uint8_t *behind = tables < m->ntables ? (const uint8_t *)inst->tables[tables].elems
                                                : inst->stack_base;
    RangeWalk w = {.fn = fn, .env = env};
    bool ok = walk_to(&w, inst, context, (size_t)(behind - context));
    for (uint32_t i = tables; i < m->ntables && ok; i++) {
        const TableState *s = inst->tables[i].state;
        ok = walk_to(&w, inst, inst->tables[i].elems, table_committed(s->size, s->max_size));
    }
    ok = ok && walk_to(&w, inst, inst->stack_base, inst->context->stack.size);
    for (uint32_t i = m->n_imported_memories; i < m->nmemories && ok; i++)
        ok = walk_to(&w, inst, inst->memories[i].base, (size_t)inst->memories[i].state->size);
    return ok && fn(env, w.range);
}

static bool count_range(void *env, RegionRange range)
{
    (void)range;
    ++*(uint32_t *)env;
    return true;
}

uint32_t region_nranges(const Instance *inst)
{
    uint32_t n = 0;
    region_each_range(inst, count_range, &n);
    return n;
}

static bool list_range(void *env, RegionRange range)
{
    RegionRange **next = env;
    *(*next)++ = range;
    return true;
}

void region_ranges(const Instance *inst, RegionRange *out)
{
    region_each_range(inst, list_range, &out);
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
    /* What has never been part of the table is still zero, which is null: and has to stay so, lest
     * a table of references that cannot be null grow over nulls, or over what was left here. */
    if (value) {
        uint64_t done = refs_fill(table->owner->store, table->elems + size, value, delta);
        if (done < delta) {
            memset(table->elems + size, 0, (size_t)done * sizeof value);
            return false;
        }
    }
    s->size = size + delta;
    *old = size;
    return true;
}
