/* Decides what a module has, has its functions written, and then writes the sections, of which the
 * types come first in the file but are known last: blocks add types of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/generate/state.h"
#include "conformance/generate/values.h"

static uint32_t below_g(Generator *g, uint32_t n) { return random_below(&g->random, n); }
static bool percent_g(Generator *g, uint32_t n) { return below_g(g, 100) < n; }

/* ---- Types ---- */

static bool is_structural(const Generator *g, HeapType h, CompKind comp)
{
    return heap_is_defined(h) && g->types[h].comp == comp;
}

bool is_concrete(const Generator *g, ValType t, CompKind comp)
{
    return type_is_ref(t) && is_structural(g, type_heap(t), comp);
}

static bool heap_is_sub(const Generator *g, HeapType a, HeapType b)
{
    bool is_struct = a == HEAP_STRUCT || is_structural(g, a, COMP_STRUCT);
    bool is_array = a == HEAP_ARRAY || is_structural(g, a, COMP_ARRAY);
    if (a == b) return true;
    switch (b) {
    case HEAP_ANY:
        if (a == HEAP_EQ) return true; /* fall through */
    case HEAP_EQ: return is_struct || is_array || a == HEAP_I31 || a == HEAP_NONE;
    case HEAP_I31: return a == HEAP_NONE;
    case HEAP_STRUCT: return is_struct || a == HEAP_NONE;
    case HEAP_ARRAY: return is_array || a == HEAP_NONE;
    case HEAP_FUNC: return a == HEAP_NOFUNC || is_structural(g, a, COMP_FUNC);
    case HEAP_EXTERN: return a == HEAP_NOEXTERN;
    case HEAP_EXN: return a == HEAP_NOEXN;
    default: break;
    }
    if (!heap_is_defined(b)) return false;
    if (!heap_is_defined(a)) return a == (g->types[b].comp == COMP_FUNC ? HEAP_NOFUNC : HEAP_NONE);
    for (int at = (int)a; at >= 0; at = g->types[at].super)
        if (at == (int)b) return true;
    return false;
}

bool is_sub(const Generator *g, ValType sub, ValType super)
{
    if (!type_is_ref(sub) || !type_is_ref(super)) return sub == super;
    if (type_is_nullable(sub) && !type_is_nullable(super)) return false;
    return heap_is_sub(g, type_heap(sub), type_heap(super));
}

ValType bottom_of(const Generator *g, HeapType h)
{
    if (heap_is_sub(g, h, HEAP_FUNC)) return REF_NULL(HEAP_NOFUNC);
    if (heap_is_sub(g, h, HEAP_EXTERN)) return REF_NULL(HEAP_NOEXTERN);
    if (heap_is_sub(g, h, HEAP_EXN)) return REF_NULL(HEAP_NOEXN);
    return REF_NULL(HEAP_NONE);
}

bool all_defaultable(const ValType *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!type_is_defaultable(types[i])) return false;
    return true;
}

uint64_t memory_bytes(const GenMemory *m, uint32_t pages)
{
    return (uint64_t)pages << m->page_log2;
}

static bool func_of_type(const Generator *g, HeapType h, uint32_t *func)
{
    for (uint32_t i = 0; i < g->nfuncs; i++) {
        *func = (g->nfuncs / 2 + i) % g->nfuncs;
        if (heap_is_sub(g, g->funcs[*func], h)) return true;
    }
    return false;
}

/* Not null only where there is something to refer to. */
static ValType random_reference(Generator *g, bool any)
{
    static const HeapType abstract[] = {HEAP_ANY,   HEAP_EQ,   HEAP_I31,    HEAP_STRUCT,
                                        HEAP_ARRAY, HEAP_FUNC, HEAP_EXTERN, HEAP_EXN};
    static const HeapType bottoms[] = {HEAP_NONE, HEAP_NOFUNC, HEAP_NOEXTERN, HEAP_NOEXN};
    bool nullable = percent_g(g, 75);
    if (!any || percent_g(g, 40)) return type_ref(abstract[below_g(g, 8)], !any || nullable);
    if (percent_g(g, 5)) return REF_NULL(bottoms[below_g(g, 4)]);
    uint32_t func, type = below_g(g, g->ntypes);
    if (g->types[type].comp == COMP_FUNC && !func_of_type(g, type, &func)) nullable = true;
    return type_ref(type, nullable);
}

