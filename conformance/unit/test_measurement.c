/* Measurements: what counts and what does not, byte by byte; what is malformed is so for the
 * loader, too; and a loaded module has the measurement of its bytes, however it was loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "loader/module_index.h"
#include "loader/source.h"
#include "verifier/measurement.h"

enum { HEX = 2 * FNVM_MEASUREMENT_BYTES + 1, MODULE_MAX = 4096, SECTIONS_MAX = 40 };

/* A string literal with zeros in it, as two arguments. */
#define B(literal) literal, sizeof(literal) - 1

static fnvm_engine *engine;

static int setup(void **state)
{
    (void)state;
    return fnvm_engine_new(NULL, &engine) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    fnvm_engine_free(engine);
    return 0;
}

static Measurement measured(const void *bytes, size_t len)
{
    Measurement m;
    fnvm_error *error = fnvm_measure(bytes, len, NULL, NULL, m.bytes);
    if (error) print_message("%s\n", fnvm_error_message(error));
    assert_null(error);
    return m;
}

static bool same(Measurement a, Measurement b) { return memcmp(&a, &b, sizeof a) == 0; }

/* ---- Modules put together ---- */

typedef struct Bytes { uint8_t at[MODULE_MAX]; size_t len; } Bytes;

static void put(Bytes *b, const void *bytes, size_t len)
{
    assert_true(len <= MODULE_MAX - b->len);
    if (len > 0) memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

/* LEB128 in at least `width` bytes. */
static void put_size(Bytes *b, size_t n, unsigned width)
{
    do {
        uint8_t byte = n & 0x7F;
        n >>= 7;
        if (width > 0) width--;
        if (n > 0 || width > 0) byte |= 0x80;
        put(b, &byte, 1);
        if (!(byte & 0x80)) break;
    } while (true);
}

static void put_section(Bytes *b, uint8_t id, const void *payload, size_t len, unsigned width)
{
    put(b, &id, 1);
    put_size(b, len, width);
    put(b, payload, len);
}

static void put_custom(Bytes *b, const char *name, const char *payload, unsigned width)
{
    static Bytes body;
    body.len = 0;
    put_size(&body, strlen(name), width);
    put(&body, name, strlen(name));
    put(&body, payload, strlen(payload));
    put_section(b, 0, body.at, body.len, width);
}

static void begin(Bytes *b)
{
    b->len = 0;
    put(b, B("\0asm\1\0\0\0"));
}

/* One function that does nothing, with custom sections between: c, in the order given. */
static Measurement with_customs(const char *const (*c)[2], size_t n, unsigned width)
{
    static Bytes b;
    static const struct { uint8_t id; const char *payload; size_t len; } standard[] = {
        {1, B("\1\x60\0\0")}, {3, B("\1\0")}, {10, B("\1\2\0\x0b")}};
    begin(&b);
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        if (at < n) put_custom(&b, c[at][0], c[at][1], width), at++;
        put_section(&b, standard[i].id, standard[i].payload, standard[i].len, width);
    }
    for (; at < n; at++) put_custom(&b, c[at][0], c[at][1], width);
    return measured(b.at, b.len);
}
#define WITH(width, ...) \
    with_customs((const char *const[][2]){__VA_ARGS__}, \
                 sizeof((const char *const[][2]){__VA_ARGS__}) / sizeof(char *[2]), width)

/* ---- The definition ---- */

static void assert_hex(Measurement m, const char *expected)
{
    char hex[HEX];
    sodium_bin2hex(hex, sizeof hex, m.bytes, sizeof m.bytes);
    assert_string_equal(hex, expected);
}

/* The examples of docs/measurement.md, computed by another implementation. */
static void the_format_stays_as_it_is(void **state)
{
    (void)state;
    assert_hex(measured(B("\0asm\1\0\0\0")), 
               "60059b49981c7f6b397689678d9184aa8b3cbf6af2011378f37a6e06e6826e94");
    assert_hex(WITH(0, {"name", "x"}, {"linking", "b"}, {"dylink.0", "a"}), 
               "e992822402b120f3974e60ebcf13f7ea10eb27dfd0064659ddd0db0e3b12111c");
}

static void names_say_what_counts(void **state)
{
    (void)state;
    static const char *const counted[] = {
        "dylink", "dylink.0", "linking", "reloc.CODE", "reloc.DATA", "reloc.", "component-type",
        "component-type:hello", "component-types"};
    static const char *const left_out[] = {
        "", "name", ".debug_info", ".debug_", "reloc..debug_info", "producers", "target_features",
        "sourceMappingURL", "external_debug_info", "build_id", "metadata.code.branch_hint",
        "metadata.code.inline", "dylink.1", "linking2", "Linking", "reloc", "component",
        "note", "dylink.0x"};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        assert_true(measurement_counts(counted[i], strlen(counted[i])));
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        assert_false(measurement_counts(left_out[i], strlen(left_out[i])));
    assert_false(measurement_counts("linking\0", 8));
}

