/* A small server over gateway/http.h, for conformance/http_hostile: what it does is chosen by the path.
 *
 *   /dump          what the request's head was read as
 *   /echo          the body, when all of it is there; /stream: each piece at once, in pieces
 *   /slow          the length of the body, which is read a little at a time
 *   /early         answers before it reads the body
 *   /late?MS       after so long; /drained: when it drains; /never: not at all
 *   /chunks?N, /sized?N    N bytes in pieces, without and with a length
 *   /short, /abort an answer that breaks off; /status?S: that status, and a body
 *   /ten           takes ten bytes of body
 *   /counts        requests that arrived, are gone, were cut; connections
 *
 * It prints its port.  SIGTERM ends it, SIGUSR1 has it drain.  `http_echo [-u PATH] [-s] [connections]`;
 * with -s limits of time are short: a second, and two between requests. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http.h"

typedef enum Doing { ECHOING, STREAMING, SLOW, LATE, WRITING } Doing;

typedef struct Work { /* of a request that was not answered at once; in one list */
    HttpRequest *req;
    Doing doing;
    char *body;
    size_t len, size;
    uint64_t left, due_ms;
    bool later;       /* in the next turn */
    bool drained;     /* when it drains */
    char piece[4096]; /* read and not yet written */
    size_t piece_len, piece_done;
    struct Work *prev, *next;
} Work;

static Work list = {.prev = &list, .next = &list};
static uint64_t arrived_count, gone_count, cut_count;
static volatile sig_atomic_t ended, draining;
static Http *http;

static void on_signal(int signal)
{
    if (signal == SIGTERM) ended = 1;
    else draining = 1;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static HttpText text(const char *s) { return (HttpText){s, strlen(s)}; }
static bool is(HttpText a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.at, b, a.len) == 0;
}
static uint64_t number(HttpText t) { return t.len ? strtoull(t.at, NULL, 10) : 0; }

static void answer(HttpRequest *req, unsigned status, const char *body, size_t len)
{
    HttpField type = {text("Content-Type"), text("text/plain")};
    http_answer(req, status, &type, 1, body, len);
}

static Work *work_new(HttpRequest *req, Doing doing)
{
    Work *w = calloc(1, sizeof *w);
    if (!w) abort();
    *w = (Work){.req = req, .doing = doing, .prev = list.prev, .next = &list};
    list.prev->next = w;
    list.prev = w;
    http_set_env(req, w);
    return w;
}

/* ---- What it does ---- */

static void dump(HttpRequest *req)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    HttpText m = http_method(req), t = http_target(req), p = http_path(req), q = http_query(req);
    HttpText h = http_host(req), name, value;
    if (!f) abort();
    fprintf(f, "method=%.*s target=%.*s path=%.*s query=%.*s host=%.*s\n", (int)m.len, m.at,
            (int)t.len, t.at, (int)p.len, p.at, (int)q.len, q.at, (int)h.len, h.at);
    for (size_t i = 0; http_field(req, i, &name, &value); i++)
        fprintf(f, "%.*s=%.*s\n", (int)name.len, name.at, (int)value.len, value.at);
    fclose(f);
    answer(req, 200, out, len);
    free(out);
}

static void echo(Work *w, size_t most)
{
    char piece[65536];
    size_t n;
    for (;;) {
        HttpRead read = http_read(w->req, piece, most < sizeof piece ? most : sizeof piece, &n);
        if (read == HTTP_READ_END) {
            char length[32];
            snprintf(length, sizeof length, "%zu\n", w->len);
            if (w->doing == SLOW) answer(w->req, 200, length, strlen(length));
            else answer(w->req, 200, w->body, w->len);
        }
        if (read != HTTP_READ_SOME) return;
        if (w->doing == SLOW) {
            w->len += n;
            w->later = true; /* so that the sender has to wait */
            return;
        }
        if (w->len + n > w->size) {
            w->size = (w->len + n) * 2;
            w->body = realloc(w->body, w->size);
            if (!w->body) abort();
        }
        memcpy(w->body + w->len, piece, n);
        w->len += n;
    }
}

static void stream(Work *w)
{
    for (;;) {
        if (w->piece_done < w->piece_len) {
            w->piece_done +=
                http_write(w->req, w->piece + w->piece_done, w->piece_len - w->piece_done);
            if (w->piece_done < w->piece_len) return;
        }
        HttpRead read = http_read(w->req, w->piece, sizeof w->piece, &w->piece_len);
        w->piece_done = 0;
        if (read == HTTP_READ_END) http_end(w->req);
        if (read != HTTP_READ_SOME) return;
    }
}

static void write_more(Work *w)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    while (w->left > 0) {
        size_t n = w->left < 32 ? (size_t)w->left : 32, took = http_write(w->req, digits, n);
        w->left -= took;
        if (took < n) return;
    }
    http_end(w->req);
}

