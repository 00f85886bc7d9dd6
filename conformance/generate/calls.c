/* Calls of every kind, and exceptions, which leave functions by another way. */
#include "conformance/generate/state.h"

/* ---- Calls ---- */

typedef enum CallKind { CALL, CALL_INDIRECT, CALL_REF, CALL_KINDS } CallKind;

static const Op calls[CALL_KINDS][2] = {
    {op_call, op_return_call},
    {op_call_indirect, op_return_call_indirect},
    {op_call_ref, op_return_call_ref},
};

/* An index into table 0 that holds the function, as long as nobody writes there. */
static void callee_index(Func *f, uint32_t func)
{
    const GenTable *t = &f->g->tables[0];
    if (percent(f, 88)) emit_address(f, t->is64, func);
    else masked(f, address_type(t->is64), 15);
}

static void call(Func *f, uint32_t func, bool tail)
{
    uint32_t type = f->g->funcs[func], kind = below(f, CALL_KINDS);
    const GenType *t = &f->g->types[type];
    exprs(f, t->types, t->n);
    Op op = calls[kind][tail];
    switch (kind) {
    case CALL: emit_u(f, op, func); break;
    case CALL_INDIRECT:
        callee_index(f, func);
        emit_uu(f, op, type, 0);
        break;
    default:
        if (percent(f, 50)) emit_u(f, op_ref_func, func);
        else expr(f, type_ref(type, percent(f, 10)));
        emit_u(f, op, type);
    }
}

static const GenType *type_of(const Func *f, uint32_t func)
{
    return &f->g->types[f->g->funcs[func]];
}

bool call_value(Func *f, ValType t)
{
    uint32_t n = f->g->nfuncs, start = below(f, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t func = (start + i) % n, place = 0;
        const GenType *type = type_of(f, func);
        while (place < type->nresults && !is_sub(f->g, type->results[place], t)) place++;
        if (place == type->nresults) continue;
        call(f, func, false);
        keep(f, type->results, type->nresults, place);
        return true;
    }
    return false;
}

void call_statement(Func *f)
{
    uint32_t func = below(f, f->g->nfuncs);
    const GenType *t = type_of(f, func);
    call(f, func, false);
    consume(f, t->results, t->nresults);
}

static bool results_fit(const Func *f, const GenType *t)
{
    if (t->nresults != f->type->nresults) return false;
    for (uint32_t i = 0; i < t->nresults; i++)
        if (!is_sub(f->g, t->results[i], f->type->results[i])) return false;
    return true;
}

bool tail_call(Func *f)
{
    uint32_t n = f->g->nfuncs, start = below(f, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t func = (start + i) % n;
        if (!results_fit(f, type_of(f, func))) continue;
        call(f, func, true);
        return true;
    }
    return false;
}

/* ---- Exceptions ---- */

void caught_exception(Func *f)
{
    static const ValType exception = TYPE_REF | HEAP_EXN;
    open_block(f, op_block, NULL, 0, &exception, 1);
    open_block(f, op_try_table, NULL, 0, NULL, 0);
    bytes_unsigned(f->out, 1);
    bytes_put(f->out, 3); /* catch_all_ref */
    bytes_unsigned(f->out, 0);
    emit_u(f, op_throw_, 0);
    end_block(f);
    emit(f, op_unreachable);
    end_block(f);
}

typedef struct Clause {
    uint8_t kind;
    uint32_t tag, label;
} Clause; /* 0..3 as in the binary */

static bool payload(const Func *f, Clause clause, ValType *types, uint32_t *n)
{
    const GenType *t = &f->g->types[f->g->tags[clause.tag]];
    *n = 0;
    for (uint32_t i = 0; clause.kind < 2 && i < t->n; i++) types[(*n)++] = t->types[i];
    if (clause.kind & 1) types[(*n)++] = REF(HEAP_EXN);
    return *n < MAX_VALUES;
}

/* An enclosing label that takes the clause's payload. */
static bool find_label(Func *f, Clause *clause)
{
    ValType types[MAX_VALUES];
    uint32_t n, start = below(f, f->nlabels);
    if (!payload(f, *clause, types, &n)) return false;
    for (uint32_t k = 0; k < f->nlabels; k++) {
        uint32_t label = (start + k) % f->nlabels, i = 0;
        const Label *l = &f->labels[label];
        while (l->n == n && i < n && is_sub(f->g, types[i], l->types[i])) i++;
        if (l->reserved || l->n != n || i < n) continue;
        clause->label = f->nlabels - 1 - label;
        return true;
    }
    return false;
}

static Clause random_clause(Func *f)
{
    return (Clause){(uint8_t)below(f, 4), below(f, f->g->ntags), 0};
}

static void put_clauses(Func *f, const Clause *clauses, uint32_t n)
{
    bytes_unsigned(f->out, n);
    for (uint32_t i = 0; i < n; i++) {
        bytes_put(f->out, clauses[i].kind);
        if (clauses[i].kind < 2) bytes_unsigned(f->out, clauses[i].tag);
        bytes_unsigned(f->out, clauses[i].label);
    }
}

static void throw_tag(Func *f, uint32_t tag)
{
    const GenType *t = &f->g->types[f->g->tags[tag]];
    if (percent(f, 50)) {
        statement(f);
        return;
    }
    expr(f, TYPE_I32);
    emit(f, op_if_);
    bytes_put(f->out, 0x40);
    f->nlabels++;
    f->labels[f->nlabels - 1] = (Label){.reserved = true};
    exprs(f, t->types, t->n);
    emit_u(f, op_throw_, tag);
    end_block(f);
}

/* A block that a clause leads to, the try_table in it; further clauses lead where they can.  Labels
 * in clauses count from outside the try_table. */
void try_statement(Func *f)
{
    ValType types[MAX_VALUES];
    uint32_t n, nclauses = 0, main = below(f, 3);
    Clause clauses[4], own = random_clause(f);
    if (f->nlabels + 6 >= MAX_LABELS || f->g->ntypes + 100 >= MAX_TYPES ||
        !payload(f, own, types, &n))
        return;
    open_block(f, op_block, NULL, 0, types, n);
    for (uint32_t i = 0; i < 3; i++) {
        Clause other = random_clause(f);
        if (i == main) clauses[nclauses++] = own;
        else if (percent(f, 50) && find_label(f, &other)) clauses[nclauses++] = other;
    }
    ValType result = random_type(f->g, true);
    uint32_t nresults = percent(f, 40);
    open_block(f, op_try_table, NULL, 0, &result, nresults);
    put_clauses(f, clauses, nclauses);
    statements(f, below(f, 3));
    throw_tag(f, own.kind < 2 && percent(f, 70) ? own.tag : below(f, f->g->ntags));
    exprs(f, &result, nresults);
    end_block(f);
    consume(f, &result, nresults);
    exprs(f, types, n);
    end_block(f);
    consume(f, types, n);
}
