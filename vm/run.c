/* The dispatcher: a call from the host pushes a marker on the guest's stack and then lets the
 * engines run, each as far as it can, until the marker is reached again, or something traps or
 * throws.  Whatever happens, the stack is afterwards as it was before the call; unless the guest was
 * left waiting in a host function, when it stays as it is (vm/waiting.c). */
#include "vm/run.h"

#include "jit/enter.h"
#include "jit/fault.h"
#include "vm/coredump.h"
#include "vm/heap.h"
#include "vm/limits.h"
#include "vm/tunables.h"
#include "vm/waiting.h"

/* ---- What both engines need ---- */

TypeId run_func_type(const Store *store, FuncRef ref)
{
    uint32_t id = funcref_instance(ref);
    return id ? store->instances[id]->module->funcs[funcref_func(ref)]
              : store->host_funcs[funcref_func(ref)].type;
}

fnvm_error *run_interrupted(void)
{
    return fnvm_error_trap_new(FNVM_TRAP_INTERRUPTED, "%s", fnvm_trap_text(FNVM_TRAP_INTERRUPTED));
}

fnvm_error *run_verified(Store *s, Module *m, uint32_t func, const FuncCode **code)
{
    const Stop stop = store_stop(s);
    fnvm_error *cause = verifier_function_unless(m, func, stop, code);
    if (!cause || cause->code == FNVM_E_MEMORY) return cause;
    if (stop_wanted(stop)) {
        fnvm_error_free(cause);
        return run_interrupted();
    }
    fnvm_error *e = fnvm_error_trap_new(FNVM_TRAP_VERIFY, "%s", fnvm_trap_text(FNVM_TRAP_VERIFY));
    if (e->is_static) {
        fnvm_error_free(cause);
        return e;
    }
    e->cause = cause;
    return e;
}

/* Results come from a host function with unused halves as it pleased. */
static void normalise_results(const Type *t, Slot *slots)
{
    for (uint32_t i = 0, s = 0; i < t->nresults; s += type_slots(t->results[i]), i++)
        if (t->results[i] == TYPE_I32) slots[s].i64 = slots[s].i32;
}

/* A host function has returned FNVM_E_SUSPENDED: of its own guest, perhaps wrapped, or of a guest of
 * another store, which means nothing here. */
static fnvm_error *waits(const HostCall *call, fnvm_error *error)
{
    if (call->wake && error->is_static) return error;
    fnvm_error_free(error);
    if (call->wake) return error_suspended();
    return fnvm_error_new(FNVM_E_USAGE, "a host function returned FNVM_E_SUSPENDED, and "
                          "fnvm_caller_suspend had not left its guest waiting");
}

fnvm_error *run_host(Store *store, Instance *caller_instance, FuncRef ref, const Type *type,
                     Slot *args)
{
    HostFunc *h = &store->host_funcs[funcref_func(ref)];
    fnvm_caller caller = {store, caller_instance};
    store->exception = 0; /* only what this call throws is thrown on */
    store->host_call = (HostCall){ref, caller_instance, args, 0}; /* run_pushed keeps outer ones */
    fnvm_error *error = h->fn(&caller, h->env, args);
    if (__builtin_expect(error && error->code == FNVM_E_SUSPENDED, 0)) {
        error = waits(&store->host_call, error);
        if (error->code == FNVM_E_SUSPENDED) return error; /* host_call stays */
    }
    store->host_call.func = 0;
    if (!error) normalise_results(type, args);
    return error;
}

RunExit run_host_failed(Run *run)
{
    Store *store = run->store;
    if (run->error->code == FNVM_E_SUSPENDED) return RUN_WAITING;
    if (run->error->code == FNVM_E_EXCEPTION && store->exception) {
        run->exception = store->exception;
        store->exception = 0;
        fnvm_error_free(run->error);
        run->error = NULL;
        return run_throw(run);
    }
    if (run->error->nframes == 0) backtrace_attach(store, run->error);
    return RUN_FAILED;
}

RunExit run_host_returned(Run *run, const Type *type, uint32_t at)
{
    Stack *stack = &run->stack->context->stack;
    if (store_interrupted(run->store)) return run_trap(run, FNVM_TRAP_INTERRUPTED);
    if (stack->compiled) {
        jit_prepare_waking(run);
        return RUN_LAND;
    }
    stack->top = at + type->result_slots;
    const uint32_t flags = stack_top_frame(run->stack)->flags;
    return flags & FRAME_ENTRY ? RUN_DONE : flags & FRAME_COMPILED ? RUN_RETURN : RUN_RESUME;
}

