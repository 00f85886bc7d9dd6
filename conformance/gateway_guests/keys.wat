;; Puts a key called `mine`, and answers with the keys that it can see.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "fnvm:kv" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "fnvm:kv" "list" (func $list (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\40\00\00\00\1a\00\00\00\00\04\00\00")  ;; 64: the header; 1024: the keys
  (data (i32.const 64) "Content-Type: text/plain\n\n")
  (data (i32.const 128) "mine")
  (func (export "_start")
    (drop (call $set (i32.const 128) (i32.const 4) (i32.const 128) (i32.const 4)))
    (drop (call $list (i32.const 128) (i32.const 0) (i32.const 128) (i32.const 0) (i32.const 100) (i32.const 1024) (i32.const 8192) (i32.const 28)))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 8)))))
