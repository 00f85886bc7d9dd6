/* Functions of the host in images: their types are what they were, also those that only a module
 * can have said (recursive, or with supertypes), whatever ids the engine gives them. */
#include <sodium.h>

#include "conformance/unit/image_world.h"
#include "vm/image/image.h"

/* Types of `program`, by index. */
enum { TYPE_F, TYPE_PAD, TYPE_TWIN, TYPE_STRUCT, TYPE_OPEN, TYPE_BELOW };

/* Slot 0 of the table has env.own, slot 1 env.below.  test(slot) has a bit for each type that the
 * function is of. */
static const char program[] =
    "(module (rec (type $f (func (param (ref null $f)) (result i32))) (type $pad (func)))"
    " (rec (type $twin (func (param (ref null $twin)) (result i32))) (type $s (struct)))"
    " (type $open (sub (func (param i32) (result i32))))"
    " (type $below (sub $open (func (param i32) (result i32))))"
    " (import \"env\" \"own\" (func $own (type $f)))"
    " (import \"env\" \"below\" (func $down (type $open)))"
    " (table $t 2 funcref) (elem (table $t) (i32.const 0) func $own $down)"
    " (func (export \"test\") (param i32) (result i32)"
    "  (ref.test (ref $f) (table.get $t (local.get 0)))"
    "  (i32.shl (ref.test (ref $twin) (table.get $t (local.get 0))) (i32.const 1)) (i32.or)"
    "  (i32.shl (ref.test (ref $open) (table.get $t (local.get 0))) (i32.const 2)) (i32.or)"
    "  (i32.shl (ref.test (ref $below) (table.get $t (local.get 0))) (i32.const 3)) (i32.or))"
    " (func (export \"call\") (result i32) (call $own (ref.null $f)))"
    " (func (export \"indirect\") (result i32)"
    "  (call_indirect $t (type $f) (ref.func $own) (i32.const 0)))"
    " (func (export \"twin\") (result i32)"
    "  (call_indirect $t (type $twin) (ref.null $twin) (i32.const 0)))"
    " (func (export \"open\") (param i32) (result i32)"
    "  (call_ref $open (local.get 0) (ref.cast (ref $open) (table.get $t (i32.const 1)))))"
    " (func (export \"below\") (param i32) (result i32)"
    "  (call_ref $below (local.get 0) (ref.cast (ref $below) (table.get $t (i32.const 1))))))";
enum { OWN_TESTS = 1, BELOW_TESTS = 4 | 8 };

static fnvm_error *own(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 = slots[0].i64 ? 41 : 40;
    return NULL;
}

static fnvm_error *below(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 = slots[0].i32 * 2;
    return NULL;
}

static void define(fnvm_store *store, fnvm_linker *linker, const fnvm_module *m, const char *name,
                   uint32_t type, fnvm_host_fn fn)
{
    fnvm_extern e = {.kind = FNVM_EXTERN_FUNC};
    must(store_add_host_func(store, m->types[type], fn, NULL, name, &e.of[0]));
    must(fnvm_linker_define(linker, "env", 3, name, strlen(name), e));
}

static void define_both(fnvm_store *store, fnvm_linker *linker, const fnvm_module *m)
{
    define(store, linker, m, "own", TYPE_F, own);
    define(store, linker, m, "below", TYPE_BELOW, below);
}

static void world_of_program(World *w, const fnvm_config *config)
{
    world_open(w, config);
    define_both(w->store, w->linker, load(w, program));
    must(fnvm_linker_instantiate(w->linker, w->modules[0], &w->instance));
}

static void behaves(fnvm_store *store, fnvm_instance *main)
{
    returns(store, main, "test", 0, OWN_TESTS);
    returns(store, main, "test", 1, BELOW_TESTS);
    returns(store, main, "call", 0, 40);
    returns(store, main, "indirect", 0, 41);
    returns(store, main, "open", 21, 42);
    returns(store, main, "below", 4, 8);
    traps(store, main, "twin", FNVM_TRAP_INDIRECT_CALL_TYPE);
}

/* ---- What comes back ---- */

