/* Segments without a compiler: code that is bytes, points that are found exactly, images that lie.
 * The engine and the modules here are bare: segments ask no more of them than the range of
 * addresses and where function bodies are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit/points.h"
#include "jit/segment.h"
#include "vm/error.h"

enum { IMPORTS = 2, FUNCS = 300, BODY_BYTES = 5000, FIRST_BODY = 100, LOCALS_BYTES = 3 };

static const char lazy_stub[16];

typedef struct World {
    fnvm_engine engine;
    Module module;
    Range bodies[FUNCS];
    FuncCode verified[FUNCS];
    _Atomic(const FuncCode *) code[FUNCS];
} World;

static World *world_open(uint32_t body_bytes)
{
    World *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_null(code_space_new(&w->engine.code_space));
    w->module.engine = &w->engine;
    w->module.n_imported_funcs = IMPORTS;
    w->module.nfuncs = IMPORTS + FUNCS;
    w->module.bodies = w->bodies;
    w->module.code = w->code;
    for (uint32_t i = 0; i < FUNCS; i++) {
        w->bodies[i] = (Range){FIRST_BODY + i * body_bytes, FIRST_BODY + (i + 1) * body_bytes};
        w->verified[i].start = w->bodies[i].start + LOCALS_BYTES;
        atomic_init(&w->code[i], &w->verified[i]);
    }
    return w;
}

static void world_close(World *w)
{
    code_space_free(w->engine.code_space);
    free(w);
}

static Segment *segment_open(World *w)
{
    Segment *s;
    assert_null(segment_new(&w->module, lazy_stub, &s));
    return s;
}

/* Gives its caller 42 plus the number of the function. */
static const uint8_t answer[] = {0xB8, 42, 0, 0, 0, 0xC3}; /* mov eax, 42; ret */
typedef uint32_t Answer(void);

static uint32_t call(const Segment *s, uint32_t func)
{
    Answer *f;
    memcpy(&f, &segment_entries(s)[func - IMPORTS], sizeof f);
    return f();
}

static bool add(Segment *s, const Compiled *c)
{
    segment_lock(s);
    bool added = segment_add(s, c);
    segment_unlock(s);
    return added;
}

