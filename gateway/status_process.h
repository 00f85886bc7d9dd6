/* What the gateway's processes cost, from /proc. */
#ifndef FNVM_GATEWAY_STATUS_PROCESS_H
#define FNVM_GATEWAY_STATUS_PROCESS_H

#include <stdio.h>

#include "gateway/metrics.h"

/* The master (the caller's parent), the caller, and every worker that lives; one that ends
 * meanwhile, or that may not be looked at, is left out. */
void processes_json(const Metrics *, FILE *out);       /* an array */
void processes_prometheus(const Metrics *, FILE *out); /* families of their own */

#endif
