/* The token cursor, error reports, and the entry point that runs the two readings.
 *
 * Looking ahead is free (the tokens are an array and parentheses know their partners), so the
 * grammar is parsed by asking what stands at the cursor. */
#include "loader/text/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/text/wat.h"
#include "vm/error.h"
#include "vm/tunables.h"

/* ---- Errors ---------------------------------------------------------------------------------- */

static bool fail_at(Parser *p, fnvm_code code, uint32_t at, const char *format, va_list args)
{
    if (p->error != NULL || p->arena.failed) return false;
    char message[512];
    vsnprintf(message, sizeof message, format, args);
    uint32_t line, column;
    text_position(p->text, at, &line, &column);
    column += line == 1 ? p->column - 1 : 0;
    p->error = fnvm_error_new(code, "%u:%u: %s", line + p->line - 1, column, message);
    return false;
}

bool parser_fail_code(Parser *p, fnvm_code code, uint32_t at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_at(p, code, at, format, args);
    va_end(args);
    return false;
}

bool parser_fail(Parser *p, uint32_t token, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_at(p, FNVM_E_MALFORMED, p->tokens.items[token].start, format, args);
    va_end(args);
    return false;
}

bool parser_expected(Parser *p, const char *what)
{
    const Token *token = parser_peek(p);
    if (token->kind == TOKEN_END)
        return parser_fail(p, p->pos, "found the end of the text, expected %s", what);
    Str found = parser_text(p, token);
    int shown = found.len > 40 ? 40 : (int)found.len;
    bool plain = true; /* cut between characters, and not in the middle of one */
    while (shown > 0 && !utf8_valid(found.bytes, (size_t)shown)) shown--, plain = false;
    if (token->kind == TOKEN_OPEN && parser_at_any_form(p)) {
        Str keyword = parser_text(p, token + 1);
        return parser_fail(p, p->pos, "found '(%.*s', expected %s",
                           keyword.len > 40 ? 40 : (int)keyword.len, keyword.bytes, what);
    }
    return parser_fail(p, p->pos, "found '%.*s%s', expected %s", shown, found.bytes,
                       found.len > 40 || !plain ? "..." : "", what);
}

bool parser_ok(Parser *p) { return p->error == NULL && !p->arena.failed; }

bool parser_goes_on(Parser *p)
{
    if (++p->steps % STOP_STEPS == 0 && p->error == NULL && stop_wanted(p->stop))
        p->error = stop_error("translating text");
    return parser_ok(p);
}

/* ---- Cursor ---------------------------------------------------------------------------------- */

const Token *parser_peek(const Parser *p) { return &p->tokens.items[p->pos]; }

Str parser_text(const Parser *p, const Token *token)
{
    return (Str){p->text + token->start, token->len};
}

bool parser_at(const Parser *p, TokenKind kind) { return parser_peek(p)->kind == kind; }

bool parser_at_keyword(const Parser *p, Str keyword)
{
    const Token *token = parser_peek(p);
    return token->kind == TOKEN_KEYWORD && str_equal(parser_text(p, token), keyword);
}

bool parser_at_any_form(const Parser *p)
{
    const Token *token = parser_peek(p); /* an open parenthesis is never the last token */
    return token->kind == TOKEN_OPEN && token[1].kind == TOKEN_KEYWORD;
}

bool parser_at_form(const Parser *p, Str keyword)
{
    return parser_at_any_form(p) && str_equal(parser_text(p, parser_peek(p) + 1), keyword);
}

bool parser_at_index(const Parser *p)
{
    const Token *token = parser_peek(p);
    if (token->kind == TOKEN_NUMBER)
        return p->text[token->start] >= '0' && p->text[token->start] <= '9';
    return token->kind == TOKEN_ID;
}

bool parser_accept_keyword(Parser *p, Str keyword)
{
    bool there = parser_at_keyword(p, keyword);
    p->pos += there;
    return there;
}

bool parser_accept_form(Parser *p, Str keyword)
{
    bool there = parser_at_form(p, keyword);
    p->pos += there ? 2 : 0;
    return there;
}

bool parser_expect(Parser *p, TokenKind kind, const char *what)
{
    if (!parser_at(p, kind)) return parser_expected(p, what);
    p->pos++;
    return true;
}

bool parser_expect_form(Parser *p, Str keyword, const char *what)
{
    return parser_accept_form(p, keyword) || parser_expected(p, what);
}

