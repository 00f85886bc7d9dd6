/* Templates of the vector instructions (page 0xFD): what their files share.
 *
 * vector_rows.def has a row for every instruction of the page: the template and what it works with.
 * SSE4.1 is taken for granted; AVX brings three operands, memory operands that need not be aligned,
 * and pcmpgtq of SSE4.2, which every machine with AVX has.
 *
 * A template pops first, then asks for its destination (which may move other operands through the
 * scratch registers), and only then uses SCRATCH_VECTOR.  emit_vector without AVX needs that
 * register itself if d == b and d != a: then it must hold nothing, or see vector_scratch_op. */
#ifndef FNVM_JIT_X86_64_VECTOR_H
#define FNVM_JIT_X86_64_VECTOR_H

#include "jit/x86_64/compiler.h"

/* ---- Opcodes (Intel SDM volume 2) ---- */

enum {
    V_PUNPCKLBW = OPC(0x66, 1, 0x60), V_PUNPCKLWD = OPC(0x66, 1, 0x61),
    V_PUNPCKLDQ = OPC(0x66, 1, 0x62), V_PUNPCKLQDQ = OPC(0x66, 1, 0x6C),
    V_PUNPCKHBW = OPC(0x66, 1, 0x68), V_PUNPCKHWD = OPC(0x66, 1, 0x69),
    V_PUNPCKHDQ = OPC(0x66, 1, 0x6A), V_PUNPCKHQDQ = OPC(0x66, 1, 0x6D),
    V_PACKSSWB = OPC(0x66, 1, 0x63), V_PACKUSWB = OPC(0x66, 1, 0x67),
    V_PACKSSDW = OPC(0x66, 1, 0x6B), V_PACKUSDW = OPC(0x66, 2, 0x2B),

    V_PSHUFB = OPC(0x66, 2, 0x00), V_PALIGNR = OPC(0x66, 3, 0x0F), V_PBLENDW = OPC(0x66, 3, 0x0E),
    V_PSHUFD = OPC(0x66, 1, 0x70), V_PSHUFHW = OPC(0xF3, 1, 0x70), V_PSHUFLW = OPC(0xF2, 1, 0x70),
    V_SHUFPS = OPC(0, 1, 0xC6),

    V_PCMPEQB = OPC(0x66, 1, 0x74), V_PCMPEQW = OPC(0x66, 1, 0x75), V_PCMPEQD = OPC(0x66, 1, 0x76),
    V_PCMPEQQ = OPC(0x66, 2, 0x29), V_PCMPGTB = OPC(0x66, 1, 0x64), V_PCMPGTW = OPC(0x66, 1, 0x65),
    V_PCMPGTD = OPC(0x66, 1, 0x66), V_PCMPGTQ = OPC(0x66, 2, 0x37),
    V_PTEST = OPC(0x66, 2, 0x17), V_PMOVMSKB = OPC(0x66, 1, 0xD7),
    V_MOVMSKPS = OPC(0, 1, 0x50), V_MOVMSKPD = OPC(0x66, 1, 0x50),

    V_PAND = OPC(0x66, 1, 0xDB), V_PANDN = OPC(0x66, 1, 0xDF), V_POR = OPC(0x66, 1, 0xEB),
    V_ANDPS = OPC(0, 1, 0x54), V_ANDNPS = OPC(0, 1, 0x55), V_ORPS = OPC(0, 1, 0x56),

