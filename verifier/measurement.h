/* The measurement of a module: BLAKE2b-256 over what can change its behaviour.
 * docs/measurement.md has the definition, byte for byte; it is a format, and changes only with
 * its version.
 *
 * Standard sections count in the order in which they are, custom sections by what they are for:
 * those that linkers, engines or component tools act on count, wherever they lie; those for
 * people and debuggers, and those that nobody here knows, do not.  Of a section id, length and
 * contents count, not how its size was encoded. */
#ifndef FNVM_VERIFIER_MEASUREMENT_H
#define FNVM_VERIFIER_MEASUREMENT_H

#include "fnvm.h"

typedef struct Measurement { uint8_t bytes[FNVM_MEASUREMENT_BYTES]; } Measurement;

typedef struct MeasurementRule { /* for custom sections of one name, or all that begin with it */
    const char *name;
    bool is_prefix, counts;
    const char *what;            /* they are: "names", "linking", for `fnvm measure --explain` */
} MeasurementRule;

/* The rule for a custom section of this name; there always is one. */
const MeasurementRule *measurement_rule(const char *name, size_t len);

/* Whether a custom section of this name counts. */
bool measurement_counts(const char *name, size_t len);

#endif
