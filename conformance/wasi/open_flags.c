/* path_open: which combinations of flags, names and kinds of file open, and what the others say. */
#include "check.h"

enum { CREAT = __WASI_OFLAGS_CREAT, DIRECTORY = __WASI_OFLAGS_DIRECTORY,
       EXCL = __WASI_OFLAGS_EXCL, TRUNC = __WASI_OFLAGS_TRUNC,
       FOLLOW = __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW };

static __wasi_fd_t box;

static int opens(const char *path, int lookup, int oflags, __wasi_rights_t rights)
{
    __wasi_fd_t fd;
    int error = open_at(box, path, lookup, oflags, rights, 0, &fd);
    if (!error)
        OK(__wasi_fd_close(fd));
    return error;
}

static void names(void)
{
    EXPECT(opens("", 0, 0, 0), __WASI_ERRNO_NOENT);
    OK(opens(".", 0, 0, 0));
    OK(opens("./", 0, DIRECTORY, 0));
    OK(opens("dir", 0, 0, 0));
    OK(opens("dir/", 0, 0, 0));
    OK(opens("dir///", 0, DIRECTORY, 0));
    OK(opens("dir/..", 0, 0, 0));
    OK(opens("dir/.//sub/../../dir/sub/../sub///./file", 0, 0, READ_RIGHTS));
    EXPECT(opens("file/", 0, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("file///", 0, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("file/.", 0, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("file/..", 0, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("file/x", 0, CREAT, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("none/", 0, 0, 0), __WASI_ERRNO_NOENT);
    EXPECT(opens("none/", 0, CREAT, WRITE_RIGHTS), __WASI_ERRNO_ISDIR);
    EXPECT(opens("none/x", 0, CREAT, WRITE_RIGHTS), __WASI_ERRNO_NOENT);

    int32_t fd;
    EXPECT(raw_path_open(box, 0, ADDRESS("file\0"), 5, 0, 0, 0, 0, ADDRESS(&fd)),
           __WASI_ERRNO_INVAL);
    EXPECT(raw_path_open(box, 0, -8, 100, 0, 0, 0, 0, ADDRESS(&fd)), __WASI_ERRNO_FAULT);
    static char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    EXPECT(opens(longest, 0, 0, 0), __WASI_ERRNO_NAMETOOLONG);
    longest[300] = 0;
    EXPECT(opens(longest, 0, 0, 0), __WASI_ERRNO_NAMETOOLONG);
}

static void kinds(void)
{
    EXPECT(opens("file", 0, DIRECTORY, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("dir", 0, 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE), __WASI_ERRNO_ISDIR);
    EXPECT(opens("dir", 0, DIRECTORY, __WASI_RIGHTS_FD_WRITE), __WASI_ERRNO_ISDIR);
    EXPECT(opens("dir", 0, TRUNC, 0), __WASI_ERRNO_ISDIR);
    OK(opens("dir", 0, DIRECTORY, __WASI_RIGHTS_FD_READ));
    EXPECT(opens("dir", 0, CREAT, WRITE_RIGHTS), __WASI_ERRNO_ISDIR);
    EXPECT(opens("dir", 0, CREAT | EXCL, 0), __WASI_ERRNO_EXIST);
    __wasi_fd_t fd, other;
    OK(open_at(box, "file", 0, 0, READ_RIGHTS, 0, &fd));
    EXPECT(open_at(fd, "x", 0, CREAT, 0, 0, &other), __WASI_ERRNO_NOTDIR);
    OK(__wasi_fd_close(fd));
    EXPECT(open_at(99, "x", 0, CREAT, 0, 0, &other), __WASI_ERRNO_BADF);
}

static void links(void)
{
    EXPECT(opens("to_file", 0, 0, READ_RIGHTS), __WASI_ERRNO_LOOP);
    OK(opens("to_file", FOLLOW, 0, READ_RIGHTS));
    EXPECT(opens("to_file/", 0, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("to_file/", FOLLOW, 0, 0), __WASI_ERRNO_NOTDIR);
    EXPECT(opens("to_dir", 0, 0, 0), __WASI_ERRNO_LOOP);
    OK(opens("to_dir", FOLLOW, DIRECTORY, 0));
    OK(opens("to_dir/", 0, 0, 0)); /* the slash follows, as POSIX says */
    OK(opens("to_dir/file", 0, 0, READ_RIGHTS));
    EXPECT(opens("to_none", FOLLOW, 0, 0), __WASI_ERRNO_NOENT);
    EXPECT(opens("to_none", 0, 0, 0), __WASI_ERRNO_LOOP);
    EXPECT(opens("to_none", 0, CREAT, WRITE_RIGHTS), __WASI_ERRNO_LOOP);
    EXPECT(opens("to_none", FOLLOW, CREAT | EXCL, 0), __WASI_ERRNO_EXIST);
    EXPECT(opens("to_self", FOLLOW, 0, 0), __WASI_ERRNO_LOOP);
    EXPECT(opens("to_self/x", FOLLOW, 0, 0), __WASI_ERRNO_LOOP);
    OK(opens("to_none", FOLLOW, CREAT, WRITE_RIGHTS));
    OK(__wasi_path_unlink_file(box, "none"));
}

static void flags(void)
{
    EXPECT(opens("dir", 0, CREAT | DIRECTORY, 0), __WASI_ERRNO_INVAL);
    EXPECT(opens("new", 0, CREAT | DIRECTORY, 0), __WASI_ERRNO_INVAL);
    EXPECT(opens("dir", 0, TRUNC | DIRECTORY, 0), __WASI_ERRNO_INVAL);
    EXPECT(opens("file", 0, 1 << 4, 0), __WASI_ERRNO_INVAL);
    EXPECT(opens("file", 2, 0, 0), __WASI_ERRNO_INVAL);
    __wasi_fd_t fd;
    EXPECT(open_at(box, "file", 0, 0, 0, 1 << 5, &fd), __WASI_ERRNO_INVAL);
    EXPECT(opens("file", 0, CREAT | EXCL, 0), __WASI_ERRNO_EXIST);
    OK(opens("file", 0, CREAT, 0));
    OK(opens("file", 0, EXCL, 0));

    OK(opens("file", 0, 0, READ_RIGHTS));
    OK(get(box, "file", 0, "content"));
    OK(opens("file", 0, TRUNC, 0)); /* truncates, whatever rights the new descriptor has */
    OK(get(box, "file", 0, ""));
    OK(opens("new", 0, CREAT | EXCL | TRUNC, WRITE_RIGHTS));
    OK(opens("new", 0, CREAT | TRUNC, WRITE_RIGHTS));
    OK(__wasi_path_unlink_file(box, "new"));
    put(box, "app", "one");
    __wasi_size_t done;
    __wasi_ciovec_t out = {(const uint8_t *)"two", 3};
    OK(open_at(box, "app", 0, 0, WRITE_RIGHTS, __WASI_FDFLAGS_APPEND, &fd));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_close(fd));
    OK(get(box, "app", 0, "onetwo"));
    OK(open_at(box, "app", 0, TRUNC, WRITE_RIGHTS, __WASI_FDFLAGS_APPEND, &fd));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_write(fd, &out, 1, &done));
    OK(__wasi_fd_close(fd));
    OK(get(box, "app", 0, "twotwo"));
}

int main(void)
{
    box = preopened("/box");
    put(box, "file", "content");
    OK(__wasi_path_create_directory(box, "dir"));
    OK(__wasi_path_create_directory(box, "dir/sub"));
    put(box, "dir/file", "in dir");
    put(box, "dir/sub/file", "deep");
    OK(__wasi_path_symlink("file", box, "to_file"));
    OK(__wasi_path_symlink("dir", box, "to_dir"));
    OK(__wasi_path_symlink("none", box, "to_none"));
    OK(__wasi_path_symlink("to_self", box, "to_self"));
    names();
    kinds();
    links();
    flags();
    return 0;
}
