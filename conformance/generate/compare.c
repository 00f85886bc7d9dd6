/* Two stores are led through the same calls in step.  Imports are made to measure: functions log
 * their arguments, call back now and then and give edge values; a second instance imports from the
 * first what it can, so that calls, memories and tables cross instances. */
#include "conformance/generate/compare.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/generate/bytes.h"
#include "conformance/generate/frames.h"
#include "conformance/generate/values.h"
#include "vm/store.h"

enum {
    MAX_VALUES = 64,
    MAX_CALLBACKS = 24,
    MAX_MODULES = 3000,
    MAX_EDGE_CALLS = 900,
    MEMORY_BYTES = 16 << 20,
    HEAP_BYTES = 16 << 20,
    STACK_BYTES = 1 << 20
};

typedef struct Side {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_instance *instances[2];
    unsigned ninstances;
    struct HostImport *hosts;
    Bytes log;     /* what host functions saw */
    Random random; /* of what they give */
    unsigned callbacks;
    bool exhausted; /* a guest ran out of stack or heap somewhere */
} Side;

typedef struct HostImport {
    Side *side;
    uint32_t number;
    const Type *type;
} HostImport;

typedef struct Outcome {
    fnvm_error *error;
    fnvm_val results[MAX_VALUES];
    size_t nresults;
} Outcome;

typedef struct Comparison {
    const CompareOptions *options;
    Side sides[2];
    Verdict verdict;
} Comparison;

/* ---- Values ---- */

/* What can be said of a reference whatever its address. */
static uint64_t describe_ref(fnvm_store *store, fnvm_ref ref)
{
    fnvm_refkind kind = fnvm_ref_kind(store, ref);
    uint64_t value = 0;
    int32_t i31 = 0;
    fnvm_extern func;
    if (fnvm_ref_i31_value(store, ref, &i31)) value = (uint32_t)i31;
    else if (fnvm_ref_func(store, ref, &func)) value = func.of[0];
    else if (!fnvm_ref_host_value(store, ref, &value)) value = 0;
    return value << 4 | (unsigned)kind;
}

static bool nan32(const void *at)
{
    float v;
    memcpy(&v, at, sizeof v);
    return isnan(v);
}

static bool nan64(const void *at)
{
    double v;
    memcpy(&v, at, sizeof v);
    return isnan(v);
}

/* The bits, every NaN the same one, references described. */
static Bits plain_value(fnvm_store *store, const fnvm_val *v)
{
    Bits b = {.halves = {0, 0}};
    switch (v->kind) {
    case FNVM_I32: b.i32 = (uint32_t)v->of.i32; break;
    case FNVM_I64: b.i64 = (uint64_t)v->of.i64; break;
    case FNVM_F32:
        memcpy(&b, &v->of, 4);
        if (nan32(&b)) b.i32 = 0x7FC00000;
        break;
    case FNVM_F64:
        memcpy(&b, &v->of, 8);
        if (nan64(&b)) b.i64 = UINT64_C(0x7FF8) << 48;
        break;
    case FNVM_V128: memcpy(&b, v->of.v128, 16); break;
    case FNVM_REF: b.i64 = describe_ref(store, v->of.ref); break;
    }
    return b;
}

static bool same_lanes(const Bits *a, const Bits *b, unsigned lanes)
{
    size_t width = lanes == FNVM_F32 ? 4 : 8;
    if (lanes != FNVM_F32 && lanes != FNVM_F64) return false;
    for (size_t i = 0; i < 16; i += width) {
        bool nans = width == 4 ? nan32(a->bytes + i) && nan32(b->bytes + i)
                               : nan64(a->bytes + i) && nan64(b->bytes + i);
        if (!nans && memcmp(a->bytes + i, b->bytes + i, width) != 0) return false;
    }
    return true;
}

static bool same_value(const Comparison *c, const fnvm_val *a, const fnvm_val *b)
{
    Bits x = plain_value(c->sides[0].store, a), y = plain_value(c->sides[1].store, b);
    if (a->kind != b->kind) return false;
    return memcmp(&x, &y, sizeof x) == 0 ||
           (a->kind == FNVM_V128 && same_lanes(&x, &y, c->options->lanes));
}

