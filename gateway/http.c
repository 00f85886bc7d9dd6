/* The server: libmicrohttpd's daemon without a thread, driven through its epoll, and what it leaves
 * to its user: limits of time that count from where a wait began (its own count from the last byte,
 * so a byte now and then would keep a connection for ever), clients that go away while their
 * request waits, ending.
 *
 * libmicrohttpd calls `access_handler` twice for a request without a body, again at every http_run
 * until it is answered, and for every piece of a body.  A request that was not answered in the
 * first turn is suspended in the second: most are answered between the two, and so cost neither a
 * system call nor a lock.  MHD_queue_response may be called between two turns because there is no
 * other thread. */
#include "gateway/http_state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { OTHER_FILES = 64, SPARE_POOL = 15360, CLOCK_SLACK_MS = 12 };

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- Waiting ---- */

static void unlink_conn(HttpConn *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
}

static void link_conn(HttpConn *c, Waiting waiting)
{
    HttpConn *list = &c->http->lists[waiting];
    c->waiting = waiting;
    c->prev = list->prev;
    c->next = list;
    list->prev->next = c;
    list->prev = c;
}

void http_wait(HttpConn *c, Waiting waiting)
{
    c->since_ms = c->http->now_ms;
    unlink_conn(c);
    link_conn(c, waiting);
}

static void watch(HttpConn *c)
{
    /* Edges, for as long as the connection lives: that the client is gone is news once. */
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(c->http->watch, EPOLL_CTL_ADD, c->fd, &event) == 0) c->watched = true;
}

void http_suspend(HttpRequest *req)
{
    HttpConn *c = req->conn;
    if (!c->watched) watch(c);
    MHD_suspend_connection(c->mhd);
    req->suspended = true;
    c->http->suspended++;
    http_wait(c, WAITING_NONE);
}

void http_resume(HttpRequest *req)
{
    req->asked = false;
    if (!req->suspended) return;
    req->suspended = false;
    req->conn->http->suspended--;
    MHD_resume_connection(req->conn->mhd);
    /* Driven from outside, libmicrohttpd tells nobody. */
    if (!req->conn->http->resumed) http_wake(req->conn->http);
    req->conn->http->resumed = true;
}

/* ---- Requests and connections come and go ---- */

static HttpRequest *new_request(HttpConn *c)
{
    Http *http = c->http;
    HttpRequest *req = http->kept;
    if (req) {
        http->kept = req->next;
        http->nkept--;
    } else {
        req = calloc(1, sizeof *req);
        if (!req) return NULL;
    }
    req->conn = c;
    req->limit = http->limits.body_bytes;
    return req;
}

/* All but the fields is cleared: they count by nfields. */
static void free_request(Http *http, HttpRequest *req)
{
    if (req->response) MHD_destroy_response(req->response);
    bytes_clear(&req->in);
    bytes_clear(&req->out);
    bytes_free(&req->wire);
    Bytes in = req->in, out = req->out;
    char *text = req->text;
    size_t text_size = req->text_size;
    if (text_size > HTTP_KEPT_BYTES) {
        free(text);
        text = NULL;
        text_size = 0;
    }
    memset(req, 0, offsetof(HttpRequest, fields));
    req->in = in;
    req->out = out;
    req->text = text;
    req->text_size = text_size;
    if (http->nkept == HTTP_KEPT_REQUESTS || http->freeing) {
        bytes_free(&req->in);
        bytes_free(&req->out);
        free(req->text);
        free(req);
        return;
    }
    req->next = http->kept;
    http->kept = req;
    http->nkept++;
}

static HttpConn *conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line was read: what this returns is the request's context from now on.  The query is
 * cut off where `uri` lies: libmicrohttpd would make a list of its parameters, and refuse a request
 * with many. */
static void *request_begins(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    (void)cls;
    HttpConn *c = conn_of(mhd);
    if (!c || !uri) return NULL;
    HttpRequest *req = new_request(c);
    if (!req) return NULL;
    size_t len = strlen(uri), size = 2 * (len + 1) + HTTP_HOST_MAX;
    if (size > req->text_size) {
        char *text = realloc(req->text, size);
        if (!text) {
            free_request(c->http, req);
            return NULL;
        }
        req->text = text;
        req->text_size = size;
    }
    memcpy(req->text, uri, len + 1);
    req->target = (HttpText){req->text, len};
    req->target_was = uri;
    req->target_was_len = len;
    char *mark = memchr(uri, '?', len);
    if (mark) mark[1] = '\0';
    c->request = req;
    if (c->waiting != WAITING_HEAD) http_wait(c, WAITING_HEAD);
    return req;
}