static bool add_answer(Segment *s, uint32_t func)
{
    uint8_t code[sizeof answer];
    memcpy(code, answer, sizeof code);
    code[1] = (uint8_t)(42 + func % 64);
    return add(s, &(Compiled){.func = func, .code = code, .code_size = sizeof code});
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

/* ---- Points ---- */

static void points_come_back(void **state)
{
    (void)state;
    static const Point written[] = {{0, 1000, 0}, {1, 1000, 7}, {200, 90, 0}, {201, 1 << 30, 300},
                                    {70000, 5, 1}, {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    enum { N = sizeof written / sizeof *written };
    PointWriter w = {0};
    for (int round = 0; round < 2; round++) {
        points_start(&w, 1000);
        for (int i = 0; i < N; i++)
            points_add(&w, written[i].native, written[i].pc, written[i].slots);
        assert_false(w.failed);
        PointReader r = points_read(w.bytes, w.size, 1000);
        for (int i = 0; i < N; i++) {
            assert_true(points_next(&r));
            assert_memory_equal(&r.p, &written[i], sizeof r.p);
        }
        assert_false(points_next(&r));
        assert_ptr_equal(r.at, r.end);
    }
    points_free(&w);
}

static void points_ascend_strictly(void **state)
{
    (void)state;
    PointWriter w = {0};
    points_start(&w, 0);
    points_add(&w, 0, 3, 0);
    points_add(&w, 10, 4, 0);
    assert_false(w.failed);
    points_add(&w, 10, 5, 0);
    assert_true(w.failed);
    points_start(&w, 0);
    assert_false(w.failed);
    points_free(&w);
}

static void points_of_any_bytes_end(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        uint32_t size = random_below(&seed, 24);
        uint8_t *bytes = malloc(size + 1); /* of that size for the sanitizer's sake */
        assert_non_null(bytes);
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(random_below(&seed, 256) | (round & 1 ? 0x80 : 0));
        PointReader r = points_read(bytes, size, 0);
        uint32_t n = 0;
        while (points_next(&r)) n++;
        assert_true(n <= size / 2 && r.at <= r.end);
        free(bytes);
    }
}

/* ---- Finding ---- */

typedef struct Placed { const uint8_t *code; uint32_t size, npoints; Point points[40]; } Placed;

static void place(Segment *s, uint32_t func, uint64_t *seed, Placed *p)
{
    static uint8_t code[4096];
    static const uint32_t pads[3] = {0, 1, 2};
    PointWriter w = {0};
    p->size = 1 + random_below(seed, sizeof code - 1);
    p->npoints = 0;
    points_start(&w, FIRST_BODY + (func - IMPORTS) * BODY_BYTES + LOCALS_BYTES);
    for (uint32_t at = random_below(seed, 3); at <= p->size && p->npoints < 40; p->npoints++) {
        Point *q = &p->points[p->npoints];
        *q = (Point){at, FIRST_BODY + (func - IMPORTS) * BODY_BYTES +
                         random_below(seed, BODY_BYTES), random_below(seed, 3) * 100};
        points_add(&w, q->native, q->pc, q->slots);
        at += 1 + random_below(seed, 200);
    }
    assert_false(w.failed);
    for (uint32_t i = 0; i < p->size; i++) code[i] = (uint8_t)random_below(seed, 256);
    segment_lock(s);
    uint32_t at = segment_next_code(s);
    assert_true(segment_add(s, &(Compiled){.func = func, .code = code, .code_size = p->size,
                                          .points = w.bytes, .points_size = w.size, .pads = pads,
                                          .npads = func % 4}));
    segment_unlock(s);
    p->code = (const uint8_t *)segment_entries(s) + at;
    assert_int_equal(segment_code(s, func), at);
    assert_ptr_equal(segment_entries(s)[func - IMPORTS], p->code);
    assert_int_equal((uintptr_t)p->code % BLOB_ALIGN, 0);
    assert_memory_equal(p->code, code, p->size);
    points_free(&w);
}

/* Asks for every address from before the code to behind the blob. */
static void check_placed(const Segment *s, uint32_t func, const Placed *p)
{
    uint32_t next = 0;
    for (int64_t i = -(int64_t)sizeof(BlobHead); i < (int64_t)p->size + 200; i++) {
        CodePoint found;
        bool is_point = next < p->npoints && p->points[next].native == i;
        if (!is_point && i > (int64_t)p->size) break; /* another function's from somewhere here */
        assert_int_equal(segment_find(s, p->code + i, &found), is_point);
        if (!is_point) continue;
        assert_int_equal(found.func, func);
        assert_int_equal(found.pc, p->points[next].pc);
        assert_int_equal(found.slots, p->points[next].slots);
        next++;
    }
    assert_int_equal(next, p->npoints);
    for (uint32_t i = 0; i < func % 4; i++)
        assert_ptr_equal(segment_pad(s, func, i), p->code + i);
    assert_null(segment_pad(s, func, func % 4));
}

static void points_are_found_exactly(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    static Placed placed[FUNCS];
    uint64_t seed = 7;
    CodePoint found;
    for (uint32_t i = 0; i < FUNCS; i++) {
        assert_int_equal(segment_code(s, IMPORTS + i), 0);
        assert_ptr_equal(segment_entries(s)[i], lazy_stub);
    }
    for (uint32_t n = 0, i = 0; n < FUNCS; n++, i = (i + 7) % FUNCS)
        place(s, IMPORTS + i, &seed, &placed[i]);
    for (uint32_t i = 0; i < FUNCS; i++) check_placed(s, IMPORTS + i, &placed[i]);
    const uint8_t *entries = (const uint8_t *)segment_entries(s);
    assert_false(segment_find(s, NULL, &found));
    assert_false(segment_find(s, (const void *)UINTPTR_MAX, &found));
    assert_false(segment_find(s, entries, &found));
    assert_false(segment_find(s, entries - 1, &found));
    assert_false(segment_find(s, &found, &found));
    assert_true(code_space_contains(w->engine.code_space, placed[0].code));
    assert_false(code_space_contains(w->engine.code_space, &found));
    segment_free(s);
    world_close(w);
}

typedef struct Walk { uint32_t n, stop; const uint8_t *last; } Walk;

static bool walk(void *env, uint32_t func, const uint8_t *code, uint32_t size)
{
    Walk *w = env;
    assert_int_equal(func, IMPORTS + w->n);
    assert_int_equal(size, sizeof answer);
    assert_true(code > w->last);
    w->last = code;
    return ++w->n != w->stop;
}

static void functions_are_listed_in_order(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    Walk all = {0}, some = {.stop = 3};
    for (uint32_t i = 0; i < 10; i++) assert_true(add_answer(s, IMPORTS + i));
    assert_true(segment_each(s, walk, &all));
    assert_int_equal(all.n, 10);
    assert_false(segment_each(s, walk, &some));
    assert_int_equal(some.n, 3);
    segment_free(s);
    world_close(w);
}

/* ---- Running ---- */

static void code_runs(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    assert_true(add(s, &(Compiled){.func = IMPORTS, .code = answer, .code_size = sizeof answer}));
    assert_int_equal(call(s, IMPORTS), 42);
    const uint8_t other[] = {0xB8, 1, 0, 0, 0, 0xC3};
    assert_true(add(s, &(Compiled){.func = IMPORTS, .code = other, .code_size = sizeof other}));
    assert_int_equal(call(s, IMPORTS), 42); /* a function that has code keeps it */

    uint8_t jump[] = {0xFF, 0x25, 0, 0, 0, 0}; /* jmp [rip + ...]: through the first entry */
    segment_lock(s);
    int32_t distance = -(int32_t)(segment_next_code(s) + sizeof jump);
    memcpy(jump + 2, &distance, sizeof distance);
    Compiled c = {.func = IMPORTS + 1, .code = jump, .code_size = sizeof jump};
    assert_true(segment_add(s, &c));
    segment_unlock(s);
    assert_int_equal(call(s, IMPORTS + 1), 42);
    segment_free(s);
    world_close(w);
}

/* No page is writable and executable, and none of [from, to) that is code is writable. */
static void check_maps(const void *from, size_t size)
{
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    char line[512], perms[8];
    uintptr_t start, end, executable = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3) continue;
        assert_false(strchr(perms, 'w') && strchr(perms, 'x'));
        if (start >= (uintptr_t)from + size || end <= (uintptr_t)from) continue;
        assert_false(strchr(perms, 'w'));
        if (strchr(perms, 'x')) executable += end - start;
    }
    fclose(f);
    assert_true(executable >= size);
}

