/* A breadth-first search from the roots numbers the objects; then they are written in that order.
 *
 * While this runs, an object's number stands in its head in place of the store's tag, which is put
 * back at the end: finding an object again costs one look at it, and needs no table.  The
 * collector's lock is held all the time, so nobody else sees that.
 *
 * Dead slots of compiled code may hold the address of an object that was collected, and whose block
 * still has its contents, while what it refers to has become something else.  So nothing is
 * followed that is not an object of a fitting type.  What a doubtful slot leads to is taken as a
 * whole or not at all; the exact roots come first, so that this never takes away what they need. */
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/image/objects.h"
#include "vm/image/objects_graph.h"

enum { FIRST_CAPACITY = 64 };

/* Where a type is found, by its id. */
typedef struct TypePlace {
    uint32_t instance;        /* 0: no module of the store has it */
    uint32_t index;
    uint32_t number;          /* in the list of types, plus 1 */
    bool known;               /* `shape` is */
    ObjectShape shape;
} TypePlace;

typedef struct Freezer {
    Store *store;
    const TypeRegistry *types;
    RootSpans spans;
    bool *dead;               /* by span: it holds nothing that goes along */
    TypePlace *places; uint32_t nplaces;
    Object **objects; uint32_t n, cap;
    uint32_t scanned;         /* objects whose references were followed */
    ObjectsFrozen *out;
    ObjectsHead head;
    fnvm_error *error;
} Freezer;

/* ---- Types ---- */

static uint32_t place_count(const Store *s)
{
    TypeId max = 0;
    for (uint32_t i = 1; i < s->ninstances; i++) {
        const Module *m = s->instances[i]->module;
        for (uint32_t k = 0; k < m->ntypes; k++)
            if (m->types[k] > max) max = m->types[k];
    }
    return max + 1;
}

static fnvm_error *find_types(Freezer *z)
{
    const Store *s = z->store;
    const uint32_t nplaces = place_count(s);
    z->places = calloc(nplaces, sizeof *z->places);
    if (!z->places) return error_no_memory();
    z->nplaces = nplaces;
    for (uint32_t i = 1; i < s->ninstances; i++) {
        const Module *m = s->instances[i]->module;
        for (uint32_t k = 0; k < m->ntypes; k++) {
            TypePlace *p = &z->places[m->types[k]];
            if (!p->instance) *p = (TypePlace){.instance = i, .index = k};
        }
    }
    return NULL;
}

/* The place of a struct or array type, NULL if there is none. */
static TypePlace *type_place(Freezer *z, TypeId id)
{
    if (id >= z->nplaces || !z->places[id].instance) return NULL;
    TypePlace *p = &z->places[id];
    if (p->known) return p;
    const Type *t = types_get(z->types, id);
    if (t->comp == COMP_FUNC) return NULL;
    if (!object_shape(z->types, t, &p->shape)) {
        if (!z->error) z->error = error_no_memory();
        return NULL;
    }
    p->known = true;
    return p;
}

/* ---- Finding objects ---- */

static uint32_t array_length(const Object *o) { return ((const Array *)(const void *)o)->length; }
static Exception *exception_of(Object *o) { return (Exception *)(void *)o; }

static const Type *tag_type(const TypeRegistry *types, TagRef tag)
{
    return types_get(types, tag.owner->module->tags[tag.index]);
}

static bool has_number(const Freezer *z, const Object *o)
{
    return o->store < z->n && z->objects[o->store] == o;
}

/* Whether it can be an object: its type exists, and the block has room for it. */
static bool is_whole(Freezer *z, Object *o, uint64_t block)
{
    if (o->type == OBJECT_HOST) return block >= sizeof(HostObject);
    if (o->type == OBJECT_EXCEPTION) {
        const Exception *e = exception_of(o);
        return block >= sizeof *e + (uint64_t)e->nslots * sizeof(Slot) &&
               e->nslots == tag_type(z->types, e->tag)->param_slots;
    }
    const TypePlace *p = type_place(z, o->type);
    if (!p) return false;
    const Type *t = p->shape.type;
    return block >= t->size &&
           (t->comp == COMP_STRUCT || block - t->size >= array_bytes(t, array_length(o)));
}

