;; Objects that only one kind of place refers to survive collections: globals, tables, passive
;; element segments, locals of outer frames, operands, exceptions, other objects.  $churn makes
;; enough garbage to collect many times over.

(module $roots
  (type $box (struct (field (mut i64))))
  (type $pair (struct (field (mut (ref null $pair))) (field (mut i64))))
  (type $bytes (array (mut i8)))
  (type $boxes (array (mut (ref null $box))))
  (tag $thrown (param (ref $box)))

  (global $held (mut (ref null $box)) (struct.new $box (i64.const 11)))
  (table $boxed 4 (ref null $box))
  (table $any 2 anyref)
  (elem $segment (ref null $box) (item (struct.new $box (i64.const 22))))

  (func $churn (local $n i32)
    (local.set $n (i32.const 40000))
    (loop $again
      (drop (array.new $bytes (i32.const 0xAA) (i32.const 1000)))
      (drop (struct.new $box (i64.const -1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func (export "global") (result i64)
    (call $churn)
    (struct.get $box 0 (global.get $held)))

  (func (export "table") (result i64)
    (table.set $boxed (i32.const 3) (struct.new $box (i64.const 33)))
    (table.set $any (i32.const 1) (array.new $bytes (i32.const 4) (i32.const 4)))
    (call $churn)
    (i64.add
      (struct.get $box 0 (table.get $boxed (i32.const 3)))
      (i64.extend_i32_u
        (array.len (ref.cast (ref $bytes) (table.get $any (i32.const 1)))))))

  (func (export "segment") (result i64)
    (call $churn)
    (table.init $boxed $segment (i32.const 0) (i32.const 0) (i32.const 1))
    (call $churn)
    (struct.get $box 0 (table.get $boxed (i32.const 0))))

  (func $deep (param $n i32) (param $mine (ref $box)) (result i64)
    (if (result i64) (i32.eqz (local.get $n))
      (then (call $churn) (struct.get $box 0 (local.get $mine)))
      (else
        (i64.add
          (call $deep
            (i32.sub (local.get $n) (i32.const 1))
            (struct.new $box (i64.extend_i32_u (local.get $n))))
          (struct.get $box 0 (local.get $mine))))))
  (func (export "frames") (result i64)
    (call $deep (i32.const 100) (struct.new $box (i64.const 0))))

  (func (export "operands") (result i64)
    (struct.new $box (i64.const 44))
    (struct.new $box (i64.const 55))
    (call $churn)
    (struct.get $box 0)
    (call $push_under)
    (i64.add))
  (func $push_under (param (ref $box) i64) (result i64 i64)
    (call $churn)
    (local.get 1)
    (struct.get $box 0 (local.get 0)))

  (func $throws
    (throw $thrown (struct.new $box (i64.const 66))))
  (func (export "exception") (result i64) (local $e exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throws))
      (unreachable))
    (local.set $e)
    (call $churn)
    (block $again (result (ref $box))
      (try_table (catch $thrown $again) (throw_ref (local.get $e)))
      (unreachable))
    (call $churn_over))
  (func $churn_over (param (ref $box)) (result i64)
    (call $churn)
    (struct.get $box 0 (local.get 0)))

  (func (export "chain") (result i64) (local $head (ref null $pair)) (local $n i64)
    (loop $again
      (local.set $head
        (struct.new $pair (local.get $head) (local.get $n)))
      (br_if $again
        (i64.lt_u (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const 10000))))
    (call $churn)
    (local.set $n (i64.const 0))
    (loop $sum
      (local.set $n (i64.add (local.get $n) (struct.get $pair 1 (local.get $head))))
      (local.set $head (struct.get $pair 0 (local.get $head)))
      (br_if $sum (i32.eqz (ref.is_null (local.get $head)))))
    (local.get $n))

  (func (export "array") (result i64) (local $a (ref $boxes))
    (local.set $a (array.new_default $boxes (i32.const 300)))
    (array.set $boxes (local.get $a) (i32.const 299) (struct.new $box (i64.const 77)))
    (call $churn)
    (struct.get $box 0 (array.get $boxes (local.get $a) (i32.const 299))))
)

(assert_return (invoke "global") (i64.const 11))
(assert_return (invoke "table") (i64.const 37))
(assert_return (invoke "segment") (i64.const 22))
(assert_return (invoke "frames") (i64.const 5050))
(assert_return (invoke "operands") (i64.const 99))
(assert_return (invoke "exception") (i64.const 66))
(assert_return (invoke "chain") (i64.const 49995000))
(assert_return (invoke "array") (i64.const 77))
(assert_return (invoke "table") (i64.const 37))
