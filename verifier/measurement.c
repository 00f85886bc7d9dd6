/* What is hashed is a list of sections: standard ones as they come, then the custom ones that
 * count, sorted.  The list comes from a module's bytes, of which only section headers are read,
 * or from a module that was decoded; contents go to libsodium where they lie.  Bytes are walked
 * twice, first to see that all is well and how many custom sections count: nothing is hashed or
 * reported of a module that is malformed. */
#include "verifier/measurement.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "loader/section.h"
#include "vm/error.h"
#include "vm/tunables.h"

/* ---- Which custom sections count ---- */

/* The first row that fits.  A row that changes sides changes the format's version. */
static const MeasurementRule rules[] = {
    {"dylink", false, true, "dynamic linking, older form"},
    {"dylink.0", false, true, "dynamic linking"},
    {"linking", false, true, "symbols for the linker"},
    {"reloc..debug_", true, false, "relocations of debug information"},
    {"reloc.", true, true, "relocations"},
    {"component-type", true, true, "the component's interface"},
    {"name", false, false, "names"},
    {".debug_", true, false, "debug information"},
    {"sourceMappingURL", false, false, "where a source map is"},
    {"external_debug_info", false, false, "where debug information is"},
    {"build_id", false, false, "a build id"},
    {"producers", false, false, "tools that made it"},
    {"target_features", false, false, "features it was compiled for"},
    {"metadata.code.", true, false, "hints, which this engine does not obey"},
    {"", true, false, "unknown, and ignored"},
};

const MeasurementRule *measurement_rule(const char *name, size_t len)
{
    const MeasurementRule *rule = rules;
    for (;; rule++) {
        size_t n = strlen(rule->name);
        bool fits = rule->is_prefix ? len >= n : len == n;
        if (fits && (n == 0 || memcmp(name, rule->name, n) == 0)) return rule;
    }
}

bool measurement_counts(const char *name, size_t len)
{
    return measurement_rule(name, len)->counts;
}

/* ---- Hashing ---- */

typedef struct CountedCustom {
    Name name;
    uint32_t end; /* of the payload, which begins behind the name */
} CountedCustom;

typedef struct Sum {
    crypto_generichash_blake2b_state state;
    const uint8_t *bytes;
    CountedCustom *customs; /* in the order of the file */
    size_t ncustoms, room;  /* equal at the end, unless somebody writes to the bytes meanwhile */
} Sum;

static bool custom_counts(const uint8_t *bytes, Name name)
{
    return measurement_counts((const char *)bytes + name.start, name.len);
}

static fnvm_error *sum_begin(Sum *s, const uint8_t *bytes, size_t room)
{
    static const unsigned char salt[crypto_generichash_blake2b_SALTBYTES];
    static const unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] =
        "fnvm measure 1";
    *s = (Sum){.bytes = bytes, .room = room};
    if (sodium_init() < 0 || /* else it hashes without the processor's vectors */
        crypto_generichash_blake2b_init_salt_personal(&s->state, NULL, 0, FNVM_MEASUREMENT_BYTES,
                                                      salt, personal) != 0)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "libsodium cannot be used: it finds no random "
                              "numbers on this system");
    if (room > 0) s->customs = calloc(room, sizeof *s->customs);
    return room > 0 && !s->customs ? error_no_memory() : NULL;
}

static void add_bytes(Sum *s, uint32_t start, uint32_t end)
{
    crypto_generichash_blake2b_update(&s->state, s->bytes + start, end - start);
}

/* Both an id or nothing, and a length. */
static void add_head(Sum *s, const uint8_t *id, uint64_t len)
{
    uint8_t head[9], *at = head;
    if (id) *at++ = *id;
    for (unsigned i = 0; i < 8; i++) *at++ = (uint8_t)(len >> 8 * i);
    crypto_generichash_blake2b_update(&s->state, head, (size_t)(at - head));
}

static void sum_standard(Sum *s, uint8_t id, Range body)
{
    add_head(s, &id, body.end - body.start);
    add_bytes(s, body.start, body.end);
}

/* Noted until all standard sections are in. */
static void sum_custom(Sum *s, Name name, Range payload)
{
    if (!custom_counts(s->bytes, name)) return;
    if (s->ncustoms < s->room) s->customs[s->ncustoms] = (CountedCustom){name, payload.end};
    s->ncustoms++;
}

