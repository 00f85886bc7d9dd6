/* Text as YAML that is read back as the same: quoted, and everything but ASCII escaped. */
#include "verifier/policy/yaml.h"

/* The code point at `at` in UTF-8, and its length; 0 where it is none. */
static size_t decode(const unsigned char *at, uint32_t *out)
{
    static const struct { unsigned char below; size_t n; } lengths[] = {
        {0x80, 1}, {0xC2, 0}, {0xE0, 2}, {0xF0, 3}, {0xF5, 4}};
    size_t n = 0;
    for (size_t i = 5; i-- > 0;)
        if (at[0] < lengths[i].below) n = lengths[i].n;
    if (at[0] >= 0xF5) n = 0;
    *out = n == 1 ? at[0] : at[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
        *out = *out << 6 | (at[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (n && (*out < least[n] || *out > 0x10FFFF || (*out & ~0x7FFu) == 0xD800)) return 0;
    return n;
}

bool yamldoc_print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t c;
        const size_t n = decode(at, &c);
        if (n == 0) return false;
        if (c == '"' || c == '\\') fprintf(out, "\\%c", (int)c);
        else if (c >= 0x20 && c < 0x7F) fputc((int)c, out);
        else fprintf(out, "\\U%08X", c);
        at += n;
    }
    fputc('"', out);
    return true;
}
