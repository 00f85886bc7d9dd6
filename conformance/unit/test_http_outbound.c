/* Guests' requests through libcurl, against a server on loopback, and which addresses are
 * public. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/own_network.h"
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

static void server_start_at(Server *s, in_addr_t address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    socklen_t len = sizeof a;
    memset(s, 0, sizeof *s);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_start(Server *s) { server_start_at(s, INADDR_LOOPBACK); }

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
    HttpSender *sender; /* freed with it */
    assert_null(http_sender_new(*o, &sender));
    http_sender_backend(sender, b);
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
    open_outbound(&(HttpOutboundOptions){.open = 1, .total_ms = 300}, &o, &b);
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

/* ---- Shares ---- */

static HttpSender *sender_of(HttpOutbound *o, fnvm_task_backend *b)
{
    HttpSender *s;
    assert_null(http_sender_new(o, &s));
    http_sender_backend(s, b);
    return s;
}

/* However many have as many requests as they may, none of which ends, another is served. */
static void shares(void **state)
{
    (void)state;
    enum { GREEDY = 12, EACH = 256 };
    Server never, s;
    HttpOutbound *o;
    fnvm_task_backend b, last;
    HttpSender *sender = NULL;
    int64_t ids[EACH];
    server_start(&never);
    server_start(&s);
    assert_null(http_outbound_new(NULL, &o));
    for (int i = 0; i < GREEDY; i++) {
        sender = sender_of(o, &b);
        for (int k = 0; k < EACH; k++) {
            ids[k] = begin(&b, &never, "GET", "127.0.0.1", "/never", "\r\n");
            assert_true(ids[k] > 0);
        }
        assert_int_equal(begin(&b, &never, "GET", "127.0.0.1", "/never", "\r\n"),
                         FNVM_SERVICE_LIMIT);
    }
    sender_of(o, &last);
    assert_int_equal(ask(&last, &s, "GET", "127.0.0.1", "/hello", "\r\n").status, 0);
    for (int k = 0; k < EACH; k++) b.drop(b.env, ids[k]); /* those that run and those that wait */
    assert_int_equal(ask(&b, &s, "GET", "127.0.0.1", "/hello", "\r\n").status, 0);
    http_sender_free(sender);
    assert_int_equal(ask(&last, &s, "GET", "127.0.0.1", "/hello", "\r\n").status, 0);
    http_outbound_free(o);
    server_end(&s);
    server_end(&never);
}

/* One at a time: who waits is served when the one before has ended, and not too late. */
static void turns(void **state)
{
    (void)state;
    Server never, s;
    HttpOutbound *o;
    fnvm_task_backend a, b;
    int status;
    const void *at;
    size_t len;
    fnvm_error *error = NULL;
    const HttpOutboundOptions options = {.concurrent = 1};
    server_start(&never);
    server_start(&s);
    open_outbound(&options, &o, &a);
    sender_of(o, &b);
    const int64_t first = begin(&a, &never, "GET", "127.0.0.1", "/never", "\r\n");
    const int64_t second = begin(&b, &s, "GET", "127.0.0.1", "/hello", "\r\n");
    assert_false(b.poll(b.env, NULL, second, true, 1, &status, &at, &len, &error));
    a.drop(a.env, first);
    assert_true(b.poll(b.env, NULL, second, true, in_seconds(30), &status, &at, &len, &error));
    assert_int_equal(status, 0);
    http_outbound_free(o);

    const HttpOutboundOptions short_ones = {.concurrent = 1, .total_ms = 200};
    open_outbound(&short_ones, &o, &a);
    begin(&a, &never, "GET", "127.0.0.1", "/never", "\r\n");
    sender_of(o, &b);
    const int64_t late = begin(&b, &never, "GET", "127.0.0.1", "/never", "\r\n");
    assert_true(b.poll(b.env, NULL, late, true, in_seconds(30), &status, &at, &len, &error));
    assert_int_equal(status, FNVM_SERVICE_TIMEOUT);
    http_outbound_free(o);
    server_end(&s);
    server_end(&never);
}

/* Answers that are kept count until they are dropped. */
static void memory_is_shared(void **state)
{
    (void)state;
    Server s;
    HttpOutbound *o;
    fnvm_task_backend a, b;
    char body[5000];
    const HttpOutboundOptions options = {.held_bytes = 16384};
    memset(body, 'x', sizeof body);
    memcpy(body, "\r\n", 2);
    body[4500] = '\0';
    server_start(&s);
    open_outbound(&options, &o, &a);
    sender_of(o, &b);
    assert_int_equal(ask(&a, &s, "GET", "127.0.0.1", "/large", "\r\n").status, FNVM_SERVICE_LIMIT);
    const int64_t id = begin(&a, &s, "POST", "127.0.0.1", "/never", body);
    assert_true(id > 0);
    assert_int_equal(begin(&a, &s, "POST", "127.0.0.1", "/never", body), FNVM_SERVICE_LIMIT);
    const int64_t other = begin(&b, &s, "POST", "127.0.0.1", "/never", body);
    assert_true(other > 0);
    a.drop(a.env, id);
    b.drop(b.env, other);
    int64_t again;
    for (int i = 0; (again = begin(&a, &s, "POST", "127.0.0.1", "/never", body)) < 0; i++) {
        if (i == 30000) fail_msg("what was dropped still counts");
        usleep(1000);
    }
    http_outbound_free(o);
    server_end(&s);
}

/* ---- A network of our own, with a name server that is asked and says nothing ---- */

