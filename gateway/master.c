/* One loop over everything that can happen: signals as a descriptor, the admin socket, what
 * workers say.  Nothing in it waits, so the master answers while others install, open images or
 * drain. */
#include "gateway/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/errors.h"
#include "gateway/listen.h"
#include "gateway/master_state.h"
#include "gateway/tunables.h"

#define MS UINT64_C(1000000)
enum { FOLLOW_MS = 200, SWEEP_MS = 10000 };

uint64_t master_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

void master_say(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("fnvm serve: ", stderr);
    print_escaped(stderr, text, strlen(text));
    fputc('\n', stderr);
}

/* ---- Signals ---- */

static const int waited_for[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};

static fnvm_error *take_signals(Master *m)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof waited_for / sizeof *waited_for; i++)
        sigaddset(&set, waited_for[i]);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0 &&
        (m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) >= 0)
        return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot wait for signals: %s", strerrordesc_np(errno));
}

static void reap(Master *m)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (!workers_gone(m, pid, status) && !changes_gone(m, pid, status)) notes_gone(m, pid);
}

/* While it is open. */
static void remove_socket(const char *url, ListenFile *file)
{
    if (url && strncmp(url, "unix:", 5) == 0) listen_remove(url + 5, file);
}

/* The socket's file goes at once: clients see that nobody is there, and another gateway can be. */
static void begin_end(Master *m)
{
    m->ending = true;
    if (m->end_ns) return;
    notify_system("STOPPING=1");
    m->end_ns = workers_end_ns(m);
    remove_socket(m->url, &m->file);
    close(m->listener);
    m->listener = -1;
    changes_abandon(m);
    workers_drain(m);
}

static void reload(Master *m)
{
    fnvm_error *error = changes_add(m, &(Change){.kind = CHANGE_RELOAD}, 0);
    if (error) master_say("no reload: %s", fnvm_error_message(error));
    fnvm_error_free(error);
}

static void take_signal(Master *m)
{
    struct signalfd_siginfo info;
    while (read(m->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) reap(m);
        else if (info.ssi_signo == SIGHUP) reload(m);
        else if (m->ending) workers_kill(m, "a second signal came");
        else begin_end(m);
    }
}

/* ---- What is open ---- */

static fnvm_error *open_access_log(Master *m, const char *path)
{
    if (!path) return NULL;
    m->access_log = strcmp(path, "-") == 0
                        ? fcntl(1, F_DUPFD_CLOEXEC, 3)
                        : open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0640);
    if (m->access_log >= 0) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot write the access log `%s`: %s", path,
                          strerrordesc_np(errno));
}

static fnvm_error *open_admin(Master *m)
{
    const Config *c = m->start.config;
    m->admin_path = c->admin ? strdup(c->admin) : state_path(m->start.state, "admin");
    if (!m->admin_path) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    return listen_admin(m->admin_path, &m->admin, &m->admin_file);
}

static fnvm_error *open_calls(Master *m)
{
    static const CallsLimits limits = {.keep_ms = TUNE_CALLS_KEEP_MS,
                                       .bytes = TUNE_CALLS_BYTES,
                                       .pending = TUNE_CALLS_PENDING,
                                       .results = TUNE_CALLS_RESULTS};
    char *dir = state_path(m->start.state, "calls");
    if (!dir) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    fnvm_error *error = calls_open(dir, &limits, &m->calls);
    free(dir);
    return error;
}

static void sweep_calls(Master *m)
{
    const uint64_t now = master_now();
    if (now < m->sweep_ns) return;
    m->sweep_ns = now + SWEEP_MS * MS;
    calls_sweep(m->calls);
}

static fnvm_error *open_all(Master *m)
{
    const Config *c = m->start.config;
    fnvm_error *error = take_signals(m);
    if (!error) error = metrics_new(&m->metrics);
    if (!error) error = listen_inherited(&m->listener, &m->url);
    m->inherited = m->listener >= 0;
    if (!error && !m->inherited) error = listen_open(c->listen, 0666, &m->listener, &m->url, &m->file);
    if (!error && c->status && m->start.status)
        error = listen_open(c->status, 0660, &m->status_listener, &m->status_url,
                            &m->status_file);
    if (!error) error = open_access_log(m, c->access_log);
    if (!error) error = open_calls(m);
    return error ? error : open_admin(m);
}

