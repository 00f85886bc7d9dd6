/* A guest that freezes itself in the midst of a call: for tests of images. */
#ifndef FNVM_UNIT_IMAGE_SUSPENDED_H
#define FNVM_UNIT_IMAGE_SUSPENDED_H

#include "conformance/unit/image_world.h"

/* Everything that lives over the call is needed afterwards: locals of all types, operands, frames
 * of several functions, a handler.  suspended_result() says what comes of run(n). */
static inline const char *suspended_program(void)
{
    return "(module (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))"
           " (type $pair (struct (field $a i32) (field $b (mut i32)))) (tag $t (param i32))"
           " (type $down (func (param i32) (result i32)))"
           " (table 1 funcref) (elem (i32.const 0) $down)"
           " (global $seen (mut i32) (i32.const 0))"
           " (func $down (param $n i32) (result i32) (local $v v128) (local $d f64)"
           "  (local $p (ref null $pair)) (local $x externref) (local $l i64) (local $g i32)"
           "  (local.set $v (i32x4.splat (local.get $n)))"
           "  (local.set $d (f64.convert_i32_s (local.get $n)))"
           "  (local.set $p (struct.new $pair (local.get $n) (i32.const 10)))"
           "  (local.set $l (i64.extend_i32_u (local.get $n)))"
           "  (i32.mul (local.get $n) (i32.const 3))"          /* an operand below the call */
           "  (struct.new $pair (i32.const 4) (i32.const 5))"  /* and an object */
           "  (if (result i32) (i32.eqz (local.get $n))"
           "   (then (call $freeze (i32.const 21)))"
           "   (else (call_indirect (type $down) (i32.sub (local.get $n) (i32.const 1))"
           "    (i32.const 0))))"
           "  (local.set $g) (struct.set $pair $b (local.get $p) (local.get $g))"
           "  (struct.get $pair $b) (i32.add)"                 /* 3n + 5 */
           "  (struct.get $pair $a (local.get $p)) (i32.add)"  /* + n */
           "  (struct.get $pair $b (local.get $p)) (i32.add)"  /* + what came back */
           "  (i32x4.extract_lane 2 (local.get $v)) (i32.add)"
           "  (i32.trunc_f64_s (local.get $d)) (i32.add)"
           "  (i32.wrap_i64 (local.get $l)) (i32.add)"
           "  (ref.is_null (local.get $x)) (i32.add)"
           "  (global.set $seen (i32.add (global.get $seen) (i32.const 1))))"
           " (func (export \"run\") (param $n i32) (result i32)"
           "  (block $c (result i32)"
           "   (try_table (catch $t $c)"
           "    (throw $t (i32.add (i32.const 1000) (call $down (local.get $n)))))"
           "   (unreachable)))"
           " (func (export \"seen\") (result i32) (global.get $seen)))";
}

static inline int32_t suspended_result(int32_t n, int32_t given)
{
    int32_t result = given;
    for (int32_t i = 0; i <= n; i++) result += 3 * i + 5 + i + i + i + i + 1;
    return result + 1000;
}

enum { DEEP = 5 };

static inline void resumes(fnvm_store *store, int32_t expected)
{
    fnvm_val result = {FNVM_I32, {.i32 = 0}};
    must(fnvm_store_resume(store, &result, 1));
    assert_int_equal(result.of.i32, expected);
}

static inline void suspend(World *w, const fnvm_config *config, fnvm_wake wake)
{
    world_with(w, config, suspended_program());
    w->wake = wake;
    w->value = 70;
    returns(w->store, w->instance, "run", DEEP, suspended_result(DEEP, 0)); /* it goes on itself */
    must(w->frozen);
    assert_int_equal(w->calls, 1);
}

#endif
