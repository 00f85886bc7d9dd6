/* Watching a function being compiled: which machine code comes from which instruction, and what the
 * compiler knew before each.  For `fnvm disasm`; it costs nothing where nobody watches. */
#ifndef FNVM_JIT_TRACE_H
#define FNVM_JIT_TRACE_H

#include "verifier/verifier.h"

/* Instead of an instruction's offset: what begins there. */
enum {
    TRACE_BEHIND = UINT32_MAX - 1, /* code out of the way: slow paths, traps */
    TRACE_DATA = UINT32_MAX        /* constants, to the end */
};

typedef struct CodeTrace {
    /* Called before each instruction is compiled, in order: `pc` is its offset in the module,
     * `native` that of its code in the function's.  `state` describes where operands and locals
     * are, on one line; NULL if that is not wanted, or nothing can get there. */
    void (*at)(struct CodeTrace *, uint32_t pc, uint32_t native, const char *state);
    bool wants_state;
} CodeTrace;

typedef struct TracedCode {
    const uint8_t *bytes; /* where they run; as long as the module lives */
    uint32_t size;
} TracedCode;

/* Makes the module ready to be compiled; false where there is no compiler. */
bool jit_trace_start(Module *);
/* Compiles an own function that has no code yet.  False: the compiler gives it up. */
bool jit_trace(Module *, const FuncCode *, CodeTrace *, TracedCode *out);
/* The function whose code begins at the address, if any. */
bool jit_trace_function(const Module *, const void *address, uint32_t *func);

#endif
