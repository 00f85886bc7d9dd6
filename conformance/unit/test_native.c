/* test_native.c - native functions: signatures, what guests hand to them, handles, and policies. */
#include "conformance/unit/native_world.h"

#include "vm/native_signature.h"

/* ---- Signatures ---- */

static void signatures(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type;
    } rows[] = {
        {"void()", "->"},
        {"void(void)", "->"},
        {" i32 ( ) ", "-> i32"},
        {"f64(f64)", "f64 -> f64"},
        {"f64 cos(f64)", "f64 -> f64"},
        {"bool(i8,u8,i16,u16,i32,u32,i64,u64,f32,f64,bool)",
         "i32 i32 i32 i32 i32 i32 i64 i64 f32 f64 i32 -> i32"},
        {"i32(cstring, bytes, buffer)", "i32 i32 i32 i32 i32 -> i32"},
        {"u64(out i64, inout f32, null, out bool)", "i32 i32 i32 -> i64"},
        {"handle db(handle db, out handle db, take handle db)", "i64 i32 i64 -> i64"},
        {"handle db open(cstring)", "i32 -> i64"},
        {"cstring(i64)", "i64 i32 i32 -> i32"},
        {"memory64 cstring(bytes, out i8)", "i64 i64 i64 i64 i64 -> i64"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        NativeSignature s;
        fnvm_error *error = native_signature_parse(rows[i].text, &s);
        if (error) fail_msg("%s: %s", rows[i].text, fnvm_error_message(error));
        assert_string_equal(s.type, rows[i].type);
    }
    NativeSignature s;
    good(native_signature_parse("handle db open_it(handle other)", &s));
    assert_int_equal(s.symbol.len, 7);
    assert_memory_equal(s.symbol.at, "open_it", 7);
    assert_int_equal(s.result.name.len, 2);
    assert_int_equal(s.params[0].name.len, 5);
}

static void bad_signatures(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "column 1: expected the type of the result"},
        {"f65(f64)", "column 1: expected the type of the result"},
        {"f64", "column 4: expected `(`, as in `f64(f64)`, found its end"},
        {"f64 cos", "column 8: expected `(`"},
        {"f64(", "column 5: expected the type of a parameter"},
        {"f64(f64", "column 8: expected `,` or `)`, found its end"},
        {"f64(f64,)", "column 9: expected the type of a parameter"},
        {"f64(f64) x", "column 10: expected nothing more, found `x`"},
        {"f64(void, i32)", "column 5: expected the type of a parameter"},
        {"bytes()", "column 1: expected the type of the result"},
        {"null()", "column 1: expected the type of the result"},
        {"void(out bytes)",
         "column 10: expected a number's type, bool or `handle NAME` behind `out`"},
        {"void(out)", "column 9: expected a number's type"},
        {"void(inout handle db)", "column 12: expected a number's type or bool behind `inout`"},
        {"void(take i32)", "column 11: expected `handle NAME` behind `take`"},
        {"void(handle)", "column 12: expected the name of a kind of handle"},
        {"handle(i32)", "column 7: expected the name of a kind of handle"},
        {"void(ptr)", "found `ptr`"},
        {"void(i32 a)", "expected `,` or `)`, found `a`"},
        {"void(i32*)", "found `*`"},
        {"f64 1(f64)", "column 5: expected `(`"},
        {"void(i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,"
         "i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32,i32)",
         "no more than 32 parameters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        NativeSignature s;
        bad(native_signature_parse(rows[i].text, &s), FNVM_E_USAGE, rows[i].message);
    }
}

/* Whatever is cut off, and whatever byte is another one: an error or a signature, and no byte
 * beyond the end is looked at. */
