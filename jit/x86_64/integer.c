/* Integer arithmetic (standard, 4.3.2).
 *
 * Two constants are folded by the functions that define the rows.  One constant becomes an
 * immediate, or a shorter instruction with the same result.  Otherwise the second operand may come
 * from memory, operands of what commutes change places if that saves a move, and an addition whose
 * result goes elsewhere is a `lea`. */
#include "jit/x86_64/arithmetic.h"
#include "vm/numeric.h"

/* The next instruction's opcode: blocks begin and end with instructions of their own, so whatever
 * it is, it follows this one only. */
static uint8_t next_opcode(const Compiler *c) { return c->bytes[c->pc]; }

/* ---- Folding ---- */

/* False if the row traps on these. */
static bool fold_division(IntRow row, bool wide, uint64_t a, uint64_t b, uint64_t *out)
{
    uint32_t narrow = 0, x = (uint32_t)a, y = (uint32_t)b;
    fnvm_trap trap;
    switch (row) {
    case INT_DIV_S: trap = wide ? num_i64_div_s(a, b, out) : num_i32_div_s(x, y, &narrow); break;
    case INT_DIV_U: trap = wide ? num_i64_div_u(a, b, out) : num_i32_div_u(x, y, &narrow); break;
    case INT_REM_S: trap = wide ? num_i64_rem_s(a, b, out) : num_i32_rem_s(x, y, &narrow); break;
    default: trap = wide ? num_i64_rem_u(a, b, out) : num_i32_rem_u(x, y, &narrow); break;
    }
    if (!wide) *out = narrow;
    return trap == FNVM_TRAP_NONE;
}

static bool fold_binary(IntRow row, bool wide, uint64_t a, uint64_t b, uint64_t *out)
{
#define FOLD(ROW, name)                                                                           \
    case ROW:                                                                                     \
        *out = wide ? num_i64_##name(a, b) : num_i32_##name((uint32_t)a, (uint32_t)b);            \
        return true;
    switch (row) {
    FOLD(INT_ADD, add)
    FOLD(INT_SUB, sub)
    FOLD(INT_MUL, mul)
    FOLD(INT_AND, and)
    FOLD(INT_OR, or)
    FOLD(INT_XOR, xor)
    FOLD(INT_SHL, shl)
    FOLD(INT_SHR_S, shr_s)
    FOLD(INT_SHR_U, shr_u)
    FOLD(INT_ROTL, rotl)
    FOLD(INT_ROTR, rotr)
    default: return fold_division(row, wide, a, b, out);
    }
#undef FOLD
}

static bool fold_unary(Compiler *c, Op op)
{
    uint64_t a;
    if (!pop_const(c, &a)) return false;
#define FOLD(kind, type, name)                                                                    \
    case op_##name: push_const(c, kind, num_##name((type)a)); break;
    switch (op) {
    FOLD(KIND_I32, uint32_t, i32_clz)
    FOLD(KIND_I32, uint32_t, i32_ctz)
    FOLD(KIND_I32, uint32_t, i32_popcnt)
    FOLD(KIND_I64, uint64_t, i64_clz)
    FOLD(KIND_I64, uint64_t, i64_ctz)
    FOLD(KIND_I64, uint64_t, i64_popcnt)
    FOLD(KIND_I32, uint32_t, i32_extend8_s)
    FOLD(KIND_I32, uint32_t, i32_extend16_s)
    FOLD(KIND_I64, uint64_t, i64_extend8_s)
    FOLD(KIND_I64, uint64_t, i64_extend16_s)
    default: push_const(c, KIND_I64, num_i64_extend32_s(a)); break;
    }
#undef FOLD
    return true;
}

/* ---- Addition, subtraction, logic ---- */

/* The opcode reg <- reg op r/m of an ALU_*. */
static Opcode alu_opcode(uint32_t alu) { return OPC(0, 0, alu << 3 | 3); }

static uint32_t alu_of(IntRow row)
{
    return row == INT_ADD ? ALU_ADD : row == INT_SUB ? ALU_SUB : row == INT_AND ? ALU_AND
         : row == INT_OR ? ALU_OR : ALU_XOR;
}

