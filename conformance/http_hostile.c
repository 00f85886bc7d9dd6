/* Clients that are malformed, slow, greedy, impatient or many, against a server.
 *
 *   http_hostile SERVER [ARGUMENT...]   starts it; its first line of output is its port, and it serves
 *                                       what conformance/http_echo.c describes
 *   http_hostile --url HOST:PORT [IDLE PID...]
 *                                       one that runs: only what does not depend on that; then IDLE
 *                                       connections, with what they take in its processes
 *
 * Afterwards the server must still answer, have the memory it had, and know every request's end. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/http/client.h"

enum { WAIT_MS = 60000, BUFFER = 1 << 22, IDLE_CONNECTIONS = 10000 };

static Target target;
static pid_t server; /* 0: not ours */
static char **server_argv;
static unsigned passed, failed, skipped;
static char *buffer; /* BUFFER bytes */

static const char good[] = "GET /counts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static bool check(bool ok, const char *name, const char *format, ...)
{
    if (ok) {
        passed++;
        return true;
    }
    failed++;
    printf("FAILED: %s: ", name);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return false;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(int ms) { poll(NULL, 0, ms); }

/* ---- The table ---- */

typedef enum Way { AT_ONCE, IN_TWO, BYTE_BY_BYTE, WAYS } Way;
static const char *const ways[] = {"at once", "in two", "byte by byte"};

static bool send_in(int fd, const char *bytes, size_t len, Way way)
{
    if (way == AT_ONCE) return client_send(fd, bytes, len);
    if (way == IN_TWO) {
        bool sent = client_send(fd, bytes, len / 2);
        nap(2);
        return client_send(fd, bytes + len / 2, len - len / 2) && sent;
    }
    for (size_t i = 0; i < len; i++)
        if (!client_send(fd, bytes + i, 1)) return false;
    return true;
}

static void run_case(const Case *c, Way way)
{
    char name[128];
    Answer first, second;
    bool ended;
    snprintf(name, sizeof name, "%s, %s", c->name, ways[way]);
    int fd = client_open(&target);
    if (!check(fd >= 0, name, "no connection")) return;
    char all[4096];
    memcpy(all, c->bytes, c->len);
    memcpy(all + c->len, good, sizeof good - 1);
    send_in(fd, all, c->len + sizeof good - 1, way);
    size_t len = client_read(fd, buffer, BUFFER - 1, WAIT_MS, &ended);
    close(fd);
    buffer[len] = '\0';
    size_t used = client_answer(buffer, len, false, &first);
    bool silent = c->status == 400 && len == 0;
    bool status = server || c->status != 200 ? first.status == c->status : first.status > 0;
    if (!check(ended && (silent || (used > 0 && status)), name, "%u, expected %u%s: %.200s",
               first.status, c->status, ended ? "" : ", and the connection stays", buffer))
        return;
    if (c->says && server && !memmem(first.body, first.body_len, c->says, strlen(c->says)))
        check(false, name, "'%s' is not in '%.*s'", c->says, (int)first.body_len, first.body);
    size_t more = client_answer(buffer + used, len - used, false, &second);
    if (c->closes)
        check(more == 0 && (used == len || c->spills), name, "an answer behind the last: %.200s",
              buffer + used);
    else if (!server && first.says_close) skipped++;
    else
        check(more == len - used && (second.status == 200 || !server), name, "then %u: %.200s",
              second.status, buffer + used);
}

/* ---- Asking ---- */

/* One request on a connection of its own; 0: no answer. */
static unsigned ask(const char *request, size_t len, Answer *a)
{
    bool ended;
    *a = (Answer){0};
    bool head = memcmp(request, "HEAD", 4) == 0;
    int fd = client_open(&target);
    if (fd < 0) return 0;
    pid_t sender = len > 65536 ? fork() : -1; /* the answer may come before all of it was taken */
    if (sender <= 0) {
        client_send(fd, request, len);
        shutdown(fd, SHUT_WR);
    }
    if (sender == 0) _exit(0);
    size_t got = client_read(fd, buffer, BUFFER - 1, WAIT_MS, &ended);
    close(fd);
    if (sender > 0) waitpid(sender, NULL, 0);
    buffer[got] = '\0';
    size_t at = 0;
    for (;;) {
        size_t used = client_answer(buffer + at, got - at, head, a);
        if (used == 0) return 0;
        at += used;
        if (a->status >= 200) break; /* a half closed connection is asked by 100 */
    }
    if (at != got) a->complete = false;
    return a->status;
}

static unsigned get(const char *path, Answer *a)
{
    char request[256];
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    return ask(request, (size_t)len, a);
}

static bool alive(void)
{
    Answer a;
    return get("/", &a) >= 200;
}

typedef struct Counts {
    unsigned long arrived, gone, cut, connections;
} Counts;

static Counts counts(void)
{
    Answer a;
    Counts c = {0};
    if (get("/counts", &a) == 200)
        sscanf(a.body, "arrived %lu gone %lu cut %lu connections %lu", &c.arrived, &c.gone, &c.cut,
               &c.connections);
    return c;
}

/* Until one more request has arrived since those; each look is one, too. */
static bool wait_for_arrival(const Counts *start)
{
    double end = now() + WAIT_MS / 1000;
    for (unsigned long looks = 1; counts().arrived < start->arrived + looks + 1; looks++)
        if (now() > end) return false;
        else nap(5);
    return true;
}

/* Until so many were cut: they are noticed when their system says so, not when they happen. */
static bool wait_for_cut(unsigned long n)
{
    double end = now() + WAIT_MS / 1000;
    while (counts().cut < n)
        if (now() > end) return false;
        else nap(10);
    return true;
}

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) sscanf(line, "VmRSS: %ld", &kib);
    fclose(f);
    return kib;
}

