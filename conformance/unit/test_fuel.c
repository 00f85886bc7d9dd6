/* Fuel in compiled code: whatever a call does, it costs what the interpreter takes for it, whoever
 * runs its functions; and with too little it stops, the same way each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

static const char source[] =
    "(module (import \"host\" \"fuel\" (func $fuel (result i64)))\n"
    "  (import \"host\" \"fail\" (func $fail))\n"
    "  (tag $e (param i32)) (memory (export \"m\") 1)\n"
    "  (type $s (struct (field (mut i32)))) (type $a (array (mut i32)))\n"
    "  (type $f (func (param i32) (result i32)))\n"
    "  (table $t 8 funcref) (elem (table $t) (i32.const 0) func $inc $tail $sink)\n"
    "  (elem $items func $inc $inc $inc)\n"
    "  (func $inc (type $f) (i32.add (local.get 0) (i32.const 1)))\n"
    "  (func $tail (type $f) (return_call $inc (i32.mul (local.get 0) (i32.const 3))))\n"
    "  (func $sink (param i32))\n"
    "  (func (export \"straight\") (param i32) (result i32)\n"
    "    (i32.add (i32.mul (local.get 0) (local.get 0)) (i32.const 3)))\n"
    "  (func (export \"marks\") (param i32) (result i32)\n"
    "    (nop) (block (nop)) (block (result i32) (nop) (local.get 0)))\n"
    "  (func (export \"free\") (param i32) (result i32) (nop) (block (nop)) (call $nothing)\n"
    "    (local.get 0))\n"
    "  (func $nothing (block (nop)))\n"
    /* Branches. */
    "  (func (export \"if\") (param i32) (result i32)\n"
    "    (if (local.get 0) (then (local.set 0 (i32.const 7)) (nop)))\n"
    "    (if (i32.lt_s (local.get 0) (i32.const 5)) (then (return (i32.const 1)))\n"
    "      (else (local.set 0 (i32.add (local.get 0) (i32.const 2)))\n"
    "        (local.set 0 (i32.add (local.get 0) (i32.const 2)))))\n"
    "    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 4)) (else (local.get 0))))\n"
    "  (func (export \"loop\") (param i32) (result i32) (local i32)\n"
    "    (loop $o (local.set 1 (i32.const 3))\n"
    "      (loop $i (br_if $i (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))) (nop))\n"
    "      (br_if $o (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))\n"
    "        (i32.const 0)))) (local.get 1))\n"
    "  (func (export \"table\") (param i32) (result i32) (local i32)\n"
    "    (block $d (block $b (block $a (br_table $a $b $d (local.get 0)))\n"
    "      (local.set 1 (i32.const 11)) (br $d)) (local.set 1 (i32.const 2)) (nop))\n"
    "    (block $v (result i32) (br_table $v $v (i32.const 9) (i32.add (local.get 1)\n"
    "      (local.get 0)))))\n"
    "  (func (export \"value\") (param i32) (result i32)\n"
    "    (block $v (result i32) (i32.const 1) (br_if $v (local.get 0)) (drop)\n"
    "      (i32.const 4) (i32.add (i32.const 1))) (i32.add (i32.const 2)))\n"
    "  (func (export \"dead\") (param i32) (result i32)\n"
    "    (block $b (br $b) (i32.div_u (i32.const 1) (i32.const 0)) (drop) (loop (br 0)))\n"
    "    (if (local.get 0) (then (return (i32.const 1)) (block (nop))) (else (nop) (br 0)))\n"
    "    (i32.const 2))\n"
    /* What the compiler makes one of, and leaves in the flags. */
    "  (func (export \"pairs\") (param i32) (result i32)\n"
    "    (if (i32.eqz (i32.and (local.get 0) (i32.const 6))) (then (return (i32.const 3))))\n"
    "    (block $b (br_if $b (i32.and (local.get 0) (i32.const 1)))\n"
    "      (br_if $b (i64.eqz (i64.and (i64.extend_i32_u (local.get 0)) (i64.const 3)))))\n"
    "    (select (i32.add (i32.const 5) (i32.shl (local.get 0) (i32.const 2))) (i32.const 8)\n"
    "      (f64.lt (f64.const 1) (f64.convert_i32_s (local.get 0)))))\n"
    /* Calls. */
    "  (func (export \"calls\") (param i32) (result i32)\n"
    "    (i32.add (call $inc (local.get 0)) (call_indirect (type $f) (local.get 0)\n"
    "      (i32.and (local.get 0) (i32.const 1))))\n"
    "    (i32.add (call_ref $f (local.get 0) (ref.func $tail))))\n"
    "  (func (export \"indirect\") (param i32) (result i32) (nop)\n"
    "    (call_indirect (type $f) (i32.const 5) (local.get 0)) (i32.add (i32.const 1)))\n"
    "  (func (export \"seen\") (param i32) (result i32)\n"
    "    (i32.wrap_i64 (i64.add (call $fuel) (call $fuel))) (call $fuel) (drop)\n"
    "    (i32.xor (i32.wrap_i64 (call $fuel))))\n"
    "  (func $down (export \"recursion\") (type $f)\n"
    "    (if (result i32) (local.get 0)\n"
    "      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))\n"
    "      (else (i32.const 0))))\n"
    /* Exceptions, out of the middle of what would else be paid for at once. */
    "  (func $throws (type $f) (i32.const 1) (throw $e (local.get 0)) (drop) (drop))\n"
    "  (func $passes (type $f) (i32.add (call $throws (local.get 0)) (i32.const 4)))\n"
    "  (func $catches (export \"catch\") (type $f)\n"
    "    (block $h (result i32) (try_table (catch $e $h) (drop (i32.add (i32.const 1)\n"
    "      (call $passes (local.get 0)))) (nop)) (i32.const 9)) (i32.add (i32.const 1)))\n"
    "  (func (export \"again\") (param i32) (result i32) (local exnref)\n"
    "    (block $o (result i32) (try_table (catch $e $o)\n"
    "      (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e (local.get 0)))\n"
    "        (unreachable)) (local.set 1) (drop (i32.const 1)) (throw_ref (local.get 1)))\n"
    "      (unreachable)))\n"
    "  (func (export \"uncaught\") (param i32) (result i32)\n"
    "    (i32.add (call $passes (local.get 0)) (i32.const 1)))\n"
    /* References and bulk operations. */
    "  (func (export \"casts\") (param i32) (result i32) (local anyref)\n"
    "    (local.set 1 (select (result anyref) (struct.new $s (local.get 0))\n"
    "      (ref.i31 (local.get 0)) (i32.and (local.get 0) (i32.const 1))))\n"
    "    (if (i32.eq (local.get 0) (i32.const 4)) (then (local.set 1 (ref.null any))))\n"
    "    (block $n (block $s (result (ref $s)) (block $j (result (ref any))\n"
    "      (br_on_non_null $j (local.get 1)) (br $n))\n"
    "      (br_on_cast $s anyref (ref $s)) (drop) (br $n)) (drop)\n"
    "      (return (struct.get $s 0 (ref.cast (ref $s) (local.get 1)))))\n"
    "    (block $z (br_on_null $z (local.get 1)) (drop) (return (i32.const 3)))\n"
    "    (i32.const 4))\n"
    "  (func (export \"bulk\") (param i32) (result i32)\n"
    "    (memory.fill (i32.const 8) (i32.const 5) (local.get 0))\n"
    "    (memory.copy (i32.const 9) (i32.const 8) (local.get 0))\n"
    "    (table.init $t $items (i32.const 0) (i32.const 1) (i32.const 2))\n"
    "    (array.fill $a (array.new_default $a (local.get 0)) (i32.const 0) (i32.const 1)\n"
    "      (local.get 0)) (i32.load (i32.const 16)))\n"
    /* Traps with more of the same stretch before and behind. */
    "  (func (export \"divide\") (param i32) (result i32)\n"
    "    (i32.add (i32.const 2) (i32.div_u (i32.const 9) (local.get 0)))\n"
    "    (i32.mul (i32.const 5)) (i32.add (i32.const 1)))\n"
    "  (func $outside (export \"outside\") (type $f)\n"
    "    (i32.store (i32.const 0) (i32.load (local.get 0))) (i32.load (i32.const 0))\n"
    "    (i32.add (i32.const 3)) (block (nop)) (i32.add (i32.const 3)))\n"
    "  (func (export \"deeper\") (type $f) (i32.const 1)\n"
    "    (i32.add (call $outside (local.get 0))) (i32.const 2) (i32.add))\n"
    "  (func (export \"null\") (param i32) (result i32)\n"
    "    (i32.add (struct.get $s 0 (ref.null $s)) (local.get 0)) (i32.add (i32.const 1)))\n"
    "  (func (export \"unreachable\") (param i32) (result i32)\n"
    "    (if (local.get 0) (then (unreachable))) (local.get 0) (unreachable))\n"
    "  (func (export \"fails\") (param i32) (result i32) (i32.const 1) (call $fail)\n"
    "    (i32.add (local.get 0)))\n"
    /* What it has done is seen in memory. */
    "  (func (export \"counts\") (param i32) (result i32)\n"
    "    (loop (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))\n"
    "      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))\n"
    "    (i32.load (i32.const 0))))\n";

