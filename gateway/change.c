/* A function's version in the depot is its own and a hash of all that its image is made of: the
 * module, the manifest and what the gateway adds to it.  So a function that did not change is
 * found installed, and one that did is installed anew, whether or not somebody remembered to
 * count its version up. */
#include "gateway/change.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/install.h"
#include "gateway/install.h"
#include "verifier/policy/manifest.h"
#include "verifier/policy/shape.h"

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

/* ---- Sources ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), n = strlen(end);
    return len > n && strcmp(text + len - n, end) == 0;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* function.yaml has a name and a module, where a gateway's YAML has neither. */
static fnvm_error *is_manifest(const char *path, bool *is)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_load(path, &doc);
    if (error) return error;
    *is = shape_find(yamldoc_root(doc), "module") != NULL;
    yamldoc_free(doc);
    return NULL;
}

/* What is served alone is asked for everything, unless it says what for. */
static fnvm_error *serve_alone(ServeGateway *g)
{
    ServeSettings *s = &g->functions[0].settings;
    if (!s->default_routes) return NULL;
    ServeRoute *all = arena_alloc(&g->arena, sizeof *all);
    if (!all || !(all->path = serve_text(g, "/*"))) return no_memory();
    s->routes = all;
    s->nroutes = 1;
    s->default_routes = false;
    return NULL;
}

static fnvm_error *read_directory(const char *path, ServeGateway *g)
{
    char manifest[PATH_MAX];
    const int n = snprintf(manifest, sizeof manifest, "%s/function.yaml", path);
    if (n < 0 || (size_t)n >= sizeof manifest)
        return fnvm_error_new(FNVM_E_USAGE, "`%s` is too long", path);
    if (access(manifest, F_OK) != 0) {
        fnvm_error *error = serve_add_folder(g, path);
        if (error || g->nfunctions) return error;
        return fnvm_error_new(FNVM_E_NOT_FOUND,
                              "neither `%s` nor a folder in it has a function.yaml", path);
    }
    fnvm_error *error = serve_add_manifest(g, manifest);
    return error ? error : serve_alone(g);
}

static fnvm_error *read_file(const char *path, ServeGateway **g)
{
    bool manifest = false;
    fnvm_error *error = NULL;
    if (ends_with(path, ".yaml") || ends_with(path, ".yml")) {
        error = is_manifest(path, &manifest);
        if (error) return error;
        if (!manifest) return serve_load(path, g);
    }
    if (access(path, F_OK) != 0)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "there is no file or directory `%s`", path);
    error = serve_new(g);
    if (error) return error;
    if (is_directory(path)) return read_directory(path, *g);
    error = manifest ? serve_add_manifest(*g, path) : serve_add_module(*g, path, NULL);
    return error ? error : serve_alone(*g);
}

static bool override(ServeGateway *g, char **field, const char *text)
{
    if (text) *field = serve_text(g, text);
    return !text || *field;
}

static fnvm_error *read_source(const Source *source, ServeGateway **out)
{
    static const uint32_t modes[] = {[NARROW_NO] = SERVE_NARROW_NO,
                                     [NARROW_AUTO] = SERVE_NARROW_AUTO,
                                     [NARROW_REQUIRE] = SERVE_NARROW_REQUIRE};
    ServeGateway *g = NULL;
    fnvm_error *error = source->file ? read_file(source->file, &g) : serve_new(&g);
    if (source->workers && g) g->workers = source->workers;
    if (source->narrow_given && g) g->narrow = modes[source->narrow];
    if (!error &&
        !(override(g, &g->listen, source->listen) && override(g, &g->status, source->status) &&
          override(g, &g->admin, source->admin) && override(g, &g->state, source->state) &&
          override(g, &g->depot, source->depot)))
        error = no_memory();
    if (error) serve_free(g);
    else *out = g;
    return error;
}

fnvm_error *source_read(const Source *source, Config **out)
{
    ServeGateway *g;
    fnvm_error *error = read_source(source, &g);
    return error ? error : config_make(g, out);
}

