/* Whether an image that nobody has checked before can be used.
 *
 * First the numbers: every index and offset in the parts.  Then the contents, where they will be: the
 * image is restored into a store of its own whose host functions all trap, and what the regions hold
 * is held against what the modules say: states, drop flags, references by their types.  A number that
 * code relies on (an i32 has no upper half, a size is within the reservation) is checked like a
 * reference.  What guests may set as they please is not looked at. */
#include <stdlib.h>
#include <string.h>

#include "vm/heap.h"
#include "vm/image/hosts.h"
#include "vm/image/objects.h"
#include "vm/image/restore.h"
#include "vm/image/suspended.h"
#include "vm/image/working_set.h"
#include "vm/tunables.h"

static bool within(uint64_t first, uint64_t n, uint64_t count)
{
    return first <= count && n <= count - first;
}

/* ---- Numbers ---- */

static bool stretches_fit(const Image *image, const ImageInstance *e)
{
    const ImageStretch *s = (const ImageStretch *)image_part(image, IMAGE_STRETCHES) +
                            e->first_stretch;
    const uint64_t pages_end = IMAGE_PAGE + image->file.head->pages_size;
    uint64_t end = 0;
    for (uint32_t i = 0; i < e->nstretches; i++, s++) {
        if ((s->at | s->offset | s->size) % IMAGE_PAGE || !s->size || s->at < end ||
            !within(s->at, s->size, e->region_size) || s->offset < IMAGE_PAGE ||
            !within(s->offset, s->size, pages_end))
            return false;
        end = s->at + s->size;
    }
    return true;
}

static uint32_t links_of(const Module *m)
{
    return m->nimports - m->n_imported_funcs;
}

static fnvm_error *check_instance_numbers(const Image *image, const ImageInstance *e)
{
    if (e->module >= image_count(image, IMAGE_MODULES) ||
        e->flags & ~(uint32_t)(IMAGE_ELEM_REFS_READY | IMAGE_LATER_LINKS | IMAGE_FAILED))
        return image_damaged("an instance of it is none");
    const Module *m = image->modules[e->module];
    if (!within(e->first_stretch, e->nstretches, image_count(image, IMAGE_STRETCHES)) ||
        !within(e->first_memory, m->nmemories - m->n_imported_memories,
                image_count(image, IMAGE_MEMORIES)) ||
        !within(e->first_table, m->ntables - m->n_imported_tables,
                image_count(image, IMAGE_TABLES)) ||
        !within(e->first_link, links_of(m), image_count(image, IMAGE_LINKS)) ||
        !within(e->first_func, m->n_imported_funcs, image_count(image, IMAGE_FUNCS)))
        return image_damaged("an instance has parts that are not there");
    return stretches_fit(image, e) ? NULL
                                   : image_damaged("pages of an instance lie where they cannot");
}

static fnvm_error *check_numbers(const Image *image)
{
    const ImageHead *h = image->file.head;
    const uint64_t n = image_count(image, IMAGE_INSTANCES);
    const ImageInstance *instances = image_part(image, IMAGE_INSTANCES);
    if (n == 0 || n > LIMIT_IMPORTS || h->main == 0 || h->main > n || h->call.owner > n ||
        h->call.caller > n || h->call.wake > FNVM_WAKE_REPEAT || h->counts_fuel > 1 || h->unused ||
        !image_has_text(image, h->start))
        return image_damaged("its head says what cannot be");
    fnvm_error *error = hosts_check(image);
    for (uint64_t i = 0; i < n && !error; i++)
        error = check_instance_numbers(image, &instances[i]);
    const ImageProvider *p = image_part(image, IMAGE_PROVIDERS);
    for (uint64_t i = 0; i < image_count(image, IMAGE_PROVIDERS) && !error; i++)
        if (!image_has_text(image, p[i].name) || p[i].instance == 0 || p[i].instance > n)
            error = image_damaged("a name of it stands for no instance");
    const ImageRun *w = image_part(image, IMAGE_WRITTEN);
    for (uint64_t i = 0; i < image_count(image, IMAGE_WRITTEN) && !error; i++)
        if (w[i].instance == 0 || w[i].instance > n || w[i].at % IMAGE_PAGE ||
            !within(w[i].at, (uint64_t)w[i].count * IMAGE_PAGE,
                    instances[w[i].instance - 1].region_size))
            error = image_damaged("its list of pages has some that are not there");
    const char *draws = image_part(image, IMAGE_DRAWS);
    const uint64_t ndraws = image_count(image, IMAGE_DRAWS);
    if (!error && ndraws && draws[ndraws - 1])
        error = image_damaged("its list of draws has no end");
    if (!error) error = working_set_check(&image->file);
    return error;
}

