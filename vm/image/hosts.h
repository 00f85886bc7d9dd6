/* The functions of the host in an image: by the names that the linker knows them by, and their
 * types.  Functions that nobody provided are there too, and trap in every copy. */
#ifndef FNVM_VM_IMAGE_HOSTS_H
#define FNVM_VM_IMAGE_HOSTS_H

#include "vm/image/image.h"

/* Writes those of the store, in its order.  `modules` are the image's.  FNVM_E_UNSUPPORTED if one
 * that is imported has no name, or a type that cannot be named. */
fnvm_error *hosts_write(const Store *, const fnvm_linker *, Module *const *modules,
                        uint32_t nmodules, ImageWriter *);

/* Whether all is as hosts_restore relies on, which checks nothing.  The modules are open. */
fnvm_error *hosts_check(const Image *);

/* Brings the linker's host functions into the image's order, each of exactly the type it had.
 * `all_trap`: functions that trap take the places of all; that is enough to look at an image. */
fnvm_error *hosts_restore(const Image *, fnvm_linker *, bool all_trap);

#endif
