;; Garbage: builds and forgets trees and arrays, while one tree stays alive.
;;     fnvm run -W max-heap-size=8M --invoke churn examples/tree.wat 2000
(module $tree
  (type $node (struct
    (field $value i32)
    (field $left (ref null $node))
    (field $right (ref null $node))))
  (type $bytes (array (mut i8)))
  (type $list (struct (field $bytes (ref $bytes)) (field $next (ref null $list))))

  (func $grow (param $depth i32) (result (ref $node))
    (if (result (ref $node)) (i32.eqz (local.get $depth))
      (then (struct.new $node (i32.const 1) (ref.null $node) (ref.null $node)))
      (else (struct.new $node (i32.const 1)
              (call $grow (i32.sub (local.get $depth) (i32.const 1)))
              (call $grow (i32.sub (local.get $depth) (i32.const 1)))))))

  (func $sum (param $at (ref null $node)) (result i32)
    (if (result i32) (ref.is_null (local.get $at))
      (then (i32.const 0))
      (else (i32.add (struct.get $node $value (local.get $at))
              (i32.add (call $sum (struct.get $node $left (local.get $at)))
                       (call $sum (struct.get $node $right (local.get $at))))))))

  ;; Each round makes 64 KiB of bytes and 511 nodes that nothing refers to afterwards.  The sum of
  ;; the tree made before all rounds is the result: 8191 if not one of its nodes was lost.
  (func (export "churn") (param $rounds i32) (result i32)
    (local $kept (ref null $node))
    (local.set $kept (call $grow (i32.const 12)))
    (loop $again
      (drop (array.new $bytes (i32.const 7) (i32.const 65536)))
      (drop (call $grow (i32.const 8)))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $rounds) (i32.const 0))))
    (call $sum (local.get $kept)))

  ;; Keeps everything it makes: stops at the heap's limit.
  (func (export "hoard") (param $rounds i32) (result i32)
    (local $all (ref null $list))
    (loop $again
      (local.set $all (struct.new $list
        (array.new $bytes (i32.const 7) (i32.const 65536)) (local.get $all)))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $rounds) (i32.const 0))))
    (ref.is_null (local.get $all))))
