/* Reading a control stack, word by word.  The words of compiled code mean nothing by themselves:
 * the walk carries along which instance they belong to and where the frame register was. */
#include "vm/frames.h"

#include "jit/enter.h"
#include "jit/segment.h"

void frame_walk_start(FrameWalk *w, const Store *store, const Instance *owner)
{
    const Stack *stack = &owner->context->stack;
    *w = (FrameWalk){.store = store, .owner = owner, .at = stack->frames};
    if (!stack->compiled) return;
    w->compiled = true;
    w->at = frame_offset(owner, store->cpu.sp);
    w->instance = store->cpu.instance;
    w->fp = store->cpu.fp - JIT_FP_BIAS;
}

/* Takes a Frame; false if it was a marker. */
static bool walk_frame(FrameWalk *w)
{
    const Frame *f = frame_at(w->owner, w->at);
    uint32_t at = w->at;
    w->at += (uint32_t)sizeof *f;
    if (!f->flags) {
        w->frame = (FrameView){.instance = w->store->instances[f->instance], .func = f->func,
                               .pc = f->pc - 1, .fp = stack_slot(w->owner, f->fp), .at = at};
        return true;
    }
    if (f->flags & FRAME_ENTRY) w->left_call = true;
    if (f->flags & FRAME_COMPILED) {
        w->compiled = true;
        w->instance = w->store->instances[f->instance];
        w->fp = (uint8_t *)stack_slot(w->owner, f->fp);
    }
    return false;
}

/* Takes words of compiled code; false if they were no frame. */
static bool walk_compiled(FrameWalk *w)
{
    const uint64_t *word = (const uint64_t *)(const void *)frame_at(w->owner, w->at);
    const void *address = (const void *)(uintptr_t)word[0];
    switch (jit_return_kind(address)) {
    case RETURN_TO_FRAME:
        w->compiled = false;
        w->at += 2 * (uint32_t)sizeof *word;
        return false;
    case RETURN_TO_INSTANCE:
        w->instance = w->store->instances[word[1]];
        w->at += 2 * (uint32_t)sizeof *word;
        return false;
    case RETURN_TO_CODE: break;
    }
    CodePoint p;
    if (!segment_find(w->instance->module->segment, address, &p)) { /* cannot be: end the walk */
        w->at = w->owner->context->stack.size;
        return false;
    }
    w->fp -= p.slots * sizeof(Slot);
    w->frame = (FrameView){.instance = w->instance, .func = p.func, .pc = p.pc,
                           .fp = (Slot *)(void *)w->fp, .at = w->at, .compiled = true};
    w->at += (uint32_t)sizeof *word;
    return true;
}

bool frame_walk_next(FrameWalk *w)
{
    while (w->at < w->owner->context->stack.size)
        if (w->compiled ? walk_compiled(w) : walk_frame(w)) return true;
    return false;
}

const FuncCode *frame_view_code(const FrameView *f)
{
    const Module *m = f->instance->module;
    return atomic_load_explicit(&m->code[f->func - m->n_imported_funcs], memory_order_acquire);
}

bool frames_top(const Store *store, const Instance *owner, uint32_t *slot)
{
    const Stack *stack = &owner->context->stack;
    *slot = stack->top;
    if (!stack->compiled) return true;
    FrameWalk w;
    frame_walk_start(&w, store, owner);
    *slot = slot_number(owner, w.fp);
    if (frame_walk_next(&w)) {
        const FuncCode *code = frame_view_code(&w.frame);
        fnvm_error *error = code ? NULL
                                 : verifier_function(w.frame.instance->module, w.frame.func, &code);
        if (error) {
            fnvm_error_free(error);
            return false;
        }
        *slot = slot_number(owner, w.frame.fp) + code->frame_slots;
    }
    if (store->cpu.top > *slot) *slot = store->cpu.top;
    return true;
}