/* d <- d op k */
static void emit_alu(Compiler *c, uint32_t alu, bool wide, Reg d, uint64_t k)
{
    if (!fits_imm32(wide, k)) {
        asm_mov_ri(&c->a, SCRATCH, k);
        asm_rr(&c->a, alu_opcode(alu), wide, d, SCRATCH);
    } else if (alu == ALU_ADD && (int32_t)k == 128) { /* -128 is a byte, 128 is not */
        asm_alu_ri(&c->a, ALU_SUB, wide, d, -128);
    } else {
        asm_alu_ri(&c->a, alu, wide, d, (int32_t)k);
    }
}

/* d <- a + b */
static void emit_sum(Compiler *c, bool wide, Reg d, Reg a, Reg b)
{
    if ((a & 7) == RBP) { /* as a base it costs a displacement */
        Reg swap = a;
        a = b, b = swap;
    }
    asm_rm(&c->a, X_LEA, wide, d, mem_index(a, b, 0, 0));
}

static void emit_add_constant(Compiler *c, bool wide, Reg d, Source s, uint64_t k)
{
    bool elsewhere = s.reg != NO_REG && s.reg != d;
    if (elsewhere && fits_imm32(wide, k)) {
        asm_rm(&c->a, X_LEA, wide, d, mem_at(s.reg, (int32_t)k));
    } else {
        emit_load(c, wide, d, s);
        emit_alu(c, ALU_ADD, wide, d, k);
    }
}

static void emit_logic_constant(Compiler *c, IntRow row, bool wide, Reg d, Source s, uint64_t k)
{
    uint64_t ones = wide ? UINT64_MAX : UINT32_MAX;
    if (row == INT_AND && k <= UINT32_MAX) {
        if (k == 0xFF) {
            emit_rs(c, X_MOVZX8, false, d, s);
            return;
        }
        if (k == 0xFFFF) {
            emit_rs(c, X_MOVZX16, false, d, s);
            return;
        }
        if (k == UINT32_MAX) {
            emit_rs(c, X_MOV, false, d, s);
            return;
        }
        wide = false; /* the upper half becomes zero */
    }
    emit_load(c, wide, d, s);
    if (row == INT_XOR && k == ones) asm_dr(&c->a, X_UNARY, wide, UNARY_NOT, d);
    else emit_alu(c, alu_of(row), wide, d, k);
}

/* The operands of a row that commutes: one in a register, the other wherever it is. */
static void pop_either(Compiler *c, Reg *a, Source *b)
{
    *b = pop_source(c);
    if (b->reg == NO_REG) {
        *a = pop_reg(c);
        return;
    }
    *a = b->reg;
    *b = pop_source(c);
}

static void commutative(Compiler *c, IntRow row, bool wide)
{
    Reg a;
    Source b;
    pop_either(c, &a, &b);
    Reg d = dest(c, int_kind(wide), is_owned(c, a) ? a : b.reg);
    release(c, a, d);
    release(c, b.reg, d);
    if (d == b.reg) {
        b.reg = a;
        a = d;
    }
    if (row == INT_ADD && d != a && b.reg != NO_REG) {
        emit_sum(c, wide, d, a, b.reg);
    } else {
        emit_move(c, int_kind(wide), d, a);
        emit_rs(c, row == INT_MUL ? X_IMUL : alu_opcode(alu_of(row)), wide, d, b);
    }
    push_reg(c, int_kind(wide), d);
}

static void subtract(Compiler *c, bool wide)
{
    Source b = pop_source(c);
    Reg a = pop_reg(c), d = dest(c, int_kind(wide), a);
    if (d == b.reg && d != a) {
        asm_dr(&c->a, X_UNARY, wide, UNARY_NEG, d);
        asm_rr(&c->a, X_ADD, wide, d, a);
    } else {
        emit_move(c, int_kind(wide), d, a);
        emit_rs(c, X_SUB, wide, d, b);
    }
    release(c, a, d);
    release(c, b.reg, d);
    push_reg(c, int_kind(wide), d);
}

static void subtract_from_constant(Compiler *c, bool wide)
{
    Source s = pop_source(c);
    uint64_t k;
    pop_const(c, &k);
    Reg d = dest(c, int_kind(wide), s.reg);
    release(c, s.reg, d);
    if (k == 0 || k == (wide ? UINT64_MAX : UINT32_MAX)) { /* -1 - x is not x */
        emit_load(c, wide, d, s);
        asm_dr(&c->a, X_UNARY, wide, k ? UNARY_NOT : UNARY_NEG, d);
    } else if (d == s.reg) {
        asm_dr(&c->a, X_UNARY, wide, UNARY_NEG, d);
        emit_alu(c, ALU_ADD, wide, d, k);
    } else {
        asm_mov_ri(&c->a, d, k);
        emit_rs(c, X_SUB, wide, d, s);
    }
    push_reg(c, int_kind(wide), d);
}

