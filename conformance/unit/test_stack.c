/* Suspended calls: what a store is in the midst of at a host call goes on in another store of the
 * same modules and ends as it would have, whichever engines had and have the functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vm/frames.h"
#include "vm/image/suspended.h"

/* ---- The programs ---- */

/* The other module, made first. */
static const char other[] =
    "(module (type $f (func (param i32) (result i32)))\n"
    "  (import \"h\" \"stop\" (func $stop (param i32) (result i32)))\n"
    "  (global (export \"g\") (mut i32) (i32.const 5))\n"
    "  (func (export \"across\") (param i32) (result i32) (local i64)\n"
    "    (local.set 1 (i64.const 77)) (global.set 0 (i32.const 50))\n"
    "    (i32.add (call $stop (local.get 0))\n"
    "      (i32.add (global.get 0) (i32.wrap_i64 (local.get 1)))))\n"
    "  (func (export \"tail_across\") (param i32 i32) (result i32)\n"
    "    (return_call $stop (i32.add (local.get 0) (local.get 1))))\n"
    "  (func (export \"back\") (param i32 (ref null $f)) (result i32)\n"
    "    (i32.mul (i32.const 3) (call_ref $f (local.get 0) (local.get 1)))))\n";

static const char source[] =
    "(module (type $f (func (param i32) (result i32)))\n"
    "  (type $many (func (param i64 f32 i32 f64) (result f64 i32 i64)))\n"
    "  (import \"h\" \"stop\" (func $stop (type $f)))\n"
    "  (import \"h\" \"zero\" (func $zero (result i32)))\n"
    "  (import \"h\" \"many\" (func $host_many (type $many)))\n"
    "  (import \"h\" \"vector\" (func $host_vector (param v128) (result v128)))\n"
    "  (import \"h\" \"throw\" (func $throw (param i32) (result i32)))\n"
    "  (import \"h\" \"trap\" (func $trap (type $f)))\n"
    "  (import \"h\" \"object\" (func $object (param anyref i32 externref) (result i32)))\n"
    "  (import \"b\" \"across\" (func $across (type $f)))\n"
    "  (import \"b\" \"tail_across\" (func $tail_across (param i32 i32) (result i32)))\n"
    "  (import \"b\" \"back\" (func $back (param i32 (ref null $f)) (result i32)))\n"
    "  (tag $e (param i32)) (memory (export \"memory\") 1)\n"
    "  (global $g (mut i64) (i64.const 1)) (table 8 funcref)\n"
    "  (elem (i32.const 0) $stop $direct $tail1 $across $add_stop)\n"
    "  (elem declare func $stop $direct $add_stop)\n"
    "  (func (export \"thrower\") (param i32) (throw $e (local.get 0)))\n"
    /* What is live across the call: locals of all kinds, operands below, state outside. */
    "  (func $direct (export \"direct\") (param i32) (result i32) (local i64 f32 f64 i32)\n"
    "    (local.set 1 (i64.const 123456789012)) (local.set 2 (f32.const 2.5))\n"
    "    (local.set 3 (f64.const -7.25)) (local.set 4 (i32.const -1))\n"
    "    (global.set $g (i64.const 40)) (i32.store (i32.const 8) (i32.const 900))\n"
    "    (i32.const 1000000) (i64.const 5) (f64.const 8)\n"
    "    (call $stop (i32.mul (local.get 0) (i32.const 2)))\n"
    "    (local.set 0) (i32.trunc_f64_s) (local.set 4 (i32.add (local.get 4)))\n"
    "    (i32.wrap_i64) (i32.add) (i32.add (local.get 0)) (i32.add (local.get 4))\n"
    "    (i32.add (i32.trunc_f32_s (local.get 2))) (i32.add (i32.trunc_f64_s (local.get 3)))\n"
    "    (i32.add (i32.wrap_i64 (local.get 1))) (i32.add (i32.wrap_i64 (global.get $g)))\n"
    "    (i32.add (i32.load (i32.const 8))))\n"
    "  (func $deep (param i32 i64) (result i64)\n"
    "    (if (i32.eqz (local.get 0)) (then (return (i64.add (local.get 1)\n"
    "      (i64.extend_i32_s (call $stop (i32.const 7)))))))\n"
    "    (i64.add (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 3))\n"
    "      (call $deeper (i32.sub (local.get 0) (i32.const 1))\n"
    "        (i64.add (local.get 1) (i64.const 2)) (f32.const 1))))\n"
    "  (func $deeper (param i32 i64 f32) (result i64)\n"
    "    (if (i32.eqz (local.get 0)) (then (return (call $deep (local.get 0) (local.get 1)))))\n"
    "    (i64.add (call $deep (i32.sub (local.get 0) (i32.const 1)) (i64.const 9))\n"
    "      (i64.trunc_f32_s (local.get 2))))\n"
    "  (func (export \"deep\") (param i32) (result i32)\n"
    "    (i32.wrap_i64 (call $deep (i32.mul (local.get 0) (i32.const 100)) (i64.const 3))))\n"
    /* No locals, nothing below: the call is all there is. */
    "  (func $bare (export \"bare\") (result i32) (call $zero))\n"
    "  (func (export \"bare_own\") (result i32) (call $bare))\n"
    "  (func (export \"bare_loop\") (result i32) (loop (result i32) (call $zero)))\n"
    "  (func (export \"bare_twice\") (result i32) (call $zero) (call $zero) (i32.sub))\n"
    /* Calls of references, of the host's functions and of others. */
    "  (func $add_stop (type $f) (i32.add (call $stop (local.get 0)) (i32.const 11)))\n"
    "  (func (export \"indirect\") (param i32) (result i32) (local i32)\n"
    "    (loop $l (local.set 0 (i32.add (local.get 0) (call_indirect (type $f) (local.get 1)\n"
    "        (local.get 1))))\n"
    "      (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1)))\n"
    "        (i32.const 5))))\n"
    "    (local.get 0))\n"
    "  (func (export \"by_ref\") (param i32) (result i32) (local (ref null $f) (ref $f))\n"
    "    (local.set 1 (ref.func $stop)) (local.set 2 (ref.func $direct))\n"
    "    (i32.sub (call_ref $f (local.get 0) (local.get 1)) (call_ref $f (i32.const 6)\n"
    "      (local.get 2)))\n"
    "    (i32.add (call_ref $f (i32.const 1) (local.get 1))))\n"
    /* Other instances, and back. */
    "  (func (export \"across\") (param i32) (result i32)\n"
    "    (i32.add (call $across (local.get 0)) (call $tail_across (i32.const 3) (i32.const 4))))\n"
    "  (func (export \"back\") (param i32) (result i32)\n"
    "    (i32.add (call $back (local.get 0) (ref.func $add_stop))\n"
    "      (call $back (local.get 0) (ref.func $stop))))\n"
    "  (func (export \"tail_into\") (param i32) (result i32)\n"
    "    (return_call $back (local.get 0) (ref.func $add_stop)))\n"
    /* Tail calls of host functions: from under what is left, or from the entry itself. */
    "  (func $tail (param i32 f64 i32) (result i32) (local i64 i64)\n"
    "    (return_call $stop (i32.add (local.get 0) (local.get 2))))\n"
    "  (func $tail1 (type $f) (return_call $tail (local.get 0) (f64.const 1) (i32.const 9)))\n"
    "  (func (export \"tail\") (param i32) (result i32) (local i64)\n"
    "    (local.set 1 (i64.const 5)) (i32.const 77)\n"
    "    (call $tail1 (local.get 0)) (i32.add) (i32.add (i32.wrap_i64 (local.get 1))))\n"
    "  (func (export \"tail_entry\") (param i32) (result i32) (return_call $stop (local.get 0)))\n"
    "  (func (export \"tail_entry_deep\") (param i32) (result i32) (local i64 i64 i64)\n"
    "    (return_call $tail1 (local.get 0)))\n"
    "  (func (export \"tail_indirect\") (param i32) (result i32)\n"
    "    (return_call_indirect (type $f) (local.get 0) (i32.const 0)))\n"
    "  (func $tail_many (param i32) (result f64 i32 i64)\n"
    "    (return_call $host_many (i64.const 6) (f32.const 3) (local.get 0) (f64.const 1)))\n"
    /* Several results, of the host and of others; more arguments than registers. */
    "  (func $sum (param f64 i32 i64) (result i32) (i32.add (i32.add (local.get 1)\n"
    "    (i32.wrap_i64 (local.get 2))) (i32.trunc_f64_s (local.get 0))))\n"
    "  (func (export \"many\") (param i32) (result i32) (local f64)\n"
    "    (local.set 1 (f64.const 3))\n"
    "    (call $sum (call $host_many (i64.const 9) (f32.const 0.5) (local.get 0) (local.get 1)))\n"
    "    (call $sum (call $tail_many (i32.const 70))) (i32.mul)\n"
    "    (i32.add (i32.trunc_f64_s (local.get 1))))\n"
    "  (func $two (param i32) (result i32 i64)\n"
    "    (call $stop (local.get 0)) (i64.const 1000))\n"
    "  (func (export \"two\") (param i32) (result i32)\n"
    "    (call $two (local.get 0)) (i32.wrap_i64) (i32.add))\n"
    "  (func $wide_args (param i32 i32 i32 i32 i32 i32 i32 i64 f32 f32 f32 f32 f32 f32 f32)\n"
    "    (result i32) (call $stop (local.get 6)) (i32.add (local.get 5))\n"
    "    (i32.add (i32.trunc_f32_s (local.get 14))) (i32.add (i32.wrap_i64 (local.get 7))))\n"
    "  (func (export \"wide_args\") (param i32) (result i32)\n"
    "    (call $wide_args (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)\n"
    "      (i32.const 6) (local.get 0) (i64.const 8) (f32.const 1) (f32.const 2) (f32.const 3)\n"
    "      (f32.const 4) (f32.const 5) (f32.const 6) (f32.const 70)))\n"
    /* Floats and vectors: results in the other registers, and slots of two widths. */
    "  (func $float (param f32) (result f32) (f32.add (local.get 0)\n"
    "    (f32.convert_i32_s (call $stop (i32.const 2)))))\n"
    "  (func $double (param i32) (result f64) (f64.mul (f64.const 0.5)\n"
    "    (f64.promote_f32 (call $float (f32.convert_i32_s (local.get 0))))))\n"
    "  (func (export \"floats\") (param i32) (result i32)\n"
    "    (i32.trunc_f64_s (f64.mul (call $double (local.get 0)) (f64.const 100))))\n"
    "  (func $vector (param v128 i32) (result v128) (local v128)\n"
    "    (local.set 2 (i32x4.splat (i32.const 3)))\n"
    "    (i32x4.add (i32x4.mul (local.get 0) (local.get 2))\n"
    "      (i32x4.splat (call $stop (local.get 1)))))\n"
    "  (func (export \"vectors\") (param i32) (result i32) (local v128 i32) (local $v v128)\n"
    "    (local.set $v (v128.const i32x4 1 2 3 4)) (local.set 2 (i32.const 4))\n"
    "    (drop (select (local.get $v) (local.get 1) (local.get 0)))\n"
    "    (local.get $v) (i32.const 6) (call $host_vector (local.get $v)) (local.set 1)\n"
    "    (local.set 2) (i32x4.add (call $vector (local.get 1) (local.get 0)))\n"
    "    (local.tee 1) (i32x4.extract_lane 2)\n"
    "    (i32.add (i32x4.extract_lane 3 (local.get $v))) (i32.add (local.get 2)))\n"
    /* In blocks of every kind, so that the way on needs the side table. */
    "  (func (export \"blocks\") (param i32) (result i32) (local i32)\n"
    "    (block $out (loop $l\n"
    "      (if (i32.and (local.get 0) (i32.const 1))\n"
    "        (then (local.set 1 (i32.add (local.get 1) (call $stop (local.get 0))))\n"
    "          (br_if $out (i32.gt_u (local.get 1) (i32.const 60))))\n"
    "        (else (local.set 1 (i32.add (local.get 1) (i32.mul (call $stop (i32.const 1))\n"
    "          (i32.const 2))))))\n"
    "      (block $a (block $b (br_table $a $b $a (local.get 0))) (local.set 1 (i32.add\n"
    "        (local.get 1) (i32.const 1))))\n"
    "      (local.set 0 (i32.add (local.get 0) (i32.const 1)))\n"
    "      (br_if $l (i32.lt_u (local.get 0) (i32.const 9)))))\n"
    "    (local.get 1))\n"
    /* Exceptions and traps of the host function itself, and of others after it has returned. */
    "  (func $middle (param i32) (result i32)\n"
    "    (i32.add (call $throw (local.get 0)) (i32.const 1)))\n"
    "  (func $middle_tail (param i32) (result i32) (return_call $throw (local.get 0)))\n"
    "  (func $catch (param i32) (result i32) (local $keep i32)\n"
    "    (local.set $keep (i32.mul (local.get 0) (i32.const 100)))\n"
    "    (local.set $keep (i32.add (local.get $keep) (block $h (result i32)\n"
    "      (try_table (catch $e $h) (drop (call $middle (local.get 0)))) (i32.const -1))))\n"
    "    (i32.add (local.get $keep) (block $h (result i32)\n"
    "      (try_table (catch $e $h) (drop (call $middle_tail (i32.const 4)))) (i32.const -2))))\n"
    "  (func (export \"catch\") (param i32) (result i32) (i32.add (i32.const 7)\n"
    "    (call $catch (local.get 0))))\n"
    "  (func (export \"uncaught\") (param i32) (result i32) (call $middle (local.get 0)))\n"
    "  (func (export \"trap\") (param i32) (result i32) (i32.add (i32.const 1)\n"
    "    (call $trap (local.get 0))))\n"
    "  (func (export \"trap_after\") (param i32) (result i32)\n"
    "    (i32.div_u (call $stop (local.get 0)) (i32.const 0)))\n"
    /* Locals that nothing reads before it writes them, over what another call has left there; and
     * parameters that nothing reads at all. */
    "  (func $litter (param i32) (result i32) (local i64 i64 i64 i64 i64 i64 i64 i64)\n"
    "    (local.set 1 (i64.const -1)) (local.set 2 (i64.const -2)) (local.set 3 (i64.const -3))\n"
    "    (local.set 4 (i64.const -4)) (local.set 5 (i64.const -5)) (local.set 6 (i64.const -6))\n"
    "    (local.set 7 (i64.const -7)) (local.set 8 (i64.const -8))\n"
    "    (call $many_ones (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1)\n"
    "      (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1))\n"
    "    (drop (call $trap_if (i32.const 0)))\n"
    "    (i32.wrap_i64 (i64.add (local.get 1) (i64.add (local.get 2) (i64.add (local.get 3)\n"
    "      (i64.add (local.get 4) (i64.add (local.get 5) (i64.add (local.get 6) (i64.add\n"
    "      (local.get 7) (local.get 8))))))))))\n"
    "  (func $trap_if (param i32) (result i32)\n"
    "    (if (local.get 0) (then (unreachable))) (local.get 0))\n"
    "  (func $many_ones (param i64 i64 i64 i64 i64 i64 i64 i64))\n"
    "  (func $dead (param i32 funcref i32) (result i32)\n"
    "    (local i32 funcref (ref null $f) (ref $f) i32)\n"
    "    (call $stop (local.get 0)) (local.set 3) (local.set 4 (ref.func $stop))\n"
    "    (local.set 5 (ref.func $stop)) (local.set 6 (ref.func $add_stop))\n"
    "    (local.set 7 (call_ref $f (local.get 3) (local.get 5)))\n"
    "    (i32.add (ref.is_null (local.get 4)) (i32.add (local.get 7) (call_ref $f (local.get 3)\n"
    "      (local.get 6)))))\n"
    "  (func (export \"dead\") (param i32) (result i32)\n"
    "    (call $litter (i32.const 0))\n"
    "    (i32.add (call $dead (local.get 0) (ref.func $direct) (i32.const -1))))\n"
    /* References. */
    "  (func $refs (param anyref externref funcref) (result i32) (local i31ref (ref null $f))\n"
    "    (local (ref i31) (ref $f) i32)\n"
    "    (local.set 3 (ref.i31 (i32.const 12))) (ref.i31 (i32.const 13)) (i32.const 8)\n"
    "    (call $object (local.get 3) (i32.const 4) (local.get 1))\n"
    "    (i32.add) (local.set 6 (ref.func $stop)) (local.set 5 (ref.i31 (i32.const 100)))\n"
    "    (call_ref $f (local.get 6)) (local.set 4 (ref.func $stop))\n"
    "    (i32.add (i31.get_u (local.get 5))) (i32.add (i31.get_u (local.get 3)))\n"
    "    (local.set 7) (i31.get_s) (i32.add (local.get 7))\n"
    "    (i32.add (ref.is_null (local.get 2))) (i32.add (ref.is_null (local.get 4))))\n"
    "  (func (export \"refs\") (param i32) (result i32) (call $refs (ref.i31 (local.get 0))\n"
    "    (extern.convert_any (ref.i31 (i32.const 3))) (ref.func $direct))))\n";

