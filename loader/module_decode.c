/* The frame of the binary format (standard, 5.5): header, sections in order, and what must agree
 * between sections.  A first walk over the section headers counts them, so that every array is
 * allocated once at its size; each section's own decoder reads it bounded to its bytes. */
#include <stdlib.h>
#include <string.h>

#include "loader/decode.h"
#include "loader/feature.h"
#include "loader/utf8.h"
#include "vm/tunables.h"

/* ---- Vectors ---- */

uint32_t decode_count(Decoder *d, const char *what, uint32_t min_bytes, uint32_t have,
                      uint32_t limit)
{
    uint32_t at = d->r.pos, n = read_u32(&d->r, "a count");
    if (d->r.error) return 0;
    uint32_t left = d->r.end - d->r.pos;
    if (n > left / min_bytes) {
        reader_fail(&d->r, FNVM_E_MALFORMED, at,
                    "unexpected end: %u %s announced, but only %u bytes follow (length out of "
                    "bounds)",
                    n, what, left);
        return 0;
    }
    if (n > limit || have > limit - n) {
        reader_fail(&d->r, FNVM_E_LIMIT, at, "%llu %s are more than the limit of %u",
                    (unsigned long long)have + n, what, limit);
        return 0;
    }
    return n;
}

static void *decode_resize(Decoder *d, void *array, uint64_t n, size_t size)
{
    void *resized = d->r.error ? NULL : reallocarray(array, n, size);
    if (resized) return resized;
    if (!d->r.error) d->r.error = error_no_memory();
    return array;
}

void *decode_extend(Decoder *d, void *array, uint32_t have, uint32_t more, size_t size)
{
    if (more == 0) return array;
    array = decode_resize(d, array, (uint64_t)have + more, size);
    if (!d->r.error) memset((uint8_t *)array + have * size, 0, more * size);
    return array;
}

void *decode_grow(Decoder *d, void *array, uint32_t have, size_t size)
{
    /* Capacities are powers of two from 4: it is full exactly at those. */
    if (have != 0 && (have < 4 || (have & (have - 1)) != 0)) return array;
    return decode_resize(d, array, have == 0 ? 4 : (uint64_t)have * 2, size);
}

bool decode_check_index(Decoder *d, uint32_t at, const char *what, uint32_t index, uint32_t count)
{
    if (d->r.error) return false;
    if (index < count) return true;
    reader_fail(&d->r, FNVM_E_INVALID, at, "unknown %s %u: the module has %u", what, index, count);
    return false;
}

bool decode_need(Decoder *d, uint32_t feature, uint32_t at, const char *what)
{
    return reader_need_feature(&d->r, d->m->engine->config.features, feature, at, what);
}

Name decode_name(Decoder *d, const char *what)
{
    uint32_t len = read_u32(&d->r, what), start = d->r.pos;
    const uint8_t *bytes = read_bytes(&d->r, len, what);
    if (!bytes) return (Name){0};
    size_t good = utf8_valid_prefix(bytes, len);
    if (good < len)
        reader_fail(&d->r, FNVM_E_MALFORMED, start + (uint32_t)good,
                    "malformed UTF-8 encoding in %s", what);
    return (Name){start, len};
}

/* ---- The header ---- */

static void decode_header(Decoder *d)
{
    static const uint8_t magic[4] = {0x00, 'a', 's', 'm'};
    const uint8_t *b = d->m->bytes;
    uint32_t len = d->m->len, have = len < 4 ? len : 4;
    if (len == 0) {
        reader_fail(&d->r, FNVM_E_MALFORMED, 0,
                    "unexpected end: not a WebAssembly module: there are no bytes");
    } else if (memcmp(b, magic, have) != 0) {
        char found[16] = "";
        for (uint32_t i = 0; i < have; i++) {
            static const char digits[] = "0123456789abcdef";
            memcpy(found + 3 * i, (char[]){' ', digits[b[i] >> 4], digits[b[i] & 15], 0}, 4);
        }
        reader_fail(&d->r, FNVM_E_MALFORMED, 0,
                    "magic header not detected: not a WebAssembly module: expected the bytes "
                    "00 61 73 6d or text starting with `(`; found%s",
                    found);
    } else if (len < 8) {
        reader_fail(&d->r, FNVM_E_MALFORMED, len,
                    "unexpected end: the module is cut off in its 8-byte header");
    } else if (memcmp(b + 4, (uint8_t[]){0x0D, 0, 1, 0}, 4) == 0) {
        reader_fail(&d->r, FNVM_E_UNSUPPORTED, 4,
                    "a WebAssembly component (WASI 0.2 and later); components are not supported "
                    "yet: build a core module instead, for wasm32-wasip1 (Rust), GOOS=wasip1 (Go) "
                    "or wasm32-wasi (C)");
    } else if (memcmp(b + 4, (uint8_t[]){1, 0, 0, 0}, 4) != 0) {
        reader_fail(&d->r, FNVM_E_MALFORMED, 4,
                    "unknown binary version: expected 01 00 00 00, found %02x %02x %02x %02x", b[4],
                    b[5], b[6], b[7]);
    }
    d->r.pos = 8;
}

