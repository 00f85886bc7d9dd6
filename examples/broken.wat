;; Grammatical but wrong, twice: the verifier reports both.      fnvm verify examples/broken.wat
(module $broken
  (func $adds_a_float (param i32) (result i32)
    (i32.add (local.get 0) (f32.const 1)))
  (func $is_fine (param i32) (result i32)
    (local.get 0))
  (func $returns_nothing (result i64)))
