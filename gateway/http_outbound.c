/* One thread drives curl's multi interface.  Requests are made by whoever starts them, and
 * handed to the thread in a list; the thread alone touches curl's handles from then on.  A
 * request ends in the thread, which sets its status and tells those who wait; it is freed when
 * both the thread and the guest have let go of it. */
#include "gateway/http_outbound.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http_address.h"

enum { BUCKETS = 256, POLL_MS = 1000, METHOD_BYTES = 17, HEAD_BYTES = 10 /* "HTTP 200\r\n" */ };
enum { WAIT_NS = 50000000 }; /* between two looks at the interrupt of a guest whose thread waits */

typedef enum Peer { PEER_NAME, PEER_LOCALHOST, PEER_ADDRESS } Peer; /* what the URL's host is */

typedef struct Request {
    struct Request *next;  /* in the bucket of its id */
    struct Request *queue; /* in the list of those that are new */
    HttpOutbound *owner;
    int64_t id;
    CURL *curl; /* NULL when it has ended */
    struct curl_slist *fields;
    char *url, *body;
    size_t body_len;
    Peer peer;
    bool running; /* with curl, and not in the list of new ones */
    bool ended, dropped, refused /* the address */, too_large;
    int status;
    char *answer;              /* "HTTP 200\r\n", fields, an empty line, the body */
    size_t len, cap, head_len; /* head_len: up to the body */
} Request;

struct HttpOutbound {
    HttpOutboundOptions options;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t
        mutex; /* of all below, and of `ended`, `dropped`, and what it says about the answer */
    pthread_cond_t ended;
    Request *buckets[BUCKETS];
    Request *fresh; /* not with curl yet */
    int64_t last_id;
    uint32_t open;     /* that have not ended */
    uint32_t dropping; /* of these, dropped */
    bool stop;
    bool joined; /* its owner's */
};

/* ---- Requests ---- */

static void request_free(Request *r)
{
    if (r->curl) curl_easy_cleanup(r->curl);
    curl_slist_free_all(r->fields);
    free(r->url);
    free(r->body);
    free(r->answer);
    free(r);
}

static Request **find(HttpOutbound *o, int64_t id)
{
    Request **at = &o->buckets[(uint64_t)id % BUCKETS];
    while (*at && (*at)->id != id) at = &(*at)->next;
    return at;
}

/* ---- What curl tells ---- */

