/* Violations and uses are noted by the same calls, so that what `explain` asks for is what the
 * check looks at.  A count that goes up (functions, locals) is one violation with its final
 * number, where it passed the ceiling; so it waits in `reached` until the function or the module
 * ends. */
#include "verifier/policy/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/feature.h"
#include "vm/error.h"

void check_open(PolicyCheck *c, const Policy *policy)
{
    memset(c, 0, sizeof *c);
    c->policy = policy;
    c->func = CHECK_SECTIONS;
}

void check_close(PolicyCheck *c)
{
    for (size_t i = 0; i < c->violations.n; i++)
        free((void *)(uintptr_t)c->violations.items[i].message);
    free(c->violations.items);
    c->violations = (Violations){0};
}

void check_begin(PolicyCheck *c, uint32_t func)
{
    c->func = func;
    c->noted = 0;
}

/* ---- Violations ---- */

/* Takes the message. */
static void violation_keep(Violations *v, fnvm_violation violation)
{
    size_t cap = v->n < 4 ? 4 : v->n * 2; /* grown when n is a power of two from 4, or 0 */
    if (v->n == 0 || (v->n >= 4 && (v->n & (v->n - 1)) == 0)) {
        fnvm_violation *grown = realloc(v->items, cap * sizeof *grown);
        if (!grown) {
            free((void *)(uintptr_t)violation.message);
            v->no_memory = true;
            return;
        }
        v->items = grown;
    }
    v->items[v->n++] = violation;
}

/* "0x2a: function 3: " before the text. */
static char *message_place(const PolicyCheck *c, uint64_t offset, const char *text)
{
    char at[24] = "", func[32] = "", *message;
    if (offset != UINT64_MAX) snprintf(at, sizeof at, "0x%" PRIx64 ": ", offset);
    if (c->func != CHECK_SECTIONS) snprintf(func, sizeof func, "function %" PRIu32 ": ", c->func);
    return asprintf(&message, "%s%s%s", at, func, text) < 0 ? NULL : message;
}

void check_note(PolicyCheck *c, const char *rule, uint32_t line, uint64_t offset,
                const char *format, ...)
{
    Violations *v = &c->violations;
    if (++v->total > VIOLATIONS_MAX) return;
    char *text, *message = NULL;
    va_list args;
    va_start(args, format);
    const int len = vasprintf(&text, format, args);
    va_end(args);
    if (len >= 0) {
        message = message_place(c, offset, text);
        free(text);
    }
    if (message) violation_keep(v, (fnvm_violation){offset, rule, line, message});
    else v->no_memory = true;
}

/* ---- Ceilings ---- */

static const char *const ceiling_rules[CEILINGS] = {
#define CEILING(ident, key, unit, most, what) "limits." key,
#include "verifier/policy/ceilings.def"
};

/* What is said around the number; ceilings on running are not checked here. */
static const struct {
    const char *before, *after;
} ceiling_texts[CEILINGS] = {
    [CEILING_MODULE] = {"a module of ", " bytes"},
    [CEILING_TYPES] = {"", " types"},
    [CEILING_SUBTYPING] = {"", " supertypes above a type"},
    [CEILING_IMPORTS] = {"", " imports"},
    [CEILING_EXPORTS] = {"", " exports"},
    [CEILING_FUNCTIONS] = {"", " functions"},
    [CEILING_TABLES] = {"", " tables"},
    [CEILING_TABLE_ELEMENTS] = {"a table of ", " elements"},
    [CEILING_MEMORIES] = {"", " memories"},
    [CEILING_MEMORY] = {"a memory of ", " bytes"},
    [CEILING_GLOBALS] = {"", " globals"},
    [CEILING_TAGS] = {"", " tags"},
    [CEILING_ELEMENT_SEGMENTS] = {"", " element segments"},
    [CEILING_ELEMENTS] = {"", " elements in segments"},
    [CEILING_DATA_SEGMENTS] = {"", " data segments"},
    [CEILING_DATA] = {"", " bytes in data segments"},
    [CEILING_PARAMETERS] = {"", " parameters"},
    [CEILING_RESULTS] = {"", " results"},
    [CEILING_LOCALS] = {"", " locals"},
    [CEILING_BODY] = {"a body of ", " bytes"},
    [CEILING_NESTING] = {"", " blocks open at a time"},
    [CEILING_FRAME] = {"a frame of ", " bytes"},
};

