/* A module against its engine's policy, while it is decoded and verified.  Violations are
 * collected, so that one look at a module tells all; decoding goes on as long as the engine's own
 * limits let it.  What the module has and uses is noted on the way, whether the policy allows it or
 * not: `fnvm policy explain` prints that.
 *
 * A Check is of one module (Module.check; its sections, while it is loaded), or of one verification
 * of functions.  Readers carry it (Reader.check); NULL, everywhere: there is no policy.  One thread
 * at a time.
 *
 * Where violations surface: those of sections, and in eager mode those of functions, when
 * loading ends (module_admit); those of one function otherwise in the error of verifying it.
 * Both are FNVM_E_POLICY. */
#ifndef FNVM_VERIFIER_POLICY_CHECK_H
#define FNVM_VERIFIER_POLICY_CHECK_H

#include "loader/module.h"
#include "verifier/policy/policy.h"

enum {
    VIOLATIONS_MAX = 1000,   /* kept; the rest is counted */
    VIOLATIONS_LISTED = 20   /* in the message of an error */
};

typedef struct Violations {    /* zero: none */
    fnvm_violation *items; size_t n; /* messages are owned */
    size_t total;
    bool no_memory;
} Violations;

typedef struct PolicyCheck {
    const Policy *policy;
    Violations violations;
    uint32_t func;              /* that is being verified; CHECK_SECTIONS: none is */
    uint32_t features;          /* that have been used */
    uint32_t noted;             /* of them, those that are violations of this section or function */
    uint64_t used[CEILINGS];    /* the most there was of each */
    uint64_t reached[CEILINGS]; /* counts that still go up */
    uint64_t over_at[CEILINGS]; /* where each of those left its ceiling behind */
    uint64_t compared;          /* what comparing imports has taken, in steps of names.c */
} PolicyCheck;
enum { CHECK_SECTIONS = UINT32_MAX };

void check_open(PolicyCheck *, const Policy *);
void check_close(PolicyCheck *); /* frees what it holds */

/* ---- Noting ---- */

/* A section or function begins: the first use of a feature in each is a violation. */
void check_begin(PolicyCheck *, uint32_t func);
/* A function ends: its counts are done. */
void check_function_end(PolicyCheck *);
/* The module is decoded, its definitions verified: its counts are done, its exports checked. */
void check_module_end(PolicyCheck *, const Module *);

/* One construct has `n` of something: a type its parameters. */
void check_one(PolicyCheck *, PolicyCeiling, uint64_t n, uint64_t offset);
/* A count is `n` now, or `n` higher, by what is at `offset`: a module's functions, a function's
 * locals. The violation is noted when the function, or the last section, ends. */
void check_reach(PolicyCheck *, PolicyCeiling, uint64_t n, uint64_t offset);
void check_add(PolicyCheck *, PolicyCeiling, uint64_t n, uint64_t offset);
/* `what`, at `offset`, needs these features, which the engine has. */
void check_feature(PolicyCheck *, uint32_t features, uint64_t offset, const char *what);
/* Any other rule: `rule` is a key of the YAML, and lives as long as the program. */
void check_note(PolicyCheck *, const char *rule, uint32_t line, uint64_t offset,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- Rules of names: names.c ---- */

/* An import whose type is decoded.  An error: the engine is interrupted. */
fnvm_error *check_import(PolicyCheck *, const Module *, const Import *);
void check_exports(PolicyCheck *, const Module *);                /* those that it must have */
/* The entity's type, malloc'd; NULL: out of memory, which is noted. */
char *check_type_text(PolicyCheck *, const Module *, uint8_t kind, uint32_t index);
/* Whether imports from this module are calls of WASI, which a policy allows one by one. */
bool is_wasi_module(const char *name, size_t len);

/* ---- Whoever leaves out what was checked before ---- */

/* ... does so under the same policy only: its digest, or zeros for none. */
enum { POLICY_DIGEST_BYTES = 32 };
void policy_digest(const Policy *, uint8_t out[POLICY_DIGEST_BYTES]);

/* ---- The outcome ---- */

/* FNVM_E_POLICY with the list; NULL if there is none.  `what`: "the module", "function 12". */
fnvm_error *check_error(const PolicyCheck *, const char *what);

#endif
