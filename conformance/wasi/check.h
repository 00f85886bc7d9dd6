/* check.h - for the WASI test programs: assertions, preopened directories, and the functions of
 * WASI as bare imports, which unlike libc's wrappers pass any number through.
 *
 * A program says nothing and exits with 0, or names the first line that went wrong and exits
 * with 1.
 */
#ifndef WASI_TEST_CHECK_H
#define WASI_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);               \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

#define EXPECT(call, wanted)                                                                      \
    do {                                                                                          \
        int got_ = (int)(call);                                                                   \
        if (got_ != (int)(wanted)) {                                                              \
            fprintf(stderr, "%s:%d: errno %d, not %s: %s\n", __FILE__, __LINE__, got_, #wanted,   \
                    #call);                                                                       \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

#define OK(call) EXPECT(call, 0)

#define RAW(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
#define ADDRESS(pointer) ((int32_t)(uintptr_t)(pointer))

RAW(fd_read) int32_t raw_fd_read(int32_t fd, int32_t iovs, int32_t count, int32_t out);
RAW(fd_write) int32_t raw_fd_write(int32_t fd, int32_t iovs, int32_t count, int32_t out);
RAW(fd_readdir)
int32_t raw_fd_readdir(int32_t fd, int32_t buf, int32_t len, int64_t cookie, int32_t out);
RAW(fd_fdstat_get) int32_t raw_fd_fdstat_get(int32_t fd, int32_t out);
RAW(fd_prestat_dir_name) int32_t raw_fd_prestat_dir_name(int32_t fd, int32_t buf, int32_t len);
RAW(random_get) int32_t raw_random_get(int32_t buf, int32_t len);
RAW(poll_oneoff) int32_t raw_poll_oneoff(int32_t in, int32_t out, int32_t count, int32_t events);
RAW(clock_time_get) int32_t raw_clock_time_get(int32_t id, int64_t precision, int32_t out);
RAW(path_open)
int32_t raw_path_open(int32_t fd, int32_t lookup, int32_t path, int32_t len, int32_t oflags,
                      int64_t base, int64_t inheriting, int32_t fdflags, int32_t out);
RAW(path_filestat_get)
int32_t raw_path_filestat_get(int32_t fd, int32_t lookup, int32_t path, int32_t len, int32_t out);
RAW(proc_raise) int32_t raw_proc_raise(int32_t signal);
RAW(args_get) int32_t raw_args_get(int32_t pointers, int32_t bytes);
RAW(args_sizes_get) int32_t raw_args_sizes_get(int32_t count, int32_t size);

#define READ_RIGHTS                                                                               \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL |                      \
     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_POLL_FD_READWRITE)
#define WRITE_RIGHTS                                                                              \
    (READ_RIGHTS | __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_ALLOCATE |                           \
     __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_FILESTAT_SET_TIMES |                   \
     __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS | __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC)

/* The descriptor of the preopened directory with this name. */
static inline __wasi_fd_t preopened(const char *name)
{
    __wasi_prestat_t prestat;
    for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &prestat) == 0; fd++) {
        char text[256];
        if (prestat.tag != __WASI_PREOPENTYPE_DIR || prestat.u.dir.pr_name_len >= sizeof text)
            continue;
        OK(__wasi_fd_prestat_dir_name(fd, (uint8_t *)text, prestat.u.dir.pr_name_len));
        text[prestat.u.dir.pr_name_len] = 0;
        if (strcmp(text, name) == 0)
            return fd;
    }
    fprintf(stderr, "no preopened directory %s\n", name);
    exit(1);
}

static inline int open_at(__wasi_fd_t dir, const char *path, int lookup, int oflags,
                          __wasi_rights_t rights, int fdflags, __wasi_fd_t *fd)
{
    return __wasi_path_open(dir, (__wasi_lookupflags_t)lookup, path, (__wasi_oflags_t)oflags, rights,
                            rights | ~(__wasi_rights_t)0 >> 34, (__wasi_fdflags_t)fdflags, fd);
}

/* Makes a file with this content. */
static inline void put(__wasi_fd_t dir, const char *path, const char *text)
{
    __wasi_fd_t fd;
    __wasi_size_t done;
    __wasi_ciovec_t out = {(const uint8_t *)text, strlen(text)};
    OK(open_at(dir, path, 0, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    CHECK(done == strlen(text));
    OK(__wasi_fd_close(fd));
}

/* The errno of opening and reading; a success also compares the content. */
static inline int get(__wasi_fd_t dir, const char *path, int lookup, const char *wanted)
{
    char text[256];
    __wasi_fd_t fd;
    __wasi_size_t done;
    __wasi_iovec_t in = {(uint8_t *)text, sizeof text};
    int error = open_at(dir, path, lookup, 0, READ_RIGHTS, 0, &fd);
    if (error)
        return error;
    error = __wasi_fd_read(fd, &in, 1, &done);
    OK(__wasi_fd_close(fd));
    if (!error)
        CHECK(done == strlen(wanted) && memcmp(text, wanted, done) == 0);
    return error;
}

#endif
