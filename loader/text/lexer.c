/* The lexer looks at one character, finds the longest token that starts there, and checks it.
 * tokens_read() pairs up parentheses with a chain threaded through the open ones (`partner` of an
 * open parenthesis is the one around it until its own partner is known), so depth costs nothing. */
#include "loader/text/lexer.h"

#include <string.h>

#include "vm/tunables.h"

bool str_equal(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

void text_position(const char *text, uint32_t at, uint32_t *line, uint32_t *column)
{
    *line = 1;
    uint32_t start = 0;
    for (uint32_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            ++*line;
            start = i + 1;
        }
    }
    *column = at - start + 1;
}

/* ---- Characters ------------------------------------------------------------------------------ */

/* idchar of 6.3.5: printable ASCII but space, quote, comma, semicolon and brackets. */
static bool is_idchar(unsigned char c)
{
    static const uint32_t set[4] = {
        0, 0xF7FFECFAu, /* 0x20..0x3F: ! #$%&' *+ -./ 0-9 : <=>? */
        0xD7FFFFFFu,    /* 0x40..0x5F: @ A-Z \ ^ _ */
        0x57FFFFFFu,    /* 0x60..0x7F: ` a-z | ~ */
    };
    return c < 0x80 && (set[c >> 5] >> (c & 31) & 1);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Length of the valid UTF-8 sequence at `s`, 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    if (c < 0x80) return 1;
    size_t n = c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (n == 0 || len < n) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
    }
    bool overlong = (c == 0xE0 && s[1] < 0xA0) || (c == 0xF0 && s[1] < 0x90);
    bool surrogate = c == 0xED && s[1] >= 0xA0;
    bool too_big = c == 0xF4 && s[1] >= 0x90;
    return overlong || surrogate || too_big ? 0 : n;
}

bool utf8_valid(const void *bytes, size_t len)
{
    const unsigned char *s = bytes;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(s + i, len - i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

/* ---- Strings --------------------------------------------------------------------------------- */

/* Reads the escape behind a backslash at `s`: its length, 0 if it is none.  A plain byte goes to
 * *code with *is_byte set, a code point without. */
static size_t escape_read(const char *s, size_t len, uint32_t *code, bool *is_byte)
{
    *is_byte = true;
    if (len == 0) return 0;
    switch (s[0]) {
    case 't': *code = '\t'; return 1;
    case 'n': *code = '\n'; return 1;
    case 'r': *code = '\r'; return 1;
    case '"':
    case '\'':
    case '\\': *code = (unsigned char)s[0]; return 1;
    case 'u': break;
    default:
        if (len < 2 || hex_digit(s[0]) < 0 || hex_digit(s[1]) < 0) return 0;
        *code = (uint32_t)(hex_digit(s[0]) * 16 + hex_digit(s[1]));
        return 2;
    }
    *is_byte = false;
    *code = 0;
    size_t i = 2;
    if (len < 3 || s[1] != '{' || hex_digit(s[2]) < 0) return 0;
    for (; i < len && s[i] != '}'; i++) {
        if (s[i] == '_' && i + 1 < len && hex_digit(s[i - 1]) >= 0 && hex_digit(s[i + 1]) >= 0)
            continue;
        if (hex_digit(s[i]) < 0) return 0;
        *code = *code * 16 + (uint32_t)hex_digit(s[i]);
        if (*code > 0x10FFFF) return 0;
    }
    return i < len && (*code < 0xD800 || *code > 0xDFFF) ? i + 1 : 0;
}

static void lexer_fault(Lexer *lexer, uint32_t at, const char *message)
{
    if (lexer->fault.message == NULL) lexer->fault = (TextFault){message, at};
}

/* Moves past a string whose opening quote is at pos.  One that is not closed ends with its line, and
 * is no token of its own then: false. */
static bool lexer_string(Lexer *lexer)
{
    uint32_t start = lexer->pos++;
    while (lexer->pos < lexer->len) {
        const char *s = lexer->text + lexer->pos;
        size_t left = lexer->len - lexer->pos, n;
        uint32_t code;
        bool is_byte;
        if (*s == '"') {
            lexer->pos++;
            return true;
        }
        if (*s == '\n') break;
        if (*s == '\\') {
            n = escape_read(s + 1, left - 1, &code, &is_byte) + 1;
            if (n == 1) lexer_fault(lexer, lexer->pos, "malformed escape in a string");
        } else {
            n = utf8_length((const unsigned char *)s, left);
            if (n == 0)
                lexer_fault(lexer, lexer->pos, "malformed UTF-8 encoding");
            else if ((unsigned char)*s < 0x20 || *s == 0x7F)
                lexer_fault(lexer, lexer->pos, "control character in a string, expected an escape");
        }
        lexer->pos += n == 0 ? 1 : (uint32_t)n;
    }
    lexer_fault(lexer, start, "unclosed string");
    return false;
}

static void append_code_point(Buffer *out, uint32_t c)
{
    if (c < 0x80) {
        buffer_byte(out, (uint8_t)c);
    } else if (c < 0x800) {
        buffer_byte(out, (uint8_t)(0xC0 | c >> 6));
        buffer_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buffer_byte(out, (uint8_t)(0xE0 | c >> 12));
        buffer_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
        buffer_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
    } else {
        buffer_byte(out, (uint8_t)(0xF0 | c >> 18));
        buffer_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3F)));
        buffer_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
        buffer_byte(out, (uint8_t)(0x80 | (c & 0x3F)));
    }
}

