/* One pass over a function's code: locals are declared, instructions decoded and typed, the side
 * table packed.  Instructions whose signature is in the table are typed from it; the others have
 * rules, sorted by subject into the files that verifier/state.h names.
 *
 * A function is taken to be narrow (all values one slot) until a v128 turns up; then the pass
 * starts anew, because drop and select need entries in wide functions. */
#include <stdlib.h>
#include <string.h>

#include "verifier/policy/check.h"
#include "verifier/state.h"

void verifier_start(Verifier *v, Module *m)
{
    memset(v, 0, sizeof *v);
    v->m = m;
    v->types = &m->engine->types;
    v->features = m->engine->config.features;
    v->stop = engine_stop(m->engine);
    v->has_regions = m->engine->config.engine != FNVM_ENGINE_INTERPRETER;
}

void verifier_set_check(Verifier *v, PolicyCheck *check)
{
    v->check = check;
    v->features = 0;
}

void verifier_finish(Verifier *v)
{
    free(v->ops);
    free(v->controls);
    free(v->locals);
    free(v->groups);
    free(v->initialized);
    free(v->trail);
    free(v->branches);
    free(v->handlers);
    free(v->open);
    free(v->clauses);
    regions_free(v);
}

/* ---- Instructions typed by their signature ---- */

static inline ValType signature_type(char c, ValType address)
{
    static const ValType types[128] = {['i'] = TYPE_I32, ['I'] = TYPE_I64, ['f'] = TYPE_F32,
                                       ['F'] = TYPE_F64, ['v'] = TYPE_V128};
    return c == 'a' ? address : types[(unsigned char)c & 127];
}

/* Nearly all have one or two operands and one result, or none of one: those take no loop. */
static void signature_apply(Verifier *v, const char *sig, ValType address)
{
    const char *split = sig;
    if (sig[1] == '_') {
        operand_pop(v, signature_type(sig[0], address));
        split = sig + 1;
    } else if (sig[2] == '_') {
        operand_pop(v, signature_type(sig[1], address));
        operand_pop(v, signature_type(sig[0], address));
        split = sig + 2;
    } else {
        while (*split != '_') split++;
        for (const char *p = split; p > sig; p--) operand_pop(v, signature_type(p[-1], address));
    }
    if (split[1]) operand_push(v, signature_type(split[1], address));
    if (split[1] && split[2]) operand_push(v, signature_type(split[2], address));
}

/* The number of lanes is in the name of the shape: i8x16, f64x2. */
static uint32_t row_lanes(const Instr *row)
{
    const char *x = strchr(row->text, 'x');
    return x ? (uint32_t)strtoul(x + 1, NULL, 10) : 0;
}

static ValType plain_immediates(Verifier *v)
{
    ValType address = TYPE_I32;
    switch (v->row->imm) {
    case IMM_MEM: code_memory(v, &address); break;
    case IMM_MEMARG: code_memarg(v, &address); break;
    case IMM_MEMARG_LANE:
        code_memarg(v, &address);
        code_lane(v, 16u >> v->row->align);
        break;
    case IMM_LANE: code_lane(v, row_lanes(v->row)); break;
    case IMM_SHUFFLE:
        for (int i = 0; i < 16; i++) code_lane(v, 32);
        break;
    case IMM_I32:
        if (!code_skip_byte(v)) read_s32(&v->code, "a 32-bit integer");
        break;
    case IMM_I64:
        if (!code_skip_byte(v)) read_s64(&v->code, "a 64-bit integer");
        break;
    case IMM_F32: read_bytes(&v->code, 4, "a 32-bit float"); break;
    case IMM_F64: read_bytes(&v->code, 8, "a 64-bit float"); break;
    case IMM_V128: read_bytes(&v->code, 16, "a 128-bit vector"); break;
    default: break;
    }
    return address;
}

static void plain_instruction(Verifier *v)
{
    ValType address = v->row->imm == IMM_NONE ? TYPE_I32 : plain_immediates(v);
    signature_apply(v, v->row->sig, address);
}

/* ---- Locals and globals (3.4.9, 3.4.10) ---- */

static bool local_is_initialized(const Verifier *v, uint32_t local)
{
    return !v->has_uninitialized || (v->initialized[local / 64] >> local % 64 & 1);
}

static void local_initialize(Verifier *v, uint32_t local)
{
    if (local_is_initialized(v, local) ||
        !verifier_grow(v, &v->trail, &v->trail_size, v->ntrail, 1, sizeof *v->trail))
        return;
    v->initialized[local / 64] |= UINT64_C(1) << local % 64;
    v->trail[v->ntrail++] = local;
}

