/* Blocks and branches: the control stack of the validation algorithm and the side table that falls
 * out of it.  A branch to a block's end is linked into the block's list through its own unfinished
 * entry and resolved when the end is met, so that every entry is visited twice, whatever the
 * nesting.  Nothing is emitted for code that cannot be reached. */
#include "verifier/policy/check.h"
#include "verifier/state.h"

static const TypeList no_types = {NULL, 0, 0};

/* ---- Types of blocks ---- */

static TypeList type_params(const Type *t)
{
    return t ? (TypeList){t->params, t->nparams, t->param_slots} : no_types;
}

static TypeList type_results(const Type *t)
{
    return (TypeList){t->results, t->nresults, t->result_slots};
}

static TypeList control_results(const Control *c)
{
    if (c->type) return type_results(c->type);
    return (TypeList){&c->single, c->nsingle, c->nsingle ? type_slots(c->single) : 0};
}

/* What a branch to the block carries (3.4.3). */
static TypeList control_label(const Control *c)
{
    return c->kind == CONTROL_LOOP ? type_params(c->type) : control_results(c);
}

static bool types_match(const Verifier *v, TypeList sub, TypeList super)
{
    if (sub.n != super.n) return false;
    if (sub.at == super.at) return true;
    for (uint32_t i = 0; i < sub.n; i++)
        if (!type_matches(v, sub.at[i], super.at[i])) return false;
    return true;
}

/* The type of a block instruction (5.4.1): 0x40, a value type, or a type index. */
static void code_block_type(Verifier *v, Control *c)
{
    Reader *r = &v->code;
    uint8_t first = r->pos < r->end ? r->bytes[r->pos] : 0x40;
    if (first == 0x40) {
        read_byte(r, "a block type");
    } else if (first > 0x40 && first < 0x80) {
        c->nsingle = 1;
        c->single = code_value_type(v);
    } else {
        if (read_s33(r, "a block type") < 0) {
            verifier_malformed(v, "malformed block type 0x%02x", first);
            return;
        }
        if (verifier_failed(v)) return;
        r->pos = v->at + 1; /* the opcode of every block is one byte */
        feature_require(v, FNVM_FEATURE_MULTI_VALUE, "a block with a type index");
        c->type = code_type(v, COMP_FUNC);
    }
}

/* ---- Branches ---- */

/* Adds an entry; 0 if the code is dead, else its index + 1. */
static uint32_t branch_add(Verifier *v, uint32_t keep, uint32_t pop)
{
    if (!v->live || verifier_failed(v) ||
        !verifier_grow(v, &v->branches, &v->branches_size, v->nbranches, 1, sizeof *v->branches))
        return 0;
    v->branches[v->nbranches] = (Branch){.pc = v->at, .keep = keep, .pop = pop};
    return ++v->nbranches;
}

void branch_add_hint(Verifier *v, uint32_t keep)
{
    uint32_t b = branch_add(v, keep, 0);
    if (b) {
        v->branches[b - 1].to = v->at;
        v->branches[b - 1].to_stp = b;
    }
}

static void branch_resolve(Verifier *v, uint32_t b, uint32_t to)
{
    if (b == 0) return;
    v->branches[b - 1].to = to;
    v->branches[b - 1].to_stp = v->nbranches;
}

/* A branch to `c` that carries the label's types, which lie below `slots`. */
static void branch_to(Verifier *v, Control *c, uint32_t slots)
{
    uint32_t keep = control_label(c).slots;
    uint32_t b = branch_add(v, keep, slots - keep - c->slots);
    if (b == 0) return;
    Branch *branch = &v->branches[b - 1];
    if (c->kind == CONTROL_LOOP) {
        branch->to = c->loop_pc < v->at ? c->loop_pc : c->at; /* back, and never to itself */
        branch->to_stp = c->loop_stp;
    } else {
        branch->to = c->patches;
        c->patches = b;
    }
}

