/* WASI's share of images: descriptors frozen, thawed and reset, as the guest sees them; what cannot
 * be frozen or is not there any more; and bytes that are damaged.  The functions of WASI are called
 * as the linker's host function calls them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stdlib/wasi_image.h"

/* ---- A guest without code ---- */

enum { MEMORY_BYTES = 1 << 16, PATH_AT = 1024, VECTOR_AT = 64, DATA_AT = 32768 };

#define READING                                                     \
    (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL | \
     WASI_RIGHT_FD_FDSTAT_SET_FLAGS | WASI_RIGHT_FD_FILESTAT_GET)
#define WRITING (READING | WASI_RIGHT_FD_WRITE)
#define ALL_RIGHTS (~UINT64_C(0))

typedef struct World {
    char root[64]; /* a directory of the host's */
    uint8_t memory[MEMORY_BYTES];
} World;

static void host_path(const World *w, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", w->root, name);
}

static void host_file(const World *w, const char *name, const char *text)
{
    char path[128];
    host_path(w, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    char path[128];
    strcpy(w->root, "/tmp/fnvm-wasi-image-XXXXXX");
    if (!w || !mkdtemp(w->root)) return -1;
    host_path(w, "sub", path);
    if (mkdir(path, 0777) != 0) return -1;
    host_path(w, "other", path);
    if (mkdir(path, 0777) != 0) return -1;
    host_file(w, "file", "0123456789");
    host_file(w, "sub/inner", "abcdefghij");
    host_file(w, "other/only", "x");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", w->root);
    int status = system(command);
    free(w);
    return status;
}

static void must(fnvm_error *error)
{
    if (error) fail_msg("%s", fnvm_error_message(error));
}

/* Frees the error, which has this code and says all of these, up to NULL. */
static void refused(fnvm_error *error, fnvm_code code, ...)
{
    va_list texts;
    assert_non_null(error);
    if (fnvm_error_code(error) != code)
        fail_msg("code %d: %s", (int)fnvm_error_code(error), fnvm_error_message(error));
    va_start(texts, code);
    for (const char *text; (text = va_arg(texts, const char *));)
        if (!strstr(fnvm_error_message(error), text))
            fail_msg("not in it: \"%s\": %s", text, fnvm_error_message(error));
    va_end(texts);
    fnvm_error_free(error);
}

static WasiErrno call(World *w, Wasi *wasi, WasiFunction *function, const fnvm_slot *args)
{
    WasiCall c = {.wasi = wasi, .memory = w->memory, .memory_size = MEMORY_BYTES};
    WasiErrno result = function(&c, args);
    assert_null(c.error);
    return result;
}
#define CALL(wasi, function, ...) call(w, wasi, wasi_##function, (const fnvm_slot[9]){__VA_ARGS__})
#define I32(x)               \
    {                        \
        .i32 = (uint32_t)(x) \
    }
#define I64(x)               \
    {                        \
        .i64 = (uint64_t)(x) \
    }

static uint32_t open_as(World *w, Wasi *wasi, uint32_t dir, const char *path, uint32_t oflags,
                        uint64_t rights, uint32_t fdflags)
{
    uint32_t fd;
    memcpy(w->memory + PATH_AT, path, strlen(path));
    assert_int_equal(CALL(wasi, path_open, I32(dir), I32(WASI_LOOKUP_SYMLINK_FOLLOW), I32(PATH_AT),
                          I32(strlen(path)), I32(oflags), I64(rights), I64(ALL_RIGHTS),
                          I32(fdflags), I32(0)),
                     0);
    memcpy(&fd, w->memory, sizeof fd);
    return fd;
}

static uint32_t open_dir(World *w, Wasi *wasi, uint32_t dir, const char *path)
{
    return open_as(w, wasi, dir, path, WASI_OFLAG_DIRECTORY, WASI_RIGHTS_DIRECTORY, 0);
}

static uint64_t seek_to(World *w, Wasi *wasi, uint32_t fd, int64_t offset, uint32_t whence)
{
    uint64_t at;
    assert_int_equal(CALL(wasi, fd_seek, I32(fd), I64(offset), I32(whence), I32(0)), 0);
    memcpy(&at, w->memory, sizeof at);
    return at;
}

static uint64_t position(World *w, Wasi *wasi, uint32_t fd)
{
    return seek_to(w, wasi, fd, 0, WASI_WHENCE_CUR);
}

/* The next byte of a file, or the errno of reading it, negated. */
static int next_byte(World *w, Wasi *wasi, uint32_t fd)
{
    AbiIovec vector = {.buf = DATA_AT, .len = 1};
    memcpy(w->memory + VECTOR_AT, &vector, sizeof vector);
    WasiErrno error = CALL(wasi, fd_read, I32(fd), I32(VECTOR_AT), I32(1), I32(0));
    return error ? -(int)error : w->memory[DATA_AT];
}

static WasiErrno write_byte(World *w, Wasi *wasi, uint32_t fd)
{
    AbiIovec vector = {.buf = DATA_AT, .len = 1};
    memcpy(w->memory + VECTOR_AT, &vector, sizeof vector);
    return CALL(wasi, fd_write, I32(fd), I32(VECTOR_AT), I32(1), I32(0));
}

static bool is_open(World *w, Wasi *wasi, uint32_t fd)
{
    return CALL(wasi, fd_fdstat_get, I32(fd), I32(0)) == 0;
}

static AbiFdstat fdstat(World *w, Wasi *wasi, uint32_t fd)
{
    AbiFdstat st;
    assert_int_equal(CALL(wasi, fd_fdstat_get, I32(fd), I32(0)), 0);
    memcpy(&st, w->memory, sizeof st);
    return st;
}

/* The guest's name of a preopened directory; "" if it is none. */
static const char *preopen_name(World *w, Wasi *wasi, uint32_t fd)
{
    AbiPrestat prestat;
    if (CALL(wasi, fd_prestat_get, I32(fd), I32(0)) != 0) return "";
    memcpy(&prestat, w->memory, sizeof prestat);
    assert_int_equal(CALL(wasi, fd_prestat_dir_name, I32(fd), I32(0), I32(prestat.name_len)), 0);
    w->memory[prestat.name_len] = 0;
    return (const char *)w->memory;
}

static Wasi *new_wasi(void)
{
    Wasi *wasi;
    must(fnvm_wasi_new(&wasi));
    return wasi;
}

static void give_dir(const World *w, Wasi *wasi, const char *host, const char *guest,
                     fnvm_dir_access access)
{
    char path[128];
    host_path(w, host, path);
    must(fnvm_wasi_preopen_dir(wasi, path, guest, access));
}

/* Streams, and the root as /box. */
static Wasi *usual_wasi(const World *w)
{
    Wasi *wasi = new_wasi();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++) must(fnvm_wasi_stdio(wasi, i, null));
    close(null);
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_WRITE);
    return wasi;
}
enum { BOX = 3 };

