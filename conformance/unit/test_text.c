/* test_text.c - the text format: what the suite does not look at.
 *
 * Where errors point, limits, names, annotations, and a script that goes on after a bad module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/instruction.h"
#include "loader/text/number.h"
#include "loader/text/script.h"

/* The text must be refused with this message. */
static void refused(const char *text, const char *message)
{
    uint8_t *bytes = NULL;
    size_t len;
    fnvm_error *error = fnvm_wat_to_wasm(text, strlen(text), &bytes, &len);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    assert_string_equal(fnvm_error_message(error), message);
    fnvm_error_free(error);
}

/* The text must give a module that holds these bytes somewhere. */
static void contains(const char *text, const char *part, size_t part_len)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    fnvm_error *error = fnvm_wat_to_wasm(text, strlen(text), &bytes, &len);
    if (error) fail_msg("%s", fnvm_error_message(error));
    assert_non_null(memmem(bytes, len, part, part_len));
    free(bytes);
}
#define CONTAINS(text, part) contains(text, part, sizeof(part) - 1)

static void every_instruction_is_found(void **state)
{
    (void)state;
    for (unsigned op = 0; op < OP_COUNT; op++) {
        const Instr *instr = &instructions[op];
        Op found = instruction_by_text(instr->text, strlen(instr->text));
        assert_true(found <= op); /* rows that share a keyword: the first */
        assert_string_equal(instructions[found].text, instr->text);
        assert_int_equal(instruction_decode(instr->page, instr->code), op);
    }
    assert_int_equal(instruction_by_text("select", 6), op_select);
    assert_int_equal(instruction_by_text("i32.ad", 6), OP_NONE);
    assert_int_equal(instruction_by_text("", 0), OP_NONE);
    assert_int_equal(instruction_decode(PAGE_BASE, 0xFF), OP_NONE);
    assert_int_equal(instruction_decode(PAGE_SIMD, SIMD_CODES), OP_NONE);
    assert_int_equal(instruction_decode(0x42, 0), OP_NONE);
}

static void errors_say_where_and_what(void **state)
{
    (void)state;
    refused("(module\n  (func (i32.bogus)))", "2:9: found '(i32.bogus', expected an instruction");
    refused("(module (func call $f))", "1:20: unknown function $f");
    refused("(module (func $f) (func $f))", "1:25: duplicate identifier $f");
    refused("(module (func block))", "1:20: found ')', expected 'end'");
    refused("(module (func) (import \"a\" \"b\" (func)))",
            "1:16: import after a definition: imports come first");
    refused("(module (func (i32.const 4294967296)))", "1:26: i32 constant out of range");
    refused("(module \"\\xyz\")", "1:10: malformed escape in a string");
    refused("(module", "1:1: found the end of the text, expected the ')' of this '('");
    refused("(module))", "1:9: found ')' without its '('");
    refused("(module) (module)", "1:10: found '(module', expected the end of the text");
}

static void operands_come_before_types_are_added(void **state)
{
    (void)state;
    /* Unfolded, the block's type (of two results) is needed before the call's. */
    CONTAINS("(module (table 0 funcref) (func (type 0) (call_indirect (param i32 i64 i32)"
             " (block (result i32 i64) (unreachable)) (i32.const 1) (i32.const 0)))"
             " (type (func)))",
             "\x60\0\0\x60\0\2\x7F\x7E\x60\3\x7F\x7E\x7F\0");
}

static void identifiers_become_names(void **state)
{
    (void)state;
    CONTAINS("(module $m (func $f (param $p i32) (local $l i64) (block $b)))",
             "\4name\0\2\1m\1\4\1\0\1f\2\x09\1\0\2\0\1p\1\1l\3\6\1\0\1\0\1b");
    CONTAINS("(module (type $s (struct (field $x i32) (field i32) (field $z i32))))",
             "\4\4\1\0\1s\x0A\x09\1\0\2\0\1x\2\1z");
    CONTAINS("(module (func $f (@name \"another\")))", "\1\0\7another");
}

static void custom_sections_go_where_they_are_put(void **state)
{
    (void)state;
    CONTAINS("(module (@custom \"c\" (before func) \"xy\") (func))",
             "\1\4\1\x60\0\0\0\4\1cxy\3\2\1\0");
    refused("(module (func (@custom \"c\")))", "1:15: misplaced @custom annotation");
}

static char *repeated(const char *head, const char *middle, size_t n, const char *tail)
{
    char *text = malloc(strlen(head) + n * strlen(middle) + strlen(tail) + 1);
    assert_non_null(text);
    char *end = stpcpy(text, head);
    while (n-- != 0) end = stpcpy(end, middle);
    strcpy(end, tail);
    return text;
}

static void nesting_is_limited_but_deep(void **state)
{
    (void)state;
    char *inner = repeated("", ")", 10000, "))");
    char *text = repeated("(module (func ", "(block ", 10000, inner);
    CONTAINS(text, "\x02\x40\x02\x40");
    free(text);
    free(inner);
    inner = repeated("", ")", 100000, "))");
    text = repeated("(module (func ", "(drop ", 100000, inner);
    uint8_t *bytes;
    size_t len;
    fnvm_error *error = fnvm_wat_to_wasm(text, strlen(text), &bytes, &len);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_LIMIT);
    fnvm_error_free(error);
    free(text);
    free(inner);
}