/* The block that a label index names; NULL on failure. */
static Control *code_label(Verifier *v)
{
    uint32_t depth = code_u32(v, "a label index");
    if (depth < v->ncontrols) return &v->controls[v->ncontrols - 1 - depth];
    verifier_invalid(v, "unknown label %u: %u blocks are open", depth, v->ncontrols);
    return NULL;
}

/* ---- Blocks ---- */

static Control *control_push(Verifier *v, const Control *c)
{
    if (v->ncontrols == LIMIT_NESTING) {
        reader_fail(&v->code, FNVM_E_LIMIT, v->at, "more than %u nested blocks",
                    (unsigned)LIMIT_NESTING);
        return NULL;
    }
    if (v->check) check_reach(v->check, CEILING_NESTING, v->ncontrols, v->at);
    if (!verifier_grow(v, &v->controls, &v->controls_size, v->ncontrols, 1, sizeof *v->controls))
        return NULL;
    Control *pushed = &v->controls[v->ncontrols++];
    *pushed = *c;
    pushed->at = v->at;
    pushed->dead = !v->live;
    pushed->height = v->base = v->nops;
    pushed->slots = v->slots;
    pushed->trail = v->ntrail;
    pushed->writes = v->nwrites;
    v->unreachable = false;
    return pushed;
}

void control_push_outermost(Verifier *v, const Type *type, ValType single)
{
    Control c = {.kind = CONTROL_FUNCTION, .type = type, .nsingle = !type, .single = single};
    v->live = true;
    control_push(v, &c);
}

/* Locals without a default are uninitialised again outside the block that set them (3.4.9). */
static void locals_reset(Verifier *v, const Control *c)
{
    while (v->ntrail > c->trail) {
        uint32_t local = v->trail[--v->ntrail];
        v->initialized[local / 64] &= ~(UINT64_C(1) << local % 64);
    }
    local_writes_forget(v, c->writes);
}

static void control_open(Verifier *v, ControlKind kind)
{
    Control c = {.kind = (uint8_t)kind};
    code_block_type(v, &c);
    if (kind == CONTROL_IF) {
        operand_pop(v, TYPE_I32);
        c.if_branch = branch_add(v, 0, 0);
    }
    if (kind == CONTROL_LOOP) {
        v->flags |= CODE_LOOPS;
        c.loop_pc = v->code.pos;
        c.loop_stp = v->nbranches;
    }
    operands_pop(v, type_params(c.type));
    if (verifier_failed(v) || !control_push(v, &c)) return;
    if (kind == CONTROL_LOOP && v->has_regions && v->live) region_open(v);
    operands_push(v, type_params(c.type));
}

static void control_else(Verifier *v)
{
    Control *c = &v->controls[v->ncontrols - 1];
    if (c->kind != CONTROL_IF) {
        verifier_malformed(v, "`else` without `if`");
        return;
    }
    operands_pop(v, control_results(c));
    operands_none_left(v);
    uint32_t b = branch_add(v, 0, 0); /* over the else part, when the then part falls into it */
    if (b) {
        v->branches[b - 1].to = c->patches;
        c->patches = b;
    }
    branch_resolve(v, c->if_branch, v->code.pos);
    c->kind = CONTROL_ELSE;
    c->if_branch = 0;
    locals_reset(v, c);
    v->slots = c->slots;
    c->unreachable = v->unreachable = false;
    v->live = !c->dead;
    operands_push(v, type_params(c->type));
}

/* The finished try_table's handler: inner ones end first, so they come first. */
static void handler_close(Verifier *v)
{
    if (!verifier_grow(v, &v->handlers, &v->handlers_size, v->nhandlers, 1, sizeof *v->handlers))
        return;
    Handler *h = &v->handlers[v->nhandlers++];
    *h = v->open[--v->nopen];
    h->end = v->at;
}