static void no_page_is_writable_and_executable(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    static uint8_t code[300000]; /* more than the file grows by at first */
    uint32_t first = segment_next_code(s);
    for (uint32_t i = 0; i < 5; i++) {
        const Compiled c = {.func = IMPORTS + i, .code = code, .code_size = sizeof code};
        assert_true(add(s, &c));
    }
    check_maps((const uint8_t *)segment_entries(s) + first, segment_next_code(s) - first);
    segment_free(s);
    world_close(w);
}

/* mov eax, [rip + distance]: of a place outside, whose distance is put right. */
static void code_moves_with_its_distances(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    uint8_t load[] = {0x8B, 0x05, 0, 0, 0, 0, 0xC3};
    const uint32_t fixup = 2, base = segment_next_code(s);
    uint32_t distance = 0 - (base + 6); /* to the first entry */
    memcpy(load + fixup, &distance, sizeof distance);
    Compiled c = {.func = IMPORTS + 5, .code = load, .code_size = sizeof load, .base = base,
                  .fixups = &fixup, .nfixups = 1};
    assert_true(add_answer(s, IMPORTS)); /* takes the place that the code was made for */
    assert_true(add(s, &c));
    uint32_t entry;
    memcpy(&entry, segment_entries(s), sizeof entry);
    assert_int_equal((uint32_t)call(s, IMPORTS + 5), entry);
    segment_free(s);
    world_close(w);
}

