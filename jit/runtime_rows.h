/* Rows of the instruction table that compute on values alone, on operands in their slots: what the
 * runtime does for rows without a template, and what templates are tested against. */
#ifndef FNVM_JIT_RUNTIME_ROWS_H
#define FNVM_JIT_RUNTIME_ROWS_H

#include "loader/instruction.h"
#include "vm/instance.h"

/* Executes `op` on the operands at `s`; its results replace them, an i32 or f32 with the upper half
 * of its slot zero.  `lane` is the lane of extract_lane and replace_lane, `bytes` are the immediate
 * of i8x16.shuffle and v128.const.  One that traps changes nothing.  False: not such a row. */
bool row_compute(Op op, Slot *s, unsigned lane, const uint8_t *bytes, fnvm_trap *trap);

#endif
