/* Two steps, so that nothing is copied: while bytes arrive only the empty line is looked for;
 * when it is there the header is read where it lies. */
#include "gateway/answer.h"

#include <string.h>

static bool is_token_char(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool field_name_ok(HttpText name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_token_char((unsigned char)name.at[i])) return false;
    return name.len > 0;
}

bool field_value_ok(HttpText value)
{
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

bool text_is(HttpText text, const char *lower)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 'A' && c <= 'Z') c = (unsigned char)(c | 0x20);
        if (lower[i] == 0 || c != (unsigned char)lower[i]) return false;
    }
    return lower[text.len] == 0;
}

bool field_is_hop_by_hop(HttpText name)
{
    static const char *const names[] = {
        "connection",        "keep-alive", "proxy-connection", "proxy-authenticate",
        "transfer-encoding", "te",         "trailer",          "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_is(name, names[i])) return true;
    return false;
}

size_t answer_head_end(const char *bytes, size_t len, size_t *seen)
{
    size_t at = *seen > 2 ? *seen - 2 : 0; /* an end may straddle what was seen */
    *seen = len;
    if (at == 0 && len >= 1 && bytes[0] == '\n') return 1;
    if (at == 0 && len >= 2 && bytes[0] == '\r' && bytes[1] == '\n') return 2;
    while (at < len) {
        const char *line = memchr(bytes + at, '\n', len - at);
        if (!line) return 0;
        at = (size_t)(line - bytes) + 1;
        if (at < len && bytes[at] == '\n') return at + 1;
        if (at + 1 < len && bytes[at] == '\r' && bytes[at + 1] == '\n') return at + 2;
    }
    return 0;
}

/* ---- Lines ---- */

static HttpText next_line(const char **at, const char *end)
{
    const char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    *at = stop ? stop + 1 : end;
    if (!stop) stop = end;
    if (stop > line && stop[-1] == '\r') stop--;
    return (HttpText){line, (size_t)(stop - line)};
}

static HttpText trimmed(HttpText text)
{
    while (text.len && (*text.at == ' ' || *text.at == '\t')) text.at++, text.len--;
    while (text.len && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t')) text.len--;
    return text;
}

/* "404", "404 Not Found": a final status, since nothing else of an answer follows an interim
 * one. */
static bool read_status(HttpText text, unsigned *status)
{
    if (text.len < 3 || (text.len > 3 && text.at[3] != ' ')) return false;
    unsigned value = 0;
    for (size_t i = 0; i < 3; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *status = value;
    return value >= 200 && value <= 599;
}

static bool read_length(HttpText text, uint64_t *length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || value > (UINT64_MAX - 10) / 10) return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *length = value;
    return text.len > 0;
}

static bool read_status_line(HttpText line, unsigned *status)
{
    if (line.len < 12 || memcmp(line.at, "HTTP/", 5) != 0) return false;
    const char *space = memchr(line.at, ' ', line.len);
    if (!space) return false;
    const size_t skip = (size_t)(space - line.at) + 1;
    return read_status((HttpText){line.at + skip, line.len - skip}, status);
}

typedef struct HeadState {
    AnswerHead *out;
    bool has_status, has_location, has_content_type;
} HeadState;

static const char *read_field(HeadState *s, HttpText line)
{
    AnswerHead *out = s->out;
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon) return "a line of its header has no colon";
    const HttpText name = {line.at, (size_t)(colon - line.at)};
    const HttpText value = trimmed((HttpText){colon + 1, line.len - name.len - 1});
    if (!field_name_ok(name)) return "its header has a field without a proper name";
    if (!field_value_ok(value)) return "its header has a field with control characters";
    if (text_is(name, "status")) {
        if (s->has_status) return "it has two statuses";
        if (!read_status(value, &out->status)) return "its status is not between 200 and 599";
        s->has_status = true;
        return NULL;
    }
    if (text_is(name, "content-length")) {
        const uint64_t before = out->length;
        if (!read_length(value, &out->length)) return "its Content-Length is no number";
        if (before != UINT64_MAX && before != out->length) return "it has two lengths";
        return NULL;
    }
    if (text_is(name, "date") || text_is(name, "x-call-id") || field_is_hop_by_hop(name))
        return NULL;
    if (text_is(name, "location")) s->has_location = true;
    if (text_is(name, "content-type")) s->has_content_type = true;
    if (out->nfields == TUNE_ANSWER_FIELDS) return "its header has too many fields";
    out->fields[out->nfields++] = (HttpField){name, value};
    return NULL;
}

const char *answer_head_parse(const char *bytes, size_t len, bool status_line, AnswerHead *out)
{
    HeadState s = {.out = out};
    out->status = 0;
    out->length = UINT64_MAX;
    out->nfields = 0;
    const char *at = bytes, *end = bytes + len;
    if (status_line && len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        if (!read_status_line(next_line(&at, end), &out->status)) return "its status line is wrong";
        s.has_status = true;
    }
    while (at < end) {
        const HttpText line = next_line(&at, end);
        if (line.len == 0) break;
        const char *wrong = read_field(&s, line);
        if (wrong) return wrong;
    }
    if (!s.has_status && !s.has_location && !s.has_content_type)
        return "its header has no Content-Type, Location or Status";
    if (!s.has_status) out->status = s.has_location ? 302 : 200;
    return NULL;
}