/* ---- What was deployed ---- */

static void drop(ServeGateway *g, const char *name)
{
    for (size_t i = 0; i < g->nfunctions; i++) {
        if (strcmp(g->functions[i].name, name) != 0) continue;
        manifest_free(g->functions[i].manifest);
        memmove(&g->functions[i], &g->functions[i + 1],
                (g->nfunctions - i - 1) * sizeof *g->functions);
        g->nfunctions--;
        i--;
    }
}

/* In place of one of the same name that the file has. */
static fnvm_error *add_deployed(ServeGateway *g, const State *state, const StateRecord *r)
{
    if (!*r->now) return NULL;
    char *manifest = state_manifest(state, r->name, r->now);
    if (!manifest) return no_memory();
    drop(g, r->name);
    fnvm_error *error = serve_add_manifest(g, manifest);
    free(manifest);
    return error ? fnvm_error_wrap(error, "the function `%s`, which was deployed", r->name) : NULL;
}

/* The records as they will be. */
static fnvm_error *add_all_deployed(ServeGateway *g, const State *state, const Kept *kept)
{
    StateRecord *all;
    size_t n;
    bool found = !kept->records;
    fnvm_error *error = state_list(state, &all, &n);
    for (size_t i = 0; i < n && !error; i++) {
        const bool changed = kept->records && strcmp(all[i].name, kept->record.name) == 0;
        found = found || changed;
        error = add_deployed(g, state, changed ? &kept->record : &all[i]);
    }
    if (!error && !found) error = add_deployed(g, state, &kept->record);
    free(all);
    return error;
}

/* ---- Changes ---- */

static void undrain(Drained *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->names[i], name) == 0) memmove(d->names[i--], d->names[--d->n], STATE_NAME);
}

static fnvm_error *deploy(State *state, const Change *change, Kept *kept)
{
    char name[STATE_NAME], id[STATE_ID];
    StateRecord *r = &kept->record;
    fnvm_error *error = state_take(state, change->path, name, id);
    if (error) return error;
    error = state_find(state, name, r);
    if (error && fnvm_error_code(error) != FNVM_E_NOT_FOUND) return error;
    fnvm_error_free(error);
    if (strcmp(r->now, id) != 0) memcpy(r->before, r->now, sizeof r->before);
    memcpy(r->now, id, sizeof r->now);
    kept->records = true;
    undrain(&kept->drained, name);
    return NULL;
}

static fnvm_error *roll_back(State *state, const Change *change, Kept *kept)
{
    StateRecord *r = &kept->record;
    fnvm_error *error = state_find(state, change->name, r);
    if (error) return error;
    if (!*r->before)
        return fnvm_error_new(FNVM_E_NOT_FOUND,
                              "there is no version of `%s` before this one: `fnvm gateway remove` "
                              "brings back what the configuration has under this name, if it does",
                              r->name);
    char now[STATE_ID];
    memcpy(now, r->now, sizeof now);
    memcpy(r->now, r->before, sizeof r->now);
    memcpy(r->before, now, sizeof r->before);
    kept->records = true;
    undrain(&kept->drained, r->name);
    return NULL;
}

static fnvm_error *remove_one(State *state, const Change *change, Kept *kept)
{
    fnvm_error *error = state_find(state, change->name, &kept->record);
    if (error) return error;
    memset(kept->record.now, 0, sizeof kept->record.now);
    kept->records = true;
    undrain(&kept->drained, change->name);
    return NULL;
}

static fnvm_error *drain(const Change *change, Kept *kept)
{
    Drained *d = &kept->drained;
    undrain(d, change->name);
    if (d->n == DRAINED_MAX)
        return fnvm_error_new(FNVM_E_LIMIT, "%d functions are drained already", DRAINED_MAX);
    memcpy(d->names[d->n++], change->name, STATE_NAME);
    return NULL;
}

