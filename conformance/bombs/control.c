/* Blocks, jumps and locals: what a verifier keeps for each of them. */
#include "conformance/bombs/bombs.h"

/* ---- Control ---- */

static void nested_blocks(Buf *b, size_t n) { NESTED(b, n, "\x02\x40"); }
static void nested_loops(Buf *b, size_t n) { NESTED(b, n, "\x03\x40"); }
static void nested_ifs(Buf *b, size_t n) { NESTED(b, n, "\x41\x00\x04\x40"); }
static void nested_tries(Buf *b, size_t n) { NESTED(b, n, "\x1f\x40\x01\x02\x00"); }

static void nested_values(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    REPEAT(n) PUT(b, 0x02, I32);
    PUT(b, 0x41, 0);
    REPEAT(n) byte(b, END);
    byte(b, DROP);
    one_function_ends(b, c);
}

static void loops_with_locals(Buf *b, size_t n)
{
    Code c = one_function(b, 1000, I32);
    for (size_t i = 0; i < n; i++) PUT(b, 0x03, 0x40, 0x20), leb(b, i % 1000), byte(b, DROP);
    REPEAT(n) byte(b, END);
    one_function_ends(b, c);
}

static void loops_setting_locals(Buf *b, size_t n)
{
    Code c = one_function(b, 1000, I64);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0x03, 0x40, 0x20), leb(b, i % 1000);
        byte(b, 0x21), leb(b, (i * 7 + 1) % 1000);
        PUT(b, 0x41, 0, 0x0D, 0, END);
    }
    one_function_ends(b, c);
}

static void jump_table(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    PUT(b, 0x02, 0x40, 0x41, 0, 0x0E);
    leb(b, n);
    REPEAT(n + 1) byte(b, 0);
    byte(b, END);
    one_function_ends(b, c);
}

static void jump_table_of_blocks(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    REPEAT(10000) PUT(b, 0x02, 0x40);
    PUT(b, 0x41, 0, 0x0E);
    leb(b, n);
    for (size_t i = 0; i <= n; i++) leb(b, i * 7 % 10000);
    REPEAT(10000) byte(b, END);
    one_function_ends(b, c);
}

static void jump_tables(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    REPEAT(n) {
        PUT(b, 0x02, 0x40, 0x41, 0, 0x0E, 100);
        REPEAT(101) byte(b, 0);
        byte(b, END);
    }
    one_function_ends(b, c);
}

/* A module whose type 0 is that of `f`, type 1 takes and gives 1,000 values, types 4 and 5 give
 * 1,000: references to structures of type 2 and its subtype 3. */
static Code wide_types(Buf *b)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 6, 0x60, 0, 0, 0x60);
    REPEAT(2) {
        leb(b, 1000);
        REPEAT(1000) byte(b, I32);
    }
    PUT(b, 0x50, 0, 0x5F, 0, 0x50, 1, 2, 0x5F, 0);
    for (unsigned type = 2; type < 4; type++) {
        PUT(b, 0x60, 0);
        leb(b, 1000);
        REPEAT(1000) PUT(b, 0x63, type);
    }
    close_sized(b, s);
    s = section(b, 3);
    PUT(b, 2, 0, 1);
    close_sized(b, s);
    export_function(b, 0);
    Code c = {.section = section(b, 10)};
    byte(b, 2);
    c.body = open_sized(b);
    byte(b, 0);
    return c;
}

static void wide_types_end(Buf *b, Code c)
{
    byte(b, END);
    close_sized(b, c.body);
    PUT(b, 3, 0, 0x00, END); /* unreachable */
    close_sized(b, c.section);
}

static void wide_jump_table(Buf *b, size_t n)
{
    Code c = wide_types(b);
    PUT(b, 0x02, 0x04, 0x02, 0x05);
    REPEAT(1000) PUT(b, 0xD0, 0x71); /* ref.null none */
    PUT(b, 0x41, 0, 0x0E);
    leb(b, n);
    for (size_t i = 0; i <= n; i++) byte(b, i % 2);
    PUT(b, END, END);
    REPEAT(1000) byte(b, DROP);
    wide_types_end(b, c);
}

static void wide_branches(Buf *b, size_t n)
{
    Code c = wide_types(b);
    REPEAT(1000) PUT(b, 0x41, 0);
    PUT(b, 0x02, 0x01);
    REPEAT(n) PUT(b, 0x41, 0, 0x0D, 0);
    byte(b, END);
    REPEAT(1000) byte(b, DROP);
    wide_types_end(b, c);
}

static void wide_calls(Buf *b, size_t n)
{
    Code c = wide_types(b);
    REPEAT(1000) PUT(b, 0x41, 0);
    REPEAT(n) PUT(b, 0x10, 1);
    REPEAT(1000) byte(b, DROP);
    wide_types_end(b, c);
}

static void wide_blocks(Buf *b, size_t n)
{
    Code c = wide_types(b);
    REPEAT(1000) PUT(b, 0x41, 0);
    REPEAT(n) PUT(b, 0x02, 0x01, END);
    REPEAT(1000) byte(b, DROP);
    wide_types_end(b, c);
}

