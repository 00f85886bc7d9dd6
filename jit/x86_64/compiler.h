/* The compiler's working state, and what templates are written with.
 *
 * One pass over the bytecode.  An operand is wherever it happens to be: in its home slot, in a
 * register, a constant, an alias of a local, or (the topmost, for one instruction) in the flags.
 * Locals have home slots too; the hottest of a region (the function, or a loop) are *pinned* to
 * registers while its code is compiled, as the verifier counted (FuncCode.regions).
 *
 * A template pops its operands, chooses a destination, emits, and pushes:
 *
 *     Reg b = pop_reg(c), a = pop_reg(c);
 *     Reg d = dest(c, KIND_I32, a);        // may be the pin of the local that is set next
 *     ...emit d <- a op b, where d may be equal to a or b...
 *     release(c, a, d), release(c, b, d);
 *     push_reg(c, KIND_I32, d);
 *
 * Invariants: an i32 in a register or slot is zero-extended to 64 bits; the upper lanes of a
 * vector register that holds an f32 or f64 are undefined; below the innermost block's height every
 * operand is at home; the flags hold an operand only if the next instruction is known to take it. */
#ifndef FNVM_JIT_X86_64_COMPILER_H
#define FNVM_JIT_X86_64_COMPILER_H

#include <stdio.h>

#include "jit/compile.h"
#include "jit/points.h"
#include "jit/runtime.h"
#include "jit/x86_64/assembler.h"
#include "loader/instruction.h"
#include "vm/region.h"

/* ---- Registers ---- */

enum {
    REG_INSTANCE = R15, REG_MEMORY = R14, REG_FRAME = RBP, REG_STACK = RSP,
    SCRATCH = R11, SCRATCH_VECTOR = XMM15 /* free within any template; emit_* may use them too
                                             where it says so */
};
#define REG_BIT(r) (UINT32_C(1) << (r))
#define INT_REGS                                                                                  \
    (REG_BIT(RAX) | REG_BIT(RCX) | REG_BIT(RDX) | REG_BIT(RBX) | REG_BIT(RSI) | REG_BIT(RDI) |    \
     REG_BIT(R8) | REG_BIT(R9) | REG_BIT(R10) | REG_BIT(R12) | REG_BIT(R13))
#define VECTOR_REGS UINT32_C(0x7FFF0000)
/* Those that locals may be pinned to; arguments come in the first of them, JIT_INT_ARGS and
 * JIT_FLOAT_ARGS.  A first result comes in rax or xmm0, which never are pins. */
extern const Reg pin_ints[], pin_vectors[];

/* ---- What the machine can do ---- */

enum {
    CPU_BASELINE = 128, /* SSE4.1: without it there is no compiler */
    CPU_AVX = 1, CPU_AVX2 = 2, CPU_BMI1 = 8, CPU_BMI2 = 16, CPU_LZCNT = 32,
    CPU_POPCNT = 64
};

/* ---- Operands and locals ---- */

typedef enum Kind { KIND_I32, KIND_I64, KIND_F32, KIND_F64, KIND_V128 } Kind; /* references: I64 */
static inline bool kind_is_int(Kind k) { return k <= KIND_I64; }
static inline uint32_t kind_slots(Kind k) { return k == KIND_V128 ? 2 : 1; }
static inline Reg result_reg(Kind k) { return kind_is_int(k) ? RAX : XMM0; }
Kind kind_of(ValType);

typedef enum Where { AT_HOME, IN_REG, IS_CONST, IS_LOCAL, IN_FLAGS } Where;
typedef struct Operand {
    uint8_t where, kind;
    Reg reg;               /* IN_REG; IN_FLAGS: the Condition */
    uint8_t unused;
    uint32_t slot;         /* home */
    union {
        uint64_t bits;     /* IS_CONST; not for v128 */
        uint32_t local;    /* IS_LOCAL */
    };
} Operand;

/* The registers that a region gives to locals. */
typedef struct Pins {
    uint32_t mask;                           /* registers in use */
    uint32_t written, live_in, private;      /* LOCAL_* of their locals */
    uint16_t local[32];                      /* by register */
} Pins;

/* What the pinned registers hold: bits by register.  valid: the local's value; dirty: the home
 * slot does not have it. */
typedef struct PinState { uint32_t valid, dirty; } PinState;

