;; br_table: hundreds of targets of mixed depths, indices at every edge, values carried over
;; operands that are dropped, labels of loops among those of blocks, entries too large for the short
;; form.

(module
  (type $many (func (result
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32)))

  ;; 40 blocks; the one a target leaves shows in the result: outside block d, d is added.
  (func (export "mixed") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.const 1000))
    block block block block block block block block block block block block block block block
    block block block block block block block block block block block block block block block
    block block block block block block block block block block
    local.get 0
    br_table
      20 9 25 3 4 34 6 23 37 3 32 13 2 5 27 26 4 15 5 35 27 3 36 7 14 37 3 36 37 25 3 14 2 35 8 18
      26 9 34 7 36 19 35 11 6 37 36 12 23 6 35 4 36 3 39 13 31 34 27 20 29 37 29 23 19 15 11 15 5
      36 19 33 31 21 28 18 38 4 7 32 26 10 21 9 31 26 2 4 35 36 20 21 22 38 31 37 29 4 5 17 30 4 3
      19 36 28 18 24 22 1 29 22 10 39 7 31 3 13 18 8 15 25 25 31 5 10 28 25 35 17 8 27 35 17 26 22
      24 14 9 5 11 9 14 14 0 31 37 11 16 18 0 9 26 34 23 39 36 20 8 32 39 3 29 35 25 25 25 25 6 30
      25 3 12 4 13 28 10 7 21 38 3 6 0 36 9 34 6 23 39 1 4 13 39 24 9 16 22 38 23 30 7 7 31 29 30
      30 19 5 9 6 21 16 30 10 33 1 13 33 23 9 34 1 33 19 5 16 33 23 10 22 14 34 34 32 21 14 39 12
      15 25 14 12 33 31 22 1 1 17 30 16 12 38 22 28 22 23 5 14 6 14 30 12 21 13 30 39 39 0 30 22 5
      7 24 12 30 11 27 21 5 25 29 25 5 10 10 8 1 9 37 29 9 39 38 30 22 9 35 35 8 1 0 6 33 8 27 12
      13 1 16 13 18 32 15 37 20 16 34 26 8 3 22 29 37 33 26 32 8 34 9 33 32 1 28 11 38 0 9 11 9 30
      39 7 35 3 20 33 33 35 30 6 35 3 15 12 17 2 6 32 28 35 1 4 28 20 39 32 38 32 12 17 28 32 34
      30 32 15 33 16 35 12 28 8 26 7 25 28 20 4 15 27 4 13 19 7 9 23 9 16 8 29 14 6 25 31 10 14 10
      27 32 25 21 26 12 22 20 5 23 1 21 35 29 28 1 24 21 33 39 18 32 4 7 14 6 5 16 17 2 11 17 8 27
      16 25 9 34 32 36 31 20 5 17 3 11 27 4 17 1 5 16 5 38 14 4 16 7 29 0 21 35 26 17 39 8 2 33 15
      7 10 16 3 11 12 19 19 33 13 18 28 32 11 17 22 1 16 2 0 1 32 35 12 32 30 15 28 6 27 31 34 25
      32 19 13 14 21 12 8 25 22 3 8 0 4 16 27 10 3 5 24 32 18 38 15 18 2 29 11 10 17 28 0 16 23 21
      35 20 15 2 19 13 22 11 0 21 24 5 30 17 32 12 15 32 0 5 16 5 9 25 37 2 25 1 19 19 14 5 37 33
      9 38 24 20 31 9 18 39 9 2 32 27 32 8 33 32 36 1 37 14 5 1 2
      0
    end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub
    (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const
    1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left
    (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left)
    (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set
    $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get
    $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end
    (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub
    (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const
    1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left
    (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left)
    (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set
    $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get
    $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end
    (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub
    (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const
    1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left
    (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left)
    (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set
    $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get
    $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end
    (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub
    (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const
    1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left
    (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left)
    (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1))) end (local.set
    $left (i32.sub (local.get $left) (i32.const 1))) end (local.set $left (i32.sub (local.get
    $left) (i32.const 1))) end (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (local.get $left))

  (func (export "value") (param i32) (result i32)
    (block $c (result i32)
      (i32.const 1)
      (block $b (result i32)
        (i32.const 2) (i32.const 3)
        (block $a (result i32)
          (i32.const 4) (i32.const 5) (i32.const 6)
          (br_table $a $b $c $b (i32.const 10) (local.get 0)))
        (i32.add (i32.const 100))
        (br $b))
      (i32.add (i32.const 1000))
      (br $c)))

  ;; The loop is target 0: it goes round until the index, counted down, reaches another one.
  (func (export "loop") (param i32) (result i32) (local $rounds i32)
    (block $out
      (loop $again
        (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_table $again $out $again (i32.eqz (local.get 0)))))
    (local.get $rounds))

  ;; All 300 values go to either label, by entries of the long form.
  (func $many (type $many)
    i32.const 0 i32.const 1 i32.const 2 i32.const 3 i32.const 4 i32.const 5 i32.const 6 i32.const
    7 i32.const 8 i32.const 9 i32.const 10 i32.const 11 i32.const 12 i32.const 13 i32.const 14
    i32.const 15 i32.const 16 i32.const 17 i32.const 18 i32.const 19 i32.const 20 i32.const 21
    i32.const 22 i32.const 23 i32.const 24 i32.const 25 i32.const 26 i32.const 27 i32.const 28
    i32.const 29 i32.const 30 i32.const 31 i32.const 32 i32.const 33 i32.const 34 i32.const 35
    i32.const 36 i32.const 37 i32.const 38 i32.const 39 i32.const 40 i32.const 41 i32.const 42
    i32.const 43 i32.const 44 i32.const 45 i32.const 46 i32.const 47 i32.const 48 i32.const 49
    i32.const 50 i32.const 51 i32.const 52 i32.const 53 i32.const 54 i32.const 55 i32.const 56
    i32.const 57 i32.const 58 i32.const 59 i32.const 60 i32.const 61 i32.const 62 i32.const 63
    i32.const 64 i32.const 65 i32.const 66 i32.const 67 i32.const 68 i32.const 69 i32.const 70
    i32.const 71 i32.const 72 i32.const 73 i32.const 74 i32.const 75 i32.const 76 i32.const 77
    i32.const 78 i32.const 79 i32.const 80 i32.const 81 i32.const 82 i32.const 83 i32.const 84
    i32.const 85 i32.const 86 i32.const 87 i32.const 88 i32.const 89 i32.const 90 i32.const 91
    i32.const 92 i32.const 93 i32.const 94 i32.const 95 i32.const 96 i32.const 97 i32.const 98
    i32.const 99 i32.const 100 i32.const 101 i32.const 102 i32.const 103 i32.const 104 i32.const
    105 i32.const 106 i32.const 107 i32.const 108 i32.const 109 i32.const 110 i32.const 111
    i32.const 112 i32.const 113 i32.const 114 i32.const 115 i32.const 116 i32.const 117 i32.const
    118 i32.const 119 i32.const 120 i32.const 121 i32.const 122 i32.const 123 i32.const 124
    i32.const 125 i32.const 126 i32.const 127 i32.const 128 i32.const 129 i32.const 130 i32.const
    131 i32.const 132 i32.const 133 i32.const 134 i32.const 135 i32.const 136 i32.const 137
    i32.const 138 i32.const 139 i32.const 140 i32.const 141 i32.const 142 i32.const 143 i32.const
    144 i32.const 145 i32.const 146 i32.const 147 i32.const 148 i32.const 149 i32.const 150
    i32.const 151 i32.const 152 i32.const 153 i32.const 154 i32.const 155 i32.const 156 i32.const
    157 i32.const 158 i32.const 159 i32.const 160 i32.const 161 i32.const 162 i32.const 163
    i32.const 164 i32.const 165 i32.const 166 i32.const 167 i32.const 168 i32.const 169 i32.const
    170 i32.const 171 i32.const 172 i32.const 173 i32.const 174 i32.const 175 i32.const 176
    i32.const 177 i32.const 178 i32.const 179 i32.const 180 i32.const 181 i32.const 182 i32.const
    183 i32.const 184 i32.const 185 i32.const 186 i32.const 187 i32.const 188 i32.const 189
    i32.const 190 i32.const 191 i32.const 192 i32.const 193 i32.const 194 i32.const 195 i32.const
    196 i32.const 197 i32.const 198 i32.const 199 i32.const 200 i32.const 201 i32.const 202
    i32.const 203 i32.const 204 i32.const 205 i32.const 206 i32.const 207 i32.const 208 i32.const
    209 i32.const 210 i32.const 211 i32.const 212 i32.const 213 i32.const 214 i32.const 215
    i32.const 216 i32.const 217 i32.const 218 i32.const 219 i32.const 220 i32.const 221 i32.const
    222 i32.const 223 i32.const 224 i32.const 225 i32.const 226 i32.const 227 i32.const 228
    i32.const 229 i32.const 230 i32.const 231 i32.const 232 i32.const 233 i32.const 234 i32.const
    235 i32.const 236 i32.const 237 i32.const 238 i32.const 239 i32.const 240 i32.const 241
    i32.const 242 i32.const 243 i32.const 244 i32.const 245 i32.const 246 i32.const 247 i32.const
    248 i32.const 249 i32.const 250 i32.const 251 i32.const 252 i32.const 253 i32.const 254
    i32.const 255 i32.const 256 i32.const 257 i32.const 258 i32.const 259 i32.const 260 i32.const
    261 i32.const 262 i32.const 263 i32.const 264 i32.const 265 i32.const 266 i32.const 267
    i32.const 268 i32.const 269 i32.const 270 i32.const 271 i32.const 272 i32.const 273 i32.const
    274 i32.const 275 i32.const 276 i32.const 277 i32.const 278 i32.const 279 i32.const 280
    i32.const 281 i32.const 282 i32.const 283 i32.const 284 i32.const 285 i32.const 286 i32.const
    287 i32.const 288 i32.const 289 i32.const 290 i32.const 291 i32.const 292 i32.const 293
    i32.const 294 i32.const 295 i32.const 296 i32.const 297 i32.const 298 i32.const 299)
  (func (export "long") (param i32) (result i32)
    (block $outer (type $many)
      (i32.const 1)
      (block $inner (type $many)
        (i32.const 1) (i32.const 2)
        (call $many)
        (br_table $inner $outer $inner (local.get 0)))
      (drop)
      (br $outer (i32.const 7)))
    (local.set 0)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (local.get 0))

  (func (export "only_default") (param i32) (result i32)
    (block (result i32)
      (i32.const 5)
      (br_table 0 (i32.const 6) (local.get 0))))
  (func (export "returns") (param i32) (result i32)
    (i32.const 1)
    (block (result i32)
      (i32.const 2)
      (br_table 0 1 (i32.const 3) (local.get 0)))
    (i32.add))
  (func (export "vectors") (param i32) (result v128)
    (v128.const i32x4 1 1 1 1)
    (block (result v128)
      (i32.const 9) (v128.const i32x4 2 2 2 2) (v128.const i32x4 3 3 3 3)
      (br_table 0 1 (local.get 0)))
    (i32x4.add))
)

(assert_return (invoke "mixed" (i32.const 0)) (i32.const 980))
(assert_return (invoke "mixed" (i32.const 1)) (i32.const 969))
(assert_return (invoke "mixed" (i32.const 2)) (i32.const 985))
(assert_return (invoke "mixed" (i32.const 17)) (i32.const 975))
(assert_return (invoke "mixed" (i32.const 99)) (i32.const 977))
(assert_return (invoke "mixed" (i32.const 255)) (i32.const 983))
(assert_return (invoke "mixed" (i32.const 256)) (i32.const 965))
(assert_return (invoke "mixed" (i32.const 257)) (i32.const 974))
(assert_return (invoke "mixed" (i32.const 511)) (i32.const 973))
(assert_return (invoke "mixed" (i32.const 512)) (i32.const 974))
(assert_return (invoke "mixed" (i32.const 598)) (i32.const 961))
(assert_return (invoke "mixed" (i32.const 599)) (i32.const 962))
(assert_return (invoke "mixed" (i32.const 600)) (i32.const 960))
(assert_return (invoke "mixed" (i32.const 601)) (i32.const 960))
(assert_return (invoke "mixed" (i32.const 0x7fffffff)) (i32.const 960))
(assert_return (invoke "mixed" (i32.const 0x80000000)) (i32.const 960))
(assert_return (invoke "mixed" (i32.const -1)) (i32.const 960))
(assert_return (invoke "value" (i32.const 0)) (i32.const 1110))
(assert_return (invoke "value" (i32.const 1)) (i32.const 1010))
(assert_return (invoke "value" (i32.const 2)) (i32.const 10))
(assert_return (invoke "value" (i32.const 3)) (i32.const 1010))
(assert_return (invoke "value" (i32.const -1)) (i32.const 1010))
(assert_return (invoke "loop" (i32.const 1)) (i32.const 1))
(assert_return (invoke "loop" (i32.const 50000)) (i32.const 50000))
(assert_return (invoke "long" (i32.const 0)) (i32.const 7))
(assert_return (invoke "long" (i32.const 1)) (i32.const 299))
(assert_return (invoke "long" (i32.const 2)) (i32.const 7))
(assert_return (invoke "only_default" (i32.const 0)) (i32.const 6))
(assert_return (invoke "only_default" (i32.const -1)) (i32.const 6))
(assert_return (invoke "returns" (i32.const 0)) (i32.const 4))
(assert_return (invoke "returns" (i32.const 1)) (i32.const 3))
(assert_return (invoke "vectors" (i32.const 0)) (v128.const i32x4 4 4 4 4))
(assert_return (invoke "vectors" (i32.const 1)) (v128.const i32x4 3 3 3 3))
