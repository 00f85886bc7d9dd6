/* The runtime's functions: each does what the interpreter's handler of the instruction does
 * (vm/interpreter.c is the definition), with the operands where compiled code has put them. */
#include "jit/runtime.h"

#include "jit/fuel.h"
#include "jit/runtime_rows.h"
#include "loader/linker.h"
#include "vm/heap.h"
#include "vm/interpreter.h"
#include "vm/limits.h"

/* ---- Ways out ---- */

static uint32_t trapped(Instance *inst, fnvm_trap trap)
{
    Store *store = inst->store;
    if (!trap) return JIT_CONTINUE;
    /* Elsewhere an interrupt comes between stretches, where nothing is left to be given back. */
    if (trap == FNVM_TRAP_INTERRUPTED)
        fuel_give_back(&(Run){.store = store, .stack = store->stack_owner}, FNVM_TRAP_NONE);
    store->cpu.trap = trap;
    return JIT_TRAP;
}

static uint32_t failed(Instance *inst, fnvm_error *error)
{
    if (!error) return JIT_CONTINUE;
    inst->store->cpu.error = error;
    return JIT_ERROR;
}

static uint32_t thrown(Instance *inst, uint64_t exception)
{
    inst->store->cpu.exception = exception;
    return JIT_THROW;
}

/* ---- Instructions that run out of line in the interpreter, too ---- */

static uint32_t rt_step(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    const uint8_t *opcode = inst->module->bytes + a;
    const uint8_t page = *opcode;
    Leb code = leb_unsigned(opcode + 1);
    Step step = {.inst = inst, .pc = code.pc, .sp = operands + b};
    fnvm_trap trap = page == PAGE_GC ? step_aggregate(&step, (uint32_t)code.value)
                                     : step_bulk(&step, (uint32_t)code.value);
    return trap ? trapped(inst, trap) : failed(inst, step.error);
}

static uint32_t rt_cast(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)b;
    const Module *m = inst->module;
    Leb l = leb_unsigned(m->bytes + a + 1);  /* the instruction's number */
    const bool nullable = *l.pc & 2;
    l = leb_unsigned(l.pc + 1);              /* label */
    l = leb_signed(l.pc);                    /* source type */
    const HeapType wanted = (HeapType)leb_heap_type(m, l.pc).value;
    inst->store->cpu.ints[0] = ref_matches(inst->store, types_top(&m->engine->types, wanted),
                                           operands[0].i64, wanted, nullable);
    return JIT_CONTINUE;
}

static uint32_t rt_new_object(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)operands;
    const Module *m = inst->module;
    const Type *t = types_get(&m->engine->types, m->types[a]);
    uint64_t *ref = &inst->store->cpu.ints[0];
    *ref = 0; /* a root: what it had must not outlive a collection */
    return trapped(inst, t->comp == COMP_STRUCT ? heap_new_struct(inst->store, t, ref)
                                                : heap_new_array(inst->store, t, (uint32_t)b, ref));
}

static uint32_t rt_memory_grow(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)b;
    MemoryRef *memory = &inst->memories[a];
    uint64_t result;
    if (!memory_grow(memory, operands[0].i64, &result)) {
        if (inst->store->engine->config.trap_on_grow_failure)
            return failed(inst, memory_grow_error(memory, operands[0].i64));
        result = memory->state->is64 ? UINT64_MAX : UINT32_MAX;
    }
    operands[0].i64 = result;
    return JIT_CONTINUE;
}

/* ---- Functions ---- */

static uint32_t rt_link(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)operands, (void)b;
    if (inst->imported_funcs[a]) return JIT_CONTINUE;
    return failed(inst, linker_resolve_func(inst, (uint32_t)a));
}

static uint32_t rt_ref_func(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    uint32_t exit = rt_link(inst, operands, a, b);
    if (exit == JIT_CONTINUE) operands[0].i64 = inst->imported_funcs[a];
    return exit;
}

/* ---- Exceptions ---- */

static uint32_t rt_throw_(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)b;
    Store *store = inst->store;
    uint32_t n = types_get(&store->engine->types, inst->module->tags[a])->param_slots;
    uint64_t exception = 0;
    fnvm_trap trap = heap_new_exception(store, inst->tags[a], operands, n, &exception);
    return trap ? trapped(inst, trap) : thrown(inst, exception);
}

static uint32_t rt_throw_ref(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    (void)a, (void)b;
    if (!operands[0].i64) return trapped(inst, FNVM_TRAP_NULL_EXCEPTION);
    return thrown(inst, operands[0].i64);
}

/* ---- Tables ---- */

/* ---- Rows of values ---- */

static uint32_t rt_row(Instance *inst, Slot *operands, uint64_t a, uint64_t b)
{
    const Op op = (Op)a;
    const uint8_t imm = instructions[op].imm;
    const uint8_t *bytes = imm == IMM_SHUFFLE || imm == IMM_V128 ? inst->module->bytes + b : NULL;
    fnvm_trap trap;
    if (row_compute(op, operands, (unsigned)b, bytes, &trap)) return trapped(inst, trap);
    return failed(inst, fnvm_error_new(FNVM_E_UNSUPPORTED, "compiled code left %s to the runtime, "
                                       "which does not do it; use the interpreter and report this",
                                       instructions[op].text));
}

JitRuntime *const jit_runtime[RT_COUNT] = {
#define X(name) [RT_##name] = rt_##name,
    JIT_RUNTIME(X)
#undef X
};