typedef enum BlockKind { BLOCK_FUNC, BLOCK_PLAIN, BLOCK_LOOP, BLOCK_IF, BLOCK_ELSE, BLOCK_TRY } BlockKind;
typedef struct Block {
    uint8_t kind;
    bool dead;             /* entered in unreachable code: skipped whole */
    bool has_state;        /* somebody branches to `label`, with `state` */
    bool saved_region;     /* a loop with pins of its own: they end with it */
    uint32_t height, slot; /* operands below it, and their slots (from the frame's first) */
    const Type *type;      /* NULL: no parameters and `nsingle` results */
    uint8_t single, nsingle; /* Kind */
    uint32_t region;       /* index of the Pins at its label */
    PinState state;
    Label label;           /* its end; of a loop its header */
    uint32_t table_link;   /* jump table entries that wait for it: index + 1 in table_uses */
    uint32_t table_epoch;  /* the last jump table with an entry for it, */
    Label table_entry;     /* and where that leads if moves are needed first */
    PinState else_state;
    Label else_label;
    uint32_t catches;      /* of a try_table: offset of its clauses, */
    uint32_t first_clause; /* and the first one's index */
} Block;

enum {
    COMPILER_REGIONS = 32,   /* nested regions with pins of their own; deeper loops have none */
    COMPILER_WINDOW = 48     /* topmost operands that may be away from home */
};

/* A trap's code, behind the function's end. */
typedef struct TrapSite { Label from; uint32_t pc; fnvm_trap trap; } TrapSite;

/* The slow path of an indirect call, behind the function's end: callees of other instances, host
 * functions, subtypes, null. */
typedef struct SlowCall {
    Label from;
    uint32_t back, pc, slots;
    uint32_t type;           /* type index to check against, or UINT32_MAX */
    fnvm_trap trap;          /* of null */
    bool is_tail;
} SlowCall;

/* Where the catch clauses of a try_table are, in FuncCode.clauses. */
typedef struct TryTable { uint32_t at, first; } TryTable;

/* A register in use where an object is made, and the slot that keeps it while the runtime does. */
typedef struct SavedReg {
    Reg reg;
    uint8_t kind;
    bool store;              /* the slot does not have it yet */
    uint32_t slot;
} SavedReg;

/* Making an object by the runtime, behind the function's end: its list is empty, it is too large for
 * lists, or a collection is due. */
typedef struct SlowNew {
    Label from;
    uint32_t back, pc;
    uint32_t type;           /* type index */
    uint32_t saved, nsaved;  /* in Compiler.saved */
    uint32_t length;         /* of an array, or it is in: */
    Reg length_reg, object;
} SlowNew;

/* A constant behind the code, with the one instruction that loads it. */
typedef struct Literal { uint32_t use; uint32_t size; uint64_t low, high; } Literal;

/* An entry of a jump table, relative to the table; `next` links those of one label. */
typedef struct TableUse { uint32_t entry, table, next; } TableUse;

struct Compiler {
    Module *m;
    const FuncCode *code;
    const Segment *segment;
    RegionOffsets offsets;
    uint64_t cpu;            /* CPU_* */
    bool guards_memory;      /* memory 0 needs no checks: see memory.c */
    uint32_t base;           /* distance from the segment's entries to the code's start */

    Assembler a;
    PointWriter points;
    uint32_t *pads;
    uint32_t pads_size;
    uint32_t *fixups;        /* see Compiled */
    uint32_t nfixups, fixups_size;

    const uint8_t *bytes;    /* of the module */
    uint32_t pc;             /* offset of the next byte to decode */
    uint32_t at;             /* offset of the current instruction's opcode */

    Operand *ops;
    uint32_t nops, ops_size;
    uint32_t flushed;        /* the lowest that may be away from home */
    uint32_t slot;           /* home of the next operand pushed */

    uint32_t nlocals, locals_size;
    uint8_t *local_kind;
    Reg *local_reg;          /* the pin, or NO_REG */
    uint32_t *local_slot;
    uint32_t *aliases;       /* operands that are IS_LOCAL of it */

    uint32_t free;           /* registers for temporaries that nobody has */
    PinState pin;            /* of the current region's pins */
    uint32_t region;         /* index in regions */
    Pins regions[COMPILER_REGIONS];
    uint32_t loops_seen;     /* FuncCode.regions are in code order */

