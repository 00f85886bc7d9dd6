/* The type section and the types of imports and definitions (standard, 5.3).  Recursion groups
 * are collected in scratch arrays, one group at a time, and handed to the engine's registry, which
 * gives them their canonical ids. */
#include <stdlib.h>

#include "loader/decode.h"
#include "loader/read_types.h"
#include "vm/tunables.h"

/* ---- Types in passing ---- */

ValType decode_valtype(Decoder *d) { return read_valtype(&d->r, d->m, d->group); }

ValType decode_reftype(Decoder *d) { return read_reftype(&d->r, d->m, d->group); }

TypeId decode_func_type(Decoder *d)
{
    uint32_t at = d->r.pos;
    TypeId id = read_type_index(&d->r, d->m, 0);
    if (d->r.error) return 0;
    if (types_get(&d->m->engine->types, id)->comp != COMP_FUNC) {
        reader_fail(&d->r, FNVM_E_INVALID, at, "non-function type where a function's is expected");
        return 0;
    }
    return id;
}

TypeId decode_tag_type(Decoder *d)
{
    uint32_t at = d->r.pos;
    uint8_t attribute = read_byte(&d->r, "a tag's attribute");
    if (attribute != 0)
        reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed tag attribute 0x%02x", attribute);
    decode_need(d, FNVM_FEATURE_EXCEPTIONS, at, "a tag");
    uint32_t type_at = d->r.pos;
    TypeId id = decode_func_type(d);
    if (!d->r.error && types_get(&d->m->engine->types, id)->nresults > 0)
        reader_fail(&d->r, FNVM_E_INVALID, type_at, "non-empty tag result type");
    return id;
}

enum { LIMITS_MAX = 1, LIMITS_SHARED = 2, LIMITS_64 = 4, LIMITS_PAGE_SIZE = 8 };

/* Range checks (3.2.4) are the verifier's. */
static Limits decode_limits(Decoder *d, uint8_t allowed, uint8_t *flags)
{
    uint32_t at = d->r.pos;
    *flags = read_byte(&d->r, "limits");
    if (*flags & ~allowed)
        reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed limits flags 0x%02x", *flags);
    if (*flags & LIMITS_SHARED)
        reader_fail(&d->r, FNVM_E_UNSUPPORTED, at, "a shared memory: threads are not supported");
    if (*flags & LIMITS_64) decode_need(d, FNVM_FEATURE_MEMORY64, at, "64-bit limits");
    Limits l = {.max = UINT64_MAX, .has_max = *flags & LIMITS_MAX, .is64 = *flags & LIMITS_64};
    l.min = read_u64(&d->r, "a minimum");
    if (l.has_max) l.max = read_u64(&d->r, "a maximum");
    return l;
}

TableType decode_table_type(Decoder *d)
{
    uint8_t flags;
    TableType t = {.elem = decode_reftype(d)};
    uint32_t at = d->r.pos;
    t.limits = decode_limits(d, LIMITS_MAX | LIMITS_64, &flags);
    decode_one(d, CEILING_TABLE_ELEMENTS, t.limits.min, at);
    return t;
}

static void decode_page_size(Decoder *d, uint32_t limits_at, MemoryType *t)
{
    decode_need(d, FNVM_FEATURE_CUSTOM_PAGE_SIZES, limits_at, "a page size of its own");
    uint32_t at = d->r.pos, log2 = read_u32(&d->r, "the logarithm of a page size");
    if (log2 >= 64)
        reader_fail(&d->r, FNVM_E_MALFORMED, at, "invalid custom page size 2**%u", log2);
    else if (log2 != 0 && log2 != 16)
        reader_fail(&d->r, FNVM_E_INVALID, at,
                    "invalid custom page size 2**%u: expected 1 or 65536 bytes", log2);
    t->page_log2 = (uint8_t)log2;
}

static uint64_t memory_bytes(const MemoryType *t)
{
    return t->limits.min > UINT64_MAX >> t->page_log2 ? UINT64_MAX : t->limits.min << t->page_log2;
}

