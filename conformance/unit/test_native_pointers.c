/* test_native_pointers.c - guests' functions as C function pointers, called by the embedder and
 * by native functions. */
#include "conformance/unit/native_world.h"

static const char pointers_text[] =
    "(module"
    " (import \"env\" \"call_back\" (func $call_back (param i32 i32) (result i32)))"
    " (import \"env\" \"sort\" (func $sort (param i32 i32)))"
    " (import \"env\" \"callbacks_made\" (func $made (result i32)))"
    " (memory (export \"memory\") 1) (tag $t)"
    " (func (export \"sub\") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))"
    " (func (export \"traps\") (param i32 i32) (result i32) unreachable)"
    " (func (export \"throws\") (param i32 i32) (result i32) (throw $t))"
    " (func (export \"nested\") (param i32 i32) (result i32)"
    "  (if (result i32) (i32.eqz (local.get 0)) (then (local.get 1))"
    "   (else (call $call_back (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))))"
    " (func (export \"back\") (param i32 i32) (result i32) (call $call_back (local.get 0) "
    "(local.get 1)))"
    " (func (export \"catches\") (result i32)"
    "  (block $h (try_table (catch $t $h) (drop (call $call_back (i32.const 1) (i32.const 2)))) "
    "(return (i32.const 0)))"
    "  (i32.const 7))"
    " (func (export \"sort\") (param i32 i32) (call $sort (local.get 0) (local.get 1)))"
    " (export \"made\" (func $made))"
    " (func (export \"mixed\") (param i32 i64 f32 f64 i32 i32) (result f64)"
    "  (f64.add (f64.add (f64.convert_i32_s (local.get 0)) (f64.convert_i64_s (local.get 1)))"
    "   (f64.add (f64.add (f64.promote_f32 (local.get 2)) (local.get 3))"
    "    (f64.convert_i32_s (i32.add (local.get 4) (local.get 5))))))"
    " (func (export \"low\") (param i32) (result i32) (local.get 0))"
    " (func (export \"f32\") (param f32) (result f32) (f32.neg (local.get 0)))"
    " (func (export \"nothing\") (global.set $g (i32.const 9)))"
    " (global $g (export \"g\") (mut i32) (i32.const 0)))";

static void pointers_world(World *w, fnvm_engine_kind kind)
{
    world_new(w, kind);
    define(w, "call_back", "i32(i32, i32)");
    define(w, "sort", "void(buffer)");
    define(w, "callbacks_made", "i32()");
    define(w, "set_callback", "void(i64)");
    load(w, pointers_text);
}

/* Gives the library's callback the export as a pointer. */
static fnvm_pointer *set_callback(World *w, const char *name)
{
    fnvm_pointer *p;
    void (*code)(void);
    good(fnvm_func_as_pointer(w->store, export(w, name), "i32(i32, i32)", &p, &code));
    fnvm_extern set;
    fnvm_module *m;
    fnvm_instance *instance;
    static const char text[] =
        "(module (import \"env\" \"set_callback\" (func $s (param i64))) (export \"s\" (func $s)))";
    good(fnvm_module_new(w->engine, text, strlen(text), &m));
    good(fnvm_linker_instantiate(w->linker, m, &instance));
    assert_true(fnvm_instance_export(instance, "s", 1, &set));
    const fnvm_val at = {.kind = FNVM_I64, .of.i64 = (int64_t)(intptr_t)code};
    good(fnvm_func_call(w->store, set, &at, 1, NULL, 0));
    fnvm_module_release(m);
    return p;
}

