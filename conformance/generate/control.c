/* Blocks, loops, branches and statements.
 *
 * Every loop ends: it counts the global "hang" down, or it counts in a local of its own that
 * nothing else writes and has a label that nothing else branches to. */
#include <string.h>

#include "conformance/generate/state.h"

enum { BLOCK_PARAMS = 4, BLOCK_RESULTS = 4, MAX_UNCOUNTED = 2 };

/* ---- Blocks ---- */

void open_block(Func *f, Op op, const ValType *params, uint32_t n, const ValType *results,
                uint32_t nresults)
{
    uint32_t type = 0;
    bool indexed = n > 0 || nresults > 1;
    if (indexed) type = func_type(f->g, params, n, results, nresults);
    emit(f, op);
    if (indexed) bytes_signed(f->out, type);
    else if (nresults) put_type(f->out, results[0]);
    else bytes_put(f->out, 0x40);
    if (op == op_loop) push_label(f, params, n);
    else push_label(f, results, nresults);
}

void push_label(Func *f, const ValType *types, uint32_t n)
{
    Label *label = &f->labels[f->nlabels++];
    *label = (Label){.n = n};
    if (n) memcpy(label->types, types, n * sizeof *types);
}

void end_block(Func *f)
{
    f->nlabels--;
    emit(f, op_end);
}

static uint32_t depth_of(const Func *f, uint32_t label) { return f->nlabels - 1 - label; }

/* ---- Counting down ---- */

/* Leaves the function: with zeroes where that is possible, so that the caller goes on. */
static void bail(Func *f)
{
    const GenType *t = f->type;
    if (!all_defaultable(t->results, t->nresults) || percent(f, 30)) {
        emit(f, op_unreachable);
        return;
    }
    for (uint32_t i = 0; i < t->nresults; i++) {
        if (type_is_ref(t->results[i])) {
            emit(f, op_ref_null);
            put_heap(f->out, type_heap(t->results[i]));
        } else {
            put_const(f->g, f->out, t->results[i], (uint64_t[2]){0, 0});
        }
    }
    emit(f, op_return_);
}

void hang_check(Func *f)
{
    emit_u(f, op_global_get, f->g->hang);
    emit(f, op_i32_eqz);
    emit(f, op_if_);
    bytes_put(f->out, 0x40);
    bail(f);
    emit(f, op_end);
    emit_u(f, op_global_get, f->g->hang);
    emit_i32(f, -1);
    emit(f, op_i32_add);
    emit_u(f, op_global_set, f->g->hang);
}

/* ---- Structured instructions ---- */

static bool no_room(const Func *f)
{
    return f->nlabels + 6 >= MAX_LABELS || f->g->ntypes + 100 >= MAX_TYPES;
}

/* Parameters and extra results of a block. */
static uint32_t random_types(Func *f, ValType *types, uint32_t max)
{
    uint32_t n = percent(f, 65) ? 0 : 1 + below(f, max);
    for (uint32_t i = 0; i < n; i++) types[i] = random_type(f->g, true);
    return n;
}

static void block_body(Func *f, const ValType *params, uint32_t n, const ValType *results,
                       uint32_t nresults)
{
    if (percent(f, 20)) statement(f);
    consume(f, params, n);
    statements(f, below(f, 4));
    exprs(f, results, nresults);
}

static void else_part(Func *f, const ValType *params, uint32_t n, const ValType *results,
                      uint32_t nresults)
{
    if (nresults == 0 && n == 0 && percent(f, 50)) return;
    emit(f, op_else_);
    block_body(f, params, n, results, nresults);
}

/* A block, loop, if or try_table of any type, its parameters made before it. */
static void block_of(Func *f, Op op, const ValType *results, uint32_t nresults)
{
    ValType params[BLOCK_PARAMS];
    uint32_t n = random_types(f, params, BLOCK_PARAMS);
    exprs(f, params, n);
    if (op == op_if_) expr(f, TYPE_I32);
    open_block(f, op, params, n, results, nresults);
    if (op == op_try_table) bytes_put(f->out, 0);
    if (op == op_loop) hang_check(f);
    block_body(f, params, n, results, nresults);
    if (op == op_if_) else_part(f, params, n, results, nresults);
    end_block(f);
}

