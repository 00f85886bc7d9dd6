/* The gateway's YAML.  A function's entry is read onto what its manifest says, which is read for
 * it first; manifests are kept, since what is not said otherwise points into them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "verifier/policy/keys.h"
#include "verifier/policy/manifest.h"
#include "verifier/policy/serve.h"
#include "vm/error.h"

#define AT(member) FIELD(ServeGateway, member)
#define SECOND UINT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)

enum { FUNCTIONS_MAX = 500 };

/* ---- Functions ---- */

static ServeFunction *add_function(ServeGateway *g)
{
    if (g->nfunctions == g->cap) {
        const size_t cap = g->cap ? 2 * g->cap : 8;
        ServeFunction *all = realloc(g->functions, cap * sizeof *all);
        if (!all) return NULL;
        g->functions = all;
        g->cap = cap;
    }
    ServeFunction *f = &g->functions[g->nfunctions++];
    *f = (ServeFunction){.any_args = true, .any_mounts = true, .any_native = true};
    serve_settings_init(&f->settings);
    return f;
}

/* What the manifest says, under what the gateway will. */
static fnvm_error *take_manifest(ServeFunction *f, const char *path)
{
    fnvm_error *error = manifest_load(path, &f->manifest);
    if (error) return error;
    const Manifest *m = f->manifest;
    f->settings = m->serve;
    f->name = m->name;
    f->version = m->version;
    f->module = m->module;
    return NULL;
}

/* The gateway's variables come after the manifest's, and in place of those of the same name. */
static fnvm_error *settle_given(Arena *arena, ServeFunction *f)
{
    const Manifest *m = f->manifest;
    if (!m) return NULL;
    if (f->any_args) f->args = m->args, f->nargs = m->nargs;
    if (f->any_mounts) f->mounts = m->mounts, f->nmounts = m->nmounts;
    if (f->any_native) f->native = m->native, f->nnative = m->nnative;
    ManifestVariable *all = arena_alloc(arena, (m->nenv + f->nenv + 1) * sizeof *all);
    size_t n = 0;
    if (!all) return error_no_memory();
    for (size_t i = 0; i < m->nenv; i++) {
        bool replaced = false;
        for (size_t k = 0; k < f->nenv; k++)
            replaced = replaced || strcmp(m->env[i].name, f->env[k].name) == 0;
        if (!replaced) all[n++] = m->env[i];
    }
    for (size_t k = 0; k < f->nenv; k++) all[n++] = f->env[k];
    f->env = all;
    f->nenv = n;
    return NULL;
}


