/* The directory of a code cache: whose it is, what is in it, how much.  Files are written under
 * another name and renamed, so that a reader has a whole file whatever happens to its writer.
 * Writers exclude each other by a lock on the directory, which the system takes back from one that
 * dies; so the other name can be the same for all, and nothing is left over that is not replaced
 * by the next. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "jit/cache_file.h"
#include "vm/error.h"
#include "vm/tunables.h"

static const char new_name[] = "new";

/* ---- Opening ---- */

static fnvm_error *system_error(const char *what, const char *directory)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "cannot %s the code cache `%s`: %s", what, directory,
                          reason ? reason : "unknown error");
}

/* The directory and those above it, each for the user alone. */
static fnvm_error *make_directories(const char *directory)
{
    char *path = strdup(directory);
    if (!path) return error_no_memory();
    fnvm_error *error = NULL;
    for (char *end = path + 1; !error && *path; end++) {
        char c = *end;
        if (c && c != '/') continue;
        *end = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) error = system_error("make", path);
        *end = c;
        if (!c) break;
    }
    free(path);
    return error;
}

static fnvm_error *open_directory(const char *directory, bool create, int *fd)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    *fd = open(directory, flags);
    if (*fd < 0 && errno == ENOENT && create) {
        fnvm_error *error = make_directories(directory);
        if (error) return error;
        *fd = open(directory, flags);
    }
    return *fd < 0 ? system_error("open", directory) : NULL;
}

/* Whether nobody else can put files there. */
static fnvm_error *check_directory(int fd, const char *directory)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return system_error("look at", directory);
    if (st.st_uid != geteuid())
        return fnvm_error_new(FNVM_E_USAGE, "the code cache `%s` belongs to user %u; choose a "
                              "directory of your own", directory, (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fnvm_error_new(FNVM_E_USAGE, "others may write to the code cache `%s`; make it "
                              "yours with `chmod 700`", directory);
    return NULL;
}

fnvm_error *cache_open(const char *directory, bool create, CodeCache **out)
{
    CodeCache *cache = calloc(1, sizeof *cache);
    if (!cache) return error_no_memory();
    fnvm_error *error = open_directory(directory, create, &cache->fd);
    if (!error) error = check_directory(cache->fd, directory);
    if (error) {
        cache_close(cache);
        return error;
    }
    *out = cache;
    return NULL;
}

void cache_close(CodeCache *cache)
{
    if (!cache) return;
    if (cache->fd >= 0) close(cache->fd);
    free(cache);
}

/* ---- Reading ---- */

static bool is_cache_name(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");
    return digits == 2 * (size_t)CACHE_KEY_BYTES && strcmp(name + digits, ".code") == 0;
}

/* Nothing waits (for the other end of a pipe), and looking is no use of it. */
int cache_open_file(const CodeCache *cache, const char *name, struct stat *st)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME;
    int fd = openat(cache->fd, name, flags);
    if (fd < 0) return -1;
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
        (st->st_mode & 07777) == 0600)
        return fd;
    close(fd);
    return -1;
}

static int64_t last_use(const struct stat *st)
{
    return st->st_atim.tv_sec > st->st_mtim.tv_sec ? st->st_atim.tv_sec : st->st_mtim.tv_sec;
}

void cache_note_use(int fd, const struct stat *st)
{
    struct timespec now, times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 &&
        now.tv_sec - last_use(st) >= CACHE_USE_SECONDS)
        futimens(fd, times); /* if it fails the file just seems older */
}

typedef struct File {
    char name[CACHE_NAME_BYTES];
    uint64_t size;
    int64_t used;
} File;
typedef struct Listing { File *files; size_t n, capacity; } Listing;

static bool listing_add(Listing *l, const char *name, const struct stat *st)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 64;
        File *files = realloc(l->files, capacity * sizeof *files);
        if (!files) return false;
        l->files = files;
        l->capacity = capacity;
    }
    File *f = &l->files[l->n++];
    memcpy(f->name, name, sizeof f->name);
    f->size = (uint64_t)st->st_size;
    f->used = last_use(st);
    return true;
}

static int used_last_first(const void *a, const void *b)
{
    const File *x = a, *y = b;
    return x->used != y->used ? (x->used < y->used) - (x->used > y->used)
                              : strcmp(x->name, y->name);
}

