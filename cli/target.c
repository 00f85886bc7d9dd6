/* The file's name tells: .yaml or .yml is a manifest, a folder stands for its function.yaml, a word
 * without a slash is with --approved an installed function first.  A policy comes from the manifest,
 * from --policy, or from the approval. */
#include "cli/target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/constrain.h"
#include "cli/depot.h"
#include "cli/errors.h"
#include "cli/full.h"
#include "verifier/approval/objects.h"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && strcmp(text + len - n, end) == 0;
}

static bool is_manifest(const char *file) { return ends_with(file, ".yaml") || ends_with(file, ".yml"); }

/* ---- Manifests ---- */

/* In front of those of the command line, so that these come last. */
static int add_mounts(Options *o, const Manifest *m)
{
    Directory *dirs = calloc(m->nmounts + o->ndirs + 1, sizeof *dirs);
    if (!dirs) return error_report(NULL, "the host is out of memory");
    for (size_t i = 0; i < m->nmounts; i++)
        dirs[i] = (Directory){m->mounts[i].host, m->mounts[i].guest,
                              m->mounts[i].read_only ? FNVM_DIR_READ_ONLY : FNVM_DIR_READ_WRITE};
    if (o->ndirs) memcpy(dirs + m->nmounts, o->dirs, o->ndirs * sizeof *dirs);
    free(o->dirs);
    o->dirs = dirs;
    o->ndirs += m->nmounts;
    return -1;
}

static int add_env(Options *o, const Manifest *m)
{
    Pairs all = {0};
    int status = -1;
    for (size_t i = 0; i < m->nenv && status < 0; i++)
        status = pairs_add(&all, m->env[i].name, m->env[i].value);
    for (size_t i = 0; i < o->env.n && status < 0; i++)
        status = pairs_add(&all, o->env.items[i].name, o->env.items[i].value);
    if (status >= 0) {
        free(all.items);
        return status;
    }
    free(o->env.items);
    o->env = all;
    return -1;
}

static int add_args(Session *s, const Manifest *m)
{
    Options *o = &s->options;
    s->args = calloc(m->nargs + (size_t)o->nargs + 1, sizeof *s->args);
    if (!s->args) return error_report(NULL, "the host is out of memory");
    for (size_t i = 0; i < m->nargs; i++) s->args[i] = m->args[i];
    for (int i = 0; i < o->nargs; i++) s->args[m->nargs + (size_t)i] = o->args[i];
    o->args = s->args;
    o->nargs += (int)m->nargs;
    return -1;
}

static int take_manifest(Session *s, const char *path)
{
    fnvm_error *error = manifest_load(path, &s->manifest);
    if (error) return error_report(error, "cannot use the manifest `%s`", path);
    Options *o = &s->options;
    const Manifest *m = s->manifest;
    if (m->policy && o->policy)
        return error_usage(o->command, "--policy: `%s` has a policy of its own", path);
    if (m->policy) s->policy = fnvm_policy_retain(m->policy);
    o->file = m->module;
    int status = add_mounts(o, m);
    if (status < 0) status = add_env(o, m);
    return status < 0 ? add_args(s, m) : status;
}

/* FILE, if it is one or a folder that has one. */
static int take_if_manifest(Session *s)
{
    s->folder = folder_manifest(s->options.file);
    if (s->folder) return take_manifest(s, s->folder);
    struct stat st;
    if (stat(s->options.file, &st) == 0 && S_ISDIR(st.st_mode))
        return error_report(NULL,
                            "`%s` is a directory without a function.yaml: name a module, an image "
                            "or a manifest", s->options.file);
    return is_manifest(s->options.file) ? take_manifest(s, s->options.file) : -1;
}

/* ---- Installed functions ---- */

/* NAME's files are known by their identity, so nothing of them is hashed or read here. */
static int take_installed(Session *s, bool *found)
{
    const char *name = s->options.file;
    fnvm_error *error = depot_find(s->depot, name, &s->function);
    *found = !error;
    if (error && fnvm_error_code(error) == FNVM_E_NOT_FOUND) {
        fnvm_error_free(error);
        return -1;
    }
    if (error) return error_report(error, "cannot run `%s`", name);
    s->is_installed = true;
    int status = -1;
    if (s->function.manifest) status = take_manifest(s, s->function.manifest);
    s->options.file = s->function.image ? s->function.image : s->function.module;
    if (!s->options.argv0) s->options.argv0 = s->function.name;
    if (s->options.cache || status >= 0) return status;
    /* It has the code, and the records of images. */
    if (asprintf(&s->depot_cache, "%s/cache", s->depot->dir) < 0) s->depot_cache = NULL;
    s->options.cache = s->depot_cache;
    return s->depot_cache ? -1 : error_report(NULL, "the host is out of memory");
}