static void print_value(FILE *out, fnvm_store *store, const fnvm_val *v)
{
    static const char *const kinds[] = {"i32", "i64", "f32", "f64", "v128", "ref"};
    Bits b = plain_value(store, v);
    if (v->kind == FNVM_F32 || v->kind == FNVM_F64) memcpy(&b, &v->of, sizeof v->of.f64);
    fprintf(out, " %s:0x", kinds[v->kind]);
    if (v->kind == FNVM_V128) fprintf(out, "%016" PRIx64 "_", b.halves[1]);
    if (v->kind == FNVM_I32 || v->kind == FNVM_F32) fprintf(out, "%" PRIx32, b.i32);
    else fprintf(out, "%" PRIx64, b.i64);
}

static fnvm_ref random_ref(Random *random, Side *side, fnvm_valtype type)
{
    fnvm_ref ref = 0;
    fnvm_extern func;
    HeapType heap = type_heap(type);
    if (random_below(random, 3) == 0) return 0;
    if (heap == HEAP_EXTERN || heap == HEAP_ANY)
        fnvm_error_free(fnvm_ref_from_host(side->store, 1 + random_below(random, 100), &ref));
    else if (heap == HEAP_FUNC && side->ninstances > 0 &&
             fnvm_instance_export(side->instances[0], "f1", 2, &func) &&
             func.kind == FNVM_EXTERN_FUNC)
        fnvm_error_free(fnvm_ref_from_func(side->store, func, &ref));
    return ref;
}

/* An edge value or any; false for a reference that must not be null. */
static bool random_value(Random *random, Side *side, fnvm_valtype type, fnvm_val *out)
{
    *out = (fnvm_val){.kind = fnvm_valtype_kind(type)};
    if (out->kind == FNVM_REF) {
        out->of.ref = random_ref(random, side, type);
        return type_is_nullable(type) || out->of.ref;
    }
    Bits b = edge_value(out->kind, random_below(random, (uint32_t)edge_count(out->kind)));
    if (random_below(random, 4) == 0) b.i64 = random_next(random);
    if (random_below(random, 4) == 0) b.i64 &= 63;
    memcpy(&out->of, &b, sizeof out->of);
    return true;
}

/* ---- Calls ---- */

static void note_exhaustion(Side *side, const fnvm_error *error)
{
    fnvm_trap trap = error ? fnvm_error_trap(error) : FNVM_TRAP_NONE;
    fnvm_code code = error ? fnvm_error_code(error) : FNVM_OK;
    if (trap == FNVM_TRAP_STACK_EXHAUSTED || trap == FNVM_TRAP_HEAP_EXHAUSTED ||
        code == FNVM_E_MEMORY || code == FNVM_E_LIMIT)
        side->exhausted = true;
}

static void call_side(Side *side, fnvm_extern func, const fnvm_val *args, size_t nargs,
                      Outcome *out)
{
    out->nresults = fnvm_func_results(side->store, func, NULL, 0);
    out->error = fnvm_func_call(side->store, func, args, nargs, out->results, out->nresults);
    note_exhaustion(side, out->error);
}

/* False if the function takes what the host cannot make. */
static bool random_args(Random *random, Side *side, fnvm_extern func, fnvm_val *args, size_t *nargs)
{
    fnvm_valtype types[MAX_VALUES];
    *nargs = fnvm_func_params(side->store, func, types, MAX_VALUES);
    if (*nargs > MAX_VALUES || fnvm_func_results(side->store, func, NULL, 0) > MAX_VALUES)
        return false;
    for (size_t i = 0; i < *nargs; i++)
        if (!random_value(random, side, types[i], &args[i])) return false;
    return true;
}

/* ---- Imports ---- */

static void log_value(Side *side, const fnvm_val *v)
{
    Bits b = plain_value(side->store, v);
    bytes_raw(&side->log, &b, sizeof b);
}

static void log_outcome(Side *side, const Outcome *o)
{
    bytes_put(&side->log, o->error ? (unsigned)fnvm_error_code(o->error) : 0);
    bytes_put(&side->log, o->error ? (unsigned)fnvm_error_trap(o->error) : 0);
    for (size_t i = 0; !o->error && i < o->nresults; i++) log_value(side, &o->results[i]);
}

