/* Links that change while they are followed.  The driver exchanges `a` (a directory of ours) and
 * `b` (a link to ../secret) as fast as it can; whatever the guest does, it is done inside or not
 * at all.  The driver looks afterwards whether the secret is what it was. */
#include "check.h"

enum { FOLLOW = __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW };

static __wasi_fd_t box;

static uint64_t now(void)
{
    __wasi_timestamp_t time;
    OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &time));
    return time;
}

static int inside[2];

static void count(int error)
{
    inside[error != 0]++;
    CHECK(error == 0 || error == __WASI_ERRNO_PERM || error == __WASI_ERRNO_NOENT ||
          error == __WASI_ERRNO_EXIST || error == __WASI_ERRNO_NOTDIR ||
          error == __WASI_ERRNO_LOOP || error == __WASI_ERRNO_ISDIR ||
          error == __WASI_ERRNO_NOTEMPTY || error == __WASI_ERRNO_AGAIN);
}

int main(void)
{
    __wasi_fd_t fd;
    __wasi_filestat_t st;
    box = preopened("/box");
    uint64_t end = now() + 1000000000;
    while (now() < end) {
        count(get(box, "a/file", 0, "inside"));
        count(get(box, "a/../a/file", FOLLOW, "inside"));
        int error = open_at(box, "a/new", FOLLOW, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd);
        count(error);
        if (!error)
            OK(__wasi_fd_close(fd));
        count(__wasi_path_filestat_set_times(box, FOLLOW, "a/file", 1, 1, 5));
        count(__wasi_path_filestat_get(box, 0, "a/", &st));
        count(__wasi_path_create_directory(box, "a/dir"));
        count(__wasi_path_remove_directory(box, "a/dir/"));
        count(__wasi_path_symlink("x", box, "a/link"));
        count(__wasi_path_rename(box, "a/link", box, "a/link2"));
        count(__wasi_path_link(box, 0, "a/file", box, "a/hard"));
        count(__wasi_path_unlink_file(box, "a/hard"));
        count(__wasi_path_unlink_file(box, "a/link2"));
        count(__wasi_path_unlink_file(box, "a/new"));
    }
    CHECK(inside[0] > 0 && inside[1] > 0); /* else there was no race */
    return 0;
}
