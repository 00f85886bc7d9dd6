/* What all workers counted of a function, added up.  Nothing is stopped meanwhile, so two numbers
 * may be a request apart; a histogram's count is the sum of its buckets, so these two never are. */
#include "gateway/metrics_memory.h"

#include <stdlib.h>
#include <string.h>

const char *const start_names[START_KINDS] = {"cold", "restored", "reused"};
const char *const outcome_names[OUTCOMES] = {"ok",         "trap", "timeout", "exit",
                                             "bad_answer", "cut",  "shed",    "failed"};

static uint64_t load(const Count *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void histogram_sum(const Histogram *h, HistogramSum *out)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        const uint64_t n = load(&h->buckets[i]);
        out->buckets[i] += n;
        out->count += n;
    }
    out->sum_ns += load(&h->sum_ns);
}

static void code_sum(CellSum *out, uint32_t key, uint64_t count)
{
    const unsigned outcome = (key >> 16) - 1, status = key & 0xffff;
    if (count == 0 || outcome >= OUTCOMES) return;
    out->outcomes[outcome] += count;
    for (size_t i = 0; i < out->ncodes; i++) {
        if (out->codes[i].outcome != outcome || out->codes[i].status != status) continue;
        out->codes[i].count += count;
        return;
    }
    out->codes[out->ncodes++] = (CodeSum){(Outcome)outcome, status, count};
}

/* What found no place in a table: guests choose statuses, so its outcome is most likely fine. */
static void codes_sum(const Cell *cell, CellSum *out)
{
    for (unsigned i = 0; i < CODE_OTHER; i++)
        code_sum(out, atomic_load_explicit(&cell->codes[i].key, memory_order_relaxed),
                 load(&cell->codes[i].count));
    code_sum(out, code_key(OUTCOME_OK, 0), load(&cell->codes[CODE_OTHER].count));
}

static int code_order(const void *a, const void *b)
{
    const CodeSum *x = a, *y = b;
    if (x->outcome != y->outcome) return x->outcome < y->outcome ? -1 : 1;
    return x->status < y->status ? -1 : x->status > y->status;
}

static void cell_sum(const Cell *cell, CellSum *out)
{
    codes_sum(cell, out);
    out->bytes_in += load(&cell->bytes_in);
    out->bytes_out += load(&cell->bytes_out);
    out->guest_ns += load(&cell->guest_ns);
    out->errors += load(&cell->errors);
    out->log_lines += load(&cell->log_lines);
    out->log_dropped += load(&cell->log_dropped);
    out->memory_sum += load(&cell->memory_sum);
    out->ready += atomic_load_explicit(&cell->ready, memory_order_relaxed);
    const uint64_t most = load(&cell->memory_most);
    if (most > out->memory_most) out->memory_most = most;
    for (unsigned i = 0; i < MEMORY_BUCKETS; i++) out->memory[i] += load(&cell->memory[i]);
    for (unsigned kind = 0; kind < START_KINDS; kind++) {
        histogram_sum(&cell->start[kind], &out->start[kind]);
        histogram_sum(&cell->total[kind], &out->total[kind]);
    }
}

void metrics_sum(const Metrics *m, uint32_t slot, CellSum *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned worker = 0; worker < METRICS_WORKERS; worker++)
        if (metrics_cell_used(m, worker, slot)) cell_sum(&m->parts[worker].cells[slot], out);
    qsort(out->codes, out->ncodes, sizeof out->codes[0], code_order);
}

uint64_t histogram_quantile(const HistogramSum *h, double part)
{
    if (h->count == 0) return 0;
    const uint64_t wanted = (uint64_t)(part * (double)(h->count - 1)) + 1;
    uint64_t seen = 0;
    unsigned i = 0;
    for (; i < HISTOGRAM_BUCKETS - 1; i++)
        if ((seen += h->buckets[i]) >= wanted) break;
    return i == HISTOGRAM_BUCKETS - 1 ? histogram_from(i)
                                      : (histogram_from(i) + histogram_from(i + 1)) / 2;
}
