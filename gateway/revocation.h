/* Whether the binary of a function that is served was revoked in the depot since.  Being
 * superseded does not count: an update supersedes the version before while that is still served.
 *
 * A decision stands until the depot changes; until then asking again is a load from memory that
 * is shared with whoever changes it.  One thread at a time: the loop's token. */
#ifndef FNVM_GATEWAY_REVOCATION_H
#define FNVM_GATEWAY_REVOCATION_H

#include "verifier/approval/depot.h"

typedef struct Revocation {
    Depot *depot;            /* NULL: nobody is asked */
    Measurement measurement;
    DepotRevoked revoked;    /* when it was asked; generation 0: it was not */
    uint64_t changing_ns;    /* since when it has been changing; 0: it is not */
} Revocation;

/* `hex` is the measurement; NULL, or another length: nobody is asked. */
void revocation_begin(Revocation *, Depot *, const char *hex);
static inline bool revocation_stands(const Revocation *r)
{
    return !r->depot || (!r->revoked.is && r->revoked.generation &&
                         depot_generation(r->depot) == r->revoked.generation);
}
/* FNVM_E_POLICY if it is revoked; an error, too, if that cannot be known.  `now_ns` is monotonic.
 * Reads a file if the depot has changed, and waits a second at most if it is asked for the first
 * time while that changes.  The depot is not written: `tell` has somebody decide about the function
 * there who can, once for each change that leaves it revoked, for the log, and when a change may not
 * end, to recover. */
fnvm_error *revocation_ask(Revocation *, uint64_t now_ns, void (*tell)(void *env), void *env);

#endif
