/* One row per opcode, by map and mandatory prefix.  What has no row is unknown, and unknown is
 * refused.  (Intel SDM volume 2, chapter 2 and appendix A.) */
#include "jit/x86_64/verify_decode.h"

#include <string.h>

enum { /* OpRow.shape */
    MODRM = 1,
    REG_V = 2, RM_V = 4,        /* the operand is a vector register */
    STORES = 8,                 /* memory is written */
    IMM8 = 0x10, IMM32 = 0x20,  /* the latter has 16 bits behind the prefix 66 */
    NO_MEMORY = 0x40, ONLY_MEMORY = 0x80,
    ONLY_VEX = 0x100, NO_VEX = 0x200,
    BYTE_RM = 0x400, BYTE_REG = 0x800,
    REL8 = 0x1000, REL32 = 0x2000,
    LOW_REG = 0x4000,           /* the register is in the opcode */
    ANY_ALIGNMENT = 0x8000,     /* 16 bytes of memory, wherever they are, without VEX too */
    VECTOR = MODRM | REG_V | RM_V
};

enum { BY_W = 0 };              /* OpRow.width: 4 bytes, or 8 */
typedef struct OpRow { uint8_t op, width; uint16_t shape; } OpRow;

enum { P_NONE, P_66, P_F3, P_F2 }; /* as in VEX.pp */

#define V(n) {M_VECTOR, n, VECTOR}
#define VI(n) {M_VECTOR, n, VECTOR | IMM8}
#define INTEGER(op) {op, BY_W, MODRM | NO_VEX}
#define JCC8 {M_JCC, 0, REL8}
#define JCC32 {M_JCC, 0, REL32}
#define MOV_IMM {M_MOV_IMM, 0, LOW_REG | IMM32}
#define SETCC {M_SETCC, 1, MODRM | BYTE_RM | NO_MEMORY | NO_VEX}
#define TO_INT {M_TO_INT, 0, MODRM | RM_V | NO_MEMORY}
#define EIGHT(row) row, row, row, row, row, row, row, row

