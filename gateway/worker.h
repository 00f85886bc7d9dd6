/* A worker: a process that answers requests.  It is forked by the master, which has one thread
 * and no engine; it ends when it is told to, or when the master is gone.
 *
 * The event loop runs on one thread at a time.  So do guests, between two turns of the loop:
 * most end before the next turn.  When one does not end within a few milliseconds, another
 * thread takes the loop over, and the guest's own thread goes on with it and comes back for
 * other work when it has ended (loop.h).  A guest that waits (for its body, a client that reads
 * slowly, a call, a timer) is suspended and has no thread. */
#ifndef FNVM_GATEWAY_WORKER_H
#define FNVM_GATEWAY_WORKER_H

#include "gateway/config.h"
#include "gateway/metrics.h"

typedef struct WorkerStart {
    unsigned number;        /* below METRICS_WORKERS */
    int listener;           /* shared by all workers; nonblocking */
    int control;            /* SOCK_SEQPACKET to the master */
    Metrics *metrics;
    int access_log;         /* appended to, a whole line per write(2); -1: none */
    NarrowMode narrow;      /* what is done before the first guest runs: worker_narrow.h */
} WorkerStart;

/* Messages on `control`, one per packet: this structure, with a memfd of config_print's text as
 * SCM_RIGHTS for WORKER_SERVE. */
typedef enum WorkerOrder {
    WORKER_SERVE,           /* open what is new in this table, then switch over; answered */
    WORKER_DRAIN            /* finish what is there and end; the process ends then, with status 0 */
} WorkerOrder;
typedef struct WorkerMessage { uint32_t order; uint32_t unused; uint64_t generation; } WorkerMessage;

typedef enum WorkerSays {
    WORKER_SERVES,          /* the table is in use */
    WORKER_REFUSES,         /* the one before stays; `text` is an error with its causes */
    WORKER_OUTGROWN,        /* likewise: the table wants what the worker has given up, which `text` says;
                             * so another one is to serve it */
    WORKER_DRAINED,         /* no request of an older table is left in this worker */
    WORKER_TELLS_DEPOT      /* the function in `slot` is to be decided about in the depot, which workers
                             * only read: it was refused, or the depot is to be recovered */
} WorkerSays;
typedef struct WorkerAnswer {
    uint64_t generation;
    uint32_t says, slot;
    char text[1024];        /* NUL-terminated */
} WorkerAnswer;

/* Returns the exit status. */
int worker_main(const WorkerStart *);

#endif