/* `s` lies between the quotes. */
static void string_decode(const char *s, size_t len, Buffer *out)
{
    while (len != 0) {
        const char *escape = memchr(s, '\\', len);
        size_t plain = escape != NULL ? (size_t)(escape - s) : len;
        buffer_bytes(out, s, plain);
        s += plain;
        len -= plain;
        if (len == 0) break;
        uint32_t code = 0;
        bool is_byte;
        size_t n = 1 + escape_read(s + 1, len - 1, &code, &is_byte);
        if (is_byte)
            buffer_byte(out, (uint8_t)code);
        else
            append_code_point(out, code);
        s += n;
        len -= n;
    }
}

void token_string(const char *text, const Token *token, Buffer *out)
{
    string_decode(text + token->start + 1, token->len - 2, out);
}

Str token_id(const char *text, const Token *token, Arena *arena)
{
    const char *s = text + token->start + 1;
    if (token->len < 2 || s[0] != '"') return (Str){s, token->len - 1};
    if (memchr(s, '\\', token->len - 1) == NULL) return (Str){s + 1, token->len - 3};
    Buffer name;
    buffer_init(&name, arena);
    string_decode(s + 1, token->len - 3, &name);
    return (Str){(const char *)name.bytes, name.len};
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

/* Moves past white space and comments. */
static void lexer_skip_space(Lexer *lexer)
{
    const char *text = lexer->text;
    while (lexer->pos < lexer->len) {
        char c = text[lexer->pos];
        char next = lexer->pos + 1 < lexer->len ? text[lexer->pos + 1] : '\0';
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            lexer->pos++;
        } else if (c == ';' && next == ';') {
            uint32_t start = lexer->pos;
            while (lexer->pos < lexer->len && text[lexer->pos] != '\n' && text[lexer->pos] != '\r')
                lexer->pos++;
            if (!utf8_valid(text + start, lexer->pos - start))
                lexer_fault(lexer, start, "malformed UTF-8 encoding in a comment");
        } else if (c == '(' && next == ';') {
            uint32_t start = lexer->pos, depth = 0;
            do {
                c = text[lexer->pos];
                next = lexer->pos + 1 < lexer->len ? text[lexer->pos + 1] : '\0';
                bool open = c == '(' && next == ';', close = c == ';' && next == ')';
                depth = open ? depth + 1 : close ? depth - 1 : depth;
                lexer->pos += open || close ? 2 : 1;
            } while (depth != 0 && lexer->pos < lexer->len);
            if (depth != 0) lexer_fault(lexer, start, "unclosed comment");
            if (!utf8_valid(text + start, lexer->pos - start))
                lexer_fault(lexer, start, "malformed UTF-8 encoding in a comment");
        } else {
            return;
        }
    }
}

