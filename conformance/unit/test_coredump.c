/* Core dumps: a trap with frames in two functions and a nested call from the host, dumped and read
 * back.  The dump itself must load as a module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

static const char source[] =
    "(module $prog"
    " (import \"host\" \"again\" (func $again))"
    " (memory 1) (global i32 (i32.const -2)) (global (mut v128) (v128.const i32x4 1 2 3 4))"
    " (data (i32.const 8192) \"hello\")"
    " (func $inner (param i32 f64) (local v128 i64 f32)"
    "  (local.set 3 (i64.const -3)) (local.set 4 (f32.const 0.5)) nop unreachable)"
    " (func (export \"trap\") (param i32) (call $inner (local.get 0) (f64.const 2.5)))"
    " (func (export \"nested\") (call $again)))";

typedef struct World {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} World;

static fnvm_error *call(World *w, const char *name, const fnvm_val *args, size_t n)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &func));
    return fnvm_func_call(w->store, func, args, n, NULL, 0);
}

static fnvm_error *again(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)slots;
    fnvm_val arg = {FNVM_I32, {.i32 = 9}};
    return fnvm_error_wrap(call(env, "trap", &arg, 1), "the host called back");
}

static void world_open(World *w)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_INTERPRETER; /* whose locals are all in their frames */
    assert_null(fnvm_engine_new(&config, &w->engine));
    assert_null(fnvm_module_new(w->engine, source, sizeof source - 1, &w->module));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    assert_null(fnvm_linker_define_func(w->linker, "host", "again", "->", again, w));
    assert_null(fnvm_linker_instantiate(w->linker, w->module, &w->instance));
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
    fnvm_engine_free(w->engine);
}

typedef struct Bytes { char *at; size_t len; } Bytes;

static Bytes dump(World *w, const fnvm_error *trap)
{
    Bytes b;
    FILE *out = open_memstream(&b.at, &b.len);
    assert_non_null(out);
    assert_null(fnvm_store_coredump(w->store, trap, out));
    assert_int_equal(fclose(out), 0);
    return b;
}

/* What follows "name" in the dump, which must have it once. */
static const uint8_t *after(Bytes b, const char *name)
{
    const char *at = memmem(b.at, b.len, name, strlen(name));
    assert_non_null(at);
    return (const uint8_t *)at + strlen(name);
}

/* Frames of $inner(7, 2.5) and "trap"(7); offsets are into the functions. */
#define FRAME_INNER(n) 0, 0, 1, 0x13, 5, 0x7F, n, 0x7C, 0, 0, 0, 0, 0, 0, 4, 64, 1, 0x7E, 0x7D, \
                       0x7D, 0, 0, 0, 63, 0
#define FRAME_TRAP(n) 0, 0, 2, 0xC, 1, 0x7F, n, 0

static void a_dump_shows_frames_and_state(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    fnvm_store_keep_trap_state(w.store, true);
    fnvm_val arg = {FNVM_I32, {.i32 = 7}};
    fnvm_error *trap = call(&w, "trap", &arg, 1);
    assert_int_equal(fnvm_error_code(trap), FNVM_E_TRAP);
    Bytes b = dump(&w, trap);
    static const uint8_t process[] = {0, 4, 'p', 'r', 'o', 'g'};
    static const uint8_t modules[] = {1, 0, 4, 'p', 'r', 'o', 'g'};
    static const uint8_t instances[] = {1, 0, 0, 1, 0, 2, 0, 1};
    static const uint8_t stack[] = {0, 4, 'm', 'a', 'i', 'n', 2, FRAME_INNER(7), FRAME_TRAP(7)};
    assert_memory_equal(after(b, "\4core"), process, sizeof process);
    assert_memory_equal(after(b, "coremodules"), modules, sizeof modules);
    assert_memory_equal(after(b, "coreinstances"), instances, sizeof instances);
    assert_memory_equal(after(b, "corestack"), stack, sizeof stack);
    after(b, "hello");
    assert_in_range(b.len, 4096, 4096 + 512); /* zero pages are left out */
    fnvm_module *m;
    assert_null(fnvm_module_new(w.engine, b.at, b.len, &m));
    fnvm_module_release(m);
    free(b.at);
    fnvm_error_free(trap);
    world_close(&w);
}

static void a_nested_call_keeps_its_frames(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    fnvm_store_keep_trap_state(w.store, true);
    fnvm_error *trap = call(&w, "nested", NULL, 0);
    assert_int_equal(fnvm_error_code(trap), FNVM_E_TRAP);
    Bytes b = dump(&w, trap);
    static const uint8_t stack[] = {0, 4, 'm', 'a', 'i', 'n', 3, FRAME_INNER(9), FRAME_TRAP(9),
                                    0, 0, 3};
    assert_memory_equal(after(b, "corestack"), stack, sizeof stack);
    free(b.at);
    fnvm_error_free(trap);
    world_close(&w);
}

static void without_being_asked_there_is_none(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    fnvm_val arg = {FNVM_I32, {.i32 = 7}};
    fnvm_error *trap = call(&w, "trap", &arg, 1), *refused;
    Bytes b;
    FILE *out = open_memstream(&b.at, &b.len);
    refused = fnvm_store_coredump(w.store, trap, out);
    assert_int_equal(fnvm_error_code(refused), FNVM_E_USAGE);
    fclose(out);
    assert_int_equal(b.len, 0);
    free(b.at);
    fnvm_error_free(refused);
    fnvm_error_free(trap);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_shows_frames_and_state),
        cmocka_unit_test(a_nested_call_keeps_its_frames),
        cmocka_unit_test(without_being_asked_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
