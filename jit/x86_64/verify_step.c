/* Abstract interpretation: what is known of registers and flags behind an instruction, and on the
 * ways out of it.  A value is what little the forms of memory access need (ValueKind) and whether
 * its upper half is zero. */
#include "jit/x86_64/verify_state.h"

static void forget_flags(State *s)
{
    s->flags = (Flags){.kind = F_NOTHING, .not_cc = NO_CONDITION};
}

static void set_flags(State *s, FlagsKind kind, uint32_t reg, uint32_t index, uint32_t cc)
{
    s->flags = (Flags){.kind = (uint8_t)kind, .reg = (uint8_t)reg, .index = index,
                       .cc = (uint8_t)cc, .not_cc = NO_CONDITION};
}

static bool has_role(uint32_t reg)
{
    return reg == ROLE_INSTANCE || reg == ROLE_MEMORY || reg == ROLE_FRAME || reg == ROLE_STACK;
}

/* ---- Sums ---- */

static uint8_t room_of(uint64_t n) { return n < ROOM_MOST ? (uint8_t)n : ROOM_MOST; }

static Value constant(uint64_t n)
{
    if (n <= UINT32_MAX)
        return (Value){.kind = V_CONST, .index = (uint32_t)n, .room = room_of(n), .zext = true};
    return (Value){.kind = V_BIG, .index = n <= UINT64_C(0x1FFFFFFFE), .room = ROOM_MOST};
}

static bool is_constant(Value v) { return v.kind == V_CONST || v.kind == V_BIG; }

/* a + b in 64 bits, where that is of use. */
static Value sum(Value a, Value b)
{
    if (is_kind(b, V_MEMORY)) {
        Value swap = a;
        a = b, b = swap;
    }
    if (is_kind(a, V_MEMORY)) {
        if (b.zext) return value_of(V_MEMORY_32, a.index);
        if (is_kind(b, V_END) && b.index == a.index)
            return (Value){.kind = V_MEMORY_END, .index = a.index, .room = b.room};
        return value_any(false);
    }
    if (is_kind(a, V_MEMORY_32) && b.zext) return value_of(V_MEMORY_33, a.index);
    const uint8_t room = is_constant(a) ? a.room : is_constant(b) ? b.room : 0;
    return (Value){.kind = V_SUM, .index = a.zext && b.zext, .room = room};
}

/* ---- Sources ---- */

/* The value of an instruction's source; false if it may not be read. */
static bool source(CodeCheck *c, const Insn *i, const State *s, Value *out)
{
    if (i->is_memory) return check_access(c, i, s, out);
    if (i->has_imm && i->rm == GPR_NONE) {
        *out = i->wide || i->op == M_MOV_IMM ? constant(i->imm) : constant((uint32_t)i->imm);
        return true;
    }
    *out = i->rm == GPR_NONE ? value_any(false) : s->reg[i->rm];
    if (i->rm == GPR_NONE || !has_role(i->rm) || i->role == ROLE_STACK_CHECK) return true;
    return reject(c, i, "the instance, memory, frame or stack register as an operand");
}

static bool set(CodeCheck *c, const Insn *i, State *s, uint32_t reg, Value v)
{
    if (has_role(reg))
        return reject(c, i, "the instance, memory, frame or stack register is written");
    s->reg[reg] = v;
    if (s->flags.kind != F_NOTHING && s->flags.reg == reg) s->flags.kind = F_NOTHING;
    return true;
}

/* ---- Moves ---- */

static Value narrowed(Value v, bool wide) { return wide || v.zext ? v : value_any(true); }

static bool step_cmov(CodeCheck *c, const Insn *i, State *s, Value v)
{
    const Value old = s->reg[i->reg];
    const Flags flags = s->flags;
    if (!set(c, i, s, i->reg, value_any(!i->wide || (old.zext && v.zext)))) return false;
    if (i->wide && v.zext && !old.zext) { /* on the way where the condition holds */
        set_flags(s, F_ZEXT, i->reg, 0, i->cc);
        s->flags.not_cc = flags.not_cc;
    }
    return true;
}

