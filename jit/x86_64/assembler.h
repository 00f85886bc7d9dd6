/* Encoding x86-64 instructions: bytes out of operands, nothing else.
 *
 * An opcode is a number: OPC(prefix, map, byte).  Three shapes of instruction cover all that
 * templates need: register and register, register and memory, and either with an immediate behind;
 * each in the legacy encoding and, with a third operand, in VEX.  Room is made once per bytecode
 * instruction (asm_room); emitting checks nothing.  (Intel SDM volume 2, chapter 2.) */
#ifndef FNVM_JIT_X86_64_ASSEMBLER_H
#define FNVM_JIT_X86_64_ASSEMBLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Integer registers are 0..15, vector registers 16..31, so that one mask holds both. */
typedef uint8_t Reg;
enum {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    XMM0, XMM1, XMM2, XMM3, XMM4, XMM5, XMM6, XMM7,
    XMM8, XMM9, XMM10, XMM11, XMM12, XMM13, XMM14, XMM15,
    NO_REG = 0xFF
};
static inline bool reg_is_vector(Reg r) { return r >= XMM0; }

/* base + index * 2^scale + disp; index NO_REG: none; base NO_REG: relative to the next
 * instruction, disp being a Label's business (asm_rip). */
typedef struct Mem { Reg base, index; uint8_t scale; int32_t disp; } Mem;
static inline Mem mem_at(Reg base, int32_t disp) { return (Mem){base, NO_REG, 0, disp}; }
static inline Mem mem_index(Reg base, Reg index, uint8_t scale, int32_t disp)
{
    return (Mem){base, index, scale, disp};
}

typedef struct Assembler {
    uint8_t *bytes, *at, *end;
    bool failed;       /* memory ran out or the limit was passed: what is emitted is void */
} Assembler;

enum { ASM_ROOM = 1024 }; /* bytes that one bytecode instruction may emit unless it asks for more */

bool asm_start(Assembler *);
void asm_free(Assembler *);
void asm_grow(Assembler *, size_t bytes);
static inline void asm_room(Assembler *a, size_t bytes)
{
    if (__builtin_expect((size_t)(a->end - a->at) < bytes, 0)) asm_grow(a, bytes);
}
static inline uint32_t asm_offset(const Assembler *a) { return (uint32_t)(a->at - a->bytes); }

static inline void asm_8(Assembler *a, uint32_t v) { *a->at++ = (uint8_t)v; }
static inline void asm_32(Assembler *a, uint32_t v) { memcpy(a->at, &v, 4); a->at += 4; }
static inline void asm_64(Assembler *a, uint64_t v) { memcpy(a->at, &v, 8); a->at += 8; }

/* ---- Opcodes ---- */

/* prefix: 0, 0x66, 0xF3, 0xF2; map: 0 one byte, 1 0F, 2 0F 38, 3 0F 3A. */
typedef uint32_t Opcode;
#define OPC(prefix, map, byte) ((Opcode)((prefix) << 16 | (map) << 8 | (byte)))
enum { OPC_BYTE = 1 << 28 }; /* the register operands are bytes: sil and dil need REX */

