/* One request to another server: what curl is told of it, and what curl tells.  For the files of
 * http_outbound.h. */
#ifndef FNVM_GATEWAY_HTTP_EXCHANGE_H
#define FNVM_GATEWAY_HTTP_EXCHANGE_H

#include <curl/curl.h>

#include "gateway/names.h"
#include "gateway/http_outbound.h"

typedef enum Peer { PEER_NAME, PEER_LOCALHOST, PEER_ADDRESS } Peer; /* what the URL's host is */

/* In this order, though any may be the last before it has ended. */
typedef enum Stage {
    STAGE_WAITING, /* for its function's turn */
    STAGE_LOOKING, /* for the name's addresses */
    STAGE_RUNNING, /* with curl */
    STAGE_ENDED
} Stage;

typedef struct Exchange Exchange;
struct Exchange {
    Exchange *next;  /* in the bucket of its id */
    Exchange *queue; /* in its function's queue, or those that look names up */
    HttpSender *sender;
    int64_t id;
    uint64_t ends_ns, looks_until_ns; /* of CLOCK_MONOTONIC */
    CURL *curl;                       /* the thread's; NULL when it has ended */
    Lookup *lookup;                   /* likewise */
    size_t first_socket, nsockets;    /* of the lookup, among those that are waited for */
    struct curl_slist *fields, *addresses;
    char *url, *body, *host; /* host: of the URL, without brackets */
    unsigned port;
    size_t body_len;
    Peer peer;
    bool refused /* the address */, too_large, too_much /* for its function's share of memory */;
    /* With the lock of http_outbound.c, until it has ended: */
    Stage stage;
    bool queued; /* it waits in its sender's queue */
    bool dropped;
    int status;
    size_t charged;
    char *answer; /* "HTTP 200\r\n", fields, an empty line, the body */
    size_t len, cap, head_len; /* head_len: up to the body */
};

/* NULL: no memory, or it is no request. */
Exchange *exchange_new(HttpSender *, const HttpOutboundOptions *, const char *name, size_t name_len,
                       const char *input, size_t len);
void exchange_free(Exchange *);
/* Whether it may connect to this address. */
bool exchange_may_reach(const Exchange *, const struct sockaddr *);
/* Tells curl where its name leads, and how much time is left.  False: no memory. */
bool exchange_aim(Exchange *, uint64_t now_ns);
int exchange_status(const Exchange *, CURLcode);

/* ---- http_outbound.c ---- */

const HttpOutboundOptions *sender_options(const HttpSender *);
CURLSH *sender_share(const HttpSender *);
/* So many bytes more, until it is freed.  False: they are more than the function's share. */
bool exchange_charge(Exchange *, size_t bytes);

#endif
