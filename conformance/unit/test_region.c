/* Regions that come from a file: what is mapped is what the file has; a reset finds every page that
 * was written, whoever wrote it and wherever it is now; few mappings; nonsense is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vm/image/pagemap.h"
#include "vm/region_layout.h"
#include "vm/tunables.h"

enum { STACK_PAGES = 3, SOURCE_STRETCHES = 16, MEMORIES = 2, TABLES = 2 };

/* One table and one memory, as compilers make them; and all that can grow. */
static const char plain[] =
    "(module (table 5000 5000 funcref) (memory 40 100) (global (mut i64) (i64.const 7)))";
static const char growing[] =
    "(module (table 10 100000 funcref) (table 20000 externref) (memory 3) (memory 5 10)\n"
    "  (global (mut i32) (i32.const 3)))";
static const char bare[] = "(module (memory 0))";

typedef struct World {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_module *module;
    RegionLimits limits;
    Instance *original;       /* what the file was written from */
    int fd, pagemap;
    size_t file_size;
    RegionSource source;
    ImageStretch stretches[SOURCE_STRETCHES];
    ImageMemory memories[MEMORIES];
    ImageTable tables[TABLES];
} World;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A few words in about every `one_in`th page of a part. */
static void scribble(uint8_t *at, size_t size, uint64_t *random, uint64_t one_in)
{
    for (size_t page = 0; page + IMAGE_PAGE <= size; page += IMAGE_PAGE) {
        if (next_random(random) % one_in) continue;
        for (int i = 0; i < 5; i++) {
            uint64_t value = next_random(random);
            memcpy(at + page + value % (IMAGE_PAGE / 8) * 8, &value, sizeof value);
        }
    }
}

static void scribble_all(const Instance *inst, uint64_t *random, uint64_t one_in)
{
    const Module *m = inst->module;
    inst->globals[0].i64 = next_random(random);
    for (uint32_t i = 0; i < m->ntables; i++)
        scribble((uint8_t *)inst->tables[i].elems, inst->tables[i].state->size * 8, random, one_in);
    scribble(inst->stack_base, inst->context->stack.size, random, one_in);
    for (uint32_t i = 0; i < m->nmemories; i++)
        scribble(inst->memories[i].base, inst->memories[i].state->size, random, one_in);
}

/* ---- A file with a region in it ---- */

static void add_stretch(World *w, uint64_t at, uint64_t size)
{
    ImageStretch *s = &w->stretches[w->source.nstretches++];
    assert_true(w->source.nstretches <= SOURCE_STRETCHES);
    *s = (ImageStretch){at, w->file_size, size};
    w->file_size += size;
    assert_int_equal(pwrite(w->fd, region_base(w->original) + at, size, (off_t)s->offset), size);
}

/* Of the range with the stack, the first pages of that; of memories all, or every third page. */
static void write_range(World *w, RegionRange range, bool sparse)
{
    const uint64_t stack = (uint64_t)(w->original->stack_base - region_base(w->original));
    uint64_t end = range.at + range.size;
    if (range.at <= stack && stack < end) end = stack + STACK_PAGES * IMAGE_PAGE;
    if (range.at <= stack || !sparse) {
        add_stretch(w, range.at, end - range.at);
        return;
    }
    for (uint64_t at = range.at; at < end && at < range.at + 12 * IMAGE_PAGE; at += 3 * IMAGE_PAGE)
        add_stretch(w, at, IMAGE_PAGE);
}

static void write_file(World *w, bool sparse)
{
    const Module *m = w->module;
    w->fd = memfd_create("region", MFD_CLOEXEC);
    assert_true(w->fd >= 0);
    w->file_size = IMAGE_PAGE;
    const uint32_t n = region_nranges(w->original);
    RegionRange *ranges = calloc(n, sizeof *ranges);
    region_ranges(w->original, ranges);
    for (uint32_t i = 0; i < n; i++) write_range(w, ranges[i], sparse);
    free(ranges);
    for (uint32_t i = 0; i < m->nmemories; i++)
        w->memories[i].size = w->original->memories[i].state->size;
    for (uint32_t i = 0; i < m->ntables; i++)
        w->tables[i].size = w->original->tables[i].state->size;
    const void *map = mmap(NULL, w->file_size, PROT_READ, MAP_SHARED, w->fd, 0);
    assert_true(map != MAP_FAILED);
    w->source.fd = w->fd;
    w->source.map = map;
    w->source.stretches = w->stretches;
    w->source.memories = w->memories;
    w->source.tables = w->tables;
    w->source.region_size = w->original->region_size;
}

