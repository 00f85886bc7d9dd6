/* Definitions lie in a hash table keyed by both names; everything that provides whole modules (an
 * instance, a module, a file of the module path) is a Provider found by its one name.  A provider
 * is instantiated when something of it is needed, with the providers being linked kept as a chain
 * to find cycles.  Instances with unlinked imports hold a reference to the linker, so that it lives
 * until the store is freed. */
#include "loader/linker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/hash.h"
#include "vm/waiting.h"

enum {
    FIRST_CAPACITY = 64,   /* definitions */
    MAX_HOST_MODULES = 16,
    MAX_CHAIN = 64,        /* modules in the course of being linked */
    MAX_HOPS = 256,        /* modules that export a function one from the other: they recurse */
    MAX_LISTED = 200,      /* unknown imports in one message */
    MAX_FILE_NAME = 200,
    NAME_TEXT = 256, TYPE_TEXT = 512
};

typedef struct Definition {
    char *key; /* module name, then name; NULL: free */
    size_t module_len, name_len;
    uint64_t hash;
    fnvm_extern value;
    bool found; /* made by a module of host functions, which is asked again each time */
} Definition;

typedef enum ProviderState { PROVIDER_IDLE, PROVIDER_LINKING, PROVIDER_READY, PROVIDER_FAILED }
    ProviderState;

typedef struct Provider {
    char *name;
    size_t len;
    Instance *instance; /* defined by the embedder; asked first */
    char *path;         /* of the file that `module` is loaded from when needed, or NULL */
    Module *module;     /* retained, or NULL */
    ProviderState state;
    Instance *made;     /* of `module`, when ready */
} Provider;

typedef struct HostModule { const char *name; LinkerFind *find; void *env; } HostModule;

struct fnvm_linker {
    size_t refs; /* the embedder's and one per instance with unlinked imports */
    Store *store;
    Definition *defs;
    size_t ndefs, defs_cap; /* capacity: a power of two, or 0 */
    HostModule hosts[MAX_HOST_MODULES];
    size_t nhosts;
    Provider **providers;
    size_t nproviders, providers_cap;
    char **paths;
    size_t npaths;
    bool unknown_imports_trap;
    Provider *chain[MAX_CHAIN]; /* being linked, outermost first */
    size_t depth;
    size_t hops; /* functions being resolved, each an import of the module that exports the last */
};

typedef struct Text { const char *at; size_t len; } Text;

/* From the embedder, whose empty names may be NULL. */
static Text text_from(const char *at, size_t len) { return (Text){len ? at : "", len}; }

static Text module_text(const Module *m, Name n)
{
    return (Text){(const char *)m->bytes + n.start, n.len};
}

/* ---- Definitions ---- */

static uint64_t key_hash(Text module, Text name)
{
    static const uint64_t key[2] = {1, 2}; /* only the embedder adds names: no secret needed */
    return hash_bytes(key, module.at, module.len) * 31 + hash_bytes(key, name.at, name.len);
}

/* The entry of the key, or the free one where it belongs; the table is never full. */
static Definition *find_slot(Definition *defs, size_t cap, uint64_t hash, Text module, Text name)
{
    for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
        Definition *d = &defs[i];
        if (!d->key) return d;
        if (d->hash == hash && d->module_len == module.len && d->name_len == name.len &&
            memcmp(d->key, module.at, module.len) == 0 &&
            memcmp(d->key + module.len, name.at, name.len) == 0) {
            return d;
        }
    }
}

static fnvm_error *grow_definitions(fnvm_linker *l)
{
    size_t cap = l->defs_cap ? l->defs_cap * 2 : FIRST_CAPACITY;
    Definition *bigger = calloc(cap, sizeof *bigger);
    if (!bigger) return error_no_memory();
    for (size_t i = 0; i < l->defs_cap; i++) {
        const Definition *d = &l->defs[i];
        if (!d->key) continue;
        Text module = {d->key, d->module_len}, name = {d->key + d->module_len, d->name_len};
        *find_slot(bigger, cap, d->hash, module, name) = *d;
    }
    free(l->defs);
    l->defs = bigger;
    l->defs_cap = cap;
    return NULL;
}

static Definition *find_definition(const fnvm_linker *l, Text module, Text name)
{
    if (!l->defs_cap) return NULL;
    Definition *d = find_slot(l->defs, l->defs_cap, key_hash(module, name), module, name);
    return d->key ? d : NULL;
}

