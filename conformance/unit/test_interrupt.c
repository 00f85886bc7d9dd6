/* An engine can be interrupted at whatever it does before guests run: each step fails with
 * FNVM_E_LIMIT "interrupted while ...", and works again when the interrupt is cleared.  A guest's
 * first calls are stopped by its store's interrupt, and verify and compile anew afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fnvm.h"

enum { FUNCTIONS = 200000 };

static fnvm_engine *engine_with(fnvm_engine_kind kind, bool eager)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = kind;
    config.verify = eager ? FNVM_VERIFY_EAGER : FNVM_VERIFY_LAZY;
    config.compile = eager ? FNVM_COMPILE_EAGER : FNVM_COMPILE_LAZY;
    config.compile_threads = 2;
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) return engine;
    fnvm_error_free(error);
    skip(); /* no compiler here */
    return NULL;
}

/* FNVM_E_LIMIT somewhere in the chain, with these words. */
static void assert_interrupted(fnvm_error *error, const char *doing)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_LIMIT);
    const fnvm_error *last = error;
    while (fnvm_error_cause(last)) last = fnvm_error_cause(last);
    assert_non_null(strstr(fnvm_error_message(last), "interrupted while "));
    assert_non_null(strstr(fnvm_error_message(last), doing));
    fnvm_error_free(error);
}

static void must(fnvm_error *error)
{
    if (error) fail_msg("%s", fnvm_error_message(error));
}

static void put(uint8_t **at, const void *bytes, size_t n)
{
    memcpy(*at, bytes, n);
    *at += n;
}

static void leb(uint8_t **at, uint32_t n) /* in four bytes */
{
    for (int i = 0; i < 4; i++, n >>= 7) *(*at)++ = (uint8_t)((n & 0x7F) | (i < 3 ? 0x80 : 0));
}

/* FUNCTIONS functions of 21 instructions, the first exported as `f`. */
static uint8_t *large_module(size_t *len)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3};
    static const uint8_t body[] = {23, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                   1,  1, 1, 1, 1, 1, 1, 1, 1, 1, 0x0B};
    uint8_t *bytes = malloc(sizeof head + 100 + FUNCTIONS * (1 + sizeof body)), *at = bytes;
    assert_non_null(bytes);
    put(&at, head, sizeof head);
    leb(&at, FUNCTIONS + 4);
    leb(&at, FUNCTIONS);
    memset(at, 0, FUNCTIONS);
    at += FUNCTIONS;
    put(&at, "\7\5\1\1f\0\0\x0a", 8);
    leb(&at, FUNCTIONS * sizeof body + 4);
    leb(&at, FUNCTIONS);
    for (int i = 0; i < FUNCTIONS; i++) put(&at, body, sizeof body);
    *len = (size_t)(at - bytes);
    return bytes;
}

static void loading_is_interrupted(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_with(FNVM_ENGINE_INTERPRETER, false);
    fnvm_module *module = NULL;
    size_t len;
    uint8_t *bytes = large_module(&len);
    fnvm_engine_interrupt(engine);
    assert_interrupted(fnvm_module_new(engine, bytes, len, &module), "decoding a module");
    assert_interrupted(fnvm_module_new(engine, "(module)", 8, &module), "translating text");
    fnvm_engine_clear_interrupt(engine);
    must(fnvm_module_new(engine, bytes, len, &module));
    fnvm_module_release(module);
    must(fnvm_module_new(engine, "(module)", 8, &module));
    fnvm_module_release(module);
    free(bytes);
    fnvm_engine_free(engine);
}

static void verifying_is_interrupted(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_with(FNVM_ENGINE_INTERPRETER, false);
    fnvm_module *module = NULL;
    size_t len, bad = 1;
    uint8_t *bytes = large_module(&len);
    must(fnvm_module_new(engine, bytes, len, &module));
    fnvm_engine_interrupt(engine);
    assert_interrupted(fnvm_module_verify(module, NULL, NULL, &bad), "verifying");
    assert_int_equal(bad, 0); /* no function is called bad for it */
    fnvm_engine_clear_interrupt(engine);
    must(fnvm_module_verify(module, NULL, NULL, &bad));
    assert_int_equal(bad, 0);
    fnvm_module_release(module);
    free(bytes);
    fnvm_engine_free(engine);
}

static void compiling_is_interrupted(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_with(FNVM_ENGINE_JIT, false);
    fnvm_module *module = NULL;
    size_t len;
    uint8_t *bytes = large_module(&len);
    must(fnvm_module_new(engine, bytes, len, &module));
    fnvm_engine_interrupt(engine);
    assert_interrupted(fnvm_module_compile(module), "compiling");
    fnvm_engine_clear_interrupt(engine);
    must(fnvm_module_compile(module));
    fnvm_module_release(module);
    free(bytes);
    fnvm_engine_free(engine);
}

typedef struct Later { fnvm_engine *engine; long ns; } Later;

static void *interrupt_later(void *arg)
{
    const Later *later = arg;
    nanosleep(&(struct timespec){.tv_nsec = later->ns}, NULL);
    fnvm_engine_interrupt(later->engine);
    return NULL;
}