    Block *blocks;
    uint32_t nblocks, blocks_size;
    bool reachable;
    Label exhausted;         /* where the prologue goes if the stack has no room */

    TrapSite *traps;
    uint32_t ntraps, traps_size;
    SlowCall *slow_calls;
    uint32_t nslow_calls, slow_calls_size;
    SlowNew *slow_news;
    uint32_t nslow_news, slow_news_size;
    SavedReg *saved;
    uint32_t nsaved, saved_size;
    Literal *literals;
    uint32_t nliterals, literals_size;
    TableUse *table_uses;
    uint32_t ntable_uses, table_uses_size;
    TryTable *tries;         /* in code order */
    uint32_t ntries, tries_size, tries_seen;
    uint32_t tables_seen;    /* jump tables so far: tells Block.table_epoch apart */
    bool failed;             /* memory ran out: the function is given up */
    bool counts_fuel;
    uint64_t carried;        /* arguments and results of its calls so far */
    Stop stop;               /* looked at while a function is compiled */
    bool stopped;            /* the last function was not finished because of it */
    uint32_t charge;         /* of the current stretch: the end of the number that is its cost, */
    uint32_t cost;           /* and that as far as it is known; charge 0: between stretches */
    struct CodeTrace *trace; /* who watches, or NULL */
};

static inline bool has_cpu(const Compiler *c, uint64_t features)
{
    return (c->cpu & features) == features;
}

/* ---- Immediates: the code is verified, so nothing is checked ---- */

uint64_t read_long_u(Compiler *);
int64_t read_long_s(Compiler *);
static inline uint64_t read_u(Compiler *c) /* LEB128: most take one byte */
{
    uint8_t byte = c->bytes[c->pc];
    if (__builtin_expect(byte >= 0x80, 0)) return read_long_u(c);
    c->pc++;
    return byte;
}
static inline int64_t read_s(Compiler *c)
{
    uint8_t byte = c->bytes[c->pc];
    if (__builtin_expect(byte >= 0x80, 0)) return read_long_s(c);
    c->pc++;
    return (int8_t)(uint8_t)(byte << 1) >> 1;
}

/* A template does the next instruction as well: one of a single byte, which cannot trap and is not
 * free (vm/fuel.h). */
static inline void take_next(Compiler *c)
{
    c->pc++;
    c->cost += c->counts_fuel;
}

/* ---- Working memory ---- */

/* Room for one more item; false (and c->failed) if memory is out. */
bool compiler_room(Compiler *, void *array_pointer, uint32_t *size, uint32_t used, size_t bytes);

/* ---- Taking operands ---- */

static inline Operand *top(Compiler *c, uint32_t depth) { return &c->ops[c->nops - 1 - depth]; }

/* Pops into a register.  A pinned local comes in its pin, which must not be written; release
 * knows.  Clobbers nothing but the register it gives. */
Reg pop_reg(Compiler *);
/* Pops into a register that the template may write: never a pin. */
Reg pop_owned(Compiler *);
/* Pops into this very register (rax, rcx, rdx or a vector register below xmm4, which are never
 * pins), claiming it if need be. */
void pop_into(Compiler *, Reg);
/* Pops as the source of an instruction: a register, or memory if that is where it lies. */
typedef struct Source { Reg reg; Mem mem; } Source; /* reg NO_REG: mem */
Source pop_source(Compiler *);
/* If the topmost operand is a constant that a 32-bit immediate can hold (sign-extended where
 * `wide`), pops it. */
bool pop_imm32(Compiler *, bool wide, int32_t *imm);
/* If it is a constant, pops it. */
bool pop_const(Compiler *, uint64_t *bits);
static inline bool top_is_const(Compiler *c, uint32_t depth) { return top(c, depth)->where == IS_CONST; }

/* ---- Registers for results and temporaries ---- */

/* Where the result goes: the pin of the local that the next instruction sets, if it does; else
 * `prefer` if it is owned (a popped temporary); else a new one.  Pass NO_REG for no preference.
 * It may be equal to any of the sources popped before. */
Reg dest(Compiler *, Kind, Reg prefer);
Reg temp_int(Compiler *);     /* never pins; spills an operand if need be */
Reg temp_vector(Compiler *);
/* Makes the register free for this template: an operand or local in it moves elsewhere.  Only for
 * rax, rcx and rdx, which are never pins.  Give it back with release. */
