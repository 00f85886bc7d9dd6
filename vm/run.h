/* Running guest code: the dispatcher between the host and the engines.
 *
 * The guest's frames lie on the guest's stack; the dispatcher runs the innermost one, so guest
 * calls take no C stack, whichever engines they are between.  Only a host function that calls back
 * into the guest nests. */
#ifndef FNVM_VM_RUN_H
#define FNVM_VM_RUN_H

#include "vm/frames.h"

/* Calls `func` with its arguments in slots[0..] and leaves the results there; `slots` has room for
 * the larger of both.  Traps and exceptions come back as errors with a guest backtrace. */
fnvm_error *run_call(Store *, FuncRef func, Slot *slots);

/* The code of own function `func`, verified now if this is its first call: a bad one is a trap of
 * its own kind (VERIFY), whose cause has the reason. */
fnvm_error *run_verified(Store *, Module *, uint32_t func, const FuncCode **code);
fnvm_error *run_interrupted(void); /* the trap */

/* Why an engine stopped, and so what comes next. */
typedef enum RunExit {
    RUN_DONE,     /* the call by the host returned; its results are at its first slots */
    RUN_FAILED,   /* `error` is set; the frames are as they were at the fault */
    RUN_THROW,    /* `exception` was thrown and nothing in this call catches it; likewise */
    RUN_RESUME,   /* the innermost frame is the interpreter's: go on with it */
    RUN_CALL,     /* call `callee`, whose code is compiled; the arguments are the topmost slots */
    RUN_RETURN,   /* back to the compiled code that the innermost frame, a marker, stands for */
    RUN_LAND,     /* go on in compiled code, in a handler or behind a call */
    RUN_WAITING   /* the innermost frame waits in a host function, which `error` says */
} RunExit;

typedef struct Run {
    Store *store;
    Instance *stack;    /* owner of the stack in use */
    fnvm_error *error;
    uint64_t exception; /* an exnref */
    FuncRef callee;
} Run;

/* Puts a call of `func` by the host on run->stack, all of it but what is there already: says where
 * its results will be and what comes next.  An error is that of a call that did not begin. */
typedef fnvm_error *RunPush(Run *, FuncRef func, void *env, const Slot **results, RunExit *next);

/* Has a call of a function of an instance pushed and runs it to its end, nested in what runs
 * already; its results are copied to `slots`, and the stack is as it was before.  With
 * FNVM_E_SUSPENDED all is in store->waiting instead. */
fnvm_error *run_pushed(Store *, FuncRef func, RunPush *, void *env, Slot *slots);

/* Frames that a trap or an exception has ended leave references behind, in slots that later frames
 * may cover without writing to them: they would keep garbage alive.  `from` is the first slot of
 * these frames, which are still there. */
void run_forget_frames(Store *, Instance *owner, uint32_t from);

/* Runs the innermost frame of run->stack, and those it calls, as far as the interpreter can. */
RunExit interpreter_run(Run *);

/* What both engines do with what stops them.  run_trap: RUN_FAILED with the trap and a backtrace,
 * in which an exhausted stack stands for an interrupt if there is one.  run_throw: to the handler
 * of run->exception; RUN_FAILED if the store is interrupted, since a handler may lead back. */
RunExit run_trap(Run *, fnvm_trap);
RunExit run_throw(Run *);

/* Calls a host function on behalf of guest code; `type` is its type. */
fnvm_error *run_host(Store *, Instance *caller, FuncRef, const Type *type, Slot *args);
/* What comes after that has failed with run->error, or left its guest waiting. */
RunExit run_host_failed(Run *);
/* What comes after that has returned, for a guest that had waited in it; `at` is the slot of its
 * results. */
RunExit run_host_returned(Run *, const Type *, uint32_t at);

TypeId run_func_type(const Store *, FuncRef); /* of a reference that is not null */

/* Walks the frames of the current call for a handler of `exception`.  If there is one, unwinds to
 * it, places its operands, and returns RUN_RESUME or RUN_LAND; else leaves all as it is and returns
 * RUN_THROW.  Gives up when the store is interrupted. */
RunExit unwind_to_handler(Run *, uint64_t exception);

/* Adds the guest backtrace of the frames on the stack in use to an error. */
void backtrace_attach(const Store *, fnvm_error *);

static inline Frame *stack_top_frame(const Instance *owner)
{
    return frame_at(owner, owner->context->stack.frames);
}

#endif