ValType random_type(Generator *g, bool any_reference)
{
    uint32_t n = below_g(g, 100);
    if (n < 34) return TYPE_I32;
    if (n < 52) return TYPE_I64;
    if (n < 62) return TYPE_F32;
    if (n < 74) return TYPE_F64;
    if (n < 85) return TYPE_V128;
    return random_reference(g, any_reference);
}

static GenType *add_type(Generator *g, CompKind comp)
{
    GenType *t = &g->types[g->ntypes++];
    *t = (GenType){.comp = (uint8_t)comp, .super = -1};
    return t;
}

static bool same_types(const ValType *a, const ValType *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

uint32_t func_type(Generator *g, const ValType *params, uint32_t n, const ValType *results,
                   uint32_t nresults)
{
    for (uint32_t i = FIRST_FUNC_TYPE; i < g->ntypes; i++) {
        const GenType *t = &g->types[i];
        if (!t->open && t->super < 0 && t->n == n && t->nresults == nresults &&
            same_types(t->types, params, n) && same_types(t->results, results, nresults))
            return i;
    }
    if (g->ntypes == MAX_TYPES) return UINT32_MAX;
    GenType *t = add_type(g, COMP_FUNC);
    t->n = n;
    t->nresults = nresults;
    for (uint32_t i = 0; i < n; i++) t->types[i] = params[i];
    for (uint32_t i = 0; i < nresults; i++) t->results[i] = results[i];
    return g->ntypes - 1;
}

static void add_fields(Generator *g, GenType *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        ValType type = random_type(g, false);
        if (percent_g(g, 12)) type = TYPE_I8;
        if (percent_g(g, 12)) type = TYPE_I16;
        if (percent_g(g, 8)) type = REF_NULL(below_g(g, STRUCTS + ARRAYS));
        if (percent_g(g, 4)) type = REF(HEAP_I31);
        if (percent_g(g, 15)) t->constant |= 1u << t->n;
        t->types[t->n++] = type;
    }
}

static void choose_objects(Generator *g)
{
    for (uint32_t i = 0; i < STRUCTS; i++) {
        GenType *t = add_type(g, COMP_STRUCT);
        if (i > 0 && i < STRUCTS - 1) {
            *t = g->types[i - 1];
            t->super = (int)i - 1;
        }
        t->open = i < STRUCTS - 2;
        add_fields(g, t, 1 + below_g(g, 4));
    }
    const ValType elements[ARRAYS] = {TYPE_I8,
                                      TYPE_I16,
                                      TYPE_I32,
                                      TYPE_I64,
                                      TYPE_F32,
                                      TYPE_F64,
                                      TYPE_V128,
                                      REF_NULL(HEAP_EQ),
                                      REF_NULL(HEAP_FUNC),
                                      REF_NULL(0),
                                      REF_NULL(HEAP_EXTERN)};
    for (uint32_t i = 0; i < ARRAYS; i++) {
        GenType *t = add_type(g, COMP_ARRAY);
        t->types[t->n++] = elements[i];
    }
}

