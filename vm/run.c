/* The dispatcher: a call from the host pushes an entry frame on the guest's stack and runs the
 * innermost frame until that entry frame returns, traps or throws.  Whatever happens, the stack is
 * afterwards as it was before the call. */
#include "vm/run.h"

#include "vm/coredump.h"
#include "vm/frames.h"
#include "vm/heap.h"
#include "vm/tunables.h"

/* A host function called by the host itself: no guest stack is involved.  It counts as a nested
 * call all the same, since the guest may have exported to a host function that very function. */
static fnvm_error *call_host(Store *store, FuncRef func, Slot *slots)
{
    HostFunc *h = &store->host_funcs[funcref_func(func)];
    fnvm_caller caller = {store, NULL};
    store->host_depth++;
    fnvm_error *error = h->fn(&caller, h->env, slots);
    store->host_depth--;
    return error;
}

static fnvm_error *exhausted(void)
{
    return fnvm_error_trap_new(FNVM_TRAP_STACK_EXHAUSTED, "%s",
                               fnvm_trap_text(FNVM_TRAP_STACK_EXHAUSTED));
}

fnvm_error *run_verified(Module *m, uint32_t func, const FuncCode **code)
{
    fnvm_error *cause = verifier_function(m, func, code);
    if (!cause || cause->code == FNVM_E_MEMORY) return cause;
    fnvm_error *e = fnvm_error_trap_new(FNVM_TRAP_VERIFY, "%s", fnvm_trap_text(FNVM_TRAP_VERIFY));
    if (e->is_static) {
        fnvm_error_free(cause);
        return e;
    }
    e->cause = cause;
    return e;
}

/* Pushes the entry frame, its arguments at the first free slots. */
static fnvm_error *push_entry(Instance *owner, Instance *inst, FuncRef func, const Slot *args,
                              uint32_t result_slots)
{
    const FuncCode *code;
    fnvm_error *error = run_verified(inst->module, funcref_func(func), &code);
    if (error) return error;

    Stack *stack = &owner->context->stack;
    Slot *fp = (Slot *)(void *)owner->stack_base + stack->top;
    Frame *inner = frame_at(owner, stack->frames);
    uint32_t slots = code->param_slots > result_slots ? code->param_slots : result_slots;
    if ((uint8_t *)(fp + slots) > (uint8_t *)(inner - 1)) return exhausted();
    memcpy(fp, args, code->param_slots * sizeof *fp);
    Frame *f = frame_push(owner, inner, fp, inst, code, FRAME_ENTRY);
    if (!f) return exhausted();
    stack->frames = frame_offset(owner, f);
    stack->top += code->local_slots;
    return NULL;
}

static fnvm_error *run_frames(Run *run, const Slot *results, Slot *slots, uint32_t result_slots)
{
    Store *store = run->store;
    switch (interpreter_run(run)) {
    case RUN_DONE:
        memcpy(slots, results, result_slots * sizeof *slots);
        return NULL;
    case RUN_THROW: {
        fnvm_error *e = fnvm_error_new(FNVM_E_EXCEPTION, "uncaught exception");
        backtrace_attach(run, e);
        store->exception = run->exception; /* an outer guest frame may catch it */
        return e;
    }
    case RUN_FAILED:
        coredump_record(run);
        return run->error;
    }
    return NULL;
}

fnvm_error *run_call(Store *store, FuncRef func, Slot *slots)
{
    if (!func) return fnvm_error_new(FNVM_E_USAGE, "the function is a null reference");
    if (store->host_depth >= TUNE_HOST_CALL_DEPTH) return exhausted();
    if (funcref_instance(func) == 0) return call_host(store, func, slots);

    Instance *inst = store->instances[funcref_instance(func)];
    Instance *outer = store->stack_owner, *owner = outer ? outer : inst;
    Stack *stack = &owner->context->stack;
    const Stack saved = *stack;
    uint32_t result_slots = store_func_type(store, func)->result_slots;
    const Slot *results = (Slot *)(void *)owner->stack_base + saved.top;
    Run run = {.store = store, .stack = owner};

    if (!outer) heap_enter(store);
    store->stack_owner = owner;
    store->host_depth++;
    fnvm_error *error = push_entry(owner, inst, func, slots, result_slots);
    if (!error) error = run_frames(&run, results, slots, result_slots);
    store->host_depth--;
    store->stack_owner = outer;
    *stack = saved;
    if (!outer) {
        store->exception = 0; /* nobody is left who could catch it */
        heap_leave(store);
    }
    return error;
}
