/* Immediates of instructions (6.5): one small reader for each shape that the instruction table
 * knows.  The text's order is not always the binary's; what comes first in the binary is kept in
 * locals until it can be written. */
#include <string.h>

#include "loader/text/parser.h"

void write_opcode(Buffer *out, Op op)
{
    const Instr *instr = &instructions[op];
    if (instr->page != PAGE_BASE) {
        buffer_byte(out, instr->page);
        buffer_u64(out, instr->code);
    } else {
        buffer_byte(out, (uint8_t)instr->code);
    }
}

/* ---- Indices --------------------------------------------------------------------------------- */

static bool parse_label(Parser *p, Buffer *out)
{
    Str id;
    uint32_t token = p->pos, depth;
    if (!parser_accept_id(p, &id)) {
        if (!parser_u32(p, "a label", &depth)) return false;
        buffer_u64(out, depth);
        return true;
    }
    uint32_t label = names_find(&p->label_ids, id);
    if (label != NAME_UNKNOWN) {
        buffer_u64(out, p->nlabels - 1 - label);
        return true;
    }
    return parser_fail(p, token, "unknown label $%.*s", STR_SHOWN(id));
}

static bool parse_labels(Parser *p, Buffer *out)
{
    Buffer labels;
    uint32_t count = 0;
    size_t last = 0;
    buffer_init(&labels, &p->arena);
    do {
        last = labels.len;
        if (!parse_label(p, &labels)) return false;
        count++;
    } while (parser_at_index(p));
    if (!parser_ok(p)) return false;
    buffer_u64(out, count - 1); /* the last one is the default */
    buffer_bytes(out, labels.bytes, last);
    buffer_bytes(out, labels.bytes + last, labels.len - last);
    return true;
}

static bool parse_local(Parser *p, Buffer *out)
{
    Str id;
    uint32_t token = p->pos, index;
    if (parser_accept_id(p, &id)) {
        index = names_find(&p->locals, id);
        if (index == NAME_UNKNOWN)
            return parser_fail(p, token, "unknown local $%.*s", STR_SHOWN(id));
    } else if (!parser_u32(p, "a local index", &index)) {
        return false;
    }
    buffer_u64(out, index);
    return true;
}

static bool parse_one(Parser *p, Space space, Buffer *out)
{
    uint32_t index;
    if (!parser_index(p, space, &index)) return false;
    buffer_u64(out, index);
    return true;
}

static bool parse_optional(Parser *p, Space space, Buffer *out)
{
    uint32_t index;
    if (!parser_optional_index(p, space, &index)) return false;
    buffer_u64(out, index);
    return true;
}

static bool parse_two(Parser *p, Space first, Space second, Buffer *out)
{
    return parse_one(p, first, out) && parse_one(p, second, out);
}

/* Destination and source: both or none. */
static bool parse_both(Parser *p, Space space, Buffer *out)
{
    if (parser_at_index(p)) return parse_two(p, space, space, out);
    buffer_u64(out, 0);
    buffer_u64(out, 0);
    return true;
}

/* "where? segment" in the text, "segment where" in the binary. */
static bool parse_segment(Parser *p, Space segments, Space where, Buffer *out)
{
    uint32_t segment, into = 0;
    bool both = parser_at_index(p) &&
                (parser_peek(p)[1].kind == TOKEN_ID || parser_peek(p)[1].kind == TOKEN_NUMBER);
    if (both && !parser_index(p, where, &into)) return false;
    if (!parser_index(p, segments, &segment)) return false;
    buffer_u64(out, segment);
    buffer_u64(out, into);
    return true;
}

static bool parse_type_table(Parser *p, Buffer *out)
{
    uint32_t table, type, nparams;
    if (!parser_optional_index(p, SPACE_TABLE, &table) ||
        !parse_typeuse(p, IDS_REFUSED, &type, &nparams))
        return false;
    buffer_u64(out, type);
    buffer_u64(out, table);
    return true;
}

static bool parse_type_field_index(Parser *p, Buffer *out)
{
    uint32_t type, field;
    if (!parser_index(p, SPACE_TYPE, &type) || !type_field_index(p, type, &field)) return false;
    buffer_u64(out, type);
    buffer_u64(out, field);
    return true;
}

static bool parse_type_count(Parser *p, Buffer *out)
{
    uint32_t count;
    if (!parse_one(p, SPACE_TYPE, out) || !parser_u32(p, "a number of operands", &count))
        return false;
    buffer_u64(out, count);
    return true;
}

/* ---- Types ----------------------------------------------------------------------------------- */

static bool parse_br_cast(Parser *p, Buffer *out)
{
    Buffer label, from, to;
    bool from_null, to_null;
    buffer_init(&label, &p->arena);
    buffer_init(&from, &p->arena);
    buffer_init(&to, &p->arena);
    if (!parse_label(p, &label) || !parse_reftype(p, &from_null, &from) ||
        !parse_reftype(p, &to_null, &to))
        return false;
    buffer_byte(out, (uint8_t)(from_null | to_null << 1));
    buffer_buffer(out, &label);
    buffer_buffer(out, &from);
    buffer_buffer(out, &to);
    return true;
}

