/* One case per kind of immediate in the instruction table, as in loader/skip.c. */
#include "cli/bytecode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loader/read_types.h"
#include "loader/skip.h"
#include "verifier/verifier.h"
#include "vm/types_print.h"

typedef struct Writer {
    const Module *m;
    Reader r;
    TypePrinter out; /* for all text, not only of types */
} Writer;

static void put_indices(Writer *w, uint32_t n)
{
    for (uint32_t i = 0; i < n && !w->r.error; i++)
        printer_text(&w->out, " %" PRIu32, read_u32(&w->r, "an index"));
}

static void put_valtype(Writer *w)
{
    ValType t = read_valtype(&w->r, w->m, 0);
    printer_text(&w->out, " ");
    printer_valtype(&w->out, t);
}

/* As a reference type: it is part of the instruction whether null belongs to it. */
static void put_reftype(Writer *w, bool nullable)
{
    HeapType h = read_heaptype(&w->r, w->m, 0);
    printer_text(&w->out, " ");
    printer_valtype(&w->out, TYPE_REF | (nullable ? TYPE_NULLABLE : 0) | h);
}

/* Of ref.null, the heap type alone: what "(ref " and ")" enclose. */
static void put_heaptype(Writer *w)
{
    static const char before[] = "(ref ";
    char text[40] = "";
    TypePrinter type = w->out;
    type.text = text;
    type.size = sizeof text;
    type.len = 0;
    printer_valtype(&type, TYPE_REF | read_heaptype(&w->r, w->m, 0));
    size_t len = strlen(text), skipped = sizeof before - 1;
    if (len > skipped) printer_text(&w->out, " %.*s", (int)(len - skipped - 1), text + skipped);
}

static void put_blocktype(Writer *w)
{
    uint8_t first = w->r.pos < w->r.end ? w->r.bytes[w->r.pos] : 0;
    if (first == 0x40) {
        w->r.pos++;
    } else if (first > 0x40 && first < 0x80) {
        printer_text(&w->out, " (result");
        put_valtype(w);
        printer_text(&w->out, ")");
    } else {
        printer_text(&w->out, " (type %" PRId64 ")", read_s33(&w->r, "a block type"));
    }
}

