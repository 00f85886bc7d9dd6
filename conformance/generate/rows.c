/* One instruction in all its surroundings, for compilers that choose their code by where operands
 * come from and where results go.  A *case* is one function: its parameters are the operands that
 * are no constants, and which values they get is the caller's business. */
#include <stdio.h>
#include <string.h>

#include "conformance/generate/generate.h"
#include "conformance/generate/values.h"
#include "vm/types.h"

enum {
    MAX_OPERANDS = 4,
    MAX_RESULTS = 2,
    SMALL_BYTES = 100,
    PAGE = 65536,
    SOURCE_AT = 256,
    SINK_AT = 512
};

typedef enum Source { PARAM, CONSTANT, LOCAL, LOADED, NESTED, TEE, FIRST, SOURCES } Source;

typedef enum Sink {
    RETURN,
    SET,
    SET_FIRST,
    SET_LAST,
    STORE,
    DROP,
    DEEP, /* any result */
    BR_IF,
    BR_UNLESS,
    IF,
    SELECT,
    EQZ,
    SINKS /* an i32 */
} Sink;

typedef struct Case {
    Source sources[MAX_OPERANDS];
    Sink sink;
    Bits constants[MAX_OPERANDS];
    uint32_t memory;
    uint64_t offset;
    uint8_t lanes[16]; /* or the one lane */
} Case;

typedef struct Writer {
    Op op;
    const Instr *row;
    uint32_t noperands, nresults;
    ValType operands[MAX_OPERANDS], results[MAX_RESULTS]; /* addresses: as if of memory 0 */
    Bytes types, funcs, code; /* contents of the sections, without counts */
    uint32_t n;
    /* Of the function being written: */
    const Case *c;
    Bytes body;
    uint32_t nparams, nlocals, params[MAX_OPERANDS];
    ValType locals[64];
} Writer;

static const Op stores[] = {op_i32_store, op_i64_store, op_f32_store, op_f64_store, op_v128_store};
static const Op loads[] = {op_i32_load, op_i64_load, op_f32_load, op_f64_load, op_v128_load};

/* ---- The row ---- */

bool generate_has_row(Op op)
{
    const Instr *row = &instructions[op];
    if (!strchr(row->sig, '_') || op == op_nop) return false;
    switch (row->imm) {
    case IMM_NONE:
    case IMM_LANE:
    case IMM_SHUFFLE:
    case IMM_MEMARG:
    case IMM_MEMARG_LANE: return true;
    default: return false;
    }
}

unsigned generate_row_lanes(Op op)
{
    const char *text = instructions[op].text;
    if (strncmp(text, "f32x4.", 6) == 0) return FNVM_F32;
    if (strncmp(text, "f64x2.", 6) == 0) return FNVM_F64;
    return FNVM_I32;
}

static ValType letter_type(char c)
{
    return c == 'a' ? TYPE_I32 : (ValType)(strchr("iIfFv", c) - "iIfFv");
}

static void read_signature(Writer *w)
{
    const char *at = w->row->sig;
    for (; *at != '_'; at++) w->operands[w->noperands++] = letter_type(*at);
    for (at++; *at; at++) w->results[w->nresults++] = letter_type(*at);
}

static bool is_address(const Writer *w, uint32_t i) { return w->row->sig[i] == 'a'; }

static ValType operand_type(const Writer *w, uint32_t i)
{
    return is_address(w, i) && w->c->memory == 1 ? TYPE_I64 : w->operands[i];
}

/* ---- Instructions ---- */

static void put_op(Writer *w, Op op)
{
    const Instr *row = &instructions[op];
    bytes_put(&w->body, row->page == PAGE_BASE ? row->code : row->page);
    if (row->page != PAGE_BASE) bytes_unsigned(&w->body, row->code);
}

static void op_u(Writer *w, Op op, uint64_t immediate)
{
    put_op(w, op);
    bytes_unsigned(&w->body, immediate);
}

