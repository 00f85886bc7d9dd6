/* Regions, instantiation, the linker and the public functions over them, through the public API:
 * each test is a small world of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fnvm.h"

/* ---- A world: engine, store, linker ---- */

typedef struct World {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_error *error; /* of the last call that failed */
} World;

static World world_with(const fnvm_config *config)
{
    World w = {0};
    assert_null(fnvm_engine_new(config, &w.engine));
    assert_null(fnvm_store_new(w.engine, &w.store));
    assert_null(fnvm_linker_new(w.store, &w.linker));
    return w;
}

static World world(void) { return world_with(NULL); }

static void world_end(World *w)
{
    fnvm_error_free(w->error);
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_engine_free(w->engine);
}

static void keep(World *w, fnvm_error *error)
{
    fnvm_error_free(w->error);
    w->error = error;
}

static fnvm_module *compile(World *w, const char *text)
{
    fnvm_module *m;
    fnvm_error *error = fnvm_module_new(w->engine, text, strlen(text), &m);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return m;
}

/* NULL, with w->error set, if it fails. */
static fnvm_instance *instantiate(World *w, const char *text)
{
    fnvm_module *m = compile(w, text);
    fnvm_instance *inst;
    keep(w, fnvm_linker_instantiate(w->linker, m, &inst));
    fnvm_module_release(m);
    return inst;
}

static fnvm_instance *must_instantiate(World *w, const char *text)
{
    fnvm_instance *inst = instantiate(w, text);
    if (w->error) fail_msg("%s", fnvm_error_message(w->error));
    return inst;
}

static void define_instance(World *w, const char *name, fnvm_instance *inst)
{
    assert_null(fnvm_linker_define_instance(w->linker, name, strlen(name), inst));
}

static fnvm_extern get_export(fnvm_instance *inst, const char *name)
{
    fnvm_extern e;
    if (!fnvm_instance_export(inst, name, strlen(name), &e)) fail_msg("no export %s", name);
    return e;
}

/* Calls a function of i32s; false, with w->error set, if it fails. */
static bool call(World *w, fnvm_instance *inst, const char *name, int32_t arg, int32_t *result)
{
    fnvm_extern f = get_export(inst, name);
    fnvm_val in = {.kind = FNVM_I32, .of.i32 = arg}, out = {0};
    size_t nargs = fnvm_func_params(w->store, f, NULL, 0);
    size_t nresults = fnvm_func_results(w->store, f, NULL, 0);
    keep(w, fnvm_func_call(w->store, f, &in, nargs, &out, nresults));
    *result = out.of.i32;
    return !w->error;
}

static int32_t must_call(World *w, fnvm_instance *inst, const char *name, int32_t arg)
{
    int32_t result;
    if (!call(w, inst, name, arg, &result)) fail_msg("%s", fnvm_error_message(w->error));
    return result;
}

static void assert_error(const World *w, fnvm_code code, const char *part)
{
    assert_non_null(w->error);
    const char *message = fnvm_error_message(w->error);
    if (fnvm_error_code(w->error) != code || !strstr(message, part)) {
        fail_msg("code %d: %s\nwanted %d: %s", fnvm_error_code(w->error), message, code, part);
    }
}

/* Whether some error of the chain says so. */
static void assert_chain(const World *w, const char *part)
{
    const fnvm_error *e = w->error;
    while (e && !strstr(fnvm_error_message(e), part)) e = fnvm_error_cause(e);
    if (!e) fail_msg("nothing behind \"%s\" says \"%s\"", fnvm_error_message(w->error), part);
}

/* ---- Regions and growing ---- */

