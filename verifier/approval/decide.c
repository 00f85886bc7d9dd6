/* The way of a start: look the file up in the standing file, write a line, go on.  Nothing is
 * allocated and no SQL is asked.  Only if the standing file is not valid is the depot locked, and
 * recovered.
 *
 * The line is what counts: it is written while the log is locked and the standing file is seen
 * to be valid, so before any change that marks it. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "verifier/approval/depot.h"
#include "vm/error.h"

enum {
    ATTEMPTS_MAX = 1000       /* changes that may overtake one decision */
};

/* ---- The standing file ---- */

/* `watched` changes in place: who reads it meanwhile sees the one page or the other. */
static fnvm_error *map_standing(Depot *d)
{
    standing_unmap(&d->standing);
    fnvm_error *error = standing_map(d->fd, !d->watches, &d->standing);
    if (error || !d->standing.head) return error;
    if (mmap(d->watched, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, d->standing.fd, 0) != MAP_FAILED)
        return NULL;
    standing_unmap(&d->standing);
    return error_no_memory();
}

fnvm_error *depot_lock_standing(Depot *d)
{
    pthread_mutex_lock(&d->mutex);
    if (d->given_up) {
        pthread_mutex_unlock(&d->mutex);
        return fnvm_error_new(FNVM_E_POLICY, "this process has given up the depot `%s`", d->dir);
    }
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        if (standing_is_valid(&d->standing)) return NULL;
        fnvm_error *error = map_standing(d);
        if (!error && d->standing.head) return NULL;
        pthread_mutex_unlock(&d->mutex);
        if (!error) error = depot_read(d); /* waits for the change that goes on; recovers */
        if (error) return error;
        depot_abandon(d);
        pthread_mutex_lock(&d->mutex);
    }
    pthread_mutex_unlock(&d->mutex);
    return fnvm_error_new(FNVM_E_IO, "the depot `%s` does not stop changing", d->dir);
}

/* A mapping that can only be read may be made writable if its file was opened for that.  So the
 * page that is watched is mapped anew, by a descriptor that cannot be written; if the file is
 * another by then, its generation is, too. */
