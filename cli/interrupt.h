/* Stopping what a command does for a module, its guest included: by a signal, or when its time is
 * over. */
#ifndef FNVM_CLI_INTERRUPT_H
#define FNVM_CLI_INTERRUPT_H

#include <stdbool.h>

#include "fnvm.h"

/* From now on SIGINT and SIGTERM interrupt what the engine loads, verifies and compiles; the second
 * one of a kind does what it does by default.  With a timeout (not 0) that is also interrupted after
 * that time.  `whose` says where the timeout comes from, and lives until interrupt_remove: NULL, the
 * option.  One engine at a time. */
void interrupt_install(fnvm_engine *, uint64_t timeout_ns, const char *whose);
/* The guest of this store, too.  To be called again after what clears the store's interrupt. */
void interrupt_store(fnvm_store *);
/* Before the engine and the store are freed: signals act by default again. */
void interrupt_remove(void);

bool interrupt_signalled(void); /* by a signal, not by the timeout */
/* Whether the error comes from that. */
bool interrupt_caused(const fnvm_error *);
/* Says that it was interrupted; the status to end with.  Frees the error. */
int interrupt_report(fnvm_error *, const char *doing, const char *file);

#endif
