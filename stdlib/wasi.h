/* wasi.h - what the files of WASI preview 1 share: the guest's descriptors, access to its memory,
 * waiting that can be interrupted, and the list of functions.
 *
 * A WASI function takes a WasiCall and its arguments and returns an errno.  It reads what it needs
 * from guest memory once, into host variables, before it acts; it checks the places for its results
 * before it acts, too, so that a bad pointer has no side effects.
 *
 * A fnvm_wasi belongs to one thread at a time, like the stores that use it.
 */
#ifndef FNVM_STDLIB_WASI_H
#define FNVM_STDLIB_WASI_H

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "fnvm.h"
#include "stdlib/wasi_abi.h"
#include "vm/store.h"
#include "vm/wasi_functions.h"

/* ---- Limits ---------------------------------------------------------------------------------- */

enum {
    WASI_MAX_DESCRIPTORS = 1024,   /* of one guest; then errno mfile */
    WASI_FIRST_DESCRIPTOR = 3,     /* 0 to 2 are stdio's, even where it is closed */
    WASI_MAX_IOVECS = 1024,        /* of one call; the host's own limit (IOV_MAX) */
    WASI_MAX_PATH = 4096,          /* bytes; the host's PATH_MAX, with its NUL */
    WASI_MAX_SUBSCRIPTIONS = 4096, /* of one poll_oneoff */
};
/* Bytes that one call of the guest's moves: it bounds what it costs, fuel being charged per call.
 * A guest sees a short read or write, which it must expect anyway. */
#define WASI_MAX_IO_BYTES ((size_t)64 << 20)
/* Bytes that one system call moves: some take 3 ns for each (/dev/urandom), and between two calls
 * there is a look at the interrupt. */
#define WASI_PIECE_BYTES ((size_t)1 << 20)
/* Bytes that one system call reserves: a file system in memory takes 30 ms for them. */
#define WASI_ALLOCATE_BYTES ((uint64_t)64 << 20)

/* ---- Descriptors ----------------------------------------------------------------------------- */

/* Where a descriptor comes from, whatever its number is by now. */
typedef enum Origin {
    ORIGIN_STREAM,  /* the standard stream `of` */
    ORIGIN_DIR,     /* the preopened directory dirs[of], which owns `host` */
    ORIGIN_SOCKET,  /* a preopened socket */
    ORIGIN_OPENED,  /* opened by the guest beneath dirs[of], or beneath a directory that was */
    ORIGIN_ACCEPTED /* by a socket */
} Origin;

enum { WASI_EMBEDDED = INT_MAX }; /* no host has so many: what is done with it by mistake is badf */

typedef struct Descriptor {
    int host;         /* -1: this descriptor is not open; WASI_EMBEDDED: it is no descriptor of the
                       * host's, but the embedder's stream `of` */
    uint8_t filetype; /* WASI_FILETYPE_*, as it was when opened */
    uint8_t origin;   /* Origin */
    bool shared;      /* the host's open file is the embedder's too: its status flags stay alone */
    bool read_only;   /* a read-only directory, see WASI_RIGHTS_MUTATING */
    bool kept;        /* `host` and `path` are the baseline's: closing leaves them alone */
    uint8_t lookup;   /* WASI_LOOKUP_* that it was opened with */
    uint16_t flags;   /* WASI_FDFLAG_*; NONBLOCK is kept here only, see descriptor_is_stream */
    uint32_t of;      /* see Origin */
    uint64_t base;    /* rights */
    uint64_t inheriting;
    char *path; /* ORIGIN_OPENED: from the preopened directory; NULL: too long to be kept; owned */
} Descriptor;

/* A directory that the embedder gave.  It stays open when the guest closes its descriptor: files
 * that were opened beneath it are found again from here. */
typedef struct GivenDir {
    int host; /* -1: an image says that the guest had it and closed it */
    bool read_only;
    char *name; /* the guest's; owned */
} GivenDir;

typedef struct StringList { /* args and environ: NUL-terminated strings, back to back */
    char *bytes;
    size_t len_bytes, room_bytes; /* in use; allocated */
    size_t count;
} StringList;

typedef struct WasiBinding WasiBinding;
typedef struct WasiBaseline WasiBaseline; /* wasi_image.c */
typedef struct Draws Draws;               /* wasi_draws.c */

