/* Header and section headers (standard, 5.5.2 and 5.5.16).  One table has each section's word and
 * its place in a module. */
#include "loader/section.h"

#include <string.h>

static const struct SectionKind {
    const char *name;
    uint8_t order; /* place in a module (5.5.17) */
} kinds[SECTION_IDS] = {
    [SECTION_CUSTOM] = {"custom", 0},
    [SECTION_TYPE] = {"type", 1},
    [SECTION_IMPORT] = {"import", 2},
    [SECTION_FUNCTION] = {"function", 3},
    [SECTION_TABLE] = {"table", 4},
    [SECTION_MEMORY] = {"memory", 5},
    [SECTION_TAG] = {"tag", 6},
    [SECTION_GLOBAL] = {"global", 7},
    [SECTION_EXPORT] = {"export", 8},
    [SECTION_START] = {"start", 9},
    [SECTION_ELEMENT] = {"element", 10},
    [SECTION_DATA_COUNT] = {"data count", 11},
    [SECTION_CODE] = {"code", 12},
    [SECTION_DATA] = {"data", 13},
};

const char *section_name(uint8_t id) { return kinds[id].name; }

/* What people give in a module's place. */
static const char *other_kind(const uint8_t *b, uint32_t len)
{
    static const struct {
        const char *magic, *what;
    } known[] = {{"fnvmimg", ": an image of fnvm's, which is run, inspected or restored"},
                 {"fnvmseg", ": the code that belongs to an image of fnvm's"},
                 {"\177ELF", ": a program for a machine (ELF); compile it for wasm32-wasi"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].magic);
        if (len >= n && memcmp(b, known[i].magic, n) == 0) return known[i].what;
    }
    return "";
}

static void no_magic(Reader *r)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = r->bytes;
    char found[16] = "";
    for (uint32_t i = 0; i < r->end && i < 4; i++)
        memcpy(found + 3 * i, (char[]){' ', digits[b[i] >> 4], digits[b[i] & 15], 0}, 4);
    reader_fail(r, FNVM_E_MALFORMED, 0,
                "magic header not detected: not a WebAssembly module: expected the bytes "
                "00 61 73 6d or text starting with `(`; found%s%s",
                found, other_kind(b, r->end));
}

void section_read_header(Reader *r)
{
    static const uint8_t magic[4] = {0x00, 'a', 's', 'm'};
    const uint8_t *b = r->bytes;
    const uint32_t len = r->end, have = len < 4 ? len : 4;
    if (len == 0) {
        reader_fail(r, FNVM_E_MALFORMED, 0,
                    "unexpected end: not a WebAssembly module: there are no bytes");
    } else if (memcmp(b, magic, have) != 0) {
        no_magic(r);
    } else if (len < 8) {
        reader_fail(r, FNVM_E_MALFORMED, len,
                    "unexpected end: the module is cut off in its 8-byte header");
    } else if (memcmp(b + 4, (uint8_t[]){0x0D, 0, 1, 0}, 4) == 0) {
        reader_fail(r, FNVM_E_UNSUPPORTED, 4,
                    "a WebAssembly component (WASI 0.2 and later); components are not supported "
                    "yet: build a core module instead, for wasm32-wasip1 (Rust), GOOS=wasip1 (Go) "
                    "or wasm32-wasi (C)");
    } else if (memcmp(b + 4, (uint8_t[]){1, 0, 0, 0}, 4) != 0) {
        reader_fail(r, FNVM_E_MALFORMED, 4,
                    "unknown binary version: expected 01 00 00 00, found %02x %02x %02x %02x", b[4],
                    b[5], b[6], b[7]);
    }
    r->pos = 8;
}

/* The name in the section's body, which bounds it. */
static void read_custom_name(Reader *r, Section *s)
{
    uint32_t end = r->end, len;
    r->pos = s->body.start;
    r->end = s->body.end;
    const uint8_t *name = read_name(r, &len, "a custom section's name");
    if (name) s->name = (Name){(uint32_t)(name - r->bytes), len};
    s->payload.start = r->pos;
    r->pos = s->body.end;
    r->end = end;
}

bool section_read(Reader *r, uint8_t *order, Section *out)
{
    uint32_t at = r->pos;
    uint8_t id = read_byte(r, "a section");
    uint32_t size = read_u32(r, "a section's size"), start = r->pos;
    if (r->error) return false;
    if (id >= SECTION_IDS) {
        reader_fail(r, FNVM_E_MALFORMED, at, "malformed section id %u", id);
        return false;
    }
    if (id != SECTION_CUSTOM && kinds[id].order <= *order) {
        reader_fail(r, FNVM_E_MALFORMED, at,
                    "unexpected content after last section: the %s section is out of order or "
                    "there twice",
                    kinds[id].name);
        return false;
    }
    if (!read_bytes(r, size, "a section")) return false;
    const Range body = {start, start + size};
    *out = (Section){.id = id, .body = body, .payload = body};
    if (id == SECTION_CUSTOM) read_custom_name(r, out);
    else *order = kinds[id].order;
    return !r->error;
}