/* At whatever it is by then; and if it was done before, that is fine. */
static void anything_is_interrupted_from_another_thread(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_with(FNVM_ENGINE_AUTO, true);
    size_t len;
    uint8_t *bytes = large_module(&len);
    for (long ms = 1; ms < 100; ms += 7) {
        Later later = {engine, ms * 1000000};
        pthread_t thread;
        fnvm_module *module = NULL;
        assert_int_equal(pthread_create(&thread, NULL, interrupt_later, &later), 0);
        fnvm_error *error = fnvm_module_new(engine, bytes, len, &module);
        if (!error) error = fnvm_module_compile(module);
        if (error) assert_interrupted(error, "");
        pthread_join(thread, NULL);
        fnvm_module_release(module);
        fnvm_engine_clear_interrupt(engine);
    }
    fnvm_module *module;
    must(fnvm_module_new(engine, bytes, len, &module));
    must(fnvm_module_compile(module));
    fnvm_module_release(module);
    free(bytes);
    fnvm_engine_free(engine);
}

typedef struct World {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static World world_of(fnvm_engine_kind kind, const char *text)
{
    World w = {.engine = engine_with(kind, false)};
    must(fnvm_module_new(w.engine, text, strlen(text), &w.module));
    must(fnvm_store_new(w.engine, &w.store));
    must(fnvm_linker_new(w.store, &w.linker));
    return w;
}

static void world_free(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
    fnvm_engine_free(w->engine);
}

static void assert_trap_interrupted(fnvm_error *error)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_TRAP);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_INTERRUPTED);
    fnvm_error_free(error);
}

static const char sum[] = "(module (func (export \"f\") (result i32) (i32.add (call $g) (call $g)))"
                          "(func $g (result i32) (i32.const 21)))";

/* The function is not marked as bad: the next call verifies it, and compiles it. */
static void first_calls_are_interrupted(fnvm_engine_kind kind, bool by_store)
{
    World w = world_of(kind, sum);
    fnvm_extern f;
    fnvm_val result;
    must(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
    assert_true(fnvm_instance_export(w.instance, "f", 1, &f));
    if (by_store) fnvm_store_interrupt(w.store);
    else fnvm_engine_interrupt(w.engine);
    assert_trap_interrupted(fnvm_func_call(w.store, f, NULL, 0, &result, 1));
    fnvm_store_clear_interrupt(w.store);
    fnvm_engine_clear_interrupt(w.engine);
    must(fnvm_func_call(w.store, f, NULL, 0, &result, 1));
    assert_int_equal(result.of.i32, 42);
    world_free(&w);
}

static void first_calls_are_interrupted_in_both_engines(void **state)
{
    (void)state;
    first_calls_are_interrupted(FNVM_ENGINE_INTERPRETER, true);
    first_calls_are_interrupted(FNVM_ENGINE_INTERPRETER, false);
    first_calls_are_interrupted(FNVM_ENGINE_AUTO, true);
    first_calls_are_interrupted(FNVM_ENGINE_AUTO, false);
}

/* A guest that has its first half done calls what has yet to be verified. */
static fnvm_error *interrupt_engine(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)slots;
    fnvm_engine_interrupt(env);
    return NULL;
}

static void a_running_guest_is_interrupted_where_it_would_verify(void **state)
{
    (void)state;
    for (int kind = FNVM_ENGINE_AUTO; kind <= FNVM_ENGINE_INTERPRETER; kind++) {
        World w = world_of((fnvm_engine_kind)kind,
                           "(module (import \"h\" \"stop\" (func $stop))"
                           "(func (export \"f\") (call $stop) (call $g)) (func $g))");
        fnvm_extern f;
        must(fnvm_linker_define_func(w.linker, "h", "stop", "->", interrupt_engine, w.engine));
        must(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
        assert_true(fnvm_instance_export(w.instance, "f", 1, &f));
        assert_trap_interrupted(fnvm_func_call(w.store, f, NULL, 0, NULL, 0));
        fnvm_engine_clear_interrupt(w.engine);
        world_free(&w);
    }
}

/* A module of so much that it is looked at; what is small is made in any case. */
static char *text_of_many(const char *head, const char *item)
{
    enum { MANY = 5000 };
    size_t room = strlen(head) + MANY * strlen(item) + 20;
    char *text = malloc(room), *at = text;
    assert_non_null(text);
    at += snprintf(at, room, "(module %s", head);
    for (int i = 0; i < MANY; i++) at += snprintf(at, room - (size_t)(at - text), "%s", item);
    snprintf(at, room - (size_t)(at - text), ")");
    return text;
}

static void instantiating_is_interrupted(void **state)
{
    (void)state;
    static const char *const parts[][2] = {
        {"", "(global i32 (i32.const 1))"},
        {"(memory 1)", "(data (i32.const 0) \"x\")"},
        {"(table 1 funcref) (func $f)", "(elem (i32.const 0) $f)"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *text = text_of_many(parts[i][0], parts[i][1]);
        World w = world_of(FNVM_ENGINE_INTERPRETER, text);
        fnvm_store_interrupt(w.store);
        assert_trap_interrupted(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
        fnvm_store_clear_interrupt(w.store);
        must(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
        world_free(&w);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_is_interrupted),
        cmocka_unit_test(verifying_is_interrupted),
        cmocka_unit_test(compiling_is_interrupted),
        cmocka_unit_test(anything_is_interrupted_from_another_thread),
        cmocka_unit_test(first_calls_are_interrupted_in_both_engines),
        cmocka_unit_test(a_running_guest_is_interrupted_where_it_would_verify),
        cmocka_unit_test(instantiating_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
