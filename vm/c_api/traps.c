/* Traps: messages, and backtraces whose frames hold their instances.  A trap that a host function
 * returns goes through the guest as an error and comes out as the same trap again, with the
 * frames it passed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vm/c_api/c_api.h"
#include "vm/error.h"

/* For when there is no memory for a trap: never written to, since nothing does that to what is
 * static. */
static char no_memory_text[] = "the host is out of memory";
static wasm_trap_t no_memory = {
    .ref = {.kind = REF_TRAP, .is_static = true, .refs = 1},
    .message = {sizeof no_memory_text, no_memory_text}};

/* ---- Frames ---- */

wasm_frame_t *wasm_frame_copy(const wasm_frame_t *f)
{
    wasm_frame_t *copy = f ? malloc(sizeof *copy) : NULL;
    if (!copy) return NULL;
    *copy = *f;
    if (copy->instance) ref_retain(&copy->instance->ref);
    return copy;
}

void wasm_frame_delete(wasm_frame_t *f)
{
    if (!f) return;
    if (f->instance) ref_release(&f->instance->ref);
    free(f);
}

wasm_instance_t *wasm_frame_instance(const wasm_frame_t *f) { return f ? f->instance : NULL; }
uint32_t wasm_frame_func_index(const wasm_frame_t *f) { return f ? f->func : 0; }
size_t wasm_frame_func_offset(const wasm_frame_t *f) { return f ? f->func_offset : 0; }
size_t wasm_frame_module_offset(const wasm_frame_t *f) { return f ? f->module_offset : 0; }

static wasm_frame_t frame_of(wasm_store_t *s, const fnvm_frame *f, Instance *inst)
{
    const Module *m = inst->module;
    wasm_frame_t out = {.instance = instance_record(s, inst), .func = f->func_index,
                        .module_offset = (size_t)f->offset};
    if (out.instance) ref_retain(&out.instance->ref);
    if (f->func_index >= m->n_imported_funcs)
        out.func_offset = out.module_offset - m->bodies[f->func_index - m->n_imported_funcs].start;
    return out;
}

/* A trap without them is still the trap. */
static void add_frames(wasm_store_t *s, wasm_trap_t *t, const fnvm_error *error)
{
    const fnvm_frame *frames;
    const uint32_t *instances = error_frame_instances(error);
    const size_t n = fnvm_error_frames(error, &frames);
    if (!n || !instances || t->ref.is_static || t->nframes) return;
    t->frames = calloc(n, sizeof *t->frames);
    if (!t->frames) return;
    for (size_t i = 0; i < n; i++)
        t->frames[i] = frame_of(s, &frames[i], s->store->instances[instances[i]]);
    t->nframes = n;
}

/* ---- Traps ---- */

void trap_free_parts(wasm_trap_t *t)
{
    for (size_t i = 0; i < t->nframes; i++)
        if (t->frames[i].instance) ref_release(&t->frames[i].instance->ref);
    free(t->frames);
    free(t->message.data);
}

/* Takes the text; NULL: there was no memory for it. */
static wasm_trap_t *trap_take(wasm_store_t *s, char *text)
{
    wasm_trap_t *t = text ? ref_new(s, REF_TRAP, sizeof *t) : NULL;
    if (t) {
        t->message = (wasm_message_t){strlen(text) + 1, text};
        return t;
    }
    free(text);
    return &no_memory;
}

wasm_trap_t *trap_new(wasm_store_t *s, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    return trap_take(s, text);
}

wasm_trap_t *wasm_trap_new(wasm_store_t *s, const wasm_message_t *message)
{
    const char *from = message && message->data ? message->data : "";
    size_t n = message && message->data ? message->size : 0;
    wasm_trap_t *t = ref_new(s, REF_TRAP, sizeof *t);
    if (!t) return NULL;
    const bool ends = n > 0 && from[n - 1] == '\0';
    t->message = (wasm_message_t){n + !ends, calloc(1, n + !ends)};
    if (t->message.data) {
        memcpy(t->message.data, from, n);
        return t;
    }
    wasm_trap_delete(t);
    return NULL;
}

void wasm_trap_message(const wasm_trap_t *t, wasm_message_t *out)
{
    if (t) wasm_byte_vec_copy(out, &t->message);
    else wasm_byte_vec_new_empty(out);
}

wasm_frame_t *wasm_trap_origin(const wasm_trap_t *t)
{
    return t && t->nframes ? wasm_frame_copy(&t->frames[0]) : NULL;
}

void wasm_trap_trace(const wasm_trap_t *t, wasm_frame_vec_t *out)
{
    wasm_frame_vec_new_uninitialized(out, t ? t->nframes : 0);
    if (!out) return;
    for (size_t i = 0; i < out->size; i++) {
        if ((out->data[i] = wasm_frame_copy(&t->frames[i]))) continue;
        wasm_frame_vec_delete(out);
        break;
    }
}

/* ---- Traps and errors ---- */

/* "message: cause: its cause". */
static char *chain_text(const fnvm_error *error)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f) return NULL;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        fprintf(f, "%s%s", e == error ? "" : ": ", fnvm_error_message(e));
    const bool failed = ferror(f) != 0;
    if (fclose(f) == 0 && !failed) return text;
    free(text);
    return NULL;
}

wasm_trap_t *trap_from_error(wasm_store_t *s, fnvm_error *error)
{
    wasm_trap_t *t = s->passing;
    s->passing = NULL;
    if (!t || s->passing_error != error) {
        if (t) wasm_trap_delete(t);
        t = trap_take(s, chain_text(error));
    }
    add_frames(s, t, error);
    fnvm_error_free(error);
    return t;
}

fnvm_error *trap_to_error(wasm_store_t *s, wasm_trap_t *t)
{
    fnvm_error *error =
        fnvm_error_trap_new(FNVM_TRAP_HOST, "%s", t->message.data ? t->message.data : "");
    if (s->passing) wasm_trap_delete(s->passing);
    s->passing = t;
    s->passing_error = error;
    return error;
}