/* A name of a file: "app" of "bin/app.wasm". */
static char *name_of(Reading *r, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    return shape_copy(r, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

/* Exactly one thing to serve, and paths joined. */
static fnvm_error *join_sources(Reading *r, const YamlNode *node, ServeFunction *f)
{
    char **const paths[] = {&f->folder, &f->manifest_file, &f->module, &f->image, &f->policy};
    const int sources = !!f->folder + !!f->manifest_file + !!f->module + (f->image && !f->module);
    if (sources != 1)
        return shape_error(r, node, "one of folder, manifest, module and image, and not several");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (*paths[i] && !(*paths[i] = shape_join(r, r->folder, *paths[i])))
            return error_no_memory();
    if (f->folder) f->manifest_file = shape_join(r, f->folder, "function.yaml");
    return f->folder && !f->manifest_file ? error_no_memory() : NULL;
}

/* The entry is read twice: for what it names, and again onto what that says. */
static fnvm_error *read_function(Reading *r, const YamlNode *node, ServeGateway *g)
{
    ServeFunction named = {.any_args = true};
    serve_settings_init(&named.settings);
    if (node->kind != YAML_MAP) return shape_error(r, node, serve_function_shape.expected);
    fnvm_error *error = shape_read_map(r, node, &serve_function_shape, &named);
    if (!error) error = join_sources(r, node, &named);
    if (error) return error;
    ServeFunction *f = add_function(g);
    if (!f) return error_no_memory();
    f->file = g->path;
    f->line = node->line;
    error = named.manifest_file ? take_manifest(f, named.manifest_file) : NULL;
    if (error)
        return fnvm_error_wrap(error, "%s:%u:%u: functions", yamldoc_name(r->yaml), node->line,
                               node->column);
    if (named.manifest_file && (named.policy || shape_find(node, "module")))
        return shape_error(r, node, "`policy` and `module` in the manifest, where there is one");
    char *const given = f->module;
    error = shape_read_map(r, node, &serve_function_shape, f);
    if (error) return error;
    f->folder = named.folder;
    f->manifest_file = named.manifest_file;
    f->module = f->manifest ? given : named.module;
    f->image = named.image;
    f->policy = named.policy;
    if (!f->name && !(f->name = name_of(r, f->module ? f->module : f->image)))
        return error_no_memory();
    if (!manifest_name_ok(f->name))
        return shape_error(r, node, "`name`, since the file's own is none for a function");
    return settle_given(r->arena, f);
}

fnvm_error *serve_add_manifest(ServeGateway *g, const char *manifest)
{
    Reading r = {.arena = &g->arena};
    ServeFunction *f = add_function(g);
    if (!f) return error_no_memory();
    f->manifest_file = shape_copy(&r, manifest, strlen(manifest));
    f->file = f->manifest_file;
    f->line = 1;
    fnvm_error *error = f->file ? take_manifest(f, manifest) : error_no_memory();
    return error ? error : settle_given(&g->arena, f);
}

fnvm_error *serve_add_module(ServeGateway *g, const char *module, const char *name)
{
    Reading r = {.arena = &g->arena};
    ServeFunction *f = add_function(g);
    if (!f) return error_no_memory();
    f->module = shape_copy(&r, module, strlen(module));
    f->name = name ? shape_copy(&r, name, strlen(name)) : name_of(&r, module);
    f->file = f->module;
    f->line = 1;
    if (g->arena.failed) return error_no_memory();
    if (manifest_name_ok(f->name)) return NULL;
    return fnvm_error_new(FNVM_E_USAGE,
                          "`%s` is no name for a function: letters and digits, and after the "
                          "first of them `.`, `_` and `-`, 64 at most",
                          f->name);
}

/* ---- A folder of functions ---- */

static int has_manifest(const char *folder, const char *name)
{
    char path[4096];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/%s/function.yaml", folder, name);
    return name[0] != '.' && n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0;
}

fnvm_error *serve_add_folder(ServeGateway *g, const char *folder)
{
    struct dirent **names = NULL;
    const int n = scandir(folder, &names, NULL, alphasort);
    fnvm_error *error = NULL;
    if (n < 0) return fnvm_error_new(FNVM_E_IO, "cannot list the functions in `%s`", folder);
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (!error && has_manifest(folder, names[i]->d_name)) {
            if (g->nfunctions >= FUNCTIONS_MAX)
                error = fnvm_error_new(FNVM_E_LIMIT, "more than %d functions in `%s`",
                                       FUNCTIONS_MAX, folder);
            else if (asprintf(&path, "%s/%s/function.yaml", folder, names[i]->d_name) < 0)
                error = error_no_memory();
            else
                error = serve_add_manifest(g, path);
            free(path);
        }
        free(names[i]);
    }
    free(names);
    return error;
}

static fnvm_error *read_functions(Reading *r, const YamlNode *node, void *object)
{
    ServeGateway *g = object;
    if (node->kind == YAML_SCALAR && node->len > 0) {
        char *folder = shape_join(r, r->folder, node->text);
        fnvm_error *error = folder ? serve_add_folder(g, folder) : error_no_memory();
        return error ? fnvm_error_wrap(error, "%s:%u:%u: functions", yamldoc_name(r->yaml),
                                       node->line, node->column)
                     : NULL;
    }
    if (node->kind != YAML_LIST)
        return shape_error(r, node, "a list of functions, or a directory of them");
    fnvm_error *error = NULL;
    for (size_t i = 0; i < node->n && !error; i++) {
        if (g->nfunctions >= FUNCTIONS_MAX)
            return shape_error(r, node->items[i], "500 functions at most");
        error = read_function(r, node->items[i], g);
    }
    return error;
}

/* ---- The keys ---- */

static const Shape folder_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                   .expected = "a directory"};
static const Shape text_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                 .expected = "a text"};
static const Shape number_shape = {.kind = SHAPE_COUNT};
static const Shape workers_shape = {
    .kind = SHAPE_COUNT, .most = 64, .expected = "a number up to 64"};
