/* Calls, jumps out of the function, returns: where they lead, with which arguments, and that the
 * return address is a point with the call's bytecode.
 *
 *   call rel32               the function itself, or one that has code: as the bytecode says
 *   call [rip + entry]       the entry of the bytecode's function, its number + 1 in eax
 *   call [entries + 8*i]     the sequence of verify_flow.c, with the bytecode's type in it, or with
 *                            none if rax was checked for null by a call_ref of that type
 *   call [CALL_REF]          rax the import that the bytecode names and ecx ~0; or rax an element
 *                            and ecx the bytecode's type; or ecx ~0 and rax as above
 *   call [RUNTIME]           eax a function of the runtime, its arguments those of the bytecode
 *   call [TRAP]              eax a trap; does not come back
 *   call [TAIL_REF]          like CALL_REF, from the frame itself; does not come back
 *   jmp ...                  the first three likewise: tail calls, whose function is known by where
 *                            they lead; [EXHAUSTED] */
#include "jit/runtime.h"
#include "jit/x86_64/verify_state.h"

const uint8_t verify_int_args[JIT_INT_ARGS] = {GPR_DI, GPR_SI, GPR_8, GPR_9, GPR_10, GPR_BX};

static bool is_const(const State *s, uint32_t reg, uint64_t value)
{
    return is_kind(s->reg[reg], V_CONST) && s->reg[reg].index == value;
}

static bool is_int(ValType t) { return t == TYPE_I32 || t == TYPE_I64 || type_is_ref(t); }

/* ---- Arguments and results ---- */

static bool check_args(CodeCheck *c, const Insn *i, const State *s, const Type *t)
{
    for (uint32_t p = 0, n = 0; p < t->nparams && n < JIT_INT_ARGS; p++) {
        if (!is_int(t->params[p])) continue;
        if (t->params[p] == TYPE_I32 && !s->reg[verify_int_args[n]].zext)
            return reject(c, i, "an i32 passed on whose upper half may not be zero");
        n++;
    }
    return true;
}

static void forget_registers(State *s)
{
    memset(s->reg, 0, sizeof s->reg);
    s->flags = (Flags){.not_cc = NO_CONDITION};
}

static void take_result(State *s, const Type *t)
{
    forget_registers(s);
    if (t->nresults && t->results[0] == TYPE_I32) s->reg[GPR_AX].zext = true;
}

bool check_return(CodeCheck *c, const Insn *i, const State *s)
{
    const Type *t = types_get(&c->m->engine->types, c->code->type);
    if (s->shift) return reject(c, i, "a return while the frame register is ahead");
    if (t->nresults && t->results[0] == TYPE_I32 && !s->reg[GPR_AX].zext)
        return reject(c, i, "an i32 returned whose upper half may not be zero");
    return true;
}

/* ---- References ---- */

/* The type of function references in rax that were checked for null by a call of them. */
static const Type *checked_type(const CodeCheck *c, const State *s)
{
    Bytecode b;
    const Value v = s->reg[GPR_AX];
    if (!is_kind(v, V_OBJECT) || !bytecode_at(c, v.index, &b)) return NULL;
    return b.op == op_call_ref || b.op == op_return_call_ref ? bytecode_callee(c, &b) : NULL;
}

static const Type *module_type(const CodeCheck *c, uint32_t index)
{
    return types_get(&c->m->engine->types, c->m->types[index]);
}

/* What a call through the entries, or by way of the stub for references, may reach.  A reference
 * whose type the call checks is an element of a table. */
static const Type *reference_type(const CodeCheck *c, const Insn *i, const State *s)
{
    const Value v = s->reg[GPR_AX], rcx = s->reg[GPR_CX];
    const bool is_entry = i->role == ROLE_ENTRY, is_element = is_kind(v, V_ELEMENT);
    if (is_entry && i->target == UINT32_MAX) return checked_type(c, s);
    if (is_entry) return is_element ? module_type(c, i->target) : NULL;
    if (is_kind(rcx, V_TYPE)) return is_element ? module_type(c, rcx.index) : NULL;
    if (!is_const(s, GPR_CX, UINT32_MAX)) return NULL;
    return is_kind(v, V_IMPORT) ? module_func_type(c->m, v.index) : checked_type(c, s);
}

/* ---- Calls of guest functions ---- */

/* Where an own function's code begins, as a relative call sees it. */
static bool leads_to(const CodeCheck *c, const Insn *i, uint32_t func)
{
    if (!i->is_outward) return func == c->code->func && insn_target(i) == 0;
    if (func < c->m->n_imported_funcs) return false;
    uint32_t at = segment_code(c->segment, func);
    return at && at == insn_outside(c, i);
}

