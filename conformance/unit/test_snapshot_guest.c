/* What a guest notices of being made an image of, or does not: the moment before its first standard
 * input, the notes of what it drew, and the module fnvm:snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stdlib/wasi_image.h"
#include "vm/store.h"

static void must(fnvm_error *error)
{
    if (error) fail_msg("%s", fnvm_error_message(error));
}

static const char source[] =
    "(module"
    " (import \"wasi_snapshot_preview1\" \"fd_read\" (func $fd_read (param i32 i32 i32 i32)"
    "  (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32)"
    "  (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32)"
    "  (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"clock_time_get\" (func $clock (param i32 i64 i32)"
    "  (result i32)))"
    " (import \"fnvm:snapshot\" \"checkpoint\" (func $checkpoint (result i32)))"
    " (import \"fnvm:snapshot\" \"generation\" (func $generation (result i64)))"
    " (memory (export \"memory\") 1)"
    " (data (i32.const 64) \"\\00\\01\\00\\00\\04\\00\\00\\00\")"      /* 4 bytes to 256 */
    " (data (i32.const 128) \"\\07\\00\\00\\00\\00\\00\\00\\00\\01\")" /* fd_read of 0 */
    " (func (export \"read\") (result i32)"
    "  (call $fd_read (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 0)))"
    " (func (export \"read_nothing\") (result i32)"
    "  (call $fd_read (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 0)))"
    " (func (export \"poll\") (result i32)"
    "  (call $poll (i32.const 128) (i32.const 512) (i32.const 1) (i32.const 0)))"
    " (func $getentropy (result i32) (call $random (i32.const 0) (i32.const 8)))"
    " (func $\"seed\\1b[2J\" (result i32) (call $getentropy))"
    " (func $a (export \"draw\") (result i32) (call $\"seed\\1b[2J\"))"
    " (func $b (export \"draw_again\") (result i32) (call $getentropy))"
    " (func (export \"draw_nothing\") (result i32) (call $random (i32.const 0) (i32.const 0)))"
    " (func (export \"clock\") (result i32)"
    "  (call $clock (i32.const 0) (i64.const 0) (i32.const 8)))"
    " (func (export \"checkpoint\") (result i32) (call $checkpoint))"
    " (func (export \"generation\") (result i64) (call $generation)))";

typedef struct Guest {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_wasi *wasi;
    int calls; /* of the callback that is tested */
    fnvm_error *answer;
    int32_t result;
} Guest;

static fnvm_error *on_checkpoint(void *env, fnvm_caller *caller, int32_t *result)
{
    Guest *g = env;
    g->calls++;
    assert_ptr_equal(fnvm_caller_store(caller), g->store);
    *result = g->result;
    return g->answer;
}

static fnvm_error *on_stdin(void *env, fnvm_caller *caller)
{
    Guest *g = env;
    uint8_t *bytes;
    size_t size;
    g->calls++;
    assert_ptr_equal(fnvm_caller_store(caller), g->store);
    must(wasi_freeze(g->wasi, &bytes, &size));
    free(bytes);
    return g->answer;
}

static void guest_open(Guest *g, fnvm_engine_kind kind, bool checkpoints)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = kind;
    *g = (Guest){.result = 0};
    must(fnvm_engine_new(&config, &g->engine));
    must(fnvm_module_new(g->engine, source, sizeof source - 1, &g->module));
    must(fnvm_store_new(g->engine, &g->store));
    must(fnvm_linker_new(g->store, &g->linker));
    must(fnvm_wasi_new(&g->wasi));
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(fnvm_wasi_stdio(g->wasi, 0, null));
    close(null);
    must(fnvm_linker_define_wasi(g->linker, g->wasi));
    must(fnvm_linker_define_snapshot(g->linker, checkpoints ? on_checkpoint : NULL, g));
    must(fnvm_linker_instantiate(g->linker, g->module, &g->instance));
}

static void guest_close(Guest *g)
{
    fnvm_linker_free(g->linker);
    fnvm_store_free(g->store);
    fnvm_module_release(g->module);
    fnvm_engine_free(g->engine);
    fnvm_wasi_free(g->wasi);
}

static fnvm_error *guest_try(Guest *g, const char *name, fnvm_val *result)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(g->instance, name, strlen(name), &func));
    return fnvm_func_call(g->store, func, NULL, 0, result, 1);
}