bool parser_close(Parser *p) { return parser_expect(p, TOKEN_CLOSE, "')'"); }

uint32_t parser_form_end(const Parser *p) { return parser_peek(p)->partner; }

void parser_skip(Parser *p)
{
    if (parser_at(p, TOKEN_OPEN)) p->pos = parser_form_end(p);
    p->pos += !parser_at(p, TOKEN_END); /* a form of a script may be cut off */
}

/* ---- Small grammar --------------------------------------------------------------------------- */

Str parser_copy(Parser *p, const void *bytes, size_t len)
{
    char *copy = arena_alloc(&p->arena, len == 0 ? 1 : len);
    if (copy == NULL) return (Str){NULL, 0};
    if (len != 0) memcpy(copy, bytes, len);
    return (Str){copy, len};
}

bool parser_accept_id(Parser *p, Str *id)
{
    if (!parser_at(p, TOKEN_ID)) return false;
    *id = token_id(p->text, parser_peek(p), &p->arena);
    p->pos++;
    return true;
}

bool parser_unsigned(Parser *p, uint64_t max, const char *what, uint64_t *out)
{
    if (!parser_at(p, TOKEN_NUMBER)) return parser_expected(p, what);
    switch (number_unsigned(parser_text(p, parser_peek(p)), max, out)) {
    case NUMBER_OK: p->pos++; return true;
    case NUMBER_RANGE: return parser_fail(p, p->pos, "%s out of range", what);
    default: return parser_expected(p, what);
    }
}

bool parser_u32(Parser *p, const char *what, uint32_t *out)
{
    uint64_t value = 0;
    bool ok = parser_unsigned(p, UINT32_MAX, what, &value);
    *out = (uint32_t)value;
    return ok;
}

bool parser_string(Parser *p, Buffer *out)
{
    if (!parser_at(p, TOKEN_STRING)) return parser_expected(p, "a string");
    token_string(p->text, parser_peek(p), out);
    p->pos++;
    return true;
}

bool parser_name(Parser *p, Str *out)
{
    Buffer bytes;
    uint32_t token = p->pos;
    buffer_init(&bytes, &p->arena);
    if (!parser_string(p, &bytes)) return false;
    if (!utf8_valid(bytes.bytes, bytes.len))
        return parser_fail(p, token, "malformed UTF-8 encoding in a name");
    *out = (Str){(const char *)bytes.bytes, bytes.len};
    return true;
}

static const char *const space_names[SPACE_COUNT] = {
    [SPACE_TYPE] = "type",         [SPACE_FUNC] = "function",     [SPACE_TABLE] = "table",
    [SPACE_MEMORY] = "memory",     [SPACE_GLOBAL] = "global",     [SPACE_TAG] = "tag",
    [SPACE_ELEM] = "elem segment", [SPACE_DATA] = "data segment",
};

bool parser_index(Parser *p, Space space, uint32_t *out)
{
    Str id;
    uint32_t token = p->pos;
    if (!parser_accept_id(p, &id)) {
        char what[32];
        snprintf(what, sizeof what, "a %s index", space_names[space]);
        return parser_u32(p, what, out);
    }
    *out = names_find(&p->spaces[space].ids, id);
    if (*out == NAME_UNKNOWN)
        return parser_fail(p, token, "unknown %s $%.*s", space_names[space], STR_SHOWN(id));
    return true;
}

bool parser_optional_index(Parser *p, Space space, uint32_t *out)
{
    *out = 0;
    return !parser_at_index(p) || parser_index(p, space, out);
}

/* ---- Modules --------------------------------------------------------------------------------- */

void parser_init(Parser *p, const char *text, uint32_t line, uint32_t column)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
    p->text = text;
    p->line = line;
    p->column = column;
    for (int i = 0; i < SPACE_COUNT; i++) buffer_init(&p->spaces[i].names, &p->arena);
    for (int i = 0; i < SECTION_COUNT; i++) buffer_init(&p->sections[i].bytes, &p->arena);
    Buffer *const buffers[] = {
        &p->local_names.bytes, &p->label_names.bytes,
        &p->field_names.bytes, &p->hints,
        &p->body_names,        &p->body_labels,
        &p->body_hints,        &p->code,
        &p->pending,           &p->params,
        &p->results,
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_init(buffers[i], &p->arena);
}

