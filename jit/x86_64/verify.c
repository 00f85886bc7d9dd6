/* The check of one function: decoding first, then abstract interpretation of its blocks until
 * nothing new is learned, then the message if something is wrong. */
#include "jit/x86_64/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit/x86_64/verify_state.h"
#include "vm/error.h"

/* ---- States ---- */

static bool same_value(Value a, Value b) { return memcmp(&a, &b, sizeof a) == 0; }

/* What is known whichever of the two holds; true if that is less than `a` says. */
static bool join_value(Value *a, Value b)
{
    if (same_value(*a, b)) return false;
    Value both = value_any(a->zext && b.zext);
    if (same_value(*a, both)) return false;
    *a = both;
    return true;
}

static bool join_flags(Flags *a, Flags b)
{
    if (memcmp(a, &b, sizeof b) == 0) return false;
    const Flags none = {.kind = F_NOTHING, .not_cc = NO_CONDITION};
    if (memcmp(a, &none, sizeof none) == 0) return false;
    *a = none;
    return true;
}

enum { UNSEEN, KNOWN, NEW };

bool flow_to(CodeCheck *c, uint32_t block, const State *s)
{
    State *at = &c->states[block];
    bool changed = c->reached[block] == UNSEEN;
    if (changed) {
        *at = *s;
    } else {
        if (at->shift != s->shift)
            return reject_at(c, c->blocks[block]->at, "the frame register by two ways differs");
        for (uint32_t r = 0; r < GPR_COUNT; r++) changed |= join_value(&at->reg[r], s->reg[r]);
        changed |= join_flags(&at->flags, s->flags);
    }
    if (changed) c->reached[block] = NEW;
    return true;
}

/* ---- Blocks ---- */

/* To the end of the block; what comes behind begins with the state there. */
static bool run_block(CodeCheck *c, uint32_t block)
{
    State s = c->states[block];
    const Insn *i = c->blocks[block], *end = c->insns + c->ninsns;
    for (bool falls = true; falls; i++) {
        if (i == end) return reject(c, i - 1, "execution runs out of the code");
        if (i->is_leader && i != c->blocks[block]) return flow_to(c, i->block, &s);
        if (!step(c, i, &s, &falls)) return false;
    }
    return true;
}

/* Ascending: most of what a block depends on comes before it. */
static bool run_blocks(CodeCheck *c)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t block = 0; block < c->nblocks; block++) {
            if (c->reached[block] != NEW) continue;
            c->reached[block] = KNOWN;
            again = true;
            if (!run_block(c, block)) return false;
        }
    }
    return true;
}

/* ---- Ways into the function ---- */

/* The arguments, which callers are checked for; nothing else is known. */
static State entry_state(const CodeCheck *c)
{
    const Type *t = types_get(&c->m->engine->types, c->code->type);
    State s = {.flags = {.not_cc = NO_CONDITION}};
    for (uint32_t p = 0, n = 0; p < t->nparams && n < JIT_INT_ARGS; p++) {
        const ValType type = t->params[p];
        if (type == TYPE_F32 || type == TYPE_F64 || type == TYPE_V128) continue;
        s.reg[verify_int_args[n++]].zext = type == TYPE_I32;
    }
    return s;
}

static bool enter(CodeCheck *c)
{
    const State entry = entry_state(c), landing = {.flags = {.not_cc = NO_CONDITION}};
    if (!flow_to(c, 0, &entry)) return false;
    for (uint32_t p = 0; p < c->compiled->npads; p++)
        if (c->compiled->pads[p] &&
            !flow_to(c, insn_at(c, c->compiled->pads[p])->block, &landing)) return false;
    return true;
}

static bool interpret(CodeCheck *c)
{
    c->states = malloc(c->nblocks * sizeof *c->states);
    c->reached = calloc(c->nblocks, sizeof *c->reached);
    c->blocks = malloc(c->nblocks * sizeof *c->blocks);
    if (!c->states || !c->reached || !c->blocks) return c->no_memory = true, false;
    for (uint32_t n = 0; n < c->ninsns; n++)
        if (c->insns[n].is_leader) c->blocks[c->insns[n].block] = &c->insns[n];
    return enter(c) && run_blocks(c);
}

/* ---- The function ---- */

static fnvm_error *mistake(const CodeCheck *c)
{
    enum { SHOWN = 12 };
    char bytes[3 * SHOWN + 1] = "";
    const Compiled *code = c->compiled;
    for (uint32_t n = 0; n < SHOWN && c->wrong_at + n < code->code_size; n++)
        snprintf(bytes + 3 * n, 4, " %02x", code->code[c->wrong_at + n]);
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "function %" PRIu32 ": its compiled code is refused "
                          "at +0x%" PRIx32 ": %s (bytes%s); this is a mistake of the engine's: "
                          "report it with the module, and interpret meanwhile (--engine=interp)",
                          code->func, c->wrong_at, c->wrong, bytes);
}

fnvm_error *verify_compiled(const Module *m, const Segment *segment, const Compiled *compiled)
{
    CodeCheck c = {.m = m, .segment = segment, .compiled = compiled};
    c.code = atomic_load_explicit(&m->code[compiled->func - m->n_imported_funcs],
                                  memory_order_acquire);
    region_offsets(m, &c.offsets);
    bool good = compiled->code_size == 0 ? reject_at(&c, 0, "no code")
                                         : check_instructions(&c) && interpret(&c);
    fnvm_error *error = good ? NULL : c.no_memory ? error_no_memory() : mistake(&c);
    free(c.insns);
    free(c.starts);
    free(c.points);
    free(c.tail_calls);
    free(c.states);
    free(c.reached);
    free(c.blocks);
    return error;
}
