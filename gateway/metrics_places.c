/* Places that are limited over all workers.  One word per place holds how many are taken, and of a
 * tenant how much memory; who takes one does so by compare-and-swap, and then notes it in a Held of
 * the worker's own, from which metrics_worker_gone gives back what a dead worker had.
 *
 * A worker can die between the two steps: killed, or one of its threads crashing while another is
 * there. Its Held then says that something was begun and not ended, but not whether the word has
 * changed.  The word is made right from what all *other* workers hold: that sum is exact at an
 * instant when none of them is between its own two steps, and the word's version, which every
 * change moves on, shows that nothing was changed from that instant to the swap.  The steps are
 * nanoseconds apart, so such an instant comes soon; should it not within the tries here, at most
 * one place for each thread that the dead worker had stays taken until the next worker's end, when
 * it is tried again. */
#include "gateway/metrics_memory.h"

#include <assert.h>
#include <sched.h>

/* A word: version in the highest 16 bits, 20 of count, 28 of memory in units of 64 KiB (16 TiB). */
enum { BYTES_BITS = 28, COUNT_BITS = 20, UNIT_SHIFT = 16 };
#define BYTES_MASK (((uint64_t)1 << BYTES_BITS) - 1)
#define COUNT_ONE ((uint64_t)1 << BYTES_BITS)
#define COUNT_MASK ((uint64_t)METRICS_PLACES << BYTES_BITS)
#define VERSION_ONE ((uint64_t)1 << (BYTES_BITS + COUNT_BITS))
#define TAKEN_MASK (COUNT_MASK | BYTES_MASK)
static_assert(METRICS_PLACES == (1 << COUNT_BITS) - 1, "a word's count");

static uint64_t units_of(uint64_t bytes)
{
    const uint64_t units = (bytes >> UNIT_SHIFT) + ((bytes & ((1u << UNIT_SHIFT) - 1)) != 0);
    return units < BYTES_MASK ? units : BYTES_MASK;
}

static uint64_t next_version(uint64_t word, uint64_t taken)
{
    return ((word & ~TAKEN_MASK) + VERSION_ONE) | taken; /* it wraps: only equality counts */
}

static bool take(Metrics *m, unsigned worker, size_t place, uint32_t most, uint64_t units,
                 uint64_t most_units)
{
    if (worker >= METRICS_WORKERS || place >= PLACES) return false;
    if (most > METRICS_PLACES) most = METRICS_PLACES;
    if (!atomic_load_explicit(&m->workers[worker].held, memory_order_relaxed))
        atomic_store_explicit(&m->workers[worker].held, true, memory_order_relaxed);
    Held *mine = &m->parts[worker].held[place];
    _Atomic uint64_t *shared = &m->places[place].word;
    atomic_fetch_add_explicit(&mine->begun, 1, memory_order_relaxed);
    uint64_t word = atomic_load_explicit(shared, memory_order_relaxed);
    bool fits;
    do
        fits = (word & COUNT_MASK) >> BYTES_BITS < most && units <= most_units &&
               (word & BYTES_MASK) <= most_units - units;
    while (fits && !atomic_compare_exchange_weak_explicit(
                       shared, &word, next_version(word, (word & TAKEN_MASK) + COUNT_ONE + units),
                       memory_order_acq_rel, memory_order_relaxed));
    if (fits) atomic_fetch_add_explicit(&mine->held, COUNT_ONE + units, memory_order_relaxed);
    atomic_fetch_add_explicit(&mine->ended, 1, memory_order_release);
    return fits;
}

/* What is taken without `less` of it; never below nothing, in count and memory each. */
static uint64_t without(uint64_t taken, uint64_t less)
{
    const uint64_t count = taken & COUNT_MASK, less_count = less & COUNT_MASK;
    const uint64_t units = taken & BYTES_MASK, less_units = less & BYTES_MASK;
    return (count > less_count ? count - less_count : 0) |
           (units > less_units ? units - less_units : 0);
}

static void shared_give(_Atomic uint64_t *shared, uint64_t less)
{
    uint64_t word = atomic_load_explicit(shared, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        shared, &word, next_version(word, without(word & TAKEN_MASK, less)), memory_order_acq_rel,
        memory_order_relaxed)) {}
}

static void give(Metrics *m, unsigned worker, size_t place, uint64_t units)
{
    if (worker >= METRICS_WORKERS || place >= PLACES) return;
    Held *mine = &m->parts[worker].held[place];
    if ((atomic_load_explicit(&mine->held, memory_order_relaxed) & COUNT_MASK) == 0) return;
    atomic_fetch_add_explicit(&mine->begun, 1, memory_order_relaxed);
    shared_give(&m->places[place].word, COUNT_ONE + units);
    atomic_fetch_sub_explicit(&mine->held, COUNT_ONE + units, memory_order_relaxed);
    atomic_fetch_add_explicit(&mine->ended, 1, memory_order_release);
}

/* ---- A worker that died ---- */