static fnvm_error *call_back(Side *side)
{
    size_t n = side->ninstances ? fnvm_module_exports(side->module) : 0;
    fnvm_export e;
    fnvm_extern func;
    fnvm_val args[MAX_VALUES];
    size_t nargs;
    if (n == 0 || random_below(&side->random, 3) || side->callbacks >= MAX_CALLBACKS) return NULL;
    fnvm_module_export(side->module, random_below(&side->random, (uint32_t)n), &e);
    if (e.kind != FNVM_EXTERN_FUNC ||
        !fnvm_instance_export(side->instances[side->ninstances - 1], e.name, e.name_len, &func) ||
        !random_args(&side->random, side, func, args, &nargs))
        return NULL;
    side->callbacks++;
    Outcome o;
    call_side(side, func, args, nargs, &o);
    log_outcome(side, &o);
    return o.error;
}

static fnvm_error *log_args(HostImport *import, fnvm_caller *caller, const fnvm_slot *slots)
{
    const Type *t = import->type;
    bytes_unsigned(&import->side->log, import->number);
    for (uint32_t i = 0; i < t->nparams; i++) {
        fnvm_val v = {.kind = fnvm_valtype_kind(t->params[i])};
        fnvm_error *error = NULL;
        if (v.kind == FNVM_REF) error = fnvm_slot_to_ref(caller, slots, t->params[i], &v.of.ref);
        else memcpy(&v.of, slots, v.kind == FNVM_V128 ? 16 : 8);
        if (error) return error;
        log_value(import->side, &v);
        slots += type_slots(t->params[i]);
    }
    return NULL;
}

static fnvm_error *host_function(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    HostImport *import = env;
    Side *side = import->side;
    const Type *t = import->type;
    fnvm_error *error = log_args(import, caller, slots);
    if (!error) error = call_back(side);
    if (!error && random_below(&side->random, 40) == 0)
        error = fnvm_error_trap_new(FNVM_TRAP_HOST, "the host function gives up");
    for (uint32_t i = 0; !error && i < t->nresults; i++) {
        fnvm_val v;
        if (!random_value(&side->random, side, t->results[i], &v))
            return fnvm_error_trap_new(FNVM_TRAP_HOST, "nothing to give back");
        slots->i64 = UINT64_MAX; /* the half of a slot that does not matter */
        if (v.kind == FNVM_I32 || v.kind == FNVM_F32) slots->i32 = (uint32_t)v.of.i32;
        else if (v.kind == FNVM_V128) memcpy(slots, v.of.v128, 16);
        else if (v.kind == FNVM_REF)
            error = fnvm_slot_from_ref(caller, v.of.ref, t->results[i], slots);
        else slots->i64 = (uint64_t)v.of.i64;
        slots += type_slots(t->results[i]);
    }
    return error;
}

/* An export of the instance before that may stand for the import. */
static bool find_export(Side *side, const Import *import, fnvm_extern *out)
{
    size_t n = side->ninstances ? fnvm_module_exports(side->module) : 0;
    for (size_t i = 0; i < n; i++) {
        fnvm_export e;
        fnvm_module_export(side->module, (i + import->index) % n, &e);
        if (e.kind != import->kind ||
            !fnvm_instance_export(side->instances[0], e.name, e.name_len, out))
            continue;
        fnvm_error *misfit = import_check(side->store, side->module, import, *out);
        fnvm_error_free(misfit);
        if (!misfit) return true;
    }
    return false;
}

static fnvm_error *make_import(Side *side, const Import *import, HostImport *host, fnvm_extern *out)
{
    const Module *m = side->module;
    if (find_export(side, import, out)) return NULL;
    switch (import->kind) {
    case FNVM_EXTERN_FUNC:
        *host = (HostImport){side, import->index, module_func_type(m, import->index)};
        *out = (fnvm_extern){.kind = FNVM_EXTERN_FUNC};
        return store_add_host_func(side->store, m->funcs[import->index], host_function, host, NULL,
                                   &out->of[0]);
    case FNVM_EXTERN_GLOBAL: {
        GlobalType g = m->globals[import->index].type;
        fnvm_val value = {.kind = fnvm_valtype_kind(g.type)};
        return fnvm_global_new(side->store, g.type, g.is_mutable, &value, out);
    }
    case FNVM_EXTERN_MEMORY: {
        const Limits *l = &m->memories[import->index].limits;
        return fnvm_memory_new(side->store, l->min, l->max, l->is64, out);
    }
    case FNVM_EXTERN_TABLE: {
        const TableType *t = &m->tables[import->index].type;
        return fnvm_table_new(side->store, t->elem, t->limits.min, t->limits.max, t->limits.is64,
                              out);
    }
    default: return fnvm_error_new(FNVM_E_LINK, "not made here");
    }
}

