/* The verifier: type checking by the algorithm of the standard's appendix 7.3 in one forward pass
 * per function, which also leaves behind what the engines need: the side table for branches, the
 * frame size, exception handlers; and, for the compiler, the uses of locals by region.  Nothing
 * unverified runs (I5). */
#ifndef FNVM_VERIFIER_VERIFIER_H
#define FNVM_VERIFIER_VERIFIER_H

#include "loader/module.h"

/* One entry per branch that can be taken, in code order; 8 bytes.
 *
 *   word 0: bits 31..8  distance in bytes from the branching opcode to the target, signed
 *           bits 7..0   keep: slots carried to the target; SIDE_WIDE: see below
 *   word 1: bits 31..12 distance in entries from this entry to the target's, signed
 *           bits 11..0  pop: slots dropped from under the kept ones
 *
 * If keep is SIDE_WIDE, word 1 is an index into FuncCode.wide, which holds the four numbers in
 * full; the distance in word 0 has but the right sign.  The interpreter keeps `stp`, the entry of
 * the next branch; a branch not taken moves to the next entry, one taken adds the entry's distance.
 *
 * Entries, in reachable code only (unreachable instructions have none):
 *   if              1: taken when the condition is 0, to after the else (or to after the end);
 *                   keeps and pops nothing
 *   else            1: reached by falling out of the then-part, to after the end; likewise
 *   br br_if br_on_null br_on_non_null br_on_cast br_on_cast_fail   1
 *   br_table        one per label, the default last
 *   try_table       1 whose distances lead over the immediates and over the catch entries to the
 *                   body, then one per catch clause
 *   drop, select (without types) in wide functions only: 1, whose keep is the slots of the operand
 * Distances in bytes count from the branching opcode (of 0xFB instructions: the prefix), those of
 * catch entries from the try_table's opcode.  Kept slots are those on top when the branch is taken:
 * after the condition or index is popped; with the reference where it is carried, without it where
 * br_on_null has dropped it.  To enter a catch clause, set the stack to Handler.height, push the
 * payload, then the exnref if the clause wants it, and take its entry like any branch.
 *
 * The target of a branch to a loop is the loop's first instruction (after its block type), of any
 * other the one after its `end`; of a branch to the function's own label the function's final `end`
 * opcode itself, with the results on top of the locals.  Distances back are negative, so that their
 * sign tells when to poll for interruption: a `br` that is the first instruction of its own loop
 * has the loop's opcode as its target. */
typedef struct SideEntry { uint32_t word[2]; } SideEntry;
enum { SIDE_WIDE = 0xFF, SIDE_MAX_POP = 0xFFF };
typedef struct WideSide { int32_t pc, stp; uint32_t keep, pop; } WideSide;

/* A try_table in reachable code: its body is the code offsets [start, end), where `end` is that of
 * its `end` opcode.  They are listed as they end, so that the first one around an offset is the
 * innermost, and `outer` leads on from any. */
typedef struct CatchClause { uint8_t kind; uint32_t tag; } CatchClause; /* CATCH_* */
enum { CATCH_TAG = 0, CATCH_TAG_REF = 1, CATCH_ALL = 2, CATCH_ALL_REF = 3 };
typedef struct Handler {
    uint32_t start, end;  /* offsets in the module's bytes */
    uint32_t entry;       /* opcode offset of the try_table: catch branches count from here */
    uint32_t stp;         /* side-table index of its first catch entry */
    uint32_t height;      /* slots from the frame's first local to the operands below the try_table
                           * (without its parameters) */
    uint32_t first, count;/* clauses, in FuncCode.clauses */
    uint32_t outer;       /* number of the one around it; FuncCode.nhandlers if there is none */
} Handler;

/* A local in a region, for the assignment of registers.  Only reachable code counts.  That a write
 * precedes a read on all paths is found by the structured rule of 3.4.9: what a block writes is
 * forgotten at its end and at its else.  So flags err on the safe side: LOCAL_LIVE_IN may be set,
 * LOCAL_PRIVATE clear in vain.
 *
 * LOCAL_LIVE_IN speaks of reads inside the region only.  A local without it may still be read after
 * the region, and the region may be left before it is written: a local that is LOCAL_WRITTEN needs
 * its old value at the region's start unless it is LOCAL_PRIVATE. */
typedef struct LocalUse { /* 4 bytes */
    uint16_t local;       /* index */
    uint8_t weight_log2;  /* of its uses: 1 each, times REGION_LOOP_WEIGHT per loop between.  The
                           * weight saturates at 32 bits, and leaves out inner loops where the local
                           * was not among the REGION_CARRIED hottest of its class. */
    uint8_t flags;        /* LOCAL_* */
} LocalUse;
enum {
    LOCAL_WRITTEN = 1, /* set or tee'd in the region */
    LOCAL_LIVE_IN = 2, /* a path from the region's start may read it before it writes it */
    LOCAL_PRIVATE = 4  /* all reads of it in the function lie in the region, each after a write in
                        * the same iteration: its value is dead outside and at the start of every
                        * iteration.  Also if it is never read at all. */
};

