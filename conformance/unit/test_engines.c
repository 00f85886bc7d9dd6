/* Calls, tail calls, exceptions and traps across both engines: the same module with all functions
 * interpreted, all compiled, and every other one, must do the same and say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fnvm.h"

static const char source[] =
    "(module (tag $e (param i32 f64)) (memory 1) (table 4 funcref)\n"
    "  (type $f (func (param i64 f64 i32) (result f64 i32)))\n"
    "  (elem (i32.const 0) $t0 $t1 $t2)\n"
    /* Tail calls in a ring of three, so that each is called from each kind. */
    "  (func $t0 (type $f)\n"
    "    (if (i64.eqz (local.get 0)) (then (return (local.get 1) (local.get 2))))\n"
    "    (return_call $t1 (i64.sub (local.get 0) (i64.const 1))\n"
    "      (f64.add (local.get 1) (f64.const 0.5)) (i32.add (local.get 2) (i32.const 3))))\n"
    "  (func $t1 (type $f)\n"
    "    (if (i64.eqz (local.get 0)) (then (return (local.get 1) (local.get 2))))\n"
    "    (return_call_indirect (type $f) (i64.sub (local.get 0) (i64.const 1))\n"
    "      (f64.add (local.get 1) (f64.const 0.5)) (local.get 2) (i32.const 2)))\n"
    "  (func $t2 (type $f)\n"
    "    (if (i64.eqz (local.get 0)) (then (return (local.get 1) (local.get 2))))\n"
    "    (return_call_ref $f (i64.sub (local.get 0) (i64.const 1))\n"
    "      (f64.add (local.get 1) (f64.const 0.5)) (local.get 2) (ref.func $t0)))\n"
    "  (func (export \"tails\") (param i32) (result i32)\n"
    "    (call $t0 (i64.extend_i32_u (local.get 0)) (f64.const 0) (i32.const 0))\n"
    "    (local.set 0) (i32.trunc_f64_s) (i32.add (local.get 0)))\n"
    /* An exception through frames of both kinds, caught in either. */
    "  (func $throw (param i32) (result i32) (throw $e (local.get 0) (f64.const 2)))\n"
    "  (func $d0 (param i32) (result i32) (if (result i32) (i32.lt_s (local.get 0) (i32.const 9))\n"
    "    (then (return_call $throw (local.get 0)))\n"
    "    (else (i32.add (i32.const 1) (call $d1 (i32.sub (local.get 0) (i32.const 1)))))))\n"
    "  (func $d1 (param i32) (result i32)\n"
    "    (i32.add (i32.const 1) (call $d0 (i32.sub (local.get 0) (i32.const 1)))))\n"
    "  (func $catch (param i32) (result i32) (local $keep i32)\n"
    "    (local.set $keep (i32.mul (local.get 0) (i32.const 100)))\n"
    "    (block $h (result i32 f64)\n"
    "      (try_table (catch $e $h) (drop (call $d0 (local.get 0)))) (return (i32.const -1)))\n"
    "    (i32.trunc_f64_s) (i32.add) (i32.add (local.get $keep)))\n"
    "  (func (export \"catches\") (param i32) (result i32) (i32.add (call $catch (local.get 0))\n"
    "    (call $catch (i32.add (local.get 0) (i32.const 1)))))\n"
    "  (func (export \"uncaught\") (param i32) (result i32) (call $d0 (local.get 0)))\n"
    /* More arguments than registers, and several results. */
    "  (func $many (param i32 i32 i32 i32 i32 i32 i32 i64 f32 f32 f32 f32 f32 f32 f32 f64)\n"
    "    (result f32 i32 i64 f64)\n"
    "    (local.get 14) (i32.sub (local.get 6) (local.get 0)) (local.get 7) (local.get 15))\n"
    "  (func (export \"many\") (param i32) (result i32) (local i64 f64)\n"
    "    (call $many (local.get 0) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)\n"
    "      (i32.const 6) (i32.const 70) (i64.const 8) (f32.const 1) (f32.const 2) (f32.const 3)\n"
    "      (f32.const 4) (f32.const 5) (f32.const 6) (f32.const 7) (f64.const 8))\n"
    "    (local.set 2) (local.set 1) (local.set 0) (i32.trunc_f32_s)\n"
    "    (i32.add (local.get 0)) (i32.add (i32.wrap_i64 (local.get 1)))\n"
    "    (i32.add (i32.trunc_f64_s (local.get 2))))\n"
    /* Traps, innermost in either kind. */
    "  (func $load (param i32) (result i32) (i32.load (local.get 0)))\n"
    "  (func $mid (param i32) (result i32) (i32.add (call $load (local.get 0)) (i32.const 1)))\n"
    "  (func (export \"outside\") (param i32) (result i32) (i32.mul (call $mid (local.get 0))\n"
    "    (i32.const 2)))\n"
    "  (func $null (param i32) (result i32)\n"
    "    (drop (drop (call_indirect (type $f) (i64.const 0) (f64.const 0) (i32.const 0)\n"
    "      (local.get 0)))) (i32.const 0))\n"
    "  (func (export \"element\") (param i32) (result i32) (call $null (local.get 0)))\n"
    "  (func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))\n"
    "  (func (export \"exhausted\") (param i32) (result i32) (call $deep (local.get 0)))\n"
    "  (func (export \"spins\") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))\n";

