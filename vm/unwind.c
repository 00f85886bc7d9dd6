/* Finding the handler of an exception (standard 4.6.13): frames are searched from the innermost to
 * the entry frame of this run; within one, the function's handlers are listed innermost first.
 * Entering a try_table costs nothing: all of this is found from the frame's pc when something is
 * thrown. */
#include "vm/frames.h"
#include "vm/heap.h"
#include "vm/run.h"

static bool clause_matches(const Instance *inst, const CatchClause *c, const Exception *x)
{
    if (c->kind == CATCH_ALL || c->kind == CATCH_ALL_REF) return true;
    TagRef t = inst->tags[c->tag];
    return t.owner == x->tag.owner && t.index == x->tag.index;
}

/* The payload (and the reference) as operands, then the clause's branch. */
static void enter_clause(Run *run, Frame *f, const Instance *inst, const Handler *h, uint32_t i,
                         uint64_t exception)
{
    const FuncCode *code = frame_code(inst, f);
    const Exception *x = (const Exception *)ref_object(exception);
    uint8_t kind = code->clauses[h->first + i].kind;
    Slot *sp = frame_slots(run->stack, f) + h->height;
    if (kind == CATCH_TAG || kind == CATCH_TAG_REF) {
        memcpy(sp, x->payload, x->nslots * sizeof *sp);
        sp += x->nslots;
    }
    if (kind == CATCH_TAG_REF || kind == CATCH_ALL_REF) (sp++)->i64 = exception;

    const SideEntry *e = &code->side[h->stp + i];
    WideSide w = {.pc = (int32_t)e->word[0] >> 8, .stp = (int32_t)e->word[1] >> 12,
                  .keep = e->word[0] & 0xFF, .pop = e->word[1] & SIDE_MAX_POP};
    if (w.keep == SIDE_WIDE) w = code->wide[e->word[1]];
    memmove(sp - w.keep - w.pop, sp - w.keep, w.keep * sizeof *sp);
    sp -= w.pop;

    f->pc = (uint32_t)((int64_t)h->entry + w.pc);
    f->stp = (uint32_t)((int64_t)h->stp + i + w.stp);
    Stack *stack = &run->stack->context->stack;
    stack->frames = frame_offset(run->stack, f);
    stack->top = (uint32_t)(sp - (Slot *)(void *)run->stack->stack_base);
}

static bool frame_catches(Run *run, Frame *f, uint64_t exception)
{
    const Instance *inst = run->store->instances[f->instance];
    const FuncCode *code = frame_code(inst, f);
    const Exception *x = (const Exception *)ref_object(exception);
    uint32_t at = f->pc - 1; /* inside the instruction that threw or called */
    for (uint32_t n = 0; n < code->nhandlers; n++) {
        const Handler *h = &code->handlers[n];
        if (at < h->start || at >= h->end) continue;
        for (uint32_t i = 0; i < h->count; i++) {
            if (!clause_matches(inst, &code->clauses[h->first + i], x)) continue;
            enter_clause(run, f, inst, h, i, exception);
            return true;
        }
    }
    return false;
}

/* A long way, over many frames with many handlers each, can be cut short by an interrupt. */
bool unwind_to_handler(Run *run, uint64_t exception)
{
    for (Frame *f = stack_top_frame(run->stack);; f++) {
        if (atomic_load_explicit(&run->store->interrupt, memory_order_relaxed)) return false;
        if (frame_catches(run, f, exception)) return true;
        if (f->flags & FRAME_ENTRY) return false;
    }
}
