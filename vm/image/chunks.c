/* A chunk is hashed from its first byte that is not known to be zero; the zeros before it are only
 * counted until then.  So chunks that lie in a hole whole, of which a small file can have millions,
 * get their hash from a table of one. */
#include "vm/image/chunks.h"

static const uint8_t zeros[IMAGE_PAGE];

/* BLAKE2b of IMAGE_CHUNK zeros. */
static const ImageHash zero_chunk = {{
    0xc7, 0x48, 0x60, 0xdd, 0x74, 0x80, 0xe7, 0xf4, 0xb5, 0xae, 0x70, 0x5f, 0x91, 0x37, 0xe9, 0x0a,
    0x0a, 0xa0, 0xbc, 0x67, 0xd6, 0xe9, 0x0c, 0xf8, 0x07, 0x8d, 0xd6, 0x69, 0x7d, 0xbd, 0xb6, 0xad,
}};

/* libsodium's hashing cannot fail with these sizes. */
void hash_begin(crypto_generichash_state *state)
{
    crypto_generichash_init(state, NULL, 0, IMAGE_HASH_BYTES);
}

void hash_add(crypto_generichash_state *state, const uint8_t *bytes, uint64_t size)
{
    if (bytes) {
        crypto_generichash_update(state, bytes, size);
        return;
    }
    for (uint64_t n; size > 0; size -= n) {
        n = size < sizeof zeros ? size : sizeof zeros;
        crypto_generichash_update(state, zeros, n);
    }
}

void hash_finish(crypto_generichash_state *state, ImageHash *out)
{
    crypto_generichash_final(state, out->bytes, sizeof out->bytes);
}

void chunks_start(Chunks *c, bool (*done)(void *env, const ImageHash *), void *env)
{
    c->filled = 0;
    c->hashing = false;
    c->done = done;
    c->env = env;
}

static void hash_so_far(Chunks *c)
{
    if (c->hashing) return;
    hash_begin(&c->state);
    hash_add(&c->state, NULL, c->filled);
    c->hashing = true;
}

static bool finish_chunk(Chunks *c)
{
    ImageHash hash;
    if (!c->hashing && c->filled == IMAGE_CHUNK) {
        hash = zero_chunk;
    } else {
        hash_so_far(c);
        hash_finish(&c->state, &hash);
    }
    c->filled = 0;
    c->hashing = false;
    return c->done(c->env, &hash);
}

bool chunks_add(Chunks *c, const uint8_t *bytes, uint64_t size)
{
    for (size_t n; size > 0; size -= n) {
        n = IMAGE_CHUNK - c->filled;
        if (n > size) n = (size_t)size;
        if (bytes) hash_so_far(c);
        if (c->hashing) hash_add(&c->state, bytes, n);
        if (bytes) bytes += n;
        c->filled += n;
        if (c->filled == IMAGE_CHUNK && !finish_chunk(c)) return false;
    }
    return true;
}

bool chunks_end(Chunks *c) { return c->filled == 0 || finish_chunk(c); }