RunExit run_trap(Run *run, fnvm_trap trap)
{
    if (trap == FNVM_TRAP_OUT_OF_FUEL) run->store->fuel = 0;
    if (trap == FNVM_TRAP_STACK_EXHAUSTED && store_interrupted(run->store))
        trap = FNVM_TRAP_INTERRUPTED;
    run->error = store_trap_error(run->store, trap);
    backtrace_attach(run->store, run->error);
    return RUN_FAILED;
}

RunExit run_throw(Run *run)
{
    RunExit next = RUN_THROW;
    if (!store_interrupted(run->store)) next = unwind_to_handler(run, run->exception);
    if (next == RUN_THROW && store_interrupted(run->store))
        return run_trap(run, FNVM_TRAP_INTERRUPTED);
    return next;
}

/* ---- Calls by the host ---- */

/* A host function called by the host itself: no guest stack is involved.  It counts as a nested
 * call all the same, since the guest may have exported to a host function that very function. */
static fnvm_error *call_host(Store *store, FuncRef func, Slot *slots)
{
    HostFunc *h = &store->host_funcs[funcref_func(func)];
    fnvm_caller caller = {store, NULL};
    store->host_depth++;
    fnvm_error *error = h->fn(&caller, h->env, slots);
    store->host_depth--;
    return error && error->code == FNVM_E_SUSPENDED ? waits(&(HostCall){0}, error) : error;
}

static fnvm_error *exhausted(const Store *store)
{
    return store_trap_error(store, FNVM_TRAP_STACK_EXHAUSTED);
}

/* The host's stack, of which each nested call takes some. */
static fnvm_error *nested_too_deep(void)
{
    return fnvm_error_trap_new(FNVM_TRAP_STACK_EXHAUSTED, "%s: %d calls by the host are nested in "
                               "one another, and more must not be",
                               fnvm_trap_text(FNVM_TRAP_STACK_EXHAUSTED), TUNE_HOST_CALL_DEPTH);
}

/* Pushes the marker that ends this call, with what is needed to read the frames outside of it. */
static Frame *push_marker(Run *run, uint32_t top)
{
    Instance *owner = run->stack;
    Stack *stack = &owner->context->stack;
    const GuestCpu *cpu = &run->store->cpu;
    Frame *f = stack->compiled ? (Frame *)(void *)cpu->sp : stack_top_frame(owner);
    *--f = (Frame){.fp = top, .flags = FRAME_ENTRY};
    if (stack->compiled) {
        f->flags |= FRAME_COMPILED;
        f->fp = slot_number(owner, cpu->fp - JIT_FP_BIAS);
        f->instance = cpu->instance->id;
    }
    stack->frames = frame_offset(owner, f);
    stack->top = top;
    stack->compiled = 0;
    return f;
}

/* Room on the control stack below its innermost word, for `slots` more slots and two Frames. */
static bool has_room(const Run *run, uint32_t top, uint32_t slots)
{
    const Stack *stack = &run->stack->context->stack;
    uint32_t inner = stack->compiled ? frame_offset(run->stack, run->store->cpu.sp)
                                     : stack->frames;
    return ((uint64_t)top + slots) * sizeof(Slot) + 2 * sizeof(Frame) <= inner;
}

/* RunPush of a call from its start; `env` is its arguments.  The marker, the arguments at the first
 * free slots, and the function's frame unless compiled code makes that itself. */
static fnvm_error *push_entry(Run *run, FuncRef func, void *env, const Slot **results,
                              RunExit *next)
{
    const FuncCode *code;
    const Slot *args = env;
    Instance *inst = run->store->instances[funcref_instance(func)];
    fnvm_error *error = run_verified(run->store, inst->module, funcref_func(func), &code);
    if (error) return error;

    Instance *owner = run->stack;
    Stack *stack = &owner->context->stack;
    uint32_t top, slots = code->param_slots > code->result_slots ? code->param_slots
                                                                 : code->result_slots;
    if (!frames_top(run->store, owner, &top) || !has_room(run, top, slots))
        return exhausted(run->store);
    Slot *fp = stack_slot(owner, top);
    *results = fp;
    Frame *marker = push_marker(run, top);
    memcpy(fp, args, code->param_slots * sizeof *fp);
    if (jit_runs(inst, code->func)) {
        stack->top += code->param_slots;
        run->callee = func;
        *next = RUN_CALL;
        return NULL;
    }
    Frame *f = frame_push(owner, marker, fp, inst, code);
    if (!f) return exhausted(run->store);
    stack->frames = frame_offset(owner, f);
    stack->top += code->local_slots;
    *next = RUN_RESUME;
    return NULL;
}