static fnvm_error *make_imports(Side *side, fnvm_linker *linker, HostImport *hosts)
{
    const Module *m = side->module;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < m->nimports && !error; i++) {
        const Import *import = &m->imports[i];
        fnvm_extern made = {0};
        error = make_import(side, import, &hosts[i], &made);
        if (!error)
            error = fnvm_linker_define(
                linker, (const char *)m->bytes + import->module.start, import->module.len,
                (const char *)m->bytes + import->name.start, import->name.len, made);
    }
    return error;
}

/* ---- Differences ---- */

static void print_outcome(FILE *out, const char *who, fnvm_store *store, const Outcome *o)
{
    fprintf(out, "    %-12s", who);
    if (o->error) {
        const fnvm_frame *frames;
        size_t n = fnvm_error_frames(o->error, &frames);
        fprintf(out, " %s", fnvm_error_message(o->error));
        for (size_t i = 0; i < n && i < 6; i++)
            fprintf(out, "%s %u@0x%" PRIx64, i ? "," : " in", frames[i].func_index,
                    frames[i].offset);
    }
    for (size_t i = 0; !o->error && i < o->nresults; i++) print_value(out, store, &o->results[i]);
    fprintf(out, "%s\n", !o->error && o->nresults == 0 ? " returns" : "");
}

static void report(Comparison *c, const char *what, const char *where, const Outcome *o)
{
    static const char *const names[2] = {"interpreter:", "compiler:"};
    c->verdict = DIFFERENT;
    if (!c->options->out) return;
    fprintf(c->options->out, "  difference in %s: %s\n", what, where);
    for (int k = 0; o && k < 2; k++)
        print_outcome(c->options->out, names[k], c->sides[k].store, &o[k]);
}

/* Compares the outcomes and what the host saw meanwhile, and frees errors. */
static bool same_outcomes(Comparison *c, Outcome *o, const char *where)
{
    Side *a = &c->sides[0], *b = &c->sides[1];
    const char *what = NULL;
    if (a->exhausted || b->exhausted) c->verdict = CUT;
    else if (!o[0].error != !o[1].error) what = "how it ends";
    else if (o[0].error && (fnvm_error_code(o[0].error) != fnvm_error_code(o[1].error) ||
                            fnvm_error_trap(o[0].error) != fnvm_error_trap(o[1].error)))
        what = "how it fails";
    else if (o[0].error && !c->options->without_frames &&
             !same_frames(a->module, o[0].error, o[1].error))
        what = "frames";
    for (size_t i = 0; !what && c->verdict == SAME && !o[0].error && i < o[0].nresults; i++)
        if (!same_value(c, &o[0].results[i], &o[1].results[i])) what = "results";
    if (!what && c->verdict == SAME &&
        (a->log.len != b->log.len || (a->log.len && memcmp(a->log.at, b->log.at, a->log.len) != 0)))
        what = "calls of the host";
    if (what) report(c, what, where, o);
    if (o[0].error && c->options->nfailed) c->options->nfailed[fnvm_error_trap(o[0].error)]++;
    for (int k = 0; k < 2; k++) fnvm_error_free(o[k].error);
    return c->verdict == SAME;
}

/* ---- State ---- */

static fnvm_error *table_value(Side *side, const Table *t, uint64_t bits, fnvm_val *out)
{
    HeapType top = types_top(&side->engine->types, type_heap(t->type.elem));
    out->kind = FNVM_REF;
    return store_ref_handle(side->store, top, bits, &out->of.ref);
}

static bool same_tables(Comparison *c, unsigned instance, uint32_t table)
{
    const Instance *a = c->sides[0].instances[instance], *b = c->sides[1].instances[instance];
    const TableRef *x = &a->tables[table], *y = &b->tables[table];
    if (x->state->size != y->state->size) return false;
    for (uint64_t i = 0; i < x->state->size; i++) {
        fnvm_val v = {0}, w = {0};
        if (x->elems[i] == y->elems[i]) continue;
        fnvm_error *e = table_value(&c->sides[0], &a->module->tables[table], x->elems[i], &v);
        if (!e) e = table_value(&c->sides[1], &b->module->tables[table], y->elems[i], &w);
        bool same = e || same_value(c, &v, &w);
        fnvm_error_free(e);
        if (!same) return false;
    }
    return true;
}