static void request_ends(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)mhd;
    Http *http = cls;
    HttpRequest *req = *context;
    *context = NULL;
    if (!req) return;
    HttpConn *c = req->conn;
    if (req->arrived) {
        req->arrived = false;
        bool sent =
            req->raw ? req->raw_done : req->queued && how == MHD_REQUEST_TERMINATED_COMPLETED_OK;
        http->handlers.gone(http->handlers.env, req, !sent);
    }
    if (!req->complete && how != MHD_REQUEST_TERMINATED_CLIENT_ABORT) http_linger(http, c->fd);
    if (req->suspended) http->suspended--;
    if (req->raw) http->raw--;
    c->request = NULL;
    c->used = true;
    free_request(http, req);
    http_wait(c, WAITING_IDLE);
}

static void connection_changes(void *cls, struct MHD_Connection *mhd, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    Http *http = cls;
    HttpConn *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof *c);
        if (!c) return; /* its requests are refused */
        *c = (HttpConn){.http = http, .mhd = mhd, .since_ms = http->now_ms};
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        link_conn(c, WAITING_HEAD);
        http->connections++;
        *context = c;
    } else if (c) {
        if (c->watched) epoll_ctl(http->watch, EPOLL_CTL_DEL, c->fd, NULL);
        unlink_conn(c);
        http->connections--;
        *context = NULL;
        free(c);
    }
}

/* ---- What libmicrohttpd asks ---- */

static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void has_arrived(HttpRequest *req)
{
    Http *http = req->conn->http;
    req->arrived = true;
    http->handlers.arrived(http->handlers.env, req);
}

/* `user_ready` may answer, read and write. */
static void user_ready(HttpRequest *req, bool *wants)
{
    if (!*wants) return;
    *wants = false;
    Http *http = req->conn->http;
    http->handlers.ready(http->handlers.env, req);
}

/* Its head is complete.  What is answered now, with a body to come, is sent before the body is read
 * and ends the connection. */
static enum MHD_Result first_call(HttpRequest *req, const char *method, const char *version)
{
    req->begun = true;
    unsigned status = http_head(req, method, version);
    if (status) {
        http_refuse(req, status);
        return req->queued ? MHD_YES : MHD_NO;
    }
    if (!req->chunked && req->length == 0) return MHD_YES; /* the second call follows at once */
    http_wait(req->conn, WAITING_BODY);
    has_arrived(req);
    if (req->failed && !req->response) http_refuse(req, 413);
    bool soon =
        req->has_length && req->length <= req->conn->http->limits.buffer_bytes && !req->expects;
    if (req->response && req->discarding && !soon) http_queue(req);
    return MHD_YES;
}

/* The body grew too long, or no more of it is to come: answered past libmicrohttpd, which takes no
 * answer before the end of a request. */
static enum MHD_Result fail_body(HttpRequest *req, unsigned status)
{
    req->failed = req->answered = true;
    if (!req->raw) http_send_now(req->conn, status);
    return MHD_NO;
}

/* What comes of its body is of no use to anybody: the rest of it gets one wait, not one for
 * every piece. */
static bool is_refused(const HttpRequest *req) { return req->discarding && req->status >= 400; }

static enum MHD_Result more_body(HttpRequest *req, const char *data, size_t *size)
{
    HttpConn *c = req->conn;
    if (req->failed || c->broken) return MHD_NO;
    for (;;) {
        size_t n = *size;
        if (!req->discarding) n = bytes_put(&req->in, data, n, c->http->limits.buffer_bytes);
        req->got += n;
        data += n;
        *size -= n;
        if (req->got > req->limit) return fail_body(req, 413);
        if (n == 0 && bytes_len(&req->in) == 0) return fail_body(req, 503); /* no memory */
        if (n == 0) break;
        user_ready(req, &req->wants_read);
        if (*size == 0) break;
    }
    if (*size != 0) http_suspend(req);
    else if (!is_refused(req)) http_wait(c, WAITING_BODY);
    return MHD_YES;
}

static enum MHD_Result last_call(HttpRequest *req)
{
    HttpConn *c = req->conn;
    if (!req->complete) {
        req->complete = true;
        http_wait(c, WAITING_NONE);
        if (!req->arrived) has_arrived(req);
        else user_ready(req, &req->wants_read);
    }
    if (c->broken) return MHD_NO;
    if (req->queued) return MHD_YES;
    if (req->response) return http_queue(req) ? MHD_YES : MHD_NO;
    if (req->asked) http_suspend(req);
    req->asked = true;
    return MHD_YES;
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *mhd, const char *url,
                                      const char *method, const char *version, const char *data,
                                      size_t *size, void **context)
{
    (void)cls, (void)mhd, (void)url;
    HttpRequest *req = *context;
    if (!req) return MHD_NO; /* there was no memory for it */
    if (!req->begun) return first_call(req, method, version);
    return *size > 0 ? more_body(req, data, size) : last_call(req);
}

/* ---- Driving ---- */

