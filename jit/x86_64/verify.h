/* The independent check of compiled code (`--jit-verify`): a pass of its own over the machine code
 * of one function, which shares with the templates that made it nothing but the layout of what code
 * reads.  It decodes every byte, follows the control flow and proves by abstract interpretation:
 *
 *   - Execution stays in instructions of the function, and leaves it only by a return, a stub, an
 *     entry of the module, or to the start of a function that has code.
 *   - Every access to memory is of an allowed form (the table in verify_memory.c); those that the
 *     bytecode has are of its width, to its memory, and loads or stores as there.  An index is
 *     known to have a zero upper half, or was checked.
 *   - The instance, memory and stack registers are never written, and the frame register only
 *     around calls.
 *   - Every i32 is zero-extended where functions hand it over: in argument registers at calls, in
 *     rax at returns.
 *   - There is room on the stack for the frame of a function that calls, and what loops or calls
 *     polls for an interrupt.
 *   - Return addresses and faulting instructions are points with the right bytecode behind them.
 *     Distances that depend on where the code lies are listed to be put right.
 *
 * It relies on: the verifier, for what bytecode says of types, heights and indices; points leading
 * to the start of an instruction of it; the stubs and the runtime; and a value that has a reference
 * type being one: a pointer to an object of that type, or a function reference that the engine
 * made.  Vector registers are not looked at, nor are the values computed: code that passes may be
 * wrong, but only for the guest. */
#ifndef FNVM_JIT_X86_64_VERIFY_H
#define FNVM_JIT_X86_64_VERIFY_H

#include "jit/segment.h"

/* NULL if the code is as it has to be.  Else a mistake of the engine's, as an error that says where
 * and why; or the host is out of memory.  From any thread; the function is verified. */
fnvm_error *verify_compiled(const Module *, const Segment *, const Compiled *);

#endif
