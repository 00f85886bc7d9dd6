/* log.c - the module fnvm:log: lines with a level and, for machines, fields.
 *
 * Where a line goes is the embedder's; without one it is standard error, a line per write(2), so
 * that lines of several guests do not mix. */
#include "stdlib/services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stdlib/log_fields.h"
#include "stdlib/wasi.h"

static void write_all(int fd, const char *at, size_t len)
{
    while (len) {
        const ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* a log that cannot be written is no reason to stop */
        at += n;
        len -= (size_t)n;
    }
}

static void print(fnvm_log_level level, const char *text, size_t len, const char *fields,
                  size_t fields_len)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char *line = NULL;
    size_t line_len = 0;
    FILE *out = open_memstream(&line, &line_len);
    if (!out) return;
    fprintf(out, "%s: ", names[level]);
    wasi_print(out, text, len, LOG_TEXT_BYTES);
    if (fields_len) {
        putc(' ', out);
        wasi_print(out, fields, fields_len, LOG_FIELDS_BYTES);
    }
    putc('\n', out);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (!failed) write_all(STDERR_FILENO, line, line_len);
    free(line);
}

/* Cut between two characters, if it is UTF-8. */
static size_t cut(const char *text, size_t len)
{
    if (len <= LOG_TEXT_BYTES) return len;
    len = LOG_TEXT_BYTES;
    for (int i = 0; i < 3 && ((unsigned char)text[len] & 0xC0) == 0x80; i++) len--;
    return len;
}

static fnvm_error *log_write(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Services *s = call.services;
    const uint32_t level = slots[0].i32, len = slots[2].i32, fields_len = slots[4].i32;
    const char *text = (const char *)service_bytes(&call, slots[1].i32, len);
    const char *fields = (const char *)service_bytes(&call, slots[3].i32, fields_len);
    if (!text || !fields) return service_answer(slots, FNVM_SERVICE_FAULT);
    if (level > FNVM_LOG_ERROR) return service_answer(slots, FNVM_SERVICE_INVALID);
    if (fields_len > LOG_FIELDS_BYTES) return service_answer(slots, FNVM_SERVICE_TOO_LARGE);
    if (fields_len && !log_fields_valid(fields, fields_len, LOG_FIELDS_DEPTH))
        return service_answer(slots, FNVM_SERVICE_INVALID);
    if (s->log) s->log(s->log_env, (fnvm_log_level)level, text, cut(text, len), fields, fields_len);
    else print((fnvm_log_level)level, text, len, fields, fields_len);
    return service_answer(slots, FNVM_SERVICE_OK);
}

const ServiceFunc service_log[] = {{"write", "i32 i32 i32 i32 i32 -> i32", log_write},
                                   {NULL, NULL, NULL}};
