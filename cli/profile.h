/* --profile of `fnvm run`: starting and ending what looks on while a guest runs. */
#ifndef FNVM_CLI_PROFILE_H
#define FNVM_CLI_PROFILE_H

#include "cli/options.h"

typedef struct Profile {
    struct PerfLog *perf;
    struct Sampler *sampler;
} Profile;

/* What --profile and -D gdb ask of the engine, which has no modules yet; then of the store, on the
 * thread that will run it. */
fnvm_error *profile_engine(Profile *, const Options *, fnvm_engine *);
fnvm_error *profile_store(Profile *, const Options *, fnvm_store *);
/* The guest has ended: says what was found, on standard error.  Before the store goes. */
void profile_end(Profile *);

#endif
