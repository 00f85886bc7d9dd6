/* The pass: decode an instruction, give it to the template of its family; before it the prologue,
 * behind it what is out of the way: traps, slow calls, constants. */
#include "jit/compile.h"

#include <stdlib.h>
#include <sys/platform/x86.h>

#include "jit/trace.h"
#include "jit/x86_64/check_state.h"
#include "loader/skip.h"
#include "vm/interpreter.h"
#include "vm/tunables.h"

/* ---- Immediates ---- */

static uint64_t take(Compiler *c, Leb l)
{
    c->pc = (uint32_t)(l.pc - c->bytes);
    return l.value;
}

uint64_t read_long_u(Compiler *c) { return take(c, leb_unsigned(c->bytes + c->pc)); }
int64_t read_long_s(Compiler *c) { return (int64_t)take(c, leb_signed(c->bytes + c->pc)); }

/* ---- The machine ---- */

/* The C library has asked the processor already: in a virtual machine each CPUID instruction is an
 * exit to the host, and the compiler's own builtins would repeat a dozen in every process. */
uint64_t compiler_cpu_features(void)
{
    if (!CPU_FEATURE_ACTIVE(SSE4_1) || !CPU_FEATURE_ACTIVE(SSSE3)) return 0;
    uint64_t features = CPU_BASELINE;
    if (CPU_FEATURE_ACTIVE(AVX)) features |= CPU_AVX;
    if (CPU_FEATURE_ACTIVE(AVX2)) features |= CPU_AVX2;
    if (CPU_FEATURE_ACTIVE(BMI1)) features |= CPU_BMI1;
    if (CPU_FEATURE_ACTIVE(BMI2)) features |= CPU_BMI2;
    if (CPU_FEATURE_ACTIVE(LZCNT)) features |= CPU_LZCNT;
    if (CPU_FEATURE_ACTIVE(POPCNT)) features |= CPU_POPCNT;
    return features;
}

Compiler *compiler_new(Module *m)
{
    Compiler *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->m = m;
    c->bytes = m->bytes;
    c->cpu = compiler_cpu_features();
    c->stop = engine_stop(m->engine);
    c->counts_fuel = m->engine->config.fuel;
    region_offsets(m, &c->offsets);
    c->guards_memory = m->nmemories > 0 && memory_is_guarded(&m->memories[0]);
    return c;
}

void compiler_free(Compiler *c)
{
    if (!c) return;
    asm_free(&c->a);
    points_free(&c->points);
    free(c->pads);
    free(c->tries);
    free(c->fixups);
    free(c->ops);
    free(c->local_kind);
    free(c->local_reg);
    free(c->local_slot);
    free(c->aliases);
    free(c->blocks);
    free(c->traps);
    free(c->slow_calls);
    free(c->slow_news);
    free(c->saved);
    free(c->literals);
    free(c->table_uses);
    free(c);
}

void compiler_stop_at(Compiler *c, Stop stop) { c->stop = stop; }

bool compiler_stopped(const Compiler *c) { return c->stopped; }

/* ---- Setting up ---- */

/* An array of n items at least, its contents void. */
static bool make_array(void *array_pointer, size_t n, size_t bytes)
{
    void **array = array_pointer;
    free(*array);
    *array = malloc(n * bytes);
    return *array != NULL;
}

static bool make_locals(Compiler *c, uint32_t n)
{
    if (n < c->locals_size) return true;
    uint32_t size = n * 2 + 1;
    c->locals_size = 0;
    if (!make_array(&c->local_kind, size, 1) || !make_array(&c->local_reg, size, 1) ||
        !make_array(&c->local_slot, size, 4) || !make_array(&c->aliases, size, 4))
        return false;
    c->locals_size = size;
    return true;
}

static void declare(Compiler *c, uint32_t *x, uint32_t *slot, uint32_t n, Kind k)
{
    memset(c->local_kind + *x, (int)k, n);
    for (uint32_t i = 0; i < n; i++, *slot += kind_slots(k)) c->local_slot[*x + i] = *slot;
    *x += n;
}

/* Parameters, then the body's declarations (5.5.13). */
static void declare_locals(Compiler *c, const Type *t, Range body)
{
    uint32_t x = 0, slot = 0;
    for (uint32_t i = 0; i < t->nparams; i++) declare(c, &x, &slot, 1, kind_of(t->params[i]));
    c->pc = body.start;
    for (uint32_t groups = (uint32_t)read_u(c); groups > 0; groups--) {
        uint32_t n = (uint32_t)read_u(c);
        uint8_t code = c->bytes[c->pc++];
        if (code == 0x63 || code == 0x64) read_s(c);
        declare(c, &x, &slot, n, code == 0x7F ? KIND_I32 : code == 0x7D ? KIND_F32
                               : code == 0x7C ? KIND_F64 : code == 0x7B ? KIND_V128 : KIND_I64);
    }
    memset(c->local_reg, NO_REG, x);
    memset(c->aliases, 0, x * sizeof *c->aliases);
}

