/* One thread drives curl's multi interface and the lookups of names.  Requests are made by whoever
 * starts them and wait in their sender's queue; the thread takes them from there in turn, and alone
 * touches curl's handles from then on.  A request ends in the thread, which sets its status and
 * tells those who wait; it is freed when both the thread and the guest have let go of it. */
#include "gateway/http_outbound.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/http_exchange.h"

enum { BUCKETS = 256, POLL_MS = 1000, TICK_MS = 100 /* while deadlines are to be looked at */ };
enum { WAIT_NS = 50000000 }; /* between two looks at the interrupt of a guest whose thread waits */
enum { IDLE_CONNECTIONS = 16 /* kept for a sender's next requests */ };

struct HttpSender {
    HttpSender *next;
    HttpOutbound *owner;
    CURLSH *share; /* its connections */
    /* With the lock: */
    Exchange *first, **last; /* those that wait */
    uint32_t open;           /* until they are dropped */
    uint32_t running;        /* names that are looked up included */
    uint64_t bytes;
    bool closed; /* freed by the thread when none runs */
};

struct HttpOutbound {
    HttpOutboundOptions options;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t mutex; /* of all below, and what exchanges and senders say that it is of */
    pthread_cond_t ended;
    Exchange *buckets[BUCKETS];
    HttpSender *senders; /* the first is the next to be served */
    int64_t last_id;
    uint64_t bytes;
    uint32_t waiting, running;
    uint32_t dropping; /* of those that run, dropped */
    bool started; /* the thread */
    bool stop;
    /* The thread's: */
    Exchange *looking;
    struct curl_waitfd *sockets; /* of lookups */
    size_t room;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- Requests ---- */

static Exchange **find(HttpOutbound *o, int64_t id)
{
    Exchange **at = &o->buckets[(uint64_t)id % BUCKETS];
    while (*at && (*at)->id != id) at = &(*at)->next;
    return at;
}

/* Those below with the lock. */

static void forget(HttpOutbound *o, Exchange *r)
{
    Exchange **at = find(o, r->id);
    if (*at == r) *at = r->next;
    o->bytes -= r->charged;
    r->sender->bytes -= r->charged;
    r->charged = 0;
}

static void unqueue(HttpOutbound *o, Exchange *r)
{
    HttpSender *s = r->sender;
    Exchange **at = &s->first;
    while (*at != r) at = &(*at)->queue;
    *at = r->queue;
    if (!r->queue) s->last = at;
    r->queued = false;
    o->waiting--;
}

/* ---- Shares, with the lock ---- */

const HttpOutboundOptions *sender_options(const HttpSender *s) { return &s->owner->options; }
CURLSH *sender_share(const HttpSender *s) { return s->share; }

static bool charge(HttpOutbound *o, Exchange *r, size_t bytes)
{
    HttpSender *s = r->sender;
    const uint64_t left = o->options.held_bytes - (o->bytes - s->bytes);
    if (bytes > left / 2 || s->bytes > left / 2 - bytes) return false;
    o->bytes += bytes;
    s->bytes += bytes;
    r->charged += bytes;
    return true;
}

bool exchange_charge(Exchange *r, size_t bytes)
{
    HttpOutbound *o = r->sender->owner;
    pthread_mutex_lock(&o->mutex);
    const bool may = charge(o, r, bytes);
    pthread_mutex_unlock(&o->mutex);
    return may;
}

static bool has_turn(const HttpOutbound *o, const HttpSender *s)
{
    const uint32_t left = o->options.concurrent - o->running;
    return s->first && left > 0 && (s->running == 0 || s->running < left / 4);
}

/* The next of all that wait; its sender goes to the end. */
static Exchange *take_turn(HttpOutbound *o)
{
    HttpSender **at = &o->senders;
    while (*at && !has_turn(o, *at)) at = &(*at)->next;
    HttpSender *s = *at;
    if (!s) return NULL;
    Exchange *r = s->first;
    unqueue(o, r);
    s->running++;
    o->running++;
    *at = s->next;
    s->next = NULL;
    while (*at) at = &(*at)->next;
    *at = s;
    return r;
}

/* ---- The thread: ends ---- */

/* Tells those who wait; it is freed if nobody does. */
static void settle(HttpOutbound *o, Exchange *r, int status)
{
    const int64_t id = r->id;
    pthread_mutex_lock(&o->mutex);
    r->status = status;
    r->stage = STAGE_ENDED;
    o->running--;
    r->sender->running--;
    const bool dropped = r->dropped;
    o->dropping -= dropped;
    if (dropped) forget(o, r);
    pthread_cond_broadcast(&o->ended);
    pthread_mutex_unlock(&o->mutex);
    if (dropped) exchange_free(r);
    else if (o->options.done) o->options.done(o->options.done_env, id);
}

static void let_go(HttpOutbound *o, Exchange *r)
{
    if (r->stage == STAGE_RUNNING) curl_multi_remove_handle(o->multi, r->curl);
    curl_easy_cleanup(r->curl);
    r->curl = NULL;
    lookup_free(r->lookup);
    r->lookup = NULL;
}

static void end(HttpOutbound *o, Exchange *r, int status)
{
    let_go(o, r);
    settle(o, r, status);
}

/* Only the thread goes on from stage to stage, but others look at where it is. */
static void set_stage(HttpOutbound *o, Exchange *r, Stage stage)
{
    pthread_mutex_lock(&o->mutex);
    r->stage = stage;
    pthread_mutex_unlock(&o->mutex);
}

/* ---- The thread: from stage to stage ---- */

static void send_it(HttpOutbound *o, Exchange *r)
{
    const bool aimed = exchange_aim(r, now_ns());
    lookup_free(r->lookup);
    r->lookup = NULL;
    if (aimed && curl_multi_add_handle(o->multi, r->curl) == CURLM_OK)
        set_stage(o, r, STAGE_RUNNING);
    else end(o, r, FNVM_SERVICE_UNAVAILABLE);
}

/* All addresses that it leads to have to be allowed, or it leads to none. */
static void looked_up(HttpOutbound *o, Exchange *r)
{
    const size_t n = lookup_count(r->lookup);
    bool allowed = true;
    for (size_t i = 0; i < n; i++)
        allowed = allowed && exchange_may_reach(r, lookup_address(r->lookup, i));
    if (n && allowed) send_it(o, r);
    else end(o, r, n ? FNVM_SERVICE_DENIED : FNVM_SERVICE_UNAVAILABLE);
}

static void begin(HttpOutbound *o, Exchange *r)
{
    if (r->peer != PEER_NAME) {
        send_it(o, r);
        return;
    }
    r->lookup = lookup_start(r->host);
    if (!r->lookup) {
        end(o, r, FNVM_SERVICE_UNAVAILABLE);
        return;
    }
    r->looks_until_ns = now_ns() + o->options.connect_ms * UINT64_C(1000000);
    if (r->looks_until_ns > r->ends_ns) r->looks_until_ns = r->ends_ns;
    set_stage(o, r, STAGE_LOOKING);
    r->queue = o->looking;
    o->looking = r;
}

static void take_turns(HttpOutbound *o)
{
    for (;;) {
        pthread_mutex_lock(&o->mutex);
        Exchange *r = take_turn(o);
        pthread_mutex_unlock(&o->mutex);
        if (!r) return;
        if (r->ends_ns <= now_ns()) end(o, r, FNVM_SERVICE_TIMEOUT);
        else begin(o, r);
    }
}

/* One that has waited too long for its turn; it counts as running from now. */
static Exchange *take_late(HttpOutbound *o, uint64_t now)
{
    Exchange *late = NULL;
    pthread_mutex_lock(&o->mutex);
    for (HttpSender *s = o->senders; s && !late && o->waiting; s = s->next)
        if (s->first && s->first->ends_ns <= now) { /* the first is the oldest */
            late = s->first;
            unqueue(o, late);
            s->running++;
            o->running++;
        }
    pthread_mutex_unlock(&o->mutex);
    return late;
}

static void end_late(HttpOutbound *o)
{
    const uint64_t now = now_ns();
    for (Exchange *r; (r = take_late(o, now));) end(o, r, FNVM_SERVICE_TIMEOUT);
}

/* Lookups take what has come, and go on, or end. */
static void run_lookups(HttpOutbound *o)
{
    Exchange **at = &o->looking;
    const uint64_t now = now_ns();
    while (*at) {
        Exchange *r = *at;
        lookup_run(r->lookup, o->sockets + r->first_socket, r->nsockets);
        r->nsockets = 0;
        const bool late = now >= r->looks_until_ns;
        if (!lookup_ended(r->lookup) && !late) {
            at = &r->queue;
            continue;
        }
        *at = r->queue;
        if (lookup_ended(r->lookup)) looked_up(o, r);
        else end(o, r, FNVM_SERVICE_TIMEOUT);
    }
}

static void stop_looking(HttpOutbound *o, const Exchange *r)
{
    Exchange **at = &o->looking;
    while (*at && *at != r) at = &(*at)->queue;
    if (*at) *at = r->queue;
}

/* Those that nobody wants any more end. */
static void take_dropped(HttpOutbound *o)
{
    for (;;) {
        Exchange *dropped = NULL;
        pthread_mutex_lock(&o->mutex);
        for (size_t i = 0; o->dropping && i < BUCKETS && !dropped; i++)
            for (Exchange *r = o->buckets[i]; r && !dropped; r = r->next)
                if (r->dropped) dropped = r;
        pthread_mutex_unlock(&o->mutex);
        if (!dropped) return;
        stop_looking(o, dropped);
        end(o, dropped, FNVM_SERVICE_UNAVAILABLE);
    }
}

static void take_ended(HttpOutbound *o)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(o->multi, &left));) {
        Exchange *r = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        end(o, r, exchange_status(r, code));
    }
}

