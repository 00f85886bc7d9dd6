  ;; Searches everything that a guest can read for what another request left there, then fills all
  ;; of it with a secret of this request's, and answers "hits=XXXXXXXX secret=XXXXXXXXXXXXXXXX\n".
  ;; A request's body ends in the mark "sEcReT8!" and 16 digits; in memory a secret is the word
  ;; $mark_word and the number.
  ;;
  ;; The search comes before the request is read, so every mark that it finds is another's.

  (memory (export "memory") 2 16)
  (data (i32.const 256) "\88\77\66\55\44\33\22\11")    ;; changed by every request, and to be this again
  (data $passive "dropped by every request")
  (table $functions 16 64 funcref)
  (table $objects 8 64 anyref)
  (type $box (struct (field (mut i64))))
  (elem declare func $handle)
  (global $number (mut i64) (i64.const 0))
  (global $float (mut f64) (f64.const 0))
  (global $vector (mut v128) (v128.const i64x2 0 0))
  (global $object (mut anyref) (ref.null any))
  (global $function (mut funcref) (ref.null func))
  (global $hits (mut i32) (i32.const 0))

  (func $mark_word (result i64) (i64.const 0x7d3c5a96e1f0b482))
  (func $mark_text (result i64) (i64.const 0x2138546552634573)) ;; "sEcReT8!"

  (func $hit (param $is i32)
    (if (local.get $is) (then (global.set $hits (i32.add (global.get $hits) (i32.const 1))))))

  ;; ---- Searching ----

  (func $search_memory (param $at i32) (param $end i32)
    (local $word i64)
    (loop $next
      (local.set $word (i64.load (local.get $at)))
      (if (i32.or (i64.eq (local.get $word) (call $mark_word)) (i64.eq (local.get $word) (call $mark_text)))
        (then (call $hit (i32.const 1))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end)))))

  ;; What memory.grow gives is zero, also where a request before had grown as far.
  (func $search_new_memory
    (local $at i32) (local $end i32)
    (local.set $at (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))
    (local.set $end (i32.add (local.get $at) (i32.const 131072)))
    (loop $next
      (call $hit (i64.ne (i64.load (local.get $at)) (i64.const 0)))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end)))))

  (func $search_tables
    (local $i i32)
    (call $hit (i32.ne (table.size $functions) (i32.const 16)))
    (call $hit (i32.ne (table.size $objects) (i32.const 8)))
    (loop $next
      (call $hit (i32.eqz (ref.is_null (table.get $functions (local.get $i)))))
      (if (i32.lt_u (local.get $i) (table.size $objects))
        (then (call $hit (i32.eqz (ref.is_null (table.get $objects (local.get $i)))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (table.size $functions)))))

  (func $search_globals
    (call $hit (i64.ne (global.get $number) (i64.const 0)))
    (call $hit (i64.ne (i64.reinterpret_f64 (global.get $float)) (i64.const 0)))
    (call $hit (v128.any_true (global.get $vector)))
    (call $hit (i32.eqz (ref.is_null (global.get $object))))
    (call $hit (i32.eqz (ref.is_null (global.get $function)))))

  ;; Locals begin as zero, wherever a frame lies.
  (func $search_stack (param $depth i32)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64) (local $v v128)
    (if (local.get $depth) (then (call $search_stack (i32.sub (local.get $depth) (i32.const 1)))))
    (call $hit (i64.ne (i64.const 0)
      (i64.or (i64.or (local.get $a) (local.get $b)) (i64.or (i64.or (local.get $c) (local.get $d))
        (i64.or (local.get $e) (local.get $f))))))
    (call $hit (v128.any_true (local.get $v))))

  ;; ---- Writing ----

  (func $fill_memory (param $secret i64)
    (local $at i32) (local $end i32)
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    (loop $next
      (i64.store (local.get $at) (call $mark_word))
      (i64.store offset=8 (local.get $at) (local.get $secret))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end)))))

  (func $fill_tables (param $secret i64)
    (local $i i32)
    (drop (table.grow $functions (ref.func $handle) (i32.const 16)))
    (drop (table.grow $objects (ref.null any) (i32.const 8)))
    (loop $next
      (table.set $functions (local.get $i) (ref.func $handle))
      (if (i32.lt_u (local.get $i) (table.size $objects))
        (then (table.set $objects (local.get $i) (struct.new $box (local.get $secret)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (table.size $functions)))))

  (func $fill_globals (param $secret i64)
    (global.set $number (local.get $secret))
    (global.set $float (f64.reinterpret_i64 (i64.or (local.get $secret) (i64.const 1))))
    (global.set $vector (i64x2.splat (i64.or (local.get $secret) (i64.const 1))))
    (global.set $object (struct.new $box (local.get $secret)))
    (global.set $function (ref.func $handle)))

  (func $fill_stack (param $depth i32) (param $a i64) (result i64)
    (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64) (local $v v128)
    (local.set $b (i64.rotl (local.get $a) (i64.const 1)))
    (local.set $c (i64.rotl (local.get $a) (i64.const 2)))
    (local.set $d (i64.rotl (local.get $a) (i64.const 3)))
    (local.set $e (call $mark_word))
    (local.set $f (call $mark_text))
    (local.set $v (i64x2.splat (local.get $a)))
    (if (local.get $depth)
      (then (drop (call $fill_stack (i32.sub (local.get $depth) (i32.const 1)) (local.get $a)))))
    (i64.xor (i64.xor (local.get $b) (local.get $c)) (i64.xor (i64.xor (local.get $d) (local.get $e))
      (i64.xor (local.get $f) (i64x2.extract_lane 0 (local.get $v))))))

  ;; ---- A request ----

  ;; The whole input to 4096; its length.
  (func $input (result i32)
    (local $n i32) (local $len i32)
    (loop $next
      (local.set $n (call $read (i32.add (i32.const 4096) (local.get $len)) (i32.sub (i32.const 61440) (local.get $len))))
      (local.set $len (i32.add (local.get $len) (local.get $n)))
      (br_if $next (local.get $n)))
    (local.get $len))

  (func $output (param $at i32) (param $end i32)
    (loop $next
      (local.set $at (i32.add (local.get $at) (call $write (local.get $at) (i32.sub (local.get $end) (local.get $at)))))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  (func $parse_digits (param $at i32) (result i64)
    (local $i i32) (local $digit i64) (local $n i64)
    (loop $next
      (local.set $digit (i64.load8_u (i32.add (local.get $at) (local.get $i))))
      (local.set $n (i64.or (i64.shl (local.get $n) (i64.const 4))
        (i64.and (i64.const 15)
          (select (i64.sub (local.get $digit) (i64.const 87)) (local.get $digit)
            (i64.ge_u (local.get $digit) (i64.const 97))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
    (local.get $n))

  (func $put_digits (param $at i32) (param $count i32) (param $n i64)
    (local $digit i64)
    (loop $next
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (local.set $digit (i64.and (local.get $n) (i64.const 15)))
      (i64.store8 (i32.add (local.get $at) (local.get $count))
        (i64.add (local.get $digit)
          (select (i64.const 87) (i64.const 48) (i64.ge_u (local.get $digit) (i64.const 10)))))
      (local.set $n (i64.shr_u (local.get $n) (i64.const 4)))
      (br_if $next (local.get $count))))

  (func $handle
    (local $len i32) (local $secret i64) (local $at i32)
    (call $hit (i32.ne (memory.size) (i32.const 2)))
    (call $hit (i64.ne (i64.load (i32.const 256)) (i64.const 0x1122334455667788)))
    (call $search_memory (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))
    (call $search_new_memory)
    (call $search_tables)
    (call $search_globals)
    (call $search_stack (i32.const 100))

    (local.set $len (call $input))
    (if (i32.lt_u (local.get $len) (i32.const 24)) (then (unreachable)))
    (local.set $at (i32.add (i32.const 4096) (i32.sub (local.get $len) (i32.const 24))))
    (if (i64.ne (i64.load (local.get $at)) (call $mark_text)) (then (unreachable)))
    (local.set $secret (call $parse_digits (i32.add (local.get $at) (i32.const 8))))

    (call $fill_memory (local.get $secret))
    (call $fill_tables (local.get $secret))
    (call $fill_globals (local.get $secret))
    (drop (call $fill_stack (i32.const 100) (local.get $secret)))

    (memory.init $head (i32.const 4096) (i32.const 0) (global.get $head_len))
    (local.set $at (i32.add (i32.const 4096) (global.get $head_len)))
    (i64.store (local.get $at) (i64.const 0x3d73746968))                       ;; "hits="
    (call $put_digits (i32.add (local.get $at) (i32.const 5)) (i32.const 8) (i64.extend_i32_u (global.get $hits)))
    (i64.store (i32.add (local.get $at) (i32.const 13)) (i64.const 0x3d74657263657320)) ;; " secret="
    (call $put_digits (i32.add (local.get $at) (i32.const 21)) (i32.const 16) (local.get $secret))
    (i32.store8 (i32.add (local.get $at) (i32.const 37)) (i32.const 10))
    (call $output (i32.const 4096) (i32.add (local.get $at) (i32.const 38)))

    ;; Where it was dropped already, this traps: the request before is still there.
    (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 24))
    (data.drop $passive))
)
