/* Types to text and back.  Nullable references to abstract types have short names (standard,
 * 6.4.3), which printing prefers and parsing knows beside the long form. */
#include "vm/types_print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/tunables.h"

static const struct {
    const char *heap, *nullable;
} heap_names[] = {
    [HEAP_FUNC - HEAP_ABSTRACT] = {"func", "funcref"},
    [HEAP_EXTERN - HEAP_ABSTRACT] = {"extern", "externref"},
    [HEAP_ANY - HEAP_ABSTRACT] = {"any", "anyref"},
    [HEAP_EQ - HEAP_ABSTRACT] = {"eq", "eqref"},
    [HEAP_I31 - HEAP_ABSTRACT] = {"i31", "i31ref"},
    [HEAP_STRUCT - HEAP_ABSTRACT] = {"struct", "structref"},
    [HEAP_ARRAY - HEAP_ABSTRACT] = {"array", "arrayref"},
    [HEAP_EXN - HEAP_ABSTRACT] = {"exn", "exnref"},
    [HEAP_NOFUNC - HEAP_ABSTRACT] = {"nofunc", "nullfuncref"},
    [HEAP_NOEXTERN - HEAP_ABSTRACT] = {"noextern", "nullexternref"},
    [HEAP_NONE - HEAP_ABSTRACT] = {"none", "nullref"},
    [HEAP_NOEXN - HEAP_ABSTRACT] = {"noexn", "nullexnref"},
};
enum { HEAP_NAMES = sizeof heap_names / sizeof *heap_names };

static const char *const number_names[] = {
    [TYPE_I32] = "i32",   [TYPE_I64] = "i64",    [TYPE_F32] = "f32", [TYPE_F64] = "f64",
    [TYPE_V128] = "v128", [TYPE_BOTTOM] = "bot", [TYPE_I8] = "i8",   [TYPE_I16] = "i16",
};
enum { NUMBER_NAMES = sizeof number_names / sizeof *number_names };

/* ---- Indices ---- */

/* The slot that has the id, or would have it.  There is always room: half of them are empty. */
static uint32_t indices_slot(const TypeIndices *x, TypeId id)
{
    uint32_t slot = (id * 0x9E3779B1u ^ id >> 11) & x->mask;
    while (x->slots[slot] && x->types[x->slots[slot] - 1] != id) slot = (slot + 1) & x->mask;
    return slot;
}

TypeIndices *type_indices_new(const TypeId *types, uint32_t n)
{
    uint32_t size = 4;
    while (size < n * 2) size *= 2; /* LIMIT_TYPES is far below 2^31 */
    TypeIndices *x = calloc(1, sizeof *x + size * sizeof *x->slots);
    if (!x) return NULL;
    x->types = types;
    x->mask = size - 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = indices_slot(x, types[i]);
        if (!x->slots[slot]) x->slots[slot] = i + 1;
    }
    return x;
}

/* ---- Printing ---- */

void printer_text(TypePrinter *p, const char *format, ...)
{
    size_t room = p->len < p->size ? p->size - p->len : 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room > 0 ? p->text + p->len : NULL, room, format, args);
    va_end(args);
    if (n > 0) p->len += (size_t)n;
}

static void printer_defined(TypePrinter *p, TypeId id)
{
    const uint32_t found = p->indices ? p->indices->slots[indices_slot(p->indices, id)] : 0;
    printer_text(p, "%u", found ? found - 1 : id);
}

void printer_valtype(TypePrinter *p, ValType t)
{
    HeapType h = type_heap(t);
    if (!type_is_ref(t)) {
        const char *name = t < NUMBER_NAMES ? number_names[t] : NULL;
        printer_text(p, "%s", name ? name : "?");
    } else if (h >= HEAP_ABSTRACT && h - HEAP_ABSTRACT < HEAP_NAMES) {
        const char *short_name = heap_names[h - HEAP_ABSTRACT].nullable;
        if (type_is_nullable(t))
            printer_text(p, "%s", short_name);
        else
            printer_text(p, "(ref %s)", heap_names[h - HEAP_ABSTRACT].heap);
    } else {
        printer_text(p, type_is_nullable(t) ? "(ref null " : "(ref ");
        printer_defined(p, h);
        printer_text(p, ")");
    }
}

static void printer_list(TypePrinter *p, const char *word, const ValType *types, uint32_t n)
{
    if (n == 0) return;
    printer_text(p, "(%s", word);
    for (uint32_t i = 0; i < n; i++) {
        printer_text(p, " ");
        printer_valtype(p, types[i]);
    }
    printer_text(p, ")");
}

