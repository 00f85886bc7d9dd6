/* What the files of the independent check share: the function under examination, and what is known
 * of the registers at a point of it. */
#ifndef FNVM_JIT_X86_64_VERIFY_STATE_H
#define FNVM_JIT_X86_64_VERIFY_STATE_H

#include "jit/points.h"
#include "jit/segment.h"
#include "jit/x86_64/verify_decode.h"
#include "loader/instruction.h"
#include "vm/region.h"

enum { ROLE_INSTANCE = GPR_15, ROLE_MEMORY = GPR_14, ROLE_FRAME = GPR_BP, ROLE_STACK = GPR_SP };

extern const uint8_t verify_int_args[JIT_INT_ARGS]; /* registers of integer arguments */

/* ---- Values ---- */

/* `index` says of which memory, table, global, ..., `at` stands for a place in the bytecode. */
typedef enum ValueKind {
    V_ANY,
    V_CONST,        /* index: the number, of 32 bits */
    V_BIG,          /* a constant above 2^32; index 1: below 2^33 - 1 */
    V_SUM,          /* of two numbers, the carry not looked at; index 1: both had 32 bits;
                     * room: no less than this if there was no carry */
    V_LEAST,        /* a number of at least `room` */
    V_END,          /* the same, and no more than the size of memory `index` */
    V_MEMORY,       /* base of memory `index` */
    V_MEMORY_32,    /* the same and a number of 32 bits */
    V_MEMORY_33,    /* the same and two such numbers */
    V_MEMORY_END,   /* base of memory `index` and V_END */
    V_MEMORY_STATE, /* MemoryState of memory `index` */
    V_MEMORY_SIZE,  /* what that says of its size */
    V_TABLE,        /* elements of table `index` */
    V_TABLE_STATE,
    V_TABLE_SIZE,   /* what that says of its size */
    V_TABLE_INDEX,  /* a number below the size of table `index`; room 1: checked for table.set */
    V_ELEMENT,      /* of table `index` */
    V_OBJECT,       /* not null, as checked for the instruction at `index` */
    V_ARRAY_LENGTH, /* of the array that is V_OBJECT there */
    V_ARRAY_INDEX,  /* below that length */
    V_ARRAY_SCALED, /* 16 times that */
    V_FRESH,        /* an object just made of the module's type `index`; room: granules to be filled
                     * with its values */
    V_MADE,         /* the GuestCpu, whose first int is a V_FRESH */
    V_LISTS,        /* ObjectLists of the store */
    V_DEFINED_TYPES, /* chunks of the registry */
    V_DEFINED_TYPE, /* a Type */
    V_GLOBAL,       /* address of imported global `index` */
    V_IMPORT,       /* function reference of import `index` */
    V_CPU,          /* the GuestCpu */
    V_FRAME,        /* address of frame slot `index` */
    V_TYPES,        /* module->types */
    V_TYPE,         /* the type id at `index` of it */
    V_FUNC_TYPES,   /* module->funcs */
    V_ENTRIES,      /* of the segment */
    V_JUMPS         /* the jump table at offset `index` */
} ValueKind;

typedef struct Value {
    uint32_t index;
    uint8_t kind;
    uint8_t room;
    bool zext;      /* the upper half is zero */
    uint8_t unused; /* zero: values are compared as bytes */
} Value;
_Static_assert(sizeof(Value) == 8, "no padding");

enum { ROOM_MOST = 255 };

/* ---- Flags ---- */

enum { CC_BELOW = 2, CC_NOT_BELOW, CC_EQUAL, CC_NOT_EQUAL, CC_ABOVE = 7 };

/* What the flags say, for the jump that looks at them. */
typedef enum FlagsKind {
    F_NOTHING,
    F_NULL,         /* E: `reg` is 0 */
    F_CARRY,        /* B: the sum in `reg` had a carry */
    F_MEMORY_SIZE,  /* A: `reg` is above the size of memory `index` */
    F_TABLE_SIZE,   /* AE: `reg` is not below the size of table `index` */
    F_LENGTH,       /* AE: `reg` is not below the length of the array V_OBJECT at `index` */
    F_ZEXT          /* cc: the upper half of `reg` is zero */
} FlagsKind;

typedef struct Flags {
    uint32_t index;
    uint8_t kind, reg, cc;
    uint8_t not_cc; /* this condition does not hold, or NO_CONDITION */
} Flags;
enum { NO_CONDITION = 0xFF };

typedef struct State {
    Value reg[GPR_COUNT];
    Flags flags;
    uint32_t shift;  /* slots that the frame register is ahead */
} State;

/* ---- The function ---- */

typedef struct CodeCheck {
    const Module *m;
    const Segment *segment;
    const FuncCode *code;
    const Compiled *compiled;
    RegionOffsets offsets;
    Insn *insns;
    uint32_t ninsns, insns_size;
    uint32_t *starts;        /* by offset: 1 + the index of the instruction that begins there */
    Point *points;
    uint32_t npoints;
    uint32_t literals;       /* where constants begin: at the code's end if there are none */
    uint32_t next_fixup;
    bool checks_stack, calls;
    uint32_t *tail_calls;    /* where functions begin that this one may jump to, ascending */
    uint32_t ntail_calls;
    bool has_tail_calls;     /* they were looked up */
    State *states;           /* by block */
    uint8_t *reached;        /* by block: whether it is known how it begins, and that is new */
    const Insn **blocks;     /* their first instructions */
    uint32_t nblocks;
    const char *wrong;       /* what is, and where in the code */
    uint32_t wrong_at;
    bool no_memory;
} CodeCheck;

