;; Never ends, and is in the host nearly all the time: what its path names, 64 MiB at a time.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "fnvm:request" "part" (func $part (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1600)
  (data (i32.const 0) "\00\00\10\00\00\00\00\04")       ;; 1 MiB: 64 MiB
  (data (i32.const 8) "\00\00\00\00\ff\ff\ff\7f")
  (func (export "fnvm_handle") (result i32)
    (local $c i32)
    (drop (call $part (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 64) (i32.const 60)))
    (local.set $c (i32.load8_u (i32.const 65)))           ;; the letter behind the slash
    (if (i32.eq (local.get $c) (i32.const 0x6c)) (then    ;; l: lines without an end
      (loop (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) (br 0))))
    (if (i32.eq (local.get $c) (i32.const 0x65)) (then    ;; e: empty lines
      (memory.fill (i32.const 0x100000) (i32.const 10) (i32.const 0x4000000))
      (loop (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) (br 0))))
    (if (i32.eq (local.get $c) (i32.const 0x72)) (then    ;; r
      (loop (drop (call $random (i32.const 0x100000) (i32.const 0x4000000))) (br 0))))
    (if (i32.eq (local.get $c) (i32.const 0x70)) (then    ;; p: a million subscriptions, each to a time
      (loop (drop (call $poll (i32.const 0x100000) (i32.const 0x4000000) (i32.const 1000000) (i32.const 16))) (br 0))))
    (if (i32.eq (local.get $c) (i32.const 0x79)) (then    ;; y
      (loop (drop (call $yield)) (br 0))))
    (if (i32.eq (local.get $c) (i32.const 0x63)) (then    ;; c
      (loop (memory.copy (i32.const 0x100000) (i32.const 0x100001) (i32.const 0x4000000)) (br 0))))
    (i32.const 0)))
