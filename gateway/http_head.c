/* The head of a request, read a second time and strictly.
 *
 * libmicrohttpd reads generously: a line may end in a bare LF, a value stops at a NUL, lines
 * continue on the next.  What a proxy in front of it takes for one request may then be two here.
 * But it reads in place: when it first calls for a request, the head still lies in one piece in the
 * connection's memory, from the method on, as long as MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE says,
 * and only these bytes were overwritten by NUL: the spaces of the request line, the first colon and
 * the CR and LF of every line. So a line's end must be two NULs, a name's end one, and every name
 * must be at the very place where libmicrohttpd says that its next field begins: where it read
 * something else, they differ, and the request is refused.  That a client sent NUL LF for a CR LF
 * is the one thing that is not seen. */
#include "gateway/http_state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110 section 5.6.2 */
static bool is_token(unsigned char c)
{
    static const bool token[256] = {
        ['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true,
        ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true,
        ['-'] = true,         ['.'] = true,         ['^'] = true, ['_'] = true,
        ['`'] = true,         ['|'] = true,         ['~'] = true, ['0' ... '9'] = true,
        ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    };
    return token[c];
}

/* RFC 9110 section 5.5, obs-text included */
static bool is_value(unsigned char c) { return (c >= ' ' && c != 0x7f) || c == '\t'; }

bool http_field_ok(HttpText name, HttpText value)
{
    if (name.len == 0) return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_token((unsigned char)name.at[i])) return false;
    for (size_t i = 0; i < value.len; i++)
        if (!is_value((unsigned char)value.at[i])) return false;
    return true;
}

/* ---- Fields ---- */

typedef struct Scan {
    HttpRequest *req;
    const char *at, *end;
    unsigned status; /* what is wrong so far */
} Scan;

/* The line at s->at, of which libmicrohttpd says that it is field `key`: value. */
static enum MHD_Result scan_field(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    (void)kind;
    (void)value;
    Scan *s = cls;
    HttpRequest *req = s->req;
    const char *at = s->at, *end = s->end;
    s->status = 400;
    if (key != at) return MHD_NO;
    while (at < end && is_token((unsigned char)*at)) at++;
    if (at == key || at == end || *at != '\0') return MHD_NO;
    HeadField f = {.name = key, .name_len = (uint32_t)(at - key)};
    at++;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    f.value = at;
    while (at < end && is_value((unsigned char)*at)) at++;
    if (end - at < 2 || at[0] != '\0' || at[1] != '\0') return MHD_NO;
    s->at = at + 2;
    while (at > f.value && (at[-1] == ' ' || at[-1] == '\t')) at--;
    f.value_len = (uint32_t)(at - f.value);
    if (req->nfields == HTTP_FIELDS_MAX) {
        s->status = 431;
        return MHD_NO;
    }
    req->fields[req->nfields++] = f;
    s->status = 0;
    return MHD_YES;
}

static unsigned scan_fields(HttpRequest *req, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(req->conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!size) return 400;
    Scan s = {.req = req, .end = method + size->header_size};
    if (size->header_size > req->conn->http->limits.head_bytes) return 431;
    if (s.end - version < 10 || version[8] != '\0' || version[9] != '\0') return 400;
    s.at = version + 10;
    MHD_get_connection_values(req->conn->mhd, MHD_HEADER_KIND, scan_field, &s);
    if (s.status) return s.status;
    return s.end - s.at == 2 && s.at[0] == '\0' && s.at[1] == '\0' ? 0 : 400;
}

