/* Places come from the modules' types, sizes of tables from the instances; where things lie in a
 * region is asked of the Instance, so that nothing here depends on the layout. */
#include "vm/image/objects_graph.h"

#include <stdlib.h>

#include "vm/engine.h"

/* ---- Places ---- */

static fnvm_error *add_span(RootSpans *s, RootSpan span)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        RootSpan *more = reallocarray(s->at, cap, sizeof *more);
        if (!more) return error_no_memory();
        s->at = more;
        s->cap = cap;
    }
    s->at[s->n++] = span;
    return NULL;
}

static uint64_t place_of(const Instance *inst, const void *at)
{
    return (uint64_t)((const uint8_t *)at - region_base(inst));
}

static fnvm_error *add_globals(RootSpans *s, const Instance *inst)
{
    const Module *m = inst->module;
    fnvm_error *error = NULL;
    for (uint32_t i = m->n_imported_globals; i < m->nglobals && !error; i++) {
        const ValType type = m->globals[i].type.type;
        if (!type_may_hold_objects(&m->engine->types, type)) continue;
        const Slot *value = &inst->globals[2 * (size_t)(i - m->n_imported_globals)];
        error = add_span(s, (RootSpan){.at = place_of(inst, value), .count = 1,
                                       .instance = inst->id, .type = type});
    }
    return error;
}

static fnvm_error *add_tables(RootSpans *s, const Instance *inst)
{
    const Module *m = inst->module;
    fnvm_error *error = NULL;
    for (uint32_t i = m->n_imported_tables; i < m->ntables && !error; i++) {
        const TableRef *t = &inst->tables[i];
        const ValType type = m->tables[i].type.elem;
        if (!t->state->size || !type_may_hold_objects(&m->engine->types, type)) continue;
        error = add_span(s, (RootSpan){.at = place_of(inst, t->elems), .count = t->state->size,
                                       .instance = inst->id, .type = type});
    }
    return error;
}

/* Items of a dropped segment stay where they are, as do those of an instance that never became
 * ready: elem_item does not read them. */
static fnvm_error *add_items(RootSpans *s, const Instance *inst)
{
    const Module *m = inst->module;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; inst->elem_values && i < m->nelems && !error; i++) {
        const Elem *e = &m->elems[i];
        if (!inst->elem_values[i] || !e->count) continue;
        RootSpan span = {.at = place_of(inst, inst->elem_values[i]), .count = e->count,
                         .instance = inst->id, .type = e->type};
        if (inst->dropped_elems[i] || !inst->elem_refs_ready) {
            span.kind = ROOT_DEAD;
            span.type |= TYPE_NULLABLE;
        }
        error = add_span(s, span);
    }
    return error;
}

/* Any slot may be null: a dead one that had no object in it was made so, and nothing that takes a
 * reference relies on there being one. */
static fnvm_error *add_stack(RootSpans *s, const Instance *inst, const StackRef *refs,
                             uint32_t nrefs)
{
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < nrefs && !error; i++) {
        if (refs[i].slot >= inst->context->stack.size / sizeof(Slot))
            return fnvm_error_new(FNVM_E_INVALID, "instance %u: slot %u is not on the stack",
                                  inst->id, refs[i].slot);
        const Slot *slot = (const Slot *)(const void *)inst->stack_base + refs[i].slot;
        error = add_span(s, (RootSpan){.at = place_of(inst, slot), .count = 1,
                                       .instance = inst->id, .type = type_ref(refs[i].heap, true),
                                       .kind = ROOT_DOUBTFUL});
    }
    return error;
}

static int compare_spans(const void *a, const void *b)
{
    const RootSpan *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static fnvm_error *order_spans(RootSpan *spans, size_t n)
{
    if (n) qsort(spans, n, sizeof *spans, compare_spans);
    for (size_t i = 1; i < n; i++)
        if (spans[i].at < spans[i - 1].at + spans[i - 1].count * sizeof(uint64_t))
            return fnvm_error_new(FNVM_E_INVALID, "instance %u: frames of the suspended call have "
                                  "a slot in common", spans[i].instance);
    return NULL;
}

fnvm_error *root_spans_find(const Store *store, const Instance *owner, const StackRef *refs,
                            uint32_t nrefs, RootSpans *out)
{
    fnvm_error *error = NULL;
    for (uint32_t i = 1; i < store->ninstances && !error; i++) {
        const Instance *inst = store->instances[i];
        const size_t first = out->n;
        error = add_globals(out, inst);
        if (!error) error = add_tables(out, inst);
        if (!error) error = add_items(out, inst);
        if (!error && inst == owner) error = add_stack(out, inst, refs, nrefs);
        if (!error && out->n > first) error = order_spans(out->at + first, out->n - first);
    }
    return error;
}

void root_spans_free(RootSpans *s)
{
    free(s->at);
    *s = (RootSpans){0};
}

/* ---- Objects ---- */

bool object_shape(const TypeRegistry *types, const Type *t, ObjectShape *out)
{
    *out = (ObjectShape){.type = t};
    for (uint32_t i = 0; i < t->nfields; i++)
        if (type_may_hold_objects(types, t->fields[i].type)) out->nrefs++;
    if (!out->nrefs) return true;
    out->refs = calloc(out->nrefs, sizeof *out->refs);
    if (!out->refs) return false;
    for (uint32_t i = 0, n = 0; i < t->nfields; i++)
        if (type_may_hold_objects(types, t->fields[i].type)) out->refs[n++] = i;
    return true;
}

void object_shape_free(ObjectShape *shape)
{
    free(shape->refs);
    *shape = (ObjectShape){0};
}

/* What is of the any hierarchy may also be a value of the extern one, and a host value of either:
 * the conversions between them change nothing. */
bool object_fits(const TypeRegistry *types, TypeId object, ValType type)
{
    const HeapType want = type_heap(type);
    switch (types_top(types, want)) {
    case HEAP_ANY:
        if (object == OBJECT_HOST) return want == HEAP_ANY;
        return object != OBJECT_EXCEPTION && types_heap_is_sub(types, object, want);
    case HEAP_EXTERN: return want == HEAP_EXTERN && object != OBJECT_EXCEPTION;
    case HEAP_EXN: return want == HEAP_EXN && object == OBJECT_EXCEPTION;
    default: return false;
    }
}

bool i31_fits(const TypeRegistry *types, uint64_t bits, ValType type)
{
    const HeapType want = type_heap(type);
    if (!ref_is_i31(bits) || bits > UINT32_MAX) return false;
    return want == HEAP_EXTERN || types_heap_is_sub(types, HEAP_I31, want);
}
