/* References: making them, looking into objects and tables, casting. */
#include "conformance/generate/state.h"

static const ValType any = TYPE_REF | TYPE_NULLABLE | HEAP_ANY;
static const ValType eq = TYPE_REF | TYPE_NULLABLE | HEAP_EQ;

/* ---- Leaves ---- */

static bool func_of_type(Func *f, HeapType h, uint32_t *func)
{
    uint32_t start = below(f, f->g->nfuncs);
    for (uint32_t i = 0; i < f->g->nfuncs; i++) {
        *func = (start + i) % f->g->nfuncs;
        if (is_sub(f->g, REF(f->g->funcs[*func]), REF(h))) return true;
    }
    return false;
}

static void null(Func *f, HeapType h)
{
    emit(f, op_ref_null);
    put_heap(f->out, percent(f, 50) ? h : type_heap(bottom_of(f->g, h)));
}

static void func_leaf(Func *f, HeapType h)
{
    uint32_t func;
    if (func_of_type(f, h, &func)) {
        emit_u(f, op_ref_func, func);
    } else {
        null(f, h);
        emit(f, op_ref_as_non_null);
    }
}

/* References in it are null where they may be: objects of objects would have no end. */
static void struct_leaf(Func *f, uint32_t type)
{
    const GenType *t = &f->g->types[type];
    if (all_defaultable(t->types, t->n)) {
        emit_u(f, op_struct_new_default, type);
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        if (type_is_nullable(t->types[i]) && type_is_ref(t->types[i]))
            null(f, type_heap(t->types[i]));
        else leaf(f, unpacked(t->types[i]));
    }
    emit_u(f, op_struct_new, type);
}

static void array_leaf(Func *f, uint32_t type)
{
    emit_i32(f, 8 + (int32_t)below(f, 9));
    emit_u(f, op_array_new_default, type);
}

static void i31_leaf(Func *f)
{
    leaf(f, TYPE_I32);
    emit(f, op_ref_i31);
}

static uint32_t random_struct(Func *f) { return below(f, STRUCTS); }
static uint32_t random_array(Func *f) { return STRUCTS + below(f, ARRAYS); }

static void non_null_leaf(Func *f, HeapType h)
{
    const Generator *g = f->g;
    if (is_sub(g, REF(h), REF(HEAP_FUNC))) func_leaf(f, h);
    else if (is_concrete(g, REF(h), COMP_STRUCT)) struct_leaf(f, h);
    else if (is_concrete(g, REF(h), COMP_ARRAY)) array_leaf(f, h);
    else if (h == HEAP_STRUCT) struct_leaf(f, random_struct(f));
    else if (h == HEAP_ARRAY) array_leaf(f, random_array(f));
    else if (h == HEAP_EXN) caught_exception(f);
    else i31_leaf(f);
    if (h == HEAP_EXTERN) emit(f, op_extern_convert_any);
}

static bool is_bottom(HeapType h)
{
    return h == HEAP_NONE || h == HEAP_NOFUNC || h == HEAP_NOEXTERN || h == HEAP_NOEXN;
}

void reference_leaf(Func *f, ValType t)
{
    HeapType h = type_heap(t);
    uint32_t func;
    bool none = is_bottom(h) || (is_concrete(f->g, t, COMP_FUNC) && !func_of_type(f, h, &func));
    if (type_is_nullable(t) && (none || percent(f, 40))) null(f, h);
    else if (!is_bottom(h)) non_null_leaf(f, h);
    else null(f, h), emit(f, op_ref_as_non_null);
}

/* ---- New objects ---- */

static uint32_t below_type(Func *f, uint32_t type) /* it or a type below it */
{
    uint32_t start = below(f, STRUCTS);
    for (uint32_t i = 0; i < STRUCTS; i++)
        if (is_sub(f->g, REF((start + i) % STRUCTS), REF(type))) return (start + i) % STRUCTS;
    return type;
}

static void new_struct(Func *f, uint32_t type)
{
    const GenType *t = &f->g->types[type];
    if (percent(f, 25)) {
        struct_leaf(f, type);
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) expr(f, unpacked(t->types[i]));
    emit_u(f, op_struct_new, type);
}

static void array_length(Func *f)
{
    if (percent(f, 97)) {
        masked(f, TYPE_I32, 7);
        emit_i32(f, 8);
        emit(f, op_i32_or);
    } else if (percent(f, 80)) {
        masked(f, TYPE_I32, 0xFFF);
    } else {
        emit_i32(f, -1);
    }
}

