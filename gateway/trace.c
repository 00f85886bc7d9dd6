/* Identifiers come from a generator of 128 bits of state (xoroshiro128+), seeded once per
 * worker. */
#include "gateway/trace.h"

#include <string.h>
#include <sys/random.h>

bool trace_source_new(TraceSource *s)
{
    return getrandom(s->state, sizeof s->state, 0) == (ssize_t)sizeof s->state &&
           (s->state[0] | s->state[1]) != 0;
}

static uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static uint64_t next_number(TraceSource *s)
{
    const uint64_t a = s->state[0], b = s->state[1] ^ a;
    const uint64_t number = a + s->state[1];
    s->state[0] = rotate(a, 24) ^ b ^ b << 16;
    s->state[1] = rotate(b, 37);
    return number ? number : 1; /* all zeros is no identifier */
}

static void put_hex(char *to, uint64_t number)
{
    for (size_t i = 16; i-- > 0; number >>= 4) to[i] = "0123456789abcdef"[number & 15];
}

static bool hex_not_zero(const char *at, size_t len)
{
    bool not_zero = false;
    for (size_t i = 0; i < len; i++) {
        const bool digit = at[i] >= '0' && at[i] <= '9';
        if (!digit && !(at[i] >= 'a' && at[i] <= 'f')) return false;
        not_zero |= at[i] != '0';
    }
    return not_zero;
}

/* Versions after 00 may have more behind what is known; ff is none. */
static bool is_valid(HttpText p)
{
    if (p.len < TRACE_PARENT_LEN || p.at[2] != '-' || p.at[35] != '-' || p.at[52] != '-')
        return false;
    const bool first = p.at[0] == '0' && p.at[1] == '0';
    if (first ? p.len != TRACE_PARENT_LEN : !hex_not_zero(p.at, 2)) return false;
    if (p.at[0] == 'f' && p.at[1] == 'f') return false;
    if (p.len > TRACE_PARENT_LEN && p.at[TRACE_PARENT_LEN] != '-') return false;
    const char flags[3] = {'1', p.at[53], p.at[54]}; /* 00 is fine here */
    return hex_not_zero(p.at + 3, 32) && hex_not_zero(p.at + 36, 16) && hex_not_zero(flags, 3);
}

void trace_next(TraceSource *s, HttpText parent, char out[TRACE_PARENT_LEN + 1])
{
    memcpy(out, "00-", 3);
    const bool goes_on = is_valid(parent);
    if (goes_on) {
        memcpy(out + 3, parent.at + 3, TRACE_ID_LEN);
    } else {
        put_hex(out + 3, next_number(s));
        put_hex(out + 19, next_number(s));
    }
    out[35] = '-';
    put_hex(out + 36, next_number(s));
    out[52] = '-';
    out[53] = '0';
    out[54] =
        goes_on ? (char)((parent.at[54] & 1) + '0') : '0'; /* sampled, or not: the only flag */
    if (goes_on && parent.at[54] >= 'a') out[54] = (char)(((parent.at[54] - 'a' + 10) & 1) + '0');
    out[55] = 0;
}
