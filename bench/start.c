/* How long a module takes to its first instruction, and what loading it costs in memory.
 *
 *   start FILE [RUNS]
 *
 * Each run makes everything anew, engine to instance, and calls `_start` with no fuel, so that the
 * guest stops before its first instruction.  Prints the medians.  Memory is what malloc has handed
 * out for the loaded module; the file itself is mapped, and the guest's region is the guest's.
 *
 * And how long it takes to load, verify and compile all of it on one thread, where there is a
 * compiler. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fnvm.h"

enum { MAX_RUNS = 1000 };

typedef struct Times { double load, instantiate, call; size_t module_bytes; } Times;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t allocated(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static fnvm_error *link_and_call(fnvm_engine *engine, fnvm_module *module, Times *t)
{
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *instance;
    double start = now_ms();
    fnvm_error *error = fnvm_store_new(engine, &store);
    if (!error) fnvm_store_set_fuel(store, 0);
    if (!error) error = fnvm_linker_new(store, &linker);
    if (!error) error = fnvm_wasi_new(&wasi);
    if (!error) error = fnvm_linker_define_wasi(linker, wasi);
    if (!error) error = fnvm_linker_instantiate(linker, module, &instance);
    if (error) return error;
    double made = now_ms();
    fnvm_extern entry;
    if (!fnvm_instance_export(instance, "_start", strlen("_start"), &entry))
        return fnvm_error_new(FNVM_E_NOT_FOUND, "the module does not export `_start`");
    fnvm_error_free(fnvm_func_call(store, entry, NULL, 0, NULL, 0)); /* out of fuel at once */
    t->call = now_ms() - made;
    t->instantiate = made - start;
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
    return NULL;
}

static fnvm_error *run_once(const char *path, Times *t)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.fuel = true;
    fnvm_engine *engine;
    fnvm_module *module;
    size_t before = allocated();
    double start = now_ms();
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) error = fnvm_module_load(engine, path, &module);
    if (error) return error;
    t->load = now_ms() - start;
    t->module_bytes = allocated() - before;
    error = link_and_call(engine, module, t);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return error;
}

static fnvm_error *compile_once(const char *path, double *ms)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_JIT;
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) return error;
    double start = now_ms();
    error = fnvm_module_load(engine, path, &module);
    if (!error) error = fnvm_module_compile(module);
    if (error) return error;
    *ms = now_ms() - start;
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    size_t runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 21;
    if (argc < 2 || runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: start FILE [RUNS, at most %d]\n", MAX_RUNS);
        return 2;
    }
    static double load[MAX_RUNS], instantiate[MAX_RUNS], call[MAX_RUNS], all[MAX_RUNS];
    Times t = {0};
    for (size_t i = 0; i < runs; i++) {
        fnvm_error *error = run_once(argv[1], &t);
        if (error) {
            fprintf(stderr, "Error: %s\n", fnvm_error_message(error));
            return 1;
        }
        load[i] = t.load;
        instantiate[i] = t.instantiate;
        call[i] = t.call;
        all[i] = t.load + t.instantiate + t.call;
    }
    printf("%s, %zu runs in one process, medians:\n", argv[1], runs);
    printf("  load         %8.3f ms\n  instantiate  %8.3f ms\n  first call   %8.3f ms\n",
           median(load, runs), median(instantiate, runs), median(call, runs));
    printf("  together     %8.3f ms\n", median(all, runs));
    printf("  loaded module and engine: %zu bytes allocated\n", t.module_bytes);
    for (size_t i = 0; i < runs; i++) {
        fnvm_error *error = compile_once(argv[1], &all[i]);
        if (!error) continue;
        printf("  compile all  not measured: %s\n", fnvm_error_message(error));
        fnvm_error_free(error);
        return 0;
    }
    printf("  compile all  %8.3f ms, loading and verifying included\n", median(all, runs));
    return 0;
}
