/* What the suite expects of it: the values are part of the tests. */
#include "conformance/spectest.h"

#include <inttypes.h>
#include <string.h>

#include "vm/instance.h"

/* A print function.  env is its signature, or NULL to be silent. */
static fnvm_error *print(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const char *at = env;
    for (size_t i = 0; at && at[0] && at[0] != '-'; i++, at += strcspn(at, " "), at += *at == ' ') {
        if (strncmp(at, "i32", 3) == 0) printf("%" PRId32 " : i32\n", (int32_t)slots[i].i32);
        else if (strncmp(at, "i64", 3) == 0) printf("%" PRId64 " : i64\n", (int64_t)slots[i].i64);
        else if (strncmp(at, "f32", 3) == 0) printf("%.9g : f32\n", (double)slots[i].f32);
        else printf("%.17g : f64\n", slots[i].f64);
    }
    return NULL;
}

fnvm_error *spectest_define_functions(fnvm_linker *linker, bool verbose)
{
    static const struct { const char *name, *type; } functions[] = {
        {"print", "->"}, {"print_i32", "i32 ->"}, {"print_i64", "i64 ->"}, {"print_f32", "f32 ->"},
        {"print_f64", "f64 ->"}, {"print_i32_f32", "i32 f32 ->"}, {"print_f64_f64", "f64 f64 ->"}};
    fnvm_error *error = NULL;
    for (size_t i = 0; !error && i < sizeof functions / sizeof *functions; i++)
        error = fnvm_linker_define_func(linker, "spectest", functions[i].name, functions[i].type,
                                        print, verbose ? (char *)functions[i].type : NULL);
    return error;
}

static fnvm_error *define(fnvm_linker *linker, fnvm_error *error, const char *name,
                          const fnvm_extern *item)
{
    return error ? error
                 : fnvm_linker_define(linker, "spectest", strlen("spectest"), name, strlen(name),
                                      *item);
}

static fnvm_error *define_globals(fnvm_store *store, fnvm_linker *linker)
{
    const struct { const char *name, *type; fnvm_val value; } globals[] = {
        {"global_i32", "i32", {FNVM_I32, {.i32 = 666}}},
        {"global_i64", "i64", {FNVM_I64, {.i64 = 666}}},
        {"global_f32", "f32", {FNVM_F32, {.f32 = 666.6f}}},
        {"global_f64", "f64", {FNVM_F64, {.f64 = 666.6}}}};
    fnvm_error *error = NULL;
    for (size_t i = 0; !error && i < sizeof globals / sizeof *globals; i++) {
        fnvm_extern item;
        fnvm_valtype type;
        if (!fnvm_valtype_parse(globals[i].type, &type))
            return fnvm_error_new(FNVM_E_USAGE, "no type is spelled %s", globals[i].type);
        error = fnvm_global_new(store, type, false, &globals[i].value, &item);
        error = define(linker, error, globals[i].name, &item);
    }
    return error;
}

static fnvm_error *define_storage(fnvm_store *store, fnvm_linker *linker)
{
    fnvm_extern item;
    fnvm_valtype funcref;
    if (!fnvm_valtype_parse("funcref", &funcref))
        return fnvm_error_new(FNVM_E_USAGE, "no type is spelled funcref");
    fnvm_error *error = fnvm_table_new(store, funcref, 10, 20, false, &item);
    error = define(linker, error, "table", &item);
    if (!error) error = fnvm_table_new(store, funcref, 10, 20, true, &item);
    error = define(linker, error, "table64", &item);
    if (!error) error = fnvm_memory_new(store, 1, 2, false, &item);
    return define(linker, error, "memory", &item);
}

fnvm_error *spectest_define(fnvm_store *store, fnvm_linker *linker, bool verbose)
{
    fnvm_error *error = spectest_define_functions(linker, verbose);
    if (!error) error = define_globals(store, linker);
    return error ? error : define_storage(store, linker);
}

fnvm_error *spectest_define_restored(fnvm_store *store, fnvm_linker *linker)
{
    static const struct { const char *name; fnvm_externkind kind; } made[] = { /* in this order */
        {"global_i32", FNVM_EXTERN_GLOBAL}, {"global_i64", FNVM_EXTERN_GLOBAL},
        {"global_f32", FNVM_EXTERN_GLOBAL}, {"global_f64", FNVM_EXTERN_GLOBAL},
        {"table", FNVM_EXTERN_TABLE}, {"table64", FNVM_EXTERN_TABLE},
        {"memory", FNVM_EXTERN_MEMORY}};
    const size_t n = sizeof made / sizeof *made;
    if (fnvm_store_instances(store) < n)
        return fnvm_error_new(FNVM_E_USAGE, "the store is not of an image that has spectest");
    fnvm_error *error = NULL;
    for (size_t i = 0; i < n && !error; i++) {
        fnvm_extern item = instance_extern(fnvm_store_instance(store, i), made[i].kind, 0);
        error = define(linker, NULL, made[i].name, &item);
    }
    return error;
}