static void damaged_signatures(void **state)
{
    (void)state;
    static const char whole[] =
        "memory64 handle db open_it(cstring, bytes, inout u16, out handle db, take handle x)";
    static const char bytes[] = " \t(),_a0*\x80\xFF";
    for (size_t len = 0; len < sizeof whole; len++) {
        NativeSignature s;
        char *text = strndup(whole, len);
        assert_non_null(text);
        fnvm_error_free(native_signature_parse(text, &s));
        for (size_t at = 0; at < len; at++)
            for (size_t i = 0; i < sizeof bytes - 1; i++) {
                const char before = text[at];
                text[at] = bytes[i];
                fnvm_error_free(native_signature_parse(text, &s));
                text[at] = before;
            }
        free(text);
    }
}

static void definitions(void **state)
{
    (void)state;
    World w;
    fnvm_native *n;
    world_new(&w, FNVM_ENGINE_AUTO);
    bad(fnvm_linker_define_native(w.linker, "env", "f", w.native, NULL, "f64(f64)"),
        FNVM_E_NOT_FOUND, "has no function `f`");
    bad(fnvm_linker_define_native(w.linker, "env", "f", w.native, "g", "f64 h(f64)"),
        FNVM_E_NOT_FOUND, "`g`");
    bad(fnvm_linker_define_native(w.linker, "env", "f", w.native, NULL, "f64 h(f64)"),
        FNVM_E_NOT_FOUND, "`h`");
    bad(fnvm_linker_define_native(w.linker, "env", "f", w.native, "half", "f65(f64)"), FNVM_E_USAGE,
        "column 1");
    bad(fnvm_native_open(w.engine, "libm", &n), FNVM_E_USAGE, "no library's name");
    bad(fnvm_native_open(w.engine, "libthereisnone.so.9", &n), FNVM_E_IO, "libthereisnone.so.9");
    bad(fnvm_native_open(w.engine, "/none/libtest.so", &n), FNVM_E_NOT_FOUND, "No such file");
    bad(fnvm_native_open(w.engine, "/dev/null", &n), FNVM_E_IO, "/dev/null");
    good(fnvm_native_open(w.engine, NULL, &n));
    good(fnvm_linker_define_native(w.linker, "env", "strlen", n, NULL, "u64(cstring)"));
    fnvm_native_close(n);
    fnvm_native_close(NULL);
    fnvm_engine *other;
    good(fnvm_engine_new(NULL, &other));
    good(fnvm_native_open(other, library, &n));
    bad(fnvm_linker_define_native(w.linker, "env", "half", n, NULL, "f32(f32)"), FNVM_E_USAGE,
        "another engine");
    fnvm_native_close(n);
    fnvm_engine_free(other);
    define(&w, "half", "f64(f64)");
    static const char wrong_type[] =
        "(module (import \"env\" \"half\" (func (param f32) (result f32))))";
    good(fnvm_module_new(w.engine, wrong_type, strlen(wrong_type), &w.module));
    bad(fnvm_linker_instantiate(w.linker, w.module, &w.instance), FNVM_E_LINK,
        "incompatible import type");
    world_free(&w);
}

/* ---- Numbers ---- */

static const char numbers_text[] =
    "(module"
    " (import \"env\" \"neg8\" (func $neg8 (param i32) (result i32)))"
    " (import \"env\" \"not8\" (func $not8 (param i32) (result i32)))"
    " (import \"env\" \"neg16\" (func $neg16 (param i32) (result i32)))"
    " (import \"env\" \"not16\" (func $not16 (param i32) (result i32)))"
    " (import \"env\" \"not32\" (func $not32 (param i32) (result i32)))"
    " (import \"env\" \"not64\" (func $not64 (param i64) (result i64)))"
    " (import \"env\" \"half\" (func $half (param f32) (result f32)))"
    " (import \"env\" \"both\" (func $both (param i32 i32) (result i32)))"
    " (import \"env\" \"bool_value\" (func $bool_value (param i32) (result i32)))"
    " (import \"env\" \"mixed\" (func $mixed (param i32 f64 i64 f32 i32 f64 i32 f32) (result f64)))"
    " (import \"env\" \"many\" (func $many (param i64 i64 i64 i64 i64 i64 i64 i32 f64) (result "
    "i64)))"
    " (import \"env\" \"floats\" (func $floats (param f32 f64 f32 f64 f32 f64 f32 f64 f32) (result "
    "f64)))"
    " (export \"neg8\" (func $neg8)) (export \"not8\" (func $not8)) (export \"neg16\" (func "
    "$neg16))"
    " (export \"not16\" (func $not16)) (export \"not32\" (func $not32)) (export \"not64\" (func "
    "$not64))"
    " (export \"half\" (func $half)) (export \"both\" (func $both)) (export \"bool_value\" (func "
    "$bool_value))"
    " (export \"many\" (func $many)) (export \"floats\" (func $floats))"
    " (func (export \"mixed\") (param i32 f64 i64 f32 i32 f64 i32 f32) (result f64)"
    "  (call $mixed (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) "
    "(local.get 5)"
    "   (local.get 6) (local.get 7)))"
    " (func (export \"wide\") (param i64) (result i64)" /* upper halves do not get there */
    "  (i64.extend_i32_s (call $neg8 (i32.wrap_i64 (local.get 0))))))";

