/* Calls: arguments to their registers and slots, the call, the results.
 *
 * The first six arguments of each class go in registers, the others are in their home slots, which
 * are the callee's first.  Before a call everything else of the frame goes home (I3). */
#include "jit/x86_64/compiler.h"
#include "vm/tunables.h"

enum { REGISTER_ARGS = JIT_INT_ARGS + JIT_FLOAT_ARGS };

/* ---- Arguments ---- */

typedef struct ArgMove {
    Reg to, from;       /* from NO_REG: not in a register */
    Operand value;
} ArgMove;

static Reg register_of(const Compiler *c, const Operand *o)
{
    if (o->where == IN_REG) return o->reg;
    if (o->where != IS_LOCAL) return NO_REG;
    Reg pin = c->local_reg[o->local];
    return pin != NO_REG && (c->pin.valid >> pin & 1) ? pin : NO_REG;
}

/* Sets up the moves of the topmost operands; those that are passed in memory go home. */
static uint32_t collect_args(Compiler *c, const Type *t, ArgMove *moves)
{
    uint32_t n = 0, nints = 0, nfloats = 0, first = c->nops - t->nparams;
    for (uint32_t i = 0; i < t->nparams; i++) {
        Operand *o = &c->ops[first + i];
        bool is_int = kind_is_int((Kind)o->kind);
        if (is_int ? nints == JIT_INT_ARGS : nfloats == JIT_FLOAT_ARGS) {
            operand_home(c, o);
            continue;
        }
        Reg to = is_int ? pin_ints[nints++] : pin_vectors[nfloats++];
        moves[n++] = (ArgMove){to, register_of(c, o), *o};
    }
    return n;
}

static uint32_t sources_of(const ArgMove *moves, uint32_t n, const bool *done)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!done[i] && moves[i].from != NO_REG && moves[i].from != moves[i].to)
            used |= REG_BIT(moves[i].from);
    return used;
}

/* Moves among registers as if all were made at once; a cycle goes through a scratch register. */
static void move_registers(Compiler *c, ArgMove *moves, uint32_t n)
{
    bool done[REGISTER_ARGS] = {false};
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++) {
        done[i] = moves[i].from == NO_REG || moves[i].from == moves[i].to;
        left += !done[i];
    }
    while (left > 0) {
        bool moved = false;
        for (uint32_t i = 0; i < n; i++) {
            if (done[i] || (sources_of(moves, n, done) >> moves[i].to & 1)) continue;
            emit_move(c, (Kind)moves[i].value.kind, moves[i].to, moves[i].from);
            done[i] = moved = true;
            left--;
        }
        if (moved) continue;
        uint32_t i = 0;
        while (done[i]) i++;
        Reg from = moves[i].from, scratch = reg_is_vector(from) ? SCRATCH_VECTOR : SCRATCH;
        emit_move(c, reg_is_vector(from) ? KIND_V128 : KIND_I64, scratch, from);
        for (uint32_t j = 0; j < n; j++)
            if (!done[j] && moves[j].from == from) moves[j].from = scratch;
    }
}

static void load_rest(Compiler *c, const ArgMove *moves, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const Operand *o = &moves[i].value;
        Kind k = (Kind)o->kind;
        if (moves[i].from != NO_REG) continue;
        if (o->where == IS_CONST) emit_const(c, k, moves[i].to, o->bits);
        else emit_load_slot(c, k, moves[i].to,
                            o->where == IS_LOCAL ? c->local_slot[o->local] : o->slot);
    }
}

/* A call of two bytes may carry 2,000 values: a function of nothing else is given up. */
static void count_values(Compiler *c, const Type *t)
{
    c->carried += t->nparams + t->nresults;
    uint64_t most = (uint64_t)TUNE_CALL_VALUES * (c->code->end - c->code->start);
    if (c->carried > TUNE_CALL_VALUES_SPARE + most) c->failed = true;
}

