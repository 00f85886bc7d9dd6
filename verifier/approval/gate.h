/* The gate that everything passes which an engine with fnvm_config.approvals loads or starts: modules
 * and images are decided on when they are opened, and again when an instance is to be made of one
 * after the depot has changed.  While it has not, asking again is one load from memory.
 *
 * A Gate is part of what it is about; zero: nothing was decided.  Any thread. */
#ifndef FNVM_VERIFIER_APPROVAL_GATE_H
#define FNVM_VERIFIER_APPROVAL_GATE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "vm/engine.h"

typedef struct Gate {
    _Atomic uint64_t generation;  /* of the depot, when it was decided on; 0: it was not */
    struct stat file;             /* st_mode 0: it came from no file, or from one that is no more */
} Gate;

struct fnvm_module;

/* NULL, at once, for an engine without approvals; else FNVM_E_POLICY, or what went wrong.  `path` is for
 * the log; it may be NULL.  The file, if there is one, was set in the gate.  The module's bytes may
 * become a copy: nothing points into them yet. */
fnvm_error *gate_module(Gate *, struct fnvm_module *, const char *path);
/* An image counts with the modules that it is of: it is one that the depot installed. */
fnvm_error *gate_image(Gate *, fnvm_engine *, const char *path);

/* Of what was let through before.  A module that came with an image was decided on with that; to
 * instantiate it by itself takes a decision of its own. */
fnvm_error *gate_module_again(Gate *, const struct fnvm_module *);
fnvm_error *gate_image_again(Gate *, fnvm_engine *);

#endif
