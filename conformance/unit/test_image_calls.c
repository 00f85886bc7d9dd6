/* Images of a guest in the midst of a call: it goes on in the copy as if nothing had been,
 * whichever engine froze it and whichever wakes it. */
#include "conformance/unit/image_suspended.h"

static void test_suspended(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_val result;
    fnvm_config config = config_of(state);
    suspend(&w, &config, FNVM_WAKE_RETURN);
    must(open_image(&w, &image));
    assert_true(fnvm_image_suspended(image));
    copy_open(&w, image, &c);
    fnvm_image_release(image);
    const ImageHash before = whole(c.store);
    for (int i = 0; i < 3; i++) {
        returns(c.store, c.main, "seen", 0, 0);
        resumes(c.store, suspended_result(DEEP, 70));
        returns(c.store, c.main, "seen", 0, DEEP + 1);
        refused(fnvm_store_resume(c.store, &result, 1), FNVM_E_USAGE, NULL);
        must(fnvm_store_reset(c.store));
        assert_true(same(whole(c.store), before));
    }
    refused(fnvm_store_resume(c.store, &result, 0), FNVM_E_USAGE, NULL); /* it has one result */
    assert_int_equal(w.calls, 1);
    copy_close(&c);
    world_close(&w);
}

/* The host function is called again, and may freeze again. */
static void test_repeated(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    suspend(&w, &config, FNVM_WAKE_REPEAT);
    must(open_image(&w, &image));
    w.silent = true; /* gives back its argument */
    copy_open(&w, image, &c);
    fnvm_image_release(image);
    resumes(c.store, suspended_result(DEEP, 21));
    assert_int_equal(w.calls, 2);

    must(fnvm_store_reset(c.store));
    store_close(&w);
    w.store = c.store;
    w.linker = c.linker;
    w.instance = c.main;
    w.silent = false;
    w.wake = FNVM_WAKE_RETURN;
    resumes(w.store, suspended_result(DEEP, 0));
    must(w.frozen);
    must(open_image(&w, &image));
    copy_open(&w, image, &c);
    fnvm_image_release(image);
    resumes(c.store, suspended_result(DEEP, 70));
    copy_close(&c);
    world_close(&w);
}

/* What one engine froze the other wakes. */
static void test_other_engine(void **state)
{
    World w, other;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state), swapped = config;
    swapped.engine = config.engine == FNVM_ENGINE_JIT ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_JIT;
    suspend(&w, &config, FNVM_WAKE_RETURN);
    world_open(&other, &swapped);
    load(&other, suspended_program());
    fnvm_image_options options = {.modules = other.modules, .nmodules = other.nmodules};
    must(fnvm_image_open(other.engine, w.path, &options, &image));
    copy_open(&other, image, &c);
    resumes(c.store, suspended_result(DEEP, 70));
    const ImageHash after = visible(c.store);
    copy_close(&c);
    fnvm_image_release(image);
    must(open_image(&w, &image));
    copy_open(&w, image, &c);
    resumes(c.store, suspended_result(DEEP, 70));
    assert_true(same(visible(c.store), after));
    copy_close(&c);
    fnvm_image_release(image);
    world_close(&other);
    world_close(&w);
}

/* Reset while the suspended call is not resumed, and where resuming it failed. */
static void test_suspended_and_stopped(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_val result;
    fnvm_config config = config_of(state);
    config.fuel = true;
    suspend(&w, &config, FNVM_WAKE_RETURN);
    must(open_image(&w, &image));
    copy_open(&w, image, &c);
    fnvm_image_release(image);
    const ImageHash before = whole(c.store);
    fnvm_store_set_fuel(c.store, 30);
    fnvm_error *error = fnvm_store_resume(c.store, &result, 1);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_OUT_OF_FUEL);
    fnvm_error_free(error);
    refused(fnvm_store_resume(c.store, &result, 1), FNVM_E_USAGE, NULL);
    must(fnvm_store_reset(c.store));
    assert_true(same(whole(c.store), before));
    fnvm_store_interrupt(c.store);
    error = fnvm_store_resume(c.store, &result, 1);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_INTERRUPTED);
    fnvm_error_free(error);
    must(fnvm_store_reset(c.store));
    resumes(c.store, suspended_result(DEEP, 70));
    copy_close(&c);
    world_close(&w);
}

/* Frames of two instances, the outer one's call in a loop. */
static void test_suspended_across_instances(void **state)
{
    static const char inner[] =
        "(module (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))"
        " (memory 1) (func (export \"in\") (param i32) (result i32)"
        "  (i32.store (i32.const 0) (local.get 0))"
        "  (i32.add (call $freeze (local.get 0)) (i32.load (i32.const 0)))))";
    static const char outer[] =
        "(module (import \"o\" \"in\" (func $in (param i32) (result i32))) (memory 1)"
        " (func (export \"run\") (param $n i32) (result i32) (local $sum i32)"
        "  (loop $l (local.set $sum (i32.add (local.get $sum) (call $in (local.get $n))))"
        "   (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
        "  (local.get $sum)))";
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_with(&w, &config, inner);
    must(fnvm_linker_define_instance(w.linker, "o", 1, w.instance));
    instantiate(&w, outer);
    w.value = 100;
    /* Frozen three times; the last one stays: its sum is 3 + 2 + 1 + 100. */
    returns(w.store, w.instance, "run", 3, 6);
    must(w.frozen);
    assert_int_equal(w.calls, 3);
    must(open_image(&w, &image));
    copy_open(&w, image, &c);
    fnvm_image_release(image);
    resumes(c.store, 106);
    copy_close(&c);
    world_close(&w);
}

/* The names may come in another order, with others between. */
static void test_host_functions_are_found_by_name(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    suspend(&w, &config, FNVM_WAKE_REPEAT);
    must(open_image(&w, &image));
    w.silent = true;
    must(fnvm_store_new(w.engine, &c.store));
    must(fnvm_linker_new(c.store, &c.linker));
    must(fnvm_linker_define_func(c.linker, "host", "other", "->", freeze_here, &w));
    must(fnvm_linker_define_func(c.linker, "host", "back", "i32 -> i32", call_back, &w));
    must(fnvm_linker_define_func(c.linker, "host", "freeze", "i32 -> i32", freeze_here, &w));
    must(fnvm_image_restore(image, c.linker, NULL, &c.main));
    fnvm_image_release(image);
    resumes(c.store, suspended_result(DEEP, 21));
    copy_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_ENGINES(test_suspended),
        BOTH_ENGINES(test_repeated),
        BOTH_ENGINES(test_other_engine),
        BOTH_ENGINES(test_suspended_and_stopped),
        BOTH_ENGINES(test_suspended_across_instances),
        BOTH_ENGINES(test_host_functions_are_found_by_name)};
    return cmocka_run_group_tests_name("image calls", tests, NULL, NULL);
}