static bool step_move(CodeCheck *c, const Insn *i, State *s)
{
    Value v = value_any(false);
    if (i->op != M_LEA && !source(c, i, s, &v)) return false;
    switch ((MachineOp)i->op) {
    case M_MOV: case M_MOV_IMM: return set(c, i, s, i->reg, narrowed(v, i->wide || i->has_imm));
    case M_MOVZX: return set(c, i, s, i->reg, value_any(true));
    case M_MOVSX: return set(c, i, s, i->reg, value_any(!i->wide));
    case M_LEA:
        if ((i->base != ROLE_FRAME && i->base != GPR_NONE && has_role(i->base)) ||
            (i->index != GPR_NONE && has_role(i->index)))
            return reject(c, i, "an address of the instance, memory or stack as a value");
        v = i->wide ? address_value(c, i, s) : value_any(true);
        return set(c, i, s, i->reg, v);
    default: return step_cmov(c, i, s, v);
    }
}

static bool step_store(CodeCheck *c, const Insn *i, State *s)
{
    Value none;
    if (i->reg != GPR_NONE && has_role(i->reg))
        return reject(c, i, "the instance, memory, frame or stack register is stored");
    if (!check_access(c, i, s, &none)) return false;
    if (i->role == ROLE_NEW_HEAD)
        s->reg[i->base] = (Value){.kind = V_FRESH, .index = i->target, .room = (uint8_t)i->imm};
    return true;
}

/* ---- Arithmetic ---- */

/* add rbp, sub rbp: the only ways to write it. */
static bool step_frame(CodeCheck *c, const Insn *i, State *s)
{
    const uint32_t slots = (uint32_t)(i->imm / 8);
    if (i->op == M_ADD ? s->shift != 0 : s->shift != slots)
        return reject(c, i, "the frame register is moved twice, or not back to the frame");
    s->shift = i->op == M_ADD ? slots : 0;
    forget_flags(s);
    return true;
}

static bool step_add(CodeCheck *c, const Insn *i, State *s, Value b)
{
    Value v = i->wide ? sum(s->reg[i->reg], b) : value_any(true);
    if (i->role == ROLE_TYPE) v = value_of(V_DEFINED_TYPE, 0);
    if (!set(c, i, s, i->reg, v)) return false;
    if (is_kind(v, V_SUM)) set_flags(s, F_CARRY, i->reg, 0, CC_BELOW);
    else forget_flags(s);
    return true;
}

static bool step_arithmetic(CodeCheck *c, const Insn *i, State *s)
{
    Value b;
    if (i->role == ROLE_FRAME_FORWARD) return step_frame(c, i, s);
    if (!source(c, i, s, &b)) return false;
    if (i->reg == GPR_NONE) { /* in memory */
        forget_flags(s);
        return true;
    }
    if (i->op == M_ADD) return step_add(c, i, s, b);
    bool zext = !i->wide || (i->op == M_AND && (b.zext || s->reg[i->reg].zext)) ||
                (i->op == M_XOR && b.zext && s->reg[i->reg].zext);
    forget_flags(s);
    return set(c, i, s, i->reg, value_any(zext));
}

/* Shifts of one operand, or from a source (BMI2, which leaves the flags). */
static bool step_shift(CodeCheck *c, const Insn *i, State *s)
{
    Value v;
    if (!source(c, i, s, &v)) return false;
    if (i->rm != GPR_NONE || i->is_memory)
        return set(c, i, s, i->reg, value_any(!i->wide));
    v = s->reg[i->reg];
    bool zext = !i->wide || (i->op == M_SHR && v.zext);
    if (i->op == M_SHR && i->has_imm && i->imm % 64 >= 32) zext = true;
    if (i->op == M_SHR && i->has_imm && i->imm % 64 && is_kind(v, V_MEMORY_SIZE))
        zext = zext || !c->m->memories[v.index].limits.is64; /* at most 2^32 */
    bool scales = i->op == M_SHL && i->wide && i->has_imm && i->imm == 4 &&
                  is_kind(v, V_ARRAY_INDEX);
    forget_flags(s);
    return set(c, i, s, i->reg, scales ? value_of(V_ARRAY_SCALED, v.index) : value_any(zext));
}

