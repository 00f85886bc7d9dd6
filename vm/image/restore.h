/* The steps of restoring, which checking takes too. */
#ifndef FNVM_VM_IMAGE_RESTORE_H
#define FNVM_VM_IMAGE_RESTORE_H

#include "vm/image/image.h"

/* Where the region of an instance comes from. */
RegionSource restore_source(const Image *, uint32_t id);

/* Maps the region of the instance with the next id and takes it into the store; nothing is linked. */
fnvm_error *restore_region(Image *, Store *, uint32_t id, Instance **out);

/* The definition that link `i` of an instance is, whose owner is in the store. */
fnvm_extern restore_link(const Image *, const Store *, const ImageInstance *, uint32_t i,
                         fnvm_externkind);

#endif
