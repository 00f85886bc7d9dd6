;; Casts and small integers in references, as a dynamic language would use them: lists of numbers
;; and lists, built, reversed and summed.  Nearly all of it is garbage soon.
;; checksum: 838417a699857000
(type $pair (struct (field $head (ref null eq)) (field $tail (ref null eq))))

;; A list of n elements; every fourth of them is a list again.
(func $build (param $n i32) (param $depth i32) (result (ref null eq))
  (local $list (ref null eq))
  (loop $more
    (local.set $list (struct.new $pair
      (if (result (ref null eq)) (i32.and (i32.gt_s (local.get $depth) (i32.const 0))
                                          (i32.eqz (i32.and (local.get $n) (i32.const 3))))
        (then (call $build (i32.const 8) (i32.sub (local.get $depth) (i32.const 1))))
        (else (ref.i31 (local.get $n))))
      (local.get $list)))
    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $list))

(func $reversed (param $list (ref null eq)) (result (ref null eq))
  (local $out (ref null eq)) (local $pair (ref $pair))
  (block $end
    (loop $next
      (br_if $end (ref.is_null (local.get $list)))
      (local.set $pair (ref.cast (ref $pair) (local.get $list)))
      (local.set $out
        (struct.new $pair (struct.get $pair $head (local.get $pair)) (local.get $out)))
      (local.set $list (struct.get $pair $tail (local.get $pair)))
      (br $next)))
  (local.get $out))

(func $sum (param $value (ref null eq)) (result i64)
  (local $sum i64) (local $pair (ref $pair))
  (if (ref.test (ref i31) (local.get $value))
    (then (return (i64.extend_i32_s (i31.get_s (ref.cast (ref i31) (local.get $value)))))))
  (block $end
    (loop $next
      (br_if $end (i32.eqz (ref.test (ref $pair) (local.get $value))))
      (local.set $pair (ref.cast (ref $pair) (local.get $value)))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3))
        (call $sum (struct.get $pair $head (local.get $pair)))))
      (local.set $value (struct.get $pair $tail (local.get $pair)))
      (br $next)))
  (local.get $sum))

(func $kernel (param $seed i32) (result i64)
  (local $n i32) (local $sum i64)
  (local.set $n (i32.mul (local.get $seed) (i32.const 40)))
  (loop $again
    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
      (call $sum (call $reversed (call $build (i32.const 400) (i32.const 3))))))
    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