static void sizes_and_places_do_not_count(void **state)
{
    (void)state;
    const Measurement plain = WITH(0, {"linking", "l"}, {"dylink.0", "d"}, {"reloc.CODE", "r"});
    for (unsigned width = 1; width <= 5; width++)
        assert_true(same(plain, WITH(width, {"linking", "l"}, {"dylink.0", "d"},
                                     {"reloc.CODE", "r"})));
    assert_true(same(plain, WITH(0, {"reloc.CODE", "r"}, {"linking", "l"}, {"dylink.0", "d"})));
    assert_true(same(plain, WITH(0, {"name", "1"}, {"dylink.0", "d"}, {"note", ""},
                                 {"linking", "l"}, {".debug_line", "2"}, {"reloc.CODE", "r"},
                                 {"producers", "3"})));
}

static void counted_sections_count(void **state)
{
    (void)state;
    const Measurement plain = WITH(0, {"linking", "l"}, {"reloc.A", "1"}, {"reloc.A", "2"});
    assert_false(same(plain, WITH(0, {"reloc.A", "1"}, {"reloc.A", "2"})));
    assert_false(same(plain, WITH(0, {"linking", "L"}, {"reloc.A", "1"}, {"reloc.A", "2"})));
    /* Those of one name are a list. */
    assert_false(same(plain, WITH(0, {"linking", "l"}, {"reloc.A", "2"}, {"reloc.A", "1"})));
    assert_false(same(plain, WITH(0, {"linking", "l"}, {"reloc.A", "12"})));
    assert_false(same(plain, WITH(0, {"linking", "l"}, {"reloc.A", "1"}, {"reloc.A", "1"},
                                  {"reloc.A", "2"})));
    /* Where a name ends and contents begin. */
    assert_false(same(WITH(0, {"reloc.AB", "C"}), WITH(0, {"reloc.A", "BC"})));
    assert_false(same(WITH(0, {"reloc.A", "1"}, {"reloc.B", "2"}),
                      WITH(0, {"reloc.A", "2"}, {"reloc.B", "1"})));
}

/* As many as a module of some size can have, all of one name, none in order. */
static void many_custom_sections(void **state)
{
    (void)state;
    enum { N = 100000, SIZE = 14 };
    uint8_t *bytes[2] = {malloc(8 + N * SIZE), malloc(8 + N * SIZE)};
    for (unsigned way = 0; way < 2; way++) {
        memcpy(bytes[way], "\0asm\1\0\0\0", 8);
        for (unsigned i = 0; i < N; i++) {
            char section[32];
            unsigned number = way == 0 ? i : N - 1 - i;
            snprintf(section, sizeof section, "%c\x0c\x0breloc.%05u", 0, number);
            memcpy(bytes[way] + 8 + i * SIZE, section, SIZE);
        }
    }
    assert_true(same(measured(bytes[0], 8 + N * SIZE), measured(bytes[1], 8 + N * SIZE)));
    free(bytes[0]);
    free(bytes[1]);
}

/* ---- Malformed modules ---- */

static void nothing_is_reported(void *env, const fnvm_section *s)
{
    (void)env, (void)s;
    fail();
}

/* As the loader refuses it, in the same words. */
static void malformed(const char *bytes, size_t len, const char *message)
{
    unsigned char out[FNVM_MEASUREMENT_BYTES];
    fnvm_module *module;
    fnvm_error *error = fnvm_measure(bytes, len, nothing_is_reported, NULL, out);
    fnvm_error *loading = fnvm_module_new(engine, bytes, len, &module);
    assert_non_null(error);
    assert_non_null(loading);
    assert_int_equal(fnvm_error_code(error), fnvm_error_code(loading));
    assert_string_equal(fnvm_error_message(error), fnvm_error_message(loading));
    if (!strstr(fnvm_error_message(error), message))
        fail_msg("`%s` is not in `%s`", message, fnvm_error_message(error));
    fnvm_error_free(error);
    fnvm_error_free(loading);
}

#define HEADER "\0asm\1\0\0\0"

