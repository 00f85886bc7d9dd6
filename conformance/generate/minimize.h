/* Smaller modules that still differ, and listings of them. */
#ifndef FNVM_GENERATE_MINIMIZE_H
#define FNVM_GENERATE_MINIMIZE_H

#include "conformance/generate/bytes.h"
#include "conformance/generate/compare.h"

/* Shortens function bodies as long as the verdict stays the one given, DIFFERENT or CRASHED.
 * `out` is appended to; it is marked as failed if the module cannot be taken apart. */
void minimize(const Bytes *module, Verdict, const CompareOptions *, Bytes *out);

/* Every function's type, locals and instructions, one to a line. */
void print_listing(FILE *, const uint8_t *module, size_t len);

#endif
