/* While a change is written, some milliseconds, what was decided before it holds: the loop does
 * not wait for another process.  One that died in the midst is found out by how long it takes;
 * then the master is told, who can recover the depot. */
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

fnvm_error *revocation_ask(Revocation *r, uint64_t now_ns, bool *tell)
{
    const uint64_t now = depot_generation(r->depot), before = r->revoked.generation;
    *tell = false;
    if (now && now == before) return refusal(r);
    DepotRevoked revoked = r->revoked;
    fnvm_error *error = depot_revoked(r->depot, &r->measurement, !before, &revoked);
    if (error || !revoked.generation) {
        if (!r->changing_ns) r->changing_ns = now_ns;
        *tell = error || now_ns - r->changing_ns > PATIENCE_NS;
        if (*tell) r->changing_ns = now_ns;
    } else {
        r->revoked = revoked;
        r->changing_ns = 0;
        *tell = revoked.is;
    }
    if (!error) return refusal(r);
    return fnvm_error_wrap(fnvm_error_wrap(error, "the depot cannot be asked"),
                           "the function may not run");
}
