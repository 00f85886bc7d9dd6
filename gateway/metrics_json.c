/* What the status page is drawn from: every function in short, or one with its histograms and
 * errors.  All text goes through text_clean, so a document is valid whatever guests wrote. */
#include "gateway/metrics_memory.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

static void key_bytes(Json *j, const char *key, const char *at, size_t len)
{
    char clean[4 * ERROR_TEXT]; /* all of any text: a control becomes four bytes */
    json_key(j, key);
    json_text(j, clean, text_clean(at, len, clean, sizeof clean));
}

static void key_text(Json *j, const char *key, const char *at, size_t most)
{
    key_bytes(j, key, at, strnlen(at, most));
}

static void key_number(Json *j, const char *key, uint64_t number)
{
    json_key(j, key);
    json_number(j, number);
}

static void key_open(Json *j, const char *key, char bracket)
{
    json_key(j, key);
    json_open(j, bracket);
}

static void quantiles(Json *j, const HistogramSum *h)
{
    json_open(j, '{');
    key_number(j, "count", h->count);
    key_number(j, "sum_ns", h->sum_ns);
    key_number(j, "p50_ns", histogram_quantile(h, 0.5));
    key_number(j, "p90_ns", histogram_quantile(h, 0.9));
    key_number(j, "p99_ns", histogram_quantile(h, 0.99));
}

/* Buckets that are not empty: [from, to, count] after one another, in nanoseconds. */
static void buckets(Json *j, const HistogramSum *h)
{
    key_open(j, "buckets", '[');
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0) continue;
        json_number(j, histogram_from(i));
        json_number(j, i + 1 < HISTOGRAM_BUCKETS ? histogram_from(i + 1) : histogram_from(i) * 2);
        json_number(j, h->buckets[i]);
    }
    json_close(j, ']');
}

