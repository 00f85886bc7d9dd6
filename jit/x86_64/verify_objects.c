/* The sequences that make objects and cast references; nobody may jump into one.
 *
 *   taking a block off a list: of the granules of a struct or of an array of constant length, or as
 *   many as a length needs; a jump in it leads to where the runtime makes the object
 *       [cmp n, most; ja slow; mov g, n; [shl g, log2 size]; add g, 31; shr g, 4]
 *       mov r11, [lists]; mov o, [r11 + head]; test o, o; je slow; mov t, [o]; mov [r11 + head], t;
 *       mov r11d, [r11 + tag]; mov t, [types]; mov t, [t + 4*type]; mov [o], t; mov [o + 4], r11d;
 *       [mov [o + 8], length]
 *   writing a value to all elements
 *       mov i, n * size; mov [o + i + 16 - size], v; sub i, size; jne
 *   the type id of what is neither null nor an i31, compared or loaded; the latter too if it was
 *   not equal, or if the i31 was told from it by its bit
 *       test r, r; je / cmp r, 1; jb;  test r, 1; jne;  cmp id, [r] / mov r11d, [r]
 *       cmp id, [r]; je; mov r11d, [r]
 *       test r, r; je / cmp r, 1; jb;  mov r11d, r; and r11d, 1; xor r11d, 1; je; mov r11d, [r]
 *   its Type, if it is an id, and the display of that
 *       mov r11d, [r] as above; cmp r11d, ids - 1; ja; mov t, r11d; shr t, 10; shl t, 3;
 *       add t, [defined types]; and r11d, 1023; imul r11, size of Type; add r11, [t]
 *       cmp [r11 + depth], d; jb; mov r11, [r11 + display]; cmp id, [r11 + 4*d]
 *
 * That `r` is a reference is not proven: it is read through, not written. */
#include "jit/x86_64/verify_state.h"
#include "vm/heap.h"

static bool has_before(const CodeCheck *c, const Insn *i, uint32_t n)
{
    return (size_t)(i - c->insns) >= n;
}

static const Type *module_type(const CodeCheck *c, uint32_t index)
{
    return types_get(&c->m->engine->types, c->m->types[index]);
}

static uint64_t new_size(const Type *t, uint64_t length)
{
    return t->comp == COMP_STRUCT ? t->size
                                  : sizeof(Array) + length * storage_size(t->fields[0].type);
}

uint8_t fresh_room(const CodeCheck *c, uint32_t type, uint64_t length)
{
    uint64_t size = new_size(module_type(c, type), length);
    return size <= OBJECT_LISTED ? (uint8_t)object_granules(size) : 1;
}

/* ---- Taking a block ---- */

enum { NEW_INSNS = 11 };

/* The instructions before the lists are loaded, `i` being the last of them, leave in `g` the
 * granules of an array of length `n`. */
static bool counts_granules(const CodeCheck *c, Insn *i, const Type *t, uint8_t g, uint8_t *n)
{
    const uint32_t size = storage_size(t->fields[0].type);
    uint32_t count = size > 1 ? 6 : 5;
    if (t->comp != COMP_ARRAY || !has_before(c, i, count - 1)) return false;
    Insn *p = i;
    if (!is_imm(p--, M_SHR, false, g, 4) || !is_imm(p--, M_ADD, false, g, sizeof(Array) + 15))
        return false;
    if (size > 1 && !is_imm(p--, M_SHL, false, g, (uint64_t)__builtin_ctz(size))) return false;
    *n = p->rm;
    bool known = *n < GPR_COUNT && *n != g && is_reg(p, M_MOV, false, g, *n) &&
                 is_jcc(p - 1, CC_ABOVE) && p[-2].imm <= (OBJECT_LISTED - sizeof(Array)) / size &&
                 is_imm(p - 2, M_CMP, false, *n, p[-2].imm);
    if (known) mark_inner(i, count - 1);
    return known;
}