/* Defining a name again replaces what it stood for. */
fnvm_error *fnvm_linker_define(fnvm_linker *l, const char *module, size_t module_len,
                               const char *name, size_t name_len, fnvm_extern value)
{
    if (2 * (l->ndefs + 1) > l->defs_cap) {
        fnvm_error *error = grow_definitions(l);
        if (error) return error;
    }
    const Text m = text_from(module, module_len), n = text_from(name, name_len);
    uint64_t hash = key_hash(m, n);
    Definition *d = find_slot(l->defs, l->defs_cap, hash, m, n);
    if (!d->key) {
        char *key = malloc(module_len + name_len + 1);
        if (!key) return error_no_memory();
        memcpy(key, m.at, m.len);
        memcpy(key + m.len, n.at, n.len);
        *d = (Definition){key, module_len, name_len, hash, value, false};
        l->ndefs++;
    }
    d->value = value;
    d->found = false;
    return NULL;
}

static size_t put_text(char out[NAME_TEXT], size_t at, Text t)
{
    const size_t n = t.len < NAME_TEXT - 1 - at ? t.len : NAME_TEXT - 1 - at;
    memcpy(out + at, t.at, n);
    return at + n;
}

/* "module.name", cut to size.  Every store has that of all its host functions, so not by printf. */
static void join_names(char out[NAME_TEXT], Text module, Text name)
{
    size_t at = put_text(out, 0, module);
    at = put_text(out, at, (Text){".", 1});
    out[put_text(out, at, name)] = '\0';
}

static fnvm_error *define_func(fnvm_linker *l, Text module, Text name, const LinkerFunc *f)
{
    TypeId id;
    char full[NAME_TEXT];
    join_names(full, module, name);
    fnvm_error *error = types_parse_func(&l->store->engine->types, f->type, &id);
    if (error) return fnvm_error_wrap(error, "the type of host function %s", full);
    FuncRef ref;
    error = store_add_host_func(l->store, id, f->fn, f->env, full, &ref);
    types_release(&l->store->engine->types, id);
    if (error) return error;
    return fnvm_linker_define(l, module.at, module.len, name.at, name.len,
                              (fnvm_extern){FNVM_EXTERN_FUNC, {ref, 0}});
}

fnvm_error *fnvm_linker_define_func(fnvm_linker *l, const char *module, const char *name,
                                    const char *type, fnvm_host_fn fn, void *env)
{
    return define_func(l, (Text){module, strlen(module)}, (Text){name, strlen(name)},
                       &(LinkerFunc){type, fn, env});
}

fnvm_error *linker_define_funcs(fnvm_linker *l, const char *module, LinkerFind *find, void *env)
{
    if (l->nhosts == MAX_HOST_MODULES)
        return fnvm_error_new(FNVM_E_LIMIT, "a linker has at most %d modules of host functions",
                              MAX_HOST_MODULES);
    l->hosts[l->nhosts++] = (HostModule){module, find, env};
    return NULL;
}

/* What the modules of host functions say of a name. */
static LinkerAnswer ask_hosts(const fnvm_linker *l, Text module, Text name, LinkerFunc *out)
{
    LinkerAnswer answer = LINKER_UNKNOWN;
    for (size_t i = l->nhosts; i-- > 0 && answer == LINKER_UNKNOWN;) {
        const HostModule *h = &l->hosts[i];
        if (strlen(h->name) == module.len && memcmp(h->name, module.at, module.len) == 0)
            answer = h->find(h->env, name.at, name.len, out);
    }
    return answer;
}

/* The definition of a name, made now if a module of host functions has it; NULL if there is none,
 * or if it is refused. */
static fnvm_error *lookup(fnvm_linker *l, Text module, Text name, const Definition **out,
                          bool *refused)
{
    LinkerFunc f;
    Definition *d = find_definition(l, module, name);
    LinkerAnswer answer = d && !d->found ? LINKER_FOUND : ask_hosts(l, module, name, &f);
    *refused = answer == LINKER_REFUSED;
    *out = NULL;
    if (answer != LINKER_FOUND) return NULL;
    if (!d) {
        fnvm_error *error = define_func(l, module, name, &f);
        if (error) return error;
        d = find_definition(l, module, name);
        d->found = true;
    }
    *out = d;
    return NULL;
}