static void local_instruction(Verifier *v)
{
    uint32_t local = code_u32(v, "a local index");
    if (local >= v->nlocals) {
        verifier_invalid(v, "unknown local %u: the function has %u", local, v->nlocals);
        return;
    }
    ValType t = local_type(v, local);
    if (v->op == op_local_get) {
        if (!local_is_initialized(v, local))
            verifier_invalid(v, "uninitialized local %u: its type has no default value", local);
        operand_push(v, t);
        if (v->has_regions && v->live) local_read(v, local);
        return;
    }
    operand_pop(v, t);
    local_initialize(v, local);
    if (v->has_regions && v->live) local_write(v, local);
    if (v->op == op_local_tee) operand_push(v, t);
}

static void global_instruction(Verifier *v)
{
    uint32_t n = v->constant ? v->visible_globals : v->m->nglobals;
    uint32_t i = code_index(v, "global", n);
    if (i == UINT32_MAX) return;
    GlobalType g = v->m->globals[i].type;
    if (v->constant && i >= v->m->n_imported_globals)
        feature_require(v, FNVM_FEATURE_GC, "a constant expression that reads an own global");
    if (v->op == op_global_get) {
        if (v->constant && g.is_mutable)
            verifier_invalid(v, "constant expression required: global %u is mutable", i);
        operand_push(v, g.type);
        return;
    }
    if (!g.is_mutable) verifier_invalid(v, "immutable global %u", i);
    operand_pop(v, g.type);
}

/* ---- Parametric instructions (3.4.4) ---- */

static void drop_instruction(Verifier *v)
{
    ValType t = operand_pop_any(v);
    if (v->wide) branch_add_hint(v, type_slots(t));
}

static void select_instruction(Verifier *v)
{
    operand_pop(v, TYPE_I32);
    ValType a = operand_pop_any(v), b = operand_pop_any(v);
    if (type_is_ref(a) || type_is_ref(b)) {
        verifier_invalid(v, "type mismatch: select without a type takes numbers and vectors");
        return;
    }
    if (a != b && a != TYPE_BOTTOM && b != TYPE_BOTTOM) {
        char ta[TYPE_TEXT], tb[TYPE_TEXT];
        verifier_invalid(v, "type mismatch: select expects two operands of one type, found %s and "
                         "%s", verifier_type_text(v, b, tb), verifier_type_text(v, a, ta));
        return;
    }
    ValType t = a == TYPE_BOTTOM ? b : a;
    operand_push(v, t);
    if (v->wide) branch_add_hint(v, type_slots(t));
}

static void select_typed_instruction(Verifier *v)
{
    uint32_t n = code_u32(v, "a count of types");
    ValType t = TYPE_BOTTOM;
    for (uint32_t i = 0; i < n && !verifier_failed(v); i++) t = code_value_type(v);
    if (n != 1) verifier_invalid(v, "invalid result arity %u: select gives one value", n);
    operand_pop(v, TYPE_I32);
    operand_pop(v, t);
    operand_pop(v, t);
    operand_push(v, t);
}

/* ---- The main loop ---- */

/* Decodes the next opcode into v->op and v->row. */
static bool decode(Verifier *v)
{
    v->at = v->code.pos;
    if (v->at >= v->code.end) {
        v->row = NULL;
        verifier_malformed(v, "END opcode expected: unexpected end of section or function");
        return false;
    }
    uint8_t byte = v->code.bytes[v->code.pos++];
    uint32_t code = byte;
    bool is_prefix = byte >= PAGE_GC && byte <= PAGE_SIMD;
    if (is_prefix) {
        code = code_u32(v, "an opcode");
        v->op = instruction_decode(byte, code);
    } else {
        v->op = instruction_decode_base(byte);
    }
    if (v->op == OP_NONE) {
        if (!is_prefix)
            verifier_malformed(v, "illegal opcode 0x%02x%s", byte, instruction_elsewhere(byte));
        else verifier_malformed(v, "illegal opcode 0x%02x 0x%02x", byte, code);
        return false;
    }
    v->row = &instructions[v->op];
    if (v->row->feature & ~v->features) feature_require(v, v->row->feature, v->row->text);
    if (v->constant) constant_require(v);
    return !verifier_failed(v);
}