    V_PADDB = OPC(0x66, 1, 0xFC), V_PADDW = OPC(0x66, 1, 0xFD), V_PADDD = OPC(0x66, 1, 0xFE),
    V_PADDQ = OPC(0x66, 1, 0xD4), V_PSUBB = OPC(0x66, 1, 0xF8), V_PSUBW = OPC(0x66, 1, 0xF9),
    V_PSUBD = OPC(0x66, 1, 0xFA), V_PSUBQ = OPC(0x66, 1, 0xFB),
    V_PADDSB = OPC(0x66, 1, 0xEC), V_PADDSW = OPC(0x66, 1, 0xED), V_PADDUSB = OPC(0x66, 1, 0xDC),
    V_PADDUSW = OPC(0x66, 1, 0xDD), V_PSUBSB = OPC(0x66, 1, 0xE8), V_PSUBSW = OPC(0x66, 1, 0xE9),
    V_PSUBUSB = OPC(0x66, 1, 0xD8), V_PSUBUSW = OPC(0x66, 1, 0xD9),
    V_PAVGB = OPC(0x66, 1, 0xE0), V_PAVGW = OPC(0x66, 1, 0xE3),
    V_PABSB = OPC(0x66, 2, 0x1C), V_PABSW = OPC(0x66, 2, 0x1D), V_PABSD = OPC(0x66, 2, 0x1E),
    V_PMINSB = OPC(0x66, 2, 0x38), V_PMINSW = OPC(0x66, 1, 0xEA), V_PMINSD = OPC(0x66, 2, 0x39),
    V_PMINUB = OPC(0x66, 1, 0xDA), V_PMINUW = OPC(0x66, 2, 0x3A), V_PMINUD = OPC(0x66, 2, 0x3B),
    V_PMAXSB = OPC(0x66, 2, 0x3C), V_PMAXSW = OPC(0x66, 1, 0xEE), V_PMAXSD = OPC(0x66, 2, 0x3D),
    V_PMAXUB = OPC(0x66, 1, 0xDE), V_PMAXUW = OPC(0x66, 2, 0x3E), V_PMAXUD = OPC(0x66, 2, 0x3F),
    V_PMULLW = OPC(0x66, 1, 0xD5), V_PMULHW = OPC(0x66, 1, 0xE5), V_PMULHUW = OPC(0x66, 1, 0xE4),
    V_PMULLD = OPC(0x66, 2, 0x40), V_PMULDQ = OPC(0x66, 2, 0x28), V_PMULUDQ = OPC(0x66, 1, 0xF4),
    V_PMULHRSW = OPC(0x66, 2, 0x0B), V_PMADDWD = OPC(0x66, 1, 0xF5),
    V_PMADDUBSW = OPC(0x66, 2, 0x04),

    /* Shifts by the count in a vector register; vector_shift has the immediate forms. */
    V_PSRLW = OPC(0x66, 1, 0xD1), V_PSRLD = OPC(0x66, 1, 0xD2), V_PSRLQ = OPC(0x66, 1, 0xD3),
    V_PSRAW = OPC(0x66, 1, 0xE1), V_PSRAD = OPC(0x66, 1, 0xE2),
    V_PSLLW = OPC(0x66, 1, 0xF1), V_PSLLD = OPC(0x66, 1, 0xF2), V_PSLLQ = OPC(0x66, 1, 0xF3),

    V_PMOVSXBW = OPC(0x66, 2, 0x20), V_PMOVSXWD = OPC(0x66, 2, 0x23),
    V_PMOVSXDQ = OPC(0x66, 2, 0x25), V_PMOVZXBW = OPC(0x66, 2, 0x30),
    V_PMOVZXWD = OPC(0x66, 2, 0x33), V_PMOVZXDQ = OPC(0x66, 2, 0x35),

