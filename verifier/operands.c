/* The operand stack of the validation algorithm (standard, appendix 7.3), its slow paths, and the
 * texts of type errors.  Below the operands of the innermost block, once the rest of it is
 * unreachable, lie as many TYPE_BOTTOM as anyone asks for. */
#include <stdlib.h>
#include <string.h>

#include "verifier/state.h"

void verifier_no_memory(Verifier *v)
{
    if (!v->code.error) v->code.error = error_no_memory();
}

bool verifier_grow(Verifier *v, void *array_pointer, uint32_t *size, uint32_t used, uint32_t more,
                   size_t item_bytes)
{
    if (more <= *size - used) return true;
    uint64_t wanted = (uint64_t)used + more;
    if (wanted < 2 * (uint64_t)*size) wanted = 2 * (uint64_t)*size;
    if (wanted < 64) wanted = 64;
    void *array; /* the caller's pointer is to another type: only its bytes may be read here */
    memcpy(&array, array_pointer, sizeof array);
    array = wanted <= UINT32_MAX ? realloc(array, wanted * item_bytes) : NULL;
    if (!array) {
        verifier_no_memory(v);
        return false;
    }
    memcpy(array_pointer, &array, sizeof array);
    *size = (uint32_t)wanted;
    return true;
}

/* ---- Texts ---- */

const char *verifier_type_text(const Verifier *v, ValType t, char *text)
{
    if (t == TYPE_BOTTOM) return "an unknown value";
    if (type_is_ref(t) && type_heap(t) == HEAP_BOTTOM) return "a reference";
    types_print(v->types, t, text, TYPE_TEXT);
    return text;
}

static void fail_mismatch(Verifier *v, const char *want, const char *found)
{
    verifier_invalid(v, "type mismatch: %s expects %s, found %s", v->row->text, want, found);
}

/* ---- Features ---- */

void feature_require(Verifier *v, uint32_t features, const char *what)
{
    const uint32_t all = v->m->engine->config.features;
    for (uint32_t left = features & ~v->features; left && !verifier_failed(v); left &= left - 1) {
        const uint32_t bit = left & -left;
        if (reader_need_feature(&v->code, all, bit, v->at, what)) v->features |= bit;
    }
}

/* ---- Matching ---- */

bool type_matches(const Verifier *v, ValType sub, ValType super)
{
    if (sub == super || sub == TYPE_BOTTOM) return true;
    if (!type_is_ref(sub) || !type_is_ref(super)) return false;
    if (type_heap(sub) == HEAP_BOTTOM) return !type_is_nullable(sub) || type_is_nullable(super);
    return types_is_sub(v->types, sub, super);
}

/* ---- Pushing and popping ---- */

enum { LIST_LONG = 8 }; /* types from which on moving them at once pays */

void operand_push_slow(Verifier *v, ValType t)
{
    if (t == TYPE_V128) {
        v->slots++;
        if (!v->wide) v->restart = true;
    }
    if (v->slots > v->max_slots) v->max_slots = v->slots;
    if (v->slots > LIMIT_FRAME_SLOTS)
        reader_fail(&v->code, FNVM_E_LIMIT, v->at, "the frame is larger than %u slots",
                    (unsigned)LIMIT_FRAME_SLOTS);
    if (verifier_failed(v) || !verifier_grow(v, &v->ops, &v->ops_size, v->nops, 1, sizeof *v->ops))
        return;
    v->ops[v->nops++] = t;
}

ValType operand_pop_slow(Verifier *v, ValType found, ValType want)
{
    /* Lists of types repeat one pair a thousand times. */
    if (found == v->matched_sub && want == v->matched_super) return found;
    if (type_matches(v, found, want)) {
        v->matched_sub = found;
        v->matched_super = want;
        return found;
    }
    char a[TYPE_TEXT], b[TYPE_TEXT];
    fail_mismatch(v, verifier_type_text(v, want, a), verifier_type_text(v, found, b));
    return found;
}

ValType operand_pop_empty(Verifier *v, const char *want)
{
    if (!v->unreachable)
        fail_mismatch(v, want, v->nops ? "no operand in this block" : "an empty stack");
    return TYPE_BOTTOM;
}

ValType operand_want(Verifier *v, ValType want)
{
    char text[TYPE_TEXT];
    if (v->unreachable) return TYPE_BOTTOM;
    return operand_pop_empty(v, verifier_type_text(v, want, text));
}

ValType operand_pop_any(Verifier *v)
{
    if (v->nops == v->base) return operand_pop_empty(v, "an operand");
    ValType t = v->ops[--v->nops];
    v->slots -= type_slots(t);
    return t;
}

ValType operand_pop_ref(Verifier *v)
{
    ValType bottom = type_ref(HEAP_BOTTOM, false);
    ValType t = v->nops == v->base ? operand_pop_empty(v, "a reference") : operand_pop_any(v);
    if (t == TYPE_BOTTOM) return bottom;
    if (type_is_ref(t)) return t;
    char text[TYPE_TEXT];
    fail_mismatch(v, "a reference", verifier_type_text(v, t, text));
    return bottom;
}

/* Lists may have a thousand types, and an instruction that names one two bytes: what is equal is
 * compared and copied whole.  False if that cannot be. */
static __attribute__((noinline)) bool push_whole(Verifier *v, TypeList list)
{
    if (list.slots != list.n || list.n > v->ops_size - v->nops ||
        v->slots + list.slots > v->max_slots)
        return false;
    memcpy(v->ops + v->nops, list.at, list.n * sizeof *list.at);
    v->nops += list.n;
    v->slots += list.slots;
    return true;
}

static __attribute__((noinline)) bool pop_whole(Verifier *v, TypeList list)
{
    if (v->nops == v->base && v->unreachable) return true;
    if (v->nops - v->base < list.n ||
        memcmp(v->ops + v->nops - list.n, list.at, list.n * sizeof *list.at) != 0)
        return false;
    v->nops -= list.n;
    v->slots -= list.slots;
    return true;
}

void operands_push(Verifier *v, TypeList list)
{
    if (list.n >= LIST_LONG && push_whole(v, list)) return;
    for (uint32_t i = 0; i < list.n; i++) operand_push(v, list.at[i]);
}

void operands_pop(Verifier *v, TypeList list)
{
    if (list.n >= LIST_LONG && pop_whole(v, list)) return;
    for (uint32_t i = list.n; i-- > 0;) operand_pop(v, list.at[i]);
}

bool operands_match(Verifier *v, TypeList list)
{
    uint32_t nops = v->nops, slots = v->slots;
    operands_pop(v, list);
    v->nops = nops;
    v->slots = slots;
    return !verifier_failed(v);
}

void operands_none_left(Verifier *v)
{
    if (v->nops != v->base)
        verifier_invalid(v, "type mismatch: %s finds %u operands more than the block's type has",
                         v->row->text, v->nops - v->base);
}

void operands_unreachable(Verifier *v)
{
    Control *c = &v->controls[v->ncontrols - 1];
    v->nops = c->height;
    v->slots = c->slots;
    c->unreachable = v->unreachable = true;
    v->live = false;
}