static void test_types_of_a_module(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_of_program(&w, &config);
    behaves(w.store, w.instance);
    must(freeze(&w));
    must(open_image(&w, &image));
    must(fnvm_store_new(w.engine, &c.store));
    must(fnvm_linker_new(c.store, &c.linker));
    define(c.store, c.linker, w.modules[0], "below", TYPE_BELOW, below); /* in another order */
    define(c.store, c.linker, w.modules[0], "own", TYPE_F, own);
    must(fnvm_image_restore(image, c.linker, NULL, &c.main));
    fnvm_image_release(image);
    assert_true(same(visible(w.store), visible(c.store)));
    behaves(c.store, c.main);
    must(fnvm_store_reset(c.store));
    behaves(c.store, c.main);
    copy_close(&c);
    world_close(&w);
}

/* Where other modules came first, the same types have other numbers. */
static void test_another_engine(void **state)
{
    static const char first[] =
        "(module (rec (type (struct)) (type (array i8))) (type (func (param v128)))"
        " (rec (type $twin (func (param (ref null $twin)) (result i32))) (type (struct))))";
    World w, other;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_of_program(&w, &config);
    must(freeze(&w));
    world_open(&other, &config);
    load(&other, first);
    load(&other, program);
    assert_int_not_equal(other.modules[1]->types[TYPE_F], w.modules[0]->types[TYPE_F]);
    fnvm_image_options options = {.modules = other.modules, .nmodules = other.nmodules};
    must(fnvm_image_open(other.engine, w.path, &options, &image));
    must(fnvm_store_new(other.engine, &c.store));
    must(fnvm_linker_new(c.store, &c.linker));
    define_both(c.store, c.linker, other.modules[1]);
    must(fnvm_image_restore(image, c.linker, NULL, &c.main));
    fnvm_image_release(image);
    behaves(c.store, c.main);
    copy_close(&c);
    world_close(&other);
    world_close(&w);
}

/* What nobody provided traps, and has the type that its importer wanted. */
static void test_unknown_imports(void **state)
{
    World w;
    Copy c;
    fnvm_config config = config_of(state);
    world_open(&w, &config);
    fnvm_linker_unknown_imports_trap(w.linker, true);
    instantiate(&w, program);
    duplicate(&w, &c);
    returns(c.store, c.main, "test", 0, OWN_TESTS);
    returns(c.store, c.main, "test", 1, 4);
    traps(c.store, c.main, "call", FNVM_TRAP_UNKNOWN_IMPORT);
    traps(c.store, c.main, "indirect", FNVM_TRAP_UNKNOWN_IMPORT);
    traps(c.store, c.main, "below", FNVM_TRAP_CAST_FAILURE);
    traps(c.store, c.main, "twin", FNVM_TRAP_INDIRECT_CALL_TYPE);
    copy_close(&c);
    world_close(&w);
}

/* ---- What is refused ---- */

/* A subtype could be called all the same, but would pass tests that the function did not. */
static void test_other_types_are_refused(void **state)
{
    World w;
    Copy c;
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_open(&w, &config);
    const fnvm_module *m = load(&w, program);
    define(w.store, w.linker, m, "own", TYPE_F, own);
    define(w.store, w.linker, m, "below", TYPE_OPEN, below);
    must(fnvm_linker_instantiate(w.linker, w.modules[0], &w.instance));
    must(freeze(&w));
    must(open_image(&w, &image));
    const uint32_t types[][2] = {
        {TYPE_TWIN, TYPE_OPEN}, {TYPE_PAD, TYPE_OPEN}, {TYPE_F, TYPE_BELOW}, {TYPE_F, TYPE_F}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        must(fnvm_store_new(w.engine, &c.store));
        must(fnvm_linker_new(c.store, &c.linker));
        define(c.store, c.linker, m, "own", types[i][0], own);
        define(c.store, c.linker, m, "below", types[i][1], below);
        refused(fnvm_image_restore(image, c.linker, NULL, &c.main), FNVM_E_LINK,
                types[i][0] == TYPE_F ? "env.below" : "env.own");
        copy_close(&c);
    }
    must(fnvm_store_new(w.engine, &c.store)); /* parameters and results alone are another type */
    must(fnvm_linker_new(c.store, &c.linker));
    define(c.store, c.linker, m, "own", TYPE_F, own);
    must(fnvm_linker_define_func(c.linker, "env", "below", "i32 -> i32", below, NULL));
    refused(fnvm_image_restore(image, c.linker, NULL, &c.main), FNVM_E_LINK, "another type");
    copy_close(&c);
    fnvm_image_release(image);
    world_close(&w);
}

