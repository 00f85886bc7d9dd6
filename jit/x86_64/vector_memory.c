/* Vector instructions that access memory (4.6.8).  Each has one instruction of x86 that does, which
 * accesses the bytes that the standard says and no more, whatever their alignment.
 *
 * The destination is asked for before the address is popped: moving other operands out of its way
 * must not disturb what the address is made of. */
#include "jit/x86_64/vector.h"

/* op serves registers wider than the access too: it reads `with` bytes. */
void vector_load(Compiler *c, const VectorRow *row)
{
    MemArg arg = read_memarg(c);
    Reg d = dest(c, KIND_V128, NO_REG), held;
    Mem m = pop_address(c, arg.memory, arg.offset, row->with, &held);
    point_here(c);
    vector_rm(c, row->op, false, d, m);
    release(c, held, NO_REG);
    push_reg(c, KIND_V128, d);
}

void vector_load_splat(Compiler *c, const VectorRow *row)
{
    MemArg arg = read_memarg(c);
    Reg d = dest(c, KIND_V128, NO_REG), held;
    Mem m = pop_address(c, arg.memory, arg.offset, row->with, &held);
    point_here(c);
    vector_splat_memory(c, row->with, d, m);
    release(c, held, NO_REG);
    push_reg(c, KIND_V128, d);
}

void vector_load_lane(Compiler *c, const VectorRow *row)
{
    MemArg arg = read_memarg(c);
    const uint32_t lane = c->bytes[c->pc++];
    const bool wide = row->with == 8;
    Pair p = pop_single(c);
    Reg held;
    Mem m = pop_address(c, arg.memory, arg.offset, row->with, &held);
    if (has_cpu(c, CPU_AVX)) {
        point_here(c);
        asm_vex_rrm(&c->a, row->op, wide, p.d, p.a, m);
    } else {
        emit_move(c, KIND_V128, p.d, p.a);
        point_here(c);
        asm_rm(&c->a, row->op, wide, p.d, m);
    }
    asm_8(&c->a, lane);
    release(c, held, NO_REG);
    push_pair(c, p);
}

void vector_store(Compiler *c, const VectorRow *row)
{
    MemArg arg = read_memarg(c);
    Reg a = pop_reg(c), held;
    Mem m = pop_address(c, arg.memory, arg.offset, row->with, &held);
    point_here(c);
    vector_rm(c, row->op, false, a, m);
    release(c, held, NO_REG);
    release(c, a, NO_REG);
}

/* The lowest lane, and the upper half, have moves that are shorter than pextrd. */
void vector_store_lane(Compiler *c, const VectorRow *row)
{
    MemArg arg = read_memarg(c);
    const uint32_t lane = c->bytes[c->pc++], size = row->with;
    Reg a = pop_reg(c), held;
    Mem m = pop_address(c, arg.memory, arg.offset, size, &held);
    point_here(c);
    if (size == 8) {
        vector_rm(c, lane ? V_MOVHPD_STORE : X_MOVSD_STORE, false, a, m);
    } else if (size == 4 && lane == 0) {
        vector_rm(c, X_MOVSS_STORE, false, a, m);
    } else {
        vector_rm(c, row->op, false, a, m);
        asm_8(&c->a, lane);
    }
    release(c, held, NO_REG);
    release(c, a, NO_REG);
}