/* The function (the first one) or a `loop` in reachable code.  So that uses stay in proportion to
 * code, whoever wrote it, the loops of a function share an allowance: its bytes of code and
 * REGION_SPARE.  In the order they end, each takes as many as it uses locals, REGION_CARRIED of a
 * class at most; one for which too few are left has no uses.  Usual code does not get there. */
typedef struct Region {   /* 12 bytes */
    uint32_t at;          /* offset of the loop's opcode; of the function: FuncCode.start */
    uint32_t first;       /* its uses in FuncCode.uses */
    uint8_t nints;        /* the first of them: i32, i64 and references, hottest first */
    uint8_t nfloats;      /* after these: f32, f64 and v128, hottest first */
    uint8_t flags;        /* REGION_* */
} Region;
enum { /* Region.flags */
    REGION_CALLS = 1,     /* contains call or return_call instructions, inner loops included */
    REGION_INNERMOST = 2  /* contains no loop in reachable code */
};
enum {
    REGION_INTS = 10, REGION_FLOATS = 10, /* uses at most */
    REGION_LOOP_WEIGHT = 8,
    REGION_CARRIED = 32,
    REGION_SPARE = 256
};

enum { /* FuncCode.flags */
    CODE_WIDE = 1,   /* has v128 locals or operands: local.get and friends go by local_map */
    CODE_LEAF = 2,   /* calls nothing */
    CODE_LOOPS = 4
};

/* A verified function.  Immutable; owned by its module. */
typedef struct FuncCode {
    uint32_t func;         /* index in the module */
    TypeId type;
    uint32_t start, end;   /* first instruction; the final end opcode is at end - 1 */
    uint32_t param_slots, result_slots;
    uint32_t local_slots;  /* with the parameters */
    uint32_t frame_slots;  /* locals and the deepest operand stack, payloads caught included */
    uint32_t nlocals;
    uint32_t flags;
    uint32_t nside;
    uint32_t nhandlers;
    const SideEntry *side;
    const WideSide *wide;
    const Handler *handlers;
    const CatchClause *clauses;
    const uint32_t *local_map; /* CODE_WIDE: slot << 1 | (local is v128) of each local, else NULL */
    /* For the compiler; nothing of it is there where the engine only interprets. */
    uint32_t nregions, nuses;
    const Region *regions;     /* in code order: .at ascends, the function is first */
    const LocalUse *uses;
    const uint64_t *zeroed;    /* see local_needs_zero */
} FuncCode;

/* Whether a local, which is no parameter, may be read before it is written: whether its initial
 * zero or null matters.  FuncCode.zeroed has a bit per local; it is NULL where that is not known:
 * with more than LIMIT_WIDE_LOCALS locals and one per byte of code, or without regions. */
static inline bool local_needs_zero(const FuncCode *code, uint32_t local)
{
    return !code->zeroed || (code->zeroed[local / 64] >> local % 64 & 1);
}

/* The code of own function `func` (module index, not imported), verified now if it was not.
 * Fast path: one acquire load.  *code lives as long as the module. */
fnvm_error *verifier_function(Module *m, uint32_t func, const FuncCode **code);
/* The same, unless a flag of `stop` is set meanwhile: FNVM_E_LIMIT, which says nothing about the
 * function.  Code that is there is given in any case. */
fnvm_error *verifier_function_unless(Module *m, uint32_t func, Stop stop, const FuncCode **code);

/* The same of n functions at once; NULL for a bad one, which has its error when it is called, and
 * for all that are left when the engine is interrupted. */
void verifier_some(Module *m, uint32_t n, const uint32_t *funcs, const FuncCode **codes);

/* Everything about a module but function bodies: types, limits, imports' types, initializers,
 * segments, exports, start.  Called once, when it is loaded, in either mode. */
fnvm_error *verifier_module(Module *m);

/* All functions until one is bad, which the error is of.  With a check (or NULL), violations of the
 * policy are noted there, and do not end it. */
fnvm_error *verifier_until_bad(Module *m, struct PolicyCheck *check);

/* All functions; see fnvm_module_verify. */
fnvm_error *verifier_all(Module *m, void (*report)(void *, const fnvm_error *), void *env,
                         size_t *bad);

/* Bytes of side tables and of verified code so far: for `fnvm inspect` and the documentation. */
void verifier_sizes(const Module *m, uint64_t *side_bytes, uint64_t *code_bytes);

void func_code_free(const FuncCode *);

#endif