static const char *const names[] = {
    "straight", "marks", "free", "if", "loop", "table", "value", "dead", "pairs", "calls",
    "indirect", "seen", "recursion", "catch", "again", "uncaught", "casts", "bulk", "divide",
    "outside", "deeper", "null", "unreachable", "fails", "counts"};
enum { NAMES = sizeof names / sizeof *names, PLENTY = 1000000 };
static const int32_t args[] = {1, 0, 2, 3, 4, 6, 64, 200, 65532, -1};
enum { ARGS = sizeof args / sizeof *args };

/* ---- A world ---- */

typedef enum Which { INTERPRETED, COMPILED, EVEN, ODD, WHICH_COUNT } Which;

static bool is_wanted(void *env, uint32_t func)
{
    const Which *which = env;
    return *which == COMPILED || (func % 2 == 0) == (*which == EVEN);
}

typedef struct World {
    Which which;
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static fnvm_error *host_fuel(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const World *w = env;
    slots[0].i64 = fnvm_store_fuel(w->store);
    return NULL;
}

static fnvm_error *host_fail(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env, (void)slots;
    return fnvm_error_trap_new(FNVM_TRAP_HOST, "the host fails");
}

static void world_open(World *w, Which which)
{
    fnvm_module *module;
    fnvm_config config;
    fnvm_config_default(&config);
    *w = (World){.which = which};
    config.fuel = true;
    config.engine = which == INTERPRETED ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_AUTO;
    config.jit_filter = is_wanted;
    config.jit_filter_env = &w->which;
    assert_null(fnvm_engine_new(&config, &w->engine));
    fnvm_error *error = fnvm_module_new(w->engine, source, sizeof source - 1, &module);
    if (error) fail_msg("%s", fnvm_error_message(error));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    assert_null(fnvm_linker_define_func(w->linker, "host", "fuel", " -> i64", host_fuel, w));
    assert_null(fnvm_linker_define_func(w->linker, "host", "fail", " -> ", host_fail, NULL));
    fnvm_store_set_fuel(w->store, PLENTY);
    assert_null(fnvm_linker_instantiate(w->linker, module, &w->instance));
    fnvm_module_release(module);
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_engine_free(w->engine);
}

typedef struct Outcome {
    fnvm_code code;
    fnvm_trap trap;
    int32_t result;
    uint32_t counted; /* the first word of memory */
    uint64_t left;
} Outcome;

static fnvm_extern exported(World *w, const char *name)
{
    fnvm_extern e;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &e));
    return e;
}

