/* A mutation of modules that mostly stay valid: one function's instructions are changed between
 * their boundaries, and the sizes around them are written anew.  Random bytes almost never give the
 * verifier anything it lets through; this does so about every third time. */
#ifndef FNVM_CONFORMANCE_FUZZ_MUTATE_CODE_H
#define FNVM_CONFORMANCE_FUZZ_MUTATE_CODE_H

#include <stdlib.h>
#include <string.h>

#include "loader/skip.h"

enum { CODE_SECTION = 10, MAX_BODIES = 2000, MAX_INSTRUCTIONS = 4000 };

typedef struct Span { uint32_t start, end; } Span; /* of the input's bytes */

typedef struct CodeMutation {
    Reader in;
    Span section;                /* from its id byte on */
    Span bodies[MAX_BODIES];     /* without their sizes */
    uint32_t nbodies;
    uint32_t at[MAX_INSTRUCTIONS + 1]; /* where instructions of one body start, then its end */
    uint32_t n;
    uint8_t *out;
    size_t len, max; /* len > max: it did not fit */
    unsigned random;
} CodeMutation;

static uint32_t pick(CodeMutation *m, uint32_t below)
{
    m->random = m->random * 1664525u + 1013904223u;
    return below ? (m->random >> 8) % below : 0;
}

/* ---- Writing ---- */

static void put_bytes(CodeMutation *m, const uint8_t *bytes, size_t n)
{
    if (m->len <= m->max && n <= m->max - m->len) {
        if (n) memcpy(m->out + m->len, bytes, n);
        m->len += n;
    } else m->len = m->max + 1;
}

static void put_span(CodeMutation *m, uint32_t start, uint32_t end)
{
    put_bytes(m, m->in.bytes + start, end - start);
}

static void put_number(CodeMutation *m, uint32_t v)
{
    uint8_t b[5];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    put_bytes(m, b, n);
}

/* ---- Finding ---- */

static bool find_bodies(CodeMutation *m)
{
    Reader *r = &m->in;
    r->pos = 8;
    while (r->pos < r->end && !r->error) {
        uint32_t start = r->pos;
        uint8_t id = read_byte(r, "a section");
        uint32_t size = read_u32(r, "a size"), payload = r->pos;
        if (!read_bytes(r, size, "a section") || id != CODE_SECTION) continue;
        m->section = (Span){start, r->pos};
        r->pos = payload;
        uint32_t n = read_u32(r, "a count");
        for (; m->nbodies < n && m->nbodies < MAX_BODIES && !r->error; m->nbodies++) {
            uint32_t bytes = read_u32(r, "a size"), body = r->pos;
            if (read_bytes(r, bytes, "a body")) m->bodies[m->nbodies] = (Span){body, r->pos};
        }
        return !r->error && n == m->nbodies && n > 0;
    }
    return false;
}

/* The instructions of a body but its final `end`. */
static bool find_instructions(CodeMutation *m, Span body)
{
    Reader r = {.bytes = m->in.bytes, .pos = body.start, .end = body.end};
    uint32_t groups = read_u32(&r, "local declarations");
    for (; groups > 0 && !r.error; groups--) {
        read_u32(&r, "how many");
        uint8_t type = read_byte(&r, "a type");
        if (type == 0x63 || type == 0x64) read_s33(&r, "a heap type");
    }
    Op op;
    m->n = 0;
    do {
        m->at[m->n] = r.pos;
    } while (!r.error && r.pos + 1 < r.end && m->n++ < MAX_INSTRUCTIONS &&
             reader_skip_instruction(&r, &op));
    fnvm_error_free(r.error);
    return !r.error && m->n < MAX_INSTRUCTIONS;
}

/* ---- Changing ---- */

