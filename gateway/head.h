/* What a function is asked: the part of a request that is there when it begins. */
#ifndef FNVM_GATEWAY_HEAD_H
#define FNVM_GATEWAY_HEAD_H

#include "gateway/text.h"

enum { HEAD_PEER_BYTES = 64 };

typedef struct Head {          /* the texts are somebody else's, and stay while the function runs */
    HttpText method, target, path, query, host;
    HttpText script, rest;     /* of the decoded path: what the route names, and what is behind it */
    HttpText route;            /* as it is configured */
    const HttpField *fields;
    size_t nfields;
    bool has_length;           /* of the body */
    uint64_t length;
    char peer[HEAD_PEER_BYTES];/* the client's address; "" if there is none */
    unsigned peer_port;
    const char *call_id, *traceparent;
} Head;

/* Copies all texts and fields to memory that stays: false where there is none, and then they are
 * empty. */
bool head_own(Head *, Text *copies, Text *fields);
void head_set_peer(Head *, const struct sockaddr_storage *);
/* What of a target is behind so many bytes of the decoded path; with the query. */
HttpText target_behind(HttpText target, size_t decoded);
HttpText head_find(const Head *, const char *lower); /* the first field of the name; at == NULL: none */

/* ---- How functions are given it ---- */

typedef struct CgiServer {     /* what is known of the server itself */
    HttpText port;             /* "" for a Unix socket */
} CgiServer;

/* The variables of CGI (RFC 3875 section 4.1) and WAGI, as fnvm_wasi_env_block takes them. */
void cgi_variables(const Head *, const CgiServer *, Text *out);
/* The head as it would be on the wire, without what concerns the connection. */
void http_head_text(const Head *, Text *out);
/* "name: value\r\n" for each field. */
void head_fields_text(const Head *, Text *out);

#endif
