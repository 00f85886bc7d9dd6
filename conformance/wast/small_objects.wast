;; Small objects are made in place, off lists that run empty every page or so: whatever is in
;; registers then must be there again.  Sizes around the largest that lists have; values of every
;; storage; the object set to the local that one of its fields still reads.

(module
  (type $cell (struct (field i64) (field (mut (ref null $cell)))))
  (type $all (struct (field i8) (field i16) (field i32) (field i64) (field f32) (field f64)
                     (field v128) (field (ref null $cell))))
  (type $bytes (array (mut i8)))
  (type $shorts (array (mut i16)))
  (type $longs (array (mut i64)))
  (type $doubles (array (mut f64)))
  (type $vectors (array (mut v128)))
  (type $cells (array (mut (ref null $cell))))

  ;; Eight integers, four floats and a vector live over an allocation in every iteration.
  (func (export "registers") (param $n i32) (result i64)
    (local $a i64) (local $b i64) (local $c i64) (local $d i32) (local $e i32)
    (local $f f64) (local $g f32) (local $h f64) (local $v v128)
    (local $list (ref null $cell)) (local $last (ref null $cell))
    (local.set $a (i64.const 1)) (local.set $b (i64.const 2)) (local.set $c (i64.const 3))
    (local.set $f (f64.const 1)) (local.set $g (f32.const 1)) (local.set $h (f64.const 1))
    (local.set $v (i64x2.splat (i64.const 1)))
    (loop $again
      (local.set $a (i64.add (local.get $a) (i64.const 5)))
      (local.set $b (i64.xor (local.get $b) (local.get $a)))
      (local.set $d (i32.add (local.get $d) (i32.const 7)))
      (local.set $f (f64.add (local.get $f) (f64.const 0.5)))
      (local.set $v (i64x2.add (local.get $v) (i64x2.splat (local.get $a))))
      (local.set $c
        (i64.add (i64.add (local.get $c) (i64.mul (local.get $a) (i64.const 3)))
          (struct.get $cell 0
            (local.tee $list
              (struct.new $cell (i64.add (local.get $b) (i64.extend_i32_u (local.get $d)))
                (if (result (ref null $cell)) (i32.and (local.get $n) (i32.const 15))
                  (then (local.get $list)) (else (ref.null $cell))))))))
      (local.set $e (i32.add (local.get $e) (i32.xor (local.get $d) (local.get $n))))
      (local.set $g (f32.add (local.get $g) (f32.const 0.25)))
      (local.set $h (f64.add (local.get $h) (f64.promote_f32 (local.get $g))))
      (local.set $last (local.get $list))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.add (i64.add (i64.add (local.get $a) (local.get $b)) (i64.add (local.get $c)
        (i64.extend_i32_u (i32.add (local.get $d) (local.get $e)))))
      (i64.add (i64.add (i64.trunc_f64_s (f64.add (local.get $f) (local.get $h)))
          (i64x2.extract_lane 1 (local.get $v)))
        (i64.add (struct.get $cell 0 (local.get $last)) (call $length (local.get $list))))))
  (func $length (param $l (ref null $cell)) (result i64) (local $n i64)
    (block $end
      (loop $next
        (br_if $end (ref.is_null (local.get $l)))
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (local.set $l (struct.get $cell 1 (local.get $l)))
        (br $next)))
    (local.get $n))

  ;; The new cell's field is the old value of the local it goes to; operands wait below.
  (func (export "operands") (param $n i32) (result i64) (local $l (ref null $cell)) (local $s i64)
    (loop $again
      (i64.add (local.get $s)
        (i64.mul (i64.extend_i32_u (local.get $n))
          (block (result i64)
            (i64.extend_i32_s (i32.sub (i32.const 3) (local.get $n)))
            (local.set $l (struct.new $cell (i64.extend_i32_u (local.get $n)) (local.get $l)))
            (i64.add (struct.get $cell 0 (local.get $l))))))
      (local.set $s)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.add (local.get $s) (call $length (local.get $l))))

  ;; Every storage, and what lists give is zero whatever was there before.
  (func $one (param $i i32) (param $l (ref null $cell)) (result (ref $all))
    (struct.new $all (local.get $i) (local.get $i) (local.get $i)
      (i64.extend_i32_s (local.get $i)) (f32.convert_i32_s (local.get $i))
      (f64.convert_i32_s (local.get $i)) (i32x4.splat (local.get $i)) (local.get $l)))
  (func (export "storages") (param $n i32) (result i64) (local $o (ref $all)) (local $s i64)
    (loop $again
      (local.set $o (call $one (i32.mul (local.get $n) (i32.const -7)) (ref.null $cell)))
      (local.set $s (i64.add (local.get $s) (i64.add
        (i64.extend_i32_s (i32.add (i32.add (struct.get_s $all 0 (local.get $o))
            (struct.get_u $all 1 (local.get $o)))
          (i32.add (struct.get $all 2 (local.get $o))
            (i32.trunc_f32_s (struct.get $all 4 (local.get $o))))))
        (i64.add (i64.add (struct.get $all 3 (local.get $o))
            (i64.trunc_f64_s (struct.get $all 5 (local.get $o))))
          (i64x2.extract_lane 1 (struct.get $all 6 (local.get $o)))))))
      (local.set $o (struct.new_default $all))
      (local.set $s (i64.add (local.get $s) (i64.add
        (i64.add (i64.extend_i32_s (struct.get_s $all 0 (local.get $o)))
          (struct.get $all 3 (local.get $o)))
        (i64.add (i64x2.extract_lane 0 (struct.get $all 6 (local.get $o)))
          (i64.extend_i32_u (i32.eqz (ref.is_null (struct.get $all 7 (local.get $o)))))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))

  ;; Arrays of all lengths from none to beyond what lists have, written full, so that the next ones
  ;; find leftovers if there are any.
  (func $bytes_of (param $n i32) (result i32) (local $a (ref $bytes)) (local $i i32) (local $s i32)
    (local.set $a (array.new_default $bytes (local.get $n)))
    (block $end
      (loop $each
        (br_if $end (i32.eq (local.get $i) (array.len (local.get $a))))
        (local.set $s (i32.add (local.get $s) (array.get_u $bytes (local.get $a) (local.get $i))))
        (array.set $bytes (local.get $a) (local.get $i) (i32.const 0xFF))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each)))
    (i32.add (local.get $s) (array.len (local.get $a))))
  (func $vectors_of (param $n i32) (result i32) (local $a (ref $vectors)) (local $i i32)
    (local $s i32)
    (local.set $a (array.new $vectors (v128.const i64x2 0 0) (local.get $n)))
    (block $end
      (loop $each
        (br_if $end (i32.eq (local.get $i) (array.len (local.get $a))))
        (local.set $s (i32.add (local.get $s)
          (v128.any_true (array.get $vectors (local.get $a) (local.get $i)))))
        (array.set $vectors (local.get $a) (local.get $i) (v128.const i64x2 -1 -1))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each)))
    (i32.add (local.get $s) (array.len (local.get $a))))
  (func $doubles_of (param $n i32) (result i32) (local $a (ref $doubles)) (local $i i32)
    (local $s f64)
    (local.set $a (array.new $doubles (f64.const 0) (local.get $n)))
    (block $end
      (loop $each
        (br_if $end (i32.eq (local.get $i) (array.len (local.get $a))))
        (local.set $s (f64.add (local.get $s) (array.get $doubles (local.get $a) (local.get $i))))
        (array.set $doubles (local.get $a) (local.get $i) (f64.const 1))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each)))
    (i32.add (i32.trunc_f64_s (local.get $s)) (array.len (local.get $a))))
  (func (export "lengths") (param $most i32) (result i32) (local $n i32) (local $s i32)
    (loop $again
      (local.set $s (i32.add (local.get $s) (i32.add (call $bytes_of (local.get $n))
        (i32.add (call $vectors_of (i32.shr_u (local.get $n) (i32.const 3)))
          (call $doubles_of (i32.shr_u (local.get $n) (i32.const 2)))))))
      (br_if $again (i32.le_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (local.get $most))))
    (local.get $s))

  ;; Values repeated, as often as a constant says.
  (func (export "repeated") (param $x i64) (result i64) (local $v (ref $vectors)) (local $i i32)
    (local $b (ref $bytes)) (local $s (ref $shorts)) (local $l (ref $longs)) (local $sum i64)
    (local.set $v (array.new $vectors (i64x2.splat (local.get $x)) (i32.const 15)))
    (local.set $b (array.new $bytes (i32.wrap_i64 (local.get $x)) (i32.const 240)))
    (local.set $s (array.new $shorts (i32.wrap_i64 (local.get $x)) (i32.const 120)))
    (local.set $l (array.new $longs (local.get $x) (i32.const 30)))
    (drop (array.new $longs (local.get $x) (i32.const 0)))
    (loop $each
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (array.get_u $bytes (local.get $b) (local.get $i)))))
      (br_if $each (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 240))))
    (i64.add (i64.add (local.get $sum)
        (i64.add (array.get $longs (local.get $l) (i32.const 0))
          (array.get $longs (local.get $l) (i32.const 29))))
      (i64.add
        (i64.extend_i32_u (i32.add (array.get_u $shorts (local.get $s) (i32.const 0))
          (array.get_u $shorts (local.get $s) (i32.const 119))))
        (i64.add (i64x2.extract_lane 0 (array.get $vectors (local.get $v) (i32.const 0)))
          (i64x2.extract_lane 1 (array.get $vectors (local.get $v) (i32.const 14)))))))

  ;; Elements one by one, references among them, that only the array keeps alive.
  (func (export "fixed") (param $n i32) (result i64) (local $a (ref null $cells)) (local $s i64)
    (loop $again
      (local.set $a (array.new_fixed $cells 4
        (struct.new $cell (i64.extend_i32_u (local.get $n)) (ref.null $cell)) (ref.null $cell)
        (struct.new $cell (i64.const 10) (ref.null $cell))
        (struct.new $cell (i64.const 100) (ref.null $cell))))
      (local.set $s (i64.add (local.get $s) (i64.add
        (struct.get $cell 0 (array.get $cells (local.get $a) (i32.const 0)))
        (i64.add (struct.get $cell 0 (array.get $cells (local.get $a) (i32.const 2)))
          (struct.get $cell 0 (array.get $cells (local.get $a) (i32.const 3)))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.add (local.get $s) (i64.extend_i32_u (array.len (local.get $a)))))
  (func (export "too_long") (param i32) (drop (array.new_default $longs (local.get 0))))
)

(assert_return (invoke "registers" (i32.const 20000)) (i64.const 7740487679))
(assert_return (invoke "operands" (i32.const 20000)) (i64.const 600050000))
(assert_return (invoke "storages" (i32.const 5000)) (i64.const -375863325688627876))
(assert_return (invoke "lengths" (i32.const 300)) (i32.const 61838))
(assert_return (invoke "repeated" (i64.const 0x0123456789ABCDEF)) (i64.const 327942116866110378))
(assert_return (invoke "fixed" (i32.const 5000)) (i64.const 13052504))
(assert_trap (invoke "too_long" (i32.const -1)) "allocation size too large")
