/* wasi.c - WASI preview 1: construction, linking, and the functions that touch no files.
 *
 * One host function, wasi_enter, stands behind every import: the linker hands it back the binding
 * that names the function to run, it looks up the guest's memory, and it turns the errno into the
 * call's result.  So a WASI function proper is host code with no engine in it.
 */
#include "stdlib/wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/linker.h"

/* ---- The table ------------------------------------------------------------------------------- */

typedef struct WasiImport {
    const char *name;
    const char *type;
    WasiFunction *function;
    bool in_unstable;
} WasiImport;

static const WasiImport wasi_imports[] = {
#define FUNC(name, type, in_unstable) {#name, type, wasi_##name, in_unstable},
    WASI_FUNCTIONS(FUNC)
#undef FUNC
};
enum { WASI_IMPORTS = sizeof wasi_imports / sizeof wasi_imports[0] };

struct WasiBinding {
    Wasi *wasi;
    const WasiImport *import;
};

static fnvm_error *wasi_enter(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const WasiBinding *binding = env;
    WasiCall call = {.caller = caller, .wasi = binding->wasi};
    uint8_t no_memory[1];
    const MemoryRef *memory = caller_memory(caller);
    const bool has_memory = memory != NULL;
    call.memory = memory && memory->base ? memory->base : no_memory;
    call.memory_size = memory && memory->base ? memory->state->size : 0;
    WasiErrno result = binding->import->function(&call, slots);
    if (call.error) return call.error;
    if (!has_memory && result == WASI_EFAULT)
        return fnvm_error_trap_new(FNVM_TRAP_HOST,
                                   "%s was given an address, but the calling module exports no "
                                   "memory under the name \"memory\"",
                                   binding->import->name);
    slots[0].i64 = result;
    return NULL;
}

static LinkerAnswer find_function(void *env, const char *name, size_t len, LinkerFunc *out)
{
    Wasi *wasi = env;
    for (size_t i = 0; i < WASI_IMPORTS; i++) {
        const WasiImport *import = &wasi_imports[i];
        if (strncmp(import->name, name, len) != 0 || import->name[len]) continue;
        *out = (LinkerFunc){import->type, wasi_enter, &wasi->bindings[i]};
        return wasi_call_is_allowed(wasi, i) ? LINKER_FOUND : LINKER_REFUSED;
    }
    return LINKER_UNKNOWN;
}

static LinkerAnswer find_unstable(void *env, const char *name, size_t len, LinkerFunc *out)
{
    LinkerAnswer answer = find_function(env, name, len, out);
    if (answer == LINKER_UNKNOWN) return answer;
    return ((const WasiBinding *)out->env)->import->in_unstable ? answer : LINKER_UNKNOWN;
}

fnvm_error *fnvm_linker_define_wasi(fnvm_linker *linker, fnvm_wasi *wasi)
{
    fnvm_error *error = linker_define_funcs(linker, "wasi_snapshot_preview1", find_function, wasi);
    return error ? error : linker_define_funcs(linker, "wasi_unstable", find_unstable, wasi);
}

/* ---- Construction ---------------------------------------------------------------------------- */

static fnvm_error *out_of_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "out of memory while preparing WASI");
}

fnvm_error *fnvm_wasi_new(fnvm_wasi **out)
{
    *out = NULL;
    Wasi *wasi = calloc(1, sizeof *wasi);
    if (!wasi) return out_of_memory();
    wasi->bindings = calloc(WASI_IMPORTS, sizeof *wasi->bindings);
    if (!wasi->bindings) {
        free(wasi);
        return out_of_memory();
    }
    wasi->output_limit = UINT64_MAX;
    wasi->descriptors_limit = WASI_MAX_DESCRIPTORS;
    for (size_t i = 0; i < WASI_IMPORTS; i++)
        wasi->bindings[i] = (WasiBinding){wasi, &wasi_imports[i]};
    *out = wasi;
    return NULL;
}

