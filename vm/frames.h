/* Control frames: pushing, and reading what they stand for.
 *
 * The control stack of an instance grows down from the end of its stack area.  Read from its
 * innermost word outwards, it is made of
 *
 *   a return address into compiled code   8 bytes: the whole control frame of a compiled function
 *   jit_switch_return, an instance's id   the caller is compiled code of that instance
 *   jit_return_*, a number                here compiled code was entered by what is outer, a Frame;
 *                                         Stack.top once it has returned
 *   Frame without flags                   a function that the interpreter runs
 *   Frame with flags (a marker)           FRAME_ENTRY: the end of a call from the host.
 *                                         FRAME_COMPILED: a return address follows; the marker has
 *                                         the frame register and the instance that belong to it
 *
 * What the innermost word is, Stack.compiled says. */
#ifndef FNVM_VM_FRAMES_H
#define FNVM_VM_FRAMES_H

#include <string.h>

#include "vm/store.h"

static inline Frame *frame_at(const Instance *stack_owner, uint32_t offset)
{
    return (Frame *)(void *)(stack_owner->stack_base + offset);
}

static inline uint32_t frame_offset(const Instance *stack_owner, const void *control)
{
    return (uint32_t)((const uint8_t *)control - stack_owner->stack_base);
}

static inline Slot *stack_slot(const Instance *stack_owner, uint32_t slot)
{
    return (Slot *)(void *)stack_owner->stack_base + slot;
}

static inline uint32_t slot_number(const Instance *stack_owner, const void *slot)
{
    return frame_offset(stack_owner, slot) / (uint32_t)sizeof(Slot);
}

/* The code of a frame that the interpreter runs: verified, since the frame exists. */
static inline const FuncCode *frame_code(const Instance *inst, const Frame *f)
{
    const Module *m = inst->module;
    return atomic_load_explicit(&m->code[f->func - m->n_imported_funcs], memory_order_relaxed);
}

/* Pushes a frame for `code` below `inner` with its parameters already at `fp`, zeroes the other
 * locals, and returns it; NULL if the stack has no room for all its slots. */
static inline Frame *frame_push(const Instance *stack_owner, Frame *inner, Slot *fp,
                                const Instance *inst, const FuncCode *code)
{
    Frame *f = inner - 1;
    if (__builtin_expect((uint8_t *)f < (uint8_t *)(fp + code->frame_slots), 0)) return NULL;
    f->instance = inst->id;
    f->func = code->func;
    f->pc = code->start;
    f->stp = 0;
    f->fp = (uint32_t)(fp - (Slot *)(void *)stack_owner->stack_base);
    f->flags = 0;
    for (uint32_t i = code->param_slots; i < code->local_slots; i++) fp[i].i64 = 0;
    return f;
}

/* ---- Reading a stack ---- */

/* A function on the stack, whoever runs it. */
typedef struct FrameView {
    Instance *instance;
    uint32_t func;
    uint32_t pc;       /* of a byte within the instruction it is in */
    Slot *fp;          /* its first local */
    uint32_t at;       /* offset of its control word or Frame in the stack area */
    bool compiled;
} FrameView;

typedef struct FrameWalk {
    const Store *store;
    const Instance *owner; /* of the stack */
    uint32_t at;           /* the next word */
    bool compiled;         /* it is a return address; of code of this instance, with this frame: */
    Instance *instance;
    uint8_t *fp;           /* the frame register without its bias */
    bool left_call;        /* what follows is outside of the innermost call by the host */
    FrameView frame;
} FrameWalk;

/* From the innermost frame of `owner`'s stack outwards, over all calls that are nested in it. */
void frame_walk_start(FrameWalk *, const Store *, const Instance *owner);
bool frame_walk_next(FrameWalk *); /* false: there are no more; else `frame` is one */

/* The verified code of a frame.  Compiled code may have come without it: NULL then. */
const FuncCode *frame_view_code(const FrameView *);

/* The first slot that nothing innermost uses; where a nested call's frames go.  False if that
 * cannot be known for want of memory. */
bool frames_top(const Store *, const Instance *owner, uint32_t *slot);

#endif
