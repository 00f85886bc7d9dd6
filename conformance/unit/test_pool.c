/* Pools: every store that is taken is as the image has it, whatever was done to the one before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fnvm.h"

static const char counter[] =
    "(module (import \"host\" \"note\" (func $note (param i32)))\n"
    "  (memory (export \"memory\") 2) (global $n (mut i32) (i32.const 0))\n"
    "  (func (export \"count\") (result i32)\n"
    "    (global.set $n (i32.add (global.get $n) (i32.const 1)))\n"
    "    (i32.store (i32.const 70000) (i32.add (i32.load (i32.const 70000)) (i32.const 1)))\n"
    "    (call $note (global.get $n))\n"
    "    (i32.add (global.get $n) (i32.mul (i32.load (i32.const 70000)) (i32.const 1000))))\n"
    "  (func (export \"grow\") (result i32) (memory.grow (i32.const 3)))\n"
    "  (func (export \"trap\") (result i32) (unreachable))\n"
    "  (func (export \"loop\") (result i32) (loop (br 0)) (i32.const 0)))\n";

typedef struct World {
    fnvm_engine *engine;
    fnvm_image *image;
    fnvm_pool *pool;
    int32_t noted;            /* by the host function */
    int defined, defines_left; /* calls of `define`, and how many may succeed */
} World;

static fnvm_error *note(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    *(int32_t *)env = (int32_t)slots[0].i32;
    return NULL;
}

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    World *w = env;
    (void)wasi;
    w->defined++;
    if (w->defines_left-- == 0) return fnvm_error_new(FNVM_E_IO, "no host function today");
    return fnvm_linker_define_func(linker, "host", "note", "i32 ->", note, &w->noted);
}

static fnvm_error *call(fnvm_store *store, fnvm_instance *main, const char *name, int32_t *result)
{
    fnvm_extern func;
    fnvm_val value = {FNVM_I32, {.i32 = 0}};
    assert_true(fnvm_instance_export(main, name, strlen(name), &func));
    fnvm_error *error = fnvm_func_call(store, func, NULL, 0, &value, 1);
    if (result) *result = value.of.i32;
    return error;
}

static void counts(fnvm_store *store, fnvm_instance *main, int32_t expected)
{
    int32_t result;
    fnvm_error *error = call(store, main, "count", &result);
    if (error) fail_msg("%s", fnvm_error_message(error));
    assert_int_equal(result, expected);
}

/* An image of an instance that has counted to three. */
static void freeze(World *w, const char *path)
{
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_module *module;
    fnvm_instance *main;
    assert_null(fnvm_store_new(w->engine, &store));
    assert_null(fnvm_linker_new(store, &linker));
    assert_null(define(w, linker, NULL));
    assert_null(fnvm_module_new(w->engine, counter, strlen(counter), &module));
    assert_null(fnvm_linker_instantiate(linker, module, &main));
    fnvm_module_release(module);
    for (int32_t i = 1; i <= 3; i++) counts(store, main, i * 1001);
    const fnvm_freeze options = {.path = path, .main = main, .linker = linker, .no_sync = true};
    fnvm_error *error = fnvm_store_freeze(store, &options);
    if (error) fail_msg("%s", fnvm_error_message(error));
    fnvm_linker_free(linker);
    fnvm_store_free(store);
}

static void world_open(World *w)
{
    *w = (World){.defines_left = -1};
    assert_null(fnvm_engine_new(NULL, &w->engine));
    char path[] = "/tmp/fnvm-test-pool-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    freeze(w, path);
    fnvm_error *error = fnvm_image_open(w->engine, path, NULL, &w->image);
    unlink(path);
    if (error) fail_msg("%s", fnvm_error_message(error));
    w->defined = 0;
}

static void world_close(World *w)
{
    fnvm_pool_free(w->pool);
    fnvm_image_release(w->image);
    fnvm_engine_free(w->engine);
}

static fnvm_error *open_pool(World *w, size_t ready, size_t most)
{
    const fnvm_pool_options options = {.ready = ready, .most = most, .define = define, .env = w};
    return fnvm_pool_new(w->image, &options, &w->pool);
}

static void is_refused(fnvm_error *error, fnvm_code code)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

static void every_store_is_as_the_image_has_it(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    assert_null(open_pool(&w, 2, 4));
    assert_int_equal(w.defined, 2);
    for (int round = 0; round < 20; round++) {
        fnvm_store *store;
        fnvm_instance *main;
        assert_null(fnvm_pool_take(w.pool, &store, &main));
        counts(store, main, 4004);
        assert_int_equal(w.noted, 4);
        counts(store, main, 5005);
        int32_t pages;
        assert_null(call(store, main, "grow", &pages));
        assert_int_equal(pages, 2);
        fnvm_pool_give(w.pool, store);
    }
    assert_int_equal(w.defined, 2);
    world_close(&w);
}