static void test_memory_grows_to_its_maximum(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (memory (export \"memory\") 1 3)"
        "  (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
        "  (func (export \"put\") (param i32) (result i32)"
        "    (i32.store (local.get 0) (i32.const 7)) (i32.load (local.get 0))))");
    fnvm_extern memory = get_export(inst, "memory");
    uint8_t *base = fnvm_memory_base(w.store, memory);
    int32_t unused;
    assert_false(call(&w, inst, "put", 65536, &unused));
    assert_error(&w, FNVM_E_TRAP, "out of bounds memory access");
    assert_int_equal(must_call(&w, inst, "grow", 2), 1);
    assert_int_equal(must_call(&w, inst, "put", 3 * 65536 - 4), 7);
    assert_int_equal(must_call(&w, inst, "grow", 1), -1);
    assert_int_equal(must_call(&w, inst, "grow", 0), 3);
    assert_int_equal(fnvm_memory_size(w.store, memory), 3 * 65536);
    assert_ptr_equal(fnvm_memory_base(w.store, memory), base);
    world_end(&w);
}

static void test_limits_of_the_configuration(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.max_memory_bytes = 2 * 65536;
    config.max_table_elements = 10;
    config.max_instances = 2;
    World w = world_with(&config);
    assert_null(instantiate(&w, "(module (memory 3))"));
    assert_error(&w, FNVM_E_LIMIT, "memory 0 starts with 3 pages");
    assert_null(instantiate(&w, "(module (table 11 funcref))"));
    assert_error(&w, FNVM_E_LIMIT, "table 0 starts with 11 elements");
    fnvm_instance *inst = must_instantiate(&w,
        "(module (memory 1) (table 5 funcref)"
        "  (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
        "  (func (export \"tgrow\") (param i32) (result i32)"
        "    (table.grow 0 (ref.null func) (local.get 0))))");
    assert_int_equal(must_call(&w, inst, "grow", 2), -1);
    assert_int_equal(must_call(&w, inst, "grow", 1), 1);
    assert_int_equal(must_call(&w, inst, "tgrow", 6), -1);
    assert_int_equal(must_call(&w, inst, "tgrow", 5), 5);
    must_instantiate(&w, "(module)");
    assert_null(instantiate(&w, "(module)"));
    assert_error(&w, FNVM_E_LIMIT, "must not have more than 2 instances (max_instances, ");
    world_end(&w);
}

static void test_table_grows_over_many_pages(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (table 1 funcref) (elem declare func $f)"
        "  (func $f)"
        "  (func (export \"grow\") (param i32) (result i32)"
        "    (table.grow 0 (ref.func $f) (local.get 0)))"
        "  (func (export \"null\") (param i32) (result i32)"
        "    (ref.is_null (table.get 0 (local.get 0)))))");
    assert_int_equal(must_call(&w, inst, "grow", 100000), 1);
    assert_int_equal(must_call(&w, inst, "null", 0), 1);
    assert_int_equal(must_call(&w, inst, "null", 100000), 0);
    int32_t unused;
    assert_false(call(&w, inst, "null", 100001, &unused));
    assert_error(&w, FNVM_E_TRAP, "out of bounds table access");
    world_end(&w);
}

/* ---- Instantiation ---- */

static void test_writes_before_a_failing_segment_stay(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *a = must_instantiate(&w,
        "(module (memory (export \"memory\") 1)"
        "  (func (export \"get\") (param i32) (result i32) (i32.load8_u (local.get 0))))");
    define_instance(&w, "a", a);
    assert_null(instantiate(&w,
        "(module (import \"a\" \"memory\" (memory 1))"
        "  (data (i32.const 5) \"x\") (data (i32.const 65535) \"yz\")"
        "  (data (i32.const 6) \"w\"))"));
    assert_error(&w, FNVM_E_TRAP, "out of bounds memory access: data segment 1");
    assert_int_equal(must_call(&w, a, "get", 5), 'x');
    assert_int_equal(must_call(&w, a, "get", 6), 0);
    assert_int_equal(must_call(&w, a, "get", 65535), 0);
    world_end(&w);
}

static void test_start_function_runs(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (global $g (export \"g\") (mut i32) (i32.const 1))"
        "  (func $s (global.set $g (i32.const 9))) (start $s))");
    fnvm_val v;
    assert_null(fnvm_global_get(w.store, get_export(inst, "g"), &v));
    assert_int_equal(v.of.i32, 9);
    assert_null(instantiate(&w, "(module (func $s unreachable) (start $s))"));
    assert_error(&w, FNVM_E_TRAP, "unreachable");
    world_end(&w);
}

static void test_import_mismatch_names_both_types(void **state)
{
    (void)state;
    static const struct { const char *import, *message; } cases[] = {
        {"(func (param i32))", "a.f: expected (func (param i32)), found (func)"},
        {"(global i32)", "a.f: expected (global i32), found (func)"},
    };
    World w = world();
    define_instance(&w, "a", must_instantiate(&w,
        "(module (func (export \"f\")) (memory (export \"m\") 1 4)"
        "  (table (export \"t\") 2 funcref) (global (export \"g\") (mut i32) (i32.const 0)))"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "(module (import \"a\" \"f\" %s))", cases[i].import);
        assert_null(instantiate(&w, text));
        assert_error(&w, FNVM_E_LINK, "incompatible import type: ");
        assert_error(&w, FNVM_E_LINK, cases[i].message);
    }
    static const char *const bad[] = {
        "\"m\" (memory 2)", "\"m\" (memory 1 3)", "\"t\" (table 3 funcref)",
        "\"t\" (table 2 2 funcref)", "\"t\" (table 2 externref)", "\"g\" (global i32)",
        "\"g\" (global (mut i64))",
    };
    static const char *const good[] = {
        "\"m\" (memory 1)", "\"m\" (memory 0 9)", "\"t\" (table 1 funcref)",
        "\"g\" (global (mut i32))",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "(module (import \"a\" %s))", bad[i]);
        assert_null(instantiate(&w, text));
        assert_error(&w, FNVM_E_LINK, "incompatible import type");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[200];
        snprintf(text, sizeof text, "(module (import \"a\" %s))", good[i]);
        must_instantiate(&w, text);
    }
    world_end(&w);
}