typedef struct Program { const char *name; bool has_param; } Program;
static const Program programs[] = {
    {"direct", true}, {"deep", true}, {"bare", false}, {"bare_own", false}, {"bare_loop", false},
    {"bare_twice", false}, {"indirect", true}, {"by_ref", true}, {"across", true}, {"back", true},
    {"tail_into", true}, {"tail", true}, {"tail_entry", true}, {"tail_entry_deep", true},
    {"tail_indirect", true}, {"many", true}, {"two", true}, {"wide_args", true}, {"floats", true},
    {"vectors", true}, {"blocks", true}, {"catch", true}, {"uncaught", true}, {"trap", true},
    {"trap_after", true}, {"dead", true}, {"refs", true}};
enum { PROGRAMS = sizeof programs / sizeof *programs, ARGUMENT = 3, INSTANCES = 2 };

/* ---- Worlds ---- */

typedef enum Which { INTERPRETED, COMPILED, EVEN, ODD, WHICH_COUNT } Which;

static bool is_wanted(void *env, uint32_t func)
{
    const Which *which = env;
    return *which == COMPILED || (func % 2 == 0) == (*which == EVEN);
}

/* All that a call suspended in a host function left behind. */
typedef struct Saved {
    StackCapture stack;
    Slot *slots;
    Slot globals[INSTANCES][2];
    uint8_t memory[64];
    uint64_t value;           /* that the host function was to return */
    bool is_taken;
} Saved;

