/* The gateway's event loop: a job that runs on is left by its loop, whatever it did before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/loop.h"

typedef struct World {
    LoopJob job, other;
    Loop *loop;
    int fd, pinned_ms;
    atomic_bool left; /* the job was, by its leader */
    bool turned, ended; /* turned: since then */
    bool at_once; /* the other job began before a turn */
} World;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int timeout_ms(void *env)
{
    (void)env;
    return 10;
}

static void turn(void *env)
{
    World *w = env;
    w->turned = true;
    if (w->ended && !w->other.queued) loop_stop(w->loop);
}

static void nothing(void *env) { (void)env; }

static void away(void *env, LoopJob *job)
{
    World *w = env;
    assert_ptr_equal(job, &w->job);
    w->turned = false;
    atomic_store(&w->left, true);
}

static void wake(void *env)
{
    const World *w = env;
    eventfd_write(w->fd, 1);
}

/* A host function that takes its time, and then code that does not end before the loop goes on without it. */
static void run(void *env, LoopJob *job, Runner *r)
{
    World *w = env;
    if (job == &w->other) {
        w->at_once = atomic_load(&w->left) && !w->turned;
        return;
    }
    runner_enter(r, false);
    runner_pin(r);
    poll(NULL, 0, w->pinned_ms);
    runner_unpin(r);
    for (const uint64_t until = now_ms() + 20000; !atomic_load(&w->left) && now_ms() < until;) continue;
    runner_leave(r);
    w->ended = true;
}

static void is_left_after(int pinned_ms, bool other)
{
    World w = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .pinned_ms = pinned_ms};
    const LoopUser user = {.env = &w, .fd = w.fd, .timeout_ms = timeout_ms, .turn = turn, .settle = nothing,
                           .run = run, .away = away, .wake = wake};
    assert_true(w.fd >= 0);
    assert_null(loop_new(&user, &w.loop));
    loop_add(w.loop, &w.job);
    if (other) loop_add(w.loop, &w.other);
    loop_run(w.loop);
    loop_free(w.loop);
    close(w.fd);
    assert_true(atomic_load(&w.left));
    assert_false(w.at_once);
}

static void who_runs_on_is_left(void **state)
{
    (void)state;
    is_left_after(0, false);
}

/* The follower had gone to sleep meanwhile. */
static void also_after_a_long_host_call(void **state)
{
    (void)state;
    is_left_after(1000, false);
}

/* Many that run on would otherwise keep connections and timers waiting, one after the other. */
static void and_then_there_is_a_turn(void **state)
{
    (void)state;
    is_left_after(0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_runs_on_is_left),
                                       cmocka_unit_test(also_after_a_long_host_call),
                                       cmocka_unit_test(and_then_there_is_a_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