static int by_offset(const void *a, const void *b)
{
    const TryTable *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* The verifier lists handlers as they end; here they are wanted as they begin.  Clauses in code that
 * this pass finds unreachable, where the verifier did not, get no pad: nobody can throw there. */
static bool make_tries(Compiler *c, const FuncCode *code)
{
    uint32_t n = code->nhandlers, npads = 0;
    for (uint32_t i = 0; i < n; i++) npads += code->handlers[i].count;
    if (n > c->tries_size || npads > c->pads_size) {
        c->tries_size = c->pads_size = 0;
        if (!make_array(&c->tries, n, sizeof *c->tries) ||
            !make_array(&c->pads, npads + 1, sizeof *c->pads))
            return false;
        c->tries_size = n;
        c->pads_size = npads;
    }
    for (uint32_t i = 0; i < n; i++)
        c->tries[i] = (TryTable){code->handlers[i].entry, code->handlers[i].first};
    if (n) qsort(c->tries, n, sizeof *c->tries, by_offset);
    for (uint32_t i = 0; i < npads; i++) c->pads[i] = 0;
    c->ntries = n;
    return true;
}

static bool start(Compiler *c, const Segment *segment, const FuncCode *code)
{
    const Module *m = c->m;
    uint32_t noperands = code->frame_slots - code->local_slots + 1;
    c->code = code;
    c->segment = segment;
    c->base = segment_next_code(segment);
    c->failed = false;
    c->nlocals = code->nlocals;
    if (!asm_start(&c->a) || !make_locals(c, code->nlocals)) return false;
    if (noperands > c->ops_size) {
        c->ops_size = 0;
        if (!make_array(&c->ops, (size_t)noperands * 2, sizeof *c->ops)) return false;
        c->ops_size = noperands * 2;
    }
    if (!make_tries(c, code)) return false;
    points_start(&c->points, code->start);
    declare_locals(c, types_get(&m->engine->types, code->type),
                   m->bodies[code->func - m->n_imported_funcs]);
    c->nops = c->flushed = c->nblocks = c->tries_seen = c->tables_seen = 0;
    c->nslow_news = c->nsaved = 0;
    c->ntraps = c->nslow_calls = c->nliterals = c->ntable_uses = c->nfixups = 0;
    c->charge = c->cost = 0;
    c->carried = 0;
    c->loops_seen = 1;
    c->slot = code->local_slots;
    c->pc = c->at = code->start;
    c->region = 0;
    return true;
}

/* ---- Prologue ---- */

enum { UNCHECKED_FRAME = 1024 }; /* of a leaf: within the red zone that its caller checked for */

static void prologue(Compiler *c)
{
    const FuncCode *code = c->code;
    uint32_t bytes = code->frame_slots * 8;
    if (bytes > UNCHECKED_FRAME || !(code->flags & CODE_LEAF)) {
        asm_rm(&c->a, X_LEA, true, SCRATCH,
               mem_at(REG_FRAME, (int32_t)bytes - JIT_FP_BIAS + JIT_RED_ZONE));
        asm_rr(&c->a, X_CMP, true, SCRATCH, REG_STACK);
        asm_jcc(&c->a, CC_A, &c->exhausted);
    }
    if (!(code->flags & CODE_LEAF)) { /* recursion can be stopped as well as loops */
        point_here(c);
        asm_rm(&c->a, X_TEST, false, RAX, mem_at(REG_INSTANCE, -128));
    }
}

/* ---- Behind the function ---- */

static void emit_exhausted(Compiler *c)
{
    if (!c->exhausted.link) return;
    label_bind(&c->a, &c->exhausted);
    asm_dm(&c->a, X_JMP_RM, false, 4,
           mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.stubs[STUB_EXHAUSTED])));
}

static void emit_traps(Compiler *c)
{
    for (uint32_t i = 0; i < c->ntraps; i++) {
        TrapSite *t = &c->traps[i];
        asm_room(&c->a, ASM_ROOM);
        label_bind(&c->a, &t->from);
        asm_mov_ri(&c->a, RAX, t->trap);
        asm_dm(&c->a, X_JMP_RM, false, 2,
               mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.stubs[STUB_TRAP])));
        points_add(&c->points, asm_offset(&c->a), t->pc, 0);
    }
}

static void emit_literals(Compiler *c)
{
    while (c->nliterals && (asm_offset(&c->a) & 7)) asm_8(&c->a, 0xCC);
    for (uint32_t i = 0; i < c->nliterals && !c->a.failed; i++) {
        const Literal *l = &c->literals[i];
        asm_room(&c->a, ASM_ROOM);
        if (c->a.failed) return;
        uint32_t distance = asm_offset(&c->a) - l->use;
        memcpy(c->a.bytes + l->use - 4, &distance, 4);
        asm_64(&c->a, l->low);
        if (l->size == 16) asm_64(&c->a, l->high);
    }
}

/* ---- The pass ---- */