static bool same_memories(const Comparison *c, unsigned instance, uint32_t memory)
{
    const MemoryRef *x = &c->sides[0].instances[instance]->memories[memory];
    const MemoryRef *y = &c->sides[1].instances[instance]->memories[memory];
    return x->state->size == y->state->size && memcmp(x->base, y->base, x->state->size) == 0;
}

static bool same_globals(const Comparison *c, unsigned instance, uint32_t global)
{
    fnvm_val v[2];
    fnvm_error *error = NULL;
    for (int k = 0; k < 2 && !error; k++) {
        Instance *inst = c->sides[k].instances[instance];
        error = fnvm_global_get(c->sides[k].store,
                                instance_extern(inst, FNVM_EXTERN_GLOBAL, global), &v[k]);
    }
    bool same = error || same_value(c, &v[0], &v[1]);
    fnvm_error_free(error);
    return same;
}

static void compare_state(Comparison *c, unsigned instance)
{
    const Module *m = c->sides[0].module;
    char where[64];
    for (uint32_t i = 0; i < m->nmemories && c->verdict == SAME; i++) {
        snprintf(where, sizeof where, "memory %u of instance %u", i, instance);
        if (!same_memories(c, instance, i)) report(c, "state", where, NULL);
    }
    for (uint32_t i = m->n_imported_globals; i < m->nglobals && c->verdict == SAME; i++) {
        snprintf(where, sizeof where, "global %u of instance %u", i, instance);
        if (!same_globals(c, instance, i)) report(c, "state", where, NULL);
    }
    for (uint32_t i = 0; i < m->ntables && c->verdict == SAME; i++) {
        snprintf(where, sizeof where, "table %u of instance %u", i, instance);
        if (!same_tables(c, instance, i)) report(c, "state", where, NULL);
    }
}

/* ---- A run ---- */

/* So that every call may go on for as long: the generator's counter, and binaryen's. */
static void allow_steps(Side *side, int32_t steps)
{
    fnvm_extern e;
    fnvm_val v = {.kind = FNVM_I32, .of.i32 = steps};
    for (unsigned i = 0; i < side->ninstances; i++) {
        if (fnvm_instance_export(side->instances[i], "hang", 4, &e) && e.kind == FNVM_EXTERN_GLOBAL)
            fnvm_error_free(fnvm_global_set(side->store, e, &v));
        if (fnvm_instance_export(side->instances[i], "hangLimitInitializer", 20, &e) &&
            e.kind == FNVM_EXTERN_FUNC)
            fnvm_error_free(fnvm_func_call(side->store, e, NULL, 0, NULL, 0));
    }
}

static void describe_call(Comparison *c, const char *name, unsigned instance, const fnvm_val *args,
                          size_t nargs, char *text, size_t size)
{
    FILE *out = fmemopen(text, size, "w");
    if (!out) return;
    fprintf(out, "%s of instance %u (", name, instance);
    for (size_t i = 0; i < nargs; i++) print_value(out, c->sides[0].store, &args[i]);
    fprintf(out, ")");
    fclose(out);
}

static void call_both(Comparison *c, const fnvm_extern *funcs, fnvm_val args[2][MAX_VALUES],
                      size_t nargs, int32_t steps, const char *name, unsigned instance)
{
    Outcome o[2];
    for (int k = 0; k < 2; k++) {
        Side *side = &c->sides[k];
        allow_steps(side, steps);
        bytes_clear(&side->log);
        side->callbacks = 0;
        call_side(side, funcs[k], args[k], nargs, &o[k]);
    }
    if (c->options->ncalls) ++*c->options->ncalls;
    char where[2048] = "";
    if (c->options->out) describe_call(c, name, instance, args[0], nargs, where, sizeof where);
    bool same = same_outcomes(c, o, where);
    if (same && c->options->out && !c->options->all_edges) { /* which call made the difference? */
        compare_state(c, instance);
        if (c->verdict == DIFFERENT) fprintf(c->options->out, "  after %s\n", where);
    }
    for (int k = 0; k < 2; k++) fnvm_store_drop_refs(c->sides[k].store);
}

