/* W3C Trace Context, level 1: which trace a request belongs to, and its own span in it. */
#ifndef FNVM_GATEWAY_TRACE_H
#define FNVM_GATEWAY_TRACE_H

#include "gateway/http.h"

enum { TRACE_PARENT_LEN = 55, TRACE_ID_LEN = 32 };

typedef struct TraceSource { uint64_t state[2]; } TraceSource; /* ids are to be different, not secret */
bool trace_source_new(TraceSource *); /* false: the system has no random bytes */

/* The traceparent that a function is given: the trace of `parent` if that is a valid one, a new
 * one else; in either case with a new span.  NUL-terminated. */
void trace_next(TraceSource *, HttpText parent, char out[TRACE_PARENT_LEN + 1]);

#endif
