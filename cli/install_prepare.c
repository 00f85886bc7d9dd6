/* Making a version ready.  Its image is taken by a process of its own, `fnvm snapshot` of this very
 * program: what the guest does while it starts up happens there, and what it leaves open or mapped is
 * gone with it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "cli/install.h"
#include "verifier/approval/installed.h"

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

static fnvm_error *system_error(const char *what)
{
    return fnvm_error_new(FNVM_E_IO, "%s: %s", what, strerror(errno));
}

/* ---- The module ---- */

static void print_function(void *env, const fnvm_error *error)
{
    const char *joint = "Error: ";
    (void)env;
    for (; error; error = fnvm_error_cause(error), joint = ": ") {
        fputs(joint, stderr);
        print_escaped(stderr, fnvm_error_message(error), strlen(fnvm_error_message(error)));
    }
    fputc('\n', stderr);
}

/* Every function, whatever the policy says of when; the bad ones are told of one by one. */
static fnvm_error *verify_and_compile(fnvm_engine *engine, const char *module, bool compile)
{
    fnvm_module *m;
    size_t bad = 0;
    fnvm_error *error = fnvm_module_load(engine, module, &m);
    if (error) return error;
    error = fnvm_module_verify(m, print_function, NULL, &bad);
    if (!error && bad)
        error = fnvm_error_new(FNVM_E_INVALID, "%zu bad function%s", bad, bad == 1 ? "" : "s");
    if (!error && compile) error = fnvm_module_compile(m);
    fnvm_module_release(m); /* its code goes to the cache now */
    return error;
}

static fnvm_error *check_module(const fnvm_policy *policy, const char *cache, const char *module,
                                bool compile)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_config_default(&config);
    config.policy = (fnvm_policy *)policy; /* the engine retains it */
    config.code_cache = cache;
    config.verify = FNVM_VERIFY_LAZY;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) return error;
    error = verify_and_compile(engine, module, compile);
    fnvm_engine_free(engine);
    return error;
}

/* ---- The arguments of the snapshot ---- */

typedef struct Files { const char *policy, *cache, *module, *image; } Files; /* `policy` may be NULL */

typedef struct Arguments { char **at; size_t n, capacity; bool no_memory; } Arguments;

static void add(Arguments *a, char *text)
{
    if (a->n + 1 >= a->capacity) {
        const size_t capacity = a->capacity ? a->capacity * 2 : 32;
        char **at = realloc(a->at, capacity * sizeof *at);
        if (at) {
            a->at = at;
            a->capacity = capacity;
        }
        if (!at) a->no_memory = true;
    }
    if (a->no_memory || !text) {
        a->no_memory = true;
        free(text);
        return;
    }
    a->at[a->n++] = text;
    a->at[a->n] = NULL;
}

static void add_text(Arguments *a, const char *text) { add(a, strdup(text)); }

static void add_option(Arguments *a, const char *option, const char *text)
{
    add_text(a, option);
    add_text(a, text);
}

static void add_joined(Arguments *a, const char *option, const char *one, const char *joint,
                       const char *two, const char *end)
{
    char *text = NULL;
    add_text(a, option);
    add(a, asprintf(&text, "%s%s%s%s", one, joint, two, end) < 0 ? NULL : text);
}

static void arguments_free(Arguments *a)
{
    for (size_t i = 0; i < a->n; i++) free(a->at[i]);
    free(a->at);
}

/* When it is frozen, and what running it calls. */
static fnvm_error *add_moment(Arguments *a, const Manifest *m)
{
    static const char *const at[] = {[INIT_NONE] = "auto", [INIT_START] = "start", [INIT_CALL] = "init",
                                     [INIT_CHECKPOINT] = "checkpoint", [INIT_STDIN] = "stdin"};
    add_option(a, "--at", at[m->init]);
    if (m->init_call) add_option(a, "-f", m->init_call);
    if (!m->entry || strcmp(m->entry, "_start") == 0) return NULL;
    if (m->init == INIT_NONE || m->init == INIT_CALL || m->init == INIT_START) {
        add_joined(a, "-r", "_start", "=", m->entry, "");
        return NULL;
    }
    return fnvm_error_new(FNVM_E_USAGE, "`entry: %s` does not go with an image that is taken in the "
                          "midst of `_start`, and goes on from there", m->entry);
}

