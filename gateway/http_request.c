/* What a user asks about a request, and its body. */
#include "gateway/http_state.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

HttpText http_method(const HttpRequest *req) { return req->method; }
HttpText http_target(const HttpRequest *req) { return req->target; }
HttpText http_path(const HttpRequest *req) { return req->path; }
HttpText http_query(const HttpRequest *req) { return req->query; }
HttpText http_host(const HttpRequest *req) { return req->host; }
void http_set_env(HttpRequest *req, void *env) { req->env = env; }
void *http_env(const HttpRequest *req) { return req->env; }

bool http_field(const HttpRequest *req, size_t i, HttpText *name, HttpText *value)
{
    if (i >= req->nfields) return false;
    *name = (HttpText){req->fields[i].name, req->fields[i].name_len};
    *value = (HttpText){req->fields[i].value, req->fields[i].value_len};
    return true;
}

/* libmicrohttpd keeps as many bytes as the address has. */
const struct sockaddr_storage *http_peer(const HttpRequest *req)
{
    struct sockaddr_storage *peer = &((HttpRequest *)req)->peer;
    if (peer->ss_family != AF_UNSPEC) return peer;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->conn->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *from = info ? info->client_addr : NULL;
    if (!from) return peer;
    if (from->sa_family == AF_INET) memcpy(peer, from, sizeof(struct sockaddr_in));
    else if (from->sa_family == AF_INET6) memcpy(peer, from, sizeof(struct sockaddr_in6));
    else peer->ss_family = AF_UNIX;
    return peer;
}

bool http_body_length(const HttpRequest *req, uint64_t *length)
{
    *length = req->length;
    return !req->chunked;
}

bool http_body_arrived(const HttpRequest *req) { return req->complete; }

void http_limit_body(HttpRequest *req, uint64_t bytes)
{
    if (bytes < req->limit) req->limit = bytes;
    if (req->length > req->limit) req->failed = true;
}

HttpRead http_read(HttpRequest *req, void *out, size_t size, size_t *n)
{
    *n = 0;
    if (req->failed || req->discarding) return HTTP_READ_FAILED;
    *n = bytes_take(&req->in, out, size);
    if (*n > 0) {
        size_t room = req->conn->http->limits.buffer_bytes - bytes_len(&req->in);
        if (!req->complete && room >= req->conn->http->limits.buffer_bytes / 2) http_resume(req);
        return HTTP_READ_SOME;
    }
    if (req->complete) return HTTP_READ_END;
    req->wants_read = true;
    http_resume(req);
    return HTTP_READ_LATER;
}