static void test_import_limits_are_those_of_now(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *a = must_instantiate(&w,
        "(module (memory (export \"m\") 1)"
        "  (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))");
    define_instance(&w, "a", a);
    const char *text = "(module (import \"a\" \"m\" (memory 2)))";
    assert_null(instantiate(&w, text));
    must_call(&w, a, "grow", 1);
    must_instantiate(&w, text);
    world_end(&w);
}

/* The standard evaluates a segment's items once: every table.init gives the same object. */
static void test_passive_segments_keep_their_objects(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (type $s (struct)) (table $t 2 eqref)"
        "  (elem $e eqref (item struct.new $s) (item struct.new $s))"
        "  (func (export \"same\") (param $other i32) (result i32)"
        "    (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))"
        "    (table.init $t $e (i32.const 1) (local.get $other) (i32.const 1))"
        "    (ref.eq (table.get $t (i32.const 0)) (table.get $t (i32.const 1)))))");
    assert_int_equal(must_call(&w, inst, "same", 0), 1);
    assert_int_equal(must_call(&w, inst, "same", 1), 0);
    world_end(&w);
}

/* ---- Linking ---- */

static void test_unknown_imports_are_all_listed(void **state)
{
    (void)state;
    World w = world();
    assert_null(instantiate(&w,
        "(module (import \"env\" \"foo\" (func (param i32) (result i32)))"
        "  (import \"env\" \"b\\1bar\" (global i64)) (import \"x\" \"y\" (memory 1)))"));
    assert_error(&w, FNVM_E_LINK, "unknown imports:\n  env.foo: (func (param i32) (result i32))\n");
    assert_error(&w, FNVM_E_LINK, "\n  env.b\\1bar: (global i64)\n  x.y: (memory 1)");
    world_end(&w);
}

static void test_unknown_imports_trap_when_called(void **state)
{
    (void)state;
    World w = world();
    fnvm_linker_unknown_imports_trap(w.linker, true);
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"env\" \"foo\" (func $foo))"
        "  (func (export \"go\") (param i32) (result i32)"
        "    (if (local.get 0) (then (call $foo))) (i32.const 3)))");
    assert_int_equal(must_call(&w, inst, "go", 0), 3);
    int32_t unused;
    assert_false(call(&w, inst, "go", 1, &unused));
    assert_error(&w, FNVM_E_TRAP, "unknown import called: env.foo");
    assert_int_equal(fnvm_error_trap(w.error), FNVM_TRAP_UNKNOWN_IMPORT);
    assert_null(instantiate(&w, "(module (import \"env\" \"g\" (global i32)))"));
    assert_error(&w, FNVM_E_LINK, "env.g: (global i32)");
    world_end(&w);
}

/* A directory of modules, removed again at the end. */
typedef struct Dir { char path[64]; char *files[4]; size_t n; } Dir;

static Dir dir_new(void)
{
    Dir d = {.path = "/tmp/fnvm-test-XXXXXX"};
    assert_non_null(mkdtemp(d.path));
    return d;
}

