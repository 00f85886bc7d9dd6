/* Hashes over a store's state for those who compare states that came about in different ways. */
#ifndef FNVM_VM_IMAGE_STATE_HASH_H
#define FNVM_VM_IMAGE_STATE_HASH_H

#include "vm/image/image.h"

/* store_state_hash without what no guest can see: what calls that have returned left on the stacks,
 * and the parts of globals' slots that their types do not use.  So it is the same before a store is
 * frozen and after it is restored, and for both engines. */
fnvm_error *store_visible_hash(Store *, ImageHash *out);

#endif
