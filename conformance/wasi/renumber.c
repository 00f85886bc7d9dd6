/* fd_renumber: one descriptor takes another's place, and nothing is lost or left open. */
#include "check.h"

static __wasi_fd_t box;

static __wasi_fd_t opened(const char *path)
{
    __wasi_fd_t fd;
    OK(open_at(box, path, 0, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd));
    return fd;
}

static uint64_t inode(__wasi_fd_t fd)
{
    __wasi_filestat_t st;
    OK(__wasi_fd_filestat_get(fd, &st));
    return st.ino;
}

int main(void)
{
    __wasi_fdstat_t st;
    __wasi_prestat_t prestat;
    box = preopened("/box");
    __wasi_fd_t a = opened("a"), b = opened("b");
    uint64_t a_inode = inode(a);
    CHECK(a > 2 && b > 2 && a != b && a_inode != inode(b));
    OK(__wasi_fd_renumber(a, b));
    EXPECT(__wasi_fd_fdstat_get(a, &st), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_close(a), __WASI_ERRNO_BADF);
    CHECK(inode(b) == a_inode);
    OK(__wasi_fd_renumber(b, b));
    CHECK(inode(b) == a_inode);
    EXPECT(__wasi_fd_renumber(a, b), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_renumber(b, a), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_renumber(b, 500), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_renumber(b, -1), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_renumber(-1, b), __WASI_ERRNO_BADF);
    CHECK(inode(b) == a_inode);

    /* Many times over: a leak would run into the limit on descriptors, the guest's or the host's. */
    for (int i = 0; i < 5000; i++) {
        __wasi_fd_t c = opened("c");
        CHECK(c == a);
        OK(__wasi_fd_renumber(c, b));
    }
    CHECK(inode(b) != a_inode);

    /* A preopened directory takes its name along; what was there is closed. */
    uint64_t box_inode = inode(box);
    OK(__wasi_fd_renumber(box, b));
    EXPECT(__wasi_fd_prestat_get(box, &prestat), __WASI_ERRNO_BADF);
    OK(__wasi_fd_prestat_get(b, &prestat));
    CHECK(prestat.u.dir.pr_name_len == 4 && inode(b) == box_inode);
    box = b;
    a = opened("a");
    OK(__wasi_fd_renumber(a, box)); /* over a preopened one */
    EXPECT(__wasi_fd_prestat_get(box, &prestat), __WASI_ERRNO_BADF);
    CHECK(inode(box) == a_inode);
    OK(__wasi_fd_close(box));
    return 0;
}
