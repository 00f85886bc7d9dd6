/* One case per row that computes on values, made from the table and the arithmetic of vm/numeric.h
 * and vm/simd.h: ROW_<imm>_<sig>(ident) expands to the case of op_<ident>, or to nothing for rows
 * that do more than compute. */
#include "jit/runtime_rows.h"

#include "vm/simd.h"

/* ---- Operands and results by signature letter ---- */

#define GET_i(s) ((s)->i32)
#define GET_I(s) ((s)->i64)
#define GET_f(s) ((s)->f32)
#define GET_F(s) ((s)->f64)
#define GET_v(s) num_v128_load((const uint8_t *)(s))

static inline void put_i(Slot *s, uint32_t x) { s->i64 = x; }
static inline void put_I(Slot *s, uint64_t x) { s->i64 = x; }
static inline void put_f(Slot *s, float x)
{
    s->i64 = 0;
    s->f32 = x;
}
static inline void put_F(Slot *s, double x) { s->f64 = x; }
static inline void put_v(Slot *s, V128 x) { num_v128_store((uint8_t *)s, x); }

#define TYPE_OF_i uint32_t
#define TYPE_OF_I uint64_t

/* ---- Shapes of rows ---- */

#define CASE(ident, ...)                                                                          \
    case op_##ident: {                                                                            \
        __VA_ARGS__;                                                                              \
        return true;                                                                              \
    }