/* The arguments in place and popped, all else at home.  rax, rcx and rdx are left alone. */
static void pass_args(Compiler *c, const Type *t, bool is_tail)
{
    ArgMove moves[REGISTER_ARGS];
    count_values(c, t);
    uint32_t nparams = t->nparams;
    asm_room(&c->a, 2 * ASM_ROOM);
    if (!is_tail) {
        uint32_t args = c->nops - nparams, all = c->nops;
        c->nops = args;
        operands_home(c, 0);
        c->nops = all;
    }
    uint32_t n = collect_args(c, t, moves);
    if (!is_tail) store_pins(c);
    move_registers(c, moves, n);
    load_rest(c, moves, n);
    operands_forget(c, c->nops - nparams);
    c->pin = (PinState){0, 0};
}

static void push_call_results(Compiler *c, const Type *t)
{
    for (uint32_t i = 0; i < t->nresults; i++) {
        Kind k = kind_of(t->results[i]);
        if (i > 0) {
            push_home(c, k);
            continue;
        }
        Reg r = result_reg(k);
        c->free &= ~REG_BIT(r);
        push_reg(c, k, r);
    }
}

/* Of a tail call: the arguments in memory move down to this frame's first slots.  Those are not
 * above where they come from, so ascending order overwrites nothing that is still to move. */
static void slide_args(Compiler *c, const Type *t)
{
    uint32_t nints = 0, nfloats = 0, slot = 0;
    for (uint32_t i = 0; i < t->nparams; i++) {
        Kind k = kind_of(t->params[i]);
        bool in_memory = kind_is_int(k) ? nints++ >= JIT_INT_ARGS : nfloats++ >= JIT_FLOAT_ARGS;
        for (uint32_t half = 0; in_memory && half < kind_slots(k); half++) {
            asm_room(&c->a, ASM_ROOM);
            asm_rm(&c->a, X_MOV, true, SCRATCH, slot_mem(c->slot + slot + half));
            asm_rm(&c->a, X_MOV_STORE, true, SCRATCH, slot_mem(slot + half));
        }
        slot += kind_slots(k);
    }
}

/* ---- The call ---- */

static void frame_forward(Compiler *c, uint32_t slots)
{
    if (slots) asm_alu_ri(&c->a, ALU_ADD, true, REG_FRAME, (int32_t)(8 * slots));
}
static void frame_back(Compiler *c, uint32_t slots)
{
    if (slots) asm_alu_ri(&c->a, ALU_SUB, true, REG_FRAME, (int32_t)(8 * slots));
}

static Mem stub(JitStub which)
{
    return mem_at(REG_INSTANCE, (int32_t)(offsetof(Instance, links.stubs) + which * sizeof(void *)));
}

/* The distance to a place of the segment, which depends on where the code will lie. */
static void emit_outward(Compiler *c, uint32_t target)
{
    if (compiler_room(c, &c->fixups, &c->fixups_size, c->nfixups, sizeof *c->fixups))
        c->fixups[c->nfixups++] = asm_offset(&c->a);
    asm_32(&c->a, target - (c->base + asm_offset(&c->a) + 4));
}

/* A function of the module: straight to its code if there is some, else through its entry. */
static void emit_transfer(Compiler *c, uint32_t func, bool is_tail)
{
    Assembler *a = &c->a;
    uint32_t target = segment_code(c->segment, func);
    if (func == c->code->func) {
        asm_8(a, is_tail ? 0xE9 : 0xE8);
        asm_32(a, -(asm_offset(a) + 4));
    } else if (target) {
        asm_8(a, is_tail ? 0xE9 : 0xE8);
        emit_outward(c, target);
    } else {
        asm_mov_ri(a, RAX, func + 1);
        asm_dm(a, X_JMP_RM, false, is_tail ? 4 : 2, (Mem){NO_REG, NO_REG, 0, 0});
        a->at -= 4;
        emit_outward(c, 8 * (func - c->m->n_imported_funcs));
    }
}

static void call_point(Compiler *c, uint32_t slots)
{
    points_add(&c->points, asm_offset(&c->a), c->at, slots);
}