static const OpRow rows[4][4][256] = {
    { /* one byte */
        [P_NONE] = {
            [0x03] = INTEGER(M_ADD), [0x0B] = INTEGER(M_ALU), [0x13] = INTEGER(M_ALU),
            [0x1B] = INTEGER(M_ALU), [0x23] = INTEGER(M_AND), [0x2B] = INTEGER(M_SUB),
            [0x33] = INTEGER(M_XOR), [0x3B] = INTEGER(M_CMP), [0x85] = INTEGER(M_TEST),
            [0x63] = {M_MOVSX, 4, MODRM | NO_VEX},
            [0x69] = {M_IMUL, BY_W, MODRM | IMM32}, [0x6B] = {M_IMUL, BY_W, MODRM | IMM8},
            [0x70] = EIGHT(JCC8), EIGHT(JCC8),
            [0x81] = {M_GROUP_ALU, BY_W, MODRM | IMM32}, [0x83] = {M_GROUP_ALU, BY_W, MODRM | IMM8},
            [0x88] = {M_STORE, 1, MODRM | STORES | ONLY_MEMORY | BYTE_REG},
            [0x89] = {M_STORE, BY_W, MODRM | STORES | ONLY_MEMORY},
            [0x8B] = INTEGER(M_MOV), [0x8D] = {M_LEA, BY_W, MODRM | ONLY_MEMORY},
            [0x90] = {M_NOP, 0, 0}, [0x99] = {M_CDQ, 0, 0},
            [0xB8] = EIGHT(MOV_IMM),
            [0xC1] = {M_GROUP_SHIFT, BY_W, MODRM | IMM8 | NO_MEMORY},
            [0xC3] = {M_RET, 0, 0},
            [0xC6] = {M_GROUP_MOV, 1, MODRM | STORES | IMM8 | ONLY_MEMORY},
            [0xC7] = {M_GROUP_MOV, BY_W, MODRM | STORES | IMM32},
            [0xCC] = {M_PAD, 0, 0}, [0xD3] = {M_GROUP_SHIFT, BY_W, MODRM | NO_MEMORY},
            [0xE8] = {M_CALL, 0, REL32}, [0xE9] = {M_JMP, 0, REL32}, [0xEB] = {M_JMP, 0, REL8},
            [0xF6] = {M_GROUP_UNARY, 1, MODRM | BYTE_RM}, [0xF7] = {M_GROUP_UNARY, BY_W, MODRM},
            [0xFF] = {M_GROUP_BRANCH, 8, MODRM}},
        [P_66] = {
            [0x89] = {M_STORE, 2, MODRM | STORES | ONLY_MEMORY}, [0x90] = {M_NOP, 0, 0},
            [0xC7] = {M_GROUP_MOV, 2, MODRM | STORES | IMM32 | ONLY_MEMORY}}},
    { /* 0F */
        [P_NONE] = {
            [0x10] = {M_VECTOR, 16, VECTOR | ANY_ALIGNMENT},
            [0x11] = {M_VECTOR, 16, VECTOR | STORES | ONLY_MEMORY | ANY_ALIGNMENT},
            [0x1F] = {M_NOP, 0, MODRM | NO_VEX}, [0x28] = {M_VECTOR, 16, VECTOR | NO_MEMORY},
            [0x2E] = {M_VECTOR_FLAGS, 4, VECTOR},
            [0x40] = EIGHT(INTEGER(M_CMOV)), EIGHT(INTEGER(M_CMOV)),
            [0x50] = TO_INT, [0x51] = V(16), [0x54] = V(16), V(16),
            V(16), V(16), V(16), V(16), [0x5A] = V(8), V(16), V(16), V(16), V(16), V(16),
            [0x80] = EIGHT(JCC32), EIGHT(JCC32),
            [0x90] = EIGHT(SETCC), EIGHT(SETCC), [0xAF] = INTEGER(M_IMUL),
            [0xB6] = {M_MOVZX, 1, MODRM | BYTE_RM | NO_VEX}, [0xB7] = {M_MOVZX, 2, MODRM | NO_VEX},
            [0xBC] = INTEGER(M_SCAN), INTEGER(M_SCAN),
            [0xBE] = {M_MOVSX, 1, MODRM | BYTE_RM | NO_VEX}, [0xBF] = {M_MOVSX, 2, MODRM | NO_VEX},
            [0xC2] = VI(16), [0xC6] = VI(16)},
        [P_66] = {
            [0x12] = {M_VECTOR, 8, VECTOR | ONLY_MEMORY},
            [0x16] = {M_VECTOR, 8, VECTOR | ONLY_MEMORY},
            [0x17] = {M_VECTOR, 8, VECTOR | STORES | ONLY_MEMORY},
            [0x1F] = {M_NOP, 0, MODRM | NO_VEX}, [0x2E] = {M_VECTOR_FLAGS, 8, VECTOR},
            [0x50] = TO_INT, [0x51] = V(16), [0x58] = V(16), V(16), V(16),
            [0x5C] = V(16), V(16), V(16), V(16), [0x60] = EIGHT(V(16)),
            [0x68] = V(16), V(16), V(16), V(16), V(16), V(16),
            [0x6E] = {M_FROM_INT, BY_W, MODRM | REG_V},
            [0x70] = VI(16), [0x71] = {M_GROUP_VECTOR, 0, VECTOR | NO_MEMORY | IMM8},
            {M_GROUP_VECTOR, 0, VECTOR | NO_MEMORY | IMM8},
            {M_GROUP_VECTOR, 0, VECTOR | NO_MEMORY | IMM8}, [0x74] = V(16), V(16), V(16),
            [0x7E] = {M_EXTRACT, BY_W, MODRM | REG_V | STORES}, [0xC2] = VI(16),
            [0xC4] = {M_FROM_INT, 2, MODRM | REG_V | IMM8},
            [0xD1] = V(16), V(16), V(16), V(16), V(16), [0xD7] = TO_INT,
            [0xD8] = EIGHT(V(16)), V(16), V(16), V(16), V(16), V(16), V(16),
            [0xE6] = V(16), [0xE8] = EIGHT(V(16)),
            [0xF1] = V(16), V(16), V(16), V(16), V(16), [0xF8] = V(16), V(16), V(16), V(16), V(16),
            V(16), V(16)},
        [P_F3] = {
            [0x10] = V(4), [0x11] = {M_VECTOR, 4, VECTOR | STORES | ONLY_MEMORY},
            [0x2A] = {M_FROM_INT, BY_W, MODRM | REG_V}, [0x2C] = {M_TO_INT, 4, MODRM | RM_V},
            [0x51] = V(4), [0x58] = V(4), V(4), V(4), [0x5B] = V(16), V(4), V(4), V(4), V(4),
            [0x70] = VI(16), [0xB8] = INTEGER(M_COUNT), [0xBC] = INTEGER(M_COUNT), INTEGER(M_COUNT),
            [0xE6] = V(8)},
        [P_F2] = {
            [0x10] = V(8), [0x11] = {M_VECTOR, 8, VECTOR | STORES | ONLY_MEMORY}, [0x12] = V(8),
            [0x2A] = {M_FROM_INT, BY_W, MODRM | REG_V}, [0x2C] = {M_TO_INT, 8, MODRM | RM_V},
            [0x51] = V(8), [0x58] = V(8), V(8), V(8), [0x5C] = V(8), V(8), V(8), V(8),
            [0x70] = VI(16)}},
    { /* 0F 38 */
        [P_66] = {
            [0x00] = V(16), [0x04] = V(16), [0x0B] = V(16), [0x17] = {M_VECTOR_FLAGS, 16, VECTOR},
            [0x18] = {M_VECTOR, 4, VECTOR | ONLY_VEX}, [0x1C] = V(16), V(16), V(16),
            [0x20] = V(8), [0x23] = V(8), [0x25] = V(8), [0x28] = V(16), V(16), [0x2B] = V(16),
            [0x30] = V(8), [0x33] = V(8), [0x35] = V(8), [0x37] = V(16), EIGHT(V(16)), V(16),
            [0x78] = {M_VECTOR, 1, VECTOR | ONLY_VEX}, {M_VECTOR, 2, VECTOR | ONLY_VEX},
            [0xF7] = {M_SHIFT, BY_W, MODRM | ONLY_VEX}},
        [P_F3] = {[0xF7] = {M_SHIFT, BY_W, MODRM | ONLY_VEX}},
        [P_F2] = {[0xF7] = {M_SHIFT, BY_W, MODRM | ONLY_VEX}}},
    { /* 0F 3A */
        [P_66] = {
            [0x08] = VI(16), VI(16), VI(4), VI(8), [0x0E] = VI(16), VI(16),
            [0x14] = {M_EXTRACT, 1, MODRM | REG_V | STORES | IMM8},
            {M_EXTRACT, 2, MODRM | REG_V | STORES | IMM8},
            {M_EXTRACT, BY_W, MODRM | REG_V | STORES | IMM8},
            [0x20] = {M_FROM_INT, 1, MODRM | REG_V | IMM8}, VI(4),
            {M_FROM_INT, BY_W, MODRM | REG_V | IMM8}},
        [P_F2] = {[0xF0] = {M_SHIFT, BY_W, MODRM | IMM8 | ONLY_VEX}}}};

