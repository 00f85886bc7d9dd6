/* A read-only directory beside a writable one: nothing in it changes, not even by way of the other. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CREAT = __WASI_OFLAGS_CREAT, TRUNC = __WASI_OFLAGS_TRUNC };

int main(void)
{
    __wasi_fd_t box = preopened("/box"), ro = preopened("/ro"), fd, sub;
    __wasi_fdstat_t st;
    OK(get(ro, "file", 0, "original"));
    OK(get(ro, "dir/file", 0, "original"));
    EXPECT(open_at(ro, "file", 0, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(open_at(ro, "new", 0, CREAT, READ_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(open_at(ro, "file", 0, CREAT, 0, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(open_at(ro, "file", 0, TRUNC, 0, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(ro, "file", 0, TRUNC, READ_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    OK(get(ro, "file", 0, "original"));
    EXPECT(__wasi_path_create_directory(ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_remove_directory(ro, "empty"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_unlink_file(ro, "file"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_symlink("x", ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_filestat_set_times(ro, 0, "file", 0, 0, 5), __WASI_ERRNO_NOTCAPABLE);

    /* Across: out of it (a name under which it could be written), into it, within it. */
    EXPECT(__wasi_path_link(ro, 0, "file", box, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_link(box, 0, "mine", ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_link(ro, 0, "file", ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_rename(ro, "file", box, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_rename(box, "mine", ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_rename(box, "mine", ro, "file"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_rename(ro, "file", ro, "new"), __WASI_ERRNO_NOTCAPABLE);
    OK(get(box, "mine", 0, "mine"));

    /* libc narrows what it asks for to what it may have; it must hear of this when it opens. */
    CHECK(open("/ro/file", O_RDWR) == -1 && errno == ENOTCAPABLE);
    CHECK(open("/ro/file", O_WRONLY | O_APPEND) == -1 && errno == ENOTCAPABLE);
    CHECK(open("/ro/file", O_WRONLY | O_CREAT | O_TRUNC, 0666) == -1 && errno == ENOTCAPABLE);
    int reads = open("/ro/file", O_RDONLY);
    CHECK(reads >= 0 && write(reads, "x", 1) == -1 && errno == EBADF && close(reads) == 0);

    /* What is opened through it is read-only as well, and cannot be made otherwise. */
    OK(open_at(ro, "dir", 0, 0, ~0ull >> 34 & ~WRITE_RIGHTS, 0, &sub));
    OK(__wasi_fd_fdstat_get(sub, &st));
    CHECK(!(st.fs_rights_base & __WASI_RIGHTS_PATH_CREATE_FILE));
    CHECK(!(st.fs_rights_inheriting & __WASI_RIGHTS_FD_FILESTAT_SET_SIZE));
    EXPECT(open_at(sub, "new", 0, CREAT, 0, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(open_at(sub, "file", 0, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_path_unlink_file(sub, "file"), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_fdstat_set_rights(sub, ~0ull, ~0ull), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_renumber(sub, ro)); /* it keeps its rights under another number */
    EXPECT(__wasi_path_unlink_file(ro, "file"), __WASI_ERRNO_NOTCAPABLE);
    OK(open_at(ro, "file", 0, 0, READ_RIGHTS, 0, &fd));
    EXPECT(__wasi_fd_filestat_set_times(fd, 0, 0, 5), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_filestat_set_size(fd, 0), __WASI_ERRNO_NOTCAPABLE);
    EXPECT(__wasi_fd_allocate(fd, 0, 100), __WASI_ERRNO_NOTCAPABLE);
    OK(__wasi_fd_renumber(fd, box)); /* not even in the place of the writable one */
    EXPECT(__wasi_fd_filestat_set_size(box, 0), __WASI_ERRNO_NOTCAPABLE);
    return 0;
}
