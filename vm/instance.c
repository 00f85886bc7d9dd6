/* Instantiation in the order of the standard (4.7.2): all imports are checked before anything is
 * made; then the region is laid out and globals, tables, element and data segments are filled in
 * from the module's bytes.  Data is copied, so that only pages with data in them come to be. */
#include "vm/instance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "jit/enter.h"
#include "loader/linker.h"
#include "vm/heap.h"
#include "vm/limits.h"
#include "vm/region.h"
#include "vm/run.h"
#include "vm/tunables.h"
#include "vm/types_print.h"

enum {
    MIN_PAGE = 4096,          /* no system has smaller ones */
    MIN_POPULATE = 64 * 1024  /* bytes from which on bringing pages in at once pays */
};
enum { TYPE_TEXT = 512 }; /* bytes of a type in a message; longer ones are cut */

/* ---- Import types (4.5.2) ---- */

static void print_escaped(char *text, size_t size, size_t *at, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        char piece[5] = {(char)bytes[i]};
        if (bytes[i] < 0x20 || bytes[i] == 0x7F) snprintf(piece, sizeof piece, "\\%02x", bytes[i]);
        for (const char *c = piece; *c; c++, ++*at) {
            if (*at + 1 < size) text[*at] = *c;
        }
    }
}

size_t import_print(const Module *m, const Import *import, char *text, size_t size)
{
    size_t at = 0;
    print_escaped(text, size, &at, m->bytes + import->module.start, import->module.len);
    print_escaped(text, size, &at, (const uint8_t *)".", 1);
    print_escaped(text, size, &at, m->bytes + import->name.start, import->name.len);
    if (size) text[at < size ? at : size - 1] = '\0';
    return at;
}

static Instance *extern_owner(fnvm_extern e) { return (Instance *)(uintptr_t)e.of[0]; }

size_t fnvm_extern_type(fnvm_store *s, fnvm_extern e, char *text, size_t size)
{
    if (size) text[0] = '\0';
    if (!store_has_extern(s, e)) return 0;
    if (e.kind != FNVM_EXTERN_FUNC)
        return module_print_type(extern_owner(e)->module, (uint8_t)e.kind, (uint32_t)e.of[1], text,
                                 size);
    const Type *t = store_func_type(s, e.of[0]);
    if (!t) return 0;
    TypePrinter p = {.registry = &s->engine->types, .text = text, .size = size};
    printer_text(&p, t->nparams + t->nresults > 0 ? "(func " : "(func");
    printer_func(&p, t->id);
    printer_text(&p, ")");
    return p.len;
}

/* With its size now, where that may be why it does not fit. */
static void print_extern(Store *s, fnvm_extern e, char *text, size_t size)
{
    const size_t len = fnvm_extern_type(s, e, text, size);
    if (len >= size || e.kind == FNVM_EXTERN_FUNC) return;
    const Instance *owner = extern_owner(e);
    const uint32_t index = (uint32_t)e.of[1];
    if (e.kind == FNVM_EXTERN_MEMORY) {
        const MemoryState *state = owner->memories[index].state;
        snprintf(text + len, size - len, " of %" PRIu64 " pages now",
                 state->size >> state->page_log2);
    } else if (e.kind == FNVM_EXTERN_TABLE) {
        snprintf(text + len, size - len, " of %" PRIu64 " elements now",
                 owner->tables[index].state->size);
    }
}

static bool limits_match(uint64_t size, const Limits *actual, const Limits *expected)
{
    if (actual->is64 != expected->is64 || size < expected->min) return false;
    return !expected->has_max || (actual->has_max && actual->max <= expected->max);
}

static bool types_equal(const TypeRegistry *r, ValType a, ValType b)
{
    return types_is_sub(r, a, b) && types_is_sub(r, b, a);
}

static bool extern_matches(Store *s, const Module *m, const Import *import, fnvm_extern e)
{
    const TypeRegistry *r = &s->engine->types;
    if (e.kind == FNVM_EXTERN_FUNC) {
        const Type *t = store_func_type(s, e.of[0]);
        return t && types_id_is_sub(r, t->id, m->funcs[import->index]);
    }
    const Instance *owner = extern_owner(e);
    const Module *from = owner->module;
    const uint32_t index = (uint32_t)e.of[1];
    switch (e.kind) {
    case FNVM_EXTERN_TABLE: {
        const TableType *actual = &from->tables[index].type, *want = &m->tables[import->index].type;
        return limits_match(owner->tables[index].state->size, &actual->limits, &want->limits) &&
               types_equal(r, actual->elem, want->elem);
    }
    case FNVM_EXTERN_MEMORY: {
        const MemoryType *actual = &from->memories[index], *want = &m->memories[import->index];
        uint64_t pages = owner->memories[index].state->size >> actual->page_log2;
        return actual->page_log2 == want->page_log2 &&
               limits_match(pages, &actual->limits, &want->limits);
    }
    case FNVM_EXTERN_GLOBAL: {
        GlobalType actual = from->globals[index].type, want = m->globals[import->index].type;
        if (actual.is_mutable != want.is_mutable) return false;
        return want.is_mutable ? types_equal(r, actual.type, want.type)
                               : types_is_sub(r, actual.type, want.type);
    }
    case FNVM_EXTERN_TAG: return from->tags[index] == m->tags[import->index];
    default: return false;
    }
}

