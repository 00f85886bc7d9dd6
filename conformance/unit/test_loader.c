/* The binary loader: what a decoded module holds, and how each kind of malformed input is refused.
 * Modules are written as bytes; HEADER and SECTION keep them readable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/feature.h"
#include "loader/module.h"
#include "loader/skip.h"
#include "vm/tunables.h"

static fnvm_engine *engine, *engine_mvp;

static int setup(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    if (fnvm_engine_new(&config, &engine)) return -1;
    config.features = FNVM_FEATURE_MVP;
    return fnvm_engine_new(&config, &engine_mvp) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    fnvm_engine_free(engine);
    fnvm_engine_free(engine_mvp);
    return 0;
}

#define HEADER "\0asm\1\0\0\0"
#define TYPE_EMPTY "\1\4\1\x60\0\0" /* (type (func)) */
/* A string literal with zeros in it, as two arguments. */
#define B(literal) literal, sizeof(literal) - 1

static fnvm_module *load(const char *bytes, size_t len)
{
    fnvm_module *m = NULL;
    fnvm_error *error = fnvm_module_new(engine, bytes, len, &m);
    if (error) print_message("%s\n", fnvm_error_message(error));
    assert_null(error);
    return m;
}

static void refused_by(fnvm_engine *e, const char *bytes, size_t len, fnvm_code code,
                       const char *message)
{
    fnvm_module *m = NULL;
    fnvm_error *error = fnvm_module_new(e, bytes, len, &m);
    assert_non_null(error);
    if (!strstr(fnvm_error_message(error), message) || fnvm_error_code(error) != code)
        print_message("found %d `%s`, expected %d `%s`\n", fnvm_error_code(error),
                      fnvm_error_message(error), code, message);
    assert_non_null(strstr(fnvm_error_message(error), message));
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

static void refused(const char *bytes, size_t len, fnvm_code code, const char *message)
{
    refused_by(engine, bytes, len, code, message);
}

static void malformed(const char *bytes, size_t len, const char *message)
{
    refused(bytes, len, FNVM_E_MALFORMED, message);
}

/* ---- Headers ---- */

static void headers_say_what_was_found(void **state)
{
    (void)state;
    malformed(B(""), "at byte 0x0: unexpected end: not a WebAssembly module: there are no bytes");
    malformed(B("\0as"), "at byte 0x3: unexpected end: the module is cut off in its 8-byte header");
    malformed(B("\0asm\1\0\0"), "at byte 0x7: unexpected end");
    malformed(B("\x7f"
                "ELF"),
              "at byte 0x0: magic header not detected");
    malformed(B("\x7f"
                "ELF"),
              "found 7f 45 4c 46");
    malformed(B("hello"), "expected the bytes 00 61 73 6d or text starting with `(`");
    malformed(B("\0asm\2\0\0\0"), "at byte 0x4: unknown binary version: expected 01 00 00 00, "
                                  "found 02 00 00 00");
    refused(B("\0asm\x0d\0\1\0"), FNVM_E_UNSUPPORTED, "component");
}

static void empty_module(void **state)
{
    (void)state;
    fnvm_module *m = load(B(HEADER));
    assert_int_equal(fnvm_module_imports(m), 0);
    assert_int_equal(fnvm_module_exports(m), 0);
    assert_null(module_find_export(m, "", 0));
    Name name;
    assert_false(module_name(m, &name));
    assert_false(module_func_name(m, 0, &name));
    fnvm_module_release(m);
}

/* ---- Sections ---- */

static void sections_keep_order_and_size(void **state)
{
    (void)state;
    malformed(B(HEADER "\x0e\0"), "at byte 0x8: malformed section id 14");
    malformed(B(HEADER TYPE_EMPTY TYPE_EMPTY), "at byte 0xe: unexpected content after last "
                                               "section: the type section");
    malformed(B(HEADER "\3\1\0"
                       "\2\1\0"),
              "the import section is out of order");
    malformed(B(HEADER "\6\1\0"
                       "\x0d\1\0"),
              "the tag section is out of order");
    malformed(B(HEADER "\x0a\1\0"
                       "\x0c\1\0"),
              "the data count section is out of order");
    malformed(B(HEADER "\1\5\1\x60\0\0\0"), "at byte 0xe: section size mismatch: the type section");
    malformed(B(HEADER "\1\3\1\x60\0"), "at byte 0xd: unexpected end");
    malformed(B(HEADER "\1\x7f\1"), "at byte 0xa: unexpected end: expected a section of 127 bytes, "
                                    "found 1");
    malformed(B(HEADER "\1"), "at byte 0x9: unexpected end: expected a section's size");
    malformed(B(HEADER "\0\0"), "at byte 0xa: unexpected end: expected a custom section's name");
    malformed(B(HEADER "\0\2\1\xff"), "at byte 0xb: malformed UTF-8 encoding");
    fnvm_module_release(load(B(HEADER "\5\1\0"
                                      "\x0d\1\0"
                                      "\6\1\0"
                                      "\0\2\1x"
                                      "\x0c\1\0"
                                      "\x0a\1\0")));
}

static void counts_agree(void **state)
{
    (void)state;
    malformed(B(HEADER TYPE_EMPTY "\3\2\1\0"), "function and code section have inconsistent "
                                               "lengths: 1 functions, 0 bodies");
    malformed(B(HEADER TYPE_EMPTY "\x0a\4\1\2\0\x0b"),
              "function and code section have inconsistent");
    malformed(B(HEADER "\x0c\1\1"),
              "data count and data section have inconsistent lengths: 1 and 0");
    malformed(B(HEADER "\x0c\1\0"
                       "\x0b\3\1\1\0"),
              "data count and data section have inconsistent");
}

/* A count is checked against the bytes that are left before anything is allocated for it. */
static void counts_are_bounded(void **state)
{
    (void)state;
    malformed(B(HEADER "\1\5\xff\xff\xff\xff\x0f"),
              "at byte 0xa: unexpected end: 4294967295 types");
    malformed(B(HEADER "\2\5\xff\xff\xff\xff\x0f"), "4294967295 imports");
    malformed(B(HEADER TYPE_EMPTY "\3\5\xff\xff\xff\xff\x0f"), "4294967295 functions");
    malformed(B(HEADER "\1\7\1\x60\xff\xff\xff\xff\x0f"), "4294967295 parameters");
    malformed(
        B(HEADER TYPE_EMPTY "\3\2\1\0"
                            "\x0a\7\1\xff\xff\xff\xff\x0f\0"),
        "at byte 0x1a: unexpected end: expected a function body of 4294967295 bytes, found 1");
}

static void limits_are_named(void **state)
{
    (void)state;
    enum { PARAMS = LIMIT_PARAMS + 1, SIZE = 8 + 3 + 1 + 1 + 2 + PARAMS + 1 };
    uint8_t bytes[SIZE] = HEADER;
    uint32_t at = 8, payload = SIZE - 11;
    const uint8_t start[] = {1,
                             (uint8_t)(payload | 0x80),
                             (uint8_t)(payload >> 7),
                             1,
                             0x60,
                             (PARAMS & 0x7F) | 0x80,
                             PARAMS >> 7};
    memcpy(bytes + at, start, sizeof start);
    memset(bytes + at + sizeof start, 0x7F, PARAMS);
    refused((const char *)bytes, SIZE, FNVM_E_LIMIT,
            "at byte 0xd: 1001 parameters are more than the limit of 1000");

    uint8_t memories[8 + 3 + 2 * 101] = HEADER "\5\xcb\1\x65";
    refused((const char *)memories, sizeof memories, FNVM_E_MALFORMED, "unexpected end");
    uint8_t more[8 + 4 + 2 * 101] = HEADER "\5\xcb\1\x65";
    refused((const char *)more, sizeof more, FNVM_E_LIMIT,
            "101 memories are more than the limit of 100");
}

static void leb128_is_strict(void **state)
{
    (void)state;
    malformed(B(HEADER "\1\6\x80\x80\x80\x80\x80\0"),
              "at byte 0xa: integer representation too long");
    malformed(B(HEADER "\1\5\x80\x80\x80\x80\x10"), "at byte 0xa: integer too large");
    fnvm_module_release(load(B(HEADER "\1\5\x80\x80\x80\x80\0")));
    const struct {
        const char *bytes;
        size_t len;
        int64_t value;
        bool good;
    } s33[] = {
        {B("\x7f"), -1, true},
        {B("\xff\xff\xff\xff\x0f"), INT64_C(0xFFFFFFFF), true},
        {B("\x80\x80\x80\x80\x70"), -(INT64_C(1) << 32), true},
        {B("\xff\xff\xff\xff\x1f"), 0, false},
        {B("\xff\xff\xff\xff\x6f"), 0, false},
    };
    for (size_t i = 0; i < sizeof s33 / sizeof *s33; i++) {
        Reader r = {.bytes = (const uint8_t *)s33[i].bytes, .end = (uint32_t)s33[i].len};
        assert_int_equal(read_s33(&r, "it"), s33[i].value);
        assert_int_equal(!r.error, s33[i].good);
        fnvm_error_free(r.error);
    }
    Reader r = {.bytes = (const uint8_t *)"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", .end = 10};
    assert_true(read_s64(&r, "it") == INT64_MIN);
    assert_null(r.error);
}

/* ---- Types ---- */

static void groups_resolve_inside_and_before(void **state)
{
    (void)state;
    /* (type $f (func)) (rec (type $a (sub (struct (field (ref null $b)))))
     *                       (type $b (sub final $a (struct (field (ref null $b)) (field i8))))) */
    fnvm_module *m = load(B(HEADER "\1\x17\2\x60\0\0\x4e\2\x50\0\x5f\1\x63\2\0"
                                   "\x4f\1\1\x5f\2\x63\2\0\x78\1"));
    assert_int_equal(m->ntypes, 3);
    const Type *a = types_get(&engine->types, m->types[1]);
    const Type *b = types_get(&engine->types, m->types[2]);
    assert_int_equal(type_heap(a->fields[0].type), b->id);
    assert_int_equal(b->super, a->id);
    assert_true(b->is_final);
    assert_true(b->fields[1].is_mutable);
    fnvm_module_release(m);
    refused(B(HEADER "\1\x0b\1\x4e\2\x50\1\1\x60\0\0\x60\0\0"), FNVM_E_INVALID,
            "at byte 0xf: unknown type 1"); /* a supertype comes first */
    refused(B(HEADER "\1\6\1\x60\1\x63\1\0"), FNVM_E_INVALID, "at byte 0xe: unknown type 1");
    refused(B(HEADER "\1\x0a\2\x60\0\0\x50\2\0\0\x60\0"), FNVM_E_INVALID, "2 supertypes");
    malformed(B(HEADER "\1\4\1\x60\1\x40"), "at byte 0xd: malformed value type 0x40");
    malformed(B(HEADER "\1\4\1\x5d\0\0"), "at byte 0xb: malformed type definition 0x5d");
    malformed(B(HEADER "\1\4\1\x5e\x7f\2"), "at byte 0xd: malformed mutability 0x02");
    malformed(B(HEADER "\1\6\1\x60\1\x63\x40\0"), "at byte 0xe: malformed heap type 0x40");
}

static void imports_open_every_index_space(void **state)
{
    (void)state;
    fnvm_module *m = load(B(HEADER "\1\5\1\x60\1\x7f\0"
                                   "\2\x25\5"
                                   "\1m\1f\0\0"
                                   "\1m\1t\1\x70\1\2\3"
                                   "\1m\1g\3\x7e\1"
                                   "\1m\1M\2\4\1"
                                   "\1m\1e\4\0\0"));
    static const char *const expected[] = {"(func (param i32))", "(table 2 3 funcref)",
                                           "(global (mut i64))", "(memory i64 1)",
                                           "(tag (param i32))"};
    assert_int_equal(fnvm_module_imports(m), 5);
    for (uint32_t i = 0; i < 5; i++) {
        char text[64];
        fnvm_import import;
        fnvm_module_import(m, i, &import);
        assert_memory_equal(import.module, "m", import.module_len);
        assert_int_equal(fnvm_module_import_type(m, i, text, sizeof text), strlen(expected[i]));
        assert_string_equal(text, expected[i]);
    }
    assert_int_equal(m->n_imported_funcs + m->n_imported_tables + m->n_imported_globals +
                         m->n_imported_memories + m->n_imported_tags,
                     5);
    fnvm_module_release(m);
    malformed(B(HEADER "\2\5\1\0\0\5\0"), "at byte 0xd: malformed import kind 0x05");
    malformed(B(HEADER "\2\5\1\0\1\x80\0"), "at byte 0xd: malformed UTF-8 encoding");
    refused(B(HEADER "\2\5\1\0\0\0\0"), FNVM_E_INVALID, "at byte 0xe: unknown type 0");
    refused(B(HEADER "\1\3\1\x5f\0"
                     "\2\5\1\0\0\0\0"),
            FNVM_E_INVALID, "non-function type");
}

static void limits_flags(void **state)
{
    (void)state;
    malformed(B(HEADER "\4\4\1\x70\2\0"), "at byte 0xc: malformed limits flags 0x02");
    malformed(B(HEADER "\5\4\1\x08\0\0"), "at byte 0xb: malformed limits flags 0x08");
    refused(B(HEADER "\5\4\1\3\0\1"), FNVM_E_UNSUPPORTED, "threads are not supported");
    malformed(B(HEADER "\4\4\1\x7f\0\0"), "malformed reference type 0x7f");
}

/* ---- Expressions and segments ---- */

static void declared_functions(void **state)
{
    (void)state;
    /* Functions 0 to 4: exported, in a global, in two element segments, nowhere. */
    fnvm_module *m =
        load(B(HEADER TYPE_EMPTY "\3\6\5\0\0\0\0\0"
                                 "\6\6\1\x70\0\xd2\1\x0b"
                                 "\7\5\1\1x\0\0"
                                 "\x09\x0b\2\1\0\1\2\5\x70\1\xd2\3\x0b"
                                 "\x0a\x10\5\2\0\x0b\2\0\x0b\2\0\x0b\2\0\x0b\2\0\x0b"));
    assert_int_equal(m->declared[0], 0xF);
    assert_int_equal(m->nelems, 2);
    assert_true(m->elems[0].is_funcs);
    assert_int_equal(m->elems[0].type, type_ref(HEAP_FUNC, false));
    assert_int_equal(m->elems[0].mode, SEGMENT_PASSIVE);
    assert_int_equal(m->elems[1].items.end - m->elems[1].items.start, 3);
    assert_int_equal(m->bodies[0].end - m->bodies[0].start, 2);
    assert_int_equal(m->bytes[m->globals[0].init.end - 1], 0x0B);
    fnvm_module_release(m);
    refused(B(HEADER "\x09\5\1\1\0\1\7"), FNVM_E_INVALID, "at byte 0xe: unknown function 7");
    refused(B(HEADER "\x0b\6\1\0\x41\0\x0b\0"), FNVM_E_INVALID, "unknown memory 0");
    malformed(B(HEADER "\x09\4\1\x08\0\0"), "malformed element segment kind 8");
    malformed(B(HEADER "\x0b\4\1\3\0\0"), "malformed data segment kind 3");
    malformed(B(HEADER "\6\4\1\x7f\0\x41"), "at byte 0xe: unexpected end: expected a constant");
    malformed(B(HEADER "\6\5\1\x7f\0\x41\0"), "unexpected end: expected an instruction");
    malformed(B(HEADER "\6\5\1\x7f\0\xff\x0b"), "at byte 0xd: illegal opcode 0xff");
    malformed(B(HEADER "\6\5\1\x7f\0\xfe\x0b"), "illegal opcode 0xfe: atomic instructions");
    malformed(B(HEADER "\6\6\1\x7f\0\xfb\x7f\x0b"), "at byte 0xd: illegal opcode 0xfb 0x7f");
}

/* Every instruction is skipped by its immediates alone: with those all zero or one byte long, the
 * reader must stand exactly behind it. */
static void every_instruction_can_be_skipped(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < OP_COUNT; i++) {
        uint8_t bytes[32] = {0};
        uint32_t at = 0;
        if (instructions[i].page != PAGE_BASE) bytes[at++] = instructions[i].page;
        if (instructions[i].code >= 0x80 && at == 1) {
            bytes[at++] = (uint8_t)(instructions[i].code | 0x80);
            bytes[at++] = (uint8_t)(instructions[i].code >> 7);
        } else {
            bytes[at++] = (uint8_t)instructions[i].code;
        }
        Reader r = {.bytes = bytes, .end = sizeof bytes};
        Op op = OP_NONE;
        assert_true(reader_skip_instruction(&r, &op));
        assert_int_equal(op, i);
        assert_true(r.pos >= at);
        r = (Reader){.bytes = bytes, .end = r.pos - 1}; /* one byte less is too few */
        assert_false(reader_skip_instruction(&r, &op));
        fnvm_error_free(r.error);
    }
}

