/* Names: rename, link, symlink, readlink, unlink, mkdir and rmdir, with every odd last component. */
#include "check.h"

static __wasi_fd_t box;

#define MKDIR(path) __wasi_path_create_directory(box, path)
#define RMDIR(path) __wasi_path_remove_directory(box, path)
#define UNLINK(path) __wasi_path_unlink_file(box, path)
#define RENAME(from, to) __wasi_path_rename(box, from, box, to)
#define LINK(from, to) __wasi_path_link(box, 0, from, box, to)
#define SYMLINK(text, path) __wasi_path_symlink(text, box, path)

static void directories(void)
{
    OK(MKDIR("d"));
    OK(MKDIR("d/e/"));
    EXPECT(MKDIR("d"), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR("d/"), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR("."), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR("d/.."), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR(""), __WASI_ERRNO_NOENT);
    EXPECT(MKDIR("no/x"), __WASI_ERRNO_NOENT);
    EXPECT(MKDIR("no/.."), __WASI_ERRNO_NOENT);
    EXPECT(MKDIR("file/x"), __WASI_ERRNO_NOTDIR);
    EXPECT(MKDIR("file"), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR("dangling"), __WASI_ERRNO_EXIST);
    EXPECT(MKDIR("dangling/"), __WASI_ERRNO_EXIST);
    EXPECT(RMDIR("d"), __WASI_ERRNO_NOTEMPTY);
    EXPECT(RMDIR("d/e/."), __WASI_ERRNO_INVAL);
    EXPECT(RMDIR("d/e/.."), __WASI_ERRNO_NOTEMPTY);
    EXPECT(RMDIR("."), __WASI_ERRNO_INVAL);
    EXPECT(RMDIR(""), __WASI_ERRNO_NOENT);
    EXPECT(RMDIR("file"), __WASI_ERRNO_NOTDIR);
    EXPECT(RMDIR("file/"), __WASI_ERRNO_NOTDIR);
    EXPECT(RMDIR("no"), __WASI_ERRNO_NOENT);
    OK(RMDIR("d/e/"));
    OK(SYMLINK("d", "to_d"));
    EXPECT(RMDIR("to_d"), __WASI_ERRNO_NOTDIR);
    EXPECT(RMDIR("to_d/"), __WASI_ERRNO_NOTDIR);
    OK(UNLINK("to_d"));
    OK(RMDIR("d"));
}

static void unlinking(void)
{
    OK(MKDIR("d"));
    OK(SYMLINK("d", "to_d"));
    OK(SYMLINK("file", "to_file"));
    EXPECT(UNLINK("d"), __WASI_ERRNO_ISDIR);
    EXPECT(UNLINK("d/"), __WASI_ERRNO_ISDIR);
    EXPECT(UNLINK("."), __WASI_ERRNO_ISDIR);
    EXPECT(UNLINK("d/.."), __WASI_ERRNO_ISDIR);
    EXPECT(UNLINK("file/"), __WASI_ERRNO_NOTDIR);
    EXPECT(UNLINK("to_d/"), __WASI_ERRNO_NOTDIR);
    EXPECT(UNLINK("to_file/"), __WASI_ERRNO_NOTDIR);
    EXPECT(UNLINK("no"), __WASI_ERRNO_NOENT);
    EXPECT(UNLINK("no/"), __WASI_ERRNO_NOENT);
    EXPECT(UNLINK(""), __WASI_ERRNO_NOENT);
    OK(UNLINK("to_d"));
    OK(UNLINK("to_file"));
    OK(RMDIR("d"));
    OK(get(box, "file", 0, "text"));
}

static void symlinks(void)
{
    uint8_t text[16];
    __wasi_size_t used;
    OK(MKDIR("d"));
    EXPECT(SYMLINK("x", "file"), __WASI_ERRNO_EXIST);
    EXPECT(SYMLINK("x", "file/"), __WASI_ERRNO_NOTDIR);
    EXPECT(SYMLINK("x", "d"), __WASI_ERRNO_EXIST);
    EXPECT(SYMLINK("x", "d/"), __WASI_ERRNO_EXIST);
    EXPECT(SYMLINK("x", "d/."), __WASI_ERRNO_EXIST);
    EXPECT(SYMLINK("x", "new/"), __WASI_ERRNO_NOENT);
    EXPECT(SYMLINK("", "new"), __WASI_ERRNO_NOENT);
    EXPECT(SYMLINK("x", ""), __WASI_ERRNO_NOENT);
    EXPECT(SYMLINK("/etc/passwd", "new"), __WASI_ERRNO_PERM);
    OK(SYMLINK("some target", "d/l"));
    memset(text, '#', sizeof text);
    OK(__wasi_path_readlink(box, "d/l", text, sizeof text, &used));
    CHECK(used == 11 && memcmp(text, "some target#####", 16) == 0);
    OK(__wasi_path_readlink(box, "d/l", text, 4, &used));
    CHECK(used == 4 && memcmp(text, "some target", 11) == 0);
    OK(__wasi_path_readlink(box, "d/l", text, 0, &used));
    CHECK(used == 0);
    EXPECT(__wasi_path_readlink(box, "d/l/", text, 4, &used), __WASI_ERRNO_NOENT);
    EXPECT(__wasi_path_readlink(box, "file", text, 4, &used), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_readlink(box, "d", text, 4, &used), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_readlink(box, ".", text, 4, &used), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_path_readlink(box, "", text, 4, &used), __WASI_ERRNO_NOENT);
    EXPECT(__wasi_path_readlink(box, "no", text, 4, &used), __WASI_ERRNO_NOENT);
    OK(UNLINK("d/l"));
    OK(RMDIR("d"));
}

