/* The status process: forked by the master, it serves the status page and the numbers on an address
 * of its own, so that looking at a gateway takes nothing from what serves requests.  It reads the
 * shared memory and /proc, writes nothing, and knows no secrets.
 *
 *   GET /                            the page: one file, nothing from elsewhere
 *   GET /metrics                     Prometheus' text format
 *   GET /status.json                 what the page shows; with ?function=NAME that one in detail
 *   GET /logs?function=NAME&from=N   its last lines of log from sequence number N, as JSON
 *   GET /_/health                    200 while a worker lives, else 503
 *
 * There is no authentication: whoever reaches the address may read, so it is a loopback address, a
 * Unix socket, or behind something that asks who it is.  docs/monitoring.md has what the numbers
 * mean. */
#ifndef FNVM_GATEWAY_STATUS_H
#define FNVM_GATEWAY_STATUS_H

#include "cli/narrow.h"
#include "gateway/metrics.h"

/* `listener` is a listening socket, nonblocking.  `control` is a socket to the master; nothing is
 * sent on it: when it ends, or SIGTERM comes, the process is to end.  It keeps reading
 * /proc and what is open, and gives up the rest before it answers.  Returns the exit status. */
int status_main(int listener, Metrics *metrics, int control, NarrowMode);

#endif
