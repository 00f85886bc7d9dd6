/* wasi_path.c - path_*: everything that names a file, kept inside its directory by the kernel.
 *
 * Every lookup is one openat2(2) with RESOLVE_BENEATH: the kernel follows `..` and symbolic links
 * and refuses the step that would leave, however the tree changes meanwhile.  Functions that only
 * look at a file open the whole path with O_PATH.  Functions that change a directory have no such
 * form, so there the path is cut once, before its last component: the kernel opens the parent, and
 * the last component, which is then a plain name (no slash, not `.` or `..`), is handed to a call
 * that does not follow links.  A trailing slash never reaches such a call, because the kernel would
 * follow a link for it: what the slash means is decided here.
 *
 * Leaving the directory, by `..`, by an absolute path or through a link, is errno perm: that is
 * what the WebAssembly project's own WASI tests ask for.
 */
#include "stdlib/wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct GuestPath {
    char text[WASI_MAX_PATH];
    size_t len;
} GuestPath;

/* Copies a path out of guest memory.  Bytes other than NUL are the host's to judge. */
static WasiErrno path_get(const WasiCall *call, uint32_t address, uint32_t len, GuestPath *out)
{
    const uint8_t *bytes = guest_bytes(call, address, len);
    if (!bytes) return WASI_EFAULT;
    if (len >= WASI_MAX_PATH) return WASI_ENAMETOOLONG;
    memcpy(out->text, bytes, len);
    out->text[len] = '\0';
    out->len = len;
    if (memchr(out->text, '\0', len)) return WASI_EINVAL;
    return WASI_SUCCESS;
}

/* The errno of a lookup.  Only here EXDEV means an escape: rename and link mean it literally. */
static WasiErrno lookup_errno(void) { return errno == EXDEV ? WASI_EPERM : wasi_errno(errno); }

/* Opens a path with O_PATH, to look at what it names. */
static WasiErrno path_find(const Descriptor *dir, const char *path, bool follow, uint64_t flags,
                           int *out)
{
    flags |= O_PATH | (follow ? 0 : O_NOFOLLOW);
    *out = wasi_open_beneath(dir->host, path, flags, 0);
    return *out < 0 ? lookup_errno() : WASI_SUCCESS;
}

/* ---- The last component ---------------------------------------------------------------------- */

/* Where a path ends: the directory that holds its last component. */
typedef struct PathEnd {
    int parent; /* a host descriptor */
    bool owns_parent;
    bool slash;       /* a slash followed: the name has to be a directory's */
    const char *name; /* in the GuestPath; a plain name unless `dots` */
    bool dots;        /* the name is `.` or `..`: nothing that could be made, moved or removed */
} PathEnd;

static void path_end_close(PathEnd *end)
{
    if (end->owns_parent) close(end->parent);
}

/* Cuts `path` (which it changes) before its last component and opens what comes before. */
static WasiErrno path_end_open(const Descriptor *dir, GuestPath *path, PathEnd *out)
{
    *out = (PathEnd){.parent = dir->host};
    if (path->len == 0) return WASI_ENOENT;
    if (path->text[0] == '/') return WASI_EPERM;
    /* `a/..` and its like name a directory, which has to exist within the sandbox. */
    size_t len = path->len;
    while (path->text[len - 1] == '/') len--;
    out->slash = len < path->len;
    path->text[len] = '\0';
    char *slash = strrchr(path->text, '/');
    out->name = slash ? slash + 1 : path->text;
    out->dots = strcmp(out->name, ".") == 0 || strcmp(out->name, "..") == 0;
    if (out->dots) {
        int fd;
        WasiErrno error = path_find(dir, path->text, true, O_DIRECTORY, &fd);
        if (!error) close(fd);
        return error;
    }
    if (!slash) return WASI_SUCCESS;
    *slash = '\0';
    WasiErrno error = path_find(dir, path->text, true, O_DIRECTORY, &out->parent);
    out->owns_parent = !error;
    return error;
}

/* The mode of what the name stands for, links not followed. */
static WasiErrno path_end_mode(const PathEnd *end, mode_t *mode)
{
    struct stat st;
    *mode = 0;
    if (fstatat(end->parent, end->name, &st, AT_SYMLINK_NOFOLLOW) < 0) return wasi_errno(errno);
    *mode = st.st_mode;
    return WASI_SUCCESS;
}