/* All that has the name of a file of ours, whatever it is. */
static bool list_files(const CodeCache *cache, Listing *l)
{
    *l = (Listing){0};
    int fd = openat(cache->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return false;
    }
    bool ok = true;
    for (const struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (!is_cache_name(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        ok = listing_add(l, e->d_name, &st);
    }
    closedir(dir);
    if (l->n) qsort(l->files, l->n, sizeof *l->files, used_last_first);
    return ok;
}

static fnvm_error *listing_error(Listing *l)
{
    free(l->files);
    return fnvm_error_new(FNVM_E_IO, "the files of the code cache cannot be listed");
}

static void describe(const CodeCache *cache, const uint8_t engine[CACHE_KEY_BYTES], File *f,
                     CacheHead *head, CacheEntry *entry)
{
    struct stat st;
    uint8_t named[CACHE_KEY_BYTES];
    int fd = cache_open_file(cache, f->name, &st);
    bool whole = fd >= 0 && cache_read_head(fd, (uint64_t)st.st_size, head) &&
                 sodium_hex2bin(named, sizeof named, f->name, 2 * sizeof named, NULL, NULL,
                                NULL) == 0 &&
                 memcmp(named, head->key, sizeof named) == 0;
    if (fd >= 0) close(fd);
    if (!whole) memset(head, 0, sizeof *head);
    f->name[2 * CACHE_KEY_BYTES] = '\0';
    *entry = (CacheEntry){.key = f->name, .path = head->path, .size = f->size,
                          .nfuncs = head->nfuncs, .used = f->used, .state = CACHE_DAMAGED};
    if (whole)
        entry->state = memcmp(head->engine, engine, sizeof head->engine) == 0 ? CACHE_CURRENT
                                                                              : CACHE_OTHER_ENGINE;
}

fnvm_error *cache_each(const CodeCache *cache, void (*fn)(void *env, const CacheEntry *), void *env)
{
    Listing l;
    uint8_t engine[CACHE_KEY_BYTES];
    cache_measure_engine(engine);
    if (!list_files(cache, &l)) return listing_error(&l);
    for (size_t i = 0; i < l.n; i++) {
        CacheHead head;
        CacheEntry entry;
        describe(cache, engine, &l.files[i], &head, &entry);
        fn(env, &entry);
    }
    free(l.files);
    return NULL;
}

fnvm_error *cache_clear(const CodeCache *cache, size_t *files, uint64_t *bytes)
{
    Listing l;
    *files = 0;
    *bytes = 0;
    if (!list_files(cache, &l)) return listing_error(&l);
    for (size_t i = 0; i < l.n; i++) {
        if (unlinkat(cache->fd, l.files[i].name, 0) != 0) continue;
        ++*files;
        *bytes += l.files[i].size;
    }
    free(l.files);
    unlinkat(cache->fd, new_name, 0);
    return NULL;
}

/* ---- Writing ---- */

/* Removes what was not used for longest until there is room for `size` bytes as file `name`. */
static bool make_room(const CodeCache *cache, const char *name, uint64_t size)
{
    Listing l;
    bool ok = list_files(cache, &l);
    size_t n = 1;
    for (size_t i = 0; ok && i < l.n; i++) {
        const File *f = &l.files[i];
        if (strcmp(f->name, name) == 0) continue;
        if (n < CACHE_FILES && f->size <= CACHE_TOTAL_BYTES - size) {
            size += f->size;
            n++;
        } else {
            unlinkat(cache->fd, f->name, 0);
        }
    }
    free(l.files);
    return ok;
}

static uint64_t parts_size(const struct iovec *parts, int nparts)
{
    uint64_t size = 0;
    for (int i = 0; i < nparts; i++) size += parts[i].iov_len;
    return size;
}

/* Whether a file may have the size: past this limit the system kills instead of refusing. */
static bool size_allowed(uint64_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && size <= limit.rlim_cur;
}

static bool write_parts(int fd, struct iovec *parts, int nparts)
{
    for (int i = 0; i < nparts; i++) {
        const uint8_t *at = parts[i].iov_base;
        for (size_t left = parts[i].iov_len; left > 0;) {
            ssize_t n = write(fd, at, left);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return false;
            at += n;
            left -= (size_t)n;
        }
    }
    return true;
}

/* With the directory locked. */
static void replace_locked(const CodeCache *cache, const char *name, struct iovec *parts,
                           int nparts)
{
    uint64_t size = parts_size(parts, nparts);
    unlinkat(cache->fd, new_name, 0); /* of a writer that died */
    if (size > CACHE_TOTAL_BYTES || !size_allowed(size) || !make_room(cache, name, size)) return;
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(cache->fd, new_name, flags, 0600);
    if (fd < 0) return;
    bool ok = fchmod(fd, 0600) == 0 && write_parts(fd, parts, nparts);
    if (close(fd) != 0) ok = false;
    if (!ok || renameat(cache->fd, new_name, cache->fd, name) != 0)
        unlinkat(cache->fd, new_name, 0);
}

/* The lock belongs to a descriptor of its own: other threads have the cache's too. */
void cache_replace_file(const CodeCache *cache, const char *name, struct iovec *parts, int nparts)
{
    int fd = openat(cache->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) replace_locked(cache, name, parts, nparts);
    close(fd); /* who does not get the lock leaves it to the next run */
}