/* Few lists of results, so that tail calls find callees. */
static void choose_func_types(Generator *g)
{
    ValType results[3][MAX_VALUES], params[MAX_VALUES];
    uint32_t nresults[3];
    for (uint32_t i = 0; i < 3; i++) {
        nresults[i] = percent_g(g, 25) ? below_g(g, 6) : 1;
        for (uint32_t k = 0; k < nresults[i]; k++) results[i][k] = random_type(g, true);
    }
    func_type(g, NULL, 0, NULL, 0); /* of tag 0 */
    for (uint32_t i = 0, n = 3 + below_g(g, 6); i < n; i++) {
        uint32_t nparams = percent_g(g, 20) ? below_g(g, 13) : below_g(g, 5), r = below_g(g, 3);
        for (uint32_t k = 0; k < nparams; k++) params[k] = random_type(g, true);
        func_type(g, params, nparams, results[r], nresults[r]);
    }
    uint32_t base = g->ntypes - 1; /* an open type and one below it */
    GenType copy = g->types[base];
    copy.open = true;
    g->types[g->ntypes++] = copy;
    copy.open = false;
    copy.super = (int)g->ntypes - 1;
    g->types[g->ntypes++] = copy;
}

static uint32_t random_func_type(Generator *g)
{
    return FIRST_FUNC_TYPE + below_g(g, g->ntypes - FIRST_FUNC_TYPE);
}

/* ---- The other definitions ---- */

static void choose_memories(Generator *g)
{
    g->nmemories = 1 + below_g(g, MAX_MEMORIES);
    uint32_t kind = percent_g(g, 70) ? 0 : below_g(g, 3);
    for (uint32_t i = 0; i < g->nmemories; i++) {
        switch ((kind + i) % 3) {
        case 0: g->memories[i] = (GenMemory){false, 16, 1, 3}; break;
        case 1: g->memories[i] = (GenMemory){true, 16, 1, 2}; break;
        default: g->memories[i] = (GenMemory){percent_g(g, 30), 0, 100, 400};
        }
    }
    g->imports_memory = percent_g(g, 20);
}

static void choose_tables(Generator *g)
{
    const ValType elements[] = {REF_NULL(HEAP_FUNC), REF_NULL(HEAP_EXTERN), REF_NULL(HEAP_ANY),
                                REF_NULL(random_func_type(g))};
    g->ntables = 1 + below_g(g, MAX_TABLES);
    for (uint32_t i = 0; i < g->ntables; i++)
        g->tables[i] =
            (GenTable){elements[i], percent_g(g, i == 0 ? 15 : 35), 12 + below_g(g, 8), 24};
    g->imports_table = percent_g(g, 20);
}

/* Functions may be named before they are written: only their types are needed.  Most types have
 * one, so that references to functions of the type can be had. */
static void choose_funcs(Generator *g)
{
    uint32_t first = below_g(g, g->ntypes);
    g->nimported = below_g(g, 4);
    g->nfuncs = g->nimported + 3 + below_g(g, 8);
    for (uint32_t i = 0; i < g->nfuncs; i++) {
        uint32_t type = random_func_type(g);
        if (i >= g->nimported) type = FIRST_FUNC_TYPE + (first + i) % (g->ntypes - FIRST_FUNC_TYPE);
        for (uint32_t k = 0; i < g->nimported && k < 20; k++, type = random_func_type(g))
            if (all_defaultable(g->types[type].results, g->types[type].nresults)) break;
        g->funcs[i] = type;
    }
}

static void choose_globals(Generator *g)
{
    g->imports_global = percent_g(g, 25);
    if (g->imports_global) g->globals[g->nglobals++] = (GenGlobal){TYPE_I64, true};
    g->hang = g->nglobals;
    g->globals[g->nglobals++] = (GenGlobal){TYPE_I32, true};
    for (uint32_t i = 0, n = 3 + below_g(g, 9); i < n; i++)
        g->globals[g->nglobals++] = (GenGlobal){random_type(g, true), percent_g(g, 80)};
}

static void choose_tags(Generator *g)
{
    g->ntags = 1 + below_g(g, MAX_TAGS);
    g->tags[0] = FIRST_FUNC_TYPE;
    for (uint32_t i = 1; i < g->ntags; i++) {
        ValType params[4];
        uint32_t n = below_g(g, 5);
        for (uint32_t k = 0; k < n; k++) params[k] = random_type(g, true);
        g->tags[i] = func_type(g, params, n, NULL, 0);
    }
}