/* Two-operand integer opcodes, reg <- reg op r/m. */
enum {
    X_ADD = OPC(0, 0, 0x03), X_OR = OPC(0, 0, 0x0B), X_AND = OPC(0, 0, 0x23),
    X_SUB = OPC(0, 0, 0x2B), X_XOR = OPC(0, 0, 0x33), X_CMP = OPC(0, 0, 0x3B),
    X_ADC = OPC(0, 0, 0x13), X_SBB = OPC(0, 0, 0x1B),
    X_MOV = OPC(0, 0, 0x8B), X_MOV_STORE = OPC(0, 0, 0x89), /* the latter: r/m <- reg */
    X_MOV_STORE8 = OPC(0, 0, 0x88) | OPC_BYTE, X_MOV_STORE16 = OPC(0x66, 0, 0x89),
    X_TEST = OPC(0, 0, 0x85), X_LEA = OPC(0, 0, 0x8D), X_XCHG = OPC(0, 0, 0x87),
    X_IMUL = OPC(0, 1, 0xAF), X_MOVSXD = OPC(0, 0, 0x63),
    X_MOVZX8 = OPC(0, 1, 0xB6) | OPC_BYTE, X_MOVZX16 = OPC(0, 1, 0xB7),
    X_MOVSX8 = OPC(0, 1, 0xBE) | OPC_BYTE, X_MOVSX16 = OPC(0, 1, 0xBF),
    X_BSF = OPC(0, 1, 0xBC), X_BSR = OPC(0, 1, 0xBD), X_TZCNT = OPC(0xF3, 1, 0xBC),
    X_LZCNT = OPC(0xF3, 1, 0xBD), X_POPCNT = OPC(0xF3, 1, 0xB8),
    X_CMOV = OPC(0, 1, 0x40), X_SETCC = OPC(0, 1, 0x90) | OPC_BYTE, /* plus a Condition */
    X_JMP_RM = OPC(0, 0, 0xFF) /* reg field 4; call: 2 */
};
/* The /n of the immediate forms 0x81 and 0x83, and of shifts 0xC1 and 0xD3. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum { SHIFT_ROL = 0, SHIFT_ROR = 1, SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7 };

/* Moves between and of vector registers. */
enum {
    X_MOVSS = OPC(0xF3, 1, 0x10), X_MOVSD = OPC(0xF2, 1, 0x10), /* from memory: the rest zero */
    X_MOVSS_STORE = OPC(0xF3, 1, 0x11), X_MOVSD_STORE = OPC(0xF2, 1, 0x11),
    X_MOVAPS = OPC(0, 1, 0x28), X_MOVUPS = OPC(0, 1, 0x10), X_MOVUPS_STORE = OPC(0, 1, 0x11),
    X_MOVD_TO = OPC(0x66, 1, 0x6E),   /* vector <- integer r/m (wide: movq) */
    X_MOVD_FROM = OPC(0x66, 1, 0x7E), /* integer r/m <- vector */
    X_XORPS = OPC(0, 1, 0x57), X_PXOR = OPC(0x66, 1, 0xEF)
};

typedef enum Condition {
    CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE,
    CC_LE, CC_G,
    CC_E_ORDERED,    /* E and NP: equal floats */
    CC_NE_UNORDERED  /* NE or P */
} Condition;
static inline Condition condition_not(Condition cc)
{
    return (Condition)(cc ^ 1); /* pairs throughout */
}

/* ---- Legacy encodings ---- */

/* Bytes are put at p, a copy of Assembler.at: a byte stored through `at` itself might be `at`'s own,
 * for all that the host's compiler knows, which would then read it again for every byte. */
static inline uint8_t *put_32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
    return p + 4;
}

static inline uint8_t *put_opcode(uint8_t *p, Opcode op, bool wide, Reg reg, Reg index, Reg base,
                                  bool force)
{
    uint32_t prefix = op >> 16 & 0xFF, map = op >> 8 & 0xFF;
    uint32_t rex = (uint32_t)wide << 3 | (reg & 8u) >> 1 | (index & 8u) >> 2 | (base & 8u) >> 3;
    if (prefix) *p++ = (uint8_t)prefix;
    if (rex || force) *p++ = (uint8_t)(0x40 | rex);
    if (map) {
        *p++ = 0x0F;
        if (map > 1) *p++ = map == 2 ? 0x38 : 0x3A;
    }
    *p++ = (uint8_t)op;
    return p;
}

static inline uint8_t *put_registers(uint8_t *p, Reg reg, Reg rm)
{
    *p = (uint8_t)(0xC0u | (reg & 7u) << 3 | (rm & 7u));
    return p + 1;
}

static inline uint8_t *put_memory(uint8_t *p, Reg reg, Mem m)
{
    uint32_t r = (reg & 7u) << 3;
    if (m.base == NO_REG) { /* RIP-relative */
        *p++ = (uint8_t)(0x05 | r);
        return put_32(p, (uint32_t)m.disp);
    }
    uint32_t mode = m.disp == 0 && (m.base & 7) != RBP ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;
    if (m.index != NO_REG || (m.base & 7) == RSP) {
        uint32_t index = m.index == NO_REG ? 4u : m.index & 7u;
        *p++ = (uint8_t)(mode << 6 | r | 4);
        *p++ = (uint8_t)((uint32_t)m.scale << 6 | index << 3 | (m.base & 7u));
    } else {
        *p++ = (uint8_t)(mode << 6 | r | (m.base & 7u));
    }
    if (mode == 2) return put_32(p, (uint32_t)m.disp);
    *p = (uint8_t)m.disp;
    return p + mode;
}

