/* Letting a suspended call go on.
 *
 * Control frames are pushed from the outermost in: return addresses where the function has compiled
 * code now, Frames elsewhere, and between them what vm/frames.h says.  The innermost is always a
 * Frame: a marker if compiled code waits for the host function.  So the host function is called as
 * if by the interpreter, and what comes next follows from that Frame. */
#include <stdlib.h>
#include <string.h>

#include "jit/enter.h"
#include "jit/return_points.h"
#include "vm/heap.h"
#include "vm/image/suspended.h"

/* How a frame goes on. */
typedef struct Going {
    const void *address;      /* in compiled code; NULL: the interpreter's */
    uint32_t args;            /* slots from its first to the callee's first */
    uint32_t stp;
} Going;

typedef struct Resume {
    const ImageCall *call;
    const ImageFrame *frames;
    uint32_t n;
    Going *going;             /* by frame */
} Resume;

/* ---- Where frames go on ---- */

static fnvm_error *go_interpreted(void *env, uint32_t i, const FrameTypes *t)
{
    const Resume *r = env;
    r->going[i] = (Going){.args = t->args, .stp = t->stp};
    return NULL;
}

static void go_compiled(const Resume *r, const FrameGroup *g, const ReturnPoint *points)
{
    for (uint32_t i = 0, p = 0; i < g->nframes; i++) {
        while (g->pcs[p] != r->frames[g->frames[i]].pc) p++;
        r->going[g->frames[i]] = (Going){.address = points[p].address, .args = points[p].slots};
    }
}

static fnvm_error *find_group(Resume *r, const FrameGroup *g, ReturnPoint *points)
{
    fnvm_error *error;
    if (return_points_find(g->instance, g->func, g->pcs, g->npcs, points, &error)) {
        go_compiled(r, g, points);
        return NULL;
    }
    return error ? error : frame_group_types(g, r->frames, go_interpreted, r);
}

static fnvm_error *find_all(Resume *r, Store *store)
{
    FrameGroups groups;
    FrameGroup g;
    ReturnPoint *points = NULL;
    if (r->n == 0) return NULL;
    fnvm_error *error = frame_groups_start(&groups, store, r->frames, r->n);
    r->going = calloc(r->n, sizeof *r->going);
    points = calloc(r->n, sizeof *points);
    if (!error && (!r->going || !points)) error = error_no_memory();
    while (!error && frame_groups_next(&groups, &g)) error = find_group(r, &g, points);
    frame_groups_free(&groups);
    free(points);
    return error;
}

/* ---- Frames ---- */

static uint8_t *push(uint8_t *sp, Frame f) { return memcpy(sp - sizeof f, &f, sizeof f); }

static Frame marker_of(uint32_t instance, uint32_t fp)
{
    return (Frame){.instance = instance, .fp = fp, .flags = FRAME_COMPILED};
}

/* Pushes all frames at `sp`, a Frame; the innermost is one, too. */
static uint8_t *push_frames(const Resume *r, const Store *store, uint8_t *sp)
{
    uint32_t caller = 0, args = 0; /* the instance, if it is compiled code */
    for (uint32_t i = 0; i < r->n; i++) {
        const ImageFrame *f = &r->frames[i];
        const Instance *inst = store->instances[f->instance];
        const Going *going = &r->going[i];
        if (going->address) {
            const Type *type = module_func_type(inst->module, f->func);
            sp = jit_push_frame(sp, caller, inst, type, f->fp, going->address);
            caller = f->instance;
        } else {
            if (caller) sp = push(sp, marker_of(caller, f->fp));
            sp = push(sp, (Frame){.instance = f->instance, .func = f->func, .pc = f->pc,
                                  .stp = going->stp, .fp = f->fp});
            caller = 0;
        }
        args = f->fp + going->args;
    }
    return caller ? push(sp, marker_of(caller, args)) : sp;
}

/* ---- The host function ---- */

/* The call's result instead of a call. */
static void put_value(const ImageCall *call, const Type *type, Slot *results)
{
    if (type->nresults == 0) return;
    const ValType t = type->results[0];
    results->i64 = t == TYPE_I32 || t == TYPE_F32 ? (uint32_t)call->value : call->value;
}

/* The host function's slots are where the innermost frame expects its results. */
static RunExit wake(Run *run, const Resume *r)
{
    Store *store = run->store;
    const ImageCall *call = r->call;
    const Type *type = store_func_type(store, call->host);
    Slot *args = stack_slot(run->stack, call->args);
    if (call->wake == FNVM_WAKE_RETURN) put_value(call, type, args);
    else run->error = run_host(store, store->instances[call->caller], call->host, type, args);
    return run->error ? run_host_failed(run) : run_host_returned(run, type, call->args);
}

/* RunPush; `env` is a Resume. */
static fnvm_error *push_suspended(Run *run, FuncRef func, void *env, const Slot **results,
                                  RunExit *next)
{
    (void)func;
    Resume *r = env;
    Instance *owner = run->stack;
    Stack *stack = &owner->context->stack;
    const uint64_t top = (uint64_t)r->call->args + host_slots(store_func_type(run->store,
                                                                              r->call->host));
    if (!suspended_has_room(owner, top, r->n))
        return fnvm_error_new(FNVM_E_INVALID, "the suspended call does not fit into its stack");
    /* First of all: from then on the collector looks into the slots. */
    uint8_t *sp = push((uint8_t *)frame_at(owner, stack->size), (Frame){.flags = FRAME_ENTRY});
    stack->frames = frame_offset(owner, sp);
    stack->top = (uint32_t)top;
    heap_keep(run->store, NULL, NULL); /* objects_thaw had said where the slots are */
    fnvm_error *error = find_all(r, run->store);
    if (error) return error;
    stack->frames = frame_offset(owner, push_frames(r, run->store, sp));
    *results = stack_slot(owner, 0);
    *next = wake(run, r);
    return NULL;
}

fnvm_error *stack_resume(Store *store, const ImageCall *call, const ImageFrame *frames, uint32_t n,
                         Slot *slots)
{
    if (store->host_depth > 0)
        return fnvm_error_new(FNVM_E_USAGE, "a suspended call cannot go on while another one runs in "
                              "its store");
    if (call->owner == 0)
        return fnvm_error_new(FNVM_E_USAGE, "no call is suspended; call a function instead");
    if (!stack_can_wake(store, call))
        return fnvm_error_new(FNVM_E_USAGE, "a host function that returns other than one number "
                              "cannot be woken with a value; have it called again");
    Resume r = {.call = call, .frames = frames, .n = n};
    fnvm_error *error = run_pushed(store, call->entry, push_suspended, &r, slots);
    free(r.going);
    return error;
}
