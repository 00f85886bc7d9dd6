/* What the embedder has in hand: memories whose views outlive growing, tables whose elements' types
 * hold, things of stores that are told apart, and what a store knows of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

static const char source[] =
    "(module (memory (export \"memory\") 1 5) (table (export \"funcs\") 2 4 funcref)\n"
    "  (table (export \"externs\") 1 externref) (func $seven (result i32) (i32.const 7))\n"
    "  (type $t (func (result i32)))\n"
    "  (func (export \"add\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))\n"
    "  (elem (i32.const 1) $seven) (global (export \"g\") i32 (i32.const 0))\n"
    "  (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))\n"
    "  (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))\n"
    "  (func (export \"call\") (param i32) (result i32) (call_indirect (type $t) (local.get 0))))\n";

typedef struct World {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    assert_null(fnvm_engine_new(NULL, &w->engine));
    assert_null(fnvm_module_new(w->engine, source, sizeof source - 1, &w->module));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    assert_null(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
    fnvm_engine_free(w->engine);
    free(w);
    return 0;
}

static fnvm_extern find(World *w, const char *name)
{
    fnvm_extern e;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &e));
    return e;
}

static int32_t call(World *w, const char *name, int32_t arg)
{
    fnvm_slot slot = {.i32 = (uint32_t)arg};
    assert_null(fnvm_func_call_slots(w->store, find(w, name), &slot));
    return (int32_t)slot.i32;
}

static void refused(fnvm_error *error, fnvm_code code, const char *text)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    assert_non_null(strstr(fnvm_error_message(error), text));
    fnvm_error_free(error);
}

enum { PAGE = 65536 };

static void views_outlive_growing(void **state)
{
    World *w = *state;
    const fnvm_extern memory = find(w, "memory");
    uint8_t *view = fnvm_memory_base(w->store, memory);
    uint64_t old = 0;
    assert_non_null(view);
    assert_int_equal(fnvm_memory_page_size(w->store, memory), PAGE);
    view[PAGE - 4] = 42;
    assert_int_equal(call(w, "grow", 1), 1);
    assert_ptr_equal(fnvm_memory_base(w->store, memory), view);
    view[2 * PAGE - 4] = 43; /* through the view from before */
    assert_true(fnvm_memory_grow(w->store, memory, 2, &old));
    assert_int_equal(old, 2);
    assert_int_equal(fnvm_memory_size(w->store, memory), 4 * PAGE);
    assert_ptr_equal(fnvm_memory_base(w->store, memory), view);
    view[4 * PAGE - 4] = 44;
    assert_int_equal(call(w, "load", PAGE - 4), 42);
    assert_int_equal(call(w, "load", 2 * PAGE - 4), 43);
    assert_int_equal(call(w, "load", 4 * PAGE - 4), 44);
    assert_false(fnvm_memory_grow(w->store, memory, 2, &old)); /* beyond its maximum */
    assert_true(fnvm_memory_grow(w->store, memory, 1, NULL));
    assert_int_equal(fnvm_memory_size(w->store, memory), 5 * PAGE);
    assert_false(fnvm_memory_grow(w->store, find(w, "g"), 1, NULL));
    assert_int_equal(fnvm_memory_page_size(w->store, find(w, "g")), 0);
}

static void elements_are_of_their_type(void **state)
{
    World *w = *state;
    const fnvm_extern funcs = find(w, "funcs"), externs = find(w, "externs");
    fnvm_ref seven, host, found;
    uint64_t old = 9, value;
    assert_int_equal(fnvm_table_size(w->store, funcs), 2);
    assert_null(fnvm_table_get(w->store, funcs, 0, &found));
    assert_int_equal(found, 0);
    assert_null(fnvm_table_get(w->store, funcs, 1, &seven));
    assert_int_equal(fnvm_ref_kind(w->store, seven), FNVM_REF_FUNC);
    assert_null(fnvm_table_set(w->store, funcs, 0, seven));
    assert_int_equal(call(w, "call", 0), 7);
    assert_null(fnvm_ref_from_host(w->store, 123, &host));
    refused(fnvm_table_set(w->store, funcs, 0, host), FNVM_E_USAGE, "expected a value of type funcref");
    refused(fnvm_table_set(w->store, externs, 0, seven), FNVM_E_USAGE, "expected a value of type");
    assert_null(fnvm_table_set(w->store, externs, 0, host));
    assert_null(fnvm_table_get(w->store, externs, 0, &found));
    assert_true(fnvm_ref_host_value(w->store, found, &value));
    assert_int_equal(value, 123);
    refused(fnvm_table_get(w->store, funcs, 2, &found), FNVM_E_USAGE, "2 elements, and none at 2");
    refused(fnvm_table_grow(w->store, funcs, 1, host, NULL), FNVM_E_USAGE, "expected");
    assert_null(fnvm_table_grow(w->store, funcs, 2, seven, &old));
    assert_int_equal(old, 2);
    assert_int_equal(call(w, "call", 3), 7);
    refused(fnvm_table_grow(w->store, funcs, 1, 0, NULL), FNVM_E_LIMIT, "cannot have 1 more");
    assert_null(fnvm_table_set(w->store, funcs, 3, 0));
    refused(fnvm_table_get(w->store, find(w, "memory"), 0, &found), FNVM_E_USAGE, "not a table");
    assert_int_equal(fnvm_table_size(w->store, find(w, "memory")), 0);
}

