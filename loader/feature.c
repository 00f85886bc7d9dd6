/* The names are the proposals' own, as other runtimes' switches spell them. */
#include "loader/feature.h"

#include <string.h>

#include "verifier/policy/check.h"

static const char *const names[] = {
    "sign-extension",      "saturating-float-to-int",
    "multi-value",         "bulk-memory",
    "reference-types",     "simd",
    "relaxed-simd",        "tail-call",
    "extended-const",      "exceptions",
    "function-references", "gc",
    "multi-memory",        "memory64",
    "wide-arithmetic",     "custom-page-sizes",
};
enum { NAMES = sizeof names / sizeof *names };
_Static_assert(1 << (NAMES - 1) == FNVM_FEATURE_CUSTOM_PAGE_SIZES,
               "a name for every bit, in order");

const char *feature_name(uint32_t bit)
{
    for (uint32_t i = 0; i < NAMES; i++)
        if (bit == UINT32_C(1) << i) return names[i];
    return "mvp";
}

uint32_t feature_by_name(const char *name, size_t len)
{
    for (uint32_t i = 0; i < NAMES; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) return UINT32_C(1) << i;
    return 0;
}

bool reader_need_feature(Reader *r, uint32_t features, uint32_t bit, uint32_t offset,
                         const char *what)
{
    if ((features & bit) == bit) {
        if (r->check && bit) check_feature(r->check, bit, offset, what);
        return true;
    }
    reader_fail(r, FNVM_E_UNSUPPORTED, offset,
                "%s: the feature `%s` is switched off (-W %s=y switches it on)", what,
                feature_name(bit), feature_name(bit));
    return false;
}
