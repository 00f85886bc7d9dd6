/* Branches, returns, throws.
 *
 * At a label the operands it takes are in a place that depends on the label alone: a single one in
 * rax or xmm0, several, and a loop's, in their home slots at the label's height.  The pins are as
 * the label's state says, which the first branch to it decides. */
#include "jit/x86_64/compiler.h"

static uint32_t label_arity(const Block *b)
{
    if (b->kind == BLOCK_LOOP) return b->type ? b->type->nparams : 0;
    return b->type ? b->type->nresults : b->nsingle;
}

static uint32_t label_slots(const Block *b)
{
    if (b->kind == BLOCK_LOOP) return b->type ? b->type->param_slots : 0;
    return b->type ? b->type->result_slots : b->nsingle ? kind_slots((Kind)b->single) : 0;
}

static bool in_register(const Block *b) { return b->kind != BLOCK_LOOP && label_arity(b) == 1; }

static Block *label_block(Compiler *c, uint32_t depth) { return &c->blocks[c->nblocks - 1 - depth]; }

void jump_if(Compiler *c, Condition cc, Label *l)
{
    if (cc == CC_E_ORDERED) {
        uint32_t unordered = asm_jcc_short(&c->a, CC_P);
        asm_jcc(&c->a, CC_E, l);
        asm_land(&c->a, unordered);
    } else if (cc == CC_NE_UNORDERED) {
        asm_jcc(&c->a, CC_P, l);
        asm_jcc(&c->a, CC_NE, l);
    } else {
        asm_jcc(&c->a, cc, l);
    }
}

/* ---- Taking a branch ---- */

void branch_prepare(Compiler *c, Block *b)
{
    uint32_t n = label_arity(b);
    if (in_register(b)) {
        Kind k = (Kind)top(c, 0)->kind;
        if (b->kind == BLOCK_FUNC) return; /* emit_return loads it */
        Reg r = result_reg(k);
        pop_into(c, r);
        push_reg(c, k, r);
    } else if (n > 0) {
        operands_home(c, c->nops - n);
    }
}

/* Several operands that others lie under have to move down. */
static bool must_slide(const Compiler *c, const Block *b)
{
    return !in_register(b) && label_slots(b) > 0 && c->slot - label_slots(b) != b->slot;
}

bool branch_is_plain(Compiler *c, Block *b)
{
    if (b->kind == BLOCK_FUNC) return false;
    if (!b->has_state) {
        b->has_state = true;
        b->state = state_at(c, b->region);
    }
    return !must_slide(c, b) && !transition_needed(c, b->region, b->state, b->saved_region);
}

static void slide(Compiler *c, uint32_t to, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        asm_room(&c->a, ASM_ROOM);
        asm_rm(&c->a, X_MOV, true, SCRATCH, slot_mem(from + i));
        asm_rm(&c->a, X_MOV_STORE, true, SCRATCH, slot_mem(to + i));
    }
}

void branch_take(Compiler *c, Block *b)
{
    if (b->kind == BLOCK_FUNC) {
        emit_return(c);
        return;
    }
    if (!branch_is_plain(c, b)) {
        uint32_t n = label_slots(b);
        if (must_slide(c, b)) slide(c, b->slot, c->slot - n, n);
        transition(c, b->region, b->state, b->saved_region);
    }
    asm_jmp(&c->a, &b->label);
}

/* The first result in its register, the others in the frame's first slots. */
void emit_return(Compiler *c)
{
    const Block *b = &c->blocks[0];
    uint32_t n = b->type->nresults, slots = b->type->result_slots;
    if (n == 1) {
        load_top(c, result_reg((Kind)top(c, 0)->kind));
    } else if (n > 1) {
        Kind k = (Kind)top(c, n - 1)->kind;
        uint32_t first = c->slot - slots;
        emit_load_slot(c, k, result_reg(k), first);
        slide(c, kind_slots(k), first + kind_slots(k), slots - kind_slots(k));
    }
    asm_8(&c->a, 0xC3);
}

