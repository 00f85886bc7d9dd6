/* What the parts of the generator share: the module being written and the function being written.
 *
 * Value types are those of vm/types.h, where the id of a defined type is its index in the module.
 * Code is made top-down: expr() writes instructions that leave one value of the type wanted,
 * statement() some that leave the stack as it was. */
#ifndef FNVM_GENERATE_STATE_H
#define FNVM_GENERATE_STATE_H

#include "conformance/generate/generate.h"
#include "vm/types.h"

enum {
    MAX_TYPES = 400, MAX_VALUES = 24, MAX_FUNCS = 16, MAX_LOCALS = 120, MAX_LABELS = 40,
    MAX_DEPTH = 12, MAX_SEGMENTS = 8, MAX_TABLES = 4, MAX_MEMORIES = 3, MAX_GLOBALS = 16,
    MAX_TAGS = 5
};

/* The first types: structures (all but the last in one line of subtypes), then arrays. */
enum { STRUCTS = 4, ARRAYS = 11, FIRST_FUNC_TYPE = STRUCTS + ARRAYS };

typedef struct GenType {
    uint8_t comp;            /* CompKind */
    bool open;
    int super;               /* type index, or -1 */
    uint32_t n, nresults;    /* fields or parameters; results */
    ValType types[MAX_VALUES], results[MAX_VALUES];
    uint32_t constant;       /* bit i: field i is immutable */
} GenType;

typedef struct GenMemory { bool is64; uint8_t page_log2; uint32_t min, max; } GenMemory;
typedef struct GenTable { ValType elem; bool is64; uint32_t min, max; } GenTable;
typedef struct GenGlobal { ValType type; bool is_mutable; } GenGlobal;
typedef struct GenElem { ValType type; uint32_t count; } GenElem; /* passive */

/* Instructions on numbers, by what they give. */
typedef struct RowList { Op ops[OP_COUNT]; uint32_t n; } RowList;
typedef struct Rows {
    RowList computing[5], loading[5]; /* by fnvm_kind of the result */
    RowList storing, doubling;        /* no result; two results */
} Rows;

typedef struct Generator {
    Random random;
    uint32_t size;
    uint64_t *coverage;
    Rows rows;
    GenType types[MAX_TYPES]; uint32_t ntypes;
    uint32_t funcs[MAX_FUNCS]; uint32_t nfuncs, nimported; /* types of functions */
    GenMemory memories[MAX_MEMORIES]; uint32_t nmemories;
    GenTable tables[MAX_TABLES]; uint32_t ntables;         /* the first holds functions */
    GenGlobal globals[MAX_GLOBALS]; uint32_t nglobals;
    uint32_t hang;                                         /* index of that global */
    uint32_t tags[MAX_TAGS]; uint32_t ntags;               /* types; tag 0 carries nothing */
    GenElem elems[MAX_SEGMENTS]; uint32_t nelems;
    uint32_t datas[MAX_SEGMENTS]; uint32_t ndatas;         /* bytes of each */
    bool imports_memory, imports_table, imports_global;
    Bytes code;                                            /* contents of the code section */
} Generator;

typedef struct Label {
    ValType types[MAX_VALUES]; uint32_t n;
    bool reserved; /* of a loop that counts for itself */
} Label;

enum { LOCAL_FREE, LOCAL_FIXED /* not for statements to write */ };

typedef struct Func {
    Generator *g;
    Bytes *out;
    const GenType *type;
    ValType locals[MAX_LOCALS]; uint8_t use[MAX_LOCALS]; uint32_t nlocals;
    Label labels[MAX_LABELS + 8]; uint32_t nlabels; /* [0]: the function's own */
    int budget;                                  /* instructions still to be written, roughly */
    uint32_t depth;                              /* of expressions in one another */
    uint32_t uncounted;                          /* loops around that do not count "hang" down */
    uint32_t counters[MAX_LOCALS]; uint32_t ncounters; /* locals of finished loops */
} Func;

/* ---- Chance ---- */

static inline uint32_t below(Func *f, uint32_t n) { return random_below(&f->g->random, n); }
static inline bool percent(Func *f, uint32_t n) { return below(f, 100) < n; }