void fnvm_wasi_free(fnvm_wasi *wasi)
{
    if (!wasi) return;
    for (uint32_t i = 0; i < wasi->count; i++) descriptor_close(wasi, &wasi->descriptors[i]);
    free(wasi->descriptors);
    wasi_baseline_free(wasi->baseline);
    for (uint32_t i = 0; i < wasi->ndirs; i++) {
        if (wasi->dirs[i].host >= 0) close(wasi->dirs[i].host);
        free(wasi->dirs[i].name);
    }
    free(wasi->dirs);
    wasi_draws_free(wasi->draws);
    free(wasi->args.bytes);
    free(wasi->environ.bytes);
    free(wasi->bindings);
    free(wasi);
}

/* Makes room for `more` bytes behind those that there are. */
static fnvm_error *strings_reserve(StringList *list, size_t more)
{
    if (more > UINT32_MAX / 2 - list->len_bytes)
        return fnvm_error_new(FNVM_E_LIMIT, "arguments and environment are limited to 2 GiB");
    const size_t len = list->len_bytes + more;
    if (len <= list->room_bytes) return NULL;
    char *bytes = realloc(list->bytes, 2 * len);
    if (!bytes) return out_of_memory();
    list->bytes = bytes;
    list->room_bytes = 2 * len;
    return NULL;
}

/* Appends `first`, or `first=second`. */
static fnvm_error *strings_add(StringList *list, const char *first, const char *second)
{
    size_t first_len = strlen(first);
    size_t second_len = second ? strlen(second) + 1 : 0;
    fnvm_error *error = strings_reserve(list, first_len + second_len + 1);
    if (error) return error;
    char *end = list->bytes + list->len_bytes;
    memcpy(end, first, first_len);
    if (second) {
        end[first_len] = '=';
        memcpy(end + first_len + 1, second, second_len - 1);
    }
    end[first_len + second_len] = '\0';
    list->len_bytes += first_len + second_len + 1;
    list->count++;
    return NULL;
}

fnvm_error *fnvm_wasi_arg(fnvm_wasi *wasi, const char *arg)
{
    return strings_add(&wasi->args, arg, NULL);
}

fnvm_error *fnvm_wasi_env(fnvm_wasi *wasi, const char *name, const char *value)
{
    if (!*name || strchr(name, '='))
        return fnvm_error_new(FNVM_E_USAGE, "\"%s\" is no name of an environment variable", name);
    return strings_add(&wasi->environ, name, value);
}

fnvm_error *fnvm_wasi_env_block(fnvm_wasi *wasi, const char *block, size_t len_bytes)
{
    StringList *list = &wasi->environ;
    size_t count = 0;
    if (len_bytes == 0) return NULL;
    for (const char *at = block, *end = block + len_bytes; at < end; count++) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (!stop) return fnvm_error_new(FNVM_E_USAGE, "a block of variables does not end in NUL");
        if (*at == '=' || !memchr(at, '=', (size_t)(stop - at)))
            return fnvm_error_new(FNVM_E_USAGE, "\"%s\" is no environment variable", at);
        at = stop + 1;
    }
    fnvm_error *error = strings_reserve(list, len_bytes);
    if (error) return error;
    memcpy(list->bytes + list->len_bytes, block, len_bytes);
    list->len_bytes += len_bytes;
    list->count += count;
    return NULL;
}

/* What was allocated is kept, for the next ones. */
static void strings_clear(StringList *list) { list->len_bytes = list->count = 0; }

void fnvm_wasi_clear_args(fnvm_wasi *wasi) { strings_clear(&wasi->args); }
void fnvm_wasi_clear_env(fnvm_wasi *wasi) { strings_clear(&wasi->environ); }

/* ---- Descriptors ----------------------------------------------------------------------------- */

