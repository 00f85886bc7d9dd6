/* The guest backtrace of an error.  Frames hold the offset after the instruction they are in, which
 * is what running needs; people want the instruction itself, so the function's code is walked once
 * to find it. */
#include <stdlib.h>

#include "loader/skip.h"
#include "vm/frames.h"
#include "vm/run.h"
#include "vm/tunables.h"

/* The instruction that contains byte `inside`. */
static uint32_t instruction_start(const Module *m, const FuncCode *code, uint32_t inside)
{
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

static void describe(const Store *store, const Frame *f, fnvm_frame *out, char **names)
{
    const Instance *inst = store->instances[f->instance];
    const Module *m = inst->module;
    Name n = {0, 0};
    bool has = module_name(m, &n);
    out->module_name = copy_name(m, has, n, names);
    has = module_func_name(m, f->func, &n);
    out->func_name = copy_name(m, has, n, names);
    out->func_index = f->func;
    out->offset = instruction_start(m, frame_code(inst, f), f->pc - 1);
}

void backtrace_attach(Run *run, fnvm_error *error)
{
    const Instance *owner = run->stack;
    const Frame *top = stack_top_frame(owner);
    const Frame *bottom = frame_at(owner, owner->context->stack.size);
    size_t n = (size_t)(bottom - top);
    if (n > TUNE_BACKTRACE_FRAMES) n = TUNE_BACKTRACE_FRAMES;
    if (error->is_static || n == 0) return;

    size_t room = 1;
    for (size_t i = 0; i < n; i++)
        room += name_room(run->store->instances[top[i].instance]->module, top[i].func);
    fnvm_frame *frames = calloc(n, sizeof *frames);
    char *names = malloc(room), *at = names;
    if (!frames || !names) { /* an error without a backtrace is still the error */
        free(frames);
        free(names);
        return;
    }
    for (size_t i = 0; i < n; i++) describe(run->store, &top[i], &frames[i], &at);
    error_set_frames(error, frames, n, names);
}