/* ---- Reading bytes ---- */

typedef struct Bytes { const uint8_t *at; } Bytes; /* of a copy that nothing runs out of */

static uint32_t take_8(Bytes *b) { return *b->at++; }

static uint64_t take(Bytes *b, uint32_t n)
{
    uint64_t value = 0;
    memcpy(&value, b->at, n); /* little-endian, as the processor is */
    b->at += n;
    return value;
}

static int64_t take_signed(Bytes *b, uint32_t n)
{
    uint64_t value = take(b, n);
    return n == 1 ? (int8_t)value : n == 2 ? (int16_t)value : (int32_t)value;
}

/* ---- Prefixes and opcode ---- */

typedef struct Prefixes {
    uint32_t map, pp;
    uint32_t r, x, b;         /* the upper bits of register numbers, as 0 or 8 */
    bool wide, has_rex, is_vex, is_long;
} Prefixes;

static void read_vex(Bytes *b, Prefixes *p, uint32_t first)
{
    uint32_t byte = take_8(b), last = byte;
    p->is_vex = true;
    p->r = (~byte >> 7 & 1) << 3;
    p->map = 1;
    if (first == 0xC4) {
        p->x = (~byte >> 6 & 1) << 3;
        p->b = (~byte >> 5 & 1) << 3;
        p->map = byte & 31;
        last = take_8(b);
        p->wide = last >> 7;
    }
    p->is_long = last & 4;
    p->pp = last & 3;
}

