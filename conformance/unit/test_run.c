/* What running must guarantee and a script cannot say: exact fuel, interrupts that stop anything,
 * calls that go back and forth between host and guest, verification at the first call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fnvm.h"

enum { HANG_SECONDS = 60 }; /* a guest that cannot be stopped ends the test program */

/* ---- A world: engine, store, linker, one instance ---- */

typedef struct World {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static void world_open(World *w, const fnvm_config *config)
{
    *w = (World){0};
    assert_null(fnvm_engine_new(config, &w->engine));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_engine_free(w->engine);
}

static fnvm_module *compile(World *w, const char *text)
{
    fnvm_module *m;
    fnvm_error *error = fnvm_module_new(w->engine, text, strlen(text), &m);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return m;
}

static void instantiate(World *w, const char *text)
{
    fnvm_module *m = compile(w, text);
    fnvm_error *error = fnvm_linker_instantiate(w->linker, m, &w->instance);
    if (error) fail_msg("%s", fnvm_error_message(error));
    fnvm_module_release(m);
}

static void world_with(World *w, const fnvm_config *config, const char *text)
{
    world_open(w, config);
    instantiate(w, text);
}

static fnvm_extern exported(World *w, const char *name)
{
    fnvm_extern e;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &e));
    return e;
}

/* A function of at most one i32 and at most one i32. */
static fnvm_error *call(World *w, const char *name, int32_t arg, int32_t *result)
{
    fnvm_extern func = exported(w, name);
    fnvm_val a = {FNVM_I32, {.i32 = arg}}, r;
    size_t nargs = fnvm_func_params(w->store, func, NULL, 0);
    size_t nresults = fnvm_func_results(w->store, func, NULL, 0);
    assert_true(nargs <= 1 && nresults <= 1);
    fnvm_error *error = fnvm_func_call(w->store, func, &a, nargs, &r, nresults);
    if (result && !error && nresults) *result = r.of.i32;
    return error;
}

static void returns(World *w, const char *name, int32_t arg, int32_t expected)
{
    int32_t result = 0;
    fnvm_error *error = call(w, name, arg, &result);
    if (error) fail_msg("%s: %s", name, fnvm_error_message(error));
    assert_int_equal(result, expected);
}

static void traps(World *w, const char *name, int32_t arg, fnvm_trap expected)
{
    fnvm_error *error = call(w, name, arg, NULL);
    assert_non_null(error);
    if (fnvm_error_trap(error) != expected) fail_msg("%s: %s", name, fnvm_error_message(error));
    fnvm_error_free(error);
}

static void throws(World *w, const char *name, int32_t arg)
{
    fnvm_error *error = call(w, name, arg, NULL);
    assert_int_equal(fnvm_error_code(error), FNVM_E_EXCEPTION);
    fnvm_error_free(error);
}

static fnvm_config with_fuel(void)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.fuel = true;
    return config;
}

/* ---- Fuel ---- */

/* What `name` costs; it must end the same way with just that, and not with one less. */
static uint64_t cost(World *w, const char *name, int32_t arg, bool ends)
{
    const uint64_t plenty = 10000000;
    fnvm_store_set_fuel(w->store, plenty);
    fnvm_error *error = call(w, name, arg, NULL);
    assert_true(ends == !error);
    fnvm_error_free(error);
    uint64_t used = plenty - fnvm_store_fuel(w->store);
    for (int round = 0; round < 3; round++) {
        fnvm_store_set_fuel(w->store, used);
        error = call(w, name, arg, NULL);
        assert_true(ends == !error);
        if (error) assert_int_not_equal(fnvm_error_trap(error), FNVM_TRAP_OUT_OF_FUEL);
        fnvm_error_free(error);
        assert_int_equal(fnvm_store_fuel(w->store), 0);
    }
    fnvm_store_set_fuel(w->store, used - 1);
    traps(w, name, arg, FNVM_TRAP_OUT_OF_FUEL);
    assert_int_equal(fnvm_store_fuel(w->store), 0);
    return used;
}

