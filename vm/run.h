/* Running guest code: the dispatcher between the host and the engines.
 *
 * The guest's frames lie on the guest's stack; the dispatcher runs the innermost one, so guest
 * calls take no C stack.  Only a host function that calls back into the guest nests. */
#ifndef FNVM_VM_RUN_H
#define FNVM_VM_RUN_H

#include "vm/store.h"

/* Calls `func` with its arguments in slots[0..] and leaves the results there; `slots` has room for
 * the larger of both.  Traps and exceptions come back as errors with a guest backtrace. */
fnvm_error *run_call(Store *, FuncRef func, Slot *slots);

/* The code of own function `func`, verified now if this is its first call: a bad one is a trap of
 * its own kind (VERIFY), whose cause has the reason. */
fnvm_error *run_verified(Module *, uint32_t func, const FuncCode **code);

/* Why the innermost frame stopped running. */
typedef enum RunExit {
    RUN_DONE,     /* the entry frame returned; its results are at its first slots */
    RUN_FAILED,   /* `error` is set; the frames are as they were at the fault */
    RUN_THROW     /* `exception` was thrown and no frame of this engine caught it yet */
} RunExit;

typedef struct Run {
    Store *store;
    Instance *stack; /* owner of the stack in use */
    fnvm_error *error;
    uint64_t exception; /* an exnref */
} Run;

/* Runs the innermost frame of run->stack until the entry frame returns or something fails. */
RunExit interpreter_run(Run *);

/* Walks the frames of the current call for a handler of `exception`; if there is one, unwinds to
 * it, places its operands and makes it the innermost frame (true); else leaves all as it is.  Gives
 * up when the store is interrupted. */
bool unwind_to_handler(Run *, uint64_t exception);

/* Adds the guest backtrace of the innermost call's frames to an error. */
void backtrace_attach(Run *, fnvm_error *);

static inline Frame *stack_top_frame(const Instance *owner)
{
    return (Frame *)(void *)(owner->stack_base + owner->context->stack.frames);
}

#endif