static bool append(Request *r, const char *bytes, size_t len)
{
    const uint64_t most = r->owner->options.answer_bytes;
    if (len > most || r->len > most - len) {
        r->too_large = true;
        return false;
    }
    if (r->len + len > r->cap) {
        const size_t cap = (r->len + len) * 2;
        char *more = realloc(r->answer, cap);
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
    Request *r = env;
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

/* The one place where it is known whom we are about to connect to. */
static curl_socket_t on_socket(void *env, curlsocktype purpose, struct curl_sockaddr *a)
{
    Request *r = env;
    const bool allowed =
        r->owner->options.private_addresses || (r->peer == PEER_ADDRESS) ||
        (r->peer == PEER_LOCALHOST ? address_is_loopback(&a->addr) : address_is_public(&a->addr));
    if (purpose != CURLSOCKTYPE_IPCXN || !allowed) {
        r->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
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
static bool take_fields(Request *r, const char *at, size_t len)
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
static bool take_input(Request *r, const char *input, size_t len)
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

static bool set_options(const HttpOutbound *o, Request *r, const char *method)
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
    SET(CONNECTTIMEOUT_MS, (long)o->options.connect_ms);
    SET(TIMEOUT_MS, (long)o->options.total_ms);
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
    SET(PRIVATE, r);
#undef SET
    return ok;
}

static Request *request_new(HttpOutbound *o, const char *name, size_t name_len, const char *input,
                            size_t len)
{
    char method[METHOD_BYTES];
    const char *space = memchr(name, ' ', name_len);
    const size_t method_len = space ? (size_t)(space - name) : 0;
    if (method_len == 0 || method_len >= sizeof method) return NULL;
    memcpy(method, name, method_len);
    method[method_len] = '\0';
    Request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->owner = o;
    r->url = strndup(space + 1, name_len - method_len - 1);
    r->curl = curl_easy_init();
    if (!r->url || !r->curl || !strstr(r->url, "://") || !take_input(r, input, len) ||
        !set_options(o, r, method)) {
        request_free(r);
        return NULL;
    }
    r->peer = peer_of(r->url);
    return r;
}

/* ---- The thread ---- */

static int status_of(const Request *r, CURLcode code)
{
    if (r->refused) return FNVM_SERVICE_DENIED;
    if (r->too_large) return FNVM_SERVICE_TOO_LARGE;
    if (code == CURLE_OK) return r->head_len ? FNVM_SERVICE_OK : FNVM_SERVICE_FAILED;
    if (code == CURLE_OPERATION_TIMEDOUT) return FNVM_SERVICE_TIMEOUT;
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
        return FNVM_SERVICE_UNAVAILABLE;
    return FNVM_SERVICE_FAILED;
}

static void unlink_request(HttpOutbound *o, Request *r)
{
    Request **at = find(o, r->id);
    if (*at) *at = r->next;
}

/* The last that the thread does with it. */
static void end(HttpOutbound *o, Request *r, CURLcode code)
{
    const int64_t id = r->id;
    curl_multi_remove_handle(o->multi, r->curl);
    curl_easy_cleanup(r->curl);
    pthread_mutex_lock(&o->mutex);
    r->curl = NULL;
    r->status = status_of(r, code);
    r->ended = true;
    o->open--;
    const bool dropped = r->dropped;
    o->dropping -= dropped;
    if (dropped) unlink_request(o, r);
    pthread_cond_broadcast(&o->ended);
    pthread_mutex_unlock(&o->mutex);
    if (dropped) request_free(r);
    else if (o->options.done) o->options.done(o->options.done_env, id);
}

/* Those that are new are given to curl. */
static void take_fresh(HttpOutbound *o)
{
    pthread_mutex_lock(&o->mutex);
    Request *fresh = o->fresh;
    o->fresh = NULL;
    for (Request *r = fresh; r; r = r->queue) r->running = true;
    pthread_mutex_unlock(&o->mutex);
    while (fresh) {
        Request *r = fresh;
        fresh = r->queue;
        if (curl_multi_add_handle(o->multi, r->curl) != CURLM_OK) end(o, r, CURLE_OUT_OF_MEMORY);
    }
}

/* Those that nobody wants any more end. */
static void take_dropped(HttpOutbound *o)
{
    Request *dropped = NULL;
    pthread_mutex_lock(&o->mutex);
    for (size_t i = 0; o->dropping && i < BUCKETS; i++)
        for (Request *r = o->buckets[i]; r; r = r->next)
            if (r->running && r->dropped && !r->ended) {
                r->queue = dropped;
                dropped = r;
            }
    pthread_mutex_unlock(&o->mutex);
    while (dropped) {
        Request *r = dropped;
        dropped = r->queue;
        end(o, r, CURLE_ABORTED_BY_CALLBACK);
    }
}

static void take_ended(HttpOutbound *o)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(o->multi, &left));) {
        Request *r = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        end(o, r, code);
    }
}

static void *work(void *env)
{
    HttpOutbound *o = env;
    for (;;) {
        int running;
        pthread_mutex_lock(&o->mutex);
        const bool stop = o->stop;
        pthread_mutex_unlock(&o->mutex);
        if (stop) return NULL;
        take_fresh(o);
        take_dropped(o);
        curl_multi_perform(o->multi, &running);
        take_ended(o);
        curl_multi_poll(o->multi, NULL, 0, POLL_MS, NULL);
    }
}

/* ---- The backend ---- */