/* ---- Providers ---- */

static Provider *find_provider(const fnvm_linker *l, Text name)
{
    for (size_t i = 0; i < l->nproviders; i++) {
        Provider *p = l->providers[i];
        if (p->len == name.len && memcmp(p->name, name.at, name.len) == 0) return p;
    }
    return NULL;
}

static void provider_free(Provider *p)
{
    free(p->name);
    free(p->path);
    fnvm_module_release(p->module);
    free(p);
}

static fnvm_error *get_provider(fnvm_linker *l, Text name, Provider **out)
{
    *out = find_provider(l, name);
    if (*out) return NULL;
    if (l->nproviders == l->providers_cap) {
        size_t cap = l->providers_cap ? l->providers_cap * 2 : 8;
        Provider **more = realloc(l->providers, cap * sizeof *more);
        if (!more) return error_no_memory();
        l->providers = more;
        l->providers_cap = cap;
    }
    Provider *p = calloc(1, sizeof *p);
    char *copy = malloc(name.len + 1);
    if (!p || !copy) {
        free(p);
        free(copy);
        return error_no_memory();
    }
    memcpy(copy, name.at, name.len);
    copy[name.len] = '\0';
    *p = (Provider){.name = copy, .len = name.len};
    l->providers[l->nproviders++] = *out = p;
    return NULL;
}

fnvm_error *fnvm_linker_define_instance(fnvm_linker *l, const char *name, size_t name_len,
                                        fnvm_instance *inst)
{
    if (inst->store != l->store) {
        return fnvm_error_new(FNVM_E_USAGE, "the instance is of another store");
    }
    Provider *p;
    fnvm_error *error = get_provider(l, text_from(name, name_len), &p);
    if (!error) p->instance = inst;
    return error;
}

fnvm_error *fnvm_linker_define_module(fnvm_linker *l, const char *name, fnvm_module *m)
{
    if (m->engine != l->store->engine) {
        return fnvm_error_new(FNVM_E_USAGE, "module %s is of another engine", name);
    }
    Provider *p;
    fnvm_error *error = get_provider(l, (Text){name, strlen(name)}, &p);
    if (error) return error;
    if (p->state == PROVIDER_LINKING) {
        return fnvm_error_new(FNVM_E_USAGE, "module %s is being linked right now", name);
    }
    Module *before = p->module;
    p->module = fnvm_module_retain(m);
    fnvm_module_release(before);
    p->state = PROVIDER_IDLE;
    p->made = NULL;
    return NULL;
}

fnvm_error *fnvm_linker_add_path(fnvm_linker *l, const char *dir)
{
    char **more = realloc(l->paths, (l->npaths + 1) * sizeof *more);
    if (!more) return error_no_memory();
    l->paths = more;
    l->paths[l->npaths] = strdup(dir);
    if (!l->paths[l->npaths]) return error_no_memory();
    l->npaths++;
    return NULL;
}

/* ---- The module path ---- */

/* Import names come from the guest: only what cannot leave the directory is looked for. */
static bool is_plain_file_name(Text name)
{
    if (name.len == 0 || name.len > MAX_FILE_NAME || name.at[0] == '.') return false;
    return !memchr(name.at, '/', name.len) && !memchr(name.at, '\0', name.len);
}

/* The file that provides `name`, malloc'd; NULL in *path if there is none. */
static fnvm_error *find_file(const fnvm_linker *l, Text name, char **path)
{
    static const char *const endings[] = {"wasm", "wat"};
    *path = NULL;
    if (!is_plain_file_name(name)) return NULL;
    for (size_t i = 0; i < l->npaths; i++) {
        for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
            if (asprintf(path, "%s/%.*s.%s", l->paths[i], (int)name.len, name.at, endings[k]) < 0) {
                *path = NULL;
                return error_no_memory();
            }
            if (access(*path, F_OK) == 0) return NULL;
            free(*path);
            *path = NULL;
        }
    }
    return NULL;
}

/* The provider of a name that has a module or a file to load one from; NULL if nobody has. */
static fnvm_error *find_module_provider(fnvm_linker *l, Text name, Provider **out)
{
    Provider *p = find_provider(l, name);
    *out = p;
    if (p && (p->module || p->path)) return NULL;
    char *path;
    fnvm_error *error = find_file(l, name, &path);
    if (!error && path) error = get_provider(l, name, &p);
    if (error || !path) {
        free(path);
        *out = NULL;
        return error;
    }
    p->path = path;
    *out = p;
    return NULL;
}

