/* What a policy lets a function be handed: directories, environment variables, native functions.
 *
 * Directories are compared as they really are, by name after name: symbolic links and `..` lead nowhere
 * else, and /srv/site2 is not below /srv/site. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "verifier/policy/manifest.h"
#include "vm/error.h"

/* Whether `path` is `folder` or below it; both absolute, without a slash at the end but for "/". */
static bool is_within(const char *folder, const char *path)
{
    size_t len = strlen(folder);
    if (len == 1) return true;
    return strncmp(folder, path, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* A rule for a directory that is not there lets nothing be handed in. */
static bool rule_covers(const PolicyDir *rule, const char *path)
{
    char folder[PATH_MAX];
    return realpath(rule->host, folder) && is_within(folder, path);
}

fnvm_error *policy_check_dir(const Policy *policy, const char *host, bool read_only)
{
    if (policy->any_dir) return NULL;
    char path[PATH_MAX];
    if (!realpath(host, path))
        return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "directory `%s`: %s",
                              host, strerror(errno));
    const PolicyDir *covers = NULL;
    for (size_t i = 0; i < policy->ndirs; i++) {
        if (!rule_covers(&policy->dirs[i], path)) continue;
        covers = &policy->dirs[i];
        if (read_only || !covers->read_only) return NULL;
    }
    if (covers)
        return fnvm_error_new(FNVM_E_POLICY, "%s:%u: wasi.directories lets `%s` be read only, and"
                              " `%s` is to be written", policy->name, covers->line, covers->host,
                              path);
    return fnvm_error_new(FNVM_E_POLICY, "%s:%u: wasi.directories does not have `%s`, nor a directory"
                          " above it", policy->name, policy->dirs_line, path);
}

/* The depot keeps copies of policies, and in its folder these would be something else. */
static fnvm_error *relative_error(const Policy *policy, uint32_t line, const char *key,
                                  const char *relative, const char *absolute)
{
    return fnvm_error_new(FNVM_E_USAGE, "%s:%u: %s: `%s` is relative to the folder of this file, "
                          "and the depot keeps a copy in another: write `%s`", policy->name, line,
                          key, relative, absolute);
}

fnvm_error *policy_check_movable(const Policy *policy)
{
    for (size_t i = 0; i < policy->ndirs; i++) {
        const PolicyDir *dir = &policy->dirs[i];
        if (dir->relative)
            return relative_error(policy, dir->line, "wasi.directories", dir->relative, dir->host);
    }
    for (size_t i = 0; i < policy->nnative; i++) {
        const PolicyLibrary *library = &policy->native[i];
        if (library->relative)
            return relative_error(policy, library->line, "native", library->relative, library->name);
    }
    return NULL;
}

fnvm_error *policy_check_env(const Policy *policy, const char *name)
{
    if (policy->any_env) return NULL;
    for (size_t i = 0; i < policy->nenv; i++)
        if (pattern_matches(policy->env[i].text, name, strlen(name))) return NULL;
    return fnvm_error_new(FNVM_E_POLICY, "%s:%u: wasi.environment does not have `%.100s`",
                          policy->name, policy->env_line, name);
}

/* A name without a slash is what dlopen looks for, and nothing else. */
static bool rule_names(const PolicyLibrary *rule, const char *library)
{
    char theirs[PATH_MAX], ours[PATH_MAX];
    if (!strchr(rule->name, '/') || !strchr(library, '/')) return strcmp(rule->name, library) == 0;
    return realpath(rule->name, theirs) && realpath(library, ours) && strcmp(theirs, ours) == 0;
}

fnvm_error *policy_check_native(const Policy *policy, const char *library)
{
    for (size_t i = 0; i < policy->nnative; i++)
        if (rule_names(&policy->native[i], library)) return NULL;
    if (policy->native_line)
        return fnvm_error_new(FNVM_E_POLICY, "%s:%u: native does not have `%.200s`", policy->name,
                              policy->native_line, library);
    return fnvm_error_new(FNVM_E_POLICY, "%s: functions of libraries are called only if `native` "
                          "names the library there, and does not name `%.200s`", policy->name,
                          library);
}