/* One answer, whole and without chunks, on a connection that may stay. */
static bool read_answer(int fd, Answer *a)
{
    size_t len = 0;
    bool ended = false;
    *a = (Answer){0};
    for (double end = now() + WAIT_MS / 1000; !ended && !a->complete && now() < end;) {
        len += client_read(fd, buffer + len, BUFFER - 1 - len, 20, &ended);
        client_answer(buffer, len, false, a);
    }
    return a->complete;
}

/* ---- Slow ones.  The echo server (-s) gives a head a second, a piece of a body too, and two between requests. ---- */

static void trickle(const char *name, const char *start, const char *piece, unsigned expected)
{
    bool ended = false;
    double begin = now();
    Answer a;
    int fd = client_open(&target);
    if (!check(fd >= 0, name, "no connection")) return;
    client_send(fd, start, strlen(start));
    size_t len = 0;
    while (!ended && now() - begin < 30) {
        if (piece) client_send(fd, piece, strlen(piece));
        len += client_read(fd, buffer + len, BUFFER - 1 - len, 100, &ended);
    }
    close(fd);
    size_t used = client_answer(buffer, len, false, &a);
    check(ended && (expected ? used > 0 && a.status == expected : len == 0), name,
          "%u, expected %u, %s", a.status, expected, ended ? "closed" : "still open");
}

static void slow_ones(void)
{
    trickle("nothing is sent", "", NULL, 0);
    trickle("a request line, byte by byte", "GET /", "a", 408);
    trickle("a head, byte by byte", "GET / HTTP/1.1\r\nHost: a\r\nA: ", "b", 408);
    trickle("a head that stops", "GET / HTTP/1.1\r\nHost:", NULL, 408);
    trickle("empty lines", "\r\n", "\r\n", 408);
    trickle("a body that stops", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
            NULL, 408);
    trickle("chunks that stop",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", NULL,
            408);
    trickle("a second head that stops", "GET /status?204 HTTP/1.1\r\nHost: a\r\n\r\nGET /", NULL,
            204);
    trickle("no second request", "GET /status?204 HTTP/1.1\r\nHost: a\r\n\r\n", NULL, 204);
    Answer a;
    get("/late?1500", &a);
    check(a.status == 200, "an answer that takes longer than all of these", "%u", a.status);
}