static void choose_segments(Generator *g)
{
    const ValType types[] = {REF_NULL(HEAP_FUNC), REF_NULL(HEAP_ANY), REF_NULL(HEAP_EXTERN),
                             REF_NULL(HEAP_EQ)};
    g->nelems = 4;
    for (uint32_t i = 0; i < g->nelems; i++) g->elems[i] = (GenElem){types[i], 2 + below_g(g, 6)};
    g->ndatas = 2;
    for (uint32_t i = 0; i < g->ndatas; i++) g->datas[i] = 24 + below_g(g, 80);
}

/* ---- Encodings ---- */

void put_op(Generator *g, Bytes *out, Op op)
{
    const Instr *row = &instructions[op];
    if (g->coverage) g->coverage[op]++;
    if (row->page != PAGE_BASE) {
        bytes_put(out, row->page);
        bytes_unsigned(out, row->code);
    } else {
        bytes_put(out, row->code);
    }
}

static unsigned abstract_code(HeapType h)
{
    static const uint8_t codes[] = {0x70, 0x6F, 0x6E, 0x6D, 0x6C, 0x6B, 0x6A,
                                    0x69, 0x73, 0x72, 0x71, 0x74}; /* in the order of HEAP_FUNC.. */
    return codes[h - HEAP_ABSTRACT];
}

void put_heap(Bytes *out, HeapType h)
{
    if (heap_is_defined(h)) bytes_signed(out, h);
    else bytes_put(out, abstract_code(h));
}

void put_type(Bytes *out, ValType t)
{
    static const uint8_t codes[] = {0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0, 0, 0x78, 0x77};
    if (!type_is_ref(t)) {
        bytes_put(out, codes[t]);
        return;
    }
    if (!type_is_nullable(t)) bytes_put(out, 0x64);
    else if (heap_is_defined(type_heap(t))) bytes_put(out, 0x63);
    put_heap(out, type_heap(t));
}

void put_const(Generator *g, Bytes *out, ValType t, const void *from)
{
    Bits bits = {.halves = {0, 0}};
    static const size_t sizes[] = {4, 8, 4, 8, 16};
    memcpy(&bits, from, sizes[t]);
    switch (t) {
    case TYPE_I32:
        put_op(g, out, op_i32_const);
        bytes_signed(out, (int32_t)bits.i32);
        break;
    case TYPE_I64:
        put_op(g, out, op_i64_const);
        bytes_signed(out, (int64_t)bits.i64);
        break;
    case TYPE_F32: put_op(g, out, op_f32_const), bytes_raw(out, &bits, 4); break;
    case TYPE_F64: put_op(g, out, op_f64_const), bytes_raw(out, &bits, 8); break;
    default: put_op(g, out, op_v128_const), bytes_raw(out, &bits, 16);
    }
}

/* ---- Constant expressions ---- */

static void constant(Generator *g, Bytes *out, ValType t);

static void constant_null(Generator *g, Bytes *out, HeapType h)
{
    put_op(g, out, op_ref_null);
    put_heap(out, h);
}

/* References in it are null where they may be: objects of objects would have no end. */
static void constant_struct(Generator *g, Bytes *out, uint32_t type)
{
    const GenType *s = &g->types[type];
    if (all_defaultable(s->types, s->n) && percent_g(g, 50)) {
        put_op(g, out, op_struct_new_default);
    } else {
        for (uint32_t i = 0; i < s->n; i++) {
            ValType t = s->types[i];
            if (type_is_ref(t) && type_is_nullable(t)) constant_null(g, out, type_heap(t));
            else constant(g, out, unpacked(t));
        }
        put_op(g, out, op_struct_new);
    }
    bytes_unsigned(out, type);
}

static void constant_i31(Generator *g, Bytes *out)
{
    constant(g, out, TYPE_I32);
    put_op(g, out, op_ref_i31);
}