static const char fuel_program[] =
    "(module"
    " (func $callee (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
    " (func (export \"straight\") (param i32) (result i32)"
    "  (i32.add (i32.mul (local.get 0) (local.get 0)) (i32.const 3)))"
    " (func (export \"marks\") (param i32) (result i32)"
    "  (nop) (block (nop)) (block (result i32) (local.get 0)))"
    " (func (export \"call\") (param i32) (result i32) (call $callee (local.get 0)))"
    " (func (export \"loop\") (param i32)"
    "  (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (func (export \"compare\") (param i32)"
    "  (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
    "   (br_if 0 (i32.gt_s (local.get 0) (i32.const 0)))))"
    " (func (export \"vector\") (param i32) (local v128)"
    "  (loop (local.set 1 (i32x4.add (local.get 1) (i32x4.splat (local.get 0))))"
    "   (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (func (export \"trap\") (param i32)"
    "  (drop (i32.div_u (local.get 0) (i32.const 0))))"
    " (tag $t)"
    " (func (export \"catch\") (param i32)"
    "  (loop (block $c (try_table (catch $t $c) (throw $t)))"
    "   (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"
    " (memory 1)"
    " (func (export \"fill\") (param i32)"
    "  (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))"
    " (table 10 funcref) (elem $e func"
#define TEN(x) x x x x x x x x x x
    TEN(TEN(" $callee $callee $callee $callee $callee $callee $callee"))
    TEN(TEN(" $callee $callee $callee $callee $callee $callee $callee"))
#undef TEN
    ") (func (export \"init\") (param i32)"
    "  (table.init $e (i32.const 0) (local.get 0) (i32.const 2))))";

static void test_fuel_is_exact(void **state)
{
    (void)state;
    fnvm_config config = with_fuel();
    config.engine = FNVM_ENGINE_INTERPRETER; /* compiled code: test_fuel.c */
    World w;
    world_with(&w, &config, fuel_program);
    assert_int_equal(cost(&w, "straight", 5, true), 5);
    assert_int_equal(cost(&w, "marks", 5, true), 1);
    assert_int_equal(cost(&w, "call", 5, true), 2 + 3);
    assert_int_equal(cost(&w, "loop", 1, true), 5);
    assert_int_equal(cost(&w, "loop", 1000, true), 5000);
    assert_int_equal(cost(&w, "compare", 1000, true), 8000);
    assert_int_equal(cost(&w, "vector", 1000, true), 10000);
    assert_int_equal(cost(&w, "trap", 1, false), 3);
    assert_int_equal(cost(&w, "catch", 100, true), 700);
    assert_int_equal(cost(&w, "fill", 0, true), 4);
    assert_int_equal(cost(&w, "fill", 64000, true), 4 + 1000);
    assert_int_equal(cost(&w, "init", 0, true), 4);
    assert_int_equal(cost(&w, "init", 638, true), 4 + 10); /* 638 items passed, 2 read */
    assert_int_equal(cost(&w, "init", 1024 + 62, true), 4 + 1); /* as many since the mark */
    world_close(&w);
}

/* A bulk operation is paid for before it begins: it is whole or not at all. */
static void test_bulk_is_not_cut_short(void **state)
{
    (void)state;
    fnvm_config config = with_fuel();
    World w;
    world_with(&w, &config,
               "(module (memory (export \"m\") 1)"
               " (func (export \"fill\")"
               "  (memory.fill (i32.const 0) (i32.const 7) (i32.const 6400))))");
    fnvm_store_set_fuel(w.store, 50);
    traps(&w, "fill", 0, FNVM_TRAP_OUT_OF_FUEL);
    const uint8_t *memory = fnvm_memory_base(w.store, exported(&w, "m"));
    for (size_t i = 0; i < 6400; i++) assert_int_equal(memory[i], 0);
    assert_int_equal(fnvm_store_fuel(w.store), 0);
    fnvm_store_set_fuel(w.store, 104);
    assert_null(call(&w, "fill", 0, NULL));
    assert_int_equal(memory[6399], 7);
    world_close(&w);
}

static void test_fuel_runs_out_in_start(void **state)
{
    (void)state;
    fnvm_config config = with_fuel();
    World w;
    world_open(&w, &config);
    fnvm_module *m = compile(&w, "(module (func $f (loop (br 0))) (start $f))");
    fnvm_store_set_fuel(w.store, 1000);
    fnvm_error *error = fnvm_linker_instantiate(w.linker, m, &w.instance);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_OUT_OF_FUEL);
    fnvm_error_free(error);
    fnvm_module_release(m);
    world_close(&w);
}

/* ---- Interrupts ---- */

static void *interrupt_soon(void *store)
{
    const struct timespec soon = {.tv_nsec = 20000000};
    nanosleep(&soon, NULL);
    fnvm_store_interrupt(store);
    return NULL;
}

/* The guest does not end by itself: another thread has to stop it. */
static void stops(World *w, const char *name)
{
    pthread_t thread;
    fnvm_store_clear_interrupt(w->store);
    alarm(HANG_SECONDS);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, w->store), 0);
    traps(w, name, 0, FNVM_TRAP_INTERRUPTED);
    alarm(0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    traps(w, "ends", 0, FNVM_TRAP_INTERRUPTED); /* it stays set */
    fnvm_store_clear_interrupt(w->store);
    returns(w, "ends", 0, 6);
}