/* Makes descriptors [0, count) exist. */
static bool descriptors_grow(Wasi *wasi, uint32_t count)
{
    if (count <= wasi->count) return true;
    uint32_t wanted = wasi->count * 2 > count ? wasi->count * 2 : count;
    if (wanted < 16) wanted = 16;
    if (wanted > WASI_MAX_DESCRIPTORS) wanted = WASI_MAX_DESCRIPTORS;
    Descriptor *grown = realloc(wasi->descriptors, wanted * sizeof *grown);
    if (!grown) return false;
    for (uint32_t i = wasi->count; i < wanted; i++) grown[i] = (Descriptor){.host = -1};
    wasi->descriptors = grown;
    wasi->count = wanted;
    return true;
}

WasiErrno descriptor_reserve(Wasi *wasi, uint32_t *fd)
{
    for (uint32_t i = WASI_FIRST_DESCRIPTOR; i < wasi->descriptors_limit; i++) {
        if (i < wasi->count && wasi->descriptors[i].host >= 0) continue;
        if (!descriptors_grow(wasi, i + 1)) return WASI_ENOMEM;
        *fd = i;
        return WASI_SUCCESS;
    }
    return WASI_EMFILE;
}

void descriptor_set(Wasi *wasi, uint32_t fd, const Descriptor *d)
{
    wasi->descriptors[fd] = *d;
    wasi->changed = true;
}

void descriptor_release(Descriptor *d)
{
    if (!d->kept) {
        if (d->host >= 0 && d->origin != ORIGIN_DIR && !descriptor_is_embedded(d)) close(d->host);
        free(d->path);
    }
    *d = (Descriptor){.host = -1};
}

void descriptor_close(Wasi *wasi, Descriptor *d)
{
    descriptor_release(d);
    wasi->changed = true;
}

static WasiErrno missing_right_errno(const Descriptor *d, uint64_t missing)
{
    bool is_directory = d->filetype == WASI_FILETYPE_DIRECTORY;
    if (missing & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE))
        return is_directory ? WASI_EISDIR : WASI_EBADF;
    if (missing & (WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL)) {
        if (is_directory) return WASI_EBADF;
        return descriptor_is_stream(d) ? WASI_ESPIPE : WASI_ENOTCAPABLE;
    }
    return WASI_ENOTCAPABLE;
}

WasiErrno descriptor_get(Wasi *wasi, uint32_t fd, uint64_t rights, Descriptor **out)
{
    if (fd >= wasi->count || wasi->descriptors[fd].host < 0) return WASI_EBADF;
    Descriptor *d = &wasi->descriptors[fd];
    uint64_t missing = rights & ~d->base;
    if (missing) return missing_right_errno(d, missing);
    *out = d;
    return WASI_SUCCESS;
}

WasiErrno descriptor_get_directory(Wasi *wasi, uint32_t fd, uint64_t rights, Descriptor **out)
{
    Descriptor *d;
    WasiErrno error = descriptor_get(wasi, fd, 0, &d);
    if (error) return error;
    if (d->filetype != WASI_FILETYPE_DIRECTORY) return WASI_ENOTDIR;
    return descriptor_get(wasi, fd, rights, out);
}

uint8_t wasi_filetype(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return WASI_FILETYPE_REGULAR_FILE;
    case S_IFDIR: return WASI_FILETYPE_DIRECTORY;
    case S_IFCHR: return WASI_FILETYPE_CHARACTER_DEVICE;
    case S_IFBLK: return WASI_FILETYPE_BLOCK_DEVICE;
    case S_IFLNK: return WASI_FILETYPE_SYMBOLIC_LINK;
    case S_IFSOCK: return WASI_FILETYPE_SOCKET_STREAM;
    default: return WASI_FILETYPE_UNKNOWN; /* a pipe: WASI has no name for it */
    }
}