static void dir_put(Dir *d, const char *name, const char *text)
{
    char *file;
    assert_true(asprintf(&file, "%s/%s", d->path, name) > 0);
    d->files[d->n++] = file;
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void dir_end(Dir *d)
{
    for (size_t i = 0; i < d->n; i++) {
        unlink(d->files[i]);
        free(d->files[i]);
    }
    assert_int_equal(rmdir(d->path), 0);
}

static const char USES_MATH[] =
    "(module (import \"math\" \"double\" (func $double (param i32) (result i32)))"
    "  (func (export \"safe\") (param i32) (result i32) (local.get 0))"
    "  (func (export \"go\") (param i32) (result i32) (call $double (local.get 0))))";

static void test_module_path_links_at_the_first_call(void **state)
{
    (void)state;
    Dir d = dir_new();
    dir_put(&d, "math.wat", "(module (func (export \"double\") (param i32) (result i32)"
                            "  (i32.mul (local.get 0) (i32.const 2))))");
    World w = world();
    assert_null(fnvm_linker_add_path(w.linker, d.path));
    fnvm_instance *inst = must_instantiate(&w, USES_MATH);
    assert_int_equal(must_call(&w, inst, "go", 21), 42);
    assert_int_equal(must_call(&w, inst, "go", 4), 8);
    world_end(&w);
    dir_end(&d);
}

/* What is wrong with a module shows when it is needed: a trap, with the reason in its chain. */
static void test_module_path_fails_at_the_first_call(void **state)
{
    (void)state;
    static const struct { const char *text, *reason; } cases[] = {
        {"(module (func (export \"double\")))", "incompatible import type: math.double"},
        {"(module)", "unknown imports:\n  math.double"},
        {"(module (func (export", "cannot load module"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Dir d = dir_new();
        dir_put(&d, "math.wat", cases[i].text);
        World w = world();
        assert_null(fnvm_linker_add_path(w.linker, d.path));
        fnvm_instance *inst = must_instantiate(&w, USES_MATH);
        assert_int_equal(must_call(&w, inst, "safe", 5), 5);
        int32_t unused;
        assert_false(call(&w, inst, "go", 1, &unused));
        assert_error(&w, FNVM_E_TRAP, "import failed to link at its first use: math.double");
        assert_int_equal(fnvm_error_trap(w.error), FNVM_TRAP_LINK);
        assert_chain(&w, cases[i].reason);
        world_end(&w);
        dir_end(&d);
    }
}

static void test_eager_mode_links_everything_at_once(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.verify = FNVM_VERIFY_EAGER;
    Dir d = dir_new();
    dir_put(&d, "math.wat", "(module (func (export \"double\")))");
    World w = world_with(&config);
    assert_null(fnvm_linker_add_path(w.linker, d.path));
    assert_null(instantiate(&w, USES_MATH));
    assert_error(&w, FNVM_E_LINK, "incompatible import type: math.double");
    world_end(&w);
    dir_end(&d);
}

static void test_module_path_stays_in_its_directory(void **state)
{
    (void)state;
    Dir d = dir_new();
    dir_put(&d, "m.wat", "(module (func (export \"f\")))");
    char up[128];
    snprintf(up, sizeof up, "../%s/m", strrchr(d.path, '/') + 1);
    const char *const names[] = {up, "./m", "..", ".", "", "m\\00"};
    World w = world();
    assert_null(fnvm_linker_add_path(w.linker, d.path));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[256];
        snprintf(text, sizeof text, "(module (import \"%s\" \"f\" (func)))", names[i]);
        assert_null(instantiate(&w, text));
        assert_error(&w, FNVM_E_LINK, "unknown imports");
    }
    must_instantiate(&w, "(module (import \"m\" \"f\" (func)))");
    world_end(&w);
    dir_end(&d);
}

static void test_cycles_are_named(void **state)
{
    (void)state;
    World w = world();
    fnvm_module *a = compile(&w, "(module (import \"b\" \"g\" (global i32))"
                                 "  (global (export \"g\") i32 (i32.const 1)))");
    fnvm_module *b = compile(&w, "(module (import \"a\" \"g\" (global i32))"
                                 "  (global (export \"g\") i32 (i32.const 1)))");
    assert_null(fnvm_linker_define_module(w.linker, "a", a));
    assert_null(fnvm_linker_define_module(w.linker, "b", b));
    assert_null(instantiate(&w, "(module (import \"a\" \"g\" (global i32)))"));
    assert_chain(&w, "in a circle: a -> b -> a");
    fnvm_module_release(a);
    fnvm_module_release(b);
    world_end(&w);
}

/* Functions of modules that need one another are no cycle: each is linked when called. */
static void test_lazy_functions_break_cycles(void **state)
{
    (void)state;
    World w = world();
    fnvm_module *even = compile(&w,
        "(module (import \"odd\" \"f\" (func $odd (param i32) (result i32)))"
        "  (func (export \"f\") (param i32) (result i32)"
        "    (if (result i32) (local.get 0)"
        "      (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1)))))");
    fnvm_module *odd = compile(&w,
        "(module (import \"even\" \"f\" (func $even (param i32) (result i32)))"
        "  (func (export \"f\") (param i32) (result i32)"
        "    (if (result i32) (local.get 0)"
        "      (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))");
    assert_null(fnvm_linker_define_module(w.linker, "even", even));
    assert_null(fnvm_linker_define_module(w.linker, "odd", odd));
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"even\" \"f\" (func $f (param i32) (result i32)))"
        "  (func (export \"even\") (param i32) (result i32) (call $f (local.get 0))))");
    assert_int_equal(must_call(&w, inst, "even", 10), 1);
    assert_int_equal(must_call(&w, inst, "even", 7), 0);
    fnvm_module_release(even);
    fnvm_module_release(odd);
    world_end(&w);
}