static fnvm_error *do_nothing(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env, (void)slots;
    return NULL;
}

static const char endless_program[] =
    "(module"
    " (import \"host\" \"nothing\" (func $nothing))"
    " (type $v (func)) (tag $t) (table 1 funcref) (elem (i32.const 0) $by_table)"
    " (elem declare func $tail_ref $nothing)"
    " (func (export \"ends\") (result i32) (call $five) (i32.add (i32.const 1)))"
    " (func $five (result i32) (i32.const 5))"
    " (func (export \"loop\") (loop (br 0)))"
    " (func (export \"loop_if\") (loop (br_if 0 (i32.const 1)) (unreachable)))"
    " (func (export \"loop_compare\") (loop (br_if 0 (i32.eq (i32.const 1) (i32.const 1)))))"
    " (func (export \"loop_table\") (loop (br_table 0 0 (i32.const 9))))"
    " (func (export \"loop_null\") (loop (br_on_null 0 (ref.null any)) (drop)))"
    " (func (export \"loop_vector\") (local v128)"
    "  (loop (local.set 0 (i32x4.splat (i32.const 1))) (br 0)))"
    " (func $fork (export \"recursion\") (param i32)"
    "  (if (i32.lt_u (local.get 0) (i32.const 60))"
    "   (then (call $fork (i32.add (local.get 0) (i32.const 1)))"
    "    (call $fork (i32.add (local.get 0) (i32.const 1))))))"
    " (func $tail (export \"tail\") (return_call $tail))"
    " (func $tail_ref (export \"tail_ref\") (return_call_ref $v (ref.func $tail_ref)))"
    " (func $by_table (export \"tail_table\") (return_call_indirect (type $v) (i32.const 0)))"
    " (func (export \"host\") (loop (call $nothing) (br 0)))"
    " (func $tail_host (export \"tail_host\") (call $to_host) (return_call $tail_host))"
    " (func $to_host (return_call $nothing))"
    " (func (export \"throw\") (loop (try_table (catch $t 0) (throw $t))))"
    " (func (export \"throw_ref\") (local $e exnref)"
    "  (block $c (result exnref) (try_table (catch_all_ref $c) (throw $t)) (unreachable))"
    "  (local.set $e)"
    "  (loop (try_table (catch $t 0) (throw_ref (local.get $e)))))"
    " (func $thrower (throw $t))"
    " (func (export \"throw_call\") (loop (try_table (catch_all 0) (call $thrower)))))";

static void test_interrupt_stops_everything(void **state)
{
    (void)state;
    static const char *const names[] = {
        "loop", "loop_if", "loop_compare", "loop_table", "loop_null", "loop_vector", "recursion",
        "tail", "tail_ref", "tail_table", "host", "tail_host", "throw", "throw_ref", "throw_call"};
    World w;
    world_open(&w, NULL);
    assert_null(fnvm_linker_define_func(w.linker, "host", "nothing", " -> ", do_nothing, NULL));
    instantiate(&w, endless_program);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) stops(&w, names[i]);
    world_close(&w);
}

/* The same loops end when fuel does. */
static void test_fuel_stops_everything(void **state)
{
    (void)state;
    static const char *const names[] = {
        "loop", "loop_if", "loop_compare", "loop_table", "loop_null", "loop_vector", "recursion",
        "tail", "tail_ref", "tail_table", "host", "tail_host", "throw", "throw_ref", "throw_call"};
    fnvm_config config = with_fuel();
    World w;
    world_open(&w, &config);
    assert_null(fnvm_linker_define_func(w.linker, "host", "nothing", " -> ", do_nothing, NULL));
    instantiate(&w, endless_program);
    alarm(HANG_SECONDS);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fnvm_store_set_fuel(w.store, 100000);
        traps(&w, names[i], 0, FNVM_TRAP_OUT_OF_FUEL);
    }
    alarm(0);
    world_close(&w);
}

/* ---- Calls to and fro ---- */

/* Calls the export "back" with its argument, and gives back what that gives back. */
static fnvm_error *call_back(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    World *w = env;
    fnvm_val arg = {FNVM_I32, {.i32 = (int32_t)slots[0].i32}}, result;
    fnvm_error *error = fnvm_func_call(w->store, exported(w, "back"), &arg, 1, &result, 1);
    if (!error) slots[0].i64 = UINT64_C(0xABCD000000000000) | (uint32_t)result.of.i32;
    return error;
}

static fnvm_error *call_back_calmly(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    fnvm_error_free(call_back(caller, env, slots));
    slots[0].i64 = 0;
    return NULL;
}

