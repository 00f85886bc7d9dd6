/* Loads, stores, memory.size and memory.grow.
 *
 * A 32-bit memory of 64 KiB pages is followed by enough unmapped addresses for any index and
 * offset: no check is made, the fault is the trap.  The index register is zero-extended, and only
 * the immediate offset goes into the displacement: an i32.add wraps, an effective address does not.
 * Other memories are checked against their size. */
#include "jit/x86_64/compiler.h"

MemArg read_memarg(Compiler *c)
{
    MemArg m = {0, 0};
    if (read_u(c) & 0x40) m.memory = (uint32_t)read_u(c);
    m.offset = read_u(c);
    return m;
}

static Mem memory_field(const Compiler *c, uint32_t memory, size_t field)
{
    return mem_at(REG_INSTANCE,
                  (int32_t)(c->offsets.memories + memory * sizeof(MemoryRef) + field));
}

bool memory_is_guarded(const MemoryType *t) { return !t->limits.is64 && t->page_log2 == 16; }

/* base + index + offset, no check.  Memory 0's base has a register. */
static Mem guarded_address(Compiler *c, uint32_t memory, uint64_t offset, Reg *held)
{
    uint64_t constant;
    *held = NO_REG;
    if (memory == 0 && pop_const(c, &constant)) {
        uint64_t address = constant + offset; /* at most 2^33 */
        if (address <= INT32_MAX) return mem_at(REG_MEMORY, (int32_t)address);
        *held = temp_int(c);
        asm_mov_ri(&c->a, *held, address);
        return mem_index(REG_MEMORY, *held, 0, 0);
    }
    Reg index = pop_reg(c), sum = temp_int(c);
    *held = sum;
    if (memory == 0) { /* the offset is too large for a displacement: see pop_address */
        asm_mov_ri(&c->a, sum, offset);
        asm_rr(&c->a, X_ADD, true, sum, index);
        release(c, index, NO_REG);
        return mem_index(REG_MEMORY, sum, 0, 0);
    }
    if (offset <= INT32_MAX) {
        asm_rm(&c->a, X_MOV, true, sum, memory_field(c, memory, offsetof(MemoryRef, base)));
    } else {
        asm_mov_ri(&c->a, sum, offset);
        asm_rm(&c->a, X_ADD, true, sum, memory_field(c, memory, offsetof(MemoryRef, base)));
        offset = 0;
    }
    asm_rr(&c->a, X_ADD, true, sum, index);
    release(c, index, NO_REG);
    return mem_at(sum, (int32_t)offset);
}

