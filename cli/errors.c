/* Errors are printed in the form that users of other engines know: "Error:", "Caused by:" with a
 * numbered chain, the guest's backtrace, and last the trap in the standard's own words. */
#include "cli/errors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_FIRST = 16, FRAMES_LAST = 4 }; /* of a long backtrace, the ends are what matters */

/* Bytes at `at` that would act on a terminal: ASCII controls, or a C1 control in UTF-8. */
static size_t control_length(const char *at, size_t left)
{
    unsigned char c = (unsigned char)at[0];
    if (c < 0x20 || c == 0x7F) return 1;
    if (c == 0xC2 && left > 1 && (unsigned char)at[1] < 0xA0) return 2;
    return 0;
}

void print_escaped(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = control_length(text + i, len - i);
        if (n == 0) fputc(text[i++], out);
        for (; n > 0; n--) fprintf(out, "\\x%02x", (unsigned)(unsigned char)text[i++]);
    }
}

/* A message may have several lines (a list of imports): the later ones are indented. */
static void print_message(const char *message, const char *indent)
{
    for (;;) {
        size_t line = strcspn(message, "\n");
        print_escaped(stderr, message, line);
        fputc('\n', stderr);
        if (message[line] == '\0') return;
        message += line + 1;
        fputs(indent, stderr);
    }
}

static void print_name(const char *name, const char *otherwise, uint32_t index)
{
    if (name) print_escaped(stderr, name, strlen(name));
    else fprintf(stderr, otherwise, index);
}

static void print_backtrace(const fnvm_frame *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (n > FRAMES_FIRST + FRAMES_LAST + 1 && i == FRAMES_FIRST) {
            size_t skipped = n - FRAMES_FIRST - FRAMES_LAST;
            fprintf(stderr, "            ... %zu more frames ...\n", skipped);
            i += skipped;
        }
        fprintf(stderr, "        %4zu: 0x%" PRIx64 " - ", i, frames[i].offset);
        print_name(frames[i].module_name, "<unknown>", 0);
        fputc('!', stderr);
        print_name(frames[i].func_name, "<wasm function %" PRIu32 ">", frames[i].func_index);
        fputc('\n', stderr);
    }
}

static void print_chain(const fnvm_error *error)
{
    const fnvm_frame *frames = NULL;
    size_t nframes = fnvm_error_frames(error, &frames);
    fnvm_trap trap = fnvm_error_trap(error);
    const char *trap_text = trap == FNVM_TRAP_NONE ? NULL : fnvm_trap_text(trap);

    unsigned number = 0;
    fputs("\nCaused by:\n", stderr);
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e)) {
        const char *message = fnvm_error_message(e);
        if (trap_text && strcmp(message, trap_text) == 0) continue; /* it comes last */
        fprintf(stderr, "    %u: ", number++);
        print_message(message, "       ");
    }
    if (nframes > 0) {
        fprintf(stderr, "    %u: wasm backtrace:\n", number++);
        print_backtrace(frames, nframes);
    }
    if (trap_text) fprintf(stderr, "    %u: wasm trap: %s\n", number, trap_text);
}

static int status_of(const fnvm_error *error)
{
    switch (fnvm_error_code(error)) {
    case FNVM_OK: return STATUS_OK;
    case FNVM_E_TRAP: {
        /* The module was never fit to run; only its lateness makes this a trap. */
        fnvm_trap trap = fnvm_error_trap(error);
        if (trap != FNVM_TRAP_VERIFY && trap != FNVM_TRAP_LINK) return STATUS_TRAP;
        const fnvm_error *cause = error;
        while (cause && fnvm_error_code(cause) != FNVM_E_POLICY) cause = fnvm_error_cause(cause);
        return cause ? STATUS_REFUSED : STATUS_FAILED;
    }
    case FNVM_E_EXCEPTION: return STATUS_TRAP;
    case FNVM_E_POLICY:
    case FNVM_E_LIMIT: return STATUS_REFUSED;
    case FNVM_E_NOT_FOUND: return STATUS_NOT_FOUND;
    default: return STATUS_FAILED;
    }
}

/* What is put into a message comes from files, too: their names, and what a manifest calls things. */
static void print_first(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) text = NULL;
    fputs("Error: ", stderr);
    print_escaped(stderr, text ? text : format, strlen(text ? text : format));
    fputc('\n', stderr);
    free(text);
}

int error_report(fnvm_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    print_first(format, args);
    va_end(args);

    int status = STATUS_FAILED;
    if (error) {
        print_chain(error);
        status = status_of(error);
        fnvm_error_free(error);
    }
    return status;
}

int error_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_first(format, args);
    va_end(args);
    fprintf(stderr, "Try `fnvm help%s%s`.\n", command ? " " : "", command ? command : "");
    return STATUS_USAGE;
}

int error_option(const char *command, int found, const char *text)
{
    if (found == ':') return error_usage(command, "option `%s` needs a value", text);
    return error_usage(command, "there is no option `%s`", text);
}

void error_warn(const char *message)
{
    fputs("Warning: ", stderr);
    print_escaped(stderr, message, strlen(message));
    fputc('\n', stderr);
}
