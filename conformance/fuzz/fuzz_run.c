/* Fuzz target for execution: whatever the verifier lets through runs to a result, a trap or a
 * limit, never a crash, leak or hang.
 *
 * Imports are made to measure, so that few modules fail to link; a second instance imports from the
 * first what it can.  A host function does what the engine must bear from any: it leaves the unused
 * halves of slots full of ones, calls back into the guest and passes on whatever comes of it,
 * exceptions included. */
#include <stdlib.h>
#include <string.h>

#include "conformance/fuzz/mutate_code.h"
#include "fnvm.h"
#include "vm/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t len, size_t max); /* libFuzzer's own */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t len, size_t max, unsigned seed);

enum {
    FUEL = 100000,      /* of one input, all its calls together */
    MAX_CALLS = 64,     /* exports called */
    MAX_VALUES = 64,    /* parameters or results of a function called */
    MAX_CALLBACKS = 20, /* of one input: fuel is not spent on the way into a host function */
    MAX_PAGES = 32
};

typedef struct Target {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_module *module;
    fnvm_instance *instance; /* the latest, NULL until the first is there */
    unsigned callbacks;
    unsigned number; /* varies arguments and results */
} Target;

/* ---- Values ---- */

/* A small value, or one at an edge; false for a reference that must not be null. */
static bool make_value(Target *t, fnvm_valtype type, fnvm_val *out)
{
    static const uint64_t numbers[] = {0, 1, 2, UINT64_MAX, 7, 65535, 65536, INT32_MAX,
                                       UINT64_C(1) << 32, UINT64_C(1) << 63};
    uint64_t bits = numbers[t->number++ % (sizeof numbers / sizeof *numbers)];
    *out = (fnvm_val){.kind = fnvm_valtype_kind(type)};
    if (out->kind != FNVM_REF) {
        memcpy(&out->of, &bits, sizeof bits);
        return true;
    }
    fnvm_valtype externref;
    if (bits == 1 && fnvm_valtype_parse("externref", &externref) && type == externref)
        fnvm_error_free(fnvm_ref_from_host(t->store, bits, &out->of.ref));
    return type_is_nullable(type) || out->of.ref;
}

/* ---- Calls ---- */

static fnvm_error *call(Target *t, fnvm_extern func)
{
    fnvm_valtype types[MAX_VALUES];
    fnvm_val args[MAX_VALUES] = {0}, results[MAX_VALUES];
    size_t nargs = fnvm_func_params(t->store, func, types, MAX_VALUES);
    size_t nresults = fnvm_func_results(t->store, func, NULL, 0);
    if (nargs > MAX_VALUES || nresults > MAX_VALUES) return NULL;
    for (size_t i = 0; i < nargs; i++)
        if (!make_value(t, types[i], &args[i])) return NULL;
    return fnvm_func_call(t->store, func, args, nargs, results, nresults);
}

static bool exported_func(const Target *t, size_t i, fnvm_extern *out)
{
    fnvm_export e;
    fnvm_module_export(t->module, i, &e);
    return e.kind == FNVM_EXTERN_FUNC &&
           fnvm_instance_export(t->instance, e.name, e.name_len, out);
}

static fnvm_error *call_back(Target *t)
{
    size_t n = t->instance ? fnvm_module_exports(t->module) : 0;
    fnvm_extern func;
    if (n == 0 || t->callbacks++ >= MAX_CALLBACKS || !exported_func(t, t->number++ % n, &func))
        return NULL;
    return call(t, func);
}

/* ---- Imports ---- */

typedef struct HostImport { Target *target; const Type *type; } HostImport;

static fnvm_error *host_function(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const HostImport *import = env;
    Target *t = import->target;
    fnvm_error *error = call_back(t);
    for (uint32_t i = 0; !error && i < import->type->nresults; i++) {
        fnvm_valtype type = import->type->results[i];
        fnvm_val v;
        if (!make_value(t, type, &v))
            return fnvm_error_trap_new(FNVM_TRAP_HOST, "nothing to give back");
        slots->i64 = UINT64_MAX;
        if (v.kind == FNVM_I32 || v.kind == FNVM_F32) slots->i32 = (uint32_t)v.of.i32;
        else if (v.kind == FNVM_V128) memcpy(slots++, v.of.v128, sizeof v.of.v128);
        else if (v.kind == FNVM_REF) error = fnvm_slot_from_ref(caller, v.of.ref, type, slots);
        else slots->i64 = (uint64_t)v.of.i64;
        slots++;
    }
    return error;
}

/* An export of the instance before that may stand for the import. */
static bool find_export(const Target *t, const Import *import, fnvm_extern *out)
{
    size_t n = t->instance ? fnvm_module_exports(t->module) : 0;
    for (size_t i = 0; i < n; i++) {
        fnvm_export e;
        fnvm_module_export(t->module, i, &e);
        if (e.kind != import->kind || !fnvm_instance_export(t->instance, e.name, e.name_len, out))
            continue;
        fnvm_error *misfit = import_check(t->store, t->module, import, *out);
        fnvm_error_free(misfit);
        if (!misfit) return true;
    }
    return false;
}