typedef struct World {
    Which which;
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instances[INSTANCES];
    uint32_t calls;           /* of host functions so far */
    uint32_t save_at;         /* the call of them to save in; 0: none */
    Saved *saved;
    fnvm_error *(*at_call)(struct World *); /* before all else, or NULL */
} World;

/* ---- Saving and putting back ---- */

static void save_state(World *w, Saved *s)
{
    const Slot *slots = (const Slot *)(const void *)w->store->stack_owner->stack_base;
    s->slots = malloc(s->stack.top * sizeof *slots + 1);
    assert_non_null(s->slots);
    memcpy(s->slots, slots, s->stack.top * sizeof *slots);
    for (int i = 0; i < INSTANCES; i++)
        memcpy(s->globals[i], w->instances[i]->globals, sizeof s->globals[i]);
    memcpy(s->memory, w->instances[1]->memories[0].base, sizeof s->memory);
    s->is_taken = true;
}

static void put_state(World *w, const Saved *s)
{
    Instance *owner = w->store->instances[s->stack.call.owner];
    memcpy(owner->stack_base, s->slots, s->stack.top * sizeof *s->slots);
    for (int i = 0; i < INSTANCES; i++)
        memcpy(w->instances[i]->globals, s->globals[i], sizeof s->globals[i]);
    memcpy(w->instances[1]->memories[0].base, s->memory, sizeof s->memory);
}

