/* Setting up follows the order in which things can be handed over: sockets that were inherited come
 * first, before a descriptor of our own can take the number of one; then the engine, the store,
 * WASI, and last the modules that imports may come from. */
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/constrain.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/sockets.h"
#include "jit/cache.h"

extern char **environ;

/* ---- What the guest gets from its system ---- */

static fnvm_error *give_arguments(Session *s)
{
    const Options *o = &s->options;
    const char *slash = strrchr(o->file, '/');
    const char *name = o->argv0 ? o->argv0 : slash ? slash + 1 : o->file;
    fnvm_error *error = fnvm_wasi_arg(s->wasi, name);
    for (int i = 0; !error && i < o->nargs; i++) error = fnvm_wasi_arg(s->wasi, o->args[i]);
    return error;
}

static fnvm_error *inherit_environment(Session *s)
{
    fnvm_error *error = NULL;
    for (char **entry = environ; !error && *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (!(*entry)[len]) continue;
        char *name = strndup(*entry, len);
        if (!name) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
        if (constrain_passes_env(s, name))
            error = fnvm_wasi_env(s->wasi, name, *entry + len + 1);
        free(name);
    }
    return error;
}

static fnvm_error *give_environment(Session *s)
{
    const Options *o = &s->options;
    fnvm_error *error = o->inherit_env ? inherit_environment(s) : NULL;
    for (size_t i = 0; !error && i < o->env.n; i++) {
        const char *name = o->env.items[i].name, *value = o->env.items[i].value;
        if (!value) value = getenv(name);
        if (value) error = fnvm_wasi_env(s->wasi, name, value);
    }
    return error;
}

/* Sockets come before directories, so that their descriptors are 3, 4, ... as programs that use
 * socket activation expect; LISTEN_FDS tells the guest how many there are. */
static fnvm_error *give_sockets(Session *s)
{
    const Options *o = &s->options;
    fnvm_error *error = NULL;
    int given = 0;
    for (; !error && given < s->inherited; given++)
        error = fnvm_wasi_preopen_socket(s->wasi, SOCKETS_FIRST + given);
    for (size_t i = 0; !error && i < o->listen.n; i++, given++) {
        int fd = -1;
        error = socket_listen(o->listen.items[i].name, &fd);
        if (!error) error = fnvm_wasi_preopen_socket(s->wasi, fd);
    }
    if (error || given == 0) return error;
    char count[16];
    snprintf(count, sizeof count, "%d", given);
    return fnvm_wasi_env(s->wasi, "LISTEN_FDS", count);
}

static fnvm_error *give_directories(Session *s)
{
    for (size_t i = 0; i < s->options.ndirs; i++) {
        const Directory *dir = &s->options.dirs[i];
        fnvm_error *error = fnvm_wasi_preopen_dir(s->wasi, dir->host, dir->guest, dir->access);
        if (error) return error;
    }
    return NULL;
}

/* What it may do with it.  Before it gets anything: that counts. */
static fnvm_error *limit_system(Session *s)
{
    const Options *o = &s->options;
    fnvm_wasi_limit_output(s->wasi, o->max_output);
    fnvm_wasi_limit_descriptors(s->wasi, o->max_descriptors);
    fnvm_error *error = constrain_wasi(s);
    for (size_t i = 0; !error && i < o->calls.n; i++)
        error = fnvm_wasi_allow_calls(s->wasi, &o->calls.items[i].name, 1);
    return error;
}

static fnvm_error *give_system(Session *s)
{
    fnvm_error *error = give_arguments(s);
    if (!error) error = give_environment(s);
    if (!error) error = fnvm_wasi_inherit_stdio(s->wasi);
    if (!error) error = give_sockets(s);
    if (!error) error = give_directories(s);
    return error;
}

/* ---- Linking ---- */

static int preload(Session *s, const Pair *pair)
{
    fnvm_module *module = NULL;
    int status = module_open(s->engine, pair->value, "preload", &module);
    if (status >= 0) return status;
    fnvm_error *error = fnvm_linker_define_module(s->linker, pair->name, module);
    fnvm_module_release(module);
    return error ? error_report(error, "failed to preload `%s`", pair->value) : -1;
}

/* The `fnvm:*` interfaces: lines of log go to standard error; there is nobody to call. */
static int link_services(Session *s)
{
    fnvm_kv *kv = NULL;
    fnvm_error *error = fnvm_services_new(&s->services);
    if (!error && s->options.kv) error = fnvm_kv_open(s->options.kv, &kv);
    if (!error && kv) error = fnvm_services_kv(s->services, kv, "");
    fnvm_kv_release(kv);
    if (error) {
        int status = error_report(error, "failed to set up fnvm:kv");
        return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
    }
    fnvm_services_note_draws(s->services, s->wasi);
    error = fnvm_linker_define_services(s->linker, s->services);
    return error ? error_report(error, "failed to set up the fnvm interfaces") : -1;
}