static void by_start(Json *j, const char *key, const HistogramSum *kinds, bool in_full)
{
    key_open(j, key, '{');
    for (unsigned kind = 0; kind < START_KINDS; kind++) {
        if (kinds[kind].count == 0) continue;
        json_key(j, start_names[kind]);
        quantiles(j, &kinds[kind]);
        if (in_full) buckets(j, &kinds[kind]);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void outcomes(Json *j, const CellSum *sum)
{
    key_open(j, "outcomes", '{');
    for (unsigned i = 0; i < OUTCOMES; i++)
        if (sum->outcomes[i] != 0) key_number(j, outcome_names[i], sum->outcomes[i]);
    json_close(j, '}');
    key_open(j, "codes", '[');
    for (size_t i = 0; i < sum->ncodes; i++) {
        json_open(j, '{');
        key_text(j, "outcome", outcome_names[sum->codes[i].outcome], METRICS_NAME);
        key_number(j, "status", sum->codes[i].status);
        key_number(j, "count", sum->codes[i].count);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void memory(Json *j, const CellSum *sum)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < MEMORY_BUCKETS; i++) count += sum->memory[i];
    key_open(j, "memory", '{');
    key_number(j, "mean_bytes", count ? sum->memory_sum / count : 0);
    key_number(j, "most_bytes", sum->memory_most);
    json_close(j, '}');
}

static void description(Json *j, const Metrics *m, uint32_t slot)
{
    FunctionText about;
    metrics_function_text(m, slot, &about);
    key_text(j, "name", m->functions[slot].name, METRICS_NAME);
    json_key(j, "served");
    json_bool(j, about.served != 0);
    key_text(j, "version", about.version, sizeof about.version);
    key_text(j, "protocol", about.protocol, sizeof about.protocol);
    key_text(j, "tenant", about.tenant, sizeof about.tenant);
    key_number(j, "concurrency", about.concurrency);
    key_number(j, "queue", about.queue);
}

/* An object that is left open. */
static void function(Json *j, const Metrics *m, uint32_t slot, CellSum *sum, bool in_full)
{
    metrics_sum(m, slot, sum);
    json_open(j, '{');
    description(j, m, slot);
    key_number(j, "in_flight", place_count(m, PLACE_WORK + slot));
    key_number(j, "queued", place_count(m, PLACE_QUEUE + slot));
    key_number(j, "ready", sum->ready);
    outcomes(j, sum);
    by_start(j, "start", sum->start, in_full);
    by_start(j, "total", sum->total, in_full);
    key_number(j, "guest_ns", sum->guest_ns);
    key_number(j, "bytes_in", sum->bytes_in);
    key_number(j, "bytes_out", sum->bytes_out);
    memory(j, sum);
    key_number(j, "errors", sum->errors);
    key_number(j, "log_lines", sum->log_lines);
    key_number(j, "log_dropped_bytes", sum->log_dropped);
}

static void record(Json *j, const RecordHead *head, uint64_t n)
{
    json_open(j, '{');
    key_number(j, "number", n);
    key_number(j, "time_ms", head->time_ms);
    key_number(j, "worker", head->worker);
    key_text(j, "call_id", head->call_id, sizeof head->call_id);
}

static void errors(Json *j, const Metrics *m, uint32_t slot)
{
    const uint64_t next =
        atomic_load_explicit(&m->ring_heads[slot].error_next, memory_order_acquire);
    key_open(j, "last_errors", '[');
    for (uint64_t n = next > ERROR_RECORDS ? next - ERROR_RECORDS : 0; n < next; n++) {
        RingText r;
        if (!ring_error(m, slot, n, &r)) continue;
        record(j, &r.head, n);
        key_bytes(j, "text", r.text, r.head.len);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void workers(Json *j, const Metrics *m)
{
    key_open(j, "workers", '[');
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        const uint32_t born = atomic_load_explicit(&m->workers[i].born, memory_order_relaxed);
        if (born == 0) continue;
        const uint32_t before =
            atomic_load_explicit(&m->workers[i].restarts, memory_order_relaxed);
        json_open(j, '{');
        key_number(j, "number", i);
        const int pid = metrics_worker_pid(m, i);
        key_number(j, "pid", pid > 0 ? (uint64_t)pid : 0);
        key_number(j, "restarts", born - 1 + before);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void tenants(Json *j, const Metrics *m)
{
    const uint32_t n = atomic_load_explicit(&m->ntenants, memory_order_acquire);
    key_open(j, "tenants", '[');
    for (uint32_t i = 0; i < n && i < METRICS_TENANTS; i++) {
        json_open(j, '{');
        key_text(j, "name", m->tenants[i], METRICS_NAME);
        key_number(j, "in_flight", place_count(m, PLACE_TENANT + i));
        key_number(j, "memory_bytes", place_bytes(m, PLACE_TENANT + i));
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- Documents ---- */

typedef struct Document {
    Json j;
    char **text;
} Document;

static bool document_open(Document *d, char **to, size_t *len)
{
    *to = NULL;
    *len = 0;
    *d = (Document){.j = {.out = open_memstream(to, len)}, .text = to};
    return d->j.out != NULL;
}

static void document_close(Document *d)
{
    const bool failed = ferror(d->j.out) != 0;
    if (fclose(d->j.out) == 0 && !failed) return;
    free(*d->text);
    *d->text = NULL;
}

void metrics_json(const Metrics *m, char **out, size_t *len)
{
    Document d;
    CellSum *sum = malloc(sizeof *sum);
    if (sum && document_open(&d, out, len)) {
        json_open(&d.j, '{');
        key_text(&d.j, "fnvm", FNVM_VERSION, METRICS_NAME);
        key_number(&d.j, "now_ms", metrics_now_ms());
        key_number(&d.j, "started_ms", m->made_ms);
        workers(&d.j, m);
        tenants(&d.j, m);
        key_open(&d.j, "functions", '[');
        const uint32_t n = metrics_functions(m);
        for (uint32_t i = 0; i < n; i++) {
            function(&d.j, m, i, sum, false);
            json_close(&d.j, '}');
        }
        json_close(&d.j, ']');
        json_close(&d.j, '}');
        document_close(&d);
    } else *out = NULL;
    free(sum);
}

void metrics_json_function(const Metrics *m, uint32_t slot, char **out, size_t *len)
{
    Document d;
    CellSum *sum = malloc(sizeof *sum);
    if (sum && slot < metrics_functions(m) && document_open(&d, out, len)) {
        function(&d.j, m, slot, sum, true);
        errors(&d.j, m, slot);
        json_close(&d.j, '}');
        document_close(&d);
    } else *out = NULL;
    free(sum);
}

/* The line with number n, if it is complete. */
static bool log_line(Json *j, const Metrics *m, uint32_t slot, uint64_t n)
{
    RingText r;
    if (!ring_log(m, slot, n, &r)) return false;
    record(j, &r.head, n);
    key_bytes(j, "text", r.text, r.head.len);
    json_close(j, '}');
    return true;
}

void metrics_logs(const Metrics *m, uint32_t slot, uint64_t *from, char **out, size_t *len)
{
    Document d;
    if (slot >= metrics_functions(m) || !document_open(&d, out, len)) {
        *out = NULL;
        return;
    }
    const uint64_t end = atomic_load_explicit(&m->ring_heads[slot].log_next, memory_order_acquire);
    const uint64_t oldest = end > LOG_RECORDS ? end - LOG_RECORDS : 0;
    uint64_t n = *from < oldest || *from > end ? oldest : *from, next = n;
    json_open(&d.j, '{');
    key_open(&d.j, "lines", '[');
    for (; n < end; n++)
        if (log_line(&d.j, m, slot, n))
            next = n + 1; /* what is not complete at the end comes next time */
    json_close(&d.j, ']');
    *from = next;
    key_number(&d.j, "next", next);
    json_close(&d.j, '}');
    document_close(&d);
}
