/* Standard streams that are the embedder's functions: what the guest gets of them and they of it,
 * waiting included, and which of it a reset or an image keeps.  The guest is no more than its
 * imports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fnvm.h"

#define WASI "(import \"wasi_snapshot_preview1\" "
static const char source[] =
    "(module " WASI "\"fd_read\" (func $r (param i32 i32 i32 i32) (result i32)))\n"
    WASI "\"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))\n"
    WASI "\"fd_pread\" (func $p (param i32 i32 i32 i64 i32) (result i32)))\n"
    WASI "\"fd_seek\" (func $s (param i32 i64 i32 i32) (result i32)))\n"
    WASI "\"fd_sync\" (func $y (param i32) (result i32)))\n"
    WASI "\"fd_close\" (func $c (param i32) (result i32)))\n"
    WASI "\"fd_fdstat_get\" (func $f (param i32 i32) (result i32)))\n"
    WASI "\"fd_fdstat_set_flags\" (func $sf (param i32 i32) (result i32)))\n"
    WASI "\"fd_filestat_get\" (func $fs (param i32 i32) (result i32)))\n"
    WASI "\"poll_oneoff\" (func $o (param i32 i32 i32 i32) (result i32)))\n"
    WASI "\"sched_yield\" (func $yield (result i32)))\n"
    WASI "\"environ_get\" (func $eg (param i32 i32) (result i32)))\n"
    WASI "\"environ_sizes_get\" (func $es (param i32 i32) (result i32)))\n"
    WASI "\"args_sizes_get\" (func $as (param i32 i32) (result i32)))\n"
    "  (memory (export \"memory\") 2)\n"
    "  (func (export \"read\") (param i32 i32) (result i32)\n" /* descriptor, vectors */
    "    (call $r (local.get 0) (i32.const 64) (local.get 1) (i32.const 16)))\n"
    "  (func (export \"write\") (param i32 i32) (result i32)\n"
    "    (call $w (local.get 0) (i32.const 64) (local.get 1) (i32.const 16)))\n"
    "  (func (export \"pread\") (param i32 i32) (result i32)\n"
    "    (call $p (local.get 0) (i32.const 64) (local.get 1) (i64.const 0) (i32.const 16)))\n"
    "  (func (export \"seek\") (param i32 i32) (result i32)\n"
    "    (call $s (local.get 0) (i64.const 0) (local.get 1) (i32.const 16)))\n"
    "  (func (export \"sync\") (param i32 i32) (result i32) (call $y (local.get 0)))\n"
    "  (func (export \"close\") (param i32 i32) (result i32) (call $c (local.get 0)))\n"
    "  (func (export \"fdstat\") (param i32 i32) (result i32)\n"
    "    (call $f (local.get 0) (i32.const 512)))\n"
    "  (func (export \"set_flags\") (param i32 i32) (result i32)\n"
    "    (call $sf (local.get 0) (local.get 1)))\n"
    "  (func (export \"filestat\") (param i32 i32) (result i32)\n"
    "    (call $fs (local.get 0) (i32.const 512)))\n"
    "  (func (export \"poll\") (param i32 i32) (result i32)\n" /* unused, subscriptions */
    "    (call $o (i32.const 1024) (i32.const 2048) (local.get 1) (i32.const 16)))\n"
    "  (func (export \"yield\") (param i32 i32) (result i32) (call $yield))\n"
    "  (func (export \"environ\") (param i32 i32) (result i32)\n" /* unused; their number */
    "    (drop (call $es (i32.const 16) (i32.const 20)))\n"
    "    (drop (call $eg (i32.const 4096) (i32.const 8192)))\n"
    "    (i32.load (i32.const 16)))\n"
    "  (func (export \"args\") (param i32 i32) (result i32)\n"
    "    (drop (call $as (i32.const 16) (i32.const 20))) (i32.load (i32.const 16))))\n";