WasiErrno descriptor_classify(int host, uint8_t *filetype, uint64_t *rights)
{
    struct stat st;
    if (fstat(host, &st) < 0) return wasi_errno(errno);
    *filetype = wasi_filetype(st.st_mode);
    switch (*filetype) {
    case WASI_FILETYPE_DIRECTORY: *rights = WASI_RIGHTS_DIRECTORY; break;
    case WASI_FILETYPE_REGULAR_FILE:
    case WASI_FILETYPE_BLOCK_DEVICE: *rights = WASI_RIGHTS_FILE; break;
    case WASI_FILETYPE_CHARACTER_DEVICE:
        /* libc's isatty: a character device without the rights to seek and tell. */
        *rights = isatty(host) ? WASI_RIGHTS_STREAM : WASI_RIGHTS_FILE;
        break;
    case WASI_FILETYPE_SOCKET_STREAM: {
        int value = 0;
        socklen_t len = sizeof value;
        if (getsockopt(host, SOL_SOCKET, SO_TYPE, &value, &len) == 0 && value == SOCK_DGRAM)
            *filetype = WASI_FILETYPE_SOCKET_DGRAM;
        bool listens = getsockopt(host, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value;
        *rights = listens ? WASI_RIGHTS_LISTENER : WASI_RIGHTS_SOCKET;
        break;
    }
    default: *rights = WASI_RIGHTS_STREAM;
    }
    return WASI_SUCCESS;
}

WasiErrno descriptor_classify_stream(int host, uint8_t *filetype, uint64_t *rights)
{
    int status = fcntl(host, F_GETFL);
    if (status < 0) return wasi_errno(errno);
    WasiErrno error = descriptor_classify(host, filetype, rights);
    if (error) return error;
    /* A directory on standard input is nothing to open files in: nobody preopened it. */
    *rights &= WASI_RIGHTS_FILE | WASI_RIGHTS_SOCKET;
    int access = status & O_ACCMODE;
    if (access == O_WRONLY) *rights &= ~WASI_RIGHT_FD_READ;
    if (access == O_RDONLY)
        *rights &=
            ~(WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE);
    return WASI_SUCCESS;
}

/* ---- What the embedder hands in -------------------------------------------------------------- */

fnvm_error *wasi_set_stream(Wasi *wasi, const Descriptor *d)
{
    if (!descriptors_grow(wasi, WASI_FIRST_DESCRIPTOR)) return out_of_memory();
    descriptor_close(wasi, &wasi->descriptors[d->of]);
    descriptor_set(wasi, d->of, d);
    wasi->streams |= (uint8_t)(1 << d->of);
    return NULL;
}

fnvm_error *fnvm_wasi_stdio(fnvm_wasi *wasi, int guest_fd, int host_fd)
{
    if (guest_fd < 0 || guest_fd >= WASI_FIRST_DESCRIPTOR)
        return fnvm_error_new(FNVM_E_USAGE, "%d is none of the descriptors 0, 1 and 2", guest_fd);
    Descriptor d = {.origin = ORIGIN_STREAM, .of = (uint32_t)guest_fd, .shared = true};
    int status = fcntl(host_fd, F_GETFL);
    d.host = fcntl(host_fd, F_DUPFD_CLOEXEC, 0);
    if (status < 0 || d.host < 0 || descriptor_classify_stream(d.host, &d.filetype, &d.base)) {
        fnvm_error *error = fnvm_error_new(FNVM_E_IO, "cannot give descriptor %d to the guest: %s",
                                           host_fd, strerror(errno));
        descriptor_release(&d);
        return error;
    }
    if (status & O_APPEND) d.flags |= WASI_FDFLAG_APPEND;
    fnvm_error *error = wasi_set_stream(wasi, &d);
    if (error) descriptor_release(&d);
    else wasi->is_embedded &= (uint8_t)~(1 << guest_fd);
    return error;
}

fnvm_error *fnvm_wasi_inherit_stdio(fnvm_wasi *wasi)
{
    for (int fd = 0; fd < WASI_FIRST_DESCRIPTOR; fd++) {
        fnvm_error *error = fnvm_wasi_stdio(wasi, fd, fd);
        if (error && fcntl(fd, F_GETFD) < 0) { /* closed here, closed there */
            fnvm_error_free(error);
            error = NULL;
        }
        if (error) return error;
    }
    return NULL;
}

int wasi_open_beneath(int dir, const char *path, uint64_t flags, uint32_t mode)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    /* EAGAIN: something was renamed while the kernel followed a "..", so it could not be sure. */
    for (int attempt = 0;; attempt++) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN || attempt == 128) return (int)fd;
    }
}

