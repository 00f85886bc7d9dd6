/* fnvm:kv for the functions of a worker: a file in the gateway's state, or Redis, whose guests wait
 * without a thread. */
#ifndef FNVM_GATEWAY_STORE_H
#define FNVM_GATEWAY_STORE_H

#include "gateway/function.h"

typedef struct Store Store;

/* Opened before the first function that may use it, and after the fork: it may have a thread. */
fnvm_error *store_open(Worker *, const Config *, Store **out);
void store_stop(Store *);  /* nobody is woken any more; while there is a loop.  NULL is fine */
void store_close(Store *); /* after the instances that use it; NULL is fine */
/* The instance's keys are those of its function. */
fnvm_error *store_give(Store *, Place *);

#endif