/* The function whose entry the instruction reads; its number has to be in eax. */
static bool entry_func(const CodeCheck *c, const Insn *i, const State *s, uint32_t *func)
{
    const uint32_t at = insn_outside(c, i), imports = c->m->n_imported_funcs;
    if (at % 8 || at / 8 >= c->m->nfuncs - imports) return false;
    *func = at / 8 + imports;
    return is_const(s, GPR_AX, (uint64_t)*func + 1);
}

static bool is_direct(Op op) { return op == op_call || op == op_return_call; }

/* Whether the bytecode's call may lead where this one does. */
static bool check_callee(CodeCheck *c, const Insn *i, const State *s, const Bytecode *b)
{
    uint32_t func;
    if (i->op == M_CALL)
        return (b->op == op_call && leads_to(c, i, b->first)) ||
               reject(c, i, "a call to where the bytecode's function is not");
    if (i->base == GPR_NONE)
        return (b->op == op_call && entry_func(c, i, s, &func) && func == b->first) ||
               reject(c, i, "a call through an entry that is not the bytecode's function's");
    const Value v = s->reg[GPR_AX];
    if (b->op == op_call)
        return (i->role != ROLE_ENTRY && is_kind(v, V_IMPORT) && v.index == b->first &&
                is_const(s, GPR_CX, UINT32_MAX)) ||
               reject(c, i, "a call of an import that is not the bytecode's");
    if (b->op == op_call_indirect && v.index != b->second)
        return reject(c, i, "a call of an element of another table than the bytecode's");
    return reference_type(c, i, s) == bytecode_callee(c, b) ||
           reject(c, i, "a call of a reference whose type was not checked");
}

static bool check_guest_call(CodeCheck *c, const Insn *i, State *s)
{
    Bytecode b;
    const Point *p = point_at(c, i->at + i->length);
    if (!p || !bytecode_at(c, p->pc, &b)) return reject(c, i, "a call without a point");
    const Type *t = bytecode_callee(c, &b);
    if (!t || b.op == op_return_call || b.op == op_return_call_indirect ||
        b.op == op_return_call_ref)
        return reject(c, i, "a call whose bytecode is none");
    if (p->slots != s->shift) return reject(c, i, "a call whose point has another frame");
    const uint32_t most = t->param_slots > t->result_slots ? t->param_slots : t->result_slots;
    if (s->shift + most > c->code->frame_slots)
        return reject(c, i, "arguments or results outside of the frame");
    if (!check_callee(c, i, s, &b) || !check_args(c, i, s, t)) return false;
    take_result(s, t);
    return true;
}

/* A tail call of a reference or an import calls its stub, which does not come back. */
static bool check_tail_stub(CodeCheck *c, const Insn *i, State *s)
{
    Bytecode b;
    const Point *p = point_at(c, i->at + i->length);
    if (!p || !bytecode_at(c, p->pc, &b)) return reject(c, i, "a tail call without a point");
    if (p->slots || s->shift) return reject(c, i, "a tail call with another frame");
    const Type *t = bytecode_callee(c, &b);
    const Value v = s->reg[GPR_AX];
    bool is_import = b.op == op_return_call && is_kind(v, V_IMPORT) && v.index == b.first &&
                     is_const(s, GPR_CX, UINT32_MAX);
    bool is_reference = (b.op == op_return_call_indirect || b.op == op_return_call_ref) &&
                        reference_type(c, i, s) == t;
    if (!t || !(is_import || is_reference))
        return reject(c, i, "a tail call that is not the bytecode's");
    return check_args(c, i, s, t);
}

/* ---- Jumps to guest functions ---- */

static bool tail_callee(CodeCheck *c, const Insn *i, uint32_t *func)
{
    if (!find_tail_calls(c)) return false;
    const uint32_t at = insn_outside(c, i);
    uint32_t from = 0, to = c->ntail_calls;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2, start = c->tail_calls[2 * middle];
        *func = c->tail_calls[2 * middle + 1];
        if (start == at) return true;
        if (start < at) from = middle + 1;
        else to = middle;
    }
    return reject(c, i, "a jump out of the function to nowhere");
}

bool check_leave(CodeCheck *c, const Insn *i, State *s)
{
    const Type *t = NULL;
    uint32_t func;
    if (s->shift) return reject(c, i, "a tail call while the frame register is ahead");
    if (insn_by_stub(i, STUB_EXHAUSTED)) return true;
    if (i->op == M_JMP) {
        if (!tail_callee(c, i, &func)) return false;
        t = module_func_type(c->m, func);
    } else if (i->base == GPR_NONE) {
        if (entry_func(c, i, s, &func)) t = module_func_type(c->m, func);
    } else if (i->role == ROLE_ENTRY) {
        t = reference_type(c, i, s);
    }
    if (!t) return reject(c, i, "a jump out of the function to nowhere");
    return check_args(c, i, s, t);
}

