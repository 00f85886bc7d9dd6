/* Host functions are found again by name, and their types by what every process agrees on: a type
 * that is just parameters and results is written as these; one with a recursion group or supertypes
 * only a module can have said, and it is named by that module and its index there.  Ids of types
 * belong to an engine and are in no file. */
#include "vm/image/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "vm/tunables.h"

/* ---- Writing ---- */

/* The first of the image's modules that has a type, and where. */
typedef struct TypePlace { uint32_t module, index; } TypePlace; /* module plus 1; 0: none has */

typedef struct HostWriter {
    const Store *store;
    TypeRegistry *registry;
    Module *const *modules; uint32_t nmodules;
    ImageWriter *w;
    LinkerName *names;        /* by function; module NULL: it has none */
    bool *used;               /* by function: an instance imports it */
    TypePlace *types; uint32_t ntypes; /* by id */
} HostWriter;

static void note_name(void *env, FuncRef ref, LinkerName name)
{
    HostWriter *h = env;
    h->names[funcref_func(ref)] = name;
}

static void mark_used(const HostWriter *h)
{
    for (uint32_t i = 1; i < h->store->ninstances; i++) {
        const Instance *inst = h->store->instances[i];
        for (uint32_t k = 0; k < inst->module->n_imported_funcs; k++) {
            FuncRef ref = inst->imported_funcs[k];
            if (ref && funcref_instance(ref) == 0) h->used[funcref_func(ref)] = true;
        }
    }
}

static bool find_types(HostWriter *h)
{
    for (uint32_t i = 0; i < h->nmodules; i++)
        for (uint32_t k = 0; k < h->modules[i]->ntypes; k++)
            if (h->modules[i]->types[k] >= h->ntypes) h->ntypes = h->modules[i]->types[k] + 1;
    h->types = calloc(h->ntypes + (size_t)1, sizeof *h->types);
    if (!h->types) return false;
    for (uint32_t i = 0; i < h->nmodules; i++)
        for (uint32_t k = 0; k < h->modules[i]->ntypes; k++) {
            TypePlace *p = &h->types[h->modules[i]->types[k]];
            if (!p->module) *p = (TypePlace){.module = i + 1, .index = k};
        }
    return true;
}

/* Whether the type is just its parameters and results, and these without ids. */
static fnvm_error *is_plain(const HostWriter *h, const Type *t, bool *is)
{
    *is = false;
    for (uint32_t i = 0; i < t->nparams + t->nresults; i++) {
        ValType v = i < t->nparams ? t->params[i] : t->results[i - t->nparams];
        if (type_is_ref(v) && heap_is_defined(type_heap(v))) return NULL;
    }
    const TypeDef plain = {.comp = COMP_FUNC, .is_final = true, .super = TYPE_ID_NONE,
                           .nparams = t->nparams, .nresults = t->nresults, .params = t->params,
                           .results = t->results};
    TypeId id;
    fnvm_error *error = types_define(h->registry, &plain, 1, &id);
    if (error) return error;
    *is = id == t->id;
    types_release(h->registry, id);
    return NULL;
}

static fnvm_error *cannot_name(const HostFunc *f, uint32_t i, const char *why)
{
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "host function %u%s%s cannot be in an image: %s", i,
                          f->name ? ", " : "", f->name ? f->name : "", why);
}

static fnvm_error *write_plain_type(const HostWriter *h, const Type *t, ImageHost *out)
{
    uint64_t first = 0;
    fnvm_error *error = image_writer_part(h->w, IMAGE_TYPES, t->params, t->nparams, &first);
    if (!error) error = image_writer_part(h->w, IMAGE_TYPES, t->results, t->nresults, NULL);
    out->first_type = (uint32_t)first;
    out->nparams = t->nparams;
    out->nresults = t->nresults;
    return error;
}

static fnvm_error *write_type(const HostWriter *h, uint32_t i, ImageHost *out)
{
    static const Type nothing = {.comp = COMP_FUNC};
    const HostFunc *f = &h->store->host_funcs[i];
    const Type *t = types_get(h->registry, f->type);
    bool plain;
    fnvm_error *error = is_plain(h, t, &plain);
    if (error) return error;
    if (plain) return write_plain_type(h, t, out);
    if (f->type < h->ntypes && h->types[f->type].module) {
        out->type_module = h->types[f->type].module;
        out->type_index = h->types[f->type].index;
        return NULL;
    }
    if (h->used[i])
        return cannot_name(f, i, "its type is recursive or has supertypes, and no module of the "
                           "store has it");
    out->flags |= IMAGE_HOST_TRAPS; /* it keeps its number, and traps */
    return write_plain_type(h, &nothing, out);
}

static fnvm_error *write_host(const HostWriter *h, uint32_t i)
{
    const HostFunc *f = &h->store->host_funcs[i];
    const LinkerName *n = &h->names[i];
    ImageHost out = {.flags = h->used[i] ? IMAGE_HOST_USED : 0};
    if (linker_host_traps(f) || !n->module) out.flags |= IMAGE_HOST_TRAPS;
    if (h->used[i] && !n->module && !linker_host_traps(f))
        return cannot_name(f, i, "the linker does not define it; fnvm_linker_define_func does");
    fnvm_error *error = write_type(h, i, &out);
    const char *name = n->module ? n->name : f->name ? f->name : "";
    size_t len = n->module ? n->name_len : strlen(name);
    if (!error) error = image_writer_text(h->w, n->module ? n->module : "", n->module_len,
                                          &out.module);
    if (!error) error = image_writer_text(h->w, name, len, &out.name);
    if (!error) error = image_writer_part(h->w, IMAGE_HOSTS, &out, 1, NULL);
    return error;
}

