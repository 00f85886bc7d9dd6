;; Numbers in code may be padded to their largest size, as linkers do, and in every other way the
;; format allows: indices, counts, opcodes after a prefix, types of blocks.  One function with all
;; kinds of them, for each width; were one step over an immediate too short, what follows it would
;; be run as code.

;; No padding but where it is written out.
(module binary
  "\00\61\73\6d\01\00\00\00" ;; the header
  ;; types: two of functions, a struct of an i32, a function
  "\01\12\04\60\00\01\7f\60\01\7f\01\7f\5f\01\7f\00\60\01\7f\00"
  "\03\03\02\01\01" ;; functions
  "\04\04\01\70\00\02" ;; a table of 2
  "\05\03\01\00\01" ;; a memory of 1 page
  "\0d\03\01\00\03" ;; a tag
  "\06\07\01\7f\01\41\e4\00\0b" ;; a global
  "\07\07\01\03\72\75\6e\00\00" ;; export "run"
  "\09\07\01\00\41\00\0b\01\01" ;; element 0: function 1
  "\0a\a6\02\02\9a\02\01\01\7f" ;; code: function 0
  "\41\fb\ff\ff\ff\7f" ;; i32.const -5
  "\21\01" ;; local.set 1
  "\20\01" ;; local.get 1
  "\20\00" ;; local.get 0
  "\6a" ;; i32.add                       arg - 5
  "\22\01" ;; local.tee 1
  "\42\fd\ff\ff\ff\ff\ff\ff\ff\ff\7f\a7\6a" ;; i64.const -3; i32.wrap; add   arg - 8
  "\41\07\41\09\20\00\1c\01\7f\6a" ;; select (result i32) 7 9 arg    arg - 1, or 1
  "\02\81\80\80\80\00\41\01\6a\0c\00\0b" ;; block (type 1) i32.const 1; add; br 0; end
  "\03\81\80\00\0b" ;; loop (type 1) end
  "\41\01\04\81\00\41\01\6a\05\0b" ;; i32.const 1; if (type 1) i32.const 1; add; else; end
  "\02\40\41\01\0d\00\00\0b" ;; block; i32.const 1; br_if 0; unreachable; end
  "\02\40\41\00\0d\00\0b" ;; block; i32.const 0; br_if 0; end
  "\02\40\02\40\41\01\0e\02\00\01\00\0b\00\0b" ;; br_table 0 1 0 by 1
  "\23\00\41\01\6a\24\00\23\00\6a" ;; global 0, 100, plus 1; add
  "\10\01" ;; call 1                        + 1000
  "\41\80\80\80\80\00\11\01\00" ;; call_indirect (type 1) 0      + 1000
  "\d2\01\14\01" ;; ref.func 1; call_ref 1        + 1000
  "\41\08\20\01\36\02\84\80\80\80\00" ;; i32.store offset=4 at 8
  "\41\08\28\82\00\84\80\80\80\80\80\80\80\80\00\6a" ;; i32.load offset=4; add         + arg - 5
  "\41\08\28\c2\00\00\84\80\00\1a" ;; i32.load (memory 0); drop
  "\3f\00\6a" ;; memory.size; add              + 1
  "\41\00\40\00\6a" ;; memory.grow by 0; add          + 1
  "\41\00\41\00\41\04\fc\0b\00" ;; memory.fill
  "\41\00\41\00\41\04\fc\0a\00\00" ;; memory.copy
  "\fc\10\00\6a" ;; table.size; add               + 2
  "\41\00\25\00\d1\6a" ;; table.get 0; ref.is_null; add
  "\41\01\d2\01\26\00" ;; table.set 1 to ref.func 1
  "\d0\82\80\80\80\00\d1\6a" ;; ref.null 2; ref.is_null; add  + 1
  "\02\40\d0\6e\d5\00\1a\00\0b" ;; block; ref.null any; br_on_null 0; unreachable; end
  "\41\03\fb\00\02\fb\02\02\00\6a" ;; struct.new 2 of 3; struct.get; add  + 3
  ;; br_on_cast 0 (ref struct) (ref 2)
  "\02\6b\41\03\fb\00\02\fb\18\00\00\6b\82\80\80\80\00\00\0b\1a"
  "\02\7f\1f\40\01\00\00\00\41\06\08\00\0b\00\0b\6a" ;; try_table (catch 0 0) throw 6; add   + 6
  "\41\02\fd\11\fd\1b\03\6a" ;; i32x4.splat 2; extract_lane 3; add   + 2
  "\43\00\00\80\40\fc\00\6a" ;; f32.const 4; i32.trunc_sat_f32_s; add  + 4
  "\0b" ;; end
  "\08\00\20\00\41\e8\07\6a\0b") ;; function 1: adds 1000
