/* Opening, and the lock of changes.  The lock is a file of its own, opened anew for every
 * change, so that closing it unlocks whatever became of the process.  Within a process a mutex
 * does the same for threads. */
#include "verifier/approval/depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/error.h"

enum { PAGE = 4096 };

static fnvm_error *system_error(const char *doing, const char *what)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "cannot %s `%s`: %s",
                          doing, what, reason ? reason : "unknown error");
}

/* ---- Opening ---- */

/* Each directory of the path that is not there, closed to others. */
static fnvm_error *make_directories(const char *dir)
{
    char *path = strdup(dir);
    fnvm_error *error = path ? NULL : error_no_memory();
    for (char *at = path; !error && at; ) {
        at = strchr(at + 1, '/');
        if (at) *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) error = system_error("make", path);
        if (at) *at = '/';
    }
    free(path);
    return error;
}

static fnvm_error *check_owner(const Depot *d, const char *dir)
{
    struct stat st;
    if (fstat(d->fd, &st) != 0) return system_error("look at", dir);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return fnvm_error_new(FNVM_E_POLICY,
                              "the depot `%s` is another user's: what it approves is "
                              "for him to say",
                              dir);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fnvm_error_new(FNVM_E_POLICY,
                              "the depot `%s` may be changed by others: chmod go-w it, "
                              "after a look at what is in it",
                              dir);
    return NULL;
}

static bool is_empty(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    bool empty = list != NULL;
    if (!list && fd >= 0) close(fd);
    for (struct dirent *e; empty && (e = readdir(list));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (list) closedir(list);
    return empty;
}

/* The database comes first: a directory that has it is a depot, whatever else is not there yet. */
static fnvm_error *check_contents(const Depot *d, const char *dir, bool create)
{
    static const char *const folders[] = {"policies", "objects", "versions"};
    static const char database[] = "approvals.db";
    const bool is_depot = faccessat(d->fd, database, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_depot && !create)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "`%s` is no depot: it has no %s", dir, database);
    if (!is_depot && !is_empty(d->fd))
        return fnvm_error_new(FNVM_E_USAGE,
                              "`%s` is no depot, and not empty: choose a directory of its "
                              "own for the depot",
                              dir);
    if (!create) return NULL;
    fnvm_error *error = database_make_file(d->fd);
    if (error) return error;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdirat(d->fd, folders[i], 0700) != 0 && errno != EEXIST)
            return system_error("make", folders[i]);
    return NULL;
}

static fnvm_error *open_directory(Depot *d, const char *dir, bool create)
{
    fnvm_error *error = create ? make_directories(dir) : NULL;
    if (error) return error;
    d->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0 && errno == ENOENT)
        return fnvm_error_new(FNVM_E_NOT_FOUND,
                              "there is no depot `%s`: the first `fnvm approve` or `fnvm install` "
                              "makes it", dir);
    if (d->fd < 0) return system_error("open", dir);
    error = check_owner(d, dir);
    if (!error) error = check_contents(d, dir, create);
    if (error) return error;
    d->dir = realpath(dir, NULL);
    if (!d->dir) return system_error("find", dir);
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return error_no_memory();
    d->watched = page;
    return NULL;
}

fnvm_error *fnvm_depot_open(const char *dir, bool create, fnvm_depot **out)
{
    *out = NULL;
    if (!dir || !*dir) return fnvm_error_new(FNVM_E_USAGE, "a depot needs a directory");
    Depot *d = calloc(1, sizeof *d);
    if (!d) return error_no_memory();
    d->fd = d->audit = d->lock = -1;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_mutex_init(&d->changing, NULL);
    fnvm_error *error = open_directory(d, dir, create);
    if (error) {
        fnvm_depot_close(d);
        return error;
    }
    *out = d;
    return NULL;
}

