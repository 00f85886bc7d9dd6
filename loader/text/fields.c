/* Module fields (6.6), in two readings.  The first gives every item its index and its identifier
 * and translates the types; the second translates the rest, field by field, into the sections. */
#include <string.h>

#include "loader/text/parser.h"

/* ---- First reading --------------------------------------------------------------------------- */

/* The next item of an index space; its identifier, if it has one, is at the cursor. */
static bool declare(Parser *p, Space which)
{
    IndexSpace *space = &p->spaces[which];
    Str id, name = {NULL, 0};
    uint32_t token = p->pos, index = space->count++;
    if (parser_accept_id(p, &id)) {
        if (!names_add(&space->ids, &p->arena, id, index))
            return parser_fail(p, token, "duplicate identifier $%.*s", STR_SHOWN(id));
        name = id;
    }
    if (!annotation_name(p, &name)) return false;
    if (name.len != 0) name_map_add(&space->names, &space->nnames, index, name);
    return parser_ok(p);
}

typedef struct ExternWord {
    Str word;
    Space space;
    uint8_t kind; /* in imports and exports (5.5.5) */
} ExternWord;

static const ExternWord extern_words[] = {
    {STR_INIT("func"), SPACE_FUNC, 0},     {STR_INIT("table"), SPACE_TABLE, 1},
    {STR_INIT("memory"), SPACE_MEMORY, 2}, {STR_INIT("global"), SPACE_GLOBAL, 3},
    {STR_INIT("tag"), SPACE_TAG, 4},
};

/* The kind whose form is at the cursor, or NULL. */
static const ExternWord *extern_word_at(const Parser *p)
{
    for (size_t i = 0; i < sizeof extern_words / sizeof *extern_words; i++) {
        if (parser_at_form(p, extern_words[i].word)) return &extern_words[i];
    }
    return NULL;
}

static bool declare_import(Parser *p, uint32_t token)
{
    if (p->has_definition)
        return parser_fail(p, token, "import after a definition: imports come first");
    return true;
}

/* "(func ...", "(table ..." and so on; an abbreviated segment gets its index here too. */
static bool declare_extern(Parser *p, const ExternWord *word)
{
    uint32_t token = p->pos, end = parser_form_end(p);
    p->pos += 2;
    if (!declare(p, word->space)) return false;
    while (parser_at_form(p, STR("export"))) parser_skip(p);
    if (parser_at_form(p, STR("import"))) return declare_import(p, token);
    p->has_definition = true;
    if (word->space != SPACE_TABLE && word->space != SPACE_MEMORY) return true;
    bool is_table = word->space == SPACE_TABLE;
    for (; p->pos < end; parser_skip(p)) {
        if (parser_at_form(p, is_table ? STR("elem") : STR("data")))
            p->spaces[is_table ? SPACE_ELEM : SPACE_DATA].count++;
    }
    return true;
}

static bool declare_rec(Parser *p, uint32_t end)
{
    p->pos += 2;
    while (p->pos < end) {
        uint32_t type_end = parser_form_end(p);
        if (!parser_expect_form(p, STR("type"), "(type") || !declare(p, SPACE_TYPE)) return false;
        p->pos = type_end + 1;
    }
    return true;
}

static bool declare_field(Parser *p, uint32_t end)
{
    const ExternWord *word = extern_word_at(p);
    if (word != NULL) return declare_extern(p, word);
    if (parser_at_form(p, STR("rec"))) return declare_rec(p, end);
    if (parser_accept_form(p, STR("type"))) return declare(p, SPACE_TYPE);
    if (parser_accept_form(p, STR("elem"))) return declare(p, SPACE_ELEM);
    if (parser_accept_form(p, STR("data"))) return declare(p, SPACE_DATA);
    if (parser_at_form(p, STR("export")) || parser_at_form(p, STR("start"))) return true;
    uint32_t token = p->pos;
    if (!parser_accept_form(p, STR("import"))) return parser_expected(p, "a module field");
    while (parser_at(p, TOKEN_STRING)) p->pos++;
    word = extern_word_at(p);
    if (word == NULL) return parser_expected(p, "(func, (table, (memory, (global or (tag");
    p->pos += 2;
    return declare_import(p, token) && declare(p, word->space);
}