bool structured(Func *f, ValType t)
{
    static const Op ops[] = {op_block, op_loop, op_if_, op_if_, op_block, op_try_table};
    ValType results[1 + BLOCK_RESULTS] = {t};
    if (no_room(f)) return false;
    uint32_t n = 1 + random_types(f, results + 1, BLOCK_RESULTS);
    uint32_t place = below(f, n);
    results[0] = results[place];
    results[place] = t;
    block_of(f, ops[below(f, 6)], results, n);
    keep(f, results, n, place);
    return true;
}

/* ---- Branches ---- */

static bool random_label(Func *f, uint32_t *label)
{
    *label = below(f, f->nlabels);
    return !f->labels[*label].reserved;
}

static bool same_label(const Label *a, const Label *b)
{
    return !b->reserved && a->n == b->n && memcmp(a->types, b->types, a->n * sizeof *a->types) == 0;
}

/* Of labels with the same types as the one given, the one itself included. */
static uint32_t label_like(Func *f, uint32_t label)
{
    uint32_t start = below(f, f->nlabels);
    for (uint32_t i = 0; i < f->nlabels; i++) {
        uint32_t other = (start + i) % f->nlabels;
        if (same_label(&f->labels[label], &f->labels[other])) return other;
    }
    return label;
}

static void br_table(Func *f, uint32_t label)
{
    uint32_t n = below(f, 6);
    if (percent(f, 90)) masked(f, TYPE_I32, 7);
    else expr(f, TYPE_I32);
    emit_u(f, op_br_table, n);
    for (uint32_t i = 0; i <= n; i++) bytes_unsigned(f->out, depth_of(f, label_like(f, label)));
}

/* Leaves the label's values, unless it branches. */
static void br_if(Func *f, uint32_t label)
{
    const Label *l = &f->labels[label];
    exprs(f, l->types, l->n);
    if (percent(f, 20)) {
        ValType t = random_type(f->g, true);
        for (uint32_t i = 0; i < 30 && !type_is_ref(t); i++) t = random_type(f->g, true);
        if (!type_is_ref(t)) t = REF_NULL(HEAP_ANY);
        expr(f, t | TYPE_NULLABLE);
        emit_u(f, op_br_on_null, depth_of(f, label));
        consume(f, (ValType[]){t & ~TYPE_NULLABLE}, 1);
    } else {
        expr(f, TYPE_I32);
        emit_u(f, op_br_if, depth_of(f, label));
    }
}

bool branch_value(Func *f, ValType t)
{
    uint32_t label, place;
    for (uint32_t tries = 0; tries < 4; tries++) {
        if (!random_label(f, &label)) continue;
        const Label *l = &f->labels[label];
        for (place = 0; place < l->n && !is_sub(f->g, l->types[place], t); place++) {}
        if (place == l->n) continue;
        br_if(f, label);
        keep(f, l->types, l->n, place);
        return true;
    }
    return false;
}

static void throw_any(Func *f)
{
    uint32_t tag = below(f, f->g->ntags);
    const GenType *t = &f->g->types[f->g->tags[tag]];
    if (percent(f, 15)) {
        expr(f, type_ref(HEAP_EXN, percent(f, 10)));
        emit(f, op_throw_ref);
        return;
    }
    exprs(f, t->types, t->n);
    emit_u(f, op_throw_, tag);
}

void stop(Func *f)
{
    uint32_t label, n = below(f, 20);
    if (n < 3 && tail_call(f)) return;
    if (n < 6) {
        throw_any(f);
    } else if (n < 9) {
        exprs(f, f->type->results, f->type->nresults);
        emit(f, op_return_);
    } else if (n == 9 || !random_label(f, &label)) {
        emit(f, op_unreachable);
    } else {
        exprs(f, f->labels[label].types, f->labels[label].n);
        if (n < 13) br_table(f, label);
        else emit_u(f, op_br, depth_of(f, label));
    }
}

/* ---- Loops that count for themselves ---- */

static uint32_t take_counter(Func *f)
{
    if (f->ncounters) return f->counters[--f->ncounters];
    uint32_t local = new_local(f, TYPE_I32);
    if (local != UINT32_MAX) f->use[local] = LOCAL_FIXED;
    return local;
}

static void step(Func *f, uint32_t counter, int32_t by)
{
    get_local(f, counter);
    emit_i32(f, by);
    emit(f, op_i32_add);
    emit_u(f, op_local_tee, counter);
}

