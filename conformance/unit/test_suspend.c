/* Guests left waiting in host functions: whatever waits, in whichever engine, goes on to the same
 * result, trap or exception, with the same backtrace and fuel, as if its host function had waited
 * itself. */
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
    "(module (import \"host\" \"wait\" (func $wait (param i32) (result i32)))\n"
    "  (import \"host\" \"many\" (func $many (param i32 i64 f32 f64 v128) (result f64 i32 v128)))\n"
    "  (import \"host\" \"back\" (func $back (param i32) (result i32)))\n"
    "  (import \"host\" \"none\" (func $none))\n"
    "  (import \"host\" \"wide\"\n"
    "    (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))\n"
    "  (import \"host\" \"make\" (func $make (param i32) (result externref)))\n"
    "  (memory (export \"memory\") 1)\n"
    "  (type $w (func (param i32) (result i32))) (tag $e (param i32))\n"
    "  (type $node (struct (field i32) (field (ref null $node))))\n"
    "  (table 2 funcref) (elem (i32.const 0) $wait $tail)\n"
    "  (elem declare func $wait)\n"
    /* A recursion with operands below each call, and the host function at its end. */
    "  (func $down (export \"down\") (param i32) (result i32)\n"
    "    (i32.mul (local.get 0) (i32.const 3))\n"
    "    (if (result i32) (i32.eqz (local.get 0)) (then (call $wait (i32.const 7)))\n"
    "      (else (call $up (i32.sub (local.get 0) (i32.const 1))))) (i32.add))\n"
    "  (func $up (param i32) (result i32) (local i64)\n"
    "    (local.set 1 (i64.const 5))\n"
    "    (if (result i32) (i32.eqz (local.get 0)) (then (call $wait (i32.const 9)))\n"
    "      (else (call $down (i32.sub (local.get 0) (i32.const 1)))))\n"
    "    (i32.add (i32.wrap_i64 (local.get 1))))\n"
    /* Tail calls of the host, by all three instructions, from frames of each kind. */
    "  (func $tail (type $w) (local i64 i64)\n"
    "    (return_call $wait (i32.add (local.get 0) (i32.const 1))))\n"
    "  (func $tail_table (type $w) (return_call_indirect (type $w) (local.get 0) (i32.const 0)))\n"
    "  (func $tail_ref (type $w) (i32.const 99)\n"
    "    (return_call_ref $w (local.get 0) (ref.func $wait)))\n"
    "  (func $tail_wide (type $w) (return_call $wide (local.get 0) (i32.const 2) (i32.const 3)\n"
    "    (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8)))\n"
    "  (func (export \"tails\") (param i32) (result i32) (i32.const 1000)\n"
    "    (i32.add (call $tail (local.get 0)) (call $tail_table (i32.const 20)))\n"
    "    (i32.add (call $tail_ref (i32.const 300))) (i32.add (call $tail_wide (local.get 0)))\n"
    "    (i32.sub))\n"
    "  (func (export \"only_tail\") (param i32) (result i32) (return_call $tail (local.get 0)))\n"
    /* All kinds of arguments and results. */
    "  (func (export \"kinds\") (param i32) (result i32) (local $v v128)\n"
    "    (call $many (local.get 0) (i64.const 5) (f32.const 2.5) (f64.const 0.25)\n"
    "      (i32x4.splat (i32.const 3))) (local.set $v)\n"
    "    (i32.add (i32x4.extract_lane 1 (local.get $v))) (local.set 0) (i32.trunc_f64_s)\n"
    "    (call $none) (i32.add (local.get 0)))\n"
    /* Thrown after the wait, through frames that are older than it. */
    "  (func $throws (param i32) (result i32) (throw $e (i32.add (call $wait (local.get 0))\n"
    "    (i32.const 1))))\n"
    "  (func $between (param i32) (result i32) (i32.add (i32.const 1) (call $throws (local.get 0))))\n"
    "  (func (export \"catches\") (param i32) (result i32) (local i32)\n"
    "    (local.set 1 (i32.const 4000))\n"
    "    (block $c (result i32) (try_table (catch $e $c) (drop (call $between (local.get 0))))\n"
    "      (return (i32.const -1))) (i32.add (local.get 1)))\n"
    "  (func (export \"uncaught\") (param i32) (result i32) (call $between (local.get 0)))\n"
    /* The host function itself ends with an exception of the guest's. */
    "  (func (export \"thrower\") (param i32) (result i32) (throw $e (local.get 0)))\n"
    "  (func (export \"catches_back\") (param i32) (result i32)\n"
    "    (block $c (result i32) (try_table (catch $e $c) (drop (call $back (local.get 0))))\n"
    "      (return (i32.const -1)))\n"
    "    (i32.add (i32.const 5)))\n"
    /* Traps behind the wait, the second in the host function. */
    "  (func $load (param i32) (result i32) (i32.load (i32.add (i32.const -4)\n"
    "    (call $wait (local.get 0)))))\n"
    "  (func (export \"trap\") (param i32) (result i32) (i32.add (call $load (local.get 0))\n"
    "    (i32.const 1)))\n"
    /* Calls that wait again and again, and work in between. */
    "  (func (export \"loop\") (param i32) (result i32) (local i32)\n"
    "    (loop $l (local.set 1 (i32.add (local.get 1) (call $wait (local.get 0))))\n"
    "      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))\n"
    "      (br_if $l (local.get 0))) (local.get 1))\n"
    /* Objects that only waiting frames hold. */
    "  (func $keeps (export \"keeps\") (param i32) (result i32) (local $n (ref null $node))\n"
    "    (local.set $n (struct.new $node (local.get 0) (struct.new $node (i32.const 5)\n"
    "      (ref.null $node))))\n"
    "    (struct.new $node (i32.const 70) (ref.null $node))\n"
    "    (if (result i32) (i32.eqz (local.get 0)) (then (call $wait (i32.const 1)))\n"
    "      (else (call $keeps (i32.sub (local.get 0) (i32.const 1)))))\n"
    "    (local.set 0) (struct.get $node 0)\n"
    "    (i32.add (struct.get $node 0 (struct.get $node 1 (local.get $n))))\n"
    "    (i32.add (struct.get $node 0 (local.get $n))) (i32.add (local.get 0)))\n"
    "  (func (export \"litter\") (param i32) (result i32) (local $n (ref null $node))\n"
    "    (loop $l (local.set $n (struct.new $node (i32.const -1) (ref.null $node)))\n"
    "      (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0)))\n"
    "    (i32.const 0))\n"
    "  (func (export \"external\") (param i32) (result i32) (local externref)\n"
    "    (local.set 1 (call $make (local.get 0)))\n"
    "    (ref.is_null (local.get 1)))\n"
    "  (func (export \"spin\") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))\n";

