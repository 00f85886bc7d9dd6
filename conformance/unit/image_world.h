/* What the tests of images share: an engine with a store to freeze, copies restored from it, and
 * calls of small functions. */
#ifndef FNVM_UNIT_IMAGE_WORLD_H
#define FNVM_UNIT_IMAGE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fnvm.h"
#include "vm/image/state_hash.h"

/* ---- Worlds ---- */

typedef struct World {
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_module *modules[4];
    size_t nmodules;
    char dir[64], path[96];
    /* What the host function `freeze` does, and saw. */
    fnvm_wake wake;
    uint64_t value;
    bool silent;               /* it only returns its argument */
    unsigned calls;
    fnvm_error *frozen;        /* how freezing failed */
} World;

static inline void must(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    fail();
}

static inline bool says(const fnvm_error *error, const char *text)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        if (strstr(fnvm_error_message(e), text)) return true;
    return false;
}

/* Frees the error, which is of the code and says `text` somewhere (NULL: anything). */
static inline void refused(fnvm_error *error, fnvm_code code, const char *text)
{
    if (!error) fail_msg("not refused; expected \"%s\"", text ? text : "an error");
    if (fnvm_error_code(error) != code || (text && !says(error, text))) {
        print_error("expected code %d and \"%s\", got code %d:\n", (int)code, text ? text : "",
                    (int)fnvm_error_code(error));
        must(error);
    }
    fnvm_error_free(error);
}

/* host.freeze: writes an image from in the midst of the guest. */
static inline fnvm_error *freeze_here(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    w->calls++;
    if (w->silent) return NULL;
    fnvm_freeze how = {.path = w->path, .main = w->instance, .linker = w->linker, .no_sync = true,
                       .wake = w->wake, .value = w->value};
    fnvm_error_free(w->frozen);
    w->frozen = fnvm_caller_freeze(caller, &how);
    slots[0].i32 = 0;
    return NULL;
}

/* host.back: calls the guest's export "back". */
static inline fnvm_error *call_back(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    fnvm_extern func;
    fnvm_val arg = {FNVM_I32, {.i32 = (int32_t)slots[0].i32}}, result;
    if (!fnvm_instance_export(fnvm_caller_instance(caller), "back", 4, &func))
        return fnvm_error_trap_new(FNVM_TRAP_HOST, "no export back");
    fnvm_error *error = fnvm_func_call(w->store, func, &arg, 1, &result, 1);
    if (!error) slots[0].i32 = (uint32_t)result.of.i32;
    return error;
}

static inline fnvm_error *define_hosts(World *w, fnvm_linker *linker)
{
    fnvm_error *error =
        fnvm_linker_define_func(linker, "host", "freeze", "i32 -> i32", freeze_here, w);
    if (!error)
        error = fnvm_linker_define_func(linker, "host", "back", "i32 -> i32", call_back, w);
    return error;
}

static inline fnvm_config config_of(void **state)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = *(const fnvm_engine_kind *)*state;
    return config;
}

static inline void world_open(World *w, const fnvm_config *config)
{
    *w = (World){.config = *config, .value = 1};
    fnvm_error *error = fnvm_engine_new(config, &w->engine);
    if (error && config->engine == FNVM_ENGINE_JIT &&
        fnvm_error_code(error) == FNVM_E_USAGE) { /* there is no compiler here */
        fnvm_error_free(error);
        skip();
    }
    must(error);
    must(fnvm_store_new(w->engine, &w->store));
    must(fnvm_linker_new(w->store, &w->linker));
    must(define_hosts(w, w->linker));
    strcpy(w->dir, "/tmp/fnvm-test-images-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/a.fnvmi", w->dir);
}

static inline fnvm_module *load(World *w, const char *text)
{
    fnvm_module *m;
    must(fnvm_module_new(w->engine, text, strlen(text), &m));
    assert_true(w->nmodules < sizeof w->modules / sizeof *w->modules);
    w->modules[w->nmodules++] = m;
    return m;
}

static inline void instantiate(World *w, const char *text)
{
    must(fnvm_linker_instantiate(w->linker, load(w, text), &w->instance));
}

static inline void world_with(World *w, const fnvm_config *config, const char *text)
{
    world_open(w, config);
    instantiate(w, text);
}

static inline void store_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    w->linker = NULL;
    w->store = NULL;
}

static inline void world_close(World *w)
{
    store_close(w);
    for (size_t i = 0; i < w->nmodules; i++) fnvm_module_release(w->modules[i]);
    fnvm_engine_free(w->engine);
    fnvm_error_free(w->frozen);
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0); /* nothing else was left there */
}

/* ---- Freezing and restoring ---- */

static inline fnvm_error *freeze(World *w)
{
    fnvm_freeze how = {.path = w->path, .main = w->instance, .linker = w->linker, .no_sync = true};
    return fnvm_store_freeze(w->store, &how);
}

