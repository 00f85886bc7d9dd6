/* A library of the manifest is opened once, and its functions are looked up anew for each store:
 * they belong to that. */
#include "cli/natives.h"

#include <stdlib.h>

struct Natives {
    const Manifest *manifest;
    fnvm_native *opened[]; /* by the manifest's libraries */
};

static fnvm_error *open_all(fnvm_engine *engine, Natives *n)
{
    const Manifest *m = n->manifest;
    for (size_t i = 0; i < m->nnative; i++) {
        fnvm_error *error = fnvm_native_open(engine, m->native[i].library, &n->opened[i]);
        if (error) return fnvm_error_wrap(error, "%s:%u: native", m->path, m->native[i].line);
    }
    return NULL;
}

fnvm_error *natives_open(fnvm_engine *engine, const Manifest *m, Natives **out)
{
    *out = calloc(1, sizeof **out + m->nnative * sizeof *(*out)->opened);
    if (!*out) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    (*out)->manifest = m;
    fnvm_error *error = open_all(engine, *out);
    if (error) {
        natives_close(*out);
        *out = NULL;
    }
    return error;
}

static fnvm_error *define_library(const Natives *n, size_t i, fnvm_linker *linker)
{
    const ManifestLibrary *l = &n->manifest->native[i];
    for (size_t k = 0; k < l->nfunctions; k++) {
        const ManifestFunction *f = &l->functions[k];
        fnvm_error *error =
            fnvm_linker_define_native(linker, l->module, f->name, n->opened[i], NULL, f->signature);
        if (error)
            return fnvm_error_wrap(error, "%s:%u: native: `%s`", n->manifest->path, f->line,
                                   f->name);
    }
    return NULL;
}

fnvm_error *natives_define(const Natives *n, fnvm_linker *linker)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < n->manifest->nnative && !error; i++)
        error = define_library(n, i, linker);
    return error;
}

void natives_close(Natives *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->manifest->nnative; i++) fnvm_native_close(n->opened[i]);
    free(n);
}
