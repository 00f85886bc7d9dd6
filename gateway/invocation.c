/* The states of an invocation, and what ends one.  Whatever the reason, a guest that was started
 * ends in conclude(): its instance is given back, its callees are dropped, its answer is sent or
 * replaced.
 *
 * Structures are kept and used again with their buffers.  Nobody can read what a buffer had:
 * each is written before it is read, up to its length. */
#include "gateway/invocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/arrivals.h"
#include "gateway/worker_state.h"

#define OF_TIMER(timer, member) \
    ((Invocation *)(void *)((char *)(timer)-offsetof(Invocation, member)))

/* ---- Making and keeping ---- */

static void deadline_fires(Timer *t) { invocation_stop(OF_TIMER(t, deadline), STOP_TIMEOUT); }
static void sleep_fires(Timer *t) { invocation_wake(OF_TIMER(t, sleep)); }

static Invocation *allocate(Worker *w)
{
    if (!timers_reserve(&w->timers, 2)) return NULL;
    Invocation *i = calloc(1, sizeof *i);
    if (i && text_reserve(&i->out, TUNE_ANSWER_FIRST)) return i;
    free(i);
    timers_unreserve(&w->timers, 2);
    return NULL;
}

void invocation_free(Invocation *i)
{
    timers_unreserve(&i->worker->timers, 2);
    text_free(&i->fields);
    text_free(&i->copies);
    text_free(&i->scratch);
    text_free(&i->told);
    text_free(&i->body);
    text_free(&i->out);
    text_free(&i->answer_fields);
    free(i);
}

Invocation *invocation_new(Worker *w)
{
    Invocation *i = w->kept;
    if (i) {
        w->kept = i->next;
        w->nkept--;
    } else {
        i = allocate(w);
        if (!i) return NULL;
    }
    i->worker = w;
    i->phase = PHASE_ENDING;
    i->deadline.fire = deadline_fires;
    i->sleep.fire = sleep_fires;
    i->outcome = OUTCOME_OK;
    i->start = START_KINDS;
    i->arrived_ns = loop_now(w->loop);
    i->length = UINT64_MAX;
    i->prev = NULL;
    i->next = w->live;
    if (w->live) w->live->prev = i;
    w->live = i;
    w->nlive++;
    return i;
}

static void keep_small(Text *t)
{
    if (t->room > TUNE_ANSWER_BYTES) text_free(t);
    else text_clear(t);
}

/* All of it back to zero, but for its buffers. */
static void keep(Invocation *i)
{
    Worker *w = i->worker;
    if (i->prev) i->prev->next = i->next;
    else w->live = i->next;
    if (i->next) i->next->prev = i->prev;
    w->nlive--;
    timer_clear(&w->timers, &i->deadline);
    timer_clear(&w->timers, &i->sleep);
    if (i->function) function_drop(w, i->function);
    if (i->table) table_drop(w, i->table);
    output_reset(i);
    keep_small(&i->fields);
    keep_small(&i->copies);
    keep_small(&i->scratch);
    keep_small(&i->told);
    keep_small(&i->body);
    w->held -= i->held;
    if (w->nkept == TUNE_INVOCATIONS_KEPT) {
        invocation_free(i);
        return;
    }
    const Text fields = i->fields, copies = i->copies, scratch = i->scratch, body = i->body,
               out = i->out, answer_fields = i->answer_fields, told = i->told;
    const size_t line = offsetof(Invocation, line), after = line + sizeof i->line;
    memset(i, 0, line);
    memset((char *)i + after, 0, sizeof *i - after);
    i->fields = fields;
    i->copies = copies;
    i->scratch = scratch;
    i->told = told;
    i->body = body;
    i->out = out;
    i->answer_fields = answer_fields;
    i->worker = w;
    i->next = w->kept;
    w->kept = i;
    w->nkept++;
}

bool invocation_hold(Invocation *i, size_t bytes)
{
    Worker *w = i->worker;
    if (bytes > TUNE_HELD_BYTES - w->held) return false;
    w->held += bytes;
    i->held += bytes;
    return true;
}

void invocation_own_head(Invocation *i)
{
    if (!i->owned) head_own(&i->head, &i->copies, &i->fields);
    i->owned = true;
}

void invocation_bind(Invocation *i, Table *table, uint32_t function)
{
    i->table = table;
    table->uses++;
    i->index = function;
    i->function = table->functions[function];
    if (i->function) i->function->uses++;
}

