;; A module that exports no memory: functions without addresses work, the others say what is wrong.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory 1)
  (func (export "_start")
    (if (i32.ne (call $close (i32.const 99)) (i32.const 8)) (then unreachable))
    (if (call $random (i32.const 0) (i32.const 0)) (then unreachable))
    (drop (call $random (i32.const 0) (i32.const 8)))))