fnvm_error *depot_give_up(Depot *d)
{
    int fd = openat(d->fd, "standing", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    void *page =
        fd < 0 ? MAP_FAILED : mmap(d->watched, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
    const char *reason = strerrordesc_np(errno);
    if (fd >= 0) close(fd);
    if (page == MAP_FAILED)
        return fnvm_error_new(FNVM_E_IO, "cannot watch the depot `%s` without being able to write it: %s",
                              d->dir, reason ? reason : "unknown error");
    pthread_mutex_lock(&d->mutex);
    d->given_up = true;
    standing_unmap(&d->standing);
    if (d->audit >= 0) close(d->audit);
    d->audit = -1;
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

void depot_unlock_standing(Depot *d)
{
    pthread_mutex_unlock(&d->mutex);
}

/* Changes of the depot alone would take years to reach the bits that are for the keys. */
uint64_t depot_generation_of(const Depot *d, const StandingHead *head)
{
    enum { KEYS_SHIFT = 48 };
    return head->generation + (atomic_load_explicit(&d->key_sets, memory_order_acquire) << KEYS_SHIFT);
}

uint64_t depot_generation(Depot *d)
{
    StandingHead *head = d->watched;
    return atomic_load_explicit(&head->valid, memory_order_acquire) == 1 ? depot_generation_of(d, head)
                                                                         : 0;
}

/* ---- What stands about a subject ---- */

typedef struct Verdict {      /* entries are d->standing's: with the mutex held */
    bool allowed;
    const StandingEntry *entry;   /* that allows it, or that it fails on; NULL: there is none */
    const uint8_t *measurement;   /* if it is known */
    char reason[200];             /* if it is refused */
} Verdict;

/* Where signatures are required, whoever can write the standing file is not believed: what it
 * says was signed is verified for what has been measured. */
static bool is_signed_for(const StandingEntry *e, const uint8_t *measurement)
{
    Approval a = {.is_signed = true};
    snprintf(a.name, sizeof a.name, "%.*s", (int)sizeof e->name, e->name);
    snprintf(a.version, sizeof a.version, "%.*s", (int)sizeof e->version, e->version);
    memcpy(a.measurement.bytes, measurement, sizeof a.measurement.bytes);
    memcpy(a.policy, e->policy, sizeof a.policy);
    memcpy(a.signer, e->signer, sizeof a.signer);
    memcpy(a.signature, e->signature, sizeof a.signature);
    return approval_is_genuine(&a);
}

static bool is_trusted(const Depot *d, const StandingEntry *e, const uint8_t *measurement)
{
    if (d->nkeys == 0) return true;
    if (!(e->flags & STANDING_SIGNED)) return false;
    for (size_t i = 0; i < d->nkeys; i++)
        if (memcmp(d->keys[i], e->signer, sizeof e->signer) == 0)
            return is_signed_for(e, measurement);
    return false;
}

static bool has_policy(const StandingEntry *e, const uint8_t *policy)
{
    return sodium_is_zero(e->policy, sizeof e->policy) ||
           (policy && memcmp(e->policy, policy, sizeof e->policy) == 0);
}

/* One file may be approved more than once, for several policies, say: any will do that fits,
 * unless one of them revokes it. */
static void judge_entries(const Depot *d, const Subject *s, const StandingEntry *first, Verdict *v)
{
    const StandingEntry *revoked = NULL, *untrusted = NULL, *other = NULL, *fits = NULL;
    for (const StandingEntry *e = first; e; e = standing_next(&d->standing, e)) {
        if (e->flags & STANDING_REVOKED) revoked = e;
        else if (!is_trusted(d, e, v->measurement ? v->measurement : e->measurement)) untrusted = e;
        else if (!has_policy(e, s->policy)) other = e;
        else if (!fits) fits = e;
    }
    v->entry = revoked ? revoked : fits ? fits : other ? other : untrusted;
    if (!v->measurement) v->measurement = v->entry->measurement;
    v->allowed = !revoked && fits;
    char digest[65];
    if (revoked)
        snprintf(v->reason, sizeof v->reason, "it is revoked");
    else if (other) {
        sodium_bin2hex(digest, sizeof digest, other->policy, sizeof other->policy);
        snprintf(v->reason, sizeof v->reason,
                 "it is approved to run under one policy only: give that, "
                 "policies/%s.yaml in the depot",
                 digest);
    } else if (untrusted)
        snprintf(v->reason, sizeof v->reason,
                 "it is approved, but not signed by a key that is trusted");
}

/* False: it is no file of an installed version, so its measurement decides, and is not given.
 * Modules that must be signed are always measured, since the signature is of that. */
static bool judge(const Depot *d, const Subject *s, const Measurement *measurement, Verdict *v)
{
    *v = (Verdict){.entry = NULL};
    StandingKey key;
    const StandingEntry *first = NULL;
    const bool is_image = strcmp(s->what, "image") == 0;
    if (s->stat && (is_image || d->nkeys == 0)) {
        key = standing_identity(s->stat);
        first = standing_find(&d->standing, is_image ? STANDING_IMAGE : STANDING_FILE, &key);
    }
    if (!first && !measurement && s->measure) return false;
    if (!first && measurement) {
        memcpy(key.bytes, measurement->bytes, sizeof key.bytes);
        first = standing_find(&d->standing, STANDING_MEASUREMENT, &key);
        v->measurement = measurement->bytes;
    }
    if (first) judge_entries(d, s, first, v);
    else if (measurement)
        snprintf(v->reason, sizeof v->reason, "it is not approved");
    else
        snprintf(v->reason, sizeof v->reason, "it is no file of an installed version, or was changed since: then `fnvm repair` helps");
    return true;
}

/* ---- The log ---- */

typedef enum Logged { LOGGED, LOG_OVERTAKEN, LOG_FAILED } Logged;

/* It is locked for this alone, so waiting for it is short. */
static fnvm_error *lock_log(Depot *d, pid_t pid)
{
    int status;
    if (d->audit >= 0 && d->audit_pid == pid) {
        do status = flock(d->audit, LOCK_EX);
        while (status != 0 && errno == EINTR);
        if (status == 0) return NULL;
    }
    if (d->audit >= 0) close(d->audit);
    d->audit_pid = pid;
    return depot_open_log(d, &d->audit);
}

/* A change marks the standing file with the log locked: so what is valid now is what the line
 * says, and the head is the log's.  Only a file that was removed is not marked; but then
 * somebody else has made another, and by that has written behind this one's head. */
static Logged append_locked(Depot *d, const AuditEvent *event, fnvm_error **error)
{
    if (!standing_is_valid(&d->standing)) return LOG_OVERTAKEN;
    AuditHead head = standing_audit(&d->standing);
    const uint64_t end = head.bytes;
    *error = audit_catch_up(d->audit, &head);
    if (*error) return LOG_FAILED;
    if (head.bytes != end && !standing_is_in_place(&d->standing)) {
        standing_unmap(&d->standing);
        return LOG_OVERTAKEN;
    }
    *error = audit_append_next(d->audit, &head, event);
    if (*error) return LOG_FAILED;
    standing_set_audit(&d->standing, &head);
    return LOGGED;
}

static Logged log_verdict(Depot *d, const Subject *s, const Verdict *v, fnvm_error **error)
{
    const pid_t pid = getpid();
    const AuditEvent event = {.what = s->what, .is_decision = true, .allowed = v->allowed,
                              .name = v->entry ? v->entry->name : NULL,
                              .version = v->entry ? v->entry->version : NULL,
                              .measurement = v->measurement, .file = s->file,
                              .reason = v->allowed ? NULL : v->reason, .pid = (uint32_t)pid};
    *error = lock_log(d, pid);
    if (*error) return LOG_FAILED;
    const Logged result = append_locked(d, &event, error);
    if (result != LOG_FAILED) {
        flock(d->audit, LOCK_UN);
    } else {
        close(d->audit); /* it may be a file that has lost its name */
        d->audit = -1;
    }
    return result;
}

/* ---- Deciding ---- */

static fnvm_error *refusal(const Subject *s, const Verdict *v)
{
    char measurement[65] = "";
    if (v->measurement) sodium_bin2hex(measurement, sizeof measurement, v->measurement, 32);
    const char *open = v->measurement ? " (measurement " : "", *close = v->measurement ? ")" : "";
    if (!v->entry)
        return fnvm_error_new(FNVM_E_POLICY, "the %s may not run: %s%s%s%s", s->what, v->reason,
                              open, measurement, close);
    return fnvm_error_new(FNVM_E_POLICY, "the %s, %s %s, may not run: %s", s->what, v->entry->name,
                          v->entry->version, v->reason);
}

/* What cannot be logged is refused, with the reason. */
static fnvm_error *unlogged(const Subject *s, fnvm_error *error)
{
    const fnvm_error *cause = fnvm_error_cause(error);
    fnvm_error *wider = fnvm_error_new(FNVM_E_POLICY,
                                       "the %s may not run, since that cannot be noted: "
                                       "%s%s%s",
                                       s->what, fnvm_error_message(error), cause ? ": " : "",
                                       cause ? fnvm_error_message(cause) : "");
    fnvm_error_free(error);
    return wider;
}

/* The log does not go on where the standing file says.  After a crash of the machine it may be
 * that, by the database, all is well. */
static fnvm_error *recover(Depot *d, fnvm_error *why)
{
    if (fnvm_error_code(why) != FNVM_E_INVALID) return why;
    fnvm_error_free(why);
    fnvm_error *error = depot_read(d);
    if (error) return error;
    error = depot_recover(d);
    depot_abandon(d);
    return error;
}

/* One try, with the mutex held, which is released.  *measure: the measurement is needed first. */
static fnvm_error *decide(Depot *d, const Subject *s, const Measurement *m, uint64_t *generation,
                          bool *measure, Logged *logged)
{
    Verdict v;
    fnvm_error *error = NULL;
    *measure = !judge(d, s, m, &v);
    if (!*measure) *logged = log_verdict(d, s, &v, &error);
    if (!*measure && *logged == LOGGED) {
        *generation = depot_generation_of(d, d->standing.head);
        if (!v.allowed) error = refusal(s, &v);
    }
    depot_unlock_standing(d);
    return error;
}

fnvm_error *depot_decide(Depot *d, const Subject *s, uint64_t *generation)
{
    Measurement measurement, *measured = NULL;
    fnvm_error *error = NULL;
    bool recovered = false;
    *generation = 0;
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        bool measure;
        Logged logged = LOG_OVERTAKEN;
        error = depot_lock_standing(d);
        if (error) return unlogged(s, error);
        error = decide(d, s, measured, generation, &measure, &logged);
        if (measure) {
            error = s->measure(s->env, &measurement); /* it may take long: nothing is locked */
            if (error) return error;
            measured = &measurement;
        } else if (logged == LOGGED) {
            return error;
        } else if (logged == LOG_FAILED) {
            if (!recovered) error = recover(d, error);
            if (error) return unlogged(s, error);
            recovered = true;
        }
    }
    return fnvm_error_new(FNVM_E_POLICY,
                          "the %s may not run: the depot `%s` does not stop changing", s->what,
                          d->dir);
}

/* depot_lock_standing, but for the wait: false, with the mutex held all the same. */
static bool try_standing(Depot *d)
{
    pthread_mutex_lock(&d->mutex);
    if (d->given_up) return false;
    if (!standing_is_valid(&d->standing)) fnvm_error_free(map_standing(d));
    return standing_is_valid(&d->standing);
}

void depot_watch(Depot *d) { d->watches = true; }

/* As depot_lock_standing. */
static fnvm_error *wait_for_standing(Depot *d)
{
    const struct timespec some_time = {.tv_nsec = 1000000};
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        if (try_standing(d)) return NULL;
        depot_unlock_standing(d);
        nanosleep(&some_time, NULL);
    }
    return fnvm_error_new(FNVM_E_IO, "the depot `%s` is in the midst of a change that does not end",
                          d->dir);
}

static void look_up(const Depot *d, const Measurement *measurement, DepotRevoked *out)
{
    StandingKey key;
    memcpy(key.bytes, measurement->bytes, sizeof key.bytes);
    const StandingEntry *e = standing_find(&d->standing, STANDING_MEASUREMENT, &key);
    *out = (DepotRevoked){.generation = depot_generation_of(d, d->standing.head)};
    for (; e; e = standing_next(&d->standing, e)) {
        if (!(e->flags & STANDING_REVOKED)) continue;
        out->is = true;
        snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof e->name, e->name);
        snprintf(out->version, sizeof out->version, "%.*s", (int)sizeof e->version, e->version);
    }
}

fnvm_error *depot_revoked(Depot *d, const Measurement *measurement, bool wait, DepotRevoked *out)
{
    fnvm_error *error = !wait        ? NULL
                        : d->watches ? wait_for_standing(d)
                                     : depot_lock_standing(d);
    if (error) return error;
    out->generation = 0;
    if (wait || try_standing(d)) look_up(d, measurement, out);
    depot_unlock_standing(d);
    return NULL;
}

fnvm_error *fnvm_depot_require_signature(fnvm_depot *d, const unsigned char (*keys)[32],
                                         size_t nkeys)
{
    if (nkeys == 0) return fnvm_error_new(FNVM_E_USAGE, "no key is given that would be trusted");
    uint8_t (*copy)[32] = reallocarray(NULL, nkeys, sizeof *copy);
    if (!copy) return error_no_memory();
    memcpy(copy, keys, nkeys * sizeof *copy);
    pthread_mutex_lock(&d->mutex);
    uint8_t (*old)[32] = d->keys;
    d->keys = copy;
    d->nkeys = nkeys;
    atomic_fetch_add_explicit(&d->key_sets, 1, memory_order_release);
    pthread_mutex_unlock(&d->mutex);
    free(old);
    return NULL;
}
