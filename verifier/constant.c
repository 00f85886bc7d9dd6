/* Constant expressions (standard, 3.4.14): ordinary code of one block, checked by the ordinary
 * pass, from which everything but a few instructions is excluded. */
#include "verifier/state.h"

void constant_require(Verifier *v)
{
    switch (v->op) {
    case op_i32_add: case op_i32_sub: case op_i32_mul:
    case op_i64_add: case op_i64_sub: case op_i64_mul:
        feature_require(v, FNVM_FEATURE_EXTENDED_CONST, v->row->text);
        break;
    case op_end:
    case op_i32_const: case op_i64_const: case op_f32_const: case op_f64_const:
    case op_v128_const: case op_ref_null: case op_ref_func: case op_global_get:
    case op_ref_i31: case op_any_convert_extern: case op_extern_convert_any:
    case op_struct_new: case op_struct_new_default:
    case op_array_new: case op_array_new_default: case op_array_new_fixed:
        break;
    default:
        verifier_invalid(v, "constant expression required: %s is not constant", v->row->text);
    }
}

fnvm_error *verifier_constant(Verifier *v, Range code, ValType expected, uint32_t visible_globals,
                              uint32_t *end)
{
    v->code = (Reader){v->m->bytes, code.start, code.end, NULL, v->check};
    v->at = code.start;
    v->nops = v->base = v->ncontrols = v->ntrail = v->nbranches = 0;
    v->nlocals = 0;
    v->slots = v->max_slots = 0;
    v->wide = true; /* no side table is made, so v128 needs no second pass */
    v->restart = false;
    v->constant = true;
    v->visible_globals = visible_globals;
    control_push_outermost(v, NULL, expected);
    if (!verifier_failed(v)) verifier_run(v);
    *end = v->code.pos;
    fnvm_error *error = v->code.error;
    v->code.error = NULL;
    return error;
}
