;; Takes all memory that it is given, writes to each page, and traps when there is no more.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (local $at i32)
    (loop $next
      (if (i32.lt_s (memory.grow (i32.const 16)) (i32.const 0)) (then (unreachable)))
      (loop $page
        (i64.store (local.get $at) (i64.const -1))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (br_if $page (i32.lt_u (local.get $at) (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536)))))
      (br $next))))