static void instruction(Verifier *v)
{
    if (v->row->sig[0] != 'x') {
        plain_instruction(v);
        return;
    }
    switch (v->op) {
    case op_local_get: case op_local_set: case op_local_tee: local_instruction(v); break;
    case op_global_get: case op_global_set: global_instruction(v); break;
    case op_drop: drop_instruction(v); break;
    case op_select: select_instruction(v); break;
    case op_select_t: select_typed_instruction(v); break;
    case op_table_get: case op_table_set: table_instruction(v); break;
    case op_ref_null: case op_ref_is_null: case op_ref_func: case op_ref_eq:
    case op_ref_as_non_null: case op_ref_test: case op_ref_test_null: case op_ref_cast:
    case op_ref_cast_null: case op_any_convert_extern: case op_extern_convert_any:
    case op_ref_i31: case op_i31_get_s: case op_i31_get_u:
        reference_instruction(v);
        break;
    case op_br_on_cast: case op_br_on_cast_fail: control_instruction(v); break;
    default:
        if (v->row->page == PAGE_GC) aggregate_instruction(v);
        else if (v->row->page == PAGE_MISC) table_instruction(v);
        else control_instruction(v);
    }
}

/* local.get of a one-byte index, a third of all instructions: what local_instruction does, where
 * nothing can fail. */
static inline bool short_local_get(Verifier *v)
{
    Reader *r = &v->code;
    if (r->end - r->pos < 2 || r->bytes[r->pos] != 0x20) return false;
    uint32_t local = r->bytes[r->pos + 1];
    if (local >= 0x80 || local >= v->locals_filled) return false;
    ValType t = v->locals[local];
    if (t == TYPE_V128) return false;
    v->at = r->pos;
    r->pos += 2;
    operand_push(v, t);
    if (v->has_regions && v->live) local_read(v, local);
    return !verifier_failed(v);
}

void verifier_run(Verifier *v)
{
    bool has_short_forms = !v->constant && !v->has_uninitialized;
    while (v->ncontrols > 0 && !v->restart) {
        while (has_short_forms && short_local_get(v)) continue;
        if (!decode(v)) return;
        instruction(v);
        if (verifier_failed(v)) return;
    }
}

/* ---- A function ---- */

ValType local_type_far(const Verifier *v, uint32_t local)
{
    uint32_t from = 0, to = v->ngroups - 1; /* in the group `to` at the latest */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (local < v->groups[middle].end) to = middle;
        else from = middle + 1;
    }
    return v->groups[to].type;
}

static void params_declare(Verifier *v, const Type *type)
{
    uint32_t n = type->nparams;
    v->nlocals = v->locals_filled = v->ngroups = 0;
    if (!verifier_grow(v, &v->locals, &v->locals_size, 0, n, sizeof *v->locals)) return;
    if (n) memcpy(v->locals, type->params, n * sizeof *v->locals);
    v->nlocals = v->locals_filled = n;
    v->param_slots = v->local_slots = type->param_slots;
    v->wide = type->param_slots != n;
    v->has_uninitialized = false;
}

static bool locals_add(Verifier *v, uint32_t n, ValType t)
{
    if (n == 0) return true;
    if (n > LIMIT_LOCALS - v->nlocals) {
        reader_fail(&v->code, FNVM_E_LIMIT, v->at, "more than %u locals", (unsigned)LIMIT_LOCALS);
        return false;
    }
    uint32_t most = LIMIT_WIDE_LOCALS + (v->code.end - v->code.pos);
    uint32_t filled = v->nlocals != v->locals_filled || v->nlocals > most ? 0
                      : n < most - v->nlocals                            ? n
                                                                         : most - v->nlocals;
    if (!verifier_grow(v, &v->locals, &v->locals_size, v->locals_filled, filled,
                       sizeof *v->locals) ||
        !verifier_grow(v, &v->groups, &v->groups_size, v->ngroups, 1, sizeof *v->groups))
        return false;
    ValType *added = v->locals + v->locals_filled;
    for (uint32_t i = 0; i < filled; i++) added[i] = t;
    v->nlocals += n;
    v->locals_filled += filled;
    v->groups[v->ngroups++] = (LocalGroup){v->nlocals, t};
    v->local_slots += n * type_slots(t);
    if (t == TYPE_V128) v->wide = true;
    if (!type_is_defaultable(t)) v->has_uninitialized = true;
    return true;
}

static void bits_set(uint64_t *words, uint32_t from, uint32_t to)
{
    for (; from < to && from % 64; from++) words[from / 64] |= UINT64_C(1) << from % 64;
    for (; to - from >= 64; from += 64) words[from / 64] = UINT64_MAX;
    for (; from < to; from++) words[from / 64] |= UINT64_C(1) << from % 64;
}

