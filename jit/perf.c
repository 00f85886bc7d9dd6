/* Both files grow by one record for each function that is published.  The format of the second is
 * that of tools/perf/Documentation/jitdump-specification.txt in Linux.  perf learns where it is
 * from a mapping of it that may be executed, which nobody uses otherwise. */
#include "jit/perf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "jit/listen.h"

enum {
    DUMP_MAGIC = 0x4A695444, DUMP_VERSION = 1,
    RECORD_LOAD = 0, RECORD_CLOSE = 3,
    MACHINE_X86_64 = 62, MACHINE_AARCH64 = 183, /* ELF's numbers */
    SYMBOL_BYTES = 512
};

typedef struct DumpHead {
    uint32_t magic, version, size, machine, unused, pid;
    uint64_t time, flags;
} DumpHead;

typedef struct RecordHead { uint32_t id, size; uint64_t time; } RecordHead;

typedef struct LoadRecord { /* then the name with its NUL, then the code */
    RecordHead head;
    uint32_t pid, tid;
    uint64_t address, code_at, code_size, index;
} LoadRecord;

struct PerfLog {
    CodeListener listener;
    pthread_mutex_t lock;
    int map, dump;       /* -1: not open */
    void *mark;          /* perf's mapping of the dump's first page */
    size_t page;
    uint64_t nfunctions;
    int failure;         /* errno of the first write that failed; nothing is written after it */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void write_parts(PerfLog *log, int fd, struct iovec *part, int n)
{
    while (n > 0 && !log->failure) {
        ssize_t done = writev(fd, part, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            log->failure = errno;
            return;
        }
        size_t left = (size_t)done;
        for (; n > 0 && left >= part->iov_len; part++, n--) left -= part->iov_len;
        if (n == 0) break;
        part->iov_base = (char *)part->iov_base + left;
        part->iov_len -= left;
    }
}

/* ---- As a listener ---- */

static void published(CodeListener *listener, const Module *m, uint32_t func, const uint8_t *code,
                      uint32_t size)
{
    PerfLog *log = (PerfLog *)(void *)listener;
    char symbol[SYMBOL_BYTES], line[SYMBOL_BYTES + 64];
    code_symbol(m, func, symbol, sizeof symbol);
    size_t len = strlen(symbol) + 1;
    int line_len = snprintf(line, sizeof line, "%llx %x %s\n",
                            (unsigned long long)(uintptr_t)code, size, symbol);
    pthread_mutex_lock(&log->lock);
    LoadRecord r = {
        .head = {RECORD_LOAD, (uint32_t)(sizeof r + len + size), now_ns()},
        .pid = (uint32_t)getpid(), .tid = (uint32_t)syscall(SYS_gettid),
        .address = (uintptr_t)code, .code_at = (uintptr_t)code, .code_size = size,
        .index = log->nfunctions++};
    struct iovec map[] = {{line, (size_t)line_len}};
    struct iovec dump[] = {{&r, sizeof r}, {symbol, len}, {(void *)(uintptr_t)code, size}};
    write_parts(log, log->map, map, 1);
    write_parts(log, log->dump, dump, 3);
    pthread_mutex_unlock(&log->lock);
}

static void close_log(CodeListener *listener)
{
    PerfLog *log = (PerfLog *)(void *)listener;
    if (log->dump >= 0) {
        RecordHead end = {RECORD_CLOSE, sizeof end, now_ns()};
        struct iovec part[] = {{&end, sizeof end}};
        write_parts(log, log->dump, part, 1);
        close(log->dump);
    }
    if (log->map >= 0) close(log->map);
    if (log->mark) munmap(log->mark, log->page);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* ---- Opening ---- */

/* A file that we made and nobody else: the name is known to all who can write to the folder.  One
 * that is left from an earlier process of our number goes. */
static fnvm_error *open_new(const char *path, int *fd)
{
    unlink(path);
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd >= 0) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot make `%s` for perf: %s", path, strerror(errno));
}

static fnvm_error *start_dump(PerfLog *log, const char *path)
{
    DumpHead head = {.magic = DUMP_MAGIC, .version = DUMP_VERSION, .size = sizeof head,
                     .machine = MACHINE_X86_64, .pid = (uint32_t)getpid(), .time = now_ns()};
#if defined(__aarch64__)
    head.machine = MACHINE_AARCH64;
#endif
    struct iovec part[] = {{&head, sizeof head}};
    write_parts(log, log->dump, part, 1);
    if (log->failure) return perf_check(log);
    void *mark = mmap(NULL, log->page, PROT_READ | PROT_EXEC, MAP_PRIVATE, log->dump, 0);
    if (mark == MAP_FAILED)
        return fnvm_error_new(FNVM_E_IO, "cannot map `%s` for perf to see: %s; name a directory of "
                              "a file system that allows it", path, strerror(errno));
    log->mark = mark;
    return NULL;
}

fnvm_error *perf_open(fnvm_engine *e, const char *dir, PerfLog **out)
{
    PerfLog *log = calloc(1, sizeof *log);
    if (!log) return error_no_memory();
    if (pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return error_no_memory();
    }
    log->listener.published = published;
    log->listener.close = close_log;
    log->map = log->dump = -1;
    log->page = (size_t)sysconf(_SC_PAGESIZE);
    char map[64], *dump = NULL;
    snprintf(map, sizeof map, "/tmp/perf-%d.map", getpid());
    if (asprintf(&dump, "%s/jit-%d.dump", dir, getpid()) < 0) dump = NULL;
    fnvm_error *error = dump ? open_new(map, &log->map) : error_no_memory();
    if (!error) error = open_new(dump, &log->dump);
    if (!error) error = start_dump(log, dump);
    if (error && log->dump >= 0) unlink(dump);
    if (error && log->map >= 0) unlink(map);
    free(dump);
    if (error) {
        close_log(&log->listener);
        return error;
    }
    code_listen(e, &log->listener);
    *out = log;
    return NULL;
}

fnvm_error *perf_check(PerfLog *log)
{
    pthread_mutex_lock(&log->lock);
    int failure = log->failure;
    pthread_mutex_unlock(&log->lock);
    if (!failure) return NULL;
    return fnvm_error_new(FNVM_E_IO, "compiled code could not all be written for perf: %s",
                          strerror(failure));
}
