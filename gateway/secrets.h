/* Secrets of a function: files that were read when it was opened.  They lie in locked memory
 * that no core dump has, read-only, and are zeroed when the function is closed. */
#ifndef FNVM_GATEWAY_SECRETS_H
#define FNVM_GATEWAY_SECRETS_H

#include "gateway/config.h"

typedef struct Secret {
    const char *name;       /* the configuration's */
    char *value;            /* and a NUL behind it */
    size_t len;
} Secret;

typedef struct Secrets { Secret *at; size_t n; } Secrets;

/* A line's end at the end of a file is no part of the secret.  FNVM_E_LIMIT beyond 64 KiB. */
fnvm_error *secrets_read(const ConfigPair *, size_t n, Secrets *out);
void secrets_forget(Secrets *);
const Secret *secrets_find(const Secrets *, const char *name, size_t len); /* or NULL */

#endif
