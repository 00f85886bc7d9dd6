;; What every benchmark program in the text format does, as kernel.h does for C: these fields stand
;; in front of the program's own, whose (func $kernel (param i32) (result i64)) is to be measured.
;; Prints "checksum measured first warm".
(import "wasi_snapshot_preview1" "clock_time_get"
  (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_sizes_get"
  (func $args_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write"
  (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

;; 0: results of WASI; 16: the I/O vector; 64: argv; 1024: the arguments; 32768: the output.
(memory (export "memory") 1)
(global $out (mut i32) (i32.const 32768))

(func $now (result i64)
  (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)))
  (i64.load (i32.const 0)))

(func $put (param $byte i32)
  (i32.store8 (global.get $out) (local.get $byte))
  (global.set $out (i32.add (global.get $out) (i32.const 1))))

(func $put_number (param $n i64) (param $base i64) (param $digits i32)
  (local $digit i32)
  (if (i32.or (i64.ge_u (local.get $n) (local.get $base))
              (i32.gt_s (local.get $digits) (i32.const 1)))
    (then (call $put_number (i64.div_u (local.get $n) (local.get $base)) (local.get $base)
            (i32.sub (local.get $digits) (i32.const 1)))))
  (local.set $digit (i32.wrap_i64 (i64.rem_u (local.get $n) (local.get $base))))
  (call $put (i32.add (local.get $digit)
    (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10))))))

;; The number of rounds: the first argument, or 20.
(func $rounds (result i32)
  (local $at i32) (local $n i32) (local $byte i32)
  (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
  (if (i32.or (i32.lt_u (i32.load (i32.const 0)) (i32.const 2))
              (i32.gt_u (i32.load (i32.const 4)) (i32.const 30000)))
    (then (return (i32.const 20))))
  (drop (call $args_get (i32.const 64) (i32.const 1024)))
  (local.set $at (i32.load (i32.const 68)))
  (loop $next
    (local.set $byte (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
    (if (i32.lt_u (local.get $byte) (i32.const 10))
      (then
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (local.get $byte)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
  (local.get $n))

(func (export "_start")
  (local $sum i64) (local $start i64) (local $first i64) (local $warm i64) (local $end i64)
  (local $left i32)
  (local.set $left (call $rounds))
  (local.set $start (call $now))
  (local.set $sum (call $kernel (i32.const 1)))
  (local.set $first (call $now))
  (drop (call $kernel (i32.const 1)))
  (local.set $warm (call $now))
  (loop $again
    (if (i64.ne (call $kernel (i32.const 1)) (local.get $sum))
      (then (call $proc_exit (i32.const 1))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (local.set $end (call $now))
  (call $put_number (local.get $sum) (i64.const 16) (i32.const 16))
  (call $put (i32.const 32))
  (call $put_number (i64.sub (local.get $end) (local.get $warm)) (i64.const 10) (i32.const 1))
  (call $put (i32.const 32))
  (call $put_number (i64.sub (local.get $first) (local.get $start)) (i64.const 10) (i32.const 1))
  (call $put (i32.const 32))
  (call $put_number (i64.sub (local.get $warm) (local.get $first)) (i64.const 10) (i32.const 1))
  (call $put (i32.const 10))
  (i32.store (i32.const 16) (i32.const 32768))
  (i32.store (i32.const 20) (i32.sub (global.get $out) (i32.const 32768)))
  (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 0))))
