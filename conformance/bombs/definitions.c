/* Types, definitions, segments, tables and memories. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "conformance/bombs/bombs.h"

/* ---- Types ---- */

static size_t types_begin(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    leb(b, n);
    return s;
}

static void equal_types(Buf *b, size_t n)
{
    size_t s = types_begin(b, n);
    REPEAT(n) PUT(b, 0x60, 0, 0);
    close_sized(b, s);
}

static void different_types(Buf *b, size_t n)
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0x60, 10);
        for (unsigned k = 0; k < 20; k += 2) byte(b, I32 - (unsigned)(i >> k & 3));
        byte(b, 0);
    }
    close_sized(b, s);
}

static void supertypes(Buf *b, size_t n) /* chains of 63, and as many at their end as there is room */
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        byte(b, 0x50);
        leb(b, i > 0);
        if (i) leb(b, i < 63 ? i - 1 : 62);
        PUT(b, 0x5F, 1, I32, 0);
    }
    close_sized(b, s);
}

static void distinct_supertypes(Buf *b, size_t n) /* 63 deep, then siblings that all differ */
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        byte(b, 0x50);
        leb(b, i > 0);
        if (i) leb(b, i < 63 ? i - 1 : 62);
        byte(b, 0x5F);
        leb(b, i < 63 ? 0 : 10);
        for (unsigned k = 0; i >= 63 && k < 20; k += 2) PUT(b, I32 - (unsigned)(i >> k & 3), 1);
    }
    close_sized(b, s);
}

static void chains_of_subtypes(Buf *b, size_t n)
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        bool first = i % 63 == 0;
        PUT(b, 0x50, !first);
        if (!first) leb(b, i - 1);
        PUT(b, 0x5E, 0x63), sleb(b, first ? (int64_t)i : (int64_t)(i - i % 63)), byte(b, 0);
    }
    close_sized(b, s);
}

static void one_group(Buf *b, size_t n)
{
    size_t s = types_begin(b, 1);
    byte(b, 0x4E);
    leb(b, n);
    for (size_t i = 0; i < n; i++)
        PUT(b, 0x5F, 1, 0x63), sleb(b, (int64_t)((i + 1) % n)), byte(b, 0);
    close_sized(b, s);
}

static void equal_groups(Buf *b, size_t n)
{
    const size_t members = 1000;
    size_t s = types_begin(b, n / members);
    for (size_t g = 0; g < n / members; g++) {
        byte(b, 0x4E);
        leb(b, members);
        for (size_t i = 0; i < members; i++)
            PUT(b, 0x5F, 1, 0x63), sleb(b, (int64_t)(g * members + (i + 1) % members)), byte(b, 0);
    }
    close_sized(b, s);
}

static void many_params(Buf *b, size_t n)
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0x60, 0xE8, 0x07);
        for (unsigned k = 0; k < 20; k += 2) byte(b, I32 - (unsigned)(i >> k & 3));
        REPEAT(990) byte(b, I32);
        byte(b, 0);
    }
    close_sized(b, s);
}

static void many_fields(Buf *b, size_t n)
{
    size_t s = types_begin(b, n);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0x5F, 0x90, 0x4E);
        for (unsigned k = 0; k < 20; k += 2) PUT(b, I32 - (unsigned)(i >> k & 3), 0);
        REPEAT(9990) PUT(b, I32, 0);
    }
    close_sized(b, s);
}

const Bomb type_bombs[] = {
    {"equal types", equal_types, 1000000, NULL},
    {"different types", different_types, 1000000, NULL},
    {"subtypes 63 deep, equal", supertypes, 1000000, NULL},
    {"subtypes 63 deep, different", distinct_supertypes, 1000000, NULL},
    {"chains of 63 subtypes", chains_of_subtypes, 1000000, NULL},
    {"a recursion group", one_group, 1000000, NULL},
    {"equal recursion groups", equal_groups, 1000000, NULL},
    {"types of 1,000 parameters", many_params, 10000, NULL},
    {"structures of 10,000 fields", many_fields, 1000, NULL},
    {0}};

/* ---- Definitions ---- */

static void imports(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    s = section(b, 2);
    leb(b, n);
    for (size_t i = 0; i < n; i++) {
        char field[32];
        snprintf(field, sizeof field, "f%zu", i);
        name(b, "m"), name(b, field), PUT(b, 0, 0);
    }
    close_sized(b, s);
}

/* Tags that nobody provides, with 1,000 references each to the last of n types: they are listed. */
static void wide_imports(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    leb(b, n + 1);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0x5F, 10);
        for (unsigned k = 0; k < 20; k += 2) PUT(b, I32 - (unsigned)(i >> k & 3), 0);
    }
    PUT(b, 0x60, 0xE8, 0x07);
    REPEAT(1000) byte(b, 0x63), sleb(b, (int64_t)n - 1);
    byte(b, 0);
    close_sized(b, s);
    s = section(b, 2);
    leb(b, 200);
    REPEAT(200) name(b, "m"), name(b, "t"), PUT(b, 4, 0), leb(b, n);
    close_sized(b, s);
}

static void exports(Buf *b, size_t n, int prefix)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 7);
    leb(b, n);
    char *field = malloc((size_t)prefix + 32);
    if (!field) abort();
    for (size_t i = 0; i < n; i++) {
        snprintf(field, (size_t)prefix + 32, "%0*zu", prefix, i);
        name(b, field), PUT(b, 0, 0);
    }
    free(field);
    close_sized(b, s);
    s = section(b, 10);
    PUT(b, 1, 2, 0, END);
    close_sized(b, s);
}

static void many_exports(Buf *b, size_t n) { exports(b, n, 20); }
static void long_exports(Buf *b, size_t n) { exports(b, n, 1000); }

