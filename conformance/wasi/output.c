/* A guest that may write 1,000,000 bytes: each way to make more of them elsewhere ends there. */
#include "check.h"

static __wasi_fd_t box;
static uint8_t bytes[200000];
static uint64_t left = 1000000;

static __wasi_errno_t write_at(__wasi_fd_t fd, uint64_t at, size_t len, size_t *done)
{
    __wasi_ciovec_t out = {bytes, len};
    return __wasi_fd_pwrite(fd, &out, 1, at, done);
}

static uint64_t size_of(__wasi_fd_t fd)
{
    __wasi_filestat_t st;
    OK(__wasi_fd_filestat_get(fd, &st));
    return st.size;
}

int main(void)
{
    const uint64_t rights = WRITE_RIGHTS | __WASI_RIGHTS_FD_ALLOCATE |
                            __WASI_RIGHTS_FD_FILESTAT_SET_SIZE;
    __wasi_fd_t fd;
    size_t done;
    box = preopened("/box");
    OK(open_at(box, "f", 0, __WASI_OFLAGS_CREAT, rights, 0, &fd));
    OK(write_at(fd, 0, 1000, &done));
    left -= done;
    OK(write_at(fd, 0, 1000, &done)); /* over the same bytes: written is written */
    left -= done;
    /* More than there is: refused whole, and nothing is taken for it. */
    EXPECT(__wasi_fd_filestat_set_size(fd, 1000 + left + 1), __WASI_ERRNO_DQUOT);
    EXPECT(__wasi_fd_allocate(fd, 0, left + 1), __WASI_ERRNO_DQUOT);
    EXPECT(write_at(fd, 1000 + left, 1, &done), __WASI_ERRNO_DQUOT); /* a gap, and nothing for it */
    CHECK(size_of(fd) == 1000);
    OK(__wasi_fd_filestat_set_size(fd, 3000));
    left -= 2000;
    OK(__wasi_fd_filestat_set_size(fd, 10)); /* smaller is free, and gives nothing back */
    OK(__wasi_fd_allocate(fd, 0, 1000));
    left -= 1000;
    OK(write_at(fd, 1500, 100, &done)); /* behind a gap of 500 */
    left -= 600;
    CHECK(size_of(fd) == 1600);
    OK(__wasi_path_symlink("1234567890", box, "link"));
    left -= 10;
    /* What fails is not counted. */
    EXPECT(__wasi_fd_allocate(fd, 1ull << 62, 1ull << 62), __WASI_ERRNO_FBIG);
    while (left) {
        OK(write_at(fd, 0, sizeof bytes, &done));
        CHECK(done == (left < sizeof bytes ? left : sizeof bytes));
        left -= done;
    }
    EXPECT(write_at(fd, 0, 1, &done), __WASI_ERRNO_DQUOT);
    OK(write_at(fd, 0, 0, &done)); /* nothing may still be written */
    EXPECT(__wasi_fd_allocate(fd, 0, 1), __WASI_ERRNO_DQUOT);
    EXPECT(__wasi_path_symlink("1", box, "other"), __WASI_ERRNO_DQUOT);
    const __wasi_ciovec_t one = {bytes, 1}; /* streams have no more either */
    EXPECT(__wasi_fd_write(1, &one, 1, &done), __WASI_ERRNO_DQUOT);
    return 0;
}
