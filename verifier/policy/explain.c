/* The narrowest policy that a module fits, as YAML: it is loaded under a policy that allows
 * everything, whose check has then counted what there is.  Lists that would be longer than a
 * policy may be become patterns, which the text says. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/feature.h"
#include "verifier/policy/look.h"
#include "verifier/policy/yaml.h"
#include "vm/wasi_functions.h"

enum {
    LINE = 100,         /* columns of the text */
    LISTED_MOST = 2000, /* imports by name: of more, modules */
    MODULES_MOST = 200, /* of more, nothing */
    TYPE_MOST = 300,    /* bytes of a type in the text: longer ones are left out */
    ENTRIES_MOST = 20   /* exports named in comments */
};

typedef struct Explanation {
    FILE *out;
    const Module *m;
    PolicyCheck *check;
} Explanation;

/* ---- Names as YAML ---- */

static bool is_later_byte(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* Whether YAML has the character as it is, and it stands for no others in a pattern.  Of those beyond ASCII it lacks some; none of them is in
 * letters that names are written in. */
static bool is_plain(const uint8_t *text, uint32_t len)
{
    const uint8_t c = text[0];
    if (len == 1) return c >= ' ' && c != 0x7F && c != '"' && c != '\\' && c != '*';
    return c != 0xC2 && !(c == 0xE2 && text[1] == 0x80) && c != 0xEF;
}

/* A pattern for the name, in quotes; `?` for a character that it cannot have, `*` for what is too
 * much, and for no name at all. */
static void print_name(FILE *out, const Module *m, Name name)
{
    const uint8_t *text = m->bytes + name.start;
    uint32_t len = name.len;
    if (len > POLICY_PATTERN_BYTES) {
        len = POLICY_PATTERN_BYTES - 1;
        while (is_later_byte(text[len])) len--; /* whole characters */
    }
    putc('"', out);
    for (uint32_t i = 0, n; i < len; i += n) {
        for (n = 1; i + n < len && is_later_byte(text[i + n]);) n++;
        if (is_plain(text + i, n)) fwrite(text + i, 1, n, out);
        else putc('?', out);
    }
    fputs(len < name.len || len == 0 ? "*\"" : "\"", out);
}

static bool names_equal(const Module *m, Name a, Name b)
{
    return a.len == b.len && memcmp(m->bytes + a.start, m->bytes + b.start, a.len) == 0;
}

/* ---- Words in a list: [a, b,\n c] ---- */

typedef struct WordList {
    FILE *out;
    int indent;
    int column;
    bool some;
} WordList;

static void word_add(WordList *l, const char *word)
{
    const int len = (int)strlen(word);
    if (l->some && l->column + len + 3 > LINE)
        l->column = fprintf(l->out, ",\n%*s", l->indent, "") - 2;
    else l->column += fprintf(l->out, "%s", l->some ? ", " : "[");
    l->some = true;
    l->column += len;
    fputs(word, l->out);
}

static void words_end(WordList *l, const char *none) { fputs(l->some ? "]\n" : none, l->out); }

/* ---- Parts ---- */

static void explain_features(Explanation *x)
{
    WordList l = {x->out, 11, fprintf(x->out, "features: "), false};
    for (uint32_t left = x->check->features; left; left &= left - 1)
        word_add(&l, feature_name(left & -left));
    words_end(&l, "none\n");
}

static void explain_import(Explanation *x, const Import *import, bool by_name)
{
    fputs("  - {module: ", x->out);
    print_name(x->out, x->m, import->module);
    if (by_name) {
        fputs(", name: ", x->out);
        print_name(x->out, x->m, import->name);
        char *type = check_type_text(x->check, x->m, import->kind, import->index);
        if (type && strlen(type) <= TYPE_MOST) fprintf(x->out, ", type: \"%s\"", type);
        free(type);
    }
    const bool empty = import->module.len == 0 || (by_name && import->name.len == 0);
    fputs(empty ? "} # a name is empty: no pattern is for that alone\n" : "}\n", x->out);
}

/* Modules in the order in which they are first named. */
typedef struct Modules {
    Name *names;
    uint32_t n;
    uint32_t *of;
} Modules; /* of: by import */

static bool modules_find(const Module *m, Modules *out)
{
    out->names = malloc(MODULES_MOST * sizeof *out->names);
    out->of = malloc(m->nimports * sizeof *out->of + 1);
    if (!out->names || !out->of) return false;
    for (uint32_t i = 0; i < m->nimports && out->n <= MODULES_MOST; i++) {
        uint32_t k = 0;
        while (k < out->n && !names_equal(m, out->names[k], m->imports[i].module)) k++;
        if (k == MODULES_MOST) {
            out->n = MODULES_MOST + 1; /* too many */
            break;
        }
        if (k == out->n) out->names[out->n++] = m->imports[i].module;
        out->of[i] = k;
    }
    return true;
}

/* Whether there is room in a policy for all of them. */
static bool can_list(const Module *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->nimports; i++)
        bytes += (uint64_t)m->imports[i].module.len + m->imports[i].name.len + TYPE_MOST;
    return m->nimports <= LISTED_MOST && bytes <= YAML_BYTES_MAX - (1 << 18);
}

static void explain_modules(Explanation *x, const Modules *modules)
{
    const Module *m = x->m;
    const bool by_name = can_list(m);
    fputs(by_name ? "imports:\n" : "imports: # too many to name each\n", x->out);
    for (uint32_t k = 0; k < modules->n; k++)
        for (uint32_t i = 0; i < m->nimports; i++) {
            if (modules->of[i] != k) continue;
            explain_import(x, &m->imports[i], by_name);
            if (!by_name) break;
        }
}

