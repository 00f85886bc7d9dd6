/* The shape of a YAML value: how it is read into a field of a structure, and what the JSON
 * Schema and the lists of keys say of it.  Policies and manifests are tables of these, and
 * nothing else knows their keys.
 *
 * Reading fills a structure that has its defaults already; what is read is owned by
 * Reading.arena. Every error is "NAME:LINE:COLUMN: ...", and says what was expected there. */
#ifndef FNVM_VERIFIER_POLICY_SHAPE_H
#define FNVM_VERIFIER_POLICY_SHAPE_H

#include "loader/text/arena.h"
#include "verifier/policy/yaml.h"

typedef enum ShapeKind {
    SHAPE_TEXT,                /* char *: one of `words`, if there are any, or what `ok` lets pass */
    SHAPE_WORD,                /* one of `words`: its value, in `size` bytes */
    SHAPE_WORDS,               /* a list of them: uint32_t, their values or-ed */
    SHAPE_BOOL,                /* bool */
    SHAPE_COUNT, SHAPE_BYTES, SHAPE_TIME, /* uint64_t; ns */
    SHAPE_LIST,                /* T *: of `item`, `size` bytes each */
    SHAPE_MAP,                 /* `keys`; fields of the structure that the map itself goes to */
    SHAPE_NAMES,               /* a map of names that `ok` lets pass to texts or null: `size` bytes each,
                                * beginning with char *name, *value */
    SHAPE_TABLE                /* a map of such names to `item`s, `size` bytes each, beginning with
                                * char *name */
} ShapeKind;

typedef struct Word { const char *text; uint32_t value; } Word;

typedef struct Shape Shape;
typedef struct Reading Reading;

/* A field of a structure: its offset and 1, so that 0 is none. */
#define FIELD(type, member) (offsetof(type, member) + 1)

typedef struct Key {           /* of a map */
    const char *name;
    const Shape *shape;
    const char *what;          /* for people */
    size_t field;              /* 0: the value goes to the structure itself */
    size_t count;              /* size_t: of a list's items */
    size_t line;               /* uint32_t: where the key stands */
    size_t any;                /* bool that becomes false */
    bool needed;
    bool internal;             /* what processes tell each other: neither in messages nor in the schema */
    const char *fallback;      /* the default as YAML, or in words; NULL: what the field has */
    const char *example;       /* where the default is no value; may be NULL for numbers */
} Key;

struct Shape {
    ShapeKind kind;
    const char *expected;      /* "a name, such as thumbnail" */
    size_t size;
    uint64_t least, most;      /* of numbers; `most` 0: no such limit.  `expected` says so */
    const Word *words;         /* ends with a NULL text */
    bool (*ok)(const char *text);
    const char *pattern;       /* of texts, for the schema: says no more than `ok` */
    bool any_scalar;           /* the schema takes numbers and true for texts, too */
    const Shape *item;
    bool lone;                 /* a list of one may be written as that one */
    size_t line;               /* of items: a uint32_t */
    const Key *keys;           /* end with a NULL name */
    /* A map that may be written as one text: what reads that, and how the schema knows it. */
    fnvm_error *(*brief)(Reading *, const YamlNode *, void *object);
    const Shape *brief_shape;
    /* Called once a map has been read. */
    fnvm_error *(*check)(Reading *, const YamlNode *, void *object);
    /* Reads it in place of what its kind says.  A map without keys then is like the map `item`. */
    fnvm_error *(*read)(Reading *, const YamlNode *, void *field);
};

struct Reading {
    const YamlDocument *yaml;
    Arena *arena;
    const char *folder;        /* that relative paths are relative to */
    const char *keys[YAML_DEPTH_MAX]; size_t depth; /* the way to where we are, for messages */
};

/* Any but a list, names and a table, which have a count beside them. */
fnvm_error *shape_read(Reading *, const YamlNode *, const Shape *, void *field);
/* Keys of `object`; null counts as an empty map, unless there is a `brief` form. */
fnvm_error *shape_read_map(Reading *, const YamlNode *, const Shape *, void *object);

/* "limits.locals: expected ..., found ...": what a node is not. */
fnvm_error *shape_error(const Reading *, const YamlNode *, const char *expected);
/* A copy in the arena; NULL without memory. */
char *shape_copy(Reading *, const char *text, size_t len);
/* FOLDER/PATH, or PATH if that is absolute; likewise. */
char *shape_join(Reading *, const char *folder, const char *path);
/* The value of a map's key, or NULL. */
const YamlNode *shape_find(const YamlNode *map, const char *key);
bool shape_is_null(const YamlNode *);

#endif
