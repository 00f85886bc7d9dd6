/* Compiled code and its surroundings: what the rest of the engine sees of jit/.
 *
 * A module's code lies in its *segment*: a table of entries (one address per function, at first
 * that of the stub that compiles it) and behind it the code, position-independent and shared by all
 * instances (I2).  A call goes through the table or straight to a callee that was compiled before.
 *
 * Compiled code runs on the guest's stack.  Its frames have the slots of the interpreter's frames;
 * as control frames they have only the return address that `call` pushes, which the segment's
 * *points* map back to function, instruction and frame.  See vm/frames.h for how a stack is read. */
#ifndef FNVM_JIT_JIT_H
#define FNVM_JIT_JIT_H

#include "jit/links.h"
#include "vm/run.h"

#endif
