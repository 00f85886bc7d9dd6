/* filestat: kinds, sizes and times, of files, links and what links lead to. */
#include "check.h"

enum { FOLLOW = __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW };

static __wasi_fd_t box;

static __wasi_filestat_t stat_of(const char *path, int lookup)
{
    /* A result that leaves nothing of what was there before: 64 bytes and no more. */
    struct { __wasi_filestat_t st; uint8_t after; } result;
    memset(&result, 0xee, sizeof result);
    OK(__wasi_path_filestat_get(box, (__wasi_lookupflags_t)lookup, path, &result.st));
    CHECK(result.after == 0xee);
    for (int i = 17; i < 24; i++)
        CHECK(((uint8_t *)&result.st)[i] == 0);
    return result.st;
}

int main(void)
{
    const uint64_t past = 1000000000123456789, small = 5, large = 4000000000000000001;
    __wasi_filestat_t st;
    __wasi_fd_t fd;
    box = preopened("/box");
    put(box, "file", "12345");
    OK(__wasi_path_symlink("file", box, "link"));
    OK(__wasi_path_create_directory(box, "dir"));
    OK(__wasi_path_symlink("dir", box, "to_dir"));

    st = stat_of("file", 0);
    CHECK(st.filetype == __WASI_FILETYPE_REGULAR_FILE && st.size == 5 && st.nlink == 1);
    CHECK(st.dev != 0 && st.ino != 0 && st.mtim > past);
    st = stat_of("link", 0);
    CHECK(st.filetype == __WASI_FILETYPE_SYMBOLIC_LINK && st.size == 4);
    CHECK(stat_of("link", FOLLOW).ino == stat_of("file", 0).ino);
    CHECK(stat_of("to_dir/", 0).filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK(stat_of(".", 0).filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK(stat_of("dir/..", 0).ino == stat_of(".", 0).ino);
    EXPECT(__wasi_path_filestat_get(box, 0, "file/", &st), __WASI_ERRNO_NOTDIR);
    EXPECT(__wasi_path_filestat_get(box, 0, "link/", &st), __WASI_ERRNO_NOTDIR);
    EXPECT(__wasi_path_filestat_get(box, 0, "", &st), __WASI_ERRNO_NOENT);
    EXPECT(__wasi_path_filestat_get(box, 2, "file", &st), __WASI_ERRNO_INVAL);
    EXPECT(raw_path_filestat_get(box, 0, ADDRESS("file"), 4, -63), __WASI_ERRNO_FAULT);

    OK(__wasi_path_filestat_set_times(box, 0, "file", small, past,
                                      __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    st = stat_of("file", 0);
    CHECK(st.atim == small && st.mtim == past);
    OK(__wasi_path_filestat_set_times(box, 0, "link", 0, past, __WASI_FSTFLAGS_MTIM));
    CHECK(stat_of("link", 0).mtim == past);
    OK(__wasi_path_filestat_set_times(box, FOLLOW, "link", 0, large, __WASI_FSTFLAGS_MTIM));
    st = stat_of("file", 0);
    CHECK(st.mtim == large && st.atim == small);
    OK(__wasi_path_filestat_set_times(box, 0, "file", 0, 0, __WASI_FSTFLAGS_ATIM_NOW));
    st = stat_of("file", 0);
    CHECK(st.mtim == large && st.atim > past && st.atim < large);
    EXPECT(__wasi_path_filestat_set_times(box, 0, "file", 0, 0, 3), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_filestat_set_times(box, 0, "file", 0, 0, 12), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_filestat_set_times(box, 0, "file", 0, 0, 16), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_filestat_set_times(box, 0, "no", 0, 0, 0), __WASI_ERRNO_NOENT);
    CHECK(stat_of("file", 0).mtim == large);

    OK(open_at(box, "file", 0, 0, WRITE_RIGHTS, 0, &fd));
    OK(__wasi_fd_filestat_set_times(fd, past, 0, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM_NOW));
    OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.atim == past && st.mtim > past && st.mtim < large && st.size == 5);
    EXPECT(__wasi_fd_filestat_set_times(fd, 0, 0, 3), __WASI_ERRNO_INVAL);
    OK(__wasi_fd_filestat_set_size(fd, 1000));
    OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.size == 1000);
    OK(__wasi_fd_close(fd));
    return 0;
}
