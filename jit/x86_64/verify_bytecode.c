/* What the bytecode says about machine code that was made of it: the instruction at a point. */
#include <stdlib.h>
#include <string.h>

#include "jit/x86_64/verify_state.h"
#include "loader/skip.h"

/* ---- Immediates ---- */

typedef struct Place { const uint8_t *bytes; uint32_t at, end; bool bad; } Place;

static uint64_t place_u(Place *p)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        if (p->at >= p->end) break;
        uint8_t byte = p->bytes[p->at++];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return value;
    }
    p->bad = true;
    return 0;
}

static void read_access(Place *p, Bytecode *b)
{
    bool has_memory = place_u(p) & 0x40;
    b->first = has_memory ? (uint32_t)place_u(p) : 0;
    b->offset = place_u(p);
    b->bytes = UINT32_C(1) << instructions[b->op].align;
    const char *sig = instructions[b->op].sig;
    b->is_store = sig[strlen(sig) - 1] == '_'; /* no result */
}

bool bytecode_at(const CodeCheck *c, uint32_t pc, Bytecode *out)
{
    *out = (Bytecode){.op = OP_NONE};
    if (pc < c->code->start || pc >= c->code->end) return false;
    Place p = {c->m->bytes, pc, c->code->end, false};
    uint8_t page = p.bytes[p.at++];
    bool is_paged = page == PAGE_GC || page == PAGE_MISC || page == PAGE_SIMD;
    uint32_t code = is_paged ? (uint32_t)place_u(&p) : page;
    out->op = instruction_decode(is_paged ? page : PAGE_BASE, code);
    if (out->op == OP_NONE) return false;
    switch ((Imm)instructions[out->op].imm) {
    case IMM_MEMARG: case IMM_MEMARG_LANE: read_access(&p, out); break;
    case IMM_TYPE_TABLE: case IMM_TYPE_FIELD: case IMM_TYPE_COUNT: case IMM_TYPE_DATA:
    case IMM_TYPE_ELEM: case IMM_TYPE_TYPE:
        out->first = (uint32_t)place_u(&p);
        out->second = (uint32_t)place_u(&p);
        break;
    case IMM_FUNC: case IMM_TYPE: case IMM_TAG: case IMM_MEM:
        out->first = (uint32_t)place_u(&p);
        break;
    default: break;
    }
    return !p.bad;
}

const Type *bytecode_callee(const CodeCheck *c, const Bytecode *b)
{
    const Module *m = c->m;
    switch (b->op) {
    case op_call: case op_return_call:
        return b->first < m->nfuncs ? module_func_type(m, b->first) : NULL;
    case op_call_indirect: case op_return_call_indirect:
    case op_call_ref: case op_return_call_ref:
        return b->first < m->ntypes ? types_get(&m->engine->types, m->types[b->first]) : NULL;
    default: return NULL;
    }
}

/* ---- Tail calls ---- */

static int by_offset(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static bool add_tail_call(CodeCheck *c, uint32_t func, uint32_t *size)
{
    uint32_t at = func >= c->m->n_imported_funcs ? segment_code(c->segment, func) : 0;
    if (!at) return true;
    if (c->ntail_calls == *size) {
        uint32_t wanted = *size ? *size * 2 : 16;
        uint32_t *bigger = realloc(c->tail_calls, wanted * 2 * sizeof *bigger);
        if (!bigger) return c->no_memory = true, false;
        c->tail_calls = bigger;
        *size = wanted;
    }
    c->tail_calls[2 * c->ntail_calls] = at;
    c->tail_calls[2 * c->ntail_calls++ + 1] = func;
    return true;
}

bool find_tail_calls(CodeCheck *c)
{
    if (c->has_tail_calls) return true;
    Reader r = {.bytes = c->m->bytes, .pos = c->code->start, .end = c->code->end};
    uint32_t size = 0;
    Op op;
    for (uint32_t pc = r.pos; pc < r.end; pc = r.pos) {
        Bytecode b;
        if (!reader_skip_instruction(&r, &op)) {
            fnvm_error_free(r.error);
            break;
        }
        if (op == op_return_call && bytecode_at(c, pc, &b) && !add_tail_call(c, b.first, &size))
            return false;
    }
    if (c->ntail_calls)
        qsort(c->tail_calls, c->ntail_calls, 2 * sizeof *c->tail_calls, by_offset);
    c->has_tail_calls = true;
    return true;
}
