/* The forms of memory access.  Everything else is refused.
 *
 *   [rbp + d]             a frame slot, all bytes within FuncCode.frame_slots; not while the frame
 *                         register is ahead for a call
 *   [r15 - 128]           read: the poll page.  A point
 *   [r15 + d]             known fields: the links, id (4 bytes read), MemoryRef.base and .state,
 *                         TableRef.elems and .state, GlobalRef.value, imported functions (8 bytes
 *                         read), own globals (within the global; written only if mutable)
 *   [global]              an imported global, within its type's slots; written only if mutable
 *   [cpu + ints]          4 bytes read
 *   [cpu + fuel]          a number that is not negative subtracted, if fuel is counted
 *   [state + size]        of a memory or table: 8 bytes read
 *   [types + 4*t]         4 bytes read, t a type of the module
 *   [constants]           relative to the instruction, read, within the constants
 *   [memory 0 = r14 ...], [base of memory k ...], a memory of 32 bits and 64 KiB pages, which has
 *   8 GiB of addresses and a guard page behind.  A point
 *     + i + d             i zero-extended: at most 2^32 - 1; d the offset of the bytecode, at most
 *                         2^31 - 1; with 16 bytes less than 2^33
 *     + s                 s the sum of two such numbers or a constant, at most 2^33 - 2: with 16
 *                         bytes the access may reach into the guard
 *     + d                 d not below the offset of the bytecode
 *   [end - d]             any memory: end = index + distance, no carry, at most the memory's size,
 *                         plus its base; d no more than the distance, the width no more than d.  A
 *                         point
 *   [elements + 8*i]      i below the size of the same table; written if table.set checked it
 *   [object + d]          not null, as checked in the same instruction of the bytecode; d and width
 *                         are those of the field, or of the array's length
 *   [array + s*i + d]     i below its length, checked likewise; s and width are the element's
 *   [fresh + d]           just made, from a list or by the runtime: written where a field of its
 *                         type lies, or an element within its blocks
 *   [cpu + ints]          8 bytes read behind the call of the runtime that made an object: that
 *   [type + d]            a Type, found by its id in the registry: depth, comp or display read
 *   [lists ...], [reference], [display + 4*d]   in their sequences: verify_objects.c
 *   [table + 4*i], [func types + 4*i - 4], [zeroes]   in their sequences: verify_flow.c
 *
 * Points on accesses to memory are compared with the bytecode there: the same memory and width, and
 * both loads or both stores. */
#include "jit/x86_64/verify_state.h"
#include "vm/heap.h"

typedef struct Access {
    CodeCheck *c;
    const Insn *i;
    const State *s;
    Value *out;         /* what is loaded */
} Access;

static bool refuse(const Access *a, const char *why) { return reject(a->c, a->i, why); }

static bool is_plain(const Insn *i) { return i->index == GPR_NONE; }
static bool is_read(const Insn *i, uint32_t width) { return !i->is_store && i->width == width; }

/* ---- The frame ---- */

static bool frame_access(const Access *a)
{
    const Insn *i = a->i;
    const int64_t at = (int64_t)i->disp + JIT_FP_BIAS;
    if (a->s->shift) return refuse(a, "a frame slot while the frame register is ahead");
    if (!is_plain(i)) return refuse(a, "a frame slot by an index");
    if (at < 0 || at + i->width > (int64_t)a->c->code->frame_slots * 8)
        return refuse(a, "an access outside of the frame");
    if (at % (i->width < 8 ? i->width : 8)) return refuse(a, "an access across slots");
    return true;
}

Value address_value(const CodeCheck *c, const Insn *i, const State *s)
{
    const int64_t at = (int64_t)i->disp + JIT_FP_BIAS;
    if (i->base == GPR_NONE) return value_of(V_JUMPS, (uint32_t)insn_target(i));
    bool in_frame = i->base == ROLE_FRAME && is_plain(i) && s->shift == 0 && at >= 0 &&
                    at % 8 == 0 && at <= (int64_t)c->code->frame_slots * 8;
    return in_frame ? value_of(V_FRAME, (uint32_t)(at / 8)) : value_any(false);
}

/* ---- Linear memories ---- */

static bool is_guarded(const CodeCheck *c, uint32_t memory)
{
    if (memory >= c->m->nmemories) return false;
    const MemoryType *t = &c->m->memories[memory];
    return !t->limits.is64 && t->page_log2 == 16;
}

/* The point of an instruction that may fault; right behind a call it would be the call's. */
static const Point *fault_point(const Access *a)
{
    const Insn *before = a->i > a->c->insns ? a->i - 1 : NULL;
    if (before && insn_is_call(before) && before->at + before->length == a->i->at) return NULL;
    return point_at(a->c, a->i->at);
}

