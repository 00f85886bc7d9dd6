/* Comparisons of integers (standard, 4.3.2): flags set, and a condition for whoever comes next. */
#include "jit/x86_64/arithmetic.h"

/* From eqz on, which compares with zero. */
static const uint8_t conditions[] = {CC_E, CC_E,  CC_NE, CC_L,  CC_B, CC_G,
                                     CC_A, CC_LE, CC_BE, CC_GE, CC_AE};

/* The condition on b and a that is this one on a and b. */
static Condition mirrored(Condition cc)
{
    switch (cc) {
    case CC_L: return CC_G;
    case CC_G: return CC_L;
    case CC_LE: return CC_GE;
    case CC_GE: return CC_LE;
    case CC_B: return CC_A;
    case CC_A: return CC_B;
    case CC_BE: return CC_AE;
    case CC_AE: return CC_BE;
    default: return cc;
    }
}

static bool holds(Condition cc, bool wide, uint64_t a, uint64_t b)
{
    int64_t x = wide ? (int64_t)a : (int32_t)a, y = wide ? (int64_t)b : (int32_t)b;
    switch (cc) {
    case CC_E: return a == b;
    case CC_NE: return a != b;
    case CC_L: return x < y;
    case CC_G: return x > y;
    case CC_LE: return x <= y;
    case CC_GE: return x >= y;
    case CC_B: return a < b;
    case CC_A: return a > b;
    case CC_BE: return a <= b;
    default: return a >= b;
    }
}

static void compare_constant(Compiler *c, Condition cc, bool wide, Source s, int32_t imm)
{
    if (s.reg == NO_REG) asm_alu_mi(&c->a, ALU_CMP, wide, s.mem, imm);
    else if (imm == 0) asm_rr(&c->a, X_TEST, wide, s.reg, s.reg); /* leaves CF and OF clear too */
    else asm_alu_ri(&c->a, ALU_CMP, wide, s.reg, imm);
    release(c, s.reg, NO_REG);
    push_condition(c, cc);
}

static void compare(Compiler *c, Condition cc, bool wide)
{
    int32_t imm;
    if (top_is_const(c, 0) && top_is_const(c, 1)) {
        bool result = holds(cc, wide, top(c, 1)->bits, top(c, 0)->bits);
        drop_top(c);
        drop_top(c);
        push_const(c, KIND_I32, result);
        return;
    }
    if (pop_imm32(c, wide, &imm)) {
        compare_constant(c, cc, wide, pop_source(c), imm);
        return;
    }
    Source b = pop_source(c);
    if (pop_imm32(c, wide, &imm)) {
        compare_constant(c, mirrored(cc), wide, b, imm);
        return;
    }
    Reg a = NO_REG;
    if (b.reg != NO_REG) { /* the other one may be in memory */
        Source first = pop_source(c);
        if (first.reg != NO_REG) {
            a = first.reg;
        } else {
            a = b.reg;
            b = first;
            cc = mirrored(cc);
        }
    } else {
        a = pop_reg(c);
    }
    emit_rs(c, X_CMP, wide, a, b);
    release(c, a, NO_REG);
    release(c, b.reg, NO_REG);
    push_condition(c, cc);
}

static void equals_zero(Compiler *c, bool wide)
{
    const Operand *o = top(c, 0);
    if (o->where == IN_FLAGS) {
        Condition cc = (Condition)o->reg;
        drop_top(c);
        push_condition(c, condition_not(cc));
    } else if (o->where == IS_CONST) {
        bool is_zero = o->bits == 0;
        drop_top(c);
        push_const(c, KIND_I32, is_zero);
    } else {
        compare_constant(c, CC_E, wide, pop_source(c), 0);
    }
}

void compile_comparison(Compiler *c, Op op)
{
    bool wide = op >= op_i64_eqz;
    uint32_t row = (uint32_t)op - (wide ? op_i64_eqz : op_i32_eqz);
    if (row == 0) equals_zero(c, wide);
    else compare(c, (Condition)conditions[row], wide);
}