static fnvm_error *apply(State *state, const Change *change, Kept *kept)
{
    switch (change->kind) {
    case CHANGE_RELOAD: kept->drained.n = 0; return NULL;
    case CHANGE_DEPLOY: return deploy(state, change, kept);
    case CHANGE_ROLLBACK: return roll_back(state, change, kept);
    case CHANGE_REMOVE: return remove_one(state, change, kept);
    case CHANGE_DRAIN: return drain(change, kept);
    }
    return NULL;
}

static const ServeFunction *find(const ServeGateway *g, const char *name)
{
    for (size_t i = 0; i < g->nfunctions; i++)
        if (strcmp(g->functions[i].name, name) == 0) return &g->functions[i];
    return NULL;
}

static fnvm_error *drop_drained(ServeGateway *g, const Change *change, const Drained *d)
{
    if (change->kind == CHANGE_DRAIN && !find(g, change->name))
        return fnvm_error_new(FNVM_E_NOT_FOUND, "no function `%s` is served", change->name);
    for (size_t i = 0; i < d->n; i++) drop(g, d->names[i]);
    return NULL;
}

/* ---- The table ---- */

static void say(const ServeGateway *g, const Change *change, Kept *kept)
{
    const char *name = kept->records ? kept->record.name : change->name;
    const ServeFunction *f = find(g, name);
    const char *version = f && f->version ? f->version : "";
    char *said = kept->said;
    const size_t size = sizeof kept->said;
    switch (change->kind) {
    case CHANGE_RELOAD:
        snprintf(said, size, "%zu function%s served", g->nfunctions,
                 g->nfunctions == 1 ? " is" : "s are");
        return;
    case CHANGE_DEPLOY: snprintf(said, size, "%s %s is deployed", name, version); return;
    case CHANGE_ROLLBACK: snprintf(said, size, "%s is back at %s", name, version); return;
    case CHANGE_REMOVE:
        snprintf(said, size,
                 f ? "%s is removed; the one of the configuration, %s, is served" : "%s is removed",
                 name, version);
        return;
    case CHANGE_DRAIN:
        snprintf(said, size, "%s gets no more requests, until the next reload", name);
        return;
    }
}

static fnvm_error *settle_places(ServeGateway *g, const State *state)
{
    if (!g->depot) {
        char *depot = state_path(state, "depot");
        g->depot = depot ? serve_text(g, depot) : NULL;
        free(depot);
    }
    g->state = serve_text(g, state_dir(state));
    return g->depot && g->state ? NULL : no_memory();
}

/* Who wants it served is told; whoever changes something else is not kept from it. */
static fnvm_error *check_revoked(const ServeGateway *g, const Change *change, const Kept *kept)
{
    const bool asked = change->kind == CHANGE_DEPLOY || change->kind == CHANGE_ROLLBACK;
    const ServeFunction *f = asked ? find(g, kept->record.name) : NULL;
    if (!f || !f->revoked) return NULL;
    return fnvm_error_new(
        FNVM_E_POLICY,
        "`%s` %s is revoked in the depot `%s`: `fnvm approve --reinstate` lifts that", f->name,
        f->version, g->depot);
}

static fnvm_error *build(const Source *source, State *state, const Change *change, Kept *kept,
                         ServeGateway **out)
{
    fnvm_error *error = apply(state, change, kept);
    if (!error) error = read_source(source, out);
    if (error) return error;
    ServeGateway *g = *out;
    error = settle_places(g, state);
    if (!error) error = add_all_deployed(g, state, kept);
    if (!error) error = drop_drained(g, change, &kept->drained);
    if (!error) error = install_functions(g);
    return error ? error : check_revoked(g, change, kept);
}

fnvm_error *change_make(const Source *source, State *state, const Change *change,
                        const Drained *drained, Config **out, Kept *kept)
{
    ServeGateway *g = NULL;
    *kept = (Kept){.drained = *drained};
    fnvm_error *error = build(source, state, change, kept, &g);
    if (error) {
        serve_free(g);
        return error;
    }
    say(g, change, kept);
    return config_make(g, out);
}