struct fnvm_wasi {
    StringList args;
    StringList environ;
    Descriptor *descriptors; /* [count]; a guest's number is an index */
    uint32_t count;
    bool changed;     /* descriptors have come, gone or changed since wasi_thaw or wasi_reset */
    uint8_t streams;  /* bit k: the guest was given the standard stream k at some time */
    bool notes_draws; /* fnvm_wasi_note_draws */
    bool has_calls;   /* fnvm_wasi_allow_calls: there is a call table ... */
    uint64_t calls;   /* ... a bit per row of WASI_FUNCTIONS */
    uint64_t output_limit, output; /* bytes: the most, and those written so far */
    uint32_t descriptors_limit;    /* numbers are below it, all but those that an image brings */
    GivenDir *dirs;   /* [ndirs]; their order is that in which they were given */
    uint32_t ndirs;
    WasiBaseline *baseline; /* what wasi_reset goes back to; NULL before wasi_thaw */
    Draws *draws;           /* NULL until there are any */
    fnvm_error *(*at_stdin)(void *env, fnvm_caller *); /* NULL: nothing is waiting for it */
    void *at_stdin_env;
    fnvm_stream embedded[WASI_FIRST_DESCRIPTOR]; /* by stream */
    uint8_t is_embedded;    /* bit k: the standard stream k is the embedder's */
    fnvm_error *(*at_sleep)(void *env, fnvm_caller *, uint64_t deadline_ns); /* or NULL */
    void *at_sleep_env;
    uint64_t waits_since;   /* when the poll_oneoff began that the guest is left waiting in */
    WasiBinding *bindings; /* one per function: what the linker passes back as `env` */
};
typedef struct fnvm_wasi Wasi;

static inline bool descriptor_is_embedded(const Descriptor *d) { return d->host == WASI_EMBEDDED; }

/* Pipes, terminals and sockets: what can make a caller wait.  Those that we opened are nonblocking
 * on the host's side whatever the guest asked for; the wait is ours, so that it can be
 * interrupted. */
static inline bool descriptor_is_stream(const Descriptor *d)
{
    return d->filetype != WASI_FILETYPE_REGULAR_FILE && d->filetype != WASI_FILETYPE_DIRECTORY &&
           d->filetype != WASI_FILETYPE_BLOCK_DEVICE;
}

static inline bool descriptor_is_socket(const Descriptor *d)
{
    return d->filetype == WASI_FILETYPE_SOCKET_STREAM || d->filetype == WASI_FILETYPE_SOCKET_DGRAM;
}

/* What a descriptor of this type can have at all. */
#define WASI_RIGHTS_DIRECTORY                                                                  \
    (WASI_RIGHT_FD_FDSTAT_SET_FLAGS | WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_SYNC |            \
     WASI_RIGHT_PATH_CREATE_DIRECTORY | WASI_RIGHT_PATH_CREATE_FILE |                          \
     WASI_RIGHT_PATH_LINK_SOURCE | WASI_RIGHT_PATH_LINK_TARGET | WASI_RIGHT_PATH_OPEN |        \
     WASI_RIGHT_FD_READDIR | WASI_RIGHT_PATH_READLINK | WASI_RIGHT_PATH_RENAME_SOURCE |        \
     WASI_RIGHT_PATH_RENAME_TARGET | WASI_RIGHT_PATH_FILESTAT_GET |                            \
     WASI_RIGHT_PATH_FILESTAT_SET_SIZE | WASI_RIGHT_PATH_FILESTAT_SET_TIMES |                  \
     WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_PATH_SYMLINK | \
     WASI_RIGHT_PATH_REMOVE_DIRECTORY | WASI_RIGHT_PATH_UNLINK_FILE)
#define WASI_RIGHTS_STREAM                                                            \
    (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_FDSTAT_SET_FLAGS |      \
     WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_POLL_FD_READWRITE | WASI_RIGHT_FD_SYNC | \
     WASI_RIGHT_FD_DATASYNC)
#define WASI_RIGHTS_FILE                                                                   \
    (WASI_RIGHTS_STREAM | WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL | WASI_RIGHT_FD_ADVISE | \
     WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE | WASI_RIGHT_FD_FILESTAT_SET_TIMES)
#define WASI_RIGHTS_SOCKET (WASI_RIGHTS_STREAM | WASI_RIGHT_SOCK_SHUTDOWN)
#define WASI_RIGHTS_LISTENER (WASI_RIGHTS_SOCKET | WASI_RIGHT_SOCK_ACCEPT)
/* What a read-only directory loses, and everything opened through it.  Linking or renaming a file
 * out of it would give it a name under which it could be written.  One bit stays for show: the
 * inheriting rights keep fd_write, because libc asks for no more than it finds there, and would
 * open a file for reading and lose what is written.  So it asks, and path_open refuses. */
