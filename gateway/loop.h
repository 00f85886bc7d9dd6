/* The event loop of a worker, and the threads that run guests.
 *
 * The token.  Whoever holds it may touch what belongs to the loop: connections, requests,
 * timers, pools, tables.  Everything in the gateway's worker is called with it, unless it says
 * otherwise.  One thread leads: it holds the token, but while it waits for events.  Jobs
 * (guests) run on the leader's thread between two turns.  Around the guest's own code the leader
 * only lends the token out: runner_enter and runner_leave; another thread, the follower, looks
 * on, and when the guest is too long in there takes token and lead over.  The guest does not
 * notice.  Its thread waits for the token when it needs it again. */
#ifndef FNVM_GATEWAY_LOOP_H
#define FNVM_GATEWAY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "fnvm.h"

typedef struct Loop Loop;
typedef struct Runner Runner; /* a thread of the loop's */

typedef struct LoopJob LoopJob;
struct LoopJob { LoopJob *next; bool queued; };

typedef struct LoopUser {    /* all but wake are called with the token */
    void *env;
    int fd;                              /* waited for */
    int (*timeout_ms)(void *env);        /* so long at most; -1: for ever */
    void (*turn)(void *env);             /* what has happened at fd, timers, ... */
    void (*settle)(void *env);           /* nothing to do now: the leader is about to wait */
    void (*run)(void *env, LoopJob *, Runner *); /* may be left by another leader than it was entered by */
    void (*away)(void *env, LoopJob *);  /* it was left by its leader, and goes on without the token */
    void (*wake)(void *env);             /* makes fd readable once */
} LoopUser;

fnvm_error *loop_new(const LoopUser *, Loop **out);
/* The calling thread leads first.  Returns after loop_stop, when no other thread of the loop is
 * left. */
void loop_run(Loop *);
void loop_free(Loop *);      /* not while it runs */
void loop_stop(Loop *);      /* no job may be running or queued */

uint64_t loop_now(const Loop *);     /* of CLOCK_MONOTONIC, as of this turn or the last job's end */
uint64_t loop_clock(Loop *);         /* looks at the clock */
void loop_add(Loop *, LoopJob *);    /* will be run; nothing happens if it is queued already */
void loop_remove(Loop *, LoopJob *); /* will not, if it is queued */

/* For threads that are none of the loop's: the control thread. */
void loop_take(Loop *);
void loop_give(Loop *);              /* and lets the leader look at what has changed */

/* ---- Around guests ---- */

/* `long_one`: it is known to take long, so the follower is not to wait until it has seen that. */
void runner_enter(Runner *, bool long_one);
/* True: the loop goes on elsewhere. */
bool runner_leave(Runner *);
/* Within host functions, between runner_enter and runner_leave: takes hold of the token again
 * for a moment. Not nested; nothing that waits in between. */
void runner_pin(Runner *);
void runner_unpin(Runner *);

#endif