typedef enum Which { INTERPRETED, COMPILED, EVEN, ODD, WHICH_COUNT } Which;

static bool is_wanted(void *env, uint32_t func)
{
    const Which *which = env;
    return *which == COMPILED || (func % 2 == 0) == (*which == EVEN);
}

typedef enum Mode { AT_ONCE, REPEAT, RETURN } Mode; /* how host functions wait */

typedef struct World {
    Which which;
    Mode mode;
    bool fuel;
    unsigned calls, waits;    /* of host functions; those that left the guest waiting */
    bool woken;               /* the next call is the second one */
    fnvm_error *said;         /* what a host function was told */
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static void must(fnvm_error *error)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    if (error) fail();
}

static void refused(fnvm_error *error, const char *text)
{
    assert_non_null(error);
    if (fnvm_error_code(error) != FNVM_E_USAGE || !strstr(fnvm_error_message(error), text))
        fail_msg("expected \"%s\", got %d \"%s\"", text, (int)fnvm_error_code(error),
                 fnvm_error_message(error));
    fnvm_error_free(error);
}

/* ---- Host functions ---- */

/* True: the guest is to be left waiting, and *error says so. */
static bool waits(World *w, fnvm_caller *caller, fnvm_error **error)
{
    w->calls++;
    if (w->mode == AT_ONCE) return false;
    if (w->mode == REPEAT && w->woken) {
        w->woken = false;
        return false;
    }
    w->waits++;
    w->woken = true;
    *error = fnvm_caller_suspend(caller, w->mode == REPEAT ? FNVM_WAKE_REPEAT : FNVM_WAKE_RETURN);
    return true;
}

static fnvm_error *host_wait(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    fnvm_error *error;
    if (waits(env, caller, &error)) return error;
    slots[0].i64 = UINT64_C(0xDEAD) << 32 | (slots[0].i32 * 2);
    return NULL;
}

static void answer_many(fnvm_slot *slots)
{
    slots[0].f64 = 1000;
    slots[1].i64 = UINT64_C(0xDEAD) << 32 | 30;
    slots[2].i64 = slots[3].i64 = UINT64_C(0x700000007);
}

