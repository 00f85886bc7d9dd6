/* Stopping a running guest: by a signal, or when its time is over. */
#ifndef FNVM_CLI_INTERRUPT_H
#define FNVM_CLI_INTERRUPT_H

#include "fnvm.h"

/* From now on SIGINT and SIGTERM interrupt the store's guest; the second one of a kind does what
 * it does by default.  With a timeout (not 0) the guest is also interrupted after that time.  One
 * store at a time. */
void interrupt_install(fnvm_store *, uint64_t timeout_ns);
/* Before the store is freed: signals act by default again. */
void interrupt_remove(void);

/* Why the guest was interrupted: the signal's number, or 0. */
int interrupt_signal(void);
bool interrupt_timed_out(void);

#endif
