/* Whatever keeps the verdict is kept: first whole bodies are replaced by a trap, then runs
 * of instructions are left out or replaced by a constant or a trap, long runs first.  Nothing need
 * be known of types: the verifier refuses what went wrong. */
#include "conformance/generate/minimize.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/module.h"
#include "loader/skip.h"

typedef struct Body {
    Bytes bytes;
    uint32_t code; /* offset of the first instruction */
} Body;

typedef struct Reduction {
    CompareOptions options;
    Verdict wanted;
    const Module *module;
    Body *bodies;
    uint32_t n;
    Bytes trial;
} Reduction;

enum { SECTION_CUSTOM = 0, SECTION_CODE = 10 };
enum { TRIAL_MS = 100 }; /* a module that lost its counting down runs for ever */

/* ---- Writing ---- */

/* The module with other bodies and without custom sections. */
static void assemble(Reduction *r)
{
    Bytes code = {0};
    bytes_unsigned(&code, r->n);
    for (uint32_t i = 0; i < r->n; i++) bytes_sized(&code, &r->bodies[i].bytes);
    bytes_clear(&r->trial);
    bytes_raw(&r->trial, "\0asm\1\0\0\0", 8);
    for (uint32_t i = 0; i < r->module->nsections; i++) {
        const SectionRange *s = &r->module->sections[i];
        Bytes payload = {.at = (uint8_t *)(uintptr_t)(r->module->bytes + s->payload.start),
                         .len = s->payload.end - s->payload.start};
        if (s->id == SECTION_CODE) bytes_section(&r->trial, s->id, &code);
        else if (s->id != SECTION_CUSTOM) bytes_section(&r->trial, s->id, &payload);
    }
    bytes_free(&code);
}

/* Most trials are not, which costs less to see here than in another process. */
static bool is_valid(const Reduction *r)
{
    fnvm_module *m = NULL;
    size_t bad = 0;
    fnvm_error *error = fnvm_module_new(r->module->engine, r->trial.at, r->trial.len, &m);
    if (!error) error = fnvm_module_verify(m, NULL, NULL, &bad);
    bool valid = !error && bad == 0;
    fnvm_error_free(error);
    fnvm_module_release(m);
    return valid;
}

static bool still_differs(Reduction *r)
{
    assemble(r);
    return !r->trial.failed && is_valid(r) &&
           compare_apart(r->trial.at, r->trial.len, &r->options, TRIAL_MS) == r->wanted;
}

/* Takes `changed` as the body; false, and as it was before, if that ends it. */
static bool try_body(Reduction *r, Body *body, Bytes changed)
{
    Bytes old = body->bytes;
    body->bytes = changed;
    if (!changed.failed && still_differs(r)) {
        bytes_free(&old);
        return true;
    }
    bytes_free(&changed);
    body->bytes = old;
    return false;
}

/* Replaces the range [from, to). */
static bool try_replacing(Reduction *r, Body *body, uint32_t from, uint32_t to, const void *with,
                          size_t len)
{
    Bytes old = body->bytes, changed = {0};
    bytes_raw(&changed, old.at, from);
    bytes_raw(&changed, with, len);
    bytes_raw(&changed, old.at + to, old.len - to);
    return try_body(r, body, changed);
}

/* ---- Reducing ---- */

typedef struct Starts {
    uint32_t *at;
    uint32_t n;
} Starts; /* of instructions; the last: the end */

static bool find_starts(const Body *body, Starts *out)
{
    Reader reader = {.bytes = body->bytes.at, .pos = body->code, .end = (uint32_t)body->bytes.len};
    Op op;
    *out = (Starts){.at = malloc((body->bytes.len + 1) * sizeof *out->at)};
    if (!out->at) return false;
    while (reader.pos < reader.end) {
        out->at[out->n++] = reader.pos;
        if (!reader_skip_instruction(&reader, &op)) break;
    }
    fnvm_error_free(reader.error);
    return true;
}