/* With arguments of the call's number, the same on both sides. */
static void call_randomly(Comparison *c, const fnvm_extern *funcs, const char *name,
                          unsigned instance)
{
    for (unsigned n = 0; n < c->options->calls && c->verdict == SAME; n++) {
        fnvm_val args[2][MAX_VALUES];
        size_t nargs = 0;
        int32_t steps = 0;
        for (int k = 0; k < 2; k++) {
            Random random;
            random_seed(&random, c->options->seed * 31 + funcs[0].of[0] * 7 + n);
            steps = 10 + (int32_t)random_below(&random, 150);
            if (!random_args(&random, &c->sides[k], funcs[k], args[k], &nargs)) return;
        }
        call_both(c, funcs, args, nargs, steps, name, instance);
        if (nargs == 0 && n == 1) return;
    }
}

/* With all combinations of edge values, or as many as there is time for. */
static void call_with_edges(Comparison *c, const fnvm_extern *funcs, const char *name)
{
    fnvm_valtype types[MAX_VALUES];
    size_t nargs = fnvm_func_params(c->sides[0].store, funcs[0], types, MAX_VALUES), total = 1;
    for (size_t i = 0; i < nargs; i++) total *= edge_count(fnvm_valtype_kind(types[i]));
    size_t stride = total / MAX_EDGE_CALLS + 1; /* and no divisor of any count */
    while (total > MAX_EDGE_CALLS && !(stride % 2 && stride % 3 && stride % 5 && stride % 7))
        stride++;
    for (size_t n = 0; n < total && c->verdict == SAME; n += stride) {
        fnvm_val args[2][MAX_VALUES];
        size_t rest = n;
        for (size_t i = 0; i < nargs; i++) {
            fnvm_kind kind = fnvm_valtype_kind(types[i]);
            Bits b = edge_value(kind, rest % edge_count(kind));
            rest /= edge_count(kind);
            args[0][i] = (fnvm_val){.kind = kind};
            memcpy(&args[0][i].of, &b, sizeof args[0][i].of);
            args[1][i] = args[0][i];
        }
        call_both(c, funcs, args, nargs, 0, name, 0);
    }
}

static void call_exports(Comparison *c, unsigned instance)
{
    size_t n = fnvm_module_exports(c->sides[0].module);
    for (size_t i = 0; i < n && c->verdict == SAME; i++) {
        fnvm_export e;
        fnvm_extern funcs[2];
        char name[64];
        fnvm_module_export(c->sides[0].module, i, &e);
        bool both = e.kind == FNVM_EXTERN_FUNC;
        for (int k = 0; k < 2; k++)
            both = both && fnvm_instance_export(c->sides[k].instances[instance], e.name, e.name_len,
                                                &funcs[k]);
        if (!both) continue;
        snprintf(name, sizeof name, "%.*s", (int)(e.name_len < 60 ? e.name_len : 60), e.name);
        if (c->options->all_edges) call_with_edges(c, funcs, name);
        else call_randomly(c, funcs, name, instance);
    }
}

static fnvm_error *instantiate(Side *side)
{
    fnvm_linker *linker;
    fnvm_error *error = fnvm_linker_new(side->store, &linker);
    if (error) return error;
    HostImport *hosts = side->hosts + side->ninstances * side->module->nimports;
    error = make_imports(side, linker, hosts);
    fnvm_instance *instance = NULL;
    if (!error) error = fnvm_linker_instantiate(linker, side->module, &instance);
    fnvm_linker_free(linker);
    note_exhaustion(side, error);
    if (!error) side->instances[side->ninstances++] = instance;
    return error;
}

static void run_instance(Comparison *c, unsigned instance)
{
    Outcome o[2] = {0};
    bool failed = false;
    for (int k = 0; k < 2; k++) {
        bytes_clear(&c->sides[k].log);
        o[k].error = instantiate(&c->sides[k]);
        failed = failed || o[k].error;
    }
    if (!same_outcomes(c, o, "instantiation") || failed) return;
    call_exports(c, instance);
    for (unsigned i = 0; i <= instance && c->verdict == SAME; i++) compare_state(c, i);
}

/* ---- Engines, modules, stores ---- */