typedef struct Bytes {
    uint8_t *at;
    size_t size;
} Bytes;

static Bytes freeze(Wasi *wasi)
{
    Bytes b;
    must(wasi_freeze(wasi, &b.at, &b.size));
    return b;
}

/* Freezes and frees. */
static Bytes freeze_only(Wasi *wasi)
{
    Bytes b = freeze(wasi);
    fnvm_wasi_free(wasi);
    return b;
}

static void refuses_freeze(Wasi *wasi, const char *text, const char *more)
{
    uint8_t *bytes;
    size_t size;
    refused(wasi_freeze(wasi, &bytes, &size), FNVM_E_UNSUPPORTED, text, more, NULL);
    assert_null(bytes);
}

static void thaw(Wasi *wasi, Bytes b) { must(wasi_thaw(wasi, b.at, b.size)); }

/* What the Wasi has is what `b` says. */
static void assert_state(Wasi *wasi, Bytes b)
{
    Bytes now = freeze(wasi);
    assert_int_equal(now.size, b.size);
    assert_memory_equal(now.at, b.at, b.size);
    free(now.at);
}

/* ---- Freezing and thawing ---- */

static void files_go_on_where_they_were(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t file = open_as(w, wasi, BOX, "file", 0, WRITING, WASI_FDFLAG_APPEND);
    uint32_t dir = open_dir(w, wasi, BOX, "./sub//.");
    uint32_t inner = open_as(w, wasi, dir, ".//inner", 0, READING, 0);
    seek_to(w, wasi, file, 4, WASI_WHENCE_SET);
    seek_to(w, wasi, inner, 7, WASI_WHENCE_SET);
    AbiFdstat file_before = fdstat(w, wasi, file), dir_before = fdstat(w, wasi, dir);
    Bytes b = freeze_only(wasi);

    wasi = usual_wasi(w);
    thaw(wasi, b);
    AbiFdstat file_after = fdstat(w, wasi, file), dir_after = fdstat(w, wasi, dir);
    assert_memory_equal(&file_after, &file_before, sizeof file_before);
    assert_memory_equal(&dir_after, &dir_before, sizeof dir_before);
    assert_int_equal(position(w, wasi, file), 4);
    assert_int_equal(next_byte(w, wasi, file), '4');
    assert_int_equal(next_byte(w, wasi, inner), 'h');
    assert_int_equal(write_byte(w, wasi, file), 0);
    assert_int_equal(position(w, wasi, file), 11); /* it appends */
    assert_int_equal(write_byte(w, wasi, inner), WASI_EBADF);
    assert_int_equal(open_as(w, wasi, dir, "inner", 0, READING, 0), inner + 1);
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void truncating_happens_once(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t made = open_as(w, wasi, BOX, "made",
                            WASI_OFLAG_CREAT | WASI_OFLAG_EXCL | WASI_OFLAG_TRUNC, WRITING, 0);
    Bytes b = freeze_only(wasi);
    host_file(w, "made", "kept");
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_int_equal(next_byte(w, wasi, made), 'k');
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void paths_may_lead_through_links(void **state)
{
    World *w = *state;
    char link[128];
    host_path(w, "link", link);
    assert_int_equal(symlink("sub", link), 0);
    Wasi *wasi = usual_wasi(w);
    uint32_t fd = open_as(w, wasi, BOX, "link/../link/inner", 0, READING, 0);
    Bytes b = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_int_equal(next_byte(w, wasi, fd), 'a');
    fnvm_wasi_free(wasi);
    /* A link that leads elsewhere by now may be followed, but not out of the directory. */
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/", link), 0);
    wasi = usual_wasi(w);
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_IO, "link/../link/inner", "out of", NULL);
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void streams_keep_their_places(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t file = open_as(w, wasi, BOX, "file", 0, READING, 0);
    uint32_t spare = open_as(w, wasi, BOX, "file", 0, READING, 0);
    assert_int_equal(CALL(wasi, fd_renumber, I32(1), I32(spare)), 0);
    assert_int_equal(CALL(wasi, fd_close, I32(2)), 0);
    assert_int_equal(CALL(wasi, fd_renumber, I32(file), I32(0)), 0); /* over standard input */
    assert_int_equal(CALL(wasi, fd_fdstat_set_flags, I32(spare), I32(WASI_FDFLAG_NONBLOCK)), 0);
    Bytes b = freeze_only(wasi);

    wasi = usual_wasi(w);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    must(fnvm_wasi_stdio(wasi, 1, ends[1]));
    thaw(wasi, b);
    assert_int_equal(next_byte(w, wasi, 0), '0');
    assert_false(is_open(w, wasi, 1));
    assert_false(is_open(w, wasi, 2));
    assert_false(is_open(w, wasi, file));
    assert_int_equal(fdstat(w, wasi, spare).flags, WASI_FDFLAG_NONBLOCK);
    struct stat pipe_stat;
    AbiFilestat stream_stat;
    assert_int_equal(fstat(ends[1], &pipe_stat), 0);
    assert_int_equal(CALL(wasi, fd_filestat_get, I32(spare), I32(0)), 0);
    memcpy(&stream_stat, w->memory, sizeof stream_stat);
    assert_int_equal(stream_stat.ino, pipe_stat.st_ino);
    /* It has the rights of a pipe, not those that /dev/null had. */
    assert_int_equal(fdstat(w, wasi, spare).rights_base & WASI_RIGHT_FD_SEEK, 0);
    seek_to(w, wasi, 0, 0, WASI_WHENCE_SET);
    assert_state(wasi, b);
    fnvm_wasi_free(wasi);
    close(ends[0]), close(ends[1]);
    free(b.at);
}

static void streams_that_were_never_given_come_new(void **state)
{
    World *w = *state;
    Wasi *wasi = new_wasi();
    Bytes b = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, b);
    for (uint32_t i = 0; i <= BOX; i++) assert_true(is_open(w, wasi, i));
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void rights_that_were_given_up_stay_so(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint64_t base = fdstat(w, wasi, 1).rights_base & ~WASI_RIGHT_FD_WRITE;
    assert_int_equal(CALL(wasi, fd_fdstat_set_rights, I32(1), I64(base), I64(0)), 0);
    base = fdstat(w, wasi, BOX).rights_base & ~WASI_RIGHT_PATH_UNLINK_FILE;
    uint64_t inheriting = fdstat(w, wasi, BOX).rights_inheriting & ~WASI_RIGHT_FD_SYNC;
    assert_int_equal(CALL(wasi, fd_fdstat_set_rights, I32(BOX), I64(base), I64(inheriting)), 0);
    Bytes b = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_int_equal(write_byte(w, wasi, 1), WASI_EBADF);
    assert_int_equal(fdstat(w, wasi, BOX).rights_base, base);
    assert_int_equal(fdstat(w, wasi, BOX).rights_inheriting, inheriting);
    fnvm_wasi_free(wasi);
    free(b.at);
}

/* ---- Directories ---- */

static void directories_are_found_by_name(void **state)
{
    World *w = *state;
    Wasi *wasi = new_wasi();
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "sub", "/twin", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "other", "/twin", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "sub", "/closed", FNVM_DIR_READ_WRITE);
    uint32_t only = open_as(w, wasi, 5, "only", 0, READING, 0);
    assert_int_equal(CALL(wasi, fd_close, I32(6)), 0);
    assert_int_equal(CALL(wasi, fd_renumber, I32(BOX), I32(only)),
                     0); /* to the end: the file goes */
    only = open_as(w, wasi, 5, "only", 0, READING, 0);
    assert_int_equal(only, BOX);
    Bytes b = freeze_only(wasi);

    wasi = new_wasi();
    give_dir(w, wasi, "sub", "/new", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "sub", "/twin", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "sub", "/closed", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, "other", "/twin", FNVM_DIR_READ_WRITE);
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_WRITE);
    thaw(wasi, b);
    assert_int_equal(next_byte(w, wasi, BOX), 'x');
    assert_string_equal(preopen_name(w, wasi, 4), "/twin");
    assert_string_equal(preopen_name(w, wasi, 5), "/twin");
    assert_string_equal(preopen_name(w, wasi, 6), "/new"); /* the first free number */
    assert_string_equal(preopen_name(w, wasi, 7), "/box");
    assert_false(is_open(w, wasi, 8));
    assert_int_equal(open_as(w, wasi, 5, "only", 0, READING, 0), 8);
    assert_int_equal(open_as(w, wasi, 4, "inner", 0, READING, 0), 9);
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void closed_directories_stay_closed_in_images_of_images(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    give_dir(w, wasi, "sub", "/closed", FNVM_DIR_READ_WRITE);
    assert_int_equal(CALL(wasi, fd_close, I32(4)), 0);
    Bytes first = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, first);
    Bytes second = freeze_only(wasi);
    wasi = usual_wasi(w);
    give_dir(w, wasi, "sub", "/closed", FNVM_DIR_READ_WRITE);
    thaw(wasi, second);
    assert_false(is_open(w, wasi, 4));
    fnvm_wasi_free(wasi);
    free(first.at);
    free(second.at);
}

