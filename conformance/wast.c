/* The command: options, files and folders, and the one line at the end.  With --roundtrip there is
 * one image file, written again and again, in a directory of its own. */
#include "conformance/wast.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
static void run_directory(const char *dir, const WastOptions *how, WastTally *tally)
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
            wast_run_file(path, how, tally);
            free(path);
        } else tally->failed++;
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

static void run_path(const char *path, const WastOptions *how, WastTally *tally)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) run_directory(path, how, tally);
    else wast_run_file(path, how, tally);
}

/* ---- The image of --roundtrip ---- */

static const char image_name[] = "/store.fnvmi";

typedef struct Scratch { char *dir, *image; } Scratch; /* owned; NULL: there is none */

/* In memory where that can be: nothing of it has to last. */
static bool scratch_open(Scratch *s)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !*tmp) tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    if (asprintf(&s->dir, "%s/fnvm-wast-XXXXXX", tmp) < 0) s->dir = NULL;
    if (s->dir && !mkdtemp(s->dir)) {
        printf("%s: %s\n", s->dir, strerror(errno));
        free(s->dir);
        s->dir = NULL;
    }
    if (s->dir && asprintf(&s->image, "%s%s", s->dir, image_name) < 0) s->image = NULL;
    return s->image;
}

static void scratch_close(Scratch *s)
{
    if (s->image) unlink(s->image);
    if (s->dir) rmdir(s->dir);
    free(s->image);
    free(s->dir);
}

/* ---- The command ---- */

typedef struct Command { Options options; bool verbose, roundtrip; } Command;

/* One option; -1 to go on, else a status.  Moves *i over a value of its own. */
static int parse_option(Command *c, int argc, char **argv, int *i)
{
    char *arg = argv[*i];
    Options *options = &c->options;
    if (strcmp(arg, "-v") == 0) {
        c->verbose = true;
        return -1;
    }
    if (strcmp(arg, "--roundtrip") == 0) {
        c->roundtrip = true;
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

static int run_all(const Command *c, const char *image, int npaths, char **paths)
{
    WastTally tally = {0};
    WastOptions how = {.config = &c->options.config, .verbose = c->verbose, .image = image};
    for (int i = 0; i < npaths; i++) run_path(paths[i], &how, &tally);
    if (image) printf("%zu times through an image\n", tally.roundtrips);
    printf("%zu passed, %zu failed, %zu skipped\n", tally.passed, tally.failed, tally.skipped);
    return tally.failed ? STATUS_FAILED : STATUS_OK;
}

static int run(Command *c, int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        int status = parse_option(c, argc, argv, &i);
        if (status >= 0) return status;
    }
    if (i == argc) return error_usage("wast", "which FILE or DIR?");
    Scratch scratch = {0};
    int status = STATUS_FAILED;
    if (!c->roundtrip || scratch_open(&scratch))
        status = run_all(c, scratch.image, argc - i, argv + i);
    scratch_close(&scratch);
    return status;
}

int wast_main(int argc, char **argv)
{
    Command c = {.verbose = false};
    options_init(&c.options, "wast");
    int status = run(&c, argc, argv);
    options_free(&c.options);
    return status;
}