static bool shorten_run(Reduction *r, Body *body, uint32_t from, uint32_t to)
{
    static const struct {
        uint8_t bytes[9];
        uint8_t len;
    } instead[] = {
        {{0}, 0},    {{0x1A}, 1}, {{0x41, 0}, 2}, {{0x42, 0}, 2},
        {{0x43}, 5}, {{0x44}, 9}, {{0x00}, 1},
    };
    for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
        if (instead[i].len < to - from &&
            try_replacing(r, body, from, to, instead[i].bytes, instead[i].len))
            return true;
    return false;
}

static bool shorten_body(Reduction *r, Body *body)
{
    static const uint32_t lengths[] = {128, 64, 32, 16, 12, 8, 7, 6, 5, 4, 3, 2, 1};
    bool shorter = false;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        Starts s;
        for (uint32_t i = 0; find_starts(body, &s); i++) {
            bool in_range = i + lengths[k] < s.n;
            if (in_range && shorten_run(r, body, s.at[i], s.at[i + lengths[k]]))
                shorter = true, i--;
            free(s.at);
            if (!in_range) break;
        }
    }
    return shorter;
}

/* The `end` of the block that starts with instruction i; 0 if none does. */
static uint32_t find_end(const Body *body, const Starts *s, uint32_t i)
{
    uint32_t depth = 0;
    for (uint32_t k = i; k < s->n; k++) {
        uint8_t code = body->bytes.at[s->at[k]];
        bool opens = (code >= 0x02 && code <= 0x04) || code == 0x1F; /* block loop if try_table */
        if (opens) depth++;
        if (code == 0x0B && depth > 0) depth--;
        if (depth == 0) return k > i ? k : 0;
    }
    return 0;
}

/* The whole block, or only its first and last instruction. */
static bool shorten_block(Reduction *r, Body *body, const Starts *s, uint32_t i)
{
    uint32_t end = find_end(body, s, i);
    if (end == 0 || end + 1 >= s->n) return false;
    if (shorten_run(r, body, s->at[i], s->at[end + 1])) return true;
    Bytes old = body->bytes, changed = {0};
    bytes_raw(&changed, old.at, s->at[i]);
    bytes_raw(&changed, old.at + s->at[i + 1], s->at[end] - s->at[i + 1]);
    bytes_raw(&changed, old.at + s->at[end + 1], old.len - s->at[end + 1]);
    return try_body(r, body, changed);
}

static bool shorten_blocks(Reduction *r, Body *body)
{
    bool shorter = false;
    Starts s;
    for (uint32_t i = 0; find_starts(body, &s); i++) {
        bool in_range = i + 1 < s.n;
        if (in_range && shorten_block(r, body, &s, i)) shorter = true, i--;
        free(s.at);
        if (!in_range) break;
    }
    return shorter;
}

static bool take_apart(Reduction *r)
{
    const Module *m = r->module;
    r->n = m->nfuncs - m->n_imported_funcs;
    r->bodies = calloc(r->n + 1, sizeof *r->bodies);
    for (uint32_t i = 0; r->bodies && i < r->n; i++) {
        Range range = m->bodies[i];
        Reader reader = {.bytes = m->bytes, .pos = range.start, .end = range.end};
        bytes_raw(&r->bodies[i].bytes, m->bytes + range.start, range.end - range.start);
        /* Each group of locals is a count and a type, skipped as the immediate of a select. */
        for (uint32_t groups = read_u32(&reader, "a count"); groups > 0; groups--) {
            read_u32(&reader, "a count");
            uint8_t code = read_byte(&reader, "a type");
            if (code == 0x63 || code == 0x64) read_s33(&reader, "a heap type");
        }
        r->bodies[i].code = reader.pos - range.start;
        fnvm_error_free(reader.error);
        if (r->bodies[i].bytes.failed) return false;
    }
    return r->bodies != NULL;
}

static void reduce(Reduction *r)
{
    static const uint8_t trap[] = {0, 0x00, 0x0B};
    bool shorter = still_differs(r);
    for (uint32_t i = 0; shorter && i < r->n; i++) {
        Body *body = &r->bodies[i];
        uint32_t code = body->code;
        body->code = 1;
        if (body->bytes.len <= 3 ||
            !try_replacing(r, body, 0, (uint32_t)body->bytes.len, trap, sizeof trap))
            body->code = code;
    }
    for (uint32_t rounds = 0; shorter && rounds < 6; rounds++) {
        shorter = false;
        for (uint32_t i = 0; i < r->n; i++)
            if (r->bodies[i].bytes.len > 3 &&
                shorten_blocks(r, &r->bodies[i]) + shorten_body(r, &r->bodies[i]) > 0)
                shorter = true;
    }
    assemble(r);
}

