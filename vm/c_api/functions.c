/* Functions: those of guests called by the host, and those of the host called by guests.  Both
 * ways values are converted one by one on the C stack, where the collector sees the objects that
 * are made for them. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"
#include "vm/heap.h"
#include "vm/run.h"

/* ---- Host functions ---- */

static bool valtypes_from(const wasm_valtype_vec_t *from, ValType *to)
{
    for (size_t i = 0; i < from->size; i++)
        if (!valkind_type(from->data[i]->kind, &to[i])) return false;
    return true;
}

/* The type is held.  False: one that cannot be, or out of memory. */
static bool define_type(Store *s, const wasm_functype_t *t, TypeId *out)
{
    const size_t np = t->params.size, nr = t->results.size;
    if (np > UINT16_MAX || nr > UINT16_MAX) return false; /* the registry has a smaller limit */
    ValType *types = malloc((np + nr + 1) * sizeof *types);
    bool ok = types && valtypes_from(&t->params, types) && valtypes_from(&t->results, types + np);
    if (ok) {
        TypeDef def = {.comp = COMP_FUNC, .is_final = true, .super = TYPE_ID_NONE, .params = types,
                       .results = types + np, .nparams = (uint32_t)np, .nresults = (uint32_t)nr};
        fnvm_error *error = types_define(&s->engine->types, &def, 1, out);
        fnvm_error_free(error);
        ok = !error;
    }
    free(types);
    return ok;
}

static void values_delete(wasm_val_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) wasm_val_delete(&values[i]);
}

/* NULL, or that memory ran out; then there are no values. */
static wasm_trap_t *values_from_slots(wasm_store_t *s, const ValType *types, size_t n,
                                      const Slot *slots, wasm_val_t *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!value_from_slot(s, slots, types[i], &out[i])) {
            values_delete(out, i);
            return trap_new(s, "the host is out of memory");
        }
        slots += type_slots(types[i]);
    }
    return NULL;
}

/* NULL, or what is wrong with one of the values. */
static wasm_trap_t *values_to_slots(wasm_store_t *s, const ValType *types, size_t n,
                                    const wasm_val_t *values, const Instance *into,
                                    const char *what, Slot *slots)
{
    for (size_t i = 0; i < n; i++) {
        const char *wrong = value_to_slot(s, &values[i], types[i], into, slots);
        if (wrong) return trap_new(s, "%s %zu is %s", what, i, wrong);
        slots += type_slots(types[i]);
    }
    return NULL;
}

/* The callback's values begin as zeroes and nulls of the kinds they are to have. */
static wasm_trap_t *closure_run(const Closure *c, const Type *t, const Instance *caller,
                                Slot *slots)
{
    wasm_store_t *s = c->store;
    wasm_val_t args[t->nparams + 1], results[t->nresults + 1];
    wasm_trap_t *trap = values_from_slots(s, t->params, t->nparams, slots, args);
    if (trap) return trap;
    for (uint32_t i = 0; i < t->nresults; i++)
        results[i] = (wasm_val_t){.kind = valkind_of(&s->store->engine->types, t->results[i])};
    const wasm_val_vec_t in = {t->nparams, args};
    wasm_val_vec_t out = {t->nresults, results};
    trap = c->callback ? c->callback(&in, &out) : c->callback_with_env(c->env, &in, &out);
    if (!trap) {
        Slot made[t->result_slots + 1]; /* here until all are: the collector looks here */
        trap = values_to_slots(s, t->results, t->nresults, results, caller,
                               "the host function's result", made);
        if (!trap) memcpy(slots, made, t->result_slots * sizeof *slots);
        values_delete(results, t->nresults);
    }
    values_delete(args, t->nparams);
    return trap;
}

static fnvm_error *closure_call(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const Closure *c = env;
    wasm_store_t *s = c->store;
    heap_enter(s->store);
    wasm_trap_t *trap =
        closure_run(c, types_get(&s->store->engine->types, c->type), caller->instance, slots);
    heap_leave(s->store);
    return trap ? trap_to_error(s, trap) : NULL;
}