static inline Reg index_or_0(Mem m) { return m.index == NO_REG ? 0 : m.index; }
static inline Reg base_or_0(Mem m) { return m.base == NO_REG ? 0 : m.base; }

/* op reg, rm */
static inline void asm_rr(Assembler *a, Opcode op, bool wide, Reg reg, Reg rm)
{
    bool force = (op & OPC_BYTE) && ((rm >= RSP && rm <= RDI) || (reg >= RSP && reg <= RDI));
    a->at = put_registers(put_opcode(a->at, op, wide, reg, 0, rm, force), reg, rm);
}

/* op reg, [mem], or op [mem], reg */
static inline void asm_rm(Assembler *a, Opcode op, bool wide, Reg reg, Mem m)
{
    bool force = (op & OPC_BYTE) && reg >= RSP && reg <= RDI;
    uint8_t *p = put_opcode(a->at, op, wide, reg, index_or_0(m), base_or_0(m), force);
    a->at = put_memory(p, reg, m);
}

/* The forms whose reg field is part of the opcode (digit). */
static inline void asm_dr(Assembler *a, Opcode op, bool wide, uint32_t digit, Reg rm)
{
    asm_rr(a, op, wide, (Reg)digit, rm);
}
static inline void asm_dm(Assembler *a, Opcode op, bool wide, uint32_t digit, Mem m)
{
    asm_rm(a, op, wide, (Reg)digit, m);
}

/* ---- VEX encodings (128 bits): reg <- src op rm ---- */

static inline uint8_t *put_vex(uint8_t *p, Opcode op, bool wide, Reg reg, Reg src, Reg index,
                               Reg base)
{
    uint32_t prefix = op >> 16 & 0xFF, map = op >> 8 & 0xFF;
    uint32_t pp = prefix == 0 ? 0 : prefix == 0x66 ? 1 : prefix == 0xF3 ? 2 : 3;
    uint32_t r = ~(uint32_t)reg >> 3 & 1, x = ~(uint32_t)index >> 3 & 1, b = ~(uint32_t)base >> 3 & 1;
    uint32_t v = ~(uint32_t)src & 15;
    if (map == 1 && !wide && x && b) {
        *p++ = 0xC5;
        *p++ = (uint8_t)(r << 7 | v << 3 | pp);
    } else {
        *p++ = 0xC4;
        *p++ = (uint8_t)(r << 7 | x << 6 | b << 5 | map);
        *p++ = (uint8_t)((uint32_t)wide << 7 | v << 3 | pp);
    }
    *p++ = (uint8_t)op;
    return p;
}
/* src 0 where the instruction has no such operand. */
static inline void asm_vex_rrr(Assembler *a, Opcode op, bool wide, Reg reg, Reg src, Reg rm)
{
    a->at = put_registers(put_vex(a->at, op, wide, reg, src, 0, rm), reg, rm);
}
static inline void asm_vex_rrm(Assembler *a, Opcode op, bool wide, Reg reg, Reg src, Mem m)
{
    uint8_t *p = put_vex(a->at, op, wide, reg, src, index_or_0(m), base_or_0(m));
    a->at = put_memory(p, reg, m);
}

/* ---- Immediates ---- */

