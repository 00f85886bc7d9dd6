/* Capturing a suspended call: its control stack is read as the unwinder reads it, and what the
 * verifier knows of each frame says where references are.
 *
 * Compiled code leaves anything in the home slots of locals that nothing reads any more.  Those are
 * made values of their types here, so that whoever opens the image can demand that all values are;
 * the code that goes on does not notice. */
#include "vm/image/suspended.h"

#include <stdlib.h>

#include "loader/skip.h"
#include "vm/frames.h"

/* ---- Frames ---- */

typedef struct FrameList { ImageFrame *at; uint32_t n, capacity; } FrameList;

static bool add_frame(FrameList *list, ImageFrame frame)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity ? 2 * list->capacity : 64;
        ImageFrame *more = realloc(list->at, capacity * sizeof *more);
        if (!more) return false;
        list->at = more;
        list->capacity = capacity;
    }
    list->at[list->n++] = frame;
    return true;
}

/* Where the call that the frame waits for ends; 0 if it waits for none. */
static uint32_t call_end(const FrameView *f)
{
    if (!f->compiled) return f->pc + 1;
    const Module *m = f->instance->module;
    Reader r = {.bytes = m->bytes, .pos = f->pc,
                .end = m->bodies[f->func - m->n_imported_funcs].end};
    Op op;
    if (!reader_skip_instruction(&r, &op)) {
        fnvm_error_free(r.error);
        return 0;
    }
    return op == op_call || op == op_call_indirect || op == op_call_ref ? r.pos : 0;
}

static fnvm_error *read_frames(const Store *store, FrameList *list)
{
    const Instance *owner = store->stack_owner;
    FrameWalk w;
    frame_walk_start(&w, store, owner);
    while (frame_walk_next(&w)) {
        const FrameView *f = &w.frame;
        ImageFrame frame = {.instance = f->instance->id, .func = f->func, .pc = call_end(f),
                            .fp = slot_number(owner, f->fp)};
        if (frame.pc == 0)
            return fnvm_error_new(FNVM_E_UNSUPPORTED, "function %u is not at a call, so the guest "
                                  "cannot be frozen here", f->func);
        if (!add_frame(list, frame)) return error_no_memory();
    }
    for (uint32_t i = 0, j = list->n; i + 1 < j; i++) { /* outermost first */
        ImageFrame inner = list->at[i];
        list->at[i] = list->at[--j];
        list->at[j] = inner;
    }
    return NULL;
}

/* ---- What is in them ---- */

typedef struct Contents {
    Store *store;
    Instance *owner;
    const ImageFrame *frames;
    StackRef *refs;
    uint32_t nrefs, capacity;
} Contents;

static fnvm_error *add_ref(Contents *c, ValType type, uint32_t slot)
{
    const HeapType heap = type_heap(type);
    if (types_top(&c->store->engine->types, heap) == HEAP_FUNC) return NULL;
    if (c->nrefs == c->capacity) {
        uint32_t capacity = c->capacity ? 2 * c->capacity : 64;
        StackRef *more = realloc(c->refs, capacity * sizeof *more);
        if (!more) return error_no_memory();
        c->refs = more;
        c->capacity = capacity;
    }
    c->refs[c->nrefs++] = (StackRef){slot, heap};
    return NULL;
}

static fnvm_error *frame_refs(void *env, uint32_t i, const FrameTypes *t)
{
    Contents *c = env;
    fnvm_error *error = NULL;
    for (uint32_t v = 0; v < t->n && !error; v++)
        if (type_is_ref(t->values[v].type))
            error = add_ref(c, t->values[v].type, c->frames[i].fp + t->values[v].slot);
    return error;
}

static fnvm_error *argument_refs(Contents *c, const ImageCall *call)
{
    const Type *t = store_func_type(c->store, call->host);
    fnvm_error *error = NULL;
    for (uint32_t p = 0, slot = call->args; p < t->nparams && !error; p++) {
        if (type_is_ref(t->params[p])) error = add_ref(c, t->params[p], slot);
        slot += type_slots(t->params[p]);
    }
    return error;
}

