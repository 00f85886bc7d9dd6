/* Approving and revoking are changes of rows, each with an event that tells of it; the rest follows
 * from these when the change is committed. */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "verifier/policy/manifest.h"
#include "vm/error.h"

static fnvm_error *add_event(Database *database, const char *what, const Approval *a,
                             const char *reason)
{
    Event e = {.has_measurement = true, .measurement = a->measurement};
    snprintf(e.what, sizeof e.what, "%s", what);
    memcpy(e.name, a->name, sizeof e.name);
    memcpy(e.version, a->version, sizeof e.version);
    snprintf(e.reason, sizeof e.reason, "%s", reason);
    return database_add_event(database, &e);
}

/* ---- Rows that are changed while others are read ---- */

typedef struct ApprovalList { Approval *at; size_t n, capacity; } ApprovalList;

static fnvm_error *list_add(ApprovalList *list, const Approval *a)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 16;
        Approval *at = reallocarray(list->at, capacity, sizeof *at);
        if (!at) return error_no_memory();
        list->at = at;
        list->capacity = capacity;
    }
    list->at[list->n++] = *a;
    return NULL;
}

typedef struct Wanted {
    ApprovalList list;
    const Measurement *measurement; /* that is revoked; NULL: any */
    const char *version;            /* NULL: any */
} Wanted;

static fnvm_error *add_wanted(void *env, const Approval *a)
{
    Wanted *w = env;
    if (w->measurement && (a->state != APPROVAL_REVOKED ||
                           memcmp(&a->measurement, w->measurement, sizeof a->measurement) != 0))
        return NULL;
    return w->version && strcmp(w->version, a->version) != 0 ? NULL : list_add(&w->list, a);
}

/* ---- The policy ---- */

static fnvm_error *add_policy(Depot *d, const ApprovalRequest *r, uint8_t digest[32])
{
    if (!r->yaml) return NULL;
    object_hash(r->yaml, r->yaml_len, digest);
    fnvm_error *error = database_add_policy(d->database, digest, r->yaml, r->yaml_len);
    return error ? error : policy_put(d, digest, r->yaml, r->yaml_len);
}

/* ---- Approving ---- */

static fnvm_error *check_name(const char *what, const char *name)
{
    if (name && manifest_name_ok(name)) return NULL;
    return fnvm_error_new(FNVM_E_USAGE,
                          "`%s` is no %s: it begins with a letter or digit, and has at most "
                          "64 of these and `.`, `_`, `-`",
                          name ? name : "", what);
}

/* The version that is there already: only what it says may be said again. */
static fnvm_error *check_same(const Approval *old, const Approval *wanted)
{
    const char *differs =
        memcmp(&old->measurement, &wanted->measurement, sizeof old->measurement) != 0
            ? "another binary"
        : memcmp(old->policy, wanted->policy, sizeof old->policy) != 0 ? "another policy"
                                                                       : NULL;
    if (!differs) return NULL;
    return fnvm_error_new(FNVM_E_INVALID,
                          "version %s of `%s` is there already (%s), with %s: give this "
                          "one a version of its own",
                          old->version, old->name, approval_states[old->state], differs);
}

/* Rows that revoke the measurement: an error, or no longer so. */
static fnvm_error *lift_revocations(Depot *d, const ApprovalRequest *r)
{
    Wanted wanted = {.measurement = &r->measurement};
    fnvm_error *error = database_each_approval(d->database, NULL, add_wanted, &wanted);
    const ApprovalList *list = &wanted.list;
    if (!error && list->n > 0 && !r->reinstate)
        error = fnvm_error_new(FNVM_E_INVALID,
                               "this binary was revoked, as `%s` %s%s%s: it is approved "
                               "again only if it is reinstated",
                               list->at[0].name, list->at[0].version,
                               *list->at[0].reason ? ": " : "", list->at[0].reason);
    for (size_t i = 0; !error && i < list->n; i++) {
        char reason[200];
        snprintf(reason, sizeof reason, "reinstated as %s %s", r->name, r->version);
        error = database_set_approval(d->database, list->at[i].id, APPROVAL_REMOVED, reason);
        if (!error) error = add_event(d->database, "reinstate", &list->at[i], reason);
    }
    free(list->at);
    return error;
}

