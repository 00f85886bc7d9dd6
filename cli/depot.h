/* Which depot a command means: --depot DIR, else $FNVM_DEPOT, else $XDG_DATA_HOME/fnvm/depot, else
 * ~/.local/share/fnvm/depot. */
#ifndef FNVM_CLI_DEPOT_H
#define FNVM_CLI_DEPOT_H

#include "fnvm.h"

/* `option` is what --depot says, or NULL; malloc'd, NULL: there is none, or no memory. */
char *depot_directory(const char *option);

/* Opens it, made if `create`.  On failure prints the error and returns the status to end with, else
 * -1. */
int depot_choose(const char *option, bool create, fnvm_depot **out);

#endif