/* add, or, ... by digit; the immediate is sign-extended to the operand's size */
static inline void asm_alu_ri(Assembler *a, uint32_t digit, bool wide, Reg rm, int32_t imm)
{
    bool is_byte = imm == (int8_t)imm;
    asm_dr(a, is_byte ? OPC(0, 0, 0x83) : OPC(0, 0, 0x81), wide, digit, rm);
    if (is_byte) asm_8(a, (uint32_t)imm);
    else asm_32(a, (uint32_t)imm);
}
static inline void asm_alu_mi(Assembler *a, uint32_t digit, bool wide, Mem m, int32_t imm)
{
    bool is_byte = imm == (int8_t)imm;
    asm_dm(a, is_byte ? OPC(0, 0, 0x83) : OPC(0, 0, 0x81), wide, digit, m);
    if (is_byte) asm_8(a, (uint32_t)imm);
    else asm_32(a, (uint32_t)imm);
}
static inline void asm_shift_ri(Assembler *a, uint32_t digit, bool wide, Reg rm, uint32_t count)
{
    asm_dr(a, OPC(0, 0, 0xC1), wide, digit, rm);
    asm_8(a, count);
}

/* reg <- the 64-bit value, in the shortest way; leaves the flags alone. */
static inline void asm_mov_ri(Assembler *a, Reg reg, uint64_t value)
{
    if (value <= UINT32_MAX) {
        if (reg & 8) asm_8(a, 0x41);
        asm_8(a, 0xB8u | (reg & 7u));
        asm_32(a, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        asm_dr(a, OPC(0, 0, 0xC7), true, 0, reg);
        asm_32(a, (uint32_t)value);
    } else {
        asm_8(a, 0x48u | (reg & 8u) >> 3);
        asm_8(a, 0xB8u | (reg & 7u));
        asm_64(a, value);
    }
}
/* [mem] <- imm, sign-extended where wide */
static inline void asm_mov_mi(Assembler *a, bool wide, Mem m, int32_t imm)
{
    asm_dm(a, OPC(0, 0, 0xC7), wide, 0, m);
    asm_32(a, (uint32_t)imm);
}
static inline void asm_mov_rr(Assembler *a, bool wide, Reg to, Reg from)
{
    asm_rr(a, X_MOV, wide, to, from);
}

/* ---- Jumps and labels ---- */

/* A place in the code.  Until it is bound, the jumps to it are linked through their displacements:
 * `link` is the offset behind the last one. */
typedef struct Label { uint32_t at, link; bool bound; } Label;

static inline void label_use(Assembler *a, Label *l) /* emits a 32-bit displacement */
{
    if (l->bound) {
        asm_32(a, l->at - (asm_offset(a) + 4));
    } else {
        asm_32(a, l->link);
        l->link = asm_offset(a);
    }
}
static inline void label_bind(Assembler *a, Label *l)
{
    l->bound = true;
    l->at = asm_offset(a);
    for (uint32_t use = l->link, next; use && !a->failed; use = next) {
        memcpy(&next, a->bytes + use - 4, 4);
        uint32_t distance = l->at - use;
        memcpy(a->bytes + use - 4, &distance, 4);
    }
}

static inline void asm_jmp(Assembler *a, Label *l)
{
    if (l->bound && asm_offset(a) + 2 - l->at <= 128) {
        asm_8(a, 0xEB);
        asm_8(a, l->at - (asm_offset(a) + 1));
        return;
    }
    asm_8(a, 0xE9);
    label_use(a, l);
}
/* Plain conditions only: see jump_if in compiler.h for all. */
static inline void asm_jcc(Assembler *a, Condition cc, Label *l)
{
    if (l->bound && asm_offset(a) + 2 - l->at <= 128) {
        asm_8(a, 0x70u | cc);
        asm_8(a, l->at - (asm_offset(a) + 1));
        return;
    }
    asm_8(a, 0x0F);
    asm_8(a, 0x80u | cc);
    label_use(a, l);
}

/* A short jump forward within one template: asm_jcc_short, emit what is skipped (at most 127
 * bytes), asm_land. */
static inline uint32_t asm_jcc_short(Assembler *a, Condition cc)
{
    asm_8(a, 0x70u | cc);
    asm_8(a, 0);
    return asm_offset(a);
}
static inline uint32_t asm_jmp_short(Assembler *a)
{
    asm_8(a, 0xEB);
    asm_8(a, 0);
    return asm_offset(a);
}
static inline void asm_land(Assembler *a, uint32_t from)
{
    a->bytes[from - 1] = (uint8_t)(asm_offset(a) - from);
}

#endif
