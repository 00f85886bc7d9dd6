/* A function's last lines of log and errors for a terminal.  Their text is the guest's, so
 * nothing in it may drive one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void put_head(FILE *out, const RecordHead *head)
{
    char when[32] = "?";
    const time_t seconds = (time_t)(head->time_ms / 1000);
    struct tm t;
    if (gmtime_r(&seconds, &t)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &t);
    fprintf(out, "%s.%03uZ ", when, (unsigned)(head->time_ms % 1000));
    size_t id = 0;
    while (id < sizeof head->call_id && head->call_id[id]) id++;
    put_text(out, id ? head->call_id : "-", id ? id : 1);
    fputc(' ', out);
}

static void put_line(FILE *out, const RingText *r)
{
    put_head(out, &r->head);
    put_text(out, r->text, r->head.len < sizeof r->text ? r->head.len : sizeof r->text);
    fputc('\n', out);
}

static void put_error(FILE *out, const RingText *r)
{
    const char *at = r->text,
               *end = at + (r->head.len < sizeof r->text ? r->head.len : sizeof r->text);
    put_head(out, &r->head);
    fputs("error: ", out);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        if (at > r->text) fputs("    ", out);
        put_text(out, at, (size_t)(stop - at));
        fputc('\n', out);
        at = stop < end ? stop + 1 : end;
    }
    if (!r->head.len) fputc('\n', out);
}

/* ---- Two rings as one ---- */

typedef struct Ring {
    bool (*read)(const Metrics *, uint32_t slot, uint64_t n, RingText *out);
    void (*put)(FILE *, const RingText *);
    uint64_t at, end, next; /* `next`: what is not complete at the end comes next time */
    bool there;             /* `text` is that of `at` */
    RingText text;
} Ring;

static void ring_begin(Ring *r, uint64_t from, uint64_t end, uint64_t records)
{
    const uint64_t oldest = end > records ? end - records : 0;
    r->at = r->next = from < oldest || from > end ? oldest : from;
    r->end = end;
}

static void ring_look(Ring *r, const Metrics *m, uint32_t slot)
{
    while (!r->there && r->at < r->end) {
        r->there = r->read(m, slot, r->at, &r->text);
        if (!r->there) r->at++;
    }
}

static void ring_put(Ring *r, FILE *out)
{
    r->put(out, &r->text);
    r->there = false;
    r->next = ++r->at;
}

void metrics_log_text(const Metrics *m, uint32_t slot, MetricsPlace *from, char **text, size_t *len)
{
    *text = NULL;
    if (slot >= METRICS_FUNCTIONS) return;
    FILE *out = open_memstream(text, len);
    if (!out) return;
    const RingHeads *heads = &m->ring_heads[slot];
    Ring lines = {.read = ring_log, .put = put_line},
         errors = {.read = ring_error, .put = put_error};
    ring_begin(&lines, from->lines, atomic_load_explicit(&heads->log_next, memory_order_acquire),
               LOG_RECORDS);
    ring_begin(&errors, from->errors,
               atomic_load_explicit(&heads->error_next, memory_order_acquire), ERROR_RECORDS);
    for (;;) {
        ring_look(&lines, m, slot);
        ring_look(&errors, m, slot);
        if (!lines.there && !errors.there) break;
        const bool error =
            errors.there && (!lines.there || errors.text.head.time_ms < lines.text.head.time_ms);
        ring_put(error ? &errors : &lines, out);
    }
    *from = (MetricsPlace){lines.next, errors.next};
    const bool written = !ferror(out);
    if (fclose(out) == 0 && written) return;
    free(*text);
    *text = NULL;
}