    V_ADDPS = OPC(0, 1, 0x58), V_SUBPS = OPC(0, 1, 0x5C), V_MULPS = OPC(0, 1, 0x59),
    V_DIVPS = OPC(0, 1, 0x5E), V_MINPS = OPC(0, 1, 0x5D), V_MAXPS = OPC(0, 1, 0x5F),
    V_SQRTPS = OPC(0, 1, 0x51), V_CMPPS = OPC(0, 1, 0xC2), V_ROUNDPS = OPC(0x66, 3, 0x08),
    V_ADDPD = OPC(0x66, 1, 0x58), V_SUBPD = OPC(0x66, 1, 0x5C), V_MULPD = OPC(0x66, 1, 0x59),
    V_DIVPD = OPC(0x66, 1, 0x5E), V_MINPD = OPC(0x66, 1, 0x5D), V_MAXPD = OPC(0x66, 1, 0x5F),
    V_SQRTPD = OPC(0x66, 1, 0x51), V_CMPPD = OPC(0x66, 1, 0xC2), V_ROUNDPD = OPC(0x66, 3, 0x09),
    V_CVTDQ2PS = OPC(0, 1, 0x5B), V_CVTTPS2DQ = OPC(0xF3, 1, 0x5B), V_CVTDQ2PD = OPC(0xF3, 1, 0xE6),
    V_CVTTPD2DQ = OPC(0x66, 1, 0xE6), V_CVTPD2PS = OPC(0x66, 1, 0x5A), V_CVTPS2PD = OPC(0, 1, 0x5A),

    V_PEXTRB = OPC(0x66, 3, 0x14), V_PEXTRW = OPC(0x66, 3, 0x15), V_PEXTRD = OPC(0x66, 3, 0x16),
    V_PINSRB = OPC(0x66, 3, 0x20), V_PINSRW = OPC(0x66, 1, 0xC4), V_PINSRD = OPC(0x66, 3, 0x22),
    V_INSERTPS = OPC(0x66, 3, 0x21),
    V_MOVLPD = OPC(0x66, 1, 0x12), V_MOVHPD = OPC(0x66, 1, 0x16),
    V_MOVHPD_STORE = OPC(0x66, 1, 0x17), V_MOVDDUP = OPC(0xF2, 1, 0x12),
    V_VBROADCASTSS = OPC(0x66, 2, 0x18), /* AVX, from memory */
    V_VPBROADCASTB = OPC(0x66, 2, 0x78), V_VPBROADCASTW = OPC(0x66, 2, 0x79) /* AVX2 */
};

/* Predicates of cmpps and cmppd. */
enum { CMP_EQ = 0, CMP_LT = 1, CMP_LE = 2, CMP_UNORD = 3, CMP_NEQ = 4 };
/* Immediates of roundps and roundpd: the mode, and no inexact exception. */
enum { ROUND_NEAREST = 8, ROUND_FLOOR = 9, ROUND_CEIL = 10, ROUND_TRUNC = 11 };

/* ---- Rows ---- */

typedef struct VectorRow VectorRow;
typedef void VectorTemplate(Compiler *, const VectorRow *);
struct VectorRow {
    VectorTemplate *emit;
    Opcode op;
    uint32_t with;       /* a second opcode, an immediate, a size, flags: as the template says */
};

/* `with` of the templates for one instruction: the immediate, and */
enum {
    WITH_IMM = 1 << 8,   /* there is one */
    COMMUTES = 1 << 9,   /* a op b == b op a, but for which of two NaNs comes out */
    SWAPPED = 1 << 10,   /* the instruction takes the operands the other way round */
    NOT = 1 << 24        /* the result is inverted; above the bits of an opcode */
};

VectorTemplate vector_binary, vector_unary;

VectorTemplate vector_not, vector_bitselect, vector_compare_by, vector_compare_64, vector_negate,
    vector_abs_64, vector_mul_64, vector_q15mulr, vector_popcnt, vector_shift_words,
    vector_shift_bytes, vector_shift_bytes_signed, vector_shift_64_signed, vector_extend_high,
    vector_extmul_8, vector_extmul_16, vector_extmul_32, vector_extadd_signed_8,
    vector_extadd_unsigned_8, vector_extadd_signed_16, vector_extadd_unsigned_16, vector_dot_8,
    vector_dot_add_8;                                              /* vector_integer.c */

VectorTemplate vector_float_sign, vector_float_min, vector_float_max, vector_madd, vector_nmadd,
    vector_trunc_f32_s, vector_trunc_f32_u, vector_trunc_f64_s, vector_trunc_f64_u,
    vector_convert_f32_u, vector_convert_f64_u;                    /* vector_float.c */

