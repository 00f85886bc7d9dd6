/* Making small objects in place: a block off the store's list (ObjectLists), its head, its fields.
 *
 * Nothing goes home for that.  Where the list is empty or the object too large, which is seen
 * before anything has changed, code behind the function saves the registers in use to their slots,
 * has the runtime make the object, and loads them again (the stub leaves the GuestCpu in SCRATCH).
 * Blocks are zero but for their first word, which the head overwrites: zeros need no store. */
#include "jit/x86_64/compiler.h"
#include "vm/heap.h"
#include "vm/interpreter.h"

enum { LISTED_GRANULES = OBJECT_LISTED / OBJECT_GRANULE };

static Mem instance_field(size_t offset) { return mem_at(REG_INSTANCE, (int32_t)offset); }

/* What is to be made: a struct, or an array of a known length or one in a register. */
typedef struct NewObject {
    const Type *type;
    uint32_t index;          /* of the type */
    uint32_t length;
    Reg length_reg;          /* or NO_REG */
} NewObject;

static uint64_t object_size(const NewObject *n)
{
    if (n->type->comp == COMP_STRUCT) return n->type->size;
    return sizeof(Array) + (uint64_t)n->length * storage_size(n->type->fields[0].type);
}

/* ---- The slow path ---- */

static void save(Compiler *c, SavedReg saved)
{
    if (!compiler_room(c, &c->saved, &c->saved_size, c->nsaved, sizeof *c->saved)) return;
    c->saved[c->nsaved++] = saved;
}

/* Notes which registers hold something now.  `object` may be a pin: its local is set next. */
static uint32_t save_registers(Compiler *c, Reg object)
{
    const Pins *p = &c->regions[c->region];
    uint32_t first = c->nsaved;
    for (uint32_t i = c->flushed; i < c->nops; i++) {
        const Operand *o = &c->ops[i];
        if (o->where == IN_REG)
            save(c, (SavedReg){.reg = o->reg, .kind = o->kind, .slot = o->slot, .store = true});
    }
    uint32_t valid = c->pin.valid & ~REG_BIT(object);
    for (; valid; valid &= valid - 1) {
        Reg r = (Reg)__builtin_ctz(valid);
        uint32_t x = p->local[r];
        save(c, (SavedReg){.reg = r, .kind = c->local_kind[x], .slot = c->local_slot[x],
                           .store = c->pin.dirty >> r & 1});
    }
    return c->nsaved - first;
}

static SlowNew *slow_new(Compiler *c, const NewObject *n, Reg object)
{
    uint32_t first = c->nsaved, count = save_registers(c, object);
    if (!compiler_room(c, &c->slow_news, &c->slow_news_size, c->nslow_news, sizeof *c->slow_news))
        return NULL;
    SlowNew *s = &c->slow_news[c->nslow_news++];
    *s = (SlowNew){.pc = c->at, .type = n->index, .saved = first, .nsaved = count,
                   .length = n->length, .length_reg = n->length_reg, .object = object};
    return s;
}

static void finish_new(Compiler *c, SlowNew *s)
{
    Assembler *a = &c->a;
    const uint32_t end = s->saved + s->nsaved;
    label_bind(a, &s->from);
    for (uint32_t i = s->saved; i < end; i++) {
        const SavedReg *r = &c->saved[i];
        if (r->store) emit_store_slot(c, (Kind)r->kind, r->slot, r->reg);
    }
    if (s->length_reg == NO_REG) asm_mov_ri(a, RCX, s->length);
    else emit_move(c, KIND_I32, RCX, s->length_reg);
    asm_mov_ri(a, RDX, s->type);
    asm_mov_ri(a, RAX, RT_new_object);
    asm_dm(a, X_JMP_RM, false, 2, instance_field(offsetof(Instance, links.stubs[STUB_RUNTIME])));
    points_add(&c->points, asm_offset(a), s->pc, 0);
    asm_rm(a, X_MOV, true, s->object, mem_at(SCRATCH, (int32_t)offsetof(GuestCpu, ints)));
    for (uint32_t i = s->saved; i < end; i++)
        emit_load_slot(c, (Kind)c->saved[i].kind, c->saved[i].reg, c->saved[i].slot);
    Label back = {.bound = true, .at = s->back};
    asm_jmp(a, &back);
}

