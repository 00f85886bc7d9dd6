/* The steps of restoring, which checking takes too. */
#ifndef FNVM_VM_IMAGE_RESTORE_H
#define FNVM_VM_IMAGE_RESTORE_H

#include "vm/image/image.h"

/* Brings the linker's host functions into the image's order.  `all_trap`: whatever they are defined
 * as, functions that trap take their places. */
fnvm_error *restore_hosts(Image *, fnvm_linker *, bool all_trap);

/* Where the region of an instance comes from. */
RegionSource restore_source(const Image *, uint32_t id);

/* Maps the region of the instance with the next id and takes it into the store; nothing is linked. */
fnvm_error *restore_region(Image *, Store *, uint32_t id, Instance **out);

/* The definition that link `i` of an instance is, whose owner is in the store. */
fnvm_extern restore_link(const Image *, const Store *, const ImageInstance *, uint32_t i,
                         fnvm_externkind);

#endif
