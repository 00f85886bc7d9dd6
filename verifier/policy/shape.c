/* One function per kind of shape.  Depth is bounded by the document's: a shape is only entered with a
 * node below the one before. */
#include "verifier/policy/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vm/error.h"
#include "vm/nearest.h"
#include "vm/quantity.h"

enum { SHOWN_BYTES = 60, MESSAGE_BYTES = 1024 };

/* ---- Messages ---- */

/* How much of a text a message shows: whole characters. */
static int shown(const YamlNode *node)
{
    size_t n = node->len;
    if (n <= SHOWN_BYTES) return (int)n;
    n = SHOWN_BYTES;
    while (n > 0 && (node->text[n] & 0xC0) == 0x80) n--;
    return (int)n;
}

/* Appended, cut to size. */
__attribute__((format(printf, 4, 5))) static void append(char *text, size_t size, size_t *len,
                                                         const char *format, ...)
{
    if (*len >= size) return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + *len, size - *len, format, args);
    va_end(args);
    if (n > 0) *len += (size_t)n;
}

/* "wasi.directories", or nothing at the top. */
static void print_path(const Reading *r, const char *after, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < r->depth; i++)
        append(text, size, &len, "%s%s", i > 0 ? "." : "", r->keys[i]);
    if (len > 0) append(text, size, &len, "%s", after);
}

bool shape_is_null(const YamlNode *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_SCALAR || !node->plain) return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(node->text, nulls[i]) == 0) return true;
    return false;
}

fnvm_error *shape_error(const Reading *r, const YamlNode *node, const char *expected)
{
    char path[256];
    print_path(r, ": ", path, sizeof path);
    if (node->kind == YAML_LIST)
        return yamldoc_error(r->yaml, node, "%sexpected %s, found a list", path, expected);
    if (node->kind == YAML_MAP)
        return yamldoc_error(r->yaml, node, "%sexpected %s, found a map", path, expected);
    if (node->len == 0)
        return yamldoc_error(r->yaml, node, "%sexpected %s, found nothing", path, expected);
    return yamldoc_error(r->yaml, node, "%sexpected %s, found `%.*s`%s", path, expected,
                         shown(node), node->text, (size_t)shown(node) < node->len ? "..." : "");
}

static const char *next_key(const void *keys, size_t i)
{
    const Key *key = (const Key *)keys + i;
    return key->internal ? "" : key->name;
}
static const char *next_word(const void *words, size_t i) { return ((const Word *)words)[i].text; }

static fnvm_error *unknown_key(const Reading *r, const YamlNode *key, const Shape *shape)
{
    char path[256], known[MESSAGE_BYTES] = "";
    size_t len = 0;
    print_path(r, ": ", path, sizeof path);
    for (const Key *k = shape->keys; k->name; k++)
        if (!k->internal) append(known, sizeof known, &len, "%s%s", len ? ", " : "", k->name);
    const char *close = closest_word(key->text, next_key, shape->keys);
    if (close)
        return yamldoc_error(r->yaml, key, "%sthere is no key `%.*s`; did you mean `%s`?"
                             " The keys are %s", path, shown(key), key->text, close, known);
    return yamldoc_error(r->yaml, key, "%sthere is no key `%.*s`; the keys are %s", path,
                         shown(key), key->text, known);
}

static fnvm_error *unknown_word(const Reading *r, const YamlNode *node, const Shape *shape)
{
    char expected[MESSAGE_BYTES];
    size_t len = 0;
    const char *close = closest_word(node->text, next_word, shape->words);
    append(expected, sizeof expected, &len, "one of");
    for (const Word *w = shape->words; w->text; w++)
        append(expected, sizeof expected, &len, "%s%s", w > shape->words ? ", " : " ", w->text);
    if (!close) return shape_error(r, node, expected);
    char path[256];
    print_path(r, ": ", path, sizeof path);
    return yamldoc_error(r->yaml, node, "%sthere is no `%.*s`; did you mean `%s`? Expected %s",
                         path, shown(node), node->text, close, expected);
}

/* ---- Memory ---- */

char *shape_copy(Reading *r, const char *text, size_t len)
{
    char *copy = arena_alloc(r->arena, len + 1);
    if (copy) memcpy(copy, text, len);
    return copy;
}

char *shape_join(Reading *r, const char *folder, const char *path)
{
    if (path[0] == '/' || !folder || !*folder) return shape_copy(r, path, strlen(path));
    size_t a = strlen(folder), b = strlen(path);
    if (folder[a - 1] == '/') a--;
    char *joined = arena_alloc(r->arena, a + b + 2);
    if (!joined) return NULL;
    memcpy(joined, folder, a);
    joined[a] = '/';
    memcpy(joined + a + 1, path, b);
    return joined;
}

/* ---- Scalars ---- */