void fnvm_depot_close(fnvm_depot *d)
{
    if (!d) return;
    if (d->database_pid == getpid()) database_close(d->database);
    standing_unmap(&d->standing);
    if (d->watched) munmap(d->watched, PAGE);
    if (d->audit >= 0) close(d->audit);
    if (d->fd >= 0) close(d->fd);
    pthread_mutex_destroy(&d->mutex);
    pthread_mutex_destroy(&d->changing);
    free(d->keys);
    free(d->dir);
    free(d);
}

/* ---- Changes ---- */

static fnvm_error *lock_file(Depot *d)
{
    pthread_mutex_lock(&d->changing);
    d->lock = openat(d->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status = -1;
    if (d->lock >= 0)
        do status = flock(d->lock, LOCK_EX);
        while (status != 0 && errno == EINTR);
    if (status == 0) {
        atomic_store(&d->changer, gettid());
        return NULL;
    }
    fnvm_error *error = system_error("lock the depot", d->dir);
    if (d->lock >= 0) close(d->lock);
    d->lock = -1;
    pthread_mutex_unlock(&d->changing);
    return error;
}

static void unlock_file(Depot *d)
{
    atomic_store(&d->changer, 0);
    close(d->lock);
    d->lock = -1;
    pthread_mutex_unlock(&d->changing);
}

/* A connection must not be used, nor closed, by a fork of the process that opened it. */
static fnvm_error *open_database(Depot *d)
{
    if (d->database && d->database_pid == getpid()) return NULL;
    d->database_pid = getpid();
    return database_open(d->fd, d->dir, &d->database);
}

/* Whether the log goes on from where the standing file says.  After a crash of the machine it
 * may have lost decisions, and recovery knows. */
static fnvm_error *check_log(Depot *d, Standing *standing, bool *is_good)
{
    int log;
    fnvm_error *error = depot_open_log(d, &log);
    if (error) return error;
    AuditHead head = standing_audit(standing);
    error = audit_catch_up(log, &head);
    *is_good = !error;
    if (!error) standing_set_audit(standing, &head);
    close(log);
    if (!error || fnvm_error_code(error) != FNVM_E_INVALID) return error;
    fnvm_error_free(error);
    return NULL;
}

static fnvm_error *recover_if_need_be(Depot *d)
{
    Standing standing;
    bool is_good = false;
    fnvm_error *error = standing_map(d->fd, true, &standing);
    if (!error && standing.head) error = check_log(d, &standing, &is_good);
    standing_unmap(&standing);
    return error || is_good ? error : depot_recover(d);
}

/* Starting libsodium looks at the processor, which takes 30 us in a virtual machine: so not to open a
 * depot, where a start hashes only a line of the log. */
fnvm_error *depot_lock(Depot *d)
{
    if (sodium_init() < 0) return fnvm_error_new(FNVM_E_IO, "the host has no random numbers");
    fnvm_error *error = lock_file(d);
    if (error) return error;
    error = open_database(d);
    if (error) unlock_file(d);
    return error;
}

fnvm_error *depot_read(Depot *d)
{
    fnvm_error *error = depot_lock(d);
    if (error) return error;
    error = recover_if_need_be(d);
    if (error) unlock_file(d);
    return error;
}

fnvm_error *depot_begin(Depot *d)
{
    fnvm_error *error = depot_read(d);
    if (error) return error;
    error = database_begin(d->database);
    if (error) unlock_file(d);
    return error;
}

fnvm_error *depot_commit(Depot *d)
{
    fnvm_error *error = NULL;
    if (database_is_changed(d->database)) {
        AuditHead head;
        error = depot_retire(d, &head);
        if (!error) error = database_commit(d->database);
        if (!error) {
            error = depot_publish(d, &head);
            if (error)
                error = fnvm_error_wrap(error, "the change was made, but not all is noted yet");
        }
    }
    depot_abandon(d);
    return error;
}

/* Another thread may be at it while this one has nothing to abandon any more. */
void depot_abandon(Depot *d)
{
    if (atomic_load(&d->changer) != gettid()) return;
    database_rollback(d->database);
    unlock_file(d);
}
