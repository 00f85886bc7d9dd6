/* Standard streams.  The argument says what the driver connected:
 *   eof      input is /dev/null: no terminal, at its end
 *   pipe     input is a pipe with "line one\n" and then its end
 *   closed   nobody reads the output: an errno, not the end of the host
 *   big      a megabyte to the output, in one call
 *   dir      input is a directory: nothing to open files in */
#include "check.h"

#include <errno.h>
#include <unistd.h>

static void eof(void)
{
    char byte;
    CHECK(!isatty(0));
    CHECK(read(0, &byte, 1) == 0);
    CHECK(getchar() == EOF);
}

static void pipe_in(void)
{
    char line[64];
    __wasi_subscription_t in = {.userdata = 7};
    __wasi_event_t out;
    __wasi_size_t events;
    __wasi_fdstat_t st;
    __wasi_filesize_t at;
    OK(__wasi_fd_fdstat_get(0, &st));
    CHECK(st.fs_filetype == __WASI_FILETYPE_UNKNOWN);
    CHECK(!isatty(0));
    EXPECT(__wasi_fd_seek(0, 0, __WASI_WHENCE_CUR, &at), __WASI_ERRNO_SPIPE);
    EXPECT(__wasi_fd_tell(0, &at), __WASI_ERRNO_SPIPE);
    in.u.tag = __WASI_EVENTTYPE_FD_READ;
    in.u.u.fd_read.file_descriptor = 0;
    OK(__wasi_poll_oneoff(&in, &out, 1, &events));
    CHECK(events == 1 && out.userdata == 7 && out.error == 0 && out.fd_readwrite.nbytes == 9);
    CHECK(fgets(line, sizeof line, stdin) && strcmp(line, "line one\n") == 0);
    CHECK(fgets(line, sizeof line, stdin) == NULL && feof(stdin));
    OK(__wasi_poll_oneoff(&in, &out, 1, &events));
    CHECK(events == 1 && out.fd_readwrite.flags == __WASI_EVENTRWFLAGS_FD_READWRITE_HANGUP);
    OK(__wasi_fd_fdstat_set_flags(0, __WASI_FDFLAGS_NONBLOCK));
    CHECK(read(0, line, 1) == 0);
}

static void closed(void)
{
    CHECK(write(1, "x", 1) == -1 && errno == EPIPE);
    CHECK(write(1, "x", 1) == -1 && errno == EPIPE);
}

static void big(void)
{
    static uint8_t bytes[1 << 20];
    __wasi_size_t done;
    memset(bytes, 'x', sizeof bytes);
    __wasi_ciovec_t out = {bytes, sizeof bytes};
    OK(__wasi_fd_write(1, &out, 1, &done));
    CHECK(done == sizeof bytes);
}

static void directory(void)
{
    __wasi_fd_t fd;
    CHECK(open_at(0, ".", 0, 0, 0, 0, &fd) != 0);
    CHECK(__wasi_path_create_directory(0, "new") != 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    static const struct { const char *name; void (*run)(void); } modes[] = {
        {"eof", eof}, {"pipe", pipe_in}, {"closed", closed}, {"big", big}, {"dir", directory}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    CHECK(!"a mode");
}
