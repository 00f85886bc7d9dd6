/* Value types and the engine's registry of defined types.
 *
 * Defined types are canonical: equal recursion groups get equal ids, whichever module they come
 * from (standard, 3.1.5), so that type equality is integer equality and subtyping is one look into
 * the supertype display.  Whoever keeps ids holds their groups: modules those that they define,
 * stores those of host functions, groups those that they refer to.  An id and its Type are valid
 * while the group is held; then the number may become another type's.  Reading is lock-free from any
 * thread; defining, holding and releasing take the registry's lock. */
#ifndef FNVM_VM_TYPES_H
#define FNVM_VM_TYPES_H

#include <pthread.h>
#include <stdatomic.h>

#include "vm/error.h"

/* ---- Value types ---- */

/* Numbers are the constants of fnvm_kind.  A reference type is TYPE_REF, perhaps TYPE_NULLABLE, and
 * a heap type in the low 30 bits: an abstract one (HEAP_*) or the id of a defined type. */
typedef fnvm_valtype ValType;
typedef uint32_t HeapType;
typedef uint32_t TypeId;

enum {
    TYPE_I32 = FNVM_I32, TYPE_I64 = FNVM_I64, TYPE_F32 = FNVM_F32, TYPE_F64 = FNVM_F64,
    TYPE_V128 = FNVM_V128,
    TYPE_BOTTOM = 6,         /* the verifier's unknown operand below unreachable code */
    TYPE_I8 = 7, TYPE_I16 = 8 /* packed storage types of fields */
};
#define TYPE_REF 0x80000000u
#define TYPE_NULLABLE 0x40000000u
#define TYPE_HEAP_MASK 0x3FFFFFFFu

enum {
    HEAP_ABSTRACT = 0x3FFFFF00, /* abstract heap types are at or above this */
    HEAP_FUNC = HEAP_ABSTRACT, HEAP_EXTERN, HEAP_ANY, HEAP_EQ, HEAP_I31, HEAP_STRUCT, HEAP_ARRAY,
    HEAP_EXN, HEAP_NOFUNC, HEAP_NOEXTERN, HEAP_NONE, HEAP_NOEXN,
    HEAP_REC = 0x20000000, /* while a group is being defined: member i of the group itself */
    TYPE_ID_NONE = 0x1FFFFFFF
};

static inline bool type_is_ref(ValType t) { return (t & TYPE_REF) != 0; }
static inline bool type_is_nullable(ValType t) { return (t & TYPE_NULLABLE) != 0; }
static inline HeapType type_heap(ValType t) { return t & TYPE_HEAP_MASK; }
static inline ValType type_ref(HeapType h, bool nullable)
{
    return TYPE_REF | (nullable ? TYPE_NULLABLE : 0) | h;
}
static inline bool heap_is_defined(HeapType h) { return h < HEAP_REC; }
/* A type whose values start as 0: all but non-nullable references. */
static inline bool type_is_defaultable(ValType t) { return !type_is_ref(t) || type_is_nullable(t); }
static inline uint32_t type_slots(ValType t) { return t == TYPE_V128 ? 2 : 1; }

/* ---- Defined types ---- */

typedef enum CompKind { COMP_FUNC, COMP_STRUCT, COMP_ARRAY } CompKind;

typedef struct Field {
    ValType type;     /* or TYPE_I8, TYPE_I16 */
    bool is_mutable;
    uint32_t offset;  /* in the object, from its header's start; set by the registry */
} Field;

typedef struct Type {
    struct TypeGroup *group; /* the registry's */
    TypeId id;
    uint8_t comp;     /* CompKind */
    bool is_final;
    bool has_refs;    /* struct or array: some field is a reference */
    bool is_free;     /* the id is no type's */
    uint32_t depth;   /* number of supertypes above it */
    TypeId super;     /* or TYPE_ID_NONE */
    const TypeId *display; /* display[d] = its ancestor of depth d, display[depth] = id */
    uint32_t nparams, nresults;         /* COMP_FUNC */
    uint32_t param_slots, result_slots;
    ValType *params, *results;
    uint32_t nfields;  /* COMP_STRUCT; 1 for COMP_ARRAY: its element */
    uint32_t size;     /* COMP_STRUCT: bytes of an object with its header; COMP_ARRAY: header */
    Field *fields;
} Type;