fnvm_error *hosts_write(const Store *store, const fnvm_linker *linker, Module *const *modules,
                        uint32_t nmodules, ImageWriter *w)
{
    const uint32_t n = store->nhost_funcs;
    HostWriter h = {.store = store, .registry = &store->engine->types, .modules = modules,
                    .nmodules = nmodules, .w = w};
    h.names = calloc(n + (size_t)1, sizeof *h.names);
    h.used = calloc(n + (size_t)1, sizeof *h.used);
    fnvm_error *error = h.names && h.used && find_types(&h) ? NULL : error_no_memory();
    if (!error) {
        linker_each_func(linker, note_name, &h);
        mark_used(&h);
    }
    for (uint32_t i = 0; i < n && !error; i++) error = write_host(&h, i);
    free(h.names);
    free(h.used);
    free(h.types);
    return error;
}

/* ---- Checking ---- */

static bool is_portable(uint32_t type)
{
    if (!type_is_ref(type)) return type <= TYPE_V128;
    return type_heap(type) >= HEAP_ABSTRACT && type_heap(type) <= HEAP_NOEXN;
}

static bool plain_type_fits(const Image *image, const ImageHost *h)
{
    const uint32_t *types = image_part(image, IMAGE_TYPES);
    const uint64_t end = (uint64_t)h->first_type + h->nparams + h->nresults;
    if (h->nparams > LIMIT_PARAMS || h->nresults > LIMIT_RESULTS || h->type_index ||
        end > image_count(image, IMAGE_TYPES))
        return false;
    for (uint32_t k = 0; k < h->nparams + h->nresults; k++)
        if (!is_portable(types[h->first_type + k])) return false;
    return true;
}

static bool own_type_fits(const Image *image, const ImageHost *h)
{
    if (h->first_type || h->nparams || h->nresults ||
        h->type_module > image_count(image, IMAGE_MODULES))
        return false;
    const Module *m = image->modules[h->type_module - 1];
    return h->type_index < m->ntypes &&
           types_get(&image->engine->types, m->types[h->type_index])->comp == COMP_FUNC;
}

fnvm_error *hosts_check(const Image *image)
{
    const ImageHost *hosts = image_part(image, IMAGE_HOSTS);
    if (image_count(image, IMAGE_HOSTS) > LIMIT_IMPORTS)
        return image_damaged("it has too many host functions");
    for (uint64_t i = 0; i < image_count(image, IMAGE_HOSTS); i++) {
        const ImageHost *h = &hosts[i];
        if (!image_has_text(image, h->module) || !image_has_text(image, h->name) ||
            h->flags & ~(uint32_t)(IMAGE_HOST_USED | IMAGE_HOST_TRAPS))
            return image_damaged("a host function of it is none");
        if (!(h->type_module ? own_type_fits : plain_type_fits)(image, h))
            return image_damaged("a host function of it has a type that is none");
    }
    return NULL;
}

/* ---- Restoring ---- */

static LinkerName name_of(const Image *image, const ImageHost *h)
{
    const char *strings = image_part(image, IMAGE_STRINGS);
    return (LinkerName){strings + h->module.start, strings + h->name.start, h->module.len,
                        h->name.len};
}

/* The type, held. */
static fnvm_error *type_of(const Image *image, const ImageHost *h, TypeId *out)
{
    if (h->type_module) {
        *out = image->modules[h->type_module - 1]->types[h->type_index];
        types_hold(&image->engine->types, *out);
        return NULL;
    }
    ValType types[LIMIT_PARAMS + LIMIT_RESULTS];
    memcpy(types, (const uint32_t *)image_part(image, IMAGE_TYPES) + h->first_type,
           (h->nparams + (size_t)h->nresults) * sizeof *types);
    const TypeDef def = {.comp = COMP_FUNC, .is_final = true, .super = TYPE_ID_NONE,
                         .nparams = h->nparams, .nresults = h->nresults, .params = types,
                         .results = types + h->nparams};
    return types_define(&image->engine->types, &def, 1, out);
}

fnvm_error *hosts_restore(const Image *image, fnvm_linker *l, bool all_trap)
{
    const ImageHost *hosts = image_part(image, IMAGE_HOSTS);
    const uint32_t n = (uint32_t)image_count(image, IMAGE_HOSTS);
    LinkerHost *want = calloc(n + (size_t)1, sizeof *want);
    fnvm_error *error = want ? NULL : error_no_memory();
    uint32_t ntypes = 0;
    for (uint32_t i = 0; i < n && !error; i++) {
        want[i].name = name_of(image, &hosts[i]);
        want[i].must_exist = (hosts[i].flags & IMAGE_HOST_USED) != 0;
        want[i].traps = all_trap || (hosts[i].flags & IMAGE_HOST_TRAPS) != 0;
        error = type_of(image, &hosts[i], &want[i].type);
        ntypes += !error;
    }
    if (!error) error = linker_arrange_hosts(l, want, n);
    while (ntypes > 0) types_release(&image->engine->types, want[--ntypes].type);
    free(want);
    return error;
}
