/* Between the dispatcher and compiled code.  Where the machine has no compiler, jit/none/none.c
 * stands in for all of this, and engines have no code space. */
#ifndef FNVM_JIT_ENTER_H
#define FNVM_JIT_ENTER_H

#include "jit/jit.h"

/* ---- What engines, modules and instances own of compiled code ---- */

/* Makes the engine's code space as its configuration wants it.  A machine or a configuration that
 * cannot have it is an error only where compiled code was asked for by name. */
fnvm_error *jit_engine_open(fnvm_engine *);
void jit_engine_close(fnvm_engine *);

/* Makes the module's segment if this is its first instance; without room for one, the module is
 * interpreted. */
fnvm_error *jit_module_open(Module *);
void jit_module_close(Module *);

/* Fills in what compiled code reads of an instance; after its memories are linked. */
void jit_link_instance(Instance *);

/* ---- Running ---- */

/* Whether calls of own function `func` go to compiled code. */
bool jit_runs(const Instance *, uint32_t func);

/* Compiles a function unless it is compiled already.  False: it will be interpreted for good; or its
 * code was refused (fnvm_config.jit_verify), or a flag of Stop was set, which *refused then says. */
bool jit_compile(Module *, const FuncCode *, Stop, fnvm_error **refused);
/* The same by a thread with a compiler of its own. */
struct Compiler;
bool jit_compile_with(Module *, struct Compiler *, const FuncCode *, fnvm_error **refused);
/* Compiles all functions, on as many threads as the configuration says; verifies them before.  A bad
 * one is left to trap at its call.  The error is that of code that was refused. */
fnvm_error *jit_compile_all(Module *);
/* Whether the configuration lets the function be compiled. */
bool jit_wants(const Module *, uint32_t func);

/* Each enters compiled code and says what the dispatcher is to do next.  jit_call: the call of
 * run->callee; jit_return: the return to the innermost frame, a FRAME_COMPILED marker; jit_land: where
 * the cpu's `resume` is, which one of the two below has set. */
RunExit jit_call(Run *);
RunExit jit_return(Run *);
RunExit jit_land(Run *);

/* Makes a handler in the compiled frame at offset `at` of the stack the place where jit_land goes
 * on. */
void jit_prepare_landing(Run *, const FrameView *, uint32_t clause);

/* The same for the innermost compiled frame, which waits for a host function whose results are at
 * home. */
void jit_prepare_waking(Run *);

/* ---- Rebuilding stacks ---- */

/* Pushes at `sp` what makes compiled code of `inst` wait for a call that returns to `address`: a
 * frame of a function of type `type` with its first local at slot `fp`.  `caller`: the instance of
 * the compiled frame outside of it; 0: what is outside is a Frame. */
uint8_t *jit_push_frame(uint8_t *sp, uint32_t caller, const Instance *inst, const Type *type,
                        uint32_t fp, const void *address);

/* ---- Reading stacks ---- */

typedef enum ReturnKind { RETURN_TO_CODE, RETURN_TO_FRAME, RETURN_TO_INSTANCE } ReturnKind;
ReturnKind jit_return_kind(const void *address);

#endif
