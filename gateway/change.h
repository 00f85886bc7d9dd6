/* Making the next table of functions: the sources are read, a change is applied, and every
 * function is installed in the depot, so that it has an image.  That takes long and runs
 * compilers, and guests in processes of their own: a process does it that the master forks and
 * watches. */
#ifndef FNVM_GATEWAY_CHANGE_H
#define FNVM_GATEWAY_CHANGE_H

#include <limits.h>

#include "gateway/config.h"
#include "gateway/state.h"

typedef struct Source {   /* what the command line says */
    const char *file;          /* a gateway's YAML, a function.yaml, a directory of functions, or a
                                * module; NULL: none */
    const char *listen, *status, *admin, *state, *depot; /* or NULL: the file's word */
    uint32_t workers;          /* 0: likewise */
    NarrowMode narrow; bool narrow_given;
} Source;

typedef enum ChangeKind {
    CHANGE_RELOAD, CHANGE_DEPLOY, CHANGE_ROLLBACK, CHANGE_REMOVE,
    CHANGE_DRAIN               /* no requests for one function, until the next reload, or deploy of it */
} ChangeKind;

enum { DRAINED_MAX = 64 };
typedef struct Drained { char names[DRAINED_MAX][STATE_NAME]; size_t n; } Drained;

typedef struct Change {
    ChangeKind kind;
    char path[PATH_MAX];       /* of CHANGE_DEPLOY: a function's folder, absolute */
    char name[STATE_NAME];     /* of the others but CHANGE_RELOAD */
} Change;

/* What is to be kept once the table is in use. */
typedef struct Kept {
    bool records;              /* `record` is to be kept */
    StateRecord record;
    Drained drained;           /* from then on */
    char said[256];            /* to whoever asked for the change: "hello 1.2 is deployed" */
} Kept;

/* The sources as a Config; nothing is installed. */
fnvm_error *source_read(const Source *, Config **out);
/* All of it.  `drained` is what was until now. */
fnvm_error *change_make(const Source *, State *, const Change *, const Drained *drained, Config **out,
                       Kept *kept);

#endif
