/* What is in a frame that waits for a call: found by verifying its function again. */
#ifndef FNVM_VERIFIER_FRAME_TYPES_H
#define FNVM_VERIFIER_FRAME_TYPES_H

#include "verifier/verifier.h"

typedef struct FrameValue { ValType type; uint32_t slot; } FrameValue; /* slot: from the first */

typedef struct FrameTypes {   /* valid during the call that gets it */
    const FuncCode *code;     /* of the function */
    const FrameValue *values; /* locals first, then operands below the call's arguments */
    uint32_t n, nlocals;
    uint32_t args;            /* slot of the call's first argument */
    uint32_t stp;             /* side-table entry of the next branch */
    TypeId callee;            /* the function type that is called */
} FrameTypes;

typedef fnvm_error *FrameTypesFn(void *env, uint32_t i, const FrameTypes *);

/* Of n calls (call, call_indirect, call_ref) of own function `func`, in one pass over it: `pcs` has
 * the offsets in the module's bytes where they end, ascending, none of them twice.  `fn` gets the
 * types at each; an error of its ends the pass and is returned.  FNVM_E_INVALID if at one of them no
 * call ends that can be reached.  A local that may not have been initialised (3.4.9) has type
 * TYPE_BOTTOM. */
fnvm_error *verifier_frame_types(Module *, uint32_t func, const uint32_t *pcs, uint32_t n,
                                 FrameTypesFn *fn, void *env);

#endif
