/* Proof that a depot survives kill -9: commands and changes are killed at one system call after the
 * other, and after each kill the depot opens, its audit log verifies, a version of each function is
 * the current one and its files are whole and may be started, nothing that was approved is lost, and
 * nothing that was revoked or replaced is allowed.  Every third time, whoever recovers is killed, too.
 *
 *   depot_kill [--kills N] [--concurrent N] [--seed S] [--only OPERATION] [--keep]
 *
 * --concurrent: two processes change and use one depot at random, and N times one of them is killed at
 * a random moment.  The program under test is $FNVM, or fnvm beside this one.
 *
 * Ends with "N passed, N failed, N skipped", where passed counts kills. */
#include <getopt.h>
#include <sodium.h>

#include "conformance/depot_two.h"
#include "conformance/kill_at.h"

/* ---- In the child ---- */

static void run_fnvm(const Trial *t, const char *const *args)
{
    const char *argv[16] = {t->w->fnvm, args[0], "--depot", t->w->depot};
    for (int n = 1; args[n] && n < 12; n++) argv[n + 3] = args[n];
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, 1);
    execv(t->w->fnvm, (char *const *)argv);
    _exit(123);
}

/* What is no command here: the library's own, from opening on. */
static void finish_child(Depot *d, fnvm_error *error)
{
    if (error) fprintf(stderr, "%s\n", fnvm_error_message(error));
    fnvm_depot_close(d);
    _exit(error ? 1 : 0);
}

static Depot *open_in_child(const Trial *t)
{
    fnvm_depot *d = NULL;
    fnvm_error *error = fnvm_depot_open(t->w->depot, false, &d);
    if (error) finish_child(NULL, error);
    return d;
}

static void do_approve(void *env)
{
    const Trial *t = env;
    run_fnvm(t, (const char *const[]){"approve", t->fresh->file, "--name", t->fresh->name, "--version",
                                      t->fresh->version, NULL});
}

static void do_revoke(void *env)
{
    const Trial *t = env;
    char what[sizeof t->fresh->name + sizeof t->fresh->version];
    snprintf(what, sizeof what, "%s@%s", t->fresh->name, t->fresh->version);
    run_fnvm(t, (const char *const[]){"revoke", what, "--reason", "a test", NULL});
}

/* A narrowed process would be as well, but not all that it calls would be seen. */
static void do_run(void *env)
{
    const Trial *t = env;
    run_fnvm(t, (const char *const[]){"run", "--narrow=no", "--approved", t->name, NULL});
}

static void do_install(void *env)
{
    const Trial *t = env;
    run_fnvm(t, (const char *const[]){"install", t->fresh->file, "--name", t->name, "--version",
                                      t->fresh->version, NULL});
}

static void do_update(void *env)
{
    const Trial *t = env;
    run_fnvm(t, (const char *const[]){"update", t->name, t->fresh->file, "--version",
                                      t->fresh->version, NULL});
}

static void do_update_frozen(void *env)
{
    const Trial *t = env;
    char manifest[PATH_BYTES];
    snprintf(manifest, sizeof manifest, "%s/function.yaml", t->w->folder);
    run_fnvm(t, (const char *const[]){"update", t->name, manifest, NULL});
}

static void do_uninstall(void *env)
{
    const Trial *t = env;
    run_fnvm(t, (const char *const[]){"uninstall", t->name, NULL});
}

static void do_repair(void *env) { run_fnvm(env, (const char *const[]){"repair", NULL}); }

static void do_start(void *env)
{
    const Trial *t = env;
    bool allowed;
    Depot *d = open_in_child(t);
    finish_child(d, start(d, t->name, &allowed));
}

/* What the next process may do first. */
static void do_recover(void *env)
{
    const Trial *t = env;
    uint64_t lines, generation;
    Depot *d = open_in_child(t);
    const Subject subject = {.what = "module", .measure = version_measure, .env = t->fresh};
    switch (t->w->random % 3) {
    case 0: fnvm_error_free(depot_decide(d, &subject, &generation)); break;
    case 1: fnvm_error_free(depot_audit(d, NULL, NULL, &lines)); break;
    }
    finish_child(d, depot_collect(d));
}

/* ---- What there has to be before ---- */

