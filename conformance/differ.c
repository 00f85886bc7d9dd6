/* Differential test of the engines: random modules run under the interpreter and the compiler, and
 * whatever the guest or the host can see of them is compared.
 *
 *   differ --seed S --count N [--size N] [--save DIR]   N generated modules
 *   differ --rows                                       every instruction in all its surroundings
 *   differ FILE.wasm...                                 given modules
 *
 * Ends with "N passed, N failed, N skipped"; 1 is its status if anything failed.  What failed is
 * written to DIR.  See usage() for the rest. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/generate/compare.h"
#include "conformance/generate/generate.h"
#include "conformance/generate/minimize.h"

typedef struct Options {
    uint64_t seed, count, stack;
    uint32_t size;
    const char *save;
    bool rows, coverage, minimize, without_frames;
    char **files;
    uint64_t nfiles;
} Options;

enum { TRAPS = FNVM_TRAP_HOST + 1, APART_MS = COMPARE_SECONDS * 1000 };

typedef struct Tally { /* in memory that processes share */
    uint64_t next;     /* the item to be run */
    uint64_t passed, failed, cut, skipped, bytes, ncalls;
    uint64_t nfailed[TRAPS]; /* calls, by trap */
    uint64_t coverage[OP_COUNT];
} Tally;

static int usage(void)
{
    fprintf(stderr, "usage: differ [options] [FILE.wasm...]\n"
                    "  --seed S        the first seed, 1 if not given\n"
                    "  --count N       as many generated modules\n"
                    "  --size N        instructions of a function, roughly\n"
                    "  --stack BYTES   of a guest: with few, calls run out of it\n"
                    "  --rows          every numeric instruction in all its surroundings\n"
                    "  --save DIR      write what differs to DIR\n"
                    "  --minimize      and a smaller module that still differs, with its listing\n"
                    "  --coverage      say which instructions were generated, and how calls ended\n"
                    "  --no-frames     do not compare the frames of traps\n");
    return 2;
}

/* ---- Files ---- */

static void write_file(const char *dir, const char *name, const Bytes *bytes)
{
    char path[1024];
    if (!dir) return;
    snprintf(path, sizeof path, "%s/%s.wasm", dir, name);
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(bytes->at, 1, bytes->len, file) == bytes->len;
    if (file && fclose(file) != 0) written = false;
    if (written) printf("  saved as %s\n", path);
    else printf("  %s: %s\n", path, strerror(errno));
}

static bool read_file(const char *path, Bytes *out)
{
    uint8_t block[65536];
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;) bytes_raw(out, block, n);
    bool good = !ferror(file) && !out->failed;
    fclose(file);
    return good;
}

/* ---- What there is to run ---- */

/* Rows first, then seeds, then files, numbered through. */
typedef struct Item {
    char name[128];
    Bytes bytes;
    CompareOptions how;
    bool generated; /* so that it has to be valid */
} Item;

static void make_seed(Item *item, const Options *o, uint64_t i, uint64_t *coverage)
{
    item->how.seed = o->seed + i;
    item->how.calls = 3;
    item->generated = true;
    snprintf(item->name, sizeof item->name, "seed-%" PRIu64, item->how.seed);
    generate_module(item->how.seed, o->size, &item->bytes, coverage);
}

static void make_row(Item *item, Op op)
{
    item->how.seed = 1;
    item->how.lanes = generate_row_lanes(op);
    item->how.all_edges = true;
    item->generated = true;
    snprintf(item->name, sizeof item->name, "row-%s", instructions[op].text);
    if (generate_has_row(op)) generate_row(op, &item->bytes);
}

static void make_file(Item *item, const Options *o, const char *path)
{
    const char *slash = strrchr(path, '/');
    item->how.seed = o->seed * 2;
    item->how.calls = 4;
    snprintf(item->name, sizeof item->name, "%.100s", slash ? slash + 1 : path);
    if (!read_file(path, &item->bytes)) item->bytes.failed = true;
}

static uint64_t item_count(const Options *o)
{
    return (o->rows ? OP_COUNT : 0) + o->count + o->nfiles;
}

static void make_item(Item *item, const Options *o, uint64_t i, uint64_t *coverage)
{
    uint64_t rows = o->rows ? OP_COUNT : 0;
    bytes_clear(&item->bytes);
    item->how = (CompareOptions){.without_frames = o->without_frames, .stack_bytes = o->stack};
    item->generated = false;
    if (i < rows) make_row(item, (Op)i);
    else if (i < rows + o->count) make_seed(item, o, i - rows, coverage);
    else make_file(item, o, o->files[i - rows - o->count]);
}

/* ---- Findings ---- */

static void show_minimized(const Item *item, Verdict verdict, const Options *o)
{
    Bytes small = {0};
    char name[160];
    CompareOptions how = item->how;
    minimize(&item->bytes, verdict, &how, &small);
    how.out = stdout;
    if (!small.failed) {
        snprintf(name, sizeof name, "%s.small", item->name);
        printf("  minimized from %zu to %zu bytes:\n", item->bytes.len, small.len);
        compare_apart(small.at, small.len, &how, APART_MS);
        print_listing(stdout, small.at, small.len);
        write_file(o->save, name, &small);
    }
    bytes_free(&small);
}

