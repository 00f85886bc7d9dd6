/* What restoring, taking from a pool and resetting cost in one process, beside what the same work
 * costs when it is done with bare system calls.
 *
 *   restore [--call NAME] [--cache DIR] [--dir HOST::GUEST]... [--instances N] [IMAGE...]
 *
 * Always measures a module of its own with 1 MiB of initialised memory, then each image.  For one
 * thread up to as many as there are processors, each with a pool of its own, as medians and 99th
 * percentiles:
 *
 *   restore    a new store from the image, a call of NAME in it, freeing it
 *   define     the part of that that goes into defining the host's functions: WASI's
 *   take       a store from the pool, and a call of NAME
 *   give back  that store: what the call alone has written
 *   reset      giving back a store in whose memory 10 scattered pages were written
 *
 * NAME is an export that takes nothing, returns nothing and does nothing.  Without one nothing is
 * called, and what is given back is as it was.  --instances: what N of them take. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fnvm.h"
#include "vm/image/pagemap.h"

enum {
    RUNS = 2000,              /* of each kind on each thread */
    WARM = 50,                /* runs before these */
    WRITTEN = 10,             /* pages that a request writes */
    PAGE = 4096,
    MAX_THREADS = 64,
    MAX_DIRS = 16,
    SAMPLE = 200              /* of many instances, how many are used */
};

static const char small[] =
    "(module (memory (export \"memory\") 16)\n"
    "  (func (export \"_initialize\") (local i32)\n"
    "    (loop $next\n"
    "      (i32.store (local.get 0) (i32.add (local.get 0) (i32.const 1)))\n"
    "      (local.set 0 (i32.add (local.get 0) (i32.const 4)))\n"
    "      (br_if $next (i32.lt_u (local.get 0) (i32.const 0x100000)))))\n"
    "  (func (export \"empty\")))\n";

/* ---- Times ---- */

typedef struct Samples { double *us; size_t n; } Samples;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double at_percent(Samples *s, size_t percent)
{
    qsort(s->us, s->n, sizeof *s->us, ascending);
    return s->n ? s->us[s->n * percent / 100] : 0;
}

/* ---- What is measured ---- */

typedef struct Options {
    const char *call, *cache;
    const char *dirs[MAX_DIRS]; size_t ndirs;
    size_t instances;
} Options;

typedef struct Subject {
    const char *name, *path;
    const char *call;         /* or NULL */
    bool needs_wasi;
    bool no_streams;          /* three descriptors per store would be more than a process may have */
    const Options *options;
    fnvm_engine *engine;
    fnvm_image *image;
} Subject;

static fnvm_error *add_dir(fnvm_wasi *wasi, const char *dir)
{
    const char *guest = strstr(dir, "::");
    char *host = guest ? strndup(dir, (size_t)(guest - dir)) : strdup(dir);
    if (!host) return fnvm_error_new(FNVM_E_MEMORY, "out of memory");
    fnvm_error *error = fnvm_wasi_preopen_dir(wasi, host, guest ? guest + 2 : dir,
                                              FNVM_DIR_READ_ONLY);
    free(host);
    return error;
}

/* Every store has the same standard input: nothing. */
static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    const Subject *s = env;
    if (!s->needs_wasi) return NULL;
    fnvm_error *error = fnvm_wasi_new(wasi);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 && !error) error = fnvm_error_new(FNVM_E_IO, "/dev/null: %s", strerror(errno));
    for (int i = 0; i < 3 && !error && !s->no_streams; i++) error = fnvm_wasi_stdio(*wasi, i, fd);
    if (fd >= 0) close(fd);
    for (size_t i = 0; i < s->options->ndirs && !error; i++)
        error = add_dir(*wasi, s->options->dirs[i]);
    if (!error) error = fnvm_linker_define_wasi(linker, *wasi);
    if (!error) error = fnvm_linker_define_snapshot(linker, NULL, NULL);
    return error;
}

static fnvm_error *call_empty(const Subject *s, fnvm_store *store, fnvm_instance *main)
{
    fnvm_extern func;
    if (!s->call) return NULL;
    if (!fnvm_instance_export(main, s->call, strlen(s->call), &func))
        return fnvm_error_new(FNVM_E_NOT_FOUND, "the image does not export `%s`", s->call);
    return fnvm_func_call(store, func, NULL, 0, NULL, 0);
}

static fnvm_error *new_pool(const Subject *s, size_t ready, fnvm_pool **out)
{
    const fnvm_pool_options o = {.ready = ready, .most = ready, .define = define,
                                 .env = (void *)(uintptr_t)s};
    return fnvm_pool_new(s->image, &o, out);
}

