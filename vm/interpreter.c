/* The interpreter: executes the module's own bytes in place, with the verifier's side table for
 * branches.  It is the definition that compiled code is held against.
 *
 * One function holds one handler per instruction.  Handlers of instructions that compute on values
 * alone are made from the table's rows (loader/instructions.def) and the arithmetic of vm/numeric.h
 * and vm/simd.h; the others are written out below, in the table's order.  Dispatch is a jump through
 * a table of handlers; other tables serve functions with v128 (locals of two widths) and metering.
 *
 * State: `pc` in the module's bytes, `sp` the next free slot, `fp` the first local, `side` the next
 * branch's entry.  None, one or two of the topmost operands are cached in the registers `under` and
 * `top`, as the last instruction left them: NEXT dispatches to handlers for the first case, L_...,
 * NEXT_TOP and NEXT_PAIR to those for the others, T_... and P_..., or to where they are written to
 * memory first.  (M. A. Ertl, "Stack caching for interpreters", 1995.)  Slots of i32 hold it
 * zero-extended.  Frames are complete in memory but for these
 * four, which SAVE writes back before anything that may look at frames: calls, allocation, traps. */
#include "vm/interpreter.h"

#include "loader/instruction.h"
#include "jit/enter.h"
#include "loader/linker.h"
#include "vm/heap.h"
#include "vm/interpreter_registers.h"
#include "vm/limits.h"
#include "vm/interpreter_rows.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- Immediates ---- */

#define INLINE inline __attribute__((always_inline)) /* gcc counts their many callers */
static __attribute__((noinline)) Leb signed_slow(const uint8_t *pc) { return leb_signed(pc); }

/* One byte is usual, two are common, constants have three or four, and five are what linkers pad
 * indices and addresses to.  Of a number longer than two, four bytes can be read at once: an `end`
 * follows every immediate. */
static INLINE uint32_t word_at(const uint8_t *pc)
{
    uint32_t w;
    memcpy(&w, pc, sizeof w);
    return w;
}
static INLINE uint64_t double_word_at(const uint8_t *pc)
{
    uint64_t w;
    memcpy(&w, pc, sizeof w);
    return w;
}
static INLINE uint32_t four_bytes(uint32_t word) /* their 28 bits */
{
    return (word & 0x7F) | (word >> 1 & 0x3F80) | (word >> 2 & 0x1FC000) | (word >> 3 & 0xFE00000);
}
static INLINE uint32_t last_bits(uint32_t word) { return ~word & 0x80808080; } /* 0: five or more */
static INLINE uint32_t leb_bytes(uint32_t last) { return (uint32_t)(__builtin_ctz(last) + 1) / 8; }

#define READ_U32(x)                                                                               \
    uint32_t x = *pc++;                                                                           \
    if (unlikely(x & 0x80)) {                                                                     \
        uint32_t word_, last_;                                                                    \
        if (likely(!(*pc & 0x80))) {                                                              \
            x = (x & 0x7F) | (uint32_t)*pc++ << 7;                                                \
        } else if (word_ = word_at(pc - 1), last_ = last_bits(word_), last_) {                    \
            uint32_t n_ = leb_bytes(last_);                                                       \
            x = four_bytes(word_) & ((1u << 7 * n_) - 1);                                         \
            pc += n_ - 1;                                                                         \
        } else {                                                                                  \
            x = four_bytes(word_) | (uint32_t)pc[3] << 28;                                        \
            pc += 4;                                                                              \
        }                                                                                         \
    }

#define READ_SIGNED(type, x)                                                                      \
    type x = (type)((int8_t)(uint8_t)(*pc << 1) >> 1);                                            \
    if (unlikely(*pc++ & 0x80)) {                                                                 \
        uint32_t word_, last_;                                                                    \
        if (likely(!(*pc & 0x80))) {                                                              \
            x = (type)((int32_t)((uint32_t)(pc[-1] & 0x7F) << 18 | (uint32_t)*pc << 25) >> 18);   \
            pc++;                                                                                 \
        } else if (word_ = word_at(pc - 1), last_ = last_bits(word_), last_) {                    \
            uint32_t n_ = leb_bytes(last_), unused_ = 32 - 7 * n_;                                \
            x = (type)((int32_t)(four_bytes(word_) << unused_) >> unused_);                       \
            pc += n_ - 1;                                                                         \
        } else if (sizeof(type) == 4) {                                                           \
            x = (type)(four_bytes(word_) | (uint32_t)pc[3] << 28);                                \
            pc += 4;                                                                              \
        } else {                                                                                  \
            Leb leb_ = signed_slow(pc - 1);                                                       \
            x = (type)leb_.value;                                                                 \
            pc = leb_.pc;                                                                         \
        }                                                                                         \
    }

