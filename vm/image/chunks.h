/* Hashes of an image's pages, one per IMAGE_CHUNK, made while the bytes go by.  Zeros can be given
 * as what they are: a chunk of nothing else costs nothing, however large the hole. */
#ifndef FNVM_VM_IMAGE_CHUNKS_H
#define FNVM_VM_IMAGE_CHUNKS_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>

#include "vm/image/format.h"

typedef struct Chunks {
    crypto_generichash_state state;
    size_t filled;            /* bytes of the chunk so far */
    bool hashing;             /* false: they are all zeros, and not in `state` yet */
    bool (*done)(void *env, const ImageHash *); /* called per chunk; false stops */
    void *env;
} Chunks;

void chunks_start(Chunks *, bool (*done)(void *env, const ImageHash *), void *env);
/* `bytes` NULL: zeros.  False if `done` said so. */
bool chunks_add(Chunks *, const uint8_t *bytes, uint64_t size);
bool chunks_end(Chunks *); /* the last chunk may be a shorter one */

/* The same hash over something else in pieces. */
void hash_begin(crypto_generichash_state *);
void hash_add(crypto_generichash_state *, const uint8_t *bytes, uint64_t size); /* NULL: zeros */
void hash_finish(crypto_generichash_state *, ImageHash *out);

#endif
