/* The verifier: the side table of hand-assembled bodies, entry by entry; the regions and their uses
 * of locals; what is refused, and in which words.  Offsets in the comments count from the first
 * instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

typedef struct Bytes { uint8_t *at; size_t len, size; } Bytes;

static void put(Bytes *b, const void *bytes, size_t len)
{
    if (b->len + len >= b->size) {
        b->size = 2 * (b->len + len) + 64;
        b->at = realloc(b->at, b->size);
        assert_non_null(b->at);
    }
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
    assert_int_equal(inner->outer, 1);
    assert_int_equal(outer->outer, 2);
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
    malformed(B("\0\xfe\x03\0\x0b"), "0xfe: atomic instructions are for threads, which are not supported");
    malformed(B("\0\x06\x40\x0b\x0b"), "0x06: it is of the legacy exceptions, which are not supported");
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

/* ---- Regions and the uses of locals ---- */

#define LOOP "\x03\x40"
#define BLOCK "\x02\x40"
#define END "\x0b"
#define GET(x) "\x20" x "\x1a" /* and drop */
#define SET(x) "\x41\0\x21" x
#define REPEAT(n) "\x41\0\x0d" n /* br_if n */

/* `uses` spells the region's: index and flags (w written, l live-in, p private) of each, floats
 * after a semicolon. */
static void region_is(Verified v, uint32_t i, uint32_t offset, unsigned flags, const char *uses)
{
    char text[256] = "";
    size_t len = 0;
    assert_true(i < v.code->nregions);
    const Region *r = &v.code->regions[i];
    for (uint32_t u = 0; u < (uint32_t)r->nints + r->nfloats; u++) {
        assert_true(r->first + u < v.code->nuses);
        LocalUse use = v.code->uses[r->first + u];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u%s%s%s",
                                u == r->nints ? ";" : u > 0 ? " " : "", use.local,
                                use.flags & LOCAL_WRITTEN ? "w" : "",
                                use.flags & LOCAL_LIVE_IN ? "l" : "",
                                use.flags & LOCAL_PRIVATE ? "p" : "");
        assert_true(len < sizeof text);
    }
    assert_string_equal(text, uses);
    assert_int_equal(r->at, v.code->start + offset);
    assert_int_equal(r->flags, flags);
}

static void uses_in_a_function_and_its_loop(void **state)
{
    (void)state;
    /* Local 0 is a parameter that the loop only reads, 1 an accumulator, 2 a temporary, 3 is read
     * after the loop: loop; set 2 to 0; set 1 to 2 + 1; get 2; set 3; br_if 0; end; get 3 */
    Verified v = verified(B(TYPE_I32_VOID),
                          B("\1\3\x7f" LOOP "\x20\0\x21\2\x20\2\x20\1\x6a\x21\1\x20\2\x1a"
                            SET("\3") REPEAT("\0") END GET("\3") END));
    assert_int_equal(v.code->nregions, 2);
    region_is(v, 0, 0, 0, "2wp 1wl 3wl 0l");
    region_is(v, 1, 0, REGION_INNERMOST, "2wp 1wl 0l 3w");
    assert_int_equal(v.code->uses[v.code->regions[0].first].weight_log2, 4); /* 3 uses times 8 */
    assert_int_equal(v.code->uses[v.code->regions[1].first].weight_log2, 1);
    /* What the loop leaves in 3 is not known to be there: the write was forgotten at its end. */
    assert_int_equal(v.code->zeroed[0], 1 << 1 | 1 << 3);
    assert_true(local_needs_zero(v.code, 1));
    assert_false(local_needs_zero(v.code, 2));
    done(v);
}