static fnvm_error *fail_as_exception(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env, (void)slots;
    return fnvm_error_new(FNVM_E_EXCEPTION, "of the host's own making");
}

static void world_with_callbacks(World *w, const fnvm_config *config, const char *text)
{
    world_open(w, config);
    const char *type = "i32 -> i32";
    assert_null(fnvm_linker_define_func(w->linker, "host", "back", type, call_back, w));
    assert_null(fnvm_linker_define_func(w->linker, "host", "calmly", type, call_back_calmly, w));
    assert_null(fnvm_linker_define_func(w->linker, "host", "fail", type, fail_as_exception, w));
    instantiate(w, text);
}

static void test_host_depth_is_limited(void **state)
{
    (void)state;
    World w;
    world_with_callbacks(&w, NULL,
        "(module (import \"host\" \"back\" (func $host (param i32) (result i32)))"
        " (func (export \"back\") (param i32) (result i32)"
        "  (if (result i32) (local.get 0)"
        "   (then (i32.add (i32.const 1) (call $host (i32.sub (local.get 0) (i32.const 1)))))"
        "   (else (i32.const 0)))))");
    returns(&w, "back", 0, 0);
    returns(&w, "back", 100, 100);
    traps(&w, "back", 1000000, FNVM_TRAP_STACK_EXHAUSTED);
    returns(&w, "back", 100, 100);
    world_close(&w);
}

/* The guest exports the host's own function to the host: no guest frame is ever in between. */
static void test_host_function_calls_itself(void **state)
{
    (void)state;
    World w;
    world_with_callbacks(&w, NULL,
        "(module (import \"host\" \"back\" (func $host (param i32) (result i32)))"
        " (export \"back\" (func $host))"
        " (func (export \"run\") (result i32) (call $host (i32.const 1))))");
    traps(&w, "run", 0, FNVM_TRAP_STACK_EXHAUSTED);
    traps(&w, "back", 0, FNVM_TRAP_STACK_EXHAUSTED);
    world_close(&w);
}

/* Nested calls share one guest stack: frames of either must be safe from the other. */
static void test_nested_calls_keep_their_slots(void **state)
{
    (void)state;
    World w;
    world_with_callbacks(&w, NULL,
        "(module (import \"host\" \"back\" (func $host (param i32) (result i32)))"
        " (func $deep (param i32) (result i32) (local i64 i64 i64 i64 i64 i64)"
        "  (if (result i32) (local.get 0)"
        "   (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))"
        "   (else (i32.const 0))))"
        " (func (export \"back\") (param i32) (result i32) (local i32 v128)"
        "  (if (i32.eqz (local.get 0)) (then (return (call $deep (i32.const 100)))))"
        "  (local.set 1 (i32.const 7))"
        "  (local.set 2 (v128.const i32x4 1 2 3 4))"
        "  (local.get 0) (local.get 1)"
        "  (call $host (i32.sub (local.get 0) (i32.const 1)))"
        "  (i32.add) (i32.mul (i32.const 1)) (i32.add)"
        "  (i32.add (i32x4.extract_lane 3 (local.get 2)))"
        "  (i32.sub (i32.const 11)) (i32.sub (local.get 0))))");
    returns(&w, "back", 0, 100);
    returns(&w, "back", 1, 100);
    returns(&w, "back", 50, 100);
    world_close(&w);
}

