/* What one verification pass works on; internal to verifier/.
 *
 * A Verifier holds the two stacks of the standard's appendix 7.3 and the side table under
 * construction.  It is set up once and used for any number of functions and constant expressions,
 * so that its arrays are allocated once.  One thread at a time.
 *
 * Failures stick in `code.error`: the first one stands, whatever follows is without effect, and the
 * main loop looks at it after each instruction.  So rules need no error paths of their own, as long
 * as they index nothing with an unchecked number and end their loops on a failure. */
#ifndef FNVM_VERIFIER_STATE_H
#define FNVM_VERIFIER_STATE_H

#include "loader/feature.h"
#include "loader/instruction.h"
#include "loader/read_types.h"
#include "loader/reader.h"
#include "verifier/verifier.h"
#include "vm/tunables.h"

/* The heap type below all others, of references popped in unreachable code.  It never leaves the
 * verifier. */
#define HEAP_BOTTOM 0x3FFFFFFFu

typedef struct TypeList { const ValType *at; uint32_t n, slots; } TypeList;

typedef enum ControlKind {
    CONTROL_FUNCTION, CONTROL_BLOCK, CONTROL_LOOP, CONTROL_IF, CONTROL_ELSE, CONTROL_TRY
} ControlKind;

/* An open block.  Its type is `type`'s if that is set, else no parameters and nsingle results. */
typedef struct Control {
    uint8_t kind;
    uint8_t nsingle;
    bool dead;           /* entered in unreachable code */
    bool unreachable;    /* the rest of it cannot be reached: operands are polymorphic */
    ValType single;
    const Type *type;
    uint32_t height;     /* operands below its own */
    uint32_t slots;      /* the same in slots, counted from the frame's first local */
    uint32_t trail;      /* initialised locals to keep when it ends */
    uint32_t writes;     /* dominating writes to keep when it ends */
    uint32_t patches;    /* branches to its end: index + 1 of the last, linked through Branch.to */
    uint32_t if_branch;  /* the branch of its `if`: index + 1 */
    uint32_t at;         /* offset of its opcode */
    uint32_t loop_pc, loop_stp; /* where branches to a loop go */
} Control;

/* A side-table entry under construction, packed when the function is done. */
typedef struct Branch {
    uint32_t pc, keep, pop;
    uint32_t to;         /* target offset; until it is known, the next of its Control.patches */
    uint32_t to_stp;
} Branch;

/* What is known of a local's uses, by offsets of the instructions; see regions.c. */
typedef struct LocalState {
    uint32_t pass;       /* the rest is meaningful if this is Verifier.pass */
    uint32_t write;      /* the latest write on every path to here; 0: none */
    uint32_t read;       /* the latest read which that write reaches; 0: none */
    uint32_t last_write, first_read, last_read; /* of all so far; 0: none */
    uint32_t count;      /* index of its UseCount, if that one is in the segment and its own */
} LocalState;

/* LocalState.write and .read before a block's first write to the local. */
typedef struct WriteBefore { uint32_t local, write, read; } WriteBefore;

typedef struct UseCount { uint32_t local, weight; } UseCount;

typedef struct LocalGroup { uint32_t end; ValType type; } LocalGroup; /* end: locals up to its last */

typedef struct RegionState {
    Region made;
    uint32_t from, end;  /* offsets of its instructions are above `from`, and at most `end` */
    uint32_t outer;      /* index of the region around it */
    uint32_t counts;     /* index of its first UseCount */
} RegionState;