/* Kind of the token text[start, pos), of which `strings` parts were strings. */
static TokenKind token_classify(Lexer *lexer, uint32_t start, uint32_t strings, bool punctuation)
{
    const char *s = lexer->text + start;
    uint32_t len = lexer->pos - start;
    if (punctuation) return TOKEN_RESERVED;
    if (s[0] == '"')
        return strings == 1 && s[len - 1] == '"' && len >= 2 ? TOKEN_STRING : TOKEN_RESERVED;
    if (s[0] == '$' && strings == 1 && len >= 3 && s[1] == '"' && s[len - 1] == '"')
        return TOKEN_ID;
    if (strings != 0) return TOKEN_RESERVED;
    if (s[0] == '$') return TOKEN_ID;
    if (s[0] >= 'a' && s[0] <= 'z') return TOKEN_KEYWORD;
    return (s[0] >= '0' && s[0] <= '9') || s[0] == '+' || s[0] == '-' ? TOKEN_NUMBER
                                                                      : TOKEN_RESERVED;
}

static void identifier_check(Lexer *lexer, const Token *token)
{
    const char *s = lexer->text + token->start;
    if (token->len == 1 || (token->len == 3 && s[1] == '"'))
        lexer_fault(lexer, token->start, "empty identifier");
    if (memchr(s, '\\', token->len) == NULL || lexer->fault.message != NULL) return;
    Arena arena; /* escaped bytes may spell anything, so they are undone and looked at again */
    arena_init(&arena);
    Str name = token_id(lexer->text, token, &arena);
    if (!utf8_valid(name.bytes, name.len))
        lexer_fault(lexer, token->start, "malformed UTF-8 encoding in an identifier");
    arena_free(&arena);
}

Token lexer_next(Lexer *lexer)
{
    for (;;) {
        lexer_skip_space(lexer);
        Token token = {lexer->pos, 0, 0, TOKEN_END};
        if (lexer->pos >= lexer->len) return token;
        char c = lexer->text[lexer->pos];
        if (c == '(' || c == ')') {
            lexer->pos++;
            token.len = 1;
            token.kind = c == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
            return token;
        }
        uint32_t strings = 0, quote_end = 0;
        bool punctuation = false; /* or strings that touch or do not end: reserved either way */
        while (lexer->pos < lexer->len) {
            c = lexer->text[lexer->pos];
            if (c == '"') {
                punctuation |= strings != 0 && lexer->pos == quote_end;
                punctuation |= !lexer_string(lexer);
                strings++;
                quote_end = lexer->pos;
            } else if (is_idchar((unsigned char)c)) {
                punctuation |= strings != 0;
                lexer->pos++;
            } else if (c != '\0' && strchr(",;[]{}", c) != NULL &&
                       !(c == ';' && lexer->pos + 1 < lexer->len &&
                         lexer->text[lexer->pos + 1] == ';')) {
                punctuation = true;
                lexer->pos++;
            } else {
                break;
            }
        }
        token.len = lexer->pos - token.start;
        if (token.len == 0) {
            lexer_fault(lexer, lexer->pos,
                        utf8_length((const unsigned char *)lexer->text + lexer->pos,
                                    lexer->len - lexer->pos) == 0
                            ? "malformed UTF-8 encoding"
                            : "illegal character");
            lexer->pos++;
            continue;
        }
        token.kind = (uint8_t)token_classify(lexer, token.start, strings, punctuation);
        if (token.kind == TOKEN_ID) identifier_check(lexer, &token);
        return token;
    }
}

/* ---- Token arrays ---------------------------------------------------------------------------- */

static bool annotation_known(Str name)
{
    return str_equal(name, STR("custom")) || str_equal(name, STR("name")) ||
           str_equal(name, STR("metadata.code.branch_hint"));
}

static void token_push(Arena *arena, Token **items, uint32_t *n, uint32_t *cap, Token token)
{
    Token *moved = arena_reserve(arena, *items, *n, cap, sizeof token);
    if (moved == NULL) return;
    *items = moved;
    moved[(*n)++] = token;
}

