/* Instructions as text, one at a time: the keyword and its immediates in the order of the binary
 * format, indices as numbers. */
#ifndef FNVM_CLI_BYTECODE_H
#define FNVM_CLI_BYTECODE_H

#include "loader/reader.h"
#include "loader/instruction.h"
#include "loader/module.h"

/* Writes the instruction that the reader is at, and reads it; cut to `size` with its NUL.  False at
 * a failure, which the reader holds: never in a function that the verifier has passed. */
bool bytecode_print(const Module *, Reader *, char *text, size_t size, Op *op);

#endif