void finish_news(Compiler *c)
{
    for (uint32_t i = 0; i < c->nslow_news && !c->failed; i++) {
        asm_room(&c->a, ASM_ROOM);
        finish_new(c, &c->slow_news[i]);
    }
}

/* ---- The block ---- */

static int32_t list_offset(bool has_refs, uint64_t granules)
{
    return (int32_t)offsetof(ObjectLists, head[has_refs ? 1 : 0][granules]);
}

/* Where the head of the list is for an array of a length that is known only now; the granules are
 * left in `temp`.  Too long: the slow path. */
static Mem list_by_length(Compiler *c, const NewObject *n, Reg temp, Label *slow)
{
    Assembler *a = &c->a;
    uint32_t size = storage_size(n->type->fields[0].type);
    asm_alu_ri(a, ALU_CMP, false, n->length_reg, (int32_t)((OBJECT_LISTED - sizeof(Array)) / size));
    asm_jcc(a, CC_A, slow);
    asm_rr(a, X_MOV, false, temp, n->length_reg);
    if (size > 1) asm_shift_ri(a, SHIFT_SHL, false, temp, (uint32_t)__builtin_ctz(size));
    asm_alu_ri(a, ALU_ADD, false, temp, (int32_t)sizeof(Array) + OBJECT_GRANULE - 1);
    asm_shift_ri(a, SHIFT_SHR, false, temp, (uint32_t)__builtin_ctz(OBJECT_GRANULE));
    return mem_index(SCRATCH, temp, 3, list_offset(n->type->has_refs, 0));
}

static void emit_take(Compiler *c, Reg object, Reg next, Mem head, Label *slow)
{
    Assembler *a = &c->a;
    asm_rm(a, X_MOV, true, SCRATCH, instance_field(offsetof(Instance, links.lists)));
    asm_rm(a, X_MOV, true, object, head);
    asm_rr(a, X_TEST, true, object, object);
    asm_jcc(a, CC_E, slow);
    asm_rm(a, X_MOV, true, next, mem_at(object, 0));
    asm_rm(a, X_MOV_STORE, true, next, head);
}

static void emit_head(Compiler *c, const NewObject *n, Reg object, Reg temp)
{
    Assembler *a = &c->a;
    asm_rm(a, X_MOV, false, SCRATCH, mem_at(SCRATCH, (int32_t)offsetof(ObjectLists, tag)));
    asm_rm(a, X_MOV, true, temp, instance_field(offsetof(Instance, links.types)));
    asm_rm(a, X_MOV, false, temp, mem_at(temp, (int32_t)(4 * n->index)));
    asm_rm(a, X_MOV_STORE, false, temp, mem_at(object, (int32_t)offsetof(Object, type)));
    asm_rm(a, X_MOV_STORE, false, SCRATCH, mem_at(object, (int32_t)offsetof(Object, store)));
    if (n->type->comp != COMP_ARRAY) return;
    Mem length = mem_at(object, (int32_t)offsetof(Array, length));
    if (n->length_reg != NO_REG) asm_rm(a, X_MOV_STORE, false, n->length_reg, length);
    else asm_mov_mi(a, false, length, (int32_t)n->length);
}

/* The object in a register, all its values zero.  Operands and pins are as they were but for what
 * getting registers moves; that of the length is kept. */
static Reg make_object(Compiler *c, const NewObject *n)
{
    const bool is_dynamic = n->length_reg != NO_REG;
    Reg object = dest(c, KIND_I64, NO_REG), temp = temp_int(c);
    Reg granules = is_dynamic ? temp_int(c) : NO_REG;
    SlowNew *slow = slow_new(c, n, object);
    if (!slow) return object;
    Mem head = is_dynamic ? list_by_length(c, n, granules, &slow->from)
                          : mem_at(SCRATCH, list_offset(n->type->has_refs,
                                                        object_granules(object_size(n))));
    emit_take(c, object, temp, head, &slow->from);
    emit_head(c, n, object, temp);
    slow->back = asm_offset(&c->a);
    release(c, temp, NO_REG);
    release(c, granules, NO_REG);
    return object;
}

/* ---- Its values ---- */

