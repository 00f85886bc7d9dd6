/* Frames of a suspended call, sorted by what they wait for. */
#include "vm/image/suspended.h"

#include <stdlib.h>

/* ---- Groups ---- */

static int compare(uint32_t a, uint32_t b) { return (a > b) - (a < b); }

static int by_call(const void *a, const void *b, void *env)
{
    const ImageFrame *frames = env;
    const ImageFrame *x = &frames[*(const uint32_t *)a], *y = &frames[*(const uint32_t *)b];
    if (x->instance != y->instance) return compare(x->instance, y->instance);
    if (x->func != y->func) return compare(x->func, y->func);
    return compare(x->pc, y->pc);
}

fnvm_error *frame_groups_start(FrameGroups *g, Store *store, const ImageFrame *frames, uint32_t n)
{
    *g = (FrameGroups){.store = store, .frames = frames, .n = n};
    if (n == 0) return NULL;
    g->order = calloc(n, sizeof *g->order);
    g->pcs = calloc(n, sizeof *g->pcs);
    if (!g->order || !g->pcs) return error_no_memory();
    for (uint32_t i = 0; i < n; i++) g->order[i] = i;
    qsort_r(g->order, n, sizeof *g->order, by_call, (void *)(uintptr_t)frames);
    return NULL;
}

bool frame_groups_next(FrameGroups *g, FrameGroup *out)
{
    if (g->at == g->n) return false;
    const uint32_t from = g->at;
    const ImageFrame *first = &g->frames[g->order[from]];
    uint32_t npcs = 0;
    while (g->at < g->n) {
        const ImageFrame *f = &g->frames[g->order[g->at]];
        if (f->instance != first->instance || f->func != first->func) break;
        if (npcs == 0 || g->pcs[npcs - 1] != f->pc) g->pcs[npcs++] = f->pc;
        g->at++;
    }
    *out = (FrameGroup){.instance = g->store->instances[first->instance], .func = first->func,
                        .frames = g->order + from, .nframes = g->at - from,
                        .pcs = g->pcs, .npcs = npcs};
    return true;
}

void frame_groups_free(FrameGroups *g)
{
    free(g->order);
    free(g->pcs);
}

/* ---- Types ---- */

typedef struct GroupVisit {
    const FrameGroup *group;
    const ImageFrame *frames;
    uint32_t at;             /* the next of the group's frames */
    FrameTypesFn *fn;
    void *env;
} GroupVisit;

/* Call `i` of the group: for all frames that wait for it. */
static fnvm_error *visit_call(void *env, uint32_t i, const FrameTypes *types)
{
    GroupVisit *v = env;
    const FrameGroup *g = v->group;
    fnvm_error *error = NULL;
    while (!error && v->at < g->nframes && v->frames[g->frames[v->at]].pc == g->pcs[i])
        error = v->fn(v->env, g->frames[v->at++], types);
    return error;
}

fnvm_error *frame_group_types(const FrameGroup *g, const ImageFrame *frames, FrameTypesFn *fn,
                              void *env)
{
    GroupVisit v = {.group = g, .frames = frames, .fn = fn, .env = env};
    return verifier_frame_types(g->instance->module, g->func, g->pcs, g->npcs, visit_call, &v);
}

fnvm_error *frames_types(Store *store, const ImageFrame *frames, uint32_t n, FrameTypesFn *fn,
                         void *env)
{
    FrameGroups groups;
    FrameGroup g;
    fnvm_error *error = frame_groups_start(&groups, store, frames, n);
    while (!error && frame_groups_next(&groups, &g))
        error = frame_group_types(&g, frames, fn, env);
    frame_groups_free(&groups);
    return error;
}

/* ---- Slots ---- */

/* The most that control words take when the engines alternate: compiled code called by the
 * interpreter has two words and a return address, the other way round there are two Frames.  And a
 * marker on each end. */
enum {
    CONTROL_BYTES_OF_TWO = 3 * sizeof(uint64_t) + 2 * sizeof(Frame),
    CONTROL_BYTES_OF_ENDS = 2 * sizeof(Frame)
};

bool suspended_has_room(const Instance *owner, uint64_t end, uint32_t n)
{
    uint64_t control = ((uint64_t)n + 1) / 2 * CONTROL_BYTES_OF_TWO + CONTROL_BYTES_OF_ENDS;
    return end <= UINT32_MAX &&
           end * sizeof(Slot) + JIT_RED_ZONE + control <= owner->context->stack.size;
}

bool func_ref_fits(Store *store, uint64_t bits, ValType type)
{
    const uint32_t id = funcref_instance(bits);
    if (!bits) return type_is_nullable(type);
    if (id != 0) { /* references to imported functions are to what was imported */
        if (id >= store->ninstances || !store->instances[id]) return false;
        if (funcref_func(bits) < store->instances[id]->module->n_imported_funcs) return false;
    }
    const Type *t = store_func_type(store, bits);
    return t && types_heap_is_sub(&store->engine->types, t->id, type_heap(type));
}