static bool holds(const Metrics *m, unsigned worker)
{
    return atomic_load_explicit(&m->workers[worker].held, memory_order_relaxed);
}

/* The sum of what the others hold, if none of them was between its steps while it was made. */
static bool held_by_others(const Metrics *m, unsigned worker, size_t place, uint64_t *sum)
{
    *sum = 0;
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        const Held *h = &m->parts[i].held[place];
        if (i == worker || !holds(m, i)) continue;
        /* In this order: then `held` has all that ended, and what begun counts beyond that
         * shows. */
        const uint32_t ended = atomic_load_explicit(&h->ended, memory_order_acquire);
        *sum += atomic_load_explicit(&h->held, memory_order_acquire);
        if (atomic_load_explicit(&h->begun, memory_order_relaxed) != ended) return false;
    }
    return true;
}

static bool make_right(Metrics *m, unsigned worker, size_t place)
{
    enum { TRIES = 20000, TRIES_UNTIL_YIELD = 100 };
    _Atomic uint64_t *shared = &m->places[place].word;
    for (unsigned i = 1; i <= TRIES; i++) {
        uint64_t word = atomic_load_explicit(shared, memory_order_acquire), sum;
        if (held_by_others(m, worker, place, &sum) &&
            atomic_compare_exchange_strong_explicit(shared, &word,
                                                    next_version(word, sum & TAKEN_MASK),
                                                    memory_order_acq_rel, memory_order_relaxed))
            return true;
        if (i % TRIES_UNTIL_YIELD == 0)
            sched_yield(); /* one that was preempted between its steps */
    }
    return false;
}

void places_worker_gone(Metrics *m, unsigned worker)
{
    if (!holds(m, worker)) return;
    for (size_t place = 0; place < PLACES; place++) {
        Held *h = &m->parts[worker].held[place];
        bool unsure = atomic_load_explicit(&m->place_unsure[place], memory_order_relaxed);
        const uint32_t ended = atomic_load_explicit(&h->ended, memory_order_relaxed);
        const uint64_t held = atomic_load_explicit(&h->held, memory_order_relaxed);
        const bool between = atomic_load_explicit(&h->begun, memory_order_relaxed) != ended;
        if (held == 0 && !between && !unsure) continue;
        if (between || unsure) {
            unsure = !make_right(m, worker, place);
            atomic_store_explicit(&m->place_unsure[place], unsure, memory_order_relaxed);
        } else if (held != 0) shared_give(&m->places[place].word, held);
        if (unsure && held != 0) shared_give(&m->places[place].word, held);
        atomic_store_explicit(&h->held, 0, memory_order_relaxed);
        atomic_store_explicit(&h->begun, 0, memory_order_relaxed);
        atomic_store_explicit(&h->ended, 0, memory_order_relaxed);
    }
}

uint32_t place_count(const Metrics *m, size_t place)
{
    const uint64_t word = atomic_load_explicit(&m->places[place].word, memory_order_relaxed);
    return (uint32_t)((word & COUNT_MASK) >> BYTES_BITS);
}

uint64_t place_bytes(const Metrics *m, size_t place)
{
    return (atomic_load_explicit(&m->places[place].word, memory_order_relaxed) & BYTES_MASK)
           << UNIT_SHIFT;
}

/* ---- What they are for ---- */

static size_t place_of(size_t first, size_t most, uint32_t index)
{
    return index < most ? first + index : PLACES;
}

bool metrics_enter(Metrics *m, unsigned worker, uint32_t slot, uint32_t most)
{
    return take(m, worker, place_of(PLACE_WORK, METRICS_FUNCTIONS, slot), most, 0, BYTES_MASK);
}

void metrics_leave(Metrics *m, unsigned worker, uint32_t slot)
{
    give(m, worker, place_of(PLACE_WORK, METRICS_FUNCTIONS, slot), 0);
}

bool metrics_queue(Metrics *m, unsigned worker, uint32_t slot, uint32_t most)
{
    return take(m, worker, place_of(PLACE_QUEUE, METRICS_FUNCTIONS, slot), most, 0, BYTES_MASK);
}

void metrics_unqueue(Metrics *m, unsigned worker, uint32_t slot)
{
    give(m, worker, place_of(PLACE_QUEUE, METRICS_FUNCTIONS, slot), 0);
}

bool metrics_tenant_enter(Metrics *m, unsigned worker, uint32_t tenant, uint32_t most,
                          uint64_t bytes, uint64_t most_bytes)
{
    const uint64_t most_units =
        most_bytes >> UNIT_SHIFT; /* rounded down, and what is asked for up */
    return take(m, worker, place_of(PLACE_TENANT, METRICS_TENANTS, tenant), most, units_of(bytes),
                most_units < BYTES_MASK ? most_units : BYTES_MASK);
}

void metrics_tenant_leave(Metrics *m, unsigned worker, uint32_t tenant, uint64_t bytes)
{
    give(m, worker, place_of(PLACE_TENANT, METRICS_TENANTS, tenant), units_of(bytes));
}
