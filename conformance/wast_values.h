/* Values of scripts: arguments to the engine's values, results against patterns. */
#ifndef FNVM_CONFORMANCE_WAST_VALUES_H
#define FNVM_CONFORMANCE_WAST_VALUES_H

#include "loader/text/script.h"

/* A script's constant as a value of the store.  A pattern that is no constant is FNVM_E_USAGE. */
fnvm_error *wast_value(fnvm_store *, const WastValue *, fnvm_val *out);

/* Whether a result is what the pattern allows. */
bool wast_value_matches(fnvm_store *, const WastValue *pattern, const fnvm_val *);

/* Both write text for a report, cut to size, and return the length it needs, like snprintf. */
size_t wast_pattern_print(const WastValue *, char *text, size_t size);
size_t wast_value_print(fnvm_store *, const fnvm_val *, char *text, size_t size);

#endif
