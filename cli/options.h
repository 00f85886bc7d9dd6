/* The options of commands that run guests, and the option groups that other commands share.
 *
 * Spelling follows wasmtime where it has one.  Options come before FILE; everything after FILE
 * belongs to the guest.  Strings point into argv, parts of which are cut in place. */
#ifndef FNVM_CLI_OPTIONS_H
#define FNVM_CLI_OPTIONS_H

#include <getopt.h>

#include "cli/narrow.h"
#include "fnvm.h"
#include "vm/quantity.h"

typedef struct Pair {
    const char *name, *value;
} Pair; /* value may be NULL: see the user */
typedef struct Pairs {
    Pair *items;
    size_t n, cap;
} Pairs;

typedef struct Directory {
    const char *host, *guest;
    fnvm_dir_access access;
} Directory;

typedef struct FuncRange {
    uint64_t first, last; /* function indices */
} FuncRange;

typedef enum ProfileKind { PROFILE_NONE, PROFILE_PERF, PROFILE_SAMPLE } ProfileKind;

typedef struct Options {
    const char *command; /* for messages and `fnvm help` */
    fnvm_config config;
    /* -W */
    uint64_t fuel;       /* if config.fuel */
    uint64_t timeout_ns; /* 0: none */
    bool unknown_imports_trap;
    /* -S */
    bool inherit_env, inherit_network, listenfd;
    Pairs listen; /* addresses to listen on, as names */
    Pairs calls;  /* functions of WASI that may be imported, as names; none: all may */
    uint64_t max_output;
    uint32_t max_descriptors;
    const char *kv; /* the file with the guest's keys and values, or NULL */
    /* -D */
    const char *coredump;
    FuncRange compiled; /* if config.jit_filter */
    bool gdb;
    /* long options */
    const char *argv0;
    const char *cache;  /* as given, or NULL */
    const char *policy; /* a file, or NULL */
    const char *natives; /* likewise */
    const char *depot;  /* as given, or NULL */
    bool approved;
    ProfileKind profile;
    const char *profile_dir; /* of PROFILE_PERF; NULL: the current one */
    Directory *dirs;
    size_t ndirs;
    Pairs env;          /* value NULL: inherit if set */
    Pairs preloads;     /* NAME=FILE */
    Pairs module_paths; /* as names */
    const char *file;   /* NULL if none is given */
    char **args;        /* the guest's own arguments, after FILE */
    int nargs;
} Options;

/* The options that one command has besides those that all have that run guests. */
typedef struct OwnOptions {
    const struct option *names; /* as for getopt_long; values are letters, or OPTION_OWN and up;
                                 * at most OWN_OPTIONS_MAX */
    const char *letters;        /* likewise: "f:q" */
    int (*set)(void *env, Options *, int option, char *text);
    void *env;
} OwnOptions;
enum { OPTION_OWN = 512, OWN_OPTIONS_MAX = 20 };

/* Both return -1 to go on, or the status to end with, having printed what had to be said.
 * options_free() is due in every case. */
int options_parse(Options *, const OwnOptions *, int argc, char **argv);
/* One comma-separated list of group 'W', 'S' or 'D'; `list` is cut in place. */
int options_group(Options *, char group, char *list);

/* The values of --engine, --verify, --compile. */
int options_engine(Options *, const char *name);
int options_verify(Options *, const char *when);
int options_compile(Options *, const char *when);
/* The value of --narrow, for the command of that name. */
int options_narrow(const char *command, const char *text, NarrowMode *);

/* Appends; returns as options_parse. */
int pairs_add(Pairs *, const char *name, const char *value);

/* A command's words, before options_parse cuts them: NULL without memory. */
char **words_copy(int n, char *const *words);
void words_free(int n, char **words);

void options_init(Options *, const char *command);
void options_free(Options *);

#endif
