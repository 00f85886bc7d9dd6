/* Managed objects in images: frozen out of one store, checked and made again in another, whose
 * pages are copied by hand.  What guests compute from the objects must be the same; hostile bytes
 * are refused, or make objects that are of their types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/frames.h"
#include "vm/image/objects.h"
#include "vm/image/objects_format.h"
#include "vm/region.h"

/* ---- Worlds: an engine and a store with one instance ---- */

static const char source[] =
    "(module\n"
    "  (type $f (func (param i32) (result i32)))\n"
    "  (import \"host\" \"twice\" (func $twice (type $f)))\n"
    "  (type $cell (sub (struct (field (mut i64)) (field $next (mut (ref null $cell))))))\n"
    "  (type $big (sub $cell (struct (field (mut i64)) (field $next (mut (ref null $cell)))\n"
    "    (field v128))))\n"
    "  (type $mix (struct (field (mut i8)) (field (mut i16)) (field f32) (field v128)\n"
    "    (field (ref null $f)) (field (ref $f)) (field (mut anyref)) (field externref)\n"
    "    (field (ref $cell)) (field i31ref)))\n"
    "  (type $bytes (array (mut i8))) (type $vectors (array (mut v128)))\n"
    "  (type $any (array (mut anyref))) (type $cells (array (ref $cell)))\n"
    "  (type $funcs (array (mut funcref)))\n"
    "  (tag $e (param i32 (ref null $cell) v128 externref))\n"
    "  (global $h (mut i64) (i64.const 0))\n"
    "  (global $list (mut (ref null $cell)) (ref.null $cell))\n"
    "  (global $mix (mut (ref null $mix)) (ref.null $mix))\n"
    "  (global $any (mut (ref null $any)) (ref.null $any))\n"
    "  (global $cells (mut (ref null $cells)) (ref.null $cells))\n"
    "  (global $bytes (mut (ref null $bytes)) (ref.null $bytes))\n"
    "  (global $vectors (mut (ref null $vectors)) (ref.null $vectors))\n"
    "  (global $thrown (mut exnref) (ref.null exn))\n"
    "  (global $host (mut externref) (ref.null extern))\n"
    "  (global $wrapped (mut externref) (ref.null extern))\n"
    "  (global $small anyref (ref.i31 (i32.const 5)))\n"
    "  (global $fixed (ref $cell) (struct.new $cell (i64.const 77) (ref.null $cell)))\n"
    "  (table $t 4 anyref)\n"
    "  (table $cells_t 2 (ref $cell) (struct.new $cell (i64.const 78) (ref.null $cell)))\n"
    "  (table $numbers 3 (ref i31) (ref.i31 (i32.const 6)))\n"
    "  (elem $items (ref $cell) (item (struct.new $cell (i64.const 8) (ref.null $cell)))\n"
    "    (item (struct.new $big (i64.const 9) (ref.null $cell) (v128.const i64x2 1 2))))\n"
    "  (elem declare func $twice $inc)\n"
    "  (func $inc (type $f) (i32.add (local.get 0) (i32.const 1)))\n"
    "  (func $add (param i64) (global.set $h (i64.add (local.get 0)\n"
    "    (i64.mul (global.get $h) (i64.const 1000003)))))\n"
    "  (func $add32 (param i32) (call $add (i64.extend_i32_s (local.get 0))))\n"
    "  (func $add_v128 (param v128) (call $add (i64x2.extract_lane 0 (local.get 0)))\n"
    "    (call $add (i64x2.extract_lane 1 (local.get 0))))\n"
    "  (func (export \"push\") (param i32)\n"
    "    (loop $l (global.set $list (struct.new $cell (i64.extend_i32_u (local.get 0))\n"
    "        (global.get $list)))\n"
    "      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))\n"
    "  (func (export \"drop_list\") (global.set $list (ref.null $cell)))\n"
    "  (func (export \"drop_items\") (elem.drop $items))\n"
    "  (func (export \"build\") (param $host externref) (local $c (ref $cell))\n"
    "    (global.set $host (local.get $host))\n"
    "    (local.set $c (struct.new $big (i64.const 3) (ref.null $cell) (v128.const i64x2 4 5)))\n"
    "    (struct.set $cell $next (local.get $c) (local.get $c))\n"
    "    (global.set $mix (struct.new $mix (i32.const 0x81) (i32.const 0x8002) (f32.const 1.5)\n"
    "      (v128.const i64x2 6 7) (ref.func $twice) (ref.func $inc) (ref.null any)\n"
    "      (local.get $host) (local.get $c) (ref.i31 (i32.const -1))))\n"
    "    (struct.set $mix 6 (global.get $mix) (global.get $mix))\n"
    "    (global.set $any (array.new_fixed $any 5 (global.get $mix) (ref.i31 (i32.const 12))\n"
    "      (any.convert_extern (local.get $host)) (local.get $c)\n"
    "      (array.new_fixed $funcs 3 (ref.func $inc) (ref.null func) (ref.func $twice))))\n"
    "    (global.set $cells (array.new $cells (local.get $c) (i32.const 3)))\n"
    "    (global.set $bytes (array.new $bytes (i32.const 0xA5) (i32.const 13)))\n"
    "    (global.set $vectors (array.new $vectors (v128.const i64x2 10 11) (i32.const 3)))\n"
    "    (global.set $wrapped (extern.convert_any (global.get $bytes)))\n"
    "    (table.set $t (i32.const 1) (global.get $any))\n"
    "    (table.set $t (i32.const 2) (ref.i31 (i32.const 99)))\n"
    "    (table.set $t (i32.const 3) (global.get $fixed))\n"
    "    (table.set $cells_t (i32.const 1) (local.get $c))\n"
    "    (global.set $thrown (block $caught (result exnref)\n"
    "      (try_table (catch_all_ref $caught) (throw $e (i32.const 7) (local.get $c)\n"
    "        (v128.const i64x2 12 13) (global.get $wrapped)))\n"
    "      (unreachable))))\n"
    "  (func $list_sum (param $c (ref null $cell)) (local $left i32)\n"
    "    (local.set $left (i32.const 200000))\n"
    "    (block $end (loop $l\n"
    "      (br_if $end (i32.eqz (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))\n"
    "      (call $add (struct.get $cell 0 (br_on_null $end (local.get $c))))\n"
    "      (local.set $c (struct.get $cell $next (local.get $c))) (br $l))))\n"
    "  (func (export \"sum\") (result i64) (global.set $h (i64.const 0))\n"
    "    (call $list_sum (global.get $list)) (global.get $h))\n"
    "  (func $mix_sum (param $m (ref null $mix))\n"
    "    (call $add32 (struct.get_s $mix 0 (local.get $m)))\n"
    "    (call $add32 (struct.get_u $mix 1 (local.get $m)))\n"
    "    (call $add32 (i32.trunc_sat_f32_s (f32.mul (struct.get $mix 2 (local.get $m))\n"
    "      (f32.const 2))))\n"
    "    (call $add_v128 (struct.get $mix 3 (local.get $m)))\n"
    "    (call $add32 (call_ref $f (i32.const 21) (struct.get $mix 4 (local.get $m))))\n"
    "    (call $add32 (call_ref $f (i32.const 21) (struct.get $mix 5 (local.get $m))))\n"
    "    (call $add32 (ref.eq (local.get $m) (ref.cast eqref (struct.get $mix 6\n"
    "      (local.get $m)))))\n"
    "    (call $add32 (ref.eq (struct.get $mix 8 (local.get $m))\n"
    "      (struct.get $cell $next (struct.get $mix 8 (local.get $m)))))\n"
    "    (call $add32 (i31.get_s (struct.get $mix 9 (local.get $m)))))\n"
    "  (func $any_sum (param $a (ref null $any)) (local $f (ref null $funcs))\n"
    "    (call $mix_sum (ref.cast (ref $mix) (array.get $any (local.get $a) (i32.const 0))))\n"
    "    (call $add32 (i31.get_s (ref.cast i31ref (array.get $any (local.get $a)\n"
    "      (i32.const 1)))))\n"
    "    (call $add32 (ref.test eqref (array.get $any (local.get $a) (i32.const 2))))\n"
    "    (call $add_v128 (struct.get $big 2 (ref.cast (ref $big)\n"
    "      (array.get $any (local.get $a) (i32.const 3)))))\n"
    "    (local.set $f (ref.cast (ref $funcs) (array.get $any (local.get $a) (i32.const 4))))\n"
    "    (call $add32 (call_ref $f (i32.const 30) (ref.cast (ref $f)\n"
    "      (array.get $funcs (local.get $f) (i32.const 2)))))\n"
    "    (call $add32 (ref.is_null (array.get $funcs (local.get $f) (i32.const 1)))))\n"
    "  (func $bytes_sum (param $b (ref null $bytes)) (local $i i32)\n"
    "    (call $add32 (array.len (local.get $b)))\n"
    "    (block $end (loop $l\n"
    "      (br_if $end (i32.ge_u (local.get $i) (array.len (local.get $b))))\n"
    "      (call $add32 (array.get_u $bytes (local.get $b) (local.get $i)))\n"
    "      (local.set $i (i32.add (local.get $i) (i32.const 1)))\n"
    "      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))))\n"
    "  (func $thrown_sum (local $x externref) (local $v v128) (local $c (ref null $cell))\n"
    "    (block $caught (result i32 (ref null $cell) v128 externref)\n"
    "      (try_table (catch $e $caught) (throw_ref (global.get $thrown)))\n"
    "      (unreachable))\n"
    "    (local.set $x) (local.set $v) (local.set $c) (call $add32)\n"
    "    (call $add_v128 (local.get $v))\n"
    "    (call $add (struct.get $cell 0 (local.get $c)))\n"
    "    (call $bytes_sum (ref.cast (ref null $bytes) (any.convert_extern (local.get $x)))))\n"
    "  (func (export \"items\") (result i64) (local $a (ref null $cells))\n"
    "    (local.set $a (array.new_elem $cells $items (i32.const 0) (i32.const 2)))\n"
    "    (global.set $h (i64.const 0))\n"
    "    (call $list_sum (array.get $cells (local.get $a) (i32.const 0)))\n"
    "    (call $list_sum (array.get $cells (local.get $a) (i32.const 1)))\n"
    "    (call $add_v128 (struct.get $big 2 (ref.cast (ref $big)\n"
    "      (array.get $cells (local.get $a) (i32.const 1)))))\n"
    "    (global.get $h))\n"
    "  (func (export \"digest\") (result i64) (global.set $h (i64.const 0))\n"
    "    (call $list_sum (global.get $list))\n"
    "    (call $any_sum (global.get $any))\n"
    "    (call $any_sum (ref.cast (ref $any) (table.get $t (i32.const 1))))\n"
    "    (call $add32 (ref.eq (global.get $any) (ref.cast eqref (table.get $t (i32.const 1)))))\n"
    "    (call $add32 (i31.get_s (ref.cast i31ref (table.get $t (i32.const 2)))))\n"
    "    (call $add32 (ref.eq (global.get $fixed) (ref.cast eqref (table.get $t (i32.const 3)))))\n"
    "    (call $add (struct.get $cell 0 (global.get $fixed)))\n"
    "    (call $add (struct.get $cell 0 (table.get $cells_t (i32.const 0))))\n"
    "    (call $add (struct.get $cell 0 (table.get $cells_t (i32.const 1))))\n"
    "    (call $add (struct.get $cell 0 (array.get $cells (global.get $cells) (i32.const 2))))\n"
    "    (call $add32 (i31.get_s (table.get $numbers (i32.const 2))))\n"
    "    (call $add_v128 (array.get $vectors (global.get $vectors) (i32.const 2)))\n"
    "    (call $bytes_sum (global.get $bytes))\n"
    "    (call $bytes_sum (ref.cast (ref null $bytes) (any.convert_extern\n"
    "      (global.get $wrapped))))\n"
    "    (call $thrown_sum) (global.get $h))\n"
    "  (export \"host\" (global $host)) (export \"thrown\" (global $thrown))\n"
    "  (export \"list\" (global $list)) (export \"fixed\" (global $fixed))\n"
    "  (export \"any\" (global $any)) (export \"mix\" (global $mix)))\n";

