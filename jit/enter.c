/* Entering compiled code and leaving it again.
 *
 * Compiled code is entered by jit_enter (stubs.S) with the registers that the store's GuestCpu has,
 * and left with a JitExit.  Between stretches of compiled frames, control frames say how to go on;
 * vm/frames.h has their forms.  Arguments move between registers and home slots by the callee's
 * type, here and nowhere else. */
#include "jit/enter.h"

#include "jit/fuel.h"
#include "jit/runtime.h"
#include "jit/segment.h"
#include "jit/x86_64/offsets.h"

/* Labels of stubs.S. */
extern const uint8_t jit_return_int[], jit_return_f32[], jit_return_f64[], jit_return_v128[];
extern const uint8_t jit_switch_return[], jit_resume[];
uint32_t jit_enter(GuestCpu *);

#define AT(type, field, offset)                                                                   \
    _Static_assert(offsetof(type, field) == (offset), "see jit/x86_64/offsets.h")
AT(GuestCpu, host_sp, CPU_HOST_SP);
AT(GuestCpu, sp, CPU_SP);
AT(GuestCpu, fp, CPU_FP);
AT(GuestCpu, instance, CPU_INSTANCE);
AT(GuestCpu, resume, CPU_RESUME);
AT(GuestCpu, ints, CPU_INTS);
AT(GuestCpu, floats, CPU_FLOATS);
AT(GuestCpu, callee, CPU_CALLEE);
AT(GuestCpu, trap, CPU_TRAP);
AT(GuestCpu, frames_described, CPU_FRAMES_DESCRIBED);
AT(Instance, links.memory, LINKS_MEMORY);
AT(Instance, links.cpu, LINKS_CPU);
AT(Instance, store, INSTANCE_STORE);
AT(Instance, id, INSTANCE_ID);
AT(Store, instances, STORE_INSTANCES);
_Static_assert(FP_BIAS == (int)JIT_FP_BIAS && EXIT_DONE == (int)JIT_DONE &&
                   EXIT_TRAP == (int)JIT_TRAP && TRAP_EXHAUSTED == (int)FNVM_TRAP_STACK_EXHAUSTED &&
                   CALL_DONE > (int)JIT_SWITCH && JIT_INT_ARGS == 6 && JIT_FLOAT_ARGS == 6,
               "see jit/x86_64/offsets.h");

ReturnKind jit_return_kind(const void *address)
{
    if (address == jit_switch_return) return RETURN_TO_INSTANCE;
    if (address == jit_return_int || address == jit_return_f32 || address == jit_return_f64 ||
        address == jit_return_v128)
        return RETURN_TO_FRAME;
    return RETURN_TO_CODE;
}

/* ---- Words of the control stack ---- */

static uint64_t word_of(const void *label) { return (uint64_t)(uintptr_t)label; }

static ReturnKind word_kind(const void *sp)
{
    uint64_t word;
    memcpy(&word, sp, sizeof word);
    return jit_return_kind((const void *)(uintptr_t)word);
}

static uint8_t *push_words(uint8_t *sp, uint64_t inner, uint64_t outer)
{
    uint64_t words[2] = {inner, outer};
    return memcpy(sp - sizeof words, words, sizeof words);
}

/* Pushes what makes a function of another instance return to compiled code of this one. */
static uint8_t *push_switch(uint8_t *sp, uint32_t instance)
{
    return push_words(sp, word_of(jit_switch_return), instance);
}

/* Pushes what makes compiled code that returns leave jit_enter, with `top` in use then. */
static uint8_t *push_bottom(uint8_t *sp, const Type *type, uint32_t top)
{
    ValType result = type->nresults ? type->results[0] : TYPE_I32;
    const uint8_t *label = result == TYPE_F32    ? jit_return_f32
                           : result == TYPE_F64  ? jit_return_f64
                           : result == TYPE_V128 ? jit_return_v128
                                                 : jit_return_int;
    return push_words(sp, word_of(label), top);
}

uint8_t *jit_push_frame(uint8_t *sp, uint32_t caller, const Instance *inst, const Type *type,
                        uint32_t fp, const void *address)
{
    const uint64_t word = word_of(address);
    if (caller == 0) sp = push_bottom(sp, type, fp + type->result_slots);
    else if (caller != inst->id) sp = push_switch(sp, caller);
    return memcpy(sp - sizeof word, &word, sizeof word);
}

