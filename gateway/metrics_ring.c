/* Rings of errors and lines of log.  A writer takes a number from the ring's head, marks the
 * record, fills it and completes the mark; a reader looks at the mark before and after.  Two
 * writers are at one record only if one of them is a whole ring late, or died there; a sum over the
 * words then shows a mixture, and nobody ever waits. */
#include "gateway/metrics_memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint64_t sum_of(const void *bytes, size_t words, uint64_t n)
{
    uint64_t sum = n;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, (const char *)bytes + i * sizeof word, sizeof word);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    return sum;
}

static size_t words_used(const RingText *r) { return (sizeof r->head + r->head.len + 7) / 8; }

static void record_write(_Atomic uint64_t *stamp, _Atomic uint64_t *sum, _Atomic uint64_t *words,
                         uint64_t n, const RingText *r)
{
    const size_t used = words_used(r);
    uint64_t mark = atomic_load_explicit(stamp, memory_order_relaxed);
    do
        if (mark > 2 * n) return; /* a later one has the record already */
    while (!atomic_compare_exchange_weak_explicit(stamp, &mark, 2 * n + 1, memory_order_relaxed,
                                                  memory_order_relaxed));
    atomic_thread_fence(memory_order_release);
    words_store(words, r, used);
    atomic_store_explicit(sum, sum_of(r, used, n), memory_order_relaxed);
    mark = 2 * n + 1;
    atomic_compare_exchange_strong_explicit(stamp, &mark, 2 * n + 2, memory_order_release,
                                            memory_order_relaxed);
}

static bool record_read(const _Atomic uint64_t *stamp, const _Atomic uint64_t *sum,
                        const _Atomic uint64_t *words, uint64_t n, size_t most, RingText *out)
{
    if (atomic_load_explicit(stamp, memory_order_acquire) != 2 * n + 2) return false;
    words_load(&out->head, words, sizeof out->head / 8);
    if (out->head.len > most) return false;
    const size_t used = words_used(out);
    words_load(out, words, used);
    const uint64_t expected = atomic_load_explicit(sum, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(stamp, memory_order_relaxed) == 2 * n + 2 &&
           out->head.len <= most && words_used(out) == used && sum_of(out, used, n) == expected;
}

static void head_fill(RecordHead *head, unsigned worker, const char *call_id, size_t len)
{
    *head = (RecordHead){.time_ms = metrics_now_ms(), .worker = worker, .len = (uint32_t)len};
    if (call_id) memcpy(head->call_id, call_id, strnlen(call_id, RECORD_CALL_ID - 1));
}

/* What is behind the text in its last word: no stack of the worker's gets into shared memory. */
static void pad(RingText *r)
{
    memset(r->text + r->head.len, 0, words_used(r) * 8 - sizeof r->head - r->head.len);
}

void metrics_log(Metrics *m, unsigned worker, uint32_t slot, const char *call_id, const char *line,
                 size_t len)
{
    Cell *cell = metrics_cell(m, worker, slot);
    if (!cell) return;
    RingText r;
    if (len > LOG_TEXT) len = LOG_TEXT;
    head_fill(&r.head, worker, call_id, len);
    if (len > 0) memcpy(r.text, line, len);
    pad(&r);
    const uint64_t n =
        atomic_fetch_add_explicit(&m->ring_heads[slot].log_next, 1, memory_order_relaxed);
    LogRecord *record = &m->rings[slot].logs[n % LOG_RECORDS];
    record_write(&record->stamp, &record->sum, record->words, n, &r);
    atomic_fetch_add_explicit(&cell->log_lines, 1, memory_order_relaxed);
}

/* ---- An error as text: the chain of messages, the trap, the guest's frames ---- */

typedef struct Text {
    char *at;
    size_t len, size;
} Text;

__attribute__((format(printf, 2, 3))) static void put(Text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->at + t->len, t->size - t->len, format, args);
    va_end(args);
    if (n > 0) t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
}

static void put_error(Text *t, const fnvm_error *error)
{
    const char *before = "";
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e), before = "caused by: ")
        put(t, "%s%.500s\n", before, fnvm_error_message(e));
    const fnvm_trap trap = fnvm_error_trap(error);
    if (trap != FNVM_TRAP_NONE) put(t, "trap: %s\n", fnvm_trap_text(trap));
    const fnvm_frame *frames = NULL;
    const size_t n = fnvm_error_frames(error, &frames);
    for (size_t i = 0; i < n && t->len + 1 < t->size; i++) {
        put(t, "%3zu: 0x%" PRIx64 " - %.100s!", i, frames[i].offset,
            frames[i].module_name ? frames[i].module_name : "<unknown>");
        if (frames[i].func_name) put(t, "%.200s\n", frames[i].func_name);
        else put(t, "<wasm function %" PRIu32 ">\n", frames[i].func_index);
    }
}

void metrics_error(Metrics *m, unsigned worker, uint32_t slot, const char *call_id,
                   const fnvm_error *error)
{
    Cell *cell = metrics_cell(m, worker, slot);
    if (!cell || !error) return;
    RingText r;
    Text text = {r.text, 0, sizeof r.text};
    r.text[0] = '\0';
    put_error(&text, error);
    head_fill(&r.head, worker, call_id, text.len);
    pad(&r);
    const uint64_t n =
        atomic_fetch_add_explicit(&m->ring_heads[slot].error_next, 1, memory_order_relaxed);
    ErrorRecord *record = &m->rings[slot].errors[n % ERROR_RECORDS];
    record_write(&record->stamp, &record->sum, record->words, n, &r);
    atomic_fetch_add_explicit(&cell->errors, 1, memory_order_relaxed);
}

bool ring_log(const Metrics *m, uint32_t slot, uint64_t n, RingText *out)
{
    const LogRecord *r = &m->rings[slot].logs[n % LOG_RECORDS];
    return record_read(&r->stamp, &r->sum, r->words, n, LOG_TEXT, out);
}

bool ring_error(const Metrics *m, uint32_t slot, uint64_t n, RingText *out)
{
    const ErrorRecord *r = &m->rings[slot].errors[n % ERROR_RECORDS];
    return record_read(&r->stamp, &r->sum, r->words, n, ERROR_TEXT, out);
}