static inline fnvm_error *open_image(const World *w, fnvm_image **out)
{
    *out = NULL;
    fnvm_image_options options = {.modules = w->modules, .nmodules = w->nmodules};
    return fnvm_image_open(w->engine, w->path, &options, out);
}

/* A store made from the image, in the same engine and with the same host functions. */
typedef struct Copy { fnvm_store *store; fnvm_linker *linker; fnvm_instance *main; } Copy;

static inline void copy_open(World *w, fnvm_image *image, Copy *c)
{
    must(fnvm_store_new(w->engine, &c->store));
    must(fnvm_linker_new(c->store, &c->linker));
    must(define_hosts(w, c->linker));
    must(fnvm_image_restore(image, c->linker, NULL, &c->main));
}

static inline void copy_close(Copy *c)
{
    fnvm_linker_free(c->linker);
    fnvm_store_free(c->store);
}

static inline ImageHash visible(fnvm_store *store)
{
    ImageHash hash;
    must(store_visible_hash(store, &hash));
    return hash;
}

static inline ImageHash whole(fnvm_store *store)
{
    ImageHash hash;
    must(store_state_hash(store, &hash));
    return hash;
}

static inline bool same(ImageHash a, ImageHash b) { return memcmp(&a, &b, sizeof a) == 0; }

/* Freezes the world's store and restores it; both are the same then. */
static inline void duplicate(World *w, Copy *c)
{
    fnvm_image *image;
    must(freeze(w));
    must(open_image(w, &image));
    assert_false(fnvm_image_suspended(image));
    copy_open(w, image, c);
    fnvm_image_release(image);
    assert_true(same(visible(w->store), visible(c->store)));
    assert_int_equal(fnvm_store_instances(c->store), fnvm_store_instances(w->store));
}

/* ---- Calls ---- */

/* A function of at most one i32 and at most one i32. */
static inline fnvm_error *call(fnvm_store *store, fnvm_instance *instance, const char *name,
                               int32_t arg, int32_t *result)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(instance, name, strlen(name), &func));
    fnvm_val a = {FNVM_I32, {.i32 = arg}}, r = {FNVM_I32, {.i32 = 0}};
    size_t nargs = fnvm_func_params(store, func, NULL, 0);
    size_t nresults = fnvm_func_results(store, func, NULL, 0);
    assert_true(nargs <= 1 && nresults <= 1);
    fnvm_error *error = fnvm_func_call(store, func, &a, nargs, &r, nresults);
    if (result) *result = r.of.i32;
    return error;
}

static inline void returns(fnvm_store *store, fnvm_instance *instance, const char *name,
                           int32_t arg, int32_t expected)
{
    int32_t result;
    must(call(store, instance, name, arg, &result));
    if (result != expected) fail_msg("%s: %d, expected %d", name, (int)result, (int)expected);
}

static inline void runs(fnvm_store *store, fnvm_instance *instance, const char *name, int32_t arg)
{
    must(call(store, instance, name, arg, NULL));
}

static inline void traps(fnvm_store *store, fnvm_instance *instance, const char *name,
                         fnvm_trap trap)
{
    fnvm_error *error = call(store, instance, name, 0, NULL);
    assert_non_null(error);
    assert_int_equal(fnvm_error_trap(error), trap);
    fnvm_error_free(error);
}

/* next() counts, in a global and in memory; the others do what there is to be undone. */
static inline const char *counter_program(void)
{
    return "(module (memory 1 3) (global $n (mut i32) (i32.const 0))"
           " (func (export \"next\") (result i32)"
           "  (global.set $n (i32.add (global.get $n) (i32.const 1)))"
           "  (i32.store (i32.const 4096) (global.get $n)) (i32.load (i32.const 4096)))"
           " (func (export \"loop\") (loop (br 0)))"
           " (func $deep (export \"deep\") (param i32)"
           "  (call $deep (i32.add (local.get 0) (i32.const 1))))"
           " (func (export \"grow\") (drop (memory.grow (i32.const 2)))"
           "  (i32.store (i32.const 196604) (i32.const -1)))"
           " (func (export \"last\") (result i32) (drop (memory.grow (i32.const 2)))"
           "  (i32.load (i32.const 196604)))"
           " (func (export \"fail\") (i32.store (i32.const 0) (i32.const 7)) (unreachable)))";
}

/* Every test with both engines: *state says which. */
#define IMAGE_TEST(test, kind, name) {#test "_" name, test, NULL, NULL, kind}
#define BOTH_ENGINES(test)                                                                        \
    IMAGE_TEST(test, &interpreter, "interpreted"), IMAGE_TEST(test, &compiler, "compiled")
static fnvm_engine_kind interpreter = FNVM_ENGINE_INTERPRETER, compiler = FNVM_ENGINE_JIT;

#endif