(assert_return (invoke "run" (i32.const 7)) (i32.const 3131))
(assert_return (invoke "run" (i32.const 0)) (i32.const 3120))

;; Two bytes.
(module binary
  "\00\61\73\6d\01\00\00\00" ;; the header
  ;; types: two of functions, a struct of an i32, a function
  "\01\12\04\60\00\01\7f\60\01\7f\01\7f\5f\01\7f\00\60\01\7f\00"
  "\03\03\02\01\01" ;; functions
  "\04\04\01\70\00\02" ;; a table of 2
  "\05\03\01\00\01" ;; a memory of 1 page
  "\0d\03\01\00\03" ;; a tag
  "\06\07\01\7f\01\41\e4\00\0b" ;; a global
  "\07\07\01\03\72\75\6e\00\00" ;; export "run"
  "\09\07\01\00\41\00\0b\01\01" ;; element 0: function 1
  "\0a\db\02\02\cf\02\01\01\7f" ;; code: function 0
  "\41\fb\ff\ff\ff\7f" ;; i32.const -5
  "\21\81\00" ;; local.set 1
  "\20\81\00" ;; local.get 1
  "\20\80\00" ;; local.get 0
  "\6a" ;; i32.add                       arg - 5
  "\22\81\00" ;; local.tee 1
  "\42\fd\ff\ff\ff\ff\ff\ff\ff\ff\7f\a7\6a" ;; i64.const -3; i32.wrap; add   arg - 8
  "\41\07\41\09\20\80\00\1c\81\00\7f\6a" ;; select (result i32) 7 9 arg    arg - 1, or 1
  "\02\81\80\80\80\00\41\01\6a\0c\80\00\0b" ;; block (type 1) i32.const 1; add; br 0; end
  "\03\81\80\00\0b" ;; loop (type 1) end
  "\41\01\04\81\00\41\01\6a\05\0b" ;; i32.const 1; if (type 1) i32.const 1; add; else; end
  "\02\40\41\01\0d\80\00\00\0b" ;; block; i32.const 1; br_if 0; unreachable; end
  "\02\40\41\00\0d\80\00\0b" ;; block; i32.const 0; br_if 0; end
  "\02\40\02\40\41\01\0e\82\00\80\00\81\00\80\00\0b\00\0b" ;; br_table 0 1 0 by 1
  "\23\80\00\41\01\6a\24\80\00\23\80\00\6a" ;; global 0, 100, plus 1; add
  "\10\81\00" ;; call 1                        + 1000
  "\41\80\80\80\80\00\11\81\00\80\00" ;; call_indirect (type 1) 0      + 1000
  "\d2\81\00\14\81\00" ;; ref.func 1; call_ref 1        + 1000
  "\41\08\20\81\00\36\82\00\84\80\80\80\00" ;; i32.store offset=4 at 8
  "\41\08\28\82\00\84\80\80\80\80\80\80\80\80\00\6a" ;; i32.load offset=4; add         + arg - 5
  "\41\08\28\c2\00\80\00\84\80\00\1a" ;; i32.load (memory 0); drop
  "\3f\80\00\6a" ;; memory.size; add              + 1
  "\41\00\40\80\00\6a" ;; memory.grow by 0; add          + 1
  "\41\00\41\00\41\04\fc\8b\00\80\00" ;; memory.fill
  "\41\00\41\00\41\04\fc\8a\00\80\00\80\00" ;; memory.copy
  "\fc\90\00\80\00\6a" ;; table.size; add               + 2
  "\41\00\25\80\00\d1\6a" ;; table.get 0; ref.is_null; add
  "\41\01\d2\81\00\26\80\00" ;; table.set 1 to ref.func 1
  "\d0\82\80\80\80\00\d1\6a" ;; ref.null 2; ref.is_null; add  + 1
  "\02\40\d0\6e\d5\80\00\1a\00\0b" ;; block; ref.null any; br_on_null 0; unreachable; end
  "\41\03\fb\80\00\82\00\fb\82\00\82\00\80\00\6a" ;; struct.new 2 of 3; struct.get; add  + 3
  ;; br_on_cast 0 (ref struct) (ref 2)
  "\02\6b\41\03\fb\80\00\82\00\fb\98\00\00\80\00\6b\82\80\80\80\00\00\0b\1a"
  ;; try_table (catch 0 0) throw 6; add   + 6
  "\02\7f\1f\40\81\00\00\80\00\80\00\41\06\08\80\00\0b\00\0b\6a"
  "\41\02\fd\91\00\fd\9b\00\03\6a" ;; i32x4.splat 2; extract_lane 3; add   + 2
  "\43\00\00\80\40\fc\80\00\6a" ;; f32.const 4; i32.trunc_sat_f32_s; add  + 4
  "\0b" ;; end
  "\08\00\20\00\41\e8\07\6a\0b") ;; function 1: adds 1000
