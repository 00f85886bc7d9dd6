/* Immediates as the verifier reads them: index, type and memory arguments are checked against the
 * module while they are decoded (standard, 5.3 and 5.4).  A byte that fits no grammar is
 * malformed, a well-formed one that names nothing is invalid. */
#include "verifier/state.h"

uint32_t code_index(Verifier *v, const char *what, uint32_t n)
{
    uint32_t i = code_u32(v, "an index");
    if (i < n) return i;
    verifier_invalid(v, "unknown %s %u: the module has %u", what, i, n);
    return UINT32_MAX;
}

const Type *code_type(Verifier *v, CompKind comp)
{
    static const char *const kinds[] = {"a function", "a struct", "an array"};
    uint32_t i = code_index(v, "type", v->m->ntypes);
    if (i == UINT32_MAX) return NULL;
    const Type *t = types_get(v->types, v->m->types[i]);
    if (t->comp == comp) return t;
    verifier_invalid(v, "type mismatch: %s needs %s type, type %u is %s type", v->row->text,
                     kinds[comp], i, kinds[t->comp]);
    return NULL;
}

uint32_t code_memory(Verifier *v, ValType *address)
{
    uint32_t i = code_index(v, "memory", v->m->nmemories);
    *address = i != UINT32_MAX && v->m->memories[i].limits.is64 ? TYPE_I64 : TYPE_I32;
    return i;
}

uint32_t code_table(Verifier *v, ValType *address)
{
    uint32_t i = code_index(v, "table", v->m->ntables);
    *address = i != UINT32_MAX && v->m->tables[i].type.limits.is64 ? TYPE_I64 : TYPE_I32;
    return i;
}

/* Both numbers in a byte each, a good alignment, and a 32-bit memory 0: nearly always. */
static bool code_short_memarg(Verifier *v)
{
    Reader *r = &v->code;
    if (r->end - r->pos < 2 || v->m->nmemories == 0) return false;
    uint8_t flags = r->bytes[r->pos], offset = r->bytes[r->pos + 1];
    if (flags > v->row->align || offset >= 0x80 || v->m->memories[0].limits.is64) return false;
    r->pos += 2;
    return true;
}

void code_memarg(Verifier *v, ValType *address)
{
    *address = TYPE_I32;
    if (code_short_memarg(v)) return;
    uint32_t flags = code_u32(v, "the alignment of a memory access");
    if (flags >= 0x80) verifier_malformed(v, "malformed memop flags 0x%x", flags);
    uint32_t memory = 0;
    if (flags & 0x40) {
        feature_require(v, FNVM_FEATURE_MULTI_MEMORY, "a memory index");
        memory = code_u32(v, "a memory index");
    }
    uint64_t offset = code_skip_byte(v) ? 0 : read_u64(&v->code, "the offset of a memory access");
    if (memory >= v->m->nmemories) {
        verifier_invalid(v, "unknown memory %u: the module has %u", memory, v->m->nmemories);
        return;
    }
    if ((flags & 0x3F) > v->row->align)
        verifier_invalid(v, "alignment must not be larger than natural: 2^%u bytes for %s, found "
                         "2^%u", (unsigned)v->row->align, v->row->text, flags & 0x3F);
    if (v->m->memories[memory].limits.is64)
        *address = TYPE_I64;
    else if (offset > UINT32_MAX)
        verifier_invalid(v, "offset out of range: 32-bit memories end below 2^32");
}

void code_lane(Verifier *v, uint32_t lanes)
{
    uint8_t lane = read_byte(&v->code, "a lane index");
    if (lane >= lanes)
        verifier_invalid(v, "invalid lane index %u: %s has %u lanes", (unsigned)lane,
                         v->row->text, lanes);
}

uint32_t code_data(Verifier *v)
{
    uint32_t i = code_index(v, "data segment", v->m->ndatas);
    if (!v->m->has_data_count)
        verifier_malformed(v, "data count section required by %s", v->row->text);
    return i;
}

uint32_t code_elem(Verifier *v) { return code_index(v, "elem segment", v->m->nelems); }
