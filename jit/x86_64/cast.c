/* Casts: whether a reference belongs to a heap type (standard, 4.2.2), in place.
 *
 * The answer is a condition on the flags, where the ways of all kinds of references meet.
 * A defined type is the one of the object's head, or stands in the display of that (3.3); its id is
 * the engine's, which code on disk cannot know, so it is read from the module's types.  References
 * to functions are left to the runtime but for the types that are all or none of them. */
#include "jit/x86_64/compiler.h"
#include "vm/heap.h"

/* Every id is below; OBJECT_HOST and the like are not. */
enum { TYPE_IDS = TYPES_PER_CHUNK * TYPE_CHUNKS };

static Mem instance_field(size_t offset) { return mem_at(REG_INSTANCE, (int32_t)offset); }

bool read_cast_target(Compiler *c, bool nullable, CastTarget *out)
{
    static const HeapType abstract[] = { /* by code 0x69.. (5.3.3) */
        HEAP_EXN, HEAP_ARRAY, HEAP_STRUCT, HEAP_I31, HEAP_EQ, HEAP_ANY, HEAP_EXTERN, HEAP_FUNC,
        HEAP_NONE, HEAP_NOEXTERN, HEAP_NOFUNC, HEAP_NOEXN};
    int32_t code = (int32_t)read_s(c);
    HeapType heap = code >= 0 ? c->m->types[code] : abstract[(code & 0x7F) - 0x69];
    *out = (CastTarget){.code = code, .heap = heap, .nullable = nullable};
    return code < 0 || types_top(&c->m->engine->types, heap) != HEAP_FUNC;
}

/* Jumps forward to where the ways come together, the flags set: E if the reference matches. */
typedef struct Ways { uint32_t from[6]; uint32_t n; } Ways;

static void way(Compiler *c, Ways *w, Condition cc) { w->from[w->n++] = asm_jcc_short(&c->a, cc); }

static void ways_meet(Compiler *c, const Ways *w)
{
    for (uint32_t i = 0; i < w->n; i++) asm_land(&c->a, w->from[i]);
}

static void way_of_null(Compiler *c, Ways *w, Reg ref, const CastTarget *target)
{
    if (target->nullable) {
        asm_rr(&c->a, X_TEST, true, ref, ref);
        way(c, w, CC_E);
    } else {
        asm_alu_ri(&c->a, ALU_CMP, true, ref, 1);
        way(c, w, CC_B);
    }
}

static void test_i31_bit(Compiler *c, Reg ref)
{
    asm_dr(&c->a, OPC(0, 0, 0xF7), false, 0, ref); /* test ref, 1 */
    asm_32(&c->a, 1);
}

static Mem type_id_of(Reg ref) { return mem_at(ref, (int32_t)offsetof(Object, type)); }

/* SCRATCH becomes the address of the object's Type; what is no id of one jumps, not equal. */
static void load_type(Compiler *c, Ways *w, Reg ref, Reg temp)
{
    Assembler *a = &c->a;
    asm_rm(a, X_MOV, false, SCRATCH, type_id_of(ref));
    asm_alu_ri(a, ALU_CMP, false, SCRATCH, TYPE_IDS - 1);
    way(c, w, CC_A);
    asm_rr(a, X_MOV, false, temp, SCRATCH);
    asm_shift_ri(a, SHIFT_SHR, false, temp, (uint32_t)__builtin_ctz(TYPES_PER_CHUNK));
    asm_shift_ri(a, SHIFT_SHL, false, temp, 3);
    asm_rm(a, X_ADD, true, temp, instance_field(offsetof(Instance, links.defined_types)));
    asm_alu_ri(a, ALU_AND, false, SCRATCH, TYPES_PER_CHUNK - 1);
    asm_rr(a, OPC(0, 0, 0x69), true, SCRATCH, SCRATCH); /* imul */
    asm_32(a, sizeof(Type));
    asm_rm(a, X_ADD, true, SCRATCH, mem_at(temp, 0));
}

