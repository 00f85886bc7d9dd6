/* Allocation, limits and threads of the managed heap.
 *
 * Boehm's collector is one per process and starts at the first allocation of any store.  It stops
 * only threads it knows (by the signals SIGPWR and SIGXCPU, which are then the process's no more),
 * so a thread is registered while it runs a store that has objects, and no longer.  A store's limit
 * is on live bytes: allocation runs on credit until the limit could be passed, then the store's
 * objects that survive a collection are counted.  Small objects come off lists of blocks that the
 * collector gave many at a time (ObjectLists): taking one is a few instructions, which compiled
 * code has inline. */
#include "vm/heap.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS /* threads are registered here, not where they are made */
#include <gc/gc.h>
#include <gc/gc_inline.h>
#include <gc/gc_mark.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/frames.h"
#include "vm/heap_account.h"
#include "vm/tunables.h"

/* Tags have the top bit set.  What else the collector finds in its heap (entries of free lists,
 * its thread records) begins with an address or zero, whose upper half, at the place of
 * Object.store, never has. */
enum { TAG_FIRST = INT32_MIN };

/* ---- The collector ---- */

/* The store for which this thread allocates: what the collector asks about takes no argument. */
static _Thread_local const Store *allocating;

/* The collector asks this again and again while it marks, all other threads being stopped: a
 * collection for a guest that is to stop is given up, and its work lost. */
static int GC_CALLBACK gives_up(void)
{
    return allocating && store_interrupted(allocating);
}

typedef struct StackBounds { uintptr_t low, high; } StackBounds;

static StackBounds thread_stack(void)
{
    static _Thread_local StackBounds cached; /* asking costs a read of /proc on the main thread */
    if (!cached.high) {
        pthread_attr_t attr;
        void *low;
        size_t size;
        if (pthread_getattr_np(pthread_self(), &attr) != 0) return cached;
        if (pthread_attr_getstack(&attr, &low, &size) == 0) {
            cached.low = (uintptr_t)low;
            cached.high = cached.low + size;
        }
        pthread_attr_destroy(&attr);
    }
    return cached;
}

/* The cold end of the stack that `frame` lies on; of a stack that is not the thread's own (an
 * embedder's coroutine) nothing is known above the frame itself. */
static struct GC_stack_base stack_base_of(void *frame)
{
    StackBounds s = thread_stack();
    uintptr_t at = (uintptr_t)frame;
    struct GC_stack_base base = {.mem_base = frame};
    if (at >= s.low && at < s.high) base.mem_base = (void *)s.high;
    return base;
}

/* Objects that the collector looks through, as all others, and does not clear: a large one takes so
 * long that the guest has to be stoppable meanwhile. */
static int uncleared_kind;

/* Leaves no thread registered, the caller's included: whichever thread comes first, and ends
 * first, is then like all others. */
static void collector_start(void)
{
    if (!GC_is_init_called()) { /* else the embedder uses the collector too: it has set it up */
        struct GC_stack_base base = stack_base_of(__builtin_frame_address(0));
        GC_set_no_dls(1); /* objects are never referred to from data segments */
        GC_set_all_interior_pointers(0);
        GC_set_dont_precollect(1);
        GC_set_markers_count(1); /* no threads of the collector's own */
        GC_set_warn_proc(GC_ignore_warn_proc);
        GC_set_stop_func(gives_up);
        GC_set_stackbottom(NULL, &base);
        GC_init();
        GC_allow_register_threads();
        heap_roots_install();
        uncleared_kind = (int)GC_new_kind(GC_new_free_list(), GC_DS_LENGTH, 1, 0);
        GC_unregister_my_thread();
    } else {
        GC_allow_register_threads();
        heap_roots_install();
        uncleared_kind = (int)GC_new_kind(GC_new_free_list(), GC_DS_LENGTH, 1, 0);
    }
}