static void files_outlive_the_directorys_descriptor(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t file = open_as(w, wasi, BOX, "file", 0, READING, 0);
    assert_int_equal(CALL(wasi, fd_close, I32(BOX)), 0);
    Bytes b = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_false(is_open(w, wasi, BOX));
    assert_int_equal(next_byte(w, wasi, file), '0');
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void missing_directories_are_all_named(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    give_dir(w, wasi, "sub", "/evil\033[2J", FNVM_DIR_READ_WRITE);
    open_as(w, wasi, BOX, "file", 0, READING, 0);
    open_as(w, wasi, BOX, "sub/inner", 0, READING, 0);
    Bytes b = freeze_only(wasi);
    wasi = new_wasi();
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_NOT_FOUND, "\"/box\"", "\"/evil\\1b[2J\"",
            "--dir HOST::GUEST", NULL);
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void a_read_only_grant_narrows(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t dir = open_dir(w, wasi, BOX, "sub");
    uint32_t file = open_as(w, wasi, BOX, "file", 0, READING, 0);
    Bytes b = freeze(wasi);
    uint32_t written = open_as(w, wasi, BOX, "file", 0, WRITING, 0);
    Bytes writing = freeze_only(wasi);
    assert_int_equal(written, 6);

    wasi = new_wasi();
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_ONLY);
    thaw(wasi, b);
    for (uint32_t fd = BOX; fd <= file; fd++)
        assert_int_equal(fdstat(w, wasi, fd).rights_base & WASI_RIGHTS_MUTATING, 0);
    memcpy(w->memory + PATH_AT, "inner", 5);
    assert_int_equal(CALL(wasi, path_unlink_file, I32(dir), I32(PATH_AT), I32(5)),
                     WASI_ENOTCAPABLE);
    assert_int_equal(CALL(wasi, path_open, I32(dir), I32(0), I32(PATH_AT), I32(5), I32(0),
                          I64(WASI_RIGHT_FD_WRITE), I64(0), I32(0), I32(0)),
                     WASI_ENOTCAPABLE);
    Bytes narrow = freeze_only(wasi);

    wasi = new_wasi();
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_ONLY);
    refused(wasi_thaw(wasi, writing.at, writing.size), FNVM_E_USAGE, "\"file\"", "read-only", NULL);
    fnvm_wasi_free(wasi);

    /* And what was frozen read-only stays so, whatever is given. */
    wasi = usual_wasi(w);
    thaw(wasi, narrow);
    for (uint32_t fd = BOX; fd <= dir; fd++)
        assert_int_equal(CALL(wasi, path_open, I32(fd), I32(0), I32(PATH_AT), I32(5), I32(0),
                              I64(WASI_RIGHT_FD_WRITE), I64(0), I32(0), I32(0)),
                         WASI_ENOTCAPABLE);
    fnvm_wasi_free(wasi);
    free(b.at);
    free(writing.at);
    free(narrow.at);
}

