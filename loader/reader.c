/* Bounded reads over module bytes.  LEB128 follows the standard, 5.2.2: at most ceil(N/7) bytes,
 * and the bits of the last byte that N does not reach must be zero (or copies of the sign). */
#include "loader/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader/utf8.h"

void reader_fail(Reader *r, fnvm_code code, uint32_t offset, const char *format, ...)
{
    if (r->error) return;
    char *message;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&message, format, args);
    va_end(args);
    if (len < 0) {
        r->error = error_no_memory();
        return;
    }
    r->error = error_at(code, offset, "%s", message);
    free(message);
}

static void fail_end(Reader *r, const char *expected)
{
    reader_fail(r, FNVM_E_MALFORMED, r->end, "unexpected end: expected %s", expected);
}

uint8_t read_byte(Reader *r, const char *expected)
{
    if (r->error) return 0;
    if (r->pos >= r->end) {
        fail_end(r, expected);
        return 0;
    }
    return r->bytes[r->pos++];
}

const uint8_t *read_bytes(Reader *r, uint32_t len, const char *expected)
{
    if (r->error) return NULL;
    if (len > r->end - r->pos) {
        reader_fail(r, FNVM_E_MALFORMED, r->pos,
                    "unexpected end: expected %s of %u bytes, found %u (length out of bounds)",
                    expected, len, r->end - r->pos);
        return NULL;
    }
    const uint8_t *at = r->bytes + r->pos;
    r->pos += len;
    return at;
}

const uint8_t *read_name(Reader *r, uint32_t *len, const char *expected)
{
    *len = read_u32(r, expected);
    uint32_t start = r->pos;
    const uint8_t *bytes = read_bytes(r, *len, expected);
    size_t good = bytes ? utf8_valid_prefix(bytes, *len) : 0;
    if (!bytes || good == *len) return bytes;
    reader_fail(r, FNVM_E_MALFORMED, start + (uint32_t)good, "malformed UTF-8 encoding in %s",
                expected);
    return NULL;
}

/* The raw bits of an N-bit number in sign-extended or zero-extended form. */
static uint64_t read_leb(Reader *r, unsigned bits, bool is_signed, const char *expected)
{
    if (r->error) return 0;
    uint32_t start = r->pos;
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (r->pos >= r->end) {
            fail_end(r, expected);
            return 0;
        }
        uint8_t byte = r->bytes[r->pos++];
        unsigned left = bits - shift; /* how many bits of N this byte may fill */
        if (left <= 7) {
            uint8_t rest = byte & 0x7F;
            uint8_t stray = (uint8_t)(0x7Fu << (is_signed ? left - 1 : left)) & 0x7F;
            if (byte & 0x80) {
                reader_fail(r, FNVM_E_MALFORMED, start,
                            "integer representation too long: expected %s of at most %u bytes",
                            expected, (bits + 6) / 7);
                return 0;
            }
            if ((rest & stray) != 0 && !(is_signed && (rest & stray) == stray)) {
                reader_fail(r, FNVM_E_MALFORMED, start, "integer too large: expected %s of %u bits",
                            expected, bits);
                return 0;
            }
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        if (is_signed && (byte & 0x40) && shift + 7 < 64) value |= UINT64_MAX << (shift + 7);
        return value;
    }
}

uint32_t read_u32(Reader *r, const char *expected)
{
    if (!r->error && r->pos < r->end && r->bytes[r->pos] < 0x80) return r->bytes[r->pos++];
    return (uint32_t)read_leb(r, 32, false, expected);
}

uint64_t read_u64(Reader *r, const char *expected) { return read_leb(r, 64, false, expected); }

int32_t read_s32(Reader *r, const char *expected)
{
    return (int32_t)read_leb(r, 32, true, expected);
}

int64_t read_s33(Reader *r, const char *expected)
{
    return (int64_t)read_leb(r, 33, true, expected);
}

int64_t read_s64(Reader *r, const char *expected)
{
    return (int64_t)read_leb(r, 64, true, expected);
}