static void writes_in_a_branch_do_not_dominate(void **state)
{
    (void)state;
    /* loop; if set 1 else get 1 end; get 1; block set 2; get 2 end; get 2; set 3; get 3 */
    Verified v = verified(B(TYPE_I32_VOID),
                          B("\1\4\x7f" LOOP "\x20\0\x04\x40" SET("\1") "\x05" GET("\1") END
                            GET("\1") BLOCK SET("\2") GET("\2") END GET("\2") SET("\3") BLOCK
                            GET("\3") SET("\4") END END END));
    region_is(v, 1, 0, REGION_INNERMOST, "1wl 2wl 3wp 0l 4wp");
    assert_int_equal(v.code->zeroed[0], 1 << 1 | 1 << 2);
    done(v);
    /* A try_table can be left anywhere: block; try_table (catch_all 0); set 1; call 0; get 1; end;
     * end; get 1 */
    v = verified(B(TYPE_VOID), B("\1\2\x7f" BLOCK "\x1f\x40\1\2\0" SET("\1") "\x10\0" GET("\1") END
                                 END GET("\1") END));
    region_is(v, 0, 0, REGION_CALLS | REGION_INNERMOST, "1wl");
    done(v);
    /* The first instruction is after the function's start, also for a loop that begins there. */
    v = verified(B(TYPE_I32_VOID), B("\0" GET("\0") END));
    region_is(v, 0, 0, REGION_INNERMOST, "0l");
    assert_int_equal(v.code->zeroed[0], 0);
    done(v);
    v = verified(B(TYPE_I32_VOID), B("\0" BLOCK SET("\0") END LOOP GET("\0") END END));
    region_is(v, 1, 7, REGION_INNERMOST, "0l");
    done(v);
}

static void uses_before_inside_and_after(void **state)
{
    (void)state;
    /* 0: read before the loop, 1: read after it, 2: read in another loop, 3: only written */
    Verified v = verified(B(TYPE_VOID), B("\1\4\x7f" SET("\0") GET("\0")
                                          LOOP SET("\0") GET("\0") SET("\1") GET("\1")
                                          SET("\2") GET("\2") SET("\3") END
                                          SET("\1") GET("\1") LOOP SET("\2") GET("\2") END END));
    region_is(v, 0, 0, 0, "2wp 0wp 1wp 3wp");
    region_is(v, 1, 7, REGION_INNERMOST, "0w 1w 2w 3wp");
    region_is(v, 2, 42, REGION_INNERMOST, "2w");
    done(v);
}

static void nested_loops(void **state)
{
    (void)state;
    /* (local i32 i32 i32 f64 i32)
     *  0 loop; set 1; 6 loop; get 1; get 0; get 3; 17 loop; set 4; get 4; call 0; end; end
     * 30 loop; get 2; get 2; end; end */
    Verified v = verified(B("\1\x60\0\0"),
                          B("\3\3\x7f\1\x7c\1\x7f" LOOP SET("\1") LOOP GET("\1") GET("\0") GET("\3")
                            LOOP SET("\4") GET("\4") "\x10\0" END END
                            LOOP GET("\2") GET("\2") END END END));
    assert_int_equal(v.code->nregions, 5);
    region_is(v, 0, 0, REGION_CALLS, "4wp 2l 1wp 0l;3l");
    region_is(v, 1, 0, REGION_CALLS, "4wp 2l 1wp 0l;3l");
    region_is(v, 2, 6, REGION_CALLS, "4wp 1l 0l;3l");
    region_is(v, 3, 17, REGION_CALLS | REGION_INNERMOST, "4wp");
    region_is(v, 4, 30, REGION_INNERMOST, "2l");
    assert_int_equal(v.code->uses[v.code->regions[0].first].weight_log2, 10); /* 2 times 8^3 */
    done(v);
}