/* ---- What cannot be kept ---- */

static void sockets_are_refused(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(fnvm_wasi_preopen_socket(wasi, ends[0]));
    refuses_freeze(wasi, "descriptor 4: a socket", "close");
    assert_int_equal(CALL(wasi, fd_close, I32(4)), 0);
    Bytes b = freeze_only(wasi);
    /* One that is given later gets the next number. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    wasi = new_wasi();
    must(fnvm_wasi_preopen_socket(wasi, ends[0]));
    give_dir(w, wasi, ".", "/box", FNVM_DIR_READ_WRITE);
    thaw(wasi, b);
    assert_string_equal(preopen_name(w, wasi, BOX), "/box");
    assert_int_equal(fdstat(w, wasi, 4).filetype, WASI_FILETYPE_SOCKET_STREAM);
    fnvm_wasi_free(wasi);
    close(ends[1]);
    free(b.at);
}

static void removed_renamed_and_replaced_files_are_refused(void **state)
{
    World *w = *state;
    char from[128], to[128];
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "file", 0, READING, 0);
    open_as(w, wasi, BOX, "sub/inner", 0, READING, 0);
    host_path(w, "file", from);
    assert_int_equal(unlink(from), 0);
    host_path(w, "sub", from);
    host_path(w, "moved", to);
    assert_int_equal(rename(from, to), 0);
    refuses_freeze(wasi, "descriptor 4: \"file\" was removed or renamed",
                   "descriptor 5: \"sub/inner\" was removed");
    host_file(w, "file", "another");
    refuses_freeze(wasi, "descriptor 4: \"file\"", "");
    fnvm_wasi_free(wasi);
}

static void pipes_are_refused(void **state)
{
    World *w = *state;
    char path[128];
    host_path(w, "fifo", path);
    assert_int_equal(mkfifo(path, 0666), 0);
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "fifo", 0, READING, 0);
    refuses_freeze(wasi, "descriptor 4: \"fifo\" is neither", "");
    fnvm_wasi_free(wasi);
}

static void paths_have_a_limit(void **state)
{
    World *w = *state;
    char in_place[2001] = "", away_and_back[1501] = "";
    for (int i = 0; i < 1000; i++) strcat(in_place, "./");
    for (int i = 0; i < 250; i++) strcat(away_and_back, "d/../");
    char path[128];
    host_path(w, "sub/d", path);
    assert_int_equal(mkdir(path, 0777), 0);
    Wasi *wasi = usual_wasi(w);
    uint32_t dir = open_dir(w, wasi, BOX, "sub");
    for (int i = 0; i < 5; i++) { /* its path becomes no longer */
        uint32_t next = open_dir(w, wasi, dir, in_place);
        assert_int_equal(CALL(wasi, fd_renumber, I32(next), I32(dir)), 0);
    }
    free(freeze(wasi).at);
    for (int i = 0; i < 5; i++) {
        uint32_t next = open_dir(w, wasi, dir, away_and_back);
        assert_int_equal(CALL(wasi, fd_renumber, I32(next), I32(dir)), 0);
    }
    refuses_freeze(wasi, "descriptor 4", "path that is too long");
    fnvm_wasi_free(wasi);
}

