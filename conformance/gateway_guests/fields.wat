;; Says a call's id of its own, and then the request's fields as fnvm:request tells them.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "fnvm:request" "part" (func $part (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\40\00\00\00\2c\00\00\00\00\04\00\00")  ;; 64: the header; 1024: the fields
  (data (i32.const 64) "Content-Type: text/plain\nX-Call-Id: forged\n\n")
  (func (export "_start")
    (drop (call $part (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 8192) (i32.const 28)))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 8)))))
