/* Runs one script of the .wast language: its modules, actions and assertions, in a store of its
 * own. */
#ifndef FNVM_CONFORMANCE_WAST_RUN_H
#define FNVM_CONFORMANCE_WAST_RUN_H

#include "fnvm.h"

typedef struct WastOptions {
    const fnvm_config *config;
    bool verbose;      /* print what the guest prints, and a line about the file */
    const char *image; /* where the store is frozen to, and restored from, before each action and
                        * assertion about what runs; NULL: it stays as it is */
} WastOptions;

/* Commands by outcome.  A command is skipped where it could not be tried, since the module it is
 * about failed before. */
typedef struct WastTally { size_t passed, failed, skipped, roundtrips; } WastTally;

/* Adds the script's commands to the tally and prints, on standard output, `path:line:` and the
 * reason for each that did not pass.  A file that cannot be read as a script is one failure. */
void wast_run_file(const char *path, const WastOptions *, WastTally *);

#endif