static void check_numbers(fnvm_engine_kind kind)
{
    World w;
    world_new(&w, kind);
    define(&w, "neg8", "i8(i8)");
    define(&w, "not8", "u8(u8)");
    define(&w, "neg16", "i16(i16)");
    define(&w, "not16", "u16(u16)");
    define(&w, "not32", "u32(u32)");
    define(&w, "not64", "u64(u64)");
    define(&w, "half", "f32(f32)");
    define(&w, "both", "bool(bool, bool)");
    define(&w, "bool_value", "i32(bool)");
    define(&w, "mixed", "f64(i32, f64, i64, f32, u8, f64, i16, f32)");
    define(&w, "many",
           "i64(i64, i64, i64, i64, i64, i64, i64, i8, f64)"); /* more than registers hold */
    define(&w, "floats", "f64(f32, f64, f32, f64, f32, f64, f32, f64, f32)"); /* likewise */
    load(&w, numbers_text);
    assert_int_equal(CALL_I32(&w, "neg8", I(5)), -5);
    assert_int_equal(CALL_I32(&w, "neg8", I(0x1FB)), 5); /* of 0xFB, as C converts it */
    assert_int_equal(CALL_I32(&w, "not8", I(0x101)), 0xFE);
    assert_int_equal(CALL_I32(&w, "neg16", I(-300)), 300);
    assert_int_equal(CALL_I32(&w, "not16", I(0)), 0xFFFF);
    assert_int_equal(CALL_I32(&w, "not32", I(1)), -2);
    assert_int_equal(call(&w, "not64", I(1)).of.i64, -2);
    assert_true(call(&w, "half", 3.0).of.f32 == 1.5f);
    assert_int_equal(CALL_I32(&w, "both", I(0x100), I(2)), 1);
    assert_int_equal(CALL_I32(&w, "both", I(0), I(2)), 0);
    assert_int_equal(CALL_I32(&w, "bool_value", I(256)), 1);
    assert_true(call(&w, "mixed", I(-1), 2.0, I(3), 4.0, I(0x105), 6.0, I(-7), 8.0).of.f64 ==
                -1 + 20 + 300 + 4000 + 5e4 + 6e5 - 7e6 + 8e7);
    assert_int_equal(call(&w, "many", I(1), I(2), I(3), I(4), I(5), I(6), I(7), I(-8), 9.0).of.i64,
                     1 + 4 + 9 + 16 + 25 + 36 + 49 - 64 + 9);
    assert_true(call(&w, "floats", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0).of.f64 == 285);
    assert_int_equal(call(&w, "wide", I(0x7F00000001)).of.i64, -1);
    world_free(&w);
}

static void numbers_interpreted(void **state)
{
    (void)state;
    check_numbers(FNVM_ENGINE_INTERPRETER);
}

static void numbers_by_default(void **state)
{
    (void)state;
    check_numbers(FNVM_ENGINE_AUTO);
}

