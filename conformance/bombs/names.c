/* Custom sections, names, and the text format. */
#include <stdio.h>

#include "conformance/bombs/bombs.h"

/* ---- Custom sections and names ---- */

static void custom_sections(Buf *b, size_t n)
{
    magic(b);
    REPEAT(n) PUT(b, 0, 1, 0);
}

static void large_custom_section(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 0);
    name(b, "x");
    REPEAT(n) byte(b, 0);
    close_sized(b, s);
}

/* `f` calls itself until it traps; its name comes last. */
static void names(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    export_function(b, 0);
    s = section(b, 10);
    PUT(b, 1, 4, 0, 0x10, 0, END);
    close_sized(b, s);
    s = section(b, 0);
    name(b, "name");
    byte(b, 1);
    size_t sub = open_sized(b);
    leb(b, n + 1);
    REPEAT(n) PUT(b, 1, 0);
    PUT(b, 0, 1, 'f');
    close_sized(b, sub);
    close_sized(b, s);
}

static void long_name(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    export_function(b, 0);
    s = section(b, 10);
    PUT(b, 1, 4, 0, 0x10, 0, END);
    close_sized(b, s);
    s = section(b, 0);
    name(b, "name");
    byte(b, 1);
    size_t sub = open_sized(b);
    PUT(b, 1, 0);
    leb(b, n);
    REPEAT(n) byte(b, 'a');
    close_sized(b, sub);
    close_sized(b, s);
}

const Bomb section_bombs[] = {
    {"custom sections", custom_sections, 10000000, "custom sections"},
    {"a large custom section", large_custom_section, 200000000, NULL},
    {"names", names, 30000000, "call stack exhausted"},
    {"a long name", long_name, 100000000, "call stack exhausted"},
    {0}};

/* ---- Text ---- */

static void text_parentheses(Buf *b, size_t n)
{
    text(b, "(module ");
    REPEAT(n) byte(b, '(');
    REPEAT(n) byte(b, ')');
    byte(b, ')');
}

static void text_folded(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\") ");
    REPEAT(n) text(b, "(block ");
    REPEAT(n) byte(b, ')');
    text(b, "))");
}

static void text_operands(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\") (drop ");
    REPEAT(n) text(b, "(i32.eqz ");
    text(b, "(i32.const 0)");
    REPEAT(n) byte(b, ')');
    text(b, ")))");
}

static void text_comment(Buf *b, size_t n)
{
    text(b, "(module (;");
    REPEAT(n) byte(b, 'x');
    text(b, ";))");
}

static void text_comments(Buf *b, size_t n)
{
    text(b, "(module ");
    REPEAT(n) text(b, "(;");
    REPEAT(n) text(b, ";)");
    text(b, ")");
}

static void text_number(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\") (drop (f64.const 1");
    REPEAT(n) byte(b, '7');
    text(b, "))))");
}

static void text_string(Buf *b, size_t n)
{
    text(b, "(module (memory 65536) (data (i32.const 0) \"");
    REPEAT(n) text(b, "\\61");
    text(b, "\"))");
}

static void text_tokens(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\")");
    REPEAT(n) text(b, " nop");
    text(b, "))");
}

static void text_names(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\"))");
    for (size_t i = 0; i < n; i++) {
        char field[40];
        snprintf(field, sizeof field, "(func $f%zu)", i);
        text(b, field);
    }
    text(b, ")");
}

static void text_labels(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\")");
    REPEAT(n) text(b, "(block $l ");
    REPEAT(1000) text(b, "(br $m)");
    REPEAT(n) byte(b, ')');
    text(b, "))");
}

static void text_far_labels(Buf *b, size_t n)
{
    text(b, "(module (func (export \"f\") (block $m ");
    REPEAT(n) text(b, "(block $l ");
    REPEAT(n) text(b, "(br $m)");
    REPEAT(n) byte(b, ')');
    text(b, ")))");
}

const Bomb text_bombs[] = {
    {"text: parentheses", text_parentheses, 1000000, "expected"},
    {"text: many parentheses", text_parentheses, 50000000, "tokens"},
    {"text: folded blocks", text_folded, 1000000, "nested deeper"},
    {"text: folded operands", text_operands, 1000000, "nested deeper"},
    {"text: a comment", text_comment, 100000000, NULL},
    {"text: nested comments", text_comments, 25000000, NULL},
    {"text: a number", text_number, 30000000, "out of range"},
    {"text: a string", text_string, 30000000, NULL},
    {"text: instructions", text_tokens, 7000000, NULL},
    {"text: identifiers", text_names, 999999, NULL},
    {"text: a label that is nowhere", text_labels, 16000, "unknown label"},
    {"text: a label far outside", text_far_labels, 16000, NULL},
    {0}};