/* Nothing of the name is installed, or something is. */
static bool set_installed(Trial *t, bool wanted)
{
    World *w = t->w;
    Depot *d = world_open(w);
    InstalledList list = {0};
    if (!d || !world_good(w, depot_read(d), "read")) return false;
    bool ok = world_good(w, installed_list(d->database, &list), "list");
    depot_abandon(d);
    const Installed *current = installed_current(&list, t->name);
    t->old = current ? world_find(w, t->name, current->approval.version) : NULL;
    installed_free(&list);
    if (ok && current && !wanted) {
        ok = world_good(w, depot_uninstall(d, t->name), "uninstall");
        t->old->allowed = false;
        t->old = NULL;
    } else if (ok && !current && wanted) {
        t->old = world_new_version(w, t->name);
        ok = t->old && world_good(w, install_here(d, t->old), "install");
        if (ok) t->old->allowed = true;
    }
    fnvm_depot_close(d);
    return ok;
}

static bool new_version(Trial *t) { return (t->fresh = world_new_version(t->w, t->name)) != NULL; }

static bool arrange_approve(Trial *t) { return new_version(t); }

static bool arrange_revoke(Trial *t)
{
    Depot *d = new_version(t) ? world_open(t->w) : NULL;
    bool ok = d && world_good(t->w, approve(d, t->fresh), "approve");
    if (ok) t->fresh->allowed = true;
    fnvm_depot_close(d);
    return ok;
}

static bool arrange_install(Trial *t) { return set_installed(t, false) && new_version(t); }
static bool arrange_update(Trial *t) { return set_installed(t, true) && new_version(t); }

static bool arrange_frozen(Trial *t)
{
    char path[PATH_BYTES], text[PATH_BYTES + 300];
    if (!arrange_update(t)) return false;
    snprintf(path, sizeof path, "%s/function.yaml", t->w->folder);
    int n = snprintf(text, sizeof text, "name: %s\nversion: \"%s\"\nmodule: %s\nimage: true\n"
                     "init:\n  call: prepare\n", t->name, t->fresh->version, t->fresh->file);
    return world_write(path, text, (size_t)n);
}

static bool arrange_uninstall(Trial *t)
{
    if (!set_installed(t, true)) return false;
    t->fresh = t->old;
    return true;
}

/* A byte of it is another, for good.  Its change time is, too, once the system's clock has ticked. */
static bool damage(World *w, const char *path)
{
    struct stat before, now;
    const char byte = (char)(1 + world_random(w, 255));
    int fd = stat(path, &before) == 0 ? open(path, O_WRONLY) : -1;
    bool ok = fd >= 0;
    do ok = ok && pwrite(fd, &byte, 1, 0) == 1 && fstat(fd, &now) == 0;
    while (ok && memcmp(&now.st_ctim, &before.st_ctim, sizeof now.st_ctim) == 0);
    if (fd >= 0) close(fd);
    return ok;
}

static bool arrange_repair(Trial *t)
{
    if (!arrange_uninstall(t)) return false;
    t->damaged = object_path(t->w->depot, t->fresh->object);
    return t->damaged && (world_random(t->w, 2) ? unlink(t->damaged) == 0 : damage(t->w, t->damaged));
}

/* The path of the image that is installed, or NULL; freed with free(). */
static char *installed_image(Trial *t)
{
    Depot *d = world_open(t->w);
    DepotFunction found = {.hold = -1};
    char *path = NULL;
    bool ok = d && world_good(t->w, depot_find(d, t->name, &found), "find");
    if (ok && found.image) path = strdup(found.image);
    if (ok) depot_release(d, &found);
    fnvm_depot_close(d);
    return path;
}

static bool install_frozen(Trial *t)
{
    Traced traced;
    if (!arrange_frozen(t) || !kill_at(0, do_update_frozen, t, &traced) || traced.status != 0)
        return false;
    t->old->allowed = false;
    t->fresh->allowed = true;
    t->old = NULL;
    return true;
}

static bool arrange_image(Trial *t)
{
    if (!arrange_uninstall(t)) return false;
    char *image = installed_image(t);
    free(image);
    return image || install_frozen(t);
}

/* The image, or its code. */
static bool arrange_repair_image(Trial *t)
{
    if (!install_frozen(t) || !(t->damaged = installed_image(t))) return false;
    if (world_random(t->w, 2)) strcpy(strrchr(t->damaged, '.'), ".fnvmc");
    return world_random(t->w, 2) ? unlink(t->damaged) == 0 : damage(t->w, t->damaged);
}

/* ---- What has become of it ---- */

static bool is_installed(Trial *t, Depot *d)
{
    char version[DEPOT_NAME_SIZE];
    current_version(t, d, version);
    t->fresh->allowed = strcmp(version, t->fresh->version) == 0;
    if (t->old) t->old->allowed = !t->fresh->allowed;
    if (!t->fresh->allowed && strcmp(version, t->old ? t->old->version : "") != 0)
        world_fail(t->w, "version `%s` of %s is current: neither the old nor the new one", version,
                   t->name);
    return t->fresh->allowed;
}