/* ---- Multiplication ---- */

static void emit_shift_left(Compiler *c, bool wide, Reg d, Source s, uint32_t n)
{
    if (n == 1 && s.reg != NO_REG && s.reg != d) {
        emit_sum(c, wide, d, s.reg, s.reg);
        return;
    }
    emit_load(c, wide, d, s);
    if (n == 1) asm_rr(&c->a, X_ADD, wide, d, d);
    else if (n) asm_shift_ri(&c->a, SHIFT_SHL, wide, d, n);
}

void emit_multiply(Compiler *c, bool wide, Reg d, Source s, uint64_t k)
{
    uint32_t shift = k ? (uint32_t)__builtin_ctzll(k) : 0;
    uint64_t odd = k >> shift;
    if (odd == 1) {
        emit_shift_left(c, wide, d, s, shift);
    } else if (k == (wide ? UINT64_MAX : UINT32_MAX)) {
        emit_load(c, wide, d, s);
        asm_dr(&c->a, X_UNARY, wide, UNARY_NEG, d);
    } else if (odd == 3 || odd == 5 || odd == 9) { /* x + x * 2, 4, 8 */
        if (s.reg == NO_REG) emit_load(c, wide, d, s), s.reg = d;
        uint8_t scale = odd == 3 ? 1 : odd == 5 ? 2 : 3;
        asm_rm(&c->a, X_LEA, wide, d, mem_index(s.reg, s.reg, scale, 0));
        if (shift) asm_shift_ri(&c->a, SHIFT_SHL, wide, d, shift);
    } else if (fits_imm32(wide, k)) {
        int32_t imm = (int32_t)k;
        bool is_byte = imm == (int8_t)imm;
        emit_rs(c, is_byte ? OPC(0, 0, 0x6B) : OPC(0, 0, 0x69), wide, d, s);
        if (is_byte) asm_8(&c->a, (uint32_t)imm);
        else asm_32(&c->a, (uint32_t)imm);
    } else {
        asm_mov_ri(&c->a, SCRATCH, k);
        emit_load(c, wide, d, s);
        asm_rr(&c->a, X_IMUL, wide, d, SCRATCH);
    }
}

/* ---- Shifts and rotations ---- */

enum { /* BMI2: the count in any register, or immediate; no flags */
    X_SHLX = OPC(0x66, 2, 0xF7), X_SARX = OPC(0xF3, 2, 0xF7), X_SHRX = OPC(0xF2, 2, 0xF7),
    X_RORX = OPC(0xF2, 3, 0xF0)
};

/* y + (x << n) is one instruction if the next one adds: an array's element. */
static bool shift_and_add(Compiler *c, bool wide, Source s, uint32_t n)
{
    if (n > 3 || next_opcode(c) != (wide ? 0x7C : 0x6A) || top_is_const(c, 0)) return false;
    take_next(c);
    Reg x = s.reg;
    if (x == NO_REG) emit_load(c, wide, x = temp_int(c), s);
    Reg y = pop_reg(c), d = dest(c, int_kind(wide), is_owned(c, y) ? y : x);
    asm_rm(&c->a, X_LEA, wide, d, mem_index(y, x, (uint8_t)n, 0));
    release(c, x, d);
    release(c, y, d);
    push_reg(c, int_kind(wide), d);
    return true;
}

/* n is not 0 and below the width. */
static void emit_shift_constant(Compiler *c, IntRow row, bool wide, Reg d, Source s, uint32_t n)
{
    bool rotates = row >= INT_ROTL;
    if (rotates && s.reg != d && has_cpu(c, CPU_BMI2)) {
        if (s.reg != NO_REG) asm_vex_rrr(&c->a, X_RORX, wide, d, 0, s.reg);
        else asm_vex_rrm(&c->a, X_RORX, wide, d, 0, s.mem);
        asm_8(&c->a, row == INT_ROTR ? n : (wide ? 64 : 32) - n);
        return;
    }
    static const uint8_t digit[] = {SHIFT_SHL, SHIFT_SAR, SHIFT_SHR, SHIFT_ROL, SHIFT_ROR};
    emit_load(c, wide, d, s);
    asm_shift_ri(&c->a, digit[row - INT_SHL], wide, d, n);
}