static void put_const(Writer *w, ValType t, Bits v)
{
    static const Op ops[] = {op_i32_const, op_i64_const, op_f32_const, op_f64_const, op_v128_const};
    static const size_t sizes[] = {4, 8, 4, 8, 16};
    put_op(w, ops[t]);
    if (t == TYPE_I32) bytes_signed(&w->body, (int32_t)v.i32);
    else if (t == TYPE_I64) bytes_signed(&w->body, (int64_t)v.i64);
    else bytes_raw(&w->body, &v, sizes[t]);
}

static void put_i32(Writer *w, uint32_t v) { put_const(w, TYPE_I32, (Bits){.i32 = v}); }

/* Of memory 0, at the address on the stack. */
static void access(Writer *w, Op op)
{
    op_u(w, op, 0);
    bytes_unsigned(&w->body, 0);
}

static uint32_t local(Writer *w, ValType t)
{
    w->locals[w->nlocals] = t;
    return w->nlocals++;
}

/* ---- Where operands come from ---- */

/* Before all operands: what is to be in memory or in a local is put there. */
static void prepare(Writer *w, uint32_t i, uint32_t *copy)
{
    ValType t = operand_type(w, i);
    switch (w->c->sources[i]) {
    case LOCAL:
        *copy = local(w, t);
        op_u(w, op_local_get, w->params[i]);
        op_u(w, op_local_set, *copy);
        break;
    case TEE: *copy = local(w, t); break;
    case LOADED:
        put_i32(w, SOURCE_AT + 16 * i);
        op_u(w, op_local_get, w->params[i]);
        access(w, stores[t]);
        break;
    default: break;
    }
}

/* An operation or two that leave the bits as they are. */
static void nest(Writer *w, ValType t)
{
    static const Op twice[] = {0, 0, op_f32_neg, op_f64_neg, op_v128_not};
    if (t == TYPE_I32 || t == TYPE_I64) {
        op_u(w, op_local_get, local(w, t)); /* 0, which the compiler need not know */
        put_op(w, t == TYPE_I32 ? op_i32_xor : op_i64_xor);
    } else {
        put_op(w, twice[t]);
        put_op(w, twice[t]);
    }
}

static void operand(Writer *w, uint32_t i, uint32_t copy)
{
    ValType t = operand_type(w, i);
    switch (w->c->sources[i]) {
    case CONSTANT: put_const(w, t, w->c->constants[i]); break;
    case LOCAL: op_u(w, op_local_get, copy); break;
    case LOADED:
        put_i32(w, SOURCE_AT + 16 * i);
        access(w, loads[t]);
        break;
    default:
        op_u(w, op_local_get, w->params[i]);
        if (w->c->sources[i] == NESTED) nest(w, t);
        if (w->c->sources[i] == TEE) op_u(w, op_local_tee, copy);
    }
}

static void immediates(Writer *w)
{
    const Case *c = w->c;
    if (w->row->imm == IMM_MEMARG || w->row->imm == IMM_MEMARG_LANE) {
        bytes_unsigned(&w->body, c->memory ? 0x40 : 0);
        if (c->memory) bytes_unsigned(&w->body, c->memory);
        bytes_unsigned(&w->body, c->offset);
    }
    if (w->row->imm == IMM_LANE || w->row->imm == IMM_MEMARG_LANE) bytes_put(&w->body, c->lanes[0]);
    if (w->row->imm == IMM_SHUFFLE) bytes_raw(&w->body, c->lanes, 16);
}

static void instruction(Writer *w)
{
    uint32_t copies[MAX_OPERANDS] = {0};
    for (uint32_t i = 0; i < w->noperands; i++) prepare(w, i, &copies[i]);
    for (uint32_t i = 0; i < w->noperands; i++) operand(w, i, copies[i]);
    put_op(w, w->op);
    immediates(w);
}

/* ---- Where results go ---- */

enum { DEEP_VALUES = 9 }; /* of each class: more than there are registers */

static const Op to_i32[] = {op_nop, op_i32_wrap_i64, op_i32_trunc_sat_f32_s, op_i32_trunc_sat_f64_s,
                            op_i32x4_extract_lane};