static void compile_direct(Compiler *c, uint32_t func, bool is_tail)
{
    const Type *t = module_func_type(c->m, func);
    pass_args(c, t, is_tail);
    if (is_tail) {
        slide_args(c, t);
        emit_transfer(c, func, true);
        return;
    }
    uint32_t slots = c->slot;
    frame_forward(c, slots);
    emit_transfer(c, func, false);
    call_point(c, slots);
    frame_back(c, slots);
    push_call_results(c, t);
}

/* Called, so that a trap knows where it is; a callee returns to our caller. */
static void emit_tail_stub(Compiler *c, uint32_t pc)
{
    asm_dm(&c->a, X_JMP_RM, false, 2, stub(STUB_TAIL_REF));
    points_add(&c->points, asm_offset(&c->a), pc, 0);
    asm_8(&c->a, 0xCC); /* not reached */
}

/* An imported function is linked when it is first called. */
static void compile_import(Compiler *c, uint32_t func, bool is_tail)
{
    const Type *t = module_func_type(c->m, func);
    Assembler *a = &c->a;
    Mem ref = mem_at(REG_INSTANCE, (int32_t)(c->offsets.imported_funcs + 8 * func));
    Label linked = {0};
    canonical(c);
    asm_alu_mi(a, ALU_CMP, true, ref, 0);
    asm_jcc(a, CC_NE, &linked);
    call_runtime(c, RT_link, c->slot, func, 0);
    label_bind(a, &linked);
    pass_args(c, t, is_tail);
    if (is_tail) slide_args(c, t);
    asm_rm(a, X_MOV, true, RAX, ref);
    asm_mov_ri(a, RCX, UINT32_MAX);
    if (is_tail) {
        emit_tail_stub(c, c->at);
        return;
    }
    uint32_t slots = c->slot;
    frame_forward(c, slots);
    asm_dm(a, X_JMP_RM, false, 2, stub(STUB_CALL_REF));
    call_point(c, slots);
    frame_back(c, slots);
    push_call_results(c, t);
}

/* ---- Calls of references ---- */

static SlowCall *slow_call(Compiler *c)
{
    if (!compiler_room(c, &c->slow_calls, &c->slow_calls_size, c->nslow_calls,
                       sizeof *c->slow_calls))
        return NULL;
    return &c->slow_calls[c->nslow_calls++];
}

/* rax has the reference, the arguments are in place: a function of this instance, and where it was
 * asked for of exactly this type, is called at once; all others behind the function. */
static void emit_reference_call(Compiler *c, const Type *t, uint32_t type, fnvm_trap null_trap,
                                bool is_tail)
{
    Assembler *a = &c->a;
    SlowCall *slow = slow_call(c);
    if (!slow) return;
    uint32_t slots = c->slot;
    *slow = (SlowCall){.pc = c->at, .slots = slots, .type = type, .trap = null_trap,
                       .is_tail = is_tail};
    if (!is_tail) frame_forward(c, slots);
    asm_rr(a, X_MOV, true, RCX, RAX);
    asm_shift_ri(a, SHIFT_SHR, true, RCX, 32);
    asm_rm(a, X_CMP, false, RCX, mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, id)));
    asm_jcc(a, CC_NE, &slow->from);
    asm_rr(a, X_MOV, false, RDX, RAX); /* function index + 1 */
    if (type != UINT32_MAX) {
        asm_rm(a, X_MOV, true, RCX,
               mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.func_types)));
        asm_rm(a, X_MOV, false, RCX, mem_index(RCX, RDX, 2, -4));
        asm_rm(a, X_MOV, true, SCRATCH,
               mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.types)));
        asm_rm(a, X_CMP, false, RCX, mem_at(SCRATCH, (int32_t)(4 * type)));
        asm_jcc(a, CC_NE, &slow->from);
    }
    asm_rm(a, X_MOV, true, RCX, mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.entries)));
    int32_t first = -8 * (int32_t)(1 + c->m->n_imported_funcs);
    asm_dm(a, X_JMP_RM, false, is_tail ? 4 : 2, mem_index(RCX, RDX, 3, first));
    if (is_tail) return;
    call_point(c, slots);
    slow->back = asm_offset(a);
    frame_back(c, slots);
    push_call_results(c, t);
}