static void files_that_are_gone_are_all_named(void **state)
{
    World *w = *state;
    char path[128];
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "file", 0, READING, 0);
    open_as(w, wasi, BOX, "sub/inner", 0, READING, 0);
    uint32_t only = open_as(w, wasi, BOX, "other/only", 0, READING, 0);
    Bytes b = freeze_only(wasi);
    host_path(w, "file", path);
    assert_int_equal(unlink(path), 0);
    host_path(w, "sub/inner", path);
    assert_int_equal(unlink(path), 0);
    wasi = usual_wasi(w);
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_NOT_FOUND, "descriptor 4: \"file\"",
            "descriptor 5: \"sub/inner\"", NULL);
    fnvm_wasi_free(wasi);
    host_file(w, "file", "");
    assert_int_equal(mkfifo(path, 0666), 0); /* of another type now */
    wasi = usual_wasi(w);
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_INVALID, "\"sub/inner\"", "another type", NULL);
    fnvm_wasi_free(wasi);
    assert_int_equal(unlink(path), 0);
    host_file(w, "sub/inner", "");
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_int_equal(next_byte(w, wasi, only), 'x');
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_USAGE, "has been used", NULL);
    fnvm_wasi_free(wasi);
    free(b.at);
}

/* ---- Resetting ---- */

