/* SipHash-1-3 over 64-bit words, keyed.
 *
 * Guests choose the names and types that our tables hold; with a secret key they cannot choose
 * what collides.  Not for measurement or signatures. */
#ifndef FNVM_VM_HASH_H
#define FNVM_VM_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Hash {
    uint64_t v0, v1, v2, v3;
} Hash;

static inline uint64_t hash_rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static inline void hash_round(Hash *h)
{
    h->v0 += h->v1, h->v1 = hash_rotate(h->v1, 13) ^ h->v0, h->v0 = hash_rotate(h->v0, 32);
    h->v2 += h->v3, h->v3 = hash_rotate(h->v3, 16) ^ h->v2;
    h->v0 += h->v3, h->v3 = hash_rotate(h->v3, 21) ^ h->v0;
    h->v2 += h->v1, h->v1 = hash_rotate(h->v1, 17) ^ h->v2, h->v2 = hash_rotate(h->v2, 32);
}

static inline Hash hash_start(const uint64_t key[2])
{
    return (Hash){key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                  key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
}

static inline void hash_word(Hash *h, uint64_t word)
{
    h->v3 ^= word;
    hash_round(h);
    h->v0 ^= word;
}

static inline uint64_t hash_end(Hash *h)
{
    h->v2 ^= 0xFF;
    hash_round(h);
    hash_round(h);
    hash_round(h);
    return h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
}

static inline uint64_t hash_bytes(const uint64_t key[2], const void *bytes, size_t len)
{
    Hash h = hash_start(key);
    const uint8_t *at = bytes;
    size_t left = len;
    for (uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash_word(&h, word);
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++) last |= (uint64_t)at[i] << (8 * i);
    hash_word(&h, last);
    return hash_end(&h);
}

#endif