static bool add_object(Freezer *z, Object *o)
{
    if (z->n == z->cap) {
        uint32_t cap = z->cap ? 2 * z->cap : FIRST_CAPACITY;
        Object **more = reallocarray(z->objects, cap, sizeof(Object *));
        if (!more || cap > OBJECTS_MAX) {
            z->error = more ? fnvm_error_new(FNVM_E_LIMIT, "more than %d objects in an image",
                                             OBJECTS_MAX)
                            : error_no_memory();
            if (more) z->objects = more;
            return false;
        }
        z->objects = more;
        z->cap = cap;
    }
    o->store = z->n;
    z->objects[z->n++] = o;
    return true;
}

/* Takes up what a reference refers to; false if it is not a value of the type. */
static bool take_up(Freezer *z, uint64_t ref, ValType type)
{
    if (!ref) return true;
    if (ref_is_i31(ref)) return i31_fits(z->types, ref, type);
    const uint64_t block = heap_block_size(z->store, ref);
    if (block < sizeof(Object)) return false;
    Object *o = ref_object(ref);
    const bool known = has_number(z, o);
    if (!known && (o->store != z->store->lists.tag || !is_whole(z, o, block))) return false;
    return object_fits(z->types, o->type, type) && (known || add_object(z, o));
}

static uint64_t ref_at(const uint8_t *at)
{
    uint64_t ref;
    memcpy(&ref, at, sizeof ref);
    return ref;
}

static bool scan_exception(Freezer *z, const Exception *e)
{
    const Type *t = tag_type(z->types, e->tag);
    const Slot *slot = e->payload;
    for (uint32_t i = 0; i < t->nparams; slot += type_slots(t->params[i++]))
        if (type_may_hold_objects(z->types, t->params[i]) && !take_up(z, slot->i64, t->params[i]))
            return false;
    return true;
}

/* Takes up all that the object refers to; false if some of that is not what it should be. */
static bool scan(Freezer *z, Object *o)
{
    if (o->type == OBJECT_HOST) return true;
    if (o->type == OBJECT_EXCEPTION) return scan_exception(z, exception_of(o));
    const ObjectShape *shape = &z->places[o->type].shape;
    const Type *t = shape->type;
    const uint8_t *at = (const uint8_t *)o;
    if (t->comp == COMP_STRUCT) {
        for (uint32_t i = 0; i < shape->nrefs; i++) {
            const Field *f = &t->fields[shape->refs[i]];
            if (!take_up(z, ref_at(at + f->offset), f->type)) return false;
        }
    } else if (shape->nrefs) {
        for (uint32_t i = 0; i < array_length(o); i++)
            if (!take_up(z, ref_at(at + sizeof(Array) + 8 * (uint64_t)i), t->fields[0].type))
                return false;
    }
    return true;
}

static void forget_from(Freezer *z, uint32_t first)
{
    for (uint32_t i = first; i < z->n; i++) z->objects[i]->store = z->store->lists.tag;
    z->n = z->scanned = first;
}

/* Takes up all that can be reached from the reference, or nothing: false then. */
static bool follow(Freezer *z, uint64_t ref, ValType type)
{
    const uint32_t before = z->n;
    bool fits = take_up(z, ref, type);
    while (fits && z->scanned < z->n) fits = scan(z, z->objects[z->scanned++]);
    if (!fits) forget_from(z, before);
    return fits;
}

static void follow_spans(Freezer *z, RootKind kind)
{
    for (size_t i = 0; i < z->spans.n; i++) {
        const RootSpan *s = &z->spans.at[i];
        if (s->kind != kind) continue;
        const uint64_t *refs = root_place(z->store, s->instance, s->at);
        for (uint64_t k = 0; k < s->count && !z->error; k++) {
            z->dead[i] = !follow(z, refs[k], s->type);
            if (z->dead[i] && kind == ROOT_EXACT && !z->error)
                z->error = fnvm_error_new(FNVM_E_UNSUPPORTED,
                                          "instance %u refers to an object whose type no module of "
                                          "the store has: it cannot be in an image", s->instance);
        }
    }
}

/* ---- Writing ---- */