static void world_open(World *w, const char *text, bool sparse)
{
    *w = (World){0};
    assert_null(fnvm_engine_new(NULL, &w->engine));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_module_new(w->engine, text, strlen(text), &w->module));
    w->limits = region_limits(&w->engine->config);
    w->pagemap = pagemap_open();
    assert_null(region_create(w->store, w->module, &w->limits, &w->original));
    if (w->module->nglobals) {
        uint64_t random = 88172645463325252;
        scribble_all(w->original, &random, 2);
    }
    /* What the stretches leave out is zero in the file. */
    uint8_t *stack = w->original->stack_base;
    memset(stack + STACK_PAGES * IMAGE_PAGE, 0,
           w->original->context->stack.size - STACK_PAGES * IMAGE_PAGE);
    write_file(w, sparse);
}

static void world_close(World *w)
{
    munmap((void *)(uintptr_t)w->source.map, w->file_size);
    close(w->fd);
    pagemap_close(w->pagemap);
    region_destroy(w->original);
    fnvm_module_release(w->module);
    fnvm_store_free(w->store);
    fnvm_engine_free(w->engine);
}

static Instance *map_region(World *w)
{
    Instance *inst;
    fnvm_error *error = region_map(w->store, w->module, &w->limits, &w->source, &inst);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return inst;
}

/* ---- Looking at regions ---- */

/* What the source has of a page, or zeros. */
static const uint8_t *page_of(const World *w, uint64_t at)
{
    static const uint8_t zeros[IMAGE_PAGE];
    for (uint32_t i = 0; i < w->source.nstretches; i++) {
        const ImageStretch *s = &w->stretches[i];
        if (at >= s->at && at - s->at < s->size) return w->source.map + s->offset + (at - s->at);
    }
    return zeros;
}

static bool range_as_mapped(void *env, RegionRange range)
{
    void *const *both = env;
    const uint8_t *region = both[1];
    for (uint64_t at = range.at; at < range.at + range.size; at += IMAGE_PAGE)
        if (memcmp(region + at, page_of(both[0], at), IMAGE_PAGE) != 0) return false;
    return true;
}

static void is_as_mapped(World *w, const Instance *inst)
{
    void *both[] = {w, region_base(inst)};
    assert_true(region_each_range(inst, range_as_mapped, both));
    for (uint32_t i = 0; i < w->module->nmemories; i++)
        assert_int_equal(inst->memories[i].state->size, w->memories[i].size);
    for (uint32_t i = 0; i < w->module->ntables; i++)
        assert_int_equal(inst->tables[i].state->size, w->tables[i].size);
    assert_int_equal(inst->context->stack.frames, inst->context->stack.size);
}

static size_t count_mappings(const Instance *inst)
{
    const uintptr_t start = (uintptr_t)region_base(inst), end = start + inst->region_size;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    size_t n = 0;
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        assert_int_equal(sscanf(line, "%lx-%lx", &from, &to), 2);
        if (from < end && to > start) n++;
    }
    fclose(maps);
    return n;
}

static bool is_readable(const uint8_t *at)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)at, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static void reset(World *w, Instance *inst, int pagemap)
{
    assert_true(region_reset(inst, &w->source, pagemap, false));
    is_as_mapped(w, inst);
}

/* ---- Mapping ---- */

