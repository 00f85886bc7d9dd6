/* Argon2id makes a key of the passphrase, by which an AEAD seals the secret.  The lines that say
 * how are data of the AEAD: nobody can change the parameters of a file and have it open. */
#include "cli/sealed_key.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define MAGIC "fnvm sealed key "

enum {
    VERSION = 1,
    /* libsodium's "moderate" costs: about half a second. */
    OPERATIONS = crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
    MEMORY = crypto_pwhash_argon2id_MEMLIMIT_MODERATE,
    SEALED_BYTES = KEY_SECRET_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES
};

typedef struct Seal {
    uint64_t operations, memory;
    unsigned char salt[crypto_pwhash_argon2id_SALTBYTES];
    unsigned char nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
    unsigned char sealed[SEALED_BYTES];
    size_t head_len; /* of the text: what is authenticated */
} Seal;

/* ---- Reading: exactly what is written, and nothing else ---- */

typedef struct Cursor { const char *at, *end; } Cursor;

static bool take(Cursor *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0) return false;
    c->at += len;
    return true;
}

static bool take_number(Cursor *c, uint64_t *number)
{
    const char *start = c->at;
    *number = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - start < 18; c->at++)
        *number = *number * 10 + (uint64_t)(*c->at - '0');
    return c->at > start;
}

static bool take_hex(Cursor *c, unsigned char *bytes, size_t n)
{
    size_t found = 0;
    if ((size_t)(c->end - c->at) < 2 * n ||
        sodium_hex2bin(bytes, n, c->at, 2 * n, NULL, &found, NULL) != 0 || found != n)
        return false;
    c->at += 2 * n;
    return true;
}

static fnvm_error *read_seal(const char *file, const char *text, size_t len, Seal *s)
{
    Cursor c = {text, text + len};
    uint64_t version = 0;
    if (!take(&c, MAGIC) || !take_number(&c, &version))
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no sealed key", file);
    if (version != VERSION)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "`%s` is a sealed key of version %" PRIu64
                              "; this fnvm knows version %d", file, version, VERSION);
    bool is_whole = take(&c, "\nargon2id13 operations ") && take_number(&c, &s->operations) &&
                    take(&c, " memory ") && take_number(&c, &s->memory) && take(&c, "\nsalt ") &&
                    take_hex(&c, s->salt, sizeof s->salt) && take(&c, "\nnonce ") &&
                    take_hex(&c, s->nonce, sizeof s->nonce) && take(&c, "\n");
    s->head_len = (size_t)(c.at - text);
    is_whole = is_whole && take(&c, "key ") && take_hex(&c, s->sealed, sizeof s->sealed) &&
               take(&c, "\n") && c.at == c.end;
    if (!is_whole)
        return fnvm_error_new(FNVM_E_MALFORMED, "the sealed key `%s` is damaged: byte %zu is not "
                              "what should be there", file, (size_t)(c.at - text));
    if (s->operations < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
        s->operations > SEALED_OPERATIONS_MAX || s->memory > SEALED_MEMORY_MAX ||
        s->memory < crypto_pwhash_argon2id_MEMLIMIT_MIN)
        return fnvm_error_new(FNVM_E_LIMIT, "the sealed key `%s` asks for %" PRIu64 " operations "
                              "in %" PRIu64 " bytes of memory to be opened: at most %d in %d are "
                              "supported", file, s->operations, s->memory, SEALED_OPERATIONS_MAX,
                              SEALED_MEMORY_MAX);
    return NULL;
}

bool sealed_key_is(const char *text, size_t len)
{
    return len >= strlen(MAGIC) && memcmp(text, MAGIC, strlen(MAGIC)) == 0;
}

fnvm_error *sealed_key_check(const char *file, const char *text, size_t len)
{
    Seal s;
    return read_seal(file, text, len, &s);
}

/* ---- Sealing ---- */

static fnvm_error *stretch(const Seal *s, const Passphrase *p,
                           unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
    if (sodium_init() >= 0 &&
        crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, p->text, p->len, s->salt,
                      s->operations, s->memory, crypto_pwhash_ALG_ARGON2ID13) == 0)
        return NULL;
    return fnvm_error_new(FNVM_E_MEMORY, "the host does not have the %" PRIu64 " bytes of memory "
                          "that a passphrase takes", s->memory);
}

fnvm_error *sealed_key_make(const unsigned char key[KEY_SECRET_BYTES], const Passphrase *p,
                            char text[SEALED_TEXT_MAX], size_t *len)
{
    Seal s = {.operations = OPERATIONS, .memory = MEMORY};
    char salt[2 * sizeof s.salt + 1], nonce[2 * sizeof s.nonce + 1], sealed[2 * SEALED_BYTES + 1];
    unsigned char by[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    randombytes_buf(s.salt, sizeof s.salt);
    randombytes_buf(s.nonce, sizeof s.nonce);
    sodium_bin2hex(salt, sizeof salt, s.salt, sizeof s.salt);
    sodium_bin2hex(nonce, sizeof nonce, s.nonce, sizeof s.nonce);
    size_t head = (size_t)snprintf(text, SEALED_TEXT_MAX, MAGIC "%d\nargon2id13 operations %" PRIu64
                                   " memory %" PRIu64 "\nsalt %s\nnonce %s\n",
                                   VERSION, s.operations, s.memory, salt, nonce);
    fnvm_error *error = stretch(&s, p, by);
    if (!error) {
        crypto_aead_xchacha20poly1305_ietf_encrypt(s.sealed, NULL, key, KEY_SECRET_BYTES,
                                                   (const unsigned char *)text, head, NULL, s.nonce,
                                                   by);
        sodium_bin2hex(sealed, sizeof sealed, s.sealed, sizeof s.sealed);
        *len = head + (size_t)snprintf(text + head, SEALED_TEXT_MAX - head, "key %s\n", sealed);
    }
    sodium_memzero(by, sizeof by);
    return error;
}

fnvm_error *sealed_key_open(const char *file, const char *text, size_t len, const Passphrase *p,
                            unsigned char key[KEY_SECRET_BYTES])
{
    Seal s;
    unsigned char by[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    fnvm_error *error = read_seal(file, text, len, &s);
    if (!error) error = stretch(&s, p, by);
    if (!error && crypto_aead_xchacha20poly1305_ietf_decrypt(
                      key, NULL, NULL, s.sealed, sizeof s.sealed, (const unsigned char *)text,
                      s.head_len, s.nonce, by) != 0)
        error = fnvm_error_new(FNVM_E_INVALID, "this passphrase does not open `%s` (or the file "
                               "was changed)", file);
    sodium_memzero(by, sizeof by);
    return error;
}