/* The importer knows a supertype only. */
static void test_a_type_that_no_module_has(void **state)
{
    static const char importer[] =
        "(module (type $open (sub (func (param i32) (result i32))))"
        " (import \"env\" \"below\" (func (type $open))))";
    World w;
    fnvm_config config = config_of(state);
    world_open(&w, &config);
    define(w.store, w.linker, load(&w, program), "below", TYPE_BELOW, below);
    instantiate(&w, importer);
    refused(freeze(&w), FNVM_E_UNSUPPORTED, "no module of the store has it");
    world_close(&w);
}

/* ---- Damage ---- */

typedef struct Lie { uint32_t host; size_t field; uint32_t value; } Lie;

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    unlink(path); /* so that nobody who has it open sees the change */
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

/* The image with another number in a host function, and hashes that are right. */
static void lie(const World *w, const uint8_t *bytes, size_t size, Lie what)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    ImageHead *head = (ImageHead *)(void *)copy;
    ImageHost *hosts = (ImageHost *)(void *)(copy + head->parts[IMAGE_HOSTS].offset);
    assert_true(what.host < head->parts[IMAGE_HOSTS].count);
    memcpy((uint8_t *)&hosts[what.host] + what.field, &what.value, sizeof what.value);
    crypto_generichash(head->parts_hash.bytes, sizeof head->parts_hash,
                       copy + head->parts_offset, size - head->parts_offset, NULL, 0);
    image_head_hash(head, &head->hash);
    write_bytes(w->path, copy, size);
    free(copy);
}

static void test_types_that_lie_are_refused(void **state)
{
    /* The first two are host.freeze and host.back, which nobody imports: i32 -> i32. */
    enum { PLAIN = 1, OWN = 3 };
    static const Lie lies[] = {
        {OWN, offsetof(ImageHost, type_module), 2}, {OWN, offsetof(ImageHost, type_module), ~0u},
        {OWN, offsetof(ImageHost, type_index), TYPE_STRUCT},
        {OWN, offsetof(ImageHost, type_index), 1000},
        {OWN, offsetof(ImageHost, type_index), ~0u}, {OWN, offsetof(ImageHost, nparams), 1},
        {OWN, offsetof(ImageHost, nresults), 1}, {OWN, offsetof(ImageHost, first_type), 1},
        {OWN, offsetof(ImageHost, type_module), 0}, /* then it has an index without a module */
        {PLAIN, offsetof(ImageHost, type_module), 1}, {PLAIN, offsetof(ImageHost, type_index), 1},
        {PLAIN, offsetof(ImageHost, nparams), 1000000}, {PLAIN, offsetof(ImageHost, nresults), 999},
        {PLAIN, offsetof(ImageHost, first_type), ~0u}, {PLAIN, offsetof(ImageHost, flags), 4}};
    World w;
    fnvm_image *image;
    uint8_t bytes[65536];
    fnvm_config config = config_of(state);
    world_of_program(&w, &config);
    must(freeze(&w));
    FILE *in = fopen(w.path, "rb");
    assert_non_null(in);
    const size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_true(size > IMAGE_PAGE && size < sizeof bytes);
    fclose(in);
    lie(&w, bytes, size, (Lie){OWN, offsetof(ImageHost, type_index), TYPE_BELOW}); /* no lie */
    must(open_image(&w, &image));
    fnvm_image_release(image);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        lie(&w, bytes, size, lies[i]);
        refused(open_image(&w, &image), FNVM_E_MALFORMED, "host function");
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_ENGINES(test_types_of_a_module),
        BOTH_ENGINES(test_another_engine),
        BOTH_ENGINES(test_unknown_imports),
        BOTH_ENGINES(test_other_types_are_refused),
        BOTH_ENGINES(test_a_type_that_no_module_has),
        BOTH_ENGINES(test_types_that_lie_are_refused)};
    return cmocka_run_group_tests_name("image hosts", tests, NULL, NULL);
}