static void thread_register(HeapAccount *a)
{
    struct GC_stack_base base = stack_base_of(__builtin_frame_address(0));
    sigset_t suspend, before;
    sigemptyset(&suspend);
    sigaddset(&suspend, GC_get_suspend_signal());
    a->registered = GC_register_my_thread(&base) == GC_SUCCESS;
    a->unblocked = a->registered && pthread_sigmask(SIG_UNBLOCK, &suspend, &before) == 0 &&
                   sigismember(&before, GC_get_suspend_signal()) == 1;
}

static void thread_unregister(HeapAccount *a)
{
    if (!a->registered) return;
    a->registered = false;
    GC_unregister_my_thread();
    if (a->unblocked) {
        sigset_t suspend;
        sigemptyset(&suspend);
        sigaddset(&suspend, GC_get_suspend_signal());
        pthread_sigmask(SIG_BLOCK, &suspend, NULL);
    }
}

void heap_enter(Store *store)
{
    if (store->heap_depth++ == 0 && store->heap) thread_register(store->heap);
}

void heap_leave(Store *store)
{
    if (--store->heap_depth == 0 && store->heap) thread_unregister(store->heap);
}

/* The collector scans the guest's stack as the thread's alternate one; what of the thread's own it
 * then leaves out, push_roots adds.  A thread has one at a time: that of the store it runs. */
void heap_know_code(Store *store)
{
    if (!store->engine->code_space || !GC_is_init_called() || !GC_thread_is_registered()) return;
    struct GC_stack_base base = stack_base_of(__builtin_frame_address(0));
    uint8_t *here = __builtin_frame_address(0);
    const Instance *owner = store->stack_owner;
    store->code_host_end = base.mem_base;
    heap_code_add(store);
    GC_register_altstack(here, (size_t)((uint8_t *)base.mem_base - here), owner->stack_base,
                         owner->context->stack.size);
}

/* ---- Accounts ---- */

static fnvm_trap account_open(Store *store)
{
    static pthread_once_t started = PTHREAD_ONCE_INIT;
    static atomic_uint tags;
    HeapAccount *a = calloc(1, sizeof *a);
    if (!a || pthread_once(&started, collector_start) != 0) {
        free(a);
        return FNVM_TRAP_HEAP_EXHAUSTED;
    }
    store->lists = (ObjectLists){.tag = atomic_fetch_add(&tags, 1) | (uint32_t)TAG_FIRST};
    a->limit_bytes = store->engine->config.max_heap_bytes;
    store->heap = a;
    heap_roots_add(store);
    if (store->heap_depth > 0) thread_register(a);
    if (store->stack_owner) heap_know_code(store);
    return FNVM_TRAP_NONE;
}

void heap_store_free(Store *store)
{
    heap_code_remove(store);
    if (!store->heap) return;
    heap_roots_remove(store);
    free(store->heap);
    store->heap = NULL;
    store->lists = (ObjectLists){0};
}

bool heap_keep(Store *store, const uint64_t *from, const uint64_t *to)
{
    if (!store->heap && (!from || account_open(store) != FNVM_TRAP_NONE)) return !from;
    heap_roots_keep(store->heap, from, to);
    return true;
}

typedef struct Still { void (*fn)(void *env); void *env; } Still;

static void *GC_CALLBACK call_still(void *arg)
{
    const Still *s = arg;
    s->fn(s->env);
    return NULL;
}

void heap_hold_still(Store *store, void (*fn)(void *env), void *env)
{
    Still s = {fn, env};
    if (store->heap) GC_call_with_alloc_lock(call_still, &s);
    else fn(env);
}

uint64_t heap_block_size(const Store *store, uint64_t address)
{
    void *at = (void *)(uintptr_t)address;
    return store->heap && GC_base(at) == at ? GC_size(at) : 0;
}

typedef struct Count { uint32_t tag; uint64_t bytes; } Count;

