/* Guests that wait in a host function without a thread: fnvm_caller_suspend and what follows.  What
 * is kept of one is Store.waiting; images have a form of their own for the same (vm/image/stack.h). */
#ifndef FNVM_VM_WAITING_H
#define FNVM_VM_WAITING_H

#include "vm/store.h"

/* The error of what cannot be done while a guest waits, which `what` says. */
fnvm_error *waiting_refuses(const char *what);

/* fnvm_store_resume of a guest that waits for its host function to be called again. */
fnvm_error *waiting_repeat(Store *, fnvm_val *results, size_t nresults);

/* For looking at a waiting guest as if it were in its host function now, which it is between these
 * two.  Nothing runs meanwhile. */
void waiting_expose(Store *);
void waiting_conceal(Store *);

/* The results of an outermost call as values. */
fnvm_error *results_from_slots(Store *, const Type *, const Slot *, fnvm_val *results);

#endif