void engines_free(Engines *e)
{
    for (int k = 0; k < 2; k++) fnvm_engine_free(e->of[k]);
    *e = (Engines){0};
}

static fnvm_error *make_engines(Engines *e, const CompareOptions *options)
{
    static const fnvm_engine_kind kinds[2] = {FNVM_ENGINE_INTERPRETER, FNVM_ENGINE_JIT};
    if (e->of[0] && e->modules++ < MAX_MODULES) return NULL;
    engines_free(e);
    fnvm_error *error = NULL;
    for (int k = 0; k < 2 && !error; k++) {
        fnvm_config config;
        fnvm_config_default(&config);
        config.engine = kinds[k];
        config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
        config.max_memory_bytes = MEMORY_BYTES;
        config.max_heap_bytes = HEAP_BYTES;
        config.max_stack_bytes = options->stack_bytes ? options->stack_bytes : STACK_BYTES;
        error = fnvm_engine_new(&config, &e->of[k]);
    }
    return error;
}

static void describe_refusal(void *env, const fnvm_error *error)
{
    const Comparison *c = env;
    if (c->options->out) fprintf(c->options->out, "  refused: %s\n", fnvm_error_message(error));
}

/* Loads it in both, verifies it in one: the other does that when functions are called. */
static fnvm_error *open_sides(Comparison *c, Engines *e, const uint8_t *bytes, size_t len)
{
    size_t bad = 0;
    fnvm_error *error = NULL;
    for (int k = 0; k < 2 && !error; k++) {
        Side *side = &c->sides[k];
        side->engine = e->of[k];
        random_seed(&side->random, c->options->seed);
        error = fnvm_module_new(side->engine, bytes, len, &side->module);
        if (!error && k == 0) error = fnvm_module_verify(side->module, describe_refusal, c, &bad);
        if (!error && bad) error = fnvm_error_new(FNVM_E_INVALID, "%zu bad functions", bad);
        if (!error) error = fnvm_store_new(side->engine, &side->store);
        if (error) break;
        side->hosts = calloc(2 * side->module->nimports + 1, sizeof *side->hosts);
        if (!side->hosts) error = fnvm_error_new(FNVM_E_MEMORY, "no memory for imports");
    }
    return error;
}

static void close_side(Side *side)
{
    fnvm_store_free(side->store);
    fnvm_module_release(side->module);
    free(side->hosts);
    bytes_free(&side->log);
}

Verdict compare_module(Engines *e, const uint8_t *bytes, size_t len, const CompareOptions *options)
{
    Comparison *c = calloc(1, sizeof *c);
    fnvm_error *error = c ? make_engines(e, options) : fnvm_error_new(FNVM_E_MEMORY, "no memory");
    if (!c) {
        fnvm_error_free(error);
        return INVALID;
    }
    c->options = options;
    if (!error) error = open_sides(c, e, bytes, len);
    if (error) {
        describe_refusal(c, error);
        fnvm_error_free(error);
        c->verdict = INVALID;
    } else {
        bool twice = c->sides[0].module->nimports > 0 && options->seed % 2 == 0;
        run_instance(c, 0);
        if (c->verdict == SAME && twice && c->sides[0].ninstances == 1) run_instance(c, 1);
    }
    Verdict verdict = c->verdict;
    for (int k = 0; k < 2; k++) close_side(&c->sides[k]);
    free(c);
    return verdict;
}

enum { VERDICT_STATUS = 64 }; /* exit statuses from here on are verdicts */

static void set_alarm(unsigned milliseconds)
{
    struct itimerval t = {.it_value = {.tv_sec = (time_t)(milliseconds / 1000),
                                       .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)}};
    setitimer(ITIMER_REAL, &t, NULL);
}

Verdict compare_apart(const uint8_t *bytes, size_t len, const CompareOptions *options,
                      unsigned milliseconds)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        Engines engines = {0};
        set_alarm(milliseconds);
        Verdict verdict = compare_module(&engines, bytes, len, options);
        engines_free(&engines);
        fflush(NULL);
        _exit(VERDICT_STATUS + (int)verdict);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return INVALID;
    if (WIFEXITED(status) && WEXITSTATUS(status) >= VERDICT_STATUS)
        return (Verdict)(WEXITSTATUS(status) - VERDICT_STATUS);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? HUNG : CRASHED;
}