static void control_end(Verifier *v)
{
    Control c = v->controls[v->ncontrols - 1];
    TypeList results = control_results(&c);
    operands_pop(v, results);
    operands_none_left(v);
    if (c.kind == CONTROL_IF && !types_match(v, type_params(c.type), results))
        verifier_invalid(v, "type mismatch: an if without else must give back its parameters");
    if (verifier_failed(v)) return;

    uint32_t to = c.kind == CONTROL_FUNCTION ? v->at : v->code.pos;
    branch_resolve(v, c.if_branch, to);
    for (uint32_t b = c.patches, next; b != 0; b = next) {
        next = v->branches[b - 1].to;
        branch_resolve(v, b, to);
    }
    if (c.kind == CONTROL_TRY && !c.dead) handler_close(v);
    locals_reset(v, &c);
    if (c.kind == CONTROL_LOOP && v->has_regions && !c.dead) region_close(v);
    if (--v->ncontrols == 0) return;

    const Control *outer = &v->controls[v->ncontrols - 1];
    v->base = outer->height;
    v->slots = c.slots;
    v->unreachable = outer->unreachable;
    v->live = !outer->dead && !outer->unreachable;
    operands_push(v, results);
}

/* ---- try_table (3.4.3.5) ---- */

/* Checks that the payload of a clause fits its label; its slots. */
static uint32_t catch_payload(Verifier *v, const CatchClause *clause, const Control *label)
{
    TypeList payload = no_types, wanted = control_label(label);
    if (clause->kind == CATCH_TAG || clause->kind == CATCH_TAG_REF) {
        if (clause->tag == UINT32_MAX) return 0;
        payload = type_params(types_get(v->types, v->m->tags[clause->tag]));
    }
    bool has_ref = clause->kind == CATCH_TAG_REF || clause->kind == CATCH_ALL_REF;
    bool fits = wanted.n == payload.n + has_ref;
    if (fits && has_ref)
        fits = type_matches(v, type_ref(HEAP_EXN, false), wanted.at[--wanted.n]);
    if (!fits || !types_match(v, payload, wanted))
        verifier_invalid(v, "type mismatch: a catch clause carries %u values, which the %u of its "
                         "label do not match", payload.n + has_ref, control_label(label).n);
    return payload.slots + has_ref;
}

/* A clause's branch starts with the payload on top of the operands below the try_table. */
static void catch_clause(Verifier *v, uint32_t height)
{
    CatchClause clause = {.kind = read_byte(&v->code, "a catch clause")};
    if (clause.kind > CATCH_ALL_REF)
        verifier_malformed(v, "malformed catch clause 0x%02x", clause.kind);
    if (clause.kind == CATCH_TAG || clause.kind == CATCH_TAG_REF)
        clause.tag = code_index(v, "tag", v->m->ntags);
    Control *label = code_label(v);
    if (verifier_failed(v)) return;
    uint32_t slots = height + catch_payload(v, &clause, label);
    if (verifier_failed(v) || !v->live) return;
    if (slots > v->max_slots) v->max_slots = slots;
    branch_to(v, label, slots);
    if (verifier_grow(v, &v->clauses, &v->clauses_size, v->nclauses, 1, sizeof *v->clauses))
        v->clauses[v->nclauses++] = clause;
}

static void control_try(Verifier *v)
{
    Control c = {.kind = CONTROL_TRY};
    code_block_type(v, &c);
    operands_pop(v, type_params(c.type));
    uint32_t skip = branch_add(v, 0, 0);
    Handler h = {.entry = v->at, .stp = v->nbranches, .height = v->slots, .first = v->nclauses};
    uint32_t n = code_u32(v, "a count of catch clauses");
    for (uint32_t i = 0; i < n && !verifier_failed(v); i++) catch_clause(v, h.height);
    if (verifier_failed(v)) return;
    branch_resolve(v, skip, v->code.pos);
    h.start = v->code.pos;
    h.count = v->nclauses - h.first;
    if (v->live) {
        if (!verifier_grow(v, &v->open, &v->open_size, v->nopen, 1, sizeof *v->open)) return;
        v->open[v->nopen++] = h;
    }
    if (control_push(v, &c)) operands_push(v, type_params(c.type));
}

