/* Tokens of the text format (standard, 6.3), for modules and scripts alike.
 *
 * tokens_read() turns text into an array of tokens in which every parenthesis knows its partner,
 * so a parser can look ahead, skip a form, or come back to one.  Comments are gone; annotations
 * (6.3.6) that the parser knows are set aside with their place, all others are dropped.
 * Texts are smaller than 1 GiB; all positions are byte offsets into the text. */
#ifndef FNVM_LOADER_TEXT_LEXER_H
#define FNVM_LOADER_TEXT_LEXER_H

#include "fnvm.h"
#include "loader/text/arena.h"
#include "vm/stop.h"

#define TEXT_MAX_BYTES ((size_t)1 << 30)

typedef struct Str { /* not NUL-terminated */
    const char *bytes;
    size_t len;
} Str;

#define STR_INIT(literal)            \
    {                                \
        literal, sizeof(literal) - 1 \
    } /* where a constant is needed */
#define STR(literal) ((Str)STR_INIT(literal))
/* For "%.*s" in a message. */
#define STR_SHOWN(s) (int)((s).len > 100 ? 100 : (s).len), (s).bytes
bool str_equal(Str, Str);

typedef enum TokenKind {
    TOKEN_END, /* of the text */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_KEYWORD,  /* begins with a lower-case letter; "nan:0x1" and "inf" too */
    TOKEN_ID,       /* $name or $"name" */
    TOKEN_NUMBER,   /* begins with a digit or a sign; not checked further */
    TOKEN_STRING,   /* with its quotes; the escapes and characters are valid */
    TOKEN_RESERVED, /* anything else that the grammar sets aside */
} TokenKind;

typedef struct Token {
    uint32_t start, len;
    uint32_t partner; /* of TOKEN_OPEN and TOKEN_CLOSE: index of the other one */
    uint8_t kind;     /* TokenKind */
} Token;

typedef struct Annotation {
    Str name;              /* "custom", "name", "metadata.code.branch_hint" */
    uint32_t at;           /* index of the token that follows it */
    uint32_t start;        /* in the text */
    uint32_t first, count; /* its contents, in Tokens.payload; partners are not set */
    bool used;             /* the parser found it in a place where it means something */
} Annotation;

typedef struct Tokens {
    Token *items; /* the last one is TOKEN_END and not counted */
    uint32_t n, cap;
    Annotation *annotations; /* by ascending `at` */
    uint32_t nannotations, annotations_cap;
    Token *payload;
    uint32_t npayload, payload_cap;
} Tokens;

/* A fault in the text: where and what. `message` NULL: none. */
typedef struct TextFault {
    const char *message;
    uint32_t at;
} TextFault;

typedef struct Lexer {
    const char *text;
    uint32_t len, pos;
    TextFault fault; /* the first one; lexing goes on behind it */
    bool too_long;   /* there are more than LIMIT_TEXT_TOKENS */
    Stop stop;
    bool stopped;    /* a flag of that was set */
} Lexer;

/* The next token, whatever it is ("(@" gives an open parenthesis and a reserved token). */
Token lexer_next(Lexer *);

/* All tokens from the lexer's position to the end of the text.  With `one_form` it stops behind
 * the first balanced form at the top (which may be a single token; none at the end of the text).
 * `tokens` starts zeroed or holds an earlier reading, which is overwritten.  A fault of the text
 * is left in lexer->fault, the tokens are then what could be made of it. */
void tokens_read(Lexer *, Arena *, Tokens *tokens, bool one_form);

/* The bytes a string token stands for, appended to `out`. */
void token_string(const char *text, const Token *, Buffer *out);

/* The name of an identifier, without the dollar and with escapes undone.  Valid and not empty
 * (the lexer has seen to it). */
Str token_id(const char *text, const Token *, Arena *);

bool utf8_valid(const void *bytes, size_t len);

/* Line and column, from 1, of a position; columns count bytes. */
void text_position(const char *text, uint32_t at, uint32_t *line, uint32_t *column);

#endif
