/* fnvm:http for the functions of a worker: http_outbound.h, with guests that wait without a
 * thread and the trace of their request passed on. */
#ifndef FNVM_GATEWAY_OUTBOUND_H
#define FNVM_GATEWAY_OUTBOUND_H

#include "gateway/function.h"
#include "gateway/http_outbound.h"

typedef struct Outbound Outbound;

/* Made before the first function that may send requests is opened: it has a thread. */
fnvm_error *outbound_new(Worker *, Outbound **out);
void outbound_stop(Outbound *); /* nobody is woken any more; while there is a loop.  NULL is fine */
void outbound_free(Outbound *); /* after the stores that use it; NULL is fine */
/* What a function that was opened has there, with its share; from any thread. */
fnvm_error *outbound_open(Outbound *, HttpSender **out);
void outbound_close(HttpSender *); /* NULL is fine */
fnvm_task_backend outbound_backend(Place *);

#endif
