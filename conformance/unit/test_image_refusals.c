/* What cannot be frozen or restored is refused, and the error says what is wrong. */
#include <sodium.h>

#include "conformance/unit/image_suspended.h"

/* ---- Refusals ---- */

static void test_freeze_refuses_nested_calls(void **state)
{
    static const char text[] =
        "(module (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))"
        " (import \"host\" \"back\" (func $back (param i32) (result i32)))"
        " (func (export \"back\") (param i32) (result i32) (call $freeze (local.get 0)))"
        " (func (export \"run\") (result i32) (call $back (i32.const 1))))";
    World w;
    fnvm_config config = config_of(state);
    world_with(&w, &config, text);
    runs(w.store, w.instance, "run", 0);
    assert_int_equal(w.calls, 1);
    refused(w.frozen, FNVM_E_USAGE, NULL);
    w.frozen = NULL;
    assert_int_equal(access(w.path, F_OK), -1);
    must(freeze(&w)); /* at rest it can be */
    world_close(&w);
}

static void test_restore_names_what_is_missing(void **state)
{
    World w;
    Copy c = {.store = NULL};
    fnvm_image *image;
    fnvm_config config = config_of(state);
    world_with(&w, &config,
               "(module (import \"host\" \"freeze\" (func (param i32) (result i32)))"
               " (import \"host\" \"back\" (func (param i32) (result i32))))");
    must(freeze(&w));
    must(open_image(&w, &image));
    must(fnvm_store_new(w.engine, &c.store));
    must(fnvm_linker_new(c.store, &c.linker));
    fnvm_error *error = fnvm_image_restore(image, c.linker, NULL, &c.main);
    assert_true(error && says(error, "freeze") && says(error, "back"));
    refused(error, FNVM_E_LINK, "host");
    copy_close(&c);
    must(fnvm_store_new(w.engine, &c.store)); /* the right name, but of another type */
    must(fnvm_linker_new(c.store, &c.linker));
    must(fnvm_linker_define_func(c.linker, "host", "freeze", "i32 -> i32", freeze_here, &w));
    must(fnvm_linker_define_func(c.linker, "host", "back", "i64 -> i32", call_back, &w));
    refused(fnvm_image_restore(image, c.linker, NULL, &c.main), FNVM_E_LINK, "back");
    copy_close(&c);
    fnvm_image_release(image);
    world_close(&w);
}

static void test_restore_needs_a_new_store(void **state)
{
    World w;
    fnvm_image *image;
    fnvm_instance *instance;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    must(freeze(&w));
    must(open_image(&w, &image));
    refused(fnvm_image_restore(image, w.linker, NULL, &instance), FNVM_E_USAGE, NULL);
    fnvm_image_release(image);
    world_close(&w);
}

static void test_restore_refuses_lower_limits(void **state)
{
    World w, small;
    fnvm_image *image = NULL;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    runs(w.store, w.instance, "grow", 0);
    must(freeze(&w));
    config.max_memory_bytes = 65536;
    world_open(&small, &config);
    load(&small, counter_program());
    fnvm_image_options options = {.modules = small.modules, .nmodules = small.nmodules};
    fnvm_error *error = fnvm_image_open(small.engine, w.path, &options, &image);
    if (!error) error = fnvm_image_restore(image, small.linker, NULL, &small.instance);
    refused(error, FNVM_E_LIMIT, NULL);
    if (image) fnvm_image_release(image);
    world_close(&small);
    world_close(&w);
}

/* ---- Files ---- */

