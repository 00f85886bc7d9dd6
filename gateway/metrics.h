/* Numbers about what is served, in memory that all processes of a gateway share: each worker writes to a
 * part of its own, without locks, and anybody adds up.  Numbers survive the worker that counted them.
 *
 * A function keeps its slot over updates; slots are given by the master (metrics_slot) and never reused for
 * another name while the gateway runs. */
#ifndef FNVM_GATEWAY_METRICS_H
#define FNVM_GATEWAY_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fnvm.h"

typedef struct Metrics Metrics;

enum { METRICS_WORKERS = 64, METRICS_FUNCTIONS = 1024, METRICS_TENANTS = 256 };

typedef enum StartKind {   /* where an instance came from */
    START_COLD,            /* the image was opened for it */
    START_RESTORED,        /* mapped anew from an open image */
    START_REUSED,          /* one from the pool, reset after the request before */
    START_KINDS
} StartKind;

typedef enum Outcome {
    OUTCOME_OK, OUTCOME_TRAP, OUTCOME_TIMEOUT, OUTCOME_EXIT /* status other than 0 */, OUTCOME_BAD_ANSWER,
    OUTCOME_CUT /* the client went away */, OUTCOME_SHED /* 429 or 503: never started */, OUTCOME_FAILED,
    OUTCOMES
} Outcome;

typedef struct MetricsRequest {
    uint32_t slot;
    StartKind start;       /* of what was started */
    Outcome outcome;
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
bool metrics_slot(Metrics *, const char *name, uint32_t *slot); /* false: METRICS_FUNCTIONS are taken */
bool metrics_tenant(Metrics *, const char *name, uint32_t *tenant);
/* A worker is gone: what it had at work and waiting is no more, what it counted stays. */
void metrics_worker_gone(Metrics *, unsigned worker);

/* A worker's; `worker` is its number, below METRICS_WORKERS.  None of these waits or fails. */
void metrics_count(Metrics *, unsigned worker, const MetricsRequest *);
/* Takes or gives back a place among what is at work or waits, over all workers: false, and nothing is taken,
 * where it would exceed `most`.  Exact: two workers never both take the last one. */
bool metrics_enter(Metrics *, unsigned worker, uint32_t slot, uint32_t most);
void metrics_leave(Metrics *, unsigned worker, uint32_t slot);
bool metrics_queue(Metrics *, unsigned worker, uint32_t slot, uint32_t most);
void metrics_unqueue(Metrics *, unsigned worker, uint32_t slot);
bool metrics_tenant_enter(Metrics *, unsigned worker, uint32_t tenant, uint32_t most, uint64_t bytes,
                          uint64_t most_bytes);
void metrics_tenant_leave(Metrics *, unsigned worker, uint32_t tenant, uint64_t bytes);
void metrics_ready(Metrics *, unsigned worker, uint32_t slot, uint32_t stores); /* kept ready now */

/* The last errors and lines of log of each function, in rings of fixed size; text is cut and escaped.
 * `call_id` is the request's X-Call-Id. */
void metrics_error(Metrics *, unsigned worker, uint32_t slot, const char *call_id, const fnvm_error *);
void metrics_log(Metrics *, unsigned worker, uint32_t slot, const char *call_id, const char *line, size_t len);

/* Anybody's. */
void metrics_prometheus(const Metrics *, char **text, size_t *len); /* text NULL: no memory */
void metrics_json(const Metrics *, char **text, size_t *len);       /* what the status page shows */
/* The ring of one function as lines, oldest first, from sequence number *from; *from is then the next one. */
void metrics_logs(const Metrics *, uint32_t slot, uint64_t *from, char **text, size_t *len);

#endif
