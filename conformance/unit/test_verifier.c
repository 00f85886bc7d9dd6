/* The verifier: the side table of hand-assembled bodies, entry by entry; what is refused, and in
 * which words.  Offsets in the comments count from the first instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verifier/verifier.h"

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

/* ---- Assembling modules ---- */

/* A string literal with zeros in it, as two arguments. */
#define B(literal) literal, sizeof(literal) - 1

typedef struct Bytes { uint8_t *at; size_t len; } Bytes;

static void put(Bytes *b, const void *bytes, size_t len)
{
    b->at = realloc(b->at, b->len + len + 1);
    assert_non_null(b->at);
    memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

static void put_u32(Bytes *b, size_t n)
{
    for (; n >= 0x80; n >>= 7) put(b, &(uint8_t){(uint8_t)(n | 0x80)}, 1);
    put(b, &(uint8_t){(uint8_t)n}, 1);
}

static void put_section(Bytes *b, uint8_t id, const void *bytes, size_t len)
{
    put(b, &id, 1);
    put_u32(b, len);
    put(b, bytes, len);
}

/* Common type sections. */
#define TYPE_VOID "\1\x60\0\0"
#define TYPE_I32_VOID "\1\x60\1\x7f\0"
#define TYPE_I32_I32 "\1\x60\1\x7f\1\x7f"
#define TYPE_VOID_I32 "\1\x60\0\1\x7f"

/* A module with function 0 of type 0; `between` are the sections after the function section. */
static fnvm_error *assemble(fnvm_engine *e, const char *types, size_t ntypes, const char *between,
                            size_t nbetween, const void *body, size_t nbody, fnvm_module **out)
{
    Bytes b = {0}, code = {0};
    put(&b, B("\0asm\1\0\0\0"));
    put_section(&b, 1, types, ntypes);
    put_section(&b, 3, B("\1\0"));
    put(&b, between, nbetween);
    put_u32(&code, 1);
    put_u32(&code, nbody);
    put(&code, body, nbody);
    put_section(&b, 10, code.at, code.len);
    fnvm_error *error = fnvm_module_new(e, b.at, b.len, out);
    free(b.at);
    free(code.at);
    return error;
}

typedef struct Verified { fnvm_module *m; const FuncCode *code; } Verified;

static void expect_none(fnvm_error *error)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_message("%s\n", fnvm_error_message(e));
    assert_null(error);
}

static Verified verified_with(const char *types, size_t ntypes, const char *between,
                              size_t nbetween, const void *body, size_t nbody)
{
    Verified v;
    expect_none(assemble(engine, types, ntypes, between, nbetween, body, nbody, &v.m));
    expect_none(verifier_function(v.m, 0, &v.code));
    assert_int_equal(v.code->end, v.m->bodies[0].end);
    return v;
}

static Verified verified(const char *types, size_t ntypes, const void *body, size_t nbody)
{
    return verified_with(types, ntypes, "", 0, body, nbody);
}

static void done(Verified v) { fnvm_module_release(v.m); }

static void entry_is(Verified v, uint32_t i, int32_t pc, int32_t stp, uint32_t keep, uint32_t pop)
{
    assert_in_range(i, 0, v.code->nside - 1);
    SideEntry e = v.code->side[i];
    WideSide w = {(int32_t)e.word[0] >> 8, (int32_t)e.word[1] >> 12, e.word[0] & 0xFF,
                  e.word[1] & SIDE_MAX_POP};
    if (w.keep == SIDE_WIDE) {
        assert_int_equal(w.pc < 0, pc < 0);
        w = v.code->wide[e.word[1]];
    }
    if (w.pc != pc || w.stp != stp || w.keep != keep || w.pop != pop)
        print_message("entry %u is %d %d %u %u, not %d %d %u %u\n", i, w.pc, w.stp, w.keep, w.pop,
                      pc, stp, keep, pop);
    assert_int_equal(w.pc, pc);
    assert_int_equal(w.stp, stp);
    assert_int_equal(w.keep, keep);
    assert_int_equal(w.pop, pop);
}

