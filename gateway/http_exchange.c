/* Whom an exchange may talk to is decided twice: of all addresses that its name has, before any is
 * connected to, and of each socket that curl opens, where it is known for certain.  Curl never looks
 * names up itself. */
#include "gateway/http_exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/http_address.h"

enum { METHOD_BYTES = 17 };

void exchange_free(Exchange *r)
{
    if (!r) return;
    if (r->curl) curl_easy_cleanup(r->curl);
    lookup_free(r->lookup);
    curl_slist_free_all(r->fields);
    curl_slist_free_all(r->addresses);
    free(r->url);
    free(r->host);
    free(r->body);
    free(r->answer);
    free(r);
}

/* ---- What curl tells ---- */

static bool append(Exchange *r, const char *bytes, size_t len)
{
    const uint64_t most = sender_options(r->sender)->answer_bytes;
    if (len > most || r->len > most - len) {
        r->too_large = true;
        return false;
    }
    if (r->len + len > r->cap) {
        const size_t cap = (r->len + len) * 2;
        r->too_much = !exchange_charge(r, cap - r->cap);
        char *more = r->too_much ? NULL : realloc(r->answer, cap);
        if (!more) return false;
        r->answer = more;
        r->cap = cap;
    }
    memcpy(r->answer + r->len, bytes, len);
    r->len += len;
    return true;
}

static bool is_field(const char *line, size_t len, const char *name)
{
    const size_t name_len = strlen(name);
    return len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0;
}

/* A line of the header.  A status line begins it anew: an interim answer came before.  What says
 * how the message was framed is no longer true of what the guest gets. */
static size_t on_field(char *line, size_t size, size_t n, void *env)
{
    Exchange *r = env;
    const size_t len = size * n;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', len);
        const char *code = space ? space + 1 : "000";
        if (!space || code + 3 > line + len) return 0;
        r->len = r->head_len = 0;
        return append(r, "HTTP ", 5) && append(r, code, 3) && append(r, "\r\n", 2) ? len : 0;
    }
    if (is_field(line, len, "transfer-encoding") || is_field(line, len, "connection")) return len;
    if (line[0] == ' ' || line[0] == '\t') return len; /* of a folded field, which nobody sends */
    size_t end = len;
    while (end && (line[end - 1] == '\r' || line[end - 1] == '\n')) end--;
    if (end == 0) { /* the header's end */
        if (!append(r, "\r\n", 2)) return 0;
        r->head_len = r->len;
        return len;
    }
    if (r->head_len) return len; /* a trailer */
    return append(r, line, end) && append(r, "\r\n", 2) ? len : 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *env)
{
    return append(env, bytes, size * n) ? size * n : 0;
}

bool exchange_may_reach(const Exchange *r, const struct sockaddr *a)
{
    if (sender_options(r->sender)->private_addresses || r->peer == PEER_ADDRESS) return true;
    return r->peer == PEER_LOCALHOST ? address_is_loopback(a) : address_is_public(a);
}

