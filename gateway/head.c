/* One pass over the fields for each form.  Names of fields that would become the same variable
 * as another's, or that a shell or a library would read as something else, have none:
 * `X_Forwarded_For` is not X-Forwarded-For, and `Proxy` is not the proxy of programs that look
 * at HTTP_PROXY (httpoxy). */
#include "gateway/head.h"

#include <arpa/inet.h>
#include <string.h>

#include "gateway/answer.h"

/* What inet_ntop writes, in a tenth of its time. */
static void put_v4(char *to, const unsigned char address[4])
{
    for (int i = 0; i < 4; i++) {
        const unsigned n = address[i];
        if (n >= 100) *to++ = (char)('0' + n / 100);
        if (n >= 10) *to++ = (char)('0' + n / 10 % 10);
        *to++ = (char)('0' + n % 10);
        *to++ = i < 3 ? '.' : 0;
    }
}

void head_set_peer(Head *h, const struct sockaddr_storage *from)
{
    h->peer[0] = 0;
    h->peer_port = 0;
    if (from && from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
        put_v4(h->peer, (const unsigned char *)&v4->sin_addr);
        h->peer_port = ntohs(v4->sin_port);
    } else if (from && from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
        inet_ntop(AF_INET6, &v6->sin6_addr, h->peer, sizeof h->peer);
        h->peer_port = ntohs(v6->sin6_port);
    }
}

static void own(Text *copies, HttpText *text)
{
    if (text->len) memcpy(copies->at + copies->len, text->at, text->len);
    text->at = copies->at + copies->len;
    copies->len += text->len;
}

bool head_own(Head *h, Text *copies, Text *fields)
{
    HttpText *const texts[] = {&h->method, &h->target, &h->path, &h->query,
                               &h->host,   &h->script, &h->rest, &h->route};
    enum { TEXTS = sizeof texts / sizeof texts[0] };
    size_t size = 1; /* so that there is an address */
    for (size_t i = 0; i < TEXTS; i++) size += texts[i]->len;
    for (size_t i = 0; i < h->nfields; i++) size += h->fields[i].name.len + h->fields[i].value.len;
    const size_t fields_size = h->nfields * sizeof(HttpField);
    if ((const char *)h->fields !=
        fields->at) { /* they may be there already, pointing to what goes away */
        text_clear(fields);
        text_add(fields, (const char *)h->fields, fields_size);
    }
    text_clear(copies);
    if (fields->failed || !text_reserve(copies, size)) {
        for (size_t i = 0; i < TEXTS; i++) *texts[i] = (HttpText){"", 0};
        h->nfields = 0;
        return false;
    }
    for (size_t i = 0; i < TEXTS; i++) own(copies, texts[i]);
    HttpField *owned = (HttpField *)(void *)fields->at;
    for (size_t i = 0; i < h->nfields; i++) {
        own(copies, &owned[i].name);
        own(copies, &owned[i].value);
    }
    h->fields = owned;
    return true;
}

HttpText target_behind(HttpText target, size_t decoded)
{
    size_t at = 0;
    for (; decoded > 0 && at < target.len && target.at[at] != '?'; decoded--)
        at += target.at[at] == '%' && target.len - at > 2 ? 3 : 1;
    return (HttpText){target.at + at, target.len - at};
}

HttpText head_find(const Head *h, const char *lower)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (text_is(h->fields[i].name, lower)) return h->fields[i].value;
    return (HttpText){NULL, 0};
}

/* ---- CGI ---- */

static void put_text(Text *out, HttpText text) { text_add(out, text.at, text.len); }

/* `name` has its `=`. */
static void variable(Text *out, HttpText name, HttpText value)
{
    put_text(out, name);
    put_text(out, value);
    text_char(out, 0);
}

#define VARIABLE(out, name, value) variable(out, (HttpText){name "=", sizeof name}, value)

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static bool same_name(HttpText a, HttpText b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i])) return false;
    return true;
}

/* Whether the field becomes a variable of its own. */
static bool is_variable(HttpText name)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = lower(name.at[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
    }
    if (name.len == 0) return false;
    if (text_is(name, "proxy") || text_is(name, "content-type") ||
        text_is(name, "content-length") || text_is(name, "expect") || text_is(name, "x-call-id") ||
        text_is(name, "traceparent"))
        return false;
    return !field_is_hop_by_hop(name);
}

