/* Code segments as files: what a process loads from one runs as if it had been compiled there, in
 * engines that know other types too; what does not fit is refused, and so is what nobody vouches
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jit/code_file.h"
#include "jit/code_file_format.h"
#include "jit/listen.h"
#include "loader/module_index.h"
#include "loader/source.h"

static const char text[] =
    "(module (type $pair (struct (field i32) (field (mut i64))))"
    " (type $unary (func (param i32) (result i32)))"
    " (memory (export \"memory\") 1) (data (i32.const 8) \"\\07\") (tag $odd (param i32))"
    " (global $last (mut (ref null $pair)) (ref.null $pair))"
    " (table $calls 2 (ref null $unary)) (elem (table $calls) (i32.const 0) (ref null $unary)"
    "   (ref.func $twice) (ref.func $fac))"
    " (func $twice (type $unary) (i32.mul (local.get 0) (i32.const 2)))"
    " (func $fac (type $unary) (if (result i32) (i32.eqz (local.get 0))"
    "   (then (i32.const 1)) (else (i32.mul (local.get 0)"
    "     (call $fac (i32.sub (local.get 0) (i32.const 1)))))))"
    " (func $check (param i32) (throw $odd (local.get 0)))"
    " (func (export \"run\") (type $unary)"
    "   (global.set $last (struct.new $pair (local.get 0) (i64.const 1)))"
    "   (i32.add (call_indirect $calls (type $unary) (local.get 0) (i32.const 0))"
    "     (i32.add (call_indirect $calls (type $unary) (local.get 0) (i32.const 1))"
    "       (i32.add (struct.get $pair 0 (ref.cast (ref $pair) (global.get $last)))"
    "         (block $caught (result i32)"
    "           (try_table (catch $odd $caught) (call $check (local.get 0)))"
    "           (i32.const 0))))))"
    " (func (export \"later\") (type $unary)"
    "   (i32.add (call $twice (local.get 0)) (i32.load8_u (i32.const 8))))"
    " (func (export \"stop\") (type $unary) (unreachable)))";
enum { ARGUMENT = 5, RESULT = 10 + 120 + 5 + 5, LATER = 10 + 7 };

/* Its types come first in an engine that has other types already. */
static const char other_text[] =
    "(module (type (struct (field f64))) (type $f (func (param f64 f64) (result f64)))"
    " (table 1 (ref null $f)) (func (export \"f\") (type $f) (local.get 0)))";

typedef struct World {
    char directory[64], file[96];
    uint8_t *bytes;           /* of the module */
    size_t len;
    int fd;                   /* with the same */
    ImageHash hash;
    uint8_t key[32], secret[64];
} World;

static fnvm_config usual_config(void)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_JIT;
    return config;
}

static fnvm_engine *engine_new(const fnvm_config *config)
{
    fnvm_engine *engine;
    assert_null(fnvm_engine_new(config, &engine));
    return engine;
}

static fnvm_engine *usual_engine(void)
{
    fnvm_config config = usual_config();
    return engine_new(&config);
}

static void put_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static uint8_t *get_file(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *size = (size_t)st.st_size;
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *size), *size);
    close(fd);
    return bytes;
}

static void remove_all(const char *directory)
{
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        struct stat st;
        assert_int_equal(fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (!S_ISDIR(st.st_mode)) {
            assert_int_equal(unlinkat(dirfd(dir), e->d_name, 0), 0);
            continue;
        }
        char below[512];
        snprintf(below, sizeof below, "%.200s/%.255s", directory, e->d_name);
        remove_all(below);
    }
    closedir(dir);
    assert_int_equal(rmdir(directory), 0);
}