static void was_asked(int dns)
{
    struct pollfd p = {.fd = dns, .events = POLLIN};
    char question[512];
    assert_int_equal(poll(&p, 1, 30000), 1);
    assert_true(recv(dns, question, sizeof question, 0) > 0);
}

/* In a process of its own: cmocka's assertions end it with another status. */
static int in_own_network(void (*test)(int dns))
{
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int dns = own_network() ? name_server() : -1;
        if (dns < 0) _exit(NO_NETWORK);
        test(dns);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void in_network(void (*test)(int dns))
{
    const int status = in_own_network(test);
    if (status == NO_NETWORK) skip();
    assert_int_equal(status, 0);
}

static void hanging_lookup(int dns)
{
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    alarm(60); /* rather than that it waits for the resolver's three minutes */
    server_start(&s);
    open_outbound(NULL, &o, &b);
    const int64_t dropped = begin(&b, &s, "GET", "hangs.example.org", "/hello", "\r\n");
    assert_true(dropped > 0);
    was_asked(dns);
    b.drop(b.env, dropped);
    assert_int_equal(ask(&b, &s, "GET", "127.0.0.1", "/hello", "\r\n").status, 0);
    assert_true(begin(&b, &s, "GET", "hangs.example.org", "/hello", "\r\n") > 0);
    was_asked(dns);
    http_outbound_free(o); /* with one that hangs */
    server_end(&s);
}

/* Answers one question with these addresses: of IPv4, if that is what was asked for. */
static void answer_question(int dns, const uint32_t *addresses, uint8_t n)
{
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    uint8_t m[1024];
    const ssize_t got =
        recvfrom(dns, m, 512, 0, (struct sockaddr *)&from, &from_len);
    if (got < 17) return;
    size_t end = 12;
    while (end < (size_t)got && m[end]) end += m[end] + 1u;
    if (m[end + 2] != 1) n = 0; /* the type: not A */
    end += 5;
    memcpy(m + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
    m[7] = n;
    for (uint8_t i = 0; i < n; i++, end += 16) {
        const uint32_t address = htonl(addresses[i]);
        memcpy(m + end, "\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4", 12);
        memcpy(m + end + 12, &address, 4);
    }
    if (sendto(dns, m, end, 0, (struct sockaddr *)&from, from_len) < 0) abort();
}

typedef struct Names {
    int dns;
    const uint32_t *addresses;
    uint8_t n;
    atomic_bool stop;
} Names;

static void *answer_names(void *env)
{
    Names *n = env;
    while (!atomic_load(&n->stop)) {
        struct pollfd p = {.fd = n->dns, .events = POLLIN};
        if (poll(&p, 1, 20) > 0) answer_question(n->dns, n->addresses, n->n);
    }
    return NULL;
}

/* A request to a name that leads there. */
static int ask_name(const fnvm_task_backend *b, const Server *s, int dns, const uint32_t *addresses,
                    uint8_t n)
{
    Names names = {.dns = dns, .addresses = addresses, .n = n};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_names, &names), 0);
    const int status = ask(b, s, "GET", "name.example.org", "/hello", "\r\n").status;
    atomic_store(&names.stop, true);
    pthread_join(thread, NULL);
    return status;
}

enum { PUBLIC = 0x09090909, METADATA = 0xA9FEA9FE, PRIVATE = 0x0A000001 };

static void rebound_name(int dns)
{
    Server s;
    HttpOutbound *o;
    fnvm_task_backend b;
    struct ifreq more = {.ifr_name = "lo:1"};
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(PUBLIC)}};
    memcpy(&more.ifr_addr, &a, sizeof a);
    if (ioctl(dns, SIOCSIFADDR, &more) != 0) _exit(NO_NETWORK);
    server_start_at(&s, INADDR_ANY);
    open_outbound(NULL, &o, &b);
    assert_int_equal(ask_name(&b, &s, dns, (const uint32_t[]){PUBLIC}, 1), 0);
    assert_int_equal(ask_name(&b, &s, dns, NULL, 0), FNVM_SERVICE_UNAVAILABLE);
    static const uint32_t inside[] = {METADATA, INADDR_LOOPBACK, PRIVATE, INADDR_ANY};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        s.head[0] = '\0';
        assert_int_equal(ask_name(&b, &s, dns, &inside[i], 1), FNVM_SERVICE_DENIED);
        assert_int_equal(ask_name(&b, &s, dns, (const uint32_t[]){PUBLIC, inside[i]}, 2),
                         FNVM_SERVICE_DENIED);
        assert_string_equal(s.head, ""); /* nobody was asked */
    }
    assert_int_equal(ask_name(&b, &s, dns, (const uint32_t[]){PUBLIC}, 1), 0);
    http_outbound_free(o);
    server_end(&s);
}

static void names_that_are_rebound(void **state)
{
    (void)state;
    in_network(rebound_name);
}

static void lookups_that_hang(void **state)
{
    (void)state;
    in_network(hanging_lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers), cmocka_unit_test(bounds),
        cmocka_unit_test(who_waits_is_told), cmocka_unit_test(addresses),
        cmocka_unit_test(names_do_not_lead_inside),
        cmocka_unit_test(shares), cmocka_unit_test(turns),
        cmocka_unit_test(memory_is_shared), cmocka_unit_test(lookups_that_hang),
        cmocka_unit_test(names_that_are_rebound)};
    signal(SIGPIPE, SIG_IGN); /* of clients that have had enough */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
