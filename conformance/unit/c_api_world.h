/* For tests of the standard interface: a store, modules from text, and short ways to call. */
#ifndef C_API_WORLD_H
#define C_API_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h" /* fnvm_wat_to_wasm, for the standard interface has no text */
#include "wasm.h"

static wasm_engine_t *engine;
static wasm_store_t *store;

static int world_open(void **state)
{
    (void)state;
    engine = wasm_engine_new();
    store = wasm_store_new(engine);
    return engine && store ? 0 : -1;
}

static int world_close(void **state)
{
    (void)state;
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

static inline wasm_byte_vec_t bytes_of(const char *text)
{
    uint8_t *bytes;
    size_t len;
    wasm_byte_vec_t v;
    assert_null(fnvm_wat_to_wasm(text, strlen(text), &bytes, &len));
    wasm_byte_vec_new(&v, len, (const char *)bytes);
    free(bytes);
    return v;
}

static inline wasm_module_t *module_of(const char *text)
{
    wasm_byte_vec_t bytes = bytes_of(text);
    wasm_module_t *m = wasm_module_new(store, &bytes);
    wasm_byte_vec_delete(&bytes);
    return m;
}

/* NULL where there is none; *trap as wasm_instance_new leaves it. */
static inline wasm_instance_t *instance_with(const char *text, wasm_extern_t *imports[], size_t n,
                                             wasm_trap_t **trap)
{
    const wasm_extern_vec_t v = {n, imports};
    wasm_module_t *m = module_of(text);
    assert_non_null(m);
    wasm_instance_t *i = wasm_instance_new(store, m, &v, trap);
    wasm_module_delete(m);
    return i;
}

static inline wasm_instance_t *instance_of(const char *text)
{
    wasm_instance_t *i = instance_with(text, NULL, 0, NULL);
    assert_non_null(i);
    return i;
}

/* Export `n` of the instance, owned. */
static inline wasm_extern_t *export_of(const wasm_instance_t *i, size_t n)
{
    wasm_extern_vec_t exports;
    wasm_instance_exports(i, &exports);
    assert_true(n < exports.size);
    wasm_extern_t *e = wasm_extern_copy(exports.data[n]);
    wasm_extern_vec_delete(&exports);
    return e;
}

static inline wasm_func_t *func_of(const wasm_instance_t *i, size_t n)
{
    wasm_func_t *f = wasm_extern_as_func(export_of(i, n));
    assert_non_null(f);
    return f;
}

static inline wasm_trap_t *call_1_1(const wasm_func_t *f, wasm_val_t arg, wasm_val_t *result)
{
    const wasm_val_vec_t args = {1, &arg};
    wasm_val_vec_t results = {1, result};
    return wasm_func_call(f, &args, &results);
}

static inline int32_t i32_of(const wasm_func_t *f) /* of a function without parameters */
{
    wasm_val_t result = WASM_INIT_VAL;
    wasm_val_vec_t results = {1, &result};
    assert_null(wasm_func_call(f, NULL, &results));
    assert_int_equal(result.kind, WASM_I32);
    return result.of.i32;
}

/* Whether the trap's message has this in it; deletes it. */
static inline void assert_trap(wasm_trap_t *trap, const char *with)
{
    assert_non_null(trap);
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    assert_true(message.size > 0 && message.data[message.size - 1] == '\0');
    if (!strstr(message.data, with)) fail_msg("`%s` is not in: %s", with, message.data);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
}

/* What finalizers were called with: how often, and the last. */
static int finalized;
static void *finalized_last;
static inline void note_finalized(void *info)
{
    finalized++;
    finalized_last = info;
}

#endif