static void numbers_are_rounded_once(void **state)
{
    (void)state;
    Arena arena;
    uint64_t bits;
    arena_init(&arena);
    /* Halfway between two floats, and a hair above: a double in between would lose the hair. */
    assert_int_equal(number_float(STR("0x1.000001p0"), 32, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 0x3F800000);
    assert_int_equal(number_float(STR("0x1.00000100000000000001p0"), 32, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 0x3F800001);
    assert_int_equal(number_float(STR("1.00000005960464477539062500000001"), 32, &arena, &bits),
                     NUMBER_OK);
    assert_int_equal(bits, 0x3F800001);
    /* Subnormals, the smallest of them, and half of that. */
    assert_int_equal(number_float(STR("0x1p-149"), 32, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 1);
    assert_int_equal(number_float(STR("-0x1p-150"), 32, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 0x80000000);
    assert_int_equal(number_float(STR("0x1.fffffffp-150"), 32, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 1);
    assert_int_equal(number_float(STR("0x1.ffffffp127"), 32, &arena, &bits), NUMBER_RANGE);
    assert_int_equal(number_float(STR("1e-99999999999999999999"), 64, &arena, &bits), NUMBER_OK);
    assert_int_equal(bits, 0);
    assert_int_equal(number_float(STR("1__0"), 64, &arena, &bits), NUMBER_MALFORMED);
    assert_int_equal(number_float(STR("nan:0x0"), 64, &arena, &bits), NUMBER_RANGE);
    assert_int_equal(number_integer(STR("-0x80"), 8, &bits), NUMBER_OK);
    assert_int_equal(bits, 0x80);
    assert_int_equal(number_integer(STR("-129"), 8, &bits), NUMBER_RANGE);
    assert_int_equal(number_integer(STR("256"), 8, &bits), NUMBER_RANGE);
    arena_free(&arena);
}

static void scripts_survive_bad_modules(void **state)
{
    (void)state;
    static const char text[] = "(module $a (func (bogus \x01 $)))\n"
                               "(assert_return (invoke $a \"f\" (i32.const 1)) (ref.null) "
                               "(v128.const f32x4 1 nan:canonical 2 nan:arithmetic))\n"
                               "(assert_malformed (module quote \"(func\" \")\") \"m\")\n"
                               "(module instance $i $a) (func) (memory 1)\n"
                               "(get \"";
    WastScript *script;
    fnvm_error *error = wast_parse(text, strlen(text), &script);
    assert_non_null(error); /* the last command is cut off */
    fnvm_error_free(error);
    error = wast_parse(text, strlen(text) - 6, &script);
    assert_null(error);
    size_t n;
    const WastCommand *commands = wast_commands(script, &n);
    assert_int_equal(n, 5);
    uint8_t *bytes;
    size_t len;
    error = wast_module_bytes(&commands[0].module, &bytes, &len);
    assert_non_null(error);
    assert_string_equal(fnvm_error_message(error), "1:25: illegal character");
    fnvm_error_free(error);
    assert_int_equal(commands[1].kind, WAST_ASSERT_RETURN);
    assert_int_equal(commands[1].line, 2);
    assert_int_equal(commands[1].nresults, 2);
    assert_int_equal(commands[1].results[1].nan[1], WAST_NAN_CANONICAL);
    assert_int_equal(commands[1].results[1].nan[3], WAST_NAN_ARITHMETIC);
    assert_int_equal(commands[2].module.kind, WAST_MODULE_QUOTE);
    assert_null(wast_module_bytes(&commands[2].module, &bytes, &len));
    free(bytes);
    assert_int_equal(commands[3].kind, WAST_INSTANCE);
    assert_int_equal(commands[3].definition.len, 2);
    assert_int_equal(commands[4].kind, WAST_MODULE); /* both bare fields */
    assert_null(wast_module_bytes(&commands[4].module, &bytes, &len));
    free(bytes);
    wast_free(script);
}

/* Each of these once made an identifier or string of negative length. */
static void unclosed_quotes_end_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\xb7\n(module $\"\n(module $\"s\" ", "(module $\"", "(module $\"\n)", "(module $\"\\\"\n)",
        "(module binary \"", "(module binary \"\\\"\n)", "(assert_return (invoke \"\n))",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        WastScript *script = NULL;
        fnvm_error *error = wast_parse(texts[i], strlen(texts[i]), &script);
        size_t n = 0;
        const WastCommand *commands = error ? NULL : wast_commands(script, &n);
        for (size_t k = 0; k < n; k++) {
            uint8_t *bytes = NULL;
            size_t len;
            if (!commands[k].has_module) continue;
            fnvm_error *refusal = wast_module_bytes(&commands[k].module, &bytes, &len);
            assert_non_null(refusal);
            fnvm_error_free(refusal);
        }
        wast_free(error ? NULL : script);
        fnvm_error_free(error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_is_found),
        cmocka_unit_test(errors_say_where_and_what),
        cmocka_unit_test(operands_come_before_types_are_added),
        cmocka_unit_test(identifiers_become_names),
        cmocka_unit_test(custom_sections_go_where_they_are_put),
        cmocka_unit_test(nesting_is_limited_but_deep),
        cmocka_unit_test(numbers_are_rounded_once),
        cmocka_unit_test(scripts_survive_bad_modules),
        cmocka_unit_test(unclosed_quotes_end_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