static fnvm_error *host_many(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    fnvm_error *error;
    assert_int_equal(slots[1].i64, 5);
    assert_true(slots[2].f32 == 2.5f && slots[3].f64 == 0.25);
    assert_int_equal(slots[5].i64, UINT64_C(0x300000003));
    if (waits(env, caller, &error)) return error;
    answer_many(slots);
    return NULL;
}

static fnvm_error *host_wide(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    fnvm_error *error;
    for (uint32_t i = 1; i < 8; i++) assert_int_equal(slots[i].i32, i + 1);
    if (waits(env, caller, &error)) return error;
    slots[0].i32 *= 2;
    return NULL;
}

static fnvm_error *host_none(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)slots;
    fnvm_error *error;
    return waits(env, caller, &error) ? error : NULL;
}

static fnvm_error *host_make(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    fnvm_error *error;
    slots[0].ref = 0;
    return waits(env, caller, &error) ? error : NULL;
}

static fnvm_error *call(World *w, const char *name, int32_t arg, int32_t *result);

/* Calls the guest, which throws; while it is called, nobody can be left waiting. */
static fnvm_error *host_back(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    fnvm_error *error;
    if (waits(w, caller, &error)) return error;
    int32_t result;
    return call(w, "thrower", (int32_t)slots[0].i32, &result);
}

/* ---- Worlds ---- */

static void define(World *w, fnvm_linker *l)
{
    must(fnvm_linker_define_func(l, "host", "wait", "i32 -> i32", host_wait, w));
    must(fnvm_linker_define_func(l, "host", "many", "i32 i64 f32 f64 v128 -> f64 i32 v128",
                                 host_many, w));
    must(fnvm_linker_define_func(l, "host", "wide", "i32 i32 i32 i32 i32 i32 i32 i32 -> i32",
                                 host_wide, w));
    must(fnvm_linker_define_func(l, "host", "none", "->", host_none, w));
    must(fnvm_linker_define_func(l, "host", "back", "i32 -> i32", host_back, w));
    must(fnvm_linker_define_func(l, "host", "make", "i32 -> externref", host_make, w));
}

static void world_open(World *w, Which which, Mode mode)
{
    fnvm_config config;
    fnvm_config_default(&config);
    *w = (World){.which = which, .mode = mode, .fuel = w->fuel};
    config.engine = which == INTERPRETED ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_AUTO;
    config.jit_filter = is_wanted;
    config.jit_filter_env = &w->which;
    config.fuel = w->fuel;
    must(fnvm_engine_new(&config, &w->engine));
    must(fnvm_module_new(w->engine, source, sizeof source - 1, &w->module));
    must(fnvm_store_new(w->engine, &w->store));
    must(fnvm_linker_new(w->store, &w->linker));
    define(w, w->linker);
    must(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
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

static bool is_suspension(const fnvm_error *error)
{
    return fnvm_error_code(error) == FNVM_E_SUSPENDED;
}

/* Lets the guest go on once; `given` is what host.wait returns. */
static fnvm_error *go_on(World *w, int32_t given, int32_t *result)
{
    fnvm_val out = {.kind = FNVM_I32};
    fnvm_slot answer = {.i64 = UINT64_C(0xBAD) << 32 | (uint32_t)given};
    assert_true(fnvm_store_suspended(w->store));
    fnvm_error *error = w->mode == REPEAT ? fnvm_store_resume(w->store, &out, 1)
                                          : fnvm_store_resume_with(w->store, &answer, &out, 1);
    *result = out.of.i32;
    return error;
}

/* Result or error with its backtrace, and the fuel that is left, as text. */
static void describe(World *w, fnvm_error *error, int32_t result, char *text, size_t size)
{
    size_t at = 0, n = 0;
    const fnvm_frame *frames = NULL;
    if (error) {
        n = fnvm_error_frames(error, &frames);
        at = (size_t)snprintf(text, size, "%s:", fnvm_error_message(error));
    } else {
        at = (size_t)snprintf(text, size, "%d", result);
    }
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " %u@%llu", frames[i].func_index,
                               (unsigned long long)frames[i].offset);
    if (w->fuel) snprintf(text + at, size - at, " fuel %llu",
                          (unsigned long long)fnvm_store_fuel(w->store));
    fnvm_error_free(error);
}

static void outcome(World *w, const char *name, int32_t arg, char *text, size_t size)
{
    int32_t result;
    if (w->fuel) fnvm_store_set_fuel(w->store, 1000000);
    fnvm_error *error = call(w, name, arg, &result);
    while (is_suspension(error)) error = go_on(w, 0, &result);
    assert_false(fnvm_store_suspended(w->store));
    describe(w, error, result, text, size);
}

/* ---- Going on is as if nothing had been ---- */

static const struct { const char *name; int32_t arg; const char *result; } repeated[] = {
    {"down", 0, "14"}, {"down", 1, NULL}, {"down", 4, NULL}, {"down", 5, NULL}, {"down", 300, NULL},
    {"tails", 1, NULL}, {"only_tail", 4, "10"}, {"kinds", 1, "1037"}, {"catches", 3, "4007"},
    {"uncaught", 3, NULL}, {"catches_back", 9, "14"}, {"trap", 1, NULL}, {"trap", 40000, NULL},
    {"loop", 10, "110"}, {"keeps", 6, NULL}, {"external", 0, "1"}, {"down", 2, NULL}};
enum { REPEATED = sizeof repeated / sizeof *repeated };

static void repeats_agree(bool fuel)
{
    static char expected[REPEATED][4096], found[4096];
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World here = {.fuel = fuel}, waiting = {.fuel = fuel};
        world_open(&here, which, AT_ONCE);
        world_open(&waiting, which, REPEAT);
        for (size_t i = 0; i < REPEATED; i++) {
            if (which == INTERPRETED)
                outcome(&here, repeated[i].name, repeated[i].arg, expected[i], sizeof *expected);
            outcome(&waiting, repeated[i].name, repeated[i].arg, found, sizeof found);
            assert_string_equal(found, expected[i]);
            if (repeated[i].result && !fuel) assert_string_equal(found, repeated[i].result);
        }
        assert_true(waiting.waits >= REPEATED);
        assert_int_equal(waiting.calls, 2 * waiting.waits);
        world_close(&here);
        world_close(&waiting);
    }
}

