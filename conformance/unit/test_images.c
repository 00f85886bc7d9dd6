/* Images of stores at rest, through the public interface: every kind of state comes back, copies
 * share nothing, and a reset leaves nothing behind. */
#include <pthread.h>
#include <time.h>

#include "conformance/unit/image_world.h"

enum { HANG_SECONDS = 60 }; /* a guest that cannot be stopped ends the test program */

/* ---- What comes back ---- */

static void test_globals(void **state)
{
    static const char text[] =
        "(module (global $a (mut i32) (i32.const 1)) (global $b (mut i64) (i64.const 1))"
        " (global $c (mut f32) (f32.const 1)) (global $d (mut f64) (f64.const 1))"
        " (global $e (mut v128) (v128.const i64x2 1 2)) (global $f (mut funcref) (ref.null func))"
        " (global $k i32 (i32.const 4)) (elem declare func $five) (type $v (func (result i32)))"
        " (func $five (result i32) (i32.const 5))"
        " (func (export \"set\") (global.set $a (i32.const -7))"
        "  (global.set $b (i64.const 0x123456789abcdef)) (global.set $c (f32.const nan:0x200001))"
        "  (global.set $d (f64.const -0)) (global.set $f (ref.func $five))"
        "  (global.set $e (v128.const i64x2 0x1111 0xffff000000000000)))"
        " (func (export \"check\") (result i32)"
        "  (i32.eq (global.get $a) (i32.const -7))"
        "  (i64.eq (global.get $b) (i64.const 0x123456789abcdef)) (i32.and)"
        "  (i32.eq (i32.reinterpret_f32 (global.get $c)) (i32.const 0x7fa00001)) (i32.and)"
        "  (i64.eq (i64.reinterpret_f64 (global.get $d)) (i64.const 0x8000000000000000)) (i32.and)"
        "  (i8x16.all_true (i8x16.eq (global.get $e)"
        "   (v128.const i64x2 0x1111 0xffff000000000000))) (i32.and)"
        "  (i32.eq (call_ref $v (ref.cast (ref $v) (global.get $f))) (i32.const 5)) (i32.and)"
        "  (i32.eq (global.get $k) (i32.const 4)) (i32.and)))";
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, text);
    runs(w.store, w.instance, "set", 0);
    duplicate(&w, &c);
    store_close(&w);
    returns(c.store, c.main, "check", 0, 1);
    copy_close(&c);
    world_close(&w);
}

static void test_memories(void **state)
{
    static const char text[] =
        "(module (memory $a 1 20) (memory $b i64 0 5) (data (memory $a) (i32.const 100) \"begin\")"
        " (func (export \"set\")"
        "  (drop (memory.grow $a (i32.const 3))) (drop (memory.grow $b (i64.const 2)))"
        "  (i32.store8 $a (i32.const 262143) (i32.const 9))"
        "  (i32.store $a (i32.const 100) (i32.const 0))"
        "  (i64.store $b (i64.const 65533) (i64.const -1)))"
        " (func (export \"first\") (param i32) (result i32) (i32.load8_u $a (local.get 0)))"
        " (func (export \"second\") (param i32) (result i32)"
        "  (i32.load8_u $b (i64.extend_i32_u (local.get 0))))"
        " (func (export \"pages\") (result i32) (i32.add (i32.mul (memory.size $a)"
        "  (i32.const 10)) (i32.wrap_i64 (memory.size $b))))"
        " (func (export \"grow\") (result i32) (memory.grow $a (i32.const 16)))"
        " (func (export \"beyond\") (result i32) (i32.load8_u $a (i32.const 262144))))";
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, text);
    runs(w.store, w.instance, "set", 0);
    duplicate(&w, &c);
    returns(c.store, c.main, "pages", 0, 42);
    returns(c.store, c.main, "first", 262143, 9);
    returns(c.store, c.main, "first", 100, 0);
    returns(c.store, c.main, "first", 104, 'n');
    returns(c.store, c.main, "first", 200000, 0);
    returns(c.store, c.main, "second", 65540, 255);
    returns(c.store, c.main, "second", 65541, 0);
    traps(c.store, c.main, "beyond", FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    returns(c.store, c.main, "grow", 0, 4);
    returns(c.store, c.main, "first", 20 * 65536 - 1, 0);
    returns(w.store, w.instance, "pages", 0, 42); /* the other has not grown */
    copy_close(&c);
    world_close(&w);
}