static void read_legacy(Bytes *b, Prefixes *p)
{
    uint32_t byte = *b->at;
    p->pp = byte == 0x66 ? P_66 : byte == 0xF3 ? P_F3 : byte == 0xF2 ? P_F2 : P_NONE;
    if (p->pp) b->at++;
    byte = *b->at;
    if ((byte & 0xF0) == 0x40) {
        b->at++;
        p->has_rex = true;
        p->wide = byte & 8;
        p->r = (byte & 4) << 1;
        p->x = (byte & 2) << 2;
        p->b = (byte & 1) << 3;
    }
    if (*b->at != 0x0F) return;
    b->at++;
    p->map = *b->at == 0x38 ? 2 : *b->at == 0x3A ? 3 : 1;
    if (p->map > 1) b->at++;
}

/* ---- Operands ---- */

static const char *read_memory(Bytes *b, const Prefixes *p, uint32_t modrm, Insn *i)
{
    uint32_t mode = modrm >> 6, low = modrm & 7;
    i->is_memory = true;
    i->base = (uint8_t)(low | p->b);
    if (low == 4) {
        uint32_t sib = take_8(b), index = (sib >> 3 & 7) | p->x;
        low = sib & 7;
        i->base = (uint8_t)(low | p->b);
        i->scale = (uint8_t)(sib >> 6);
        if (index != GPR_SP) i->index = (uint8_t)index;
        if (low == 5 && mode == 0) return "an address without a base";
    } else if (low == 5 && mode == 0) {
        i->base = GPR_NONE;
        mode = 2;
    }
    if (mode) i->disp = (int32_t)take_signed(b, mode == 1 ? 1 : 4);
    return NULL;
}

static const char *read_modrm(Bytes *b, const Prefixes *p, const OpRow *row, Insn *i,
                              uint32_t *digit)
{
    uint32_t modrm = take_8(b), reg = (modrm >> 3 & 7) | p->r, rm = (modrm & 7) | p->b;
    const uint32_t shape = row->shape;
    *digit = modrm >> 3 & 7;
    if (!(shape & REG_V)) i->reg = (uint8_t)reg;
    if ((shape & BYTE_REG) && !p->has_rex && reg >= 4) return "a register ah, ch, dh or bh";
    if (modrm >> 6 == 3) {
        if (shape & ONLY_MEMORY) return "a register where only memory can be";
        if ((shape & BYTE_RM) && !p->has_rex && rm >= 4) return "a register ah, ch, dh or bh";
        if (!(shape & RM_V)) i->rm = (uint8_t)rm;
        return NULL;
    }
    if (shape & NO_MEMORY) return "memory where only a register can be";
    if (row->width == 16 && !p->is_vex && !(shape & ANY_ALIGNMENT))
        return "an operand in memory that would have to be aligned";
    i->width = row->width != BY_W ? row->width : p->wide ? 8 : 4;
    i->is_store = shape & STORES;
    return read_memory(b, p, modrm, i);
}

/* ---- Groups ---- */

static const uint8_t alu_ops[8] = {M_ADD, M_ALU, M_ALU, M_ALU, M_AND, M_SUB, M_XOR, M_CMP};
static const uint8_t shift_ops[8] = {[0] = M_SHIFT, M_SHIFT, [4] = M_SHL, M_SHR, [7] = M_SHIFT};
static const uint8_t unary_ops[8] = {[0] = M_TEST, [2] = M_NOT, M_NEG, M_MUL, M_MUL, M_DIV, M_DIV};
static const uint8_t branch_ops[8] = {[2] = M_CALL_TO, [4] = M_JMP_TO};

/* The destination of an instruction whose reg field was a digit. */
static void settle_rm(Insn *i)
{
    i->reg = i->rm;
    i->rm = GPR_NONE;
}

static const char *settle_unary(Insn *i, uint32_t digit, bool is_byte)
{
    i->op = unary_ops[digit];
    i->reg = GPR_NONE; /* of what has a source only, and it may be memory */
    if (i->op == M_UNKNOWN || (is_byte && i->op != M_TEST)) return "an unknown instruction";
    if (i->op == M_MUL || i->op == M_DIV) return NULL;
    if (i->op != M_TEST && i->is_memory) return "arithmetic in memory";
    if (!i->is_memory) settle_rm(i);
    i->has_imm = i->op == M_TEST;
    return NULL;
}