static const char throwing_program[] =
    "(module (import \"host\" \"back\" (func $host (param i32) (result i32)))"
    " (import \"host\" \"calmly\" (func $calmly (param i32) (result i32)))"
    " (import \"host\" \"fail\" (func $fail (param i32) (result i32)))"
    " (type $f (func (param i32) (result i32))) (elem declare func $host)"
    " (table 1 funcref) (elem (i32.const 0) $host)"
    " (tag $t (param i32)) (tag $other)"
    " (func (export \"back\") (param i32) (result i32) (throw $t (local.get 0)))"
    " (func (export \"catch\") (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (catch $t $c) (drop (call $host (local.get 0)))) (unreachable))"
    "  (i32.add (i32.const 1000)))"
    " (func (export \"miss\") (param i32) (result i32)"
    "  (block $c (try_table (catch $other $c) (drop (call $host (local.get 0)))))"
    "  (i32.const 0))"
    /* what a function called in place of this one throws is none of its handlers' business */
    " (func $tail (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (catch $t $c) (local.get 0) (return_call $host)) (unreachable))"
    "  (i32.add (i32.const 1)))"
    " (func $tail_ref (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (catch $t $c) (return_call_ref $f (local.get 0) (ref.func $host)))"
    "   (unreachable))"
    "  (i32.add (i32.const 1)))"
    " (func $tail_table (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (catch $t $c)"
    "    (return_call_indirect (type $f) (local.get 0) (i32.const 0)))"
    "   (unreachable))"
    "  (i32.add (i32.const 1)))"
    " (func (export \"tail\") (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (result i32) (catch $t $c) (call $tail (local.get 0)))"
    "   (return (i32.const -1)))"
    "  (block $c (param i32) (result i32)"
    "   (try_table (param i32) (result i32) (catch $t $c) (call $tail_ref))"
    "   (return (i32.const -2)))"
    "  (block $c (param i32) (result i32)"
    "   (try_table (param i32) (result i32) (catch $t $c) (call $tail_table))"
    "   (return (i32.const -3))))"
    " (func (export \"tail_entry\") (param i32) (result i32)"
    "  (block $c (result i32)"
    "   (try_table (catch $t $c) (local.get 0) (return_call $host)) (unreachable)))"
    /* an exception that a host function kept to itself does not come back with a later failure */
    " (func (export \"stale\") (param i32) (result i32)"
    "  (drop (call $calmly (local.get 0)))"
    "  (block $c"
    "   (try_table (catch_all $c) (drop (call $fail (i32.const 0)))))"
    "  (i32.const 0)))";

static void test_exceptions_through_the_host(void **state)
{
    (void)state;
    World w;
    world_with_callbacks(&w, NULL, throwing_program);
    returns(&w, "catch", 5, 1005);
    throws(&w, "miss", 5);
    throws(&w, "back", 5);
    returns(&w, "tail", 9, 9);
    throws(&w, "tail_entry", 9);
    throws(&w, "stale", 1);
    returns(&w, "catch", 6, 1006);
    world_close(&w);
}

/* A trap in a nested call ends the whole of it, handlers or not, and leaves the stack as it was. */
static void test_traps_through_the_host(void **state)
{
    (void)state;
    World w;
    world_with_callbacks(&w, NULL,
        "(module (import \"host\" \"back\" (func $host (param i32) (result i32)))"
        " (func (export \"back\") (param i32) (result i32) (unreachable))"
        " (func $f (param i32) (result i32)"
        "  (if (local.get 0) (then (return (call $f (i32.sub (local.get 0) (i32.const 1))))))"
        "  (block $c (try_table (catch_all $c) (return (call $host (i32.const 0)))))"
        "  (i32.const 1))"
        " (export \"run\" (func $f))"
        " (func (export \"fine\") (param i32) (result i32) (local.get 0)))");
    for (int i = 0; i < 1000; i++) traps(&w, "run", 100, FNVM_TRAP_UNREACHABLE);
    returns(&w, "fine", 3, 3);
    world_close(&w);
}

/* ---- What host functions leave in slots ---- */

static fnvm_error *dirty_i32(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i64 = UINT64_C(0xFFFFFFFF00000000) | slots[0].i32;
    return NULL;
}

static void test_host_results_are_cleaned(void **state)
{
    (void)state;
    World w;
    world_open(&w, NULL);
    assert_null(fnvm_linker_define_func(w.linker, "host", "dirty", "i32 -> i32", dirty_i32, NULL));
    instantiate(&w,
        "(module (import \"host\" \"dirty\" (func $dirty (param i32) (result i32)))"
        " (type $f (func (param i32) (result i32))) (elem declare func $dirty) (memory 1)"
        " (data (i32.const 100) \"\\2a\")"
        " (func $tail (param i32) (result i32) (return_call $dirty (local.get 0)))"
        " (func (export \"call\") (param i32) (result i32)"
        "  (i32.load8_u (call $dirty (local.get 0))))"
        " (func (export \"tail\") (param i32) (result i32)"
        "  (i32.load8_u (call $tail (local.get 0))))"
        " (func (export \"ref\") (param i32) (result i32)"
        "  (i32.load8_u (call_ref $f (local.get 0) (ref.func $dirty)))))");
    returns(&w, "call", 100, 42);
    returns(&w, "tail", 100, 42);
    returns(&w, "ref", 100, 42);
    world_close(&w);
}

enum { MANY = 1000 };

/* Vector i has i in every lane. */
static fnvm_error *many_vectors(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    for (uint64_t i = 0; i < 2 * MANY; i++) slots[i].i64 = (i / 2) << 32 | i / 2;
    return NULL;
}

