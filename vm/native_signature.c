/* One pass over words and marks, with the position kept for messages.  The guest's type is
 * written once all is known: its parameters are those of the items in order, an address and a
 * length being two. */
#include "vm/native_signature.h"

#include <ctype.h>
#include <string.h>

typedef struct Parser {
    const char *text, *at;
    NativeName word; /* the next one; len 0: a mark, or the end */
    NativeSignature *out;
} Parser;

typedef struct KindRow {
    const char *text;
    uint8_t bytes;
    const char *type;
} KindRow;
static const KindRow rows[] = {
#define VALUE(ident, text, bytes, type) [NATIVE_##ident] = {text, bytes, type},
    NATIVE_VALUES(VALUE)
#undef VALUE
    [NATIVE_HANDLE] = {"handle", 8, "i64"},
    [NATIVE_CSTRING] = {"cstring", 0, NULL},
    [NATIVE_BYTES] = {"bytes", 0, NULL},
    [NATIVE_BUFFER] = {"buffer", 0, NULL},
    [NATIVE_NULL] = {"null", 0, NULL},
    [NATIVE_VOID] = {"void", 0, NULL}};

size_t native_kind_bytes(NativeKind kind) { return rows[kind].bytes; }

/* ---- Words ---- */

static bool is_letter(char c) { return isalnum((unsigned char)c) || c == '_'; }

static void look(Parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n') p->at++;
    p->word = (NativeName){p->at, 0};
    while (is_letter(p->at[p->word.len])) p->word.len++;
}

static void next(Parser *p)
{
    p->at += p->word.len ? p->word.len : 1;
    look(p);
}

static bool is_word(const Parser *p, const char *text)
{
    return p->word.len == strlen(text) && memcmp(p->word.at, text, p->word.len) == 0;
}

static bool take_word(Parser *p, const char *text)
{
    if (!is_word(p, text)) return false;
    next(p);
    return true;
}

static bool take_mark(Parser *p, char mark)
{
    if (*p->at != mark) return false;
    next(p);
    return true;
}

static fnvm_error *expected(const Parser *p, const char *what)
{
    const int len = p->word.len ? (int)(p->word.len < 40 ? p->word.len : 40) : *p->at ? 1 : 0;
    return fnvm_error_new(
        FNVM_E_USAGE, "the signature `%.200s`, column %zu: expected %s, found %s%.*s%s", p->text,
        (size_t)(p->at - p->text) + 1, what, len ? "`" : "its end", len, p->at, len ? "`" : "");
}

/* ---- Items ---- */

static bool take_kind(Parser *p, NativeKind *out)
{
    for (size_t kind = 0; kind < sizeof rows / sizeof *rows; kind++) {
        if (!take_word(p, rows[kind].text)) continue;
        *out = (NativeKind)kind;
        return true;
    }
    return false;
}

static fnvm_error *take_name(Parser *p, NativeItem *item)
{
    if (p->word.len == 0 || p->word.len > NATIVE_NAME_MAX || isdigit((unsigned char)*p->word.at))
        return expected(p, "the name of a kind of handle, such as `handle db`");
    item->name = p->word;
    next(p);
    return NULL;
}

static fnvm_error *take_result(Parser *p)
{
    static const char what[] =
        "the type of the result: void, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, "
        "bool, cstring or `handle NAME`";
    NativeItem *result = &p->out->result;
    const Parser before = *p;
    if (!take_kind(p, &result->kind)) return expected(p, what);
    if (result->kind == NATIVE_HANDLE) return take_name(p, result);
    if (result->kind < NATIVE_VALUE_KINDS || result->kind == NATIVE_CSTRING ||
        result->kind == NATIVE_VOID)
        return NULL;
    return expected(&before, what);
}

static bool goes(NativeWay way, NativeKind kind)
{
    switch (way) {
    case NATIVE_IN: return kind != NATIVE_VOID;
    case NATIVE_OUT: return kind < NATIVE_VALUE_KINDS;
    case NATIVE_INOUT: return kind < NATIVE_HANDLE;
    case NATIVE_TAKE: return kind == NATIVE_HANDLE;
    }
    return false;
}

