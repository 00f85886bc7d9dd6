/* One module under two engines: the same calls, one after the other, and every difference in what
 * they give: results, traps with their frames, exceptions, calls of the host; in the end memories,
 * globals and tables.
 *
 * Not a difference: the bits of a NaN (4.3.3), and what comes after a guest ran out of stack or
 * heap, of which engines may need different amounts. */
#ifndef FNVM_GENERATE_COMPARE_H
#define FNVM_GENERATE_COMPARE_H

#include "fnvm.h"

typedef enum Verdict {
    SAME,
    DIFFERENT,
    INVALID, /* the module does not load or verify */
    CUT,     /* the guest ran out of stack or heap: the same until then */
    CRASHED, /* compare_apart: the process died */
    HUNG     /* compare_apart: it took too long */
} Verdict;

enum { COMPARE_SECONDS = 30 }; /* what is too long */

/* Interpreter and compiler.  `modules` counts those loaded: an engine's registry of types only
 * grows, so it is made anew now and then. */
typedef struct Engines { fnvm_engine *of[2]; unsigned modules; } Engines;

typedef struct CompareOptions {
    uint64_t seed;       /* of arguments */
    unsigned lanes;      /* vectors hold FNVM_F32s or FNVM_F64s, whose NaNs are all one, or 0 */
    uint64_t stack_bytes; /* of guests; 0: more than they need */
    bool all_edges;      /* call with every combination of edge values */
    unsigned calls;      /* of each function, otherwise */
    bool without_frames; /* of traps and exceptions */
    FILE *out;           /* where differences and refusals are described; may be NULL */
    uint64_t *ncalls;    /* raised by each, may be NULL */
    uint64_t *nfailed;   /* likewise, by trap; [FNVM_TRAP_NONE]: exceptions and the like */
} CompareOptions;

Verdict compare_module(Engines *, const uint8_t *bytes, size_t len, const CompareOptions *);
/* The same in a process of its own, with engines of its own. */
Verdict compare_apart(const uint8_t *bytes, size_t len, const CompareOptions *,
                      unsigned milliseconds);
void engines_free(Engines *);

#endif