enum { HOST_VALUE = 0x12345678, STACK_BYTES = 256 << 10 };

typedef struct World {
    fnvm_engine *engine;
    fnvm_linker *linker;
    fnvm_module *module;
    Store *store;
    Instance *inst;
} World;

static void must(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    fail();
}

static void refused(fnvm_error *error, fnvm_code code, const char *text)
{
    if (!error) fail_msg("not refused; expected \"%s\"", text);
    if (fnvm_error_code(error) != code || !strstr(fnvm_error_message(error), text))
        fail_msg("%s; expected \"%s\"", fnvm_error_message(error), text);
    fnvm_error_free(error);
}

static fnvm_engine *engine_open(uint64_t heap_bytes)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.max_stack_bytes = STACK_BYTES;
    if (heap_bytes) config.max_heap_bytes = heap_bytes;
    fnvm_engine *engine;
    must(fnvm_engine_new(&config, &engine));
    return engine;
}

static fnvm_error *twice(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 *= 2;
    return NULL;
}

static World world_of(fnvm_engine *engine, const char *text)
{
    World w = {.engine = engine};
    must(fnvm_module_new(engine, text, strlen(text), &w.module));
    must(fnvm_store_new(engine, &w.store));
    must(fnvm_linker_new(w.store, &w.linker));
    must(fnvm_linker_define_func(w.linker, "host", "twice", "i32 -> i32", twice, NULL));
    must(fnvm_linker_instantiate(w.linker, w.module, &w.inst));
    return w;
}