/* ---- Memory ---- */

/* Each import is exported through a function of the same type: what the guest's memory is, is
 * the caller's. */
static const char memory_text[] =
    "(module"
    " (import \"env\" \"length\" (func $length (param i32) (result i32)))"
    " (import \"env\" \"sum\" (func $sum (param i32 i32) (result i32)))"
    " (import \"env\" \"fill\" (func $fill (param i32 i32)))"
    " (import \"env\" \"answer\" (func $answer (param i32)))"
    " (import \"env\" \"answer8\" (func $answer8 (param i32)))"
    " (import \"env\" \"twice\" (func $twice (param i32 i32)))"
    " (import \"env\" \"flip\" (func $flip (param i32)))"
    " (import \"env\" \"is_null\" (func $is_null (param i32) (result i32)))"
    " (import \"env\" \"greeting\" (func $greeting (param i32 i32 i32) (result i32)))"
    " (import \"env\" \"called\" (func $called (result i32)))"
    " (memory (export \"memory\") 1 2)"
    " (data (i32.const 100) \"hello\\00\")"
    " (export \"called\" (func $called)) (export \"raw_length\" (func $length))"
    " (func (export \"length\") (param i32) (result i32) (call $length (local.get 0)))"
    " (func (export \"sum\") (param i32 i32) (result i32) (call $sum (local.get 0) (local.get 1)))"
    " (func (export \"fill\") (param i32 i32) (call $fill (local.get 0) (local.get 1)))"
    " (func (export \"answer\") (param i32) (call $answer (local.get 0)))"
    " (func (export \"answer8\") (param i32) (call $answer8 (local.get 0)))"
    " (func (export \"twice\") (param i32 i32) (call $twice (local.get 0) (local.get 1)))"
    " (func (export \"flip\") (param i32) (call $flip (local.get 0)))"
    " (func (export \"is_null\") (param i32) (result i32) (call $is_null (local.get 0)))"
    " (func (export \"greeting\") (param i32 i32 i32) (result i32)"
    "  (call $greeting (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"grow\") (drop (memory.grow (i32.const 1)))))";

enum { PAGE = 65536 };

static void memory_world(World *w)
{
    world_new(w, FNVM_ENGINE_AUTO);
    define(w, "length", "i32(cstring)");
    define(w, "sum", "i32(bytes)");
    define(w, "fill", "void(buffer)");
    define(w, "answer", "void(out i64)");
    define(w, "answer8", "void(out i8)");
    define(w, "twice", "void(inout i16, inout f64)");
    define(w, "flip", "void(inout bool)");
    define(w, "is_null", "i32(null, cstring)");
    define(w, "greeting", "cstring(i32)");
    define(w, "called", "i32()");
    load(w, memory_text);
}

static void texts(void **state)
{
    (void)state;
    World w;
    memory_world(&w);
    uint8_t *memory = fnvm_memory_base(w.store, export(&w, "memory"));
    assert_int_equal(CALL_I32(&w, "length", I(100)), 5);
    assert_int_equal(CALL_I32(&w, "length", I(0)), 0);
    assert_int_equal(CALL_I32(&w, "length", I(PAGE - 1)), 0); /* its NUL is the last byte */
    const int calls = CALL_I32(&w, "called");
    memory[PAGE - 1] = 'x';
    TRAPS("out of bounds memory access: argument 1 of the native function env.length is a text "
          "that does not end "
          "before the memory does",
          &w, "length", I(PAGE - 1));
    TRAPS("argument 1 of the native function env.length is not all in the memory", &w, "length",
          I(PAGE));
    TRAPS("not all in the memory", &w, "length", I(0xFFFFFFFF));
    assert_int_equal(CALL_I32(&w, "called"), calls);
    call(&w, "grow");
    assert_int_equal(CALL_I32(&w, "length", I(PAGE - 1)), 1);
    assert_int_equal(CALL_I32(&w, "is_null", I(100)), 1);
    /* The host itself has no memory. */
    TRAPS("the caller exports no `memory`", &w, "raw_length", I(0));
    world_free(&w);
}

