/* The guest backtrace of an error.  Frames of the interpreter hold the offset after the instruction
 * they are in, which is what running needs; people want the instruction itself, so the function's
 * code is walked once to find it. */
#include <stdlib.h>

#include "loader/skip.h"
#include "vm/run.h"
#include "vm/tunables.h"

/* The instruction that contains byte `inside`. */
static uint32_t instruction_start(const FrameView *f)
{
    const Module *m = f->instance->module;
    const FuncCode *code = frame_view_code(f);
    if (f->compiled || !code) return f->pc; /* compiled code knows it */
    uint32_t inside = f->pc;
    Reader r = {.bytes = m->bytes, .pos = code->start, .end = code->end};
    uint32_t start = code->start;
    Op op;
    while (r.pos <= inside && r.pos < r.end) {
        start = r.pos;
        if (!reader_skip_instruction(&r, &op)) break;
    }
    fnvm_error_free(r.error);
    return start;
}

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

static size_t name_room(const Module *m, uint32_t func)
{
    Name n;
    size_t room = module_name(m, &n) ? shown_bytes(m, n) + 1u : 0;
    return room + (module_func_name(m, func, &n) ? shown_bytes(m, n) + 1u : 0);
}

static void describe(const FrameView *f, fnvm_frame *out, char **names)
{
    const Module *m = f->instance->module;
    Name n = {0, 0};
    bool has = module_name(m, &n);
    out->module_name = copy_name(m, has, n, names);
    has = module_func_name(m, f->func, &n);
    out->func_name = copy_name(m, has, n, names);
    out->func_index = f->func;
    out->offset = instruction_start(f);
}

void backtrace_attach(const Store *store, fnvm_error *error)
{
    FrameView views[TUNE_BACKTRACE_FRAMES];
    size_t n = 0, room = 1;
    FrameWalk w;
    if (error->is_static || error->code == FNVM_E_EXIT || !store->stack_owner) return;
    frame_walk_start(&w, store, store->stack_owner);
    for (; n < TUNE_BACKTRACE_FRAMES && frame_walk_next(&w); n++) {
        views[n] = w.frame;
        room += name_room(w.frame.instance->module, w.frame.func);
    }
    if (n == 0) return;
    fnvm_frame *frames = calloc(n, sizeof *frames);
    char *names = malloc(room), *at = names;
    if (!frames || !names) { /* an error without a backtrace is still the error */
        free(frames);
        free(names);
        return;
    }
    for (size_t i = 0; i < n; i++) describe(&views[i], &frames[i], &at);
    error_set_frames(error, frames, n, names);
}
