/* Vector instructions that move lanes: constants, splats, lanes in and out, tests of all lanes,
 * swizzle.  `with` of a row is the bytes of a lane. */
#include "jit/x86_64/vector.h"

void vector_const(Compiler *c, const VectorRow *row)
{
    (void)row;
    const uint8_t *bytes = c->bytes + c->pc;
    c->pc += 16;
    Reg d = dest(c, KIND_V128, NO_REG);
    emit_v128_const(c, d, bytes);
    push_reg(c, KIND_V128, d);
}

/* ---- Tests ---- */

void vector_any_true(Compiler *c, const VectorRow *row)
{
    Reg a = pop_reg(c);
    vector_rr(c, row->op, false, a, a);
    release(c, a, NO_REG);
    push_condition(c, CC_NE);
}

/* No lane is equal to 0. */
void vector_all_true(Compiler *c, const VectorRow *row)
{
    Reg a = pop_reg(c);
    vector_zero(c, SCRATCH_VECTOR);
    emit_vector(c, row->op, SCRATCH_VECTOR, SCRATCH_VECTOR, a);
    vector_rr(c, V_PTEST, false, SCRATCH_VECTOR, SCRATCH_VECTOR);
    release(c, a, NO_REG);
    push_condition(c, CC_E);
}

void vector_bitmask(Compiler *c, const VectorRow *row)
{
    Reg a = pop_reg(c), d = dest(c, KIND_I32, NO_REG);
    if (row->with == 2) { /* words keep their signs as bytes */
        emit_vector(c, V_PACKSSWB, SCRATCH_VECTOR, a, a);
        vector_rr(c, row->op, false, d, SCRATCH_VECTOR);
        asm_rr(&c->a, X_MOVZX8, false, d, d);
    } else {
        vector_rr(c, row->op, false, d, a);
    }
    release(c, a, NO_REG);
    push_reg(c, KIND_I32, d);
}

/* ---- Splats ---- */

/* d's lowest `size` bytes everywhere. */
static void spread(Compiler *c, uint32_t size, Reg d)
{
    if (size == 8) {
        emit_vector(c, V_PUNPCKLQDQ, d, d, d);
    } else if (size == 4) {
        vector_rr_imm(c, V_PSHUFD, d, d, 0);
    } else if (has_cpu(c, CPU_AVX2)) {
        vector_rr(c, size == 1 ? V_VPBROADCASTB : V_VPBROADCASTW, false, d, d);
    } else if (size == 2) {
        vector_rr_imm(c, V_PSHUFLW, d, d, 0);
        vector_rr_imm(c, V_PSHUFD, d, d, 0);
    } else {
        vector_zero(c, SCRATCH_VECTOR);
        emit_vector(c, V_PSHUFB, d, d, SCRATCH_VECTOR);
    }
}

void vector_splat_memory(Compiler *c, uint32_t size, Reg d, Mem m)
{
    if (size == 8) {
        vector_rm(c, V_MOVDDUP, false, d, m);
    } else if (size == 4 && has_cpu(c, CPU_AVX)) {
        vector_rm(c, V_VBROADCASTSS, false, d, m);
    } else if (size < 4 && has_cpu(c, CPU_AVX2)) {
        vector_rm(c, size == 1 ? V_VPBROADCASTB : V_VPBROADCASTW, false, d, m);
    } else if (size == 4) {
        vector_rm(c, X_MOVSS, false, d, m);
        spread(c, size, d);
    } else {
        asm_rm(&c->a, size == 1 ? X_MOVZX8 : X_MOVZX16, false, SCRATCH, m);
        vector_rr(c, X_MOVD_TO, false, d, SCRATCH);
        spread(c, size, d);
    }
}

/* The splat of a constant is a constant. */
static bool splat_const(Compiler *c, uint32_t size)
{
    uint64_t bits;
    if (!pop_const(c, &bits)) return false;
    Reg d = dest(c, KIND_V128, NO_REG);
    if (size == 1) bits = (bits & 0xFF) * 0x01010101;
    if (size == 2) bits = (bits & 0xFFFF) * 0x00010001;
    if (size == 8) vector_const_64(c, d, bits);
    else vector_const_32(c, d, (uint32_t)bits);
    push_reg(c, KIND_V128, d);
    return true;
}

void vector_splat_int(Compiler *c, const VectorRow *row)
{
    const uint32_t size = row->with;
    if (splat_const(c, size)) return;
    Source a = pop_source(c);
    Reg d = dest(c, KIND_V128, NO_REG);
    if (a.reg == NO_REG) {
        vector_splat_memory(c, size, d, a.mem);
    } else {
        vector_rr(c, X_MOVD_TO, size == 8, d, a.reg);
        spread(c, size, d);
        release(c, a.reg, NO_REG);
    }
    push_reg(c, KIND_V128, d);
}

