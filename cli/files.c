/* Reading modules: files go to the library by path, so that it can map them; a stream is read to
 * its end first. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "vm/image/format.h"

bool file_is_image(const char *file)
{
    char magic[sizeof IMAGE_MAGIC];
    int fd = strcmp(file, "-") == 0 ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    bool is_image = pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
                    memcmp(magic, IMAGE_MAGIC, sizeof magic) == 0;
    close(fd);
    return is_image;
}

char *folder_manifest(const char *path)
{
    struct stat st;
    char *file = NULL;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return NULL;
    const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
    if (asprintf(&file, "%s%sfunction.yaml", path, slash) < 0) return NULL;
    if (access(file, F_OK) == 0) return file;
    free(file);
    return NULL;
}

static fnvm_error *stream_read(FILE *in, char **bytes, size_t *len)
{
    size_t size = 0, cap = 1 << 16;
    char *data = malloc(cap);
    while (data) {
        size += fread(data + size, 1, cap - size, in);
        if (size < cap) break;
        char *wider = cap <= SIZE_MAX / 2 ? realloc(data, cap * 2) : NULL;
        if (!wider) free(data);
        data = wider;
        cap *= 2;
    }
    if (!data) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    if (ferror(in)) {
        free(data);
        return fnvm_error_new(FNVM_E_IO, "reading failed: %s", strerror(errno));
    }
    *bytes = data;
    *len = size;
    return NULL;
}

fnvm_error *file_read(const char *file, char **bytes, size_t *len)
{
    if (strcmp(file, "-") == 0) return stream_read(stdin, bytes, len);
    FILE *in = fopen(file, "rb");
    if (!in)
        return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "%s",
                              strerror(errno));
    fnvm_error *error = stream_read(in, bytes, len);
    fclose(in);
    return error;
}

int module_open(fnvm_engine *engine, const char *file, const char *what, fnvm_module **out)
{
    fnvm_error *error;
    if (strcmp(file, "-") == 0) {
        char *bytes = NULL;
        size_t len = 0;
        error = file_read(file, &bytes, &len);
        if (!error) error = fnvm_module_new(engine, bytes, len, out);
        free(bytes);
    } else {
        error = fnvm_module_load(engine, file, out);
    }
    if (interrupt_caused(error)) return interrupt_report(error, what, file);
    return error ? error_report(error, "failed to %s `%s`", what, file) : -1;
}
