/* A function's last lines of log for a terminal.  Their text is the guest's, so nothing in it
 * may drive one. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/metrics_memory.h"

static void put_text(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F) fprintf(out, "\\x%02X", c);
        else fputc(c, out);
    }
}

static void put_line(FILE *out, const RingText *r)
{
    char when[32] = "?";
    const time_t seconds = (time_t)(r->head.time_ms / 1000);
    struct tm t;
    if (gmtime_r(&seconds, &t)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &t);
    fprintf(out, "%s.%03uZ ", when, (unsigned)(r->head.time_ms % 1000));
    size_t id = 0;
    while (id < sizeof r->head.call_id && r->head.call_id[id]) id++;
    put_text(out, id ? r->head.call_id : "-", id ? id : 1);
    fputc(' ', out);
    put_text(out, r->text, r->head.len < sizeof r->text ? r->head.len : sizeof r->text);
    fputc('\n', out);
}

void metrics_log_text(const Metrics *m, uint32_t slot, uint64_t *from, char **text, size_t *len)
{
    *text = NULL;
    if (slot >= METRICS_FUNCTIONS) return;
    FILE *out = open_memstream(text, len);
    if (!out) return;
    const uint64_t end = atomic_load_explicit(&m->ring_heads[slot].log_next, memory_order_acquire);
    const uint64_t oldest = end > LOG_RECORDS ? end - LOG_RECORDS : 0;
    uint64_t next = *from < oldest || *from > end ? oldest : *from;
    for (uint64_t n = next; n < end; n++) {
        RingText r;
        if (!ring_log(m, slot, n, &r)) continue;
        put_line(out, &r);
        next = n + 1; /* what is not complete at the end comes next time */
    }
    *from = next;
    const bool written = !ferror(out);
    if (fclose(out) == 0 && written) return;
    free(*text);
    *text = NULL;
}
