/* Types (6.4) are written in the binary format as they are read.  Function types are compared by
 * their encoded bytes: that is how a type use finds the type it abbreviates, or learns that it
 * needs a new one, which is appended to the type section (6.4.4). */
#include "loader/text/parser.h"

#include <string.h>

/* ---- Heap and reference types ---------------------------------------------------------------- */

typedef struct TypeWord {
    Str text;
    uint8_t code;
} TypeWord;

static const TypeWord heap_words[] = {
    {STR_INIT("func"), 0x70},   {STR_INIT("extern"), 0x6F},   {STR_INIT("any"), 0x6E},
    {STR_INIT("eq"), 0x6D},     {STR_INIT("i31"), 0x6C},      {STR_INIT("struct"), 0x6B},
    {STR_INIT("array"), 0x6A},  {STR_INIT("exn"), 0x69},      {STR_INIT("noexn"), 0x74},
    {STR_INIT("nofunc"), 0x73}, {STR_INIT("noextern"), 0x72}, {STR_INIT("none"), 0x71},
};

/* Shorthands of (ref null ht) have ht's own code. */
static const TypeWord ref_words[] = {
    {STR_INIT("funcref"), 0x70},       {STR_INIT("externref"), 0x6F},
    {STR_INIT("anyref"), 0x6E},        {STR_INIT("eqref"), 0x6D},
    {STR_INIT("i31ref"), 0x6C},        {STR_INIT("structref"), 0x6B},
    {STR_INIT("arrayref"), 0x6A},      {STR_INIT("exnref"), 0x69},
    {STR_INIT("nullexnref"), 0x74},    {STR_INIT("nullfuncref"), 0x73},
    {STR_INIT("nullexternref"), 0x72}, {STR_INIT("nullref"), 0x71},
};

static const TypeWord number_words[] = {
    {STR_INIT("i32"), 0x7F}, {STR_INIT("i64"), 0x7E},  {STR_INIT("f32"), 0x7D},
    {STR_INIT("f64"), 0x7C}, {STR_INIT("v128"), 0x7B},
};

static const TypeWord packed_words[] = {{STR_INIT("i8"), 0x78}, {STR_INIT("i16"), 0x77}};

/* The code of the keyword at the cursor, 0 if it is not of the list. */
static uint8_t word_find(const Parser *p, const TypeWord *words, size_t n)
{
    const Token *token = parser_peek(p);
    if (token->kind != TOKEN_KEYWORD) return 0;
    Str text = parser_text(p, token);
    for (size_t i = 0; i < n; i++) {
        if (str_equal(words[i].text, text)) return words[i].code;
    }
    return 0;
}
#define WORD_FIND(p, words) word_find(p, words, sizeof(words) / sizeof *(words))

/* s33 of 5.3.3: a type index is never negative. */
void write_heap_index(Buffer *out, uint32_t type) { buffer_s64(out, type); }

bool parse_heaptype(Parser *p, Buffer *out)
{
    uint8_t code = WORD_FIND(p, heap_words);
    if (code != 0) {
        buffer_byte(out, code);
        p->pos++;
        return true;
    }
    uint32_t type;
    if (!parser_at_index(p)) return parser_expected(p, "a heap type");
    if (!parser_index(p, SPACE_TYPE, &type)) return false;
    write_heap_index(out, type);
    return true;
}

bool parser_at_reftype(const Parser *p)
{
    return parser_at_form(p, STR("ref")) || WORD_FIND(p, ref_words) != 0;
}

bool parse_reftype(Parser *p, bool *nullable, Buffer *heaptype)
{
    uint8_t code = WORD_FIND(p, ref_words);
    if (code != 0) {
        *nullable = true;
        buffer_byte(heaptype, code);
        p->pos++;
        return true;
    }
    if (!parser_expect_form(p, STR("ref"), "a reference type")) return false;
    *nullable = parser_accept_keyword(p, STR("null"));
    return parse_heaptype(p, heaptype) && parser_close(p);
}

bool parse_encoded_reftype(Parser *p, Buffer *out)
{
    Buffer heap;
    uint8_t bytes[8] = {0};
    buffer_init(&heap, &p->arena);
    heap.bytes = bytes; /* an s33 has at most five bytes, so this never grows */
    heap.cap = sizeof bytes;
    bool nullable;
    if (!parse_reftype(p, &nullable, &heap)) return false;
    bool abstract = heap.len == 1 && (heap.bytes[0] & 0x40);
    if (!nullable || !abstract) buffer_byte(out, nullable ? 0x63 : 0x64);
    buffer_buffer(out, &heap);
    return true;
}

