/* Valid modules out of random numbers: what the differential test runs.
 *
 * A generated module ends: functions and loops count down its global "hang", which the caller sets
 * before each call, and return or trap when it is 0.  It computes the same with every engine: bits
 * that the standard leaves open (those of NaNs) never become anything but a float.  It exports all
 * it has: functions "f0".., memories "m0".., tables "t0".., globals "g0"..  What it imports from
 * "env" may be anything of the type. */
#ifndef FNVM_GENERATE_GENERATE_H
#define FNVM_GENERATE_GENERATE_H

#include "conformance/generate/bytes.h"
#include "loader/instruction.h"

enum { GENERATE_SIZE = 80 }; /* what `size` usually is: instructions of a function, roughly */

/* Appends the module of the seed.  coverage[op] (OP_COUNT of them, may be NULL) is raised by one
 * for each `op` written. */
void generate_module(uint64_t seed, uint32_t size, Bytes *out, uint64_t *coverage);

/* ---- One instruction in all its surroundings ---- */

/* Whether the row's operands and results are numbers only. */
bool generate_has_row(Op op);

/* Appends a module whose every function is `op` once: its operands from parameters, constants,
 * locals, memory and deeper expressions; its result returned, kept, stored or tested. */
void generate_row(Op op, Bytes *out);

/* Vector lanes of this type may hold NaNs of any bits in the row's result: FNVM_F32, FNVM_F64, or
 * FNVM_I32 if they may not. */
unsigned generate_row_lanes(Op op);

#endif
