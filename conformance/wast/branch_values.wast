;; What branches carry and drop: none, one, two, 300 values, vectors; more slots than a short
;; side-table entry can say (254 kept, 4095 dropped); and that the entry after a branch that is not
;; taken is the next branch's.

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
  (type $many_to_many (func (param
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
    i32) (result
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

  ;; 0, 1, ..., 299
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

  ;; 4200 operands, which a branch has to drop
  (func $heap_up (param i32) (result i32)
    (block (result i32)
      (call $many) (call $many) (call $many) (call $many) (call $many) (call $many) (call $many)
      (call $many) (call $many) (call $many) (call $many) (call $many) (call $many) (call $many)
      (br_if 0 (i32.const -7) (local.get 0))
      (drop)
      (br 0 (i32.const -8))))

  (func (export "none") (result i32) (local $n i32)
    (block $b
      (i32.const 1) (i32.const 2)
      (local.set $n (i32.const 5))
      (br $b))
    (local.get $n))
  (func (export "one") (param i32) (result i32)
    (block $b (result i32)
      (i32.const 1) (i32.const 2)
      (i32.const 40)
      (br_if $b (local.get 0))
      (br $b (i32.const 50))))
  (func (export "two") (param i32) (result i32 i64)
    (block $b (result i32 i64)
      (i32.const 1) (i32.const 2)
      (i32.const 40) (i64.const 41)
      (br_if $b (local.get 0))
      (drop) (drop)
      (br $b (i32.const 50) (i64.const 51))))

  ;; The first three and the last of the 300, with two below that the branch drops.
  (func (export "many") (param i32) (result i32 i32)
    (local $sum i32) (local $last i32)
    (block $b (type $many)
      (i32.const 1) (i32.const 2)
      (call $many)
      (br_if $b (local.get 0))
      (drop) (i32.const 1299)
      (br $b))
    (call $sum))
  ;; The sum of 300 values, each weighed with its place, and the last one.
  (func $sum (param
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
    i32) (result i32 i32)
    (i32.const 0)
    (i32.add (i32.mul (i32.const 1) (local.get 0))) (i32.add (i32.mul (i32.const 2) (local.get
    1))) (i32.add (i32.mul (i32.const 3) (local.get 2))) (i32.add (i32.mul (i32.const 4)
    (local.get 3))) (i32.add (i32.mul (i32.const 5) (local.get 4))) (i32.add (i32.mul (i32.const
    6) (local.get 5))) (i32.add (i32.mul (i32.const 7) (local.get 6))) (i32.add (i32.mul
    (i32.const 8) (local.get 7))) (i32.add (i32.mul (i32.const 9) (local.get 8))) (i32.add
    (i32.mul (i32.const 10) (local.get 9))) (i32.add (i32.mul (i32.const 11) (local.get 10)))
    (i32.add (i32.mul (i32.const 12) (local.get 11))) (i32.add (i32.mul (i32.const 13) (local.get
    12))) (i32.add (i32.mul (i32.const 14) (local.get 13))) (i32.add (i32.mul (i32.const 15)
    (local.get 14))) (i32.add (i32.mul (i32.const 16) (local.get 15))) (i32.add (i32.mul
    (i32.const 17) (local.get 16))) (i32.add (i32.mul (i32.const 18) (local.get 17))) (i32.add
    (i32.mul (i32.const 19) (local.get 18))) (i32.add (i32.mul (i32.const 20) (local.get 19)))
    (i32.add (i32.mul (i32.const 21) (local.get 20))) (i32.add (i32.mul (i32.const 22) (local.get
    21))) (i32.add (i32.mul (i32.const 23) (local.get 22))) (i32.add (i32.mul (i32.const 24)
    (local.get 23))) (i32.add (i32.mul (i32.const 25) (local.get 24))) (i32.add (i32.mul
    (i32.const 26) (local.get 25))) (i32.add (i32.mul (i32.const 27) (local.get 26))) (i32.add
    (i32.mul (i32.const 28) (local.get 27))) (i32.add (i32.mul (i32.const 29) (local.get 28)))
    (i32.add (i32.mul (i32.const 30) (local.get 29))) (i32.add (i32.mul (i32.const 31) (local.get
    30))) (i32.add (i32.mul (i32.const 32) (local.get 31))) (i32.add (i32.mul (i32.const 33)
    (local.get 32))) (i32.add (i32.mul (i32.const 34) (local.get 33))) (i32.add (i32.mul
    (i32.const 35) (local.get 34))) (i32.add (i32.mul (i32.const 36) (local.get 35))) (i32.add
    (i32.mul (i32.const 37) (local.get 36))) (i32.add (i32.mul (i32.const 38) (local.get 37)))
    (i32.add (i32.mul (i32.const 39) (local.get 38))) (i32.add (i32.mul (i32.const 40) (local.get
    39))) (i32.add (i32.mul (i32.const 41) (local.get 40))) (i32.add (i32.mul (i32.const 42)
    (local.get 41))) (i32.add (i32.mul (i32.const 43) (local.get 42))) (i32.add (i32.mul
    (i32.const 44) (local.get 43))) (i32.add (i32.mul (i32.const 45) (local.get 44))) (i32.add
    (i32.mul (i32.const 46) (local.get 45))) (i32.add (i32.mul (i32.const 47) (local.get 46)))
    (i32.add (i32.mul (i32.const 48) (local.get 47))) (i32.add (i32.mul (i32.const 49) (local.get
    48))) (i32.add (i32.mul (i32.const 50) (local.get 49))) (i32.add (i32.mul (i32.const 51)
    (local.get 50))) (i32.add (i32.mul (i32.const 52) (local.get 51))) (i32.add (i32.mul
    (i32.const 53) (local.get 52))) (i32.add (i32.mul (i32.const 54) (local.get 53))) (i32.add
    (i32.mul (i32.const 55) (local.get 54))) (i32.add (i32.mul (i32.const 56) (local.get 55)))
    (i32.add (i32.mul (i32.const 57) (local.get 56))) (i32.add (i32.mul (i32.const 58) (local.get
    57))) (i32.add (i32.mul (i32.const 59) (local.get 58))) (i32.add (i32.mul (i32.const 60)
    (local.get 59))) (i32.add (i32.mul (i32.const 61) (local.get 60))) (i32.add (i32.mul
    (i32.const 62) (local.get 61))) (i32.add (i32.mul (i32.const 63) (local.get 62))) (i32.add
    (i32.mul (i32.const 64) (local.get 63))) (i32.add (i32.mul (i32.const 65) (local.get 64)))
    (i32.add (i32.mul (i32.const 66) (local.get 65))) (i32.add (i32.mul (i32.const 67) (local.get
    66))) (i32.add (i32.mul (i32.const 68) (local.get 67))) (i32.add (i32.mul (i32.const 69)
    (local.get 68))) (i32.add (i32.mul (i32.const 70) (local.get 69))) (i32.add (i32.mul
    (i32.const 71) (local.get 70))) (i32.add (i32.mul (i32.const 72) (local.get 71))) (i32.add
    (i32.mul (i32.const 73) (local.get 72))) (i32.add (i32.mul (i32.const 74) (local.get 73)))
    (i32.add (i32.mul (i32.const 75) (local.get 74))) (i32.add (i32.mul (i32.const 76) (local.get
    75))) (i32.add (i32.mul (i32.const 77) (local.get 76))) (i32.add (i32.mul (i32.const 78)
    (local.get 77))) (i32.add (i32.mul (i32.const 79) (local.get 78))) (i32.add (i32.mul
    (i32.const 80) (local.get 79))) (i32.add (i32.mul (i32.const 81) (local.get 80))) (i32.add
    (i32.mul (i32.const 82) (local.get 81))) (i32.add (i32.mul (i32.const 83) (local.get 82)))
    (i32.add (i32.mul (i32.const 84) (local.get 83))) (i32.add (i32.mul (i32.const 85) (local.get
    84))) (i32.add (i32.mul (i32.const 86) (local.get 85))) (i32.add (i32.mul (i32.const 87)
    (local.get 86))) (i32.add (i32.mul (i32.const 88) (local.get 87))) (i32.add (i32.mul
    (i32.const 89) (local.get 88))) (i32.add (i32.mul (i32.const 90) (local.get 89))) (i32.add
    (i32.mul (i32.const 91) (local.get 90))) (i32.add (i32.mul (i32.const 92) (local.get 91)))
    (i32.add (i32.mul (i32.const 93) (local.get 92))) (i32.add (i32.mul (i32.const 94) (local.get
    93))) (i32.add (i32.mul (i32.const 95) (local.get 94))) (i32.add (i32.mul (i32.const 96)
    (local.get 95))) (i32.add (i32.mul (i32.const 97) (local.get 96))) (i32.add (i32.mul
    (i32.const 98) (local.get 97))) (i32.add (i32.mul (i32.const 99) (local.get 98))) (i32.add
    (i32.mul (i32.const 100) (local.get 99))) (i32.add (i32.mul (i32.const 101) (local.get 100)))
    (i32.add (i32.mul (i32.const 102) (local.get 101))) (i32.add (i32.mul (i32.const 103)
    (local.get 102))) (i32.add (i32.mul (i32.const 104) (local.get 103))) (i32.add (i32.mul
    (i32.const 105) (local.get 104))) (i32.add (i32.mul (i32.const 106) (local.get 105))) (i32.add
    (i32.mul (i32.const 107) (local.get 106))) (i32.add (i32.mul (i32.const 108) (local.get 107)))
    (i32.add (i32.mul (i32.const 109) (local.get 108))) (i32.add (i32.mul (i32.const 110)
    (local.get 109))) (i32.add (i32.mul (i32.const 111) (local.get 110))) (i32.add (i32.mul
    (i32.const 112) (local.get 111))) (i32.add (i32.mul (i32.const 113) (local.get 112))) (i32.add
    (i32.mul (i32.const 114) (local.get 113))) (i32.add (i32.mul (i32.const 115) (local.get 114)))
    (i32.add (i32.mul (i32.const 116) (local.get 115))) (i32.add (i32.mul (i32.const 117)
    (local.get 116))) (i32.add (i32.mul (i32.const 118) (local.get 117))) (i32.add (i32.mul
    (i32.const 119) (local.get 118))) (i32.add (i32.mul (i32.const 120) (local.get 119))) (i32.add
    (i32.mul (i32.const 121) (local.get 120))) (i32.add (i32.mul (i32.const 122) (local.get 121)))
    (i32.add (i32.mul (i32.const 123) (local.get 122))) (i32.add (i32.mul (i32.const 124)
    (local.get 123))) (i32.add (i32.mul (i32.const 125) (local.get 124))) (i32.add (i32.mul
    (i32.const 126) (local.get 125))) (i32.add (i32.mul (i32.const 127) (local.get 126))) (i32.add
    (i32.mul (i32.const 128) (local.get 127))) (i32.add (i32.mul (i32.const 129) (local.get 128)))
    (i32.add (i32.mul (i32.const 130) (local.get 129))) (i32.add (i32.mul (i32.const 131)
    (local.get 130))) (i32.add (i32.mul (i32.const 132) (local.get 131))) (i32.add (i32.mul
    (i32.const 133) (local.get 132))) (i32.add (i32.mul (i32.const 134) (local.get 133))) (i32.add
    (i32.mul (i32.const 135) (local.get 134))) (i32.add (i32.mul (i32.const 136) (local.get 135)))
    (i32.add (i32.mul (i32.const 137) (local.get 136))) (i32.add (i32.mul (i32.const 138)
    (local.get 137))) (i32.add (i32.mul (i32.const 139) (local.get 138))) (i32.add (i32.mul
    (i32.const 140) (local.get 139))) (i32.add (i32.mul (i32.const 141) (local.get 140))) (i32.add
    (i32.mul (i32.const 142) (local.get 141))) (i32.add (i32.mul (i32.const 143) (local.get 142)))
    (i32.add (i32.mul (i32.const 144) (local.get 143))) (i32.add (i32.mul (i32.const 145)
    (local.get 144))) (i32.add (i32.mul (i32.const 146) (local.get 145))) (i32.add (i32.mul
    (i32.const 147) (local.get 146))) (i32.add (i32.mul (i32.const 148) (local.get 147))) (i32.add
    (i32.mul (i32.const 149) (local.get 148))) (i32.add (i32.mul (i32.const 150) (local.get 149)))
    (i32.add (i32.mul (i32.const 151) (local.get 150))) (i32.add (i32.mul (i32.const 152)
    (local.get 151))) (i32.add (i32.mul (i32.const 153) (local.get 152))) (i32.add (i32.mul
    (i32.const 154) (local.get 153))) (i32.add (i32.mul (i32.const 155) (local.get 154))) (i32.add
    (i32.mul (i32.const 156) (local.get 155))) (i32.add (i32.mul (i32.const 157) (local.get 156)))
    (i32.add (i32.mul (i32.const 158) (local.get 157))) (i32.add (i32.mul (i32.const 159)
    (local.get 158))) (i32.add (i32.mul (i32.const 160) (local.get 159))) (i32.add (i32.mul
    (i32.const 161) (local.get 160))) (i32.add (i32.mul (i32.const 162) (local.get 161))) (i32.add
    (i32.mul (i32.const 163) (local.get 162))) (i32.add (i32.mul (i32.const 164) (local.get 163)))
    (i32.add (i32.mul (i32.const 165) (local.get 164))) (i32.add (i32.mul (i32.const 166)
    (local.get 165))) (i32.add (i32.mul (i32.const 167) (local.get 166))) (i32.add (i32.mul
    (i32.const 168) (local.get 167))) (i32.add (i32.mul (i32.const 169) (local.get 168))) (i32.add
    (i32.mul (i32.const 170) (local.get 169))) (i32.add (i32.mul (i32.const 171) (local.get 170)))
    (i32.add (i32.mul (i32.const 172) (local.get 171))) (i32.add (i32.mul (i32.const 173)
    (local.get 172))) (i32.add (i32.mul (i32.const 174) (local.get 173))) (i32.add (i32.mul
    (i32.const 175) (local.get 174))) (i32.add (i32.mul (i32.const 176) (local.get 175))) (i32.add
    (i32.mul (i32.const 177) (local.get 176))) (i32.add (i32.mul (i32.const 178) (local.get 177)))
    (i32.add (i32.mul (i32.const 179) (local.get 178))) (i32.add (i32.mul (i32.const 180)
    (local.get 179))) (i32.add (i32.mul (i32.const 181) (local.get 180))) (i32.add (i32.mul
    (i32.const 182) (local.get 181))) (i32.add (i32.mul (i32.const 183) (local.get 182))) (i32.add
    (i32.mul (i32.const 184) (local.get 183))) (i32.add (i32.mul (i32.const 185) (local.get 184)))
    (i32.add (i32.mul (i32.const 186) (local.get 185))) (i32.add (i32.mul (i32.const 187)
    (local.get 186))) (i32.add (i32.mul (i32.const 188) (local.get 187))) (i32.add (i32.mul
    (i32.const 189) (local.get 188))) (i32.add (i32.mul (i32.const 190) (local.get 189))) (i32.add
    (i32.mul (i32.const 191) (local.get 190))) (i32.add (i32.mul (i32.const 192) (local.get 191)))
    (i32.add (i32.mul (i32.const 193) (local.get 192))) (i32.add (i32.mul (i32.const 194)
    (local.get 193))) (i32.add (i32.mul (i32.const 195) (local.get 194))) (i32.add (i32.mul
    (i32.const 196) (local.get 195))) (i32.add (i32.mul (i32.const 197) (local.get 196))) (i32.add
    (i32.mul (i32.const 198) (local.get 197))) (i32.add (i32.mul (i32.const 199) (local.get 198)))
    (i32.add (i32.mul (i32.const 200) (local.get 199))) (i32.add (i32.mul (i32.const 201)
    (local.get 200))) (i32.add (i32.mul (i32.const 202) (local.get 201))) (i32.add (i32.mul
    (i32.const 203) (local.get 202))) (i32.add (i32.mul (i32.const 204) (local.get 203))) (i32.add
    (i32.mul (i32.const 205) (local.get 204))) (i32.add (i32.mul (i32.const 206) (local.get 205)))
    (i32.add (i32.mul (i32.const 207) (local.get 206))) (i32.add (i32.mul (i32.const 208)
    (local.get 207))) (i32.add (i32.mul (i32.const 209) (local.get 208))) (i32.add (i32.mul
    (i32.const 210) (local.get 209))) (i32.add (i32.mul (i32.const 211) (local.get 210))) (i32.add
    (i32.mul (i32.const 212) (local.get 211))) (i32.add (i32.mul (i32.const 213) (local.get 212)))
    (i32.add (i32.mul (i32.const 214) (local.get 213))) (i32.add (i32.mul (i32.const 215)
    (local.get 214))) (i32.add (i32.mul (i32.const 216) (local.get 215))) (i32.add (i32.mul
    (i32.const 217) (local.get 216))) (i32.add (i32.mul (i32.const 218) (local.get 217))) (i32.add
    (i32.mul (i32.const 219) (local.get 218))) (i32.add (i32.mul (i32.const 220) (local.get 219)))
    (i32.add (i32.mul (i32.const 221) (local.get 220))) (i32.add (i32.mul (i32.const 222)
    (local.get 221))) (i32.add (i32.mul (i32.const 223) (local.get 222))) (i32.add (i32.mul
    (i32.const 224) (local.get 223))) (i32.add (i32.mul (i32.const 225) (local.get 224))) (i32.add
    (i32.mul (i32.const 226) (local.get 225))) (i32.add (i32.mul (i32.const 227) (local.get 226)))
    (i32.add (i32.mul (i32.const 228) (local.get 227))) (i32.add (i32.mul (i32.const 229)
    (local.get 228))) (i32.add (i32.mul (i32.const 230) (local.get 229))) (i32.add (i32.mul
    (i32.const 231) (local.get 230))) (i32.add (i32.mul (i32.const 232) (local.get 231))) (i32.add
    (i32.mul (i32.const 233) (local.get 232))) (i32.add (i32.mul (i32.const 234) (local.get 233)))
    (i32.add (i32.mul (i32.const 235) (local.get 234))) (i32.add (i32.mul (i32.const 236)
    (local.get 235))) (i32.add (i32.mul (i32.const 237) (local.get 236))) (i32.add (i32.mul
    (i32.const 238) (local.get 237))) (i32.add (i32.mul (i32.const 239) (local.get 238))) (i32.add
    (i32.mul (i32.const 240) (local.get 239))) (i32.add (i32.mul (i32.const 241) (local.get 240)))
    (i32.add (i32.mul (i32.const 242) (local.get 241))) (i32.add (i32.mul (i32.const 243)
    (local.get 242))) (i32.add (i32.mul (i32.const 244) (local.get 243))) (i32.add (i32.mul
    (i32.const 245) (local.get 244))) (i32.add (i32.mul (i32.const 246) (local.get 245))) (i32.add
    (i32.mul (i32.const 247) (local.get 246))) (i32.add (i32.mul (i32.const 248) (local.get 247)))
    (i32.add (i32.mul (i32.const 249) (local.get 248))) (i32.add (i32.mul (i32.const 250)
    (local.get 249))) (i32.add (i32.mul (i32.const 251) (local.get 250))) (i32.add (i32.mul
    (i32.const 252) (local.get 251))) (i32.add (i32.mul (i32.const 253) (local.get 252))) (i32.add
    (i32.mul (i32.const 254) (local.get 253))) (i32.add (i32.mul (i32.const 255) (local.get 254)))
    (i32.add (i32.mul (i32.const 256) (local.get 255))) (i32.add (i32.mul (i32.const 257)
    (local.get 256))) (i32.add (i32.mul (i32.const 258) (local.get 257))) (i32.add (i32.mul
    (i32.const 259) (local.get 258))) (i32.add (i32.mul (i32.const 260) (local.get 259))) (i32.add
    (i32.mul (i32.const 261) (local.get 260))) (i32.add (i32.mul (i32.const 262) (local.get 261)))
    (i32.add (i32.mul (i32.const 263) (local.get 262))) (i32.add (i32.mul (i32.const 264)
    (local.get 263))) (i32.add (i32.mul (i32.const 265) (local.get 264))) (i32.add (i32.mul
    (i32.const 266) (local.get 265))) (i32.add (i32.mul (i32.const 267) (local.get 266))) (i32.add
    (i32.mul (i32.const 268) (local.get 267))) (i32.add (i32.mul (i32.const 269) (local.get 268)))
    (i32.add (i32.mul (i32.const 270) (local.get 269))) (i32.add (i32.mul (i32.const 271)
    (local.get 270))) (i32.add (i32.mul (i32.const 272) (local.get 271))) (i32.add (i32.mul
    (i32.const 273) (local.get 272))) (i32.add (i32.mul (i32.const 274) (local.get 273))) (i32.add
    (i32.mul (i32.const 275) (local.get 274))) (i32.add (i32.mul (i32.const 276) (local.get 275)))
    (i32.add (i32.mul (i32.const 277) (local.get 276))) (i32.add (i32.mul (i32.const 278)
    (local.get 277))) (i32.add (i32.mul (i32.const 279) (local.get 278))) (i32.add (i32.mul
    (i32.const 280) (local.get 279))) (i32.add (i32.mul (i32.const 281) (local.get 280))) (i32.add
    (i32.mul (i32.const 282) (local.get 281))) (i32.add (i32.mul (i32.const 283) (local.get 282)))
    (i32.add (i32.mul (i32.const 284) (local.get 283))) (i32.add (i32.mul (i32.const 285)
    (local.get 284))) (i32.add (i32.mul (i32.const 286) (local.get 285))) (i32.add (i32.mul
    (i32.const 287) (local.get 286))) (i32.add (i32.mul (i32.const 288) (local.get 287))) (i32.add
    (i32.mul (i32.const 289) (local.get 288))) (i32.add (i32.mul (i32.const 290) (local.get 289)))
    (i32.add (i32.mul (i32.const 291) (local.get 290))) (i32.add (i32.mul (i32.const 292)
    (local.get 291))) (i32.add (i32.mul (i32.const 293) (local.get 292))) (i32.add (i32.mul
    (i32.const 294) (local.get 293))) (i32.add (i32.mul (i32.const 295) (local.get 294))) (i32.add
    (i32.mul (i32.const 296) (local.get 295))) (i32.add (i32.mul (i32.const 297) (local.get 296)))
    (i32.add (i32.mul (i32.const 298) (local.get 297))) (i32.add (i32.mul (i32.const 299)
    (local.get 298))) (i32.add (i32.mul (i32.const 300) (local.get 299)))
    (local.get 299))

  (func (export "dropped") (param i32) (result i32)
    (call $heap_up (local.get 0)))

  ;; A branch back with 300 parameters; each round adds 1 to the last one.
  (func (export "loop") (param $rounds i32) (result i32 i32)
    (call $many)
    (loop $again (type $many_to_many)
      (i32.add (i32.const 1))
      (br_if $again
        (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (call $sum))

  ;; Wide and short entries in turn: each must be taken, or stepped over, as its own.
  (func (export "in_turn") (param $which i32) (result i32) (local $seen i32)
    (block $short
      (br_if $short (i32.eq (local.get $which) (i32.const 1)))
      (local.set $seen (i32.or (local.get $seen) (i32.const 1)))
      (block $wide (type $many)
        (call $many)
        (br_if $wide (i32.eq (local.get $which) (i32.const 2)))
        (local.set $seen (i32.or (local.get $seen) (i32.const 2)))
        (br_if $short (i32.eq (local.get $which) (i32.const 3)))
        (local.set $seen (i32.or (local.get $seen) (i32.const 4)))
        (br_if $wide (i32.eq (local.get $which) (i32.const 4)))
        (local.set $seen (i32.or (local.get $seen) (i32.const 8))))
      (call $sum) (drop) (drop)
      (local.set $seen (i32.or (local.get $seen) (i32.const 16))))
    (local.get $seen))

  (func (export "vectors") (param i32) (result v128 i32 v128)
    (block $b (result v128 i32 v128)
      (i32.const 1) (v128.const i64x2 9 9)
      (v128.const i64x2 0 1000) (i32.const 77) (v128.const i64x2 1 1001)
      (br_if $b (local.get 0))
      (drop) (drop) (drop)
      (v128.const i64x2 2 1002) (i32.const 78) (v128.const i64x2 0 1000)
      (br $b)))

  ;; Exactly as many as a short entry can keep (254 slots), one more, and two more.
  (func (export "keep_254") (param i32) (result i64) (local $v v128)
    (block $b (result
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128)
      (i32.const 1) (i64.const 2)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (br_if $b (local.get 0))
      (drop) (v128.const i64x2 5 8)
      (br $b))
    (local.set $v)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (i64x2.extract_lane 1 (local.get $v)))
  (func (export "keep_255") (param i32) (result i32 i64) (local $v v128)
    (block $b (result i32
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128)
      (i32.const 1) (i64.const 2) (i32.const 3)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (br_if $b (local.get 0))
      (drop) (v128.const i64x2 5 8)
      (br $b))
    (local.set $v)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (i64x2.extract_lane 1 (local.get $v)))
  (func (export "keep_256") (param i32) (result i32 i32 i64) (local $v v128)
    (block $b (result i32 i32
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128
      v128)
      (i32.const 1) (i64.const 2) (i32.const 3) (i32.const 4)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (v128.const i64x2 5 7) (v128.const i64x2 5 7) (v128.const i64x2 5 7)
      (br_if $b (local.get 0))
      (drop) (v128.const i64x2 5 8)
      (br $b))
    (local.set $v)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (i64x2.extract_lane 1 (local.get $v)))

  ;; 4094, 4095 and 4096 operands to drop: 13 times 300, 194 and so many more.
  (func (export "drop_edge") (param i32) (result i32)
    (i32.const 12)
    (block $b (result i32)
      (call $many) (call $many) (call $many) (call $many) (call $many) (call $many) (call $many)
      (call $many) (call $many) (call $many) (call $many) (call $many) (call $many)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0)
      (br_if $b (i32.const 94) (i32.eq (local.get 0) (i32.const 94)))
      (br_if $b (i32.const 95) (i32.eq (local.get 0) (i32.const 95)))
      (i32.const 96)
      (br_if $b (i32.eq (local.get 0) (i32.const 96)))
      (br $b))
    (i32.add))

  ;; The payload of an exception: the branch of a catch clause carries it all.
  (tag $thrown (param
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
    i32))
  (func (export "caught") (result i32 i32)
    (i64.const 1)
    (block $c (type $many)
      (i64.const 2) (i64.const 3)
      (try_table (catch $thrown $c) (call $many) (throw $thrown))
      (unreachable))
    (call $sum)
    (return))
  (func (export "caught_in_loop") (param $n i32) (result i32 i32)
    (block $done (type $many)
      (call $many)
      (loop $again (type $many_to_many)
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (i32.add (i32.const 1))
        (try_table (type $many_to_nothing) (catch $thrown $again) (throw $thrown))
        (unreachable)))
    (call $sum))
  (type $many_to_nothing (func (param
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

  ;; Out of an `if`, over an `else`, and to the function's own label.
  (func (export "ends") (param i32 i32) (result i32)
    (i32.const 100)
    (if (param i32) (result i32) (local.get 0)
      (then (drop) (br 1 (i32.const 1) (i32.const 2)))
      (else
        (br_if 0 (local.get 1))
        (drop)
        (return (i32.const 3)))))

  ;; A loop that is nothing but a branch to itself, entered with something to count.
  (func (export "tight") (param i32) (result i32)
    (local.get 0)
    (loop (param i32) (result i32)
      (i32.sub (i32.const 1))
      (local.tee 0)
      (local.get 0)
      (br_if 0)))
)

(assert_return (invoke "none") (i32.const 5))
(assert_return (invoke "one" (i32.const 1)) (i32.const 40))
(assert_return (invoke "one" (i32.const 0)) (i32.const 50))
(assert_return (invoke "two" (i32.const 1)) (i32.const 40) (i64.const 41))
(assert_return (invoke "two" (i32.const 0)) (i32.const 50) (i64.const 51))
(assert_return (invoke "many" (i32.const 1)) (i32.const 8999900) (i32.const 299))
(assert_return (invoke "many" (i32.const 0))
  (i32.const 9299900) (i32.const 1299))
(assert_return (invoke "dropped" (i32.const 1)) (i32.const -7))
(assert_return (invoke "dropped" (i32.const 0)) (i32.const -8))
(assert_return (invoke "loop" (i32.const 1000))
  (i32.const 9299900) (i32.const 1299))
(assert_return (invoke "in_turn" (i32.const 1)) (i32.const 0))
(assert_return (invoke "in_turn" (i32.const 2)) (i32.const 17))
(assert_return (invoke "in_turn" (i32.const 3)) (i32.const 3))
(assert_return (invoke "in_turn" (i32.const 4)) (i32.const 23))
(assert_return (invoke "in_turn" (i32.const 5)) (i32.const 31))
(assert_return (invoke "vectors" (i32.const 1))
  (v128.const i64x2 0 1000) (i32.const 77) (v128.const i64x2 1 1001))
(assert_return (invoke "vectors" (i32.const 0))
  (v128.const i64x2 2 1002) (i32.const 78) (v128.const i64x2 0 1000))
(assert_return (invoke "ends" (i32.const 1) (i32.const 0)) (i32.const 2))
(assert_return (invoke "ends" (i32.const 0) (i32.const 1)) (i32.const 100))
(assert_return (invoke "ends" (i32.const 0) (i32.const 0)) (i32.const 3))
(assert_return (invoke "tight" (i32.const 100000)) (i32.const 0))
(assert_return (invoke "keep_254" (i32.const 1)) (i64.const 7))
(assert_return (invoke "keep_254" (i32.const 0)) (i64.const 8))
(assert_return (invoke "keep_255" (i32.const 1)) (i32.const 3) (i64.const 7))
(assert_return (invoke "keep_255" (i32.const 0)) (i32.const 3) (i64.const 8))
(assert_return (invoke "keep_256" (i32.const 1)) (i32.const 3) (i32.const 4) (i64.const 7))
(assert_return (invoke "keep_256" (i32.const 0)) (i32.const 3) (i32.const 4) (i64.const 8))
(assert_return (invoke "drop_edge" (i32.const 94)) (i32.const 106))
(assert_return (invoke "drop_edge" (i32.const 95)) (i32.const 107))
(assert_return (invoke "drop_edge" (i32.const 96)) (i32.const 108))
(assert_return (invoke "drop_edge" (i32.const 97)) (i32.const 108))
(assert_return (invoke "caught") (i32.const 8999900) (i32.const 299))
(assert_return (invoke "caught_in_loop" (i32.const 50))
  (i32.const 9014900) (i32.const 349))
