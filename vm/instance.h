/* An instance is one region of addresses (I1):
 *
 *   poll page  readable until the guest is to be interrupted: compiled code reads it in its loops
 *   Instance   the host part: absolute addresses and engine objects; rewritten at a restore
 *   Context    what the guest can change, with no absolute address in it: sizes, drop flags, and
 *              the guest stack's registers; then globals
 *   tables     each reserved to its largest size
 *   stack      value stack growing up, control frames growing down, a guard page behind
 *   memories   each reserved to its largest size, with a guard behind
 *
 * The Instance lies a page behind the start of the region. */
#ifndef FNVM_VM_INSTANCE_H
#define FNVM_VM_INSTANCE_H

#include "jit/links.h"
#include "loader/module.h"
#include "verifier/verifier.h"

typedef fnvm_slot Slot;
typedef struct fnvm_store Store;
typedef struct fnvm_instance Instance;

/* References as they lie in slots, tables, globals and objects.
 *   func hierarchy: a FuncRef
 *   any, extern, exn hierarchies: 0, an i31 (value << 1 | 1), or the address of an Object
 * Null is 0 everywhere. */
typedef uint64_t FuncRef; /* instance id << 32 | (function index + 1); instance 0: host function */

static inline FuncRef funcref_make(uint32_t instance, uint32_t func)
{
    return (uint64_t)instance << 32 | (func + 1);
}
static inline uint32_t funcref_instance(FuncRef r) { return (uint32_t)(r >> 32); }
static inline uint32_t funcref_func(FuncRef r) { return (uint32_t)r - 1; }

typedef struct MemoryState { /* in the owner's Context */
    uint64_t size;      /* bytes */
    uint64_t max_size;  /* bytes it may grow to: the smaller of its type and the configuration */
    uint8_t page_log2;
    bool is64;
} MemoryState;
typedef struct TableState {
    uint64_t size;      /* elements */
    uint64_t max_size;
    bool is64;
} TableState;

/* An import or own definition, as code uses it: the state may lie in another instance. */
typedef struct MemoryRef {
    uint8_t *base;
    MemoryState *state;
    Instance *owner;
    uint32_t index;
} MemoryRef;
typedef struct TableRef {
    uint64_t *elems;
    TableState *state;
    Instance *owner;
    uint32_t index;
} TableRef;
typedef struct GlobalRef { Slot *value; Instance *owner; uint32_t index; } GlobalRef;
typedef struct TagRef { Instance *owner; uint32_t index; } TagRef; /* identity of a tag */

/* A control frame: no host addresses, so that a stack can be saved as it is.  Offsets are relative
 * to the module's bytes (pc), the function's side table (stp) and the value stack (fp).
 *
 * With flags it is a *marker*, which has no code of its own; see vm/frames.h. */
typedef struct Frame {
    uint32_t instance; /* id in the store */
    uint32_t func;
    uint32_t pc;       /* where to go on: the instruction after the call */
    uint32_t stp;
    uint32_t fp;       /* slot of its first local */
    uint32_t flags;    /* FRAME_*; 0: a function that the interpreter runs */
} Frame;
enum {
    FRAME_ENTRY = 1,   /* the host called what is inner: returning to it returns to the host */
    FRAME_COMPILED = 2 /* what is outer is compiled code of `instance`, whose frame register was at
                        * `fp` when it called */
};

typedef struct Stack { /* in Context; offsets in bytes from the start of the stack area */
    uint32_t size;
    uint32_t frames;   /* innermost control frame; == size when there is none */
    uint32_t top;      /* slots in use by the innermost frame, when the guest is not running */
    uint32_t compiled; /* 1: the innermost frame is compiled code's.  Where that is, and its slots,
                        * is in the store's GuestCpu then: `frames` and `top` are out of date */
} Stack;

typedef struct Context { /* no pointers in here */
    Stack stack;
    uint64_t reserved[6];
    /* then, at offsets the region's layout decides: globals, references of element segments,
     * MemoryState and TableState of own memories and tables, drop flags */
} Context;

/* Where elem_item last read: segments are byte ranges, walked in order. */
typedef struct ElemCursor { uint32_t elem, item, pos; } ElemCursor;

