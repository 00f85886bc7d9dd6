/* The modules that conformance/reset.c disturbs: each is about one kind of state.  `setup` runs
 * before the image is made; if it calls host.freeze, the image is made there, in its midst.
 * host.back calls the export `back`. */
#ifndef FNVM_CONFORMANCE_RESET_SUBJECTS_H
#define FNVM_CONFORMANCE_RESET_SUBJECTS_H

typedef struct ResetSubject { const char *name, *text; } ResetSubject;

static const ResetSubject reset_subjects[] = {
    {"empty", "(module)"},
    {"globals",
     "(module (global $a (mut i32) (i32.const 1)) (global $b (mut i64) (i64.const 2))"
     " (global $c (mut f32) (f32.const 3)) (global $d (mut f64) (f64.const 4))"
     " (global $v (mut v128) (v128.const i64x2 5 6)) (global $f (mut funcref) (ref.null func))"
     " (global $x (mut externref) (ref.null extern)) (elem declare func $set)"
     " (func (export \"setup\") (global.set $v (v128.const i64x2 7 8)))"
     " (func $set (export \"set\") (param i32 i64 f32 f64 externref) (global.set $a (local.get 0))"
     "  (global.set $b (local.get 1)) (global.set $c (local.get 2)) (global.set $d (local.get 3))"
     "  (global.set $x (local.get 4)) (global.set $v (i64x2.splat (local.get 1)))"
     "  (global.set $f (ref.func $set))))"},
    {"memory",
     "(module (memory $m 3 10) (data (i32.const 70000) \"from the module\") (data $p \"passive\")"
     " (func (export \"setup\") (memory.fill (i32.const 4000) (i32.const 7) (i32.const 300))"
     "  (i32.store (i32.const 131072) (i32.const -1)))"
     " (func (export \"grow\") (param i32) (result i32) (memory.grow (i32.and (local.get 0)"
     "  (i32.const 3))))"
     " (func (export \"store\") (param i32 i64) (i64.store (local.get 0) (local.get 1)))"
     " (func (export \"end\") (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536))"
     "  (i32.const 1)) (i32.const 9)))"
     " (func (export \"zero\") (memory.fill (i32.const 4096) (i32.const 0) (i32.const 100000)))"
     " (func (export \"init\") (memory.init $p (i32.const 9) (i32.const 0) (i32.const 7)))"
     " (func (export \"drop\") (data.drop $p))"
     " (func (export \"fill\") (param i32 i32) (memory.fill (local.get 0) (local.get 1)"
     "  (i32.const 20000)))"
     " (func (export \"spin\") (loop (i32.store (i32.const 0) (i32.add (i32.const 1)"
     "  (i32.load (i32.const 0)))) (br 0))))"},
    {"several memories",
     "(module (memory $a 0 4) (memory $b i64 1 6) (memory $c 2 2)"
     " (func (export \"setup\") (drop (memory.grow $a (i32.const 1)))"
     "  (i64.store $b (i64.const 65000) (i64.const -5)))"
     " (func (export \"grow\") (drop (memory.grow $a (i32.const 1)))"
     "  (drop (memory.grow $b (i64.const 2))))"
     " (func (export \"copy\") (param i32) (memory.copy $c $a (local.get 0) (i32.const 0)"
     "  (i32.const 60000)))"
     " (func (export \"store\") (param i64 i32) (i32.store $b (local.get 0) (local.get 1))"
     "  (i32.store $c (local.get 1) (i32.const -1))))"},
    {"tables",
     "(module (type $v (func)) (table $t 8 20000 funcref) (table $x i64 1 100 externref)"
     " (elem $p func $a $b) (elem $q externref (ref.null extern)) (func $a) (func $b (unreachable))"
     " (func (export \"setup\") (drop (table.grow $t (ref.func $a) (i32.const 5)))"
     "  (table.set $t (i32.const 2) (ref.func $b)) (elem.drop $q))"
     " (func (export \"grow\") (param i32) (drop (table.grow $t (ref.func $b)"
     "  (i32.and (local.get 0) (i32.const 16383)))))"
     " (func (export \"set\") (param i32) (table.set $t (local.get 0) (ref.func $a)))"
     " (func (export \"null\") (param i32) (table.set $t (local.get 0) (ref.null func)))"
     " (func (export \"extern\") (param externref) (table.set $x (i64.const 0) (local.get 0))"
     "  (drop (table.grow $x (local.get 0) (i64.const 3))))"
     " (func (export \"init\") (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 2)))"
     " (func (export \"drop\") (elem.drop $p))"
     " (func (export \"call\") (param i32) (call_indirect $t (type $v) (local.get 0))))"},
    {"objects",
     "(module (type $n (struct (field $v (mut i64)) (field $next (mut (ref null $n)))"
     "  (field $any (mut anyref)))) (type $bytes (array (mut i8)))"
     " (global $list (mut (ref null $n)) (ref.null $n)) (table $x 4 anyref)"
     " (global $old (mut (ref null $n)) (ref.null $n))"
     " (elem $kept anyref (struct.new $n (i64.const 1) (ref.null $n) (ref.i31 (i32.const 2))))"
     " (func $push (export \"push\") (param i64) (global.set $list (struct.new $n (local.get 0)"
     "  (global.get $list) (array.new $bytes (i32.const 3) (i32.const 20)))))"
     " (func (export \"setup\") (call $push (i64.const 1)) (call $push (i64.const 2))"
     "  (global.set $old (global.get $list)) (table.set $x (i32.const 1) (global.get $list))"
     "  (struct.set $n $next (global.get $list) (global.get $list)))"
     " (func (export \"change\") (param i64) (struct.set $n $v (global.get $old) (local.get 0)))"
     " (func (export \"bytes\") (param i32) (array.set $bytes (ref.cast (ref $bytes)"
     "  (struct.get $n $any (global.get $list))) (local.get 0) (i32.const 200)))"
     " (func (export \"cycle\") (struct.set $n $any (global.get $old) (global.get $list)))"
     " (func (export \"forget\") (global.set $list (ref.null $n)) (elem.drop $kept))"
     " (func (export \"init\") (table.init $x $kept (i32.const 2) (i32.const 0) (i32.const 1)))"
     " (func (export \"many\") (loop (call $push (i64.const 9)) (br 0))))"},
    {"exceptions",
     "(module (tag $t (param i32 v128)) (global $e (mut exnref) (ref.null exn))"
     " (func $throw (export \"throw\") (param i32)"
     "  (throw $t (local.get 0) (v128.const i64x2 1 2)))"
     " (func $keep (export \"keep\") (param i32)"
     "  (block $c (result i32 v128 exnref)"
     "   (try_table (catch_ref $t $c) (call $throw (local.get 0))) (return))"
     "  (global.set $e) (drop) (drop))"
     " (func (export \"setup\") (call $keep (i32.const 5)))"
     " (func (export \"again\") (throw_ref (global.get $e)))"
     " (func (export \"loop\") (loop $l (try_table (catch $t $l) (br $l)))"
     "  (unreachable))"
     " (func (export \"catch\") (loop $l (block $c (result i32 v128) (try_table (catch $t $c)"
     "  (throw_ref (global.get $e))) (unreachable)) (drop) (drop) (br $l))))"},
    {"host calls",
     "(module (import \"host\" \"back\" (func $back)) (tag $t (param i64))"
     " (type $n (struct (field i64))) (global $x (mut i64) (i64.const 0)) (memory 1)"
     " (func (export \"back\") (i64.store (i32.const 16) (i64.const -1))"
     "  (drop (struct.new $n (i64.const 7))) (throw $t (global.get $x)))"
     " (func (export \"pass\") (param i64) (global.set $x (local.get 0)) (call $back))"
     " (func (export \"catch\") (param i64) (result i64) (global.set $x (local.get 0))"
     "  (block $c (result i64) (try_table (catch $t $c) (call $back)) (i64.const 1)))"
     " (func (export \"deep\") (param v128) (result v128) (call $back) (local.get 0)))"},
    {"stack",
     "(module (func $down (export \"down\") (param i32 i64) (result i64) (local v128 f64)"
     "  (local.set 2 (i64x2.splat (local.get 1)))"
     "  (if (result i64) (i32.eqz (local.get 0)) (then (unreachable)) (else (i64.add"
     "   (i64x2.extract_lane 0 (local.get 2))"
     "   (call $down (i32.sub (local.get 0) (i32.const 1)) (local.get 1))))))"
     " (func $tail (export \"tail\") (param i32) (return_call $tail (local.get 0)))"
     " (func (export \"setup\") (drop (call $down (i32.const 20) (i64.const -1)))))"},
    {"types of its own",
     "(module (rec (type $f (func (param (ref null $f)) (result i32))) (type $other (func)))"
     " (type $open (sub (func (param i64)))) (type $below (sub $open (func (param i64))))"
     " (import \"env\" \"f\" (func $f (type $f)))"
     " (import \"env\" \"below\" (func $g (type $below)))"
     " (table $t 8 funcref) (elem (table $t) (i32.const 0) func $f $g $own)"
     " (global $kept (mut (ref null $open)) (ref.func $g))"
     " (func $own (type $f) (i32.const 7))"
     " (func (export \"setup\") (table.set $t (i32.const 4) (ref.func $f)))"
     " (func (export \"call\") (param i32) (result i32)"
     "  (call_indirect $t (type $f) (ref.null $f) (local.get 0)))"
     " (func (export \"open\") (param i32) (call_indirect $t (type $open) (i64.const 1)"
     "  (local.get 0)))"
     " (func (export \"keep\") (param i32)"
     "  (global.set $kept (ref.cast (ref $below) (table.get $t (local.get 0)))))"
     " (func (export \"kept\") (call_ref $open (i64.const 2) (global.get $kept))))"},
    {"suspended",
     "(module (import \"host\" \"freeze\" (func $freeze (result i32))) (memory 1)"
     " (type $n (struct (field $v (mut i32)))) (global $g (mut i32) (i32.const 0)) (tag $t)"
     " (func $down (param $n i32) (result i32) (local $o (ref null $n)) (local $v v128)"
     "  (local.set $o (struct.new $n (local.get $n)))"
     "  (local.set $v (i32x4.splat (local.get $n)))"
     "  (struct.get $n $v (local.get $o))"
     "  (if (result i32) (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1))))"
     "   (else (call $freeze)))"
     "  (i32.add) (struct.set $n $v (local.get $o) (i32.const 3))"
     "  (i32.store (i32.mul (local.get $n) (i32.const 8000)) (i32x4.extract_lane 1 (local.get $v)))"
     "  (global.set $g (i32.add (global.get $g) (i32.const 1)))"
     "  (struct.get $n $v (local.get $o)) (i32.add))"
     " (func (export \"setup\") (block $c (try_table (catch $t $c)"
     "   (global.set $g (call $down (i32.const 6))) (throw $t)) (unreachable))"
     "  (drop (memory.grow (i32.const 2))))"
     " (func (export \"down\") (param i32) (result i32)"
     "  (call $down (i32.and (local.get 0) (i32.const 127))))"
     " (func (export \"store\") (param i32) (i32.store (local.get 0) (i32.const -1))))"},
};

#endif