static bool is_list_access(const Insn *i, uint32_t op, uint32_t reg)
{
    return i->op == op && i->is_memory && i->wide && i->reg == reg && i->base == GPR_11 &&
           !i->has_imm;
}

/* `i` writes the tag. */
static bool is_taking(const CodeCheck *c, const Insn *i, uint32_t o, uint32_t t, uint32_t *type)
{
    if (o >= GPR_COUNT || t >= GPR_COUNT || o == t || o == GPR_11 || t == GPR_11) return false;
    *type = (uint32_t)i[-2].disp / 4;
    return is_mem(i - 1, M_STORE, false, t, o, 0) && !i[-1].has_imm && i[-1].width == 4 &&
           is_mem(i - 2, M_MOV, false, t, t, 4 * (int64_t)*type) && *type < c->m->ntypes &&
           is_mem(i - 3, M_MOV, true, t, ROLE_INSTANCE, field(offsetof(Instance, links.types))) &&
           is_mem(i - 4, M_MOV, false, GPR_11, GPR_11, field(offsetof(ObjectLists, tag))) &&
           is_list_access(i - 5, M_STORE, t) && is_mem(i - 6, M_MOV, true, t, o, 0) &&
           is_jcc(i - 7, CC_EQUAL) && is_reg(i - 8, M_TEST, true, o, o) &&
           is_list_access(i - 9, M_MOV, o) && i[-9].index == i[-5].index &&
           i[-9].scale == i[-5].scale && i[-9].disp == i[-5].disp &&
           is_mem(i - 10, M_MOV, true, GPR_11, ROLE_INSTANCE,
                  field(offsetof(Instance, links.lists)));
}

/* The granules of a list for objects of type `t`; 0 if there is none at that place of ObjectLists,
 * or its blocks are not of the size. */
static uint8_t list_granules(const Type *t, int64_t disp)
{
    const int64_t at = disp - field(offsetof(ObjectLists, head[t->has_refs ? 1 : 0]));
    if (at % 8 || at < 8 || at > 8 * OBJECT_LISTED / OBJECT_GRANULE) return 0;
    const uint8_t granules = (uint8_t)(at / 8);
    return t->comp == COMP_ARRAY || granules == object_granules(t->size) ? granules : 0;
}

/* `list` accesses the head for as many granules as a register says: those of `n` elements. */
static bool is_list_by_length(const CodeCheck *c, const Insn *list, Insn *before, const Type *t,
                              uint8_t *n)
{
    const Insn *tag = list + 5;
    const uint8_t g = list->index;
    return list->scale == 3 && g != GPR_11 && g != tag->base && g != tag[-1].reg &&
           list->disp == field(offsetof(ObjectLists, head[t->has_refs ? 1 : 0])) &&
           counts_granules(c, before, t, g, n);
}

static void recognise_new(CodeCheck *c, Insn *i)
{
    uint32_t type;
    uint8_t n = GPR_NONE, room = 1;
    const bool writes_tag = i->reg == GPR_11 && !i->has_imm && i->width == 4 &&
                            i->index == GPR_NONE && i->disp == field(offsetof(Object, store));
    if (!writes_tag || !has_before(c, i, NEW_INSNS - 1) ||
        !is_taking(c, i, i->base, i[-1].reg, &type))
        return;
    const Type *t = module_type(c, type);
    const bool by_length = i[-5].index != GPR_NONE;
    if (t->comp == COMP_FUNC) return;
    if (!by_length) room = list_granules(t, i[-5].disp);
    else if (!has_before(c, i, NEW_INSNS) ||
             !is_list_by_length(c, i - 5, i - NEW_INSNS, t, &n))
        return;
    if (!room) return;
    i[-9].role = i[-6].role = i[-5].role = i[-4].role = i[-1].role = ROLE_LIST;
    i->role = ROLE_NEW_HEAD;
    i->target = type;
    i->imm = room;
    i->rm = n;
    mark_inner(i, by_length ? NEW_INSNS : NEW_INSNS - 1);
}

