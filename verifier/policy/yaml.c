/* libyaml's events become a tree in one arena.  Nothing recurses: a stack of open lists and maps, as
 * deep as a document may be, says where the next node goes.
 *
 * The limits are checked at each event, before memory is spent on it.  libyaml reads ahead by a token
 * or a simple key (1,024 characters), so that what it holds itself is bounded, too, but for scalars, and
 * those by YAML_BYTES_MAX.  Aliases are refused as events: what they stand for is never looked at. */
#include "verifier/policy/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "loader/text/arena.h"
#include "vm/error.h"

struct YamlDocument {
    Arena arena;
    char *name;
    char *text; size_t len;    /* all of it */
    size_t nodes_max;
    size_t skip;               /* a byte order mark, which libyaml would count as a column */
    const YamlNode *root;
};

const YamlNode *yamldoc_root(const YamlDocument *doc) { return doc->root; }
const char *yamldoc_name(const YamlDocument *doc) { return doc->name; }

const char *yamldoc_text(const YamlDocument *doc, size_t *len)
{
    *len = doc->len;
    return doc->text;
}

void yamldoc_free(YamlDocument *doc)
{
    if (!doc) return;
    arena_free(&doc->arena);
    free(doc->name);
    free(doc->text);
    free(doc);
}

/* ---- Errors ---- */

static fnvm_error *verror_at(const YamlDocument *doc, size_t line, size_t column,
                             const char *format, va_list args)
{
    char *message = NULL;
    if (vasprintf(&message, format, args) < 0) return error_no_memory();
    fnvm_error *error = fnvm_error_new(FNVM_E_MALFORMED, "%s:%zu:%zu: %s", doc->name, line, column,
                                       message);
    free(message);
    return error;
}

__attribute__((format(printf, 4, 5))) static fnvm_error *
error_in(const YamlDocument *doc, size_t line, size_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *error = verror_at(doc, line, column, format, args);
    va_end(args);
    return error;
}

fnvm_error *yamldoc_error(const YamlDocument *doc, const YamlNode *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *error = verror_at(doc, at->line, at->column, format, args);
    va_end(args);
    return error;
}

/* libyaml's reader knows only which byte it stopped at. */
static fnvm_error *reader_error(const YamlDocument *doc, const yaml_parser_t *parser)
{
    size_t line = 1, column = 1;
    const char *text = doc->text + doc->skip;
    for (size_t i = 0; i < parser->problem_offset && i < doc->len - doc->skip; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\n') line++, column = 1;
        else if ((byte & 0xC0) != 0x80) column++; /* characters, not their later bytes */
    }
    const char *problem = parser->problem ? parser->problem : "unreadable";
    if (parser->problem_value >= 0)
        return error_in(doc, line, column, "%s (0x%02x)", problem, (unsigned)parser->problem_value);
    return error_in(doc, line, column, "%s", problem);
}

static fnvm_error *parser_error(const YamlDocument *doc, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) return error_no_memory();
    if (parser->error == YAML_READER_ERROR) return reader_error(doc, parser);
    size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1;
    const char *problem = parser->problem ? parser->problem : "not YAML";
    if (!parser->context) return error_in(doc, line, column, "%s", problem);
    if (strstr(parser->context, "alias") || strstr(parser->context, "anchor"))
        return error_in(doc, line, column, "text that begins with `*` or `&` is written in quotes");
    if (strstr(problem, "cannot start any token") && parser->buffer.pointer < parser->buffer.last &&
        *parser->buffer.pointer == '\t')
        return error_in(doc, line, column, "a tab: lines are indented with spaces");
    if (parser->context_mark.line + 1 == line)
        return error_in(doc, line, column, "%s, %s", problem, parser->context);
    return error_in(doc, line, column, "%s, %s that began in line %zu", problem, parser->context,
                    parser->context_mark.line + 1);
}

/* ---- Building ---- */

typedef struct Open {          /* a list or map whose end has not come yet */
    YamlNode *node;
    const YamlNode **items;
    uint32_t cap;
} Open;

typedef struct Builder {
    YamlDocument *doc;
    Open open[YAML_DEPTH_MAX];
    size_t depth, nodes;
} Builder;

static bool expects_key(const Builder *b)
{
    if (b->depth == 0) return false;
    const YamlNode *map = b->open[b->depth - 1].node;
    return map->kind == YAML_MAP && map->n % 2 == 0;
}

