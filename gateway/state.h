/* The gateway's directory, and in it the folders of functions that were deployed:
 *
 *   STATE/                   0700
 *     lock                   flock, exclusive, while a gateway uses it
 *     depot/                 what is installed (verifier/approval/depot.h)
 *     deployed/NAME/ID/      a copy of a function's folder; ID is a hash of what is in it
 *     deployed/NAME/record   two lines: the ID that is served, and the one before or nothing
 *     admin                  the admin socket, if it is not elsewhere
 *
 * A copy never changes.  A record is replaced by rename, so whoever is killed leaves the old or the
 * new one; copies that no record names are removed when the next change of that function is kept. */
#ifndef FNVM_GATEWAY_STATE_H
#define FNVM_GATEWAY_STATE_H

#include "fnvm.h"

enum { STATE_ID = 33, STATE_NAME = 65 }; /* bytes with a NUL: a hash's digits, a function's name */

typedef struct State State;

/* Makes it if it is not there; `dir` NULL: a temporary one, which state_close removes.
 * FNVM_E_INVALID if another gateway uses it.  Who forks may use what the parent has opened. */
fnvm_error *state_open(const char *dir, State **out);
void state_close(State *);  /* NULL is fine */
const char *state_dir(const State *); /* absolute */
bool state_is_temporary(const State *);
/* DIR/NAME, malloc'd; NULL: no memory. */
char *state_path(const State *, const char *name);

/* Copies a function's folder; *name is the manifest's and *id the copy's.  Only directories and
 * regular files are copied, and anything else is FNVM_E_INVALID; FNVM_E_LIMIT: too many, too
 * large or too deep. */
fnvm_error *state_take(State *, const char *folder, char name[STATE_NAME], char id[STATE_ID]);

typedef struct StateRecord { /* "": none */
    char name[STATE_NAME], now[STATE_ID], before[STATE_ID];
} StateRecord;

/* Every deployed function, sorted by name; *all is malloc'd. */
fnvm_error *state_list(const State *, StateRecord **all, size_t *n);
/* FNVM_E_NOT_FOUND. */
fnvm_error *state_find(const State *, const char *name, StateRecord *out);
/* The record as it is from now on, and what it does not name is removed.  `now` "": nothing is
 * deployed under this name any more. */
fnvm_error *state_keep(State *, const StateRecord *);
/* The manifest of a copy, malloc'd; NULL: no memory. */
char *state_manifest(const State *, const char *name, const char *id);

#endif