/* ---- Arguments ---- */

static bool in_float_register(ValType t)
{
    return t == TYPE_F32 || t == TYPE_F64 || t == TYPE_V128;
}

/* Between home slots and the cpu's argument registers.  An i32's upper half is zero in both. */
static void move_args(const Type *type, Slot *slots, GuestCpu *cpu, bool to_slots)
{
    uint32_t ints = 0, floats = 0;
    for (uint32_t i = 0; i < type->nparams; slots += type_slots(type->params[i]), i++) {
        bool is_float = in_float_register(type->params[i]);
        if (is_float ? floats == JIT_FLOAT_ARGS : ints == JIT_INT_ARGS) continue;
        void *reg = is_float ? (void *)&cpu->floats[floats++] : (void *)&cpu->ints[ints++];
        size_t bytes = type_slots(type->params[i]) * sizeof *slots;
        if (to_slots) memcpy(slots, reg, bytes);
        else memcpy(reg, slots, bytes);
    }
}

static Slot *cpu_slots(const GuestCpu *cpu) { return (Slot *)(void *)(cpu->fp - JIT_FP_BIAS); }

/* ---- Entering ---- */

/* The innermost frame is the interpreter's or a marker, at `control`; its operands end at `top`. */
static void frames_are(Instance *owner, const void *control, uint32_t top)
{
    Stack *stack = &owner->context->stack;
    stack->frames = frame_offset(owner, control);
    stack->top = top;
    stack->compiled = 0;
}

static RunExit code_returned(Run *run)
{
    uint64_t top;
    const uint8_t *sp = run->store->cpu.sp;
    memcpy(&top, sp, sizeof top);
    frames_are(run->stack, sp + sizeof top, (uint32_t)top);
    return stack_top_frame(run->stack)->flags & FRAME_ENTRY ? RUN_DONE : RUN_RESUME;
}

static RunExit enter_code(Run *run)
{
    GuestCpu *cpu = &run->store->cpu;
    run->stack->context->stack.compiled = 1;
    switch ((JitExit)jit_enter(cpu)) {
    case JIT_CONTINUE:
    case JIT_DONE: return code_returned(run);
    case JIT_SWITCH: return RUN_RESUME;
    case JIT_TRAP:
        fuel_give_back(run, (fnvm_trap)cpu->trap);
        return run_trap(run, (fnvm_trap)cpu->trap);
    case JIT_ERROR:
        run->error = cpu->error;
        cpu->error = NULL;
        if (run->error->code == FNVM_E_SUSPENDED) return RUN_WAITING;
        fuel_give_back(run, FNVM_TRAP_NONE);
        if (run->error->nframes == 0) backtrace_attach(run->store, run->error);
        return RUN_FAILED;
    case JIT_THROW:
        run->exception = cpu->exception;
        cpu->exception = 0;
        return run_throw(run);
    }
    return RUN_FAILED;
}

static const void *entry_of(const Instance *inst, uint32_t func)
{
    return __atomic_load_n(&inst->links.entries[func - inst->module->n_imported_funcs],
                           __ATOMIC_ACQUIRE);
}

/* The caller is a Frame.  If it is compiled code's marker, this is the tail call of a function that
 * compiled code called: the callee returns straight to that. */
RunExit jit_call(Run *run)
{
    Store *store = run->store;
    GuestCpu *cpu = &store->cpu;
    Instance *owner = run->stack, *inst = store->instances[funcref_instance(run->callee)];
    const uint32_t func = funcref_func(run->callee);
    const Type *type = module_func_type(inst->module, func);
    Slot *args = stack_slot(owner, owner->context->stack.top - type->param_slots);
    const Frame *outer = stack_top_frame(owner);
    uint8_t *sp = (uint8_t *)(uintptr_t)outer;

    if (store_interrupted(store)) return run_trap(run, FNVM_TRAP_INTERRUPTED);
    uint32_t slots = type->param_slots > type->result_slots ? type->param_slots
                                                            : type->result_slots;
    if ((uint8_t *)(args + slots) + JIT_RED_ZONE > sp)
        return run_trap(run, FNVM_TRAP_STACK_EXHAUSTED);

    if (outer->flags == FRAME_COMPILED) {
        const uint32_t caller = outer->instance;
        sp += sizeof *outer;
        if (caller != inst->id && word_kind(sp) == RETURN_TO_CODE) sp = push_switch(sp, caller);
    } else {
        sp = push_bottom(sp, type, slot_number(owner, args) + type->result_slots);
    }
    cpu->sp = sp;
    cpu->fp = (uint8_t *)args + JIT_FP_BIAS;
    cpu->instance = inst;
    cpu->callee = func + 1;
    cpu->resume = entry_of(inst, func);
    move_args(type, args, cpu, false);
    return enter_code(run);
}