static fnvm_error *provider_load(fnvm_linker *l, Provider *p)
{
    if (p->module) return NULL;
    fnvm_error *error = fnvm_module_load(l->store->engine, p->path, &p->module);
    if (!error) return NULL;
    p->module = NULL;
    return fnvm_error_wrap(error, "cannot load module %s for imports of \"%s\"", p->path, p->name);
}

/* ---- Instantiating providers ---- */

static fnvm_error *link_module(fnvm_linker *l, Module *m, Instance **out);

static fnvm_error *cycle_error(const fnvm_linker *l, const Provider *p)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f) return error_no_memory();
    size_t i = 0;
    while (i < l->depth && l->chain[i] != p) i++;
    for (; i < l->depth; i++) fprintf(f, "%s -> ", l->chain[i]->name);
    bool failed = ferror(f) != 0;
    failed |= fclose(f) != 0;
    fnvm_error *error =
        failed ? error_no_memory()
               : fnvm_error_new(FNVM_E_LINK, "modules import one another in a circle: %s%s", text,
                                p->name);
    free(text);
    return error;
}

static fnvm_error *provider_instantiate(fnvm_linker *l, Provider *p)
{
    switch (p->state) {
    case PROVIDER_READY: return NULL;
    case PROVIDER_LINKING: return cycle_error(l, p);
    case PROVIDER_FAILED:
        return fnvm_error_new(FNVM_E_LINK, "module \"%s\" failed to start before", p->name);
    case PROVIDER_IDLE: break;
    }
    if (l->depth == MAX_CHAIN) {
        return fnvm_error_new(FNVM_E_LIMIT, "imports lead through more than %d modules",
                              MAX_CHAIN);
    }
    fnvm_error *error = provider_load(l, p);
    if (error) return error;
    p->state = PROVIDER_LINKING;
    l->chain[l->depth++] = p;
    error = link_module(l, p->module, &p->made);
    l->depth--;
    p->state = error ? PROVIDER_FAILED : PROVIDER_READY;
    if (!error || fnvm_error_code(error) == FNVM_E_EXIT) return error;
    return fnvm_error_wrap(error, "cannot instantiate module \"%s\"", p->name);
}

/* ---- Resolution ---- */

typedef enum Found {
    FOUND_NOTHING,
    FOUND_EXTERN,
    FOUND_REFUSED,
    FOUND_LATER /* a function that is linked at its first call */
} Found;

/* `name` among the exports of an instance. */
static fnvm_error *find_in_instance(Instance *inst, Text name, fnvm_extern *out, Found *found)
{
    const Export *e = module_find_export(inst->module, name.at, name.len);
    if (!e) return NULL;
    *found = FOUND_EXTERN;
    if (e->kind != FNVM_EXTERN_FUNC) {
        *out = instance_extern(inst, (fnvm_externkind)e->kind, e->index);
        return NULL;
    }
    *out = (fnvm_extern){FNVM_EXTERN_FUNC, {0, 0}};
    return instance_link_func(inst, e->index, &out->of[0]);
}

static fnvm_error *find_in_provider(fnvm_linker *l, Provider *p, Text name, bool later,
                                    fnvm_extern *out, Found *found)
{
    if (later && p->state != PROVIDER_READY) {
        const Export *e = p->module ? module_find_export(p->module, name.at, name.len) : NULL;
        if (!p->module || (e && e->kind == FNVM_EXTERN_FUNC)) {
            *out = (fnvm_extern){FNVM_EXTERN_FUNC, {0, 0}};
            *found = FOUND_LATER;
            return NULL;
        }
    }
    fnvm_error *error = provider_load(l, p);
    if (error || !module_find_export(p->module, name.at, name.len)) return error;
    error = provider_instantiate(l, p);
    return error ? error : find_in_instance(p->made, name, out, found);
}

/* Definitions first, then defined instances, defined modules, files.  With `later`, a function of
 * a module that is not instantiated yet is left to its first call. */
