/* Blocks: block, loop, if, else, end, try_table.
 *
 * What lies below a block is at home while it is open, so that all ways to its end agree on it.  A
 * block that nobody branches to costs nothing. */
#include "jit/x86_64/compiler.h"

static Block *innermost(Compiler *c) { return &c->blocks[c->nblocks - 1]; }

static uint32_t nparams(const Block *b) { return b->type ? b->type->nparams : 0; }
static uint32_t nresults(const Block *b) { return b->type ? b->type->nresults : b->nsingle; }
static Kind result_kind(const Block *b, uint32_t i)
{
    return b->type ? kind_of(b->type->results[i]) : (Kind)b->single;
}

/* ---- Opening ---- */

/* 0x40, a value type, or a type index (5.4.1). */
static void read_block_type(Compiler *c, Block *b)
{
    uint8_t first = c->bytes[c->pc];
    if (first == 0x40) {
        c->pc++;
    } else if (first > 0x40 && first < 0x80) {
        c->pc++;
        if (first == 0x63 || first == 0x64) read_s(c);
        b->nsingle = 1;
        b->single = first == 0x7F ? KIND_I32 : first == 0x7D ? KIND_F32 : first == 0x7C ? KIND_F64
                  : first == 0x7B ? KIND_V128 : KIND_I64;
    } else {
        b->type = types_get(&c->m->engine->types, c->m->types[read_s(c)]);
    }
}

static Block *block_push(Compiler *c, BlockKind kind)
{
    if (!compiler_room(c, &c->blocks, &c->blocks_size, c->nblocks, sizeof *c->blocks)) return NULL;
    Block *b = &c->blocks[c->nblocks++];
    *b = (Block){.kind = (uint8_t)kind, .dead = !c->reachable, .region = c->region};
    return b;
}

void block_start_function(Compiler *c)
{
    c->reachable = true;
    Block *b = block_push(c, BLOCK_FUNC);
    if (!b) return;
    b->type = types_get(&c->m->engine->types, c->code->type);
    b->slot = c->slot;
}

/* Opens a block at the current operands, all of them at home. */
static Block *block_open(Compiler *c, BlockKind kind)
{
    Block *b = block_push(c, kind);
    if (!b) return NULL;
    read_block_type(c, b);
    if (b->dead) return b;
    operands_home(c, 0);
    uint32_t n = nparams(b);
    b->height = c->nops - n;
    b->slot = n ? c->ops[b->height].slot : c->slot;
    return b;
}

static const Region *loop_facts(Compiler *c)
{
    const FuncCode *code = c->code;
    while (c->loops_seen < code->nregions && code->regions[c->loops_seen].at < c->at)
        c->loops_seen++;
    bool found = c->loops_seen < code->nregions && code->regions[c->loops_seen].at == c->at;
    return found ? &code->regions[c->loops_seen] : NULL;
}

static void align_loop(Compiler *c)
{
    static const uint8_t nops[][9] = { /* Intel SDM volume 2, NOP */
        {0x90}, {0x66, 0x90}, {0x0F, 0x1F, 0x00}, {0x0F, 0x1F, 0x40, 0}, {0x0F, 0x1F, 0x44, 0, 0},
        {0x66, 0x0F, 0x1F, 0x44, 0, 0}, {0x0F, 0x1F, 0x80, 0, 0, 0, 0},
        {0x0F, 0x1F, 0x84, 0, 0, 0, 0, 0}, {0x66, 0x0F, 0x1F, 0x84, 0, 0, 0, 0, 0}};
    uint32_t gap = -asm_offset(&c->a) & 15;
    while (gap) {
        uint32_t n = gap > 9 ? 9 : gap;
        memcpy(c->a.at, nops[n - 1], n);
        c->a.at += n;
        gap -= n;
    }
}

/* Where code can be stopped: a load from a page that is taken away for the purpose. */
static void emit_poll(Compiler *c)
{
    point_here(c);
    asm_rm(&c->a, X_TEST, false, RAX, mem_at(REG_INSTANCE, -128));
}