static void held_code_appears_at_once(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    segment_lock(s);
    assert_true(segment_hold(s, true));
    segment_unlock(s);
    for (uint32_t i = 0; i < 3; i++) assert_true(add_answer(s, IMPORTS + i));
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(segment_entries(s)[i], lazy_stub);
        assert_int_not_equal(segment_code(s, IMPORTS + i), 0);
    }
    segment_lock(s);
    assert_true(segment_hold(s, false));
    segment_unlock(s);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(call(s, IMPORTS + i), 42 + IMPORTS + i);
    segment_free(s);
    world_close(w);
}

static void full_segments_refuse(void **state)
{
    (void)state;
    World *w = world_open(2 * LOCALS_BYTES);
    Segment *s = segment_open(w);
    static uint8_t code[100000];
    uint32_t n = 0;
    while (n < FUNCS &&
           add(s, &(Compiled){.func = IMPORTS + n, .code = code, .code_size = sizeof code})) {
        n++;
    }
    assert_true(n >= 10 && n < FUNCS);
    assert_int_equal(segment_code(s, IMPORTS + n), 0);
    assert_true(add_answer(s, IMPORTS + n)); /* a small one still fits */
    assert_int_equal(call(s, IMPORTS + n), 42 + (IMPORTS + n) % 64);
    assert_false(add(s, &(Compiled){.func = IMPORTS + n + 1, .code = code, .code_size = 1u << 31}));
    segment_free(s);
    world_close(w);
}

static void *add_all(void *arg)
{
    for (uint32_t i = 0; i < FUNCS; i++)
        if (!add_answer(arg, IMPORTS + i)) return arg;
    return NULL;
}

static void others_may_look_while_code_is_added(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, add_all, s), 0);
    for (uint32_t i = 0; i < FUNCS;) {
        const void *code = __atomic_load_n(&segment_entries(s)[i], __ATOMIC_ACQUIRE);
        if (code == lazy_stub) continue;
        CodePoint found;
        assert_false(segment_find(s, code, &found));
        assert_int_equal(call(s, IMPORTS + i), 42 + (IMPORTS + i) % 64);
        i++;
    }
    void *failed;
    pthread_join(thread, &failed);
    assert_null(failed);
    segment_free(s);
    world_close(w);
}

static int in_child(Segment *s)
{
    if (call(s, IMPORTS) != 42 + IMPORTS) return 1;
    if (add_answer(s, IMPORTS + 1)) return 2;
    return segment_code(s, IMPORTS + 1) ? 3 : 0;
}

static void forks_run_but_do_not_write(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    assert_true(add_answer(s, IMPORTS));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(in_child(s));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(add_answer(s, IMPORTS + 1));
    assert_int_equal(call(s, IMPORTS + 1), 42 + IMPORTS + 1);
    segment_free(s);
    world_close(w);
}

/* ---- Ranges ---- */

static void ranges_are_used_again(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s[3];
    for (int i = 0; i < 3; i++) {
        s[i] = segment_open(w);
        assert_true(add_answer(s[i], IMPORTS + (uint32_t)i));
    }
    const void *entries = segment_entries(s[1]);
    segment_free(s[1]);
    s[1] = segment_open(w);
    assert_ptr_equal(segment_entries(s[1]), entries);
    for (uint32_t i = 0; i < FUNCS; i++) assert_int_equal(segment_code(s[1], IMPORTS + i), 0);
    assert_true(add_answer(s[1], IMPORTS + 9));
    assert_int_equal(call(s[0], IMPORTS), 42 + IMPORTS);
    assert_int_equal(call(s[1], IMPORTS + 9), 42 + IMPORTS + 9);
    assert_int_equal(call(s[2], IMPORTS + 2), 42 + IMPORTS + 2);
    for (int i = 0; i < 3; i++) segment_free(s[i]);
    world_close(w);
}

