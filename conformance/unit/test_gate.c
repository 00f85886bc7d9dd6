/* Engines with fnvm_config.approvals, from outside: what is loaded, restored, taken from a pool or
 * reset is what the depot approves at that moment, and every decision is in its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/approval/depot.h"

static const char answer[] = "(module $m (memory (export \"memory\") 1)"
                             " (func $named (export \"get\") (result i32) (i32.const 42)))";
static const char answer_stripped[] = "(module (memory (export \"memory\") 1)"
                                      " (func (export \"get\") (result i32) (i32.const 42)))";
static const char other[] = "(module (func (export \"get\") (result i32) (i32.const 43)))";
static const char asks[] = "(module (import \"other\" \"get\" (func $get (result i32)))"
                           " (func (export \"run\") (result i32) (call $get)))";
static const char counter[] = "(module (memory (export \"memory\") 1) (global $n (mut i32) (i32.const 0))"
                              " (func (export \"get\") (result i32)"
                              "  (global.set $n (i32.add (global.get $n) (i32.const 1)))"
                              "  (global.get $n)))";

typedef struct World {
    char dir[64], depot_dir[96];
    fnvm_depot *depot;
    fnvm_engine *engine; /* with the depot, and no policy */
} World;

typedef struct Binary { uint8_t *bytes; size_t len; } Binary;

/* ---- What the tests say ---- */

static void ok(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    fail();
}

static bool says(const fnvm_error *error, const char *text)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        if (strstr(fnvm_error_message(e), text)) return true;
    return false;
}

static void fails(fnvm_error *error, fnvm_code code, const char *text)
{
    if (!error) fail_msg("no error, expected \"%s\"", text);
    if (fnvm_error_code(error) != code || !says(error, text)) {
        print_error("expected code %d and \"%s\", found code %d\n", (int)code, text,
                    (int)fnvm_error_code(error));
        ok(error);
    }
    fnvm_error_free(error);
}

static void refused(fnvm_error *error, const char *text) { fails(error, FNVM_E_POLICY, text); }

static Binary binary(const char *text)
{
    Binary b;
    ok(fnvm_wat_to_wasm(text, strlen(text), &b.bytes, &b.len));
    return b;
}

