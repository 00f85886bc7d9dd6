/* Inside the text parser: its state, the token cursor, and what its parts offer each other.
 *
 * A module's text is read twice.  declare_fields() numbers every item and learns all identifiers
 * and types; then each field is translated in order, straight from tokens to the bytes of its
 * section, so there is no syntax tree.  Functions that parse return false when `error` (or
 * arena.failed) is set; the caller passes that on at once.  Each leaves the cursor behind what it
 * read. */
#ifndef FNVM_LOADER_TEXT_PARSER_H
#define FNVM_LOADER_TEXT_PARSER_H

#include "loader/instruction.h"
#include "loader/text/names.h"
#include "loader/text/number.h"
#include "vm/stop.h"

typedef enum Space { /* index spaces (2.5.1) */
                     SPACE_TYPE,
                     SPACE_FUNC,
                     SPACE_TABLE,
                     SPACE_MEMORY,
                     SPACE_GLOBAL,
                     SPACE_TAG,
                     SPACE_ELEM,
                     SPACE_DATA,
                     SPACE_COUNT
} Space;

typedef struct IndexSpace {
    NameMap ids;
    uint32_t count;
    uint32_t next; /* second reading: index of the next definition or import */
    Buffer names;  /* name map for the name section */
    uint32_t nnames;
} IndexSpace;

/* Sections in the order of the binary format (5.5.2). */
typedef enum SectionOrder {
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNC,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_TAG,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEM,
    SECTION_DATACOUNT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_COUNT
} SectionOrder;

typedef struct Section {
    Buffer bytes; /* the entries */
    uint32_t count;
} Section;

typedef struct TypeDef {
    bool is_func;
    uint32_t nparams; /* of a function type */
    Str encoded;      /* of a function type: its composite type, in the binary format */
    NameMap fields;   /* of a struct: identifiers to field indices */
    uint32_t nfields;
} TypeDef;

typedef struct NameGroups { /* of an indirect name map: one group per function or type */
    Buffer bytes;
    uint32_t count;
} NameGroups;

typedef struct Custom { /* a section from a (@custom) annotation */
    Str bytes;          /* name and contents */
    bool after;
    uint8_t section; /* SectionOrder; SECTION_COUNT: before the first, or after the last */
} Custom;

typedef struct Label {
    Str id; /* empty if none */
    uint32_t shadows; /* what the identifier meant outside; NAME_UNKNOWN: nothing */
} Label;

typedef struct Frame Frame; /* instructions.c */

typedef struct Parser {
    Arena arena;
    const char *text;
    uint32_t line, column; /* where the text begins in its file */
    Tokens tokens;
    uint32_t pos; /* cursor: index of a token */
    Stop stop;    /* looked at every STOP_STEPS steps */
    uint32_t steps;
    fnvm_error *error;

    /* The module. */
    IndexSpace spaces[SPACE_COUNT];
    Section sections[SECTION_COUNT];
    TypeDef *types;
    uint32_t ntypes, types_cap;
    NameMap shared_types; /* encoded function type to index, for type uses (6.4.4) */
    bool has_start, has_definition;
    bool uses_data; /* code refers to data segments: a data count section is needed */
    Str module_name;
    Custom *customs;
    uint32_t ncustoms, customs_cap;
    NameGroups local_names, label_names, field_names;
    Buffer hints; /* metadata.code.branch_hint: entries of functions */
    uint32_t nhinted;

    /* The function or constant expression being translated. */
    NameMap locals;
    Buffer body_names; /* name map of its locals */
    uint32_t nbody_names;
    Buffer body_labels; /* name map of its labels */
    uint32_t nbody_labels, nseen_labels;
    Buffer body_hints; /* offset, size, value of each; offsets are from the code's start */
    uint32_t nbody_hints;
    Buffer code;    /* instructions */
    Buffer pending; /* a stack of folded instructions whose operands come first */
    NameMap label_ids; /* to the innermost label of that name */
    Label *labels;
    uint32_t nlabels, labels_cap;
    Frame *frames;
    uint32_t nframes, frames_cap;
    Buffer params, results; /* of the function type being read */
} Parser;

/* ---- parser.c: errors and the token cursor --------------------------------------------------- */

/* Records "line:column: message" at a token, unless there is an error already; returns false. */
bool parser_fail(Parser *, uint32_t token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool parser_fail_code(Parser *, fnvm_code, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5))); /* at a position of the text */
/* "found X, expected ..." at the cursor. */
bool parser_expected(Parser *, const char *what);
bool parser_ok(Parser *); /* false after an error or when memory ran out */
bool parser_goes_on(Parser *); /* parser_ok, and a step: it can be stopped here */

const Token *parser_peek(const Parser *);
Str parser_text(const Parser *, const Token *);
bool parser_at(const Parser *, TokenKind);
bool parser_at_keyword(const Parser *, Str keyword);
bool parser_at_form(const Parser *, Str keyword); /* "(keyword" */
bool parser_at_any_form(const Parser *);          /* "(" and any keyword */
bool parser_at_index(const Parser *);             /* a number without sign, or an identifier */
bool parser_accept_keyword(Parser *, Str keyword);
bool parser_accept_form(Parser *, Str keyword); /* moves behind the keyword */
bool parser_expect(Parser *, TokenKind, const char *what);
bool parser_expect_form(Parser *, Str keyword, const char *what);
bool parser_close(Parser *);              /* expects ")" */
void parser_skip(Parser *);               /* a token, or a form in parentheses */
uint32_t parser_form_end(const Parser *); /* index of the ")" of the "(" at the cursor */

