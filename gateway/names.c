/* Each lookup has a channel of c-ares' of its own, and so reads the system's files anew and ends
 * with all that it has open.  The channel calls back once, from within lookup_start, lookup_run or
 * lookup_free; what it found is copied then. */
#include "gateway/names.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRY_MS = 1500, TRIES = 3 };

struct Lookup {
    ares_channel channel;
    bool ended;
    size_t n;
    struct sockaddr_storage at[LOOKUP_ADDRESSES];
};

bool names_begin(void) { return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS; }
void names_end(void) { ares_library_cleanup(); }

static void on_answer(void *env, int status, int timeouts, struct ares_addrinfo *found)
{
    Lookup *l = env;
    (void)timeouts;
    l->ended = true;
    const struct ares_addrinfo_node *node =
        status == ARES_SUCCESS && found ? found->nodes : NULL;
    for (; node && l->n < LOOKUP_ADDRESSES; node = node->ai_next)
        if ((node->ai_family == AF_INET || node->ai_family == AF_INET6) &&
            node->ai_addrlen <= sizeof *l->at)
            memcpy(&l->at[l->n++], node->ai_addr, node->ai_addrlen);
    if (found) ares_freeaddrinfo(found);
}

Lookup *lookup_start(const char *host)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};
    struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
    Lookup *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    if (ares_init_options(&l->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
        ARES_SUCCESS) {
        free(l);
        return NULL;
    }
    ares_getaddrinfo(l->channel, host, NULL, &hints, on_answer, l);
    return l;
}

void lookup_free(Lookup *l)
{
    if (!l) return;
    ares_destroy(l->channel);
    free(l);
}

size_t lookup_sockets(Lookup *l, struct curl_waitfd *out)
{
    ares_socket_t sockets[LOOKUP_SOCKETS];
    const unsigned bits = (unsigned)ares_getsock(l->channel, sockets, LOOKUP_SOCKETS);
    size_t n = 0;
    for (unsigned i = 0; i < LOOKUP_SOCKETS && i < ARES_GETSOCK_MAXNUM; i++) {
        /* As ares.h has it, whose macro shifts a signed number into its sign. */
        const unsigned reads = bits >> i & 1, writes = bits >> (i + ARES_GETSOCK_MAXNUM) & 1;
        if (!reads && !writes) continue;
        const int events = (reads ? CURL_WAIT_POLLIN : 0) | (writes ? CURL_WAIT_POLLOUT : 0);
        out[n++] = (struct curl_waitfd){.fd = sockets[i], .events = (short)events};
    }
    return n;
}

int lookup_timeout_ms(Lookup *l, int most)
{
    struct timeval t;
    if (!ares_timeout(l->channel, NULL, &t) || t.tv_sec >= most / 1000 + 1) return most;
    const int ms = (int)t.tv_sec * 1000 + (int)(t.tv_usec / 1000) + 1;
    return ms < most ? ms : most;
}

void lookup_run(Lookup *l, const struct curl_waitfd *sockets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const short came = sockets[i].revents;
        if (!came) continue;
        const bool writes = (came & CURL_WAIT_POLLOUT) != 0;
        ares_process_fd(l->channel, came & ~CURL_WAIT_POLLOUT ? sockets[i].fd : ARES_SOCKET_BAD,
                        writes ? sockets[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool lookup_wait(Lookup *l, int most_ms)
{
    const int64_t until = now_ms() + most_ms;
    int64_t left = most_ms;
    for (; !l->ended && left > 0; left = until - now_ms()) {
        struct curl_waitfd sockets[LOOKUP_SOCKETS];
        struct pollfd fds[LOOKUP_SOCKETS];
        const size_t n = lookup_sockets(l, sockets);
        for (size_t i = 0; i < n; i++) {
            const int in = sockets[i].events & CURL_WAIT_POLLIN ? POLLIN : 0;
            const int out = sockets[i].events & CURL_WAIT_POLLOUT ? POLLOUT : 0;
            fds[i] = (struct pollfd){.fd = sockets[i].fd, .events = (short)(in | out)};
        }
        poll(fds, n, lookup_timeout_ms(l, (int)left));
        for (size_t i = 0; i < n; i++)
            sockets[i].revents =
                (short)((fds[i].revents & ~POLLOUT ? CURL_WAIT_POLLIN : 0) |
                        (fds[i].revents & POLLOUT ? CURL_WAIT_POLLOUT : 0));
        lookup_run(l, sockets, n);
    }
    return l->ended;
}

bool lookup_ended(const Lookup *l) { return l->ended; }
size_t lookup_count(const Lookup *l) { return l->n; }

const struct sockaddr *lookup_address(const Lookup *l, size_t i)
{
    return (const struct sockaddr *)(const void *)&l->at[i];
}

static const void *bytes_of(const struct sockaddr *a)
{
    const void *at = a;
    return a->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)at)->sin_addr
                                   : (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;
}

char *lookup_print(const Lookup *l, const char *host, unsigned port)
{
    const size_t room = strlen(host) + 16 + l->n * (INET6_ADDRSTRLEN + 3);
    char *text = malloc(room), address[INET6_ADDRSTRLEN];
    if (!text) return NULL;
    size_t at = (size_t)snprintf(text, room, "+%s:%u:", host, port);
    for (size_t i = 0; i < l->n; i++) {
        const struct sockaddr *a = lookup_address(l, i);
        const bool long_one = a->sa_family == AF_INET6;
        inet_ntop(a->sa_family, bytes_of(a), address, sizeof address);
        at += (size_t)snprintf(text + at, room - at, long_one ? "%s[%s]" : "%s%s", i ? "," : "",
                               address);
    }
    return text;
}
