/* Abstract types are single bytes, which are negative as s33; type indices are not negative. */
#include "loader/read_types.h"

#include "loader/feature.h"

/* ---- Heap types ---- */

enum { ABSTRACT_FIRST = 0x69, ABSTRACT_LAST = 0x74 };

static const struct {
    uint32_t heap, feature;
} abstract[] = {
    [0x69 - ABSTRACT_FIRST] = {HEAP_EXN, FNVM_FEATURE_EXCEPTIONS},
    [0x6A - ABSTRACT_FIRST] = {HEAP_ARRAY, FNVM_FEATURE_GC},
    [0x6B - ABSTRACT_FIRST] = {HEAP_STRUCT, FNVM_FEATURE_GC},
    [0x6C - ABSTRACT_FIRST] = {HEAP_I31, FNVM_FEATURE_GC},
    [0x6D - ABSTRACT_FIRST] = {HEAP_EQ, FNVM_FEATURE_GC},
    [0x6E - ABSTRACT_FIRST] = {HEAP_ANY, FNVM_FEATURE_GC},
    [0x6F - ABSTRACT_FIRST] = {HEAP_EXTERN, FNVM_FEATURE_REFERENCES},
    [0x70 - ABSTRACT_FIRST] = {HEAP_FUNC, FNVM_FEATURE_MVP},
    [0x71 - ABSTRACT_FIRST] = {HEAP_NONE, FNVM_FEATURE_GC},
    [0x72 - ABSTRACT_FIRST] = {HEAP_NOEXTERN, FNVM_FEATURE_GC},
    [0x73 - ABSTRACT_FIRST] = {HEAP_NOFUNC, FNVM_FEATURE_GC},
    [0x74 - ABSTRACT_FIRST] = {HEAP_NOEXN, FNVM_FEATURE_EXCEPTIONS},
};

static bool is_abstract(uint8_t byte) { return byte >= ABSTRACT_FIRST && byte <= ABSTRACT_LAST; }

static HeapType abstract_heap(Reader *r, const Module *m, uint32_t at, uint8_t byte)
{
    uint32_t feature = abstract[byte - ABSTRACT_FIRST].feature;
    reader_need_feature(r, m->engine->config.features, feature, at, "a reference type");
    return abstract[byte - ABSTRACT_FIRST].heap;
}

static HeapType resolve_type(Reader *r, const Module *m, uint32_t group, uint32_t at,
                             uint64_t index)
{
    if (index < m->ntypes) return m->types[index];
    if (index - m->ntypes < group) return HEAP_REC + (HeapType)(index - m->ntypes);
    reader_fail(r, FNVM_E_INVALID, at, "unknown type %llu: the module has %u up to here",
                (unsigned long long)index, m->ntypes + group);
    return HEAP_FUNC;
}

HeapType read_type_index(Reader *r, const Module *m, uint32_t group)
{
    uint32_t at = r->pos, index = read_u32(r, "a type index");
    return r->error ? HEAP_FUNC : resolve_type(r, m, group, at, index);
}

HeapType read_heaptype(Reader *r, const Module *m, uint32_t group)
{
    uint32_t at = r->pos;
    if (!r->error && at < r->end && is_abstract(r->bytes[at]))
        return abstract_heap(r, m, at, r->bytes[r->pos++]);
    int64_t index = read_s33(r, "a heap type");
    if (r->error) return HEAP_FUNC;
    if (index < 0) {
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed heap type 0x%02x", r->bytes[at]);
        return HEAP_FUNC;
    }
    return resolve_type(r, m, group, at, (uint64_t)index);
}

/* ---- Value types ---- */

ValType read_valtype(Reader *r, const Module *m, uint32_t group)
{
    uint32_t at = r->pos, features = m->engine->config.features;
    uint8_t code = read_byte(r, "a value type");
    if (r->error) return TYPE_I32;
    switch (code) {
    case 0x7F: return TYPE_I32;
    case 0x7E: return TYPE_I64;
    case 0x7D: return TYPE_F32;
    case 0x7C: return TYPE_F64;
    case 0x7B: reader_need_feature(r, features, FNVM_FEATURE_SIMD, at, "v128"); return TYPE_V128;
    case 0x64:
    case 0x63:
        reader_need_feature(r, features, FNVM_FEATURE_FUNCTION_REFS, at, "a typed reference");
        return type_ref(read_heaptype(r, m, group), code == 0x63);
    default: break;
    }
    if (is_abstract(code)) return type_ref(abstract_heap(r, m, at, code), true);
    reader_fail(r, FNVM_E_MALFORMED, at, "malformed value type 0x%02x", code);
    return TYPE_I32;
}

ValType read_reftype(Reader *r, const Module *m, uint32_t group)
{
    uint32_t at = r->pos;
    ValType t = read_valtype(r, m, group);
    if (!r->error && !type_is_ref(t))
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed reference type 0x%02x", r->bytes[at]);
    return t;
}