void minimize(const Bytes *module, Verdict wanted, const CompareOptions *options, Bytes *out)
{
    fnvm_engine *engine = NULL;
    fnvm_module *m = NULL;
    fnvm_config config;
    fnvm_config_default(&config);
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) error = fnvm_module_new(engine, module->at, module->len, &m);
    Reduction r = {.options = *options, .wanted = wanted, .module = m};
    r.options.out = NULL;
    out->failed = error || !take_apart(&r);
    if (!out->failed) {
        reduce(&r);
        bytes_raw(out, r.trial.at, r.trial.len);
        out->failed |= r.trial.failed;
    }
    for (uint32_t i = 0; i < r.n && r.bodies; i++) bytes_free(&r.bodies[i].bytes);
    free(r.bodies);
    bytes_free(&r.trial);
    fnvm_error_free(error);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}

/* ---- Listings ---- */

static void print_immediates(FILE *out, Reader *r, Op op, uint32_t end)
{
    Imm imm = (Imm)instructions[op].imm;
    bool number = imm == IMM_I32 || imm == IMM_I64;
    bool indices = imm >= IMM_LABEL && imm <= IMM_TAG && imm != IMM_BR_CAST &&
                   imm != IMM_MEMARG_LANE && imm != IMM_LANE && imm != IMM_SHUFFLE;
    if (number) fprintf(out, " %" PRId64, read_s64(r, "a constant"));
    while (indices && r->pos < end && !r->error) fprintf(out, " %" PRIu64, read_u64(r, "a number"));
    for (; r->pos < end && !r->error; r->pos++) fprintf(out, " %02x", r->bytes[r->pos]);
}

static void print_code(FILE *out, const Module *m, const Body *body, uint32_t start)
{
    Reader reader = {
        .bytes = m->bytes, .pos = start + body->code, .end = start + (uint32_t)body->bytes.len};
    for (Op op; reader.pos < reader.end;) {
        uint32_t at = reader.pos;
        if (!reader_skip_instruction(&reader, &op)) break;
        uint32_t opcode = 1;
        if (instructions[op].page != PAGE_BASE) opcode = instructions[op].code < 0x80 ? 2 : 3;
        Reader immediates = {.bytes = m->bytes, .pos = at + opcode, .end = reader.pos};
        fprintf(out, "    0x%04x %s", at, instructions[op].text);
        print_immediates(out, &immediates, op, reader.pos);
        fprintf(out, "\n");
        fnvm_error_free(immediates.error);
    }
    fnvm_error_free(reader.error);
}

static void print_funcs(FILE *out, const Reduction *r)
{
    char text[512];
    const Module *m = r->module;
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t start = m->bodies[i].start;
        types_print_func(&m->engine->types, m->funcs[m->n_imported_funcs + i], text, sizeof text);
        fprintf(out, "  func %u %s, locals:", m->n_imported_funcs + i, text);
        for (uint32_t k = 0; k < r->bodies[i].code; k++)
            fprintf(out, " %02x", r->bodies[i].bytes.at[k]);
        fprintf(out, "\n");
        if (r->bodies[i].bytes.len > 3) print_code(out, m, &r->bodies[i], start);
        else fprintf(out, "    0x%04x unreachable\n", start + 1);
    }
}

void print_listing(FILE *out, const uint8_t *bytes, size_t len)
{
    fnvm_engine *engine = NULL;
    fnvm_module *m = NULL;
    fnvm_config config;
    fnvm_config_default(&config);
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) error = fnvm_module_new(engine, bytes, len, &m);
    Reduction r = {.module = m};
    if (!error && take_apart(&r)) print_funcs(out, &r);
    for (uint32_t i = 0; i < r.n && r.bodies; i++) bytes_free(&r.bodies[i].bytes);
    free(r.bodies);
    fnvm_error_free(error);
    fnvm_module_release(m);
    fnvm_engine_free(engine);
}
