/* Element and data segments (standard, 5.5.12 and 5.5.14): their items and bytes stay where they
 * are; only what functions the elements name is noted. */
#include "loader/decode.h"
#include "vm/tunables.h"

/* The three bits of an element segment's kind. */
enum { ELEM_NOT_ACTIVE = 1, ELEM_EXPLICIT = 2, ELEM_EXPRESSIONS = 4 };

static void mark_item(Decoder *d)
{
    Module *m = d->m;
    m->elem_marks = decode_grow(d, m->elem_marks, m->nelem_marks, sizeof *m->elem_marks);
    if (!d->r.error) m->elem_marks[m->nelem_marks++] = d->r.pos;
}

static void decode_item(Decoder *d, const Elem *e)
{
    if (!e->is_funcs) {
        decode_expression(d);
        return;
    }
    uint32_t at = d->r.pos, func = read_u32(&d->r, "a function index");
    if (decode_check_index(d, at, "function", func, d->m->nfuncs)) decode_declare(d, func);
}

static void decode_items(Decoder *d, Elem *e)
{
    e->items.start = d->r.pos;
    e->first_mark = d->m->nelem_marks;
    for (uint32_t i = 0; i < e->count && decode_goes_on(d); i++) {
        if (i && i % ELEM_MARK == 0) mark_item(d);
        decode_item(d, e);
    }
    e->items.end = d->r.pos;
}

/* With an explicit table or none: what the items are. */
static void decode_elem_kind(Decoder *d, Elem *e)
{
    if (!e->is_funcs) {
        e->type = decode_reftype(d);
        return;
    }
    uint32_t at = d->r.pos;
    uint8_t kind = read_byte(&d->r, "an element kind");
    if (kind != 0) reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed element kind 0x%02x", kind);
}

static void decode_elem(Decoder *d, Elem *e)
{
    uint32_t at = d->r.pos, flags = read_u32(&d->r, "an element segment's kind");
    decode_add(d, CEILING_ELEMENT_SEGMENTS, 1, at);
    if (flags > 7)
        reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed element segment kind %u", flags);
    if (flags != 0) decode_need(d, FNVM_FEATURE_BULK, at, "an element segment of this kind");
    bool is_active = !(flags & ELEM_NOT_ACTIVE);
    e->is_funcs = !(flags & ELEM_EXPRESSIONS);
    e->type = type_ref(HEAP_FUNC, !e->is_funcs); /* function indices are never null */
    e->mode = is_active               ? SEGMENT_ACTIVE
              : flags & ELEM_EXPLICIT ? SEGMENT_DECLARATIVE
                                      : SEGMENT_PASSIVE;
    if (is_active) {
        uint32_t table_at = d->r.pos;
        if (flags & ELEM_EXPLICIT) e->table = read_u32(&d->r, "a table index");
        decode_check_index(d, table_at, "table", e->table, d->m->ntables);
        e->offset = decode_expression(d);
    }
    if (flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) decode_elem_kind(d, e);
    uint32_t count_at = d->r.pos;
    e->count = decode_count(d, "elements", 1, 0, LIMIT_SEGMENT_ELEMENTS);
    decode_add(d, CEILING_ELEMENTS, e->count, count_at);
    decode_items(d, e);
}

void decode_element_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t n = decode_count(d, "element segments", 3, 0, LIMIT_ELEMENT_SEGMENTS);
    m->elems = decode_extend(d, NULL, 0, n, sizeof *m->elems);
    while (m->nelems < n && decode_goes_on(d)) decode_elem(d, &m->elems[m->nelems++]);
}

static void decode_data(Decoder *d, Data *data)
{
    uint32_t at = d->r.pos, kind = read_u32(&d->r, "a data segment's kind");
    decode_add(d, CEILING_DATA_SEGMENTS, 1, at);
    if (kind > 2) reader_fail(&d->r, FNVM_E_MALFORMED, at, "malformed data segment kind %u", kind);
    if (kind != 0) decode_need(d, FNVM_FEATURE_BULK, at, "a data segment of this kind");
    data->mode = kind == 1 ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
    if (kind != 1) {
        uint32_t memory_at = d->r.pos;
        if (kind == 2) data->memory = read_u32(&d->r, "a memory index");
        decode_check_index(d, memory_at, "memory", data->memory, d->m->nmemories);
        data->offset = decode_expression(d);
    }
    uint32_t len_at = d->r.pos, len = read_u32(&d->r, "a data segment's size");
    decode_add(d, CEILING_DATA, len, len_at);
    data->bytes.start = d->r.pos;
    read_bytes(&d->r, len, "a data segment");
    data->bytes.end = d->r.pos;
}

void decode_data_section(Decoder *d)
{
    Module *m = d->m;
    uint32_t at = d->r.pos, n = decode_count(d, "data segments", 2, 0, LIMIT_DATA_SEGMENTS);
    if (!d->r.error && m->has_data_count && n != d->data_count)
        reader_fail(&d->r, FNVM_E_MALFORMED, at,
                    "data count and data section have inconsistent lengths: %u and %u",
                    d->data_count, n);
    m->datas = decode_extend(d, NULL, 0, n, sizeof *m->datas);
    while (m->ndatas < n && decode_goes_on(d)) decode_data(d, &m->datas[m->ndatas++]);
}
