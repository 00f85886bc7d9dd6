/* What happens at every limit, under each engine and with functions verified and compiled early and
 * late; and that whatever takes long can be interrupted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/engine.h"
#include "vm/heap.h"
#include "vm/tunables.h"

enum { HANG_SECONDS = 240 }; /* a guest that cannot be stopped ends the test program */

typedef struct Mode { fnvm_engine_kind engine; fnvm_verify verify; fnvm_compile compile; } Mode;
static const Mode modes[] = {
    {FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY, FNVM_COMPILE_LAZY},
    {FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_EAGER, FNVM_COMPILE_LAZY},
    {FNVM_ENGINE_AUTO, FNVM_VERIFY_LAZY, FNVM_COMPILE_LAZY},
    {FNVM_ENGINE_AUTO, FNVM_VERIFY_EAGER, FNVM_COMPILE_EAGER}};
enum { MODES = sizeof modes / sizeof *modes };

/* ---- A world: engine, store, linker, one instance ---- */

typedef struct World {
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *instance;
} World;

static fnvm_error *recurse(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)slots;
    World *w = env;
    fnvm_extern func;
    assert_true(fnvm_instance_export(w->instance, "run", 3, &func));
    return fnvm_func_call(w->store, func, NULL, 0, NULL, 0);
}

static void config_of(const Mode *mode, fnvm_config *config)
{
    fnvm_config_default(config);
    config->engine = mode->engine;
    config->verify = mode->verify;
    config->compile = mode->compile;
}

static void world_open(World *w, const fnvm_config *config)
{
    *w = (World){0};
    assert_null(fnvm_engine_new(config, &w->engine));
    assert_null(fnvm_store_new(w->engine, &w->store));
    assert_null(fnvm_linker_new(w->store, &w->linker));
    assert_null(fnvm_wasi_new(&w->wasi));
    assert_null(fnvm_linker_define_wasi(w->linker, w->wasi));
    assert_null(fnvm_linker_define_func(w->linker, "host", "recurse", "->", recurse, w));
}

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_wasi_free(w->wasi);
    fnvm_engine_free(w->engine);
}

static fnvm_error *instantiate(World *w, const char *text)
{
    fnvm_module *m;
    fnvm_error *error = fnvm_module_new(w->engine, text, strlen(text), &m);
    if (error) return error;
    error = fnvm_linker_instantiate(w->linker, m, &w->instance);
    fnvm_module_release(m);
    return error;
}

/* Without parameters and results. */
static fnvm_error *call(World *w, const char *name)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &func));
    return fnvm_func_call(w->store, func, NULL, 0, NULL, 0);
}

static bool says(const fnvm_error *error, const char *part)
{
    for (; error; error = fnvm_error_cause(error))
        if (strstr(fnvm_error_message(error), part)) return true;
    return false;
}

static void must_be(fnvm_error *error, fnvm_code code, fnvm_trap trap, const char *part)
{
    assert_non_null(error);
    if (fnvm_error_code(error) != code || fnvm_error_trap(error) != trap || !says(error, part))
        fail_msg("code %d, trap %d: %s\nwanted %d, %d: %s", fnvm_error_code(error),
                 fnvm_error_trap(error), fnvm_error_message(error), code, trap, part);
    fnvm_error_free(error);
}

static void must_trap(fnvm_error *error, fnvm_trap trap, const char *part)
{
    must_be(error, FNVM_E_TRAP, trap, part);
}

/* ---- Every limit and its words ---- */

typedef struct Case {
    void (*set)(fnvm_config *); /* what it lowers; NULL: nothing */
    const char *module;         /* exports "run", if it can be instantiated */
    fnvm_code code;             /* FNVM_E_TRAP: of "run"; else of instantiating it */
    fnvm_trap trap;
    const char *message;        /* a part */
} Case;

