/* A depot: who may run, what is installed, and who was told what.
 *
 *   DIR/                  the user's own, 0700
 *     lock                flock, exclusive, around every change
 *     pending             flock, shared, held by whoever puts files into the depot; collecting
 *                         orphans takes it exclusively, and does nothing where it cannot
 *     approvals.db        the authority
 *     standing            what stands in it, for starts
 *     audit.log
 *     policies/HEX.yaml   by digest
 *     objects/HEX.wasm    modules, by the hash of their bytes
 *     versions/ID/        an installed version: function.yaml, image.fnvmi, image.fnvmc.  flock,
 *                         shared, on the folder itself while an instance runs
 *
 * A change: lock; if the standing file is not valid, recover (below); begin; ...; the standing file
 * is invalidated; commit; events that are not in the log are appended; the standing file is
 * written; unlock.  Killed anywhere, what is missing is made good by the next one who locks: that
 * is recovery, and the whole of it.  An event whose number is in the log already is not appended
 * again. */
#ifndef FNVM_VERIFIER_APPROVAL_DEPOT_H
#define FNVM_VERIFIER_APPROVAL_DEPOT_H

#include <pthread.h>
#include <sys/types.h>

#include "verifier/approval/database.h"

struct fnvm_depot {
    char *dir;                 /* absolute, without links */
    int fd;                    /* of the directory */

    pthread_mutex_t mutex;     /* of decisions, over these */
    Standing standing;
    StandingHead *watched;     /* the head of `standing` once more, at an address that stays */
    int audit;                 /* the log, once something was decided; -1 */
    bool given_up;             /* see depot_give_up */
    bool watches;              /* see depot_watch */
    pid_t audit_pid;           /* who opened it: locks are not shared with a fork */
    uint8_t (*keys)[32]; size_t nkeys; /* fnvm_depot_require_signature */
    _Atomic uint64_t key_sets; /* that were set so far */

    pthread_mutex_t changing;  /* held while a change goes on, over these; taken before `mutex` */
    Database *database;        /* open once it was needed */
    pid_t database_pid;
    int lock;                  /* while a change goes on; -1 */
    _Atomic pid_t changer;     /* the thread that holds it; 0 */
};
typedef struct fnvm_depot Depot;

/* ---- Changes (depot.c): one thread from the beginning to the end, which decides nothing
 * meanwhile ---- */

fnvm_error *depot_begin(Depot *);  /* locked and begun */
/* Unlocks in any case.  If it could be made but not logged, the error says so: it is made, and the
 * next one logs it. */
fnvm_error *depot_commit(Depot *);
void depot_abandon(Depot *);       /* fine after depot_commit, or if depot_begin failed */
/* The same lock, for reading the database: ends with depot_abandon. */
fnvm_error *depot_read(Depot *);
fnvm_error *depot_lock(Depot *);   /* likewise, but recovers nothing */

/* ---- Recovery (recover.c): with the depot locked ---- */

/* Opens the log and locks it; closing it unlocks. */
fnvm_error *depot_open_log(const Depot *, int *fd);
/* What the log, the standing file and the database do not agree on is made good.  FNVM_E_INVALID
 * if the log was changed: then nothing is. */
fnvm_error *depot_recover(Depot *);
/* Before a commit: the standing file is no longer valid; *head is the log's from now on. */
fnvm_error *depot_retire(Depot *, AuditHead *head);
/* After it: events that are not in the log go there, and the standing file is written. */
fnvm_error *depot_publish(Depot *, const AuditHead *head);

/* ---- Decisions (decide.c): any thread ---- */

typedef struct Subject {       /* what wants to run */
    const char *what;          /* "module", "image" */
    const char *file;          /* for the log; may be NULL */
    const struct stat *stat;   /* of the open file; NULL: no file */
    /* Where the file is none of ours; images: NULL. */
    fnvm_error *(*measure)(void *env, Measurement *out);
    void *env;
    const uint8_t *policy;     /* digest of the engine's policy, or NULL */
} Subject;

/* Locks d->mutex, with d->standing mapped and valid, or fails; for looking into it.  It may be
 * marked as not valid any time after, and is not unmapped while the mutex is held. */
fnvm_error *depot_lock_standing(Depot *);
void depot_unlock_standing(Depot *);

/* Allowed (NULL), or FNVM_E_POLICY and why: not approved, revoked, not signed by a trusted key,
 * approved for another policy.  It is in the log before this returns; what cannot be logged is
 * refused. *generation may be compared with depot_generation later: while that is the same, so
 * is the decision. */
fnvm_error *depot_decide(Depot *, const Subject *, uint64_t *generation);
typedef struct DepotRevoked {
    bool is;                   /* under any name: */
    char name[DEPOT_NAME_SIZE], version[DEPOT_NAME_SIZE];
    uint64_t generation;
} DepotRevoked;
/* Whether it is revoked.  Nothing is logged.  While the depot is being changed this waits, or else
 * generation is 0 and the rest as it was. */
