/* Engines with approvals: what runs is what was decided on, also when the file changes afterwards, and no
 * longer than the decision stands, by whatever way it is started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "conformance/depot_world.h"

typedef struct Test { World world; Depot *depot; fnvm_engine *engine; } Test;

static int set_up(void **state)
{
    Test *t = calloc(1, sizeof *t);
    fnvm_config config;
    if (!t) return -1;
    snprintf(t->world.folder, sizeof t->world.folder, "/tmp/test_gate.XXXXXX");
    if (!mkdtemp(t->world.folder)) return -1;
    snprintf(t->world.depot, sizeof t->world.depot, "%s/depot", t->world.folder);
    t->depot = world_open(&t->world);
    fnvm_config_default(&config);
    config.verify = FNVM_VERIFY_LAZY;
    config.approvals = t->depot;
    fnvm_error *error = t->depot ? fnvm_engine_new(&config, &t->engine) : NULL;
    fnvm_error_free(error);
    *state = t;
    return t->engine ? 0 : -1;
}

static int tear_down(void **state)
{
    Test *t = *state;
    char command[300];
    fnvm_engine_free(t->engine);
    fnvm_depot_close(t->depot);
    snprintf(command, sizeof command, "rm -rf '%s'", t->world.folder);
    int status = system(command);
    free(t);
    return status;
}

static void ok(fnvm_error *error)
{
    if (!error) return;
    const fnvm_error *cause = fnvm_error_cause(error);
    fail_msg("%s: %s", fnvm_error_message(error), cause ? fnvm_error_message(cause) : "");
}

static void refused(fnvm_error *error)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_POLICY);
    fnvm_error_free(error);
}

static Version *approved(Test *t)
{
    Version *v = world_new_version(&t->world, "f");
    assert_non_null(v);
    const ApprovalRequest r = {.name = v->name, .version = v->version,
                               .measurement = v->measurement};
    ok(depot_approve(t->depot, &r));
    return v;
}

/* An instance in a store of its own. */
typedef struct Alone { fnvm_store *store; fnvm_linker *linker; fnvm_instance *instance; } Alone;

static Alone alone(fnvm_engine *engine)
{
    Alone a = {0};
    ok(fnvm_store_new(engine, &a.store));
    ok(fnvm_linker_new(a.store, &a.linker));
    return a;
}

static void alone_free(Alone *a)
{
    fnvm_linker_free(a->linker);
    fnvm_store_free(a->store);
}

/* What a module is made of that is no other's: `get` returns it. */
static int32_t get(fnvm_engine *engine, fnvm_module *m)
{
    Alone a = alone(engine);
    fnvm_extern func;
    fnvm_val result;
    ok(fnvm_linker_instantiate(a.linker, m, &a.instance));
    assert_true(fnvm_instance_export(a.instance, "get", 3, &func));
    ok(fnvm_func_call(a.store, func, NULL, 0, &result, 1));
    alone_free(&a);
    return result.of.i32;
}

/* ---- Files that change ---- */

/* Whoever may write the file does so after it was measured, before its functions are looked at. */
static void what_was_measured_is_what_runs(void **state)
{
    Test *t = *state;
    fnvm_module *m;
    Version *v = approved(t), *evil = world_new_version(&t->world, "evil");
    uint8_t *bytes;
    size_t len;
    ok(object_read(evil->file, &bytes, &len));
    ok(fnvm_module_load(t->engine, v->file, &m));
    int fd = open(v->file, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, len, 0), len);
    close(fd);
    free(bytes);
    assert_int_equal(get(t->engine, m), 0); /* 1 is the other one's */
    fnvm_module_release(m);
    refused(fnvm_module_load(t->engine, v->file, &m));
}

/* ---- Revoked while it is loaded ---- */

static void a_loaded_module_makes_no_instance_once_it_is_revoked(void **state)
{
    Test *t = *state;
    fnvm_module *m;
    Version *v = approved(t);
    ok(fnvm_module_load(t->engine, v->file, &m));
    assert_int_equal(get(t->engine, m), 0);
    ok(depot_revoke(t->depot, "f", NULL, "bad"));
    Alone a = alone(t->engine);
    refused(fnvm_linker_instantiate(a.linker, m, &a.instance));
    alone_free(&a);
    fnvm_module_release(m);
}

static fnvm_error *freeze(void *env, const char *module, const char *image)
{
    fnvm_engine *engine;
    fnvm_module *m;
    (void)env;
    ok(fnvm_engine_new(NULL, &engine));
    Alone a = alone(engine);
    ok(fnvm_module_load(engine, module, &m));
    ok(fnvm_linker_instantiate(a.linker, m, &a.instance));
    fnvm_error *error = fnvm_store_freeze(
        a.store, &(fnvm_freeze){.path = image, .main = a.instance, .linker = a.linker});
    fnvm_module_release(m);
    alone_free(&a);
    fnvm_engine_free(engine);
    return error;
}

/* Taken out of it, they are started without it. */
static void modules_of_an_image_go_with_their_approval(void **state)
{
    Test *t = *state;
    DepotFunction f;
    fnvm_image *image;
    Version *v = world_new_version(&t->world, "f");
    const InstallRequest request = {.approval = {.name = v->name, .version = v->version},
                                    .module = v->file, .prepare = freeze};
    ok(depot_install(t->depot, &request));
    ok(depot_find(t->depot, "f", &f));
    assert_non_null(f.image);
    ok(fnvm_image_open(t->engine, f.image, NULL, &image));
    Alone a = alone(t->engine);
    ok(fnvm_image_restore(image, a.linker, NULL, &a.instance));
    fnvm_module *m = fnvm_instance_module(a.instance);
    assert_int_equal(get(t->engine, m), 0);
    ok(depot_revoke(t->depot, "f", NULL, "bad"));
    Alone b = alone(t->engine);
    refused(fnvm_image_restore(image, b.linker, NULL, &b.instance));
    alone_free(&b);
    b = alone(t->engine);
    refused(fnvm_linker_instantiate(b.linker, m, &b.instance));
    alone_free(&b);
    alone_free(&a);
    fnvm_image_release(image);
    refused(fnvm_image_open(t->engine, f.image, NULL, &image));
    depot_release(t->depot, &f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_measured_is_what_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loaded_module_makes_no_instance_once_it_is_revoked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(modules_of_an_image_go_with_their_approval, set_up,
                                        tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