static uint64_t contents_size(const Freezer *z, const Object *o)
{
    if (o->type == OBJECT_HOST) return sizeof(uint64_t);
    if (o->type == OBJECT_EXCEPTION)
        return sizeof(ObjectsTag) +
               ((const Exception *)(const void *)o)->nslots * (uint64_t)sizeof(Slot);
    const Type *t = z->places[o->type].shape.type;
    return t->comp == COMP_STRUCT ? t->size - sizeof(Object)
                                  : contents_pad(array_bytes(t, array_length(o)));
}

/* Numbers the types in the order of the objects, and adds up what the bytes need. */
static void count_contents(Freezer *z)
{
    z->head.nobjects = z->n;
    for (uint32_t i = 0; i < z->n; i++) {
        const Object *o = z->objects[i];
        z->head.contents_size += contents_size(z, o);
        if (o->type == OBJECT_HOST || o->type == OBJECT_EXCEPTION) continue;
        TypePlace *p = &z->places[o->type];
        if (!p->number) p->number = ++z->head.ntypes;
    }
}

static uint64_t portable_ref(uint64_t ref)
{
    return !ref || ref_is_i31(ref) ? ref : objects_ref(ref_object(ref)->store);
}

static void rewrite_ref(uint8_t *at)
{
    uint64_t ref = portable_ref(ref_at(at));
    memcpy(at, &ref, sizeof ref);
}

/* The upper half of a slot with 32 bits says nothing. */
static void write_exception(const Freezer *z, const Exception *e, uint8_t *at)
{
    const Type *t = tag_type(z->types, e->tag);
    const ObjectsTag tag = {e->tag.owner->id, e->tag.index};
    memcpy(at, &tag, sizeof tag);
    Slot *out = (Slot *)(void *)(at + sizeof tag);
    memcpy(out, e->payload, e->nslots * sizeof *out);
    for (uint32_t i = 0; i < t->nparams; out += type_slots(t->params[i++])) {
        if (type_may_hold_objects(z->types, t->params[i])) out->i64 = portable_ref(out->i64);
        else if (t->params[i] == TYPE_I32 || t->params[i] == TYPE_F32) out->i64 = out->i32;
    }
}

static void write_object(const Freezer *z, Object *o, ObjectsEntry *entry, uint8_t *at)
{
    const uint8_t *from = (const uint8_t *)o;
    if (o->type == OBJECT_HOST) {
        *entry = (ObjectsEntry){.type = OBJECTS_HOST};
        memcpy(at, from + offsetof(HostObject, value), sizeof(uint64_t));
        return;
    }
    if (o->type == OBJECT_EXCEPTION) {
        *entry = (ObjectsEntry){OBJECTS_EXCEPTION, exception_of(o)->nslots};
        write_exception(z, exception_of(o), at);
        return;
    }
    const TypePlace *p = &z->places[o->type];
    const Type *t = p->shape.type;
    entry->type = p->number - 1;
    if (t->comp == COMP_STRUCT) {
        memcpy(at, from + sizeof(Object), t->size - sizeof(Object));
        for (uint32_t i = 0; i < p->shape.nrefs; i++)
            rewrite_ref(at + t->fields[p->shape.refs[i]].offset - sizeof(Object));
        return;
    }
    entry->length = array_length(o);
    memcpy(at, from + sizeof(Array), array_bytes(t, entry->length));
    for (uint32_t i = 0; p->shape.nrefs && i < entry->length; i++)
        rewrite_ref(at + 8 * (uint64_t)i);
}

/* Places to be zero in the pages: references to objects, and what dead slots hold.  `root` is where
 * those that refer to objects go; NULL: they are counted. */
static void write_roots(Freezer *z, ObjectsRoot *root, ObjectRoot *place)
{
    uint64_t nroots = 0, nplaces = 0;
    for (size_t i = 0; i < z->spans.n; i++) {
        const RootSpan *s = &z->spans.at[i];
        const uint64_t *refs = root_place(z->store, s->instance, s->at);
        for (uint64_t k = 0; k < s->count; k++) {
            const uint64_t at = s->at + k * sizeof *refs;
            if (!refs[k] || (!z->dead[i] && ref_is_i31(refs[k]))) continue;
            if (place) place[nplaces] = (ObjectRoot){.instance = s->instance, .at = at};
            nplaces++;
            if (z->dead[i]) continue;
            if (root) root[nroots] = (ObjectsRoot){s->instance, ref_object(refs[k])->store, at};
            nroots++;
        }
    }
    z->head.nroots = nroots;
    z->out->nroots = nplaces;
}

