/* The interpreter's handlers that the instruction table writes: for every row that computes on
 * values or moves them to and from memory, ROW_<imm>_<sig>(ident, align) expands to the handler
 * L_<ident>, by way of the arithmetic num_<ident>.  Rows with a typing rule of their own expand to
 * nothing: interpreter.c spells them out.
 *
 * Each handler comes three times: for all operands in memory (L_<ident>), for the topmost in the
 * register `top` (T_<ident>), and for the two topmost in `under` and `top` (P_<ident>); `sp` counts
 * those in memory only.
 *
 * The handlers use the registers of interpreter_run: pc, sp, top, under, memories, dispatch, trap,
 * and the labels `trapped` and `T_br_if`; this header is for vm/interpreter.c alone. */
#ifndef FNVM_VM_INTERPRETER_ROWS_H
#define FNVM_VM_INTERPRETER_ROWS_H

#include "vm/interpreter.h"
#include "vm/numeric.h"
#include "vm/simd.h"

/* ---- Operands by signature letter ---- */

#define GET_i(s) ((s)->i32)
#define GET_I(s) ((s)->i64)
#define GET_f(s) ((s)->f32)
#define GET_F(s) ((s)->f64)

/* The cached operands, as the same types. */
static inline float as_f32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof f);
    return f;
}
static inline double as_f64(uint64_t bits)
{
    double f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint64_t from_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
static inline uint64_t from_f64(double f)
{
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
#define TOP_i ((uint32_t)top)
#define TOP_I top
#define TOP_f as_f32(top)
#define TOP_F as_f64(top)
#define UNDER_i ((uint32_t)under)
#define UNDER_I under
#define UNDER_f as_f32(under)
#define UNDER_F as_f64(under)
#define SET_TOP_i(x) top = (uint32_t)(x)
#define SET_TOP_I(x) top = (x)
#define SET_TOP_f(x) top = from_f32(x)
#define SET_TOP_F(x) top = from_f64(x)

static inline V128 load_v128(const Slot *s)
{
    V128 v;
    memcpy(&v, s, sizeof v);
    return v;
}
static inline void store_v128(Slot *s, V128 v) { memcpy(s, &v, sizeof v); }

/* ---- Handlers ---- */

/* Dispatch after an instruction that leaves none, one or two of its operands cached. */
#define NEXT() goto *dispatch[*pc++]
#define NEXT_TOP() goto *dispatch[256 + *pc++]
#define NEXT_PAIR() goto *dispatch[512 + *pc++]

/* The numeric rows: operands popped, the result left in `top`. */
#define UNARY(ident, A, R)                                                                        \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : SET_TOP_##R(num_##ident(TOP_##A));                                                \
    NEXT_TOP();                                                                                   \
    P_##ident : SET_TOP_##R(num_##ident(TOP_##A));                                                \
    NEXT_PAIR();
#define BINARY(ident, A, B, R)                                                                    \
    L_##ident : sp -= 2;                                                                          \
    SET_TOP_##R(num_##ident(GET_##A(sp), GET_##B(sp + 1)));                                       \
    NEXT_TOP();                                                                                   \
    T_##ident : sp--;                                                                             \
    SET_TOP_##R(num_##ident(GET_##A(sp), TOP_##B));                                               \
    NEXT_TOP();                                                                                   \
    P_##ident : SET_TOP_##R(num_##ident(UNDER_##A, TOP_##B));                                     \
    NEXT_TOP();

/* Tests and comparisons, which usually decide the branch that follows. */
#define TEST(ident, A, R)                                                                         \
    P_##ident : (sp++)->i64 = under;                                                              \
    goto T_##ident;                                                                               \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : SET_TOP_##R(num_##ident(TOP_##A));                                                \
    NEXT_TEST();
#define COMPARE(ident, A, B, R)                                                                   \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : sp--;                                                                             \
    SET_TOP_##R(num_##ident(GET_##A(sp), TOP_##B));                                               \
    NEXT_TEST();                                                                                  \
    P_##ident : SET_TOP_##R(num_##ident(UNDER_##A, TOP_##B));                                     \
    NEXT_TEST();
#define NEXT_TEST()                                                                               \
    if (NEXT_IS(0x0D)) {                                                                          \
        pc++;                                                                                     \
        goto T_br_if;                                                                             \
    }                                                                                             \
    NEXT_TOP()

#define UNARY_TRAPS(ident, A, R)                                                                  \
    P_##ident : (sp++)->i64 = under;                                                              \
    goto T_##ident;                                                                               \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : trap = num_##ident(TOP_##A, &result_##R);                                         \
    if (unlikely(trap)) goto trapped;                                                             \
    SET_TOP_##R(result_##R);                                                                      \
    NEXT_TOP();
#define BINARY_TRAPS(ident, A, B, R)                                                              \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : under = (--sp)->i64;                                                              \
    P_##ident : trap = num_##ident(UNDER_##A, TOP_##B, &result_##R);                              \
    if (unlikely(trap)) goto trapped;                                                             \
    SET_TOP_##R(result_##R);                                                                      \
    NEXT_TOP();

/* IS_TEST_<ident> is a comma for the integer rows that test or compare (see NUMERIC_IF_TRAPPING). */
#define IS_TEST_i32_eqz ,
#define IS_TEST_i64_eqz ,
#define IS_TEST_i32_eq ,
#define IS_TEST_i32_ne ,
#define IS_TEST_i32_lt_s ,
#define IS_TEST_i32_lt_u ,
#define IS_TEST_i32_gt_s ,
#define IS_TEST_i32_gt_u ,
#define IS_TEST_i32_le_s ,
#define IS_TEST_i32_le_u ,
#define IS_TEST_i32_ge_s ,
#define IS_TEST_i32_ge_u ,
#define IF_TEST(ident, yes, no) NUMERIC_PROBE(IS_TEST_##ident, yes, no)

#define U(ident, A, R)                                                                            \
    NUMERIC_IF_TRAPPING(ident, UNARY_TRAPS, IF_TEST(ident, TEST, UNARY))(ident, A, R)
#define B(ident, A, C, R)                                                                         \
    NUMERIC_IF_TRAPPING(ident, BINARY_TRAPS, IF_TEST(ident, COMPARE, BINARY))(ident, A, C, R)

#define ROW_NONE_x(ident, n)
#define ROW_NONE__(ident, n)
#define ROW_NONE_i_i(ident, n) U(ident, i, i)
#define ROW_NONE_I_i(ident, n) U(ident, I, i)
#define ROW_NONE_f_i(ident, n) U(ident, f, i)
#define ROW_NONE_F_i(ident, n) U(ident, F, i)
#define ROW_NONE_i_I(ident, n) U(ident, i, I)
#define ROW_NONE_I_I(ident, n) U(ident, I, I)
#define ROW_NONE_f_I(ident, n) U(ident, f, I)
#define ROW_NONE_F_I(ident, n) U(ident, F, I)
#define ROW_NONE_i_f(ident, n) U(ident, i, f)
#define ROW_NONE_I_f(ident, n) U(ident, I, f)
#define ROW_NONE_f_f(ident, n) U(ident, f, f)
#define ROW_NONE_F_f(ident, n) U(ident, F, f)
#define ROW_NONE_i_F(ident, n) U(ident, i, F)
#define ROW_NONE_I_F(ident, n) U(ident, I, F)
#define ROW_NONE_f_F(ident, n) U(ident, f, F)
#define ROW_NONE_F_F(ident, n) U(ident, F, F)
#define ROW_NONE_ii_i(ident, n) B(ident, i, i, i)
#define ROW_NONE_II_i(ident, n) COMPARE(ident, I, I, i)
#define ROW_NONE_ff_i(ident, n) COMPARE(ident, f, f, i)
#define ROW_NONE_FF_i(ident, n) COMPARE(ident, F, F, i)
#define ROW_NONE_II_I(ident, n) B(ident, I, I, I)
#define ROW_NONE_ff_f(ident, n) B(ident, f, f, f)
#define ROW_NONE_FF_F(ident, n) B(ident, F, F, F)

/* Wide arithmetic: two results. */
#define ROW_NONE_IIII_II(ident, n)                                                                \
    L_##ident : sp -= 2;                                                                          \
    num_##ident(sp[-2].i64, sp[-1].i64, sp[0].i64, sp[1].i64, &sp[-2].i64, &sp[-1].i64);          \
    NEXT();
#define ROW_NONE_II_II(ident, n)                                                                  \
    L_##ident : num_##ident(sp[-2].i64, sp[-1].i64, &sp[-2].i64, &sp[-1].i64);                    \
    NEXT();

/* Vectors: two slots each. */
#define ROW_NONE_v_v(ident, n)                                                                    \
    L_##ident : store_v128(sp - 2, num_##ident(load_v128(sp - 2)));                               \
    NEXT();
#define ROW_NONE_vv_v(ident, n)                                                                   \
    L_##ident : sp -= 2;                                                                          \
    store_v128(sp - 2, num_##ident(load_v128(sp - 2), load_v128(sp)));                            \
    NEXT();
#define ROW_NONE_vvv_v(ident, n)                                                                  \
    L_##ident : sp -= 4;                                                                          \
    store_v128(sp - 2, num_##ident(load_v128(sp - 2), load_v128(sp), load_v128(sp + 2)));         \
    NEXT();
#define ROW_NONE_v_i(ident, n)                                                                    \
    L_##ident : sp -= 2;                                                                          \
    SET_TOP_i(num_##ident(load_v128(sp)));                                                        \
    NEXT_TOP();
#define ROW_NONE_vi_v(ident, n)                                                                   \
    L_##ident : sp--;                                                                             \
    store_v128(sp - 2, num_##ident(load_v128(sp - 2), sp[0].i32));                                \
    NEXT();
#define SPLAT(ident, A)                                                                           \
    L_##ident : sp++;                                                                             \
    store_v128(sp - 2, num_##ident(GET_##A(sp - 2)));                                             \
    NEXT();
#define ROW_NONE_i_v(ident, n) SPLAT(ident, i)
#define ROW_NONE_I_v(ident, n) SPLAT(ident, I)
#define ROW_NONE_f_v(ident, n) SPLAT(ident, f)
#define ROW_NONE_F_v(ident, n) SPLAT(ident, F)

#define EXTRACT_LANE(ident, R)                                                                    \
    L_##ident : sp -= 2;                                                                          \
    SET_TOP_##R(num_##ident(load_v128(sp), *pc++));                                               \
    NEXT_TOP();
#define REPLACE_LANE(ident, A)                                                                    \
    L_##ident : sp--;                                                                             \
    store_v128(sp - 2, num_##ident(load_v128(sp - 2), GET_##A(sp), *pc++));                       \
    NEXT();
#define ROW_LANE_v_i(ident, n) EXTRACT_LANE(ident, i)
#define ROW_LANE_v_I(ident, n) EXTRACT_LANE(ident, I)
#define ROW_LANE_v_f(ident, n) EXTRACT_LANE(ident, f)
#define ROW_LANE_v_F(ident, n) EXTRACT_LANE(ident, F)
#define ROW_LANE_vi_v(ident, n) REPLACE_LANE(ident, i)
#define ROW_LANE_vI_v(ident, n) REPLACE_LANE(ident, I)
#define ROW_LANE_vf_v(ident, n) REPLACE_LANE(ident, f)
#define ROW_LANE_vF_v(ident, n) REPLACE_LANE(ident, F)
#define ROW_SHUFFLE_vv_v(ident, n)                                                                \
    L_##ident : sp -= 2;                                                                          \
    store_v128(sp - 2, num_##ident(load_v128(sp - 2), load_v128(sp), pc));                        \
    pc += 16;                                                                                     \
    NEXT();

/* Memory accesses of 1 << n bytes.  ADDRESS leaves `at`; a zero-extended i32 is a 64-bit address as
 * well, so both kinds of memory go one way. */
#define ADDRESS(address, n)                                                                       \
    uint8_t *at;                                                                                  \
    {                                                                                             \
        uint64_t start_, end_;                                                                    \
        const MemoryRef *mem_ = memories;                                                         \
        uint64_t offset_ = pc[1];                                                                 \
        if (likely(pc[0] < 0x40 && offset_ < 0x80)) {                                             \
            pc += 2;                                                                              \
        } else if (pc[0] < 0x40 && pc[2] < 0x80) {                                                \
            offset_ = (offset_ & 0x7F) | (uint64_t)pc[2] << 7;                                    \
            pc += 3;                                                                              \
        } else if (pc[0] < 0x40 && !last_bits(word_at(pc + 1)) && pc[5] < 0x80) {                 \
            offset_ = four_bytes(word_at(pc + 1)) | (uint64_t)pc[5] << 28;                        \
            pc += 6;                                                                              \
        } else {                                                                                  \
            MemArg m_ = memarg_slow(pc);                                                          \
            offset_ = m_.offset;                                                                  \
            mem_ += m_.memory;                                                                    \
            pc = m_.pc;                                                                           \
        }                                                                                         \
        if (unlikely(__builtin_add_overflow((address), offset_, &start_) ||                      \
                     __builtin_add_overflow(start_, UINT64_C(1) << (n), &end_) ||                 \
                     end_ > mem_->state->size)) {                                                 \
            trap = FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;                                                \
            goto trapped;                                                                         \
        }                                                                                         \
        at = mem_->base + start_;                                                                 \
    }

#define LOAD(ident, R, n)                                                                         \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : {                                                                                 \
        ADDRESS(top, n)                                                                           \
        SET_TOP_##R(num_##ident(at));                                                             \
        NEXT_TOP();                                                                               \
    }                                                                                             \
    P_##ident : {                                                                                 \
        ADDRESS(top, n)                                                                           \
        SET_TOP_##R(num_##ident(at));                                                             \
        NEXT_PAIR();                                                                              \
    }
#define STORE(ident, A, n)                                                                        \
    L_##ident : top = (--sp)->i64;                                                                \
    T_##ident : under = (--sp)->i64;                                                              \
    P_##ident : {                                                                                 \
        ADDRESS(under, n)                                                                         \
        num_##ident(at, TOP_##A);                                                                 \
        NEXT();                                                                                   \
    }
#define ROW_MEMARG_a_i(ident, n) LOAD(ident, i, n)
#define ROW_MEMARG_a_I(ident, n) LOAD(ident, I, n)
#define ROW_MEMARG_a_f(ident, n) LOAD(ident, f, n)
#define ROW_MEMARG_a_F(ident, n) LOAD(ident, F, n)
#define ROW_MEMARG_ai_(ident, n) STORE(ident, i, n)
#define ROW_MEMARG_aI_(ident, n) STORE(ident, I, n)
#define ROW_MEMARG_af_(ident, n) STORE(ident, f, n)
#define ROW_MEMARG_aF_(ident, n) STORE(ident, F, n)
#define ROW_MEMARG_a_v(ident, n)                                                                  \
    L_##ident : {                                                                                 \
        ADDRESS(sp[-1].i64, n)                                                                    \
        store_v128(sp - 1, num_##ident(at));                                                      \
        sp++;                                                                                     \
        NEXT();                                                                                   \
    }
#define ROW_MEMARG_av_(ident, n)                                                                  \
    L_##ident : {                                                                                 \
        ADDRESS(sp[-3].i64, n)                                                                    \
        num_##ident(at, load_v128(sp - 2));                                                       \
        sp -= 3;                                                                                  \
        NEXT();                                                                                   \
    }
#define ROW_MEMARG_LANE_av_v(ident, n)                                                            \
    L_##ident : {                                                                                 \
        ADDRESS(sp[-3].i64, n)                                                                    \
        store_v128(sp - 3, num_##ident(at, load_v128(sp - 2), *pc++));                            \
        sp--;                                                                                     \
        NEXT();                                                                                   \
    }
#define ROW_MEMARG_LANE_av_(ident, n)                                                             \
    L_##ident : {                                                                                 \
        ADDRESS(sp[-3].i64, n)                                                                    \
        num_##ident(at, load_v128(sp - 2), *pc++);                                                \
        sp -= 3;                                                                                  \
        NEXT();                                                                                   \
    }

/* Constants and memory.size/grow are written out below. */
#define ROW_I32__i(ident, n)
#define ROW_I64__I(ident, n)
#define ROW_F32__f(ident, n)
#define ROW_F64__F(ident, n)
#define ROW_V128__v(ident, n)
#define ROW_MEM__a(ident, n)
#define ROW_MEM_a_a(ident, n)
/* Everything with a typing rule of its own, too. */
#define ROW_BLOCK_x ROW_NONE_x
#define ROW_TRY_TABLE_x ROW_NONE_x
#define ROW_LABEL_x ROW_NONE_x
#define ROW_LABELS_x ROW_NONE_x
#define ROW_BR_CAST_x ROW_NONE_x
#define ROW_FUNC_x ROW_NONE_x
#define ROW_TYPE_x ROW_NONE_x
#define ROW_TYPE_TABLE_x ROW_NONE_x
#define ROW_TYPE_FIELD_x ROW_NONE_x
#define ROW_TYPE_COUNT_x ROW_NONE_x
#define ROW_TYPE_DATA_x ROW_NONE_x
#define ROW_TYPE_ELEM_x ROW_NONE_x
#define ROW_TYPE_TYPE_x ROW_NONE_x
#define ROW_LOCAL_x ROW_NONE_x
#define ROW_GLOBAL_x ROW_NONE_x
#define ROW_TABLE_x ROW_NONE_x
#define ROW_TABLE_TABLE_x ROW_NONE_x
#define ROW_ELEM_TABLE_x ROW_NONE_x
#define ROW_ELEM_x ROW_NONE_x
#define ROW_DATA_x ROW_NONE_x
#define ROW_MEM_x ROW_NONE_x
#define ROW_MEM_MEM_x ROW_NONE_x
#define ROW_DATA_MEM_x ROW_NONE_x
#define ROW_TAG_x ROW_NONE_x
#define ROW_HEAPTYPE_x ROW_NONE_x
#define ROW_VALTYPES_x ROW_NONE_x

/* ---- The handlers of a row while operands are cached ----
 *
 * CACHED_<imm>_<sig>(code, ident): the table's rows for T_<ident> and P_<ident> where they are made
 * above; nothing, which leaves `spill` and `spill_pair`, elsewhere. */
#define CACHED(code, ident) [256 + code] = &&T_##ident, [512 + code] = &&P_##ident,
#define UNCACHED(code, ident)
#define CACHED_NONE_x UNCACHED
#define CACHED_NONE__ UNCACHED
#define CACHED_NONE_i_i CACHED
#define CACHED_NONE_I_i CACHED
#define CACHED_NONE_f_i CACHED
#define CACHED_NONE_F_i CACHED
#define CACHED_NONE_i_I CACHED
#define CACHED_NONE_I_I CACHED
#define CACHED_NONE_f_I CACHED
#define CACHED_NONE_F_I CACHED
#define CACHED_NONE_i_f CACHED
#define CACHED_NONE_I_f CACHED
#define CACHED_NONE_f_f CACHED
#define CACHED_NONE_F_f CACHED
#define CACHED_NONE_i_F CACHED
#define CACHED_NONE_I_F CACHED
#define CACHED_NONE_f_F CACHED
#define CACHED_NONE_F_F CACHED
#define CACHED_NONE_ii_i CACHED
#define CACHED_NONE_II_i CACHED
#define CACHED_NONE_ff_i CACHED
#define CACHED_NONE_FF_i CACHED
#define CACHED_NONE_II_I CACHED
#define CACHED_NONE_ff_f CACHED
#define CACHED_NONE_FF_F CACHED
#define CACHED_MEMARG_a_i CACHED
#define CACHED_MEMARG_a_I CACHED
#define CACHED_MEMARG_a_f CACHED
#define CACHED_MEMARG_a_F CACHED
#define CACHED_MEMARG_ai_ CACHED
#define CACHED_MEMARG_aI_ CACHED
#define CACHED_MEMARG_af_ CACHED
#define CACHED_MEMARG_aF_ CACHED
#define CACHED_I32__i UNCACHED
#define CACHED_I64__I UNCACHED
#define CACHED_F32__f UNCACHED
#define CACHED_F64__F UNCACHED
#define CACHED_MEM__a UNCACHED
#define CACHED_MEM_a_a UNCACHED
#define CACHED_BLOCK_x UNCACHED
#define CACHED_TRY_TABLE_x UNCACHED
#define CACHED_LABEL_x UNCACHED
#define CACHED_LABELS_x UNCACHED
#define CACHED_FUNC_x UNCACHED
#define CACHED_TYPE_x UNCACHED
#define CACHED_TYPE_TABLE_x UNCACHED
#define CACHED_LOCAL_x UNCACHED
#define CACHED_GLOBAL_x UNCACHED
#define CACHED_TABLE_x UNCACHED
#define CACHED_TAG_x UNCACHED
#define CACHED_HEAPTYPE_x UNCACHED
#define CACHED_VALTYPES_x UNCACHED

#endif