static fnvm_error *resolve(fnvm_linker *l, const Module *m, const Import *import, bool later,
                           fnvm_extern *out, Found *found)
{
    const Text module = module_text(m, import->module), name = module_text(m, import->name);
    *found = FOUND_NOTHING;
    const Definition *d;
    bool refused;
    fnvm_error *error = lookup(l, module, name, &d, &refused);
    if (error) return error;
    if (refused) {
        *found = FOUND_REFUSED;
        return NULL;
    }
    if (d) {
        *out = d->value;
        *found = FOUND_EXTERN;
        return NULL;
    }
    Provider *p = find_provider(l, module);
    if (p && p->instance) error = find_in_instance(p->instance, name, out, found);
    if (error || *found) return error;
    error = find_module_provider(l, module, &p);
    if (error || !p) return error;
    return find_in_provider(l, p, name, later && import->kind == FNVM_EXTERN_FUNC, out, found);
}

/* ---- Imports that nobody provides ---- */

static fnvm_error *trap_unknown(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    (void)slots;
    return fnvm_error_trap_new(FNVM_TRAP_UNKNOWN_IMPORT, "%s: %s",
                               fnvm_trap_text(FNVM_TRAP_UNKNOWN_IMPORT), (const char *)env);
}

bool linker_host_traps(const HostFunc *h) { return h->fn == trap_unknown; }

static fnvm_error *add_trapping(Store *s, TypeId type, const char *name, FuncRef *out)
{
    fnvm_error *error = store_add_host_func(s, type, trap_unknown, NULL, name, out);
    if (error) return error;
    HostFunc *h = &s->host_funcs[funcref_func(*out)];
    h->env = h->name;
    return NULL;
}

static fnvm_error *make_trapping(fnvm_linker *l, const Module *m, const Import *import,
                                 fnvm_extern *out)
{
    char name[NAME_TEXT];
    import_print(m, import, name, sizeof name);
    *out = (fnvm_extern){FNVM_EXTERN_FUNC, {0, 0}};
    return add_trapping(l->store, m->funcs[import->index], name, &out->of[0]);
}

/* Imports of one module as the lines of a message. */
typedef struct ImportList {
    FILE *f; /* NULL while there are none */
    char *text;
    size_t len, count;
} ImportList;

/* The imports of one module that cannot be linked. */
typedef struct UnknownImports {
    ImportList unknown; /* nobody provides them */
    ImportList refused; /* they are not to be had */
    bool component, wasi;
} UnknownImports;

static bool text_starts(Text t, const char *with)
{
    return t.len >= strlen(with) && memcmp(t.at, with, strlen(with)) == 0;
}

static fnvm_error *list_import(ImportList *list, const Module *m, const Import *import)
{
    if (!list->f && !(list->f = open_memstream(&list->text, &list->len))) return error_no_memory();
    if (list->count++ >= MAX_LISTED) return NULL;
    char name[NAME_TEXT], type[TYPE_TEXT];
    import_print(m, import, name, sizeof name);
    module_print_type(m, import->kind, import->index, type, sizeof type);
    fprintf(list->f, "\n  %s: %s", name, type);
    return NULL;
}

/* Ends the list; false if there was no memory for it. */
static bool list_end(ImportList *list)
{
    if (!list->f) return true;
    if (list->count > MAX_LISTED) fprintf(list->f, "\n  and %zu more", list->count - MAX_LISTED);
    bool failed = ferror(list->f) != 0;
    failed |= fclose(list->f) != 0;
    list->f = NULL;
    return !failed;
}

static void list_free(ImportList *list)
{
    if (list->f) fclose(list->f);
    free(list->text);
}

static fnvm_error *add_unknown(UnknownImports *u, const Module *m, const Import *import)
{
    Text module = module_text(m, import->module);
    u->component |= text_starts(module, "wasi:");
    u->wasi |= text_starts(module, "wasi_");
    return list_import(&u->unknown, m, import);
}

