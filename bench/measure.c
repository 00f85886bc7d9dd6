/* How fast a module is measured, beside libsodium hashing the same bytes.
 *
 *   measure [FILE [RUNS]]
 *
 * Without FILE, or if it cannot be read, a module of 32 MB is made up: half code, half data.
 * Prints the medians.  libsodium hashes all of the bytes; the measurement's rate is of those that
 * count. */
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fnvm.h"

enum { MAX_RUNS = 1000, SECTION_BYTES = 16 << 20 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

static uint8_t *put_section(uint8_t *at, uint8_t id)
{
    *at++ = id;
    for (unsigned i = 0; i < 4; i++) /* as LEB128 */
        *at++ = (uint8_t)(((uint32_t)SECTION_BYTES >> 7 * i & 0x7F) | (i < 3 ? 0x80 : 0));
    for (size_t i = 0; i < SECTION_BYTES; i++) *at++ = (uint8_t)(i * 2654435761u >> 24);
    return at;
}

static uint8_t *made_up(size_t *len)
{
    uint8_t *bytes = malloc(8 + 2 * (5 + (size_t)SECTION_BYTES)), *at = bytes;
    if (!bytes) return NULL;
    memcpy(at, "\0asm\1\0\0\0", 8);
    at = put_section(at + 8, 10);
    at = put_section(at, 11);
    *len = (size_t)(at - bytes);
    return bytes;
}

static const uint8_t *map_file(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0) return NULL;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    *len = (size_t)st.st_size;
    return map == MAP_FAILED ? NULL : map;
}

static void add_counted(void *env, const fnvm_section *s)
{
    size_t *counted = env;
    if (s->counted) *counted += (size_t)s->size;
}

int main(int argc, char **argv)
{
    static double measuring[MAX_RUNS], hashing[MAX_RUNS];
    size_t len = 0, counted = 0, runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 21;
    if (runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: measure [FILE [RUNS, at most %d]]\n", MAX_RUNS);
        return 2;
    }
    const uint8_t *bytes = argc > 1 ? map_file(argv[1], &len) : NULL;
    const char *what = bytes ? argv[1] : "a module made up";
    if (!bytes) bytes = made_up(&len);
    if (!bytes || sodium_init() < 0) return 1;
    for (size_t i = 0; i < runs; i++) {
        unsigned char out[FNVM_MEASUREMENT_BYTES];
        counted = 0;
        double start = now_ms();
        fnvm_error *error = fnvm_measure(bytes, len, add_counted, &counted, out);
        double between = now_ms();
        crypto_generichash_blake2b(out, sizeof out, bytes, len, NULL, 0);
        hashing[i] = now_ms() - between;
        measuring[i] = between - start;
        if (!error) continue;
        fprintf(stderr, "Error: %s\n", fnvm_error_message(error));
        return 1;
    }
    double measure = (double)counted / 1e3 / median(measuring, runs);
    double hash = (double)len / 1e3 / median(hashing, runs);
    printf("%s, %zu runs, medians:\n", what, runs);
    printf("  fnvm_measure  %8.0f MB/s, %9zu bytes that count\n", measure, counted);
    printf("  libsodium     %8.0f MB/s, %9zu bytes\n", hash, len);
    printf("  ratio         %8.2f\n", measure / hash);
    return 0;
}
