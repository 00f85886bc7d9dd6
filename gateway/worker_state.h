/* What a worker has; for the worker's own files.  All of it wants the loop's token, but for what
 * is the control thread's. */
#ifndef FNVM_GATEWAY_WORKER_STATE_H
#define FNVM_GATEWAY_WORKER_STATE_H

#include "gateway/access_log.h"
#include "gateway/invocation.h"
#include "gateway/outbound.h"
#include "gateway/store.h"
#include "gateway/worker.h"
#include "gateway/worker_narrow.h"

struct Worker {
    WorkerStart start;
    Loop *loop;               /* NULL: there is one thread yet */
    Http *http;
    Table *table;             /* what is served */
    Timers timers;
    TraceSource traces;
    AccessLog log;
    Calls *calls;             /* NULL: nothing is asynchronous */
    Store *store;             /* of keys and values; NULL: no function has been opened that may use it */
    fnvm_depot *depot;        /* of functions that may be revoked; NULL: there are none */
    Outbound *outbound;       /* NULL: no function has been opened that may send requests */
    Narrowed *narrowed;       /* what it was narrowed to; NULL: it was not */
    CgiServer server;
    char port[8];
    Invocation *live;         /* a list of all that have not ended */
    Invocation *kept;
    size_t nlive, nkept;
    uint64_t held;            /* bytes of asynchronous calls' bodies, until these have ended */
    uint64_t call_bytes;      /* of TUNE_CALL_BYTES */
    Opened *dirty;            /* functions with instances to reset */
    Opened *waiting;          /* functions with requests that wait for a place */
    Timer retry, grace;
    bool draining, stopping, stopped;
    /* The control thread's work, noted with the token. */
    Table *dead_tables;
    Opened *dead_functions;
    uint32_t old_tables;      /* that still have requests, or are not closed yet */
    int control_wake;         /* an eventfd */
};

/* For the control thread: the token, once there is a loop. */
void worker_lock(Worker *);
void worker_unlock(Worker *);

void worker_note_dirty(Worker *, Opened *);
void table_drop(Worker *, Table *);        /* one use less: the last has it closed by the control thread */
void function_drop(Worker *, Opened *);    /* likewise */
void worker_drain(Worker *);

#endif