static void memory_1m(fnvm_config *c) { c->max_memory_bytes = 1 << 20; }
static void memory_1m_traps(fnvm_config *c) { memory_1m(c), c->trap_on_grow_failure = true; }
static void table_10(fnvm_config *c) { c->max_table_elements = 10; }
static void table_10_traps(fnvm_config *c) { table_10(c), c->trap_on_grow_failure = true; }
static void stack_64k(fnvm_config *c) { c->max_stack_bytes = 65536; }
static void stack_1k(fnvm_config *c) { c->max_stack_bytes = 1024; }
static void heap_1m(fnvm_config *c) { c->max_heap_bytes = 1 << 20; }
static void instances_0(fnvm_config *c) { c->max_instances = 0; }
static void fuel(fnvm_config *c) { c->fuel = true; }

static const Case cases[] = {
    {memory_1m, "(module (memory 17))", FNVM_E_LIMIT, 0,
     "memory 0 starts with 17 pages of 65536 bytes, more than the limit of 1048576 bytes "
     "(max_memory_bytes, -W max-memory-size)"},
    {memory_1m, "(module (memory i64 17))", FNVM_E_LIMIT, 0, "memory 0 starts with 17 pages"},
    {memory_1m, "(module (memory 16) (func (export \"run\")"
     " (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (return)))"
     " (unreachable)))", FNVM_E_TRAP, FNVM_TRAP_UNREACHABLE, ""},
    {memory_1m_traps, "(module (memory 16) (func (export \"run\")"
     " (drop (memory.grow (i32.const 3)))))", FNVM_E_TRAP, FNVM_TRAP_GROW_FAILED,
     "growing failed: memory 0 has 16 pages and asks for 3 more: the limit is 1048576 bytes "
     "(max_memory_bytes, -W max-memory-size)"},
    {memory_1m_traps, "(module (memory 1 2) (func (export \"run\")"
     " (drop (memory.grow (i32.const 2)))))", FNVM_E_TRAP, FNVM_TRAP_GROW_FAILED,
     "asks for 2 more: its type allows no more"},
    {table_10, "(module (table 11 funcref))", FNVM_E_LIMIT, 0,
     "table 0 starts with 11 elements, more than the limit of 10 elements "
     "(max_table_elements, -W max-table-elements)"},
    {table_10_traps, "(module (table 8 funcref) (func (export \"run\")"
     " (drop (table.grow (ref.null func) (i32.const 3)))))", FNVM_E_TRAP, FNVM_TRAP_GROW_FAILED,
     "growing failed: table 0 has 8 elements and asks for 3 more: the limit is 10 elements "
     "(max_table_elements, -W max-table-elements)"},
    {stack_1k, "(module)", FNVM_E_LIMIT, 0,
     "a guest stack of 1024 bytes: it must have 4 KiB at least and 2 GiB at most "
     "(max_stack_bytes, -W max-wasm-stack)"},
    {stack_64k, "(module (func $f (export \"run\") (call $f)))", FNVM_E_TRAP,
     FNVM_TRAP_STACK_EXHAUSTED,
     "call stack exhausted: the guest's stack has 65536 bytes (max_stack_bytes, "
     "-W max-wasm-stack)"},
    {NULL, "(module (import \"host\" \"recurse\" (func $f)) (func (export \"run\") (call $f)))",
     FNVM_E_TRAP, FNVM_TRAP_STACK_EXHAUSTED, "call stack exhausted: 200 calls by the host"},
    {heap_1m, "(module (type $l (struct (field (ref null $l)) (field i64)))"
     " (func (export \"run\") (local (ref null $l))"
     "  (loop (local.set 0 (struct.new $l (local.get 0) (i64.const 1))) (br 0))))",
     FNVM_E_TRAP, FNVM_TRAP_HEAP_EXHAUSTED,
     "managed heap limit reached: it is 1048576 bytes (max_heap_bytes, -W max-heap-size)"},
    {heap_1m, "(module (type $a (array i64)) (func (export \"run\")"
     " (drop (array.new_default $a (i32.const 131072)))))", FNVM_E_TRAP,
     FNVM_TRAP_ALLOCATION_SIZE,
     "allocation size too large: the managed heap has 1048576 bytes (max_heap_bytes, "},
    {heap_1m, "(module (type $a (array i64))"
     " (global (ref $a) (array.new_default $a (i32.const 131072))))", FNVM_E_TRAP,
     FNVM_TRAP_ALLOCATION_SIZE, "the managed heap has 1048576 bytes (max_heap_bytes, "},
    {instances_0, "(module)", FNVM_E_LIMIT, 0,
     "must not have more than 0 instances (max_instances, -W max-instances)"},
    {fuel, "(module (func (export \"run\") (loop (br 0))))", FNVM_E_TRAP, FNVM_TRAP_OUT_OF_FUEL,
     "all fuel consumed: it was 1000 instructions (fnvm_store_set_fuel, -W fuel)"},
};