/* The sandbox is the kernel's: without openat2 (Linux 5.6) there is none, and we do not pretend. */
static fnvm_error *require_openat2(int dir, const char *host)
{
    int fd = wasi_open_beneath(dir, ".", O_PATH | O_DIRECTORY, 0);
    if (fd >= 0) {
        close(fd);
        return NULL;
    }
    if (errno == ENOSYS || errno == EPERM)
        return fnvm_error_new(FNVM_E_UNSUPPORTED,
                              "cannot give directory \"%s\" to the guest: this kernel lacks the "
                              "openat2 system call (Linux 5.6 and later), or a filter denies it; "
                              "without it the guest could not be kept inside the directory",
                              host);
    return fnvm_error_new(FNVM_E_IO, "cannot open directory \"%s\": %s", host, strerror(errno));
}

void wasi_dir_rights(bool read_only, uint64_t *base, uint64_t *inheriting)
{
    *base = WASI_RIGHTS_DIRECTORY;
    *inheriting = WASI_RIGHTS_DIRECTORY | WASI_RIGHTS_FILE;
    if (read_only) {
        *base &= ~WASI_RIGHTS_MUTATING;
        *inheriting &= ~WASI_RIGHTS_MUTATING | WASI_RIGHT_FD_WRITE;
    }
}

static fnvm_error *number_error(const Wasi *wasi, WasiErrno failed)
{
    if (failed != WASI_EMFILE) return out_of_memory();
    return fnvm_error_new(FNVM_E_LIMIT, "the guest can have %u descriptors, the standard streams "
                          "included (fnvm_wasi_limit_descriptors, -S max-descriptors): it is to be "
                          "given more", (unsigned)wasi->descriptors_limit);
}

/* A number for the directory, and its place in `dirs`; takes over `dir` unless it fails. */
static fnvm_error *add_dir(Wasi *wasi, const GivenDir *dir)
{
    uint32_t fd;
    WasiErrno failed = descriptor_reserve(wasi, &fd);
    if (failed) return number_error(wasi, failed);
    GivenDir *dirs = realloc(wasi->dirs, (wasi->ndirs + (size_t)1) * sizeof *dirs);
    if (!dirs) return out_of_memory();
    wasi->dirs = dirs;
    dirs[wasi->ndirs] = *dir;
    Descriptor d = {.host = dir->host,
                    .filetype = WASI_FILETYPE_DIRECTORY,
                    .origin = ORIGIN_DIR,
                    .of = wasi->ndirs++,
                    .read_only = dir->read_only};
    wasi_dir_rights(d.read_only, &d.base, &d.inheriting);
    descriptor_set(wasi, fd, &d);
    return NULL;
}

fnvm_error *fnvm_wasi_preopen_dir(fnvm_wasi *wasi, const char *host, const char *guest,
                                  fnvm_dir_access access)
{
    GivenDir dir = {.read_only = access == FNVM_DIR_READ_ONLY};
    dir.host = open(host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir.host < 0)
        return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                              "cannot open directory \"%s\": %s", host, strerror(errno));
    fnvm_error *error = require_openat2(dir.host, host);
    if (!error) {
        dir.name = strdup(guest);
        error = dir.name ? add_dir(wasi, &dir) : out_of_memory();
    }
    if (error) {
        close(dir.host);
        free(dir.name);
    }
    return error;
}