static fnvm_error *add_given(Arguments *a, const Manifest *m)
{
    for (size_t i = 0; i < m->nmounts; i++) {
        const ManifestMount *mount = &m->mounts[i];
        if (strstr(mount->host, "::") || strstr(mount->guest, "::"))
            return fnvm_error_new(FNVM_E_UNSUPPORTED, "%s:%u: a mount with `::` in its name: images "
                                  "cannot be taken with it", m->path, mount->line);
        add_joined(a, "--dir", mount->host, "::", mount->guest, mount->read_only ? "::ro" : "");
    }
    for (size_t i = 0; i < m->nenv; i++) {
        const ManifestVariable *v = &m->env[i];
        if (v->value) add_joined(a, "--env", v->name, "=", v->value, "");
        else add_option(a, "--env", v->name);
    }
    return NULL;
}

static void add_limits(Arguments *a, const PrepareLimits *limits)
{
    char *text = NULL;
    if (!limits) return;
    add_text(a, "-W");
    add(a, asprintf(&text, "timeout=%" PRIu64 "ns,max-memory-size=%" PRIu64, limits->time_ns,
                    limits->memory_bytes) < 0 ? NULL : text);
}

static fnvm_error *make_arguments(Arguments *a, const Manifest *m, const Files *files,
                                  const PrepareLimits *limits)
{
    add_text(a, "fnvm");
    add_text(a, "snapshot");
    add_text(a, "--quiet");
    add_option(a, "--cache", files->cache);
    add_option(a, "-o", files->image);
    add_option(a, "--argv0", m->name); /* the module's own name is a hash */
    if (m->nnative) add_option(a, "--natives", m->path);
    if (files->policy) add_option(a, "--policy", files->policy);
    add_limits(a, limits);
    fnvm_error *error = add_moment(a, m);
    if (!error) error = add_given(a, m);
    add_text(a, files->module);
    for (size_t i = 0; i < m->nargs; i++) add_text(a, m->args[i]);
    return !error && a->no_memory ? no_memory() : error;
}

/* ---- The process ---- */

/* What it writes goes to `output`; it has nothing to read, and ends with us. */
static void run_child(char *const *args, pid_t parent, int output)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || null < 0 ||
        dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(STATUS_FAILED);
    execv("/proc/self/exe", args);
    _exit(STATUS_NOT_FOUND);
}

/* What it wrote, as far as it is kept: a guest may write as long as it may run. */
typedef struct Written { char at[64 << 10]; size_t len; uint64_t more; } Written;

/* Until nobody has the other end any more. */
static void take_written(int output, Written *w)
{
    char piece[4096];
    for (ssize_t n; (n = read(output, piece, sizeof piece)) != 0;) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return;
        const size_t room = sizeof w->at - w->len, kept = (size_t)n < room ? (size_t)n : room;
        memcpy(w->at + w->len, piece, kept);
        w->len += kept;
        w->more += (size_t)n - kept;
    }
}

/* Much of it is the guest's, who is not to write to a terminal what it likes. */
static void pass_on(const Written *w)
{
    for (const char *at = w->at, *const end = at + w->len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        print_escaped(stderr, at, (size_t)((stop ? stop : end) - at));
        fputc('\n', stderr);
        at = stop ? stop + 1 : end;
    }
    if (w->more) fprintf(stderr, "... and %" PRIu64 " bytes more\n", w->more);
}

