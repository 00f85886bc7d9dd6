/* Sections that define functions, tables, memories, tags and globals (standard, 5.5).  Expressions
 * are skipped to their end and kept as ranges, function bodies by their size alone. */
#include "loader/decode.h"
#include "loader/skip.h"
#include "vm/tunables.h"

/* ---- Expressions ---- */

void decode_declare(Decoder *d, uint32_t func)
{
    Module *m = d->m;
    if (func >= m->nfuncs) return; /* the verifier refuses the instruction that names it */
    if (!m->declared)              /* the functions are all counted before anything can name one */
        m->declared = decode_extend(d, NULL, 0, (m->nfuncs + 63) / 64, sizeof *m->declared);
    if (!d->r.error) m->declared[func / 64] |= UINT64_C(1) << func % 64;
}

static void note_ref_func(void *env, Op op, uint32_t immediate)
{
    Decoder *d = env;
    if (!decode_goes_on(d) || op != op_ref_func) return;
    Reader r = {.bytes = d->r.bytes, .pos = immediate, .end = d->r.end};
    decode_declare(d, read_u32(&r, "a function index")); /* it was read before: cannot fail */
}

Range decode_expression(Decoder *d)
{
    uint32_t start = d->r.pos, value;
    uint32_t end = d->r.error ? 0 : literal_i32(d->r.bytes, start, d->r.end, &value);
    if (end) d->r.pos = end;
    else reader_skip_expression(&d->r, note_ref_func, d);
    return (Range){start, d->r.pos};
}

/* ---- Definitions ---- */

void decode_function_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "functions", 1, m->nfuncs, LIMIT_FUNCTIONS);
    m->funcs = decode_extend(d, m->funcs, m->nfuncs, n, sizeof *m->funcs);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        decode_add(d, CEILING_FUNCTIONS, 1, d->r.pos);
        m->funcs[m->nfuncs++] = decode_func_type(d);
    }
}

static void decode_table(Decoder *d, Table *t)
{
    uint32_t at = d->r.pos;
    decode_add(d, CEILING_TABLES, 1, at);
    bool has_init = at < d->r.end && d->r.bytes[at] == 0x40;
    if (has_init) {
        read_byte(&d->r, "a table");
        uint8_t reserved = read_byte(&d->r, "a table");
        if (reserved != 0)
            reader_fail(&d->r, FNVM_E_MALFORMED, at + 1, "malformed table 0x40 0x%02x", reserved);
        decode_need(d, FNVM_FEATURE_FUNCTION_REFS, at, "a table initializer");
    }
    t->type = decode_table_type(d);
    if (has_init) t->init = decode_expression(d);
}

void decode_table_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t at = d->r.pos, n = decode_count(d, "tables", 3, m->ntables, LIMIT_TABLES);
    if (m->ntables + n > 1) decode_need(d, FNVM_FEATURE_REFERENCES, at, "a second table");
    m->tables = decode_extend(d, m->tables, m->ntables, n, sizeof *m->tables);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) decode_table(d, &m->tables[m->ntables++]);
}

void decode_memory_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t at = d->r.pos, n = decode_count(d, "memories", 2, m->nmemories, LIMIT_MEMORIES);
    if (m->nmemories + n > 1) decode_need(d, FNVM_FEATURE_MULTI_MEMORY, at, "a second memory");
    m->memories = decode_extend(d, m->memories, m->nmemories, n, sizeof *m->memories);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        decode_add(d, CEILING_MEMORIES, 1, d->r.pos);
        m->memories[m->nmemories++] = decode_memory_type(d);
    }
}

void decode_tag_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "tags", 2, m->ntags, LIMIT_TAGS);
    m->tags = decode_extend(d, m->tags, m->ntags, n, sizeof *m->tags);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        decode_add(d, CEILING_TAGS, 1, d->r.pos);
        m->tags[m->ntags++] = decode_tag_type(d);
    }
}

void decode_global_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "globals", 3, m->nglobals, LIMIT_GLOBALS);
    m->globals = decode_extend(d, m->globals, m->nglobals, n, sizeof *m->globals);
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        Global *g = &m->globals[m->nglobals++];
        decode_add(d, CEILING_GLOBALS, 1, d->r.pos);
        g->type = decode_global_type(d);
        g->init = decode_expression(d);
    }
}

void decode_start_section(Decoder *d)
{
    uint32_t at = d->r.pos;
    d->m->start = read_u32(&d->r, "a function index");
    d->m->has_start = true;
    decode_check_index(d, at, "function", d->m->start, d->m->nfuncs);
}

void decode_data_count_section(Decoder *d)
{
    decode_need(d, FNVM_FEATURE_BULK, d->r.pos, "a data count section");
    d->data_count = read_u32(&d->r, "a count of data segments");
    d->m->has_data_count = true;
}

/* ---- Bodies ---- */

void decode_code_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t at = d->r.pos, own = m->nfuncs - m->n_imported_funcs;
    uint32_t n = decode_count(d, "function bodies", 1, 0, LIMIT_FUNCTIONS);
    if (!d->r.error && n != own)
        reader_fail(&d->r, FNVM_E_MALFORMED, at,
                    "function and code section have inconsistent lengths: %u functions, %u bodies",
                    own, n);
    m->bodies = decode_extend(d, NULL, 0, d->r.error ? 0 : n, sizeof *m->bodies);
    d->nbodies = n;
    for (uint32_t i = 0; i < n && decode_goes_on(d); i++) {
        uint32_t size_at = d->r.pos, size = read_u32(&d->r, "a function body's size");
        uint32_t start = d->r.pos;
        if (!read_bytes(&d->r, size, "a function body")) return;
        if (size > LIMIT_BODY_BYTES)
            reader_fail(&d->r, FNVM_E_LIMIT, size_at,
                        "function %u: a body of %u bytes is more than the limit of %d",
                        m->n_imported_funcs + i, size, LIMIT_BODY_BYTES);
        decode_one(d, CEILING_BODY, size, size_at);
        m->bodies[i] = (Range){start, start + size};
    }
}