/* Runs it again to have it described. */
static void show(const Item *item, Verdict verdict, const Options *o)
{
    static const char *const texts[] = {[DIFFERENT] = "a difference",
                                        [INVALID] = "not a valid module",
                                        [CRASHED] = "a crash",
                                        [HUNG] = "no end"};
    CompareOptions how = item->how;
    alarm(0);
    printf("%s: %s\n", item->name, item->bytes.failed ? "cannot be had" : texts[verdict]);
    if (item->bytes.failed) return;
    how.out = stdout;
    how.ncalls = how.nfailed = NULL;
    if (compare_apart(item->bytes.at, item->bytes.len, &how, APART_MS) != verdict)
        printf("  but not when run alone\n");
    write_file(o->save, item->name, &item->bytes);
    if (o->minimize && (verdict == DIFFERENT || verdict == CRASHED))
        show_minimized(item, verdict, o);
    fflush(stdout);
}

/* ---- Running ---- */

static void run_item(Engines *engines, Item *item, const Options *o, Tally *tally)
{
    if (item->bytes.len == 0 && !item->bytes.failed) return; /* no row */
    item->how.ncalls = &tally->ncalls;
    item->how.nfailed = tally->nfailed;
    tally->bytes += item->bytes.len;
    Verdict verdict = INVALID;
    if (!item->bytes.failed)
        verdict = compare_module(engines, item->bytes.at, item->bytes.len, &item->how);
    bool bad =
        verdict == DIFFERENT || (verdict == INVALID && (item->generated || item->bytes.failed));
    if (verdict == CUT) tally->cut++;
    if (verdict == SAME || verdict == CUT) tally->passed++;
    else if (bad) tally->failed++;
    else tally->skipped++;
    if (bad) show(item, verdict, o);
}

/* From item tally->next on, in a process that may die of it. */
static void run_items(const Options *o, Tally *tally)
{
    Item item = {.generated = true};
    Engines engines = {0};
    for (uint64_t n = item_count(o); tally->next < n; tally->next++) {
        make_item(&item, o, tally->next, tally->coverage);
        alarm(COMPARE_SECONDS);
        run_item(&engines, &item, o, tally);
    }
    engines_free(&engines);
    bytes_free(&item.bytes);
}

static void report_death(const Options *o, Tally *tally, Verdict verdict)
{
    Item item = {.generated = true};
    make_item(&item, o, tally->next, tally->coverage);
    tally->failed++;
    show(&item, verdict, o);
    bytes_free(&item.bytes);
    tally->next++;
}

/* False if processes cannot be had. */
static bool run_all(const Options *o, Tally *tally)
{
    uint64_t n = item_count(o);
    while (tally->next < n) {
        int status = 0;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            run_items(o, tally);
            exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            fprintf(stderr, "differ: %s\n", strerror(errno));
            return false;
        }
        bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
        if (status != 0 && tally->next < n) report_death(o, tally, hung ? HUNG : CRASHED);
        else if (status != 0) return false; /* at its end: leaks, say */
    }
    return true;
}

static void print_coverage(const Tally *tally)
{
    unsigned missing = 0;
    printf("never generated:");
    for (unsigned i = 0; i < OP_COUNT; i++)
        if (tally->coverage[i] == 0) printf(" %s", instructions[i].text), missing++;
    printf("%s\n%u of %u instructions generated\n", missing ? "" : " none", OP_COUNT - missing,
           (unsigned)OP_COUNT);
    for (unsigned i = 0; i < TRAPS; i++)
        if (tally->nfailed[i])
            printf("%10" PRIu64 " calls: %s\n", tally->nfailed[i],
                   i ? fnvm_trap_text((fnvm_trap)i) : "exception");
}

/* Options first, files after them; the index of the first file, or 0 if they are wrong. */
static int parse(int argc, char **argv, Options *o)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2;
        const struct {
            const char *name;
            bool *flag;
        } flags[] = {{"rows", &o->rows},
                     {"coverage", &o->coverage},
                     {"minimize", &o->minimize},
                     {"no-frames", &o->without_frames}};
        bool known = false;
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            if (strcmp(name, flags[k].name) == 0) *flags[k].flag = known = true;
        if (known) continue;
        if (++i == argc) return 0;
        if (strcmp(name, "seed") == 0) o->seed = strtoull(argv[i], NULL, 0);
        else if (strcmp(name, "count") == 0) o->count = strtoull(argv[i], NULL, 0);
        else if (strcmp(name, "stack") == 0) o->stack = strtoull(argv[i], NULL, 0);
        else if (strcmp(name, "size") == 0) o->size = (uint32_t)strtoul(argv[i], NULL, 0);
        else if (strcmp(name, "save") == 0) o->save = argv[i];
        else return 0;
    }
    return o->rows || o->count || i < argc ? i : 0;
}

int main(int argc, char **argv)
{
    Options o = {.seed = 1, .size = GENERATE_SIZE};
    int first = parse(argc, argv, &o);
    if (!first) return usage();
    o.files = argv + first;
    o.nfiles = (uint64_t)(argc - first);
    Tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED) {
        fprintf(stderr, "differ: %s\n", strerror(errno));
        return 1;
    }
    bool ran = run_all(&o, tally);
    if (o.coverage) print_coverage(tally);
    uint64_t modules = tally->passed + tally->failed + tally->skipped;
    printf("%" PRIu64 " bytes a module, %" PRIu64 " calls; %" PRIu64
           " modules ran out of stack or heap\n",
           modules ? tally->bytes / modules : 0, tally->ncalls, tally->cut);
    printf("%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped\n", tally->passed,
           tally->failed + !ran, tally->skipped);
    return tally->failed || !ran ? 1 : 0;
}
