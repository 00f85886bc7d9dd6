/* Installing from within: versions that are held while they are replaced, what a failure or another
 * process at work leaves, and what starts are allowed by.  (The commands: conformance/install;
 * kills: depot_kill.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "conformance/depot_world.h"

typedef struct Test { World world; Depot *depot; } Test;

static int set_up(void **state)
{
    Test *t = calloc(1, sizeof *t);
    if (!t) return -1;
    snprintf(t->world.folder, sizeof t->world.folder, "/tmp/test_install.XXXXXX");
    if (!mkdtemp(t->world.folder)) return -1;
    snprintf(t->world.depot, sizeof t->world.depot, "%s/depot", t->world.folder);
    t->depot = world_open(&t->world);
    *state = t;
    return t->depot ? 0 : -1;
}

static int tear_down(void **state)
{
    Test *t = *state;
    char command[300];
    fnvm_depot_close(t->depot);
    snprintf(command, sizeof command, "rm -rf '%s'", t->world.folder);
    int status = system(command);
    free(t);
    return status;
}

static fnvm_error *install(Test *t, const Version *v, bool update)
{
    return depot_install(t->depot,
                         &(InstallRequest){.approval = {.name = v->name, .version = v->version},
                                           .module = v->file, .update = update});
}

static Version *installed(Test *t, const char *name, bool update)
{
    Version *v = world_new_version(&t->world, name);
    assert_non_null(v);
    assert_null(install(t, v, update));
    return v;
}

static void expect_code(fnvm_error *error, fnvm_code code)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

static size_t versions(const Test *t) { return count_entries(t->world.depot, "versions"); }
static size_t objects(const Test *t) { return count_entries(t->world.depot, "objects"); }

/* ---- Held while it is replaced ---- */

static void a_held_version_outlives_its_update(void **state)
{
    Test *t = *state;
    DepotFunction old, again;
    Version *first = installed(t, "f", false);
    assert_null(depot_find(t->depot, "f", &old));
    assert_string_equal(old.version, first->version);
    Version *second = installed(t, "f", true);
    assert_int_equal(access(old.module, R_OK), 0);
    assert_int_equal(versions(t), 2);
    assert_null(depot_find(t->depot, "f", &again));
    assert_string_equal(again.version, second->version);
    assert_int_equal(world_decide(&t->world, t->depot, first), REFUSED);
    assert_int_equal(world_decide(&t->world, t->depot, second), ALLOWED);
    depot_release(t->depot, &old);
    assert_int_equal(versions(t), 1);
    assert_int_equal(objects(t), 1);
    depot_release(t->depot, &again);
    assert_int_equal(versions(t), 1);
}

static void two_hold_one_version(void **state)
{
    Test *t = *state;
    DepotFunction one, two;
    installed(t, "f", false);
    assert_null(depot_find(t->depot, "f", &one));
    assert_null(depot_find(t->depot, "f", &two));
    assert_null(depot_uninstall(t->depot, "f"));
    depot_release(t->depot, &one);
    assert_int_equal(versions(t), 1);
    depot_release(t->depot, &two);
    assert_int_equal(versions(t), 0);
    expect_code(depot_find(t->depot, "f", &one), FNVM_E_NOT_FOUND);
    depot_release(t->depot, &one); /* nothing */
}

/* ---- What is left ---- */

static fnvm_error *refuse(void *env, const char *module, const char *image)
{
    size_t *calls = env;
    ++*calls;
    assert_int_equal(access(module, R_OK), 0);
    assert_int_not_equal(access(image, F_OK), 0);
    assert_true(world_write(image, "half an image", 13));
    return fnvm_error_new(FNVM_E_INVALID, "not today");
}

static void a_failure_leaves_nothing(void **state)
{
    Test *t = *state;
    size_t calls = 0;
    Version *old = installed(t, "f", false), *v = world_new_version(&t->world, "f");
    const InstallRequest request = {.approval = {.name = v->name, .version = v->version},
                                    .module = v->file, .update = true, .prepare = refuse,
                                    .env = &calls};
    expect_code(depot_install(t->depot, &request), FNVM_E_INVALID);
    assert_int_equal(calls, 1);
    assert_int_equal(versions(t), 1);
    assert_int_equal(objects(t), 1);
    assert_int_equal(world_decide(&t->world, t->depot, old), ALLOWED);
    assert_int_equal(world_decide(&t->world, t->depot, v), REFUSED);
}