/* The name of the annotation whose '@' begins `token`; empty if that is no annotation. */
static Str annotation_name(Lexer *lexer, const Token *token, Arena *arena)
{
    const char *s = lexer->text + token->start;
    if (token->len == 1 || (token->len == 3 && s[1] == '"')) {
        lexer_fault(lexer, token->start, "empty annotation id");
        return (Str){NULL, 0};
    }
    if (s[1] != '"') {
        for (uint32_t i = 1; i < token->len; i++) {
            if (!is_idchar((unsigned char)s[i])) {
                lexer_fault(lexer, token->start, "malformed annotation id");
                break;
            }
        }
        return (Str){s + 1, token->len - 1};
    }
    if (lexer->fault.message != NULL || s[token->len - 1] != '"') return (Str){NULL, 0};
    Str name = token_id(lexer->text, token, arena);
    if (!utf8_valid(name.bytes, name.len))
        lexer_fault(lexer, token->start, "malformed UTF-8 encoding in an annotation id");
    return name;
}

/* Reads an annotation to its end; `open` and `at` are the tokens "(" and "@...". */
static void annotation_read(Lexer *lexer, Arena *arena, Tokens *tokens, Token open, Token at)
{
    Annotation note = {
        annotation_name(lexer, &at, arena), tokens->n, open.start, tokens->npayload, 0, false};
    bool known = annotation_known(note.name);
    for (uint32_t depth = 1;;) {
        Token token = lexer_next(lexer);
        if (token.kind == TOKEN_END) {
            lexer_fault(lexer, open.start, "unclosed annotation");
            return;
        }
        depth += token.kind == TOKEN_OPEN;
        depth -= token.kind == TOKEN_CLOSE;
        if (depth == 0) break;
        if (known && tokens->npayload < LIMIT_TEXT_TOKENS) {
            token_push(arena, &tokens->payload, &tokens->npayload, &tokens->payload_cap, token);
            note.count++;
        }
    }
    if (!known) return;
    Annotation *moved = arena_reserve(arena, tokens->annotations, tokens->nannotations,
                                      &tokens->annotations_cap, sizeof note);
    if (moved == NULL) return;
    tokens->annotations = moved;
    moved[tokens->nannotations++] = note;
}

void tokens_read(Lexer *lexer, Arena *arena, Tokens *tokens, bool one_form)
{
    const uint32_t none = UINT32_MAX;
    uint32_t around = none; /* innermost open parenthesis */
    tokens->n = tokens->nannotations = tokens->npayload = 0;
    Token token;
    while ((token = lexer_next(lexer)).kind != TOKEN_END && !arena->failed) {
        if (tokens->n + tokens->npayload >= LIMIT_TEXT_TOKENS) {
            lexer->too_long = true;
            break;
        }
        if (tokens->n % STOP_STEPS == 0 && stop_wanted(lexer->stop)) {
            lexer->stopped = true;
            break;
        }
        if (token.kind == TOKEN_OPEN) {
            if (lexer->pos < lexer->len && lexer->text[lexer->pos] == '@') {
                annotation_read(lexer, arena, tokens, token, lexer_next(lexer));
                continue;
            }
            token.partner = around;
            around = tokens->n;
        } else if (token.kind == TOKEN_CLOSE) {
            if (around == none) {
                lexer_fault(lexer, token.start, "found ')' without its '('");
                if (one_form) break;
                continue;
            }
            token.partner = around;
            around = tokens->items[around].partner;
            tokens->items[token.partner].partner = tokens->n;
        }
        token_push(arena, &tokens->items, &tokens->n, &tokens->cap, token);
        if (one_form && around == none) break;
    }
    if (arena->failed) {
        tokens->n = 0;
        return;
    }
    if (around != none)
        lexer_fault(lexer, tokens->items[around].start,
                    "found the end of the text, expected the "
                    "')' of this '('");
    while (around != none) { /* what is left open ends with the text */
        uint32_t outer = tokens->items[around].partner;
        tokens->items[around].partner = tokens->n;
        around = outer;
    }
    Token end = {token.kind == TOKEN_END ? token.start : lexer->pos, 0, 0, TOKEN_END};
    token_push(arena, &tokens->items, &tokens->n, &tokens->cap, end);
    if (!arena->failed) tokens->n--;
}
