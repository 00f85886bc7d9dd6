/* A status page to look at and to test: the numbers are made up, and so are the names, which are as
 * hostile as a guest's may be.  `status_server [--quiet]` prints its port and serves until its
 * input ends or SIGTERM; without --quiet the numbers go on changing. */
#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/calls.h"
#include "gateway/status.h"

static const struct {
    const char *name, *version, *protocol, *tenant;
    double ms; /* typical */
    unsigned per_turn;
} functions[] = {
    {"thumbnail", "1.4.2", "cgi", "acme", 3.1, 41},
    {"markdown", "2.0.0", "handler", "acme", 0.06, 260},
    {"orders/confirm", "0.9.1", "http", "shop", 0.9, 90},
    {"report-python", "3.12", "cgi", "default", 24, 3},
    {"<script>alert('name')</script>", "<img src=x onerror=alert(1)>", "cgi", "\"><b>tenant</b>",
     0.4, 12},
    {"never-called", "1.0.0", "handler", "default", 1, 0},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, WORKERS = 2 };

static double chance(void) { return (double)rand() / RAND_MAX; }

static void log_line(Metrics *m, uint32_t f, const char *id, const char *line)
{
    metrics_log(m, f % WORKERS, f, id, line, strlen(line));
}

static void one_error(Metrics *m, uint32_t f, const char *id)
{
    fnvm_error *error =
        fnvm_error_wrap(fnvm_error_trap_new(FNVM_TRAP_UNREACHABLE,
                                            "wasm trap: wasm `unreachable` instruction executed"),
                        "the function answered nothing <b>bold</b> \x1b[31m\xff");
    metrics_error(m, 0, f, id, error);
    fnvm_error_free(error);
}

static void one_request(Metrics *m, uint32_t f, unsigned turn)
{
    char id[CALL_ID_BYTES];
    const double r = chance();
    const StartKind kind = r < 0.004 || turn == 0 ? START_COLD
                           : r < 0.2              ? START_RESTORED
                                                  : START_REUSED;
    static const double start_us[START_KINDS] = {2300, 38, 4};
    const double spread = exp((chance() + chance() + chance() - 1.5) * 1.4);
    const double start_ns = start_us[kind] * 1000 * exp((chance() + chance() - 1) * 0.9);
    const double total_ns = start_ns + functions[f].ms * 1e6 * spread;
    MetricsRequest q = {.slot = f,
                        .start = kind,
                        .status = 200,
                        .start_ns = (uint64_t)start_ns,
                        .guest_ns = (uint64_t)(total_ns - start_ns),
                        .total_ns = (uint64_t)total_ns,
                        .bytes_in = 120,
                        .bytes_out = 900,
                        .memory_bytes = (1 + f) * 1310720};
    call_id_new(id);
    if (chance() < 0.01) {
        q.outcome = OUTCOME_TRAP;
        q.status = 500;
        one_error(m, f, id);
    } else if (chance() < 0.01)
        q = (MetricsRequest){.slot = f, .outcome = OUTCOME_SHED, .status = 429};
    metrics_count(m, f % WORKERS, &q);
    if (chance() < 0.02)
        log_line(m, f, id, "</pre><script>alert('log')</script> \x1b[2J one line of a guest's log");
}

static void turn_of(Metrics *m, unsigned turn)
{
    for (uint32_t f = 0; f < FUNCTIONS; f++) {
        const unsigned n = (unsigned)(functions[f].per_turn * (0.7 + 0.3 * sin(turn / 6.0 + f)));
        for (unsigned i = 0; i < n; i++) one_request(m, f, turn);
        metrics_ready(m, 0, f, functions[f].per_turn > 50 ? 4 : 1);
        if (n > 0 && turn % 3 == 0) metrics_enter(m, 0, f, 5);
        else metrics_leave(m, 0, f);
    }
}

static Metrics *made_up(void)
{
    Metrics *m = NULL;
    fnvm_error *error = metrics_new(&m);
    if (error) return NULL;
    for (uint32_t f = 0; f < FUNCTIONS; f++) {
        uint32_t slot, tenant;
        metrics_slot(m, functions[f].name, &slot);
        metrics_function(m, slot,
                         &(MetricsFunction){functions[f].version, functions[f].protocol,
                                            functions[f].tenant, 64, 128});
        metrics_tenant(m, functions[f].tenant, &tenant);
    }
    metrics_tenant_enter(m, 0, 1, 10, 3 << 20, UINT64_MAX);
    metrics_worker_born(m, 1, 1); /* and gone again: a restart */
    metrics_worker_gone(m, 1);
    for (unsigned i = 0; i < WORKERS; i++) metrics_worker_born(m, i, getpid());
    for (unsigned turn = 0; turn < 20; turn++) turn_of(m, turn);
    log_line(m, 4, NULL, "<img src=x onerror=alert('last line')>");
    one_error(m, 4, NULL);
    return m;
}

int main(int argc, char **argv)
{
    const bool quiet = argc == 2 && strcmp(argv[1], "--quiet") == 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int control[2];
    Metrics *m = made_up();
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!m || listener < 0 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
        listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return 1;
    const pid_t status = fork();
    if (status == 0) {
        close(control[0]);
        _exit(status_main(listener, m, control[1], NARROW_AUTO));
    }
    close(listener);
    close(control[1]);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    for (unsigned turn = 20;; turn++) {
        if (poll(&input, 1, 200) > 0 && read(0, &byte, 1) <= 0) break;
        if (!quiet) turn_of(m, turn);
    }
    close(control[0]); /* the status process ends with this */
    int ended = 1;
    waitpid(status, &ended, 0);
    metrics_free(m);
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 1;
}
