/* The invariants of compiler.h, one function per group; what is checked is what templates rely
 * on.  A violation is a mistake in a template, so that it ends the process: that is what a debug
 * build is for. */
#include "jit/x86_64/check_state.h"

#include <stdio.h>
#include <stdlib.h>

enum { FEW_LOCALS = 64 }; /* functions with more are not checked local by local */

static const uint32_t never_pins = REG_BIT(RAX) | REG_BIT(RCX) | REG_BIT(RDX) | REG_BIT(XMM0) |
                                   REG_BIT(XMM1) | REG_BIT(XMM2) | REG_BIT(XMM3);

static void expect(const Compiler *c, bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "compiler state, function %u, before the instruction at 0x%x: %s\n    ",
            c->code->func, c->pc, what);
    state_print(c, stderr);
    fputc('\n', stderr);
    abort();
}

static uint32_t class_of(uint8_t kind) { return kind_is_int((Kind)kind) ? INT_REGS : VECTOR_REGS; }

static const Pins *pins(const Compiler *c) { return &c->regions[c->region]; }

/* Whether the next instruction sets the local that has this register: the only case where an
 * operand may be in a pin (dest). */
static bool next_sets(const Compiler *c, Reg pin)
{
    const uint8_t *p = c->bytes + c->pc;
    if (p[0] != 0x21 && p[0] != 0x22) return false;
    uint32_t local = p[1] < 0x80 ? p[1] : (p[1] & 0x7Fu) | (uint32_t)p[2] << 7;
    return local < c->nlocals && c->local_reg[local] == pin;
}

static bool next_takes_flags(const Compiler *c)
{
    uint8_t next = c->bytes[c->pc];
    return next == 0x0D || next == 0x04 || next == 0x1B || next == 0x45;
}

/* ---- Operands ---- */

static void check_homes(const Compiler *c)
{
    expect(c, c->flushed <= c->nops, "more operands flushed than there are");
    expect(c, c->nops - c->flushed <= COMPILER_WINDOW, "too many operands away from home");
    uint32_t slot = c->code->local_slots;
    for (uint32_t i = 0; i < c->nops; i++) {
        const Operand *o = &c->ops[i];
        expect(c, o->kind <= KIND_V128, "an operand of no kind");
        expect(c, o->slot == slot, "an operand's home is not behind the one below it");
        expect(c, i >= c->flushed || o->where == AT_HOME, "an operand that is flushed is not home");
        slot += kind_slots((Kind)o->kind);
    }
    expect(c, c->slot == slot, "the next operand's home is not behind the topmost");
    expect(c, slot <= c->code->frame_slots, "operands behind the frame's end");
    uint32_t height = c->nblocks ? c->blocks[c->nblocks - 1].height : 0;
    for (uint32_t i = c->flushed; i < height && i < c->nops; i++)
        expect(c, c->ops[i].where == AT_HOME, "an operand below the innermost block is not home");
}

/* Every register has one owner: a pin, an operand, or the free mask. */
static void check_owners(const Compiler *c)
{
    uint32_t owned = 0;
    for (uint32_t i = c->flushed; i < c->nops; i++) {
        const Operand *o = &c->ops[i];
        bool is_top = i == c->nops - 1;
        if (o->where == IN_FLAGS)
            expect(c, is_top && next_takes_flags(c), "flags that nobody takes");
        if (o->where != IN_REG) continue;
        expect(c, o->reg < 32 && class_of(o->kind) >> o->reg & 1, "a register of the other class");
        uint32_t bit = REG_BIT(o->reg);
        expect(c, !(owned & bit), "two operands in one register");
        if (pins(c)->mask & bit)
            expect(c, is_top && next_sets(c, o->reg), "an operand in a pinned register");
        owned |= bit;
    }
    uint32_t all = (INT_REGS | VECTOR_REGS) & ~pins(c)->mask;
    expect(c, !(c->free & owned), "a register that has an owner is free");
    expect(c, !(c->free & ~all), "a register that is pinned, or not for operands, is free");
    expect(c, (c->free | owned | pins(c)->mask) == (INT_REGS | VECTOR_REGS),
           "a register that nobody owns is not free");
}

static uint32_t aliases_of(const Compiler *c, uint32_t local)
{
    uint32_t n = 0;
    for (uint32_t i = c->flushed; i < c->nops; i++)
        n += c->ops[i].where == IS_LOCAL && c->ops[i].local == local;
    return n;
}

static void check_aliases(const Compiler *c)
{
    for (uint32_t i = c->flushed; i < c->nops; i++) {
        const Operand *o = &c->ops[i];
        if (o->where != IS_LOCAL) continue;
        expect(c, o->local < c->nlocals, "an operand is a local that does not exist");
        expect(c, o->kind == c->local_kind[o->local], "an operand is a local of another kind");
        expect(c, c->aliases[o->local] == aliases_of(c, o->local), "aliases are counted wrong");
    }
    for (uint32_t x = 0; x < c->nlocals && c->nlocals <= FEW_LOCALS; x++)
        expect(c, c->aliases[x] == aliases_of(c, x), "aliases are counted that are not there");
}

/* ---- Locals ---- */

static void check_pins(const Compiler *c)
{
    const Pins *p = pins(c);
    expect(c, !(p->mask & ~((INT_REGS | VECTOR_REGS) & ~never_pins)),
           "a register is pinned that must not be");
    expect(c, !((p->written | p->live_in | p->private) & ~p->mask), "facts about no pin");
    expect(c, !(c->pin.valid & ~p->mask), "a register is valid that is no pin");
    expect(c, !(c->pin.dirty & ~c->pin.valid), "a pin without a value is dirty");
    for (uint32_t rest = p->mask; rest; rest &= rest - 1) {
        Reg r = (Reg)__builtin_ctz(rest);
        uint32_t x = p->local[r];
        expect(c, x < c->nlocals, "a local is pinned that does not exist");
        expect(c, c->local_reg[x] == r, "a pinned local does not know its register");
        expect(c, class_of(c->local_kind[x]) >> r & 1, "a local in a register of the other class");
    }
    for (uint32_t x = 0; x < c->nlocals && c->nlocals <= FEW_LOCALS; x++) {
        Reg r = c->local_reg[x];
        expect(c, r == NO_REG || (p->mask >> r & 1 && p->local[r] == x),
               "a local has a register that is not its");
    }
}

/* ---- Blocks ---- */

static void check_blocks(const Compiler *c)
{
    expect(c, c->region < COMPILER_REGIONS, "regions nest too deep");
    if (!c->nblocks) return;
    const Block *b = &c->blocks[c->nblocks - 1];
    expect(c, b->dead || b->region <= c->region, "a block of a region that has ended");
    expect(c, !c->reachable || !b->dead, "code can be reached in a block that cannot");
    expect(c, b->dead || !c->reachable || b->height <= c->nops, "operands of the outer block gone");
    if (!b->dead && b->has_state)
        expect(c, !((b->state.valid | b->state.dirty) & ~c->regions[b->region].mask),
               "a label expects registers that its region does not pin");
}

void check_state(const Compiler *c)
{
    check_homes(c);
    check_owners(c);
    check_aliases(c);
    check_pins(c);
    check_blocks(c);
}