static Outcome run(World *w, const char *name, int32_t arg, uint64_t fuel)
{
    Outcome o = {0};
    fnvm_val in = {.kind = FNVM_I32, .of.i32 = arg}, out = {.kind = FNVM_I32};
    uint8_t *memory = fnvm_memory_base(w->store, exported(w, "m"));
    memset(memory, 0, 4);
    fnvm_store_set_fuel(w->store, fuel);
    fnvm_error *error = fnvm_func_call(w->store, exported(w, name), &in, 1, &out, 1);
    if (error) {
        o.code = fnvm_error_code(error);
        o.trap = fnvm_error_trap(error);
    } else {
        o.result = out.of.i32;
    }
    fnvm_error_free(error);
    o.left = fnvm_store_fuel(w->store);
    memcpy(&o.counted, memory, 4);
    return o;
}

static bool ends_alike(const Outcome *a, const Outcome *b)
{
    return a->code == b->code && a->trap == b->trap && a->result == b->result &&
           a->counted == b->counted;
}

/* ---- Tests ---- */

static void engines_cost_the_same(void **state)
{
    (void)state;
    static Outcome expected[NAMES][ARGS];
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w;
        world_open(&w, which);
        for (size_t i = 0; i < (size_t)NAMES * ARGS; i++) {
            Outcome *e = &expected[i / ARGS][i % ARGS];
            const char *name = names[i / ARGS];
            const int32_t arg = args[i % ARGS];
            Outcome o = run(&w, name, arg, PLENTY);
            if (which == INTERPRETED) *e = o;
            if (!ends_alike(&o, e) || o.left != e->left)
                fail_msg("%s(%d), which %u: trap %u, %d, left %llu, not trap %u, %d, left %llu",
                         name, (int)arg, which, o.trap, (int)o.result,
                         (unsigned long long)o.left, e->trap, (int)e->result,
                         (unsigned long long)e->left);
        }
        world_close(&w);
    }
}

