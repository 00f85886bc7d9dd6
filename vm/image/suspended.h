/* What capturing, checking and resuming a suspended call have in common: looking at its frames
 * function by function, so that each is verified once, however deep a recursion. */
#ifndef FNVM_VM_IMAGE_SUSPENDED_H
#define FNVM_VM_IMAGE_SUSPENDED_H

#include "verifier/frame_types.h"
#include "vm/image/stack.h"

typedef struct FrameGroup {  /* all frames of one function of one instance */
    Instance *instance;
    uint32_t func;
    const uint32_t *frames; uint32_t nframes; /* their indices, by pc */
    const uint32_t *pcs; uint32_t npcs;       /* ascending, each once */
} FrameGroup;

typedef struct FrameGroups {
    Store *store;
    const ImageFrame *frames; uint32_t n;
    uint32_t *order, *pcs;   /* owned: n each */
    uint32_t at;             /* in `order`: the next group's first */
} FrameGroups;

/* The frames' instances and functions are good.  frame_groups_free is fine after an error. */
fnvm_error *frame_groups_start(FrameGroups *, Store *, const ImageFrame *, uint32_t n);
bool frame_groups_next(FrameGroups *, FrameGroup *);
void frame_groups_free(FrameGroups *);

/* Calls `fn` for each frame of the group, or for all frames, with what the verifier knows of it. */
fnvm_error *frame_group_types(const FrameGroup *, const ImageFrame *, FrameTypesFn *fn, void *env);
fnvm_error *frames_types(Store *, const ImageFrame *, uint32_t n, FrameTypesFn *fn, void *env);

/* The slots that a host function has from its first argument on. */
static inline uint32_t host_slots(const Type *t)
{
    return t->param_slots > t->result_slots ? t->param_slots : t->result_slots;
}

/* Whether a stack has room for slots up to `end` below the control words of `n` frames, whichever
 * engines these belong to, and for what compiled code wants free.  Every suspended frame has this
 * room, so that it can be rebuilt without asking how many slots its function uses. */
bool suspended_has_room(const Instance *owner, uint64_t end, uint32_t n);

/* Whether `bits` are a value of a type of the func hierarchy, and not null where it has none. */
bool func_ref_fits(Store *, uint64_t bits, ValType);

#endif