static void resetting_undoes_everything(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t file = open_as(w, wasi, BOX, "file", 0, WRITING, 0);
    uint32_t inner = open_as(w, wasi, BOX, "sub/inner", 0, READING, 0);
    uint32_t dir = open_dir(w, wasi, BOX, "sub");
    seek_to(w, wasi, file, 3, WASI_WHENCE_SET);
    Bytes b = freeze_only(wasi);

    wasi = usual_wasi(w);
    refused(wasi_reset(wasi), FNVM_E_USAGE, "not restored", NULL);
    thaw(wasi, b);
    must(wasi_reset(wasi));
    assert_state(wasi, b);
    for (int round = 0; round < 3; round++) {
        seek_to(w, wasi, file, 8, WASI_WHENCE_SET); /* alone */
        must(wasi_reset(wasi));
        assert_state(wasi, b);

        for (int i = 0; i < 20; i++) open_as(w, wasi, BOX, "file", 0, READING, 0);
        assert_int_equal(CALL(wasi, fd_fdstat_set_flags, I32(file), I32(WASI_FDFLAG_APPEND)), 0);
        assert_int_equal(CALL(wasi, fd_fdstat_set_rights, I32(dir), I64(0), I64(0)), 0);
        assert_int_equal(CALL(wasi, fd_renumber, I32(file), I32(0)), 0);
        assert_int_equal(CALL(wasi, fd_renumber, I32(1), I32(inner)), 0);
        assert_int_equal(CALL(wasi, fd_close, I32(BOX)), 0);
        assert_int_equal(CALL(wasi, fd_close, I32(2)), 0);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* of one request, say */
        must(fnvm_wasi_stdio(wasi, 1, null));
        close(null);
        give_dir(w, wasi, "other", "/request", FNVM_DIR_READ_WRITE);
        must(wasi_reset(wasi));
        assert_state(wasi, b);
        assert_int_equal(next_byte(w, wasi, file), '3');
        assert_int_equal(seek_to(w, wasi, file, 3, WASI_WHENCE_SET), 3);
        assert_int_equal(CALL(wasi, fd_filestat_set_size, I32(file), I64(10)), WASI_ENOTCAPABLE);
        assert_int_equal(open_as(w, wasi, BOX, "file", 0, READING, 0), dir + 1);
    }
    fnvm_wasi_free(wasi);
    free(b.at);
}

