/* Debug builds check the compiler's state before each instruction (FNVM_CHECK, which the Makefile
 * sets together with the sanitizers); others have nothing of it. */
#ifndef FNVM_JIT_X86_64_CHECK_STATE_H
#define FNVM_JIT_X86_64_CHECK_STATE_H

#include "jit/x86_64/compiler.h"

#ifdef FNVM_CHECK
/* Ends the process, having printed what is wrong and the state, unless the invariants hold. */
void check_state(const Compiler *);
#else
static inline void check_state(const Compiler *c) { (void)c; }
#endif

#endif
