/* What stands in the database, as a file that is mapped and searched: a start must not wait for
 * SQL.
 *
 * It is written anew, under another name and renamed, whenever the database changes.  Before a
 * change is committed the old file is marked as no longer valid, in place and durably: whoever has
 * it mapped sees that at his next look, and whoever finds it marked (a crash, a change going on)
 * asks the database and writes it anew.  So a mapping that is valid says what the database says.
 *
 * It is the user's own file (0600, in a directory that nobody else may write), and believed once
 * its size, count and checksum agree. */
#ifndef FNVM_VERIFIER_APPROVAL_STANDING_H
#define FNVM_VERIFIER_APPROVAL_STANDING_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "verifier/approval/audit.h"

/* Bytes of a name or a version: 64 characters, NUL, and no padding behind it. */
enum { DEPOT_NAME_SIZE = 72 };

typedef enum StandingKind {
    STANDING_MEASUREMENT = 1, /* key: a module's measurement */
    STANDING_FILE,            /* key: the identity of a file of an installed version: its module */
    STANDING_IMAGE,           /* likewise: its image */
    STANDING_NAME             /* key: BLAKE2b-256 of a function's name, or of "name@version" */
} StandingKind;

typedef struct StandingKey { uint8_t bytes[32]; } StandingKey;

enum { /* StandingEntry.flags */
    STANDING_REVOKED = 1,     /* all other kinds of refusal are the absence of an entry */
    STANDING_SIGNED = 2,      /* the signature was verified when this was written */
    STANDING_HAS_IMAGE = 4
};

typedef struct StandingEntry { /* sorted by kind, then key */
    StandingKey key;
    uint32_t kind, flags;
    char name[DEPOT_NAME_SIZE], version[DEPOT_NAME_SIZE]; /* NUL-terminated */
    uint8_t signer[32], signature[64]; /* if STANDING_SIGNED */
    uint8_t measurement[32];
    uint8_t policy[32];        /* digest of the policy that it is approved under; zeros: none */
    char install[32];          /* of installed versions: the folder versions/INSTALL */
    uint8_t object[32];        /* likewise: the hash that its module's file is named by */
    StandingKey manifest;      /* likewise: the identity of its function.yaml; zeros: it has none */
} StandingEntry;

typedef struct StandingHead {
    char magic[8];
    uint32_t format;
    _Atomic uint32_t valid;    /* 1, or 0 for good */
    uint64_t count;            /* entries, which follow */
    uint64_t generation;       /* goes up with every change of the database; not 0 */
    uint64_t sum;              /* of the entries */
    uint64_t inode;            /* of the file itself: an old copy that is put back is not valid */
    char boot[40];             /* the kernel's id of this boot: after another one, `audit` may be
                                  ahead of what the disk has of the log */
    /* The log's head is one of two: the other is written, then they change places.  So whoever is
     * killed leaves one that is whole. */
    _Atomic uint32_t turn;     /* & 1: which */
    AuditHead audit[2];
} StandingHead;

typedef struct Standing {      /* a mapping; zero: none */
    StandingHead *head;        /* shared, writable: for `audit` and `valid` only */
    const StandingEntry *entries;
    size_t size;               /* of the mapping */
    int fd;                    /* while there is a head */
} Standing;

/* Device, inode, size and change time: changes with whatever is done to the file. */
StandingKey standing_identity(const struct stat *);
StandingKey standing_name_key(const char *name, const char *version); /* version may be NULL */

/* Maps DIR/standing; for reading only unless `writes`.  Leaves `out` zero, with success, if there is
 * none or it is not valid or damaged. */
fnvm_error *standing_map(int dir, bool writes, Standing *out);
void standing_unmap(Standing *);
static inline bool standing_is_valid(const Standing *s)
{
    return s->head && atomic_load_explicit(&s->head->valid, memory_order_acquire) == 1;
}
/* Whether the file still has its name: one that was removed is never marked. */
bool standing_is_in_place(const Standing *);
/* The first of those with this key, which lie together; NULL: there is none. */
const StandingEntry *standing_find(const Standing *, StandingKind, const StandingKey *);
/* The next with the same key, or NULL. */
const StandingEntry *standing_next(const Standing *, const StandingEntry *);

/* With the log locked. */
AuditHead standing_audit(const Standing *);
void standing_set_audit(Standing *, const AuditHead *);

/* For those who hold the depot's lock.  Entries are sorted here. */
fnvm_error *standing_invalidate(int dir); /* durably; success if there is none */
fnvm_error *standing_write(int dir, StandingEntry *, size_t n, uint64_t generation,
                           const AuditHead *);
/* The log's head in a file that is not valid any more; false if there is none of this boot. */
bool standing_last_audit(int dir, AuditHead *);

#endif
