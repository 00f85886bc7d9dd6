/* A binary heap.  Most timers are deadlines that are set in order and cleared early: both are a
 * step or two. */
#include "gateway/timers.h"

#include <stdlib.h>

bool timers_reserve(Timers *t, size_t n)
{
    if (n > SIZE_MAX / sizeof *t->heap - t->reserved) return false;
    if (t->reserved + n > t->room) {
        size_t room = (t->reserved + n) * 2;
        if (room > SIZE_MAX / sizeof *t->heap) return false;
        Timer **heap = realloc(t->heap, room * sizeof *heap);
        if (!heap) return false;
        t->heap = heap;
        t->room = room;
    }
    t->reserved += n;
    return true;
}

void timers_unreserve(Timers *t, size_t n) { t->reserved -= n; }

void timers_free(Timers *t)
{
    free(t->heap);
    *t = (Timers){0};
}

static void put(Timers *t, size_t place, Timer *timer)
{
    t->heap[place - 1] = timer;
    timer->place = place;
}

static void rise(Timers *t, size_t place, Timer *timer)
{
    while (place > 1 && t->heap[place / 2 - 1]->at_ns > timer->at_ns) {
        put(t, place, t->heap[place / 2 - 1]);
        place /= 2;
    }
    put(t, place, timer);
}

static void sink(Timers *t, size_t place, Timer *timer)
{
    for (;;) {
        size_t child = place * 2;
        if (child > t->n) break;
        if (child < t->n && t->heap[child]->at_ns < t->heap[child - 1]->at_ns) child++;
        if (t->heap[child - 1]->at_ns >= timer->at_ns) break;
        put(t, place, t->heap[child - 1]);
        place = child;
    }
    put(t, place, timer);
}

void timer_set(Timers *t, Timer *timer, uint64_t at_ns)
{
    timer_clear(t, timer);
    timer->at_ns = at_ns;
    rise(t, ++t->n, timer);
}

void timer_clear(Timers *t, Timer *timer)
{
    const size_t place = timer->place;
    if (place == 0) return;
    timer->place = 0;
    Timer *last = t->heap[--t->n];
    if (place > t->n) return; /* it was the last itself */
    if (place > 1 && t->heap[place / 2 - 1]->at_ns > last->at_ns) rise(t, place, last);
    else sink(t, place, last);
}

uint64_t timers_next(const Timers *t) { return t->n ? t->heap[0]->at_ns : UINT64_MAX; }

void timers_fire(Timers *t, uint64_t now_ns)
{
    while (t->n && t->heap[0]->at_ns <= now_ns) {
        Timer *timer = t->heap[0];
        timer_clear(t, timer);
        timer->fire(timer);
    }
}
