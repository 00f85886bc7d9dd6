/* Rules of the reference instructions: null, function references, casts, conversions and i31
 * (standard, 3.4.6 and 3.4.7).  Branches on references are in control.c. */
#include "verifier/state.h"

static void ref_func(Verifier *v)
{
    const Module *m = v->m;
    uint32_t func = code_index(v, "function", m->nfuncs);
    if (func == UINT32_MAX) return;
    if (!(m->declared[func / 64] >> func % 64 & 1))
        verifier_invalid(v, "undeclared function reference: function %u is in no segment, export "
                         "or global", func);
    operand_push(v, type_ref(m->funcs[func], false));
}

/* Operands of a test or cast come from the hierarchy of its target (3.4.6). */
static ValType cast_target(Verifier *v, bool nullable)
{
    HeapType target = code_heap_type(v);
    if (verifier_failed(v)) return type_ref(target, nullable);
    operand_pop(v, type_ref(types_top(v->types, target), true));
    return type_ref(target, nullable);
}

/* Between the hierarchies of any and extern; nullability stays. */
static void convert(Verifier *v, HeapType from, HeapType to)
{
    ValType operand = operand_pop(v, type_ref(from, true));
    operand_push(v, type_ref(to, operand != TYPE_BOTTOM && type_is_nullable(operand)));
}

void reference_instruction(Verifier *v)
{
    switch (v->op) {
    case op_ref_null: operand_push(v, type_ref(code_heap_type(v), true)); break;
    case op_ref_func: ref_func(v); break;
    case op_ref_is_null:
        operand_pop_ref(v);
        operand_push(v, TYPE_I32);
        break;
    case op_ref_as_non_null:
        operand_push(v, type_ref(type_heap(operand_pop_ref(v)), false));
        break;
    case op_ref_eq:
        operand_pop(v, type_ref(HEAP_EQ, true));
        operand_pop(v, type_ref(HEAP_EQ, true));
        operand_push(v, TYPE_I32);
        break;
    case op_ref_test: case op_ref_test_null:
        cast_target(v, false);
        operand_push(v, TYPE_I32);
        break;
    case op_ref_cast: operand_push(v, cast_target(v, false)); break;
    case op_ref_cast_null: operand_push(v, cast_target(v, true)); break;
    case op_any_convert_extern: convert(v, HEAP_EXTERN, HEAP_ANY); break;
    case op_extern_convert_any: convert(v, HEAP_ANY, HEAP_EXTERN); break;
    case op_ref_i31:
        operand_pop(v, TYPE_I32);
        operand_push(v, type_ref(HEAP_I31, false));
        break;
    case op_i31_get_s: case op_i31_get_u:
        operand_pop(v, type_ref(HEAP_I31, true));
        operand_push(v, TYPE_I32);
        break;
    default: break;
    }
}