static bool is_uninstalled(Trial *t, Depot *d)
{
    char version[DEPOT_NAME_SIZE];
    current_version(t, d, version);
    t->fresh->allowed = *version != '\0';
    return !t->fresh->allowed;
}

/* Damaged or not, what is not as it was installed is not started.  Then it is repaired to the end. */
static bool is_repaired(Trial *t, Depot *d)
{
    World *w = t->w;
    struct stat st;
    Traced traced;
    const bool is_module = strstr(t->damaged, ".wasm") != NULL;
    const bool is_there = stat(t->damaged, &st) == 0;
    w->checks++;
    if (is_module && is_there) {
        FileState state;
        if (world_good(w, file_compare(t->damaged, t->fresh->object, &state, &st), "the module") &&
            state != FILE_WHOLE && world_decide_file(w, d, "module", t->damaged) != REFUSED)
            world_fail(w, "a damaged module is not refused");
    }
    if (!kill_at(0, do_repair, t, &traced) || traced.status != 0)
        world_fail(w, "repairing ends with status %d", traced.status);
    return true;
}

static bool is_started(Trial *t, Depot *d)
{
    (void)t, (void)d;
    return true;
}

/* Whatever became of one, the next one runs. */
static bool is_run(Trial *t, Depot *d)
{
    Traced traced;
    (void)d;
    t->w->checks++;
    if (!kill_at(0, do_run, t, &traced) || traced.status != 0)
        world_fail(t->w, "the next run of %s ends with status %d", t->name, traced.status);
    return true;
}

/* ---- Operations ---- */

typedef struct Operation {
    const char *name, *function;
    bool (*arrange)(Trial *);
    void (*body)(void *);
    bool (*happened)(Trial *, Depot *); /* and notes what is allowed from now on */
    unsigned share;                     /* of the kills */
} Operation;

static const Operation operations[] = {
    {"update", "steady", arrange_update, do_update, is_installed, 4},
    {"update with an image", "frozen", arrange_frozen, do_update_frozen, is_installed, 2},
    {"install", "coming", arrange_install, do_install, is_installed, 3},
    {"uninstall", "coming", arrange_uninstall, do_uninstall, is_uninstalled, 2},
    {"revoke", "alone", arrange_revoke, do_revoke, is_revoked, 3},
    {"approve", "alone", arrange_approve, do_approve, is_approved, 2},
    {"repair a module", "steady", arrange_repair, do_repair, is_repaired, 2},
    {"repair an image", "frozen", arrange_repair_image, do_repair, is_repaired, 2},
    {"start", "steady", arrange_uninstall, do_start, is_started, 1},
    {"run", "steady", arrange_uninstall, do_run, is_run, 2},
    {"run an image", "frozen", arrange_image, do_run, is_run, 2}};
enum { OPERATIONS = sizeof operations / sizeof *operations, SHARES = 25, RECOVERY_STOPS = 160 };

static void check_all(const Operation *o, Trial *t, const Traced *traced)
{
    World *w = t->w;
    Depot *d = world_open(w);
    if (!d) return;
    /* Sometimes a decision is the first that is asked of it. */
    if (world_random(w, 2)) world_decide(w, d, &w->versions[0]);
    const bool happened = o->happened(t, d);
    if (!traced->killed && traced->status != 0)
        world_fail(w, "ended with status %d", traced->status);
    else if (!traced->killed && !happened)
        world_fail(w, "it said that it was done, and it is not");
    check_decisions(w, d);
    check_versions(w, d);
    check_no_orphans(w, d);
    check_audit(w, d);
    fnvm_depot_close(d);
}

/* One trial; stop 0: it may end.  False: ptrace is not to be had. */
static bool try_one(World *w, const Operation *o, long stop, bool twice, Traced *out)
{
    Trial t = {.w = w, .name = o->function};
    const uint64_t failed = w->failed;
    snprintf(w->doing, sizeof w->doing, "before %s", o->name);
    if (!o->arrange(&t)) {
        if (w->failed == failed) world_fail(w, "cannot be arranged");
        free(t.damaged);
        return true;
    }
    snprintf(w->doing, sizeof w->doing, "%s, killed at %ld", o->name, stop);
    fflush(stdout);
    const bool traced = kill_at(stop, o->body, &t, out);
    if (traced && out->killed && twice) {
        Traced recovery;
        const long at = 1 + (long)world_random(w, RECOVERY_STOPS);
        snprintf(w->doing, sizeof w->doing, "%s, killed at %ld, and whoever recovers at %ld",
                 o->name, stop, at);
        kill_at(at, do_recover, &t, &recovery);
        if (!recovery.killed && recovery.status != 0) world_fail(w, "recovery fails");
    }
    if (traced) check_all(o, &t, out);
    free(t.damaged);
    return traced;
}

