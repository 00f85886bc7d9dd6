/* All objects are allocated first, so that references can go in any direction, then filled, and
 * only then do regions refer to them: what fails half way leaves nothing behind but garbage.  The
 * array of their addresses is a root meanwhile.  (Turning the collector off instead would do so for
 * all stores of the process, and those that measure what they have would read nonsense.) */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/image/objects.h"
#include "vm/image/objects_graph.h"
#include "vm/limits.h"

typedef struct Thaw {
    Store *store;
    ObjectsView view;
    ObjectShape *shapes;      /* by number of the type */
    uint64_t *objects;        /* their addresses, by number */
} Thaw;

static uint64_t in_memory(const Thaw *t, uint64_t ref)
{
    return objects_ref_is_object(ref) ? t->objects[objects_ref_number(ref)] : ref;
}

static bool find_shapes(Thaw *t)
{
    const TypeRegistry *types = &t->store->engine->types;
    for (uint32_t i = 0; i < t->view.head->ntypes; i++) {
        const ObjectsType *at = &t->view.types[i];
        const Module *m = t->store->instances[at->instance]->module;
        if (!object_shape(types, types_get(types, m->types[at->index]), &t->shapes[i])) return false;
    }
    return true;
}

/* ---- Allocating ---- */

/* Contents are as in the file until they are filled: small numbers, which refer to nothing. */
static fnvm_trap make_exception(Thaw *t, uint32_t nslots, const uint8_t *from, uint64_t *out)
{
    ObjectsTag tag;
    memcpy(&tag, from, sizeof tag);
    const Slot *payload = (const Slot *)(const void *)(from + sizeof tag);
    return heap_new_exception(t->store, (TagRef){t->store->instances[tag.instance], tag.index},
                              payload, nslots, out);
}

static fnvm_error *make_objects(Thaw *t)
{
    const uint8_t *from = t->view.contents;
    fnvm_trap trap = FNVM_TRAP_NONE;
    for (uint32_t i = 0; i < t->view.head->nobjects && !trap; i++) {
        const ObjectsEntry *e = &t->view.entries[i];
        uint64_t *out = &t->objects[i];
        if (e->type == OBJECTS_HOST) {
            uint64_t value;
            memcpy(&value, from, sizeof value);
            trap = heap_new_host(t->store, value, out);
            from += sizeof value;
        } else if (e->type == OBJECTS_EXCEPTION) {
            trap = make_exception(t, e->length, from, out);
            from += sizeof(ObjectsTag) + e->length * sizeof(Slot);
        } else {
            const Type *type = t->shapes[e->type].type;
            const bool is_struct = type->comp == COMP_STRUCT;
            trap = is_struct ? heap_new_struct(t->store, type, out)
                             : heap_new_array(t->store, type, e->length, out);
            from += is_struct ? type->size - sizeof(Object)
                              : contents_pad(array_bytes(type, e->length));
        }
    }
    if (!trap) return NULL;
    const fnvm_engine *engine = t->store->engine;
    char limit[LIMIT_TEXT];
    limit_print(engine, CONFIG_HEAP, engine->config.max_heap_bytes, limit, sizeof limit);
    return fnvm_error_new(FNVM_E_LIMIT, "the image's %u objects do not fit into the heap: %s; the "
                          "limit is %s", t->view.head->nobjects, fnvm_trap_text(trap), limit);
}

/* ---- Filling ---- */

static void fill_ref(const Thaw *t, uint8_t *at)
{
    uint64_t ref;
    memcpy(&ref, at, sizeof ref);
    ref = in_memory(t, ref);
    memcpy(at, &ref, sizeof ref);
}

static uint64_t fill_struct(const Thaw *t, const ObjectShape *shape, uint8_t *o,
                            const uint8_t *from)
{
    const uint64_t size = shape->type->size - sizeof(Object);
    memcpy(o + sizeof(Object), from, size);
    for (uint32_t i = 0; i < shape->nrefs; i++)
        fill_ref(t, o + shape->type->fields[shape->refs[i]].offset);
    return size;
}

