/* Who waits for what is noted when a request is begun, with the token; so the thread that does
 * the requests can wake them whenever one ends, also in the moment before the guest is left
 * waiting.  The token is never asked for within the backend below, which has a lock of its own. */
#include "gateway/outbound.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/waiters.h"
#include "gateway/worker_state.h"

struct Outbound {
    Worker *worker;
    HttpOutbound *http;
    Waiters waiters; /* with the token */
};

/* From the thread that does the requests. */
static void done(void *env, int64_t id)
{
    Outbound *o = env;
    worker_lock(o->worker);
    waiters_wake(&o->waiters, id);
    worker_unlock(o->worker);
}

static fnvm_error *wait(void *env, fnvm_caller *caller, int64_t id, uint64_t deadline_ns)
{
    (void)env;
    (void)id;
    (void)deadline_ns;
    return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
}

fnvm_error *outbound_new(Worker *w, Outbound **out)
{
    Outbound *o = calloc(1, sizeof *o);
    *out = NULL;
    if (!o) return fnvm_error_new(FNVM_E_MEMORY, "no memory for guests' requests");
    o->worker = w;
    const HttpOutboundOptions options = {
        .open = TUNE_OUTBOUND_OPEN, .done = done, .done_env = o, .wait = wait};
    fnvm_error *error = http_outbound_new(&options, &o->http);
    if (error) {
        free(o);
        return error;
    }
    *out = o;
    return NULL;
}

void outbound_stop(Outbound *o)
{
    if (o) http_outbound_stop(o->http);
}

void outbound_free(Outbound *o)
{
    if (!o) return;
    http_outbound_free(o->http);
    waiters_free(&o->waiters);
    free(o);
}

fnvm_error *outbound_open(Outbound *o, HttpSender **out) { return http_sender_new(o->http, out); }
void outbound_close(HttpSender *s) { http_sender_free(s); }

/* ---- The trace ---- */

static bool line_is(const char *at, const char *end, const char *name)
{
    const size_t len = strlen(name);
    return (size_t)(end - at) > len && strncasecmp(at, name, len) == 0 && at[len] == ':';
}

static bool has_trace(const char *at, const char *end)
{
    while (at < end && *at != '\r') {
        if (line_is(at, end, "traceparent")) return true;
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return false;
}

/* The guest's header and body with the field before them; NULL: as it is. */
static char *with_trace(const Invocation *i, const void *input, size_t len, size_t *total)
{
    static const char name[] = "traceparent: ";
    const size_t trace = strlen(i->traceparent), extra = sizeof name - 1 + trace + 2;
    if (!trace || has_trace(input, (const char *)input + len) || len > SIZE_MAX - extra)
        return NULL;
    char *text = malloc(len + extra);
    if (!text) return NULL;
    memcpy(text, name, sizeof name - 1);
    memcpy(text + sizeof name - 1, i->traceparent, trace);
    memcpy(text + extra - 2, "\r\n", 2);
    if (len) memcpy(text + extra, input, len);
    *total = len + extra;
    return text;
}

/* ---- The backend: the guest's thread has lent the token out ---- */

static Outbound *outbound_of(const Place *p) { return p->function->worker->outbound; }

static fnvm_task_backend http_of(const Place *p)
{
    fnvm_task_backend b;
    http_sender_backend(p->function->sender, &b);
    return b;
}

static bool note(Place *p, int64_t id)
{
    runner_pin(p->user->runner);
    const bool noted = waiters_note(&outbound_of(p)->waiters, id, p->user);
    runner_unpin(p->user->runner);
    return noted;
}

static int64_t start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                     const void *input, size_t len)
{
    Place *p = env;
    const fnvm_task_backend b = http_of(p);
    size_t total = len;
    char *traced = with_trace(p->user, input, len, &total);
    const int64_t id = b.start(b.env, caller, name, name_len, traced ? traced : input, total);
    free(traced);
    if (id > 0 && !note(p, id)) {
        b.drop(b.env, id);
        return FNVM_SERVICE_LIMIT;
    }
    return id;
}

static bool poll(void *env, fnvm_caller *caller, int64_t id, bool wanted, uint64_t deadline_ns,
                 int *status, const void **answer, size_t *len, fnvm_error **error)
{
    Place *p = env;
    const fnvm_task_backend b = http_of(p);
    *error = NULL;
    if (b.poll(b.env, caller, id, wanted, deadline_ns, status, answer, len, error)) return true;
    if (*error && fnvm_error_code(*error) == FNVM_E_SUSPENDED && deadline_ns != UINT64_MAX) {
        Invocation *i = p->user;
        runner_pin(i->runner);
        timer_set(&i->worker->timers, &i->sleep, deadline_ns);
        runner_unpin(i->runner);
    }
    return false;
}

/* Also when its request has ended, with the token. */
static void drop(void *env, int64_t id)
{
    Place *p = env;
    Outbound *o = outbound_of(p);
    Runner *r = p->user ? p->user->runner : NULL;
    const fnvm_task_backend b = http_of(p);
    if (r) runner_pin(r);
    waiters_forget(&o->waiters, id);
    if (r) runner_unpin(r);
    b.drop(b.env, id);
}

fnvm_task_backend outbound_backend(Place *p)
{
    return (fnvm_task_backend){.env = p, .start = start, .poll = poll, .drop = drop};
}
