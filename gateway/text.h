/* Bytes that grow.  What was to be added after an allocation failed is left out, and `failed`
 * says so. */
#ifndef FNVM_GATEWAY_TEXT_H
#define FNVM_GATEWAY_TEXT_H

#include <stdarg.h>
#include <string.h>

#include "gateway/http.h"

typedef struct Text { /* zero: empty */
    char *at;
    size_t len, room;
    bool failed;
} Text;

bool text_grow(Text *, size_t more);           /* for text_reserve */
void text_number(Text *, uint64_t);
void text_json(Text *, HttpText);              /* as a JSON string, quotes included; bytes that are no UTF-8 as U+FFFD */
void text_clear(Text *);                       /* keeps the room */
void text_free(Text *);

static inline bool text_reserve(Text *t, size_t more)
{
    return more <= t->room - t->len ? !t->failed : text_grow(t, more);
}

static inline void text_add(Text *t, const char *bytes, size_t len)
{
    if (len == 0 || !text_reserve(t, len)) return;
    memcpy(t->at + t->len, bytes, len);
    t->len += len;
}

static inline void text_char(Text *t, char c)
{
    if (text_reserve(t, 1)) t->at[t->len++] = c;
}

static inline void text_put(Text *t, const char *word) { text_add(t, word, strlen(word)); } /* up to its NUL */

static inline HttpText text_of(const char *word) { return (HttpText){word, __builtin_strlen(word)}; }

#endif
