/* Options are tables: long options for getopt_long, and one table per group, whose rows name the
 * field of Options that a key sets.  A new key is one row. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"

/* ---- Values ---- */

static bool parse_range(const char *text, FuncRange *range)
{
    const char *rest;
    if (!parse_decimal(text, &range->first, &rest)) return false;
    range->last = range->first;
    if (*rest == '-' && !parse_decimal(rest + 1, &range->last, &rest)) return false;
    return !*rest && range->first <= range->last;
}

static bool is_in_range(void *env, uint32_t func)
{
    const FuncRange *range = env;
    return func >= range->first && func <= range->last;
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"y", "yes", "true", "on", "1"};
    static const char *const no[] = {"n", "no", "false", "off", "0"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(text, yes[i]) == 0) return *out = true, true;
        if (strcmp(text, no[i]) == 0) return *out = false, true;
    }
    return false;
}

/* ---- Groups ---- */

typedef enum ValueKind {
    VALUE_FLAG,
    VALUE_COUNT,
    VALUE_SMALL, /* a uint32_t */
    VALUE_SIZE,
    VALUE_DURATION,
    VALUE_TEXT,
    VALUE_RANGE,
    VALUE_LIST,
    VALUE_FEATURE
} ValueKind;

typedef struct GroupKey {
    const char *name;
    ValueKind kind;
    size_t field;      /* offset in Options */
    uint32_t feature;  /* VALUE_FEATURE: its bit */
    const char *value; /* how help writes the value */
    const char *what;
} GroupKey;

#define FIELD(member) offsetof(Options, member), 0
#define FEATURE(name, bit, what)                              \
    {                                                         \
        name, VALUE_FEATURE, 0, FNVM_FEATURE_##bit, "[=y|n]", what \
    }

static const GroupKey wasm_keys[] = {
    {"fuel", VALUE_COUNT, FIELD(fuel), "=N", "trap after N instructions"},
    {"timeout", VALUE_DURATION, FIELD(timeout_ns), "=TIME", "trap after 2s, 100ms, ..."},
    {"max-memory-size", VALUE_SIZE, FIELD(config.max_memory_bytes), "=BYTES",
     "largest linear memory (64k, 10M, 2G, ...)"},
    {"max-wasm-stack", VALUE_SIZE, FIELD(config.max_stack_bytes), "=BYTES", "guest stack"},
    {"max-table-elements", VALUE_COUNT, FIELD(config.max_table_elements), "=N", "largest table"},
    {"max-heap-size", VALUE_SIZE, FIELD(config.max_heap_bytes), "=BYTES",
     "live objects on the garbage-collected heap"},
    {"max-instances", VALUE_SMALL, FIELD(config.max_instances), "=N", "instances of modules"},
    {"trap-on-grow-failure", VALUE_FLAG, FIELD(config.trap_on_grow_failure), "[=y|n]",
     "memory.grow and table.grow trap instead of returning -1"},
    {"unknown-imports-trap", VALUE_FLAG, FIELD(unknown_imports_trap), "[=y|n]",
     "functions that nobody provides trap when called"},
    FEATURE("sign-extension", SIGN_EXTENSION, "sign-extension operators"),
    FEATURE("saturating-float-to-int", SAT_FLOAT, "conversions that do not trap"),
    FEATURE("multi-value", MULTI_VALUE, "several results and block parameters"),
    FEATURE("bulk-memory", BULK, "memory.copy, memory.fill, table.init, ..."),
    FEATURE("reference-types", REFERENCES, "funcref, externref, several tables"),
    FEATURE("simd", SIMD, "128-bit vectors"),
    FEATURE("relaxed-simd", RELAXED_SIMD, "relaxed vector instructions, deterministic here"),
    FEATURE("tail-call", TAIL_CALL, "return_call and friends"),
    FEATURE("extended-const", EXTENDED_CONST, "arithmetic in constant expressions"),
    FEATURE("exceptions", EXCEPTIONS, "try_table, throw, exnref"),
    FEATURE("function-references", FUNCTION_REFS, "typed function references"),
    FEATURE("gc", GC, "structs, arrays, i31"),
    FEATURE("multi-memory", MULTI_MEMORY, "several memories"),
    FEATURE("memory64", MEMORY64, "64-bit memories and tables"),
    FEATURE("wide-arithmetic", WIDE_ARITHMETIC, "128-bit add, sub, mul (proposal; off)"),
    FEATURE("custom-page-sizes", CUSTOM_PAGE_SIZES, "pages of one byte (proposal; off)"),
    {NULL, VALUE_FLAG, 0, 0, NULL, NULL}};