/* Behind that, of an array: what fills the block, or the length that was looked at. */
static void recognise_length(CodeCheck *c, Insn *i)
{
    if (!has_before(c, i, 1) || i[-1].role != ROLE_NEW_HEAD || i->base != i[-1].base ||
        i->index != GPR_NONE || i->width != 4 || i->disp != field(offsetof(Array, length)))
        return;
    const Type *t = module_type(c, i[-1].target);
    const bool is_right = i[-1].rm != GPR_NONE
        ? !i->has_imm && i->reg == i[-1].rm
        : i->has_imm && i->imm <= OBJECT_LISTED &&
              object_granules(new_size(t, i->imm)) == i[-1].imm;
    if (t->comp != COMP_ARRAY || !is_right) return;
    i->role = ROLE_NEW_LENGTH;
    mark_inner(i, 1);
}

/* ---- Its values ---- */

void recognise_fill(CodeCheck *c, Insn *i)
{
    if (!has_before(c, i, 3) || !is_jcc(i, CC_NOT_EQUAL) || insn_target(i) != i[-2].at) return;
    const uint32_t at = i[-2].index, size = i[-2].width;
    if (i[-2].is_store && i[-2].is_memory && at < GPR_COUNT && i[-2].scale == 0 && size > 0 &&
        i[-2].disp == field(sizeof(Array)) - (int32_t)size && i[-2].base != at &&
        is_imm(i - 1, M_SUB, false, at, size) && i[-3].op == M_MOV_IMM && i[-3].reg == at &&
        i[-3].imm >= size && i[-3].imm % size == 0 && i[-3].imm <= OBJECT_LISTED) {
        i[-2].role = ROLE_FILL;
        mark_inner(i, 2);
    }
}

bool fresh_store(const CodeCheck *c, const Insn *i, Value fresh)
{
    const Type *t = module_type(c, fresh.index);
    const int64_t end = (int64_t)fresh.room * OBJECT_GRANULE;
    if (!i->is_store) return false;
    if (t->comp == COMP_STRUCT) {
        for (uint32_t n = 0; n < t->nfields && i->index == GPR_NONE; n++) {
            const Field *f = &t->fields[n];
            if (i->disp == (int64_t)f->offset && i->width == storage_size(f->type)) return true;
        }
        return false;
    }
    const uint32_t size = storage_size(t->fields[0].type);
    if (i->width != size) return false;
    if (i->role == ROLE_FILL) return (int64_t)(sizeof(Array) + i[-1].imm) <= end;
    return i->index == GPR_NONE && i->disp >= field(sizeof(Array)) &&
           (i->disp - field(sizeof(Array))) % (int32_t)size == 0 && i->disp + (int64_t)size <= end;
}

/* ---- Casts ---- */

/* `i` jumps if `r` is null; whether the flags are about that. */
static bool is_null_test(const Insn *i, uint32_t r)
{
    return (is_jcc(i, CC_EQUAL) && is_reg(i - 1, M_TEST, true, r, r)) ||
           (is_jcc(i, CC_BELOW) && is_imm(i - 1, M_CMP, true, r, 1));
}

