/* i8x16.shuffle: the instruction of x86 that does just this, if there is one; else pshufb.
 *
 * Lanes 0 to 15 are of the first operand, 16 to 31 of the second.  What only one operand is needed
 * for, or both of which are the same, is brought to lanes below 16. */
#include "jit/x86_64/vector.h"

typedef struct Shuffle {
    Pair p;
    uint8_t lanes[16];
    uint8_t words[8], dwords[4];       /* the same in lanes of 16 and 32 bits */
    bool has_words, has_dwords;        /* if they can be */
} Shuffle;

static bool group(const uint8_t *lanes, uint32_t size, uint8_t *groups)
{
    for (uint32_t i = 0; i < 16; i++) {
        if (lanes[i] != lanes[i - i % size] + i % size || lanes[i - i % size] % size) return false;
        groups[i / size] = (uint8_t)(lanes[i] / size);
    }
    return true;
}

/* lanes[i] is (first + i) modulo `count`. */
static bool is_run(const Shuffle *s, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < 16; i++)
        if (s->lanes[i] != (first + i) % count) return false;
    return true;
}

/* Lanes of `size` bytes from the halves at `half`, in turn; the other operand's are `other` on. */
static bool is_interleaved(const Shuffle *s, uint32_t size, uint32_t half, uint32_t flip,
                           uint32_t other)
{
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t n = i / size, lane = half + n / 2 * size + i % size + (n & 1) * other;
        if (s->lanes[i] != (lane ^ flip)) return false;
    }
    return true;
}

/* punpck: `other` 16, or 0 for an operand with itself. */
static bool interleave(Compiler *c, const Shuffle *s, uint32_t other)
{
    static const Opcode ops[4][2] = {{V_PUNPCKLBW, V_PUNPCKHBW}, {V_PUNPCKLWD, V_PUNPCKHWD},
                                     {V_PUNPCKLDQ, V_PUNPCKHDQ}, {V_PUNPCKLQDQ, V_PUNPCKHQDQ}};
    const uint32_t flip = other ? s->lanes[0] & 16u : 0, half = s->lanes[0] & 8u;
    if (s->lanes[0] & 7) return false;
    for (uint32_t log2 = 0; log2 < 4; log2++) {
        if (!is_interleaved(s, 1u << log2, half, flip, other)) continue;
        Reg first = flip ? s->p.b : s->p.a, second = other && !flip ? s->p.b : s->p.a;
        emit_vector(c, ops[log2][half / 8], s->p.d, first, second);
        return true;
    }
    return false;
}

/* The immediate of pshufd and its like for four lanes below 4. */
static uint32_t four(const uint8_t *lanes)
{
    return (lanes[0] & 3u) | (lanes[1] & 3u) << 2 | (lanes[2] & 3u) << 4 | (lanes[3] & 3u) << 6;
}
enum { IN_PLACE = 0xE4 };

/* ---- One operand ---- */

/* Words that change places in one half only. */
static bool shuffle_half(Compiler *c, const Shuffle *s)
{
    const uint8_t *w = s->words;
    bool low = true, high = true, low_same = true, high_same = true;
    for (uint32_t i = 0; i < 4; i++) {
        low &= w[i] < 4;
        high &= w[i + 4] >= 4;
        low_same &= w[i] == i;
        high_same &= w[i + 4] == i + 4;
    }
    if (low && high_same) vector_rr_imm(c, V_PSHUFLW, s->p.d, s->p.a, four(w));
    else if (high && low_same) vector_rr_imm(c, V_PSHUFHW, s->p.d, s->p.a, four(w + 4));
    else return false;
    return true;
}

static bool broadcast(Compiler *c, const Shuffle *s)
{
    if (!has_cpu(c, CPU_AVX2) || s->lanes[0] || s->lanes[2]) return false;
    for (uint32_t i = 2; i < 16; i++)
        if (s->lanes[i] != s->lanes[i - 2]) return false;
    if (s->lanes[1] > 1) return false;
    vector_rr(c, s->lanes[1] ? V_VPBROADCASTW : V_VPBROADCASTB, false, s->p.d, s->p.a);
    return true;
}

static void shuffle_one(Compiler *c, const Shuffle *s)
{
    const Reg a = s->p.a, d = s->p.d;
    if (s->has_dwords) {
        if (four(s->dwords) == IN_PLACE) emit_move(c, KIND_V128, d, a);
        else vector_rr_imm(c, V_PSHUFD, d, a, four(s->dwords));
    } else if (broadcast(c, s) || (s->has_words && shuffle_half(c, s)) || interleave(c, s, 0)) {
        return;
    } else if (is_run(s, s->lanes[0], 16)) {
        vector_rrr_imm(c, V_PALIGNR, d, a, a, s->lanes[0]);
    } else {
        emit_v128_const(c, SCRATCH_VECTOR, s->lanes);
        emit_vector(c, V_PSHUFB, d, a, SCRATCH_VECTOR);
    }
}

/* ---- Two operands ---- */

/* Words that stay where they are. */
static bool blend(Compiler *c, const Shuffle *s)
{
    uint32_t from_b = 0;
    for (uint32_t i = 0; i < 8; i++) {
        if ((s->words[i] & 7) != i) return false;
        from_b |= (uint32_t)(s->words[i] >> 3) << i;
    }
    vector_rrr_imm(c, V_PBLENDW, s->p.d, s->p.a, s->p.b, from_b);
    return true;
}

