;; The front of isolation_body.wat for the protocol `handler`.
(module
  (import "fnvm:request" "read" (func $request_read (param i32 i32 i32) (result i32)))
  (import "fnvm:request" "write" (func $request_write (param i32 i32 i32) (result i32)))
  (export "fnvm_handle" (func $handle))
  (data $head "")
  (global $head_len i32 (i32.const 0))

  (func $read (param $to i32) (param $size i32) (result i32)
    (if (call $request_read (local.get $to) (local.get $size) (i32.const 520)) (then (unreachable)))
    (i32.load (i32.const 520)))
  (func $write (param $from i32) (param $len i32) (result i32)
    (if (call $request_write (local.get $from) (local.get $len) (i32.const 520)) (then (unreachable)))
    (i32.load (i32.const 520)))