(assert_return (invoke "run" (i32.const 7)) (i32.const 3131))
(assert_return (invoke "run" (i32.const 0)) (i32.const 3120))

;; Three bytes.
(module binary
  "\00\61\73\6d\01\00\00\00" ;; the header
  ;; types: two of functions, a struct of an i32, a function
  "\01\12\04\60\00\01\7f\60\01\7f\01\7f\5f\01\7f\00\60\01\7f\00"
  "\03\03\02\01\01" ;; functions
  "\04\04\01\70\00\02" ;; a table of 2
  "\05\03\01\00\01" ;; a memory of 1 page
  "\0d\03\01\00\03" ;; a tag
  "\06\07\01\7f\01\41\e4\00\0b" ;; a global
  "\07\07\01\03\72\75\6e\00\00" ;; export "run"
  "\09\07\01\00\41\00\0b\01\01" ;; element 0: function 1
  "\0a\90\03\02\84\03\01\01\7f" ;; code: function 0
  "\41\fb\ff\ff\ff\7f" ;; i32.const -5
  "\21\81\80\00" ;; local.set 1
  "\20\81\80\00" ;; local.get 1
  "\20\80\80\00" ;; local.get 0
  "\6a" ;; i32.add                       arg - 5
  "\22\81\80\00" ;; local.tee 1
  "\42\fd\ff\ff\ff\ff\ff\ff\ff\ff\7f\a7\6a" ;; i64.const -3; i32.wrap; add   arg - 8
  "\41\07\41\09\20\80\80\00\1c\81\80\00\7f\6a" ;; select (result i32) 7 9 arg    arg - 1, or 1
  "\02\81\80\80\80\00\41\01\6a\0c\80\80\00\0b" ;; block (type 1) i32.const 1; add; br 0; end
  "\03\81\80\00\0b" ;; loop (type 1) end
  "\41\01\04\81\00\41\01\6a\05\0b" ;; i32.const 1; if (type 1) i32.const 1; add; else; end
  "\02\40\41\01\0d\80\80\00\00\0b" ;; block; i32.const 1; br_if 0; unreachable; end
  "\02\40\41\00\0d\80\80\00\0b" ;; block; i32.const 0; br_if 0; end
  "\02\40\02\40\41\01\0e\82\80\00\80\80\00\81\80\00\80\80\00\0b\00\0b" ;; br_table 0 1 0 by 1
  "\23\80\80\00\41\01\6a\24\80\80\00\23\80\80\00\6a" ;; global 0, 100, plus 1; add
  "\10\81\80\00" ;; call 1                        + 1000
  "\41\80\80\80\80\00\11\81\80\00\80\80\00" ;; call_indirect (type 1) 0      + 1000
  "\d2\81\80\00\14\81\80\00" ;; ref.func 1; call_ref 1        + 1000
  "\41\08\20\81\80\00\36\82\80\00\84\80\80\80\00" ;; i32.store offset=4 at 8
  "\41\08\28\82\00\84\80\80\80\80\80\80\80\80\00\6a" ;; i32.load offset=4; add         + arg - 5
  "\41\08\28\c2\00\80\80\00\84\80\00\1a" ;; i32.load (memory 0); drop
  "\3f\80\80\00\6a" ;; memory.size; add              + 1
  "\41\00\40\80\80\00\6a" ;; memory.grow by 0; add          + 1
  "\41\00\41\00\41\04\fc\8b\80\00\80\80\00" ;; memory.fill
  "\41\00\41\00\41\04\fc\8a\80\00\80\80\00\80\80\00" ;; memory.copy
  "\fc\90\80\00\80\80\00\6a" ;; table.size; add               + 2
  "\41\00\25\80\80\00\d1\6a" ;; table.get 0; ref.is_null; add
  "\41\01\d2\81\80\00\26\80\80\00" ;; table.set 1 to ref.func 1
  "\d0\82\80\80\80\00\d1\6a" ;; ref.null 2; ref.is_null; add  + 1
  "\02\40\d0\6e\d5\80\80\00\1a\00\0b" ;; block; ref.null any; br_on_null 0; unreachable; end
  ;; struct.new 2 of 3; struct.get; add  + 3
  "\41\03\fb\80\80\00\82\80\00\fb\82\80\00\82\80\00\80\80\00\6a"
  ;; br_on_cast 0 (ref struct) (ref 2)
  "\02\6b\41\03\fb\80\80\00\82\80\00\fb\98\80\00\00\80\80\00\6b\82\80\80\80\00\00\0b\1a"
  ;; try_table (catch 0 0) throw 6; add   + 6
  "\02\7f\1f\40\81\80\00\00\80\80\00\80\80\00\41\06\08\80\80\00\0b\00\0b\6a"
  "\41\02\fd\91\80\00\fd\9b\80\00\03\6a" ;; i32x4.splat 2; extract_lane 3; add   + 2
  "\43\00\00\80\40\fc\80\80\00\6a" ;; f32.const 4; i32.trunc_sat_f32_s; add  + 4
  "\0b" ;; end
  "\08\00\20\00\41\e8\07\6a\0b") ;; function 1: adds 1000
