/* Inside of the linker: what its files share. */
#ifndef FNVM_LOADER_LINKER_PARTS_H
#define FNVM_LOADER_LINKER_PARTS_H

#include <stdio.h>

#include "loader/linker.h"

enum {
    MAX_HOST_MODULES = 16,
    MAX_CHAIN = 64,        /* modules in the course of being linked */
    NAME_TEXT = 256, TYPE_TEXT = 512 /* bytes of a name or type in a message; longer ones are cut */
};

typedef struct Definition {
    char *key; /* module name, then name; NULL: free */
    size_t module_len, name_len;
    uint64_t hash;
    fnvm_extern value;
    bool found; /* made by a module of host functions, which is asked again each time */
} Definition;

typedef enum ProviderState { PROVIDER_IDLE, PROVIDER_LINKING, PROVIDER_READY, PROVIDER_FAILED }
    ProviderState;

typedef struct Provider {
    char *name;
    size_t len;
    Instance *instance; /* defined by the embedder; asked first */
    char *path;         /* of the file that `module` is loaded from when needed, or NULL */
    Module *module;     /* retained, or NULL */
    ProviderState state;
    Instance *made;     /* of `module`, when ready */
} Provider;

typedef struct HostModule { const char *name; LinkerFind *find; void *env; } HostModule;

struct fnvm_linker {
    size_t refs; /* the embedder's and one per instance with unlinked imports */
    Store *store;
    Definition *defs;
    size_t ndefs, defs_cap; /* capacity: a power of two, or 0 */
    HostModule hosts[MAX_HOST_MODULES];
    size_t nhosts;
    Provider **providers;
    size_t nproviders, providers_cap;
    char **paths;
    size_t npaths;
    bool unknown_imports_trap;
    Provider *chain[MAX_CHAIN]; /* being linked, outermost first */
    size_t depth;
    size_t hops; /* functions being resolved, each an import of the module that exports the last */
};

typedef struct Text { const char *at; size_t len; } Text;

/* From the embedder, whose empty names may be NULL. */
static inline Text text_from(const char *at, size_t len) { return (Text){len ? at : "", len}; }

static inline Text module_text(const Module *m, Name n)
{
    return (Text){(const char *)m->bytes + n.start, n.len};
}

/* ---- linker.c ---- */

/* The definition of a name, made now if a module of host functions has it; NULL if there is none,
 * or if it is refused. */
fnvm_error *linker_lookup(fnvm_linker *, Text module, Text name, const Definition **out,
                          bool *refused);
/* "module.name", cut to size; the name alone if the module has none. */
void linker_join_names(char out[NAME_TEXT], Text module, Text name);
/* The provider of the name; made, with nothing in it, if there is none. */
fnvm_error *linker_provider(fnvm_linker *, Text name, Provider **out);

/* ---- linker_missing.c: imports that nobody provides ---- */

/* A host function that traps and names itself. */
fnvm_error *linker_add_trapping(Store *, TypeId, const char *name, FuncRef *out);
fnvm_error *linker_make_trapping(fnvm_linker *, const Module *, const Import *, fnvm_extern *out);

/* What is missing for one module or image, as the lines of a message; zero to begin with. */
typedef struct ImportList {
    FILE *f; /* NULL while there are none, and once it is ended */
    char *text;
    size_t len, count;
} ImportList;

typedef struct UnknownImports {
    ImportList unknown; /* nobody provides them */
    ImportList refused; /* they are not to be had */
    bool component, wasi;
} UnknownImports;

/* Begins one more line, to be written to *line; NULL: the list is long enough, and only counts. */
fnvm_error *list_line(ImportList *, FILE **line);
fnvm_error *list_import(ImportList *, const Module *, const Import *);
fnvm_error *add_unknown(UnknownImports *, const Module *, const Import *);
bool unknown_imports_end(UnknownImports *); /* false: out of memory */
/* All of them as an error, once; NULL if there are none. */
fnvm_error *unknown_imports_error(UnknownImports *);
void unknown_imports_free(UnknownImports *);

#endif