fnvm_error *import_check(Store *s, const Module *m, const Import *import, fnvm_extern e)
{
    if (!store_has_extern(s, e))
        return fnvm_error_new(FNVM_E_USAGE, "a definition of another store was given as import");
    if (e.kind == (fnvm_externkind)import->kind && extern_matches(s, m, import, e)) return NULL;
    char name[TYPE_TEXT], expected[TYPE_TEXT], found[TYPE_TEXT];
    import_print(m, import, name, sizeof name);
    module_print_type(m, import->kind, import->index, expected, sizeof expected);
    print_extern(s, e, found, sizeof found);
    return fnvm_error_new(FNVM_E_LINK, "incompatible import type: %s: expected %s, found %s", name,
                          expected, found);
}

/* ---- Externs ---- */

fnvm_error *instance_link_func(Instance *inst, uint32_t func, FuncRef *out)
{
    *out = 0;
    if (func >= inst->module->n_imported_funcs) {
        *out = funcref_make(inst->id, func);
        return NULL;
    }
    if (!inst->imported_funcs[func]) {
        fnvm_error *error = linker_resolve_func(inst, func);
        if (error) return error;
    }
    *out = inst->imported_funcs[func];
    return NULL;
}

FuncRef instance_func(Instance *inst, uint32_t func)
{
    FuncRef ref;
    fnvm_error_free(instance_link_func(inst, func, &ref));
    return ref;
}

static fnvm_extern owned_extern(fnvm_externkind kind, Instance *owner, uint32_t index)
{
    return (fnvm_extern){kind, {(uintptr_t)owner, index}};
}

/* Names the definition itself, not the import of it, so that equal things have equal externs. */
fnvm_extern instance_extern(Instance *inst, fnvm_externkind kind, uint32_t index)
{
    switch (kind) {
    case FNVM_EXTERN_FUNC: return store_func_extern(inst->store, instance_func(inst, index));
    case FNVM_EXTERN_TABLE:
        return owned_extern(kind, inst->tables[index].owner, inst->tables[index].index);
    case FNVM_EXTERN_MEMORY:
        return owned_extern(kind, inst->memories[index].owner, inst->memories[index].index);
    case FNVM_EXTERN_TAG:
        return owned_extern(kind, inst->tags[index].owner, inst->tags[index].index);
    case FNVM_EXTERN_GLOBAL: break;
    }
    if (index >= inst->module->n_imported_globals) return owned_extern(kind, inst, index);
    const GlobalRef *g = &inst->imported_globals[index];
    return owned_extern(kind, g->owner, g->index);
}

/* ---- Instantiation ---- */

void instance_link(Instance *inst, const Import *import, fnvm_extern e)
{
    if (e.kind == FNVM_EXTERN_FUNC) {
        inst->imported_funcs[import->index] = e.of[0];
        return;
    }
    Instance *owner = extern_owner(e);
    const uint32_t index = (uint32_t)e.of[1];
    switch (e.kind) {
    case FNVM_EXTERN_TABLE: inst->tables[import->index] = owner->tables[index]; break;
    case FNVM_EXTERN_MEMORY: inst->memories[import->index] = owner->memories[index]; break;
    case FNVM_EXTERN_TAG: inst->tags[import->index] = owner->tags[index]; break;
    case FNVM_EXTERN_GLOBAL: {
        const uint32_t imported = owner->module->n_imported_globals;
        inst->imported_globals[import->index] =
            index < imported
                ? owner->imported_globals[index]
                : (GlobalRef){owner->globals + 2 * (size_t)(index - imported), owner, index};
        break;
    }
    default: break;
    }
}

/* A module may have a million of anything: so its instances, too, can be stopped while they are
 * made.  The next call would be stopped anyway. */
static fnvm_error *stop_now_and_then(const Instance *inst, uint32_t i)
{
    if ((i + 1) % TUNE_LOOK_EVERY || !store_interrupted(inst->store)) return NULL;
    return store_trap_error(inst->store, FNVM_TRAP_INTERRUPTED);
}