/* What a module says about one member of a recursion group; references to members of the same
 * group are written with HEAP_REC + member, everything else with canonical ids. */
typedef struct TypeDef {
    uint8_t comp;
    bool is_final;
    TypeId super; /* TYPE_ID_NONE, a canonical id, or HEAP_REC + member */
    uint32_t nparams, nresults, nfields;
    ValType *params, *results;
    Field *fields;
} TypeDef;

/* At most a million types at a time per engine, and so free ids in less than 2^21 at a stretch. */
enum { TYPES_PER_CHUNK = 1024, TYPE_CHUNKS = 1024, TYPE_RUN_SIZES = 21 };

typedef struct TypeRegistry {
    pthread_mutex_t lock;
    _Atomic(Type *) chunks[TYPE_CHUNKS];
    uint32_t count;             /* ids below it are a group's or free */
    struct TypeGroup **buckets; /* hash of canonical groups */
    uint32_t nbuckets, ngroups;
    struct TypeGroup *free_runs[TYPE_RUN_SIZES]; /* [k]: of 2^k free ids to less than 2^(k+1) */
    uint64_t hash_key[2]; /* secret and random: guests cannot make our hash tables collide */
} TypeRegistry;

fnvm_error *types_init(TypeRegistry *);
void types_free(TypeRegistry *);

/* Finds or adds the group, and holds it; ids[i] is member i's.  The definitions are copied; what they
 * refer to is held by the caller.  Checks nothing but limits (FNVM_E_LIMIT): that supertypes fit is
 * the verifier's business (module_verify_types). */
fnvm_error *types_define(TypeRegistry *, const TypeDef *, uint32_t n, TypeId *ids);
/* Holds the group of an id, or of a reference to a defined type.  False: there is no such type. */
bool types_hold(TypeRegistry *, TypeId);
bool types_hold_valtype(TypeRegistry *, ValType);
/* Gives up the hold on a group, by one of its ids; what nobody holds any more is freed. */
void types_release(TypeRegistry *, TypeId);
void types_release_valtype(TypeRegistry *, ValType);
/* The same for all groups of an array of whole groups, as types_define numbered them. */
void types_release_all(TypeRegistry *, const TypeId *, uint32_t n);

static inline const Type *types_get(const TypeRegistry *r, TypeId id)
{
    return atomic_load_explicit(&r->chunks[id / TYPES_PER_CHUNK], memory_order_acquire) +
           id % TYPES_PER_CHUNK;
}

/* Subtyping (standard, 3.3).  TYPE_BOTTOM is below everything. */
bool types_id_is_sub(const TypeRegistry *, TypeId sub, TypeId super);
bool types_heap_is_sub(const TypeRegistry *, HeapType sub, HeapType super);
bool types_is_sub(const TypeRegistry *, ValType sub, ValType super);
/* Whether the definition may stand below its declared supertype (3.4.2). */
bool types_def_is_sub(const TypeRegistry *, const Type *sub, const Type *super);
/* The top of a heap type's hierarchy: HEAP_FUNC, HEAP_EXTERN, HEAP_ANY or HEAP_EXN. */
HeapType types_top(const TypeRegistry *, HeapType);

/* The text format's spelling, cut to size; returns the length it needs (like snprintf). */
size_t types_print(const TypeRegistry *, ValType, char *text, size_t size);
size_t types_print_func(const TypeRegistry *, TypeId, char *text, size_t size); /* "(param i32)" */

/* The type of a function by spelling, held: "i32 i64 -> i32". */
fnvm_error *types_parse_func(TypeRegistry *, const char *text, TypeId *out);

#endif
