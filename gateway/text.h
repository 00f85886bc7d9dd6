/* Bytes that grow.  What was to be added after an allocation failed is left out, and `failed` says so. */
#ifndef FNVM_GATEWAY_TEXT_H
#define FNVM_GATEWAY_TEXT_H

#include <stdarg.h>

#include "gateway/http.h"

typedef struct Text { /* zero: empty */
    char *at;
    size_t len, room;
    bool failed;
} Text;

bool text_reserve(Text *, size_t more);
void text_add(Text *, const char *bytes, size_t len);
void text_put(Text *, const char *word);       /* up to its NUL */
void text_char(Text *, char);
void text_number(Text *, uint64_t);
void text_json(Text *, HttpText);              /* as a JSON string, quotes included; bytes that are no UTF-8 as U+FFFD */
void text_clear(Text *);                       /* keeps the room */
void text_free(Text *);

static inline HttpText text_of(const char *word) { return (HttpText){word, __builtin_strlen(word)}; }

#endif