bool parse_valtype(Parser *p, Buffer *out)
{
    uint8_t code = WORD_FIND(p, number_words);
    if (code == 0) {
        if (!parser_at_reftype(p)) return parser_expected(p, "a value type");
        return parse_encoded_reftype(p, out);
    }
    buffer_byte(out, code);
    p->pos++;
    return true;
}

/* "t" or "(mut t)", where t may be packed for a field. */
static bool parse_mutable(Parser *p, bool packed, Buffer *out)
{
    bool is_mutable = parser_accept_form(p, STR("mut"));
    uint8_t code = packed ? WORD_FIND(p, packed_words) : 0;
    if (code != 0) {
        buffer_byte(out, code);
        p->pos++;
    } else if (!parse_valtype(p, out)) {
        return false;
    }
    buffer_byte(out, is_mutable);
    return !is_mutable || parser_close(p);
}

bool parse_globaltype(Parser *p, Buffer *out) { return parse_mutable(p, false, out); }

/* ---- Function types -------------------------------------------------------------------------- */

bool parse_valtypes_of(Parser *p, Str keyword, Buffer *out, uint32_t *n)
{
    while (parser_accept_form(p, keyword)) {
        while (!parser_at(p, TOKEN_CLOSE)) {
            if (!parse_valtype(p, out)) return false;
            ++*n;
        }
        p->pos++;
    }
    return true;
}

/* "(param id? t*)"*; `ids` says what their identifiers do. */
static bool parse_params(Parser *p, ParamIds ids, uint32_t *n)
{
    while (parser_accept_form(p, STR("param"))) {
        Str id = {NULL, 0}, name = {NULL, 0};
        if (parser_at(p, TOKEN_ID) && ids == IDS_REFUSED)
            return parser_expected(p, "a value type (these parameters have no names)");
        bool named = parser_accept_id(p, &id);
        if (!annotation_name(p, &name)) return false;
        while (named || !parser_at(p, TOKEN_CLOSE)) {
            if (!parse_valtype(p, &p->params)) return false;
            if (ids == IDS_BOUND && !parser_local_name(p, *n, id, name)) return false;
            ++*n;
            if (named) break;
        }
        if (!parser_close(p)) return false;
    }
    return true;
}

/* "(param ...)* (result ...)*" as the bytes of a function type, appended to `out`. */
static bool parse_signature(Parser *p, ParamIds ids, Buffer *out, uint32_t *nparams,
                            uint32_t *nresults)
{
    *nparams = *nresults = 0;
    p->params.len = p->results.len = 0;
    if (!parse_params(p, ids, nparams) ||
        !parse_valtypes_of(p, STR("result"), &p->results, nresults))
        return false;
    buffer_byte(out, 0x60);
    buffer_u64(out, *nparams);
    buffer_buffer(out, &p->params);
    buffer_u64(out, *nresults);
    buffer_buffer(out, &p->results);
    return true;
}

/* A function type for a type use: an existing one, or a new one at the end. */
static bool type_of_signature(Parser *p, Str encoded, uint32_t nparams, uint32_t *index)
{
    *index = names_find(&p->shared_types, encoded);
    if (*index != NAME_UNKNOWN) return true;
    TypeDef *moved = arena_reserve(&p->arena, p->types, p->ntypes, &p->types_cap, sizeof *moved);
    Str copy = parser_copy(p, encoded.bytes, encoded.len);
    if (moved == NULL || copy.bytes == NULL) return false;
    p->types = moved;
    p->types[p->ntypes] = (TypeDef){.is_func = true, .nparams = nparams, .encoded = copy};
    *index = p->ntypes++;
    buffer_buffer(&p->sections[SECTION_TYPE].bytes,
                  &(Buffer){.bytes = (uint8_t *)copy.bytes, .len = copy.len});
    p->sections[SECTION_TYPE].count++;
    return names_add(&p->shared_types, &p->arena, copy, *index);
}

/* Reads a type use.  *is_inline: it has parameters or results of its own; *nresults counts those.
 * Without "(type x)" the index is left to the caller, who finds the signature in `signature`. */
