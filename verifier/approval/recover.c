/* How log, standing file and database are made to agree.  The database is right; the log must
 * contain what the database notes of it, and whatever decisions came after; the standing file is
 * made of both.
 *
 * The log is locked for as long as its head is on the way from one standing file to the next:
 * nobody can append to it by the old head meanwhile, and later the old file is not valid any
 * more. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/depot.h"
#include "vm/error.h"

fnvm_error *depot_open_log(const Depot *d, int *fd)
{
    *fd = openat(d->fd, "audit.log", O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                 0600);
    int status = -1;
    if (*fd >= 0)
        do status = flock(*fd, LOCK_EX);
        while (status != 0 && errno == EINTR);
    if (status == 0) return NULL;
    const char *reason = strerrordesc_np(errno);
    if (*fd >= 0) close(*fd);
    *fd = -1;
    return fnvm_error_new(FNVM_E_IO, "cannot open the audit log of `%s`: %s", d->dir,
                          reason ? reason : "unknown error");
}

/* ---- What stands ---- */

typedef struct Entries {
    StandingEntry *at; size_t n, capacity;
} Entries;

static StandingEntry *add_entry(Entries *e, StandingKind kind, const StandingKey *key,
                                const StandingEntry *like)
{
    if (e->n == e->capacity) {
        const size_t capacity = e->capacity ? e->capacity * 2 : 64;
        StandingEntry *at = reallocarray(e->at, capacity, sizeof *at);
        if (!at) return NULL;
        e->at = at;
        e->capacity = capacity;
    }
    StandingEntry *entry = &e->at[e->n++];
    *entry = *like;
    entry->kind = kind;
    entry->key = *key;
    return entry;
}

/* What all entries that come of an approval have. */
static StandingEntry entry_of(const Approval *a)
{
    StandingEntry e = {.flags = (a->state == APPROVAL_REVOKED ? STANDING_REVOKED : 0u) |
                                (approval_is_genuine(a) ? STANDING_SIGNED : 0u)};
    snprintf(e.name, sizeof e.name, "%s", a->name);
    snprintf(e.version, sizeof e.version, "%s", a->version);
    if (e.flags & STANDING_SIGNED) {
        memcpy(e.signer, a->signer, sizeof e.signer);
        memcpy(e.signature, a->signature, sizeof e.signature);
    }
    memcpy(e.measurement, a->measurement.bytes, sizeof e.measurement);
    memcpy(e.policy, a->policy, sizeof e.policy);
    return e;
}

static bool stands(const Approval *a)
{
    return a->state == APPROVAL_APPROVED || a->state == APPROVAL_REVOKED;
}

static fnvm_error *add_approval(void *env, const Approval *a)
{
    if (!stands(a)) return NULL;
    const StandingEntry e = entry_of(a);
    StandingKey key;
    memcpy(key.bytes, a->measurement.bytes, sizeof key.bytes);
    return add_entry(env, STANDING_MEASUREMENT, &key, &e) ? NULL : error_no_memory();
}

static fnvm_error *add_install(void *env, const Install *i, const Approval *a)
{
    Entries *entries = env;
    if (!stands(a)) return NULL;
    StandingEntry e = entry_of(a);
    if (i->image.is_there) e.flags |= STANDING_HAS_IMAGE;
    memcpy(e.install, i->id, sizeof e.install);
    memcpy(e.object, i->object, sizeof e.object);
    if (i->manifest.is_there) e.manifest = i->manifest.identity;
    bool ok = add_entry(entries, STANDING_FILE, &i->module_identity, &e) != NULL;
    if (i->image.is_there && ok)
        ok = add_entry(entries, STANDING_IMAGE, &i->image.identity, &e) != NULL;
    if (i->state == INSTALL_CURRENT && ok) {
        const StandingKey name = standing_name_key(a->name, NULL),
                          version = standing_name_key(a->name, a->version);
        ok = add_entry(entries, STANDING_NAME, &name, &e) &&
             add_entry(entries, STANDING_NAME, &version, &e);
    }
    return ok ? NULL : error_no_memory();
}

static int by_measurement(const void *a, const void *b)
{
    return memcmp(((const StandingEntry *)a)->measurement, ((const StandingEntry *)b)->measurement,
                  32);
}

/* A measurement that is revoked is so under every name, and in every file. */
static void spread_revocations(Entries *e)
{
    if (e->n > 1) qsort(e->at, e->n, sizeof *e->at, by_measurement);
    for (size_t first = 0, end; first < e->n; first = end) {
        uint32_t flags = 0;
        for (end = first; end < e->n && by_measurement(&e->at[first], &e->at[end]) == 0; end++)
            flags |= e->at[end].flags & STANDING_REVOKED;
        for (size_t i = first; i < end; i++) e->at[i].flags |= flags;
    }
}

