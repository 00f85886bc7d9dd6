;; Writes 64 MiB of lines to its log, then answers.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\00\01\00\00\00\00\01\00")       ;; 256: 64 KiB
  (data (i32.const 8) "\20\00\00\00\1d\00\00\00")       ;; 32: the answer
  (data (i32.const 32) "Content-Type: text/plain\n\nok\n")
  (func (export "_start")
    (local $i i32)
    (memory.fill (i32.const 256) (i32.const 0x78) (i32.const 65536)) ;; x
    (loop $line
      (i32.store8 (i32.add (i32.const 256) (local.get $i)) (i32.const 10))
      (br_if $line (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 100))) (i32.const 65536))))
    (local.set $i (i32.const 0))
    (loop $next
      (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))
