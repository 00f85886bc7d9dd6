/* The index is its head and the arrays, in the order of MODULE_ARRAYS, each aligned to 8 bytes.  In
 * an engine that has other types already, the arrays with types in them are copied, and the types
 * replaced; the others stay where they are in either case. */
#include "loader/module_index.h"

#include <stdlib.h>
#include <string.h>

#include "loader/decode.h"

/* X(number of Module) */
#define MODULE_NUMBERS(X)                                                                          \
    X(ntypes) X(nfuncs) X(n_imported_funcs) X(ntables) X(n_imported_tables) X(nmemories)           \
    X(n_imported_memories) X(nglobals) X(n_imported_globals) X(ntags) X(n_imported_tags)           \
    X(nimports) X(nexports) X(nelems) X(nelem_marks) X(ndatas) X(ncustoms) X(nsections) X(has_data_count)         \
    X(has_start) X(start)

typedef struct IndexHead {
#define X(name) uint32_t name;
    MODULE_NUMBERS(X)
#undef X
    Range name_section;
} IndexHead;

/* X(array of Module, type of an element, how many for the head `h`, how it is copied) */
#define MODULE_ARRAYS(X)                                                                           \
    X(types, TypeId, h->ntypes, type)                                                              \
    X(funcs, TypeId, h->nfuncs, type)                                                              \
    X(tables, Table, h->ntables, table)                                                            \
    X(memories, MemoryType, h->nmemories, memory)                                                  \
    X(globals, Global, h->nglobals, global)                                                        \
    X(tags, TypeId, h->ntags, type)                                                                \
    X(imports, Import, h->nimports, import)                                                        \
    X(exports, Export, h->nexports, export)                                                        \
    X(elems, Elem, h->nelems, elem)                                                                \
    X(elem_marks, uint32_t, h->nelem_marks, offset)                                                \
    X(datas, Data, h->ndatas, data)                                                                \
    X(bodies, Range, h->nfuncs - h->n_imported_funcs, range)                                       \
    X(declared, uint64_t, (h->nfuncs + 63) / 64, word)                                             \
    X(customs, Custom, h->ncustoms, custom)                                                        \
    X(sections, SectionRange, h->nsections, section)

enum { ARRAY_ALIGN = 8 };

static size_t round_up(size_t n) { return (n + ARRAY_ALIGN - 1) & ~(size_t)(ARRAY_ALIGN - 1); }

/* Where each array begins; no more than the module's limits, so nothing overflows. */
typedef struct Layout {
#define X(name, type, count, copy) size_t name;
    MODULE_ARRAYS(X)
#undef X
    size_t end;
} Layout;

static Layout index_layout(const IndexHead *h)
{
    Layout l;
    size_t at = round_up(sizeof *h);
#define X(name, type, count, copy) \
    l.name = at; \
    at += round_up((size_t)(count) * sizeof(type));
    MODULE_ARRAYS(X)
#undef X
    l.end = at;
    return l;
}

/* ---- Types by other numbers ---- */

/* map[a type's number] is its new one. */
static ValType map_valtype(const TypeId *map, ValType t)
{
    if (!type_is_ref(t) || !heap_is_defined(type_heap(t))) return t;
    return type_ref(map[type_heap(t)], type_is_nullable(t));
}

/* From the engine's numbers to those that a new engine would give: a group's types are new all at
 * once or known all at once, so they count up in the order in which they are first met. */
static TypeId *map_to_first_met(const Module *m)
{
    TypeId most = 0;
    for (uint32_t i = 0; i < m->ntypes; i++)
        if (m->types[i] > most) most = m->types[i];
    TypeId *map = malloc(((size_t)most + 1) * sizeof *map);
    if (!map) return NULL;
    for (TypeId id = 0; id <= most; id++) map[id] = TYPE_ID_NONE;
    TypeId met = 0;
    for (uint32_t i = 0; i < m->ntypes; i++)
        if (map[m->types[i]] == TYPE_ID_NONE) map[m->types[i]] = met++;
    return map;
}

