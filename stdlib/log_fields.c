/* log_fields.c - a recogniser of JSON: no tree, no allocation, one pass.
 *
 * Nesting is a word of bits (object or array), not recursion: what guests send must not cost the
 * host's stack. */
#include "stdlib/log_fields.h"

#include <stdint.h>
#include <string.h>

#include "loader/utf8.h"

typedef struct Scan {
    const char *at, *end;
} Scan;

static void skip_space(Scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(Scan *s, char c)
{
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool take_word(Scan *s, const char *word)
{
    const size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) return false;
    s->at += len;
    return true;
}

static bool is_digit(const Scan *s) { return s->at < s->end && *s->at >= '0' && *s->at <= '9'; }

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_digits(Scan *s)
{
    if (!is_digit(s)) return false;
    while (is_digit(s)) s->at++;
    return true;
}

static bool take_number(Scan *s)
{
    take(s, '-');
    if (!take(s, '0') && !take_digits(s)) return false;
    if (take(s, '.') && !take_digits(s)) return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) take(s, '-');
        return take_digits(s);
    }
    return true;
}

static bool take_escape(Scan *s)
{
    if (s->at == s->end) return false;
    const char c = *s->at++;
    if (c != 'u') return strchr("\"\\/bfnrt", c) != NULL && c;
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || !is_hex(*s->at)) return false;
    return true;
}

static bool take_string(Scan *s)
{
    if (!take(s, '"')) return false;
    while (s->at < s->end) {
        const unsigned char c = (unsigned char)*s->at++;
        if (c == '"') return true;
        if (c < 0x20 || (c == '\\' && !take_escape(s))) return false;
    }
    return false;
}

static bool take_key(Scan *s)
{
    skip_space(s);
    if (!take_string(s)) return false;
    skip_space(s);
    return take(s, ':');
}

static bool take_scalar(Scan *s)
{
    if (s->at == s->end) return false;
    switch (*s->at) {
    case '"': return take_string(s);
    case 't': return take_word(s, "true");
    case 'f': return take_word(s, "false");
    case 'n': return take_word(s, "null");
    default: return take_number(s);
    }
}

/* Behind a value at `depth`: closes what ends here, and takes the comma (and key) before what
 * follows. False: it is malformed.  *depth is 0 when all is closed. */
static bool take_behind(Scan *s, uint64_t objects, unsigned *depth)
{
    for (;;) {
        skip_space(s);
        const bool in_object = objects >> *depth & 1;
        if (take(s, ',')) return !in_object || take_key(s);
        if (!take(s, in_object ? '}' : ']')) return false;
        if (--*depth == 0) return true;
    }
}

bool log_fields_valid(const char *bytes, size_t len, unsigned depth_max)
{
    if (utf8_valid_prefix((const uint8_t *)bytes, len) != len) return false;
    Scan s = {bytes, bytes + len};
    uint64_t objects = 0; /* bit d: what is open at depth d is an object */
    unsigned depth = 0;
    skip_space(&s);
    if (s.at == s.end || *s.at != '{') return false;
    do {
        skip_space(&s);
        const bool object = take(&s, '{');
        if (object || take(&s, '[')) {
            if (++depth > depth_max || depth > 63) return false;
            objects = object ? objects | UINT64_C(1) << depth : objects & ~(UINT64_C(1) << depth);
            skip_space(&s);
            if (s.at < s.end && *s.at == (object ? '}' : ']')) {
                s.at++;
                if (--depth == 0) break;
            } else if (object ? !take_key(&s) : false) {
                return false;
            } else {
                continue;
            }
        } else if (!take_scalar(&s)) {
            return false;
        }
        if (!take_behind(&s, objects, &depth)) return false;
    } while (depth);
    skip_space(&s);
    return s.at == s.end;
}
