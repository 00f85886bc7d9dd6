/* Constant expressions (standard, 3.4.13): a stack machine of its own over the few instructions
 * allowed there, since most of them run before there is anything to run guest code on.  Operands
 * lie on the C stack, where the collector sees the objects among them.  An expression has at most
 * as many operand slots as bytes, and a limit keeps hostile ones short; another one counts those
 * that wait for each other, since `ref.func` may link, and so start, a whole other module. */
#include <string.h>

#include "loader/skip.h"
#include "vm/heap.h"
#include "vm/limits.h"
#include "vm/tunables.h"

enum {
    MAX_OPERANDS = 16384,    /* slots; array.new_fixed takes 10,000 operands in practice */
    MAX_WAITING = 65536,     /* of all expressions that wait: half a megabyte */
    MIN_OPERANDS = 64        /* however many wait */
};

typedef struct Eval {
    Instance *inst;
    Reader r;
    Slot *stack;
    uint32_t n, limit; /* slots in use, slots there are */
} Eval;

static fnvm_error *push(Eval *e, Slot low)
{
    if (e->n == e->limit) {
        return fnvm_error_new(FNVM_E_LIMIT, "a constant expression with more than %d operands",
                              MAX_OPERANDS);
    }
    e->stack[e->n++] = low;
    return NULL;
}

static fnvm_error *push_i64(Eval *e, uint64_t v) { return push(e, (Slot){.i64 = v}); }

/* The verifier has seen to it that they are there; a slip of its must not become a wild read. */
static Slot *pop(Eval *e, uint64_t slots)
{
    if (slots > e->n) return NULL;
    e->n -= (uint32_t)slots;
    return e->stack + e->n;
}

/* For loops over what a module has any number of: a look at the interrupt, every TUNE_LOOK_EVERY
 * times. */
static fnvm_error *stop_now_and_then(const Store *store, uint32_t count)
{
    if (count % TUNE_LOOK_EVERY || !store_interrupted(store)) return NULL;
    return store_trap_error(store, FNVM_TRAP_INTERRUPTED);
}

static fnvm_error *underflow(void)
{
    return fnvm_error_new(FNVM_E_INVALID, "a constant expression lacks operands");
}

static fnvm_error *push_object(Eval *e, fnvm_trap trap, uint64_t ref)
{
    if (trap) return store_trap_error(e->inst->store, trap);
    return push_i64(e, ref);
}

static const Type *read_type(Eval *e)
{
    const Module *m = e->inst->module;
    uint32_t index = read_u32(&e->r, "a type index");
    return types_get(&m->engine->types, m->types[index < m->ntypes ? index : 0]);
}

/* ---- One function per group of instructions ---- */

static fnvm_error *eval_v128_const(Eval *e)
{
    Slot v[2];
    const uint8_t *bytes = read_bytes(&e->r, sizeof v, "16 bytes");
    if (!bytes) return NULL; /* the reader's error is found at its next look */
    memcpy(v, bytes, sizeof v);
    fnvm_error *error = push(e, v[0]);
    return error ? error : push(e, v[1]);
}

static fnvm_error *eval_float(Eval *e, uint32_t len)
{
    uint64_t v = 0;
    const uint8_t *bytes = read_bytes(&e->r, len, "a floating-point number");
    if (bytes) memcpy(&v, bytes, len);
    return push_i64(e, v);
}

static fnvm_error *eval_binary(Eval *e, Op op)
{
    const Slot *at = pop(e, 2);
    if (!at) return underflow();
    uint64_t a = at[0].i64, b = at[1].i64;
    switch (op) {
    case op_i32_add: return push_i64(e, (uint32_t)(a + b));
    case op_i32_sub: return push_i64(e, (uint32_t)(a - b));
    case op_i32_mul: return push_i64(e, (uint32_t)(a * b));
    case op_i64_add: return push_i64(e, a + b);
    case op_i64_sub: return push_i64(e, a - b);
    default: return push_i64(e, a * b);
    }
}

static fnvm_error *eval_global_get(Eval *e)
{
    Instance *inst = e->inst;
    const Module *m = inst->module;
    uint32_t i = read_u32(&e->r, "a global index");
    if (i >= m->nglobals) return fnvm_error_new(FNVM_E_INVALID, "unknown global %u", i);
    const Slot *value = i < m->n_imported_globals
                            ? inst->imported_globals[i].value
                            : inst->globals + 2 * (size_t)(i - m->n_imported_globals);
    Slot low = value[0];
    if (m->globals[i].type.type == TYPE_I32) low.i64 = low.i32; /* the upper half says nothing */
    fnvm_error *error = push(e, low);
    if (!error && m->globals[i].type.type == TYPE_V128) error = push(e, value[1]);
    return error;
}

