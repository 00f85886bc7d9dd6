/* fnvm cache: what `fnvm run` keeps of compiled code, and where. */
#include "jit/cache.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/errors.h"

/* ---- Where ---- */

/* PARENT/REST, malloc'd; NULL if there is no parent, or no memory. */
static char *below(const char *parent, const char *rest)
{
    char *path = NULL;
    if (!parent || parent[0] != '/') return NULL; /* a relative one counts as none: XDG says so */
    return asprintf(&path, "%s/%s", parent, rest) >= 0 ? path : NULL;
}

char *cache_directory(const char *option, bool *by_name)
{
    const char *name = option ? option : getenv("FNVM_CACHE_DIR");
    *by_name = name && *name && strcmp(name, "none") != 0;
    if (name) return *by_name ? strdup(name) : NULL;
    char *path = below(getenv("XDG_CACHE_HOME"), "fnvm");
    return path ? path : below(getenv("HOME"), ".cache/fnvm");
}

/* ---- Listing ---- */

/* "12 s", "3 h": the largest unit that gives a whole number above 0. */
static void print_age(int64_t seconds)
{
    static const struct { int64_t seconds; const char *unit; } units[] = {
        {86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    if (seconds < 0) seconds = 0;
    while (i < 3 && seconds < units[i].seconds) i++;
    printf("%5" PRId64 " %-3s", seconds / units[i].seconds, units[i].unit);
}

typedef struct Totals { size_t files; uint64_t bytes; } Totals;

static void print_entry(void *env, const CacheEntry *e)
{
    Totals *totals = env;
    if (totals->files++ == 0)
        puts("key               functions       bytes  last use   module");
    totals->bytes += e->size;
    printf("%.16s %10" PRIu32 " %11" PRIu64 " ", e->key, e->nfuncs, e->size);
    print_age((int64_t)time(NULL) - e->used);
    fputs("  ", stdout);
    print_escaped(stdout, e->path, strlen(e->path));
    fputs(e->state == CACHE_DAMAGED        ? "(damaged: it will not be used)"
          : e->state == CACHE_OTHER_ENGINE ? " (of another version of fnvm)"
                                           : "", stdout);
    putchar('\n');
}

static fnvm_error *list(const CodeCache *cache)
{
    Totals totals = {0, 0};
    fnvm_error *error = cache_each(cache, print_entry, &totals);
    if (!error)
        printf("%zu module%s, %" PRIu64 " bytes\n", totals.files, totals.files == 1 ? "" : "s",
               totals.bytes);
    return error;
}

static fnvm_error *clear(const CodeCache *cache)
{
    size_t files;
    uint64_t bytes;
    fnvm_error *error = cache_clear(cache, &files, &bytes);
    if (!error)
        printf("%zu module%s removed, %" PRIu64 " bytes\n", files, files == 1 ? "" : "s", bytes);
    return error;
}

/* ---- The command ---- */

static int with_cache(const char *directory, fnvm_error *(*act)(const CodeCache *))
{
    CodeCache *cache = NULL;
    fnvm_error *error = cache_open(directory, false, &cache);
    if (error && fnvm_error_code(error) == FNVM_E_NOT_FOUND) {
        fnvm_error_free(error);
        printf("0 modules: there is no `%s`\n", directory);
        return STATUS_OK;
    }
    if (!error) error = act(cache);
    cache_close(cache);
    return error ? error_report(error, "the code cache") : STATUS_OK;
}

static int act_on(const char *directory, const char *what)
{
    if (strcmp(what, "list") == 0) return with_cache(directory, list);
    if (strcmp(what, "clear") == 0) return with_cache(directory, clear);
    if (strcmp(what, "dir") == 0) {
        puts(directory);
        return STATUS_OK;
    }
    return error_usage("cache", "expected `list`, `clear` or `dir`, found `%s`", what);
}

int command_cache(int argc, char **argv)
{
    static const struct option long_options[] = {{"cache", required_argument, NULL, 'c'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    const char *named = NULL;
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') return help_print("cache");
        if (option != 'c') return error_option("cache", option, argv[optind - 1]);
        named = optarg;
    }
    if (argc - optind > 1) return error_usage("cache", "one word is enough: list, clear or dir");
    bool by_name;
    char *directory = cache_directory(named, &by_name);
    if (!directory)
        return error_usage("cache", "there is no cache: --cache or FNVM_CACHE_DIR says none, or "
                           "HOME is not set");
    int status = act_on(directory, optind < argc ? argv[optind] : "list");
    free(directory);
    return status;
}
