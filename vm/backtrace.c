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

/* Copies a name behind *names, NUL-terminated; NULL if the module has none. */
static const char *copy_name(const Module *m, bool found, Name name, char **names)
{
    if (!found) return NULL;
    char *at = *names;
    memcpy(at, m->bytes + name.start, name.len);
    at[name.len] = 0;
    *names += name.len + 1;
    return at;
}

static size_t name_room(const Module *m, uint32_t func)
{
    Name n;
    return (module_name(m, &n) ? n.len + 1u : 0u) + (module_func_name(m, func, &n) ? n.len + 1u : 0u);
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