#define SKIP_LEB()                                                                                \
    while (*pc++ & 0x80) {                                                                        \
    }

/* A block type is one LEB128 unless it is a typed reference: 0x63 or 0x64, then a heap type. */
#define SKIP_BLOCK_TYPE()                                                                         \
    do {                                                                                          \
        if (unlikely(*pc == 0x63 || *pc == 0x64)) pc++;                                           \
        SKIP_LEB();                                                                               \
    } while (0)

/* memory index and offset of a memory access */
typedef struct MemArg { const uint8_t *pc; uint64_t offset; uint32_t memory; } MemArg;

static __attribute__((noinline)) MemArg memarg_slow(const uint8_t *pc)
{
    MemArg m = {.memory = 0};
    Leb l = leb_unsigned(pc);
    if (l.value & 0x40) {
        l = leb_unsigned(l.pc);
        m.memory = (uint32_t)l.value;
    }
    l = leb_unsigned(l.pc);
    m.pc = l.pc;
    m.offset = l.value;
    return m;
}

/* ---- Branches ---- */

typedef struct Landing { Slot *sp; const uint8_t *pc; const SideEntry *side; } Landing;

/* A branch that carries more than one slot, or whose numbers do not fit the short entry. */
static __attribute__((noinline)) Landing branch_slow(const FuncCode *code, const SideEntry *e,
                                                     const uint8_t *opcode, Slot *sp)
{
    WideSide w = {.pc = (int32_t)e->word[0] >> 8, .stp = (int32_t)e->word[1] >> 12,
                  .keep = e->word[0] & 0xFF, .pop = e->word[1] & SIDE_MAX_POP};
    if (w.keep == SIDE_WIDE) w = code->wide[e->word[1]];
    memmove(sp - w.keep - w.pop, sp - w.keep, w.keep * sizeof *sp);
    return (Landing){sp - w.pop, opcode + w.pc, e + w.stp};
}

/* ---- The way through frames ---- */

/* Writes the registers to the frame: everybody else may now look.  A guest call needs SAVE_PC only. */
#define SAVE_PC()                                                                                 \
    do {                                                                                          \
        cur.frame->pc = (uint32_t)(pc - cur.bytes);                                               \
        cur.frame->stp = (uint32_t)(side - cur.code->side);                                       \
    } while (0)
#define SAVE()                                                                                    \
    do {                                                                                          \
        SAVE_PC();                                                                                \
        stack->top = (uint32_t)(sp - base);                                                       \
    } while (0)

#define TRAP_IF(condition, kind)                                                                  \
    if (unlikely(condition)) {                                                                    \
        trap = FNVM_TRAP_##kind;                                                                  \
        goto trapped;                                                                             \
    }

/* Takes the branch of entry `side`; `opcode` is where its instruction begins.  A step back is a loop,
 * where the guest can be interrupted. */
#define BRANCH(opcode)                                                                            \
    do {                                                                                          \
        uint32_t first_ = side->word[0], second_ = side->word[1];                                 \
        uint32_t keep_ = first_ & 0xFF;                                                           \
        if (likely(keep_ <= 1)) {                                                                 \
            uint32_t pop_ = second_ & SIDE_MAX_POP;                                               \
            if (keep_) {                                                                          \
                Slot kept_ = sp[-1];                                                              \
                sp -= pop_;                                                                       \
                sp[-1] = kept_;                                                                   \
            } else {                                                                              \
                sp -= pop_;                                                                       \
            }                                                                                     \
            pc = (opcode) + ((int32_t)first_ >> 8);                                               \
            side += (int32_t)second_ >> 12;                                                       \
        } else {                                                                                  \
            Landing to_ = branch_slow(cur.code, side, opcode, sp);                                \
            sp = to_.sp;                                                                          \
            pc = to_.pc;                                                                          \
            side = to_.side;                                                                      \
        }                                                                                         \
        if ((int32_t)first_ < 0 && unlikely(INTERRUPTED())) goto interrupted;                     \
    } while (0)

/* Peeks at the next opcode, to run it without another dispatch. */
#define NEXT_IS(opcode) (*pc + never == (opcode))

#define INTERRUPTED() store_interrupted(store)

/* Runs an instruction out of line. */
#define STEP(call)                                                                                \
    do {                                                                                          \
        SAVE();                                                                                   \
        Step step_ = {.inst = cur.inst, .pc = pc, .sp = sp};                                      \
        trap = call;                                                                              \
        pc = step_.pc;                                                                            \
        if (unlikely(trap)) goto trapped;                                                         \
        if (unlikely(step_.error)) {                                                              \
            run->error = step_.error;                                                             \
            goto failed;                                                                          \
        }                                                                                         \
        sp = step_.sp;                                                                            \
    } while (0)

