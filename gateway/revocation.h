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
    uint64_t generation;     /* the depot's, when it was asked; 0: it was not */
    uint64_t changing_ns;    /* since when it has been changing; 0: it is not */
    bool revoked;
} Revocation;

/* `hex` is the measurement; NULL, or another length: nobody is asked. */
void revocation_begin(Revocation *, Depot *, const char *hex);
static inline bool revocation_stands(const Revocation *r)
{
    return !r->depot || (!r->revoked && r->generation && depot_generation(r->depot) == r->generation);
}
/* FNVM_E_POLICY if it is revoked, which the depot's log is told once for each change, or if that
 * cannot be known. `image` is the file, for the log.  `now_ns` is monotonic.  Reads files if the
 * depot has changed. */
fnvm_error *revocation_ask(Revocation *, const char *image, uint64_t now_ns);

#endif