static void write_types(const Freezer *z, ObjectsType *out)
{
    for (uint32_t i = 0; i < z->n; i++) {
        const TypeId id = z->objects[i]->type;
        if (id == OBJECT_HOST || id == OBJECT_EXCEPTION) continue;
        const TypePlace *p = &z->places[id];
        out[p->number - 1] = (ObjectsType){p->instance, p->index};
    }
}

static uint64_t bytes_size(const ObjectsHead *h)
{
    return sizeof *h + h->ntypes * (uint64_t)sizeof(ObjectsType) +
           h->nroots * sizeof(ObjectsRoot) + h->nobjects * (uint64_t)sizeof(ObjectsEntry) +
           h->contents_size;
}

static void write_bytes(Freezer *z)
{
    uint8_t *at = z->out->bytes;
    memcpy(at, &z->head, sizeof z->head);
    ObjectsType *types = (ObjectsType *)(void *)(at + sizeof z->head);
    ObjectsRoot *roots = (ObjectsRoot *)(void *)(types + z->head.ntypes);
    ObjectsEntry *entries = (ObjectsEntry *)(void *)(roots + z->head.nroots);
    write_types(z, types);
    write_roots(z, roots, z->out->roots);
    at = (uint8_t *)(entries + z->n);
    for (uint32_t i = 0; i < z->n; i++) {
        write_object(z, z->objects[i], &entries[i], at);
        at += contents_size(z, z->objects[i]);
    }
}

static void write_graph(Freezer *z)
{
    ObjectsFrozen *out = z->out;
    count_contents(z);
    write_roots(z, NULL, NULL);
    if (out->nroots) out->roots = calloc(out->nroots, sizeof *out->roots);
    if (z->n) {
        out->size = bytes_size(&z->head);
        out->bytes = calloc(1, out->size);
    }
    if ((out->nroots && !out->roots) || (z->n && !out->bytes)) z->error = error_no_memory();
    else if (z->n) write_bytes(z);
    else write_roots(z, NULL, out->roots);
}

/* ---- All of it ---- */

static void freeze_still(void *env)
{
    Freezer *z = env;
    follow_spans(z, ROOT_EXACT);
    follow_spans(z, ROOT_DOUBTFUL);
    if (!z->error) write_graph(z);
    forget_from(z, 0);
}

static fnvm_error *prepare(Freezer *z, const Instance *owner, const StackRef *refs, uint32_t nrefs)
{
    fnvm_error *error = root_spans_find(z->store, owner, refs, nrefs, &z->spans);
    if (!error && z->store->heap) error = find_types(z); /* else there are no objects */
    if (error) return error;
    z->dead = calloc(z->spans.n + 1, sizeof *z->dead);
    if (!z->dead) return error_no_memory();
    for (size_t i = 0; i < z->spans.n; i++) z->dead[i] = z->spans.at[i].kind == ROOT_DEAD;
    return NULL;
}

fnvm_error *objects_freeze(Store *store, const Instance *owner, const StackRef *refs,
                           uint32_t nrefs, ObjectsFrozen *out)
{
    *out = (ObjectsFrozen){0};
    Freezer z = {.store = store, .types = &store->engine->types, .out = out};
    z.error = prepare(&z, owner, refs, nrefs);
    if (!z.error) heap_hold_still(store, freeze_still, &z);
    if (z.error) objects_frozen_free(out);
    for (uint32_t i = 0; i < z.nplaces; i++) object_shape_free(&z.places[i].shape);
    free(z.places);
    free(z.objects);
    free(z.dead);
    root_spans_free(&z.spans);
    return z.error;
}

void objects_frozen_free(ObjectsFrozen *f)
{
    free(f->bytes);
    free(f->roots);
    *f = (ObjectsFrozen){0};
}