static Condition test_defined(Compiler *c, Reg ref, const CastTarget *target)
{
    Assembler *a = &c->a;
    Ways w = {.n = 0};
    const Type *t = types_get(&c->m->engine->types, target->heap);
    Reg id = temp_int(c), temp = t->is_final ? NO_REG : temp_int(c);
    asm_rm(a, X_MOV, true, id, instance_field(offsetof(Instance, links.types)));
    asm_rm(a, X_MOV, false, id, mem_at(id, 4 * target->code));
    way_of_null(c, &w, ref, target);
    test_i31_bit(c, ref);
    way(c, &w, CC_NE);
    asm_rm(a, X_CMP, false, id, type_id_of(ref));
    if (!t->is_final) {
        way(c, &w, CC_E);
        load_type(c, &w, ref, temp);
        asm_alu_mi(a, ALU_CMP, false, mem_at(SCRATCH, (int32_t)offsetof(Type, depth)),
                   (int32_t)t->depth);
        way(c, &w, CC_B);
        asm_rm(a, X_MOV, true, SCRATCH, mem_at(SCRATCH, (int32_t)offsetof(Type, display)));
        asm_rm(a, X_CMP, false, id, mem_at(SCRATCH, 4 * (int32_t)t->depth));
    }
    ways_meet(c, &w);
    release(c, id, NO_REG);
    release(c, temp, NO_REG);
    return CC_E;
}

static Condition test_struct_or_array(Compiler *c, Reg ref, const CastTarget *target)
{
    Assembler *a = &c->a;
    Ways w = {.n = 0};
    Reg temp = temp_int(c);
    way_of_null(c, &w, ref, target);
    test_i31_bit(c, ref);
    way(c, &w, CC_NE);
    load_type(c, &w, ref, temp);
    asm_rm(a, X_MOVZX8, false, SCRATCH, mem_at(SCRATCH, (int32_t)offsetof(Type, comp)));
    asm_alu_ri(a, ALU_CMP, false, SCRATCH,
               target->heap == HEAP_STRUCT ? COMP_STRUCT : COMP_ARRAY);
    ways_meet(c, &w);
    release(c, temp, NO_REG);
    return CC_E;
}

/* E if SCRATCH becomes zero: for an i31 by its tag, for an object by what is above all ids. */
static Condition test_eq(Compiler *c, Reg ref, const CastTarget *target)
{
    Assembler *a = &c->a;
    Ways w = {.n = 0};
    way_of_null(c, &w, ref, target);
    asm_rr(a, X_MOV, false, SCRATCH, ref);
    asm_alu_ri(a, ALU_AND, false, SCRATCH, 1);
    asm_alu_ri(a, ALU_XOR, false, SCRATCH, 1);
    way(c, &w, CC_E);
    asm_rm(a, X_MOV, false, SCRATCH, type_id_of(ref));
    asm_shift_ri(a, SHIFT_SHR, false, SCRATCH, (uint32_t)__builtin_ctz(TYPE_IDS));
    ways_meet(c, &w);
    return CC_E;
}

static Condition test_i31(Compiler *c, Reg ref, const CastTarget *target)
{
    Assembler *a = &c->a;
    if (!target->nullable) {
        test_i31_bit(c, ref);
        return CC_NE;
    }
    Ways w = {.n = 0};
    way_of_null(c, &w, ref, target);
    asm_rr(a, X_MOV, false, SCRATCH, ref);
    asm_alu_ri(a, ALU_AND, false, SCRATCH, 1);
    asm_alu_ri(a, ALU_XOR, false, SCRATCH, 1);
    ways_meet(c, &w);
    return CC_E;
}

/* Of the bottom types only null is one; of the tops all are. */
static Condition test_null(Compiler *c, Reg ref, bool of_null, bool of_others)
{
    if (of_null != of_others) {
        asm_rr(&c->a, X_TEST, true, ref, ref);
        return of_null ? CC_E : CC_NE;
    }
    asm_rr(&c->a, X_CMP, true, ref, ref);
    return of_null ? CC_E : CC_NE;
}

Condition cast_test(Compiler *c, Reg ref, const CastTarget *target)
{
    switch (target->heap) {
    case HEAP_NONE: case HEAP_NOEXTERN: case HEAP_NOFUNC: case HEAP_NOEXN:
        return test_null(c, ref, target->nullable, false);
    case HEAP_ANY: case HEAP_EXTERN: case HEAP_FUNC: case HEAP_EXN:
        return test_null(c, ref, target->nullable, true);
    case HEAP_I31: return test_i31(c, ref, target);
    case HEAP_EQ: return test_eq(c, ref, target);
    case HEAP_STRUCT: case HEAP_ARRAY: return test_struct_or_array(c, ref, target);
    default: return test_defined(c, ref, target);
    }
}