VectorTemplate vector_const, vector_any_true, vector_all_true, vector_bitmask, vector_swizzle,
    vector_splat_int, vector_splat_float, vector_extract_int, vector_extract_float,
    vector_replace_int, vector_replace_float;                      /* vector_lanes.c */
VectorTemplate vector_shuffle;                                     /* vector_shuffle.c */

VectorTemplate vector_load, vector_load_splat, vector_load_lane, vector_store,
    vector_store_lane;                                             /* vector_memory.c */

/* ---- Operands ---- */

/* Two operands of type v128 popped, and where the result goes. */
typedef struct Pair { Reg a, b, d; } Pair;
Pair pop_pair(Compiler *);
void push_pair(Compiler *, Pair);
/* One operand and where the result goes: b is NO_REG, push_pair serves. */
Pair pop_single(Compiler *);

/* ---- Emitting ---- */

/* reg op rm without a third operand; `wide` for those with an integer register of 64 bits. */
static inline void vector_rr(Compiler *c, Opcode op, bool wide, Reg reg, Reg rm)
{
    if (has_cpu(c, CPU_AVX)) asm_vex_rrr(&c->a, op, wide, reg, 0, rm);
    else asm_rr(&c->a, op, wide, reg, rm);
}
static inline void vector_rm(Compiler *c, Opcode op, bool wide, Reg reg, Mem m)
{
    if (has_cpu(c, CPU_AVX)) asm_vex_rrm(&c->a, op, wide, reg, 0, m);
    else asm_rm(&c->a, op, wide, reg, m);
}
static inline void vector_rr_imm(Compiler *c, Opcode op, Reg d, Reg a, uint32_t imm)
{
    vector_rr(c, op, false, d, a);
    asm_8(&c->a, imm);
}
static inline void vector_rrr_imm(Compiler *c, Opcode op, Reg d, Reg a, Reg b, uint32_t imm)
{
    emit_vector(c, op, d, a, b);
    asm_8(&c->a, imm);
}
/* d <- a op b where the order does not matter, so that no move is needed for d == b. */
static inline void vector_commuting(Compiler *c, Opcode op, Reg d, Reg a, Reg b)
{
    if (d == b && !has_cpu(c, CPU_AVX)) emit_vector(c, op, d, b, a);
    else emit_vector(c, op, d, a, b);
}
/* d <- SCRATCH_VECTOR op b, whatever is equal; SCRATCH_VECTOR is lost. */
static inline void vector_scratch_op(Compiler *c, Opcode op, Reg d, Reg b)
{
    const bool avx = has_cpu(c, CPU_AVX);
    emit_vector(c, op, avx ? d : SCRATCH_VECTOR, SCRATCH_VECTOR, b);
    if (!avx) emit_move(c, KIND_V128, d, SCRATCH_VECTOR);
}
static inline void vector_zero(Compiler *c, Reg d) { emit_vector(c, X_PXOR, d, d, d); }
static inline void vector_ones(Compiler *c, Reg d) { emit_vector(c, V_PCMPEQD, d, d, d); }
void vector_invert(Compiler *, Reg d);

/* Lanes of a shift's opcode in bits; its immediate form, d <- a shifted by n (below the width). */
static inline uint32_t shift_width(Opcode op) { return UINT32_C(8) << (op & 3); }
void vector_shift(Compiler *, Opcode op, Reg d, Reg a, uint32_t n);
/* The same in every 32 or 64 bits. */
void vector_const_32(Compiler *, Reg d, uint32_t bits);
void vector_const_64(Compiler *, Reg d, uint64_t bits);

/* `size` bytes at m, repeated; the first instruction emitted is the only one to access memory. */
void vector_splat_memory(Compiler *, uint32_t size, Reg d, Mem m);
/* SCRATCH_VECTOR <- an i32, modulo `width` (a power of two), plus `more`; releases it. */
void vector_count(Compiler *, Source, uint32_t width, uint32_t more);

#endif
