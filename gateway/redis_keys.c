/* Of all that was found the first ones are kept, sorted, so that a list never needs more memory than
 * twice its keys. */
#include "gateway/redis_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_COUNT = 1000 /* keys that Redis looks at in one step */ };

typedef struct Bytes {
    const char *at;
    size_t len;
} Bytes;

typedef struct Keys {
    Bytes *at;
    size_t n, cap;
} Keys; /* each malloc'd, with a NUL behind it */

static int compare(const void *a, const void *b)
{
    const Bytes *x = a, *y = b;
    const size_t n = x->len < y->len ? x->len : y->len;
    const int order = n ? memcmp(x->at, y->at, n) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* In order, once each (SCAN may give one twice), and no more than are wanted. */
static void keep_first(Keys *keys, size_t most)
{
    size_t kept = 0;
    if (keys->n) qsort(keys->at, keys->n, sizeof *keys->at, compare);
    for (size_t i = 0; i < keys->n; i++) {
        if (kept < most && (kept == 0 || compare(&keys->at[kept - 1], &keys->at[i]) != 0))
            keys->at[kept++] = keys->at[i];
        else free((char *)keys->at[i].at);
    }
    keys->n = kept;
}

static bool add_key(Keys *keys, const char *at, size_t len)
{
    if (keys->n == keys->cap) {
        const size_t cap = keys->cap ? keys->cap * 2 : 64;
        Bytes *more = realloc(keys->at, cap * sizeof *more);
        if (!more) return false;
        keys->at = more;
        keys->cap = cap;
    }
    char *copy = malloc(len + 1);
    if (!copy) return false;
    memcpy(copy, at, len);
    copy[len] = '\0';
    keys->at[keys->n++] = (Bytes){copy, len};
    return true;
}

/* "prefix*", where nothing of the prefix is a wildcard. */
static size_t print_pattern(const char *prefix, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr("*?[]\\^-", prefix[i]) && prefix[i]) out[n++] = '\\';
        out[n++] = prefix[i];
    }
    out[n++] = '*';
    return n;
}

struct KeyScan {
    Keys keys;
    char *prefix, *after, *pattern;
    size_t prefix_len, after_len, pattern_len, most;
    char cursor[32]; /* "0" before the first step, and after the last */
};

static char *copy(const char *at, size_t len)
{
    char *text = malloc(len + 1);
    if (text && len) memcpy(text, at, len);
    return text;
}

KeyScan *key_scan_new(const fnvm_kv_command *c)
{
    KeyScan *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    *s = (KeyScan){.prefix = copy(c->key, c->key_len),
                   .after = copy(c->was, c->was_len),
                   .pattern = malloc(2 * c->key_len + 1),
                   .prefix_len = c->key_len,
                   .after_len = c->was_len,
                   .most = c->most,
                   .cursor = "0"};
    if (!s->prefix || !s->after || !s->pattern) {
        key_scan_free(s);
        return NULL;
    }
    s->pattern_len = print_pattern(s->prefix, s->prefix_len, s->pattern);
    return s;
}

void key_scan_free(KeyScan *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->keys.n; i++) free((char *)s->keys.at[i].at);
    free(s->keys.at);
    free(s->prefix);
    free(s->after);
    free(s->pattern);
    free(s);
}

int key_scan_command(const KeyScan *s, char **bytes)
{
    char count[16];
    const int n = snprintf(count, sizeof count, "%d", SCAN_COUNT);
    const char *words[] = {"SCAN", s->cursor, "MATCH", s->pattern, "COUNT", count};
    const size_t lens[] = {4, strlen(s->cursor), 5, s->pattern_len, 5, (size_t)n};
    return redisFormatCommandArgv(bytes, 6, words, lens);
}

static bool is_wanted(const KeyScan *s, const redisReply *key)
{
    if (key->type != REDIS_REPLY_STRING || memchr(key->str, '\0', (size_t)key->len)) return false;
    const Bytes k = {key->str, (size_t)key->len}, after = {s->after, s->after_len};
    return k.len >= s->prefix_len && memcmp(k.at, s->prefix, s->prefix_len) == 0 &&
           (after.len == 0 || compare(&k, &after) > 0);
}

int key_scan_take(KeyScan *s, const redisReply *reply, bool *last)
{
    *last = true;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        (size_t)reply->element[0]->len >= sizeof s->cursor ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return FNVM_SERVICE_UNAVAILABLE;
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        const redisReply *key = reply->element[1]->element[i];
        if (is_wanted(s, key) && !add_key(&s->keys, key->str, (size_t)key->len))
            return FNVM_SERVICE_UNAVAILABLE;
    }
    if (s->keys.n > 2 * s->most) keep_first(&s->keys, s->most);
    memcpy(s->cursor, reply->element[0]->str, (size_t)reply->element[0]->len + 1);
    *last = strcmp(s->cursor, "0") == 0;
    return FNVM_SERVICE_OK;
}

static int back_to_back(const Keys *keys, char **out, size_t *len)
{
    size_t bytes = 0;
    for (size_t i = 0; i < keys->n; i++) bytes += keys->at[i].len + 1;
    *out = malloc(bytes + 1);
    if (!*out) return FNVM_SERVICE_UNAVAILABLE;
    *len = 0;
    for (size_t i = 0; i < keys->n; i++) {
        memcpy(*out + *len, keys->at[i].at, keys->at[i].len + 1);
        *len += keys->at[i].len + 1;
    }
    return FNVM_SERVICE_OK;
}

int key_scan_answer(KeyScan *s, char **out, size_t *len)
{
    keep_first(&s->keys, s->most);
    return back_to_back(&s->keys, out, len);
}