/* Why something that is no directory cannot be made under a name with a trailing slash. */
static WasiErrno slash_refuses_creation(const PathEnd *end)
{
    mode_t mode;
    WasiErrno error = path_end_mode(end, &mode);
    if (error) return error;
    return S_ISDIR(mode) ? WASI_EEXIST : WASI_ENOTDIR;
}

/* The directory, the path and its end, for the functions that take one of each. */
typedef struct PathTarget {
    Descriptor *dir;
    GuestPath path;
    PathEnd end;
} PathTarget;

static WasiErrno target_open(WasiCall *call, uint32_t fd, uint64_t rights, uint32_t address,
                             uint32_t len, PathTarget *out)
{
    out->end = (PathEnd){.parent = -1};
    WasiErrno error = descriptor_get_directory(call->wasi, fd, rights, &out->dir);
    if (!error) error = path_get(call, address, len, &out->path);
    if (!error) error = path_end_open(out->dir, &out->path, &out->end);
    return error;
}

/* ---- Opening --------------------------------------------------------------------------------- */

typedef struct OpenRequest {
    uint32_t lookup, oflags, fdflags;
    uint64_t base, inheriting;
} OpenRequest;

/* May this be opened at all through `dir`?  Rights that a guest asks for to be on the safe side
 * (most do) are narrowed in silence; those without which the descriptor would be useless for what
 * the guest plainly means are refused at once. */
static WasiErrno open_check(const Descriptor *dir, const OpenRequest *request)
{
    const uint64_t essential = WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE |
                               WASI_RIGHT_FD_FILESTAT_SET_SIZE;
    const uint32_t makes = WASI_OFLAG_CREAT | WASI_OFLAG_EXCL | WASI_OFLAG_TRUNC;
    if ((request->lookup & ~(uint32_t)WASI_LOOKUPS_ALL) ||
        (request->oflags & ~(uint32_t)WASI_OFLAGS_ALL) ||
        (request->fdflags & ~(uint32_t)WASI_FDFLAGS_ALL))
        return WASI_EINVAL;
    if ((request->oflags & WASI_OFLAG_DIRECTORY) && (request->oflags & makes)) return WASI_EINVAL;
    if ((request->oflags & WASI_OFLAG_CREAT) && !(dir->base & WASI_RIGHT_PATH_CREATE_FILE))
        return WASI_ENOTCAPABLE;
    /* perm, where the other rights are notcapable: again the word of the project's tests. */
    if ((request->oflags & WASI_OFLAG_TRUNC) && !(dir->base & WASI_RIGHT_PATH_FILESTAT_SET_SIZE))
        return WASI_EPERM;
    uint64_t refused = dir->read_only ? WASI_RIGHTS_MUTATING : 0;
    if (request->base & essential & (~dir->inheriting | refused)) return WASI_ENOTCAPABLE;
    uint64_t sync = dir->inheriting & (WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_DATASYNC);
    if ((request->fdflags & WASI_FDFLAG_DSYNC) && !sync) return WASI_ENOTCAPABLE;
    if ((request->fdflags & (WASI_FDFLAG_SYNC | WASI_FDFLAG_RSYNC)) && !(sync & WASI_RIGHT_FD_SYNC))
        return WASI_ENOTCAPABLE;
    return WASI_SUCCESS;
}

uint64_t wasi_open_flags(uint32_t lookup, uint32_t oflags, uint32_t fdflags)
{
    /* Never waits for the other end of a pipe, never takes over a terminal. */
    uint64_t flags = O_NONBLOCK | O_NOCTTY;
    if (!(lookup & WASI_LOOKUP_SYMLINK_FOLLOW)) flags |= O_NOFOLLOW;
    if (oflags & WASI_OFLAG_CREAT) flags |= O_CREAT | (oflags & WASI_OFLAG_EXCL ? O_EXCL : 0);
    if (oflags & WASI_OFLAG_DIRECTORY) flags |= O_DIRECTORY;
    if (oflags & WASI_OFLAG_TRUNC) flags |= O_TRUNC;
    if (fdflags & WASI_FDFLAG_APPEND) flags |= O_APPEND;
    if (fdflags & WASI_FDFLAG_DSYNC) flags |= O_DSYNC;
    if (fdflags & (WASI_FDFLAG_SYNC | WASI_FDFLAG_RSYNC))
        flags |= O_SYNC; /* which is O_RSYNC, too, here */
    return flags;
}

