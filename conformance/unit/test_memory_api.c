/* Memories and tables in the embedder's hands: views that outlive growing, and elements whose types
 * hold. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(views_outlive_growing, setup, teardown),
        cmocka_unit_test_setup_teardown(elements_are_of_their_type, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
