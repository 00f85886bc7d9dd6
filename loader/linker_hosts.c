/* A linker beside an image: which host functions its definitions stand for, and those of a new
 * store brought into the order in which an image's references count them. */
#include <stdlib.h>
#include <string.h>

#include "loader/linker_parts.h"

/* ---- Host functions ---- */

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
    FILE *line;
    fnvm_error *error = list_line(u, &line);
    if (error || !line) return error;
    char type[TYPE_TEXT];
    types_print_func(&l->store->engine->types, h->type, type, sizeof type);
    fprintf(line, "\n  %.*s.%.*s: (func%s%s)%s", (int)h->name.module_len, h->name.module,
            (int)h->name.name_len, h->name.name, *type ? " " : "", type, why);
    return NULL;
}

static fnvm_error *missing_error(UnknownImports *u)
{
    static const char undefined[] = "the image calls host functions that are not defined:";
    if (!unknown_imports_end(u)) return error_no_memory();
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
                                 : linker_lookup(l, (Text){n->module, n->module_len},
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
    linker_join_names(name, (Text){n->module, n->module_len}, (Text){n->name, n->name_len});
    FuncRef ref;
    error = linker_add_trapping(l->store, h->type, name, &ref);
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

/* ---- Providers ---- */

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
    fnvm_error *error = linker_provider(l, text_from(name, len), &p);
    if (error) return error;
    Module *before = p->module;
    p->module = fnvm_module_retain(inst->module);
    fnvm_module_release(before);
    p->made = inst;
    p->state = PROVIDER_READY;
    return NULL;
}