/* The bytecode of an access that may fault. */
static bool access_bytecode(const Access *a, uint32_t memory, Bytecode *b)
{
    const Point *p = fault_point(a);
    if (!p) return refuse(a, "an access to memory without a point");
    if (!bytecode_at(a->c, p->pc, b) || !b->bytes)
        return refuse(a, "an access to memory whose bytecode is none");
    if (b->first != memory) return refuse(a, "an access to another memory than the bytecode's");
    if (b->bytes != a->i->width) return refuse(a, "an access of another width than the bytecode's");
    if (b->is_store != a->i->is_store)
        return refuse(a, "a store for a load, or a load for a store");
    return true;
}

/* `v` is the number added to the base and the displacement: NULL if there is none. */
static bool guarded_access(const Access *a, uint32_t memory, const Value *v)
{
    Bytecode b;
    const int64_t disp = a->i->disp;
    if (!is_guarded(a->c, memory)) return refuse(a, "an unchecked access without a guard");
    if (!access_bytecode(a, memory, &b)) return false;
    if (!v)
        return (disp >= 0 && (uint64_t)disp >= b.offset) ||
               refuse(a, "an address below the bytecode's offset");
    const bool is_33 = (is_kind(*v, V_SUM) || is_kind(*v, V_BIG)) && v->index == 1;
    if (!v->zext && !is_33) return refuse(a, "an index whose upper half may not be zero");
    if (is_33 || b.offset > INT32_MAX)
        return disp == 0 || refuse(a, "a displacement on top of a sum");
    if (disp < 0 || ((uint64_t)disp != b.offset && !(is_kind(*v, V_CONST) && disp == 0)))
        return refuse(a, "a displacement that is not the bytecode's offset");
    return true;
}

static bool memory_0_access(const Access *a)
{
    const Insn *i = a->i;
    if (is_plain(i)) return guarded_access(a, 0, NULL);
    if (i->scale) return refuse(a, "a scaled index into memory");
    return guarded_access(a, 0, &a->s->reg[i->index]);
}

/* Through a register that holds the base, and perhaps an index. */
static bool memory_access(const Access *a, Value base)
{
    if (!is_plain(a->i)) return refuse(a, "an index on top of an address");
    const Value index = is_kind(base, V_MEMORY_33) ? value_of(V_SUM, 1) : value_any(true);
    return guarded_access(a, base.index, is_kind(base, V_MEMORY) ? NULL : &index);
}

static bool checked_access(const Access *a, Value end)
{
    Bytecode b;
    const int32_t disp = a->i->disp;
    if (!access_bytecode(a, end.index, &b)) return false;
    if (!is_plain(a->i) || disp >= 0 || -(int64_t)disp > end.room || a->i->width > -(int64_t)disp)
        return refuse(a, "an access that is not within what was checked");
    return true;
}

/* ---- The instance ---- */

/* Whether a displacement lies in an array of `n` things; which, and where in it. */
static bool in_array(uint32_t disp, uint32_t start, uint64_t n, uint32_t size, uint32_t *which,
                     uint32_t *field)
{
    if (disp < start || (disp - start) / size >= n) return false;
    *which = (disp - start) / size;
    *field = (disp - start) % size;
    return true;
}

static uint32_t type_bytes(ValType t) { return 8 * type_slots(t); }

static bool global_access(const Access *a, uint32_t x)
{
    const GlobalType *t = &a->c->m->globals[x].type;
    if (!is_plain(a->i) || a->i->width > type_bytes(t->type))
        return refuse(a, "an access wider than the global");
    return !a->i->is_store || t->is_mutable || refuse(a, "a store to an immutable global");
}

/* References to memories, tables and imports: pointers, 8 bytes read. */
static bool reference_value(const CodeCheck *c, uint32_t disp, Value *out)
{
    const Module *m = c->m;
    const RegionOffsets *o = &c->offsets;
    uint32_t x, field;
    if (in_array(disp, o->memories, m->nmemories, sizeof(MemoryRef), &x, &field)) {
        if (field == offsetof(MemoryRef, base)) return *out = value_of(V_MEMORY, x), true;
        if (field == offsetof(MemoryRef, state)) return *out = value_of(V_MEMORY_STATE, x), true;
        return false;
    }
    if (in_array(disp, o->tables, m->ntables, sizeof(TableRef), &x, &field)) {
        if (field == offsetof(TableRef, elems)) return *out = value_of(V_TABLE, x), true;
        if (field == offsetof(TableRef, state)) return *out = value_of(V_TABLE_STATE, x), true;
        return false;
    }
    if (in_array(disp, o->imported_globals, m->n_imported_globals, sizeof(GlobalRef), &x, &field))
        return *out = value_of(V_GLOBAL, x), field == offsetof(GlobalRef, value);
    if (in_array(disp, o->imported_funcs, m->n_imported_funcs, sizeof(FuncRef), &x, &field))
        return *out = value_of(V_IMPORT, x), field == 0;
    return false;
}

