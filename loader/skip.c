/* One case per kind of immediate in the instruction table; everything else about an instruction is
 * data (standard, 5.4). */
#include "loader/skip.h"

/* A heap type: an abstract one is a single byte, a type index a non-negative s33 (5.3.3). */
static void skip_heaptype(Reader *r)
{
    if (r->error || r->pos >= r->end) {
        read_byte(r, "a heap type");
        return;
    }
    uint32_t at = r->pos;
    uint8_t first = r->bytes[at];
    if (first >= 0x69 && first <= 0x74) {
        r->pos++;
        return;
    }
    if (read_s33(r, "a heap type") < 0)
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed heap type 0x%02x", first);
}

static void skip_valtype(Reader *r)
{
    uint32_t at = r->pos;
    uint8_t code = read_byte(r, "a value type");
    if (r->error) return;
    if (code == 0x63 || code == 0x64) {
        skip_heaptype(r);
        return;
    }
    bool is_number = code >= 0x7B && code <= 0x7F, is_abstract = code >= 0x69 && code <= 0x74;
    if (!is_number && !is_abstract)
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed value type 0x%02x", code);
}

static void skip_blocktype(Reader *r)
{
    if (r->error || r->pos >= r->end) {
        read_byte(r, "a block type");
        return;
    }
    uint32_t at = r->pos;
    uint8_t first = r->bytes[at];
    if (first == 0x40)
        r->pos++;
    else if (first > 0x40 && first < 0x80)
        skip_valtype(r);
    else if (read_s33(r, "a block type") < 0)
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed block type 0x%02x", first);
}

static void skip_indices(Reader *r, uint32_t n)
{
    for (uint32_t i = 0; i < n && !r->error; i++) read_u32(r, "an index");
}

static void skip_catches(Reader *r)
{
    uint32_t n = read_u32(r, "a count of catch clauses");
    for (uint32_t i = 0; i < n && !r->error; i++) {
        uint32_t at = r->pos;
        uint8_t kind = read_byte(r, "a catch clause");
        if (kind > 3) reader_fail(r, FNVM_E_MALFORMED, at, "malformed catch clause 0x%02x", kind);
        if (kind < 2) read_u32(r, "a tag index");
        read_u32(r, "a label index");
    }
}

static void skip_memarg(Reader *r)
{
    uint32_t at = r->pos, flags = read_u32(r, "an alignment");
    if (flags >= 0x80) reader_fail(r, FNVM_E_MALFORMED, at, "malformed memop flags 0x%x", flags);
    if (flags & 0x40) read_u32(r, "a memory index");
    read_u64(r, "an offset");
}

static void skip_br_cast(Reader *r)
{
    uint32_t at = r->pos;
    uint8_t flags = read_byte(r, "cast flags");
    if (flags > 3) reader_fail(r, FNVM_E_MALFORMED, at, "malformed cast flags 0x%02x", flags);
    read_u32(r, "a label index");
    skip_heaptype(r);
    skip_heaptype(r);
}

static void skip_valtypes(Reader *r)
{
    uint32_t n = read_u32(r, "a count of types");
    for (uint32_t i = 0; i < n && !r->error; i++) skip_valtype(r);
}

static void skip_labels(Reader *r)
{
    uint32_t n = read_u32(r, "a count of labels");
    skip_indices(r, n);
    read_u32(r, "the default label");
}

static void skip_immediates(Reader *r, Imm imm)
{
    switch (imm) {
    case IMM_NONE: break;
    case IMM_BLOCK: skip_blocktype(r); break;
    case IMM_TRY_TABLE:
        skip_blocktype(r);
        skip_catches(r);
        break;
    case IMM_LABELS: skip_labels(r); break;
    case IMM_BR_CAST: skip_br_cast(r); break;
    case IMM_LABEL:
    case IMM_FUNC:
    case IMM_TYPE:
    case IMM_LOCAL:
    case IMM_GLOBAL:
    case IMM_TABLE:
    case IMM_ELEM:
    case IMM_DATA:
    case IMM_MEM:
    case IMM_TAG: skip_indices(r, 1); break;
    case IMM_TYPE_TABLE:
    case IMM_TYPE_FIELD:
    case IMM_TYPE_COUNT:
    case IMM_TYPE_DATA:
    case IMM_TYPE_ELEM:
    case IMM_TYPE_TYPE:
    case IMM_TABLE_TABLE:
    case IMM_ELEM_TABLE:
    case IMM_MEM_MEM:
    case IMM_DATA_MEM: skip_indices(r, 2); break;
    case IMM_MEMARG: skip_memarg(r); break;
    case IMM_MEMARG_LANE:
        skip_memarg(r);
        read_byte(r, "a lane");
        break;
    case IMM_LANE: read_byte(r, "a lane"); break;
    case IMM_HEAPTYPE: skip_heaptype(r); break;
    case IMM_VALTYPES: skip_valtypes(r); break;
    case IMM_I32: read_s32(r, "a constant"); break;
    case IMM_I64: read_s64(r, "a constant"); break;
    case IMM_F32: read_bytes(r, 4, "a constant"); break;
    case IMM_F64: read_bytes(r, 8, "a constant"); break;
    case IMM_SHUFFLE:
    case IMM_V128: read_bytes(r, 16, "a constant"); break;
    }
}

static Op read_op(Reader *r)
{
    uint32_t at = r->pos;
    uint8_t page = read_byte(r, "an instruction");
    uint32_t code = page;
    if (page == PAGE_GC || page == PAGE_MISC || page == PAGE_SIMD)
        code = read_u32(r, "an instruction's number");
    else
        page = PAGE_BASE;
    if (r->error) return OP_NONE;
    Op op = instruction_decode(page, code);
    if (op != OP_NONE) return op;
    if (page == PAGE_BASE)
        reader_fail(r, FNVM_E_MALFORMED, at, "illegal opcode 0x%02x%s", code,
                    instruction_elsewhere((uint8_t)code));
    else
        reader_fail(r, FNVM_E_MALFORMED, at, "illegal opcode 0x%02x 0x%02x", page, code);
    return OP_NONE;
}

/* Reads the operation and leaves the reader at its immediates. */
static bool skip_from(Reader *r, Op *op, uint32_t *immediate)
{
    *op = read_op(r);
    *immediate = r->pos;
    if (r->error) return false;
    skip_immediates(r, (Imm)instructions[*op].imm);
    return !r->error;
}

bool reader_skip_instruction(Reader *r, Op *op)
{
    uint32_t immediate;
    return skip_from(r, op, &immediate);
}

bool reader_skip_expression(Reader *r, void (*seen)(void *env, Op op, uint32_t immediate),
                            void *env)
{
    /* Blocks nest at most as deep as there are bytes, so a count is all the stack it takes. */
    uint32_t depth = 0, immediate;
    for (Op op; skip_from(r, &op, &immediate);) {
        if (seen) seen(env, op, immediate);
        if (op == op_block || op == op_loop || op == op_if_ || op == op_try_table) {
            depth++;
        } else if (op == op_else_ && depth == 0) {
            reader_fail(r, FNVM_E_MALFORMED, immediate - 1, "`else` without `if`");
        } else if (op == op_end && depth-- == 0) {
            return true;
        }
    }
    return false;
}
