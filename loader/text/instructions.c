/* Function bodies and constant expressions (6.5): plain and folded instructions to code.
 *
 * Nesting is kept on an explicit stack of frames, never on the C stack.  A folded instruction is
 * written behind its operands (6.5.12), so its encoding waits on `pending`, a stack of bytes that
 * grows and shrinks with the frames.  What may add a type to the module (the type uses of
 * call_indirect and of a folded `if`) is read only when the instruction is written, for new types
 * are numbered in the order of the unfolded code. */
#include "loader/text/parser.h"

typedef enum FrameKind {
    FRAME_PLAIN, /* block ... end */
    FRAME_BLOCK, /* (block ...), also loop and try_table */
    FRAME_IF,    /* (if ...), outside of its arms */
    FRAME_ARM,   /* (then ...) or (else ...) of the FRAME_IF below */
    FRAME_FOLDED /* (op ...): operands follow */
} FrameKind;

typedef enum IfStage { IF_CONDITION, IF_THEN, IF_ELSE } IfStage; /* the arm that is done */

struct Frame {
    uint8_t kind;  /* FrameKind */
    uint8_t stage; /* FRAME_IF: IfStage; FRAME_PLAIN: IF_THEN while an else may come */
    int8_t hint;   /* branch hint or -1 */
    Op op;
    uint32_t token;      /* of the keyword */
    uint32_t immediates; /* FRAME_IF, and FRAME_FOLDED that waits: token where they begin; or 0 */
    uint32_t operands;   /* and where they end */
    size_t pending;      /* FRAME_FOLDED: where its bytes begin in p->pending */
    Str label, name;     /* FRAME_IF: its label, pushed by its arms */
};

/* Frames are small, but every level costs the verifier too. */
enum { NESTING_MAX = 16384 };

static Frame *frame_push(Parser *p, Frame frame)
{
    if (p->nframes >= NESTING_MAX) {
        parser_fail_code(p, FNVM_E_LIMIT, p->tokens.items[frame.token].start,
                         "instructions are nested deeper than %d levels", NESTING_MAX);
        return NULL;
    }
    Frame *moved = arena_reserve(&p->arena, p->frames, p->nframes, &p->frames_cap, sizeof *moved);
    if (moved == NULL) return NULL;
    p->frames = moved;
    p->frames[p->nframes] = frame;
    return &p->frames[p->nframes++];
}

static Frame *frame_top(Parser *p) { return p->nframes != 0 ? &p->frames[p->nframes - 1] : NULL; }

/* ---- Labels and locals ----------------------------------------------------------------------- */

static bool label_push(Parser *p, Str id, Str name)
{
    Label *moved = arena_reserve(&p->arena, p->labels, p->nlabels, &p->labels_cap, sizeof *moved);
    if (moved == NULL) return false;
    p->labels = moved;
    uint32_t shadows = NAME_UNKNOWN;
    if (id.len != 0) shadows = names_put(&p->label_ids, &p->arena, id, p->nlabels);
    p->labels[p->nlabels++] = (Label){id, shadows};
    if (name.len != 0) name_map_add(&p->body_labels, &p->nbody_labels, p->nseen_labels, name);
    p->nseen_labels++;
    return true;
}

/* A label's identifier, if there is one; `name` is what the name section gets. */
static bool parse_label_id(Parser *p, Str *id, Str *name)
{
    *id = (Str){NULL, 0};
    parser_accept_id(p, id);
    *name = *id;
    return annotation_name(p, name);
}

/* Behind `else` and `end`: an identifier must be the block's own. */
static bool check_label_id(Parser *p)
{
    Str id;
    uint32_t token = p->pos;
    if (parser_accept_id(p, &id) && !str_equal(id, p->labels[p->nlabels - 1].id))
        return parser_fail(p, token, "mismatching label $%.*s", STR_SHOWN(id));
    return true;
}

