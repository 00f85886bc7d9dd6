/* Regions: which locals have registers where, and the code between one assignment and another.
 *
 * A local that is pinned in a region and in one inside it has the same register in both.  What an
 * inner region has no use for stays where it was as long as registers are left.  So moving between
 * regions takes stores and loads, never moves among registers. */
#include "jit/x86_64/compiler.h"
#include "vm/tunables.h"

enum { PINNED_INTS = 7, PINNED_VECTORS = 10 }; /* four int and five vector registers are left */

const Reg pin_ints[] = {RDI, RSI, R8, R9, R10, RBX, R12, R13};
const Reg pin_vectors[] = {XMM4, XMM5, XMM6, XMM7, XMM8, XMM9, XMM10, XMM11, XMM12, XMM13, XMM14};
enum { PIN_INTS = sizeof pin_ints / sizeof *pin_ints,
       PIN_VECTORS = sizeof pin_vectors / sizeof *pin_vectors };

static void pins_add(Pins *p, Reg r, uint16_t local, uint8_t flags)
{
    uint32_t bit = REG_BIT(r);
    p->mask |= bit;
    p->local[r] = local;
    if (flags & LOCAL_WRITTEN) p->written |= bit;
    if (flags & LOCAL_LIVE_IN) p->live_in |= bit;
    if (flags & LOCAL_PRIVATE) p->private |= bit;
}

/* A register that is not in `used`, the cheapest to encode first. */
static Reg pick(const Reg *order, uint32_t n, uint32_t used)
{
    static const uint32_t short_code = REG_BIT(RBX) | REG_BIT(RSI) | REG_BIT(RDI) | 0x00FF0000u;
    Reg found = NO_REG;
    for (uint32_t i = n; i-- > 0;) {
        if (used >> order[i] & 1) continue;
        if (found == NO_REG || (short_code >> order[i] & 1) || !(short_code >> found & 1))
            found = order[i];
    }
    return found;
}

/* The hottest locals of one class: those with a register keep it, the others take what is left. */
static void pins_choose(Compiler *c, Pins *p, const LocalUse *uses, uint32_t n, uint32_t most,
                        const Reg *order, uint32_t norder)
{
    uint32_t used = p->mask;
    if (n > most) n = most;
    for (uint32_t i = 0; i < n; i++) {
        Reg r = c->local_reg[uses[i].local];
        if (r == NO_REG) continue;
        used |= REG_BIT(r);
        pins_add(p, r, uses[i].local, uses[i].flags);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (c->local_reg[uses[i].local] != NO_REG) continue;
        Reg r = pick(order, norder, used);
        used |= REG_BIT(r);
        pins_add(p, r, uses[i].local, uses[i].flags);
    }
}

/* Locals of the outer region that this one does not mention keep their registers, if they are still
 * free. */
static void pins_keep(Pins *p, const Pins *outer)
{
    for (uint32_t rest = outer->mask & ~p->mask; rest; rest &= rest - 1) {
        Reg r = (Reg)__builtin_ctz(rest);
        uint32_t class = reg_is_vector(r) ? VECTOR_REGS : INT_REGS;
        int most = reg_is_vector(r) ? PINNED_VECTORS : PINNED_INTS;
        if (__builtin_popcount(p->mask & class) < most) pins_add(p, r, outer->local[r], 0);
    }
}

static void region_activate(Compiler *c, uint32_t region)
{
    const Pins *p = &c->regions[region];
    c->region = region;
    c->free = (INT_REGS | VECTOR_REGS) & ~p->mask;
    for (uint32_t rest = p->mask; rest; rest &= rest - 1) {
        Reg r = (Reg)__builtin_ctz(rest);
        c->local_reg[p->local[r]] = r;
    }
}

static void region_deactivate(Compiler *c)
{
    const Pins *p = &c->regions[c->region];
    for (uint32_t rest = p->mask; rest; rest &= rest - 1)
        c->local_reg[p->local[__builtin_ctz(rest)]] = NO_REG;
}