static void new_fixed_array(Func *f, uint32_t type, ValType elem)
{
    uint32_t n = percent(f, 85) ? 4 + below(f, 3) : below(f, 4);
    for (uint32_t i = 0; i < n; i++) expr(f, elem);
    emit_uu(f, op_array_new_fixed, type, n);
}

static bool elem_segment(Func *f, ValType t, uint32_t *segment)
{
    uint32_t n = f->g->nelems, start = below(f, n);
    for (uint32_t i = 0; i < n; i++) {
        *segment = (start + i) % n;
        if (is_sub(f->g, f->g->elems[*segment].type, t)) return true;
    }
    return false;
}

static void new_array_of_segment(Func *f, uint32_t type, ValType elem)
{
    uint32_t segment = below(f, f->g->ndatas);
    bool is_ref = type_is_ref(elem);
    if (is_ref && !elem_segment(f, elem, &segment)) {
        array_leaf(f, type);
        return;
    }
    if (percent(f, 80)) emit_i32(f, 0);
    else masked(f, TYPE_I32, 3);
    if (percent(f, 50)) emit_i32(f, 2);
    else masked(f, TYPE_I32, 3);
    emit_uu(f, is_ref ? op_array_new_elem : op_array_new_data, type, segment);
}

static void new_array(Func *f, uint32_t type)
{
    ValType elem = unpacked(f->g->types[type].types[0]);
    switch (below(f, 8)) {
    case 0:
        array_length(f);
        emit_u(f, op_array_new_default, type);
        break;
    case 1: new_fixed_array(f, type, elem); break;
    case 2: new_array_of_segment(f, type, elem); break;
    default:
        expr(f, elem);
        array_length(f);
        emit_u(f, op_array_new, type);
    }
}

static void new_i31(Func *f)
{
    expr(f, TYPE_I32);
    emit(f, op_ref_i31);
}

static void converted(Func *f, ValType from, Op op, bool nullable)
{
    expr(f, nullable ? from : from & ~TYPE_NULLABLE);
    emit(f, op);
}

static void made(Func *f, HeapType h, bool nullable)
{
    const Generator *g = f->g;
    uint32_t n = below(f, 8);
    if (is_concrete(g, REF(h), COMP_STRUCT)) new_struct(f, below_type(f, h));
    else if (is_concrete(g, REF(h), COMP_ARRAY)) new_array(f, h);
    else if (h == HEAP_STRUCT) new_struct(f, random_struct(f));
    else if (h == HEAP_ARRAY) new_array(f, random_array(f));
    else if (h == HEAP_I31) new_i31(f);
    else if (h == HEAP_EXTERN) converted(f, any, op_extern_convert_any, nullable);
    else if (h == HEAP_ANY && n == 0)
        converted(f, REF_NULL(HEAP_EXTERN), op_any_convert_extern, nullable);
    else if ((h == HEAP_ANY || h == HEAP_EQ) && n < 3) new_i31(f);
    else if ((h == HEAP_ANY || h == HEAP_EQ) && n < 6) new_struct(f, random_struct(f));
    else if (h == HEAP_ANY || h == HEAP_EQ) new_array(f, random_array(f));
    else reference_leaf(f, type_ref(h, nullable));
}

/* ---- Casts ---- */

static void put_cast_target(Func *f, ValType t, Op plain, Op nullable)
{
    emit(f, type_is_nullable(t) ? nullable : plain);
    put_heap(f->out, type_heap(t));
}

/* A type above, perhaps the top; those without subtypes to tell apart are not cast. */
static ValType wider(Func *f, ValType t)
{
    const Generator *g = f->g;
    if (is_sub(g, t, REF_NULL(HEAP_FUNC))) return REF_NULL(HEAP_FUNC);
    if (is_sub(g, t, REF_NULL(HEAP_EXTERN))) return REF_NULL(HEAP_EXTERN);
    if (is_sub(g, t, REF_NULL(HEAP_EXN))) return t | TYPE_NULLABLE;
    if (is_sub(g, t, eq) && percent(f, 30)) return eq;
    return any;
}

/* br_on_cast to a label of the wanted type, or br_on_cast_fail past one of the other. */
static void cast_branch(Func *f, ValType t)
{
    ValType from = wider(f, t);
    bool fails = percent(f, 50);
    /* The type with the target taken away (3.3.10 of the instruction): null only if t has none. */
    ValType rest = type_is_nullable(t) ? REF(type_heap(from)) : from;
    open_block(f, op_block, NULL, 0, &t, 1);
    if (fails) open_block(f, op_block, NULL, 0, &rest, 1);
    expr(f, from);
    emit(f, fails ? op_br_on_cast_fail : op_br_on_cast);
    bytes_put(f->out, (type_is_nullable(from) ? 1u : 0) | (type_is_nullable(t) ? 2u : 0));
    bytes_unsigned(f->out, 0);
    put_heap(f->out, type_heap(from));
    put_heap(f->out, type_heap(t));
    if (fails) {
        emit_u(f, op_br, 1);
        end_block(f);
    }
    consume(f, &rest, 1);
    statement(f);
    expr(f, t);
    end_block(f);
}