static void counting_loop(Func *f)
{
    uint32_t counter = take_counter(f);
    if (counter == UINT32_MAX || no_room(f)) return;
    int32_t times = 1 + (int32_t)below(f, 9);
    bool counted = f->uncounted >= MAX_UNCOUNTED || percent(f, 40), down = percent(f, 40);
    emit_i32(f, down ? times : 0);
    set_local(f, counter);
    open_block(f, op_loop, NULL, 0, NULL, 0);
    f->labels[f->nlabels - 1].reserved = !counted;
    f->uncounted += !counted;
    if (counted) hang_check(f);
    statements(f, 1 + below(f, 4));
    step(f, counter, down ? -1 : 1);
    if (!down) {
        emit_i32(f, times);
        emit(f, percent(f, 50) ? op_i32_lt_s : op_i32_ne);
    }
    emit_u(f, op_br_if, 0);
    f->uncounted -= !counted;
    end_block(f);
    f->counters[f->ncounters++] = counter;
}

/* ---- Statements ---- */

/* A switch: blocks in one another, the innermost with a br_table. */
static void switch_statement(Func *f)
{
    uint32_t n = 1 + below(f, 5);
    if (f->nlabels + n + 6 >= MAX_LABELS) return;
    for (uint32_t i = 0; i < n; i++) open_block(f, op_block, NULL, 0, NULL, 0);
    masked(f, TYPE_I32, percent(f, 80) ? 7 : UINT32_MAX);
    emit_u(f, op_br_table, n - 1);
    for (uint32_t i = 0; i < n; i++) bytes_unsigned(f->out, below(f, n));
    for (uint32_t i = 0; i < n; i++) {
        end_block(f);
        statements(f, below(f, 3));
    }
}

static void if_statement(Func *f)
{
    if (no_room(f)) return;
    expr(f, TYPE_I32);
    open_block(f, op_if_, NULL, 0, NULL, 0);
    statements(f, below(f, 3));
    if (percent(f, 45)) stop(f);
    if (percent(f, 50)) {
        emit(f, op_else_);
        statements(f, below(f, 3));
        if (percent(f, 10)) stop(f);
    }
    end_block(f);
}

/* Values that stay on the stack while other things happen. */
static void deep_statement(Func *f)
{
    ValType types[12];
    uint32_t n = 1 + below(f, percent(f, 30) ? 12 : 4);
    for (uint32_t i = 0; i < n; i++) types[i] = random_type(f->g, true);
    exprs(f, types, n);
    statements(f, 1 + below(f, 3));
    consume(f, types, n);
}

static void block_statement(Func *f)
{
    static const Op ops[] = {op_block, op_loop, op_if_, op_try_table};
    ValType results[BLOCK_RESULTS];
    if (no_room(f)) return;
    uint32_t n = random_types(f, results, BLOCK_RESULTS);
    block_of(f, ops[below(f, 4)], results, n);
    consume(f, results, n);
}

static void branch_statement(Func *f)
{
    uint32_t label;
    if (!random_label(f, &label)) return;
    br_if(f, label);
    consume(f, f->labels[label].types, f->labels[label].n);
}

static void assignment(Func *f)
{
    ValType t = random_type(f->g, true);
    if (percent(f, 60) && f->nlocals > 0) {
        uint32_t local = below(f, f->nlocals);
        t = f->locals[local];
        if (f->use[local] == LOCAL_FREE) {
            expr(f, t);
            set_local(f, local);
            return;
        }
    }
    expr(f, t);
    consume(f, &t, 1);
}

static void doubling_statement(Func *f)
{
    static const ValType pair[2] = {TYPE_I64, TYPE_I64};
    doubling(f);
    consume(f, pair, 2);
}

static void nop_statement(Func *f) { emit(f, op_nop); }

void statement(Func *f)
{
    static const struct {
        uint8_t weight;
        void (*write)(Func *);
    } kinds[] = {
        {26, assignment},      {14, store},
        {8, if_statement},     {8, counting_loop},
        {6, block_statement},  {7, branch_statement},
        {5, switch_statement}, {6, deep_statement},
        {8, call_statement},   {4, memory_statement},
        {3, table_statement},  {6, reference_statement},
        {5, try_statement},    {2, doubling_statement},
        {1, nop_statement},
    };
    if (f->budget <= 0 || f->depth >= MAX_DEPTH) return;
    f->budget--;
    f->depth++;
    uint32_t total = 0, i = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) total += kinds[k].weight;
    for (uint32_t n = below(f, total); n >= kinds[i].weight; i++) n -= kinds[i].weight;
    kinds[i].write(f);
    f->depth--;
}

void statements(Func *f, uint32_t n)
{
    for (uint32_t i = 0; i < n && f->budget > 0; i++) statement(f);
}
