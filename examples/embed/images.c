/* A pool of instances that start where the first one was frozen: each request gets one of its own,
 * with its own environment, and what it does is gone afterwards.
 *
 *     cc images.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#define _XOPEN_SOURCE 700
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* start() is expensive, let us say; handle() counts, and writes the first environment variable to
 * standard output. */
static const char guest[] =
    "(module (import \"wasi_snapshot_preview1\" \"environ_get\""
    "    (func $environ (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"environ_sizes_get\""
    "    (func $sizes (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"fd_write\""
    "    (func $write (param i32 i32 i32 i32) (result i32)))"
    "  (memory (export \"memory\") 1) (global $calls (mut i32) (i32.const 0))"
    "  (func (export \"start\") (global.set $calls (i32.const 100)))"
    "  (func (export \"handle\") (result i32)"
    "    (drop (call $sizes (i32.const 0) (i32.const 20)))"
    "    (drop (call $environ (i32.const 1024) (i32.const 2048)))"
    "    (i32.store (i32.const 16) (i32.const 2048))" /* a vector: address, and the length at 20 */
    "    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)))"
    "    (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls)))";

typedef struct Output { char text[64]; size_t len; } Output;

static void must(fnvm_error *e)
{
    if (e) exit(fprintf(stderr, "%s\n", fnvm_error_message(e)) != 0);
}

static fnvm_error *write_output(void *env, fnvm_caller *caller, const void *from, size_t size,
                                size_t *done)
{
    Output *out = env;
    (void)caller;
    *done = size < sizeof out->text - out->len ? size : sizeof out->text - out->len;
    memcpy(out->text + out->len, from, *done);
    out->len += *done;
    return NULL;
}

/* What every store needs that is made of the image; the environment comes with the request. */
static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    const fnvm_stream to = {.env = env, .write = write_output};
    fnvm_error *e = fnvm_wasi_new(wasi);
    if (!e) e = fnvm_wasi_stream(*wasi, 1, &to);
    if (!e) e = fnvm_linker_define_wasi(linker, *wasi);
    return e;
}

static int32_t call(fnvm_store *store, fnvm_instance *instance, const char *name)
{
    fnvm_extern func;
    fnvm_slot result = {.i64 = 0};
    if (!fnvm_instance_export(instance, name, strlen(name), &func)) exit(1);
    must(fnvm_func_call_slots(store, func, &result));
    return (int32_t)result.i32;
}

static void make_image(fnvm_engine *engine, fnvm_module *module, const char *path, Output *out)
{
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *instance;
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(define(out, linker, &wasi));
    must(fnvm_linker_instantiate(linker, module, &instance));
    call(store, instance, "start");
    must(fnvm_store_freeze(store, &(fnvm_freeze){.path = path, .main = instance, .linker = linker,
                                                 .wasi = wasi}));
    fnvm_linker_free(linker), fnvm_store_free(store), fnvm_wasi_free(wasi);
}

static void serve(fnvm_pool *pool, const char *who, Output *out)
{
    fnvm_store *store;
    fnvm_instance *instance;
    out->len = 0;
    must(fnvm_pool_take(pool, &store, &instance));
    fnvm_wasi *wasi = fnvm_store_wasi(store);
    fnvm_wasi_clear_env(wasi); /* it has the last request's still */
    must(fnvm_wasi_env(wasi, "WHO", who));
    const int32_t calls = call(store, instance, "handle");
    printf("%.*s: %d\n", (int)out->len - 1, out->text, (int)calls);
    fnvm_pool_give(pool, store);
}

int main(void)
{
    char path[] = "/tmp/fnvm-example-XXXXXX";
    Output out = {.len = 0};
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_image *image;
    fnvm_pool *pool;
    if (close(mkstemp(path)) != 0) return 1;
    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    make_image(engine, module, path, &out);
    fnvm_module_release(module);
    must(fnvm_image_open(engine, path, NULL, &image));
    const fnvm_pool_options one = {.most = 1, .define = define, .env = &out};
    must(fnvm_pool_new(image, &one, &pool));
    serve(pool, "the first", &out);
    serve(pool, "the second", &out);
    fnvm_pool_free(pool);
    fnvm_image_release(image), fnvm_engine_free(engine);
    return unlink(path);
}