void claim(Compiler *, Reg);
/* Gives back a popped or allocated register unless it is a pin or `kept` (the destination). */
static inline void release(Compiler *c, Reg r, Reg kept)
{
    if (r != NO_REG && r != kept) c->free |= REG_BIT(r) & ~c->regions[c->region].mask;
}

/* ---- Pushing results ---- */

void narrow_window(Compiler *); /* sends the lower half of what may be away from home there */
static inline void push_operand(Compiler *c, Where where, Kind k, Reg reg, uint64_t bits)
{
    if (__builtin_expect(c->nops - c->flushed >= COMPILER_WINDOW, 0)) narrow_window(c);
    c->ops[c->nops++] = (Operand){.where = (uint8_t)where, .kind = (uint8_t)k, .reg = reg,
                                  .slot = c->slot, .bits = bits};
    c->slot += kind_slots(k);
}
static inline void push_local(Compiler *c, uint32_t local)
{
    push_operand(c, IS_LOCAL, (Kind)c->local_kind[local], 0, local);
    c->aliases[local]++;
}

void push_reg(Compiler *, Kind, Reg);
/* What pop_reg gave, unchanged: a pin stands for its local again. */
void push_back(Compiler *, Kind, Reg);
void push_const(Compiler *, Kind, uint64_t bits); /* i32, i64, f32, f64 */
/* The result of a comparison that set the flags: stays there if the next instruction takes it from
 * there, else becomes 0 or 1 in a register. */
void push_condition(Compiler *, Condition);

/* ---- Emitting ---- */

/* Vector instructions with three operands, d <- a op b, whatever is equal to what; VEX where the
 * machine has it, else a move and the legacy form (SCRATCH_VECTOR if d == b). */
void emit_vector(Compiler *, Opcode, Reg d, Reg a, Reg b);
void emit_vector_source(Compiler *, Opcode, Reg d, Reg a, Source b); /* b in memory: unaligned is
                                      fine only for scalar opcodes; v128 sources must be registers
                                      unless the machine has AVX */
static inline void emit_rs(Compiler *c, Opcode op, bool wide, Reg reg, Source s)
{
    if (s.reg != NO_REG) asm_rr(&c->a, op, wide, reg, s.reg);
    else asm_rm(&c->a, op, wide, reg, s.mem);
}
void emit_move(Compiler *, Kind, Reg to, Reg from);        /* nothing if they are the same */
void emit_load_slot(Compiler *, Kind, Reg to, uint32_t slot);
void emit_store_slot(Compiler *, Kind, uint32_t slot, Reg from);
void emit_const(Compiler *, Kind, Reg to, uint64_t bits);  /* leaves the flags; may use SCRATCH */
void emit_v128_const(Compiler *, Reg to, const uint8_t bytes[16]); /* may use SCRATCH */
Mem slot_mem(uint32_t slot);                               /* a slot of the frame */

/* A trap if the condition holds; its code lies behind the function. */
void trap_if(Compiler *, Condition, fnvm_trap);
void trap_always(Compiler *, fnvm_trap);
/* Marks the instruction emitted next as one that can fault on a memory access. */
void point_here(Compiler *);

/* Branching in two steps: what both ways need first (it may emit code, but leaves the flags), then
 * what only the way taken needs; `plain` says that the latter is nothing but a jump. */
void branch_prepare(Compiler *, Block *);
bool branch_is_plain(Compiler *, Block *);
void branch_take(Compiler *, Block *);
/* Pops an i32 as a condition: from the flags, or the flags set for it. */
Condition pop_condition(Compiler *);
/* From a landing pad: the payload is at home at the label's height, no pin is valid. */
void branch_land(Compiler *, Block *);
/* The function's return, with its results on top; the state stays as it is. */
void emit_return(Compiler *);
/* Jump to `l` if cc, which may be one of the two for floats. */
void jump_if(Compiler *, Condition cc, Label *l);
/* Loads the topmost operand into rax or xmm0 without popping it. */
void load_top(Compiler *, Reg to);

/* Regions: the pins of the function, of a loop; and from one state to another. */
void region_start(Compiler *);                       /* of the function: parameters are in place */
bool region_enter(Compiler *, const Region *facts);  /* false: too deep, nothing changed */
void region_leave(Compiler *, uint32_t outer);
PinState state_at(const Compiler *, uint32_t region);/* what a label there can keep of this state */
bool transition_needed(const Compiler *, uint32_t region, PinState to, bool to_header);
void transition(Compiler *, uint32_t region, PinState to, bool to_header);