/* How much is taken before that is the system's affair: its buffers grow to tens of megabytes. */
static bool asks_until_cut(int fd, double seconds)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const size_t len = sizeof request - 1;
    size_t at = 0; /* of the request that was sent in part */
    for (double end = now() + seconds; now() < end;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 100) <= 0) continue;
        ssize_t n = send(fd, request + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) return errno == EPIPE || errno == ECONNRESET;
        if (n > 0) at = (at + (size_t)n) % len;
    }
    return false;
}

/* A client that asks for much and reads nothing is cut off, and so is one that never ends asking. */
static void greedy_ones(void)
{
    long before = resident_kib(server);
    Counts start = counts();
    int fd = client_open(&target);
    client_send(fd, "GET /chunks?900000000 HTTP/1.1\r\nHost: a\r\n\r\n", 44);
    check(wait_for_cut(start.cut + 1), "an answer that nobody reads", "goes on");
    close(fd);
    fd = client_open(&target);
    check(asks_until_cut(fd, 120), "requests without end, and no answer read", "goes on");
    close(fd);
    /* Of the 900 MB that were asked for. */
    check(resident_kib(server) - before < 65536, "their memory", "%ld KiB more",
          resident_kib(server) - before);
    check(alive(), "then", "no answer");
}

/* ---- Those that go away ---- */

static void send_and_leave(const char *request, bool reset, const Counts *before)
{
    int fd = client_open(&target);
    struct linger now_ = {1, 0};
    client_send(fd, request, strlen(request));
    wait_for_arrival(before);
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now_, sizeof now_);
    close(fd);
}