/* The system interfaces: WASI, `fnvm:*`. */
static int link_system(Session *s)
{
    fnvm_error *error = fnvm_wasi_new(&s->wasi);
    if (!error && (error = limit_system(s))) {
        error_report(error, "failed to limit what WASI does");
        return STATUS_USAGE;
    }
    if (!error) error = constrain_given(s, give_system(s));
    if (!error) error = fnvm_linker_define_wasi(s->linker, s->wasi);
    if (error) {
        int status = error_report(error, "failed to set up WASI");
        /* A directory that is not there is not FILE. */
        return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
    }
    error = fnvm_linker_define_snapshot(s->linker, s->checkpoint, s->checkpoint_env);
    return error ? error_report(error, "failed to set up fnvm:snapshot") : link_services(s);
}

/* The functions of libraries that the manifest names, under the policy that the engine has. */
static int link_natives(Session *s)
{
    const Manifest *m = s->natives_of ? s->natives_of : s->manifest;
    if (!m || !m->nnative) return -1;
    fnvm_error *error = manifest_check_native(m, s->policy);
    if (!error) error = natives_open(s->engine, m->path, m->native, m->nnative, &s->natives);
    if (!error) error = natives_define(s->natives, s->linker);
    if (!error) return -1;
    int status = error_report(error, "failed to set up native functions");
    /* A library that is not there is not FILE. */
    return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
}

int session_link(Session *s)
{
    const Options *o = &s->options;
    fnvm_error *error = fnvm_store_new(s->engine, &s->store);
    if (!error) error = fnvm_linker_new(s->store, &s->linker);
    if (error) return error_report(error, "failed to set up the engine");
    if (o->config.fuel) fnvm_store_set_fuel(s->store, o->fuel);
    if (o->coredump) fnvm_store_keep_trap_state(s->store, true);

    int status = link_system(s);
    if (status < 0) status = link_natives(s);
    for (size_t i = 0; status < 0 && i < o->preloads.n; i++)
        status = preload(s, &o->preloads.items[i]);
    if (status >= 0) return status;
    for (size_t i = 0; !error && i < o->module_paths.n; i++)
        error = fnvm_linker_add_path(s->linker, o->module_paths.items[i].name);
    if (error) return error_report(error, "failed to set up the module path");
    fnvm_linker_unknown_imports_trap(s->linker, o->unknown_imports_trap);
    return -1;
}

/* ---- Calling ---- */

bool session_func(Session *s, const char *name, fnvm_extern *func)
{
    return fnvm_instance_export(s->instance, name, strlen(name), func) &&
           func->kind == FNVM_EXTERN_FUNC;
}

fnvm_error *session_no_function(Session *s, const char *wanted)
{
    char *list = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&list, &len);
    if (!out) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    const fnvm_module *module = fnvm_instance_module(s->instance);
    size_t found = 0;
    for (size_t i = 0; i < fnvm_module_exports(module); i++) {
        fnvm_export export;
        char type[256];
        fnvm_module_export(module, i, &export);
        if (export.kind != FNVM_EXTERN_FUNC) continue;
        fnvm_module_export_type(module, i, type, sizeof type);
        fprintf(out, "\n  %.*s %s", (int)export.name_len, export.name, type);
        found++;
    }
    bool failed = fclose(out) != 0;
    fnvm_error *error =
        failed ? fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory")
        : wanted && found
            ? fnvm_error_new(FNVM_E_LINK, "it exports no function `%s`, but these:%s", wanted, list)
        : wanted ? fnvm_error_new(FNVM_E_LINK, "it exports no function at all")
        : found  ? fnvm_error_new(FNVM_E_LINK,
                                  "it has no `_start`; name a function with --invoke:%s", list)
                 : fnvm_error_new(FNVM_E_LINK, "it has no `_start` and exports no function");
    free(list);
    return error;
}

fnvm_error *session_call(Session *s, const char *name, fnvm_extern func)
{
    if (fnvm_func_params(s->store, func, NULL, 0) || fnvm_func_results(s->store, func, NULL, 0))
        return fnvm_error_new(FNVM_E_LINK, "`%s` must have no parameters and no results", name);
    fnvm_error *error = fnvm_func_call(s->store, func, NULL, 0, NULL, 0);
    if (!error || fnvm_error_code(error) == FNVM_E_EXIT) return error;
    return fnvm_error_wrap(error, "failed to invoke `%s`", name);
}

/* ---- How it ended ---- */

