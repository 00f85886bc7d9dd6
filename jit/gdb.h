/* GDB's interface to code that is compiled at run time ("JIT Compilation Interface" in its
 * manual): each compiled function is announced to it as an object file in memory, with a symbol
 * and with what it takes to unwind its frame.  Breakpoints and backtraces then have the
 * functions' names.
 *
 * GDB walks from host code called by compiled code through the frames of compiled code to the
 * host's caller, but for calls by the host that are not the innermost: there the frames in
 * between are left out, as are frames that the interpreter runs. */
#ifndef FNVM_JIT_GDB_H
#define FNVM_JIT_GDB_H

#include "vm/engine.h"

/* Announces all code of the engine, which has no modules yet.  It takes about 1 KiB a function, and
 * GDB time in proportion to their number. */
fnvm_error *gdb_listen(fnvm_engine *);

#endif
