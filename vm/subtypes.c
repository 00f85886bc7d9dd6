/* Subtyping (standard, 3.3): the lattice of abstract heap types is written out; between defined
 * types one look into the display of supertypes decides. */
#include "vm/types.h"

bool types_id_is_sub(const TypeRegistry *r, TypeId sub, TypeId super)
{
    if (sub == super) return true;
    const Type *a = types_get(r, sub), *b = types_get(r, super);
    return a->depth > b->depth && a->display[b->depth] == super;
}

HeapType types_top(const TypeRegistry *r, HeapType h)
{
    switch (h) {
    case HEAP_FUNC:
    case HEAP_NOFUNC: return HEAP_FUNC;
    case HEAP_EXTERN:
    case HEAP_NOEXTERN: return HEAP_EXTERN;
    case HEAP_EXN:
    case HEAP_NOEXN: return HEAP_EXN;
    default: break;
    }
    if (heap_is_defined(h) && types_get(r, h)->comp == COMP_FUNC) return HEAP_FUNC;
    return HEAP_ANY;
}

/* The abstract type right above a concrete one. */
static HeapType comp_heap(CompKind comp)
{
    return comp == COMP_FUNC ? HEAP_FUNC : comp == COMP_STRUCT ? HEAP_STRUCT : HEAP_ARRAY;
}

bool types_heap_is_sub(const TypeRegistry *r, HeapType sub, HeapType super)
{
    if (sub == super) return true;
    if (heap_is_defined(sub)) {
        if (heap_is_defined(super)) return types_id_is_sub(r, sub, super);
        return types_heap_is_sub(r, comp_heap(types_get(r, sub)->comp), super);
    }
    switch (sub) {
    case HEAP_NOFUNC:
    case HEAP_NOEXTERN:
    case HEAP_NOEXN:
    case HEAP_NONE: return types_top(r, sub) == types_top(r, super);
    case HEAP_I31:
    case HEAP_STRUCT:
    case HEAP_ARRAY: return super == HEAP_EQ || super == HEAP_ANY;
    case HEAP_EQ: return super == HEAP_ANY;
    default: return false;
    }
}

bool types_is_sub(const TypeRegistry *r, ValType sub, ValType super)
{
    if (sub == super || sub == TYPE_BOTTOM) return true;
    if (!type_is_ref(sub) || !type_is_ref(super)) return false;
    if (type_is_nullable(sub) && !type_is_nullable(super)) return false;
    return types_heap_is_sub(r, type_heap(sub), type_heap(super));
}

static bool field_is_sub(const TypeRegistry *r, const Field *sub, const Field *super)
{
    if (sub->is_mutable != super->is_mutable) return false;
    if (sub->is_mutable) return sub->type == super->type;
    return types_is_sub(r, sub->type, super->type);
}

bool types_def_is_sub(const TypeRegistry *r, const Type *sub, const Type *super)
{
    if (super->is_final || sub->comp != super->comp) return false;
    if (sub->comp != COMP_FUNC) {
        if (sub->nfields < super->nfields) return false;
        for (uint32_t i = 0; i < super->nfields; i++)
            if (!field_is_sub(r, &sub->fields[i], &super->fields[i])) return false;
        return true;
    }
    if (sub->nparams != super->nparams || sub->nresults != super->nresults) return false;
    for (uint32_t i = 0; i < sub->nparams; i++)
        if (!types_is_sub(r, super->params[i], sub->params[i])) return false;
    for (uint32_t i = 0; i < sub->nresults; i++)
        if (!types_is_sub(r, sub->results[i], super->results[i])) return false;
    return true;
}
