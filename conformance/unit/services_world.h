/* What the tests of host interfaces share: a guest that exports every function of them, so that
 * a test can call it with any numbers, and reach its memory. */
#ifndef FNVM_UNIT_SERVICES_WORLD_H
#define FNVM_UNIT_SERVICES_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fnvm.h"
#include "stdlib/services.h"

typedef struct World {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_services *services;
    fnvm_instance *instance;
    uint8_t *memory; /* one page */
} World;

enum { PAGE = 65536 };

static const struct {
    const char *module;
    const ServiceFunc *functions;
} all_services[] = {{"fnvm:log", service_log},         {"fnvm:kv", service_kv},
                    {"fnvm:call", service_call},       {"fnvm:http", service_http},
                    {"fnvm:random", service_random},   {"fnvm:time", service_time},
                    {"fnvm:request", service_request}, {"env", service_faasm}};
enum { ALL_SERVICES = sizeof all_services / sizeof *all_services };

static inline void must(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    fail();
}

/* "i32 i64 -> i32" as "(param i32 i64) (result i32)"; *n is how many parameters there are. */
static inline void print_type(FILE *out, const char *type, size_t *n)
{
    const char *arrow = strstr(type, "->");
    fprintf(out, "(param %.*s) (result %s)", (int)(arrow - type), type, arrow + 2);
    *n = 0;
    for (const char *at = type; (at = strchr(at, 'i')) && at < arrow; at++) ++*n;
}

/* Exports are named "fnvm:kv.get". */
static inline void print_guest(FILE *out)
{
    fputs("(module\n", out);
    for (size_t k = 0, i = 0, n; k < ALL_SERVICES; k++)
        for (const ServiceFunc *f = all_services[k].functions; f->name; f++, i++) {
            fprintf(out, "(import \"%s\" \"%s\" (func $f%zu ", all_services[k].module, f->name, i);
            print_type(out, f->type, &n);
            fputs("))\n", out);
        }
    for (size_t k = 0, i = 0, n; k < ALL_SERVICES; k++)
        for (const ServiceFunc *f = all_services[k].functions; f->name; f++, i++) {
            fprintf(out, "(func (export \"%s.%s\") ", all_services[k].module, f->name);
            print_type(out, f->type, &n);
            for (size_t p = 0; p < n; p++) fprintf(out, " local.get %zu", p);
            fprintf(out, " call $f%zu)\n", i);
        }
    fputs("(memory (export \"memory\") 1 8))\n", out);
}

static inline void world_start(World *w)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_guest(out);
    fclose(out);
    fnvm_module *module;
    fnvm_extern memory;
    must(fnvm_engine_new(NULL, &w->engine));
    must(fnvm_store_new(w->engine, &w->store));
    must(fnvm_linker_new(w->store, &w->linker));
    if (!w->services) must(fnvm_services_new(&w->services));
    must(fnvm_linker_define_services(w->linker, w->services));
    must(fnvm_module_new(w->engine, text, len, &module));
    must(fnvm_linker_instantiate(w->linker, module, &w->instance));
    fnvm_module_release(module);
    free(text);
    assert_true(fnvm_instance_export(w->instance, "memory", 6, &memory));
    w->memory = fnvm_memory_base(w->store, memory);
}

static inline void world_end(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_services_free(w->services);
    fnvm_engine_free(w->engine);
    *w = (World){0};
}

/* Calls an export with integers; its result, 0 if it has none.  The error is the caller's. */
static inline fnvm_error *try_call(World *w, const char *name, const int64_t *numbers,
                                   int64_t *result)
{
    fnvm_extern func;
    fnvm_valtype types[16], result_type;
    fnvm_val args[16], value = {FNVM_I32, {.i32 = 0}};
    if (!fnvm_instance_export(w->instance, name, strlen(name), &func))
        fail_msg("no export %s", name);
    const size_t n = fnvm_func_params(w->store, func, types, 16);
    const size_t results = fnvm_func_results(w->store, func, &result_type, 1);
    for (size_t i = 0; i < n; i++) {
        args[i].kind = fnvm_valtype_kind(types[i]);
        if (args[i].kind == FNVM_I32) args[i].of.i32 = (int32_t)numbers[i];
        else args[i].of.i64 = numbers[i];
    }
    fnvm_error *error = fnvm_func_call(w->store, func, args, n, &value, results);
    *result = value.kind == FNVM_I32 ? value.of.i32 : value.of.i64;
    return error;
}

#define call(w, name, ...)                           \
    ({                                               \
        const int64_t numbers_[] = {__VA_ARGS__, 0}; \
        int64_t result_;                             \
        must(try_call(w, name, numbers_, &result_)); \
        result_;                                     \
    })

/* Puts text into the guest's memory: its address and its length, for an argument list. */
static inline int64_t put(World *w, uint32_t at, const char *text)
{
    memcpy(w->memory + at, text, strlen(text));
    return at;
}
#define TEXT(w, at, text) put(w, at, text), (int64_t)strlen(text)

static inline uint32_t word(const World *w, uint32_t at)
{
    uint32_t value;
    memcpy(&value, w->memory + at, 4);
    return value;
}

#endif
