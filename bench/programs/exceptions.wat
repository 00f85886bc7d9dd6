;; try_table where nothing is thrown, and where it is, through several frames.
;; checksum: 492e0bbfd384eff0
(tag $refused (param i32))

(func $checked (param $n i32) (result i32)
  (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 61)))
    (then (throw $refused (local.get $n))))
  (i32.mul (local.get $n) (i32.const 3)))

(func $deeper (param $n i32) (param $depth i32) (result i32)
  (if (result i32) (local.get $depth)
    (then (i32.add
      (call $deeper (local.get $n) (i32.sub (local.get $depth) (i32.const 1))) (i32.const 1)))
    (else (call $checked (local.get $n)))))

(func $tried (param $n i32) (result i32)
  (block $handler (result i32)
    (try_table (result i32) (catch $refused $handler)
      (call $deeper (local.get $n) (i32.const 3)))
    (return))
  (i32.xor (i32.const -1)))

(func $kernel (param $seed i32) (result i64)
  (local $n i32) (local $sum i64)
  (local.set $n (i32.mul (local.get $seed) (i32.const 400000)))
  (loop $again
    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
      (i64.extend_i32_u (call $tried (local.get $n)))))
    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
