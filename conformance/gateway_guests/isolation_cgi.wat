;; The front of isolation_body.wat for the protocol `cgi`: the body on standard input.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (export "_start" (func $handle))
  (data $head "Content-Type: text/plain\n\n")
  (global $head_len i32 (i32.const 26))

  (func $read (param $to i32) (param $size i32) (result i32)
    (i32.store (i32.const 512) (local.get $to))
    (i32.store (i32.const 516) (local.get $size))
    (if (call $fd_read (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 520)) (then (unreachable)))
    (i32.load (i32.const 520)))
  (func $write (param $from i32) (param $len i32) (result i32)
    (i32.store (i32.const 512) (local.get $from))
    (i32.store (i32.const 516) (local.get $len))
    (if (call $fd_write (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 520)) (then (unreachable)))
    (i32.load (i32.const 520)))
