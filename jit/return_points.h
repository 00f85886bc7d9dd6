/* Where calls return to in compiled code: segment_find the other way round, for frames that are made
 * from what an image says about them. */
#ifndef FNVM_JIT_RETURN_POINTS_H
#define FNVM_JIT_RETURN_POINTS_H

#include "jit/jit.h"

typedef struct ReturnPoint {
    const void *address;      /* the callee's results are as at any return: see jit_resume */
    uint32_t slots;           /* from the frame's first slot to the callee's first */
    uint32_t native;          /* the address, from the start of the function's code */
} ReturnPoint;

/* Of n calls of own function `func` that end at the offsets `pcs` in the module's bytes, ascending,
 * none of them twice.  Compiles the function if calls of it go to compiled code; false if they do
 * not, if the code has no such calls, or with *error set. */
bool return_points_find(const Instance *, uint32_t func, const uint32_t *pcs, uint32_t n,
                        ReturnPoint *out, fnvm_error **error);

#endif
