;; Puts the key `open`, for which waits.wat waits.
(module
  (import "fnvm:kv" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 160) "open")
  (func (export "fnvm_handle") (result i32)
    (call $set (i32.const 160) (i32.const 4) (i32.const 160) (i32.const 4))))
