/* A head of one page and an array of entries behind it, searched by halves.  The file is not
 * synced: if a crash of the machine leaves it half written its sum is wrong, and it is made
 * again.  Only the mark that it is not valid is synced, since the database's commit comes after
 * it. */
#include "verifier/approval/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "vm/error.h"

enum {
    STANDING_FORMAT = 3,
    HEAD_BYTES = 4096,       /* a page: it is mapped alone, too */
    ENTRIES_MAX = 1 << 20
};
static const char file_name[] = "standing", new_name[] = "standing.new";
static const char magic[8] = "fnvmstd";

_Static_assert(sizeof(StandingHead) <= HEAD_BYTES, "the head's page");
_Static_assert(sizeof(StandingEntry) == 440, "no padding, which would count in the sum");

static fnvm_error *file_error(const char *doing, int number)
{
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(FNVM_E_IO, "cannot %s the depot's file `%s`: %s", doing, file_name,
                          reason ? reason : "unknown error");
}

/* ---- Keys ---- */

StandingKey standing_identity(const struct stat *st)
{
    const uint64_t parts[4] = {
        st->st_dev, st->st_ino, (uint64_t)st->st_size,
        (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec};
    StandingKey key;
    memcpy(key.bytes, parts, sizeof key.bytes);
    return key;
}

StandingKey standing_name_key(const char *name, const char *version)
{
    StandingKey key;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof key.bytes);
    crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
    if (version) {
        crypto_generichash_update(&state, (const uint8_t *)"@", 1);
        crypto_generichash_update(&state, (const uint8_t *)version, strlen(version));
    }
    crypto_generichash_final(&state, key.bytes, sizeof key.bytes);
    return key;
}

static int compare(const StandingEntry *a, uint32_t kind, const StandingKey *key)
{
    if (a->kind != kind) return a->kind < kind ? -1 : 1;
    return memcmp(a->key.bytes, key->bytes, sizeof key->bytes);
}

static int in_order(const void *a, const void *b)
{
    const StandingEntry *y = b;
    return compare(a, y->kind, &y->key);
}

const StandingEntry *standing_find(const Standing *s, StandingKind kind, const StandingKey *key)
{
    size_t low = 0, high = s->head ? s->head->count : 0;
    const size_t n = high;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(&s->entries[middle], kind, key) < 0) low = middle + 1;
        else high = middle;
    }
    return low < n && compare(&s->entries[low], kind, key) == 0 ? &s->entries[low] : NULL;
}

const StandingEntry *standing_next(const Standing *s, const StandingEntry *e)
{
    const StandingEntry *next = e + 1, *end = s->entries + s->head->count;
    return next < end && compare(next, e->kind, &e->key) == 0 ? next : NULL;
}

/* ---- The log's head ---- */

AuditHead standing_audit(const Standing *s)
{
    return s->head->audit[atomic_load_explicit(&s->head->turn, memory_order_acquire) & 1];
}

void standing_set_audit(Standing *s, const AuditHead *head)
{
    const uint32_t turn = atomic_load_explicit(&s->head->turn, memory_order_relaxed) + 1;
    s->head->audit[turn & 1] = *head;
    atomic_store_explicit(&s->head->turn, turn, memory_order_release);
}

/* ---- Mapping ---- */

static bool names_boot(char out[40])
{
    memset(out, 0, 40);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && read(fd, out, 36) == 36;
    if (fd >= 0) close(fd);
    return ok;
}

/* Maps the head of DIR/standing if it is one; false with *number 0 if there is none. */
static bool map_file(int dir, bool writes, Standing *s, int *number)
{
    struct stat st;
    const int flags = (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const int protection = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    *s = (Standing){.fd = openat(dir, file_name, flags)};
    *number = s->fd >= 0 || errno == ENOENT ? 0 : errno;
    if (s->fd < 0) return false;
    if (fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= HEAD_BYTES) {
        void *at = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, s->fd, 0);
        if (at != MAP_FAILED) {
            s->head = at;
            s->entries = (const StandingEntry *)((const char *)at + HEAD_BYTES);
            s->size = (size_t)st.st_size;
            return true;
        }
        *number = errno;
    }
    close(s->fd);
    return false;
}