static World world_open(fnvm_engine *engine) { return world_of(engine, source); }

static void world_close(World *w)
{
    fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
}

static fnvm_error *call(World *w, const char *name, const fnvm_val *arg, fnvm_val *result)
{
    fnvm_extern f;
    assert_true(fnvm_instance_export(w->inst, name, strlen(name), &f));
    return fnvm_func_call(w->store, f, arg, arg ? 1 : 0, result, result ? 1 : 0);
}

static void run(World *w, const char *name, const fnvm_val *arg) { must(call(w, name, arg, NULL)); }

static int64_t ask(World *w, const char *name)
{
    fnvm_val result;
    must(call(w, name, NULL, &result));
    return result.of.i64;
}

static void push(World *w, int32_t n) { run(w, "push", &(fnvm_val){FNVM_I32, {.i32 = n}}); }

static void build(World *w)
{
    fnvm_val host = {.kind = FNVM_REF};
    must(fnvm_ref_from_host(w->store, HOST_VALUE, &host.of.ref));
    push(w, 3);
    run(w, "build", &host);
    fnvm_store_drop_refs(w->store);
}

/* The bits of an exported global. */
static uint64_t *global(World *w, const char *name)
{
    fnvm_extern g;
    assert_true(fnvm_instance_export(w->inst, name, strlen(name), &g));
    return &w->inst->globals[2 * g.of[1]].i64;
}

/* ---- Images by hand ---- */

static uint64_t *place(World *w, uint64_t at)
{
    return (uint64_t *)(void *)(region_base(w->inst) + at);
}

static uint64_t place_of(const World *w, const void *at)
{
    return (uint64_t)((const uint8_t *)at - region_base(w->inst));
}

static void copy_pages(const World *from, World *to, const ObjectsFrozen *frozen)
{
    RegionRange ranges[64];
    const uint32_t n = region_nranges(from->inst);
    assert_in_range(n, 1, 64);
    region_ranges(from->inst, ranges);
    for (uint32_t i = 0; i < n; i++)
        memcpy(place(to, ranges[i].at), region_base(from->inst) + ranges[i].at, ranges[i].size);
    for (uint64_t i = 0; i < frozen->nroots; i++) *place(to, frozen->roots[i].at) = 0;
}