/* And back; `saved` are the module's types as they are in the index. */
static TypeId *map_to_engine(const Module *m, const TypeId *saved)
{
    TypeId *map = malloc(((size_t)m->ntypes + 1) * sizeof *map);
    for (uint32_t i = 0; map && i < m->ntypes; i++) map[saved[i]] = m->types[i];
    return map;
}

/* ---- Copies ---- */

/* Each field by itself, to memory that is zero: what is between the fields could be anything, and
 * must not go into a file. */

static void copy_type(TypeId *to, const TypeId *from, const TypeId *map) { *to = map[*from]; }

static void copy_range(Range *to, const Range *from, const TypeId *map)
{
    (void)map;
    *to = *from;
}

static void copy_word(uint64_t *to, const uint64_t *from, const TypeId *map)
{
    (void)map;
    *to = *from;
}

static void copy_limits(Limits *to, const Limits *from)
{
    to->min = from->min;
    to->max = from->max;
    to->has_max = from->has_max;
    to->is64 = from->is64;
}

static void copy_table(Table *to, const Table *from, const TypeId *map)
{
    copy_limits(&to->type.limits, &from->type.limits);
    to->type.elem = map_valtype(map, from->type.elem);
    to->init = from->init;
}

static void copy_memory(MemoryType *to, const MemoryType *from, const TypeId *map)
{
    (void)map;
    copy_limits(&to->limits, &from->limits);
    to->page_log2 = from->page_log2;
}

static void copy_global(Global *to, const Global *from, const TypeId *map)
{
    to->type.type = map_valtype(map, from->type.type);
    to->type.is_mutable = from->type.is_mutable;
    to->init = from->init;
}

static void copy_import(Import *to, const Import *from, const TypeId *map)
{
    (void)map;
    to->module = from->module;
    to->name = from->name;
    to->kind = from->kind;
    to->index = from->index;
    to->funcs = from->funcs;
}

static void copy_export(Export *to, const Export *from, const TypeId *map)
{
    (void)map;
    to->name = from->name;
    to->kind = from->kind;
    to->index = from->index;
}

static void copy_elem(Elem *to, const Elem *from, const TypeId *map)
{
    to->mode = from->mode;
    to->is_funcs = from->is_funcs;
    to->table = from->table;
    to->offset = from->offset;
    to->type = map_valtype(map, from->type);
    to->count = from->count;
    to->items = from->items;
    to->first_mark = from->first_mark;
}

static void copy_offset(uint32_t *to, const uint32_t *from, const TypeId *map)
{
    (void)map;
    *to = *from;
}

static void copy_data(Data *to, const Data *from, const TypeId *map)
{
    (void)map;
    to->mode = from->mode;
    to->memory = from->memory;
    to->offset = from->offset;
    to->bytes = from->bytes;
}

static void copy_custom(Custom *to, const Custom *from, const TypeId *map)
{
    (void)map;
    to->name = from->name;
    to->payload = from->payload;
}

static void copy_section(SectionRange *to, const SectionRange *from, const TypeId *map)
{
    (void)map;
    to->id = from->id;
    to->payload = from->payload;
}

/* ---- Writing ---- */

static IndexHead index_head(const Module *m)
{
    IndexHead h = {.name_section = m->name_section};
#define X(name) h.name = m->name;
    MODULE_NUMBERS(X)
#undef X
    return h;
}

static void write_arrays(const Module *m, const IndexHead *h, const Layout *l, const TypeId *map,
                         uint8_t *bytes)
{
#define X(name, type, count, copy) \
    for (size_t i = 0; i < (count); i++) \
        copy_##copy((type *)(void *)(bytes + l->name) + i, &m->name[i], map);
    MODULE_ARRAYS(X)
#undef X
}