/* Little programs that leave the stack as it was, or leave. */
static void put_snippet(CodeMutation *m)
{
#define S(text) {(const uint8_t *)(text), sizeof(text) - 1}
    static const struct { const uint8_t *bytes; size_t len; } snippets[] = {
        S("\x02\x40\x0b"), S("\x03\x40\x0b"), S("\x41\1\x04\x40\x05\x0b"), S("\x0c\0"), S("\x0c\1"),
        S("\x41\0\x0d\0"), S("\x41\1\x0d\0"), S("\x41\1\x0d\1"), S("\x41\2\x0e\2\0\1\2"),
        S("\x0f"), S("\0"), S("\x20\0\x1a"), S("\x20\1\x1a"), S("\x41\7\x21\0"),
        S("\x20\0\x22\1\x1a"),
        S("\xfd\x0c" "0123456789abcdef" "\x1a"),
        S("\x02\x7b\xfd\x0c" "0123456789abcdef" "\x0c\0\x0b\x1a"),
        S("\x1f\x40\1\2\0\x0b"), S("\x1f\x40\1\2\1\x0b"), S("\x1f\x40\1\0\0\0\x08\0\x0b"),
        S("\x02\x69\x1f\x40\2\1\0\0\3\0\x10\0\x0b\0\x0b\x0a"), S("\x08\0"),
        S("\x10\0"), S("\x10\0\x1a"), S("\x10\1"), S("\x41\0\x10\0"), S("\x12\0"), S("\x12\1"),
        S("\x41\0\x11\0\0"), S("\x41\0\x13\0\0"), S("\xd2\0\x14\0"), S("\xd2\0\x15\0"),
        S("\xd2\0\x1a"),
        S("\xd0\x6e\xd5\0\x1a"), S("\xd0\x6e\xd6\0"), S("\xd0\x6e\xfb\x18\3\0\x6e\x6c\x1a"),
        S("\x23\0\x1a"), S("\x23\0\x24\0"), S("\x3f\0\x1a"), S("\x41\1\x40\0\x1a"),
        S("\x41\0\x28\2\0\x1a"), S("\x41\x7f\x28\0\x10\x1a"), S("\x41\0\x41\0\x41\x10\xfc\x0b\0"),
        S("\x41\0\x41\0\x41\4\xfc\x0a\0\0"), S("\x41\0\x25\0\x1a"),
        S("\xd0\x70\x41\1\xfc\x0f\0\x1a"),
        S("\xfb\1\0\x1a"), S("\x41\3\xfb\7\0\x1a"), S("\x41\5\xfb\x1c\x1a"),
        S("\x41\1\x41\2\x41\0\x1c\x81\0\x7f\x1a"), S("\x42\1\x42\2\x41\0\x1b\x1a")};
#undef S
    uint32_t i = pick(m, sizeof snippets / sizeof *snippets);
    put_bytes(m, snippets[i].bytes, snippets[i].len);
}

/* Instruction `i`, as another one of the same immediates and signature. */
static void put_relative(CodeMutation *m, uint32_t i)
{
    Reader r = {.bytes = m->in.bytes, .pos = m->at[i], .end = m->at[i + 1]};
    Op op;
    if (!reader_skip_instruction(&r, &op)) {
        fnvm_error_free(r.error);
        return;
    }
    const Instr *from = &instructions[op];
    uint32_t first = pick(m, OP_COUNT), k = 0;
    for (; k < OP_COUNT; k++) {
        const Instr *to = &instructions[(first + k) % OP_COUNT];
        if (to->imm != from->imm || strcmp(to->sig, from->sig) != 0) continue;
        Reader opcode = {.bytes = m->in.bytes, .pos = m->at[i] + 1, .end = m->at[i + 1]};
        if (from->page != PAGE_BASE) read_u32(&opcode, "an opcode");
        uint8_t byte = to->page == PAGE_BASE ? (uint8_t)to->code : to->page;
        put_bytes(m, &byte, 1);
        if (to->page != PAGE_BASE) put_number(m, to->code);
        put_span(m, opcode.pos, m->at[i + 1]);
        return;
    }
}

