/* One pass over the contents, each reference held against the declared type of where it is, then
 * one over all places of the store that may refer to objects, side by side with the list of roots.
 * All that thawing or the guest later relies on is checked here; numbers in objects may be
 * anything. */
#include <inttypes.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/image/objects.h"
#include "vm/image/objects_graph.h"

typedef struct Checker {
    Store *store;
    const TypeRegistry *types;
    ObjectsView view;
    uint32_t nobjects;
    uint64_t nroots;
} Checker;

static fnvm_error *bad_object(uint32_t number, const char *why)
{
    return fnvm_error_new(FNVM_E_INVALID, "object %u of the image %s", number, why);
}

static fnvm_error *bad_place(uint32_t instance, uint64_t at, const char *why)
{
    return fnvm_error_new(FNVM_E_INVALID, "instance %u of the image, at %" PRIu64 " bytes: the "
                          "reference %s", instance, at, why);
}

/* ---- References ---- */

static TypeId object_type(const Checker *c, uint32_t number)
{
    const uint32_t type = c->view.entries[number].type;
    if (type == OBJECTS_HOST) return OBJECT_HOST;
    if (type == OBJECTS_EXCEPTION) return OBJECT_EXCEPTION;
    const ObjectsType *t = &c->view.types[type];
    return c->store->instances[t->instance]->module->types[t->index];
}

static const char *func_fault(const Checker *c, FuncRef ref, ValType type)
{
    const Type *t = store_func_type(c->store, ref);
    const uint32_t instance = funcref_instance(ref);
    if (!t) return "refers to a function that does not exist";
    if (instance && funcref_func(ref) < c->store->instances[instance]->module->n_imported_funcs)
        return "refers to an import instead of a function";
    return types_heap_is_sub(c->types, t->id, type_heap(type))
               ? NULL : "refers to a function of another type";
}

/* What is wrong with a reference in a field or slot of the type; NULL: nothing. */
static const char *ref_fault(const Checker *c, uint64_t ref, ValType type)
{
    if (!ref) return type_is_nullable(type) ? NULL : "is null, which its type does not admit";
    if (types_top(c->types, type_heap(type)) == HEAP_FUNC) return func_fault(c, ref, type);
    if (ref_is_i31(ref))
        return i31_fits(c->types, ref, type) ? NULL : "is a number, which its type does not admit";
    const uint64_t number = objects_ref_number(ref);
    if (number >= c->nobjects) return "refers to an object that does not exist";
    return object_fits(c->types, object_type(c, (uint32_t)number), type)
               ? NULL : "refers to an object of another type";
}

static uint64_t ref_at(const uint8_t *at)
{
    uint64_t ref;
    memcpy(&ref, at, sizeof ref);
    return ref;
}

/* ---- Types and objects ---- */

static fnvm_error *check_types(const Checker *c)
{
    for (uint32_t i = 0; i < c->view.head->ntypes; i++) {
        const ObjectsType *t = &c->view.types[i];
        const bool known = t->instance > 0 && t->instance < c->store->ninstances &&
                           t->index < c->store->instances[t->instance]->module->ntypes;
        const TypeId id =
            known ? c->store->instances[t->instance]->module->types[t->index] : TYPE_ID_NONE;
        if (!known || types_get(c->types, id)->comp == COMP_FUNC)
            return fnvm_error_new(FNVM_E_INVALID, "type %u of the image's objects is none of a "
                                  "struct or array", i);
    }
    return NULL;
}

static const char *struct_fault(const Checker *c, const Type *t, const uint8_t *from)
{
    const char *fault = NULL;
    for (uint32_t i = 0; i < t->nfields && !fault; i++) {
        const Field *f = &t->fields[i];
        if (type_is_ref(f->type))
            fault = ref_fault(c, ref_at(from + f->offset - sizeof(Object)), f->type);
    }
    return fault;
}

static const char *array_fault(const Checker *c, const Type *t, uint32_t length,
                               const uint8_t *from)
{
    const ValType type = t->fields[0].type;
    const char *fault = NULL;
    for (uint32_t i = 0; type_is_ref(type) && i < length && !fault; i++)
        fault = ref_fault(c, ref_at(from + sizeof(uint64_t) * (uint64_t)i), type);
    return fault;
}

/* `from` has a tag and `nslots` slots. */
static const char *exception_fault(const Checker *c, uint32_t nslots, const uint8_t *from)
{
    ObjectsTag tag;
    memcpy(&tag, from, sizeof tag);
    if (tag.instance == 0 || tag.instance >= c->store->ninstances)
        return "has a tag of an instance that does not exist";
    const Module *m = c->store->instances[tag.instance]->module;
    if (tag.index < m->n_imported_tags || tag.index >= m->ntags)
        return "has a tag that does not exist";
    const Type *t = types_get(c->types, m->tags[tag.index]);
    if (t->param_slots != nslots) return "has more or fewer values than its tag says";
    const uint8_t *at = from + sizeof tag;
    const char *fault = NULL;
    for (uint32_t i = 0; i < t->nparams && !fault; at += 8 * type_slots(t->params[i++]))
        if (type_is_ref(t->params[i])) fault = ref_fault(c, ref_at(at), t->params[i]);
    return fault;
}

