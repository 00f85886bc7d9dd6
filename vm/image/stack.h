/* The suspended call of an image: from the frames of a stack, of either engine, to portable ones
 * and back.
 *
 * A call is suspended while it is in a host function, where every frame is canonical (I3).  The
 * slots are saved as the pages they are; control frames are saved as ImageFrames, since those of
 * compiled code are addresses, and are made again when the call goes on: as return addresses into
 * whatever code the functions have then, or as the interpreter's. */
#ifndef FNVM_VM_IMAGE_STACK_H
#define FNVM_VM_IMAGE_STACK_H

#include "vm/image/format.h"
#include "vm/run.h"

/* A slot of the suspended stack that holds, by the verifier's types, a reference to what may be an
 * object (any, extern, exn hierarchies).  In a dead local of compiled code may be anything. */
typedef struct StackRef { uint32_t slot; HeapType heap; } StackRef;

typedef struct StackCapture { /* arrays owned; zero: the store is at rest */
    ImageCall call;           /* but `wake` and `value`, which are the caller's to set */
    uint32_t top;             /* slots in use, the host function's arguments included */
    ImageFrame *frames; uint32_t nframes;
    StackRef *refs; uint32_t nrefs;
} StackCapture;

/* Of a store at rest, or in a host function called by a guest that the embedder called.
 * FNVM_E_USAGE where calls are nested (the host function called back into the guest), or where what
 * called is no guest code; FNVM_E_LIMIT where the stack is so full that the frames might not fit when
 * they are made again.  Dead locals of compiled code become values of their types, but for
 * references to objects. */
fnvm_error *stack_capture(Store *, StackCapture *out);
void stack_capture_free(StackCapture *);

/* Whether the call's host function can be woken as its `wake` says: with FNVM_WAKE_RETURN it has at
 * most one result, and that is a number. */
bool stack_can_wake(Store *, const ImageCall *);

/* Whether hostile `frames` can be what a suspended call looks like in this store: every function,
 * pc, slot and reference is what the verifier would allow there; the slots are in the (mapped)
 * region already.  References to objects are not looked at (objects_check does). */
fnvm_error *stack_check(Store *, const ImageCall *, const ImageFrame *, uint32_t n);

/* The slots of `frames` that hold references to what may be objects, as in StackCapture.refs. */
fnvm_error *stack_refs(Store *, const ImageCall *, const ImageFrame *, uint32_t n, StackRef **refs,
                       uint32_t *nrefs);

/* Lets the suspended call go on, once: rebuilds the control frames on the owner's stack, repeats or
 * completes the host function's call as `call` says, and runs until the entry returns.  Its results
 * are left in `slots` (as many as the entry's type says).  Errors are as run_call's; afterwards the
 * stack is empty. */
fnvm_error *stack_resume(Store *, const ImageCall *, const ImageFrame *, uint32_t n, Slot *slots);

#endif