static void malformed_modules_have_none(void **state)
{
    (void)state;
    malformed(B(""), "there are no bytes");
    malformed(B("\0as"), "cut off");
    malformed(B("ELF."), "magic header not detected");
    malformed(B("\0asm\x0d\0\1\0"), "component");
    malformed(B("\0asm\2\0\0\0"), "unknown binary version");
    malformed(B(HEADER "\x0e\0"), "malformed section id 14");
    malformed(B(HEADER "\1\1\0" "\1\1\0"), "there twice");
    malformed(B(HEADER "\3\1\0" "\1\1\0"), "out of order");
    malformed(B(HEADER "\x0a\1\0" "\x0c\1\0"), "data count section is out of order");
    malformed(B(HEADER "\0\2\4na"), "unexpected end");
    malformed(B(HEADER "\0\0"), "unexpected end");
    malformed(B(HEADER "\0\3\2a\xff"), "UTF-8");
    malformed(B(HEADER "\0\x84\x80\x80\x80\x80\0\1a"), "integer representation too long");
    malformed(B(HEADER "\1"), "unexpected end");
}

static void text_is_no_module(void **state)
{
    (void)state;
    unsigned char out[FNVM_MEASUREMENT_BYTES];
    fnvm_error *error = fnvm_measure(B("(module)"), nothing_is_reported, NULL, out);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    fnvm_error_free(error);
}

/* ---- A module of every section, and every change of one byte ---- */

static const char all_sections[] =
    "(module (@custom \"dylink.0\" (before first) \"\\01\\04\\00\\00\\00\\00\")\n"
    " (@custom \".debug_info\" (before type) \"dwarf\")\n"
    " (type $t (func (param i32) (result i32)))\n"
    " (import \"env\" \"f\" (func $f (type $t)))\n"
    " (@custom \"component-type:w\" (after import) \"wit\")\n"
    " (table 2 funcref) (memory 1) (tag (param i32)) (global i64 (i64.const 7))\n"
    " (export \"run\" (func $run)) (start $go) (elem (i32.const 0) $run)\n"
    " (func $run (type $t) (call $f (i32.add (local.get 0) (i32.const 3))))\n"
    " (func $go (data.drop 0))\n"
    " (data \"bytes\")\n"
    " (@custom \"linking\" (after code) \"\\02\") (@custom \"reloc.CODE\" (after data) \"\\00\")\n"
    " (@custom \"producers\" (after last) \"me\") (@custom \"note\" (after last) \"to self\"))";

typedef struct Sections { fnvm_section at[SECTIONS_MAX]; size_t n; } Sections;

static void collect(void *env, const fnvm_section *s)
{
    Sections *all = env;
    assert_true(all->n < SECTIONS_MAX);
    all->at[all->n++] = *s;
}

static void translate(const char *text, uint8_t **bytes, size_t *len)
{
    fnvm_error *error = fnvm_wat_to_wasm(text, strlen(text), bytes, len);
    if (error) print_message("%s\n", fnvm_error_message(error));
    assert_null(error);
}

static void sections_are_reported_in_order(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len, customs = 0;
    unsigned char out[FNVM_MEASUREMENT_BYTES];
    Sections all = {.n = 0};
    translate(all_sections, &bytes, &len);
    assert_null(fnvm_measure(bytes, len, collect, &all, out));
    assert_int_equal(all.n, 13 + 8); /* seven of ours, and the names */
    for (size_t i = 0; i < all.n; i++) {
        const fnvm_section *s = &all.at[i];
        if (i > 0) assert_true(s->offset > all.at[i - 1].offset + all.at[i - 1].size);
        if (s->id != 0) assert_true(s->counted);
        customs += s->id == 0 && s->counted;
    }
    assert_int_equal(customs, 4);
    assert_memory_equal(all.at[0].name, "dylink.0", all.at[0].name_len);
    assert_int_equal(all.at[0].size, 6);
    assert_memory_equal(bytes + all.at[0].offset, "\1\4\0\0\0\0", 6);
    assert_memory_equal(all.at[2].name, "type", all.at[2].name_len);
    assert_int_equal(bytes[all.at[2].offset - 2], 1);
    assert_int_equal(all.at[all.n - 1].offset + all.at[all.n - 1].size, len);
    free(bytes);
}

/* 'c': counts; 'n': contents of a section that does not, or its name; ' ': ids and sizes. */
static void classify(const Sections *all, const uint8_t *bytes, size_t len, char *kind)
{
    memset(kind, ' ', len);
    for (size_t i = 0; i < all->n; i++) {
        const fnvm_section *s = &all->at[i];
        size_t start = (size_t)s->offset - (s->id == 0 ? s->name_len : 0);
        if (s->id == 0) assert_memory_equal(bytes + start, s->name, s->name_len);
        memset(kind + start, s->counted ? 'c' : 'n', (size_t)(s->offset + s->size) - start);
    }
}