static const GroupKey wasi_keys[] = {
    {"inherit-env", VALUE_FLAG, FIELD(inherit_env), "[=y|n]", "the guest sees fnvm's environment"},
    {"tcplisten", VALUE_LIST, FIELD(listen), "=HOST:PORT",
     "listen there; the guest gets the socket as its descriptor 3, 4, ..."},
    {"listenfd", VALUE_FLAG, FIELD(listenfd), "[=y|n]",
     "hand over sockets that fnvm was started with (LISTEN_FDS)"},
    {"inherit-network", VALUE_FLAG, FIELD(inherit_network), "[=y|n]",
     "the same: preview 1 can accept connections but not open any"},
    {"call", VALUE_LIST, FIELD(calls), "=NAME",
     "a function of WASI that may be imported (repeat it); all others are refused"},
    {"max-output", VALUE_SIZE, FIELD(max_output), "=BYTES",
     "bytes written in all, to streams, files and sockets; then errno dquot"},
    {"max-descriptors", VALUE_SMALL, FIELD(max_descriptors), "=N",
     "open descriptors, 0 to 2 included, at most 1024; then errno mfile"},
    {"kv", VALUE_TEXT, FIELD(kv), "=FILE", "keys and values of fnvm:kv, made if need be"},
    {NULL, VALUE_FLAG, 0, 0, NULL, NULL}};

static const GroupKey debug_keys[] = {
    {"coredump", VALUE_TEXT, FIELD(coredump), "=FILE", "write a wasm core dump there on a trap"},
    {"compiled", VALUE_RANGE, FIELD(compiled), "=N[-M]",
     "compile functions N to M only, interpret the others"},
    {"gdb", VALUE_FLAG, FIELD(gdb), "[=y|n]", "tell GDB about compiled functions"},
    {NULL, VALUE_FLAG, 0, 0, NULL, NULL}};

static const GroupKey *group_keys(char group)
{
    return group == 'W' ? wasm_keys : group == 'S' ? wasi_keys : debug_keys;
}

static const char *group_key_name(const void *keys, size_t i)
{
    return ((const GroupKey *)keys)[i].name;
}

static void group_help(char group)
{
    static const char *const titles[] = {"WebAssembly: limits and features", "WASI", "debugging"};
    printf("-%c KEY[=VALUE],...   %s\n\n", group, titles[group == 'W' ? 0 : group == 'S' ? 1 : 2]);
    for (const GroupKey *key = group_keys(group); key->name; key++) {
        char spelled[64];
        snprintf(spelled, sizeof spelled, "%s%s", key->name, key->value);
        printf("  -%c %-32s %s\n", group, spelled, key->what);
    }
}

static void *options_field(Options *options, size_t field) { return (char *)options + field; }

static int no_memory(void) { return error_report(NULL, "the host is out of memory"); }

int pairs_add(Pairs *pairs, const char *name, const char *value)
{
    if (pairs->n == pairs->cap) {
        size_t cap = pairs->cap ? pairs->cap * 2 : 8;
        Pair *items = realloc(pairs->items, cap * sizeof *items);
        if (!items) return no_memory();
        pairs->items = items;
        pairs->cap = cap;
    }
    pairs->items[pairs->n++] = (Pair){name, value};
    return -1;
}

static int bad_value(const Options *options, char group, const GroupKey *key, const char *value,
                     const char *expected)
{
    return error_usage(options->command, "-%c %s: expected %s, found `%s`", group, key->name,
                       expected, value ? value : "");
}