static void test_tables_and_segments(void **state)
{
    static const char text[] =
        "(module (type $v (func (result i32))) (table $t 2 40 funcref) (table $x 1 externref)"
        " (memory 1) (data $gone \"abc\") (data $here \"xyz\")"
        " (elem $egone func $one) (elem $ehere func $two)"
        " (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))"
        " (func (export \"set\") (drop (table.grow $t (ref.func $two) (i32.const 30)))"
        "  (table.set $t (i32.const 1) (ref.func $one))"
        "  (table.set $t (i32.const 20) (ref.null func))"
        "  (data.drop $gone) (elem.drop $egone))"
        " (func (export \"at\") (param i32) (result i32)"
        "  (call_indirect $t (type $v) (local.get 0)))"
        " (func (export \"null\") (result i32) (call_indirect $t (type $v) (i32.const 20)))"
        " (func (export \"size\") (result i32) (table.size $t))"
        " (func (export \"data_gone\")"
        "  (memory.init $gone (i32.const 0) (i32.const 0) (i32.const 1)))"
        " (func (export \"data_here\") (result i32)"
        "  (memory.init $here (i32.const 0) (i32.const 1) (i32.const 1))"
        "  (i32.load8_u (i32.const 0)))"
        " (func (export \"elem_gone\")"
        "  (table.init $t $egone (i32.const 0) (i32.const 0) (i32.const 1)))"
        " (func (export \"elem_here\") (result i32)"
        "  (table.init $t $ehere (i32.const 0) (i32.const 0) (i32.const 1))"
        "  (call_indirect $t (type $v) (i32.const 0))))";
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, text);
    runs(w.store, w.instance, "set", 0);
    duplicate(&w, &c);
    returns(c.store, c.main, "size", 0, 32);
    returns(c.store, c.main, "at", 1, 1);
    returns(c.store, c.main, "at", 31, 2);
    traps(c.store, c.main, "null", FNVM_TRAP_UNINITIALIZED_ELEMENT);
    traps(c.store, c.main, "data_gone", FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    traps(c.store, c.main, "elem_gone", FNVM_TRAP_TABLE_OUT_OF_BOUNDS);
    returns(c.store, c.main, "data_here", 0, 'y');
    returns(c.store, c.main, "elem_here", 0, 2);
    copy_close(&c);
    world_close(&w);
}

