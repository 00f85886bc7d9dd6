/* Skipping over code without understanding it: for constant expressions, whose end must be found
 * before they are checked, and for anything that walks code in order. */
#ifndef FNVM_LOADER_SKIP_H
#define FNVM_LOADER_SKIP_H

#include "loader/instruction.h"
#include "loader/reader.h"

/* Reads one instruction with its immediates; *op is what it was.  False at a failure, which the
 * reader holds.  Checks the grammar only: indices, types and features are whatever they are. */
bool reader_skip_instruction(Reader *, Op *op);

/* Skips an expression with its final `end`.  Calls `seen` (may be NULL) for each instruction, with
 * the offset of its first immediate. */
bool reader_skip_expression(Reader *, void (*seen)(void *env, Op op, uint32_t immediate),
                            void *env);

#endif