static void cast(Func *f, ValType t)
{
    ValType from = wider(f, t);
    if (percent(f, 60)) {
        cast_branch(f, t);
        return;
    }
    if (percent(f, 85)) expr(f, t);
    else expr(f, from);
    put_cast_target(f, t, op_ref_cast, op_ref_cast_null);
}

static void non_null_branch(Func *f, ValType t)
{
    ValType nullable = t | TYPE_NULLABLE;
    open_block(f, op_block, NULL, 0, &t, 1);
    expr(f, nullable);
    emit_u(f, op_br_on_non_null, 0);
    statement(f);
    expr(f, t);
    end_block(f);
}

void reference(Func *f, ValType t)
{
    bool nullable = type_is_nullable(t);
    uint32_t n = below(f, 100);
    if (f->nlabels + 3 >= MAX_LABELS) n = 99;
    if (n < 12 && reference_field(f, t)) return;
    if (n < 24 && !is_bottom(type_heap(t))) cast(f, t);
    else if (n < 32 && !nullable) non_null_branch(f, t);
    else if (n < 34 && !nullable) expr(f, t | TYPE_NULLABLE), emit(f, op_ref_as_non_null);
    else made(f, type_heap(t), nullable);
}

/* ---- Reading from objects and tables ---- */

/* An object to read or write: null now and then. */
static void object(Func *f, HeapType h) { expr(f, type_ref(h, percent(f, 5))); }

static void struct_get(Func *f, uint32_t type, uint32_t field)
{
    ValType t = f->g->types[type].types[field];
    object(f, type);
    Op op = unpacked(t) == t ? op_struct_get : percent(f, 50) ? op_struct_get_s : op_struct_get_u;
    emit_uu(f, op, type, field);
}

static void array_get(Func *f, uint32_t type)
{
    ValType t = f->g->types[type].types[0];
    object(f, type);
    masked(f, TYPE_I32, percent(f, 75) ? 1 : 3);
    emit_u(f,
           unpacked(t) == t ? op_array_get
           : percent(f, 50) ? op_array_get_s
                            : op_array_get_u,
           type);
}

static void table_index(Func *f, const GenTable *t)
{
    if (percent(f, 92)) masked(f, address_type(t->is64), percent(f, 80) ? 7 : 15);
    else expr(f, address_type(t->is64));
}

static bool table_get(Func *f, ValType t)
{
    uint32_t n = f->g->ntables, start = below(f, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t table = (start + i) % n;
        if (!is_sub(f->g, f->g->tables[table].elem, t)) continue;
        table_index(f, &f->g->tables[table]);
        emit_u(f, op_table_get, table);
        return true;
    }
    return false;
}

bool reference_field(Func *f, ValType t)
{
    if (type_is_ref(t) && percent(f, 40)) return table_get(f, t);
    uint32_t start = below(f, FIRST_FUNC_TYPE);
    for (uint32_t i = 0; i < FIRST_FUNC_TYPE; i++) {
        uint32_t type = (start + i) % FIRST_FUNC_TYPE;
        const GenType *s = &f->g->types[type];
        uint32_t first = below(f, s->n);
        for (uint32_t k = 0; k < s->n; k++) {
            uint32_t field = (first + k) % s->n;
            if (!is_sub(f->g, unpacked(s->types[field]), t)) continue;
            if (s->comp == COMP_STRUCT) struct_get(f, type, field);
            else array_get(f, type);
            return true;
        }
    }
    return false;
}

static ValType random_reference(Func *f)
{
    for (uint32_t i = 0; i < 100; i++) {
        ValType t = random_type(f->g, true);
        if (type_is_ref(t)) return t;
    }
    return any;
}

static void cast_test(Func *f)
{
    ValType t = random_reference(f);
    expr(f, wider(f, t));
    put_cast_target(f, t, op_ref_test, op_ref_test_null);
}