static ValType deep_type(uint32_t i)
{
    static const ValType types[] = {TYPE_I32, TYPE_F64, TYPE_V128, TYPE_I64, TYPE_F32};
    return types[i % 5];
}

/* Values that are live across the instruction, made of a local that the compiler cannot know. */
static void push_deep(Writer *w)
{
    static const Op of_i32[] = {op_nop, op_i64_extend_i32_u, op_f32_convert_i32_s,
                                op_f64_convert_i32_s, op_i32x4_splat};
    uint32_t zero = local(w, TYPE_I32);
    for (uint32_t i = 0; i < 3 * DEEP_VALUES; i++) {
        op_u(w, op_local_get, zero);
        put_i32(w, i * i + 1);
        put_op(w, op_i32_add);
        put_op(w, of_i32[deep_type(i)]);
    }
}

static void fold_deep(Writer *w, uint32_t sum)
{
    for (uint32_t i = 3 * DEEP_VALUES; i-- > 0;) {
        put_op(w, to_i32[deep_type(i)]);
        if (deep_type(i) == TYPE_V128) bytes_put(&w->body, i % 4);
        op_u(w, op_local_get, sum);
        put_i32(w, 31);
        put_op(w, op_i32_mul);
        put_op(w, op_i32_add);
        op_u(w, op_local_set, sum);
    }
}

static void deep(Writer *w)
{
    uint32_t kept[MAX_RESULTS], sum = local(w, TYPE_I32);
    push_deep(w);
    instruction(w);
    for (uint32_t i = w->nresults; i-- > 0;) {
        kept[i] = local(w, w->results[i]);
        op_u(w, op_local_set, kept[i]);
    }
    fold_deep(w, sum);
    for (uint32_t i = 0; i < w->nresults; i++) op_u(w, op_local_get, kept[i]);
    op_u(w, op_local_get, sum);
}

static void set(Writer *w, uint32_t target)
{
    instruction(w);
    op_u(w, op_local_set, target);
    op_u(w, op_local_get, target);
}

/* What was stored is wiped out, as the bits of a NaN may differ. */
static void stored(Writer *w)
{
    put_i32(w, SINK_AT);
    instruction(w);
    access(w, stores[w->results[0]]);
    put_i32(w, SINK_AT);
    access(w, loads[w->results[0]]);
    put_i32(w, SINK_AT);
    put_const(w, TYPE_V128, (Bits){.halves = {0, 0}});
    access(w, op_v128_store);
}

static void block(Writer *w, Op op)
{
    put_op(w, op);
    bytes_put(&w->body, 0x7F); /* giving an i32 */
}

static void branch(Writer *w, bool unless)
{
    block(w, op_block);
    put_i32(w, 1);
    instruction(w);
    if (unless) put_op(w, op_i32_eqz);
    op_u(w, op_br_if, 0);
    put_op(w, op_drop);
    put_i32(w, 2);
    put_op(w, op_end);
}

static void condition(Writer *w)
{
    if (w->c->sink == SELECT) {
        put_i32(w, 1);
        put_i32(w, 2);
        instruction(w);
        put_op(w, op_select);
        return;
    }
    instruction(w);
    block(w, op_if_);
    put_i32(w, 1);
    put_op(w, op_else_);
    put_i32(w, 2);
    put_op(w, op_end);
}

static void sink(Writer *w)
{
    switch (w->c->sink) {
    case SET: set(w, local(w, w->results[0])); break;
    case SET_FIRST: set(w, w->params[0]); break;
    case SET_LAST: set(w, w->params[w->noperands - 1]); break;
    case STORE: stored(w); break;
    case DEEP: deep(w); break;
    case BR_IF: branch(w, false); break;
    case BR_UNLESS: branch(w, true); break;
    case IF:
    case SELECT: condition(w); break;
    case EQZ:
        instruction(w);
        put_op(w, op_i32_eqz);
        break;
    case DROP:
        instruction(w);
        for (uint32_t i = 0; i < w->nresults; i++) put_op(w, op_drop);
        break;
    default: instruction(w);
    }
}