static fnvm_error *eval_struct_new(Eval *e)
{
    const Type *type = read_type(e);
    uint64_t slots = 0, ref = 0;
    for (uint32_t i = 0; i < type->nfields; i++) slots += type_slots(type->fields[i].type);
    const Slot *at = pop(e, slots);
    if (!at) return underflow();
    fnvm_trap trap = heap_new_struct(e->inst->store, type, &ref);
    if (!trap) {
        uint8_t *object = (uint8_t *)ref_object(ref);
        for (uint32_t i = 0; i < type->nfields; i++) {
            const Field *f = &type->fields[i];
            object_set(object + f->offset, f->type, at);
            at += type_slots(f->type);
        }
    }
    return push_object(e, trap, ref);
}

static fnvm_error *eval_array_new(Eval *e, bool with_value)
{
    const Type *type = read_type(e);
    const uint32_t value_slots = with_value ? type_slots(type->fields[0].type) : 0;
    const Slot *at = pop(e, value_slots + UINT64_C(1));
    if (!at) return underflow();
    const uint32_t n = at[value_slots].i32;
    uint64_t ref = 0;
    fnvm_trap trap = heap_new_array(e->inst->store, type, n, &ref);
    if (!trap && with_value) trap = array_fill(e->inst->store, type, ref, 0, at, n);
    return push_object(e, trap, ref);
}

static fnvm_error *eval_array_new_fixed(Eval *e)
{
    const Type *type = read_type(e);
    uint32_t n = read_u32(&e->r, "an operand count");
    ValType storage = type->fields[0].type;
    const Slot *at = pop(e, (uint64_t)n * type_slots(storage));
    if (!at) return underflow();
    uint64_t ref = 0;
    fnvm_trap trap = heap_new_array(e->inst->store, type, n, &ref);
    for (uint32_t i = 0; !trap && i < n; i++) {
        object_set(array_at((Array *)(void *)ref_object(ref), storage, i), storage, at);
        at += type_slots(storage);
    }
    return push_object(e, trap, ref);
}

static fnvm_error *eval_ref_func(Eval *e)
{
    uint32_t func = read_u32(&e->r, "a function index");
    if (func >= e->inst->module->nfuncs) {
        return fnvm_error_new(FNVM_E_INVALID, "unknown function %u", func);
    }
    FuncRef ref;
    fnvm_error *error = instance_link_func(e->inst, func, &ref);
    return error ? error : push_i64(e, ref);
}

static Op read_op(Reader *r)
{
    uint8_t byte = read_byte(r, "an instruction");
    if (byte == PAGE_GC || byte == PAGE_MISC || byte == PAGE_SIMD) {
        return instruction_decode(byte, read_u32(r, "an instruction"));
    }
    return instruction_decode(PAGE_BASE, byte);
}

static fnvm_error *eval_instruction(Eval *e, Op op)
{
    const Slot *at;
    switch (op) {
    case op_i32_const: return push_i64(e, (uint32_t)read_s32(&e->r, "an i32"));
    case op_i64_const: return push_i64(e, (uint64_t)read_s64(&e->r, "an i64"));
    case op_f32_const: return eval_float(e, 4);
    case op_f64_const: return eval_float(e, 8);
    case op_v128_const: return eval_v128_const(e);
    case op_i32_add: case op_i32_sub: case op_i32_mul:
    case op_i64_add: case op_i64_sub: case op_i64_mul: return eval_binary(e, op);
    case op_global_get: return eval_global_get(e);
    case op_ref_func: return eval_ref_func(e);
    case op_ref_null: read_s33(&e->r, "a heap type"); return push_i64(e, 0);
    case op_ref_i31:
        at = pop(e, 1);
        return at ? push_i64(e, i31_make(at->i32)) : underflow();
    case op_any_convert_extern: case op_extern_convert_any: return NULL; /* same bits */
    case op_struct_new: return eval_struct_new(e);
    case op_struct_new_default: {
        uint64_t ref = 0;
        fnvm_trap trap = heap_new_struct(e->inst->store, read_type(e), &ref);
        return push_object(e, trap, ref);
    }
    case op_array_new: return eval_array_new(e, true);
    case op_array_new_default: return eval_array_new(e, false);
    case op_array_new_fixed: return eval_array_new_fixed(e);
    default: return fnvm_error_new(FNVM_E_INVALID, "not a constant instruction");
    }
}

/* Slots for an expression that starts where the range does; other ones may follow in it. */
static uint32_t operand_limit(const Instance *inst, Range range)
{
    if (range.end - range.start <= MIN_OPERANDS) return MIN_OPERANDS;
    uint32_t used = inst->store->constant_slots;
    uint32_t limit = used < MAX_WAITING - MAX_OPERANDS ? MAX_OPERANDS : MIN_OPERANDS;
    /* Whether it is longer than that is all there is to know of a long one. */
    uint32_t most = range.end - range.start < limit ? range.end - range.start : limit;
    Reader r = {inst->module->bytes, range.start, range.start + most, NULL, NULL};
    reader_skip_expression(&r, NULL, NULL);
    uint32_t bytes = r.error ? most : r.pos - range.start;
    fnvm_error_free(r.error);
    return bytes < MIN_OPERANDS ? MIN_OPERANDS : bytes < limit ? bytes : limit;
}

