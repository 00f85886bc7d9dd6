/* The verifier's stacks at calls that frames wait for.  A pass over a function that is known to be
 * good stops at each call asked for, where the arguments are popped and the results not yet pushed:
 * what the stacks have then is what the frame has while the callee runs. */
#include "verifier/frame_types.h"

#include <stdlib.h>

#include "verifier/state.h"

typedef struct FrameStops {
    const uint32_t *pcs;
    uint32_t n, next;         /* the first one not met yet */
    const FuncCode *code;
    FrameTypesFn *fn;
    void *env;
    FrameValue *values;
    uint32_t values_size;
} FrameStops;

static void add_value(FrameStops *stops, FrameTypes *t, ValType type, uint32_t *slot)
{
    stops->values[t->n++] = (FrameValue){type, *slot};
    *slot += type_slots(type);
}

static void mark_uninitialized(const Verifier *v, FrameStops *stops)
{
    for (uint32_t i = 0; v->has_uninitialized && i < v->nlocals; i++)
        if (!(v->initialized[i / 64] >> i % 64 & 1)) stops->values[i].type = TYPE_BOTTOM;
}

static void report(Verifier *v, FrameStops *stops, uint32_t i, const Type *callee)
{
    FrameTypes t = {.code = stops->code, .nlocals = v->nlocals, .args = v->slots,
                    .stp = v->nbranches, .callee = callee->id};
    uint32_t slot = 0;
    if (!verifier_grow(v, &stops->values, &stops->values_size, 0, v->nlocals + v->nops,
                       sizeof *stops->values))
        return;
    for (uint32_t l = 0; l < v->nlocals; l++) add_value(stops, &t, local_type(v, l), &slot);
    for (uint32_t o = 0; o < v->nops; o++) add_value(stops, &t, v->ops[o], &slot);
    mark_uninitialized(v, stops);
    t.values = stops->values;
    v->code.error = stops->fn(stops->env, i, &t);
}

void frame_stop(Verifier *v, const Type *callee)
{
    FrameStops *stops = v->stops;
    if (verifier_failed(v) || stops->next == stops->n || v->code.pos != stops->pcs[stops->next])
        return;
    report(v, stops, stops->next, callee);
    stops->next++;
}

fnvm_error *verifier_frame_types(Module *m, uint32_t func, const uint32_t *pcs, uint32_t n,
                                 FrameTypesFn *fn, void *env)
{
    FrameStops stops = {.pcs = pcs, .n = n, .fn = fn, .env = env};
    fnvm_error *error = verifier_function(m, func, &stops.code);
    if (error) return error;
    Verifier v;
    verifier_start(&v, m);
    v.has_regions = false;
    v.stops = &stops;
    error = verifier_body_again(&v, stops.code);
    if (!error && stops.next < n)
        error = fnvm_error_new(FNVM_E_INVALID, "no call of function %u that can be reached ends at "
                               "0x%x", func, pcs[stops.next]);
    verifier_finish(&v);
    free(stops.values);
    return error;
}