static void saved_free(Saved *s)
{
    stack_capture_free(&s->stack);
    free(s->slots);
    *s = (Saved){0};
}

/* Frames are those of the engine that calls of their functions go to. */
static void check_engines(const World *w)
{
    FrameWalk walk;
    if (!w->store->stack_owner || !w->engine->code_space) return;
    frame_walk_start(&walk, w->store, w->store->stack_owner);
    while (frame_walk_next(&walk))
        assert_int_equal(walk.frame.compiled, is_wanted((void *)(uintptr_t)&w->which,
                                                        walk.frame.func));
}

/* Every host function begins with this. */
static fnvm_error *host_called(World *w, uint64_t value)
{
    w->calls++;
    check_engines(w);
    if (w->at_call) return w->at_call(w);
    if (w->calls != w->save_at) return NULL;
    fnvm_error *error = stack_capture(w->store, &w->saved->stack);
    if (error) fail_msg("%s", fnvm_error_message(error));
    w->saved->value = value;
    save_state(w, w->saved);
    return NULL;
}

/* ---- Host functions ---- */

static fnvm_error *host_stop(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const uint32_t result = slots->i32 * 3 + 1;
    fnvm_error *error = host_called(env, UINT64_C(0xABCD00000000) | result);
    slots->i32 = result;
    return error;
}

static fnvm_error *host_zero(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    (void)caller;
    const uint32_t result = 40 + w->calls;
    fnvm_error *error = host_called(w, result);
    slots->i32 = result;
    return error;
}

static fnvm_error *host_many(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const uint64_t i64 = slots[0].i64;
    const float f32 = slots[1].f32;
    const uint32_t i32 = slots[2].i32;
    const double f64 = slots[3].f64;
    fnvm_error *error = host_called(env, 0);
    slots[0].f64 = f64 + (double)f32;
    slots[1].i32 = i32 + 1;
    slots[2].i64 = i64 * 2;
    return error;
}

static fnvm_error *host_vector(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    fnvm_error *error = host_called(env, 0);
    slots[0].i64 += UINT64_C(0x100000001);
    return error;
}