/* ---- A request, three ways ---- */

static fnvm_error *restore_once(const Subject *s, double *define_us)
{
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    fnvm_wasi *wasi = NULL;
    fnvm_instance *main;
    fnvm_error *error = fnvm_store_new(s->engine, &store);
    if (!error) error = fnvm_linker_new(store, &linker);
    const double start = now_us();
    if (!error) error = define((void *)(uintptr_t)s, linker, &wasi);
    *define_us = now_us() - start;
    if (!error) error = fnvm_image_restore(s->image, linker, wasi, &main);
    if (!error) error = call_empty(s, store, main);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
    return error;
}

/* *give: the part of the time that giving it back takes. */
static fnvm_error *take_once(const Subject *s, fnvm_pool *pool, double *give)
{
    fnvm_store *store;
    fnvm_instance *main;
    fnvm_error *error = fnvm_pool_take(pool, &store, &main);
    if (error) return error;
    error = call_empty(s, store, main);
    const double taken = now_us();
    fnvm_pool_give(pool, store);
    *give = now_us() - taken;
    return error;
}

static long faults_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static void write_pages(fnvm_store *store, fnvm_extern memory, uint64_t size)
{
    for (uint64_t i = 0; i < WRITTEN; i++) {
        const uint64_t at = size / PAGE * i / WRITTEN * PAGE;
        uint8_t byte;
        fnvm_memory_read(store, memory, at, &byte, 1);
        byte++;
        fnvm_memory_write(store, memory, at, &byte, 1);
    }
}

/* The memory that a guest of the image exports. */
static bool memory_of(fnvm_store *store, fnvm_instance *main, fnvm_extern *memory, uint64_t *size)
{
    if (!fnvm_instance_export(main, "memory", strlen("memory"), memory) ||
        memory->kind != FNVM_EXTERN_MEMORY)
        return false;
    *size = fnvm_memory_size(store, *memory);
    return *size >= (uint64_t)WRITTEN * PAGE;
}

/* Times the giving back, and counts the faults of the writes before. */
static fnvm_error *reset_once(fnvm_pool *pool, double *us, long *faults)
{
    fnvm_store *store;
    fnvm_instance *main;
    fnvm_extern memory;
    uint64_t size;
    fnvm_error *error = fnvm_pool_take(pool, &store, &main);
    if (error) return error;
    if (!memory_of(store, main, &memory, &size)) {
        fnvm_pool_give(pool, store);
        return fnvm_error_new(FNVM_E_NOT_FOUND, "the image exports no `memory` of %d pages",
                              WRITTEN);
    }
    const long before = faults_now();
    write_pages(store, memory, size);
    *faults += faults_now() - before;
    const double start = now_us();
    fnvm_pool_give(pool, store);
    *us = now_us() - start;
    return NULL;
}

/* ---- Threads ---- */

typedef struct Worker {
    const Subject *subject;
    pthread_barrier_t *start; /* all threads are in the same measurement */
    pthread_t thread;
    double restore[RUNS], define[RUNS], take[RUNS], give[RUNS], reset[RUNS];
    long faults;              /* of the writes, once all pages have been written before */
    fnvm_error *error;
} Worker;

static void measure_restores(Worker *w)
{
    for (size_t i = 0; i < RUNS && !w->error; i++) {
        const double start = now_us();
        w->error = restore_once(w->subject, &w->define[i]);
        w->restore[i] = now_us() - start;
    }
}

static void measure_takes(Worker *w, fnvm_pool *pool)
{
    for (size_t i = 0; i < RUNS && !w->error; i++) {
        const double start = now_us();
        w->error = take_once(w->subject, pool, &w->give[i]);
        w->take[i] = now_us() - start - w->give[i];
    }
}

static void measure_resets(Worker *w, fnvm_pool *pool)
{
    for (size_t i = 0; i < RUNS && !w->error; i++)
        w->error = reset_once(pool, &w->reset[i], &w->faults);
}

static void *work(void *env)
{
    Worker *w = env;
    fnvm_pool *pool = NULL;
    long ignored = 0;
    w->error = new_pool(w->subject, 1, &pool);
    for (size_t i = 0; i < WARM && !w->error; i++) {
        w->error = take_once(w->subject, pool, &w->give[0]);
        if (!w->error) w->error = reset_once(pool, &w->reset[0], &ignored);
    }
    pthread_barrier_wait(w->start);
    measure_restores(w);
    pthread_barrier_wait(w->start);
    measure_takes(w, pool);
    pthread_barrier_wait(w->start);
    measure_resets(w, pool);
    fnvm_pool_free(pool);
    return NULL;
}