static void addresses_run_out_gracefully(void **state)
{
    (void)state;
    enum { LARGE = 1 << 18, MOST = 4000 }; /* bodies so large that code may have its most */
    World *w = world_open(LARGE);
    Segment *s[MOST];
    uint32_t n = 0;
    fnvm_error *error = NULL;
    while (n < MOST && !(error = segment_new(&w->module, lazy_stub, &s[n]))) n++;
    assert_non_null(error);
    assert_int_equal(error->code, FNVM_E_LIMIT);
    fnvm_error_free(error);
    assert_true(n > 1);
    assert_true(add_answer(s[0], IMPORTS) && add_answer(s[n - 1], IMPORTS));
    assert_int_equal(call(s[n - 1], IMPORTS), 42 + IMPORTS);
    segment_free(s[n / 2]);
    s[n / 2] = segment_open(w);
    while (n > 0) segment_free(s[--n]);
    world_close(w);
}

/* ---- Images ---- */

typedef struct Image { uint8_t *bytes; uint32_t size; const uint8_t *first; } Image;

static bool save_blob(void *env, uint32_t func, const uint8_t *code, uint32_t size)
{
    (void)func, (void)size;
    Image *i = env;
    const uint8_t *head = code - sizeof(BlobHead);
    if (!i->first) i->first = head;
    uint32_t bytes = (uint32_t)blob_size((const void *)head), at = (uint32_t)(head - i->first);
    i->bytes = realloc(i->bytes, at + bytes);
    assert_non_null(i->bytes);
    memset(i->bytes + i->size, 0, at - i->size);
    memcpy(i->bytes + at, head, bytes);
    i->size = at + bytes;
    return true;
}

static fnvm_error *adopt(Segment *s, const uint8_t *bytes, uint32_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    segment_lock(s);
    fnvm_error *error = segment_fetch(s, fd, size)
                            ? segment_adopt(s, size)
                            : fnvm_error_new(FNVM_E_USAGE, "the segment does not take it");
    segment_unlock(s);
    close(fd);
    return error;
}

static void images_are_adopted(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    static Placed placed[60];
    uint64_t seed = 3;
    for (uint32_t i = 0; i < 60; i++) place(s, IMPORTS + i, &seed, &placed[i]);
    assert_true(add_answer(s, IMPORTS + 60));
    for (int generation = 0; generation < 2; generation++) {
        Image image = {0};
        assert_true(segment_each(s, save_blob, &image));
        Segment *next = segment_open(w);
        assert_null(adopt(next, image.bytes, image.size));
        for (uint32_t i = 0; i < 60; i++) {
            placed[i].code = (const uint8_t *)segment_entries(next) + segment_code(s, IMPORTS + i);
            assert_int_equal(segment_code(next, IMPORTS + i), segment_code(s, IMPORTS + i));
            check_placed(next, IMPORTS + i, &placed[i]);
        }
        assert_true(add_answer(next, IMPORTS + 100 + (uint32_t)generation));
        assert_int_equal(call(next, IMPORTS + 60), 42 + IMPORTS + 60);
        for (uint32_t i = 0; i <= (uint32_t)generation; i++)
            assert_int_equal(call(next, IMPORTS + 100 + i), 42 + (IMPORTS + 100 + i) % 64);
        uint32_t first = segment_code(next, IMPORTS) - (uint32_t)sizeof(BlobHead);
        check_maps((const uint8_t *)segment_entries(next) + first,
                   segment_next_code(next) - (uint32_t)sizeof(BlobHead) - first);
        fnvm_error *again = adopt(next, image.bytes, image.size);
        assert_non_null(again); /* it has code already */
        fnvm_error_free(again);
        segment_free(s);
        free(image.bytes);
        s = next;
    }
    segment_free(s);
    world_close(w);
}

enum { MANY = 5000 }; /* points, of which some in every few bytes of code */