enum { BADF = 8, AGAIN = 6, INVAL = 28, NOTSUP = 58, PIPE = 64, SPIPE = 70, DQUOT = 19 };
enum { DONE_AT = 16, VECTORS_AT = 64, STAT_AT = 512, SUBS_AT = 1024, EVENTS_AT = 2048, DATA_AT = 16384,
       VECTOR_ROOM = 1024 };

typedef struct World {
    /* What the streams do: a character per call, over and over from its last.  '.': all that is
     * asked for; 1 to 9: at most so many; 'w': wait; 'e': the end; 'x': fail; '+': too much. */
    const char *script;
    char in[64];              /* still to be read */
    char out[256];            /* written */
    size_t nout;
    unsigned calls, slept;
    uint64_t deadline;        /* at_sleep's */
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern memory;
    fnvm_wasi *wasi;
} World;

static void must(fnvm_error *error)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    if (error) fail();
}

static void failed(fnvm_error *error, fnvm_code code, const char *text)
{
    assert_non_null(error);
    if (fnvm_error_code(error) != code || !strstr(fnvm_error_message(error), text))
        fail_msg("expected \"%s\", got %d \"%s\"", text, (int)fnvm_error_code(error),
                 fnvm_error_message(error));
    fnvm_error_free(error);
}

/* ---- Streams ---- */

/* The bytes that this call moves, at most; false: *error says why not. */
static bool step(World *w, fnvm_caller *caller, size_t *most, fnvm_error **error)
{
    const char what = *w->script;
    w->calls++;
    if (w->script[1]) w->script++;
    *error = NULL;
    if (what == 'w') *error = fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    if (what == 'x') *error = fnvm_error_new(FNVM_E_IO, "the stream broke");
    if (what == 'e') *most = 0;
    if (what >= '1' && what <= '9' && *most > (size_t)(what - '0')) *most = (size_t)(what - '0');
    if (what == '+') ++*most;
    return !*error;
}

static fnvm_error *stream_read(void *env, fnvm_caller *caller, void *to, size_t size, size_t *done)
{
    World *w = env;
    fnvm_error *error;
    size_t most = size;
    if (!step(w, caller, &most, &error)) return error;
    *done = most;
    if (most > size) return NULL;
    if (most > strlen(w->in)) *done = most = strlen(w->in);
    if (most) memcpy(to, w->in, most);
    memmove(w->in, w->in + most, strlen(w->in) - most + 1);
    return NULL;
}

static fnvm_error *stream_write(void *env, fnvm_caller *caller, const void *from, size_t size,
                                size_t *done)
{
    World *w = env;
    fnvm_error *error;
    size_t most = size;
    if (!step(w, caller, &most, &error)) return error;
    *done = most;
    if (most > size) return NULL;
    assert_true(w->nout + most < sizeof w->out);
    if (most) memcpy(w->out + w->nout, from, most);
    w->nout += most;
    return NULL;
}

static fnvm_error *at_sleep(void *env, fnvm_caller *caller, uint64_t deadline_ns)
{
    World *w = env;
    w->slept++;
    w->deadline = deadline_ns;
    return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
}

static fnvm_stream stream_of(World *w)
{
    return (fnvm_stream){.env = w, .read = stream_read, .write = stream_write};
}

static void give_streams(World *w, fnvm_wasi *wasi)
{
    const fnvm_stream s = stream_of(w);
    for (int fd = 0; fd < 3; fd++) must(fnvm_wasi_stream(wasi, fd, &s));
}

/* ---- Worlds ---- */

static void world_open(World *w, void **state)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = *(const fnvm_engine_kind *)*state;
    *w = (World){.script = "."};
    must(fnvm_engine_new(&config, &w->engine));
    must(fnvm_module_new(w->engine, source, sizeof source - 1, &w->module));
    must(fnvm_store_new(w->engine, &w->store));
    must(fnvm_linker_new(w->store, &w->linker));
    must(fnvm_wasi_new(&w->wasi));
    must(fnvm_linker_define_wasi(w->linker, w->wasi));
    must(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
    assert_true(fnvm_instance_export(w->instance, "memory", 6, &w->memory));
}