static fnvm_error *run_snapshot(char *const *args)
{
    int ends[2], status;
    Written written = {.len = 0};
    if (pipe2(ends, O_CLOEXEC) != 0) return system_error("cannot take what the snapshot writes");
    const pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) run_child(args, parent, ends[1]);
    fnvm_error *error = pid < 0 ? system_error("cannot start a process for the snapshot") : NULL;
    close(ends[1]);
    if (!error) take_written(ends[0], &written);
    close(ends[0]);
    while (!error && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) error = system_error("cannot wait for the snapshot");
    if (!error && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        pass_on(&written);
        error = WIFEXITED(status)
                    ? fnvm_error_new(FNVM_E_INVALID, "no image: `fnvm snapshot` ended with status %d",
                                     WEXITSTATUS(status))
                    : fnvm_error_new(FNVM_E_INVALID, "no image: `fnvm snapshot` was ended by signal %d",
                                     WTERMSIG(status));
    }
    return error;
}

static fnvm_error *freeze(const Manifest *m, const Files *files, const PrepareLimits *limits)
{
    Arguments a = {0};
    fnvm_error *error = make_arguments(&a, m, files, limits);
    if (!error) error = run_snapshot(a.at);
    arguments_free(&a);
    return error;
}

/* ---- A version ---- */

/* The manifest beside the image; *out is NULL if there is none. */
static fnvm_error *load_beside(const char *image, Manifest **out)
{
    const char *slash = strrchr(image, '/');
    const int folder = slash ? (int)(slash + 1 - image) : 0;
    char *path = NULL;
    struct stat st;
    *out = NULL;
    if (asprintf(&path, "%.*s%s", folder, image, VERSION_MANIFEST) < 0) return no_memory();
    fnvm_error *error = stat(path, &st) == 0 ? manifest_load(path, out) : NULL;
    free(path);
    return error;
}

fnvm_error *install_prepare(const Depot *d, const fnvm_policy *policy, const PrepareLimits *limits,
                            const char *module, const char *image)
{
    Manifest *m;
    fnvm_error *error = load_beside(image, &m);
    if (error) return error;
    if (m) policy = m->policy;
    char *cache = depot_path(d, "cache", NULL);
    char *policy_file = policy ? policy_path(d, policy->digest) : NULL;
    const bool wanted = m && m->image;
    if (!cache || (policy && !policy_file)) error = no_memory();
    if (!error) error = check_module(policy, cache, module, !wanted);
    const Files files = {policy_file, cache, module, image};
    if (!error && wanted) error = freeze(m, &files, limits);
    free(cache);
    free(policy_file);
    manifest_free(m);
    return error;
}

/* ---- Whether it still fits ---- */

static void keep_first(void *env, const char *message)
{
    fnvm_error **kept = env;
    if (!*kept) *kept = fnvm_error_new(FNVM_E_INVALID, "%s", message);
}

static fnvm_error *open_image(const fnvm_policy *policy, const char *cache, const char *path)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_config_default(&config);
    config.policy = (fnvm_policy *)policy; /* the engine retains it */
    config.code_cache = cache;
    fnvm_error *error = fnvm_engine_new(&config, &engine), *warned = NULL;
    if (error) return error;
    fnvm_image *image = NULL;
    const fnvm_image_options options = {.warn = keep_first, .warn_env = &warned};
    error = fnvm_image_open(engine, path, &options, &image);
    fnvm_image_release(image);
    fnvm_engine_free(engine);
    if (!error) return warned;
    fnvm_error_free(warned);
    return error;
}

fnvm_error *install_misfit(const Depot *d, const char *image)
{
    Manifest *m;
    fnvm_error *error = load_beside(image, &m);
    if (error) return error;
    char *cache = depot_path(d, "cache", NULL);
    error = cache ? open_image(m ? m->policy : NULL, cache, image) : no_memory();
    free(cache);
    manifest_free(m);
    return error;
}