bool parser_local_name(Parser *p, uint32_t index, Str id, Str name)
{
    if (id.len != 0 && !names_add(&p->locals, &p->arena, id, index))
        return parser_fail(p, p->pos, "duplicate local $%.*s", STR_SHOWN(id));
    name = name.len != 0 ? name : id;
    if (name.len != 0) name_map_add(&p->body_names, &p->nbody_names, index, name);
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Call it just before the instruction's opcode is written. */
static bool write_hint(Parser *p, int hint, Op op, uint32_t token)
{
    if (hint < 0) return true;
    if (op != op_if_ && op != op_br_if)
        return parser_fail_code(p, FNVM_E_INVALID, p->tokens.items[token].start,
                                "@metadata.code.branch_hint annotation: invalid target");
    buffer_u64(&p->body_hints, p->code.len);
    buffer_byte(&p->body_hints, (uint8_t)hint);
    p->nbody_hints++;
    return true;
}

/* Opcode and immediates of a block whose keyword the cursor has passed; pushes its label. */
static bool write_block(Parser *p, Op op, Str id, Str name)
{
    return parse_instruction(p, &op, &p->code) && label_push(p, id, name);
}

static void write_end(Parser *p)
{
    write_opcode(&p->code, op_end);
    const Label *label = &p->labels[--p->nlabels];
    if (label->id.len != 0) names_put(&p->label_ids, &p->arena, label->id, label->shadows);
}

static bool is_block(Op op) { return op == op_block || op == op_loop || op == op_try_table; }

/* ---- Plain instructions ---------------------------------------------------------------------- */

static bool plain_else(Parser *p)
{
    Frame *top = frame_top(p);
    if (top == NULL || top->kind != FRAME_PLAIN || top->op != op_if_ || top->stage != IF_THEN)
        return parser_expected(p, "an instruction (there is no 'if' for this 'else')");
    p->pos++;
    top->stage = IF_ELSE;
    write_opcode(&p->code, op_else_);
    return check_label_id(p);
}

static bool plain_end(Parser *p)
{
    Frame *top = frame_top(p);
    if (top == NULL || top->kind != FRAME_PLAIN)
        return parser_expected(p, "an instruction (there is no block for this 'end')");
    p->pos++;
    if (!check_label_id(p)) return false;
    write_end(p);
    p->nframes--;
    return true;
}

static Op instruction_at(const Parser *p, uint32_t token)
{
    Str keyword = parser_text(p, &p->tokens.items[token]);
    return p->tokens.items[token].kind == TOKEN_KEYWORD
               ? instruction_by_text(keyword.bytes, keyword.len)
               : OP_NONE;
}

static bool parse_plain(Parser *p)
{
    Frame *top = frame_top(p);
    if (top != NULL && (top->kind == FRAME_FOLDED || top->kind == FRAME_IF))
        return parser_expected(p, "a folded instruction or ')'");
    int hint;
    uint32_t token = p->pos;
    Op op = instruction_at(p, token);
    if (op == OP_NONE) return parser_expected(p, "an instruction");
    if (op == op_else_) return plain_else(p);
    if (op == op_end) return plain_end(p);
    if (!annotation_branch_hint(p, &hint) || !write_hint(p, hint, op, token)) return false;
    p->pos++;
    if (!is_block(op) && op != op_if_) return parse_instruction(p, &op, &p->code);
    Str id, name;
    if (!parse_label_id(p, &id, &name) || !write_block(p, op, id, name)) return false;
    return frame_push(
               p, (Frame){.kind = FRAME_PLAIN, .op = op, .token = token, .stage = IF_THEN}) != NULL;
}

/* ---- Folded instructions --------------------------------------------------------------------- */

/* "(then" or "(else" directly inside a folded if. */
static bool open_arm(Parser *p, Frame *frame)
{
    bool is_then = parser_at_form(p, STR("then"));
    if (frame->stage != (is_then ? IF_CONDITION : IF_THEN))
        return parser_expected(p, is_then ? "(else or ')'" : "(then");
    uint32_t token = p->pos;
    if (is_then) {
        Frame copy = *frame;
        if (!write_hint(p, copy.hint, op_if_, copy.token)) return false;
        p->pos = copy.immediates;
        if (!write_block(p, op_if_, copy.label, copy.name)) return false;
        if (p->pos != copy.operands) return parser_expected(p, "an instruction");
        frame->stage = IF_THEN;
    } else {
        write_opcode(&p->code, op_else_);
        frame->stage = IF_ELSE;
    }
    p->pos = token + 2;
    return frame_push(p, (Frame){.kind = FRAME_ARM, .token = token}) != NULL;
}

static bool open_if(Parser *p, int hint, uint32_t token)
{
    Frame frame = {.kind = FRAME_IF, .op = op_if_, .token = token, .hint = (int8_t)hint};
    if (!parse_label_id(p, &frame.label, &frame.name)) return false;
    frame.immediates = p->pos;
    skip_typeuse(p);
    frame.operands = p->pos;
    return frame_push(p, frame) != NULL;
}

static bool open_folded(Parser *p, Op op, int hint, uint32_t token)
{
    Frame frame = {.kind = FRAME_FOLDED,
                   .op = op,
                   .token = token,
                   .hint = (int8_t)hint,
                   .pending = p->pending.len};
    if (instructions[op].imm == IMM_TYPE_TABLE) {
        frame.immediates = p->pos;
        if (parser_at_index(p)) p->pos++;
        skip_typeuse(p);
        frame.operands = p->pos;
    } else if (!parse_instruction(p, &op, &p->pending)) {
        return false;
    }
    return frame_push(p, frame) != NULL;
}

static bool parse_open(Parser *p)
{
    Frame *top = frame_top(p);
    int hint;
    uint32_t token = p->pos + 1;
    if (top != NULL && top->kind == FRAME_IF) {
        if (parser_at_form(p, STR("then")) || parser_at_form(p, STR("else")))
            return open_arm(p, top);
        if (top->stage != IF_CONDITION)
            return parser_expected(p, top->stage == IF_THEN ? "(else or ')'" : "')'");
    }
    Op op = instruction_at(p, token);
    if (op == OP_NONE || op == op_else_ || op == op_end)
        return parser_expected(p, "an instruction");
    if (!annotation_branch_hint(p, &hint)) return false;
    p->pos += 2;
    if (op == op_if_) return open_if(p, hint, token);
    if (!is_block(op)) return open_folded(p, op, hint, token);
    Str id, name;
    if (!write_hint(p, hint, op, token) || !parse_label_id(p, &id, &name) ||
        !write_block(p, op, id, name))
        return false;
    return frame_push(p, (Frame){.kind = FRAME_BLOCK, .op = op, .token = token}) != NULL;
}

static bool close_folded(Parser *p, Frame frame)
{
    if (!write_hint(p, frame.hint, frame.op, frame.token)) return false;
    if (frame.immediates != 0) {
        uint32_t here = p->pos;
        p->pos = frame.immediates;
        if (!parse_instruction(p, &frame.op, &p->code)) return false;
        if (p->pos != frame.operands) return parser_expected(p, "an instruction");
        p->pos = here;
        return true;
    }
    if (!parser_ok(p)) return false;
    buffer_bytes(&p->code, p->pending.bytes + frame.pending, p->pending.len - frame.pending);
    p->pending.len = frame.pending;
    return true;
}

/* A ")" that closes a frame. */
static bool parse_close(Parser *p)
{
    Frame *top = frame_top(p);
    if (top == NULL) return parser_expected(p, "an instruction");
    if (top->kind == FRAME_PLAIN) return parser_expected(p, "'end'");
    if (top->kind == FRAME_IF && top->stage == IF_CONDITION) return parser_expected(p, "(then");
    if (top->kind == FRAME_FOLDED && !close_folded(p, *top)) return false;
    if (top->kind == FRAME_BLOCK || top->kind == FRAME_IF) write_end(p);
    p->nframes--;
    p->pos++;
    return true;
}

/* ---- Expressions ----------------------------------------------------------------------------- */

bool parse_code(Parser *p, uint32_t end)
{
    p->code.len = p->pending.len = 0;
    p->nframes = p->nlabels = 0;
    names_clear(&p->label_ids);
    while (p->pos < end || p->nframes != 0) {
        bool ok;
        if (p->pos >= end)
            ok = parser_expected(p, "'end'");
        else if (parser_at(p, TOKEN_OPEN))
            ok = parse_open(p);
        else if (parser_at(p, TOKEN_CLOSE))
            ok = parse_close(p);
        else
            ok = parse_plain(p);
        if (!ok || !parser_goes_on(p)) return false;
    }
    return true;
}

bool parse_constant(Parser *p, uint32_t end, Buffer *out)
{
    bool uses_data = p->uses_data; /* by functions: only their uses need the data count section */
    names_clear(&p->locals);
    if (!parse_code(p, end)) return false;
    p->uses_data = uses_data;
    buffer_buffer(out, &p->code);
    write_opcode(out, op_end);
    return true;
}