fnvm_error *fnvm_wasi_preopen_socket(fnvm_wasi *wasi, int host_fd)
{
    uint32_t fd;
    Descriptor d = {.host = host_fd, .origin = ORIGIN_SOCKET};
    WasiErrno failed = descriptor_classify(host_fd, &d.filetype, &d.base);
    if (failed || !descriptor_is_socket(&d))
        return fnvm_error_new(FNVM_E_USAGE, "descriptor %d is not an open socket", host_fd);
    int status = fcntl(host_fd, F_GETFL);
    if (status < 0 || fcntl(host_fd, F_SETFL, status | O_NONBLOCK) < 0 ||
        fcntl(host_fd, F_SETFD, FD_CLOEXEC) < 0)
        return fnvm_error_new(FNVM_E_IO, "cannot give socket %d to the guest: %s", host_fd,
                              strerror(errno));
    if (d.base & WASI_RIGHT_SOCK_ACCEPT) d.inheriting = WASI_RIGHTS_SOCKET;
    failed = descriptor_reserve(wasi, &fd);
    if (failed) return number_error(wasi, failed);
    descriptor_set(wasi, fd, &d);
    return NULL;
}

void fnvm_wasi_at_stdin(fnvm_wasi *wasi, fnvm_error *(*fn)(void *env, fnvm_caller *), void *env)
{
    wasi->at_stdin = fn;
    wasi->at_stdin_env = env;
}

bool wasi_announce_stdin(WasiCall *call)
{
    Wasi *wasi = call->wasi;
    fnvm_error *(*fn)(void *env, fnvm_caller *) = wasi->at_stdin;
    wasi->at_stdin = NULL;
    call->error = fn(wasi->at_stdin_env, call->caller);
    return !call->error;
}

/* ---- Guest memory and errno ------------------------------------------------------------------ */

WasiErrno wasi_errno(int host_errno)
{
    switch (host_errno) {
#define ERRNO(name, guest, host) \
    case host: return guest;
        WASI_ERRNOS(ERRNO)
#undef ERRNO
    default: return WASI_EIO;
    }
}

WasiErrno guest_vectors(const WasiCall *call, uint32_t address, uint32_t count, GuestVectors *out)
{
    out->count = 0;
    out->total_bytes = 0;
    if (count > WASI_MAX_IOVECS) return WASI_EINVAL;
    const uint8_t *vectors = guest_bytes(call, address, (uint64_t)count * sizeof(AbiIovec));
    if (!vectors) return WASI_EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        AbiIovec vector;
        memcpy(&vector, vectors + i * sizeof vector, sizeof vector);
        uint8_t *bytes = guest_bytes(call, vector.buf, vector.len);
        if (!bytes) return WASI_EFAULT;
        size_t len = vector.len;
        if (len > WASI_MAX_IO_BYTES - out->total_bytes) len = WASI_MAX_IO_BYTES - out->total_bytes;
        if (len == 0) continue;
        out->at[out->count++] = (struct iovec){bytes, len};
        out->total_bytes += len;
    }
    return WASI_SUCCESS;
}

void guest_vectors_advance(GuestVectors *vectors, size_t len)
{
    size_t first = 0;
    vectors->total_bytes -= len;
    while (first < vectors->count && len >= vectors->at[first].iov_len)
        len -= vectors->at[first++].iov_len;
    vectors->count -= first;
    memmove(vectors->at, vectors->at + first, vectors->count * sizeof vectors->at[0]);
    if (vectors->count) {
        vectors->at[0].iov_base = (uint8_t *)vectors->at[0].iov_base + len;
        vectors->at[0].iov_len -= len;
    }
}

void guest_vectors_cut(GuestVectors *vectors, size_t len)
{
    size_t n = 0;
    for (vectors->total_bytes = 0; n < vectors->count && vectors->total_bytes < len; n++) {
        const size_t left = len - vectors->total_bytes;
        if (vectors->at[n].iov_len > left) vectors->at[n].iov_len = left;
        vectors->total_bytes += vectors->at[n].iov_len;
    }
    vectors->count = n;
}