void branch_land(Compiler *c, Block *b)
{
    uint32_t n = label_arity(b), slots = label_slots(b);
    if (n > 0 && (b->kind == BLOCK_FUNC || in_register(b))) {
        Kind k = b->type ? kind_of(b->type->results[0]) : (Kind)b->single;
        emit_load_slot(c, k, result_reg(k), b->slot);
        if (b->kind == BLOCK_FUNC && n > 1)
            slide(c, kind_slots(k), b->slot + kind_slots(k), slots - kind_slots(k));
    }
    if (b->kind == BLOCK_FUNC) {
        asm_8(&c->a, 0xC3);
        return;
    }
    if (!b->has_state) {
        b->has_state = true;
        b->state = c->pin;
    }
    transition(c, b->region, b->state, b->saved_region);
    asm_jmp(&c->a, &b->label);
}

static void leave(Compiler *c)
{
    c->reachable = false;
    operands_forget(c, c->blocks[c->nblocks - 1].height);
}

/* Branches if cc, the flags set; goes on here if not. */
static void branch_if(Compiler *c, Block *b, Condition cc)
{
    if (branch_is_plain(c, b)) {
        jump_if(c, cc, &b->label);
        return;
    }
    Label over = {0};
    jump_if(c, condition_not(cc), &over);
    branch_take(c, b);
    label_bind(&c->a, &over);
}

Condition pop_condition(Compiler *c)
{
    Condition cc = CC_NE;
    if (top(c, 0)->where == IN_FLAGS) {
        cc = (Condition)top(c, 0)->reg;
        drop_top(c);
    } else {
        Reg r = pop_reg(c);
        asm_rr(&c->a, X_TEST, false, r, r);
        release(c, r, NO_REG);
    }
    return cc;
}

static void compile_br_if(Compiler *c)
{
    Block *b = label_block(c, (uint32_t)read_u(c));
    Condition cc = pop_condition(c);
    branch_prepare(c, b);
    branch_if(c, b, cc);
}

/* ---- br_table ---- */

/* Where an entry leads: the label, or moves that the label needs, made once per table. */
static void table_entry(Compiler *c, Block *b, uint32_t table, uint32_t entry)
{
    asm_room(&c->a, ASM_ROOM);
    bool direct = branch_is_plain(c, b);
    if (direct && b->label.bound) {
        uint32_t distance = b->label.at - table;
        memcpy(c->a.bytes + entry, &distance, 4);
    } else if (direct) {
        if (!compiler_room(c, &c->table_uses, &c->table_uses_size, c->ntable_uses,
                           sizeof *c->table_uses))
            return;
        c->table_uses[c->ntable_uses] = (TableUse){entry, table, b->table_link};
        b->table_link = ++c->ntable_uses;
    } else {
        if (b->table_epoch != c->tables_seen) {
            b->table_epoch = c->tables_seen;
            b->table_entry = (Label){.bound = true, .at = asm_offset(&c->a)};
            branch_take(c, b);
        }
        uint32_t distance = b->table_entry.at - table;
        memcpy(c->a.bytes + entry, &distance, 4);
    }
}

static void compile_br_table(Compiler *c)
{
    uint32_t n = (uint32_t)read_u(c);
    uint32_t labels = c->pc;
    Block *first = label_block(c, (uint32_t)read_u(c));
    c->pc = labels;
    uint32_t arity = label_arity(first); /* of all, and of the same kinds */
    if (arity == 1) claim(c, RAX);
    Reg index = pop_owned(c);
    operands_home(c, c->nops - arity);
    if (arity == 1) load_top(c, result_reg((Kind)top(c, 0)->kind)); /* whatever the label is */
    Assembler *a = &c->a;
    asm_room(a, ASM_ROOM + 4 * ((size_t)n + 1));
    if (a->failed) return;
    Label fallback = {0};
    asm_alu_ri(a, ALU_CMP, false, index, (int32_t)n);
    asm_jcc(a, CC_AE, &fallback);
    asm_rm(a, X_LEA, true, SCRATCH, (Mem){NO_REG, NO_REG, 0, 0});
    uint32_t lea = asm_offset(a);
    asm_rm(a, X_MOVSXD, true, index, mem_index(SCRATCH, index, 2, 0));
    asm_rr(a, X_ADD, true, index, SCRATCH);
    asm_dr(a, X_JMP_RM, false, 4, index);
    uint32_t table = asm_offset(a), distance = table - lea;
    memcpy(a->bytes + lea - 4, &distance, 4);
    a->at += 4 * (size_t)n;
    release(c, index, NO_REG);
    c->tables_seen++;
    for (uint32_t i = 0; i < n && !c->failed && !a->failed; i++)
        table_entry(c, label_block(c, (uint32_t)read_u(c)), table, table + 4 * i);
    label_bind(a, &fallback);
    Block *last = label_block(c, (uint32_t)read_u(c));
    branch_take(c, last);
    if (arity == 1) release(c, RAX, NO_REG);
    leave(c);
}

