;; Code that a compiler knows to be unreachable, since no branch leads there, while the verifier
;; takes the end of every block for reachable.

;; A try_table there has clauses like any other: those behind it keep their numbers.
(module
  (tag $e)
  (func (export "catch-after-unreachable") (param i32) (result i32)
    (block $skip
      (br_if $skip (local.get 0))
      (block (unreachable))
      (block $h (try_table (catch_all $h) (throw $e))))
    (block $second (try_table (catch_all $second) (throw $e)) (return (i32.const 1)))
    (block $third (try_table (catch_all $third) (nop)) (return (i32.const 2)))
    (i32.const 3))
  (func (export "catch-around-unreachable") (param i32) (result i32)
    (block $h
      (try_table (catch_all $h)
        (block $out
          (br_table $out $out (local.get 0))
          (block $inner (try_table (catch_all $inner) (throw $e))))
        (throw $e))
      (return (i32.const 1)))
    (i32.const 2)))

(assert_return (invoke "catch-after-unreachable" (i32.const 1)) (i32.const 2))
(assert_trap (invoke "catch-after-unreachable" (i32.const 0)) "unreachable")
(assert_return (invoke "catch-around-unreachable" (i32.const 0)) (i32.const 2))

;; Operands that an unreachable end of an `if` leaves behind are no longer there after it.
(module
  (type $s (struct (field (mut i32))))
  (func (export "struct-below-if") (param i32) (result i32)
    (struct.new $s (i32.const 7))
    (if (local.get 0)
      (then
        (i32.const 0)
        (br_if 0 (local.get 0))
        (loop (unreachable))
        (unreachable)))
    (struct.get $s 0))
  (func (export "float-below-if") (param i32) (result f32)
    (f32.const 1.5)
    (if (local.get 0)
      (then
        (i32.const 0)
        (br_if 0 (local.get 0))
        (loop (unreachable))
        (unreachable))))
  (func (export "sum-below-if") (param i32) (result i32)
    (i32.add (local.get 0) (i32.const 5))
    (if (local.get 0)
      (then
        (i64.const 1)
        (i64.const 2)
        (br_if 0 (local.get 0))
        (block (unreachable))
        (unreachable)))))

(assert_return (invoke "struct-below-if" (i32.const 0)) (i32.const 7))
(assert_return (invoke "struct-below-if" (i32.const 1)) (i32.const 7))
(assert_return (invoke "float-below-if" (i32.const 0)) (f32.const 1.5))
(assert_return (invoke "float-below-if" (i32.const 1)) (f32.const 1.5))
(assert_return (invoke "sum-below-if" (i32.const 0)) (i32.const 5))
(assert_return (invoke "sum-below-if" (i32.const 1)) (i32.const 6))