static void write_coredump(Session *s, const fnvm_error *trap)
{
    const char *path = s->options.coredump;
    FILE *out = fopen(path, "wb");
    if (!out) {
        error_report(NULL, "cannot write the core dump `%s`: %s", path, strerror(errno));
        return;
    }
    fnvm_error *error = fnvm_store_coredump(s->store, trap, out);
    if (fclose(out) != 0 && !error) error = fnvm_error_new(FNVM_E_IO, "%s", strerror(errno));
    if (error) error_report(error, "failed to write the core dump `%s`", path);
}

static int outcome(Session *s, fnvm_error *error, const char *doing)
{
    if (!error) {
        if (fflush(stdout) == 0) return STATUS_OK;
        return error_report(NULL, "cannot write the results: %s", strerror(errno));
    }
    if (fnvm_error_code(error) == FNVM_E_EXIT) {
        int status = fnvm_error_exit_status(error) & 0xFF;
        fnvm_error_free(error);
        return status;
    }
    if (s->options.coredump && fnvm_error_code(error) == FNVM_E_TRAP && !interrupt_signalled())
        write_coredump(s, error);
    if (interrupt_caused(error)) return interrupt_report(error, doing, s->options.file);
    /* A snapshot under another name is an installing one: its file is a copy named by its hash, and there
     * is nobody who could give it options. */
    const bool installing = s->options.argv0 && strcmp(s->options.command, "snapshot") == 0;
    bool unlinked = fnvm_error_code(error) == FNVM_E_LINK && s->module && !s->instance && !installing;
    int status = error_report(error, "failed to %s `%s`", doing,
                              installing ? s->options.argv0 : s->options.file);
    if (unlinked) {
        fputs("\nImported modules come from `--preload NAME=FILE` or `--module-path DIR`; with\n"
              "`-W unknown-imports-trap`, functions that are missing trap when called.\n", stderr);
    }
    /* A file that something else misses is not the file we were asked to run. */
    return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
}

int session_run(Session *s, int (*guest)(void *env, fnvm_error **error), void *env,
                const char *doing)
{
    fnvm_error *error = profile_store(&s->profile, &s->options, s->store);
    if (error) return error_report(error, "failed to start the profile");
    error = session_narrow(s);
    if (error) {
        profile_end(&s->profile);
        return error_report(error, "failed to narrow the process");
    }
    interrupt_store(s->store);
    int status = guest(env, &error);
    profile_end(&s->profile);
    if (status < 0) status = outcome(s, error, doing);
    interrupt_remove();
    return status;
}

/* ---- Beginning and end ---- */

/* Where compiled code is kept.  What is asked for by name and cannot be is worth a word; the guest
 * runs all the same. */
static void choose_cache(Session *s)
{
    bool by_name;
    s->cache = cache_directory(s->options.cache, &by_name);
    s->options.config.code_cache = s->cache;
    if (!by_name || s->options.config.engine == FNVM_ENGINE_INTERPRETER) return;
    CodeCache *cache = NULL;
    fnvm_error *error = cache_open(s->cache, true, &cache);
    if (error) error_warn(fnvm_error_message(error));
    fnvm_error_free(error);
    cache_close(cache);
}

int session_engine(Session *s)
{
    fnvm_error *error = NULL;
    /* Before anything of our own can take the place of a descriptor that is not there. */
    if (s->options.listenfd || s->options.inherit_network) error = sockets_inherited(&s->inherited);
    if (error) return error_report(error, "failed to inherit sockets");
    /* Compiled code would leave a dump without the locals that were in registers. */
    if (s->options.coredump) s->options.config.engine = FNVM_ENGINE_INTERPRETER;
    choose_cache(s);
    error = fnvm_engine_new(&s->options.config, &s->engine);
    if (!error) error = profile_engine(&s->profile, &s->options, s->engine);
    if (!error) interrupt_install(s->engine, s->options.timeout_ns, s->timeout_of);
    return error ? error_report(error, "failed to set up the engine") : -1;
}

void session_free(Session *s)
{
    interrupt_remove(); /* if it has not come to running */
    if (s->linker) fnvm_linker_free(s->linker);
    if (s->store) fnvm_store_free(s->store);
    fnvm_services_free(s->services);
    if (s->wasi) fnvm_wasi_free(s->wasi);
    natives_close(s->natives);
    if (s->image) fnvm_image_release(s->image);
    if (s->module) fnvm_module_release(s->module);
    if (s->engine) fnvm_engine_free(s->engine);
    fnvm_policy_release(s->policy);
    manifest_free(s->manifest);
    manifest_free(s->natives_of);
    if (s->is_installed) depot_release(s->depot, &s->function);
    fnvm_depot_close(s->depot);
    free(s->timeout_of);
    free(s->folder);
    free(s->args);
    free(s->depot_cache);
    free(s->cache);
    options_free(&s->options);
}
