/* What `fnvm run` was asked to run: a module, an image, a function's manifest, or, with --approved, an
 * installed function by its name. */
#ifndef FNVM_CLI_TARGET_H
#define FNVM_CLI_TARGET_H

#include "cli/session.h"

/* Before the engine is made.  A manifest, the function's own or the one it was installed with, becomes
 * options: the file to run, directories, variables, arguments, the policy.  What the command line says
 * comes after it, and so counts more.  Opens the depot where one is needed.  -1, or the status. */
int target_resolve(Session *);

#endif