static void sender_destroy(HttpSender *s)
{
    curl_share_cleanup(s->share);
    free(s);
}

static void take_closed(HttpOutbound *o)
{
    HttpSender *closed = NULL;
    pthread_mutex_lock(&o->mutex);
    for (HttpSender **at = &o->senders; *at;) {
        HttpSender *s = *at;
        if (!s->closed || s->running) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->next = closed;
        closed = s;
    }
    pthread_mutex_unlock(&o->mutex);
    while (closed) {
        HttpSender *s = closed;
        closed = s->next;
        sender_destroy(s);
    }
}

/* ---- The thread: waiting ---- */

static bool room_for(HttpOutbound *o, size_t n)
{
    if (n <= o->room) return true;
    struct curl_waitfd *more = realloc(o->sockets, 2 * n * sizeof *more);
    if (!more) return false;
    o->sockets = more;
    o->room = 2 * n;
    return true;
}

static void wait_for_events(HttpOutbound *o)
{
    size_t n = 0;
    int most = POLL_MS;
    for (Exchange *r = o->looking; r; r = r->queue) {
        most = lookup_timeout_ms(r->lookup, most < TICK_MS ? most : TICK_MS);
        r->nsockets = 0;
        if (!room_for(o, n + LOOKUP_SOCKETS)) continue; /* it is looked at in a moment */
        r->first_socket = n;
        r->nsockets = lookup_sockets(r->lookup, o->sockets + n);
        n += r->nsockets;
    }
    pthread_mutex_lock(&o->mutex);
    if (o->waiting && most > TICK_MS) most = TICK_MS;
    pthread_mutex_unlock(&o->mutex);
    curl_multi_poll(o->multi, o->sockets, (unsigned)n, most, NULL);
}

