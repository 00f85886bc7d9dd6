/* Imports and exports against a policy's lists: by name patterns, and by types as text, in which
 * white space counts only where it separates two words. */
#include <stdlib.h>
#include <string.h>

#include "verifier/policy/check.h"

/* ---- Types as text ---- */

char *check_type_text(PolicyCheck *c, const Module *m, uint8_t kind, uint32_t index)
{
    const size_t len = module_print_type(m, kind, index, NULL, 0);
    char *text = malloc(len + 1);
    if (text) module_print_type(m, kind, index, text, len + 1);
    else c->violations.no_memory = true;
    return text;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_word(char c) { return c != '\0' && c != '(' && c != ')' && !is_space(c); }

/* The next token: a parenthesis or a word; of length 0 at the end. */
static size_t next_token(const char **text, const char **token)
{
    while (is_space(**text)) ++*text;
    *token = *text;
    while (is_word(**text)) ++*text;
    if (*text == *token && **text) ++*text;
    return (size_t)(*text - *token);
}

static bool types_equal(const char *a, const char *b)
{
    for (;;) {
        const char *x, *y;
        const size_t n = next_token(&a, &x), other = next_token(&b, &y);
        if (n != other || memcmp(x, y, n) != 0) return false;
        if (n == 0) return true;
    }
}

/* ---- Imports ---- */

enum { NAME_MOST = 200, TYPE_MOST = 400 }; /* of a name or type in a message */

static int shown(Name name) { return name.len > NAME_MOST ? NAME_MOST : (int)name.len; }
static const char *at(const Module *m, Name name) { return (const char *)m->bytes + name.start; }

bool is_wasi_module(const char *name, size_t len)
{
    static const char *const modules[] = {"wasi_snapshot_preview1", "wasi_unstable"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strlen(modules[i]) == len && memcmp(modules[i], name, len) == 0) return true;
    return false;
}

static void check_call(PolicyCheck *c, const Module *m, const Import *import)
{
    const Policy *p = c->policy;
    if (p->any_call || !is_wasi_module(at(m, import->module), import->module.len)) return;
    for (size_t i = 0; i < p->ncalls; i++)
        if (strlen(p->calls[i].text) == import->name.len &&
            memcmp(p->calls[i].text, at(m, import->name), import->name.len) == 0)
            return;
    check_note(c, "wasi.calls", p->calls_line, import->name.start,
               "the call `%.*s` of WASI; %.200s:%u: wasi.calls does not have it",
               shown(import->name), at(m, import->name), p->name, p->calls_line);
}

/* The first entry for the import that allows its type; if none does, the first for its name. */
static const PolicyImport *find_import(const Policy *p, const Module *m, const Import *import,
                                       const char *type, bool *fits)
{
    const PolicyImport *named = NULL;
    for (size_t i = 0; i < p->nimports; i++) {
        const PolicyImport *entry = &p->imports[i];
        if (!pattern_matches(entry->module, at(m, import->module), import->module.len) ||
            !pattern_matches(entry->name, at(m, import->name), import->name.len))
            continue;
        *fits = !entry->type || types_equal(entry->type, type);
        if (*fits) return entry;
        if (!named) named = entry;
    }
    return named;
}

static void check_listed(PolicyCheck *c, const Module *m, const Import *import)
{
    const Policy *p = c->policy;
    char *type = check_type_text(c, m, import->kind, import->index);
    if (!type) return;
    bool fits = false;
    const PolicyImport *entry = find_import(p, m, import, type, &fits);
    if (!entry)
        check_note(c, "imports", p->imports_line, import->name.start,
                   "the import `%.*s` `%.*s` %.*s; %.200s:%u: imports does not have it",
                   shown(import->module), at(m, import->module), shown(import->name),
                   at(m, import->name), TYPE_MOST, type, p->name, p->imports_line);
    else if (!fits)
        check_note(c, "imports", entry->line, import->name.start,
                   "the import `%.*s` `%.*s` is %.*s; %.200s:%u: imports allows %.*s",
                   shown(import->module), at(m, import->module), shown(import->name),
                   at(m, import->name), TYPE_MOST, type, p->name, entry->line, TYPE_MOST,
                   entry->type);
    free(type);
}

void check_import(PolicyCheck *c, const Module *m, const Import *import)
{
    static const PolicyCeiling of_kind[] = {[FNVM_EXTERN_FUNC] = CEILING_FUNCTIONS,
                                            [FNVM_EXTERN_TABLE] = CEILING_TABLES,
                                            [FNVM_EXTERN_MEMORY] = CEILING_MEMORIES,
                                            [FNVM_EXTERN_GLOBAL] = CEILING_GLOBALS,
                                            [FNVM_EXTERN_TAG] = CEILING_TAGS};
    check_add(c, CEILING_IMPORTS, 1, import->name.start);
    check_add(c, of_kind[import->kind], 1, import->name.start);
    check_call(c, m, import);
    if (!c->policy->any_import) check_listed(c, m, import);
}

/* ---- Exports ---- */

static void check_export(PolicyCheck *c, const Module *m, const PolicyExport *wanted)
{
    const Export *export = module_find_export(m, wanted->name, strlen(wanted->name));
    if (!export) {
        check_note(c, "exports", wanted->line, UINT64_MAX,
                   "there is no export `%.*s`; %.200s:%u: exports wants it", NAME_MOST,
                   wanted->name, c->policy->name, wanted->line);
        return;
    }
    if (!wanted->type) return;
    char *type = check_type_text(c, m, export->kind, export->index);
    if (type && !types_equal(wanted->type, type))
        check_note(c, "exports", wanted->line, export->name.start,
                   "the export `%.*s` is %.*s; %.200s:%u: exports wants %.*s", shown(export->name),
                   at(m, export->name), TYPE_MOST, type, c->policy->name, wanted->line, TYPE_MOST,
                   wanted->type);
    free(type);
}

void check_exports(PolicyCheck *c, const Module *m)
{
    for (size_t i = 0; i < c->policy->nexports; i++) check_export(c, m, &c->policy->exports[i]);
}
