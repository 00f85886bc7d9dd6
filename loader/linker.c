/* Definitions lie in a hash table keyed by both names; everything that provides whole modules (an
 * instance, a module, a file of the module path) is a Provider found by its one name.  A provider
 * is instantiated when something of it is needed, with the providers being linked kept as a chain
 * to find cycles.  Instances with unlinked imports hold a reference to the linker, so that it lives
 * until the store is freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/linker_parts.h"
#include "vm/hash.h"
#include "vm/waiting.h"

enum {
    FIRST_CAPACITY = 64,   /* definitions */
    MAX_HOPS = 256,        /* modules that export a function one from the other: they recurse */
    MAX_FILE_NAME = 200
};

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
    if (!store_has_extern(l->store, value))
        return fnvm_error_new(FNVM_E_USAGE, "the definition of %.*s.%.*s is of another store",
                              (int)module_len, module, (int)name_len, name);
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

/* Every store has the names of all its host functions, so not by printf. */
void linker_join_names(char out[NAME_TEXT], Text module, Text name)
{
    size_t at = put_text(out, 0, module);
    if (module.len) at = put_text(out, at, (Text){".", 1});
    out[put_text(out, at, name)] = '\0';
}

static fnvm_error *define_func(fnvm_linker *l, Text module, Text name, const LinkerFunc *f)
{
    TypeId id;
    char full[NAME_TEXT];
    linker_join_names(full, module, name);
    fnvm_error *error = types_parse_func(&l->store->engine->types, f->type, &id);
    if (error) return fnvm_error_wrap(error, "the type of host function %s", full);
    FuncRef ref;
    error = store_add_host_func(l->store, id, f->fn, f->env, full, &ref);
    types_release(&l->store->engine->types, id);
    if (error) return error;
    return fnvm_linker_define(l, module.at, module.len, name.at, name.len,
                              store_func_extern(l->store, ref));
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

fnvm_error *linker_lookup(fnvm_linker *l, Text module, Text name, const Definition **out,
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

fnvm_error *linker_provider(fnvm_linker *l, Text name, Provider **out)
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
    fnvm_error *error = linker_provider(l, text_from(name, name_len), &p);
    if (!error) p->instance = inst;
    return error;
}

fnvm_error *fnvm_linker_define_module(fnvm_linker *l, const char *name, fnvm_module *m)
{
    if (m->engine != l->store->engine) {
        return fnvm_error_new(FNVM_E_USAGE, "module %s is of another engine", name);
    }
    Provider *p;
    fnvm_error *error = linker_provider(l, (Text){name, strlen(name)}, &p);
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
    if (!error && path) error = linker_provider(l, name, &p);
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
    fnvm_error *error = linker_lookup(l, module, name, &d, &refused);
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
                    ? linker_make_trapping(l, m, import, &externs[i])
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
    else if (l->unknown_imports_trap) return linker_make_trapping(l, m, import, out);
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

/* ---- Life ---- */

void *linker_state(fnvm_linker *l)
{
    l->refs++;
    return l;
}

fnvm_store *linker_store(const fnvm_linker *l) { return l->store; }

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

fnvm_store *fnvm_linker_store(const fnvm_linker *l) { return l->store; }

void linker_state_free(void *linker_state) { fnvm_linker_free(linker_state); }

void fnvm_linker_unknown_imports_trap(fnvm_linker *l, bool trap) { l->unknown_imports_trap = trap; }