static void at_most_the_hottest_are_listed(void **state)
{
    (void)state;
    /* Local i of 0..39 is read i + 1 times in the inner loop, which passes on 8..39.  Local 3 is
     * hot in the outer loop, always after a write: what was not passed on must still count. */
    enum { N = 40 };
    Bytes body = {0};
    put(&body, B("\1\x28\x7f" LOOP LOOP));
    for (uint8_t i = 0; i < N; i++)
        for (int n = 0; n <= i; n++) put(&body, (uint8_t[]){0x20, i, 0x1a}, 3);
    put(&body, B(END));
    for (int n = 0; n < 1000; n++) put(&body, B(SET("\3") GET("\3")));
    put(&body, B(END END));
    Verified v = verified(B(TYPE_VOID), body.at, body.len);
    region_is(v, 2, 2, REGION_INNERMOST, "39l 38l 37l 36l 35l 34l 33l 32l 31l 30l");
    region_is(v, 1, 0, 0, "3wl 39l 38l 37l 36l 35l 34l 33l 32l 31l");
    region_is(v, 0, 0, 0, "3wl 39l 38l 37l 36l 35l 34l 33l 32l 31l");
    done(v);
    free(body.at);
}

static void dead_code_uses_nothing(void **state)
{
    (void)state;
    Verified v = verified(B(TYPE_VOID), B("\1\3\x7f" BLOCK "\x0c\0" SET("\1") LOOP GET("\0")
                                          "\x10\0" END END GET("\1") LOOP "\x0c\1" LOOP
                                          GET("\2") END END END));
    assert_int_equal(v.code->nregions, 2);
    region_is(v, 0, 0, 0, "1l");
    region_is(v, 1, 20, REGION_INNERMOST, "");
    assert_int_equal(v.code->zeroed[0], 1 << 1);
    done(v);
    /* Everything is as it should be after the pass has started anew, too. */
    v = verified(B(TYPE_VOID), B("\1\2\x7f" LOOP SET("\0") GET("\0") END GET("\1")
                                 V128_CONST "\x1a" END));
    assert_true(v.code->flags & CODE_WIDE);
    assert_int_equal(v.code->nregions, 2);
    region_is(v, 0, 0, 0, "0wp 1l");
    region_is(v, 1, 0, REGION_INNERMOST, "0wp");
    assert_int_equal(v.code->zeroed[0], 1 << 1);
    done(v);
}

static void interpreters_need_no_regions(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_INTERPRETER;
    fnvm_engine *e;
    expect_none(fnvm_engine_new(&config, &e));
    Verified v;
    expect_none(assemble(e, B(TYPE_VOID), "", 0, B("\1\2\x7f" LOOP SET("\0") GET("\1") END END),
                         &v.m));
    expect_none(verifier_function(v.m, 0, &v.code));
    assert_int_equal(v.code->nregions, 0);
    assert_int_equal(v.code->nuses, 0);
    assert_null(v.code->zeroed);
    assert_true(local_needs_zero(v.code, 0));
    done(v);
    fnvm_engine_free(e);
}

static void deep_nesting_and_many_locals_stay_linear(void **state)
{
    (void)state;
    enum { LOOPS = 100000, LOCALS = 50000 };
    Bytes body = {0};
    put(&body, B("\1\xd0\x86\3\x7f"));
    for (uint32_t i = 0; i < LOOPS; i++) {
        put(&body, B(LOOP "\x41\0\x21"));
        put_u32(&body, i % LOCALS);
    }
    for (uint32_t i = 0; i < LOCALS; i++) {
        put(&body, B("\x20"));
        put_u32(&body, i);
        put(&body, B("\x1a"));
    }
    for (uint32_t i = 0; i <= LOOPS; i++) put(&body, B(END));
    clock_t before = clock();
    Verified v = verified(B(TYPE_VOID), body.at, body.len);
    assert_true(clock() - before < 3 * CLOCKS_PER_SEC);
    assert_int_equal(v.code->nregions, LOOPS + 1);
    assert_true(v.code->nuses <= body.len + REGION_SPARE);
    assert_int_equal(v.code->regions[LOOPS].nints, REGION_INTS);
    assert_int_equal(v.code->regions[1].nints, 0);
    assert_non_null(v.code->zeroed);
    done(v);
    /* Few bytes with many locals: no bit for each. */
    v = verified(B(TYPE_VOID), B("\1\xd0\x86\3\x7f" GET("\1") END));
    assert_null(v.code->zeroed);
    assert_true(local_needs_zero(v.code, 7));
    region_is(v, 0, 0, REGION_INNERMOST, "1l");
    done(v);
    free(body.at);
}