static void write_file(const World *w, const char *name, const void *bytes, size_t len, char path[128])
{
    snprintf(path, 128, "%s/%s", w->dir, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static fnvm_error *request_approval(const World *w, const char *text, ApprovalRequest request)
{
    const Binary b = binary(text);
    ok(fnvm_measure(b.bytes, b.len, NULL, NULL, request.measurement.bytes));
    free(b.bytes);
    return depot_approve(w->depot, &request);
}

static void approve(const World *w, const char *text, const char *name)
{
    ok(request_approval(w, text, (ApprovalRequest){.name = name, .version = "1"}));
}

static fnvm_error *load_text(fnvm_engine *engine, const char *text)
{
    fnvm_module *m = NULL;
    fnvm_error *error = fnvm_module_new(engine, text, strlen(text), &m);
    fnvm_module_release(m);
    return error;
}

static fnvm_engine *engine_of(const World *w, fnvm_policy *policy)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_config_default(&config);
    config.approvals = w->depot;
    config.policy = policy;
    ok(fnvm_engine_new(&config, &engine));
    return engine;
}

/* The log: how many lines it has, and the last of them. */
typedef struct Log { uint64_t lines; char last[1024]; } Log;

static void keep_line(void *env, const char *text, size_t len)
{
    Log *log = env;
    snprintf(log->last, sizeof log->last, "%.*s", (int)len, text);
}

static Log log_of(const World *w)
{
    Log log = {0};
    ok(depot_audit(w->depot, keep_line, &log, &log.lines));
    return log;
}

/* One more line than `before`, which has this in it. */
static Log one_more(const World *w, const Log *before, const char *text)
{
    const Log now = log_of(w);
    assert_int_equal(now.lines, before->lines + 1);
    if (!strstr(now.last, text)) fail_msg("no `%s` in %s", text, now.last);
    return now;
}

static int set_up(void **state)
{
    World *w = calloc(1, sizeof *w);
    if (!w) return -1;
    strcpy(w->dir, "/tmp/test_gate.XXXXXX");
    if (!mkdtemp(w->dir)) return -1;
    snprintf(w->depot_dir, sizeof w->depot_dir, "%s/depot", w->dir);
    ok(fnvm_depot_open(w->depot_dir, true, &w->depot));
    w->engine = engine_of(w, NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    World *w = *state;
    char command[100];
    fnvm_engine_free(w->engine);
    fnvm_depot_close(w->depot);
    snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    int status = system(command);
    free(w);
    return status;
}

/* ---- Stores ---- */

typedef struct Guest { fnvm_store *store; fnvm_linker *linker; fnvm_instance *main; } Guest;

static Guest guest_new(fnvm_engine *engine)
{
    Guest g = {0};
    ok(fnvm_store_new(engine, &g.store));
    ok(fnvm_linker_new(g.store, &g.linker));
    return g;
}

static void guest_free(Guest *g)
{
    fnvm_linker_free(g->linker);
    fnvm_store_free(g->store);
}

static fnvm_error *call_of(fnvm_store *store, fnvm_instance *instance, const char *name, int32_t *result)
{
    fnvm_extern func;
    fnvm_val value = {FNVM_I32, {.i32 = 0}};
    assert_true(fnvm_instance_export(instance, name, strlen(name), &func));
    fnvm_error *error = fnvm_func_call(store, func, NULL, 0, &value, 1);
    *result = value.of.i32;
    return error;
}

static void returns(const Guest *g, const char *name, int32_t expected)
{
    int32_t result;
    ok(call_of(g->store, g->main, name, &result));
    assert_int_equal(result, expected);
}

static fnvm_error *instantiate(fnvm_engine *engine, fnvm_module *module)
{
    Guest g = guest_new(engine);
    fnvm_error *error = fnvm_linker_instantiate(g.linker, module, &g.main);
    guest_free(&g);
    return error;
}

/* ---- Modules ---- */

/* Its sections are in order, and what is in them is not: the decoder would say so. */
static const uint8_t bad_inside[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 2, 9, 9};

static void test_undecoded(void **state)
{
    World *w = *state;
    fnvm_module *m = NULL;
    Log log = log_of(w);
    refused(fnvm_module_new(w->engine, bad_inside, sizeof bad_inside, &m), "it is not approved");
    assert_null(m);
    log = one_more(w, &log, "\"allowed\":false");
    char path[128];
    write_file(w, "bad.wasm", bad_inside, sizeof bad_inside, path);
    refused(fnvm_module_load(w->engine, path, &m), "it is not approved");
    assert_null(m);
    one_more(w, &log, "bad.wasm");
    /* What has no measurement is no module, and there is nothing to decide. */
    fails(fnvm_module_new(w->engine, bad_inside, 10, &m), FNVM_E_MALFORMED, "");
}

static void test_modules(void **state)
{
    World *w = *state;
    fnvm_module *m;
    char path[128];
    Log log = log_of(w);
    refused(load_text(w->engine, answer), "it is not approved");
    log = one_more(w, &log, "\"allowed\":false");
    approve(w, answer, "answer");
    log = log_of(w);
    ok(load_text(w->engine, answer)); /* what is measured is the binary */
    log = one_more(w, &log, "\"allowed\":true");
    const char *const texts[] = {answer, answer_stripped};
    for (size_t i = 0; i < 2; i++) {
        Binary b = binary(texts[i]);
        ok(fnvm_module_new(w->engine, b.bytes, b.len, &m));
        fnvm_module_release(m);
        log = one_more(w, &log, "\"name\":\"answer\"");
        write_file(w, "a.wasm", b.bytes, b.len, path);
        ok(fnvm_module_load(w->engine, path, &m));
        fnvm_module_release(m);
        log = one_more(w, &log, "a.wasm");
        uint8_t *constant = memchr(b.bytes, 42, b.len);
        assert_non_null(constant);
        *constant = 41;
        write_file(w, "a.wasm", b.bytes, b.len, path);
        refused(fnvm_module_load(w->engine, path, &m), "it is not approved");
        log = one_more(w, &log, "\"allowed\":false");
        free(b.bytes);
    }
    write_file(w, "a.wat", answer, strlen(answer), path);
    ok(fnvm_module_load(w->engine, path, &m));
    fnvm_module_release(m);
    one_more(w, &log, "a.wat");
}

static void test_revoked_modules(void **state)
{
    World *w = *state;
    fnvm_module *m;
    approve(w, answer, "answer");
    ok(fnvm_module_new(w->engine, answer, strlen(answer), &m));
    Log log = log_of(w);
    ok(instantiate(w->engine, m));
    assert_int_equal(log_of(w).lines, log.lines); /* nothing has changed: it is not asked again */
    approve(w, other, "other");
    log = log_of(w);
    ok(instantiate(w->engine, m));
    log = one_more(w, &log, "\"allowed\":true");
    ok(instantiate(w->engine, m));
    assert_int_equal(log_of(w).lines, log.lines);
    Guest running = guest_new(w->engine);
    ok(fnvm_linker_instantiate(running.linker, m, &running.main));
    ok(depot_revoke(w->depot, "answer", "1", "a test"));
    log = log_of(w);
    refused(instantiate(w->engine, m), "it is revoked");
    log = one_more(w, &log, "it is revoked");
    refused(load_text(w->engine, answer_stripped), "it is revoked");
    returns(&running, "get", 42); /* what runs goes on */
    guest_free(&running);
    fnvm_module_release(m);
}

/* ---- Modules that are found by a name ---- */

static void test_module_path(void **state)
{
    World *w = *state;
    char path[128];
    fnvm_module *m;
    int32_t result;
    approve(w, asks, "asks");
    write_file(w, "other.wat", other, strlen(other), path);
    ok(fnvm_module_new(w->engine, asks, strlen(asks), &m));
    for (int approved = 0; approved < 2; approved++) {
        Guest g = guest_new(w->engine);
        ok(fnvm_linker_add_path(g.linker, w->dir));
        fnvm_error *error = fnvm_linker_instantiate(g.linker, m, &g.main);
        if (!error) error = call_of(g.store, g.main, "run", &result);
        if (approved) ok(error);
        else assert_true(error && says(error, "it is not approved"));
        if (approved) assert_int_equal(result, 43);
        fnvm_error_free(error);
        guest_free(&g);
        if (!approved) approve(w, other, "other");
    }
    fnvm_module_release(m);
}

/* One that was loaded while it was approved, and is needed when it is no more. */
static void test_provider_revoked(void **state)
{
    World *w = *state;
    fnvm_module *m, *provider;
    int32_t result;
    approve(w, asks, "asks");
    approve(w, other, "other");
    ok(fnvm_module_new(w->engine, asks, strlen(asks), &m));
    ok(fnvm_module_new(w->engine, other, strlen(other), &provider));
    Guest g = guest_new(w->engine);
    ok(fnvm_linker_define_module(g.linker, "other", provider));
    ok(depot_revoke(w->depot, "other", NULL, "a test"));
    fnvm_error *error = fnvm_linker_instantiate(g.linker, m, &g.main);
    if (!error) error = call_of(g.store, g.main, "run", &result);
    assert_true(error && says(error, "it is revoked"));
    fnvm_error_free(error);
    guest_free(&g);
    fnvm_module_release(provider);
    fnvm_module_release(m);
}

/* ---- Images ---- */

/* Freezes an instance of the module, in an engine that asks nobody. */
static fnvm_error *freeze(void *env, const char *module, const char *image)
{
    fnvm_engine *engine;
    fnvm_module *m;
    int32_t result;
    (void)env;
    ok(fnvm_engine_new(NULL, &engine));
    ok(fnvm_module_load(engine, module, &m));
    Guest g = guest_new(engine);
    ok(fnvm_linker_instantiate(g.linker, m, &g.main));
    ok(call_of(g.store, g.main, "get", &result));
    const fnvm_freeze how = {.path = image, .main = g.main, .linker = g.linker, .no_sync = true};
    fnvm_error *error = fnvm_store_freeze(g.store, &how);
    guest_free(&g);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
    return error;
}

/* Installs `counter` with an image of it that has counted to one. */
static DepotFunction install_counter(const World *w)
{
    char path[128];
    DepotFunction f;
    const Binary b = binary(counter);
    write_file(w, "counter.wasm", b.bytes, b.len, path);
    free(b.bytes);
    ok(depot_install(w->depot, &(InstallRequest){.approval = {.name = "counter", .version = "1"},
                                                 .module = path, .prepare = freeze}));
    ok(depot_find(w->depot, "counter", &f));
    assert_non_null(f.image);
    return f;
}

static fnvm_error *restore(fnvm_image *image, fnvm_engine *engine, Guest *g)
{
    *g = guest_new(engine);
    return fnvm_image_restore(image, g->linker, NULL, &g->main);
}

static fnvm_error *restore_only(fnvm_image *image, fnvm_engine *engine)
{
    Guest g;
    fnvm_error *error = restore(image, engine, &g);
    guest_free(&g);
    return error;
}

static void test_foreign_image(void **state)
{
    World *w = *state;
    fnvm_image *image;
    DepotFunction f = install_counter(w);
    char path[128], command[400];
    snprintf(path, sizeof path, "%s/copy.fnvmi", w->dir);
    snprintf(command, sizeof command, "cp '%s' '%s'", f.image, path);
    assert_int_equal(system(command), 0);
    Log log = log_of(w);
    refused(fnvm_image_open(w->engine, path, NULL, &image), "no file of an installed version");
    log = one_more(w, &log, "\"what\":\"image\"");
    /* Nor is it the installed one any more once it is touched. */
    assert_int_equal(chmod(f.image, 0640), 0);
    refused(fnvm_image_open(w->engine, f.image, NULL, &image), "no file of an installed version");
    one_more(w, &log, "\"allowed\":false");
    depot_release(w->depot, &f);
}

static void test_images(void **state)
{
    World *w = *state;
    fnvm_image *image;
    fnvm_pool *pool;
    fnvm_store *taken;
    Guest g, one = {0};
    DepotFunction f = install_counter(w);
    Log log = log_of(w);
    ok(fnvm_image_open(w->engine, f.image, NULL, &image));
    log = one_more(w, &log, "\"name\":\"counter\""); /* its module is part of it */
    ok(restore(image, w->engine, &g));
    returns(&g, "get", 2);
    ok(fnvm_store_reset(g.store));
    returns(&g, "get", 2);
    const fnvm_pool_options options = {.ready = 1, .most = 3};
    ok(fnvm_pool_new(image, &options, &pool));
    ok(fnvm_pool_take(pool, &one.store, &one.main));
    returns(&one, "get", 2);
    fnvm_pool_give(pool, one.store);
    assert_int_equal(log_of(w).lines, log.lines);

    approve(w, other, "other"); /* which is nothing to it: decided anew, once */
    log = log_of(w);
    ok(fnvm_store_reset(g.store));
    log = one_more(w, &log, "\"allowed\":true");
    ok(fnvm_pool_take(pool, &one.store, &one.main));
    ok(restore_only(image, w->engine));
    returns(&g, "get", 2);
    assert_int_equal(log_of(w).lines, log.lines);

    ok(depot_revoke(w->depot, "counter", NULL, "a test"));
    log = log_of(w);
    refused(restore_only(image, w->engine), "it is revoked");
    log = one_more(w, &log, "it is revoked");
    refused(fnvm_pool_take(pool, &taken, &one.main), "it is revoked");
    log = one_more(w, &log, "it is revoked");
    refused(fnvm_store_reset(g.store), "it is revoked");
    log = one_more(w, &log, "it is revoked");
    fnvm_image *again = NULL;
    refused(fnvm_image_open(w->engine, f.image, NULL, &again), "it is revoked");
    one_more(w, &log, "it is revoked");
    fnvm_pool_give(pool, one.store); /* it is not kept for the next one */
    refused(fnvm_pool_take(pool, &taken, &one.main), "it is revoked");
    fnvm_pool_free(pool);
    guest_free(&g);
    fnvm_image_release(image);
    depot_release(w->depot, &f);
}

/* The module of an image was let in with it; by itself it is a module like any other. */
static void test_module_of_image(void **state)
{
    World *w = *state;
    fnvm_image *image;
    Guest g;
    DepotFunction f = install_counter(w);
    ok(fnvm_image_open(w->engine, f.image, NULL, &image));
    ok(restore(image, w->engine, &g));
    fnvm_module *m = fnvm_instance_module(g.main);
    ok(instantiate(w->engine, m));
    ok(depot_revoke(w->depot, "counter", NULL, "a test"));
    refused(instantiate(w->engine, m), "it is revoked");
    guest_free(&g);
    fnvm_image_release(image);
    depot_release(w->depot, &f);
}

/* ---- Policies and signatures ---- */

static const char small[] = "limits: {memory: 64KiB}\n", large[] = "limits: {memory: 128KiB}\n";

static fnvm_policy *policy_of(const char *yaml)
{
    fnvm_policy *policy;
    ok(fnvm_policy_parse("policy.yaml", yaml, strlen(yaml), &policy));
    return policy;
}

static void test_policies(void **state)
{
    World *w = *state;
    fnvm_policy *right = policy_of(small), *wrong = policy_of(large);
    fnvm_engine *with_right = engine_of(w, right), *with_wrong = engine_of(w, wrong);
    ok(request_approval(w, answer, (ApprovalRequest){.name = "a", .version = "1", .yaml = small,
                                                     .yaml_len = strlen(small)}));
    Log log = log_of(w);
    refused(load_text(w->engine, answer), "under one policy only");
    log = one_more(w, &log, "under one policy only");
    refused(load_text(with_wrong, answer), "under one policy only");
    ok(load_text(with_right, answer));
    approve(w, other, "other"); /* under any policy */
    ok(load_text(w->engine, other));
    ok(load_text(with_right, other));
    ok(load_text(with_wrong, other));
    ok(request_approval(w, answer, (ApprovalRequest){.name = "a", .version = "2", .yaml = large,
                                                     .yaml_len = strlen(large)}));
    ok(load_text(with_wrong, answer)); /* either will do */
    ok(load_text(with_right, answer));
    fnvm_engine_free(with_right);
    fnvm_engine_free(with_wrong);
    fnvm_policy_release(right);
    fnvm_policy_release(wrong);
}

static void test_signatures(void **state)
{
    World *w = *state;
    unsigned char keys[2][crypto_sign_PUBLICKEYBYTES], secrets[2][crypto_sign_SECRETKEYBYTES];
    for (int i = 0; i < 2; i++) assert_int_equal(crypto_sign_keypair(keys[i], secrets[i]), 0);
    approve(w, other, "unsigned");
    ok(request_approval(w, answer, (ApprovalRequest){.name = "signed", .version = "1",
                                                     .sign_key = secrets[0]}));
    ok(load_text(w->engine, other));
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char(*)[32])keys, 1));
    refused(load_text(w->engine, other), "not signed by a key that is trusted");
    ok(load_text(w->engine, answer));
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char(*)[32])&keys[1], 1));
    refused(load_text(w->engine, answer), "not signed by a key that is trusted");
    fails(fnvm_depot_require_signature(w->depot, NULL, 0), FNVM_E_USAGE, "no key");
}