/* Lanes of 32 bits: two of either operand, or both shuffled and then blended. */
static void shuffle_dwords(Compiler *c, const Shuffle *s)
{
    const uint8_t *w = s->dwords;
    const Pair p = s->p;
    if ((w[0] ^ w[1]) < 4 && (w[2] ^ w[3]) < 4) {
        Reg low = w[0] < 4 ? p.a : p.b, high = w[2] < 4 ? p.a : p.b;
        vector_rrr_imm(c, V_SHUFPS, p.d, low, high, four(w));
        return;
    }
    uint8_t of_a[4] = {0, 1, 2, 3}, of_b[4] = {0, 1, 2, 3};
    uint32_t from_b = 0;
    for (uint32_t i = 0; i < 4; i++) {
        (w[i] < 4 ? of_a : of_b)[i] = w[i] & 3;
        if (w[i] >= 4) from_b |= 3u << 2 * i;
    }
    Reg a = p.a;
    vector_rr_imm(c, V_PSHUFD, SCRATCH_VECTOR, p.b, four(of_b));
    if (four(of_a) != IN_PLACE) {
        vector_rr_imm(c, V_PSHUFD, p.d, a, four(of_a));
        a = p.d;
    }
    vector_rrr_imm(c, V_PBLENDW, p.d, a, SCRATCH_VECTOR, from_b);
}

/* palignr shifts its operands, the first the upper half, by bytes. */
static bool align(Compiler *c, const Shuffle *s)
{
    const uint32_t first = s->lanes[0];
    if (!is_run(s, first, 32)) return false;
    Reg low = first < 16 ? s->p.a : s->p.b, high = first < 16 ? s->p.b : s->p.a;
    vector_rrr_imm(c, V_PALIGNR, s->p.d, high, low, first & 15);
    return true;
}

/* Every other lane of `size` bytes, 1 or 2: the others removed, then packed. */
static bool deinterleave(Compiler *c, const Shuffle *s, uint32_t size)
{
    const uint32_t first = s->lanes[0], odd = first & size;
    for (uint32_t i = 0; i < 16; i++)
        if (s->lanes[i] != (first + i / size * 2 * size + i % size) % 32) return false;
    if ((first & 15) != odd) return false;
    const Pair p = s->p;
    const Reg a = first & 16 ? p.b : p.a, b = first & 16 ? p.a : p.b, t = temp_vector(c);
    if (odd) {
        const Opcode shift = size == 1 ? V_PSRLW : V_PSRLD;
        vector_shift(c, shift, t, b, size * 8);
        vector_shift(c, shift, p.d, a, size * 8);
    } else {
        vector_const_32(c, SCRATCH_VECTOR, size == 1 ? 0x00FF00FF : 0x0000FFFF);
        emit_vector(c, V_PAND, t, b, SCRATCH_VECTOR);
        emit_vector(c, V_PAND, p.d, a, SCRATCH_VECTOR);
    }
    emit_vector(c, size == 1 ? V_PACKUSWB : V_PACKUSDW, p.d, p.d, t);
    release(c, t, NO_REG);
    return true;
}

/* The lanes of either operand where they are wanted and 0 elsewhere, then or'ed. */
static void shuffle_bytes(Compiler *c, const Shuffle *s)
{
    uint8_t of_a[16], of_b[16];
    for (uint32_t i = 0; i < 16; i++) {
        of_a[i] = s->lanes[i] < 16 ? s->lanes[i] : 0x80;
        of_b[i] = s->lanes[i] < 16 ? 0x80 : s->lanes[i] & 15;
    }
    const Reg t = temp_vector(c);
    emit_v128_const(c, SCRATCH_VECTOR, of_a);
    emit_vector(c, V_PSHUFB, t, s->p.a, SCRATCH_VECTOR);
    emit_v128_const(c, SCRATCH_VECTOR, of_b);
    emit_vector(c, V_PSHUFB, s->p.d, s->p.b, SCRATCH_VECTOR);
    emit_vector(c, V_POR, s->p.d, s->p.d, t);
    release(c, t, NO_REG);
}

static void shuffle_two(Compiler *c, const Shuffle *s)
{
    if (interleave(c, s, 16) || align(c, s) || (s->has_words && blend(c, s))) return;
    if (s->has_dwords) shuffle_dwords(c, s);
    else if (!deinterleave(c, s, 1) && !deinterleave(c, s, 2)) shuffle_bytes(c, s);
}

void vector_shuffle(Compiler *c, const VectorRow *row)
{
    (void)row;
    Shuffle s;
    memcpy(s.lanes, c->bytes + c->pc, 16);
    c->pc += 16;
    s.p = pop_pair(c);
    uint32_t some = 0, all = 16;
    for (uint32_t i = 0; i < 16; i++) {
        some |= s.lanes[i];
        all &= s.lanes[i];
    }
    const bool is_one = s.p.a == s.p.b || all || !(some & 16);
    const Pair popped = s.p;
    if (is_one) {
        if (all) s.p.a = s.p.b;
        for (uint32_t i = 0; i < 16; i++) s.lanes[i] &= 15;
    }
    s.has_words = group(s.lanes, 2, s.words);
    s.has_dwords = group(s.lanes, 4, s.dwords);
    if (is_one) shuffle_one(c, &s);
    else shuffle_two(c, &s);
    push_pair(c, popped);
}