static void field_variable(const Head *h, size_t i, Text *out)
{
    const HttpText name = h->fields[i].name;
    for (size_t before = 0; before < i; before++)
        if (same_name(h->fields[before].name, name)) return; /* it was told with that one */
    text_add(out, "HTTP_", 5);
    if (!text_reserve(out, name.len)) return;
    for (size_t c = 0; c < name.len; c++) {
        const char l = lower(name.at[c]);
        out->at[out->len++] = l == '-' ? '_' : l >= 'a' ? (char)(l - 0x20) : l;
    }
    text_char(out, '=');
    put_text(out, h->fields[i].value);
    for (size_t more = i + 1; more < h->nfields; more++) {
        if (!same_name(h->fields[more].name, name)) continue;
        text_add(out, text_is(name, "cookie") ? "; " : ", ", 2);
        put_text(out, h->fields[more].value);
    }
    text_char(out, 0);
}

static HttpText raw_rest(const Head *h)
{
    HttpText rest = target_behind(h->target, h->script.len);
    const char *query = rest.len ? memchr(rest.at, '?', rest.len) : NULL;
    if (query) rest.len = (size_t)(query - rest.at);
    return rest;
}

static void full_url(const Head *h, const CgiServer *server, Text *out)
{
    text_put(out, "X_FULL_URL=http://");
    const bool v6 = h->host.len && memchr(h->host.at, ':', h->host.len) && h->host.at[0] != '[';
    if (v6) text_char(out, '[');
    put_text(out, h->host);
    if (v6) text_char(out, ']');
    if (server->port.len && !(server->port.len == 2 && memcmp(server->port.at, "80", 2) == 0)) {
        text_char(out, ':');
        put_text(out, server->port);
    }
    put_text(out, h->target);
    text_char(out, 0);
}

static void number_variable(Text *out, const char *name, uint64_t number)
{
    text_put(out, name);
    text_number(out, number);
    text_char(out, 0);
}

void cgi_variables(const Head *h, const CgiServer *server, Text *out)
{
    static const char fixed[] = "GATEWAY_INTERFACE=CGI/1.1\0SERVER_PROTOCOL=HTTP/1.1\0"
                                "SERVER_SOFTWARE=fnvm/" FNVM_VERSION;
    text_add(out, fixed, sizeof fixed);
    VARIABLE(out, "REQUEST_METHOD", h->method);
    VARIABLE(out, "SCRIPT_NAME", h->script);
    VARIABLE(out, "PATH_INFO", h->rest);
    VARIABLE(out, "QUERY_STRING", h->query);
    VARIABLE(out, "SERVER_NAME", h->host);
    VARIABLE(out, "SERVER_PORT", server->port);
    VARIABLE(out, "X_MATCHED_ROUTE", h->route);
    VARIABLE(out, "X_RAW_PATH_INFO", raw_rest(h));
    full_url(h, server, out);
    if (h->peer[0]) {
        VARIABLE(out, "REMOTE_ADDR", text_of(h->peer));
        VARIABLE(out, "REMOTE_HOST", text_of(h->peer));
        number_variable(out, "REMOTE_PORT=", h->peer_port);
    }
    const HttpText type = head_find(h, "content-type");
    if (type.at) VARIABLE(out, "CONTENT_TYPE", type);
    if (h->has_length && (h->length || type.at)) number_variable(out, "CONTENT_LENGTH=", h->length);
    VARIABLE(out, "HTTP_X_CALL_ID", text_of(h->call_id));
    VARIABLE(out, "HTTP_TRACEPARENT", text_of(h->traceparent));
    for (size_t i = 0; i < h->nfields; i++)
        if (is_variable(h->fields[i].name)) field_variable(h, i, out);
}

/* ---- As on the wire ---- */

static void field_line(Text *out, HttpText name, HttpText value)
{
    put_text(out, name);
    text_add(out, ": ", 2);
    put_text(out, value);
    text_add(out, "\r\n", 2);
}

/* Fields that say how the message was sent, or that are the gateway's to say. */
static bool is_ours(HttpText name)
{
    return field_is_hop_by_hop(name) || text_is(name, "content-length") ||
           text_is(name, "expect") || text_is(name, "x-call-id") || text_is(name, "traceparent");
}

void head_fields_text(const Head *h, Text *out)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (!is_ours(h->fields[i].name)) field_line(out, h->fields[i].name, h->fields[i].value);
    if (h->has_length && (h->length || head_find(h, "content-length").at)) {
        text_put(out, "Content-Length: ");
        text_number(out, h->length);
        text_add(out, "\r\n", 2);
    }
    field_line(out, text_of("X-Call-Id"), text_of(h->call_id));
    field_line(out, text_of("Traceparent"), text_of(h->traceparent));
}

void http_head_text(const Head *h, Text *out)
{
    put_text(out, h->method);
    text_char(out, ' ');
    put_text(out, h->target);
    text_put(out, " HTTP/1.1\r\n");
    head_fields_text(h, out);
    text_add(out, "\r\n", 2);
}