fnvm_error *depot_revoked(Depot *, const Measurement *, bool wait, DepotRevoked *);
/* For a process that only asks what is revoked, and cannot write the depot: right after it was
 * opened.  Such a one waits for a change a second at most, since it can neither lock nor recover. */
void depot_watch(Depot *);
/* Another after every change of the depot, and of the keys that are trusted; 0: it has changed just
 * now.  No lock, no system call. */
uint64_t depot_generation(Depot *);
/* The same of a standing file; with the mutex held it is that of its decisions. */
uint64_t depot_generation_of(const Depot *, const StandingHead *);
/* For a process that is about to run a guest, and will not trust itself afterwards: no descriptor and no
 * mapping is left by which the depot could be written.  Nothing more is decided (FNVM_E_POLICY), but
 * whether what was decided still stands is seen as before. */
fnvm_error *depot_give_up(Depot *);

/* ---- Approvals (approve.c) ---- */

/* A new version of a name.  The same again does nothing; another binary or policy for the
 * version that is there is FNVM_E_INVALID, and so is a revoked measurement unless `reinstate`.
 * `yaml` may be NULL. */
typedef struct ApprovalRequest {
    const char *name, *version;
    Measurement measurement;
    const char *yaml; size_t yaml_len; /* the policy to run it under, as its file has it */
    const uint8_t *sign_key;   /* 64 bytes, or NULL */
    bool reinstate;
} ApprovalRequest;
fnvm_error *depot_approve(Depot *, const ApprovalRequest *);
/* In a change that has begun already, by one who holds `pending` if there is a policy; *id of the
 * approval. */
fnvm_error *depot_approve_within(Depot *, const ApprovalRequest *, int64_t *id);
/* `version` NULL: all of the name. */
fnvm_error *depot_revoke(Depot *, const char *name, const char *version, const char *reason);
/* The log against its hashes, its head and the database; *lines it has. */
fnvm_error *depot_audit(Depot *, void (*line)(void *env, const char *text, size_t len), void *env,
                        uint64_t *lines);
/* Puts a log aside that is not whole any more, under the name *kept (owned), and begins another. */
fnvm_error *depot_new_log(Depot *, char **kept);

/* ---- Installed versions (install.c, repair.c) ---- */

typedef struct InstallRequest {
    ApprovalRequest approval;  /* its measurement is set by depot_install */
    const char *module;        /* the file */
    const char *manifest; size_t manifest_len; /* YAML, or NULL */
    bool update;               /* replaces the version that is current; else there must be none */
    /* Verifies the module at `module` (in the depot) under the policy and, if it is to have one,
     * freezes its image to `image` and its code beside it.  Nothing is locked meanwhile. */
    fnvm_error *(*prepare)(void *env, const char *module, const char *image);
    void *env;
} InstallRequest;

/* Atomic: a crash leaves what was there before, or all of the new.  An update's old version is
 * superseded, and its files go once no instance runs it. */
fnvm_error *depot_install(Depot *, const InstallRequest *);
fnvm_error *depot_uninstall(Depot *, const char *name);
/* Removes versions that nobody runs any more, and files that belong to nothing. */
fnvm_error *depot_collect(Depot *);

typedef struct DepotFunction { /* an installed version, held: it stays while this is open */
    char name[DEPOT_NAME_SIZE], version[DEPOT_NAME_SIZE];
    char *module, *image, *manifest, *policy; /* paths; image, manifest and policy may be NULL */
    int hold;
    uint64_t generation;
} DepotFunction;

/* The current version of a name; FNVM_E_NOT_FOUND. */
fnvm_error *depot_find(Depot *, const char *name, DepotFunction *out);
/* The file of the policy that a module is approved under; NULL, with success: there is none, or the
 * module is not approved. */
fnvm_error *depot_policy_of(Depot *, const Measurement *, char **path);
void depot_release(Depot *, DepotFunction *); /* collects if its version was replaced meanwhile */

typedef struct RepairReport { /* for each file that is not what it should be */
    const char *name, *version, *file, *wrong;
    const char *done;          /* "fetched again from ...", "rebuilt"; NULL: it is not */
} RepairReport;
typedef struct RepairMeans {   /* all zero: only what takes no guest is repaired, and nobody told */
    void *env;
    /* As InstallRequest's, for a version that is installed. */
    fnvm_error *(*prepare)(void *env, const char *module, const char *image);
    /* Why this engine cannot use a whole image, or its code; NULL: it can. */
    fnvm_error *(*misfit)(void *env, const char *image);
    void (*report)(void *env, const RepairReport *);
} RepairMeans;
/* Checks every file of every installed version and every policy against its hash, fetches modules
 * again from where they came from, has images that are damaged or made by another engine made
 * anew, and others' modules compiled; collects orphans; recovers. */
fnvm_error *depot_repair(Depot *, const RepairMeans *, size_t *broken);

#endif