Invocation *invocation_detached(Worker *w, Table *table, uint32_t function, const Head *head,
                                const void *body, size_t len, Asker asker, uint64_t most_ns)
{
    Invocation *i = invocation_new(w);
    if (!i) return NULL;
    i->asker = asker;
    i->head = *head;
    text_add(&i->body, body, len);
    invocation_own_head(i);
    if (i->copies.failed || i->fields.failed || i->body.failed) {
        keep(i);
        return NULL;
    }
    invocation_bind(i, table, function);
    call_id_new(i->call_id);
    trace_next(&w->traces, text_of(head->traceparent), i->traceparent);
    i->head.call_id = i->call_id;
    i->head.traceparent = i->traceparent;
    const uint64_t own_ns = loop_now(w->loop) + i->function->settings->timeout_ms * 1000000;
    invocation_set_deadline(i, own_ns < most_ns ? own_ns : most_ns);
    return i;
}

void invocation_set_deadline(Invocation *i, uint64_t at_ns)
{
    timer_set(&i->worker->timers, &i->deadline, at_ns);
}

/* ---- Ends ---- */

static void count(Invocation *i)
{
    Worker *w = i->worker;
    const uint64_t now = loop_now(w->loop);
    const MetricsRequest numbers = {.slot = i->function ? i->function->settings->slot : 0,
                                    .start = i->start,
                                    .outcome = i->outcome,
                                    .status = i->status,
                                    .start_ns = i->start_ns,
                                    .guest_ns = i->guest_ns,
                                    .total_ns = now > i->arrived_ns ? now - i->arrived_ns : 0,
                                    .bytes_in = i->bytes_in,
                                    .bytes_out = i->bytes_out,
                                    .memory_bytes = i->memory_bytes};
    if (i->function) metrics_count(w->start.metrics, w->start.number, &numbers);
    if (i->unlogged) return;
    const AccessLine line = {.peer = text_of(i->head.peer),
                             .method = i->head.method,
                             .host = i->head.host,
                             .target = i->head.target,
                             .call_id = i->call_id,
                             .trace = i->traceparent + 3,
                             .numbers = &numbers,
                             .function = text_of(i->function ? i->function->settings->name : ""),
                             .version = text_of(i->function && i->function->settings->version
                                                    ? i->function->settings->version
                                                    : ""),
                             .answered = i->status != 0 && i->outcome != OUTCOME_CUT};
    access_log_add(&w->log, &line);
}

void invocation_end(Invocation *i)
{
    i->phase = PHASE_ENDED;
    if (i->request) return; /* invocation_gone comes */
    if (!i->counted) count(i);
    keep(i);
}

void invocation_gone(Invocation *i, bool cut)
{
    i->request = NULL;
    if (cut && i->outcome == OUTCOME_OK) i->outcome = OUTCOME_CUT;
    if (i->phase == PHASE_ENDED || i->phase == PHASE_ENDING) {
        count(i); /* now: its texts are the request's */
        i->counted = true;
        if (i->phase == PHASE_ENDED) keep(i);
    } else {
        invocation_own_head(i);
        invocation_stop(i, STOP_CUT);
    }
}

/* ---- Answers ---- */

static void keep_result(Invocation *i, unsigned status, const HttpField *fields, size_t nfields,
                        const void *body, size_t len)
{
    Worker *w = i->worker;
    fnvm_error *error =
        w->calls ? calls_finish(w->calls, i->call_id, status, fields, nfields, body, len) : NULL;
    if (!error) return;
    metrics_error(w->start.metrics, w->start.number, i->function->settings->slot, i->call_id,
                  error);
    fnvm_error_free(error);
}

void invocation_answer(Invocation *i, unsigned status, const HttpField *given, size_t n,
                       const void *body, size_t len)
{
    HttpField fields[TUNE_ANSWER_FIELDS + 1];
    memcpy(fields, given, n * sizeof *fields);
    fields[n] = (HttpField){text_of("X-Call-Id"), text_of(i->call_id)};
    i->status = status;
    if (i->asker == ASKED_BY_CALL) {
        i->bytes_out = len;
        if (i->task) call_finish(i->task, status, body, len);
    } else if (i->asker == ASKED_BY_NOBODY) {
        keep_result(i, status, given, n, body, len);
    } else if (i->request && !http_answered(i->request)) {
        i->bytes_out += len;
        if (http_answer(i->request, status, fields, n + 1, body, len)) return;
        i->bytes_out -= len;
        if (!i->request) return;
        if (n > 0 && i->outcome == OUTCOME_OK) /* its own fields, not those of a refusal */
            invocation_refuse(i, OUTCOME_BAD_ANSWER, 502,
                              "a field of the function's answer is not valid");
        else http_answer(i->request, status, NULL, 0, NULL, 0); /* no memory for more */
    }
}