/* All threads' samples of one kind, which begin `offset` bytes into a Worker. */
static Samples gather(const Worker *workers, size_t n, size_t offset)
{
    Samples s = {malloc(n * RUNS * sizeof(double)), 0};
    for (size_t i = 0; i < n && s.us; i++, s.n += RUNS)
        memcpy(s.us + s.n, (const char *)&workers[i] + offset, RUNS * sizeof(double));
    return s;
}

static double print_row(const char *what, size_t threads, Samples s)
{
    const double median = at_percent(&s, 50);
    printf("  %-9s %3zu thread%s %9.2f us median %9.2f us p99\n", what, threads,
           threads > 1 ? "s" : " ", median, at_percent(&s, 99));
    free(s.us);
    return median;
}

typedef struct Medians { double restore, take, reset; } Medians;

static fnvm_error *run_workers(const Subject *s, Worker *workers, size_t n)
{
    pthread_barrier_t start;
    fnvm_error *error = NULL;
    pthread_barrier_init(&start, NULL, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        workers[i] = (Worker){.subject = s, .start = &start};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            fprintf(stderr, "Error: cannot make %zu threads\n", n);
            exit(1);
        }
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        if (error) fnvm_error_free(workers[i].error);
        else error = workers[i].error;
    }
    pthread_barrier_destroy(&start);
    return error;
}

static fnvm_error *measure_threads(const Subject *s, size_t n, Medians *out)
{
    Worker *workers = calloc(n, sizeof *workers);
    if (!workers) return fnvm_error_new(FNVM_E_MEMORY, "out of memory");
    fnvm_error *error = run_workers(s, workers, n);
    if (!error) {
        long faults = 0;
        for (size_t i = 0; i < n; i++) faults += workers[i].faults;
        out->restore = print_row("restore", n, gather(workers, n, offsetof(Worker, restore)));
        if (s->needs_wasi)
            print_row("define", n, gather(workers, n, offsetof(Worker, define)));
        out->take = print_row("take", n, gather(workers, n, offsetof(Worker, take)));
        print_row("give back", n, gather(workers, n, offsetof(Worker, give)));
        out->reset = print_row("reset", n, gather(workers, n, offsetof(Worker, reset)));
        printf("            page faults in %zu requests that write the same %d pages: %ld\n",
               n * RUNS, WRITTEN, faults);
    }
    free(workers);
    return error;
}

/* ---- Floors: the same with bare system calls ---- */

static void touch_pages(uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < WRITTEN; i++) {
        volatile uint8_t *byte = memory + size / PAGE * i / WRITTEN * PAGE;
        *byte = (uint8_t)(*byte + 1);
    }
}

typedef struct Floors { double map, fault, scan, copy; } Floors;

typedef struct Raw {          /* a file mapped for reading, and privately */
    int fd, pagemap;
    size_t size;
    const uint8_t *file;
    uint8_t *copy;
} Raw;