/* Files of one who is at work are no orphans. */
static void nothing_is_collected_meanwhile(void **state)
{
    Test *t = *state;
    char path[PATH_BYTES + 32];
    int pending;
    snprintf(path, sizeof path, "%s/objects/someone.wasm", t->world.depot);
    assert_true(world_write(path, "x", 1));
    assert_null(depot_flock(t->depot, "pending", LOCK_SH, &pending));
    assert_null(depot_collect(t->depot));
    assert_int_equal(objects(t), 1);
    close(pending);
    assert_null(depot_collect(t->depot));
    assert_int_equal(objects(t), 0);
}

/* Somebody collects all the time: the policy of what is approved meanwhile stays. */
static void collecting_leaves_policies_that_are_being_approved(void **state)
{
    enum { APPROVALS = 60 };
    Test *t = *state;
    Version *v = world_new_version(&t->world, "f");
    const pid_t child = fork();
    if (child == 0) {
        Depot *d = world_open(&t->world);
        while (d && !depot_collect(d)) {}
        _exit(1);
    }
    for (int i = 0; i < APPROVALS; i++) {
        char version[16], yaml[40], *path;
        uint8_t digest[32];
        snprintf(version, sizeof version, "%d", i);
        snprintf(yaml, sizeof yaml, "limits: {types: %d}\n", i);
        const ApprovalRequest r = {.name = "f", .version = version, .measurement = v->measurement,
                                   .yaml = yaml, .yaml_len = strlen(yaml)};
        assert_null(depot_approve(t->depot, &r));
        object_hash(yaml, strlen(yaml), digest);
        path = policy_path(t->depot, digest);
        if (access(path, R_OK) != 0) fail_msg("the policy of approval %d is gone", i);
        free(path);
    }
    int status;
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
}

/* Approving again writes what is not there, or is not what it was. */
static void a_damaged_policy_is_written_again(void **state)
{
    static const char yaml[] = "limits: {types: 7}\n", other[] = "limits: {types: 9}\n";
    Test *t = *state;
    uint8_t digest[32];
    FileState now;
    struct stat st;
    Version *v = world_new_version(&t->world, "f");
    const ApprovalRequest r = {.name = "f", .version = "1", .measurement = v->measurement,
                               .yaml = yaml, .yaml_len = strlen(yaml)};
    object_hash(yaml, strlen(yaml), digest);
    char *path = policy_path(t->depot, digest);
    for (int i = 0; i < 3; i++) {
        assert_null(depot_approve(t->depot, &r));
        assert_null(file_compare(path, digest, &now, &st));
        assert_int_equal(now, FILE_WHOLE);
        if (i == 0) assert_true(world_write(path, other, strlen(other)));
        else assert_int_equal(unlink(path), 0);
    }
    free(path);
}

/* ---- What is allowed ---- */

static void a_file_changed_in_place_is_refused_until_repaired(void **state)
{
    Test *t = *state;
    DepotFunction f;
    struct stat before, now;
    size_t broken;
    installed(t, "f", false);
    assert_null(depot_find(t->depot, "f", &f));
    assert_int_equal(world_decide_file(&t->world, t->depot, "module", f.module), ALLOWED);
    assert_int_equal(stat(f.module, &before), 0);
    int fd = open(f.module, O_WRONLY);
    do {
        assert_int_equal(pwrite(fd, "\xff", 1, 12), 1);
        assert_int_equal(fstat(fd, &now), 0);
    } while (memcmp(&before.st_ctim, &now.st_ctim, sizeof now.st_ctim) == 0);
    close(fd);
    assert_int_equal(world_decide_file(&t->world, t->depot, "module", f.module), REFUSED);
    assert_null(depot_repair(t->depot, &(RepairMeans){.env = NULL}, &broken));
    assert_int_equal(broken, 0);
    assert_int_equal(world_decide_file(&t->world, t->depot, "module", f.module), ALLOWED);
    depot_release(t->depot, &f);
}

/* ---- Another engine ---- */

