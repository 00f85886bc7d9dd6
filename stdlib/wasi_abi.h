/* wasi_abi.h - WASI preview 1 as guests see it: numbers and memory layouts, nothing else.
 *
 * Names and values follow wasi_snapshot_preview1.witx.  The structures are the guest's bytes one
 * for one: every byte of padding is a named field, so that a structure that starts as {0} never
 * carries host memory into the guest.  Guest memory is little-endian; so must the host be.
 */
#ifndef FNVM_STDLIB_WASI_ABI_H
#define FNVM_STDLIB_WASI_ABI_H

#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "guest structures are copied as is");

/* ERRNO(name, guest value, host value).  notcapable has no host value: it stands apart below. */
#define WASI_ERRNOS(ERRNO)                     \
    ERRNO(2BIG, 1, E2BIG)                      \
    ERRNO(ACCES, 2, EACCES)                    \
    ERRNO(ADDRINUSE, 3, EADDRINUSE)            \
    ERRNO(ADDRNOTAVAIL, 4, EADDRNOTAVAIL)      \
    ERRNO(AFNOSUPPORT, 5, EAFNOSUPPORT)        \
    ERRNO(AGAIN, 6, EAGAIN)                    \
    ERRNO(ALREADY, 7, EALREADY)                \
    ERRNO(BADF, 8, EBADF)                      \
    ERRNO(BADMSG, 9, EBADMSG)                  \
    ERRNO(BUSY, 10, EBUSY)                     \
    ERRNO(CANCELED, 11, ECANCELED)             \
    ERRNO(CHILD, 12, ECHILD)                   \
    ERRNO(CONNABORTED, 13, ECONNABORTED)       \
    ERRNO(CONNREFUSED, 14, ECONNREFUSED)       \
    ERRNO(CONNRESET, 15, ECONNRESET)           \
    ERRNO(DEADLK, 16, EDEADLK)                 \
    ERRNO(DESTADDRREQ, 17, EDESTADDRREQ)       \
    ERRNO(DOM, 18, EDOM)                       \
    ERRNO(DQUOT, 19, EDQUOT)                   \
    ERRNO(EXIST, 20, EEXIST)                   \
    ERRNO(FAULT, 21, EFAULT)                   \
    ERRNO(FBIG, 22, EFBIG)                     \
    ERRNO(HOSTUNREACH, 23, EHOSTUNREACH)       \
    ERRNO(IDRM, 24, EIDRM)                     \
    ERRNO(ILSEQ, 25, EILSEQ)                   \
    ERRNO(INPROGRESS, 26, EINPROGRESS)         \
    ERRNO(INTR, 27, EINTR)                     \
    ERRNO(INVAL, 28, EINVAL)                   \
    ERRNO(IO, 29, EIO)                         \
    ERRNO(ISCONN, 30, EISCONN)                 \
    ERRNO(ISDIR, 31, EISDIR)                   \
    ERRNO(LOOP, 32, ELOOP)                     \
    ERRNO(MFILE, 33, EMFILE)                   \
    ERRNO(MLINK, 34, EMLINK)                   \
    ERRNO(MSGSIZE, 35, EMSGSIZE)               \
    ERRNO(MULTIHOP, 36, EMULTIHOP)             \
    ERRNO(NAMETOOLONG, 37, ENAMETOOLONG)       \
    ERRNO(NETDOWN, 38, ENETDOWN)               \
    ERRNO(NETRESET, 39, ENETRESET)             \
    ERRNO(NETUNREACH, 40, ENETUNREACH)         \
    ERRNO(NFILE, 41, ENFILE)                   \
    ERRNO(NOBUFS, 42, ENOBUFS)                 \
    ERRNO(NODEV, 43, ENODEV)                   \
    ERRNO(NOENT, 44, ENOENT)                   \
    ERRNO(NOEXEC, 45, ENOEXEC)                 \
    ERRNO(NOLCK, 46, ENOLCK)                   \
    ERRNO(NOLINK, 47, ENOLINK)                 \
    ERRNO(NOMEM, 48, ENOMEM)                   \
    ERRNO(NOMSG, 49, ENOMSG)                   \
    ERRNO(NOPROTOOPT, 50, ENOPROTOOPT)         \
    ERRNO(NOSPC, 51, ENOSPC)                   \
    ERRNO(NOSYS, 52, ENOSYS)                   \
    ERRNO(NOTCONN, 53, ENOTCONN)               \
    ERRNO(NOTDIR, 54, ENOTDIR)                 \
    ERRNO(NOTEMPTY, 55, ENOTEMPTY)             \
    ERRNO(NOTRECOVERABLE, 56, ENOTRECOVERABLE) \
    ERRNO(NOTSOCK, 57, ENOTSOCK)               \
    ERRNO(NOTSUP, 58, EOPNOTSUPP)              \
    ERRNO(NOTTY, 59, ENOTTY)                   \
    ERRNO(NXIO, 60, ENXIO)                     \
    ERRNO(OVERFLOW, 61, EOVERFLOW)             \
    ERRNO(OWNERDEAD, 62, EOWNERDEAD)           \
    ERRNO(PERM, 63, EPERM)                     \
    ERRNO(PIPE, 64, EPIPE)                     \
    ERRNO(PROTO, 65, EPROTO)                   \
    ERRNO(PROTONOSUPPORT, 66, EPROTONOSUPPORT) \
    ERRNO(PROTOTYPE, 67, EPROTOTYPE)           \
    ERRNO(RANGE, 68, ERANGE)                   \
    ERRNO(ROFS, 69, EROFS)                     \
    ERRNO(SPIPE, 70, ESPIPE)                   \
    ERRNO(SRCH, 71, ESRCH)                     \
    ERRNO(STALE, 72, ESTALE)                   \
    ERRNO(TIMEDOUT, 73, ETIMEDOUT)             \
    ERRNO(TXTBSY, 74, ETXTBSY)                 \
    ERRNO(XDEV, 75, EXDEV)