/* One instruction writes rax and rdx. */
static bool step_double(CodeCheck *c, const Insn *i, State *s)
{
    Value v;
    if (!source(c, i, s, &v)) return false;
    s->reg[GPR_AX] = s->reg[GPR_DX] = value_any(!i->wide);
    forget_flags(s);
    return true;
}

/* Others with a destination: what they compute is not known. */
static bool step_other(CodeCheck *c, const Insn *i, State *s)
{
    Value v;
    bool zext = !i->wide;
    if (!source(c, i, s, &v)) return false;
    if (i->op == M_COUNT) zext = true;
    if (i->op == M_SCAN) zext = zext && s->reg[i->reg].zext; /* it may stay as it was */
    if (i->op == M_SETCC) zext = s->reg[i->reg].zext;
    if (i->op != M_SETCC && i->op != M_NOT) forget_flags(s);
    return set(c, i, s, i->reg, value_any(zext));
}

/* ---- Comparisons ---- */

static bool step_compare(CodeCheck *c, const Insn *i, State *s)
{
    Value b, a = i->reg == GPR_NONE ? value_any(false) : s->reg[i->reg];
    if (i->reg != GPR_NONE && has_role(i->reg))
        return reject(c, i, "the instance, memory, frame or stack register as an operand");
    if (!source(c, i, s, &b)) return false;
    const bool same = !i->is_memory && !i->has_imm && i->reg == i->rm;
    forget_flags(s);
    if (i->op == M_TEST && same && i->wide) set_flags(s, F_NULL, i->reg, 0, CC_EQUAL);
    if (i->op != M_CMP || i->reg == GPR_NONE) return true;
    if (i->is_memory && is_kind(b, V_MEMORY_SIZE) && i->wide)
        set_flags(s, F_MEMORY_SIZE, i->reg, b.index, CC_ABOVE);
    else if (i->is_memory && is_kind(b, V_TABLE_SIZE) && i->wide)
        set_flags(s, F_TABLE_SIZE, i->reg, b.index, CC_NOT_BELOW);
    else if (i->is_memory && is_kind(b, V_ARRAY_LENGTH) && !i->wide && a.zext)
        set_flags(s, F_LENGTH, i->reg, b.index, CC_NOT_BELOW);
    else if (!i->is_memory && i->wide && a.zext && i->rm != GPR_NONE)
        set_flags(s, F_ZEXT, i->rm, 0, CC_EQUAL);
    return true;
}

/* ---- Jumps ---- */

/* The place in the bytecode of the trap that a jump leads to; false if it is no trap. */
static bool trap_place(const CodeCheck *c, uint32_t target, uint32_t *pc)
{
    const Insn *i = &c->insns[target];
    if (target + 1 >= c->ninsns || i->op != M_MOV_IMM || i->reg != GPR_AX ||
        i[1].op != M_CALL_TO || !insn_by_stub(i + 1, STUB_TRAP))
        return false;
    const Point *p = point_at(c, i[1].at + i[1].length);
    if (p) *pc = p->pc;
    return p;
}

/* What was found for the same instruction before was about another object. */
static void forget_object(State *s, uint32_t pc)
{
    for (uint32_t r = 0; r < GPR_COUNT; r++) {
        Value *v = &s->reg[r];
        bool is_of_it = v->kind == V_OBJECT || v->kind == V_ARRAY_LENGTH ||
                        v->kind == V_ARRAY_INDEX || v->kind == V_ARRAY_SCALED;
        if (is_of_it && v->index == pc) *v = value_any(v->zext);
    }
}