/* ---- Arguments and environment --------------------------------------------------------------- */

static WasiErrno strings_sizes(WasiCall *call, const StringList *list, const fnvm_slot *args)
{
    uint8_t *count_at = guest_bytes(call, args[0].i32, 4);
    uint8_t *len_at = guest_bytes(call, args[1].i32, 4);
    if (!count_at || !len_at) return WASI_EFAULT;
    uint32_t count = (uint32_t)list->count, len = (uint32_t)list->len_bytes;
    memcpy(count_at, &count, 4);
    memcpy(len_at, &len, 4);
    return WASI_SUCCESS;
}

static WasiErrno strings_get(WasiCall *call, const StringList *list, const fnvm_slot *args)
{
    uint8_t *pointers = guest_bytes(call, args[0].i32, (uint64_t)list->count * 4);
    uint8_t *bytes = guest_bytes(call, args[1].i32, list->len_bytes);
    if (!pointers || !bytes) return WASI_EFAULT;
    uint32_t address = args[1].i32;
    const char *string = list->bytes;
    for (size_t i = 0; i < list->count; i++) {
        size_t len = strlen(string) + 1;
        memcpy(pointers + i * 4, &address, 4);
        address += (uint32_t)len;
        string += len;
    }
    if (list->len_bytes) memcpy(bytes, list->bytes, list->len_bytes);
    return WASI_SUCCESS;
}

WasiErrno wasi_args_get(WasiCall *call, const fnvm_slot *args)
{
    return strings_get(call, &call->wasi->args, args);
}

WasiErrno wasi_args_sizes_get(WasiCall *call, const fnvm_slot *args)
{
    return strings_sizes(call, &call->wasi->args, args);
}

WasiErrno wasi_environ_get(WasiCall *call, const fnvm_slot *args)
{
    return strings_get(call, &call->wasi->environ, args);
}

WasiErrno wasi_environ_sizes_get(WasiCall *call, const fnvm_slot *args)
{
    return strings_sizes(call, &call->wasi->environ, args);
}

/* ---- Clocks ---------------------------------------------------------------------------------- */

uint64_t wasi_nanoseconds(const struct timespec *time)
{
    uint64_t nanoseconds;
    if (time->tv_sec < 0) return 0;
    if (__builtin_mul_overflow((uint64_t)time->tv_sec, UINT64_C(1000000000), &nanoseconds) ||
        __builtin_add_overflow(nanoseconds, (uint64_t)time->tv_nsec, &nanoseconds))
        return UINT64_MAX;
    return nanoseconds;
}

