/* The wall clock is looked at once per line, and printed once per second. */
#include "gateway/access_log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/trace.h"
#include "gateway/tunables.h"

static void put_time(AccessLog *log, Text *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if ((uint64_t)now.tv_sec != log->second || !log->stamp[0]) {
        struct tm parts;
        log->second = (uint64_t)now.tv_sec;
        gmtime_r(&now.tv_sec, &parts);
        strftime(log->stamp, sizeof log->stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    }
    const unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    const char fraction[6] = {
        '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', '"'};
    text_put(out, "{\"time\":\"");
    text_put(out, log->stamp);
    text_add(out, fraction, sizeof fraction);
}

static void put_text(Text *out, const char *key, HttpText value)
{
    text_add(out, ",\"", 2);
    text_put(out, key);
    text_add(out, "\":", 2);
    text_json(out, value);
}

static void put_number(Text *out, const char *key, uint64_t value)
{
    text_add(out, ",\"", 2);
    text_put(out, key);
    text_add(out, "\":", 2);
    text_number(out, value);
}

static void put_us(Text *out, const char *key, uint64_t ns)
{
    put_number(out, key, ns / 1000);
    const char tenth[2] = {'.', (char)('0' + ns / 100 % 10)};
    text_add(out, tenth, 2);
}

void access_log_add(AccessLog *log, const AccessLine *l)
{
    if (log->fd < 0) return;
    Text *out = &log->lines;
    const MetricsRequest *n = l->numbers;
    const size_t before = out->len;
    put_time(log, out);
    put_text(out, "id", text_of(l->call_id));
    put_text(out, "trace", (HttpText){l->trace, TRACE_ID_LEN});
    put_text(out, "remote", l->peer);
    put_text(out, "method", l->method);
    put_text(out, "host", l->host);
    put_text(out, "target", l->target);
    if (l->answered) put_number(out, "status", n->status);
    if (l->function.len) {
        put_text(out, "function", l->function);
        if (l->version.len) put_text(out, "version", l->version);
        put_text(out, "outcome", text_of(outcome_names[n->outcome]));
        if (n->start < START_KINDS) {
            put_text(out, "start", text_of(start_names[n->start]));
            put_us(out, "start_us", n->start_ns);
            put_us(out, "guest_us", n->guest_ns);
        }
    }
    put_us(out, "total_us", n->total_ns);
    put_number(out, "in", n->bytes_in);
    put_number(out, "out", n->bytes_out);
    text_add(out, "}\n", 2);
    if (out->failed) {
        out->len = before; /* no half lines */
        out->failed = false;
        log->lost++;
    }
    if (out->len >= TUNE_LOG_BATCH) access_log_flush(log);
}

void access_log_flush(AccessLog *log)
{
    Text *out = &log->lines;
    if (out->len == 0) return;
    if (log->lost) {
        text_put(out, "{\"lost_lines\":");
        text_number(out, log->lost);
        text_add(out, "}\n", 2);
    }
    ssize_t written;
    do written = write(log->fd, out->at, out->len);
    while (written < 0 && errno == EINTR);
    const size_t done = written < 0 ? 0 : (size_t)written;
    if (done == out->len) log->lost = 0;
    else
        for (size_t i = done; i < out->len; i++) log->lost += out->at[i] == '\n';
    text_clear(out);
}

void access_log_free(AccessLog *log)
{
    access_log_flush(log);
    text_free(&log->lines);
}