/* ---- The runtime and traps ---- */

/* The arguments of a function of the runtime: rdx and rcx, by its description in runtime.h. */
static bool runtime_args(const CodeCheck *c, const State *s, uint32_t function, const Point *p,
                         const Bytecode *b)
{
    const Module *m = c->m;
    const Value rdx = s->reg[GPR_DX], rcx = s->reg[GPR_CX];
    if (!is_kind(rdx, V_CONST) || !is_kind(rcx, V_CONST)) return false;
    const uint32_t a = rdx.index;
    switch (function) {
    case RT_step: return a == p->pc && rcx.index <= c->code->frame_slots;
    case RT_cast: return a == p->pc && (b->op == op_br_on_cast || b->op == op_br_on_cast_fail);
    case RT_memory_grow: return a < m->nmemories && b->op == op_memory_grow;
    case RT_link: return a < m->n_imported_funcs && is_direct(b->op) && b->first == a;
    case RT_ref_func: return a < m->n_imported_funcs && b->op == op_ref_func;
    case RT_throw_: return a < m->ntags && b->op == op_throw_ && b->first == a;
    case RT_throw_ref: return b->op == op_throw_ref;
    case RT_row: return a == b->op;
    default: return false;
    }
}

static bool is_new(Op op)
{
    return op == op_struct_new || op == op_struct_new_default || op == op_array_new ||
           op == op_array_new_default || op == op_array_new_fixed;
}

/* The runtime makes an object of the bytecode's type, with no operands; r11 is the GuestCpu then. */
static bool check_new_object(CodeCheck *c, const Insn *i, State *s, const Bytecode *b)
{
    const uint32_t type = s->reg[GPR_DX].index;
    const Value length = s->reg[GPR_CX];
    if (!is_new(b->op) || b->first >= c->m->ntypes || !is_const(s, GPR_DX, b->first))
        return reject(c, i, "an object made that is not of the bytecode's type");
    const uint8_t room = is_kind(length, V_CONST) ? fresh_room(c, type, length.index) : 1;
    forget_registers(s);
    s->reg[GPR_11] = (Value){.kind = V_MADE, .index = type, .room = room};
    return true;
}

static bool check_runtime_call(CodeCheck *c, const Insn *i, State *s, bool *falls)
{
    Bytecode b;
    const Value function = s->reg[GPR_AX], slot = s->reg[GPR_SI];
    const Point *p = point_at(c, i->at + i->length);
    if (!p || p->slots || !bytecode_at(c, p->pc, &b)) return reject(c, i, "a call without a point");
    if (s->shift) return reject(c, i, "a call of the runtime while the frame register is ahead");
    if (is_const(s, GPR_AX, RT_new_object)) return check_new_object(c, i, s, &b);
    if (!is_kind(function, V_CONST) || !is_kind(slot, V_FRAME) ||
        !runtime_args(c, s, function.index, p, &b))
        return reject(c, i, "a call of the runtime with arguments that are not the bytecode's");
    if (function.index == RT_step && slot.index + s->reg[GPR_CX].index > c->code->frame_slots)
        return reject(c, i, "operands outside of the frame");
    *falls = function.index != RT_throw_ && function.index != RT_throw_ref;
    forget_registers(s);
    return true;
}

static bool check_trap_call(CodeCheck *c, const Insn *i, const State *s)
{
    const Point *p = point_at(c, i->at + i->length);
    const Value trap = s->reg[GPR_AX];
    if (!p || p->slots) return reject(c, i, "a trap without a point");
    if (s->shift) return reject(c, i, "a trap while the frame register is ahead");
    bool known = trap.index > FNVM_TRAP_NONE && trap.index <= FNVM_TRAP_HOST;
    return (is_kind(trap, V_CONST) && known) || reject(c, i, "a trap that is none");
}

bool check_call(CodeCheck *c, const Insn *i, State *s, bool *falls)
{
    *falls = true;
    if (i->op == M_CALL_TO && insn_by_stub(i, STUB_RUNTIME))
        return check_runtime_call(c, i, s, falls);
    if (i->op == M_CALL_TO && insn_by_stub(i, STUB_TRAP)) {
        *falls = false;
        return check_trap_call(c, i, s);
    }
    if (i->op == M_CALL_TO && insn_by_stub(i, STUB_TAIL_REF)) {
        *falls = false;
        return check_tail_stub(c, i, s);
    }
    bool guest = i->op == M_CALL || i->base == GPR_NONE || i->role == ROLE_ENTRY ||
                 insn_by_stub(i, STUB_CALL_REF);
    return guest ? check_guest_call(c, i, s) : reject(c, i, "a call to nowhere");
}