static void shift(Compiler *c, IntRow row, bool wide)
{
    static const uint8_t digit[] = {SHIFT_SHL, SHIFT_SAR, SHIFT_SHR, SHIFT_ROL, SHIFT_ROR};
    Kind k = int_kind(wide);
    if (row <= INT_SHR_U && has_cpu(c, CPU_BMI2)) {
        static const Opcode by_row[] = {X_SHLX, X_SARX, X_SHRX};
        Opcode op = by_row[row - INT_SHL];
        Reg count = pop_reg(c);
        Source s = pop_source(c);
        Reg d = dest(c, k, is_owned(c, s.reg) ? s.reg : count);
        if (s.reg != NO_REG) asm_vex_rrr(&c->a, op, wide, d, count, s.reg);
        else asm_vex_rrm(&c->a, op, wide, d, count, s.mem);
        release(c, count, d);
        release(c, s.reg, d);
        push_reg(c, k, d);
        return;
    }
    pop_into(c, RCX);
    Source s = pop_source(c);
    Reg d = dest(c, k, s.reg);
    emit_load(c, wide, d, s);
    asm_dr(&c->a, OPC(0, 0, 0xD3), wide, digit[row - INT_SHL], d);
    release(c, s.reg, d);
    release(c, RCX, d);
    push_reg(c, k, d);
}

/* ---- Rows of two operands ---- */

static bool is_identity(IntRow row, bool wide, uint64_t k)
{
    switch (row) {
    case INT_MUL: case INT_DIV_U: case INT_DIV_S: return k == 1;
    case INT_AND: return k == (wide ? UINT64_MAX : UINT32_MAX);
    case INT_SHL: case INT_SHR_S: case INT_SHR_U: case INT_ROTL: case INT_ROTR:
        return k % (wide ? 64 : 32) == 0;
    case INT_REM_S: case INT_REM_U: return false;
    default: return k == 0;
    }
}

/* s op k, both popped */
static void binary_constant(Compiler *c, IntRow row, bool wide, Source s, uint64_t k)
{
    uint32_t n = (uint32_t)k & (wide ? 63 : 31);
    bool is_power = row == INT_MUL && k && (k & (k - 1)) == 0;
    if (is_power) n = (uint32_t)__builtin_ctzll(k);
    if ((is_power || row == INT_SHL) && shift_and_add(c, wide, s, n)) return;
    if (row == INT_MUL && k == 0) {
        release(c, s.reg, NO_REG);
        push_const(c, int_kind(wide), 0);
        return;
    }
    Reg d = dest(c, int_kind(wide), s.reg);
    release(c, s.reg, d);
    switch (row) {
    case INT_ADD: emit_add_constant(c, wide, d, s, k); break;
    case INT_SUB: emit_add_constant(c, wide, d, s, wide ? -k : (uint32_t)-k); break;
    case INT_MUL: emit_multiply(c, wide, d, s, k); break;
    case INT_AND: case INT_OR: case INT_XOR: emit_logic_constant(c, row, wide, d, s, k); break;
    case INT_SHL: emit_shift_left(c, wide, d, s, n); break;
    default: emit_shift_constant(c, row, wide, d, s, n); break;
    }
    push_reg(c, int_kind(wide), d);
}

/* The bits that a and b share, compared with zero by what follows: no need to have them. */
static bool test_bits(Compiler *c, bool wide)
{
    Condition cc = CC_NE;
    uint8_t next = next_opcode(c);
    if (next == (wide ? 0x50 : 0x45)) { /* eqz */
        cc = CC_E;
        take_next(c);
    } else if (wide || (next != 0x0D && next != 0x04 && next != 0x1B)) { /* br_if, if, select */
        return false;
    }
    uint64_t k;
    Source s;
    bool is_constant = pop_const(c, &k);
    if (!is_constant && top_is_const(c, 1)) {
        s = pop_source(c);
        is_constant = pop_const(c, &k);
    } else if (is_constant) {
        s = pop_source(c);
    }
    if (!is_constant) {
        Reg a;
        pop_either(c, &a, &s);
        emit_rs(c, X_TEST, wide, a, s);
        release(c, a, NO_REG);
    } else if (k <= UINT32_MAX || fits_imm32(wide, k)) {
        bool is_byte = k <= 0xFF, is_wide = k > UINT32_MAX;
        Opcode op = is_byte ? X_TEST8 : X_UNARY;
        if (s.reg != NO_REG) asm_dr(&c->a, op, is_wide, UNARY_TEST, s.reg);
        else asm_dm(&c->a, op, is_wide, UNARY_TEST, s.mem);
        if (is_byte) asm_8(&c->a, (uint32_t)k);
        else asm_32(&c->a, (uint32_t)k);
    } else {
        asm_mov_ri(&c->a, SCRATCH, k);
        emit_rs(c, X_TEST, true, SCRATCH, s);
    }
    release(c, s.reg, NO_REG);
    push_condition(c, cc);
    return true;
}

