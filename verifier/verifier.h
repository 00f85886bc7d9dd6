/* The verifier: type checking by the algorithm of the standard's appendix 7.3 in one forward pass
 * per function, which also leaves behind what the engines need: the side table for branches, the
 * frame size, exception handlers.  Nothing unverified runs (I5). */
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
 * its `end` opcode; the first handler around an offset is the innermost. */
typedef struct CatchClause { uint8_t kind; uint32_t tag; } CatchClause; /* CATCH_* */
enum { CATCH_TAG = 0, CATCH_TAG_REF = 1, CATCH_ALL = 2, CATCH_ALL_REF = 3 };
typedef struct Handler {
    uint32_t start, end;  /* offsets in the module's bytes */
    uint32_t entry;       /* opcode offset of the try_table: catch branches count from here */
    uint32_t stp;         /* side-table index of its first catch entry */
    uint32_t height;      /* slots from the frame's first local to the operands below the try_table
                           * (without its parameters) */
    uint32_t first, count;/* clauses, in FuncCode.clauses */
} Handler;

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
} FuncCode;

/* The code of own function `func` (module index, not imported), verified now if it was not.
 * Fast path: one acquire load.  *code lives as long as the module. */
fnvm_error *verifier_function(Module *m, uint32_t func, const FuncCode **code);

/* Everything about a module but function bodies: types, limits, imports' types, initializers,
 * segments, exports, start.  Called once, when it is loaded, in either mode. */
fnvm_error *verifier_module(Module *m);

/* All functions; see fnvm_module_verify. */
fnvm_error *verifier_all(Module *m, void (*report)(void *, const fnvm_error *), void *env,
                         size_t *bad);

/* Bytes of side tables and of verified code so far: for `fnvm inspect` and the documentation. */
void verifier_sizes(const Module *m, uint64_t *side_bytes, uint64_t *code_bytes);

void func_code_free(const FuncCode *);

#endif
