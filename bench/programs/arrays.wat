;; Arrays on the collected heap: rows of a matrix are arrays of f64, the matrix is an array of rows;
;; bytes are appended to arrays that double.
;; checksum: adc4270507ed80be
(type $row (array (mut f64)))
(type $matrix (array (mut (ref null $row))))
(type $bytes (array (mut i8)))

(func $filled (param $n i32) (param $step f64) (result (ref $matrix))
  (local $m (ref $matrix)) (local $row (ref $row)) (local $i i32) (local $j i32)
  (local.set $m (array.new_default $matrix (local.get $n)))
  (loop $rows
    (local.set $row (array.new_default $row (local.get $n)))
    (local.set $j (i32.const 0))
    (loop $columns
      (array.set $row (local.get $row) (local.get $j)
        (f64.mul (local.get $step) (f64.convert_i32_s (i32.sub (local.get $i) (local.get $j)))))
      (br_if $columns
        (i32.lt_s (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
    (array.set $matrix (local.get $m) (local.get $i) (local.get $row))
    (br_if $rows (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $m))

;; The sum of the elements of the product of two matrices.
(func $product_sum (param $a (ref $matrix)) (param $b (ref $matrix)) (result f64)
  (local $n i32) (local $i i32) (local $j i32) (local $k i32)
  (local $row (ref null $row)) (local $sum f64)
  (local.set $n (array.len (local.get $a)))
  (loop $rows
    (local.set $row (array.get $matrix (local.get $a) (local.get $i)))
    (local.set $j (i32.const 0))
    (loop $columns
      (local.set $k (i32.const 0))
      (loop $terms
        (local.set $sum (f64.add (local.get $sum)
          (f64.mul (array.get $row (local.get $row) (local.get $k))
            (array.get $row (array.get $matrix (local.get $b) (local.get $k)) (local.get $j)))))
        (br_if $terms
          (i32.lt_s (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
      (br_if $columns
        (i32.lt_s (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
    (br_if $rows (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $sum))

;; Appends n bytes to an array that is doubled when it is full; their sum.
(func $append (param $n i32) (result i32)
  (local $bytes (ref $bytes)) (local $more (ref $bytes)) (local $i i32) (local $sum i32)
  (local.set $bytes (array.new_default $bytes (i32.const 16)))
  (loop $next
    (if (i32.eq (local.get $i) (array.len (local.get $bytes)))
      (then
        (local.set $more (array.new_default $bytes (i32.shl (local.get $i) (i32.const 1))))
        (array.copy $bytes $bytes (local.get $more) (i32.const 0)
          (local.get $bytes) (i32.const 0) (local.get $i))
        (local.set $bytes (local.get $more))))
    (array.set $bytes (local.get $bytes) (local.get $i) (local.get $i))
    (br_if $next
      (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (loop $sums
    (local.set $i (i32.sub (local.get $i) (i32.const 1)))
    (local.set $sum (i32.add (local.get $sum)
      (array.get_u $bytes (local.get $bytes) (local.get $i))))
    (br_if $sums (local.get $i)))
  (local.get $sum))

(func $kernel (param $seed i32) (result i64)
  (local $sum i64) (local $n i32)
  (local.set $sum (i64.trunc_sat_f64_s (call $product_sum
    (call $filled (i32.const 160) (f64.convert_i32_s (local.get $seed)))
    (call $filled (i32.const 160) (f64.const 0.5)))))
  (local.set $n (i32.const 150))
  (loop $again
    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
      (i64.extend_i32_u (call $append (i32.mul (local.get $n) (i32.const 100))))))
    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
