/* The host module `spectest`, which scripts of the official suite import from. */
#ifndef FNVM_CONFORMANCE_SPECTEST_H
#define FNVM_CONFORMANCE_SPECTEST_H

#include "fnvm.h"

/* Defines it.  Its functions print their arguments on standard output if `verbose`, and else do
 * nothing.  What it has of globals, tables and memories are the store's first instances. */
fnvm_error *spectest_define(fnvm_store *, fnvm_linker *, bool verbose);

/* The same in two steps for a store that is restored from an image of one that had it: before that
 * the functions, and then the rest, which came back with it. */
fnvm_error *spectest_define_functions(fnvm_linker *, bool verbose);
fnvm_error *spectest_define_restored(fnvm_store *, fnvm_linker *);

#endif