/* A key that is trusted no more counts for what was loaded before, too. */
static void test_signatures_later(void **state)
{
    World *w = *state;
    unsigned char key[1][crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    fnvm_module *m;
    assert_int_equal(crypto_sign_keypair(key[0], secret), 0);
    approve(w, answer, "unsigned");
    ok(fnvm_module_new(w->engine, answer, strlen(answer), &m));
    ok(instantiate(w->engine, m));
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char(*)[32])key, 1));
    refused(instantiate(w->engine, m), "not signed by a key that is trusted");
    fnvm_module_release(m);
}

/* ---- What the host makes ---- */

static void make_hosts_own(fnvm_engine *engine)
{
    Guest g = guest_new(engine);
    fnvm_extern memory, table, global;
    fnvm_valtype type;
    const fnvm_val value = {FNVM_I32, {.i32 = 7}};
    fnvm_val found;
    assert_true(fnvm_valtype_parse("funcref", &type));
    ok(fnvm_memory_new(g.store, 1, 2, false, &memory));
    ok(fnvm_table_new(g.store, type, 3, 4, false, &table));
    assert_true(fnvm_valtype_parse("i32", &type));
    ok(fnvm_global_new(g.store, type, true, &value, &global));
    assert_true(fnvm_memory_write(g.store, memory, 65535, "x", 1));
    ok(fnvm_global_get(g.store, global, &found));
    assert_int_equal(found.of.i32, 7);
    guest_free(&g);
}

