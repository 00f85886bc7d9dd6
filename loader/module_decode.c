/* The frame of the binary format (standard, 5.5): header, sections in order, and what must agree
 * between sections.  A first walk over the section headers counts them, so that every array is
 * allocated once at its size; each section's own decoder reads it bounded to its bytes. */
#include <stdlib.h>
#include <string.h>

#include "loader/decode.h"
#include "loader/feature.h"
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
    uint32_t len;
    const uint8_t *bytes = read_name(&d->r, &len, what);
    return bytes ? (Name){(uint32_t)(bytes - d->m->bytes), len} : (Name){0};
}

/* ---- Sections ---- */

static void (*const decoders[SECTION_IDS])(Decoder *) = {
    [SECTION_TYPE] = decode_type_section,
    [SECTION_IMPORT] = decode_import_section,
    [SECTION_FUNCTION] = decode_function_section,
    [SECTION_TABLE] = decode_table_section,
    [SECTION_MEMORY] = decode_memory_section,
    [SECTION_TAG] = decode_tag_section,
    [SECTION_GLOBAL] = decode_global_section,
    [SECTION_EXPORT] = decode_export_section,
    [SECTION_START] = decode_start_section,
    [SECTION_ELEMENT] = decode_element_section,
    [SECTION_DATA_COUNT] = decode_data_count_section,
    [SECTION_CODE] = decode_code_section,
    [SECTION_DATA] = decode_data_section,
};

/* Room for all sections there can be; what is wrong with them, the second walk says. */
static void count_sections(Decoder *d)
{
    Module *m = d->m;
    Reader r = d->r;
    uint32_t nsections = 0, ncustoms = 0;
    while (r.pos < r.end && ncustoms <= LIMIT_CUSTOM_SECTIONS) {
        uint8_t id = read_byte(&r, "a section");
        uint32_t size = read_u32(&r, "a size");
        if (!read_bytes(&r, size, "a section")) break;
        nsections++;
        ncustoms += id == SECTION_CUSTOM;
    }
    fnvm_error_free(r.error);
    if (ncustoms > LIMIT_CUSTOM_SECTIONS)
        reader_fail(&d->r, FNVM_E_LIMIT, r.pos, "more than %d custom sections",
                    LIMIT_CUSTOM_SECTIONS);
    m->sections = decode_extend(d, NULL, 0, nsections, sizeof *m->sections);
    m->customs = decode_extend(d, NULL, 0, ncustoms, sizeof *m->customs);
}

static void note_custom(Module *m, const Section *s)
{
    m->customs[m->ncustoms++] = (Custom){s->name, s->payload};
    bool is_names = s->name.len == 4 && memcmp(m->bytes + s->name.start, "name", 4) == 0;
    if (is_names && m->name_section.end == 0) m->name_section = s->payload;
}

/* The section's own decoder, with the reader bounded to its bytes. */
static void decode_payload(Decoder *d, const Section *s)
{
    Reader *r = &d->r;
    uint32_t end = r->end;
    r->pos = s->payload.start;
    r->end = s->payload.end;
    if (r->check) check_begin(r->check, CHECK_SECTIONS);
    decoders[s->id](d);
    if (!r->error && r->pos != r->end)
        reader_fail(r, FNVM_E_MALFORMED, r->pos,
                    "section size mismatch: the %s section ends here, but its size says 0x%x",
                    section_name(s->id), r->end);
    r->end = end;
}

static void decode_section(Decoder *d, uint8_t *order)
{
    Section s;
    if (!section_read(&d->r, order, &s)) return;
    if (s.id == SECTION_CUSTOM) note_custom(d->m, &s);
    else decode_payload(d, &s);
    if (!d->r.error) d->m->sections[d->m->nsections++] = (SectionRange){s.id, s.body};
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

/* What the host has made for itself is none of a policy's business. */
static fnvm_error *open_check(Module *m)
{
    const Policy *policy = m->engine->config.policy;
    if (!policy || m->origin == MODULE_OF_HOST) return NULL;
    m->check = malloc(sizeof *m->check);
    if (!m->check) return error_no_memory();
    check_open(m->check, policy);
    check_add(m->check, CEILING_MODULE, m->len, policy->ceilings[CEILING_MODULE].most);
    return NULL;
}

fnvm_error *module_decode(Module *m)
{
    if (engine_interrupted(m->engine)) return stop_error("decoding a module");
    fnvm_error *error = open_check(m);
    if (error) return error;
    Decoder d = {.r = {.bytes = m->bytes, .end = m->len, .check = m->check}, .m = m};
    section_read_header(&d.r);
    if (!d.r.error) count_sections(&d);
    uint8_t order = 0;
    while (decode_goes_on(&d) && d.r.pos < d.r.end) decode_section(&d, &order);
    if (!d.r.error) decode_finish(&d);
    return d.r.error;
}
