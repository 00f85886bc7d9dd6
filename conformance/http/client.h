/* A client that says exactly what it is told to, and reads what an HTTP/1.1 server answers. */
#ifndef CONFORMANCE_HTTP_CLIENT_H
#define CONFORMANCE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct Target { struct sockaddr_storage address; socklen_t len; } Target;

typedef struct Answer {
    unsigned status;
    bool complete;        /* its body too: all of Content-Length, the last chunk */
    bool says_close;
    bool says_length, says_chunked;
    const char *body;     /* chunks joined; in the buffer it was read from */
    size_t body_len;
} Answer;

typedef struct Case {
    const char *name;
    const char *bytes; size_t len;
    unsigned status;      /* 0: closed without an answer, or with 400 */
    bool closes;          /* the connection ends; what was sent behind is never answered */
    const char *says;     /* is in the body, or NULL.  For the echo server only */
    bool spills;          /* behind the answer come bytes that are none */
} Case;

extern const Case http_cases[];
extern const size_t http_ncases;

int client_open(const Target *);           /* -1: refused; waits for it */
bool client_send(int fd, const void *, size_t len); /* false: the server has closed */
/* Until the end, or nothing came for so long, or `size` bytes are there. */
size_t client_read(int fd, char *out, size_t size, int wait_ms, bool *ended);
/* Reads one answer from the bytes; returns how many it had, 0 if there is not even a head.  `head`
 * for the answer to a HEAD.  Changes `at`: chunks are joined in place. */
size_t client_answer(char *at, size_t len, bool head, Answer *);

#endif