static void GC_CALLBACK count_object(void *object, size_t bytes, void *env)
{
    Count *count = env;
    if (((const Object *)object)->store == count->tag) count->bytes += bytes;
}

static void *GC_CALLBACK count_objects(void *count)
{
    GC_enumerate_reachable_objects_inner(count_object, count);
    return NULL;
}

/* Overwrites the stack where the collector's frames will be: between what those write themselves,
 * references left by earlier calls would keep objects alive that count against the limit. */
static __attribute__((noinline)) void clear_stack_below(void)
{
    uint8_t below[HEAP_CLEARED_STACK];
    memset(below, 0, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
}

/* What is on the lists was never used: it goes back, so that the credit is for all there is.
 * False: the store was interrupted, and nothing is known. */
static bool account_measure(Store *store)
{
    HeapAccount *a = store->heap;
    Count count = {.tag = store->lists.tag};
    memset(store->lists.head, 0, sizeof store->lists.head);
    clear_stack_below();
    if (!GC_try_to_collect(gives_up) && store_interrupted(store)) return false;
    GC_call_with_alloc_lock(count_objects, &count);
    a->live_bytes = count.bytes;
    a->allocated_bytes = 0;
    return true;
}

/* What an object takes in the collector's blocks: granules while small, pages when large. */
static uint64_t block_bytes(uint64_t size)
{
    uint64_t unit = size > 2048 ? 4096 : OBJECT_GRANULE;
    return (size + unit - 1) / unit * unit;
}

static fnvm_trap account_charge(Store *store, uint64_t size)
{
    HeapAccount *a = store->heap;
    uint64_t bytes = block_bytes(size);
    if (bytes > a->limit_bytes) return FNVM_TRAP_ALLOCATION_SIZE;
    if (a->live_bytes + a->allocated_bytes > a->limit_bytes - bytes) {
        if (!account_measure(store)) return FNVM_TRAP_INTERRUPTED;
        if (a->live_bytes > a->limit_bytes - a->limit_bytes / HEAP_HEADROOM ||
            a->live_bytes > a->limit_bytes - bytes)
            return FNVM_TRAP_HEAP_EXHAUSTED;
    }
    a->allocated_bytes += bytes;
    return FNVM_TRAP_NONE;
}

/* ---- Allocation ---- */

/* Fills an empty list with as many blocks as the collector has at hand, about a page of them; the
 * first is taken, and charged, already. */
static Object *list_fill(Store *store, bool has_refs, uint64_t granules)
{
    HeapAccount *a = store->heap;
    const size_t size = (size_t)granules * OBJECT_GRANULE;
    void **head = (void **)&store->lists.head[has_refs][granules];
    GC_generic_malloc_many(size + (GC_get_all_interior_pointers() ? OBJECT_GRANULE : 0),
                           has_refs ? GC_I_NORMAL : GC_I_PTRFREE, head);
    for (void **block = *head; block; block = *block) {
        if (!has_refs) memset(block + 1, 0, size - sizeof *block);
        if (block != *head) a->allocated_bytes += size;
    }
    return object_take(store, has_refs, granules);
}

/* A block of one object, cleared if it is small; NULL if there is no memory. */
static Object *block_new(Store *store, bool has_refs, uint64_t size)
{
    const HeapAccount *a = store->heap;
    if (size <= OBJECT_LISTED &&
        a->limit_bytes - a->live_bytes - a->allocated_bytes >= HEAP_LIST_BYTES)
        return list_fill(store, has_refs, object_granules(size));
    if (has_refs && size <= TUNE_PIECE_BYTES) return GC_malloc((size_t)size);
    return GC_generic_malloc((size_t)size, has_refs ? uncleared_kind : GC_I_PTRFREE);
}

/* A block that is all zero; large ones are cleared here, in pieces. */
static fnvm_trap block_cleared(Store *store, bool has_refs, uint64_t size, Object **out)
{
    Object *o = block_new(store, has_refs, size);
    if (!o) return store_interrupted(store) ? FNVM_TRAP_INTERRUPTED : FNVM_TRAP_HEAP_EXHAUSTED;
    *out = o;
    if (has_refs && size <= TUNE_PIECE_BYTES) return FNVM_TRAP_NONE;
    return bytes_fill(store, (uint8_t *)o, 0, size);
}

/* The collector must know where the guest's values end, and of a function whose code came compiled
 * only the verifier knows: that cannot be asked while all is stopped.  (Unknown, it is more that is
 * looked through.) */
static void know_frame(const Store *store)
{
    uint32_t top;
    if (store->stack_owner) frames_top(store, store->stack_owner, &top);
}

static fnvm_trap object_collect(Store *store, uint64_t size, bool has_refs, Object **out)
{
    fnvm_trap trap;
    if (!store->heap && (trap = account_open(store)) != FNVM_TRAP_NONE) return trap;
    HeapAccount *a = store->heap;
    know_frame(store);
    a->newest = 0; /* has found its place since */
    a->at_rest = true;
    allocating = store;
    trap = account_charge(store, size);
    if (!trap) trap = block_cleared(store, has_refs, size, out);
    allocating = NULL;
    a->at_rest = false;
    return trap;
}

/* A zeroed object; `has_refs` says whether the collector must look inside. */
static fnvm_trap object_new(Store *store, TypeId type, uint64_t size, bool has_refs, Object **out)
{
    fnvm_trap trap = FNVM_TRAP_NONE;
    heap_enter(store); /* an embedder may allocate between calls */
    Object *o = size <= OBJECT_LISTED ? object_take(store, has_refs, object_granules(size)) : NULL;
    if (!o) trap = object_collect(store, size, has_refs, &o);
    if (!trap) {
        o->type = type;
        o->store = store->lists.tag;
        store->heap->newest = (uint64_t)(uintptr_t)o;
        *out = o;
    }
    heap_leave(store);
    return trap;
}

fnvm_trap heap_new_struct(Store *store, const Type *type, uint64_t *out)
{
    Object *o = NULL;
    fnvm_trap trap = object_new(store, type->id, type->size, type->has_refs, &o);
    if (!trap) *out = (uint64_t)(uintptr_t)o;
    return trap;
}

fnvm_trap heap_new_array(Store *store, const Type *type, uint32_t length, uint64_t *out)
{
    Object *o = NULL;
    uint64_t size = sizeof(Array) + (uint64_t)length * storage_size(type->fields[0].type);
    fnvm_trap trap = object_new(store, type->id, size, type->has_refs, &o);
    if (trap) return trap;
    ((Array *)(void *)o)->length = length;
    *out = (uint64_t)(uintptr_t)o;
    return FNVM_TRAP_NONE;
}

fnvm_trap heap_new_exception(Store *store, TagRef tag, const Slot *payload, uint32_t nslots,
                             uint64_t *out)
{
    Object *o = NULL;
    uint64_t size = sizeof(Exception) + (uint64_t)nslots * sizeof(Slot);
    fnvm_trap trap = object_new(store, OBJECT_EXCEPTION, size, nslots > 0, &o);
    if (trap) return trap;
    Exception *e = (Exception *)(void *)o;
    e->tag = tag;
    e->nslots = nslots;
    if (nslots) memcpy(e->payload, payload, nslots * sizeof(Slot));
    *out = (uint64_t)(uintptr_t)o;
    return FNVM_TRAP_NONE;
}

fnvm_trap heap_new_host(Store *store, uint64_t value, uint64_t *out)
{
    Object *o = NULL;
    fnvm_trap trap = object_new(store, OBJECT_HOST, sizeof(HostObject), false, &o);
    if (trap) return trap;
    ((HostObject *)(void *)o)->value = value;
    *out = (uint64_t)(uintptr_t)o;
    return FNVM_TRAP_NONE;
}
