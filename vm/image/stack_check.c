/* Whether what an image says of a suspended call can be: the frames are one another's callers, all
 * slots lie where the code will look for them, and values are of the types that the verifier
 * found.  Then the engines need no checks that they do not have anyway.
 *
 * A frame's function need not be the one that its caller names: a function that was called may have
 * made a tail call.  What matters to the caller is that the results are of the types it expects. */
#include <stdlib.h>

#include "vm/image/suspended.h"

#define invalid(...) fnvm_error_new(FNVM_E_INVALID, "the image's suspended call: " __VA_ARGS__)

typedef struct WaitsFor { uint32_t args; TypeId callee; } WaitsFor;

typedef struct Check {
    Store *store;
    Instance *owner;
    const ImageFrame *frames;
    WaitsFor *waits;          /* by frame */
} Check;

/* ---- Values ---- */

/* Null is let pass in locals of every type: every use of a reference looks, and capturing leaves it
 * where nothing will. */
static bool value_fits(Check *c, ValType type, uint32_t slot, bool is_local)
{
    const uint64_t bits = stack_slot(c->owner, slot)->i64;
    if (type == TYPE_I32) return bits <= UINT32_MAX; /* compiled code counts on it */
    if (!type_is_ref(type)) return true;
    if (types_top(&c->store->engine->types, type_heap(type)) == HEAP_FUNC)
        return (!bits && is_local) || func_ref_fits(c->store, bits, type);
    return true; /* zero, or what objects_check says */
}

static fnvm_error *check_frame(void *env, uint32_t i, const FrameTypes *t)
{
    Check *c = env;
    const uint32_t fp = c->frames[i].fp;
    if (!suspended_has_room(c->owner, (uint64_t)fp + t->code->frame_slots, i + 1))
        return invalid("frame %u does not fit into the stack", i);
    c->waits[i] = (WaitsFor){fp + t->args, t->callee};
    for (uint32_t v = 0; v < t->n; v++)
        if (!value_fits(c, t->values[v].type, fp + t->values[v].slot, v < t->nlocals))
            return invalid("slot %u of frame %u has no value of its type", t->values[v].slot, i);
    return NULL;
}

/* ---- Calls ---- */

static bool results_match(const TypeRegistry *types, const Type *sub, const Type *super)
{
    if (sub->nresults != super->nresults) return false;
    for (uint32_t i = 0; i < sub->nresults; i++)
        if (!types_is_sub(types, sub->results[i], super->results[i])) return false;
    return true;
}

static Instance *instance_at(const Store *store, uint32_t id)
{
    return id && id < store->ninstances ? store->instances[id] : NULL;
}

/* Whether `func` is a function of the instance's own. */
static bool is_own(const Instance *inst, uint32_t func)
{
    return func >= inst->module->n_imported_funcs && func < inst->module->nfuncs;
}

static fnvm_error *check_ends(Check *c, const ImageCall *call)
{
    Store *store = c->store;
    c->owner = instance_at(store, call->owner);
    if (!c->owner || funcref_instance(call->entry) != call->owner ||
        !is_own(c->owner, funcref_func(call->entry)))
        return invalid("it began with no function of the instance whose stack it is on");
    if (!instance_at(store, call->caller)) return invalid("no instance has called the host");
    const Type *host = store_func_type(store, call->host);
    if (!host || funcref_instance(call->host) != 0) return invalid("it is in no host function");
    if (!stack_can_wake(store, call)) return invalid("its host function cannot be woken like that");
    return NULL;
}

static fnvm_error *check_functions(const Check *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const Instance *inst = instance_at(c->store, c->frames[i].instance);
        if (!inst || !is_own(inst, c->frames[i].func))
            return invalid("frame %u is of no function", i);
    }
    return NULL;
}

/* From the entry, whose frame begins at the first slot, to the host function. */
static fnvm_error *check_chain(Check *c, const ImageCall *call, uint32_t n)
{
    const TypeRegistry *types = &c->store->engine->types;
    const Type *expected = store_func_type(c->store, call->entry);
    uint32_t args = 0;
    for (uint32_t i = 0; i < n; i++) {
        const ImageFrame *f = &c->frames[i];
        const Type *t = module_func_type(c->store->instances[f->instance]->module, f->func);
        if (f->fp != args) return invalid("frame %u is not where its caller's arguments are", i);
        if (!results_match(types, t, expected))
            return invalid("frame %u has other results than its caller expects", i);
        args = c->waits[i].args;
        expected = types_get(types, c->waits[i].callee);
    }
    const Type *host = store_func_type(c->store, call->host);
    if (!results_match(types, host, expected))
        return invalid("the host function has other results than its caller expects");
    if (call->args != args ||
        !suspended_has_room(c->owner, (uint64_t)call->args + host_slots(host), n))
        return invalid("the host function's arguments are not where they can be");
    for (uint32_t p = 0, slot = call->args; p < host->nparams; p++) {
        if (!value_fits(c, host->params[p], slot, false))
            return invalid("argument %u of the host function has no value of its type", p);
        slot += type_slots(host->params[p]);
    }
    return NULL;
}

fnvm_error *stack_check(Store *store, const ImageCall *call, const ImageFrame *frames, uint32_t n)
{
    Check c = {.store = store, .frames = frames};
    if (call->owner == 0) return n == 0 ? NULL : invalid("there are frames, but no call");
    fnvm_error *error = check_ends(&c, call);
    if (!error) error = check_functions(&c, n);
    if (!error && n > 0) {
        c.waits = calloc(n, sizeof *c.waits);
        error = c.waits ? frames_types(store, frames, n, check_frame, &c) : error_no_memory();
    }
    if (!error) error = check_chain(&c, call, n);
    free(c.waits);
    return error;
}
