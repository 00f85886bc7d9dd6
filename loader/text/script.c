/* The script parser reads one form at the top of the script at a time into tokens and makes a
 * command of it with the cursor functions of the module parser.  A module's insides are tokens
 * too, but only to find its end; a lexical fault there is forgotten, because the module is read
 * again when its bytes are asked for. */
#include "loader/text/script.h"

#include <stdlib.h>
#include <string.h>

#include "loader/text/parser.h"
#include "loader/text/wat.h"
#include "vm/error.h"

struct WastScript {
    Parser p; /* its arena holds everything but this struct */
    Lexer lexer;
    WastCommand *commands;
    uint32_t ncommands, commands_cap;
    uint32_t seen, seen_line, seen_start; /* a position, its line, and where that line begins */
};

/* Line and column of a token; tokens are asked about in ascending order. */
static void script_position(WastScript *script, uint32_t at, uint32_t *line, uint32_t *column)
{
    for (; script->seen < at; script->seen++) {
        if (script->p.text[script->seen] == '\n') {
            script->seen_line++;
            script->seen_start = script->seen + 1;
        }
    }
    *line = script->seen_line;
    *column = at - script->seen_start + 1;
}

static WastString wast_string(Str s) { return (WastString){s.bytes, s.len}; }

/* "$m" where it is given. */
static WastString parse_module_id(Parser *p)
{
    Str id;
    Buffer out;
    if (!parser_accept_id(p, &id)) return (WastString){NULL, 0};
    buffer_init(&out, &p->arena);
    buffer_byte(&out, '$');
    buffer_bytes(&out, id.bytes, id.len);
    return (WastString){(const char *)out.bytes, out.len};
}