/* The topmost operand popped and dropped; all operands from `first` on at home. */
void drop_top(Compiler *);
void operands_home(Compiler *, uint32_t first);
void operand_home(Compiler *, Operand *);
void store_pins(Compiler *); /* the dirty ones; their state stays */
/* Operands go without code: `n` are forgotten (a branch has left), or appear at home (results). */
void operands_forget(Compiler *, uint32_t down_to);
void push_home(Compiler *, Kind);
/* Before local x changes, operands that stand for its old value get it. */
void unalias(Compiler *, uint32_t local);

/* Canonical state: all operands at home, dirty pins stored, no pin valid afterwards. */
void canonical(Compiler *);
/* The operands of the current instruction (the topmost `nslots` slots) to the runtime and its
 * result, of `nresults` slots, back: pops and pushes nothing itself. */
void call_runtime(Compiler *, uint32_t index, uint32_t operand_slot, uint64_t a, uint64_t b);
/* A row of values by the runtime: for what has no template. */
void row_by_runtime(Compiler *, Op, uint64_t immediate);

/* ---- Objects ---- */

/* How a field or element is read and written: packed ones (i8, i16) are of kind i32. */
typedef struct Storage { Kind kind; Opcode load, store; bool wide_load, wide_store; } Storage;
Storage storage_of(ValType, bool sign_extend);

/* struct.new, struct.new_default, array.new, array.new_default, array.new_fixed, of a type that the
 * immediate names, where the objects are small enough; false: nothing was read or emitted. */
bool compile_new(Compiler *, Op);
void finish_news(Compiler *);           /* the slow paths */

/* The target of a cast as the bytecode has it: a type index or the negative code of an abstract
 * heap type.  Says whether cast_test can do it. */
typedef struct CastTarget { int32_t code; HeapType heap; bool nullable; } CastTarget;
bool read_cast_target(Compiler *, bool nullable, CastTarget *);
/* Tests the reference, which stays as it is: it belongs to the target if the condition holds. */
Condition cast_test(Compiler *, Reg ref, const CastTarget *);

/* ---- Memory ---- */

/* A guest address as an operand of x86: pops the address and decodes nothing.  `bytes` is the size
 * of the access.  Bounds are checked, or left to the guard; `*held` is to be released afterwards. */
Mem pop_address(Compiler *, uint32_t memory, uint64_t offset, uint32_t bytes, Reg *held);
bool memory_is_guarded(const MemoryType *);
/* memarg of the current instruction. */
typedef struct MemArg { uint32_t memory; uint64_t offset; } MemArg;
MemArg read_memarg(Compiler *);

/* ---- Templates: each handles the instruction it is given, or says no ---- */

bool compile_integer(Compiler *, Op);   /* integer.c: i32.* and i64.* rows that compute */
bool compile_float(Compiler *, Op);     /* float.c: f32.* and f64.* rows that compute */
bool compile_convert(Compiler *, Op);   /* convert.c: conversions, truncations, reinterpretations */
bool compile_vector(Compiler *, Op);    /* vector*.c: page 0xFD, its memory rows too */
bool compile_memory(Compiler *, Op);    /* memory.c: loads and stores, size */
bool compile_variable(Compiler *, Op);  /* variable.c: locals, globals, tables, references, select */
bool compile_call(Compiler *, Op);      /* call.c */
bool compile_branch(Compiler *, Op);    /* branch.c: br and its relatives, return, throw */
bool compile_aggregate(Compiler *, Op); /* aggregate.c: pages 0xFB and 0xFC but for numbers, with
                                           allocation.c and cast.c */
bool compile_block(Compiler *, Op);     /* block.c: block, loop, if, else, end, try_table */
void block_start_function(Compiler *);
void finish_calls(Compiler *);          /* the slow paths of the function's calls */
void count_fuel(Compiler *, Op);        /* fuel.c: before each instruction, if fuel is counted */

/* ---- For those who look on: trace.c ---- */

void trace_instruction(Compiler *, uint32_t pc); /* c->trace is told what begins here */
void state_print(const Compiler *, FILE *);      /* on one line, without its end */
const char *register_name(Reg);

#endif
