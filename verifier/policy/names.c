/* Imports and exports against a policy's lists: by name patterns, and by types as text, in which
 * white space counts only where it separates two words. */
#include <stdlib.h>
#include <string.h>

#include "verifier/policy/check.h"
#include "vm/engine.h"
#include "vm/stop.h"

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

/* ---- Names in messages ---- */

enum { NAME_MOST = 200, TYPE_MOST = 400 }; /* bytes of a name or type in a message */
typedef struct Shown { char text[NAME_MOST * 4 + sizeof "..."]; } Shown;

static const char *at(const Module *m, Name name) { return (const char *)m->bytes + name.start; }

/* The bytes of a character (in UTF-8 that is valid) that would make a message look like another one: a
 * control, the end of a line, or what turns the direction of writing. */
static size_t mark_length(const uint8_t *c, size_t left)
{
    if (c[0] < 0x20 || c[0] == 0x7F) return 1;
    if (c[0] == 0xC2 && left > 1 && c[1] < 0xA0) return 2;
    if (c[0] != 0xE2 || left < 3) return 0;
    return (c[1] == 0x80 && c[2] >= 0xA8 && c[2] <= 0xAE) ||
           (c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9) ? 3 : 0;
}

/* Such characters as \xNN, and of a long name the beginning. */
static const char *show(const Module *m, Name name, Shown *out)
{
    const uint8_t *text = m->bytes + name.start;
    size_t len = name.len, to = 0;
    if (len > NAME_MOST)
        for (len = NAME_MOST; (text[len] & 0xC0) == 0x80; len--) {} /* whole characters */
    for (size_t i = 0; i < len;) {
        size_t n = mark_length(text + i, len - i);
        if (n == 0) out->text[to++] = (char)text[i++];
        for (; n > 0; n--) to += (size_t)snprintf(out->text + to, 5, "\\x%02x", text[i++]);
    }
    memcpy(out->text + to, len < name.len ? "..." : "", len < name.len ? 4 : 1);
    return out->text;
}

/* ---- Imports ---- */

/* A module may have a million imports, and a policy thousands of patterns: together they may take so many
 * steps, which are a second or two.  A step is a comparison, or 64 bytes of a name in one, or a byte of a
 * type that is written out for it. */
#define COMPARED_MOST (UINT64_C(1) << 27)
enum { STEP_BYTES = 64 };

typedef struct Comparing { /* of one import */
    PolicyCheck *c;
    const Module *m;
    const Import *import;
    char *type;            /* as text, once it is needed */
    uint64_t cost;         /* of one comparison */
    fnvm_error *stopped;
} Comparing;

/* Spends steps; false: no more of it. */
static bool spend(Comparing *k, uint64_t steps)
{
    const uint64_t before = k->c->compared, after = before + steps;
    k->c->compared = after;
    if (before / STOP_STEPS != after / STOP_STEPS && engine_interrupted(k->m->engine))
        k->stopped = stop_error("comparing imports with a policy");
    return !k->stopped && after <= COMPARED_MOST;
}

/* NULL: out of memory, which is noted, or out of steps. */
static const char *type_text(Comparing *k)
{
    if (k->type) return k->type;
    k->type = check_type_text(k->c, k->m, k->import->kind, k->import->index);
    return k->type && spend(k, strlen(k->type)) ? k->type : NULL;
}

static bool is_listed(const PolicyCheck *c) { return c->violations.total < VIOLATIONS_MAX; }

bool is_wasi_module(const char *name, size_t len)
{
    static const char *const modules[] = {"wasi_snapshot_preview1", "wasi_unstable"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strlen(modules[i]) == len && memcmp(modules[i], name, len) == 0) return true;
    return false;
}

static void compare_call(Comparing *k)
{
    const Policy *p = k->c->policy;
    const Name name = k->import->name;
    for (size_t i = 0; i < p->ncalls; i++) {
        if (!spend(k, 1)) return;
        if (strlen(p->calls[i].text) == name.len &&
            memcmp(p->calls[i].text, at(k->m, name), name.len) == 0)
            return;
    }
    Shown shown;
    check_note(k->c, "wasi.calls", p->calls_line, name.start,
               "the call `%s` of WASI; %s:%u: wasi.calls does not have it",
               show(k->m, name, &shown), p->name, p->calls_line);
}

