/* Values of any type, locals, and the frame of a function.  Every expression that is not a leaf
 * costs one of the budget; with none left only leaves are written, so that everything ends. */
#include <stdlib.h>

#include "conformance/generate/state.h"
#include "conformance/generate/values.h"

/* ---- Emitting ---- */

void emit(Func *f, Op op) { put_op(f->g, f->out, op); }

void emit_u(Func *f, Op op, uint64_t immediate)
{
    emit(f, op);
    bytes_unsigned(f->out, immediate);
}

void emit_uu(Func *f, Op op, uint64_t first, uint64_t second)
{
    emit_u(f, op, first);
    bytes_unsigned(f->out, second);
}

void emit_i32(Func *f, int32_t v)
{
    emit(f, op_i32_const);
    bytes_signed(f->out, v);
}

void emit_address(Func *f, bool is64, uint64_t v)
{
    emit(f, is64 ? op_i64_const : op_i32_const);
    bytes_signed(f->out, is64 ? (int64_t)v : (int32_t)(uint32_t)v);
}

/* ---- Locals ---- */

uint32_t new_local(Func *f, ValType t)
{
    if (f->nlocals == MAX_LOCALS) return UINT32_MAX;
    f->locals[f->nlocals] = t;
    f->use[f->nlocals] = LOCAL_FREE;
    return f->nlocals++;
}

uint32_t spare_local(Func *f, ValType t)
{
    uint32_t start = below(f, f->nlocals);
    for (uint32_t k = 0; k < f->nlocals && (percent(f, 75) || f->nlocals == MAX_LOCALS); k++) {
        uint32_t i = (start + k) % f->nlocals;
        if (f->locals[i] == t && f->use[i] == LOCAL_FREE) return i;
    }
    return new_local(f, t);
}

void get_local(Func *f, uint32_t i) { emit_u(f, op_local_get, i); }
void set_local(Func *f, uint32_t i) { emit_u(f, op_local_set, i); }

bool local_of(Func *f, ValType t, uint32_t *out)
{
    uint32_t start = below(f, f->nlocals);
    for (uint32_t i = 0; i < f->nlocals; i++) {
        *out = (start + i) % f->nlocals;
        if (is_sub(f->g, f->locals[*out], t)) return true;
    }
    return false;
}

static bool writable_local(Func *f, ValType t, uint32_t *out)
{
    uint32_t start = below(f, f->nlocals);
    for (uint32_t i = 0; i < f->nlocals; i++) {
        *out = (start + i) % f->nlocals;
        if (f->use[*out] == LOCAL_FREE && is_sub(f->g, t, f->locals[*out])) return true;
    }
    return false;
}

static bool global_of(Func *f, ValType t, bool write, uint32_t *out)
{
    uint32_t n = f->g->nglobals, start = below(f, n);
    for (uint32_t i = 0; i < n; i++) {
        *out = (start + i) % n;
        const GenGlobal *global = &f->g->globals[*out];
        if (*out == f->g->hang) continue;
        if (write ? global->is_mutable && is_sub(f->g, t, global->type)
                  : is_sub(f->g, global->type, t))
            return true;
    }
    return false;
}

/* ---- Taking values from the stack ---- */

static void consume_one(Func *f, ValType t)
{
    uint32_t i;
    if (percent(f, 55) && writable_local(f, t, &i)) {
        set_local(f, i);
    } else if (percent(f, 25) && global_of(f, t, true, &i)) {
        emit_u(f, op_global_set, i);
    } else if (t == TYPE_I32 && percent(f, 20)) {
        emit(f, op_if_);
        bytes_put(f->out, 0x40);
        emit(f, op_nop);
        emit(f, op_end);
    } else {
        emit(f, op_drop);
    }
}

void consume(Func *f, const ValType *types, uint32_t n)
{
    while (n > 0) consume_one(f, types[--n]);
}

void keep(Func *f, const ValType *types, uint32_t n, uint32_t i)
{
    while (n > i + 1) consume_one(f, types[--n]);
    if (i == 0) return;
    bool nullable = type_is_defaultable(types[i]);
    uint32_t local = spare_local(f, nullable ? types[i] : types[i] | TYPE_NULLABLE);
    if (local == UINT32_MAX) { /* none is to be had: the value is made anew */
        consume(f, types, i + 1);
        leaf(f, types[i]);
        return;
    }
    set_local(f, local);
    f->use[local] = LOCAL_FIXED;
    consume(f, types, i);
    f->use[local] = LOCAL_FREE;
    get_local(f, local);
    if (!nullable) emit(f, op_ref_as_non_null);
}

/* ---- Leaves ---- */

