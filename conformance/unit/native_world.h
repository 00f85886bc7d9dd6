/* A library of C functions that is built here, and a guest that is given some of them. */
#ifndef FNVM_UNIT_NATIVE_WORLD_H
#define FNVM_UNIT_NATIVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fnvm.h"

/* ---- What guests call: a library that is built from this ---- */

static const char library_source[] =
    "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include "
    "<string.h>\n"
    "#include <stdlib.h>\n"
    "int8_t neg8(int8_t a) { return (int8_t)-a; }\n"
    "uint8_t not8(uint8_t a) { return (uint8_t)~a; }\n"
    "int16_t neg16(int16_t a) { return (int16_t)-a; }\n"
    "uint16_t not16(uint16_t a) { return (uint16_t)~a; }\n"
    "uint32_t not32(uint32_t a) { return ~a; }\n"
    "uint64_t not64(uint64_t a) { return ~a; }\n"
    "float half(float a) { return a / 2; }\n"
    "bool both(bool a, bool b) { return a && b; }\n"
    "int bool_value(bool a) { return *(unsigned char *)&a; }\n"
    "double mixed(int a, double b, int64_t c, float d, uint8_t e, double f, int16_t g, float h)\n"
    "{ return a + 10 * b + 100 * (double)c + 1000 * d + 1e4 * e + 1e5 * f + 1e6 * g + 1e7 * h; }\n"
    "int64_t many(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, "
    "int8_t h, double x)\n"
    "{ return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + (int64_t)x; }\n"
    "double floats(float a, double b, float c, double d, float e, double f, float g, double h, "
    "float i)\n"
    "{ return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i; }\n"
    "int calls;\n"
    "int called(void) { return calls; }\n"
    "int length(const char *s) { calls++; return (int)strlen(s); }\n"
    "int sum(const uint8_t *p, size_t n) { int s = 0; calls++; while (n--) s += *p++; return s; }\n"
    "void fill(char *p, size_t n) { calls++; memset(p, 'x', n); }\n"
    "void answer(int64_t *p) { calls++; *p = 42; }\n"
    "void answer8(int8_t *p) { calls++; *p = -1; }\n"
    "void twice(int16_t *p, double *q) { *p = (int16_t)(2 * *p); *q *= 2; }\n"
    "void flip(bool *p) { *p = !*p; }\n"
    "int is_null(void *p, void *q) { return !p + 2 * !q; }\n"
    "const char *greeting(int which) { return which ? \"hello\" : NULL; }\n"
    "typedef struct Box { int value; } Box;\n"
    "static int open_boxes; static Box last;\n"
    "Box *box(int value) { Box *b = malloc(sizeof *b); b->value = value; open_boxes++; return b; "
    "}\n"
    "int box_make(int value, Box **out) { *out = value ? box(value) : NULL; return 0; }\n"
    "Box *box_same(Box *b) { return b; }\n"
    "Box *box_last(void) { return &last; }\n"
    "int unbox(Box *b) { return b ? b->value : -1; }\n"
    "void box_close(Box *b) { if (b) { free(b); open_boxes--; } }\n"
    "void boxes_swap(Box *a, Box *b) { box_close(a); box_close(b); }\n"
    "int boxes(void) { return open_boxes; }\n"
    "static int (*callback)(int, int); static int callbacks;\n"
    "void set_callback(int64_t p) { callback = (int (*)(int, int))(intptr_t)p; callbacks = 0; }\n"
    "int call_back(int a, int b) { int r = callback(a, b); callbacks++; return r + callback(a, b) "
    "+ 1000; }\n"
    "int callbacks_made(void) { return callbacks; }\n"
    "static int compare(const void *a, const void *b) { return callback(*(const int *)a, *(const "
    "int *)b); }\n"
    "int box_visit(Box *b, int n) { int r = callback(n, 0); return r + b->value; }\n"
    "Box *box_later(int n) { callback(n, 0); return box(n); }\n"
    "void sort(int *p, size_t bytes) { qsort(p, bytes / sizeof *p, sizeof *p, compare); }\n";

static char folder[] = "/tmp/fnvm-native-XXXXXX";
static char library[sizeof folder + sizeof "/libtest.so"];