static void world_with_streams(World *w, void **state)
{
    world_open(w, state);
    give_streams(w, w->wasi);
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_wasi_free(w->wasi);
    fnvm_module_release(w->module);
    fnvm_engine_free(w->engine);
}

static fnvm_error *call_in(fnvm_store *store, fnvm_instance *instance, const char *name, int32_t a,
                           int32_t b, int32_t *result)
{
    fnvm_extern func;
    fnvm_slot slots[2] = {{.i32 = (uint32_t)a}, {.i32 = (uint32_t)b}};
    assert_true(fnvm_instance_export(instance, name, strlen(name), &func));
    fnvm_error *error = fnvm_func_call_slots(store, func, slots);
    *result = (int32_t)slots[0].i32;
    return error;
}

/* The errno (or what else comes back); the guest must not wait. */
static int32_t call(World *w, const char *name, int32_t a, int32_t b)
{
    int32_t result;
    must(call_in(w->store, w->instance, name, a, b, &result));
    return result;
}

static void waits(World *w, const char *name, int32_t a, int32_t b)
{
    int32_t result;
    fnvm_error *error = call_in(w->store, w->instance, name, a, b, &result);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    assert_true(fnvm_store_suspended(w->store));
}

static int32_t resumed(World *w)
{
    fnvm_val result;
    must(fnvm_store_resume(w->store, &result, 1));
    return result.of.i32;
}

static void still_waits(World *w)
{
    fnvm_val result;
    assert_int_equal(fnvm_error_code(fnvm_store_resume(w->store, &result, 1)), FNVM_E_SUSPENDED);
}

/* Vectors of these sizes, VECTOR_ROOM apart, with `text` spread over them. */
static void vectors(World *w, const uint32_t *sizes, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t at = DATA_AT + (uint32_t)i * VECTOR_ROOM, vector[2] = {at, sizes[i]};
        size_t some = strlen(text) < sizes[i] ? strlen(text) : sizes[i];
        assert_true(fnvm_memory_write(w->store, w->memory, VECTORS_AT + 8 * i, vector, 8));
        assert_true(fnvm_memory_write(w->store, w->memory, at, text, some));
        text += some;
    }
}

static uint32_t word_at(World *w, uint32_t at)
{
    uint32_t word = 0;
    assert_true(fnvm_memory_read(w->store, w->memory, at, &word, sizeof word));
    return word;
}

static void moved(World *w, uint32_t bytes) { assert_int_equal(word_at(w, DONE_AT), bytes); }

static void memory_has(World *w, uint32_t at, const char *text)
{
    char found[64];
    assert_true(fnvm_memory_read(w->store, w->memory, at, found, strlen(text)));
    assert_memory_equal(found, text, strlen(text));
}

static void was_written(World *w, const char *text)
{
    assert_int_equal(w->nout, strlen(text));
    assert_memory_equal(w->out, text, strlen(text));
    w->nout = 0;
}

/* ---- Reading and writing ---- */

static void reads_what_is_there(void **state)
{
    World w;
    world_with_streams(&w, state);
    const uint32_t sizes[] = {0, 4, 100};
    vectors(&w, sizes, 3, "");
    strcpy(w.in, "hello, guest");
    w.script = ".wwe";
    assert_int_equal(call(&w, "read", 0, 3), 0);
    moved(&w, 4); /* one vector at a time */
    memory_has(&w, DATA_AT + VECTOR_ROOM, "hell");
    waits(&w, "read", 0, 3);
    moved(&w, 4); /* the guest's memory is untouched meanwhile */
    still_waits(&w);
    w.script = "3e";
    assert_int_equal(resumed(&w), 0);
    moved(&w, 3);
    memory_has(&w, DATA_AT + VECTOR_ROOM, "o, l");
    assert_int_equal(call(&w, "read", 0, 3), 0);
    moved(&w, 0);
    const unsigned calls = w.calls;
    assert_int_equal(call(&w, "read", 0, 1), 0); /* of nothing */
    assert_int_equal(w.calls, calls);
    world_close(&w);
}

