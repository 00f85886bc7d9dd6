/* Collecting: first the rows of versions that were replaced and that nobody runs, then all files
 * that no row tells of.  In this order, so that whoever is killed in between leaves files too many,
 * never a row whose files are gone.  A version is locked from before its row goes until its files
 * are gone: who wants to run it waits, and then finds that it is not the current one any more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "vm/error.h"

/* ---- Versions that nobody runs ---- */

typedef struct Drained { char (*ids)[32]; int *holds; size_t n; } Drained;

static void drained_free(Drained *drained)
{
    for (size_t i = 0; i < drained->n; i++)
        if (drained->holds[i] >= 0) close(drained->holds[i]);
    free(drained->ids);
    free(drained->holds);
}

/* Takes the lock of a version that was replaced; false while somebody runs it.  *hold is -1 where its
 * folder is gone, and with it whatever could be run. */
static bool try_hold(const Depot *d, const char *id, int *hold)
{
    char *path = depot_path(d, "versions", id);
    if (!path) return false;
    *hold = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const bool is_gone = *hold < 0 && errno == ENOENT;
    free(path);
    if (*hold >= 0 && flock_wait(*hold, LOCK_EX | LOCK_NB)) return true;
    if (*hold >= 0) close(*hold);
    *hold = -1;
    return is_gone;
}

static fnvm_error *remove_row(Depot *d, const Installed *version)
{
    fnvm_error *error = database_remove_install(d->database, version->install.id);
    return error ? error
                 : installed_event(d->database, "remove", &version->approval, "nobody runs it");
}

/* All in one change.  With nothing to remove there is no change. */
static fnvm_error *remove_rows(Depot *d, const InstalledList *list, Drained *drained)
{
    drained->ids = calloc(list->n + 1, sizeof *drained->ids);
    drained->holds = calloc(list->n + 1, sizeof *drained->holds);
    fnvm_error *error = drained->ids && drained->holds ? NULL : error_no_memory();
    bool changing = false;
    for (size_t i = 0; i < list->n && !error; i++) {
        const Installed *version = &list->at[i];
        int hold;
        if (version->install.state != INSTALL_DRAINING || !try_hold(d, version->install.id, &hold))
            continue;
        memcpy(drained->ids[drained->n], version->install.id, sizeof *drained->ids);
        drained->holds[drained->n++] = hold;
        if (!changing) error = depot_begin(d);
        changing = !error;
        if (!error) error = remove_row(d, version);
    }
    if (changing && !error) return depot_commit(d);
    if (changing) depot_abandon(d);
    return error;
}

static fnvm_error *remove_drained(Depot *d, Drained *drained)
{
    InstalledList list;
    fnvm_error *error = depot_read(d);
    if (error) return error;
    error = installed_list(d->database, &list);
    depot_abandon(d);
    if (error) return error;
    error = remove_rows(d, &list, drained);
    installed_free(&list);
    return error;
}

/* ---- Files that belong to nothing ---- */

typedef struct Names { char (*at)[72]; size_t n, capacity; } Names; /* the longest: HEX.wasm */

static fnvm_error *names_add(Names *names, const char *name, const char *ending)
{
    if (names->n == names->capacity) {
        const size_t capacity = names->capacity ? names->capacity * 2 : 32;
        void *at = capacity <= SIZE_MAX / sizeof *names->at
                       ? realloc(names->at, capacity * sizeof *names->at) : NULL;
        if (!at) return error_no_memory();
        names->at = at;
        names->capacity = capacity;
    }
    snprintf(names->at[names->n++], sizeof *names->at, "%s%s", name, ending);
    return NULL;
}

static fnvm_error *names_add_hash(Names *names, const uint8_t hash[32], const char *ending)
{
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, hash, 32);
    return names_add(names, hex, ending);
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

typedef struct Kept { Names objects, versions, policies; } Kept;

static fnvm_error *keep_policy(void *env, const Approval *approval)
{
    Kept *kept = env;
    if (approval->state != APPROVAL_APPROVED || sodium_is_zero(approval->policy, 32)) return NULL;
    return names_add_hash(&kept->policies, approval->policy, ".yaml");
}

static fnvm_error *keep_version(void *env, const Install *install, const Approval *approval)
{
    Kept *kept = env;
    fnvm_error *error = names_add(&kept->versions, install->id, "");
    if (!error) error = names_add_hash(&kept->objects, install->object, ".wasm");
    if (!error) error = names_add_hash(&kept->policies, approval->policy, ".yaml");
    return error;
}

/* Temporary names among them. */
static void remove_others(const Depot *d, const char *folder, Names *names)
{
    if (names->n) qsort(names->at, names->n, sizeof *names->at, compare);
    int fd = openat(d->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (names->n && bsearch(e->d_name, names->at, names->n, sizeof *names->at, compare)))
            continue;
        if (unlinkat(dirfd(dir), e->d_name, 0) != 0) directory_remove(dirfd(dir), e->d_name);
    }
    closedir(dir);
}

/* What a writer that was killed left beside a file that is kept. */
static void remove_temporary(const Depot *d, const char *id)
{
    char *path = depot_path(d, "versions", id);
    DIR *dir = path ? opendir(path) : NULL;
    free(path);
    if (!dir) return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] == '.' && e->d_name[1] != '\0' && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

static fnvm_error *remove_orphans(Depot *d)
{
    Kept kept = {0};
    fnvm_error *error = depot_read(d);
    if (error) return error;
    error = database_each_install(d->database, keep_version, &kept);
    if (!error) error = database_each_approval(d->database, NULL, keep_policy, &kept);
    depot_abandon(d);
    if (!error) {
        remove_others(d, "objects", &kept.objects);
        remove_others(d, "policies", &kept.policies);
        remove_others(d, "versions", &kept.versions);
        for (size_t i = 0; i < kept.versions.n; i++) remove_temporary(d, kept.versions.at[i]);
    }
    free(kept.objects.at);
    free(kept.versions.at);
    free(kept.policies.at);
    return error;
}

fnvm_error *depot_collect(Depot *d)
{
    int pending;
    Drained drained = {0};
    fnvm_error *error = depot_flock(d, "pending", LOCK_EX | LOCK_NB, &pending);
    if (error || pending < 0) return error;
    error = remove_drained(d, &drained);
    if (!error) error = remove_orphans(d);
    drained_free(&drained);
    close(pending);
    return error;
}