/* The code of own function `func`, verified now if this is its first call. */
static inline const FuncCode *callee_code(Instance *inst, uint32_t func, fnvm_error **error)
{
    Module *m = inst->module;
    const FuncCode *c = atomic_load_explicit(&m->code[func - m->n_imported_funcs],
                                             memory_order_acquire);
    if (likely(c)) return c;
    *error = run_verified(inst->store, m, func, &c);
    return *error ? NULL : c;
}

/* What function import `func` is linked to, linked now if this is its first use; 0 sets the error. */
static FuncRef imported_func(Instance *inst, uint32_t func, fnvm_error **error)
{
    if (likely(inst->imported_funcs[func])) return inst->imported_funcs[func];
    *error = linker_resolve_func(inst, func);
    return *error ? 0 : inst->imported_funcs[func];
}

/* Whether a function read from a table may be called as `expected` (4.6.10, call_indirect). */
static fnvm_trap check_indirect(const Store *store, FuncRef ref, TypeId expected)
{
    if (!ref) return FNVM_TRAP_UNINITIALIZED_ELEMENT;
    TypeId actual = run_func_type(store, ref);
    if (likely(actual == expected) || types_id_is_sub(&store->engine->types, actual, expected))
        return FNVM_TRAP_NONE;
    return FNVM_TRAP_INDIRECT_CALL_TYPE;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* table rows over a default */
#pragma GCC diagnostic ignored "-Wunused-label"  /* prefixed rows have no cached form */

RunExit interpreter_run(Run *run)
{
    /* 256 handlers for each number of cached operands. */
#define IN_GC(code, ident, kind)
#define IN_MISC(code, ident, kind)
#define IN_SIMD(code, ident, kind)
#define IN_BASE(code, ident, kind) [code] = &&L_##ident, CACHED_##kind(code, ident)
#define INSTR(page, code, ident, text, imm, sig, align, feature) IN_##page(code, ident, imm##_##sig)
#define FIRST_ROWS /* verified code has no other bytes */                                         \
    [0 ... 255] = &&L_unreachable, [256 ... 511] = &&spill, [512 ... 767] = &&spill_pair
#define LAST_ROWS                                                                                 \
    [PAGE_GC] = &&prefix_gc, [PAGE_MISC] = &&prefix_misc, [PAGE_SIMD] = &&prefix_simd,            \
    CACHED(0x01, nop) CACHED(0x02, block) CACHED(0x03, block) CACHED(0x04, if)                    \
    CACHED(0x0B, end) CACHED(0x0D, br_if) CACHED(0x41, i32_const) CACHED(0x42, i64_const)         \
    CACHED(0x44, f64_const)
    static const void *const narrow[768] = {
        FIRST_ROWS,
#include "loader/instructions.def"
        LAST_ROWS CACHED(0x1A, drop) CACHED(0x1B, select) CACHED(0x20, local_get)
        CACHED(0x21, local_set) CACHED(0x22, local_tee) CACHED(0x23, global_get)
        CACHED(0x24, global_set)};
    /* Functions with v128: locals, drop and select come in two widths. */
#define INSTR(page, code, ident, text, imm, sig, align, feature) IN_##page(code, ident, imm##_##sig)
    static const void *const wide[768] = {
        FIRST_ROWS,
#include "loader/instructions.def"
        LAST_ROWS
        [0x1A] = &&wide_drop, [0x1B] = &&wide_select, [0x20] = &&wide_local_get,
        [0x21] = &&wide_local_set, [0x22] = &&wide_local_tee, [0x23] = &&wide_global_get,
        [0x24] = &&wide_global_set};
#undef IN_BASE
#undef IN_SIMD
#define IN_BASE(code, ident, kind)
#define IN_SIMD(code, ident, kind) [code] = &&L_##ident,
#define INSTR(page, code, ident, text, imm, sig, align, feature) IN_##page(code, ident, x)
    static const void *const simd[SIMD_CODES] = {
        [0 ... SIMD_CODES - 1] = &&L_unreachable,
#include "loader/instructions.def"
    };
    /* Metering: every instruction costs one, but those that only mark structure (vm/fuel.h). */
#define FREE(code, ident) [code] = &&L_##ident, CACHED(code, ident)
#define FREE_ROWS                                                                                 \
    FREE(0x01, nop) FREE(0x02, block) FREE(0x03, block) FREE(0x0B, end)                           \
    [0x05] = &&L_else_, [256 + 0x05] = &&spill, [512 + 0x05] = &&spill_pair
    static const void *const metered[768] = {
        [0 ... 255] = &&meter, [256 ... 511] = &&meter_top,
        [512 ... 767] = &&meter_pair, FREE_ROWS};
    static const void *const metered_wide[768] = {
        [0 ... 255] = &&meter_wide, [256 ... 511] = &&meter_wide_top,
        [512 ... 767] = &&meter_wide_pair, FREE_ROWS};

    Store *const store = run->store;
    Stack *const stack = &run->stack->context->stack;
    Slot *const base = (Slot *)(void *)run->stack->stack_base;
    const bool metering = store->engine->config.fuel;
    const uint32_t never = metering ? 256 : 0; /* metered instructions are not fused */

    /* Where the machine is, but for its registers.  Its address is made known, so that it stays in
     * memory and leaves the processor's registers to those. */
    struct {
        Frame *frame;
        Instance *inst;
        const FuncCode *code;
        const uint8_t *bytes, *code_end;
    } cur;
    __asm__ volatile("" : "=m"(cur) : "r"(&cur) : "memory");
    const MemoryRef *memories;
    register const void *const *dispatch REGISTER_DISPATCH;

    register const uint8_t *pc REGISTER_PC;
    register Slot *sp REGISTER_SP, *fp REGISTER_FP;
    register uint64_t under REGISTER_UNDER = 0, top REGISTER_TOP = 0;
    const SideEntry *side;

    fnvm_trap trap;
    FuncRef callee_ref;
    Instance *target;
    const FuncCode *callee;
    uint32_t result_i, bulk_code = 0;
    uint64_t result_I;

    /* Takes up the innermost frame where it was left. */
resume:
    cur.frame = stack_top_frame(run->stack);
    sp = base + stack->top;
reload:
    cur.inst = store->instances[cur.frame->instance];
    cur.bytes = cur.inst->module->bytes;
    memories = cur.inst->memories;
    cur.code = frame_code(cur.inst, cur.frame);
refresh:
    fp = base + cur.frame->fp;
    pc = cur.bytes + cur.frame->pc;
    side = cur.code->side + cur.frame->stp;
begin:
    cur.code_end = cur.bytes + cur.code->end;
    dispatch = !(cur.code->flags & CODE_WIDE) ? (metering ? metered : narrow)
                                          : (metering ? metered_wide : wide);
    NEXT();

    /* ---- Control ---- */
L_unreachable:
    trap = FNVM_TRAP_UNREACHABLE;
    goto trapped;
L_nop:
    NEXT();
T_nop:
    NEXT_TOP();
P_nop:
    NEXT_PAIR();
L_block:
L_loop:
    SKIP_BLOCK_TYPE();
    NEXT();
T_block:
    SKIP_BLOCK_TYPE();
    NEXT_TOP();
P_block:
    SKIP_BLOCK_TYPE();
    NEXT_PAIR();
P_if:
    (sp++)->i64 = under;
    goto T_if;
L_if_:
    top = (--sp)->i64;
T_if: {
    const uint8_t *opcode = pc - 1;
    if (TOP_i) {
        side++;
        SKIP_BLOCK_TYPE();
    } else {
        BRANCH(opcode);
    }
    NEXT();
}
L_else_:
    BRANCH(pc - 1);
    NEXT();
P_end:
    if (likely(pc != cur.code_end)) NEXT_PAIR();
    (sp++)->i64 = under;
T_end:
    if (likely(pc != cur.code_end)) NEXT_TOP();
    (sp++)->i64 = top;
    goto L_return_;
L_end:
    if (likely(pc != cur.code_end)) NEXT();
L_return_: {
    uint32_t n = cur.code->result_slots;
    Slot *from = sp - n;
    sp = fp;
    for (uint32_t i = 0; i < n; i++) sp[i] = from[i];
    sp += n;
    cur.frame++;
    stack->frames = frame_offset(run->stack, cur.frame);
    if (unlikely(cur.frame->flags)) {
        stack->top = (uint32_t)(sp - base);
        return cur.frame->flags & FRAME_ENTRY ? RUN_DONE : RUN_RETURN;
    }
    if (unlikely(cur.frame->instance != cur.inst->id)) goto reload;
    cur.code = frame_code(cur.inst, cur.frame);
    goto refresh;
}
L_br:
    BRANCH(pc - 1);
    NEXT();
P_br_if:
    (sp++)->i64 = under;
    goto T_br_if;
L_br_if:
    top = (--sp)->i64;
T_br_if:
    if (TOP_i) {
        BRANCH(pc - 1);
    } else {
        side++;
        SKIP_LEB();
    }
    NEXT();
L_br_table: {
    const uint8_t *opcode = pc - 1;
    READ_U32(n);
    uint32_t i = (--sp)->i32;
    side += i < n ? i : n;
    BRANCH(opcode);
    NEXT();
}
L_throw_: {
    READ_U32(tag);
    uint32_t n = types_get(&store->engine->types, cur.inst->module->tags[tag])->param_slots;
    SAVE();
    trap = heap_new_exception(store, cur.inst->tags[tag], sp - n, n, &run->exception);
    if (unlikely(trap)) goto trapped;
    goto thrown;
}
L_throw_ref:
    TRAP_IF(!sp[-1].i64, NULL_EXCEPTION);
    run->exception = sp[-1].i64;
    SAVE();
    goto thrown;
L_try_table:
    BRANCH(pc - 1);
    NEXT();

    /* ---- Calls ---- */
L_call: {
    READ_U32(func);
    if (unlikely(func < cur.inst->module->n_imported_funcs)) {
        SAVE();
        callee_ref = imported_func(cur.inst, func, &run->error);
        if (unlikely(!callee_ref)) goto failed;
        goto call_ref;
    }
    target = cur.inst;
    callee = callee_code(target, func, &run->error);
    SAVE_PC();
    if (unlikely(!callee)) goto failed;
}
enter: {
    if (unlikely(target->links.entries) && jit_runs(target, callee->func)) goto compiled_call;
    Slot *args = sp - callee->param_slots;
    Frame *inner = frame_push(run->stack, cur.frame, args, target, callee);
    TRAP_IF(!inner || INTERRUPTED(), STACK_EXHAUSTED);
    fp = args;
    sp = fp + callee->local_slots;
    cur.frame = inner;
    stack->frames = frame_offset(run->stack, inner);
    if (unlikely(target != cur.inst)) goto reload;
    cur.code = callee;
    pc = cur.bytes + callee->start;
    side = callee->side;
    goto begin;
}
compiled_call:
    SAVE();
    run->callee = funcref_make(target->id, callee->func);
    return RUN_CALL;
L_call_indirect: {
    READ_U32(type);
    READ_U32(table);
    const TableRef *t = &cur.inst->tables[table];
    uint64_t i = (--sp)->i64;
    TRAP_IF(i >= t->state->size, UNDEFINED_ELEMENT);
    callee_ref = t->elems[i];
    trap = check_indirect(store, callee_ref, cur.inst->module->types[type]);
    if (unlikely(trap)) goto trapped;
    goto call_ref;
}
L_call_ref:
    SKIP_LEB();
    callee_ref = (--sp)->i64;
    TRAP_IF(!callee_ref, NULL_FUNCTION);
call_ref: {
    uint32_t id = funcref_instance(callee_ref);
    if (id == 0) {
        const Type *type = types_get(&store->engine->types, run_func_type(store, callee_ref));
        Slot *args = sp - type->param_slots;
        SAVE();
        /* What the host function calls runs above its arguments and results. */
        stack->top = (uint32_t)(args - base) +
                     (type->param_slots > type->result_slots ? type->param_slots
                                                             : type->result_slots);
        run->error = run_host(store, cur.inst, callee_ref, type, args);
        sp = args + type->result_slots;
        if (unlikely(run->error)) goto host_failed;
        TRAP_IF(INTERRUPTED(), INTERRUPTED);
        NEXT();
    }
    target = store->instances[id];
    callee = callee_code(target, funcref_func(callee_ref), &run->error);
    SAVE_PC();
    if (unlikely(!callee)) goto failed;
    goto enter;
}
L_return_call: {
    READ_U32(func);
    if (unlikely(func < cur.inst->module->n_imported_funcs)) {
        SAVE();
        callee_ref = imported_func(cur.inst, func, &run->error);
        if (unlikely(!callee_ref)) goto failed;
    } else {
        callee_ref = funcref_make(cur.inst->id, func);
    }
    goto tail_call;
}
L_return_call_indirect: {
    READ_U32(type);
    READ_U32(table);
    const TableRef *t = &cur.inst->tables[table];
    uint64_t i = (--sp)->i64;
    TRAP_IF(i >= t->state->size, UNDEFINED_ELEMENT);
    callee_ref = t->elems[i];
    trap = check_indirect(store, callee_ref, cur.inst->module->types[type]);
    if (unlikely(trap)) goto trapped;
    goto tail_call;
}
L_return_call_ref:
    SKIP_LEB();
    callee_ref = (--sp)->i64;
    TRAP_IF(!callee_ref, NULL_FUNCTION);
tail_call: { /* the arguments take the place of this frame's locals */
    uint32_t id = funcref_instance(callee_ref);
    SAVE();
    if (id == 0) {
        const Type *type = types_get(&store->engine->types, run_func_type(store, callee_ref));
        const uint32_t slots = type->param_slots > type->result_slots ? type->param_slots
                                                                      : type->result_slots;
        TRAP_IF((uint8_t *)(fp + slots) > (uint8_t *)cur.frame, STACK_EXHAUSTED);
        memmove(fp, sp - type->param_slots, type->param_slots * sizeof *fp);
        stack->frames = frame_offset(run->stack, cur.frame + 1); /* this frame is gone */
        stack->top = (uint32_t)(fp - base) + slots;
        run->error = run_host(store, cur.inst, callee_ref, type, fp);
        if (unlikely(run->error)) goto host_failed;
        sp = fp + type->result_slots;
        goto L_return_;
    }
    target = store->instances[id];
    callee = callee_code(target, funcref_func(callee_ref), &run->error);
    if (unlikely(!callee)) goto failed;
    TRAP_IF(INTERRUPTED(), INTERRUPTED);
    TRAP_IF((uint8_t *)(fp + callee->frame_slots) > (uint8_t *)cur.frame, STACK_EXHAUSTED);
    memmove(fp, sp - callee->param_slots, callee->param_slots * sizeof *fp);
    if (unlikely(target->links.entries) && jit_runs(target, callee->func)) {
        stack->frames = frame_offset(run->stack, cur.frame + 1);
        stack->top = (uint32_t)(fp - base) + callee->param_slots;
        run->callee = callee_ref;
        return RUN_CALL;
    }
    cur.frame = frame_push(run->stack, cur.frame + 1, fp, target, callee);
    sp = fp + callee->local_slots;
    cur.code = callee;
    if (target == cur.inst) goto refresh;
    goto reload;
}

    /* ---- References ---- */
L_ref_null:
    SKIP_LEB();
    (sp++)->i64 = 0;
    NEXT();
L_ref_is_null:
    sp[-1].i64 = sp[-1].i64 == 0;
    NEXT();
L_ref_func: {
    READ_U32(func);
    SAVE();
    FuncRef ref = func < cur.inst->module->n_imported_funcs
                      ? imported_func(cur.inst, func, &run->error)
                      : funcref_make(cur.inst->id, func);
    if (unlikely(!ref)) goto failed;
    (sp++)->i64 = ref;
    NEXT();
}
L_ref_eq:
    sp--;
    sp[-1].i64 = sp[-1].i64 == sp[0].i64;
    NEXT();
L_ref_as_non_null:
    TRAP_IF(!sp[-1].i64, NULL_REFERENCE);
    NEXT();
L_br_on_null:
    if (!sp[-1].i64) {
        sp--;
        BRANCH(pc - 1);
    } else {
        side++;
        SKIP_LEB();
    }
    NEXT();
L_br_on_non_null:
    if (sp[-1].i64) {
        BRANCH(pc - 1);
    } else {
        sp--;
        side++;
        SKIP_LEB();
    }
    NEXT();

    /* ---- Parametric and variable ---- */
L_drop:
    sp--;
T_drop:
    NEXT();
P_drop:
    top = under;
    NEXT_TOP();
L_select:
    top = (--sp)->i64;
T_select:
    under = (--sp)->i64;
P_select:
    sp--;
    top = TOP_i ? sp->i64 : under;
    NEXT_TOP();
L_select_t:
    SKIP_LEB(); /* the count of types: 1, perhaps padded */
    if (*pc == 0x7B) {
        pc++;
        sp -= 3;
        if (!sp[2].i32) memcpy(sp - 2, sp, 2 * sizeof *sp);
    } else {
        SKIP_BLOCK_TYPE();
        sp -= 2;
        if (!sp[1].i32) sp[-1] = sp[0];
    }
    NEXT();
P_local_get: {
    READ_U32(i);
    if (NEXT_IS(0x6A)) { /* i32.add */
        pc++;
        top = (uint32_t)top + fp[i].i32;
        NEXT_PAIR();
    }
    (sp++)->i64 = under;
    under = top;
    top = fp[i].i64;
    NEXT_PAIR();
}
T_local_get: {
    READ_U32(i);
    if (NEXT_IS(0x6A)) {
        pc++;
        top = (uint32_t)top + fp[i].i32;
        NEXT_TOP();
    }
    under = top;
    top = fp[i].i64;
    NEXT_PAIR();
}
L_local_get: {
    READ_U32(i);
    top = fp[i].i64;
    if (NEXT_IS(0x20) && pc[1] < 0x80) { /* another */
        under = top;
        top = fp[pc[1]].i64;
        pc += 2;
        if (NEXT_IS(0x6A)) { /* i32.add */
            pc++;
            top = (uint32_t)under + (uint32_t)top;
            NEXT_TOP();
        }
        NEXT_PAIR();
    }
    NEXT_TOP();
}
L_local_set:
    top = (--sp)->i64;
T_local_set: {
    READ_U32(i);
    fp[i].i64 = top;
    if (NEXT_IS(0x20)) { /* the next statement */
        pc++;
        goto L_local_get;
    }
    NEXT();
}
P_local_set: {
    READ_U32(i);
    fp[i].i64 = top;
    top = under;
    NEXT_TOP();
}
L_local_tee:
    top = (--sp)->i64;
T_local_tee: {
    READ_U32(i);
    fp[i].i64 = top;
    if (NEXT_IS(0x20)) {
        pc++;
        goto T_local_get;
    }
    NEXT_TOP();
}
P_local_tee: {
    READ_U32(i);
    fp[i].i64 = top;
    NEXT_PAIR();
}
#define GLOBAL_SLOT(x)                                                                            \
    (likely((x) >= cur.inst->module->n_imported_globals)                                          \
         ? cur.inst->globals + 2 * (size_t)((x)-cur.inst->module->n_imported_globals)             \
         : cur.inst->imported_globals[x].value)
P_global_get:
    (sp++)->i64 = under;
T_global_get: {
    READ_U32(x);
    under = top;
    top = GLOBAL_SLOT(x)->i64;
    NEXT_PAIR();
}
L_global_get: {
    READ_U32(x);
    top = GLOBAL_SLOT(x)->i64;
    NEXT_TOP();
}
P_global_set: {
    READ_U32(x);
    GLOBAL_SLOT(x)->i64 = top;
    top = under;
    NEXT_TOP();
}
L_global_set:
    top = (--sp)->i64;
T_global_set: {
    READ_U32(x);
    GLOBAL_SLOT(x)->i64 = top;
    NEXT();
}
L_table_get: {
    READ_U32(x);
    const TableRef *t = &cur.inst->tables[x];
    uint64_t i = sp[-1].i64;
    TRAP_IF(i >= t->state->size, TABLE_OUT_OF_BOUNDS);
    sp[-1].i64 = t->elems[i];
    NEXT();
}
L_table_set: {
    READ_U32(x);
    const TableRef *t = &cur.inst->tables[x];
    uint64_t i = sp[-2].i64;
    TRAP_IF(i >= t->state->size, TABLE_OUT_OF_BOUNDS);
    t->elems[i] = sp[-1].i64;
    sp -= 2;
    NEXT();
}

    /* The same in functions with v128. */
wide_drop:
    sp -= side++->word[0] & 0xFF;
    NEXT();
wide_select: {
    uint32_t n = side++->word[0] & 0xFF;
    uint32_t condition = (--sp)->i32;
    sp -= n;
    if (!condition) memcpy(sp - n, sp, n * sizeof *sp);
    NEXT();
}
wide_local_get: {
    READ_U32(i);
    uint32_t at = cur.code->local_map[i];
    *sp++ = fp[at >> 1];
    if (at & 1) *sp++ = fp[(at >> 1) + 1];
    NEXT();
}
wide_local_set: {
    READ_U32(i);
    uint32_t at = cur.code->local_map[i];
    if (at & 1) fp[(at >> 1) + 1] = *--sp;
    fp[at >> 1] = *--sp;
    NEXT();
}
wide_local_tee: {
    READ_U32(i);
    uint32_t at = cur.code->local_map[i];
    memcpy(fp + (at >> 1), sp - 1 - (at & 1), (1 + (at & 1)) * sizeof *sp);
    NEXT();
}
wide_global_get: {
    READ_U32(x);
    const Slot *g = GLOBAL_SLOT(x);
    *sp++ = g[0];
    if (cur.inst->module->globals[x].type.type == TYPE_V128) *sp++ = g[1];
    NEXT();
}
wide_global_set: {
    READ_U32(x);
    Slot *g = GLOBAL_SLOT(x);
    if (cur.inst->module->globals[x].type.type == TYPE_V128) g[1] = *--sp;
    g[0] = *--sp;
    NEXT();
}

    /* ---- Memory and constants ---- */
L_memory_size: {
    READ_U32(x);
    const MemoryState *m = memories[x].state;
    (sp++)->i64 = m->size >> m->page_log2;
    NEXT();
}
L_memory_grow: {
    READ_U32(x);
    uint64_t old;
    SAVE();
    if (memory_grow(&cur.inst->memories[x], sp[-1].i64, &old)) {
        sp[-1].i64 = old;
    } else {
        if (store->engine->config.trap_on_grow_failure) {
            run->error = memory_grow_error(&cur.inst->memories[x], sp[-1].i64);
            goto failed;
        }
        sp[-1].i64 = memories[x].state->is64 ? UINT64_MAX : UINT32_MAX;
    }
    NEXT();
}
P_i32_const: {
    READ_SIGNED(int32_t, x)
    if (NEXT_IS(0x6A)) { /* i32.add */
        pc++;
        top = (uint32_t)top + (uint32_t)x;
        NEXT_PAIR();
    }
    (sp++)->i64 = under;
    under = top;
    top = (uint32_t)x;
    NEXT_PAIR();
}
T_i32_const: {
    READ_SIGNED(int32_t, x)
    if (NEXT_IS(0x6A)) {
        pc++;
        top = (uint32_t)top + (uint32_t)x;
        NEXT_TOP();
    }
    under = top;
    top = (uint32_t)x;
    NEXT_PAIR();
}
L_i32_const: {
    READ_SIGNED(int32_t, x)
    top = (uint32_t)x;
    NEXT_TOP();
}
P_i64_const:
    (sp++)->i64 = under;
T_i64_const: {
    READ_SIGNED(int64_t, x)
    under = top;
    top = (uint64_t)x;
    NEXT_PAIR();
}
L_i64_const: {
    READ_SIGNED(int64_t, x)
    top = (uint64_t)x;
    NEXT_TOP();
}
L_f32_const:
    memcpy(&sp->i32, pc, 4);
    pc += 4;
    sp++;
    NEXT();
P_f64_const:
    (sp++)->i64 = under;
T_f64_const:
    under = top;
    top = double_word_at(pc);
    pc += 8;
    NEXT_PAIR();
L_f64_const:
    top = double_word_at(pc);
    pc += 8;
    NEXT_TOP();
L_v128_const:
    memcpy(sp, pc, 16);
    pc += 16;
    sp += 2;
    NEXT();

    /* ---- Prefixed pages ---- */
prefix_simd: {
    READ_U32(sub);
    goto *simd[sub];
}
prefix_misc: {
    static const void *const misc[MISC_CODES] = {
        [0 ... MISC_CODES - 1] = &&bulk,
        [0] = &&L_i32_trunc_sat_f32_s, [1] = &&L_i32_trunc_sat_f32_u,
        [2] = &&L_i32_trunc_sat_f64_s, [3] = &&L_i32_trunc_sat_f64_u,
        [4] = &&L_i64_trunc_sat_f32_s, [5] = &&L_i64_trunc_sat_f32_u,
        [6] = &&L_i64_trunc_sat_f64_s, [7] = &&L_i64_trunc_sat_f64_u,
        [19] = &&L_i64_add128, [20] = &&L_i64_sub128,
        [21] = &&L_i64_mul_wide_s, [22] = &&L_i64_mul_wide_u};
    READ_U32(sub);
    bulk_code = sub;
    goto *misc[sub];
}
bulk:
    STEP(step_bulk(&step_, bulk_code));
    NEXT();
prefix_gc: {
    const uint8_t *opcode = pc - 1;
    READ_U32(sub);
    if (sub == 24 || sub == 25) { /* br_on_cast, br_on_cast_fail */
        bool nullable = *pc & 2;
        Leb l = leb_unsigned(pc + 1);         /* label */
        l = leb_signed(l.pc);                 /* source type */
        l = leb_heap_type(cur.inst->module, l.pc);
        HeapType wanted = (HeapType)l.value;
        bool matches = ref_matches(store, types_top(&store->engine->types, wanted), sp[-1].i64,
                                   wanted, nullable);
        if (matches == (sub == 24)) {
            BRANCH(opcode);
        } else {
            side++;
            pc = l.pc;
        }
        NEXT();
    }
    STEP(step_aggregate(&step_, sub));
    NEXT();
}

    /* ---- Cached operands back to memory; metering ---- */
spill_pair:
    (sp++)->i64 = under;
spill:
    (sp++)->i64 = top;
    goto *(cur.code->flags & CODE_WIDE ? wide : narrow)[pc[-1]];
#define METER(table, cached)                                                                      \
    if (unlikely(--store->fuel < 0)) goto out_of_fuel;                                            \
    goto *table[(cached) + pc[-1]]
meter:
    METER(narrow, 0);
meter_top:
    METER(narrow, 256);
meter_pair:
    METER(narrow, 512);
meter_wide:
    METER(wide, 0);
meter_wide_top:
    METER(wide, 256);
meter_wide_pair:
    METER(wide, 512);

    /* ---- All rows that compute ---- */
#define INSTR(page, code, ident, text, imm, sig, align, feature) ROW_##imm##_##sig(ident, align)
#include "loader/instructions.def"

    /* ---- Ways out ---- */
out_of_fuel:
    trap = FNVM_TRAP_OUT_OF_FUEL;
    goto trapped;
interrupted:
    trap = FNVM_TRAP_INTERRUPTED;
trapped:
    SAVE();
    return run_trap(run, trap);
failed:
    SAVE();
    backtrace_attach(store, run->error);
    return RUN_FAILED;
host_failed: {
    RunExit next = run_host_failed(run);
    if (likely(next == RUN_RESUME)) goto resume;
    return next;
}
thrown: {
    RunExit next = run_throw(run);
    if (likely(next == RUN_RESUME)) goto resume;
    return next;
}
}

#pragma GCC diagnostic pop
