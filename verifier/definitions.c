/* A module's definitions (standard, 3.2 and 3.5): declared subtypes, limits, initializers,
 * segments, start.  Indices, duplicate exports and the kinds of types were checked while the module
 * was decoded. */
#include <inttypes.h>

#include "loader/skip.h"
#include "verifier/policy/check.h"
#include "verifier/state.h"

#define invalid(...) fnvm_error_new(FNVM_E_INVALID, __VA_ARGS__)

/* ---- Types (3.4.2) ---- */

static fnvm_error *verify_types(const Module *m)
{
    const TypeRegistry *types = &m->engine->types;
    for (uint32_t i = 0; i < m->ntypes; i++) {
        const Type *t = types_get(types, m->types[i]);
        if (i % STOP_STEPS == 0 && engine_interrupted(m->engine))
            return stop_error("verifying types");
        if (t->super == TYPE_ID_NONE) continue;
        const Type *super = types_get(types, t->super);
        if (super->is_final) return invalid("sub type %u: its super type is final", i);
        if (!types_def_is_sub(types, t, super))
            return invalid("sub type %u does not match super type", i);
    }
    return NULL;
}

/* ---- Limits (3.2.4 to 3.2.6) ---- */

static fnvm_error *verify_limits(const Limits *l, uint64_t range, const char *what, uint32_t index,
                                 const char *range_text)
{
    if (l->min > range || (l->has_max && l->max > range))
        return invalid("%s size must be at most %s: %s %u has a minimum of %" PRIu64
                       " and a maximum of %" PRIu64, what, range_text, what, index, l->min,
                       l->has_max ? l->max : l->min);
    if (l->has_max && l->min > l->max)
        return invalid("size minimum must not be greater than maximum: %s %u has %" PRIu64
                       " and %" PRIu64, what, index, l->min, l->max);
    return NULL;
}

static fnvm_error *verify_table_types(const Module *m)
{
    for (uint32_t i = 0; i < m->ntables; i++) {
        const Limits *l = &m->tables[i].type.limits;
        fnvm_error *error = verify_limits(l, l->is64 ? UINT64_MAX : UINT32_MAX, "table", i,
                                          "2^32 - 1 elements");
        if (error) return error;
    }
    return NULL;
}

static fnvm_error *verify_memory_types(const Module *m)
{
    for (uint32_t i = 0; i < m->nmemories; i++) {
        const Limits *l = &m->memories[i].limits;
        uint8_t log2 = m->memories[i].page_log2;
        uint64_t range = l->is64 ? UINT64_MAX : UINT32_MAX;
        const char *text = l->is64 ? "2^64 - 1 bytes" : "2^32 - 1 bytes";
        if (log2 > 0) {
            range = (range >> log2) + 1;
            text = l->is64 ? "2^48 pages" : "65536 pages (4GiB)";
        }
        fnvm_error *error = verify_limits(l, range, "memory", i, text);
        if (error) return error;
    }
    return NULL;
}

/* ---- Initializers (3.5) ---- */

/* Before WebAssembly 3.0 constant expressions read imported globals only. */
static uint32_t visible_globals(const Module *m, uint32_t n)
{
    return m->engine->config.features & FNVM_FEATURE_GC || n < m->n_imported_globals
               ? n : m->n_imported_globals;
}

/* One expression that is as long as its range. */
static fnvm_error *verify_initializer(Verifier *v, Range code, ValType expected,
                                      uint32_t globals, const char *what, uint32_t index)
{
    uint32_t end, value;
    if (expected == TYPE_I32 && literal_i32(v->m->bytes, code.start, v->m->len, &value) == code.end)
        return NULL;
    fnvm_error *error = verifier_constant(v, code, expected, visible_globals(v->m, globals), &end);
    if (!error && end != code.end)
        error = error_at(FNVM_E_MALFORMED, end, "unexpected content after the expression's end");
    return error ? fnvm_error_wrap(error, "%s %u is not valid", what, index) : NULL;
}

