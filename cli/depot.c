/* An empty variable counts as none; so does a relative XDG_DATA_HOME, as its specification says. */
#include "cli/depot.h"

#include <stdlib.h>
#include <string.h>

#include "cli/errors.h"

static char *below(const char *parent, const char *rest)
{
    char *path = NULL;
    if (!parent || parent[0] != '/') return NULL;
    return asprintf(&path, "%s/%s", parent, rest) >= 0 ? path : NULL;
}

char *depot_directory(const char *option)
{
    const char *named = option ? option : getenv("FNVM_DEPOT");
    if (named && *named) return strdup(named);
    char *path = below(getenv("XDG_DATA_HOME"), "fnvm/depot");
    return path ? path : below(getenv("HOME"), ".local/share/fnvm/depot");
}

int depot_choose(const char *option, bool create, fnvm_depot **out)
{
    char *dir = depot_directory(option);
    if (!dir)
        return error_usage(NULL, "there is no depot: give --depot DIR, or set FNVM_DEPOT or HOME");
    fnvm_error *error = fnvm_depot_open(dir, create, out);
    int status = error ? error_report(error, "failed to open the depot `%s`", dir) : -1;
    free(dir);
    return status;
}
