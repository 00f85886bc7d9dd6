/* The name section (standard, appendix 7.4), decoded anew at each question: only backtraces and
 * tools ask.  It is a custom section, so whatever is wrong with it means "no name", never an
 * error. */
#include "loader/module.h"
#include "loader/reader.h"
#include "loader/utf8.h"

enum { NAMES_MODULE = 0, NAMES_FUNCTIONS = 1 };

static bool take_name(Reader *r, Name *out)
{
    uint32_t len = read_u32(r, "a name"), start = r->pos;
    if (!read_bytes(r, len, "a name")) return false;
    *out = (Name){start, len};
    return true;
}

static bool find_function(Reader *r, uint32_t func, Name *out)
{
    uint32_t n = read_u32(r, "a count");
    for (uint32_t i = 0; i < n && !r->error; i++) {
        uint32_t index = read_u32(r, "an index");
        if (take_name(r, out) && index == func) return true;
    }
    return false;
}

/* Bounds the reader to the first subsection `id`. */
static bool find_subsection(Reader *r, uint8_t id)
{
    while (!r->error && r->pos < r->end) {
        uint8_t found = read_byte(r, "a subsection");
        uint32_t size = read_u32(r, "a size"), start = r->pos;
        if (!read_bytes(r, size, "a subsection") || found != id) continue;
        r->pos = start;
        r->end = start + size;
        return true;
    }
    return false;
}

/* Ends a search: the name counts only if it was found whole and is UTF-8. */
static bool finish(const Module *m, Reader *r, bool found, const Name *out)
{
    found = found && !r->error && utf8_valid_prefix(m->bytes + out->start, out->len) == out->len;
    fnvm_error_free(r->error);
    return found;
}

static Reader names_reader(const Module *m)
{
    return (Reader){.bytes = m->bytes, .pos = m->name_section.start, .end = m->name_section.end};
}

bool module_func_name(const Module *m, uint32_t func, Name *out)
{
    Reader r = names_reader(m);
    return finish(m, &r, find_subsection(&r, NAMES_FUNCTIONS) && find_function(&r, func, out), out);
}

bool module_name(const Module *m, Name *out)
{
    Reader r = names_reader(m);
    return finish(m, &r, find_subsection(&r, NAMES_MODULE) && take_name(&r, out), out);
}