static bool is_head(const StandingHead *h)
{
    return memcmp(h->magic, magic, sizeof magic) == 0 && h->format == STANDING_FORMAT;
}

static bool is_whole(const Standing *s)
{
    const StandingHead *h = s->head;
    struct stat st;
    return is_head(h) && fstat(s->fd, &st) == 0 && h->inode == st.st_ino &&
           h->count <= ENTRIES_MAX && s->size == HEAD_BYTES + h->count * sizeof(StandingEntry) &&
           h->sum == XXH3_64bits(s->entries, h->count * sizeof(StandingEntry));
}

fnvm_error *standing_map(int dir, bool writes, Standing *out)
{
    int number;
    const bool is_mapped = map_file(dir, writes, out, &number);
    if (is_mapped && standing_is_valid(out) && is_whole(out)) return NULL;
    if (is_mapped) standing_unmap(out);
    *out = (Standing){0};
    return number ? file_error("open", number) : NULL;
}

void standing_unmap(Standing *s)
{
    if (!s->head) return;
    munmap(s->head, s->size);
    close(s->fd);
    *s = (Standing){0};
}

bool standing_is_in_place(const Standing *s)
{
    struct stat st;
    return s->head && fstat(s->fd, &st) == 0 && st.st_nlink > 0;
}

bool standing_last_audit(int dir, AuditHead *out)
{
    Standing s;
    int number;
    char boot[40];
    if (!map_file(dir, true, &s, &number)) return false;
    const bool ok = is_head(s.head) && names_boot(boot) &&
                    memcmp(boot, s.head->boot, sizeof boot) == 0;
    if (ok) *out = standing_audit(&s);
    standing_unmap(&s);
    return ok;
}

/* ---- Changing ---- */

fnvm_error *standing_invalidate(int dir)
{
    Standing s;
    int number;
    if (!map_file(dir, true, &s, &number)) return number ? file_error("open", number) : NULL;
    atomic_store_explicit(&s.head->valid, 0, memory_order_release);
    const bool ok = msync(s.head, HEAD_BYTES, MS_SYNC) == 0;
    number = errno;
    standing_unmap(&s);
    return ok ? NULL : file_error("write", number);
}

static bool write_all(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        const ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

fnvm_error *standing_write(int dir, StandingEntry *entries, size_t n, uint64_t generation,
                           const AuditHead *audit)
{
    if (n > ENTRIES_MAX)
        return fnvm_error_new(FNVM_E_LIMIT, "the depot has more than %d decisions that stand",
                              ENTRIES_MAX);
    fnvm_error *error = standing_invalidate(dir);
    if (error) return error;
    if (n > 1) qsort(entries, n, sizeof *entries, in_order);
    union { StandingHead head; char bytes[HEAD_BYTES]; } first = {.bytes = {0}};
    StandingHead *h = &first.head;
    memcpy(h->magic, magic, sizeof magic);
    h->format = STANDING_FORMAT;
    atomic_init(&h->valid, 1);
    h->count = n;
    h->generation = generation;
    h->sum = XXH3_64bits(entries, n * sizeof *entries);
    names_boot(h->boot);
    h->audit[0] = *audit;

    if (unlinkat(dir, new_name, 0) != 0 && errno != ENOENT) return file_error("replace", errno);
    int fd = openat(dir, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return file_error("make", errno);
    struct stat st = {.st_ino = 0};
    bool ok = fstat(fd, &st) == 0;
    h->inode = st.st_ino;
    ok = ok && write_all(fd, &first, sizeof first) && write_all(fd, entries, n * sizeof *entries);
    if (close(fd) != 0) ok = false;
    if (ok && renameat(dir, new_name, dir, file_name) == 0) return NULL;
    error = file_error("write", errno);
    unlinkat(dir, new_name, 0);
    return error;
}