/* Bytes that the contents of an object take; its type was checked. */
static uint64_t contents_size(const Checker *c, const ObjectsEntry *e)
{
    if (e->type == OBJECTS_HOST) return sizeof(uint64_t);
    if (e->type == OBJECTS_EXCEPTION)
        return sizeof(ObjectsTag) + e->length * (uint64_t)sizeof(Slot);
    const Type *t = types_get(c->types, object_type(c, (uint32_t)(e - c->view.entries)));
    return t->comp == COMP_STRUCT ? t->size - sizeof(Object)
                                  : contents_pad(array_bytes(t, e->length));
}

static const char *object_fault(const Checker *c, uint32_t number, const uint8_t *from)
{
    const ObjectsEntry *e = &c->view.entries[number];
    if (e->type == OBJECTS_EXCEPTION) return exception_fault(c, e->length, from);
    const TypeId id = object_type(c, number);
    const Type *t = id == OBJECT_HOST ? NULL : types_get(c->types, id);
    if (t && t->comp == COMP_ARRAY) return array_fault(c, t, e->length, from);
    if (e->length) return "has a length, but is no array";
    return t ? struct_fault(c, t, from) : NULL;
}

/* All entries have types before a reference to one is looked at. */
static fnvm_error *check_entries(const Checker *c)
{
    for (uint32_t i = 0; i < c->nobjects; i++) {
        const uint32_t type = c->view.entries[i].type;
        if (type >= c->view.head->ntypes && type != OBJECTS_HOST && type != OBJECTS_EXCEPTION)
            return bad_object(i, "has no type");
    }
    return NULL;
}

static fnvm_error *check_objects(const Checker *c)
{
    const uint8_t *from = c->view.contents;
    uint64_t left = c->view.head->contents_size;
    for (uint32_t i = 0; i < c->nobjects; i++) {
        const uint64_t size = contents_size(c, &c->view.entries[i]);
        if (size > left) return bad_object(i, "is longer than what there is of it");
        const char *fault = object_fault(c, i, from);
        if (fault) return bad_object(i, fault);
        from += size;
        left -= size;
    }
    return left ? fnvm_error_new(FNVM_E_INVALID, "%" PRIu64 " bytes behind the last object of the "
                                 "image", left)
                : NULL;
}

/* ---- Roots ---- */

static fnvm_error *misplaced(const ObjectsRoot *r)
{
    return bad_place(r->instance, r->at, "is at no place for one, or out of order");
}

/* Both lists ascend: a root that is passed over is not at any place.  `next` is the first that was
 * not met yet. */
static fnvm_error *check_place(const Checker *c, const RootSpan *s, uint64_t at, uint64_t *next)
{
    const ObjectsRoot *r = *next < c->nroots ? &c->view.roots[*next] : NULL;
    if (r && (r->instance < s->instance || (r->instance == s->instance && r->at < at)))
        return misplaced(r);
    const uint64_t in_page = *root_place(c->store, s->instance, at);
    /* What was not initialised is null, whatever its type. */
    const bool failed = c->store->instances[s->instance]->failed;
    const ValType type = failed ? s->type | TYPE_NULLABLE : s->type;
    const char *fault;
    if (r && r->instance == s->instance && r->at == at) {
        ++*next;
        fault = in_page ? "is in the image twice"
                        : ref_fault(c, objects_ref(r->object), type);
    } else {
        fault = in_page && !ref_is_i31(in_page) ? "is the address of something"
                                                : ref_fault(c, in_page, type);
    }
    return fault ? bad_place(s->instance, at, fault) : NULL;
}

static fnvm_error *check_roots(const Checker *c, const RootSpans *spans)
{
    uint64_t next = 0;
    fnvm_error *error = NULL;
    for (size_t i = 0; i < spans->n && !error; i++) {
        const RootSpan *s = &spans->at[i];
        for (uint64_t k = 0; k < s->count && !error; k++)
            error = check_place(c, s, s->at + k * sizeof(uint64_t), &next);
    }
    return error || next == c->nroots ? error : misplaced(&c->view.roots[next]);
}

fnvm_error *objects_check(Store *store, const Instance *owner, const StackRef *refs, uint32_t nrefs,
                          const uint8_t *bytes, uint64_t size)
{
    Checker c = {.store = store, .types = &store->engine->types};
    RootSpans spans = {0};
    fnvm_error *error = NULL;
    if (size) {
        if (!objects_view(bytes, size, &c.view))
            return fnvm_error_new(FNVM_E_INVALID, "the image's objects: %" PRIu64 " bytes are not "
                                  "what their counts add up to", size);
        c.nobjects = c.view.head->nobjects;
        c.nroots = c.view.head->nroots;
        error = check_types(&c);
        if (!error) error = check_entries(&c);
        if (!error) error = check_objects(&c);
    }
    if (!error) error = root_spans_find(store, owner, refs, nrefs, &spans);
    if (!error) error = check_roots(&c, &spans);
    root_spans_free(&spans);
    return error;
}