/* Whatever the stream takes of each vector, every byte arrives once. */
static void writes_come_whole(void **state)
{
    World w;
    world_with_streams(&w, state);
    const uint32_t sizes[] = {5, 0, 3, 4};
    vectors(&w, sizes, 4, "abcdefghijkl");
    assert_int_equal(call(&w, "write", 1, 4), 0);
    moved(&w, 12);
    was_written(&w, "abcdefghijkl");
    w.script = ".w"; /* it would wait in the midst */
    assert_int_equal(call(&w, "write", 2, 4), 0);
    moved(&w, 5);
    was_written(&w, "abcde");
    w.script = "w";
    waits(&w, "write", 1, 4);
    was_written(&w, "");
    w.script = ".2";
    assert_int_equal(resumed(&w), 0);
    moved(&w, 7);
    was_written(&w, "abcdefg");
    w.script = ".e"; /* nobody takes the rest, then nothing at all */
    assert_int_equal(call(&w, "write", 1, 4), 0);
    moved(&w, 5);
    assert_int_equal(call(&w, "write", 1, 4), PIPE);
    world_close(&w);
}

static void failures_end_the_guest(void **state)
{
    World w;
    int32_t result;
    world_with_streams(&w, state);
    vectors(&w, (const uint32_t[]){5, 5}, 2, "abcdefghij");
    w.script = "x";
    failed(call_in(w.store, w.instance, "read", 0, 2, &result), FNVM_E_IO, "the stream broke");
    w.script = ".x";
    failed(call_in(w.store, w.instance, "write", 1, 2, &result), FNVM_E_IO, "the stream broke");
    w.script = "+";
    failed(call_in(w.store, w.instance, "read", 0, 2, &result), FNVM_E_USAGE, "6 of 5 bytes");
    failed(call_in(w.store, w.instance, "write", 1, 2, &result), FNVM_E_USAGE, "6 of 5 bytes");
    failed(fnvm_wasi_stream(w.wasi, 3, NULL), FNVM_E_USAGE, "none of the descriptors");
    world_close(&w);
}

static void guests_that_do_not_wait_are_told(void **state)
{
    enum { NONBLOCK = 4, APPEND = 1 };
    World w;
    world_with_streams(&w, state);
    vectors(&w, (const uint32_t[]){5, 5}, 2, "abcdefghij");
    w.script = "w";
    for (int fd = 0; fd < 2; fd++) {
        assert_int_equal(call(&w, "set_flags", fd, NONBLOCK), 0);
        assert_int_equal(call(&w, fd ? "write" : "read", fd, 2), AGAIN);
        assert_int_equal(call(&w, "set_flags", fd, APPEND), NOTSUP);
    }
    w.script = ".";
    assert_int_equal(call(&w, "write", 1, 2), 0);
    moved(&w, 10);
    world_close(&w);
}

static void nothing_is_the_end_and_the_void(void **state)
{
    World w;
    world_open(&w, state);
    for (int fd = 0; fd < 3; fd++) must(fnvm_wasi_stream(w.wasi, fd, NULL));
    vectors(&w, (const uint32_t[]){5, 5}, 2, "abcdefghij");
    assert_int_equal(call(&w, "read", 0, 2), 0);
    moved(&w, 0);
    assert_int_equal(call(&w, "write", 1, 2), 0);
    moved(&w, 10);
    assert_int_equal(call(&w, "write", 0, 2), BADF);
    assert_int_equal(call(&w, "read", 1, 2), BADF);
    world_close(&w);
}

