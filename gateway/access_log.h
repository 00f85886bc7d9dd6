/* The access log: a JSON object per request, on a line.  Lines are gathered and written with one
 * write(2) per turn of the loop; those that cannot be written are lost, and the log says how
 * many. */
#ifndef FNVM_GATEWAY_ACCESS_LOG_H
#define FNVM_GATEWAY_ACCESS_LOG_H

#include "gateway/metrics.h"
#include "gateway/text.h"

typedef struct AccessLog {
    int fd;                 /* -1: there is none */
    Text lines;
    uint64_t lost;
    uint64_t second;        /* that `stamp` is of */
    char stamp[24];
} AccessLog;

typedef struct AccessLine {
    HttpText peer, method, host, target, function, version; /* `function` "": none */
    const char *call_id, *trace;  /* the trace's id: TRACE_ID_LEN characters */
    const MetricsRequest *numbers;
    bool answered;          /* else the client went away before */
} AccessLine;

void access_log_add(AccessLog *, const AccessLine *);
void access_log_flush(AccessLog *);
void access_log_free(AccessLog *); /* flushes; the descriptor stays open */

#endif