static void *work(void *env)
{
    HttpOutbound *o = env;
    for (;;) {
        int running;
        pthread_mutex_lock(&o->mutex);
        const bool stop = o->stop;
        pthread_mutex_unlock(&o->mutex);
        if (stop) return NULL;
        take_dropped(o);
        run_lookups(o);
        end_late(o);
        take_turns(o);
        curl_multi_perform(o->multi, &running);
        take_ended(o);
        take_closed(o);
        take_turns(o);
        wait_for_events(o);
    }
}

/* ---- The backend ---- */

/* With the lock.  The first who asks starts the thread, which so may do what he may. */
static bool has_thread(HttpOutbound *o)
{
    if (!o->started && !o->stop) o->started = pthread_create(&o->thread, NULL, work, o) == 0;
    return o->started;
}

static void enqueue(HttpOutbound *o, Exchange *r)
{
    HttpSender *s = r->sender;
    r->id = ++o->last_id;
    r->ends_ns = now_ns() + o->options.total_ms * UINT64_C(1000000);
    Exchange **bucket = &o->buckets[(uint64_t)r->id % BUCKETS];
    r->next = *bucket;
    *bucket = r;
    r->queue = NULL;
    *s->last = r;
    s->last = &r->queue;
    r->queued = true;
    o->waiting++;
}

