/* The name section (standard, appendix 7.4), decoded anew at each question: only backtraces and
 * tools ask, and no trap may become slow by it, whatever a module has there.  It is a custom
 * section, so whatever is wrong with it means "no name", never an error. */
#include <stdlib.h>

#include "loader/module.h"
#include "loader/reader.h"
#include "loader/utf8.h"
#include "vm/tunables.h"

enum {
    NAMES_MODULE = 0,
    NAMES_FUNCTIONS = 1,
    SUBSECTIONS_MAX = 256, /* a dozen kinds are known */
    NAME_CHECKED = 1 << 16 /* bytes of a name that are looked at */
};

static bool take_name(Reader *r, Name *out)
{
    uint32_t len = read_u32(r, "a name"), start = r->pos;
    if (!read_bytes(r, len, "a name")) return false;
    *out = (Name){start, len};
    return true;
}

/* Bounds the reader to the first subsection `id`. */
static bool find_subsection(Reader *r, uint8_t id)
{
    for (int i = 0; i < SUBSECTIONS_MAX && !r->error && r->pos < r->end; i++) {
        uint8_t found = read_byte(r, "a subsection");
        uint32_t size = read_u32(r, "a size"), start = r->pos;
        if (!read_bytes(r, size, "a subsection") || found != id) continue;
        r->pos = start;
        r->end = start + size;
        return true;
    }
    return false;
}

/* A name counts if it is UTF-8, as far as anybody will show it. */
static bool is_text(const Module *m, Name name)
{
    if (name.len <= NAME_CHECKED)
        return utf8_valid_prefix(m->bytes + name.start, name.len) == name.len;
    return utf8_valid_prefix(m->bytes + name.start, NAME_CHECKED) > NAME_CHECKED - 4;
}

static Reader names_reader(const Module *m)
{
    return (Reader){.bytes = m->bytes, .pos = m->name_section.start, .end = m->name_section.end};
}

/* The reader at the names of functions, and how many there are said to be.  As many are read as
 * there can be functions: more are no map. */
static uint32_t open_func_names(const Module *m, Reader *r)
{
    *r = names_reader(m);
    uint32_t count = find_subsection(r, NAMES_FUNCTIONS) ? read_u32(r, "a count") : 0;
    return count < LIMIT_FUNCTIONS ? count : LIMIT_FUNCTIONS;
}

void module_func_names(const Module *m, const uint32_t *funcs, size_t n, Name *out, bool *found)
{
    uint64_t wanted = 0; /* a bit per number, modulo 64: most entries are passed by it */
    Reader r;
    for (size_t i = 0; i < n; i++) {
        wanted |= UINT64_C(1) << (funcs[i] & 63);
        found[i] = false;
    }
    const uint32_t count = open_func_names(m, &r);
    for (size_t k = 0, left = n; k < count && left && !r.error; k++) {
        uint32_t index = read_u32(&r, "an index");
        Name name;
        if (!take_name(&r, &name) || !(wanted >> (index & 63) & 1)) continue;
        for (size_t i = 0; i < n; i++) {
            if (funcs[i] != index || found[i]) continue;
            out[i] = name;
            found[i] = true;
            left--;
        }
    }
    fnvm_error_free(r.error);
    for (size_t i = 0; i < n; i++) found[i] = found[i] && is_text(m, out[i]);
}

Name *module_all_func_names(const Module *m)
{
    Name *names = calloc((size_t)m->nfuncs + 1, sizeof *names);
    Reader r;
    const uint32_t count = names ? open_func_names(m, &r) : 0;
    for (uint32_t k = 0; k < count && !r.error; k++) {
        const uint32_t func = read_u32(&r, "an index");
        Name name;
        if (take_name(&r, &name) && func < m->nfuncs && !names[func].start && is_text(m, name))
            names[func] = name;
    }
    if (names) fnvm_error_free(r.error);
    return names;
}

bool module_func_name(const Module *m, uint32_t func, Name *out)
{
    bool found;
    module_func_names(m, &func, 1, out, &found);
    return found;
}

bool module_name(const Module *m, Name *out)
{
    Reader r = names_reader(m);
    bool found = find_subsection(&r, NAMES_MODULE) && take_name(&r, out);
    fnvm_error_free(r.error);
    return found && is_text(m, *out);
}
