/* The command: options, files and folders, and the one line at the end. */
#include "conformance/wast.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/errors.h"
#include "cli/options.h"
#include "conformance/wast_run.h"

static int is_script(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".wast") == 0;
}

/* By bytes, whatever the locale: the order of a report is part of it. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Its scripts in the order of their names; folders in it are arguments of their own. */
static void run_directory(const char *dir, const fnvm_config *config, bool verbose,
                          WastTally *tally)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_script, by_name);
    if (n <= 0) {
        printf("%s: %s\n", dir, n < 0 ? strerror(errno) : "there is no .wast file in it");
        tally->failed++;
    }
    for (int i = 0; i < n; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", dir, entries[i]->d_name) >= 0) {
            wast_run_file(path, config, verbose, tally);
            free(path);
        } else tally->failed++;
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

static void run_path(const char *path, const Options *options, bool verbose, WastTally *tally)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        run_directory(path, &options->config, verbose, tally);
    else wast_run_file(path, &options->config, verbose, tally);
}

/* One option; -1 to go on, else a status.  Moves *i over a value of its own. */
static int parse_option(Options *options, bool *verbose, int argc, char **argv, int *i)
{
    char *arg = argv[*i];
    if (strcmp(arg, "-v") == 0) {
        *verbose = true;
        return -1;
    }
    if (strncmp(arg, "--engine=", 9) == 0) return options_engine(options, arg + 9);
    if (strncmp(arg, "--verify=", 9) == 0) return options_verify(options, arg + 9);
    if (strncmp(arg, "--compile=", 10) == 0) return options_compile(options, arg + 10);
    if (strcmp(arg, "--jit-verify") == 0) {
        options->config.jit_verify = true;
        return -1;
    }
    if (strncmp(arg, "-D", 2) == 0 && arg[2]) return options_group(options, 'D', arg + 2);
    if (strncmp(arg, "-W", 2) == 0) {
        if (arg[2]) return options_group(options, 'W', arg + 2);
        if (++*i < argc) return options_group(options, 'W', argv[*i]);
        return error_usage("wast", "-W needs a list, such as `-W gc=n`");
    }
    return error_usage("wast", "there is no option `%s`", arg);
}

static int run(Options *options, int argc, char **argv)
{
    bool verbose = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        int status = parse_option(options, &verbose, argc, argv, &i);
        if (status >= 0) return status;
    }
    if (i == argc) return error_usage("wast", "which FILE or DIR?");
    WastTally tally = {0};
    for (; i < argc; i++) run_path(argv[i], options, verbose, &tally);
    printf("%zu passed, %zu failed, %zu skipped\n", tally.passed, tally.failed, tally.skipped);
    return tally.failed ? STATUS_FAILED : STATUS_OK;
}

int wast_main(int argc, char **argv)
{
    Options options;
    options_init(&options, "wast");
    int status = run(&options, argc, argv);
    options_free(&options);
    return status;
}