static void called_by_the_embedder(void **state)
{
    (void)state;
    World w;
    fnvm_pointer *p;
    void (*code)(void);
    pointers_world(&w, FNVM_ENGINE_AUTO);
    good(fnvm_func_as_pointer(w.store, export(&w, "sub"), "i32(i32, i32)", &p, &code));
    assert_int_equal(((int (*)(int, int))code)(5, 8), -3);
    assert_null(fnvm_pointer_failed(p));
    fnvm_pointer_free(p);

    good(fnvm_func_as_pointer(w.store, export(&w, "mixed"), "f64(i8, i64, f32, f64, u16, bool)", &p,
                              &code));
    typedef double Mixed(int8_t, int64_t, float, double, uint16_t, bool);
    assert_true(((Mixed *)code)(-1, -20, 0.5f, 300.25, 65535, true) ==
                -1 - 20 + 0.5 + 300.25 + 65535 + 1);
    fnvm_pointer_free(p);

    static const struct {
        const char *signature;
        int64_t in, out;
    } rows[] = {{"i8(i32)", 0x180, -128},      {"u8(i32)", 0x180, 128},
                {"i16(i32)", 0x18000, -32768}, {"u16(i32)", 0x18000, 32768},
                {"bool(i32)", 0x100, 1},       {"i32(i32)", -5, -5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        good(fnvm_func_as_pointer(w.store, export(&w, "low"), rows[i].signature, &p, &code));
        /* Extended to a register, as callers of some processors expect. */
        assert_int_equal(((int (*)(int))code)((int)rows[i].in), rows[i].out);
        fnvm_pointer_free(p);
    }
    good(fnvm_func_as_pointer(w.store, export(&w, "f32"), "f32(f32)", &p, &code));
    assert_true(((float (*)(float))code)(1.5f) == -1.5f);
    fnvm_pointer_free(p);
    good(fnvm_func_as_pointer(w.store, export(&w, "nothing"), "void()", &p, &code));
    code();
    fnvm_val g;
    good(fnvm_global_get(w.store, export(&w, "g"), &g));
    assert_int_equal(g.of.i32, 9);
    fnvm_pointer_free(p);
    world_free(&w);
}

static void traps_in_pointers(void **state)
{
    (void)state;
    World w;
    fnvm_pointer *p;
    void (*code)(void);
    pointers_world(&w, FNVM_ENGINE_AUTO);
    good(fnvm_func_as_pointer(w.store, export(&w, "traps"), "i32(i32, i32)", &p, &code));
    assert_int_equal(((int (*)(int, int))code)(5, 8), 0);
    assert_int_equal(((int (*)(int, int))code)(5, 8), 0);
    bad(fnvm_pointer_failed(p), FNVM_E_TRAP, "unreachable");
    assert_null(fnvm_pointer_failed(p));
    ((int (*)(int, int))code)(5, 8); /* freed with it */
    fnvm_pointer_free(p);
    fnvm_pointer_free(NULL);
    world_free(&w);
}

static void bad_pointers(void **state)
{
    (void)state;
    World w;
    fnvm_pointer *p;
    void (*code)(void);
    pointers_world(&w, FNVM_ENGINE_AUTO);
    const fnvm_extern sub = export(&w, "sub");
    bad(fnvm_func_as_pointer(w.store, sub, "i32(i32)", &p, &code), FNVM_E_USAGE,
        "this one is (param i32 i32)");
    bad(fnvm_func_as_pointer(w.store, sub, "i64(i32, i32)", &p, &code), FNVM_E_USAGE,
        "`i32 i32 -> i64`");
    bad(fnvm_func_as_pointer(w.store, sub, "i32(i32, f32)", &p, &code), FNVM_E_USAGE,
        "this one is");
    bad(fnvm_func_as_pointer(w.store, sub, "i32(bytes)", &p, &code), FNVM_E_USAGE, "numbers");
    bad(fnvm_func_as_pointer(w.store, sub, "cstring()", &p, &code), FNVM_E_USAGE, "numbers");
    bad(fnvm_func_as_pointer(w.store, sub, "i32(i32", &p, &code), FNVM_E_USAGE, "column 8");
    bad(fnvm_func_as_pointer(w.store, export(&w, "memory"), "i32(i32)", &p, &code), FNVM_E_USAGE,
        "not a function");
    world_free(&w);
}

static void check_called_by_natives(fnvm_engine_kind kind)
{
    World w;
    pointers_world(&w, kind);
    fnvm_pointer *p = set_callback(&w, "sub");
    assert_int_equal(CALL_I32(&w, "back", I(5), I(8)), 2 * -3 + 1000);
    int32_t numbers[] = {5, -3, 9, 0, 7, 7, -100};
    fnvm_memory_write(w.store, export(&w, "memory"), 64, numbers, sizeof numbers);
    call(&w, "sort", I(64), I(sizeof numbers));
    const int32_t sorted[] = {-100, -3, 0, 5, 7, 7, 9};
    fnvm_memory_read(w.store, export(&w, "memory"), 64, numbers, sizeof numbers);
    assert_memory_equal(numbers, sorted, sizeof sorted);
    fnvm_pointer_free(p);

    p = set_callback(&w, "nested"); /* native, guest, native, ... twice each */
    assert_int_equal(CALL_I32(&w, "back", I(3), I(1)), 16 + 15 * 1000);
    fnvm_pointer_free(p);

    p = set_callback(&w, "traps");
    TRAPS("unreachable", &w, "back", I(1),
          I(2)); /* the guest's call of the native function ends with it */
    assert_int_equal(CALL_I32(&w, "made"), 1);
    assert_null(fnvm_pointer_failed(p));
    TRAPS("unreachable", &w, "sort", I(64), I(sizeof numbers));
    fnvm_pointer_free(p);

    p = set_callback(&w, "throws");
    assert_int_equal(CALL_I32(&w, "catches"), 7); /* an exception passes through */
    bad(try_call(&w, "back", I(1), I(2)), FNVM_E_EXCEPTION, "uncaught exception");
    fnvm_pointer_free(p);

    p = set_callback(&w, "sub"); /* and nothing is left of all that */
    assert_int_equal(CALL_I32(&w, "back", I(5), I(8)), 2 * -3 + 1000);
    fnvm_pointer_free(p);

    p = set_callback(&w, "back"); /* without end */
    TRAPS("call stack exhausted", &w, "back", I(5), I(8));
    fnvm_pointer_free(p);
    world_free(&w);
}

static void called_by_natives_interpreted(void **state)
{
    (void)state;
    check_called_by_natives(FNVM_ENGINE_INTERPRETER);
}

static void called_by_natives_by_default(void **state)
{
    (void)state;
    check_called_by_natives(FNVM_ENGINE_AUTO);
}

/* ---- Waiting ---- */

static fnvm_error *wait_here(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    return fnvm_caller_suspend(caller, FNVM_WAKE_RETURN);
}

/* C that called the pointer has returned: the guest can wait.  C that the guest called has not. */
static void waiting_in_pointers(void **state)
{
    (void)state;
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    define(&w, "call_back", "i32(i32, i32)");
    define(&w, "set_callback", "void(i64)");
    good(fnvm_linker_define_func(w.linker, "env", "wait", "-> i32", wait_here, NULL));
    load(&w, "(module (import \"env\" \"wait\" (func $wait (result i32)))"
             " (import \"env\" \"call_back\" (func $back (param i32 i32) (result i32)))"
             " (func (export \"back\") (result i32) (call $back (i32.const 1) (i32.const 2)))"
             " (func (export \"waits\") (param i32 i32) (result i32)"
             "  (i32.add (local.get 0) (call $wait))))");
    fnvm_pointer *p;
    void (*code)(void);
    good(fnvm_func_as_pointer(w.store, export(&w, "waits"), "i32(i32, i32)", &p, &code));
    assert_int_equal(((int (*)(int, int))code)(5, 0), 0);
    assert_int_equal(fnvm_error_code(fnvm_pointer_failed(p)), FNVM_E_SUSPENDED);
    assert_true(fnvm_store_suspended(w.store));
    assert_int_equal(((int (*)(int, int))code)(5, 0), 0); /* not while it waits */
    bad(fnvm_pointer_failed(p), FNVM_E_USAGE, "");
    fnvm_val result;
    good(fnvm_store_resume_with(w.store, &(fnvm_slot){.i32 = 7}, &result, 1));
    assert_int_equal(result.of.i32, 12);
    fnvm_pointer_free(p);
    p = set_callback(&w, "waits");
    bad(try_call(&w, "back"), FNVM_E_USAGE, "");
    assert_false(fnvm_store_suspended(w.store));
    fnvm_pointer_free(p);
    world_free(&w);
}

/* ---- Handles in nested calls ---- */

static const char nested_text[] =
    "(module"
    " (import \"env\" \"box\" (func $box (param i32) (result i64)))"
    " (import \"env\" \"unbox\" (func $unbox (param i64) (result i32)))"
    " (import \"env\" \"box_close\" (func $close (param i64)))"
    " (import \"env\" \"box_visit\" (func $visit (param i64 i32) (result i32)))"
    " (import \"env\" \"box_later\" (func $later (param i32) (result i64)))"
    " (global $h (mut i64) (i64.const 0))"
    " (func (export \"make\") (param i32) (global.set $h (call $box (local.get 0))))"
    " (func (export \"value\") (result i32) (call $unbox (global.get $h)))"
    " (func (export \"close\") (call $close (global.get $h)))"
    " (func (export \"visit\") (result i32) (call $visit (global.get $h) (i32.const 1)))"
    " (func (export \"later\") (param i32) (result i32) (call $unbox (call $later (local.get 0))))"
    " (func (export \"looks\") (param i32 i32) (result i32) (call $unbox (global.get $h)))"
    " (func (export \"closes\") (param i32 i32) (result i32)"
    "  (call $close (global.get $h)) (i32.const 0))"
    " (func (export \"fills\") (param $n i32) (param i32) (result i32)"
    "  (loop $l (drop (call $box (i32.const 1)))"
    "   (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "  (i32.const 0)))";