/* Numbers that a reader can check. */
static void costs_are_as_documented(void **state)
{
    (void)state;
    static const struct { const char *name; int32_t arg; uint64_t cost; } known[] = {
        {"straight", 5, 5}, {"marks", 1, 1}, {"free", 1, 2}, {"value", 1, 5}, {"value", 0, 9},
        {"recursion", 0, 3}, {"recursion", 2, 2 * 8 + 3}, {"counts", 10, 10 * 11 + 2},
        {"unreachable", 1, 3}, {"unreachable", 0, 4}, {"divide", 0, 4}, {"divide", 1, 9},
        {"catch", 1, 4 + 2 + 3 + 2}, {"bulk", 6400, 20 + 4 * 100}};
    for (Which which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w;
        world_open(&w, which);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            uint64_t cost = PLENTY - run(&w, known[i].name, known[i].arg, PLENTY).left;
            if (cost != known[i].cost)
                fail_msg("%s(%d) costs %llu, not %llu", known[i].name, (int)known[i].arg,
                         (unsigned long long)cost, (unsigned long long)known[i].cost);
        }
        world_close(&w);
    }
}

/* With what a call needs and no more it ends as ever, wherever it ends well; with less it traps and
 * leaves nothing, having done no more than the interpreter, and the same every time. */
static void too_little_stops(void **state)
{
    (void)state;
    World interpreter, w;
    world_open(&interpreter, INTERPRETED);
    for (Which which = COMPILED; which < WHICH_COUNT; which++) {
        world_open(&w, which);
        for (size_t i = 0; i < NAMES; i++) {
            if (strcmp(names[i], "seen") == 0) continue; /* sees how much there is */
            Outcome full = run(&w, names[i], 3, PLENTY);
            const uint64_t cost = PLENTY - full.left;
            assert_in_range(cost, 1, 1000);
            for (uint64_t fuel = 0; fuel < cost; fuel++) {
                Outcome o = run(&w, names[i], 3, fuel), again = run(&w, names[i], 3, fuel);
                Outcome most = run(&interpreter, names[i], 3, fuel);
                assert_int_equal(o.trap, FNVM_TRAP_OUT_OF_FUEL);
                assert_int_equal(o.left, 0);
                assert_true(ends_alike(&o, &again));
                if (strcmp(names[i], "counts") == 0) assert_true(o.counted <= most.counted);
            }
            Outcome o = run(&w, names[i], 3, cost);
            if (full.code != FNVM_OK && o.trap == FNVM_TRAP_OUT_OF_FUEL) continue;
            assert_true(ends_alike(&o, &full));
            assert_int_equal(o.left, 0);
        }
        world_close(&w);
    }
    world_close(&interpreter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_cost_the_same),
        cmocka_unit_test(costs_are_as_documented),
        cmocka_unit_test(too_little_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