bool declare_fields(Parser *p, uint32_t end)
{
    uint32_t start = p->pos;
    while (p->pos < end) {
        if (!parser_at(p, TOKEN_OPEN)) return parser_expected(p, "a module field");
        uint32_t field_end = parser_form_end(p);
        if (!declare_field(p, field_end) || !parser_goes_on(p)) return false;
        p->pos = field_end + 1;
    }
    for (p->pos = start; p->pos < end;) {
        if (!parser_at_form(p, STR("type")) && !parser_at_form(p, STR("rec")))
            parser_skip(p);
        else if (!parse_type_field(p))
            return false;
    }
    return true;
}

/* ---- Imports and exports --------------------------------------------------------------------- */

static void write_export(Parser *p, Str name, uint8_t kind, uint32_t index)
{
    Section *section = &p->sections[SECTION_EXPORT];
    buffer_name(&section->bytes, name.bytes, name.len);
    buffer_byte(&section->bytes, kind);
    buffer_u64(&section->bytes, index);
    section->count++;
}

/* Where a definition's type goes: to its section, or behind the names of an import. */
static Section *import_section(Parser *p, Str module, Str name, uint8_t kind)
{
    Section *section = &p->sections[SECTION_IMPORT];
    buffer_name(&section->bytes, module.bytes, module.len);
    buffer_name(&section->bytes, name.bytes, name.len);
    buffer_byte(&section->bytes, kind);
    return section;
}

/* The start of a definition: "(kind id? (export "n")* (import "m" "n")?".  *section is where the
 * type is to be written. */
static bool parse_head(Parser *p, const ExternWord *word, SectionOrder own, uint32_t *index,
                       Section **section)
{
    Str id, name, module;
    p->pos += 2;
    *index = p->spaces[word->space].next++;
    *section = &p->sections[own];
    parser_accept_id(p, &id);
    while (parser_accept_form(p, STR("export"))) {
        if (!parser_name(p, &name) || !parser_close(p)) return false;
        write_export(p, name, word->kind, *index);
    }
    if (parser_accept_form(p, STR("import"))) {
        if (!parser_name(p, &module) || !parser_name(p, &name) || !parser_close(p)) return false;
        *section = import_section(p, module, name, word->kind);
    }
    (*section)->count++;
    return true;
}

static bool parse_export(Parser *p)
{
    Str name;
    uint32_t index;
    p->pos += 2;
    if (!parser_name(p, &name)) return false;
    const ExternWord *word = extern_word_at(p);
    if (word == NULL) return parser_expected(p, "(func, (table, (memory, (global or (tag");
    p->pos += 2;
    if (!parser_index(p, word->space, &index) || !parser_close(p)) return false;
    write_export(p, name, word->kind, index);
    return parser_close(p);
}

/* ---- Tables, memories, globals, tags --------------------------------------------------------- */

typedef struct TextLimits {
    bool is64, has_max, has_pagesize;
    uint64_t min, max;
    unsigned page_log2;
} TextLimits;

static void parse_address_type(Parser *p, TextLimits *limits)
{
    *limits = (TextLimits){.page_log2 = 16};
    limits->is64 = parser_accept_keyword(p, STR("i64"));
    if (!limits->is64) parser_accept_keyword(p, STR("i32"));
}

static bool parse_limits(Parser *p, TextLimits *limits)
{
    if (!parser_unsigned(p, UINT64_MAX, "a minimum size", &limits->min)) return false;
    limits->has_max = parser_at(p, TOKEN_NUMBER);
    return !limits->has_max || parser_unsigned(p, UINT64_MAX, "a maximum size", &limits->max);
}