static void texts_are_bounded(void **state)
{
    (void)state;
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    define(&w, "length", "i32(cstring)");
    load(&w, "(module (import \"env\" \"length\" (func $length (param i32) (result i32)))"
             " (memory (export \"memory\") 20)"
             " (func (export \"length\") (param i32) (result i32) (call $length (local.get 0))))");
    uint8_t *memory = fnvm_memory_base(w.store, export(&w, "memory"));
    memset(memory, 'x', 1 << 20);
    assert_int_equal(CALL_I32(&w, "length", I(1)), (1 << 20) - 1);
    TRAPS("does not end within 1 MiB", &w, "length", I(0));
    world_free(&w);
}

static void ranges(void **state)
{
    (void)state;
    World w;
    memory_world(&w);
    uint8_t *memory = fnvm_memory_base(w.store, export(&w, "memory"));
    memset(memory + PAGE - 4, 1, 4);
    assert_int_equal(CALL_I32(&w, "sum", I(PAGE - 4), I(4)), 4);
    assert_int_equal(CALL_I32(&w, "sum", I(PAGE), I(0)), 0);
    const int calls = CALL_I32(&w, "called");
    TRAPS("not all in the memory", &w, "sum", I(PAGE - 4), I(5));
    TRAPS("not all in the memory", &w, "sum", I(PAGE + 1), I(0));
    TRAPS("not all in the memory", &w, "sum", I(1), I(0xFFFFFFFF));
    TRAPS("not all in the memory", &w, "fill", I(PAGE - 1), I(2));
    assert_int_equal(CALL_I32(&w, "called"), calls);
    call(&w, "fill", I(PAGE - 2), I(2));
    assert_memory_equal(memory + PAGE - 3, "\1xx", 3);
    world_free(&w);
}

static void variables(void **state)
{
    (void)state;
    World w;
    memory_world(&w);
    uint8_t *memory = fnvm_memory_base(w.store, export(&w, "memory"));
    int64_t value;
    call(&w, "answer", I(PAGE - 8)); /* the last that there is room for */
    memcpy(&value, memory + PAGE - 8, sizeof value);
    assert_int_equal(value, 42);
    call(&w, "answer", I(1)); /* not aligned */
    memcpy(&value, memory + 1, sizeof value);
    assert_int_equal(value, 42);
    call(&w, "answer8", I(PAGE - 1));
    assert_int_equal(memory[PAGE - 1], 0xFF);
    assert_int_equal(memory[PAGE - 2], 0);
    const int calls = CALL_I32(&w, "called");
    TRAPS("argument 1 of the native function env.answer is not all in the memory", &w, "answer",
          I(PAGE - 7));
    TRAPS("not all in the memory", &w, "answer8", I(PAGE));
    assert_int_equal(CALL_I32(&w, "called"), calls);
    const int16_t before = -300;
    const double number = 1.25;
    memcpy(memory + 11, &before, sizeof before);
    memcpy(memory + 13, &number, sizeof number);
    call(&w, "twice", I(11), I(13));
    assert_memory_equal(memory + 11, &(int16_t){-600}, 2);
    assert_memory_equal(memory + 13, &(double){2.5}, 8);
    TRAPS("argument 2", &w, "twice", I(11), I(PAGE - 4));
    assert_memory_equal(memory + 11, &(int16_t){-600}, 2);
    memory[50] = 7; /* no bool of C's */
    call(&w, "flip", I(50));
    assert_int_equal(memory[50], 0);
    call(&w, "flip", I(50));
    assert_int_equal(memory[50], 1);
    world_free(&w);
}