static void arrived(void *env, HttpRequest *req)
{
    (void)env;
    HttpText path = http_path(req), query = http_query(req);
    arrived_count++;
    if (is(path, "/dump")) dump(req);
    else if (is(path, "/early")) answer(req, 403, "no\n", 3);
    else if (is(path, "/status")) answer(req, (unsigned)number(query), "a body\n", 7);
    else if (is(path, "/never")) work_new(req, LATE)->due_ms = UINT64_MAX;
    else if (is(path, "/drained")) {
        Work *w = work_new(req, LATE);
        w->due_ms = UINT64_MAX;
        w->drained = true;
    } else if (is(path, "/late")) work_new(req, LATE)->due_ms = now_ms() + number(query);
    else if (is(path, "/next")) work_new(req, LATE); /* in the next turn */
    else if (is(path, "/echo")) echo(work_new(req, ECHOING), SIZE_MAX);
    else if (is(path, "/slow")) echo(work_new(req, SLOW), 1000);
    else if (is(path, "/stream")) {
        http_begin(req, 200, NULL, 0, UINT64_MAX);
        stream(work_new(req, STREAMING));
    } else if (is(path, "/chunks") || is(path, "/sized")) {
        Work *w = work_new(req, WRITING);
        w->left = number(query);
        http_begin(req, 200, NULL, 0, is(path, "/sized") ? w->left : UINT64_MAX);
        write_more(w);
    } else if (is(path, "/short") || is(path, "/abort")) {
        http_begin(req, 200, NULL, 0, is(path, "/short") ? 100 : UINT64_MAX);
        http_write(req, "begun\n", 6);
        if (is(path, "/short")) http_end(req);
        else http_abort(req);
    } else if (is(path, "/split")) {
        HttpField bad = {text("X"), text("a\r\nSet-Cookie: b")};
        bool sent = http_answer(req, 200, &bad, 1, "", 0);
        answer(req, 200, sent ? "split\n" : "refused\n", sent ? 6 : 8);
    } else if (is(path, "/ten")) {
        http_limit_body(req, 10);
        echo(work_new(req, ECHOING), SIZE_MAX);
    } else if (is(path, "/counts")) {
        char out[128];
        int n = snprintf(out, sizeof out, "arrived %llu gone %llu cut %llu connections %zu\n",
                         (unsigned long long)arrived_count, (unsigned long long)gone_count,
                         (unsigned long long)cut_count, http_connections(http));
        answer(req, 200, out, (size_t)n);
    } else {
        answer(req, 200, "Hello, World!\n", 14);
    }
}

static void ready(void *env, HttpRequest *req)
{
    (void)env;
    Work *w = http_env(req);
    if (!w) return;
    if (w->doing == STREAMING) stream(w);
    else if (w->doing == WRITING) write_more(w);
    else if (w->doing == ECHOING) echo(w, SIZE_MAX);
    else if (w->doing == SLOW) echo(w, 1000);
}

static void gone(void *env, HttpRequest *req, bool cut)
{
    (void)env;
    gone_count++;
    cut_count += cut;
    Work *w = http_env(req);
    if (!w) return;
    w->prev->next = w->next;
    w->next->prev = w->prev;
    free(w->body);
    free(w);
}

/* What is due between two turns, and how long until the next is. */
static int work_due(void)
{
    uint64_t now = now_ms(), next = UINT64_MAX;
    for (Work *w = list.next, *after; w != &list; w = after) {
        after = w->next;
        if (w->doing == LATE && !http_answered(w->req)) {
            if (w->due_ms <= now || (w->drained && draining)) answer(w->req, 200, "late\n", 5);
            else if (w->due_ms < next) next = w->due_ms;
        } else if (w->later) {
            w->later = false;
            echo(w, 1000);
            if (w->later) next = now;
        }
    }
    return next == UINT64_MAX ? -1 : (int)(next - now);
}

static int listen_on(const char *path)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof in;
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (path) snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    if (fd < 0 ||
        bind(fd, path ? (struct sockaddr *)&un : (struct sockaddr *)&in,
             path ? sizeof un : sizeof in) ||
        listen(fd, 4096) || (!path && getsockname(fd, (struct sockaddr *)&in, &len))) {
        perror("http_echo");
        exit(1);
    }
    printf("%d\n", path ? 0 : ntohs(in.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    const char *path = argc > 2 && strcmp(argv[1], "-u") == 0 ? argv[2] : NULL;
    int rest = path ? 3 : 1;
    const bool brief = argc > rest && strcmp(argv[rest], "-s") == 0;
    if (brief) rest++;
    HttpLimits limits = {.connections = argc > rest ? (uint32_t)atoi(argv[rest]) : 500,
                         .head_bytes = 8192,
                         .body_bytes = 1 << 20,
                         .buffer_bytes = 16384,
                         .head_ms = brief ? 1000 : 60000,
                         .body_ms = brief ? 1000 : 60000,
                         .idle_ms = brief ? 2000 : 60000};
    HttpHandlers handlers = {NULL, arrived, ready, gone};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ours, usual; /* which come only while it waits, so that none is waited past */
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGUSR1);
    sigprocmask(SIG_BLOCK, &ours, &usual);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_DFL); /* nothing may depend on it */
    int listener = listen_on(path);
    fnvm_error *error = http_new(listener, &limits, &handlers, &http);
    if (error) {
        fprintf(stderr, "http_echo: %s\n", fnvm_error_message(error));
        fnvm_error_free(error);
        return 1;
    }
    int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, http_fd(http), &event);
    while (!ended) {
        if (draining && listener >= 0) { /* whoever comes now is refused */
            http_drain(http);
            close(listener);
            listener = -1;
        }
        http_run(http);
        if (draining && http_connections(http) == 0) break;
        int due = work_due(), timeout = http_timeout_ms(http);
        if (due >= 0 && (timeout < 0 || due < timeout)) timeout = due;
        epoll_pwait(outer, &event, 1, timeout, &usual);
    }
    http_free(http);
    close(outer);
    if (listener >= 0) close(listener);
    return arrived_count == gone_count ? 0 : 1;
}
