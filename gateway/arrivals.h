/* From a connection's request to an invocation of a function, or to an answer without one. */
#ifndef FNVM_GATEWAY_ARRIVALS_H
#define FNVM_GATEWAY_ARRIVALS_H

#include "gateway/invocation.h"

HttpHandlers arrivals_handlers(Worker *);
/* Finds the function by i->head and submits it, or answers. */
void arrivals_route(Invocation *, bool async);

/* builtin.c: paths that begin with "/_/". */
void builtin_answer(Invocation *);
/* async.c: reads the body, then answers 202 and has it run without the request. */
void async_start(Invocation *);   /* a request that asks for it has arrived */
void async_collect(Invocation *);
/* GET of /_/calls/ID */
void async_result(Invocation *, HttpText id);

#endif