static void catches(Buf *b, size_t n)
{
    REPEATED(b, n, "\x02\x40\x1f\x40\x04\x02\x00\x02\x00\x02\x00\x02\x00\x0b\x0b", 0, 0);
}

const Bomb control_bombs[] = {
    {"nested blocks", nested_blocks, 1000000, NULL},
    {"nested blocks, too many", nested_blocks, 1100000, "nested blocks"},
    {"nested loops", nested_loops, 1000000, NULL},
    {"nested ifs", nested_ifs, 1000000, NULL},
    {"nested handlers", nested_tries, 1000000, NULL},
    {"nested blocks with a result", nested_values, 1000000, NULL},
    {"nested loops over 1,000 locals", loops_with_locals, 1000000, NULL},
    {"loops that set 1,000 locals", loops_setting_locals, 600000, NULL},
    {"handlers of four clauses", catches, 450000, NULL},
    {"a table of jumps", jump_table, 7000000, NULL},
    {"a table of jumps out of blocks", jump_table_of_blocks, 3000000, NULL},
    {"tables of 100 jumps", jump_tables, 65000, NULL},
    {"a table of jumps with 1,000 values", wide_jump_table, 1000000, NULL},
    {"branches with 1,000 values", wide_branches, 1500000, NULL},
    {"calls with 1,000 values", wide_calls, 1500000, "unreachable"},
    {"blocks with 1,000 values", wide_blocks, 1500000, NULL},
    {0}};

/* ---- Locals ---- */

static void locals(Buf *b, size_t n) /* 50,000 = 0x86D0 */
{
    MANY(b, n, "\x01\xd0\x86\x03\x7f\x20\xcf\x86\x03\x1a\x0b");
}

static void locals_of_two_kinds(Buf *b, size_t n)
{
    MANY(b, n, "\x02\xa8\xc3\x01\x7f\xa8\xc3\x01\x63\x70\x20\xcf\x86\x03\x1a\x0b");
}

static void locals_not_null(Buf *b, size_t n) /* (ref func) */
{
    MANY(b, n, "\x01\xd0\x86\x03\x64\x70\x0b");
}

static void vector_locals(Buf *b, size_t n) { MANY(b, n, "\x01\xfa\x01\x7b\x20\x00\x1a\x0b"); }

static void too_many_vectors(Buf *b, size_t n)
{
    MANY(b, n, "\x01\xd0\x86\x03\x7b\x20\x00\x1a\x0b");
}

static void groups_of_no_locals(Buf *b, size_t n)
{
    Code c = {.section = code_begins(b, 1)};
    c.body = open_sized(b);
    leb(b, n);
    REPEAT(n) PUT(b, 0, I32);
    one_function_ends(b, c);
}

static void groups_of_one_local(Buf *b, size_t n)
{
    size_t s = code_begins(b, n / 50000);
    REPEAT(n / 50000) {
        size_t body = open_sized(b);
        leb(b, 50000);
        REPEAT(25000) PUT(b, 1, I32, 1, F64);
        PUT(b, 0x20, 0x7F, DROP, END);
        close_sized(b, body);
    }
    close_sized(b, s);
}

static void groups_of_all_locals(Buf *b, size_t n)
{
    Code c = {.section = code_begins(b, 1)};
    c.body = open_sized(b);
    leb(b, n);
    for (size_t i = 0; i < n; i++) leb(b, i + 1 < n ? 4000 : 294967295), byte(b, I32);
    one_function_ends(b, c);
}

static void locals_on_the_stack(Buf *b, size_t n)
{
    Code c = one_function(b, n, I32);
    for (size_t i = 0; i < n; i++) byte(b, 0x20), leb(b, i);
    for (size_t i = 0; i < n; i++) PUT(b, 0x41, 0, 0x21), leb(b, i);
    REPEAT(n) byte(b, DROP);
    one_function_ends(b, c);
}

/* Each local is set while one operand stands for its old value, over and over. */
static void local_changed_under_operands(Buf *b, size_t n)
{
    Code c = one_function(b, 1, I32);
    REPEAT(n) PUT(b, 0x20, 0, 0x41, 1, 0x21, 0);
    REPEAT(n) byte(b, DROP);
    one_function_ends(b, c);
}

const Bomb local_bombs[] = {
    {"50,000 locals", locals, 100000, NULL},
    {"50,000 locals of two kinds", locals_of_two_kinds, 100000, NULL},
    {"50,000 locals without a default", locals_not_null, 100000, NULL},
    {"250 vector locals", vector_locals, 300000, NULL},
    {"50,000 vector locals", too_many_vectors, 100000, "some of them vectors"},
    {"groups of no locals", groups_of_no_locals, 3500000, NULL},
    {"groups of one local", groups_of_one_local, 5000000, NULL},
    {"4,294,967,295 locals", groups_of_all_locals, 1000001, "more than 50000 locals"},
    {"locals changed under operands", locals_on_the_stack, 49000, NULL},
    {"one local changed under operands", local_changed_under_operands, 900000, NULL},
    {0}};