#define UNARY_PLAIN(ident, A, R) CASE(ident, put_##R(s, num_##ident(GET_##A(s))))
#define BINARY_PLAIN(ident, A, C, R)                                                              \
    CASE(ident, put_##R(s, num_##ident(GET_##A(s), GET_##C(s + 1))))
#define UNARY_TRAPS(ident, A, R)                                                                  \
    CASE(ident, TYPE_OF_##R r = 0; *trap = num_##ident(GET_##A(s), &r); if (!*trap) put_##R(s, r))
#define BINARY_TRAPS(ident, A, C, R)                                                              \
    CASE(ident, TYPE_OF_##R r = 0; *trap = num_##ident(GET_##A(s), GET_##C(s + 1), &r);           \
         if (!*trap) put_##R(s, r))
#define U(ident, A, R) NUMERIC_IF_TRAPPING(ident, UNARY_TRAPS, UNARY_PLAIN)(ident, A, R)
#define B(ident, A, C, R) NUMERIC_IF_TRAPPING(ident, BINARY_TRAPS, BINARY_PLAIN)(ident, A, C, R)

#define ROW_NONE_i_i(ident) U(ident, i, i)
#define ROW_NONE_I_i(ident) U(ident, I, i)
#define ROW_NONE_f_i(ident) U(ident, f, i)
#define ROW_NONE_F_i(ident) U(ident, F, i)
#define ROW_NONE_i_I(ident) U(ident, i, I)
#define ROW_NONE_I_I(ident) U(ident, I, I)
#define ROW_NONE_f_I(ident) U(ident, f, I)
#define ROW_NONE_F_I(ident) U(ident, F, I)
#define ROW_NONE_i_f(ident) UNARY_PLAIN(ident, i, f)
#define ROW_NONE_I_f(ident) UNARY_PLAIN(ident, I, f)
#define ROW_NONE_f_f(ident) UNARY_PLAIN(ident, f, f)
#define ROW_NONE_F_f(ident) UNARY_PLAIN(ident, F, f)
#define ROW_NONE_i_F(ident) UNARY_PLAIN(ident, i, F)
#define ROW_NONE_I_F(ident) UNARY_PLAIN(ident, I, F)
#define ROW_NONE_f_F(ident) UNARY_PLAIN(ident, f, F)
#define ROW_NONE_F_F(ident) UNARY_PLAIN(ident, F, F)
#define ROW_NONE_ii_i(ident) B(ident, i, i, i)
#define ROW_NONE_II_i(ident) BINARY_PLAIN(ident, I, I, i)
#define ROW_NONE_ff_i(ident) BINARY_PLAIN(ident, f, f, i)
#define ROW_NONE_FF_i(ident) BINARY_PLAIN(ident, F, F, i)
#define ROW_NONE_II_I(ident) B(ident, I, I, I)
#define ROW_NONE_ff_f(ident) BINARY_PLAIN(ident, f, f, f)
#define ROW_NONE_FF_F(ident) BINARY_PLAIN(ident, F, F, F)

/* Wide arithmetic: two results, which are written last. */
#define ROW_NONE_IIII_II(ident)                                                                   \
    CASE(ident, uint64_t low; uint64_t high;                                                      \
         num_##ident(s[0].i64, s[1].i64, s[2].i64, s[3].i64, &low, &high);                        \
         s[0].i64 = low; s[1].i64 = high)
#define ROW_NONE_II_II(ident)                                                                     \
    CASE(ident, uint64_t low; uint64_t high; num_##ident(s[0].i64, s[1].i64, &low, &high);        \
         s[0].i64 = low; s[1].i64 = high)

/* Vectors: two slots each. */
#define ROW_NONE_v_v(ident) UNARY_PLAIN(ident, v, v)
#define ROW_NONE_v_i(ident) UNARY_PLAIN(ident, v, i)
#define ROW_NONE_i_v(ident) UNARY_PLAIN(ident, i, v)
#define ROW_NONE_I_v(ident) UNARY_PLAIN(ident, I, v)
#define ROW_NONE_f_v(ident) UNARY_PLAIN(ident, f, v)
#define ROW_NONE_F_v(ident) UNARY_PLAIN(ident, F, v)
#define ROW_NONE_vv_v(ident) CASE(ident, put_v(s, num_##ident(GET_v(s), GET_v(s + 2))))
#define ROW_NONE_vi_v(ident) CASE(ident, put_v(s, num_##ident(GET_v(s), GET_i(s + 2))))
#define ROW_NONE_vvv_v(ident)                                                                     \
    CASE(ident, put_v(s, num_##ident(GET_v(s), GET_v(s + 2), GET_v(s + 4))))
#define EXTRACT_LANE(ident, R) CASE(ident, put_##R(s, num_##ident(GET_v(s), lane)))
#define REPLACE_LANE(ident, A) CASE(ident, put_v(s, num_##ident(GET_v(s), GET_##A(s + 2), lane)))
#define ROW_LANE_v_i(ident) EXTRACT_LANE(ident, i)
#define ROW_LANE_v_I(ident) EXTRACT_LANE(ident, I)
#define ROW_LANE_v_f(ident) EXTRACT_LANE(ident, f)
#define ROW_LANE_v_F(ident) EXTRACT_LANE(ident, F)
#define ROW_LANE_vi_v(ident) REPLACE_LANE(ident, i)
#define ROW_LANE_vI_v(ident) REPLACE_LANE(ident, I)
#define ROW_LANE_vf_v(ident) REPLACE_LANE(ident, f)
#define ROW_LANE_vF_v(ident) REPLACE_LANE(ident, F)
#define ROW_SHUFFLE_vv_v(ident) CASE(ident, put_v(s, num_##ident(GET_v(s), GET_v(s + 2), bytes)))
#define ROW_V128__v(ident) CASE(ident, put_v(s, num_v128_load(bytes)))

/* Rows that do more, or nothing, or have their value in the code. */
#define NOT_A_ROW(ident)
#define ROW_NONE_x NOT_A_ROW
#define ROW_NONE__ NOT_A_ROW
#define ROW_I32__i NOT_A_ROW
#define ROW_I64__I NOT_A_ROW
#define ROW_F32__f NOT_A_ROW
#define ROW_F64__F NOT_A_ROW
#define ROW_MEM__a NOT_A_ROW
#define ROW_MEM_a_a NOT_A_ROW
#define ROW_MEMARG_a_i NOT_A_ROW
#define ROW_MEMARG_a_I NOT_A_ROW
#define ROW_MEMARG_a_f NOT_A_ROW
#define ROW_MEMARG_a_F NOT_A_ROW
#define ROW_MEMARG_a_v NOT_A_ROW
#define ROW_MEMARG_ai_ NOT_A_ROW
#define ROW_MEMARG_aI_ NOT_A_ROW
#define ROW_MEMARG_af_ NOT_A_ROW
#define ROW_MEMARG_aF_ NOT_A_ROW
#define ROW_MEMARG_av_ NOT_A_ROW
#define ROW_MEMARG_LANE_av_v NOT_A_ROW
#define ROW_MEMARG_LANE_av_ NOT_A_ROW
#define ROW_BLOCK_x NOT_A_ROW
#define ROW_TRY_TABLE_x NOT_A_ROW
#define ROW_LABEL_x NOT_A_ROW
#define ROW_LABELS_x NOT_A_ROW
#define ROW_BR_CAST_x NOT_A_ROW
#define ROW_FUNC_x NOT_A_ROW
#define ROW_TYPE_x NOT_A_ROW
#define ROW_TYPE_TABLE_x NOT_A_ROW
#define ROW_TYPE_FIELD_x NOT_A_ROW
#define ROW_TYPE_COUNT_x NOT_A_ROW
#define ROW_TYPE_DATA_x NOT_A_ROW
#define ROW_TYPE_ELEM_x NOT_A_ROW
#define ROW_TYPE_TYPE_x NOT_A_ROW
#define ROW_LOCAL_x NOT_A_ROW
#define ROW_GLOBAL_x NOT_A_ROW
#define ROW_TABLE_x NOT_A_ROW
#define ROW_TABLE_TABLE_x NOT_A_ROW
#define ROW_ELEM_TABLE_x NOT_A_ROW
#define ROW_ELEM_x NOT_A_ROW
#define ROW_DATA_x NOT_A_ROW
#define ROW_MEM_x NOT_A_ROW
#define ROW_MEM_MEM_x NOT_A_ROW
#define ROW_DATA_MEM_x NOT_A_ROW
#define ROW_TAG_x NOT_A_ROW
#define ROW_HEAPTYPE_x NOT_A_ROW
#define ROW_VALTYPES_x NOT_A_ROW

bool row_compute(Op op, Slot *s, unsigned lane, const uint8_t *bytes, fnvm_trap *trap)
{
    *trap = FNVM_TRAP_NONE;
    switch (op) {
#define INSTR(page, code, ident, text, imm, sig, align, feature) ROW_##imm##_##sig(ident)
#include "loader/instructions.def"
    default: return false;
    }
}