static void test_long_chains_of_modules_are_refused(void **state)
{
    (void)state;
    enum { CHAIN = 80 };
    World w = world();
    for (int i = 0; i < CHAIN; i++) {
        char text[200], name[16];
        snprintf(name, sizeof name, "m%d", i);
        snprintf(text, sizeof text, "(module (import \"m%d\" \"g\" (global $g i32))"
                                    "  (export \"g\" (global $g)))", i + 1);
        fnvm_module *m = compile(&w, text);
        assert_null(fnvm_linker_define_module(w.linker, name, m));
        fnvm_module_release(m);
    }
    assert_null(instantiate(&w, "(module (import \"m0\" \"g\" (global i32)))"));
    assert_chain(&w, "imports lead through more than 64 modules");
    world_end(&w);
}

static fnvm_error *host_one(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    (void)c;
    slots[0].i64 = *(uint32_t *)env;
    return NULL;
}

static void test_definitions_come_before_instances(void **state)
{
    (void)state;
    World w = world();
    define_instance(&w, "a", must_instantiate(&w,
        "(module (func (export \"f\") (result i32) (i32.const 1))"
        "  (func (export \"g\") (result i32) (i32.const 2)))"));
    uint32_t first = 10, second = 11;
    assert_null(fnvm_linker_define_func(w.linker, "a", "f", "-> i32", host_one, &first));
    const char *text =
        "(module (import \"a\" \"f\" (func $f (result i32)))"
        "  (import \"a\" \"g\" (func $g (result i32)))"
        "  (func (export \"go\") (result i32) (i32.add (call $f) (call $g))))";
    assert_int_equal(must_call(&w, must_instantiate(&w, text), "go", 0), 12);
    assert_null(fnvm_linker_define_func(w.linker, "a", "f", "-> i32", host_one, &second));
    assert_int_equal(must_call(&w, must_instantiate(&w, text), "go", 0), 13);
    world_end(&w);
}

static void test_instances_outlive_their_linker(void **state)
{
    (void)state;
    World w = world();
    fnvm_module *math = compile(&w, "(module (func (export \"double\") (param i32) (result i32)"
                                    "  (i32.shl (local.get 0) (i32.const 1))))");
    assert_null(fnvm_linker_define_module(w.linker, "math", math));
    fnvm_module_release(math);
    fnvm_instance *inst = must_instantiate(&w, USES_MATH);
    fnvm_linker_free(w.linker);
    w.linker = NULL;
    assert_int_equal(must_call(&w, inst, "go", 8), 16);
    world_end(&w);
}

/* ---- Host functions ---- */

static fnvm_error *host_fail(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    (void)c, (void)env;
    switch (slots[0].i32) {
    case 0: return fnvm_error_exit(42);
    case 1: return fnvm_error_trap_new(FNVM_TRAP_HOST, "no such thing");
    case 2: return fnvm_error_new(FNVM_E_IO, "disk on fire");
    default: slots[0].i64 = 5; return NULL;
    }
}

static void test_host_errors_pass_through(void **state)
{
    (void)state;
    World w = world();
    assert_null(fnvm_linker_define_func(w.linker, "h", "f", "i32 -> i32", host_fail, NULL));
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
        "  (func (export \"go\") (param i32) (result i32) (call $f (local.get 0))))");
    int32_t unused;
    assert_int_equal(must_call(&w, inst, "go", 3), 5);
    assert_false(call(&w, inst, "go", 0, &unused));
    assert_error(&w, FNVM_E_EXIT, "42");
    assert_int_equal(fnvm_error_exit_status(w.error), 42);
    assert_false(call(&w, inst, "go", 1, &unused));
    assert_error(&w, FNVM_E_TRAP, "");
    assert_chain(&w, "no such thing");
    assert_int_equal(fnvm_error_trap(w.error), FNVM_TRAP_HOST);
    assert_false(call(&w, inst, "go", 2, &unused));
    assert_chain(&w, "disk on fire");
    assert_int_equal(must_call(&w, inst, "go", 3), 5);
    world_end(&w);
}