static void repeated_calls_agree(void **state) { (void)state, repeats_agree(false); }
static void fuel_agrees(void **state) { (void)state, repeats_agree(true); }

static void answers_are_results(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        int32_t result;
        fnvm_val out;
        world_open(&w, which, RETURN);
        assert_true(is_suspension(call(&w, "down", 5, &result)));
        must(go_on(&w, 100, &result));
        assert_int_equal(result, 100 + 3 * (5 + 3 + 1) + 3 * 5);
        assert_true(is_suspension(call(&w, "only_tail", 5, &result)));
        must(go_on(&w, -3, &result));
        assert_int_equal(result, -3);
        /* Several results, then none. */
        assert_true(is_suspension(call(&w, "kinds", 5, &result)));
        fnvm_slot many[4];
        answer_many(many);
        assert_true(is_suspension(fnvm_store_resume_with(w.store, many, &out, 1)));
        must(fnvm_store_resume_with(w.store, NULL, &out, 1));
        assert_int_equal(out.of.i32, 1037);
        assert_int_equal(w.calls, 4);
        world_close(&w);
    }
}

/* A reference is given as a handle, and its type is checked before anything goes on. */
static void answers_are_checked(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        int32_t result;
        fnvm_val out;
        fnvm_slot answer;
        fnvm_extern func;
        world_open(&w, which, RETURN);
        assert_true(is_suspension(call(&w, "external", 5, &result)));
        assert_true(fnvm_instance_export(w.instance, "spin", 4, &func));
        must(fnvm_ref_from_func(w.store, func, &answer.ref));
        refused(fnvm_store_resume_with(w.store, &answer, &out, 1), "result 0");
        refused(fnvm_store_resume_with(w.store, &answer, &out, 2), "gives 1 results");
        refused(fnvm_store_resume(w.store, &out, 1), "fnvm_store_resume_with");
        must(fnvm_ref_from_host(w.store, 77, &answer.ref));
        must(fnvm_store_resume_with(w.store, &answer, &out, 1));
        assert_int_equal(out.of.i32, 0); /* not null */
        w.mode = REPEAT;
        w.woken = false;
        assert_true(is_suspension(call(&w, "down", 0, &result)));
        refused(fnvm_store_resume_with(w.store, &answer, &out, 1), "fnvm_store_resume");
        must(fnvm_store_resume(w.store, &out, 1));
        world_close(&w);
    }
}

/* ---- While it waits ---- */

