/* YAML as a tree, bounded before it is parsed: libyaml's events, without what files of ours never need
 * and attackers do: anchors and aliases, tags, several documents.  Keys of a mapping are unique.
 *
 * Nodes live as long as their document.  One thread at a time; immutable after reading.  Names begin with
 * yamldoc_: yaml_ is libyaml's, whose yaml_free is no other's where all is linked statically. */
#ifndef FNVM_VERIFIER_POLICY_YAML_H
#define FNVM_VERIFIER_POLICY_YAML_H

#include <stdio.h>

#include "fnvm.h"

enum {
    YAML_BYTES_MAX = 1 << 20,  /* of the whole file: refused before it is read */
    YAML_NODES_MAX = 20000,
    YAML_DEPTH_MAX = 16,
    YAML_PRINTED_TIMES = 16    /* see yamldoc_parse_printed */
};

typedef enum YamlKind { YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

typedef struct YamlNode {
    uint8_t kind;              /* YamlKind */
    bool plain;                /* a scalar without quotes: may be a number, a bool or null */
    uint32_t line, column;     /* from 1 */
    const char *text; size_t len; /* a scalar: UTF-8, NUL-terminated, no NUL inside */
    const struct YamlNode *const *items; /* n of a list; 2 n of a map: key, value, key, value */
    size_t n;
} YamlNode;

typedef struct YamlDocument YamlDocument;

/* `name` is for messages.  FNVM_E_MALFORMED: "NAME:LINE:COLUMN: ...". */
fnvm_error *yamldoc_parse(const char *name, const char *text, size_t len, YamlDocument **out);
fnvm_error *yamldoc_load(const char *path, YamlDocument **out);
/* What a program of ours has printed, where everything is said that files leave out, and texts are
 * escaped: so many times the bytes and values. */
fnvm_error *yamldoc_parse_printed(const char *name, const char *text, size_t len,
                                  YamlDocument **out);
void yamldoc_free(YamlDocument *); /* NULL is fine */
const YamlNode *yamldoc_root(const YamlDocument *);
const char *yamldoc_name(const YamlDocument *);
/* The bytes that were parsed, for a digest. */
const char *yamldoc_text(const YamlDocument *, size_t *len);

/* Writes a text so that it is read back as the same.  False: it is no UTF-8, which YAML cannot have. */
bool yamldoc_print_text(FILE *, const char *text);

/* "NAME:LINE:COLUMN: message". */
fnvm_error *yamldoc_error(const YamlDocument *, const YamlNode *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