/* ---- Exports and names ---- */

static void exports_are_found_by_name(void **state)
{
    (void)state;
    fnvm_module *m = load(B(HEADER "\5\3\1\0\0"
                                   "\7\x0b\2\3mem\2\0\1m\2\0"));
    const Export *e = module_find_export(m, "mem", 3);
    assert_non_null(e);
    assert_int_equal(e->kind, FNVM_EXTERN_MEMORY);
    assert_ptr_equal(module_find_export(m, "m", 1), &m->exports[1]);
    assert_null(module_find_export(m, "me", 2));
    fnvm_module_release(m);
    refused(B(HEADER "\5\3\1\0\0"
                     "\7\x09\2\1m\2\0\1m\2\0"),
            FNVM_E_INVALID, "at byte 0x15: duplicate export name `m`");
    refused(B(HEADER "\7\5\1\1m\0\0"), FNVM_E_INVALID, "at byte 0xe: unknown function 0");
    malformed(B(HEADER "\7\5\1\1m\5\0"), "malformed export kind 0x05");
}

static void names_are_for_backtraces(void **state)
{
    (void)state;
    fnvm_module *m = load(B(HEADER "\0\x16\4name\0\2\1m\1\x0b\3\0\1a\2\1b\7\2\xc3("));
    Name name;
    assert_true(module_name(m, &name));
    assert_memory_equal(m->bytes + name.start, "m", name.len);
    assert_true(module_func_name(m, 2, &name));
    assert_memory_equal(m->bytes + name.start, "b", name.len);
    assert_false(module_func_name(m, 1, &name));
    assert_false(module_func_name(m, 7, &name)); /* not UTF-8 */
    fnvm_module_release(m);
    /* three functions, names of 0, 2 (two of them: the first counts) and 9, which is none */
    m = load(B(HEADER "\1\4\1\x60\0\0" "\3\4\3\0\0\0" "\x0a\x0a\3\2\0\x0b\2\0\x0b\2\0\x0b"
               "\0\x14\4name\1\x0d\4\0\1a\2\1b\2\1c\x09\1d"));
    Name *names = module_all_func_names(m);
    assert_non_null(names);
    assert_int_equal(m->bytes[names[0].start], 'a');
    assert_int_equal(names[1].start, 0);
    assert_int_equal(names[2].len, 1);
    assert_int_equal(m->bytes[names[2].start], 'b');
    assert_true(module_func_name(m, 2, &name) && name.start == names[2].start);
    free(names);
    fnvm_module_release(m);
    m = load(B(HEADER "\0\x09\4name\1\x7f\xff\xff")); /* broken names are no names */
    assert_false(module_func_name(m, 0, &name));
    fnvm_module_release(m);
}