static void a_store_comes_back_whatever_ended_its_run(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    assert_null(open_pool(&w, 1, 1));
    fnvm_store *store;
    fnvm_instance *main;
    assert_null(fnvm_pool_take(w.pool, &store, &main));
    is_refused(call(store, main, "trap", NULL), FNVM_E_TRAP);
    fnvm_pool_give(w.pool, store);
    assert_null(fnvm_pool_take(w.pool, &store, &main));
    fnvm_store_interrupt(store);
    is_refused(call(store, main, "loop", NULL), FNVM_E_TRAP);
    fnvm_pool_give(w.pool, store);
    assert_null(fnvm_pool_take(w.pool, &store, &main));
    counts(store, main, 4004);
    fnvm_pool_give(w.pool, store);
    world_close(&w);
}

static void what_was_given_last_is_taken_first(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    assert_null(open_pool(&w, 0, 3));
    assert_int_equal(w.defined, 0);
    fnvm_store *stores[3], *store;
    fnvm_instance *main;
    for (size_t i = 0; i < 3; i++) assert_null(fnvm_pool_take(w.pool, &stores[i], &main));
    for (size_t i = 0; i < 3; i++) {
        const size_t given = (i + 1) % 3; /* in no order of theirs */
        fnvm_pool_give(w.pool, stores[given]);
        assert_null(fnvm_pool_take(w.pool, &store, &main));
        assert_ptr_equal(store, stores[given]);
    }
    fnvm_pool_give(w.pool, stores[2]);
    fnvm_pool_give(w.pool, stores[0]);
    fnvm_pool_give(w.pool, stores[1]);
    static const size_t order[] = {1, 0, 2};
    for (size_t i = 0; i < 3; i++) {
        assert_null(fnvm_pool_take(w.pool, &store, &main));
        assert_ptr_equal(store, stores[order[i]]);
        counts(store, main, 4004);
    }
    assert_int_equal(w.defined, 3);
    world_close(&w); /* with all three out */
}

static void no_more_stores_than_allowed(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    is_refused(open_pool(&w, 0, 0), FNVM_E_USAGE);
    is_refused(open_pool(&w, 3, 2), FNVM_E_USAGE);
    assert_null(open_pool(&w, 1, 2));
    fnvm_store *a, *b, *c;
    fnvm_instance *main;
    assert_null(fnvm_pool_take(w.pool, &a, &main));
    assert_null(fnvm_pool_take(w.pool, &b, &main));
    is_refused(fnvm_pool_take(w.pool, &c, &main), FNVM_E_LIMIT);
    fnvm_pool_give(w.pool, a);
    assert_null(fnvm_pool_take(w.pool, &c, &main));
    assert_ptr_equal(c, a);
    world_close(&w);
}

static void a_failing_define_leaves_a_pool_that_works(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    w.defines_left = 1;
    is_refused(open_pool(&w, 2, 2), FNVM_E_IO);
    w.defines_left = 1;
    assert_null(open_pool(&w, 1, 2));
    fnvm_store *a, *b;
    fnvm_instance *main;
    assert_null(fnvm_pool_take(w.pool, &a, &main));
    is_refused(fnvm_pool_take(w.pool, &b, &main), FNVM_E_IO);
    w.defines_left = -1;
    assert_null(fnvm_pool_take(w.pool, &b, &main));
    counts(b, main, 4004);
    world_close(&w);
}

/* A module that was instantiated since cannot be undone. */
static void a_store_that_cannot_be_reset_is_replaced(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    assert_null(open_pool(&w, 1, 1));
    fnvm_store *store;
    fnvm_instance *main;
    fnvm_extern memory;
    assert_null(fnvm_pool_take(w.pool, &store, &main));
    assert_null(fnvm_memory_new(store, 1, 1, false, &memory));
    fnvm_pool_give(w.pool, store);
    assert_null(fnvm_pool_take(w.pool, &store, &main));
    assert_int_equal(w.defined, 2);
    assert_int_equal(fnvm_store_instances(store), 1);
    counts(store, main, 4004);
    fnvm_pool_give(w.pool, store);
    fnvm_pool_give(w.pool, store); /* nothing happens */
    fnvm_store *again;
    assert_null(fnvm_pool_take(w.pool, &again, &main));
    assert_non_null(again);
    is_refused(fnvm_pool_take(w.pool, &again, &main), FNVM_E_LIMIT);
    world_close(&w);
}

/* ---- What has been written, whoever wrote it and whenever ---- */

enum { MEMORY_BYTES = 2 * 65536, PAGE = 4096 };

static fnvm_extern memory_of(fnvm_instance *main)
{
    fnvm_extern memory;
    assert_true(fnvm_instance_export(main, "memory", strlen("memory"), &memory));
    return memory;
}