static bool link_value(uint32_t disp, Value *out)
{
    switch (disp) {
    case offsetof(Instance, links.cpu): *out = value_of(V_CPU, 0); return true;
    case offsetof(Instance, links.types): *out = value_of(V_TYPES, 0); return true;
    case offsetof(Instance, links.func_types): *out = value_of(V_FUNC_TYPES, 0); return true;
    case offsetof(Instance, links.entries): *out = value_of(V_ENTRIES, 0); return true;
    case offsetof(Instance, links.lists): *out = value_of(V_LISTS, 0); return true;
    case offsetof(Instance, links.defined_types): *out = value_of(V_DEFINED_TYPES, 0); return true;
    default: return false;
    }
}

static bool poll(const Access *a)
{
    if (!is_read(a->i, 4) || !fault_point(a)) return refuse(a, "a poll without a point");
    return true;
}

static bool instance_access(const Access *a)
{
    const Insn *i = a->i;
    const Module *m = a->c->m;
    const uint32_t disp = (uint32_t)i->disp;
    uint32_t x, field;
    if (!is_plain(i)) return refuse(a, "the instance by an index");
    if (i->disp == -128) return poll(a);
    if (i->disp < 0) return refuse(a, "an access before the instance");
    if (in_array(disp, a->c->offsets.globals, m->nglobals - m->n_imported_globals, 16, &x, &field))
        return field == 0 ? global_access(a, m->n_imported_globals + x)
                          : refuse(a, "an access to the middle of a global");
    if (disp == offsetof(Instance, id) && is_read(i, 4)) return *a->out = value_any(true), true;
    if (is_read(i, 8) && (link_value(disp, a->out) || reference_value(a->c, disp, a->out)))
        return true;
    return refuse(a, "an access to a part of the instance that code has no business with");
}

/* ---- Objects ---- */

static bool array_access(const Access *a, const Type *t)
{
    const Insn *i = a->i;
    const uint32_t size = storage_size(t->fields[0].type);
    const Value index = a->s->reg[i->index];
    bool by_element = size < 16 && is_kind(index, V_ARRAY_INDEX) && size == 1u << i->scale;
    bool by_byte = size == 16 && is_kind(index, V_ARRAY_SCALED) && i->scale == 0;
    if ((!by_element && !by_byte) || index.index != a->s->reg[i->base].index)
        return refuse(a, "an element whose index was not checked");
    if (i->disp != (int32_t)sizeof(Array) || i->width != size)
        return refuse(a, "an access that is not the element's");
    return true;
}

static bool object_access(const Access *a, Value object)
{
    const Insn *i = a->i;
    Bytecode b;
    if (!bytecode_at(a->c, object.index, &b)) return refuse(a, "an object of no instruction");
    const bool sets = b.op == op_struct_set || b.op == op_array_set;
    if (b.op == op_array_len && is_plain(i) && is_read(i, 4) && i->disp == offsetof(Array, length))
        return *a->out = value_any(true), true;
    if (b.op < op_struct_get || b.op > op_array_set || b.first >= a->c->m->ntypes)
        return refuse(a, "an access to an object by an instruction that has none");
    const Type *t = types_get(&a->c->m->engine->types, a->c->m->types[b.first]);
    if (t->comp == COMP_ARRAY && is_plain(i) && is_read(i, 4) && i->disp == offsetof(Array, length))
        return *a->out = (Value){.kind = V_ARRAY_LENGTH, .index = object.index, .zext = true}, true;
    if (i->is_store != sets) return refuse(a, "a store for a load, or a load for a store");
    if (t->comp == COMP_ARRAY && !is_plain(i)) return array_access(a, t);
    if (t->comp != COMP_STRUCT || !is_plain(i) || b.second >= t->nfields)
        return refuse(a, "an access to an object that is of no allowed form");
    const Field *f = &t->fields[b.second];
    return (i->disp == (int32_t)f->offset && i->width == storage_size(f->type)) ||
           refuse(a, "an access that is not the field's");
}

/* ---- Others ---- */

static bool constant_access(const Access *a)
{
    const int64_t at = insn_target(a->i);
    if (a->i->is_store) return refuse(a, "a store to the code");
    return at + a->i->width <= a->c->compiled->code_size || refuse(a, "a constant cut off");
}

static bool table_access(const Access *a, Value table)
{
    const Insn *i = a->i;
    bool is_element = !is_plain(i) && i->scale == 3 && i->disp == 0 && i->width == 8;
    if (!is_element) return refuse(a, "an access to a table that is no element");
    const Value index = a->s->reg[i->index];
    if (!is_kind(index, V_TABLE_INDEX) || index.index != table.index)
        return refuse(a, "an element whose index was not checked");
    if (i->is_store && !index.room) return refuse(a, "a store for a load, or a load for a store");
    *a->out = value_of(V_ELEMENT, table.index);
    return true;
}

