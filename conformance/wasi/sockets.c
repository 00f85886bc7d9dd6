/* A listening socket that was handed in.  The driver connects, says "ping", shuts down its side
 * and expects "pong". */
#include "check.h"

static __wasi_fd_t listener(void)
{
    __wasi_fdstat_t st;
    for (__wasi_fd_t fd = 3; __wasi_fd_fdstat_get(fd, &st) == 0; fd++)
        if (st.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM)
            return fd;
    CHECK(!"a socket");
    exit(1);
}

int main(void)
{
    __wasi_fd_t server = listener(), fd, box = preopened("/box");
    __wasi_fdstat_t st;
    __wasi_size_t done;
    __wasi_roflags_t flags;
    uint8_t text[8] = {0};
    __wasi_iovec_t in = {text, 8};
    __wasi_ciovec_t out = {(const uint8_t *)"pong", 4};

    OK(__wasi_fd_fdstat_get(server, &st));
    CHECK(st.fs_rights_base & __WASI_RIGHTS_SOCK_ACCEPT);
    EXPECT(__wasi_sock_accept(box, 0, &fd), __WASI_ERRNO_NOTSOCK);
    EXPECT(__wasi_sock_accept(99, 0, &fd), __WASI_ERRNO_BADF);
    EXPECT(__wasi_sock_accept(server, __WASI_FDFLAGS_APPEND, &fd), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_sock_shutdown(box, __WASI_SDFLAGS_RD), __WASI_ERRNO_NOTSOCK);
    EXPECT(__wasi_sock_recv(box, &in, 1, 0, &done, &flags), __WASI_ERRNO_NOTSOCK);
    EXPECT(__wasi_sock_send(box, &out, 1, 0, &done), __WASI_ERRNO_NOTSOCK);
    OK(__wasi_fd_fdstat_set_flags(server, __WASI_FDFLAGS_NONBLOCK));
    while (__wasi_sock_accept(server, __WASI_FDFLAGS_NONBLOCK, &fd) == __WASI_ERRNO_AGAIN) {
        __wasi_subscription_t sub = {.userdata = 1};
        __wasi_event_t event;
        sub.u.tag = __WASI_EVENTTYPE_FD_READ;
        sub.u.u.fd_read.file_descriptor = server;
        OK(__wasi_poll_oneoff(&sub, &event, 1, &done));
        CHECK(done == 1 && event.error == 0);
    }
    OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK(st.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM);
    CHECK(st.fs_flags == __WASI_FDFLAGS_NONBLOCK);
    CHECK(!(st.fs_rights_base & __WASI_RIGHTS_SOCK_ACCEPT));
    OK(__wasi_fd_fdstat_set_flags(fd, 0));
    EXPECT(__wasi_sock_recv(fd, &in, 1, 4, &done, &flags), __WASI_ERRNO_INVAL);
    in.buf_len = 2;
    OK(__wasi_sock_recv(fd, &in, 1, __WASI_RIFLAGS_RECV_PEEK, &done, &flags));
    CHECK(done == 2 && memcmp(text, "pi", 2) == 0 && flags == 0);
    in.buf_len = 8;
    OK(__wasi_sock_recv(fd, &in, 1, __WASI_RIFLAGS_RECV_WAITALL, &done, &flags));
    CHECK(done == 4 && memcmp(text, "ping", 4) == 0);
    OK(__wasi_fd_read(fd, &in, 1, &done));
    CHECK(done == 0);
    EXPECT(__wasi_sock_send(fd, &out, 1, 1, &done), __WASI_ERRNO_INVAL);
    OK(__wasi_sock_send(fd, &out, 1, 0, &done));
    CHECK(done == 4);
    EXPECT(__wasi_sock_shutdown(fd, 0), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_sock_shutdown(fd, 4), __WASI_ERRNO_INVAL);
    OK(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_WR));
    EXPECT(__wasi_fd_write(fd, &out, 1, &done), __WASI_ERRNO_PIPE);
    OK(__wasi_fd_close(fd));
    return 0;
}
