/* The instruction table as data: numbers, names, immediates, signatures.
 *
 * instructions.def is the one description of the instruction set; everything that walks code
 * reads it through this header (decoder, verifier, text format, disassembler) or includes it
 * itself (interpreter dispatch).  All of it is constant. */
#ifndef FNVM_LOADER_INSTRUCTION_H
#define FNVM_LOADER_INSTRUCTION_H

#include <stddef.h>
#include <stdint.h>

/* op_<ident>, numbered densely in the order of the table. */
typedef enum Op {
#define INSTR(page, code, ident, text, imm, sig, align, feature) op_##ident,
#include "loader/instructions.def"
    OP_COUNT,
    OP_NONE = 0xFFFF
} Op;

/* Immediates and their binary encoding (standard, 5.4); all indices and counts are LEB128 u32. */
typedef enum Imm {
    IMM_NONE,
    IMM_BLOCK,       /* blocktype: 0x40, a value type, or an s33 type index */
    IMM_TRY_TABLE,   /* blocktype, then a vector of catch clauses */
    IMM_LABEL,       /* label index */
    IMM_LABELS,      /* vector of label indices, then the default label */
    IMM_BR_CAST,     /* flags byte (bit 0: source nullable, bit 1: target), label, two heap types */
    IMM_FUNC,        /* function index */
    IMM_TYPE,        /* type index */
    IMM_TYPE_TABLE,  /* type index, table index (the text has them the other way round) */
    IMM_TYPE_FIELD,  /* type index, field index */
    IMM_TYPE_COUNT,  /* type index, operand count */
    IMM_TYPE_DATA,   /* type index, data index */
    IMM_TYPE_ELEM,   /* type index, element index */
    IMM_TYPE_TYPE,   /* two type indices: destination, source */
    IMM_LOCAL,
    IMM_GLOBAL,
    IMM_TABLE,
    IMM_TABLE_TABLE, /* destination, source */
    IMM_ELEM_TABLE,  /* element index, table index (text: the table first, and optional) */
    IMM_ELEM,
    IMM_DATA,
    IMM_MEM,
    IMM_MEM_MEM,     /* destination, source */
    IMM_DATA_MEM,    /* data index, memory index (text: the memory first, and optional) */
    IMM_MEMARG,      /* alignment (bit 6: a memory index follows), offset u64 */
    IMM_MEMARG_LANE, /* memarg, lane byte */
    IMM_LANE,        /* lane byte */
    IMM_SHUFFLE,     /* 16 lane bytes */
    IMM_TAG,
    IMM_HEAPTYPE,    /* s33: an abstract heap type or a type index */
    IMM_VALTYPES,    /* vector of value types */
    IMM_I32,         /* LEB128 s32 */
    IMM_I64,         /* LEB128 s64 */
    IMM_F32,         /* 4 bytes */
    IMM_F64,         /* 8 bytes */
    IMM_V128         /* 16 bytes */
} Imm;

enum { PAGE_BASE = 0x00, PAGE_GC = 0xFB, PAGE_MISC = 0xFC, PAGE_SIMD = 0xFD };
enum { SIMD_CODES = 276, GC_CODES = 31, MISC_CODES = 23 }; /* codes of a page are below this */

typedef struct Instr {
    const char *text; /* keyword; two rows share "select", "ref.test", "ref.cast" */
    char sig[8];      /* as in the table: "ii_i", or "x" */
    uint32_t feature; /* FNVM_FEATURE_* */
    uint16_t code;
    uint8_t page;
    uint8_t imm;      /* Imm */
    uint8_t align;    /* log2 bytes of a memory access */
} Instr;

extern const Instr instructions[OP_COUNT];

/* The operation at `code` of `page`, or OP_NONE. */
Op instruction_decode(uint8_t page, uint32_t code);

/* The same of page BASE. */
extern const uint16_t instruction_ops[]; /* op + 1 by code, page BASE first; 0 is OP_NONE + 1 */
static inline Op instruction_decode_base(uint8_t code)
{
    return (Op)(uint16_t)(instruction_ops[code] - 1);
}

/* What an opcode without a row is elsewhere and what helps, as the end of a sentence; or "". */
const char *instruction_elsewhere(uint8_t code);

/* The first row with this keyword (so `select`, not `select_t`), or OP_NONE. */
Op instruction_by_text(const char *text, size_t len);

#endif