static void refused_by(fnvm_engine *e, const char *types, size_t ntypes, const char *between,
                       size_t nbetween, const void *body, size_t nbody, fnvm_code code,
                       const char *message)
{
    fnvm_module *m = NULL;
    const FuncCode *made;
    fnvm_error *error = assemble(e, types, ntypes, between, nbetween, body, nbody, &m);
    if (!error) error = verifier_function(m, 0, &made);
    assert_non_null(error);
    const fnvm_error *last = error;
    while (fnvm_error_cause(last)) last = fnvm_error_cause(last);
    if (!strstr(fnvm_error_message(last), message) || fnvm_error_code(error) != code)
        print_message("found %d `%s`, expected %d `%s`\n", fnvm_error_code(error),
                      fnvm_error_message(last), code, message);
    assert_non_null(strstr(fnvm_error_message(last), message));
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
    fnvm_module_release(m);
}

static void invalid(const char *types, size_t ntypes, const void *body, size_t nbody,
                    const char *message)
{
    refused_by(engine, types, ntypes, "", 0, body, nbody, FNVM_E_INVALID, message);
}

static void malformed(const void *body, size_t nbody, const char *message)
{
    refused_by(engine, B(TYPE_VOID), "", 0, body, nbody, FNVM_E_MALFORMED, message);
}

/* ---- Branches ---- */