static const char objects_program[] =
    "(module"
    " (type $node (struct (field $v (mut i32)) (field $next (mut (ref null $node)))"
    "  (field $any (mut anyref))))"
    " (type $bytes (array (mut i8))) (type $nodes (array (mut (ref null $node))))"
    " (tag $t (param i32 (ref null $node)))"
    " (global $ring (mut (ref null $node)) (ref.null $node))"
    " (global $all (mut (ref null $nodes)) (ref.null $nodes))"
    " (global $thrown (mut exnref) (ref.null exn))"
    " (global $host (export \"host\") (mut externref) (ref.null extern))"
    " (table $x 3 anyref) (elem $kept anyref (struct.new $node (i32.const 50) (ref.null $node)"
    "  (ref.i31 (i32.const 51))))"
    " (func (export \"set\") (local $a (ref null $node))"
    "  (local.set $a (struct.new $node (i32.const 1) (ref.null $node) (ref.i31 (i32.const -3))))"
    "  (global.set $ring (struct.new $node (i32.const 2) (local.get $a)"
    "   (array.new_fixed $bytes 3 (i32.const 7) (i32.const 8) (i32.const 9))))"
    "  (struct.set $node $next (local.get $a) (global.get $ring))"
    "  (global.set $all (array.new $nodes (local.get $a) (i32.const 4)))"
    "  (table.set $x (i32.const 1) (local.get $a))"
    "  (table.set $x (i32.const 2) (any.convert_extern (global.get $host)))"
    "  (global.set $thrown (block $c (result i32 (ref null $node) exnref)"
    "    (try_table (catch_ref $t $c) (throw $t (i32.const 77) (local.get $a))) (unreachable)))"
    "  (drop) (drop))"
    " (func (export \"ring\") (result i32)"
    "  (ref.eq (global.get $ring) (struct.get $node $next (struct.get $node $next"
    "   (global.get $ring)))))"
    " (func (export \"shared\") (result i32)"
    "  (ref.eq (ref.cast eqref (table.get $x (i32.const 1)))"
    "   (array.get $nodes (global.get $all) (i32.const 3))))"
    " (func (export \"i31\") (result i32) (i31.get_s (ref.cast i31ref"
    "  (struct.get $node $any (array.get $nodes (global.get $all) (i32.const 0))))))"
    " (func (export \"byte\") (param i32) (result i32) (array.get_u $bytes (ref.cast (ref $bytes)"
    "  (struct.get $node $any (global.get $ring))) (local.get 0)))"
    " (func (export \"thrown\") (result i32)"
    "  (block $c (result i32 (ref null $node)) (try_table (catch $t $c)"
    "   (throw_ref (global.get $thrown))) (unreachable))"
    "  (struct.get $node $v) (i32.add))"
    " (func (export \"kept\") (result i32) (table.init $x $kept (i32.const 0) (i32.const 0)"
    "  (i32.const 1)) (struct.get $node $v (ref.cast (ref $node) (table.get $x (i32.const 0)))))"
    " (func (export \"is_host\") (result i32) (ref.is_null (table.get $x (i32.const 2))) (i32.eqz))"
    " (func (export \"spoil\") (struct.set $node $v (global.get $ring) (i32.const 99))"
    "  (struct.set $node $next (global.get $ring) (ref.null $node))"
    "  (global.set $all (array.new $nodes (ref.null $node) (i32.const 9)))"
    "  (table.set $x (i32.const 1) (ref.null none)) (elem.drop $kept)))";


static void set_objects(World *w)
{
    fnvm_extern host;
    fnvm_val value = {.kind = FNVM_REF};
    must(fnvm_ref_from_host(w->store, 12345, &value.of.ref));
    assert_true(fnvm_instance_export(w->instance, "host", 4, &host));
    must(fnvm_global_set(w->store, host, &value));
    runs(w->store, w->instance, "set", 0);
}

static void check_objects(fnvm_store *store, fnvm_instance *instance)
{
    fnvm_extern host;
    fnvm_val value;
    uint64_t number = 0;
    returns(store, instance, "ring", 0, 1);
    returns(store, instance, "shared", 0, 1);
    returns(store, instance, "i31", 0, -3);
    returns(store, instance, "byte", 2, 9);
    returns(store, instance, "thrown", 0, 77 + 1);
    returns(store, instance, "is_host", 0, 1);
    assert_true(fnvm_instance_export(instance, "host", 4, &host));
    must(fnvm_global_get(store, host, &value));
    assert_true(fnvm_ref_host_value(store, value.of.ref, &number));
    assert_int_equal(number, 12345);
}

static void test_objects(void **state)
{
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, objects_program);
    set_objects(&w);
    duplicate(&w, &c);
    store_close(&w);
    const ImageHash before = whole(c.store);
    for (int i = 0; i < 3; i++) {
        check_objects(c.store, c.main);
        returns(c.store, c.main, "kept", 0, 50);
        runs(c.store, c.main, "spoil", 0);
        assert_false(same(whole(c.store), before));
        must(fnvm_store_reset(c.store));
        assert_true(same(whole(c.store), before));
    }
    copy_close(&c);
    world_close(&w);
}

