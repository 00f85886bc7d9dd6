/* The store: all instances, host functions and managed objects of one guest world.  One thread
 * at a time; only `interrupt` may be touched from others. */
#ifndef FNVM_VM_STORE_H
#define FNVM_VM_STORE_H

#include "vm/instance.h"

typedef struct HostFunc {
    TypeId type; /* held */
    fnvm_host_fn fn;
    void *env;
    char *name; /* "module.name" for messages, or NULL; owned */
} HostFunc;

/* A host function that guest code has called and that has not returned. */
typedef struct HostCall {
    FuncRef func;             /* 0: none */
    Instance *caller;
    Slot *args;               /* on the stack of stack_owner */
    uint8_t wake;             /* 1 + what fnvm_caller_suspend was asked for; 0: it was not */
} HostCall;

/* A guest that was left waiting in a host function.  Its frames are on its stack as they were in
 * that call; where compiled code waits, the store's GuestCpu is as it was, too. */
typedef struct Waiting {
    Instance *owner;          /* of the stack; NULL: no guest waits */
    HostCall call;            /* what it waits in */
    Stack before;             /* the stack's registers before the embedder's call */
    uint32_t results;         /* the slot where the results of that will be */
} Waiting;

/* How many page faults a thread had had when the store was clean last.  Valid while nothing was done
 * to the store on another thread: see store_touch. */
typedef struct CleanMark { pthread_t thread; uint64_t faults; bool valid; } CleanMark;

struct fnvm_caller { Store *store; Instance *instance; /* NULL: called by the host itself */ };

typedef struct RefHandle { uint8_t top; uint64_t bits; } RefHandle; /* top: see types_top */

struct fnvm_store {
    fnvm_engine *engine;
    atomic_bool interrupt;
    _Atomic int interrupt_fd;  /* eventfd, made when first asked for; -1 until then */
    int64_t fuel;              /* below zero: out of it */

    Instance **instances;      /* by id; [0] is NULL, and so are those that were removed */
    uint32_t ninstances, instances_cap; /* ninstances counts [0] and */
    uint32_t nremoved;
    HostFunc *host_funcs;
    uint32_t nhost_funcs, host_funcs_cap;

    GuestCpu cpu;              /* of compiled code */
    _Atomic(Instance *) polled; /* instances with compiled code, by next_polled */

    Instance *stack_owner;     /* whose stack runs now; NULL while no guest code does */
    uint32_t host_depth;       /* calls by the host nested in one another */
    FuncRef entry;             /* what the outermost of them called */
    HostCall host_call;        /* the innermost one */
    Waiting waiting;           /* with an owner: nothing runs, and `entry` is its guest's */
    bool starting;             /* a start function runs: it cannot be left waiting */
    bool repeating;            /* the host function in which the guest waited is called again */

    uint32_t constant_slots;   /* operand slots that constant expressions being evaluated hold */
    uint64_t exception;        /* thrown through a host function: an exnref, else 0 */
    RefHandle *refs;           /* fnvm_ref handles: index + 1; scanned by the collector */
    uint32_t nrefs, refs_cap;

    struct HeapAccount *heap;  /* vm/heap.h; NULL until something is allocated */
    ObjectLists lists;         /* empty until then */
    uint32_t heap_depth;       /* heap_enter calls that are open */
    Store *heap_next, *heap_prev; /* the collector's list of stores to scan */
    bool code_known;           /* on the collector's list of stores with compiled code: */
    Store *code_next;
    void *code_host_end;       /* the cold end of the stack of the thread that runs it */

    void *data;                /* the embedder's */
    struct fnvm_image *image;  /* it was restored from, retained; or NULL */
    struct fnvm_wasi *wasi;    /* what its guest has of the system, with an image; the embedder's */
    int64_t fuel_restored;     /* what it had then */
    uint64_t fuel_given;       /* by fnvm_store_set_fuel, for messages */
    CleanMark clean;
    bool memory_exposed;       /* the embedder was given an address of guest memory, to which he may
                                * write on any thread from now on */
    bool resumable;            /* the image's suspended call has yet to go on */
    uint64_t generation;       /* fnvm:snapshot's; 0: never restored, 1: to be drawn when asked for */

