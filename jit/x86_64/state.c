/* The abstract state: which operand is where, and which registers are free. */
#include <stdlib.h>

#include "jit/x86_64/compiler.h"

bool compiler_room(Compiler *c, void *array_pointer, uint32_t *size, uint32_t used, size_t bytes)
{
    if (used < *size) return true;
    uint32_t wanted = *size ? *size * 2 : 64;
    void **array = array_pointer;
    void *bigger = wanted > *size ? realloc(*array, wanted * bytes) : NULL;
    if (!bigger) {
        c->failed = true;
        return false;
    }
    *array = bigger;
    *size = wanted;
    return true;
}

Kind kind_of(ValType t)
{
    return t == TYPE_I32 ? KIND_I32 : t == TYPE_F32 ? KIND_F32 : t == TYPE_F64 ? KIND_F64
         : t == TYPE_V128 ? KIND_V128 : KIND_I64;
}

static uint32_t class_of(Kind k) { return kind_is_int(k) ? INT_REGS : VECTOR_REGS; }

/* ---- Registers ---- */

/* The operand that owns register r; NULL if a template does.  Operands away from home are few. */
static Operand *owner_of(Compiler *c, Reg r)
{
    for (uint32_t i = c->flushed; i < c->nops; i++)
        if (c->ops[i].where == IN_REG && c->ops[i].reg == r) return &c->ops[i];
    return NULL;
}

static void spill(Compiler *c, Operand *o)
{
    emit_store_slot(c, (Kind)o->kind, o->slot, o->reg);
    c->free |= REG_BIT(o->reg) & ~c->regions[c->region].mask;
    o->where = AT_HOME;
}

/* The lowest operand will be needed last. */
static Reg take(Compiler *c, uint32_t class)
{
    uint32_t choice = c->free & class;
    if (__builtin_expect(choice != 0, 1)) {
        Reg r = (Reg)__builtin_ctz(choice);
        c->free &= ~REG_BIT(r);
        return r;
    }
    for (uint32_t i = c->flushed; i < c->nops; i++) {
        Operand *o = &c->ops[i];
        if (o->where != IN_REG || !(class >> o->reg & 1)) continue;
        Reg r = o->reg;
        spill(c, o);
        c->free &= ~REG_BIT(r);
        return r;
    }
    c->failed = true; /* no template holds so many */
    return (Reg)__builtin_ctz(class);
}

Reg temp_int(Compiler *c) { return take(c, INT_REGS); }
Reg temp_vector(Compiler *c) { return take(c, VECTOR_REGS); }

void claim(Compiler *c, Reg r)
{
    if (!(c->free & REG_BIT(r))) {
        Operand *o = owner_of(c, r);
        if (!o) return; /* the template has it */
        uint32_t choice = c->free & class_of((Kind)o->kind);
        if (choice) {
            Reg other = (Reg)__builtin_ctz(choice);
            emit_move(c, (Kind)o->kind, other, r);
            c->free &= ~REG_BIT(other);
            o->reg = other;
        } else {
            spill(c, o);
        }
    }
    c->free &= ~REG_BIT(r);
}

/* ---- Operands home ---- */

static Reg pin_of(const Compiler *c, uint32_t local) { return c->local_reg[local]; }

static bool is_valid(const Compiler *c, Reg pin) { return pin != NO_REG && c->pin.valid >> pin & 1; }

static void store_const(Compiler *c, Operand *o)
{
    if (o->bits <= INT32_MAX || (int64_t)o->bits == (int32_t)o->bits) {
        asm_mov_mi(&c->a, true, slot_mem(o->slot), (int32_t)o->bits);
    } else {
        asm_mov_ri(&c->a, SCRATCH, o->bits);
        asm_rm(&c->a, X_MOV_STORE, true, SCRATCH, slot_mem(o->slot));
    }
}

static void store_alias(Compiler *c, Operand *o)
{
    Kind k = (Kind)o->kind;
    Reg pin = pin_of(c, o->local);
    c->aliases[o->local]--;
    if (!is_valid(c, pin)) {
        pin = kind_is_int(k) ? SCRATCH : SCRATCH_VECTOR;
        emit_load_slot(c, k, pin, c->local_slot[o->local]);
    }
    emit_store_slot(c, k, o->slot, pin);
}

