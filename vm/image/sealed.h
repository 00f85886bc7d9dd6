/* Copies that hold still: a file's contents in memory that is sealed against every change, so that
 * what was checked is what is used whatever happens to the file.  And the limits that keep a
 * hostile file from filling memory or taking long: its size says little, as it may have holes. */
#ifndef FNVM_VM_IMAGE_SEALED_H
#define FNVM_VM_IMAGE_SEALED_H

#include "vm/image/file.h"

#define SEALED_MOST_BYTES (UINT64_C(64) << 30) /* with holes: all that a large guest reserves */
#define SEALED_MOST_DATA (UINT64_C(4) << 30)   /* without: a 32-bit memory; takes 4 s to hash */

/* Copies the first `size` bytes, and keeps holes.  A file that shrinks meanwhile has zeros there.
 * FNVM_E_LIMIT beyond SEALED_MOST_DATA. */
fnvm_error *sealed_copy(int fd, const char *name, uint64_t size, int *out);

/* Calls `piece` for all bytes of a mapped file from `start`, where a page starts, to `end`, in
 * order and in whole pages, with NULL for holes: reading these through a mapping of a copy would
 * fill them.  False if `piece` said so. */
typedef bool SealedPiece(void *env, const uint8_t *bytes, uint64_t size);
bool sealed_walk(int fd, const uint8_t *map, uint64_t start, uint64_t end, SealedPiece *piece,
                 void *env);

/* "cannot read `x`: Permission denied", from errno. */
fnvm_error *read_error(const char *name);

#endif