static uint8_t *map_privately(const Raw *r)
{
    void *at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, r->fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool raw_open(Raw *r, const char *path)
{
    struct stat st;
    *r = (Raw){.fd = open(path, O_RDONLY | O_CLOEXEC), .pagemap = pagemap_open()};
    if (r->fd < 0 || fstat(r->fd, &st) != 0 || st.st_size < WRITTEN * PAGE) return false;
    r->size = (size_t)st.st_size / PAGE * PAGE;
    void *file = mmap(NULL, r->size, PROT_READ, MAP_SHARED | MAP_POPULATE, r->fd, 0);
    r->file = file == MAP_FAILED ? NULL : file;
    r->copy = map_privately(r);
    return r->file && r->copy;
}

static void raw_close(Raw *r)
{
    if (r->file) munmap((void *)(uintptr_t)r->file, r->size);
    if (r->copy) munmap(r->copy, r->size);
    pagemap_close(r->pagemap);
    if (r->fd >= 0) close(r->fd);
}

static void raw_map(const Raw *r)
{
    uint8_t *at = map_privately(r);
    if (!at) return;
    touch_pages(at, r->size);
    munmap(at, r->size);
}

/* The first write to every page. */
static void raw_fault(const Raw *r)
{
    for (size_t at = 0; at < r->size; at += PAGE) *(volatile uint8_t *)(r->copy + at) = 1;
}

static bool count_run(void *env, uintptr_t from, uintptr_t to)
{
    *(size_t *)env += (to - from) / PAGE;
    return true;
}

static void raw_scan(const Raw *r)
{
    size_t pages = 0;
    const uintptr_t from = (uintptr_t)r->copy;
    pagemap_each(r->pagemap, from, from + r->size, PAGEMAP_WRITTEN, count_run, &pages);
}

static void raw_copy(const Raw *r)
{
    for (size_t i = 0; i < WRITTEN; i++) {
        const size_t at = r->size / PAGE * i / WRITTEN * PAGE;
        memcpy(r->copy + at, r->file + at, PAGE);
    }
}

static double median_of(const Raw *r, void (*step)(const Raw *), bool drop_first)
{
    static double us[RUNS];
    Samples s = {us, drop_first ? 20 : RUNS};
    for (size_t i = 0; i < s.n; i++) {
        if (drop_first) madvise(r->copy, r->size, MADV_DONTNEED);
        const double start = now_us();
        step(r);
        us[i] = now_us() - start;
    }
    return at_percent(&s, 50);
}

static bool measure_floors(const char *path, Floors *out)
{
    Raw r;
    const bool ok = raw_open(&r, path);
    if (ok) {
        out->map = median_of(&r, raw_map, false);
        out->fault = median_of(&r, raw_fault, true) / (double)(r.size / PAGE);
        madvise(r.copy, r.size, MADV_DONTNEED);
        touch_pages(r.copy, r.size);
        out->scan = r.pagemap >= 0 ? median_of(&r, raw_scan, false) : 0;
        out->copy = median_of(&r, raw_copy, false);
    }
    raw_close(&r);
    return ok;
}

static void print_floors(const char *path, const Medians *m)
{
    Floors f;
    if (!measure_floors(path, &f)) {
        printf("  floors not measured: the file cannot be mapped\n");
        return;
    }
    printf("  with bare system calls, 1 thread:\n");
    printf("    map the file, write %d pages, unmap %9.2f us; restore is %.1f times that\n",
           WRITTEN, f.map, m->restore / f.map);
    printf("    first write to a page              %9.2f us\n", f.fault);
    printf("    find %2d written pages              %9.2f us\n", WRITTEN, f.scan);
    printf("    copy %2d pages                      %9.2f us; reset is %.1f times both\n", WRITTEN,
           f.copy, m->reset / (f.scan + f.copy));
}

/* ---- Many instances ---- */

typedef struct Footprint { double private, page_tables, available; size_t mappings; } Footprint;

/* Sums the lines "NAME: number kB" of a file in /proc. */
static double proc_kib(const char *path, const char *name)
{
    double sum = 0;
    char line[256];
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) == 0) sum += strtod(line + strlen(name), NULL);
    }
    if (f) fclose(f);
    return sum;
}

static size_t count_lines(const char *path)
{
    size_t n = 0;
    FILE *f = fopen(path, "re");
    for (int c; f && (c = getc(f)) != EOF;) n += c == '\n';
    if (f) fclose(f);
    return n;
}

static Footprint footprint(void)
{
    return (Footprint){.private = proc_kib("/proc/self/smaps_rollup", "Private_Dirty:") +
                                  proc_kib("/proc/self/smaps_rollup", "Private_Clean:"),
                       .page_tables = proc_kib("/proc/self/status", "VmPTE:"),
                       .available = proc_kib("/proc/meminfo", "MemAvailable:"),
                       .mappings = count_lines("/proc/self/maps")};
}

static void print_footprint(size_t n, const Footprint *a, const Footprint *b)
{
    const double per = 1 / (double)n;
    printf("    mappings             %zu, %.1f each\n", b->mappings,
           (double)(b->mappings - a->mappings) * per);
    printf("    private memory       %.1f KiB each\n", (b->private - a->private) * per);
    printf("    page tables          %.1f KiB each\n", (b->page_tables - a->page_tables) * per);
    printf("    less available       %.1f KiB each\n", (a->available - b->available) * per);
}

