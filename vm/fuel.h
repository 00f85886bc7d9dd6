/* What instructions cost where fuel is counted (fnvm_config.fuel): one each, but nothing those that
 * only mark structure.  The interpreter counts as it goes; its dispatch tables say the same
 * (FREE_ROWS).  Compiled code counts by stretches: instructions that are carried out one after the
 * other, without a label among them and without leaving the function.  A stretch is paid for when
 * it is entered, so that both come to the same sum wherever a function is left or a label reached.
 * Bulk operations cost more, by their size: fuel_for in vm/interpreter.h. */
#ifndef FNVM_VM_FUEL_H
#define FNVM_VM_FUEL_H

#include <stdbool.h>

#include "loader/instruction.h"

static inline bool op_is_free(Op op)
{
    return op == op_nop || op == op_block || op == op_loop || op == op_else_ || op == op_end;
}

/* Whether a stretch ends with this instruction: it branches, is a label, or another function may
 * run or catch what is thrown.  This is told from the bytecode alone. */
static inline bool op_ends_stretch(Op op)
{
    switch (op) {
    case op_loop: case op_if_: case op_else_: case op_end:
    case op_br: case op_br_if: case op_br_table: case op_br_on_null: case op_br_on_non_null:
    case op_br_on_cast: case op_br_on_cast_fail:
    case op_call: case op_call_indirect: case op_call_ref:
    case op_return_: case op_return_call: case op_return_call_indirect: case op_return_call_ref:
    case op_throw_: case op_throw_ref: case op_unreachable: return true;
    default: return false;
    }
}

#endif