static ObjectsFrozen freeze(World *w, const StackRef *refs, uint32_t nrefs)
{
    ObjectsFrozen frozen;
    must(objects_freeze(w->store, w->inst, refs, nrefs, &frozen));
    return frozen;
}

static fnvm_error *check(World *w, const ObjectsFrozen *f)
{
    return objects_check(w->store, w->inst, NULL, 0, f->bytes, f->size);
}

static void thaw_into(const World *from, World *to, const ObjectsFrozen *frozen)
{
    copy_pages(from, to, frozen);
    must(check(to, frozen));
    must(objects_thaw(to->store, frozen->bytes, frozen->size));
}

static void expect_equal(const ObjectsFrozen *a, const ObjectsFrozen *b)
{
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->nroots, b->nroots);
    if (a->size) assert_memory_equal(a->bytes, b->bytes, a->size);
    if (a->nroots) assert_memory_equal(a->roots, b->roots, a->nroots * sizeof *a->roots);
}

static const ObjectsHead *head_of(const ObjectsFrozen *f)
{
    return (const ObjectsHead *)(const void *)f->bytes;
}

/* Makes the collector look at all stores: another one fills its heap with garbage.  That it may not
 * get it all back, should an address of it lie about, does not matter. */
static void collect(void)
{
    fnvm_engine *engine = engine_open(1 << 20);
    World w = world_open(engine);
    for (int i = 0; i < 8; i++) {
        fnvm_error_free(call(&w, "push", &(fnvm_val){FNVM_I32, {.i32 = 20000}}, NULL));
        run(&w, "drop_list", NULL);
    }
    world_close(&w);
    fnvm_engine_free(engine);
}

/* ---- Tests ---- */

static void graphs_are_the_same_in_another_store(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    build(&a);
    const int64_t digest = ask(&a, "digest"), items = ask(&a, "items");
    ObjectsFrozen frozen = freeze(&a, NULL, 0), again = freeze(&a, NULL, 0);
    expect_equal(&frozen, &again);
    assert_int_equal(ask(&a, "digest"), digest); /* it goes on as it was */
    thaw_into(&a, &b, &frozen);
    assert_int_equal(ask(&b, "digest"), digest);
    assert_int_equal(ask(&b, "items"), items);
    const HostObject *host = (const HostObject *)(void *)ref_object(*global(&b, "host"));
    assert_int_equal(host->value, HOST_VALUE);
    assert_true(*global(&a, "host") != *global(&b, "host"));
    collect();
    assert_int_equal(ask(&b, "digest"), digest);
    objects_frozen_free(&again);
    again = freeze(&b, NULL, 0); /* equal graphs, equal bytes */
    assert_int_equal(again.size, frozen.size);
    objects_frozen_free(&frozen);
    frozen = freeze(&a, NULL, 0);
    expect_equal(&frozen, &again);
    objects_frozen_free(&again);
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

/* Deep graphs take no stack: the thread has little. */
static void *long_list(void *env)
{
    enum { CELLS = 100000 };
    fnvm_engine *engine = env;
    World a = world_open(engine), b = world_open(engine);
    push(&a, CELLS);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    assert_in_range(head_of(&frozen)->nobjects, CELLS, CELLS + 10);
    thaw_into(&a, &b, &frozen);
    assert_int_equal(ask(&a, "sum"), ask(&b, "sum"));
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    return NULL;
}

static void long_lists_need_no_stack(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    pthread_attr_t attr;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 1 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attr, long_list, engine), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
    fnvm_engine_free(engine);
}

/* Type ids are an engine's own. */
static void types_are_found_in_another_engine(void **state)
{
    (void)state;
    fnvm_engine *one = engine_open(0), *two = engine_open(0);
    fnvm_module *first;
    const char *text = "(module (type (struct (field i32 i32 i32))) (type (array f64)))";
    must(fnvm_module_new(two, text, strlen(text), &first));
    World a = world_open(one), b = world_open(two);
    build(&a);
    assert_int_not_equal(ref_object(*global(&a, "mix"))->type, 0);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    thaw_into(&a, &b, &frozen);
    assert_true(ref_object(*global(&a, "mix"))->type != ref_object(*global(&b, "mix"))->type);
    assert_int_equal(ask(&a, "digest"), ask(&b, "digest"));
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_module_release(first);
    fnvm_engine_free(one);
    fnvm_engine_free(two);
}

/* Objects and tags of one instance in another's globals. */
static const char user_source[] =
    "(module\n"
    "  (type $cell (sub (struct (field (mut i64)) (field (mut (ref null $cell))))))\n"
    "  (import \"first\" \"tag\" (tag $e (param (ref null $cell))))\n"
    "  (global $x (export \"x\") (mut exnref) (ref.null exn))\n"
    "  (func (export \"keep\") (global.set $x (block $caught (result exnref)\n"
    "    (try_table (catch_all_ref $caught)\n"
    "      (throw $e (struct.new $cell (i64.const 5) (ref.null $cell))))\n"
    "    (unreachable))))\n"
    "  (func (export \"get\") (result i64) (struct.get $cell 0\n"
    "    (block $caught (result (ref null $cell)) (try_table (catch $e $caught)\n"
    "      (throw_ref (global.get $x))) (unreachable)))))\n";