static int group_flag(Options *options, char group, const GroupKey *key, const char *value)
{
    bool on = true;
    if (value && !parse_bool(value, &on)) return bad_value(options, group, key, value, "y or n");
    if (key->kind == VALUE_FLAG) *(bool *)options_field(options, key->field) = on;
    else if (on) options->config.features |= key->feature;
    else options->config.features &= ~key->feature;
    return -1;
}

static int group_set(Options *options, char group, const GroupKey *key, const char *value)
{
    uint64_t *number = options_field(options, key->field);
    const char *rest;
    if (key->kind == VALUE_FLAG || key->kind == VALUE_FEATURE)
        return group_flag(options, group, key, value);
    if (!value || !*value)
        return error_usage(options->command, "-%c %s needs a value: -%c %s%s", group, key->name,
                           group, key->name, key->value);
    switch (key->kind) {
    case VALUE_COUNT:
        if (!parse_decimal(value, number, &rest) || *rest)
            return bad_value(options, group, key, value, "a number");
        if (number == &options->fuel) options->config.fuel = true;
        return -1;
    case VALUE_SMALL: {
        uint64_t small;
        if (!parse_decimal(value, &small, &rest) || *rest || small > UINT32_MAX)
            return bad_value(options, group, key, value, "a number below 4294967296");
        *(uint32_t *)options_field(options, key->field) = (uint32_t)small;
        return -1;
    }
    case VALUE_SIZE:
        if (!parse_size(value, number))
            return bad_value(options, group, key, value, "bytes, such as 65536, 64k, 10M or 2G");
        return -1;
    case VALUE_DURATION:
        if (!parse_duration(value, number) || *number == 0)
            return bad_value(options, group, key, value, "a time, such as 2s or 100ms");
        return -1;
    case VALUE_RANGE:
        if (!parse_range(value, options_field(options, key->field)))
            return bad_value(options, group, key, value, "function indices, such as 12 or 0-99");
        options->config.jit_filter = is_in_range;
        options->config.jit_filter_env = options_field(options, key->field);
        return -1;
    case VALUE_LIST: return pairs_add(options_field(options, key->field), value, NULL);
    default: *(const char **)options_field(options, key->field) = value; return -1;
    }
}

static int group_key(Options *options, char group, char *item)
{
    if (strcmp(item, "help") == 0) {
        group_help(group);
        return STATUS_OK;
    }
    char *value = strchr(item, '=');
    if (value) *value++ = '\0';
    for (const GroupKey *key = group_keys(group); key->name; key++)
        if (strcmp(item, key->name) == 0) return group_set(options, group, key, value);

    const char *close = closest_word(item, group_key_name, group_keys(group));
    if (close)
        return error_usage(options->command, "-%c has no `%s`; did you mean `%s`?", group, item,
                           close);
    return error_usage(options->command, "-%c has no `%s`; `-%c help` lists what there is", group,
                       item, group);
}

int options_group(Options *options, char group, char *list)
{
    while (list) {
        char *rest = strchr(list, ',');
        if (rest) *rest++ = '\0';
        int status = *list ? group_key(options, group, list) : -1;
        if (status >= 0) return status;
        list = rest;
    }
    return -1;
}

/* ---- Long options ---- */

enum {
    OPTION_DIR = 256,
    OPTION_ENV,
    OPTION_ARGV0,
    OPTION_PRELOAD,
    OPTION_MODULE_PATH,
    OPTION_ENGINE,
    OPTION_VERIFY,
    OPTION_COMPILE,
    OPTION_THREADS,
    OPTION_JIT_VERIFY,
    OPTION_CACHE,
    OPTION_PROFILE,
    OPTION_POLICY,
    OPTION_NATIVES,
    OPTION_DEPOT,
    OPTION_APPROVED
};

