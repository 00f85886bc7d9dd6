/* No request finds anything of another: many keep-alive connections send each a secret to functions
 * that search everything they can read, fill it with the secret and answer what they had found
 * (gateway_guests/isolation_body.wat).  One thread; a connection has one request under way.
 *
 *   isolation [--requests N] [--connections N] ADDRESS PATH...
 *
 * ADDRESS is HOST:PORT or unix:PATH.  Each of the paths is a function; they are asked in turn, so a
 * connection goes through all of them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 4096, OUT_BYTES = 1024, CONNECTIONS_MOST = 10000, SHOWN = 5, STALL_MS = 60000 };

typedef struct Connection {
    int fd; /* -1: closed */
    bool busy, retried;
    uint64_t secret;
    size_t in_len, out_len, out_sent;
    char in[IN_BYTES + 1], out[OUT_BYTES];
} Connection;

typedef struct World {
    struct sockaddr_storage address;
    socklen_t address_len;
    const char *host;
    char **paths;
    size_t npaths;
    int epoll;
    uint64_t seed, requests, begun, passed, found, mixed, failed, reconnects;
} World;

/* One-to-one, so no two requests have the same secret (SplitMix64's mixing). */
static uint64_t secret_of(const World *w, uint64_t n)
{
    uint64_t z = w->seed + n * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- Connections ---- */

static bool connect_to(World *w, Connection *c)
{
    const int on = 1;
    c->fd = socket(w->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return false;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (connect(c->fd, (struct sockaddr *)&w->address, w->address_len) != 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    if (w->address.ss_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

static void disconnect(Connection *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

/* A request is small: a socket that is empty takes it whole. */
static bool send_request(World *w, Connection *c)
{
    if (c->fd < 0 && !connect_to(w, c)) return false;
    c->in_len = 0;
    return send(c->fd, c->out, c->out_len, MSG_NOSIGNAL) == (ssize_t)c->out_len;
}

static void fail(World *w, Connection *c, const char *what)
{
    if (w->failed++ < SHOWN)
        printf("FAILED: %s: %s; there came: %.*s\n", strtok(c->out, "\r"), what, (int)c->in_len,
               c->in);
    disconnect(c);
    c->busy = false;
}

static void next_request(World *w, Connection *c)
{
    if (w->begun == w->requests) {
        c->busy = false;
        return;
    }
    const uint64_t n = w->begun++;
    c->secret = secret_of(w, n);
    c->busy = true;
    c->retried = false;
    c->out_len = (size_t)snprintf(
        c->out, sizeof c->out,
        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 24\r\n\r\nsEcReT8!%016" PRIx64,
        w->paths[n % w->npaths], w->host, c->secret);
    if (!send_request(w, c)) fail(w, c, "cannot send it");
}

/* ---- Answers ---- */

/* The value of a field in a head, NULL without it. */
static const char *field(const char *head, const char *end, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = strstr(head, "\r\n"); at && at < end; at = strstr(at + 2, "\r\n"))
        if (strncasecmp(at + 2, name, len) == 0 && at[2 + len] == ':') return at + 3 + len;
    return NULL;
}

/* Chunks to a body, in place; false: not all of it is there. */
static bool join_chunks(char *at, char **body_end)
{
    for (char *to = at;;) {
        char *end;
        if (!strstr(at, "\r\n")) return false;
        const size_t n = strtoul(at, &end, 16);
        at = strstr(end, "\r\n") + 2;
        if (strlen(at) < n + 2) return false;
        memmove(to, at, n);
        to += n;
        at += n + 2;
        if (n == 0) {
            *body_end = to;
            return true;
        }
    }
}

static bool complete(Connection *c, char **body, char **end)
{
    c->in[c->in_len] = '\0';
    char *head_end = strstr(c->in, "\r\n\r\n");
    if (!head_end) return false;
    *body = head_end + 4;
    const char *length = field(c->in, head_end, "Content-Length");
    if (length) {
        *end = *body + strtoul(length, NULL, 10);
        return *end <= c->in + c->in_len;
    }
    const char *coding = field(c->in, head_end, "Transfer-Encoding");
    char copy[IN_BYTES + 1];
    strcpy(copy, *body); /* looked at until it is whole */
    if (!coding || !join_chunks(copy, end)) return false;
    *end = *body + (*end - copy);
    memcpy(*body, copy, (size_t)(*end - *body));
    return true;
}

static void judge(World *w, Connection *c, const char *body, size_t len)
{
    unsigned hits;
    uint64_t secret;
    char text[64] = "";
    memcpy(text, body, len < sizeof text ? len : sizeof text - 1);
    if (strncmp(c->in, "HTTP/1.1 200", 12) != 0 || len != 38 ||
        sscanf(text, "hits=%x secret=%" SCNx64, &hits, &secret) != 2) {
        fail(w, c, "another answer than was expected");
        return;
    }
    if (secret != c->secret && w->mixed++ < SHOWN)
        printf("FAILED: the answer to another request: %s", text);
    if (hits != 0 && w->found++ < SHOWN)
        printf("FAILED: something of another request was found: %s", text);
    if (hits == 0 && secret == c->secret) w->passed++;
    if (field(c->in, body, "Connection") &&
        strncasecmp(field(c->in, body, "Connection"), " close", 6) == 0)
        disconnect(c);
    next_request(w, c);
}

static void readable(World *w, Connection *c)
{
    const ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) {
        char *body, *end;
        c->in_len += (size_t)n;
        if (complete(c, &body, &end)) judge(w, c, body, (size_t)(end - body));
        else if (c->in_len == IN_BYTES) fail(w, c, "too long an answer");
        return;
    }
    disconnect(c);
    /* A server may close a connection that it thinks idle just when it is used: once more, then. */
    if (c->busy && c->in_len == 0 && !c->retried) {
        c->retried = true;
        w->reconnects++;
        if (send_request(w, c)) return;
    }
    if (c->busy) fail(w, c, "the connection was closed");
}

static void serve(World *w, Connection *all, size_t n)
{
    struct epoll_event events[256];
    for (size_t i = 0; i < n; i++) next_request(w, &all[i]);
    for (;;) {
        size_t busy = 0;
        for (size_t i = 0; i < n; i++) {
            if (!all[i].busy) next_request(w, &all[i]); /* one that failed goes on */
            busy += all[i].busy;
        }
        if (busy == 0) return;
        const int ready = epoll_wait(w->epoll, events, 256, STALL_MS);
        if (ready == 0) break;
        for (int i = 0; i < ready; i++) readable(w, events[i].data.ptr);
        if (w->failed > 1000) break; /* there is no server, or not this one */
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].busy) fail(w, &all[i], "no answer within a minute");
    w->failed += w->requests - w->begun;
}

/* ---- Where to ---- */

static bool resolve(World *w, const char *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&w->address;
    if (strncmp(address, "unix:", 5) == 0 && strlen(address + 5) < sizeof local->sun_path) {
        local->sun_family = AF_UNIX;
        strcpy(local->sun_path, address + 5);
        w->address_len = sizeof *local;
        w->host = "localhost";
        return true;
    }
    const char *colon = strrchr(address, ':');
    if (!colon) return false;
    char host[256] = "";
    const bool bracketed = address[0] == '[' && colon > address + 1;
    snprintf(host, sizeof host, "%.*s", (int)(colon - address - 2 * bracketed),
             address + bracketed);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) return false;
    memcpy(&w->address, found->ai_addr, found->ai_addrlen);
    w->address_len = found->ai_addrlen;
    w->host = address;
    freeaddrinfo(found);
    return true;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    World w = {.requests = 20000};
    size_t connections = 64;
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const unsigned long n = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--requests") == 0) w.requests = n;
        else if (strcmp(argv[i], "--connections") == 0 && n > 0 && n <= CONNECTIONS_MOST)
            connections = n;
        else break;
    }
    if (argc - i < 2 || !resolve(&w, argv[i])) {
        fputs("usage: isolation [--requests N] [--connections N] HOST:PORT|unix:PATH PATH...\n",
              stderr);
        return 2;
    }
    w.paths = argv + i + 1;
    w.npaths = (size_t)(argc - i - 1);
    Connection *all = calloc(connections, sizeof *all);
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!all || w.epoll < 0 || getrandom(&w.seed, sizeof w.seed, 0) != sizeof w.seed) return 2;
    for (size_t n = 0; n < connections; n++) all[n].fd = -1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const double from = now();
    serve(&w, all, connections);
    const double seconds = now() - from;
    for (size_t n = 0; n < connections; n++) disconnect(&all[n]);
    free(all);
    printf("%" PRIu64 " requests, %zu functions, %zu connections: %.1f s, %.0f requests/s, %" PRIu64
           " reconnected\n",
           w.begun, w.npaths, connections, seconds, (double)w.begun / seconds, w.reconnects);
    printf("%" PRIu64 " found something of another, %" PRIu64 " got another's answer\n", w.found,
           w.mixed);
    printf("%" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", w.passed, w.requests - w.passed);
    return w.passed != w.requests;
}