bool parser_accept_id(Parser *, Str *id); /* false without error if there is none */
bool parser_unsigned(Parser *, uint64_t max, const char *what, uint64_t *out);
bool parser_u32(Parser *, const char *what, uint32_t *out);
bool parser_string(Parser *, Buffer *out); /* appends the bytes of a string */
bool parser_name(Parser *, Str *out);      /* a string that is valid UTF-8 */
bool parser_index(Parser *, Space, uint32_t *out);
bool parser_optional_index(Parser *, Space, uint32_t *out); /* 0 if there is none */
Str parser_copy(Parser *, const void *bytes, size_t len);

/* ---- annotations.c: (@name), (@custom), (@metadata.code.branch_hint) ------------------------- */

Annotation *annotation_at(Parser *, Str name); /* before the cursor's token and unused, or NULL */
bool annotation_name(Parser *, Str *name);     /* leaves *name alone if there is none */
bool annotation_customs(Parser *);             /* all (@custom)s before the cursor's token */
bool annotation_branch_hint(Parser *, int *hint); /* 0, 1, or -1 if there is none */
bool annotations_all_used(Parser *);

/* ---- types.c --------------------------------------------------------------------------------- */

bool parse_valtype(Parser *, Buffer *out);
bool parse_reftype(Parser *, bool *nullable, Buffer *heaptype); /* the parts: for casts */
bool parse_encoded_reftype(Parser *, Buffer *out);
bool parser_at_reftype(const Parser *);
bool parse_heaptype(Parser *, Buffer *out);
bool parse_globaltype(Parser *, Buffer *out);
bool parse_type_field(Parser *); /* "(type ...)" or "(rec ...)" at the cursor */
/* What the identifiers of parameters do: nothing may be named here; they are comments; they
 * name locals of the function being read. */
typedef enum ParamIds { IDS_REFUSED, IDS_IGNORED, IDS_BOUND } ParamIds;
/* A type use (6.4.4): its index and its number of parameters. */
bool parse_typeuse(Parser *, ParamIds, uint32_t *index, uint32_t *nparams);
bool parse_blocktype(Parser *, Buffer *out);
void skip_typeuse(Parser *); /* moves past it without looking inside */
bool parse_valtypes_of(Parser *, Str keyword, Buffer *out, uint32_t *n); /* "(result t*)"* */
bool type_field_index(Parser *, uint32_t type, uint32_t *out);           /* index or identifier */
void write_heap_index(Buffer *, uint32_t type);

/* ---- instructions.c, immediates.c ------------------------------------------------------------ */

/* Translates instructions from the cursor up to token `end` into p->code, which is cleared first;
 * the final `end` opcode is not written. */
bool parse_code(Parser *, uint32_t end);
/* The same for a constant expression, written with its `end` to `out`. */
bool parse_constant(Parser *, uint32_t end, Buffer *out);
/* Reads the immediates of the instruction in *op and writes opcode and immediates; *op may become
 * the other row of the same keyword. */
bool parse_instruction(Parser *, Op *op, Buffer *out);
void write_opcode(Buffer *, Op);
/* An integer or float literal as a bit pattern. */
bool parse_number(Parser *, unsigned bits, bool is_float, uint64_t *out);
typedef struct Shape { /* of a vector literal */
    Str word;
    unsigned bits; /* of a lane */
    bool is_float;
} Shape;
extern const Shape vector_shapes[6]; /* i8x16 first, in the order of WastShape */
const Shape *parse_shape(Parser *);  /* one of them; NULL is an error */
/* Names a local of the function being read: its identifier and its name, empty if it has none. */
bool parser_local_name(Parser *, uint32_t index, Str id, Str name);

/* ---- fields.c, segments.c -------------------------------------------------------------------- */

bool declare_fields(Parser *, uint32_t end);
bool parse_fields(Parser *, uint32_t end);
bool parse_elem(Parser *); /* the field at the cursor */
bool parse_data(Parser *);
/* "(elem ...)" in a table and "(data ...)" in a memory: an active segment at address 0.  *count
 * elements, *len bytes. */
bool parse_inline_elem(Parser *, uint32_t table, bool is64, const Buffer *reftype, uint32_t *count);
bool parse_inline_data(Parser *, uint32_t memory, bool is64, uint64_t *len);

/* ---- sections.c ------------------------------------------------------------------------------ */

void name_map_add(Buffer *map, uint32_t *count, uint32_t index, Str name);
void name_groups_add(NameGroups *, uint32_t index, const Buffer *map, uint32_t count);
void write_module(Parser *, Buffer *out);

/* ---- parser.c: use by the script parser ------------------------------------------------------ */

/* A parser over `text` without tokens; the caller fills in `tokens` and frees the arena. */
void parser_init(Parser *, const char *text, uint32_t line, uint32_t column);

#endif
