/* A line is put together on the stack, hashed with the hash before it, and written by one call.
 * In the usual case the file ends where the head says, and nothing of it is read; what is behind
 * that is read and checked first, and becomes part of the log if it is whole lines. */
#include "verifier/approval/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_MAX = 200,         /* bytes of a string in an event */
    HASH_DIGITS = 64,
    TAIL_BYTES = 8 + 1 + HASH_DIGITS + 2 + 1 /* `,"hash":` `"` digits `"}` newline */
};
static const char hash_key[] = ",\"hash\":\"";

/* ---- Text ---- */

/* Days since 1970 to a date, by the calendar's period of 400 years, which begins in March here.
 * (The C library would first read the time zone's file.) */
static void date_of(int64_t days, int *year, int *month, int *day)
{
    const int64_t shifted = days + 719468, era = shifted / 146097, of_era = shifted % 146097;
    const int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static char *put_digits(char *at, uint64_t n, int width)
{
    for (int i = width - 1; i >= 0; i--, n /= 10) at[i] = (char)('0' + n % 10);
    return at + width;
}

void audit_time(char out[32])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t seconds = now.tv_sec > 0 ? now.tv_sec : 0;
    const uint64_t of_day = (uint64_t)(seconds % 86400);
    int year, month, day;
    date_of(seconds / 86400, &year, &month, &day);
    char *at = put_digits(out, (uint64_t)year, 4);
    *at++ = '-', at = put_digits(at, (uint64_t)month, 2);
    *at++ = '-', at = put_digits(at, (uint64_t)day, 2);
    *at++ = 'T', at = put_digits(at, of_day / 3600, 2);
    *at++ = ':', at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':', at = put_digits(at, of_day % 60, 2);
    *at++ = '.', at = put_digits(at, (uint64_t)now.tv_nsec / 1000000, 3);
    *at++ = 'Z', *at = '\0';
}

/* AUDIT_LINE_MAX is enough for any event: each byte of its strings becomes at most six. */
typedef struct Line { char *at; char text[AUDIT_LINE_MAX]; } Line;
_Static_assert(5 * 6 * TEXT_MAX + 1000 < AUDIT_LINE_MAX, "five strings, and the rest");

static void put(Line *l, const char *text)
{
    const size_t n = strlen(text);
    memcpy(l->at, text, n);
    l->at += n;
}

static void put_number(Line *l, uint64_t n)
{
    int width = 1;
    for (uint64_t rest = n; rest >= 10; rest /= 10) width++;
    l->at = put_digits(l->at, n, width);
}

static void put_hex(Line *l, const uint8_t bytes[32])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        *l->at++ = digits[bytes[i] >> 4];
        *l->at++ = digits[bytes[i] & 15];
    }
}

/* Length of the UTF-8 sequence at `s`, of `n` bytes at most; 0: it is none. */
static size_t sequence(const uint8_t *s, size_t n)
{
    const size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3
                     : s[0] < 0xF5 ? 4 : 0;
    if (len > n) return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    const bool is_bad = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
                        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F);
    return is_bad ? 0 : len;
}

static void put_string(Line *l, const char *key, const char *text)
{
    if (!text) return;
    put(l, key);
    *l->at++ = '"';
    const uint8_t *s = (const uint8_t *)text;
    for (size_t n = strnlen(text, TEXT_MAX), len; n > 0; s += len, n -= len) {
        len = sequence(s, n);
        if (len == 0) {
            put(l, "\\ufffd");
            len = 1;
        } else if (*s < 0x20 || *s == 0x7F) {
            put(l, "\\u00");
            *l->at++ = (char)('0' + *s / 16);
            *l->at++ = "0123456789abcdef"[*s % 16];
        } else {
            if (*s == '"' || *s == '\\') *l->at++ = '\\';
            memcpy(l->at, s, len);
            l->at += len;
        }
    }
    *l->at++ = '"';
}

static void put_event(Line *l, uint64_t n, const AuditEvent *e)
{
    char time[32];
    audit_time(time);
    put(l, "{\"n\":"), put_number(l, n);
    put_string(l, ",\"time\":", time);
    put(l, ",\"pid\":"), put_number(l, e->pid ? e->pid : (uint64_t)getpid());
    put(l, ",\"uid\":"), put_number(l, getuid());
    put_string(l, ",\"what\":", e->what);
    if (e->is_decision) put(l, e->allowed ? ",\"allowed\":true" : ",\"allowed\":false");
    put_string(l, ",\"name\":", e->name);
    put_string(l, ",\"version\":", e->version);
    if (e->measurement) {
        put(l, ",\"measurement\":\"");
        put_hex(l, e->measurement);
        *l->at++ = '"';
    }
    put_string(l, ",\"file\":", e->file);
    put_string(l, ",\"reason\":", e->reason);
    if (e->event) put(l, ",\"event\":"), put_number(l, e->event);
}

/* No quotation mark within a string of ours is without a backslash before it. */
uint64_t audit_line_event(const char *text, size_t len)
{
    static const char key[] = ",\"event\":";
    const char *at = memmem(text, len, key, sizeof key - 1);
    uint64_t n = 0;
    if (!at) return 0;
    for (at += sizeof key - 1; at < text + len && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return 0;
    return n;
}

static void hash_line(const uint8_t before[32], const char *text, size_t len, uint8_t out[32])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 32);
    crypto_generichash_update(&state, before, 32);
    crypto_generichash_update(&state, (const uint8_t *)text, len);
    crypto_generichash_final(&state, out, 32);
}

/* ---- Verifying ---- */

