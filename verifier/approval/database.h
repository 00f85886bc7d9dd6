/* The database of approvals and installed versions: SQLite, one file, rollback journal, fully
 * synchronous.  Only used under the depot's lock (depot.h), so there is one writer.
 *
 * Names and versions are checked by the callers (manifest_name_ok).  A row is never deleted but
 * those of files that are gone: every version keeps its record, with its state. */
#ifndef FNVM_VERIFIER_APPROVAL_DATABASE_H
#define FNVM_VERIFIER_APPROVAL_DATABASE_H

#include "verifier/approval/standing.h"
#include "verifier/measurement.h"

typedef struct Database Database;

fnvm_error *database_open(int dir, const char *dir_name, Database **out); /* made if need be */
fnvm_error *database_make_file(int dir); /* an empty one, 0600; fine if there is one */
void database_close(Database *);
fnvm_error *database_begin(Database *);
fnvm_error *database_commit(Database *);
void database_rollback(Database *); /* fine after commit */
bool database_is_changed(const Database *); /* since the transaction began */
fnvm_error *database_check(Database *); /* all of it, for whoever doubts: FNVM_E_INVALID */

/* ---- Approvals ---- */

typedef enum ApprovalState {
    APPROVAL_APPROVED,
    APPROVAL_SUPERSEDED, /* an update brought another version */
    APPROVAL_REVOKED,    /* refuses its measurement, whatever else approves it */
    APPROVAL_REMOVED     /* uninstalled */
} ApprovalState;

typedef struct Approval {
    int64_t id;
    char name[DEPOT_NAME_SIZE], version[DEPOT_NAME_SIZE];
    Measurement measurement;
    uint8_t policy[32];       /* digest; zeros: none.  The text: database_policy */
    bool is_signed;
    uint8_t signer[32], signature[64];
    ApprovalState state;
    char time[32];            /* of approval, and of the last change: "2026-01-02T03:04:05.678Z" */
    char changed[32];
    char reason[200];         /* of the last change; "" */
} Approval;

extern const char *const approval_states[]; /* "approved", "superseded", ... */

/* What is signed: a text with name, version, measurement and policy, see docs/approvals.md. */
fnvm_error *approval_sign(Approval *, const uint8_t secret[64]);
bool approval_is_genuine(const Approval *); /* its signature is the signer's */

fnvm_error *database_add_approval(Database *, Approval *); /* sets id */
fnvm_error *database_set_approval(Database *, int64_t id, ApprovalState, const char *reason);
fnvm_error *database_set_signature(Database *, const Approval *); /* by id */
/* By name and version; *found. */
fnvm_error *database_find_approval(Database *, const char *name, const char *version, Approval *out,
                                   bool *found);
/* In order of making; NULL: all names.  An error from `fn` ends it and is passed on. */
fnvm_error *database_each_approval(Database *, const char *name,
                                   fnvm_error *(*fn)(void *env, const Approval *), void *env);

/* Policies by their digest. */
fnvm_error *database_add_policy(Database *, const uint8_t digest[32], const char *yaml, size_t len);
fnvm_error *database_policy(Database *, const uint8_t digest[32], char **yaml, size_t *len);

/* ---- Installed versions ---- */

typedef enum InstallState { INSTALL_CURRENT, INSTALL_DRAINING } InstallState;

typedef struct Install {
    char id[32];              /* random; its folder is versions/ID */
    int64_t approval;
    InstallState state;
    uint8_t object[32];       /* BLAKE2b-256 of the module's file, objects/HEX.wasm */
    struct { bool is_there; uint8_t hash[32]; StandingKey identity; } image, code, manifest;
    StandingKey module_identity;
    char *origin;             /* absolute path of the file that was installed; owned */
    char time[32];
} Install;

fnvm_error *database_add_install(Database *, const Install *);
fnvm_error *database_set_install(Database *, const Install *); /* by id: all but id and approval */
fnvm_error *database_remove_install(Database *, const char *id);
/* `fn` sees the install and its approval, and changes neither table; `origin` is its own only
 * for the call. */
fnvm_error *database_each_install(Database *,
                                  fnvm_error *(*fn)(void *env, const Install *, const Approval *),
                                  void *env);

/* ---- Events: what goes to the audit log, in the transaction of what it tells of ---- */

typedef struct Event {
    int64_t id;
    char what[16], name[DEPOT_NAME_SIZE], version[DEPOT_NAME_SIZE];
    bool has_measurement;
    Measurement measurement;
    char reason[200];
} Event;

fnvm_error *database_add_event(Database *, const Event *);
/* Those that are not in the log yet, in order. */
fnvm_error *database_each_pending(Database *, fnvm_error *(*fn)(void *env, const Event *),
                                  void *env);
/* All up to this one are in the log, whose head is this. */
fnvm_error *database_set_logged(Database *, int64_t event, const AuditHead *);
fnvm_error *database_audit_head(Database *, AuditHead *out);
/* Events from *first to *last are in the log; those before are in one that was put aside. */
fnvm_error *database_logged(Database *, int64_t *first, int64_t *last);
fnvm_error *database_set_first_event(Database *, int64_t event);
fnvm_error *database_each_event(Database *, const char *name,
                                fnvm_error *(*fn)(void *env, const Event *, const char *time),
                                void *env);

uint64_t database_generation(Database *); /* goes up with every commit that changed something */

#endif