/* ---- Features and files ---- */

static void features_that_are_off_are_named(void **state)
{
    (void)state;
    refused_by(engine_mvp, B(HEADER "\1\5\1\x60\0\1\x7b"), FNVM_E_UNSUPPORTED,
               "v128: the feature `simd` is switched off (-W simd=y switches it on)");
    refused_by(engine_mvp, B(HEADER "\5\5\2\0\0\0\0"), FNVM_E_UNSUPPORTED, "`multi-memory`");
    refused_by(engine_mvp, B(HEADER "\5\3\1\4\0"), FNVM_E_UNSUPPORTED, "`memory64`");
    refused_by(engine_mvp, B(HEADER "\1\3\1\x5f\0"), FNVM_E_UNSUPPORTED, "`gc`");
    refused_by(engine_mvp, B(HEADER "\1\6\1\x60\0\2\x7f\x7f"), FNVM_E_UNSUPPORTED, "`multi-value`");
    for (uint32_t bit = 1; bit <= FNVM_FEATURE_CUSTOM_PAGE_SIZES; bit <<= 1)
        assert_int_equal(feature_by_name(feature_name(bit), strlen(feature_name(bit))), bit);
    assert_int_equal(feature_by_name("threads", 7), 0);
}

static void files_are_mapped(void **state)
{
    (void)state;
    char path[] = "/tmp/fnvm-test-loader-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, HEADER TYPE_EMPTY, 14), 14);
    fnvm_module *m = NULL;
    assert_null(fnvm_module_load(engine, path, &m));
    assert_int_equal(m->ntypes, 1);
    fnvm_module_release(m);

    assert_int_equal(ftruncate(fd, 12), 0);
    fnvm_error *error = fnvm_module_load(engine, path, &m);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    assert_non_null(strstr(fnvm_error_message(error), "failed to load `/tmp/fnvm-test-loader-"));
    assert_non_null(strstr(fnvm_error_message(fnvm_error_cause(error)), "at byte 0xa"));
    fnvm_error_free(error);

    assert_int_equal(ftruncate(fd, 0), 0);
    error = fnvm_module_load(engine, path, &m);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    fnvm_error_free(error);
    close(fd);
    unlink(path);
    error = fnvm_module_load(engine, path, &m);
    assert_int_equal(fnvm_error_code(error), FNVM_E_NOT_FOUND);
    fnvm_error_free(error);
    error = fnvm_module_load(engine, "/", &m);
    assert_int_equal(fnvm_error_code(error), FNVM_E_IO);
    fnvm_error_free(error);
}

