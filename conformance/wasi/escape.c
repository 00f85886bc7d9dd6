/* Ways out of a directory: each is refused, by every function, whatever the path is made of.
 *
 * The driver puts beside the box a folder `secret` with a file `file`, and into the box: `up` -> ..,
 * `out` -> ../secret, `out_file` -> ../secret/file, `absolute` -> the secret's absolute path,
 * `chain` -> inner/chain -> ../../secret, and `inner/` with `back` -> ../inner (which is inside).
 * It looks afterwards whether the secret is what it was. */
#include "check.h"

enum { FOLLOW = __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW };

static __wasi_fd_t box;

/* `path` leads out, by a name of the outside that exists; `in` is a name that would be new. */
static void refused(const char *path, const char *fresh)
{
    __wasi_fd_t fd;
    __wasi_filestat_t st;
    uint8_t text[64];
    __wasi_size_t used;
    EXPECT(open_at(box, path, FOLLOW, 0, READ_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(box, path, FOLLOW, 0, WRITE_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(box, path, FOLLOW, __WASI_OFLAGS_TRUNC, WRITE_RIGHTS, 0, &fd),
           __WASI_ERRNO_PERM);
    EXPECT(open_at(box, fresh, FOLLOW, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd),
           __WASI_ERRNO_PERM);
    EXPECT(open_at(box, fresh, 0, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, 0, 0, &fd),
           __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_filestat_get(box, FOLLOW, path, &st), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_filestat_set_times(box, FOLLOW, path, 1, 1, 5), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_create_directory(box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_symlink("x", box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_link(box, 0, "inner/file", box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_rename(box, "inner/file", box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_remove_directory(box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_unlink_file(box, fresh), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_readlink(box, fresh, text, sizeof text, &used), __WASI_ERRNO_PERM);
}

/* The same for an existing victim that only the last component could be: sources and removals. */
static void untouchable(const char *path)
{
    EXPECT(__wasi_path_unlink_file(box, path), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_link(box, 0, path, box, "stolen"), __WASI_ERRNO_PERM);
    EXPECT(__wasi_path_rename(box, path, box, "stolen"), __WASI_ERRNO_PERM);
}

/* A slash after a link makes a kernel follow it, even in calls that promise not to. */
static void trailing_slashes(void)
{
    static const char *const paths[] = {"out/", "out//", "out/.", "up/", "absolute/", "chain/"};
    __wasi_fd_t fd;
    __wasi_filestat_t st;
    uint8_t text[64];
    __wasi_size_t used;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *path = paths[i];
        EXPECT(open_at(box, path, 0, 0, 0, 0, &fd), __WASI_ERRNO_PERM);
        EXPECT(open_at(box, path, 0, __WASI_OFLAGS_DIRECTORY, 0, 0, &fd), __WASI_ERRNO_PERM);
        EXPECT(__wasi_path_filestat_get(box, 0, path, &st), __WASI_ERRNO_PERM);
        EXPECT(__wasi_path_filestat_set_times(box, 0, path, 1, 1, 5), __WASI_ERRNO_PERM);
        EXPECT(__wasi_path_readlink(box, path, text, sizeof text, &used), __WASI_ERRNO_PERM);
        CHECK(__wasi_path_rename(box, path, box, "stolen") != 0);
        CHECK(__wasi_path_rename(box, "inner", box, path) != 0);
        CHECK(__wasi_path_remove_directory(box, path) != 0);
        CHECK(__wasi_path_unlink_file(box, path) != 0);
        CHECK(__wasi_path_create_directory(box, path) != 0);
        CHECK(__wasi_path_link(box, 0, path, box, "stolen") != 0);
        CHECK(__wasi_path_symlink("x", box, path) != 0);
    }
    EXPECT(__wasi_path_unlink_file(box, "out_file/"), __WASI_ERRNO_NOTDIR);
    EXPECT(__wasi_path_rename(box, "out/", box, "stolen"), __WASI_ERRNO_NOTDIR);
    EXPECT(__wasi_path_remove_directory(box, "out/"), __WASI_ERRNO_NOTDIR);
    EXPECT(__wasi_path_create_directory(box, "out/"), __WASI_ERRNO_EXIST);
}

/* The links themselves are the guest's to look at, move and remove. */
static void links_are_ours(void)
{
    __wasi_filestat_t st;
    __wasi_fd_t fd;
    uint8_t text[64];
    __wasi_size_t used;
    OK(__wasi_path_filestat_get(box, 0, "out", &st));
    CHECK(st.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);
    OK(__wasi_path_readlink(box, "out", text, sizeof text, &used));
    CHECK(used == 9 && memcmp(text, "../secret", 9) == 0);
    OK(__wasi_path_filestat_set_times(box, 0, "out_file", 1, 1, 5));
    EXPECT(open_at(box, "out_file", 0, 0, READ_RIGHTS, 0, &fd), __WASI_ERRNO_LOOP);
    OK(__wasi_path_link(box, 0, "out_file", box, "copy"));
    EXPECT(open_at(box, "copy", FOLLOW, 0, READ_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    OK(__wasi_path_rename(box, "copy", box, "inner/moved"));
    EXPECT(open_at(box, "inner/moved", FOLLOW, 0, READ_RIGHTS, 0, &fd), __WASI_ERRNO_NOENT);
    OK(__wasi_path_unlink_file(box, "inner/moved"));
    OK(__wasi_path_symlink("../../secret/file", box, "inner/made"));
    EXPECT(open_at(box, "inner/made", FOLLOW, 0, READ_RIGHTS, 0, &fd), __WASI_ERRNO_PERM);
    OK(__wasi_path_unlink_file(box, "inner/made"));
    OK(get(box, "inner/back/../inner/back/file", FOLLOW, "inside"));
}

/* A directory that was opened inside is a box of its own. */
static void inner_directory(void)
{
    __wasi_fd_t inner, fd;
    OK(open_at(box, "inner", 0, __WASI_OFLAGS_DIRECTORY,
               __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_PATH_FILESTAT_GET, 0, &inner));
    OK(get(inner, "file", 0, "inside"));
    EXPECT(open_at(inner, "..", 0, 0, 0, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(inner, "../inner/file", 0, 0, 0, 0, &fd), __WASI_ERRNO_PERM);
    EXPECT(open_at(inner, "back/file", 0, 0, 0, 0, &fd), __WASI_ERRNO_PERM);
    OK(__wasi_fd_close(inner));
}

int main(void)
{
    static const char *const ways[] = {"..", "../secret", "up/secret", "out", "inner/../../secret",
                                       "inner/back/../../secret", "absolute", "chain",
                                       "/", "/etc", "//etc", "inner/../up/secret"};
    box = preopened("/box");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char fresh[128];
        snprintf(fresh, sizeof fresh, "%s/fnvm_new", ways[i]);
        refused(ways[i], fresh);
        snprintf(fresh, sizeof fresh, "%s/file", ways[i]);
        untouchable(fresh);
    }
    refused("out_file", "../new");
    untouchable("../secret/file");
    trailing_slashes();
    links_are_ours();
    inner_directory();
    CHECK(get(box, "/dev/stdin", FOLLOW, "") == __WASI_ERRNO_PERM);
    return 0;
}
