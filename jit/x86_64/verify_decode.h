/* The decoder of the independent check (verify.h): exactly the part of x86-64 that compiled code
 * may consist of.  It shares no table with the assembler. */
#ifndef FNVM_JIT_X86_64_VERIFY_DECODE_H
#define FNVM_JIT_X86_64_VERIFY_DECODE_H

#include <stdbool.h>
#include <stdint.h>

enum { /* integer registers by number; vector registers are not told apart */
    GPR_AX, GPR_CX, GPR_DX, GPR_BX, GPR_SP, GPR_BP, GPR_SI, GPR_DI, GPR_8, GPR_9, GPR_10, GPR_11,
    GPR_12, GPR_13, GPR_14, GPR_15, GPR_COUNT,
    GPR_NONE = 0xFF
};

/* What an instruction does, as far as it matters here.  `d` is Insn.reg, `s` its source: Insn.rm,
 * memory or the immediate. */
typedef enum MachineOp {
    M_UNKNOWN,
    M_NOP,
    M_PAD,          /* int3: between code and constants */
    M_MOV,          /* d <- s; 32 bits clear the upper half, as ever */
    M_MOV_IMM,      /* d <- imm, as 64 bits */
    M_MOVZX,        /* d <- s, of 8 or 16 bits */
    M_MOVSX,        /* likewise; of 32 bits too */
    M_STORE,        /* memory <- d, or imm */
    M_LEA,          /* d <- address */
    M_ADD, M_SUB, M_AND, M_XOR, /* d <- d op s, as those below; sub: d may be memory, s an imm */
    M_ALU,          /* or, adc, sbb */
    M_IMUL,         /* d <- product of anything */
    M_CMP, M_TEST,  /* d with s; d may be memory if s is an immediate */
    M_MUL, M_DIV,   /* rdx:rax by s */
    M_NEG, M_NOT,   /* d */
    M_SHL, M_SHR, M_SHIFT, /* d by imm or cl; the last: any other, and BMI2's, d <- s */
    M_CDQ,          /* rdx <- sign of rax */
    M_CMOV,         /* d <- s if cc */
    M_SETCC,        /* lowest byte of d */
    M_SCAN,         /* bsf, bsr: d stays if s is 0 */
    M_COUNT,        /* tzcnt, lzcnt, popcnt */
    M_VECTOR,       /* on vector registers; memory is read or, if is_store, written */
    M_VECTOR_FLAGS, /* the same, and flags: ucomis., ptest */
    M_FROM_INT,     /* a vector register from s */
    M_TO_INT,       /* d from a vector register or memory */
    M_EXTRACT,      /* d, or memory, from a vector register */
    M_JMP, M_JCC, M_CALL,   /* disp from the next instruction */
    M_JMP_TO, M_CALL_TO,    /* the address in s */
    M_RET,
    /* groups, which the decoder takes apart by their digit */
    M_GROUP_ALU, M_GROUP_SHIFT, M_GROUP_UNARY, M_GROUP_BRANCH, M_GROUP_MOV, M_GROUP_VECTOR
} MachineOp;

enum { /* Insn.role: part of a sequence that is allowed as a whole; see verify_flow.c */
    ROLE_NONE, ROLE_STACK_CHECK, ROLE_TABLE_LOAD, ROLE_TABLE_JUMP, ROLE_ZERO_STORE,
    ROLE_FUNC_TYPE, ROLE_ENTRY, ROLE_FRAME_FORWARD,
    /* of verify_objects.c */
    ROLE_LIST, ROLE_NEW_HEAD, ROLE_NEW_LENGTH, ROLE_FILL, ROLE_TYPE_ID, ROLE_TYPE, ROLE_DISPLAY
};

typedef struct Insn {
    uint64_t imm;       /* sign-extended */
    uint32_t at;        /* offset in the code */
    int32_t disp;       /* of the memory operand; of a relative jump */
    uint32_t target;    /* of a jump within the function: the instruction's index; of a table jump
                         * the table's offset */
    uint32_t block;     /* if is_leader */
    uint8_t op, length;
    uint8_t reg, rm;    /* GPR_NONE: no integer register */
    uint8_t base, index, scale; /* base GPR_NONE: relative to the next instruction */
    uint8_t width;      /* bytes of the memory operand */
    uint8_t cc;         /* condition */
    uint8_t role;
    uint8_t njumps;     /* that lead here; at most 2 are counted */
    bool wide;          /* 64 bits */
    bool is_memory, is_store, has_imm, is_vex;
    bool is_inner;      /* in a sequence, not its first: nobody may jump here */
    bool is_leader;
    bool is_outward;    /* its distance leads out of the code: see Compiled.fixups */
} Insn;

/* Decodes the instruction at `at`; NULL, or why it cannot be one of ours. */
const char *insn_decode(const uint8_t *code, uint32_t at, uint32_t end, Insn *out);

#endif