/* Throws by way of the guest. */
static fnvm_error *host_throw(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    (void)caller;
    fnvm_val arg = {FNVM_I32, {.i32 = (int32_t)slots->i32 + 1}};
    fnvm_extern thrower;
    fnvm_error *error = host_called(w, 0);
    if (error) return error;
    assert_true(fnvm_instance_export(w->instances[1], "thrower", 7, &thrower));
    return fnvm_func_call(w->store, thrower, &arg, 1, NULL, 0);
}

static fnvm_error *host_trap(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)slots;
    fnvm_error *error = host_called(env, 0);
    return error ? error : fnvm_error_trap_new(FNVM_TRAP_HOST, "refused");
}

static fnvm_error *host_object(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    const uint32_t any = (uint32_t)(slots[0].i64 >> 1), number = slots[1].i32,
                   external = (uint32_t)(slots[2].i64 >> 1), result = any + number + 100 * external;
    fnvm_error *error = host_called(env, result);
    slots->i32 = result;
    return error;
}

/* ---- Making them ---- */

static void instantiate(World *w, const char *text, fnvm_instance **out)
{
    fnvm_module *m;
    fnvm_error *error = fnvm_module_new(w->engine, text, strlen(text), &m);
    if (error) fail_msg("%s", fnvm_error_message(error));
    error = fnvm_linker_instantiate(w->linker, m, out);
    if (error) fail_msg("%s", fnvm_error_message(error));
    fnvm_module_release(m);
}

static void define(World *w, const char *name, const char *type, fnvm_host_fn fn)
{
    assert_null(fnvm_linker_define_func(w->linker, "h", name, type, fn, w));
}

/* Its stacks have `stack_bytes`; 0: as many as usual. */
static void world_open_with(World *w, Which which, uint64_t stack_bytes)
{
    fnvm_config config;
    fnvm_config_default(&config);
    *w = (World){.which = which};
    if (stack_bytes) config.max_stack_bytes = stack_bytes;
    config.engine = which == INTERPRETED ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_AUTO;
    config.jit_filter = is_wanted;
    config.jit_filter_env = &w->which;
    assert_null(fnvm_engine_new(&config, &w->engine));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    define(w, "stop", "i32 -> i32", host_stop);
    define(w, "zero", "-> i32", host_zero);
    define(w, "many", "i64 f32 i32 f64 -> f64 i32 i64", host_many);
    define(w, "vector", "v128 -> v128", host_vector);
    define(w, "throw", "i32 -> i32", host_throw);
    define(w, "trap", "i32 -> i32", host_trap);
    define(w, "object", "anyref i32 externref -> i32", host_object);
    instantiate(w, other, &w->instances[0]);
    assert_null(fnvm_linker_define_instance(w->linker, "b", 1, w->instances[0]));
    instantiate(w, source, &w->instances[1]);
}

static void world_open(World *w, Which which) { world_open_with(w, which, 0); }

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_engine_free(w->engine);
}

/* ---- Outcomes ---- */

typedef struct Outcome {
    fnvm_code code;
    fnvm_trap trap;
    int32_t result;
    uint32_t calls, frames; /* frames: of the error's backtrace */
} Outcome;

static Outcome outcome_of(const World *w, fnvm_error *error, int32_t result)
{
    Outcome o = {.result = error ? 0 : result, .calls = w->calls};
    if (error) {
        if (fnvm_error_trap(error) == FNVM_TRAP_VERIFY) /* the test itself is wrong */
            fail_msg("%s", fnvm_error_message(fnvm_error_cause(error)));
        o.code = fnvm_error_code(error);
        o.trap = fnvm_error_trap(error);
        const fnvm_frame *frames;
        o.frames = (uint32_t)fnvm_error_frames(error, &frames);
        fnvm_error_free(error);
    }
    return o;
}

static Outcome run(World *w, const Program *p, int32_t argument)
{
    fnvm_extern func;
    fnvm_val a = {FNVM_I32, {.i32 = argument}}, r = {0};
    assert_true(fnvm_instance_export(w->instances[1], p->name, strlen(p->name), &func));
    fnvm_error *error = fnvm_func_call(w->store, func, &a, p->has_param, &r, 1);
    return outcome_of(w, error, r.of.i32);
}

static void same(const Program *p, Outcome got, Outcome want)
{
    if (got.code != want.code || got.trap != want.trap || got.result != want.result ||
        got.calls != want.calls || got.frames != want.frames)
        fail_msg("%s: code %d, trap %d in %u frames, result %d after %u calls; expected %d, %d in "
                 "%u, %d after %u", p->name, (int)got.code, (int)got.trap, got.frames,
                 (int)got.result, got.calls, (int)want.code, (int)want.trap, want.frames,
                 (int)want.result, want.calls);
}

static void stack_is_empty(const World *w, uint32_t owner)
{
    const Stack *s = &w->store->instances[owner]->context->stack;
    assert_int_equal(s->frames, s->size);
    assert_int_equal(s->top, 0);
    assert_int_equal(s->compiled, 0);
    assert_int_equal(w->store->host_depth, 0);
    assert_null(w->store->stack_owner);
}

