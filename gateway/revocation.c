/* While a change is written, some milliseconds, what was decided before it holds: the loop does
 * not wait for another process.  One that died in the midst is found out by how long it takes;
 * then the master is told, who can recover the depot.  Only who has asked for nothing yet waits. */
#include "gateway/revocation.h"

#include <sodium.h>
#include <string.h>

enum { PATIENCE_NS = 1000000000 };

void revocation_begin(Revocation *r, Depot *depot, const char *hex)
{
    size_t len = 0;
    *r = (Revocation){.depot = NULL};
    if (depot && hex &&
        sodium_hex2bin(r->measurement.bytes, sizeof r->measurement.bytes, hex, strlen(hex), NULL,
                       &len, NULL) == 0 &&
        len == sizeof r->measurement.bytes)
        r->depot = depot;
}

static fnvm_error *refusal(const Revocation *r)
{
    if (!r->revoked.is) return NULL;
    return fnvm_error_new(FNVM_E_POLICY, "the function, %s %s, may not run: it is revoked",
                          r->revoked.name, r->revoked.version);
}

/* Whether the keeper is to be told that the change that goes on has no end. */
static bool is_stuck(Revocation *r, uint64_t now_ns)
{
    if (!r->changing_ns) r->changing_ns = now_ns;
    if (now_ns - r->changing_ns < PATIENCE_NS) return false;
    r->changing_ns = now_ns;
    return true;
}

fnvm_error *revocation_ask(Revocation *r, uint64_t now_ns, void (*tell)(void *env), void *env)
{
    const uint64_t now = depot_generation(r->depot), before = r->revoked.generation;
    if (now && now == before) return refusal(r);
    DepotRevoked revoked = r->revoked;
    fnvm_error *error = depot_revoked(r->depot, &r->measurement, false, &revoked);
    if (!error && !revoked.generation && before) {
        if (is_stuck(r, now_ns)) tell(env);
        return refusal(r);
    }
    if (!error && !revoked.generation) { /* nothing was decided before */
        tell(env);
        error = depot_revoked(r->depot, &r->measurement, true, &revoked);
    }
    if (error)
        return fnvm_error_wrap(fnvm_error_wrap(error, "the depot cannot be asked"),
                               "the function may not run");
    r->revoked = revoked;
    r->changing_ns = 0;
    if (revoked.is) tell(env);
    return refusal(r);
}
