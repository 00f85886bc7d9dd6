/* All instructions of a function, in order, and where its jumps lead.
 *
 * Every byte belongs to an instruction, to a jump table or to the constants at the end, which begin
 * where the first of them is that an instruction reads.  Sequences that are allowed only as a whole
 * are recognised here by their instructions; nobody may jump into one:
 *
 *   the check for room on the stack, at the start
 *       lea r11, [rbp + frame + red zone]; cmp r11, rsp; ja exhausted
 *   a jump through a table, which lies behind it
 *       cmp i, n; jae ...; lea r11, [table]; movsxd i, [r11 + 4*i]; add i, r11; jmp i
 *   zeroing the locals (the third instruction is the loop's start)
 *       lea r11, [rbp + first]; mov eax, n; mov [r11], 0; add r11, 8; sub eax, 1; jne
 *   the call of a function reference (the type is checked unless the verifier did)
 *       mov rcx, rax; shr rcx, 32; cmp ecx, [id]; jne slow; mov edx, eax;
 *       mov rcx, [func types]; mov ecx, [rcx + 4*rdx - 4]; mov r11, [types]; cmp ecx, [r11 + 4*t];
 *       jne slow;
 *       mov rcx, [entries]; call [rcx + 8*rdx - 8*(1 + imports)] */
#include <stdlib.h>

#include "jit/x86_64/verify_state.h"

enum { POLL = -128 };           /* from the instance */
enum { UNCHECKED_FRAME = 1024 }; /* bytes that a function which calls nothing may take unasked */

bool reject_at(CodeCheck *c, uint32_t at, const char *why)
{
    if (c->wrong) return false;
    c->wrong = why;
    c->wrong_at = at;
    return false;
}

bool reject(CodeCheck *c, const Insn *i, const char *why) { return reject_at(c, i->at, why); }

/* ---- Points ---- */

const Point *point_at(const CodeCheck *c, uint32_t native)
{
    uint32_t from = 0, to = c->npoints;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (c->points[middle].native == native) return &c->points[middle];
        if (c->points[middle].native < native) from = middle + 1;
        else to = middle;
    }
    return NULL;
}

static bool read_points(CodeCheck *c)
{
    const Compiled *code = c->compiled;
    PointReader r = points_read(code->points, code->points_size, c->code->start);
    c->points = malloc(((size_t)code->points_size / 2 + 1) * sizeof *c->points);
    if (!c->points) return c->no_memory = true, false;
    while (points_next(&r)) {
        if (c->npoints && r.p.native <= c->points[c->npoints - 1].native)
            return reject_at(c, r.p.native, "two points at one place");
        c->points[c->npoints++] = r.p;
    }
    return r.at == r.end || reject_at(c, r.p.native, "a table of points with other bytes");
}

/* Every point is a return address or an instruction that may fault. */
static bool check_points(CodeCheck *c)
{
    const Insn *i = c->insns, *end = i + c->ninsns;
    for (uint32_t p = 0; p < c->npoints; p++) {
        const uint32_t native = c->points[p].native;
        while (i < end && i->at + i->length < native) i++;
        bool returns = i < end && i->at + i->length == native && insn_is_call(i);
        const Insn *at = insn_at(c, native);
        if (!returns && !(at && at->is_memory))
            return reject_at(c, native, "a point that is neither behind a call nor may fault");
    }
    return true;
}

/* ---- Sequences ---- */

/* `i` is the indirect jump; says how many bytes the table behind it has. */
static bool recognise_table_jump(CodeCheck *c, Insn *i, uint32_t *bytes)
{
    const uint32_t r = i->rm, end = i->at + i->length;
    if (c->ninsns < 6 || r == GPR_11) return reject(c, i, "a jump to an address in a register");
    Insn *cmp = i - 5, *lea = i - 3;
    const uint64_t n = cmp->imm;
    bool known = cmp->op == M_CMP && cmp->has_imm && !cmp->is_memory && !cmp->wide &&
                 cmp->reg == r && is_jcc(i - 4, CC_NOT_BELOW) && lea->op == M_LEA && lea->wide &&
                 lea->reg == GPR_11 && lea->base == GPR_NONE && insn_target(lea) == end &&
                 is_indexed(i - 2, M_MOVSX, true, r, GPR_11, r, 2, 0) &&
                 is_reg(i - 1, M_ADD, true, r, GPR_11);
    if (!known || n > c->compiled->code_size / 4)
        return reject(c, i, "a jump to an address that is from no jump table");
    i[-2].role = ROLE_TABLE_LOAD;
    i->role = ROLE_TABLE_JUMP;
    i->target = end;
    i->imm = n;
    *bytes = (uint32_t)n * 4;
    mark_inner(i, 5);
    return true;
}