void printer_func(TypePrinter *p, TypeId id)
{
    const Type *t = types_get(p->registry, id);
    printer_list(p, "param", t->params, t->nparams);
    if (t->nparams > 0 && t->nresults > 0) printer_text(p, " ");
    printer_list(p, "result", t->results, t->nresults);
}

static TypePrinter printer_start(const TypeRegistry *r, char *text, size_t size)
{
    if (size > 0) text[0] = '\0';
    return (TypePrinter){.registry = r, .text = text, .size = size};
}

size_t types_print(const TypeRegistry *r, ValType t, char *text, size_t size)
{
    TypePrinter p = printer_start(r, text, size);
    printer_valtype(&p, t);
    return p.len;
}

size_t types_print_func(const TypeRegistry *r, TypeId id, char *text, size_t size)
{
    TypePrinter p = printer_start(r, text, size);
    printer_func(&p, id);
    return p.len;
}

size_t fnvm_valtype_print(fnvm_engine *engine, fnvm_valtype t, char *text, size_t size)
{
    return types_print(&engine->types, t, text, size);
}

fnvm_kind fnvm_valtype_kind(fnvm_valtype t) { return t <= TYPE_V128 ? (fnvm_kind)t : FNVM_REF; }

/* ---- Parsing ---- */

static const char *skip_spaces(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
    return at;
}

/* Takes `word` from *at if it stands there whole. */
static bool take_word(const char **at, const char *word)
{
    const char *start = skip_spaces(*at);
    if (*start != *word) return false; /* nearly always, and a host defines a hundred functions */
    size_t len = strlen(word);
    if (strncmp(start, word, len) != 0) return false;
    char next = start[len];
    if (next != '\0' && !strchr(" \t\n\r()-", next)) return false;
    *at = start + len;
    return true;
}

/* Takes one value type: a number, a short name, or (ref null? heap). */
static bool take_valtype(const char **at, ValType *out)
{
    *at = skip_spaces(*at);
    if (**at == '-' || **at == '\0') return false; /* the usual ends of a list */
    for (ValType t = TYPE_I32; t <= TYPE_V128; t++)
        if (take_word(at, number_names[t])) return *out = t, true;
    for (uint32_t i = 0; i < HEAP_NAMES; i++)
        if (take_word(at, heap_names[i].nullable))
            return *out = type_ref(HEAP_ABSTRACT + i, true), true;
    const char *inside = skip_spaces(*at);
    if (*inside++ != '(' || !take_word(&inside, "ref")) return false;
    bool nullable = take_word(&inside, "null");
    for (uint32_t i = 0; i < HEAP_NAMES; i++) {
        if (!take_word(&inside, heap_names[i].heap)) continue;
        inside = skip_spaces(inside);
        if (*inside != ')') return false;
        *at = inside + 1;
        return *out = type_ref(HEAP_ABSTRACT + i, nullable), true;
    }
    return false;
}

bool fnvm_valtype_parse(const char *text, fnvm_valtype *out)
{
    return take_valtype(&text, out) && *skip_spaces(text) == '\0';
}

static fnvm_error *take_valtypes(const char **at, ValType *out, uint32_t max, uint32_t *n)
{
    *n = 0;
    for (ValType t; take_valtype(at, &t); out[(*n)++] = t)
        if (*n == max) return fnvm_error_new(FNVM_E_LIMIT, "more than %u types in a list", max);
    *at = skip_spaces(*at);
    return NULL;
}

fnvm_error *types_parse_func(TypeRegistry *r, const char *text, TypeId *out)
{
    ValType *types = malloc((LIMIT_PARAMS + LIMIT_RESULTS) * sizeof *types);
    if (!types) return error_no_memory();
    TypeDef def = {.comp = COMP_FUNC,
                   .is_final = true,
                   .super = TYPE_ID_NONE,
                   .params = types,
                   .results = types + LIMIT_PARAMS};
    const char *at = text;
    fnvm_error *error = take_valtypes(&at, def.params, LIMIT_PARAMS, &def.nparams);
    bool good = !error && strncmp(at, "->", 2) == 0;
    if (good) {
        at += 2;
        error = take_valtypes(&at, def.results, LIMIT_RESULTS, &def.nresults);
        good = !error && *at == '\0';
    }
    if (good)
        error = types_define(r, &def, 1, out);
    else if (!error)
        error = fnvm_error_new(FNVM_E_USAGE,
                               "`%s` is not a function type: expected `PARAMETERS -> RESULTS`, "
                               "such as `i32 i64 -> i32`; what is wrong starts at `%s`",
                               text, at);
    free(types);
    return error;
}