/* More results than arguments, by far more than the callers' frames hold otherwise. */
static void test_host_gives_many_vectors(void **state)
{
    (void)state;
    static char type[5 * MANY + 8] = "->", text[30 * MANY];
    size_t at = 2, n = 0;
    for (int i = 0; i < MANY; i++) at += (size_t)sprintf(type + at, " v128");
    n += (size_t)sprintf(text, "(module (type $f (func (result%s)))", type + 2);
    n += (size_t)sprintf(text + n,
        " (import \"host\" \"many\" (func $many (type $f))) (elem declare func $many)"
        " (func $tail (type $f) (return_call $many))"
        " (func $tail_ref (type $f) (return_call_ref $f (ref.func $many)))"
        " (func $last (export \"call\") (result i32) (local v128) (call $many) (local.set 0)");
    for (int i = 1; i < MANY; i++) n += (size_t)sprintf(text + n, " drop");
    n += (size_t)sprintf(text + n, " (i32x4.extract_lane 2 (local.get 0)))"
        " (func (export \"tail\") (result i32) (local v128) (call $tail) (local.set 0)");
    for (int i = 1; i < MANY; i++) n += (size_t)sprintf(text + n, " drop");
    n += (size_t)sprintf(text + n, " (i32x4.extract_lane 2 (local.get 0)))"
        " (func $deep (export \"deep\") (param i32) (result i32) (local v128)"
        "  (if (local.get 0) (then (return (call $deep (i32.sub (local.get 0) (i32.const 1))))))"
        "  (call $tail_ref) (local.set 1)");
    for (int i = 1; i < MANY; i++) n += (size_t)sprintf(text + n, " drop");
    n += (size_t)sprintf(text + n, " (i32x4.extract_lane 2 (local.get 1))))");
    assert_true(at < sizeof type && n < sizeof text);

    fnvm_config config;
    fnvm_config_default(&config);
    config.max_stack_bytes = 64 << 10;
    World w;
    world_open(&w, &config);
    assert_null(fnvm_linker_define_func(w.linker, "host", "many", type, many_vectors, NULL));
    instantiate(&w, text);
    returns(&w, "call", 0, MANY - 1);
    returns(&w, "tail", 0, MANY - 1);
    /* At some depth the results still fit, at some not any more; never do they overwrite frames. */
    bool fitted = true;
    for (int depth = 0; depth < 2000; depth++) {
        int32_t result = 0;
        fnvm_error *error = call(&w, "deep", depth, &result);
        if (!error) {
            assert_true(fitted);
            assert_int_equal(result, MANY - 1);
        } else {
            fitted = false;
            assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_STACK_EXHAUSTED);
            fnvm_error_free(error);
        }
    }
    assert_false(fitted);
    world_close(&w);
}

/* ---- Verification at the first call ---- */

static const char bad_program[] =
    "(module"
    " (func $bad (result i32) (i64.const 1))"
    " (func (export \"bad\") (result i32) (call $bad))"
    " (export \"bad_itself\" (func $bad))"
    " (func (export \"tail\") (result i32) (return_call $bad))"
    " (type $f (func (result i32))) (elem declare func $bad)"
    " (func (export \"ref\") (result i32) (call_ref $f (ref.func $bad)))"
    " (func (export \"catch\") (result i32)"
    "  (block $c (try_table (catch_all $c) (return (call $bad)))) (i32.const 1))"
    " (func (export \"good\") (result i32) (i32.const 5)))";

static void test_lazy_verification_traps(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.verify = FNVM_VERIFY_LAZY;
    World w;
    world_with(&w, &config, bad_program);
    for (int round = 0; round < 2; round++) {
        returns(&w, "good", 0, 5);
        traps(&w, "bad", 0, FNVM_TRAP_VERIFY);
        traps(&w, "tail", 0, FNVM_TRAP_VERIFY);
        traps(&w, "ref", 0, FNVM_TRAP_VERIFY);
        traps(&w, "catch", 0, FNVM_TRAP_VERIFY);
        traps(&w, "bad_itself", 0, FNVM_TRAP_VERIFY);
    }
    fnvm_error *error = call(&w, "bad", 0, NULL);
    assert_string_equal(fnvm_error_message(error), fnvm_trap_text(FNVM_TRAP_VERIFY));
    const fnvm_error *cause = fnvm_error_cause(error);
    assert_non_null(strstr(fnvm_error_message(cause), "function 0"));
    fnvm_error_free(error);
    world_close(&w);
}

static void test_eager_verification_refuses(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.verify = FNVM_VERIFY_EAGER;
    World w;
    world_open(&w, &config);
    fnvm_module *m;
    fnvm_error *error = fnvm_module_new(w.engine, bad_program, strlen(bad_program), &m);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
    world_close(&w);
}

/* ---- What is left of an error ---- */

