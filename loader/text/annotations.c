/* Annotations with a meaning (appendix A.7 of the standard): (@name "n") behind the identifier of
 * what it names, (@custom "n" place? "bytes"*) among a module's fields, and
 * (@metadata.code.branch_hint "\00" or "\01") in front of an `if` or `br_if`.
 *
 * The lexer has set them aside with the index of the token that follows; here they are found by
 * that index.  One that nobody asked for stands in the wrong place. */
#include "loader/text/parser.h"

/* The first annotation at or behind the cursor. */
static uint32_t annotation_search(const Parser *p)
{
    uint32_t low = 0, high = p->tokens.nannotations;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->tokens.annotations[middle].at < p->pos)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

Annotation *annotation_at(Parser *p, Str name)
{
    if (p->tokens.nannotations == 0) return NULL;
    for (uint32_t i = annotation_search(p); i < p->tokens.nannotations; i++) {
        Annotation *note = &p->tokens.annotations[i];
        if (note->at != p->pos) return NULL;
        if (!note->used && str_equal(note->name, name)) return note;
    }
    return NULL;
}

static bool annotation_fail(Parser *p, const Annotation *note, const char *message)
{
    return parser_fail_code(p, FNVM_E_MALFORMED, note->start, "@%.*s annotation: %s",
                            STR_SHOWN(note->name), message);
}

bool annotations_all_used(Parser *p)
{
    for (uint32_t i = 0; i < p->tokens.nannotations; i++) {
        const Annotation *note = &p->tokens.annotations[i];
        if (!note->used)
            return parser_fail_code(p, FNVM_E_MALFORMED, note->start, "misplaced @%.*s annotation",
                                    STR_SHOWN(note->name));
    }
    return true;
}

/* The strings from payload token `i` on, joined; they must be all that is left. */
static bool annotation_strings(Parser *p, const Annotation *note, uint32_t i, Buffer *out)
{
    for (; i < note->count; i++) {
        const Token *token = &p->tokens.payload[note->first + i];
        if (token->kind != TOKEN_STRING)
            return annotation_fail(p, note, "unexpected token, expected a string");
        token_string(p->text, token, out);
    }
    return true;
}

bool annotation_name(Parser *p, Str *name)
{
    Annotation *note = annotation_at(p, STR("name"));
    if (note == NULL) return true;
    note->used = true;
    Buffer bytes;
    buffer_init(&bytes, &p->arena);
    if (note->count != 1) return annotation_fail(p, note, "expected one string");
    if (!annotation_strings(p, note, 0, &bytes)) return false;
    if (!utf8_valid(bytes.bytes, bytes.len))
        return annotation_fail(p, note, "malformed UTF-8 encoding");
    *name = (Str){(const char *)bytes.bytes, bytes.len};
    if (annotation_at(p, STR("name")) != NULL) return annotation_fail(p, note, "multiple names");
    return true;
}

bool annotation_branch_hint(Parser *p, int *hint)
{
    *hint = -1;
    Annotation *note = annotation_at(p, STR("metadata.code.branch_hint"));
    if (note == NULL) return true;
    note->used = true;
    Buffer bytes;
    buffer_init(&bytes, &p->arena);
    if (!annotation_strings(p, note, 0, &bytes)) return false;
    if (bytes.len != 1 || bytes.bytes[0] > 1)
        return annotation_fail(p, note, "expected \"\\00\" or \"\\01\"");
    *hint = bytes.bytes[0];
    if (annotation_at(p, STR("metadata.code.branch_hint")) != NULL)
        return annotation_fail(p, note, "duplicate annotation");
    return true;
}

/* ---- Custom sections ------------------------------------------------------------------------- */

static const Str section_words[SECTION_COUNT] = {
    [SECTION_TYPE] = STR_INIT("type"),           [SECTION_IMPORT] = STR_INIT("import"),
    [SECTION_FUNC] = STR_INIT("func"),           [SECTION_TABLE] = STR_INIT("table"),
    [SECTION_MEMORY] = STR_INIT("memory"),       [SECTION_TAG] = STR_INIT("tag"),
    [SECTION_GLOBAL] = STR_INIT("global"),       [SECTION_EXPORT] = STR_INIT("export"),
    [SECTION_START] = STR_INIT("start"),         [SECTION_ELEM] = STR_INIT("elem"),
    [SECTION_DATACOUNT] = STR_INIT("datacount"), [SECTION_CODE] = STR_INIT("code"),
    [SECTION_DATA] = STR_INIT("data"),
};

/* "(before s)", "(after s)", "(before first)" or "(after last)" from payload token `i` on. */
static bool custom_place(Parser *p, const Annotation *note, uint32_t i, Custom *custom)
{
    const Token *token = &p->tokens.payload[note->first + i];
    if (note->count - i < 4 || token[3].kind != TOKEN_CLOSE || token[1].kind != TOKEN_KEYWORD) {
        bool place = note->count - i > 1 && (str_equal(parser_text(p, token + 1), STR("before")) ||
                                             str_equal(parser_text(p, token + 1), STR("after")));
        return annotation_fail(p, note, place ? "malformed section kind" : "malformed placement");
    }
    Str side = parser_text(p, token + 1), section = parser_text(p, token + 2);
    custom->after = str_equal(side, STR("after"));
    if (!custom->after && !str_equal(side, STR("before")))
        return annotation_fail(p, note, "malformed placement");
    if (str_equal(section, custom->after ? STR("last") : STR("first"))) return true;
    for (unsigned s = 0; s < SECTION_COUNT; s++) {
        if (str_equal(section, section_words[s])) {
            custom->section = (uint8_t)s;
            return true;
        }
    }
    return annotation_fail(p, note, "malformed section kind");
}

static bool annotation_custom(Parser *p, const Annotation *note)
{
    Custom custom = {.after = true, .section = SECTION_COUNT};
    Buffer name, contents;
    buffer_init(&name, &p->arena);
    buffer_init(&contents, &p->arena);
    if (note->count == 0 || p->tokens.payload[note->first].kind != TOKEN_STRING)
        return annotation_fail(p, note, "missing section name");
    token_string(p->text, &p->tokens.payload[note->first], &name);
    if (!utf8_valid(name.bytes, name.len))
        return annotation_fail(p, note, "malformed UTF-8 encoding");
    uint32_t i = 1;
    if (note->count > 1 && p->tokens.payload[note->first + 1].kind == TOKEN_OPEN) {
        if (!custom_place(p, note, i, &custom)) return false;
        i += 4;
    }
    buffer_name(&contents, name.bytes, name.len);
    if (!annotation_strings(p, note, i, &contents)) return false;
    custom.bytes = (Str){(const char *)contents.bytes, contents.len};
    Custom *moved =
        arena_reserve(&p->arena, p->customs, p->ncustoms, &p->customs_cap, sizeof *moved);
    if (moved == NULL) return false;
    p->customs = moved;
    p->customs[p->ncustoms++] = custom;
    return true;
}

bool annotation_customs(Parser *p)
{
    for (Annotation *note; (note = annotation_at(p, STR("custom"))) != NULL;) {
        note->used = true;
        if (!annotation_custom(p, note)) return false;
    }
    return parser_ok(p);
}