/* The end of the access, without overflow, must not be behind the end of the memory. */
static Mem checked_address(Compiler *c, uint32_t memory, uint64_t offset, uint32_t bytes, Reg *held)
{
    uint64_t distance;
    bool never = __builtin_add_overflow(offset, bytes, &distance);
    Reg index = pop_reg(c), end = temp_int(c);
    if (never) trap_always(c, FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    asm_mov_ri(&c->a, end, distance);
    asm_rr(&c->a, X_ADD, true, end, index);
    release(c, index, NO_REG);
    trap_if(c, CC_B, FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    asm_rm(&c->a, X_MOV, true, SCRATCH, memory_field(c, memory, offsetof(MemoryRef, state)));
    asm_rm(&c->a, X_CMP, true, end, mem_at(SCRATCH, (int32_t)offsetof(MemoryState, size)));
    trap_if(c, CC_A, FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    asm_rm(&c->a, X_ADD, true, end, memory_field(c, memory, offsetof(MemoryRef, base)));
    *held = end;
    return mem_at(end, -(int32_t)bytes);
}

Mem pop_address(Compiler *c, uint32_t memory, uint64_t offset, uint32_t bytes, Reg *held)
{
    if (memory == 0 && c->guards_memory && offset <= INT32_MAX && !top_is_const(c, 0)) {
        *held = pop_reg(c); /* nearly always */
        return mem_index(REG_MEMORY, *held, 0, (int32_t)offset);
    }
    if (memory_is_guarded(&c->m->memories[memory])) return guarded_address(c, memory, offset, held);
    return checked_address(c, memory, offset, bytes, held);
}

/* ---- Loads ---- */

typedef struct Load { Opcode op; uint8_t kind; bool wide; } Load;

static const Load loads[] = { /* by opcode, from 0x28 */
    {X_MOV, KIND_I32, false},     {X_MOV, KIND_I64, true},      {X_MOVSS, KIND_F32, false},
    {X_MOVSD, KIND_F64, false},   {X_MOVSX8, KIND_I32, false},  {X_MOVZX8, KIND_I32, false},
    {X_MOVSX16, KIND_I32, false}, {X_MOVZX16, KIND_I32, false}, {X_MOVSX8, KIND_I64, true},
    {X_MOVZX8, KIND_I64, false},  {X_MOVSX16, KIND_I64, true},  {X_MOVZX16, KIND_I64, false},
    {X_MOVSXD, KIND_I64, true},   {X_MOV, KIND_I64, false}};

static void compile_load(Compiler *c, Op op)
{
    const Load *l = &loads[instructions[op].code - 0x28];
    MemArg m = read_memarg(c);
    Reg held;
    Mem at = pop_address(c, m.memory, m.offset, 1u << instructions[op].align, &held);
    Reg d = dest(c, (Kind)l->kind, kind_is_int((Kind)l->kind) ? held : NO_REG);
    point_here(c);
    asm_rm(&c->a, l->op, l->wide, d, at);
    release(c, held, d);
    push_reg(c, (Kind)l->kind, d);
}

/* ---- Stores ---- */

/* A constant goes into the instruction, of whatever kind it is. */
static bool store_immediate(Compiler *c, uint32_t bytes, const MemArg *m)
{
    const Operand *o = top(c, 0);
    if (o->where != IS_CONST) return false;
    uint64_t bits = o->bits;
    if (bytes == 8 && (int64_t)bits != (int32_t)bits) return false;
    Reg held;
    drop_top(c);
    Mem at = pop_address(c, m->memory, m->offset, bytes, &held);
    point_here(c);
    if (bytes == 1) asm_dm(&c->a, OPC(0, 0, 0xC6), false, 0, at), asm_8(&c->a, (uint32_t)bits);
    else if (bytes == 2) {
        asm_dm(&c->a, OPC(0x66, 0, 0xC7), false, 0, at);
        asm_8(&c->a, (uint32_t)bits);
        asm_8(&c->a, (uint32_t)bits >> 8);
    } else {
        asm_mov_mi(&c->a, bytes == 8, at, (int32_t)bits);
    }
    release(c, held, NO_REG);
    return true;
}

static void compile_store(Compiler *c, Op op)
{
    static const Opcode integer[] = {X_MOV_STORE8, X_MOV_STORE16, X_MOV_STORE, X_MOV_STORE};
    uint32_t log2 = instructions[op].align;
    MemArg m = read_memarg(c);
    if (store_immediate(c, 1u << log2, &m)) return;
    Opcode store = op == op_f32_store ? X_MOVSS_STORE : op == op_f64_store ? X_MOVSD_STORE
                                                                           : integer[log2];
    bool is_int = op != op_f32_store && op != op_f64_store;
    Reg value = pop_reg(c), held;
    Mem at = pop_address(c, m.memory, m.offset, 1u << log2, &held);
    point_here(c);
    asm_rm(&c->a, store, is_int && log2 == 3, value, at);
    release(c, held, NO_REG);
    release(c, value, NO_REG);
}

/* ---- Sizes ---- */

static void compile_size(Compiler *c)
{
    uint32_t memory = (uint32_t)read_u(c);
    const MemoryType *t = &c->m->memories[memory];
    Kind k = t->limits.is64 ? KIND_I64 : KIND_I32;
    Reg d = dest(c, k, NO_REG);
    asm_rm(&c->a, X_MOV, true, SCRATCH, memory_field(c, memory, offsetof(MemoryRef, state)));
    asm_rm(&c->a, X_MOV, true, d, mem_at(SCRATCH, (int32_t)offsetof(MemoryState, size)));
    if (t->page_log2) asm_shift_ri(&c->a, SHIFT_SHR, true, d, t->page_log2);
    push_reg(c, k, d);
}

static void compile_grow(Compiler *c)
{
    uint32_t memory = (uint32_t)read_u(c);
    Kind k = (Kind)top(c, 0)->kind;
    uint32_t slot = top(c, 0)->slot;
    call_runtime(c, RT_memory_grow, slot, memory, 0);
    drop_top(c);
    push_home(c, k);
}

bool compile_memory(Compiler *c, Op op)
{
    if (op >= op_i32_load && op <= op_i64_load32_u) compile_load(c, op);
    else if (op >= op_i32_store && op <= op_i64_store32) compile_store(c, op);
    else if (op == op_memory_size) compile_size(c);
    else if (op == op_memory_grow) compile_grow(c);
    else return false;
    return true;
}