/* What the loader takes has a measurement, and what has none is refused by the loader. */
static void agrees_with_loader(const uint8_t *bytes, size_t len, fnvm_error *measuring,
                               const unsigned char *out)
{
    fnvm_module *module = NULL;
    unsigned char again[FNVM_MEASUREMENT_BYTES];
    fnvm_error *error = fnvm_module_new(engine, bytes, len, &module);
    if (!error) {
        assert_null(measuring);
        assert_null(fnvm_module_measurement(module, again));
        assert_memory_equal(again, out, sizeof again);
    }
    fnvm_error_free(error);
    fnvm_module_release(module);
}

static void every_change_of_a_byte(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len, counted = 0, left_out = 0;
    unsigned char plain[FNVM_MEASUREMENT_BYTES], out[FNVM_MEASUREMENT_BYTES];
    static char kind[MODULE_MAX];
    Sections all = {.n = 0};
    translate(all_sections, &bytes, &len);
    assert_true(len <= sizeof kind);
    assert_null(fnvm_measure(bytes, len, collect, &all, plain));
    classify(&all, bytes, len, kind);
    for (size_t at = 0; at < len; at++) {
        const uint8_t before = bytes[at];
        for (unsigned change = 1; change < 256; change++) {
            bytes[at] = (uint8_t)(before ^ change);
            fnvm_error *error = fnvm_measure(bytes, len, NULL, NULL, out);
            bool is_same = !error && memcmp(out, plain, sizeof out) == 0;
            if ((kind[at] == 'c' && is_same) || (kind[at] == 'n' && !error && !is_same))
                fail_msg("byte 0x%zx as %02x: %s", at, bytes[at], is_same ? "equal" : "different");
            agrees_with_loader(bytes, len, error, out);
            fnvm_error_free(error);
        }
        bytes[at] = before;
        counted += kind[at] == 'c';
        left_out += kind[at] == 'n';
    }
    assert_true(counted > 100 && left_out > 30);
    free(bytes);
}

/* Cut off anywhere: another measurement, if any, or nothing of what counts is missing. */
static void every_length(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len, equal = 0;
    unsigned char plain[FNVM_MEASUREMENT_BYTES], out[FNVM_MEASUREMENT_BYTES];
    Sections all = {.n = 0};
    translate(all_sections, &bytes, &len);
    assert_null(fnvm_measure(bytes, len, collect, &all, plain));
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = malloc(cut + 1); /* of its own, so that reading too far shows */
        memcpy(part, bytes, cut);
        fnvm_error *error = fnvm_measure(part, cut, NULL, NULL, out);
        equal += !error && memcmp(out, plain, sizeof out) == 0;
        agrees_with_loader(part, cut, error, out);
        fnvm_error_free(error);
        free(part);
    }
    assert_int_equal(equal, 3); /* before `note`, `producers`, and the names */
    free(bytes);
}

/* ---- Modules ---- */

static Measurement of_module(const fnvm_module *m)
{
    Measurement found;
    assert_null(fnvm_module_measurement(m, found.bytes));
    return found;
}

static void modules_have_that_of_their_bytes(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t len;
    fnvm_module *binary, *text;
    translate(all_sections, &bytes, &len);
    assert_null(fnvm_module_new(engine, bytes, len, &binary));
    assert_null(fnvm_module_new(engine, all_sections, strlen(all_sections), &text));
    const Measurement expected = measured(bytes, len);
    assert_true(same(of_module(binary), expected));
    assert_true(same(of_module(text), expected));
    fnvm_module_release(binary);
    fnvm_module_release(text);
    free(bytes);
}

/* Modules of code segments are not decoded: their arrays come from a file. */
static void modules_from_an_index(void **state)
{
    (void)state;
    uint8_t *bytes, *index;
    size_t len, size;
    fnvm_module *decoded;
    translate(all_sections, &bytes, &len);
    assert_null(fnvm_module_new(engine, bytes, len, &decoded));
    assert_null(module_index_write(decoded, &index, &size));
    Module *m = module_new(engine);
    assert_null(source_copy_bytes(m, bytes, len));
    assert_null(module_index_read(m, index, size));
    assert_true(same(of_module(m), measured(bytes, len)));
    fnvm_module_release(m);
    fnvm_module_release(decoded);
    free(index);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format_stays_as_it_is),
        cmocka_unit_test(names_say_what_counts),
        cmocka_unit_test(sizes_and_places_do_not_count),
        cmocka_unit_test(counted_sections_count),
        cmocka_unit_test(many_custom_sections),
        cmocka_unit_test(malformed_modules_have_none),
        cmocka_unit_test(text_is_no_module),
        cmocka_unit_test(sections_are_reported_in_order),
        cmocka_unit_test(every_change_of_a_byte),
        cmocka_unit_test(every_length),
        cmocka_unit_test(modules_have_that_of_their_bytes),
        cmocka_unit_test(modules_from_an_index),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