/* Parameters are initialised, and so is every local whose type has a default. */
static void locals_mark(Verifier *v, uint32_t nparams)
{
    uint32_t words = (v->nlocals + 63) / 64, from = nparams;
    if (!verifier_grow(v, &v->initialized, &v->initialized_size, 0, words, sizeof(uint64_t)))
        return;
    memset(v->initialized, 0, words * sizeof(uint64_t));
    bits_set(v->initialized, 0, nparams);
    for (uint32_t g = 0; g < v->ngroups; from = v->groups[g++].end)
        if (type_is_defaultable(v->groups[g].type))
            bits_set(v->initialized, from, v->groups[g].end);
}

static void locals_declare(Verifier *v, const Type *type)
{
    params_declare(v, type);
    if (verifier_failed(v)) return;
    uint32_t groups = code_u32(v, "a count of local declarations");
    uint64_t total = 0;
    if (v->check) check_reach(v->check, CEILING_LOCALS, type->nparams, v->at);
    for (uint32_t g = 0; g < groups && !verifier_failed(v); g++) {
        v->at = v->code.pos;
        uint32_t n = code_u32(v, "a count of locals");
        total += n;
        if (total > UINT32_MAX) verifier_malformed(v, "too many locals: at most 2^32 - 1");
        ValType t = code_value_type(v);
        if (v->check) check_reach(v->check, CEILING_LOCALS, type->nparams + total, v->at);
        /* Only once all are counted is it clear whether they are too many for the format. */
        if (total <= LIMIT_LOCALS - type->nparams) locals_add(v, n, t);
    }
    if (total > LIMIT_LOCALS - type->nparams) locals_add(v, UINT32_MAX, TYPE_I32);
    if (!verifier_failed(v) && v->has_uninitialized) locals_mark(v, type->nparams);
}

/* One pass over the code from `start`. */
static void pass(Verifier *v, uint32_t start, const Type *type)
{
    v->code.pos = v->at = start;
    v->nops = v->base = v->ncontrols = v->ntrail = 0;
    v->nbranches = v->nhandlers = v->nopen = v->nclauses = 0;
    v->slots = v->max_slots = v->local_slots;
    v->restart = v->constant = false;
    v->flags = CODE_LEAF | (v->wide ? CODE_WIDE : 0);
    if (type->result_slots != type->nresults) v->wide = true, v->flags |= CODE_WIDE;
    if (v->has_regions) regions_start(v, start, type->nparams);
    control_push_outermost(v, type, TYPE_BOTTOM);
    if (!verifier_failed(v)) verifier_run(v);
    if (!verifier_failed(v) && !v->restart && v->code.pos != v->code.end) {
        v->at = v->code.pos;
        verifier_malformed(v, "unexpected content after the function's end");
    }
    if (!verifier_failed(v) && !v->restart && v->has_regions) regions_finish(v);
}

/* ---- The result ---- */

static bool side_fits(const Branch *b, int32_t pc, int32_t stp)
{
    return b->keep < SIDE_WIDE && b->pop <= SIDE_MAX_POP && pc >= -(1 << 23) && pc < 1 << 23 &&
           stp >= -(1 << 19) && stp < 1 << 19;
}

static WideSide branch_distances(const Branch *b, uint32_t index)
{
    return (WideSide){.pc = (int32_t)(b->to - b->pc), .stp = (int32_t)(b->to_stp - index),
                      .keep = b->keep, .pop = b->pop};
}

static uint32_t count_wide_entries(const Verifier *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->nbranches; i++) {
        WideSide w = branch_distances(&v->branches[i], i);
        n += !side_fits(&v->branches[i], w.pc, w.stp);
    }
    return n;
}

static void side_pack(const Verifier *v, SideEntry *side, WideSide *wide)
{
    uint32_t nwide = 0;
    for (uint32_t i = 0; i < v->nbranches; i++) {
        WideSide w = branch_distances(&v->branches[i], i);
        if (side_fits(&v->branches[i], w.pc, w.stp)) {
            side[i].word[0] = (uint32_t)w.pc << 8 | w.keep;
            side[i].word[1] = (uint32_t)w.stp << 12 | w.pop;
        } else {
            wide[nwide] = w;
            side[i].word[0] = (w.pc < 0 ? 1u << 31 : 0) | SIDE_WIDE;
            side[i].word[1] = nwide++;
        }
    }
}

static void local_map_fill(const Verifier *v, uint32_t *map)
{
    uint32_t slot = 0;
    for (uint32_t i = 0; i < v->nlocals; i++) {
        ValType t = local_type(v, i);
        map[i] = slot << 1 | (t == TYPE_V128);
        slot += type_slots(t);
    }
}