/* ---- Functions ---- */

static unsigned type_code(ValType t) { return 0x7Fu - t; } /* i32, i64, f32, f64, v128 */

static uint32_t case_results(const Writer *w, ValType *types)
{
    uint32_t n = 0;
    if (w->c->sink != DROP)
        for (; n < w->nresults; n++) types[n] = w->results[n];
    if (w->c->sink == DEEP) types[n++] = TYPE_I32;
    return n;
}

static void put_types(Bytes *out, const ValType *types, uint32_t n)
{
    bytes_unsigned(out, n);
    for (uint32_t i = 0; i < n; i++) bytes_put(out, type_code(types[i]));
}

static void put_case(Writer *w, const Case *c)
{
    ValType results[MAX_RESULTS + 1];
    w->c = c;
    w->nlocals = 0;
    bytes_clear(&w->body);
    for (uint32_t i = 0; i < w->noperands; i++)
        w->params[i] = c->sources[i] == CONSTANT ? UINT32_MAX
                       : c->sources[i] == FIRST  ? 0
                                                 : local(w, operand_type(w, i));
    w->nparams = w->nlocals;
    sink(w);
    put_op(w, op_end);
    bytes_put(&w->types, 0x60);
    put_types(&w->types, w->locals, w->nparams);
    put_types(&w->types, results, case_results(w, results));
    bytes_unsigned(&w->funcs, w->n++);
    Bytes all = {0};
    bytes_unsigned(&all, w->nlocals - w->nparams);
    for (uint32_t i = w->nparams; i < w->nlocals; i++) {
        bytes_put(&all, 1);
        bytes_put(&all, type_code(w->locals[i]));
    }
    bytes_raw(&all, w->body.at, w->body.len);
    all.failed |= w->body.failed;
    bytes_sized(&w->code, &all);
    bytes_free(&all);
}

/* ---- Cases ---- */

/* What the sink needs: a result, of a type that may be tested or written back. */
static bool sink_fits(const Writer *w, const Case *c)
{
    Source last = c->sources[w->noperands ? w->noperands - 1 : 0];
    switch (c->sink) {
    case RETURN:
    case DROP:
    case DEEP: return true;
    case SET:
    case STORE: return w->nresults == 1;
    case SET_FIRST:
        return w->nresults == 1 && c->sources[0] == PARAM && w->operands[0] == w->results[0] &&
               !(is_address(w, 0) && c->memory == 1);
    case SET_LAST:
        return w->nresults == 1 && last == PARAM &&
               w->operands[w->noperands - 1] == w->results[0] && !is_address(w, w->noperands - 1);
    default: return w->nresults == 1 && w->results[0] == TYPE_I32;
    }
}

static bool sources_fit(const Writer *w, const Case *c)
{
    if (c->sources[0] == FIRST) return false;
    for (uint32_t i = 1; i < w->noperands; i++)
        if (c->sources[i] == FIRST &&
            (c->sources[0] == CONSTANT || w->operands[i] != w->operands[0] || is_address(w, 0)))
            return false;
    return true;
}

static void put_if_fit(Writer *w, const Case *c)
{
    if (sources_fit(w, c) && sink_fits(w, c)) put_case(w, c);
}

static Bits constant_of(const Writer *w, uint32_t i, size_t k)
{
    fnvm_kind kind = (fnvm_kind)w->operands[i];
    return edge_value(kind, k % edge_count(kind));
}

static void set_constants(const Writer *w, Case *c, size_t k)
{
    for (uint32_t i = 0; i < w->noperands; i++) c->constants[i] = constant_of(w, i, k + i);
}

/* Every pair of sources; a third operand goes along with the second. */
static void source_cases(Writer *w, Case c)
{
    for (uint32_t n = 0; n < SOURCES * SOURCES; n++) {
        c.sources[0] = n % SOURCES;
        for (uint32_t i = 1; i < MAX_OPERANDS; i++) c.sources[i] = n / SOURCES;
        if (w->noperands < 2 && n >= SOURCES) break;
        set_constants(w, &c, 5 + n);
        put_if_fit(w, &c);
    }
}