    struct StoreNatives *natives;   /* native functions (stdlib/native.h), or NULL */
    void (*natives_free)(struct StoreNatives *);

    bool keep_trap_state;      /* fnvm_store_keep_trap_state */
    struct TrapRecord *trap_record; /* frames and state for a core dump of the last trap */
    uint64_t trap_records;          /* made so far */
};

/* Whether the guest is to stop.  Any thread may have asked for it, so whoever works long for a
 * guest looks now and then. */
static inline bool store_interrupted(const Store *store)
{
    return atomic_load_explicit(&store->interrupt, memory_order_relaxed);
}

/* To be called where the embedder is about to change a store, or to have its guest run. */
static inline void store_touch(Store *s)
{
    if (s->clean.valid && !pthread_equal(s->clean.thread, pthread_self())) s->clean.valid = false;
}

/* What ends work that a guest's first calls cause, and instantiation. */
static inline Stop store_stop(const Store *s) { return (Stop){&s->engine->interrupt, &s->interrupt}; }

/* The memory that the calling instance exports as "memory", or NULL. */
static inline const MemoryRef *caller_memory(const fnvm_caller *caller)
{
    return caller->instance ? caller->instance->memory_export : NULL;
}

/* The store holds the type from then on, too. */
fnvm_error *store_add_host_func(Store *, TypeId, fnvm_host_fn, void *env, const char *name,
                                FuncRef *out);
const Type *store_func_type(Store *, FuncRef);

/* A function as the embedder has it.  It names its store, so that another's is told from it; what
 * links modules leaves that out (0). */
static inline fnvm_extern store_func_extern(const Store *s, FuncRef func)
{
    return (fnvm_extern){FNVM_EXTERN_FUNC, {func, (uintptr_t)s}};
}

static inline bool store_has_extern(const Store *s, fnvm_extern e)
{
    if (e.kind == FNVM_EXTERN_FUNC) return !e.of[1] || e.of[1] == (uintptr_t)s;
    return e.of[0] && ((const Instance *)(uintptr_t)e.of[0])->store == s;
}

/* The instance that owns what `e` refers to, or NULL if that is of another kind or store. */
static inline Instance *store_extern_instance(const Store *s, fnvm_extern e, fnvm_externkind kind)
{
    Instance *inst = e.kind == kind ? (Instance *)(uintptr_t)e.of[0] : NULL;
    return inst && inst->store == s ? inst : NULL;
}

/* fnvm_ref handles and the bits that slots hold. */
fnvm_error *store_ref_handle(Store *, HeapType top, uint64_t bits, fnvm_ref *out);
bool store_ref_bits(Store *, fnvm_ref, HeapType *top, uint64_t *bits);

/* Whether bits of the hierarchy `top` (any and extern may stand for each other: the conversions
 * between them change nothing) are a value of the reference type. */
bool store_ref_fits(Store *, HeapType top, uint64_t bits, ValType type);

/* A host value and the slots that hold it (two for a v128).  To slots: the kind and a reference's
 * type are checked, FNVM_E_USAGE says what did not fit.  To values: references make handles. */
fnvm_error *store_value_to_slots(Store *, const fnvm_val *, ValType, Slot *out);
fnvm_error *store_value_from_slots(Store *, const Slot *, ValType, fnvm_val *out);

/* Ends an instance before its store: for whoever knows that no reference to it or to anything in its region is
 * left anywhere.  Nothing runs, and no other thread interrupts the store meanwhile.  Ids are not used again. */
void store_remove_instance(Store *, Instance *);

/* Takes an instance into the list of those that fnvm_store_interrupt stops at their polls. */
void store_add_polled(Store *, Instance *);

/* The descriptor that is readable once the store is interrupted, -1 if none can be made. */
int store_interrupt_fd(Store *);

#endif
