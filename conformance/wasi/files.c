/* Reading and writing files, through libc and beneath it. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void with_libc(void)
{
    char text[64] = {0};
    int fd = open("/box/file", O_CREAT | O_EXCL | O_RDWR, 0666);
    CHECK(fd >= 0);
    CHECK(write(fd, "hello world", 11) == 11);
    CHECK(lseek(fd, 0, SEEK_CUR) == 11);
    CHECK(lseek(fd, -5, SEEK_END) == 6);
    CHECK(read(fd, text, sizeof text) == 5 && strcmp(text, "world") == 0);
    CHECK(read(fd, text, sizeof text) == 0);
    CHECK(lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL);
    CHECK(pread(fd, text, 5, 0) == 5 && memcmp(text, "hello", 5) == 0);
    CHECK(pwrite(fd, "HELLO", 5, 0) == 5);
    CHECK(lseek(fd, 0, SEEK_CUR) == 11);
    CHECK(lseek(fd, 20, SEEK_SET) == 20 && write(fd, "!", 1) == 1);
    CHECK(pread(fd, text, 64, 0) == 21 && memcmp(text, "HELLO world\0\0\0\0\0\0\0\0\0!", 21) == 0);
    CHECK(ftruncate(fd, 5) == 0);
    CHECK(pread(fd, text, 64, 0) == 5);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
    CHECK(close(fd) == 0);
    CHECK(close(fd) == -1 && errno == EBADF);

    CHECK(open("/box/file", O_CREAT | O_EXCL | O_RDWR, 0666) == -1 && errno == EEXIST);
    CHECK(open("/box/none", O_RDWR) == -1 && errno == ENOENT);
    fd = open("/box/file", O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "+tail", 5) == 5);
    CHECK(read(fd, text, 1) == -1 && errno == EBADF);
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    CHECK(close(fd) == 0);
    fd = open("/box/file", O_RDONLY);
    CHECK(read(fd, text, 64) == 10 && memcmp(text, "HELLO+tail", 10) == 0);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF);
    CHECK(close(fd) == 0);
    fd = open("/box/file", O_WRONLY | O_TRUNC);
    struct stat st;
    CHECK(fstat(fd, &st) == 0 && st.st_size == 0 && S_ISREG(st.st_mode));
    CHECK(close(fd) == 0 && unlink("/box/file") == 0);
}

static void vectors(__wasi_fd_t dir)
{
    __wasi_fd_t fd;
    __wasi_size_t done;
    __wasi_filesize_t at;
    OK(open_at(dir, "v", 0, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd));
    __wasi_ciovec_t out[4] = {{(const uint8_t *)"ab", 2}, {0, 0}, {(const uint8_t *)"cde", 3},
                              {(const uint8_t *)"f", 1}};
    OK(__wasi_fd_write(fd, out, 4, &done));
    CHECK(done == 6);
    OK(__wasi_fd_write(fd, out, 0, &done));
    CHECK(done == 0);
    uint8_t one[1], two[2], rest[8];
    __wasi_iovec_t in[3] = {{one, 1}, {two, 2}, {rest, 8}};
    OK(__wasi_fd_pread(fd, in, 3, 1, &done));
    CHECK(done == 5 && one[0] == 'b' && memcmp(two, "cd", 2) == 0 && memcmp(rest, "ef", 2) == 0);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 6);
    OK(__wasi_fd_pwrite(fd, out, 1, 100, &done));
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_END, &at));
    CHECK(at == 102);
    EXPECT(__wasi_fd_seek(fd, 0, 3, &at), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_fd_pread(fd, in, 3, ~0ull, &done), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_fd_pwrite(fd, out, 3, 1ull << 63, &done), __WASI_ERRNO_INVAL);

    OK(__wasi_fd_allocate(fd, 100, 100));
    __wasi_filestat_t st;
    OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.size == 200);
    EXPECT(__wasi_fd_allocate(fd, 0, 0), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_fd_allocate(fd, 0, 1ull << 63), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_fd_filestat_set_size(fd, 1ull << 63), __WASI_ERRNO_INVAL);
    /* The right to advise was not asked for. */
    EXPECT(__wasi_fd_advise(fd, 0, 0, __WASI_ADVICE_NORMAL), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_close(fd));
    OK(open_at(dir, "v", 0, 0, __WASI_RIGHTS_FD_ADVISE, 0, &fd));
    OK(__wasi_fd_advise(fd, 0, 10, __WASI_ADVICE_WILLNEED));
    EXPECT(__wasi_fd_advise(fd, 0, 0, 6), __WASI_ERRNO_INVAL);
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_unlink_file(dir, "v"));
}

static void directory_is_no_file(__wasi_fd_t dir)
{
    uint8_t byte = 0;
    __wasi_iovec_t in = {&byte, 1};
    __wasi_ciovec_t out = {&byte, 1};
    __wasi_size_t done;
    __wasi_filesize_t at;
    EXPECT(__wasi_fd_read(dir, &in, 1, &done), __WASI_ERRNO_ISDIR);
    EXPECT(__wasi_fd_write(dir, &out, 1, &done), __WASI_ERRNO_ISDIR);
    EXPECT(__wasi_fd_pread(dir, &in, 1, 0, &done), __WASI_ERRNO_ISDIR);
    EXPECT(__wasi_fd_seek(dir, 0, __WASI_WHENCE_SET, &at), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_tell(dir, &at), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_advise(dir, 0, 0, 0), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_allocate(dir, 0, 1), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_filestat_set_size(dir, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_seek(77, 0, __WASI_WHENCE_SET, &at), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_read(-1, &in, 1, &done), __WASI_ERRNO_BADF);
}

static void status_flags(__wasi_fd_t dir)
{
    __wasi_fd_t fd;
    __wasi_fdstat_t st;
    __wasi_size_t done;
    __wasi_ciovec_t out = {(const uint8_t *)"x", 1};
    OK(open_at(dir, "s", 0, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, __WASI_FDFLAGS_SYNC, &fd));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK(st.fs_filetype == __WASI_FILETYPE_REGULAR_FILE && st.fs_flags == __WASI_FDFLAGS_SYNC);
    OK(__wasi_fd_fdstat_set_flags(
        fd, __WASI_FDFLAGS_SYNC | __WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_NONBLOCK));
    __wasi_filesize_t at;
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    __wasi_filestat_t file;
    OK(__wasi_fd_filestat_get(fd, &file));
    CHECK(file.size == 2);
    OK(__wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_SYNC));
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_filestat_get(fd, &file));
    CHECK(file.size == 2);
    EXPECT(__wasi_fd_fdstat_set_flags(fd, 0), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_fd_fdstat_set_flags(fd, 1 << 5 | __WASI_FDFLAGS_SYNC), __WASI_ERRNO_INVAL);
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_unlink_file(dir, "s"));
}

int main(void)
{
    __wasi_fd_t dir = preopened("/box");
    with_libc();
    vectors(dir);
    directory_is_no_file(dir);
    status_flags(dir);
    return 0;
}
