/* Files are mapped privately and read-only; pipes and devices are read to their end.  A file that
 * somebody cuts short while it is mapped raises SIGBUS at the first missing page, as for any
 * mapped program: replace modules by renaming, not by writing into them. */
#include "loader/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/text/wat.h"
#include "vm/tunables.h"

/* Text starts, after white space and line comments, with a parenthesis (which also opens block
 * comments); the binary format with a zero byte. */
static bool is_text(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint8_t c = bytes[at];
        if (c == '(') return true;
        if (c == ';' && at + 1 < len && bytes[at + 1] == ';') {
            while (at < len && bytes[at] != '\n') at++;
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return false;
        } else {
            at++;
        }
    }
    return false;
}

static fnvm_error *check_size(uint64_t len)
{
    if (len <= LIMIT_MODULE_BYTES) return NULL;
    return fnvm_error_new(FNVM_E_LIMIT, "a module of %llu bytes: at most %d are supported",
                          (unsigned long long)len, LIMIT_MODULE_BYTES);
}

static void source_set(Module *m, const uint8_t *bytes, size_t len, uint8_t source)
{
    m->bytes = bytes;
    m->len = (uint32_t)len;
    m->source = source;
}

static fnvm_error *source_translate(Module *m, const uint8_t *text, size_t len)
{
    uint8_t *bytes = NULL;
    size_t bytes_len = 0;
    WatInput input = {.text = (const char *)text, .len = len, .line = 1, .column = 1,
                      .stop = engine_stop(m->engine)};
    fnvm_error *error = wat_to_wasm(input, &bytes, &bytes_len);
    if (error) return error;
    if ((error = check_size(bytes_len)) != NULL)
        free(bytes);
    else
        source_set(m, bytes, bytes_len, SOURCE_MALLOC);
    return error;
}

fnvm_error *source_copy_bytes(Module *m, const void *bytes, size_t len)
{
    fnvm_error *error = check_size(len);
    if (error) return error;
    if (is_text(bytes, len)) return source_translate(m, bytes, len);
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (!copy) return error_no_memory();
    if (len > 0) memcpy(copy, bytes, len);
    source_set(m, copy, len, SOURCE_MALLOC);
    return NULL;
}

/* ---- Files ---- */

static fnvm_error *system_error(const char *what)
{
    int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT || number == ENOTDIR ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "%s: %s", what, reason ? reason : "unknown error");
}

/* Everything there is to read, in a buffer that doubles. */
static fnvm_error *source_read(Module *m, int fd)
{
    size_t cap = SOURCE_READ_BYTES, len = 0;
    uint8_t *bytes = malloc(cap);
    fnvm_error *error = bytes ? NULL : error_no_memory();
    while (!error) {
        ssize_t n = read(fd, bytes + len, cap - len);
        if (stop_wanted(engine_stop(m->engine))) {
            error = stop_error("reading a module");
            break;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) error = system_error("cannot read it");
        if (n <= 0) break;
        len += (size_t)n;
        error = check_size(len);
        if (error || len < cap) continue;
        uint8_t *grown = realloc(bytes, cap * 2);
        if (!grown)
            error = error_no_memory();
        else
            bytes = grown, cap *= 2;
    }
    if (!error && is_text(bytes, len)) {
        error = source_translate(m, bytes, len);
        free(bytes);
    } else if (error) {
        free(bytes);
    } else {
        source_set(m, bytes, len, SOURCE_MALLOC);
    }
    return error;
}

fnvm_error *source_map_binary(Module *m, int fd, uint64_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return system_error("cannot look at it");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != len || len == 0)
        return fnvm_error_new(FNVM_E_INVALID, "it has not the size it should have");
    fnvm_error *error = check_size(len);
    if (error) return error;
    void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return system_error("cannot map it");
    source_set(m, map, (size_t)len, SOURCE_MAPPED);
    return NULL;
}

static fnvm_error *source_map(Module *m, int fd, size_t len)
{
    void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return system_error("cannot map it");
    if (!is_text(map, len)) {
        source_set(m, map, len, SOURCE_MAPPED);
        return NULL;
    }
    fnvm_error *error = source_translate(m, map, len);
    munmap(map, len);
    return error;
}

fnvm_error *source_open_file(Module *m, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return system_error("cannot open it");
    struct stat st;
    fnvm_error *error;
    if (fstat(fd, &st) != 0)
        error = system_error("cannot look at it");
    else if (!S_ISREG(st.st_mode) || st.st_size == 0)
        error = source_read(m, fd);
    else if ((error = check_size((uint64_t)st.st_size)) == NULL) {
        m->gate.file = st;
        error = source_map(m, fd, (size_t)st.st_size);
    }
    close(fd);
    return error;
}

fnvm_error *source_own(Module *m)
{
    if (m->source != SOURCE_MAPPED || !m->bytes) return NULL;
    uint8_t *copy = malloc(m->len);
    if (!copy) return error_no_memory();
    memcpy(copy, m->bytes, m->len);
    const uint32_t len = m->len;
    source_close(m);
    source_set(m, copy, len, SOURCE_MALLOC);
    return NULL;
}

void source_close(Module *m)
{
    if (m->bytes && m->source == SOURCE_MAPPED)
        munmap((void *)(uintptr_t)m->bytes, m->len);
    else
        free((void *)(uintptr_t)m->bytes);
    m->bytes = NULL;
    m->len = 0;
}