/* Points all over the code of a function; returns the end of that. */
static uint32_t many_points(PointWriter *w, uint64_t *seed, Point points[MANY])
{
    const uint32_t start = FIRST_BODY + LOCALS_BYTES;
    uint32_t at = 0;
    points_start(w, start);
    for (int i = 0; i < MANY; i++) {
        at += 1 + random_below(seed, i % 100 ? 4 : 3000);
        points[i] = (Point){at, start + random_below(seed, BODY_BYTES - LOCALS_BYTES),
                            random_below(seed, 2) * random_below(seed, 300)};
        points_add(w, at, points[i].pc, points[i].slots);
    }
    assert_false(w->failed);
    return at + 1;
}

static void many_points_are_found(void **state)
{
    (void)state;
    static Point points[MANY];
    uint64_t seed = 3;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    PointWriter p = {0};
    uint32_t size = many_points(&p, &seed, points);
    uint8_t *code = calloc(1, size);
    assert_non_null(code);
    assert_true(add(s, &(Compiled){.func = IMPORTS, .code = code, .code_size = size,
                                   .points = p.bytes, .points_size = p.size}));
    const uint8_t *at = (const uint8_t *)segment_entries(s) + segment_code(s, IMPORTS);
    for (uint32_t native = 0, i = 0; native < size; native++) {
        CodePoint found;
        const bool is_point = points[i].native == native;
        assert_int_equal(segment_find(s, at + native, &found), is_point);
        if (!is_point) continue;
        assert_int_equal(found.pc, points[i].pc);
        assert_int_equal(found.slots, points[i].slots);
        if (i < MANY - 1) i++;
    }

    Image image = {0};
    assert_true(segment_each(s, save_blob, &image));
    const uint32_t marks = (uint32_t)blob_marks_at((const void *)image.bytes);
    const uint32_t nmarks = points_marks(p.size);
    assert_true(nmarks > 10);
    for (uint32_t i = 0; i < nmarks * sizeof(PointMark); i += 1 + random_below(&seed, 20)) {
        Segment *next = segment_open(w);
        image.bytes[marks + i] ^= 1;
        fnvm_error *error = adopt(next, image.bytes, image.size);
        image.bytes[marks + i] ^= 1;
        assert_non_null(error);
        assert_non_null(strstr(error->message, "mark"));
        fnvm_error_free(error);
        assert_null(adopt(next, image.bytes, image.size));
        segment_free(next);
    }
    free(image.bytes);
    free(code);
    points_free(&p);
    segment_free(s);
    world_close(w);
}

/* One field of an image of three functions changed. */
typedef struct Lie { uint32_t offset, value; const char *text; } Lie;