static void close_all(Master *m)
{
    for (size_t i = 0; i < MASTER_CLIENTS; i++)
        if (m->clients[i].id) admin_close(m, &m->clients[i]);
    if (m->status.pid) kill(m->status.pid, SIGTERM);
    table_free(m->next);
    table_free(m->table);
    remove_socket(m->url, &m->file);
    remove_socket(m->status_url, &m->status_file);
    if (m->admin_path) listen_remove(m->admin_path, &m->admin_file);
    const int fds[] = {m->signals, m->listener,   m->status_listener,
                       m->admin,   m->access_log, m->status.control};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0) close(fds[i]);
    free(m->url);
    free(m->status_url);
    free(m->admin_path);
    calls_close(m->calls);
    metrics_free(m->metrics);
}

/* ---- The loop ---- */

static void announce(Master *m)
{
    m->announced = true;
    FILE *out = m->start.out;
    const Config *c = m->table->config;
    fprintf(out, "listening on %s\n", m->url);
    if (m->status_url) fprintf(out, "status page on %s\n", m->status_url);
    fprintf(out, "admin socket %s\n", m->admin_path);
    for (size_t i = 0; i < c->nroutes; i++) {
        const Route *r = &c->routes[i];
        const Function *f = &c->functions[r->function];
        fprintf(out, "  %s%s%s%s  %s %s\n", r->method ? r->method : "", r->method ? " " : "",
                r->host ? r->host : "", r->path, f->name, f->version);
    }
    fflush(out);
    notify_system("READY=1");
}

static int milliseconds_to(uint64_t ns)
{
    const uint64_t now = master_now();
    if (ns == UINT64_MAX) return -1;
    if (ns <= now) return 0;
    const uint64_t ms = (ns - now) / MS + 1;
    return ms > 60000 ? 60000 : (int)ms;
}

static int timeout(const Master *m)
{
    uint64_t next = workers_next_ns(m);
    if (m->sweep_ns < next) next = m->sweep_ns;
    if (m->phase != PHASE_IDLE && m->deadline_ns < next) next = m->deadline_ns;
    if (m->end_ns && m->end_ns < next) next = m->end_ns;
    const uint64_t logs = master_now() + FOLLOW_MS * MS;
    if (admin_follows(m) && logs < next) next = logs;
    return milliseconds_to(next);
}

static void turn(Master *m)
{
    struct pollfd polls[MASTER_POLLS] = {{.fd = m->signals, .events = POLLIN},
                                         {.fd = m->admin, .events = POLLIN}};
    size_t n = 2;
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        polls[n++] = (struct pollfd){.fd = m->workers[i].control, .events = POLLIN};
    for (size_t i = 0; i < MASTER_CLIENTS; i++) admin_poll(m, &m->clients[i], &polls[n++]);
    if (poll(polls, n, timeout(m)) < 0) return;
    n = 2;
    for (unsigned i = 0; i < METRICS_WORKERS; i++, n++)
        if (polls[n].revents && m->workers[i].control == polls[n].fd) workers_readable(m, i);
    for (size_t i = 0; i < MASTER_CLIENTS; i++, n++)
        if (polls[n].revents && m->clients[i].fd == polls[n].fd)
            admin_ready(m, &m->clients[i], polls[n].revents);
    if (polls[0].revents) take_signal(m);
    if (polls[1].revents) admin_accept(m);
}

static void run(Master *m)
{
    reload(m); /* the first table */
    while (!m->ending || workers_any(m)) {
        turn(m);
        changes_tick(m);
        admin_tick(m);
        sweep_calls(m);
        if (m->ending) begin_end(m); /* whoever asked for it */
        if (m->ending && master_now() >= m->end_ns)
            workers_kill(m, "the `grace` of the configuration is over");
        workers_spawn(m);
        if (m->table && !m->announced) announce(m);
    }
}

int master_main(const MasterStart *start)
{
    Master *m = calloc(1, sizeof *m);
    if (!m) return error_report(NULL, "the host is out of memory");
    *m = (Master){.start = *start,
                  .signals = -1,
                  .listener = -1,
                  .status_listener = -1,
                  .admin = -1,
                  .access_log = -1,
                  .made = -1,
                  .said = -1};
    m->status.control = -1;
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        m->workers[i] = (WorkerProcess){
            .duty = i < start->config->workers ? DUTY_SERVES : DUTY_NONE, .control = -1};
    for (size_t i = 0; i < MASTER_CLIENTS; i++) m->clients[i].fd = -1;
    fnvm_error *error = open_all(m);
    if (error) m->exit_status = error_report(error, "the gateway cannot start");
    else run(m);
    close_all(m);
    const int status = m->exit_status;
    free(m);
    return status;
}
