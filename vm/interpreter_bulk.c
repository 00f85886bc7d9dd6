/* Bulk memory and table instructions (prefix 0xFC, standard 4.6.9 and 4.6.10).  Operands of 32-bit
 * memories and tables are read as 32 bits, of 64-bit ones as 64; where an instruction copies
 * between both, the count has the smaller type (3.4.8). */
#include "loader/instruction.h"
#include "vm/interpreter.h"
#include "vm/limits.h"

static uint64_t address(Slot s, bool is64) { return is64 ? s.i64 : s.i32; }

static uint32_t immediate(Step *s)
{
    Leb l = leb_unsigned(s->pc);
    s->pc = l.pc;
    return (uint32_t)l.value;
}

static fnvm_trap step_memory(Step *s, Op op)
{
    Instance *inst = s->inst;
    Slot *a = s->sp - 3;
    uint32_t x = immediate(s);
    s->sp = a;
    if (op == op_memory_fill) {
        bool is64 = inst->memories[x].state->is64;
        uint64_t n = address(a[2], is64);
        if (!fuel_for(inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
        return memory_fill(inst, x, address(a[0], is64), (uint8_t)a[1].i32, n);
    }
    uint32_t y = immediate(s);
    if (op == op_memory_init) {
        bool is64 = inst->memories[y].state->is64;
        if (!fuel_for(inst->store, a[2].i32)) return FNVM_TRAP_OUT_OF_FUEL;
        return memory_init(inst, y, x, address(a[0], is64), a[1].i32, a[2].i32);
    }
    bool dst64 = inst->memories[x].state->is64, src64 = inst->memories[y].state->is64;
    uint64_t n = address(a[2], dst64 && src64);
    if (!fuel_for(inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
    return memory_copy(inst, x, y, address(a[0], dst64), address(a[1], src64), n);
}

static fnvm_trap step_table(Step *s, Op op)
{
    Instance *inst = s->inst;
    uint32_t x = immediate(s);
    if (op == op_table_size) {
        (s->sp++)->i64 = inst->tables[x].state->size;
        return FNVM_TRAP_NONE;
    }
    if (op == op_table_grow) {
        TableRef *t = &inst->tables[x];
        bool is64 = t->state->is64;
        s->sp--;
        uint64_t n = address(s->sp[0], is64), old;
        if (!fuel_for(inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
        if (table_grow(t, n, s->sp[-1].i64, &old)) {
            s->sp[-1].i64 = old;
        } else if (store_interrupted(inst->store)) {
            return FNVM_TRAP_INTERRUPTED;
        } else if (inst->store->engine->config.trap_on_grow_failure) {
            s->error = table_grow_error(t, n);
        } else {
            s->sp[-1].i64 = is64 ? UINT64_MAX : UINT32_MAX;
        }
        return FNVM_TRAP_NONE;
    }
    Slot *a = s->sp - 3;
    s->sp = a;
    if (op == op_table_fill) {
        bool is64 = inst->tables[x].state->is64;
        uint64_t n = address(a[2], is64);
        if (!fuel_for(inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
        return table_fill(inst, x, address(a[0], is64), a[1].i64, n);
    }
    uint32_t y = immediate(s);
    if (op == op_table_init) {
        if (!fuel_for_items(inst->store, a[1].i32, a[2].i32)) return FNVM_TRAP_OUT_OF_FUEL;
        s->error = table_init(inst, y, x, address(a[0], inst->tables[y].state->is64), a[1].i32,
                              a[2].i32);
        return FNVM_TRAP_NONE;
    }
    bool dst64 = inst->tables[x].state->is64, src64 = inst->tables[y].state->is64;
    uint64_t n = address(a[2], dst64 && src64);
    if (!fuel_for(inst->store, n)) return FNVM_TRAP_OUT_OF_FUEL;
    return table_copy(inst, x, y, address(a[0], dst64), address(a[1], src64), n);
}

fnvm_trap step_bulk(Step *s, uint32_t code)
{
    Op op = instruction_decode(PAGE_MISC, code);
    switch (op) {
    case op_data_drop:
        s->inst->dropped_datas[immediate(s)] = 1;
        return FNVM_TRAP_NONE;
    case op_elem_drop:
        s->inst->dropped_elems[immediate(s)] = 1;
        return FNVM_TRAP_NONE;
    case op_memory_init:
    case op_memory_copy:
    case op_memory_fill:
        return step_memory(s, op);
    default:
        return step_table(s, op);
    }
}
