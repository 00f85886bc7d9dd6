/* What calls between an embedder and a guest cost, in nanoseconds, with both engines:
 *
 *   func_call     fnvm_func_call of a function that adds one
 *   in slots      the same by fnvm_func_call_slots
 *   host call     the guest calls a host function that adds one
 *   repeat        the host function leaves the guest waiting, and is called again when it goes on
 *   answer        it leaves the guest waiting, and the embedder gives what it returns
 *   request       a store from a pool, six environment variables, a WASI call that reads them and
 *                 writes 12 bytes to a stream; and giving it back
 *
 * Each is the median of several rounds.  What waiting costs is the difference to a host call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fnvm.h"

enum { ROUNDS = 15, TIMES = 200000, REQUESTS = 20000 };

static const char source[] =
    "(module (import \"host\" \"add\" (func $add (param i32) (result i32)))\n"
    "  (import \"host\" \"repeat\" (func $repeat (param i32) (result i32)))\n"
    "  (import \"host\" \"answer\" (func $answer (param i32) (result i32)))\n"
    "  (import \"wasi_snapshot_preview1\" \"fd_write\"\n"
    "    (func $write (param i32 i32 i32 i32) (result i32)))\n"
    "  (import \"wasi_snapshot_preview1\" \"environ_get\" (func $env (param i32 i32) (result i32)))\n"
    "  (import \"wasi_snapshot_preview1\" \"environ_sizes_get\"\n"
    "    (func $sizes (param i32 i32) (result i32)))\n"
    "  (memory (export \"memory\") 1)\n"
    "  (data (i32.const 64) \"\\50\\00\\00\\00\\0c\\00\\00\\00\") (data (i32.const 80) \"Hello world\\n\")\n"
    "  (func (export \"one\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))\n"
    "  (func (export \"adds\") (param i32) (result i32) (local i32)\n"
    "    (loop $l (local.set 1 (call $add (local.get 1)))\n"
    "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))\n"
    "  (func (export \"repeats\") (param i32) (result i32) (local i32)\n"
    "    (loop $l (local.set 1 (call $repeat (local.get 1)))\n"
    "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))\n"
    "  (func (export \"answers\") (param i32) (result i32) (local i32)\n"
    "    (loop $l (local.set 1 (call $answer (local.get 1)))\n"
    "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))\n"
    "  (func (export \"_start\")\n"
    "    (drop (call $sizes (i32.const 0) (i32.const 4)))\n"
    "    (drop (call $env (i32.const 1024) (i32.const 2048)))\n"
    "    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 8)))))\n";

typedef struct World {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_wasi *wasi;
    bool woken;
    size_t written;
} World;

static void must(fnvm_error *error)
{
    if (!error) return;
    fprintf(stderr, "Error: %s\n", fnvm_error_message(error));
    exit(1);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- The host's side ---- */

static fnvm_error *host_add(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32++;
    return NULL;
}

static fnvm_error *host_repeat(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    w->woken = !w->woken;
    if (w->woken) return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    slots[0].i32++;
    return NULL;
}

static fnvm_error *host_answer(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    return fnvm_caller_suspend(caller, FNVM_WAKE_RETURN);
}

static fnvm_error *stream_write(void *env, fnvm_caller *caller, const void *from, size_t size,
                                size_t *done)
{
    World *w = env;
    (void)caller, (void)from;
    w->written += *done = size;
    return NULL;
}

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    World *w = env;
    const fnvm_stream s = {.env = w, .write = stream_write};
    fnvm_error *e = fnvm_linker_define_func(linker, "host", "add", "i32 -> i32", host_add, w);
    if (!e) e = fnvm_linker_define_func(linker, "host", "repeat", "i32 -> i32", host_repeat, w);
    if (!e) e = fnvm_linker_define_func(linker, "host", "answer", "i32 -> i32", host_answer, w);
    if (!e) e = fnvm_wasi_new(wasi);
    for (int fd = 0; fd < 3 && !e; fd++) e = fnvm_wasi_stream(*wasi, fd, &s);
    if (!e) e = fnvm_linker_define_wasi(linker, *wasi);
    w->wasi = *wasi;
    return e;
}

/* ---- What is measured ---- */

static fnvm_extern export_of(fnvm_instance *instance, const char *name)
{
    fnvm_extern out;
    if (fnvm_instance_export(instance, name, strlen(name), &out)) return out;
    fprintf(stderr, "Error: no export %s\n", name);
    exit(1);
}

static void func_calls(World *w)
{
    const fnvm_extern func = export_of(w->instance, "one");
    fnvm_val v = {.kind = FNVM_I32, .of.i32 = 0};
    for (int i = 0; i < TIMES; i++) must(fnvm_func_call(w->store, func, &v, 1, &v, 1));
}

