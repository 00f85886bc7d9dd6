/* wasi_draws.c - which functions of the guest got values that instances of an image would share.
 *
 * What a guest draws before it is frozen is the same in all that are woken: a seed, a key, the time
 * of its start.  So while an image is being made, each place that draws is noted: the kind of draw
 * and the innermost functions on the guest's stack, by their numbers, so that a place that draws
 * often is recognised without a look at its names.  Few places are enough to find the cause.
 */
#include "stdlib/wasi_image.h"

#include <stdlib.h>
#include <string.h>

#include "vm/error.h"
#include "vm/frames.h"

enum {
    PLACES = 8,      /* of a kind */
    PLACE_FUNCS = 6, /* libc's own are one to three of them */
    NAME_BYTES = 80  /* of a function's name; C++ has long ones */
};

typedef struct Place {
    FuncRef funcs[PLACE_FUNCS]; /* innermost first; 0: there are no more */
} Place;

struct Draws {
    Place places[DRAW_KINDS][PLACES];
    uint32_t count[DRAW_KINDS];
    char *text; /* the lines; NULL before the first */
    size_t len;
};

void wasi_draws_free(Draws *draws)
{
    if (draws) free(draws->text);
    free(draws);
}

void fnvm_wasi_note_draws(fnvm_wasi *wasi) { wasi->notes_draws = true; }

const char *wasi_draws(const Wasi *wasi)
{
    return wasi->draws && wasi->draws->text ? wasi->draws->text : "";
}

const char *fnvm_wasi_draws(const fnvm_wasi *wasi) { return wasi_draws(wasi); }

/* A guest's text between the project's own: nothing that a terminal would act on. */
void wasi_print(FILE *out, const char *bytes, size_t len, size_t max)
{
    bool cut = len > max;
    if (cut) {
        len = max;
        while (len > 0 && (bytes[len] & 0xC0) == 0x80) len--; /* between two characters */
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        if (byte < 0x20 || byte == 0x7F) fprintf(out, "\\%02x", byte);
        else putc(byte, out);
    }
    if (cut) fputs("...", out);
}

static Place place_of(const Store *store)
{
    Place place = {{0}};
    FrameWalk walk;
    if (!store->stack_owner) return place;
    frame_walk_start(&walk, store, store->stack_owner);
    for (uint32_t i = 0; i < PLACE_FUNCS && frame_walk_next(&walk); i++)
        place.funcs[i] = funcref_make(walk.frame.instance->id, walk.frame.func);
    return place;
}

static bool place_is_known(const Draws *draws, DrawKind kind, const Place *place)
{
    for (uint32_t i = 0; i < draws->count[kind]; i++)
        if (memcmp(&draws->places[kind][i], place, sizeof *place) == 0) return true;
    return false;
}

static void print_line(FILE *out, const Store *store, DrawKind kind, const Place *place)
{
    static const char *const names[DRAW_KINDS] = {"random_get", "clock_time_get"};
    fprintf(out, "%s, called by ", names[kind]);
    if (!place->funcs[0]) fputs("the host", out);
    for (uint32_t i = 0; i < PLACE_FUNCS && place->funcs[i]; i++) {
        const Module *m = store->instances[funcref_instance(place->funcs[i])]->module;
        uint32_t func = funcref_func(place->funcs[i]);
        Name name;
        if (i) fputs(" <- ", out);
        if (module_func_name(m, func, &name))
            wasi_print(out, (const char *)m->bytes + name.start, name.len, NAME_BYTES);
        else fprintf(out, "function %u", (unsigned)func);
    }
    putc('\n', out);
}

static bool add_line(Draws *draws, const Store *store, DrawKind kind, const Place *place)
{
    char *line = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&line, &len);
    if (!out) return false;
    print_line(out, store, kind, place);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    char *text = failed ? NULL : realloc(draws->text, draws->len + len + 1);
    if (text) {
        memcpy(text + draws->len, line, len + 1);
        draws->text = text;
        draws->len += len;
    }
    free(line);
    return text != NULL;
}

void wasi_note_draw(WasiCall *call, DrawKind kind)
{
    Wasi *wasi = call->wasi;
    const Store *store = fnvm_caller_store(call->caller);
    if (!wasi->draws) wasi->draws = calloc(1, sizeof *wasi->draws);
    Draws *draws = wasi->draws;
    if (draws && draws->count[kind] == PLACES) return;
    Place place = place_of(store);
    if (draws && place_is_known(draws, kind, &place)) return;
    if (draws && add_line(draws, store, kind, &place))
        draws->places[kind][draws->count[kind]++] = place;
    else call->error = error_no_memory(); /* going on would look as if nothing had been drawn */
}