static void number_leaf(Func *f, ValType t)
{
    uint32_t n = below(f, 100);
    if ((t == TYPE_I32 || t == TYPE_I64) && n < 40) {
        emit_address(f, t == TYPE_I64, n < 20 ? below(f, 16) : below(f, 300));
        return;
    }
    Bits v = edge_value((fnvm_kind)t, below(f, (uint32_t)edge_count((fnvm_kind)t)));
    if (n < 55) v.halves[0] = random_next(&f->g->random);
    put_const(f->g, f->out, t, &v);
}

void leaf(Func *f, ValType t)
{
    uint32_t i;
    if (percent(f, 65) && local_of(f, t, &i)) {
        get_local(f, i);
    } else if (percent(f, 25) && global_of(f, t, false, &i)) {
        emit_u(f, op_global_get, i);
    } else if (type_is_ref(t)) {
        reference_leaf(f, t);
    } else {
        number_leaf(f, t);
    }
}

/* ---- Expressions ---- */

static void select_value(Func *f, ValType t)
{
    expr(f, t);
    expr(f, t);
    expr(f, TYPE_I32);
    if (type_is_ref(t) || percent(f, 30)) {
        emit_u(f, op_select_t, 1);
        put_type(f->out, t);
    } else {
        emit(f, op_select);
    }
}

static bool tee_value(Func *f, ValType t)
{
    uint32_t i;
    if (!writable_local(f, t, &i) || !is_sub(f->g, f->locals[i], t)) return false;
    expr(f, t);
    emit_u(f, op_local_tee, i);
    return true;
}

/* A statement between the making of a value and its use. */
static void delayed(Func *f, ValType t)
{
    expr(f, t);
    statement(f);
}

void expr(Func *f, ValType t)
{
    if (f->budget <= 0 || f->depth >= MAX_DEPTH) {
        leaf(f, t);
        return;
    }
    f->budget--;
    f->depth++;
    uint32_t n = below(f, 100);
    bool done = true;
    if (n < 22) leaf(f, t);
    else if (n < 27) done = structured(f, t);
    else if (n < 31) select_value(f, t);
    else if (n < 36) done = call_value(f, t);
    else if (n < 40) done = branch_value(f, t);
    else if (n < 44) done = tee_value(f, t);
    else if (n < 47) delayed(f, t);
    else if (n == 47) stop(f);
    else done = false;
    if (!done) {
        if (type_is_ref(t)) reference(f, t);
        else if (n % 8 || !reference_field(f, t)) number(f, t);
    }
    f->depth--;
}

void exprs(Func *f, const ValType *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) expr(f, types[i]);
}

/* ---- Functions ---- */

/* Locals that cannot start as zero are written first. */
static void set_locals(Func *f)
{
    uint32_t n = f->nlocals;
    for (uint32_t i = f->type->n; i < n; i++) {
        if (type_is_defaultable(f->locals[i])) continue;
        f->nlocals = i; /* those before are set */
        leaf(f, f->locals[i]);
        f->nlocals = n;
        set_local(f, i);
    }
}

static void choose_locals(Func *f)
{
    const GenType *t = f->type;
    for (uint32_t i = 0; i < t->n; i++) f->locals[f->nlocals++] = t->types[i];
    uint32_t n = below(f, 10) == 0 ? 20 + below(f, 40) : below(f, 12);
    for (uint32_t i = 0; i < n; i++) f->locals[f->nlocals++] = random_type(f->g, true);
}

static void put_body(Func *f, const Bytes *body)
{
    Bytes b = {0};
    bytes_unsigned(&b, f->nlocals - f->type->n);
    for (uint32_t i = f->type->n; i < f->nlocals; i++) {
        bytes_put(&b, 1);
        put_type(&b, f->locals[i]);
    }
    bytes_raw(&b, body->at, body->len);
    b.failed |= body->failed;
    bytes_sized(&f->g->code, &b);
    f->g->code.failed |= b.failed;
    bytes_free(&b);
}

void write_func(Generator *g, uint32_t type)
{
    Bytes body = {0};
    Func *f = calloc(1, sizeof *f);
    if (!f) {
        g->code.failed = true;
        return;
    }
    *f = (Func){.g = g, .out = &body, .type = &g->types[type]};
    f->budget = (int)(g->size / 8 + random_below(&g->random, 2 * g->size));
    choose_locals(f);
    push_label(f, f->type->results, f->type->nresults);
    set_locals(f);
    hang_check(f);
    statements(f, 1 + below(f, 12));
    exprs(f, f->type->results, f->type->nresults);
    end_block(f);
    put_body(f, &body);
    bytes_free(&body);
    free(f);
}
