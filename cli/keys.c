/* A key file is told by its length, or by its first line if it is sealed.  Everything that a secret
 * passes through is wiped. */
#include "cli/keys.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/passphrase.h"
#include "cli/sealed_key.h"
#include "cli/secret_file.h"

/* ---- Reading ---- */

static bool read_plain(const char *text, size_t len, unsigned char *key, size_t size)
{
    size_t bytes = 0;
    if (len == size) {
        memcpy(key, text, size);
        return true;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
    return sodium_hex2bin(key, size, text, len, NULL, &bytes, NULL) == 0 && bytes == size;
}

static fnvm_error *read_sealed(const char *file, const char *text, size_t len, unsigned char *key)
{
    Passphrase passphrase;
    fnvm_error *error = sealed_key_check(file, text, len);
    if (error) return error;
    error = passphrase_get(NULL, file, false, &passphrase);
    if (!error) error = sealed_key_open(file, text, len, &passphrase, key);
    sodium_memzero(&passphrase, sizeof passphrase);
    return error;
}

/* Signing with a public half that is not the secret one's own would give the secret away. */
static bool is_pair(const unsigned char *secret)
{
    unsigned char seed[crypto_sign_SEEDBYTES], again[KEY_SECRET_BYTES];
    unsigned char public_key[KEY_PUBLIC_BYTES];
    crypto_sign_ed25519_sk_to_seed(seed, secret);
    crypto_sign_seed_keypair(public_key, again, seed);
    bool is_same = sodium_memcmp(again, secret, sizeof again) == 0;
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(again, sizeof again);
    return is_same;
}

fnvm_error *key_read(const char *file, unsigned char *key, size_t size)
{
    char text[SEALED_TEXT_MAX + 1];
    size_t len;
    bool is_secret = size == KEY_SECRET_BYTES, is_key = false;
    fnvm_error *error = secret_file_read(file, is_secret, text, sizeof text, &len);
    if (!error && is_secret && sealed_key_is(text, len)) {
        error = read_sealed(file, text, len, key);
        is_key = true;
    } else if (!error) {
        is_key = read_plain(text, len, key, size);
    }
    sodium_memzero(text, sizeof text);
    if (error) return error;
    if (!is_key)
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no such key: it should be %zu bytes, or "
                              "%zu hexadecimal digits%s", file, size, size * 2,
                              is_secret ? ", or what `fnvm keygen --passphrase` writes" : "");
    if (is_secret && !is_pair(key))
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no such key: its second half is not the "
                              "public key of its first", file);
    return NULL;
}

/* ---- Making ---- */

/* The key as a line of hexadecimal digits. */
static size_t print_key(const unsigned char *key, size_t size, char text[SEALED_TEXT_MAX])
{
    sodium_bin2hex(text, SEALED_TEXT_MAX, key, size);
    text[size * 2] = '\n';
    return size * 2 + 1;
}

static fnvm_error *write_secret(const char *file, const unsigned char *secret,
                                const Passphrase *passphrase)
{
    char text[SEALED_TEXT_MAX];
    size_t len = 0;
    fnvm_error *error = NULL;
    if (passphrase) error = sealed_key_make(secret, passphrase, text, &len);
    else len = print_key(secret, KEY_SECRET_BYTES, text);
    if (!error) error = secret_file_new(file, text, len, 0600);
    sodium_memzero(text, sizeof text);
    return error;
}

fnvm_error *key_new(const char *file, const Passphrase *passphrase)
{
    unsigned char public_key[KEY_PUBLIC_BYTES], secret[KEY_SECRET_BYTES];
    char *public_file = NULL, text[SEALED_TEXT_MAX];
    if (sodium_init() < 0 || asprintf(&public_file, "%s.pub", file) < 0)
        return fnvm_error_new(FNVM_E_MEMORY, "the host has no memory or no random numbers");
    crypto_sign_keypair(public_key, secret);
    fnvm_error *error = write_secret(file, secret, passphrase);
    sodium_memzero(secret, sizeof secret);
    if (!error) {
        error = secret_file_new(public_file, text, print_key(public_key, sizeof public_key, text),
                                0644);
        if (error) unlink(file);
    }
    free(public_file);
    return error;
}