void invocation_refuse(Invocation *i, Outcome outcome, unsigned status, const char *why)
{
    i->outcome = outcome;
    if (i->begun) {
        if (i->request && !i->finished) http_abort(i->request);
        i->finished = true;
        return;
    }
    char text[256];
    const int len = snprintf(text, sizeof text, "%u: %s (call %s)\n", status, why, i->call_id);
    const HttpField fields[] = {{text_of("Content-Type"), text_of("text/plain; charset=utf-8")},
                                {text_of("Retry-After"), text_of("1")}};
    const size_t n = status == 429 || status == 503 ? 2 : 1;
    invocation_answer(i, status, fields, n, text,
                      len > 0 && len < (int)sizeof text ? (size_t)len : 0);
}

/* Why it did not go well, in words that say nothing about the inside. */
static void refuse_failed(Invocation *i, const fnvm_error *error)
{
    switch (i->stop) {
    case STOP_TIMEOUT:
        invocation_refuse(i, OUTCOME_TIMEOUT, 504, "the function took too long");
        return;
    case STOP_DRAIN: invocation_refuse(i, OUTCOME_FAILED, 503, "the server is going down"); return;
    case STOP_ANSWER_BYTES:
        invocation_refuse(i, OUTCOME_BAD_ANSWER, 502, "the function's answer is too large");
        return;
    case STOP_ANSWER_HEAD:
        invocation_refuse(i, OUTCOME_BAD_ANSWER, 502, "the function's answer is not valid");
        return;
    case STOP_CUT:
    case STOP_DROPPED: i->outcome = OUTCOME_CUT; return;
    case STOP_NOT: break;
    }
    switch (error ? fnvm_error_code(error) : FNVM_OK) {
    case FNVM_E_EXIT:
    case FNVM_OK: invocation_refuse(i, OUTCOME_EXIT, 500, "the function failed"); return;
    case FNVM_E_LIMIT:
    case FNVM_E_MEMORY:
        invocation_refuse(i, OUTCOME_FAILED, 503, "there is no room for the function now");
        return;
    case FNVM_E_TRAP:
    case FNVM_E_EXCEPTION: invocation_refuse(i, OUTCOME_TRAP, 500, "the function failed"); return;
    case FNVM_E_POLICY:
        if (i->started) break;
        invocation_refuse(i, OUTCOME_SHED, 403, "the function may not run");
        return;
    default: break;
    }
    invocation_refuse(i, OUTCOME_FAILED, 500, "the function failed");
}

static void note_error(Invocation *i, const fnvm_error *error)
{
    Worker *w = i->worker;
    fnvm_error *said = NULL;
    if (i->stop == STOP_TIMEOUT)
        said = fnvm_error_new(FNVM_E_LIMIT, "stopped after %llu ms, its `timeout`",
                              (unsigned long long)i->function->settings->timeout_ms);
    else if (!error && i->result)
        said = fnvm_error_new(FNVM_E_EXIT, "%s%s returned %d",
                              i->chained[0] ? "the function of its table at " : "",
                              i->chained[0] ? i->chained + 1 : "fnvm_handle", i->result);
    if (said || error)
        metrics_error(w->start.metrics, w->start.number, i->function->settings->slot, i->call_id,
                      said ? said : error);
    fnvm_error_free(said);
}

static void leave_place(Invocation *i)
{
    if (i->line_len) invocation_log(i, "\n", 1);
    if (i->tasks) calls_drop_all(i);
    if (i->place) {
        Place *p = i->place;
        i->memory_bytes = p->has_memory ? fnvm_memory_size(p->store, p->memory) : 0;
        i->place = NULL;
        function_give(p);
    }
    if (i->admitted) admission_leave(i);
}

