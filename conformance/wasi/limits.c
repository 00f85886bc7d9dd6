/* What a hostile guest asks for: too many, too long, too far.  Errors, and no harm done. */
#include "check.h"

enum { SUBSCRIPTIONS = 5000, VECTORS = 2000 };

static __wasi_fd_t box;
static uint8_t bytes[1 << 20];

static void vectors(void)
{
    static __wasi_ciovec_t out[VECTORS];
    __wasi_fd_t fd;
    __wasi_size_t done;
    for (int i = 0; i < VECTORS; i++)
        out[i] = (__wasi_ciovec_t){bytes, 1};
    OK(open_at(box, "v", 0, __WASI_OFLAGS_CREAT, WRITE_RIGHTS, 0, &fd));
    OK(__wasi_fd_write(fd, out, 1024, &done));
    CHECK(done == 1024);
    EXPECT(__wasi_fd_write(fd, out, 1025, &done), __WASI_ERRNO_INVAL);
    EXPECT(raw_fd_write(fd, ADDRESS(out), -1, ADDRESS(&done)), __WASI_ERRNO_INVAL);
    EXPECT(raw_fd_write(fd, -8, 2, ADDRESS(&done)), __WASI_ERRNO_FAULT);
    EXPECT(raw_fd_write(fd, ADDRESS(out), 2, -3), __WASI_ERRNO_FAULT);
    __wasi_iovec_t hostile[2] = {{bytes, 8}, {bytes, ~0u}};
    EXPECT(__wasi_fd_read(fd, hostile, 2, &done), __WASI_ERRNO_FAULT);
    hostile[1] = (__wasi_iovec_t){(uint8_t *)~0u, 2};
    EXPECT(__wasi_fd_read(fd, hostile, 2, &done), __WASI_ERRNO_FAULT);
    __wasi_filestat_t st;
    OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.size == 1024); /* the refused calls wrote nothing */

    /* A thousand vectors of a megabyte: as much as one call moves, which is less. */
    for (int i = 0; i < 1024; i++)
        out[i] = (__wasi_ciovec_t){bytes, sizeof bytes};
    OK(__wasi_fd_write(fd, out, 1024, &done));
    CHECK(done > 0 && done <= 64u << 20);
    /* The vectors themselves as a target: they were read before anything was written. */
    __wasi_filesize_t at;
    static __wasi_iovec_t in[2];
    in[0] = (__wasi_iovec_t){(uint8_t *)in, sizeof in};
    in[1] = (__wasi_iovec_t){bytes, 16};
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_read(fd, in, 2, &done));
    CHECK(done == sizeof in + 16);
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_unlink_file(box, "v"));
}

static void subscriptions(void)
{
    static __wasi_subscription_t in[SUBSCRIPTIONS];
    static __wasi_event_t out[SUBSCRIPTIONS];
    __wasi_size_t events;
    EXPECT(__wasi_poll_oneoff(in, out, 0, &events), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_poll_oneoff(in, out, 4097, &events), __WASI_ERRNO_INVAL);
    EXPECT(raw_poll_oneoff(ADDRESS(in), ADDRESS(out), -1, ADDRESS(&events)), __WASI_ERRNO_INVAL);
    EXPECT(raw_poll_oneoff(-40, ADDRESS(out), 4, ADDRESS(&events)), __WASI_ERRNO_FAULT);
    EXPECT(raw_poll_oneoff(ADDRESS(in), -40, 4, ADDRESS(&events)), __WASI_ERRNO_FAULT);
    EXPECT(raw_poll_oneoff(ADDRESS(in), ADDRESS(out), 4, -3), __WASI_ERRNO_FAULT);
    OK(__wasi_poll_oneoff(in, out, 4096, &events)); /* all zero: clocks that are due */
    CHECK(events == 4096);
    for (int i = 0; i < 4096; i++) {
        in[i].u.tag = __WASI_EVENTTYPE_FD_WRITE;
        in[i].u.u.fd_write.file_descriptor = i % 2 ? 1 : 5000;
    }
    OK(__wasi_poll_oneoff(in, out, 4096, &events));
    CHECK(events >= 2048);
}

static void random_bytes(void)
{
    static uint8_t other[64];
    OK(raw_random_get(ADDRESS(bytes), sizeof bytes));
    OK(raw_random_get(ADDRESS(other), sizeof other));
    CHECK(memcmp(bytes, other, sizeof other) != 0);
    unsigned counts[256] = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        counts[bytes[i]]++;
    for (int i = 0; i < 256; i++)
        CHECK(counts[i] > 3500 && counts[i] < 4700); /* 4096, give or take nine sigma */
    OK(raw_random_get(ADDRESS(bytes), 0));
    EXPECT(raw_random_get(ADDRESS(bytes), -1), __WASI_ERRNO_FAULT);
    EXPECT(raw_random_get(-1, 2), __WASI_ERRNO_FAULT);
}

static void descriptors(void)
{
    __wasi_fd_t fd, first, last = 0;
    int error, opened = 0;
    put(box, "f", "");
    OK(open_at(box, "f", 0, 0, READ_RIGHTS, 0, &first));
    while ((error = open_at(box, "f", 0, 0, READ_RIGHTS, 0, &fd)) == 0) {
        last = fd;
        CHECK(++opened <= 1024);
    }
    CHECK(error == __WASI_ERRNO_MFILE || error == __WASI_ERRNO_NFILE);
    OK(__wasi_fd_close(first));
    OK(open_at(box, "f", 0, 0, READ_RIGHTS, 0, &fd)); /* its place is free again */
    CHECK(fd == first);
    for (fd = first; fd <= last; fd++)
        OK(__wasi_fd_close(fd));
    OK(__wasi_path_unlink_file(box, "f"));
}

int main(void)
{
    box = preopened("/box");
    vectors();
    subscriptions();
    random_bytes();
    descriptors();
    EXPECT(raw_fd_fdstat_get(box, -23), __WASI_ERRNO_FAULT);
    EXPECT(raw_fd_prestat_dir_name(box, ADDRESS(bytes), 3), __WASI_ERRNO_NAMETOOLONG);
    EXPECT(raw_fd_prestat_dir_name(box, -4, 8), __WASI_ERRNO_FAULT);
    OK(raw_fd_prestat_dir_name(box, ADDRESS(bytes), 8));
    EXPECT(raw_fd_read(1000000, 0, 0, 0), __WASI_ERRNO_BADF);
    return 0;
}
