/* What a worker gives up before its first guest runs (cli/narrow.h), and whether what it has kept is
 * enough for another table.
 *
 * The first table says what is kept: the depot, to be read; the directory of calls; mounts, the
 * store of keys and values, secrets' files; connections, where functions may send requests or the
 * store is Redis, to the ports that are named.  What is opened once (libraries, images and policies
 * that are not the depot's) is opened before.  A later table that wants more is for a new worker. */
#ifndef FNVM_GATEWAY_WORKER_NARROW_H
#define FNVM_GATEWAY_WORKER_NARROW_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config.h"

typedef struct Worker Worker;
typedef struct Narrowed Narrowed;

/* To what the worker's table needs, if WorkerStart.narrow says so.  Called once, when all of that
 * table is open, and while there is one thread. */
fnvm_error *worker_narrow(Worker *);
/* Whether the worker can open this table; `why` says what it cannot.  The control thread's. */
bool worker_narrow_covers(const Worker *, const Config *, char *why, size_t size);
void worker_narrow_forget(Worker *);

#endif