static void limits_are_named(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODES; m++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const Case *c = &cases[i];
            fnvm_config config;
            World w;
            config_of(&modes[m], &config);
            if (c->set) c->set(&config);
            world_open(&w, &config);
            if (config.fuel) fnvm_store_set_fuel(w.store, 1000);
            fnvm_error *error = instantiate(&w, c->module);
            if (!error && c->code == FNVM_E_TRAP) error = call(&w, "run");
            must_be(error, c->code, c->trap, c->message);
            world_close(&w);
        }
    }
}

/* ---- Bulk operations in pieces ---- */

enum { PIECE = TUNE_PIECE_BYTES, PIECES = 3 * PIECE + 5 };

/* Two pieces apart, so that it cannot be told from one memmove which way it went. */
static void pieces_move_as_one(void **state)
{
    (void)state;
    static const size_t shifts[] = {0, 1, 8, PIECE - 1, PIECE, PIECE + 3, 2 * PIECE};
    fnvm_config config;
    World w;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    const size_t size = PIECES + 2 * PIECE;
    uint8_t *ours = malloc(size), *libc = malloc(size);
    assert_true(ours && libc);
    for (size_t i = 0; i < 2 * sizeof shifts / sizeof *shifts; i++) {
        const size_t shift = shifts[i / 2], from = i % 2 ? shift : 0, to = i % 2 ? 0 : shift;
        for (size_t k = 0; k < size; k++) ours[k] = (uint8_t)(k * 2654435761u >> 13);
        memcpy(libc, ours, size);
        assert_int_equal(bytes_copy(w.store, ours + to, ours + from, PIECES), FNVM_TRAP_NONE);
        memmove(libc + to, libc + from, PIECES);
        assert_memory_equal(ours, libc, size);
    }
    assert_int_equal(bytes_fill(w.store, ours + 1, 7, PIECES), FNVM_TRAP_NONE);
    memset(libc + 1, 7, PIECES);
    assert_memory_equal(ours, libc, size);
    free(ours);
    free(libc);
    world_close(&w);
}

static const char bulk_module[] =
    "(module (type $bytes (array (mut i8))) (type $wide (array (mut v128)))"
    " (type $refs (array (mut anyref)))"
    " (memory 80) (memory 80) (table $a 1000000 funcref) (table $b 1000000 funcref)"
    " (table $grown 0 (ref func) (ref.func $f))"
    " (func $f) (elem declare func $f))";

/* What is small is done whole, and what is large stops after a piece: the flag is looked at nowhere
 * else here. */