static void slot_calls(World *w)
{
    const fnvm_extern func = export_of(w->instance, "one");
    fnvm_slot slot = {.i64 = 0};
    for (int i = 0; i < TIMES; i++) must(fnvm_func_call_slots(w->store, func, &slot));
}

static void host_calls(World *w)
{
    fnvm_slot slot = {.i64 = TIMES};
    must(fnvm_func_call_slots(w->store, export_of(w->instance, "adds"), &slot));
}

static void repeats(World *w)
{
    fnvm_slot slot = {.i64 = TIMES};
    fnvm_val result;
    fnvm_error *e = fnvm_func_call_slots(w->store, export_of(w->instance, "repeats"), &slot);
    while (fnvm_error_code(e) == FNVM_E_SUSPENDED) e = fnvm_store_resume(w->store, &result, 1);
    must(e);
}

static void answers(World *w)
{
    fnvm_slot slot = {.i64 = TIMES};
    fnvm_val result;
    fnvm_error *e = fnvm_func_call_slots(w->store, export_of(w->instance, "answers"), &slot);
    while (fnvm_error_code(e) == FNVM_E_SUSPENDED)
        e = fnvm_store_resume_with(w->store, &slot, &result, 1);
    must(e);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(World *w, const char *name, void (*run)(World *), int times)
{
    double ns[ROUNDS];
    run(w);
    for (int i = 0; i < ROUNDS; i++) {
        const double start = now_ns();
        run(w);
        ns[i] = (now_ns() - start) / times;
    }
    qsort(ns, ROUNDS, sizeof *ns, ascending);
    printf("  %-10s %8.1f ns\n", name, ns[ROUNDS / 2]);
}

/* ---- Requests ---- */

static fnvm_pool *pool; /* of the world that is measured */

static void requests(World *w)
{
    static const char *const names[] = {"REQUEST_METHOD", "PATH_INFO", "QUERY_STRING",
                                        "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST"};
    for (int i = 0; i < REQUESTS; i++) {
        fnvm_store *store;
        fnvm_instance *instance;
        must(fnvm_pool_take(pool, &store, &instance));
        fnvm_wasi_clear_env(w->wasi);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            must(fnvm_wasi_env(w->wasi, names[k], "/some/value"));
        must(fnvm_func_call_slots(store, export_of(instance, "_start"), NULL));
        fnvm_pool_give(pool, store);
    }
}

static void measure_requests(World *w)
{
    char path[] = "/tmp/fnvm-bench-XXXXXX";
    const int fd = mkstemp(path);
    fnvm_image *image;
    fnvm_wasi *own = w->wasi;
    close(fd);
    must(fnvm_store_freeze(w->store, &(fnvm_freeze){.path = path, .main = w->instance,
                                                    .linker = w->linker, .wasi = w->wasi}));
    must(fnvm_image_open(w->engine, path,
                         &(fnvm_image_options){.modules = &w->module, .nmodules = 1}, &image));
    must(fnvm_pool_new(image, &(fnvm_pool_options){1, 1, define, w}, &pool));
    measure(w, "request", requests, REQUESTS);
    fnvm_pool_free(pool);
    fnvm_image_release(image);
    unlink(path);
    w->wasi = own;
}

int main(void)
{
    static const fnvm_engine_kind kinds[] = {FNVM_ENGINE_INTERPRETER, FNVM_ENGINE_AUTO};
    for (int k = 0; k < 2; k++) {
        World w = {0};
        fnvm_config config;
        fnvm_config_default(&config);
        config.engine = kinds[k];
        must(fnvm_engine_new(&config, &w.engine));
        must(fnvm_module_new(w.engine, source, sizeof source - 1, &w.module));
        must(fnvm_store_new(w.engine, &w.store));
        must(fnvm_linker_new(w.store, &w.linker));
        must(define(&w, w.linker, &w.wasi));
        must(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
        puts(k ? "compiled where that is possible" : "interpreted");
        measure(&w, "func_call", func_calls, TIMES);
        measure(&w, "in slots", slot_calls, TIMES);
        measure(&w, "host call", host_calls, TIMES);
        measure(&w, "repeat", repeats, TIMES);
        measure(&w, "answer", answers, TIMES);
        measure_requests(&w);
        fnvm_linker_free(w.linker);
        fnvm_store_free(w.store);
        fnvm_wasi_free(w.wasi);
        fnvm_module_release(w.module);
        fnvm_engine_free(w.engine);
    }
    return 0;
}