static bool parse_pagesize(Parser *p, TextLimits *limits)
{
    uint64_t size;
    if (!parser_accept_form(p, STR("pagesize"))) return true;
    uint32_t token = p->pos;
    if (!parser_unsigned(p, UINT32_MAX, "a page size", &size)) return false;
    if (size == 0 || (size & (size - 1)) != 0)
        return parser_fail(p, token, "invalid custom page size: not a power of 2");
    limits->page_log2 = (unsigned)__builtin_ctzll(size);
    limits->has_pagesize = limits->page_log2 != 16; /* the default is written without */
    return parser_close(p);
}

static void write_limits(Buffer *out, const TextLimits *limits)
{
    buffer_byte(out, (uint8_t)(limits->has_max | limits->is64 << 2 | limits->has_pagesize << 3));
    buffer_u64(out, limits->min);
    if (limits->has_max) buffer_u64(out, limits->max);
    if (limits->has_pagesize) buffer_u64(out, limits->page_log2);
}

static bool parse_table(Parser *p, const ExternWord *word, uint32_t end)
{
    uint32_t index;
    Section *section;
    TextLimits limits;
    Buffer type, init;
    buffer_init(&type, &p->arena);
    buffer_init(&init, &p->arena);
    if (!parse_head(p, word, SECTION_TABLE, &index, &section)) return false;
    bool imported = section == &p->sections[SECTION_IMPORT];
    parse_address_type(p, &limits);
    if (parser_at_reftype(p) && !imported) {
        uint32_t count;
        if (!parse_encoded_reftype(p, &type) ||
            !parse_inline_elem(p, index, limits.is64, &type, &count))
            return false;
        limits.has_max = true;
        limits.min = limits.max = count;
    } else {
        if (!parse_limits(p, &limits) || !parse_encoded_reftype(p, &type)) return false;
        if (p->pos < end && !imported && !parse_constant(p, end, &init)) return false;
    }
    if (init.len != 0)
        buffer_bytes(&section->bytes, "\x40\x00", 2); /* 5.5.7: a table with an initializer */
    buffer_buffer(&section->bytes, &type);
    write_limits(&section->bytes, &limits);
    buffer_buffer(&section->bytes, &init);
    return parser_close(p);
}

static bool parse_memory(Parser *p, const ExternWord *word, uint32_t end)
{
    uint32_t index;
    Section *section;
    TextLimits limits;
    (void)end;
    if (!parse_head(p, word, SECTION_MEMORY, &index, &section)) return false;
    bool imported = section == &p->sections[SECTION_IMPORT];
    parse_address_type(p, &limits);
    if (!imported && (parser_at_form(p, STR("data")) || parser_at_form(p, STR("pagesize")))) {
        uint64_t len;
        if (!parse_pagesize(p, &limits) || !parse_inline_data(p, index, limits.is64, &len))
            return false;
        uint64_t page = (uint64_t)1 << limits.page_log2;
        limits.has_max = true;
        limits.min = limits.max = (len + page - 1) / page;
    } else if (!parse_limits(p, &limits) || !parse_pagesize(p, &limits)) {
        return false;
    }
    write_limits(&section->bytes, &limits);
    return parser_close(p);
}

static bool parse_global(Parser *p, const ExternWord *word, uint32_t end)
{
    uint32_t index;
    Section *section;
    if (!parse_head(p, word, SECTION_GLOBAL, &index, &section) ||
        !parse_globaltype(p, &section->bytes))
        return false;
    bool imported = section == &p->sections[SECTION_IMPORT];
    if (!imported && !parse_constant(p, end, &section->bytes)) return false;
    return parser_close(p);
}