static const Shape time_shape = {.kind = SHAPE_TIME, .least = 1000000, .most = 86400 * SECOND,
                                 .expected = "a time from 1ms to 24h"};
static const Shape size_shape = {.kind = SHAPE_BYTES};
static const Shape head_shape = {.kind = SHAPE_BYTES, .least = 512, .most = MIB,
                                 .expected = "bytes from 512 to 1MiB"};
static const Shape buffer_shape = {.kind = SHAPE_BYTES, .least = 1024, .most = 64 * MIB,
                                   .expected = "bytes from 1KiB to 64MiB"};
static const Shape instances_shape = {.kind = SHAPE_COUNT, .least = 1, .most = 1000000,
                                      .expected = "a number from 1 to 1000000"};
static const Shape connections_shape = {.kind = SHAPE_COUNT, .most = 1000000,
                                        .expected = "a number up to 1000000"};

bool serve_address_ok(const char *text)
{
    if (strncmp(text, "unix:", 5) == 0) return text[5] != '\0';
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1] || strlen(colon + 1) > 5) return false;
    return strspn(colon + 1, "0123456789") == strlen(colon + 1) && atoi(colon + 1) < 65536;
}
static const Shape address_shape = {.kind = SHAPE_TEXT,
                                    .ok = serve_address_ok,
                                    .pattern = "^(unix:.|.+:[0-9]{1,5}$)",
                                    .expected =
                                        "an address: 127.0.0.1:8080, \"[::1]:8080\" or unix:PATH"};

static bool is_store(const char *text)
{
    return strcmp(text, "file") == 0 || strncmp(text, "redis://", 8) == 0 ||
           strncmp(text, "rediss://", 9) == 0 || (strncmp(text, "redis+unix:", 11) == 0 && text[11]);
}
static const Shape store_shape = {.kind = SHAPE_TEXT,
                                  .ok = is_store,
                                  .pattern = "^(file$|rediss?://|redis\\+unix:.)",
                                  .expected =
                                      "file, redis://HOST:PORT/NUMBER, rediss:// or "
                                      "redis+unix:PATH"};

static const Key file_keys[] = {
    {"file", &manifest_file_shape, "the file that has it", .field = FIELD(ServeFile, file),
     .needed = true},
    {.name = NULL}};
static const Shape file_shape = {
    .kind = SHAPE_MAP, .keys = file_keys, .expected = "a map: {file: FILE}"};
static const Key redis_keys[] = {
    {"user", &text_shape, "who logs in", .field = FIELD(ServeRedis, user), .fallback = "default"},
    {"password", &file_shape, "the file with the password", .field = FIELD(ServeRedis, password),
     .fallback = "none"},
    {"ca", &manifest_file_shape, "certificates that the server's has to come from",
     .field = FIELD(ServeRedis, ca), .fallback = "the system's"},
    {"certificate", &manifest_file_shape, "the gateway's own",
     .field = FIELD(ServeRedis, certificate), .fallback = "none"},
    {"key", &manifest_file_shape, "of that certificate", .field = FIELD(ServeRedis, key),
     .fallback = "none"},
    {.name = NULL}};
static const Shape redis_shape = {.kind = SHAPE_MAP, .keys = redis_keys,
                                  .expected = "a map of user, password, ca, certificate and key"};

static const Word narrow_words[] = {{"auto", SERVE_NARROW_AUTO},
                                    {"require", SERVE_NARROW_REQUIRE},
                                    {"no", SERVE_NARROW_NO},
                                    {.text = NULL}};
static const Shape narrow_shape = {.kind = SHAPE_WORD, .words = narrow_words,
                                   .size = sizeof(uint32_t), .expected = "auto, require or no"};