static void globals(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 6);
    leb(b, n);
    for (size_t i = 0; i < n; i++) {
        PUT(b, I32, 0);
        if (i) byte(b, 0x23), leb(b, i - 1);
        else PUT(b, 0x41, 0);
        byte(b, END);
    }
    close_sized(b, s);
}

static void long_initializer(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 6);
    PUT(b, 1, I32, 0, 0x41, 0);
    REPEAT(n) PUT(b, 0x41, 1, 0x6A);
    byte(b, END);
    close_sized(b, s);
}

static void globals_of_objects(Buf *b, size_t n) /* arrays of 1,000 each */
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x5E, I32, 1);
    close_sized(b, s);
    s = section(b, 6);
    leb(b, n);
    REPEAT(n) PUT(b, 0x64, 0, 0, 0x41, 0xE8, 0x07, 0xFB, 7, 0, END);
    close_sized(b, s);
}

static void tags(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    s = section(b, 13);
    leb(b, n);
    REPEAT(n) PUT(b, 0, 0);
    close_sized(b, s);
}

const Bomb definition_bombs[] = {
    {"imports", imports, 1000000, NULL},
    {"imports of wide types", wide_imports, 500000, "unknown imports"},
    {"exports", many_exports, 1000000, NULL},
    {"exports with long names", long_exports, 100000, NULL},
    {"globals", globals, 1000000, NULL},
    {"a long initializer", long_initializer, 5000000, NULL},
    {"globals of objects", globals_of_objects, 50000, NULL},
    {"tags", tags, 1000000, NULL},
    {0}};

/* ---- Segments, tables, memories ---- */

static void table_of(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 4);
    PUT(b, 1, 0x70, 0);
    leb(b, n);
    close_sized(b, s);
}

static void one_body(Buf *b)
{
    size_t s = section(b, 10);
    PUT(b, 1, 2, 0, END);
    close_sized(b, s);
}

static void one_elem_segment(Buf *b, size_t n)
{
    table_of(b, n);
    size_t s = section(b, 9);
    PUT(b, 1, 0, 0x41, 0, END);
    leb(b, n);
    REPEAT(n) byte(b, 0);
    close_sized(b, s);
    one_body(b);
}

static void passive_expressions(Buf *b, size_t n)
{
    table_of(b, 1);
    size_t s = section(b, 9);
    PUT(b, 1, 5, 0x6E); /* anyref: its items are kept */
    leb(b, n);
    REPEAT(n) PUT(b, 0xD0, 0x6E, END);
    close_sized(b, s);
    one_body(b);
}

static void elem_segments(Buf *b, size_t n)
{
    table_of(b, 1);
    size_t s = section(b, 9);
    leb(b, n);
    REPEAT(n) PUT(b, 0, 0x41, 0, END, 1, 0);
    close_sized(b, s);
    one_body(b);
}

static void empty_elem_segments(Buf *b, size_t n)
{
    table_of(b, 1);
    size_t s = section(b, 9);
    leb(b, n);
    REPEAT(n) PUT(b, 1, 0, 0);
    close_sized(b, s);
    one_body(b);
}

static void filled_tables(Buf *b, size_t n) /* 10,000,000 elements each, all one function */
{
    magic(b);
    size_t s = section(b, 1);
    PUT(b, 1, 0x60, 0, 0);
    close_sized(b, s);
    functions(b, 1);
    s = section(b, 4);
    leb(b, n);
    REPEAT(n) {
        PUT(b, 0x40, 0, 0x70, 0);
        leb(b, 10000000);
        PUT(b, 0xD2, 0, END);
    }
    close_sized(b, s);
    one_body(b);
}

static void large_tables(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 4);
    leb(b, n);
    REPEAT(n) PUT(b, 0x70, 0), leb(b, 10000000);
    close_sized(b, s);
}

static void large_memories(Buf *b, size_t n)
{
    magic(b);
    size_t s = section(b, 5);
    leb(b, n);
    REPEAT(n) PUT(b, 0), leb(b, 65536);
    close_sized(b, s);
}

/* n segments of some bytes, each `apart` from the one before. */
static void data_segments(Buf *b, size_t n, size_t len, size_t apart)
{
    magic(b);
    size_t s = section(b, 5);
    PUT(b, 1, 0), leb(b, 65536);
    close_sized(b, s);
    s = section(b, 11);
    leb(b, n);
    for (size_t i = 0; i < n; i++) {
        PUT(b, 0, 0x41), sleb(b, (int32_t)(uint32_t)(i * apart)), byte(b, END);
        leb(b, len);
        REPEAT(len) byte(b, 'x');
    }
    close_sized(b, s);
}

static void same_place(Buf *b, size_t n) { data_segments(b, n, 1000, 0); }
static void a_byte_a_page(Buf *b, size_t n) { data_segments(b, n, 1, 4096); }
static void no_bytes_apart(Buf *b, size_t n) { data_segments(b, n, 0, 4095); }
static void one_data_segment(Buf *b, size_t n) { data_segments(b, 1, n, 0); }

const Bomb segment_bombs[] = {
    {"an element segment", one_elem_segment, 10000000, NULL},
    {"a passive element segment", passive_expressions, 10000000, NULL},
    {"element segments", elem_segments, 1000000, NULL},
    {"empty element segments", empty_elem_segments, 10000000, NULL},
    {"tables", large_tables, 100, "tables start"},
    {"filled tables", filled_tables, 100, "tables start"},
    {"memories", large_memories, 100, NULL},
    {"data over data", same_place, 100000, NULL},
    {"a byte in every page", a_byte_a_page, 100000, NULL},
    {"data of no bytes", no_bytes_apart, 100000, NULL},
    {"a data segment", one_data_segment, 100000000, NULL},
    {0}};