static void note_ceiling(PolicyCheck *c, PolicyCeiling which, uint64_t n, uint64_t offset)
{
    char allowed[POLICY_CEILING];
    policy_print_ceiling(c->policy, which, allowed, sizeof allowed);
    check_note(c, ceiling_rules[which], c->policy->ceilings[which].line, offset,
               "%s%" PRIu64 "%s; %s", ceiling_texts[which].before, n, ceiling_texts[which].after,
               allowed);
}

void check_one(PolicyCheck *c, PolicyCeiling which, uint64_t n, uint64_t offset)
{
    if (n > c->used[which]) c->used[which] = n;
    if (n > c->policy->ceilings[which].most) note_ceiling(c, which, n, offset);
}

void check_reach(PolicyCheck *c, PolicyCeiling which, uint64_t n, uint64_t offset)
{
    const uint64_t most = c->policy->ceilings[which].most;
    if (n <= c->reached[which]) return;
    if (n > most && c->reached[which] <= most) c->over_at[which] = offset;
    c->reached[which] = n;
}

void check_add(PolicyCheck *c, PolicyCeiling which, uint64_t n, uint64_t offset)
{
    check_reach(c, which, c->reached[which] + n, offset); /* of bytes in a file: no overflow */
}

/* The count has got as far as it will. */
static void settle(PolicyCheck *c, PolicyCeiling which)
{
    check_one(c, which, c->reached[which], c->over_at[which]);
    c->reached[which] = 0;
}

void check_function_end(PolicyCheck *c)
{
    settle(c, CEILING_LOCALS);
    settle(c, CEILING_NESTING);
    settle(c, CEILING_FRAME);
    c->func = CHECK_SECTIONS;
}

/* ---- Features ---- */

void check_feature(PolicyCheck *c, uint32_t features, uint64_t offset, const char *what)
{
    const Policy *p = c->policy;
    c->features |= features;
    for (uint32_t left = features & ~p->features & ~c->noted; left; left &= left - 1) {
        char place[24] = "";
        if (p->features_line) snprintf(place, sizeof place, ":%" PRIu32, p->features_line);
        check_note(c, "features", p->features_line, offset,
                   "%s needs the feature `%s`; %s%s: features does not allow it", what,
                   feature_name(left & -left), p->name, place);
    }
    c->noted |= features;
}

void policy_digest(const Policy *p, uint8_t out[POLICY_DIGEST_BYTES])
{
    if (p) memcpy(out, p->digest, POLICY_DIGEST_BYTES);
    else memset(out, 0, POLICY_DIGEST_BYTES);
}

/* ---- The end ---- */

/* By their places, those that have none at the end; in the order they were found otherwise. */
static void sort_by_offset(Violations *v)
{
    for (size_t i = 1; i < v->n; i++) { /* nearly sorted, and few: the sections come in order */
        const fnvm_violation moved = v->items[i];
        size_t to = i;
        for (; to > 0 && v->items[to - 1].offset > moved.offset; to--)
            v->items[to] = v->items[to - 1];
        v->items[to] = moved;
    }
}

void check_module_end(PolicyCheck *c, const Module *m)
{
    check_exports(c, m);
    check_begin(c, CHECK_SECTIONS);
    for (unsigned which = 0; which < CEILINGS; which++) settle(c, which);
    sort_by_offset(&c->violations);
}

fnvm_error *check_error(const PolicyCheck *c, const char *what)
{
    const Violations *v = &c->violations;
    if (v->no_memory) return error_no_memory();
    if (v->total == 0) return NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return error_no_memory();
    fprintf(out, "%s violates the policy %s in %zu place%s:", what, c->policy->name, v->total,
            v->total == 1 ? "" : "s");
    for (size_t i = 0; i < v->n && i < VIOLATIONS_LISTED; i++)
        fprintf(out, "\n  %s", v->items[i].message);
    if (v->total > VIOLATIONS_LISTED)
        fprintf(out, "\n  and %zu more", v->total - VIOLATIONS_LISTED);
    const bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return error_no_memory();
    }
    fnvm_error *error = fnvm_error_new(FNVM_E_POLICY, "%s", text);
    free(text);
    return error;
}