static fnvm_error *eval_instructions(Eval *e)
{
    for (uint32_t done = 1; e->r.pos < e->r.end && !e->r.error; done++) {
        Op op = read_op(&e->r);
        if (op == op_end) break;
        fnvm_error *error = eval_instruction(e, op);
        if (!error) error = stop_now_and_then(e->inst->store, done);
        if (error) {
            fnvm_error_free(e->r.error);
            return error;
        }
    }
    if (e->r.error) return e->r.error;
    return e->n ? NULL : fnvm_error_new(FNVM_E_INVALID, "constant expression without a value");
}

/* Evaluates from `range.start` to the expression's `end`, or to the end of the range; *next is the
 * byte after. */
static fnvm_error *eval_expression(Instance *inst, Range range, Slot out[2], uint32_t *next)
{
    uint32_t limit = operand_limit(inst, range);
    Slot stack[limit];
    Eval e = {.inst = inst, .r = {inst->module->bytes, range.start, range.end, NULL, NULL},
              .stack = stack, .limit = limit};
    inst->store->constant_slots += limit;
    fnvm_error *error = eval_instructions(&e);
    inst->store->constant_slots -= limit;
    if (error) return error;
    out[0] = stack[0];
    if (e.n > 1) out[1] = stack[1]; /* a v128 */
    *next = e.r.pos;
    return NULL;
}

fnvm_error *constant_eval(Instance *inst, Range expr, Slot out[2])
{
    const Module *m = inst->module;
    uint32_t next, literal = 0;
    out[1].i64 = 0;
    if (literal_i32(m->bytes, expr.start, m->len, &literal) == expr.end) {
        out[0].i64 = literal;
        return NULL;
    }
    return eval_expression(inst, expr, out, &next);
}

/* ---- Element segments ---- */

/* Steps over an item without evaluating it. */
static fnvm_error *skip_item(Reader *r, const Elem *e)
{
    if (e->is_funcs) {
        read_u32(r, "a function index");
        return r->error;
    }
    reader_skip_expression(r, NULL, NULL);
    return r->error;
}

/* Moves the instance's cursor to item `i`, from where it is or from the last mark before. */
static fnvm_error *seek_item(Instance *inst, uint32_t elem, uint32_t i)
{
    const Module *m = inst->module;
    const Elem *e = &m->elems[elem];
    const uint32_t marks = i / ELEM_MARK;
    ElemCursor *c = &inst->cursor;
    if (c->elem != elem || c->item > i || c->item < marks * ELEM_MARK || c->pos < e->items.start)
        *c = (ElemCursor){elem, marks * ELEM_MARK,
                          marks ? m->elem_marks[e->first_mark + marks - 1] : e->items.start};
    Reader r = {m->bytes, c->pos, e->items.end, NULL, NULL};
    for (; c->item < i; c->item++) {
        fnvm_error *error = skip_item(&r, e);
        if (!error) error = stop_now_and_then(inst->store, c->item + 1);
        if (error) return error;
        c->pos = r.pos;
    }
    return NULL;
}

fnvm_error *elem_item(Instance *inst, uint32_t elem, uint32_t i, uint64_t *out)
{
    if (inst->elem_values && inst->elem_values[elem] && inst->elem_refs_ready) {
        *out = inst->elem_values[elem][i];
        return NULL;
    }
    fnvm_error *error = seek_item(inst, elem, i);
    if (error) return error;
    const Elem *e = &inst->module->elems[elem];
    uint32_t next = inst->cursor.pos;
    if (e->is_funcs) {
        Reader r = {inst->module->bytes, next, e->items.end, NULL, NULL};
        uint32_t func = read_u32(&r, "a function index");
        if (r.error) return r.error;
        error = instance_link_func(inst, func, out);
        next = r.pos;
    } else {
        Slot value[2];
        error = eval_expression(inst, (Range){next, e->items.end}, value, &next);
        if (!error) *out = value[0].i64;
    }
    /* Linking may have moved the cursor: set it anew. */
    if (!error) inst->cursor = (ElemCursor){elem, i + 1, next};
    return error;
}

fnvm_error *elem_items(Instance *inst, uint32_t elem, uint32_t at, uint32_t n, uint64_t *out)
{
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < n && !error; i++) {
        error = elem_item(inst, elem, at + i, &out[i]);
        if (!error && i + 1 < n) error = stop_now_and_then(inst->store, i + 1);
    }
    return error;
}
