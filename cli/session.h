/* What commands that run guests share: an engine, a module or an image, a store with WASI and what
 * else the options hand to the guest, and what is said of how it ended.
 *
 * Functions that return int return -1 to go on, or the status to end with, having printed what had
 * to be said. */
#ifndef FNVM_CLI_SESSION_H
#define FNVM_CLI_SESSION_H

#include "cli/narrow.h"
#include "cli/natives.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "verifier/approval/depot.h"
#include "verifier/policy/manifest.h"

typedef struct Session { /* before target_resolve zero but `options` and `words`; session_free() always */
    Options options;
    char **words;           /* the command's, as they were: for the full program */
    int nwords;
    fnvm_depot *depot;      /* if only what is approved may run */
    DepotFunction function; /* if is_installed */
    bool is_installed;
    char *depot_cache;      /* options.cache, if is_installed */
    char *folder;           /* the function.yaml of a FILE that is a folder, or NULL */
    Manifest *manifest;     /* or NULL */
    Manifest *natives_of;   /* --natives, or NULL */
    char **args;            /* options.args, where a manifest has some */
    fnvm_policy *policy;    /* or NULL */
    char *timeout_of;       /* if the policy's time is the shorter one: what to call it */
    fnvm_engine *engine;
    fnvm_module *module; /* one of the two, by the command */
    fnvm_image *image;
    Natives *natives;       /* or NULL */
    fnvm_store *store;
    fnvm_wasi *wasi;
    fnvm_services *services;
    fnvm_linker *linker;
    fnvm_instance *instance;
    /* What the guest's checkpoint() does; see fnvm_linker_define_snapshot. */
    fnvm_error *(*checkpoint)(void *env, fnvm_caller *, int32_t *result);
    void *checkpoint_env;
    char *cache; /* its directory, or NULL */
    Profile profile;
    NarrowMode narrow; /* whether session_run narrows the process */
    int inherited; /* sockets from SOCKETS_FIRST on, for the guest */
} Session;

/* The engine, after the options are known. */
int session_engine(Session *);
/* A store and a linker that has all that the guest is given. */
int session_link(Session *);
/* Narrows the process to what the session needs from here on (narrow.h), if `narrow` says so. */
fnvm_error *session_narrow(const Session *);
/* Narrows the process, runs `guest` where signals and the timeout can stop it, and profiles it, as
 * far as that is wanted.  It leaves how the guest ended in *error, or returns a status.  `doing` is
 * for the message: "run main module". */
int session_run(Session *, int (*guest)(void *env, fnvm_error **error), void *env,
                const char *doing);
void session_free(Session *);

/* An exported function of the main instance: false if there is none of that name. */
bool session_func(Session *, const char *name, fnvm_extern *func);
/* "nothing to run", or no function `wanted` if that is not NULL, with those that there are. */
fnvm_error *session_no_function(Session *, const char *wanted);
/* Calls a function that has to have neither parameters nor results. */
fnvm_error *session_call(Session *, const char *name, fnvm_extern func);

#endif