/* ref.test and ref.cast: the row depends on whether the type is nullable. */
static bool parse_cast(Parser *p, Op *op, Buffer *out)
{
    Buffer heap;
    bool nullable;
    buffer_init(&heap, &p->arena);
    if (!parse_reftype(p, &nullable, &heap)) return false;
    if (nullable) *op = *op == op_ref_test ? op_ref_test_null : op_ref_cast_null;
    write_opcode(out, *op);
    buffer_buffer(out, &heap);
    return true;
}

/* select: "(result t)" makes it the other row, even when empty. */
static bool parse_select(Parser *p, Op *op, Buffer *out)
{
    if (!parser_at_form(p, STR("result"))) {
        write_opcode(out, *op);
        return true;
    }
    Buffer types;
    uint32_t count = 0;
    buffer_init(&types, &p->arena);
    if (!parse_valtypes_of(p, STR("result"), &types, &count)) return false;
    *op = op_select_t;
    write_opcode(out, *op);
    buffer_u64(out, count);
    buffer_buffer(out, &types);
    return true;
}

static bool parse_catches(Parser *p, Buffer *out)
{
    static const Str words[] = {STR_INIT("catch"), STR_INIT("catch_ref"), STR_INIT("catch_all"),
                                STR_INIT("catch_all_ref")};
    Buffer clauses;
    uint32_t count = 0;
    buffer_init(&clauses, &p->arena);
    for (;; count++) {
        uint8_t kind = 0;
        while (kind < 4 && !parser_accept_form(p, words[kind])) kind++;
        if (kind == 4) break;
        buffer_byte(&clauses, kind);
        if ((kind < 2 && !parse_one(p, SPACE_TAG, &clauses)) || !parse_label(p, &clauses) ||
            !parser_close(p))
            return false;
    }
    buffer_u64(out, count);
    buffer_buffer(out, &clauses);
    return true;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static bool text_begins(Str text, Str prefix)
{
    return text.len >= prefix.len && memcmp(text.bytes, prefix.bytes, prefix.len) == 0;
}

/* "offset=n" or "align=n" at the cursor; otherwise *out stays as it is. */
static bool parse_assignment(Parser *p, Str prefix, uint64_t *out)
{
    if (!parser_at(p, TOKEN_KEYWORD)) return true;
    Str text = parser_text(p, parser_peek(p));
    if (!text_begins(text, prefix)) return true;
    Str number = {text.bytes + prefix.len, text.len - prefix.len};
    switch (number_unsigned(number, UINT64_MAX, out)) {
    case NUMBER_OK: p->pos++; return true;
    case NUMBER_RANGE: return parser_fail(p, p->pos, "%.*s out of range", STR_SHOWN(text));
    default: return parser_expected(p, "a number behind the '='");
    }
}

static bool parse_memarg(Parser *p, const Instr *instr, bool lane_follows, Buffer *out)
{
    uint32_t memory = 0, token;
    uint64_t offset = 0, align = (uint64_t)1 << instr->align;
    bool has_memory = parser_at_index(p);
    if (lane_follows && parser_at(p, TOKEN_NUMBER)) { /* the memory or the lane? */
        const Token *next = parser_peek(p) + 1;
        Str text = parser_text(p, next);
        has_memory &= next->kind == TOKEN_NUMBER ||
                      (next->kind == TOKEN_KEYWORD &&
                       (text_begins(text, STR("offset=")) || text_begins(text, STR("align="))));
    }
    if (has_memory && !parser_index(p, SPACE_MEMORY, &memory)) return false;
    if (!parse_assignment(p, STR("offset="), &offset)) return false;
    token = p->pos;
    if (!parse_assignment(p, STR("align="), &align)) return false;
    if (align == 0 || (align & (align - 1)) != 0)
        return parser_fail(p, token, "alignment must be a power of 2");
    unsigned align_log2 = (unsigned)__builtin_ctzll(align);
    buffer_u64(out, align_log2 | (memory != 0 ? 0x40u : 0));
    if (memory != 0) buffer_u64(out, memory);
    buffer_u64(out, offset);
    return true;
}

static bool parse_lanes(Parser *p, unsigned n, Buffer *out)
{
    while (n-- != 0) {
        uint64_t lane;
        if (!parser_unsigned(p, 255, "a lane index", &lane)) return false;
        buffer_byte(out, (uint8_t)lane);
    }
    return true;
}

/* ---- Constants ------------------------------------------------------------------------------- */

bool parse_number(Parser *p, unsigned bits, bool is_float, uint64_t *out)
{
    const char *what = is_float ? "a number" : "an integer";
    if (!parser_at(p, TOKEN_NUMBER) && !(is_float && parser_at(p, TOKEN_KEYWORD)))
        return parser_expected(p, what);
    Str text = parser_text(p, parser_peek(p));
    switch (is_float ? number_float(text, bits, &p->arena, out) : number_integer(text, bits, out)) {
    case NUMBER_OK: p->pos++; return true;
    case NUMBER_RANGE:
        return parser_fail(p, p->pos, "%c%u constant out of range", is_float ? 'f' : 'i', bits);
    default: return parser_expected(p, what);
    }
}

const Shape vector_shapes[6] = {
    {STR_INIT("i8x16"), 8, false},  {STR_INIT("i16x8"), 16, false}, {STR_INIT("i32x4"), 32, false},
    {STR_INIT("i64x2"), 64, false}, {STR_INIT("f32x4"), 32, true},  {STR_INIT("f64x2"), 64, true},
};

const Shape *parse_shape(Parser *p)
{
    for (size_t i = 0; i < sizeof vector_shapes / sizeof *vector_shapes; i++) {
        if (parser_accept_keyword(p, vector_shapes[i].word)) return &vector_shapes[i];
    }
    parser_expected(p, "a vector's shape (i8x16, ... f64x2)");
    return NULL;
}

static bool parse_v128(Parser *p, Buffer *out)
{
    const Shape *shape = parse_shape(p);
    if (shape == NULL) return false;
    for (unsigned i = 0; i < 128 / shape->bits; i++) {
        uint64_t lane = 0;
        if (!parse_number(p, shape->bits, shape->is_float, &lane)) return false;
        buffer_little(out, lane, shape->bits / 8);
    }
    return true;
}

static bool parse_const(Parser *p, uint8_t imm, Buffer *out)
{
    uint64_t bits = 0;
    if (imm == IMM_V128) return parse_v128(p, out);
    bool is_float = imm == IMM_F32 || imm == IMM_F64;
    unsigned width = imm == IMM_I32 || imm == IMM_F32 ? 32 : 64;
    if (!parse_number(p, width, is_float, &bits)) return false;
    if (is_float)
        buffer_little(out, bits, width / 8);
    else
        buffer_s64(out, width == 32 ? (int32_t)(uint32_t)bits : (int64_t)bits);
    return true;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static bool parse_immediates(Parser *p, const Instr *instr, Buffer *out)
{
    switch ((Imm)instr->imm) {
    case IMM_NONE: return true;
    case IMM_BLOCK: return parse_blocktype(p, out);
    case IMM_TRY_TABLE: return parse_blocktype(p, out) && parse_catches(p, out);
    case IMM_LABEL: return parse_label(p, out);
    case IMM_LABELS: return parse_labels(p, out);
    case IMM_BR_CAST: return parse_br_cast(p, out);
    case IMM_FUNC: return parse_one(p, SPACE_FUNC, out);
    case IMM_TYPE: return parse_one(p, SPACE_TYPE, out);
    case IMM_TYPE_TABLE: return parse_type_table(p, out);
    case IMM_TYPE_FIELD: return parse_type_field_index(p, out);
    case IMM_TYPE_COUNT: return parse_type_count(p, out);
    case IMM_TYPE_DATA: p->uses_data = true; return parse_two(p, SPACE_TYPE, SPACE_DATA, out);
    case IMM_TYPE_ELEM: return parse_two(p, SPACE_TYPE, SPACE_ELEM, out);
    case IMM_TYPE_TYPE: return parse_two(p, SPACE_TYPE, SPACE_TYPE, out);
    case IMM_LOCAL: return parse_local(p, out);
    case IMM_GLOBAL: return parse_one(p, SPACE_GLOBAL, out);
    case IMM_TABLE: return parse_optional(p, SPACE_TABLE, out);
    case IMM_TABLE_TABLE: return parse_both(p, SPACE_TABLE, out);
    case IMM_ELEM_TABLE: return parse_segment(p, SPACE_ELEM, SPACE_TABLE, out);
    case IMM_ELEM: return parse_one(p, SPACE_ELEM, out);
    case IMM_DATA: p->uses_data = true; return parse_one(p, SPACE_DATA, out);
    case IMM_MEM: return parse_optional(p, SPACE_MEMORY, out);
    case IMM_MEM_MEM: return parse_both(p, SPACE_MEMORY, out);
    case IMM_DATA_MEM: p->uses_data = true; return parse_segment(p, SPACE_DATA, SPACE_MEMORY, out);
    case IMM_MEMARG: return parse_memarg(p, instr, false, out);
    case IMM_MEMARG_LANE: return parse_memarg(p, instr, true, out) && parse_lanes(p, 1, out);
    case IMM_LANE: return parse_lanes(p, 1, out);
    case IMM_SHUFFLE: return parse_lanes(p, 16, out);
    case IMM_TAG: return parse_one(p, SPACE_TAG, out);
    case IMM_HEAPTYPE: return parse_heaptype(p, out);
    case IMM_VALTYPES: break; /* select_t is reached through select */
    case IMM_I32:
    case IMM_I64:
    case IMM_F32:
    case IMM_F64:
    case IMM_V128: return parse_const(p, instr->imm, out);
    }
    return parser_expected(p, "another instruction");
}

bool parse_instruction(Parser *p, Op *op, Buffer *out)
{
    if (*op == op_select) return parse_select(p, op, out);
    if (*op == op_ref_test || *op == op_ref_cast) return parse_cast(p, op, out);
    write_opcode(out, *op);
    return parse_immediates(p, &instructions[*op], out);
}