static const struct option shared_options[] = {
    {"dir", required_argument, NULL, OPTION_DIR},
    {"env", required_argument, NULL, OPTION_ENV},
    {"argv0", required_argument, NULL, OPTION_ARGV0},
    {"preload", required_argument, NULL, OPTION_PRELOAD},
    {"module-path", required_argument, NULL, OPTION_MODULE_PATH},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"verify", required_argument, NULL, OPTION_VERIFY},
    {"compile", required_argument, NULL, OPTION_COMPILE},
    {"compile-threads", required_argument, NULL, OPTION_THREADS},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"jit-verify", no_argument, NULL, OPTION_JIT_VERIFY},
    {"profile", required_argument, NULL, OPTION_PROFILE},
    {"policy", required_argument, NULL, OPTION_POLICY},
    {"natives", required_argument, NULL, OPTION_NATIVES},
    {"depot", required_argument, NULL, OPTION_DEPOT},
    {"approved", no_argument, NULL, OPTION_APPROVED},
    {"wasm", required_argument, NULL, 'W'},
    {"wasi", required_argument, NULL, 'S'},
    {"debug", required_argument, NULL, 'D'},
    {"help", no_argument, NULL, 'h'}};
enum {
    SHARED_OPTIONS = sizeof shared_options / sizeof *shared_options,
    OPTION_ROWS = OWN_OPTIONS_MAX + SHARED_OPTIONS + 1
};

/* What other engines call things, for people who come from there. */
static const struct {
    const char *theirs, *ours;
} foreign_options[] = {{"mapdir", "--dir HOST::GUEST"},
                       {"map-dir", "--dir HOST::GUEST"},
                       {"volume", "--dir HOST::GUEST"},
                       {"function", "--invoke"},
                       {"gas-limit", "-W fuel=N"},
                       {"fuel", "-W fuel=N"},
                       {"time-limit", "-W timeout=100ms"},
                       {"timeout", "-W timeout=100ms"},
                       {"max-memory-size", "-W max-memory-size=BYTES"},
                       {"max-wasm-stack", "-W max-wasm-stack=BYTES"},
                       {"stack-size", "-W max-wasm-stack=BYTES"},
                       {"forward-host-env", "-S inherit-env"},
                       {"inherit-env", "-S inherit-env"},
                       {"tcplisten", "-S tcplisten=ADDR"},
                       {"coredump-on-trap", "-D coredump=FILE"},
                       {"wasm-features", "-W FEATURE=y|n"},
                       {"reactor", "--invoke"},
                       {"mount", "--dir HOST::GUEST"},
                       {"version", "fnvm version"}};

static const char *long_option_name(const void *table, size_t i)
{
    return ((const struct option *)table)[i].name;
}

static int unknown_option(const Options *options, const struct option *all, char *text)
{
    if (strncmp(text, "--", 2) != 0) {
        const char *meant = optopt == 'e' ? "; did you mean `--env NAME=VALUE`?"
                            : optopt == 'v' ? "; did you mean `--dir HOST::GUEST`, or `fnvm version`?"
                                            : "";
        return error_usage(options->command, "there is no option `-%c`%s", optopt, meant);
    }
    char *name = text + 2;
    name[strcspn(name, "=")] = '\0';
    for (size_t i = 0; i < sizeof foreign_options / sizeof *foreign_options; i++)
        if (strcmp(name, foreign_options[i].theirs) == 0)
            return error_usage(options->command, "there is no option `--%s`; did you mean `%s`?",
                               name, foreign_options[i].ours);
    const char *close = closest_word(name, long_option_name, all);
    if (close)
        return error_usage(options->command, "there is no option `--%s`; did you mean `--%s`?",
                           name, close);
    return error_usage(options->command, "there is no option `--%s`", name);
}

/* HOST, HOST::GUEST, HOST::GUEST::ro or HOST::ro; HOST is the guest's name where none is given. */
static int option_dir(Options *options, char *text)
{
    Directory *dirs = realloc(options->dirs, (options->ndirs + 1) * sizeof *dirs);
    if (!dirs) return no_memory();
    options->dirs = dirs;
    Directory *dir = &dirs[options->ndirs];
    *dir = (Directory){text, text, FNVM_DIR_READ_WRITE};

    size_t len = strlen(text);
    if (len > 4 && strcmp(text + len - 4, "::ro") == 0) {
        text[len - 4] = '\0';
        dir->access = FNVM_DIR_READ_ONLY;
    }
    char *guest = strstr(text, "::");
    if (guest) {
        *guest = '\0';
        dir->guest = guest + 2;
    } else if (strchr(text, ':')) {
        size_t host = strcspn(text, ":");
        return error_usage(
            options->command,
            "--dir %s: which side is the host's? Write HOST::GUEST: `--dir %.*s::%s`,"
            " or, if you had the guest first, `--dir %s::%.*s`",
            text, (int)host, text, text + host + 1, text + host + 1, (int)host, text);
    }
    if (!*dir->host || !*dir->guest || strstr(dir->guest, "::"))
        return error_usage(options->command, "--dir: expected HOST[::GUEST][::ro]");
    options->ndirs++;
    return -1;
}

