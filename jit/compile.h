/* The compiler: one pass over a verified function's bytecode, which emits machine code from
 * templates while it keeps an abstract state of operands and locals.  See compiler.h. */
#ifndef FNVM_JIT_COMPILE_H
#define FNVM_JIT_COMPILE_H

#include "jit/segment.h"

typedef struct Compiler Compiler; /* working memory, reused; one thread at a time */

/* What the machine can do: bits of CPU_* (compiler-private numbering, part of a code cache's key). */
uint64_t compiler_cpu_features(void);

Compiler *compiler_new(Module *); /* NULL: the host is out of memory */
void compiler_free(Compiler *);
/* Who watches functions being compiled from now on; NULL: nobody. */
struct CodeTrace;
void compiler_trace(Compiler *, struct CodeTrace *);

/* What compiling looks at from now on: the engine's flag alone to begin with. */
void compiler_stop_at(Compiler *, Stop);
/* Whether the last function was given up because of that, and may be tried again. */
bool compiler_stopped(const Compiler *);

/* Compiles `code`; `out` points into the compiler's memory.  The segment is only read, without its
 * lock.  False: memory ran out or the code would be too large: the interpreter has to run it. */
bool compiler_function(Compiler *, const Segment *, const FuncCode *code, Compiled *out);

#endif
