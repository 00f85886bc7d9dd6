/* Faults: compiled code checks no bounds where a guard lies behind the memory, and polls for an
 * interrupt by reading a page; what the processor then raises becomes a trap here.
 *
 * The handler of SIGSEGV and SIGBUS is the process's.  It acts on a fault in compiled code of the
 * store that runs on the thread, at an instruction that may fault, on an address that belongs to
 * the instance; everything else goes to whatever handler was there before, as if this one did not
 * exist.  A handler that is installed later has to pass on what it does not know, as ever. */
#ifndef FNVM_JIT_FAULT_H
#define FNVM_JIT_FAULT_H

#include "vm/store.h"

/* Any thread, any number of times: for every engine, since the handler may have been taken away. */
fnvm_error *fault_handler_install(void);

/* Brackets entering compiled code: the thread's faults are `store`'s until the end, which takes
 * what the beginning returned. */
Store *fault_run_begin(Store *store);
void fault_run_end(Store *before);

#endif