static void constant_array(Generator *g, Bytes *out, uint32_t type)
{
    uint32_t n = below_g(g, 4);
    for (uint32_t i = 0; i < n; i++) constant(g, out, unpacked(g->types[type].types[0]));
    put_op(g, out, op_array_new_fixed);
    bytes_unsigned(out, type);
    bytes_unsigned(out, n);
}

/* References that can be had: of a type without functions null is all there is. */
static bool constant_reference(Generator *g, Bytes *out, HeapType h)
{
    uint32_t func;
    if (heap_is_sub(g, h, HEAP_FUNC)) {
        if (!func_of_type(g, h, &func)) return false;
        put_op(g, out, op_ref_func);
        bytes_unsigned(out, func);
    } else if (is_structural(g, h, COMP_STRUCT) || h == HEAP_STRUCT) {
        constant_struct(g, out, h == HEAP_STRUCT ? below_g(g, STRUCTS) : h);
    } else if (is_structural(g, h, COMP_ARRAY) || h == HEAP_ARRAY) {
        constant_array(g, out, h == HEAP_ARRAY ? STRUCTS + below_g(g, ARRAYS) : h);
    } else if (h == HEAP_EXTERN) {
        constant_i31(g, out);
        put_op(g, out, op_extern_convert_any);
    } else if (h == HEAP_ANY || h == HEAP_EQ || h == HEAP_I31) {
        constant_i31(g, out);
    } else {
        return false;
    }
    return true;
}

static void constant(Generator *g, Bytes *out, ValType t)
{
    if (type_is_ref(t)) {
        if ((!type_is_nullable(t) || percent_g(g, 50)) && constant_reference(g, out, type_heap(t)))
            return;
        constant_null(g, out, type_heap(t));
        return;
    }
    Bits v = edge_value((fnvm_kind)t, below_g(g, (uint32_t)edge_count((fnvm_kind)t)));
    put_const(g, out, t, &v);
    if ((t == TYPE_I32 || t == TYPE_I64) && percent_g(g, 20)) { /* extended constants */
        static const Op ops[2][3] = {{op_i32_add, op_i32_sub, op_i32_mul},
                                     {op_i64_add, op_i64_sub, op_i64_mul}};
        constant(g, out, t);
        put_op(g, out, ops[t][below_g(g, 3)]);
    }
}

static void constant_expression(Generator *g, Bytes *out, ValType t)
{
    constant(g, out, t);
    put_op(g, out, op_end);
}

/* A global or element that is not nullable needs a value that there may be none of. */
static bool has_constant(Generator *g, ValType t)
{
    Bytes scratch = {0};
    uint64_t *coverage = g->coverage;
    g->coverage = NULL;
    bool has = type_is_defaultable(t) || constant_reference(g, &scratch, type_heap(t));
    g->coverage = coverage;
    bytes_free(&scratch);
    return has;
}

/* ---- Sections ---- */

static void put_limits(Bytes *out, uint32_t min, uint32_t max, bool is64, uint8_t page_log2)
{
    bytes_put(out, 1u | (is64 ? 4u : 0) | (page_log2 != 16 ? 8u : 0));
    bytes_unsigned(out, min);
    bytes_unsigned(out, max);
    if (page_log2 != 16) bytes_put(out, page_log2);
}

static void put_memory(Bytes *out, const GenMemory *m)
{
    put_limits(out, m->min, m->max, m->is64, m->page_log2);
}

static void put_table(Bytes *out, const GenTable *t)
{
    put_type(out, t->elem);
    put_limits(out, t->min, t->max, t->is64, 16);
}

static void put_types(Bytes *out, const ValType *types, uint32_t n)
{
    bytes_unsigned(out, n);
    for (uint32_t i = 0; i < n; i++) put_type(out, types[i]);
}

static void put_fields(Bytes *out, const GenType *t)
{
    if (t->comp == COMP_STRUCT) bytes_unsigned(out, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        put_type(out, t->types[i]);
        bytes_put(out, !(t->constant >> i & 1));
    }
}