RunExit jit_return(Run *run)
{
    GuestCpu *cpu = &run->store->cpu;
    const Frame *marker = stack_top_frame(run->stack);
    cpu->sp = (uint8_t *)(uintptr_t)(marker + 1);
    cpu->fp = (uint8_t *)stack_slot(run->stack, marker->fp) + JIT_FP_BIAS;
    cpu->instance = run->store->instances[marker->instance];
    cpu->resume = jit_resume;
    return enter_code(run);
}

RunExit jit_land(Run *run) { return enter_code(run); }

void jit_prepare_landing(Run *run, const FrameView *f, uint32_t clause)
{
    GuestCpu *cpu = &run->store->cpu;
    cpu->sp = run->stack->stack_base + f->at + sizeof(uint64_t); /* its own return address */
    cpu->fp = (uint8_t *)f->fp + JIT_FP_BIAS;
    cpu->instance = f->instance;
    cpu->resume = segment_pad(f->instance->module->segment, f->func, clause);
    run->stack->context->stack.compiled = 1;
}

void jit_prepare_waking(Run *run)
{
    GuestCpu *cpu = &run->store->cpu;
    cpu->resume = jit_resume;
    cpu->top = 0;
}

/* ---- Called by the stubs ---- */

uint32_t jit_compile_entry(Instance *, uint32_t func);
uint32_t jit_call_ref(Instance *, FuncRef, uint32_t null_trap, TypeId expected);
uint32_t jit_tail_ref(Instance *, FuncRef, uint32_t null_trap, TypeId expected);

static uint32_t trap_with(GuestCpu *cpu, fnvm_trap trap)
{
    cpu->trap = trap;
    return JIT_TRAP;
}

static uint32_t fail_with(GuestCpu *cpu, fnvm_error *error)
{
    cpu->error = error;
    return JIT_ERROR;
}

/* The callee that the cpu is about to enter becomes a frame of the interpreter's.  It returns to
 * compiled code by a marker, unless there is none to return to. */
static uint32_t switch_to_interpreter(Instance *inst, const FuncCode *code)
{
    Store *store = inst->store;
    GuestCpu *cpu = &store->cpu;
    Instance *owner = store->stack_owner;
    Slot *fp = cpu_slots(cpu);
    Frame *inner = (Frame *)(void *)cpu->sp, marker = {0};
    if (store_interrupted(store)) return trap_with(cpu, FNVM_TRAP_INTERRUPTED);
    if (word_kind(cpu->sp) == RETURN_TO_FRAME) {
        inner = (Frame *)(void *)(cpu->sp + 2 * sizeof(uint64_t));
    } else {
        marker = (Frame){.instance = cpu->instance->id, .fp = slot_number(owner, fp),
                         .flags = FRAME_COMPILED};
        inner--;
    }
    if ((uint8_t *)(fp + code->frame_slots) > (uint8_t *)(inner - 1))
        return trap_with(cpu, FNVM_TRAP_STACK_EXHAUSTED);
    move_args(module_func_type(inst->module, code->func), fp, cpu, true);
    if (marker.flags) *inner = marker;
    const Frame *f = frame_push(owner, inner, fp, inst, code);
    frames_are(owner, f, slot_number(owner, fp) + code->local_slots);
    return JIT_SWITCH;
}

static uint32_t interpret(Instance *inst, uint32_t func)
{
    const FuncCode *code;
    fnvm_error *error = run_verified(inst->store, inst->module, func, &code);
    return error ? fail_with(&inst->store->cpu, error) : switch_to_interpreter(inst, code);
}