static void table_size_or_grow(Func *f)
{
    uint32_t table = below(f, f->g->ntables);
    const GenTable *t = &f->g->tables[table];
    if (percent(f, 40)) {
        expr(f, t->elem);
        emit_address(f, t->is64, percent(f, 95) ? below(f, 4) : UINT64_MAX);
        emit_u(f, op_table_grow, table);
    } else {
        emit_u(f, op_table_size, table);
    }
    if (t->is64) emit(f, op_i32_wrap_i64);
}

void number_of_reference(Func *f)
{
    switch (below(f, 8)) {
    case 0:
        expr(f, random_reference(f) | TYPE_NULLABLE);
        emit(f, op_ref_is_null);
        break;
    case 1:
        expr(f, eq);
        expr(f, eq);
        emit(f, op_ref_eq);
        break;
    case 2:
    case 3: cast_test(f); break;
    case 4:
        object(f, HEAP_I31);
        emit(f, percent(f, 50) ? op_i31_get_s : op_i31_get_u);
        break;
    case 5:
        object(f, HEAP_ARRAY);
        emit(f, op_array_len);
        break;
    case 6: table_size_or_grow(f); break;
    default: reference_field(f, TYPE_I32);
    }
}

/* ---- Writing to them ---- */

static void struct_set(Func *f)
{
    uint32_t type = random_struct(f);
    const GenType *t = &f->g->types[type];
    uint32_t field = below(f, t->n);
    if (t->constant >> field & 1) return;
    object(f, type);
    expr(f, unpacked(t->types[field]));
    emit_uu(f, op_struct_set, type, field);
}

static void array_set(Func *f, uint32_t type, ValType elem)
{
    object(f, type);
    masked(f, TYPE_I32, percent(f, 75) ? 1 : 3);
    expr(f, elem);
    emit_u(f, op_array_set, type);
}

static void array_fill(Func *f, uint32_t type, ValType elem)
{
    object(f, type);
    masked(f, TYPE_I32, 3);
    expr(f, elem);
    masked(f, TYPE_I32, 3);
    emit_u(f, op_array_fill, type);
}

static void array_copy(Func *f, uint32_t type)
{
    object(f, type);
    masked(f, TYPE_I32, 3);
    object(f, type);
    masked(f, TYPE_I32, 3);
    masked(f, TYPE_I32, 3);
    emit_uu(f, op_array_copy, type, type);
}

static void array_init(Func *f, uint32_t type, ValType elem)
{
    uint32_t segment = below(f, f->g->ndatas);
    bool is_ref = type_is_ref(elem);
    if (is_ref && !elem_segment(f, elem, &segment)) return;
    object(f, type);
    for (uint32_t i = 0; i < 3; i++) masked(f, TYPE_I32, 1);
    emit_uu(f, is_ref ? op_array_init_elem : op_array_init_data, type, segment);
}

void reference_statement(Func *f)
{
    uint32_t type = random_array(f);
    ValType elem = unpacked(f->g->types[type].types[0]);
    switch (below(f, 8)) {
    case 0:
    case 1:
    case 2: struct_set(f); break;
    case 3:
    case 4: array_set(f, type, elem); break;
    case 5: array_fill(f, type, elem); break;
    case 6: array_copy(f, type); break;
    default: array_init(f, type, elem);
    }
}

static void table_copy(Func *f, uint32_t to)
{
    for (uint32_t from = 0; from < f->g->ntables; from++) {
        const GenTable *a = &f->g->tables[to], *b = &f->g->tables[from];
        if (!is_sub(f->g, b->elem, a->elem) || (from == to && percent(f, 50))) continue;
        table_index(f, a);
        table_index(f, b);
        masked(f, address_type(a->is64 && b->is64), 3);
        emit_uu(f, op_table_copy, to, from);
        return;
    }
}

static void table_init(Func *f, uint32_t table)
{
    uint32_t segment;
    if (!elem_segment(f, f->g->tables[table].elem, &segment)) return;
    if (percent(f, 10)) {
        emit_u(f, op_elem_drop, segment);
        return;
    }
    table_index(f, &f->g->tables[table]);
    masked(f, TYPE_I32, 1);
    masked(f, TYPE_I32, 3);
    emit_uu(f, op_table_init, segment, table);
}

void table_statement(Func *f)
{
    uint32_t table = below(f, f->g->ntables);
    const GenTable *t = &f->g->tables[table];
    switch (below(f, 5)) {
    case 0:
    case 1:
        table_index(f, t);
        expr(f, t->elem);
        emit_u(f, op_table_set, table);
        break;
    case 2:
        table_index(f, t);
        expr(f, t->elem);
        masked(f, address_type(t->is64), 3);
        emit_u(f, op_table_fill, table);
        break;
    case 3: table_copy(f, table); break;
    default: table_init(f, table);
    }
}