static bool parse_tag(Parser *p, const ExternWord *word, uint32_t end)
{
    uint32_t index, type, nparams;
    Section *section;
    (void)end;
    if (!parse_head(p, word, SECTION_TAG, &index, &section) ||
        !parse_typeuse(p, IDS_IGNORED, &type, &nparams))
        return false;
    buffer_byte(&section->bytes, 0); /* 5.3.16: an exception */
    buffer_u64(&section->bytes, type);
    return parser_close(p);
}

/* ---- Functions ------------------------------------------------------------------------------- */

static void function_begin(Parser *p)
{
    names_clear(&p->locals);
    p->body_names.len = p->body_labels.len = p->body_hints.len = 0;
    p->nbody_names = p->nbody_labels = p->nbody_hints = p->nseen_labels = 0;
}

/* Locals in the binary format: runs of one type (5.5.13). */
typedef struct LocalRuns {
    Buffer bytes, type; /* finished runs; type of the last one */
    uint32_t nruns, length;
} LocalRuns;

static void local_runs_finish(LocalRuns *runs)
{
    if (runs->length == 0) return;
    buffer_u64(&runs->bytes, runs->length);
    buffer_buffer(&runs->bytes, &runs->type);
    runs->nruns++;
    runs->length = 0;
}

static void local_runs_add(LocalRuns *runs, const Buffer *type)
{
    bool same = runs->length != 0 && runs->type.len == type->len &&
                memcmp(runs->type.bytes, type->bytes, type->len) == 0;
    if (!same) {
        local_runs_finish(runs);
        runs->type.len = 0;
        buffer_buffer(&runs->type, type);
    }
    runs->length++;
}

/* "(local id? t*)"*; the first one has index `index`. */
static bool parse_locals(Parser *p, uint32_t index, Buffer *out)
{
    LocalRuns runs = {0};
    Buffer type;
    buffer_init(&runs.bytes, &p->arena);
    buffer_init(&runs.type, &p->arena);
    buffer_init(&type, &p->arena);
    while (parser_accept_form(p, STR("local"))) {
        Str id = {NULL, 0}, name = {NULL, 0};
        bool named = parser_accept_id(p, &id);
        if (!annotation_name(p, &name)) return false;
        while (named || !parser_at(p, TOKEN_CLOSE)) {
            type.len = 0;
            if (!parse_valtype(p, &type) || !parser_local_name(p, index++, id, name) ||
                !parser_ok(p))
                return false;
            local_runs_add(&runs, &type);
            if (named) break;
        }
        if (!parser_close(p)) return false;
    }
    local_runs_finish(&runs);
    buffer_u64(out, runs.nruns);
    buffer_buffer(out, &runs.bytes);
    return true;
}

/* Hints are written by offsets from the start of the local declarations. */
static void write_function_hints(Parser *p, uint32_t index, size_t locals_len)
{
    if (p->nbody_hints == 0) return;
    buffer_u64(&p->hints, index);
    buffer_u64(&p->hints, p->nbody_hints);
    for (size_t i = 0; i < p->body_hints.len;) {
        uint64_t offset = 0;
        for (unsigned shift = 0;; shift += 7) {
            uint8_t byte = p->body_hints.bytes[i++];
            offset |= (uint64_t)(byte & 0x7F) << shift;
            if (byte < 0x80) break;
        }
        buffer_u64(&p->hints, locals_len + offset);
        buffer_u64(&p->hints, 1);
        buffer_byte(&p->hints, p->body_hints.bytes[i++]);
    }
    p->nhinted++;
}

