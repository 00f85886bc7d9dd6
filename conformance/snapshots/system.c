/* Reads the first line of a file, has itself frozen, and tells what it finds when it wakes up.
 * Arguments: a file in /box, and what to draw before: "random", "clock". */
#include <fcntl.h>
#include <fnvm/snapshot.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

/* A line of at most 19 characters, byte by byte: nothing is read ahead. */
static void read_line(int fd, char line[20])
{
    size_t n = 0;
    while (n < 19 && read(fd, line + n, 1) == 1 && line[n] != '\n') n++;
    line[n] = '\0';
}

/* Those of now: the ones that libc gave to main are of before. */
static void print_strings(const char *what,
                          __wasi_errno_t (*sizes)(__wasi_size_t *, __wasi_size_t *),
                          __wasi_errno_t (*get)(uint8_t **, uint8_t *))
{
    __wasi_size_t count, bytes;
    static uint8_t *strings[20], text[2000];
    printf("%s", what);
    if (sizes(&count, &bytes) != 0 || count > 20 || bytes > sizeof text) exit(9);
    if (get(strings, text) != 0) exit(9);
    for (size_t i = 0; i < count; i++) printf(" %s", (char *)strings[i]);
    printf("\n");
}

static void draw(const char *what)
{
    uint8_t bytes[8];
    struct timespec now;
    if (strcmp(what, "random") == 0) getentropy(bytes, sizeof bytes);
    if (strcmp(what, "clock") == 0) clock_gettime(CLOCK_REALTIME, &now);
}

int main(int argc, char **argv)
{
    char path[100], line[20];
    if (argc < 2) return 8;
    snprintf(path, sizeof path, "/box/%s", argv[1]);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 8;
    read_line(fd, line);
    if (argc > 2) draw(argv[2]);

    if (fnvm_checkpoint() == 0) {
        printf("taken\n");
        return 0;
    }
    read_line(fd, line);
    printf("line %s\n", line);
    print_strings("args", __wasi_args_sizes_get, __wasi_args_get);
    print_strings("env", __wasi_environ_sizes_get, __wasi_environ_get);
    uint64_t random;
    getentropy(&random, sizeof random);
    printf("random %016llx\n", (unsigned long long)random);
    printf("generation %llu\n", (unsigned long long)fnvm_generation());
    return 0;
}
