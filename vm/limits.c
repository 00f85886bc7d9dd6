/* One row per limit: what it is called where it is set.  A policy only ever lowers the engine's
 * limits; a limit that has just the value of the policy's ceiling is taken to be that one's
 * doing. */
#include "vm/limits.h"

#include <inttypes.h>
#include <stdio.h>

#include "verifier/policy/policy.h"
#include "vm/engine.h"
#include "vm/region.h"

typedef struct LimitRow {
    const char *unit;
    const char *field;  /* of fnvm_config, or the function that sets it */
    const char *option; /* of the command */
    PolicyCeiling ceiling;
} LimitRow;

static const LimitRow rows[CONFIG_LIMITS] = {
    [CONFIG_MEMORY] = {"bytes", "max_memory_bytes", "-W max-memory-size", CEILING_MEMORY},
    [CONFIG_TABLE] = {"elements", "max_table_elements", "-W max-table-elements",
                      CEILING_TABLE_ELEMENTS},
    [CONFIG_STACK] = {"bytes", "max_stack_bytes", "-W max-wasm-stack", CEILING_STACK},
    [CONFIG_HEAP] = {"bytes", "max_heap_bytes", "-W max-heap-size", CEILING_HEAP},
    [CONFIG_INSTANCES] = {"instances", "max_instances", "-W max-instances", CEILING_INSTANCES},
    [CONFIG_FUEL] = {"instructions", "fnvm_store_set_fuel", "-W fuel", CEILING_FUEL}};

void limit_print(const fnvm_engine *engine, ConfigLimit limit, uint64_t value, char *text,
                 size_t size)
{
    const LimitRow *row = &rows[limit];
    const fnvm_policy *policy = engine->config.policy;
    char source[POLICY_SOURCE];
    if (policy && policy->ceilings[row->ceiling].most == value)
        policy_print_source(policy, row->ceiling, source, sizeof source);
    else snprintf(source, sizeof source, "%s, %s", row->field, row->option);
    snprintf(text, size, "%" PRIu64 " %s (%s)", value, row->unit, source);
}

/* "TRAP: WHAT LIMIT". */
static fnvm_error *limit_trap(const Store *s, fnvm_trap trap, const char *what, ConfigLimit limit,
                              uint64_t value)
{
    char text[LIMIT_TEXT];
    limit_print(s->engine, limit, value, text, sizeof text);
    return fnvm_error_trap_new(trap, "%s: %s%s", fnvm_trap_text(trap), what, text);
}

fnvm_error *store_trap_error(const Store *s, fnvm_trap trap)
{
    const fnvm_config *config = &s->engine->config;
    switch (trap) {
    case FNVM_TRAP_STACK_EXHAUSTED:
        return limit_trap(s, trap, "the guest's stack has ", CONFIG_STACK,
                          store_region_limits(s).max_stack_bytes);
    case FNVM_TRAP_HEAP_EXHAUSTED:
        return limit_trap(s, trap, "it is ", CONFIG_HEAP, config->max_heap_bytes);
    case FNVM_TRAP_ALLOCATION_SIZE:
        return limit_trap(s, trap, "the managed heap has ", CONFIG_HEAP, config->max_heap_bytes);
    case FNVM_TRAP_OUT_OF_FUEL:
        return limit_trap(s, trap, "it was ", CONFIG_FUEL, s->fuel_given);
    default: return fnvm_error_trap_new(trap, "%s", fnvm_trap_text(trap));
    }
}

/* What kept a memory or table from growing: the configuration, the type, or else the host. */
static const char *obstacle(const fnvm_engine *engine, ConfigLimit limit, uint64_t wanted,
                            bool fits_type, uint64_t most, char *text, size_t size)
{
    char value[LIMIT_TEXT];
    if (!fits_type) return "its type allows no more";
    if (wanted <= most) return "the host has no memory for it";
    limit_print(engine, limit, most, value, sizeof value);
    snprintf(text, size, "the limit is %s", value);
    return text;
}

static bool fits(uint64_t size, uint64_t delta, const Limits *type)
{
    uint64_t sum;
    uint64_t most = type->has_max ? type->max : type->is64 ? UINT64_MAX : UINT32_MAX;
    return !__builtin_add_overflow(size, delta, &sum) && sum <= most;
}

fnvm_error *memory_grow_error(const MemoryRef *m, uint64_t delta)
{
    const MemoryType *type = &m->owner->module->memories[m->index];
    const Store *s = m->owner->store;
    const uint64_t pages = m->state->size >> m->state->page_log2;
    Limits limits = type->limits;
    if (!limits.has_max && !limits.is64) { /* 4 GiB */
        limits.has_max = true;
        limits.max = m->state->page_log2 ? (UINT64_C(1) << 32) >> m->state->page_log2 : UINT32_MAX;
    }
    const bool fits_type = fits(pages, delta, &limits);
    uint64_t wanted;
    if (!fits_type || __builtin_mul_overflow(pages + delta, UINT64_C(1) << m->state->page_log2,
                                             &wanted))
        wanted = UINT64_MAX;
    char text[LIMIT_TEXT + 32];
    const char *why = obstacle(s->engine, CONFIG_MEMORY, wanted, fits_type,
                               store_region_limits(s).max_memory_bytes, text, sizeof text);
    return fnvm_error_trap_new(FNVM_TRAP_GROW_FAILED, "%s: memory %" PRIu32 " has %" PRIu64
                               " pages and asks for %" PRIu64 " more: %s",
                               fnvm_trap_text(FNVM_TRAP_GROW_FAILED), m->index, pages, delta, why);
}

fnvm_error *table_grow_error(const TableRef *t, uint64_t delta)
{
    const Store *s = t->owner->store;
    const bool fits_type = fits(t->state->size, delta,
                                &t->owner->module->tables[t->index].type.limits);
    char text[LIMIT_TEXT + 32];
    const char *why = obstacle(s->engine, CONFIG_TABLE,
                               fits_type ? t->state->size + delta : UINT64_MAX, fits_type,
                               store_region_limits(s).max_table_elements, text, sizeof text);
    return fnvm_error_trap_new(FNVM_TRAP_GROW_FAILED, "%s: table %" PRIu32 " has %" PRIu64
                               " elements and asks for %" PRIu64 " more: %s",
                               fnvm_trap_text(FNVM_TRAP_GROW_FAILED), t->index, t->state->size,
                               delta, why);
}