/* Notes the first thing that is wrong; returns false. */
bool reject(CodeCheck *, const Insn *, const char *why);
bool reject_at(CodeCheck *, uint32_t at, const char *why);

/* ---- verify_flow.c ---- */

/* Decodes all of the code, recognises the sequences, finds where jumps lead. */
bool check_instructions(CodeCheck *);
/* The instruction that begins at an offset, or NULL. */
static inline Insn *insn_at(const CodeCheck *c, uint64_t offset)
{
    uint32_t i = offset < c->compiled->code_size ? c->starts[offset] : 0;
    return i ? &c->insns[i - 1] : NULL;
}
/* The point at a native offset, or NULL. */
const Point *point_at(const CodeCheck *, uint32_t native);
/* Where a relative jump or call leads, or a rip-relative operand, from the code's start. */
static inline int64_t insn_target(const Insn *i) { return (int64_t)i->at + i->length + i->disp; }
/* The offset from the segment's start of something outside of the code. */
static inline uint32_t insn_outside(const CodeCheck *c, const Insn *i)
{
    return c->compiled->base + i->at + i->length + (uint32_t)i->disp;
}
static inline bool insn_is_call(const Insn *i) { return i->op == M_CALL || i->op == M_CALL_TO; }
/* Whether the instruction goes through this field of the instance. */
bool insn_by_stub(const Insn *, JitStub);

/* The offset in the code that entry `n` of the table of a ROLE_TABLE_JUMP leads to. */
uint32_t table_entry(const CodeCheck *, const Insn *, uint32_t n);

/* ---- Recognising sequences ---- */

static inline bool is_reg(const Insn *i, uint32_t op, bool wide, uint32_t reg, uint32_t rm)
{
    return i->op == op && i->wide == wide && !i->is_memory && !i->has_imm && i->reg == reg &&
           i->rm == rm;
}

static inline bool is_imm(const Insn *i, uint32_t op, bool wide, uint32_t reg, uint64_t imm)
{
    return i->op == op && i->wide == wide && !i->is_memory && i->has_imm && i->reg == reg &&
           i->imm == imm;
}

static inline bool is_mem(const Insn *i, uint32_t op, bool wide, uint32_t reg, uint32_t base, int64_t disp)
{
    return i->op == op && i->wide == wide && i->is_memory && i->reg == reg && i->base == base &&
           i->index == GPR_NONE && i->disp == disp;
}

static inline bool is_indexed(const Insn *i, uint32_t op, bool wide, uint32_t reg, uint32_t base,
                       uint32_t index, uint32_t scale, int64_t disp)
{
    return i->op == op && i->wide == wide && i->is_memory && i->reg == reg && i->base == base &&
           i->index == index && i->scale == scale && i->disp == disp;
}

static inline bool is_jcc(const Insn *i, uint32_t cc) { return i->op == M_JCC && i->cc == cc; }

/* The last `n` instructions of a sequence: nobody may jump to them. */
static inline void mark_inner(Insn *last, uint32_t n)
{
    while (n-- > 0) last--[0].is_inner = true;
}

static inline int32_t field(size_t offset) { return (int32_t)offset; }

/* ---- verify_objects.c ---- */

/* Looks whether an instruction that accesses memory ends one of the sequences there. */
void recognise_object(CodeCheck *, Insn *);
/* Likewise whether a jump back ends the loop that fills an array. */
void recognise_fill(CodeCheck *, Insn *);
/* The blocks that an object of the type takes, `length` being an array's. */
uint8_t fresh_room(const CodeCheck *, uint32_t type, uint64_t length);
/* A store to a V_FRESH, plain or ROLE_FILL. */
bool fresh_store(const CodeCheck *, const Insn *, Value fresh);
/* A read of a V_DEFINED_TYPE. */
bool defined_type_read(const Insn *);

/* ---- verify_step.c, verify_memory.c, verify_call.c ---- */

/* Runs an instruction on a state; *falls: the next one may come after it. */
bool step(CodeCheck *, const Insn *, State *, bool *falls);
/* Notes that `to` may begin with this state. */
bool flow_to(CodeCheck *, uint32_t block, const State *);

/* Whether the access is allowed; *out is what is loaded. */
bool check_access(CodeCheck *, const Insn *, const State *, Value *out);
/* The value of lea. */
Value address_value(const CodeCheck *, const Insn *, const State *);

bool check_call(CodeCheck *, const Insn *, State *, bool *falls); /* of any kind */
bool check_leave(CodeCheck *, const Insn *, State *);             /* a jump out of the function */
bool check_return(CodeCheck *, const Insn *, const State *);

static inline Value value_of(ValueKind kind, uint32_t index)
{
    return (Value){.kind = (uint8_t)kind, .index = index};
}
static inline Value value_any(bool zext) { return (Value){.zext = zext}; }
static inline bool is_kind(Value v, ValueKind kind) { return v.kind == kind; }

/* ---- Bytecode: verify_bytecode.c ---- */

/* The instruction at a place, as far as it matters here. */
typedef struct Bytecode {
    Op op;
    uint32_t first, second;  /* indices */
    uint64_t offset;         /* of memory accesses; `first` is the memory */
    uint32_t bytes;          /* they access */
    bool is_store;
} Bytecode;

/* False if the place is not in the function or there is no instruction. */
bool bytecode_at(const CodeCheck *, uint32_t pc, Bytecode *out);
/* The type of the functions that it calls; NULL if it calls none. */
const Type *bytecode_callee(const CodeCheck *, const Bytecode *);
/* Fills in tail_calls. */
bool find_tail_calls(CodeCheck *);

#endif