static bool binary_with_constant(Compiler *c, IntRow row, bool wide)
{
    bool commutes = row <= INT_MUL ? row != INT_SUB : row >= INT_AND && row <= INT_XOR;
    bool divides = row >= INT_DIV_S && row <= INT_REM_U;
    uint64_t k;
    if (top_is_const(c, 0)) {
        k = top(c, 0)->bits;
        uint64_t folded;
        if (top_is_const(c, 1) && fold_binary(row, wide, top(c, 1)->bits, k, &folded)) {
            drop_top(c);
            drop_top(c);
            push_const(c, int_kind(wide), folded);
            return true;
        }
        if (is_identity(row, wide, k)) {
            drop_top(c);
            return true;
        }
        bool is_power = k && (k & (k - 1)) == 0;
        if (row == INT_DIV_U && is_power) row = INT_SHR_U, k = (uint64_t)__builtin_ctzll(k);
        else if (row == INT_REM_U && is_power) row = INT_AND, k--;
        else if (divides) return false;
        drop_top(c);
        binary_constant(c, row, wide, pop_source(c), k);
        return true;
    }
    if (!top_is_const(c, 1)) return false;
    if (row == INT_SUB) {
        subtract_from_constant(c, wide);
        return true;
    }
    if (!commutes) return false;
    Source s = pop_source(c);
    pop_const(c, &k);
    binary_constant(c, row, wide, s, k);
    return true;
}

static void binary(Compiler *c, IntRow row, bool wide)
{
    if (row == INT_AND && !(top_is_const(c, 0) && top_is_const(c, 1)) && test_bits(c, wide)) return;
    if ((top_is_const(c, 0) || top_is_const(c, 1)) && binary_with_constant(c, row, wide)) return;
    switch (row) {
    case INT_SUB: subtract(c, wide); break;
    case INT_DIV_S: case INT_DIV_U: case INT_REM_S: case INT_REM_U:
        compile_division(c, row, wide);
        break;
    case INT_SHL: case INT_SHR_S: case INT_SHR_U: case INT_ROTL: case INT_ROTR:
        shift(c, row, wide);
        break;
    default: commutative(c, row, wide); break;
    }
}

/* ---- Rows of one operand ---- */

/* d <- s by `op`; where that is an older instruction that leaves d alone if s is 0 and says so in
 * ZF, SCRATCH has what it is then. */
static void emit_scan(Compiler *c, IntRow row, bool wide, Reg d, Source s)
{
    uint32_t width = wide ? 64 : 32;
    if (row == INT_CLZ && has_cpu(c, CPU_LZCNT)) {
        emit_rs(c, X_LZCNT, wide, d, s);
    } else if (row == INT_CTZ && has_cpu(c, CPU_BMI1)) {
        emit_rs(c, X_TZCNT, wide, d, s);
    } else if (row == INT_CTZ) {
        emit_rs(c, X_BSF, wide, d, s);
        asm_mov_ri(&c->a, SCRATCH, width);
        asm_rr(&c->a, X_CMOV + CC_E, false, d, SCRATCH);
    } else { /* the index of the highest bit, to be counted from the other end */
        emit_rs(c, X_BSR, wide, d, s);
        asm_mov_ri(&c->a, SCRATCH, 2 * width - 1);
        asm_rr(&c->a, X_CMOV + CC_E, false, d, SCRATCH);
        asm_alu_ri(&c->a, ALU_XOR, false, d, (int32_t)width - 1);
    }
}