static void store_is_closed_meanwhile(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        int32_t result;
        fnvm_instance *other;
        unsigned char hash[32];
        world_open(&w, which, REPEAT);
        assert_true(is_suspension(call(&w, "down", 5, &result)));
        refused(call(&w, "down", 5, &result), "waits in a host function");
        refused(fnvm_linker_instantiate(w.linker, w.module, &other), "waits in a host function");
        refused(fnvm_store_hash(w.store, hash), "nothing runs");
        must(go_on(&w, 0, &result));
        fnvm_val out;
        refused(fnvm_store_resume(w.store, &out, 1), "no suspended call");
        refused(fnvm_store_resume_with(w.store, NULL, &out, 1), "no guest waits");
        world_close(&w);
    }
}

static void interrupts_end_it(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        int32_t result;
        const fnvm_frame *frames;
        world_open(&w, which, REPEAT);
        assert_true(is_suspension(call(&w, "down", 5, &result)));
        const unsigned calls = w.calls;
        fnvm_store_interrupt(w.store);
        fnvm_error *error = go_on(&w, 0, &result);
        assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_INTERRUPTED);
        assert_int_equal(fnvm_error_frames(error, &frames), 6);
        fnvm_error_free(error);
        assert_int_equal(w.calls, calls); /* the host was not asked again */
        assert_false(fnvm_store_suspended(w.store));
        fnvm_store_clear_interrupt(w.store);
        w.mode = AT_ONCE;
        must(call(&w, "down", 5, &result));
        world_close(&w);
    }
}

static void abandoned_calls_leave_nothing(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        int32_t result;
        world_open(&w, which, REPEAT);
        for (int i = 0; i < 5000; i++) { /* more than the stack would hold */
            w.woken = false;
            assert_true(is_suspension(call(&w, i % 2 ? "down" : "keeps", 200, &result)));
            fnvm_store_abandon(w.store);
            assert_false(fnvm_store_suspended(w.store));
            fnvm_store_abandon(w.store);
        }
        w.mode = AT_ONCE;
        must(call(&w, "keeps", 0, &result));
        assert_int_equal(result, 70 + 5 + 2);
        w.mode = REPEAT;
        w.woken = false;
        assert_true(is_suspension(call(&w, "keeps", 20, &result)));
        world_close(&w); /* a store is freed with its guest waiting */
    }
}

/* ---- Where it cannot be ---- */

static fnvm_error *suspend_nested(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    int32_t result;
    (void)slots;
    w->said = call(w, "down", 3, &result); /* the inner host function asks to wait */
    return fnvm_caller_suspend(caller, FNVM_WAKE_RETURN); /* here it may */
}

static void nested_calls_cannot_wait(void **state)
{
    (void)state;
    static const char outer[] =
        "(module (import \"host\" \"nest\" (func $n)) (import \"host\" \"other\" (func $o))\n"
        " (func (export \"run\") (call $n)) (func (export \"direct\") (call $o)))";
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        fnvm_module *m;
        fnvm_instance *inst;
        fnvm_extern run, own;
        world_open(&w, which, REPEAT);
        must(fnvm_linker_define_func(w.linker, "host", "nest", "->", suspend_nested, &w));
        must(fnvm_linker_define_func(w.linker, "host", "other", "->", host_none, &w));
        must(fnvm_module_new(w.engine, outer, sizeof outer - 1, &m));
        must(fnvm_linker_instantiate(w.linker, m, &inst));
        assert_true(fnvm_instance_export(inst, "run", 3, &run));
        assert_true(is_suspension(fnvm_func_call(w.store, run, NULL, 0, NULL, 0)));
        refused(w.said, "has called back into it");
        must(fnvm_store_resume_with(w.store, NULL, NULL, 0));
        /* A host function that the embedder calls has no guest. */
        must(fnvm_func_new(w.store, "->", host_none, &w, &own));
        w.woken = false;
        refused(fnvm_func_call(w.store, own, NULL, 0, NULL, 0), "not called by a guest");
        fnvm_module_release(m);
        world_close(&w);
    }
}

static void start_functions_cannot_wait(void **state)
{
    (void)state;
    static const char starts[] =
        "(module (import \"host\" \"none\" (func $n)) (func $s (call $n)) (start $s))";
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        fnvm_module *m;
        fnvm_instance *inst;
        int32_t result;
        world_open(&w, which, REPEAT);
        must(fnvm_module_new(w.engine, starts, sizeof starts - 1, &m));
        refused(fnvm_linker_instantiate(w.linker, m, &inst), "start function");
        w.woken = false;
        assert_true(is_suspension(call(&w, "down", 3, &result)));
        must(go_on(&w, 0, &result));
        fnvm_module_release(m);
        world_close(&w);
    }
}