static void nested_world(World *w)
{
    world_new(w, FNVM_ENGINE_AUTO);
    define(w, "box", "handle box(i32)");
    define(w, "unbox", "i32(handle box)");
    define(w, "box_close", "void(take handle box)");
    define(w, "box_visit", "i32(handle box, i32)");
    define(w, "box_later", "handle box(i32)");
    define(w, "set_callback", "void(i64)");
    load(w, nested_text);
}

/* C must not find what it was given closed when its callback returns. */
static void handles_in_use_stay(void **state)
{
    (void)state;
    World w;
    nested_world(&w);
    call(&w, "make", I(5));
    fnvm_pointer *p = set_callback(&w, "looks");
    assert_int_equal(CALL_I32(&w, "visit"), 10);
    fnvm_pointer_free(p);
    p = set_callback(&w, "closes");
    TRAPS("in use by a call that has not returned", &w, "visit");
    fnvm_pointer_free(p);
    assert_int_equal(CALL_I32(&w, "value"), 5);
    call(&w, "close");
    TRAPS("is none that there is", &w, "value");
    world_free(&w);
}

/* What a callback opens takes no room from the call that it is in. */
static void nested_calls_have_room(void **state)
{
    (void)state;
    World w;
    nested_world(&w);
    fnvm_pointer *p = set_callback(&w, "fills");
    assert_int_equal(CALL_I32(&w, "later", I(4093)), 4093);
    bad(try_call(&w, "later", I(10)), FNVM_E_LIMIT, "may not have more than 4096");
    fnvm_pointer_free(p);
    world_free(&w);
}