void operand_home(Compiler *c, Operand *o)
{
    switch ((Where)o->where) {
    case AT_HOME: return;
    case IN_REG: spill(c, o); break;
    case IS_CONST: store_const(c, o); break;
    case IS_LOCAL: store_alias(c, o); break;
    case IN_FLAGS: /* never: the next instruction takes it */
        c->failed = true;
        break;
    }
    o->where = AT_HOME;
}

void operands_home(Compiler *c, uint32_t first)
{
    for (uint32_t i = c->flushed > first ? c->flushed : first; i < c->nops; i++) {
        asm_room(&c->a, ASM_ROOM);
        operand_home(c, &c->ops[i]);
    }
    if (first <= c->flushed) c->flushed = c->nops;
}

void store_pins(Compiler *c)
{
    const Pins *p = &c->regions[c->region];
    for (uint32_t dirty = c->pin.dirty; dirty; dirty &= dirty - 1) {
        Reg r = (Reg)__builtin_ctz(dirty);
        uint32_t x = p->local[r];
        emit_store_slot(c, (Kind)c->local_kind[x], c->local_slot[x], r);
    }
}

void canonical(Compiler *c)
{
    operands_home(c, 0);
    store_pins(c);
    c->pin = (PinState){0, 0};
}

/* ---- Popping ---- */

/* A popped operand can be read until the next one is pushed. */
static Operand *pop(Compiler *c)
{
    Operand *o = &c->ops[--c->nops];
    c->slot = o->slot;
    if (c->flushed > c->nops) c->flushed = c->nops;
    if (o->where == IS_LOCAL) c->aliases[o->local]--;
    return o;
}

void drop_top(Compiler *c)
{
    Operand *o = pop(c);
    if (o->where == IN_REG) release(c, o->reg, NO_REG);
}

void operands_forget(Compiler *c, uint32_t down_to)
{
    while (c->nops > down_to) drop_top(c);
}

/* The local's value in its pin, read from its home slot now if it was not there. */
static Reg load_pin(Compiler *c, uint32_t local, Reg pin)
{
    if (!is_valid(c, pin)) {
        emit_load_slot(c, (Kind)c->local_kind[local], pin, c->local_slot[local]);
        c->pin.valid |= REG_BIT(pin);
        c->pin.dirty &= ~REG_BIT(pin);
    }
    return pin;
}

static void emit_setcc(Compiler *c, Condition cc, Reg to)
{
    Assembler *a = &c->a;
    if (cc >= CC_E_ORDERED) {
        bool is_equal = cc == CC_E_ORDERED;
        asm_rr(a, X_SETCC + (is_equal ? CC_NP : CC_P), false, 0, SCRATCH);
        asm_rr(a, X_SETCC + (is_equal ? CC_E : CC_NE), false, 0, to);
        asm_rr(a, is_equal ? X_AND : X_OR, false, to, SCRATCH);
    } else {
        asm_rr(a, X_SETCC + cc, false, 0, to);
    }
    asm_rr(a, X_MOVZX8, false, to, to);
}

/* The popped operand into `to`. */
static void load_into(Compiler *c, const Operand *o, Reg to)
{
    Kind k = (Kind)o->kind;
    switch ((Where)o->where) {
    case AT_HOME: emit_load_slot(c, k, to, o->slot); break;
    case IN_REG: emit_move(c, k, to, o->reg); break;
    case IS_CONST: emit_const(c, k, to, o->bits); break;
    case IS_LOCAL:
        if (is_valid(c, pin_of(c, o->local))) emit_move(c, k, to, pin_of(c, o->local));
        else emit_load_slot(c, k, to, c->local_slot[o->local]);
        break;
    case IN_FLAGS: emit_setcc(c, (Condition)o->reg, to); break;
    }
}

void load_top(Compiler *c, Reg to) { load_into(c, top(c, 0), to); }

Reg pop_reg(Compiler *c)
{
    const Operand *o = pop(c);
    if (o->where == IN_REG) return o->reg;
    if (o->where == IS_LOCAL && pin_of(c, o->local) != NO_REG)
        return load_pin(c, o->local, pin_of(c, o->local));
    Reg r = take(c, class_of((Kind)o->kind));
    load_into(c, o, r);
    return r;
}

Reg pop_owned(Compiler *c)
{
    const Operand *o = pop(c);
    if (o->where == IN_REG) return o->reg;
    Reg r = take(c, class_of((Kind)o->kind));
    load_into(c, o, r);
    return r;
}

void pop_into(Compiler *c, Reg r)
{
    const Operand *o = pop(c);
    if (o->where == IN_REG && o->reg == r) return;
    claim(c, r);
    load_into(c, o, r);
    if (o->where == IN_REG) release(c, o->reg, NO_REG);
}

