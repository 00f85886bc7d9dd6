/* A policy: what an operator lets modules be and use.  Read from YAML once, immutable after that,
 * reference-counted; any thread.
 *
 * Every rule knows the line it comes from, so that whoever is refused can be told by what; line 0 is a
 * default.  Strings are owned by the policy. */
#ifndef FNVM_VERIFIER_POLICY_POLICY_H
#define FNVM_VERIFIER_POLICY_POLICY_H

#include <stdatomic.h>

#include "fnvm.h"
#include "loader/text/arena.h"
#include "vm/tunables.h"

typedef enum PolicyCeiling {
#define CEILING(ident, key, unit, most, what) CEILING_##ident,
#include "verifier/policy/ceilings.def"
    CEILINGS
} PolicyCeiling;

typedef enum CeilingUnit { UNIT_COUNT, UNIT_BYTES, UNIT_TIME } CeilingUnit;

typedef struct CeilingRow { /* a row of ceilings.def */
    const char *key;        /* below `limits:` */
    CeilingUnit unit;
    uint64_t most;          /* if the policy does not say */
    const char *what;
} CeilingRow;
extern const CeilingRow policy_ceilings[CEILINGS];

typedef struct Ceiling { uint64_t most; uint32_t line; } Ceiling;

/* `*` in a pattern stands for any run of characters, `?` for one. */
typedef struct PolicyImport {
    char *module, *name;    /* patterns */
    char *type;             /* as fnvm_module_import_type spells it; NULL: any */
    uint32_t line;
} PolicyImport;

typedef struct PolicyExport {
    char *name;
    char *type;             /* as fnvm_module_export_type spells it; NULL: any */
    uint32_t line;
} PolicyExport;

typedef struct PolicyName { char *text; uint32_t line; } PolicyName;

typedef struct PolicyDir {
    char *host;             /* absolute; this directory and what is below it may be handed in */
    char *relative;         /* as it was written, if it was relative to the file's folder; or NULL */
    bool read_only;
    uint32_t line;
} PolicyDir;

typedef struct PolicyLibrary {
    char *name;             /* as dlopen has it, or an absolute path */
    char *relative;         /* as in PolicyDir */
    uint32_t line;
} PolicyLibrary;
/* Stands for the functions of the program itself. */
#define POLICY_NATIVE_PROGRAM "program"

struct fnvm_policy {
    atomic_size_t refs;
    Arena arena;            /* has all strings and lists */
    char *name;             /* for messages: the file's, of a long one the end; POLICY_NAME bytes */
    uint8_t digest[32];     /* BLAKE2b of the YAML's bytes: equal for equal texts */

    Ceiling ceilings[CEILINGS];
    uint32_t features, features_line;       /* bits that are allowed; all of 3.0 if not said */

    /* Lists.  `any_*`: the policy does not have the key, and everything is allowed. */
    bool any_import; PolicyImport *imports; size_t nimports; uint32_t imports_line;
    PolicyExport *exports; size_t nexports; /* that a module must have */
    bool any_call; PolicyName *calls; size_t ncalls; uint32_t calls_line; /* WASI functions, by name */
    bool any_dir; PolicyDir *dirs; size_t ndirs; uint32_t dirs_line;
    bool any_env; PolicyName *env; size_t nenv; uint32_t env_line; /* patterns of variables' names */
    bool network; uint32_t network_line;    /* sockets may be handed in; false if not said */

    PolicyLibrary *native; size_t nnative; uint32_t native_line; /* whose functions may be called */

    /* Zero lines: not said, and the caller's choice stands. */
    fnvm_engine_kind engine; uint32_t engine_line;
    fnvm_verify verify; uint32_t verify_line;
    fnvm_compile compile; uint32_t compile_line;
};
typedef struct fnvm_policy Policy;

/* Whether `text` fits a pattern.  Linear in the text; where both `*` and `?` are in it, a pattern's length
 * is a factor, too. */
enum { POLICY_PATTERN_BYTES = 255 };
bool pattern_matches(const char *pattern, const char *text, size_t len);

/* FNVM_E_USAGE if the text means something else in another folder: a depot keeps copies. */
fnvm_error *policy_check_movable(const Policy *);

/* "policy.yaml:12: limits.locals allows 100", for messages about ceilings.  Without a line if it is a
 * default. */
enum { POLICY_NAME = 160, POLICY_SOURCE = 240, POLICY_CEILING = 320 }; /* bytes that these fit into */
void policy_print_ceiling(const Policy *, PolicyCeiling, char *text, size_t size);
/* "limits.time, policy.yaml:12", or "limits.time, the default of policy.yaml". */
void policy_print_source(const Policy *, PolicyCeiling, char *text, size_t size);

/* Lowers the configuration's limits to the policy's ceilings, and sets engine, verify and compile if the
 * policy says them.  config.features stays: what the policy leaves out is a violation, with its
 * line. */
void policy_narrow(const Policy *, fnvm_config *);

#endif