static bool names_match(const Comparing *k, const PolicyImport *entry)
{
    const Name module = k->import->module, name = k->import->name;
    return pattern_matches(entry->module, at(k->m, module), module.len) &&
           pattern_matches(entry->name, at(k->m, name), name.len);
}

/* `entry`: the first for its name, or NULL. */
static void refuse_import(Comparing *k, const PolicyImport *entry)
{
    const Policy *p = k->c->policy;
    Shown module, name;
    const char *type = is_listed(k->c) ? type_text(k) : ""; /* a flood is only counted */
    if (!type) return;
    show(k->m, k->import->module, &module);
    show(k->m, k->import->name, &name);
    if (!entry)
        check_note(k->c, "imports", p->imports_line, k->import->name.start,
                   "the import `%s` `%s` %.*s; %s:%u: imports does not have it", module.text,
                   name.text, TYPE_MOST, type, p->name, p->imports_line);
    else
        check_note(k->c, "imports", entry->line, k->import->name.start,
                   "the import `%s` `%s` is %.*s; %s:%u: imports allows %.*s", module.text,
                   name.text, TYPE_MOST, type, p->name, entry->line, TYPE_MOST, entry->type);
}

/* The first entry that allows its name and type is enough. */
static void compare_import(Comparing *k)
{
    const Policy *p = k->c->policy;
    const PolicyImport *named = NULL;
    for (size_t i = 0; i < p->nimports; i++) {
        const PolicyImport *entry = &p->imports[i];
        if (!spend(k, k->cost)) return;
        if (!names_match(k, entry)) continue;
        if (!entry->type) return;
        const char *type = type_text(k);
        if (!type || types_equal(entry->type, type)) return;
        if (!named) named = entry;
    }
    refuse_import(k, named);
}

/* Once the steps are used up, the module is refused for that, and nothing more is compared. */
static fnvm_error *compare(PolicyCheck *c, const Module *m, const Import *import)
{
    const Policy *p = c->policy;
    if (c->compared > COMPARED_MOST) return NULL;
    Comparing k = {.c = c, .m = m, .import = import,
                   .cost = 1 + (import->module.len + import->name.len) / STEP_BYTES};
    if (!p->any_call && is_wasi_module(at(m, import->module), import->module.len)) compare_call(&k);
    if (!p->any_import && !k.stopped && c->compared <= COMPARED_MOST) compare_import(&k);
    free(k.type);
    if (c->compared > COMPARED_MOST && !k.stopped)
        check_note(c, "imports", p->imports_line, import->name.start,
                   "its imports, from here on: comparing more of them with the policy's %zu"
                   " patterns takes too long; %s: limits.imports can allow fewer", p->nimports,
                   p->name);
    return k.stopped;
}

fnvm_error *check_import(PolicyCheck *c, const Module *m, const Import *import)
{
    static const PolicyCeiling of_kind[] = {[FNVM_EXTERN_FUNC] = CEILING_FUNCTIONS,
                                            [FNVM_EXTERN_TABLE] = CEILING_TABLES,
                                            [FNVM_EXTERN_MEMORY] = CEILING_MEMORIES,
                                            [FNVM_EXTERN_GLOBAL] = CEILING_GLOBALS,
                                            [FNVM_EXTERN_TAG] = CEILING_TAGS};
    check_add(c, CEILING_IMPORTS, 1, import->name.start);
    check_add(c, of_kind[import->kind], 1, import->name.start);
    return compare(c, m, import);
}

/* ---- Exports ---- */

static void check_export(PolicyCheck *c, const Module *m, const PolicyExport *wanted)
{
    const Export *export = module_find_export(m, wanted->name, strlen(wanted->name));
    if (!export) {
        check_note(c, "exports", wanted->line, UINT64_MAX,
                   "there is no export `%.*s`; %s:%u: exports wants it", NAME_MOST,
                   wanted->name, c->policy->name, wanted->line);
        return;
    }
    if (!wanted->type) return;
    char *type = check_type_text(c, m, export->kind, export->index);
    Shown shown;
    if (type && !types_equal(wanted->type, type))
        check_note(c, "exports", wanted->line, export->name.start,
                   "the export `%s` is %.*s; %s:%u: exports wants %.*s",
                   show(m, export->name, &shown), TYPE_MOST, type, c->policy->name, wanted->line,
                   TYPE_MOST, wanted->type);
    free(type);
}

void check_exports(PolicyCheck *c, const Module *m)
{
    for (size_t i = 0; i < c->policy->nexports; i++) check_export(c, m, &c->policy->exports[i]);
}