static bool size_access(const Access *a, uint32_t field, ValueKind kind, Value state)
{
    if (!is_plain(a->i) || !is_read(a->i, 8) || a->i->disp != (int32_t)field)
        return refuse(a, "an access to a memory or table that is not its size");
    *a->out = value_of(kind, state.index);
    if (kind == V_MEMORY_SIZE) { /* pages of a byte: as many as 32 bits count */
        const MemoryType *t = &a->c->m->memories[state.index];
        a->out->zext = !t->limits.is64 && t->page_log2 == 0;
    }
    return true;
}

static bool types_access(const Access *a)
{
    const Insn *i = a->i;
    if (!is_plain(i) || !is_read(i, 4) || i->disp < 0 || i->disp % 4 ||
        (uint32_t)i->disp / 4 >= a->c->m->ntypes)
        return refuse(a, "an access to the types that is no type of the module");
    *a->out = (Value){.kind = V_TYPE, .index = (uint32_t)i->disp / 4, .zext = true};
    return true;
}

/* Arithmetic in memory is for the store's counter of fuel, which lies near the cpu. */
static bool fuel_access(const Access *a)
{
    const Insn *i = a->i;
    const int32_t counter = (int32_t)offsetof(Store, fuel) - (int32_t)offsetof(Store, cpu);
    bool counts = a->c->m->engine->config.fuel && is_kind(a->s->reg[i->base], V_CPU) &&
                  is_plain(i) && i->disp == counter && i->width == 8 && (int64_t)i->imm >= 0;
    return counts || refuse(a, "arithmetic in memory");
}

static bool cpu_access(const Access *a)
{
    const Insn *i = a->i;
    return (is_plain(i) && is_read(i, 4) && i->disp == (int32_t)offsetof(GuestCpu, ints)) ||
           refuse(a, "an access to a part of the cpu that code has no business with");
}

static bool sequence_access(const Access *a, Value base)
{
    const Insn *i = a->i;
    switch (i->role) {
    case ROLE_TABLE_LOAD:
        if (is_kind(base, V_JUMPS) && a->s->reg[i->index].zext) return true;
        return refuse(a, "an index into a jump table whose upper half may not be zero");
    case ROLE_FILL:
        if (is_kind(base, V_FRESH) && fresh_store(a->c, a->i, base)) return true;
        return refuse(a, "an array filled beyond its end");
    default: return true; /* what it goes by was loaded in the sequence */
    }
}

static bool pointer_access(const Access *a, Value base)
{
    switch ((ValueKind)base.kind) {
    case V_MEMORY: case V_MEMORY_32: case V_MEMORY_33: return memory_access(a, base);
    case V_MEMORY_END: return checked_access(a, base);
    case V_MEMORY_STATE:
        return size_access(a, offsetof(MemoryState, size), V_MEMORY_SIZE, base);
    case V_TABLE_STATE: return size_access(a, offsetof(TableState, size), V_TABLE_SIZE, base);
    case V_TABLE: return table_access(a, base);
    case V_OBJECT: return object_access(a, base);
    case V_GLOBAL:
        if (a->i->disp != 0) return refuse(a, "an access beside a global");
        return global_access(a, base.index);
    case V_CPU: return cpu_access(a);
    case V_TYPES: return types_access(a);
    case V_FRESH:
        return fresh_store(a->c, a->i, base) || refuse(a, "a store that is no value of the object");
    case V_MADE:
        *a->out = (Value){.kind = V_FRESH, .index = base.index, .room = base.room};
        return (is_plain(a->i) && is_read(a->i, 8) &&
                a->i->disp == (int32_t)offsetof(GuestCpu, ints)) ||
               refuse(a, "a read that is not of the object made");
    case V_DEFINED_TYPE:
        return defined_type_read(a->i) || refuse(a, "an access to a type that casts do not need");
    default: return refuse(a, "an access through a register that holds no known address");
    }
}

bool check_access(CodeCheck *c, const Insn *i, const State *s, Value *out)
{
    const Access a = {c, i, s, out};
    *out = value_any(i->width < 8);
    if (i->role != ROLE_NONE) return sequence_access(&a, s->reg[i->base]);
    if (i->op == M_SUB && i->is_store)
        return i->base < GPR_COUNT ? fuel_access(&a) : refuse(&a, "a store to the code");
    switch (i->base) {
    case GPR_NONE: return constant_access(&a);
    case ROLE_FRAME: return frame_access(&a);
    case ROLE_INSTANCE: return instance_access(&a);
    case ROLE_MEMORY: return memory_0_access(&a);
    case ROLE_STACK: return refuse(&a, "an access to the control stack");
    default: return pointer_access(&a, s->reg[i->base]);
    }
}