static bool read_typeuse(Parser *p, ParamIds ids, bool *has_index, uint32_t *index,
                         Buffer *signature, uint32_t *nparams, uint32_t *nresults)
{
    uint32_t token = p->pos;
    *has_index = parser_accept_form(p, STR("type"));
    if (*has_index && !(parser_index(p, SPACE_TYPE, index) && parser_close(p))) return false;
    if (!parse_signature(p, ids, signature, nparams, nresults)) return false;
    if (!*has_index) return true;
    const TypeDef *type = *index < p->ntypes ? &p->types[*index] : NULL;
    if (*nparams + *nresults == 0) {
        *nparams = type != NULL && type->is_func ? type->nparams : 0;
        return true;
    }
    if (type == NULL) return parser_fail(p, token, "unknown type %u", *index);
    if (!type->is_func || type->encoded.len != signature->len ||
        (signature->len != 0 && memcmp(type->encoded.bytes, signature->bytes, signature->len) != 0))
        return parser_fail(p, token, "inline function type differs from type %u", *index);
    return true;
}

bool parse_typeuse(Parser *p, ParamIds ids, uint32_t *index, uint32_t *nparams)
{
    Buffer signature;
    bool has_index;
    uint32_t nresults;
    buffer_init(&signature, &p->arena);
    if (!read_typeuse(p, ids, &has_index, index, &signature, nparams, &nresults)) return false;
    Str encoded = {(const char *)signature.bytes, signature.len};
    return parser_ok(p) && (has_index || type_of_signature(p, encoded, *nparams, index));
}

bool parse_blocktype(Parser *p, Buffer *out)
{
    Buffer signature;
    bool has_index;
    uint32_t index = 0, nparams, nresults;
    buffer_init(&signature, &p->arena);
    if (!read_typeuse(p, IDS_REFUSED, &has_index, &index, &signature, &nparams, &nresults) ||
        !parser_ok(p))
        return false;
    Str bytes = {(const char *)signature.bytes, signature.len};
    if (has_index && index < p->ntypes && p->types[index].is_func) bytes = p->types[index].encoded;
    /* 0x60, no parameters, at most one result: the short form, even where the text has an index */
    bool known = !has_index || bytes.bytes != (const char *)signature.bytes;
    if (known && bytes.bytes[1] == 0 && (uint8_t)bytes.bytes[2] <= 1) {
        if (bytes.bytes[2] == 0) buffer_byte(out, 0x40);
        buffer_bytes(out, bytes.bytes + 3, bytes.len - 3);
        return true;
    }
    if (!has_index && !type_of_signature(p, bytes, nparams, &index)) return false;
    write_heap_index(out, index);
    return true;
}

void skip_typeuse(Parser *p)
{
    while (parser_at_form(p, STR("type")) || parser_at_form(p, STR("param")) ||
           parser_at_form(p, STR("result")))
        parser_skip(p);
}

/* ---- Type definitions ------------------------------------------------------------------------ */

/* "(field id t)" or "(field t*)", as often as there are; the bytes go to `out`. */
static bool parse_struct_fields(Parser *p, TypeDef *type, Buffer *names, uint32_t *nnames,
                                Buffer *out)
{
    while (parser_accept_form(p, STR("field"))) {
        uint32_t token = p->pos;
        Str id = {NULL, 0}, name = {NULL, 0};
        bool named = parser_accept_id(p, &id);
        if (named && !names_add(&type->fields, &p->arena, id, type->nfields))
            return parser_fail(p, token, "duplicate field $%.*s", STR_SHOWN(id));
        name = id;
        if (!annotation_name(p, &name)) return false;
        if (name.len != 0) name_map_add(names, nnames, type->nfields, name);
        while (named || !parser_at(p, TOKEN_CLOSE)) {
            if (!parse_mutable(p, true, out)) return false;
            type->nfields++;
            if (named) break;
        }
        if (!parser_close(p)) return false;
    }
    return true;
}

/* The rest of "(struct ...". */
static bool parse_struct(Parser *p, uint32_t index, TypeDef *type, Buffer *out)
{
    Buffer fields, names;
    uint32_t nnames = 0;
    buffer_init(&fields, &p->arena);
    buffer_init(&names, &p->arena);
    if (!parse_struct_fields(p, type, &names, &nnames, &fields)) return false;
    buffer_byte(out, 0x5F);
    buffer_u64(out, type->nfields);
    buffer_buffer(out, &fields);
    name_groups_add(&p->field_names, index, &names, nnames);
    return true;
}

