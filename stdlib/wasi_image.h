/* WASI's part of an image: which descriptors the guest has, and how to have them again.
 *
 * An image gives no authority: directories, standard streams, arguments and environment are what
 * the embedder gives at restore.  A preopened directory is found again by the guest's name for it,
 * under the descriptor's number; an open file by the directory it was opened beneath, the path from
 * there, and its offset. */
#ifndef FNVM_STDLIB_WASI_IMAGE_H
#define FNVM_STDLIB_WASI_IMAGE_H

#include "stdlib/wasi.h"

/* The state as bytes (free()d by the caller).  FNVM_E_UNSUPPORTED, with one line for each
 * descriptor that cannot be frozen and why: sockets, pipes that are no standard stream, files that
 * were removed or renamed since they were opened, or whose path is too long. */
fnvm_error *wasi_freeze(Wasi *, uint8_t **bytes, size_t *size);

/* Makes the descriptors what they were, from what the embedder has put into a new fnvm_wasi, once.
 * What was given besides gets numbers that are free; without bytes (size 0) all stays as it was
 * given.  FNVM_E_NOT_FOUND, naming all of them, for directories that were not given and files that
 * are gone; other codes, with the same list, for files that cannot be opened as they were.  The
 * bytes may be hostile.  After an error the fnvm_wasi can only be freed. */
fnvm_error *wasi_thaw(Wasi *, const uint8_t *bytes, size_t size);

/* Back to what wasi_thaw left: closes what was opened and given since (standard streams, too),
 * takes back what was closed, which the host never closed, restores offsets and flags.  Costs
 * nothing where nothing has changed but offsets of regular files. */
fnvm_error *wasi_reset(Wasi *);

/* Lines "random_get, called by getentropy <- main\n" of the first draws of each kind that
 * fnvm_wasi_note_draws saw, NUL-terminated; "" if there were none. */
const char *wasi_draws(const Wasi *);

#endif