static fnvm_error *measure_instances(Subject *s, size_t n)
{
    s->no_streams = true;
    const Footprint before = footprint();
    fnvm_pool *pool;
    const double start = now_us();
    fnvm_error *error = new_pool(s, n, &pool);
    if (error) return error;
    const double made = now_us() - start;
    const Footprint after = footprint();
    printf("  %zu instances in %.1f ms, %.2f us each\n", n, made / 1e3, made / (double)n);
    print_footprint(n, &before, &after);

    static double us[SAMPLE];
    Samples samples = {us, n < SAMPLE ? n : SAMPLE};
    fnvm_store *taken[SAMPLE];
    fnvm_instance *main;
    for (size_t i = 0; i < samples.n && !error; i++) { /* each another one */
        const double from = now_us();
        error = fnvm_pool_take(pool, &taken[i], &main);
        if (!error) error = call_empty(s, taken[i], main);
        us[i] = now_us() - from;
    }
    for (size_t i = 0; i < samples.n && !error; i++) {
        const double from = now_us();
        fnvm_pool_give(pool, taken[i]);
        us[i] += now_us() - from;
    }
    if (!error) printf("    first take           %.2f us median\n", at_percent(&samples, 50));
    fnvm_pool_free(pool);
    return error;
}

/* ---- Images ---- */

static fnvm_error *measure_image(Subject *s)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t most = processors < 1 ? 1 : processors > MAX_THREADS ? MAX_THREADS
                                                                      : (size_t)processors;
    Medians first = {0}, more;
    fnvm_error *error = fnvm_image_open(s->engine, s->path, NULL, &s->image);
    if (error) return error;
    printf("%s; %s%s\n", s->name, s->call ? "calls " : "nothing is called", s->call ? s->call : "");
    for (size_t n = 1; n <= most && !error; n++)
        error = measure_threads(s, n, n == 1 ? &first : &more);
    if (!error) print_floors(s->path, &first);
    if (!error && s->options->instances) error = measure_instances(s, s->options->instances);
    fnvm_image_release(s->image);
    return error;
}

static fnvm_error *freeze_small(fnvm_engine *engine, const char *path)
{
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    fnvm_module *module = NULL;
    fnvm_instance *main;
    fnvm_extern init;
    fnvm_error *error = fnvm_store_new(engine, &store);
    if (!error) error = fnvm_linker_new(store, &linker);
    if (!error) error = fnvm_module_new(engine, small, strlen(small), &module);
    if (!error) error = fnvm_linker_instantiate(linker, module, &main);
    if (!error && fnvm_instance_export(main, "_initialize", strlen("_initialize"), &init))
        error = fnvm_func_call(store, init, NULL, 0, NULL, 0);
    const fnvm_freeze freeze = {.path = path, .main = error ? NULL : main, .linker = linker};
    if (!error) error = fnvm_store_freeze(store, &freeze);
    fnvm_module_release(module);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    return error;
}

static fnvm_error *measure_small(fnvm_engine *engine, const Options *o)
{
    char path[] = "/tmp/fnvm-bench-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return fnvm_error_new(FNVM_E_IO, "%s: %s", path, strerror(errno));
    close(fd);
    Subject s = {.name = "1 MiB of memory", .path = path, .call = "empty", .options = o,
                 .engine = engine};
    fnvm_error *error = freeze_small(engine, path);
    if (!error) error = measure_image(&s);
    unlink(path);
    return error;
}

static bool read_options(Options *o, int argc, char **argv)
{
    static const struct option names[] = {{"call", required_argument, NULL, 'f'},
                                          {"cache", required_argument, NULL, 'c'},
                                          {"dir", required_argument, NULL, 'd'},
                                          {"instances", required_argument, NULL, 'n'},
                                          {0}};
    *o = (Options){0};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'f') o->call = optarg;
        else if (c == 'c') o->cache = optarg;
        else if (c == 'd' && o->ndirs < MAX_DIRS) o->dirs[o->ndirs++] = optarg;
        else if (c == 'n') o->instances = strtoul(optarg, NULL, 10);
        else return false;
    }
    return true;
}

/* Each instance has descriptors of its own. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    Options o;
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr, "usage: restore [--call NAME] [--cache DIR] [--dir HOST::GUEST]... "
                        "[--instances N] [IMAGE...]\n");
        return 2;
    }
    allow_descriptors();
    fnvm_config config;
    fnvm_config_default(&config);
    config.code_cache = o.cache;
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) error = measure_small(engine, &o);
    for (int i = optind; i < argc && !error; i++) {
        Subject s = {.name = argv[i], .path = argv[i], .call = o.call, .needs_wasi = true,
                     .options = &o, .engine = engine};
        error = measure_image(&s);
    }
    if (error) {
        fprintf(stderr, "Error: %s\n", fnvm_error_message(error));
        return 1;
    }
    fnvm_engine_free(engine);
    return 0;
}