static void branch_out_of_a_block(void **state)
{
    (void)state;
    /* 0 block (result i32); 2 i32.const; 4 i32.const; 6 br 0; 8 end; 9 end */
    Verified v = verified(B(TYPE_VOID_I32), B("\0\x02\x7f\x41\1\x41\2\x0c\0\x0b\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 3, 1, 1, 1);
    assert_int_equal(v.code->frame_slots, 2);
    assert_int_equal(v.code->flags, CODE_LEAF);
    done(v);
}

static void branch_to_the_function(void **state)
{
    (void)state;
    /* 0 i32.const; 2 i32.const; 4 br 0; 6 end: the target is the final end itself */
    Verified v = verified(B(TYPE_I32_I32), B("\0\x41\7\x41\x08\x0c\0\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 2, 1, 1, 1);
    assert_int_equal(v.code->local_slots, 1);
    assert_int_equal(v.code->frame_slots, 3);
    done(v);
    v = verified(B(TYPE_I32_I32), B("\0\x20\0\x0f\x0b")); /* return needs no entry */
    assert_int_equal(v.code->nside, 0);
    done(v);
}

static void if_and_else(void **state)
{
    (void)state;
    /* 0 local.get; 2 if; 4 nop; 5 else; 6 nop; 7 end; 8 end */
    Verified v = verified(B(TYPE_I32_VOID), B("\0\x20\0\x04\x40\1\x05\1\x0b\x0b"));
    assert_int_equal(v.code->nside, 2);
    entry_is(v, 0, 4, 2, 0, 0);
    entry_is(v, 1, 3, 1, 0, 0);
    done(v);
    /* 0 local.get; 2 if; 4 nop; 5 end; 6 end */
    v = verified(B(TYPE_I32_VOID), B("\0\x20\0\x04\x40\1\x0b\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 4, 1, 0, 0);
    done(v);
    /* The then part never falls into the else: it has no entry. */
    v = verified(B(TYPE_I32_VOID), B("\0\x20\0\x04\x40\0\x05\1\x0b\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 4, 1, 0, 0);
    done(v);
}

static void branch_back_to_a_loop(void **state)
{
    (void)state;
    /* 0 loop; 2 local.get; 4 br_if 0; 6 end; 7 end */
    Verified v = verified(B(TYPE_I32_VOID), B("\0\x03\x40\x20\0\x0d\0\x0b\x0b"));
    entry_is(v, 0, -2, 0, 0, 0);
    assert_int_equal(v.code->flags, CODE_LEAF | CODE_LOOPS);
    done(v);
    /* 0 local.get; 2 loop (param i32) (result i32); 4 i32.const; 6 i32.const; 8 br 0; 10 end;
     * 11 end: one of the three operands is kept */
    v = verified(B("\2\x60\1\x7f\1\x7f\x60\1\x7f\1\x7f"),
                 B("\0\x20\0\x03\1\x41\1\x41\2\x0c\0\x0b\x0b"));
    entry_is(v, 0, -4, 0, 1, 2);
    done(v);
    /* The shortest loop still goes back. */
    v = verified(B(TYPE_VOID), B("\0\x03\x40\x0c\0\x0b\x0b"));
    entry_is(v, 0, -2, 0, 0, 0);
    done(v);
}

static void branch_by_table(void **state)
{
    (void)state;
    /* 0 block; 2 block; 4 local.get; 6 br_table 0 1; 10 end; 11 end; 12 end */
    Verified v = verified(B(TYPE_I32_VOID),
                          B("\0\x02\x40\x02\x40\x20\0\x0e\1\0\1\x0b\x0b\x0b"));
    assert_int_equal(v.code->nside, 2);
    entry_is(v, 0, 5, 2, 0, 0);
    entry_is(v, 1, 6, 1, 0, 0);
    done(v);
}

static void branches_on_references(void **state)
{
    (void)state;
#define TYPE_ANYREF "\1\x60\1\x6e\0"
    /* 0 i32.const; 2 block; 4 local.get; 6 br_on_null 0; 8 drop; 9 end; 10 drop; 11 end */
    Verified v = verified(B(TYPE_ANYREF), B("\0\x41\1\x02\x40\x20\0\xd5\0\x1a\x0b\x1a\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 4, 1, 0, 0);
    done(v);
    /* 0 block (result (ref any)); 3 i32.const; 5 local.get; 7 br_on_non_null 0; 9 return; 10 end;
     * 11 drop; 12 end */
    v = verified(B(TYPE_ANYREF), B("\0\x02\x64\x6e\x41\1\x20\0\xd6\0\x0f\x0b\x1a\x0b"));
    assert_int_equal(v.code->nside, 1);
    entry_is(v, 0, 4, 1, 1, 1);
    done(v);
    /* 0 block (result i31ref); 2 i32.const; 4 local.get; 6 br_on_cast 0 anyref i31ref (6 bytes);
     * 12 return; 13 end; 14 drop; 15 end */
    v = verified(B(TYPE_ANYREF),
                 B("\0\x02\x6c\x41\1\x20\0\xfb\x18\3\0\x6e\x6c\x0f\x0b\x1a\x0b"));
    entry_is(v, 0, 8, 1, 1, 1);
    done(v);
}

static void dead_code_has_no_entries(void **state)
{
    (void)state;
    Verified v = verified(B(TYPE_VOID), B("\0\0\x02\x40\x0c\0\x0b\x41\0\x04\x40\x05\x0b\x0b"));
    assert_int_equal(v.code->nside, 0);
    done(v);
}

static void large_numbers_go_to_wide_entries(void **state)
{
    (void)state;
    enum { N = 5000 };
    Bytes body = {0};
    put(&body, B("\0\x03\x40")); /* loop; N constants; local.get 0; br_if 0; br 1; end; end */
    for (int i = 0; i < N; i++) put(&body, B("\x41\0"));
    put(&body, B("\x20\0\x0d\0\x0c\1\x0b\x0b"));
    Verified v = verified(B(TYPE_I32_VOID), body.at, body.len);
    assert_int_equal(v.code->nside, 2);
    assert_int_equal(v.code->side[0].word[0] & 0xFF, SIDE_WIDE);
    entry_is(v, 0, -(2 * N + 2), 0, 0, N);
    entry_is(v, 1, 3, 1, 0, N);
    assert_int_equal(v.code->frame_slots, 1 + N + 1);
    done(v);
    free(body.at);
}

/* ---- Functions with vectors ---- */

static void wide_functions(void **state)
{
    (void)state;
    /* (local v128): local.get 0; drop; local.get 1; drop */
    Verified v = verified(B(TYPE_I32_VOID), B("\1\1\x7b\x20\0\x1a\x20\1\x1a\x0b"));
    assert_true(v.code->flags & CODE_WIDE);
    assert_int_equal(v.code->nside, 2);
    assert_int_equal(v.code->side[0].word[0] & 0xFF, 1);
    assert_int_equal(v.code->side[1].word[0] & 0xFF, 2);
    assert_int_equal(v.code->local_map[0], 0);
    assert_int_equal(v.code->local_map[1], 1 << 1 | 1);
    assert_int_equal(v.code->local_slots, 3);
    assert_int_equal(v.code->frame_slots, 5);
    done(v);
}

static void vector_found_late_restarts_the_pass(void **state)
{
    (void)state;
#define V128_CONST "\xfd\x0c" "0123456789abcdef"
    /* local.get; drop, which has its entry although no vector was seen yet; block (result v128);
     * i32.const; v128.const; local.get; br_if 0; br 0; end; drop; end */
    Verified v = verified(B(TYPE_I32_VOID), B("\0\x20\0\x1a\x02\x7b\x41\0" V128_CONST
                                              "\x20\0\x0d\0\x0c\0\x0b\x1a\x0b"));
    assert_true(v.code->flags & CODE_WIDE);
    assert_int_equal(v.code->nside, 4);
    assert_int_equal(v.code->side[0].word[0] & 0xFF, 1);
    entry_is(v, 1, 5, 2, 2, 1);
    entry_is(v, 2, 3, 1, 2, 1);
    assert_int_equal(v.code->side[3].word[0] & 0xFF, 2);
    assert_int_equal(v.code->frame_slots, 1 + 1 + 2 + 1);
    done(v);
}

/* ---- Exceptions ---- */

static void handlers(void **state)
{
    (void)state;
#define TAG_I32 "\x0d\3\1\0\1" /* (tag (param i32)) */
    /*  0 block (result i32); 2 i32.const
     *  4 try_table (catch 0 0) (catch_all 1)
     * 12 try_table (catch_all 0); 17 call 0; 19 end; 20 end; 21 end; 22 drop; 23 end */
    Verified v = verified_with(B("\2\x60\0\0\x60\1\x7f\0"), B(TAG_I32),
                               B("\0\x02\x7f\x41\5\x1f\x40\2\0\0\0\2\1\x1f\x40\1\2\0\x10\0"
                                 "\x0b\x0b\x0b\x1a\x0b"));
    assert_int_equal(v.code->nside, 5);
    entry_is(v, 0, 8, 3, 0, 0);
    entry_is(v, 1, 18, 4, 1, 1);
    entry_is(v, 2, 19, 3, 0, 1);
    entry_is(v, 3, 5, 2, 0, 0);
    entry_is(v, 4, 9, 1, 0, 0);
    assert_int_equal(v.code->nhandlers, 2);
    const Handler *inner = &v.code->handlers[0], *outer = &v.code->handlers[1];
    uint32_t start = v.code->start;
    assert_int_equal(inner->start, start + 17);
    assert_int_equal(inner->end, start + 19);
    assert_int_equal(inner->entry, start + 12);
    assert_int_equal(inner->stp, 4);
    assert_int_equal(inner->height, 1);
    assert_int_equal(inner->count, 1);
    assert_int_equal(v.code->clauses[inner->first].kind, CATCH_ALL);
    assert_int_equal(outer->start, start + 12);
    assert_int_equal(outer->end, start + 20);
    assert_int_equal(outer->entry, start + 4);
    assert_int_equal(outer->stp, 1);
    assert_int_equal(outer->height, 1);
    assert_int_equal(outer->count, 2);
    assert_int_equal(v.code->clauses[outer->first].kind, CATCH_TAG);
    assert_int_equal(v.code->clauses[outer->first].tag, 0);
    assert_int_equal(v.code->frame_slots, 2);
    assert_int_equal(v.code->flags, 0);
    done(v);
}

static void payload_counts_for_the_frame(void **state)
{
    (void)state;
    /* block (result i32 exnref): its operands never lie higher than when they are caught */
    Verified v = verified_with(B("\3\x60\0\0\x60\1\x7f\0\x60\0\2\x7f\x69"), B(TAG_I32),
                               B("\0\x02\2\x1f\x40\1\1\0\0\x0b\0\x0b\x1a\x1a\x0b"));
    entry_is(v, 1, 9, 1, 2, 0);
    assert_int_equal(v.code->frame_slots, 2);
    done(v);
    refused_by(engine, B("\3\x60\0\0\x60\1\x7f\0\x60\0\2\x7f\x7f"), B(TAG_I32),
               B("\0\x02\2\x1f\x40\1\1\0\0\x0b\0\x0b\x1a\x1a\x0b"), FNVM_E_INVALID,
               "type mismatch: a catch clause carries 2 values");
}

/* ---- What is refused ---- */

static void type_errors_say_what_was_found(void **state)
{
    (void)state;
    invalid(B(TYPE_VOID), B("\0\x44\0\0\0\0\0\0\0\0\x41\0\x6a\x1a\x0b"),
            "type mismatch: i32.add expects i32, found f64");
    invalid(B(TYPE_VOID), B("\0\x6a\x0b"), "at byte 0x17: type mismatch: i32.add expects i32, "
                                           "found an empty stack");
    invalid(B(TYPE_VOID), B("\0\x41\0\x02\x40\x1a\x0b\x0b"),
            "drop expects an operand, found no operand in this block");
    invalid(B(TYPE_VOID), B("\0\x41\0\x0b"), "type mismatch: end finds 1 operands more");
    invalid(B(TYPE_VOID), B("\0\x0c\1\x0b"), "unknown label 1: 1 blocks are open");
    invalid(B(TYPE_VOID), B("\0\x20\0\x1a\x0b"), "unknown local 0: the function has 0");
    invalid(B(TYPE_VOID), B("\0\x10\7\x0b"), "unknown function 7: the module has 1");
    invalid(B(TYPE_VOID), B("\0\x41\0\x28\2\0\x1a\x0b"), "unknown memory 0: the module has 0");
    invalid(B(TYPE_VOID), B("\0\xd2\0\x1a\x0b"), "undeclared function reference");
    invalid(B(TYPE_VOID_I32), B("\0\x41\1\x04\x7f\x41\1\x0b\x0b"),
            "an if without else must give back its parameters");
    invalid(B("\1\x60\1\x6e\0"), B("\0\x20\0\x20\0\x41\0\x1b\x1a\x0b"),
            "select without a type takes numbers and vectors");
    /* A reference of unknown type is still no number. */
    invalid(B(TYPE_VOID), B("\0\0\xd4\x41\1\x6a\x1a\x0b"), "type mismatch: i32.add expects i32");
}

static void memory_accesses(void **state)
{
    (void)state;
#define MEMORY "\5\3\1\0\1"
    refused_by(engine, B(TYPE_VOID), B(MEMORY), B("\0\x41\0\x28\3\0\x1a\x0b"), FNVM_E_INVALID,
               "alignment must not be larger than natural");
    refused_by(engine, B(TYPE_VOID), B(MEMORY), B("\0\x41\0\x28\2\x80\x80\x80\x80\x10\x1a\x0b"),
               FNVM_E_INVALID, "offset out of range");
    refused_by(engine, B(TYPE_VOID), B(MEMORY), B("\0\x41\0\x28\x80\1\0\x1a\x0b"),
               FNVM_E_MALFORMED, "malformed memop flags");
    refused_by(engine, B(TYPE_VOID), B(MEMORY),
               B("\0\x41\0\x41\0\x41\0\xfc\x08\0\0\x0b"), FNVM_E_INVALID, "unknown data segment 0");
    done(verified_with(B(TYPE_VOID), B(MEMORY), B("\0\x41\0\x28\x42\0\0\x1a\x0b")));
}

static void malformed_bodies(void **state)
{
    (void)state;
    malformed(B("\0\1"), "END opcode expected");
    malformed(B("\0\x02\x40\x0b"), "END opcode expected");
    malformed(B("\0\x0b\x0b"), "unexpected content after the function's end");
    malformed(B("\0\xff\x0b"), "illegal opcode 0xff");
    malformed(B("\0\xfb\x1f\x0b"), "illegal opcode 0xfb 0x1f");
    malformed(B("\0\x05\x0b"), "`else` without `if`");
    malformed(B("\0\x41\x80\x80\x80\x80\x80\0\x1a\x0b"), "integer representation too long");
    malformed(B("\2\xff\xff\xff\xff\x0f\x7f\2\x7e\x0b"), "too many locals");
    malformed(B("\0\0\x0e\xff\xff\xff\xff\x0f\0\x0b"), "unexpected end: 4294967295 labels");
    refused_by(engine, B(TYPE_VOID), "", 0, B("\1\xff\xff\xff\xff\x0f\x7f\x0b"), FNVM_E_LIMIT,
               "more than 50000 locals");
}

static void locals_without_default(void **state)
{
    (void)state;
#define TYPE_FUNC_PARAM "\1\x60\1\x64\x70\0" /* (func (param (ref func))), locals: (ref func) */
#define LOCAL "\1\1\x64\x70"
    invalid(B(TYPE_FUNC_PARAM), B(LOCAL "\x20\1\x1a\x0b"), "uninitialized local 1");
    done(verified(B(TYPE_FUNC_PARAM), B(LOCAL "\x20\0\x21\1\x20\1\x1a\x0b")));
    done(verified(B(TYPE_FUNC_PARAM), B(LOCAL "\x20\0\x22\1\x1a\x02\x40\x20\1\x1a\x0b\x0b")));
    /* What a block sets is unset after it, and in the else part. */
    invalid(B(TYPE_FUNC_PARAM), B(LOCAL "\x02\x40\x20\0\x21\1\x0b\x20\1\x1a\x0b"),
            "uninitialized local 1");
    invalid(B(TYPE_FUNC_PARAM),
            B(LOCAL "\x41\0\x04\x40\x20\0\x21\1\x05\x20\1\x1a\x0b\x0b"), "uninitialized local 1");
}

static void features_that_are_off(void **state)
{
    (void)state;
    refused_by(engine_mvp, B(TYPE_VOID), "", 0, B("\0\x41\0\xc0\x1a\x0b"), FNVM_E_UNSUPPORTED,
               "sign-extension");
    refused_by(engine_mvp, B(TYPE_VOID), "", 0, B("\0\x12\0\x0b"), FNVM_E_UNSUPPORTED,
               "tail-call");
    refused_by(engine_mvp, B(TYPE_VOID), "", 0, B("\0\x02\0\x0b\x0b"), FNVM_E_UNSUPPORTED,
               "multi-value");
}

static void constant_expressions(void **state)
{
    (void)state;
    /* (global i32 (i32.const 1)) (global i32 (i32.add (global.get 0) (i32.const 2))) */
    done(verified_with(B(TYPE_VOID), B("\6\x0e\2\x7f\0\x41\1\x0b\x7f\0\x23\0\x41\2\x6a\x0b"),
                       B("\0\x0b")));
    refused_by(engine, B(TYPE_VOID), B("\6\6\1\x7f\0\x23\0\x0b"), B("\0\x0b"), FNVM_E_INVALID,
               "unknown global 0");
    refused_by(engine, B(TYPE_VOID), B("\6\x0b\2\x7f\1\x41\1\x0b\x7f\0\x23\0\x0b"), B("\0\x0b"),
               FNVM_E_INVALID, "global 0 is mutable");
    refused_by(engine, B(TYPE_VOID), B("\6\7\1\x7f\0\x41\1\x67\x0b"), B("\0\x0b"), FNVM_E_INVALID,
               "constant expression required: i32.clz is not constant");
    refused_by(engine, B(TYPE_VOID), B("\6\6\1\x7f\0\x42\1\x0b"), B("\0\x0b"), FNVM_E_INVALID,
               "type mismatch: end expects i32, found i64");
}

/* ---- Publication ---- */

static void count_report(void *env, const fnvm_error *error)
{
    uint32_t *n = env;
    char expected[64];
    snprintf(expected, sizeof expected, "function %u", 2 * *n);
    assert_non_null(strstr(fnvm_error_message(error), expected));
    if (*n == 1) assert_non_null(strstr(fnvm_error_message(error), "(bad)"));
    ++*n;
}

static void every_bad_function_is_reported(void **state)
{
    (void)state;
    /* Functions 0 and 2 are bad; 2 is called "bad". */
    static const char bytes[] = "\0asm\1\0\0\0" "\1\4\1\x60\0\0" "\3\4\3\0\0\0"
                                "\x0a\x0c\3\3\0\x1a\x0b\2\0\x0b\3\0\x1a\x0b"
                                "\0\x0d\4name\1\6\1\2\3" "bad";
    fnvm_module *m;
    expect_none(fnvm_module_new(engine, B(bytes), &m));
    uint32_t reported = 0;
    size_t bad;
    expect_none(fnvm_module_verify(m, count_report, &reported, &bad));
    assert_int_equal(bad, 2);
    assert_int_equal(reported, 2);
    uint64_t side, code;
    verifier_sizes(m, &side, &code);
    assert_int_equal(side, 0);
    assert_int_equal(code, 1);
    fnvm_module_release(m);
}

static void *verify_in_thread(void *arg)
{
    const FuncCode *code = NULL;
    fnvm_error_free(verifier_function(arg, 0, &code));
    return (void *)(uintptr_t)code;
}

static void threads_see_one_result(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        fnvm_module *m;
        expect_none(assemble(engine, B(TYPE_VOID), "", 0, B("\0\x02\x40\x0c\0\x0b\x0b"), &m));
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, verify_in_thread, m), 0);
        void *mine = verify_in_thread(m), *other;
        pthread_join(thread, &other);
        assert_non_null(mine);
        assert_ptr_equal(mine, other);
        fnvm_module_release(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branch_out_of_a_block),
        cmocka_unit_test(branch_to_the_function),
        cmocka_unit_test(if_and_else),
        cmocka_unit_test(branch_back_to_a_loop),
        cmocka_unit_test(branch_by_table),
        cmocka_unit_test(branches_on_references),
        cmocka_unit_test(dead_code_has_no_entries),
        cmocka_unit_test(large_numbers_go_to_wide_entries),
        cmocka_unit_test(wide_functions),
        cmocka_unit_test(vector_found_late_restarts_the_pass),
        cmocka_unit_test(handlers),
        cmocka_unit_test(payload_counts_for_the_frame),
        cmocka_unit_test(type_errors_say_what_was_found),
        cmocka_unit_test(memory_accesses),
        cmocka_unit_test(malformed_bodies),
        cmocka_unit_test(locals_without_default),
        cmocka_unit_test(features_that_are_off),
        cmocka_unit_test(constant_expressions),
        cmocka_unit_test(every_bad_function_is_reported),
        cmocka_unit_test(threads_see_one_result),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
