/* Instructions on numbers and on memory, taken from the instruction table by their signatures.
 *
 * Which NaN an operation gives is open (4.3.3).  A float may hold any; whatever lets the bits be
 * seen (stores, reinterpretation, lanes of vectors, the sign given to another number) is fed with
 * exact_float(), and vectors of floats are made exact after the operation, unless what takes them
 * only computes with floats again. */
#include <string.h>

#include "conformance/generate/state.h"
#include "conformance/generate/values.h"

/* ---- The table, sorted ---- */

static bool is_type_letter(char c) { return c && strchr("iIfFv", c) != NULL; }
static unsigned letter_type(char c) { return (unsigned)(strchr("iIfFv", c) - "iIfFv"); }

static const char *results_of(Op op) { return strchr(instructions[op].sig, '_') + 1; }

static void add_row(RowList *list, Op op) { list->ops[list->n++] = op; }

void rows_init(Rows *rows)
{
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const Instr *row = &instructions[i];
        Op op = (Op)i;
        if (!strchr(row->sig, '_') || op == op_nop) continue;
        const char *results = results_of(op);
        bool memory = row->imm == IMM_MEMARG || row->imm == IMM_MEMARG_LANE;
        bool computes = row->imm == IMM_NONE || row->imm == IMM_LANE || row->imm == IMM_SHUFFLE;
        if (memory && !*results) add_row(&rows->storing, op);
        else if (memory) add_row(&rows->loading[letter_type(*results)], op);
        else if (computes && results[0] && results[1]) add_row(&rows->doubling, op);
        else if (computes && is_type_letter(*results))
            add_row(&rows->computing[letter_type(*results)], op);
    }
}

/* ---- NaNs ---- */

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends_with_any(const char *text, const char *const *names, size_t n)
{
    const char *dot = strchr(text, '.') + 1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(dot, names[i]) == 0) return true;
    return false;
}

static bool is_float_vector(const Instr *row)
{
    return starts(row->text, "f32x4.") || starts(row->text, "f64x2.");
}

/* Gives a mask, not floats. */
static bool compares(const Instr *row)
{
    static const char *const names[] = {"eq", "ne", "lt", "gt", "le", "ge"};
    return ends_with_any(row->text, names, sizeof names / sizeof *names);
}

/* Computes floats of floats, so that its NaNs are open and those of its operands do not matter. */
static bool computes_floats(const Instr *row)
{
    return is_float_vector(row) && row->sig[0] == 'v' && row->imm == IMM_NONE && !compares(row) &&
           !strstr(row->text, "convert");
}

/* Lanes in which the bits of the operands' NaNs do not matter: 4, 2, or 0 if they do. */
static unsigned open_lanes(const Instr *row)
{
    if (!computes_floats(row) && !(is_float_vector(row) && compares(row))) return 0;
    if (strstr(row->text, "demote")) return 2;
    if (strstr(row->text, "promote")) return 4;
    return starts(row->text, "f32x4") ? 4 : 2;
}

static bool no_local(Func *f, ValType t, uint32_t *local)
{
    *local = spare_local(f, t);
    return *local == UINT32_MAX;
}

/* Lanes that are NaN become the canonical one. */
static void make_vector_exact(Func *f, bool wide_lanes)
{
    static const uint32_t nan32[4] = {0x7FC00000, 0x7FC00000, 0x7FC00000, 0x7FC00000};
    static const uint64_t nan64[2] = {UINT64_C(0x7FF8) << 48, UINT64_C(0x7FF8) << 48};
    uint32_t local;
    if (no_local(f, TYPE_V128, &local)) {
        emit(f, op_drop);
        leaf(f, TYPE_V128);
        return;
    }
    emit_u(f, op_local_tee, local);
    if (wide_lanes) put_const(f->g, f->out, TYPE_V128, nan64);
    else put_const(f->g, f->out, TYPE_V128, nan32);
    get_local(f, local);
    get_local(f, local);
    emit(f, wide_lanes ? op_f64x2_eq : op_f32x4_eq);
    emit(f, op_v128_bitselect);
    emit_u(f, op_local_tee, local); /* which others may read */
}

static void make_float_exact(Func *f, ValType t)
{
    static const uint32_t nan32 = 0x7FC00000;
    static const uint64_t nan64 = UINT64_C(0x7FF8) << 48;
    uint32_t local;
    if (no_local(f, t, &local)) {
        emit(f, op_drop);
        put_const(f->g, f->out, t, &nan64); /* read as an f32 it is 0 */
        return;
    }
    emit_u(f, op_local_tee, local);
    if (t == TYPE_F32) put_const(f->g, f->out, t, &nan32);
    else put_const(f->g, f->out, t, &nan64);
    get_local(f, local);
    get_local(f, local);
    emit(f, t == TYPE_F32 ? op_f32_eq : op_f64_eq);
    emit(f, op_select);
}