static void compile_loop(Compiler *c)
{
    Block *b = block_open(c, BLOCK_LOOP);
    if (!b || b->dead) return;
    const Region *facts = loop_facts(c);
    if (facts && region_enter(c, facts)) {
        b->saved_region = true;
    } else { /* no pins of its own: every iteration starts with all locals at home */
        transition(c, c->region, (PinState){0, 0}, false);
        c->pin = (PinState){0, 0};
    }
    b->region = c->region;
    b->state = c->pin;
    b->has_state = true;
    if (facts && (facts->flags & REGION_INNERMOST)) align_loop(c);
    label_bind(&c->a, &b->label);
    emit_poll(c);
}

static void compile_if(Compiler *c)
{
    if (!c->reachable) {
        block_open(c, BLOCK_IF);
        return;
    }
    Condition cc = pop_condition(c);
    Block *b = block_open(c, BLOCK_IF); /* stores only: the flags stay */
    if (!b) return;
    b->else_state = c->pin;
    jump_if(c, condition_not(cc), &b->else_label);
}

/* ---- Closing ---- */

static void bind(Compiler *c, Block *b)
{
    label_bind(&c->a, &b->label);
    for (uint32_t i = b->table_link; i && !c->a.failed;) {
        const TableUse *use = &c->table_uses[i - 1];
        uint32_t distance = b->label.at - use->table;
        memcpy(c->a.bytes + use->entry, &distance, 4);
        i = use->next;
    }
}

/* The operands that a block's parameters or results are, at home. */
static void push_params(Compiler *c, const Block *b)
{
    for (uint32_t i = 0; i < nparams(b); i++) push_home(c, kind_of(b->type->params[i]));
}

static void push_results(Compiler *c, const Block *b)
{
    uint32_t n = nresults(b);
    if (n == 1) {
        Reg r = result_reg(result_kind(b, 0));
        c->free &= ~REG_BIT(r);
        push_reg(c, result_kind(b, 0), r);
        return;
    }
    for (uint32_t i = 0; i < n; i++) push_home(c, result_kind(b, i));
}

/* Results on top to where the label wants them, and the pins. */
static void fall_into_label(Compiler *c, Block *b)
{
    branch_prepare(c, b);
    transition(c, b->region, b->state, false);
    c->pin = b->state;
}

/* `if` without `else`: the other way arrives with the state of the `if`, and its parameters, which
 * are at home, are the results. */
static void end_if(Compiler *c, Block *b)
{
    bool falls = c->reachable;
    if (!falls && !b->has_state) {
        operands_forget(c, b->height);
        label_bind(&c->a, &b->else_label);
        c->pin = b->else_state;
        c->reachable = true;
        push_params(c, b);
        return;
    }
    if (!b->has_state) { /* as it suits the other way, for which there may be no code then */
        b->state = b->else_state;
        b->state.dirty |= c->pin.dirty & b->state.valid;
        b->has_state = true;
    }
    if (falls) fall_into_label(c, b);
    operands_forget(c, b->height);
    PinState then = c->pin;
    c->pin = b->else_state;
    bool moves = nresults(b) == 1 || transition_needed(c, b->region, b->state, false);
    c->pin = then;
    if (moves && falls) asm_jmp(&c->a, &b->label);
    label_bind(&c->a, &b->else_label);
    c->pin = b->else_state;
    if (nresults(b) == 1) {
        Kind k = result_kind(b, 0);
        emit_load_slot(c, k, result_reg(k), b->slot);
    }
    transition(c, b->region, b->state, false);
    bind(c, b);
    c->pin = b->state;
    c->reachable = true;
    push_results(c, b);
}

