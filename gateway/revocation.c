/* While a change is written, some milliseconds, what was decided before it holds: the loop does
 * not wait for another process.  One that died in the midst is found out by how long it takes;
 * then the depot is waited for, and recovers. */
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

static fnvm_error *refusal(void)
{
    return fnvm_error_new(FNVM_E_POLICY, "the function may not run: it is revoked");
}

/* The depot's own words, which its log has, too. */
static fnvm_error *note(const Revocation *r, const char *image)
{
    struct stat st;
    uint64_t generation;
    const Subject subject = {
        .what = "image", .file = image, .stat = stat(image, &st) == 0 ? &st : NULL};
    fnvm_error *error = depot_decide(r->depot, &subject, &generation);
    return error ? error : refusal();
}

fnvm_error *revocation_ask(Revocation *r, const char *image, uint64_t now_ns)
{
    const uint64_t now = depot_generation(r->depot), before = r->generation;
    if (now && now == before) return r->revoked ? refusal() : NULL;
    const bool patient = before && (!r->changing_ns || now_ns - r->changing_ns < PATIENCE_NS);
    uint64_t generation;
    fnvm_error *error =
        depot_revoked(r->depot, &r->measurement, !patient, &r->revoked, &generation);
    if (error)
        return fnvm_error_wrap(fnvm_error_wrap(error, "the depot cannot be asked"),
                               "the function may not run");
    if (!generation) {
        if (!r->changing_ns) r->changing_ns = now_ns;
        return r->revoked ? refusal() : NULL;
    }
    r->generation = generation;
    r->changing_ns = 0;
    return r->revoked ? note(r, image) : NULL;
}