static bool parse_text(Parser *p, WastString *out)
{
    Buffer bytes;
    buffer_init(&bytes, &p->arena);
    if (!parser_string(p, &bytes)) return false;
    *out = (WastString){(const char *)bytes.bytes, bytes.len};
    return true;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* How deep (either may nest. */
enum { EITHER_DEPTH_MAX = 16 };

static bool parse_values(Parser *p, unsigned depth, const WastValue **out, size_t *n);

/* A literal, or for floats one of the two patterns. */
static bool parse_lane(Parser *p, unsigned bits, bool is_float, WastNan *nan, uint64_t *out)
{
    *out = 0;
    *nan = WAST_NAN_NONE;
    if (is_float && parser_accept_keyword(p, STR("nan:canonical")))
        *nan = WAST_NAN_CANONICAL;
    else if (is_float && parser_accept_keyword(p, STR("nan:arithmetic")))
        *nan = WAST_NAN_ARITHMETIC;
    else
        return parse_number(p, bits, is_float, out);
    return true;
}

static bool parse_scalar(Parser *p, WastKind kind, WastValue *value)
{
    unsigned bits = kind == WAST_I32 || kind == WAST_F32 ? 32 : 64;
    uint64_t number;
    if (!parse_lane(p, bits, kind == WAST_F32 || kind == WAST_F64, &value->nan[0], &number))
        return false;
    if (bits == 32)
        value->of.i32 = (uint32_t)number;
    else
        value->of.i64 = number;
    return true;
}

static bool parse_vector(Parser *p, WastValue *value)
{
    const Shape *shape = parse_shape(p);
    if (shape == NULL) return false;
    value->shape = (WastShape)(shape - vector_shapes);
    for (unsigned i = 0; i < 128 / shape->bits; i++) {
        uint64_t lane;
        WastNan nan;
        if (!parse_lane(p, shape->bits, shape->is_float, &nan, &lane)) return false;
        if (shape->is_float) value->nan[i] = nan;
        for (unsigned byte = 0; byte < shape->bits / 8; byte++)
            value->of.v128[i * shape->bits / 8 + byte] = (uint8_t)(lane >> (8 * byte));
    }
    return true;
}

static bool parse_reference(Parser *p, WastKind kind, WastValue *value)
{
    switch (kind) {
    case WAST_REF_NULL:
        if (parser_at(p, TOKEN_KEYWORD)) {
            value->heap = wast_string(parser_text(p, parser_peek(p)));
            p->pos++;
        }
        return true;
    case WAST_REF_EXTERN:
        value->has_host = parser_at(p, TOKEN_NUMBER);
        return !value->has_host || parser_unsigned(p, UINT64_MAX, "a number", &value->host);
    case WAST_REF_HOST:
        value->has_host = true;
        return parser_unsigned(p, UINT64_MAX, "a number", &value->host);
    case WAST_REF_FUNC: /* an index may follow; it identifies nothing outside of the module */
        if (parser_at(p, TOKEN_NUMBER)) p->pos++;
        return true;
    default: return true;
    }
}

typedef struct ValueWord {
    Str word;
    WastKind kind;
} ValueWord;

static const ValueWord value_words[] = {
    {STR_INIT("i32.const"), WAST_I32},         {STR_INIT("i64.const"), WAST_I64},
    {STR_INIT("f32.const"), WAST_F32},         {STR_INIT("f64.const"), WAST_F64},
    {STR_INIT("v128.const"), WAST_V128},       {STR_INIT("ref.null"), WAST_REF_NULL},
    {STR_INIT("ref.host"), WAST_REF_HOST},     {STR_INIT("ref.extern"), WAST_REF_EXTERN},
    {STR_INIT("ref.func"), WAST_REF_FUNC},     {STR_INIT("ref.any"), WAST_REF_ANY},
    {STR_INIT("ref.eq"), WAST_REF_EQ},         {STR_INIT("ref.i31"), WAST_REF_I31},
    {STR_INIT("ref.struct"), WAST_REF_STRUCT}, {STR_INIT("ref.array"), WAST_REF_ARRAY},
    {STR_INIT("ref.exn"), WAST_REF_EXN},       {STR_INIT("either"), WAST_EITHER},
};

static bool parse_value(Parser *p, unsigned depth, WastValue *value)
{
    const ValueWord *found = NULL;
    for (size_t i = 0; i < sizeof value_words / sizeof *value_words && found == NULL; i++)
        found = parser_accept_form(p, value_words[i].word) ? &value_words[i] : NULL;
    if (found == NULL)
        return parser_expected(p, "a value: (i32.const, ... (ref.null, ... or (either");
    value->kind = found->kind;
    bool ok;
    if (found->kind <= WAST_F64)
        ok = parse_scalar(p, found->kind, value);
    else if (found->kind == WAST_V128)
        ok = parse_vector(p, value);
    else if (found->kind == WAST_EITHER)
        ok = parse_values(p, depth + 1, &value->choices, &value->nchoices);
    else
        ok = parse_reference(p, found->kind, value);
    return ok && parser_close(p);
}

/* Values up to the ")" of the form around them. */
static bool parse_values(Parser *p, unsigned depth, const WastValue **out, size_t *n)
{
    uint32_t start = p->pos;
    size_t count = 0;
    if (depth > EITHER_DEPTH_MAX) return parser_fail(p, start, "(either is nested too deep");
    for (; parser_at(p, TOKEN_OPEN); parser_skip(p)) count++;
    p->pos = start;
    WastValue *values = arena_alloc(&p->arena, (count == 0 ? 1 : count) * sizeof *values);
    if (values == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!parse_value(p, depth, &values[i])) return false;
    }
    *out = values;
    *n = count;
    return true;
}

/* ---- Modules and actions --------------------------------------------------------------------- */

/* "(module ...)" at the cursor. */
static bool parse_module(WastScript *script, WastCommand *command)
{
    Parser *p = &script->p;
    WastModule *module = &command->module;
    const Token *open = parser_peek(p);
    uint32_t end = parser_form_end(p);
    command->has_module = true;
    script_position(script, open->start, &module->line, &module->column);
    p->pos += 2;
    module->is_definition = parser_accept_keyword(p, STR("definition"));
    module->id = parse_module_id(p);
    bool is_binary = parser_accept_keyword(p, STR("binary"));
    if (!is_binary && !parser_accept_keyword(p, STR("quote"))) {
        const Token *close = &p->tokens.items[end];
        module->kind = WAST_MODULE_TEXT;
        module->body = (WastString){p->text + open->start, close->start + close->len - open->start};
        p->pos = close->kind == TOKEN_CLOSE ? end + 1 : end;
        return true;
    }
    Buffer bytes;
    buffer_init(&bytes, &p->arena);
    module->kind = is_binary ? WAST_MODULE_BINARY : WAST_MODULE_QUOTE;
    while (parser_at(p, TOKEN_STRING)) {
        if (!parser_string(p, &bytes)) return false;
    }
    module->body = (WastString){(const char *)bytes.bytes, bytes.len};
    return parser_close(p);
}

static bool parse_action(WastScript *script, WastCommand *command)
{
    Parser *p = &script->p;
    WastAction *action = &command->action;
    if (parser_accept_form(p, STR("get")))
        action->kind = WAST_GET;
    else if (parser_accept_form(p, STR("invoke")))
        action->kind = WAST_INVOKE;
    else
        return parser_expected(p, "(invoke or (get");
    action->module = parse_module_id(p);
    if (!parse_text(p, &action->name)) return false;
    if (action->kind == WAST_INVOKE && !parse_values(p, 0, &action->args, &action->nargs))
        return false;
    return parser_close(p);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* What follows the keyword of a command. */
typedef enum Operands {
    OPERANDS_MODULE, /* the form itself is the module */
    OPERANDS_REGISTER,
    OPERANDS_ACTION, /* the form itself is the action */
    OPERANDS_ACTION_RESULTS,
    OPERANDS_ACTION_MESSAGE,
    OPERANDS_ACTION_ONLY,
    OPERANDS_EITHER_MESSAGE, /* action or module */
    OPERANDS_MODULE_MESSAGE
} Operands;

typedef struct CommandWord {
    Str word;
    WastCommandKind kind;
    Operands operands;
} CommandWord;

static const CommandWord command_words[] = {
    {STR_INIT("module"), WAST_MODULE, OPERANDS_MODULE},
    {STR_INIT("instance"), WAST_INSTANCE, OPERANDS_MODULE}, /* only inside (module instance */
    {STR_INIT("register"), WAST_REGISTER, OPERANDS_REGISTER},
    {STR_INIT("invoke"), WAST_ACTION, OPERANDS_ACTION},
    {STR_INIT("get"), WAST_ACTION, OPERANDS_ACTION},
    {STR_INIT("assert_return"), WAST_ASSERT_RETURN, OPERANDS_ACTION_RESULTS},
    {STR_INIT("assert_trap"), WAST_ASSERT_TRAP, OPERANDS_EITHER_MESSAGE},
    {STR_INIT("assert_exhaustion"), WAST_ASSERT_EXHAUSTION, OPERANDS_ACTION_MESSAGE},
    {STR_INIT("assert_exception"), WAST_ASSERT_EXCEPTION, OPERANDS_ACTION_ONLY},
    {STR_INIT("assert_invalid"), WAST_ASSERT_INVALID, OPERANDS_MODULE_MESSAGE},
    {STR_INIT("assert_malformed"), WAST_ASSERT_MALFORMED, OPERANDS_MODULE_MESSAGE},
    {STR_INIT("assert_unlinkable"), WAST_ASSERT_UNLINKABLE, OPERANDS_MODULE_MESSAGE},
    {STR_INIT("assert_invalid_custom"), WAST_ASSERT_INVALID_CUSTOM, OPERANDS_MODULE_MESSAGE},
    {STR_INIT("assert_malformed_custom"), WAST_ASSERT_MALFORMED_CUSTOM, OPERANDS_MODULE_MESSAGE},
};

const char *wast_command_name(WastCommandKind kind)
{
    for (size_t i = 0; i < sizeof command_words / sizeof *command_words; i++) {
        if (command_words[i].kind == kind) return command_words[i].word.bytes;
    }
    return "command";
}

static const CommandWord *command_word_at(const Parser *p)
{
    for (size_t i = 0; i < sizeof command_words / sizeof *command_words; i++) {
        if (command_words[i].kind != WAST_INSTANCE && parser_at_form(p, command_words[i].word))
            return &command_words[i];
    }
    return NULL;
}

/* "(module instance $i? $m?)", with the cursor behind `instance`. */
static bool parse_instance(WastScript *script, WastCommand *command)
{
    command->kind = WAST_INSTANCE;
    command->id = parse_module_id(&script->p);
    command->definition = parse_module_id(&script->p);
    return parser_close(&script->p);
}

static bool parse_module_or_action(WastScript *script, WastCommand *command)
{
    return parser_at_form(&script->p, STR("module")) ? parse_module(script, command)
                                                     : parse_action(script, command);
}

static bool parse_operands(WastScript *script, Operands operands, WastCommand *command)
{
    Parser *p = &script->p;
    if (operands == OPERANDS_ACTION) return parse_action(script, command);
    if (operands == OPERANDS_MODULE) {
        const Token *next = parser_peek(p) + 2;
        if (next->kind == TOKEN_KEYWORD && str_equal(parser_text(p, next), STR("instance"))) {
            p->pos += 3;
            return parse_instance(script, command);
        }
        return parse_module(script, command);
    }
    p->pos += 2;
    bool ok = false;
    switch (operands) {
    case OPERANDS_REGISTER:
        ok = parse_text(p, &command->name);
        command->id = parse_module_id(p);
        break;
    case OPERANDS_ACTION_RESULTS:
        ok = parse_action(script, command) &&
             parse_values(p, 0, &command->results, &command->nresults);
        break;
    case OPERANDS_ACTION_ONLY: ok = parse_action(script, command); break;
    case OPERANDS_ACTION_MESSAGE:
        ok = parse_action(script, command) && parse_text(p, &command->message);
        break;
    case OPERANDS_EITHER_MESSAGE:
        ok = parse_module_or_action(script, command) && parse_text(p, &command->message);
        break;
    default:
        if (!parser_at_form(p, STR("module"))) return parser_expected(p, "(module");
        ok = parse_module(script, command) && parse_text(p, &command->message);
    }
    return ok && parser_close(p);
}

static WastCommand *command_push(WastScript *script)
{
    WastCommand *moved = arena_reserve(&script->p.arena, script->commands, script->ncommands,
                                       &script->commands_cap, sizeof *moved);
    if (moved == NULL) return NULL;
    script->commands = moved;
    script->commands[script->ncommands] = (WastCommand){0};
    return &script->commands[script->ncommands++];
}

/* A form that is no command is a field of a module without "(module": it joins the one before, if
 * that is such a module too. */
static bool parse_bare_field(WastScript *script, bool joins)
{
    Parser *p = &script->p;
    const Token *open = parser_peek(p);
    if (open->kind != TOKEN_OPEN) return parser_expected(p, "a command");
    parser_skip(p);
    const Token *end = parser_peek(p); /* the form was the only one */
    if (!joins) {
        WastCommand *command = command_push(script);
        if (command == NULL) return false;
        command->kind = WAST_MODULE;
        command->has_module = true;
        command->module.kind = WAST_MODULE_TEXT;
        script_position(script, open->start, &command->line, &command->module.column);
        command->module.line = command->line;
        command->module.body.bytes = p->text + open->start;
    }
    WastString *body = &script->commands[script->ncommands - 1].module.body;
    body->len = (size_t)(p->text + end->start + end->len - body->bytes);
    return true;
}

/* The form at the cursor lacks its ")"; only a module's text may. */
static bool is_cut_off(const Parser *p)
{
    return parser_at(p, TOKEN_OPEN) && p->tokens.items[parser_form_end(p)].kind == TOKEN_END &&
           command_word_at(p) != NULL && !parser_at_form(p, STR("module"));
}

/* The form in p->tokens. */
static bool parse_command(WastScript *script, bool *bare)
{
    Parser *p = &script->p;
    const CommandWord *word = command_word_at(p);
    bool joins = *bare;
    *bare = word == NULL;
    if (word == NULL) return parse_bare_field(script, joins);
    WastCommand *command = command_push(script);
    if (command == NULL) return false;
    uint32_t column;
    command->kind = word->kind;
    script_position(script, parser_peek(p)->start, &command->line, &column);
    return parse_operands(script, word->operands, command);
}

/* A lexical fault is the module's own business if it lies in the text of the last command's. */
static bool fault_is_local(const WastScript *script)
{
    if (script->ncommands == 0) return false;
    const WastModule *module = &script->commands[script->ncommands - 1].module;
    const char *at = script->p.text + script->lexer.fault.at;
    return module->kind == WAST_MODULE_TEXT && module->body.len != 0 && at >= module->body.bytes &&
           at < module->body.bytes + module->body.len;
}

static bool parse_script(WastScript *script)
{
    Parser *p = &script->p;
    bool bare = false;
    for (;;) {
        tokens_read(&script->lexer, &p->arena, &p->tokens, true);
        if (p->arena.failed) return false;
        bool done = p->tokens.n == 0;
        p->pos = 0;
        TextFault *fault = &script->lexer.fault;
        bool ok = done || (!is_cut_off(p) && parse_command(script, &bare));
        if (fault->message != NULL && !fault_is_local(script) && p->error == NULL)
            return parser_fail_code(p, FNVM_E_MALFORMED, fault->at, "%s", fault->message);
        if (!ok || done) return ok;
        *fault = (TextFault){NULL, 0};
    }
}

fnvm_error *wast_parse(const char *text, size_t len, WastScript **out)
{
    if (len > TEXT_MAX_BYTES)
        return fnvm_error_new(FNVM_E_LIMIT, "the script is larger than 1 GiB");
    WastScript *script = malloc(sizeof *script);
    if (script == NULL) return error_no_memory();
    memset(script, 0, sizeof *script);
    parser_init(&script->p, len == 0 ? "" : text, 1, 1);
    script->lexer = (Lexer){.text = script->p.text, .len = (uint32_t)len};
    script->seen_line = 1;
    bool ok = parse_script(script);
    fnvm_error *error = script->p.error;
    if (error == NULL && (!ok || script->p.arena.failed)) error = error_no_memory();
    if (error != NULL) {
        wast_free(script);
        return error;
    }
    *out = script;
    return NULL;
}

void wast_free(WastScript *script)
{
    if (script == NULL) return;
    arena_free(&script->p.arena);
    free(script);
}

const WastCommand *wast_commands(const WastScript *script, size_t *n)
{
    *n = script->ncommands;
    return script->commands;
}

fnvm_error *wast_module_bytes(const WastModule *module, uint8_t **bytes, size_t *len)
{
    WatInput input = {.text = module->body.bytes, .len = module->body.len, .line = 1, .column = 1};
    if (module->kind == WAST_MODULE_TEXT) {
        input.line = module->line;
        input.column = module->column;
    }
    if (module->kind != WAST_MODULE_BINARY) return wat_to_wasm(input, bytes, len);
    *bytes = malloc(input.len == 0 ? 1 : input.len);
    if (*bytes == NULL) return error_no_memory();
    if (input.len != 0) memcpy(*bytes, input.text, input.len);
    *len = input.len;
    return NULL;
}