static int64_t guest_call(Guest *g, const char *name)
{
    fnvm_val result;
    must(guest_try(g, name, &result));
    return result.kind == FNVM_I64 ? result.of.i64 : result.of.i32;
}

static void standard_input_is_announced_once(void **state)
{
    (void)state;
    static const char *const ways[] = {"read", "poll"};
    for (int i = 0; i < 2; i++) {
        Guest g;
        guest_open(&g, FNVM_ENGINE_AUTO, true);
        fnvm_wasi_at_stdin(g.wasi, on_stdin, &g);
        assert_int_equal(guest_call(&g, "read_nothing"), 0);
        assert_int_equal(g.calls, 0);
        assert_int_equal(guest_call(&g, ways[i]), 0);
        assert_int_equal(g.calls, 1);
        assert_int_equal(guest_call(&g, "read"), 0);
        assert_int_equal(guest_call(&g, "poll"), 0);
        assert_int_equal(g.calls, 1);
        guest_close(&g);

        guest_open(&g, FNVM_ENGINE_AUTO, true);
        g.answer = fnvm_error_exit(5);
        fnvm_wasi_at_stdin(g.wasi, on_stdin, &g);
        fnvm_val result;
        fnvm_error *error = guest_try(&g, ways[i], &result);
        assert_non_null(error);
        assert_int_equal(fnvm_error_exit_status(error), 5);
        fnvm_error_free(error);
        guest_close(&g);
    }
}

static void draws_are_noted_with_who_drew(void **state)
{
    (void)state;
    static const fnvm_engine_kind kinds[] = {FNVM_ENGINE_INTERPRETER, FNVM_ENGINE_AUTO};
    for (int i = 0; i < 2; i++) {
        Guest g;
        guest_open(&g, kinds[i], true);
        guest_call(&g, "draw");
        assert_string_equal(fnvm_wasi_draws(g.wasi), "");
        fnvm_wasi_note_draws(g.wasi);
        guest_call(&g, "draw_nothing");
        assert_string_equal(fnvm_wasi_draws(g.wasi), "");
        for (int n = 0; n < 3; n++) {
            guest_call(&g, "draw");
            guest_call(&g, "draw_again");
            guest_call(&g, "clock");
        }
        assert_string_equal(fnvm_wasi_draws(g.wasi),
                            "random_get, called by getentropy <- seed\\1b[2J <- a\n"
                            "random_get, called by getentropy <- b\n"
                            "clock_time_get, called by function 14\n");
        guest_close(&g);
    }
}

static void checkpoint_answers_what_the_embedder_says(void **state)
{
    (void)state;
    Guest g;
    guest_open(&g, FNVM_ENGINE_AUTO, true);
    assert_int_equal(guest_call(&g, "checkpoint"), 0);
    g.result = -1;
    assert_int_equal(guest_call(&g, "checkpoint"), -1);
    assert_int_equal(g.calls, 2);
    g.answer = fnvm_error_exit(0);
    fnvm_val result;
    fnvm_error *error = guest_try(&g, "checkpoint", &result);
    assert_int_equal(fnvm_error_code(error), FNVM_E_EXIT);
    fnvm_error_free(error);
    guest_close(&g);
    guest_open(&g, FNVM_ENGINE_AUTO, false);
    assert_int_equal(guest_call(&g, "checkpoint"), -1);
    guest_close(&g);
}

static void generations_are_drawn_once(void **state)
{
    (void)state;
    Guest g;
    guest_open(&g, FNVM_ENGINE_AUTO, true);
    assert_int_equal(guest_call(&g, "generation"), 0);
    assert_int_equal(guest_call(&g, "generation"), 0);
    g.store->generation = 1; /* as restoring leaves it */
    int64_t first = guest_call(&g, "generation");
    assert_true(first > 1);
    assert_true(guest_call(&g, "generation") == first);
    g.store->generation = 1;
    int64_t second = guest_call(&g, "generation");
    assert_true(second > 1 && second != first);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_input_is_announced_once),
        cmocka_unit_test(draws_are_noted_with_who_drew),
        cmocka_unit_test(checkpoint_answers_what_the_embedder_says),
        cmocka_unit_test(generations_are_drawn_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
