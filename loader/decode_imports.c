/* The names of a module: imports, which open every index space, and exports. */
#include "loader/decode.h"
#include "vm/tunables.h"

/* ---- Imports ---- */

static bool import_fits(Decoder *d, uint32_t at, const char *what, uint32_t n, uint32_t limit)
{
    if (d->r.error) return false;
    if (n < limit) return true;
    reader_fail(&d->r, FNVM_E_LIMIT, at, "more than %u %s", limit, what);
    return false;
}

static void import_func(Decoder *d)
{
    Module *m = d->m;
    TypeId type = decode_func_type(d);
    m->funcs = decode_grow(d, m->funcs, m->nfuncs, sizeof *m->funcs);
    if (!d->r.error) m->funcs[m->nfuncs++] = type; /* the limit of imports bounds them */
    m->n_imported_funcs = m->nfuncs;
}

static void import_table(Decoder *d, uint32_t at)
{
    Module *m = d->m;
    TableType type = decode_table_type(d);
    if (m->ntables == 1) decode_need(d, FNVM_FEATURE_REFERENCES, at, "a second table");
    if (!import_fits(d, at, "tables", m->ntables, LIMIT_TABLES)) return;
    m->tables = decode_grow(d, m->tables, m->ntables, sizeof *m->tables);
    if (!d->r.error) m->tables[m->ntables++] = (Table){.type = type};
    m->n_imported_tables = m->ntables;
}

static void import_memory(Decoder *d, uint32_t at)
{
    Module *m = d->m;
    MemoryType type = decode_memory_type(d);
    if (m->nmemories == 1) decode_need(d, FNVM_FEATURE_MULTI_MEMORY, at, "a second memory");
    if (!import_fits(d, at, "memories", m->nmemories, LIMIT_MEMORIES)) return;
    m->memories = decode_grow(d, m->memories, m->nmemories, sizeof *m->memories);
    if (!d->r.error) m->memories[m->nmemories++] = type;
    m->n_imported_memories = m->nmemories;
}

static void import_global(Decoder *d)
{
    Module *m = d->m;
    GlobalType type = decode_global_type(d);
    m->globals = decode_grow(d, m->globals, m->nglobals, sizeof *m->globals);
    if (!d->r.error) m->globals[m->nglobals++] = (Global){.type = type};
    m->n_imported_globals = m->nglobals;
}

static void import_tag(Decoder *d)
{
    Module *m = d->m;
    TypeId type = decode_tag_type(d);
    m->tags = decode_grow(d, m->tags, m->ntags, sizeof *m->tags);
    if (!d->r.error) m->tags[m->ntags++] = type;
    m->n_imported_tags = m->ntags;
}

static void decode_import(Decoder *d, Import *import)
{
    Module *m = d->m;
    import->module = decode_name(d, "an import's module name");
    import->name = decode_name(d, "an import's name");
    import->funcs = m->nfuncs;
    uint32_t at = d->r.pos;
    import->kind = read_byte(&d->r, "an import's kind");
    if (d->r.error) return;
    switch (import->kind) {
    case FNVM_EXTERN_FUNC:
        import->index = m->nfuncs;
        import_func(d);
        break;
    case FNVM_EXTERN_TABLE:
        import->index = m->ntables;
        import_table(d, at);
        break;
    case FNVM_EXTERN_MEMORY:
        import->index = m->nmemories;
        import_memory(d, at);
        break;
    case FNVM_EXTERN_GLOBAL:
        import->index = m->nglobals;
        import_global(d);
        break;
    case FNVM_EXTERN_TAG:
        import->index = m->ntags;
        import_tag(d);
        break;
    default: reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed import kind 0x%02x", import->kind);
    }
}

void decode_import_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "imports", 4, 0, LIMIT_IMPORTS);
    m->imports = decode_extend(d, NULL, 0, n, sizeof *m->imports);
    while (m->nimports < n && decode_goes_on(d)) {
        Import *import = &m->imports[m->nimports++];
        decode_import(d, import);
        if (d->r.check && !d->r.error) d->r.error = check_import(d->r.check, m, import);
    }
}

/* ---- Exports ---- */

static void decode_export(Decoder *d, Export *export)
{
    Module *m = d->m;
    decode_add(d, CEILING_EXPORTS, 1, d->r.pos);
    export->name = decode_name(d, "an export's name");
    uint32_t at = d->r.pos;
    export->kind = read_byte(&d->r, "an export's kind");
    uint32_t index_at = d->r.pos;
    export->index = read_u32(&d->r, "an export's index");
    if (d->r.error) return;
    switch (export->kind) {
    case FNVM_EXTERN_FUNC:
        decode_check_index(d, index_at, "function", export->index, m->nfuncs);
        decode_declare(d, export->index);
        break;
    case FNVM_EXTERN_TABLE:
        decode_check_index(d, index_at, "table", export->index, m->ntables);
        break;
    case FNVM_EXTERN_MEMORY:
        decode_check_index(d, index_at, "memory", export->index, m->nmemories);
        break;
    case FNVM_EXTERN_GLOBAL:
        decode_check_index(d, index_at, "global", export->index, m->nglobals);
        break;
    case FNVM_EXTERN_TAG: decode_check_index(d, index_at, "tag", export->index, m->ntags); break;
    default: reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed export kind 0x%02x", export->kind);
    }
}

void decode_export_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "exports", 3, 0, LIMIT_EXPORTS);
    m->exports = decode_extend(d, NULL, 0, n, sizeof *m->exports);
    while (m->nexports < n && decode_goes_on(d)) decode_export(d, &m->exports[m->nexports++]);
    uint32_t size = module_export_index_size(n);
    m->export_index = decode_extend(d, NULL, 0, size, sizeof *m->export_index);
    if (d->r.error) return;
    m->export_index_size = size;
    const Export *twice = module_index_exports(m);
    if (!twice) return;
    Name name = twice->name;
    reader_fail(&d->r, FNVM_E_INVALID, name.start, "duplicate export name `%.*s`",
                name.len > 200 ? 200 : (int)name.len, (const char *)m->bytes + name.start);
}