typedef struct Engine { int number; size_t reports; bool was_rebuilt; } Engine;

/* An "image" that says which engine made it. */
static fnvm_error *freeze(void *env, const char *module, const char *image)
{
    (void)module;
    FILE *out = fopen(image, "w");
    assert_non_null(out);
    fprintf(out, "made by engine %d\n", ((Engine *)env)->number);
    assert_int_equal(fclose(out), 0);
    return NULL;
}

static fnvm_error *made_by_another(void *env, const char *image)
{
    int number = 0;
    FILE *in = fopen(image, "r");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "made by engine %d", &number), 1);
    fclose(in);
    return number == ((Engine *)env)->number
               ? NULL
               : fnvm_error_new(FNVM_E_INVALID, "was made by another engine");
}

static void hear(void *env, const RepairReport *report)
{
    Engine *engine = env;
    engine->reports++;
    engine->was_rebuilt = report->done && strcmp(report->done, "rebuilt") == 0 &&
                          strcmp(report->wrong, "was made by another engine") == 0;
}

static void images_of_another_engine_are_made_again(void **state)
{
    Test *t = *state;
    Engine engine = {.number = 1};
    DepotFunction f;
    size_t broken;
    Version *v = world_new_version(&t->world, "f");
    assert_null(depot_install(t->depot,
                              &(InstallRequest){.approval = {.name = v->name, .version = v->version},
                                                .module = v->file, .prepare = freeze,
                                                .env = &engine}));
    const RepairMeans means = {&engine, freeze, made_by_another, hear};
    assert_null(depot_repair(t->depot, &means, &broken));
    assert_int_equal(engine.reports, 0);
    engine.number = 2;
    assert_null(depot_repair(t->depot, &means, &broken));
    assert_int_equal(broken, 0);
    assert_int_equal(engine.reports, 1);
    assert_true(engine.was_rebuilt);
    assert_null(depot_find(t->depot, "f", &f));
    assert_int_equal(world_decide_file(&t->world, t->depot, "image", f.image), ALLOWED);
    depot_release(t->depot, &f);
    assert_null(depot_repair(t->depot, &means, &broken));
    assert_int_equal(engine.reports, 1);
}

static void uninstalling_does_not_forget_a_revocation(void **state)
{
    Test *t = *state;
    Approval a;
    bool found;
    Version *v = installed(t, "f", false);
    assert_null(depot_revoke(t->depot, "f", v->version, "bad"));
    assert_int_equal(world_decide(&t->world, t->depot, v), REFUSED);
    assert_null(depot_uninstall(t->depot, "f"));
    assert_null(depot_read(t->depot));
    assert_null(database_find_approval(t->depot->database, "f", v->version, &a, &found));
    depot_abandon(t->depot);
    assert_true(found);
    assert_int_equal(a.state, APPROVAL_REVOKED);
    expect_code(install(t, v, false), FNVM_E_INVALID);
    assert_int_equal(versions(t), 0);
}

static void an_old_version_may_come_back(void **state)
{
    Test *t = *state;
    Version *first = installed(t, "f", false), *second = installed(t, "f", true);
    assert_null(install(t, first, true));
    assert_int_equal(world_decide(&t->world, t->depot, first), ALLOWED);
    assert_int_equal(world_decide(&t->world, t->depot, second), REFUSED);
    assert_int_equal(versions(t), 1);
}

/* Of a module that two functions share, one's going is not the other's. */
static void a_shared_module_stays(void **state)
{
    Test *t = *state;
    Version *v = installed(t, "f", false), other = *v;
    memcpy(other.name, "g", 2);
    assert_null(install(t, &other, false));
    assert_int_equal(objects(t), 1);
    assert_null(depot_uninstall(t->depot, "f"));
    assert_int_equal(objects(t), 1);
    char *path = object_path(t->world.depot, v->object);
    assert_int_equal(world_decide_file(&t->world, t->depot, "module", path), ALLOWED);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_held_version_outlives_its_update, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_hold_one_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_collected_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(collecting_leaves_policies_that_are_being_approved, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_policy_is_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_changed_in_place_is_refused_until_repaired, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(images_of_another_engine_are_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uninstalling_does_not_forget_a_revocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_version_may_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shared_module_stays, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