/* Pops a value into its place. */
static void store_value(Compiler *c, ValType t, Mem at)
{
    asm_room(&c->a, ASM_ROOM);
    if (top_is_const(c, 0) && top(c, 0)->bits == 0) {
        drop_top(c);
        return;
    }
    Storage s = storage_of(t, false);
    Reg value = pop_reg(c);
    asm_rm(&c->a, s.store, s.wide_store, value, at);
    release(c, value, NO_REG);
}

static void new_struct(Compiler *c, const NewObject *n, bool with_fields)
{
    Reg object = make_object(c, n);
    for (uint32_t i = n->type->nfields; with_fields && i-- > 0;)
        store_value(c, n->type->fields[i].type, mem_at(object, (int32_t)n->type->fields[i].offset));
    push_reg(c, KIND_I64, object);
}

static void new_fixed(Compiler *c, const NewObject *n)
{
    ValType elem = n->type->fields[0].type;
    Reg object = make_object(c, n);
    for (uint32_t i = n->length; i-- > 0;)
        store_value(c, elem, mem_at(object, (int32_t)(sizeof(Array) + i * storage_size(elem))));
    push_reg(c, KIND_I64, object);
}

/* Pops a value and writes it to all elements, the last one first. */
static void fill(Compiler *c, const NewObject *n, Reg object)
{
    Assembler *a = &c->a;
    ValType elem = n->type->fields[0].type;
    Storage s = storage_of(elem, false);
    int32_t size = (int32_t)storage_size(elem);
    Reg value = pop_reg(c), at = temp_int(c);
    asm_mov_ri(a, at, (uint64_t)n->length * (uint32_t)size);
    Label again = {.bound = true, .at = asm_offset(a)};
    asm_rm(a, s.store, s.wide_store, value,
           mem_index(object, at, 0, (int32_t)sizeof(Array) - size));
    asm_alu_ri(a, ALU_SUB, false, at, size);
    asm_jcc(a, CC_NE, &again);
    release(c, at, NO_REG);
    release(c, value, NO_REG);
}

/* The length is on top, the value (of array.new) below. */
static void new_array(Compiler *c, NewObject *n, bool with_value)
{
    const bool is_const = top_is_const(c, 0);
    if (is_const) {
        drop_top(c);
    } else {
        n->length_reg = pop_reg(c);
        push_back(c, KIND_I32, n->length_reg);
    }
    Reg object = make_object(c, n);
    if (!is_const) drop_top(c);
    if (with_value && n->length > 0 && !(top_is_const(c, 0) && top(c, 0)->bits == 0))
        fill(c, n, object);
    else if (with_value)
        drop_top(c);
    push_reg(c, KIND_I64, object);
}

/* ---- The instructions ---- */

/* What is left to the runtime: large objects, lengths that fuel is charged for (fuel_for), and
 * values repeated as often as only the running program knows. */
static bool is_in_place(Compiler *c, const NewObject *n, Op op)
{
    const bool is_free = !c->m->engine->config.fuel;
    if (object_size(n) > OBJECT_LISTED) return false;
    if (op == op_struct_new || op == op_struct_new_default) return true;
    if (op == op_array_new_fixed || top_is_const(c, 0)) return is_free || n->length < FUEL_BULK;
    return is_free && (op == op_array_new_default || (top_is_const(c, 1) && top(c, 1)->bits == 0));
}

bool compile_new(Compiler *c, Op op)
{
    const uint32_t start = c->pc;
    if (op == op_array_new_data || op == op_array_new_elem) return false;
    NewObject n = {.index = (uint32_t)read_u(c), .length_reg = NO_REG};
    n.type = types_get(&c->m->engine->types, c->m->types[n.index]);
    if (op == op_array_new_fixed) n.length = (uint32_t)read_u(c);
    else if (op == op_array_new || op == op_array_new_default)
        n.length = top_is_const(c, 0) ? (uint32_t)top(c, 0)->bits : 0;
    if (!is_in_place(c, &n, op)) {
        c->pc = start;
        return false;
    }
    switch (op) {
    case op_struct_new: case op_struct_new_default: new_struct(c, &n, op == op_struct_new); break;
    case op_array_new_fixed: new_fixed(c, &n); break;
    default: new_array(c, &n, op == op_array_new); break;
    }
    return true;
}