/* A module that ends the guest while it starts, at the first call of its function. */
static void test_exit_while_linking_is_an_exit(void **state)
{
    (void)state;
    World w = world();
    assert_null(fnvm_linker_define_func(w.linker, "h", "f", "i32 -> i32", host_fail, NULL));
    fnvm_module *math = compile(&w,
        "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
        "  (func $start (drop (call $f (i32.const 0)))) (start $start)"
        "  (func (export \"double\") (param i32) (result i32) (local.get 0)))");
    assert_null(fnvm_linker_define_module(w.linker, "math", math));
    fnvm_module_release(math);
    fnvm_instance *inst = must_instantiate(&w, USES_MATH);
    int32_t unused;
    assert_false(call(&w, inst, "go", 1, &unused));
    assert_error(&w, FNVM_E_EXIT, "42");
    assert_false(call(&w, inst, "go", 1, &unused));
    assert_chain(&w, "module \"math\" failed to start before");
    world_end(&w);
}

static fnvm_error *host_sees_memory(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    uint8_t *base;
    uint64_t size;
    bool *found = env;
    *found = fnvm_caller_memory(c, &base, &size);
    slots[0].i64 = *found ? base[size - 1] : 0;
    return NULL;
}

static void test_host_functions_see_the_callers_memory(void **state)
{
    (void)state;
    World w = world();
    bool found;
    assert_null(fnvm_linker_define_func(w.linker, "h", "f", "-> i32", host_sees_memory, &found));
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"h\" \"f\" (func $f (result i32))) (memory (export \"memory\") 1)"
        "  (data (i32.const 65535) \"!\") (func (export \"go\") (result i32) (call $f)))");
    assert_int_equal(must_call(&w, inst, "go", 0), '!');
    fnvm_instance *bare = must_instantiate(&w,
        "(module (import \"h\" \"f\" (func $f (result i32))) (memory 1)"
        "  (func (export \"go\") (result i32) (call $f)))");
    assert_int_equal(must_call(&w, bare, "go", 0), 0);
    assert_false(found);
    world_end(&w);
}

static fnvm_error *host_interrupts(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    struct pollfd p = {.fd = fnvm_caller_interrupt_fd(c), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    fnvm_store_interrupt(fnvm_caller_store(c));
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_true(fnvm_caller_interrupted(c));
    return NULL;
}

static void test_interrupt_stops_an_endless_loop(void **state)
{
    (void)state;
    World w = world();
    assert_null(fnvm_linker_define_func(w.linker, "h", "stop", "->", host_interrupts, NULL));
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"h\" \"stop\" (func $stop))"
        "  (func (export \"spin\") (call $stop) (loop $l (br $l)))"
        "  (func (export \"fine\") (result i32) (i32.const 1)))");
    int32_t unused;
    assert_false(call(&w, inst, "spin", 0, &unused));
    assert_int_equal(fnvm_error_trap(w.error), FNVM_TRAP_INTERRUPTED);
    fnvm_store_clear_interrupt(w.store);
    assert_int_equal(must_call(&w, inst, "fine", 0), 1);
    world_end(&w);
}

/* ---- Values and host-made definitions ---- */