void http_cut(HttpConn *c)
{
    c->broken = true;
    shutdown(c->fd, SHUT_RDWR);
    if (c->request) http_resume(c->request);
    http_wait(c, WAITING_NONE);
}

/* A client that has shut down its sending side may still wait for its answer, or be gone: both look
 * alike. A `100 Continue` is ignored by the one (RFC 9110 section 15.2), and answered with a reset
 * by the other's system, which is the next event. */
static void ask_half_closed(HttpConn *c)
{
    static const char probe[] = "HTTP/1.1 100 Continue\r\n\r\n";
    HttpRequest *req = c->request;
    if (!req || !req->suspended || req->queued || req->raw || req->http_1_0) return;
    ssize_t sent = send(c->fd, probe, sizeof probe - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 && (size_t)sent != sizeof probe - 1) http_cut(c);
}

static void look_at_watched(Http *http)
{
    struct epoll_event events[64];
    int n = epoll_wait(http->watch, events, 64, 0);
    for (int i = 0; i < n; i++) {
        HttpConn *c = events[i].data.ptr;
        if (events[i].events & (EPOLLERR | EPOLLHUP)) {
            if (!c->broken) http_cut(c);
            continue;
        }
        if ((events[i].events & EPOLLOUT) && c->request && c->request->raw) {
            http_raw_flush(c->request);
            user_ready(c->request, &c->request->wants_write);
        }
        if ((events[i].events & EPOLLRDHUP) && !c->half_closed) {
            c->half_closed = true;
            ask_half_closed(c);
        }
    }
}

/* Whether bytes came since the connection's wait began.  Not known of Unix sockets. */
static bool head_has_begun(const HttpConn *c)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (c->request) return true;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len)) return false;
    if (!c->used) return info.tcpi_bytes_received > 0;
    return info.tcpi_last_data_recv + CLOCK_SLACK_MS < c->http->now_ms - c->since_ms;
}

static uint64_t patience(const Http *http, Waiting waiting)
{
    switch (waiting) {
    case WAITING_IDLE: return http->limits.idle_ms;
    case WAITING_HEAD: return http->limits.head_ms;
    case WAITING_BODY: return http->limits.body_ms;
    default: return UINT64_MAX;
    }
}

static void too_slow(HttpConn *c)
{
    HttpRequest *req = c->request;
    switch (c->waiting) {
    case WAITING_IDLE:
        if (head_has_begun(c)) {
            http_wait(c, WAITING_HEAD);
            return;
        }
        break;
    case WAITING_HEAD:
        if (c->used || head_has_begun(c)) http_send_now(c, 408);
        break;
    case WAITING_BODY:
        if (req && !req->complete) fail_body(req, is_refused(req) ? req->status : 408);
        break;
    default: break;
    }
    http_cut(c);
}

void http_run(Http *http)
{
    http->now_ms = now_ms();
    http->resumed = false;
    const size_t before = http->connections;
    MHD_run(http->daemon);
    /* At the limit it has let go of the listener, and takes it up again only when it is run: there
     * may be nothing else that wakes us for those who wait. */
    if (before >= http->limits.connections && http->connections < before) MHD_run(http->daemon);
    if (http->suspended + http->raw > 0) look_at_watched(http);
    for (int i = WAITING_IDLE; i < WAITINGS; i++) {
        HttpConn *list = &http->lists[i];
        uint64_t most = patience(http, (Waiting)i);
        while (list->next != list && http->now_ms - list->next->since_ms > most)
            too_slow(list->next);
    }
    http_end_lingering(http, HTTP_LINGER_MS);
}

int http_timeout_ms(Http *http)
{
    MHD_UNSIGNED_LONG_LONG mhd;
    if (MHD_get_timeout(http->daemon, &mhd) == MHD_YES && mhd == 0) return 0;
    uint64_t now = now_ms(), least = UINT64_MAX;
    for (int i = WAITING_IDLE; i < WAITINGS; i++) {
        const HttpConn *first = http->lists[i].next;
        if (first == &http->lists[i]) continue;
        uint64_t end = first->since_ms + patience(http, (Waiting)i) + 1;
        uint64_t left = end > now ? end - now : 0;
        if (left < least) least = left;
    }
    if (http->nlingering > 0) {
        uint64_t end = http->lingering[0].since_ms + HTTP_LINGER_MS + 1;
        uint64_t left = end > now ? end - now : 0;
        if (left < least) least = left;
    }
    if (least == UINT64_MAX) return -1;
    /* The coarse clock may stand still for that long. */
    return least > INT32_MAX - 8 ? INT32_MAX : (int)least + 8;
}

void http_wake(Http *http)
{
    uint64_t one = 1;
    ssize_t n = write(http->wake, &one, sizeof one); /* an edge each; it is never read */
    (void)n;
}