static int64_t start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                     const void *input, size_t len)
{
    HttpSender *s = env;
    HttpOutbound *o = s->owner;
    (void)caller;
    pthread_mutex_lock(&o->mutex);
    const bool full = s->open >= o->options.open, served = has_thread(o);
    if (!full && served) s->open++;
    pthread_mutex_unlock(&o->mutex);
    if (full) return FNVM_SERVICE_LIMIT;
    if (!served) return FNVM_SERVICE_UNAVAILABLE;
    Exchange *r = exchange_new(s, &o->options, name, name_len, input, len);
    int64_t id = FNVM_SERVICE_UNAVAILABLE;
    pthread_mutex_lock(&o->mutex);
    if (r && charge(o, r, r->body_len)) {
        enqueue(o, r);
        id = r->id;
    } else {
        if (r) id = FNVM_SERVICE_LIMIT;
        s->open--;
    }
    pthread_mutex_unlock(&o->mutex);
    if (id > 0) curl_multi_wakeup(o->multi);
    else exchange_free(r);
    return id;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* With the lock; until it has ended, the time is up, or the guest is interrupted. */
static void wait_here(HttpOutbound *o, const Exchange *r, fnvm_caller *caller, uint64_t deadline_ns)
{
    while (r->stage != STAGE_ENDED && !(caller && fnvm_caller_interrupted(caller))) {
        const uint64_t now = now_ns();
        if (now >= deadline_ns) return;
        const struct timespec until =
            timespec_of(deadline_ns - now < WAIT_NS ? deadline_ns : now + WAIT_NS);
        pthread_cond_timedwait(&o->ended, &o->mutex, &until);
    }
}

static bool poll_one(void *env, fnvm_caller *caller, int64_t id, bool wait, uint64_t deadline_ns,
                     int *status, const void **answer, size_t *len, fnvm_error **error)
{
    HttpOutbound *o = ((HttpSender *)env)->owner;
    pthread_mutex_lock(&o->mutex);
    const Exchange *r = *find(o, id);
    if (r && wait && !o->options.wait) wait_here(o, r, caller, deadline_ns);
    const bool ended = !r || r->stage == STAGE_ENDED;
    if (ended) *status = r ? r->status : FNVM_SERVICE_INVALID;
    if (ended && r && r->status == FNVM_SERVICE_OK) {
        *answer = r->answer;
        *len = r->len;
    }
    if (!ended && wait && o->options.wait) /* with the lock: `done` comes behind it */
        *error = o->options.wait(o->options.wait_env, caller, id, deadline_ns);
    pthread_mutex_unlock(&o->mutex);
    return ended;
}

static void drop(void *env, int64_t id)
{
    HttpSender *s = env;
    HttpOutbound *o = s->owner;
    pthread_mutex_lock(&o->mutex);
    Exchange *r = *find(o, id), *unused = r;
    if (r) s->open--;
    if (r && r->queued) {
        unqueue(o, r);
        forget(o, r);
    } else if (r && r->stage == STAGE_ENDED) {
        forget(o, r);
    } else if (r) {
        r->dropped = true;
        o->dropping++;
        unused = NULL;
    }
    pthread_mutex_unlock(&o->mutex);
    exchange_free(unused);
    if (r && !unused) curl_multi_wakeup(o->multi);
}

void http_sender_backend(HttpSender *s, fnvm_task_backend *out)
{
    *out = (fnvm_task_backend){s, start, poll_one, drop};
}

/* ---- Life ---- */

fnvm_error *http_sender_new(HttpOutbound *o, HttpSender **out)
{
    HttpSender *s = *out = calloc(1, sizeof *s);
    if (s) s->share = curl_share_init();
    if (!s || !s->share ||
        curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        if (s && s->share) curl_share_cleanup(s->share);
        free(s);
        *out = NULL;
        return fnvm_error_new(FNVM_E_MEMORY, "no memory for a function's requests");
    }
    s->owner = o;
    s->last = &s->first;
    pthread_mutex_lock(&o->mutex);
    s->next = o->senders;
    o->senders = s;
    pthread_mutex_unlock(&o->mutex);
    return NULL;
}

void http_sender_free(HttpSender *s)
{
    if (!s) return;
    HttpOutbound *o = s->owner;
    pthread_mutex_lock(&o->mutex);
    s->closed = true;
    const bool started = o->started;
    pthread_mutex_unlock(&o->mutex);
    if (started) curl_multi_wakeup(o->multi); /* it is the thread's now, or http_outbound_free's */
    else take_closed(o);
}

static void set_defaults(HttpOutboundOptions *o)
{
    if (!o->concurrent) o->concurrent = 256;
    if (!o->open) o->open = 256;
    if (!o->held_bytes) o->held_bytes = 512 << 20;
    if (!o->answer_bytes) o->answer_bytes = 8 << 20;
    if (!o->connect_ms) o->connect_ms = 5000;
    if (!o->total_ms) o->total_ms = 30000;
}

static void destroy(HttpOutbound *o)
{
    if (o->multi) curl_multi_cleanup(o->multi);
    pthread_cond_destroy(&o->ended);
    pthread_mutex_destroy(&o->mutex);
    free(o->sockets);
    free(o);
    names_end();
}

fnvm_error *http_outbound_new(const HttpOutboundOptions *options, HttpOutbound **out)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fnvm_error_new(FNVM_E_IO, "libcurl cannot be started");
    HttpOutbound *o = names_begin() ? calloc(1, sizeof *o) : NULL;
    pthread_condattr_t clock;
    if (!o) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    if (options) o->options = *options;
    set_defaults(&o->options);
    pthread_condattr_init(&clock); /* none of these can fail on Linux */
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->ended, &clock);
    pthread_condattr_destroy(&clock);
    o->multi = curl_multi_init();
    if (o->multi) curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    if (!o->multi) {
        destroy(o);
        return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    }
    *out = o;
    return NULL;
}

void http_outbound_stop(HttpOutbound *o)
{
    if (!o) return;
    pthread_mutex_lock(&o->mutex);
    const bool ends = o->started && !o->stop;
    o->stop = true;
    pthread_mutex_unlock(&o->mutex);
    if (!ends) return;
    curl_multi_wakeup(o->multi);
    pthread_join(o->thread, NULL);
}

void http_outbound_free(HttpOutbound *o)
{
    if (!o) return;
    http_outbound_stop(o);
    for (size_t i = 0; i < BUCKETS; i++)
        for (Exchange *r = o->buckets[i], *next; r; r = next) {
            next = r->next;
            if (r->curl) let_go(o, r);
            exchange_free(r);
        }
    for (HttpSender *s = o->senders, *next; s; s = next) {
        next = s->next;
        sender_destroy(s);
    }
    destroy(o);
}