/* A memory, a table, a global, a tag and a function that two instances share. */
static void test_instances_share(void **state)
{
    static const char owner[] =
        "(module (memory (export \"m\") 1) (table (export \"t\") 4 funcref)"
        " (global (export \"g\") (mut i32) (i32.const 3)) (tag (export \"e\") (param i32))"
        " (func (export \"f\") (result i32) (i32.load (i32.const 8))))";
    static const char user[] =
        "(module (import \"o\" \"m\" (memory 1)) (import \"o\" \"t\" (table $t 4 funcref))"
        " (import \"o\" \"g\" (global $g (mut i32))) (import \"o\" \"e\" (tag $e (param i32)))"
        " (import \"o\" \"f\" (func $f (result i32))) (type $v (func (result i32)))"
        " (elem declare func $own $f)"
        " (func $own (result i32) (i32.add (global.get $g) (i32.const 100)))"
        " (func (export \"set\") (i32.store (i32.const 8) (i32.const 41))"
        "  (global.set $g (i32.const 5)) (table.set $t (i32.const 0) (ref.func $own))"
        "  (table.set $t (i32.const 1) (ref.func $f)))"
        " (func (export \"check\") (result i32)"
        "  (i32.add (call_indirect $t (type $v) (i32.const 0))"
        "   (i32.add (call_indirect $t (type $v) (i32.const 1))"
        "    (block $c (result i32) (try_table (catch $e $c) (throw $e (i32.const 1000)))"
        "     (unreachable)))))"
        " (func (export \"bump\") (i32.store (i32.const 8) (i32.const 1))))";
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, owner);
    must(fnvm_linker_define_instance(w.linker, "o", 1, w.instance));
    instantiate(&w, user);
    runs(w.store, w.instance, "set", 0);
    duplicate(&w, &c);
    runs(w.store, w.instance, "bump", 0);
    returns(c.store, c.main, "check", 0, 105 + 41 + 1000);
    returns(c.store, fnvm_store_instance(c.store, 0), "f", 0, 41);
    returns(w.store, w.instance, "check", 0, 105 + 1 + 1000);
    copy_close(&c);
    world_close(&w);
}

/* What a name's module was made into is in the image; what was not needed yet is made later, and
 * then there is no way back. */
static void test_modules_linked_later(void **state)
{
    static const char counter[] = "(module (global $n (mut i32) (i32.const 0))"
                                  " (func (export \"next\") (result i32)"
                                  "  (global.set $n (i32.add (global.get $n) (i32.const 1)))"
                                  "  (global.get $n)))";
    static const char user[] = "(module (import \"one\" \"next\" (func $one (result i32)))"
                               " (import \"two\" \"next\" (func $two (result i32)))"
                               " (func (export \"one\") (result i32) (call $one))"
                               " (func (export \"two\") (result i32) (call $two)))";
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_open(&w, &config);
    fnvm_module *m = load(&w, counter);
    must(fnvm_linker_define_module(w.linker, "one", m));
    must(fnvm_linker_define_module(w.linker, "two", m));
    instantiate(&w, user);
    returns(w.store, w.instance, "one", 0, 1);
    must(freeze(&w));
    must(open_image(&w, &image));
    must(fnvm_store_new(w.engine, &c.store));
    must(fnvm_linker_new(c.store, &c.linker));
    must(define_hosts(&w, c.linker));
    must(fnvm_linker_define_module(c.linker, "one", m));
    must(fnvm_linker_define_module(c.linker, "two", m));
    must(fnvm_image_restore(image, c.linker, NULL, &c.main));
    fnvm_image_release(image);
    const ImageHash before = whole(c.store);
    const size_t n = fnvm_store_instances(c.store);
    for (int i = 0; i < 3; i++) {
        returns(c.store, c.main, "one", 0, 2);
        must(fnvm_store_reset(c.store));
        assert_true(same(whole(c.store), before));
    }
    returns(c.store, c.main, "two", 0, 1);
    returns(c.store, c.main, "two", 0, 2);
    assert_int_equal(fnvm_store_instances(c.store), n + 1);
    refused(fnvm_store_reset(c.store), FNVM_E_UNSUPPORTED, "instantiated since");
    copy_close(&c);
    world_close(&w);
}

static void test_copies_are_independent(void **state)
{
    World w;
    Copy a, b;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    returns(w.store, w.instance, "next", 0, 1);
    must(freeze(&w));
    must(open_image(&w, &image));
    copy_open(&w, image, &a);
    copy_open(&w, image, &b);
    const ImageHash before = whole(a.store);
    assert_true(same(before, whole(b.store)));
    returns(a.store, a.main, "next", 0, 2);
    returns(a.store, a.main, "next", 0, 3);
    assert_true(same(before, whole(b.store)));
    returns(b.store, b.main, "next", 0, 2);
    returns(w.store, w.instance, "next", 0, 2);
    copy_close(&a);
    fnvm_image_release(image); /* the store keeps it */
    must(fnvm_store_reset(b.store));
    assert_true(same(before, whole(b.store)));
    returns(b.store, b.main, "next", 0, 2);
    copy_close(&b);
    world_close(&w);
}

