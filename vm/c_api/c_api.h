/* What the parts of the standard interface (include/wasm.h) share: how its objects lie in memory,
 * and who keeps what alive.
 *
 * A reference that the host holds is a *record* (wasm_ref_t at its start), and copies of it are
 * counts: an object of the store has one record at most, so that two references are the same if
 * their addresses are.  The store finds the records of functions, globals, tables, memories,
 * tags, instances and guest objects by a key.  When the store is deleted, records that the host
 * still counts stay behind without one.
 *
 * Nothing here takes locks: a store and all of its records are one thread's at a time. */
#ifndef FNVM_VM_C_API_H
#define FNVM_VM_C_API_H

#include "vm/store.h"
#include "wasm.h"

/* ---- Types: plain data ---- */

struct wasm_valtype_t { wasm_valkind_t kind; };
enum { VALKIND_V128 = 4 }; /* the standard has no name for it */

struct wasm_externtype_t { wasm_externkind_t kind; };
struct wasm_functype_t { wasm_externtype_t head; wasm_valtype_vec_t params, results; };
struct wasm_globaltype_t {
    wasm_externtype_t head;
    wasm_mutability_t mutability;
    wasm_valtype_t *content;
};
struct wasm_tabletype_t { wasm_externtype_t head; wasm_limits_t limits; wasm_valtype_t *element; };
struct wasm_memorytype_t { wasm_externtype_t head; wasm_limits_t limits; };
struct wasm_tagtype_t { wasm_externtype_t head; wasm_functype_t *functype; };
struct wasm_importtype_t { wasm_name_t module, name; wasm_externtype_t *type; };
struct wasm_exporttype_t { wasm_name_t name; wasm_externtype_t *type; };

wasm_valkind_t valkind_of(const TypeRegistry *, ValType); /* the nearest */
bool valkind_type(wasm_valkind_t, ValType *out);          /* false: none of the six */
wasm_functype_t *functype_of(const TypeRegistry *, const Type *);
/* The type of what a module has at an index. */
wasm_externtype_t *externtype_of(const Module *, fnvm_externkind, uint32_t index);
wasm_externkind_t externkind_of(fnvm_externkind);
fnvm_externkind fnvm_externkind_of(wasm_externkind_t);

/* ---- Records ---- */

typedef enum RefKind { /* the first five are wasm_externkind_t's */
    REF_FUNC = WASM_EXTERN_FUNC, REF_GLOBAL = WASM_EXTERN_GLOBAL, REF_TABLE = WASM_EXTERN_TABLE,
    REF_MEMORY = WASM_EXTERN_MEMORY, REF_TAG = WASM_EXTERN_TAG, REF_INSTANCE,
    REF_OBJECT, /* what only a guest can make: an i31, a struct, ...; as an externref */
    REF_MODULE, REF_TRAP, REF_FOREIGN
} RefKind;

struct wasm_ref_t {
    uint8_t kind;           /* RefKind */
    bool is_static;         /* never counted, changed or freed */
    bool pinned;            /* the guest may have it: stays until the store goes */
    size_t refs;            /* the host's, and those of frames */
    wasm_store_t *store;    /* NULL: it was deleted */
    void *info;
    void (*finalizer)(void *);
    wasm_ref_t *next, *previous; /* all records of the store */
    uint64_t key[2];        /* externs: fnvm_extern.of; REF_INSTANCE: Instance *;
                             * REF_OBJECT: bits and HeapType of its hierarchy */
    wasm_ref_t *chain;      /* in a bucket of the store's */
    wasm_instance_t *owner; /* whose region it lies in; NULL for host functions and other kinds */
    wasm_ref_t *next_part, *previous_part; /* all records with that owner */
};

struct wasm_func_t { wasm_ref_t ref; };
struct wasm_global_t { wasm_ref_t ref; };
struct wasm_table_t { wasm_ref_t ref; };
struct wasm_memory_t { wasm_ref_t ref; };
struct wasm_extern_t { wasm_ref_t ref; };
struct wasm_foreign_t { wasm_ref_t ref; };
struct wasm_module_t { wasm_ref_t ref; Module *module; }; /* retained */
struct wasm_shared_module_t { Module *module; };
typedef struct ObjectRef {
    wasm_ref_t ref;
    fnvm_ref handle;
} ObjectRef; /* the handle is its root */

struct wasm_frame_t {
    wasm_instance_t *instance; /* a reference of its own; NULL where memory for it lacked */
    uint32_t func;
    size_t func_offset, module_offset;
};
struct wasm_trap_t {
    wasm_ref_t ref;
    wasm_message_t message; /* with its NUL */
    wasm_frame_t *frames;
    size_t nframes;
};

/* The record of an instance exists from its first use on and ends with it.  An instance can go
 * before its store does once nothing `uses` it and no reference of its own can be with anyone
 * else (vm/c_api/reach.c). */
