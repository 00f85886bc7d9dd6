/* The shapes again, written instead of read.  Defaults of numbers come from a policy that says nothing, so
 * that they are those that count; JSON is written as it goes, with the depth for indentation. */
#include "verifier/policy/schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "verifier/policy/keys.h"
#include "verifier/policy/manifest.h"
#include "vm/quantity.h"

/* ---- JSON ---- */

typedef struct Json {
    FILE *out;
    unsigned depth;
    bool filled;               /* the innermost object or list has something */
} Json;

static void json_text(const Json *j, const char *text)
{
    fputc('"', j->out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', j->out);
        fputc(*text, j->out);
    }
    fputc('"', j->out);
}

/* The next member; `name` NULL in lists. */
static void json_next(Json *j, const char *name)
{
    fprintf(j->out, "%s\n%*s", j->filled ? "," : "", (int)(2 * j->depth), "");
    j->filled = true;
    if (!name) return;
    json_text(j, name);
    fputs(": ", j->out);
}

static void json_open(Json *j, char bracket)
{
    fputc(bracket, j->out);
    j->depth++;
    j->filled = false;
}

static void json_close(Json *j, char bracket)
{
    j->depth--;
    if (j->filled) fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
    fputc(bracket, j->out);
    j->filled = true;
}

static void json_member(Json *j, const char *name, const char *text)
{
    json_next(j, name);
    json_text(j, text);
}

/* Already JSON. */
static void json_raw(Json *j, const char *name, const char *value)
{
    json_next(j, name);
    fputs(value, j->out);
}

/* ---- Defaults ---- */

enum { DEFAULT_TEXT = 128 };

static const void *field_of(const void *defaults, const Key *key)
{
    return defaults && key->field ? (const char *)defaults + key->field - 1 : NULL;
}

/* A key's default as YAML, or in words; "" if there is none.  Numbers without an end are none. */
static void default_text(const Key *key, const void *defaults, char text[DEFAULT_TEXT])
{
    const void *field = field_of(defaults, key);
    char number[QUANTITY_TEXT] = "";
    text[0] = '\0';
    if (key->fallback) {
        snprintf(text, DEFAULT_TEXT, "%s", key->fallback);
        return;
    }
    if (!field || key->needed) return;
    switch (key->shape->kind) {
    case SHAPE_BOOL:
        snprintf(text, DEFAULT_TEXT, "%s", *(const bool *)field ? "true" : "false");
        return;
    case SHAPE_COUNT:
        snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)field);
        break;
    case SHAPE_BYTES: spell_size(*(const uint64_t *)field, number); break;
    case SHAPE_TIME: spell_duration(*(const uint64_t *)field, number); break;
    default: return;
    }
    bool endless = *(const uint64_t *)field == UINT64_MAX;
    snprintf(text, DEFAULT_TEXT, "%s", endless ? "no limit" : number);
}

static bool has_word(const Shape *shape, const char *text)
{
    for (const Word *w = shape ? shape->words : NULL; w && w->text; w++)
        if (strcmp(w->text, text) == 0) return true;
    return false;
}

/* Whether a default is one that could be written there. */
static bool is_value(const Key *key, const char *text)
{
    const Shape *shape = key->shape;
    if (!text[0]) return false;
    if (!key->fallback) return strcmp(text, "no limit") != 0;
    return strchr("[{\"", text[0]) || has_word(shape->brief_shape, text) ||
           (shape->kind != SHAPE_LIST && has_word(shape, text));
}

static void json_default(Json *j, const Key *key, const void *defaults)
{
    char text[DEFAULT_TEXT], *end;
    default_text(key, defaults, text);
    if (!is_value(key, text)) return;
    strtoull(text, &end, 10);
    if (strchr("[{\"", text[0]) || *end == '\0' || key->shape->kind == SHAPE_BOOL)
        json_raw(j, "default", text);
    else
        json_member(j, "default", text);
}

/* ---- The schema of a shape ---- */

static void print_shape(Json *, const Shape *, const void *defaults);

static void print_words(Json *j, const Shape *shape)
{
    json_next(j, "enum");
    json_open(j, '[');
    for (const Word *w = shape->words; w->text; w++) json_member(j, NULL, w->text);
    json_close(j, ']');
}