/* The row that is there, with what is new about it. */
static fnvm_error *approve_again(Depot *d, const Approval *old, const Approval *wanted)
{
    const bool newly_signed = wanted->is_signed && (!approval_is_genuine(old) ||
                              memcmp(old->signer, wanted->signer, sizeof old->signer) != 0);
    if (old->state == APPROVAL_APPROVED && !newly_signed) return NULL;
    fnvm_error *error = NULL;
    if (newly_signed) {
        Approval row = *wanted;
        row.id = old->id;
        error = database_set_signature(d->database, &row);
    }
    if (!error && old->state != APPROVAL_APPROVED)
        error = database_set_approval(d->database, old->id, APPROVAL_APPROVED, "");
    return error ? error : add_event(d->database, "approve", wanted,
                                     old->state == APPROVAL_APPROVED ? "signed" : "again");
}

fnvm_error *depot_approve_within(Depot *d, const ApprovalRequest *r, int64_t *id)
{
    Approval wanted = {.state = APPROVAL_APPROVED, .measurement = r->measurement}, old;
    bool found = false;
    fnvm_error *error = check_name("name", r->name);
    if (!error) error = check_name("version", r->version);
    if (error) return error;
    snprintf(wanted.name, sizeof wanted.name, "%s", r->name);
    snprintf(wanted.version, sizeof wanted.version, "%s", r->version);
    error = add_policy(d, r, wanted.policy);
    if (!error) error = database_find_approval(d->database, r->name, r->version, &old, &found);
    if (!error && found) error = check_same(&old, &wanted);
    if (!error) error = lift_revocations(d, r);
    if (!error && r->sign_key) error = approval_sign(&wanted, r->sign_key);
    if (error) return error;
    if (found) {
        /* Lifting may have changed the row. */
        error = database_find_approval(d->database, r->name, r->version, &old, &found);
        if (!error) error = approve_again(d, &old, &wanted);
        *id = old.id;
    } else {
        error = database_add_approval(d->database, &wanted);
        if (!error)
            error = add_event(d->database, "approve", &wanted, wanted.is_signed ? "signed" : "");
        *id = wanted.id;
    }
    return error;
}

/* The policy's file belongs to nothing until the commit: nobody collects meanwhile. */
fnvm_error *depot_approve(Depot *d, const ApprovalRequest *r)
{
    int64_t id;
    int pending = -1;
    fnvm_error *error = r->yaml ? depot_flock(d, "pending", LOCK_SH, &pending) : NULL;
    if (!error) error = depot_begin(d);
    if (!error) {
        error = depot_approve_within(d, r, &id);
        if (!error) error = depot_commit(d);
        depot_abandon(d);
    }
    if (pending >= 0) close(pending);
    return error;
}

/* ---- Revoking ---- */

static fnvm_error *revoke_all(Depot *d, const ApprovalList *list, const char *reason)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; !error && i < list->n; i++) {
        const Approval *a = &list->at[i];
        if (a->state == APPROVAL_REVOKED) continue;
        error = database_set_approval(d->database, a->id, APPROVAL_REVOKED, reason);
        if (!error) error = add_event(d->database, "revoke", a, reason);
    }
    return error;
}

fnvm_error *depot_revoke(Depot *d, const char *name, const char *version, const char *reason)
{
    Wanted wanted = {.version = version};
    char text[200];
    snprintf(text, sizeof text, "%s", reason ? reason : "");
    fnvm_error *error = depot_begin(d);
    if (error) return error;
    error = database_each_approval(d->database, name, add_wanted, &wanted);
    if (!error && wanted.list.n == 0)
        error = fnvm_error_new(FNVM_E_NOT_FOUND, "the depot has no approval of `%s`%s%s", name,
                               version ? " in version " : "", version ? version : "");
    if (!error) error = revoke_all(d, &wanted.list, text);
    if (!error) error = depot_commit(d);
    depot_abandon(d);
    free(wanted.list.at);
    return error;
}