/* A suspension of another store's guest is none of this one's. */
static fnvm_error *run_other(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    int32_t result;
    (void)caller, (void)slots;
    return call(env, "down", 2, &result);
}

static void suspensions_do_not_spread(void **state)
{
    (void)state;
    static const char outer[] = "(module (import \"host\" \"o\" (func $o))\n"
                                " (func (export \"run\") (call $o)))";
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0}, other = {0};
        fnvm_module *m;
        fnvm_instance *inst;
        fnvm_extern run;
        int32_t result;
        world_open(&w, which, REPEAT);
        world_open(&other, which, REPEAT);
        must(fnvm_linker_define_func(w.linker, "host", "o", "->", run_other, &other));
        must(fnvm_module_new(w.engine, outer, sizeof outer - 1, &m));
        must(fnvm_linker_instantiate(w.linker, m, &inst));
        assert_true(fnvm_instance_export(inst, "run", 3, &run));
        refused(fnvm_func_call(w.store, run, NULL, 0, NULL, 0), "fnvm_caller_suspend had not");
        assert_false(fnvm_store_suspended(w.store));
        must(go_on(&other, 0, &result));
        fnvm_module_release(m);
        world_close(&w);
        world_close(&other);
    }
}

/* ---- Several guests, several threads ---- */

enum { MANY = 40 };

static void *resume_all(void *env)
{
    World *all = env;
    for (int i = 0; i < MANY; i++) {
        int32_t result = 0;
        fnvm_error *error = go_on(&all[i], 0, &result);
        const int32_t n = i % 7;
        if (error || result != 2 + n * (n + 1) / 2 + 75 * (n + 1)) return &all[i];
    }
    return NULL;
}

/* Objects of waiting guests outlive collections that others cause, and their stores go on where
 * they are asked to. */
static void waiting_guests_keep_objects(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        static World all[MANY], busy;
        int32_t result;
        pthread_t thread;
        void *wrong;
        world_open(&busy, which, AT_ONCE);
        for (int i = 0; i < MANY; i++) {
            world_open(&all[i], which, REPEAT);
            assert_true(is_suspension(call(&all[i], "keeps", i % 7, &result)));
            must(call(&busy, "litter", 20000, &result));
        }
        must(call(&busy, "litter", 2000000, &result));
        assert_int_equal(pthread_create(&thread, NULL, resume_all, all), 0);
        must(call(&busy, "litter", 200000, &result));
        pthread_join(thread, &wrong);
        assert_null(wrong);
        for (int i = 0; i < MANY; i++) world_close(&all[i]);
        world_close(&busy);
    }
}

/* ---- Calls in slots ---- */

static void slots_are_values(void **state)
{
    (void)state;
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w = {0};
        fnvm_extern func;
        fnvm_slot slots[1] = {{.i64 = UINT64_C(0xFFFFFFFF00000004)}};
        world_open(&w, which, AT_ONCE);
        assert_true(fnvm_instance_export(w.instance, "down", 4, &func));
        must(fnvm_func_call_slots(w.store, func, slots));
        assert_int_equal(slots[0].i64, 14 + 3 * (4 + 2) + 2 * 5);
        must(fnvm_func_new(w.store, "externref ->", host_make, &w, &func));
        refused(fnvm_func_call_slots(w.store, func, slots), "references");
        refused(fnvm_func_call_slots(w.store, (fnvm_extern){0}, slots), "not a function");
        w.mode = REPEAT;
        assert_true(fnvm_instance_export(w.instance, "down", 4, &func));
        slots[0].i32 = 4;
        assert_true(is_suspension(fnvm_func_call_slots(w.store, func, slots)));
        fnvm_store_abandon(w.store);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_calls_agree),
        cmocka_unit_test(fuel_agrees),
        cmocka_unit_test(answers_are_results),
        cmocka_unit_test(answers_are_checked),
        cmocka_unit_test(store_is_closed_meanwhile),
        cmocka_unit_test(interrupts_end_it),
        cmocka_unit_test(abandoned_calls_leave_nothing),
        cmocka_unit_test(nested_calls_cannot_wait),
        cmocka_unit_test(start_functions_cannot_wait),
        cmocka_unit_test(suspensions_do_not_spread),
        cmocka_unit_test(waiting_guests_keep_objects),
        cmocka_unit_test(slots_are_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