static void sink_cases(Writer *w, Case c)
{
    static const Source sources[][2] = {{PARAM, PARAM},  {PARAM, CONSTANT}, {CONSTANT, PARAM},
                                        {LOCAL, TEE},    {LOADED, LOADED},  {NESTED, PARAM},
                                        {PARAM, NESTED}, {PARAM, LOADED},   {PARAM, FIRST}};
    for (c.sink = SET; c.sink < SINKS; c.sink++) {
        for (size_t k = 0; k < sizeof sources / sizeof *sources; k++) {
            c.sources[0] = sources[k][0];
            for (uint32_t i = 1; i < MAX_OPERANDS; i++) c.sources[i] = sources[k][1];
            set_constants(w, &c, 3 * k + c.sink);
            put_if_fit(w, &c);
        }
    }
}

/* Every edge value as a constant in every place; then nothing but constants. */
static void constant_cases(Writer *w, Case c)
{
    for (uint32_t i = 0; i < w->noperands; i++) {
        Case one = c;
        one.sources[i] = CONSTANT;
        for (size_t k = 0; k < edge_count((fnvm_kind)w->operands[i]); k++) {
            one.constants[i] = constant_of(w, i, k);
            put_case(w, &one);
        }
    }
    for (uint32_t i = 0; i < MAX_OPERANDS; i++) c.sources[i] = CONSTANT;
    for (size_t k = 0; w->noperands > 0 && k < 30; k++) {
        for (uint32_t i = 0; i < w->noperands; i++)
            c.constants[i] = constant_of(w, i, k * (1 + 2 * i));
        put_case(w, &c);
    }
}

static uint32_t lane_count(const Instr *row)
{
    if (row->imm == IMM_MEMARG_LANE) return 16u >> row->align;
    const char *x = strchr(row->text, 'x');
    return x[1] == '1' ? 16u : (uint32_t)(x[1] - '0');
}

static void lane_cases(Writer *w, Case c)
{
    if (w->row->imm != IMM_LANE && w->row->imm != IMM_MEMARG_LANE) return;
    for (uint32_t k = 0; k < lane_count(w->row); k++) {
        c.lanes[0] = (uint8_t)k;
        for (uint32_t s = 0; s < SOURCES; s++) {
            for (uint32_t i = 0; i < MAX_OPERANDS; i++) c.sources[i] = s;
            set_constants(w, &c, k);
            put_if_fit(w, &c);
        }
    }
}

/* The patterns for which processors have instructions of their own, and some for which not. */
static uint8_t shuffle_lane(uint32_t pattern, uint32_t i)
{
    switch (pattern) {
    case 0: return (uint8_t)i;
    case 1: return (uint8_t)(16 + i);
    case 2: return (uint8_t)(15 - i);                 /* reversed */
    case 3: return (uint8_t)(i / 2 + i % 2 * 16);     /* bytes interleaved, low half */
    case 4: return (uint8_t)(8 + i / 2 + i % 2 * 16); /* high half */
    case 5: return (uint8_t)(i / 4 * 2 % 8 + i % 2 + i / 2 % 2 * 16); /* words, low */
    case 6: return (uint8_t)(i / 8 * 4 + i % 4 + i / 4 % 2 * 16);     /* doublewords, low */
    case 7: return (uint8_t)(i % 8 + i / 8 * 16);                     /* low halves */
    case 8: return (uint8_t)(8 + i % 8 + i / 8 * 16);                 /* high halves */
    case 9: return (uint8_t)((12 - i / 4 * 4) + i % 4);               /* doublewords reversed */
    case 10: return (uint8_t)(i % 4 + 4);              /* one doubleword everywhere */
    case 11: return (uint8_t)(i * 2 % 32);             /* even bytes */
    case 12: return (uint8_t)(i / 2 * 2 ^ i % 2 ^ 1);  /* bytes of words swapped */
    case 13: return (uint8_t)(i % 4 < 2 ? i : 16 + i); /* blended */
    case 14: return 7;
    default: return (uint8_t)((i * pattern + pattern * pattern / 3) % (pattern % 2 ? 16 : 32));
    }
}

