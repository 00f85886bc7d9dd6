/* Prometheus' text format, version 0.0.4: a family's samples lie together behind its HELP and TYPE,
 * so the functions' sums are made first and gone through once per family.  A histogram's buckets
 * here are powers of two of nanoseconds, from 1.024 us to 68.7 s: the finer ones are for the status
 * page. */
#include "gateway/metrics_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Family {
    FILE *out;
    const Metrics *m;
    uint32_t n;
    CellSum *sums;
} Family;

static void begin(const Family *f, const char *name, const char *type, const char *help)
{
    fprintf(f->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The text of a label: three escapes, and what is no UTF-8 must not get in: names come from files,
 * so a byte of another encoding is replaced. */
static void label_text(FILE *out, const char *text, size_t most)
{
    char clean[METRICS_NAME * 3];
    const size_t n = text_clean(text, strnlen(text, most), clean, sizeof clean);
    for (size_t i = 0; i < n; i++) {
        if (clean[i] == '\n') fputs("\\n", out);
        else if (clean[i] == '"' || clean[i] == '\\') fprintf(out, "\\%c", clean[i]);
        else fputc(clean[i], out);
    }
}

static void label(FILE *out, const char *before, const char *name, const char *text, size_t most)
{
    fprintf(out, "%s%s=\"", before, name);
    label_text(out, text, most);
    fputc('"', out);
}

static void sample(const Family *f, const char *name, uint32_t slot)
{
    fputs(name, f->out);
    label(f->out, "{", "function", f->m->functions[slot].name, METRICS_NAME);
}

static void seconds(FILE *out, uint64_t ns)
{
    fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

/* One number per function, at `offset` in its sum. */
static void per_function(const Family *f, const char *name, const char *type, const char *help,
                         size_t offset)
{
    begin(f, name, type, help);
    for (uint32_t i = 0; i < f->n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&f->sums[i] + offset, sizeof value);
        sample(f, name, i);
        fprintf(f->out, "} %" PRIu64 "\n", value);
    }
}

static void per_place(const Family *f, const char *name, const char *help, size_t first)
{
    begin(f, name, "gauge", help);
    for (uint32_t i = 0; i < f->n; i++) {
        sample(f, name, i);
        fprintf(f->out, "} %" PRIu32 "\n", place_count(f->m, first + i));
    }
}

static void code_label(FILE *out, unsigned status)
{
    if (status) fprintf(out, ",code=\"%u\"", status);
    else fputs(",code=\"other\"", out);
}

static void requests(const Family *f)
{
    const char *name = "fnvm_requests_total";
    begin(f, name, "counter",
          "Requests that were answered or given up, by how they ended and HTTP status.");
    for (uint32_t i = 0; i < f->n; i++)
        for (size_t c = 0; c < f->sums[i].ncodes; c++) {
            const CodeSum *code = &f->sums[i].codes[c];
            sample(f, name, i);
            fprintf(f->out, ",outcome=\"%s\"", outcome_names[code->outcome]);
            code_label(f->out, code->status);
            fprintf(f->out, "} %" PRIu64 "\n", code->count);
        }
}

/* The same under of-watchdog's name, which knows a status only. */
static void requests_by_code(const Family *f)
{
    const char *name = "http_requests_total";
    begin(f, name, "counter",
          "Requests by HTTP status: fnvm_requests_total under of-watchdog's name.");
    for (uint32_t i = 0; i < f->n; i++) {
        const CellSum *sum = &f->sums[i];
        for (size_t c = 0; c < sum->ncodes; c++) {
            uint64_t count = 0;
            bool first = true;
            for (size_t d = 0; d < sum->ncodes; d++) {
                if (sum->codes[d].status != sum->codes[c].status) continue;
                if (d < c) first = false;
                count += sum->codes[d].count;
            }
            if (!first) continue;
            sample(f, name, i);
            code_label(f->out, sum->codes[c].status);
            fprintf(f->out, "} %" PRIu64 "\n", count);
        }
    }
}

/* `kind` NULL: without that label. */
static void histogram(const Family *f, const char *name, uint32_t slot, const char *kind,
                      const HistogramSum *h)
{
    char labels[64] = "", series[80];
    if (kind) snprintf(labels, sizeof labels, ",start=\"%s\"", kind);
    snprintf(series, sizeof series, "%s_bucket", name);
    uint64_t below = h->buckets[0];
    for (unsigned octave = 0; octave <= HISTOGRAM_OCTAVES; octave++) {
        sample(f, series, slot);
        fprintf(f->out, "%s,le=\"%.9f\"} %" PRIu64 "\n", labels,
                (double)((uint64_t)1 << (HISTOGRAM_FIRST_BIT + octave)) / 1e9, below);
        for (unsigned i = 0; octave < HISTOGRAM_OCTAVES && i < HISTOGRAM_PARTS; i++)
            below += h->buckets[1 + octave * HISTOGRAM_PARTS + i];
    }
    sample(f, series, slot);
    fprintf(f->out, "%s,le=\"+Inf\"} %" PRIu64 "\n", labels, h->count);
    snprintf(series, sizeof series, "%s_sum", name);
    sample(f, series, slot);
    fprintf(f->out, "%s} ", labels);
    seconds(f->out, h->sum_ns);
    snprintf(series, sizeof series, "%s_count", name);
    sample(f, series, slot);
    fprintf(f->out, "%s} %" PRIu64 "\n", labels, h->count);
}

static void by_start(const Family *f, const char *name, const char *help, size_t offset)
{
    begin(f, name, "histogram", help);
    for (uint32_t i = 0; i < f->n; i++) {
        const HistogramSum *kinds = (const HistogramSum *)((const char *)&f->sums[i] + offset);
        for (unsigned kind = 0; kind < START_KINDS; kind++)
            if (kinds[kind].count > 0) histogram(f, name, i, start_names[kind], &kinds[kind]);
    }
}

static void all_starts(const Family *f)
{
    const char *name = "http_request_duration_seconds";
    begin(f, name, "histogram",
          "fnvm_request_duration_seconds of all starts, under of-watchdog's name.");
    for (uint32_t i = 0; i < f->n; i++) {
        HistogramSum all = {0};
        for (unsigned kind = 0; kind < START_KINDS; kind++) {
            const HistogramSum *h = &f->sums[i].total[kind];
            all.count += h->count;
            all.sum_ns += h->sum_ns;
            for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) all.buckets[b] += h->buckets[b];
        }
        if (all.count > 0) histogram(f, name, i, NULL, &all);
    }
}

static void guest_memory(const Family *f)
{
    const char *name = "fnvm_guest_memory_bytes";
    begin(f, name, "histogram", "Of a guest's memories when its request ended.");
    for (uint32_t i = 0; i < f->n; i++) {
        uint64_t below = 0, most = 65536;
        const CellSum *sum = &f->sums[i];
        for (unsigned b = 0; b < MEMORY_BUCKETS; b++, most *= 4) {
            below += sum->memory[b];
            sample(f, "fnvm_guest_memory_bytes_bucket", i);
            if (b < MEMORY_BUCKETS - 1)
                fprintf(f->out, ",le=\"%" PRIu64 "\"} %" PRIu64 "\n", most, below);
            else fprintf(f->out, ",le=\"+Inf\"} %" PRIu64 "\n", below);
        }
        sample(f, "fnvm_guest_memory_bytes_sum", i);
        fprintf(f->out, "} %" PRIu64 "\n", sum->memory_sum);
        sample(f, "fnvm_guest_memory_bytes_count", i);
        fprintf(f->out, "} %" PRIu64 "\n", below);
    }
}

static void guest_seconds(const Family *f)
{
    begin(f, "fnvm_guest_seconds_total", "counter", "That guests ran, waiting included.");
    for (uint32_t i = 0; i < f->n; i++) {
        sample(f, "fnvm_guest_seconds_total", i);
        fputs("} ", f->out);
        seconds(f->out, f->sums[i].guest_ns);
    }
}

static void about_functions(const Family *f)
{
    begin(f, "fnvm_function_info", "gauge", "What is served: always 1.");
    for (uint32_t i = 0; i < f->n; i++) {
        FunctionText text;
        metrics_function_text(f->m, i, &text);
        if (!text.served) continue;
        sample(f, "fnvm_function_info", i);
        label(f->out, ",", "version", text.version, sizeof text.version);
        label(f->out, ",", "protocol", text.protocol, sizeof text.protocol);
        label(f->out, ",", "tenant", text.tenant, sizeof text.tenant);
        fputs("} 1\n", f->out);
    }
}

static uint32_t tenants(const Metrics *m)
{
    const uint32_t n = atomic_load_explicit(&m->ntenants, memory_order_acquire);
    return n < METRICS_TENANTS ? n : METRICS_TENANTS;
}

static void about_tenants(const Family *f)
{
    const uint32_t n = tenants(f->m);
    begin(f, "fnvm_tenant_in_flight", "gauge", "Instances of a tenant's functions at work.");
    for (uint32_t i = 0; i < n; i++) {
        label(f->out, "fnvm_tenant_in_flight{", "tenant", f->m->tenants[i], METRICS_NAME);
        fprintf(f->out, "} %" PRIu32 "\n", place_count(f->m, PLACE_TENANT + i));
    }
    begin(f, "fnvm_tenant_memory_bytes", "gauge",
          "What these may use, against the tenant's ceiling.");
    for (uint32_t i = 0; i < n; i++) {
        label(f->out, "fnvm_tenant_memory_bytes{", "tenant", f->m->tenants[i], METRICS_NAME);
        fprintf(f->out, "} %" PRIu64 "\n", place_bytes(f->m, PLACE_TENANT + i));
    }
}

static void about_workers(const Family *f)
{
    unsigned alive = 0;
    uint64_t restarts = 0;
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        const uint32_t born = atomic_load_explicit(&f->m->workers[i].born, memory_order_relaxed);
        if (metrics_worker_pid(f->m, i) != 0) alive++;
        if (born > 1) restarts += born - 1;
        restarts += atomic_load_explicit(&f->m->workers[i].restarts, memory_order_relaxed);
    }
    begin(f, "fnvm_workers", "gauge", "Worker processes that live.");
    fprintf(f->out, "fnvm_workers %u\n", alive);
    begin(f, "fnvm_worker_restarts_total", "counter",
          "Workers that were forked in place of others.");
    fprintf(f->out, "fnvm_worker_restarts_total %" PRIu64 "\n", restarts);
    begin(f, "fnvm_start_time_seconds", "gauge", "When the gateway was started, since 1970.");
    fprintf(f->out, "fnvm_start_time_seconds %" PRIu64 ".%03" PRIu64 "\n", f->m->made_ms / 1000,
            f->m->made_ms % 1000);
}