/* Any prefix of a module is an error or a module, and is never read beyond its end. */
static void truncations(void **state)
{
    (void)state;
    static const char module[] =
        HEADER "\1\x17\2\x60\0\0\x4e\2\x50\0\x5f\1\x63\2\0\x4f\1\1\x5f\2\x63\2\0\x78\1"
               "\2\x0b\1\1m\1t\1\x70\1\2\3\0\0"
               "\3\2\1\0"
               "\4\x0a\1\x40\0\x70\0\1\xd2\0\x0b";
    for (size_t len = 0; len < sizeof module; len++) {
        char *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, module, len);
        fnvm_module *m = NULL;
        fnvm_error *error = fnvm_module_new(engine, exact, len, &m);
        if (error)
            fnvm_error_free(error);
        else
            fnvm_module_release(m);
        free(exact);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(headers_say_what_was_found),
        TEST(empty_module),
        TEST(sections_keep_order_and_size),
        TEST(counts_agree),
        TEST(counts_are_bounded),
        TEST(limits_are_named),
        TEST(leb128_is_strict),
        TEST(groups_resolve_inside_and_before),
        TEST(imports_open_every_index_space),
        TEST(limits_flags),
        TEST(declared_functions),
        TEST(every_instruction_can_be_skipped),
        TEST(exports_are_found_by_name),
        TEST(names_are_for_backtraces),
        TEST(features_that_are_off_are_named),
        TEST(files_are_mapped),
        TEST(truncations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
