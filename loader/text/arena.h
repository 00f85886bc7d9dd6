/* A region of memory that is freed all at once: everything one parse allocates.
 *
 * Failure is sticky: after the first failed allocation `failed` is set and every further request
 * gives NULL (or, for buffers, does nothing), so a parser may check once at its end.  No single
 * request may exceed ARENA_MAX_BYTES. */
#ifndef FNVM_LOADER_TEXT_ARENA_H
#define FNVM_LOADER_TEXT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAX_BYTES ((size_t)1 << 36)

typedef struct ArenaChunk ArenaChunk;
typedef struct Arena {
    ArenaChunk *chunks; /* the newest first; small requests are cut from `current` */
    ArenaChunk *current;
    bool failed;
    bool has_key;         /* of the hashes of its name maps */
    uint64_t hash_key[2];
} Arena;

void arena_init(Arena *);
void arena_free(Arena *);
void *arena_alloc(Arena *, size_t size); /* zeroed, aligned for any type */
/* Resizes a block of old_size bytes (NULL: none) to new_size >= old_size.  The new part is not
 * cleared.  On failure the old block stays as it was. */
void *arena_grow(Arena *, void *block, size_t old_size, size_t new_size);

/* Makes room for one more element in a growing array: `items` of `size` bytes each, `n` in use,
 * `*cap` allocated.  Returns the array, or NULL on failure. */
void *arena_reserve(Arena *, void *items, size_t n, uint32_t *cap, size_t size);

/* A byte string under construction.  Appending to it after a failure does nothing. */
typedef struct Buffer {
    Arena *arena;
    uint8_t *bytes;
    size_t len, cap;
} Buffer;

void buffer_init(Buffer *, Arena *);
void buffer_bytes(Buffer *, const void *bytes, size_t len);
void buffer_byte(Buffer *, uint8_t);
void buffer_u64(Buffer *, uint64_t);                       /* unsigned LEB128 */
void buffer_s64(Buffer *, int64_t);                        /* signed LEB128 */
void buffer_little(Buffer *, uint64_t, unsigned width);    /* fixed width, little-endian */
void buffer_name(Buffer *, const void *bytes, size_t len); /* length, then the bytes */
void buffer_buffer(Buffer *, const Buffer *);

#endif