struct fnvm_instance {
    CodeLinks links;          /* what compiled code reads most */
    /* Hot, in the order the interpreter reads them. */
    Module *module;
    MemoryRef *memories;      /* module->nmemories, imports first */
    TableRef *tables;
    Slot *globals;            /* own globals: two slots each */
    GlobalRef *imported_globals;
    FuncRef *imported_funcs;  /* 0: not linked yet, see linker_resolve_func */
    TagRef *tags;
    Store *store;
    uint8_t *stack_base;      /* start of the stack area */
    Context *context;
    uint32_t id;              /* in the store, from 1 */
    uint8_t *dropped_elems, *dropped_datas; /* in the context area: one byte each */
    MemoryRef *memory_export; /* the memory exported as "memory", or NULL */
    /* Items of passive segments outside the func hierarchy, which may be fresh objects and so are
     * evaluated once (4.7.2): in the context area, scanned by the collector.  elem_values[i] is
     * segment i's part of elem_refs, NULL if it has none; elem_values itself may be NULL. */
    uint64_t *elem_refs;
    size_t nelem_refs;
    uint64_t **elem_values;
    bool elem_refs_ready;
    bool failed;              /* its globals, tables and memories were not all initialised (4.7.2) */
    ElemCursor cursor;
    size_t region_size;
    struct RegionRange *written; /* pages that region_reset found to be the instance's own; owned */
    uint32_t nwritten, written_cap;
    bool written_known;
    Instance *next_polled;    /* in the store's list, see store_add_polled */
    void *linker_state;       /* what linker_resolve_func needs: import i was left to first use */
};

/* Grows by `delta` pages (elements, filled with `value`); returns false and changes nothing if that
 * is not to be had, or if the store was interrupted while a table was filled.  *old is the size
 * before. */
bool memory_grow(MemoryRef *, uint64_t delta_pages, uint64_t *old_pages);
bool table_grow(TableRef *, uint64_t delta, uint64_t value, uint64_t *old);

/* Links `imports` (module->nimports externs, type-checked here; a func extern of bits 0 is left to
 * linker_resolve_func), initialises globals, tables and memories, copies active segments, runs the
 * start function.  On failure the instance stays in the store, unreachable but by what it wrote
 * before, as the standard has it (4.7.2).  `linker_state` is taken over, failure or not. */
fnvm_error *instance_new(Store *, Module *m, const fnvm_extern *imports, void *linker_state,
                         Instance **out);

/* The steps of making an instance that restoring one takes, too: the store gives it an id; an
 * import (but functions that are linked later) becomes what `e` says, unchecked; then what follows
 * from all links. */
fnvm_error *store_add_instance(Store *, Instance *);
void instance_link(Instance *, const Import *, fnvm_extern e);
void instance_finish_links(Instance *);

/* Externs carry: func {FuncRef, 0}; others {Instance * as integer, index in its index space}. */
fnvm_extern instance_extern(Instance *, fnvm_externkind, uint32_t index);
FuncRef instance_func(Instance *, uint32_t func); /* what ref.func makes: imports resolve to the
                                                     function imported; 0 if that failed to link */
/* The same, and why it failed; `func` is below module->nfuncs. */
fnvm_error *instance_link_func(Instance *, uint32_t func, FuncRef *out);

/* "module.name" of an import for messages, control characters escaped; like snprintf. */
size_t import_print(const Module *, const Import *, char *text, size_t size);

/* Whether what `e` refers to may be imported as `import` (4.5.2): NULL, or an error of code
 * FNVM_E_LINK "incompatible import type: ...". */
fnvm_error *import_check(Store *, const Module *, const Import *, fnvm_extern e);

/* Bulk operations, shared by the engines and instantiation.  They check first and then cannot
 * fail, so that a trap leaves nothing half done, with one exception: an interrupted store's
 * operation over much ends with INTERRUPTED after a part. */
fnvm_trap memory_init(Instance *, uint32_t mem, uint32_t data, uint64_t d, uint64_t s, uint64_t n);
fnvm_trap memory_copy(Instance *, uint32_t dmem, uint32_t smem, uint64_t d, uint64_t s, uint64_t n);
fnvm_trap memory_fill(Instance *, uint32_t mem, uint64_t d, uint8_t value, uint64_t n);
/* May evaluate constant expressions, hence the error. */
fnvm_error *table_init(Instance *, uint32_t table, uint32_t elem, uint64_t d, uint64_t s,
                       uint64_t n);
fnvm_trap table_copy(Instance *, uint32_t dtable, uint32_t stable, uint64_t d, uint64_t s,
                     uint64_t n);
fnvm_trap table_fill(Instance *, uint32_t table, uint64_t d, uint64_t value, uint64_t n);

/* Evaluates a (verified) constant expression; a v128 fills both slots of `out`. */
fnvm_error *constant_eval(Instance *, Range expr, Slot out[2]);
/* Item `i` of an element segment; reading them in order costs a step each. */
fnvm_error *elem_item(Instance *, uint32_t elem, uint32_t i, uint64_t *out);
/* Items [at, at + n), which are there. */
fnvm_error *elem_items(Instance *, uint32_t elem, uint32_t at, uint32_t n, uint64_t *out);

/* What bulk operations are made of: like memmove and memset, but that they stop with INTERRUPTED
 * between two pieces if the store is to stop.  refs_fill returns how many it has filled. */
fnvm_trap bytes_copy(const Store *, uint8_t *to, const uint8_t *from, uint64_t n);
fnvm_trap bytes_fill(const Store *, uint8_t *to, uint8_t value, uint64_t n);
uint64_t refs_fill(const Store *, uint64_t *to, uint64_t value, uint64_t n);

#endif