MemoryType decode_memory_type(Decoder *d)
{
    uint32_t at = d->r.pos;
    uint8_t flags, allowed = LIMITS_MAX | LIMITS_SHARED | LIMITS_64;
    /* While the proposal is off the flag is as malformed as the standard has it. */
    if (d->m->engine->config.features & FNVM_FEATURE_CUSTOM_PAGE_SIZES) allowed |= LIMITS_PAGE_SIZE;
    MemoryType t = {.limits = decode_limits(d, allowed, &flags), .page_log2 = 16};
    if (flags & LIMITS_PAGE_SIZE) decode_page_size(d, at, &t);
    if (!d->r.error) decode_one(d, CEILING_MEMORY, memory_bytes(&t), at);
    return t;
}

static bool decode_mutability(Decoder *d)
{
    uint32_t at = d->r.pos;
    uint8_t flag = read_byte(&d->r, "mutability");
    if (flag > 1) reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed mutability 0x%02x", flag);
    return flag == 1;
}

GlobalType decode_global_type(Decoder *d)
{
    GlobalType t = {.type = decode_valtype(d)};
    t.is_mutable = decode_mutability(d);
    return t;
}

/* ---- Definitions ---- */

/* The group being collected.  Definitions take their parameters, results and fields from the two
 * arrays in order, so that only counts are kept until the arrays have stopped moving. */
typedef struct Group {
    TypeDef *defs;
    ValType *types;
    Field *fields;
    uint32_t ndefs, ntypes, nfields;
    uint32_t types_cap, fields_cap, defs_cap;
} Group;

/* Room for `more` elements after `n`; doubles, so that a section is linear in its bytes. */
static void *reserve(Decoder *d, void *array, uint32_t *cap, uint32_t n, uint32_t more, size_t size)
{
    if (d->r.error || more <= *cap - n) return array;
    uint64_t want = (uint64_t)n + more, doubled = (uint64_t)*cap * 2;
    if (want < doubled) want = doubled;
    void *grown = want > UINT32_MAX ? NULL : reallocarray(array, want, size);
    if (!grown) {
        d->r.error = error_no_memory();
        return array;
    }
    *cap = (uint32_t)want;
    return grown;
}

static uint32_t decode_result_type(Decoder *d, Group *g, const char *what, uint32_t limit,
                                   PolicyCeiling ceiling)
{
    uint32_t at = d->r.pos, n = decode_count(d, what, 1, 0, limit);
    decode_one(d, ceiling, n, at);
    g->types = reserve(d, g->types, &g->types_cap, g->ntypes, n, sizeof *g->types);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) g->types[g->ntypes++] = decode_valtype(d);
    return n;
}

static void decode_field(Decoder *d, Group *g)
{
    g->fields = reserve(d, g->fields, &g->fields_cap, g->nfields, 1, sizeof *g->fields);
    if (d->r.error) return;
    Field f = {0};
    uint8_t code = d->r.pos < d->r.end ? d->r.bytes[d->r.pos] : 0;
    if (code == 0x78 || code == 0x77) {
        d->r.pos++;
        f.type = code == 0x78 ? TYPE_I8 : TYPE_I16;
    } else {
        f.type = decode_valtype(d);
    }
    f.is_mutable = decode_mutability(d);
    g->fields[g->nfields++] = f;
}

static void decode_comp_type(Decoder *d, Group *g, TypeDef *def, uint32_t at, uint8_t code)
{
    if (d->r.error) return;
    switch (code) {
    case 0x60:
        def->comp = COMP_FUNC;
        def->nparams = decode_result_type(d, g, "parameters", LIMIT_PARAMS, CEILING_PARAMETERS);
        def->nresults = decode_result_type(d, g, "results", LIMIT_RESULTS, CEILING_RESULTS);
        if (def->nresults > 1) decode_need(d, FNVM_FEATURE_MULTI_VALUE, at, "several results");
        return;
    case 0x5F:
        def->comp = COMP_STRUCT;
        def->nfields = decode_count(d, "fields", 2, 0, LIMIT_FIELDS);
        break;
    case 0x5E:
        def->comp = COMP_ARRAY;
        def->nfields = 1;
        break;
    default:
        reader_fail(&d->r, FNVM_E_MALFORMED, at,
                    "malformed type definition 0x%02x: expected a function, structure, array, "
                    "sub type or recursion group",
                    code);
        return;
    }
    decode_need(d, FNVM_FEATURE_GC, at, "a structure or array type");
    for (uint32_t i = 0; i < def->nfields && decode_goes_on(d); i++) decode_field(d, g);
}

