/* The host module `spectest`, which scripts of the official suite import from. */
#ifndef FNVM_CONFORMANCE_SPECTEST_H
#define FNVM_CONFORMANCE_SPECTEST_H

#include "fnvm.h"

/* Defines it.  Its functions print their arguments on standard output if `verbose`, and else do
 * nothing. */
fnvm_error *spectest_define(fnvm_store *, fnvm_linker *, bool verbose);

#endif