static inline int make_library(void **state)
{
    char path[sizeof library], command[300];
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/test.c", folder);
    snprintf(library, sizeof library, "%s/libtest.so", folder);
    FILE *source = fopen(path, "w");
    if (!source || fputs(library_source, source) < 0 || fclose(source) != 0) return -1;
    snprintf(command, sizeof command, "${CC:-cc} -O1 -shared -fPIC -o %s %s", library, path);
    return system(command);
}

static inline int remove_library(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* ---- A world: a guest that calls what is defined ---- */

typedef struct World {
    fnvm_engine *engine;
    fnvm_native *native;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_module *module;
    fnvm_instance *instance;
} World;

static inline void good(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_message("%s\n", fnvm_error_message(e));
    fail();
}

/* In its message, or that of its first cause. */
static inline bool says(const fnvm_error *e, const char *message)
{
    const fnvm_error *cause = fnvm_error_cause(e);
    return strstr(fnvm_error_message(e), message) ||
           (cause && strstr(fnvm_error_message(cause), message));
}

static inline void bad(fnvm_error *error, fnvm_code code, const char *message)
{
    if (!error) fail_msg("no error; expected %s", message);
    if (fnvm_error_code(error) != code || !says(error, message))
        fail_msg("code %d, %s\nexpected %d, ...%s...", (int)fnvm_error_code(error),
                 fnvm_error_message(error), (int)code, message);
    fnvm_error_free(error);
}

static inline void world_new(World *w, fnvm_engine_kind kind)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = kind;
    *w = (World){0};
    good(fnvm_engine_new(&config, &w->engine));
    good(fnvm_native_open(w->engine, library, &w->native));
    good(fnvm_store_new(w->engine, &w->store));
    good(fnvm_linker_new(w->store, &w->linker));
}

static inline void define(World *w, const char *name, const char *signature)
{
    good(fnvm_linker_define_native(w->linker, "env", name, w->native, NULL, signature));
}

static inline void load(World *w, const char *text)
{
    good(fnvm_module_new(w->engine, text, strlen(text), &w->module));
    good(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
}

static inline void world_free(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    if (w->module) fnvm_module_release(w->module);
    fnvm_native_close(w->native);
    fnvm_engine_free(w->engine);
}

static inline fnvm_extern export(const World *w, const char *name)
{
    fnvm_extern e;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &e));
    return e;
}

/* Numbers by the function's type; integers are given as int64_t, the others as double. */
static inline fnvm_error *vcall(World *w, fnvm_val *result, const char *name, va_list args)
{
    fnvm_valtype types[16];
    fnvm_val values[16] = {{.kind = FNVM_I32}};
    const fnvm_extern func = export(w, name);
    const size_t n = fnvm_func_params(w->store, func, types, 16);
    for (size_t i = 0; i < n; i++) {
        values[i].kind = fnvm_valtype_kind(types[i]);
        switch (values[i].kind) {
        case FNVM_I32: values[i].of.i32 = (int32_t)va_arg(args, int64_t); break;
        case FNVM_I64: values[i].of.i64 = va_arg(args, int64_t); break;
        case FNVM_F32: values[i].of.f32 = (float)va_arg(args, double); break;
        default: values[i].of.f64 = va_arg(args, double); break;
        }
    }
    const size_t results = fnvm_func_results(w->store, func, NULL, 0);
    return fnvm_func_call(w->store, func, values, n, result, results);
}

static inline fnvm_error *try_call(World *w, const char *name, ...)
{
    fnvm_val result;
    va_list args;
    va_start(args, name);
    fnvm_error *error = vcall(w, &result, name, args);
    va_end(args);
    return error;
}

static inline fnvm_val call(World *w, const char *name, ...)
{
    fnvm_val result = {.kind = FNVM_I32};
    va_list args;
    va_start(args, name);
    good(vcall(w, &result, name, args));
    va_end(args);
    return result;
}

#define I(value) ((int64_t)(value))
#define CALL_I32(...) (call(__VA_ARGS__).of.i32)
#define TRAPS(what, ...) bad(try_call(__VA_ARGS__), FNVM_E_TRAP, what)

#endif
