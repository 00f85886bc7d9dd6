/* The independent check of compiled code: it accepts what the compiler makes of a module with every
 * form of memory access, and refuses code that is wrong in one way, for each way, by its reason.
 * Whatever bytes it is given, it comes to an end and reads nothing beyond them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "jit/compile.h"
#include "jit/x86_64/compiler.h"
#include "jit/x86_64/verify.h"
#include "vm/heap.h"
#include "vm/instance.h"

static const char source[] =
    "(module (memory 1) (memory $far i64 1) (table $t 4 funcref) (table $u 4 funcref)\n"
    "  (tag $e (param i32))"
    "  (global $g (mut i32) (i32.const 1)) (global $c i32 (i32.const 2))\n"
    "  (type $s (struct (field (mut i32)) (field i64))) (type $a (array (mut i32)))\n"
    "  (type $f (func (param i32) (result i32))) (elem declare func $load)\n"
    "  (func $load (param i32) (result i32) (i32.load offset=8 (local.get 0)))\n"
    "  (func $far (param i64) (result i64) (i64.load $far (local.get 0)))\n"
    "  (func $call (param i32) (result i32) (call $load (local.get 0)))\n"
    "  (func $indirect (param i32 i32) (result i32)\n"
    "    (call_indirect $t (type $f) (local.get 0) (local.get 1)))\n"
    "  (func $element (param i32) (result funcref) (table.get $t (local.get 0)))\n"
    "  (func $field (param (ref null $s)) (result i32) (struct.get $s 0 (local.get 0)))\n"
    "  (func $item (param (ref null $a) i32) (result i32)\n"
    "    (array.get $a (local.get 0) (local.get 1)))\n"
    "  (func $switch (param i32) (result i32) (block (block (br_table 0 1 (local.get 0)))\n"
    "    (return (i32.const 5))) (i32.const 6))\n"
    "  (func $grow (param i32) (result i32) (memory.grow (local.get 0)))\n"
    "  (func $global (param i32) (global.set $g (local.get 0)))\n"
    "  (func $tail (param i32) (result i32) (return_call $load (local.get 0)))\n"
    "  (func $loop (param i32) (result i32) (local i32 f64) (loop (i32.store16 offset=3\n"
    "    (local.get 1) (local.get 0)) (local.set 2 (f64.add (local.get 2) (f64.const 1.5)))\n"
    "    (local.set 1 (i32.add (local.get 1) (i32.const 4)))\n"
    "    (br_if 0 (i32.lt_u (local.get 1) (local.get 0)))) (i32.trunc_f64_u (local.get 2)))\n"
    "  (func $ring (param i32) (result i32) (if (i32.eqz (local.get 0)) (then\n"
    "    (return_call_indirect $u (type $f) (local.get 0) (local.get 0))))\n"
    "    (return_call $ring (local.get 0)))\n"
    "  (func $catch (param i32) (result i32) (local i64 i64 v128) (block $h (result i32)\n"
    "    (try_table (catch $e $h) (throw $e (i32.wrap_i64 (call $far (local.get 1)))))\n"
    "    (unreachable)) (v128.store $far (local.get 2) (local.get 3)))\n"
    "  (func $new (param i32) (result (ref $a)) (array.new $a (local.get 0) (i32.const 3)))\n"
    "  (func $by_ref (param i32 (ref null $f)) (result i32) (call_ref $f (local.get 0)\n"
    "    (local.get 1))))\n";

enum { LOAD, FAR, CALL, INDIRECT, ELEMENT, FIELD, ITEM, SWITCH, GROW, GLOBAL, TAIL, LOOP, RING,
       CATCH, NEW, BY_REF, FUNCS };

typedef struct World {
    fnvm_engine *engine;
    Module *m;
    Segment *segment;
    RegionOffsets offsets;
    const FuncCode *code[FUNCS];
} World;

static const char lazy_stub[16];

static World *world_open(void)
{
    World *w = calloc(1, sizeof *w);
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_JIT;
    assert_non_null(w);
    assert_null(fnvm_engine_new(&config, &w->engine));
    assert_null(fnvm_module_new(w->engine, source, sizeof source - 1, &w->m));
    assert_int_equal(w->m->nfuncs, FUNCS);
    for (uint32_t f = 0; f < FUNCS; f++) assert_null(verifier_function(w->m, f, &w->code[f]));
    assert_null(segment_new(w->m, lazy_stub, &w->segment));
    region_offsets(w->m, &w->offsets);
    return w;
}

static void world_close(World *w)
{
    segment_free(w->segment);
    fnvm_module_release(w->m);
    fnvm_engine_free(w->engine);
    free(w);
}

static int setup(void **state) { return *state = world_open(), 0; }
static int teardown(void **state) { return world_close(*state), 0; }

/* ---- What the compiler makes ---- */