enum { RESULT_OF_MANY = 7 + 65 + 8 + 8 }; /* of 5 */

typedef enum Which { INTERPRETED, COMPILED, EVEN, ODD, WHICH_COUNT } Which;

static bool is_wanted(void *env, uint32_t func)
{
    const Which *which = env;
    return *which == COMPILED || (func % 2 == 0) == (*which == EVEN);
}

typedef struct World {
    Which which;
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static void world_open(World *w, Which which)
{
    fnvm_config config;
    fnvm_config_default(&config);
    *w = (World){.which = which};
    config.engine = which == INTERPRETED ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_AUTO;
    config.jit_filter = is_wanted;
    config.jit_filter_env = &w->which;
    assert_null(fnvm_engine_new(&config, &w->engine));
    assert_null(fnvm_module_new(w->engine, source, sizeof source - 1, &w->module));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    assert_null(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
    fnvm_engine_free(w->engine);
}

static fnvm_error *call(World *w, const char *name, int32_t arg, int32_t *result)
{
    fnvm_extern func;
    fnvm_val in = {.kind = FNVM_I32, .of.i32 = arg}, out = {.kind = FNVM_I32};
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &func));
    fnvm_error *error = fnvm_func_call(w->store, func, &in, 1, &out, 1);
    *result = out.of.i32;
    return error;
}

/* Result or error with its backtrace, as text. */
static void outcome(World *w, const char *name, int32_t arg, char *text, size_t size)
{
    int32_t result;
    fnvm_error *error = call(w, name, arg, &result);
    if (!error) {
        snprintf(text, size, "%d", result);
        return;
    }
    const fnvm_frame *frames;
    size_t n = fnvm_error_frames(error, &frames), at = 0;
    at += (size_t)snprintf(text, size, "%s:", fnvm_error_message(error));
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " %u@%llu", frames[i].func_index,
                               (unsigned long long)frames[i].offset);
    fnvm_error_free(error);
}

static void engines_agree(void **state)
{
    (void)state;
    static const struct { const char *name; int32_t arg; const char *result; } calls[] = {
        {"tails", 0, "0"}, {"tails", 1, "3"}, {"tails", 2, NULL}, {"tails", 3, NULL},
        {"tails", 999999, NULL}, {"tails", 1000000, NULL}, {"catches", 20, NULL},
        {"catches", 21, NULL}, {"uncaught", 30, NULL}, {"many", 5, "88"}, {"outside", 64, NULL},
        {"outside", 65533, NULL}, {"outside", -1, NULL}, {"element", 3, NULL},
        {"element", 4, NULL}, {"exhausted", 1, NULL}, {"tails", 5, NULL}};
    World w;
    static char expected[sizeof calls / sizeof *calls][4096], found[4096];
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        world_open(&w, which);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            outcome(&w, calls[i].name, calls[i].arg,
                    which == INTERPRETED ? expected[i] : found, sizeof found);
            if (which != INTERPRETED) assert_string_equal(found, expected[i]);
        }
        world_close(&w);
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].result) assert_string_equal(expected[i], calls[i].result);
    }
}