static const Word *find_word(const Shape *shape, const YamlNode *node)
{
    for (const Word *w = shape->words; w->text; w++)
        if (strcmp(w->text, node->text) == 0) return w;
    return NULL;
}

static fnvm_error *read_text(Reading *r, const YamlNode *node, const Shape *shape, char **out)
{
    if (node->kind != YAML_SCALAR || shape_is_null(node))
        return shape_error(r, node, shape->expected);
    if (shape->words && !find_word(shape, node)) return unknown_word(r, node, shape);
    if (shape->ok && !shape->ok(node->text)) return shape_error(r, node, shape->expected);
    *out = shape_copy(r, node->text, node->len);
    return *out ? NULL : error_no_memory();
}

static fnvm_error *read_word(Reading *r, const YamlNode *node, const Shape *shape, void *out)
{
    if (node->kind != YAML_SCALAR || shape_is_null(node))
        return shape_error(r, node, shape->expected);
    const Word *word = find_word(shape, node);
    if (!word) return unknown_word(r, node, shape);
    if (shape->size == sizeof(bool)) *(bool *)out = word->value != 0;
    else *(uint32_t *)out = word->value;
    return NULL;
}

static fnvm_error *read_words(Reading *r, const YamlNode *node, const Shape *shape, void *out)
{
    const YamlNode *const one = node, *const *items = &one;
    size_t n = 1;
    if (node->kind == YAML_LIST) items = node->items, n = node->n;
    uint32_t all = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t value = 0;
        Shape item = {.expected = shape->expected, .words = shape->words, .size = sizeof value};
        fnvm_error *error = read_word(r, items[i], &item, &value);
        if (error) return error;
        all |= value;
    }
    *(uint32_t *)out = all;
    return NULL;
}

static fnvm_error *read_bool(Reading *r, const YamlNode *node, bool *out)
{
    bool plain = node->kind == YAML_SCALAR && node->plain;
    if (plain && strcmp(node->text, "true") == 0) *out = true;
    else if (plain && strcmp(node->text, "false") == 0) *out = false;
    else return shape_error(r, node, "true or false");
    return NULL;
}

static fnvm_error *read_number(Reading *r, const YamlNode *node, const Shape *shape, uint64_t *out)
{
    const ShapeKind kind = shape->kind;
    static const char *const expected[] = {
        [SHAPE_COUNT] = "a whole number that fits 64 bits",
        [SHAPE_BYTES] = "bytes, such as 65536, 64k, 10MiB or 2G",
        [SHAPE_TIME] = "a time, such as 100ms, 2s or 5m"};
    bool good = false;
    const char *rest;
    /* 010 is ten to some who read YAML, and eight to others. */
    const bool clear = node->kind == YAML_SCALAR && !(node->text[0] == '0' && node->text[1] >= '0' &&
                                                      node->text[1] <= '9');
    if (clear && (node->plain || kind != SHAPE_COUNT))
        good = kind == SHAPE_COUNT   ? parse_decimal(node->text, out, &rest) && !*rest
               : kind == SHAPE_BYTES ? parse_size(node->text, out)
                                     : parse_duration(node->text, out);
    if (good && *out >= shape->least && (!shape->most || *out <= shape->most)) return NULL;
    return shape_error(r, node, shape->expected ? shape->expected : expected[kind]);
}

/* ---- Lists and maps ---- */

static void *at_field(void *object, size_t field) { return (char *)object + field - 1; }

static void note_line(void *object, size_t field, const YamlNode *at)
{
    if (field) *(uint32_t *)at_field(object, field) = at->line;
}

static fnvm_error *read_list(Reading *r, const YamlNode *node, const Shape *shape, void **items,
                             size_t *count)
{
    const YamlNode *const one = node, *const *nodes = node->items;
    size_t n = node->n;
    if (node->kind != YAML_LIST && shape->lone) nodes = &one, n = 1;
    else if (node->kind != YAML_LIST) return shape_error(r, node, shape->expected);
    if (n == 0) { /* an empty list is one, not the default */
        *items = NULL;
        *count = 0;
        return NULL;
    }
    char *list = arena_alloc(r->arena, n * shape->size);
    if (!list) return error_no_memory();
    for (size_t i = 0; i < n; i++) {
        fnvm_error *error = shape_read(r, nodes[i], shape->item, list + i * shape->size);
        if (error) return error;
        note_line(list + i * shape->size, shape->line, nodes[i]);
    }
    *items = list;
    *count = n;
    return NULL;
}