static bool parse_comptype(Parser *p, uint32_t index, TypeDef *type, Buffer *out)
{
    if (parser_accept_form(p, STR("func"))) {
        uint32_t nresults;
        size_t start = out->len;
        type->is_func = true;
        if (!parse_signature(p, IDS_IGNORED, out, &type->nparams, &nresults) || !parser_ok(p))
            return false;
        type->encoded = parser_copy(p, out->bytes + start, out->len - start);
    } else if (parser_accept_form(p, STR("struct"))) {
        if (!parse_struct(p, index, type, out)) return false;
    } else if (parser_accept_form(p, STR("array"))) {
        buffer_byte(out, 0x5E);
        bool is_field = parser_accept_form(p, STR("field"));
        if (!parse_mutable(p, true, out) || (is_field && !parser_close(p))) return false;
    } else {
        return parser_expected(p, "(func, (struct, (array or (sub");
    }
    return parser_close(p);
}

/* "(sub final? x* comptype)" or a bare composite type; *plain: final and without supertypes. */
static bool parse_subtype(Parser *p, uint32_t index, TypeDef *type, bool *plain, Buffer *out)
{
    *plain = true;
    if (!parser_accept_form(p, STR("sub"))) return parse_comptype(p, index, type, out);
    bool is_final = parser_accept_keyword(p, STR("final"));
    Buffer supers;
    uint32_t nsupers = 0, super;
    buffer_init(&supers, &p->arena);
    while (parser_at_index(p)) {
        if (!parser_index(p, SPACE_TYPE, &super)) return false;
        buffer_u64(&supers, super);
        nsupers++;
    }
    *plain = is_final && nsupers == 0;
    if (!*plain) {
        buffer_byte(out, is_final ? 0x4F : 0x50);
        buffer_u64(out, nsupers);
        buffer_buffer(out, &supers);
    }
    return parse_comptype(p, index, type, out) && parser_close(p);
}

/* "(type id? subtype)" at the cursor. */
static bool parse_typedef(Parser *p, bool *plain, Buffer *out)
{
    Str id;
    if (!parser_expect_form(p, STR("type"), "(type")) return false;
    parser_accept_id(p, &id);
    TypeDef *moved = arena_reserve(&p->arena, p->types, p->ntypes, &p->types_cap, sizeof *moved);
    if (moved == NULL) return false;
    p->types = moved;
    uint32_t index = p->ntypes++;
    TypeDef type = {0};
    if (!parse_subtype(p, index, &type, plain, out) || !parser_close(p)) return false;
    p->types[index] = type;
    return parser_ok(p);
}

bool parse_type_field(Parser *p)
{
    Section *section = &p->sections[SECTION_TYPE];
    uint32_t first = p->ntypes;
    bool plain = false;
    section->count++;
    if (parser_at_form(p, STR("rec"))) {
        Buffer group;
        buffer_init(&group, &p->arena);
        p->pos += 2;
        while (!parser_at(p, TOKEN_CLOSE)) {
            if (!parse_typedef(p, &plain, &group)) return false;
        }
        p->pos++;
        plain &= p->ntypes - first == 1;
        buffer_byte(&section->bytes, 0x4E);
        buffer_u64(&section->bytes, p->ntypes - first);
        buffer_buffer(&section->bytes, &group);
    } else if (!parse_typedef(p, &plain, &section->bytes)) {
        return false;
    }
    if (plain && p->types[first].is_func) /* if it is there already, the first one stands */
        names_add(&p->shared_types, &p->arena, p->types[first].encoded, first);
    return parser_ok(p);
}

bool type_field_index(Parser *p, uint32_t type, uint32_t *out)
{
    Str id;
    uint32_t token = p->pos;
    if (!parser_accept_id(p, &id)) return parser_u32(p, "a field index", out);
    *out = type < p->ntypes ? names_find(&p->types[type].fields, id) : NAME_UNKNOWN;
    if (*out == NAME_UNKNOWN)
        return parser_fail(p, token, "unknown field $%.*s of type %u", STR_SHOWN(id), type);
    return true;
}
