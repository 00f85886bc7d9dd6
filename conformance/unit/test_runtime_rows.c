/* Rows of values on slots: which they are, what of the slots they touch, and that each takes its
 * operands from the right ones.  The arithmetic itself is tested elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "jit/runtime_rows.h"

enum { SLOTS = 10 };
#define EACH_HALF UINT64_C(0x100000001)
static const uint8_t bytes[16] = {31, 30, 29, 28, 3, 2, 1, 0, 16, 17, 18, 19, 15, 14, 13, 12};

static uint32_t letters_slots(const char *from, const char *to)
{
    uint32_t n = 0;
    for (; from < to; from++) n += *from == 'v' ? 2 : 1;
    return n;
}

static bool computes(const Instr *i)
{
    if (i->imm != IMM_NONE && i->imm != IMM_LANE && i->imm != IMM_SHUFFLE && i->imm != IMM_V128)
        return false;
    return strcmp(i->sig, "x") != 0 && strcmp(i->sig, "_") != 0;
}

/* Small numbers in every lane and half, so that few rows trap. */
static void fill(Slot *s, uint32_t round)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        s[i].i64 = UINT64_C(0x0300050002000100) + (i + 1) * (round + 7) % 61 * EACH_HALF;
}

/* Every row of the table: it is executed or refused as its signature says; it writes its results
 * and nothing else; a result of 32 bits has nothing above. */
static void rows_write_their_results_only(void **state)
{
    (void)state;
    uint32_t executed = 0;
    for (uint32_t op = 0; op < OP_COUNT; op++) {
        const Instr *i = &instructions[op];
        Slot before[SLOTS], s[SLOTS];
        fnvm_trap trap;
        fill(before, op);
        memcpy(s, before, sizeof s);
        bool done = row_compute((Op)op, s, 1, bytes, &trap);
        if (done != computes(i)) fail_msg("%s", i->text);
        executed += done;
        const char *results = strchr(i->sig, '_');
        uint32_t n = !done || trap ? 0 : letters_slots(results + 1, i->sig + strlen(i->sig));
        if (memcmp(s + n, before + n, (SLOTS - n) * sizeof *s) != 0) fail_msg("%s", i->text);
        if (done && !trap && strchr("if", results[1]) && s[0].i64 >> 32) fail_msg("%s", i->text);
    }
    assert_true(executed > 350);
}

static void operands_are_where_they_belong(void **state)
{
    (void)state;
    fnvm_trap trap;
    Slot s[SLOTS] = {{.i64 = UINT64_C(0xFFFFFFFF00000005)}, {.i64 = UINT64_C(0xFFFFFFFF00000007)}};
    assert_true(row_compute(op_i32_sub, s, 0, NULL, &trap));
    assert_int_equal(s[0].i64, 0xFFFFFFFE);

    s[0].i64 = 0;
    s[1].i64 = 3;
    assert_true(row_compute(op_i64_sub, s, 0, NULL, &trap));
    assert_int_equal(s[0].i64, UINT64_MAX - 2);

    s[0].i64 = UINT64_MAX;
    s[0].f32 = -2.5f;
    assert_true(row_compute(op_f32_abs, s, 0, NULL, &trap));
    assert_int_equal(s[0].i64, 0x40200000);

    Slot wide[4] = {{.i64 = UINT64_MAX}, {.i64 = 1}, {.i64 = 1}, {.i64 = 2}};
    assert_true(row_compute(op_i64_add128, wide, 0, NULL, &trap));
    assert_int_equal(wide[0].i64, 0);
    assert_int_equal(wide[1].i64, 4);

    uint8_t v[40];
    for (uint8_t i = 0; i < sizeof v; i++) v[i] = i;
    memcpy(s, v, sizeof v);
    assert_true(row_compute(op_i8x16_shuffle, s, 0, bytes, &trap));
    assert_memory_equal(s, bytes, sizeof bytes); /* lane i of both operands was i */
    memcpy(s, v, sizeof v);
    assert_true(row_compute(op_i8x16_replace_lane, s, 3, NULL, &trap));
    assert_int_equal(((const uint8_t *)s)[3], 16);
    assert_true(row_compute(op_i8x16_extract_lane_u, s, 3, NULL, &trap));
    assert_int_equal(s[0].i64, 16);
    assert_true(row_compute(op_v128_const, s, 0, bytes, &trap));
    assert_memory_equal(s, bytes, sizeof bytes);
}

static void traps_change_nothing(void **state)
{
    (void)state;
    fnvm_trap trap;
    Slot s[2] = {{.i64 = 0x80000000}, {.i64 = 0}};
    assert_true(row_compute(op_i32_div_s, s, 0, NULL, &trap));
    assert_int_equal(trap, FNVM_TRAP_DIVIDE_BY_ZERO);
    assert_int_equal(s[0].i64, 0x80000000);
    s[1].i64 = UINT32_MAX;
    assert_true(row_compute(op_i32_div_s, s, 0, NULL, &trap));
    assert_int_equal(trap, FNVM_TRAP_INTEGER_OVERFLOW);
    assert_true(row_compute(op_i32_rem_s, s, 0, NULL, &trap));
    assert_int_equal(trap, FNVM_TRAP_NONE);
    assert_int_equal(s[0].i64, 0);
    s[0].f64 = 1e10;
    assert_true(row_compute(op_i32_trunc_f64_s, s, 0, NULL, &trap));
    assert_int_equal(trap, FNVM_TRAP_INTEGER_OVERFLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_write_their_results_only),
        cmocka_unit_test(operands_are_where_they_belong),
        cmocka_unit_test(traps_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