static void a_mapped_region_has_what_the_file_has(void **state)
{
    (void)state;
    static const char *const texts[] = {plain, growing, bare};
    for (size_t i = 0; i < 6; i++) {
        World w;
        world_open(&w, texts[i / 2], i % 2);
        Instance *inst = map_region(&w);
        is_as_mapped(&w, inst);
        assert_ptr_equal(inst->module, w.module);
        assert_ptr_equal(inst->store, w.store);
        assert_ptr_equal(inst->memories[0].owner, inst);
        assert_int_equal(inst->region_size, w.original->region_size);
        region_destroy(inst);
        world_close(&w);
    }
}

static void instances_do_not_see_each_other(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    Instance *a = map_region(&w), *b = map_region(&w);
    uint64_t random = 1;
    scribble_all(a, &random, 1);
    is_as_mapped(&w, b);
    Instance *c = map_region(&w);
    is_as_mapped(&w, c);
    region_destroy(a);
    region_destroy(b);
    region_destroy(c);
    world_close(&w);
}

static void a_region_is_six_mappings(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    Instance *inst = map_region(&w);
    assert_true(count_mappings(inst) <= 6);
    uint64_t random = 5;
    scribble_all(inst, &random, 1);
    assert_true(region_set_polls(inst, false));
    assert_true(region_set_polls(inst, true));
    reset(&w, inst, w.pagemap);
    assert_true(count_mappings(inst) <= 6);
    region_destroy(inst);
    world_close(&w);
}

static void refused(World *w, fnvm_code code)
{
    Instance *inst;
    fnvm_error *error = region_map(w->store, w->module, &w->limits, &w->source, &inst);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

/* Maps with one number of one stretch being another. */
static void refused_with(World *w, uint64_t *number, uint64_t value)
{
    const uint64_t before = *number;
    *number = value;
    refused(w, FNVM_E_MALFORMED);
    *number = before;
}

static void stretches_outside_of_what_a_guest_changes_are_refused(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    assert_int_equal(w.source.nstretches, 2);
    ImageStretch *first = &w.stretches[0], *last = &w.stretches[1];
    const uint64_t host_part = first->at - IMAGE_PAGE;
    refused_with(&w, &first->at, 0);                 /* the poll page */
    refused_with(&w, &first->at, host_part);
    refused_with(&w, &first->at, first->at + 8);
    refused_with(&w, &first->at, UINT64_MAX - IMAGE_PAGE + 1);
    refused_with(&w, &first->offset, IMAGE_PAGE + 8);
    refused_with(&w, &first->offset, UINT64_C(1) << 63);
    refused_with(&w, &first->size, 0);
    refused_with(&w, &first->size, IMAGE_PAGE + 8);
    refused_with(&w, &first->size, last->at - first->at); /* the guard behind the stack */
    refused_with(&w, &first->size, UINT64_MAX - IMAGE_PAGE + 1);
    refused_with(&w, &last->at, last->at - IMAGE_PAGE);
    refused_with(&w, &last->at, last->at + IMAGE_PAGE);
    refused_with(&w, &last->at, first->at);          /* overlapping, descending */
    refused_with(&w, &last->at, w.source.region_size);
    refused_with(&w, &last->size, last->size + IMAGE_PAGE);
    is_as_mapped(&w, w.original);
    world_close(&w);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    refused_with(&w, &w.memories[0].size, (UINT64_C(100) << 16) + 1);
    refused_with(&w, &w.memories[0].size, UINT64_MAX);
    refused_with(&w, &w.tables[0].size, 5001);
    refused_with(&w, &w.tables[0].size, UINT64_MAX);
    w.source.region_size += IMAGE_PAGE;
    refused(&w, FNVM_E_INVALID);
    w.source.region_size -= IMAGE_PAGE;
    w.limits.max_stack_bytes *= 2;
    refused(&w, FNVM_E_INVALID);
    w.limits.max_stack_bytes = UINT64_MAX;
    refused(&w, FNVM_E_LIMIT);
    world_close(&w);
}

/* ---- Reset ---- */

/* Few pages are copied, many dropped; without a pagemap all are. */
static void a_reset_undoes_every_write(void **state)
{
    (void)state;
    static const char *const texts[] = {plain, growing};
    for (size_t i = 0; i < 4; i++) {
        World w;
        world_open(&w, texts[i / 2], i % 2);
        Instance *inst = map_region(&w);
        uint64_t random = 4711 + i;
        for (int round = 0; round < 12; round++) {
            static const uint64_t one_in[] = {100, 7, 1};
            scribble_all(inst, &random, one_in[round % 3]);
            inst->context->stack.top = 12;
            inst->context->stack.frames = 4096;
            reset(&w, inst, round % 4 == 3 ? -1 : w.pagemap);
        }
        reset(&w, inst, w.pagemap);
        region_destroy(inst);
        world_close(&w);
    }
}

static void grow(Instance *inst)
{
    uint64_t old;
    const Module *m = inst->module;
    assert_true(memory_grow(&inst->memories[0], 9, &old));
    for (uint32_t i = 0; i < m->ntables; i++)
        table_grow(&inst->tables[i], 30000, funcref_make(1, 3), &old);
}

static void a_reset_takes_back_what_has_grown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        World w;
        world_open(&w, growing, i);
        Instance *inst = map_region(&w);
        const size_t before = count_mappings(inst);
        uint64_t random = 99;
        for (int round = 0; round < 4; round++) {
            grow(inst);
            uint8_t *tail = inst->memories[0].base + w.memories[0].size;
            assert_true(is_readable(tail));
            scribble_all(inst, &random, round % 2 ? 1 : 50);
            reset(&w, inst, round == 3 ? -1 : w.pagemap);
            assert_false(is_readable(tail));
            assert_false(is_readable((uint8_t *)inst->tables[0].elems + 128 * 1024));
            assert_int_equal(count_mappings(inst), before);
        }
        grow(inst); /* what comes back is as new */
        const uint8_t *memory = inst->memories[0].base;
        for (uint64_t at = w.memories[0].size; at < inst->memories[0].state->size; at++)
            assert_int_equal(memory[at], 0);
        region_destroy(inst);
        world_close(&w);
    }
}