/* `i` is a call or jump by the table of entries. */
static bool recognise_reference_call(CodeCheck *c, Insn *i)
{
    const Insn *p = i - 2; /* what comes before the entries are loaded */
    const int64_t first = -8 * (int64_t)(1 + c->m->n_imported_funcs);
    bool known = c->ninsns >= 7 && i->scale == 3 && i->base == GPR_CX && i->index == GPR_DX &&
                 i->disp == first &&
                 is_mem(i - 1, M_MOV, true, GPR_CX, ROLE_INSTANCE,
                        field(offsetof(Instance, links.entries)));
    uint32_t type = UINT32_MAX;
    if (known && c->ninsns >= 12 && is_jcc(p, CC_NOT_EQUAL) && p[-1].op == M_CMP) {
        type = (uint32_t)p[-1].disp / 4;
        known = is_mem(p - 1, M_CMP, false, GPR_CX, GPR_11, 4 * (int64_t)type) &&
                type < c->m->ntypes &&
                is_mem(p - 2, M_MOV, true, GPR_11, ROLE_INSTANCE,
                       field(offsetof(Instance, links.types))) &&
                is_indexed(p - 3, M_MOV, false, GPR_CX, GPR_CX, GPR_DX, 2, -4) &&
                is_mem(p - 4, M_MOV, true, GPR_CX, ROLE_INSTANCE,
                       field(offsetof(Instance, links.func_types)));
        i[-5].role = ROLE_FUNC_TYPE;
        p -= 5;
    }
    known = known && is_reg(p, M_MOV, false, GPR_DX, GPR_AX) && is_jcc(p - 1, CC_NOT_EQUAL) &&
            is_mem(p - 2, M_CMP, false, GPR_CX, ROLE_INSTANCE, field(offsetof(Instance, id))) &&
            is_imm(p - 3, M_SHR, true, GPR_CX, 32) && is_reg(p - 4, M_MOV, true, GPR_CX, GPR_AX);
    if (!known) return reject(c, i, "a call through a pointer that is no entry");
    i->role = ROLE_ENTRY;
    i->target = type;
    mark_inner(i, (uint32_t)(i - (p - 4)));
    return true;
}

/* `i` is a jump back; whether it is that of the loop that zeroes locals. */
static bool is_zero_loop(const CodeCheck *c, const Insn *i)
{
    return c->ninsns >= 6 && is_jcc(i, CC_NOT_EQUAL) && insn_target(i) == i[-3].at &&
           i[-5].op == M_LEA && i[-5].reg == GPR_11 && i[-4].op == M_MOV_IMM &&
           i[-4].reg == GPR_AX && i[-3].op == M_STORE && i[-3].has_imm && i[-3].width == 8 &&
           i[-3].base == GPR_11 && i[-3].index == GPR_NONE && i[-3].disp == 0 &&
           is_imm(i - 2, M_ADD, true, GPR_11, 8) && is_imm(i - 1, M_SUB, false, GPR_AX, 1);
}

static bool recognise_zero_loop(CodeCheck *c, Insn *i)
{
    const Insn *lea = i - 5;
    const int64_t first = (int64_t)lea->disp + JIT_FP_BIAS;
    const uint64_t n = i[-4].imm, slots = c->code->frame_slots;
    bool in_frame = lea->base == ROLE_FRAME && lea->index == GPR_NONE && lea->wide && first >= 0 &&
                    first % 8 == 0 && (uint64_t)first / 8 <= slots && n >= 1 &&
                    n <= slots - (uint64_t)first / 8;
    if (!in_frame) return reject(c, i - 3, "zeroes stored outside of the frame");
    i[-3].role = ROLE_ZERO_STORE;
    mark_inner(i, 3);
    i[-4].is_inner = true;
    return true;
}

static void recognise_stack_check(CodeCheck *c)
{
    Insn *i = c->insns;
    const int64_t least = (int64_t)c->code->frame_slots * 8 - JIT_FP_BIAS + JIT_RED_ZONE;
    if (c->ninsns < 4 || i->disp < least || !is_mem(i, M_LEA, true, GPR_11, ROLE_FRAME, i->disp) ||
        !is_reg(i + 1, M_CMP, true, GPR_11, ROLE_STACK) || !is_jcc(i + 2, CC_ABOVE))
        return;
    i[1].role = ROLE_STACK_CHECK;
    mark_inner(i + 2, 2);
    const Insn *to = insn_at(c, (uint64_t)insn_target(i + 2));
    c->checks_stack = to && to->op == M_JMP_TO && insn_by_stub(to, STUB_EXHAUSTED);
}

