/* A task is what the caller holds of a call; it has the answer when the callee has ended.
 * Dropping one that has not ended stops the callee.  How deep calls may nest is bounded, so a
 * cycle ends in FNVM_SERVICE_LIMIT. */
#include "gateway/calls_local.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/worker_state.h"

struct Task {
    Task *next;
    int64_t id;
    Invocation *caller, *callee; /* callee NULL: it has ended */
    int status;
    char *answer;
    size_t len, charged;
};

/* The input until the callee has ended, then the answer until it is dropped. */
static bool charge(Task *t, size_t bytes)
{
    Opened *o = t->caller->function;
    Worker *w = t->caller->worker;
    const uint64_t left = TUNE_CALL_BYTES - (w->call_bytes - o->call_bytes);
    if (bytes > left / 2 || o->call_bytes > left / 2 - bytes) return false;
    w->call_bytes += bytes;
    o->call_bytes += bytes;
    t->charged += bytes;
    return true;
}

static void uncharge(Task *t)
{
    t->caller->worker->call_bytes -= t->charged;
    t->caller->function->call_bytes -= t->charged;
    t->charged = 0;
}

static bool may_call(const Function *f, const char *name, size_t len)
{
    for (size_t i = 0; i < f->ncalls; i++) {
        const char *allowed = f->calls[i];
        if (strcmp(allowed, "*") == 0) return true;
        if (strlen(allowed) == len && memcmp(allowed, name, len) == 0) return true;
    }
    return false;
}

/* "#N": a function of the caller's own table, in another instance. */
static bool is_chained(const char *name, size_t len) { return len > 1 && name[0] == '#'; }

static const Function *find_callee(const Invocation *i, const char *name, size_t len, int *denied)
{
    const Opened *o = i->function;
    *denied = FNVM_SERVICE_DENIED;
    if (is_chained(name, len)) {
        const bool can =
            o->settings->protocol == PROTOCOL_FAASM && !o->suspended && len < sizeof i->chained;
        return can ? &i->table->config->config->functions[i->index] : NULL;
    }
    if (!may_call(o->settings, name, len)) return NULL;
    const Config *config = i->table->config->config;
    const Function *f = config_function(config, name, len);
    *denied = FNVM_SERVICE_NOT_FOUND;
    return f && i->table->functions[f - config->functions] ? f : NULL;
}

/* What the callee is asked: POST / with the input, in the caller's trace. */
static Invocation *callee_of(Invocation *i, uint32_t function, const void *input, size_t len)
{
    static const HttpField type = {{"content-type", 12}, {"application/octet-stream", 24}};
    const Head head = {.method = text_of("POST"),
                       .target = text_of("/"),
                       .path = text_of("/"),
                       .query = text_of(""),
                       .host = text_of(""),
                       .script = text_of(""),
                       .rest = text_of("/"),
                       .route = text_of(""),
                       .fields = &type,
                       .nfields = 1,
                       .has_length = true,
                       .length = len,
                       .traceparent = i->traceparent};
    const uint64_t most_ns = i->deadline.place ? i->deadline.at_ns : UINT64_MAX;
    return invocation_detached(i->worker, i->table, function, &head, input, len, ASKED_BY_CALL,
                               most_ns);
}

static int64_t start_call(Invocation *i, const char *name, size_t name_len, const void *input,
                          size_t len)
{
    const Config *config = i->table->config->config;
    int denied;
    const Function *f = find_callee(i, name, name_len, &denied);
    if (!f) return denied;
    if (len > f->body_bytes) return FNVM_SERVICE_TOO_LARGE;
    if (i->depth >= TUNE_CALL_DEPTH || i->ntasks >= TUNE_CALLS_OPEN) return FNVM_SERVICE_LIMIT;
    if (i->stop) return FNVM_SERVICE_UNAVAILABLE;
    Task *t = calloc(1, sizeof *t);
    if (t) t->caller = i;
    if (t && !charge(t, len)) {
        free(t);
        return FNVM_SERVICE_LIMIT;
    }
    Invocation *callee = t ? callee_of(i, (uint32_t)(f - config->functions), input, len) : NULL;
    if (!callee) {
        if (t) uncharge(t);
        free(t);
        return FNVM_SERVICE_LIMIT;
    }
    t->next = i->tasks;
    t->id = ++i->last_task;
    t->callee = callee;
    i->tasks = t;
    i->ntasks++;
    callee->task = t;
    if (is_chained(name, name_len)) memcpy(callee->chained, name, name_len);
    callee->depth = i->depth + 1;
    invocation_submit(callee); /* which may end it at once */
    return t->id;
}

void call_finish(Task *t, unsigned status, const void *body, size_t len)
{
    t->callee->task = NULL;
    t->callee = NULL;
    t->status = status >= 200 && status < 300    ? FNVM_SERVICE_OK
                : status == 429 || status == 503 ? FNVM_SERVICE_UNAVAILABLE
                : status == 504                  ? FNVM_SERVICE_TIMEOUT
                                                 : FNVM_SERVICE_FAILED;
    uncharge(t);
    if (t->status == FNVM_SERVICE_OK && len) {
        t->answer = charge(t, len) ? malloc(len) : NULL;
        if (!t->answer) t->status = FNVM_SERVICE_LIMIT;
        else memcpy(t->answer, body, t->len = len);
    }
    invocation_wake(t->caller);
}

static void drop(Invocation *i, Task **at)
{
    Task *t = *at;
    *at = t->next;
    i->ntasks--;
    uncharge(t);
    if (t->callee) {
        t->callee->task = NULL;
        invocation_stop(t->callee, STOP_DROPPED);
    }
    free(t->answer);
    free(t);
}

void calls_drop_all(Invocation *i)
{
    while (i->tasks) drop(i, &i->tasks);
}

static Task **find_task(Invocation *i, int64_t id)
{
    Task **at = &i->tasks;
    while (*at && (*at)->id != id) at = &(*at)->next;
    return at;
}

/* ---- The backend: the guest's thread has lent the token out ---- */

static int64_t backend_start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                             const void *input, size_t len)
{
    (void)caller;
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    runner_pin(r);
    const int64_t id = start_call(i, name, name_len, input, len);
    runner_unpin(r);
    return id;
}

static bool backend_poll(void *env, fnvm_caller *caller, int64_t id, bool wait,
                         uint64_t deadline_ns, int *status, const void **answer, size_t *len,
                         fnvm_error **error)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    *error = NULL;
    runner_pin(r);
    const Task *t = *find_task(i, id);
    const bool ended = !t || !t->callee;
    if (ended) {
        *status = t ? t->status : FNVM_SERVICE_INVALID;
        *answer = t ? t->answer : NULL;
        *len = t ? t->len : 0;
    } else if (wait) {
        *error = fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
        if (fnvm_error_code(*error) == FNVM_E_SUSPENDED && deadline_ns != UINT64_MAX)
            timer_set(&i->worker->timers, &i->sleep, deadline_ns);
    }
    runner_unpin(r);
    return ended;
}

static void backend_drop(void *env, int64_t id)
{
    Invocation *i = ((Place *)env)->user;
    if (!i) return; /* it has ended, and its tasks with it */
    Runner *r = i->runner;
    runner_pin(r);
    Task **at = find_task(i, id);
    if (*at) drop(i, at);
    runner_unpin(r);
}

fnvm_task_backend calls_backend(Place *p)
{
    return (fnvm_task_backend){
        .env = p, .start = backend_start, .poll = backend_poll, .drop = backend_drop};
}
