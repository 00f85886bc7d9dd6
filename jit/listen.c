/* The engine's listeners, a list that is complete before anything is compiled and so needs no
 * lock. */
#include "jit/listen.h"

#include <stdio.h>

void code_listen(fnvm_engine *e, CodeListener *listener)
{
    listener->next = e->listeners;
    e->listeners = listener;
}

void code_unlisten_all(fnvm_engine *e)
{
    while (e->listeners) {
        CodeListener *first = e->listeners;
        e->listeners = first->next;
        first->close(first);
    }
}

bool code_frames_described(const fnvm_engine *e)
{
    for (const CodeListener *l = e->listeners; l; l = l->next)
        if (l->describes_frames) return true;
    return false;
}

void code_published(const Module *m, uint32_t func, const uint8_t *code, uint32_t size)
{
    for (CodeListener *l = m->engine->listeners; l; l = l->next)
        l->published(l, m, func, code, size);
}

void code_withdrawn(const Module *m)
{
    for (CodeListener *l = m->engine->listeners; l; l = l->next)
        if (l->withdrawn) l->withdrawn(l, m);
}

/* ---- Names ---- */

typedef struct Text { char *at; size_t size, len; } Text;

static void put(Text *t, char c)
{
    if (t->len + 1 < t->size) t->at[t->len] = c;
    t->len++;
}

static void put_all(Text *t, const char *s)
{
    while (*s) put(t, *s++);
}

/* What would end a line or act on a terminal is replaced. */
static void put_name(Text *t, const Module *m, Name name)
{
    for (uint32_t i = 0; i < name.len; i++) {
        uint8_t c = m->bytes[name.start + i];
        bool is_control = c < 0x20 || c == 0x7F ||
                          (c == 0xC2 && i + 1 < name.len && m->bytes[name.start + i + 1] < 0xA0);
        put(t, is_control ? '?' : (char)c);
        i += is_control && c == 0xC2;
    }
}

size_t code_symbol(const Module *m, uint32_t func, char *text, size_t size)
{
    Text t = {text, size, 0};
    Name name;
    if (module_name(m, &name)) put_name(&t, m, name);
    else put_all(&t, "<unknown>");
    put(&t, '!');
    if (module_func_name(m, func, &name)) {
        put_name(&t, m, name);
    } else {
        char number[40];
        snprintf(number, sizeof number, "<wasm function %u>", func);
        put_all(&t, number);
    }
    if (size) text[t.len < size ? t.len : size - 1] = '\0';
    return t.len;
}