/* NULL if there are none. */
static fnvm_error *unknown_imports_error(UnknownImports *u)
{
    static const char *const notes[] = {
        "\n(wasi: names belong to WASI 0.2 components, which are not supported yet)",
        "\n(WASI functions of this name are not defined here)"};
    if (!list_end(&u->unknown) || !list_end(&u->refused)) return error_no_memory();
    const char *unknown = u->unknown.count ? u->unknown.text : "";
    const char *component = u->component ? notes[0] : "", *wasi = u->wasi ? notes[1] : "";
    if (u->refused.count)
        return fnvm_error_new(FNVM_E_POLICY, "imports that are not in the call table "
                              "(fnvm_wasi_allow_calls, -S call=NAME):%s%s%s%s%s",
                              u->refused.text, u->unknown.count ? "\nand unknown imports:" : "",
                              unknown, component, wasi);
    return u->unknown.count ? fnvm_error_new(FNVM_E_LINK, "unknown imports:%s%s%s", unknown,
                                             component, wasi)
                            : NULL;
}

static void unknown_imports_free(UnknownImports *u)
{
    list_free(&u->unknown);
    list_free(&u->refused);
}

/* ---- Linking ---- */

static fnvm_error *resolve_all(fnvm_linker *l, const Module *m, fnvm_extern *externs,
                               bool *has_later)
{
    const bool later = l->store->engine->config.verify == FNVM_VERIFY_LAZY;
    UnknownImports unknown = {0};
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < m->nimports && !error; i++) {
        const Import *import = &m->imports[i];
        Found found;
        error = resolve(l, m, import, later, &externs[i], &found);
        if (error) break;
        if (found == FOUND_LATER) *has_later = true;
        if (found == FOUND_REFUSED) error = list_import(&unknown.refused, m, import);
        if (found != FOUND_NOTHING) continue;
        error = l->unknown_imports_trap && import->kind == FNVM_EXTERN_FUNC
                    ? make_trapping(l, m, import, &externs[i])
                    : add_unknown(&unknown, m, import);
    }
    if (!error) error = unknown_imports_error(&unknown);
    unknown_imports_free(&unknown);
    return error;
}

/* What was let in when it was loaded may be needed much later. */
static fnvm_error *link_module(fnvm_linker *l, Module *m, Instance **out)
{
    fnvm_error *error = gate_module_again(&m->gate, m);
    if (error) return error;
    fnvm_extern *externs = NULL;
    if (m->nimports && !(externs = calloc(m->nimports, sizeof *externs))) {
        return error_no_memory();
    }
    bool has_later = false;
    error = resolve_all(l, m, externs, &has_later);
    if (!error) {
        if (has_later) l->refs++; /* the instance's */
        error = instance_new(l->store, m, externs, has_later ? l : NULL, out);
    }
    free(externs);
    return error;
}

fnvm_error *fnvm_linker_instantiate(fnvm_linker *l, fnvm_module *m, fnvm_instance **out)
{
    *out = NULL;
    if (m->engine != l->store->engine) {
        return fnvm_error_new(FNVM_E_USAGE, "the module and the store are of different engines");
    }
    if (l->store->waiting.owner) return waiting_refuses("a module is instantiated");
    return link_module(l, m, out);
}

/* The last import with no more functions before it is the function of that number. */
static const Import *find_func_import(const Module *m, uint32_t func)
{
    uint32_t from = func, to = m->nimports; /* it is in [from, to) */
    while (to - from > 1) {
        const uint32_t middle = from + (to - from) / 2;
        if (m->imports[middle].funcs > func) to = middle;
        else from = middle;
    }
    return &m->imports[from];
}

static fnvm_error *resolve_func(fnvm_linker *l, const Module *m, const Import *import,
                                fnvm_extern *out)
{
    if (l->hops == MAX_HOPS) {
        return fnvm_error_new(FNVM_E_LIMIT, "a function is exported through more than %d modules",
                              MAX_HOPS);
    }
    Found found;
    l->hops++;
    fnvm_error *error = resolve(l, m, import, false, out, &found);
    l->hops--;
    if (error) return error;
    if (found == FOUND_EXTERN) return import_check(l->store, m, import, *out);
    UnknownImports unknown = {0};
    if (found == FOUND_REFUSED) error = list_import(&unknown.refused, m, import);
    else if (l->unknown_imports_trap) return make_trapping(l, m, import, out);
    else error = add_unknown(&unknown, m, import);
    if (!error) error = unknown_imports_error(&unknown);
    unknown_imports_free(&unknown);
    return error;
}