/* memcpy, but copying nothing from nowhere is fine. */
static void copy_items(void *to, const void *from, size_t bytes)
{
    if (bytes) memcpy(to, from, bytes);
}

/* Handlers stand in the order of their ends: the one around another is the first behind it that
 * starts before.  Each is passed over once. */
static void handlers_nest(Handler *h, uint32_t n)
{
    for (uint32_t i = n; i-- > 0;) {
        uint32_t outer = i + 1;
        while (outer < n && h[outer].start > h[i].start) outer = h[outer].outer;
        h[i].outer = outer;
    }
}

/* Copies what the pass found into one block. */
static FuncCode *func_code_make(Verifier *v, uint32_t func, uint32_t start, const Type *type)
{
    uint32_t nwide = count_wide_entries(v), nmap = v->wide ? v->nlocals : 0;
    size_t bytes = sizeof(FuncCode) + v->nbranches * sizeof(SideEntry) + nwide * sizeof(WideSide) +
                   v->nhandlers * sizeof(Handler) + v->nclauses * sizeof(CatchClause) +
                   nmap * sizeof(uint32_t);
    size_t regions_at = (bytes + 7) / 8 * 8;
    FuncCode *code = malloc(regions_at + regions_bytes(v));
    if (!code) return NULL;
    SideEntry *side = (SideEntry *)(code + 1);
    WideSide *wide = (WideSide *)(side + v->nbranches);
    Handler *handlers = (Handler *)(wide + nwide);
    CatchClause *clauses = (CatchClause *)(handlers + v->nhandlers);
    uint32_t *map = (uint32_t *)(clauses + v->nclauses);
    side_pack(v, side, wide);
    copy_items(handlers, v->handlers, v->nhandlers * sizeof *handlers);
    handlers_nest(handlers, v->nhandlers);
    copy_items(clauses, v->clauses, v->nclauses * sizeof *clauses);
    if (v->wide) local_map_fill(v, map);
    *code = (FuncCode){
        .func = func, .type = type->id, .start = start, .end = v->code.end,
        .param_slots = v->param_slots, .result_slots = type->result_slots,
        .local_slots = v->local_slots, .frame_slots = v->max_slots, .nlocals = v->nlocals,
        .flags = v->flags, .nside = v->nbranches, .nhandlers = v->nhandlers,
        .side = side, .wide = wide, .handlers = handlers, .clauses = clauses,
        .local_map = v->wide ? map : NULL};
    if (v->has_regions) regions_pack(v, code, (uint8_t *)code + regions_at);
    return code;
}

/* Up to the first instruction. */
static Range body_open(Verifier *v, uint32_t func, const Type *type)
{
    Range body = v->m->bodies[func - v->m->n_imported_funcs];
    v->code = (Reader){v->m->bytes, body.start, body.end, NULL, v->check};
    v->at = body.start;
    if (v->check) {
        check_begin(v->check, func);
        v->features = 0;
    }
    locals_declare(v, type);
    return body;
}

static fnvm_error *take_error(Verifier *v)
{
    fnvm_error *error = v->code.error;
    v->code.error = NULL;
    return error;
}

fnvm_error *verifier_body_again(Verifier *v, const FuncCode *code)
{
    const Type *type = types_get(v->types, code->type);
    body_open(v, code->func, type);
    if (code->flags & CODE_WIDE) v->wide = true;
    if (!verifier_failed(v)) pass(v, code->start, type);
    return take_error(v);
}

fnvm_error *verifier_body(Verifier *v, uint32_t func, FuncCode **code)
{
    const Type *type = module_func_type(v->m, func);
    Range body = body_open(v, func, type);
    uint32_t start = v->code.pos;
    if (!verifier_failed(v)) pass(v, start, type);
    if (!verifier_failed(v) && v->restart) {
        v->wide = true;
        pass(v, start, type);
    }
    if (!verifier_failed(v) && v->wide && v->nlocals > LIMIT_WIDE_LOCALS + (body.end - start))
        reader_fail(&v->code, FNVM_E_LIMIT, body.start,
                    "%u locals, some of them vectors, for %u bytes of code", v->nlocals,
                    body.end - start);
    if (v->check) {
        check_reach(v->check, CEILING_FRAME, (uint64_t)v->max_slots * sizeof(uint64_t), body.start);
        check_function_end(v->check);
    }
    if (!verifier_failed(v)) {
        *code = func_code_make(v, func, start, type);
        if (!*code) verifier_no_memory(v);
    }
    return take_error(v);
}