static void hard_links(void)
{
    __wasi_filestat_t a, b;
    OK(MKDIR("d"));
    OK(LINK("file", "d/link"));
    OK(__wasi_path_filestat_get(box, 0, "file", &a));
    OK(__wasi_path_filestat_get(box, 0, "d/link", &b));
    CHECK(a.ino == b.ino && a.nlink == 2 && b.nlink == 2);
    EXPECT(LINK("file", "file"), __WASI_ERRNO_EXIST);
    EXPECT(LINK("file", "d"), __WASI_ERRNO_EXIST);
    EXPECT(LINK("file", "d/"), __WASI_ERRNO_EXIST);
    EXPECT(LINK("file", "d/.."), __WASI_ERRNO_EXIST);
    EXPECT(LINK("file", "new/"), __WASI_ERRNO_NOENT);
    EXPECT(LINK("file/", "new"), __WASI_ERRNO_NOTDIR);
    EXPECT(LINK("d", "new"), __WASI_ERRNO_PERM);
    EXPECT(LINK("d/", "new"), __WASI_ERRNO_PERM);
    EXPECT(LINK(".", "new"), __WASI_ERRNO_PERM);
    EXPECT(LINK("no", "new"), __WASI_ERRNO_NOENT);
    EXPECT(LINK("file", "dangling"), __WASI_ERRNO_EXIST);
    EXPECT(LINK("", "new"), __WASI_ERRNO_NOENT);
    EXPECT(__wasi_path_link(box, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "dangling", box, "new"),
           __WASI_ERRNO_INVAL);
    OK(LINK("dangling", "new")); /* the link, not what it names */
    OK(__wasi_path_filestat_get(box, 0, "new", &a));
    CHECK(a.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);
    OK(UNLINK("new"));
    OK(UNLINK("d/link"));
    OK(RMDIR("d"));
}

static void renames(void)
{
    put(box, "a", "A");
    put(box, "b", "B");
    OK(MKDIR("d"));
    OK(MKDIR("e"));
    OK(RENAME("a", "a"));
    OK(RENAME("a", "b"));
    OK(get(box, "b", 0, "A"));
    EXPECT(get(box, "a", 0, ""), __WASI_ERRNO_NOENT);
    OK(RENAME("b", "d/b"));
    EXPECT(RENAME("d/b", "e"), __WASI_ERRNO_ISDIR);
    EXPECT(RENAME("d/b", "new/"), __WASI_ERRNO_NOTDIR);
    EXPECT(RENAME("d/b/", "new"), __WASI_ERRNO_NOTDIR);
    EXPECT(RENAME("e", "d/b"), __WASI_ERRNO_NOTDIR);
    EXPECT(RENAME("e", "d"), __WASI_ERRNO_NOTEMPTY);
    EXPECT(RENAME("d", "d/inside"), __WASI_ERRNO_INVAL);
    EXPECT(RENAME(".", "new"), __WASI_ERRNO_BUSY);
    EXPECT(RENAME("d/..", "new"), __WASI_ERRNO_BUSY);
    EXPECT(RENAME("e", "d/."), __WASI_ERRNO_BUSY);
    EXPECT(RENAME("no", "new"), __WASI_ERRNO_NOENT);
    EXPECT(RENAME("no/", "new"), __WASI_ERRNO_NOENT);
    EXPECT(RENAME("", "new"), __WASI_ERRNO_NOENT);
    EXPECT(RENAME("e", ""), __WASI_ERRNO_NOENT);
    OK(RENAME("e/", "f/"));
    OK(MKDIR("g"));
    OK(RENAME("f", "g"));
    OK(SYMLINK("d", "to_d"));
    EXPECT(RENAME("to_d/", "x"), __WASI_ERRNO_NOTDIR);
    EXPECT(RENAME("g", "to_d/"), __WASI_ERRNO_NOTDIR);
    OK(RENAME("to_d", "moved")); /* the link itself */
    OK(get(box, "moved/b", 0, "A"));
    OK(UNLINK("moved"));
    OK(UNLINK("d/b"));
    OK(RMDIR("d"));
    OK(RMDIR("g"));
}

int main(void)
{
    box = preopened("/box");
    put(box, "file", "text");
    OK(SYMLINK("nowhere", "dangling"));
    directories();
    unlinking();
    symlinks();
    hard_links();
    renames();
    OK(UNLINK("file"));
    OK(UNLINK("dangling"));
    return 0;
}