static int64_t start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                     const void *input, size_t len)
{
    HttpOutbound *o = env;
    (void)caller;
    pthread_mutex_lock(&o->mutex);
    const bool full = o->open >= o->options.concurrent;
    if (!full) o->open++;
    pthread_mutex_unlock(&o->mutex);
    if (full) return FNVM_SERVICE_LIMIT;
    Request *r = request_new(o, name, name_len, input, len);
    pthread_mutex_lock(&o->mutex);
    int64_t id = FNVM_SERVICE_UNAVAILABLE;
    if (!r) o->open--;
    else {
        id = r->id = ++o->last_id;
        Request **bucket = &o->buckets[(uint64_t)id % BUCKETS];
        r->next = *bucket;
        *bucket = r;
        r->queue = o->fresh;
        o->fresh = r;
    }
    pthread_mutex_unlock(&o->mutex);
    if (r) curl_multi_wakeup(o->multi);
    return id;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* With the mutex; until it has ended, the time is up, or the guest is interrupted. */
static void wait_here(HttpOutbound *o, const Request *r, fnvm_caller *caller, uint64_t deadline_ns)
{
    while (!r->ended && !(caller && fnvm_caller_interrupted(caller))) {
        const uint64_t now = now_ns();
        if (now >= deadline_ns) return;
        const struct timespec until =
            timespec_of(deadline_ns - now < WAIT_NS ? deadline_ns : now + WAIT_NS);
        pthread_cond_timedwait(&o->ended, &o->mutex, &until);
    }
}

static bool poll_one(void *env, fnvm_caller *caller, int64_t id, bool wait, uint64_t deadline_ns,
                     int *status, const void **answer, size_t *len, fnvm_error **error)
{
    HttpOutbound *o = env;
    pthread_mutex_lock(&o->mutex);
    const Request *r = *find(o, id);
    if (r && !r->ended && wait && !o->options.wait) wait_here(o, r, caller, deadline_ns);
    const bool ended = !r || r->ended;
    if (ended) *status = r ? r->status : FNVM_SERVICE_INVALID;
    if (ended && r && r->status == FNVM_SERVICE_OK) {
        *answer = r->answer;
        *len = r->len;
    }
    if (!ended && wait && o->options.wait) /* with the lock: `done` comes behind it */
        *error = o->options.wait(o->options.wait_env, caller, id, deadline_ns);
    pthread_mutex_unlock(&o->mutex);
    return ended;
}

static void drop(void *env, int64_t id)
{
    HttpOutbound *o = env;
    pthread_mutex_lock(&o->mutex);
    Request **at = find(o, id), *r = *at;
    const bool ended = r && r->ended;
    if (ended) *at = r->next;
    else if (r) {
        r->dropped = true;
        o->dropping++;
    }
    pthread_mutex_unlock(&o->mutex);
    if (ended) request_free(r);
    else if (r) curl_multi_wakeup(o->multi);
}

/* ---- Life ---- */

static void set_defaults(HttpOutboundOptions *o)
{
    if (!o->concurrent) o->concurrent = 256;
    if (!o->answer_bytes) o->answer_bytes = 8 << 20;
    if (!o->connect_ms) o->connect_ms = 5000;
    if (!o->total_ms) o->total_ms = 30000;
}

fnvm_error *http_outbound_new(const HttpOutboundOptions *options, HttpOutbound **out)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fnvm_error_new(FNVM_E_IO, "libcurl cannot be started");
    HttpOutbound *o = calloc(1, sizeof *o);
    pthread_condattr_t clock;
    if (!o || pthread_condattr_init(&clock) != 0) {
        free(o);
        return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    }
    if (options) o->options = *options;
    set_defaults(&o->options);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->ended, &clock);
    pthread_condattr_destroy(&clock);
    o->multi = curl_multi_init();
    const int failed = o->multi ? pthread_create(&o->thread, NULL, work, o) : ENOMEM;
    if (failed) {
        if (o->multi) curl_multi_cleanup(o->multi);
        pthread_cond_destroy(&o->ended);
        pthread_mutex_destroy(&o->mutex);
        free(o);
        return fnvm_error_new(FNVM_E_IO, "the thread for guests' requests cannot be started: %s",
                              strerror(failed));
    }
    *out = o;
    return NULL;
}

void http_outbound_stop(HttpOutbound *o)
{
    if (!o || o->joined) return;
    pthread_mutex_lock(&o->mutex);
    o->stop = true;
    pthread_mutex_unlock(&o->mutex);
    curl_multi_wakeup(o->multi);
    pthread_join(o->thread, NULL);
    o->joined = true;
}

void http_outbound_free(HttpOutbound *o)
{
    if (!o) return;
    http_outbound_stop(o);
    for (size_t i = 0; i < BUCKETS; i++)
        for (Request *r = o->buckets[i], *next; r; r = next) {
            next = r->next;
            if (r->curl) curl_multi_remove_handle(o->multi, r->curl);
            request_free(r);
        }
    curl_multi_cleanup(o->multi);
    pthread_cond_destroy(&o->ended);
    pthread_mutex_destroy(&o->mutex);
    free(o);
}

void http_outbound_backend(HttpOutbound *o, fnvm_task_backend *out)
{
    *out = (fnvm_task_backend){o, start, poll_one, drop};
}
