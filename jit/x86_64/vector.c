/* Vector instructions: the table of their templates, the templates of rows that are one instruction
 * of x86, and the short sequences that the others are made of. */
#include "jit/x86_64/vector.h"

enum { FIRST_ROW = op_v128_load, LAST_ROW = op_i32x4_relaxed_dot_i8x16_i7x16_add_s };

static const VectorRow rows[LAST_ROW - FIRST_ROW + 1] = {
#define ROW(ident, template, op, with) [op_##ident - FIRST_ROW] = {vector_##template, op, with},
#include "jit/x86_64/vector_rows.def"
};

bool compile_vector(Compiler *c, Op op)
{
    const uint32_t i = (uint32_t)op - FIRST_ROW; /* wraps for rows before */
    if (i >= sizeof rows / sizeof *rows || !rows[i].emit) return false;
    rows[i].emit(c, &rows[i]);
    return true;
}

/* ---- Operands ---- */

static bool is_pin(const Compiler *c, Reg r) { return c->regions[c->region].mask >> r & 1; }

Pair pop_pair(Compiler *c)
{
    Reg b = pop_reg(c), a = pop_reg(c);
    return (Pair){a, b, dest(c, KIND_V128, a)};
}

Pair pop_single(Compiler *c)
{
    Reg a = pop_reg(c);
    return (Pair){a, NO_REG, dest(c, KIND_V128, a)};
}

void push_pair(Compiler *c, Pair p)
{
    release(c, p.a, p.d);
    release(c, p.b, p.d);
    push_reg(c, KIND_V128, p.d);
}

/* ---- One instruction ---- */

/* Legacy instructions want a vector in memory aligned. */
static Source pop_vector_source(Compiler *c)
{
    if (has_cpu(c, CPU_AVX)) return pop_source(c);
    return (Source){.reg = pop_reg(c)};
}

void vector_binary(Compiler *c, const VectorRow *row)
{
    const bool commutes = row->with & COMMUTES;
    Reg a;
    Source b;
    if (row->with & SWAPPED) {
        a = pop_reg(c);
        b = pop_vector_source(c);
    } else {
        b = pop_vector_source(c);
        a = pop_reg(c);
    }
    Reg prefer = commutes && b.reg != NO_REG && is_pin(c, a) ? b.reg : a;
    Reg d = dest(c, KIND_V128, prefer);
    if (b.reg == NO_REG) emit_vector_source(c, row->op, d, a, b);
    else if (commutes) vector_commuting(c, row->op, d, a, b.reg);
    else emit_vector(c, row->op, d, a, b.reg);
    if (row->with & WITH_IMM) asm_8(&c->a, row->with);
    if (row->with & NOT) vector_invert(c, d);
    release(c, a, d);
    release(c, b.reg, d);
    push_reg(c, KIND_V128, d);
}

void vector_unary(Compiler *c, const VectorRow *row)
{
    Pair p = pop_single(c);
    vector_rr(c, row->op, false, p.d, p.a);
    if (row->with & WITH_IMM) asm_8(&c->a, row->with);
    push_pair(c, p);
}

/* ---- Sequences ---- */

void vector_invert(Compiler *c, Reg d)
{
    vector_ones(c, SCRATCH_VECTOR);
    emit_vector(c, X_PXOR, d, d, SCRATCH_VECTOR);
}

/* psrl, psra and psll by a register are D., E. and F. with the width in the low bits; their
 * immediate forms 71, 72 and 73 with /2, /4 and /6. */
void vector_shift(Compiler *c, Opcode op, Reg d, Reg a, uint32_t n)
{
    const Opcode imm_op = OPC(0x66, 1, 0x70 | (op & 3));
    const Reg digit = (Reg)(((op >> 4 & 15) - 12) * 2);
    if (has_cpu(c, CPU_AVX)) {
        asm_vex_rrr(&c->a, imm_op, false, digit, d, a);
    } else {
        emit_move(c, KIND_V128, d, a);
        asm_rr(&c->a, imm_op, false, digit, d);
    }
    asm_8(&c->a, n);
}

void vector_const_32(Compiler *c, Reg d, uint32_t bits)
{
    vector_const_64(c, d, (uint64_t)bits << 32 | bits);
}

void vector_const_64(Compiler *c, Reg d, uint64_t bits)
{
    uint8_t bytes[16];
    memcpy(bytes, &bits, 8);
    memcpy(bytes + 8, &bits, 8);
    emit_v128_const(c, d, bytes);
}

void vector_count(Compiler *c, Source n, uint32_t width, uint32_t more)
{
    emit_rs(c, X_MOV, false, SCRATCH, n);
    asm_alu_ri(&c->a, ALU_AND, false, SCRATCH, (int32_t)width - 1);
    if (more) asm_alu_ri(&c->a, ALU_ADD, false, SCRATCH, (int32_t)more);
    vector_rr(c, X_MOVD_TO, false, SCRATCH_VECTOR, SCRATCH);
    release(c, n.reg, NO_REG);
}
