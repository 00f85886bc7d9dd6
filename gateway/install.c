/* What the gateway says of a function beside its manifest goes into the manifest that is
 * installed: variables, mounts and arguments may be looked at before the image is taken.
 * Secrets do not: workers read them. */
#include "gateway/install.h"

#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/install.h"
#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "verifier/policy/manifest.h"

enum { HASH_DIGITS = 12, VERSION_BYTES = 65 };

typedef struct Order { /* one function's */
    ServeGateway *gateway;
    ServeFunction *function;
    Depot *depot;
    Manifest manifest; /* as it is installed; what it points to is the function's */
    fnvm_policy *policy;
    char *yaml;
    size_t yaml_len; /* of the policy */
    char *text;
    size_t text_len; /* of the manifest */
    char hash[65];
    Measurement measurement;
} Order;

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

/* ---- Paths ---- */

/* In place. */
static fnvm_error *make_absolute(ServeGateway *g, char **path)
{
    char here[PATH_MAX], *whole = NULL;
    if (!*path || (*path)[0] == '/') return NULL;
    if (!getcwd(here, sizeof here))
        return fnvm_error_new(FNVM_E_IO, "the current directory is gone");
    if (asprintf(&whole, "%s/%s", here, *path) < 0) return no_memory();
    *path = serve_text(g, whole);
    free(whole);
    return *path ? NULL : no_memory();
}

/* Those of a list may belong to a manifest, which does not mind: it is ours. */
static fnvm_error *make_all_absolute(ServeGateway *g, ServeFunction *f)
{
    fnvm_error *error = make_absolute(g, &f->module);
    if (!error) error = make_absolute(g, &f->image);
    if (!error) error = make_absolute(g, &f->policy);
    for (size_t i = 0; i < f->nmounts && !error; i++) error = make_absolute(g, &f->mounts[i].host);
    for (size_t i = 0; i < f->nnative && !error; i++)
        if (strchr(f->native[i].library, '/')) error = make_absolute(g, &f->native[i].library);
    for (size_t i = 0; i < f->settings.nsecrets && !error; i++)
        error = make_absolute(g, &f->settings.secrets[i].file);
    return error;
}

/* ---- The manifest ---- */

/* A variable that is ours to pass on has the value that it has now. */
static void settle_environment(ServeFunction *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->nenv; i++) {
        ManifestVariable v = f->env[i];
        if (!v.value) v.value = getenv(v.name);
        if (v.value) f->env[n++] = v;
    }
    f->nenv = n;
}

static fnvm_error *read_policy(Order *o)
{
    ServeFunction *f = o->function;
    const char *file = f->manifest ? f->manifest_file : f->policy;
    fnvm_error *error = NULL;
    if (f->manifest) error = manifest_policy_text(f->manifest->path, true, &o->yaml, &o->yaml_len);
    else if (f->policy) error = policy_settled_text(f->policy, &o->yaml, &o->yaml_len);
    if (error || !o->yaml) return error;
    error = fnvm_policy_parse(file ? file : f->name, o->yaml, o->yaml_len, &o->policy);
    return error ? error : policy_check_movable(o->policy);
}

static fnvm_error *check_given(const Order *o)
{
    const Manifest *m = &o->manifest;
    fnvm_error *error = manifest_check_native(m, o->policy);
    if (error || !o->policy) return error;
    for (size_t i = 0; i < m->nmounts && !error; i++)
        error = policy_check_dir(o->policy, m->mounts[i].host, m->mounts[i].read_only);
    for (size_t i = 0; i < m->nenv && !error; i++)
        error = policy_check_env(o->policy, m->env[i].name);
    for (size_t i = 0; i < o->function->settings.nsecrets && !error; i++)
        error = policy_check_env(o->policy, o->function->settings.secrets[i].name);
    return error;
}

static void make_manifest(Order *o)
{
    const ServeFunction *f = o->function;
    if (f->manifest) o->manifest = *f->manifest;
    Manifest *m = &o->manifest;
    m->path = (char *)f->file;
    m->name = f->name;
    m->module = f->module;
    m->image = true;
    m->args = f->args, m->nargs = f->nargs;
    m->mounts = f->mounts, m->nmounts = f->nmounts;
    m->env = f->env, m->nenv = f->nenv;
    m->native = f->native, m->nnative = f->nnative;
}

static fnvm_error *print_manifest(Order *o, const char *version)
{
    char *policy = o->policy ? policy_path(o->depot, o->policy->digest) : NULL;
    if (o->policy && !policy) return no_memory();
    free(o->text);
    o->text = NULL;
    fnvm_error *error = manifest_print(&o->manifest, o->manifest.name, version, o->manifest.module,
                                       policy, &o->text, &o->text_len);
    free(policy);
    return error;
}

/* ---- Its version ---- */

/* A hash over the module, the manifest, and the limit that the image is taken under. */
static fnvm_error *hash_contents(Order *o)
{
    uint8_t *bytes = NULL, parts[3][32] = {{0}}, all[32];
    size_t len = 0;
    fnvm_error *error = object_read(o->manifest.module, &bytes, &len);
    if (!error) error = fnvm_measure(bytes, len, NULL, NULL, o->measurement.bytes);
    if (error) {
        free(bytes);
        return error;
    }
    object_hash(bytes, len, parts[0]);
    object_hash(o->text, o->text_len, parts[1]);
    memcpy(parts[2], &o->function->settings.memory, sizeof o->function->settings.memory);
    object_hash(parts, sizeof parts, all);
    sodium_bin2hex(o->hash, sizeof o->hash, all, sizeof all);
    o->hash[HASH_DIGITS] = '\0';
    free(bytes);
    return NULL;
}

