/* Roots: where live references lie outside of the heap.
 *
 * The collector calls back, its lock held and all registered threads stopped, and walks the stores
 * that have objects.  A thread may be stopped anywhere, so what this reads must be sound at every
 * moment: arrays of roots change address only through heap_resize_roots, and a frame is complete
 * before it becomes its stack's innermost.  Threads' own stacks and registers are the collector's
 * business. */
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/frames.h"
#include "vm/heap_account.h"
#include "vm/tunables.h"

/* The lists and the hooks belong to the process, like the collector; its lock guards them. */
static struct {
    Store *stores;
    GC_push_other_roots_proc previous; /* pushes the stacks of the registered threads */
    atomic_bool installed;
    Store *code; /* stores whose compiled code the collector may stop */
} roots;

/* A guest stopped between two instructions of the engine may be moving arguments for a frame it
 * has not finished; as many as a function may have (v128 take two slots) lie there at most. */
enum { SLOTS_IN_MOTION = 2 * LIMIT_PARAMS };

static void push_slots(const void *from, const void *to)
{
    if (from && from < to) GC_push_all_eager((void *)from, (void *)to);
}

/* Where the slots of a frame end, as an offset from the start of the stack.  Checks everything:
 * the frame may be half written. */
static uint64_t frame_end(const Store *store, const Frame *f)
{
    uint64_t end = (uint64_t)f->fp * sizeof(Slot);
    if (f->instance == 0 || f->instance >= store->ninstances) return end;
    const Module *m = store->instances[f->instance]->module;
    if (f->func < m->n_imported_funcs || f->func >= m->nfuncs) return end;
    const FuncCode *code = frame_code(store->instances[f->instance], f);
    return code ? end + code->frame_slots * sizeof(Slot) : end;
}

/* The values up to the innermost frame's last, of a guest at rest.  Beyond lie leftovers that would
 * only keep garbage alive. */
static uint64_t stack_end_at_rest(const Store *store, const Instance *owner)
{
    FrameWalk w;
    frame_walk_start(&w, store, owner);
    const uint64_t top = (uint64_t)(owner->context->stack.compiled ? store->cpu.top
                                                                    : owner->context->stack.top);
    if (!frame_walk_next(&w)) return top * sizeof(Slot);
    const FuncCode *code = frame_view_code(&w.frame);
    if (!code) return owner->context->stack.size;
    uint64_t end = slot_number(owner, w.frame.fp) + (uint64_t)code->frame_slots;
    const bool beyond = w.compiled || store->host_call.func || store->waiting.owner; /* arguments */
    return (beyond && top > end ? top : end) * sizeof(Slot);
}

/* The same while the guest may be anywhere.  In compiled code nothing tells where it is; around
 * markers, what is in motion could be. */
static uint64_t stack_end_in_motion(const Store *store, const Instance *owner)
{
    const Stack *stack = &owner->context->stack;
    const Frame *inner = frame_at(owner, stack->frames);
    if (stack->compiled || inner->flags) return stack->size;
    bool is_last = stack->size - stack->frames <= sizeof *inner;
    uint64_t end = frame_end(store, inner), outer = is_last ? 0 : frame_end(store, inner + 1);
    return (outer > end ? outer : end) + SLOTS_IN_MOTION * sizeof(Slot);
}

/* All of the control stack is no root but in compiled code: there, registers saved by the signal
 * that stopped the thread lie on it. */
static void push_stack(const Store *store, const Instance *owner)
{
    if (!owner->stack_base || !owner->context) return;
    const Stack *stack = &owner->context->stack;
    if (stack->frames >= stack->size && !stack->compiled) return; /* nothing runs on it */
    const bool at_rest = store->heap->at_rest || store->waiting.owner;
    uint64_t end = at_rest ? stack_end_at_rest(store, owner) : stack_end_in_motion(store, owner);
    uint64_t limit = stack->compiled ? stack->size : stack->frames;
    push_slots(owner->stack_base, owner->stack_base + (end < limit ? end : limit));
}

static bool may_hold_objects(const Module *m, ValType type)
{
    return type_is_ref(type) && types_top(&m->engine->types, type_heap(type)) != HEAP_FUNC;
}

static void push_instance(const Store *store, const Instance *inst)
{
    const Module *m = inst->module;
    push_stack(store, inst);
    if (!m) return;
    push_slots(inst->elem_refs, inst->elem_refs + inst->nelem_refs);
    for (uint32_t i = m->n_imported_tables; inst->tables && i < m->ntables; i++) {
        const TableRef *t = &inst->tables[i];
        if (t->elems && t->state && may_hold_objects(m, m->tables[i].type.elem))
            push_slots(t->elems, t->elems + t->state->size);
    }
    for (uint32_t i = m->n_imported_globals; inst->globals && i < m->nglobals; i++) {
        const Slot *value = &inst->globals[2 * (size_t)(i - m->n_imported_globals)];
        if (may_hold_objects(m, m->globals[i].type.type)) push_slots(value, value + 1);
    }
}