static void text_results(void **state)
{
    (void)state;
    World w;
    memory_world(&w);
    uint8_t *memory = fnvm_memory_base(w.store, export(&w, "memory"));
    memset(memory + 200, 'z', 20);
    assert_int_equal(CALL_I32(&w, "greeting", I(1), I(200), I(20)), 5);
    assert_memory_equal(memory + 200, "hello\0zz", 8);
    assert_int_equal(CALL_I32(&w, "greeting", I(1), I(200), I(3)), 5); /* cut */
    assert_memory_equal(memory + 200, "he\0lo", 5);
    assert_int_equal(CALL_I32(&w, "greeting", I(1), I(PAGE), I(0)), 5);
    assert_int_equal(CALL_I32(&w, "greeting", I(0), I(200), I(3)), -1); /* NULL */
    assert_memory_equal(memory + 200, "he\0lo", 5);
    TRAPS("its result of the native function env.greeting is not all in the memory", &w, "greeting",
          I(1), I(PAGE - 2), I(3));
    world_free(&w);
}

static void memory64(void **state)
{
    (void)state;
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    define(&w, "sum", "memory64 i32(bytes)");
    load(&w, "(module (import \"env\" \"sum\" (func $sum (param i64 i64) (result i32)))"
             " (memory (export \"memory\") i64 1) (data (i64.const 8) \"\\01\\02\\03\")"
             " (func (export \"sum\") (param i64 i64) (result i32) (call $sum (local.get 0) "
             "(local.get 1))))");
    assert_int_equal(CALL_I32(&w, "sum", I(8), I(3)), 6);
    TRAPS("not all in the memory", &w, "sum", I(UINT64_C(1) << 32 | 8), I(3));
    TRAPS("not all in the memory", &w, "sum", I(8), I(-1));
    TRAPS("not all in the memory", &w, "sum", I(-1), I(2));
    world_free(&w);
}

/* ---- Handles ---- */

static const char handles_text[] =
    "(module"
    " (import \"env\" \"box\" (func $box (param i32) (result i64)))"
    " (import \"env\" \"box_make\" (func $make (param i32 i32) (result i32)))"
    " (import \"env\" \"box_same\" (func $same (param i64) (result i64)))"
    " (import \"env\" \"unbox\" (func $unbox (param i64) (result i32)))"
    " (import \"env\" \"box_close\" (func $close (param i64)))"
    " (import \"env\" \"boxes_swap\" (func $two (param i64 i64)))"
    " (import \"env\" \"boxes\" (func $boxes (result i32)))"
    " (import \"env\" \"box_last\" (func $last (result i64)))"
    " (memory (export \"memory\") 1)"
    " (export \"boxes\" (func $boxes)) (export \"same\" (func $same)) (export \"unbox\" (func "
    "$unbox))"
    " (export \"close\" (func $close)) (export \"two\" (func $two)) (export \"box\" (func $box))"
    " (export \"last\" (func $last))"
    " (func (export \"setup\"))"
    " (func (export \"make\") (param i32) (result i64)"
    "  (drop (call $make (local.get 0) (i32.const 16))) (i64.load (i32.const 16))))";

static fnvm_error *define_handles(fnvm_linker *linker, fnvm_native *native)
{
    static const char *const rows[][2] = {{"box", "handle box(i32)"},
                                          {"box_make", "i32(i32, out handle box)"},
                                          {"box_same", "handle box(handle box)"},
                                          {"unbox", "i32(handle box)"},
                                          {"box_close", "void(take handle box)"},
                                          {"boxes_swap", "void(take handle box, take handle box)"},
                                          {"boxes", "i32()"},
                                          {"box_last", "handle other()"}};
    fnvm_error *error = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !error; i++)
        error = fnvm_linker_define_native(linker, "env", rows[i][0], native, NULL, rows[i][1]);
    return error;
}

