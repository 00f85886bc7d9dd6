/* Guests' requests through libcurl, against a server on loopback, and which addresses are
 * public. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http_address.h"
#include "gateway/http_outbound.h"

/* ---- A server: answers by the path, one connection at a time ---- */

typedef struct Server {
    int listener, port;
    pthread_t thread;
    atomic_bool stop;
    char head[4096];
} Server;

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) return; /* the other side had enough */
}

static void answer(Server *s, int fd)
{
    if (strstr(s->head, " /hello"))
        send_text(fd, "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello");
    else if (strstr(s->head, " /redirect"))
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n");
    else if (strstr(s->head, " /chunked"))
        send_text(
            fd,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
    else if (strstr(s->head, " /large")) {
        send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
        char block[4096];
        memset(block, 'x', sizeof block);
        for (int i = 0; i < 1000; i++)
            if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0) break;
    } else if (strstr(s->head, " /nonsense")) send_text(fd, "what?\r\n\r\n");
    else
        while (!atomic_load(&s->stop)) usleep(1000); /* " /never" */
}

static void read_request(Server *s, int fd)
{
    size_t n = 0;
    while (n < sizeof s->head - 1) {
        const ssize_t got = read(fd, s->head + n, sizeof s->head - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
        s->head[n] = '\0';
        const char *end = strstr(s->head, "\r\n\r\n");
        if (end && (!strstr(s->head, "Content-Length: 4") || strlen(end) >= 8)) break;
    }
    s->head[n] = '\0';
}

static void *serve(void *env)
{
    Server *s = env;
    while (!atomic_load(&s->stop)) {
        struct pollfd p = {.fd = s->listener, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) continue;
        const int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) continue;
        read_request(s, fd);
        answer(s, fd);
        close(fd);
    }
    return NULL;
}

