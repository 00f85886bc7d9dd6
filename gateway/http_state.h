/* What the http*.c files share: a server, its connections, their requests.  Not for others: http.h
 * is.
 *
 * Every connection is in exactly one of a server's lists (`Waiting`), in the order in which its
 * waiting began: as each list has one duration, its first is the first to be over. */
#ifndef FNVM_GATEWAY_HTTP_STATE_H
#define FNVM_GATEWAY_HTTP_STATE_H

#include <microhttpd.h>

#include "gateway/http.h"

enum {
    HTTP_FIELDS_MAX = 100,        /* of a request: 431 */
    HTTP_ANSWER_HEAD = 8192,      /* bytes of an answer's fields together */
    HTTP_HOST_MAX = 255,
    HTTP_PIECE = 16384,           /* of an answer, handed to libmicrohttpd at once */
    HTTP_KEPT_REQUESTS = 256,     /* structures kept for the next requests */
    HTTP_KEPT_BYTES = 8192,       /* of a kept buffer; a larger one is freed */
    HTTP_LINGERING = 128,         /* closed connections that are kept half open for a moment */
    HTTP_LINGER_MS = 2000
};

typedef struct HttpConn HttpConn;

/* Bytes on their way, first in, first out.  Empty ones own no memory beyond HTTP_KEPT_BYTES. */
typedef struct Bytes { uint8_t *at; size_t size, start, end; } Bytes;

typedef enum Waiting {
    WAITING_NONE, /* for the user: his time is not counted here */
    WAITING_IDLE, /* for the next request */
    WAITING_HEAD, /* for a head to be complete */
    WAITING_BODY, /* for the client to send more, or to take more */
    WAITINGS
} Waiting;

typedef struct HeadField {
    const char *name, *value;     /* in the connection's memory, until the request is gone */
    uint32_t name_len, value_len;
} HeadField;

struct HttpRequest {
    HttpConn *conn;
    HttpRequest *next;            /* in Http.kept */
    void *env;
    /* Where the answer is: `response` is made and not yet given to libmicrohttpd, which takes it
     * only when the whole request was read (`complete`). */
    struct MHD_Response *response;
    unsigned status;
    bool begun;                   /* libmicrohttpd has called for it once: its head is complete */
    bool arrived;                 /* the user knows it: `gone` is owed */
    bool complete;                /* all of the body is in `in`, or there was none */
    bool answered, queued;        /* http_answer or http_begin was called; libmicrohttpd has it */
    bool streamed, ended, aborted;/* by http_begin, http_end, http_abort */
    bool failed;                  /* of its body no more comes */
    bool chunked, has_length, expects, http_1_0, head_only;
    bool discarding;              /* nobody reads the body any more */
    bool wants_read, wants_write; /* `ready` is owed */
    bool asked;                   /* libmicrohttpd asked for what is not there yet, once */
    bool suspended;               /* it is not to ask again before it is told */
    uint64_t length, limit, got;  /* of the body: announced, allowed, received */
    bool sized;                   /* the length of the answer was announced */
    uint64_t out_left;            /* of it: bytes that may still be written */
    uint64_t sized_as;            /* with it: the length that was announced */
    bool raw, raw_last, raw_done; /* see http_raw.c; the last chunk was framed; all was sent */
    Bytes in, out;
    Bytes wire;                   /* of a raw answer: framed, to be sent; before it, its fields */
    char *text;                   /* target, path, host: copies, one after the other */
    size_t text_size;
    HttpText method, target, path, query, host;
    const char *target_was;       /* where the target is in the connection's memory, and how long */
    size_t target_was_len;
    struct sockaddr_storage peer;
    uint32_t nfields;
    HeadField fields[HTTP_FIELDS_MAX];
};

struct HttpConn {
    Http *http;
    struct MHD_Connection *mhd;
    int fd;
    Waiting waiting;
    bool watched;                 /* its fd is in Http.watch */
    bool half_closed, broken;     /* the client sends no more; the connection is no more */
    uint64_t since_ms;            /* of `waiting` */
    bool used;                    /* it had a request before */
    HttpConn *prev, *next;
    HttpRequest *request;         /* from its request line's end to its answer's */
};

typedef struct Lingering { int fd; uint64_t since_ms; } Lingering;

struct Http {
    struct MHD_Daemon *daemon;
    HttpLimits limits;
    HttpHandlers handlers;
    int events;                   /* libmicrohttpd's epoll: what http_fd returns */
    int wake;                     /* an eventfd in it */
    int watch;                    /* an epoll in it: connections whose request waits for the user */
    int listener;                 /* our own descriptor of it */
    bool draining, freeing;
    bool resumed;                 /* since the last turn: there is something to do */
    size_t connections, suspended, raw; /* raw: answers that are sent past libmicrohttpd */
    uint64_t now_ms;
    HttpConn lists[WAITINGS];     /* heads of circular lists */
    HttpRequest *kept;
    size_t nkept;
    Lingering lingering[HTTP_LINGERING];
    size_t nlingering;
};

/* http.c */
void http_wait(HttpConn *, Waiting);      /* from now on */
void http_suspend(HttpRequest *);         /* from within libmicrohttpd's callbacks only */
void http_resume(HttpRequest *);          /* no effect if it is not suspended */
void http_cut(HttpConn *);                /* ends it, whatever it is at, at the next turn */

/* http_head.c */
unsigned http_head(HttpRequest *, const char *method, const char *version); /* 0, or what refuses it */
bool http_field_ok(HttpText name, HttpText value);

/* http_answer.c */
void http_refuse(HttpRequest *, unsigned status); /* answered here, never the user's */
bool http_queue(HttpRequest *);                   /* gives req->response to libmicrohttpd */
bool http_field_is_ours(HttpText name);           /* never a user's to say */

/* http_raw.c */
void http_send_now(HttpConn *, unsigned status);  /* nothing of an answer was sent yet */
bool http_keep_head(HttpRequest *, const HttpField *, size_t n); /* in case that it becomes raw */
bool http_raw_begin(HttpRequest *);
void http_raw_flush(HttpRequest *);
void http_linger(Http *, int fd);                 /* makes a descriptor of its own */
void http_end_lingering(Http *, uint64_t longer_than_ms);

/* http_bytes.c */
size_t bytes_len(const Bytes *);
size_t bytes_put(Bytes *, const void *, size_t len, size_t most); /* how many were taken: at most `most` in all */
size_t bytes_take(Bytes *, void *out, size_t size);
void bytes_clear(Bytes *);  /* keeps a small buffer */
void bytes_free(Bytes *);

#endif