void http_drain(Http *http)
{
    if (http->draining) return;
    http->draining = true;
    MHD_quiesce_daemon(http->daemon); /* which leaves the socket to us */
    close(http->listener);
}

int http_fd(const Http *http) { return http->events; }
size_t http_connections(const Http *http) { return http->connections; }

/* ---- Making and ending ---- */

static fnvm_error *enough_files(HttpLimits *limits)
{
    struct rlimit files;
    const bool any = limits->connections == 0;
    const rlim_t others = HTTP_LINGERING + OTHER_FILES;
    if (any) limits->connections = HTTP_USUAL_CONNECTIONS;
    rlim_t need = limits->connections + others;
    if (getrlimit(RLIMIT_NOFILE, &files)) return fnvm_error_new(FNVM_E_IO, "getrlimit: %m");
    if (files.rlim_cur >= need) return NULL;
    if (any && files.rlim_max < need && files.rlim_max > others) {
        need = files.rlim_max;
        limits->connections = (uint32_t)(need - others);
    }
    if (files.rlim_max >= need || files.rlim_max == RLIM_INFINITY) {
        files.rlim_cur = need;
        if (setrlimit(RLIMIT_NOFILE, &files) == 0) return NULL;
    }
    return fnvm_error_new(
        FNVM_E_LIMIT,
        "%u connections need %llu file descriptors, and the limit is %llu: allow fewer "
        "connections, or raise it (ulimit -n, LimitNOFILE=)",
        limits->connections, (unsigned long long)need, (unsigned long long)files.rlim_max);
}

/* Our descriptors are in libmicrohttpd's epoll, where NULL is an event that it ignores. */
static fnvm_error *add_events(Http *http)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->watch = epoll_create1(EPOLL_CLOEXEC);
    if (http->wake < 0 || http->watch < 0 ||
        epoll_ctl(http->events, EPOLL_CTL_ADD, http->wake, &event) ||
        epoll_ctl(http->events, EPOLL_CTL_ADD, http->watch, &event))
        return fnvm_error_new(FNVM_E_IO, "making an event loop: %m");
    return NULL;
}

static fnvm_error *start(Http *http, int listener)
{
    const HttpLimits *limits = &http->limits;
    http->listener = fcntl(listener, F_DUPFD_CLOEXEC, 0); /* libmicrohttpd closes it */
    if (http->listener < 0) return fnvm_error_new(FNVM_E_IO, "the listening socket: %m");
    /* The head, its cookies once more, the list of its fields, the answer's head.  It is cleared
     * for every request, so it had better be small. */
    size_t pool = limits->head_bytes + limits->head_bytes / 2 + SPARE_POOL;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, access_handler, http,
        MHD_OPTION_LISTEN_SOCKET, http->listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)limits->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)limits->connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool,
        MHD_OPTION_URI_LOG_CALLBACK, request_begins, http, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_ends, http,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changes, http, MHD_OPTION_END);
    if (!http->daemon) {
        close(http->listener);
        return fnvm_error_new(FNVM_E_IO, "starting the HTTP server failed: %m");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "this libmicrohttpd was built without epoll");
    http->events = info->epoll_fd;
    fnvm_error *error = add_events(http);
    if (!error) MHD_run(http->daemon); /* puts the listener into the epoll */
    return error;
}

fnvm_error *http_new(int listener, const HttpLimits *limits, const HttpHandlers *handlers,
                     Http **out)
{
    HttpLimits possible = *limits;
    *out = NULL;
    fnvm_error *error = enough_files(&possible);
    if (error) return error;
    Http *http = calloc(1, sizeof *http);
    if (!http) return fnvm_error_new(FNVM_E_MEMORY, "out of memory for the HTTP server");
    http->limits = possible;
    http->handlers = *handlers;
    http->wake = http->watch = -1;
    http->now_ms = now_ms();
    for (int i = 0; i < WAITINGS; i++) http->lists[i].prev = http->lists[i].next = &http->lists[i];
    error = start(http, listener);
    if (error) {
        http_free(http);
        return error;
    }
    *out = http;
    return NULL;
}

void http_free(Http *http)
{
    if (!http) return;
    http->freeing = true;
    if (http->daemon) {
        /* MHD_stop_daemon wants that no connection is suspended. */
        for (int i = 0; i < WAITINGS; i++)
            for (HttpConn *c = http->lists[i].next; c != &http->lists[i]; c = c->next) {
                c->broken = true;
                if (c->request) http_resume(c->request);
            }
        MHD_stop_daemon(http->daemon);
    }
    while (http->kept) {
        HttpRequest *req = http->kept;
        http->kept = req->next;
        bytes_free(&req->in);
        bytes_free(&req->out);
        free(req->text);
        free(req);
    }
    http_end_lingering(http, 0);
    if (http->wake >= 0) close(http->wake);
    if (http->watch >= 0) close(http->watch);
    free(http);
}
