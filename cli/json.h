/* Writing JSON: values and nesting; commas come by themselves. */
#ifndef FNVM_CLI_JSON_H
#define FNVM_CLI_JSON_H

#include "fnvm.h"

typedef struct Json {
    FILE *out;
    unsigned depth;
    bool after_value, after_key;
} Json;

void json_open(Json *, char bracket);  /* '{' or '[' */
void json_close(Json *, char bracket); /* '}' or ']' */
void json_key(Json *, const char *key);
void json_text(Json *, const char *text, size_t len); /* UTF-8 */
void json_number(Json *, uint64_t);
void json_bool(Json *, bool);

#endif