#define WASI_RIGHTS_MUTATING                                                                   \
    (WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE |          \
     WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_PATH_CREATE_DIRECTORY |                     \
     WASI_RIGHT_PATH_CREATE_FILE | WASI_RIGHT_PATH_LINK_SOURCE | WASI_RIGHT_PATH_LINK_TARGET | \
     WASI_RIGHT_PATH_RENAME_SOURCE | WASI_RIGHT_PATH_RENAME_TARGET |                           \
     WASI_RIGHT_PATH_FILESTAT_SET_SIZE | WASI_RIGHT_PATH_FILESTAT_SET_TIMES |                  \
     WASI_RIGHT_PATH_SYMLINK | WASI_RIGHT_PATH_REMOVE_DIRECTORY | WASI_RIGHT_PATH_UNLINK_FILE)

/* ---- Calls ----------------------------------------------------------------------------------- */

typedef struct WasiCall {
    fnvm_caller *caller;
    Wasi *wasi;
    uint8_t *memory;      /* never NULL */
    uint64_t memory_size; /* 0 where the calling module exports none */
    fnvm_error *error;    /* set by a function that ends or traps the guest; owned */
} WasiCall;

typedef WasiErrno WasiFunction(WasiCall *, const fnvm_slot *args);

/* The open descriptor `fd` if it has all of `rights`.  The errno for a missing right follows
 * POSIX where it has a word (badf, isdir, spipe), else it is notcapable. */
WasiErrno descriptor_get(Wasi *, uint32_t fd, uint64_t rights, Descriptor **out);
/* The same; notdir unless it is a directory. */
WasiErrno descriptor_get_directory(Wasi *, uint32_t fd, uint64_t rights, Descriptor **out);
/* A number for a new descriptor, which stays free until it is filled.  Moves `descriptors`: fetch
 * pointers into it afterwards. */
WasiErrno descriptor_reserve(Wasi *, uint32_t *fd);
/* Fills a number that is not open. */
void descriptor_set(Wasi *, uint32_t fd, const Descriptor *);
void descriptor_close(Wasi *, Descriptor *); /* one of the Wasi's; closed already is fine */
void descriptor_release(Descriptor *);       /* what it owns, if it is not a Wasi's (yet) */
/* What kind of file `host` is, and what rights its kind can have. */
WasiErrno descriptor_classify(int host, uint8_t *filetype, uint64_t *rights);
/* The same for standard streams, with the rights that its access mode leaves. */
WasiErrno descriptor_classify_stream(int host, uint8_t *filetype, uint64_t *rights);
/* What a directory that the embedder gives can have, and what is opened through it. */
void wasi_dir_rights(bool read_only, uint64_t *base, uint64_t *inheriting);

/* A host errno (not 0) in the guest's numbering. */
WasiErrno wasi_errno(int host_errno);
uint8_t wasi_filetype(mode_t mode);

/* ---- Guest memory ---------------------------------------------------------------------------- */

/* The bytes [address, address + len), or NULL if they are not all inside the memory. */
static inline uint8_t *guest_bytes(const WasiCall *call, uint32_t address, uint64_t len)
{
    if (address > call->memory_size || len > call->memory_size - address) return NULL;
    return call->memory + address;
}

/* The vectors of a read or write, checked and copied.  Their total is cut to WASI_MAX_IO_BYTES. */
typedef struct GuestVectors {
    struct iovec at[WASI_MAX_IOVECS];
    size_t count;
    size_t total_bytes;
} GuestVectors;
WasiErrno guest_vectors(const WasiCall *, uint32_t address, uint32_t count, GuestVectors *out);
/* Drops the first `len` bytes. */
void guest_vectors_advance(GuestVectors *, size_t len);
/* Drops all but the first `len` bytes. */
void guest_vectors_cut(GuestVectors *, size_t len);

/* ---- Output ---------------------------------------------------------------------------------- */

/* The limit of fnvm_wasi_limit_output is on what a guest makes bytes of outside: what it writes and
 * sends, what it reserves (fd_allocate), what it makes files grow by without writing (a size that
 * is set, a gap before what is written) and the text of links.  Names of files are not counted. */

/* Cuts the vectors to what may still be written; dquot where that is nothing of something. */
WasiErrno wasi_output_cut(const Wasi *, GuestVectors *);
/* Takes `bytes` of what may still be written, or dquot and nothing. */
WasiErrno wasi_output_take(Wasi *, uint64_t bytes);
/* The same for what a regular file would grow by, if its size became `size`. */
WasiErrno wasi_output_take_growth(Wasi *, const Descriptor *, uint64_t size);
/* The same for what writing at `offset` (-1: where the file is) would leave unwritten behind the
 * file's end. */