void exact_float(Func *f, ValType t)
{
    static const Op converting[2][4] = {
        {op_f32_convert_i32_s, op_f32_convert_i32_u, op_f32_convert_i64_s, op_f32_convert_i64_u},
        {op_f64_convert_i32_s, op_f64_convert_i32_u, op_f64_convert_i64_s, op_f64_convert_i64_u}};
    uint32_t n = below(f, 10), which = below(f, 4);
    if (n < 2) {
        expr(f, which < 2 ? TYPE_I32 : TYPE_I64);
        emit(f, converting[t - TYPE_F32][which]);
    } else if (n == 2) {
        expr(f, t == TYPE_F32 ? TYPE_I32 : TYPE_I64);
        emit(f, t == TYPE_F32 ? op_f32_reinterpret_i32 : op_f64_reinterpret_i64);
    } else if (n == 3) {
        Bits v = edge_value((fnvm_kind)t, below(f, (uint32_t)edge_count((fnvm_kind)t)));
        put_const(f->g, f->out, t, &v);
    } else {
        expr(f, t);
        make_float_exact(f, t);
    }
}

/* Whether operand i of the row shows the bits of a float. */
static bool shows_bits(Op op, size_t i)
{
    switch (op) {
    case op_f32_copysign:
    case op_f64_copysign: return i == 1;
    case op_i32_reinterpret_f32:
    case op_i64_reinterpret_f64:
    case op_f32x4_splat:
    case op_f64x2_splat:
    case op_f32_store:
    case op_f64_store: return true;
    case op_f32x4_replace_lane:
    case op_f64x2_replace_lane: return true;
    default: return false;
    }
}

/* ---- Memory ---- */

void masked(Func *f, ValType address, uint32_t mask)
{
    expr(f, address);
    emit_address(f, address == TYPE_I64, mask);
    emit(f, address == TYPE_I64 ? op_i64_and : op_i32_and);
}

/* Mostly inside: nearly every trap ends what the function still has to do. */
static void memory_address(Func *f, const GenMemory *m)
{
    uint64_t size = memory_bytes(m, m->min);
    uint32_t mask = m->page_log2 ? 0x7FFF : 0x1F, n = below(f, 100);
    if (n < 60) masked(f, address_type(m->is64), mask);
    else if (n < 90) emit_address(f, m->is64, below(f, mask));
    else if (n < 97) emit_address(f, m->is64, size - 4 - below(f, 24));
    else expr(f, address_type(m->is64));
}

static uint64_t memory_offset(Func *f, const GenMemory *m)
{
    static const uint64_t odd[] = {UINT32_MAX, INT32_MAX, UINT64_C(1) << 31, 65520};
    static const uint64_t odd64[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 32, 65535};
    uint32_t n = below(f, 100);
    if (n < 45) return 0;
    if (n < 85) return below(f, 20);
    if (n < 99) return m->page_log2 ? below(f, 0x7FF0) : below(f, 20);
    return m->is64 ? odd64[below(f, 4)] : odd[below(f, 4)];
}

static void put_memarg(Func *f, Op op, uint32_t memory)
{
    uint32_t align = below(f, instructions[op].align + 1u);
    bool numbered = memory > 0 || percent(f, 5);
    bytes_unsigned(f->out, align | (numbered ? 0x40 : 0));
    if (numbered) bytes_unsigned(f->out, memory);
    bytes_unsigned(f->out, memory_offset(f, &f->g->memories[memory]));
}

/* ---- Rows ---- */

static uint32_t lanes_of(const Instr *row)
{
    if (row->imm == IMM_MEMARG_LANE) return 16u >> row->align;
    const char *x = strchr(row->text, 'x'); /* i8x16, f64x2 */
    return x[1] == '1' ? 16u : (uint32_t)(x[1] - '0');
}

static void put_lanes(Func *f, const Instr *row)
{
    if (row->imm == IMM_LANE || row->imm == IMM_MEMARG_LANE)
        bytes_put(f->out, below(f, lanes_of(row)));
    for (uint32_t i = 0; row->imm == IMM_SHUFFLE && i < 16; i++) bytes_put(f->out, below(f, 32));
}

static bool is_division(Op op)
{
    return (op >= op_i32_div_s && op <= op_i32_rem_u) || (op >= op_i64_div_s && op <= op_i64_rem_u);
}

static bool is_trapping_trunc(Op op)
{
    return (op >= op_i32_trunc_f32_s && op <= op_i32_trunc_f64_u) ||
           (op >= op_i64_trunc_f32_s && op <= op_i64_trunc_f64_u);
}

/* A small number, so that truncating it does not trap. */
static void small_float(Func *f, ValType t)
{
    masked(f, TYPE_I32, 0xFFFF);
    emit(f, t == TYPE_F32 ? op_f32_convert_i32_u : op_f64_convert_i32_u);
}