/* An image of what an image was restored to, and went on. */
static void test_generations(void **state)
{
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    for (int32_t i = 1; i < 6; i++) {
        returns(w.store, w.instance, "next", 0, i);
        if (i == 3) runs(w.store, w.instance, "grow", 0);
        duplicate(&w, &c);
        store_close(&w);
        w.store = c.store;
        w.linker = c.linker;
        w.instance = c.main;
    }
    returns(w.store, w.instance, "last", 0, -1);
    world_close(&w);
}

/* ---- Resetting ---- */

static void *interrupt_soon(void *store)
{
    const struct timespec soon = {.tv_nsec = 20000000};
    nanosleep(&soon, NULL);
    fnvm_store_interrupt(store);
    return NULL;
}

static void test_reset(void **state)
{
    World w;
    Copy c;
    pthread_t thread;
    fnvm_ref ref;
    uint64_t value;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    returns(w.store, w.instance, "next", 0, 1);
    duplicate(&w, &c);
    const ImageHash before = whole(c.store);

    must(fnvm_store_reset(c.store)); /* of what was never touched */
    assert_true(same(whole(c.store), before));
    runs(c.store, c.main, "grow", 0);
    must(fnvm_store_reset(c.store));
    assert_true(same(whole(c.store), before));
    returns(c.store, c.main, "last", 0, 0); /* nothing is left behind the memory's end */
    traps(c.store, c.main, "fail", FNVM_TRAP_UNREACHABLE);
    must(fnvm_store_reset(c.store));
    assert_true(same(whole(c.store), before));
    traps(c.store, c.main, "deep", FNVM_TRAP_STACK_EXHAUSTED);
    must(fnvm_store_reset(c.store));
    assert_true(same(whole(c.store), before));

    must(fnvm_ref_from_host(c.store, 7, &ref));
    must(fnvm_store_reset(c.store));
    assert_false(fnvm_ref_host_value(c.store, ref, &value));

    alarm(HANG_SECONDS);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, c.store), 0);
    traps(c.store, c.main, "loop", FNVM_TRAP_INTERRUPTED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    alarm(0);
    must(fnvm_store_reset(c.store));
    assert_true(same(whole(c.store), before));
    returns(c.store, c.main, "next", 0, 2); /* it is not interrupted any more */
    copy_close(&c);
    world_close(&w);
}

static void test_reset_needs_an_image(void **state)
{
    World w;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    refused(fnvm_store_reset(w.store), FNVM_E_USAGE, NULL);
    refused(fnvm_store_resume(w.store, NULL, 0), FNVM_E_USAGE, NULL);
    world_close(&w);
}

static void test_fuel(void **state)
{
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    config.fuel = true;
    world_with(&w, &config, counter_program());
    fnvm_store_set_fuel(w.store, 1000);
    returns(w.store, w.instance, "next", 0, 1);
    const uint64_t left = fnvm_store_fuel(w.store);
    assert_true(left < 1000);
    duplicate(&w, &c);
    assert_int_equal(fnvm_store_fuel(c.store), left);
    traps(c.store, c.main, "loop", FNVM_TRAP_OUT_OF_FUEL);
    assert_int_equal(fnvm_store_fuel(c.store), 0);
    must(fnvm_store_reset(c.store));
    assert_int_equal(fnvm_store_fuel(c.store), left);
    returns(c.store, c.main, "next", 0, 2);
    copy_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_ENGINES(test_globals),
        BOTH_ENGINES(test_memories),
        BOTH_ENGINES(test_tables_and_segments),
        BOTH_ENGINES(test_objects),
        BOTH_ENGINES(test_instances_share),
        BOTH_ENGINES(test_modules_linked_later),
        BOTH_ENGINES(test_copies_are_independent),
        BOTH_ENGINES(test_generations),
        BOTH_ENGINES(test_reset),
        BOTH_ENGINES(test_reset_needs_an_image),
        BOTH_ENGINES(test_fuel)};
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