(assert_return (invoke "run" (i32.const 7)) (i32.const 3131))
(assert_return (invoke "run" (i32.const 0)) (i32.const 3120))

;; Four bytes.
(module binary
  "\00\61\73\6d\01\00\00\00" ;; the header
  ;; types: two of functions, a struct of an i32, a function
  "\01\12\04\60\00\01\7f\60\01\7f\01\7f\5f\01\7f\00\60\01\7f\00"
  "\03\03\02\01\01" ;; functions
  "\04\04\01\70\00\02" ;; a table of 2
  "\05\03\01\00\01" ;; a memory of 1 page
  "\0d\03\01\00\03" ;; a tag
  "\06\07\01\7f\01\41\e4\00\0b" ;; a global
  "\07\07\01\03\72\75\6e\00\00" ;; export "run"
  "\09\07\01\00\41\00\0b\01\01" ;; element 0: function 1
  "\0a\c5\03\02\b9\03\01\01\7f" ;; code: function 0
  "\41\fb\ff\ff\ff\7f" ;; i32.const -5
  "\21\81\80\80\00" ;; local.set 1
  "\20\81\80\80\00" ;; local.get 1
  "\20\80\80\80\00" ;; local.get 0
  "\6a" ;; i32.add                       arg - 5
  "\22\81\80\80\00" ;; local.tee 1
  "\42\fd\ff\ff\ff\ff\ff\ff\ff\ff\7f\a7\6a" ;; i64.const -3; i32.wrap; add   arg - 8
  "\41\07\41\09\20\80\80\80\00\1c\81\80\80\00\7f\6a" ;; select (result i32) 7 9 arg    arg - 1, or 1
  "\02\81\80\80\80\00\41\01\6a\0c\80\80\80\00\0b" ;; block (type 1) i32.const 1; add; br 0; end
  "\03\81\80\00\0b" ;; loop (type 1) end
  "\41\01\04\81\00\41\01\6a\05\0b" ;; i32.const 1; if (type 1) i32.const 1; add; else; end
  "\02\40\41\01\0d\80\80\80\00\00\0b" ;; block; i32.const 1; br_if 0; unreachable; end
  "\02\40\41\00\0d\80\80\80\00\0b" ;; block; i32.const 0; br_if 0; end
  ;; br_table 0 1 0 by 1
  "\02\40\02\40\41\01\0e\82\80\80\00\80\80\80\00\81\80\80\00\80\80\80\00\0b\00\0b"
  "\23\80\80\80\00\41\01\6a\24\80\80\80\00\23\80\80\80\00\6a" ;; global 0, 100, plus 1; add
  "\10\81\80\80\00" ;; call 1                        + 1000
  "\41\80\80\80\80\00\11\81\80\80\00\80\80\80\00" ;; call_indirect (type 1) 0      + 1000
  "\d2\81\80\80\00\14\81\80\80\00" ;; ref.func 1; call_ref 1        + 1000
  "\41\08\20\81\80\80\00\36\82\80\80\00\84\80\80\80\00" ;; i32.store offset=4 at 8
  "\41\08\28\82\00\84\80\80\80\80\80\80\80\80\00\6a" ;; i32.load offset=4; add         + arg - 5
  "\41\08\28\c2\00\80\80\80\00\84\80\00\1a" ;; i32.load (memory 0); drop
  "\3f\80\80\80\00\6a" ;; memory.size; add              + 1
  "\41\00\40\80\80\80\00\6a" ;; memory.grow by 0; add          + 1
  "\41\00\41\00\41\04\fc\8b\80\80\00\80\80\80\00" ;; memory.fill
  "\41\00\41\00\41\04\fc\8a\80\80\00\80\80\80\00\80\80\80\00" ;; memory.copy
  "\fc\90\80\80\00\80\80\80\00\6a" ;; table.size; add               + 2
  "\41\00\25\80\80\80\00\d1\6a" ;; table.get 0; ref.is_null; add
  "\41\01\d2\81\80\80\00\26\80\80\80\00" ;; table.set 1 to ref.func 1
  "\d0\82\80\80\80\00\d1\6a" ;; ref.null 2; ref.is_null; add  + 1
  "\02\40\d0\6e\d5\80\80\80\00\1a\00\0b" ;; block; ref.null any; br_on_null 0; unreachable; end
  ;; struct.new 2 of 3; struct.get; add  + 3
  "\41\03\fb\80\80\80\00\82\80\80\00\fb\82\80\80\00\82\80\80\00\80\80\80\00\6a"
  ;; br_on_cast 0 (ref struct) (ref 2)
  "\02\6b\41\03\fb\80\80\80\00\82\80\80\00\fb\98\80\80\00\00\80\80\80\00\6b\82\80\80\80\00\00\0b\1a"
  ;; try_table (catch 0 0) throw 6; add   + 6
  "\02\7f\1f\40\81\80\80\00\00\80\80\80\00\80\80\80\00\41\06\08\80\80\80\00\0b\00\0b\6a"
  "\41\02\fd\91\80\80\00\fd\9b\80\80\00\03\6a" ;; i32x4.splat 2; extract_lane 3; add   + 2
  "\43\00\00\80\40\fc\80\80\80\00\6a" ;; f32.const 4; i32.trunc_sat_f32_s; add  + 4
  "\0b" ;; end
  "\08\00\20\00\41\e8\07\6a\0b") ;; function 1: adds 1000
