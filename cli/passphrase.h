/* Passphrases of sealed keys: from a file, or typed at the terminal. */
#ifndef FNVM_CLI_PASSPHRASE_H
#define FNVM_CLI_PASSPHRASE_H

#include "fnvm.h"

enum { PASSPHRASE_MAX = 4096 }; /* a terminal's line has no more */

typedef struct Passphrase { /* wipe it with sodium_memzero, also after an error */
    char text[PASSPHRASE_MAX];
    size_t len;             /* not 0 */
} Passphrase;

/* The first line of `from`; if that is NULL, of the file that FNVM_PASSPHRASE_FILE names; else it
 * is asked for on the terminal, without echo, and twice if it is new.  `key` is the file that it
 * is for. */
fnvm_error *passphrase_get(const char *from, const char *key, bool is_new, Passphrase *out);

#endif
