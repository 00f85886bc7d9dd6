;; Graphs of objects that are deep, wide, cyclic or shared: collections must neither recurse too
;; deep nor lose or keep what they should not.  The heap's limit would be passed if garbage
;; stayed.

(module
  (type $list (struct (field $next (mut (ref null $list))) (field $value i64)))
  (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))))
  (type $nest (array (mut anyref)))
  (type $bytes (array (mut i8)))
  (global $kept (mut (ref null $list)) (ref.null $list))

  (func $make (param $n i64) (result (ref null $list)) (local $head (ref null $list))
    (loop $again
      (local.set $head (struct.new $list (local.get $head) (local.get $n)))
      (br_if $again
        (i32.eqz (i64.eqz (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))
    (local.get $head))
  (func $sum (param $l (ref null $list)) (result i64) (local $sum i64)
    (block $end
      (loop $again
        (br_on_null $end (local.get $l))
        (drop)
        (local.set $sum (i64.add (local.get $sum) (struct.get $list $value (local.get $l))))
        (local.set $l (struct.get $list $next (local.get $l)))
        (br $again)))
    (local.get $sum))
  (func $churn (local $n i32)
    (local.set $n (i32.const 300))
    (loop $again
      (drop (array.new $bytes (i32.const 1) (i32.const 100000)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func (export "list") (result i64)
    (global.set $kept (call $make (i64.const 100000)))
    (call $churn)
    (call $sum (global.get $kept)))
  (func (export "many_lists") (result i64) (local $n i32) (local $sum i64)
    (local.set $n (i32.const 30))
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (call $sum (call $make (i64.const 100000)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; A ring is garbage as soon as nobody refers to it.
  (func $ring (param $n i64) (result (ref $list)) (local $last (ref $list))
    (local.set $last (struct.new $list (ref.null $list) (i64.const 0)))
    (struct.set $list $next (local.get $last) (call $make (local.get $n)))
    (call $end_of (local.get $last) (local.get $last))
    (local.get $last))
  (func $end_of (param $l (ref $list)) (param $new_end (ref $list))
    (loop $again
      (if (i32.eqz (ref.is_null (struct.get $list $next (local.get $l))))
        (then
          (local.set $l (ref.as_non_null (struct.get $list $next (local.get $l))))
          (br $again))))
    (struct.set $list $next (local.get $l) (local.get $new_end)))
  (func (export "rings") (result i32) (local $n i32) (local $r (ref null $list))
    (local.set $n (i32.const 30))
    (loop $again
      (local.set $r (call $ring (i64.const 50000)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.wrap_i64 (struct.get $list $value (struct.get $list $next (local.get $r)))))

  ;; A full binary tree, built and counted by recursion; and one whose levels share their children.
  (func $grow (param i32) (result (ref null $tree))
    (if (i32.eqz (local.get 0)) (then (return (ref.null $tree))))
    (struct.new $tree (call $grow (i32.sub (local.get 0) (i32.const 1)))
      (call $grow (i32.sub (local.get 0) (i32.const 1)))))
  (func $count (param (ref null $tree)) (result i32)
    (if (ref.is_null (local.get 0)) (then (return (i32.const 0))))
    (i32.add (i32.const 1)
      (i32.add (call $count (struct.get $tree $left (local.get 0)))
        (call $count (struct.get $tree $right (local.get 0))))))
  (func (export "tree") (result i32) (local (ref null $tree))
    (local.set 0 (call $grow (i32.const 16)))
    (call $churn)
    (call $count (local.get 0)))
  (func (export "shared") (result i32) (local $t (ref null $tree)) (local $n i32)
    (local.set $n (i32.const 16))
    (loop $again
      (local.set $t (struct.new $tree (local.get $t) (local.get $t)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $churn)
    (call $count (local.get $t)))

  ;; Arrays in arrays, each the only element of the next.
  (func (export "nested") (result i32) (local $x anyref) (local $n i32) (local $depth i32)
    (local.set $x (ref.i31 (i32.const 7)))
    (local.set $n (i32.const 50000))
    (loop $again
      (local.set $x (array.new $nest (local.get $x) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $churn)
    (block $end
      (loop $down
        (local.set $x
          (array.get $nest
            (block $array (result (ref $nest))
              (drop (br_on_cast $array anyref (ref $nest) (local.get $x)))
              (br $end))
            (i32.const 0)))
        (local.set $depth (i32.add (local.get $depth) (i32.const 1)))
        (br $down)))
    (local.get $depth))

  ;; More than the heap holds, all of it alive: a trap, and then there is room again.
  (func (export "too_much") (local $x anyref)
    (loop $again
      (local.set $x (array.new $nest (local.get $x) (i32.const 10000)))
      (br $again)))
  (func (export "too_large") (drop (array.new_default $nest (i32.const 0x7fffffff))))
)

(assert_return (invoke "list") (i64.const 5000050000))
(assert_return (invoke "many_lists") (i64.const 150001500000))
(assert_return (invoke "rings") (i32.const 1))
(assert_return (invoke "tree") (i32.const 65535))
(assert_return (invoke "shared") (i32.const 65535))
(assert_return (invoke "nested") (i32.const 50000))
(assert_trap (invoke "too_large") "allocation size too large")
(assert_trap (invoke "too_much") "managed heap limit reached")
(assert_return (invoke "list") (i64.const 5000050000))
(assert_trap (invoke "too_much") "managed heap limit reached")
(assert_return (invoke "tree") (i32.const 65535))