static void explain_imports(Explanation *x)
{
    Modules modules = {0};
    if (x->m->nimports == 0) fputs("imports: []\n", x->out);
    else if (!modules_find(x->m, &modules)) x->check->violations.no_memory = true;
    else if (modules.n > MODULES_MOST) fputs("# imports: too many modules to list\n", x->out);
    else explain_modules(x, &modules);
    free(modules.names);
    free(modules.of);
}

/* Functions that somebody might call from outside. */
static bool is_entry(const Module *m, const Export *export)
{
    if (export->kind != FNVM_EXTERN_FUNC) return false;
    const Type *t = module_func_type(m, export->index);
    static const char *const usual[] = {"_start", "_initialize", "main",
                                        "run",    "handle",      "handler"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strlen(usual[i]) == export->name.len &&
            memcmp(usual[i], m->bytes + export->name.start, export->name.len) == 0)
            return true;
    return t->nparams == 0;
}

static void explain_exports(Explanation *x)
{
    const Module *m = x->m;
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->nexports && n <= ENTRIES_MOST; i++) {
        const Export *export = &m->exports[i];
        if (!is_entry(m, export)) continue;
        if (n++ == 0) fputs("# exports: # what it must have: these look like entries\n", x->out);
        if (n > ENTRIES_MOST) {
            fputs("#   and more\n", x->out);
            break;
        }
        char *type = check_type_text(x->check, m, export->kind, export->index);
        fputs("#   - {name: ", x->out);
        print_name(x->out, m, export->name);
        if (type && strlen(type) <= TYPE_MOST) fprintf(x->out, ", type: \"%s\"", type);
        fputs("}\n", x->out);
        free(type);
    }
}

/* Static ceilings come first in the table; STACK is the first of those on running. */
static void explain_limits(Explanation *x)
{
    fputs("limits: # what it has; what running it may take has defaults\n", x->out);
    for (unsigned which = 0; which < CEILING_STACK; which++) {
        uint64_t n = x->check->used[which];
        if (which == CEILING_MODULE && n < 8) n = 8;
        const int len = fprintf(x->out, "  %s: %" PRIu64, policy_ceilings[which].key, n);
        const bool grows = which == CEILING_MEMORY || which == CEILING_TABLE_ELEMENTS;
        fprintf(x->out, "%*s# %s%s\n", len < 30 ? 30 - len : 1, "", policy_ceilings[which].what,
                grows && n > 0 ? ": give it room" : "");
    }
}

static const char *const wasi_calls[] = {
#define FUNC(name, type, in_unstable) #name,
    WASI_FUNCTIONS(FUNC)
#undef FUNC
};
enum { WASI_CALLS = sizeof wasi_calls / sizeof *wasi_calls };

/* Marks the calls that the module imports; false if one of them is none of WASI's. */
static bool find_calls(const Module *m, bool used[WASI_CALLS])
{
    for (uint32_t i = 0; i < m->nimports; i++) {
        const Import *import = &m->imports[i];
        const char *text = (const char *)m->bytes;
        if (!is_wasi_module(text + import->module.start, import->module.len)) continue;
        size_t k = 0;
        while (k < WASI_CALLS &&
               (strlen(wasi_calls[k]) != import->name.len ||
                memcmp(wasi_calls[k], text + import->name.start, import->name.len)))
            k++;
        if (k == WASI_CALLS) return false;
        used[k] = true;
    }
    return true;
}

static void explain_calls(Explanation *x)
{
    bool used[WASI_CALLS] = {false};
    if (!find_calls(x->m, used)) {
        fputs("# wasi.calls: it imports from WASI what that does not have\n", x->out);
        return;
    }
    WordList l = {x->out, 10, fprintf(x->out, "wasi:\n  calls: ") - 6, false};
    for (size_t k = 0; k < WASI_CALLS; k++)
        if (used[k]) word_add(&l, wasi_calls[k]);
    words_end(&l, "[]\n");
}

/* ---- The whole ---- */

/* A policy that allows all there is. */
static Policy open_policy(void)
{
    Policy p = {.name = (char *)"explain",
                .features = UINT32_MAX,
                .any_import = true,
                .any_call = true,
                .any_dir = true,
                .any_env = true,
                .network = true};
    atomic_init(&p.refs, 1); /* never the last one: nothing is freed */
    for (unsigned which = 0; which < CEILINGS; which++) p.ceilings[which].most = UINT64_MAX;
    return p;
}

static fnvm_error *explain(const Module *m, char **yaml)
{
    size_t size;
    Explanation x = {.out = open_memstream(yaml, &size), .m = m, .check = m->check};
    if (!x.out) return error_no_memory();
    fputs("# The narrowest policy that the module fits: docs/policies.md.\n", x.out);
    explain_features(&x);
    explain_imports(&x);
    explain_exports(&x);
    fputs("native: [] # libraries that its functions come from: the module does not say which\n", x.out);
    explain_limits(&x);
    explain_calls(&x);
    const bool failed = ferror(x.out) != 0 || m->check->violations.no_memory;
    if (fclose(x.out) == 0 && !failed) return NULL;
    free(*yaml);
    *yaml = NULL;
    return error_no_memory();
}

fnvm_error *fnvm_policy_explain(const void *bytes, size_t len, char **yaml)
{
    Policy policy = open_policy();
    Module *m;
    *yaml = NULL;
    fnvm_error *error = policy_look(&policy, bytes, len, &m);
    if (error) return error;
    error = explain(m, yaml);
    fnvm_module_release(m);
    return error;
}
