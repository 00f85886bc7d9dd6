/* A call is a file that is renamed: ID.call while it is at work, with who works on it, then ID.done
 * with its answer, or ID.lost.  `numbers`, mapped by every process, counts calls, results and
 * bytes; it decides about the limits, and calls_sweep makes it right again from what is really
 * there.
 *
 * Who works on a call is known by a lock and not by a process id, which is given again: each
 * process locks one byte of the file `owners`, at an offset drawn at random, for as long as it
 * lives, and a call names that offset.  The kernel ends the lock with the process, however that
 * dies; closing the file ends it too, so a process has one Calls of a directory.
 *
 * Nothing is flushed to the disk: a result that a power failure takes is one that is lost. */
#include "gateway/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = CALL_ID_BYTES + 8, FIELDS_MOST = 1000, FIELDS_BYTES_MOST = 1 << 20 };

typedef struct Numbers {
    _Atomic uint64_t pending, results, bytes;
} Numbers;

struct Calls {
    CallsLimits limits;
    int dir, owners;
    Numbers *numbers;
    pthread_mutex_t lock; /* of the two below */
    pid_t owner_pid;      /* who drew `owner`: a fork draws its own */
    uint64_t owner;
};

/* ---- Names ---- */

/* Random bytes ahead, per thread.  A fork would go on with the same ones, so it draws anew. */
static atomic_uint forks;
static void forked(void) { atomic_fetch_add(&forks, 1); }
static void at_fork(void) { pthread_atfork(NULL, NULL, forked); }

void call_id_new(char out[CALL_ID_BYTES])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local struct {
        unsigned fork, left;
        unsigned char bytes[64][16];
    } ahead;
    pthread_once(&once, at_fork);
    const unsigned fork_now = atomic_load(&forks);
    if (ahead.left == 0 || ahead.fork != fork_now) {
        randombytes_buf(ahead.bytes, sizeof ahead.bytes);
        ahead.left = 64;
        ahead.fork = fork_now;
    }
    unsigned char *random = ahead.bytes[--ahead.left];
    random[6] = (unsigned char)((random[6] & 0x0F) | 0x40); /* RFC 9562, version 4 */
    random[8] = (unsigned char)((random[8] & 0x3F) | 0x80);
    char *at = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        *at++ = "0123456789abcdef"[random[i] >> 4];
        *at++ = "0123456789abcdef"[random[i] & 15];
    }
    *at = '\0';
    sodium_memzero(random, 16); /* an id protects a result: none stays behind */
}

