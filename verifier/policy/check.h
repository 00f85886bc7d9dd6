/* A module against its engine's policy, while it is decoded and verified.  Violations are collected, so
 * that one look at a module tells all; decoding goes on as long as the engine's own limits let it.
 *
 * Where they surface: module_decode and verifier_module leave those of sections in the module, and
 * loading fails with FNVM_E_POLICY and all of them if there are any; those of a function are the error
 * of verifying it. */
#ifndef FNVM_VERIFIER_POLICY_CHECK_H
#define FNVM_VERIFIER_POLICY_CHECK_H

#include "verifier/policy/policy.h"

enum { VIOLATIONS_MAX = 1000 }; /* kept; the rest is counted */

typedef struct Violations {    /* owned by a module, or by one verification; zero: none */
    fnvm_violation *items; size_t n; /* messages are owned */
    size_t total;
    bool no_memory;
} Violations;

/* Notes that a ceiling is exceeded by `n`, at `offset`. */
void violation_ceiling(Violations *, const Policy *, PolicyCeiling, uint64_t n, uint64_t offset);
/* Any other rule: `rule` is a key of the YAML, and lives as long as the program. */
void violation_note(Violations *, const Policy *, const char *rule, uint32_t line, uint64_t offset,
                    const char *format, ...) __attribute__((format(printf, 6, 7)));
void violations_free(Violations *);
/* FNVM_E_POLICY with the list; NULL if there is none.  `what`: "the module", "function 12". */
fnvm_error *violations_error(const Violations *, const Policy *, const char *what);

#endif