static World world_of_two(fnvm_engine *engine)
{
    World w = world_of(engine, "(module\n"
        "  (type $cell (sub (struct (field (mut i64)) (field (mut (ref null $cell))))))\n"
        "  (tag (export \"tag\") (param (ref null $cell))))");
    must(fnvm_linker_define_instance(w.linker, "first", 5, w.inst));
    fnvm_module *m;
    must(fnvm_module_new(engine, user_source, sizeof user_source - 1, &m));
    must(fnvm_linker_instantiate(w.linker, m, &w.inst));
    fnvm_module_release(m);
    return w;
}

static void instances_share_types_and_tags(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World a = world_of_two(engine), b = world_of_two(engine);
    run(&a, "keep", NULL);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    assert_int_equal(head_of(&frozen)->nobjects, 2);
    thaw_into(&a, &b, &frozen);
    assert_int_equal(ask(&b, "get"), 5);
    const Exception *e = (const Exception *)(void *)ref_object(*global(&b, "x"));
    assert_ptr_equal(e->tag.owner, b.store->instances[1]);
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

/* ---- Roots ---- */

static void what_is_dropped_stays_behind(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    ObjectsFrozen with = freeze(&a, NULL, 0);
    run(&a, "drop_items", NULL);
    ObjectsFrozen without = freeze(&a, NULL, 0);
    assert_int_equal(with.nroots, without.nroots); /* the addresses do not go along */
    assert_int_equal(head_of(&with)->nobjects, head_of(&without)->nobjects + 2);
    thaw_into(&a, &b, &without);
    objects_frozen_free(&with);
    objects_frozen_free(&without);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

static void stores_without_objects_have_no_bytes(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    const char *text = "(module (global (mut anyref) (ref.i31 (i32.const 3))) (table 2 externref))";
    World a = world_of(engine, text), b = world_of(engine, text);
    const StackRef ref = {4, HEAP_ANY};
    stack_slot(a.inst, 4)->i64 = 0x7fff12345678; /* where no collector was ever started */
    ObjectsFrozen frozen = freeze(&a, &ref, 1);
    assert_null(frozen.bytes);
    assert_int_equal(frozen.size, 0);
    assert_int_equal(frozen.nroots, 1);
    thaw_into(&a, &b, &frozen);
    assert_int_equal(stack_slot(b.inst, 4)->i64, 0);
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

static TypeId type_of(World *w, const char *name) { return ref_object(*global(w, name))->type; }

enum { FIRST_SLOT = 10, NSLOTS = 12 };

/* What a suspended call's slots may have in them, by the types of the frames. */
static void fill_stack(World *w, StackRef refs[NSLOTS])
{
    const TypeId cell = type_of(w, "list"), mix = type_of(w, "mix");
    const uint64_t object = *global(w, "mix"), host = *global(w, "host");
    run(w, "drop_list", NULL);
    push(w, 3);
    const uint64_t alone = *global(w, "list"); /* two cells, the second refers to something else */
    uint64_t *next = (uint64_t *)(void *)ref_object(alone) + 2;
    uint64_t *last = (uint64_t *)(void *)ref_object(*next) + 2;
    const uint64_t good = *last;               /* and a good one */
    *last = object;
    run(w, "drop_list", NULL);
    const struct { uint64_t bits; HeapType type; } slots[NSLOTS] = {
        {object, HEAP_ANY}, {good, cell}, {host, HEAP_EXTERN}, {i31_make(9), HEAP_EQ},
        {0, HEAP_EXN},
        /* dead: */ {alone, cell}, {object, cell}, {object, HEAP_EXN}, {object + 8, HEAP_ANY},
        {0x7fff00000001, HEAP_ANY}, {0xdead0000, HEAP_ANY}, {i31_make(9), mix}};
    for (uint32_t i = 0; i < NSLOTS; i++) {
        stack_slot(w->inst, FIRST_SLOT + i)->i64 = slots[i].bits;
        refs[NSLOTS - 1 - i] = (StackRef){FIRST_SLOT + i, slots[i].type}; /* in any order */
    }
}

static void dead_slots_become_null(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    StackRef refs[NSLOTS];
    build(&a);
    ObjectsFrozen without = freeze(&a, NULL, 0);
    fill_stack(&a, refs);
    ObjectsFrozen with = freeze(&a, refs, NSLOTS);
    const ObjectsHead *head = head_of(&with);
    assert_int_equal(with.nroots, without.nroots - 1 + 3 + 7); /* the list is no more */
    assert_int_equal(head->nroots, head_of(&without)->nroots - 1 + 3);
    assert_int_equal(head->nobjects, head_of(&without)->nobjects - 3 + 1);
    copy_pages(&a, &b, &with);
    must(objects_check(b.store, b.inst, refs, NSLOTS, with.bytes, with.size));
    refused(check(&b, &with), FNVM_E_INVALID, "is at no place for one");
    must(objects_thaw(b.store, with.bytes, with.size));
    collect(); /* what only waiting slots refer to is in use */
    collect();
    for (uint32_t i = 4; i < NSLOTS; i++)
        assert_int_equal(stack_slot(b.inst, FIRST_SLOT + i)->i64, 0);
    assert_int_equal(stack_slot(b.inst, FIRST_SLOT + 3)->i64, i31_make(9));
    assert_int_equal(stack_slot(b.inst, FIRST_SLOT)->i64, *global(&b, "mix"));
    assert_int_equal(stack_slot(b.inst, FIRST_SLOT + 2)->i64, *global(&b, "host"));
    const Object *good = ref_object(stack_slot(b.inst, FIRST_SLOT + 1)->i64);
    assert_int_equal(good->type, refs[NSLOTS - 2].heap);
    assert_int_equal(good->store, b.store->lists.tag);
    assert_int_equal(((const uint64_t *)(const void *)good)[1], 3);
    objects_frozen_free(&without);
    objects_frozen_free(&with);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

static void slots_that_cannot_be_are_refused(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World w = world_open(engine);
    const StackRef twice_there[] = {{7, HEAP_ANY}, {9, HEAP_ANY}, {7, HEAP_EXN}};
    const StackRef beyond[] = {{UINT32_MAX, HEAP_ANY}};
    ObjectsFrozen frozen;
    refused(objects_freeze(w.store, w.inst, twice_there, 3, &frozen), FNVM_E_INVALID,
            "a slot in common");
    refused(objects_check(w.store, w.inst, beyond, 1, NULL, 0), FNVM_E_INVALID, "not on the stack");
    world_close(&w);
    fnvm_engine_free(engine);
}

/* ---- Limits and collections ---- */

static void what_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    fnvm_engine *large = engine_open(0), *small = engine_open(1 << 20);
    World a = world_open(large), b = world_open(small);
    push(&a, 50000);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    copy_pages(&a, &b, &frozen);
    must(check(&b, &frozen));
    refused(objects_thaw(b.store, frozen.bytes, frozen.size), FNVM_E_LIMIT, "do not fit");
    assert_int_equal(*global(&b, "list"), 0);
    run(&a, "drop_list", NULL);
    objects_frozen_free(&frozen);
    build(&a);
    frozen = freeze(&a, NULL, 0);
    for (int i = 0; i < 2000; i++) thaw_into(&a, &b, &frozen); /* garbage does not count */
    assert_int_equal(ask(&a, "digest"), ask(&b, "digest"));
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(large);
    fnvm_engine_free(small);
}

typedef struct Collecting { atomic_bool stop; } Collecting;

static void *collect_all_the_time(void *env)
{
    Collecting *c = env;
    while (!atomic_load(&c->stop)) collect();
    return NULL;
}

static void other_threads_collect_meanwhile(void **state)
{
    (void)state;
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    build(&a);
    push(&a, 20000);
    const int64_t digest = ask(&a, "digest");
    Collecting c;
    atomic_init(&c.stop, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, collect_all_the_time, &c), 0);
    for (int i = 0; i < 50; i++) {
        ObjectsFrozen frozen = freeze(i % 2 ? &b : &a, NULL, 0);
        thaw_into(i % 2 ? &b : &a, i % 2 ? &a : &b, &frozen);
        assert_int_equal(ask(&a, "digest"), digest);
        assert_int_equal(ask(&b, "digest"), digest);
        objects_frozen_free(&frozen);
    }
    atomic_store(&c.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

/* ---- Hostile bytes ---- */

/* A blob and pages that can be changed; all is as it was with each `forge`. */
typedef struct Forgery {
    World *a, *b;
    const ObjectsFrozen *frozen;
    uint8_t *bytes;           /* a copy of the frozen ones */
    ObjectsView view;         /* of that */
} Forgery;

static void forge(Forgery *f)
{
    memcpy(f->bytes, f->frozen->bytes, f->frozen->size);
    copy_pages(f->a, f->b, f->frozen);
    assert_true(objects_view(f->bytes, f->frozen->size, &f->view));
}

static ObjectsHead *forged_head(Forgery *f) { return (ObjectsHead *)(void *)f->bytes; }
static ObjectsRoot *forged_root(Forgery *f, uint64_t i)
{
    return (ObjectsRoot *)(uintptr_t)&f->view.roots[i];
}
static ObjectsEntry *forged_entry(Forgery *f, uint32_t i)
{
    return (ObjectsEntry *)(uintptr_t)&f->view.entries[i];
}

static ObjectsRoot *root_of(Forgery *f, const char *name)
{
    const uint64_t at = place_of(f->b, global(f->b, name));
    uint64_t i = 0;
    while (i < f->view.head->nroots && f->view.roots[i].at != at) i++;
    assert_true(i < f->view.head->nroots);
    return forged_root(f, i);
}

static const Type *entry_type(Forgery *f, uint32_t number)
{
    const ObjectsType *t = &f->view.types[f->view.entries[number].type];
    const Module *m = f->b->store->instances[t->instance]->module;
    return types_get(&m->engine->types, m->types[t->index]);
}

static uint64_t *contents_of(Forgery *f, uint32_t number)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < number; i++) {
        const ObjectsEntry *e = &f->view.entries[i];
        if (e->type == OBJECTS_HOST) at += 8;
        else if (e->type == OBJECTS_EXCEPTION) at += 8 + 8 * (uint64_t)e->length;
        else if (entry_type(f, i)->comp == COMP_STRUCT) at += entry_type(f, i)->size - 8;
        else at += (storage_size(entry_type(f, i)->fields[0].type) * e->length + 7) / 8 * 8;
    }
    return (uint64_t *)(uintptr_t)(f->view.contents + at);
}

/* A field of the object that the global refers to. */
static uint64_t *field_of(Forgery *f, const char *name, uint32_t field)
{
    const uint32_t number = root_of(f, name)->object;
    const uint32_t offset = entry_type(f, number)->fields[field].offset;
    assert_int_equal(offset % 8, 0);
    return contents_of(f, number) + (offset - 8) / 8;
}

static uint64_t ref_to(Forgery *f, const char *name)
{
    return objects_ref(root_of(f, name)->object);
}

static void null_field(Forgery *f) { *field_of(f, "mix", 8) = 0; }
static void null_func(Forgery *f) { *field_of(f, "mix", 5) = 0; }
static void import_func(Forgery *f) { *field_of(f, "mix", 5) = funcref_make(1, 0); }
static void no_func(Forgery *f) { *field_of(f, "mix", 5) = funcref_make(1, 1000); }
static void no_instance_func(Forgery *f) { *field_of(f, "mix", 5) = funcref_make(7, 1); }
static void no_host_func(Forgery *f) { *field_of(f, "mix", 4) = funcref_make(0, 5); }
static void other_func(Forgery *f) { *field_of(f, "mix", 4) = funcref_make(1, 2); }
static void other_object(Forgery *f) { *field_of(f, "list", 1) = ref_to(f, "mix"); }
static void no_object(Forgery *f)
{
    *field_of(f, "list", 1) = objects_ref(f->view.head->nobjects);
}
static void far_object(Forgery *f) { *field_of(f, "list", 1) = UINT64_MAX - 1; }
static void wrong_number(Forgery *f) { *field_of(f, "list", 1) = i31_make(1); }
static void wide_number(Forgery *f) { *field_of(f, "mix", 6) = UINT64_C(0x100000001); }
static void object_for_number(Forgery *f) { *field_of(f, "mix", 9) = ref_to(f, "mix"); }
static void exception_as_any(Forgery *f) { *field_of(f, "mix", 6) = ref_to(f, "thrown"); }
static void host_as_cell(Forgery *f) { *field_of(f, "mix", 8) = ref_to(f, "host"); }
static void tag_of_nobody(Forgery *f) { *contents_of(f, root_of(f, "thrown")->object) = 9; }
static void tag_beyond(Forgery *f)
{
    *contents_of(f, root_of(f, "thrown")->object) = UINT64_C(9) << 32 | 1;
}
static void payload_other(Forgery *f)
{
    contents_of(f, root_of(f, "thrown")->object)[2] = ref_to(f, "mix");
}
static void fewer_values(Forgery *f) { forged_entry(f, root_of(f, "thrown")->object)->length--; }
static void long_struct(Forgery *f) { forged_entry(f, root_of(f, "mix")->object)->length = 1; }
static void long_array(Forgery *f)
{
    forged_entry(f, root_of(f, "any")->object)->length = UINT32_MAX;
}
static void no_type(Forgery *f)
{
    forged_entry(f, 0)->type = f->view.head->ntypes;
}
static void type_of_func(Forgery *f) { ((ObjectsType *)(uintptr_t)f->view.types)->index = 0; }
static void type_beyond(Forgery *f) { ((ObjectsType *)(uintptr_t)f->view.types)->index = 1000; }
static void type_of_nobody(Forgery *f) { ((ObjectsType *)(uintptr_t)f->view.types)->instance = 0; }
static void many_objects(Forgery *f) { forged_head(f)->nobjects = UINT32_MAX; }
static void many_types(Forgery *f) { forged_head(f)->ntypes = UINT32_MAX; }
static void many_roots(Forgery *f) { forged_head(f)->nroots = UINT64_MAX / 8; }
static void much_contents(Forgery *f) { forged_head(f)->contents_size = UINT64_MAX - 7; }
static void fewer_objects(Forgery *f)
{
    ObjectsHead *h = forged_head(f);
    h->nobjects--;
    h->contents_size += sizeof(ObjectsEntry);
}
static void root_elsewhere(Forgery *f) { root_of(f, "any")->at += 8; }
static void root_in_nobody(Forgery *f) { root_of(f, "any")->instance = 0; }
static void last_root_beyond(Forgery *f)
{
    forged_root(f, f->view.head->nroots - 1)->instance = 7;
}
static void root_twice(Forgery *f) { *forged_root(f, 1) = *forged_root(f, 0); }
static void roots_swapped(Forgery *f)
{
    const ObjectsRoot r = *forged_root(f, 0);
    *forged_root(f, 0) = *forged_root(f, 1);
    *forged_root(f, 1) = r;
}
static void root_other(Forgery *f) { root_of(f, "list")->object = root_of(f, "mix")->object; }
static void root_to_nothing(Forgery *f)
{
    root_of(f, "list")->object = f->view.head->nobjects;
}
static void root_far(Forgery *f) { root_of(f, "list")->object = UINT32_MAX; }
static void address_in_page(Forgery *f) { f->b->inst->tables[0].elems[0] = 0x7fff12345678; }
static void address_below_root(Forgery *f) { *global(f->b, "list") = *global(f->a, "list"); }
static void wide_number_in_page(Forgery *f) { f->b->inst->tables[0].elems[2] |= UINT64_C(1) << 40; }
static void null_in_page(Forgery *f) { f->b->inst->tables[2].elems[1] = 0; }
static void number_in_page(Forgery *f)
{
    run(f->a, "drop_list", NULL); /* else there is a root */
    *global(f->b, "list") = i31_make(1);
}

static void forgeries_are_refused(void **state)
{
    (void)state;
    static const struct { void (*edit)(Forgery *); const char *says; } cases[] = {
        {null_field, "is null"}, {null_func, "is null"}, {import_func, "refers to an import"},
        {no_func, "a function that does not exist"},
        {no_instance_func, "a function that does not exist"},
        {no_host_func, "a function that does not exist"},
        {other_func, "a function of another type"}, {other_object, "an object of another type"},
        {no_object, "an object that does not exist"}, {far_object, "an object that does not exist"},
        {wrong_number, "is a number"}, {wide_number, "is a number"},
        {object_for_number, "an object of another type"},
        {exception_as_any, "an object of another type"},
        {host_as_cell, "an object of another type"},
        {tag_of_nobody, "has a tag of an instance"}, {tag_beyond, "has a tag that does not exist"},
        {payload_other, "an object of another type"}, {fewer_values, "more or fewer values"},
        {long_struct, "has a length"}, {long_array, "is longer than"}, {no_type, "has no type"},
        {type_of_func, "none of a struct or array"}, {type_beyond, "none of a struct or array"},
        {type_of_nobody, "none of a struct or array"}, {many_objects, "add up"},
        {many_types, "add up"}, {many_roots, "add up"}, {much_contents, "add up"},
        {fewer_objects, "image"}, {root_elsewhere, "is at no place"},
        {root_in_nobody, "is at no place"}, {last_root_beyond, "is null"},
        {root_twice, "is at no place"},
        {roots_swapped, "is at no place"}, {root_other, "an object of another type"},
        {root_to_nothing, "does not exist"}, {root_far, "does not exist"},
        {address_in_page, "is the address of something"}, {address_below_root, "twice"},
        {wide_number_in_page, "is a number"}, {null_in_page, "is null"}};
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    build(&a);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    Forgery f = {.a = &a, .b = &b, .frozen = &frozen, .bytes = malloc(frozen.size)};
    assert_non_null(f.bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge(&f);
        cases[i].edit(&f);
        refused(objects_check(b.store, b.inst, NULL, 0, f.bytes, frozen.size), FNVM_E_INVALID,
                cases[i].says);
    }
    forge(&f);
    must(objects_check(b.store, b.inst, NULL, 0, f.bytes, frozen.size));
    forge(&f);
    number_in_page(&f);
    objects_frozen_free(&frozen);
    frozen = freeze(&a, NULL, 0);
    refused(check(&b, &frozen), FNVM_E_INVALID, "is a number");
    free(f.bytes);
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

/* Objects that pass the check are such as the guest itself could have made: it can use them. */
static void try_out(World *w, const uint8_t *bytes, uint64_t size)
{
    fnvm_error *error = objects_check(w->store, w->inst, NULL, 0, bytes, size);
    if (!error) {
        fnvm_val result;
        must(objects_thaw(w->store, bytes, size));
        fnvm_error_free(call(w, "digest", NULL, &result));
        fnvm_error_free(call(w, "items", NULL, &result));
    }
    fnvm_error_free(error);
}

static void flipped_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x80, 0xFF};
    fnvm_engine *engine = engine_open(0);
    World a = world_open(engine), b = world_open(engine);
    build(&a);
    ObjectsFrozen frozen = freeze(&a, NULL, 0);
    Forgery f = {.a = &a, .b = &b, .frozen = &frozen, .bytes = malloc(frozen.size)};
    assert_non_null(f.bytes);
    for (uint64_t i = 0; i < frozen.size; i++)
        for (size_t k = 0; k < sizeof flips; k++) {
            forge(&f);
            f.bytes[i] ^= flips[k];
            try_out(&b, f.bytes, frozen.size);
        }
    free(f.bytes);
    for (uint64_t size = 0; size < frozen.size; size++) { /* truncated */
        uint8_t *part = malloc(size + 1);
        assert_non_null(part);
        memcpy(part, frozen.bytes, size);
        copy_pages(&a, &b, &frozen);
        refused(objects_check(b.store, b.inst, NULL, 0, part, size), FNVM_E_INVALID, "image");
        free(part);
    }
    objects_frozen_free(&frozen);
    world_close(&a);
    world_close(&b);
    fnvm_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_without_objects_have_no_bytes),
        cmocka_unit_test(graphs_are_the_same_in_another_store),
        cmocka_unit_test(long_lists_need_no_stack),
        cmocka_unit_test(types_are_found_in_another_engine),
        cmocka_unit_test(instances_share_types_and_tags),
        cmocka_unit_test(what_is_dropped_stays_behind),
        cmocka_unit_test(dead_slots_become_null),
        cmocka_unit_test(slots_that_cannot_be_are_refused),
        cmocka_unit_test(what_does_not_fit_leaves_nothing),
        cmocka_unit_test(other_threads_collect_meanwhile),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(flipped_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
