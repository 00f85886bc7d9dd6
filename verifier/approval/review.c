/* The log looked at as a whole: every line by its hash, the points of it that the database and the
 * standing file have noted, and that every event is in it, once and in order. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verifier/approval/depot.h"
#include "vm/error.h"

typedef struct Review {
    void (*line)(void *env, const char *text, size_t len);
    void *env;
    uint64_t lines, next;      /* event that comes next */
    uint64_t wrong;            /* line that has another one; 0: none */
} Review;

static void review_line(void *env, const char *text, size_t len)
{
    Review *r = env;
    const uint64_t event = audit_line_event(text, len);
    r->lines++;
    if (event && event != r->next && !r->wrong) r->wrong = r->lines;
    if (event) r->next = event + 1;
    if (r->line) r->line(r->env, text, len);
}

/* That the log goes through a point that was noted, to the same end. */
static fnvm_error *check_point(int log, const AuditHead *point, const AuditHead *end,
                               const char *whose)
{
    AuditHead same;
    fnvm_error *error = audit_verify(log, point, NULL, NULL, &same);
    if (!error && (same.count != end->count || memcmp(same.hash, end->hash, sizeof same.hash) != 0))
        error = fnvm_error_new(FNVM_E_INVALID, "the log is another one: its lines up to %" PRIu64
                               " were made anew", point->count);
    return error ? fnvm_error_wrap(error, "the audit log does not fit what %s notes of it", whose)
                 : NULL;
}

static fnvm_error *check_events(const Review *r, int64_t logged)
{
    if (r->wrong)
        return fnvm_error_new(FNVM_E_INVALID,
                              "line %" PRIu64 " of the audit log tells of another change "
                              "than the one that comes next",
                              r->wrong);
    if (r->next <= (uint64_t)logged)
        return fnvm_error_new(FNVM_E_INVALID, "the audit log does not tell of change %" PRIu64,
                              r->next);
    return NULL;
}

static fnvm_error *review(Depot *d, int log, Review *r)
{
    AuditHead end, noted, last;
    int64_t first, logged;
    fnvm_error *error = database_check(d->database);
    if (!error) error = database_logged(d->database, &first, &logged);
    if (!error) error = database_audit_head(d->database, &noted);
    if (error) return error;
    r->next = (uint64_t)first;
    error = audit_verify(log, &(AuditHead){0}, review_line, r, &end);
    if (!error) error = check_point(log, &noted, &end, "the database");
    if (!error && standing_last_audit(d->fd, &last))
        error = check_point(log, &last, &end, "the standing file");
    return error ? error : check_events(r, logged);
}

fnvm_error *depot_audit(Depot *d, void (*line)(void *env, const char *text, size_t len), void *env,
                        uint64_t *lines)
{
    Review r = {.line = line, .env = env};
    int log;
    *lines = 0;
    fnvm_error *error = depot_lock(d); /* no recovery: it must be seen as it is */
    if (error) return error;
    error = depot_open_log(d, &log);
    if (!error) {
        error = review(d, log, &r);
        close(log);
    }
    depot_abandon(d);
    *lines = r.lines;
    return error;
}

/* ---- Another log ---- */

static fnvm_error *last_event(void *env, const Event *e, const char *time)
{
    int64_t *last = env;
    (void)time;
    *last = e->id;
    return NULL;
}

/* The database takes note first.  Until the old log has gone it fits nothing, and this is done
 * again. */
static fnvm_error *note_new_log(Depot *d, const char *kept)
{
    Event e = {.what = "new log"};
    int64_t last = 0;
    snprintf(e.reason, sizeof e.reason, "the one before is kept as %s", kept);
    fnvm_error *error = standing_invalidate(d->fd);
    if (!error) error = database_begin(d->database);
    if (!error) error = database_add_event(d->database, &e);
    if (!error) error = database_each_event(d->database, NULL, last_event, &last);
    if (!error) error = database_set_first_event(d->database, last);
    if (!error) error = database_set_logged(d->database, last - 1, &(AuditHead){0});
    if (!error) error = database_commit(d->database);
    return error;
}

static fnvm_error *replace_log(Depot *d, const char *kept)
{
    fnvm_error *error = note_new_log(d, kept);
    if (error) return error;
    if ((renameat2(d->fd, "audit.log", d->fd, kept, RENAME_NOREPLACE) != 0 && errno != ENOENT) ||
        (unlinkat(d->fd, "standing", 0) != 0 && errno != ENOENT))
        return fnvm_error_new(FNVM_E_IO, "cannot put the audit log of `%s` aside: %s", d->dir,
                              strerrordesc_np(errno));
    return depot_recover(d);
}

fnvm_error *depot_new_log(Depot *d, char **kept)
{
    char time[32];
    int log;
    *kept = NULL;
    audit_time(time);
    if (asprintf(kept, "audit.log.%s", time) < 0) {
        *kept = NULL;
        return error_no_memory();
    }
    fnvm_error *error = depot_lock(d);
    if (!error) {
        error = depot_open_log(d, &log); /* whoever is about to append is through */
        if (!error) close(log);
        if (!error) error = replace_log(d, *kept);
        depot_abandon(d);
    }
    if (!error) return NULL;
    free(*kept);
    *kept = NULL;
    return error;
}