typedef uint16_t WasiErrno;

enum {
    WASI_SUCCESS = 0,
#define ERRNO(name, guest, host) WASI_E##name = guest,
    WASI_ERRNOS(ERRNO)
#undef ERRNO
        WASI_ENOTCAPABLE = 76
};

enum { /* clockid */
       WASI_CLOCK_REALTIME,
       WASI_CLOCK_MONOTONIC,
       WASI_CLOCK_PROCESS_CPUTIME,
       WASI_CLOCK_THREAD_CPUTIME
};

/* rights */
#define WASI_RIGHT_FD_DATASYNC (UINT64_C(1) << 0)
#define WASI_RIGHT_FD_READ (UINT64_C(1) << 1)
#define WASI_RIGHT_FD_SEEK (UINT64_C(1) << 2)
#define WASI_RIGHT_FD_FDSTAT_SET_FLAGS (UINT64_C(1) << 3)
#define WASI_RIGHT_FD_SYNC (UINT64_C(1) << 4)
#define WASI_RIGHT_FD_TELL (UINT64_C(1) << 5)
#define WASI_RIGHT_FD_WRITE (UINT64_C(1) << 6)
#define WASI_RIGHT_FD_ADVISE (UINT64_C(1) << 7)
#define WASI_RIGHT_FD_ALLOCATE (UINT64_C(1) << 8)
#define WASI_RIGHT_PATH_CREATE_DIRECTORY (UINT64_C(1) << 9)
#define WASI_RIGHT_PATH_CREATE_FILE (UINT64_C(1) << 10)
#define WASI_RIGHT_PATH_LINK_SOURCE (UINT64_C(1) << 11)
#define WASI_RIGHT_PATH_LINK_TARGET (UINT64_C(1) << 12)
#define WASI_RIGHT_PATH_OPEN (UINT64_C(1) << 13)
#define WASI_RIGHT_FD_READDIR (UINT64_C(1) << 14)
#define WASI_RIGHT_PATH_READLINK (UINT64_C(1) << 15)
#define WASI_RIGHT_PATH_RENAME_SOURCE (UINT64_C(1) << 16)
#define WASI_RIGHT_PATH_RENAME_TARGET (UINT64_C(1) << 17)
#define WASI_RIGHT_PATH_FILESTAT_GET (UINT64_C(1) << 18)
#define WASI_RIGHT_PATH_FILESTAT_SET_SIZE (UINT64_C(1) << 19)
#define WASI_RIGHT_PATH_FILESTAT_SET_TIMES (UINT64_C(1) << 20)
#define WASI_RIGHT_FD_FILESTAT_GET (UINT64_C(1) << 21)
#define WASI_RIGHT_FD_FILESTAT_SET_SIZE (UINT64_C(1) << 22)
#define WASI_RIGHT_FD_FILESTAT_SET_TIMES (UINT64_C(1) << 23)
#define WASI_RIGHT_PATH_SYMLINK (UINT64_C(1) << 24)
#define WASI_RIGHT_PATH_REMOVE_DIRECTORY (UINT64_C(1) << 25)
#define WASI_RIGHT_PATH_UNLINK_FILE (UINT64_C(1) << 26)
#define WASI_RIGHT_POLL_FD_READWRITE (UINT64_C(1) << 27)
#define WASI_RIGHT_SOCK_SHUTDOWN (UINT64_C(1) << 28)
#define WASI_RIGHT_SOCK_ACCEPT (UINT64_C(1) << 29)

enum { /* filetype */
       WASI_FILETYPE_UNKNOWN,
       WASI_FILETYPE_BLOCK_DEVICE,
       WASI_FILETYPE_CHARACTER_DEVICE,
       WASI_FILETYPE_DIRECTORY,
       WASI_FILETYPE_REGULAR_FILE,
       WASI_FILETYPE_SOCKET_DGRAM,
       WASI_FILETYPE_SOCKET_STREAM,
       WASI_FILETYPE_SYMBOLIC_LINK
};