/* Goes on in this world from what was saved in another. */
static Outcome resume(World *w, Saved *s, fnvm_wake wake)
{
    Slot slots[4] = {{0}};
    StackCapture *c = &s->stack;
    put_state(w, s);
    c->call.wake = wake;
    c->call.value = s->value;
    w->calls = s->stack.call.wake == FNVM_WAKE_REPEAT ? w->save_at - 1 : w->save_at;
    w->save_at = 0;
    fnvm_error *error = stack_check(w->store, &c->call, c->frames, c->nframes);
    if (error) fail_msg("%s", fnvm_error_message(error));
    error = stack_resume(w->store, &c->call, c->frames, c->nframes, slots);
    stack_is_empty(w, c->call.owner);
    return outcome_of(w, error, (int32_t)slots->i32);
}

/* ---- From every engine to every engine ---- */

static void goes_on(const Program *p, Saved *s, uint32_t at, Which to, fnvm_wake wake, Outcome want)
{
    World w;
    world_open(&w, to);
    s->stack.call.wake = (uint32_t)wake;
    if (stack_can_wake(w.store, &s->stack.call) &&
        (wake == FNVM_WAKE_REPEAT || s->value)) {
        w.save_at = at;
        same(p, resume(&w, s, wake), want);
        w.calls = 0; /* and the store is good for other calls */
        same(p, run(&w, p, ARGUMENT), want);
    }
    world_close(&w);
}

static void survives(const Program *p, Which from)
{
    World w;
    world_open(&w, from);
    const Outcome want = run(&w, p, ARGUMENT);
    world_close(&w);
    assert_true(want.calls > 0);
    for (uint32_t at = 1; at <= want.calls; at++) {
        Saved s = {0};
        world_open(&w, from);
        w.save_at = at;
        w.saved = &s;
        same(p, run(&w, p, ARGUMENT), want); /* it went on as if nothing had been */
        world_close(&w);
        assert_true(s.is_taken);
        for (int to = INTERPRETED; to < WHICH_COUNT; to++) {
            goes_on(p, &s, at, (Which)to, FNVM_WAKE_REPEAT, want);
            goes_on(p, &s, at, (Which)to, FNVM_WAKE_RETURN, want);
        }
        saved_free(&s);
    }
}

static void all_survive(Which from)
{
    for (int i = 0; i < PROGRAMS; i++) survives(&programs[i], from);
}

static void test_from_interpreter(void **state) { (void)state; all_survive(INTERPRETED); }
static void test_from_compiled(void **state) { (void)state; all_survive(COMPILED); }
static void test_from_even(void **state) { (void)state; all_survive(EVEN); }
static void test_from_odd(void **state) { (void)state; all_survive(ODD); }

/* ---- What is captured ---- */

static void save_in(World *w, Saved *s, const char *name, uint32_t at, int32_t argument)
{
    const Program p = {name, true};
    *s = (Saved){0};
    w->save_at = at;
    w->saved = s;
    run(w, &p, argument);
    assert_true(s->is_taken);
    s->stack.call.wake = FNVM_WAKE_REPEAT;
}

static void test_engines_capture_alike(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS; i++) {
        Saved by[WHICH_COUNT];
        if (!programs[i].has_param) continue;
        for (int which = INTERPRETED; which < WHICH_COUNT; which++) {
            World w;
            world_open(&w, (Which)which);
            save_in(&w, &by[which], programs[i].name, 1, ARGUMENT);
            world_close(&w);
            const StackCapture *a = &by[INTERPRETED].stack, *b = &by[which].stack;
            assert_int_equal(a->nframes, b->nframes);
            const size_t bytes = a->nframes * sizeof *a->frames;
            if (bytes) assert_memory_equal(a->frames, b->frames, bytes);
            assert_int_equal(a->call.host, b->call.host);
            assert_int_equal(a->call.entry, b->call.entry);
            assert_int_equal(a->call.caller, b->call.caller);
        }
        for (int which = INTERPRETED; which < WHICH_COUNT; which++) saved_free(&by[which]);
    }
}

static void test_references_are_reported(void **state)
{
    (void)state;
    for (int which = INTERPRETED; which < WHICH_COUNT; which++) {
        World w;
        Saved s;
        world_open(&w, (Which)which);
        save_in(&w, &s, "refs", 1, ARGUMENT);
        world_close(&w);
        /* In $refs: parameters 0 and 1, local 3, an operand; the arguments of the host function. */
        const uint32_t fp = s.stack.frames[1].fp, args = s.stack.call.args;
        const StackRef want[] = {{fp, HEAP_ANY}, {fp + 1, HEAP_EXTERN}, {fp + 3, HEAP_I31},
                                 {fp + 8, HEAP_I31}, {args, HEAP_ANY}, {args + 2, HEAP_EXTERN}};
        assert_int_equal(s.stack.nframes, 2);
        assert_int_equal(s.stack.nrefs, sizeof want / sizeof *want);
        for (uint32_t i = 0; i < s.stack.nrefs; i++) {
            assert_int_equal(s.stack.refs[i].slot, want[i].slot);
            assert_int_equal(s.stack.refs[i].heap, want[i].heap);
        }
        saved_free(&s);
    }
}

static void is_usage(fnvm_error *error)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
    fnvm_error_free(error);
}

static fnvm_error *capture_nested(World *w)
{
    const Program p = {"tail_entry", true};
    if (w->calls == 1) {
        run(w, &p, 1);
        StackCapture c; /* back in the outer call, it can be captured again */
        fnvm_error *error = stack_capture(w->store, &c);
        assert_int_equal(c.nframes, 1);
        stack_capture_free(&c);
        return error;
    }
    StackCapture c;
    is_usage(stack_capture(w->store, &c));
    return NULL;
}

static fnvm_error *capture_by_host(World *w)
{
    StackCapture c;
    is_usage(stack_capture(w->store, &c));
    return NULL;
}