static int option_pair(Options *options, Pairs *pairs, char *text, bool value_needed,
                       const char *expected)
{
    char *value = strchr(text, '=');
    if (value) *value++ = '\0';
    if (!*text || (value_needed && (!value || !*value)))
        return error_usage(options->command, "expected %s", expected);
    return pairs_add(pairs, text, value);
}

/* ---- Options that other commands have as well ---- */

typedef struct Choice { const char *name; int value; } Choice;

/* The value of a choice by name; messages list all names. */
static int choose(const Options *options, const char *option, const char *name,
                  const Choice *choices, int *value)
{
    for (const Choice *c = choices; c->name; c++) {
        if (strcmp(name, c->name) != 0) continue;
        *value = c->value;
        return -1;
    }
    return error_usage(options->command, "--%s: expected `%s` or `%s`, found `%s`", option,
                       choices[0].name, choices[1].name, name);
}

int options_engine(Options *options, const char *name)
{
    static const Choice engines[] = {{"jit", FNVM_ENGINE_JIT}, {"interp", FNVM_ENGINE_INTERPRETER},
                                     {"interpreter", FNVM_ENGINE_INTERPRETER},
                                     {"auto", FNVM_ENGINE_AUTO}, {NULL, 0}};
    int kind = 0, status = choose(options, "engine", name, engines, &kind);
    options->config.engine = (fnvm_engine_kind)kind;
    return status;
}

int options_verify(Options *options, const char *when)
{
    static const Choice times[] = {{"eager", FNVM_VERIFY_EAGER}, {"lazy", FNVM_VERIFY_LAZY},
                                   {NULL, 0}};
    int verify = 0, status = choose(options, "verify", when, times, &verify);
    options->config.verify = (fnvm_verify)verify;
    return status;
}

int options_compile(Options *options, const char *when)
{
    static const Choice times[] = {{"eager", FNVM_COMPILE_EAGER}, {"lazy", FNVM_COMPILE_LAZY},
                                   {NULL, 0}};
    int compile = 0, status = choose(options, "compile", when, times, &compile);
    options->config.compile = (fnvm_compile)compile;
    if (compile == FNVM_COMPILE_EAGER && options->config.compile_threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN); /* reads a file: not unless it matters */
        options->config.compile_threads = processors > 0 ? (uint32_t)processors : 1;
    }
    return status;
}

int options_narrow(const char *command, const char *text, NarrowMode *mode)
{
    static const char *const modes[] = {
        [NARROW_NO] = "no", [NARROW_AUTO] = "auto", [NARROW_REQUIRE] = "require"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(text, modes[i]) != 0) continue;
        *mode = (NarrowMode)i;
        return -1;
    }
    return error_usage(command, "--narrow: expected `auto`, `require` or `no`, found `%s`", text);
}

static int option_threads(Options *options, const char *text)
{
    uint64_t n;
    const char *rest;
    if (!parse_decimal(text, &n, &rest) || *rest || n == 0 || n > 1000)
        return error_usage(options->command, "--compile-threads: expected 1 to 1000, found `%s`",
                           text);
    options->config.compile_threads = (uint32_t)n;
    return -1;
}

static int option_profile(Options *options, char *text)
{
    static const Choice kinds[] = {{"perf", PROFILE_PERF}, {"sample", PROFILE_SAMPLE}, {NULL, 0}};
    char *dir = strchr(text, ',');
    if (dir && strncmp(text, "perf,", 5) == 0) {
        *dir = '\0';
        options->profile_dir = dir + 1;
    }
    int kind = 0, status = choose(options, "profile", text, kinds, &kind);
    options->profile = (ProfileKind)kind;
    return status;
}