static fnvm_error *take_param(Parser *p)
{
    static const char *const what[] = {
        [NATIVE_IN] =
            "the type of a parameter: i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, bool, "
            "cstring, bytes, buffer, null, `out TYPE`, `inout TYPE`, `handle NAME` or `take "
            "handle NAME`",
        [NATIVE_OUT] = "a number's type, bool or `handle NAME` behind `out`",
        [NATIVE_INOUT] = "a number's type or bool behind `inout`",
        [NATIVE_TAKE] = "`handle NAME` behind `take`"};
    if (p->out->nparams == NATIVE_PARAMS_MAX) return expected(p, "no more than 32 parameters");
    NativeItem *item = &p->out->params[p->out->nparams++];
    *item = (NativeItem){.way = take_word(p, "out")     ? NATIVE_OUT
                                : take_word(p, "inout") ? NATIVE_INOUT
                                : take_word(p, "take")  ? NATIVE_TAKE
                                                        : NATIVE_IN};
    const Parser before = *p;
    if (!take_kind(p, &item->kind) || !goes(item->way, item->kind))
        return expected(&before, what[item->way]);
    return item->kind == NATIVE_HANDLE ? take_name(p, item) : NULL;
}

static fnvm_error *take_params(Parser *p)
{
    const Parser before = *p;
    if (take_mark(p, ')')) return NULL;
    if (take_word(p, "void") && take_mark(p, ')')) return NULL;
    *p = before;
    do {
        fnvm_error *error = take_param(p);
        if (error) return error;
    } while (take_mark(p, ','));
    return take_mark(p, ')') ? NULL : expected(p, "`,` or `)`");
}

static fnvm_error *parse(Parser *p)
{
    look(p);
    p->out->memory64 = take_word(p, "memory64");
    fnvm_error *error = take_result(p);
    if (error) return error;
    if (p->word.len && !isdigit((unsigned char)*p->word.at)) {
        p->out->symbol = p->word;
        next(p);
    }
    if (!take_mark(p, '(')) return expected(p, "`(`, as in `f64(f64)`");
    error = take_params(p);
    if (!error && *p->at) error = expected(p, "nothing more");
    return error;
}

/* ---- The guest's type ---- */

static void put(NativeSignature *s, const char *text)
{
    const size_t len = strlen(s->type);
    if (len) strncat(s->type, " ", sizeof s->type - len - 1);
    strncat(s->type, text, sizeof s->type - strlen(s->type) - 1);
}

/* Adds the guest's arguments for an item; returns how many. */
static uint32_t put_item(NativeSignature *s, NativeItem *item, uint32_t slot)
{
    const char *address = s->memory64 ? "i64" : "i32";
    const bool ranged = item->kind == NATIVE_BYTES || item->kind == NATIVE_BUFFER ||
                        (item == &s->result && item->kind == NATIVE_CSTRING);
    item->slot = slot;
    if (item->kind == NATIVE_NULL) return 0;
    const bool by_address =
        item->kind >= NATIVE_VALUE_KINDS || item->way == NATIVE_OUT || item->way == NATIVE_INOUT;
    put(s, by_address ? address : rows[item->kind].type);
    if (ranged) put(s, address);
    return ranged ? 2 : 1;
}

static void put_type(NativeSignature *s)
{
    _Static_assert(sizeof s->type > (2 * NATIVE_PARAMS_MAX + 2) * sizeof "i64" + sizeof "-> i64",
                   "");
    uint32_t slot = 0;
    for (uint32_t i = 0; i < s->nparams; i++) slot += put_item(s, &s->params[i], slot);
    if (s->result.kind == NATIVE_CSTRING) put_item(s, &s->result, slot);
    put(s, "->");
    if (s->result.kind == NATIVE_CSTRING) put(s, s->memory64 ? "i64" : "i32");
    else if (s->result.kind < NATIVE_VALUE_KINDS) put(s, rows[s->result.kind].type);
}

fnvm_error *native_signature_parse(const char *text, NativeSignature *out)
{
    *out = (NativeSignature){.result = {.way = NATIVE_OUT}};
    Parser p = {.text = text, .at = text, .out = out};
    fnvm_error *error = parse(&p);
    if (!error) put_type(out);
    return error;
}

bool native_signature_is_plain(const NativeSignature *s)
{
    for (uint32_t i = 0; i < s->nparams; i++)
        if (s->params[i].way != NATIVE_IN || s->params[i].kind >= NATIVE_HANDLE) return false;
    return s->result.kind < NATIVE_HANDLE || s->result.kind == NATIVE_VOID;
}