fnvm_error *linker_resolve_func(Instance *inst, uint32_t func)
{
    const Module *m = inst->module;
    const Import *import = find_func_import(m, func);
    fnvm_extern found = {FNVM_EXTERN_FUNC, {0, 0}};
    fnvm_error *cause = resolve_func(inst->linker_state, m, import, &found);
    if (!cause) {
        inst->imported_funcs[func] = found.of[0];
        return NULL;
    }
    /* What the provider's start function did to the guest stays what it was. */
    if (fnvm_error_code(cause) == FNVM_E_TRAP || fnvm_error_code(cause) == FNVM_E_EXIT) {
        return cause;
    }
    inst->store->exception = 0;
    char name[NAME_TEXT];
    import_print(m, import, name, sizeof name);
    fnvm_error *error = fnvm_error_trap_new(FNVM_TRAP_LINK, "%s: %s",
                                            fnvm_trap_text(FNVM_TRAP_LINK), name);
    if (error->is_static) fnvm_error_free(cause);
    else error->cause = cause;
    return error;
}

/* ---- For images ---- */

static bool defines_host(const Definition *d)
{
    return d->key && d->value.kind == FNVM_EXTERN_FUNC && d->value.of[0] &&
           funcref_instance(d->value.of[0]) == 0;
}

void linker_each_func(const fnvm_linker *l, void (*fn)(void *env, FuncRef, LinkerName), void *env)
{
    for (size_t i = 0; i < l->defs_cap; i++) {
        const Definition *d = &l->defs[i];
        if (!defines_host(d)) continue;
        fn(env, d->value.of[0],
           (LinkerName){d->key, d->key + d->module_len, d->module_len, d->name_len});
    }
}

/* The lists of host functions that an image needs and that are not there, or not to be had. */
static fnvm_error *add_missing(fnvm_linker *l, ImportList *u, const LinkerHost *h, const char *why)
{
    if (!u->f && !(u->f = open_memstream(&u->text, &u->len))) return error_no_memory();
    if (u->count++ >= MAX_LISTED) return NULL;
    char type[TYPE_TEXT];
    types_print_func(&l->store->engine->types, h->type, type, sizeof type);
    fprintf(u->f, "\n  %.*s.%.*s: (func%s%s)%s", (int)h->name.module_len, h->name.module,
            (int)h->name.name_len, h->name.name, *type ? " " : "", type, why);
    return NULL;
}

static fnvm_error *missing_error(UnknownImports *u)
{
    static const char undefined[] = "the image calls host functions that are not defined:";
    if (!list_end(&u->unknown) || !list_end(&u->refused)) return error_no_memory();
    const char *unknown = u->unknown.count ? u->unknown.text : "";
    if (u->refused.count)
        return fnvm_error_new(FNVM_E_POLICY, "the image calls host functions that are not in the "
                              "call table (fnvm_wasi_allow_calls, -S call=NAME):%s%s%s%s",
                              u->refused.text,
                              u->unknown.count ? "\nand " : "",
                              u->unknown.count ? undefined : "", unknown);
    return u->unknown.count ? fnvm_error_new(FNVM_E_LINK, "%s%s", undefined, unknown) : NULL;
}

/* Where the store has the function that stands for `h` now; made if it traps. */
static fnvm_error *find_host(fnvm_linker *l, const LinkerHost *h, UnknownImports *missing,
                             uint32_t *index)
{
    const LinkerName *n = &h->name;
    const Definition *d = NULL;
    bool refused = false;
    fnvm_error *error = h->traps ? NULL
                                 : lookup(l, (Text){n->module, n->module_len},
                                          (Text){n->name, n->name_len}, &d, &refused);
    if (error) return error;
    if (d && defines_host(d)) {
        *index = funcref_func(d->value.of[0]);
        /* A subtype would do for all calls, but tests and casts would tell the difference. */
        if (l->store->host_funcs[*index].type == h->type) return NULL;
    }
    *index = 0;
    if (h->must_exist && refused) return add_missing(l, &missing->refused, h, "");
    if (h->must_exist && !h->traps)
        return add_missing(l, &missing->unknown, h, d ? " (there is one of another type)" : "");
    char name[NAME_TEXT];
    if (n->module_len) join_names(name, (Text){n->module, n->module_len}, (Text){n->name, n->name_len});
    else name[put_text(name, 0, (Text){n->name, n->name_len})] = '\0'; /* it trapped, and is joined */
    FuncRef ref;
    error = add_trapping(l->store, h->type, name, &ref);
    if (!error) *index = funcref_func(ref);
    return error;
}