/* The jump was not taken. */
static void learn(const CodeCheck *c, const Insn *i, State *s)
{
    const Flags f = s->flags;
    Value *v = &s->reg[f.reg];
    uint32_t pc;
    Bytecode b;
    s->flags.not_cc = i->cc;
    if (f.kind == F_NOTHING || f.cc != i->cc) return;
    switch ((FlagsKind)f.kind) {
    case F_NULL:
        if (!trap_place(c, i->target, &pc)) return;
        forget_object(s, pc);
        *v = (Value){.kind = V_OBJECT, .index = pc, .zext = v->zext};
        break;
    case F_CARRY: *v = (Value){.kind = V_LEAST, .room = v->room}; break;
    case F_MEMORY_SIZE:
        if (is_kind(*v, V_LEAST)) *v = (Value){.kind = V_END, .index = f.index, .room = v->room};
        break;
    case F_TABLE_SIZE:
        *v = (Value){.kind = V_TABLE_INDEX, .index = f.index, .zext = v->zext};
        v->room = trap_place(c, i->target, &pc) && bytecode_at(c, pc, &b) && b.op == op_table_set;
        break;
    case F_LENGTH: *v = (Value){.kind = V_ARRAY_INDEX, .index = f.index, .zext = true}; break;
    default: break;
    }
}

static bool step_jcc(CodeCheck *c, const Insn *i, State *s, bool *falls)
{
    const Flags f = s->flags;
    if (f.not_cc != i->cc) {
        State taken = *s;
        taken.flags.not_cc = i->cc ^ 1;
        if (f.kind == F_ZEXT && f.cc == i->cc) taken.reg[f.reg].zext = true;
        if (!flow_to(c, c->insns[i->target].block, &taken)) return false;
    }
    *falls = f.not_cc != (i->cc ^ 1);
    learn(c, i, s);
    return true;
}

static bool step_table_jump(CodeCheck *c, const Insn *i, const State *s)
{
    for (uint32_t n = 0; n < i->imm; n++) {
        const Insn *to = insn_at(c, table_entry(c, i, n));
        if (!flow_to(c, to->block, s)) return false;
    }
    return true;
}

static bool step_jump(CodeCheck *c, const Insn *i, State *s)
{
    if (i->role == ROLE_TABLE_JUMP) return step_table_jump(c, i, s);
    if (i->op == M_JMP && !i->is_outward)
        return flow_to(c, c->insns[i->target].block, s);
    return check_leave(c, i, s);
}

/* ---- All ---- */

static bool step_vector(CodeCheck *c, const Insn *i, State *s)
{
    Value v;
    if (!source(c, i, s, &v)) return false;
    if (i->op == M_VECTOR_FLAGS) forget_flags(s);
    if (i->reg == GPR_NONE) return true;
    bool zext = i->op == M_EXTRACT || i->op == M_TO_INT ? !i->wide : true;
    return set(c, i, s, i->reg, value_any(zext));
}

bool step(CodeCheck *c, const Insn *i, State *s, bool *falls)
{
    *falls = true;
    switch ((MachineOp)i->op) {
    case M_NOP: return true;
    case M_MOV: case M_MOV_IMM: case M_MOVZX: case M_MOVSX: case M_LEA: case M_CMOV:
        return step_move(c, i, s);
    case M_STORE: return step_store(c, i, s);
    case M_ADD: case M_SUB: case M_AND: case M_XOR: case M_ALU: return step_arithmetic(c, i, s);
    case M_SHL: case M_SHR: case M_SHIFT: return step_shift(c, i, s);
    case M_MUL: case M_DIV: return step_double(c, i, s);
    case M_CDQ: return set(c, i, s, GPR_DX, value_any(!i->wide));
    case M_IMUL: case M_NEG: case M_NOT: case M_SETCC: case M_SCAN: case M_COUNT:
        return step_other(c, i, s);
    case M_CMP: case M_TEST: return step_compare(c, i, s);
    case M_VECTOR: case M_VECTOR_FLAGS: case M_FROM_INT: case M_TO_INT: case M_EXTRACT:
        return step_vector(c, i, s);
    case M_JCC: return step_jcc(c, i, s, falls);
    case M_JMP: case M_JMP_TO: *falls = false; return step_jump(c, i, s);
    case M_CALL: case M_CALL_TO: return check_call(c, i, s, falls);
    case M_RET: *falls = false; return check_return(c, i, s);
    default: return reject(c, i, "data that is executed");
    }
}