static void *interrupt_soon(void *store)
{
    usleep(20000);
    fnvm_store_interrupt(store);
    return NULL;
}

/* An instance made while the store is interrupted stops too; clearing lets all run again. */
static void loops_are_interrupted(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w;
        int32_t result;
        pthread_t thread;
        fnvm_error *error;
        world_open(&w, which);
        assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, w.store), 0);
        assert_non_null(error = call(&w, "spins", 0, &result));
        assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_INTERRUPTED);
        fnvm_error_free(error);
        pthread_join(thread, NULL);
        assert_null(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
        assert_non_null(error = call(&w, "spins", 0, &result));
        assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_INTERRUPTED);
        fnvm_error_free(error);
        fnvm_store_clear_interrupt(w.store);
        assert_null(call(&w, "many", 5, &result));
        assert_int_equal(result, RESULT_OF_MANY);
        world_close(&w);
    }
}

/* ---- The collector stops threads in compiled code ---- */

static const char heap_source[] =
    "(module (type $n (struct (field i64) (field (ref null $n))))\n"
    "  (func $build (param i64) (result (ref null $n)) (local $l (ref null $n))\n"
    "    (loop $a (local.set $l (struct.new $n (local.get 0) (local.get $l)))\n"
    "      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))\n"
    "      (br_if $a (i64.ne (local.get 0) (i64.const 0)))) (local.get $l))\n"
    "  (func $sum (param (ref null $n)) (result i64) (local $s i64)\n"
    "    (block $done (loop $a (br_if $done (ref.is_null (local.get 0)))\n"
    "      (local.set $s (i64.add (local.get $s) (struct.get $n 0 (local.get 0))))\n"
    "      (local.set 0 (struct.get $n 1 (local.get 0))) (br $a))) (local.get $s))\n"
    "  (func $spin (param i64 (ref null $n)) (result (ref null $n))\n"
    "    (loop $a (local.set 0 (i64.sub (local.get 0) (i64.const 1)))\n"
    "      (br_if $a (i64.ne (local.get 0) (i64.const 0)))) (local.get 1))\n"
    "  (func (export \"run\") (param i64) (result i64) (local $s i64)\n"
    "    (loop $a (local.set $s (i64.add (local.get $s)\n"
    "        (call $sum (call $spin (i64.const 20000) (call $build (i64.const 1000))))))\n"
    "      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))\n"
    "      (br_if $a (i64.ne (local.get 0) (i64.const 0)))) (local.get $s)))\n";

typedef struct Shared { fnvm_engine *engine; fnvm_module *module; } Shared;

/* NULL if anything went wrong. */
static void *build_lists(void *env)
{
    const Shared *shared = env;
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    fnvm_instance *instance;
    fnvm_extern run;
    fnvm_val n = {.kind = FNVM_I64, .of.i64 = 300}, sum;
    bool fine = !fnvm_store_new(shared->engine, &store) && !fnvm_linker_new(store, &linker) &&
                !fnvm_linker_instantiate(linker, shared->module, &instance) &&
                fnvm_instance_export(instance, "run", 3, &run) &&
                !fnvm_func_call(store, run, &n, 1, &sum, 1) && sum.of.i64 == 300 * 500500;
    if (linker) fnvm_linker_free(linker);
    fnvm_store_free(store);
    return fine ? env : NULL;
}

static void collector_stops_compiled_code(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    fnvm_config config;
    Shared shared;
    fnvm_config_default(&config);
    config.max_heap_bytes = 4 << 20;
    assert_null(fnvm_engine_new(&config, &shared.engine));
    assert_null(fnvm_module_new(shared.engine, heap_source, sizeof heap_source - 1,
                                &shared.module));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, build_lists, &shared), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    fnvm_module_release(shared.module);
    fnvm_engine_free(shared.engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_agree),
        cmocka_unit_test(loops_are_interrupted),
        cmocka_unit_test(collector_stops_compiled_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