bool call_id_ok(HttpText id)
{
    if (id.len != CALL_ID_BYTES - 1) return false;
    for (size_t i = 0; i < id.len; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char c = id.at[i];
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

static bool name_of(const char *id, const char *state, char name[NAME_BYTES])
{
    if (!call_id_ok((HttpText){id, strnlen(id, CALL_ID_BYTES)})) return false;
    snprintf(name, NAME_BYTES, "%s.%s", id, state);
    return true;
}

static fnvm_error *not_an_id(void)
{
    return fnvm_error_new(FNVM_E_USAGE, "this is not the id of a call");
}

static fnvm_error *failed(const char *what)
{
    return fnvm_error_new(FNVM_E_IO, "cannot %s in the directory of calls: %s", what,
                          strerror(errno));
}

/* ---- Opening ---- */

static fnvm_error *open_numbers(Calls *c)
{
    const int fd = openat(c->dir, "numbers", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return failed("open `numbers`");
    fnvm_error *error = NULL;
    void *at = MAP_FAILED;
    errno = posix_fallocate(fd, 0, sizeof *c->numbers);
    if (errno == 0)
        at = mmap(NULL, sizeof *c->numbers, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) error = failed("map `numbers`");
    else c->numbers = at;
    close(fd);
    return error;
}

fnvm_error *calls_open(const char *dir, const CallsLimits *limits, Calls **out)
{
    Calls *c = calloc(1, sizeof *c);
    if (!c) return fnvm_error_new(FNVM_E_MEMORY, "no memory for calls");
    *c = (Calls){.limits = *limits, .dir = -1, .owners = -1};
    pthread_mutex_init(&c->lock, NULL);
    fnvm_error *error = NULL;
    if (sodium_init() < 0) error = fnvm_error_new(FNVM_E_IO, "the system has no random bytes");
    else if (mkdir(dir, 0700) != 0 && errno != EEXIST) error = failed("make it");
    else if ((c->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        error = failed("open it");
    else if ((c->owners =
                  openat(c->dir, "owners", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
        error = failed("open `owners`");
    else error = open_numbers(c);
    if (error) {
        calls_close(c);
        return fnvm_error_wrap(error, "%s", dir);
    }
    *out = c;
    return NULL;
}

void calls_close(Calls *c)
{
    if (!c) return;
    if (c->numbers) munmap(c->numbers, sizeof *c->numbers);
    if (c->owners >= 0) close(c->owners);
    if (c->dir >= 0) close(c->dir);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- Owners ---- */

static struct flock byte_of(uint64_t owner)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)owner, .l_len = 1};
}

static fnvm_error *own(Calls *c, uint64_t *owner)
{
    fnvm_error *error = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->owner_pid != getpid()) {
        randombytes_buf(&c->owner, sizeof c->owner);
        c->owner >>= 2; /* an offset, and one that can be added to */
        const struct flock lock = byte_of(c->owner);
        if (fcntl(c->owners, F_SETLK, &lock) != 0) error = failed("lock `owners`");
        else c->owner_pid = getpid();
    }
    *owner = c->owner;
    pthread_mutex_unlock(&c->lock);
    return error;
}

static bool owner_lives(Calls *c, uint64_t owner)
{
    pthread_mutex_lock(&c->lock);
    const bool mine = c->owner_pid == getpid() && c->owner == owner;
    pthread_mutex_unlock(&c->lock);
    struct flock lock = byte_of(owner);
    return mine || (owner <= INT64_MAX - 1 && fcntl(c->owners, F_GETLK, &lock) == 0 &&
                    lock.l_type != F_UNLCK);
}

/* ---- Numbers: never below nothing, since a sweep may have corrected them meanwhile ---- */

static bool count_up(_Atomic uint64_t *number, uint64_t by, uint64_t most)
{
    uint64_t n = atomic_load(number);
    do
        if (n > most || by > most - n) return false;
    while (!atomic_compare_exchange_weak(number, &n, n + by));
    return true;
}

static void count_down(_Atomic uint64_t *number, uint64_t by)
{
    uint64_t n = atomic_load(number);
    while (!atomic_compare_exchange_weak(number, &n, n > by ? n - by : 0)) {}
}

/* ---- Beginning and finishing ---- */

static bool write_all(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        const ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* A new file with these pieces, or none. */
typedef struct Piece {
    const void *at;
    size_t len;
} Piece;
static fnvm_error *write_new(Calls *c, const char *name, const Piece *pieces, size_t n)
{
    const int fd = openat(c->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return failed("make a file");
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = write_all(fd, pieces[i].at, pieces[i].len);
    fnvm_error *error = ok ? NULL : failed("write a file");
    if (close(fd) != 0 && !error) error = failed("write a file");
    if (error) unlinkat(c->dir, name, 0);
    return error;
}

fnvm_error *calls_begin(Calls *c, const char *id)
{
    char name[NAME_BYTES];
    if (!name_of(id, "call", name)) return not_an_id();
    uint64_t owner;
    fnvm_error *error = own(c, &owner);
    if (error) return error;
    if (atomic_load(&c->numbers->results) + atomic_load(&c->numbers->pending) >= c->limits.results)
        return fnvm_error_new(FNVM_E_LIMIT, "%u results of calls are kept already",
                              c->limits.results);
    if (atomic_load(&c->numbers->bytes) >= c->limits.bytes)
        return fnvm_error_new(FNVM_E_LIMIT, "results of calls take their %llu bytes already",
                              (unsigned long long)c->limits.bytes);
    if (!count_up(&c->numbers->pending, 1, c->limits.pending))
        return fnvm_error_new(FNVM_E_LIMIT, "%u calls are at work already", c->limits.pending);
    error = write_new(c, name, &(Piece){&owner, sizeof owner}, 1);
    if (error) count_down(&c->numbers->pending, 1);
    return error;
}

/* What a result's file begins with; then the fields, each two lengths and two texts, and the
 * body. */
typedef struct ResultHead {
    char magic[8];
    uint32_t status, nfields;
    uint64_t fields_bytes, body_bytes;
} ResultHead;
static const char magic[8] = "fnvmcal1";

static fnvm_error *pack(const HttpField *fields, size_t n, char **out, size_t *len)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].name.len > FIELDS_BYTES_MOST || fields[i].value.len > FIELDS_BYTES_MOST)
            size = SIZE_MAX;
        else size += 8 + fields[i].name.len + fields[i].value.len;
        if (n > FIELDS_MOST || size > FIELDS_BYTES_MOST)
            return fnvm_error_new(
                FNVM_E_LIMIT, "the result of a call has more than 1,000 fields or 1 MiB of them");
    }
    char *at = *out = malloc(size ? size : 1);
    if (!at) return fnvm_error_new(FNVM_E_MEMORY, "no memory for a call's result");
    for (size_t i = 0; i < n; i++) {
        const uint32_t lengths[2] = {(uint32_t)fields[i].name.len, (uint32_t)fields[i].value.len};
        at = mempcpy(at, lengths, sizeof lengths);
        at = mempcpy(at, fields[i].name.at, fields[i].name.len);
        at = mempcpy(at, fields[i].value.at, fields[i].value.len);
    }
    *len = size;
    return NULL;
}

static fnvm_error *keep(Calls *c, const char *id, ResultHead *head, const char *fields,
                        const void *body)
{
    char fresh[NAME_BYTES], call[NAME_BYTES], done[NAME_BYTES];
    name_of(id, "new", fresh);
    name_of(id, "call", call);
    name_of(id, "done", done);
    if (faccessat(c->dir, call, F_OK, 0) != 0)
        return fnvm_error_new(FNVM_E_USAGE, "the call %s was not begun, or is finished", id);
    const size_t total = sizeof *head + head->fields_bytes + head->body_bytes;
    if (!count_up(&c->numbers->bytes, total, c->limits.bytes))
        return fnvm_error_new(FNVM_E_LIMIT,
                              "the result of a call would exceed the %llu bytes for all of them",
                              (unsigned long long)c->limits.bytes);
    const Piece pieces[] = {
        {head, sizeof *head}, {fields, head->fields_bytes}, {body, head->body_bytes}};
    fnvm_error *error = write_new(c, fresh, pieces, 3);
    if (!error && renameat(c->dir, fresh, c->dir, done) != 0) {
        error = failed("rename a file");
        unlinkat(c->dir, fresh, 0);
    }
    if (error) {
        count_down(&c->numbers->bytes, total);
        return error;
    }
    atomic_fetch_add(&c->numbers->results, 1);
    if (unlinkat(c->dir, call, 0) == 0) count_down(&c->numbers->pending, 1);
    return NULL;
}

/* Whoever asks is told that there will be no result. */
static bool lose(Calls *c, const char *call)
{
    char lost[NAME_BYTES];
    snprintf(lost, sizeof lost, "%.*s.lost", CALL_ID_BYTES - 1, call);
    return renameat(c->dir, call, c->dir, lost) == 0 &&
           utimensat(c->dir, lost, NULL, 0) == 0; /* it is kept from now on */
}

fnvm_error *calls_finish(Calls *c, const char *id, unsigned status, const HttpField *fields,
                         size_t nfields, const void *body, size_t len)
{
    char call[NAME_BYTES], *packed = NULL;
    if (!name_of(id, "call", call)) return not_an_id();
    ResultHead head = {.status = status, .nfields = (uint32_t)nfields, .body_bytes = len};
    memcpy(head.magic, magic, sizeof magic);
    fnvm_error *error = pack(fields, nfields, &packed, &head.fields_bytes);
    if (!error) error = keep(c, id, &head, packed, body);
    free(packed);
    if (error && lose(c, call)) {
        count_down(&c->numbers->pending, 1);
        atomic_fetch_add(&c->numbers->results, 1);
    }
    return error;
}

/* ---- Asking ---- */

/* A whole file; *at NULL and no error: there is none of this name. */
static fnvm_error *read_file(Calls *c, const char *name, char **at, size_t *len)
{
    *at = NULL;
    struct stat st;
    const int fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? NULL : failed("open a file");
    fnvm_error *error = NULL;
    if (fstat(fd, &st) != 0 || !(*at = malloc((size_t)st.st_size + 1)))
        error = failed("read a file");
    for (*len = 0; !error && *len < (size_t)st.st_size;) {
        const ssize_t n = read(fd, *at + *len, (size_t)st.st_size - *len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) error = failed("read a file");
        else *len += (size_t)n;
    }
    close(fd);
    if (error) {
        free(*at);
        *at = NULL;
    }
    return error;
}

/* The fields point into the file, which is the result's memory behind an array of them. */
static bool parse(const char *file, size_t len, CallResult *out)
{
    ResultHead head;
    if (len < sizeof head) return false;
    memcpy(&head, file, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0 || head.nfields > FIELDS_MOST ||
        head.fields_bytes > len - sizeof head ||
        head.body_bytes != len - sizeof head - head.fields_bytes)
        return false;
    char *memory = malloc(head.nfields * sizeof(HttpField) + len);
    if (!memory) return false;
    out->memory = memory;
    out->fields = (HttpField *)memory;
    const char *at = memcpy(memory + head.nfields * sizeof(HttpField), file, len);
    const char *end = (at += sizeof head) + head.fields_bytes;
    for (uint32_t i = 0; i < head.nfields; i++) {
        uint32_t lengths[2];
        if ((size_t)(end - at) < sizeof lengths) return false;
        memcpy(lengths, at, sizeof lengths);
        at += sizeof lengths;
        if (lengths[0] > (size_t)(end - at) || lengths[1] > (size_t)(end - at) - lengths[0])
            return false;
        out->fields[i] = (HttpField){{at, lengths[0]}, {at + lengths[0], lengths[1]}};
        at += (size_t)lengths[0] + lengths[1];
    }
    *out = (CallResult){.state = CALL_DONE,
                        .status = head.status,
                        .fields = out->fields,
                        .nfields = head.nfields,
                        .body = {end, (size_t)head.body_bytes},
                        .memory = memory};
    return at == end;
}

static fnvm_error *find_done(Calls *c, const char *id, CallResult *out)
{
    char name[NAME_BYTES], *file;
    size_t len;
    name_of(id, "done", name);
    fnvm_error *error = read_file(c, name, &file, &len);
    if (error || !file) return error;
    if (!parse(file, len, out)) {
        call_result_free(out);
        error = fnvm_error_new(FNVM_E_MALFORMED,
                               "the file with the result of the call %s is damaged", id);
    }
    free(file);
    return error;
}

/* CALL_PENDING, CALL_LOST, or CALL_UNKNOWN where there is no such file. */
static fnvm_error *find_call(Calls *c, const char *name, CallState *state)
{
    char *file;
    size_t len;
    *state = CALL_UNKNOWN;
    fnvm_error *error = read_file(c, name, &file, &len);
    if (error || !file) return error;
    uint64_t owner = UINT64_MAX; /* of a file that its writer did not finish, and who is that? */
    if (len == sizeof owner) memcpy(&owner, file, sizeof owner);
    *state = len != sizeof owner || owner_lives(c, owner) ? CALL_PENDING : CALL_LOST;
    free(file);
    return NULL;
}

fnvm_error *calls_find(Calls *c, const char *id, CallResult *out)
{
    char call[NAME_BYTES], lost[NAME_BYTES];
    *out = (CallResult){.state = CALL_UNKNOWN};
    if (!name_of(id, "call", call) || !name_of(id, "lost", lost)) return not_an_id();
    fnvm_error *error = find_done(c, id, out);
    if (error || out->state == CALL_DONE) return error;
    CallState state;
    error = find_call(c, call, &state);
    if (error || state == CALL_PENDING) {
        out->state = state;
        return error;
    }
    /* It was finished between the two looks, or its owner has finished it and died then. */
    error = find_done(c, id, out);
    if (error || out->state == CALL_DONE) return error;
    out->state =
        state == CALL_LOST || faccessat(c->dir, lost, F_OK, 0) == 0 ? CALL_LOST : CALL_UNKNOWN;
    return NULL;
}

void call_result_free(CallResult *r)
{
    free(r->memory);
    *r = (CallResult){.state = CALL_UNKNOWN};
}

/* ---- Sweeping ---- */

static bool too_old(const Calls *c, const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_ms =
        (now.tv_sec - st->st_mtim.tv_sec) * 1000 + (now.tv_nsec - st->st_mtim.tv_nsec) / 1000000;
    return age_ms > 0 && (uint64_t)age_ms > c->limits.keep_ms;
}

/* One file; what stays is added to the three numbers. */
static void sweep_one(Calls *c, const char *name, uint64_t *pending, uint64_t *results,
                      uint64_t *bytes)
{
    struct stat st;
    if (strlen(name) < CALL_ID_BYTES || !call_id_ok((HttpText){name, CALL_ID_BYTES - 1}) ||
        fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    const char *state = name + CALL_ID_BYTES - 1;
    if (strcmp(state, ".call") == 0) {
        CallState now;
        fnvm_error *error = find_call(c, name, &now);
        fnvm_error_free(error);
        /* A file without an owner is being written, or was when its writer died. */
        const bool dead = !error && (now == CALL_LOST || (st.st_size == 0 && too_old(c, &st)));
        char done[NAME_BYTES];
        snprintf(done, sizeof done, "%.*s.done", CALL_ID_BYTES - 1, name);
        if (!dead) ++*pending;
        else if (faccessat(c->dir, done, F_OK, 0) == 0) unlinkat(c->dir, name, 0);
        else if (lose(c, name)) ++*results;
    } else if (too_old(c, &st))
        unlinkat(c->dir, name, 0); /* ID.new too, of one that died writing it */
    else if (strcmp(state, ".done") == 0 || strcmp(state, ".lost") == 0) {
        ++*results;
        *bytes += (uint64_t)st.st_size;
    }
}

/* The number as it was found, and what others have counted since it was looked at. */
static void correct(_Atomic uint64_t *number, uint64_t before, uint64_t found)
{
    if (found > before) atomic_fetch_add(number, found - before);
    else count_down(number, before - found);
}

void calls_sweep(Calls *c)
{
    const uint64_t before[] = {atomic_load(&c->numbers->pending), atomic_load(&c->numbers->results),
                               atomic_load(&c->numbers->bytes)};
    const int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    uint64_t pending = 0, results = 0, bytes = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        sweep_one(c, entry->d_name, &pending, &results, &bytes);
    closedir(dir);
    correct(&c->numbers->pending, before[0], pending);
    correct(&c->numbers->results, before[1], results);
    correct(&c->numbers->bytes, before[2], bytes);
}
