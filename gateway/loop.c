/* Leader and follower.  Each thread has one word, `hold`: whether it holds the token, lends it
 * to the guest that it runs, or has lost it.  Lending and taking back are one atomic operation
 * each and no system call; the follower takes a lent token by the same.  A thread that has lost
 * the token waits for it under the mutex like any other.  The follower ticks while guests run
 * and sleeps while none do.
 *
 * Roles change under the mutex, which is a leaf: nothing is called with it.  There is always a
 * leader.  Where no thread is left to follow, the leader runs no guests: they stay queued until
 * one of the threads comes back.
 *
 * A thread whose guest has lost the loop gets less of the processor than the loop, and ends with
 * its guest. */
#include "gateway/loop.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gateway/tunables.h"

/* runner->hold: a number that counts guests' runs, times 4, and one of these. */
enum { HOLD_OWN, HOLD_LENT, HOLD_LOST, HOLD_MASK = 3, HOLD_NEXT = 4 };

enum { SLEEP_NOT, SLEEP_TICK, SLEEP_DEEP };

struct Runner {
    Loop *loop;
    _Atomic uint64_t hold;
    bool lost;   /* it runs a guest without the token, or has come back from that */
    bool slowed; /* by `nice`, for which there is no way back: its thread ends with its guest */
    bool wanted; /* it is to follow */
    pthread_cond_t called; /* parked: it is wanted, or the loop stops */
    Runner *next;          /* parked */
    pthread_t thread;
    pid_t tid;
    enum { RUNNER_NONE, RUNNER_LIVE, RUNNER_FINISHED } state; /* finished: to be joined */
};

struct Loop {
    LoopUser user;
    pthread_mutex_t mutex;
    /* Under the mutex: */
    pthread_cond_t given;
    bool held; /* the token; also while it is granted, but not yet taken */
    uint32_t grants;
    Runner *parked;
    _Atomic(Runner *) leader, follower;
    _Atomic uint32_t waiting; /* for the token */
    _Atomic bool stop;
    _Atomic uint32_t sleep; /* the follower's, one of SLEEP_* */
    _Atomic bool hurry;     /* it is to take the next guest's loop without a second look */
    /* With the token: */
    bool polling;
    LoopJob *first, **last;
    LoopJob *running; /* by the leader */
    uint64_t now;
    int slow_nice;
    Runner runners[TUNE_THREADS]; /* the first is who called loop_run */
};

/* ---- The token ---- */

static void token_take(Loop *l)
{
    pthread_mutex_lock(&l->mutex);
    if (l->held) {
        atomic_fetch_add(&l->waiting, 1);
        while (!l->grants) pthread_cond_wait(&l->given, &l->mutex);
        l->grants--;
        atomic_fetch_sub(&l->waiting, 1);
    }
    l->held = true;
    pthread_mutex_unlock(&l->mutex);
}

/* Who waits is given it, and cannot be overtaken by the one who gives. */
static void token_give(Loop *l)
{
    pthread_mutex_lock(&l->mutex);
    if (atomic_load(&l->waiting) > l->grants) {
        l->grants++;
        pthread_cond_signal(&l->given);
    } else {
        l->held = false;
    }
    pthread_mutex_unlock(&l->mutex);
}

static void wake_leader(Loop *l)
{
    if (!l->polling) return;
    l->polling = false; /* once is enough */
    l->user.wake(l->user.env);
}

void loop_take(Loop *l) { token_take(l); }

void loop_give(Loop *l)
{
    wake_leader(l);
    token_give(l);
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *most)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, most, NULL, 0);
}