static void put_defined_type(Bytes *out, const GenType *t)
{
    if (t->open || t->super >= 0) {
        bytes_put(out, t->open ? 0x50 : 0x4F);
        bytes_unsigned(out, t->super >= 0);
        if (t->super >= 0) bytes_unsigned(out, (uint64_t)t->super);
    }
    bytes_put(out, t->comp == COMP_FUNC ? 0x60 : t->comp == COMP_STRUCT ? 0x5F : 0x5E);
    if (t->comp != COMP_FUNC) {
        put_fields(out, t);
        return;
    }
    put_types(out, t->types, t->n);
    put_types(out, t->results, t->nresults);
}

static void type_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, 1 + g->ntypes - FIRST_FUNC_TYPE);
    bytes_put(out, 0x4E); /* structures and arrays are one recursion group */
    bytes_unsigned(out, FIRST_FUNC_TYPE);
    for (uint32_t i = 0; i < g->ntypes; i++) put_defined_type(out, &g->types[i]);
}

static void import_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nimported + g->imports_memory + g->imports_table + g->imports_global);
    for (uint32_t i = 0; i < g->nimported; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        bytes_name(out, "env");
        bytes_name(out, name);
        bytes_put(out, 0);
        bytes_unsigned(out, g->funcs[i]);
    }
    if (g->imports_table) {
        bytes_name(out, "env"), bytes_name(out, "table"), bytes_put(out, 1);
        put_table(out, &g->tables[0]);
    }
    if (g->imports_memory) {
        bytes_name(out, "env"), bytes_name(out, "memory"), bytes_put(out, 2);
        put_memory(out, &g->memories[0]);
    }
    if (g->imports_global) {
        bytes_name(out, "env"), bytes_name(out, "global"), bytes_put(out, 3);
        put_type(out, g->globals[0].type);
        bytes_put(out, g->globals[0].is_mutable);
    }
}

static void function_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nfuncs - g->nimported);
    for (uint32_t i = g->nimported; i < g->nfuncs; i++) bytes_unsigned(out, g->funcs[i]);
}

static void table_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->ntables - g->imports_table);
    for (uint32_t i = g->imports_table; i < g->ntables; i++) put_table(out, &g->tables[i]);
}

static void memory_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nmemories - g->imports_memory);
    for (uint32_t i = g->imports_memory; i < g->nmemories; i++) put_memory(out, &g->memories[i]);
}

static void tag_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->ntags);
    for (uint32_t i = 0; i < g->ntags; i++) {
        bytes_put(out, 0);
        bytes_unsigned(out, g->tags[i]);
    }
}

enum { HANG = 100 }; /* for those who call without setting it */

static void global_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nglobals - g->imports_global);
    for (uint32_t i = g->imports_global; i < g->nglobals; i++) {
        put_type(out, g->globals[i].type);
        bytes_put(out, g->globals[i].is_mutable);
        if (i != g->hang) {
            constant_expression(g, out, g->globals[i].type);
            continue;
        }
        put_const(g, out, TYPE_I32, &(uint32_t){HANG});
        put_op(g, out, op_end);
    }
}

static void export_all(Bytes *out, char prefix, unsigned kind, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%u", prefix, i);
        bytes_name(out, name);
        bytes_put(out, kind);
        bytes_unsigned(out, i);
    }
}

static void export_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, 1 + g->nfuncs + g->ntables + g->nmemories + g->nglobals);
    bytes_name(out, "hang");
    bytes_put(out, FNVM_EXTERN_GLOBAL);
    bytes_unsigned(out, g->hang);
    export_all(out, 'f', FNVM_EXTERN_FUNC, g->nfuncs);
    export_all(out, 't', FNVM_EXTERN_TABLE, g->ntables);
    export_all(out, 'm', FNVM_EXTERN_MEMORY, g->nmemories);
    export_all(out, 'g', FNVM_EXTERN_GLOBAL, g->nglobals);
}