static uint64_t open_flags(const OpenRequest *request)
{
    const uint64_t writing =
        WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE;
    bool writes = (request->base & writing) || (request->oflags & WASI_OFLAG_TRUNC);
    bool reads = request->base & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_READDIR);
    uint64_t access = !writes ? O_RDONLY : reads ? O_RDWR : O_WRONLY;
    return access | wasi_open_flags(request->lookup, request->oflags, request->fdflags);
}

/* Appends the components of `path` but for empty ones and `.`, which make no difference, except at
 * the very end.  (`..` does make one: behind a link.)  False if that is too long. */
static bool append_components(GuestPath *out, const char *path, bool ends)
{
    for (const char *slash;; path = slash + 1) {
        slash = strchrnul(path, '/');
        size_t len = (size_t)(slash - path);
        bool last = ends && !*slash;
        if (last || (len > 0 && !(len == 1 && *path == '.'))) {
            if (out->len + len + sizeof "/" > sizeof out->text) return false;
            memcpy(out->text + out->len, path, len);
            out->len += len;
            if (!last) out->text[out->len++] = '/';
        }
        if (!*slash) break;
    }
    out->text[out->len] = '\0';
    return true;
}

/* Where `path`, opened in `dir`, is from the preopened directory.  *out is NULL if that is too
 * long. */
static WasiErrno origin_path(const Descriptor *dir, const GuestPath *path, char **out)
{
    GuestPath joined;
    joined.len = 0;
    *out = NULL;
    if (dir->origin == ORIGIN_OPENED &&
        !(dir->path && append_components(&joined, dir->path, false)))
        return WASI_SUCCESS;
    if (!append_components(&joined, path->text, true)) return WASI_SUCCESS;
    *out = strdup(joined.len ? joined.text : ".");
    return *out ? WASI_SUCCESS : WASI_ENOMEM;
}