static fnvm_error *settle_version(Order *o, char version[VERSION_BYTES])
{
    ServeFunction *f = o->function;
    fnvm_error *error = print_manifest(o, f->version ? f->version : "none");
    if (!error) error = hash_contents(o);
    if (error) return error;
    const int n = f->version ? snprintf(version, VERSION_BYTES, "%s-%s", f->version, o->hash)
                             : snprintf(version, VERSION_BYTES, "%s", o->hash);
    if (n < 0 || n >= VERSION_BYTES)
        return fnvm_error_new(FNVM_E_USAGE, "the version `%s` of `%s` is longer than %d characters",
                              f->version, f->name, VERSION_BYTES - HASH_DIGITS - 2);
    if (!f->version && !(f->version = serve_text(o->gateway, o->hash))) return no_memory();
    return print_manifest(o, version);
}

/* ---- Installing ---- */

static fnvm_error *prepare(void *env, const char *module, const char *image)
{
    const Order *o = env;
    const ServeSettings *s = &o->function->settings;
    const PrepareLimits limits = {s->start_time, s->memory};
    return install_prepare(o->depot, o->policy, &limits, module, image);
}

/* `installed`: under this name, in any version. */
static fnvm_error *is_installed(Depot *d, const char *name, bool *installed)
{
    DepotFunction found;
    fnvm_error *error = depot_find(d, name, &found);
    *installed = !error;
    if (!error) depot_release(d, &found);
    if (!error || fnvm_error_code(error) != FNVM_E_NOT_FOUND) return error;
    fnvm_error_free(error);
    return NULL;
}

static fnvm_error *take_paths(Order *o)
{
    DepotFunction found;
    ServeFunction *f = o->function;
    fnvm_error *error = depot_find(o->depot, f->name, &found);
    if (error) return error;
    f->image = found.image ? serve_text(o->gateway, found.image) : NULL;
    f->policy = found.policy ? serve_text(o->gateway, found.policy) : NULL;
    char hex[2 * sizeof o->measurement.bytes + 1];
    sodium_bin2hex(hex, sizeof hex, o->measurement.bytes, sizeof o->measurement.bytes);
    f->measurement = serve_text(o->gateway, hex);
    if (!f->image || !f->measurement || (found.policy && !f->policy)) error = no_memory();
    depot_release(o->depot, &found);
    return error;
}

/* What is installed already stays, and is not run: so one that is revoked is in nobody's way.
 * Any other would have to be approved, which it cannot be. */
static fnvm_error *keep_revoked(Order *o, const char *version)
{
    DepotFunction found;
    const char *name = o->function->name;
    fnvm_error *error = depot_find(o->depot, name, &found);
    const bool same = !error && strcmp(found.version, version) == 0;
    if (!error) depot_release(o->depot, &found);
    if (error && fnvm_error_code(error) != FNVM_E_NOT_FOUND) return error;
    fnvm_error_free(error);
    if (!same)
        return fnvm_error_new(
            FNVM_E_POLICY,
            "its binary is revoked in the depot `%s`: `fnvm approvals` says why, and "
            "`fnvm approve --reinstate` lifts that",
            o->depot->dir);
    fprintf(stderr, "Warning: the function `%s` is not run: it is revoked in the depot `%s`\n",
            name, o->depot->dir);
    o->function->revoked = true;
    return take_paths(o);
}

static fnvm_error *install(Order *o)
{
    char version[VERSION_BYTES];
    bool installed = false;
    DepotRevoked revoked = {.is = false};
    make_manifest(o);
    fnvm_error *error = read_policy(o);
    if (!error) error = check_given(o);
    if (!error) error = settle_version(o, version);
    if (!error) error = is_installed(o->depot, o->function->name, &installed);
    if (!error) error = depot_revoked(o->depot, &o->measurement, true, &revoked);
    if (error) return error;
    if (revoked.is) return keep_revoked(o, version);
    const InstallRequest request = {.approval = {.name = o->function->name,
                                                 .version = version,
                                                 .yaml = o->yaml,
                                                 .yaml_len = o->yaml_len},
                                    .module = o->manifest.module,
                                    .manifest = o->text,
                                    .manifest_len = o->text_len,
                                    .update = installed,
                                    .prepare = prepare,
                                    .env = o};
    error = depot_install(o->depot, &request);
    return error ? error : take_paths(o);
}

static fnvm_error *install_one(ServeGateway *g, Depot *depot, ServeFunction *f)
{
    fnvm_error *error = make_all_absolute(g, f);
    if (!error && f->image && !f->module) { /* it was made elsewhere */
        static char unknown[] = "image";
        if (!f->version) f->version = unknown;
        return NULL;
    }
    if (error) return error;
    settle_environment(f);
    Order o = {.gateway = g, .function = f, .depot = depot};
    error = install(&o);
    fnvm_policy_release(o.policy);
    free(o.yaml);
    free(o.text);
    return error ? fnvm_error_wrap(error, "cannot install the function `%s`", f->name) : NULL;
}

fnvm_error *install_functions(ServeGateway *g)
{
    fnvm_depot *depot;
    fnvm_error *error = fnvm_depot_open(g->depot, true, &depot);
    for (size_t i = 0; i < g->nfunctions && !error; i++)
        error = install_one(g, depot, &g->functions[i]);
    if (!error) {
        g->depot = serve_text(g, depot->dir);
        if (!g->depot) error = no_memory();
    }
    fnvm_depot_close(depot);
    return error;
}
