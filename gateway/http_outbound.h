/* Requests that guests send to other servers: a fnvm_task_backend for fnvm_services_http, over
 * libcurl and c-ares.
 *
 * One thread of its own does all requests at once, looking names up included.  HTTP and HTTPS
 * only; no redirects, no cookies, no proxies from the environment, nothing from files of the
 * user's.  Certificates are checked by the system's list.
 *
 * Which URLs may be asked for was decided before (stdlib/http.c); here is decided which
 * addresses may be connected to, when names have been resolved and of each connection: those of
 * the public network.  Private, loopback, link-local, multicast and other special addresses are
 * refused, so that nobody who controls a name can point it into the host's own network (DNS
 * rebinding); a name with one such address among others is refused, too.  Excepted is what the
 * list names literally: a URL whose host is an address, or localhost, which then may be a loopback
 * address only.  `private_addresses` lifts all of it.
 *
 * Shares.  Each function is a sender.  Connections are not shared between senders.  Of the requests
 * that may run at once a sender is given one more while it has fewer than a quarter of those that are
 * free, so that however many requests some senders have that never end, there is room for others; the
 * rest of its requests wait, and senders are served in turn.  Likewise memory: all bodies and answers
 * of a sender may take half of what others leave. */
#ifndef FNVM_GATEWAY_HTTP_OUTBOUND_H
#define FNVM_GATEWAY_HTTP_OUTBOUND_H

#include "fnvm.h"

typedef struct HttpOutbound HttpOutbound;
typedef struct HttpSender HttpSender;

typedef struct HttpOutboundOptions { /* zero: the defaults, given here */
    uint32_t concurrent;   /* requests that run at once: 256; others wait */
    uint32_t open;         /* of one sender, until they are dropped: 256; then FNVM_SERVICE_LIMIT */
    uint64_t held_bytes;   /* of all senders' bodies and answers: 512 MiB; then FNVM_SERVICE_LIMIT */
    uint64_t answer_bytes; /* of one, fields and body: 8 MiB; then FNVM_SERVICE_TOO_LARGE */
    uint32_t connect_ms;   /* to look a name up, and again to connect: 5,000 */
    uint32_t total_ms;     /* from the start, waiting included: 30,000; then FNVM_SERVICE_TIMEOUT */
    bool private_addresses;
    /* From the backend's thread, when a request has ended; `done_env` is for it.  It must not
     * call back here. */
    void (*done)(void *env, int64_t id);
    void *done_env;
    /* What a guest does that waits for request `id`: fnvm_caller_suspend, say, having noted who
     * is to be woken.  `done` of the same request comes afterwards, never before.  It must not
     * call back here.  NULL: its thread waits. */
    fnvm_error *(*wait)(void *env, fnvm_caller *, int64_t id, uint64_t deadline_ns);
    void *wait_env;
} HttpOutboundOptions;

/* NULL: defaults.  The first request starts the thread; no fork() from then on. */
fnvm_error *http_outbound_new(const HttpOutboundOptions *, HttpOutbound **out);
/* Ends its thread, at once: `done` is not called any more, and what is open never ends. */
void http_outbound_stop(HttpOutbound *); /* NULL is fine */
/* Ends what is not done.  After the stores whose guests use it, and its senders. */
void http_outbound_free(HttpOutbound *); /* NULL is fine */

/* One who shares with others.  From any thread. */
fnvm_error *http_sender_new(HttpOutbound *, HttpSender **out);
void http_sender_free(HttpSender *); /* all its requests were dropped; NULL is fine */
/* Its functions may be called from any thread. */
void http_sender_backend(HttpSender *, fnvm_task_backend *out);

#endif