static void what_the_system_wrote_is_found(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    Instance *inst = map_region(&w);
    int noise = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    assert_true(noise >= 0);
    uint8_t *memory = inst->memories[0].base;
    assert_int_equal(read(noise, memory + 77, 3 * IMAGE_PAGE), 3 * IMAGE_PAGE);
    struct iovec here = {memory + 50 * IMAGE_PAGE, 5000}, there = {memory, 5000};
    assert_int_equal(process_vm_writev(getpid(), &there, 1, &here, 1, 0), 5000);
    close(noise);
    reset(&w, inst, w.pagemap);
    region_destroy(inst);
    world_close(&w);
}

/* A few faults may be this thread's own, for its stack. */
static void pages_that_were_copied_back_fault_no_more(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    if (w.pagemap < 0) skip();
    Instance *inst = map_region(&w);
    enum { WRITTEN = 100 };
    long faults[2] = {0, 0};
    for (int round = 0; round < 2; round++) {
        struct rusage before, after;
        getrusage(RUSAGE_THREAD, &before);
        for (size_t i = 0; i < WRITTEN; i++) inst->memories[0].base[i * 5 * IMAGE_PAGE] ^= 1;
        getrusage(RUSAGE_THREAD, &after);
        faults[round] = after.ru_minflt - before.ru_minflt;
        reset(&w, inst, w.pagemap);
    }
    assert_true(faults[0] >= WRITTEN);
    assert_true(faults[1] < WRITTEN / 10);
    region_destroy(inst);
    world_close(&w);
}

static bool add_bytes(void *env, uintptr_t from, uintptr_t to)
{
    *(uint64_t *)env += to - from;
    return true;
}

