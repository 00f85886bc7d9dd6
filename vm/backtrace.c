/* The guest backtrace of an error.  Frames of the interpreter hold the offset after the instruction
 * they are in, which is what running needs; people want the instruction itself, so the function's
 * code is walked to find it: once for all frames of a function, and not without end, since a trap
 * may be the end of a guest's time.  Names are looked up likewise, once for all frames of a
 * module. */
#include <stdlib.h>

#include "loader/skip.h"
#include "vm/run.h"
#include "vm/tunables.h"

typedef struct Trace {
    FrameView views[TUNE_BACKTRACE_FRAMES];
    uint32_t offsets[TUNE_BACKTRACE_FRAMES]; /* of instructions; before that is known, a byte of it */
    Name names[TUNE_BACKTRACE_FRAMES], modules[TUNE_BACKTRACE_FRAMES];
    bool named[TUNE_BACKTRACE_FRAMES], module_named[TUNE_BACKTRACE_FRAMES];
    size_t n;
    uint32_t code_bytes; /* that may still be read */
} Trace;

/* ---- Offsets ---- */

/* The frames of one function, by their offsets, which become those of the instructions. */
static void find_starts(Trace *t, const FuncCode *code, const Module *m, const uint8_t *frames,
                        size_t n)
{
    const uint32_t size = code->end - code->start;
    const uint32_t most = size < t->code_bytes ? size : t->code_bytes;
    Reader r = {.bytes = m->bytes, .pos = code->start, .end = code->end};
    Op op;
    for (size_t next = 0; next < n && r.pos - code->start < most;) {
        const uint32_t start = r.pos;
        if (!reader_skip_instruction(&r, &op)) break;
        for (; next < n && t->offsets[frames[next]] < r.pos; next++)
            t->offsets[frames[next]] = start;
    }
    fnvm_error_free(r.error);
    t->code_bytes -= r.pos - code->start < most ? r.pos - code->start : most;
}

static bool same_function(const FrameView *a, const FrameView *b)
{
    return !a->compiled && !b->compiled && a->func == b->func &&
           a->instance->module == b->instance->module;
}

static void find_offsets(Trace *t)
{
    uint8_t frames[TUNE_BACKTRACE_FRAMES];
    bool done[TUNE_BACKTRACE_FRAMES] = {false};
    for (size_t i = 0; i < t->n; i++) {
        const FrameView *f = &t->views[i];
        const FuncCode *code = f->compiled ? NULL : frame_view_code(f); /* compiled code knows it */
        if (!code || done[i]) continue;
        size_t n = 0;
        for (size_t k = i; k < t->n; k++) {
            if (!same_function(f, &t->views[k])) continue;
            size_t at = n++;
            for (; at > 0 && t->offsets[frames[at - 1]] > t->offsets[k]; at--)
                frames[at] = frames[at - 1];
            frames[at] = (uint8_t)k;
            done[k] = true;
        }
        find_starts(t, code, f->instance->module, frames, n);
    }
}

/* ---- Names ---- */

/* As much of a name as is shown: a long one is cut between two characters. */
static uint32_t shown_bytes(const Module *m, Name name)
{
    uint32_t len = name.len;
    if (len <= TUNE_BACKTRACE_NAME_BYTES) return len;
    len = TUNE_BACKTRACE_NAME_BYTES;
    while (len > 0 && (m->bytes[name.start + len] & 0xC0) == 0x80) len--;
    return len;
}

/* Copies a name behind *names, NUL-terminated; NULL if the module has none. */
static const char *copy_name(const Module *m, bool found, Name name, char **names)
{
    if (!found) return NULL;
    char *at = *names;
    uint32_t len = shown_bytes(m, name);
    memcpy(at, m->bytes + name.start, len);
    at[len] = 0;
    *names += len + 1;
    return at;
}

static void find_names(Trace *t)
{
    bool done[TUNE_BACKTRACE_FRAMES] = {false};
    for (size_t i = 0; i < t->n; i++) {
        if (done[i]) continue;
        const Module *m = t->views[i].instance->module;
        uint32_t funcs[TUNE_BACKTRACE_FRAMES];
        Name names[TUNE_BACKTRACE_FRAMES], module = {0, 0};
        bool found[TUNE_BACKTRACE_FRAMES], module_found = module_name(m, &module);
        for (size_t k = 0; k < t->n; k++) funcs[k] = t->views[k].func;
        module_func_names(m, funcs, t->n, names, found);
        for (size_t k = i; k < t->n; k++) {
            if (t->views[k].instance->module != m) continue;
            t->names[k] = names[k];
            t->named[k] = found[k];
            t->modules[k] = module;
            t->module_named[k] = module_found;
            done[k] = true;
        }
    }
}

static size_t name_room(const Trace *t, size_t i)
{
    const Module *m = t->views[i].instance->module;
    size_t room = t->module_named[i] ? shown_bytes(m, t->modules[i]) + 1u : 0;
    return room + (t->named[i] ? shown_bytes(m, t->names[i]) + 1u : 0);
}

static void describe(const Trace *t, size_t i, fnvm_frame *out, char **names)
{
    const Module *m = t->views[i].instance->module;
    out->module_name = copy_name(m, t->module_named[i], t->modules[i], names);
    out->func_name = copy_name(m, t->named[i], t->names[i], names);
    out->func_index = t->views[i].func;
    out->offset = t->offsets[i];
}

void backtrace_attach(const Store *store, fnvm_error *error)
{
    Trace t = {.code_bytes = TUNE_BACKTRACE_CODE_BYTES};
    size_t room = 1;
    FrameWalk w;
    if (error->is_static || error->code == FNVM_E_EXIT || !store->stack_owner) return;
    frame_walk_start(&w, store, store->stack_owner);
    for (; t.n < TUNE_BACKTRACE_FRAMES && frame_walk_next(&w); t.n++) {
        t.views[t.n] = w.frame;
        t.offsets[t.n] = w.frame.pc;
    }
    if (t.n == 0) return;
    find_offsets(&t);
    find_names(&t);
    for (size_t i = 0; i < t.n; i++) room += name_room(&t, i);
    fnvm_frame *frames = calloc(t.n, sizeof *frames);
    uint32_t *instances = calloc(t.n, sizeof *instances);
    char *names = malloc(room), *at = names;
    if (!frames || !instances || !names) { /* an error without a backtrace is still the error */
        free(frames);
        free(instances);
        free(names);
        return;
    }
    for (size_t i = 0; i < t.n; i++) {
        describe(&t, i, &frames[i], &at);
        instances[i] = t.views[i].instance->id;
    }
    error_set_frames(error, frames, instances, t.n, names);
}