/* Moves into "(module id? ..." and gives the index of its end; bare fields end with the text. */
static bool module_open(Parser *p, uint32_t *end)
{
    if (parser_at(p, TOKEN_OPEN)) {
        *end = parser_form_end(p);
        if (parser_accept_form(p, STR("module"))) {
            parser_accept_keyword(p, STR("definition"));
            parser_accept_id(p, &p->module_name);
            return annotation_name(p, &p->module_name);
        }
    }
    *end = p->tokens.n;
    return true;
}

/* The strings of "(module binary ...)" or "(module quote ...)" behind the keyword. */
static bool module_strings(Parser *p, Buffer *out)
{
    while (parser_at(p, TOKEN_STRING)) {
        if (!parser_string(p, out)) return false;
    }
    return parser_close(p);
}

static bool translate_fields(Parser *p, uint32_t end, Buffer *out)
{
    uint32_t start = p->pos;
    if (!declare_fields(p, end)) return false;
    p->pos = start;
    if (!parse_fields(p, end)) return false;
    if (end != p->tokens.n) p->pos++;
    if (!parser_at(p, TOKEN_END)) return parser_expected(p, "the end of the text");
    if (!annotations_all_used(p)) return false;
    write_module(p, out);
    return parser_ok(p);
}

/* How deep (module quote ...) may lie in quoted text. */
enum { QUOTE_DEPTH_MAX = 4 };

static fnvm_error *translate(WatInput input, unsigned depth, uint8_t **bytes, size_t *len);

static bool translate_quote(Parser *p, unsigned depth, uint8_t **bytes, size_t *len)
{
    Buffer text;
    buffer_init(&text, &p->arena);
    if (!module_strings(p, &text)) return false;
    if (depth >= QUOTE_DEPTH_MAX) return parser_fail(p, 0, "quoted modules are nested too deep");
    p->error =
        translate((WatInput){(const char *)text.bytes, text.len, 1, 1, p->stop}, depth + 1, bytes,
                  len);
    return p->error == NULL;
}

static bool translate_module(Parser *p, unsigned depth, uint8_t **bytes, size_t *len)
{
    Buffer out;
    buffer_init(&out, &p->arena);
    uint32_t end;
    if (!module_open(p, &end)) return false;
    if (end != p->tokens.n && parser_accept_keyword(p, STR("quote")))
        return translate_quote(p, depth, bytes, len);
    bool ok = end != p->tokens.n && parser_accept_keyword(p, STR("binary"))
                  ? module_strings(p, &out)
                  : translate_fields(p, end, &out);
    if (!ok || !parser_ok(p)) return false;
    *bytes = malloc(out.len == 0 ? 1 : out.len);
    if (*bytes == NULL) {
        p->arena.failed = true;
        return false;
    }
    if (out.len != 0) memcpy(*bytes, out.bytes, out.len);
    *len = out.len;
    return true;
}

static fnvm_error *translate(WatInput input, unsigned depth, uint8_t **bytes, size_t *len)
{
    if (input.len > TEXT_MAX_BYTES)
        return fnvm_error_new(FNVM_E_LIMIT, "the text of a module is larger than 1 GiB");
    if (input.len == 0) input.text = "";
    Parser p;
    parser_init(&p, input.text, input.line, input.column);
    p.stop = input.stop;
    Lexer lexer = {.text = input.text, .len = (uint32_t)input.len, .stop = input.stop};
    tokens_read(&lexer, &p.arena, &p.tokens, false);
    if (lexer.stopped) p.error = stop_error("translating text");
    if (lexer.too_long)
        parser_fail_code(&p, FNVM_E_LIMIT, lexer.pos, "the text has more than %d tokens: translate "
                         "it with another tool", LIMIT_TEXT_TOKENS);
    if (lexer.fault.message != NULL)
        parser_fail_code(&p, FNVM_E_MALFORMED, lexer.fault.at, "%s", lexer.fault.message);
    if (parser_ok(&p)) translate_module(&p, depth, bytes, len);
    fnvm_error *error = p.error;
    if (error == NULL && p.arena.failed) error = error_no_memory();
    arena_free(&p.arena);
    return error;
}

fnvm_error *wat_to_wasm(WatInput input, uint8_t **bytes, size_t *len)
{
    return translate(input, 0, bytes, len);
}

fnvm_error *fnvm_wat_to_wasm(const char *text, size_t len, uint8_t **bytes, size_t *bytes_len)
{
    return wat_to_wasm((WatInput){.text = text, .len = len, .line = 1, .column = 1}, bytes,
                       bytes_len);
}