static uint64_t fill_array(const Thaw *t, const ObjectShape *shape, uint8_t *o, uint32_t length,
                           const uint8_t *from)
{
    const uint64_t size = array_bytes(shape->type, length);
    memcpy(o + sizeof(Array), from, size);
    for (uint32_t i = 0; shape->nrefs && i < length; i++)
        fill_ref(t, o + sizeof(Array) + sizeof(uint64_t) * (uint64_t)i);
    return contents_pad(size);
}

static uint64_t fill_exception(const Thaw *t, Exception *e)
{
    const TypeRegistry *types = &t->store->engine->types;
    const Type *type = types_get(types, e->tag.owner->module->tags[e->tag.index]);
    Slot *slot = e->payload;
    for (uint32_t i = 0; i < type->nparams; slot += type_slots(type->params[i++]))
        if (type_may_hold_objects(types, type->params[i])) slot->i64 = in_memory(t, slot->i64);
    return sizeof(ObjectsTag) + e->nslots * sizeof(Slot);
}

static void fill_objects(const Thaw *t)
{
    const uint8_t *from = t->view.contents;
    for (uint32_t i = 0; i < t->view.head->nobjects; i++) {
        const ObjectsEntry *e = &t->view.entries[i];
        uint8_t *o = (uint8_t *)ref_object(t->objects[i]);
        if (e->type == OBJECTS_HOST) from += sizeof(uint64_t);
        else if (e->type == OBJECTS_EXCEPTION) from += fill_exception(t, (Exception *)(void *)o);
        else if (t->shapes[e->type].type->comp == COMP_STRUCT)
            from += fill_struct(t, &t->shapes[e->type], o, from);
        else from += fill_array(t, &t->shapes[e->type], o, e->length, from);
    }
}

/* ---- Roots ---- */

/* Frames of a suspended call are not on the stack before it goes on; until then nothing but this
 * tells the collector that its slots are in use. */
typedef struct StackSlots { const uint64_t *from, *to; } StackSlots;

static void note_stack_slot(StackSlots *s, const Instance *inst, const uint64_t *place)
{
    const uint8_t *at = (const uint8_t *)place;
    if (at < inst->stack_base || at >= inst->stack_base + inst->context->stack.size) return;
    if (!s->from) s->from = place; /* they come in ascending order */
    s->to = place + 1;
}

static StackSlots write_roots(const Thaw *t)
{
    StackSlots slots = {NULL, NULL};
    for (uint64_t i = 0; i < t->view.head->nroots; i++) {
        const ObjectsRoot *r = &t->view.roots[i];
        uint64_t *place = root_place(t->store, r->instance, r->at);
        *place = t->objects[r->object];
        note_stack_slot(&slots, t->store->instances[r->instance], place);
    }
    return slots;
}

static fnvm_error *thaw(Thaw *t)
{
    const uint32_t n = t->view.head->nobjects;
    t->objects = calloc(n, sizeof *t->objects);
    t->shapes = calloc((size_t)t->view.head->ntypes + 1, sizeof *t->shapes);
    if (!t->objects || !t->shapes || !find_shapes(t) ||
        !heap_keep(t->store, t->objects, t->objects + n))
        return error_no_memory();
    fnvm_error *error = make_objects(t);
    StackSlots slots = {NULL, NULL};
    if (!error) {
        fill_objects(t);
        slots = write_roots(t);
    }
    heap_keep(t->store, slots.from, slots.to);
    return error;
}

fnvm_error *objects_thaw(Store *store, const uint8_t *bytes, uint64_t size)
{
    Thaw t = {.store = store};
    if (size == 0) return NULL;
    if (!objects_view(bytes, size, &t.view))
        return fnvm_error_new(FNVM_E_INVALID, "the image's objects: sizes do not add up");
    if (t.view.head->nobjects == 0) return NULL;
    heap_enter(store);
    fnvm_error *error = thaw(&t);
    heap_leave(store);
    for (uint32_t i = 0; t.shapes && i < t.view.head->ntypes; i++) object_shape_free(&t.shapes[i]);
    free(t.shapes);
    free(t.objects);
    return error;
}