static fnvm_error *make_import(Target *t, const Import *import, HostImport *host, fnvm_extern *out)
{
    const Module *m = t->module;
    if (find_export(t, import, out)) return NULL;
    switch (import->kind) {
    case FNVM_EXTERN_FUNC:
        *host = (HostImport){t, module_func_type(m, import->index)};
        *out = (fnvm_extern){.kind = FNVM_EXTERN_FUNC};
        return store_add_host_func(t->store, m->funcs[import->index], host_function, host, NULL,
                                   &out->of[0]);
    case FNVM_EXTERN_GLOBAL: {
        GlobalType g = m->globals[import->index].type;
        fnvm_val value;
        if (!make_value(t, g.type, &value)) break;
        return fnvm_global_new(t->store, g.type, g.is_mutable, &value, out);
    }
    case FNVM_EXTERN_MEMORY: {
        const Limits *l = &m->memories[import->index].limits;
        return fnvm_memory_new(t->store, l->min, l->max, l->is64, out);
    }
    case FNVM_EXTERN_TABLE: {
        const Limits *l = &m->tables[import->index].type.limits;
        return fnvm_table_new(t->store, m->tables[import->index].type.elem, l->min, l->max,
                              l->is64, out);
    }
    default: break;
    }
    return fnvm_error_new(FNVM_E_LINK, "not made here");
}

/* What cannot be made stays undefined: the instantiation says so. */
static fnvm_error *make_imports(Target *t, fnvm_linker *linker, HostImport *hosts)
{
    const Module *m = t->module;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < m->nimports && !error; i++) {
        const Import *import = &m->imports[i];
        fnvm_extern made;
        fnvm_error *refusal = make_import(t, import, &hosts[i], &made);
        if (!refusal)
            error = fnvm_linker_define(linker, (const char *)m->bytes + import->module.start,
                                       import->module.len,
                                       (const char *)m->bytes + import->name.start,
                                       import->name.len, made);
        fnvm_error_free(refusal);
    }
    return error;
}

/* ---- A run ---- */

/* Frees the error; a core dump of the first trap is written if `dumped` is not set. */
static void inspect(Target *t, fnvm_error *error, bool *dumped)
{
    if (error && fnvm_error_code(error) == FNVM_E_TRAP && !*dumped) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        if (out) {
            fnvm_error_free(fnvm_store_coredump(t->store, error, out));
            fclose(out);
        }
        free(text);
        *dumped = true;
    }
    fnvm_error_free(error);
}

/* One instance, and every function it exports. */
static fnvm_error *run(Target *t, HostImport *hosts, bool *dumped)
{
    fnvm_linker *linker;
    fnvm_error *error = fnvm_linker_new(t->store, &linker);
    if (error) return error;
    error = make_imports(t, linker, hosts);
    fnvm_instance *instance = NULL;
    if (!error) inspect(t, fnvm_linker_instantiate(linker, t->module, &instance), dumped);
    fnvm_linker_free(linker);
    if (error || !instance) return error;
    t->instance = instance;
    size_t n = fnvm_module_exports(t->module);
    for (size_t i = 0; i < n && i < MAX_CALLS; i++) {
        fnvm_extern func;
        if (exported_func(t, i, &func)) inspect(t, call(t, func), dumped);
    }
    return NULL;
}

/* Two instances: the second imports from the first what fits. */
static fnvm_error *run_twice(Target *t)
{
    size_t nimports = t->module->nimports;
    HostImport *hosts = calloc(2 * nimports + 1, sizeof *hosts);
    if (!hosts) return NULL;
    bool dump = t->module->len % 8 == 0, dumped = !dump;
    fnvm_error *error = fnvm_store_new(t->engine, &t->store);
    if (!error) {
        fnvm_store_set_fuel(t->store, FUEL);
        fnvm_store_keep_trap_state(t->store, dump);
        error = run(t, hosts, &dumped);
        if (!error && nimports > 0) error = run(t, hosts + nimports, &dumped);
    }
    fnvm_store_free(t->store);
    free(hosts);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0 || bytes[0] != 0) return 0; /* text has a target of its own */
    fnvm_config config;
    fnvm_config_default(&config);
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    config.verify = len % 16 ? FNVM_VERIFY_EAGER : FNVM_VERIFY_LAZY;
    config.fuel = true;
    config.max_memory_bytes = MAX_PAGES * UINT64_C(65536);
    config.max_stack_bytes = 64 << 10;
    config.max_table_elements = 10000;
    config.max_heap_bytes = 1 << 20;
    Target t = {.number = (unsigned)len};
    fnvm_error *error = fnvm_engine_new(&config, &t.engine);
    if (!error) error = fnvm_module_new(t.engine, bytes, len, &t.module);
    if (!error) error = run_twice(&t);
    fnvm_error_free(error);
    fnvm_module_release(t.module);
    fnvm_engine_free(t.engine);
    return 0;
}

/* Random bytes one time in four; else instructions. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t len, size_t max, unsigned seed)
{
    size_t changed = seed % 4 ? mutate_code(bytes, len, max, seed) : 0;
    return changed ? changed : LLVMFuzzerMutate(bytes, len, max);
}
