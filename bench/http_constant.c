/* The floor of the gateway's figures: libmicrohttpd, driven as gateway/http.c drives it, answering
 * a constant with no function at all.  `http_constant [port]` listens on 127.0.0.1, on a port of
 * the system's choice if none is given, prints it, and serves until SIGTERM.
 *
 * `--layer` answers the same through gateway/http.h, at once; `--later` between two turns, as a
 * worker that runs a guest does: what they take more is that layer's. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "gateway/http.h"

enum {
    POOL = 8192 * 3 / 2 + 15360,
    BATCH = 4096
}; /* as gateway/http.c has it for heads of 8 KiB */
static const char body[] = "Hello, World!\n";
static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal, ended = 1; }

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **context)
{
    (void)url, (void)method, (void)version, (void)data, (void)size;
    if (!*context) { /* the head is there, but perhaps not the body */
        *context = cls;
        return MHD_YES;
    }
    *size = 0;
    return MHD_queue_response(connection, 200, cls);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(port));
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        perror("http_constant");
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int bare(int listener)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof body - 1, (void *)body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "text/plain");
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, response,
                         MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, 10000U,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_END);
    if (!daemon) return 1;
    int inner = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int outer = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
    while (!ended) {
        MHD_run(daemon);
        MHD_UNSIGNED_LONG_LONG timeout;
        epoll_wait(outer, &event, 1,
                   MHD_get_timeout(daemon, &timeout) == MHD_YES ? (int)timeout : -1);
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}

static const HttpField fields[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
static HttpRequest *waiting[BATCH];
static size_t nwaiting;

static void answer_now(void *env, HttpRequest *req)
{
    (void)env;
    http_answer(req, 200, fields, 1, body, sizeof body - 1);
}

static void answer_later(void *env, HttpRequest *req)
{
    if (nwaiting == BATCH) answer_now(env, req);
    else waiting[nwaiting++] = req;
}

static void never_ready(void *env, HttpRequest *req) { (void)env, (void)req; }

static void gone(void *env, HttpRequest *req, bool cut)
{
    (void)env, (void)cut;
    for (size_t i = 0; i < nwaiting; i++)
        if (waiting[i] == req) waiting[i] = waiting[--nwaiting];
}

static int layer(int listener, bool later)
{
    HttpLimits limits = {.connections = 10000,
                         .head_bytes = 8192,
                         .body_bytes = 1 << 20,
                         .buffer_bytes = 65536,
                         .head_ms = 10000,
                         .body_ms = 30000,
                         .idle_ms = 60000};
    HttpHandlers handlers = {
        .arrived = later ? answer_later : answer_now, .ready = never_ready, .gone = gone};
    Http *http;
    fnvm_error *error = http_new(listener, &limits, &handlers, &http);
    if (error) {
        fprintf(stderr, "http_constant: %s\n", fnvm_error_message(error));
        fnvm_error_free(error);
        return 1;
    }
    int outer = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, http_fd(http), &event);
    while (!ended) {
        http_run(http);
        size_t n = nwaiting;
        nwaiting = 0;
        for (size_t i = 0; i < n; i++) answer_now(NULL, waiting[i]);
        epoll_wait(outer, &event, 1, http_timeout_ms(http));
    }
    http_free(http);
    return 0;
}

int main(int argc, char **argv)
{
    bool is_layer = argc > 1 && strcmp(argv[1], "--layer") == 0;
    bool later = argc > 1 && strcmp(argv[1], "--later") == 0;
    int first = is_layer || later ? 2 : 1;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int listener = listen_on(argc > first ? argv[first] : "0");
    return is_layer || later ? layer(listener, later) : bare(listener);
}