/* ---- Branch instructions ---- */

static void branch_plain(Verifier *v)
{
    Control *label = code_label(v);
    if (!label) return;
    uint32_t slots = v->slots;
    operands_pop(v, control_label(label));
    branch_to(v, label, slots);
    operands_unreachable(v);
}

/* The label's operands stay, with the label's types. */
static void branch_carry(Verifier *v, TypeList types)
{
    operands_pop(v, types);
    operands_push(v, types);
}

static void branch_if(Verifier *v)
{
    Control *label = code_label(v);
    if (!label) return;
    operand_pop(v, TYPE_I32);
    branch_carry(v, control_label(label));
    branch_to(v, label, v->slots);
}

static void branch_table(Verifier *v)
{
    uint32_t n = code_u32(v, "a count of labels");
    if (n >= v->code.end - v->code.pos)
        verifier_malformed(v, "unexpected end: %u labels are announced", n);
    operand_pop(v, TYPE_I32);
    TypeList first = no_types;
    const ValType *matched[16] = {NULL}; /* by address: most tables name one type all along */
    for (uint64_t i = 0; i <= n && !verifier_failed(v); i++) {
        Control *label = code_label(v);
        if (!label) return;
        TypeList types = control_label(label);
        if (i == 0) first = types;
        if (types.n != first.n)
            verifier_invalid(v, "type mismatch: labels of br_table carry %u and %u values",
                             first.n, types.n);
        /* The same types again need no second look. */
        const ValType **known = &matched[(uintptr_t)types.at / sizeof *types.at % 16];
        if ((i == 0 || types.at != *known) && !operands_match(v, types)) return;
        *known = types.at;
        branch_to(v, label, v->slots);
    }
    operands_unreachable(v);
}

/* Without the reference the label's operands remain, in both ways. */
static void branch_on_null(Verifier *v)
{
    Control *label = code_label(v);
    if (!label) return;
    ValType ref = operand_pop_ref(v);
    branch_carry(v, control_label(label));
    branch_to(v, label, v->slots);
    operand_push(v, type_ref(type_heap(ref), false));
}

/* The label's types without the last one, which must be a reference that `carried` matches. */
static TypeList label_below_ref(Verifier *v, const Control *label, ValType carried)
{
    TypeList types = control_label(label);
    if (types.n == 0 || !type_matches(v, carried, types.at[types.n - 1])) {
        char text[TYPE_TEXT];
        verifier_invalid(v, "type mismatch: %s carries %s, which its label does not end with",
                         v->row->text, verifier_type_text(v, carried, text));
        return no_types;
    }
    types.n--;
    types.slots--;
    return types;
}

static void branch_on_non_null(Verifier *v)
{
    Control *label = code_label(v);
    if (!label) return;
    ValType ref = type_ref(type_heap(operand_pop_ref(v)), false);
    branch_carry(v, label_below_ref(v, label, ref));
    branch_to(v, label, v->slots + 1);
}

static void branch_on_cast(Verifier *v)
{
    uint8_t flags = read_byte(&v->code, "cast flags");
    if (flags > 3) verifier_malformed(v, "malformed cast flags 0x%02x", flags);
    Control *label = code_label(v);
    ValType from = type_ref(code_heap_type(v), flags & 1);
    ValType to = type_ref(code_heap_type(v), flags & 2);
    if (verifier_failed(v)) return;
    if (!type_matches(v, to, from)) {
        char a[TYPE_TEXT], b[TYPE_TEXT];
        verifier_invalid(v, "type mismatch: %s casts %s to %s, which is no subtype of it",
                         v->row->text, verifier_type_text(v, from, a),
                         verifier_type_text(v, to, b));
        return;
    }
    /* What is left when the cast fails: null has passed if `to` has it (3.1.6). */
    ValType rest = flags & 2 ? from & ~TYPE_NULLABLE : from;
    bool on_success = v->op == op_br_on_cast;
    operand_pop(v, from);
    branch_carry(v, label_below_ref(v, label, on_success ? to : rest));
    branch_to(v, label, v->slots + 1);
    operand_push(v, on_success ? rest : to);
}

