/* Puts the module together: the sections that have entries, in the order of the binary format
 * (5.5.2), with custom sections where their annotations placed them, and the name section
 * (appendix A.3 and the extended-name-section proposal) from the identifiers. */
#include "loader/text/parser.h"

void name_map_add(Buffer *map, uint32_t *count, uint32_t index, Str name)
{
    buffer_u64(map, index);
    buffer_name(map, name.bytes, name.len);
    ++*count;
}

void name_groups_add(NameGroups *groups, uint32_t index, const Buffer *map, uint32_t count)
{
    if (count == 0) return;
    buffer_u64(&groups->bytes, index);
    buffer_u64(&groups->bytes, count);
    buffer_buffer(&groups->bytes, map);
    groups->count++;
}

static unsigned length_of_u64(uint64_t value)
{
    unsigned n = 1;
    while (value >>= 7) n++;
    return n;
}

/* id, size, count and entries: a section, or a subsection of the name section. */
static void write_vector(Buffer *out, uint8_t id, uint32_t count, const Buffer *entries)
{
    if (count == 0) return;
    buffer_byte(out, id);
    buffer_u64(out, length_of_u64(count) + entries->len);
    buffer_u64(out, count);
    buffer_buffer(out, entries);
}

static void write_custom(Buffer *out, Str contents)
{
    buffer_byte(out, 0);
    buffer_name(out, contents.bytes, contents.len);
}

/* ---- Name section ---------------------------------------------------------------------------- */

enum { /* subsections */
       NAMES_MODULE,
       NAMES_FUNCS,
       NAMES_LOCALS,
       NAMES_LABELS,
       NAMES_TYPES,
       NAMES_TABLES,
       NAMES_MEMORIES,
       NAMES_GLOBALS,
       NAMES_ELEMS,
       NAMES_DATAS,
       NAMES_FIELDS,
       NAMES_TAGS
};

static void write_space_names(const Parser *p, Buffer *out, uint8_t id, Space space)
{
    write_vector(out, id, p->spaces[space].nnames, &p->spaces[space].names);
}

static void write_names(Parser *p, Buffer *out)
{
    Buffer section;
    buffer_init(&section, &p->arena);
    buffer_name(&section, "name", 4);
    size_t header_len = section.len;
    if (p->module_name.len != 0) {
        buffer_byte(&section, NAMES_MODULE);
        buffer_u64(&section, length_of_u64(p->module_name.len) + p->module_name.len);
        buffer_name(&section, p->module_name.bytes, p->module_name.len);
    }
    write_space_names(p, &section, NAMES_FUNCS, SPACE_FUNC);
    write_vector(&section, NAMES_LOCALS, p->local_names.count, &p->local_names.bytes);
    write_vector(&section, NAMES_LABELS, p->label_names.count, &p->label_names.bytes);
    write_space_names(p, &section, NAMES_TYPES, SPACE_TYPE);
    write_space_names(p, &section, NAMES_TABLES, SPACE_TABLE);
    write_space_names(p, &section, NAMES_MEMORIES, SPACE_MEMORY);
    write_space_names(p, &section, NAMES_GLOBALS, SPACE_GLOBAL);
    write_space_names(p, &section, NAMES_ELEMS, SPACE_ELEM);
    write_space_names(p, &section, NAMES_DATAS, SPACE_DATA);
    write_vector(&section, NAMES_FIELDS, p->field_names.count, &p->field_names.bytes);
    write_space_names(p, &section, NAMES_TAGS, SPACE_TAG);
    if (section.len != header_len)
        write_custom(out, (Str){(const char *)section.bytes, section.len});
}

/* ---- Module ---------------------------------------------------------------------------------- */

static const uint8_t section_ids[SECTION_COUNT] = {
    [SECTION_TYPE] = 1,   [SECTION_IMPORT] = 2, [SECTION_FUNC] = 3,       [SECTION_TABLE] = 4,
    [SECTION_MEMORY] = 5, [SECTION_TAG] = 13,   [SECTION_GLOBAL] = 6,     [SECTION_EXPORT] = 7,
    [SECTION_START] = 8,  [SECTION_ELEM] = 9,   [SECTION_DATACOUNT] = 12, [SECTION_CODE] = 10,
    [SECTION_DATA] = 11,
};

static void write_customs(const Parser *p, Buffer *out, unsigned section, bool after)
{
    for (uint32_t i = 0; i < p->ncustoms; i++) {
        if (p->customs[i].section == section && p->customs[i].after == after)
            write_custom(out, p->customs[i].bytes);
    }
}

static void write_branch_hints(Parser *p, Buffer *out)
{
    if (p->nhinted == 0) return;
    Buffer section;
    buffer_init(&section, &p->arena);
    buffer_name(&section, "metadata.code.branch_hint", 25);
    buffer_u64(&section, p->nhinted);
    buffer_buffer(&section, &p->hints);
    write_custom(out, (Str){(const char *)section.bytes, section.len});
}

static void write_section(Parser *p, Buffer *out, unsigned s)
{
    const Section *section = &p->sections[s];
    if (s == SECTION_START && p->has_start) {
        buffer_byte(out, section_ids[s]);
        buffer_name(out, section->bytes.bytes, section->bytes.len);
    } else if (s == SECTION_DATACOUNT) {
        if (!p->uses_data) return;
        uint32_t count = p->sections[SECTION_DATA].count;
        buffer_byte(out, section_ids[s]);
        buffer_u64(out, length_of_u64(count));
        buffer_u64(out, count);
    } else {
        write_vector(out, section_ids[s], section->count, &section->bytes);
    }
}

void write_module(Parser *p, Buffer *out)
{
    buffer_bytes(out, "\0asm\1\0\0\0", 8);
    write_customs(p, out, SECTION_COUNT, false);
    for (unsigned s = 0; s < SECTION_COUNT; s++) {
        write_customs(p, out, s, false);
        if (s == SECTION_CODE) write_branch_hints(p, out);
        write_section(p, out, s);
        write_customs(p, out, s, true);
    }
    write_names(p, out);
    write_customs(p, out, SECTION_COUNT, true);
}
