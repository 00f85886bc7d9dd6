/* The code cache from within: files damaged in every simple way, and files that lie with sums that
 * are right.  A damaged file is refused, and what runs is what ran without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "jit/cache_file.h"
#include "jit/segment.h"

static const char text[] =
    "(module (memory (export \"memory\") 1) (tag $odd (param i32)) (table funcref (elem $twice))"
    " (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))"
    " (func $fac (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0))"
    "   (then (i32.const 1)) (else (i32.mul (local.get 0)"
    "     (call $fac (i32.sub (local.get 0) (i32.const 1)))))))"
    " (func $check (param i32) (throw $odd (local.get 0)))"
    " (func (export \"run\") (param i32) (result i32)"
    "   (i32.add (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))"
    "     (i32.add (call $fac (local.get 0)) (block $caught (result i32)"
    "       (try_table (catch $odd $caught) (call $check (local.get 0))) (i32.const 0)))))"
    " (func (export \"stop\") (param i32) (result i32) (unreachable)))";
enum { ARGUMENT = 5, RESULT = 10 + 120 + 5 };

typedef struct World {
    char directory[64], file[64 + CACHE_NAME_BYTES + 1];
    fnvm_engine *engine;
    uint8_t *good; /* the file as it was first written */
    size_t size;
} World;

static fnvm_engine *engine_open(const char *directory)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_JIT;
    config.code_cache = directory;
    fnvm_engine *engine;
    assert_null(fnvm_engine_new(&config, &engine));
    return engine;
}

/* Calls an export; the trap if it traps. */
static fnvm_trap call(fnvm_store *store, fnvm_instance *instance, const char *name,
                      int32_t argument, int32_t *result)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(instance, name, strlen(name), &func));
    fnvm_val in = {.kind = FNVM_I32, .of.i32 = argument}, out;
    fnvm_error *error = fnvm_func_call(store, func, &in, 1, &out, 1);
    fnvm_trap trap = error ? fnvm_error_trap(error) : FNVM_TRAP_NONE;
    if (!error) *result = out.of.i32;
    fnvm_error_free(error);
    return trap;
}

/* Makes an instance, and calls its functions if `run`; returns the bytes of code that came from
 * the cache. */
static uint32_t use(fnvm_engine *engine, const char *source, bool run, int32_t expected)
{
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    assert_null(fnvm_module_new(engine, source, strlen(source), &module));
    assert_null(fnvm_store_new(engine, &store));
    assert_null(fnvm_linker_new(store, &linker));
    assert_null(fnvm_linker_instantiate(linker, module, &instance));
    uint32_t adopted = segment_image(module->segment).adopted;
    if (run) {
        int32_t result = 0;
        assert_int_equal(call(store, instance, "run", ARGUMENT, &result), FNVM_TRAP_NONE);
        assert_int_equal(result, expected);
        assert_int_equal(call(store, instance, "stop", 0, &result), FNVM_TRAP_UNREACHABLE);
    }
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    return adopted;
}

/* The path of the only file there. */
static void find_file(World *w)
{
    DIR *dir = opendir(w->directory);
    assert_non_null(dir);
    int n = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(w->file, sizeof w->file, "%.63s/%.*s", w->directory, CACHE_NAME_BYTES - 1,
                 e->d_name);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 1);
}

static int world_open(void **state)
{
    World *w = calloc(1, sizeof *w);
    assert_non_null(w);
    strcpy(w->directory, "/tmp/fnvm-test-cache-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    w->engine = engine_open(w->directory);
    assert_int_equal(use(w->engine, text, true, RESULT), 0);
    find_file(w);
    FILE *in = fopen(w->file, "rb");
    struct stat st;
    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &st), 0);
    w->size = (size_t)st.st_size;
    w->good = malloc(w->size);
    assert_non_null(w->good);
    assert_int_equal(fread(w->good, 1, w->size, in), w->size);
    fclose(in);
    *state = w;
    return 0;
}

static int world_close(void **state)
{
    World *w = *state;
    fnvm_engine_free(w->engine);
    CodeCache *cache;
    size_t files;
    uint64_t bytes;
    assert_null(cache_open(w->directory, false, &cache));
    assert_null(cache_clear(cache, &files, &bytes));
    cache_close(cache);
    assert_int_equal(rmdir(w->directory), 0);
    free(w->good);
    free(w);
    return 0;
}