/* The code of pointers is in no mapping that can be written, too. */
static void no_page_is_writable_and_executable(void **state)
{
    (void)state;
    World w;
    fnvm_pointer *p;
    void (*code)(void);
    char line[512];
    pointers_world(&w, FNVM_ENGINE_AUTO);
    good(fnvm_func_as_pointer(w.store, export(&w, "sub"), "i32(i32, i32)", &p, &code));
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        char permissions[5] = "";
        if (sscanf(line, "%*s %4s", permissions) == 1 && strchr(permissions, 'w') &&
            strchr(permissions, 'x'))
            fail_msg("%s", line);
    }
    fclose(maps);
    fnvm_pointer_free(p);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(called_by_the_embedder),
                                       cmocka_unit_test(traps_in_pointers),
                                       cmocka_unit_test(bad_pointers),
                                       cmocka_unit_test(called_by_natives_interpreted),
                                       cmocka_unit_test(called_by_natives_by_default),
                                       cmocka_unit_test(waiting_in_pointers),
                                       cmocka_unit_test(handles_in_use_stay),
                                       cmocka_unit_test(nested_calls_have_room),
                                       cmocka_unit_test(no_page_is_writable_and_executable)};
    return cmocka_run_group_tests_name("native pointers", tests, make_library, remove_library);
}