static fnvm_error *log_error(const char *doing)
{
    const char *reason = strerrordesc_np(errno);
    return fnvm_error_new(FNVM_E_IO, "cannot %s the audit log: %s", doing,
                          reason ? reason : "unknown error");
}

static fnvm_error *broken(uint64_t n, uint64_t offset, const char *what)
{
    return fnvm_error_new(FNVM_E_INVALID, "the audit log was changed: line %" PRIu64 ", at byte %"
                          PRIu64 ", %s", n, offset, what);
}

static fnvm_error *check_size(int fd, const AuditHead *from, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return log_error("look at");
    if (st.st_nlink == 0)
        return fnvm_error_new(FNVM_E_INVALID, "the audit log was removed while it was in use");
    *size = (uint64_t)st.st_size;
    if (*size >= from->bytes) return NULL;
    return fnvm_error_new(FNVM_E_INVALID, "lines are missing at the end of the audit log: it has %"
                          PRIu64 " bytes, and had %" PRIu64 " with %" PRIu64 " lines", *size,
                          from->bytes, from->count);
}

/* A whole line, its newline not counted, against the head before it, which it moves on. */
static fnvm_error *check_line(AuditHead *head, const char *text, size_t len)
{
    char start[40];
    const uint64_t n = head->count + 1;
    const int nstart = snprintf(start, sizeof start, "{\"n\":%" PRIu64 ",", n);
    if (len < (size_t)nstart || memcmp(text, start, (size_t)nstart) != 0)
        return broken(n, head->bytes, "is not the one with that number");
    const size_t tail = TAIL_BYTES - 1; /* without the newline */
    if (len < tail || memcmp(text + len - tail, hash_key, sizeof hash_key - 1) != 0 ||
        memcmp(text + len - 2, "\"}", 2) != 0)
        return broken(n, head->bytes, "has no hash");
    uint8_t hash[32];
    char digits[HASH_DIGITS + 1];
    hash_line(head->hash, text, len - tail, hash);
    sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
    if (memcmp(digits, text + len - 2 - HASH_DIGITS, HASH_DIGITS) != 0)
        return broken(n, head->bytes, "does not follow from the one before it by its hash");
    *head = (AuditHead){.count = n, .bytes = head->bytes + len + 1};
    memcpy(head->hash, hash, sizeof hash);
    return NULL;
}

static ssize_t read_at(int fd, char *bytes, size_t n, uint64_t offset)
{
    ssize_t got;
    do got = pread(fd, bytes, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}

fnvm_error *audit_verify(int fd, const AuditHead *from,
                         void (*line)(void *env, const char *text, size_t len), void *env,
                         AuditHead *end)
{
    char buffer[2 * AUDIT_LINE_MAX];
    uint64_t size;
    *end = *from;
    fnvm_error *error = check_size(fd, from, &size);
    while (!error && end->bytes < size) {
        const ssize_t got = read_at(fd, buffer, sizeof buffer, end->bytes);
        if (got < 0) return log_error("read");
        const char *at = buffer, *const limit = buffer + got, *newline;
        while (!error && (newline = memchr(at, '\n', (size_t)(limit - at)))) {
            error = check_line(end, at, (size_t)(newline - at));
            if (!error && line) line(env, at, (size_t)(newline - at));
            at = newline + 1;
        }
        if (error || at != buffer) continue;
        if (got < (ssize_t)sizeof buffer) break; /* what a crash left of a line */
        error = broken(end->count + 1, end->bytes, "has no end");
    }
    return error;
}

/* ---- Appending ---- */

static fnvm_error *cut_off(int fd, uint64_t size)
{
    if (ftruncate(fd, (off_t)size) == 0) return NULL;
    if (errno == EPERM)
        return fnvm_error_new(
            FNVM_E_IO,
            "the audit log ends with a part of a line, which cannot be cut "
            "off while the file may only be appended to: chattr -a it, let it end "
            "at byte %" PRIu64 ", chattr +a",
            size);
    return log_error("cut a part of a line off");
}

/* What a crash left behind the head: whole lines count, a part of one goes. */
fnvm_error *audit_catch_up(int fd, AuditHead *head)
{
    uint64_t size;
    fnvm_error *error = check_size(fd, head, &size);
    if (error || size == head->bytes) return error;
    AuditHead end;
    error = audit_verify(fd, head, NULL, NULL, &end);
    if (!error && end.bytes < size) error = cut_off(fd, end.bytes);
    if (!error) *head = end;
    return error;
}

static fnvm_error *write_line(int fd, const char *text, size_t len, uint64_t at)
{
    ssize_t n;
    do n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len) return NULL;
    if (n >= 0) errno = ENOSPC;
    fnvm_error *error = log_error("write to");
    if (n > 0) fnvm_error_free(cut_off(fd, at)); /* else the next one does it */
    return error;
}

fnvm_error *audit_append(int fd, AuditHead *head, const AuditEvent *event)
{
    fnvm_error *error = audit_catch_up(fd, head);
    return error ? error : audit_append_next(fd, head, event);
}

fnvm_error *audit_append_next(int fd, AuditHead *head, const AuditEvent *event)
{
    Line line;
    line.at = line.text;
    put_event(&line, head->count + 1, event);
    AuditHead next = {.count = head->count + 1};
    hash_line(head->hash, line.text, (size_t)(line.at - line.text), next.hash);
    put(&line, hash_key);
    put_hex(&line, next.hash);
    put(&line, "\"}\n");
    const size_t len = (size_t)(line.at - line.text);
    next.bytes = head->bytes + len;
    fnvm_error *error = write_line(fd, line.text, len, head->bytes);
    if (!error) *head = next;
    return error;
}
