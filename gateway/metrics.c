/* The mapping, who has which slot, and counting.  Anonymous shared memory that is made before
 * anybody is forked lies at one address in every process, and needs no name or file that could
 * outlive them. */
#include "gateway/metrics_memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static_assert(sizeof(Metrics) < (size_t)2 << 30, "the mapping is to stay below 2 GiB");
static_assert(sizeof(FunctionText) % 8 == 0 && sizeof(RecordHead) % 8 == 0, "copied by words");

fnvm_error *metrics_new(Metrics **out)
{
    Metrics *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED)
        return fnvm_error_new(FNVM_E_MEMORY,
                              "no %zu MiB of addresses for the gateway's numbers: %s",
                              sizeof *m >> 20, strerror(errno));
    m->made_ms = metrics_now_ms();
    *out = m;
    return NULL;
}

void metrics_free(Metrics *m)
{
    if (m) munmap(m, sizeof *m);
}

bool metrics_read_only(Metrics *m) { return mprotect(m, sizeof *m, PROT_READ) == 0; }

uint64_t metrics_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void words_store(_Atomic uint64_t *to, const void *from, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, (const char *)from + i * sizeof word, sizeof word);
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
}

void words_load(void *to, const _Atomic uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        const uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
        memcpy((char *)to + i * sizeof word, &word, sizeof word);
    }
}

/* ---- The master's ---- */

uint32_t metrics_functions(const Metrics *m)
{
    const uint32_t n = atomic_load_explicit(&m->nfunctions, memory_order_acquire);
    return n < METRICS_FUNCTIONS ? n : METRICS_FUNCTIONS;
}

bool metrics_find(const Metrics *m, const char *name, size_t len, uint32_t *slot)
{
    const uint32_t n = metrics_functions(m);
    for (uint32_t i = 0; i < n; i++) {
        const char *have = m->functions[i].name;
        if (len >= METRICS_NAME || strnlen(have, METRICS_NAME) != len ||
            memcmp(have, name, len) != 0)
            continue;
        *slot = i;
        return true;
    }
    return false;
}

bool metrics_slot(Metrics *m, const char *name, uint32_t *slot)
{
    const size_t len = strlen(name);
    if (metrics_find(m, name, len, slot)) return true;
    const uint32_t n = metrics_functions(m);
    if (n == METRICS_FUNCTIONS || len >= METRICS_NAME) return false;
    memcpy(m->functions[n].name, name, len);
    atomic_store_explicit(&m->nfunctions, n + 1, memory_order_release);
    *slot = n;
    return true;
}

bool metrics_tenant(Metrics *m, const char *name, uint32_t *tenant)
{
    const uint32_t n = atomic_load_explicit(&m->ntenants, memory_order_relaxed);
    for (*tenant = 0; *tenant < n && *tenant < METRICS_TENANTS; ++*tenant)
        if (strncmp(m->tenants[*tenant], name, METRICS_NAME) == 0) return true;
    if (n >= METRICS_TENANTS || strlen(name) >= METRICS_NAME) return false;
    strcpy(m->tenants[n], name);
    atomic_store_explicit(&m->ntenants, n + 1, memory_order_release);
    return true;
}

static void cut(char *to, size_t size, const char *from)
{
    const size_t len = from ? strnlen(from, size - 1) : 0;
    if (len > 0) memcpy(to, from, len);
}

