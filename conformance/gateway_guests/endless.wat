;; Answers without end.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\1a\00\00\00")       ;; 32: the header
  (data (i32.const 8) "\40\00\00\00\00\80\00\00")       ;; 64: 32 KiB of zeros
  (data (i32.const 32) "Content-Type: text/plain\n\n")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (loop (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))) (br 0))))
