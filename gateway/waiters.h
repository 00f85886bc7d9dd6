/* Who waits for what another thread does: ids of tasks, and the invocations whose guests started
 * them.  With the worker's token.  So a thread that has ended a task can wake its guest whenever
 * that was, also in the moment before the guest is left waiting, and never one that is gone. */
#ifndef FNVM_GATEWAY_WAITERS_H
#define FNVM_GATEWAY_WAITERS_H

#include "gateway/function.h"

typedef struct Waiters { struct Waiter **buckets; size_t n, room; } Waiters; /* zero: nobody */

bool waiters_note(Waiters *, int64_t id, Invocation *); /* false: no memory */
void waiters_forget(Waiters *, int64_t id);
void waiters_wake(const Waiters *, int64_t id); /* if it is still waited for */
void waiters_free(Waiters *);

#endif
