/* Each library is opened once, and its functions are looked up anew for each store:
 * they belong to that. */
#include "cli/natives.h"

#include <stdio.h>
#include <stdlib.h>

struct Natives {
    const char *path; /* or NULL */
    const ManifestLibrary *libraries;
    size_t n;
    fnvm_native *opened[]; /* by `libraries` */
};

/* An error of the library or function that is described there, as the manifest has it. */
static fnvm_error *at_line(const Natives *n, uint32_t line, const char *function, fnvm_error *error)
{
    char place[4200] = "";
    if (n->path) snprintf(place, sizeof place, "%s:%u: ", n->path, line);
    if (!function) return fnvm_error_wrap(error, "%snative", place);
    return fnvm_error_wrap(error, "%snative: `%s`", place, function);
}

static fnvm_error *open_all(fnvm_engine *engine, Natives *n)
{
    for (size_t i = 0; i < n->n; i++) {
        fnvm_error *error = fnvm_native_open(engine, n->libraries[i].library, &n->opened[i]);
        if (error) return at_line(n, n->libraries[i].line, NULL, error);
    }
    return NULL;
}

fnvm_error *natives_open(fnvm_engine *engine, const char *path, const ManifestLibrary *libraries,
                         size_t n, Natives **out)
{
    *out = calloc(1, sizeof **out + n * sizeof *(*out)->opened);
    if (!*out) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    (*out)->path = path;
    (*out)->libraries = libraries;
    (*out)->n = n;
    fnvm_error *error = open_all(engine, *out);
    if (error) {
        natives_close(*out);
        *out = NULL;
    }
    return error;
}

static fnvm_error *define_library(const Natives *n, size_t i, fnvm_linker *linker)
{
    const ManifestLibrary *l = &n->libraries[i];
    for (size_t k = 0; k < l->nfunctions; k++) {
        const ManifestFunction *f = &l->functions[k];
        fnvm_error *error =
            fnvm_linker_define_native(linker, l->module, f->name, n->opened[i], NULL, f->signature);
        if (error) return at_line(n, f->line, f->name, error);
    }
    return NULL;
}

fnvm_error *natives_define(const Natives *n, fnvm_linker *linker)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < n->n && !error; i++)
        error = define_library(n, i, linker);
    return error;
}

void natives_close(Natives *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->n; i++) fnvm_native_close(n->opened[i]);
    free(n);
}