fnvm_error *module_index_write(const Module *m, uint8_t **bytes, size_t *size)
{
    const IndexHead h = index_head(m);
    const Layout l = index_layout(&h);
    TypeId *map = map_to_first_met(m);
    *bytes = map ? calloc(1, l.end) : NULL;
    if (!*bytes) {
        free(map);
        return error_no_memory();
    }
    memcpy(*bytes, &h, sizeof h);
    write_arrays(m, &h, &l, map, *bytes);
    free(map);
    *size = l.end;
    return NULL;
}

/* ---- Reading ---- */

static fnvm_error *does_not_fit(void)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "the index is not of this module");
}

/* The type section is decoded: the engine has to know the types. */
static fnvm_error *read_types(Module *m, const SectionRange *sections, uint32_t nsections,
                              uint32_t ntypes)
{
    Decoder d = {.m = m};
    uint32_t i = 0;
    while (i < nsections && sections[i].id != SECTION_TYPE) i++;
    if (i < nsections) {
        const Range payload = sections[i].payload;
        if (payload.start > payload.end || payload.end > m->len) return does_not_fit();
        d.r = (Reader){.bytes = m->bytes, .pos = payload.start, .end = payload.end};
        decode_type_section(&d);
    }
    return d.r.error || m->ntypes == ntypes ? d.r.error : does_not_fit();
}

/* Replaces the arrays with types in them by copies with this engine's numbers. */
static fnvm_error *translate_types(Module *m, const IndexHead *h, const TypeId *saved)
{
    if (memcmp(m->types, saved, m->ntypes * sizeof *saved) == 0) return NULL;
    TypeId *map = map_to_engine(m, saved);
    bool failed = !map;
#define X(name, type, count, copy) \
    if (!failed) { \
        type *copied = calloc((size_t)(count) + 1, sizeof *copied); \
        for (size_t i = 0; copied && i < (count); i++) copy_##copy(&copied[i], &m->name[i], map); \
        if (copied) m->name = copied; \
        failed = !copied; \
    }
    X(funcs, TypeId, h->nfuncs, type)
    X(tables, Table, h->ntables, table)
    X(globals, Global, h->nglobals, global)
    X(tags, TypeId, h->ntags, type)
    X(elems, Elem, h->nelems, elem)
#undef X
    free(map);
    return failed ? error_no_memory() : NULL;
}

/* What is made anew in every engine. */
static fnvm_error *add_tables(Module *m)
{
    m->code = calloc((size_t)(m->nfuncs - m->n_imported_funcs) + 1, sizeof *m->code);
    uint32_t size = module_export_index_size(m->nexports);
    m->export_index = calloc(size, sizeof *m->export_index);
    if (!m->code || !m->export_index) return error_no_memory();
    m->export_index_size = size;
    return module_index_exports(m) ? does_not_fit() : NULL;
}

fnvm_error *module_index_read(Module *m, const uint8_t *bytes, size_t size)
{
    const IndexHead *h = (const IndexHead *)(const void *)bytes;
    if (size < sizeof *h || h->nfuncs < h->n_imported_funcs) return does_not_fit();
    const Layout l = index_layout(h);
    if (l.end != size) return does_not_fit();
    const SectionRange *sections = (const SectionRange *)(const void *)(bytes + l.sections);
    fnvm_error *error = read_types(m, sections, h->nsections, h->ntypes);
    if (error) return error;
    m->index = bytes;
    m->index_size = size;
    TypeId *types = m->types;
#define X(name) m->name = h->name;
    MODULE_NUMBERS(X)
#undef X
#define X(name, type, count, copy) m->name = (type *)(uintptr_t)(bytes + l.name);
    MODULE_ARRAYS(X)
#undef X
    m->name_section = h->name_section;
    const TypeId *saved = m->types;
    m->types = types;
    error = translate_types(m, h, saved);
    return error ? error : add_tables(m);
}

/* ---- Freeing ---- */

static void free_array(const Module *m, void *array)
{
    if ((uintptr_t)array - (uintptr_t)m->index >= m->index_size) free(array);
}

void module_index_free(Module *m)
{
#define X(name, type, count, copy) free_array(m, m->name);
    MODULE_ARRAYS(X)
#undef X
    free(m->export_index);
}