static const char *settle_group(Insn *i, uint32_t digit)
{
    const uint8_t group = i->op;
    switch (group) {
    case M_GROUP_ALU:
        i->op = alu_ops[digit];
        settle_rm(i);
        i->is_store = i->is_memory && i->op != M_CMP;
        return i->is_store && i->op != M_SUB ? "arithmetic in memory" : NULL;
    case M_GROUP_SHIFT: i->op = shift_ops[digit]; settle_rm(i); break;
    case M_GROUP_MOV:
        i->op = digit ? M_UNKNOWN : i->is_memory ? M_STORE : i->wide ? M_MOV_IMM : M_UNKNOWN;
        settle_rm(i);
        break;
    case M_GROUP_BRANCH: i->op = branch_ops[digit]; i->reg = GPR_NONE; break;
    case M_GROUP_VECTOR:
        i->op = digit == 2 || digit == 4 || digit == 6 ? M_VECTOR : M_UNKNOWN;
        break;
    default: break;
    }
    return i->op == M_UNKNOWN ? "an unknown instruction" : NULL;
}

/* ---- Instructions ---- */

static void read_immediate(Bytes *b, const Prefixes *p, const OpRow *row, Insn *i)
{
    if (row->shape & REL8) i->disp = (int32_t)take_signed(b, 1);
    if (row->shape & REL32) i->disp = (int32_t)take_signed(b, 4);
    bool is_byte = row->shape & IMM8, is_32 = row->shape & IMM32;
    if (i->op == M_TEST && i->has_imm) is_byte = row->width == 1, is_32 = !is_byte; /* F6, F7 */
    if (!is_byte && !is_32) return;
    i->has_imm = true;
    if (row->shape & LOW_REG) i->imm = take(b, p->wide ? 8 : 4);
    else i->imm = (uint64_t)take_signed(b, is_byte ? 1 : p->pp == P_66 && p->map == 0 ? 2 : 4);
}

static const char *check_row(const OpRow *row, const Prefixes *p)
{
    if (row->op == M_UNKNOWN) return "an unknown instruction";
    if (p->is_vex ? row->shape & NO_VEX || p->map == 0 : row->shape & ONLY_VEX)
        return "an unknown instruction";
    return p->is_long ? "a vector of 256 bits" : NULL;
}

const char *insn_decode(const uint8_t *code, uint32_t at, uint32_t end, Insn *out)
{
    enum { LONGEST = 15 };
    uint8_t copy[32] = {0};
    uint32_t left = end - at, digit = 0;
    Bytes b = {code + at};
    Prefixes p = {0};
    if (left < sizeof copy) {
        memcpy(copy, code + at, left);
        b.at = copy;
    }
    const uint8_t *first = b.at;
    *out = (Insn){.at = at, .reg = GPR_NONE, .rm = GPR_NONE, .base = GPR_NONE, .index = GPR_NONE};
    if (*first == 0xC4 || *first == 0xC5) read_vex(&b, &p, take_8(&b));
    else read_legacy(&b, &p);
    if (p.map > 3) return "an unknown instruction";
    const uint32_t byte = take_8(&b);
    const OpRow *row = &rows[p.map][p.pp][byte];
    const char *wrong = check_row(row, &p);
    if (wrong) return wrong;
    out->op = row->op;
    out->wide = p.wide;
    out->is_vex = p.is_vex;
    out->cc = byte & 15;
    if (row->shape & LOW_REG) out->reg = (uint8_t)((byte & 7) | p.b);
    if (row->shape & MODRM) wrong = read_modrm(&b, &p, row, out, &digit);
    if (wrong) return wrong;
    if (row->op == M_GROUP_UNARY) wrong = settle_unary(out, digit, row->width == 1);
    else if (row->op >= M_GROUP_ALU) wrong = settle_group(out, digit);
    if (wrong) return wrong;
    if (row->op == M_EXTRACT && !out->is_memory) settle_rm(out);
    if (row->op == M_SETCC) settle_rm(out);
    if (row->op == M_NOP) out->is_memory = false; /* its operand is but length */
    read_immediate(&b, &p, row, out);
    out->length = (uint8_t)(b.at - first);
    if (out->length > LONGEST || out->length > left) return "an instruction cut off by the end";
    return NULL;
}