WasiErrno wasi_path_open(WasiCall *call, const fnvm_slot *args)
{
    OpenRequest request = {.lookup = args[1].i32,
                           .oflags = args[4].i32,
                           .base = args[5].i64,
                           .inheriting = args[6].i64,
                           .fdflags = args[7].i32};
    uint8_t *fd_at = guest_bytes(call, args[8].i32, 4);
    uint32_t fd;
    uint64_t possible;
    Descriptor *dir;
    GuestPath path;
    WasiErrno error = descriptor_reserve(call->wasi, &fd); /* may move `dir`: so it comes first */
    if (!error)
        error = descriptor_get_directory(call->wasi, args[0].i32, WASI_RIGHT_PATH_OPEN, &dir);
    if (!error) error = path_get(call, args[2].i32, args[3].i32, &path);
    if (!error) error = open_check(dir, &request);
    if (error) return error;
    if (!fd_at) return WASI_EFAULT;
    uint32_t mode = request.oflags & WASI_OFLAG_CREAT ? 0666 : 0;
    Descriptor opened = {.origin = ORIGIN_OPENED,
                         .of = dir->of,
                         .lookup = (uint8_t)request.lookup,
                         .flags = (uint16_t)request.fdflags};
    opened.host = wasi_open_beneath(dir->host, path.text, open_flags(&request), mode);
    if (opened.host < 0) return lookup_errno();
    error = descriptor_classify(opened.host, &opened.filetype, &possible);
    if (!error) error = origin_path(dir, &path, &opened.path);
    if (error) {
        descriptor_release(&opened);
        return error;
    }
    opened.base = request.base & dir->inheriting & possible;
    if (dir->read_only) opened.base &= ~WASI_RIGHTS_MUTATING;
    if (opened.filetype == WASI_FILETYPE_DIRECTORY) {
        opened.inheriting = request.inheriting & dir->inheriting;
        opened.read_only = dir->read_only;
    }
    descriptor_set(call->wasi, fd, &opened);
    memcpy(fd_at, &fd, sizeof fd);
    return WASI_SUCCESS;
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* path_filestat_get and path_filestat_set_times: finds what the path names. */
static WasiErrno find(WasiCall *call, const fnvm_slot *args, uint64_t right, int *found)
{
    uint32_t lookup = args[1].i32;
    Descriptor *dir;
    GuestPath path;
    WasiErrno error = descriptor_get_directory(call->wasi, args[0].i32, right, &dir);
    if (!error) error = path_get(call, args[2].i32, args[3].i32, &path);
    if (error) return error;
    if (lookup & ~(uint32_t)WASI_LOOKUPS_ALL) return WASI_EINVAL;
    return path_find(dir, path.text, lookup & WASI_LOOKUP_SYMLINK_FOLLOW, 0, found);
}

WasiErrno wasi_path_filestat_get(WasiCall *call, const fnvm_slot *args)
{
    struct stat st;
    AbiFilestat filestat;
    int found;
    uint8_t *out = guest_bytes(call, args[4].i32, sizeof filestat);
    WasiErrno error = find(call, args, WASI_RIGHT_PATH_FILESTAT_GET, &found);
    if (error) return error;
    if (fstat(found, &st) < 0)
        error = wasi_errno(errno);
    else if (!out)
        error = WASI_EFAULT;
    close(found);
    if (error) return error;
    wasi_filestat(&st, &filestat);
    memcpy(out, &filestat, sizeof filestat);
    return WASI_SUCCESS;
}

WasiErrno wasi_path_filestat_set_times(WasiCall *call, const fnvm_slot *args)
{
    struct timespec times[2];
    int found;
    WasiErrno error = find(call, args, WASI_RIGHT_PATH_FILESTAT_SET_TIMES, &found);
    if (error) return error;
    error = wasi_times(args[4].i64, args[5].i64, args[6].i32, times);
    if (!error && utimensat(found, "", times, AT_EMPTY_PATH) < 0)
        error = errno == EINVAL ? WASI_ENOTSUP : wasi_errno(errno); /* EINVAL: before Linux 5.8 */
    close(found);
    return error;
}

WasiErrno wasi_path_readlink(WasiCall *call, const fnvm_slot *args)
{
    uint32_t size = args[4].i32;
    char text[WASI_MAX_PATH];
    struct stat st;
    Descriptor *dir;
    GuestPath path;
    int found;
    uint8_t *out = guest_bytes(call, args[3].i32, size);
    uint8_t *used_at = guest_bytes(call, args[5].i32, 4);
    WasiErrno error =
        descriptor_get_directory(call->wasi, args[0].i32, WASI_RIGHT_PATH_READLINK, &dir);
    if (!error) error = path_get(call, args[1].i32, args[2].i32, &path);
    if (!error && (!out || !used_at)) error = WASI_EFAULT;
    if (!error) error = path_find(dir, path.text, false, 0, &found);
    if (error) return error;
    bool is_link = fstat(found, &st) == 0 && S_ISLNK(st.st_mode);
    ssize_t len = is_link ? readlinkat(found, "", text, sizeof text) : -1;
    if (len < 0) error = is_link ? wasi_errno(errno) : WASI_EINVAL;
    close(found);
    if (error) return error;
    /* What does not fit is cut, as readlink(2) does. */
    uint32_t used = (uint32_t)len < size ? (uint32_t)len : size;
    memcpy(out, text, used);
    memcpy(used_at, &used, sizeof used);
    return WASI_SUCCESS;
}

/* ---- Making and removing --------------------------------------------------------------------- */

WasiErrno wasi_path_create_directory(WasiCall *call, const fnvm_slot *args)
{
    PathTarget target;
    WasiErrno error = target_open(call, args[0].i32, WASI_RIGHT_PATH_CREATE_DIRECTORY, args[1].i32,
                                  args[2].i32, &target);
    if (!error && target.end.dots) error = WASI_EEXIST;
    if (!error && mkdirat(target.end.parent, target.end.name, 0777) < 0) error = wasi_errno(errno);
    path_end_close(&target.end);
    return error;
}

WasiErrno wasi_path_remove_directory(WasiCall *call, const fnvm_slot *args)
{
    PathTarget target;
    WasiErrno error = target_open(call, args[0].i32, WASI_RIGHT_PATH_REMOVE_DIRECTORY, args[1].i32,
                                  args[2].i32, &target);
    if (!error && target.end.dots) /* as rmdir(2) has it */
        error = strcmp(target.end.name, ".") == 0 ? WASI_EINVAL : WASI_ENOTEMPTY;
    if (!error && unlinkat(target.end.parent, target.end.name, AT_REMOVEDIR) < 0)
        error = wasi_errno(errno);
    path_end_close(&target.end);
    return error;
}

WasiErrno wasi_path_unlink_file(WasiCall *call, const fnvm_slot *args)
{
    mode_t mode;
    PathTarget target;
    WasiErrno error = target_open(call, args[0].i32, WASI_RIGHT_PATH_UNLINK_FILE, args[1].i32,
                                  args[2].i32, &target);
    if (!error && target.end.dots) error = WASI_EISDIR;
    if (!error && target.end.slash) {
        error = path_end_mode(&target.end, &mode);
        if (!error) error = S_ISDIR(mode) ? WASI_EISDIR : WASI_ENOTDIR;
    }
    if (!error && unlinkat(target.end.parent, target.end.name, 0) < 0) error = wasi_errno(errno);
    path_end_close(&target.end);
    return error;
}

/* A link's text may name anything, since following it is what the kernel checks.  An absolute text
 * could never be followed in here, and is refused so that no guest plants one for the host. */
WasiErrno wasi_path_symlink(WasiCall *call, const fnvm_slot *args)
{
    GuestPath text;
    PathTarget target;
    WasiErrno error =
        target_open(call, args[2].i32, WASI_RIGHT_PATH_SYMLINK, args[3].i32, args[4].i32, &target);
    if (!error) error = path_get(call, args[0].i32, args[1].i32, &text);
    if (!error && text.text[0] == '/') error = WASI_EPERM;
    if (!error && target.end.dots) error = WASI_EEXIST;
    if (!error && target.end.slash) error = slash_refuses_creation(&target.end);
    if (!error) error = wasi_output_take(call->wasi, text.len);
    if (!error && symlinkat(text.text, target.end.parent, target.end.name) < 0)
        error = wasi_errno(errno);
    path_end_close(&target.end);
    return error;
}

/* ---- Two paths ------------------------------------------------------------------------------- */

/* Why a name cannot be linked from: it is missing, no directory where a slash says so, or one. */
static WasiErrno link_source_errno(const PathEnd *end)
{
    mode_t mode;
    if (end->dots) return WASI_EPERM;
    if (!end->slash) return WASI_SUCCESS;
    WasiErrno error = path_end_mode(end, &mode);
    if (error) return error;
    return S_ISDIR(mode) ? WASI_EPERM : WASI_ENOTDIR;
}

WasiErrno wasi_path_link(WasiCall *call, const fnvm_slot *args)
{
    PathTarget from, to;
    to.end = (PathEnd){.parent = -1};
    WasiErrno error = target_open(call, args[0].i32, WASI_RIGHT_PATH_LINK_SOURCE, args[2].i32,
                                  args[3].i32, &from);
    if (!error)
        error = target_open(call, args[4].i32, WASI_RIGHT_PATH_LINK_TARGET, args[5].i32,
                            args[6].i32, &to);
    /* The kernel cannot link to what a link led to beneath a directory; nobody supports this. */
    if (!error && args[1].i32) error = WASI_EINVAL;
    if (!error) error = link_source_errno(&from.end);
    if (!error && to.end.dots) error = WASI_EEXIST;
    if (!error && to.end.slash) error = slash_refuses_creation(&to.end);
    if (!error && linkat(from.end.parent, from.end.name, to.end.parent, to.end.name, 0) < 0)
        error = wasi_errno(errno);
    path_end_close(&from.end);
    path_end_close(&to.end);
    return error;
}

WasiErrno wasi_path_rename(WasiCall *call, const fnvm_slot *args)
{
    mode_t mode;
    PathTarget from, to;
    to.end = (PathEnd){.parent = -1};
    WasiErrno error = target_open(call, args[0].i32, WASI_RIGHT_PATH_RENAME_SOURCE, args[1].i32,
                                  args[2].i32, &from);
    if (!error)
        error = target_open(call, args[3].i32, WASI_RIGHT_PATH_RENAME_TARGET, args[4].i32,
                            args[5].i32, &to);
    if (!error && (from.end.dots || to.end.dots)) error = WASI_EBUSY;
    if (!error && (from.end.slash || to.end.slash)) { /* on either side: only directories */
        error = path_end_mode(&from.end, &mode);
        if (!error && !S_ISDIR(mode)) error = WASI_ENOTDIR;
    }
    if (!error && renameat(from.end.parent, from.end.name, to.end.parent, to.end.name) < 0)
        error = wasi_errno(errno);
    path_end_close(&from.end);
    path_end_close(&to.end);
    return error;
}