static void families(const Family *f)
{
    requests(f);
    per_function(f, "fnvm_shed_total", "counter", "Requests that were refused for want of a place.",
                 offsetof(CellSum, outcomes) + OUTCOME_SHED * sizeof(uint64_t));
    by_start(f, "fnvm_request_duration_seconds",
             "From a request's arrival to the end of its answer.", offsetof(CellSum, total));
    by_start(f, "fnvm_start_duration_seconds", "Until a request had an instance.",
             offsetof(CellSum, start));
    guest_seconds(f);
    guest_memory(f);
    per_place(f, "fnvm_in_flight", "Requests at work.", PLACE_WORK);
    per_place(f, "fnvm_queued", "Requests that wait for a place.", PLACE_QUEUE);
    per_function(f, "fnvm_ready_instances", "gauge", "Instances kept ready.",
                 offsetof(CellSum, ready));
    per_function(f, "fnvm_request_bytes_total", "counter", "Of bodies received.",
                 offsetof(CellSum, bytes_in));
    per_function(f, "fnvm_response_bytes_total", "counter", "Of bodies sent.",
                 offsetof(CellSum, bytes_out));
    per_function(f, "fnvm_errors_total", "counter", "Errors that were recorded.",
                 offsetof(CellSum, errors));
    per_function(f, "fnvm_log_lines_total", "counter", "Lines of log.",
                 offsetof(CellSum, log_lines));
    per_function(f, "fnvm_log_dropped_bytes_total", "counter", "Log beyond a request's limit.",
                 offsetof(CellSum, log_dropped));
    about_functions(f);
    about_tenants(f);
    about_workers(f);
    requests_by_code(f);
    all_starts(f);
    per_place(f, "http_requests_in_flight", "fnvm_in_flight under of-watchdog's name.", PLACE_WORK);
}

void metrics_prometheus(const Metrics *m, char **text, size_t *len)
{
    *text = NULL;
    *len = 0;
    Family f = {.m = m, .n = metrics_functions(m)};
    f.sums = calloc(f.n ? f.n : 1, sizeof *f.sums);
    f.out = f.sums ? open_memstream(text, len) : NULL;
    if (!f.out) {
        free(f.sums);
        return;
    }
    for (uint32_t i = 0; i < f.n; i++) metrics_sum(m, i, &f.sums[i]);
    families(&f);
    free(f.sums);
    const bool failed = ferror(f.out) != 0;
    if ((fclose(f.out) != 0 || failed) && *text) {
        free(*text);
        *text = NULL;
    }
}