static uint8_t *read_image(const World *w, size_t *size)
{
    FILE *in = fopen(w->path, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    *size = (size_t)ftell(in);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    rewind(in);
    assert_int_equal(fread(bytes, 1, *size, in), *size);
    fclose(in);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    unlink(path); /* so that nobody who has it open sees the change */
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

/* One bit in a byte, here and there, and the file cut short: all of it is checked. */
static void test_damage_is_refused(void **state)
{
    World w;
    fnvm_image *image;
    size_t size;
    fnvm_config config = config_of(state);
    suspend(&w, &config, FNVM_WAKE_RETURN);
    uint8_t *bytes = read_image(&w, &size);
    for (size_t i = 0; i < size; i += i < sizeof(ImageHead) ? 3 : 89) {
        const ImageHead *head = (const ImageHead *)(const void *)bytes;
        if (i >= offsetof(ImageHead, signer) && i < IMAGE_PAGE) continue; /* nothing is there */
        uint8_t bit = (uint8_t)(1u << i % 8);
        bytes[i] ^= bit;
        write_file(w.path, bytes, size);
        fnvm_error *error = open_image(&w, &image);
        if (!error) fail_msg("byte %zu of %zu was changed, %u parts", i, size, head->format);
        fnvm_error_free(error);
        bytes[i] ^= bit;
    }
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        write_file(w.path, bytes, cut);
        refused(open_image(&w, &image), FNVM_E_MALFORMED, w.path);
    }
    write_file(w.path, bytes, size);
    must(open_image(&w, &image));
    fnvm_image_release(image);
    free(bytes);
    world_close(&w);
}

static void test_another_engine_build_is_refused(void **state)
{
    World w;
    fnvm_image *image;
    size_t size;
    fnvm_config config = config_of(state);
    world_with(&w, &config, counter_program());
    must(freeze(&w));
    uint8_t *bytes = read_image(&w, &size);
    ImageHead head;
    memcpy(&head, bytes, sizeof head);
    head.engine.bytes[5] ^= 1;
    crypto_generichash(head.hash.bytes, sizeof head.hash.bytes, (const uint8_t *)&head,
                       offsetof(ImageHead, hash), NULL, 0);
    memcpy(bytes, &head, sizeof head);
    write_file(w.path, bytes, size);
    refused(open_image(&w, &image), FNVM_E_INVALID, "engine");
    free(bytes);
    world_close(&w);
}

static void test_another_module_is_refused(void **state)
{
    World w;
    fnvm_image *image;
    char file[128];
    uint8_t *wasm;
    size_t size;
    fnvm_module *m;
    fnvm_config config = config_of(state);
    world_open(&w, &config);
    snprintf(file, sizeof file, "%s/m.wasm", w.dir);
    must(fnvm_wat_to_wasm(counter_program(), strlen(counter_program()), &wasm, &size));
    write_file(file, wasm, size);
    must(fnvm_module_load(w.engine, file, &m));
    must(fnvm_linker_instantiate(w.linker, m, &w.instance));
    must(freeze(&w));
    must(open_image(&w, &image)); /* by its path */
    fnvm_image_release(image);
    wasm[size - 20] ^= 1;
    write_file(file, wasm, size);
    refused(open_image(&w, &image), FNVM_E_INVALID, "m.wasm");
    unlink(file);
    refused(open_image(&w, &image), FNVM_E_INVALID, "m.wasm");
    fnvm_image_options options = {.modules = &m, .nmodules = 1}; /* whoever has it needs no file */
    must(fnvm_image_open(w.engine, w.path, &options, &image));
    fnvm_image_release(image);
    fnvm_module_release(m);
    free(wasm);
    world_close(&w);
}

static void test_signatures(void **state)
{
    World w;
    fnvm_image *image;
    unsigned char keys[2][32], secret[2][64];
    fnvm_config config = config_of(state);
    assert_true(sodium_init() >= 0);
    for (int i = 0; i < 2; i++) crypto_sign_keypair(keys[i], secret[i]);
    world_with(&w, &config, counter_program());
    fnvm_image_options options = {.keys = (const unsigned char (*)[32])keys, .nkeys = 1,
                                  .require_signature = true};
    must(freeze(&w));
    refused(fnvm_image_open(w.engine, w.path, &options, &image), FNVM_E_INVALID, "not signed");
    for (int i = 0; i < 2; i++) { /* one of them is trusted */
        fnvm_freeze how = {.path = w.path, .main = w.instance, .linker = w.linker, .no_sync = true,
                           .sign_key = secret[i]};
        must(fnvm_store_freeze(w.store, &how));
        fnvm_error *error = fnvm_image_open(w.engine, w.path, &options, &image);
        if (i == 0) {
            must(error);
            fnvm_image_release(image);
        } else refused(error, FNVM_E_INVALID, "not trusted");
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_ENGINES(test_freeze_refuses_nested_calls),
        BOTH_ENGINES(test_restore_names_what_is_missing),
        BOTH_ENGINES(test_restore_needs_a_new_store),
        BOTH_ENGINES(test_restore_refuses_lower_limits),
        BOTH_ENGINES(test_damage_is_refused),
        BOTH_ENGINES(test_another_engine_build_is_refused),
        BOTH_ENGINES(test_another_module_is_refused),
        BOTH_ENGINES(test_signatures)};
    return cmocka_run_group_tests_name("image refusals", tests, NULL, NULL);
}
