/* Long functions and many functions, and what a guest asks for when it runs. */
#include "conformance/bombs/bombs.h"

/* ---- Functions of 7 MB ---- */

static void nothing(Buf *b, size_t n) { REPEATED(b, n, "\x01", 0, 0); }
static void arithmetic(Buf *b, size_t n) { REPEATED(b, n, "\x20\x00\x20\x01\x6a\x21\x00", 2, I32); }
static void divisions(Buf *b, size_t n) { REPEATED(b, n, "\x20\x00\x20\x01\x6d\x1a", 2, I32); }
static void constants(Buf *b, size_t n) { REPEATED(b, n, "\x41\x05\x1a", 0, 0); }
static void float_constants(Buf *b, size_t n)
{
    REPEATED(b, n, "\x44\1\2\3\4\5\6\7\x08\x21\x00", 1, F64);
}
static void calls(Buf *b, size_t n) { REPEATED(b, n, "\x10\x00", 0, 0); }
static void loads(Buf *b, size_t n) { REPEATED(b, n, "\x41\x00\x28\x02\x00\x1a", 0, 0); }
static void stores(Buf *b, size_t n) { REPEATED(b, n, "\x41\x00\x20\x00\x36\x02\x00", 1, I32); }
static void selects(Buf *b, size_t n)
{
    REPEATED(b, n, "\x20\x00\x20\x01\x20\x02\x1b\x1a", 3, I32);
}
static void ifs_with_results(Buf *b, size_t n)
{
    REPEATED(b, n, "\x20\x00\x04\x7f\x41\x01\x05\x41\x02\x0b\x1a", 1, I32);
}
static void vectors(Buf *b, size_t n) /* i8x16.shuffle */
{
    REPEATED(b, n, "\x20\x00\x20\x00\xfd\x0d\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x1f\x1a",
             1, V128);
}

static void unreachable_code(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    byte(b, 0x00);
    REPEAT(n) PUT(b, 0x6A, DROP, 0x02, 0x40, 0x0C, 0, END);
    one_function_ends(b, c);
}

static void deep_operands(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    REPEAT(n) PUT(b, 0x41, 5);
    REPEAT(n - 1) byte(b, 0x6A);
    byte(b, DROP);
    one_function_ends(b, c);
}

/* Values that live in registers for long: each instruction has to send one home. */
static void spills(Buf *b, size_t n)
{
    Code c = one_function(b, 20, I32);
    REPEAT(n) {
        for (unsigned i = 0; i < 20; i++) PUT(b, 0x20, i, 0x41, 1, 0x6A);
        REPEAT(20) byte(b, DROP);
    }
    one_function_ends(b, c);
}

static void indirect_calls(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 4);
    PUT(b, 1, 0x70, 0, 1);
    close_sized(b, s);
    s = section(b, 10);
    byte(b, 1);
    Code c = {.section = s, .body = open_sized(b)};
    byte(b, 0);
    REPEAT(n) PUT(b, 0x41, 0, 0x11, 0, 0);
    one_function_ends(b, c);
}

static void casts(Buf *b, size_t n) /* block (result anyref) null any; br_on_cast 0 any i31 ... end */
{
    Code c = one_function(b, 0, 0);
    PUT(b, 0x02, 0x6E, 0xD0, 0x6E);
    REPEAT(n) PUT(b, 0xFB, 0x18, 0x01, 0, 0x6E, 0x6C);
    PUT(b, END, DROP);
    one_function_ends(b, c);
}

static void empty_functions(Buf *b, size_t n) { MANY(b, n, "\x00\x0b"); }

/* A long jump, then a call of itself: each frame of the backtrace is at the far end. */
static void late_recursion(Buf *b, size_t n)
{
    Code c = one_function(b, 0, 0);
    PUT(b, 0x02, 0x40, 0x0C, 0);
    REPEAT(n) byte(b, 0x01);
    PUT(b, END, 0x10, 0);
    one_function_ends(b, c);
}

/* Functions of 1,000 parameters and as many results, none of which they touch. */
static void wide_functions(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60);
    for (int list = 0; list < 2; list++) {
        leb(b, 1000);
        REPEAT(1000) byte(b, I32);
    }
    close_sized(b, s);
    functions(b, n);
    s = section(b, 10);
    leb(b, n);
    REPEAT(n) PUT(b, 3, 0, 0x00, END);
    close_sized(b, s);
}

static void long_lebs(Buf *b, size_t n)
{
    REPEATED(b, n, "\x41\x80\x80\x80\x80\x00\x21\x80\x80\x80\x80\x00", 1, I32);
}

