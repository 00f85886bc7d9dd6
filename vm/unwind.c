/* Finding the handler of an exception (standard 4.6.13): frames are searched from the innermost to
 * the entry of this call; within one, the function's handlers are listed innermost first.
 * Entering a try_table costs nothing: all of this is found from the frame's pc when something is
 * thrown. */
#include "jit/enter.h"
#include "vm/heap.h"

static bool clause_matches(const Instance *inst, const CatchClause *c, const Exception *x)
{
    if (c->kind == CATCH_ALL || c->kind == CATCH_ALL_REF) return true;
    TagRef t = inst->tags[c->tag];
    return t.owner == x->tag.owner && t.index == x->tag.index;
}

static WideSide clause_branch(const FuncCode *code, const Handler *h, uint32_t i)
{
    const SideEntry *e = &code->side[h->stp + i];
    WideSide w = {.pc = (int32_t)e->word[0] >> 8, .stp = (int32_t)e->word[1] >> 12,
                  .keep = e->word[0] & 0xFF, .pop = e->word[1] & SIDE_MAX_POP};
    return w.keep == SIDE_WIDE ? code->wide[e->word[1]] : w;
}

/* The payload (and the reference) as operands, moved to where the clause's branch wants them.
 * Returns the slot after them. */
static Slot *place_operands(const FrameView *f, const FuncCode *code, const Handler *h, uint32_t i,
                            uint64_t exception, const WideSide *branch)
{
    const Exception *x = (const Exception *)ref_object(exception);
    uint8_t kind = code->clauses[h->first + i].kind;
    Slot *sp = f->fp + h->height;
    if (kind == CATCH_TAG || kind == CATCH_TAG_REF) {
        memcpy(sp, x->payload, x->nslots * sizeof *sp);
        sp += x->nslots;
    }
    if (kind == CATCH_TAG_REF || kind == CATCH_ALL_REF) (sp++)->i64 = exception;
    memmove(sp - branch->keep - branch->pop, sp - branch->keep, branch->keep * sizeof *sp);
    return sp - branch->pop;
}

static RunExit enter_clause(Run *run, const FrameView *f, const FuncCode *code, const Handler *h,
                            uint32_t i, uint64_t exception)
{
    const WideSide branch = clause_branch(code, h, i);
    const Slot *sp = place_operands(f, code, h, i, exception, &branch);
    if (f->compiled) {
        jit_prepare_landing(run, f, h->first + i);
        return RUN_LAND;
    }
    Frame *frame = frame_at(run->stack, f->at);
    frame->pc = (uint32_t)((int64_t)h->entry + branch.pc);
    frame->stp = (uint32_t)((int64_t)h->stp + i + branch.stp);
    Stack *stack = &run->stack->context->stack;
    stack->frames = f->at;
    stack->top = slot_number(run->stack, sp);
    stack->compiled = 0;
    return RUN_RESUME;
}

/* The number of the first handler that ends behind the offset: it, or one around it, is the
 * innermost around the offset, if there is one. */
static uint32_t handler_behind(const FuncCode *code, uint32_t pc)
{
    uint32_t from = 0, to = code->nhandlers;
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (code->handlers[middle].end <= pc) from = middle + 1;
        else to = middle;
    }
    return from;
}

static RunExit frame_catches(Run *run, const FrameView *f, uint64_t exception)
{
    const FuncCode *code = frame_view_code(f);
    const Exception *x = (const Exception *)ref_object(exception);
    fnvm_error *error = code ? NULL : verifier_function(f->instance->module, f->func, &code);
    if (error) { /* no memory for what a handler needs: as if there were none */
        fnvm_error_free(error);
        return RUN_THROW;
    }
    const Handler *h;
    for (uint32_t n = handler_behind(code, f->pc); n < code->nhandlers; n = h->outer) {
        h = &code->handlers[n];
        if (f->pc < h->start) continue;
        for (uint32_t i = 0; i < h->count; i++) {
            if (clause_matches(f->instance, &code->clauses[h->first + i], x))
                return enter_clause(run, f, code, h, i, exception);
        }
    }
    return RUN_THROW;
}

/* A long way, over many frames with many handlers each, can be cut short by an interrupt. */
RunExit unwind_to_handler(Run *run, uint64_t exception)
{
    FrameWalk w;
    frame_walk_start(&w, run->store, run->stack);
    while (frame_walk_next(&w) && !w.left_call && !store_interrupted(run->store)) {
        RunExit next = frame_catches(run, &w.frame, exception);
        if (next != RUN_THROW) return next;
    }
    return RUN_THROW;
}
