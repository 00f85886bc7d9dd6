/* The part OBJECTS of an image: a graph of managed objects as bytes.
 *
 *   ObjectsHead
 *   ObjectsType[ntypes]      types that objects have, each once
 *   ObjectsRoot[nroots]      places in regions that refer to objects; ascending by instance, place
 *   ObjectsEntry[nobjects]   by the object's number
 *   contents                 of the objects, in the same order, each padded to 8 bytes:
 *
 *     struct      what follows the Object in memory: fields at Field.offset - sizeof(Object)
 *     array       its elements
 *     exception   ObjectsTag, then the payload's slots
 *     host value  8 bytes: the value
 *
 * A reference takes 8 bytes.  To an object: its number plus 1, doubled; null and i31 values are as
 * in memory, and differ from that: 0, and odd.  References to functions are FuncRefs, as in memory.
 *
 * Numbers count objects in the order in which a breadth-first search from the roots meets them, so
 * that equal graphs make equal bytes.  The part is aligned to 8 bytes at least, and then so is all
 * that is in it but v128 values.  No objects, no bytes. */
#ifndef FNVM_VM_IMAGE_OBJECTS_FORMAT_H
#define FNVM_VM_IMAGE_OBJECTS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ObjectsHead {
    uint32_t ntypes, nobjects;
    uint64_t nroots;
    uint64_t contents_size;   /* bytes */
} ObjectsHead;

typedef struct ObjectsType { uint32_t instance, index; } ObjectsType; /* of the instance's module */

typedef struct ObjectsRoot {
    uint32_t instance;
    uint32_t object;          /* number */
    uint64_t at;              /* from the region's start */
} ObjectsRoot;

typedef struct ObjectsEntry {
    uint32_t type;            /* in the list of types, or OBJECTS_* */
    uint32_t length;          /* elements of an array, slots of an exception's payload, else 0 */
} ObjectsEntry;
#define OBJECTS_HOST UINT32_MAX
#define OBJECTS_EXCEPTION (UINT32_MAX - 1)
enum { OBJECTS_MAX = 1 << 30 };  /* of one image */

typedef struct ObjectsTag { uint32_t instance, index; } ObjectsTag; /* which defines the tag */

static inline uint64_t objects_ref(uint32_t number) { return ((uint64_t)number + 1) << 1; }
static inline bool objects_ref_is_object(uint64_t ref) { return ref && !(ref & 1); }
static inline uint64_t objects_ref_number(uint64_t ref) { return (ref >> 1) - 1; }

/* The bytes' parts, where they lie. */
typedef struct ObjectsView {
    const ObjectsHead *head;
    const ObjectsType *types;
    const ObjectsRoot *roots;
    const ObjectsEntry *entries;
    const uint8_t *contents;
} ObjectsView;

/* False if the sizes do not add up to what there is. */
static inline bool objects_view(const uint8_t *bytes, uint64_t size, ObjectsView *out)
{
    if (size < sizeof(ObjectsHead)) return false;
    const ObjectsHead *h = (const ObjectsHead *)(const void *)bytes;
    uint64_t left = size - sizeof *h;
    if (h->nobjects > OBJECTS_MAX || h->nroots > left / sizeof(ObjectsRoot)) return false;
    const uint64_t types = h->ntypes * (uint64_t)sizeof(ObjectsType);
    const uint64_t roots = h->nroots * sizeof(ObjectsRoot);
    const uint64_t entries = h->nobjects * (uint64_t)sizeof(ObjectsEntry);
    left -= roots;
    if (types > left || entries > left - types) return false;
    if (h->contents_size != left - types - entries || h->contents_size % 8) return false;
    const uint8_t *at = bytes + sizeof *h;
    *out = (ObjectsView){h, (const void *)at, (const void *)(at + types),
                         (const void *)(at + types + roots), at + types + roots + entries};
    return true;
}

#endif
