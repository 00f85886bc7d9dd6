/* The managed objects of an image: all that globals, tables, element segments and suspended frames
 * reach, as a graph of numbers; made anew by every restore, in time proportional to what it has.
 *
 * Types are named by a module of the store and the index of the type in it, since type ids belong
 * to an engine.  Tags are an instance's id and an index.  Values of host references are kept as
 * they are: what they mean is the embedder's business. */
#ifndef FNVM_VM_IMAGE_OBJECTS_H
#define FNVM_VM_IMAGE_OBJECTS_H

#include "vm/heap.h"
#include "vm/image/stack.h"

/* Where in a region, from its start, a reference to an object was.  The file's page has zero
 * there. */
typedef struct ObjectRoot { uint32_t instance; uint32_t unused; uint64_t at; } ObjectRoot;

typedef struct ObjectsFrozen { /* owned */
    uint8_t *bytes; uint64_t size;     /* the part OBJECTS; none if the store has no objects */
    ObjectRoot *roots; uint64_t nroots; /* ascending by instance, then place */
} ObjectsFrozen;

/* The collector is kept away meanwhile.  `refs` are those of the suspended call on `owner`'s stack
 * (NULL: none), in any order; a StackRef's heap type may be, and for objects_check should be, the
 * local's own instead of the top of its hierarchy.  A dead slot with a bit pattern that is no value
 * of the type counts as null, and is a root too, so that no address gets into the file. */
fnvm_error *objects_freeze(Store *, const Instance *owner, const StackRef *refs, uint32_t nrefs,
                           ObjectsFrozen *out);
void objects_frozen_free(ObjectsFrozen *);

/* Checks hostile bytes against the store's modules and instances: everything in range, every
 * reference of a type that its field or root admits, roots at all the places for them and nowhere
 * else, and no other reference in the pages but null and i31 values.  Relies on the instances'
 * table sizes, drop flags and `elem_refs_ready`. */
fnvm_error *objects_check(Store *, const Instance *owner, const StackRef *refs, uint32_t nrefs,
                          const uint8_t *bytes, uint64_t size);

/* Makes the objects and writes the references into the regions.  `bytes` were checked.
 * FNVM_E_LIMIT if the heap has no room for them; then the regions are as they were.  What only slots
 * of a suspended call refer to is kept until heap_keep is called again: with NULL, once its frames
 * are there. */
fnvm_error *objects_thaw(Store *, const uint8_t *bytes, uint64_t size);

#endif
