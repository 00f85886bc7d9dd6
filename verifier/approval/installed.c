/* The list is a copy: it is used after the database is no longer locked. */
#include "verifier/approval/installed.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/objects.h"
#include "vm/error.h"

static fnvm_error *append(void *env, const Install *install, const Approval *approval)
{
    InstalledList *list = env;
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 16;
        Installed *at = capacity <= SIZE_MAX / sizeof *at
                            ? realloc(list->at, capacity * sizeof *at) : NULL;
        if (!at) return error_no_memory();
        list->at = at;
        list->capacity = capacity;
    }
    Installed copy = {.install = *install, .approval = *approval};
    copy.install.origin = strdup(install->origin ? install->origin : "");
    if (!copy.install.origin) return error_no_memory();
    list->at[list->n++] = copy;
    return NULL;
}

fnvm_error *installed_list(Database *database, InstalledList *out)
{
    *out = (InstalledList){0};
    fnvm_error *error = database_each_install(database, append, out);
    if (error) installed_free(out);
    return error;
}

void installed_free(InstalledList *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->at[i].install.origin);
    free(list->at);
    *list = (InstalledList){0};
}

Installed *installed_current(const InstalledList *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i].install.state == INSTALL_CURRENT &&
            strcmp(list->at[i].approval.name, name) == 0)
            return &list->at[i];
    return NULL;
}

/* ---- Paths ---- */

char *depot_path(const Depot *d, const char *folder, const char *name)
{
    char *path = NULL;
    int n = name ? asprintf(&path, "%s/%s/%s", d->dir, folder, name)
                 : asprintf(&path, "%s/%s", d->dir, folder);
    return n < 0 ? NULL : path;
}

char *version_path(const Depot *d, const char *id, const char *file)
{
    char *path = NULL;
    return asprintf(&path, "%s/versions/%s/%s", d->dir, id, file) < 0 ? NULL : path;
}

char *policy_path(const Depot *d, const uint8_t digest[32])
{
    char hex[65], *path = NULL;
    sodium_bin2hex(hex, sizeof hex, digest, 32);
    return asprintf(&path, "%s/policies/%s.yaml", d->dir, hex) < 0 ? NULL : path;
}

fnvm_error *policy_put(const Depot *d, const uint8_t digest[32], const char *yaml, size_t len)
{
    char *folder = depot_path(d, "policies", NULL), *path = policy_path(d, digest);
    FileState state = FILE_MISSING;
    struct stat st;
    fnvm_error *error = folder && path ? directory_make(folder) : error_no_memory();
    if (!error) error = file_compare(path, digest, &state, &st);
    if (!error && state != FILE_WHOLE) error = file_put(path, yaml, len, &st);
    free(folder);
    free(path);
    return error;
}

/* ---- Locks ---- */

bool flock_wait(int fd, int how)
{
    int status;
    do status = flock(fd, how);
    while (status != 0 && errno == EINTR);
    return status == 0;
}

fnvm_error *depot_flock(const Depot *d, const char *name, int how, int *fd)
{
    *fd = openat(d->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd >= 0 && flock_wait(*fd, how)) return NULL;
    const int number = errno;
    const bool busy = *fd >= 0 && number == EWOULDBLOCK;
    if (*fd >= 0) close(*fd);
    *fd = -1;
    if (busy) return NULL;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(FNVM_E_IO, "cannot lock `%s/%s`: %s", d->dir, name,
                          reason ? reason : "unknown error");
}

/* ---- Rows ---- */

fnvm_error *installed_note(const char *path, bool *is_there, uint8_t hash[32],
                           StandingKey *identity)
{
    struct stat st;
    fnvm_error *error = file_identify(path, hash, &st, is_there);
    if (!error && *is_there) *identity = standing_identity(&st);
    return error;
}

fnvm_error *installed_event(Database *database, const char *what, const Approval *about,
                            const char *reason)
{
    Event event = {.has_measurement = true, .measurement = about->measurement};
    snprintf(event.what, sizeof event.what, "%s", what);
    snprintf(event.name, sizeof event.name, "%s", about->name);
    snprintf(event.version, sizeof event.version, "%s", about->version);
    snprintf(event.reason, sizeof event.reason, "%s", reason);
    return database_add_event(database, &event);
}