static int by_slot(const void *a, const void *b)
{
    const StackRef *x = a, *y = b;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static fnvm_error *finish_refs(Contents *c, const ImageCall *call, fnvm_error *error,
                               StackRef **refs, uint32_t *nrefs)
{
    if (!error) error = argument_refs(c, call);
    if (error) {
        free(c->refs);
        return error;
    }
    if (c->nrefs) qsort(c->refs, c->nrefs, sizeof *c->refs, by_slot);
    *refs = c->refs;
    *nrefs = c->nrefs;
    return NULL;
}

fnvm_error *stack_refs(Store *store, const ImageCall *call, const ImageFrame *frames, uint32_t n,
                       StackRef **refs, uint32_t *nrefs)
{
    Contents c = {.store = store, .frames = frames};
    *refs = NULL;
    *nrefs = 0;
    if (call->owner == 0) return NULL;
    fnvm_error *error = frames_types(store, frames, n, frame_refs, &c);
    return finish_refs(&c, call, error, refs, nrefs);
}

/* ---- Capturing ---- */

/* Makes a local a value of its type, if it is not one: then it is dead. */
static void settle(Store *store, ValType type, Slot *slot)
{
    if (type == TYPE_BOTTOM) slot->i64 = 0;
    else if (type == TYPE_I32) slot->i64 = slot->i32;
    else if (type_is_ref(type) && types_top(&store->engine->types, type_heap(type)) == HEAP_FUNC &&
             !func_ref_fits(store, slot->i64, type))
        slot->i64 = 0;
}

static fnvm_error *capture_frame(void *env, uint32_t i, const FrameTypes *t)
{
    Contents *c = env;
    const uint32_t fp = c->frames[i].fp;
    if (!suspended_has_room(c->owner, (uint64_t)fp + t->code->frame_slots, i + 1))
        return fnvm_error_new(FNVM_E_LIMIT, "the guest has used up so much of its stack that its "
                              "frames might not fit when they are made again; freeze it where "
                              "calls are less deep, or give it a larger stack");
    for (uint32_t v = 0; v < t->nlocals; v++)
        settle(c->store, t->values[v].type, stack_slot(c->owner, fp + t->values[v].slot));
    return frame_refs(env, i, t);
}

static fnvm_error *check_suspended(const Store *store)
{
    if (store->host_depth > 1)
        return fnvm_error_new(FNVM_E_USAGE, "calls are nested: a host function, or the linking of an "
                              "import, has called back into the guest, which now is to be frozen; "
                              "freeze it outside of that");
    if (!store->stack_owner || !store->host_call.func)
        return fnvm_error_new(FNVM_E_USAGE, "the host function that is to freeze the guest was not "
                              "called by it; freeze the store instead, while nothing runs");
    return NULL;
}

static fnvm_error *capture(Store *store, StackCapture *out)
{
    const HostCall *h = &store->host_call;
    Instance *owner = store->stack_owner;
    const uint32_t args = slot_number(owner, h->args);
    out->call = (ImageCall){.owner = owner->id, .caller = h->caller->id, .host = h->func,
                            .entry = store->entry, .args = args};
    out->top = args + host_slots(store_func_type(store, h->func));
    FrameList list = {0};
    fnvm_error *error = read_frames(store, &list);
    out->frames = list.at;
    out->nframes = list.n;
    if (error) return error;
    if (!suspended_has_room(owner, out->top, list.n))
        return fnvm_error_new(FNVM_E_LIMIT, "the guest's stack is nearly full: it cannot be frozen "
                              "here");
    Contents c = {.store = store, .owner = owner, .frames = list.at};
    error = frames_types(store, list.at, list.n, capture_frame, &c);
    return finish_refs(&c, &out->call, error, &out->refs, &out->nrefs);
}

fnvm_error *stack_capture(Store *store, StackCapture *out)
{
    *out = (StackCapture){0};
    if (store->host_depth == 0) return NULL;
    fnvm_error *error = check_suspended(store);
    if (!error) error = capture(store, out);
    if (error) stack_capture_free(out);
    return error;
}

void stack_capture_free(StackCapture *c)
{
    free(c->frames);
    free(c->refs);
    *c = (StackCapture){0};
}

bool stack_can_wake(Store *store, const ImageCall *call)
{
    const Type *t = store_func_type(store, call->host);
    if (call->wake == FNVM_WAKE_REPEAT) return true;
    if (call->wake != FNVM_WAKE_RETURN || t->nresults > 1) return false;
    return t->nresults == 0 || (!type_is_ref(t->results[0]) && t->results[0] != TYPE_V128);
}