static void test_only_what_can_be_captured_is(void **state)
{
    (void)state;
    World w;
    StackCapture c;
    world_open(&w, COMPILED);
    assert_null(stack_capture(w.store, &c));
    assert_int_equal(c.call.owner, 0);
    is_usage(stack_resume(w.store, &c.call, NULL, 0, NULL));
    w.at_call = capture_nested;
    const Program p = {"direct", true};
    assert_int_equal(run(&w, &p, 1).code, 0);
    assert_int_equal(w.calls, 2);
    w.at_call = capture_by_host; /* a function of the host's, called by the host */
    fnvm_extern stop;
    fnvm_val a = {FNVM_I32, {.i32 = 1}}, r;
    assert_null(fnvm_func_new(w.store, "i32 -> i32", host_stop, &w, &stop));
    assert_null(fnvm_func_call(w.store, stop, &a, 1, &r, 1));
    world_close(&w);
}

/* ---- Suspended again ---- */

static fnvm_error *capture_again(World *w)
{
    Saved *s = w->saved;
    if (s->is_taken) return NULL;
    fnvm_error *error = stack_capture(w->store, &s->stack);
    if (!error) save_state(w, s);
    return error;
}

static void test_resumed_calls_can_be_captured(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS; i++) {
        for (int which = INTERPRETED; which < WHICH_COUNT; which++) {
            World w, second, third;
            Saved s = {0}, again = {0};
            world_open(&w, (Which)which);
            w.save_at = 1;
            w.saved = &s;
            const Outcome want = run(&w, &programs[i], ARGUMENT);
            world_open(&second, (Which)((which + 1) % WHICH_COUNT));
            second.at_call = capture_again;
            second.saved = &again;
            second.save_at = 1;
            same(&programs[i], resume(&second, &s, FNVM_WAKE_REPEAT), want);
            assert_int_equal(again.stack.nframes, s.stack.nframes);
            assert_int_equal(again.stack.top, s.stack.top);
            world_open(&third, (Which)((which + 2) % WHICH_COUNT));
            third.save_at = 1;
            same(&programs[i], resume(&third, &again, FNVM_WAKE_REPEAT), want);
            world_close(&w), world_close(&second), world_close(&third);
            saved_free(&s), saved_free(&again);
        }
    }
}

/* ---- Hostile images ---- */

static fnvm_error *check(World *w, const Saved *s)
{
    return stack_check(w->store, &s->stack.call, s->stack.frames, s->stack.nframes);
}

static void refused(World *w, const Saved *s)
{
    fnvm_error *error = check(w, s);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
}

static Slot *slot_of(World *w, const Saved *s, uint32_t slot)
{
    return stack_slot(w->store->instances[s->stack.call.owner], slot);
}

/* `refs` at its second call, `call_ref $f (local 6)`: locals 4 null, 5 an i31, 6 a function. */
static void test_values_are_checked(void **state)
{
    (void)state;
    World w;
    Saved s;
    world_open(&w, INTERPRETED);
    save_in(&w, &s, "refs", 2, ARGUMENT);
    put_state(&w, &s);
    assert_null(check(&w, &s));
    const uint32_t fp = s.stack.frames[1].fp;
    Slot *func = slot_of(&w, &s, fp + 6), *number = slot_of(&w, &s, 0);
    const uint64_t good = func->i64;
    const FuncRef bad[] = {funcref_make(1, UINT32_MAX), funcref_make(0, 1000), funcref_make(7, 3),
                           funcref_make(2, 0) /* imported */, funcref_make(2, 5000),
                           funcref_make(2, UINT32_MAX - 1), UINT64_MAX,
                           funcref_make(0, 1) /* another type */};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        func->i64 = bad[i];
        refused(&w, &s);
    }
    func->i64 = good;
    assert_null(check(&w, &s));
    number->i64 |= UINT64_C(1) << 32; /* an i32 */
    refused(&w, &s);
    number->i64 = number->i32;
    slot_of(&w, &s, s.stack.call.args)->i64 |= UINT64_C(1) << 63;
    refused(&w, &s);
    saved_free(&s);
    world_close(&w);
}

static void test_calls_are_checked(void **state)
{
    (void)state;
    World w;
    Saved s;
    world_open(&w, INTERPRETED);
    save_in(&w, &s, "many", 1, ARGUMENT);
    put_state(&w, &s);
    assert_null(check(&w, &s));
    const StackCapture good = s.stack;
    const ImageFrame frame = *good.frames;
#define REFUSED_WITH(change) \
    do { \
        change; \
        refused(&w, &s); \
        s.stack.call = good.call, s.stack.nframes = good.nframes, *s.stack.frames = frame; \
    } while (0)
    REFUSED_WITH(s.stack.call.owner = 1);
    REFUSED_WITH(s.stack.call.owner = 9);
    REFUSED_WITH(s.stack.call.owner = 0);
    REFUSED_WITH(s.stack.call.caller = 0);
    REFUSED_WITH(s.stack.call.caller = 3);
    REFUSED_WITH(s.stack.call.entry = 0);
    REFUSED_WITH(s.stack.call.entry = s.stack.call.host);
    REFUSED_WITH(s.stack.call.entry = funcref_make(2, 0)); /* imported */
    REFUSED_WITH(s.stack.call.host = 0);
    REFUSED_WITH(s.stack.call.host = s.stack.call.entry);
    REFUSED_WITH(s.stack.call.host = funcref_make(0, 0)); /* other results */
    REFUSED_WITH(s.stack.call.host = funcref_make(0, 100));
    REFUSED_WITH(s.stack.call.args = 0);
    REFUSED_WITH(s.stack.call.args = UINT32_MAX);
    REFUSED_WITH(s.stack.call.args = 1 << 20);
    REFUSED_WITH(s.stack.call.wake = FNVM_WAKE_RETURN); /* three results */
    REFUSED_WITH(s.stack.call.wake = 7);
    REFUSED_WITH(s.stack.nframes = 0);
    REFUSED_WITH(s.stack.frames->pc++);
    REFUSED_WITH(s.stack.frames->pc = 0);
    REFUSED_WITH(s.stack.frames->pc = UINT32_MAX);
    REFUSED_WITH(s.stack.frames->fp++);
    REFUSED_WITH(s.stack.frames->fp = UINT32_MAX);
    REFUSED_WITH(s.stack.frames->func = 0);
    REFUSED_WITH(s.stack.frames->func = 4000);
    REFUSED_WITH(s.stack.frames->func++);
    REFUSED_WITH(s.stack.frames->instance = 0);
    REFUSED_WITH(s.stack.frames->instance = 1);
    REFUSED_WITH(s.stack.frames->instance = 3);
#undef REFUSED_WITH
    assert_null(check(&w, &s));
    saved_free(&s);
    world_close(&w);
}

