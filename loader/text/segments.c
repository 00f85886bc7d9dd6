/* Element and data segments (6.6.11, 6.6.12): fields of their own, and the ones that tables and
 * memories abbreviate. */
#include "loader/text/parser.h"

enum { HEAP_FUNC = 0x70 }; /* funcref in the binary format */

/* "(offset expr)" or one folded instruction. */
static bool parse_offset(Parser *p, Buffer *out)
{
    uint32_t end = parser_form_end(p);
    if (!parser_accept_form(p, STR("offset"))) return parse_constant(p, end + 1, out);
    return parse_constant(p, end, out) && parser_close(p);
}

/* The offset zero of an abbreviated segment. */
static void write_zero_offset(Buffer *out, bool is64)
{
    write_opcode(out, is64 ? op_i64_const : op_i32_const);
    buffer_s64(out, 0);
    write_opcode(out, op_end);
}

/* ---- Elements -------------------------------------------------------------------------------- */

typedef struct ElemList {
    bool is_indices; /* function indices; else expressions of type `type` */
    Buffer type;     /* a reference type, in the binary format */
    Buffer items;
    uint32_t count;
} ElemList;

static void elem_list_init(ElemList *list, Parser *p)
{
    *list = (ElemList){0};
    buffer_init(&list->type, &p->arena);
    buffer_init(&list->items, &p->arena);
}

static bool list_is_funcref(const ElemList *list)
{
    return list->type.len == 1 && list->type.bytes[0] == HEAP_FUNC;
}

/* As indices, or as (ref.func i) where the list is one of expressions. */
static bool parse_func_indices(Parser *p, ElemList *list)
{
    for (; parser_at_index(p); list->count++) {
        uint32_t func;
        if (!parser_index(p, SPACE_FUNC, &func)) return false;
        if (!list->is_indices) write_opcode(&list->items, op_ref_func);
        buffer_u64(&list->items, func);
        if (!list->is_indices) write_opcode(&list->items, op_end);
    }
    return true;
}

/* "(item expr)" or a folded instruction, as often as there are. */
static bool parse_elem_expressions(Parser *p, ElemList *list)
{
    for (; parser_at(p, TOKEN_OPEN); list->count++) {
        uint32_t end = parser_form_end(p);
        bool is_item = parser_accept_form(p, STR("item"));
        if (!parse_constant(p, is_item ? end : end + 1, &list->items) ||
            (is_item && !parser_close(p)))
            return false;
    }
    return true;
}

/* "func index*", "reftype expr*", or, for an active segment, "index*" alone. */
static bool parse_elem_list(Parser *p, bool active, ElemList *list)
{
    if (parser_accept_keyword(p, STR("func")) || (active && !parser_at_reftype(p))) {
        list->is_indices = true;
        return parse_func_indices(p, list);
    }
    if (!parser_at_reftype(p)) return parser_expected(p, "'func' or a reference type");
    return parse_encoded_reftype(p, &list->type) && parse_elem_expressions(p, list);
}

typedef enum SegmentKind { KIND_ACTIVE, KIND_PASSIVE, KIND_DECLARATIVE } SegmentKind;

/* 5.5.12: bit 0 not active; bit 1 table given, or declarative; bit 2 expressions. */
static void write_elem(Parser *p, SegmentKind kind, uint32_t table, const Buffer *offset,
                       const ElemList *list)
{
    Section *section = &p->sections[SECTION_ELEM];
    bool short_form =
        kind == KIND_ACTIVE && table == 0 && (list->is_indices || list_is_funcref(list));
    unsigned flags = list->is_indices ? 0 : 4;
    if (kind == KIND_ACTIVE)
        flags |= short_form ? 0 : 2;
    else
        flags |= kind == KIND_PASSIVE ? 1 : 3;
    buffer_u64(&section->bytes, flags);
    if (kind == KIND_ACTIVE) {
        if (!short_form) buffer_u64(&section->bytes, table);
        buffer_buffer(&section->bytes, offset);
    }
    if (!short_form) {
        if (list->is_indices)
            buffer_byte(&section->bytes, 0); /* elemkind: functions */
        else
            buffer_buffer(&section->bytes, &list->type);
    }
    buffer_u64(&section->bytes, list->count);
    buffer_buffer(&section->bytes, &list->items);
    section->count++;
}