WasiErrno wasi_output_take_gap(Wasi *, const Descriptor *, int64_t offset);
/* Notes what was written, of what was cut before. */
static inline void wasi_output_wrote(Wasi *wasi, size_t bytes) { wasi->output += bytes; }

/* ---- Waiting --------------------------------------------------------------------------------- */

#define WASI_FOREVER UINT64_MAX
/* ppoll(2) that also ends when the store is interrupted, with errno intr.  The caller leaves
 * fds[0] free for that; `count` includes it.  Errno again: the time is up. */
WasiErrno wasi_poll(WasiCall *, struct pollfd *fds, size_t count, uint64_t timeout_ns);
/* Waits until a stream is ready; errno again at once if the descriptor is nonblocking. */
WasiErrno wasi_wait(WasiCall *, const Descriptor *, short events);

uint64_t wasi_nanoseconds(const struct timespec *); /* saturates; 0 before 1970 */
WasiErrno wasi_clock_now(uint32_t clock_id, uint64_t *nanoseconds);

/* Whether this call is not the guest's, but the repetition of one that it was left waiting in. */
static inline bool wasi_call_repeats(const WasiCall *call)
{
    const Store *s = call->caller->store;
    return s->repeating && s->host_depth == 1;
}

/* ---- The embedder's streams ------------------------------------------------------------------ */

uint64_t wasi_embedded_rights(const Wasi *, uint32_t stream);
/* The descriptor of a standard stream becomes `d`, under the stream's own number. */
fnvm_error *wasi_set_stream(Wasi *, const Descriptor *d);
/* Of at least one byte.  What ends the guest, or leaves it waiting, is in call->error: then nothing
 * was moved.  A write that could go on only by waiting is a short one. */
WasiErrno wasi_embedded_read(WasiCall *, const Descriptor *, const GuestVectors *, size_t *done);
WasiErrno wasi_embedded_write(WasiCall *, const Descriptor *, const GuestVectors *, size_t *done);
/* NULL: reading or writing would not wait. */
fnvm_error *wasi_embedded_ready(WasiCall *, const Descriptor *, bool reads);

/* ---- Images ---------------------------------------------------------------------------------- */

/* Whether a guest that reads from `d` now is to be announced. */
static inline bool wasi_awaits_stdin(const Wasi *wasi, const Descriptor *d)
{
    return wasi->at_stdin && d->origin == ORIGIN_STREAM && d->of == 0;
}
/* Calls at_stdin, for the first and only time.  False: call->error is set. */
bool wasi_announce_stdin(WasiCall *);

typedef enum DrawKind { DRAW_RANDOM, DRAW_CLOCK, DRAW_KINDS } DrawKind;
/* Notes which functions of the guest draw, for wasi_draws; may set call->error. */
void wasi_note_draw(WasiCall *, DrawKind);
void wasi_draws_free(Draws *);
void wasi_baseline_free(WasiBaseline *);

/* Bytes of the guest's choice, for people: control characters escaped, and cut to `max` bytes. */
void wasi_print(FILE *, const char *bytes, size_t len, size_t max);

/* ---- Shared by fd_*, path_* and sock_* ------------------------------------------------------- */

void wasi_filestat(const struct stat *, AbiFilestat *out);
/* The two times that utimensat(2) takes. */
WasiErrno wasi_times(uint64_t atim, uint64_t mtim, uint32_t fst_flags, struct timespec out[2]);
/* Sends everything, or what fits where the guest does not wait. */
WasiErrno wasi_socket_write(WasiCall *, Descriptor *, GuestVectors *, size_t *written);

/* ---- The functions --------------------------------------------------------------------------- */

#define FUNC(name, type, in_unstable) WasiFunction wasi_##name;
WASI_FUNCTIONS(FUNC)
#undef FUNC

/* Whether row `i` of WASI_FUNCTIONS is in the call table. */
static inline bool wasi_call_is_allowed(const Wasi *wasi, size_t i)
{
    return !wasi->has_calls || (wasi->calls >> i & 1);
}

/* The host's openat2(2) beneath a directory; a host descriptor, or -1 with errno set. */
int wasi_open_beneath(int dir, const char *path, uint64_t flags, uint32_t mode);
/* Its flags, but for the access mode. */
uint64_t wasi_open_flags(uint32_t lookup, uint32_t oflags, uint32_t fdflags);

#endif
