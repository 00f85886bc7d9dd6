;; Functions, blocks and loops with several parameters and results: quotient with remainder,
;; Fibonacci pairs, the extended Euclidean algorithm.
;; checksum: cc861e9ba5ce5e99
(func $divided (param $a i64) (param $b i64) (result i64 i64)
  (i64.div_u (local.get $a) (local.get $b))
  (i64.rem_u (local.get $a) (local.get $b)))

;; F(n) and F(n+1), by doubling.
(func $fibonacci (param $n i32) (result i64 i64)
  (local $a i64) (local $b i64) (local $c i64) (local $d i64)
  (if (i32.eqz (local.get $n)) (then (return (i64.const 0) (i64.const 1))))
  (call $fibonacci (i32.shr_u (local.get $n) (i32.const 1)))
  (local.set $b)
  (local.set $a)
  (local.set $c (i64.mul (local.get $a)
    (i64.sub (i64.shl (local.get $b) (i64.const 1)) (local.get $a))))
  (local.set $d (i64.add (i64.mul (local.get $a) (local.get $a))
    (i64.mul (local.get $b) (local.get $b))))
  (if (result i64 i64) (i32.and (local.get $n) (i32.const 1))
    (then (local.get $d) (i64.add (local.get $c) (local.get $d)))
    (else (local.get $c) (local.get $d))))

;; The greatest common divisor and a factor of a; what a loop carries is on its operand stack.
(func $euclid (param $a i64) (param $b i64) (result i64 i64)
  (local $x i64) (local $y i64) (local $q i64) (local $r i64)
  (local.get $a)
  (local.get $b)
  (i64.const 1)
  (i64.const 0)
  (loop $again (param i64 i64 i64 i64) (result i64 i64)
    (local.set $y)
    (local.set $x)
    (local.set $b)
    (local.set $a)
    (if (result i64 i64) (i64.eqz (local.get $b))
      (then (local.get $a) (local.get $x))
      (else
        (call $divided (local.get $a) (local.get $b))
        (local.set $r)
        (local.set $q)
        (local.get $b)
        (local.get $r)
        (local.get $y)
        (i64.sub (local.get $x) (i64.mul (local.get $q) (local.get $y)))
        (br $again)))))

(func $kernel (param $seed i32) (result i64)
  (local $n i32) (local $sum i64)
  (local.set $n (i32.mul (local.get $seed) (i32.const 60000)))
  (loop $again
    (call $fibonacci (i32.and (local.get $n) (i32.const 63)))
    i64.add
    (call $euclid (i64.add (i64.extend_i32_u (local.get $n)) (i64.const 1000000007))
      (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 7919)))
    i64.add
    i64.xor
    (i64.mul (local.get $sum) (i64.const 31))
    i64.add
    local.set $sum
    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
