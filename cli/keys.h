/* Ed25519 keys in files: raw bytes, hexadecimal digits, or a secret one sealed with a
 * passphrase. */
#ifndef FNVM_CLI_KEYS_H
#define FNVM_CLI_KEYS_H

#include "fnvm.h"

enum { KEY_SECRET_BYTES = 64, KEY_PUBLIC_BYTES = 32 }; /* as libsodium has them */

/* Reads the key that is all of a file: the public one if `size` is KEY_PUBLIC_BYTES, the secret
 * one if it is KEY_SECRET_BYTES.  A secret one must be its owner's alone; if it is sealed, the
 * passphrase comes from FNVM_PASSPHRASE_FILE or the terminal.  `key` is the caller's to wipe,
 * also after an error. */
fnvm_error *key_read(const char *file, unsigned char *key, size_t size);

typedef struct Passphrase Passphrase; /* cli/passphrase.h */

/* Makes a pair of keys: the secret one in `file`, which must not exist and is readable to its owner
 * only, the public one in `file`.pub.  The secret one is sealed if there is a passphrase. */
fnvm_error *key_new(const char *file, const Passphrase *);

#endif