static int world_open(void **state)
{
    World *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_true(sodium_init() >= 0);
    strcpy(w->directory, "/tmp/fnvm-test-code-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->file, sizeof w->file, "%s/app.fnvmc", w->directory);
    assert_null(fnvm_wat_to_wasm(text, strlen(text), &w->bytes, &w->len));
    char path[96];
    snprintf(path, sizeof path, "%s/app.wasm", w->directory);
    put_file(path, w->bytes, w->len);
    w->fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(w->fd >= 0);
    crypto_generichash(w->hash.bytes, sizeof w->hash.bytes, w->bytes, w->len, NULL, 0);
    crypto_sign_keypair(w->key, w->secret);
    *state = w;
    return 0;
}

static int world_close(void **state)
{
    World *w = *state;
    close(w->fd);
    remove_all(w->directory);
    free(w->bytes);
    free(w);
    return 0;
}

/* ---- Modules and instances ---- */

typedef struct Guest {
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
} Guest;

static Guest guest_new(fnvm_engine *engine, fnvm_module *module)
{
    Guest g;
    assert_null(fnvm_store_new(engine, &g.store));
    assert_null(fnvm_linker_new(g.store, &g.linker));
    assert_null(fnvm_linker_instantiate(g.linker, module, &g.instance));
    return g;
}

static void guest_free(Guest *g)
{
    fnvm_linker_free(g->linker);
    fnvm_store_free(g->store);
}

static fnvm_trap call(Guest *g, const char *name, int32_t *result)
{
    fnvm_extern func;
    assert_true(fnvm_instance_export(g->instance, name, strlen(name), &func));
    fnvm_val in = {.kind = FNVM_I32, .of.i32 = ARGUMENT}, out = {0};
    fnvm_store_set_fuel(g->store, 1000000);
    fnvm_error *error = fnvm_func_call(g->store, func, &in, 1, &out, 1);
    fnvm_trap trap = error ? fnvm_error_trap(error) : FNVM_TRAP_NONE;
    *result = out.of.i32;
    fnvm_error_free(error);
    return trap;
}

static void expect_result(Guest *g, const char *name, int32_t expected)
{
    int32_t result;
    assert_int_equal(call(g, name, &result), FNVM_TRAP_NONE);
    assert_int_equal(result, expected);
}

static void expect_all(Guest *g)
{
    int32_t result;
    expect_result(g, "run", RESULT);
    expect_result(g, "later", LATER);
    assert_int_equal(call(g, "stop", &result), FNVM_TRAP_UNREACHABLE);
}

/* Compiles the module (all of it, or what `run` needs), and writes its file. */
static void write_file(World *w, fnvm_engine *engine, bool all, const ImageSeal *seal)
{
    fnvm_module *module;
    bool written;
    assert_null(fnvm_module_new(engine, w->bytes, w->len, &module));
    Guest g = guest_new(engine, module);
    expect_result(&g, "run", RESULT);
    if (all) assert_null(fnvm_module_compile(module));
    assert_null(code_file_write(module, &w->hash, w->file, NULL, 0, seal, &written));
    assert_true(written);
    guest_free(&g);
    fnvm_module_release(module);
}

static ImageSeal recorded(const World *w)
{
    return (ImageSeal){.records = w->directory, .no_sync = true};
}
static ImageSeal signed_only(const World *w)
{
    return (ImageSeal){.sign_key = w->secret, .no_sync = true};
}

static void write_usual(World *w, bool all, ImageSeal seal)
{
    fnvm_engine *engine = usual_engine();
    write_file(w, engine, all, &seal);
    fnvm_engine_free(engine);
}

static fnvm_error *load(World *w, fnvm_engine *engine, const ImageTrust *trust, Module **out)
{
    return code_file_load(engine, w->file, trust, &w->hash, w->len, w->fd, "app.wasm", out);
}

static const ImageTrust *trust_records(const World *w, ImageTrust *trust)
{
    *trust = (ImageTrust){.records = w->directory};
    return trust;
}

static Module *load_recorded(World *w, fnvm_engine *engine)
{
    ImageTrust trust;
    Module *m;
    assert_null(load(w, engine, trust_records(w, &trust), &m));
    return m;
}

static void expect_refused(World *w, fnvm_engine *engine, const ImageTrust *trust, fnvm_code code,
                           const char *why)
{
    Module *m;
    fnvm_error *error = load(w, engine, trust, &m);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    bool says = false;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        says = says || strstr(fnvm_error_message(e), why);
    if (!says) print_error("%s: does not say `%s`\n", fnvm_error_message(error), why);
    assert_true(says);
    fnvm_error_free(error);
}

/* ---- Running ---- */

static bool count_one(void *env, uint32_t func, const uint8_t *code, uint32_t size)
{
    (void)func, (void)code, (void)size;
    ++*(uint32_t *)env;
    return true;
}

static uint32_t compiled(const Module *m)
{
    uint32_t n = 0;
    segment_each(m->segment, count_one, &n);
    return n;
}

static void nothing_is_compiled_again(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine();
    Module *m = load_recorded(w, engine);
    assert_non_null(m->index); /* it was not decoded */
    Guest g = guest_new(engine, m);
    assert_int_equal(compiled(m), m->nfuncs);
    const uint32_t size = segment_image(m->segment).size;
    expect_all(&g);
    assert_int_equal(compiled(m), m->nfuncs);
    assert_int_equal(segment_image(m->segment).size, size);
    assert_null(m->compiler);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

/* An engine that has met other types gives these other numbers. */
static void types_have_other_numbers_elsewhere(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine();
    fnvm_module *other;
    assert_null(fnvm_module_new(engine, other_text, strlen(other_text), &other));
    Module *m = load_recorded(w, engine);
    assert_int_not_equal(m->types[0], 0);
    Guest g = guest_new(engine, m);
    assert_int_equal(compiled(m), m->nfuncs);
    expect_all(&g);
    guest_free(&g);
    fnvm_module_release(m);

    Module *decoded; /* equal types have equal numbers */
    assert_null(fnvm_module_new(engine, w->bytes, w->len, &decoded));
    m = load_recorded(w, engine);
    assert_memory_equal(m->funcs, decoded->funcs, m->nfuncs * sizeof *m->funcs);
    assert_int_equal(m->tables[0].type.elem, decoded->tables[0].type.elem);
    assert_int_equal(m->globals[0].type.type, decoded->globals[0].type.type);
    assert_int_equal(m->elems[0].type, decoded->elems[0].type);
    assert_int_equal(m->tags[0], decoded->tags[0]);
    fnvm_module_release(decoded);
    fnvm_module_release(m);
    fnvm_module_release(other);
    fnvm_engine_free(engine);
}

static void code_is_added_behind_the_file(void **state)
{
    World *w = *state;
    write_usual(w, false, recorded(w));
    fnvm_engine *engine = usual_engine();
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    const uint32_t before = compiled(m);
    assert_in_range(before, 1, m->nfuncs - 1);
    expect_all(&g); /* what is new calls what is old */
    assert_in_range(compiled(m), before + 1, m->nfuncs);

    /* Both together make a file in turn. */
    ImageSeal seal = recorded(w);
    bool written;
    assert_null(code_file_write(m, &w->hash, w->file, NULL, 0, &seal, &written));
    assert_true(written);
    const uint32_t all = compiled(m);
    guest_free(&g);
    fnvm_module_release(m);
    m = load_recorded(w, engine);
    g = guest_new(engine, m);
    assert_int_equal(compiled(m), all);
    expect_all(&g);
    assert_int_equal(compiled(m), all);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

/* Addresses are found in code from a file: here by the trap's backtrace. */
static void backtraces_reach_into_the_file(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine();
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    fnvm_extern func;
    fnvm_val in = {.kind = FNVM_I32}, out;
    assert_true(fnvm_instance_export(g.instance, "stop", 4, &func));
    fnvm_error *error = fnvm_func_call(g.store, func, &in, 1, &out, 1);
    const fnvm_frame *frames;
    assert_int_equal(fnvm_error_frames(error, &frames), 1);
    const Export *stop = module_find_export(m, "stop", 4);
    assert_int_equal(frames[0].func_index, stop->index);
    assert_int_equal(w->bytes[frames[0].offset], 0); /* unreachable */
    fnvm_error_free(error);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

static void interpreters_load_the_module_alone(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_config config = usual_config();
    config.engine = FNVM_ENGINE_INTERPRETER;
    fnvm_engine *engine = engine_new(&config);
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    assert_null(m->segment);
    expect_all(&g);
    bool written = true;
    ImageSeal seal = recorded(w);
    assert_null(code_file_write(m, &w->hash, w->file, NULL, 0, &seal, &written));
    assert_false(written);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

static bool only_even(void *env, uint32_t func)
{
    (void)env;
    return func % 2 == 0;
}

/* With a filter, code of the others must not run. */
static void a_filter_wants_its_own_code(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_config config = usual_config();
    config.jit_filter = only_even;
    fnvm_engine *engine = engine_new(&config);
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    assert_int_equal(compiled(m), 0);
    expect_all(&g);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

typedef struct Counter {
    CodeListener listener;
    uint32_t published, *total;
} Counter;

static void count_published(CodeListener *listener, const Module *m, uint32_t func,
                            const uint8_t *code, uint32_t size)
{
    uint32_t found;
    assert_true(segment_function_at(m->segment, code, &found));
    assert_int_equal(found, func);
    assert_true(size > 0);
    ((Counter *)(void *)listener)->published++;
}

static void close_counter(CodeListener *listener)
{
    Counter *counter = (Counter *)(void *)listener;
    *counter->total = counter->published;
    free(counter);
}

static void profilers_are_told_of_the_files_code(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine();
    uint32_t total = 0;
    Counter *counter = calloc(1, sizeof *counter);
    assert_non_null(counter);
    *counter = (Counter){.listener = {.published = count_published, .close = close_counter},
                         .total = &total};
    code_listen(engine, &counter->listener);
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    expect_all(&g);
    const uint32_t functions = m->nfuncs;
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
    assert_int_equal(total, functions);
}

/* ---- The index ---- */

static void the_index_is_what_decoding_gives(void **state)
{
    World *w = *state;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine(), *used = usual_engine();
    fnvm_module *other, *decoded;
    assert_null(fnvm_module_new(used, other_text, strlen(other_text), &other));
    Module *from_file[] = {load_recorded(w, engine), load_recorded(w, used)};
    assert_null(fnvm_module_new(used, w->bytes, w->len, &decoded));
    uint8_t *expected, *found;
    size_t size, found_size;
    assert_null(module_index_write(decoded, &expected, &size));
    for (int i = 0; i < 2; i++) {
        assert_null(module_index_write(from_file[i], &found, &found_size));
        assert_int_equal(found_size, size);
        assert_memory_equal(found, expected, size);
        free(found);
        assert_null(module_find_export(from_file[i], "ru", 2));
        assert_int_equal(module_find_export(from_file[i], "run", 3)->index,
                         module_find_export(decoded, "run", 3)->index);
        fnvm_module_release(from_file[i]);
    }
    free(expected);
    fnvm_module_release(decoded);
    fnvm_module_release(other);
    fnvm_engine_free(used);
    fnvm_engine_free(engine);
}

static void an_index_of_another_size_is_refused(void **state)
{
    World *w = *state;
    fnvm_engine *engine = usual_engine();
    fnvm_module *decoded;
    assert_null(fnvm_module_new(engine, w->bytes, w->len, &decoded));
    uint8_t *bytes;
    size_t size;
    assert_null(module_index_write(decoded, &bytes, &size));
    for (size_t cut = 0; cut < size; cut += 8) {
        Module *m = module_new(engine);
        assert_non_null(m);
        assert_null(source_map_binary(m, w->fd, w->len));
        fnvm_error *error = module_index_read(m, bytes, cut);
        assert_non_null(error);
        fnvm_error_free(error);
        fnvm_module_release(m);
    }
    free(bytes);
    fnvm_module_release(decoded);
    fnvm_engine_free(engine);
}

/* ---- What does not fit ---- */

static void other_configurations_are_refused(void **state)
{
    World *w = *state;
    ImageTrust trust;
    write_usual(w, true, recorded(w));
    fnvm_config config = usual_config();
    config.features &= ~(uint32_t)FNVM_FEATURE_MEMORY64;
    fnvm_engine *engine = engine_new(&config);
    expect_refused(w, engine, trust_records(w, &trust), FNVM_E_INVALID, "features");
    fnvm_engine_free(engine);
    config = usual_config();
    assert_null(fnvm_policy_parse("strict.yaml", "limits: {nesting: 0}", 20, &config.policy));
    engine = engine_new(&config);
    fnvm_policy_release(config.policy);
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "under another policy");
    fnvm_engine_free(engine);
    config = usual_config();
    config.fuel = true;
    engine = engine_new(&config);
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "fuel");
    ImageSeal seal = recorded(w);
    write_file(w, engine, true, &seal);
    Module *m = load_recorded(w, engine);
    Guest g = guest_new(engine, m);
    expect_all(&g);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

static void other_modules_are_refused(void **state)
{
    World *w = *state;
    ImageTrust trust;
    write_usual(w, true, recorded(w));
    fnvm_engine *engine = usual_engine();
    w->hash.bytes[0] ^= 1;
    expect_refused(w, engine, trust_records(w, &trust), FNVM_E_INVALID, "another module");
    w->hash.bytes[0] ^= 1;
    w->len++;
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "another module");
    w->len--;
    fnvm_module_release(load_recorded(w, engine));
    fnvm_engine_free(engine);
}

/* Makes all hashes and the signature right. */
static void sign_again(const World *w, uint8_t *bytes, size_t size)
{
    CodeHead *h = (CodeHead *)(void *)bytes;
    crypto_generichash(h->contents.bytes, sizeof h->contents.bytes, bytes + CODE_HEAD_BYTES,
                       size - CODE_HEAD_BYTES, NULL, 0);
    crypto_generichash(h->hash.bytes, sizeof h->hash.bytes, bytes, offsetof(CodeHead, hash), NULL,
                       0);
    crypto_sign_detached(h->signature, NULL, h->hash.bytes, sizeof h->hash.bytes, w->secret);
}

static void other_engines_and_processors_are_refused(void **state)
{
    World *w = *state;
    write_usual(w, true, signed_only(w));
    fnvm_engine *engine = usual_engine();
    const ImageTrust trust = {.keys = &w->key, .nkeys = 1};
    size_t size;
    uint8_t *bytes = get_file(w->file, &size);
    CodeHead *h = (CodeHead *)(void *)bytes;
    const CodeHead good = *h;
    h->library[0] ^= 1;
    sign_again(w, bytes, size);
    put_file(w->file, bytes, size);
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "another engine");
    *h = good;
    h->format++;
    sign_again(w, bytes, size);
    put_file(w->file, bytes, size);
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "another engine");
    *h = good;
    h->processor |= UINT64_C(1) << 60;
    sign_again(w, bytes, size);
    put_file(w->file, bytes, size);
    expect_refused(w, engine, &trust, FNVM_E_INVALID, "another processor");
    free(bytes);
    fnvm_engine_free(engine);
}

/* ---- Whom to believe ---- */

static void strangers_are_refused(void **state)
{
    World *w = *state;
    fnvm_engine *engine = usual_engine();
    ImageTrust trust;
    write_usual(w, true, (ImageSeal){.no_sync = true});
    expect_refused(w, engine, trust_records(w, &trust), FNVM_E_USAGE, "nobody that is trusted");
    write_usual(w, true, signed_only(w));
    expect_refused(w, engine, &trust, FNVM_E_USAGE, "nobody that is trusted");
    uint8_t key[32], secret[64];
    crypto_sign_keypair(key, secret);
    const ImageTrust others = {.keys = &key, .nkeys = 1};
    expect_refused(w, engine, &others, FNVM_E_USAGE, "nobody that is trusted");
    fnvm_engine_free(engine);
}

static void signed_files_are_verified_once(void **state)
{
    World *w = *state;
    write_usual(w, true, signed_only(w));
    fnvm_engine *engine = usual_engine();
    const ImageTrust trust = {.keys = &w->key, .nkeys = 1, .records = w->directory};
    Module *m;
    assert_null(load(w, engine, &trust, &m));
    assert_null(m->index); /* decoded, and compared */
    Guest g = guest_new(engine, m);
    assert_int_equal(compiled(m), m->nfuncs);
    expect_all(&g);
    guest_free(&g);
    fnvm_module_release(m);
    assert_null(load(w, engine, &trust, &m));
    assert_non_null(m->index);
    fnvm_module_release(m);
    const ImageTrust records_only = {.records = w->directory}; /* the key is trusted no more */
    expect_refused(w, engine, &records_only, FNVM_E_USAGE, "nobody that is trusted");
    fnvm_engine_free(engine);
}

static void our_own_is_not_enough_where_a_signature_is_required(void **state)
{
    World *w = *state;
    fnvm_engine *engine = usual_engine();
    const ImageTrust trust = {.keys = &w->key, .nkeys = 1, .records = w->directory,
                              .require_signature = true};
    write_usual(w, true, recorded(w));
    expect_refused(w, engine, &trust, FNVM_E_USAGE, "nobody that is trusted");
    write_usual(w, true, (ImageSeal){w->secret, w->directory, true});
    Module *m;
    assert_null(load(w, engine, &trust, &m));
    assert_non_null(m->index);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

/* ---- Damage ---- */

static void every_change_of_a_signed_file_is_found(void **state)
{
    World *w = *state;
    write_usual(w, true, signed_only(w));
    fnvm_engine *engine = usual_engine();
    const ImageTrust trust = {.keys = &w->key, .nkeys = 1};
    size_t size;
    uint8_t *bytes = get_file(w->file, &size);
    for (size_t at = 0; at < size; at += at < sizeof(CodeHead) ? 5 : 101) {
        if (at >= sizeof(CodeHead) && at < CODE_HEAD_BYTES) continue; /* nobody reads that */
        bytes[at] ^= 0x10;
        put_file(w->file, bytes, size);
        Module *m;
        fnvm_error *error = load(w, engine, &trust, &m);
        assert_non_null(error);
        fnvm_error_free(error);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < size; cut += cut < 2 * (size_t)CODE_HEAD_BYTES ? 509 : 1021) {
        put_file(w->file, bytes, cut);
        Module *m;
        fnvm_error *error = load(w, engine, &trust, &m);
        assert_non_null(error);
        fnvm_error_free(error);
    }
    free(bytes);
    fnvm_engine_free(engine);
}

/* Whoever signs can have any code run; but the engine's own reading of the file stays in bounds. */
static void signed_lies_are_read_safely(void **state)
{
    World *w = *state;
    write_usual(w, true, signed_only(w));
    fnvm_engine *engine = usual_engine();
    const ImageTrust trust = {.keys = &w->key, .nkeys = 1};
    size_t size;
    uint8_t *good = get_file(w->file, &size), *bytes = malloc(size);
    assert_non_null(bytes);
    const size_t code = ((const CodeHead *)(const void *)good)->code_offset;
    uint32_t refused = 0;
    for (uint32_t round = 0; round < 600; round++) {
        memcpy(bytes, good, size);
        /* One word of the head's numbers, the index and tables, or the first blob's head. */
        const size_t from[] = {8, CODE_HEAD_BYTES, code};
        const size_t to[] = {offsetof(CodeHead, contents), code, code + sizeof(BlobHead)};
        const uint32_t part = round % 3;
        size_t at = from[part] + randombytes_uniform((uint32_t)(to[part] - from[part]));
        uint32_t value = randombytes_uniform(4);
        value = value ? UINT32_MAX << 8 * value : randombytes_random();
        at &= ~(size_t)3;
        memcpy(bytes + at, &value, sizeof value);
        sign_again(w, bytes, size);
        put_file(w->file, bytes, size);
        Module *m;
        fnvm_error *error = load(w, engine, &trust, &m);
        refused += error != NULL;
        if (!error) {
            fnvm_store *store; /* maps the code, but runs none of it */
            fnvm_linker *linker;
            fnvm_instance *instance;
            assert_null(fnvm_store_new(engine, &store));
            assert_null(fnvm_linker_new(store, &linker));
            assert_null(fnvm_linker_instantiate(linker, m, &instance));
            fnvm_linker_free(linker);
            fnvm_store_free(store);
            fnvm_module_release(m);
        }
        fnvm_error_free(error);
    }
    assert_true(refused > 300);
    free(good);
    free(bytes);
    fnvm_engine_free(engine);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(nothing_is_compiled_again),
        IN_WORLD(types_have_other_numbers_elsewhere),
        IN_WORLD(code_is_added_behind_the_file),
        IN_WORLD(backtraces_reach_into_the_file),
        IN_WORLD(interpreters_load_the_module_alone),
        IN_WORLD(a_filter_wants_its_own_code),
        IN_WORLD(profilers_are_told_of_the_files_code),
        IN_WORLD(the_index_is_what_decoding_gives),
        IN_WORLD(an_index_of_another_size_is_refused),
        IN_WORLD(other_configurations_are_refused),
        IN_WORLD(other_modules_are_refused),
        IN_WORLD(other_engines_and_processors_are_refused),
        IN_WORLD(strangers_are_refused),
        IN_WORLD(signed_files_are_verified_once),
        IN_WORLD(our_own_is_not_enough_where_a_signature_is_required),
        IN_WORLD(every_change_of_a_signed_file_is_found),
        IN_WORLD(signed_lies_are_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