static void test_hosts_own(void **state)
{
    World *w = *state;
    static const char strict[] = "exports: [get]\nlimits: {memories: 0, tables: 0, globals: 0}\n";
    fnvm_policy *policy = policy_of(strict);
    fnvm_engine *engine = engine_of(w, policy);
    const Log log = log_of(w);
    make_hosts_own(w->engine);
    make_hosts_own(engine);
    assert_int_equal(log_of(w).lines, log.lines);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
}

/* ---- Threads ---- */

typedef struct Race {
    const World *w;
    fnvm_image *image;
    fnvm_module *module;
    atomic_bool revoked, stop;
    atomic_uint started, refused, late, wrong; /* late: begun after the revoke, and not refused */
} Race;

static void note(Race *r, bool was_revoked, fnvm_error *error)
{
    if (!error) atomic_fetch_add(was_revoked ? &r->late : &r->started, 1);
    else if (fnvm_error_code(error) == FNVM_E_POLICY && says(error, "it is revoked"))
        atomic_fetch_add(&r->refused, 1);
    else atomic_fetch_add(&r->wrong, 1);
    fnvm_error_free(error);
}

static void *start_all(void *env)
{
    Race *r = env;
    Guest g;
    fnvm_error *kept = restore(r->image, r->w->engine, &g);
    note(r, false, kept);
    while (!atomic_load(&r->stop)) {
        const bool was = atomic_load(&r->revoked);
        note(r, was, restore_only(r->image, r->w->engine));
        note(r, was, instantiate(r->w->engine, r->module));
        note(r, was, load_text(r->w->engine, counter));
        note(r, was, fnvm_store_reset(g.store));
    }
    guest_free(&g);
    return NULL;
}

