/* Rights: what a descriptor may do only ever shrinks, and what it may not do it cannot. */
#include "check.h"

static __wasi_fd_t box;

static __wasi_fdstat_t rights_of(__wasi_fd_t fd)
{
    __wasi_fdstat_t st;
    memset(&st, 0xee, sizeof st);
    OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK(((uint8_t *)&st)[1] == 0 && ((uint8_t *)&st)[7] == 0);
    return st;
}

static void files(void)
{
    __wasi_fd_t fd;
    __wasi_size_t done;
    __wasi_filesize_t at;
    uint8_t byte = 'x';
    __wasi_iovec_t in = {&byte, 1};
    __wasi_ciovec_t out = {&byte, 1};

    OK(open_at(box, "file", 0, 0, ~0ull, 0, &fd));
    __wasi_fdstat_t st = rights_of(fd);
    CHECK(st.fs_rights_base & __WASI_RIGHTS_FD_WRITE);
    CHECK(!(st.fs_rights_base & __WASI_RIGHTS_PATH_OPEN)); /* does not apply to files */
    CHECK(st.fs_rights_inheriting == 0);
    OK(__wasi_fd_fdstat_set_rights(fd, READ_RIGHTS, 0));
    CHECK(rights_of(fd).fs_rights_base == READ_RIGHTS);
    EXPECT(__wasi_fd_fdstat_set_rights(fd, WRITE_RIGHTS, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_fdstat_set_rights(fd, READ_RIGHTS, 1), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_write(fd, &out, 1, &done), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_pwrite(fd, &out, 1, 0, &done), __WASI_ERRNO_BADF);
    EXPECT(__wasi_fd_filestat_set_size(fd, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_filestat_set_times(fd, 0, 0, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_allocate(fd, 0, 1), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_sync(fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_datasync(fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_advise(fd, 0, 0, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_fdstat_set_flags(fd, 0), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_fdstat_set_rights(fd, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_TELL, 0));
    OK(__wasi_fd_read(fd, &in, 1, &done));
    OK(__wasi_fd_tell(fd, &at));
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &at));
    CHECK(at == 1);
    EXPECT(__wasi_fd_seek(fd, 1, __WASI_WHENCE_CUR, &at), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_pread(fd, &in, 1, 0, &done), __WASI_ERRNO_NOTCAPABLE);
    __wasi_filestat_t filestat;
    EXPECT(__wasi_fd_filestat_get(fd, &filestat), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_close(fd));
    OK(open_at(box, "file", 0, 0, __WASI_RIGHTS_FD_SEEK, 0, &fd));
    OK(__wasi_fd_tell(fd, &at)); /* the right to seek includes it */
    EXPECT(__wasi_fd_read(fd, &in, 1, &done), __WASI_ERRNO_BADF);
    OK(__wasi_fd_close(fd));
    OK(open_at(box, "file", 0, 0, 0, 0, &fd)); /* nothing asked for, nothing given */
    EXPECT(__wasi_fd_read(fd, &in, 1, &done), __WASI_ERRNO_BADF);
    OK(__wasi_fd_close(fd));
}

/* A fresh descriptor of /box without these rights. */
static __wasi_fd_t box_without(__wasi_rights_t base, __wasi_rights_t inheriting)
{
    __wasi_fd_t fd;
    __wasi_fdstat_t st = rights_of(box);
    OK(__wasi_path_open(box, 0, ".", __WASI_OFLAGS_DIRECTORY, st.fs_rights_base & ~base,
                        st.fs_rights_inheriting & ~inheriting, 0, &fd));
    st = rights_of(fd);
    CHECK(!(st.fs_rights_base & base) && !(st.fs_rights_inheriting & inheriting));
    return fd;
}

#define WITHOUT(right, call)                                                                      \
    do {                                                                                          \
        __wasi_fd_t less = box_without(right, 0);                                                 \
        EXPECT(call, __WASI_ERRNO_NOTCAPABLE);                                                    \
        OK(__wasi_fd_close(less));                                                                \
    } while (0)

static void directories(void)
{
    __wasi_fd_t fd;
    __wasi_filestat_t st;
    uint8_t text[64];
    __wasi_size_t used;
    WITHOUT(__WASI_RIGHTS_PATH_OPEN, open_at(less, "file", 0, 0, 0, 0, &fd));
    WITHOUT(__WASI_RIGHTS_PATH_CREATE_FILE,
            open_at(less, "new", 0, __WASI_OFLAGS_CREAT, 0, 0, &fd));
    WITHOUT(__WASI_RIGHTS_PATH_CREATE_DIRECTORY, __wasi_path_create_directory(less, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_REMOVE_DIRECTORY, __wasi_path_remove_directory(less, "dir"));
    WITHOUT(__WASI_RIGHTS_PATH_UNLINK_FILE, __wasi_path_unlink_file(less, "file"));
    WITHOUT(__WASI_RIGHTS_PATH_SYMLINK, __wasi_path_symlink("x", less, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_READLINK, __wasi_path_readlink(less, "link", text, 64, &used));
    WITHOUT(__WASI_RIGHTS_PATH_LINK_SOURCE, __wasi_path_link(less, 0, "file", box, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_LINK_TARGET, __wasi_path_link(box, 0, "file", less, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_RENAME_SOURCE, __wasi_path_rename(less, "file", box, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_RENAME_TARGET, __wasi_path_rename(box, "file", less, "new"));
    WITHOUT(__WASI_RIGHTS_PATH_FILESTAT_GET, __wasi_path_filestat_get(less, 0, "file", &st));
    WITHOUT(__WASI_RIGHTS_PATH_FILESTAT_SET_TIMES,
            __wasi_path_filestat_set_times(less, 0, "file", 0, 0, 0));
    WITHOUT(__WASI_RIGHTS_FD_READDIR, raw_fd_readdir(less, ADDRESS(text), 64, 0, ADDRESS(&used)));
    WITHOUT(__WASI_RIGHTS_FD_FILESTAT_GET, __wasi_fd_filestat_get(less, &st));
}

static void inheritance(void)
{
    __wasi_fd_t less = box_without(__WASI_RIGHTS_PATH_FILESTAT_SET_SIZE, 0), fd, sub;
    /* O_TRUNC is a change of size, not a way to open. */
    EXPECT(open_at(less, "file", 0, __WASI_OFLAGS_TRUNC, READ_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(less, "file", 0, __WASI_OFLAGS_TRUNC, 0, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(less, "file", 0, __WASI_OFLAGS_TRUNC | __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0,
                   &fd), __WASI_ERRNO_PERM);
    OK(get(box, "file", 0, "content"));
    OK(__wasi_fd_close(less));

    less = box_without(0, __WASI_RIGHTS_FD_WRITE);
    EXPECT(open_at(less, "file", 0, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    OK(open_at(less, "file", 0, 0, READ_RIGHTS, 0, &fd));
    OK(__wasi_fd_close(fd));
    OK(open_at(less, "dir", 0, 0, __WASI_RIGHTS_PATH_OPEN, 0, &sub)); /* and so on, downwards */
    CHECK(!(rights_of(sub).fs_rights_inheriting & __WASI_RIGHTS_FD_WRITE));
    EXPECT(open_at(sub, "in", 0, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_close(sub));
    OK(open_at(less, ".", 0, 0, ~0ull >> 34 & ~WRITE_RIGHTS, 0, &sub));
    EXPECT(open_at(sub, "file", 0, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_close(sub));
    OK(__wasi_fd_close(less));

    less = box_without(0, __WASI_RIGHTS_FD_SYNC | __WASI_RIGHTS_FD_DATASYNC);
    EXPECT(open_at(less, "file", 0, 0, READ_RIGHTS, __WASI_FDFLAGS_SYNC, &fd),
           __WASI_ERRNO_NOTCAPABLE);
    EXPECT(open_at(less, "file", 0, 0, READ_RIGHTS, __WASI_FDFLAGS_DSYNC, &fd),
           __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_close(less));
}

int main(void)
{
    box = preopened("/box");
    put(box, "file", "content");
    OK(__wasi_path_create_directory(box, "dir"));
    put(box, "dir/in", "in");
    OK(__wasi_path_symlink("file", box, "link"));
    files();
    directories();
    inheritance();
    return 0;
}