static uint64_t random_from(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Whatever passes the check runs, to whatever end, and harms nothing: what the sanitizers say. */
static void test_what_is_accepted_runs(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 600; round++) {
        World w;
        Saved s;
        const Program *p = &programs[random_from(&seed) % PROGRAMS];
        if (!p->has_param) continue;
        world_open(&w, (Which)(round % WHICH_COUNT));
        save_in(&w, &s, p->name, 1, 1);
        put_state(&w, &s);
        const uint32_t small[] = {1, 2, 3, (uint32_t)random_from(&seed) % 300};
        for (uint64_t n = random_from(&seed) % 3; n > 0; n--) {
            uint32_t *words = s.stack.nframes && n % 2 ? (uint32_t *)(void *)s.stack.frames
                                                       : (uint32_t *)(void *)&s.stack.call;
            uint32_t *word = &words[random_from(&seed) % 4];
            *word += small[random_from(&seed) % 4] * (random_from(&seed) % 2 ? 1 : UINT32_MAX);
        }
        const uint32_t slot = (uint32_t)random_from(&seed) % (s.stack.top + 1);
        stack_slot(w.store->instances[2], slot)->i64 += random_from(&seed) % 5;
        fnvm_error *error = check(&w, &s);
        Slot slots[4];
        if (!error) error = stack_resume(w.store, &s.stack.call, s.stack.frames, s.stack.nframes,
                                         slots);
        fnvm_error_free(error);
        saved_free(&s);
        world_close(&w);
    }
}

/* ---- Room ---- */

enum { SMALL_STACK = 256 * 1024 };

/* Until there would not be room for the frames of every engine. */
static fnvm_error *capture_if_there_is_room(World *w)
{
    Saved *s = w->saved;
    fnvm_error *error = stack_capture(w->store, &s->stack);
    if (!error) save_state(w, s);
    return error;
}

static void fits_everywhere(Saved *s, Outcome want)
{
    const Program p = {"deep", true};
    for (int to = INTERPRETED; to < WHICH_COUNT; to++) {
        World w;
        world_open_with(&w, (Which)to, SMALL_STACK);
        w.save_at = 1;
        same(&p, resume(&w, s, FNVM_WAKE_REPEAT), want);
        world_close(&w);
    }
}

static void test_what_is_captured_fits_everywhere(void **state)
{
    (void)state;
    const Program p = {"deep", true};
    for (int which = INTERPRETED; which < WHICH_COUNT; which++) {
        Outcome end = {0};
        for (int depth = 1; end.code == 0; depth++) { /* hundreds of frames */
            World w;
            Saved s = {0};
            world_open_with(&w, (Which)which, SMALL_STACK);
            w.at_call = capture_if_there_is_room;
            w.saved = &s;
            end = run(&w, &p, depth);
            world_close(&w);
            if (end.code == 0) fits_everywhere(&s, end);
            saved_free(&s);
        }
        if (which == INTERPRETED || which == COMPILED) /* frames of both kinds take most room */
            assert_int_equal(end.code, FNVM_E_LIMIT);
        else assert_int_equal(end.calls, end.code == FNVM_E_LIMIT);
    }
}

static void test_deep_recursion(void **state)
{
    (void)state;
    World w;
    Saved s;
    world_open(&w, COMPILED);
    save_in(&w, &s, "deep", 1, 100);
    assert_int_equal(s.stack.nframes, 10002);
    world_close(&w);
    for (int to = INTERPRETED; to < WHICH_COUNT; to++) {
        world_open(&w, (Which)to);
        w.save_at = 1;
        assert_int_equal(resume(&w, &s, FNVM_WAKE_REPEAT).code, 0);
        world_close(&w);
    }
    saved_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_interpreter),
        cmocka_unit_test(test_from_compiled),
        cmocka_unit_test(test_from_even),
        cmocka_unit_test(test_from_odd),
        cmocka_unit_test(test_engines_capture_alike),
        cmocka_unit_test(test_references_are_reported),
        cmocka_unit_test(test_only_what_can_be_captured_is),
        cmocka_unit_test(test_resumed_calls_can_be_captured),
        cmocka_unit_test(test_values_are_checked),
        cmocka_unit_test(test_calls_are_checked),
        cmocka_unit_test(test_what_is_accepted_runs),
        cmocka_unit_test(test_what_is_captured_fits_everywhere),
        cmocka_unit_test(test_deep_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