/* ---- The function ---- */

static void zero_local(Compiler *c, uint32_t x)
{
    Kind k = (Kind)c->local_kind[x];
    Reg r = c->local_reg[x];
    if (r == NO_REG) {
        asm_room(&c->a, ASM_ROOM);
        asm_mov_mi(&c->a, true, slot_mem(c->local_slot[x]), 0);
        if (k == KIND_V128) asm_mov_mi(&c->a, true, slot_mem(c->local_slot[x] + 1), 0);
        return;
    }
    if (kind_is_int(k)) asm_rr(&c->a, X_XOR, false, r, r);
    else asm_rr(&c->a, X_XORPS, false, r, r);
    c->pin.valid |= REG_BIT(r);
    c->pin.dirty |= REG_BIT(r);
}

/* All locals but the parameters, in a loop: there are many. */
static void zero_all(Compiler *c)
{
    Assembler *a = &c->a;
    uint32_t n = c->code->local_slots - c->code->param_slots;
    if (n == 0) return;
    asm_rm(a, X_LEA, true, SCRATCH, slot_mem(c->code->param_slots));
    asm_mov_ri(a, RAX, n);
    Label again = {.bound = true, .at = asm_offset(a)};
    asm_mov_mi(a, true, mem_at(SCRATCH, 0), 0);
    asm_alu_ri(a, ALU_ADD, true, SCRATCH, 8);
    asm_alu_ri(a, ALU_SUB, false, RAX, 1);
    asm_jcc(a, CC_NE, &again);
}

/* Parameters come in registers: pinned ones stay there, the others go home. */
static void receive_parameters(Compiler *c, const Reg *arrived, uint32_t nparams)
{
    for (uint32_t x = 0; x < nparams; x++) {
        Reg from = arrived[x], pin = c->local_reg[x];
        if (from == NO_REG) continue;
        if (pin == from) {
            c->pin.valid |= REG_BIT(pin);
            c->pin.dirty |= REG_BIT(pin);
        } else {
            asm_room(&c->a, ASM_ROOM);
            emit_store_slot(c, (Kind)c->local_kind[x], c->local_slot[x], from);
        }
    }
}

void region_start(Compiler *c)
{
    const FuncCode *code = c->code;
    const Region *facts = &code->regions[0];
    const LocalUse *uses = code->uses + facts->first;
    const Type *type = types_get(&c->m->engine->types, code->type);
    Reg arrived[LIMIT_PARAMS];
    uint32_t nints = 0, nfloats = 0;
    for (uint32_t x = 0; x < type->nparams; x++) {
        bool is_int = kind_is_int((Kind)c->local_kind[x]);
        if (is_int) arrived[x] = nints < JIT_INT_ARGS ? pin_ints[nints++] : NO_REG;
        else arrived[x] = nfloats < JIT_FLOAT_ARGS ? pin_vectors[nfloats++] : NO_REG;
        c->local_reg[x] = arrived[x]; /* pins_choose keeps what it finds */
    }
    Pins *p = &c->regions[0];
    *p = (Pins){0};
    pins_choose(c, p, uses, facts->nints, PINNED_INTS, pin_ints, PIN_INTS);
    pins_choose(c, p, uses + facts->nints, facts->nfloats, PINNED_VECTORS, pin_vectors,
                PIN_VECTORS);
    for (uint32_t x = 0; x < type->nparams; x++) c->local_reg[x] = NO_REG;
    c->pin = (PinState){0, 0};
    region_activate(c, 0);
    receive_parameters(c, arrived, type->nparams);
    if (!code->zeroed) {
        zero_all(c);
        return;
    }
    for (uint32_t word = 0; word * 64 < c->nlocals; word++)
        for (uint64_t bits = code->zeroed[word]; bits; bits &= bits - 1)
            zero_local(c, word * 64 + (uint32_t)__builtin_ctzll(bits));
}

