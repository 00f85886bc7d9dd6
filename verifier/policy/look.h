/* Loading a module for nothing but what a policy says of it. */
#ifndef FNVM_VERIFIER_POLICY_LOOK_H
#define FNVM_VERIFIER_POLICY_LOOK_H

#include "verifier/policy/check.h"

/* The module, decoded and verified in an engine of its own, with all it violates and uses in
 * Module.check.  An error: it is none. */
fnvm_error *policy_look(Policy *, const void *bytes, size_t len, Module **out);

#endif