/* The guest has ended: `error`, which is freed, or well. */
static void conclude(Invocation *i, fnvm_error *error)
{
    Worker *w = i->worker;
    i->phase = PHASE_ENDING;
    timer_clear(&w->timers, &i->sleep);
    if (i->started) i->guest_ns = loop_now(w->loop) - i->entered_ns;
    const bool exited = error && fnvm_error_code(error) == FNVM_E_EXIT;
    bool well =
        !i->stop && (exited ? fnvm_error_exit_status(error) == 0 : !error && i->result == 0);
    if (well && i->function->settings->protocol == PROTOCOL_FAASM) {
        fnvm_error_free(error);
        error = output_take(i);
        well = !error;
    }
    if (!well && i->stop != STOP_CUT && i->stop != STOP_DROPPED) note_error(i, error);
    leave_place(i);
    if (well) output_finish(i);
    else refuse_failed(i, error);
    fnvm_error_free(error);
    invocation_end(i);
    if (w->waiting) admission_next(w);
}

void invocation_stop(Invocation *i, Stop why)
{
    if (i->phase == PHASE_ENDED) { /* only its answer is on its way */
        if (i->request && i->begun && !i->finished) {
            i->finished = true;
            i->outcome = why == STOP_TIMEOUT ? OUTCOME_TIMEOUT : OUTCOME_CUT;
            http_abort(i->request);
        }
        return;
    }
    if (!i->stop) i->stop = why;
    switch (i->phase) {
    case PHASE_RUNNING:
        i->place->interrupted = true;
        fnvm_store_interrupt(i->place->store);
        return;
    case PHASE_QUEUED: admission_unqueue(i); break;
    case PHASE_READY: loop_remove(i->worker->loop, &i->job); break;
    case PHASE_ENDING: return;
    default: break;
    }
    if (i->started) fnvm_store_abandon(i->place->store);
    conclude(i, NULL);
}

/* ---- Running ---- */

static bool start(Invocation *i)
{
    if (i->collects) { /* not before: what is kept of bodies is bounded by `concurrency` */
        i->phase = PHASE_COLLECTING;
        async_collect(i);
        return false;
    }
    const uint64_t before = loop_now(i->worker->loop);
    fnvm_error *error = function_take(i->function, &i->place, &i->start);
    if (!error) error = place_prepare(i->place, i);
    if (error) {
        i->start = START_KINDS;
        conclude(i, error);
        return false;
    }
    i->entered_ns = loop_clock(i->worker->loop);
    i->start_ns = i->entered_ns - before;
    return true;
}

static fnvm_error *call_guest(Invocation *i)
{
    const Place *p = i->place;
    const bool goes_on = i->started || p->function->suspended, chained = i->chained[0] != 0;
    const size_t nresults = chained ? 1 : p->nresults;
    fnvm_extern func = p->start;
    fnvm_val value = {.kind = FNVM_I32};
    fnvm_slot slot = {0};
    fnvm_error *error = NULL;
    i->started = true;
    if (chained && !goes_on)
        error = fnvm_services_chained(p->main, i->chained, strlen(i->chained), &func);
    if (goes_on) error = fnvm_store_resume(p->store, nresults ? &value : NULL, nresults);
    else if (!error) error = fnvm_func_call_slots(p->store, func, &slot);
    if (nresults) i->result = goes_on ? value.of.i32 : (int32_t)slot.i32;
    return error;
}

static bool exited_well(const fnvm_error *error)
{
    return fnvm_error_code(error) == FNVM_E_EXIT && fnvm_error_exit_status(error) == 0;
}

/* The guest, and then what it has left to be stored. */
static fnvm_error *call(Invocation *i)
{
    if (!i->storing) {
        fnvm_error *error = call_guest(i);
        if (i->function->settings->protocol != PROTOCOL_FAASM || i->result ||
            (error && !exited_well(error)))
            return error;
        fnvm_error_free(error);
        i->storing = true;
    }
    return place_finish(i->place);
}

/* It waits in a host function, or for the store. */
static void suspended(Invocation *i)
{
    i->phase = PHASE_WAITING;
    if (i->stop) {
        fnvm_store_abandon(i->place->store);
        conclude(i, NULL);
    } else if (i->woken) {
        invocation_wake(i);
    } else {
        output_flush(i);
    }
}