/* ---- What regions claim, against random walks through random code ---- */

enum { WALK_BYTES = 4096, WALK_LOCALS = 60, WALK_DEPTH = 6, WALK_PARAMS = 1 };

typedef struct Walk {
    uint64_t seed;
    Bytes body;
    uint32_t start, nlocals;
    uint32_t end_of[WALK_BYTES], else_of[WALK_BYTES]; /* of a block's opcode; 0: no else */
    Verified v;
    uint32_t time, written[WALK_LOCALS];
    struct { uint32_t at, body, entered; } open[WALK_DEPTH + 1];
    uint32_t nopen;
} Walk;

static uint32_t chance(Walk *w, uint32_t n)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 33) % n;
}

static void put_code(Walk *w, uint32_t depth, uint32_t n);

static void put_block(Walk *w, uint32_t depth)
{
    static const char *const opening[] = {BLOCK, LOOP, LOOP, "\x41\0\x04\x40", "\x1f\x40\1\2"};
    uint32_t kind = chance(w, 5);
    put(&w->body, opening[kind], kind == 3 || kind == 4 ? 4 : 2);
    uint32_t at = (uint32_t)w->body.len - (kind == 4 ? 4 : 2);
    if (kind == 4) put_u32(&w->body, chance(w, depth + 1));
    put_code(w, depth + 1, chance(w, 6));
    w->else_of[at] = 0;
    if (kind == 3 && chance(w, 2)) {
        w->else_of[at] = (uint32_t)w->body.len;
        put(&w->body, B("\x05"));
        put_code(w, depth + 1, chance(w, 6));
        w->end_of[w->else_of[at]] = (uint32_t)w->body.len;
    }
    w->end_of[at] = (uint32_t)w->body.len;
    put(&w->body, B(END));
}

static void put_code(Walk *w, uint32_t depth, uint32_t n)
{
    for (; n > 0 && w->body.len < WALK_BYTES - 64; n--) {
        uint32_t kind = chance(w, 12);
        uint8_t local = (uint8_t)chance(w, w->nlocals), label = (uint8_t)chance(w, depth + 1);
        if (kind < 4) put(&w->body, (uint8_t[]){0x20, local, 0x1a}, 3);
        else if (kind < 6) put(&w->body, (uint8_t[]){0x41, 0, 0x21, local}, 4);
        else if (kind < 7) put(&w->body, (uint8_t[]){0x41, 0, 0x22, local, 0x1a}, 5);
        else if (kind < 8) put(&w->body, (uint8_t[]){0x41, 0, 0x0d, label}, 4);
        else if (kind < 9 && chance(w, 3) == 0) put(&w->body, (uint8_t[]){0x0c, label}, 2);
        else if (kind < 9) put(&w->body, B("\x41\0\x10\0"));
        else if (depth < WALK_DEPTH) put_block(w, depth);
    }
}

static void check_open_regions(Walk *w, uint32_t local, bool is_write)
{
    for (uint32_t i = 0; i < w->v.code->nregions; i++) {
        const Region *r = &w->v.code->regions[i];
        uint32_t entered = 0; /* the region's current iteration; 0: not in it */
        for (uint32_t o = 0; o < w->nopen; o++)
            if (o == 0 ? i == 0 : i > 0 && w->open[o].at == r->at - w->v.code->start + w->start)
                entered = w->open[o].entered;
        for (uint32_t u = r->first; u < r->first + r->nints; u++) {
            LocalUse use = w->v.code->uses[u];
            if (use.local != local) continue;
            if (is_write && entered) assert_true(use.flags & LOCAL_WRITTEN);
            if (is_write) continue;
            bool fresh = entered && w->written[local] >= entered;
            if (entered && !fresh) assert_true(use.flags & LOCAL_LIVE_IN);
            if (!fresh) assert_false(use.flags & LOCAL_PRIVATE);
        }
    }
    if (!is_write && local >= WALK_PARAMS && w->written[local] == 0)
        assert_true(local_needs_zero(w->v.code, local));
}

