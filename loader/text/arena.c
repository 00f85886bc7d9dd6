/* Small requests are cut from 64 KiB chunks; a big one has a chunk of its own, so that growing it
 * is a realloc and leaves no garbage behind.  A small block that is the newest in its chunk grows
 * in place. */
#include "loader/text/arena.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, BIG_BYTES = 16 * 1024, ALIGN_BYTES = 16 };

struct ArenaChunk {
    ArenaChunk *older, *newer;
    size_t used, size; /* of data */
    _Alignas(ALIGN_BYTES) uint8_t data[];
};

void arena_init(Arena *arena) { *arena = (Arena){0}; }

void arena_free(Arena *arena)
{
    for (ArenaChunk *chunk = arena->chunks, *older; chunk != NULL; chunk = older) {
        older = chunk->older;
        free(chunk);
    }
    arena_init(arena);
}

static ArenaChunk *arena_chunk(Arena *arena, size_t size)
{
    ArenaChunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL) {
        arena->failed = true;
        return NULL;
    }
    *chunk = (ArenaChunk){.older = arena->chunks, .size = size};
    if (arena->chunks != NULL) arena->chunks->newer = chunk;
    arena->chunks = chunk;
    return chunk;
}

static size_t rounded(size_t size) { return (size + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1); }

/* Not cleared. */
static void *arena_take(Arena *arena, size_t size)
{
    if (arena->failed || size > ARENA_MAX_BYTES) {
        arena->failed = true;
        return NULL;
    }
    if (size >= BIG_BYTES) {
        ArenaChunk *own = arena_chunk(arena, size);
        if (own != NULL) own->used = size;
        return own != NULL ? own->data : NULL;
    }
    size = rounded(size);
    ArenaChunk *chunk = arena->current;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = arena->current = arena_chunk(arena, CHUNK_BYTES);
        if (chunk == NULL) return NULL;
    }
    void *block = chunk->data + chunk->used;
    chunk->used += size;
    return block;
}

void *arena_alloc(Arena *arena, size_t size)
{
    void *block = arena_take(arena, size);
    if (block != NULL) memset(block, 0, size);
    return block;
}

/* A block with a chunk of its own. */
static void *arena_grow_big(Arena *arena, void *block, size_t new_size)
{
    ArenaChunk *chunk = (ArenaChunk *)(void *)((uint8_t *)block - offsetof(ArenaChunk, data));
    ArenaChunk *moved = realloc(chunk, sizeof *chunk + new_size);
    if (moved == NULL) {
        arena->failed = true;
        return NULL;
    }
    moved->used = moved->size = new_size;
    if (moved->older != NULL) moved->older->newer = moved;
    if (moved->newer != NULL)
        moved->newer->older = moved;
    else
        arena->chunks = moved;
    return moved->data;
}

void *arena_grow(Arena *arena, void *block, size_t old_size, size_t new_size)
{
    if (block == NULL) return arena_take(arena, new_size);
    if (arena->failed || new_size > ARENA_MAX_BYTES) {
        arena->failed = true;
        return NULL;
    }
    if (old_size >= BIG_BYTES) return arena_grow_big(arena, block, new_size);
    ArenaChunk *chunk = arena->current;
    bool newest = (uint8_t *)block + rounded(old_size) == chunk->data + chunk->used;
    size_t more = rounded(new_size) - rounded(old_size);
    if (newest && new_size < BIG_BYTES && chunk->size - chunk->used >= more) {
        chunk->used += more;
        return block;
    }
    void *moved = arena_take(arena, new_size);
    if (moved != NULL && old_size != 0) memcpy(moved, block, old_size);
    return moved;
}

void *arena_reserve(Arena *arena, void *items, size_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) return items;
    if (*cap > UINT32_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    uint32_t more = *cap < 8 ? 8 : *cap * 2;
    void *moved = arena_grow(arena, items, *cap * size, more * size);
    if (moved != NULL) *cap = more;
    return moved;
}

/* ---- Buffers --------------------------------------------------------------------------------- */

void buffer_init(Buffer *buffer, Arena *arena) { *buffer = (Buffer){.arena = arena}; }

static bool buffer_reserve(Buffer *buffer, size_t more)
{
    if (buffer->cap - buffer->len >= more) return true;
    if (more > ARENA_MAX_BYTES || buffer->cap > ARENA_MAX_BYTES / 2) {
        buffer->arena->failed = true;
        return false;
    }
    size_t cap = buffer->cap < 32 ? 64 : buffer->cap * 2;
    if (cap - buffer->len < more) cap = buffer->len + more;
    uint8_t *moved = arena_grow(buffer->arena, buffer->bytes, buffer->cap, cap);
    if (moved == NULL) return false;
    buffer->bytes = moved;
    buffer->cap = cap;
    return true;
}

void buffer_bytes(Buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0 || !buffer_reserve(buffer, len)) return;
    memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
}

void buffer_byte(Buffer *buffer, uint8_t byte) { buffer_bytes(buffer, &byte, 1); }

void buffer_u64(Buffer *buffer, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    do {
        bytes[len++] = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
    buffer_bytes(buffer, bytes, len);
}

void buffer_s64(Buffer *buffer, int64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    for (;;) {
        uint8_t low = (uint8_t)(value & 0x7F);
        value >>= 7; /* arithmetic, as gcc and clang define it */
        bool last = (value == 0 && !(low & 0x40)) || (value == -1 && (low & 0x40));
        bytes[len++] = (uint8_t)(low | (last ? 0 : 0x80));
        if (last) break;
    }
    buffer_bytes(buffer, bytes, len);
}

void buffer_little(Buffer *buffer, uint64_t value, unsigned width)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    buffer_bytes(buffer, bytes, width);
}

void buffer_name(Buffer *buffer, const void *bytes, size_t len)
{
    buffer_u64(buffer, len);
    buffer_bytes(buffer, bytes, len);
}

void buffer_buffer(Buffer *buffer, const Buffer *other)
{
    buffer_bytes(buffer, other->bytes, other->len);
}