static int by_name_and_place(const void *a, const void *b, void *env)
{
    const CountedCustom *x = a, *y = b;
    const uint8_t *bytes = env;
    uint32_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(bytes + x->name.start, bytes + y->name.start, len);
    if (order == 0) order = (x->name.len > y->name.len) - (x->name.len < y->name.len);
    if (order == 0) order = (x->name.start > y->name.start) - (x->name.start < y->name.start);
    return order;
}

/* Takes the error that reading ended with. */
static fnvm_error *sum_end(Sum *s, fnvm_error *error, unsigned char *out)
{
    static const uint8_t id = SECTION_CUSTOM;
    if (error || s->ncustoms != s->room) {
        free(s->customs);
        fnvm_error_free(error);
        return fnvm_error_new(FNVM_E_IO, "the module's bytes changed while they were measured: "
                              "replace files by renaming, not by writing into them");
    }
    if (s->ncustoms > 1)
        qsort_r(s->customs, s->ncustoms, sizeof *s->customs, by_name_and_place,
                (void *)(uintptr_t)s->bytes);
    for (size_t i = 0; i < s->ncustoms; i++) {
        const CountedCustom *c = &s->customs[i];
        uint32_t name_end = c->name.start + c->name.len;
        add_head(s, &id, c->name.len);
        add_bytes(s, c->name.start, name_end);
        add_head(s, NULL, c->end - name_end);
        add_bytes(s, name_end, c->end);
    }
    crypto_generichash_blake2b_final(&s->state, out, FNVM_MEASUREMENT_BYTES);
    free(s->customs);
    return NULL;
}

/* ---- From bytes ---- */

static fnvm_error *check_frame(Reader r, size_t *ncounted)
{
    uint8_t order = 0;
    Section s;
    *ncounted = 0;
    while (r.pos < r.end && section_read(&r, &order, &s))
        *ncounted += s.id == SECTION_CUSTOM && custom_counts(r.bytes, s.name);
    return r.error;
}

static fnvm_section describe(const uint8_t *bytes, const Section *s)
{
    bool is_custom = s->id == SECTION_CUSTOM;
    const char *name = is_custom ? (const char *)bytes + s->name.start : section_name(s->id);
    return (fnvm_section){
        .id = s->id,
        .name = name,
        .name_len = is_custom ? s->name.len : strlen(name),
        .offset = s->payload.start,
        .size = s->payload.end - s->payload.start,
        .counted = !is_custom || custom_counts(bytes, s->name),
    };
}

fnvm_error *fnvm_measure(const void *bytes, size_t len,
                         void (*section)(void *env, const fnvm_section *), void *env,
                         unsigned char out[FNVM_MEASUREMENT_BYTES])
{
    if (len > LIMIT_MODULE_BYTES)
        return fnvm_error_new(FNVM_E_LIMIT, "a module of %zu bytes: at most %d are supported", len,
                              LIMIT_MODULE_BYTES);
    Reader r = {.bytes = bytes, .end = (uint32_t)len};
    section_read_header(&r);
    if (r.error) return r.error;
    size_t ncounted;
    Sum sum;
    fnvm_error *error = check_frame(r, &ncounted);
    if (!error) error = sum_begin(&sum, bytes, ncounted);
    if (error) return error;
    uint8_t order = 0;
    Section s;
    while (r.pos < r.end && section_read(&r, &order, &s)) {
        if (s.id == SECTION_CUSTOM) sum_custom(&sum, s.name, s.payload);
        else sum_standard(&sum, s.id, s.body);
        if (!section) continue;
        const fnvm_section found = describe(bytes, &s);
        section(env, &found);
    }
    return sum_end(&sum, r.error, out);
}

/* ---- From a module ---- */

fnvm_error *fnvm_module_measurement(const fnvm_module *m,
                                    unsigned char out[FNVM_MEASUREMENT_BYTES])
{
    size_t ncounted = 0;
    for (uint32_t i = 0; i < m->ncustoms; i++)
        ncounted += custom_counts(m->bytes, m->customs[i].name);
    Sum sum;
    fnvm_error *error = sum_begin(&sum, m->bytes, ncounted);
    if (error) return error;
    for (uint32_t i = 0; i < m->nsections; i++) {
        const SectionRange *s = &m->sections[i];
        if (s->id != SECTION_CUSTOM) sum_standard(&sum, s->id, s->payload);
    }
    for (uint32_t i = 0; i < m->ncustoms; i++)
        sum_custom(&sum, m->customs[i].name, m->customs[i].payload);
    return sum_end(&sum, NULL, out);
}
