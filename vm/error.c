/* Errors are small heap objects that form a chain through `cause`.  When not even that much memory
 * is left, a static out-of-memory error stands in: it is constant and freeing it does nothing.  So is
 * the one that says that a guest waits, which is no failure and must cost nothing. */
#include "vm/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const fnvm_error no_memory = {
    .code = FNVM_E_MEMORY, .message = (char *)"the host is out of memory", .is_static = true};

static const fnvm_error suspended = {
    .code = FNVM_E_SUSPENDED,
    .message = (char *)"the guest waits in a host function; fnvm_store_resume lets it go on",
    .is_static = true};

fnvm_error *error_suspended(void) { return (fnvm_error *)&suspended; }

fnvm_error *error_no_memory(void)
{
    return (fnvm_error *)&no_memory; /* never written: is_static is checked first */
}

static fnvm_error *error_vnew(fnvm_code code, const char *format, va_list args)
{
    fnvm_error *e = calloc(1, sizeof *e);
    if (!e) return error_no_memory();
    e->code = code;
    if (vasprintf(&e->message, format, args) < 0) {
        free(e);
        return error_no_memory();
    }
    return e;
}

fnvm_error *fnvm_error_new(fnvm_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *e = error_vnew(code, format, args);
    va_end(args);
    return e;
}

fnvm_error *error_at(fnvm_code code, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *e = error_vnew(code, format, args);
    va_end(args);
    if (e->is_static) return e;
    char *placed = NULL;
    if (asprintf(&placed, "at byte 0x%" PRIx64 ": %s", offset, e->message) < 0) return e;
    free(e->message);
    e->message = placed;
    return e;
}

fnvm_error *fnvm_error_wrap(fnvm_error *cause, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *e = error_vnew(cause->code, format, args);
    va_end(args);
    if (e->is_static) return cause;
    e->trap = cause->trap;
    e->exit_status = cause->exit_status;
    e->cause = cause;
    return e;
}

fnvm_error *fnvm_error_trap_new(fnvm_trap trap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fnvm_error *e = error_vnew(FNVM_E_TRAP, format, args);
    va_end(args);
    if (!e->is_static) e->trap = trap;
    return e;
}

fnvm_error *fnvm_error_exit(int status)
{
    fnvm_error *e = fnvm_error_new(FNVM_E_EXIT, "the guest exited with status %d", status);
    if (!e->is_static) e->exit_status = status;
    return e;
}

void error_set_frames(fnvm_error *e, fnvm_frame *frames, uint32_t *instances, size_t n, char *names)
{
    if (e->is_static) {
        free(frames);
        free(instances);
        free(names);
        return;
    }
    free(e->frames);
    free(e->frame_instances);
    free(e->names);
    e->frames = frames;
    e->frame_instances = instances;
    e->nframes = n;
    e->names = names;
}

fnvm_code fnvm_error_code(const fnvm_error *e) { return e ? e->code : FNVM_OK; }
fnvm_trap fnvm_error_trap(const fnvm_error *e) { return e->trap; }
int fnvm_error_exit_status(const fnvm_error *e) { return e->exit_status; }
const char *fnvm_error_message(const fnvm_error *e) { return e->message; }
const fnvm_error *fnvm_error_cause(const fnvm_error *e) { return e->cause; }

static const fnvm_error *with_frames(const fnvm_error *e)
{
    while (e->nframes == 0 && e->cause) e = e->cause;
    return e;
}

size_t fnvm_error_frames(const fnvm_error *e, const fnvm_frame **frames)
{
    e = with_frames(e);
    *frames = e->frames;
    return e->nframes;
}

const uint32_t *error_frame_instances(const fnvm_error *e) { return with_frames(e)->frame_instances; }

const char *fnvm_trap_text(fnvm_trap trap)
{
    static const char *const texts[] = {
        "no trap",
#define TRAP(ident, text) text,
#include "fnvm_traps.def"
    };
    return (size_t)trap < sizeof texts / sizeof *texts ? texts[trap] : "unknown trap";
}

void fnvm_error_free(fnvm_error *e)
{
    while (e && !e->is_static) {
        fnvm_error *cause = e->cause;
        free(e->message);
        free(e->frames);
        free(e->frame_instances);
        free(e->names);
        free(e);
        e = cause;
    }
}