static void handles(void **state)
{
    (void)state;
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    good(define_handles(w.linker, w.native));
    load(&w, handles_text);
    const int64_t one = call(&w, "box", I(11)).of.i64, two = call(&w, "make", I(22)).of.i64;
    assert_true(one != 0 && two != 0 && one != two);
    assert_int_equal(CALL_I32(&w, "unbox", one), 11);
    assert_int_equal(CALL_I32(&w, "unbox", two), 22);
    assert_int_equal(CALL_I32(&w, "unbox", I(0)), -1); /* NULL */
    assert_int_equal(call(&w, "make", I(0)).of.i64, 0);
    assert_int_equal(call(&w, "same", one).of.i64, one); /* the same pointer is the same handle */
    call(&w, "close", one);
    TRAPS("is none that there is", &w, "unbox", one);
    TRAPS("of the kind `box` is none that there is", &w, "close", one);
    const int64_t three = call(&w, "box", I(33)).of.i64;
    assert_true(three != one); /* though its place is used again */
    TRAPS("is none that there is", &w, "unbox", one);
    TRAPS("is none that there is", &w, "unbox", three + 1);
    TRAPS("is none that there is", &w, "unbox", I(-1));
    TRAPS("is none that there is", &w, "unbox", call(&w, "last").of.i64); /* of another kind */
    TRAPS("twice among the arguments", &w, "two", three, three);
    assert_int_equal(CALL_I32(&w, "unbox", three), 33); /* and still there */
    call(&w, "two", three, two);
    assert_int_equal(CALL_I32(&w, "boxes"), 0);
    call(&w, "close", I(0));
    world_free(&w);
}

static void handles_are_bounded(void **state)
{
    (void)state;
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    good(define_handles(w.linker, w.native));
    load(&w, handles_text);
    fnvm_error *error = NULL;
    int made = 0;
    while (!error && made < 5000) {
        error = try_call(&w, "box", I(made));
        made += !error;
    }
    bad(error, FNVM_E_LIMIT, "may not have more than 4096");
    assert_in_range(made, 4000, 4096);
    assert_int_equal(CALL_I32(&w, "boxes"), made); /* refused before it was called */
    fnvm_store *store = w.store;
    fnvm_linker_free(w.linker);
    fnvm_store_free(store); /* closes them all */
    good(fnvm_store_new(w.engine, &w.store));
    good(fnvm_linker_new(w.store, &w.linker));
    good(define_handles(w.linker, w.native));
    good(fnvm_linker_instantiate(w.linker, w.module, &w.instance));
    assert_int_equal(CALL_I32(&w, "boxes"), 0);
    world_free(&w);
}

static void handles_and_images(void **state)
{
    (void)state;
    char path[100];
    World w;
    world_new(&w, FNVM_ENGINE_AUTO);
    good(define_handles(w.linker, w.native));
    load(&w, handles_text);
    snprintf(path, sizeof path, "%s/handles.fnvmi", folder);
    const fnvm_freeze freeze = {
        .path = path, .main = w.instance, .linker = w.linker, .no_sync = true, .start = "setup"};
    const int64_t box = call(&w, "box", I(1)).of.i64;
    bad(fnvm_store_reset(w.store), FNVM_E_USAGE, "restored from an image");
    assert_int_equal(CALL_I32(&w, "unbox", box), 1); /* what was refused has done nothing */
    bad(fnvm_store_freeze(w.store, &freeze), FNVM_E_UNSUPPORTED,
        "holds 1 handle of native functions");
    call(&w, "close", box);
    good(fnvm_store_freeze(w.store, &freeze));

    fnvm_image *image;
    const fnvm_image_options options = {.modules = &w.module, .nmodules = 1};
    good(fnvm_image_open(w.engine, path, &options, &image));
    World r = {.engine = w.engine};
    good(fnvm_store_new(r.engine, &r.store));
    good(fnvm_linker_new(r.store, &r.linker));
    bad(fnvm_image_restore(image, r.linker, NULL, &r.instance), FNVM_E_LINK, "cannot restore");
    fnvm_linker_free(r.linker);
    fnvm_store_free(r.store);
    good(fnvm_store_new(r.engine, &r.store));
    good(fnvm_linker_new(r.store, &r.linker));
    good(define_handles(r.linker, w.native));
    good(fnvm_image_restore(image, r.linker, NULL, &r.instance));
    const int64_t before = call(&r, "make", I(5)).of.i64;
    assert_int_equal(CALL_I32(&r, "unbox", before), 5);
    good(fnvm_store_reset(r.store));
    assert_int_equal(CALL_I32(&r, "boxes"), 0); /* the reset closed it */
    TRAPS("is none that there is", &r, "unbox", before);
    fnvm_linker_free(r.linker);
    fnvm_store_free(r.store);
    fnvm_image_release(image);
    world_free(&w);
}