/* ---- What regions hold ---- */

/* A byte of a file need be no bool. */
static bool is_bool(const bool *at, bool want)
{
    uint8_t byte;
    memcpy(&byte, at, sizeof byte);
    return byte == (uint8_t)want;
}

static bool states_fit(const Image *image, const Instance *inst, const ImageInstance *e)
{
    const Module *m = inst->module;
    const ImageMemory *memories = (const ImageMemory *)image_part(image, IMAGE_MEMORIES) +
                                  e->first_memory;
    const ImageTable *tables = (const ImageTable *)image_part(image, IMAGE_TABLES) + e->first_table;
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        MemoryState want = region_memory_state(m, &image->limits, i);
        const MemoryState *s = inst->memories[i].state;
        want.size = memories[i - m->n_imported_memories].size;
        if (s->size != want.size || s->max_size != want.max_size ||
            !is_bool(&s->is64, want.is64) || s->page_log2 != want.page_log2 || s->size > want.max_size ||
            s->size < m->memories[i].limits.min << want.page_log2 ||
            s->size & ((UINT64_C(1) << want.page_log2) - 1))
            return false;
    }
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        TableState want = region_table_state(m, &image->limits, i);
        const TableState *s = inst->tables[i].state;
        want.size = tables[i - m->n_imported_tables].size;
        if (s->size != want.size || s->max_size != want.max_size ||
            !is_bool(&s->is64, want.is64) || s->size > want.max_size ||
            s->size < m->tables[i].type.limits.min)
            return false;
    }
    return true;
}

static bool context_fits(const Instance *inst, uint32_t stack_size)
{
    const Module *m = inst->module;
    const Stack *s = &inst->context->stack;
    static const uint64_t zeros[sizeof inst->context->reserved / sizeof(uint64_t)];
    if (s->size != stack_size || s->frames != s->size || s->top || s->compiled ||
        memcmp(inst->context->reserved, zeros, sizeof zeros) != 0)
        return false;
    for (uint32_t i = 0; i < m->nelems; i++)
        if (inst->dropped_elems[i] > 1) return false;
    for (uint32_t i = 0; i < m->ndatas; i++)
        if (inst->dropped_datas[i] > 1) return false;
    return true;
}

static fnvm_error *map_instance(Image *image, Store *s, uint32_t id)
{
    const ImageInstance *e = (const ImageInstance *)image_part(image, IMAGE_INSTANCES) + (id - 1);
    Instance *inst;
    fnvm_error *error = restore_region(image, s, id, &inst);
    if (error) return error;
    inst->elem_refs_ready = (e->flags & IMAGE_ELEM_REFS_READY) != 0;
    inst->failed = (e->flags & IMAGE_FAILED) != 0;
    if (!context_fits(inst, region_stack_size(&image->limits)) || !states_fit(image, inst, e))
        return image_damaged("sizes or flags of an instance are not what its module has");
    return NULL;
}

/* ---- Links ---- */

static bool owns(const Module *m, fnvm_externkind kind, uint32_t index)
{
    switch (kind) {
    case FNVM_EXTERN_TABLE: return index >= m->n_imported_tables && index < m->ntables;
    case FNVM_EXTERN_MEMORY: return index >= m->n_imported_memories && index < m->nmemories;
    case FNVM_EXTERN_GLOBAL: return index >= m->n_imported_globals && index < m->nglobals;
    case FNVM_EXTERN_TAG: return index >= m->n_imported_tags && index < m->ntags;
    case FNVM_EXTERN_FUNC: break;
    }
    return false;
}

/* A function that is there: what references can be. */
static bool func_exists(const Store *s, FuncRef ref)
{
    const uint32_t id = funcref_instance(ref), func = funcref_func(ref);
    if (id == 0) return func < s->nhost_funcs;
    if (id >= s->ninstances) return false;
    const Module *m = s->instances[id]->module;
    return func >= m->n_imported_funcs && func < m->nfuncs;
}