static void streams_are_like_pipes(void **state)
{
    World w;
    world_with_streams(&w, state);
    assert_int_equal(call(&w, "fdstat", 0, 0), 0);
    assert_int_equal(word_at(&w, STAT_AT), 0); /* type and flags */
    assert_int_equal(word_at(&w, STAT_AT + 8) & 0x46, 0x42); /* may read and write, not seek */
    assert_int_equal(call(&w, "filestat", 1, 0), 0);
    assert_int_equal(word_at(&w, STAT_AT + 16) & 0xFF, 0);
    assert_int_equal(call(&w, "seek", 0, 0), SPIPE);
    vectors(&w, (const uint32_t[]){5}, 1, "");
    assert_int_equal(call(&w, "pread", 0, 1), SPIPE);
    assert_int_equal(call(&w, "sync", 1, 0), INVAL);
    assert_int_equal(call(&w, "close", 1, 0), 0);
    assert_int_equal(call(&w, "write", 1, 1), BADF);
    world_close(&w);
}

static void output_is_limited(void **state)
{
    World w;
    world_with_streams(&w, state);
    fnvm_wasi_limit_output(w.wasi, 14);
    vectors(&w, (const uint32_t[]){5, 5}, 2, "abcdefghij");
    w.script = "w";
    waits(&w, "write", 1, 2);
    w.script = ".";
    assert_int_equal(resumed(&w), 0);
    moved(&w, 10);
    assert_int_equal(call(&w, "write", 2, 2), 0);
    moved(&w, 4);
    assert_int_equal(call(&w, "write", 2, 2), DQUOT);
    was_written(&w, "abcdefghijabcd");
    world_close(&w);
}

/* ---- Waiting ---- */

typedef struct Sub {          /* a subscription as it lies in memory */
    uint64_t userdata;
    uint8_t tag, pad[7];
    union {
        struct { uint32_t id, pad; uint64_t timeout, precision; uint16_t flags; } clock;
        uint32_t fd;
    } of;
} Sub;
_Static_assert(sizeof(Sub) == 48, "the interface's");

static void subscribe(World *w, uint32_t i, Sub s)
{
    assert_true(fnvm_memory_write(w->store, w->memory, SUBS_AT + 48 * i, &s, sizeof s));
}

static void subscribe_clock(World *w, uint32_t i, uint64_t timeout)
{
    subscribe(w, i, (Sub){.userdata = 7, .tag = 0, .of.clock = {.id = 1, .timeout = timeout}});
}

