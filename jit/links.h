/* What compiled code and the rest of the engine have in common: the state of the processor in
 * passing, and the part of an instance that compiled code reads at fixed places. */
#ifndef FNVM_JIT_LINKS_H
#define FNVM_JIT_LINKS_H

#include "vm/types.h"

enum { JIT_INT_ARGS = 6, JIT_FLOAT_ARGS = 6 };

/* The frame register points this many bytes behind the frame's first slot, so that twice as many
 * slots are within reach of a one-byte displacement. */
enum { JIT_FP_BIAS = 128 };

/* Compiled code leaves this much room between the value stack and the control stack: stubs and
 * signal frames of handlers that do not ask for a stack of their own go there. */
enum { JIT_RED_ZONE = 16 * 1024 };

typedef union VectorBits { uint64_t half[2]; uint32_t word[4]; uint8_t byte[16]; } VectorBits;

/* Arguments travel in registers in the order of the parameters: the first six of integer or
 * reference type, the first six floats or vectors.  The others, and all results but the first, are
 * in their home slots (I3).  The first result is in the first integer or vector register.
 *
 * One per store.  `sp`, `fp` and `instance` describe the innermost compiled frame while code of the
 * host runs on its behalf, and say where to go on when it is entered again. */
typedef struct GuestCpu {
    void *host_sp;            /* the host's stack while the guest runs */
    uint8_t *sp;              /* innermost word of the control stack while the host runs */
    uint8_t *fp;              /* the frame register then: see JIT_FP_BIAS */
    struct fnvm_instance *instance; /* the instance register then */
    const void *resume;       /* code that jit_enter or a stub goes to */
    uint64_t ints[JIT_INT_ARGS];
    VectorBits floats[JIT_FLOAT_ARGS];
    uint64_t callee;          /* function index + 1, for the lazy stub */
    uint64_t exception;       /* with JIT_THROW: an exnref */
    fnvm_error *error;        /* with JIT_ERROR */
    uint32_t trap;            /* with JIT_TRAP: an fnvm_trap */
    uint32_t top;             /* slots in use above the frame, for a host function, or 0 */
    uint32_t frames_described; /* a debugger can unwind compiled frames: stubs.S */
} GuestCpu;

/* Zeroed blocks for objects of up to OBJECT_LISTED bytes, taken from the collector many at a time
 * and counted by the store's account.  A list by the granules its blocks have, apart where the
 * collector must look inside; each block's first word is the next one's address, 0 in the last.
 * The collector keeps what is on a list.  It may stop a thread while that takes a block, which is
 * at every moment on its list or in a register.  One per store. */
enum { OBJECT_GRANULE = 16, OBJECT_LISTED = 256 };
typedef struct ObjectLists {
    uint64_t head[2][OBJECT_LISTED / OBJECT_GRANULE + 1]; /* [has references][granules] */
    uint32_t tag;             /* in the head of every object of the store */
} ObjectLists;

typedef enum JitStub {     /* assembly, reached by `call [instance + ...]` */
    STUB_RUNTIME,          /* a call of the runtime: see jit/runtime.h */
    STUB_CALL_REF,         /* any callee: int 0 scratch = FuncRef, see stubs.S */
    STUB_TAIL_REF,
    STUB_TRAP,             /* trap number in the first scratch register */
    STUB_EXHAUSTED,        /* jumped to by a prologue before anything of the frame exists */
    STUB_COUNT
} JitStub;

/* First in Instance; its offsets are part of compiled code. */
typedef struct CodeLinks {
    uint8_t *memory;             /* base of memory 0; NULL without one */
    GuestCpu *cpu;               /* the store's */
    void *const *entries;        /* of the module's segment, by function index - imports */
    const TypeId *func_types;    /* module->funcs */
    const TypeId *types;         /* module->types */
    ObjectLists *lists;          /* the store's */
    const void *defined_types;   /* TypeRegistry.chunks of the engine */
    const void *stubs[STUB_COUNT];
} CodeLinks;

#endif
