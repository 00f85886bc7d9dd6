/* random.c - the module fnvm:random, and the numbers that the other interfaces need.
 *
 * Random numbers are ChaCha20's key stream, made some hundred bytes at a time; the first 32 of
 * each block are the next key, and what was given out is erased, so that what a host's memory
 * shows later does not tell what was drawn before.  A key comes from the system at the first
 * draw, after a reset, and in a child of fork(): the generator lies in a page that the kernel
 * gives a child as zeros.  It is the host's and no part of an image. */
#include "stdlib/services.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "stdlib/wasi.h"

enum { KEY_BYTES = crypto_stream_chacha20_ietf_KEYBYTES, POOL_BYTES = 512, PAGE_BYTES = 4096 };
enum { PIECE_BYTES = 1 << 16 }; /* of a long draw: between two there is a look at the interrupt */

struct Random {
    uint32_t keyed; /* 0: it has no key */
    uint32_t used;  /* bytes of the pool that are gone; the first KEY_BYTES are the next key */
    uint8_t pool[POOL_BYTES];
};
_Static_assert(sizeof(Random) <= PAGE_BYTES, "it lies in one page");

/* ---- The generator ---- */

static Random *make(void)
{
    Random *r = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED) return NULL;
    if (madvise(r, PAGE_BYTES, MADV_WIPEONFORK) == 0 && sodium_init() >= 0) return r;
    munmap(r, PAGE_BYTES);
    return NULL;
}

static void stream(uint8_t *out, size_t len, const uint8_t key[KEY_BYTES])
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES]; /* a key is used once */
    crypto_stream_chacha20_ietf(out, len, nonce, key);
}

/* The pool's first bytes are the key that it is made of, and then the next. */
static void refill(Random *r)
{
    uint8_t key[KEY_BYTES];
    memcpy(key, r->pool, sizeof key);
    stream(r->pool, POOL_BYTES, key);
    sodium_memzero(key, sizeof key);
    r->used = KEY_BYTES;
}

static bool give_key(Random *r)
{
    for (size_t got = 0; got < KEY_BYTES;) {
        const ssize_t n = getrandom(r->pool + got, KEY_BYTES - got, 0);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) got += (size_t)n;
    }
    refill(r);
    r->keyed = 1;
    return true;
}

static void draw(Random *r, uint8_t *out, size_t len)
{
    if (len > POOL_BYTES - r->used) refill(r);
    memcpy(out, r->pool + r->used, len);
    sodium_memzero(r->pool + r->used, len);
    r->used += (uint32_t)len;
}

static bool ready(Services *s)
{
    if (!s->random) s->random = make();
    return s->random && (s->random->keyed || give_key(s->random));
}

bool service_draw(Services *s, void *out, size_t len)
{
    if (len > POOL_BYTES - KEY_BYTES || !ready(s)) return false;
    draw(s->random, out, len);
    return true;
}

void random_forget(Services *s)
{
    if (s->random) sodium_memzero(s->random, sizeof *s->random);
}

void random_free(Services *s)
{
    if (!s->random) return;
    random_forget(s);
    munmap(s->random, PAGE_BYTES);
    s->random = NULL;
}

/* ---- fnvm:random ---- */

static fnvm_error *fill(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    uint32_t left = slots[1].i32;
    uint8_t *out = service_bytes(&call, slots[0].i32, left);
    if (!out) return service_answer(slots, FNVM_SERVICE_FAULT);
    if (left > RANDOM_BYTES) return service_answer(slots, FNVM_SERVICE_TOO_LARGE);
    if (!ready(call.services)) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (left <= POOL_BYTES - KEY_BYTES) {
        draw(call.services->random, out, left);
    } else
        while (left && !fnvm_caller_interrupted(caller)) {
            uint8_t key[KEY_BYTES];
            const uint32_t n = left < PIECE_BYTES ? left : PIECE_BYTES;
            draw(call.services->random, key, sizeof key);
            stream(out, n, key);
            sodium_memzero(key, sizeof key);
            out += n;
            left -= n;
        }
    fnvm_error *error = service_note(&call, DRAW_RANDOM);
    return error ? error : service_answer(slots, FNVM_SERVICE_OK);
}

static fnvm_error *number(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    uint64_t drawn;
    if (!ready(call.services)) /* there is no value that would say so */
        return fnvm_error_trap_new(FNVM_TRAP_HOST,
                                   "fnvm:random.u64: the host has no random numbers");
    draw(call.services->random, (uint8_t *)&drawn, sizeof drawn);
    slots[0].i64 = drawn;
    return service_note(&call, DRAW_RANDOM);
}

const ServiceFunc service_random[] = {
    {"fill", "i32 i32 -> i32", fill}, {"u64", "-> i64", number}, {NULL, NULL, NULL}};