/* ---- Calls and throws ---- */

static void call_type(Verifier *v, const Type *t, bool is_tail)
{
    if (verifier_failed(v)) return;
    v->flags &= ~(uint32_t)CODE_LEAF;
    if (v->has_regions && v->live) region_call(v);
    operands_pop(v, type_params(t));
    if (!is_tail) {
        if (v->stops && v->live) frame_stop(v, t);
        operands_push(v, type_results(t));
        return;
    }
    if (!types_match(v, type_results(t), control_results(&v->controls[0])))
        verifier_invalid(v, "type mismatch: %s gives other results than this function",
                         v->row->text);
    operands_unreachable(v);
}

static void call_direct(Verifier *v, bool is_tail)
{
    uint32_t func = code_index(v, "function", v->m->nfuncs);
    if (func != UINT32_MAX) call_type(v, module_func_type(v->m, func), is_tail);
}

static void call_indirect(Verifier *v, bool is_tail)
{
    const Type *t = code_type(v, COMP_FUNC);
    ValType address;
    uint32_t table = code_table(v, &address);
    if (verifier_failed(v)) return;
    if (!type_matches(v, v->m->tables[table].type.elem, type_ref(HEAP_FUNC, true)))
        verifier_invalid(v, "type mismatch: %s needs a table of functions, table %u has others",
                         v->row->text, table);
    operand_pop(v, address);
    call_type(v, t, is_tail);
}

static void call_ref(Verifier *v, bool is_tail)
{
    const Type *t = code_type(v, COMP_FUNC);
    if (!t) return;
    operand_pop(v, type_ref(t->id, true));
    call_type(v, t, is_tail);
}

static void throw_tag(Verifier *v)
{
    uint32_t tag = code_index(v, "tag", v->m->ntags);
    if (tag == UINT32_MAX) return;
    operands_pop(v, type_params(types_get(v->types, v->m->tags[tag])));
    operands_unreachable(v);
}

static void stop_here(Verifier *v)
{
    v->stopped = stop_wanted(v->stop);
    if (v->stopped && !v->code.error) v->code.error = stop_error("verifying a function");
}

void control_instruction(Verifier *v)
{
    if (++v->steps % STOP_STEPS == 0) stop_here(v);
    switch (v->op) {
    case op_unreachable: operands_unreachable(v); break;
    case op_block: control_open(v, CONTROL_BLOCK); break;
    case op_loop: control_open(v, CONTROL_LOOP); break;
    case op_if_: control_open(v, CONTROL_IF); break;
    case op_else_: control_else(v); break;
    case op_end: control_end(v); break;
    case op_try_table: control_try(v); break;
    case op_throw_: throw_tag(v); break;
    case op_throw_ref:
        operand_pop(v, type_ref(HEAP_EXN, true));
        operands_unreachable(v);
        break;
    case op_br: branch_plain(v); break;
    case op_br_if: branch_if(v); break;
    case op_br_table: branch_table(v); break;
    case op_br_on_null: branch_on_null(v); break;
    case op_br_on_non_null: branch_on_non_null(v); break;
    case op_br_on_cast: case op_br_on_cast_fail: branch_on_cast(v); break;
    case op_return_:
        operands_pop(v, control_results(&v->controls[0]));
        operands_unreachable(v);
        break;
    case op_call: call_direct(v, false); break;
    case op_return_call: call_direct(v, true); break;
    case op_call_indirect: call_indirect(v, false); break;
    case op_return_call_indirect: call_indirect(v, true); break;
    case op_call_ref: call_ref(v, false); break;
    case op_return_call_ref: call_ref(v, true); break;
    default: break;
    }
}