static void end_loop(Compiler *c, Block *b)
{
    uint32_t outer = b->saved_region ? c->region - 1 : c->region;
    if (!c->reachable) {
        if (b->saved_region) {
            c->pin = (PinState){0, 0}; /* nothing to store */
            region_leave(c, outer);
        }
        return;
    }
    if (!b->saved_region) return;
    uint32_t n = nresults(b);
    if (n == 1) {
        pop_into(c, result_reg(result_kind(b, 0)));
        region_leave(c, outer);
        push_results(c, b);
    } else {
        operands_home(c, 0);
        region_leave(c, outer);
    }
}

/* Falling off the function's end returns; the label of the function is only ever a return. */
static void end_function(Compiler *c, Block *b)
{
    if (!c->reachable) return;
    branch_prepare(c, b);
    emit_return(c);
    c->reachable = false;
}

static void end_plain(Compiler *c, Block *b)
{
    if (!b->has_state) {
        if (!c->reachable) operands_forget(c, b->height);
        return;
    }
    if (c->reachable) {
        fall_into_label(c, b);
    } else {
        operands_forget(c, b->height);
        c->pin = b->state;
        c->reachable = true;
        push_results(c, b);
    }
    bind(c, b);
}

/* ---- try_table ---- */

/* A landing pad per clause, where the payload is at home at the label's height.  They lie behind
 * the body, so that entering it costs nothing. */
static void emit_pads(Compiler *c, Block *b)
{
    bool falls = c->reachable;
    Label over = {0};
    if (falls) asm_jmp(&c->a, &over);
    PinState before = c->pin;
    uint32_t pc = c->pc;
    c->pc = b->catches;
    uint32_t n = (uint32_t)read_u(c);
    for (uint32_t i = 0; i < n; i++) {
        asm_room(&c->a, ASM_ROOM);
        uint8_t kind = c->bytes[c->pc++];
        if (kind == CATCH_TAG || kind == CATCH_TAG_REF) read_u(c);
        Block *to = &c->blocks[c->nblocks - 2 - (uint32_t)read_u(c)]; /* outside of the try_table */
        c->pads[b->first_clause + i] = asm_offset(&c->a);
        c->pin = (PinState){0, 0};
        branch_land(c, to);
    }
    c->pc = pc;
    c->pin = before;
    if (falls) label_bind(&c->a, &over);
}

static void compile_try_table(Compiler *c)
{
    Block *b = block_open(c, BLOCK_TRY);
    if (!b) return;
    b->catches = c->pc;
    while (c->tries_seen < c->ntries && c->tries[c->tries_seen].at < c->at) c->tries_seen++;
    if (c->tries_seen < c->ntries) b->first_clause = c->tries[c->tries_seen].first;
    uint32_t n = (uint32_t)read_u(c);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t kind = c->bytes[c->pc++];
        if (kind == CATCH_TAG || kind == CATCH_TAG_REF) read_u(c);
        read_u(c);
    }
}

/* ---- The instructions ---- */

static void compile_else(Compiler *c)
{
    Block *b = innermost(c);
    b->kind = BLOCK_ELSE;
    if (b->dead) return;
    if (c->reachable) {
        branch_prepare(c, b);
        branch_take(c, b);
    }
    operands_forget(c, b->height);
    label_bind(&c->a, &b->else_label);
    c->pin = b->else_state;
    c->reachable = true;
    push_params(c, b);
}

static void compile_end(Compiler *c)
{
    Block *b = innermost(c);
    if (!b->dead) {
        if (b->kind == BLOCK_TRY) emit_pads(c, b);
        if (b->kind == BLOCK_FUNC) end_function(c, b);
        else if (b->kind == BLOCK_LOOP) end_loop(c, b);
        else if (b->kind == BLOCK_IF) end_if(c, b);
        else end_plain(c, b);
    }
    c->nblocks--;
}

bool compile_block(Compiler *c, Op op)
{
    switch (op) {
    case op_block: block_open(c, BLOCK_PLAIN); break;
    case op_loop: compile_loop(c); break;
    case op_if_: compile_if(c); break;
    case op_else_: compile_else(c); break;
    case op_end: compile_end(c); break;
    case op_try_table: compile_try_table(c); break;
    default: return false;
    }
    return true;
}
