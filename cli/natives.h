/* The native functions that a manifest names: their libraries opened for an engine, and the
 * functions defined for any number of its stores.
 *
 * Libraries are opened before the process is narrowed: nothing can be loaded after that. */
#ifndef FNVM_CLI_NATIVES_H
#define FNVM_CLI_NATIVES_H

#include "verifier/policy/manifest.h"

typedef struct Natives Natives;

/* FNVM_E_POLICY unless the engine's policy has the libraries.  Errors name the manifest's line.
 * The manifest outlives what comes out of it. */
fnvm_error *natives_open(fnvm_engine *, const Manifest *, Natives **out);
fnvm_error *natives_define(const Natives *, fnvm_linker *);
void natives_close(Natives *); /* after the stores that use them; NULL is fine */

#endif