static void operand(Func *f, Op op, size_t i)
{
    const Instr *row = &instructions[op];
    ValType t = letter_type(row->sig[i]);
    if (t == TYPE_V128) vector(f, open_lanes(row));
    else if (shows_bits(op, i)) exact_float(f, t);
    else if (is_trapping_trunc(op) && percent(f, 90)) small_float(f, t);
    else expr(f, t);
    if (i == 1 && is_division(op) && percent(f, 90)) {
        emit_address(f, t == TYPE_I64, 1 + below(f, 3));
        emit(f, t == TYPE_I64 ? op_i64_or : op_i32_or);
    }
}

static void computing_row(Func *f, Op op, bool nan_bits_open)
{
    const Instr *row = &instructions[op];
    for (size_t i = 0; row->sig[i] != '_'; i++) operand(f, op, i);
    emit(f, op);
    put_lanes(f, row);
    if (computes_floats(row) && !nan_bits_open) make_vector_exact(f, starts(row->text, "f64"));
}

static void memory_row(Func *f, Op op)
{
    const Instr *row = &instructions[op];
    uint32_t memory = below(f, f->g->nmemories);
    memory_address(f, &f->g->memories[memory]);
    for (size_t i = 1; row->sig[i] != '_'; i++) operand(f, op, i);
    emit(f, op);
    put_memarg(f, op, memory);
    put_lanes(f, row);
}

static Op random_row(Func *f, const RowList *list) { return list->ops[below(f, list->n)]; }

/* One that gives floats in as many lanes. */
static bool random_float_row(Func *f, unsigned lanes, Op *op)
{
    for (uint32_t tries = 0; tries < 16; tries++) {
        *op = random_row(f, &f->g->rows.computing[TYPE_V128]);
        const Instr *row = &instructions[*op];
        if (computes_floats(row) && starts(row->text, lanes == 4 ? "f32x4" : "f64x2")) return true;
    }
    return false;
}

void vector(Func *f, unsigned lanes)
{
    Op op;
    if (lanes == 0 || f->budget <= 0 || f->depth >= MAX_DEPTH || percent(f, 50) ||
        !random_float_row(f, lanes, &op)) {
        expr(f, TYPE_V128);
        return;
    }
    f->budget--;
    f->depth++;
    computing_row(f, op, true);
    f->depth--;
}

static void memory_size_or_grow(Func *f, ValType t)
{
    uint32_t memory = below(f, f->g->nmemories);
    bool is64 = f->g->memories[memory].is64;
    if (percent(f, 40)) {
        if (percent(f, 90)) emit_address(f, is64, below(f, 2));
        else expr(f, address_type(is64));
        emit_u(f, op_memory_grow, memory);
    } else {
        emit_u(f, op_memory_size, memory);
    }
    if (is64 && t == TYPE_I32) emit(f, op_i32_wrap_i64);
    if (!is64 && t == TYPE_I64) emit(f, op_i64_extend_i32_u);
}

void doubling(Func *f) { computing_row(f, random_row(f, &f->g->rows.doubling), false); }

void number(Func *f, ValType t)
{
    static const ValType pair[2] = {TYPE_I64, TYPE_I64};
    const Rows *rows = &f->g->rows;
    uint32_t n = below(f, 100);
    if (n < 18) {
        memory_row(f, random_row(f, &rows->loading[t]));
    } else if (n < 24 && (t == TYPE_I32 || t == TYPE_I64)) {
        memory_size_or_grow(f, t);
    } else if (n < 36 && t == TYPE_I32) {
        number_of_reference(f);
    } else if (n < 28 && t == TYPE_I64) {
        doubling(f);
        keep(f, pair, 2, below(f, 2));
    } else {
        computing_row(f, random_row(f, &rows->computing[t]), false);
    }
}

void store(Func *f) { memory_row(f, random_row(f, &f->g->rows.storing)); }

/* ---- Bulk operations ---- */

static void length(Func *f, ValType t)
{
    if (percent(f, 98)) masked(f, t, percent(f, 50) ? 31 : 7);
    else expr(f, t);
}

static void memory_copying(Func *f)
{
    uint32_t to = below(f, f->g->nmemories), from = below(f, f->g->nmemories);
    const GenMemory *a = &f->g->memories[to], *b = &f->g->memories[from];
    memory_address(f, a);
    memory_address(f, b);
    length(f, address_type(a->is64 && b->is64));
    emit_uu(f, op_memory_copy, to, from);
}

void memory_statement(Func *f)
{
    uint32_t n = below(f, 20), memory = below(f, f->g->nmemories);
    uint32_t data = below(f, f->g->ndatas);
    const GenMemory *m = &f->g->memories[memory];
    if (n < 7) {
        memory_address(f, m);
        expr(f, TYPE_I32);
        length(f, address_type(m->is64));
        emit_u(f, op_memory_fill, memory);
    } else if (n < 13) {
        memory_copying(f);
    } else if (n < 19) {
        memory_address(f, m);
        masked(f, TYPE_I32, 15);
        masked(f, TYPE_I32, percent(f, 80) ? 7 : 63);
        emit_uu(f, op_memory_init, data, memory);
    } else {
        emit_u(f, op_data_drop, data);
    }
}