/* Supertypes above a type whose supertype this is; more than the limit if it is far more. */
static uint32_t supers_above(const Decoder *d, const Group *g, HeapType super)
{
    uint32_t n = 0;
    for (; super >= HEAP_REC && n <= LIMIT_SUBTYPE_DEPTH; n++)
        super = g->defs[super - HEAP_REC].super;
    if (super >= HEAP_REC || super == TYPE_ID_NONE) return n;
    return n + 1 + types_get(&d->m->engine->types, super)->depth;
}

/* Member `member` of the group; its first byte, at `at`, is read. */
static void decode_sub_type(Decoder *d, Group *g, uint32_t member, uint32_t at, uint8_t code)
{
    TypeDef *def = &g->defs[member];
    decode_add(d, CEILING_TYPES, 1, at);
    *def = (TypeDef){.is_final = code != 0x50, .super = TYPE_ID_NONE};
    if (code == 0x50 || code == 0x4F) {
        decode_need(d, FNVM_FEATURE_GC, at, "a sub type");
        uint32_t supers_at = d->r.pos, n = decode_count(d, "supertypes", 1, 0, UINT32_MAX);
        if (n > 1)
            reader_fail(&d->r, FNVM_E_INVALID, supers_at,
                        "sub type with %u supertypes: at most one is allowed", n);
        /* Only types before this one can be above it (3.4.2). */
        if (n == 1) def->super = read_type_index(&d->r, d->m, member);
        if (d->r.check && !d->r.error)
            check_one(d->r.check, CEILING_SUBTYPING, supers_above(d, g, def->super), supers_at);
        at = d->r.pos;
        code = read_byte(&d->r, "a type");
    }
    decode_comp_type(d, g, def, at, code);
}

static void group_define(Decoder *d, Group *g, uint32_t n, uint32_t at)
{
    Module *m = d->m;
    ValType *types = g->types;
    Field *fields = g->fields;
    for (uint32_t i = 0; i < n; i++) {
        TypeDef *def = &g->defs[i];
        def->params = types;
        def->results = def->nparams ? types + def->nparams : types;
        def->fields = fields;
        if (types) types += def->nparams + def->nresults;
        if (fields) fields += def->nfields;
    }
    fnvm_error *error = types_define(&m->engine->types, g->defs, n, m->types + m->ntypes);
    if (error) {
        reader_fail(&d->r, error->code, at, "%s", error->message);
        fnvm_error_free(error);
        return;
    }
    m->ntypes += n;
}

/* One entry of the section: a group, or a single type, which is a group of its own. */
static void decode_group(Decoder *d, Group *g, uint32_t *types_cap)
{
    Module *m = d->m;
    uint32_t at = d->r.pos, n = 1;
    uint8_t code = read_byte(&d->r, "a type");
    bool is_explicit = code == 0x4E;
    if (is_explicit) {
        decode_need(d, FNVM_FEATURE_GC, at, "a recursion group");
        n = decode_count(d, "types", 2, m->ntypes, LIMIT_TYPES);
    }
    g->ntypes = g->nfields = 0;
    g->defs = reserve(d, g->defs, &g->defs_cap, 0, n, sizeof *g->defs);
    m->types = reserve(d, m->types, types_cap, m->ntypes, n, sizeof *m->types);
    if (!d->r.error && m->ntypes >= LIMIT_TYPES)
        reader_fail(&d->r, FNVM_E_LIMIT, at, "more than %d types", LIMIT_TYPES);
    d->group = n;
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        uint32_t member_at = is_explicit ? d->r.pos : at;
        if (is_explicit) code = read_byte(&d->r, "a type");
        decode_sub_type(d, g, i, member_at, code);
    }
    d->group = 0;
    if (!d->r.error && n > 0) group_define(d, g, n, at);
}

void decode_type_section(Decoder *d)
{
    Group g = {0};
    uint32_t n = decode_count(d, "types", 2, 0, LIMIT_TYPES), types_cap = 0;
    d->m->types = reserve(d, d->m->types, &types_cap, 0, n, sizeof *d->m->types);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) decode_group(d, &g, &types_cap);
    free(g.defs);
    free(g.types);
    free(g.fields);
}
