/* What is left of imports that nobody provides: host functions that trap, and messages that list
 * them.  A module may have a million: a list is cut, and then only counted. */
#include <stdlib.h>
#include <string.h>

#include "loader/linker_parts.h"

enum { MAX_LISTED = 200 }; /* imports in one message */

/* ---- Functions that trap ---- */

static fnvm_error *trap_unknown(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    (void)slots;
    return fnvm_error_trap_new(FNVM_TRAP_UNKNOWN_IMPORT, "%s: %s",
                               fnvm_trap_text(FNVM_TRAP_UNKNOWN_IMPORT), (const char *)env);
}

bool linker_host_traps(const HostFunc *h) { return h->fn == trap_unknown; }

fnvm_error *linker_add_trapping(Store *s, TypeId type, const char *name, FuncRef *out)
{
    fnvm_error *error = store_add_host_func(s, type, trap_unknown, NULL, name, out);
    if (error) return error;
    HostFunc *h = &s->host_funcs[funcref_func(*out)];
    h->env = h->name;
    return NULL;
}

fnvm_error *linker_make_trapping(fnvm_linker *l, const Module *m, const Import *import,
                                 fnvm_extern *out)
{
    char name[NAME_TEXT];
    import_print(m, import, name, sizeof name);
    *out = (fnvm_extern){FNVM_EXTERN_FUNC, {0, 0}};
    return linker_add_trapping(l->store, m->funcs[import->index], name, &out->of[0]);
}

/* ---- Lists ---- */

static bool text_starts(Text t, const char *with)
{
    return t.len >= strlen(with) && memcmp(t.at, with, strlen(with)) == 0;
}

fnvm_error *list_line(ImportList *list, FILE **line)
{
    *line = NULL;
    if (!list->f && !(list->f = open_memstream(&list->text, &list->len))) return error_no_memory();
    if (list->count++ < MAX_LISTED) *line = list->f;
    return NULL;
}

fnvm_error *list_import(ImportList *list, const Module *m, const Import *import)
{
    FILE *line;
    fnvm_error *error = list_line(list, &line);
    if (error || !line) return error;
    char name[NAME_TEXT], type[TYPE_TEXT];
    import_print(m, import, name, sizeof name);
    module_print_type(m, import->kind, import->index, type, sizeof type);
    fprintf(line, "\n  %s: %s", name, type);
    return NULL;
}

/* Ends the list; false if there was no memory for it. */
static bool list_end(ImportList *list)
{
    if (!list->f) return true;
    if (list->count > MAX_LISTED) fprintf(list->f, "\n  and %zu more", list->count - MAX_LISTED);
    bool failed = ferror(list->f) != 0;
    failed |= fclose(list->f) != 0;
    list->f = NULL;
    return !failed;
}

bool unknown_imports_end(UnknownImports *u)
{
    return list_end(&u->unknown) && list_end(&u->refused);
}

static void list_free(ImportList *list)
{
    if (list->f) fclose(list->f);
    free(list->text);
}

fnvm_error *add_unknown(UnknownImports *u, const Module *m, const Import *import)
{
    Text module = module_text(m, import->module);
    u->component |= text_starts(module, "wasi:");
    u->wasi |= text_starts(module, "wasi_");
    return list_import(&u->unknown, m, import);
}

fnvm_error *unknown_imports_error(UnknownImports *u)
{
    static const char *const notes[] = {
        "\n(wasi: names belong to WASI 0.2 components, which are not supported yet)",
        "\n(WASI functions of this name are not defined here)"};
    if (!unknown_imports_end(u)) return error_no_memory();
    const char *unknown = u->unknown.count ? u->unknown.text : "";
    const char *component = u->component ? notes[0] : "", *wasi = u->wasi ? notes[1] : "";
    if (u->refused.count)
        return fnvm_error_new(FNVM_E_POLICY, "imports that are not in the call table "
                              "(fnvm_wasi_allow_calls, -S call=NAME):%s%s%s%s%s",
                              u->refused.text, u->unknown.count ? "\nand unknown imports:" : "",
                              unknown, component, wasi);
    return u->unknown.count ? fnvm_error_new(FNVM_E_LINK, "unknown imports:%s%s%s", unknown,
                                             component, wasi)
                            : NULL;
}

void unknown_imports_free(UnknownImports *u)
{
    list_free(&u->unknown);
    list_free(&u->refused);
}