static void appending_is_undone_in_the_host_too(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    uint32_t file = open_as(w, wasi, BOX, "file", 0, WRITING, 0);
    Bytes b = freeze_only(wasi);
    wasi = usual_wasi(w);
    thaw(wasi, b);
    assert_int_equal(CALL(wasi, fd_fdstat_set_flags, I32(file), I32(WASI_FDFLAG_APPEND)), 0);
    assert_int_equal(CALL(wasi, fd_close, I32(file)), 0);
    must(wasi_reset(wasi));
    assert_int_equal(write_byte(w, wasi, file), 0);
    assert_int_equal(position(w, wasi, file), 1);
    fnvm_wasi_free(wasi);
    free(b.at);
}

static int open_host_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void nothing_is_left_open(void **state)
{
    World *w = *state;
    int before = open_host_descriptors();
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "file", 0, WRITING, 0);
    give_dir(w, wasi, "other", "/other", FNVM_DIR_READ_WRITE);
    assert_int_equal(CALL(wasi, fd_close, I32(2)), 0);
    Bytes b = freeze_only(wasi);
    assert_int_equal(open_host_descriptors(), before);
    wasi = usual_wasi(w);
    refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_NOT_FOUND, "/other", NULL);
    fnvm_wasi_free(wasi);
    assert_int_equal(open_host_descriptors(), before);
    wasi = usual_wasi(w);
    give_dir(w, wasi, "other", "/other", FNVM_DIR_READ_WRITE);
    thaw(wasi, b);
    int thawed = open_host_descriptors();
    assert_int_equal(thawed, before + 5); /* standard error is closed */
    assert_int_equal(CALL(wasi, fd_close, I32(0)), 0);
    open_as(w, wasi, BOX, "sub/inner", 0, READING, 0);
    must(wasi_reset(wasi));
    assert_int_equal(open_host_descriptors(), thawed);
    assert_int_equal(CALL(wasi, fd_close, I32(4)), 0);
    fnvm_wasi_free(wasi);
    assert_int_equal(open_host_descriptors(), before);
    free(b.at);
}