static int shared_option(Options *options, int option, char *text)
{
    switch (option) {
    case 'W':
    case 'S':
    case 'D': return options_group(options, (char)option, text);
    case 'C':
    case 'O': return error_usage(options->command, "this version has no -%c options", option);
    case OPTION_DIR: return option_dir(options, text);
    case OPTION_ENV:
        return option_pair(options, &options->env, text, false, "--env NAME=VALUE or --env NAME");
    case OPTION_ARGV0: options->argv0 = text; return -1;
    case OPTION_PRELOAD:
        return option_pair(options, &options->preloads, text, true, "--preload NAME=FILE");
    case OPTION_MODULE_PATH: return pairs_add(&options->module_paths, text, NULL);
    case OPTION_ENGINE: return options_engine(options, text);
    case OPTION_VERIFY: return options_verify(options, text);
    case OPTION_COMPILE: return options_compile(options, text);
    case OPTION_THREADS: return option_threads(options, text);
    case OPTION_JIT_VERIFY: options->config.jit_verify = true; return -1;
    case OPTION_CACHE: options->cache = text; return -1;
    case OPTION_PROFILE: return option_profile(options, text);
    case OPTION_POLICY: options->policy = text; return -1;
    case OPTION_NATIVES: options->natives = text; return -1;
    case OPTION_DEPOT: options->depot = text; return -1;
    case OPTION_APPROVED: options->approved = true; return -1;
    default: return -1;
    }
}

/* One table of both, ended by a row without a name. */
static void all_options(const OwnOptions *own, struct option all[OPTION_ROWS])
{
    size_t n = 0;
    for (; own->names[n].name && n < OWN_OPTIONS_MAX; n++) all[n] = own->names[n];
    memcpy(all + n, shared_options, sizeof shared_options);
    all[n + SHARED_OPTIONS] = (struct option){NULL, 0, NULL, 0};
}

static bool is_own(const OwnOptions *own, int option)
{
    return option >= OPTION_OWN ||
           (option < OPTION_DIR && option != ':' && strchr(own->letters, option));
}

int options_parse(Options *options, const OwnOptions *own, int argc, char **argv)
{
    struct option all[OPTION_ROWS];
    char letters[OPTION_ROWS];
    all_options(own, all);
    snprintf(letters, sizeof letters, "+:%sW:S:D:C:O:h", own->letters);
    opterr = 0;
    optind = 1;
    for (;;) {
        int at = optind, row = -1;
        int option = getopt_long(argc, argv, letters, all, &row);
        if (option == -1) break;
        /* getopt takes any unambiguous beginning of a name; scripts are better off without. */
        if (row >= 0 && strcspn(argv[at] + 2, "=") != strlen(all[row].name)) option = '?';
        if (option == 'h') return help_print(options->command);
        if (option == '?') return unknown_option(options, all, argv[at]);
        if (option == ':') return error_option(options->command, option, argv[optind - 1]);
        int status = is_own(own, option) ? own->set(own->env, options, option, optarg)
                                         : shared_option(options, option, optarg);
        if (status >= 0) return status;
    }
    if (optind >= argc) return -1;
    options->file = argv[optind];
    options->args = argv + optind + 1;
    options->nargs = argc - optind - 1;
    return -1;
}

void words_free(int n, char **words)
{
    for (int i = 0; words && i < n; i++) free(words[i]);
    free(words);
}

char **words_copy(int n, char *const *words)
{
    char **copy = calloc((size_t)n + 1, sizeof *copy);
    for (int i = 0; copy && i < n; i++) {
        if ((copy[i] = strdup(words[i]))) continue;
        words_free(i, copy);
        copy = NULL;
    }
    return copy;
}

void options_init(Options *options, const char *command)
{
    *options = (Options){.command = command, .max_output = UINT64_MAX,
                         .max_descriptors = UINT32_MAX};
    fnvm_config_default(&options->config);
}

void options_free(Options *options)
{
    free(options->listen.items);
    free(options->calls.items);
    free(options->dirs);
    free(options->env.items);
    free(options->preloads.items);
    free(options->module_paths.items);
}