static void test_call_checks_its_arguments(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (func (export \"f\") (param f64) (result f64) (local.get 0)))");
    fnvm_extern f = get_export(inst, "f");
    fnvm_val in = {.kind = FNVM_F64, .of.f64 = 1.5}, out;
    assert_null(fnvm_func_call(w.store, f, &in, 1, &out, 1));
    assert_int_equal(out.kind, FNVM_F64);
    assert_true(out.of.f64 == 1.5);
    in.kind = FNVM_I32;
    keep(&w, fnvm_func_call(w.store, f, &in, 1, &out, 1));
    assert_error(&w, FNVM_E_USAGE, "argument 0");
    assert_chain(&w, "expected a value of type f64, found i32");
    keep(&w, fnvm_func_call(w.store, f, &in, 0, &out, 1));
    assert_error(&w, FNVM_E_USAGE, "takes 1 arguments");
    keep(&w, fnvm_func_call(w.store, (fnvm_extern){FNVM_EXTERN_MEMORY, {0, 0}}, NULL, 0, NULL, 0));
    assert_error(&w, FNVM_E_USAGE, "not a function");
    world_end(&w);
}

static void test_v128_crosses_whole(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (func (export \"f\") (param i32 v128) (result v128 i32)"
        "  (local.get 1) (local.get 0)))");
    fnvm_val in[2] = {{.kind = FNVM_I32, .of.i32 = 3}, {.kind = FNVM_V128}}, out[2];
    for (int i = 0; i < 16; i++) in[1].of.v128[i] = (uint8_t)(i + 1);
    assert_null(fnvm_func_call(w.store, get_export(inst, "f"), in, 2, out, 2));
    assert_memory_equal(out[0].of.v128, in[1].of.v128, 16);
    assert_int_equal(out[1].of.i32, 3);
    world_end(&w);
}

static void test_references_are_handles(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *inst = must_instantiate(&w,
        "(module (func (export \"e\") (param externref) (result externref) (local.get 0))"
        "  (func $f (export \"f\") (param funcref) (result funcref) (local.get 0)))");
    fnvm_val in = {.kind = FNVM_REF}, out;
    assert_null(fnvm_ref_from_host(w.store, 77, &in.of.ref));
    assert_null(fnvm_func_call(w.store, get_export(inst, "e"), &in, 1, &out, 1));
    uint64_t value;
    assert_true(fnvm_ref_host_value(w.store, out.of.ref, &value));
    assert_int_equal(value, 77);
    assert_int_equal(fnvm_ref_kind(w.store, out.of.ref), FNVM_REF_EXTERN);
    keep(&w, fnvm_func_call(w.store, get_export(inst, "f"), &in, 1, &out, 1));
    assert_error(&w, FNVM_E_USAGE, "argument 0");
    assert_chain(&w, "a reference of another type");

    assert_null(fnvm_ref_from_func(w.store, get_export(inst, "f"), &in.of.ref));
    assert_null(fnvm_func_call(w.store, get_export(inst, "f"), &in, 1, &out, 1));
    fnvm_extern f;
    assert_true(fnvm_ref_func(w.store, out.of.ref, &f));
    assert_int_equal(f.of[0], get_export(inst, "f").of[0]);
    in.of.ref = 0;
    assert_null(fnvm_func_call(w.store, get_export(inst, "f"), &in, 1, &out, 1));
    assert_int_equal(fnvm_ref_kind(w.store, out.of.ref), FNVM_REF_NULL);
    in.of.ref = 12345;
    keep(&w, fnvm_func_call(w.store, get_export(inst, "f"), &in, 1, &out, 1));
    assert_chain(&w, "not a reference of this store");
    fnvm_store_drop_refs(w.store);
    world_end(&w);
}

typedef struct Kept { fnvm_valtype type; fnvm_ref ref; } Kept;

static fnvm_error *host_keeps(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    Kept *kept = env;
    fnvm_ref before = kept->ref;
    fnvm_error *error = fnvm_slot_to_ref(c, &slots[0], kept->type, &kept->ref);
    return error ? error : fnvm_slot_from_ref(c, before, kept->type, &slots[0]);
}

static void test_host_functions_keep_references(void **state)
{
    (void)state;
    World w = world();
    Kept kept = {0};
    assert_true(fnvm_valtype_parse("externref", &kept.type));
    assert_null(fnvm_linker_define_func(w.linker, "h", "swap", "externref -> externref",
                                        host_keeps, &kept));
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"h\" \"swap\" (func $swap (param externref) (result externref)))"
        "  (func (export \"swap\") (param externref) (result externref)"
        "    (call $swap (local.get 0))))");
    fnvm_extern swap = get_export(inst, "swap");
    fnvm_val in = {.kind = FNVM_REF}, out;
    assert_null(fnvm_ref_from_host(w.store, 1234, &in.of.ref));
    assert_null(fnvm_func_call(w.store, swap, &in, 1, &out, 1));
    assert_int_equal(out.of.ref, 0);
    assert_null(fnvm_func_call(w.store, swap, &(fnvm_val){.kind = FNVM_REF}, 1, &out, 1));
    uint64_t value;
    assert_true(fnvm_ref_host_value(w.store, out.of.ref, &value));
    assert_int_equal(value, 1234);
    world_end(&w);
}

static void define(World *w, const char *name, fnvm_extern e)
{
    assert_null(fnvm_linker_define(w->linker, "h", 1, name, strlen(name), e));
}

static void test_host_made_definitions(void **state)
{
    (void)state;
    World w = world();
    fnvm_extern memory, table, number, reference;
    fnvm_valtype i64, funcref, externref;
    assert_true(fnvm_valtype_parse("i64", &i64));
    assert_true(fnvm_valtype_parse("funcref", &funcref));
    assert_true(fnvm_valtype_parse("externref", &externref));
    fnvm_val v = {.kind = FNVM_I64, .of.i64 = -5};
    assert_null(fnvm_memory_new(w.store, 2, UINT64_MAX, false, &memory));
    assert_null(fnvm_table_new(w.store, funcref, 3, 8, false, &table));
    assert_null(fnvm_global_new(w.store, i64, true, &v, &number));
    v = (fnvm_val){.kind = FNVM_REF};
    assert_null(fnvm_ref_from_host(w.store, 8, &v.of.ref));
    assert_null(fnvm_global_new(w.store, externref, false, &v, &reference));
    define(&w, "m", memory);
    define(&w, "t", table);
    define(&w, "n", number);
    define(&w, "r", reference);
    fnvm_instance *inst = must_instantiate(&w,
        "(module (import \"h\" \"m\" (memory 2)) (import \"h\" \"t\" (table 3 8 funcref))"
        "  (import \"h\" \"n\" (global $n (mut i64))) (import \"h\" \"r\" (global $r externref))"
        "  (func (export \"size\") (result i32) (i32.add (memory.size) (table.size 0)))"
        "  (func (export \"inc\") (global.set $n (i64.add (global.get $n) (i64.const 1))))"
        "  (func (export \"null\") (result i32) (ref.is_null (global.get $r))))");
    assert_int_equal(must_call(&w, inst, "size", 0), 5);
    must_call(&w, inst, "inc", 0);
    assert_null(fnvm_global_get(w.store, number, &v));
    assert_int_equal(v.of.i64, -4);
    v.of.i64 = 100;
    assert_null(fnvm_global_set(w.store, number, &v));
    must_call(&w, inst, "inc", 0);
    assert_null(fnvm_global_get(w.store, number, &v));
    assert_int_equal(v.of.i64, 101);
    assert_int_equal(must_call(&w, inst, "null", 0), 0);
    keep(&w, fnvm_global_set(w.store, reference, &(fnvm_val){.kind = FNVM_REF}));
    assert_error(&w, FNVM_E_USAGE, "immutable");
    keep(&w, fnvm_table_new(w.store, i64, 1, 2, false, &table));
    assert_error(&w, FNVM_E_USAGE, "elements of a table");
    world_end(&w);
}

static void test_externs_name_the_definition(void **state)
{
    (void)state;
    World w = world();
    fnvm_instance *a = must_instantiate(&w,
        "(module (memory (export \"m\") 1) (global (export \"g\") i32 (i32.const 4))"
        "  (func (export \"f\")))");
    define_instance(&w, "a", a);
    fnvm_instance *b = must_instantiate(&w,
        "(module (import \"a\" \"m\" (memory 1)) (import \"a\" \"g\" (global i32))"
        "  (import \"a\" \"f\" (func))"
        "  (export \"m\" (memory 0)) (export \"g\" (global 0)) (export \"f\" (func 0)))");
    static const char *const names[] = {"m", "g", "f"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fnvm_extern x = get_export(a, names[i]), y = get_export(b, names[i]);
        assert_int_equal(x.of[0], y.of[0]);
        assert_int_equal(x.of[1], y.of[1]);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_grows_to_its_maximum),
        cmocka_unit_test(test_limits_of_the_configuration),
        cmocka_unit_test(test_table_grows_over_many_pages),
        cmocka_unit_test(test_writes_before_a_failing_segment_stay),
        cmocka_unit_test(test_start_function_runs),
        cmocka_unit_test(test_import_mismatch_names_both_types),
        cmocka_unit_test(test_import_limits_are_those_of_now),
        cmocka_unit_test(test_passive_segments_keep_their_objects),
        cmocka_unit_test(test_unknown_imports_are_all_listed),
        cmocka_unit_test(test_unknown_imports_trap_when_called),
        cmocka_unit_test(test_module_path_links_at_the_first_call),
        cmocka_unit_test(test_module_path_fails_at_the_first_call),
        cmocka_unit_test(test_eager_mode_links_everything_at_once),
        cmocka_unit_test(test_module_path_stays_in_its_directory),
        cmocka_unit_test(test_cycles_are_named),
        cmocka_unit_test(test_lazy_functions_break_cycles),
        cmocka_unit_test(test_long_chains_of_modules_are_refused),
        cmocka_unit_test(test_definitions_come_before_instances),
        cmocka_unit_test(test_instances_outlive_their_linker),
        cmocka_unit_test(test_host_errors_pass_through),
        cmocka_unit_test(test_exit_while_linking_is_an_exit),
        cmocka_unit_test(test_host_functions_see_the_callers_memory),
        cmocka_unit_test(test_interrupt_stops_an_endless_loop),
        cmocka_unit_test(test_call_checks_its_arguments),
        cmocka_unit_test(test_v128_crosses_whole),
        cmocka_unit_test(test_references_are_handles),
        cmocka_unit_test(test_host_functions_keep_references),
        cmocka_unit_test(test_host_made_definitions),
        cmocka_unit_test(test_externs_name_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