static void wait_for(atomic_uint *count, unsigned more)
{
    const unsigned end = atomic_load(count) + more;
    while (atomic_load(count) < end) usleep(100);
}

/* Whether this process revokes, by the same depot, or somebody else. */
static void race(const World *w, fnvm_depot *depot)
{
    DepotFunction f = install_counter(w);
    Race r = {.w = w};
    pthread_t threads[2];
    ok(fnvm_image_open(w->engine, f.image, NULL, &r.image));
    ok(fnvm_module_new(w->engine, counter, strlen(counter), &r.module));
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, start_all, &r), 0);
    wait_for(&r.started, 50);
    ok(depot_approve(depot, &(ApprovalRequest){.name = "else", .version = "1"}));
    wait_for(&r.started, 50);
    ok(depot_revoke(depot, "counter", NULL, "a test"));
    atomic_store(&r.revoked, true);
    wait_for(&r.refused, 100);
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.late), 0);
    assert_int_equal(atomic_load(&r.wrong), 0);
    fnvm_module_release(r.module);
    fnvm_image_release(r.image);
    depot_release(w->depot, &f);
    log_of(w);
}

static void test_threads(void **state)
{
    World *w = *state;
    race(w, w->depot);
}

static void test_threads_and_another(void **state)
{
    World *w = *state;
    fnvm_depot *another;
    ok(fnvm_depot_open(w->depot_dir, false, &another));
    race(w, another);
    fnvm_depot_close(another);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_undecoded), TEST(test_modules), TEST(test_revoked_modules), TEST(test_module_path),
        TEST(test_provider_revoked), TEST(test_foreign_image), TEST(test_images),
        TEST(test_module_of_image), TEST(test_policies), TEST(test_signatures),
        TEST(test_signatures_later), TEST(test_hosts_own), TEST(test_threads),
        TEST(test_threads_and_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
