/* What approvals cost a start, in this process: opening and restoring an installed image, with an engine
 * that asks the depot and with one that does not, in turn.
 *
 *   approval [--rounds N] DEPOT NAME
 *
 * The function NAME was installed with an image.  Three kinds of start: an image opened for the first
 * time in an engine; restored once more from the open image; taken from a pool.  Medians, and the median
 * of the differences of pairs.  Last, decisions with nothing in between. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fnvm.h"
#include "verifier/approval/depot.h"

static fnvm_depot *depot;
static DepotFunction function;

static void stop(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        fprintf(stderr, "approval: %s\n", fnvm_error_message(e));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- One way to start ---- */

typedef struct Way {           /* with or without approvals */
    fnvm_engine *engine;
    fnvm_image *image;
    fnvm_pool *pool;
} Way;

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    (void)env;
    fnvm_error *error = fnvm_wasi_new(wasi);
    if (!error) error = fnvm_linker_define_wasi(linker, *wasi);
    return error ? error : fnvm_linker_define_snapshot(linker, NULL, NULL);
}

static void restore(const Way *w, fnvm_image *image)
{
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *main;
    stop(fnvm_store_new(w->engine, &store));
    stop(fnvm_linker_new(store, &linker));
    stop(define(NULL, linker, &wasi));
    stop(fnvm_image_restore(image, linker, wasi, &main));
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
}

static void open_and_restore(Way *w)
{
    fnvm_image *image;
    stop(fnvm_image_open(w->engine, function.image, NULL, &image));
    restore(w, image);
    fnvm_image_release(image);
}

static void restore_again(Way *w) { restore(w, w->image); }

static void take(Way *w)
{
    fnvm_store *store;
    fnvm_instance *main;
    stop(fnvm_pool_take(w->pool, &store, &main));
    fnvm_pool_give(w->pool, store);
}

/* ---- Pairs ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *at, size_t n)
{
    qsort(at, n, sizeof *at, by_value);
    return at[n / 2];
}

static void compare(const char *name, void (*start)(Way *), Way ways[2], size_t rounds)
{
    double *times[3];
    for (int i = 0; i < 3; i++)
        if (!(times[i] = calloc(rounds, sizeof(double)))) exit(1);
    for (size_t r = 0; r < rounds; r++) {
        for (int k = 0; k < 2; k++) {
            const int way = (r + (size_t)k) % 2; /* each is first in every other round */
            double from = now();
            start(&ways[way]);
            times[way][r] = now() - from;
        }
        times[2][r] = times[1][r] - times[0][r];
    }
    double without = median(times[0], rounds), with = median(times[1], rounds);
    printf("%-34s without %9.2f us   with %9.2f us   difference %6.2f us\n", name, without, with,
           median(times[2], rounds));
    for (int i = 0; i < 3; i++) free(times[i]);
}

static void decide_alone(size_t rounds)
{
    struct stat st;
    uint64_t generation;
    if (stat(function.image, &st) != 0) exit(1);
    const Subject subject = {.what = "image", .file = function.image, .stat = &st};
    double *times = calloc(rounds, sizeof *times);
    if (!times) exit(1);
    for (size_t r = 0; r < rounds; r++) {
        double from = now();
        stop(depot_decide(depot, &subject, &generation));
        times[r] = now() - from;
    }
    printf("%-34s %.2f us\n", "a decision after another", median(times, rounds));
    free(times);
}

static void way_open(Way *w, bool approved, const char *dir)
{
    static char cache[4096]; /* where the depot has the records of its images */
    fnvm_config config;
    fnvm_config_default(&config);
    snprintf(cache, sizeof cache, "%s/cache", dir);
    config.code_cache = cache;
    if (approved) config.approvals = depot;
    if (function.policy) stop(fnvm_policy_load(function.policy, &config.policy));
    stop(fnvm_engine_new(&config, &w->engine));
    fnvm_policy_release(config.policy); /* the engine has it */
    stop(fnvm_image_open(w->engine, function.image, NULL, &w->image));
    const fnvm_pool_options options = {.ready = 1, .most = 1, .define = define};
    stop(fnvm_pool_new(w->image, &options, &w->pool));
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"rounds", required_argument, NULL, 'r'}, {0}};
    size_t rounds = 2001;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option != 'r') return 2;
        rounds = strtoul(optarg, NULL, 10);
    }
    if (argc - optind != 2 || rounds == 0) {
        fprintf(stderr, "usage: approval [--rounds N] DEPOT NAME\n");
        return 2;
    }
    stop(fnvm_depot_open(argv[optind], false, &depot));
    stop(depot_find(depot, argv[optind + 1], &function));
    if (!function.image) {
        fprintf(stderr, "approval: %s has no image\n", function.name);
        return 1;
    }
    Way ways[2];
    for (int i = 0; i < 2; i++) way_open(&ways[i], i == 1, argv[optind]);
    compare("image opened, instance restored", open_and_restore, ways, rounds);
    compare("instance of an open image", restore_again, ways, rounds);
    compare("instance taken from a pool", take, ways, rounds * 10);
    if (!function.policy) decide_alone(rounds * 10);
    for (int i = 0; i < 2; i++) {
        fnvm_pool_free(ways[i].pool);
        fnvm_image_release(ways[i].image);
        fnvm_engine_free(ways[i].engine);
    }
    depot_release(depot, &function);
    fnvm_depot_close(depot);
    return 0;
}