static void an_image_without_descriptors_can_be_reset(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    must(wasi_thaw(wasi, NULL, 0));
    for (uint32_t i = 0; i <= BOX; i++) assert_true(is_open(w, wasi, i));
    assert_int_equal(CALL(wasi, fd_close, I32(BOX)), 0);
    must(wasi_reset(wasi));
    assert_string_equal(preopen_name(w, wasi, BOX), "/box");
    fnvm_wasi_free(wasi);
}

/* ---- Damaged bytes ---- */

/* Refused with an error, or a state like any other. */
static void try_bytes(const World *w, const uint8_t *bytes, size_t size, bool must_fail)
{
    uint8_t *copy = malloc(size + 1); /* of this size, for the sanitizers */
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    copy = realloc(copy, size ? size : 1);
    Wasi *wasi = usual_wasi(w);
    fnvm_error *error = wasi_thaw(wasi, copy, size);
    if (must_fail) assert_non_null(error);
    if (!error) must(wasi_reset(wasi));
    fnvm_error_free(error);
    fnvm_wasi_free(wasi);
    free(copy);
}

static void damaged_bytes_are_harmless(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "file", 0, READING, 0);
    open_dir(w, wasi, BOX, "sub");
    Bytes b = freeze_only(wasi);
    try_bytes(w, b.at, b.size, false);
    for (size_t size = 1; size < b.size; size++) try_bytes(w, b.at, size, true);
    uint8_t *longer = malloc(b.size + 1);
    memcpy(longer, b.at, b.size);
    longer[b.size] = 'x';
    try_bytes(w, longer, b.size + 1, true);
    free(longer);
    for (size_t i = 0; i < b.size; i++) {
        uint8_t byte = b.at[i];
        for (int bit = 0; bit < 8; bit++) {
            b.at[i] = byte ^ (uint8_t)(1 << bit);
            try_bytes(w, b.at, b.size, false);
        }
        b.at[i] = 0xFF;
        try_bytes(w, b.at, b.size, false);
        b.at[i] = 0;
        try_bytes(w, b.at, b.size, false);
        b.at[i] = byte;
    }
    free(b.at);
}

static void an_image_cannot_leave_a_directory(void **state)
{
    World *w = *state;
    Wasi *wasi = usual_wasi(w);
    open_as(w, wasi, BOX, "sub/../sub/inner", 0, READING, 0);
    Bytes b = freeze_only(wasi);
    char *path = memmem(b.at, b.size, "sub/../sub/inner", 16);
    assert_non_null(path);
    const char *const others[] = {"../../../../../.", "/etc/./././passw"};
    for (int i = 0; i < 2; i++) {
        memcpy(path, others[i], 16);
        wasi = usual_wasi(w);
        refused(wasi_thaw(wasi, b.at, b.size), FNVM_E_IO, "out of the directory", NULL);
        fnvm_wasi_free(wasi);
    }
    free(b.at);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_go_on_where_they_were),
        TEST(truncating_happens_once),
        TEST(paths_may_lead_through_links),
        TEST(streams_keep_their_places),
        TEST(streams_that_were_never_given_come_new),
        TEST(rights_that_were_given_up_stay_so),
        TEST(directories_are_found_by_name),
        TEST(closed_directories_stay_closed_in_images_of_images),
        TEST(files_outlive_the_directorys_descriptor),
        TEST(missing_directories_are_all_named),
        TEST(a_read_only_grant_narrows),
        TEST(sockets_are_refused),
        TEST(removed_renamed_and_replaced_files_are_refused),
        TEST(pipes_are_refused),
        TEST(paths_have_a_limit),
        TEST(files_that_are_gone_are_all_named),
        TEST(resetting_undoes_everything),
        TEST(appending_is_undone_in_the_host_too),
        TEST(nothing_is_left_open),
        TEST(an_image_without_descriptors_can_be_reset),
        TEST(damaged_bytes_are_harmless),
        TEST(an_image_cannot_leave_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