/* add rbp, 8 * slots before a call. */
static bool recognise_frame_move(CodeCheck *c, Insn *i)
{
    if ((i->op != M_ADD && i->op != M_SUB) || !i->has_imm || i->is_memory || !i->wide ||
        i->reg != ROLE_FRAME)
        return true;
    if (i->imm % 8 || i->imm / 8 > c->code->frame_slots)
        return reject(c, i, "the frame register moved out of the frame");
    i->role = ROLE_FRAME_FORWARD;
    return true;
}

bool insn_by_stub(const Insn *i, JitStub stub)
{
    return i->is_memory && i->base == ROLE_INSTANCE && i->index == GPR_NONE &&
           i->disp == field(offsetof(Instance, links.stubs) + stub * sizeof(void *));
}

/* ---- The sweep ---- */

static Insn *next_insn(CodeCheck *c)
{
    if (c->ninsns == c->insns_size) {
        uint32_t wanted = c->insns_size ? c->insns_size * 2 : c->compiled->code_size / 5 + 64;
        Insn *bigger = realloc(c->insns, wanted * sizeof *bigger);
        if (!bigger) return c->no_memory = true, NULL;
        c->insns = bigger;
        c->insns_size = wanted;
    }
    return &c->insns[c->ninsns++];
}

/* A distance to what does not move with the code is among those that are put right, which ascend;
 * any other leads somewhere in the code.  The distance itself does not tell: while the code is not
 * where it will be, others may be placed there. */
static bool take_fixup(CodeCheck *c, Insn *i)
{
    const Compiled *code = c->compiled;
    const uint32_t at = i->at + i->length - 4;
    i->is_outward = c->next_fixup < code->nfixups && code->fixups[c->next_fixup] == at;
    c->next_fixup += i->is_outward;
    return i->is_outward;
}

/* Something in memory relative to the instruction: a constant, or an entry. */
static bool note_relative(CodeCheck *c, Insn *i)
{
    int64_t target = insn_target(i);
    if (i->op == M_LEA) return true;
    if (i->op == M_CALL_TO || i->op == M_JMP_TO)
        return take_fixup(c, i) || reject(c, i, "a distance out of the code that is not listed");
    if (target < i->at + i->length || target >= c->compiled->code_size)
        return reject(c, i, "a constant that is not behind the code");
    if (target < c->literals) c->literals = (uint32_t)target;
    return true;
}

static bool note_jump(CodeCheck *c, Insn *i)
{
    int64_t target = insn_target(i);
    if (i->op != M_JCC && take_fixup(c, i)) return true;
    if (target < 0 || target >= c->compiled->code_size)
        return reject(c, i, "a distance out of the code that is not listed");
    if (i->op != M_JCC || target > i->at) return true;
    recognise_fill(c, i);
    return !is_zero_loop(c, i) || recognise_zero_loop(c, i);
}

static bool sweep_one(CodeCheck *c, uint32_t *at)
{
    const Compiled *code = c->compiled;
    uint32_t skipped = 0;
    Insn *i = next_insn(c);
    if (!i) return false;
    const char *wrong = insn_decode(code->code, *at, c->literals, i);
    if (wrong) return reject_at(c, *at, wrong);
    c->starts[*at] = c->ninsns;
    if (i->is_memory && i->base == GPR_NONE && !note_relative(c, i)) return false;
    switch ((MachineOp)i->op) {
    case M_JMP: case M_JCC: case M_CALL:
        if (!note_jump(c, i)) return false;
        break;
    case M_JMP_TO: case M_CALL_TO:
        if (i->is_memory && i->index != GPR_NONE && !recognise_reference_call(c, i)) return false;
        if (!i->is_memory && i->op == M_CALL_TO) return reject(c, i, "a call of a register");
        if (!i->is_memory && !recognise_table_jump(c, i, &skipped)) return false;
        break;
    case M_ADD: case M_SUB:
        if (!recognise_frame_move(c, i)) return false;
        break;
    default: break;
    }
    if (i->is_memory) recognise_object(c, i);
    *at += i->length + skipped;
    return true;
}

static bool sweep(CodeCheck *c)
{
    uint32_t at = 0;
    while (at < c->literals)
        if (!sweep_one(c, &at)) return false;
    if (at != c->literals) return reject_at(c, at, "a jump table that reaches beyond the code");
    return c->next_fixup == c->compiled->nfixups ||
           reject_at(c, at, "a listed distance that no instruction has");
}

/* ---- Where jumps lead ---- */

static bool is_poll(const CodeCheck *c, const Insn *i)
{
    return i < c->insns + c->ninsns && i->op == M_TEST && i->is_memory &&
           i->base == ROLE_INSTANCE && i->index == GPR_NONE && i->disp == POLL;
}

