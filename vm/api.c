/* The public functions over instances and what they define.  Host values are checked on their way
 * in, since nothing behind here checks them again; references leave only as handles. */
#include <string.h>

#include "vm/heap.h"
#include "vm/run.h"
#include "vm/waiting.h"

/* ---- Values ---- */

enum { TYPE_TEXT = 256 };

static const char *kind_name(fnvm_kind kind)
{
    static const char *const names[] = {"i32", "i64", "f32", "f64", "v128", "a reference"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "no kind of value";
}

static fnvm_error *wrong_type(Store *s, ValType expected, const char *found)
{
    char text[TYPE_TEXT];
    types_print(&s->engine->types, expected, text, sizeof text);
    return fnvm_error_new(FNVM_E_USAGE, "expected a value of type %s, found %s", text, found);
}

static fnvm_error *ref_to_slot(Store *s, fnvm_ref ref, ValType type, Slot *out)
{
    HeapType top;
    uint64_t bits;
    if (!store_ref_bits(s, ref, &top, &bits)) {
        return fnvm_error_new(FNVM_E_USAGE, "not a reference of this store, or one given up");
    }
    if (!store_ref_fits(s, top, bits, type)) {
        return wrong_type(s, type, bits ? "a reference of another type" : "null");
    }
    out->i64 = bits;
    return NULL;
}

fnvm_error *store_value_to_slots(Store *s, const fnvm_val *v, ValType type, Slot *out)
{
    if (v->kind != fnvm_valtype_kind(type)) return wrong_type(s, type, kind_name(v->kind));
    switch (v->kind) {
    case FNVM_I32: out->i64 = (uint32_t)v->of.i32; return NULL;
    case FNVM_I64: out->i64 = (uint64_t)v->of.i64; return NULL;
    case FNVM_F32: out->i64 = 0; memcpy(&out->f32, &v->of.f32, sizeof out->f32); return NULL;
    case FNVM_F64: memcpy(out, &v->of.f64, sizeof *out); return NULL;
    case FNVM_V128: memcpy(out, v->of.v128, sizeof v->of.v128); return NULL;
    case FNVM_REF: return ref_to_slot(s, v->of.ref, type, out);
    }
    return NULL;
}

fnvm_error *store_value_from_slots(Store *s, const Slot *slots, ValType type, fnvm_val *out)
{
    *out = (fnvm_val){.kind = fnvm_valtype_kind(type)};
    switch (out->kind) {
    case FNVM_I32: out->of.i32 = (int32_t)slots->i32; return NULL;
    case FNVM_I64: out->of.i64 = (int64_t)slots->i64; return NULL;
    case FNVM_F32: memcpy(&out->of.f32, &slots->f32, sizeof out->of.f32); return NULL;
    case FNVM_F64: memcpy(&out->of.f64, &slots->f64, sizeof out->of.f64); return NULL;
    case FNVM_V128: memcpy(out->of.v128, slots, sizeof out->of.v128); return NULL;
    case FNVM_REF: break;
    }
    HeapType top = types_top(&s->engine->types, type_heap(type));
    return store_ref_handle(s, top, slots->i64, &out->of.ref);
}

fnvm_error *fnvm_slot_to_ref(fnvm_caller *caller, const fnvm_slot *slot, fnvm_valtype type,
                             fnvm_ref *out)
{
    Store *s = caller->store;
    *out = 0;
    if (!type_is_ref(type)) return fnvm_error_new(FNVM_E_USAGE, "not a reference type");
    HeapType top = types_top(&s->engine->types, type_heap(type));
    if (!store_ref_fits(s, top, slot->i64, type)) return wrong_type(s, type, "another reference");
    return store_ref_handle(s, top, slot->i64, out);
}

fnvm_error *fnvm_slot_from_ref(fnvm_caller *caller, fnvm_ref ref, fnvm_valtype type,
                               fnvm_slot *out)
{
    if (!type_is_ref(type)) return fnvm_error_new(FNVM_E_USAGE, "not a reference type");
    return ref_to_slot(caller->store, ref, type, out);
}

/* ---- Functions ---- */

fnvm_error *fnvm_func_new(fnvm_store *s, const char *type, fnvm_host_fn fn, void *env,
                          fnvm_extern *out)
{
    TypeId id;
    FuncRef ref;
    fnvm_error *error = types_parse_func(&s->engine->types, type, &id);
    if (error) return error;
    error = store_add_host_func(s, id, fn, env, NULL, &ref);
    types_release(&s->engine->types, id);
    if (!error) *out = store_func_extern(s, ref);
    return error;
}

static size_t copy_types(const ValType *from, size_t n, fnvm_valtype *types, size_t max)
{
    for (size_t i = 0; i < n && i < max; i++) types[i] = from[i];
    return n;
}

static const Type *func_type(Store *s, fnvm_extern e)
{
    const bool ours = e.kind == FNVM_EXTERN_FUNC && store_has_extern(s, e);
    return ours ? store_func_type(s, e.of[0]) : NULL;
}

size_t fnvm_func_params(fnvm_store *s, fnvm_extern e, fnvm_valtype *types, size_t max)
{
    const Type *t = func_type(s, e);
    return t ? copy_types(t->params, t->nparams, types, max) : 0;
}

size_t fnvm_func_results(fnvm_store *s, fnvm_extern e, fnvm_valtype *types, size_t max)
{
    const Type *t = func_type(s, e);
    return t ? copy_types(t->results, t->nresults, types, max) : 0;
}

static fnvm_error *args_to_slots(Store *s, const Type *t, const fnvm_val *args, Slot *slots)
{
    for (uint32_t i = 0; i < t->nparams; i++) {
        fnvm_error *error = store_value_to_slots(s, &args[i], t->params[i], slots);
        if (error) return fnvm_error_wrap(error, "argument %u is not what the function takes", i);
        slots += type_slots(t->params[i]);
    }
    return NULL;
}

fnvm_error *fnvm_func_call(fnvm_store *s, fnvm_extern func, const fnvm_val *args, size_t nargs,
                           fnvm_val *results, size_t nresults)
{
    const Type *t = func_type(s, func);
    if (!t) return fnvm_error_new(FNVM_E_USAGE, "not a function of this store");
    if (nargs != t->nparams || nresults != t->nresults) {
        return fnvm_error_new(FNVM_E_USAGE,
                              "the function takes %u arguments and gives %u results, not %zu "
                              "and %zu", t->nparams, t->nresults, nargs, nresults);
    }
    if ((nargs && !args) || (nresults && !results))
        return fnvm_error_new(FNVM_E_USAGE, "the values of the call were given as NULL");
    /* On the C stack (the registry bounds both), where the collector sees references. */
    Slot slots[(t->param_slots > t->result_slots ? t->param_slots : t->result_slots) + 1];
    fnvm_error *error = args_to_slots(s, t, args, slots);
    if (error) return error;
    heap_enter(s); /* until the results have handles */
    error = run_call(s, func.of[0], slots);
    if (!error) error = results_from_slots(s, t, slots, results);
    heap_leave(s);
    return error;
}

/* Whether all are numbers or vectors; an i32 gets an upper half of zero, if there are slots. */
static bool plain(const ValType *types, uint32_t n, Slot *slots)
{
    for (uint32_t i = 0; i < n; i++) {
        if (type_is_ref(types[i])) return false;
        if (!slots) continue;
        if (types[i] == TYPE_I32) slots->i64 = slots->i32;
        slots += type_slots(types[i]);
    }
    return true;
}

fnvm_error *fnvm_func_call_slots(fnvm_store *s, fnvm_extern func, fnvm_slot *slots)
{
    const Type *t = func_type(s, func);
    if (!t) return fnvm_error_new(FNVM_E_USAGE, "not a function of this store");
    if (!plain(t->results, t->nresults, NULL) || !plain(t->params, t->nparams, slots))
        return fnvm_error_new(FNVM_E_USAGE, "the function takes or gives references, which slots have "
                              "no room to check: use fnvm_func_call");
    return run_call(s, func.of[0], slots);
}

fnvm_error *fnvm_ref_from_func(fnvm_store *s, fnvm_extern func, fnvm_ref *out)
{
    *out = 0;
    if (!func_type(s, func)) return fnvm_error_new(FNVM_E_USAGE, "not a function of this store");
    return store_ref_handle(s, HEAP_FUNC, func.of[0], out);
}

bool fnvm_ref_func(fnvm_store *s, fnvm_ref ref, fnvm_extern *out)
{
    HeapType top;
    uint64_t bits;
    if (!store_ref_bits(s, ref, &top, &bits) || top != HEAP_FUNC || !bits) return false;
    *out = store_func_extern(s, bits);
    return true;
}

/* ---- Callers ---- */

fnvm_store *fnvm_caller_store(fnvm_caller *caller) { return caller->store; }
fnvm_instance *fnvm_caller_instance(fnvm_caller *caller) { return caller->instance; }

bool fnvm_caller_memory(fnvm_caller *caller, uint8_t **base, uint64_t *size)
{
    const MemoryRef *memory = caller_memory(caller);
    if (!memory) return false;
    caller->store->memory_exposed = true;
    *base = memory->base;
    *size = memory->state->size;
    return true;
}

bool fnvm_caller_interrupted(fnvm_caller *caller)
{
    return atomic_load_explicit(&caller->store->interrupt, memory_order_relaxed);
}

int fnvm_caller_interrupt_fd(fnvm_caller *caller) { return store_interrupt_fd(caller->store); }

/* ---- Instances, globals, memories ---- */

fnvm_module *fnvm_instance_module(const fnvm_instance *inst) { return inst->module; }

bool fnvm_instance_export(fnvm_instance *inst, const char *name, size_t name_len,
                          fnvm_extern *out)
{
    const Export *e = module_find_export(inst->module, name_len ? name : "", name_len);
    if (!e) return false;
    *out = instance_extern(inst, (fnvm_externkind)e->kind, e->index);
    return out->kind != FNVM_EXTERN_FUNC || out->of[0] != 0; /* an import that failed to link */
}

/* Externs name the owner, so that the global is one of its own. */
static Slot *extern_global(Store *s, fnvm_extern e, GlobalType *type)
{
    const Instance *inst = store_extern_instance(s, e, FNVM_EXTERN_GLOBAL);
    if (!inst) return NULL;
    const Module *m = inst->module;
    if (e.of[1] < m->n_imported_globals || e.of[1] >= m->nglobals) return NULL;
    *type = m->globals[e.of[1]].type;
    return inst->globals + 2 * (e.of[1] - m->n_imported_globals);
}

fnvm_error *fnvm_global_get(fnvm_store *s, fnvm_extern e, fnvm_val *out)
{
    GlobalType type;
    const Slot *value = extern_global(s, e, &type);
    if (!value) return fnvm_error_new(FNVM_E_USAGE, "not a global of this store");
    return store_value_from_slots(s, value, type.type, out);
}

fnvm_error *fnvm_global_set(fnvm_store *s, fnvm_extern e, const fnvm_val *v)
{
    GlobalType type;
    Slot *value = extern_global(s, e, &type);
    if (!value) return fnvm_error_new(FNVM_E_USAGE, "not a global of this store");
    if (!type.is_mutable) return fnvm_error_new(FNVM_E_USAGE, "the global is immutable");
    store_touch(s);
    return store_value_to_slots(s, v, type.type, value);
}
