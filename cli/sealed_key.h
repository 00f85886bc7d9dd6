/* A secret key sealed with a passphrase, as text: docs/formats.md has the format.
 *
 *   fnvm sealed key 1
 *   argon2id13 operations 3 memory 268435456
 *   salt <16 bytes in hexadecimal digits>
 *   nonce <24 bytes>
 *   key <80 bytes: XChaCha20-Poly1305 of the key; authenticated with it, all lines before> */
#ifndef FNVM_CLI_SEALED_KEY_H
#define FNVM_CLI_SEALED_KEY_H

#include "cli/keys.h"
#include "cli/passphrase.h"

enum {
    SEALED_TEXT_MAX = 1024, /* more than any has */
    /* What opening one may cost: four seconds at most, whatever the file says. */
    SEALED_OPERATIONS_MAX = 8,
    SEALED_MEMORY_MAX = 512 << 20
};

/* Whether a file begins as sealed keys of any version do. */
bool sealed_key_is(const char *text, size_t len);

fnvm_error *sealed_key_make(const unsigned char key[KEY_SECRET_BYTES], const Passphrase *,
                            char text[SEALED_TEXT_MAX], size_t *len);
/* `file` is for messages.  FNVM_E_INVALID: not this passphrase, or not the file that was
 * written. */
fnvm_error *sealed_key_open(const char *file, const char *text, size_t len, const Passphrase *,
                            unsigned char key[KEY_SECRET_BYTES]);
/* Whether it can be opened at all: to be asked before anybody types a passphrase. */
fnvm_error *sealed_key_check(const char *file, const char *text, size_t len);

#endif
