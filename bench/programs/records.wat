;; Structures on the collected heap: sorted binary trees, grown, searched and forgotten; fields are
;; written after the structure is made, so that a generational collector has to see it.
;; checksum: 325b09b1ef0629a6
(rec (type $node (struct
  (field $key i32) (field $left (mut (ref null $node))) (field $right (mut (ref null $node))))))

(func $insert (param $at (ref null $node)) (param $key i32) (result (ref $node))
  (local $node (ref $node))
  (if (ref.is_null (local.get $at))
    (then (return (struct.new $node (local.get $key) (ref.null $node) (ref.null $node)))))
  (local.set $node (ref.as_non_null (local.get $at)))
  (if (i32.lt_u (local.get $key) (struct.get $node $key (local.get $node)))
    (then (struct.set $node $left (local.get $node)
      (call $insert (struct.get $node $left (local.get $node)) (local.get $key))))
    (else (struct.set $node $right (local.get $node)
      (call $insert (struct.get $node $right (local.get $node)) (local.get $key)))))
  (local.get $node))

;; A number that depends on the order of all keys.
(func $walk (param $at (ref null $node)) (param $sum i64) (result i64)
  (if (result i64) (ref.is_null (local.get $at))
    (then (local.get $sum))
    (else
      (call $walk (struct.get $node $right (local.get $at))
        (i64.add
          (i64.mul (call $walk (struct.get $node $left (local.get $at)) (local.get $sum))
            (i64.const 31))
          (i64.extend_i32_u (struct.get $node $key (local.get $at))))))))

(func $kernel (param $seed i32) (result i64)
  (local $root (ref null $node)) (local $n i32) (local $tree i32) (local $random i32)
  (local $sum i64)
  (local.set $random (i32.mul (local.get $seed) (i32.const 88675123)))
  (local.set $tree (i32.const 30))
  (loop $trees
    (local.set $root (ref.null $node))
    (local.set $n (i32.const 2000))
    (loop $keys
      (local.set $random (i32.add (i32.mul (local.get $random) (i32.const 1664525))
        (i32.const 1013904223)))
      (local.set $root
        (call $insert (local.get $root) (i32.shr_u (local.get $random) (i32.const 8))))
      (br_if $keys (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.set $sum (call $walk (local.get $root) (local.get $sum)))
    (br_if $trees (local.tee $tree (i32.sub (local.get $tree) (i32.const 1)))))
  (local.get $sum))