const Bomb code_bombs[] = {
    {"7 MB of nothing", nothing, 7000000, NULL},
    {"7 MB of arithmetic", arithmetic, 1000000, NULL},
    {"7 MB of divisions", divisions, 1100000, "integer divide by zero"},
    {"7 MB of constants", constants, 2300000, NULL},
    {"7 MB of float constants", float_constants, 630000, NULL},
    {"7 MB of calls", calls, 3500000, "call stack exhausted"},
    {"7 MB of indirect calls", indirect_calls, 1400000, NULL},
    {"7 MB of loads", loads, 1100000, NULL},
    {"7 MB of stores", stores, 1000000, NULL},
    {"7 MB of selects", selects, 850000, NULL},
    {"7 MB of ifs with results", ifs_with_results, 630000, NULL},
    {"7 MB of shuffles", vectors, 300000, NULL},
    {"7 MB that cannot be reached", unreachable_code, 1000000, "unreachable"},
    {"7 MB of casts", casts, 1100000, NULL},
    {"7 MB of spills", spills, 55000, NULL},
    {"1,000,000 operands", deep_operands, 1000000, NULL},
    {"long numbers", long_lebs, 580000, NULL},
    {"7 MB before a recursion", late_recursion, 7000000, "call stack exhausted"},
    {"functions of 1,000 values", wide_functions, 1000000, NULL},
    {"empty functions", empty_functions, 1000000, NULL},
    {0}};

/* ---- What a guest asks for when it runs ---- */

static void array_of_all(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 2, 0x60, 0, 0, 0x5E, I64, 1);
    close_sized(b, s);
    functions(b, 1);
    export_function(b, 0);
    s = section(b, 10);
    byte(b, 1);
    Code c = {.section = s, .body = open_sized(b)};
    PUT(b, 0, 0x41), sleb(b, (int64_t)n), PUT(b, 0xFB, 7, 1, DROP);
    one_function_ends(b, c);
}

static void frames(Buf *b, size_t n) /* the largest frame there may be, until the stack is full */
{
    Code c = one_function(b, n, I32);
    PUT(b, 0x10, 0);
    one_function_ends(b, c);
}

/* The last and the first of n elements, 1,000 times. */
static void elements_in_turn(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 4);
    PUT(b, 1, 0x70, 0, 1);
    close_sized(b, s);
    export_function(b, 0);
    s = section(b, 9);
    PUT(b, 1, 1, 0), leb(b, n);
    REPEAT(n) byte(b, 0);
    close_sized(b, s);
    s = section(b, 10);
    byte(b, 1);
    Code c = {.section = s, .body = open_sized(b)};
    PUT(b, 1, 1, I32, 0x03, 0x40);
    PUT(b, 0x41, 0, 0x41), sleb(b, (int64_t)n - 1), PUT(b, 0x41, 1, 0xFC, 12, 0, 0);
    PUT(b, 0x41, 0, 0x41, 0, 0x41, 1, 0xFC, 12, 0, 0);
    PUT(b, 0x20, 0, 0x41, 1, 0x6A, 0x22, 0, 0x41, 0xE8, 0x07, 0x48, 0x0D, 0, END);
    one_function_ends(b, c);
}

/* 10,000 frames, each at the far end of n calls, are left by an exception. */
static void throw_over_frames(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 3);
    s = section(b, 13);
    PUT(b, 1, 0, 0);
    close_sized(b, s);
    s = section(b, 6);
    PUT(b, 1, I32, 1, 0x41, 0x90, 0xCE, 0x00, END); /* 10,000 */
    close_sized(b, s);
    export_function(b, 0);
    s = section(b, 10);
    byte(b, 3);
    PUT(b, 13, 0, 0x02, 0x40, 0x1F, 0x40, 1, 2, 0, 0x10, 1, END, END, END);
    size_t body = open_sized(b);
    PUT(b, 0, 0x02, 0x40, 0x23, 0, 0x0D, 0); /* not at the last */
    REPEAT(n) PUT(b, 0x10, 2);
    PUT(b, 0x08, 0, END, 0x23, 0, 0x41, 1, 0x6B, 0x24, 0, 0x10, 1, END);
    close_sized(b, body);
    PUT(b, 2, 0, END);
    close_sized(b, s);
}

/* 50,000 throws, with n handlers before and as many behind that are not around them. */
static void throws_among_handlers(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 13);
    PUT(b, 1, 0, 0);
    close_sized(b, s);
    export_function(b, 0);
    s = section(b, 10);
    byte(b, 1);
    Code c = {.section = s, .body = open_sized(b)};
    PUT(b, 1, 1, I32);
    REPEAT(n) PUT(b, 0x02, 0x40, 0x1F, 0x40, 1, 2, 0, END, END);
    PUT(b, 0x03, 0x40, 0x02, 0x40, 0x1F, 0x40, 1, 2, 0, 0x08, 0, END, END);
    PUT(b, 0x20, 0, 0x41, 1, 0x6A, 0x22, 0, 0x41, 0xD0, 0x86, 0x03, 0x48, 0x0D, 0, END);
    REPEAT(n) PUT(b, 0x02, 0x40, 0x1F, 0x40, 1, 2, 0, END, END);
    one_function_ends(b, c);
}

const Bomb guest_bombs[] = {
    {"an array of all there is", array_of_all, 2000000000, "allocation size too large"},
    {"elements in turn", elements_in_turn, 10000000, NULL},
    {"throws among handlers", throws_among_handlers, 350000, NULL},
    {"a throw over 10,000 frames", throw_over_frames, 3000000, NULL},
    {"frames of 50,000 locals", frames, 50000, "call stack exhausted"},
    {0}};