static void wake_follower(Loop *l)
{
    if (atomic_exchange(&l->sleep, SLEEP_NOT))
        syscall(SYS_futex, &l->sleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* `least`: how soundly the follower may sleep without being woken. */
static void lend(Runner *r, uint64_t run, uint32_t least)
{
    /* Before `sleep` is read: the follower writes that and then reads this. */
    atomic_store(&r->hold, run | HOLD_LENT);
    if (atomic_load(&r->loop->sleep) >= least) wake_follower(r->loop);
}

void runner_enter(Runner *r, bool long_one)
{
    const uint64_t run =
        (atomic_load_explicit(&r->hold, memory_order_relaxed) & ~UINT64_C(3)) + HOLD_NEXT;
    r->lost = false;
    if (long_one) atomic_store(&r->loop->hurry, true);
    lend(r, run, long_one ? SLEEP_TICK : SLEEP_DEEP);
}

/* False: another has taken it. */
static bool take_back(Runner *r)
{
    uint64_t lent = atomic_load_explicit(&r->hold, memory_order_relaxed);
    return (lent & HOLD_MASK) == HOLD_LENT &&
           atomic_compare_exchange_strong(&r->hold, &lent, lent & ~UINT64_C(3));
}

bool runner_leave(Runner *r)
{
    if (take_back(r)) return false;
    token_take(r->loop);
    r->lost = true;
    return true;
}

void runner_pin(Runner *r)
{
    if (!take_back(r)) token_take(r->loop);
}

void runner_unpin(Runner *r)
{
    const uint64_t hold = atomic_load_explicit(&r->hold, memory_order_relaxed);
    if ((hold & HOLD_MASK) == HOLD_LOST) {
        wake_leader(r->loop);
        token_give(r->loop);
    } else {
        lend(r, hold, SLEEP_DEEP); /* the follower may have gone to sleep meanwhile */
    }
}

/* ---- Jobs ---- */

void loop_add(Loop *l, LoopJob *job)
{
    if (job->queued) return;
    job->queued = true;
    job->next = NULL;
    *l->last = job;
    l->last = &job->next;
}

void loop_remove(Loop *l, LoopJob *job)
{
    if (!job->queued) return;
    LoopJob **at = &l->first;
    while (*at != job) at = &(*at)->next;
    *at = job->next;
    if (!job->next) l->last = at;
    job->queued = false;
}

static LoopJob *take_job(Loop *l)
{
    LoopJob *job = l->first;
    l->first = job->next;
    if (!l->first) l->last = &l->first;
    job->queued = false;
    return job;
}

uint64_t loop_now(const Loop *l) { return l->now; }

uint64_t loop_clock(Loop *l)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    l->now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    return l->now;
}

/* ---- Roles ---- */

static void *runner_main(void *runner);

static Runner *free_runner(Loop *l)
{
    for (Runner *r = l->runners; r < l->runners + TUNE_THREADS; r++) {
        if (r->state == RUNNER_LIVE) continue;
        if (r->state == RUNNER_FINISHED) {
            pthread_join(r->thread, NULL); /* it has nothing to do any more */
            pthread_cond_destroy(&r->called);
        }
        r->state = RUNNER_NONE;
        return r;
    }
    return NULL;
}

/* Under the mutex. */
static bool make_follower(Loop *l)
{
    Runner *r = free_runner(l);
    if (!r) return false;
    *r = (Runner){.loop = l, .wanted = true, .state = RUNNER_LIVE};
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setstacksize(&attributes, TUNE_THREAD_STACK);
    pthread_cond_init(&r->called, NULL);
    atomic_store(&l->follower, r);
    const bool made = pthread_create(&r->thread, &attributes, runner_main, r) == 0;
    pthread_attr_destroy(&attributes);
    if (!made) {
        atomic_store(&l->follower, NULL);
        pthread_cond_destroy(&r->called);
        r->state = RUNNER_NONE;
    }
    return made;
}

/* A thread to look on: one that is parked, or a new one.  False: none. */
static bool have_follower(Loop *l)
{
    if (atomic_load_explicit(&l->follower, memory_order_relaxed)) return true;
    pthread_mutex_lock(&l->mutex);
    bool have = atomic_load(&l->follower) != NULL;
    Runner *r = l->parked;
    if (!have && r) {
        l->parked = r->next;
        r->wanted = have = true;
        atomic_store(&l->follower, r);
        pthread_cond_signal(&r->called);
    } else if (!have) {
        have = make_follower(l);
    }
    pthread_mutex_unlock(&l->mutex);
    return have;
}

/* Takes the lead from one whose guest is too long at it. */
static bool take_over(Loop *l, Runner *r, Runner *leader, uint64_t run)
{
    for (int tries = 0; tries < 1000; tries++) { /* it may be pinned just now */
        uint64_t lent = run | HOLD_LENT;
        if (!atomic_compare_exchange_strong(&leader->hold, &lent, run | HOLD_LOST)) {
            if ((lent & ~UINT64_C(3)) != run) return false;
            continue;
        }
        atomic_store(&l->leader, r); /* we hold the token now */
        leader->slowed = setpriority(PRIO_PROCESS, (id_t)leader->tid, l->slow_nice) == 0;
        atomic_store(&l->follower, NULL);
        atomic_store(&l->hurry, false);
        loop_clock(l);
        l->user.away(l->user.env, l->running);
        return true;
    }
    return false;
}

static bool lends(uint64_t hold) { return (hold & HOLD_MASK) == HOLD_LENT; }

/* Until the time is up (NULL: for ever) or it is woken; not at all if something has happened
 * since `before`. */
static void sleep_a_while(Loop *l, uint32_t how, uint64_t before, const struct timespec *most)
{
    atomic_store(&l->sleep, how);
    const uint64_t hold = atomic_load(&atomic_load(&l->leader)->hold);
    const bool news = (how == SLEEP_DEEP && hold != before) || atomic_load(&l->hurry);
    if (!news && !atomic_load(&l->stop)) futex_wait(&l->sleep, how, most);
    atomic_store(&l->sleep, SLEEP_NOT);
}

/* Looks on.  True: it leads now.  False: the loop stops. */
static bool follow(Loop *l, Runner *r)
{
    const struct timespec soon = {.tv_nsec = TUNE_TICK_NS}, later = {.tv_nsec = TUNE_FIRST_TICK_NS};
    uint64_t before = 0;
    unsigned idle = 0;
    while (!atomic_load(&l->stop)) {
        Runner *leader = atomic_load(&l->leader);
        const bool hurry = atomic_exchange(&l->hurry, false);
        const uint64_t hold = atomic_load(&leader->hold);
        const bool unchanged = (hold | HOLD_MASK) == (before | HOLD_MASK);
        before = hold;
        idle = unchanged && !lends(hold) ? idle + 1 : 0;
        if ((unchanged || hurry) && lends(hold) && take_over(l, r, leader, hold & ~UINT64_C(3)))
            return true;
        if (idle < TUNE_IDLE_TICKS) {
            sleep_a_while(l, SLEEP_TICK, hold, lends(hold) ? &soon : &later);
        } else {
            sleep_a_while(l, SLEEP_DEEP, hold, NULL);
            idle = 0;
        }
    }
    return false;
}

/* Runs what is ready for a while.  False: the lead was lost. */
static bool run_jobs(Loop *l, Runner *r)
{
    const uint64_t began = l->now;
    while (l->first && have_follower(l)) {
        r->lost = false;
        l->running = take_job(l);
        l->user.run(l->user.env, l->running, r);
        if (r->lost) return false;
        if (l->now - began > TUNE_TURN_NS || atomic_load(&l->waiting)) break;
    }
    return true;
}

static void wait_for_events(Loop *l, bool at_all)
{
    struct pollfd fd = {.fd = l->user.fd, .events = POLLIN};
    const int most_ms = at_all ? l->user.timeout_ms(l->user.env) : 0;
    if (most_ms == 0 && !atomic_load(&l->waiting)) return;
    l->polling = most_ms != 0;
    token_give(l);
    if (most_ms != 0) poll(&fd, 1, most_ms);
    token_take(l);
    l->polling = false;
}

/* Comes with the token, and leaves with it: when the loop stops, or another leads.  Who takes
 * the lead over looks at the connections first: however many long guests are ready, others come
 * in between. */
static void lead(Loop *l, Runner *r)
{
    for (;;) {
        l->user.turn(l->user.env);
        if (atomic_load(&l->stop)) return;
        const bool nothing = !l->first || !have_follower(l);
        if (nothing) l->user.settle(l->user.env);
        else if (!run_jobs(l, r)) return;
        wait_for_events(l, nothing);
        loop_clock(l);
    }
}

/* What a thread does that leads no more, before it gives the token: so that the leader, once
 * woken, finds it. */
static void retire(Loop *l, Runner *r)
{
    pthread_mutex_lock(&l->mutex);
    if (r->slowed) {
        if (r != l->runners) r->state = RUNNER_FINISHED;
    } else if (!atomic_load(&l->follower)) {
        atomic_store(&l->follower, r);
        r->wanted = true;
    } else {
        r->next = l->parked;
        l->parked = r;
    }
    pthread_mutex_unlock(&l->mutex);
    loop_give(l);
}

/* Waits to be the follower.  False: the loop stops. */
static bool park(Loop *l, Runner *r)
{
    pthread_mutex_lock(&l->mutex);
    while (!r->wanted && !atomic_load(&l->stop)) pthread_cond_wait(&r->called, &l->mutex);
    r->wanted = false;
    pthread_mutex_unlock(&l->mutex);
    return !atomic_load(&l->stop);
}

/* A thread's life, but for its first turn at the lead. */
static void serve(Loop *l, Runner *r)
{
    while (!r->slowed && park(l, r) && follow(l, r)) {
        l->user.turn(
            l->user.env); /* before the next job, which may be as long as the one that was left */
        lead(l, r);
        retire(l, r);
    }
}

static void *runner_main(void *runner)
{
    Runner *r = runner;
    r->tid = gettid();
    serve(r->loop, r);
    return NULL;
}

/* ---- From outside ---- */

fnvm_error *loop_new(const LoopUser *user, Loop **out)
{
    Loop *l = calloc(1, sizeof *l);
    *out = l;
    if (!l) return fnvm_error_new(FNVM_E_MEMORY, "no memory for the event loop");
    l->user = *user;
    l->last = &l->first;
    l->slow_nice = getpriority(PRIO_PROCESS, 0) + TUNE_SLOW_NICE;
    pthread_mutex_init(&l->mutex, NULL); /* neither can fail with default attributes on Linux */
    pthread_cond_init(&l->given, NULL);
    return NULL;
}

void loop_run(Loop *l)
{
    Runner *r = &l->runners[0];
    *r = (Runner){.loop = l, .thread = pthread_self(), .tid = gettid(), .state = RUNNER_LIVE};
    pthread_cond_init(&r->called, NULL);
    atomic_store(&l->leader, r);
    token_take(l);
    loop_clock(l);
    lead(l, r);
    retire(l, r);
    serve(l, r);
    park(l, r);
    for (r = l->runners; r < l->runners + TUNE_THREADS; r++) {
        if (r->state == RUNNER_NONE) continue;
        if (r != l->runners) pthread_join(r->thread, NULL);
        pthread_cond_destroy(&r->called);
    }
}

void loop_stop(Loop *l)
{
    pthread_mutex_lock(&l->mutex);
    atomic_store(&l->stop, true);
    for (Runner *r = l->runners; r < l->runners + TUNE_THREADS; r++)
        if (r->state == RUNNER_LIVE) pthread_cond_signal(&r->called);
    pthread_mutex_unlock(&l->mutex);
    wake_follower(l);
    wake_leader(l);
}

void loop_free(Loop *l)
{
    if (!l) return;
    pthread_cond_destroy(&l->given);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}