#define LIMIT(member) FIELD(ServeLimits, member)
static const Key limits_keys[] = {
    {"connections", &connections_shape,
     "open at once, in each worker; 0: 4096, or as many as the limit of files allows",
     .field = LIMIT(connections)},
    {"connections_per_address", &connections_shape, "of them from one address; 0: any number",
     .field = LIMIT(connections_per_address)},
    {"head", &head_shape, "a request's line and header", .field = LIMIT(head)},
    {"body", &size_shape, "a request's body, whatever functions say", .field = LIMIT(body)},
    {"buffer", &buffer_shape, "of a body that waits to be read or sent", .field = LIMIT(buffer)},
    {"head_time", &time_shape, "for a head to be complete", .field = LIMIT(head_time)},
    {"body_time", &time_shape, "between two pieces of a body or an answer",
     .field = LIMIT(body_time)},
    {"idle_time", &time_shape, "between two requests of a connection", .field = LIMIT(idle_time)},
    {.name = NULL}};
static const Shape limits_shape = {
    .kind = SHAPE_MAP, .keys = limits_keys, .expected = "a map of limits"};

static const Key tenant_keys[] = {
    {"concurrency", &instances_shape, "instances at work, of all its functions",
     .field = FIELD(ServeTenant, concurrency), .fallback = "no limit"},
    {"memory", &size_shape, "the sum of `memory` of those at work",
     .field = FIELD(ServeTenant, memory), .fallback = "no limit"},
    {.name = NULL}};
static const Shape tenant_shape = {.kind = SHAPE_MAP, .keys = tenant_keys,
                                   .expected = "a map of concurrency and memory"};
static const Shape tenants_shape = {.kind = SHAPE_TABLE,
                                    .ok = manifest_name_ok,
                                    .item = &tenant_shape,
                                    .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                                    .size = sizeof(ServeTenant),
                                    .line = FIELD(ServeTenant, line),
                                    .expected = "a map of tenants' names to limits"};
_Static_assert(offsetof(ServeTenant, name) == 0, "as SHAPE_TABLE has them");

static const Shape functions_shape = {.kind = SHAPE_LIST, .read = read_functions, .brief_shape = &folder_shape,
                                      .item = &serve_function_shape,
                                      .expected = "a list of functions, or a directory of them"};

static const Key gateway_keys[] = {
    {"listen", &address_shape, "where requests come in", .field = AT(listen),
     .fallback = "127.0.0.1:8080"},
    {"status", &address_shape, "where the status page and the metrics are", .field = AT(status),
     .fallback = "none"},
    {"admin", &manifest_file_shape, "the socket of `fnvm deploy` and `fnvm gateway`",
     .field = AT(admin), .fallback = "STATE/admin"},
    {"state", &folder_shape, "what it keeps: its depot, what was deployed, keys and values",
     .field = AT(state), .fallback = "a temporary directory"},
    {"depot", &folder_shape, "where functions are approved and installed", .field = AT(depot),
     .fallback = "STATE/depot"},
    {"access_log", &text_shape, "a file to which each request adds a line; - for standard output",
     .field = AT(access_log), .fallback = "none"},
    {"kv", &store_shape, "where keys and values are kept", .field = AT(kv), .fallback = "file"},
    {"redis", &redis_shape, "how to get into a Redis server", .field = AT(redis), .fallback = "{}"},
    {"workers", &workers_shape, "processes that serve; 0: one per processor", .field = AT(workers)},
    {"grace", &time_shape, "how long requests may take that are at work when it ends",
     .field = AT(grace)},
    {"narrow", &narrow_shape, "whether its processes give up files and system calls",
     .field = AT(narrow), .fallback = "auto"},
    {"limits", &limits_shape, "of the HTTP server", .field = AT(limits)},
    {"tenants", &tenants_shape, "limits over all functions of one owner", .field = AT(tenants),
     .count = AT(ntenants), .fallback = "{}"},
    {"functions", &functions_shape, "what is served: a list, or a directory with a folder for each",
     .fallback = "[]"},
    {"generation", &number_shape, "counts tables; workers are told, nobody else needs it",
     .field = AT(generation), .internal = true},
    {.name = NULL}};
