/* What installing, collecting, finding and repairing share: the installed versions as a list, where
 * their files are, and the lock of those who put files there. */
#ifndef FNVM_VERIFIER_APPROVAL_INSTALLED_H
#define FNVM_VERIFIER_APPROVAL_INSTALLED_H

#include "verifier/approval/depot.h"

typedef struct Installed {
    Install install;
    Approval approval;
    bool changed;              /* by repairing: its row is to be set */
} Installed;
typedef struct InstalledList { Installed *at; size_t n, capacity; } InstalledList; /* zero: empty */

/* All of them, in the order of installing; in a change, or within depot_read. */
fnvm_error *installed_list(Database *, InstalledList *out);
void installed_free(InstalledList *);
/* The current version of a name, or NULL. */
Installed *installed_current(const InstalledList *, const char *name);

/* DIR/FOLDER/NAME, or DIR/FOLDER for NULL; malloc'd, NULL: no memory. */
char *depot_path(const Depot *, const char *folder, const char *name);
/* DIR/versions/ID/FILE. */
char *version_path(const Depot *, const char *id, const char *file);
/* DIR/policies/HEX.yaml. */
char *policy_path(const Depot *, const uint8_t digest[32]);
/* Its file, for those who run under it: written unless it is there and whole.  Holding `pending`. */
fnvm_error *policy_put(const Depot *d, const uint8_t digest[32], const char *yaml, size_t len);
#define VERSION_MANIFEST "function.yaml"
#define VERSION_IMAGE "image.fnvmi"
#define VERSION_CODE "image.fnvmc"

/* Opens and locks DIR/NAME ("pending", "repair").  `how` as for flock; *fd is -1 if it is LOCK_NB and
 * somebody has the lock. */
fnvm_error *depot_flock(const Depot *, const char *name, int how, int *fd);
/* Waits for a lock that is held for moments only. */
bool flock_wait(int fd, int how);

/* Hashes a file of a version into its Install; *identity is its identity. */
fnvm_error *installed_note(const char *path, bool *is_there, uint8_t hash[32],
                           StandingKey *identity);

/* An event about a version. */
fnvm_error *installed_event(Database *, const char *what, const Approval *, const char *reason);

#endif