static void shuffle_cases(Writer *w, Case c)
{
    if (w->row->imm != IMM_SHUFFLE) return;
    for (uint32_t pattern = 0; pattern < 60; pattern++) {
        for (uint32_t i = 0; i < 16; i++) {
            /* From 40 on: the bytes of both, from one on. */
            uint32_t lane = pattern < 40 ? shuffle_lane(pattern, i) : pattern - 40 + i;
            c.lanes[i] = (uint8_t)(lane % 32);
        }
        c.sources[1] = PARAM;
        put_case(w, &c);
        c.sources[1] = pattern % 2 ? FIRST : LOADED;
        put_case(w, &c);
    }
}

/* Addresses in every memory, around their ends. */
static void memory_cases(Writer *w, Case c)
{
    static const uint64_t offsets[] = {
        0,         1,     7,     64,    84,    99,    100,       4095,
        65519,     65520, 65528, 65532, 65535, 65536, INT32_MAX, UINT64_C(0x80000000),
        UINT32_MAX};
    static const uint64_t far[] = {UINT64_C(1) << 32, INT64_MAX, UINT64_MAX, UINT64_MAX - 65535};
    size_t near = sizeof offsets / sizeof *offsets;
    if (w->row->imm != IMM_MEMARG && w->row->imm != IMM_MEMARG_LANE) return;
    for (c.memory = 0; c.memory < 3; c.memory++) {
        for (size_t k = 0; k < near + (c.memory == 1 ? 4 : 0); k++) {
            c.offset = k < near ? offsets[k] : far[k - near];
            for (uint32_t s = 0; s < SOURCES; s++) {
                c.sources[0] = s;
                set_constants(w, &c, 0);
                uint64_t size = c.memory == 2 ? SMALL_BYTES : PAGE, width = 1u << w->row->align;
                c.constants[0].i64 = size - width + k % 2;
                put_if_fit(w, &c);
            }
        }
    }
}

/* ---- The module ---- */

static void counted_section(Bytes *out, unsigned id, uint32_t n, const Bytes *items)
{
    Bytes section = {0};
    bytes_unsigned(&section, n);
    bytes_raw(&section, items->at, items->len);
    section.failed |= items->failed;
    bytes_section(out, id, &section);
    bytes_free(&section);
}

static void export_section(Bytes *out, uint32_t n)
{
    Bytes items = {0};
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        bytes_name(&items, name);
        bytes_put(&items, 0);
        bytes_unsigned(&items, i);
    }
    counted_section(out, 7, n, &items);
    bytes_free(&items);
}

void generate_row(Op op, Bytes *out)
{
    /* One page, one page with 64-bit addresses, 100 pages of a byte. */
    static const uint8_t memories[] = {1, 1, 1, 5, 1, 1, 9, SMALL_BYTES, SMALL_BYTES, 0};
    Writer w = {.op = op, .row = &instructions[op]};
    Case plain = {.sink = RETURN};
    read_signature(&w);
    source_cases(&w, plain);
    sink_cases(&w, plain);
    constant_cases(&w, plain);
    lane_cases(&w, plain);
    shuffle_cases(&w, plain);
    memory_cases(&w, plain);
    bytes_raw(out, "\0asm\1\0\0\0", 8);
    counted_section(out, 1, w.n, &w.types);
    counted_section(out, 3, w.n, &w.funcs);
    counted_section(out, 5, 3,
                    &(Bytes){.at = (uint8_t *)(uintptr_t)memories, .len = sizeof memories});
    export_section(out, w.n);
    counted_section(out, 10, w.n, &w.code);
    bytes_free(&w.types);
    bytes_free(&w.funcs);
    bytes_free(&w.code);
    bytes_free(&w.body);
}
