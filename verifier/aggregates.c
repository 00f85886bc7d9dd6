/* Rules of struct.* and array.* (standard, 3.4.7).  Fields of packed type are i32 on the stack and
 * are read with a choice of sign extension; all others are read without. */
#include "verifier/state.h"

static bool type_is_packed(ValType t) { return t == TYPE_I8 || t == TYPE_I16; }
static ValType type_unpacked(ValType t) { return type_is_packed(t) ? TYPE_I32 : t; }

static void push_ref(Verifier *v, const Type *t) { operand_push(v, type_ref(t->id, false)); }
static void pop_ref(Verifier *v, const Type *t) { operand_pop(v, type_ref(t->id, true)); }

static void require_default(Verifier *v, const Field *f)
{
    if (!type_is_defaultable(f->type))
        verifier_invalid(v, "type mismatch: %s needs a field type with a default value",
                         v->row->text);
}

static void require_mutable(Verifier *v, const Field *f, const char *what)
{
    if (!f->is_mutable) verifier_invalid(v, "%s is immutable", what);
}

/* `has_sign` instructions read packed fields, and only they do. */
static void require_packed(Verifier *v, const Field *f, bool has_sign)
{
    if (type_is_packed(f->type) != has_sign)
        verifier_invalid(v, "type mismatch: %s of a field that is %spacked", v->row->text,
                         has_sign ? "not " : "");
}

/* ---- Structs ---- */

static void struct_new(Verifier *v)
{
    const Type *t = code_type(v, COMP_STRUCT);
    if (!t) return;
    for (uint32_t i = t->nfields; i-- > 0;) {
        if (v->op == op_struct_new) operand_pop(v, type_unpacked(t->fields[i].type));
        else require_default(v, &t->fields[i]);
    }
    push_ref(v, t);
}

static void struct_access(Verifier *v)
{
    const Type *t = code_type(v, COMP_STRUCT);
    uint32_t i = code_u32(v, "a field index");
    if (!t) return;
    if (i >= t->nfields) {
        verifier_invalid(v, "unknown field %u: the struct has %u", i, t->nfields);
        return;
    }
    const Field *f = &t->fields[i];
    if (v->op == op_struct_set) {
        require_mutable(v, f, "field");
        operand_pop(v, type_unpacked(f->type));
        pop_ref(v, t);
        return;
    }
    require_packed(v, f, v->op != op_struct_get);
    pop_ref(v, t);
    operand_push(v, type_unpacked(f->type));
}

/* ---- Arrays ---- */

static void array_new(Verifier *v, const Type *t)
{
    operand_pop(v, TYPE_I32);
    if (v->op == op_array_new) operand_pop(v, type_unpacked(t->fields[0].type));
    else require_default(v, &t->fields[0]);
    push_ref(v, t);
}

static void array_new_fixed(Verifier *v, const Type *t)
{
    uint32_t n = code_u32(v, "an operand count");
    if (n > LIMIT_FIELDS)
        reader_fail(&v->code, FNVM_E_LIMIT, v->at, "%s with more than %u operands", v->row->text,
                    (unsigned)LIMIT_FIELDS);
    for (uint32_t i = 0; i < n && !verifier_failed(v); i++)
        operand_pop(v, type_unpacked(t->fields[0].type));
    push_ref(v, t);
}

/* Bytes of a data segment become elements: no references. */
static void require_data(Verifier *v, const Type *t)
{
    code_data(v);
    if (type_is_ref(t->fields[0].type))
        verifier_invalid(v, "array type is not numeric or vector");
}

static void require_elem(Verifier *v, const Type *t)
{
    uint32_t elem = code_elem(v);
    if (elem == UINT32_MAX) return;
    ValType from = v->m->elems[elem].type, to = t->fields[0].type;
    if (type_matches(v, from, to)) return;
    char a[TYPE_TEXT], b[TYPE_TEXT];
    verifier_invalid(v, "type mismatch: elem segment %u of %s for an array of %s", elem,
                     verifier_type_text(v, from, a), verifier_type_text(v, to, b));
}

static void array_new_segment(Verifier *v, const Type *t)
{
    if (v->op == op_array_new_data) require_data(v, t);
    else require_elem(v, t);
    operand_pop(v, TYPE_I32);
    operand_pop(v, TYPE_I32);
    push_ref(v, t);
}

static void array_init_segment(Verifier *v, const Type *t)
{
    require_mutable(v, &t->fields[0], "array");
    if (v->op == op_array_init_data) require_data(v, t);
    else require_elem(v, t);
    for (int i = 0; i < 3; i++) operand_pop(v, TYPE_I32);
    pop_ref(v, t);
}

static void array_get(Verifier *v, const Type *t)
{
    require_packed(v, &t->fields[0], v->op != op_array_get);
    operand_pop(v, TYPE_I32);
    pop_ref(v, t);
    operand_push(v, type_unpacked(t->fields[0].type));
}

static void array_set(Verifier *v, const Type *t)
{
    require_mutable(v, &t->fields[0], "array");
    operand_pop(v, type_unpacked(t->fields[0].type));
    operand_pop(v, TYPE_I32);
    pop_ref(v, t);
}

static void array_fill(Verifier *v, const Type *t)
{
    require_mutable(v, &t->fields[0], "array");
    operand_pop(v, TYPE_I32);
    operand_pop(v, type_unpacked(t->fields[0].type));
    operand_pop(v, TYPE_I32);
    pop_ref(v, t);
}

static void array_copy(Verifier *v, const Type *to)
{
    const Type *from = code_type(v, COMP_ARRAY);
    if (!from) return;
    require_mutable(v, &to->fields[0], "array");
    if (!type_matches(v, from->fields[0].type, to->fields[0].type))
        verifier_invalid(v, "array types do not match");
    operand_pop(v, TYPE_I32);
    operand_pop(v, TYPE_I32);
    pop_ref(v, from);
    operand_pop(v, TYPE_I32);
    pop_ref(v, to);
}

static void array_instruction(Verifier *v)
{
    const Type *t = code_type(v, COMP_ARRAY);
    if (!t) return;
    switch (v->op) {
    case op_array_new: case op_array_new_default: array_new(v, t); break;
    case op_array_new_fixed: array_new_fixed(v, t); break;
    case op_array_new_data: case op_array_new_elem: array_new_segment(v, t); break;
    case op_array_init_data: case op_array_init_elem: array_init_segment(v, t); break;
    case op_array_get: case op_array_get_s: case op_array_get_u: array_get(v, t); break;
    case op_array_set: array_set(v, t); break;
    case op_array_fill: array_fill(v, t); break;
    case op_array_copy: array_copy(v, t); break;
    default: break;
    }
}

void aggregate_instruction(Verifier *v)
{
    switch (v->op) {
    case op_struct_new: case op_struct_new_default: struct_new(v); break;
    case op_struct_get: case op_struct_get_s: case op_struct_get_u: case op_struct_set:
        struct_access(v);
        break;
    case op_array_len:
        operand_pop(v, type_ref(HEAP_ARRAY, true));
        operand_push(v, TYPE_I32);
        break;
    default: array_instruction(v);
    }
}
