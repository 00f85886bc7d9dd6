;; Calls in tail position, direct and through a table: a machine whose states are functions reads
;; pseudo-random symbols and counts; none of the calls may grow the stack.
;; checksum: 95d689187764dce1
(type $state (func (param i32 i32 i64) (result i64)))
(table $states 4 4 funcref)
(elem (table $states) (i32.const 0) func $idle $word $number $quote)

;; Every state has: the symbols left, the random state, the sum.
(func $next (param $left i32) (param $random i32) (param $sum i64) (param $state i32) (result i64)
  (return_call_indirect $states (type $state)
    (i32.sub (local.get $left) (i32.const 1))
    (i32.add (i32.mul (local.get $random) (i32.const 1664525)) (i32.const 1013904223))
    (local.get $sum)
    (local.get $state)))

(func $symbol (param $random i32) (result i32)
  (i32.and (i32.shr_u (local.get $random) (i32.const 20)) (i32.const 7)))

(func $idle (type $state) (param $left i32) (param $random i32) (param $sum i64) (result i64)
  (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
  (return_call $next (local.get $left) (local.get $random) (local.get $sum)
    (i32.and (call $symbol (local.get $random)) (i32.const 3))))

(func $word (type $state) (param $left i32) (param $random i32) (param $sum i64) (result i64)
  (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
  (if (i32.gt_u (call $symbol (local.get $random)) (i32.const 2))
    (then (return_call $word (i32.sub (local.get $left) (i32.const 1))
      (i32.add (i32.mul (local.get $random) (i32.const 1664525)) (i32.const 1013904223))
      (i64.add (local.get $sum) (i64.const 1)))))
  (return_call $next (local.get $left) (local.get $random)
    (i64.mul (local.get $sum) (i64.const 3)) (i32.const 0)))

(func $number (type $state) (param $left i32) (param $random i32) (param $sum i64) (result i64)
  (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
  (return_call $next (local.get $left) (local.get $random)
    (i64.add (local.get $sum) (i64.extend_i32_u (local.get $random)))
    (select (i32.const 2) (i32.const 0)
      (i32.gt_u (call $symbol (local.get $random)) (i32.const 3)))))

(func $quote (type $state) (param $left i32) (param $random i32) (param $sum i64) (result i64)
  (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
  (return_call $next (local.get $left) (local.get $random)
    (i64.xor (local.get $sum) (i64.const 0x5555))
    (select (i32.const 0) (i32.const 3) (i32.eqz (call $symbol (local.get $random))))))

(func $kernel (param $seed i32) (result i64)
  (return_call $idle (i32.const 1500000) (i32.mul (local.get $seed) (i32.const 4321))
    (i64.const 1)))