static void recognise_type_id(CodeCheck *c, Insn *i)
{
    const uint32_t r = i->base;
    uint32_t count = 0;
    if (r >= GPR_COUNT || r == GPR_11 || !is_mem(i, i->op, false, i->reg, r, 0) || i->has_imm)
        return;
    const bool loads = i->op == M_MOV && i->reg == GPR_11;
    if (!loads && (i->op != M_CMP || i->reg >= GPR_COUNT)) return;
    if (has_before(c, i, 4) && is_jcc(i - 1, CC_NOT_EQUAL) &&
        is_imm(i - 2, M_TEST, false, r, 1) && is_null_test(i - 3, r))
        count = 4;
    else if (loads && has_before(c, i, 2) && is_jcc(i - 1, CC_EQUAL) &&
             i[-2].role == ROLE_TYPE_ID && i[-2].base == r)
        count = 2;
    else if (loads && has_before(c, i, 6) && is_jcc(i - 1, CC_EQUAL) &&
             is_imm(i - 2, M_XOR, false, GPR_11, 1) && is_imm(i - 3, M_AND, false, GPR_11, 1) &&
             is_reg(i - 4, M_MOV, false, GPR_11, r) && is_null_test(i - 5, r))
        count = 6;
    if (!count) return;
    i->role = ROLE_TYPE_ID;
    mark_inner(i, count);
}

static void recognise_type(CodeCheck *c, Insn *i)
{
    const uint32_t t = i->base;
    if (!is_mem(i, M_ADD, true, GPR_11, t, 0) || t >= GPR_COUNT || t == GPR_11 ||
        !has_before(c, i, 9) || i[-9].role != ROLE_TYPE_ID || i[-9].op != M_MOV)
        return;
    const Insn *scaled = i - 1;
    bool known = scaled->op == M_IMUL && scaled->wide && !scaled->is_memory && scaled->has_imm &&
                 scaled->reg == GPR_11 && scaled->rm == GPR_11 && scaled->imm == sizeof(Type) &&
                 is_imm(i - 2, M_AND, false, GPR_11, TYPES_PER_CHUNK - 1) &&
                 is_mem(i - 3, M_ADD, true, t, ROLE_INSTANCE,
                        field(offsetof(Instance, links.defined_types))) &&
                 is_imm(i - 4, M_SHL, false, t, 3) &&
                 is_imm(i - 5, M_SHR, false, t, (uint64_t)__builtin_ctz(TYPES_PER_CHUNK)) &&
                 is_reg(i - 6, M_MOV, false, t, GPR_11) && is_jcc(i - 7, CC_ABOVE) &&
                 is_imm(i - 8, M_CMP, false, GPR_11, TYPES_PER_CHUNK * TYPE_CHUNKS - 1);
    if (!known) return;
    i->role = ROLE_TYPE;
    mark_inner(i, 9);
}

static void recognise_display(CodeCheck *c, Insn *i)
{
    if (i->base != GPR_11 || i->has_imm || !has_before(c, i, 4) || i[-4].role != ROLE_TYPE) return;
    const Insn *depth = i - 3;
    bool known = is_mem(i, M_CMP, false, i->reg, GPR_11, 4 * (int64_t)depth->imm) &&
                 depth->imm < UINT16_MAX &&
                 is_mem(i - 1, M_MOV, true, GPR_11, GPR_11, field(offsetof(Type, display))) &&
                 is_jcc(i - 2, CC_BELOW) && depth->has_imm &&
                 is_mem(depth, M_CMP, false, GPR_NONE, GPR_11, field(offsetof(Type, depth)));
    if (!known) return;
    i->role = ROLE_DISPLAY;
    mark_inner(i, 4);
}

bool defined_type_read(const Insn *i)
{
    if (i->is_store || i->index != GPR_NONE) return false;
    return (i->disp == field(offsetof(Type, depth)) && i->width == 4) ||
           (i->disp == field(offsetof(Type, comp)) && i->width == 1) ||
           (i->disp == field(offsetof(Type, display)) && i->width == 8);
}

/* ---- All ---- */

void recognise_object(CodeCheck *c, Insn *i)
{
    switch ((MachineOp)i->op) {
    case M_STORE:
        recognise_new(c, i);
        recognise_length(c, i);
        break;
    case M_MOV: recognise_type_id(c, i); break;
    case M_CMP:
        recognise_type_id(c, i);
        recognise_display(c, i);
        break;
    case M_ADD: recognise_type(c, i); break;
    default: break;
    }
}
