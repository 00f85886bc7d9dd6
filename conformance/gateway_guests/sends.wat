;; Opens requests until one is refused, and answers with how many there were, as a letter from `A` on for each
;; 16, and with the last status, as a letter below `Z`.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "fnvm:http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\40\00\00\00\1c\00\00\00")
  (data (i32.const 64) "Content-Type: text/plain\n\n??")
  (data (i32.const 128) "GET")
  (data (i32.const 144) "http://127.0.0.1:9/")
  (func (export "_start")
    (local $n i32) (local $status i32)
    (loop $more
      (local.set $status
        (call $send (i32.const 128) (i32.const 3) (i32.const 144) (i32.const 19) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
      (if (i32.ge_s (local.get $status) (i32.const 0))
        (then (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))))
    (i32.store8 (i32.const 90) (i32.add (i32.const 65) (i32.div_u (local.get $n) (i32.const 16))))
    (i32.store8 (i32.const 91) (i32.add (i32.const 90) (local.get $status)))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)))))
