/* Keys in files: raw bytes, or hexadecimal digits. */
#ifndef FNVM_CLI_KEYS_H
#define FNVM_CLI_KEYS_H

#include "fnvm.h"

enum { KEY_SECRET_BYTES = 64, KEY_PUBLIC_BYTES = 32 }; /* Ed25519, as libsodium has them */

/* Reads the key of `size` bytes (at most KEY_SECRET_BYTES) that is all of a file. */
fnvm_error *key_read(const char *file, unsigned char *key, size_t size);

/* Makes a pair of keys: the secret one in `file`, which must not exist and is readable to its owner
 * only, the public one in `file`.pub. */
fnvm_error *key_new(const char *file);

#endif