/* What another store's is, is told from what is this one's, though it has the same numbers. */
static void things_are_their_store_s(void **state)
{
    World *w = *state;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *other;
    fnvm_extern func;
    fnvm_slot slot = {.i32 = 1};
    fnvm_ref ref;
    fnvm_val v = {.kind = FNVM_I32};
    char text[32];
    assert_null(fnvm_store_new(w->engine, &store));
    assert_null(fnvm_linker_new(store, &linker));
    assert_null(fnvm_linker_instantiate(linker, w->module, &other));
    assert_true(fnvm_instance_export(other, "add", 3, &func));
    refused(fnvm_func_call(w->store, func, &v, 1, &v, 1), FNVM_E_USAGE, "not a function of this");
    refused(fnvm_func_call_slots(w->store, func, &slot), FNVM_E_USAGE, "not a function of this");
    refused(fnvm_ref_from_func(w->store, func, &ref), FNVM_E_USAGE, "not a function of this");
    refused(fnvm_linker_define(w->linker, "m", 1, "f", 1, func), FNVM_E_USAGE,
            "m.f is of another store");
    assert_null(fnvm_linker_define(w->linker, "m", 1, "g", 1, find(w, "g")));
    assert_int_equal(fnvm_extern_type(w->store, func, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(fnvm_func_params(w->store, func, NULL, 0), 0);
    assert_null(fnvm_func_call_slots(store, func, &slot));
    assert_int_equal(slot.i32, 2);
    fnvm_linker_free(linker), fnvm_store_free(store);
    refused(fnvm_func_call(w->store, find(w, "add"), NULL, 1, &v, 1), FNVM_E_USAGE, "NULL");
    refused(fnvm_func_call(w->store, find(w, "add"), &v, 1, NULL, 1), FNVM_E_USAGE, "NULL");
    refused(fnvm_linker_define_func(w->linker, "m", "f", "->", NULL, NULL), FNVM_E_USAGE, "NULL");
}

static fnvm_error *host_data(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env;
    slots[0].i32 = *(const uint32_t *)fnvm_store_data(fnvm_caller_store(caller));
    return NULL;
}

static void is_spelled(World *w, fnvm_extern e, const char *type)
{
    char text[64], cut[6];
    assert_int_equal(fnvm_extern_type(w->store, e, text, sizeof text), strlen(type));
    assert_string_equal(text, type);
    assert_int_equal(fnvm_extern_type(w->store, e, cut, sizeof cut), strlen(type));
    assert_memory_equal(cut, type, 5);
    assert_int_equal(cut[5], 0);
    assert_int_equal(fnvm_extern_type(w->store, e, NULL, 0), strlen(type));
}

static void stores_know_data_and_types(void **state)
{
    World *w = *state;
    uint32_t mine = 77;
    fnvm_slot slot;
    fnvm_extern func;
    assert_ptr_equal(fnvm_linker_store(w->linker), w->store);
    assert_null(fnvm_store_data(w->store));
    fnvm_store_set_data(w->store, &mine);
    assert_null(fnvm_func_new(w->store, "-> i32", host_data, NULL, &func));
    assert_null(fnvm_func_call_slots(w->store, func, &slot));
    assert_int_equal(slot.i32, 77);
    is_spelled(w, func, "(func (result i32))");
    assert_null(fnvm_func_new(w->store, "->", host_data, NULL, &func));
    is_spelled(w, func, "(func)");
    is_spelled(w, find(w, "add"), "(func (param i32) (result i32))");
    is_spelled(w, find(w, "memory"), "(memory 1 5)");
    is_spelled(w, find(w, "funcs"), "(table 2 4 funcref)");
    is_spelled(w, find(w, "g"), "(global i32)");
    assert_string_equal(fnvm_version(), FNVM_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(views_outlive_growing, setup, teardown),
        cmocka_unit_test_setup_teardown(elements_are_of_their_type, setup, teardown),
        cmocka_unit_test_setup_teardown(things_are_their_store_s, setup, teardown),
        cmocka_unit_test_setup_teardown(stores_know_data_and_types, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