static fnvm_error *add_node(Builder *b, const yaml_event_t *event, YamlKind kind, YamlNode **out)
{
    YamlDocument *doc = b->doc;
    size_t line = event->start_mark.line + 1, column = event->start_mark.column + 1;
    if (b->nodes++ == doc->nodes_max)
        return error_in(doc, line, column, "more than %zu values", doc->nodes_max);
    if (kind != YAML_SCALAR && expects_key(b))
        return error_in(doc, line, column, "expected a key, found a %s",
                        kind == YAML_MAP ? "map" : "list");
    if (kind != YAML_SCALAR && b->depth == YAML_DEPTH_MAX)
        return error_in(doc, line, column, "more than %d lists and maps in one another",
                        YAML_DEPTH_MAX);
    YamlNode *node = arena_alloc(&doc->arena, sizeof *node);
    if (!node) return error_no_memory();
    *node = (YamlNode){.kind = (uint8_t)kind, .line = (uint32_t)line, .column = (uint32_t)column};
    *out = node;
    if (b->depth == 0) {
        doc->root = node;
        return NULL;
    }
    Open *above = &b->open[b->depth - 1];
    const YamlNode **items = arena_reserve(&doc->arena, above->items, above->node->n, &above->cap,
                                           sizeof *above->items);
    if (!items) return error_no_memory();
    above->items = items;
    items[above->node->n++] = node;
    return NULL;
}

static fnvm_error *no_properties(const Builder *b, const yaml_event_t *event, const void *anchor,
                                 const void *tag)
{
    size_t line = event->start_mark.line + 1, column = event->start_mark.column + 1;
    if (anchor) return error_in(b->doc, line, column, "anchors are not read here");
    if (tag) return error_in(b->doc, line, column, "tags are not read here");
    return NULL;
}

static fnvm_error *add_scalar(Builder *b, const yaml_event_t *event)
{
    fnvm_error *error = no_properties(b, event, event->data.scalar.anchor, event->data.scalar.tag);
    YamlNode *node;
    if (!error) error = add_node(b, event, YAML_SCALAR, &node);
    if (error) return error;
    size_t len = event->data.scalar.length;
    const char *value = (const char *)event->data.scalar.value;
    if (memchr(value, '\0', len)) return yamldoc_error(b->doc, node, "a NUL character");
    char *text = arena_alloc(&b->doc->arena, len + 1);
    if (!text) return error_no_memory();
    memcpy(text, value, len);
    node->text = text;
    node->len = len;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return NULL;
}

static fnvm_error *open_node(Builder *b, const yaml_event_t *event, YamlKind kind,
                             const void *anchor, const void *tag)
{
    fnvm_error *error = no_properties(b, event, anchor, tag);
    YamlNode *node;
    if (!error) error = add_node(b, event, kind, &node);
    if (!error) b->open[b->depth++] = (Open){.node = node};
    return error;
}

static int compare_keys(const void *a, const void *b)
{
    const YamlNode *x = *(const YamlNode *const *)a, *y = *(const YamlNode *const *)b;
    int order = strcmp(x->text, y->text);
    if (order != 0) return order;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* Sorted, because a comparison of each with each would be quadratic. */
static fnvm_error *check_unique(const Builder *b, const YamlNode *map)
{
    size_t n = map->n / 2;
    if (n < 2) return NULL;
    const YamlNode **keys = malloc(n * sizeof *keys);
    if (!keys) return error_no_memory();
    for (size_t i = 0; i < n; i++) keys[i] = map->items[2 * i];
    qsort(keys, n, sizeof *keys, compare_keys);
    fnvm_error *error = NULL;
    for (size_t i = 1; i < n && !error; i++)
        if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
            error = yamldoc_error(b->doc, keys[i], "the key `%.60s` is in line %u already",
                               keys[i]->text, keys[i - 1]->line);
    free(keys);
    return error;
}

static fnvm_error *close_node(Builder *b)
{
    Open *open = &b->open[--b->depth];
    YamlNode *node = open->node;
    node->items = open->items;
    if (node->kind == YAML_LIST) return NULL;
    return check_unique(b, node);
}

static fnvm_error *start_document(const Builder *b, const yaml_event_t *event)
{
    if (b->nodes == 0) return NULL;
    return error_in(b->doc, event->start_mark.line + 1, event->start_mark.column + 1,
                    "a second document");
}

static fnvm_error *take_event(Builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return start_document(b, event);
    case YAML_ALIAS_EVENT:
        return error_in(b->doc, event->start_mark.line + 1, event->start_mark.column + 1,
                        "aliases are not read here; text that begins with `*` is written in"
                        " quotes");
    case YAML_SCALAR_EVENT: return add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(b, event, YAML_LIST, event->data.sequence_start.anchor,
                         event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_node(b, event, YAML_MAP, event->data.mapping_start.anchor,
                         event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_node(b);
    default: return NULL;
    }
}

static fnvm_error *build(YamlDocument *doc, yaml_parser_t *parser)
{
    Builder b = {.doc = doc};
    fnvm_error *error = NULL;
    for (bool more = true; more && !error;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) return parser_error(doc, parser);
        more = event.type != YAML_STREAM_END_EVENT;
        error = take_event(&b, &event);
        yaml_event_delete(&event);
    }
    if (error || doc->root) return error;
    YamlNode *nothing = arena_alloc(&doc->arena, sizeof *nothing);
    if (!nothing) return error_no_memory();
    *nothing = (YamlNode){.kind = YAML_SCALAR, .plain = true, .line = 1, .column = 1, .text = ""};
    doc->root = nothing;
    return NULL;
}

/* ---- Reading ---- */

/* Whether a line begins here, as libyaml breaks lines: also at CR, NEL, LS and PS. */
static bool begins_line(const char *text, const char *at)
{
    size_t n = (size_t)(at - text);
    return n == 0 || at[-1] == '\n' || at[-1] == '\r' ||
           (n >= 2 && memcmp(at - 2, "\xC2\x85", 2) == 0) ||
           (n >= 3 && memcmp(at - 3, "\xE2\x80", 2) == 0 && ((unsigned char)at[-1] & 0xFE) == 0xA8);
}

/* A directive can say nothing that is of use here, and libyaml compares each %TAG with all before it:
 * 30,000 of them would take it seconds. */
static fnvm_error *no_directives(const YamlDocument *doc)
{
    size_t line = 1;
    const char *text = doc->text + doc->skip, *end = doc->text + doc->len, *counted = text;
    for (const char *at = text; (at = memchr(at, '%', (size_t)(end - at))); at++) {
        if (!begins_line(text, at)) continue;
        while ((counted = memchr(counted, '\n', (size_t)(at - counted)))) line++, counted++;
        return error_in(doc, line, 1, "directives (lines that begin with %%) are not read here");
    }
    return NULL;
}

static fnvm_error *too_large(const char *name, size_t most)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "%s:1:1: the file has more than %zu bytes", name, most);
}