/* One word, or a list of them. */
static void print_word_list(Json *j, const Shape *shape)
{
    json_next(j, "anyOf");
    json_open(j, '[');
    json_next(j, NULL);
    json_open(j, '{');
    print_words(j, shape);
    json_close(j, '}');
    json_next(j, NULL);
    json_open(j, '{');
    json_member(j, "type", "array");
    json_next(j, "items");
    json_open(j, '{');
    print_words(j, shape);
    json_close(j, '}');
    json_close(j, '}');
    json_close(j, ']');
}

static void print_text(Json *j, const Shape *shape)
{
    if (shape->words) {
        print_words(j, shape);
        return;
    }
    json_raw(j, "type", shape->any_scalar ? "[\"string\", \"number\", \"boolean\"]" : "\"string\"");
    if (shape->pattern) json_member(j, "pattern", shape->pattern);
}

static void print_number(Json *j, const Shape *shape)
{
    const ShapeKind kind = shape->kind;
    json_raw(j, "type", kind == SHAPE_COUNT ? "\"integer\"" : "[\"integer\", \"string\"]");
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, kind == SHAPE_TIME ? 0 : shape->least);
    json_raw(j, "minimum", number);
    snprintf(number, sizeof number, "%" PRIu64, shape->most);
    if (shape->most && kind == SHAPE_COUNT) json_raw(j, "maximum", number);
    if (kind == SHAPE_BYTES) json_member(j, "pattern", "^[0-9]+([kKmMgGtT](i?B)?)?$");
    if (kind == SHAPE_TIME) json_member(j, "pattern", "^[0-9]+(ns|us|ms|s|m|h)?$");
}

static void print_key(Json *j, const Key *key, const void *defaults)
{
    char text[DEFAULT_TEXT], what[512];
    default_text(key, defaults, text);
    snprintf(what, sizeof what, "%s%s%s%s", key->what, text[0] ? " (default: " : "", text,
             text[0] ? ")" : "");
    json_next(j, key->name);
    json_open(j, '{');
    json_member(j, "description", what);
    const bool below = defaults && key->field && key->shape->kind == SHAPE_MAP;
    print_shape(j, key->shape, below ? field_of(defaults, key) : defaults);
    json_default(j, key, defaults);
    json_close(j, '}');
}

/* `null`: nothing but a key stands for an empty map. */
static void print_map(Json *j, const Shape *shape, const void *defaults, bool null)
{
    json_raw(j, "type", null ? "[\"object\", \"null\"]" : "\"object\"");
    json_next(j, "properties");
    json_open(j, '{');
    for (const Key *key = shape->keys; key->name; key++)
        if (!key->internal) print_key(j, key, defaults);
    json_close(j, '}');
    json_raw(j, "additionalProperties", "false");
    bool any = false;
    for (const Key *key = shape->keys; key->name; key++) any = any || key->needed;
    if (!any) return;
    json_next(j, "required");
    json_open(j, '[');
    for (const Key *key = shape->keys; key->name; key++)
        if (key->needed) json_member(j, NULL, key->name);
    json_close(j, ']');
}

static void print_names(Json *j, const Shape *shape)
{
    json_member(j, "type", "object");
    json_next(j, "propertyNames");
    json_open(j, '{');
    json_member(j, "pattern", shape->pattern);
    json_close(j, '}');
    json_next(j, "additionalProperties");
    json_open(j, '{');
    json_raw(j, "type", "[\"string\", \"number\", \"boolean\", \"null\"]");
    json_close(j, '}');
}

static void print_table(Json *j, const Shape *shape)
{
    json_member(j, "type", "object");
    json_next(j, "propertyNames");
    json_open(j, '{');
    json_member(j, "pattern", shape->pattern);
    json_close(j, '}');
    json_next(j, "additionalProperties");
    json_open(j, '{');
    print_shape(j, shape->item, NULL);
    json_close(j, '}');
}

/* The short form or the map. */
static void print_either(Json *j, const Shape *shape)
{
    json_next(j, "anyOf");
    json_open(j, '[');
    json_next(j, NULL);
    json_open(j, '{');
    print_shape(j, shape->brief_shape, NULL);
    json_close(j, '}');
    json_next(j, NULL);
    json_open(j, '{');
    Policy policy;
    policy_init(&policy);
    if (shape->keys) print_map(j, shape, NULL, false);
    else print_map(j, shape->item, &policy, false);
    json_close(j, '}');
    json_close(j, ']');
}

