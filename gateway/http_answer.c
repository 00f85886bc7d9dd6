/* Answers.  One that is whole is given to libmicrohttpd as it is; one in pieces, or too long to be
 * sent at once, as a callback that takes from the request's `out`.  The callback that finds nothing
 * asks once more in the next turn, as writers usually have written by then, and is suspended after
 * that. */
#include "gateway/http_state.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Fields ---- */

/* What says how the message is sent is libmicrohttpd's to say. */
bool http_field_is_ours(HttpText name)
{
    static const char *const ours[] = {
        "connection", "content-length", "keep-alive",        "proxy-connection",
        "te",         "trailer",        "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strlen(ours[i]) == name.len && strncasecmp(ours[i], name.at, name.len) == 0)
            return true;
    return false;
}

static bool fields_ok(const HttpField *fields, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (!http_field_ok(fields[i].name, fields[i].value)) return false;
        if (fields[i].name.len > HTTP_ANSWER_HEAD || fields[i].value.len > HTTP_ANSWER_HEAD)
            return false;
        bytes += fields[i].name.len + fields[i].value.len + 4;
        if (bytes > HTTP_ANSWER_HEAD) return false;
    }
    return true;
}

static bool add_fields(struct MHD_Response *response, const HttpField *fields, size_t n)
{
    char text[HTTP_ANSWER_HEAD + 2];
    for (size_t i = 0; i < n; i++) {
        HttpText name = fields[i].name, value = fields[i].value;
        while (value.len > 0 && (*value.at == ' ' || *value.at == '\t')) value.at++, value.len--;
        if (http_field_is_ours(name) || value.len == 0)
            continue; /* libmicrohttpd has no empty values */
        char *end = mempcpy(text, name.at, name.len);
        *end++ = '\0';
        *(char *)mempcpy(end, value.at, value.len) = '\0';
        if (MHD_add_response_header(response, text, end) != MHD_YES) return false;
    }
    return true;
}

/* ---- Queueing ---- */

bool http_queue(HttpRequest *req)
{
    HttpConn *c = req->conn;
    struct MHD_Response *response = req->response;
    req->response = NULL;
    /* Where chunks end is read generously by libmicrohttpd: what it takes for the next request
     * might not be one to a proxy. */
    if (c->http->draining || req->chunked) MHD_add_response_header(response, "Connection", "close");
    req->queued = true;
    http_wait(c, WAITING_BODY);
    http_resume(req);
    bool ok =
        MHD_queue_response(c->mhd, req->status, response) == MHD_YES; /* may have been its end */
    MHD_destroy_response(response);
    return ok;
}

static void give(HttpRequest *req, struct MHD_Response *response, unsigned status, bool whole)
{
    req->response = response;
    req->status = status;
    req->answered = true;
    if (req->complete) return;
    req->discarding = whole;
    if (whole) {
        bytes_clear(&req->in);
        http_wait(req->conn, WAITING_BODY);
    }
    http_resume(req);
}

void http_refuse(HttpRequest *req, unsigned status)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%u %s\n", status, MHD_get_reason_phrase_for(status));
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);
    if (!response) return;
    MHD_add_response_header(response, "Content-Type", "text/plain");
    req->response = response;
    req->status = status;
    req->answered = true;
    http_queue(req);
}

/* ---- In pieces ---- */

static ssize_t next_piece(void *cls, uint64_t at, char *out, size_t most)
{
    (void)at;
    HttpRequest *req = cls;
    HttpConn *c = req->conn;
    if (req->aborted || c->broken) return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = bytes_take(&req->out, out, most);
    if (n > 0) {
        req->asked = false;
        http_wait(c, WAITING_BODY);
        if (req->wants_write) {
            req->wants_write = false;
            c->http->handlers.ready(c->http->handlers.env, req);
        }
        return (ssize_t)n;
    }
    if (req->ended)
        return req->out_left ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    http_wait(c, WAITING_NONE);
    if (req->asked) http_suspend(req);
    req->asked = true;
    return 0;
}

static struct MHD_Response *new_stream(HttpRequest *req, uint64_t length)
{
    bool known = length != UINT64_MAX;
    req->streamed = true;
    req->out_left = known ? length : 0;
    req->sized = known;
    req->sized_as = length;
    return MHD_create_response_from_callback(known ? length : MHD_SIZE_UNKNOWN, HTTP_PIECE,
                                             next_piece, req, NULL);
}

/* ---- The interface ---- */

static bool may_answer(const HttpRequest *req, unsigned status, const HttpField *fields,
                       size_t nfields)
{
    return !req->answered && status >= 200 && status <= 599 && fields_ok(fields, nfields);
}

bool http_answer(HttpRequest *req, unsigned status, const HttpField *fields, size_t nfields,
                 const void *body, size_t len)
{
    if (!may_answer(req, status, fields, nfields)) return false;
    struct MHD_Response *response;
    if (len <= HTTP_PIECE) {
        response = MHD_create_response_from_buffer(len, (void *)body, MHD_RESPMEM_MUST_COPY);
    } else {
        response = new_stream(req, len);
        if (bytes_put(&req->out, body, len, len) < len) req->aborted = true; /* no memory for it */
        req->out_left = 0;
        req->ended = true;
    }
    if (!response || !add_fields(response, fields, nfields)) {
        if (response) MHD_destroy_response(response);
        return false;
    }
    give(req, response, status, true);
    if (req->complete) http_queue(req);
    return true;
}

bool http_begin(HttpRequest *req, unsigned status, const HttpField *fields, size_t nfields,
                uint64_t length)
{
    if (!may_answer(req, status, fields, nfields)) return false;
    struct MHD_Response *response = new_stream(req, length);
    /* libmicrohttpd 0.9.75 sends the last chunk even where there is no body.  So not in chunks. */
    if (response && !req->sized && (req->head_only || status == 304))
        MHD_set_response_options(response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    if (!response || !add_fields(response, fields, nfields)) {
        if (response) MHD_destroy_response(response);
        return false;
    }
    if (!req->complete && !http_keep_head(req, fields, nfields)) req->aborted = true;
    give(req, response, status, false);
    http_resume(req);
    return true;
}

size_t http_write(HttpRequest *req, const void *from, size_t len)
{
    if (!req->streamed || req->ended || req->aborted) return len; /* nobody wants it */
    size_t most = req->conn->http->limits.buffer_bytes, n;
    size_t wanted = req->sized && len > req->out_left ? (size_t)req->out_left : len;
    n = bytes_put(&req->out, from, wanted, most);
    /* Its reader may read on only when it could write. */
    if (n < wanted && !req->complete && !req->raw) http_raw_begin(req);
    for (size_t took = 1; req->raw && took > 0; n += took) {
        http_raw_flush(req);
        took = bytes_put(&req->out, (const char *)from + n, wanted - n, most);
    }
    if (req->sized) req->out_left -= n;
    req->wants_write = n < wanted;
    if (req->queued) http_resume(req);
    return n < wanted ? n : len;
}

/* The answer goes on, or ends, as was just decided. */
static void go_on(HttpRequest *req)
{
    req->wants_write = false;
    if (req->raw) http_raw_flush(req);
    else http_resume(req);
}

void http_end(HttpRequest *req)
{
    if (!req->streamed || req->ended) return;
    req->ended = true;
    if (!req->complete) {
        req->discarding = true;
        bytes_clear(&req->in);
    }
    go_on(req);
}

void http_abort(HttpRequest *req)
{
    if (!req->streamed) return;
    req->aborted = true;
    go_on(req);
}

bool http_answered(const HttpRequest *req) { return req->answered; }