typedef struct Verifier {
    Module *m;
    const TypeRegistry *types;
    uint32_t features;   /* to be used without asking; with `check`, those that have been used */
    struct PolicyCheck *check; /* what the functions are held against; NULL: no policy */

    Reader code;         /* .error is the outcome of the pass */
    uint32_t at;         /* offset of the current instruction's opcode */
    Op op;
    const Instr *row;

    ValType *ops;        /* operand stack */
    uint32_t nops, ops_size;
    uint32_t base;       /* height of the innermost Control */
    uint32_t slots;      /* locals and operands, in slots */
    uint32_t max_slots;
    ValType matched_sub, matched_super; /* a pair that is known to match; equal: none */
    bool unreachable;    /* of the innermost Control */
    bool live;           /* neither unreachable nor in a block that was entered so */
    bool wide;           /* there is a v128 among locals or operands */
    bool restart;        /* one has turned up although `wide` is not set */

    /* Looked at every STOP_STEPS instructions that branch, open or end blocks, or call: 8 MB of others
     * take less than 0.1 s. */
    Stop stop;
    uint32_t steps;
    bool stopped;        /* a flag of it was set: this is what the error says */

    bool constant;       /* the code is a constant expression (3.4.14) */
    uint32_t visible_globals; /* that it may read */

    Control *controls;
    uint32_t ncontrols, controls_size;

    /* Each local's type, but not of more than the code is long (and LIMIT_WIDE_LOCALS): a declaration
     * of 50,000 takes six bytes.  Those behind are looked up in the declarations. */
    ValType *locals;
    uint32_t nlocals, locals_filled, locals_size, param_slots, local_slots;
    struct LocalGroup *groups;
    uint32_t ngroups, groups_size;
    bool has_uninitialized;  /* some local starts without a value */
    uint64_t *initialized;   /* bit set by local, meaningful if has_uninitialized */
    uint32_t initialized_size;
    uint32_t *trail;         /* locals in the order they were initialised */
    uint32_t ntrail, trail_size;

    Branch *branches;
    uint32_t nbranches, branches_size;
    Handler *handlers;       /* finished, innermost first */
    uint32_t nhandlers, handlers_size;
    Handler *open;           /* of try_tables not ended yet */
    uint32_t nopen, open_size;
    CatchClause *clauses;
    uint32_t nclauses, clauses_size;
    uint32_t flags;          /* CODE_* */

    bool has_regions;        /* the engine wants them; else nothing below means anything */
    uint32_t pass;           /* counts passes over functions */
    uint32_t params_written; /* where a parameter is written: before the first instruction */
    uint32_t nparams;
    LocalState *states;      /* by local */
    uint32_t states_size;
    WriteBefore *writes;     /* the trail of LocalState.write */
    uint32_t nwrites, writes_size;
    UseCount *counts;        /* of the open regions, the outermost's first */
    uint32_t ncounts, counts_size;
    uint32_t segment;        /* the counts since the last loop began or ended start here */
    uint32_t loop_uses;      /* how many more counts loops may leave behind */
    RegionState *regions;    /* in code order */
    uint32_t nregions, regions_size;
    uint32_t region;         /* the innermost open one */
    LocalUse *uses;
    uint32_t nuses, uses_size;
    uint64_t *zeroed;        /* bit set by local */
    uint32_t zeroed_words, zeroed_size; /* no words: not kept */

    struct FrameStops *stops; /* calls to be reported (frame_types.c), or NULL */
} Verifier;

void verifier_start(Verifier *, Module *);
/* Before the first pass, from then on the verification is held against the check's policy too. */
void verifier_set_check(Verifier *, struct PolicyCheck *);
void verifier_finish(Verifier *); /* frees the arrays; code.error must have been taken */

/* Makes room for `more` items; false when memory is out, which is recorded. */
bool verifier_grow(Verifier *, void *array_pointer, uint32_t *size, uint32_t used, uint32_t more,
                   size_t item_bytes);

/* ---- Failures (operands.c) ---- */

#define verifier_invalid(v, ...) \
    reader_fail(&(v)->code, FNVM_E_INVALID, (v)->at, __VA_ARGS__)
#define verifier_malformed(v, ...) \
    reader_fail(&(v)->code, FNVM_E_MALFORMED, (v)->at, __VA_ARGS__)
static inline bool verifier_failed(const Verifier *v) { return v->code.error != NULL; }
void verifier_no_memory(Verifier *);

enum { TYPE_TEXT = 80 };
/* The type's spelling in `text`, which has TYPE_TEXT bytes. */
const char *verifier_type_text(const Verifier *, ValType, char *text);
/* Fails unless all of `features` are enabled; `what` needs them. */
void feature_require(Verifier *, uint32_t features, const char *what);

/* ---- Operand stack (operands.c) ---- */

bool type_matches(const Verifier *, ValType sub, ValType super); /* knows HEAP_BOTTOM */
void operand_push_slow(Verifier *, ValType);
ValType operand_pop_slow(Verifier *, ValType found, ValType want);
ValType operand_pop_empty(Verifier *, const char *want);
ValType operand_pop_any(Verifier *);
/* A reference of any type; (ref HEAP_BOTTOM) if unknown. */
ValType operand_pop_ref(Verifier *);
void operands_push(Verifier *, TypeList);
void operands_pop(Verifier *, TypeList);
/* Whether the topmost operands have these types; fails if not, changes nothing. */
bool operands_match(Verifier *, TypeList);
/* The innermost Control must have no operands left. */
void operands_none_left(Verifier *);
void operands_unreachable(Verifier *);
ValType operand_want(Verifier *, ValType want);

static inline void operand_push(Verifier *v, ValType t)
{
    v->slots++;
    if (v->nops == v->ops_size || v->slots > v->max_slots || t == TYPE_V128)
        operand_push_slow(v, t);
    else
        v->ops[v->nops++] = t;
}

