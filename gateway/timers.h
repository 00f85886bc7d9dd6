/* Points in time at which something is to happen, the soonest first.  One thread at a time. */
#ifndef FNVM_GATEWAY_TIMERS_H
#define FNVM_GATEWAY_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Timer Timer;
struct Timer {           /* zero: not set */
    uint64_t at_ns;      /* of CLOCK_MONOTONIC */
    size_t place;        /* in the heap, from 1; 0: not set */
    void (*fire)(Timer *); /* it is not set any more then */
};

typedef struct Timers {
    Timer **heap;
    size_t n, room, reserved;
} Timers;

/* Room for so many timers more: timer_set cannot fail within it. */
bool timers_reserve(Timers *, size_t n);
void timers_unreserve(Timers *, size_t n);
void timers_free(Timers *);
void timer_set(Timers *, Timer *, uint64_t at_ns); /* also one that is set already */
void timer_clear(Timers *, Timer *);
uint64_t timers_next(const Timers *);             /* UINT64_MAX: none */
void timers_fire(Timers *, uint64_t now_ns);      /* all that are due */

#endif