static fnvm_error *init_globals(Instance *inst)
{
    const Module *m = inst->module;
    for (uint32_t i = m->n_imported_globals; i < m->nglobals; i++) {
        Slot value[2];
        fnvm_error *error = stop_now_and_then(inst, i);
        if (!error) error = constant_eval(inst, m->globals[i].init, value);
        if (error) return error;
        memcpy(inst->globals + 2 * (size_t)(i - m->n_imported_globals), value, sizeof value);
    }
    return NULL;
}

static fnvm_error *init_tables(Instance *inst)
{
    const Module *m = inst->module;
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        if (m->tables[i].init.start == m->tables[i].init.end) continue;
        Slot value[2];
        fnvm_error *error = constant_eval(inst, m->tables[i].init, value);
        if (error) return error;
        uint64_t n = value[0].i64 ? inst->tables[i].state->size : 0; /* null is there already */
        fnvm_trap trap = table_fill(inst, i, 0, value[0].i64, n);
        if (trap) return store_trap_error(inst->store, trap);
    }
    return NULL;
}

static fnvm_error *init_elem_refs(Instance *inst)
{
    if (!inst->elem_values) return NULL;
    for (uint32_t i = 0; i < inst->module->nelems; i++) {
        if (!inst->elem_values[i]) continue;
        fnvm_error *error = elem_items(inst, i, 0, inst->module->elems[i].count,
                                       inst->elem_values[i]);
        if (error) return error;
    }
    inst->elem_refs_ready = true;
    return NULL;
}

/* The offset of an active segment, by the address type of what it goes to. */
static fnvm_error *segment_offset(Instance *inst, Range expr, bool is64, uint64_t *out)
{
    Slot value[2];
    fnvm_error *error = constant_eval(inst, expr, value);
    if (!error) *out = is64 ? value[0].i64 : value[0].i32;
    return error;
}

static fnvm_error *does_not_fit(fnvm_trap trap, const char *kind, uint32_t i, uint64_t len,
                                uint64_t at)
{
    return fnvm_error_trap_new(trap, "%s: %s segment %u of length %" PRIu64 " at %" PRIu64,
                               fnvm_trap_text(trap), kind, i, len, at);
}

static fnvm_error *init_elems(Instance *inst)
{
    const Module *m = inst->module;
    for (uint32_t i = 0; i < m->nelems; i++) {
        const Elem *e = &m->elems[i];
        fnvm_error *error = stop_now_and_then(inst, i);
        if (!error && e->mode == SEGMENT_ACTIVE) {
            uint64_t at = 0;
            error = segment_offset(inst, e->offset, inst->tables[e->table].state->is64, &at);
            if (!error) error = table_init(inst, e->table, i, at, 0, e->count);
            if (error && fnvm_error_trap(error) == FNVM_TRAP_TABLE_OUT_OF_BOUNDS) {
                fnvm_error_free(error);
                error = does_not_fit(FNVM_TRAP_TABLE_OUT_OF_BOUNDS, "element", i, e->count, at);
            }
        }
        if (error) return error;
        if (e->mode != SEGMENT_PASSIVE) inst->dropped_elems[i] = 1;
    }
    return NULL;
}

static fnvm_error *data_offset(Instance *inst, const Data *d, uint64_t *out)
{
    return segment_offset(inst, d->offset, inst->memories[d->memory].state->is64, out);
}

/* Page faults are most of the cost of copying data.  From segment `i` at `at` on, the segments of
 * its memory that follow without a page between them make one run, whose pages are brought in by
 * few system calls (which may fail: then each faults as it is written).  Returns the segment
 * after the run. */
static uint32_t populate_run(Instance *inst, uint32_t i, uint64_t at)
{
    const Module *m = inst->module;
    const MemoryRef *memory = &inst->memories[m->datas[i].memory];
    uint64_t start = at, end = at;
    uint32_t k = i;
    for (; k < m->ndatas; k++) {
        const Data *d = &m->datas[k];
        const uint64_t len = d->bytes.end - d->bytes.start;
        if (d->mode != SEGMENT_ACTIVE || d->memory != m->datas[i].memory) break;
        fnvm_error *error = data_offset(inst, d, &at);
        if (error) { /* it comes back when it is this segment's turn */
            fnvm_error_free(error);
            break;
        }
        if (at < end || at - end >= MIN_PAGE || at > memory->state->size ||
            len > memory->state->size - at) {
            break;
        }
        end = at + len;
    }
    start -= start % MIN_PAGE;
    while (end - start >= MIN_POPULATE && !store_interrupted(inst->store)) {
        const uint64_t size = end - start < TUNE_PIECE_BYTES ? end - start : TUNE_PIECE_BYTES;
        madvise(memory->base + start, (size_t)size, MADV_POPULATE_WRITE);
        start += size;
    }
    return k > i ? k : i + 1;
}