Source pop_source(Compiler *c)
{
    Source s = {.reg = NO_REG};
    const Operand *o = top(c, 0);
    if (o->where == AT_HOME) {
        s.mem = slot_mem(pop(c)->slot);
    } else if (o->where == IS_LOCAL && pin_of(c, o->local) == NO_REG) {
        s.mem = slot_mem(c->local_slot[pop(c)->local]);
    } else {
        s.reg = pop_reg(c);
    }
    return s;
}

bool pop_imm32(Compiler *c, bool wide, int32_t *imm)
{
    const Operand *o = top(c, 0);
    if (o->where != IS_CONST || !kind_is_int((Kind)o->kind)) return false;
    if (wide && (int64_t)o->bits != (int32_t)o->bits) return false;
    *imm = (int32_t)o->bits;
    pop(c);
    return true;
}

bool pop_const(Compiler *c, uint64_t *bits)
{
    if (top(c, 0)->where != IS_CONST) return false;
    *bits = pop(c)->bits;
    return true;
}

/* ---- Destinations ---- */

/* The local that the next instruction sets, or UINT32_MAX. */
static uint32_t local_set_next(const Compiler *c)
{
    const uint8_t *p = c->bytes + c->pc; /* an `end` follows at least */
    if (p[0] != 0x21 && p[0] != 0x22) return UINT32_MAX;
    if (p[1] < 0x80) return p[1];
    return p[2] < 0x80 ? (p[1] & 0x7Fu) | (uint32_t)p[2] << 7 : UINT32_MAX;
}

Reg dest(Compiler *c, Kind k, Reg prefer)
{
    uint32_t x = local_set_next(c);
    if (x != UINT32_MAX) {
        Reg pin = c->local_reg[x];
        if (pin != NO_REG && (class_of(k) >> pin & 1)) {
            if (c->aliases[x]) unalias(c, x);
            return pin;
        }
    }
    bool is_owned = prefer != NO_REG && !(c->regions[c->region].mask >> prefer & 1);
    return is_owned ? prefer : take(c, class_of(k));
}

/* Topmost first: they are found soonest. */
void unalias(Compiler *c, uint32_t local)
{
    for (uint32_t i = c->nops; c->aliases[local] && i-- > c->flushed;) {
        Operand *o = &c->ops[i];
        if (o->where != IS_LOCAL || o->local != local) continue;
        Kind k = (Kind)o->kind;
        uint32_t choice = c->free & class_of(k);
        if (choice) {
            Reg r = (Reg)__builtin_ctz(choice);
            load_into(c, o, r);
            c->free &= ~REG_BIT(r);
            c->aliases[local]--;
            o->where = IN_REG;
            o->reg = r;
        } else {
            operand_home(c, o);
        }
    }
}

/* ---- Pushing ---- */

/* The lower half of what may be away from home goes there. */
void narrow_window(Compiler *c)
{
    uint32_t to = c->nops - COMPILER_WINDOW / 2;
    for (uint32_t i = c->flushed; i < to; i++) {
        asm_room(&c->a, ASM_ROOM);
        operand_home(c, &c->ops[i]);
    }
    c->flushed = to;
}

void push_reg(Compiler *c, Kind k, Reg r) { push_operand(c, IN_REG, k, r, 0); }

void push_back(Compiler *c, Kind k, Reg r)
{
    const Pins *p = &c->regions[c->region];
    if (p->mask >> r & 1) push_local(c, p->local[r]);
    else push_reg(c, k, r);
}

void push_const(Compiler *c, Kind k, uint64_t bits)
{
    push_operand(c, IS_CONST, k, 0, k == KIND_I32 || k == KIND_F32 ? (uint32_t)bits : bits);
}

void push_home(Compiler *c, Kind k)
{
    push_operand(c, AT_HOME, k, 0, 0);
    if (c->flushed == c->nops - 1) c->flushed = c->nops;
}

void push_condition(Compiler *c, Condition cc)
{
    uint8_t next = c->bytes[c->pc];
    bool takes_flags = next == 0x0D || next == 0x04 || next == 0x1B || next == 0x45;
    if (takes_flags) {
        push_operand(c, IN_FLAGS, KIND_I32, (Reg)cc, 0);
        return;
    }
    Reg d = dest(c, KIND_I32, NO_REG);
    emit_setcc(c, cc, d);
    push_reg(c, KIND_I32, d);
}