/* ---- Loops ---- */

/* What holds at the loop's header, whoever comes there: all its pins are loaded but those whose
 * value nobody wants; those it writes may be dirty. */
static PinState header_state(const Compiler *c, const Pins *p, uint32_t own, bool calls)
{
    PinState s;
    s.valid = own & (p->live_in | (p->written & ~p->private));
    s.dirty = s.valid & p->written;
    if (!calls) { /* the others stay as they are now */
        s.valid |= c->pin.valid & p->mask & ~own;
        s.dirty |= c->pin.dirty & p->mask & ~own;
    }
    return s;
}

bool region_enter(Compiler *c, const Region *facts)
{
    if (c->region + 1 >= COMPILER_REGIONS) return false;
    const Pins *outer = &c->regions[c->region];
    Pins *p = &c->regions[c->region + 1];
    const LocalUse *uses = c->code->uses + facts->first;
    *p = (Pins){0};
    pins_choose(c, p, uses, facts->nints, PINNED_INTS, pin_ints, PIN_INTS);
    pins_choose(c, p, uses + facts->nints, facts->nfloats, PINNED_VECTORS, pin_vectors,
                PIN_VECTORS);
    uint32_t own = p->mask;
    pins_keep(p, outer);
    PinState at_header = header_state(c, p, own, facts->flags & REGION_CALLS);
    transition(c, c->region + 1, at_header, true);
    region_deactivate(c);
    region_activate(c, c->region + 1);
    c->pin = at_header;
    return true;
}

void region_leave(Compiler *c, uint32_t outer)
{
    PinState s = state_at(c, outer);
    transition(c, outer, s, false);
    region_deactivate(c);
    region_activate(c, outer);
    c->pin = s;
}

/* ---- From one state to another ---- */

PinState state_at(const Compiler *c, uint32_t region)
{
    const Pins *from = &c->regions[c->region], *to = &c->regions[region];
    uint32_t same = from->mask & to->mask;
    for (uint32_t rest = same; rest && from != to; rest &= rest - 1) {
        Reg r = (Reg)__builtin_ctz(rest);
        if (from->local[r] != to->local[r]) same &= ~REG_BIT(r);
    }
    return (PinState){c->pin.valid & same, c->pin.dirty & same};
}

typedef struct Moves { uint32_t stores, loads; } Moves;

static Moves moves_to(const Compiler *c, uint32_t region, PinState to, bool to_header)
{
    PinState kept = state_at(c, region);
    Moves m = {.loads = to.valid & ~kept.valid, .stores = c->pin.dirty & ~(kept.dirty & to.dirty)};
    /* Out of a region, or around its loop, values that are read nowhere else are of no use. */
    if (region < c->region || (region == c->region && to_header))
        m.stores &= ~c->regions[c->region].private;
    return m;
}

bool transition_needed(const Compiler *c, uint32_t region, PinState to, bool to_header)
{
    Moves m = moves_to(c, region, to, to_header);
    return (m.stores | m.loads) != 0;
}

/* All stores come first: a load may take the register of another local. */
void transition(Compiler *c, uint32_t region, PinState to, bool to_header)
{
    const Pins *from = &c->regions[c->region], *target = &c->regions[region];
    Moves m = moves_to(c, region, to, to_header);
    asm_room(&c->a, ASM_ROOM);
    for (; m.stores; m.stores &= m.stores - 1) {
        Reg r = (Reg)__builtin_ctz(m.stores);
        uint32_t x = from->local[r];
        emit_store_slot(c, (Kind)c->local_kind[x], c->local_slot[x], r);
    }
    for (; m.loads; m.loads &= m.loads - 1) {
        Reg r = (Reg)__builtin_ctz(m.loads);
        uint32_t x = target->local[r];
        emit_load_slot(c, (Kind)c->local_kind[x], r, c->local_slot[x]);
    }
}