/* Pops an operand that must be a `want`; returns its own type, TYPE_BOTTOM if unknown. */
static inline ValType operand_pop(Verifier *v, ValType want)
{
    if (v->nops == v->base) return operand_want(v, want);
    ValType found = v->ops[--v->nops];
    v->slots -= type_slots(found);
    return found == want ? found : operand_pop_slow(v, found, want);
}

/* The type of a local that is not among those that are filled in. */
ValType local_type_far(const Verifier *, uint32_t local);
static inline ValType local_type(const Verifier *v, uint32_t local)
{
    return local < v->locals_filled ? v->locals[local] : local_type_far(v, local);
}

/* ---- Immediates (immediates.c) ---- */

static inline uint32_t code_u32(Verifier *v, const char *expected)
{
    Reader *r = &v->code;
    if (r->pos < r->end && r->bytes[r->pos] < 0x80) return r->bytes[r->pos++];
    return read_u32(r, expected);
}

/* A number that only has to be well-formed: most take one byte. */
static inline bool code_skip_byte(Verifier *v)
{
    Reader *r = &v->code;
    if (r->pos >= r->end || r->bytes[r->pos] >= 0x80) return false;
    r->pos++;
    return true;
}

/* An index below n; fails with "unknown <what>" and returns UINT32_MAX otherwise. */
uint32_t code_index(Verifier *, const char *what, uint32_t n);
/* The index of a defined type of this kind; NULL on failure. */
const Type *code_type(Verifier *, CompKind);
static inline HeapType code_heap_type(Verifier *v) { return read_heaptype(&v->code, v->m, 0); }
static inline ValType code_value_type(Verifier *v) { return read_valtype(&v->code, v->m, 0); }
/* A memory or table index; gives its address type. */
uint32_t code_memory(Verifier *, ValType *address);
uint32_t code_table(Verifier *, ValType *address);
void code_memarg(Verifier *, ValType *address);
void code_lane(Verifier *, uint32_t lanes);
/* A data index; the data count section must be there (5.5.16). */
uint32_t code_data(Verifier *);
uint32_t code_elem(Verifier *);

/* ---- Control (control.c) ---- */

/* The outermost block of a function, or of a constant expression if type is NULL. */
void control_push_outermost(Verifier *, const Type *, ValType single);
void control_instruction(Verifier *); /* any of block ... return_call_ref, br_on_* */
/* One entry with these kept slots, for drop and select in wide functions. */
void branch_add_hint(Verifier *, uint32_t keep);

/* ---- Rules by subject ---- */

void reference_instruction(Verifier *);  /* references.c: ref.*, i31.*, conversions */
void aggregate_instruction(Verifier *);  /* aggregates.c: struct.*, array.* */
void table_instruction(Verifier *);      /* tables.c: table.*, elem.drop, memory.*, data.drop */

/* ---- Regions (regions.c): only with has_regions, in live code ---- */

void regions_start(Verifier *, uint32_t start, uint32_t nparams); /* a pass over a function */
void regions_finish(Verifier *);      /* the pass has succeeded */
void region_open(Verifier *);         /* a loop */
void region_close(Verifier *);        /* its end, after the writes in it were forgotten */
void region_call(Verifier *);
void local_read(Verifier *, uint32_t local);
void local_write(Verifier *, uint32_t local);
void local_writes_forget(Verifier *, uint32_t writes); /* down to so many; anywhere */
size_t regions_bytes(const Verifier *);
/* Puts regions_bytes() at `at`, aligned to 8, and the pointers to them into `code`. */
void regions_pack(const Verifier *, FuncCode *code, void *at);
void regions_free(Verifier *);

/* ---- Passes ---- */

/* Runs over v->code until the outermost block ends, a failure, or a restart (function.c). */
void verifier_run(Verifier *);

/* Verifies own function `func` (function.c). */
fnvm_error *verifier_body(Verifier *, uint32_t func, FuncCode **code);

/* Another pass over a function that is verified, for what can be seen on the way. */
fnvm_error *verifier_body_again(Verifier *, const FuncCode *);
/* A call in live code, but no tail call; its arguments are popped.  Only with `stops`. */
void frame_stop(Verifier *, const Type *callee);

/* Verifies the constant expression that starts at `code.start` and ends at or before `code.end`;
 * `*end` is where it ends (constant.c). */
fnvm_error *verifier_constant(Verifier *, Range code, ValType expected, uint32_t visible_globals,
                              uint32_t *end);
/* Fails unless the current instruction may stand in one. */
void constant_require(Verifier *);

#endif