/* Passive segments first, as choose_segments numbered them; then one for table 0 at its start, and
 * a declarative one so that ref.func may name every function. */
static void element_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nelems + 2);
    for (uint32_t i = 0; i < g->nelems; i++) {
        bytes_put(out, 5);
        put_type(out, g->elems[i].type);
        bytes_unsigned(out, g->elems[i].count);
        for (uint32_t k = 0; k < g->elems[i].count; k++)
            constant_expression(g, out, g->elems[i].type);
    }
    bytes_put(out, 0);
    put_op(g, out, g->tables[0].is64 ? op_i64_const : op_i32_const);
    bytes_signed(out, 0);
    put_op(g, out, op_end);
    uint32_t n = g->nfuncs < g->tables[0].min ? g->nfuncs : g->tables[0].min;
    bytes_unsigned(out, n);
    for (uint32_t i = 0; i < n; i++) bytes_unsigned(out, i);
    bytes_put(out, 3);
    bytes_put(out, 0);
    bytes_unsigned(out, g->nfuncs);
    for (uint32_t i = 0; i < g->nfuncs; i++) bytes_unsigned(out, i);
}

static void put_random_bytes(Generator *g, Bytes *out, uint32_t n)
{
    bytes_unsigned(out, n);
    for (uint32_t i = 0; i < n; i++) bytes_put(out, (unsigned)random_next(&g->random) & 0xFF);
}

static void data_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->ndatas + 1);
    for (uint32_t i = 0; i < g->ndatas; i++) {
        bytes_put(out, 1);
        put_random_bytes(g, out, g->datas[i]);
    }
    bytes_put(out, 0);
    put_op(g, out, g->memories[0].is64 ? op_i64_const : op_i32_const);
    bytes_signed(out, below_g(g, 30));
    put_op(g, out, op_end);
    put_random_bytes(g, out, below_g(g, 70));
}

static void data_count_section(Generator *g, Bytes *out) { bytes_unsigned(out, g->ndatas + 1); }

static void code_section(Generator *g, Bytes *out)
{
    bytes_unsigned(out, g->nfuncs - g->nimported);
    bytes_raw(out, g->code.at, g->code.len);
}

static void write_sections(Generator *g, Bytes *out)
{
    static const struct {
        uint8_t id;
        void (*write)(Generator *, Bytes *);
    } sections[] = {
        {1, type_section},    {2, import_section},      {3, function_section}, {4, table_section},
        {5, memory_section},  {13, tag_section},        {6, global_section},   {7, export_section},
        {9, element_section}, {12, data_count_section}, {10, code_section},    {11, data_section},
    };
    bytes_raw(out, "\0asm\1\0\0\0", 8);
    Bytes section = {0};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        bytes_clear(&section);
        sections[i].write(g, &section);
        bytes_section(out, sections[i].id, &section);
    }
    out->failed |= section.failed || g->code.failed;
    bytes_free(&section);
}

/* ---- The module ---- */

static void drop_impossible_globals(Generator *g)
{
    for (uint32_t i = 0; i < g->nglobals; i++)
        if (!has_constant(g, g->globals[i].type)) g->globals[i].type |= TYPE_NULLABLE;
}

void generate_module(uint64_t seed, uint32_t size, Bytes *out, uint64_t *coverage)
{
    Generator *g = calloc(1, sizeof *g);
    if (!g) {
        out->failed = true;
        return;
    }
    random_seed(&g->random, seed);
    g->size = size;
    g->coverage = coverage;
    rows_init(&g->rows);
    choose_objects(g);
    choose_func_types(g);
    choose_memories(g);
    choose_tables(g);
    choose_funcs(g);
    choose_globals(g);
    choose_tags(g);
    choose_segments(g);
    drop_impossible_globals(g);
    for (uint32_t i = g->nimported; i < g->nfuncs; i++) write_func(g, g->funcs[i]);
    write_sections(g, out);
    bytes_free(&g->code);
    free(g);
}
