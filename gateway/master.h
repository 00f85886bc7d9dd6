/* The master: one thread and no engine, which starts the processes that serve, replaces those
 * that die, and changes what they serve.  It answers no requests. */
#ifndef FNVM_GATEWAY_MASTER_H
#define FNVM_GATEWAY_MASTER_H

#include "gateway/change.h"
#include "gateway/worker.h"

typedef struct MasterStart {
    const Source *source;
    const Config *config;      /* as source_read has it: what listens, and where the state is */
    State *state;              /* open; stays the caller's */
    int (*worker)(const WorkerStart *);  /* worker_main, but for tests */
    int (*status)(int listener, Metrics *metrics, int control, NarrowMode); /* status_main; NULL: none */
    FILE *out;                 /* is told where it listens and what it serves */
} MasterStart;

/* Serves until SIGTERM, SIGINT or `drain`, and returns the exit status.  Errors go to standard
 * error, as all that happens later.  The signals that it waits for stay blocked. */
int master_main(const MasterStart *);

#endif
