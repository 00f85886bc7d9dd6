/* One member or element per line, two spaces per level. */
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

static void before_value(Json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->after_value) fputc(',', j->out);
    if (j->depth > 0) fprintf(j->out, "\n%*s", (int)(j->depth * 2), "");
}

void json_open(Json *j, char bracket)
{
    before_value(j);
    fputc(bracket, j->out);
    j->depth++;
    j->after_value = false;
}

void json_close(Json *j, char bracket)
{
    j->depth--;
    if (j->after_value) fprintf(j->out, "\n%*s", (int)(j->depth * 2), "");
    fputc(bracket, j->out);
    j->after_value = true;
    if (j->depth == 0) fputc('\n', j->out);
}

static void quoted(Json *j, const char *text, size_t len)
{
    fputc('"', j->out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') fprintf(j->out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F) fprintf(j->out, "\\u%04x", c);
        else fputc(c, j->out);
    }
    fputc('"', j->out);
}

void json_key(Json *j, const char *key)
{
    before_value(j);
    quoted(j, key, strlen(key));
    fputs(": ", j->out);
    j->after_key = true;
}

void json_text(Json *j, const char *text, size_t len)
{
    before_value(j);
    quoted(j, text, len);
    j->after_value = true;
}

void json_number(Json *j, uint64_t number)
{
    before_value(j);
    fprintf(j->out, "%" PRIu64, number);
    j->after_value = true;
}

void json_bool(Json *j, bool value)
{
    before_value(j);
    fputs(value ? "true" : "false", j->out);
    j->after_value = true;
}
