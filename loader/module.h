/* A module in memory: sections decoded once into flat arrays, function bodies and initializers
 * left as byte ranges of the (mapped) file.  Immutable after module_decode, except for `code`,
 * which fills up as functions are verified, and for `type_indices`.  Shared between threads;
 * reference-counted. */
#ifndef FNVM_LOADER_MODULE_H
#define FNVM_LOADER_MODULE_H

#include "verifier/approval/gate.h"

struct FuncCode; /* verifier/verifier.h */
struct PolicyCheck; /* verifier/policy/check.h */

/* Byte offsets into Module.bytes.  A range that holds an expression includes its final `end`. */
typedef struct Range { uint32_t start, end; } Range;
typedef struct Name { uint32_t start, len; } Name;   /* UTF-8, checked, in Module.bytes */

typedef struct Limits {
    uint64_t min, max; /* pages or elements; max is UINT64_MAX when there is none */
    bool has_max, is64;
} Limits;

typedef struct MemoryType { Limits limits; uint8_t page_log2; } MemoryType; /* 16, or 0 */
typedef struct TableType { Limits limits; ValType elem; } TableType;
typedef struct GlobalType { ValType type; bool is_mutable; } GlobalType;

typedef struct Import {
    Name module, name;
    uint8_t kind;   /* fnvm_externkind */
    uint32_t index; /* in the index space of its kind: the type is found there */
    uint32_t funcs; /* functions among the imports before it */
} Import;
typedef struct Export { Name name; uint8_t kind; uint32_t index; } Export;

typedef struct Table { TableType type; Range init; } Table;    /* init empty: null elements */
typedef struct Global { GlobalType type; Range init; } Global; /* init: a constant expression */

typedef enum SegmentMode { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARATIVE } SegmentMode;
typedef struct Elem {
    uint8_t mode;
    bool is_funcs;  /* items are function indices, not expressions */
    uint32_t table;
    Range offset;   /* constant expression, if active */
    ValType type;
    uint32_t count;
    Range items;    /* `count` LEB128 indices, or expressions each closed by `end` */
    uint32_t first_mark; /* Module.elem_marks[first_mark + i - 1] is where item i * ELEM_MARK is */
} Elem;
enum { ELEM_MARK = 1024 }; /* items that are passed over at most to come to one */
typedef struct Data { uint8_t mode; uint32_t memory; Range offset; Range bytes; } Data;

typedef struct Custom { Name name; Range payload; } Custom;
typedef struct SectionRange { uint8_t id; Range payload; } SectionRange; /* for fnvm inspect */

typedef enum ModuleOrigin {
    MODULE_GIVEN,    /* by the embedder, or found by a name: approvals and policies are for these */
    MODULE_OF_IMAGE, /* part of an image, which is approved as a whole */
    MODULE_OF_HOST   /* vm/host_made.c made it: no policy holds for it either */
} ModuleOrigin;

typedef struct fnvm_module Module;
struct fnvm_module {
    atomic_size_t refs;
    fnvm_engine *engine;

    const uint8_t *bytes; /* read-only */
    uint32_t len;         /* modules are at most 1 GiB */
    uint8_t source;       /* who owns bytes: a private mapping or malloc (loader/source.h) */
    char *path;           /* it was loaded from; may be NULL */
    const uint8_t *index; /* arrays that lie here are not the module's to free: module_index.h */
    size_t index_size;
    uint8_t origin;       /* ModuleOrigin */
    ValType host_value;   /* the reference type of what vm/host_made.c made it for, held; or 0 */
    Gate gate;            /* whether it is approved */
    struct PolicyCheck *check; /* of its sections, under the engine's policy; owned; or NULL */