static fnvm_error *write_standing(Depot *d, const AuditHead *head)
{
    Entries entries = {0};
    fnvm_error *error = database_each_approval(d->database, NULL, add_approval, &entries);
    if (!error) error = database_each_install(d->database, add_install, &entries);
    const uint64_t generation = error ? 0 : database_generation(d->database);
    if (!error && generation == 0)
        error = fnvm_error_new(FNVM_E_INVALID, "the database of `%s` has no generation", d->dir);
    if (!error) {
        spread_revocations(&entries);
        error = standing_write(d->fd, entries.at, entries.n, generation, head);
    }
    free(entries.at);
    return error;
}

/* ---- Events to the log ---- */

typedef struct Publishing {
    int log;
    AuditHead head;
    uint64_t seen;             /* events up to this one are in the log */
    int64_t last;              /* event that was pending; 0: none was */
} Publishing;

static fnvm_error *log_event(void *env, const Event *e)
{
    Publishing *p = env;
    p->last = e->id;
    if ((uint64_t)e->id <= p->seen) return NULL;
    const AuditEvent line = {.what = e->what,
                             .name = *e->name ? e->name : NULL,
                             .version = *e->version ? e->version : NULL,
                             .measurement = e->has_measurement ? e->measurement.bytes : NULL,
                             .reason = *e->reason ? e->reason : NULL,
                             .event = (uint64_t)e->id};
    return audit_append(p->log, &p->head, &line);
}

/* With the log locked.  The database notes the log's head only once the log is on the disk. */
static fnvm_error *publish(Depot *d, Publishing *p)
{
    fnvm_error *error = database_each_pending(d->database, log_event, p);
    if (!error && p->last > 0) {
        if (fsync(p->log) != 0)
            return fnvm_error_new(FNVM_E_IO, "cannot write the audit log of `%s`: %s", d->dir,
                                  strerrordesc_np(errno));
        error = database_set_logged(d->database, p->last, &p->head);
    }
    return error ? error : write_standing(d, &p->head);
}

fnvm_error *depot_publish(Depot *d, const AuditHead *head)
{
    Publishing p = {.head = *head};
    fnvm_error *error = depot_open_log(d, &p.log);
    if (error) return error;
    error = publish(d, &p);
    close(p.log);
    return error;
}

fnvm_error *depot_retire(Depot *d, AuditHead *head)
{
    int log;
    Standing standing;
    fnvm_error *error = depot_open_log(d, &log);
    if (error) return error;
    error = standing_map(d->fd, true, &standing);
    if (!error && !standing.head)
        error = fnvm_error_new(FNVM_E_IO,
                               "the depot `%s` was changed by somebody who did not lock it: "
                               "try again",
                               d->dir);
    if (!error) {
        *head = standing_audit(&standing);
        error = audit_catch_up(log, head); /* rather before the change than after it */
    }
    if (!error) error = standing_invalidate(d->fd);
    standing_unmap(&standing);
    close(log);
    return error;
}

/* ---- Recovery ---- */

static void note_event(void *env, const char *text, size_t len)
{
    uint64_t *last = env, event = audit_line_event(text, len);
    if (event > *last) *last = event;
}

/* The last standing file of this boot knows a later point of the log than the database: that the
 * log goes through, too.  (After a crash of the machine the log may have lost decisions that the
 * file notes.) */
static fnvm_error *check_last(const Depot *d, int log, const AuditHead *end)
{
    AuditHead last, same;
    if (!standing_last_audit(d->fd, &last)) return NULL;
    fnvm_error *error = audit_verify(log, &last, NULL, NULL, &same);
    if (error || (same.count == end->count && memcmp(same.hash, end->hash, sizeof same.hash) == 0))
        return error;
    return fnvm_error_new(FNVM_E_INVALID, "the audit log was changed before line %llu",
                          (unsigned long long)last.count + 1);
}

fnvm_error *depot_recover(Depot *d)
{
    AuditHead noted;
    Publishing p = {0};
    fnvm_error *error = database_audit_head(d->database, &noted);
    if (!error) error = depot_open_log(d, &p.log);
    if (error) return error;
    error = audit_verify(p.log, &noted, note_event, &p.seen, &p.head);
    if (!error) error = check_last(d, p.log, &p.head);
    if (error)
        error = fnvm_error_wrap(error,
                                "the depot `%s` decides nothing as long as its log is not whole; "
                                "`fnvm approvals audit` says more",
                                d->dir);
    else
        error = publish(d, &p);
    close(p.log);
    return error;
}