static void put_file(const World *w, const void *bytes, size_t size)
{
    int fd = open(w->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* A copy of the good file, to be damaged. */
static uint8_t *copy_good(const World *w)
{
    uint8_t *bytes = malloc(w->size);
    assert_non_null(bytes);
    memcpy(bytes, w->good, w->size);
    return bytes;
}

static void make_sums_right(uint8_t *bytes, size_t size)
{
    CacheHead *h = (CacheHead *)(void *)bytes;
    h->image_sum = XXH3_64bits(bytes + sizeof *h, size - sizeof *h);
    h->head_sum = XXH3_64bits(h, offsetof(CacheHead, head_sum));
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

/* ---- Tests ---- */

static void code_is_kept(void **state)
{
    World *w = *state;
    const uint32_t image = (uint32_t)(w->size - sizeof(CacheHead));
    for (int i = 0; i < 3; i++) assert_int_equal(use(w->engine, text, true, RESULT), image);
    fnvm_engine *other = engine_open(w->directory);
    assert_int_equal(use(other, text, true, RESULT), image);
    fnvm_engine_free(other);
}

static void other_bodies_are_other_code(void **state)
{
    World *w = *state;
    char changed[sizeof text];
    strcpy(changed, text);
    /* The same sections in the same places. */
    memcpy(strstr(changed, "(i32.const 2)"), "(i32.const 3)", strlen("(i32.const 3)"));
    put_file(w, w->good, w->size);
    assert_int_equal(use(w->engine, changed, true, RESULT + ARGUMENT), 0);
    assert_int_equal(use(w->engine, text, true, RESULT), 0);
    assert_int_not_equal(use(w->engine, text, true, RESULT), 0);
}

static void every_bit_of_the_head_counts(void **state)
{
    World *w = *state;
    for (uint32_t bit = 0; bit < 8 * sizeof(CacheHead); bit++) {
        uint8_t *bytes = copy_good(w);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        put_file(w, bytes, w->size);
        assert_int_equal(use(w->engine, text, bit % 8 == 0, RESULT), 0);
        free(bytes);
    }
}

static void every_length_but_one_is_refused(void **state)
{
    World *w = *state;
    for (size_t size = 0; size < w->size; size += size < 2 * sizeof(CacheHead) ? 7 : 31) {
        put_file(w, w->good, size);
        assert_int_equal(use(w->engine, text, false, RESULT), 0);
    }
    put_file(w, w->good, w->size);
    assert_int_not_equal(use(w->engine, text, true, RESULT), 0);
}

static void damage_is_found(void **state)
{
    World *w = *state;
    uint64_t seed = 7;
    for (int round = 0; round < 1000; round++) {
        uint8_t *bytes = copy_good(w);
        for (uint32_t n = 1 + random_below(&seed, 4); n > 0; n--) {
            uint32_t at = random_below(&seed, (uint32_t)w->size);
            bytes[at] ^= (uint8_t)(1 + random_below(&seed, 255));
        }
        if (memcmp(bytes, w->good, w->size) != 0) {
            put_file(w, bytes, w->size);
            assert_int_equal(use(w->engine, text, round % 4 == 0, RESULT), 0);
        }
        free(bytes);
    }
}

/* Sums that are right make believe that we wrote the file: the code in it would run, so it is not
 * called here.  But what is read of it is checked, or harmless. */
static void lies_are_read_safely(void **state)
{
    World *w = *state;
    uint64_t seed = 5;
    uint32_t refused = 0;
    for (int round = 0; round < 2000; round++) {
        uint8_t *bytes = copy_good(w);
        uint32_t heads = round % 2 ? (uint32_t)(sizeof(CacheHead) + sizeof(BlobHead))
                                   : (uint32_t)w->size;
        uint32_t at = random_below(&seed, heads), value = random_below(&seed, 4);
        value = value ? UINT32_MAX << 8 * value : random_below(&seed, UINT32_MAX);
        memcpy(bytes + at, &value, w->size - at < sizeof value ? w->size - at : sizeof value);
        make_sums_right(bytes, w->size);
        put_file(w, bytes, w->size);
        refused += use(w->engine, text, false, RESULT) == 0;
        free(bytes);
    }
    assert_true(refused > 100);
}

static void directories_of_others_are_refused(void **state)
{
    World *w = *state;
    CodeCache *cache;
    static const mode_t open_to_others[] = {0777, 0720, 0702};
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        assert_int_equal(chmod(w->directory, open_to_others[i]), 0);
        fnvm_error *error = cache_open(w->directory, true, &cache);
        assert_non_null(error);
        assert_non_null(strstr(fnvm_error_message(error), "chmod 700"));
        fnvm_error_free(error);
    }
    fnvm_engine *engine = engine_open(w->directory); /* goes without */
    assert_null(engine->code_cache);
    assert_int_equal(use(engine, text, true, RESULT), 0);
    fnvm_engine_free(engine);
    assert_int_equal(chmod(w->directory, 0700), 0);
}

static void *use_often(void *engine)
{
    for (int i = 0; i < 40; i++) use(engine, text, true, RESULT);
    return NULL;
}

static void threads_load_and_save_at_once(void **state)
{
    World *w = *state;
    pthread_t threads[4];
    assert_int_equal(unlink(w->file), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_often, w->engine), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_not_equal(use(w->engine, text, true, RESULT), 0);
    find_file(w); /* the only one: nothing half-written is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(code_is_kept, world_open, world_close),
        cmocka_unit_test_setup_teardown(other_bodies_are_other_code, world_open, world_close),
        cmocka_unit_test_setup_teardown(every_bit_of_the_head_counts, world_open, world_close),
        cmocka_unit_test_setup_teardown(every_length_but_one_is_refused, world_open, world_close),
        cmocka_unit_test_setup_teardown(damage_is_found, world_open, world_close),
        cmocka_unit_test_setup_teardown(lies_are_read_safely, world_open, world_close),
        cmocka_unit_test_setup_teardown(directories_of_others_are_refused, world_open, world_close),
        cmocka_unit_test_setup_teardown(threads_load_and_save_at_once, world_open, world_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
