/* Small sequences that every template uses: moves, slots, constants, traps, calls of the runtime. */
#include "jit/x86_64/compiler.h"

Mem slot_mem(uint32_t slot) { return mem_at(REG_FRAME, (int32_t)(slot * 8) - JIT_FP_BIAS); }

void emit_move(Compiler *c, Kind k, Reg to, Reg from)
{
    if (to == from) return;
    if (kind_is_int(k)) asm_rr(&c->a, X_MOV, k == KIND_I64, to, from);
    else asm_rr(&c->a, X_MOVAPS, false, to, from);
}

/* op reg, [frame + ...]: what asm_rm makes of slot_mem, in a shorter way. */
static void emit_slot(Compiler *c, Opcode op, bool wide, Reg reg, uint32_t slot)
{
    int32_t disp = (int32_t)(slot * 8) - JIT_FP_BIAS;
    uint8_t *p = put_opcode(c->a.at, op, wide, reg, 0, REG_FRAME, false);
    uint32_t modrm = (reg & 7u) << 3 | REG_FRAME;
    if (disp == (int8_t)disp) {
        *p++ = (uint8_t)(0x40 | modrm);
        *p++ = (uint8_t)disp;
    } else {
        *p++ = (uint8_t)(0x80 | modrm);
        p = put_32(p, (uint32_t)disp);
    }
    c->a.at = p;
}

void emit_load_slot(Compiler *c, Kind k, Reg to, uint32_t slot)
{
    static const Opcode load[] = {[KIND_I32] = X_MOV, [KIND_I64] = X_MOV, [KIND_F32] = X_MOVSS,
                                  [KIND_F64] = X_MOVSD, [KIND_V128] = X_MOVUPS};
    emit_slot(c, load[k], k == KIND_I64, to, slot);
}

/* An i32 is stored with its upper half, which is zero. */
void emit_store_slot(Compiler *c, Kind k, uint32_t slot, Reg from)
{
    static const Opcode store[] = {[KIND_I32] = X_MOV_STORE, [KIND_I64] = X_MOV_STORE,
                                   [KIND_F32] = X_MOVSS_STORE, [KIND_F64] = X_MOVSD_STORE,
                                   [KIND_V128] = X_MOVUPS_STORE};
    emit_slot(c, store[k], kind_is_int(k), from, slot);
}

/* ---- Constants ---- */

static void load_literal(Compiler *c, Opcode op, Reg to, uint32_t size, uint64_t low, uint64_t high)
{
    asm_rm(&c->a, op, false, to, (Mem){NO_REG, NO_REG, 0, 0});
    if (compiler_room(c, &c->literals, &c->literals_size, c->nliterals, sizeof *c->literals))
        c->literals[c->nliterals++] = (Literal){asm_offset(&c->a), size, low, high};
}

void emit_const(Compiler *c, Kind k, Reg to, uint64_t bits)
{
    if (kind_is_int(k)) asm_mov_ri(&c->a, to, bits);
    else if (bits == 0) asm_rr(&c->a, X_XORPS, false, to, to);
    else if (k == KIND_F32) load_literal(c, X_MOVSS, to, 4, bits, 0);
    else load_literal(c, X_MOVSD, to, 8, bits, 0);
}

void emit_v128_const(Compiler *c, Reg to, const uint8_t bytes[16])
{
    uint64_t low, high;
    memcpy(&low, bytes, 8);
    memcpy(&high, bytes + 8, 8);
    if (low == 0 && high == 0) asm_rr(&c->a, X_PXOR, false, to, to);
    else if (low == UINT64_MAX && high == UINT64_MAX)
        asm_rr(&c->a, OPC(0x66, 1, 0x76), false, to, to); /* pcmpeqd */
    else load_literal(c, X_MOVUPS, to, 16, low, high);
}

/* ---- Vector instructions of three operands ---- */

void emit_vector(Compiler *c, Opcode op, Reg d, Reg a, Reg b)
{
    if (has_cpu(c, CPU_AVX)) {
        asm_vex_rrr(&c->a, op, false, d, a, b);
        return;
    }
    if (d == b && d != a) {
        emit_move(c, KIND_V128, SCRATCH_VECTOR, b);
        b = SCRATCH_VECTOR;
    }
    emit_move(c, KIND_V128, d, a);
    asm_rr(&c->a, op, false, d, b);
}

void emit_vector_source(Compiler *c, Opcode op, Reg d, Reg a, Source b)
{
    if (b.reg != NO_REG) {
        emit_vector(c, op, d, a, b.reg);
    } else if (has_cpu(c, CPU_AVX)) {
        asm_vex_rrm(&c->a, op, false, d, a, b.mem);
    } else {
        emit_move(c, KIND_V128, d, a);
        asm_rm(&c->a, op, false, d, b.mem);
    }
}

/* ---- Traps and points ---- */

static Label *trap_site(Compiler *c, fnvm_trap trap)
{
    if (!compiler_room(c, &c->traps, &c->traps_size, c->ntraps, sizeof *c->traps)) return NULL;
    c->traps[c->ntraps] = (TrapSite){.pc = c->at, .trap = trap};
    return &c->traps[c->ntraps++].from;
}

void trap_if(Compiler *c, Condition cc, fnvm_trap trap)
{
    if (cc == CC_NE_UNORDERED) {
        trap_if(c, CC_P, trap);
        cc = CC_NE;
    }
    Label *site = trap_site(c, trap);
    if (site) asm_jcc(&c->a, cc, site);
}

void trap_always(Compiler *c, fnvm_trap trap)
{
    Label *site = trap_site(c, trap);
    if (site) asm_jmp(&c->a, site);
}

/* Right behind a call its return address is taken: a nop keeps the two apart. */
void point_here(Compiler *c)
{
    if (points_taken(&c->points, asm_offset(&c->a))) asm_8(&c->a, 0x90);
    points_add(&c->points, asm_offset(&c->a), c->at, 0);
}

/* ---- The runtime ---- */

void call_runtime(Compiler *c, uint32_t index, uint32_t operand_slot, uint64_t a, uint64_t b)
{
    Mem operands = slot_mem(operand_slot);
    canonical(c);
    asm_rm(&c->a, X_LEA, true, RSI, operands);
    asm_mov_ri(&c->a, RDX, a);
    asm_mov_ri(&c->a, RCX, b);
    asm_mov_ri(&c->a, RAX, index);
    asm_dm(&c->a, X_JMP_RM, false, 2,
           mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.stubs[STUB_RUNTIME])));
    points_add(&c->points, asm_offset(&c->a), c->at, 0);
}

static Kind letter_kind(char letter)
{
    return letter == 'i' ? KIND_I32 : letter == 'I' ? KIND_I64 : letter == 'f' ? KIND_F32
         : letter == 'F' ? KIND_F64 : KIND_V128;
}

void row_by_runtime(Compiler *c, Op op, uint64_t immediate)
{
    const char *sig = instructions[op].sig, *split = strchr(sig, '_');
    uint32_t n = (uint32_t)(split - sig);
    operands_home(c, 0);
    uint32_t operand_slot = n ? top(c, n - 1)->slot : c->slot;
    call_runtime(c, RT_row, operand_slot, op, immediate);
    operands_forget(c, c->nops - n);
    for (const char *p = split + 1; *p; p++) push_home(c, letter_kind(*p));
}