static void bulk_operations_stop(void **state)
{
    (void)state;
    fnvm_config config;
    World w;
    uint64_t old;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    assert_null(instantiate(&w, bulk_module));
    Instance *inst = w.instance;
    uint8_t *bytes = inst->memories[0].base;
    fnvm_store_interrupt(w.store);
    assert_int_equal(memory_fill(inst, 0, 0, 1, PIECE), FNVM_TRAP_NONE);
    assert_int_equal(memory_fill(inst, 0, PIECE, 2, 3 * PIECE), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(bytes[2 * PIECE - 1], 2);
    assert_int_equal(bytes[4 * PIECE - 1], 0);
    assert_int_equal(memory_copy(inst, 1, 0, 0, 0, PIECE), FNVM_TRAP_NONE);
    assert_int_equal(memory_copy(inst, 1, 0, 0, 0, 3 * PIECE), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(memory_copy(inst, 0, 0, 1, 0, 3 * PIECE), FNVM_TRAP_INTERRUPTED);
    /* Bounds come first, whatever else there is to say. */
    assert_int_equal(memory_fill(inst, 0, 0, 1, 81 << 16), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    const FuncRef f = instance_func(inst, 0);
    assert_int_equal(table_fill(inst, 0, 0, f, PIECE / 8), FNVM_TRAP_NONE);
    assert_int_equal(table_fill(inst, 0, 0, f, PIECE / 8 + 1), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(table_copy(inst, 1, 0, 0, 0, 1000000), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(inst->tables[1].elems[0], f);
    assert_int_equal(inst->tables[1].elems[999999], 0);
    /* Growing leaves nothing: else a table of references that are never null would show nulls. */
    assert_false(table_grow(&inst->tables[2], 1000000, f, &old));
    assert_int_equal(inst->tables[2].state->size, 0);
    assert_int_equal(inst->tables[2].elems[0], 0);
    fnvm_store_clear_interrupt(w.store);
    assert_true(table_grow(&inst->tables[2], 1000000, f, &old));
    assert_int_equal(inst->tables[2].elems[999999], f);
    assert_int_equal(memory_copy(inst, 1, 0, 0, 0, 3 * PIECE), FNVM_TRAP_NONE);
    world_close(&w);
}

static void arrays_stop(void **state)
{
    (void)state;
    enum { N = 3 * PIECE };
    fnvm_config config;
    World w;
    uint64_t a = 0, b = 0, none = 0;
    const Slot value = {.i64 = 0x55};
    config_of(&modes[0], &config);
    world_open(&w, &config);
    assert_null(instantiate(&w, bulk_module));
    Store *s = w.store;
    const Module *m = w.instance->module;
    const Type *bytes = types_get(&w.engine->types, m->types[0]);
    const Type *refs = types_get(&w.engine->types, m->types[2]);
    heap_enter(s);
    assert_int_equal(heap_new_array(s, bytes, N, &a), FNVM_TRAP_NONE);
    assert_int_equal(heap_new_array(s, refs, PIECE, &b), FNVM_TRAP_NONE);
    for (uint32_t i = 0; i < PIECE; i++)
        assert_int_equal(((uint64_t *)(void *)((Array *)(void *)ref_object(b) + 1))[i], 0);
    assert_int_equal(array_fill(s, bytes, a, 0, &value, N), FNVM_TRAP_NONE);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(*array_at((Array *)(void *)ref_object(a), TYPE_I8, i), 0x55);
    fnvm_store_interrupt(s);
    assert_int_equal(array_fill(s, bytes, a, 0, &value, 1000), FNVM_TRAP_NONE);
    assert_int_equal(array_fill(s, bytes, a, 0, &value, N), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(array_copy(s, bytes, a, 1, a, 0, N - 1), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(heap_new_array(s, bytes, N, &none), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(heap_new_array(s, refs, N, &none), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(none, 0);
    heap_leave(s);
    world_close(&w);
}

/* A heap at its limit is collected; that is given up for a store that is to stop. */
static void collections_stop(void **state)
{
    (void)state;
    fnvm_config config;
    World w;
    config_of(&modes[0], &config);
    config.max_heap_bytes = 4 << 20;
    world_open(&w, &config);
    assert_null(instantiate(&w, bulk_module));
    const Type *bytes = types_get(&w.engine->types, w.instance->module->types[0]);
    fnvm_trap trap = FNVM_TRAP_NONE;
    heap_enter(w.store);
    uint64_t ref = 0;
    for (int i = 0; i < 1000 && !trap; i++) trap = heap_new_array(w.store, bytes, 100000, &ref);
    assert_int_equal(trap, FNVM_TRAP_NONE); /* it has collected many times */
    fnvm_store_interrupt(w.store);
    for (int i = 0; i < 1000 && !trap; i++) trap = heap_new_array(w.store, bytes, 100000, &ref);
    assert_int_equal(trap, FNVM_TRAP_INTERRUPTED);
    fnvm_store_clear_interrupt(w.store);
    for (int i = 0; i < 100; i++)
        assert_int_equal(heap_new_array(w.store, bytes, 100000, &ref), FNVM_TRAP_NONE);
    heap_leave(w.store);
    world_close(&w);
}

/* ---- The same in guests, interrupted by another thread ---- */

static void *interrupt_soon(void *store)
{
    usleep(30000);
    fnvm_store_interrupt(store);
    return NULL;
}

/* Straight-line code, without a loop or a call that would see the interrupt: so many of these
 * operations that without a look of their own they would take minutes. */
static const struct { const char *operation; int times; } long_ones[] = {
    {"(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000))", 20000},
    {"(memory.copy (i32.const 1) (i32.const 0) (i32.const 0x3FFFFFF))", 20000},
    {"(memory.copy (i32.const 0) (i32.const 1) (i32.const 0x3FFFFFF))", 20000},
    {"(table.fill (i32.const 0) (ref.func $f) (i32.const 4000000))", 40000},
    {"(table.copy (i32.const 0) (i32.const 1) (i32.const 3999999))", 40000},
    {"(array.fill $a (local.get 0) (i32.const 0) (i32.const 1) (i32.const 0x4000000))", 20000},
    {"(array.copy $a $a (local.get 0) (i32.const 1) (local.get 0) (i32.const 0)"
     " (i32.const 0x3FFFFFF))", 20000},
    {"(drop (array.new $a (i32.const 1) (i32.const 0x4000000)))", 20000},
    {"(drop (array.new_default $r (i32.const 0x800000)))", 20000},
};

static char *straight_line(const char *operation, int times)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    fputs("(module (type $a (array (mut i8))) (type $r (array (mut anyref)))"
          " (memory 1024) (table 4000000 funcref) (func $f) (elem declare func $f)"
          " (func (export \"run\") (local (ref null $a))"
          " (local.set 0 (array.new_default $a (i32.const 0x4000000)))", f);
    for (int i = 0; i < times; i++) fputs(operation, f);
    fputs("))", f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void long_operations_are_interrupted(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODES; m += 2) {
        for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++) {
            fnvm_config config;
            World w;
            pthread_t thread;
            config_of(&modes[m], &config);
            world_open(&w, &config);
            char *text = straight_line(long_ones[i].operation, long_ones[i].times);
            assert_null(instantiate(&w, text));
            free(text);
            alarm(HANG_SECONDS);
            assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, w.store), 0);
            fnvm_error *error = call(&w, "run");
            alarm(0);
            pthread_join(thread, NULL);
            must_trap(error, FNVM_TRAP_INTERRUPTED, "interrupted");
            world_close(&w);
        }
    }
}

/* Instances of large modules: the interrupt is there before they are made. */
static void instantiation_is_interrupted(void **state)
{
    (void)state;
    static const char *const modules[] = {
        "(module (type $a (array i8)) (global (ref $a) (array.new $a (i32.const 1)"
        " (i32.const 0x1000000))))",
        "(module (table 1000000 (ref func) (ref.func $f)) (func $f))"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        fnvm_config config;
        World w;
        config_of(&modes[i % MODES], &config);
        world_open(&w, &config);
        fnvm_store_interrupt(w.store);
        must_trap(instantiate(&w, modules[i]), FNVM_TRAP_INTERRUPTED, "interrupted");
        assert_null(instantiate(&w, "(module (memory 1) (data (i32.const 0) \"small\"))"));
        world_close(&w);
    }
}

/* ---- The call table ---- */

#define WASI(name, type) "(import \"wasi_snapshot_preview1\" \"" name "\" (func " type "))"
static const char two_calls[] =
    "(module " WASI("fd_write", "(param i32 i32 i32 i32) (result i32)")
    WASI("fd_read", "(param i32 i32 i32 i32) (result i32)") WASI("sched_yield", "(result i32)")
    " (func (export \"run\")))";
static const char old_name[] =
    "(module (import \"wasi_unstable\" \"random_get\" (func (param i32 i32) (result i32)))"
    " (func (export \"run\")))";
static const char unknown_too[] =
    "(module " WASI("fd_read", "(param i32 i32 i32 i32) (result i32)") WASI("fd_rood", "")
    " (import \"env\" \"nothing\" (func)) (func (export \"run\")))";

static void refused(World *w, const char *module, const char *part)
{
    must_be(instantiate(w, module), FNVM_E_POLICY, FNVM_TRAP_NONE, part);
}

static void calls_outside_the_table_are_refused(void **state)
{
    (void)state;
    static const char *const some[] = {"fd_write", "sched_yield"}, *const one[] = {"fd_read"};
    static const char *const wrong[] = {"fd_write", "fd_wrote"};
    for (size_t m = 0; m < MODES; m++) {
        fnvm_config config;
        World w;
        config_of(&modes[m], &config);
        world_open(&w, &config);
        assert_null(instantiate(&w, two_calls)); /* before it, all are allowed */
        must_be(fnvm_wasi_allow_calls(w.wasi, wrong, 2), FNVM_E_USAGE, 0, "\"fd_wrote\"");
        assert_null(instantiate(&w, two_calls)); /* nothing has changed */
        assert_null(fnvm_wasi_allow_calls(w.wasi, some, 2));
        assert_null(call(&w, "run"));
        /* What the linker has made for another module is not to be had either. */
        refused(&w, two_calls, "not in the call table");
        refused(&w, two_calls, "wasi_snapshot_preview1.fd_read: (func (param i32 i32 i32 i32)");
        refused(&w, old_name, "wasi_unstable.random_get");
        refused(&w, unknown_too, "\nand unknown imports:\n  wasi_snapshot_preview1.fd_rood: (func)"
                "\n  env.nothing: (func)");
        fnvm_linker_unknown_imports_trap(w.linker, true);
        refused(&w, unknown_too, "wasi_snapshot_preview1.fd_read");
        assert_null(fnvm_wasi_allow_calls(w.wasi, one, 1));
        assert_null(instantiate(&w, two_calls));
        assert_null(instantiate(&w, unknown_too));
        world_close(&w);
    }
}

/* All of a module's at once, and nothing else. */
static void the_list_is_whole(void **state)
{
    (void)state;
    fnvm_config config;
    World w;
    fnvm_module *m;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    assert_null(fnvm_wasi_allow_calls(w.wasi, (const char *[]){"sched_yield"}, 1));
    assert_null(fnvm_module_new(w.engine, two_calls, strlen(two_calls), &m));
    fnvm_error *error = fnvm_linker_instantiate(w.linker, m, &w.instance);
    assert_non_null(error);
    assert_true(says(error, "fd_write") && says(error, "fd_read") && !says(error, "sched_yield"));
    fnvm_error_free(error);
    fnvm_module_release(m);
    world_close(&w);
}

/* A function of its own under the same name is the embedder's, and none of WASI's. */
static void own_definitions_are_not_asked_for(void **state)
{
    (void)state;
    fnvm_config config;
    World w;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    assert_null(fnvm_wasi_allow_calls(w.wasi, NULL, 0));
    refused(&w, "(module " WASI("sched_yield", "(result i32)") ")", "sched_yield");
    assert_null(fnvm_linker_define_func(w.linker, "wasi_snapshot_preview1", "sched_yield", "-> i32",
                                        recurse, &w));
    assert_null(instantiate(&w, "(module " WASI("sched_yield", "(result i32)") ")"));
    world_close(&w);
}

/* An image made with a call is not restored without it. */
static void images_are_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/fnvm_limits_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t m = 0; m < MODES; m += 2) {
        fnvm_config config;
        World w, again;
        fnvm_image *image;
        fnvm_instance *main;
        config_of(&modes[m], &config);
        world_open(&w, &config);
        assert_null(instantiate(&w, two_calls));
        const fnvm_freeze freeze = {.path = path, .main = w.instance, .linker = w.linker,
                                    .wasi = w.wasi, .no_sync = true};
        assert_null(fnvm_store_freeze(w.store, &freeze));
        world_close(&w);
        for (int allowed = 0; allowed < 2; allowed++) {
            static const char *const names[] = {"fd_write", "sched_yield", "fd_read"};
            world_open(&again, &config);
            assert_null(fnvm_wasi_allow_calls(again.wasi, names, allowed ? 3 : 1));
            assert_null(fnvm_image_open(again.engine, path, NULL, &image));
            fnvm_error *error = fnvm_image_restore(image, again.linker, again.wasi, &main);
            if (allowed) {
                assert_null(error);
            } else {
                assert_true(says(error, "fd_read") && says(error, "sched_yield"));
                assert_false(says(error, "fd_write"));
                must_be(error, FNVM_E_POLICY, 0, "the image calls host functions that are not in "
                        "the call table");
            }
            fnvm_image_release(image);
            world_close(&again);
        }
    }
    unlink(path);
}

/* ---- Output ---- */

static const char writer[] =
    "(module (import \"wasi_snapshot_preview1\" \"fd_write\""
    "  (func $write (param i32 i32 i32 i32) (result i32)))"
    " (memory (export \"memory\") 2) (data (i32.const 0) \"\\20\\00\\00\\00\\0a\\00\\00\\00\")"
    " (func (export \"write\") (result i32)"
    "  (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))"
    " (func (export \"written\") (result i32) (i32.load (i32.const 16))))";

static int32_t result_of(World *w, const char *name)
{
    fnvm_extern func;
    fnvm_val result = {.kind = FNVM_I32};
    assert_true(fnvm_instance_export(w->instance, name, strlen(name), &func));
    assert_null(fnvm_func_call(w->store, func, NULL, 0, &result, 1));
    return result.of.i32;
}

static void output_ends(void **state)
{
    (void)state;
    enum { ERRNO_DQUOT = 19 };
    char path[] = "/tmp/fnvm_limits_XXXXXX", text[64];
    int image_fd = mkstemp(path), pipes[2];
    assert_true(image_fd >= 0);
    close(image_fd);
    assert_int_equal(pipe(pipes), 0);
    fnvm_config config;
    World w, again;
    fnvm_image *image;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    assert_null(fnvm_wasi_stdio(w.wasi, 1, pipes[1]));
    fnvm_wasi_limit_output(w.wasi, 25);
    assert_null(instantiate(&w, writer));
    const fnvm_freeze freeze = {.path = path, .main = w.instance, .linker = w.linker,
                                .wasi = w.wasi, .no_sync = true};
    assert_null(fnvm_store_freeze(w.store, &freeze));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(result_of(&w, "write"), 0);
        assert_int_equal(result_of(&w, "written"), i < 2 ? 10 : 5); /* the last one is cut */
    }
    assert_int_equal(result_of(&w, "write"), ERRNO_DQUOT);
    assert_int_equal(read(pipes[0], text, sizeof text), 25);
    world_close(&w);

    world_open(&again, &config);
    assert_null(fnvm_wasi_stdio(again.wasi, 1, pipes[1]));
    fnvm_wasi_limit_output(again.wasi, 10);
    assert_null(fnvm_image_open(again.engine, path, NULL, &image));
    assert_null(fnvm_image_restore(image, again.linker, again.wasi, &again.instance));
    for (int i = 0; i < 3; i++) { /* each reset begins anew */
        assert_int_equal(result_of(&again, "write"), 0);
        assert_int_equal(result_of(&again, "write"), ERRNO_DQUOT);
        assert_null(fnvm_store_reset(again.store));
    }
    fnvm_image_release(image);
    world_close(&again);
    close(pipes[0]);
    close(pipes[1]);
    unlink(path);
}

static void descriptors_given_count(void **state)
{
    (void)state;
    fnvm_config config;
    World w;
    config_of(&modes[0], &config);
    world_open(&w, &config);
    fnvm_wasi_limit_descriptors(w.wasi, 4);
    assert_null(fnvm_wasi_preopen_dir(w.wasi, "/tmp", "/a", FNVM_DIR_READ_ONLY));
    must_be(fnvm_wasi_preopen_dir(w.wasi, "/tmp", "/b", FNVM_DIR_READ_ONLY), FNVM_E_LIMIT, 0,
            "can have 4 descriptors, the standard streams included");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(pieces_move_as_one),
        cmocka_unit_test(bulk_operations_stop),
        cmocka_unit_test(arrays_stop),
        cmocka_unit_test(collections_stop),
        cmocka_unit_test(long_operations_are_interrupted),
        cmocka_unit_test(instantiation_is_interrupted),
        cmocka_unit_test(calls_outside_the_table_are_refused),
        cmocka_unit_test(the_list_is_whole),
        cmocka_unit_test(own_definitions_are_not_asked_for),
        cmocka_unit_test(images_are_refused),
        cmocka_unit_test(output_ends),
        cmocka_unit_test(descriptors_given_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
