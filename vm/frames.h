/* Control frames: pushing, and reading what they stand for.  The one frame format of both engines
 * is described at Frame in vm/instance.h. */
#ifndef FNVM_VM_FRAMES_H
#define FNVM_VM_FRAMES_H

#include <string.h>

#include "vm/store.h"

static inline Frame *frame_at(const Instance *stack_owner, uint32_t offset)
{
    return (Frame *)(void *)(stack_owner->stack_base + offset);
}

static inline uint32_t frame_offset(const Instance *stack_owner, const Frame *f)
{
    return (uint32_t)((const uint8_t *)f - stack_owner->stack_base);
}

static inline Slot *frame_slots(const Instance *stack_owner, const Frame *f)
{
    return (Slot *)(void *)stack_owner->stack_base + f->fp;
}

/* The code of a frame: verified, since the frame exists. */
static inline const FuncCode *frame_code(const Instance *inst, const Frame *f)
{
    const Module *m = inst->module;
    return atomic_load_explicit(&m->code[f->func - m->n_imported_funcs], memory_order_relaxed);
}

/* Pushes a frame for `code` below `inner` with its parameters already at `fp`, zeroes the other
 * locals, and returns it; NULL if the stack has no room for all its slots. */
static inline Frame *frame_push(const Instance *stack_owner, Frame *inner, Slot *fp,
                                const Instance *inst, const FuncCode *code, uint32_t flags)
{
    Frame *f = inner - 1;
    if (__builtin_expect((uint8_t *)f < (uint8_t *)(fp + code->frame_slots), 0)) return NULL;
    f->instance = inst->id;
    f->func = code->func;
    f->pc = code->start;
    f->stp = 0;
    f->fp = (uint32_t)(fp - (Slot *)(void *)stack_owner->stack_base);
    f->flags = flags;
    for (uint32_t i = code->param_slots; i < code->local_slots; i++) fp[i].i64 = 0;
    return f;
}

#endif