/* stub_lazy: the code of `func` of the running instance becomes the cpu's `resume`. */
uint32_t jit_compile_entry(Instance *inst, uint32_t func)
{
    GuestCpu *cpu = &inst->store->cpu;
    const FuncCode *code;
    const Stop stop = store_stop(inst->store);
    fnvm_error *error = run_verified(inst->store, inst->module, func, &code);
    if (error) return fail_with(cpu, error);
    if (!jit_runs(inst, func) || !jit_compile(inst->module, code, stop, &error)) {
        if (!error) return switch_to_interpreter(inst, code);
        if (!stop_wanted(stop)) return fail_with(cpu, error);
        fnvm_error_free(error);
        return trap_with(cpu, FNVM_TRAP_INTERRUPTED);
    }
    cpu->resume = entry_of(inst, func);
    return JIT_CONTINUE;
}

static uint32_t call_host(Instance *caller, FuncRef ref, const Type *type)
{
    Store *store = caller->store;
    GuestCpu *cpu = &store->cpu;
    Slot *args = cpu_slots(cpu);
    uint32_t slots = type->param_slots > type->result_slots ? type->param_slots
                                                            : type->result_slots;
    if ((uint8_t *)(args + slots) > cpu->sp) return trap_with(cpu, FNVM_TRAP_STACK_EXHAUSTED);
    move_args(type, args, cpu, true);
    cpu->top = slot_number(store->stack_owner, args) + slots;
    fnvm_error *error = run_host(store, caller, ref, type, args);
    if (error && error->code == FNVM_E_SUSPENDED) return fail_with(cpu, error); /* cpu->top stays */
    cpu->top = 0;
    if (!error)
        return store_interrupted(store) ? trap_with(cpu, FNVM_TRAP_INTERRUPTED) : CALL_DONE;
    if (error->code != FNVM_E_EXCEPTION || !store->exception) return fail_with(cpu, error);
    fnvm_error_free(error);
    cpu->exception = store->exception;
    store->exception = 0;
    return JIT_THROW;
}

/* Whether the function may be called as `expected`; else sets the trap (4.6.10, call_indirect). */
static bool check_callee(Store *store, FuncRef ref, uint32_t null_trap, TypeId expected)
{
    GuestCpu *cpu = &store->cpu;
    cpu->trap = null_trap;
    if (!ref) return false;
    cpu->trap = FNVM_TRAP_INDIRECT_CALL_TYPE;
    TypeId actual = run_func_type(store, ref);
    return expected == UINT32_MAX || actual == expected ||
           types_id_is_sub(&store->engine->types, actual, expected);
}

static uint32_t call_checked(Instance *caller, FuncRef ref)
{
    Store *store = caller->store;
    GuestCpu *cpu = &store->cpu;
    if (funcref_instance(ref) == 0)
        return call_host(caller, ref, types_get(&store->engine->types, run_func_type(store, ref)));
    Instance *inst = store->instances[funcref_instance(ref)];
    if (!inst->links.entries) return interpret(inst, funcref_func(ref));
    cpu->instance = inst;
    cpu->callee = funcref_func(ref) + 1;
    cpu->resume = entry_of(inst, funcref_func(ref));
    return inst == caller ? JIT_CONTINUE : CALL_ACROSS;
}

/* stub_call_ref: a JitExit; or CALL_DONE: it was a host function and its results are at home;
 * CALL_ACROSS: the code is that of another instance.  JIT_CONTINUE and CALL_ACROSS: the cpu says
 * where to go. */
uint32_t jit_call_ref(Instance *caller, FuncRef ref, uint32_t null_trap, TypeId expected)
{
    if (!check_callee(caller->store, ref, null_trap, expected)) return JIT_TRAP;
    return call_checked(caller, ref);
}

/* stub_tail_ref: likewise, but once the callee is found good the caller's frame is gone, and the way
 * back is pushed here, unless there is one: a chain of tail calls through many instances returns
 * once. */
uint32_t jit_tail_ref(Instance *caller, FuncRef ref, uint32_t null_trap, TypeId expected)
{
    GuestCpu *cpu = &caller->store->cpu;
    if (!check_callee(caller->store, ref, null_trap, expected)) return JIT_TRAP;
    cpu->sp += sizeof(uint64_t); /* the stub's return address */
    uint32_t outcome = call_checked(caller, ref);
    if (outcome != CALL_ACROSS) return outcome;
    if (word_kind(cpu->sp) == RETURN_TO_CODE) cpu->sp = push_switch(cpu->sp, caller->id);
    return JIT_CONTINUE;
}