static void compile(World *w, Compiler *compiler, uint32_t func, Compiled *out)
{
    assert_true(compiler_function(compiler, w->segment, w->code[func], out));
}

static void test_accepts_the_compiler(void **state)
{
    World *w = *state;
    Compiler *compiler = compiler_new(w->m);
    for (uint32_t f = 0; f < FUNCS; f++) {
        Compiled out;
        compile(w, compiler, f, &out);
        fnvm_error *error = verify_compiled(w->m, w->segment, &out);
        if (error) fail_msg("%s", fnvm_error_message(error));
        segment_lock(w->segment);
        assert_true(segment_add(w->segment, &out));
        segment_unlock(w->segment);
    }
    compiler_free(compiler);
}

/* Every single bit of the code turned over, and every end cut off: some changes are as good as the
 * original, but nothing may go wrong.  The copies are exact, for the address sanitizer. */
static void test_any_bytes(void **state)
{
    World *w = *state;
    Compiler *compiler = compiler_new(w->m);
    uint32_t refused = 0, all = 0;
    for (uint32_t f = 0; f < FUNCS; f++) {
        Compiled out;
        compile(w, compiler, f, &out);
        uint8_t *copy = malloc(out.code_size);
        assert_non_null(copy);
        memcpy(copy, out.code, out.code_size);
        out.code = copy;
        for (uint32_t bit = 0; bit < 8 * out.code_size; bit++, all++) {
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            fnvm_error *error = verify_compiled(w->m, w->segment, &out);
            refused += error != NULL;
            fnvm_error_free(error);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (uint32_t size = out.code_size; size-- > 0;) {
            uint8_t *part = malloc(size + !size);
            assert_non_null(part);
            memcpy(part, copy, size);
            Compiled cut = out;
            cut.code = part;
            cut.code_size = size;
            fnvm_error *error = verify_compiled(w->m, w->segment, &cut);
            assert_non_null(error);
            fnvm_error_free(error);
            free(part);
        }
        free(copy);
    }
    compiler_free(compiler);
    assert_true(refused > all / 2);
}

/* The check, switched on: the module runs as without it. */
static void test_engine(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_module *m;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *inst;
    static const char text[] = "(module (memory 1) (data (i32.const 9) \"\\07\")\n"
        "  (func (export \"f\") (param i32) (result i32) (i32.load8_u offset=1 (local.get 0))))";
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_JIT;
    config.jit_verify = true;
    assert_null(fnvm_engine_new(&config, &engine));
    assert_null(fnvm_module_new(engine, text, sizeof text - 1, &m));
    assert_null(fnvm_store_new(engine, &store));
    assert_null(fnvm_linker_new(store, &linker));
    assert_null(fnvm_linker_instantiate(linker, m, &inst));
    fnvm_extern f;
    assert_true(fnvm_instance_export(inst, "f", 1, &f));
    fnvm_val arg = {.kind = FNVM_I32, .of.i32 = 8}, result;
    assert_null(fnvm_func_call(store, f, &arg, 1, &result, 1));
    assert_int_equal(result.of.i32, 7);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

/* ---- Code by hand ---- */

typedef struct Code {
    World *w;
    uint32_t func;
    Assembler a;
    PointWriter points;
    uint32_t fixup, pad;
    bool has_fixup, has_pad;
} Code;

/* The place of the first byte `opcode` in the function. */
static uint32_t pc_of(const Code *c, uint8_t opcode)
{
    const FuncCode *code = c->w->code[c->func];
    for (uint32_t pc = code->start; pc < code->end; pc++)
        if (c->w->m->bytes[pc] == opcode) return pc;
    fail_msg("no opcode %02x", opcode);
    return 0;
}

static void point(Code *c, uint8_t opcode, uint32_t slots)
{
    points_add(&c->points, asm_offset(&c->a), pc_of(c, opcode), slots);
}

static void ret(Code *c) { asm_8(&c->a, 0xC3); }

static Mem link(size_t offset) { return mem_at(R15, (int32_t)offset); }
static Mem stub(JitStub which)
{
    return link(offsetof(Instance, links.stubs) + which * sizeof(void *));
}

static void trap(Code *c, Label *from, fnvm_trap number, uint8_t opcode)
{
    label_bind(&c->a, from);
    asm_mov_ri(&c->a, RAX, number);
    asm_dm(&c->a, X_JMP_RM, false, 2, stub(STUB_TRAP));
    point(c, opcode, 0);
}

/* Each writes a function that is right if `variant` is 0, and else wrong in one way. */
typedef void Writer(Code *c, int variant);

static void write_load(Code *c, int variant)
{
    Assembler *a = &c->a;
    Mem m = mem_index(R14, RDI, 0, 8);
    Opcode op = X_MOV;
    bool wide = false;
    switch (variant) {
    case 1: asm_rr(a, X_ADD, true, RDI, RSI); break;
    case 2: m.disp = -8; break;
    case 3: wide = true; break;
    case 5: asm_rr(a, X_MOV, true, R15, RAX); break;
    case 6: asm_mov_ri(a, R14, 0); break;
    case 7: asm_alu_ri(a, ALU_ADD, true, RSP, 8); break;
    case 8: asm_alu_ri(a, ALU_ADD, true, RBP, 8); break;
    case 9: m.scale = 1; break;
    case 10: asm_rm(a, X_MOV_STORE, true, RAX, mem_at(RBP, 8 - JIT_FP_BIAS)); break;
    case 11: asm_rm(a, X_MOVUPS, false, XMM0, mem_at(RBP, -JIT_FP_BIAS)); break;
    case 12: asm_rm(a, X_MOV_STORE, true, RAX, mem_at(RBP, -8 - JIT_FP_BIAS)); break;
    case 13: asm_rm(a, X_MOV, true, RAX, mem_at(RSP, 0)); break;
    case 14: asm_rm(a, X_MOV, true, RAX, mem_at(RAX, 0)); break;
    case 15: asm_rm(a, X_MOV_STORE, true, RAX, link(offsetof(Instance, links.memory))); break;
    case 16: asm_8(a, 0x0F), asm_8(a, 0x05); break; /* syscall */
    case 17: asm_8(a, 0xEB), asm_8(a, 1); break;
    case 32: asm_rr(a, X_XOR, false, RAX, RAX), asm_8(a, 0xEB), asm_8(a, 0xFE); break;
    case 34: asm_rm(a, X_LEA, true, RAX, link(0)); break;
    case 35: asm_rm(a, X_MOV, false, RAX, mem_at(RBP, 2 - JIT_FP_BIAS)); break;
    case 36: op = X_MOV_STORE; break;
    case 33:
        asm_rm(a, X_MOV, true, R11, link(offsetof(Instance, links.cpu)));
        asm_alu_mi(a, ALU_SUB, true, mem_at(R11, (int32_t)offsetof(GuestCpu, ints)), 1);
        break;
    case 18: asm_8(a, 0xE9), asm_32(a, 0x10000); break;
    case 19: asm_rr(a, X_MOV, true, RAX, R15); break;
    case 20: op = OPC(0, 0, 0x03), wide = true; break;
    case 21: asm_8(a, 0xCC); break;
    case 22: asm_8(a, 0x48), asm_8(a, 0x87), asm_8(a, 0xC7); break; /* xchg */
    case 23: asm_dr(a, X_JMP_RM, false, 4, RAX); break;
    case 24: asm_dr(a, X_JMP_RM, false, 2, RAX); break;
    case 25: asm_rm(a, X_TEST, false, RAX, mem_at(R15, -128)); break;
    case 26: asm_rm(a, X_MOV_STORE, false, RAX, mem_at(R14, 8)); break; /* no point of its own */
    case 27: asm_rm(a, X_PXOR, false, XMM0, mem_at(RBP, -JIT_FP_BIAS)); break;
    case 28: asm_rm(a, X_MOV_STORE, false, RAX, (Mem){NO_REG, NO_REG, 0, 32}); break;
    default: break;
    }
    if (variant != 4) point(c, 0x28, 0);
    asm_rm(a, op, wide, RAX, m);
    if (variant == 29) asm_rr(a, X_ADD, true, RAX, RAX);
    if (variant == 30) c->has_pad = true, c->pad = 1;
    if (variant != 31) ret(c);
}

static void write_far(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label carry = {0}, above = {0};
    const uint32_t ref = c->w->offsets.memories + sizeof(MemoryRef);
    const int32_t other = variant == 4 ? -(int32_t)sizeof(MemoryRef) : 0;
    asm_mov_ri(a, RAX, variant == 1 ? 4 : 8);
    asm_rr(a, X_ADD, true, RAX, RDI);
    if (variant != 2) asm_jcc(a, CC_B, &carry);
    asm_rm(a, X_MOV, true, R11, mem_at(R15, (int32_t)(ref + offsetof(MemoryRef, state)) + other));
    asm_rm(a, X_CMP, true, RAX, mem_at(R11, (int32_t)offsetof(MemoryState, size)));
    if (variant != 3) asm_jcc(a, variant == 5 ? CC_AE : CC_A, &above);
    if (variant == 6) asm_alu_ri(a, ALU_ADD, true, RAX, 8);
    asm_rm(a, X_ADD, true, RAX, mem_at(R15, (int32_t)(ref + offsetof(MemoryRef, base))));
    point(c, 0x29, 0);
    asm_rm(a, X_MOV, true, RAX, mem_at(RAX, variant == 7 ? -4 : -8));
    ret(c);
    trap(c, &carry, FNVM_TRAP_MEMORY_OUT_OF_BOUNDS, 0x29);
    trap(c, &above, FNVM_TRAP_MEMORY_OUT_OF_BOUNDS, 0x29);
}

/* The check for room on the stack. */
static void start(Code *c, Label *full)
{
    const int32_t frame = (int32_t)c->w->code[c->func]->frame_slots * 8;
    asm_rm(&c->a, X_LEA, true, R11, mem_at(RBP, frame - JIT_FP_BIAS + JIT_RED_ZONE));
    asm_rr(&c->a, X_CMP, true, R11, RSP);
    asm_jcc(&c->a, CC_A, full);
}

static void poll(Code *c, uint8_t opcode)
{
    point(c, opcode, 0);
    asm_rm(&c->a, X_TEST, false, RAX, mem_at(R15, -128));
}

static void finish(Code *c, Label *full)
{
    label_bind(&c->a, full);
    asm_dm(&c->a, X_JMP_RM, false, 4, stub(STUB_EXHAUSTED));
}

static void write_call(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label full = {0};
    const uint32_t slots = c->w->code[c->func]->local_slots;
    if (variant != 1) start(c, &full);
    if (variant == 2) a->bytes[3]--; /* of the distance */
    if (variant != 12) poll(c, 0x20);
    if (variant == 3) asm_rr(a, X_MOVSXD, true, RDI, RDI);
    asm_alu_ri(a, ALU_ADD, true, RBP, (int32_t)(8 * slots));
    asm_mov_ri(a, RAX, variant == 4 ? 2 : LOAD + 1);
    asm_dm(a, X_JMP_RM, false, 2, variant == 11 ? link(0x10000) : (Mem){NO_REG, NO_REG, 0, 0});
    c->has_fixup = variant != 5 && variant != 11;
    c->fixup = asm_offset(a) - 4;
    uint32_t entry = variant == 6 ? 8 : 0;
    uint32_t distance = entry - (segment_next_code(c->w->segment) + asm_offset(a));
    if (variant != 11) memcpy(a->bytes + c->fixup, &distance, 4);
    if (variant != 7) point(c, 0x10, variant == 8 ? slots + 1 : slots);
    if (variant != 9) asm_alu_ri(a, ALU_SUB, true, RBP, (int32_t)(8 * slots));
    if (variant == 10) asm_rr(a, X_MOV, true, RAX, RDI);
    ret(c);
    finish(c, &full);
}

/* rdi the argument, rsi the index. */
static void write_indirect(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label full = {0}, slow = {0}, out = {0};
    const int32_t table = (int32_t)(c->w->offsets.tables + (variant == 9 ? sizeof(TableRef) : 0));
    const uint32_t slots = c->w->code[c->func]->local_slots;
    start(c, &full);
    poll(c, 0x20);
    asm_rm(a, X_MOV, true, R11, mem_at(R15, table + (int32_t)offsetof(TableRef, state)));
    asm_rm(a, X_CMP, true, RSI, mem_at(R11, (int32_t)offsetof(TableState, size)));
    asm_jcc(a, CC_AE, &out);
    asm_rm(a, X_MOV, true, R11, mem_at(R15, table + (int32_t)offsetof(TableRef, elems)));
    asm_rm(a, variant == 8 ? OPC(0, 0, 0x0B) : X_MOV, true, RAX, mem_index(R11, RSI, 3, 0));
    asm_alu_ri(a, ALU_ADD, true, RBP, (int32_t)(8 * slots));
    if (variant == 5) asm_8(a, 0xEB), asm_8(a, 7); /* to the comparison of the instance */
    asm_rr(a, X_MOV, true, RCX, RAX);
    asm_shift_ri(a, SHIFT_SHR, true, RCX, 32);
    asm_rm(a, X_CMP, false, RCX, link(offsetof(Instance, id)));
    asm_jcc(a, variant == 1 ? CC_E : CC_NE, &slow);
    asm_rr(a, X_MOV, false, RDX, variant == 3 ? RDI : RAX);
    if (variant != 7) {
        asm_rm(a, X_MOV, true, RCX, link(offsetof(Instance, links.func_types)));
        asm_rm(a, X_MOV, false, RCX, mem_index(RCX, RDX, 2, variant == 6 ? 0 : -4));
        asm_rm(a, X_MOV, true, R11, link(offsetof(Instance, links.types)));
        asm_rm(a, X_CMP, false, RCX, mem_at(R11, variant == 2 ? 0 : 8)); /* type 2 */
        asm_jcc(a, CC_NE, &slow);
    }
    asm_rm(a, X_MOV, true, RCX, link(offsetof(Instance, links.entries)));
    asm_dm(a, X_JMP_RM, false, 2, mem_index(RCX, RDX, 3, variant == 4 ? 0 : -8));
    point(c, 0x11, slots);
    uint32_t back = asm_offset(a);
    asm_alu_ri(a, ALU_SUB, true, RBP, (int32_t)(8 * slots));
    ret(c);
    label_bind(a, &slow);
    asm_rm(a, X_MOV, true, R11, link(offsetof(Instance, links.types)));
    asm_rm(a, X_MOV, false, RCX, mem_at(R11, 8));
    asm_mov_ri(a, RDX, FNVM_TRAP_UNINITIALIZED_ELEMENT);
    asm_dm(a, X_JMP_RM, false, 2, stub(STUB_CALL_REF));
    point(c, 0x11, slots);
    Label behind = {.bound = true, .at = back};
    asm_jmp(a, &behind);
    finish(c, &full);
    trap(c, &out, FNVM_TRAP_UNDEFINED_ELEMENT, 0x11);
}

static void write_tail(Code *c, int variant)
{
    Assembler *a = &c->a;
    if (variant != 4) poll(c, 0x20);
    if (variant == 2) asm_rr(a, X_MOVSXD, true, RDI, RDI);
    asm_mov_ri(a, RAX, variant == 1 ? FUNCS + 1 : LOAD + 1);
    if (variant == 3) asm_8(a, 0xE9), asm_32(a, 0);
    else asm_dm(a, X_JMP_RM, false, 4, (Mem){NO_REG, NO_REG, 0, 0});
    c->has_fixup = true;
    c->fixup = asm_offset(a) - 4;
    uint32_t entry = variant == 1 ? 8 * FUNCS : 0;
    uint32_t distance = entry - (segment_next_code(c->w->segment) + asm_offset(a));
    memcpy(a->bytes + c->fixup, &distance, 4);
}

static void write_zeroes(Code *c, int variant)
{
    Assembler *a = &c->a;
    const uint32_t slots = c->w->code[c->func]->frame_slots;
    asm_rm(a, X_LEA, true, R11, mem_at(RBP, variant == 1 ? 0 : -JIT_FP_BIAS));
    asm_mov_ri(a, RAX, variant == 2 ? slots + 1 : slots);
    Label again = {.bound = true, .at = asm_offset(a)};
    asm_mov_mi(a, true, mem_at(R11, 0), 0);
    asm_alu_ri(a, ALU_ADD, true, R11, variant == 3 ? 16 : 8);
    asm_alu_ri(a, ALU_SUB, false, RAX, 1);
    asm_jcc(a, CC_NE, &again);
    if (variant == 4) asm_jcc(a, CC_O, &again);
    asm_mov_ri(a, RAX, 0);
    ret(c);
}

static void write_element(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label out = {0};
    const uint32_t ref = c->w->offsets.tables, next = variant == 1 ? sizeof(TableRef) : 0;
    asm_rm(a, X_MOV, true, R11, mem_at(R15, (int32_t)(ref + offsetof(TableRef, state))));
    if (variant != 2) asm_rm(a, X_CMP, true, RDI, mem_at(R11, (int32_t)offsetof(TableState, size)));
    if (variant != 3) asm_jcc(a, CC_AE, &out);
    if (variant == 4) asm_alu_ri(a, ALU_ADD, true, RDI, 1);
    asm_rm(a, X_MOV, true, R11, mem_at(R15, (int32_t)(ref + next + offsetof(TableRef, elems))));
    asm_rm(a, variant == 6 ? X_MOV_STORE : X_MOV, true, RAX,
           mem_index(R11, RDI, 3, variant == 5 ? 8 : 0));
    ret(c);
    trap(c, &out, FNVM_TRAP_TABLE_OUT_OF_BOUNDS, 0x25);
}

static void write_field(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label null = {0};
    const Type *s = types_get(&c->w->engine->types, c->w->m->types[0]);
    const int32_t offset = (int32_t)s->fields[0].offset;
    if (variant != 1) asm_rr(a, X_TEST, variant != 2, RDI, RDI);
    if (variant != 1) asm_jcc(a, variant == 3 ? CC_NE : CC_E, &null);
    if (variant == 4) asm_rm(a, X_MOV, true, RDI, mem_at(RBP, -JIT_FP_BIAS));
    asm_rm(a, variant == 6 ? X_MOV_STORE : X_MOV, variant == 5, RAX,
           mem_at(RDI, variant == 7 ? offset + 4 : offset));
    asm_mov_ri(a, RAX, 0);
    ret(c);
    trap(c, &null, FNVM_TRAP_NULL_STRUCT, 0xFB);
}

static void write_item(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label null = {0}, out = {0};
    asm_rr(a, X_TEST, true, RDI, RDI);
    asm_jcc(a, CC_E, &null);
    asm_rm(a, X_CMP, false, RSI, mem_at(RDI, (int32_t)offsetof(Array, length)));
    if (variant != 1) asm_jcc(a, CC_AE, &out);
    if (variant == 2) asm_rr(a, X_ADD, false, RSI, RSI);
    asm_rm(a, X_MOV, variant == 4, RAX,
           mem_index(RDI, RSI, variant == 3 ? 3 : 2, (int32_t)sizeof(Array)));
    ret(c);
    trap(c, &null, FNVM_TRAP_NULL_ARRAY, 0xFB);
    trap(c, &out, FNVM_TRAP_ARRAY_OUT_OF_BOUNDS, 0xFB);
}

static void write_switch(Code *c, int variant)
{
    Assembler *a = &c->a;
    Label other = {0};
    if (variant == 5) asm_rr(a, X_MOVSXD, true, RDI, RDI);
    asm_alu_ri(a, ALU_CMP, false, RDI, variant == 1 ? 9 : 2);
    if (variant == 6) asm_jcc(a, CC_A, &other);
    else asm_jcc(a, CC_AE, &other);
    asm_rm(a, X_LEA, true, R11, (Mem){NO_REG, NO_REG, 0, 9 + (variant == 2)});
    asm_rm(a, X_MOVSXD, true, RDI, mem_index(R11, RDI, 2, 0));
    asm_rr(a, X_ADD, true, RDI, R11);
    asm_dr(a, X_JMP_RM, false, 4, RDI);
    uint32_t table = asm_offset(a);
    asm_32(a, 8);
    asm_32(a, variant == 3 ? 9 : variant == 4 ? 0 : 14);
    asm_mov_ri(a, RAX, 5);
    ret(c);
    assert_int_equal(asm_offset(a), table + 14);
    label_bind(a, &other);
    asm_mov_ri(a, RAX, 6);
    ret(c);
}

static void write_grow(Code *c, int variant)
{
    Assembler *a = &c->a;
    const int32_t home = (int32_t)c->w->code[c->func]->local_slots * 8 - JIT_FP_BIAS;
    asm_rm(a, X_MOV_STORE, true, RDI, mem_at(RBP, home));
    asm_rm(a, X_LEA, true, RSI, mem_at(variant == 1 ? RDI : RBP, variant == 2 ? home - 4 : home));
    asm_mov_ri(a, RDX, variant == 3 ? 9 : 0);
    asm_mov_ri(a, RCX, 0);
    asm_mov_ri(a, RAX, variant == 4 ? RT_link : variant == 5 ? 1000 : RT_memory_grow);
    asm_dm(a, X_JMP_RM, false, 2, stub(variant == 6 ? STUB_TRAP : STUB_RUNTIME));
    point(c, 0x40, 0);
    asm_rm(a, X_MOV, variant == 7, RAX, mem_at(RBP, home));
    ret(c);
}

static void write_global(Code *c, int variant)
{
    const int32_t own = (int32_t)c->w->offsets.globals;
    static const int32_t beside[] = {0, 16, 4, 32, 0}; /* the immutable one; its middle; none */
    const int32_t disp = own + beside[variant];
    if (variant == 4) asm_rm(&c->a, X_MOVUPS_STORE, false, XMM0, mem_at(R15, disp));
    asm_rm(&c->a, X_MOV_STORE, true, RDI, mem_at(R15, disp));
    ret(c);
}

/* ---- The rules ---- */

typedef struct Rule { Writer *write; uint32_t func; int variant; const char *why; } Rule;

static const Rule rules[] = {
    {write_load, LOAD, 0, NULL},
    {write_load, LOAD, 1, "upper half may not be zero"},
    {write_load, LOAD, 2, "not the bytecode's offset"},
    {write_load, LOAD, 3, "another width than the bytecode's"},
    {write_load, LOAD, 4, "without a point"},
    {write_load, LOAD, 5, "register is written"},
    {write_load, LOAD, 6, "register is written"},
    {write_load, LOAD, 7, "register is written"},
    {write_load, LOAD, 8, "while the frame register is ahead"},
    {write_load, LOAD, 9, "a scaled index"},
    {write_load, LOAD, 10, NULL}, /* a slot, whatever is in it */
    {write_load, LOAD, 11, NULL},
    {write_load, LOAD, 12, "outside of the frame"},
    {write_load, LOAD, 13, "the control stack"},
    {write_load, LOAD, 14, "no known address"},
    {write_load, LOAD, 15, "no business with"},
    {write_load, LOAD, 16, "unknown instruction"},
    {write_load, LOAD, 17, "into the middle of an instruction"},
    {write_load, LOAD, 18, "that is not listed"},
    {write_load, LOAD, 19, "register as an operand"},
    {write_load, LOAD, 20, "another width than the bytecode's"},
    {write_load, LOAD, 21, "data that is executed"},
    {write_load, LOAD, 22, "unknown instruction"},
    {write_load, LOAD, 23, "a jump to an address"},
    {write_load, LOAD, 24, "a call of a register"},
    {write_load, LOAD, 25, "a poll without a point"},
    {write_load, LOAD, 26, "without a point"},
    {write_load, LOAD, 27, "would have to be aligned"},
    {write_load, LOAD, 28, "a constant that is not behind the code"},
    {write_load, LOAD, 29, "an i32 returned"},
    {write_load, LOAD, 30, "no instruction"},
    {write_load, LOAD, 31, "runs out of the code"},
    {write_load, LOAD, 32, "a loop without a poll"},
    {write_load, LOAD, 33, "arithmetic in memory"},
    {write_load, LOAD, 34, "as a value"},
    {write_load, LOAD, 35, "across slots"},
    {write_load, LOAD, 36, "a store for a load"},
    {write_far, FAR, 0, NULL},
    {write_far, FAR, 1, "not within what was checked"},
    {write_far, FAR, 2, "no known address"},
    {write_far, FAR, 3, "no known address"},
    {write_far, FAR, 4, "no known address"},
    {write_far, FAR, 5, "no known address"},
    {write_far, FAR, 6, "no known address"},
    {write_far, FAR, 7, "not within what was checked"},
    {write_call, CALL, 0, NULL},
    {write_call, CALL, 1, "room on the stack"},
    {write_call, CALL, 2, "room on the stack"},
    {write_call, CALL, 3, "an i32 passed on"},
    {write_call, CALL, 4, "an entry that is not"},
    {write_call, CALL, 5, "that is not listed"},
    {write_call, CALL, 6, "an entry that is not"},
    {write_call, CALL, 7, "without a point"},
    {write_call, CALL, 8, "another frame"},
    {write_call, CALL, 9, "while the frame register is ahead"},
    {write_call, CALL, 10, "an i32 returned"},
    {write_call, CALL, 11, "to nowhere"},
    {write_call, CALL, 12, "does not poll"},
    {write_indirect, INDIRECT, 0, NULL},
    {write_indirect, INDIRECT, 1, "through a pointer that is no entry"},
    {write_indirect, INDIRECT, 2, "whose type was not checked"},
    {write_indirect, INDIRECT, 3, "through a pointer that is no entry"},
    {write_indirect, INDIRECT, 4, "through a pointer that is no entry"},
    {write_indirect, INDIRECT, 5, "a jump into a sequence"},
    {write_indirect, INDIRECT, 6, "through a pointer that is no entry"},
    {write_indirect, INDIRECT, 7, "whose type was not checked"},
    {write_indirect, INDIRECT, 8, "whose type was not checked"},
    {write_indirect, INDIRECT, 9, "of another table"},
    {write_tail, TAIL, 0, NULL},
    {write_tail, TAIL, 1, "to nowhere"},
    {write_tail, TAIL, 2, "an i32 passed on"},
    {write_tail, TAIL, 3, "to nowhere"},
    {write_tail, TAIL, 4, "does not poll"},
    {write_zeroes, LOOP, 0, NULL},
    {write_zeroes, LOOP, 1, "outside of the frame"},
    {write_zeroes, LOOP, 2, "outside of the frame"},
    {write_zeroes, LOOP, 3, "a loop without a poll"},
    {write_zeroes, LOOP, 4, "a jump into a sequence"},
    {write_element, ELEMENT, 0, NULL},
    {write_element, ELEMENT, 1, "was not checked"},
    {write_element, ELEMENT, 2, "was not checked"},
    {write_element, ELEMENT, 3, "was not checked"},
    {write_element, ELEMENT, 4, "was not checked"},
    {write_element, ELEMENT, 5, "no element"},
    {write_element, ELEMENT, 6, "a store for a load"},
    {write_field, FIELD, 0, NULL},
    {write_field, FIELD, 1, "no known address"},
    {write_field, FIELD, 2, "no known address"},
    {write_field, FIELD, 3, "no known address"},
    {write_field, FIELD, 4, "no known address"},
    {write_field, FIELD, 5, "not the field's"},
    {write_field, FIELD, 6, "a store for a load"},
    {write_field, FIELD, 7, "not the field's"},
    {write_item, ITEM, 0, NULL},
    {write_item, ITEM, 1, "was not checked"},
    {write_item, ITEM, 2, "was not checked"},
    {write_item, ITEM, 3, "was not checked"},
    {write_item, ITEM, 4, "not the element's"},
    {write_switch, SWITCH, 0, NULL},
    {write_switch, SWITCH, 1, "beyond the code"},
    {write_switch, SWITCH, 2, "from no jump table"},
    {write_switch, SWITCH, 3, "into the middle of an instruction"},
    {write_switch, SWITCH, 4, "into the middle of an instruction"},
    {write_switch, SWITCH, 5, "jump table whose upper half"},
    {write_switch, SWITCH, 6, "from no jump table"},
    {write_grow, GROW, 0, NULL},
    {write_grow, GROW, 1, "arguments that are not"},
    {write_grow, GROW, 2, "arguments that are not"},
    {write_grow, GROW, 3, "arguments that are not"},
    {write_grow, GROW, 4, "arguments that are not"},
    {write_grow, GROW, 5, "arguments that are not"},
    {write_grow, GROW, 6, NULL}, /* a trap: what comes behind is never executed */
    {write_grow, GROW, 7, "an i32 returned"},
    {write_global, GLOBAL, 0, NULL},
    {write_global, GLOBAL, 1, "immutable"},
    {write_global, GLOBAL, 2, "the middle of a global"},
    {write_global, GLOBAL, 3, "no business with"},
    {write_global, GLOBAL, 4, "wider than the global"},
};

static void check_rule(World *w, const Rule *r)
{
    Code c = {.w = w, .func = r->func};
    assert_true(asm_start(&c.a));
    points_start(&c.points, w->code[r->func]->start);
    r->write(&c, r->variant);
    Compiled out = {.func = r->func, .code = c.a.bytes, .code_size = asm_offset(&c.a),
                    .base = segment_next_code(w->segment), .fixups = &c.fixup,
                    .nfixups = c.has_fixup, .points = c.points.bytes,
                    .points_size = c.points.size, .pads = &c.pad, .npads = c.has_pad};
    fnvm_error *error = verify_compiled(w->m, w->segment, &out);
    const char *found = error ? fnvm_error_message(error) : "accepted";
    if (r->why ? !strstr(found, r->why) : error != NULL)
        fail_msg("rule %ld, function %u, variant %d: expected `%s`: %s", (long)(r - rules), r->func,
                 r->variant, r->why ? r->why : "accepted", found);
    fnvm_error_free(error);
    asm_free(&c.a);
    points_free(&c.points);
}

static void test_rules(void **state)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) check_rule(*state, &rules[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepts_the_compiler, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_bytes, setup, teardown),
        cmocka_unit_test(test_engine)};
    return compiler_cpu_features() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
