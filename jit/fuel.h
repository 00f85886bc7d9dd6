/* Fuel that compiled code paid ahead. */
#ifndef FNVM_JIT_FUEL_H
#define FNVM_JIT_FUEL_H

#include "vm/run.h"

/* After compiled code was left by a trap, or by another error (FNVM_TRAP_NONE), in its innermost
 * frame: gives back what was paid for the rest of the stretch (vm/fuel.h), which will not run, so
 * that the sum is the interpreter's. */
void fuel_give_back(const Run *, fnvm_trap);

#endif