const Shape serve_gateway_shape = {.kind = SHAPE_MAP, .keys = gateway_keys,
                                   .expected = "a gateway: a map of listen, functions and more"};

/* ---- Reading ---- */

void serve_gateway_init(ServeGateway *g)
{
    static char listen[] = "127.0.0.1:8080";
    *g = (ServeGateway){
        .listen = listen, .grace = 30 * SECOND, .narrow = SERVE_NARROW_AUTO,
        .limits = {.head = 16384, .body = 1024 * MIB, .buffer = 256 * 1024,
                   .head_time = 10 * SECOND, .body_time = 30 * SECOND, .idle_time = 60 * SECOND}};
}

fnvm_error *serve_new(ServeGateway **out)
{
    ServeGateway *g = calloc(1, sizeof *g);
    if (!g) return error_no_memory();
    serve_gateway_init(g);
    *out = g;
    return NULL;
}

void serve_free(ServeGateway *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->nfunctions; i++) manifest_free(g->functions[i].manifest);
    free(g->functions);
    arena_free(&g->arena);
    free(g);
}

char *serve_text(ServeGateway *g, const char *text)
{
    Reading r = {.arena = &g->arena};
    return shape_copy(&r, text, strlen(text));
}

static bool join_path(Reading *r, char **path)
{
    if (*path) *path = shape_join(r, r->folder, *path);
    return !r->arena->failed;
}

/* "unix:PATH" is relative to the file, too. */
static bool join_address(Reading *r, char **address)
{
    if (!*address || strncmp(*address, "unix:", 5) != 0 || (*address)[5] == '/' || !*r->folder)
        return true;
    char *folder = shape_join(r, r->folder, *address + 5), *joined;
    if (!folder || !(joined = arena_alloc(r->arena, strlen(folder) + 6))) return false;
    memcpy(joined, "unix:", 5);
    memcpy(joined + 5, folder, strlen(folder) + 1);
    *address = joined;
    return true;
}

static fnvm_error *read_gateway(const YamlDocument *doc, const char *folder, ServeGateway *g)
{
    Reading r = {.yaml = doc, .arena = &g->arena, .folder = folder};
    g->path = shape_copy(&r, yamldoc_name(doc), strlen(yamldoc_name(doc)));
    if (!g->path) return error_no_memory();
    fnvm_error *error = shape_read_map(&r, yamldoc_root(doc), &serve_gateway_shape, g);
    if (error) return error;
    const bool log_is_file = g->access_log && strcmp(g->access_log, "-") != 0;
    for (size_t i = 0; i < g->ntenants; i++) {
        if (!g->tenants[i].concurrency) g->tenants[i].concurrency = UINT32_MAX;
        if (!g->tenants[i].memory) g->tenants[i].memory = UINT64_MAX;
    }
    const bool joined = join_address(&r, &g->listen) && join_address(&r, &g->status) &&
                        join_path(&r, &g->admin) && join_path(&r, &g->state) &&
                        join_path(&r, &g->depot) && (!log_is_file || join_path(&r, &g->access_log)) &&
                        join_path(&r, &g->redis.password.file) && join_path(&r, &g->redis.ca) &&
                        join_path(&r, &g->redis.certificate) && join_path(&r, &g->redis.key);
    return joined ? NULL : error_no_memory();
}

static fnvm_error *read_document(YamlDocument *doc, const char *name, ServeGateway **out)
{
    ServeGateway *g = NULL;
    char *folder = policy_folder(name);
    fnvm_error *error = folder ? serve_new(&g) : error_no_memory();
    if (!error) error = read_gateway(doc, folder, g);
    free(folder);
    yamldoc_free(doc);
    if (error) serve_free(g);
    else *out = g;
    return error;
}

fnvm_error *serve_parse(const char *name, const char *yaml, size_t len, ServeGateway **out)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_parse_printed(name, yaml, len, &doc);
    return error ? error : read_document(doc, name, out);
}

fnvm_error *serve_load(const char *path, ServeGateway **out)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_load(path, &doc);
    return error ? error : read_document(doc, path, out);
}