void metrics_function(Metrics *m, uint32_t slot, const MetricsFunction *f)
{
    if (slot >= METRICS_FUNCTIONS) return;
    FunctionText text = {
        .concurrency = f->concurrency, .queue = f->queue, .served = f->version != NULL};
    cut(text.version, sizeof text.version, f->version);
    cut(text.protocol, sizeof text.protocol, f->protocol);
    cut(text.tenant, sizeof text.tenant, f->tenant);
    FunctionEntry *e = &m->functions[slot];
    atomic_fetch_add_explicit(&e->stamp, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    words_store(e->words, &text, FUNCTION_WORDS);
    atomic_fetch_add_explicit(&e->stamp, 1, memory_order_release);
}

void metrics_function_text(const Metrics *m, uint32_t slot, FunctionText *out)
{
    const FunctionEntry *e = &m->functions[slot];
    for (unsigned tries = 0; tries < 1000; tries++) {
        const uint64_t stamp = atomic_load_explicit(&e->stamp, memory_order_acquire);
        words_load(out, e->words, FUNCTION_WORDS);
        atomic_thread_fence(memory_order_acquire);
        if (!(stamp & 1) && atomic_load_explicit(&e->stamp, memory_order_relaxed) == stamp) break;
    }
    out->version[sizeof out->version - 1] = '\0';
    out->protocol[sizeof out->protocol - 1] = '\0';
    out->tenant[sizeof out->tenant - 1] = '\0';
}

void metrics_worker_born(Metrics *m, unsigned worker, int pid)
{
    if (worker >= METRICS_WORKERS) return;
    atomic_fetch_add_explicit(&m->workers[worker].born, 1, memory_order_relaxed);
    atomic_store_explicit(&m->workers[worker].pid, pid, memory_order_relaxed);
}

int metrics_worker_pid(const Metrics *m, unsigned worker)
{
    return worker < METRICS_WORKERS
               ? atomic_load_explicit(&m->workers[worker].pid, memory_order_relaxed)
               : 0;
}

void metrics_worker_gone(Metrics *m, unsigned worker)
{
    if (worker >= METRICS_WORKERS) return;
    atomic_store_explicit(&m->workers[worker].pid, 0, memory_order_relaxed);
    const uint32_t n = metrics_functions(m);
    for (uint32_t i = 0; i < n; i++)
        if (metrics_cell_used(m, worker, i))
            atomic_store_explicit(&m->parts[worker].cells[i].ready, 0, memory_order_relaxed);
    places_worker_gone(m, worker);
}

void metrics_worker_left(Metrics *m, unsigned worker)
{
    if (worker >= METRICS_WORKERS) return;
    metrics_worker_gone(m, worker);
    const uint32_t born = atomic_exchange(&m->workers[worker].born, 0);
    if (born > 1) atomic_fetch_add(&m->workers[worker].restarts, born - 1);
}

/* ---- A worker's ---- */

bool metrics_cell_used(const Metrics *m, unsigned worker, uint32_t slot)
{
    const uint64_t bits =
        atomic_load_explicit(&m->workers[worker].cells[slot / 64], memory_order_relaxed);
    return bits >> slot % 64 & 1;
}

Cell *metrics_cell(Metrics *m, unsigned worker, uint32_t slot)
{
    if (worker >= METRICS_WORKERS || slot >= METRICS_FUNCTIONS) return NULL;
    if (!metrics_cell_used(m, worker, slot))
        atomic_fetch_or_explicit(&m->workers[worker].cells[slot / 64], (uint64_t)1 << slot % 64,
                                 memory_order_relaxed);
    return &m->parts[worker].cells[slot];
}

static void add(Count *to, uint64_t n)
{
    if (n != 0) atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void histogram_add(Histogram *h, uint64_t ns)
{
    add(&h->sum_ns, ns);
    add(&h->buckets[histogram_bucket(ns)], 1);
}

static void count_code(Cell *cell, uint32_t key)
{
    for (unsigned i = 0; i < CODE_OTHER; i++) {
        uint32_t have = atomic_load_explicit(&cell->codes[i].key, memory_order_relaxed);
        if (have == 0 &&
            atomic_compare_exchange_strong_explicit(&cell->codes[i].key, &have, key,
                                                    memory_order_relaxed, memory_order_relaxed))
            have = key;
        if (have != key) continue;
        add(&cell->codes[i].count, 1);
        return;
    }
    add(&cell->codes[CODE_OTHER].count, 1);
}

void metrics_count(Metrics *m, unsigned worker, const MetricsRequest *r)
{
    Cell *cell = metrics_cell(m, worker, r->slot);
    if (!cell || (unsigned)r->outcome >= OUTCOMES) return;
    count_code(cell, code_key(r->outcome, r->status));
    add(&cell->bytes_in, r->bytes_in);
    add(&cell->bytes_out, r->bytes_out);
    if (r->outcome == OUTCOME_SHED || (unsigned)r->start >= START_KINDS) return;
    add(&cell->guest_ns, r->guest_ns);
    histogram_add(&cell->start[r->start], r->start_ns);
    histogram_add(&cell->total[r->start], r->total_ns);
    add(&cell->memory_sum, r->memory_bytes);
    add(&cell->memory[memory_bucket(r->memory_bytes)], 1);
    uint64_t most = atomic_load_explicit(&cell->memory_most, memory_order_relaxed);
    while (r->memory_bytes > most &&
           !atomic_compare_exchange_weak_explicit(&cell->memory_most, &most, r->memory_bytes,
                                                  memory_order_relaxed, memory_order_relaxed)) {}
}

void metrics_ready(Metrics *m, unsigned worker, uint32_t slot, uint32_t stores)
{
    Cell *cell = metrics_cell(m, worker, slot);
    if (cell) atomic_store_explicit(&cell->ready, stores, memory_order_relaxed);
}

void metrics_log_dropped(Metrics *m, unsigned worker, uint32_t slot, uint64_t bytes)
{
    Cell *cell = metrics_cell(m, worker, slot);
    if (cell) add(&cell->log_dropped, bytes);
}