static void images_that_lie_are_refused(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    PointWriter p = {0};
    points_start(&p, FIRST_BODY + LOCALS_BYTES);
    points_add(&p, 1, FIRST_BODY + LOCALS_BYTES + 1, 0);
    points_add(&p, 3, FIRST_BODY + LOCALS_BYTES + 2, 1);
    const uint32_t pad = 2;
    assert_true(add(s, &(Compiled){.func = IMPORTS, .code = answer, .code_size = sizeof answer,
                                   .points = p.bytes, .points_size = p.size, .pads = &pad,
                                   .npads = 1}));
    assert_true(add_answer(s, IMPORTS + 1) && add_answer(s, IMPORTS + 2));
    Image image = {0};
    assert_true(segment_each(s, save_blob, &image));
    const uint32_t pads_at = (uint32_t)blob_pads_at((const void *)image.bytes);
    const uint32_t points_at = (uint32_t)sizeof(BlobHead) + (uint32_t)sizeof answer;
    const uint32_t second = (uint32_t)blob_size((const void *)image.bytes);
    const Lie lies[] = {
        {0, IMPORTS - 1, "no such function"}, {0, IMPORTS + FUNCS, "no such function"},
        {0, UINT32_MAX, "no such function"}, {second, IMPORTS, "came before"},
        {4, UINT32_MAX, "longer than the image"}, {8, UINT32_MAX, "longer than the image"},
        {12, UINT32_MAX, "longer than the image"}, {12, 1u << 30, "longer than the image"},
        {second + 4, 0, "no code"}, {16, BODY_BYTES, "begins outside"},
        {16, UINT32_MAX, "begins outside"}, {20, 1, "unknown fields"}, {pads_at, 6, "landing pad"},
        {points_at, 0xFFFFFFFF, "no points"}, {points_at, 0x00000000, "two points at one place"},
        {points_at, 0x0000021A, "behind the code"}, {points_at, 0x00000902, "outside of"}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        Segment *next = segment_open(w);
        uint8_t *bytes = malloc(image.size);
        assert_non_null(bytes);
        memcpy(bytes, image.bytes, image.size);
        memcpy(bytes + lies[i].offset, &lies[i].value, sizeof lies[i].value);
        fnvm_error *error = adopt(next, bytes, image.size);
        assert_non_null(error);
        assert_int_equal(error->code, FNVM_E_MALFORMED);
        if (!strstr(error->message, lies[i].text)) fail_msg("%zu: %s", i, error->message);
        fnvm_error_free(error);
        for (uint32_t f = 0; f < FUNCS; f++)
            assert_ptr_equal(segment_entries(next)[f], lazy_stub);
        assert_null(adopt(next, image.bytes, image.size)); /* the true one still can be */
        assert_int_equal(call(next, IMPORTS + 1), 42 + IMPORTS + 1);
        segment_free(next);
        free(bytes);
    }
    segment_free(s);
    free(image.bytes);
    points_free(&p);
    world_close(w);
}

/* Whatever an image says, reading it stays within it. */
static void images_of_any_bytes_are_read_safely(void **state)
{
    (void)state;
    World *w = world_open(BODY_BYTES);
    Segment *s = segment_open(w);
    static Placed placed[4];
    uint64_t seed = 11;
    for (uint32_t i = 0; i < 4; i++) place(s, IMPORTS + i, &seed, &placed[i]);
    Image image = {0};
    assert_true(segment_each(s, save_blob, &image));
    uint8_t *bytes = malloc(image.size);
    assert_non_null(bytes);
    uint32_t refused = 0;
    for (int round = 0; round < 1500; round++) {
        memcpy(bytes, image.bytes, image.size);
        uint32_t at = round & 1 ? random_below(&seed, sizeof(BlobHead))
                                : random_below(&seed, image.size);
        bytes[at] ^= (uint8_t)(1 + random_below(&seed, 255));
        uint32_t size = round % 8 ? image.size : random_below(&seed, image.size) & ~31u;
        Segment *next = segment_open(w);
        fnvm_error *error = adopt(next, bytes, size);
        refused += error != NULL;
        fnvm_error_free(error);
        CodePoint found;
        const uint8_t *code = (const uint8_t *)segment_entries(next) + segment_code(s, IMPORTS);
        for (uint32_t i = 0; i < 500; i++) segment_find(next, code + i, &found);
        segment_free(next);
    }
    assert_true(refused > 500);
    free(bytes);
    free(image.bytes);
    segment_free(s);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_come_back),
        cmocka_unit_test(points_ascend_strictly),
        cmocka_unit_test(many_points_are_found),
        cmocka_unit_test(points_of_any_bytes_end),
        cmocka_unit_test(points_are_found_exactly),
        cmocka_unit_test(functions_are_listed_in_order),
        cmocka_unit_test(code_runs),
        cmocka_unit_test(no_page_is_writable_and_executable),
        cmocka_unit_test(code_moves_with_its_distances),
        cmocka_unit_test(held_code_appears_at_once),
        cmocka_unit_test(full_segments_refuse),
        cmocka_unit_test(others_may_look_while_code_is_added),
        cmocka_unit_test(forks_run_but_do_not_write),
        cmocka_unit_test(ranges_are_used_again),
        cmocka_unit_test(addresses_run_out_gracefully),
        cmocka_unit_test(images_are_adopted),
        cmocka_unit_test(images_that_lie_are_refused),
        cmocka_unit_test(images_of_any_bytes_are_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