/* Moves host function from[i] to place i; the others follow in the order they have. */
static fnvm_error *permute_hosts(fnvm_linker *l, const uint32_t *from, uint32_t n)
{
    Store *s = l->store;
    const uint32_t all = s->nhost_funcs;
    for (uint32_t i = 0; i < all; i++)
        if (!s->host_funcs[i].name)
            return fnvm_error_new(FNVM_E_USAGE, "the store has host functions in another order than "
                                  "the image, and some that were not made by "
                                  "fnvm_linker_define_func: define them in the same order");
    uint32_t *place = malloc((all + 1) * sizeof *place);
    HostFunc *moved = malloc((all + 1) * sizeof *moved);
    fnvm_error *error = place && moved ? NULL : error_no_memory();
    if (!error) {
        memset(place, 0xFF, all * sizeof *place);
        for (uint32_t i = 0; i < n && !error; i++) {
            if (place[from[i]] != UINT32_MAX)
                error = fnvm_error_new(FNVM_E_LINK, "two host functions of the image are defined "
                                       "as one here");
            place[from[i]] = i;
        }
    }
    if (!error) {
        for (uint32_t i = 0, next = n; i < all; i++)
            if (place[i] == UINT32_MAX) place[i] = next++;
        for (uint32_t i = 0; i < all; i++) moved[place[i]] = s->host_funcs[i];
        memcpy(s->host_funcs, moved, all * sizeof *moved);
        for (size_t i = 0; i < l->defs_cap; i++) {
            FuncRef *ref = &l->defs[i].value.of[0];
            if (defines_host(&l->defs[i])) *ref = funcref_make(0, place[funcref_func(*ref)]);
        }
    }
    free(place);
    free(moved);
    return error;
}

fnvm_error *linker_arrange_hosts(fnvm_linker *l, const LinkerHost *hosts, uint32_t n)
{
    uint32_t *from = malloc((n + (size_t)1) * sizeof *from);
    if (!from) return error_no_memory();
    UnknownImports missing = {0};
    fnvm_error *error = NULL;
    bool in_order = true;
    for (uint32_t i = 0; i < n && !error; i++) {
        error = find_host(l, &hosts[i], &missing, &from[i]);
        in_order &= from[i] == i;
    }
    if (!error) error = missing_error(&missing);
    if (!error && !in_order) error = permute_hosts(l, from, n);
    unknown_imports_free(&missing);
    free(from);
    return error;
}

void linker_each_provider(const fnvm_linker *l, void (*fn)(void *env, const char *name, size_t len,
                                                           const Instance *), void *env)
{
    for (size_t i = 0; i < l->nproviders; i++) {
        const Provider *p = l->providers[i];
        if (p->state == PROVIDER_READY) fn(env, p->name, p->len, p->made);
    }
}

fnvm_error *linker_set_provider(fnvm_linker *l, const char *name, size_t len, Instance *inst)
{
    Provider *p;
    fnvm_error *error = get_provider(l, text_from(name, len), &p);
    if (error) return error;
    Module *before = p->module;
    p->module = fnvm_module_retain(inst->module);
    fnvm_module_release(before);
    p->made = inst;
    p->state = PROVIDER_READY;
    return NULL;
}

void *linker_state(fnvm_linker *l)
{
    l->refs++;
    return l;
}

fnvm_store *linker_store(const fnvm_linker *l) { return l->store; }

/* ---- Life ---- */

fnvm_error *fnvm_linker_new(fnvm_store *store, fnvm_linker **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return error_no_memory();
    (*out)->refs = 1;
    (*out)->store = store;
    return NULL;
}

void fnvm_linker_free(fnvm_linker *l)
{
    if (!l || --l->refs) return;
    for (size_t i = 0; i < l->defs_cap; i++) free(l->defs[i].key);
    free(l->defs);
    for (size_t i = 0; i < l->nproviders; i++) provider_free(l->providers[i]);
    free(l->providers);
    for (size_t i = 0; i < l->npaths; i++) free(l->paths[i]);
    free(l->paths);
    free(l);
}

void linker_state_free(void *linker_state) { fnvm_linker_free(linker_state); }

void fnvm_linker_unknown_imports_trap(fnvm_linker *l, bool trap) { l->unknown_imports_trap = trap; }
