/* What freezing, checking and thawing objects go by: the places in regions that may refer to
 * objects, the fields of objects that may, and what may be where. */
#ifndef FNVM_VM_IMAGE_OBJECTS_GRAPH_H
#define FNVM_VM_IMAGE_OBJECTS_GRAPH_H

#include "vm/heap.h"
#include "vm/image/objects_format.h"
#include "vm/image/stack.h"
#include "vm/region.h"

/* ---- Places ---- */

typedef enum RootKind {
    ROOT_EXACT,               /* a value of the type */
    ROOT_DOUBTFUL,            /* or, in a dead local, anything */
    ROOT_DEAD                 /* an item of a segment that nobody will read again */
} RootKind;

/* Neighbouring places of 8 bytes each. */
typedef struct RootSpan {
    uint64_t at, count;       /* from the region's start */
    uint32_t instance;
    ValType type;             /* admits null unless every value is one that the guest wrote */
    RootKind kind;
} RootSpan;

typedef struct RootSpans { RootSpan *at; size_t n, cap; } RootSpans; /* zero to begin with */

/* Adds all places of the store whose type is of the any, extern or exn hierarchy, ascending by
 * instance, then place: own globals and elements of own tables, items of element segments, and
 * `refs` on `owner`'s stack, which must not overlap. */
fnvm_error *root_spans_find(const Store *, const Instance *owner, const StackRef *refs,
                            uint32_t nrefs, RootSpans *out);
void root_spans_free(RootSpans *);

static inline uint64_t *root_place(const Store *s, uint32_t instance, uint64_t at)
{
    return (uint64_t *)(void *)(region_base(s->instances[instance]) + at);
}

/* ---- Objects ---- */

static inline bool type_may_hold_objects(const TypeRegistry *types, ValType t)
{
    return type_is_ref(t) && types_top(types, type_heap(t)) != HEAP_FUNC;
}

/* Which fields of a struct or array type may refer to objects; its elements are field 0. */
typedef struct ObjectShape {
    const Type *type;
    uint32_t *refs, nrefs;    /* indices of fields; owned */
} ObjectShape;

bool object_shape(const TypeRegistry *, const Type *, ObjectShape *out); /* false: no memory */
void object_shape_free(ObjectShape *);

/* Bytes behind the Object, or Array, in memory; before padding.  Of any array length. */
static inline uint64_t array_bytes(const Type *t, uint32_t length)
{
    return (uint64_t)storage_size(t->fields[0].type) * length;
}
static inline uint64_t contents_pad(uint64_t bytes) { return (bytes + 7) & ~UINT64_C(7); }

/* Whether a field or place of the type admits the object: its defined type, OBJECT_HOST or
 * OBJECT_EXCEPTION is given; or the bits as an i31 value. */
bool object_fits(const TypeRegistry *, TypeId object, ValType);
bool i31_fits(const TypeRegistry *, uint64_t bits, ValType);

#endif