static void print_items(Json *j, const Shape *shape)
{
    json_member(j, "type", "array");
    json_next(j, "items");
    json_open(j, '{');
    print_shape(j, shape->item, NULL);
    json_close(j, '}');
}

/* What may be written in the place of the list: one item, or what `brief` reads. */
static void print_alternative(Json *j, const Shape *shape)
{
    if (shape->lone) print_map(j, shape->item, NULL, false);
    else print_shape(j, shape->brief_shape, NULL);
}

static void print_list(Json *j, const Shape *shape)
{
    if (!shape->lone && !shape->brief_shape) {
        print_items(j, shape);
        return;
    }
    json_next(j, "anyOf");
    json_open(j, '[');
    json_next(j, NULL);
    json_open(j, '{');
    print_alternative(j, shape);
    json_close(j, '}');
    json_next(j, NULL);
    json_open(j, '{');
    print_items(j, shape);
    json_close(j, '}');
    json_close(j, ']');
}

static void print_shape(Json *j, const Shape *shape, const void *defaults)
{
    switch (shape->kind) {
    case SHAPE_TEXT: print_text(j, shape); break;
    case SHAPE_WORD: print_words(j, shape); break;
    case SHAPE_WORDS: print_word_list(j, shape); break;
    case SHAPE_BOOL: json_member(j, "type", "boolean"); break;
    case SHAPE_COUNT:
    case SHAPE_BYTES:
    case SHAPE_TIME: print_number(j, shape); break;
    case SHAPE_LIST: print_list(j, shape); break;
    case SHAPE_MAP:
        if (shape->brief_shape) print_either(j, shape);
        else print_map(j, shape, defaults, true);
        break;
    case SHAPE_NAMES: print_names(j, shape); break;
    case SHAPE_TABLE: print_table(j, shape); break;
    }
}

static void print_schema(FILE *out, const char *title, const Shape *shape, const void *defaults,
                         bool null)
{
    Json j = {.out = out};
    json_open(&j, '{');
    json_member(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_member(&j, "title", title);
    print_map(&j, shape, defaults, null);
    json_close(&j, '}');
    fputc('\n', out);
}

void policy_schema_print(FILE *out)
{
    Policy policy;
    policy_init(&policy);
    print_schema(out, "fnvm: what modules may be and use (policy.yaml)", &policy_shape, &policy, true);
}

void manifest_schema_print(FILE *out)
{
    Manifest manifest = {.path = NULL};
    serve_settings_init(&manifest.serve);
    print_schema(out, "fnvm: a function (function.yaml)", &manifest_shape, &manifest, false);
}

void gateway_schema_print(FILE *out)
{
    ServeGateway gateway;
    serve_gateway_init(&gateway);
    print_schema(out, "fnvm: a gateway", &serve_gateway_shape, &gateway, true);
}

/* ---- A policy of defaults ---- */

/* What a line that is commented out shows: something that could stand there. */
static const char *example(const Key *key)
{
    return key->example ? key->example : "1000000000";
}

static void print_default(FILE *out, const Key *key, const void *defaults, int indent)
{
    char text[DEFAULT_TEXT], line[160];
    default_text(key, defaults, text);
    bool said = is_value(key, text);
    snprintf(line, sizeof line, "%*s%s%s: %s", indent, "", said ? "" : "# ", key->name,
             said ? text : example(key));
    fprintf(out, "%-48s # %s%s%s\n", line, key->what, said ? "" : "; default: ", said ? "" : text);
}

void policy_defaults_print(FILE *out)
{
    Policy policy;
    policy_init(&policy);
    fputs("# Every key of a policy, at what counts where it is left out.  Lines that are commented out are examples.\n",
          out);
    for (const Key *key = policy_shape.keys; key->name; key++) {
        if (key->shape->kind != SHAPE_MAP) {
            print_default(out, key, &policy, 0);
            continue;
        }
        char line[64];
        snprintf(line, sizeof line, "%s:", key->name);
        fprintf(out, "\n%-48s # %s\n", line, key->what);
        for (const Key *below = key->shape->keys; below->name; below++)
            print_default(out, below, &policy, 2);
    }
}
