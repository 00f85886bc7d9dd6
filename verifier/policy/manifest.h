/* A function's manifest, function.yaml: which module, under which policy, how it is started up and
 * what it is given.  Paths in it are relative to its folder, and come out of here joined to it.
 * Owned by the caller; strings are the manifest's. */
#ifndef FNVM_VERIFIER_POLICY_MANIFEST_H
#define FNVM_VERIFIER_POLICY_MANIFEST_H

#include "verifier/policy/policy.h"
#include "verifier/policy/serve.h"

struct ManifestMount { char *host, *guest; bool read_only; uint32_t line; };
struct ManifestVariable { char *name, *value; uint32_t line; };

typedef struct ManifestFunction { char *name, *signature; uint32_t line; } ManifestFunction;
typedef struct ManifestLibrary {
    char *library;           /* a name as dlopen has it, or a path */
    char *module;            /* that the guest imports them from */
    ManifestFunction *functions; size_t nfunctions;
    uint32_t line;
} ManifestLibrary;

typedef enum ManifestInit {  /* when the function counts as started, and is frozen */
    INIT_NONE,               /* an image is taken by what the module has: an initializer, the import of
                              * checkpoint, or else as with INIT_START */
    INIT_START,              /* as soon as it is instantiated: only its start function has run */
    INIT_CALL,               /* after `init.call`, an exported function, has returned */
    INIT_CHECKPOINT,         /* where it calls fnvm:snapshot checkpoint */
    INIT_STDIN               /* where it is about to read its standard input */
} ManifestInit;

struct Manifest {
    Arena arena;             /* has all strings and lists */
    char *path;              /* of the manifest itself */
    char *name, *version;    /* `version` may be NULL */
    char *module; uint32_t module_line;
    fnvm_policy *policy;     /* inline, or of the file it names; NULL: none */
    ManifestInit init;
    char *init_call;         /* INIT_CALL's; NULL: the first that is usual (docs/snapshots.md) */
    bool image;              /* `fnvm install` takes an image */
    char *entry;             /* the export that running calls; NULL: _start */
    char **args; size_t nargs;
    ManifestMount *mounts; size_t nmounts;
    ManifestVariable *env; size_t nenv; /* value NULL: the host's, if it is set */
    ManifestLibrary *native; size_t nnative;
    ServeSettings serve;     /* what a gateway is to know */
};

/* Reads and checks it, the policy's rules for mounts, environment and native functions included
 * (FNVM_E_POLICY).  Without a policy of its own it depends on the caller's: manifest_check_native. */
fnvm_error *manifest_load(const char *path, Manifest **out);
void manifest_free(Manifest *); /* NULL is fine */
/* Whether its native functions may be had under a policy; under none they may not. */
fnvm_error *manifest_check_native(const Manifest *, const Policy *);

/* [A-Za-z0-9] and then up to 63 of these and `. _ -`: names of functions, and versions. */
bool manifest_name_ok(const char *name);

/* FNVM_E_POLICY, with the policy's line, unless the policy lets it be handed in.  Directories
 * are compared by what they really are (realpath), so `host` must exist. */
fnvm_error *policy_check_dir(const Policy *, const char *host, bool read_only);
fnvm_error *policy_check_env(const Policy *, const char *name);
/* Likewise of a library, by the name that dlopen is given, paths as what they really are; or of
 * POLICY_NATIVE_PROGRAM. */
fnvm_error *policy_check_native(const Policy *, const char *library);
/* A library's name (libm.so.6) or a path. */
bool policy_library_ok(const char *);

#endif
