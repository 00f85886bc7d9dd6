/* An embedder's day, again and again, each time with another allocation or system call of the
 * library's failing, alone or with all that follow: an error that says so or no difference, no
 * crash, no guest that never ends, and (the sanitizers see it) nothing leaked.  The Makefile links
 * this test with what is wrapped below. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fnvm.h"

/* ---- What fails ---- */

typedef enum Scarce { MEMORY, SYSTEM } Scarce;
static Scarce scarce;
static long left = -1; /* calls until one fails; below zero: none does */
static bool all_fail, failed;

static bool fails(Scarce what)
{
    if (what != scarce || left < 0) return false;
    if (left > 0) {
        left--;
        return false;
    }
    if (!all_fail) left = -1;
    failed = true;
    errno = ENOMEM;
    return true;
}

#define WRAPPED(kind, type, name, params, args, failure) \
    type __real_##name params; \
    type __wrap_##name params; \
    type __wrap_##name params { return fails(kind) ? (failure) : __real_##name args; }
WRAPPED(MEMORY, void *, malloc, (size_t n), (n), NULL)
WRAPPED(MEMORY, void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAPPED(MEMORY, void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAPPED(SYSTEM, void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t from),
        (at, n, prot, flags, fd, from), MAP_FAILED)
WRAPPED(SYSTEM, int, mprotect, (void *at, size_t n, int prot), (at, n, prot), -1)
WRAPPED(SYSTEM, int, ftruncate, (int fd, off_t size), (fd, size), -1)
WRAPPED(SYSTEM, int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
WRAPPED(SYSTEM, ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at),
        -1)

/* ---- The day ---- */

static const char guest[] =
    "(module (import \"h\" \"add\" (func $add (param i32 i32) (result i32)))"
    " (import \"h\" \"wait\" (func $wait (result i32)))"
    " (type $list (struct (field i32) (field (ref null $list)))) (tag $t (param i32))"
    " (memory (export \"memory\") 1 10) (table (export \"table\") 4 20 funcref)"
    " (global $head (mut (ref null $list)) (ref.null $list)) (elem (i32.const 0) $sum)"
    " (func $sum (export \"sum\") (result i32) (call $add (i32.const 3) (i32.const 4)))"
    " (func (export \"wait\") (result i32) (call $wait))"
    " (func (export \"list\") (result i32) (local $n i32) (local.set $n (i32.const 99)) (loop $l"
    "   (global.set $head (struct.new $list (local.get $n) (global.get $head)))"
    "   (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    "   (call $caught) (struct.get $list 0 (global.get $head)))"
    " (func $caught (block $b (try_table (catch_all $b) (throw $t (i32.const 1)))))"
    " (func $deep (param i32) (if (local.get 0)"
    "   (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))"
    " (func (export \"trap\") (result i32) (call $deep (i32.const 20)) (i32.const 0)))";
static uint8_t *binary;
static size_t binary_len;
static char image_path[64];

static fnvm_error *host_add(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 += slots[1].i32;
    return NULL;
}

static fnvm_error *host_wait(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    return fnvm_caller_suspend(caller, FNVM_WAKE_RETURN);
}

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    fnvm_error *e = fnvm_wasi_new(wasi);
    (void)env;
    if (!e) e = fnvm_wasi_env(*wasi, "name", "value");
    if (!e) e = fnvm_linker_define_wasi(linker, *wasi);
    if (!e) e = fnvm_linker_define_func(linker, "h", "add", "i32 i32 -> i32", host_add, NULL);
    if (!e) e = fnvm_linker_define_func(linker, "h", "wait", "-> i32", host_wait, NULL);
    return e;
}

/* True if all is well.  What fails for want of memory says so, but for a guest that makes objects
 * and traps, and nothing fails else. */
static bool well(fnvm_error *e)
{
    if (!e) return true;
    assert_true(failed);
    assert_true(fnvm_error_message(e)[0] != 0);
    if (scarce == MEMORY && fnvm_error_trap(e) != FNVM_TRAP_HEAP_EXHAUSTED)
        assert_int_equal(fnvm_error_code(e), FNVM_E_MEMORY);
    fnvm_error_free(e);
    return false;
}

static fnvm_error *call(fnvm_store *s, fnvm_instance *i, const char *name, int32_t *result)
{
    fnvm_extern f;
    fnvm_val v = {.kind = FNVM_I32, .of.i32 = 0};
    assert_true(fnvm_instance_export(i, name, strlen(name), &f));
    fnvm_error *e = fnvm_func_call(s, f, NULL, 0, &v, 1);
    *result = v.of.i32;
    return e;
}

