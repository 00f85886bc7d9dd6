/* The native functions that a manifest names, or a gateway's configuration: their libraries opened
 * for an engine, and the functions defined for any number of its stores.
 *
 * Libraries are opened before the process is narrowed: nothing can be loaded after that. */
#ifndef FNVM_CLI_NATIVES_H
#define FNVM_CLI_NATIVES_H

#include "verifier/policy/manifest.h"

typedef struct Natives Natives;

/* FNVM_E_POLICY unless the engine's policy has the libraries.  Without a policy it does not ask: see
 * manifest_check_native.  `path` is the manifest's, which errors name with the line; NULL: they do not.
 * Path and libraries outlive what comes out of this. */
fnvm_error *natives_open(fnvm_engine *, const char *path, const ManifestLibrary *, size_t n,
                         Natives **out);
fnvm_error *natives_define(const Natives *, fnvm_linker *);
void natives_close(Natives *); /* after the stores that use them; NULL is fine */

#endif