bool parse_elem(Parser *p)
{
    Str id;
    uint32_t table = 0;
    SegmentKind kind = KIND_PASSIVE;
    ElemList list;
    Buffer offset;
    elem_list_init(&list, p);
    buffer_init(&offset, &p->arena);
    p->pos += 2;
    parser_accept_id(p, &id);
    if (parser_accept_keyword(p, STR("declare"))) {
        kind = KIND_DECLARATIVE;
    } else {
        bool has_table = parser_at(p, TOKEN_NUMBER); /* the first standard's way to say it */
        if (has_table) {
            if (!parser_index(p, SPACE_TABLE, &table)) return false;
        } else if (parser_accept_form(p, STR("table"))) {
            has_table = true;
            if (!parser_index(p, SPACE_TABLE, &table) || !parser_close(p)) return false;
        }
        if (has_table || (parser_at(p, TOKEN_OPEN) && !parser_at_reftype(p))) {
            kind = KIND_ACTIVE;
            if (!parser_at(p, TOKEN_OPEN)) return parser_expected(p, "(offset ...)");
            if (!parse_offset(p, &offset)) return false;
        }
    }
    if (!parse_elem_list(p, kind == KIND_ACTIVE, &list) || !parser_ok(p)) return false;
    write_elem(p, kind, table, &offset, &list);
    return parser_close(p);
}

bool parse_inline_elem(Parser *p, uint32_t table, bool is64, const Buffer *reftype, uint32_t *count)
{
    ElemList list;
    Buffer offset;
    elem_list_init(&list, p);
    buffer_init(&offset, &p->arena);
    if (!parser_expect_form(p, STR("elem"), "(elem")) return false;
    buffer_buffer(&list.type, reftype);
    if (!parser_ok(p)) return false;
    list.is_indices = list_is_funcref(&list) && !parser_at(p, TOKEN_OPEN);
    if (!(parser_at(p, TOKEN_OPEN) ? parse_elem_expressions : parse_func_indices)(p, &list) ||
        !parser_close(p) || !parser_ok(p))
        return false;
    write_zero_offset(&offset, is64);
    write_elem(p, KIND_ACTIVE, table, &offset, &list);
    *count = list.count;
    return true;
}

/* ---- Data ------------------------------------------------------------------------------------ */

static bool parse_strings(Parser *p, Buffer *out)
{
    while (!parser_at(p, TOKEN_CLOSE)) {
        if (!parser_string(p, out)) return false;
    }
    p->pos++;
    return parser_ok(p);
}

/* 5.5.15; no offset: passive. */
static void write_data(Parser *p, uint32_t memory, const Buffer *offset, const Buffer *bytes)
{
    Section *section = &p->sections[SECTION_DATA];
    buffer_u64(&section->bytes, offset == NULL ? 1 : memory == 0 ? 0 : 2);
    if (offset != NULL) {
        if (memory != 0) buffer_u64(&section->bytes, memory);
        buffer_buffer(&section->bytes, offset);
    }
    buffer_name(&section->bytes, bytes->bytes, bytes->len);
    section->count++;
}

bool parse_data(Parser *p)
{
    Str id;
    uint32_t memory = 0;
    bool active = false;
    Buffer offset, bytes;
    buffer_init(&offset, &p->arena);
    buffer_init(&bytes, &p->arena);
    p->pos += 2;
    parser_accept_id(p, &id);
    if (parser_at(p, TOKEN_NUMBER)) { /* the first standard's way to say it */
        active = true;
        if (!parser_index(p, SPACE_MEMORY, &memory)) return false;
    } else if (parser_accept_form(p, STR("memory"))) {
        active = true;
        if (!parser_index(p, SPACE_MEMORY, &memory) || !parser_close(p)) return false;
    }
    active |= parser_at(p, TOKEN_OPEN);
    if (active && !parser_at(p, TOKEN_OPEN)) return parser_expected(p, "(offset ...)");
    if (active && !parse_offset(p, &offset)) return false;
    if (!parse_strings(p, &bytes)) return false;
    write_data(p, memory, active ? &offset : NULL, &bytes);
    return true;
}

bool parse_inline_data(Parser *p, uint32_t memory, bool is64, uint64_t *len)
{
    Buffer offset, bytes;
    buffer_init(&offset, &p->arena);
    buffer_init(&bytes, &p->arena);
    if (!parser_expect_form(p, STR("data"), "(data") || !parse_strings(p, &bytes)) return false;
    write_zero_offset(&offset, is64);
    write_data(p, memory, &offset, &bytes);
    *len = bytes.len;
    return true;
}