/* ---- Branches on references ---- */

static void compile_br_on_null(Compiler *c)
{
    Block *b = label_block(c, (uint32_t)read_u(c));
    Reg r = pop_reg(c);
    if (in_register(b) && b->kind != BLOCK_FUNC && r == RAX) { /* the label's operand goes there */
        Reg other = temp_int(c);
        emit_move(c, KIND_I64, other, r);
        release(c, r, NO_REG);
        r = other;
    }
    branch_prepare(c, b);
    asm_rr(&c->a, X_TEST, true, r, r);
    branch_if(c, b, CC_E);
    push_back(c, KIND_I64, r);
}

static void compile_br_on_non_null(Compiler *c)
{
    Block *b = label_block(c, (uint32_t)read_u(c));
    branch_prepare(c, b);
    Reg r = pop_reg(c);
    asm_rr(&c->a, X_TEST, true, r, r);
    push_back(c, KIND_I64, r);
    branch_if(c, b, CC_NE);
    drop_top(c);
}

static void compile_br_on_cast(Compiler *c, bool on_success)
{
    const bool nullable = c->bytes[c->pc++] & 2;
    Block *b = label_block(c, (uint32_t)read_u(c));
    read_s(c);
    CastTarget target;
    if (read_cast_target(c, nullable, &target)) {
        branch_prepare(c, b);
        Reg r = pop_reg(c);
        Condition cc = cast_test(c, r, &target);
        push_back(c, KIND_I64, r);
        branch_if(c, b, on_success ? cc : condition_not(cc));
        return;
    }
    call_runtime(c, RT_cast, top(c, 0)->slot, c->at, 0);
    branch_prepare(c, b);
    asm_rm(&c->a, X_MOV, true, SCRATCH,
           mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.cpu)));
    asm_alu_mi(&c->a, ALU_CMP, false, mem_at(SCRATCH, (int32_t)offsetof(GuestCpu, ints)), 0);
    branch_if(c, b, on_success ? CC_NE : CC_E);
}

static void compile_throw(Compiler *c, Op op)
{
    uint32_t tag = 0, slots = 1;
    if (op == op_throw_) {
        tag = (uint32_t)read_u(c);
        slots = types_get(&c->m->engine->types, c->m->tags[tag])->param_slots;
    }
    call_runtime(c, op == op_throw_ ? RT_throw_ : RT_throw_ref, c->slot - slots, tag, 0);
    leave(c);
}

bool compile_branch(Compiler *c, Op op)
{
    switch (op) {
    case op_br: {
        Block *b = label_block(c, (uint32_t)read_u(c));
        branch_prepare(c, b);
        branch_take(c, b);
        leave(c);
        break;
    }
    case op_br_if: compile_br_if(c); break;
    case op_br_table: compile_br_table(c); break;
    case op_return_:
        branch_prepare(c, &c->blocks[0]);
        emit_return(c);
        leave(c);
        break;
    case op_br_on_null: compile_br_on_null(c); break;
    case op_br_on_non_null: compile_br_on_non_null(c); break;
    case op_br_on_cast: compile_br_on_cast(c, true); break;
    case op_br_on_cast_fail: compile_br_on_cast(c, false); break;
    case op_throw_: case op_throw_ref: compile_throw(c, op); break;
    case op_unreachable:
        trap_always(c, FNVM_TRAP_UNREACHABLE);
        leave(c);
        break;
    default: return false;
    }
    return true;
}
