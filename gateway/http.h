/* An HTTP/1.1 server: connections, parsing, keep-alive, bodies in both directions, limits on all of
 * it. What is behind this header is libmicrohttpd, and could be another.
 *
 * A server is driven from outside: wait until http_fd() is readable or http_timeout_ms() has
 * passed, then call http_run().  One thread at a time, any thread; requests likewise, but for
 * http_wake().  To answer between two calls of http_run costs what answering in `arrived` costs;
 * later than that, a request is set aside and taken up again, which is some system calls.
 *
 * Requests.  `arrived` is called from within http_run, once per request, when its head is
 * complete.  From then until `gone` the request belongs to the user, who answers it at once or
 * later, from within a callback or between two calls of http_run.  `gone` may come from within
 * http_answer, as the last thing it does: nothing of a request may be touched after that call.
 * What must not be answered by the user (malformed, too large, ambiguous about its length, RFC 9112
 * section 6.3) never arrives: it is answered here and its connection closed. */
#ifndef FNVM_GATEWAY_HTTP_H
#define FNVM_GATEWAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fnvm.h"

typedef struct Http Http;
typedef struct HttpRequest HttpRequest;

typedef struct HttpText { const char *at; size_t len; } HttpText; /* no NUL at the end */

typedef struct HttpHandlers {
    void *env;
    void (*arrived)(void *env, HttpRequest *);
    /* There is more of the body to read, or its end was reached, or http_write can take bytes
     * again: only after http_read or http_write said so. */
    void (*ready)(void *env, HttpRequest *);
    /* The last word about a request: its answer was sent (or `cut`: the connection ended
     * before).  Nothing of it may be touched afterwards.  It may come at any time, also while an
     * answer is being written: the client went away, or asked with HEAD and has all it gets.  Of
     * a client that waits it is noticed when its connection is reset; one that only shut down
     * its sending side still gets its answer. */
    void (*gone)(void *env, HttpRequest *, bool cut);
} HttpHandlers;

enum { HTTP_USUAL_CONNECTIONS = 4096 };

typedef struct HttpLimits {       /* every one is enforced; docs/gateway.md has the statuses */
    uint32_t connections;         /* open at once; more wait in the system's queue or are closed.  0:
                                   * HTTP_USUAL_CONNECTIONS, or as many as the limit of files allows */
    uint32_t connections_per_address; /* 0: no such limit */
    size_t head_bytes;            /* request line and header together: 431 (414 for the line) */
    uint64_t body_bytes;          /* 413; a request can be given a smaller one, see http_limit_body */
    size_t buffer_bytes;          /* of a body that the user has not read, or an answer not sent */
    uint32_t head_ms, body_ms, idle_ms; /* for a head to be complete (408), between two pieces of a body
                                   * or of an answer, and between two requests */
} HttpLimits;

/* `listener` is a listening socket, nonblocking; it stays the caller's and may be shared with
 * processes. */
fnvm_error *http_new(int listener, const HttpLimits *, const HttpHandlers *, Http **out);
void http_free(Http *);            /* cuts what is open; calls `gone` */
int http_fd(const Http *);         /* readable when http_run has something to do */
int http_timeout_ms(Http *);       /* at most so long until http_run is to be called anyway; -1: never */
void http_run(Http *);             /* never blocks */
/* From any thread: makes http_fd() readable once. */
void http_wake(Http *);
/* No connection is accepted any more (they are refused once whoever else has the listener has
 * closed it, too), and every answer from now on says `Connection: close`. Connections that idle
 * are kept until they ask once more or their time is up: nobody's request is lost.  Ends when
 * http_connections() is 0. */
void http_drain(Http *);
size_t http_connections(const Http *);

/* ---- A request ---- */

HttpText http_method(const HttpRequest *);
HttpText http_target(const HttpRequest *); /* as it was sent, but for an authority: "/a%20b?c=d" */
HttpText http_path(const HttpRequest *);   /* decoded once, without the query; it has no NUL, and no `.` or
                                            * `..` segments: these are refused with 400 */
HttpText http_query(const HttpRequest *);  /* without the `?`; as it was sent */
HttpText http_host(const HttpRequest *);   /* without a port, in lower case; "" in HTTP/1.0 without one */
/* The header's fields in order; false after the last.  Several of the same name are several. */
bool http_field(const HttpRequest *, size_t i, HttpText *name, HttpText *value);
const struct sockaddr_storage *http_peer(const HttpRequest *);
bool http_body_length(const HttpRequest *, uint64_t *); /* false: chunked, not known before its end */
/* All of the body has arrived, whether or not it was read.  Nothing of an answer is sent before:
 * http_write takes what fits the buffer, and then no more until the body was read, or the answer
 * was ended. */
bool http_body_arrived(const HttpRequest *);
void http_limit_body(HttpRequest *, uint64_t bytes);    /* in `arrived` only; 413 if it is known to be longer */

/* The user's own. */
void http_set_env(HttpRequest *, void *);
void *http_env(const HttpRequest *);

typedef enum HttpRead {
    HTTP_READ_SOME,   /* *n bytes, more than 0 */
    HTTP_READ_LATER,  /* none yet: `ready` will be called */
    HTTP_READ_END,    /* that was all */
    HTTP_READ_FAILED  /* too long, too slow, broken off: it is answered, `gone` follows (or came before).
                       * Or it was answered, and what comes of it is dropped */
} HttpRead;
HttpRead http_read(HttpRequest *, void *out, size_t size, size_t *n);

/* ---- Its answer ---- */

/* Checked: no CR, LF or NUL gets through.  Those that say how a message is sent (Connection,
 * Content-Length, Transfer-Encoding, Keep-Alive, TE, Trailer, Upgrade) are ours, and left out, as
 * are empty ones. */
typedef struct HttpField { HttpText name, value; } HttpField;

/* All at once; the bytes are copied.  Length, date and connection fields are added.  False: a
 * field was not well-formed, they have more than 8 KiB, `status` is not of 200 to 599, or it was
 * answered; nothing was sent then.  What is left of the request's body is dropped; if that is
 * much, or of a request that was refused (400 or above) takes longer than body_ms, the
 * connection ends. */
bool http_answer(HttpRequest *, unsigned status, const HttpField *, size_t nfields, const void *body,
                 size_t len);
/* In pieces: `length` UINT64_MAX if it is not known.  The body can still be read.  An answer that
 * fills its buffer before the body has come is sent while it comes, and ends the connection. */
bool http_begin(HttpRequest *, unsigned status, const HttpField *, size_t nfields, uint64_t length);
/* Takes what there is room for and returns how much that was; less than `len`: `ready` will be
 * called.  More than was announced is dropped. */
size_t http_write(HttpRequest *, const void *, size_t len);
void http_end(HttpRequest *); /* less than was announced: as http_abort */
/* After http_begin: the client is to see that the answer is incomplete. */
void http_abort(HttpRequest *);
bool http_answered(const HttpRequest *); /* http_answer or http_begin was called, or it was answered here */

#endif