void invocation_run(Invocation *i, Runner *runner)
{
    if (!i->place && !start(i)) return;
    i->phase = PHASE_RUNNING;
    i->woken = false;
    i->runner = runner;
    Opened *o = i->function;
    runner_enter(runner, o->long_runs >= TUNE_LONG_RUNS);
    fnvm_error *error = call(i);
    if (!runner_leave(runner)) o->long_runs -= o->long_runs > 0;
    loop_clock(i->worker->loop);
    if (error && fnvm_error_code(error) == FNVM_E_SUSPENDED) suspended(i);
    else conclude(i, error);
}

void invocation_collected(Invocation *i)
{
    i->collects = false;
    i->phase = PHASE_READY;
    loop_add(i->worker->loop, &i->job);
}

void invocation_away(Invocation *i)
{
    Opened *o = i->function;
    o->long_runs += o->long_runs < TUNE_LONG_RUNS_MOST;
    if (i->phase == PHASE_RUNNING) output_flush(i);
}

void invocation_wake(Invocation *i)
{
    if (i->phase == PHASE_RUNNING) i->woken = true;
    if (i->phase == PHASE_ENDED && i->begun) output_finish(i);
    if (i->phase != PHASE_WAITING) return;
    timer_clear(&i->worker->timers, &i->sleep);
    i->phase = PHASE_READY;
    loop_add(i->worker->loop, &i->job);
}

/* ---- Its input ---- */

fnvm_error *invocation_read(Invocation *i, fnvm_caller *caller, void *to, size_t size, size_t *done)
{
    *done = 0;
    if (i->stop || (i->asker == ASKED_BY_HTTP && !i->request))
        return fnvm_error_new(FNVM_E_IO, "the request is gone");
    if (i->input_left) {
        *done = size < i->input_left ? size : i->input_left;
        memcpy(to, i->input, *done);
        i->input += *done;
        i->input_left -= *done;
        return NULL;
    }
    if (i->asker != ASKED_BY_HTTP) {
        *done = size < i->body.len - i->body_at ? size : i->body.len - i->body_at;
        if (*done) memcpy(to, i->body.at + i->body_at, *done);
        i->body_at += *done;
        i->bytes_in += *done;
        return NULL;
    }
    switch (http_read(i->request, to, size, done)) {
    case HTTP_READ_SOME: i->bytes_in += *done; return NULL;
    case HTTP_READ_END: return NULL;
    case HTTP_READ_LATER: return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    case HTTP_READ_FAILED: break;
    }
    if (!i->stop) i->stop = STOP_CUT;
    return fnvm_error_new(FNVM_E_IO, "the request was broken off");
}

/* ---- Its log ---- */

void invocation_log_line(Invocation *i, const char *line, size_t len)
{
    Worker *w = i->worker;
    const Function *f = i->function->settings;
    const uint64_t left = f->log_bytes > i->log_used ? f->log_bytes - i->log_used : 0;
    const size_t kept = len < left ? len : (size_t)left;
    i->log_used += len + 1;
    if (kept < len) metrics_log_dropped(w->start.metrics, w->start.number, f->slot, len - kept);
    if (left && (kept || !len))
        metrics_log(w->start.metrics, w->start.number, f->slot, i->call_id, line, kept);
    if ((left && kept == len) || i->log_full) return; /* empty lines count, too */
    static const char said[] = "(what it logs beyond `log_bytes` is dropped)";
    i->log_full = true;
    metrics_log(w->start.metrics, w->start.number, f->slot, i->call_id, said, sizeof said - 1);
}

void invocation_log(Invocation *i, const char *bytes, size_t len)
{
    while (len) {
        if (i->log_full) {
            metrics_log_dropped(i->worker->start.metrics, i->worker->start.number,
                                i->function->settings->slot, len);
            i->line_len = 0;
            return;
        }
        const size_t room = sizeof i->line - i->line_len;
        const char *end = memchr(bytes, '\n', len < room + 1 ? len : room + 1);
        size_t piece = end ? (size_t)(end - bytes) : len;
        const bool cut = piece > room;
        if (cut) piece = room;
        memcpy(i->line + i->line_len, bytes, piece);
        i->line_len += piece;
        const bool whole = (end && !cut) || i->line_len == sizeof i->line;
        const size_t used = piece + (end && !cut ? 1 : 0);
        bytes += used;
        len -= used;
        if (!whole) continue;
        invocation_log_line(i, i->line, i->line_len);
        i->line_len = 0;
    }
}