/* Instructions i..k of this body or, for copies, of any other that was found last. */
static void put_change(CodeMutation *m, uint32_t i, uint32_t k)
{
    static const uint8_t open[][6] = {{2, 2, 0x40}, {2, 3, 0x40}, {5, 0x1f, 0x40, 1, 2, 0},
                                      {5, 0x1f, 0x40, 1, 2, 1}, {4, 0x41, 1, 4, 0x40}};
    static const uint8_t end = 0x0b;
    switch (pick(m, 6)) {
    case 0: break; /* they are left out */
    case 1:        /* twice */
        put_span(m, m->at[i], m->at[k]);
        put_span(m, m->at[i], m->at[k]);
        break;
    case 2: { /* inside a block */
        const uint8_t *head = open[pick(m, sizeof open / sizeof *open)];
        put_bytes(m, head + 1, head[0]);
        put_span(m, m->at[i], m->at[k]);
        put_bytes(m, &end, 1);
        break;
    }
    case 3: /* with something before */
        put_snippet(m);
        put_span(m, m->at[i], m->at[k]);
        break;
    case 4: { /* with a piece from elsewhere before */
        uint32_t from = pick(m, m->n), to = from + pick(m, m->n - from < 8 ? m->n - from + 1 : 8);
        put_span(m, m->at[from], m->at[to]);
        put_span(m, m->at[i], m->at[k]);
        break;
    }
    default: /* one of them another */
        put_relative(m, i);
        put_span(m, m->at[i + 1], m->at[k]);
    }
}

static void put_body(CodeMutation *m, Span body)
{
    uint32_t i = pick(m, m->n), longest = m->n - i < 6 ? m->n - i : 6, k = i + 1 + pick(m, longest);
    put_span(m, body.start, m->at[i]);
    put_change(m, i, k);
    put_span(m, m->at[k], body.end);
}

/* Moves what was written since `start` behind its size. */
static void put_size_before(CodeMutation *m, size_t start)
{
    if (m->len > m->max) return;
    size_t n = m->len - start;
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) {
        m->len = m->max + 1;
        return;
    }
    memcpy(copy, m->out + start, n);
    m->len = start;
    put_number(m, (uint32_t)n);
    put_bytes(m, copy, n);
    free(copy);
}

static void put_module(CodeMutation *m, uint32_t changed)
{
    put_span(m, 0, m->section.start + 1);
    size_t section = m->len;
    put_number(m, m->nbodies);
    for (uint32_t i = 0; i < m->nbodies; i++) {
        size_t body = m->len;
        if (i == changed) put_body(m, m->bodies[i]);
        else put_span(m, m->bodies[i].start, m->bodies[i].end);
        put_size_before(m, body);
    }
    put_size_before(m, section);
    put_span(m, m->section.end, m->in.end);
}

/* Changes the module in `bytes`, of room for `max`; its new length, 0 if nothing was changed. */
static size_t mutate_code(uint8_t *bytes, size_t len, size_t max, unsigned seed)
{
    if (len < 8 || len > UINT32_MAX / 2) return 0;
    CodeMutation *m = calloc(1, sizeof *m);
    uint8_t *out = malloc(max ? max : 1);
    size_t done = 0;
    if (m && out) {
        m->in = (Reader){.bytes = bytes, .end = (uint32_t)len};
        m->out = out;
        m->max = max;
        m->random = seed;
        uint32_t body = 0;
        bool found = find_bodies(m) && (body = pick(m, m->nbodies), true) &&
                     find_instructions(m, m->bodies[body]) && m->n > 0;
        if (found) put_module(m, body);
        if (found && m->len <= max) done = m->len;
        if (done) memcpy(bytes, out, done);
        fnvm_error_free(m->in.error);
    }
    free(m);
    free(out);
    return done;
}

#endif