/* A loop can be stopped: it begins with a poll, which may need a nop before it.  The way back from
 * a call behind the function, or from making an object there, is no loop; those that zero locals
 * and fill arrays end.  A tail call of the function itself is left to check_start. */
static bool may_jump_back(const CodeCheck *c, const Insn *from, const Insn *to)
{
    if (to == c->insns && from->op == M_JMP) return true;
    if (to->role == ROLE_ZERO_STORE || to->role == ROLE_FILL) return true;
    if (to > c->insns && (insn_is_call(to - 1) || to[-1].role == ROLE_NEW_HEAD ||
                          to[-1].role == ROLE_NEW_LENGTH))
        return true;
    return is_poll(c, to) || (to->op == M_NOP && is_poll(c, to + 1));
}

static bool mark_target(CodeCheck *c, const Insn *from, uint64_t offset, Insn **out)
{
    Insn *to = insn_at(c, offset);
    if (!to) return reject(c, from, "a jump into the middle of an instruction, or to data");
    if (to <= from && !may_jump_back(c, from, to)) return reject(c, from, "a loop without a poll");
    to->is_leader = true;
    if (to->njumps < 2) to->njumps++;
    *out = to;
    return true;
}

uint32_t table_entry(const CodeCheck *c, const Insn *i, uint32_t n)
{
    uint32_t distance;
    memcpy(&distance, c->compiled->code + i->target + 4 * n, sizeof distance);
    return i->target + distance;
}

static bool find_targets(CodeCheck *c)
{
    Insn *to;
    for (uint32_t n = 0; n < c->ninsns; n++) {
        Insn *i = &c->insns[n];
        if (i->role == ROLE_TABLE_JUMP) {
            for (uint32_t k = 0; k < i->imm; k++)
                if (!mark_target(c, i, table_entry(c, i, k), &to)) return false;
        } else if (i->op == M_JCC || (i->op == M_JMP && !i->is_outward)) {
            if (!mark_target(c, i, (uint64_t)insn_target(i), &to)) return false;
            i->target = (uint32_t)(to - c->insns);
        }
    }
    for (uint32_t p = 0; p < c->compiled->npads; p++) {
        if (!c->compiled->pads[p]) continue; /* nobody can throw there */
        Insn *pad = insn_at(c, c->compiled->pads[p]);
        if (!pad) return reject_at(c, c->compiled->pads[p], "a landing pad that is no instruction");
        pad->is_leader = true;
        pad->njumps = 2;
    }
    return true;
}

static bool number_blocks(CodeCheck *c)
{
    c->insns[0].is_leader = true;
    for (uint32_t n = 0; n < c->ninsns; n++) {
        Insn *i = &c->insns[n];
        if (i->is_leader) i->block = c->nblocks++;
        if (i->is_leader && i->is_inner) return reject(c, i, "a jump into a sequence");
        if ((i->role == ROLE_ZERO_STORE || i->role == ROLE_FILL) && i->njumps != 1)
            return reject(c, i, "a jump into a sequence");
    }
    return true;
}

/* Whether a function of the guest comes next, perhaps this one from its start. */
static bool goes_on_elsewhere(const Insn *i)
{
    if (insn_is_call(i)) return !insn_by_stub(i, STUB_TRAP) && !insn_by_stub(i, STUB_RUNTIME);
    if (i->op == M_JMP) return i->is_outward || i->target == 0;
    return i->op == M_JMP_TO && i->role != ROLE_TABLE_JUMP && !insn_by_stub(i, STUB_EXHAUSTED);
}

/* Recursion ends: functions that go on elsewhere ask for room on the stack if they come back, and
 * poll. */
static bool check_start(CodeCheck *c)
{
    recognise_stack_check(c);
    const bool polls = is_poll(c, c->insns + (c->checks_stack ? 3 : 0));
    for (uint32_t n = 0; n < c->ninsns && !(c->checks_stack && polls); n++) {
        const Insn *i = &c->insns[n];
        if (!goes_on_elsewhere(i)) continue;
        if (!c->checks_stack && insn_is_call(i))
            return reject(c, i, "a call without a check for room on the stack");
        if (!polls) return reject(c, i, "a call in a function that does not poll");
    }
    return c->checks_stack || c->code->frame_slots * 8 <= UNCHECKED_FRAME ||
           reject_at(c, 0, "a large frame without a check for room on the stack");
}

bool check_instructions(CodeCheck *c)
{
    c->literals = c->compiled->code_size;
    c->starts = calloc((size_t)c->compiled->code_size + 1, sizeof *c->starts);
    if (!c->starts) return c->no_memory = true, false;
    return read_points(c) && sweep(c) && find_targets(c) && check_start(c) && number_blocks(c) &&
           check_points(c);
}
