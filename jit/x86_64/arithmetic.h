/* What the templates of scalar arithmetic share: integer.c, comparison.c, division.c, float.c,
 * convert.c. */
#ifndef FNVM_JIT_X86_64_ARITHMETIC_H
#define FNVM_JIT_X86_64_ARITHMETIC_H

#include "jit/x86_64/compiler.h"

/* Opcodes with the operation in the reg field: one operand, or rdx:rax implied. */
enum { X_UNARY = OPC(0, 0, 0xF7), X_TEST8 = OPC(0, 0, 0xF6) | OPC_BYTE };
enum {
    UNARY_TEST = 0, UNARY_NOT = 2, UNARY_NEG = 3, UNARY_MUL = 4, UNARY_IMUL = 5, UNARY_DIV = 6,
    UNARY_IDIV = 7
};

/* The rows from op_i32_clz and op_i64_clz on. */
typedef enum IntRow {
    INT_CLZ, INT_CTZ, INT_POPCNT, INT_ADD, INT_SUB, INT_MUL, INT_DIV_S, INT_DIV_U, INT_REM_S,
    INT_REM_U, INT_AND, INT_OR, INT_XOR, INT_SHL, INT_SHR_S, INT_SHR_U, INT_ROTL, INT_ROTR
} IntRow;
_Static_assert(op_i32_clz + INT_ROTR == op_i32_rotr && op_i64_clz + INT_ROTR == op_i64_rotr &&
               op_i64_clz == op_i32_rotr + 1, "in the order of the table");

/* comparison.c: a row from eqz to ge_u */
void compile_comparison(Compiler *, Op);
/* division.c: two constants were folded, if they can be. */
void compile_division(Compiler *, IntRow, bool wide);
/* The product of the topmost two operands in rdx:rax, both owned by the template. */
void emit_wide_product(Compiler *, bool is_signed);
/* integer.c: d <- s * k, in the fewest steps; d may be s, and s memory; k as wide as the operation.
 * Uses SCRATCH only for a k that no immediate can hold. */
void emit_multiply(Compiler *, bool wide, Reg d, Source s, uint64_t k);

static inline Kind int_kind(bool wide) { return wide ? KIND_I64 : KIND_I32; }
static inline Kind float_kind(bool is_double) { return is_double ? KIND_F64 : KIND_F32; }

static inline Source source_reg(Reg r) { return (Source){.reg = r}; }

/* A template may write the register: it has one, and no local lives there. */
static inline bool is_owned(const Compiler *c, Reg r)
{
    return r != NO_REG && !(c->regions[c->region].mask >> r & 1);
}

static inline bool is_in_reg(Compiler *c, uint32_t depth, Reg r)
{
    const Operand *o = top(c, depth);
    return o->where == IN_REG && o->reg == r;
}

/* d <- s */
static inline void emit_load(Compiler *c, bool wide, Reg d, Source s)
{
    if (s.reg != d) emit_rs(c, X_MOV, wide, d, s);
}

static inline bool fits_imm32(bool wide, uint64_t k)
{
    return !wide || (int64_t)k == (int32_t)k;
}

/* Vector instructions of one operand that write the low lane only: whatever d held before, nothing
 * waits for it. */
static inline void emit_scalar(Compiler *c, Opcode op, Reg d, Reg a)
{
    if (has_cpu(c, CPU_AVX)) {
        asm_vex_rrr(&c->a, op, false, d, a, a);
        return;
    }
    emit_move(c, KIND_V128, d, a);
    asm_rr(&c->a, op, false, d, d);
}

#endif