static void subscribe_stream(World *w, uint32_t i, bool reads, uint32_t fd)
{
    subscribe(w, i, (Sub){.userdata = 10 + fd, .tag = reads ? 1 : 2, .of.fd = fd});
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void event_is(World *w, uint32_t userdata)
{
    moved(w, 1);
    assert_int_equal(word_at(w, EVENTS_AT), userdata);
}

static void polls_streams(void **state)
{
    World w;
    world_with_streams(&w, state);
    strcpy(w.in, "text");
    subscribe_stream(&w, 0, true, 0);
    assert_int_equal(call(&w, "poll", 0, 1), 0);
    event_is(&w, 10);
    assert_string_equal(w.in, "text"); /* nothing was read */
    w.script = "w";
    waits(&w, "poll", 0, 1);
    still_waits(&w);
    w.script = ".";
    assert_int_equal(resumed(&w), 0);
    event_is(&w, 10);
    w.script = "w."; /* one of two is ready */
    subscribe_stream(&w, 1, false, 1);
    assert_int_equal(call(&w, "poll", 0, 2), 0);
    event_is(&w, 11);
    w.script = "x";
    int32_t result;
    failed(call_in(w.store, w.instance, "poll", 0, 2, &result), FNVM_E_IO, "the stream broke");
    world_close(&w);
}

/* It may be over before the guest would wait, where a thread does not run for so long: then a longer one. */
static void ends_with_its_time(World *w)
{
    fnvm_error *error;
    int32_t result;
    for (uint64_t ms = 20;; ms *= 10) {
        subscribe_clock(w, 0, ms * 1000000);
        error = call_in(w->store, w->instance, "poll", 0, 1, &result);
        if (error) break;
        assert_int_equal(result, 0);
        event_is(w, 7);
        assert_true(ms < 100000);
    }
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    while (now() < w->deadline) usleep(1000);
    assert_int_equal(resumed(w), 0);
    event_is(w, 7);
}

/* The time counts from the guest's call, however often that is repeated. */
static void sleeps_are_the_embedders(void **state)
{
    const uint64_t second = 1000000000;
    World w;
    world_with_streams(&w, state);
    fnvm_wasi_at_sleep(w.wasi, at_sleep, &w);
    subscribe_clock(&w, 0, 1000 * second);
    const uint64_t before = now();
    waits(&w, "poll", 0, 1);
    const uint64_t deadline = w.deadline;
    assert_true(deadline >= before + 1000 * second && deadline <= now() + 1000 * second);
    usleep(20000);
    const uint64_t again = now();
    still_waits(&w);
    /* What is left is added to a time that is read a little later. */
    assert_true(w.deadline <= deadline + (now() - again));
    assert_int_equal(w.slept, 2);
    fnvm_store_abandon(w.store);
    ends_with_its_time(&w);
    w.slept = 2;
    /* The next one counts anew; a stream and a time limit are waited for together. */
    subscribe_clock(&w, 0, 1000 * second);
    subscribe_stream(&w, 1, true, 0);
    w.script = "w.";
    waits(&w, "poll", 0, 2);
    assert_true(w.deadline > now() + 900 * second);
    assert_int_equal(resumed(&w), 0);
    event_is(&w, 10);
    /* sched_yield waits once. */
    waits(&w, "yield", 0, 0);
    assert_int_equal(w.deadline, 0);
    assert_int_equal(resumed(&w), 0);
    assert_int_equal(w.slept, 4);
    world_close(&w);
}

/* A pipe of the host's beside a stream is looked at first. */
static void host_descriptors_count_too(void **state)
{
    World w;
    int ends[2];
    world_with_streams(&w, state);
    assert_int_equal(pipe(ends), 0);
    must(fnvm_wasi_stdio(w.wasi, 0, ends[0]));
    subscribe_stream(&w, 0, true, 0);
    subscribe_stream(&w, 1, false, 1);
    w.script = "w";
    waits(&w, "poll", 0, 2);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(resumed(&w), 0);
    event_is(&w, 10);
    close(ends[0]);
    close(ends[1]);
    world_close(&w);
}

/* ---- Environment ---- */

static void environments_are_replaced(void **state)
{
    World w;
    world_open(&w, state);
    must(fnvm_wasi_env(w.wasi, "SECRET", "of the first"));
    must(fnvm_wasi_arg(w.wasi, "program"));
    assert_int_equal(call(&w, "environ", 0, 0), 1);
    memory_has(&w, 8192, "SECRET=of the first");
    for (int i = 0; i < 3; i++) {
        fnvm_wasi_clear_env(w.wasi);
        must(fnvm_wasi_env(w.wasi, "A", "1"));
        must(fnvm_wasi_env(w.wasi, "B", i == 1 ? "a value that is longer than all before it" : ""));
        assert_int_equal(call(&w, "environ", 0, 0), 2);
        memory_has(&w, 8192, i == 1 ? "A=1\0B=a value that" : "A=1");
        assert_int_equal(word_at(&w, 4100), 8196);
    }
    static const char block[] = "C=3\0D=\0E=a=b";
    fnvm_wasi_clear_env(w.wasi);
    must(fnvm_wasi_env(w.wasi, "A", "1"));
    must(fnvm_wasi_env_block(w.wasi, block, sizeof block));
    must(fnvm_wasi_env_block(w.wasi, NULL, 0));
    assert_int_equal(call(&w, "environ", 0, 0), 4);
    memory_has(&w, 8192, "A=1");
    memory_has(&w, 8196, "C=3");
    memory_has(&w, 8200, "D=");
    memory_has(&w, 8203, "E=a=b");
    assert_int_equal(call(&w, "args", 0, 0), 1);
    fnvm_wasi_clear_args(w.wasi);
    fnvm_wasi_clear_env(w.wasi);
    static const char *const wrong[] = {"F=6\0=7", "F=6\0G", "F=6\0\0"};
    static const size_t sizes[] = {7, 6, 5};
    for (size_t i = 0; i < 3; i++) {
        fnvm_error *error = fnvm_wasi_env_block(w.wasi, wrong[i], sizes[i]);
        assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
        fnvm_error_free(error);
    }
    fnvm_error *open_ended = fnvm_wasi_env_block(w.wasi, "F=6\0H=8", 7);
    assert_int_equal(fnvm_error_code(open_ended), FNVM_E_USAGE);
    fnvm_error_free(open_ended);
    assert_int_equal(call(&w, "args", 0, 0), 0);
    assert_int_equal(call(&w, "environ", 0, 0), 0);
    world_close(&w);
}

/* ---- Images and pools ---- */

static void freeze(World *w, char path[64])
{
    strcpy(path, "/tmp/fnvm-test-stream-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const fnvm_freeze how = {.path = path, .main = w->instance, .linker = w->linker, .wasi = w->wasi,
                             .no_sync = true};
    must(fnvm_store_freeze(w->store, &how));
}

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    must(fnvm_wasi_new(wasi));
    give_streams(env, *wasi);
    must(fnvm_linker_define_wasi(linker, *wasi));
    return NULL;
}