static fnvm_error *parse(YamlDocument *doc)
{
    yaml_parser_t parser;
    fnvm_error *error = no_directives(doc);
    if (error) return error;
    if (!yaml_parser_initialize(&parser)) return error_no_memory();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)doc->text + doc->skip,
                                 doc->len - doc->skip);
    error = build(doc, &parser);
    yaml_parser_delete(&parser);
    return error;
}

/* Takes the text, which is malloc'd. */
static fnvm_error *parse_owned(const char *name, char *text, size_t len, size_t times,
                               YamlDocument **out)
{
    YamlDocument *doc = calloc(1, sizeof *doc);
    if (!doc || !(doc->name = strdup(name))) {
        free(doc);
        free(text);
        return error_no_memory();
    }
    arena_init(&doc->arena);
    doc->text = text;
    doc->len = len;
    doc->nodes_max = times * YAML_NODES_MAX;
    doc->skip = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    fnvm_error *error = parse(doc);
    if (error) yamldoc_free(doc);
    else *out = doc;
    return error;
}

static fnvm_error *parse_copy(const char *name, const char *text, size_t len, size_t times,
                              YamlDocument **out)
{
    if (len > times * YAML_BYTES_MAX) return too_large(name, times * YAML_BYTES_MAX);
    char *copy = malloc(len + 1);
    if (!copy) return error_no_memory();
    memcpy(copy, text, len);
    copy[len] = '\0';
    return parse_owned(name, copy, len, times, out);
}

fnvm_error *yamldoc_parse(const char *name, const char *text, size_t len, YamlDocument **out)
{
    return parse_copy(name, text, len, 1, out);
}

fnvm_error *yamldoc_parse_printed(const char *name, const char *text, size_t len,
                                  YamlDocument **out)
{
    return parse_copy(name, text, len, YAML_PRINTED_TIMES, out);
}

static fnvm_error *io_error(const char *path)
{
    return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "%s: %s", path,
                          strerror(errno));
}

/* To its end, or one byte more than may be; a file that grows meanwhile is bounded, too. */
static fnvm_error *read_bounded(int fd, const char *path, char **out, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return io_error(path);
    if (S_ISREG(st.st_mode) && st.st_size > YAML_BYTES_MAX) return too_large(path, YAML_BYTES_MAX);
    size_t cap = (S_ISREG(st.st_mode) ? (size_t)st.st_size : YAML_BYTES_MAX) + 1;
    char *text = malloc(cap + 1), *exact;
    if (!text) return error_no_memory();
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, text + n, cap - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            free(text);
            return io_error(path);
        }
        if (got == 0) break;
        n += (size_t)got;
    }
    if (n == cap) {
        free(text);
        if (cap > YAML_BYTES_MAX) return too_large(path, YAML_BYTES_MAX);
        return fnvm_error_new(FNVM_E_IO, "%s: it grew while it was read", path);
    }
    if (n >= 4 && memcmp(text, "\0asm", 4) == 0) {
        free(text);
        return fnvm_error_new(FNVM_E_MALFORMED, "%s: a WebAssembly module, where YAML is wanted", path);
    }
    text[n] = '\0';
    *len = n;
    *out = (exact = realloc(text, n + 1)) ? exact : text;
    return NULL;
}

fnvm_error *yamldoc_load(const char *path, YamlDocument **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return io_error(path);
    char *text = NULL;
    size_t len = 0;
    fnvm_error *error = read_bounded(fd, path, &text, &len);
    close(fd);
    return error ? error : parse_owned(path, text, len, 1, out);
}