/* A thread that was stopped on a guest's stack: the collector scans that from where it was stopped,
 * but not the thread's own, which ends where it entered the guest. */
static void push_host_stacks(void)
{
    for (const Store *s = roots.code; s; s = s->code_next)
        if (s->stack_owner && s->cpu.host_sp) push_slots(s->cpu.host_sp, s->code_host_end);
}

/* The collector finds one block through another only where it looks inside of them. */
static void push_lists(const ObjectLists *lists)
{
    push_slots(lists->head[1], lists->head[1] + sizeof lists->head[1] / sizeof *lists->head[1]);
    for (uint32_t i = 0; i < sizeof lists->head[0] / sizeof *lists->head[0]; i++)
        for (uint64_t block = lists->head[0][i]; block;) {
            push_slots(&block, &block + 1);
            memcpy(&block, ref_object(block), sizeof block);
        }
}

static void GC_CALLBACK push_roots(void)
{
    if (roots.previous) roots.previous();
    push_host_stacks();
    for (const Store *s = roots.stores; s; s = s->heap_next) {
        push_slots(&s->heap->newest, &s->heap->newest + 1);
        push_slots(s->heap->kept, s->heap->kept_end);
        push_lists(&s->lists);
        push_slots(&s->exception, &s->exception + 1);
        push_slots(&s->cpu.exception, &s->cpu.exception + 1);
        push_slots(s->cpu.ints, s->cpu.ints + JIT_INT_ARGS);
        if (s->nrefs) push_slots(s->refs, s->refs + s->nrefs);
        for (uint32_t i = 1; i < s->ninstances; i++)
            if (s->instances[i]) push_instance(s, s->instances[i]);
    }
}

static void *GC_CALLBACK install(void *unused)
{
    (void)unused;
    roots.previous = GC_get_push_other_roots();
    GC_set_push_other_roots(push_roots);
    return NULL;
}

void heap_roots_install(void)
{
    GC_call_with_alloc_lock(install, NULL);
    atomic_store(&roots.installed, true);
}

static void *GC_CALLBACK list_add(void *arg)
{
    Store *store = arg;
    store->heap_prev = NULL;
    store->heap_next = roots.stores;
    if (roots.stores) roots.stores->heap_prev = store;
    roots.stores = store;
    return NULL;
}

static void *GC_CALLBACK list_remove(void *arg)
{
    Store *store = arg;
    if (store->heap_next) store->heap_next->heap_prev = store->heap_prev;
    if (store->heap_prev) store->heap_prev->heap_next = store->heap_next;
    else roots.stores = store->heap_next;
    store->heap_next = store->heap_prev = NULL;
    return NULL;
}

typedef struct Keep { HeapAccount *account; const uint64_t *from, *to; } Keep;

static void *GC_CALLBACK set_kept(void *arg)
{
    const Keep *k = arg;
    k->account->kept = k->from;
    k->account->kept_end = k->to;
    return NULL;
}

void heap_roots_keep(HeapAccount *a, const uint64_t *from, const uint64_t *to)
{
    Keep k = {a, from, to};
    GC_call_with_alloc_lock(set_kept, &k);
}

void heap_roots_add(Store *store) { GC_call_with_alloc_lock(list_add, store); }
void heap_roots_remove(Store *store) { GC_call_with_alloc_lock(list_remove, store); }

static void *GC_CALLBACK code_add(void *arg)
{
    Store *store = arg;
    store->code_next = roots.code;
    roots.code = store;
    return NULL;
}

static void *GC_CALLBACK code_remove(void *arg)
{
    Store *store = arg, **at = &roots.code;
    while (*at != store) at = &(*at)->code_next;
    *at = store->code_next;
    return NULL;
}

void heap_code_add(Store *store)
{
    if (!store->code_known) GC_call_with_alloc_lock(code_add, store);
    store->code_known = true;
}

void heap_code_remove(Store *store)
{
    if (store->code_known) GC_call_with_alloc_lock(code_remove, store);
    store->code_known = false;
}

typedef struct Resize { void **array; void *bigger; } Resize;

static void *GC_CALLBACK swap_array(void *arg)
{
    const Resize *r = arg;
    void *old = *r->array;
    *r->array = r->bigger;
    return old;
}

bool heap_resize_roots(void **array, size_t old_bytes, size_t new_bytes)
{
    Resize r = {.array = array, .bigger = calloc(1, new_bytes)};
    if (!r.bigger) return false;
    if (*array) memcpy(r.bigger, *array, old_bytes);
    free(atomic_load(&roots.installed) ? GC_call_with_alloc_lock(swap_array, &r) : swap_array(&r));
    return true;
}