/* ---- The target ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes into `out`, which has room for as many bytes.  SIZE_MAX: refused. */
static size_t decode_path(char *out, const char *at, size_t len)
{
    size_t n = 0, segment = 1; /* where the last one began, behind its slash */
    for (size_t i = 0; i < len; i++) {
        char c = at[i];
        if (c == '%') {
            int high = i + 2 < len ? hex(at[i + 1]) : -1, low = i + 2 < len ? hex(at[i + 2]) : -1;
            if (high < 0 || low < 0) return SIZE_MAX;
            c = (char)(high * 16 + low);
            i += 2;
            if ((unsigned char)c < ' ' || c == 0x7f) return SIZE_MAX;
        }
        out[n++] = c;
        bool last = i + 1 == len;
        if (c != '/' && !last) continue;
        size_t end = c == '/' ? n - 1 : n;
        size_t long_ = end >= segment ? end - segment : 0;
        if (long_ == 1 && out[segment] == '.') return SIZE_MAX;
        if (long_ == 2 && out[segment] == '.' && out[segment + 1] == '.') return SIZE_MAX;
        if (c == '/') segment = n;
    }
    return n;
}

/* RFC 3986 section 3.2.2, without user information: host[:port].  `out` has room for
 * HTTP_HOST_MAX. */
static bool read_host(HttpText from, char *out, size_t *len)
{
    static const char other[] = "-._~!$&'()*+,;=%";
    size_t n = 0;
    bool literal = from.len > 0 && from.at[0] == '[';
    for (; n < from.len; n++) {
        char c = from.at[n];
        if (n == HTTP_HOST_MAX) return false;
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        out[n] = c;
        if (literal && n > 0 && c == ']') {
            n++;
            break;
        }
        if (literal && (n == 0 || c == ':' || c == '.' || hex(c) >= 0)) continue;
        if (!literal && c == ':') break;
        if (literal || (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !strchr(other, c)))
            return false;
    }
    *len = n;
    if (n == 0 || (literal && (n < 4 || out[n - 1] != ']'))) return false;
    if (n == from.len) return true;
    if (from.at[n] != ':' || from.len - n > 6) return false;
    for (size_t i = n + 1; i < from.len; i++)
        if (from.at[i] < '0' || from.at[i] > '9') return false;
    return true;
}

/* Takes "http://authority" off the target. */
static bool take_authority(HttpText *target, HttpText *authority)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (target->len <= len || strncasecmp(target->at, schemes[i], len) != 0) continue;
        const char *at = target->at + len, *end = target->at + target->len, *stop = at;
        while (stop < end && *stop != '/' && *stop != '?') stop++;
        *authority = (HttpText){at, (size_t)(stop - at)};
        *target = (HttpText){stop, (size_t)(end - stop)};
        return true;
    }
    return false;
}

static bool text_is(HttpText text, const char *what)
{
    return text.len == strlen(what) && memcmp(text.at, what, text.len) == 0;
}

/* req->text: the target (put there when its line was read), a slash before it; then the path; then
 * the host.  It has room for all three. */
static unsigned read_target(HttpRequest *req, HttpText *authority)
{
    for (size_t i = 0; i < req->target_was_len; i++)
        if ((unsigned char)req->target.at[i] <= ' ' || (unsigned char)req->target.at[i] >= 0x7f)
            return 400;
    if (memchr(req->target.at, '#', req->target.len)) return 400;
    char *decoded = req->text + req->target_was_len + 1;
    if (text_is(req->target, "*")) {
        req->path = req->target;
        return text_is(req->method, "OPTIONS") ? 0 : 400;
    }
    if (take_authority(&req->target, authority) &&
        (req->target.len == 0 || req->target.at[0] == '?')) {
        /* "http://host?query": the path is "/", for which the authority makes room. */
        char *at = req->text + (req->target.at - req->text) - 1, *moved = at - authority->len;
        memmove(moved, authority->at, authority->len);
        authority->at = moved;
        *at = '/';
        req->target = (HttpText){at, req->target.len + 1};
    }
    if (req->target.len == 0 || req->target.at[0] != '/') return 400;
    const char *mark = memchr(req->target.at, '?', req->target.len);
    size_t path_len = mark ? (size_t)(mark - req->target.at) : req->target.len;
    if (mark) req->query = (HttpText){mark + 1, req->target.len - path_len - 1};
    size_t len = decode_path(decoded, req->target.at, path_len);
    if (len == SIZE_MAX) return 400;
    req->path = (HttpText){decoded, len};
    return 0;
}