static fnvm_error *init_datas(Instance *inst)
{
    const Module *m = inst->module;
    uint32_t run_end = 0; /* the segment after the latest run */
    for (uint32_t i = 0; i < m->ndatas; i++) {
        const Data *d = &m->datas[i];
        if (d->mode != SEGMENT_ACTIVE) continue;
        uint64_t at = 0, len = d->bytes.end - d->bytes.start;
        fnvm_error *error = stop_now_and_then(inst, i);
        if (!error) error = data_offset(inst, d, &at);
        if (error) return error;
        if (i >= run_end) run_end = populate_run(inst, i, at);
        fnvm_trap trap = memory_init(inst, d->memory, i, at, 0, len);
        if (trap == FNVM_TRAP_INTERRUPTED) return store_trap_error(inst->store, trap);
        if (trap) return does_not_fit(trap, "data", i, len, at);
        inst->dropped_datas[i] = 1;
    }
    return NULL;
}

static fnvm_error *initialise(Instance *inst)
{
    fnvm_error *error = init_globals(inst);
    if (!error) error = init_tables(inst);
    if (!error) error = init_elem_refs(inst);
    if (!error) error = init_elems(inst);
    if (!error) error = init_datas(inst);
    return error;
}

static fnvm_error *run_start(Instance *inst)
{
    FuncRef start;
    fnvm_error *error = instance_link_func(inst, inst->module->start, &start);
    Slot none = {0};
    Store *s = inst->store;
    const bool starting = s->starting;
    if (error) return error;
    s->starting = true;
    error = run_call(s, start, &none);
    s->starting = starting;
    return error;
}

static fnvm_error *check_imports(Store *s, const Module *m, const fnvm_extern *imports,
                                 const void *linker_state)
{
    for (uint32_t i = 0; i < m->nimports; i++) {
        bool later = imports[i].kind == FNVM_EXTERN_FUNC && !imports[i].of[0] &&
                     m->imports[i].kind == FNVM_EXTERN_FUNC && linker_state;
        fnvm_error *error = later ? NULL : import_check(s, m, &m->imports[i], imports[i]);
        if (error) return error;
    }
    return NULL;
}

fnvm_error *store_add_instance(Store *s, Instance *inst)
{
    if (s->ninstances == s->instances_cap) {
        if (s->instances_cap > UINT32_MAX / 4) {
            return fnvm_error_new(FNVM_E_LIMIT, "too many instances in one store");
        }
        uint32_t cap = s->instances_cap * 2;
        if (!heap_resize_roots((void **)&s->instances, s->instances_cap * sizeof(Instance *),
                               cap * sizeof(Instance *))) {
            return error_no_memory();
        }
        s->instances_cap = cap;
    }
    inst->id = s->ninstances;
    s->instances[s->ninstances] = inst;
    s->ninstances++;
    return NULL;
}

void instance_finish_links(Instance *inst)
{
    const Export *memory = module_find_export(inst->module, "memory", 6);
    if (memory && memory->kind == FNVM_EXTERN_MEMORY)
        inst->memory_export = &inst->memories[memory->index];
}

/* The checks and the region: what fails here leaves no trace in the store. */
static fnvm_error *instance_make(Store *s, Module *m, const fnvm_extern *imports,
                                 void *linker_state, Instance **out)
{
    const fnvm_config *config = &s->engine->config;
    if (m->engine != s->engine) {
        return fnvm_error_new(FNVM_E_USAGE, "the module and the store are of different engines");
    }
    if (s->ninstances - s->nremoved > config->max_instances) {
        char limit[LIMIT_TEXT];
        limit_print(s->engine, CONFIG_INSTANCES, config->max_instances, limit, sizeof limit);
        return fnvm_error_new(FNVM_E_LIMIT, "one store must not have more than %s", limit);
    }
    fnvm_error *error = check_imports(s, m, imports, linker_state);
    Instance *inst = NULL;
    if (!error) error = jit_module_open(m);
    const RegionLimits limits = store_region_limits(s);
    if (!error) error = region_create(s, m, &limits, &inst);
    if (error) return error;
    for (uint32_t i = 0; i < m->nimports; i++) instance_link(inst, &m->imports[i], imports[i]);
    instance_finish_links(inst);
    error = store_add_instance(s, inst);
    if (error) {
        region_destroy(inst);
        return error;
    }
    jit_link_instance(inst);
    *out = inst;
    return NULL;
}

fnvm_error *instance_new(Store *s, Module *m, const fnvm_extern *imports, void *linker_state,
                         Instance **out)
{
    Instance *inst = NULL;
    fnvm_error *error = instance_make(s, m, imports, linker_state, &inst);
    if (error) {
        if (linker_state) linker_state_free(linker_state);
        return error;
    }
    inst->linker_state = linker_state;
    heap_enter(s);
    error = initialise(inst);
    inst->failed = error != NULL;
    heap_leave(s);
    if (!error && m->has_start) error = run_start(inst);
    if (!error) *out = inst;
    return error;
}