/* ---- Policies ---- */

static fnvm_error *open_under(const char *yaml, const char *name)
{
    char path[100];
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_policy *policy;
    fnvm_native *native = NULL;
    snprintf(path, sizeof path, "%s/policy.yaml", folder);
    good(fnvm_policy_parse(path, yaml, strlen(yaml), &policy));
    fnvm_config_default(&config);
    config.policy = policy;
    good(fnvm_engine_new(&config, &engine));
    fnvm_error *error = fnvm_native_open(engine, name, &native);
    fnvm_native_close(native);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
    return error;
}

static void policies(void **state)
{
    (void)state;
    char yaml[200], link[100];
    bad(open_under("", "libm.so.6"), FNVM_E_POLICY,
        "policy.yaml: functions of libraries are called only if `native` names the library there, "
        "and does not name `libm.so.6`");
    bad(open_under("run: {}\nnative: []\n", "libm.so.6"), FNVM_E_POLICY,
        "policy.yaml:2: native does not have `libm.so.6`");
    bad(open_under("native: [libm.so]", "libm.so.6"), FNVM_E_POLICY,
        ":1: native does not have `libm.so.6`");
    bad(open_under("native: [libm.so.6]", library), FNVM_E_POLICY, library);
    bad(open_under("native: [libtest.so]", library), FNVM_E_POLICY, library);
    bad(open_under("native: [libm.so.6]", NULL), FNVM_E_POLICY, "`program`");
    good(open_under("native: [libm.so.6]", "libm.so.6"));
    good(open_under("native: [libz.so.1, program]", NULL));
    snprintf(yaml, sizeof yaml, "native:\n  - %s\n", library);
    good(open_under(yaml, library));
    good(open_under("native: [./libtest.so]", library)); /* relative to the policy's folder */
    snprintf(link, sizeof link, "%s/link.so", folder);
    assert_int_equal(symlink(library, link), 0);
    good(open_under(yaml, link)); /* what it really is counts */
    bad(open_under("native: [./none.so]", library), FNVM_E_POLICY, "does not have");
}

static void bad_policies(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"native: libm.so.6", "native: expected a list of libraries"},
        {"native: [libm]", "1:10: native: expected a library, such as libm.so.6"},
        {"native: [\"\"]", "1:10: native: expected a library"},
        {"native: [{}]", "1:10: native: expected a library"},
        {"native: [~]", "1:10: native: expected a library"},
        {"nativ: []", "did you mean `native`?"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fnvm_policy *policy;
        bad(fnvm_policy_parse("p.yaml", rows[i][0], strlen(rows[i][0]), &policy), FNVM_E_MALFORMED,
            rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signatures),
                                       cmocka_unit_test(bad_signatures),
                                       cmocka_unit_test(damaged_signatures),
                                       cmocka_unit_test(definitions),
                                       cmocka_unit_test(numbers_interpreted),
                                       cmocka_unit_test(numbers_by_default),
                                       cmocka_unit_test(texts),
                                       cmocka_unit_test(texts_are_bounded),
                                       cmocka_unit_test(ranges),
                                       cmocka_unit_test(variables),
                                       cmocka_unit_test(text_results),
                                       cmocka_unit_test(memory64),
                                       cmocka_unit_test(handles),
                                       cmocka_unit_test(handles_are_bounded),
                                       cmocka_unit_test(handles_and_images),
                                       cmocka_unit_test(policies),
                                       cmocka_unit_test(bad_policies)};
    return cmocka_run_group_tests_name("native", tests, make_library, remove_library);
}
