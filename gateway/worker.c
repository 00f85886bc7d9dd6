/* Puts the worker together: the first table, the server, the loop, the control thread; and takes
 * it apart again in the other order.  A turn of the loop is: the server's events, timers,
 * instances to be reset. */
#include "gateway/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/arrivals.h"
#include "gateway/control.h"
#include "gateway/worker_state.h"

#define OF_TIMER(timer, member) ((Worker *)(void *)((char *)(timer)-offsetof(Worker, member)))

/* ---- What others ask of it ---- */

void worker_lock(Worker *w)
{
    if (w->loop) loop_take(w->loop);
}

void worker_unlock(Worker *w)
{
    if (w->loop) loop_give(w->loop);
}

void worker_note_dirty(Worker *w, Opened *o)
{
    if (o->noted_dirty) return;
    o->noted_dirty = true;
    o->uses++;
    o->next_dirty = w->dirty;
    w->dirty = o;
}

static void wake_control(const Worker *w)
{
    const uint64_t one = 1;
    const ssize_t written =
        write(w->control_wake, &one, sizeof one); /* full: it is awake already */
    (void)written;
}

void table_drop(Worker *w, Table *t)
{
    if (--t->uses) return;
    t->next_dead = w->dead_tables;
    w->dead_tables = t;
    wake_control(w);
}

void function_drop(Worker *w, Opened *o)
{
    if (--o->uses) return;
    o->next_dead = w->dead_functions;
    w->dead_functions = o;
    wake_control(w);
}

/* ---- The loop's user ---- */

static int timeout_ms(void *env)
{
    Worker *w = env;
    const int http = http_timeout_ms(w->http);
    const uint64_t next = timers_next(&w->timers), now = loop_now(w->loop);
    if (next == UINT64_MAX) return http;
    const uint64_t ms = next > now ? (next - now + 999999) / 1000000 : 0;
    return http >= 0 && (uint64_t)http < ms ? http : ms < 60000 ? (int)ms : 60000;
}

/* When it has been told to drain: whether nothing is left to be done. */
static void look_for_end(Worker *w)
{
    if (w->stopped || w->nlive || (http_connections(w->http) && !w->stopping)) return;
    w->stopped = true;
    loop_stop(w->loop);
}

static void turn(void *env)
{
    Worker *w = env;
    http_run(w->http);
    timers_fire(&w->timers, loop_now(w->loop));
    while (w->dirty) {
        Opened *o = w->dirty;
        w->dirty = o->next_dirty;
        o->noted_dirty = false;
        function_settle(o);
        function_drop(w, o);
    }
    if (w->draining) look_for_end(w);
}

static void settle(void *env)
{
    Worker *w = env;
    access_log_flush(&w->log);
}

static void run_job(void *env, LoopJob *job, Runner *runner)
{
    (void)env;
    invocation_run((Invocation *)(void *)job, runner);
}

static void leave_job(void *env, LoopJob *job)
{
    (void)env;
    invocation_away((Invocation *)(void *)job);
}

static void wake(void *env)
{
    Worker *w = env;
    http_wake(w->http);
}

static void retry_fires(Timer *t)
{
    Worker *w = OF_TIMER(t, retry);
    admission_next(w);
    if (w->waiting) timer_set(&w->timers, t, loop_now(w->loop) + TUNE_RETRY_NS);
}

/* ---- Ending ---- */

/* Ends what has not ended in time.  Ending one may end others, so it begins anew after each. */
static void stop_all(Worker *w)
{
    Invocation *i = w->live;
    while (i) {
        if (i->stop || (i->phase == PHASE_ENDED && i->finished)) {
            i = i->next;
            continue;
        }
        i->stop = STOP_DRAIN;
        invocation_stop(i, STOP_DRAIN);
        i = w->live;
    }
}

/* First what runs is stopped; later whatever is left is cut. */
static void grace_fires(Timer *t)
{
    Worker *w = OF_TIMER(t, grace);
    if (w->stopping) {
        access_log_flush(&w->log);
        _exit(0);
    }
    w->stopping = true;
    stop_all(w);
    timer_set(&w->timers, t, loop_now(w->loop) + TUNE_LAST_GRACE_NS);
}

void worker_drain(Worker *w)
{
    if (w->draining) return;
    w->draining = true;
    http_drain(w->http);
    close(w->start.listener); /* who comes now is refused at once, rather than at the end */
    timer_set(&w->timers, &w->grace,
              loop_clock(w->loop) + w->table->config->config->grace_ms * UINT64_C(1000000));
}