/* The one place where it is known whom we are about to connect to. */
static curl_socket_t on_socket(void *env, curlsocktype purpose, struct curl_sockaddr *a)
{
    Exchange *r = env;
    if (purpose != CURLSOCKTYPE_IPCXN || !exchange_may_reach(r, &a->addr)) {
        r->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Curl's resolver has a thread for each name, which it waits for: it gets none. */
static int on_resolve(void *resolver, void *reserved, void *env)
{
    const Exchange *r = env;
    (void)resolver;
    (void)reserved;
    return r->peer == PEER_NAME;
}

/* ---- Making one ---- */

/* The host is the guest's word, checked: a name, an address in its one spelling, or localhost. */
static Peer peer_of(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const size_t len = strcspn(host, "/");
    const char *colon = host[0] == '[' ? NULL : memchr(host, ':', len);
    const size_t name = colon ? (size_t)(colon - host) : len;
    if (host[0] == '[') return PEER_ADDRESS;
    if (name >= 9 && memcmp(host + name - 9, "localhost", 9) == 0 &&
        (name == 9 || host[name - 10] == '.'))
        return PEER_LOCALHOST;
    size_t last = name; /* the last label of a name begins with a letter */
    while (last && host[last - 1] != '.') last--;
    return host[last] >= '0' && host[last] <= '9' ? PEER_ADDRESS : PEER_NAME;
}

/* "Name: value" lines as curl wants them; a field without a value ends in ';'. */
static bool take_fields(Exchange *r, const char *at, size_t len)
{
    while (len) {
        const char *end = memmem(at, len, "\r\n", 2);
        if (!end) return false;
        const size_t line = (size_t)(end - at);
        if (line == 0) return true;
        const char *colon = memchr(at, ':', line);
        if (!colon) return false;
        const char *value = colon + 1;
        while (value < end && (*value == ' ' || *value == '\t')) value++;
        char *text = strndup(at, line);
        if (!text) return false;
        if (value == end) {
            text[colon - at] = ';';
            text[colon - at + 1] = '\0';
        }
        struct curl_slist *more = curl_slist_append(r->fields, text);
        free(text);
        if (!more) return false;
        r->fields = more;
        len -= line + 2;
        at = end + 2;
    }
    return true;
}

/* Header and body as they were handed over: fields, an empty line, the body. */
static bool take_input(Exchange *r, const char *input, size_t len)
{
    const char *body = len >= 2 && memcmp(input, "\r\n", 2) == 0 ? input + 2 : NULL;
    if (!body) {
        const char *end = memmem(input, len, "\r\n\r\n", 4);
        if (!end) return false;
        body = end + 4;
        if (!take_fields(r, input, (size_t)(body - input))) return false;
    }
    r->body_len = len - (size_t)(body - input);
    r->body = malloc(r->body_len + 1);
    if (!r->body) return false;
    memcpy(r->body, body, r->body_len);
    /* What curl would add on its own. */
    static const char *const unwanted[] = {"Expect:", "Accept:", "Content-Type:"};
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
        bool given = false;
        for (const struct curl_slist *f = r->fields; f && !given; f = f->next)
            given = strncasecmp(f->data, unwanted[i], strlen(unwanted[i]) - 1) == 0 &&
                    strchr(":;", f->data[strlen(unwanted[i]) - 1]);
        struct curl_slist *more = given ? r->fields : curl_slist_append(r->fields, unwanted[i]);
        if (!more) return false;
        r->fields = more;
    }
    return true;
}

static bool set_options(Exchange *r, const HttpOutboundOptions *o, const char *method)
{
    CURL *c = r->curl;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(c, CURLOPT_##option, value) == CURLE_OK
    SET(URL, r->url);
    SET(PROTOCOLS_STR, "http,https");
    SET(FOLLOWLOCATION, 0L);
    SET(PROXY, "");
    SET(NOPROXY, "*");
    SET(NETRC, (long)CURL_NETRC_IGNORED);
    SET(NOSIGNAL, 1L);
    SET(PATH_AS_IS, 1L);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(HTTP09_ALLOWED, 0L);
    SET(CONNECTTIMEOUT_MS, (long)o->connect_ms);
    SET(SHARE, sender_share(r->sender));
    SET(HTTPHEADER, r->fields);
    if (strcmp(method, "HEAD") == 0) SET(NOBODY, 1L);
    else if (r->body_len || strcmp(method, "POST") == 0) {
        SET(POST, 1L);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        SET(POSTFIELDS, r->body);
    }
    SET(CUSTOMREQUEST, method);
    SET(HEADERFUNCTION, on_field);
    SET(HEADERDATA, r);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, r);
    SET(OPENSOCKETFUNCTION, on_socket);
    SET(OPENSOCKETDATA, r);
    SET(RESOLVER_START_FUNCTION, on_resolve);
    SET(RESOLVER_START_DATA, r);
    SET(PRIVATE, r);
#undef SET
    return ok;
}

/* The host and port that the URL has: it always has a port, and nothing before the host. */
static bool take_host(Exchange *r)
{
    const char *host = strstr(r->url, "://");
    if (!host) return false;
    host += 3;
    const size_t len = strcspn(host, "/");
    const char *colon = memrchr(host, ':', len);
    if (!colon) return false;
    const size_t bracket = host[0] == '[';
    const size_t name = (size_t)(colon - host);
    if (name <= 2 * bracket) return false;
    r->port = (unsigned)strtoul(colon + 1, NULL, 10);
    r->host = strndup(host + bracket, name - 2 * bracket);
    r->peer = peer_of(r->url);
    return r->host;
}

Exchange *exchange_new(HttpSender *sender, const HttpOutboundOptions *o, const char *name,
                       size_t name_len, const char *input, size_t len)
{
    char method[METHOD_BYTES];
    const char *space = memchr(name, ' ', name_len);
    const size_t method_len = space ? (size_t)(space - name) : 0;
    if (method_len == 0 || method_len >= sizeof method) return NULL;
    memcpy(method, name, method_len);
    method[method_len] = '\0';
    Exchange *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->sender = sender;
    r->url = strndup(space + 1, name_len - method_len - 1);
    r->curl = curl_easy_init();
    if (r->url && r->curl && take_host(r) && take_input(r, input, len) && set_options(r, o, method))
        return r;
    exchange_free(r);
    return NULL;
}

bool exchange_aim(Exchange *r, uint64_t now_ns)
{
    const uint64_t left_ms = r->ends_ns > now_ns ? (r->ends_ns - now_ns) / 1000000 : 0;
    if (curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, (long)left_ms + 1) != CURLE_OK) return false;
    if (!r->lookup) return true;
    char *text = lookup_print(r->lookup, r->host, r->port);
    r->addresses = text ? curl_slist_append(NULL, text) : NULL;
    free(text);
    return r->addresses &&
           curl_easy_setopt(r->curl, CURLOPT_RESOLVE, r->addresses) == CURLE_OK;
}

int exchange_status(const Exchange *r, CURLcode code)
{
    if (r->refused) return FNVM_SERVICE_DENIED;
    if (r->too_large) return FNVM_SERVICE_TOO_LARGE;
    if (r->too_much) return FNVM_SERVICE_LIMIT;
    if (code == CURLE_OK) return r->head_len ? FNVM_SERVICE_OK : FNVM_SERVICE_FAILED;
    if (code == CURLE_OPERATION_TIMEDOUT) return FNVM_SERVICE_TIMEOUT;
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
        return FNVM_SERVICE_UNAVAILABLE;
    return FNVM_SERVICE_FAILED;
}