static char *dump(World *w, const fnvm_error *trap, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    assert_non_null(out);
    assert_null(fnvm_store_coredump(w->store, trap, out));
    fclose(out);
    return text;
}

static const char two_traps[] =
    "(module (func (export \"a\") (param i32) (unreachable))"
    " (func $b (param i32) (local i64) (local.set 1 (i64.const 77))"
    "  (drop (i32.div_u (local.get 0) (i32.const 0))))"
    " (func (export \"b\") (param i32) (call $b (i32.const 0x1234567))))";

/* The core dump is of the error it is asked for, although that may lie where an earlier one lay. */
static void test_coredump_is_of_the_last_trap(void **state)
{
    (void)state;
    World first, second;
    world_with(&first, NULL, two_traps);
    world_with(&second, NULL, two_traps);
    fnvm_store_keep_trap_state(first.store, true);
    fnvm_store_keep_trap_state(second.store, true);
    for (int i = 0; i < 10; i++) traps(&first, "a", i, FNVM_TRAP_UNREACHABLE);
    fnvm_error *e1 = call(&first, "b", 1, NULL), *e2 = call(&second, "b", 1, NULL);
    size_t len1, len2;
    char *dump1 = dump(&first, e1, &len1), *dump2 = dump(&second, e2, &len2);
    assert_int_equal(len1, len2);
    assert_memory_equal(dump1, dump2, len1);
    free(dump1);
    free(dump2);
    fnvm_error_free(e1);
    fnvm_error_free(e2);
    world_close(&first);
    world_close(&second);
}

static void test_long_names_are_cut(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    char *text = malloc(2 * LONG + 200);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "(module (func $");
    for (size_t i = 0; i < LONG / 2; i++) n += (size_t)sprintf(text + n, i % 3 ? "x" : "y");
    sprintf(text + n, " (export \"f\") (unreachable)))");
    World w;
    world_with(&w, NULL, text);
    free(text);
    fnvm_error *error = call(&w, "f", 0, NULL);
    const fnvm_frame *frames;
    assert_int_equal(fnvm_error_frames(error, &frames), 1);
    assert_int_equal(strlen(frames[0].func_name), 1000);
    fnvm_error_free(error);
    world_close(&w);
}

/* ---- Modules that lead to modules ---- */

enum { CHAIN = 300 };

static void define_chain(World *w, const char *format)
{
    char name[20], text[300];
    for (int i = CHAIN; i >= 0; i--) {
        if (i < CHAIN) snprintf(text, sizeof text, format, i + 1);
        else strcpy(text, "(module (func (export \"f\") (result i32) (i32.const 4)))");
        sprintf(name, "m%d", i);
        fnvm_module *m = compile(w, text);
        assert_null(fnvm_linker_define_module(w->linker, name, m));
        fnvm_module_release(m);
    }
}

/* Each is found to export what it imports from the next: too many of them are an error. */
static void test_long_chains_of_exports(void **state)
{
    (void)state;
    World w;
    world_open(&w, NULL);
    define_chain(&w, "(module (import \"m%d\" \"f\" (func (result i32))) (export \"f\" (func 0)))");
    instantiate(&w, "(module (import \"m0\" \"f\" (func $f (result i32)))"
                    " (import \"m200\" \"f\" (func $near (result i32)))"
                    " (func (export \"far\") (result i32) (call $f))"
                    " (func (export \"near\") (result i32) (call $near)))");
    traps(&w, "far", 0, FNVM_TRAP_LINK);
    returns(&w, "near", 0, 4);
    world_close(&w);
}

/* Functions among other imports, linked when they are called first, in any order. */
static void test_functions_are_linked_by_number(void **state)
{
    (void)state;
    enum { N = 40, STEP = 23 };
    World w;
    world_open(&w, NULL);
    char text[12000];
    size_t at = (size_t)sprintf(text, "(module (global (export \"g\") i32 (i32.const 0))");
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(text + at, "(func (export \"f%d\") (result i32) (i32.const %d))", i,
                              i);
    sprintf(text + at, ")");
    fnvm_module *m = compile(&w, text);
    assert_null(fnvm_linker_define_module(w.linker, "m", m));
    fnvm_module_release(m);
    at = (size_t)sprintf(text, "(module");
    for (int i = 0; i < N; i++) {
        for (int k = i * i % 5; k > 0; k--)
            at += (size_t)sprintf(text + at, "(import \"m\" \"g\" (global i32))");
        at += (size_t)sprintf(text + at, "(import \"m\" \"f%d\" (func (result i32)))", i);
    }
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(text + at, "(func (export \"c%d\") (result i32) (call %d))", i, i);
    sprintf(text + at, ")");
    instantiate(&w, text);
    for (int i = 0; i < N; i++) {
        char name[20];
        sprintf(name, "c%d", i * STEP % N);
        returns(&w, name, 0, i * STEP % N);
    }
    world_close(&w);
}