static fnvm_error *verify_table_inits(Verifier *v)
{
    const Module *m = v->m;
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        const Table *t = &m->tables[i];
        fnvm_error *error = NULL;
        if (t->init.end > t->init.start)
            error = verify_initializer(v, t->init, t->type.elem, m->n_imported_globals,
                                       "the initializer of table", i);
        else if (!type_is_defaultable(t->type.elem))
            error = invalid("type mismatch: table %u needs an initializer, since its elements "
                            "cannot be null", i);
        if (error) return error;
    }
    return NULL;
}

static fnvm_error *verify_global_inits(Verifier *v)
{
    const Module *m = v->m;
    for (uint32_t i = m->n_imported_globals; i < m->nglobals; i++) {
        const Global *g = &m->globals[i];
        if (stop_wanted(v->stop)) return stop_error("verifying globals");
        fnvm_error *error = verify_initializer(v, g->init, g->type.type, i,
                                               "the initializer of global", i);
        if (error) return error;
    }
    return NULL;
}

/* ---- Segments (3.5.8, 3.5.9) ---- */

static fnvm_error *verify_elem_items(Verifier *v, uint32_t index, const Elem *e)
{
    if (e->is_funcs) return NULL; /* indices, which the decoder has checked */
    Range rest = e->items;
    uint32_t globals = visible_globals(v->m, v->m->nglobals);
    for (uint32_t i = 0; i < e->count; i++) {
        if (i % STOP_STEPS == 0 && stop_wanted(v->stop))
            return stop_error("verifying element segments");
        fnvm_error *error = verifier_constant(v, rest, e->type, globals, &rest.start);
        if (error) return fnvm_error_wrap(error, "elem segment %u is not valid", index);
    }
    return NULL;
}

static fnvm_error *verify_elem(Verifier *v, uint32_t index, const Elem *e)
{
    fnvm_error *error = stop_wanted(v->stop) ? stop_error("verifying element segments")
                                             : verify_elem_items(v, index, e);
    if (error || e->mode != SEGMENT_ACTIVE) return error;
    const TableType *table = &v->m->tables[e->table].type;
    if (!type_matches(v, e->type, table->elem)) {
        char a[TYPE_TEXT], b[TYPE_TEXT];
        return invalid("type mismatch: elem segment %u of %s for a table of %s", index,
                       verifier_type_text(v, e->type, a), verifier_type_text(v, table->elem, b));
    }
    return verify_initializer(v, e->offset, table->limits.is64 ? TYPE_I64 : TYPE_I32,
                              v->m->nglobals, "the offset of elem segment", index);
}

static fnvm_error *verify_segments(Verifier *v)
{
    const Module *m = v->m;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < m->nelems && !error; i++) error = verify_elem(v, i, &m->elems[i]);
    for (uint32_t i = 0; i < m->ndatas && !error; i++) {
        const Data *d = &m->datas[i];
        if (d->mode != SEGMENT_ACTIVE) continue;
        bool is64 = m->memories[d->memory].limits.is64;
        error = verify_initializer(v, d->offset, is64 ? TYPE_I64 : TYPE_I32, m->nglobals,
                                   "the offset of data segment", i);
    }
    return error;
}

static fnvm_error *verify_start(const Module *m)
{
    if (!m->has_start) return NULL;
    const Type *t = module_func_type(m, m->start);
    if (t->nparams == 0 && t->nresults == 0) return NULL;
    return invalid("start function %u must have no parameters and no results", m->start);
}

fnvm_error *verifier_module(Module *m)
{
    fnvm_error *error = verify_types(m);
    if (!error) error = verify_table_types(m);
    if (!error) error = verify_memory_types(m);
    if (!error) error = verify_start(m);
    if (error) return error;
    Verifier v;
    verifier_start(&v, m);
    if (m->check) {
        check_begin(m->check, CHECK_SECTIONS);
        verifier_set_check(&v, m->check);
    }
    error = verify_table_inits(&v);
    if (!error) error = verify_global_inits(&v);
    if (!error) error = verify_segments(&v);
    verifier_finish(&v);
    if (m->check && !error) check_module_end(m->check, m);
    return error;
}