/* Lets the engines take turns until the call has ended. */
static RunExit run_engines(Run *run, RunExit next)
{
    for (;;) {
        switch (next) {
        case RUN_RESUME: next = interpreter_run(run); break;
        case RUN_CALL: next = jit_call(run); break;
        case RUN_RETURN: next = jit_return(run); break;
        case RUN_LAND: next = jit_land(run); break;
        case RUN_DONE:
        case RUN_FAILED:
        case RUN_THROW:
        case RUN_WAITING: return next;
        }
    }
}

void run_forget_frames(Store *store, Instance *owner, uint32_t from)
{
    uint32_t top;
    if (!store->heap || !frames_top(store, owner, &top) || top <= from) return;
    memset(stack_slot(owner, from), 0, (top - from) * sizeof(Slot));
}

static fnvm_error *run_frames(Run *run, RunExit next)
{
    switch (run_engines(run, next)) {
    case RUN_THROW: {
        fnvm_error *e = fnvm_error_new(FNVM_E_EXCEPTION, "uncaught exception");
        backtrace_attach(run->store, e);
        run->store->exception = run->exception; /* an outer guest frame may catch it */
        return e;
    }
    case RUN_FAILED:
        coredump_record(run);
        return run->error;
    case RUN_WAITING: return run->error;
    default: return NULL;
    }
}

/* Makes the store the thread's one to run: faults in its code are its traps. */
static fnvm_error *run_entered(Run *run, FuncRef func, RunPush *push, void *env, Slot *slots)
{
    Store *store = run->store;
    uint32_t result_slots = store_func_type(store, func)->result_slots;
    const Slot *results = NULL;
    RunExit next = RUN_DONE;
    Store *before = store->engine->code_space ? fault_run_begin(store) : NULL;
    if (before != store) heap_know_code(store);
    fnvm_error *error = push(run, func, env, &results, &next);
    if (!error) {
        error = run_frames(run, next);
        const uint32_t first = slot_number(run->stack, results);
        if (!error) memcpy(slots, results, result_slots * sizeof *slots);
        else if (error->code == FNVM_E_SUSPENDED) store->waiting.results = first;
        else run_forget_frames(store, run->stack, first);
    }
    if (store->engine->code_space) fault_run_end(before);
    if (before && before != store) heap_know_code(before);
    return error;
}

/* The outermost call is left with its frames where they are.  For the collector, which from now on
 * takes them to be at rest, the innermost one's end has to be known. */
static void leave_waiting(Store *store, Instance *owner, const Stack *before)
{
    uint32_t top;
    if (store->heap) frames_top(store, owner, &top);
    store->waiting.call = store->host_call;
    store->waiting.before = *before;
    store->waiting.owner = owner;
    store->host_call = (HostCall){0};
    store->host_depth--;
    store->stack_owner = NULL;
    heap_leave(store);
}

fnvm_error *run_pushed(Store *store, FuncRef func, RunPush *push, void *env, Slot *slots)
{
    Instance *inst = store->instances[funcref_instance(func)];
    Instance *outer = store->stack_owner, *owner = outer ? outer : inst;
    const Stack saved = store->waiting.owner ? store->waiting.before : owner->context->stack;
    const HostCall host_call = store->host_call;
    GuestCpu *cpu = &store->cpu;
    uint8_t *const sp = cpu->sp, *const fp = cpu->fp;
    Instance *const instance = cpu->instance;
    const uint32_t top = cpu->top;
    Run run = {.store = store, .stack = owner};

    if (!outer) {
        store_touch(store);
        heap_enter(store);
        store->entry = func;
    }
    store->stack_owner = owner;
    store->host_call.func = 0;
    store->host_depth++;
    fnvm_error *error = run_entered(&run, func, push, env, slots);
    if (error && error->code == FNVM_E_SUSPENDED) {
        leave_waiting(store, owner, &saved);
        return error;
    }
    store->host_depth--;
    store->host_call = host_call;
    store->stack_owner = outer;
    owner->context->stack = saved;
    cpu->sp = sp, cpu->fp = fp, cpu->instance = instance, cpu->top = top;
    if (!outer) {
        cpu->top = 0; /* it may have waited */
        store->exception = 0; /* nobody is left who could catch it */
        heap_leave(store);
    }
    return error;
}

fnvm_error *run_call(Store *store, FuncRef func, Slot *slots)
{
    if (!func) return fnvm_error_new(FNVM_E_USAGE, "the function is a null reference");
    if (store->waiting.owner) return waiting_refuses("a function is called");
    if (store->host_depth >= TUNE_HOST_CALL_DEPTH) return nested_too_deep();
    if (funcref_instance(func) == 0) return call_host(store, func, slots);
    return run_pushed(store, func, push_entry, slots, slots);
}