/* Kills spread over all stops that the operation comes to.  Returns false as try_one. */
static bool try_operation(World *w, const Operation *o, long kills, uint64_t *passed)
{
    Traced whole, traced;
    if (!try_one(w, o, 0, false, &whole)) return false;
    long done = 0, stops = whole.stops;
    for (long i = 0; done < kills && i < 3 * kills && w->failed < 20; i++) {
        const uint64_t failed = w->failed;
        const long first = (i % kills) * stops / kills, next = (i % kills + 1) * stops / kills;
        const long span = next > first ? next - first : 1;
        const long stop = 1 + first + (long)world_random(w, (uint64_t)span);
        if (!try_one(w, o, stop, i % 3 == 0, &traced)) return false;
        done += traced.killed;
        *passed += traced.killed && w->failed == failed;
    }
    printf("%-24s %4ld kills over %ld stops\n", o->name, done, stops);
    return true;
}

/* ---- The program ---- */

static void remove_world(const World *w)
{
    char command[PATH_BYTES + 32];
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    if (system(command) != 0) printf("%s is left\n", w->folder);
}

static bool make_world(World *w, const char *argv0)
{
    /* What a kill leaves is the same in memory as on a disk, and nothing waits for that. */
    const char *tmp = getenv("TMPDIR");
    if (!tmp) tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(w->folder, sizeof w->folder, "%.200s/depot_kill.XXXXXX", tmp);
    if (!mkdtemp(w->folder)) return false;
    snprintf(w->depot, sizeof w->depot, "%s/depot", w->folder);
    static char beside[PATH_BYTES];
    const char *slash = strrchr(argv0, '/');
    snprintf(beside, sizeof beside, "%.*sfnvm", slash ? (int)(slash + 1 - argv0) : 0, argv0);
    w->fnvm = getenv("FNVM") ? getenv("FNVM") : beside;
    /* Neither may be traced by one who looks for leaks, nor be asked to write where we do not look. */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
    setenv("FNVM_CACHE_DIR", "none", 1);
    w->n = 0;
    Version *first = world_new_version(w, "alone");
    Depot *d = first ? world_open(w) : NULL;
    bool ok = d && world_good(w, approve(d, first), "approve");
    if (ok) first->allowed = true;
    fnvm_depot_close(d);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"kills", required_argument, NULL, 'k'},
                                            {"concurrent", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"keep", no_argument, NULL, 'K'},
                                            {NULL, 0, NULL, 0}};
    long kills = 100, concurrent = 0;
    bool keep = false, traced = true;
    const char *only = NULL;
    uint64_t passed = 0, skipped = 0;
    World *w = calloc(1, sizeof *w);
    if (!w || sodium_init() < 0) return 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'k': kills = atol(optarg); break;
        case 'c': concurrent = atol(optarg); break;
        case 's': w->random = strtoull(optarg, NULL, 0); break;
        case 'o': only = optarg; break;
        case 'K': keep = true; break;
        default: return 2;
        }
    }
    snprintf(w->doing, sizeof w->doing, "the beginning");
    if (!make_world(w, argv[0])) w->failed++;
    for (size_t i = 0; i < OPERATIONS && traced && w->failed < 20 && kills > 0; i++) {
        const Operation *o = &operations[i];
        if (only && strcmp(only, o->name) != 0) continue;
        const long share = only ? kills : (kills * (long)o->share + SHARES - 1) / SHARES;
        traced = try_operation(w, o, share, &passed);
    }
    if (!traced) skipped++, puts("skipped: ptrace is not allowed here");
    if (concurrent > 0) try_both(w, (size_t)concurrent, &passed);
    printf("%llu checks; the depot is %s%s\n", (unsigned long long)w->checks, w->folder,
           keep ? "" : ", and removed");
    if (!keep) remove_world(w);
    printf("%llu passed, %llu failed, %llu skipped\n", (unsigned long long)passed,
           (unsigned long long)w->failed, (unsigned long long)skipped);
    const bool bad = w->failed != 0;
    free(w);
    return bad;
}