void finish_calls(Compiler *c)
{
    Assembler *a = &c->a;
    for (uint32_t i = 0; i < c->nslow_calls; i++) {
        SlowCall *s = &c->slow_calls[i];
        asm_room(a, ASM_ROOM);
        label_bind(a, &s->from);
        if (s->type == UINT32_MAX) {
            asm_mov_ri(a, RCX, UINT32_MAX);
        } else {
            asm_rm(a, X_MOV, true, SCRATCH,
                   mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.types)));
            asm_rm(a, X_MOV, false, RCX, mem_at(SCRATCH, (int32_t)(4 * s->type)));
        }
        asm_mov_ri(a, RDX, s->trap);
        if (s->is_tail) {
            emit_tail_stub(c, s->pc);
            continue;
        }
        asm_dm(a, X_JMP_RM, false, 2, stub(STUB_CALL_REF));
        points_add(&c->points, asm_offset(a), s->pc, s->slots);
        Label back = {.bound = true, .at = s->back};
        asm_jmp(a, &back);
    }
}

static void compile_indirect(Compiler *c, bool is_tail)
{
    Assembler *a = &c->a;
    uint32_t type = (uint32_t)read_u(c), table = (uint32_t)read_u(c);
    const Type *t = types_get(&c->m->engine->types, c->m->types[type]);
    int32_t ref = (int32_t)(c->offsets.tables + table * sizeof(TableRef));
    pop_into(c, RAX);
    claim(c, RCX);
    claim(c, RDX);
    asm_rm(a, X_MOV, true, RDX, mem_at(REG_INSTANCE, ref + (int32_t)offsetof(TableRef, state)));
    asm_rm(a, X_CMP, true, RAX, mem_at(RDX, (int32_t)offsetof(TableState, size)));
    trap_if(c, CC_AE, FNVM_TRAP_UNDEFINED_ELEMENT);
    asm_rm(a, X_MOV, true, RDX, mem_at(REG_INSTANCE, ref + (int32_t)offsetof(TableRef, elems)));
    asm_rm(a, X_MOV, true, RAX, mem_index(RDX, RAX, 3, 0));
    pass_args(c, t, is_tail);
    if (is_tail) slide_args(c, t);
    c->free |= REG_BIT(RAX) | REG_BIT(RCX) | REG_BIT(RDX);
    emit_reference_call(c, t, type, FNVM_TRAP_UNINITIALIZED_ELEMENT, is_tail);
}

static void compile_call_ref(Compiler *c, bool is_tail)
{
    const Type *t = types_get(&c->m->engine->types, c->m->types[read_u(c)]);
    pop_into(c, RAX);
    claim(c, RCX);
    claim(c, RDX);
    asm_rr(&c->a, X_TEST, true, RAX, RAX);
    trap_if(c, CC_E, FNVM_TRAP_NULL_FUNCTION);
    pass_args(c, t, is_tail);
    if (is_tail) slide_args(c, t);
    c->free |= REG_BIT(RAX) | REG_BIT(RCX) | REG_BIT(RDX);
    emit_reference_call(c, t, UINT32_MAX, FNVM_TRAP_NULL_FUNCTION, is_tail);
}

static void tail(Compiler *c)
{
    c->reachable = false;
    operands_forget(c, c->blocks[c->nblocks - 1].height);
}

bool compile_call(Compiler *c, Op op)
{
    bool is_tail = op == op_return_call || op == op_return_call_indirect ||
                   op == op_return_call_ref;
    switch (op) {
    case op_call: case op_return_call: {
        uint32_t func = (uint32_t)read_u(c);
        if (func < c->m->n_imported_funcs) compile_import(c, func, is_tail);
        else compile_direct(c, func, is_tail);
        break;
    }
    case op_call_indirect: case op_return_call_indirect: compile_indirect(c, is_tail); break;
    case op_call_ref: case op_return_call_ref: compile_call_ref(c, is_tail); break;
    default: return false;
    }
    if (is_tail) tail(c);
    return true;
}