static bool clock_host_id(uint32_t clock_id, clockid_t *out)
{
    static const clockid_t ids[] = {
        [WASI_CLOCK_REALTIME] = CLOCK_REALTIME,
        [WASI_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
        [WASI_CLOCK_PROCESS_CPUTIME] = CLOCK_PROCESS_CPUTIME_ID,
        [WASI_CLOCK_THREAD_CPUTIME] = CLOCK_THREAD_CPUTIME_ID,
    };
    if (clock_id >= sizeof ids / sizeof ids[0]) return false;
    *out = ids[clock_id];
    return true;
}

WasiErrno wasi_clock_now(uint32_t clock_id, uint64_t *nanoseconds)
{
    clockid_t id;
    struct timespec time;
    if (!clock_host_id(clock_id, &id)) return WASI_EINVAL;
    if (clock_gettime(id, &time) < 0) return wasi_errno(errno);
    *nanoseconds = wasi_nanoseconds(&time);
    return WASI_SUCCESS;
}

WasiErrno wasi_clock_time_get(WasiCall *call, const fnvm_slot *args)
{
    uint64_t now;
    uint8_t *out = guest_bytes(call, args[2].i32, sizeof now);
    if (!out) return WASI_EFAULT;
    WasiErrno error = wasi_clock_now(args[0].i32, &now); /* args[1], the precision, is a wish */
    if (error) return error;
    memcpy(out, &now, sizeof now);
    if (__builtin_expect(call->wasi->notes_draws, 0)) wasi_note_draw(call, DRAW_CLOCK);
    return WASI_SUCCESS;
}

WasiErrno wasi_clock_res_get(WasiCall *call, const fnvm_slot *args)
{
    clockid_t id;
    struct timespec time;
    uint8_t *out = guest_bytes(call, args[1].i32, 8);
    if (!out) return WASI_EFAULT;
    if (!clock_host_id(args[0].i32, &id)) return WASI_EINVAL;
    if (clock_getres(id, &time) < 0) return wasi_errno(errno);
    uint64_t resolution = wasi_nanoseconds(&time);
    memcpy(out, &resolution, sizeof resolution);
    return WASI_SUCCESS;
}

/* ---- Process, scheduling, random ------------------------------------------------------------- */

WasiErrno wasi_proc_exit(WasiCall *call, const fnvm_slot *args)
{
    call->error = fnvm_error_exit((int)args[0].i32);
    return WASI_SUCCESS;
}

/* A guest has no handlers, so a signal does what it does by default: nothing, or the end.  It never
 * reaches the host's process. */
WasiErrno wasi_proc_raise(WasiCall *call, const fnvm_slot *args)
{
    static const char *const names[] = {
        "NONE", "HUP",  "INT",  "QUIT",   "ILL",  "TRAP",  "ABRT", "BUS",  "FPE",  "KILL", "USR1",
        "SEGV", "USR2", "PIPE", "ALRM",   "TERM", "CHLD",  "CONT", "STOP", "TSTP", "TTIN", "TTOU",
        "URG",  "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR",  "SYS"};
    enum { CHLD = 16, CONT = 17, STOP = 18, TTOU = 21, URG = 22, WINCH = 27 };
    uint32_t signal = args[0].i32;
    if (signal >= sizeof names / sizeof names[0]) return WASI_EINVAL;
    if (signal == 0 || signal == CHLD || signal == CONT || signal == URG || signal == WINCH)
        return WASI_SUCCESS;
    if (signal >= STOP && signal <= TTOU) return WASI_ENOSYS; /* nobody could continue it */
    call->error = fnvm_error_trap_new(FNVM_TRAP_HOST, "guest raised signal %u (SIG%s)",
                                      (unsigned)signal, names[signal]);
    return WASI_SUCCESS;
}

WasiErrno wasi_sched_yield(WasiCall *call, const fnvm_slot *args)
{
    (void)args;
    const Wasi *wasi = call->wasi;
    if (!wasi->at_sleep) sched_yield();
    else if (!wasi_call_repeats(call)) call->error = wasi->at_sleep(wasi->at_sleep_env, call->caller, 0);
    return WASI_SUCCESS;
}

WasiErrno wasi_random_get(WasiCall *call, const fnvm_slot *args)
{
    enum { CHUNK_BYTES = 1 << 16 }; /* a fraction of a millisecond between looks at the interrupt */
    uint32_t left = args[1].i32;
    uint8_t *out = guest_bytes(call, args[0].i32, left);
    if (!out) return WASI_EFAULT;
    if (__builtin_expect(call->wasi->notes_draws, 0) && left) wasi_note_draw(call, DRAW_RANDOM);
    while (left) {
        ssize_t got = getrandom(out, left < CHUNK_BYTES ? left : CHUNK_BYTES, 0);
        if (got < 0 && errno != EINTR) return wasi_errno(errno);
        if (got > 0) {
            out += got;
            left -= (uint32_t)got;
        }
        if (left && fnvm_caller_interrupted(call->caller)) return WASI_EINTR;
    }
    return WASI_SUCCESS;
}
