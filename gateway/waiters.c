/* A hash table with chains.  Ids count up, so their low bits spread them. */
#include "gateway/waiters.h"

#include <stdlib.h>

#include "gateway/invocation.h"

typedef struct Waiter Waiter;
struct Waiter {
    Waiter *next;
    int64_t id;
    Invocation *invocation;
};

static Waiter **bucket_of(const Waiters *w, int64_t id)
{
    return &w->buckets[(uint64_t)id & (w->room - 1)];
}

/* About as many buckets as waiters; fewer where there is no memory for that. */
static void grow(Waiters *w)
{
    const size_t room = w->room ? 2 * w->room : 64;
    Waiters more = {.buckets = calloc(room, sizeof(Waiter *)), .n = w->n, .room = room};
    if (!more.buckets) return;
    for (size_t i = 0; i < w->room; i++)
        for (Waiter *one = w->buckets[i], *next; one; one = next) {
            next = one->next;
            Waiter **bucket = bucket_of(&more, one->id);
            one->next = *bucket;
            *bucket = one;
        }
    free(w->buckets);
    *w = more;
}

bool waiters_note(Waiters *w, int64_t id, Invocation *invocation)
{
    if (w->n >= w->room) grow(w);
    Waiter *one = w->room ? malloc(sizeof *one) : NULL;
    if (!one) return false;
    Waiter **bucket = bucket_of(w, id);
    *one = (Waiter){.next = *bucket, .id = id, .invocation = invocation};
    *bucket = one;
    w->n++;
    return true;
}

void waiters_forget(Waiters *w, int64_t id)
{
    if (!w->room) return;
    Waiter **at = bucket_of(w, id);
    while (*at && (*at)->id != id) at = &(*at)->next;
    Waiter *one = *at;
    if (!one) return;
    *at = one->next;
    w->n--;
    free(one);
}

void waiters_wake(const Waiters *w, int64_t id)
{
    if (!w->room) return;
    const Waiter *one = *bucket_of(w, id);
    while (one && one->id != id) one = one->next;
    if (one) invocation_wake(one->invocation);
}

void waiters_free(Waiters *w)
{
    for (size_t i = 0; i < w->room; i++)
        for (Waiter *one = w->buckets[i], *next; one; one = next) {
            next = one->next;
            free(one);
        }
    free(w->buckets);
    *w = (Waiters){0};
}