/* A run that wrote everything must not make an instance that waits as large. */
static void an_idle_instance_keeps_little(void **state)
{
    (void)state;
    World w;
    world_open(&w, growing, false);
    if (w.pagemap < 0) skip();
    Instance *inst = map_region(&w);
    uint64_t old, written = 0;
    assert_true(memory_grow(&inst->memories[0], 1, &old));
    memset(inst->stack_base, 1, TUNE_RESET_KEEP_BYTES + IMAGE_PAGE);
    memset(inst->memories[0].base, 1, inst->memories[0].state->size);
    reset(&w, inst, w.pagemap);
    const uintptr_t start = (uintptr_t)inst->context;
    assert_true(pagemap_each(w.pagemap, start, start + inst->region_size - 3 * IMAGE_PAGE,
                             PAGEMAP_WRITTEN, add_bytes, &written));
    assert_true(written <= IMAGE_PAGE);
    region_destroy(inst);
    world_close(&w);
}

/* ---- Swapped out ---- */

static void put32(uint8_t *at, uint32_t v) { memcpy(at, &v, sizeof v); }

/* A swap area of our own beside this program, if the system lets us. */
static bool swap_on(char *path, size_t size)
{
    enum { PAGES = 16384 }; /* 64 MiB */
    static const char ending[] = ".swap-XXXXXX";
    ssize_t len = readlink("/proc/self/exe", path, size - sizeof ending);
    if (len < 0) return false;
    memcpy(path + len, ending, sizeof ending);
    int fd = mkstemp(path);
    if (fd < 0) return false;
    static uint8_t page[IMAGE_PAGE]; /* as mkswap(8) writes it */
    put32(page + 1024, 1);
    put32(page + 1028, PAGES - 1);
    memcpy(page + IMAGE_PAGE - 10, "SWAPSPACE2", 10);
    bool ok = posix_fallocate(fd, 0, (off_t)PAGES * IMAGE_PAGE) == 0 &&
              pwrite(fd, page, sizeof page, 0) == IMAGE_PAGE && fsync(fd) == 0 &&
              swapon(path, 0) == 0;
    close(fd);
    if (!ok) unlink(path);
    return ok;
}

/* By the entries of the pagemap: bit 62. */
static size_t count_swapped(int pagemap, const uint8_t *at, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size / IMAGE_PAGE; i++) {
        uint64_t entry = 0;
        off_t offset = (off_t)(((uintptr_t)at / IMAGE_PAGE + i) * sizeof entry);
        if (pread(pagemap, &entry, sizeof entry, offset) == sizeof entry) n += entry >> 62 & 1;
    }
    return n;
}

static void pages_that_were_swapped_out_are_found(void **state)
{
    (void)state;
    World w;
    world_open(&w, plain, false);
    char path[4096];
    if (w.pagemap < 0 || !swap_on(path, sizeof path)) {
        world_close(&w);
        skip();
    }
    Instance *inst = map_region(&w);
    uint64_t random = 31;
    const size_t size = inst->memories[0].state->size;
    assert_true(size < TUNE_RESET_KEEP_BYTES); /* else they would be dropped without a look */
    scribble(inst->memories[0].base, size, &random, 1);
    const int asked = madvise(inst->memories[0].base, size, MADV_PAGEOUT);
    const size_t swapped = count_swapped(w.pagemap, inst->memories[0].base, size);
    const bool as_mapped = region_reset(inst, &w.source, w.pagemap, false);
    void *both[] = {&w, region_base(inst)};
    const bool same = region_each_range(inst, range_as_mapped, both);
    region_destroy(inst);
    const int off = swapoff(path);
    unlink(path);
    assert_int_equal(off, 0);
    assert_int_equal(asked, 0);
    assert_true(swapped > 0);
    assert_true(as_mapped);
    assert_true(same);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_region_has_what_the_file_has),
        cmocka_unit_test(instances_do_not_see_each_other),
        cmocka_unit_test(a_region_is_six_mappings),
        cmocka_unit_test(stretches_outside_of_what_a_guest_changes_are_refused),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(a_reset_undoes_every_write),
        cmocka_unit_test(a_reset_takes_back_what_has_grown),
        cmocka_unit_test(what_the_system_wrote_is_found),
        cmocka_unit_test(pages_that_were_copied_back_fault_no_more),
        cmocka_unit_test(an_idle_instance_keeps_little),
        cmocka_unit_test(pages_that_were_swapped_out_are_found),
    };
    return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