/* Puts the world's store in place of its own, so that the functions above are for it. */
static void take(World *w, fnvm_pool *pool)
{
    must(fnvm_pool_take(pool, &w->store, &w->instance));
    assert_true(fnvm_instance_export(w->instance, "memory", 6, &w->memory));
    w->wasi = fnvm_store_wasi(w->store);
    assert_non_null(w->wasi);
}

static void images_do_not_know(void **state, bool frozen_with_streams)
{
    World w, first;
    char path[64];
    fnvm_image *image;
    fnvm_pool *pool;
    world_open(&w, state);
    if (frozen_with_streams) give_streams(&w, w.wasi);
    else must(fnvm_wasi_inherit_stdio(w.wasi));
    assert_int_equal(call(&w, "close", 2, 0), 0);
    freeze(&w, path);
    const fnvm_image_options o = {.modules = &w.module, .nmodules = 1};
    must(fnvm_image_open(w.engine, path, &o, &image));
    must(fnvm_pool_new(image, &(fnvm_pool_options){.most = 1, .define = define, .env = &w}, &pool));
    first = w;
    for (int i = 0; i < 3; i++) {
        take(&w, pool);
        fnvm_wasi_clear_env(w.wasi);
        must(fnvm_wasi_env(w.wasi, "N", i == 0 ? "a long value" : "x"));
        assert_int_equal(call(&w, "environ", 0, 0), 1);
        memory_has(&w, 8192, i == 0 ? "N=a long value" : "N=x");
        assert_int_equal(word_at(&w, 20), i == 0 ? 15 : 4);
        vectors(&w, (const uint32_t[]){5}, 1, "abcde");
        w.script = ".";
        assert_int_equal(call(&w, "write", 2, 1), BADF); /* as it was frozen */
        assert_int_equal(call(&w, "write", 1, 1), 0);
        was_written(&w, "abcde");
        w.script = "w";
        waits(&w, "read", 0, 1);
        if (i == 1) { /* a reset ends the waiting, and brings back what was closed */
            fnvm_store_abandon(w.store);
            assert_int_equal(call(&w, "close", 1, 0), 0);
        }
        fnvm_pool_give(pool, w.store);
    }
    fnvm_pool_free(pool);
    fnvm_image_release(image);
    unlink(path);
    world_close(&first);
}