    /* Index spaces: imports first.  n_imported_* says where the module's own begin. */
    TypeId *types; uint32_t ntypes; /* held, a group after the other */
    _Atomic(struct TypeIndices *) type_indices; /* made when types are first printed; or NULL */
    TypeId *funcs; uint32_t nfuncs, n_imported_funcs;
    Table *tables; uint32_t ntables, n_imported_tables;
    MemoryType *memories; uint32_t nmemories, n_imported_memories;
    Global *globals; uint32_t nglobals, n_imported_globals;
    TypeId *tags; uint32_t ntags, n_imported_tags;

    Import *imports; uint32_t nimports;
    Export *exports; uint32_t nexports;
    uint32_t *export_index; uint32_t export_index_size; /* open hash: export + 1, 0 empty */
    Elem *elems; uint32_t nelems;
    uint32_t *elem_marks; uint32_t nelem_marks; /* offsets in `bytes` */
    Data *datas; uint32_t ndatas;
    bool has_data_count;
    bool has_start; uint32_t start;

    Range *bodies;        /* of own functions: local declarations and code, with the final end */
    uint64_t *declared;   /* bit set of functions that ref.func may name (3.4.13, C.refs) */

    Custom *customs; uint32_t ncustoms;
    SectionRange *sections; uint32_t nsections;
    Range name_section;   /* payload after the name "name"; empty if none */

    /* Verified code of own functions, by index - n_imported_funcs; NULL until verified.  Written
     * once under code_lock with release order; freed with the module. */
    pthread_mutex_t code_lock;
    _Atomic(const struct FuncCode *) *code;

    /* Compiled code, from the first instance on; NULL where there is no compiler. */
    struct Segment *segment;
    struct Compiler *compiler;  /* kept from function to function; the segment's lock guards it */
    atomic_uchar *uncompiled; /* by own function: 1 if the compiler gave it up */
    struct CodeFile *code_file; /* index and first code come from it; owned; mostly NULL */
};

/* A module with nothing in it but its engine, retained; NULL: out of memory.  It can be released
 * with any part of it set. */
Module *module_new(fnvm_engine *);
/* As fnvm_module_load and fnvm_module_new, of a module that comes from elsewhere. */
fnvm_error *module_load_of(fnvm_engine *, ModuleOrigin, const char *path, Module **out);
fnvm_error *module_new_of(fnvm_engine *, ModuleOrigin, const void *bytes, size_t len, Module **out);
/* The end of loading: verifies all functions if the engine is to know of bad ones before
 * anything runs, and fails with all violations of the engine's policy, if there are any. */
fnvm_error *module_admit(Module *);

/* Decodes all sections; function bodies are only bounded.  `m` has bytes, len, engine set and all
 * else zero.  FNVM_E_MALFORMED errors carry the byte offset and what was expected. */
fnvm_error *module_decode(Module *m);

/* Finds an export by name; NULL if there is none. */
const Export *module_find_export(const Module *, const char *name, size_t len);
/* Makes the index for that, whose array must be there.  Returns the first export whose name another
 * one has; NULL if there is none. */
const Export *module_index_exports(Module *);
/* Elements of the array: a power of two. */
uint32_t module_export_index_size(uint32_t nexports);

/* The name section's name of a function; false if it has none.  Decodes as it searches. */
bool module_func_name(const Module *, uint32_t func, Name *out);
/* Of many at once, which takes no longer; found[i] says whether out[i] is one. */
void module_func_names(const Module *, const uint32_t *funcs, size_t n, Name *out, bool *found);
/* Of all: an array by function, to be freed, in which `start` is 0 where there is none.  NULL: out
 * of memory. */
Name *module_all_func_names(const Module *);
bool module_name(const Module *, Name *out);

static inline const Type *module_func_type(const Module *m, uint32_t func)
{
    return types_get(&m->engine->types, m->funcs[func]);
}

/* The indices of its types, for printing; the module's.  NULL: out of memory. */
const struct TypeIndices *module_type_indices(const Module *);
/* The text-format spelling of an entity's type; like snprintf. */
size_t module_print_type(const Module *, uint8_t kind, uint32_t index, char *text, size_t size);

#endif