(assert_return (invoke "run" (i32.const 7)) (i32.const 3131))
(assert_return (invoke "run" (i32.const 0)) (i32.const 3120))

;; Five bytes, as linkers write.
(module binary
  "\00\61\73\6d\01\00\00\00" ;; the header
  ;; types: two of functions, a struct of an i32, a function
  "\01\12\04\60\00\01\7f\60\01\7f\01\7f\5f\01\7f\00\60\01\7f\00"
  "\03\03\02\01\01" ;; functions
  "\04\04\01\70\00\02" ;; a table of 2
  "\05\03\01\00\01" ;; a memory of 1 page
  "\0d\03\01\00\03" ;; a tag
  "\06\07\01\7f\01\41\e4\00\0b" ;; a global
  "\07\07\01\03\72\75\6e\00\00" ;; export "run"
  "\09\07\01\00\41\00\0b\01\01" ;; element 0: function 1
  "\0a\fa\03\02\ee\03\01\01\7f" ;; code: function 0
  "\41\fb\ff\ff\ff\7f" ;; i32.const -5
  "\21\81\80\80\80\00" ;; local.set 1
  "\20\81\80\80\80\00" ;; local.get 1
  "\20\80\80\80\80\00" ;; local.get 0
  "\6a" ;; i32.add                       arg - 5
  "\22\81\80\80\80\00" ;; local.tee 1
  "\42\fd\ff\ff\ff\ff\ff\ff\ff\ff\7f\a7\6a" ;; i64.const -3; i32.wrap; add   arg - 8
  ;; select (result i32) 7 9 arg    arg - 1, or 1
  "\41\07\41\09\20\80\80\80\80\00\1c\81\80\80\80\00\7f\6a"
  "\02\81\80\80\80\00\41\01\6a\0c\80\80\80\80\00\0b" ;; block (type 1) i32.const 1; add; br 0; end
  "\03\81\80\00\0b" ;; loop (type 1) end
  "\41\01\04\81\00\41\01\6a\05\0b" ;; i32.const 1; if (type 1) i32.const 1; add; else; end
  "\02\40\41\01\0d\80\80\80\80\00\00\0b" ;; block; i32.const 1; br_if 0; unreachable; end
  "\02\40\41\00\0d\80\80\80\80\00\0b" ;; block; i32.const 0; br_if 0; end
  ;; br_table 0 1 0 by 1
  "\02\40\02\40\41\01\0e\82\80\80\80\00\80\80\80\80\00\81\80\80\80\00\80\80\80\80\00\0b\00\0b"
  "\23\80\80\80\80\00\41\01\6a\24\80\80\80\80\00\23\80\80\80\80\00\6a" ;; global 0, 100, plus 1; add
  "\10\81\80\80\80\00" ;; call 1                        + 1000
  "\41\80\80\80\80\00\11\81\80\80\80\00\80\80\80\80\00" ;; call_indirect (type 1) 0      + 1000
  "\d2\81\80\80\80\00\14\81\80\80\80\00" ;; ref.func 1; call_ref 1        + 1000
  "\41\08\20\81\80\80\80\00\36\82\80\80\80\00\84\80\80\80\00" ;; i32.store offset=4 at 8
  "\41\08\28\82\00\84\80\80\80\80\80\80\80\80\00\6a" ;; i32.load offset=4; add         + arg - 5
  "\41\08\28\c2\00\80\80\80\80\00\84\80\00\1a" ;; i32.load (memory 0); drop
  "\3f\80\80\80\80\00\6a" ;; memory.size; add              + 1
  "\41\00\40\80\80\80\80\00\6a" ;; memory.grow by 0; add          + 1
  "\41\00\41\00\41\04\fc\8b\80\80\80\00\80\80\80\80\00" ;; memory.fill
  "\41\00\41\00\41\04\fc\8a\80\80\80\00\80\80\80\80\00\80\80\80\80\00" ;; memory.copy
  "\fc\90\80\80\80\00\80\80\80\80\00\6a" ;; table.size; add               + 2
  "\41\00\25\80\80\80\80\00\d1\6a" ;; table.get 0; ref.is_null; add
  "\41\01\d2\81\80\80\80\00\26\80\80\80\80\00" ;; table.set 1 to ref.func 1
  "\d0\82\80\80\80\00\d1\6a" ;; ref.null 2; ref.is_null; add  + 1
  "\02\40\d0\6e\d5\80\80\80\80\00\1a\00\0b" ;; block; ref.null any; br_on_null 0; unreachable; end
  ;; struct.new 2 of 3; struct.get; add  + 3
  "\41\03\fb\80\80\80\80\00\82\80\80\80\00\fb\82\80\80\80\00\82\80\80\80\00\80\80\80\80\00\6a"
  ;; br_on_cast 0 (ref struct) (ref 2)
  "\02\6b\41\03\fb\80\80\80\80\00\82\80\80\80\00\fb\98\80\80\80\00\00\80\80\80\80\00\6b"
  "\82\80\80\80\00\00\0b\1a"
  ;; try_table (catch 0 0) throw 6; add   + 6
  "\02\7f\1f\40\81\80\80\80\00\00\80\80\80\80\00\80\80\80\80\00\41\06\08\80\80\80\80\00\0b\00\0b\6a"
  "\41\02\fd\91\80\80\80\00\fd\9b\80\80\80\00\03\6a" ;; i32x4.splat 2; extract_lane 3; add   + 2
  "\43\00\00\80\40\fc\80\80\80\80\00\6a" ;; f32.const 4; i32.trunc_sat_f32_s; add  + 4
  "\0b" ;; end
  "\08\00\20\00\41\e8\07\6a\0b") ;; function 1: adds 1000
(assert_return (invoke "run" (i32.const 7)) (i32.const 3131))
(assert_return (invoke "run" (i32.const 0)) (i32.const 3120))