static bool traps(fnvm_store *s, fnvm_instance *i)
{
    int32_t result;
    fnvm_error *e = call(s, i, "trap", &result);
    assert_non_null(e);
    if (fnvm_error_code(e) != FNVM_E_TRAP) return well(e);
    assert_int_equal(fnvm_error_trap(e), FNVM_TRAP_UNREACHABLE);
    fnvm_error_free(e);
    return true;
}

static void use(fnvm_store *s, fnvm_instance *i)
{
    int32_t result;
    fnvm_ref ref;
    fnvm_extern table;
    assert_true(fnvm_instance_export(i, "table", 5, &table));
    if (well(call(s, i, "sum", &result))) assert_int_equal(result, 7);
    if (well(call(s, i, "list", &result))) assert_int_equal(result, 1);
    if (well(fnvm_ref_from_host(s, 5, &ref)) && well(fnvm_table_get(s, table, 0, &ref)))
        well(fnvm_table_grow(s, table, 2, ref, NULL));
    traps(s, i);
    fnvm_error *e = call(s, i, "wait", &result);
    if (e && fnvm_error_code(e) != FNVM_E_SUSPENDED) {
        well(e);
        return;
    }
    fnvm_val v;
    if (well(fnvm_store_resume_with(s, &(fnvm_slot){.i32 = 8}, &v, 1)))
        assert_int_equal(v.of.i32, 8);
}

static fnvm_config config;

static void make(void)
{
    fnvm_engine *engine = NULL;
    fnvm_module *module = NULL;
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    fnvm_wasi *wasi = NULL;
    fnvm_instance *instance;
    fnvm_freeze freeze = {.path = image_path, .code = true, .no_sync = true};
    if (well(fnvm_engine_new(&config, &engine)) &&
        well(fnvm_module_new(engine, binary, binary_len, &module)) &&
        well(fnvm_module_compile(module)) && well(fnvm_store_new(engine, &store)) &&
        well(fnvm_linker_new(store, &linker)) && well(define(NULL, linker, &wasi)) &&
        well(fnvm_linker_instantiate(linker, module, &instance))) {
        use(store, instance);
        freeze.main = instance, freeze.linker = linker, freeze.wasi = wasi;
        well(fnvm_store_freeze(store, &freeze));
    }
    fnvm_linker_free(linker), fnvm_store_free(store), fnvm_module_release(module);
    if (wasi) fnvm_wasi_free(wasi);
    fnvm_engine_free(engine);
}

static void restore(void)
{
    fnvm_engine *engine = NULL;
    fnvm_image *image = NULL;
    fnvm_pool *pool = NULL;
    fnvm_store *store;
    fnvm_instance *instance;
    const fnvm_pool_options options = {.ready = 1, .most = 2, .define = define};
    if (well(fnvm_engine_new(&config, &engine)) &&
        well(fnvm_image_open(engine, image_path, NULL, &image)) &&
        well(fnvm_pool_new(image, &options, &pool)))
        for (int i = 0; i < 2 && well(fnvm_pool_take(pool, &store, &instance)); i++) {
            use(store, instance);
            fnvm_pool_give(pool, store);
        }
    fnvm_pool_free(pool), fnvm_image_release(image), fnvm_engine_free(engine);
}

static void each_failing(void (*work)(void), Scarce what, bool all)
{
    failed = false;
    work();
    scarce = what, all_fail = all;
    for (long i = 0;; i++) {
        left = i, failed = false;
        work();
        left = -1;
        if (!failed) return;
    }
}

static void all_ways(void (*work)(void), fnvm_engine_kind engine)
{
    fnvm_config_default(&config);
    config.engine = engine;
    for (Scarce what = MEMORY; what <= SYSTEM; what++) {
        make(); /* the image */
        each_failing(work, what, false);
        if (work != restore || what != MEMORY) continue;
        each_failing(work, what, true);
    }
}

static void test_compiled(void **state) { (void)state, all_ways(make, FNVM_ENGINE_AUTO); }
static void test_interpreted(void **state) { (void)state, all_ways(make, FNVM_ENGINE_INTERPRETER); }
static void test_restored(void **state) { (void)state, all_ways(restore, FNVM_ENGINE_AUTO); }

static int setup(void **state)
{
    (void)state;
    strcpy(image_path, "/tmp/fnvm-scarcity-XXXXXX");
    const int fd = mkstemp(image_path);
    return fd < 0 || close(fd) ||
           fnvm_wat_to_wasm(guest, sizeof guest - 1, &binary, &binary_len) != NULL;
}

static int teardown(void **state)
{
    (void)state;
    char code[80];
    snprintf(code, sizeof code, "%s.fnvmc", image_path);
    unlink(code);
    free(binary);
    return unlink(image_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiled),
        cmocka_unit_test(test_interpreted),
        cmocka_unit_test(test_restored),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