/* Elements of long segments, functions and expressions, taken from all over them. */
static void test_elements_in_any_order(void **state)
{
    (void)state;
    enum { N = 5000, STEP = 1237 };
    World w;
    world_open(&w, NULL);
    char *text = malloc(40 * N);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "(module (type $t (func (result i32))) (table 2 funcref)"
                                " (func $f (result i32) (i32.const 7))"
                                " (func $g (result i32) (i32.const 9)) (elem func");
    for (int i = 0; i < N; i++) at += (size_t)sprintf(text + at, i % 3 ? " $f" : " $g");
    at += (size_t)sprintf(text + at, ") (elem funcref");
    for (int i = 0; i < N; i++)
        at += (size_t)sprintf(text + at, " (ref.func %s)", i % 5 ? "$g" : "$f");
    at += (size_t)sprintf(text + at, ")");
    for (int i = 0; i < 40; i++) {
        at += (size_t)sprintf(text + at, "(func (export \"c%d\") (result i32)", i);
        for (int k = 0; k < 2; k++)
            at += (size_t)sprintf(text + at, "(table.init %d (i32.const %d) (i32.const %d)"
                                  " (i32.const 1))", k, k, i * STEP % N);
        at += (size_t)sprintf(text + at, "(i32.sub (call_indirect (type $t) (i32.const 0))"
                              " (call_indirect (type $t) (i32.const 1))))");
    }
    sprintf(text + at, ")");
    instantiate(&w, text);
    for (int i = 0; i < 40; i++) {
        char name[20];
        const int item = i * STEP % N;
        sprintf(name, "c%d", i);
        returns(&w, name, 0, (item % 3 ? 7 : 9) - (item % 5 ? 9 : 7));
    }
    free(text);
    world_close(&w);
}

/* Each waits with thousands of operands for the next to be linked. */
static void test_long_chains_of_constants(void **state)
{
    (void)state;
    enum { OPERANDS = 9000 };
    char *text = malloc(20 * OPERANDS);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, "(module (type $a (array funcref))"
                                     " (import \"m%%d\" \"f\" (func $f)) (func (export \"f\"))"
                                     " (global (ref $a) (array.new_fixed $a %d (ref.func $f)",
                               OPERANDS + 1);
    for (int i = 0; i < OPERANDS; i++) n += (size_t)sprintf(text + n, " (ref.null func)");
    sprintf(text + n, ")))");
    World w;
    world_open(&w, NULL);
    char *one = malloc(20 * OPERANDS);
    assert_non_null(one);
    for (int i = 0; i < 60; i++) {
        char name[20];
        sprintf(one, text, i + 1);
        sprintf(name, "m%d", i);
        fnvm_module *m = compile(&w, one);
        assert_null(fnvm_linker_define_module(w.linker, name, m));
        fnvm_module_release(m);
    }
    instantiate(&w, "(module (import \"m0\" \"f\" (func $f)) (import \"m56\" \"f\" (func $g))"
                    " (func (export \"far\") (call $f)) (func (export \"near\") (call $g)))");
    traps(&w, "far", 0, FNVM_TRAP_LINK);
    free(text);
    free(one);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fuel_is_exact),
        cmocka_unit_test(test_functions_are_linked_by_number),
        cmocka_unit_test(test_elements_in_any_order),
        cmocka_unit_test(test_bulk_is_not_cut_short),
        cmocka_unit_test(test_fuel_runs_out_in_start),
        cmocka_unit_test(test_interrupt_stops_everything),
        cmocka_unit_test(test_fuel_stops_everything),
        cmocka_unit_test(test_host_depth_is_limited),
        cmocka_unit_test(test_host_function_calls_itself),
        cmocka_unit_test(test_nested_calls_keep_their_slots),
        cmocka_unit_test(test_exceptions_through_the_host),
        cmocka_unit_test(test_traps_through_the_host),
        cmocka_unit_test(test_host_results_are_cleaned),
        cmocka_unit_test(test_host_gives_many_vectors),
        cmocka_unit_test(test_lazy_verification_traps),
        cmocka_unit_test(test_eager_verification_refuses),
        cmocka_unit_test(test_coredump_is_of_the_last_trap),
        cmocka_unit_test(test_long_names_are_cut),
        cmocka_unit_test(test_long_chains_of_exports),
        cmocka_unit_test(test_long_chains_of_constants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