static unsigned read_hosts(HttpRequest *req, const HttpText *authority, const HttpText *field,
                           size_t nfields)
{
    char *host = req->text + 2 * (req->target_was_len + 1), named[HTTP_HOST_MAX];
    size_t len = 0, named_len = 0;
    if (nfields > 1 || (nfields == 0 && !req->http_1_0)) return 400;
    if (nfields == 1 && !read_host(*field, host, &len)) return 400;
    if (authority->at) {
        /* RFC 9112 section 3.2.2 has the field ignored; two that differ are two meanings. */
        if (!read_host(*authority, named, &named_len)) return 400;
        if (nfields == 1 && (named_len != len || memcmp(named, host, len) != 0)) return 400;
        memcpy(host, named, named_len);
        len = named_len;
    }
    req->host = (HttpText){host, len};
    return 0;
}

/* ---- What the fields say about the message ---- */

static bool is_named(const HeadField *f, const char *name, size_t len)
{
    return f->name_len == len && strncasecmp(f->name, name, len) == 0;
}
#define IS_NAMED(f, name) is_named(f, name, sizeof name - 1)

static bool value_is(const HeadField *f, const char *what)
{
    return f->value_len == strlen(what) && strncasecmp(f->value, what, f->value_len) == 0;
}

static bool read_length(const HeadField *f, uint64_t *out)
{
    uint64_t n = 0;
    if (f->value_len == 0 || f->value_len > 19) return false; /* 19 digits do not overflow */
    for (uint32_t i = 0; i < f->value_len; i++) {
        char c = f->value[i];
        if (c < '0' || c > '9') return false;
        n = n * 10 + (uint64_t)(c - '0');
    }
    *out = n;
    return true;
}

/* RFC 9112 section 6: how long the body is, and for whom all this is. */
static unsigned read_fields(HttpRequest *req, HttpText *host, size_t *nhosts)
{
    bool has_coding = false;
    *nhosts = 0;
    for (uint32_t i = 0; i < req->nfields; i++) {
        const HeadField *f = &req->fields[i];
        switch (f->name_len) {
        case 4:
            if (IS_NAMED(f, "host")) {
                *host = (HttpText){f->value, f->value_len};
                ++*nhosts;
            }
            break;
        case 6:
            if (IS_NAMED(f, "expect")) {
                if (!value_is(f, "100-continue")) return 417;
                req->expects = !req->http_1_0;
            }
            break;
        case 14:
            if (IS_NAMED(f, "content-length")) {
                if (req->has_length || !read_length(f, &req->length)) return 400;
                req->has_length = true;
            }
            break;
        case 17:
            if (IS_NAMED(f, "transfer-encoding")) {
                if (has_coding || req->http_1_0) return 400;
                if (!value_is(f, "chunked") || f->value[f->value_len] != '\0') return 400;
                has_coding = req->chunked = true;
            }
            break;
        default: break;
        }
    }
    if (req->chunked && req->has_length) return 400;
    if (req->length > req->limit) return 413;
    return 0;
}

unsigned http_head(HttpRequest *req, const char *method, const char *version)
{
    size_t len = strlen(method);
    req->method = (HttpText){method, len};
    if (req->target_was != method + len + 1 || version != req->target_was + req->target_was_len + 1)
        return 400;
    for (size_t i = 0; i < len; i++)
        if (!is_token((unsigned char)method[i])) return 400;
    if (len == 0) return 400;
    req->http_1_0 = version[7] == '0';
    req->head_only = text_is(req->method, "HEAD");
    if (text_is(req->method, "CONNECT")) return 501;
    HttpText authority = {0}, host = {0};
    size_t nhosts = 0;
    unsigned status = scan_fields(req, method, version);
    if (!status) status = read_target(req, &authority);
    if (!status) status = read_fields(req, &host, &nhosts);
    if (!status) status = read_hosts(req, &authority, &host, nhosts);
    return status;
}