static wasm_func_t *func_new(wasm_store_t *s, const wasm_functype_t *type, Closure with)
{
    if (!s || !type || (!with.callback && !with.callback_with_env)) return NULL;
    Closure *c = malloc(sizeof *c);
    if (!c || !define_type(s->store, type, &with.type)) {
        free(c);
        return NULL;
    }
    FuncRef ref = 0;
    with.store = s;
    *c = with;
    fnvm_error *error = store_add_host_func(s->store, c->type, closure_call, c, NULL, &ref);
    fnvm_error_free(error);
    types_release(&s->store->engine->types, c->type);
    wasm_ref_t *r = error ? NULL : extern_ref(s, store_func_extern(s->store, ref));
    if (r) {
        c->next = s->closures;
        s->closures = c;
    } else {
        free(c); /* if the store has the function, nobody can name it */
    }
    return (wasm_func_t *)(void *)r;
}

wasm_func_t *wasm_func_new(wasm_store_t *s, const wasm_functype_t *type,
                           wasm_func_callback_t callback)
{
    return func_new(s, type, (Closure){.callback = callback});
}

wasm_func_t *wasm_func_new_with_env(wasm_store_t *s, const wasm_functype_t *type,
                                    wasm_func_callback_with_env_t callback, void *env,
                                    void (*finalizer)(void *))
{
    return func_new(s, type,
                    (Closure){.callback_with_env = callback, .env = env, .finalizer = finalizer});
}

/* ---- Any function ---- */

static const Type *func_type(const wasm_func_t *f)
{
    return f && f->ref.store ? store_func_type(f->ref.store->store, f->ref.key[0]) : NULL;
}

wasm_functype_t *wasm_func_type(const wasm_func_t *f)
{
    const Type *t = func_type(f);
    return t ? functype_of(&f->ref.store->store->engine->types, t) : NULL;
}

size_t wasm_func_param_arity(const wasm_func_t *f)
{
    const Type *t = func_type(f);
    return t ? t->nparams : 0;
}

size_t wasm_func_result_arity(const wasm_func_t *f)
{
    const Type *t = func_type(f);
    return t ? t->nresults : 0;
}

/* ---- Calls ---- */

static bool has_v128(const Type *t)
{
    return t->param_slots != t->nparams || t->result_slots != t->nresults;
}

static size_t values_in(const wasm_val_vec_t *v) { return v && v->data ? v->size : 0; }

static wasm_trap_t *call(wasm_store_t *s, const wasm_func_t *f, const Type *t,
                         const wasm_val_t *args, wasm_val_t *results)
{
    Slot slots[(t->param_slots > t->result_slots ? t->param_slots : t->result_slots) + 1];
    wasm_val_t values[t->nresults + 1];
    const Instance *into = f->ref.owner ? f->ref.owner->instance : NULL;
    wasm_trap_t *trap = values_to_slots(s, t->params, t->nparams, args, into, "argument", slots);
    if (trap) return trap;
    fnvm_error *error = run_call(s->store, f->ref.key[0], slots);
    if (error) return trap_from_error(s, error);
    trap = values_from_slots(s, t->results, t->nresults, slots, values);
    if (!trap && t->nresults) memcpy(results, values, t->nresults * sizeof *results);
    return trap;
}

wasm_trap_t *wasm_func_call(const wasm_func_t *f, const wasm_val_vec_t *args,
                            wasm_val_vec_t *results)
{
    const Type *t = func_type(f);
    if (!t) return trap_new(NULL, "not a function, or its store was deleted");
    wasm_store_t *s = f->ref.store;
    if (values_in(args) < t->nparams || values_in(results) < t->nresults)
        return trap_new(
            s,
            "the function takes %u arguments and gives %u results; there are %zu, and room for %zu",
            t->nparams, t->nresults, values_in(args), values_in(results));
    if (has_v128(t))
        return trap_new(s, "the function takes or gives v128 values, which this interface has not");
    store_enter(s);
    heap_enter(s->store);
    wasm_trap_t *trap = call(s, f, t, args ? args->data : NULL, results ? results->data : NULL);
    heap_leave(s->store);
    store_leave(s);
    return trap;
}