static void impatient_ones(void)
{
    static const struct {
        const char *name, *request;
    } all[] = {
        {"while their request waits", "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"within a body", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"},
        {"within chunks",
         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab"},
        {"within a body that is slowly read",
         "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"},
        {"within an answer", "GET /chunks?900000000 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"within an answer while they send",
         "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int reset = 0; reset < 2; reset++) {
            const Counts before = counts();
            char name[128];
            snprintf(name, sizeof name, "clients that %s %s", reset ? "reset" : "close",
                     all[i].name);
            send_and_leave(all[i].request, reset, &before);
            check(wait_for_cut(before.cut + 1), name, "not noticed");
        }
    Answer a;
    get("/late?200", &a);
    check(a.status == 200, "half closed, and still reading", "%u", a.status);
}

/* ---- Answers ---- */

static void answers(void)
{
    Answer a;
    get("/chunks?1000000", &a);
    check(a.status == 200 && a.says_chunked && a.complete && a.body_len == 1000000, "chunks",
          "%u %zu", a.status, a.body_len);
    get("/sized?1000000", &a);
    check(a.status == 200 && a.says_length && a.complete && a.body_len == 1000000, "a length",
          "%u %zu", a.status, a.body_len);
    get("/short", &a);
    check(a.status == 200 && !a.complete, "an answer shorter than announced", "looks complete");
    get("/abort", &a);
    check(a.status == 200 && !a.complete, "an answer broken off", "looks complete");
    get("/split", &a);
    check(a.status == 200 && a.body_len == 8, "CR LF in a field of an answer", "sent");
    get("/status?204", &a);
    check(a.status == 204 && a.complete && !a.says_length && !a.says_chunked, "204", "%u",
          a.status);
    get("/status?304", &a);
    check(a.status == 304 && a.complete, "304", "%u", a.status);
    static const char *const heads[] = {"/sized?1000", "/chunks?1000", "/", "/sized?100000"};
    for (size_t i = 0; i < 4; i++) {
        char request[128];
        int len =
            snprintf(request, sizeof request,
                     "HEAD %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", heads[i]);
        ask(request, (size_t)len, &a);
        check(a.status == 200 && a.complete, "HEAD has no body", "%s has", heads[i]);
    }
    static const char old[] = "GET /chunks?1000 HTTP/1.0\r\n\r\n";
    ask(old, sizeof old - 1, &a);
    check(a.status == 200 && !a.says_chunked, "no chunks in HTTP/1.0", "%u", a.status);
}

/* ---- Bodies ---- */

/* POSTs `len` bytes; the answer is as long. */
static void post(const char *name, const char *path, size_t len, bool chunked, unsigned expected)
{
    char *body = malloc(len + 1024);
    Answer a;
    if (!body) abort();
    int head =
        chunked
            ? sprintf(body,
                      "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                      path, len)
            : sprintf(
                  body,
                  "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                  path, len);
    size_t at = (size_t)head;
    for (size_t i = 0; i < len; i++) body[at + i] = (char)('a' + i % 23);
    at += len;
    if (chunked) at += (size_t)sprintf(body + at, "\r\n0\r\n\r\n");
    unsigned status = ask(body, at, &a);
    bool same = expected != 200 || strcmp(path, "/slow") == 0 ||
                (a.body_len == len && memcmp(a.body, body + head, len) == 0);
    check(status == expected && same, name, "%u, %zu of %zu bytes", status, a.body_len, len);
    free(body);
}

static void bodies(void)
{
    post("a body of 1 MB", "/echo", 1000000, false, 200);
    post("one chunk of 1 MB", "/echo", 1000000, true, 200);
    post("a body that is read slowly", "/slow", 300000, false, 200);
    post("chunks that are read slowly", "/slow", 300000, true, 200);
    post("a body that comes back while it is sent", "/stream", 1000000, false, 200);
    post("chunks that come back while they are sent", "/stream", 1000000, true, 200);
    post("a body above the limit", "/echo", 1100000, false, 413);
    post("chunks above the limit", "/echo", 1100000, true, 413);
    post("a body above the limit of its request", "/ten", 11, false, 413);
    post("chunks above the limit of their request", "/ten", 11, true, 413);
    post("a body that is not read", "/early", 500000, false, 403);
    post("chunks that are not read", "/early", 500000, true, 403);
    bool ended;
    int fd = client_open(&target);
    client_send(
        fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        73);
    size_t len = client_read(fd, buffer, 25, WAIT_MS, &ended);
    check(len == 25 && memcmp(buffer, "HTTP/1.1 100", 12) == 0, "100-continue", "%.*s", (int)len,
          buffer);
    client_send(fd, "ok", 2);
    Answer a;
    read_answer(fd, &a);
    check(a.status == 200 && a.body_len == 2, "and then", "%u", a.status);
    close(fd);
}

/* ---- Sizes ---- */

static void heads(void)
{
    char *head = malloc(1 << 20);
    Answer a;
    if (!head) abort();
    static const struct {
        const char *name;
        int target, nfields, field;
        unsigned status;
        const char *fill;
    } all[] = {
        {"a target of 7,000 bytes", 7000, 1, 10, 200, "a"},
        {"a target of 9,000 bytes", 9000, 1, 10, 431, "a"},
        {"a target of 100,000 bytes", 100000, 1, 10, 414, "a"},
        {"a query of 7,000 ampersands", 7000, 1, 10, 200, "&"},
        {"a field of 7,500 bytes", 10, 1, 7500, 200, "a"},
        {"a field of 9,000 bytes", 10, 1, 9000, 431, "a"},
        {"a field of 200,000 bytes", 10, 1, 200000, 431, "a"},
        {"99 fields", 10, 98, 10, 200, "a"},
        {"101 fields", 10, 101, 10, 431, "a"},
        {"5,000 fields", 10, 5000, 10, 431, "a"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int n = sprintf(head, "GET /?");
        for (int k = 0; k < all[i].target; k++) head[n++] = all[i].fill[0];
        n += sprintf(head + n, " HTTP/1.1\r\nHost: a\r\n");
        for (int f = 0; f < all[i].nfields; f++) {
            n += sprintf(head + n, "A: ");
            memset(head + n, 'b', (size_t)all[i].field);
            n += all[i].field;
            n += sprintf(head + n, "\r\n");
        }
        n += sprintf(head + n, "Connection: close\r\n\r\n");
        unsigned status = ask(head, (size_t)n, &a);
        bool ok = all[i].status == 0 ? status == 200 || status == 431 || status == 414
                                     : status == all[i].status;
        check(server ? ok : status > 0, all[i].name, "%u, expected %u", status, all[i].status);
    }
    int n = sprintf(head, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: ");
    for (int k = 0; k < 1500; k++) n += sprintf(head + n, "a=b; ");
    n += sprintf(head + n, "\r\n\r\n");
    unsigned status = ask(head, (size_t)n, &a);
    check(status == 200 || status == 431, "1,500 cookies", "%u", status);
    free(head);
    check(alive(), "after them", "no answer");
}

/* ---- Many ---- */

static void pipelined(void)
{
    enum { MANY = 1000 };
    char *all = malloc(MANY * 64);
    bool ended;
    Answer a;
    if (!all) abort();
    size_t n = 0, at = 0, right = 0;
    for (int i = 0; i < MANY; i++)
        n += (size_t)sprintf(all + n, "GET /%s HTTP/1.1\r\nHost: a\r\n%s\r\n", i % 3 ? "next" : "",
                             i == MANY - 1 ? "Connection: close\r\n" : "");
    int fd = client_open(&target);
    client_send(fd, all, n);
    size_t len = client_read(fd, buffer, BUFFER, WAIT_MS, &ended);
    close(fd);
    while (at < len) {
        size_t used = client_answer(buffer + at, len - at, false, &a);
        if (used == 0) break;
        right += a.complete && (a.status == 200 || !server);
        at += used;
    }
    check(ended && right == MANY, "1,000 requests at once", "%zu answers", right);
    free(all);
}

static pid_t start_server(char *const *argv)
{
    int out[2];
    char port[32] = {0};
    if (pipe(out)) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(out[1]);
    ssize_t n = read(out[0], port, sizeof port - 1);
    close(out[0]);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((uint16_t)atoi(port));
    memcpy(&target.address, &in, sizeof in);
    target.len = sizeof in;
    return n > 0 ? pid : -1;
}

static int end_server(pid_t pid, int signal)
{
    int status;
    kill(pid, signal);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Each has had a request, as the memory of one that had none was never touched. */
static long all_resident_kib(const pid_t *pids)
{
    long kib = 0;
    for (; *pids; pids++) kib += resident_kib(*pids);
    return kib;
}

/* Opens that many, and has each ask once; `pids` ends with 0. */
static void hold_idle(size_t want, const pid_t *pids)
{
    static int fds[IDLE_CONNECTIONS];
    size_t n = 0;
    bool ended;
    const long before = all_resident_kib(pids);
    for (; n < want; n++) {
        fds[n] = client_open(&target);
        if (fds[n] < 0 || !client_send(fds[n], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27)) break;
        if (client_read(fds[n], buffer, 12, WAIT_MS, &ended) < 12) break;
    }
    const long each = n > 0 ? (all_resident_kib(pids) - before) * 1024 / (long)n : 0;
    printf("%zu idle connections: %ld bytes resident each\n", n, each);
    check(n == want, "many idle connections", "%zu of %zu", n, want);
    check(each < 96 * 1024, "what one of them takes", "%ld bytes", each);
    check(alive(), "beside them", "no answer");
    for (size_t i = 0; i < n; i++) close(fds[i]);
}

/* How many connections can be opened. */
static size_t most_idle(size_t wanted)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const rlim_t most = files.rlim_max > 1000 ? files.rlim_max - 500 : 0;
    if (most >= 500) return most < wanted ? (size_t)most : wanted;
    skipped++;
    printf("skipped: many idle connections (the limit of files is %llu)\n",
           (unsigned long long)files.rlim_max);
    return 0;
}

static void many_idle(void)
{
    const size_t want = most_idle(IDLE_CONNECTIONS);
    if (!want) return;
    char number[16];
    char *argv[] = {server_argv[0], number, NULL};
    pid_t usual = server;
    Target usual_target = target;
    snprintf(number, sizeof number, "%zu", want + 100);
    server = start_server(argv);
    if (!check(server > 0, "a server for many", "did not start")) goto out;
    alive();
    hold_idle(want, (const pid_t[]){server, 0});
    check(end_server(server, SIGTERM) == 0, "the server for many", "did not end well");
out:
    server = usual;
    target = usual_target;
}

/* No new connections, the idle ones may ask once more, and then it ends. */
static void draining(void)
{
    static const char waits[] = "GET /drained HTTP/1.1\r\nHost: a\r\n\r\n";
    pid_t usual = server;
    Target usual_target = target;
    bool ended;
    Answer a;
    server = start_server(server_argv);
    if (!check(server > 0, "a server to drain", "did not start")) goto out;
    int idle = client_open(&target), busy = client_open(&target), one;
    client_send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    read_answer(idle, &a);
    check(a.status == 200 && !a.says_close, "before it drains", "close");
    const Counts before = counts();
    client_send(busy, waits, sizeof waits - 1);
    check(wait_for_arrival(&before), "one is at work", "none");
    kill(server, SIGUSR1);
    while ((one = client_open(&target)) >= 0) close(one); /* until it listens no more */
    client_send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    size_t len = client_read(idle, buffer, BUFFER, WAIT_MS, &ended);
    client_answer(buffer, len, false, &a);
    check(ended && a.status == 200 && a.says_close, "an idle one asks once more", "%u", a.status);
    len = client_read(busy, buffer, BUFFER, WAIT_MS, &ended);
    client_answer(buffer, len, false, &a);
    check(ended && a.status == 200 && a.says_close, "one that was at work", "%u", a.status);
    close(idle);
    close(busy);
    int status;
    check(waitpid(server, &status, 0) == server && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "it ends", "badly");
out:
    server = usual;
    target = usual_target;
}

/* What depends on limits of time, with a server whose limits are short. */
static void brief_server(void)
{
    char *argv[] = {server_argv[0], "-s", NULL};
    pid_t usual = server;
    Target usual_target = target;
    server = start_server(argv);
    if (!check(server > 0, "a server that does not wait for long", "did not start")) goto out;
    slow_ones();
    greedy_ones();
    check(end_server(server, SIGTERM) == 0, "the server that does not wait", "did not end well");
out:
    server = usual;
    target = usual_target;
}

static bool resolve(char *url)
{
    char *colon = strrchr(url, ':');
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    if (!colon) return false;
    *colon = '\0';
    if (getaddrinfo(url, colon + 1, &hints, &found)) return false;
    memcpy(&target.address, found->ai_addr, found->ai_addrlen);
    target.len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

int main(int argc, char **argv)
{
    buffer = malloc(BUFFER);
    if (argc < 2 || !buffer) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool url = strcmp(argv[1], "--url") == 0;
    if (url && (argc < 3 || !resolve(argv[2]))) {
        fprintf(stderr, "http_hostile: --url HOST:PORT [IDLE PID...]\n");
        return 2;
    }
    server_argv = argv + 1;
    if (!url && (server = start_server(server_argv)) < 0) return 2;
    for (size_t i = 0; i < http_ncases; i++)
        for (Way way = AT_ONCE; way < WAYS; way++) run_case(&http_cases[i], way);
    heads();
    pipelined();
    if (server) {
        answers();
        bodies();
        impatient_ones();
        brief_server();
        many_idle();
        draining();
        check(end_server(server, SIGTERM) == 0, "the server", "did not end well, or lost requests");
    }
    if (url && argc > 3) {
        const unsigned long wanted = strtoul(argv[3], NULL, 10);
        const size_t want = most_idle(wanted < IDLE_CONNECTIONS ? wanted : IDLE_CONNECTIONS);
        pid_t *pids = calloc((size_t)argc, sizeof *pids);
        if (!pids) abort();
        for (int i = 4; i < argc; i++) pids[i - 4] = atoi(argv[i]);
        if (want) hold_idle(want, pids);
        free(pids);
    }
    check(url ? alive() : true, "at the end", "no answer");
    free(buffer);
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed > 0;
}