/* Leaves for a label, counted from the innermost of `nopen` blocks; where to. */
static uint32_t walk_branch(Walk *w, uint32_t label)
{
    w->nopen -= label;
    uint32_t top = w->nopen - 1, at = w->open[top].at;
    if (top > 0 && w->body.at[at] == 0x03) {
        w->open[top].entered = ++w->time;
        return w->open[top].body;
    }
    w->nopen--;
    return top == 0 ? (uint32_t)w->body.len : w->end_of[at] + 1;
}

/* A call throws now and then, to the innermost try_table. */
static uint32_t walk_call(Walk *w, uint32_t pc)
{
    for (uint32_t o = w->nopen; chance(w, 2) && o-- > 1;) {
        uint32_t at = w->open[o].at;
        if (w->body.at[at] != 0x1f) continue;
        w->nopen = o;
        return walk_branch(w, w->body.at[at + 4]);
    }
    return pc + 2;
}

static uint32_t walk_open(Walk *w, uint32_t pc)
{
    uint32_t body = pc + (w->body.at[pc] == 0x1f ? 5 : 2);
    if (w->body.at[pc] == 0x04 && chance(w, 2)) {
        if (!w->else_of[pc]) return w->end_of[pc] + 1;
        body = w->else_of[pc] + 1;
    }
    w->open[w->nopen].at = pc;
    w->open[w->nopen].body = body;
    w->open[w->nopen++].entered = ++w->time;
    return body;
}

static uint32_t walk_step(Walk *w, uint32_t pc)
{
    uint8_t local = w->body.at[pc + 1];
    switch (w->body.at[pc]) {
    case 0x20: check_open_regions(w, local, false); return pc + 2;
    case 0x21: case 0x22:
        check_open_regions(w, local, true);
        w->written[local] = ++w->time;
        return pc + 2;
    case 0x0c: return walk_branch(w, local);
    case 0x0d: return chance(w, 2) ? walk_branch(w, local) : pc + 2;
    case 0x10: return walk_call(w, pc);
    case 0x41: return pc + 2;
    case 0x05: w->nopen--; return w->end_of[pc] + 1;
    case 0x0b: w->nopen--; return pc + 1;
    case 0x1a: return pc + 1;
    default: return walk_open(w, pc);
    }
}

static void claims_hold_on_random_walks(void **state)
{
    (void)state;
    Walk *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        w->seed = seed;
        w->body.len = 0;
        w->nlocals = seed % 4 ? 5 : WALK_LOCALS;
        put(&w->body, (uint8_t[]){1, (uint8_t)(w->nlocals - WALK_PARAMS), 0x7f}, 3);
        w->start = (uint32_t)w->body.len;
        put_code(w, 0, 20);
        put(&w->body, B(END));
        w->v = verified(B("\1\x60\1\x7f\0"), w->body.at, w->body.len);
        for (int walk = 0; walk < 10; walk++) {
            memset(w->written, 0, sizeof w->written);
            w->time = w->nopen = 1;
            w->open[0].at = w->start;
            w->open[0].entered = 1;
            uint32_t pc = w->start;
            for (int n = 0; n < 300 && pc < w->body.len; n++) pc = walk_step(w, pc);
        }
        done(w->v);
    }
    free(w->body.at);
    free(w);
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
        cmocka_unit_test(uses_in_a_function_and_its_loop),
        cmocka_unit_test(writes_in_a_branch_do_not_dominate),
        cmocka_unit_test(uses_before_inside_and_after),
        cmocka_unit_test(nested_loops),
        cmocka_unit_test(at_most_the_hottest_are_listed),
        cmocka_unit_test(dead_code_uses_nothing),
        cmocka_unit_test(interpreters_need_no_regions),
        cmocka_unit_test(deep_nesting_and_many_locals_stay_linear),
        cmocka_unit_test(claims_hold_on_random_walks),
        cmocka_unit_test(every_bad_function_is_reported),
        cmocka_unit_test(threads_see_one_result),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
