/* The audit log: a line of JSON for every decision and every change, each with a hash over itself
 * and the line before, so that one that is removed, changed or put in shows.
 *
 *   {"n":17,"time":"2026-01-02T03:04:05.678Z","pid":1,"uid":0,"what":"run","allowed":true,...,
 *    "hash":"<64 digits>"}
 *
 * hash: BLAKE2b-256 of the previous line's hash (32 bytes; zeros before the first) and of the
 * line's bytes up to `,"hash"`.  The head, kept elsewhere, has count and hash of the last line, so
 * that lines missing at the end show, too.  A line counts once its newline is written; what a crash
 * leaves of one is cut off by the next append.  A log that is ahead of its head by whole lines (a
 * crash in between) is good; one that is behind is not.
 *
 * The file is only ever appended to (O_APPEND), and locked (flock) for that. */
#ifndef FNVM_VERIFIER_APPROVAL_AUDIT_H
#define FNVM_VERIFIER_APPROVAL_AUDIT_H

#include "fnvm.h"

typedef struct AuditHead {     /* in the file of standing decisions; changed under the log's lock */
    uint64_t count;            /* lines */
    uint64_t bytes;            /* where the next one starts */
    uint8_t hash[32];          /* of the last; zeros before the first */
} AuditHead;

typedef struct AuditEvent {    /* strings may be NULL; they are cut to 200 bytes, and escaped */
    const char *what;          /* "run", "load", "image", "approve", "revoke", "install", ... */
    bool is_decision, allowed; /* changes of the depot have no "allowed" */
    const char *name, *version;
    const uint8_t *measurement;/* 32 bytes, or NULL */
    const char *file;
    const char *reason;
    uint64_t event;            /* a change's number in the database; 0: none */
    uint32_t pid;              /* 0: it is asked for */
} AuditEvent;

enum { AUDIT_LINE_MAX = 8192 }; /* bytes: more than the longest that an event makes */

/* All with the log locked by the caller: flock(fd, LOCK_EX), or LOCK_SH for audit_verify. */
fnvm_error *audit_append(int fd, AuditHead *head, const AuditEvent *);
/* Its two halves: the head becomes that of all there is, what a crash left of a line is cut off;
 * and a line behind a head of which that is known. */
fnvm_error *audit_catch_up(int fd, AuditHead *head);
fnvm_error *audit_append_next(int fd, AuditHead *head, const AuditEvent *);
/* From `from` on, which is trusted (zero: the whole): checks every line and calls `line` (may be
 * NULL). *end is the head after the last line.  FNVM_E_INVALID names the first line that does
 * not follow. */
fnvm_error *audit_verify(int fd, const AuditHead *from,
                         void (*line)(void *env, const char *text, size_t len), void *env,
                         AuditHead *end);

/* The number of the change that a line tells of; 0: none. */
uint64_t audit_line_event(const char *text, size_t len);
/* Now, as the log and the database have it: "2026-01-02T03:04:05.678Z". */
void audit_time(char out[32]);

#endif
