/* Numbers about what is served, in memory that all processes of a gateway share: each worker writes
 * to a part of its own, without locks, and anybody adds up.  Numbers survive the worker that
 * counted them.
 *
 * A function keeps its slot over updates; slots are given by the master (metrics_slot) and never
 * reused for another name while the gateway runs.  The mapping is 1,757 MiB of addresses, of which
 * only what was written has memory: some 40 KiB for a function that one worker serves.
 *
 * Threads: a worker's functions may be called from any of its threads; the master's from one thread
 * of one process; those that read from anywhere.  A worker, slot or tenant that is out of range is
 * ignored (and refused where there is an answer): memory that a worker may have damaged is read
 * with that in mind. */
#ifndef FNVM_GATEWAY_METRICS_H
#define FNVM_GATEWAY_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fnvm.h"

typedef struct Metrics Metrics;

enum {
    METRICS_WORKERS = 128, METRICS_FUNCTIONS = 1024, METRICS_TENANTS = 256,
    METRICS_NAME = 128,      /* of functions, versions and tenants, with a NUL; longer ones have no slot */
    METRICS_PLACES = 0xfffff /* the most that metrics_enter and the like grant, whatever `most` is */
};

typedef enum StartKind {   /* where an instance came from */
    START_COLD,            /* the image was opened for it */
    START_RESTORED,        /* mapped anew from an open image */
    START_REUSED,          /* one from the pool, reset after the request before */
    START_KINDS
} StartKind;

typedef enum Outcome {
    OUTCOME_OK, OUTCOME_TRAP, OUTCOME_TIMEOUT, OUTCOME_EXIT /* status other than 0 */,
    OUTCOME_BAD_ANSWER, OUTCOME_CUT /* the client went away */,
    OUTCOME_SHED /* 429 or 503: never started */, OUTCOME_FAILED,
    OUTCOMES
} Outcome;

/* As the metrics, the status page and the access log have them. */
extern const char *const start_names[START_KINDS];
extern const char *const outcome_names[OUTCOMES];

typedef struct MetricsRequest {
    uint32_t slot;
    StartKind start;       /* of what was started; START_KINDS: nothing was, start_ns means nothing */
    Outcome outcome;       /* of OUTCOME_SHED `start` is not looked at */
    unsigned status;       /* of HTTP */
    uint64_t start_ns;     /* to have an instance */
    uint64_t guest_ns;     /* that it ran, waiting included */
    uint64_t total_ns;     /* from the request's arrival to the end of its answer */
    uint64_t bytes_in, bytes_out;
    uint64_t memory_bytes; /* of the guest's memories when it ended */
} MetricsRequest;

/* Made once, by the master, before it forks. */
fnvm_error *metrics_new(Metrics **out);
void metrics_free(Metrics *);

/* The master's. */
/* False: all METRICS_FUNCTIONS are taken, or METRICS_TENANTS. */
bool metrics_slot(Metrics *, const char *name, uint32_t *slot);
bool metrics_tenant(Metrics *, const char *name, uint32_t *tenant);
/* What is said about a function beside its name; again after an update.  `version` NULL: it is not
 * served any more, its numbers stay.  `concurrency` and `queue` as in Function. */
typedef struct MetricsFunction {
    const char *version, *protocol, *tenant;
    uint32_t concurrency, queue;
} MetricsFunction;
void metrics_function(Metrics *, uint32_t slot, const MetricsFunction *);
/* A worker was forked.  Every one after the first of its number counts as a restart. */
void metrics_worker_born(Metrics *, unsigned worker, int pid);
/* A worker is gone (was waited for): what it had at work and waiting is no more, what it counted
 * stays. Before another of the same number is forked. */
void metrics_worker_gone(Metrics *, unsigned worker);
/* As metrics_worker_gone, of one that another has replaced: none of its number is missing. */
void metrics_worker_left(Metrics *, unsigned worker);

/* A worker's; `worker` is its number, below METRICS_WORKERS.  None of these waits or fails. */
void metrics_count(Metrics *, unsigned worker, const MetricsRequest *);
/* Takes or gives back a place among what is at work or waits, over all workers: false, and nothing
 * is taken, where it would exceed `most`.  Exact: two workers never both take the last one. */
bool metrics_enter(Metrics *, unsigned worker, uint32_t slot, uint32_t most);
void metrics_leave(Metrics *, unsigned worker, uint32_t slot);
bool metrics_queue(Metrics *, unsigned worker, uint32_t slot, uint32_t most);
void metrics_unqueue(Metrics *, unsigned worker, uint32_t slot);
bool metrics_tenant_enter(Metrics *, unsigned worker, uint32_t tenant, uint32_t most, uint64_t bytes,
                          uint64_t most_bytes);
void metrics_tenant_leave(Metrics *, unsigned worker, uint32_t tenant, uint64_t bytes);
void metrics_ready(Metrics *, unsigned worker, uint32_t slot, uint32_t stores); /* kept ready now */

/* The last errors and lines of log of each function, in rings of fixed size; text is cut, and
 * escaped when it is read.  `call_id` is the request's X-Call-Id. */
void metrics_error(Metrics *, unsigned worker, uint32_t slot, const char *call_id, const fnvm_error *);
void metrics_log(Metrics *, unsigned worker, uint32_t slot, const char *call_id, const char *line,
                 size_t len);
/* Bytes of log beyond Function.log_bytes: only counted. */
void metrics_log_dropped(Metrics *, unsigned worker, uint32_t slot, uint64_t bytes);

/* Anybody's. */
bool metrics_read_only(Metrics *); /* in this process, from now on; false: the system refused */
bool metrics_find(const Metrics *, const char *name, size_t len, uint32_t *slot); /* false: none */
int metrics_worker_pid(const Metrics *, unsigned worker); /* 0: there is none of this number now */
void metrics_prometheus(const Metrics *, char **text, size_t *len); /* text NULL: no memory */
void metrics_json(const Metrics *, char **text, size_t *len);       /* what the status page shows */
/* One function with its histograms and last errors. */
void metrics_json_function(const Metrics *, uint32_t slot, char **text, size_t *len);
/* The ring of one function as JSON, {"lines":[...],"next":N}, oldest first, from sequence number
 * *from; *from is then the next one.  A line that is still being written while later ones are
 * complete is left out. */
void metrics_logs(const Metrics *, uint32_t slot, uint64_t *from, char **text, size_t *len);
/* Lines and errors as text for people, in the order of their times: "2026-01-31T12:00:00.123Z
 * CALLID text", with control characters escaped; of an error "error: " is before the text, and
 * what else there is of it on lines that are indented. */
typedef struct MetricsPlace { uint64_t lines, errors; } MetricsPlace; /* zero: from the oldest on */
void metrics_log_text(const Metrics *, uint32_t slot, MetricsPlace *from, char **text, size_t *len);

#endif