static void put_catches(Writer *w)
{
    static const char *const words[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
    uint32_t n = read_u32(&w->r, "a count of catch clauses");
    for (uint32_t i = 0; i < n && !w->r.error; i++) {
        uint8_t kind = read_byte(&w->r, "a catch clause");
        printer_text(&w->out, " (%s", kind < 4 ? words[kind] : "?");
        put_indices(w, kind == CATCH_TAG || kind == CATCH_TAG_REF ? 2 : 1);
        printer_text(&w->out, ")");
    }
}

static void put_memarg(Writer *w, uint8_t natural_align)
{
    uint32_t flags = read_u32(&w->r, "an alignment");
    if (flags & 0x40) put_indices(w, 1);
    uint64_t offset = read_u64(&w->r, "an offset");
    if (offset) printer_text(&w->out, " offset=%" PRIu64, offset);
    uint32_t align = flags & 0x3F;
    if (align != natural_align && align < 32)
        printer_text(&w->out, " align=%" PRIu64, UINT64_C(1) << align);
}

static void put_br_cast(Writer *w)
{
    uint8_t flags = read_byte(&w->r, "cast flags");
    put_indices(w, 1);
    put_reftype(w, flags & 1);
    put_reftype(w, flags & 2);
}

static void put_labels(Writer *w)
{
    uint32_t n = read_u32(&w->r, "a count of labels");
    put_indices(w, n);
    put_indices(w, 1);
}

static void put_valtypes(Writer *w)
{
    uint32_t n = read_u32(&w->r, "a count of types");
    printer_text(&w->out, " (result");
    for (uint32_t i = 0; i < n && !w->r.error; i++) put_valtype(w);
    printer_text(&w->out, ")");
}

static void put_float(Writer *w, uint32_t bytes)
{
    const uint8_t *p = read_bytes(&w->r, bytes, "a constant");
    uint64_t bits = 0;
    if (!p) return;
    memcpy(&bits, p, bytes);
    float narrow;
    double value;
    memcpy(&narrow, p, sizeof narrow);
    if (bytes == sizeof narrow) value = narrow;
    else memcpy(&value, p, sizeof value);
    if (isnan(value)) printer_text(&w->out, " nan:0x%" PRIx64, bits);
    else printer_text(&w->out, " %.*g", bytes == sizeof narrow ? 9 : 17, value);
}

static void put_bytes(Writer *w, bool as_lanes)
{
    const uint8_t *p = read_bytes(&w->r, 16, "a constant");
    if (!p) return;
    if (as_lanes)
        for (int i = 0; i < 16; i++) printer_text(&w->out, " %u", p[i]);
    for (int i = 0; i < 4 && !as_lanes; i++) {
        uint32_t lane;
        memcpy(&lane, p + 4 * i, sizeof lane);
        printer_text(&w->out, "%s 0x%08" PRIx32, i ? "" : " i32x4", lane);
    }
}

static void put_immediates(Writer *w, Op op)
{
    switch ((Imm)instructions[op].imm) {
    case IMM_NONE: break;
    case IMM_BLOCK: put_blocktype(w); break;
    case IMM_TRY_TABLE:
        put_blocktype(w);
        put_catches(w);
        break;
    case IMM_LABELS: put_labels(w); break;
    case IMM_BR_CAST: put_br_cast(w); break;
    case IMM_LABEL: case IMM_FUNC: case IMM_TYPE: case IMM_LOCAL: case IMM_GLOBAL: case IMM_TABLE:
    case IMM_ELEM: case IMM_DATA: case IMM_MEM: case IMM_TAG:
        put_indices(w, 1);
        break;
    case IMM_TYPE_TABLE: case IMM_TYPE_FIELD: case IMM_TYPE_COUNT: case IMM_TYPE_DATA:
    case IMM_TYPE_ELEM: case IMM_TYPE_TYPE: case IMM_TABLE_TABLE: case IMM_ELEM_TABLE:
    case IMM_MEM_MEM: case IMM_DATA_MEM:
        put_indices(w, 2);
        break;
    case IMM_MEMARG: put_memarg(w, instructions[op].align); break;
    case IMM_MEMARG_LANE:
        put_memarg(w, instructions[op].align);
        printer_text(&w->out, " %u", read_byte(&w->r, "a lane"));
        break;
    case IMM_LANE: printer_text(&w->out, " %u", read_byte(&w->r, "a lane")); break;
    case IMM_HEAPTYPE:
        if (op == op_ref_null) put_heaptype(w);
        else put_reftype(w, op == op_ref_test_null || op == op_ref_cast_null);
        break;
    case IMM_VALTYPES: put_valtypes(w); break;
    case IMM_I32: printer_text(&w->out, " %" PRId32, read_s32(&w->r, "a constant")); break;
    case IMM_I64: printer_text(&w->out, " %" PRId64, read_s64(&w->r, "a constant")); break;
    case IMM_F32: put_float(w, 4); break;
    case IMM_F64: put_float(w, 8); break;
    case IMM_SHUFFLE: put_bytes(w, true); break;
    case IMM_V128: put_bytes(w, false); break;
    }
}

/* The opcode, with the prefix of its page. */
static Op read_op(Reader *r)
{
    uint8_t page = read_byte(r, "an instruction");
    bool has_prefix = page == PAGE_GC || page == PAGE_MISC || page == PAGE_SIMD;
    return has_prefix ? instruction_decode(page, read_u32(r, "an instruction's number"))
                      : instruction_decode(PAGE_BASE, page);
}

bool bytecode_print(const Module *m, Reader *r, char *text, size_t size, Op *op)
{
    Reader whole = *r;
    if (!reader_skip_instruction(&whole, op)) {
        r->error = whole.error;
        return false;
    }
    Writer w = {.m = m, .r = *r,
                .out = {.registry = &m->engine->types, .indices = module_type_indices(m),
                        .text = text, .size = size}};
    *op = read_op(&w.r);
    printer_text(&w.out, "%s", instructions[*op].text);
    put_immediates(&w, *op);
    r->pos = whole.pos;
    r->error = w.r.error;
    return !r->error;
}
