/* Damages a real module in every simple way and insists on an error or a valid run: it is cut short
 * at every byte, and then single random bits of it are flipped.  What still loads and verifies is
 * run, with a bounded number of instructions, little memory and nothing of the host but WASI.
 *
 *   mutate FILE FLIPS [SEED]
 *
 * A crash, a leak or undefined behaviour is for the sanitizers to report; a hang for the caller's
 * time limit.  Ends with "N passed, N failed, N skipped", where passed counts mutants. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

enum { FUEL = 200000, MEMORY_BYTES = 16 << 20, STACK_BYTES = 256 << 10 };

typedef struct Outcome { size_t refused, ended, trapped; } Outcome;

static void run_start(fnvm_linker *linker, fnvm_store *store, fnvm_module *module, Outcome *out)
{
    fnvm_instance *instance;
    fnvm_error *error = fnvm_linker_instantiate(linker, module, &instance);
    fnvm_extern start;
    if (!error && fnvm_instance_export(instance, "_start", 6, &start) &&
        start.kind == FNVM_EXTERN_FUNC && fnvm_func_params(store, start, NULL, 0) == 0 &&
        fnvm_func_results(store, start, NULL, 0) == 0)
        error = fnvm_func_call(store, start, NULL, 0, NULL, 0);
    if (error && fnvm_error_code(error) == FNVM_E_TRAP) out->trapped++;
    else if (error && fnvm_error_code(error) != FNVM_E_EXIT) out->refused++;
    else out->ended++;
    fnvm_error_free(error);
}

static fnvm_error *run_module(fnvm_engine *engine, fnvm_module *module, Outcome *out)
{
    fnvm_store *store;
    fnvm_error *error = fnvm_store_new(engine, &store);
    if (error) return error;
    fnvm_store_set_fuel(store, FUEL);
    fnvm_wasi *wasi = NULL;
    fnvm_linker *linker = NULL;
    error = fnvm_wasi_new(&wasi);
    if (!error) error = fnvm_linker_new(store, &linker);
    if (!error) error = fnvm_linker_define_wasi(linker, wasi);
    if (!error) {
        fnvm_linker_unknown_imports_trap(linker, true);
        run_start(linker, store, module, out);
    }
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
    return error;
}

/* One mutant; an error returned is the harness's own trouble, not the mutant's. */
static fnvm_error *try_bytes(const uint8_t *bytes, size_t len, Outcome *out)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.verify = FNVM_VERIFY_EAGER;
    config.fuel = true;
    config.max_memory_bytes = MEMORY_BYTES;
    config.max_stack_bytes = STACK_BYTES;
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) return error;
    fnvm_module *module = NULL;
    fnvm_error *refusal = fnvm_module_new(engine, bytes, len, &module);
    if (refusal) {
        out->refused++;
        fnvm_error_free(refusal);
    } else {
        error = run_module(engine, module, out);
        fnvm_module_release(module);
    }
    fnvm_engine_free(engine);
    return error;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static fnvm_error *mutate(uint8_t *bytes, size_t len, size_t flips, uint64_t seed, Outcome *out)
{
    fnvm_error *error = NULL;
    for (size_t cut = 0; cut < len && !error; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1); /* its own block: a read past the cut is seen */
        if (!copy) return fnvm_error_new(FNVM_E_MEMORY, "no memory for a copy");
        memcpy(copy, bytes, cut);
        error = try_bytes(copy, cut, out);
        free(copy);
    }
    printf("truncations: %zu refused, %zu ended, %zu trapped\n", out->refused, out->ended,
           out->trapped);
    for (size_t n = 0; n < flips && !error; n++) {
        size_t at = (size_t)(next_random(&seed) % len);
        uint8_t bit = (uint8_t)(1u << (next_random(&seed) >> 32 & 7));
        bytes[at] ^= bit;
        error = try_bytes(bytes, len, out);
        bytes[at] ^= bit;
    }
    return error;
}

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *bytes = NULL;
    if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0) {
        *len = (size_t)ftell(file);
        bytes = malloc(*len);
        rewind(file);
        if (bytes && fread(bytes, 1, *len, file) != *len) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    size_t len = 0;
    uint8_t *bytes = argc >= 3 ? read_file(argv[1], &len) : NULL;
    if (!bytes) {
        fprintf(stderr, "usage: mutate FILE FLIPS [SEED]\n");
        return 2;
    }
    Outcome out = {0};
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 88172645463325252u;
    fnvm_error *error = mutate(bytes, len, strtoul(argv[2], NULL, 0), seed ? seed : 1, &out);
    if (error) printf("stopped: %s\n", fnvm_error_message(error));
    printf("all: %zu refused, %zu ended, %zu trapped\n", out.refused, out.ended, out.trapped);
    printf("%zu passed, %d failed, 0 skipped\n", out.refused + out.ended + out.trapped,
           error ? 1 : 0);
    fnvm_error_free(error);
    free(bytes);
    return error ? 1 : 0;
}
