;; The same, called once per request.
(module
  (import "fnvm:request" "write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "Hello, World!\n")
  (func (export "fnvm_handle") (drop (call $write (i32.const 16) (i32.const 14) (i32.const 0)))))