static inline bool compile_base(Compiler *c, Op op, uint8_t code)
{
    switch (code) {
    case 0x20: /* a third of all instructions */
        push_local(c, (uint32_t)read_u(c));
        return true;
    case 0x01: return true;
    case 0x02 ... 0x05: case 0x0B: case 0x1F: return compile_block(c, op);
    case 0x00: case 0x08: case 0x0A: case 0x0C ... 0x0F: case 0xD5: case 0xD6:
        return compile_branch(c, op);
    case 0x10 ... 0x15: return compile_call(c, op);
    case 0x1C: /* select with its type */
        read_u(c);
        if (c->bytes[c->pc] == 0x63 || c->bytes[c->pc] == 0x64) c->pc++;
        read_s(c);
        return compile_variable(c, op_select);
    case 0x28 ... 0x40: return compile_memory(c, op);
    case 0x45 ... 0x5A: case 0x67 ... 0x8A: case 0xC0 ... 0xC4: return compile_integer(c, op);
    case 0x5B ... 0x66: case 0x8B ... 0xA6: return compile_float(c, op);
    case 0xA7 ... 0xBF: return compile_convert(c, op);
    default: return compile_variable(c, op);
    }
}

static bool compile_prefixed(Compiler *c, Op op, uint8_t page)
{
    switch (page) {
    case PAGE_SIMD: return compile_vector(c, op);
    case PAGE_GC:
        if (op == op_br_on_cast || op == op_br_on_cast_fail) return compile_branch(c, op);
        return compile_aggregate(c, op);
    default:
        if (instructions[op].code < 8) return compile_convert(c, op);
        if (instructions[op].code >= 19) return compile_integer(c, op);
        return compile_aggregate(c, op);
    }
}

/* The byte says where to go; the instruction's row is not looked at for that. */
static inline bool compile_next(Compiler *c)
{
    c->at = c->pc;
    uint8_t byte = c->bytes[c->pc++];
    bool is_prefix = byte >= PAGE_GC && byte <= PAGE_SIMD;
    Op op = is_prefix ? instruction_decode(byte, (uint32_t)read_u(c))
                      : instruction_decode_base(byte);
    if (__builtin_expect(c->counts_fuel, 0)) count_fuel(c, op);
    return is_prefix ? compile_prefixed(c, op, byte) : compile_base(c, op, byte);
}

/* Nothing is made of code that cannot be reached; blocks are still counted. */
static bool skip_dead(Compiler *c)
{
    uint8_t byte = c->bytes[c->pc];
    if ((byte >= 0x02 && byte <= 0x05) || byte == 0x0B || byte == 0x1F)
        return compile_next(c);
    Reader r = {.bytes = c->bytes, .pos = c->pc, .end = c->code->end};
    Op op;
    if (!reader_skip_instruction(&r, &op)) {
        fnvm_error_free(r.error);
        return false;
    }
    c->pc = r.pos;
    return true;
}

static bool pass(Compiler *c)
{
    uint32_t until_look = STOP_STEPS;
    do {
        if (--until_look == 0) {
            if ((c->stopped = stop_wanted(c->stop)) != false) return false;
            until_look = STOP_STEPS;
        }
        asm_room(&c->a, ASM_ROOM);
        if (__builtin_expect(c->a.failed | c->failed, 0)) return false;
        check_state(c);
        if (__builtin_expect(c->trace != NULL, 0)) trace_instruction(c, c->pc);
        if (c->reachable ? !compile_next(c) : !skip_dead(c)) return false;
    } while (c->nblocks > 0);
    return true;
}

/* More locals than could all be named in the code: they would be most of the work. */
static bool is_all_locals(const FuncCode *code)
{
    return code->nlocals > LIMIT_WIDE_LOCALS + (code->end - code->start);
}

bool compiler_function(Compiler *c, const Segment *segment, const FuncCode *code, Compiled *out)
{
    c->stopped = stop_wanted(c->stop);
    if (c->stopped || code->nregions == 0 || is_all_locals(code) || !start(c, segment, code)) return false;
    c->exhausted = (Label){0};
    prologue(c);
    region_start(c);
    block_start_function(c);
    if (c->failed || !pass(c)) return false;
    if (c->trace) trace_instruction(c, TRACE_BEHIND);
    finish_calls(c);
    finish_news(c);
    emit_exhausted(c);
    emit_traps(c);
    if (c->trace) trace_instruction(c, TRACE_DATA);
    emit_literals(c);
    if (c->failed || c->a.failed || c->points.failed) return false;
    uint32_t npads = 0;
    for (uint32_t i = 0; i < code->nhandlers; i++) npads += code->handlers[i].count;
    *out = (Compiled){.func = code->func, .code = c->a.bytes, .code_size = asm_offset(&c->a),
                      .base = c->base, .fixups = c->fixups, .nfixups = c->nfixups,
                      .points = c->points.bytes, .points_size = c->points.size, .pads = c->pads,
                      .npads = npads};
    return true;
}
