;; An instantiation that fails half-way leaves behind what it wrote before (standard, 4.7.2):
;; functions in tables of others, which must be safe to call, and bytes in memories of others.

(module $shared
  (type $f (func (result i32)))
  (table (export "table") 10 funcref)
  (table (export "objects") 4 anyref)
  (memory (export "memory") 1)
  (global (export "g") (mut i32) (i32.const 1))
  (func (export "call") (param i32) (result i32) (call_indirect 0 (type $f) (local.get 0)))
  (func (export "tail") (param i32) (result i32) (return_call_indirect 0 (type $f) (local.get 0)))
  (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "object") (param i32) (result i32)
    (array.len (ref.cast (ref array) (table.get 1 (local.get 0))))))
(register "shared")

;; The data segment does not fit: globals and tables are there, the own memory is empty.
(assert_trap
  (module
    (import "shared" "table" (table 10 funcref))
    (memory 1)
    (global $g (mut i32) (i32.const 41))
    (global $v (mut v128) (v128.const i64x2 1 2))
    (elem (i32.const 0) $count $grow $init $fill)
    (data $passive "\07\08")
    (data (i32.const 0) "\05")
    (data (i32.const 65536) "x")
    (data (i32.const 1) "\06")
    (func $count (result i32)
      (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (global.get $g))
    (func $grow (result i32) (drop (memory.grow (i32.const 1))) (memory.size))
    (func $init (result i32)
      (memory.init $passive (i32.const 100) (i32.const 0) (i32.const 2))
      (i32.add (i32.load8_u (i32.const 0)) (i32.load16_u (i32.const 100))))
    (func $fill (result i32)
      (memory.fill (i32.const 0) (i32.const 9) (i32.const 65536))
      (i32.load8_u (i32.const 65535))))
  "out of bounds memory access")
(assert_return (invoke "call" (i32.const 0)) (i32.const 42))
(assert_return (invoke "tail" (i32.const 0)) (i32.const 43))
(assert_return (invoke "call" (i32.const 2)) (i32.const 0x80c))
(assert_return (invoke "call" (i32.const 1)) (i32.const 2))
(assert_return (invoke "call" (i32.const 3)) (i32.const 9))
(assert_return (invoke "tail" (i32.const 3)) (i32.const 9))

;; The second element segment does not fit; the first stays, data is not looked at any more.
(assert_trap
  (module
    (import "shared" "table" (table 10 funcref))
    (import "shared" "memory" (memory 1))
    (elem (i32.const 4) $seven)
    (elem (i32.const 9) $seven $seven)
    (data (i32.const 0) "\01")
    (func $seven (result i32) (i32.const 7)))
  "out of bounds table access")
(assert_return (invoke "call" (i32.const 4)) (i32.const 7))
(assert_return (invoke "byte" (i32.const 0)) (i32.const 0))
(assert_trap (invoke "call" (i32.const 9)) "uninitialized element")

;; The start function traps, deep down and with operands on the stack: all segments stay.
(assert_trap
  (module
    (import "shared" "table" (table 10 funcref))
    (import "shared" "memory" (memory 1))
    (import "shared" "g" (global $g (mut i32)))
    (elem (i32.const 5) $get)
    (data (i32.const 8) "\2a")
    (func $get (result i32) (i32.add (global.get $g) (i32.load8_u (i32.const 8))))
    (func $deep (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (global.set $g (i32.const 100)) (unreachable)))
      (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
    (func $start (drop (i32.const 1)) (drop (call $deep (i32.const 50))))
    (start $start))
  "unreachable")
(assert_return (invoke "call" (i32.const 5)) (i32.const 142))
(assert_return (invoke "byte" (i32.const 8)) (i32.const 42))

;; Objects that a failed instance made live on where it put them.
(assert_trap
  (module
    (import "shared" "objects" (table 4 anyref))
    (type $bytes (array i8))
    (elem (i32.const 0) (ref any)
      (array.new $bytes (i32.const 1) (i32.const 100))
      (array.new_fixed $bytes 2 (i32.const 1) (i32.const 2)))
    (func $start (unreachable))
    (start $start))
  "unreachable")
(assert_return (invoke $shared "object" (i32.const 0)) (i32.const 100))
(assert_return (invoke $shared "object" (i32.const 1)) (i32.const 2))
(assert_trap (invoke $shared "object" (i32.const 2)) "cast failure")

;; An array in a global that is too large for the heap: nothing of the instance can be reached.
(assert_trap
  (module
    (import "shared" "table" (table 10 funcref))
    (type $bytes (array i8))
    (global (ref $bytes) (array.new_default $bytes (i32.const -1)))
    (elem (i32.const 8) $f)
    (func $f (result i32) (i32.const 1)))
  "allocation size too large")
(assert_trap (invoke $shared "call" (i32.const 8)) "uninitialized element")
