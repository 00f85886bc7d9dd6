/* What can be done with a policy that has been read: reference counting, patterns, ceilings in messages,
 * and narrowing a configuration. */
#include "verifier/policy/policy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vm/quantity.h"

const CeilingRow policy_ceilings[CEILINGS] = {
#define CEILING(ident, key, unit, most, what) [CEILING_##ident] = {key, UNIT_##unit, most, what},
#include "verifier/policy/ceilings.def"
};

/* ---- Lifetime ---- */

fnvm_policy *fnvm_policy_retain(fnvm_policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void fnvm_policy_release(fnvm_policy *policy)
{
    if (!policy || atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) != 1) return;
    arena_free(&policy->arena);
    free(policy);
}

/* ---- Patterns ---- */

static bool is_later_byte(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* The end of what a segment (no `*` in it) fits at the beginning of a text, or NULL. */
static const char *fit_here(const char *segment, size_t n, const char *text, const char *end)
{
    for (size_t i = 0; i < n; i++) {
        if (text == end) return NULL;
        if (segment[i] != '?' && segment[i] != *text) return NULL;
        text++;
        while (segment[i] == '?' && text < end && is_later_byte(*text)) text++; /* of one character */
    }
    return text;
}

/* The same at the end of a text: whether it fits, and nothing before `text` is needed for it. */
static bool fit_last(const char *segment, size_t n, const char *text, const char *end)
{
    while (n-- > 0) {
        if (text == end) return false;
        end--;
        if (segment[n] != '?' && segment[n] != *end) return false;
        while (segment[n] == '?' && end > text && is_later_byte(*end)) end--;
    }
    return true;
}

/* The end of the first place where a segment fits, or NULL. */
static const char *fit_first(const char *segment, size_t n, const char *text, const char *end)
{
    if (!memchr(segment, '?', n)) {
        const char *at = memmem(text, (size_t)(end - text), segment, n);
        return at ? at + n : NULL;
    }
    for (; text <= end; text++) {
        const char *fit = fit_here(segment, n, text, end);
        if (fit) return fit;
    }
    return NULL;
}

/* Taking the first place for each segment is enough: what follows a `*` can only gain by it. */
bool pattern_matches(const char *pattern, const char *text, size_t len)
{
    const char *end = text + len;
    size_t n = strcspn(pattern, "*");
    text = fit_here(pattern, n, text, end);
    if (!text) return false;
    pattern += n;
    if (!*pattern) return text == end;
    for (;;) {
        pattern++; /* over the `*` */
        n = strcspn(pattern, "*");
        if (!pattern[n]) return fit_last(pattern, n, text, end);
        if (!(text = fit_first(pattern, n, text, end))) return false;
        pattern += n;
    }
}

/* ---- Ceilings ---- */

void policy_print_ceiling(const Policy *policy, PolicyCeiling c, char *text, size_t size)
{
    const CeilingRow *row = &policy_ceilings[c];
    const Ceiling *ceiling = &policy->ceilings[c];
    char most[QUANTITY_TEXT], line[16] = "";
    if (row->unit == UNIT_BYTES) spell_size(ceiling->most, most);
    else if (row->unit == UNIT_TIME) spell_duration(ceiling->most, most);
    else snprintf(most, sizeof most, "%" PRIu64, ceiling->most);
    if (ceiling->line) snprintf(line, sizeof line, "%" PRIu32 ":", ceiling->line);
    snprintf(text, size, "%s:%s limits.%s allows %s%s", policy->name, line, row->key, most,
             ceiling->line ? "" : ", the default");
}

void policy_print_source(const Policy *policy, PolicyCeiling c, char *text, size_t size)
{
    const char *key = policy_ceilings[c].key;
    const uint32_t line = policy->ceilings[c].line;
    if (line) snprintf(text, size, "limits.%s, %s:%" PRIu32, key, policy->name, line);
    else snprintf(text, size, "limits.%s, the default of %s", key, policy->name);
}

static void lower(uint64_t *limit, const Policy *policy, PolicyCeiling c)
{
    if (*limit > policy->ceilings[c].most) *limit = policy->ceilings[c].most;
}

void policy_narrow(const Policy *policy, fnvm_config *config)
{
    lower(&config->max_memory_bytes, policy, CEILING_MEMORY);
    lower(&config->max_table_elements, policy, CEILING_TABLE_ELEMENTS);
    lower(&config->max_stack_bytes, policy, CEILING_STACK);
    lower(&config->max_heap_bytes, policy, CEILING_HEAP);
    uint64_t instances = config->max_instances;
    lower(&instances, policy, CEILING_INSTANCES);
    config->max_instances = (uint32_t)instances;
    if (policy->ceilings[CEILING_FUEL].line) config->fuel = true;
    if (policy->engine_line) config->engine = policy->engine;
    if (policy->verify_line) config->verify = policy->verify;
    if (policy->compile_line) config->compile = policy->compile;
}