static void server_start(Server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    memset(s, 0, sizeof *s);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(Server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

/* ---- Asking ---- */

typedef struct Asked {
    int status;
    char text[4096];
    size_t len;
} Asked;

static int64_t begin(const fnvm_task_backend *b, const Server *s, const char *method,
                     const char *host, const char *path, const char *input)
{
    char name[256];
    const int n = snprintf(name, sizeof name, "%s http://%s:%d%s", method, host, s->port, path);
    return b->start(b->env, NULL, name, (size_t)n, input, strlen(input));
}

static uint64_t in_seconds(unsigned seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec + seconds) * 1000000000 + (uint64_t)t.tv_nsec;
}

static Asked ask(const fnvm_task_backend *b, const Server *s, const char *method, const char *host,
                 const char *path, const char *input)
{
    Asked a = {0};
    const void *at = NULL;
    fnvm_error *error = NULL;
    const int64_t id = begin(b, s, method, host, path, input);
    assert_true(id > 0);
    assert_true(b->poll(b->env, NULL, id, true, in_seconds(30), &a.status, &at, &a.len, &error));
    assert_null(error);
    if (at) memcpy(a.text, at, a.len < sizeof a.text ? a.len : sizeof a.text - 1);
    b->drop(b->env, id);
    return a;
}

static void open_outbound(const HttpOutboundOptions *options, HttpOutbound **o,
                          fnvm_task_backend *b)
{
    assert_null(http_outbound_new(options, o));
    http_outbound_backend(*o, b);
}

static void requests_and_answers(void **state)
{
    (void)state;
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    server_start(&s);
    setenv("http_proxy", "http://127.0.0.1:1/", 1); /* is not asked */
    open_outbound(NULL, &o, &b);
    Asked a = ask(&b, &s, "GET", "127.0.0.1", "/hello?x", "A: b\r\nEmpty:\r\n\r\n");
    assert_int_equal(a.status, 0);
    assert_string_equal(a.text, "HTTP 200\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello");
    assert_non_null(strstr(s.head, "GET /hello?x HTTP/1.1\r\n"));
    assert_non_null(strstr(s.head, "\r\nA: b\r\n"));
    assert_non_null(strstr(s.head, "\r\nEmpty:\r\n"));
    assert_null(strstr(s.head, "Accept"));
    a = ask(&b, &s, "POST", "localhost", "/hello", "\r\nbody");
    assert_int_equal(a.status, 0);
    assert_non_null(strstr(s.head, "\r\n\r\nbody"));
    assert_null(strstr(s.head, "Content-Type"));
    a = ask(&b, &s, "GET", "127.0.0.1", "/redirect", "\r\n");
    assert_non_null(strstr(a.text, "HTTP 302\r\nLocation: /hello"));
    a = ask(&b, &s, "PUT", "127.0.0.1", "/chunked", "\r\nbody");
    assert_string_equal(a.text, "HTTP 201\r\n\r\nabcde");
    a = ask(&b, &s, "GET", "127.0.0.1", "/nonsense", "\r\n");
    assert_int_equal(a.status, FNVM_SERVICE_FAILED);
    http_outbound_free(o);
    unsetenv("http_proxy");
    server_end(&s);
}

static void bounds(void **state)
{
    (void)state;
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    server_start(&s);
    open_outbound(&(HttpOutboundOptions){.answer_bytes = 65536}, &o, &b);
    assert_int_equal(ask(&b, &s, "GET", "127.0.0.1", "/large", "\r\n").status,
                     FNVM_SERVICE_TOO_LARGE);
    http_outbound_free(o);
    open_outbound(&(HttpOutboundOptions){.concurrent = 1, .total_ms = 300}, &o, &b);
    const int64_t id = begin(&b, &s, "GET", "127.0.0.1", "/never", "\r\n");
    assert_true(id > 0);
    assert_int_equal(begin(&b, &s, "GET", "127.0.0.1", "/hello", "\r\n"), FNVM_SERVICE_LIMIT);
    int status = 0;
    const void *at;
    size_t len;
    fnvm_error *error = NULL;
    assert_false(
        b.poll(b.env, NULL, id, true, 1, &status, &at, &len, &error)); /* the time is up at once */
    assert_true(b.poll(b.env, NULL, id, true, in_seconds(30), &status, &at, &len, &error));
    assert_int_equal(status, FNVM_SERVICE_TIMEOUT);
    b.drop(b.env, id);
    b.drop(b.env, begin(&b, &s, "GET", "127.0.0.1", "/never", "\r\n")); /* ends what runs */
    for (int i = 0; begin(&b, &s, "GET", "127.0.0.1", "/never", "\r\n") < 0; i++) {
        if (i == 60000) fail_msg("a dropped request keeps its place");
        usleep(1000);
    }
    http_outbound_free(o); /* with one that runs */
    server_end(&s);
}

typedef struct Woken {
    pthread_mutex_t mutex;
    int64_t waits, done;
} Woken;

static void on_done(void *env, int64_t id)
{
    Woken *w = env;
    pthread_mutex_lock(&w->mutex);
    w->done = id;
    pthread_mutex_unlock(&w->mutex);
}

static fnvm_error *on_wait(void *env, fnvm_caller *caller, int64_t id, uint64_t deadline_ns)
{
    Woken *w = env;
    (void)caller, (void)deadline_ns;
    pthread_mutex_lock(&w->mutex);
    if (w->done != id) w->waits = id;
    pthread_mutex_unlock(&w->mutex);
    return fnvm_error_new(FNVM_E_USAGE, "would be suspended");
}

static void who_waits_is_told(void **state)
{
    (void)state;
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    Woken w = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    server_start(&s);
    const HttpOutboundOptions options = {
        .done = on_done, .done_env = &w, .wait = on_wait, .wait_env = &w};
    open_outbound(&options, &o, &b);
    const int64_t id = begin(&b, &s, "GET", "127.0.0.1", "/hello", "\r\n");
    int status = 1;
    const void *at;
    size_t len;
    fnvm_error *error = NULL;
    if (!b.poll(b.env, NULL, id, true, UINT64_MAX, &status, &at, &len, &error)) {
        assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
        fnvm_error_free(error);
        assert_int_equal(w.waits, id); /* not told before it waited */
        for (int64_t done = 0; done != id; usleep(1000)) {
            pthread_mutex_lock(&w.mutex);
            done = w.done;
            pthread_mutex_unlock(&w.mutex);
        }
        error = NULL;
        assert_true(b.poll(b.env, NULL, id, true, UINT64_MAX, &status, &at, &len, &error));
    }
    assert_int_equal(status, 0);
    b.drop(b.env, id);
    http_outbound_free(o);
    server_end(&s);
}

/* ---- Addresses ---- */

static bool is_public(const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct sockaddr_in6 b = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &a.sin_addr) == 1) return address_is_public((struct sockaddr *)&a);
    assert_int_equal(inet_pton(AF_INET6, text, &b.sin6_addr), 1);
    return address_is_public((struct sockaddr *)&b);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "1.1.1.1",     "9.255.255.255",   "11.0.0.0",      "172.15.255.255",  "172.32.0.0",
        "192.167.1.1", "100.63.255.255",  "100.128.0.0",   "223.255.255.255", "2606:4700::1111",
        "2a00::1",     "2002:808:808::1", "::ffff:8.8.8.8"};
    static const char *const bad[] = {
        "0.0.0.0",     "10.1.2.3",        "127.0.0.1",      "127.9.9.9",   "169.254.169.254",
        "172.16.0.1",  "172.31.255.255",  "192.168.0.1",    "100.64.0.1",  "198.18.0.1",
        "224.0.0.1",   "255.255.255.255", "192.0.2.1",      "::",          "::1",
        "fe80::1",     "fc00::1",         "fd12::1",        "ff02::1",     "::ffff:127.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "2001:db8::1", "2001::1",
        "fec0::1",     "3fff::1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_public(good[i])) fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_public(bad[i])) fail_msg("%s", bad[i]);
}

/* A name that leads into the host's own network; every system knows its own name, and where it
 * leads. */
static void names_do_not_lead_inside(void **state)
{
    (void)state;
    char host[256];
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    if (gethostname(host, sizeof host) != 0 || !strpbrk(host, "abcdefghijklmnopqrstuvwxyz")) skip();
    server_start(&s);
    open_outbound(NULL, &o, &b);
    const int status = ask(&b, &s, "GET", host, "/hello", "\r\n").status;
    assert_true(status == FNVM_SERVICE_DENIED || status == FNVM_SERVICE_UNAVAILABLE);
    http_outbound_free(o);
    server_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers), cmocka_unit_test(bounds),
        cmocka_unit_test(who_waits_is_told), cmocka_unit_test(addresses),
        cmocka_unit_test(names_do_not_lead_inside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