static bool parse_function(Parser *p, const ExternWord *word, uint32_t end)
{
    uint32_t index, type, nparams;
    Section *section;
    function_begin(p);
    if (!parse_head(p, word, SECTION_FUNC, &index, &section) ||
        !parse_typeuse(p, IDS_BOUND, &type, &nparams))
        return false;
    buffer_u64(&section->bytes, type);
    if (section == &p->sections[SECTION_IMPORT]) return parser_close(p);
    Section *bodies = &p->sections[SECTION_CODE];
    Buffer locals;
    buffer_init(&locals, &p->arena);
    if (!parse_locals(p, nparams, &locals) || !parse_code(p, end)) return false;
    write_opcode(&p->code, op_end);
    buffer_u64(&bodies->bytes, locals.len + p->code.len);
    buffer_buffer(&bodies->bytes, &locals);
    buffer_buffer(&bodies->bytes, &p->code);
    bodies->count++;
    if (!parser_ok(p)) return false;
    write_function_hints(p, index, locals.len);
    name_groups_add(&p->local_names, index, &p->body_names, p->nbody_names);
    name_groups_add(&p->label_names, index, &p->body_labels, p->nbody_labels);
    return parser_close(p);
}

/* ---- Second reading -------------------------------------------------------------------------- */

typedef bool ExternParser(Parser *, const ExternWord *, uint32_t end);

static ExternParser *const extern_parsers[] = {parse_function, parse_table, parse_memory,
                                               parse_global, parse_tag}; /* by kind */

/* "(import "m" "n" (kind ...))": the same as "(kind ... (import "m" "n") ...)" turned round. */
static bool parse_import(Parser *p)
{
    Str module, name, id;
    uint32_t type, nparams;
    TextLimits limits;
    p->pos += 2;
    if (!parser_name(p, &module) || !parser_name(p, &name)) return false;
    const ExternWord *word = extern_word_at(p);
    if (word == NULL) return parser_expected(p, "(func, (table, (memory, (global or (tag");
    p->pos += 2;
    parser_accept_id(p, &id);
    p->spaces[word->space].next++;
    Section *section = import_section(p, module, name, word->kind);
    section->count++;
    bool ok = false;
    switch (word->space) {
    case SPACE_TABLE: {
        Buffer reftype;
        buffer_init(&reftype, &p->arena);
        parse_address_type(p, &limits);
        ok = parse_limits(p, &limits) && parse_encoded_reftype(p, &reftype);
        buffer_buffer(&section->bytes, &reftype);
        write_limits(&section->bytes, &limits);
        break;
    }
    case SPACE_MEMORY:
        parse_address_type(p, &limits);
        ok = parse_limits(p, &limits) && parse_pagesize(p, &limits);
        write_limits(&section->bytes, &limits);
        break;
    case SPACE_GLOBAL: ok = parse_globaltype(p, &section->bytes); break;
    default:
        ok = parse_typeuse(p, IDS_IGNORED, &type, &nparams);
        if (ok && word->space == SPACE_TAG) buffer_byte(&section->bytes, 0);
        if (ok) buffer_u64(&section->bytes, type);
    }
    return ok && parser_close(p) && parser_close(p);
}

static bool parse_start(Parser *p)
{
    uint32_t func;
    if (p->has_start) return parser_fail(p, p->pos, "multiple start sections");
    p->has_start = true;
    p->pos += 2;
    if (!parser_index(p, SPACE_FUNC, &func)) return false;
    buffer_u64(&p->sections[SECTION_START].bytes, func);
    return parser_close(p);
}

static bool parse_field(Parser *p)
{
    const ExternWord *word = extern_word_at(p);
    if (word != NULL) return extern_parsers[word->kind](p, word, parser_form_end(p));
    if (parser_at_form(p, STR("type")) || parser_at_form(p, STR("rec"))) {
        parser_skip(p); /* done in the first reading */
        return true;
    }
    if (parser_at_form(p, STR("import"))) return parse_import(p);
    if (parser_at_form(p, STR("export"))) return parse_export(p);
    if (parser_at_form(p, STR("start"))) return parse_start(p);
    return parser_at_form(p, STR("elem")) ? parse_elem(p) : parse_data(p);
}

bool parse_fields(Parser *p, uint32_t end)
{
    while (p->pos < end) {
        if (!annotation_customs(p) || !parse_field(p) || !parser_goes_on(p)) return false;
    }
    return annotation_customs(p);
}