/* ---- Beginning ---- */

/* The master decides when a worker ends: what a terminal sends to all of them is not for the
 * workers. */
static void set_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

static void find_port(Worker *w)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    w->server.port = (HttpText){"", 0};
    if (getsockname(w->start.listener, (struct sockaddr *)&address, &size) != 0) return;
    Head head;
    head_set_peer(&head, &address);
    if (!head.peer[0]) return;
    snprintf(w->port, sizeof w->port, "%u", head.peer_port);
    w->server.port = text_of(w->port);
}

/* Results of asynchronous calls: the directory is shared by all workers, and made by whoever is
 * first. */
static fnvm_error *open_calls(Worker *w, const Config *config)
{
    static const CallsLimits limits = {.keep_ms = TUNE_CALLS_KEEP_MS,
                                       .bytes = TUNE_CALLS_BYTES,
                                       .pending = TUNE_CALLS_PENDING,
                                       .results = TUNE_CALLS_RESULTS};
    char dir[4096];
    if (!config->state || snprintf(dir, sizeof dir, "%s/calls", config->state) >= (int)sizeof dir)
        return NULL;
    return calls_open(dir, &limits, &w->calls);
}

static fnvm_error *open_worker(Worker *w)
{
    const Config *config = w->table->config->config;
    const LoopUser user = {.env = w,
                           .timeout_ms = timeout_ms,
                           .turn = turn,
                           .settle = settle,
                           .run = run_job,
                           .away = leave_job,
                           .wake = wake};
    const HttpHandlers handlers = arrivals_handlers(w);
    find_port(w);
    w->retry.fire = retry_fires;
    w->grace.fire = grace_fires;
    fnvm_error *error =
        timers_reserve(&w->timers, 2) ? NULL : fnvm_error_new(FNVM_E_MEMORY, "no memory");
    if (!error) error = open_calls(w, config);
    if (!error) error = http_new(w->start.listener, &config->http, &handlers, &w->http);
    LoopUser with_fd = user;
    if (!error) {
        with_fd.fd = http_fd(w->http);
        error = loop_new(&with_fd, &w->loop);
    }
    return error;
}

static void *control_main(void *worker)
{
    control_run(worker);
    return NULL;
}

static void close_worker(Worker *w)
{
    outbound_stop(w->outbound);
    store_stop(w->store);
    http_free(w->http); /* what is open is cut: no guest runs any more */
    w->http = NULL;
    while (w->live) { /* asynchronous ones that were stopped are gone already */
        Invocation *i = w->live;
        i->unlogged = true;
        i->request = NULL;
        invocation_end(i);
    }
    while (w->kept) {
        Invocation *i = w->kept;
        w->kept = i->next;
        invocation_free(i);
    }
    Loop *loop = w->loop;
    w->loop = NULL;
    control_close_dead(w);
    table_close(w->table);
    outbound_free(w->outbound);
    loop_free(loop);
    calls_close(w->calls);
    store_close(w->store);
    access_log_free(&w->log);
    timers_free(&w->timers);
    worker_narrow_forget(w);
    close(w->control_wake);
}

static int serve(Worker *w)
{
    pthread_t control;
    const int failed = pthread_create(&control, NULL, control_main, w);
    if (failed) {
        fprintf(stderr, "fnvm: worker %u: cannot start a thread: %s\n", w->start.number,
                strerror(failed));
        return 1;
    }
    loop_run(w->loop);
    wake_control(w);
    pthread_join(control, NULL);
    return 0;
}

static int report(const Worker *w, fnvm_error *error)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        fprintf(stderr, "fnvm: worker %u: %s\n", w->start.number, fnvm_error_message(e));
    fnvm_error_free(error);
    return 1;
}

int worker_main(const WorkerStart *start)
{
    Worker *w = calloc(1, sizeof *w);
    if (!w) return 1;
    *w = (Worker){.start = *start, .log = {.fd = start->access_log}, .control_wake = -1};
    set_signals();
    int status = 1;
    w->control_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->control_wake < 0 || !trace_source_new(&w->traces)) {
        fprintf(stderr, "fnvm: worker %u: %s\n", start->number, strerror(errno));
    } else if (control_first(w, &w->table) != CONTROL_TABLE) {
        status = 0; /* it is not needed any more */
    } else {
        fnvm_error *error = open_worker(w);
        if (!error) error = worker_narrow(w);
        control_answer(w, w->table->config->config->generation, error);
        status = error ? report(w, error) : serve(w);
        close_worker(w);
    }
    free(w);
    return status;
}
