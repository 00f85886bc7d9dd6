/* A guest that waits has its frames on its own stack and nothing on the host's: the engines left them
 * as they do for a trap, and the dispatcher did not take them away (vm/run.c).  Going on pushes
 * nothing: the host function is called again or its results are put in their place, and then the
 * innermost frame says what comes next. */
#include "vm/waiting.h"

#include "vm/heap.h"
#include "vm/run.h"

fnvm_error *waiting_refuses(const char *what)
{
    return fnvm_error_new(FNVM_E_USAGE, "%s while the store's guest waits in a host function: let it "
                          "go on with fnvm_store_resume, or give it up with fnvm_store_abandon",
                          what);
}

/* ---- Leaving ---- */

fnvm_error *fnvm_caller_suspend(fnvm_caller *caller, fnvm_wake wake)
{
    Store *s = caller->store;
    if (s->host_depth > 1)
        return fnvm_error_new(FNVM_E_USAGE, "the guest cannot be left waiting: a host function, or the "
                              "linking of an import, has called back into it; wait in the host "
                              "function instead");
    if (!s->stack_owner || !s->host_call.func)
        return fnvm_error_new(FNVM_E_USAGE, "the host function was not called by a guest, so there is "
                              "none that could be left waiting");
    if (s->starting)
        return fnvm_error_new(FNVM_E_USAGE, "a module's start function cannot be left waiting: call "
                              "what waits once it is instantiated");
    if (wake != FNVM_WAKE_RETURN && wake != FNVM_WAKE_REPEAT)
        return fnvm_error_new(FNVM_E_USAGE, "%d is no way to wake a guest", (int)wake);
    s->host_call.wake = (uint8_t)(1 + wake);
    return error_suspended();
}

bool fnvm_store_suspended(const fnvm_store *s) { return s->waiting.owner != NULL; }

/* ---- Going on ---- */

static fnvm_error *call_again(Store *s, const HostCall *call, const Type *type)
{
    s->repeating = true;
    fnvm_error *error = run_host(s, call->caller, call->func, type, call->args);
    s->repeating = false;
    return error;
}

/* RunPush of a call that waits: all of it is there.  `env` is the host function's results in their
 * slots; NULL: it is called again. */
static fnvm_error *push_waiting(Run *run, FuncRef func, void *env, const Slot **results,
                                RunExit *next)
{
    (void)func;
    const Slot *answer = env;
    Store *s = run->store;
    const Waiting w = s->waiting;
    const Type *type = store_func_type(s, w.call.func);
    s->waiting = (Waiting){0};
    *results = stack_slot(run->stack, w.results);
    if (store_interrupted(s)) {
        *next = run_trap(run, FNVM_TRAP_INTERRUPTED);
        return NULL;
    }
    if (answer) memcpy(w.call.args, answer, type->result_slots * sizeof *answer);
    else run->error = call_again(s, &w.call, type);
    *next = run->error ? run_host_failed(run)
                       : run_host_returned(run, type, slot_number(run->stack, w.call.args));
    return NULL;
}

fnvm_error *results_from_slots(Store *s, const Type *t, const Slot *slots, fnvm_val *results)
{
    for (uint32_t i = 0; i < t->nresults; i++) {
        fnvm_error *error = store_value_from_slots(s, slots, t->results[i], &results[i]);
        if (error) return error;
        slots += type_slots(t->results[i]);
    }
    return NULL;
}

static fnvm_error *go_on(Store *s, Slot *answer, fnvm_val *results)
{
    const Type *t = store_func_type(s, s->entry);
    Slot slots[t->result_slots + 1];
    heap_enter(s); /* until the results have handles */
    fnvm_error *error = run_pushed(s, s->entry, push_waiting, answer, slots);
    if (!error) error = results_from_slots(s, t, slots, results);
    heap_leave(s);
    return error;
}

/* Whether the guest waits like this, for a call with as many results. */
static fnvm_error *check_resume(Store *s, fnvm_wake wake, size_t nresults)
{
    if (!s->waiting.owner)
        return fnvm_error_new(FNVM_E_USAGE, "no guest waits in the store, or it went on already");
    if (s->waiting.call.wake != 1 + wake)
        return fnvm_error_new(FNVM_E_USAGE, wake == FNVM_WAKE_RETURN
                              ? "the guest's host function is to be called again and takes no answer: "
                                "use fnvm_store_resume"
                              : "the guest waits for what its host function returns: use "
                                "fnvm_store_resume_with");
    const Type *t = store_func_type(s, s->entry);
    if (nresults != t->nresults)
        return fnvm_error_new(FNVM_E_USAGE, "the suspended call gives %u results, not %zu",
                              t->nresults, nresults);
    return NULL;
}

fnvm_error *waiting_repeat(Store *s, fnvm_val *results, size_t nresults)
{
    fnvm_error *error = check_resume(s, FNVM_WAKE_REPEAT, nresults);
    return error ? error : go_on(s, NULL, results);
}

/* What the embedder gives as the guest is to find it: i32 with an upper half of zero, handles as
 * references. */
static fnvm_error *settle_answer(Store *s, const Type *t, const fnvm_slot *answer, Slot *out)
{
    for (uint32_t i = 0, at = 0; i < t->nresults; at += type_slots(t->results[i]), i++) {
        const ValType type = t->results[i];
        fnvm_error *error = NULL;
        if (type == TYPE_I32) {
            out[at].i64 = answer[at].i32;
        } else if (type_is_ref(type)) {
            const fnvm_val v = {.kind = FNVM_REF, .of = {.ref = answer[at].ref}};
            error = store_value_to_slots(s, &v, type, &out[at]);
        } else {
            memcpy(&out[at], &answer[at], type_slots(type) * sizeof *out);
        }
        if (error) return fnvm_error_wrap(error, "result %u is not the host function's", i);
    }
    return NULL;
}

fnvm_error *fnvm_store_resume_with(fnvm_store *s, const fnvm_slot *answer, fnvm_val *results,
                                   size_t nresults)
{
    fnvm_error *error = check_resume(s, FNVM_WAKE_RETURN, nresults);
    if (error) return error;
    const Type *host = store_func_type(s, s->waiting.call.func);
    Slot settled[host->result_slots + 1];
    error = settle_answer(s, host, answer, settled);
    return error ? error : go_on(s, settled, results);
}

/* The collector, on another thread, may look at any moment: a stack that nobody waits on is read
 * with care. */
void fnvm_store_abandon(fnvm_store *s)
{
    const Waiting w = s->waiting;
    if (!w.owner) return;
    store_touch(s);
    heap_enter(s);
    s->waiting = (Waiting){0};
    atomic_signal_fence(memory_order_seq_cst);
    run_forget_frames(s, w.owner, w.results);
    w.owner->context->stack = w.before;
    s->cpu.top = 0;
    heap_leave(s);
}

/* ---- Looking ---- */

void waiting_expose(Store *s)
{
    if (!s->waiting.owner) return;
    s->stack_owner = s->waiting.owner;
    s->host_call = s->waiting.call;
    s->host_depth = 1;
}

void waiting_conceal(Store *s)
{
    if (!s->waiting.owner) return;
    s->stack_owner = NULL;
    s->host_call = (HostCall){0};
    s->host_depth = 0;
}