static fnvm_error *link_instance(const Image *image, Store *s, Instance *inst)
{
    const ImageInstance *e = (const ImageInstance *)image_part(image, IMAGE_INSTANCES) +
                             (inst->id - 1);
    const ImageLink *links = (const ImageLink *)image_part(image, IMAGE_LINKS) + e->first_link;
    const uint64_t *funcs = (const uint64_t *)image_part(image, IMAGE_FUNCS) + e->first_func;
    const Module *m = inst->module;
    fnvm_error *error = NULL;
    for (uint32_t i = 0, link = 0; i < m->nimports && !error; i++) {
        const Import *import = &m->imports[i];
        fnvm_extern x = {FNVM_EXTERN_FUNC, {0, 0}};
        if (import->kind == FNVM_EXTERN_FUNC) {
            x.of[0] = funcs[import->index];
            if (!x.of[0] && e->flags & IMAGE_LATER_LINKS) continue;
            if (!func_exists(s, x.of[0]))
                return image_damaged("an import is linked to no function");
        } else {
            const ImageLink l = links[link];
            fnvm_externkind kind = (fnvm_externkind)import->kind;
            if (l.instance == 0 || l.instance >= inst->id ||
                !owns(s->instances[l.instance]->module, kind, l.index))
                return image_damaged("an import is linked to nothing");
            x = restore_link(image, s, e, link++, kind);
        }
        error = import_check(s, m, import, x);
        if (!error) instance_link(inst, import, x);
    }
    return error;
}

/* ---- Values ---- */

/* References to functions; those to objects are the business of objects_check.  Both engines check for
 * null wherever they use a reference, so where it has no place it is wrong, but no danger. */
static bool value_fits(Store *s, const Instance *inst, ValType type, const Slot *value)
{
    if (type == TYPE_I32) return value->i64 <= UINT32_MAX;
    if (!type_is_ref(type) || types_top(&s->engine->types, type_heap(type)) != HEAP_FUNC)
        return true;
    if (!value->i64) return inst->failed || type_is_nullable(type);
    return func_ref_fits(s, value->i64, type);
}

static fnvm_error *check_values(Store *s, const Instance *inst)
{
    const Module *m = inst->module;
    for (uint32_t i = m->n_imported_globals; i < m->nglobals; i++)
        if (!value_fits(s, inst, m->globals[i].type.type,
                        &inst->globals[2 * (size_t)(i - m->n_imported_globals)]))
            return image_damaged("a global has a value that its type does not");
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
        const TableRef *t = &inst->tables[i];
        for (uint64_t k = 0; k < t->state->size; k++) {
            const Slot element = {.i64 = t->elems[k]};
            if (!value_fits(s, inst, m->tables[i].type.elem, &element))
                return image_damaged("a table has an element that its type does not");
        }
    }
    return NULL;
}

static fnvm_error *check_call(const Image *image, Store *s)
{
    const ImageCall *call = &image->file.head->call;
    const ImageFrame *frames = image_part(image, IMAGE_FRAMES);
    const uint64_t n = image_count(image, IMAGE_FRAMES);
    const Instance *owner = call->owner ? s->instances[call->owner] : NULL;
    StackRef *refs = NULL;
    uint32_t nrefs = 0;
    if (n > UINT32_MAX || (!owner && n)) return image_damaged("it has frames of no call");
    fnvm_error *error = owner ? stack_check(s, call, frames, (uint32_t)n) : NULL;
    if (!error && owner) error = stack_refs(s, call, frames, (uint32_t)n, &refs, &nrefs);
    if (!error) error = objects_check(s, owner, refs, nrefs, image_part(image, IMAGE_OBJECTS),
                                      image_count(image, IMAGE_OBJECTS));
    free(refs);
    return error;
}

static fnvm_error *check_contents(Image *image, Store *s)
{
    const uint32_t n = (uint32_t)image_count(image, IMAGE_INSTANCES);
    fnvm_error *error = NULL;
    for (uint32_t id = 1; id <= n && !error; id++) error = map_instance(image, s, id);
    for (uint32_t id = 1; id <= n && !error; id++)
        error = link_instance(image, s, s->instances[id]);
    for (uint32_t id = 1; id <= n && !error; id++) {
        instance_finish_links(s->instances[id]);
        error = check_values(s, s->instances[id]);
    }
    return error ? error : check_call(image, s);
}

fnvm_error *image_check(Image *image)
{
    fnvm_store *s = NULL;
    fnvm_linker *l = NULL;
    fnvm_error *error = check_numbers(image);
    if (!error) error = fnvm_store_new(image->engine, &s);
    if (!error) error = fnvm_linker_new(s, &l);
    if (!error) error = hosts_restore(image, l, true);
    if (!error) error = check_contents(image, s);
    fnvm_linker_free(l);
    fnvm_store_free(s);
    return error;
}