/* Of a file that is not installed: by its measurement, which is taken once more when it is loaded.  What
 * cannot be read or measured, loading it will tell; and what can be read only once, a pipe, is left for
 * that. */
static fnvm_error *find_policy(const Session *s, char **path)
{
    Measurement measurement;
    uint8_t *bytes = NULL;
    size_t len = 0;
    fnvm_error *error = object_read(s->options.file, &bytes, &len);
    if (!error) error = fnvm_measure(bytes, len, NULL, NULL, measurement.bytes);
    free(bytes);
    if (!error) return depot_policy_of(s->depot, &measurement, path);
    fnvm_error_free(error);
    return NULL;
}

/* The policy that a module was approved under, if there is one. */
static int approved_policy(Session *s)
{
    if (s->policy || s->options.policy || strcmp(s->options.file, "-") == 0) return -1;
    char *path = NULL;
    fnvm_error *error = s->is_installed ? NULL : find_policy(s, &path);
    const char *policy = s->is_installed ? s->function.policy : path;
    if (!error && policy) error = fnvm_policy_load(policy, &s->policy);
    free(path);
    return error ? error_report(error, "the policy that `%s` is approved under", s->options.file) : -1;
}

/* A name that may have been a function's. */
static int no_function(const char *file)
{
    if (strpbrk(file, "./") || strcmp(file, "-") == 0 || access(file, F_OK) == 0) return -1;
    error_report(NULL, "no function `%s` is installed, and there is no such file: `fnvm installed` "
                 "lists the functions", file);
    return STATUS_NOT_FOUND;
}

static int take_approved(Session *s)
{
    int status = depot_choose(s->options.depot, false, &s->depot);
    if (status >= 0) return status;
    s->options.config.approvals = s->depot;
    bool found = false;
    if (!strchr(s->options.file, '/')) status = take_installed(s, &found);
    if (status < 0 && !found) status = take_if_manifest(s);
    if (status < 0 && !found) status = no_function(s->options.file);
    return status < 0 ? approved_policy(s) : status;
}

/* The manifest of --natives: its native functions, and its policy where there is no other. */
static int take_natives(Session *s)
{
    const char *path = s->options.natives;
    fnvm_error *error = path ? manifest_load(path, &s->natives_of) : NULL;
    if (error) {
        error_report(error, "cannot use the manifest `%s`", path);
        return STATUS_FAILED; /* also where it is not there: that is not FILE */
    }
    if (s->natives_of && s->natives_of->policy && !s->policy)
        s->policy = fnvm_policy_retain(s->natives_of->policy);
    return -1;
}

/* Only the full program loads libraries.  It is told the command, which may have been left out. */
static int need_full(const Session *s)
{
    const Manifest *m = s->natives_of ? s->natives_of : s->manifest;
    if (!m || !m->nnative) return -1;
    char **words = calloc((size_t)s->nwords + 2, sizeof *words);
    if (!words) return error_report(NULL, "the host is out of memory");
    words[0] = (char *)"fnvm";
    words[1] = (char *)s->options.command;
    for (int i = 1; i < s->nwords; i++) words[i + 1] = s->words[i];
    const int status = full_exec(s->nwords + 1, words);
    free(words);
    return status;
}

int target_resolve(Session *s)
{
    Options *o = &s->options;
    int status = -1;
    if (o->approved) status = take_approved(s);
    else status = take_if_manifest(s);
    if (status >= 0) return status;
    if (o->policy) {
        fnvm_error *error = fnvm_policy_load(o->policy, &s->policy);
        if (error) {
            error_report(error, "cannot use the policy `%s`", o->policy);
            return STATUS_FAILED; /* also where it is not there: that is not FILE */
        }
    }
    status = take_natives(s);
    if (status < 0) status = need_full(s);
    if (status >= 0) return status;
    return constrain_options(s);
}