/* ---- Sections ---- */

typedef struct SectionKind {
    const char *name;
    uint8_t order; /* place in a module (5.5.17) */
    void (*decode)(Decoder *);
} SectionKind;

static const SectionKind section_kinds[SECTION_IDS] = {
    [SECTION_TYPE] = {"type", 1, decode_type_section},
    [SECTION_IMPORT] = {"import", 2, decode_import_section},
    [SECTION_FUNCTION] = {"function", 3, decode_function_section},
    [SECTION_TABLE] = {"table", 4, decode_table_section},
    [SECTION_MEMORY] = {"memory", 5, decode_memory_section},
    [SECTION_TAG] = {"tag", 6, decode_tag_section},
    [SECTION_GLOBAL] = {"global", 7, decode_global_section},
    [SECTION_EXPORT] = {"export", 8, decode_export_section},
    [SECTION_START] = {"start", 9, decode_start_section},
    [SECTION_ELEMENT] = {"element", 10, decode_element_section},
    [SECTION_DATA_COUNT] = {"data count", 11, decode_data_count_section},
    [SECTION_CODE] = {"code", 12, decode_code_section},
    [SECTION_DATA] = {"data", 13, decode_data_section},
};

/* Room for all sections there can be; what is wrong with them, the second walk says. */
static void count_sections(Decoder *d)
{
    Module *m = d->m;
    Reader r = d->r;
    uint32_t nsections = 0, ncustoms = 0;
    while (r.pos < r.end) {
        uint8_t id = read_byte(&r, "a section");
        uint32_t size = read_u32(&r, "a size");
        if (!read_bytes(&r, size, "a section")) break;
        nsections++;
        ncustoms += id == SECTION_CUSTOM;
    }
    fnvm_error_free(r.error);
    m->sections = decode_extend(d, NULL, 0, nsections, sizeof *m->sections);
    m->customs = decode_extend(d, NULL, 0, ncustoms, sizeof *m->customs);
}

static void decode_custom(Decoder *d)
{
    Module *m = d->m;
    Name name = decode_name(d, "a custom section's name");
    if (d->r.error) return;
    Range payload = {d->r.pos, d->r.end};
    m->customs[m->ncustoms++] = (Custom){name, payload};
    bool is_names = name.len == 4 && memcmp(m->bytes + name.start, "name", 4) == 0;
    if (is_names && m->name_section.end == 0) m->name_section = payload;
    d->r.pos = d->r.end;
}

static void decode_section(Decoder *d, uint8_t *order)
{
    Reader *r = &d->r;
    uint32_t at = r->pos, end = r->end;
    uint8_t id = read_byte(r, "a section");
    uint32_t size = read_u32(r, "a section's size"), start = r->pos;
    if (r->error) return;
    if (id >= SECTION_IDS) {
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed section id %u", id);
        return;
    }
    const SectionKind *kind = &section_kinds[id];
    if (id != SECTION_CUSTOM && kind->order <= *order) {
        reader_fail(r, FNVM_E_MALFORMED, at,
                    "unexpected content after last section: the %s section is out of order or "
                    "there twice",
                    kind->name);
        return;
    }
    if (!read_bytes(r, size, "a section")) return;
    r->pos = start;
    r->end = start + size;
    if (id == SECTION_CUSTOM) {
        decode_custom(d);
    } else {
        *order = kind->order;
        kind->decode(d);
    }
    if (r->error) return;
    if (r->pos != r->end)
        reader_fail(r, FNVM_E_MALFORMED, r->pos,
                    "section size mismatch: the %s section ends here, but its size says 0x%x",
                    kind->name, r->end);
    d->m->sections[d->m->nsections++] = (SectionRange){id, {start, start + size}};
    r->end = end;
}

/* ---- Agreement between sections, and what engines rely on ---- */

static void decode_finish(Decoder *d)
{
    Module *m = d->m;
    uint32_t own = m->nfuncs - m->n_imported_funcs;
    if (own != d->nbodies)
        reader_fail(&d->r, FNVM_E_MALFORMED, m->len,
                    "function and code section have inconsistent lengths: %u functions, %u bodies",
                    own, d->nbodies);
    if (m->has_data_count && d->data_count != m->ndatas)
        reader_fail(&d->r, FNVM_E_MALFORMED, m->len,
                    "data count and data section have inconsistent lengths: %u and %u",
                    d->data_count, m->ndatas);
    if (d->r.error) return;
    m->code = decode_extend(d, NULL, 0, own, sizeof *m->code);
    if (!m->declared)
        m->declared = decode_extend(d, NULL, 0, (m->nfuncs + 63) / 64, sizeof *m->declared);
}

fnvm_error *module_decode(Module *m)
{
    Decoder d = {.r = {.bytes = m->bytes, .end = m->len}, .m = m};
    decode_header(&d);
    if (!d.r.error) count_sections(&d);
    uint8_t order = 0;
    while (!d.r.error && d.r.pos < d.r.end) decode_section(&d, &order);
    if (!d.r.error) decode_finish(&d);
    return d.r.error;
}