static void count_bits(Compiler *c, Op op, IntRow row, bool wide)
{
    if (row == INT_POPCNT && !has_cpu(c, CPU_POPCNT)) {
        row_by_runtime(c, op, 0);
        return;
    }
    Source s = pop_source(c);
    Reg d = dest(c, int_kind(wide), s.reg);
    if (row == INT_POPCNT) { /* many processors wait for the old value of d */
        if (d != s.reg) asm_rr(&c->a, X_XOR, false, d, d);
        emit_rs(c, X_POPCNT, wide, d, s);
    } else {
        emit_scan(c, row, wide, d, s);
    }
    release(c, s.reg, d);
    push_reg(c, int_kind(wide), d);
}

static void extend(Compiler *c, Op op)
{
    bool wide = op >= op_i64_extend8_s;
    Opcode x = op == op_i32_extend8_s || op == op_i64_extend8_s ? X_MOVSX8
             : op == op_i64_extend32_s ? X_MOVSXD : X_MOVSX16;
    Source s = pop_source(c);
    Reg d = dest(c, int_kind(wide), s.reg);
    emit_rs(c, x, wide, d, s);
    release(c, s.reg, d);
    push_reg(c, int_kind(wide), d);
}

/* ---- 128 bits ---- */

/* A popped operand that may stay a constant: four of them need not have registers at once. */
typedef struct Half { Source s; bool is_constant; uint64_t k; } Half;

static Half pop_half(Compiler *c)
{
    Half h = {.s = {.reg = NO_REG}};
    h.is_constant = pop_const(c, &h.k);
    if (!h.is_constant) h.s = pop_source(c);
    return h;
}

/* d <- a; the flags stay */
static void emit_load_half(Compiler *c, Reg d, const Half *a)
{
    if (a->is_constant) asm_mov_ri(&c->a, d, a->k);
    else emit_load(c, true, d, a->s);
}

/* a op b in a register of the template's; only moves before and after the operation itself. */
static Reg emit_half(Compiler *c, uint32_t alu, const Half *a, const Half *b)
{
    Reg d = a->s.reg, into;
    if (is_owned(c, d)) into = d;
    else if (is_owned(c, b->s.reg)) d = b->s.reg, into = SCRATCH;
    else into = d = temp_int(c);
    emit_load_half(c, into, a);
    if (!b->is_constant) {
        emit_rs(c, alu_opcode(alu), true, into, b->s);
    } else if (fits_imm32(true, b->k)) {
        asm_alu_ri(&c->a, alu, true, into, (int32_t)b->k);
    } else {
        asm_mov_ri(&c->a, SCRATCH, b->k);
        asm_rr(&c->a, alu_opcode(alu), true, into, SCRATCH);
    }
    emit_move(c, KIND_I64, d, into);
    release(c, b->s.reg, d);
    return d;
}

static void wide_sum(Compiler *c, bool subtracts)
{
    Half b_high = pop_half(c), b_low = pop_half(c), a_high = pop_half(c), a_low = pop_half(c);
    Reg low = emit_half(c, subtracts ? ALU_SUB : ALU_ADD, &a_low, &b_low);
    Reg high = emit_half(c, subtracts ? ALU_SBB : ALU_ADC, &a_high, &b_high);
    push_reg(c, KIND_I64, low);
    push_reg(c, KIND_I64, high);
}

static void wide_product(Compiler *c, bool is_signed)
{
    emit_wide_product(c, is_signed);
    push_reg(c, KIND_I64, RAX);
    push_reg(c, KIND_I64, RDX);
}

/* ---- Rows ---- */

bool compile_integer(Compiler *c, Op op)
{
    if (op >= op_i32_clz && op <= op_i64_rotr) {
        bool wide = op >= op_i64_clz;
        IntRow row = (IntRow)(op - (wide ? op_i64_clz : op_i32_clz));
        if (row > INT_POPCNT) binary(c, row, wide);
        else if (!fold_unary(c, op)) count_bits(c, op, row, wide);
        return true;
    }
    if (op >= op_i32_eqz && op <= op_i64_ge_u) {
        compile_comparison(c, op);
        return true;
    }
    switch (op) {
    case op_i32_extend8_s: case op_i32_extend16_s: case op_i64_extend8_s: case op_i64_extend16_s:
    case op_i64_extend32_s:
        if (!fold_unary(c, op)) extend(c, op);
        return true;
    case op_i64_add128: wide_sum(c, false); return true;
    case op_i64_sub128: wide_sum(c, true); return true;
    case op_i64_mul_wide_s: wide_product(c, true); return true;
    case op_i64_mul_wide_u: wide_product(c, false); return true;
    default: return false;
    }
}
