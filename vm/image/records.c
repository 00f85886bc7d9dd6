/* Records of verified files: DIR/images/DEVICE-INODE, both in hexadecimal.
 *
 * A record counts by who could have written it: the directories are the user's own and closed to
 * others' writing, and so is the file.  What it says of a file holds for the inode as long as its
 * change time is the same, which nobody can set.  The sum finds damage (files here are not synced
 * to the disk), not intent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "vm/error.h"
#include "vm/image/file.h"

enum {
    RECORD_FORMAT = 1,   /* raised when checks become stricter: old records do not count then */
    RECORDS_MOST = 1024, /* 4 MiB of small files; more images than that are not in use at once */
    RECORDS_KEPT = 768   /* of more: else every new one would have to look for the oldest */
};
static const char record_magic[8] = "fnvmrec";

typedef struct Record {
    char magic[8];
    uint32_t format, flags;
    uint64_t dev, ino, size;
    int64_t changed, changed_nsec;
    ImageHash hash;
    uint64_t sum; /* of all before it */
} Record;
_Static_assert(sizeof(Record) == 96, "no padding");

static Record make_record(const struct stat *st, const FileRecord *what)
{
    Record r = {.format = RECORD_FORMAT, .flags = what->flags, .dev = st->st_dev, .ino = st->st_ino,
                .size = (uint64_t)st->st_size, .changed = st->st_ctim.tv_sec,
                .changed_nsec = st->st_ctim.tv_nsec, .hash = what->hash};
    memcpy(r.magic, record_magic, sizeof r.magic);
    r.sum = XXH3_64bits(&r, offsetof(Record, sum));
    return r;
}

/* Whether only the user and root can have changed the file. */
static bool may_be_recorded(const struct stat *st)
{
    return S_ISREG(st->st_mode) && !(st->st_mode & (S_IWGRP | S_IWOTH)) &&
           (st->st_uid == geteuid() || st->st_uid == 0);
}

/* Whether nobody else can put files there.  `flags` as for fstatat. */
static bool is_private_directory(const char *path, int flags)
{
    struct stat st;
    return fstatat(AT_FDCWD, path, &st, flags) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Writes DIR/images to `out`; false if there can be no records in it. */
static bool records_path(const char *dir, char out[PATH_MAX])
{
    return dir && snprintf(out, PATH_MAX, "%s/images", dir) < PATH_MAX &&
           is_private_directory(dir, 0) && is_private_directory(out, AT_SYMLINK_NOFOLLOW);
}

/* Opens a directory to look into, if nobody else can put files there; -1 if not. */
static int open_private(int at, const char *name, int flags)
{
    int fd = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
    struct stat st;
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return fd;
    close(fd);
    return -1;
}

/* DIR/images.  This is on the way of every start: the path is walked once. */
static int open_records(const char *dir)
{
    int parent = dir ? open_private(AT_FDCWD, dir, 0) : -1;
    if (parent < 0) return -1;
    int fd = open_private(parent, "images", O_NOFOLLOW);
    close(parent);
    return fd;
}

static bool append_name(char path[PATH_MAX], const struct stat *st)
{
    const size_t len = strlen(path);
    return (size_t)snprintf(path + len, PATH_MAX - len, "/%" PRIx64 "-%" PRIx64,
                            (uint64_t)st->st_dev, (uint64_t)st->st_ino) < PATH_MAX - len;
}

static bool read_record(int directory, const char *name, Record *out)
{
    /* Nothing waits (for the other end of a pipe), and looking is no use of it. */
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
    if (fd < 0) return false;
    struct stat st;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
              (st.st_mode & 07777) == 0600 && st.st_size == sizeof *out &&
              read(fd, out, sizeof *out) == sizeof *out;
    close(fd);
    return ok;
}

bool record_find(const char *dir, const struct stat *st, FileRecord *out)
{
    char name[PATH_MAX] = "";
    Record found;
    int directory = may_be_recorded(st) ? open_records(dir) : -1;
    if (directory < 0) return false;
    const bool read = append_name(name, st) && read_record(directory, name + 1, &found);
    close(directory);
    if (!read) return false;
    /* It is the record of this file as it is if it is what would be written now. */
    *out = (FileRecord){.hash = found.hash, .flags = found.flags};
    const Record expected = make_record(st, out);
    return memcmp(&found, &expected, sizeof found) == 0;
}

/* ---- Adding ---- */

typedef struct Entry { char name[NAME_MAX + 1]; struct timespec written; } Entry;
typedef struct Entries { Entry *at; size_t n, capacity; } Entries;

static bool entries_add(Entries *e, const char *name)
{
    if (e->n == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : RECORDS_MOST;
        Entry *at = realloc(e->at, capacity * sizeof *at);
        if (!at) return false;
        e->at = at;
        e->capacity = capacity;
    }
    Entry *entry = &e->at[e->n++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    return true;
}

static int oldest_first(const void *a, const void *b)
{
    const struct timespec x = ((const Entry *)a)->written, y = ((const Entry *)b)->written;
    return x.tv_sec != y.tv_sec ? (x.tv_sec > y.tv_sec) - (x.tv_sec < y.tv_sec)
                                : (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

static void remove_oldest(int directory, Entries *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct stat st = {0};
        if (fstatat(directory, e->at[i].name, &st, AT_SYMLINK_NOFOLLOW) != 0) st = (struct stat){0};
        e->at[i].written = st.st_mtim;
    }
    qsort(e->at, e->n, sizeof *e->at, oldest_first);
    for (size_t i = 0; i < e->n - RECORDS_KEPT; i++) unlinkat(directory, e->at[i].name, 0);
}

/* All that is in the directory counts, so that what killed writers left goes, too. */
static void make_room(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) return;
    Entries e = {0};
    bool ok = true;
    for (const struct dirent *d; ok && (d = readdir(dir)) != NULL;)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            ok = entries_add(&e, d->d_name);
    if (e.n >= RECORDS_MOST) remove_oldest(dirfd(dir), &e);
    free(e.at);
    closedir(dir);
}

static bool make_directory(const char *path) { return mkdir(path, 0700) == 0 || errno == EEXIST; }

void record_add(const char *dir, const struct stat *st, const FileRecord *what)
{
    char path[PATH_MAX];
    if (!dir || !may_be_recorded(st) || snprintf(path, sizeof path, "%s/images", dir) >= PATH_MAX ||
        !make_directory(dir) || !make_directory(path) || !records_path(dir, path))
        return;
    make_room(path);
    if (!append_name(path, st)) return;
    const Record record = make_record(st, what);
    NewFile file;
    struct stat written;
    fnvm_error *error = file_begin(path, &file);
    if (error) {
        fnvm_error_free(error);
        return;
    }
    error = file_write_at(&file, &record, sizeof record, 0);
    if (!error) error = file_finish(&file, false, &written);
    file_abandon(&file);
    fnvm_error_free(error);
}