enum { /* fdflags */
       WASI_FDFLAG_APPEND = 1 << 0,
       WASI_FDFLAG_DSYNC = 1 << 1,
       WASI_FDFLAG_NONBLOCK = 1 << 2,
       WASI_FDFLAG_RSYNC = 1 << 3,
       WASI_FDFLAG_SYNC = 1 << 4,
       WASI_FDFLAGS_ALL = (1 << 5) - 1,
       WASI_FDFLAGS_SYNCS = WASI_FDFLAG_DSYNC | WASI_FDFLAG_RSYNC | WASI_FDFLAG_SYNC
};

enum { /* oflags */
       WASI_OFLAG_CREAT = 1 << 0,
       WASI_OFLAG_DIRECTORY = 1 << 1,
       WASI_OFLAG_EXCL = 1 << 2,
       WASI_OFLAG_TRUNC = 1 << 3,
       WASI_OFLAGS_ALL = (1 << 4) - 1
};

enum { WASI_LOOKUP_SYMLINK_FOLLOW = 1 << 0, WASI_LOOKUPS_ALL = 1 };

enum { /* fstflags */
       WASI_FST_ATIM = 1 << 0,
       WASI_FST_ATIM_NOW = 1 << 1,
       WASI_FST_MTIM = 1 << 2,
       WASI_FST_MTIM_NOW = 1 << 3,
       WASI_FSTS_ALL = (1 << 4) - 1
};

enum { WASI_WHENCE_SET, WASI_WHENCE_CUR, WASI_WHENCE_END };

/* preopentype.  The witx names only `dir`; a handed-in socket answers with the next value, which
 * guests' start-up code steps over, where an errno would end its search for directories. */
enum { WASI_PREOPEN_DIR, WASI_PREOPEN_SOCKET };

enum { WASI_EVENT_CLOCK, WASI_EVENT_FD_READ, WASI_EVENT_FD_WRITE };
enum { WASI_EVENTRW_HANGUP = 1 << 0 };
enum { WASI_SUBCLOCK_ABSTIME = 1 << 0 };

enum { WASI_RIFLAG_PEEK = 1 << 0, WASI_RIFLAG_WAITALL = 1 << 1, WASI_RIFLAGS_ALL = 3 };
enum { WASI_ROFLAG_DATA_TRUNCATED = 1 << 0 };
enum { WASI_SDFLAG_RD = 1 << 0, WASI_SDFLAG_WR = 1 << 1, WASI_SDFLAGS_ALL = 3 };

/* ---- Structures in guest memory -------------------------------------------------------------- */

typedef struct AbiIovec { /* iovec and ciovec */
    uint32_t buf;
    uint32_t len;
} AbiIovec;
_Static_assert(sizeof(AbiIovec) == 8, "iovec");

typedef struct AbiFdstat {
    uint8_t filetype;
    uint8_t pad1;
    uint16_t flags;
    uint8_t pad2[4];
    uint64_t rights_base;
    uint64_t rights_inheriting;
} AbiFdstat;
_Static_assert(sizeof(AbiFdstat) == 24 && offsetof(AbiFdstat, flags) == 2, "fdstat");
_Static_assert(offsetof(AbiFdstat, rights_base) == 8, "fdstat");

typedef struct AbiFilestat {
    uint64_t dev;
    uint64_t ino;
    uint8_t filetype;
    uint8_t pad[7];
    uint64_t nlink;
    uint64_t size;
    uint64_t atim; /* nanoseconds since 1970 */
    uint64_t mtim;
    uint64_t ctim;
} AbiFilestat;
_Static_assert(sizeof(AbiFilestat) == 64 && offsetof(AbiFilestat, nlink) == 24, "filestat");

typedef struct AbiDirent { /* the name follows, without a NUL */
    uint64_t next;
    uint64_t ino;
    uint32_t namlen;
    uint8_t type;
    uint8_t pad[3];
} AbiDirent;
_Static_assert(sizeof(AbiDirent) == 24 && offsetof(AbiDirent, type) == 20, "dirent");

typedef struct AbiPrestat {
    uint8_t tag;
    uint8_t pad[3];
    uint32_t name_len;
} AbiPrestat;
_Static_assert(sizeof(AbiPrestat) == 8, "prestat");

typedef struct AbiSubscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t pad[7];
    union {
        struct {
            uint32_t id;
            uint8_t pad1[4];
            uint64_t timeout;
            uint64_t precision;
            uint16_t flags;
            uint8_t pad2[6];
        } clock;
        struct {
            uint32_t fd;
        } readwrite;
    } of;
} AbiSubscription;
_Static_assert(sizeof(AbiSubscription) == 48, "subscription");
_Static_assert(offsetof(AbiSubscription, of) == 16, "subscription_u");
_Static_assert(offsetof(AbiSubscription, of.clock.flags) == 40, "subscription_clock");

typedef struct AbiEvent {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint8_t pad1[5];
    uint64_t nbytes;
    uint16_t flags;
    uint8_t pad2[6];
} AbiEvent;
_Static_assert(sizeof(AbiEvent) == 32 && offsetof(AbiEvent, nbytes) == 16, "event");
_Static_assert(offsetof(AbiEvent, flags) == 24, "event_fd_readwrite");

#endif