static void images_of_pipes(void **state) { images_do_not_know(state, false); }
static void images_of_streams(void **state) { images_do_not_know(state, true); }

/* Frozen while it waits, a guest waits in the copies as well. */
static void waiting_guests_are_frozen(void **state)
{
    World w;
    char path[64];
    fnvm_image *image;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *main;
    world_with_streams(&w, state);
    vectors(&w, (const uint32_t[]){5}, 1, "");
    w.script = "w";
    waits(&w, "read", 0, 1);
    freeze(&w, path);
    strcpy(w.in, "here");
    w.script = ".";
    assert_int_equal(resumed(&w), 0);
    memory_has(&w, DATA_AT, "here");
    const fnvm_image_options o = {.modules = &w.module, .nmodules = 1};
    must(fnvm_image_open(w.engine, path, &o, &image));
    assert_true(fnvm_image_suspended(image));
    must(fnvm_store_new(w.engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(define(&w, linker, &wasi));
    must(fnvm_image_restore(image, linker, wasi, &main));
    for (int i = 0; i < 3; i++) {
        fnvm_val result;
        w.script = "w"; /* from the image's waiting straight into ours */
        assert_int_equal(fnvm_error_code(fnvm_store_resume(store, &result, 1)), FNVM_E_SUSPENDED);
        assert_int_equal(fnvm_error_code(fnvm_store_resume(store, &result, 1)), FNVM_E_SUSPENDED);
        w.script = ".";
        strcpy(w.in, "there");
        must(fnvm_store_resume(store, &result, 1));
        assert_int_equal(result.of.i32, 0);
        fnvm_extern memory;
        char found[5];
        assert_true(fnvm_instance_export(main, "memory", 6, &memory));
        assert_true(fnvm_memory_read(store, memory, DATA_AT, found, sizeof found));
        assert_memory_equal(found, "there", 5);
        must(fnvm_store_reset(store));
    }
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
    fnvm_image_release(image);
    unlink(path);
    world_close(&w);
}

/* What a stream does can be replaced at any time, also when the guest has closed its descriptor:
 * that stays as it is. */
static void streams_are_replaced(void **state)
{
    World w, other = {.script = "."};
    world_with_streams(&w, state);
    vectors(&w, (const uint32_t[]){5}, 1, "abcde");
    const fnvm_stream s = stream_of(&other);
    must(fnvm_wasi_stream(w.wasi, 1, &s));
    assert_int_equal(call(&w, "write", 1, 1), 0);
    was_written(&other, "abcde");
    assert_int_equal(call(&w, "close", 1, 0), 0);
    must(fnvm_wasi_stream(w.wasi, 1, &s));
    assert_int_equal(call(&w, "write", 1, 1), BADF);
    world_close(&w);
}

#define TEST(test, kind, name) {#test "_" name, test, NULL, NULL, kind}
#define BOTH(test) TEST(test, &interpreter, "interpreted"), TEST(test, &compiler, "compiled")
static fnvm_engine_kind interpreter = FNVM_ENGINE_INTERPRETER, compiler = FNVM_ENGINE_AUTO;

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(reads_what_is_there),
        BOTH(writes_come_whole),
        BOTH(failures_end_the_guest),
        BOTH(guests_that_do_not_wait_are_told),
        BOTH(nothing_is_the_end_and_the_void),
        BOTH(streams_are_like_pipes),
        BOTH(output_is_limited),
        BOTH(polls_streams),
        BOTH(sleeps_are_the_embedders),
        BOTH(host_descriptors_count_too),
        BOTH(environments_are_replaced),
        BOTH(images_of_pipes),
        BOTH(images_of_streams),
        BOTH(waiting_guests_are_frozen),
        BOTH(streams_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
