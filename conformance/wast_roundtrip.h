/* A script's store on its way through an image. */
#ifndef FNVM_CONFORMANCE_WAST_ROUNDTRIP_H
#define FNVM_CONFORMANCE_WAST_ROUNDTRIP_H

#include "fnvm.h"

typedef struct WastPlace {
    fnvm_engine *engine;
    fnvm_module *const *modules; /* all that the store has but spectest's */
    size_t nmodules;
    bool verbose;                /* of spectest's functions */
    const char *path;            /* the image's; overwritten */
    fnvm_store *store;
    fnvm_linker *linker;         /* has spectest, and instances, which the caller defines again */
} WastPlace;

/* Freezes the store, restores it into a new one, insists on the same state, and exchanges store and
 * linker for the new ones.  After an error they are what they were. */
fnvm_error *wast_roundtrip(WastPlace *);

#endif
