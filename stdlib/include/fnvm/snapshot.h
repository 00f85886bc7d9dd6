/* fnvm/snapshot.h - for guests in C: being frozen into an image, and knowing that one was woken.
 *
 * A program that takes long to start calls fnvm_checkpoint() when it has started.  Where somebody
 * takes an image (`fnvm snapshot`), all its memory is frozen there, and any number of instances
 * are woken from it later, each going on behind the call:
 *
 *     load_everything();
 *     if (fnvm_checkpoint() == 1)
 *         reseed();
 *     serve();
 *
 * What to do after 1.  All that the program has read or drawn before is the same in every instance:
 * - seeds, keys, nonces and unique names: draw them again (getentropy gives fresh bytes);
 * - the time: read the clocks again; the monotonic one may have jumped, forwards or backwards;
 * - arguments and environment: libc has copied them before; the functions args_get and environ_get
 *   of WASI give those of now.
 * Open files are open as before, where they were, by their names; sockets cannot be frozen.
 *
 * A library that draws once and keeps the result cannot see the call: it compares the number that
 * fnvm_generation() gives with the one it had then, and draws again when they differ.
 */
#ifndef FNVM_SNAPSHOT_H
#define FNVM_SNAPSHOT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_SNAPSHOT_IMPORT(name) \
    __attribute__((import_module("fnvm:snapshot"), import_name(name)))

/* Here the program may be frozen.
 *  0  an image was written; this is the instance that it was made from
 *  1  this instance was woken from the image
 * -1  nobody takes images */
FNVM_SNAPSHOT_IMPORT("checkpoint") int32_t fnvm_checkpoint(void);

/* 0 in an instance that was started; in one that was woken, a random number above 1, which it
 * keeps.  Costs one call to the host. */
FNVM_SNAPSHOT_IMPORT("generation") int64_t fnvm_generation(void);

#undef FNVM_SNAPSHOT_IMPORT

#ifdef __cplusplus
}
#endif
#endif