/* ---- Types (module.c) ---- */

#define REF_NULL(heap) type_ref(heap, true)
#define REF(heap) type_ref(heap, false)

bool is_sub(const Generator *, ValType sub, ValType super);
uint32_t func_type(Generator *, const ValType *params, uint32_t n, const ValType *results,
                   uint32_t nresults); /* finds or adds it */
bool is_concrete(const Generator *, ValType, CompKind);
ValType random_type(Generator *, bool any_reference);
ValType bottom_of(const Generator *, HeapType);       /* (ref null none) and the like */
static inline ValType unpacked(ValType t) { return t == TYPE_I8 || t == TYPE_I16 ? TYPE_I32 : t; }
bool all_defaultable(const ValType *, uint32_t n);
static inline ValType address_type(bool is64) { return is64 ? TYPE_I64 : TYPE_I32; }
uint64_t memory_bytes(const GenMemory *, uint32_t pages);

/* ---- Encodings (module.c) ---- */

void put_op(Generator *, Bytes *, Op);
void put_heap(Bytes *, HeapType);
void put_type(Bytes *, ValType);
void put_const(Generator *, Bytes *, ValType number, const void *bits);

/* In the function being written. */
void emit(Func *, Op);
void emit_u(Func *, Op, uint64_t immediate);
void emit_uu(Func *, Op, uint64_t first, uint64_t second);
void emit_i32(Func *, int32_t);
void emit_address(Func *, bool is64, uint64_t);       /* a constant of the address type */

/* ---- Functions, and values of any type (expression.c) ---- */

void write_func(Generator *, uint32_t type);          /* the next of the code section */
void expr(Func *, ValType);
void exprs(Func *, const ValType *, uint32_t n);
void leaf(Func *, ValType);                           /* short, and without a branch or call */
bool local_of(Func *, ValType, uint32_t *out);        /* one that may stand for the type */
uint32_t new_local(Func *, ValType);                  /* UINT32_MAX: there are too many */
uint32_t spare_local(Func *, ValType);                /* likewise; perhaps one that is in use */
void get_local(Func *, uint32_t);
void set_local(Func *, uint32_t);
void consume(Func *, const ValType *, uint32_t n);    /* takes values from the stack */
void keep(Func *, const ValType *, uint32_t n, uint32_t i); /* takes all but the i-th */

/* ---- Numbers (numbers.c) ---- */

void rows_init(Rows *);
void number(Func *, ValType);                         /* by an instruction that gives one */
void vector(Func *, unsigned lanes);                  /* float lanes whose NaNs may be any; 0 */
void exact_float(Func *, ValType);                    /* a NaN of which is the canonical one */
void store(Func *);
void doubling(Func *);                                /* leaves two i64 */
void masked(Func *, ValType address, uint32_t mask);  /* a number up to the mask */
void memory_statement(Func *);                        /* grow, fill, copy, init, drop */

/* ---- References (references.c) ---- */

void reference(Func *, ValType);
void reference_leaf(Func *, ValType);
bool reference_field(Func *, ValType);                /* read from a table or an object */
void number_of_reference(Func *);                     /* an i32 */
void reference_statement(Func *);
void table_statement(Func *);

/* ---- Control (control.c, calls.c) ---- */

void statement(Func *);
void statements(Func *, uint32_t n);
/* Writes the opcode and the block type, and pushes the label; end_block() closes it. */
void open_block(Func *, Op, const ValType *params, uint32_t n, const ValType *results,
                uint32_t nresults);
void push_label(Func *, const ValType *, uint32_t n);
void end_block(Func *);                               /* writes `end` */
void hang_check(Func *);                              /* counts down; returns or traps at 0 */
bool structured(Func *, ValType);
bool branch_value(Func *, ValType);
void stop(Func *);                                    /* an instruction with nothing after it */
bool call_value(Func *, ValType);
void call_statement(Func *);
bool tail_call(Func *);
void try_statement(Func *);
void caught_exception(Func *);                        /* leaves a (ref exn) */

#endif