struct wasm_instance_t {
    wasm_ref_t ref;           /* pinned: it stays */
    Instance *instance;       /* NULL: gone */
    size_t uses; /* 1 for refs > 0, parts with refs > 0, instances that import from it */
    wasm_ref_t *parts;
    wasm_instance_t **imports; /* each of which counts this one in its uses */
    size_t nimports;
    bool queued;
    wasm_instance_t *next_unused;
};

/* A new record with one reference, of `size` bytes; NULL: out of memory. */
void *ref_new(wasm_store_t *, RefKind, size_t size);
void ref_retain(wasm_ref_t *);
void ref_release(wasm_ref_t *); /* may end the store, where that was to be deleted meanwhile */
/* The guest may have it from now on. */
void ref_pin(wasm_ref_t *);
/* Takes it from its store and calls its finalizer.  Freed once nobody counts it. */
void ref_end(wasm_ref_t *);
void ref_detach(wasm_ref_t *); /* the first half of that */
/* Looks a record up by its key; not retained. */
wasm_ref_t *ref_find(const wasm_store_t *, RefKind, uint64_t a, uint64_t b);
void ref_add_key(wasm_ref_t *, uint64_t a, uint64_t b);
void ref_set_owner(wasm_ref_t *, wasm_instance_t *);

/* The record of a definition of the store, retained; NULL: out of memory. */
wasm_ref_t *extern_ref(wasm_store_t *, fnvm_extern);
fnvm_extern ref_extern(const wasm_ref_t *); /* of a REF_FUNC to REF_TAG */
/* The same for any definition of this kind, looked at from the inside: NULL unless it is one, and
 * alive. */
Instance *ref_instance(const wasm_ref_t *, RefKind);

void trap_free_parts(wasm_trap_t *);

/* ---- Stores ---- */

struct wasm_engine_t { fnvm_engine *engine; };

typedef struct Closure { /* a host function's; lives as long as the store */
    struct Closure *next;
    wasm_store_t *store;
    TypeId type; /* which the store holds */
    wasm_func_callback_t callback; /* one of the two */
    wasm_func_callback_with_env_t callback_with_env;
    void *env;
    void (*finalizer)(void *);
} Closure;

struct wasm_store_t {
    fnvm_store *store;
    wasm_ref_t *refs;           /* all records */
    wasm_ref_t **buckets;       /* those with keys */
    size_t nbuckets, nkeyed;
    Closure *closures;
    fnvm_ref free_handle;       /* of fnvm_store.refs, chained through their bits; 0: none */
    wasm_instance_t *unused;    /* to be looked at: reach.c */
    wasm_trap_t *passing;       /* a host function returned it as `passing_error`; owned */
    const fnvm_error *passing_error;
    size_t depth;               /* calls into the guest and of finalizers that are open */
    bool dying;
    bool delete_later;          /* when they have ended */
    bool keep_all;              /* instances: the host has seen an object that may refer to any */
};

/* Around whatever may run guest code or finalizers.  After the outermost store_leave the store
 * may be gone. */
void store_enter(wasm_store_t *);
void store_leave(wasm_store_t *);

/* ---- Instances and what keeps them ---- */

/* The record of an instance, made now if need be; not retained.  NULL: out of memory. */
wasm_instance_t *instance_record(wasm_store_t *, Instance *);
/* The record is one of an instance that imports these, all of them there. */
void instance_note_imports(wasm_instance_t *, wasm_extern_t *const imports[], size_t n);
void instance_use(wasm_instance_t *);
void instance_unuse(wasm_instance_t *); /* it may be ended at the next store_leave */
void instance_look(wasm_instance_t *);  /* the same, if nothing uses it already */
void store_sweep(wasm_store_t *);       /* while no guest runs: ends those that can go */

/* ---- Values ---- */

/* Between values and slots.  `into` is the instance that gets the value: a function of another
 * one stays from then on, and so does whatever becomes an externref.  Returns what is wrong, NULL
 * if nothing is.  New objects are referred to by the slot alone, which has to be where the
 * collector looks. */
const char *value_to_slot(wasm_store_t *, const wasm_val_t *, ValType, const Instance *into,
                          Slot *);
const char *ref_to_bits(wasm_store_t *, wasm_ref_t *, ValType, const Instance *into,
                        uint64_t *bits);
/* false: out of memory; *out is null or 0 then.  A v128 is an i32 of 0. */
bool value_from_slot(wasm_store_t *, const Slot *, ValType, wasm_val_t *out);
bool ref_from_bits(wasm_store_t *, uint64_t bits, ValType, wasm_ref_t **out);

/* ---- Traps ---- */

/* Never NULL: without memory there is one that says so. */
wasm_trap_t *trap_new(wasm_store_t *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Takes the error.  What a host function's trap became is that trap again. */
wasm_trap_t *trap_from_error(wasm_store_t *, fnvm_error *);
/* Takes the trap. */
fnvm_error *trap_to_error(wasm_store_t *, wasm_trap_t *);

#endif
