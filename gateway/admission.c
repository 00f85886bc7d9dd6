/* Places are counted over all workers, by metrics.h; who waits for one is in a list of its
 * function, here.  A place that is left in this worker goes to whoever waits first.  That
 * another worker has left one is found out by trying now and then. */
#include "gateway/worker_state.h"

static bool enter_tenant(const Opened *o)
{
    const Worker *w = o->worker;
    if (!o->tenant) return true;
    return metrics_tenant_enter(w->start.metrics, w->start.number, o->tenant_number,
                                o->tenant->concurrency, o->settings->memory_bytes,
                                o->tenant->memory_bytes);
}

bool admission_enter(Invocation *i)
{
    const Opened *o = i->function;
    const Worker *w = i->worker;
    const Function *f = o->settings;
    if (!metrics_enter(w->start.metrics, w->start.number, f->slot, f->concurrency)) return false;
    i->admitted = enter_tenant(o);
    if (!i->admitted) metrics_leave(w->start.metrics, w->start.number, f->slot);
    return i->admitted;
}

void admission_leave(Invocation *i)
{
    const Opened *o = i->function;
    const Worker *w = i->worker;
    metrics_leave(w->start.metrics, w->start.number, o->settings->slot);
    if (o->tenant)
        metrics_tenant_leave(w->start.metrics, w->start.number, o->tenant_number,
                             o->settings->memory_bytes);
    i->admitted = false;
}

static void note_waiting(Opened *o)
{
    Worker *w = o->worker;
    o->next_waiting = w->waiting;
    if (!w->waiting) timer_set(&w->timers, &w->retry, loop_now(w->loop) + TUNE_RETRY_NS);
    w->waiting = o;
}

static void forget_waiting(Opened *o)
{
    Opened **at = &o->worker->waiting;
    while (*at != o) at = &(*at)->next_waiting;
    *at = o->next_waiting;
    if (!o->worker->waiting) timer_clear(&o->worker->timers, &o->worker->retry);
}

bool admission_queue(Invocation *i)
{
    Opened *o = i->function;
    const Worker *w = i->worker;
    if (!metrics_queue(w->start.metrics, w->start.number, o->settings->slot, o->settings->queue))
        return false;
    i->phase = PHASE_QUEUED;
    i->next_queued = NULL;
    if (!o->first) {
        o->last = &o->first;
        note_waiting(o);
    }
    *o->last = i;
    o->last = &i->next_queued;
    return true;
}

static void unlink_queued(Invocation **at)
{
    Invocation *i = *at;
    Opened *o = i->function;
    *at = i->next_queued;
    if (o->last == &i->next_queued) o->last = at;
    metrics_unqueue(i->worker->start.metrics, i->worker->start.number, o->settings->slot);
}

void admission_unqueue(Invocation *i)
{
    Opened *o = i->function;
    Invocation **at = &o->first;
    while (*at != i) at = &(*at)->next_queued;
    unlink_queued(at);
    if (!o->first) forget_waiting(o);
}

void admission_next(Worker *w)
{
    for (Opened *o = w->waiting, *next; o; o = next) {
        next = o->next_waiting;
        while (o->first && admission_enter(o->first)) {
            Invocation *i = o->first;
            unlink_queued(&o->first);
            i->phase = PHASE_READY;
            loop_add(w->loop, &i->job);
        }
        if (!o->first) forget_waiting(o);
    }
}

void invocation_submit(Invocation *i)
{
    Opened *o = i->function;
    if (!o->first && admission_enter(i)) {
        i->phase = PHASE_READY;
        loop_add(i->worker->loop, &i->job);
    } else if (!admission_queue(i)) {
        invocation_refuse(i, OUTCOME_SHED, 429, "too many requests wait for this function");
        invocation_end(i);
    }
}