void vector_splat_float(Compiler *c, const VectorRow *row)
{
    const uint32_t size = row->with;
    if (splat_const(c, size)) return;
    Source a = pop_source(c);
    Reg d = dest(c, KIND_V128, a.reg);
    if (a.reg == NO_REG) vector_splat_memory(c, size, d, a.mem);
    else if (size == 8) vector_rr(c, V_MOVDDUP, false, d, a.reg);
    else vector_rr_imm(c, V_PSHUFD, d, a.reg, 0);
    release(c, a.reg, d);
    push_reg(c, KIND_V128, d);
}

/* ---- Lanes in and out ---- */

static uint32_t read_lane(Compiler *c) { return c->bytes[c->pc++]; }

/* A vector at home, seen as memory from its lane on. */
static Mem lane_mem(Mem m, uint32_t byte)
{
    m.disp += (int32_t)byte;
    return m;
}

/* d <- the lane, zero-extended. */
static void extract(Compiler *c, uint32_t size, Reg d, Reg a, uint32_t lane)
{
    static const Opcode pextr[] = {[1] = V_PEXTRB, [2] = V_PEXTRW, [4] = V_PEXTRD, [8] = V_PEXTRD};
    if (lane == 0 && size >= 4) {
        vector_rr(c, X_MOVD_FROM, size == 8, a, d);
    } else {
        vector_rr(c, pextr[size], size == 8, a, d);
        asm_8(&c->a, lane);
    }
}

/* op: the load of a lane from memory, and of small ones the extension. */
void vector_extract_int(Compiler *c, const VectorRow *row)
{
    const uint32_t size = row->with, lane = read_lane(c);
    const Kind kind = size == 8 ? KIND_I64 : KIND_I32;
    const bool is_signed = row->op == X_MOVSX8 || row->op == X_MOVSX16;
    Source a = pop_source(c);
    Reg d = dest(c, kind, NO_REG);
    if (a.reg == NO_REG) {
        asm_rm(&c->a, row->op, size == 8, d, lane_mem(a.mem, lane * size));
    } else {
        extract(c, size, d, a.reg, lane);
        if (is_signed) asm_rr(&c->a, row->op, false, d, d);
        release(c, a.reg, NO_REG);
    }
    push_reg(c, kind, d);
}

/* The lane becomes the lowest; the others do not matter. */
void vector_extract_float(Compiler *c, const VectorRow *row)
{
    const uint32_t size = row->with, lane = read_lane(c);
    const Kind kind = size == 8 ? KIND_F64 : KIND_F32;
    Source a = pop_source(c);
    Reg d = dest(c, kind, a.reg);
    if (a.reg == NO_REG) vector_rm(c, row->op, false, d, lane_mem(a.mem, lane * size));
    else if (lane == 0) emit_move(c, KIND_V128, d, a.reg);
    else vector_rr_imm(c, V_PSHUFD, d, a.reg, size == 8 ? 0xEE : lane);
    release(c, a.reg, d);
    push_reg(c, kind, d);
}

void vector_replace_int(Compiler *c, const VectorRow *row)
{
    const uint32_t lane = read_lane(c);
    const bool wide = row->with == 8;
    Source b = pop_source(c);
    Pair p = pop_single(c);
    if (has_cpu(c, CPU_AVX)) {
        if (b.reg != NO_REG) asm_vex_rrr(&c->a, row->op, wide, p.d, p.a, b.reg);
        else asm_vex_rrm(&c->a, row->op, wide, p.d, p.a, b.mem);
    } else {
        emit_move(c, KIND_V128, p.d, p.a);
        emit_rs(c, row->op, wide, p.d, b);
    }
    asm_8(&c->a, lane);
    release(c, b.reg, NO_REG);
    push_pair(c, p);
}

/* d <- a with the f64 b as its low or high half */
static void replace_half(Compiler *c, uint32_t lane, Reg d, Reg a, Source b)
{
    if (b.reg == NO_REG) emit_vector_source(c, lane ? V_MOVHPD : V_MOVLPD, d, a, b);
    else emit_vector(c, lane ? V_PUNPCKLQDQ : X_MOVSD, d, a, b.reg);
}

/* insertps writes one lane; it reads four bytes of memory. */
void vector_replace_float(Compiler *c, const VectorRow *row)
{
    const uint32_t lane = read_lane(c);
    Source b = pop_source(c);
    Pair p = pop_single(c);
    if (row->with == 8) {
        replace_half(c, lane, p.d, p.a, b);
    } else {
        emit_vector_source(c, row->op, p.d, p.a, b);
        asm_8(&c->a, lane << 4);
    }
    release(c, b.reg, p.d);
    push_pair(c, p);
}

/* ---- Swizzle ---- */

/* pshufb gives 0 where bit 7 is set and else uses four bits: 0x70 added with saturation sets bit 7
 * of all indices from 16 on. */
void vector_swizzle(Compiler *c, const VectorRow *row)
{
    (void)row;
    Pair p = pop_pair(c);
    vector_const_32(c, SCRATCH_VECTOR, 0x70707070);
    emit_vector(c, V_PADDUSB, SCRATCH_VECTOR, SCRATCH_VECTOR, p.b);
    emit_vector(c, V_PSHUFB, p.d, p.a, SCRATCH_VECTOR);
    push_pair(c, p);
}