static fnvm_error *read_names(Reading *r, const YamlNode *node, const Shape *shape, void **items,
                              size_t *count)
{
    if (node->kind != YAML_MAP) return shape_error(r, node, shape->expected);
    size_t n = node->n / 2;
    char *list = n ? arena_alloc(r->arena, n * shape->size) : NULL;
    if (n && !list) return error_no_memory();
    for (size_t i = 0; i < n; i++) {
        const YamlNode *name = node->items[2 * i], *value = node->items[2 * i + 1];
        char **pair = (char **)(void *)(list + i * shape->size);
        if (!shape->ok(name->text)) return shape_error(r, name, shape->item->expected);
        if (value->kind != YAML_SCALAR) return shape_error(r, value, "a text, or null");
        pair[0] = shape_copy(r, name->text, name->len);
        pair[1] = shape_is_null(value) ? NULL : shape_copy(r, value->text, value->len);
        note_line(pair, shape->line, name);
    }
    *items = list;
    *count = n;
    return r->arena->failed ? error_no_memory() : NULL;
}

static fnvm_error *read_table(Reading *r, const YamlNode *node, const Shape *shape, void **items,
                              size_t *count)
{
    if (node->kind != YAML_MAP) return shape_error(r, node, shape->expected);
    size_t n = node->n / 2;
    char *list = n ? arena_alloc(r->arena, n * shape->size) : NULL;
    if (n && !list) return error_no_memory();
    for (size_t i = 0; i < n; i++) {
        const YamlNode *name = node->items[2 * i];
        char *item = list + i * shape->size;
        if (!shape->ok(name->text)) return shape_error(r, name, shape->expected);
        if (!(*(char **)(void *)item = shape_copy(r, name->text, name->len))) return error_no_memory();
        note_line(item, shape->line, name);
        fnvm_error *error = shape_read(r, node->items[2 * i + 1], shape->item, item);
        if (error) return error;
    }
    *items = list;
    *count = n;
    return NULL;
}

static fnvm_error *read_key(Reading *r, const YamlNode *name, const YamlNode *value, const Key *key,
                            void *object)
{
    void *field = key->field ? at_field(object, key->field) : object;
    const Shape *shape = key->shape;
    fnvm_error *error;
    r->keys[r->depth++] = key->name;
    if (shape->kind == SHAPE_LIST && !shape->read)
        error = read_list(r, value, shape, field, at_field(object, key->count));
    else if (shape->kind == SHAPE_NAMES)
        error = read_names(r, value, shape, field, at_field(object, key->count));
    else if (shape->kind == SHAPE_TABLE)
        error = read_table(r, value, shape, field, at_field(object, key->count));
    else
        error = shape_read(r, value, shape, field);
    r->depth--;
    if (error) return error;
    note_line(object, key->line, name);
    if (key->any) *(bool *)at_field(object, key->any) = false;
    return NULL;
}

const YamlNode *shape_find(const YamlNode *map, const char *key)
{
    for (size_t i = 0; map->kind == YAML_MAP && i + 1 < map->n; i += 2)
        if (strcmp(map->items[i]->text, key) == 0) return map->items[i + 1];
    return NULL;
}

fnvm_error *shape_read_map(Reading *r, const YamlNode *node, const Shape *shape, void *object)
{
    if (node->kind == YAML_SCALAR && shape->brief && !shape_is_null(node))
        return shape->brief(r, node, object);
    if (node->kind != YAML_MAP && !(shape_is_null(node) && !shape->brief))
        return shape_error(r, node, shape->expected ? shape->expected : "a map");
    for (size_t i = 0; i + 1 < node->n; i += 2) {
        const Key *key = shape->keys;
        while (key->name && strcmp(key->name, node->items[i]->text) != 0) key++;
        if (!key->name) return unknown_key(r, node->items[i], shape);
        fnvm_error *error = read_key(r, node->items[i], node->items[i + 1], key, object);
        if (error) return error;
    }
    for (const Key *key = shape->keys; key->name; key++) {
        if (!key->needed || shape_find(node, key->name)) continue;
        char path[256];
        print_path(r, ": ", path, sizeof path);
        return yamldoc_error(r->yaml, node, "%sthe key `%s` is missing: %s", path, key->name,
                          key->what);
    }
    return shape->check ? shape->check(r, node, object) : NULL;
}

fnvm_error *shape_read(Reading *r, const YamlNode *node, const Shape *shape, void *field)
{
    if (shape->read) return shape->read(r, node, field);
    switch (shape->kind) {
    case SHAPE_TEXT: return read_text(r, node, shape, field);
    case SHAPE_WORD: return read_word(r, node, shape, field);
    case SHAPE_WORDS: return read_words(r, node, shape, field);
    case SHAPE_BOOL: return read_bool(r, node, field);
    case SHAPE_COUNT:
    case SHAPE_BYTES:
    case SHAPE_TIME: return read_number(r, node, shape, field);
    case SHAPE_MAP: return shape_read_map(r, node, shape, field);
    case SHAPE_LIST:
    case SHAPE_NAMES:
    case SHAPE_TABLE: break; /* they have a count beside them: read_key */
    }
    return shape_error(r, node, "something else");
}