/* Takes the pool's only store; its memory must be as it was the first time. */
static fnvm_store *take_clean(World *w, uint8_t *first, bool is_first, fnvm_extern *memory)
{
    fnvm_store *store;
    fnvm_instance *main;
    static uint8_t now[MEMORY_BYTES];
    assert_null(fnvm_pool_take(w->pool, &store, &main));
    *memory = memory_of(main);
    assert_true(fnvm_memory_read(store, *memory, 0, is_first ? first : now, MEMORY_BYTES));
    if (!is_first) assert_memory_equal(first, now, MEMORY_BYTES);
    return store;
}

/* Most requests write the same few pages; now and then one writes another. */
static void pages_are_found_whenever_they_are_written_first(void **state)
{
    (void)state;
    World w;
    static uint8_t first[MEMORY_BYTES];
    world_open(&w);
    assert_null(open_pool(&w, 1, 1));
    for (uint32_t i = 0; i < 300; i++) {
        fnvm_extern memory;
        fnvm_store *store = take_clean(&w, first, i == 0, &memory);
        for (uint64_t page = 2; page < 5; page++)
            assert_true(fnvm_memory_write(store, memory, page * PAGE + i, "usual", 5));
        if (i % 7 == 6)
            assert_true(fnvm_memory_write(store, memory, i * 37 % 32 * PAGE, "unusual", 7));
        fnvm_pool_give(w.pool, store);
    }
    world_close(&w);
}

/* Another thread, there all the time: starting one has page faults of its own. */
typedef struct Writer {
    fnvm_store *store;
    fnvm_extern memory;
    uint8_t *base;            /* write by this address, unless NULL */
    uint32_t page;
    bool stop;
    sem_t go, done;
} Writer;

static void *write_when_told(void *env)
{
    static const char text[] = "other thread";
    Writer *t = env;
    for (;;) {
        sem_wait(&t->go);
        if (t->stop) return NULL;
        const uint64_t at = (uint64_t)t->page * PAGE;
        if (t->base) memcpy(t->base + at, text, sizeof text);
        else fnvm_memory_write(t->store, t->memory, at, text, sizeof text);
        sem_post(&t->done);
    }
}

static void tell(Writer *t)
{
    sem_post(&t->go);
    sem_wait(&t->done);
}

static void what_another_thread_wrote_is_gone_as_well(void **state)
{
    (void)state;
    World w;
    Writer t = {0};
    pthread_t thread;
    static uint8_t first[MEMORY_BYTES];
    world_open(&w);
    assert_null(open_pool(&w, 1, 1));
    assert_int_equal(sem_init(&t.go, 0, 0) | sem_init(&t.done, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_when_told, &t), 0);
    for (uint32_t i = 0; i < 60; i++) { /* by calls first: an address, once given, is remembered */
        t.store = take_clean(&w, first, i == 0, &t.memory);
        t.page = i / 3 + 8;
        if (i == 30) t.base = fnvm_memory_base(t.store, t.memory);
        if (i % 3 == 2) tell(&t);
        fnvm_pool_give(w.pool, t.store);
    }
    t.stop = true;
    sem_post(&t.go);
    pthread_join(thread, NULL);
    world_close(&w);
}

static void copies_stay_within_the_memory(void **state)
{
    (void)state;
    World w;
    static uint8_t first[MEMORY_BYTES];
    uint8_t bytes[8] = {1};
    world_open(&w);
    assert_null(open_pool(&w, 1, 1));
    fnvm_extern memory;
    fnvm_store *store = take_clean(&w, first, true, &memory);
    assert_true(fnvm_memory_write(store, memory, MEMORY_BYTES - 8, bytes, 8));
    assert_true(fnvm_memory_read(store, memory, MEMORY_BYTES, bytes, 0));
    assert_false(fnvm_memory_write(store, memory, MEMORY_BYTES - 7, bytes, 8));
    assert_false(fnvm_memory_read(store, memory, MEMORY_BYTES + 1, bytes, 0));
    assert_false(fnvm_memory_write(store, memory, UINT64_MAX - 3, bytes, 8));
    fnvm_pool_give(w.pool, store);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_store_is_as_the_image_has_it),
        cmocka_unit_test(a_store_comes_back_whatever_ended_its_run),
        cmocka_unit_test(what_was_given_last_is_taken_first),
        cmocka_unit_test(no_more_stores_than_allowed),
        cmocka_unit_test(a_failing_define_leaves_a_pool_that_works),
        cmocka_unit_test(a_store_that_cannot_be_reset_is_replaced),
        cmocka_unit_test(pages_are_found_whenever_they_are_written_first),
        cmocka_unit_test(what_another_thread_wrote_is_gone_as_well),
        cmocka_unit_test(copies_stay_within_the_memory),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
